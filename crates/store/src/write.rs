//! A batch as statements: the last record of each id, grouped by table, many rows to a statement.
//! Everything is one transaction that begins by naming the fence. Knows no query.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use base::{AttemptId, Timestamp};
use engine::{Batch, Record};
use ledger::LedgerRecord;
use ports::CommitError;

use crate::codec::{self, EXPLANATION_VERSION, Encoded};
use crate::daily::{Daily, Days};
use crate::db::{Args, Columns as _, Conn, Kind, Sql};
use crate::error::{commit_error, store_error};
use crate::lease;
use crate::store::SqlStore;

/// Rows in one statement, largest first; a group is written with as few statements as these sizes allow. Few fixed
/// sizes keep every statement prepared. The widest row has 20 columns: 64 × 20 = 1,280 parameters, far below
/// SQLite's 32,766 and PostgreSQL's 65,535.
const SIZES: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];

/// What happens to a row whose key is stored already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// The new row replaces it.
    Replace,
    /// It has the same content: nothing.
    Keep,
    /// The batch is refused.
    Refuse,
}

/// One table as it is written.
struct Table {
    name: &'static str,
    /// The key comes first.
    columns: &'static [&'static str],
    key: usize,
    mode: Mode,
    /// The texts for each database, one per size, made once and never given back: 24 tables × 7 sizes of about 2 kB.
    texts: [OnceLock<Vec<&'static str>>; 2],
}

macro_rules! tables {
    ($($id:ident $mode:ident $name:literal [$($key:literal)+] [$($column:literal)*];)+) => {
        /// Every table that batches write, in the order it is written.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum T { $($id),+ }

        static TABLES: [Table; [$(T::$id),+].len()] = [$(Table {
            name: $name,
            columns: &[$($key,)+ $($column),*],
            key: [$($key),+].len(),
            mode: Mode::$mode,
            texts: [OnceLock::new(), OnceLock::new()],
        }),+];
    };
}
tables! {
    Tenants Replace "tenants" ["id"] ["name" "currency" "v" "doc"];
    Projects Replace "projects" ["id"] ["tenant" "name" "v" "doc"];
    Users Replace "users" ["id"] ["tenant" "name" "v" "doc"];
    Passwords Replace "passwords" ["user_id"] ["phc"];
    Tokens Replace "tokens" ["id"] ["user_id" "digest" "revoked_at" "v" "doc"];
    Shares Replace "shares" ["tenant"] ["cpu_milli_ms" "mem_mib_ms" "gpu_ms" "at"];
    Suppliers Replace "suppliers" ["id"] ["v" "doc"];
    Clusters Replace "clusters" ["id"] ["name" "v" "doc"];
    ClusterLinks Replace "cluster_links" ["id"] ["v" "doc"];
    ClusterReports Refuse "cluster_reports" ["id"] ["cluster" "at" "v" "doc"];
    Pools Replace "pools" ["id"] ["name" "v" "doc"];
    PoolCosts Replace "pool_costs" ["pool"] ["v" "doc"];
    PriceBooks Refuse "price_books" ["id"] ["v" "doc"];
    Volumes Replace "volumes" ["tenant" "book"] ["v" "doc"];
    Policies Refuse "policies" ["number"] ["v" "doc"];
    Contracts Replace "contracts" ["number"] ["tenant" "v" "doc"];
    ContractMonths Replace "contract_months" ["contract" "line" "month" "carried"] ["closed_at" "lapsed" "v" "doc"];
    Settlements Replace "settlements" ["number"] ["state" "v" "doc"];
    SettlementLines Replace "settlement_lines" ["settlement" "line"] ["verdict" "dispute" "job" "attempt" "v" "doc"];
    Statements Refuse "tenant_statements" ["number"] ["tenant" "month" "v" "doc"];
    Invoices Refuse "tenant_invoices" ["number"] ["v" "doc"];
    Corrections Refuse "corrections" ["id"] ["tenant" "job" "at" "v" "doc"];
    SupplierTerms Replace "supplier_terms" ["supplier"] ["v" "doc"];
    Budgets Replace "budgets" ["number"] ["tenant" "v" "doc"];
    Grants Replace "grants" ["number"] ["tenant" "v" "doc"];
    Rates Refuse "currency_rates" ["number"] ["source" "target" "v" "doc"];
    Usage Refuse "usage_records" ["id"] ["number" "tenant" "project" "user_id" "pool" "source" "unit" "from_at" "to_at" "at" "counts_at"
        "pieces_high" "pieces_low" "included_high" "included_low" "charge" "uncollected" "credited" "fingerprint" "model" "kind" "v" "doc"];
    Scripts Keep "scripts" ["id"] ["body"];
    Specs Keep "specs" ["id"] ["v" "doc"];
    Jobs Replace "jobs" ["number"] ["id" "tenant" "project" "user_id" "spec" "array_root" "array_number" "array_index"
        "name" "state" "open" "pool" "submitted_at" "started_at" "ended_at" "charged" "hold" "class" "v" "doc"];
    Attempts Replace "attempts" ["job" "number"] ["pool" "open" "v" "doc"];
    Explanations Refuse "explanations" ["job" "attempt"] ["v" "doc"];
    Meters Replace "meters" ["job" "attempt"] ["v" "doc"];
    Intervals Refuse "intervals" ["job" "attempt" "seq"] ["from_at" "to_at" "cpu_millis" "memory_bytes" "gpus" "charge"
        "uncollected" "depreciation" "datacentre" "fee" "book" "run" "drawn" "draws" "credited" "credits"];
    Upkeeps Replace "upkeep" ["pool"] ["v" "doc"];
    Stretches Refuse "stretches" ["pool" "from_at"] ["to_at" "nodes" "nodes_outage" "nodes_maintenance" "nodes_reserve"
        "depreciation" "datacentre" "worked" "outage" "maintenance" "reserve" "idle" "overlap"];
    Events Refuse "events" ["seq"] ["at" "tenant" "job" "state" "actor_kind" "actor" "v" "doc"];
    Audit Refuse "audit" ["seq"] ["tenant" "v" "doc"];
    Onces Refuse "onces" ["key"] ["fingerprint" "at" "v" "doc"];
    Accounts Replace "accounts" ["id"] ["code" "kind" "currency" "floor" "debits" "credits" "held"];
    Transfers Refuse "transfers" ["id"] ["debit" "credit" "amount" "currency" "at" "reason" "corrects" "memo" "hold"
        "v" "reference"];
    Results Replace "job_results" ["job"] ["at" "due"];
    Holds Replace "holds" ["id"] ["account" "amount_initial" "amount" "settled" "open" "opened_at" "expires_at"];
}

