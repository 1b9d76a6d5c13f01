-- Budgets with what was spent of them, period by period.

CREATE TABLE budgets (
    number BIGINT PRIMARY KEY,
    tenant BYTEA NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE INDEX budgets_tenant ON budgets (tenant);
