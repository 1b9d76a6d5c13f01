-- Jobs that have ended and whose results are to be copied into the file space by a rule of theirs, or were: `due` is 1 until then.

CREATE TABLE job_results (
    job BYTEA NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    due BIGINT NOT NULL
);
CREATE INDEX job_results_due ON job_results (at, job) WHERE due = 1;
