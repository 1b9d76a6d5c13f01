-- What each project earned and cost a day, by pool and product line: the intervals that ended within the day (UTC), summed as they are
-- written, so that a report over a year reads days and not intervals. `line` is the place in the list of product lines, -1 for what
-- was metered before this table was there. Times in milliseconds of a core and of a card that were granted.

CREATE TABLE daily (
    day BIGINT NOT NULL,
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
    PRIMARY KEY (day, project, pool, line)
);
INSERT INTO daily (day, project, pool, line, charge, uncollected, depreciation, datacentre, fee, core_ms, card_ms)
    SELECT (i.to_at - 1) / 86400000000, j.project, a.pool, -1, CAST(SUM(i.charge) AS BIGINT),
        CAST(SUM(i.uncollected) AS BIGINT), CAST(SUM(i.depreciation) AS BIGINT), CAST(SUM(i.datacentre) AS BIGINT),
        CAST(SUM(i.fee) AS BIGINT), CAST(SUM(i.cpu_millis * ((i.to_at - i.from_at) / 1000) / 1000) AS BIGINT),
        CAST(SUM(i.gpus * ((i.to_at - i.from_at) / 1000)) AS BIGINT)
    FROM intervals i JOIN jobs j ON j.id = i.job JOIN attempts a ON a.job = i.job AND a.number = i.attempt
    GROUP BY (i.to_at - 1) / 86400000000, j.project, a.pool;
