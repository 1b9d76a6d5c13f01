-- Lists of jobs by other orders than their number, and by properties that few jobs have. The indexes are of ended jobs only, so that each
-- job enters them once; open ones are few beside them and are sorted when asked for.

ALTER TABLE jobs ADD COLUMN class BIGINT NOT NULL DEFAULT 1;
UPDATE jobs SET class = COALESCE((SELECT CASE WHEN s.doc LIKE '%"class":"low"%' THEN 0 WHEN s.doc LIKE '%"class":"high"%' THEN 2
    WHEN s.doc LIKE '%"class":"urgent"%' THEN 3 ELSE 1 END FROM specs s WHERE s.id = jobs.spec), 1);
CREATE INDEX jobs_by_start ON jobs (started_at, number) WHERE open = 0;
CREATE INDEX jobs_by_end ON jobs (ended_at, number) WHERE open = 0;
CREATE INDEX jobs_by_run ON jobs ((ended_at - started_at), number) WHERE open = 0;
CREATE INDEX jobs_by_charge ON jobs (charged, number) WHERE open = 0;
CREATE INDEX jobs_by_name ON jobs (name, number) WHERE open = 0;
CREATE INDEX jobs_by_state ON jobs (state, number) WHERE open = 0;
CREATE INDEX jobs_by_class ON jobs (class, number) WHERE open = 0;
CREATE INDEX jobs_by_pool ON jobs (pool, number) WHERE open = 0;
