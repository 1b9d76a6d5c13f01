-- What tenants were told for a month, the invoices written for that, and corrections of what was billed. Nothing here is ever changed.

CREATE TABLE tenant_statements (
    number BIGINT PRIMARY KEY,
    tenant BYTEA NOT NULL,
    month TEXT NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL,
    UNIQUE (tenant, month)
);
CREATE TABLE tenant_invoices (
    number BIGINT PRIMARY KEY,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE TABLE corrections (
    id BYTEA NOT NULL PRIMARY KEY,
    tenant BYTEA NOT NULL,
    job BYTEA,
    at BIGINT NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE INDEX corrections_at ON corrections (at, id);
CREATE INDEX corrections_tenant ON corrections (tenant, at, id);
CREATE INDEX corrections_job ON corrections (job, at) WHERE job IS NOT NULL;
