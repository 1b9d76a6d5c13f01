-- The whole schema as it is after all steps of `migrations/`; a test compares. New tables go into a new step and here.

CREATE TABLE lease (
    id BIGINT PRIMARY KEY,
    holder TEXT NOT NULL,
    fence BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    batches BIGINT NOT NULL
);
INSERT INTO lease (id, holder, fence, expires_at, batches) VALUES (1, '', 0, 0, 0);

CREATE TABLE tenants (
    id BYTEA NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    currency TEXT NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE TABLE projects (
    id BYTEA NOT NULL PRIMARY KEY,
    tenant BYTEA NOT NULL,
    name TEXT NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL,
    UNIQUE (tenant, name)
);
CREATE TABLE users (
    id BYTEA NOT NULL PRIMARY KEY,
    tenant BYTEA NOT NULL,
    name TEXT NOT NULL UNIQUE,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE INDEX users_tenant ON users (tenant);
CREATE TABLE passwords (
    user_id BYTEA NOT NULL PRIMARY KEY,
    phc TEXT NOT NULL
);
CREATE TABLE tokens (
    id BYTEA NOT NULL PRIMARY KEY,
    user_id BYTEA NOT NULL,
    digest BYTEA NOT NULL UNIQUE,
    revoked_at BIGINT,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE INDEX tokens_user ON tokens (user_id);
CREATE TABLE shares (
    tenant BYTEA NOT NULL PRIMARY KEY,
    cpu_milli_ms BIGINT NOT NULL,
    mem_mib_ms BIGINT NOT NULL,
    gpu_ms BIGINT NOT NULL,
    at BIGINT NOT NULL
);

CREATE TABLE suppliers (
    id BYTEA NOT NULL PRIMARY KEY,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE TABLE clusters (
    id BYTEA NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE TABLE pools (
    id BYTEA NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE TABLE pool_costs (
    pool BYTEA NOT NULL PRIMARY KEY,
    v BIGINT NOT NULL,
    doc TEXT
);
CREATE TABLE price_books (
    id BYTEA NOT NULL PRIMARY KEY,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);

CREATE TABLE specs (
    id BYTEA NOT NULL PRIMARY KEY,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE TABLE scripts (
    id BYTEA NOT NULL PRIMARY KEY,
    body BYTEA NOT NULL
);
CREATE TABLE jobs (
    number BIGINT PRIMARY KEY,
    id BYTEA NOT NULL UNIQUE,
    tenant BYTEA NOT NULL,
    project BYTEA NOT NULL,
    user_id BYTEA NOT NULL,
    spec BYTEA NOT NULL,
    array_root BYTEA,
    array_number BIGINT,
    array_index BIGINT,
    name TEXT NOT NULL,
    state BIGINT NOT NULL,
    open BIGINT NOT NULL,
    pool BYTEA,
    submitted_at BIGINT NOT NULL,
    started_at BIGINT,
    ended_at BIGINT,
    charged BIGINT NOT NULL,
    hold BYTEA,
    v BIGINT NOT NULL,
    doc TEXT,
    class BIGINT NOT NULL DEFAULT 1,
    last_state BIGINT GENERATED ALWAYS AS (CASE WHEN open = 0 THEN state END) STORED,
    last_pool BYTEA GENERATED ALWAYS AS (CASE WHEN open = 0 THEN pool END) STORED,
    last_start BIGINT GENERATED ALWAYS AS (CASE WHEN open = 0 THEN started_at END) STORED,
    last_charge BIGINT GENERATED ALWAYS AS (CASE WHEN open = 0 THEN charged END) STORED,
    begun BIGINT GENERATED ALWAYS AS (CASE WHEN open = 1 AND (started_at IS NOT NULL OR charged <> 0 OR pool IS NOT NULL) THEN number END) STORED
);
ALTER TABLE jobs SET (fillfactor = 50);
CREATE INDEX jobs_tenant ON jobs (tenant, number);
CREATE INDEX jobs_user ON jobs (user_id, number);
CREATE INDEX jobs_open ON jobs (number) WHERE open = 1;
CREATE INDEX jobs_array ON jobs (array_number, array_index) WHERE array_number IS NOT NULL;
CREATE INDEX jobs_by_start ON jobs (last_start, number) WHERE open = 0;
CREATE INDEX jobs_by_end ON jobs (ended_at, number) WHERE open = 0;
CREATE INDEX jobs_by_run ON jobs ((ended_at - last_start), number) WHERE open = 0;
CREATE INDEX jobs_by_charge ON jobs (last_charge, number) WHERE open = 0;
CREATE INDEX jobs_by_name ON jobs (name, number);
CREATE INDEX jobs_by_state ON jobs (last_state, tenant, number) WHERE open = 0;
CREATE INDEX jobs_by_class ON jobs (class, tenant, number);
CREATE INDEX jobs_by_pool ON jobs (last_pool, tenant, number) WHERE open = 0;
CREATE INDEX jobs_begun ON jobs (begun) WHERE begun IS NOT NULL;
CREATE INDEX jobs_open_tenant ON jobs (tenant, number) WHERE open = 1;
CREATE TABLE attempts (
    job BYTEA NOT NULL,
    number BIGINT NOT NULL,
    pool BYTEA NOT NULL,
    open BIGINT NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (job, number)
);
CREATE INDEX attempts_open ON attempts (job, number) WHERE open = 1;
CREATE TABLE explanations (
    job BYTEA NOT NULL,
    attempt BIGINT NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (job, attempt)
);
CREATE TABLE meters (
    job BYTEA NOT NULL,
    attempt BIGINT NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (job, attempt)
);
CREATE TABLE intervals (
    job BYTEA NOT NULL,
    attempt BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    from_at BIGINT NOT NULL,
    to_at BIGINT NOT NULL,
    cpu_millis BIGINT NOT NULL,
    memory_bytes BIGINT NOT NULL,
    gpus BIGINT NOT NULL,
    charge BIGINT NOT NULL,
    uncollected BIGINT NOT NULL,
    depreciation BIGINT NOT NULL,
    datacentre BIGINT NOT NULL,
    fee BIGINT NOT NULL DEFAULT 0,
    book BYTEA,
    run BIGINT,
    drawn BIGINT NOT NULL DEFAULT 0,
    draws TEXT,
    credited BIGINT NOT NULL DEFAULT 0,
    credits TEXT,
    PRIMARY KEY (job, attempt, seq)
);
CREATE INDEX intervals_to ON intervals (to_at);

CREATE TABLE events (
    seq BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    tenant BYTEA,
    job BYTEA,
    state BIGINT,
    actor_kind BIGINT NOT NULL,
    actor BYTEA,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE INDEX events_job ON events (job, seq) WHERE job IS NOT NULL;
CREATE TABLE audit (
    seq BIGINT PRIMARY KEY,
    tenant BYTEA,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE TABLE onces (
    key BYTEA NOT NULL PRIMARY KEY,
    fingerprint BYTEA NOT NULL,
    at BIGINT NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE INDEX onces_at ON onces (at);

CREATE TABLE accounts (
    id BYTEA NOT NULL PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    currency TEXT NOT NULL,
    floor BIGINT,
    debits BIGINT NOT NULL,
    credits BIGINT NOT NULL,
    held BIGINT NOT NULL
);
CREATE TABLE transfers (
    id BYTEA NOT NULL PRIMARY KEY,
    debit BYTEA NOT NULL,
    credit BYTEA NOT NULL,
    amount BIGINT NOT NULL,
    currency TEXT NOT NULL,
    at BIGINT NOT NULL,
    reason TEXT NOT NULL,
    corrects BYTEA,
    memo TEXT NOT NULL,
    hold BYTEA,
    v BIGINT NOT NULL,
    reference TEXT
);
CREATE INDEX transfers_debit ON transfers (debit, at, id);
CREATE INDEX transfers_credit ON transfers (credit, at, id);
CREATE TABLE holds (
    id BYTEA NOT NULL PRIMARY KEY,
    account BYTEA NOT NULL,
    amount_initial BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    settled BIGINT NOT NULL,
    open BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    expires_at BIGINT
);
CREATE INDEX holds_open ON holds (id) WHERE open = 1;
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

CREATE TABLE job_results (
    job BYTEA NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    due BIGINT NOT NULL
);
CREATE INDEX job_results_due ON job_results (at, job) WHERE due = 1;

CREATE TABLE policies (
    number BIGINT PRIMARY KEY,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);

CREATE TABLE checkpoints (
    job BYTEA NOT NULL,
    at BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    cluster BYTEA NOT NULL,
    tenant BYTEA NOT NULL,
    files BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    whole BIGINT NOT NULL,
    PRIMARY KEY (job, at)
);
CREATE TABLE checkpoint_files (
    job BYTEA NOT NULL,
    at BIGINT NOT NULL,
    path BYTEA NOT NULL,
    size BIGINT NOT NULL,
    modified BIGINT NOT NULL,
    mode BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    PRIMARY KEY (job, at, path)
);
CREATE INDEX checkpoint_files_digest ON checkpoint_files (digest);

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
    credited BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (day, project, pool, line)
);

CREATE TABLE settlements (
    number BIGINT PRIMARY KEY,
    state BIGINT NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE TABLE settlement_lines (
    settlement BIGINT NOT NULL,
    line BIGINT NOT NULL,
    verdict BIGINT NOT NULL,
    dispute BIGINT NOT NULL,
    job BYTEA,
    attempt BIGINT,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (settlement, line)
);
CREATE INDEX settlement_lines_attempt ON settlement_lines (job, attempt) WHERE job IS NOT NULL;

CREATE TABLE volumes (
    tenant BYTEA NOT NULL,
    book BYTEA NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (tenant, book)
);

CREATE TABLE contracts (
    number BIGINT PRIMARY KEY,
    tenant BYTEA NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE TABLE contract_months (
    contract BIGINT NOT NULL,
    line BIGINT NOT NULL,
    month BIGINT NOT NULL,
    carried BIGINT NOT NULL,
    closed_at BIGINT,
    lapsed BIGINT NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (contract, line, month, carried)
);
CREATE INDEX contract_months_closed ON contract_months (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE tenant_statements (
    number BIGINT PRIMARY KEY,
    tenant BYTEA NOT NULL,
    month TEXT NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL,
    UNIQUE (tenant, month)
);
CREATE TABLE tenant_invoices (
    number BIGINT PRIMARY KEY,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE TABLE corrections (
    id BYTEA NOT NULL PRIMARY KEY,
    tenant BYTEA NOT NULL,
    job BYTEA,
    at BIGINT NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE INDEX corrections_at ON corrections (at, id);
CREATE INDEX corrections_tenant ON corrections (tenant, at, id);
CREATE INDEX corrections_job ON corrections (job, at) WHERE job IS NOT NULL;

CREATE TABLE budgets (
    number BIGINT PRIMARY KEY,
    tenant BYTEA NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE INDEX budgets_tenant ON budgets (tenant);

CREATE TABLE supplier_terms (
    supplier BYTEA PRIMARY KEY,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);

CREATE TABLE daily_used (
    day BIGINT NOT NULL,
    pool BYTEA NOT NULL,
    used_ms BIGINT NOT NULL,
    known_ms BIGINT NOT NULL,
    PRIMARY KEY (day, pool)
);

CREATE TABLE grants (
    number BIGINT PRIMARY KEY,
    tenant BYTEA NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE INDEX grants_tenant ON grants (tenant, number);

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

CREATE TABLE days (
    one BIGINT PRIMARY KEY,
    utc_offset TEXT NOT NULL
);

CREATE TABLE currency_rates (
    number BIGINT PRIMARY KEY,
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    v BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE INDEX currency_rates_pair ON currency_rates (target, source, number);

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
    doc TEXT NOT NULL,
    model TEXT,
    kind TEXT
);
CREATE UNIQUE INDEX usage_records_number ON usage_records (number);
CREATE INDEX usage_records_tenant ON usage_records (tenant, number);
CREATE INDEX usage_records_day ON usage_records (counts_at);
CREATE INDEX usage_records_own ON usage_records (to_at) WHERE source = 'platform' AND unit = 'gib_month';

CREATE TABLE notice_wishes (
    user_id BYTEA NOT NULL PRIMARY KEY,
    language TEXT NOT NULL,
    kinds BIGINT NOT NULL,
    address TEXT,
    confirmed_at BIGINT,
    asked TEXT,
    asked_at BIGINT,
    code BYTEA,
    guesses BIGINT NOT NULL,
    mailed_at BIGINT,
    fault TEXT,
    fault_at BIGINT
);
CREATE TABLE notice_hooks (
    id BYTEA NOT NULL PRIMARY KEY,
    user_id BYTEA NOT NULL,
    url TEXT NOT NULL,
    secret BYTEA NOT NULL,
    kinds BIGINT NOT NULL,
    made_at BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    sent_at BIGINT,
    fault TEXT,
    fault_at BIGINT
);
CREATE INDEX notice_hooks_user ON notice_hooks (user_id);
CREATE TABLE notices (
    id BYTEA NOT NULL PRIMARY KEY,
    channel BIGINT NOT NULL,
    lane BYTEA NOT NULL,
    seq BIGINT NOT NULL,
    made_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    given_up BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE INDEX notices_due ON notices (given_up, due_at);
CREATE INDEX notices_lane ON notices (lane, given_up, due_at);
CREATE TABLE notice_cursor (
    one BIGINT PRIMARY KEY,
    seq BIGINT NOT NULL
);

CREATE TABLE twin_runs (
    id BYTEA NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    state BIGINT NOT NULL,
    begun BIGINT,
    ended BIGINT,
    doc TEXT NOT NULL,
    gist TEXT NOT NULL,
    result TEXT NOT NULL
);
CREATE INDEX twin_runs_at ON twin_runs (at, id);
