//! What goes into the engine: commands of people, observations of clusters, the passing of time.

use std::sync::Arc;

use base::{
    AttemptId, ClusterId, Currency, JobId, Money, PoolId, ProjectId, ScriptId, Span, SpecId, SupplierId, TenantId,
    TokenId, TransferId, TwinRunId, UserId,
};
use model::{
    Actor, Cluster, ClusterLink, ClusterReport, ClusterTerms, ContractTier, DependencyKind, JobSpec, NodeState,
    Observation, Outcome, Place, Pool, PriorityClass, ProjectRole, Role, Service, StateCode, Supplier, TenantStatus,
    Token, User,
};
use rating::tariff::Month;
use rating::{PoolCost, PriceBook};
use serde::{Deserialize, Serialize};

use crate::steering::Steering;

/// One thing for `Engine::step`.
#[derive(Clone, Debug)]
pub enum Input {
    Command(Box<Envelope>),
    Observed(Observation),
    /// Nothing happened but time: meter, warn, stop, retry what is due.
    Tick,
    /// Run the scheduler over what changed.
    Schedule,
}

/// A command with who gave it and the key under which it may be repeated.
#[derive(Clone, Debug)]
pub struct Envelope {
    pub actor: Actor,
    /// The actor may do what only operators may (lift an operator's hold, raise priorities).
    pub operator: bool,
    pub once: Option<Once>,
    pub command: Command,
}

/// An idempotency key: the answer to the first request under it is the answer to all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// Digest of the user and the key's text.
    pub key: u128,
    /// Digest of the request's method, path and body.
    pub fingerprint: u128,
    /// What the store already has under the key, when the engine's memory does not reach back that far.
    pub prior: Option<(u128, Report)>,
}

/// How one command names another job, before the engine looks it up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum JobRef {
    Id(JobId),
    Number(u64),
    /// `123_4`: element 4 of the array whose first element is job 123.
    Element(u64, u32),
}

impl std::fmt::Display for JobRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Number(n) => write!(f, "{n}"),
            Self::Element(n, index) => write!(f, "{n}_{index}"),
        }
    }
}

/// A job as it comes in. The ids are drawn at the edge.
#[derive(Clone, Debug)]
pub struct Submission {
    pub id: JobId,
    pub user: UserId,
    /// `None`: the user's default project.
    pub project: Option<ProjectId>,
    pub spec_id: SpecId,
    /// Without dependencies, which the engine resolves and adds.
    pub spec: Arc<JobSpec>,
    pub dependencies: Vec<(DependencyKind, JobRef)>,
    /// Which of them the store knows as ended; the engine itself remembers open jobs and recent ends.
    pub ended: Vec<(JobRef, JobId, Outcome)>,
    pub script_id: ScriptId,
    pub script: Arc<str>,
}

/// How copying the results of a job came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchEnd {
    /// They are below this folder of the tenant's file space.
    Fetched { files: u64, bytes: u64, folder: Arc<str> },
    /// Why not, for the tenant.
    Failed(Arc<str>),
}

/// What people do with runs of the twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TwinStep {
    Ask,
    Cancel,
    Remove,
}

impl TwinStep {
    /// As the audit log has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ask => "twin.run",
            Self::Cancel => "twin.cancel",
            Self::Remove => "twin.remove",
        }
    }
}

/// Everything people can ask for. Access has been proven at the edge.
#[derive(Clone, Debug)]
pub enum Command {
    Submit(Box<Submission>),
    /// `elements` of an array root's command apply to every open element.
    Cancel {
        job: JobId,
    },
    Hold {
        job: JobId,
    },
    Release {
        job: JobId,
    },
    Requeue {
        job: JobId,
    },
    /// Class is open to the owner downwards, to operators upwards; the time limit may be lowered by the owner.
    Change {
        job: JobId,
        class: Option<PriorityClass>,
        time_limit: Option<Span>,
    },

    /// What came of copying the results of a job that has ended. The job itself does not change.
    NoteResults {
        job: JobId,
        tenant: TenantId,
        state: StateCode,
        what: FetchEnd,
    },

