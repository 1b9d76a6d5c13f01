-- Of an interval, by which price book its tenant is billed (none when only its cost is counted) and when its run began, in microseconds;
-- both are unknown of intervals that were stored before. What tenants have had in each month of what a book prices by that.

ALTER TABLE intervals ADD COLUMN book BYTEA;
ALTER TABLE intervals ADD COLUMN run BIGINT;

CREATE TABLE volumes (
    tenant BYTEA NOT NULL,
    book BYTEA NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (tenant, book)
);