/// `$first, …` for `count` parameters; `?, …` for the embedded database, which looks names like `$7` up one by one when
/// they are bound (with 1,280 of them that was two thirds of all its time).
pub(crate) fn placeholders(kind: Kind, first: usize, count: usize) -> String {
    let name = |n| if kind == Kind::Lite { "?".to_owned() } else { format!("${n}") };
    (first..first + count).map(name).collect::<Vec<_>>().join(", ")
}

/// What of a job never changes. The embedded database writes an index anew where a statement names one of its columns, whatever the
/// values are.
const FIXED: [&str; 7] = ["id", "tenant", "user_id", "array_root", "array_number", "array_index", "submitted_at"];

impl Table {
    fn text(&self, kind: Kind, size: usize) -> &'static str {
        let make = || SIZES.iter().map(|rows| self.make(kind, *rows).leak() as &str).collect();
        self.texts[kind as usize].get_or_init(make)[size]
    }

    fn make(&self, kind: Kind, rows: usize) -> String {
        let width = self.columns.len();
        let values: Vec<String> =
            (0..rows).map(|n| format!("({})", placeholders(kind, 1 + n * width, width))).collect();
        let insert = format!("INSERT INTO {} ({}) VALUES {}", self.name, self.columns.join(", "), values.join(", "));
        let (key, rest) = self.columns.split_at(self.key);
        match self.mode {
            Mode::Refuse => insert,
            Mode::Keep => format!("{insert} ON CONFLICT ({}) DO NOTHING", key.join(", ")),
            Mode::Replace => {
                let changes = |column: &&&str| self.name != "jobs" || !FIXED.contains(*column);
                let set: Vec<String> =
                    rest.iter().filter(changes).map(|column| format!("{column} = excluded.{column}")).collect();
                format!("{insert} ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), set.join(", "))
            }
        }
    }
}

/// Ids that are known to be stored, so that the same specification or script is not sent again and again: two
/// generations of at most [`RECENT_IDS`], the older dropped as a whole.
#[derive(Default)]
pub(crate) struct Recent {
    young: HashSet<u128>,
    old: HashSet<u128>,
}

