//! Every bound of the HTTP edge in one table, each with its unit and its arithmetic.
//! Bounds of a job's description are `jobscript::limits`.

use std::time::Duration;

use base::Span;

/// Bytes of a request body: a script of 4 MiB whose JSON escapes double it.
pub const BODY_BYTES_MAX: usize = 8 << 20;
/// How long a body may take to arrive: 8 MiB at 140 KiB a second.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(60);
/// Characters of a parser's message, or of a text it repeats, that an answer shows.
pub const PARSER_CHARS_SHOWN: usize = 400;
/// Bytes of a script sent to `POST /v1/jobs`.
pub const SCRIPT_BYTES_MAX: usize = jobscript::limits::SCRIPT_BYTES_MAX;
/// Bytes of one segment of a path: the longest is an attempt id of 36 bytes and a number, or a name of 40.
pub const PATH_SEGMENT_BYTES_MAX: usize = 64;
/// Bytes of path and query together: thirty filters of 256 bytes.
pub const TARGET_BYTES_MAX: usize = 8_192;
/// Items of one page.
pub const PAGE_ITEMS_MAX: u32 = 1_000;
/// Items of a page when the caller does not say.
pub const PAGE_ITEMS_DEFAULT: u32 = 100;
/// Glances at a pool that the expected starts of one page of jobs may take: with five pools those of a whole page, with a
/// hundred those of fifty jobs. A glance took 0.2 µs of the engine's time beside 2,000 running jobs on 100 pools, so a page
/// takes 1 ms, and 10 ms where the plans of pools are ten times as long. The reasons of a thousand jobs took 1 ms there.
pub const LIST_START_GLANCES_MAX: usize = 5_000;
/// Open jobs of which the whole state is given away at once: about 2 KiB each, so 100 MB of text.
pub const STATE_JOBS_MAX: usize = 50_000;
/// Jobs of one bulk request.
pub const BULK_JOBS_MAX: usize = 1_000;
/// Jobs of one bulk request that are with the engine at a time; it commits whatever waits as one batch.
pub const BULK_JOBS_AT_ONCE: usize = 64;
/// Characters of a label (of a token).
pub const LABEL_CHARS_MAX: usize = 100;
/// Characters of a memo (of a top-up).
pub const MEMO_CHARS_MAX: usize = 200;
/// Characters of an `Idempotency-Key`, visible ASCII.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 200;
/// Characters of an `X-Request-Id` that is taken over, visible ASCII.
pub const REQUEST_ID_CHARS_MAX: usize = 64;
/// Characters of a filter that is a free text (a job's name).
pub const FILTER_CHARS_MAX: usize = 128;
/// States that one filter may name: there are eleven.
pub const FILTER_STATES_MAX: usize = 11;

/// Characters of a password; argon2 takes any length, but hashing must stay cheap to refuse.
pub const PASSWORD_CHARS_MAX: usize = 256;
/// Characters of a new password.
pub const PASSWORD_CHARS_MIN: usize = 10;
/// Verifications of passwords at a time. One takes 19 MiB and about 15 ms of a core (argon2id's default parameters).
pub const PASSWORD_CHECKS_AT_ONCE: usize = 2;
/// Sign-ins that one name or one address may try in a minute; all of them may come at once.
pub const SIGN_INS_PER_MINUTE: u32 = 20;
/// Names and addresses whose sign-ins are counted, before those at rest are forgotten; some 100 bytes each.
pub const SIGN_IN_KEYS_KEPT: usize = 50_000;
/// How long a browser session lasts.
pub const SESSION_SPAN: Span = Span::from_hours(12);
/// How long a token lasts when the caller does not say.
pub const TOKEN_SPAN_DEFAULT: Span = Span::from_hours(90 * 24);
/// The longest a token may last.
pub const TOKEN_SPAN_MAX: Span = Span::from_hours(366 * 24);
/// The shortest.
pub const TOKEN_SPAN_MIN: Span = Span::from_secs(60);
/// How long a proven token is trusted without asking the store. A revocation elsewhere (another replica) reaches this
/// one after that; one on this replica at once.
pub const TOKEN_TRUSTED: Duration = Duration::from_secs(10);
/// Tokens remembered at a time; some 300 bytes each.
pub const TOKENS_REMEMBERED: u64 = 10_000;
/// How long names of tenants, projects, users and pools are shown as last read.
pub const NAMES_TRUSTED: Duration = Duration::from_secs(5);
/// Names of each kind remembered at a time; some 200 bytes each.
pub const NAMES_REMEMBERED: u64 = 20_000;

