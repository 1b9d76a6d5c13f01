-- The sums of a day with users told apart, for reports by user and for how many were active. What was metered before this table was
-- there has -1 as its product line here. And where days begin, as a distance from UTC: what was summed before is of UTC's days.

CREATE TABLE daily_users (
    day BIGINT NOT NULL,
    user_id BYTEA NOT NULL,
    project BYTEA NOT NULL,
    pool BYTEA NOT NULL,
    line BIGINT NOT NULL,
    charge BIGINT NOT NULL,
    uncollected BIGINT NOT NULL,
    depreciation BIGINT NOT NULL,
    datacentre BIGINT NOT NULL,
    fee BIGINT NOT NULL,
    core_ms BIGINT NOT NULL,
    card_ms BIGINT NOT NULL,
    credited BIGINT NOT NULL,
    PRIMARY KEY (day, user_id, project, pool, line)
);
INSERT INTO daily_users (day, user_id, project, pool, line, charge, uncollected, depreciation, datacentre, fee, core_ms, card_ms,
    credited)
    SELECT (i.to_at - 1) / 86400000000, j.user_id, j.project, a.pool, -1, CAST(SUM(i.charge) AS BIGINT),
        CAST(SUM(i.uncollected) AS BIGINT), CAST(SUM(i.depreciation) AS BIGINT), CAST(SUM(i.datacentre) AS BIGINT),
        CAST(SUM(i.fee) AS BIGINT), CAST(SUM(i.cpu_millis * ((i.to_at - i.from_at) / 1000) / 1000) AS BIGINT),
        CAST(SUM(i.gpus * ((i.to_at - i.from_at) / 1000)) AS BIGINT), CAST(SUM(i.credited) AS BIGINT)
    FROM intervals i JOIN jobs j ON j.id = i.job JOIN attempts a ON a.job = i.job AND a.number = i.attempt
    GROUP BY (i.to_at - 1) / 86400000000, j.user_id, j.project, a.pool;

CREATE TABLE days (
    one BIGINT PRIMARY KEY,
    utc_offset TEXT NOT NULL
);
INSERT INTO days (one, utc_offset) SELECT 1, '+00:00' WHERE EXISTS (SELECT 1 FROM daily);
