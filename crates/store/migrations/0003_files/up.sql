-- Tenants' file space: which content lies at which path, what is on its way, and what of it jobs still need.
--
-- Contents themselves are files in the data folder, named by their SHA-256 (`digest`). Paths are BYTEA, so that both
-- databases keep them in the order of their bytes.

CREATE TABLE blobs (
    digest BYTEA NOT NULL PRIMARY KEY,
    size BIGINT NOT NULL,
    at BIGINT NOT NULL
);
CREATE TABLE files (
    tenant BYTEA NOT NULL,
    project BYTEA NOT NULL,
    path BYTEA NOT NULL,
    digest BYTEA NOT NULL,
    size BIGINT NOT NULL,
    mode BIGINT NOT NULL,
    user_id BYTEA NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (tenant, project, path)
);
CREATE INDEX files_digest ON files (digest, tenant);
CREATE TABLE file_usage (
    tenant BYTEA NOT NULL PRIMARY KEY,
    bytes BIGINT NOT NULL,
    files BIGINT NOT NULL
);
CREATE TABLE uploads (
    id BYTEA NOT NULL PRIMARY KEY,
    tenant BYTEA NOT NULL,
    project BYTEA NOT NULL,
    path BYTEA NOT NULL,
    digest BYTEA NOT NULL,
    size BIGINT NOT NULL,
    mode BIGINT NOT NULL,
    user_id BYTEA NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX uploads_tenant ON uploads (tenant);
CREATE TABLE file_pins (
    digest BYTEA NOT NULL,
    spec BYTEA NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (digest, spec)
);
