//! What comes out of the engine: records to be stored and effects to be performed, of one step or of many.
//! Within a batch a later record of the same kind and id replaces an earlier one.

use std::sync::Arc;

use base::{
    AttemptId, ClusterId, JobId, PoolId, PriceBookId, ProjectId, ScriptId, Span, SpecId, TenantId, Timestamp, TokenId,
    UserId,
};
use ledger::LedgerRecord;
use model::{
    Actor, Attempt, Cluster, ClusterLink, ClusterReport, EndOrder, Event, Job, JobSpec, Order, Pool, ProductLine,
    Project, Supplier, Tenant, Token, User,
};
use rating::{Interval, Meter, PoolCost, PriceBook, Stretch, Upkeep, Volumes};
use serde::{Deserialize, Serialize};

use crate::input::Report;
use crate::steering::PolicyVersion;

/// One row to be stored. Kinds marked *append* are never changed later; the others replace the row of their id.
/// The widest rows are boxed: every record is as large as the largest kind, and most are snapshots of accounts (80 B).
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    Tenant(Tenant),
    Project(Project),
    User(User),
    /// Argon2id PHC string.
    Password {
        user: UserId,
        phc: String,
    },
    Token(Token),
    TokenRevoked {
        token: TokenId,
        at: Timestamp,
    },
    Supplier(Supplier),
    /// What is agreed on with a supplier, and what was bought.
    SupplierTerms(Box<rating::SupplierTerms>),
    Cluster(Cluster),
    ClusterLink(ClusterLink),
    /// Append.
    ClusterReport(ClusterReport),
    Pool(Pool),
    PoolCost {
        pool: PoolId,
        cost: Option<PoolCost>,
    },
    /// The stretch of a pool that is open.
    Upkeep(Box<Upkeep>),
    /// Append.
    Stretch(Box<Stretch>),
    /// Append.
    PriceBook(PriceBook),
    /// What a tenant has had in each month of what a book prices by that.
    Volumes {
        tenant: TenantId,
        book: PriceBookId,
        volumes: Volumes,
    },
    /// Append.
    Policy(Box<PolicyVersion>),
    /// Append: what a tenant was told for a month, the invoice written for it, a correction of what was billed.
    TenantStatement(Box<rating::statement::TenantStatement>),
    Invoice(Box<rating::statement::Invoice>),
    Correction(Box<rating::statement::Correction>),
    /// A tenant's contract, and a month of one of its lines.
    Contract(Box<rating::contract::Contract>),
    Period(Box<rating::contract::Period>),
    /// Money granted for free, with what was drawn of it.
    Grant(Box<rating::Grant>),
    /// Append: storage, traffic, requests or tokens as they were billed.
    Usage(Box<rating::Usage>),
    /// A budget with what was spent of it.
    Budget(Box<rating::Budget>),
    /// Append: what a currency is worth in another from a day on.
    Rate(Box<rating::Rate>),
    /// A supplier's statement, and one line of it by settlement and line.
    Statement(Box<rating::settlement::Statement>),
    StatementLine(Box<rating::settlement::Line>),
    /// Append; the same id always has the same content.
    Spec {
        id: SpecId,
        spec: Arc<JobSpec>,
    },
    /// Append; the same id always has the same content.
    Script {
        id: ScriptId,
        text: Arc<str>,
    },
    Job(Box<JobRow>),
    Attempt(Box<Attempt>),
    /// `None` ends metering: the row is removed.
    Meter {
        attempt: AttemptId,
        meter: Option<Box<Meter>>,
    },
    /// Append.
    Interval {
        interval: Interval,
        whose: Box<Whose>,
    },
    /// Append.
    Event(Event),
    /// Why an attempt was placed where it was; append.
    Explanation {
        attempt: AttemptId,
        explanation: sched::Explanation,
    },
    /// The results of a job that has ended are to be copied, or that is done with.
    Results {
        job: JobId,
        at: Timestamp,
        due: bool,
    },
    Ledger(LedgerRecord),
    /// Append; may be dropped by the store after `KEY_LIFETIME`.
    Once {
        key: u128,
        fingerprint: u128,
        report: Report,
        at: Timestamp,
    },
    /// Append.
    Audit(AuditEntry),
    /// Fair-share usage of a tenant, so that a restart forgets nothing.
    Share {
        tenant: TenantId,
        used: sched::ResourceSeconds,
        at: Timestamp,
    },
}

/// What an interval counts for in sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whose {
    pub project: ProjectId,
    pub user: UserId,
    pub pool: PoolId,
    pub line: ProductLine,
    /// How much time of the run it stands for: less than nothing where time is given back, nothing where only money is.
    pub worked: Span,
}

impl From<LedgerRecord> for Record {
    fn from(record: LedgerRecord) -> Record {
        Record::Ledger(record)
    }
}

/// What a record takes in a batch: the largest kind is a transfer. A new kind that is wider is to be boxed.
const RECORD_BYTES_MAX: usize = 224;
const _: () = assert!(size_of::<Record>() <= RECORD_BYTES_MAX);

/// A job with what lists and filters need beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobRow {
    pub job: Job,
    pub name: Arc<str>,
    /// Pool of the current or last attempt.
    pub pool: Option<PoolId>,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// Sum over all attempts so far, in the tenant's currency.
    pub charged: base::Money,
    /// What is still authorised for it.
    pub hold: Option<base::HoldId>,
    /// Of its present specification.
    pub class: model::PriorityClass,
}