/// 2 × 65,536 ids of 16 bytes and a table's overhead: at most about 6 MiB.
const RECENT_IDS: usize = 65_536;

impl Recent {
    fn contains(&self, id: u128) -> bool {
        self.young.contains(&id) || self.old.contains(&id)
    }

    fn add(&mut self, ids: Vec<u128>) {
        for id in ids {
            if self.young.len() >= RECENT_IDS {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(id);
        }
    }
}

/// The records of one table, the last of each key, in order of first appearance.
#[derive(Default)]
struct Group<'a> {
    records: Vec<&'a Record>,
    at: HashMap<(u128, u128), usize>,
}

impl<'a> Group<'a> {
    fn add(&mut self, key: Option<(u128, u128)>, record: &'a Record) {
        let next = self.records.len();
        match key.map(|key| *self.at.entry(key).or_insert(next)) {
            Some(place) if place < next => self.records[place] = record,
            _ => self.records.push(record),
        }
    }

    /// Takes out the records that are not rows to be written.
    fn take(&mut self, which: impl Fn(&Record) -> bool) -> Vec<&'a Record> {
        let (taken, kept) = std::mem::take(&mut self.records).into_iter().partition(|record| which(record));
        self.records = kept;
        taken
    }
}

const END_METER: &str = "DELETE FROM meters WHERE job = $1 AND attempt = $2";
const REVOKE_TOKEN: &str = "UPDATE tokens SET revoked_at = $2 WHERE id = $1";

/// A batch ready to be sent.
pub(crate) struct Write {
    statements: Vec<(&'static str, Args)>,
    /// Specifications and scripts in it.
    contents: Vec<u128>,
    /// How many records it came from.
    records: usize,
}

impl Write {
    /// Turns a batch into statements, leaving out what is known to be stored.
    pub(crate) fn of(batch: &Batch, kind: Kind, days: Days, recent: &Recent) -> Result<Write, CommitError> {
        let mut groups: Vec<Group> = TABLES.iter().map(|_| Group::default()).collect();
        let mut contents = Vec::new();
        let mut daily = Daily::default();
        for record in &batch.records {
            daily.add(days, record);
            let (table, key) = place(record);
            if let (T::Specs | T::Scripts, Some((id, _))) = (table, key) {
                if recent.contains(id) {
                    continue;
                }
                contents.push(id);
            }
            groups[table as usize].add(key, record);
        }
        let mut write = Write { statements: Vec::new(), contents, records: batch.records.len() };
        let revoked: Vec<&Record> = groups[T::Tokens as usize].take(|r| matches!(r, Record::TokenRevoked { .. }));
        let ended: Vec<&Record> = groups[T::Meters as usize].take(|r| matches!(r, Record::Meter { meter: None, .. }));
        for (group, table) in groups.iter_mut().zip(&TABLES) {
            write.insert(table, &group.records, kind).map_err(|error| CommitError::Conflict(error.to_string()))?;
        }
        write.statements.extend(daily.statements(kind));
        revoked.into_iter().chain(ended).for_each(|record| write.change(record, kind));
        Ok(write)
    }

    /// The records that change or remove a row by itself.
    fn change(&mut self, record: &Record, kind: Kind) {
        let mut args = Args::new(kind);
        let sql = match record {
            Record::Meter { attempt, meter: None } => {
                put_attempt_id(&mut args, attempt);
                END_METER
            }
            Record::TokenRevoked { token, at } => {
                args.id(token.as_u128());
                args.int(at.as_micros());
                REVOKE_TOKEN
            }
            _ => return,
        };
        self.statements.push((sql, args));
    }