/// Streams (events and logs) open at a time, each with a task and some tens of KiB.
pub const STREAMS_MAX: usize = 1_000;
/// Between two comments that keep a silent stream alive; proxies cut after a minute.
pub const STREAM_KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Events read from the store at a time when a stream catches up.
pub const STREAM_CATCH_UP: u32 = 500;
/// Bytes of one answer of a log, and of one piece of a followed log.
pub const LOG_BYTES_MAX: usize = 1 << 20;
/// Bytes of a log when the caller does not say.
pub const LOG_BYTES_DEFAULT: usize = 256 << 10;
/// Bytes of one event of a followed log: a browser parses 64 KiB without a stutter.
pub const LOG_PIECE_BYTES: usize = 64 << 10;
/// Bytes of an output that one look for a text goes through.
pub const LOG_FIND_BYTES_MAX: u64 = 64 << 20;
/// Places that one look for a text tells.
pub const LOG_FIND_MAX: u64 = 1_000;

/// Days whose spending is told at once: a year with its leap day, a row for each project, user or line.
pub const SPEND_SPAN_MAX: Span = Span::from_hours(367 * 24);

/// Rows of a bill or of a margin report: a job each; 100,000 lines are 20 MB of JSON.
pub const REPORT_ROWS_MAX: usize = 100_000;
/// Clusters asked at a time what they say of themselves, for one list of clusters.
pub const CLUSTERS_ASKED_AT_ONCE: usize = 16;
/// How long a list of clusters waits for what one says of itself: with 16 at a time and 100 that are silent, 14 s.
pub const CLUSTER_SAYS_WITHIN: Duration = Duration::from_secs(2);
/// How long what a cluster said of itself is repeated without asking it again.
pub const CLUSTER_FACTS_TRUSTED: Duration = Duration::from_secs(30);
/// Bytes of the JSON that says how a cluster is reached: a thousand rules of identity of 60 bytes.
pub const CLUSTER_CONFIG_BYTES_MAX: usize = 64 << 10;
/// Months that a machine may be depreciated over: fifty years.
pub const LIFE_MONTHS_MAX: u32 = 600;
/// Stages in which the nodes of a pool went into service.
pub const STAGES_MAX: usize = 1_000;
/// Nodes shown with a pool in a list.
pub const POOL_NODES_SHOWN: usize = 1_000;
/// A policy is some thirty lines.
pub const POLICY_BYTES_MAX: usize = 65_536;
/// Why it was set: a sentence or two.
pub const POLICY_NOTE_CHARS_MAX: usize = 500;
/// Chips of one price book.
pub const PRICE_CHIPS_MAX: usize = 1_000;
/// Largest amount that a request may name, in units: a thousandth of the range of money (9.2 × 10¹² units), so that no
/// sum of a thousand of them leaves it.
pub const AMOUNT_UNITS_MAX: i64 = 9_000_000_000;
/// Largest weight of a tenant in fair sharing.
pub const SHARES_MAX: u32 = 1_000_000;
/// Sites and regions that a tenant's work may be bound to.
pub const REGIONS_MAX: usize = 32;
/// Options of one submission: there are about forty names.
pub const OPTIONS_MAX: usize = 100;
/// Variables of one submission; a login shell has some fifty, and their bytes are bounded by `jobscript::limits`.
pub const VARIABLES_MAX: usize = 10_000;

/// Bytes of one piece of an upload: as large as any body, so that a stand-by passes it on like others.
pub const UPLOAD_PIECE_BYTES_MAX: usize = BODY_BYTES_MAX;
/// Bytes of a path in the file space, and of one name in it. Escaped in a query it has three times as many, which with
/// the rest stays below [`TARGET_BYTES_MAX`]; names are those of Linux.
pub const FILE_PATH_BYTES_MAX: usize = 1_024;
pub const FILE_NAME_BYTES_MAX: usize = 255;
/// Files of one tenant, those on their way included; some 200 bytes each in the database.
pub const FILES_PER_TENANT_MAX: u64 = 1_000_000;
/// Bytes read from a stored file at a time while it is sent.
pub const FILE_READ_BYTES: usize = 256 << 10;
/// Uploads whose digest so far is kept in memory, some 200 bytes each; the digest of others is computed at their end.
pub const HASHES_KEPT: usize = 10_000;
/// An upload that was begun this long ago and has not ended is forgotten.
pub const UPLOAD_LIFE: Span = Span::from_hours(7 * 24);
/// A content that no file has any more is deleted after this.
pub const CONTENT_GRACE: Span = Span::from_hours(1);
/// Contents and uploads deleted in one sweep: with one a minute some 140,000 a day.
pub const FILES_SWEPT: u32 = 100;
/// Ended jobs whose results are looked for in one round.
pub const FETCH_AT_ONCE: u32 = 100;
/// Bytes of a file that is put into a job's work folder: at 10 MB/s a minute and a half. Larger ones are a job's inputs, which are
/// brought to a cluster once.
pub const WORK_FILE_BYTES_MAX: u64 = 1 << 30;
/// What was left on its way into a work folder is removed after this, when something else comes.
pub const COMING_KEPT: Span = Span::from_hours(24);
/// Files that one rule copies, and files and folders of a work folder that are looked at for it: a listing of 100,000 is some 10 MB.
pub const FETCH_FILES_MAX: usize = 10_000;
pub const FETCH_LOOKED_AT_MAX: usize = 100_000;
/// A cluster that does not answer for this long after a job's end has its results no more.
pub const FETCH_PATIENCE: Span = Span::from_hours(3 * 24);
/// Checkpoints taken at once from one cluster: the second goes on while the first waits for its files to stand still.
pub const CHECKPOINTS_AT_ONCE: usize = 2;
/// Sets of ended jobs let go in one sweep.
pub const CHECKPOINTS_SWEPT: u32 = 100;
/// Files and folders of one cluster that a look for old work folders passes: tenants, users and jobs.
pub const WORK_LOOKED_AT_MAX: usize = 1_000_000;
/// Inputs that one submission names, and files that one job gets by them. A specification with 1,000 inputs is 150 KiB.
pub const INPUTS_NAMED_MAX: usize = 100;
pub const INPUTS_MAX: usize = 1_000;