/// Who changed what; secrets never enter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    pub seq: u64,
    pub at: Timestamp,
    pub actor: Actor,
    pub action: String,
    /// Id or name of the thing.
    pub target: String,
    pub tenant: Option<TenantId>,
    pub detail: String,
}

/// Something to be done outside after the commit. Effects on one attempt are performed in order.
/// They are not stored: the phase of the attempt and of the job says which are outstanding, and
/// `Engine::outstanding` lists them after a restart.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Submit {
        cluster: ClusterId,
        order: Arc<Order>,
    },
    End {
        cluster: ClusterId,
        attempt: AttemptId,
        how: EndOrder,
    },
    /// A warning before the time limit.
    Signal {
        cluster: ClusterId,
        attempt: AttemptId,
        signal: i32,
        shell_only: bool,
    },
    /// The limit of an attempt that is there was changed. Where the cluster cannot follow the platform ends it itself.
    SetTimeLimit {
        cluster: ClusterId,
        attempt: AttemptId,
        limit: Span,
    },
    /// The end is stored; the cluster may drop what it keeps of the attempt.
    Forget {
        cluster: ClusterId,
        attempt: AttemptId,
    },
}

impl Effect {
    pub fn attempt(&self) -> AttemptId {
        match self {
            Self::Submit { order, .. } => order.attempt,
            Self::End { attempt, .. }
            | Self::Signal { attempt, .. }
            | Self::SetTimeLimit { attempt, .. }
            | Self::Forget { attempt, .. } => *attempt,
        }
    }
    pub const fn cluster(&self) -> ClusterId {
        match self {
            Self::Submit { cluster, .. }
            | Self::End { cluster, .. }
            | Self::Signal { cluster, .. }
            | Self::SetTimeLimit { cluster, .. }
            | Self::Forget { cluster, .. } => *cluster,
        }
    }
}

/// Collects what the steps of one batch produce; committed as one transaction.
#[derive(Debug)]
pub struct Batch {
    pub records: Vec<Record>,
    pub effects: Vec<Effect>,
}

/// Room that a batch begins with: 64 inputs of about 13 records. Growing to it would copy every record once more;
/// 1,024 × 224 B = 224 KiB that are only touched as far as they are used.
const RECORDS_ROOM: usize = 1_024;

impl Default for Batch {
    fn default() -> Batch {
        Batch { records: Vec::with_capacity(RECORDS_ROOM), effects: Vec::new() }
    }
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.effects.is_empty()
    }
}

/// Everything the engine needs to go on after a restart; the store hands it over in pieces of any size.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// The newest version of the policy, if one was ever set.
    pub policy: Option<PolicyVersion>,
    pub suppliers: Vec<Supplier>,
    /// Suppliers' statements without their lines.
    #[serde(default)]
    pub settlements: Vec<rating::settlement::Statement>,
    /// The last statement of each tenant, and which statements have an invoice.
    #[serde(default)]
    pub statements: Vec<rating::statement::TenantStatement>,
    #[serde(default)]
    pub invoiced: Vec<u64>,
    #[serde(default)]
    pub contracts: Vec<rating::contract::Contract>,
    /// Months of contracts' lines.
    #[serde(default)]
    pub periods: Vec<rating::contract::Period>,
    #[serde(default)]
    pub grants: Vec<rating::Grant>,
    /// Usage that was booked of late, by number, so that what is reported again is known.
    #[serde(default)]
    pub usage: Vec<(u128, crate::usage::Known)>,
    #[serde(default)]
    pub supplier_terms: Vec<rating::SupplierTerms>,
    #[serde(default)]
    pub budgets: Vec<rating::Budget>,
    /// All that were ever told.
    #[serde(default)]
    pub rates: Vec<rating::Rate>,
    pub clusters: Vec<Cluster>,
    pub pools: Vec<(Pool, Option<PoolCost>)>,
    /// The open stretch of each pool.
    #[serde(default)]
    pub upkeep: Vec<Upkeep>,
    pub books: Vec<PriceBook>,
    pub volumes: Vec<(TenantId, PriceBookId, Volumes)>,
    pub tenants: Vec<Tenant>,
    pub projects: Vec<Project>,
    pub users: Vec<User>,
    /// Fair-share usage and the time it was counted at.
    pub shares: Vec<(TenantId, sched::ResourceSeconds, Timestamp)>,
    /// Account snapshots and open holds.
    pub ledger: Vec<LedgerRecord>,
    /// Of open jobs.
    pub specs: Vec<(SpecId, Arc<JobSpec>)>,
    /// Open jobs, in any order.
    pub jobs: Vec<JobRow>,
    /// Open attempts.
    pub attempts: Vec<Attempt>,
    pub meters: Vec<Meter>,
    /// How the jobs ended on which open jobs depend; for the first element of an array that is over, or of which elements are
    /// still open, the end of the array so far: not completed as soon as one element has ended otherwise.
    pub ended: Vec<(JobId, model::Outcome)>,
    /// Largest numbers given out so far.
    pub last_job_number: u64,
    pub last_event_seq: u64,
    /// Time of the last event: the engine's time never goes back behind it.
    pub last_event_at: Timestamp,
    pub last_audit_seq: u64,
}