    fn insert(&mut self, table: &Table, mut records: &[&Record], kind: Kind) -> Encoded {
        while !records.is_empty() {
            let size = SIZES.iter().position(|size| *size <= records.len()).unwrap_or(SIZES.len() - 1);
            let (now, rest) = records.split_at(SIZES[size]);
            let mut args = Args::new(kind);
            for record in now {
                encode(record, &mut args)?;
            }
            debug_assert_eq!(args.len(), now.len() * table.columns.len(), "{}", table.name);
            self.statements.push((table.text(kind, size), args));
            records = rest;
        }
        Ok(())
    }
}

/// The table of a record and, where a later one replaces it, its key.
fn place(record: &Record) -> (T, Option<(u128, u128)>) {
    let one = |id: u128| Some((id, 0));
    let attempt = |id: &AttemptId| Some((id.job.as_u128(), u128::from(id.number)));
    match record {
        Record::Tenant(tenant) => (T::Tenants, one(tenant.id.as_u128())),
        Record::Project(project) => (T::Projects, one(project.id.as_u128())),
        Record::User(user) => (T::Users, one(user.id.as_u128())),
        Record::Password { user, .. } => (T::Passwords, one(user.as_u128())),
        Record::Token(token) => (T::Tokens, one(token.id.as_u128())),
        // Beside the token's own row, should both be in one batch.
        Record::TokenRevoked { token, .. } => (T::Tokens, Some((token.as_u128(), 1))),
        Record::Supplier(supplier) => (T::Suppliers, one(supplier.id.as_u128())),
        Record::Cluster(cluster) => (T::Clusters, one(cluster.id.as_u128())),
        Record::ClusterLink(link) => (T::ClusterLinks, one(link.cluster.as_u128())),
        Record::ClusterReport(_) => (T::ClusterReports, None),
        Record::Pool(pool) => (T::Pools, one(pool.id.as_u128())),
        Record::PoolCost { pool, .. } => (T::PoolCosts, one(pool.as_u128())),
        Record::Upkeep(open) => (T::Upkeeps, one(open.pool.as_u128())),
        Record::Stretch(_) => (T::Stretches, None),
        Record::PriceBook(_) => (T::PriceBooks, None),
        Record::Volumes { tenant, book, .. } => (T::Volumes, Some((tenant.as_u128(), book.as_u128()))),
        Record::Policy(_) => (T::Policies, None),
        Record::Contract(contract) => (T::Contracts, one(u128::from(contract.number))),
        Record::Period(period) => (T::ContractMonths, one(period.key.packed())),
        Record::SupplierTerms(terms) => (T::SupplierTerms, one(terms.supplier.as_u128())),
        Record::Budget(budget) => (T::Budgets, one(u128::from(budget.number))),
        Record::Grant(grant) => (T::Grants, one(u128::from(grant.number))),
        Record::Rate(_) => (T::Rates, None),
        Record::Usage(_) => (T::Usage, None),
        Record::Statement(statement) => (T::Settlements, one(u128::from(statement.number))),
        Record::StatementLine(line) => (T::SettlementLines, Some((u128::from(line.settlement), u128::from(line.line)))),
        Record::TenantStatement(_) => (T::Statements, None),
        Record::Invoice(_) => (T::Invoices, None),
        Record::Correction(_) => (T::Corrections, None),
        Record::Spec { id, .. } => (T::Specs, one(id.as_u128())),
        Record::Script { id, .. } => (T::Scripts, one(id.as_u128())),
        Record::Job(row) => (T::Jobs, one(u128::from(row.job.number))),
        Record::Attempt(row) => (T::Attempts, attempt(&row.id)),
        Record::Meter { attempt: id, .. } => (T::Meters, attempt(id)),
        Record::Interval { .. } => (T::Intervals, None),
        Record::Event(_) => (T::Events, None),
        Record::Explanation { .. } => (T::Explanations, None),
        Record::Ledger(LedgerRecord::Account(account)) => (T::Accounts, one(account.id.as_u128())),
        Record::Ledger(LedgerRecord::Hold(hold)) => (T::Holds, one(hold.id.as_u128())),
        Record::Ledger(LedgerRecord::Transfer(_)) => (T::Transfers, None),
        Record::Results { job, .. } => (T::Results, one(job.as_u128())),
        Record::Once { .. } => (T::Onces, None),
        Record::Audit(_) => (T::Audit, None),
        Record::Share { tenant, .. } => (T::Shares, one(tenant.as_u128())),
    }
}

fn put_attempt_id(args: &mut Args, id: &AttemptId) {
    args.id(id.job.as_u128());
    args.int(i64::from(id.number));
}

/// The columns of one record, in the order of its table.
fn encode(record: &Record, args: &mut Args) -> Encoded {
    match record {
        Record::Tenant(tenant) => {
            args.id(tenant.id.as_u128());
            args.text(tenant.name.as_ref());
            args.text(tenant.currency.as_str());
            codec::put(args, tenant)
        }
        Record::Project(project) => {
            args.id(project.id.as_u128());
            args.id(project.tenant.as_u128());
            args.text(project.name.as_ref());
            codec::put(args, project)
        }
        Record::User(user) => {
            args.id(user.id.as_u128());
            args.id(user.tenant.as_u128());
            args.text(user.name.as_ref());
            codec::put(args, user)
        }
        Record::Password { user, phc } => {
            args.id(user.as_u128());
            args.text(phc.as_str());
            Ok(())
        }
        Record::Token(token) => {
            args.id(token.id.as_u128());
            args.id(token.user.as_u128());
            args.bytes(&token.digest);
            args.opt_int(token.revoked_at.map(Timestamp::as_micros));
            codec::put(args, token)
        }
        Record::Share { tenant, used, at } => {
            args.id(tenant.as_u128());
            args.int(codec::natural(used.cpu_milli_ms));
            args.int(codec::natural(used.mem_mib_ms));
            args.int(codec::natural(used.gpu_ms));
            args.int(at.as_micros());
            Ok(())
        }
        Record::Audit(entry) => {
            args.int(entry.seq as i64);
            args.opt_id(entry.tenant.map(base::TenantId::as_u128));
            codec::put(args, entry)
        }
        _ => encode_supply(record, args),
    }
}

/// The columns of records about what the operator has to offer.
fn encode_supply(record: &Record, args: &mut Args) -> Encoded {
    match record {
        Record::Supplier(supplier) => {
            args.id(supplier.id.as_u128());
            codec::put(args, supplier)
        }
        Record::Cluster(cluster) => {
            args.id(cluster.id.as_u128());
            args.text(cluster.name.as_ref());
            codec::put(args, cluster)
        }
        Record::ClusterLink(link) => {
            args.id(link.cluster.as_u128());
            codec::put(args, link)
        }
        Record::ClusterReport(report) => {
            args.id(report.id.as_u128());
            args.id(report.cluster.as_u128());
            args.int(report.at.as_micros());
            codec::put(args, report)
        }
        Record::Pool(pool) => {
            args.id(pool.id.as_u128());
            args.text(pool.name.as_ref());
            codec::put(args, pool)
        }
        Record::PoolCost { pool, cost } => {
            args.id(pool.as_u128());
            codec::put_opt(args, cost.as_ref())
        }
        Record::Upkeep(open) => {
            args.id(open.pool.as_u128());
            codec::put(args, open.as_ref())
        }
        Record::Stretch(stretch) => {
            codec::put_stretch(args, stretch);
            Ok(())
        }
        Record::PriceBook(book) => {
            args.id(book.id.as_u128());
            codec::put(args, book)
        }
        Record::Volumes { tenant, book, volumes } => {
            args.id(tenant.as_u128());
            args.id(book.as_u128());
            codec::put(args, volumes)
        }
        Record::Policy(version) => {
            args.int(codec::natural(version.number));
            codec::put(args, version.as_ref())
        }
        _ => crate::agreed::encode(record, args).unwrap_or_else(|| encode_work(record, args)),
    }
}

/// The columns of records about work and money.
fn encode_work(record: &Record, args: &mut Args) -> Encoded {
    match record {
        Record::Spec { id, spec } => {
            args.id(id.as_u128());
            codec::put(args, spec.as_ref())
        }
        Record::Script { id, text } => {
            args.id(id.as_u128());
            args.bytes(text.as_bytes());
            Ok(())
        }
        Record::Job(row) => codec::put_job(args, row),
        Record::Attempt(attempt) => codec::put_attempt(args, attempt),
        Record::Explanation { attempt, explanation } => {
            put_attempt_id(args, attempt);
            args.int(EXPLANATION_VERSION);
            args.text(serde_json::to_string(explanation)?);
            Ok(())
        }
        Record::Meter { attempt, meter } => {
            put_attempt_id(args, attempt);
            codec::put_opt(args, meter.as_deref())
        }
        Record::Interval { interval, .. } => codec::put_interval(args, interval),
        Record::Results { job, at, due } => {
            args.id(job.as_u128());
            args.int(at.as_micros());
            args.int(i64::from(*due));
            Ok(())
        }
        Record::Event(event) => codec::put_event(args, event),
        Record::Once { key, fingerprint, report, at } => {
            args.id(*key);
            args.id(*fingerprint);
            args.int(at.as_micros());
            codec::put(args, report)
        }
        Record::Ledger(LedgerRecord::Account(account)) => {
            codec::put_account(args, account);
            Ok(())
        }
        Record::Ledger(LedgerRecord::Hold(hold)) => {
            codec::put_hold(args, hold);
            Ok(())
        }
        Record::Ledger(LedgerRecord::Transfer(transfer)) => codec::put_transfer(args, transfer),
        _ => Err(serde::ser::Error::custom("a record without a table")),
    }
}

/// How a transaction that was not a plain success stands.
enum Trouble {
    Fenced(u64),
    /// Before COMMIT: nothing is stored once the connection is gone or has rolled back.
    Before(sqlx::Error),
    /// COMMIT itself failed: only the store knows. The number is the batch's.
    InDoubt(sqlx::Error, u64),
}

impl SqlStore {
    pub(crate) async fn write(&self, fence: u64, write: Write) -> Result<(), CommitError> {
        let Write { statements, contents, records } = write;
        let mut writing = self.writing().await.map_err(|error| CommitError::Unavailable(error.to_string()))?;
        let result = match transact(&mut writing.conn, fence, statements).await {
            Ok(()) => Ok(()),
            Err(Trouble::Fenced(current)) => Err(CommitError::Fenced { current }),
            Err(Trouble::Before(error)) => Err(commit_error(&error)),
            Err(Trouble::InDoubt(error, number)) => {
                drop(writing);
                return self.resolve(fence, number, error).await;
            }
        };
        match &result {
            Ok(()) => {
                writing.done();
                self.recent.lock().unwrap_or_else(|e| e.into_inner()).add(contents);
                if let Some(lite) = &self.lite {
                    lite.committed(records);
                }
            }
            Err(CommitError::Unavailable(_)) => drop(writing),
            // The connection is sound; should it not roll back, it is closed instead.
            Err(CommitError::Fenced { .. } | CommitError::Conflict(_)) => {
                if writing.conn.rollback().await.is_ok() {
                    writing.done();
                }
            }
        }
        result
    }

