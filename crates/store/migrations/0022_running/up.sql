-- Jobs are written anew each minute while they run. PostgreSQL leaves the indexes alone only where no column changes that stands in any of
-- them, be it in a condition that the row does not meet: what changes while a job runs is indexed as it is at the end, and a page keeps room
-- for the next version of its rows. By name and class open jobs are found too; those that have begun (a pool was
-- found for them) are found apart from those that only wait, and a tenant's open ones apart from all others'. By state, class and pool each tenant's
-- jobs stand together, so that a state that a large tenant has not is found to be missing at once.

DROP INDEX jobs_by_start;
DROP INDEX jobs_by_run;
DROP INDEX jobs_by_charge;
DROP INDEX jobs_by_name;
DROP INDEX jobs_by_state;
DROP INDEX jobs_by_pool;
DROP INDEX jobs_by_class;
ALTER TABLE jobs ADD COLUMN last_state BIGINT GENERATED ALWAYS AS (CASE WHEN open = 0 THEN state END) STORED;
ALTER TABLE jobs ADD COLUMN last_pool BYTEA GENERATED ALWAYS AS (CASE WHEN open = 0 THEN pool END) STORED;
ALTER TABLE jobs ADD COLUMN last_start BIGINT GENERATED ALWAYS AS (CASE WHEN open = 0 THEN started_at END) STORED;
ALTER TABLE jobs ADD COLUMN last_charge BIGINT GENERATED ALWAYS AS (CASE WHEN open = 0 THEN charged END) STORED;
ALTER TABLE jobs ADD COLUMN begun BIGINT GENERATED ALWAYS AS (CASE WHEN open = 1 AND (started_at IS NOT NULL OR charged <> 0 OR pool IS NOT NULL) THEN number END) STORED;
CREATE INDEX jobs_by_start ON jobs (last_start, number) WHERE open = 0;
CREATE INDEX jobs_by_run ON jobs ((ended_at - last_start), number) WHERE open = 0;
CREATE INDEX jobs_by_charge ON jobs (last_charge, number) WHERE open = 0;
CREATE INDEX jobs_by_name ON jobs (name, number);
CREATE INDEX jobs_by_state ON jobs (last_state, tenant, number) WHERE open = 0;
CREATE INDEX jobs_by_class ON jobs (class, tenant, number);
CREATE INDEX jobs_by_pool ON jobs (last_pool, tenant, number) WHERE open = 0;
CREATE INDEX jobs_begun ON jobs (begun) WHERE begun IS NOT NULL;
CREATE INDEX jobs_open_tenant ON jobs (tenant, number) WHERE open = 1;
ALTER TABLE jobs SET (fillfactor = 50);
