-- Files of running jobs that were copied away, or are being copied (`whole` is 0 until all of them are there), so that the next attempt
-- goes on from them. `at` is when they stood still, in microseconds; `digest` is empty until a file's content is there.

CREATE TABLE checkpoints (
    job BYTEA NOT NULL,
    at BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    cluster BYTEA NOT NULL,
    tenant BYTEA NOT NULL,
    files BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    whole BIGINT NOT NULL,
    PRIMARY KEY (job, at)
);
CREATE TABLE checkpoint_files (
    job BYTEA NOT NULL,
    at BIGINT NOT NULL,
    path BYTEA NOT NULL,
    size BIGINT NOT NULL,
    modified BIGINT NOT NULL,
    mode BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    PRIMARY KEY (job, at, path)
);
CREATE INDEX checkpoint_files_digest ON checkpoint_files (digest);
