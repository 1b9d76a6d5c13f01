-- Storage, traffic, requests and tokens as they were billed: one row for each record that was reported, by the digest of its source and
-- id, and by our number. Pieces are bytes times microseconds, bytes, requests or tokens: high × 2^40 + low, so that the database can
-- sum them. Nothing is ever changed or removed.

CREATE TABLE usage_records (
    id BYTEA NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL,
    tenant BYTEA NOT NULL,
    project BYTEA NOT NULL,
    user_id BYTEA,
    pool BYTEA,
    source TEXT NOT NULL,
    unit TEXT NOT NULL,
    from_at BIGINT NOT NULL,
    to_at BIGINT NOT NULL,
    at BIGINT NOT NULL,
    counts_at BIGINT NOT NULL,
    pieces_high BIGINT NOT NULL,
    pieces_low BIGINT NOT NULL,
    included_high BIGINT NOT NULL,
    included_low BIGINT NOT NULL,
    charge BIGINT NOT NULL,
    uncollected BIGINT NOT NULL,
    credited BIGINT NOT NULL,
    fingerprint BYTEA NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE UNIQUE INDEX usage_records_number ON usage_records (number);
CREATE INDEX usage_records_tenant ON usage_records (tenant, number);
CREATE INDEX usage_records_day ON usage_records (counts_at);
CREATE INDEX usage_records_own ON usage_records (to_at) WHERE source = 'platform' AND unit = 'gib_month';
