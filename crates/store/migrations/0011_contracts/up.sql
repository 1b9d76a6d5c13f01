-- Tenants' contracts, by our number, and the months of their lines (line 0 is the contract's own fee; what is carried from the month
-- before stands beside the month's own). Of a month that is closed, when, and how much of its fee was earned then. Of an interval,
-- which part of its charge was drawn from contracts, and the draws as a list.

ALTER TABLE intervals ADD COLUMN drawn BIGINT NOT NULL DEFAULT 0;
ALTER TABLE intervals ADD COLUMN draws TEXT;

CREATE TABLE contracts (
    number BIGINT PRIMARY KEY,
    tenant BYTEA NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE TABLE contract_months (
    contract BIGINT NOT NULL,
    line BIGINT NOT NULL,
    month BIGINT NOT NULL,
    carried BIGINT NOT NULL,
    closed_at BIGINT,
    lapsed BIGINT NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (contract, line, month, carried)
);
CREATE INDEX contract_months_closed ON contract_months (closed_at) WHERE closed_at IS NOT NULL;
