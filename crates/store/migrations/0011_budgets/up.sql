-- Budgets with what was spent of them, period by period; terms of suppliers with what was bought under them.

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
