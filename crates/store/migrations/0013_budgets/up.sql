-- Budgets with what was spent of them, period by period; terms of suppliers with what was bought under them.
-- Of attempts that ended on a day and whose clusters told how much processor time they used: that, and the core time they had.

CREATE TABLE budgets (
    number BIGINT PRIMARY KEY,
    tenant BYTEA NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE INDEX budgets_tenant ON budgets (tenant);

CREATE TABLE supplier_terms (
    supplier BYTEA PRIMARY KEY,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);

CREATE TABLE daily_used (
    day BIGINT NOT NULL,
    pool BYTEA NOT NULL,
    used_ms BIGINT NOT NULL,
    known_ms BIGINT NOT NULL,
    PRIMARY KEY (day, pool)
);