/// Characters of an address that is called, and such addresses of one user.
pub const WEBHOOK_URL_CHARS_MAX: usize = 500;
pub const WEBHOOKS_PER_USER: usize = 5;
/// Calls to users' addresses at a time, and of them to one host: eight hosts that take their whole time hold all.
pub const WEBHOOKS_AT_ONCE: usize = 32;
pub const WEBHOOKS_PER_HOST: usize = 4;
/// How long one of them may take to be reached, and to answer.
pub const WEBHOOK_CONNECT_WITHIN: Duration = Duration::from_secs(5);
pub const WEBHOOK_ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Calls to one address before others of the same host have their turn.
pub const WEBHOOK_RUN: u32 = 20;
/// Between two trials of addresses by one user.
pub const WEBHOOK_TESTED_EVERY: Duration = Duration::from_secs(2);
/// Before the second try of a notice; each pause is twice the last one, up to an hour: some thirty tries in a day.
pub const NOTICE_PAUSE_FIRST: Span = Span::from_secs(5);
pub const NOTICE_PAUSE_MAX: Span = Span::from_hours(1);
/// A notice that nobody has taken for this long is given up, and forgotten after that.
pub const NOTICE_LIFE: Span = Span::from_hours(24);
pub const NOTICE_KEPT: Span = Span::from_hours(30 * 24);
/// Events that are looked at at a time, and receivers of which something is due.
pub const NOTICE_EVENTS_AT_ONCE: u32 = 500;
pub const NOTICE_LANES_MAX: u32 = 10_000;
/// Mails on their way to the mail server at a time, how long one may take, and what one says one by one.
pub const MAILS_AT_ONCE: usize = 4;
pub const MAIL_WITHIN: Duration = Duration::from_secs(20);
pub const MAIL_LINES_MAX: u32 = 50;
/// Between two mails to one user: what comes meanwhile goes into one.
pub const MAIL_EVERY: Span = Span::from_secs(60);
/// Between two codes for one user; a code is good for so long, and for so many tries: 5 of 2^50.
pub const MAIL_ASKED_EVERY: Duration = Duration::from_secs(30);
pub const MAIL_CODE_LIFE: Span = Span::from_hours(24);
pub const MAIL_GUESSES_MAX: u32 = 5;
/// Bytes of a mail address (RFC 5321).
pub const MAIL_ADDRESS_BYTES_MAX: usize = 254;
/// Runs of the twin that are kept, some 100 KiB each; the oldest go first.
pub const TWIN_RUNS_KEPT: u32 = 100;
/// Runs that may wait: one is played at a time.
pub const TWIN_RUNS_QUEUED_MAX: usize = 20;
/// Jobs of one run: 1.7 KiB each while they are played, and 1 KiB as they are read, so 300 MiB; a play takes about a minute.
pub const TWIN_JOBS_MAX: usize = 100_000;
/// Days that are played again.
pub const TWIN_DAYS_MAX: u32 = 90;
/// Seconds that are looked ahead: thirty days.
pub const TWIN_HORIZON_SECONDS_MAX: u32 = 30 * 86_400;
/// Pools that are added, lost or fail in one run.
pub const TWIN_CHANGES_MAX: usize = 100;
/// Waiting jobs of a run ahead that are told one by one.
pub const TWIN_STARTS_SHOWN: usize = 1_000;
/// Findings of the auditor that are kept.
pub const TWIN_FINDINGS_SHOWN: usize = 20;
