-- Registered clusters: the way to each, what was found out about it, and which platform this is to them.

CREATE TABLE cluster_links (
    id BYTEA NOT NULL PRIMARY KEY,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE TABLE cluster_reports (
    id BYTEA NOT NULL PRIMARY KEY,
    cluster BYTEA NOT NULL,
    at BIGINT NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE INDEX cluster_reports_cluster ON cluster_reports (cluster, id);
-- One row: the platform's own id, drawn once. Two platforms that use one account on one cluster tell their jobs apart by it.
CREATE TABLE platform (
    one BIGINT PRIMARY KEY,
    id BYTEA NOT NULL
);
