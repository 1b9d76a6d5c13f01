-- Money granted for free, by our number, with what was drawn of it. Of an interval, which part of its charge grants paid, and by which
-- as a list; of a day's sums, what grants paid of them.

ALTER TABLE intervals ADD COLUMN credited BIGINT NOT NULL DEFAULT 0;
ALTER TABLE intervals ADD COLUMN credits TEXT;
ALTER TABLE daily ADD COLUMN credited BIGINT NOT NULL DEFAULT 0;

CREATE TABLE grants (
    number BIGINT PRIMARY KEY,
    tenant BYTEA NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE INDEX grants_tenant ON grants (tenant, number);