    /// Somebody put a file into its work folder. The job itself does not change; `state` counts where it is no longer open.
    NoteUpload {
        job: JobId,
        tenant: TenantId,
        state: StateCode,
        path: Arc<str>,
        bytes: u64,
    },

    /// No newer checkpoint of a running attempt can be taken. The job itself does not change.
    NoteCheckpoint {
        attempt: AttemptId,
        text: Arc<str>,
    },

    CreateTenant {
        id: TenantId,
        name: String,
        currency: Currency,
        shares: u32,
        credit_limit: Money,
        tier: ContractTier,
        regions: Arc<[Arc<str>]>,
        project: ProjectId,
    },
    ChangeTenant {
        tenant: TenantId,
        shares: Option<u32>,
        status: Option<TenantStatus>,
        credit_limit: Option<Money>,
        tier: Option<ContractTier>,
        regions: Option<Arc<[Arc<str>]>>,
    },
    CreateProject {
        id: ProjectId,
        tenant: TenantId,
        name: String,
    },
    /// Gives a user of its tenant a role in a project; none: the user is no member of it any more.
    SetMember {
        project: ProjectId,
        user: UserId,
        role: Option<ProjectRole>,
    },
    /// `password` is an argon2id PHC string.
    CreateUser {
        user: User,
        password: Option<String>,
    },
    ChangeUser {
        user: UserId,
        role: Option<Role>,
        disabled: Option<bool>,
    },
    SetPassword {
        user: UserId,
        password: String,
    },
    IssueToken(Token),
    RevokeToken {
        token: TokenId,
    },

    /// Money that came into (positive) or left (negative) a tenant's wallet by hand.
    TopUp {
        tenant: TenantId,
        amount: Money,
        memo: String,
    },
    PublishPrices(PriceBook),
    /// Something about tenants' statements, or a correction of what was billed.
    Bill(Box<crate::billing::Billing>),
    /// Something about a tenant's contract.
    Contract(Box<crate::contract::Contracting>),
    /// Something about a grant to a tenant.
    Grant(Box<crate::grant::Granting>),
    /// What was used of storage, traffic, requests and tokens.
    Usage(Box<crate::usage::Reporting>),
    /// Something about a supplier's statement.
    Settle(Box<crate::settle::Settling>),
    /// Something about a budget.
    Budget(Box<crate::budget::Budgeting>),
    /// What a currency is worth in another from a day on.
    SetRate(Box<crate::rates::NewRate>),
    /// Something was done with a run of the twin, which is kept beside the engine: a line in the audit log.
    NoteTwinRun {
        run: TwinRunId,
        step: TwinStep,
        detail: String,
    },
    /// Puts another policy into force; refused when `expected` is no longer the version in force.
    Steer {
        steering: Box<Steering>,
        note: String,
        expected: Option<u64>,
    },

    RegisterSupplier(Supplier),
    SetSupplierTerms(Box<crate::purchase::NewTerms>),
    RegisterCluster(Cluster),
    /// Registers a cluster with the way to it, or another way to a known one. A new one is tested before it serves; what a
    /// trial showed of the old way no longer counts.
    ConnectCluster {
        cluster: Cluster,
        link: ClusterLink,
    },
    /// `force`: into service without a passed trial.
    SetService {
        cluster: ClusterId,
        service: Service,
        force: bool,
    },
    /// Where a cluster stands on the map; `None`: nobody says.
    PlaceCluster {
        cluster: ClusterId,
        place: Option<Place>,
    },
    KeepReport(ClusterReport),
    /// What a cluster says of itself beyond its pools.
    DescribeCluster {
        cluster: ClusterId,
        terms: ClusterTerms,
    },
    /// Creates the pool or changes its shape; running work stays.
    RegisterPool {
        pool: Pool,
        /// `None`: as it was.
        cost: Option<PoolCost>,
    },
    /// What a pool costs from now on.
    SetPoolCost {
        pool: PoolId,
        cost: PoolCost,
    },
    SetNode {
        pool: PoolId,
        node: String,
        state: NodeState,
    },
}

