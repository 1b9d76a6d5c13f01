-- Suppliers' statements and their lines. `state` is 1 once a statement is accepted (0 open, 2 withdrawn). `job` and `attempt` of a line
-- name what accepting it settles; `verdict` and `dispute` are what lists are narrowed by (0: it matched; 1: in dispute).

CREATE TABLE settlements (
    number BIGINT PRIMARY KEY,
    state BIGINT NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE TABLE settlement_lines (
    settlement BIGINT NOT NULL,
    line BIGINT NOT NULL,
    verdict BIGINT NOT NULL,
    dispute BIGINT NOT NULL,
    job BYTEA,
    attempt BIGINT,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (settlement, line)
);
CREATE INDEX settlement_lines_attempt ON settlement_lines (job, attempt) WHERE job IS NOT NULL;
