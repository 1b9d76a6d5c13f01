-- Notices to users of what happened: what each wants and where to, what is on its way, and up to which event that was looked for.

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