impl Command {
    /// A stable word for logs, metrics and the audit log.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Submit(_) => "job.submit",
            Self::Cancel { .. } => "job.cancel",
            Self::Hold { .. } => "job.hold",
            Self::Release { .. } => "job.release",
            Self::Requeue { .. } => "job.requeue",
            Self::Change { .. } => "job.change",
            Self::NoteResults { .. } => "job.results",
            Self::NoteUpload { .. } => "job.upload",
            Self::NoteCheckpoint { .. } => "job.checkpoint",
            Self::CreateTenant { .. } => "tenant.create",
            Self::ChangeTenant { .. } => "tenant.change",
            Self::CreateProject { .. } => "project.create",
            Self::SetMember { .. } => "project.member",
            Self::CreateUser { .. } => "user.create",
            Self::ChangeUser { .. } => "user.change",
            Self::SetPassword { .. } => "user.password",
            Self::IssueToken(_) => "token.issue",
            Self::RevokeToken { .. } => "token.revoke",
            Self::TopUp { .. } => "wallet.top_up",
            Self::PublishPrices(_) => "prices.publish",
            Self::Bill(_) => "statement",
            Self::Contract(_) => "contract",
            Self::Grant(_) => "grant",
            Self::Usage(_) => "usage",
            Self::Settle(_) => "settlement",
            Self::Budget(_) => "budget",
            Self::SetRate(_) => "rate.set",
            Self::NoteTwinRun { step, .. } => step.word(),
            Self::Steer { .. } => "policy.set",
            Self::RegisterSupplier(_) => "supplier.register",
            Self::SetSupplierTerms(_) => "supplier.terms",
            Self::RegisterCluster(_) => "cluster.register",
            Self::PlaceCluster { .. } => "cluster.place",
            Self::ConnectCluster { .. } => "cluster.connect",
            Self::SetService { .. } => "cluster.service",
            Self::KeepReport(_) => "cluster.report",
            Self::DescribeCluster { .. } => "cluster.describe",
            Self::RegisterPool { .. } => "pool.register",
            Self::SetPoolCost { .. } => "pool.cost",
            Self::SetNode { .. } => "node.set",
        }
    }
}

/// The answer to a command that was carried out. Stored under the idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Report {
    /// A new job; `elements` is 1, or the size of the array whose elements are numbered from `number` on.
    Submitted {
        job: JobId,
        number: u64,
        elements: u32,
        hold: Money,
        /// What soft budgets say about it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<String>,
    },
    /// `changed` is false when the job was already as asked. For arrays, how many elements changed.
    Job {
        job: JobId,
        changed: u32,
    },
    Tenant {
        tenant: TenantId,
    },
    Project {
        project: ProjectId,
    },
    User {
        user: UserId,
    },
    Token {
        token: TokenId,
    },
    Wallet {
        tenant: TenantId,
        balance: Money,
    },
    Prices,
    Contract {
        contract: u64,
    },
    Grant {
        grant: u64,
    },
    Settlement {
        settlement: u64,
    },
    /// What came of each record, in their order.
    Usage {
        taken: Vec<crate::usage::Taken>,
    },
    Rate {
        rate: u64,
    },
    TwinRun {
        run: TwinRunId,
    },
    /// Whose months are to be closed, up to `month`; all that was booked in it is stored.
    Due {
        month: Month,
        tenants: Vec<crate::billing::Closed>,
    },
    /// The numbers of new statements: `count` from `first` on.
    Statements {
        first: u64,
        count: u64,
    },
    /// The statement whose invoice was noted.
    Invoiced {
        statement: u64,
    },
    Corrected {
        transfer: TransferId,
        balance: Money,
    },
    Budget {
        budget: u64,
    },
    /// The version in force now, and what it changed; unchanged when nothing did.
    Policy {
        number: u64,
        changes: Vec<String>,
    },
    Supplier {
        supplier: SupplierId,
    },
    Cluster {
        cluster: ClusterId,
    },
    Pool {
        pool: PoolId,
    },
    /// An observation or a tick was taken in.
    Done,
}