    /// Asks the store, over a new connection, whether batch `number` under `fence` is there. Reading the lease row
    /// for update waits until the lost transaction is decided. Without an answer the caller has to stop being active
    /// and start from what is stored, which is what `Fenced` makes it do.
    pub(crate) async fn resolve(&self, fence: u64, number: u64, error: sqlx::Error) -> Result<(), CommitError> {
        tracing::warn!(%error, "a commit was cut off; asking the store what became of it");
        let asked = async {
            let mut writing = self.writing().await?;
            let found = lease::read(&mut writing.conn).await?;
            writing.commit().await?;
            Ok::<_, sqlx::Error>(found)
        };
        match asked.await {
            Ok((lease, batches)) if lease.fence == fence && batches >= number => Ok(()),
            Ok((lease, _)) if lease.fence == fence => Err(CommitError::Unavailable(error.to_string())),
            Ok((lease, _)) => Err(CommitError::Fenced { current: lease.fence }),
            Err(second) => {
                tracing::error!(error = %store_error(second), "the outcome of a commit is unknown");
                Err(CommitError::Fenced { current: fence })
            }
        }
    }
}

/// Names the fence and counts the batch in one statement: it locks the lease row until the end of the transaction.
const NAME_FENCE: &str =
    "UPDATE lease SET batches = batches + 1 WHERE id = 1 AND fence = $1 AND holder <> '' RETURNING batches";

async fn transact(conn: &mut Conn, fence: u64, statements: Vec<(&'static str, Args)>) -> Result<(), Trouble> {
    let number = match name_fence(conn, fence).await.map_err(Trouble::Before)? {
        Some(number) => number,
        None => {
            let current = lease::read(conn).await.map_err(Trouble::Before)?.0.fence;
            return Err(Trouble::Fenced(current));
        }
    };
    for (sql, args) in statements {
        conn.execute(sql, args).await.map_err(Trouble::Before)?;
    }
    conn.commit().await.map_err(|error| Trouble::InDoubt(error, number))
}

async fn name_fence(conn: &mut Conn, fence: u64) -> Sql<Option<u64>> {
    let mut args = Args::new(conn.kind());
    args.int(i64::try_from(fence).unwrap_or(i64::MAX));
    let rows = conn.fetch(NAME_FENCE, args).await?;
    rows.first().map(|row| row.natural(0)).transpose()
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
