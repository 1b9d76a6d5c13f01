-- What is bought: the fee of each interval, and the time of each pool, in stretches in which no node changed its state. `upkeep` has
-- the stretch that is open. Amounts in micro-units of the operator's currency; the last five columns are what no run carried, by cause.

ALTER TABLE intervals ADD COLUMN fee BIGINT NOT NULL DEFAULT 0;

CREATE TABLE upkeep (
    pool BYTEA NOT NULL PRIMARY KEY,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE TABLE stretches (
    pool BYTEA NOT NULL,
    from_at BIGINT NOT NULL,
    to_at BIGINT NOT NULL,
    nodes BIGINT NOT NULL,
    nodes_outage BIGINT NOT NULL,
    nodes_maintenance BIGINT NOT NULL,
    nodes_reserve BIGINT NOT NULL,
    depreciation BIGINT NOT NULL,
    datacentre BIGINT NOT NULL,
    worked BIGINT NOT NULL,
    outage BIGINT NOT NULL,
    maintenance BIGINT NOT NULL,
    reserve BIGINT NOT NULL,
    idle BIGINT NOT NULL,
    overlap BIGINT NOT NULL,
    PRIMARY KEY (pool, from_at)
);
CREATE INDEX stretches_to ON stretches (to_at);
