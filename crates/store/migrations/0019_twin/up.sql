-- Runs of the twin that people asked the platform for: what was asked, where it stands, and what came of it.

CREATE TABLE twin_runs (
    id BYTEA NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    state BIGINT NOT NULL,
    begun BIGINT,
    ended BIGINT,
    doc TEXT NOT NULL,
    gist TEXT NOT NULL,
    result TEXT NOT NULL
);
CREATE INDEX twin_runs_at ON twin_runs (at, id);
