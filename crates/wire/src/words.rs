//! The closed lists of words: states, roles, scopes, modes. Each is an enum with its text beside it.
//! Knows the spelling only; what a word means is written where the domain has it.

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident ($case:tt) { $($variant:ident = $word:literal),+ $(,)? })+) => {
        $(
            $(#[$doc])*
            #[derive(
                Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
                utoipa::ToSchema,
            )]
            #[serde(rename_all = $case)]
            pub enum $name { $($variant),+ }

            impl $name {
                pub const ALL: &[$name] = &[$($name::$variant),+];
                /// The word as sent.
                pub const fn as_str(self) -> &'static str {
                    match self { $($name::$variant => $word),+ }
                }
                /// Reads the word, in any case.
                pub fn parse(text: &str) -> Option<Self> {
                    Self::ALL.iter().copied().find(|w| w.as_str().eq_ignore_ascii_case(text))
                }
            }
            impl std::fmt::Display for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.pad(self.as_str()) }
            }
        )+
        #[cfg(test)]
        mod spelling {
            use super::*;
            #[test]
            fn words_are_sent_as_they_are_written() {
                $($(assert_eq!(serde_json::to_string(&$name::$variant).unwrap(), concat!('"', $word, '"'));)+)+
            }
        }
    };
}

words! {
    /// States of a job as users of Slurm know them, and `HELD`.
    JobState("SCREAMING_SNAKE_CASE") {
        Pending = "PENDING", Held = "HELD", Running = "RUNNING", Completing = "COMPLETING", Completed = "COMPLETED",
        Failed = "FAILED", Cancelled = "CANCELLED", Timeout = "TIMEOUT", OutOfMemory = "OUT_OF_MEMORY",
        NodeFail = "NODE_FAIL", Preempted = "PREEMPTED",
    }
    /// How an attempt ended.
    Outcome("snake_case") {
        Completed = "completed", Failed = "failed", Cancelled = "cancelled", Timeout = "timeout",
        OutOfMemory = "out_of_memory", NodeFail = "node_fail", Preempted = "preempted",
    }
    /// Where an attempt stands. `lost`: the cluster can be shown not to have it.
    AttemptPhase("snake_case") {
        Submitting = "submitting", Queued = "queued", Running = "running", Ended = "ended", Lost = "lost",
        Abandoned = "abandoned",
    }
    /// What a user may do.
    Role("snake_case") { Operator = "operator", Auditor = "auditor", Owner = "owner", Member = "member" }
    /// What a user may do in a project that names its members.
    ProjectRole("snake_case") { Owner = "owner", Member = "member", Viewer = "viewer" }
    /// What notices are about: a job that has begun, has completed, has ended otherwise, waits again or longer than expected; money
    /// that runs short.
    NoticeKind("snake_case") {
        Started = "started", Completed = "completed", Failed = "failed", Delayed = "delayed", Money = "money",
    }
    /// What mail is written in.
    Language("snake_case") { En = "en", Zh = "zh" }
    /// What a token may be used for, below its user's role.
    Scope("snake_case") { Full = "full", Jobs = "jobs", Read = "read" }
    /// What a tenant has agreed on for its computing.
    ContractTier("snake_case") { LongTerm = "long_term", ShortTerm = "short_term", OnDemand = "on_demand" }
    TenantStatus("snake_case") { Active = "active", Suspended = "suspended" }
    /// What a run of the twin plays: the last days again, or the present state ahead.
    TwinKind("snake_case") { Past = "past", Ahead = "ahead" }
    /// Where a run of the twin stands. `interrupted`: the server that played it went away.
    TwinState("snake_case") {
        Queued = "queued", Running = "running", Done = "done", Failed = "failed", Cancelled = "cancelled",
        Interrupted = "interrupted",
    }
    /// Own (共建) or bought in from a partner (外购/纳管).
    SupplyMode("snake_case") { Own = "own", Partner = "partner" }
    Backend("snake_case") { Local = "local", Slurm = "slurm", Kubernetes = "kubernetes" }
    ClusterHealth("snake_case") { Reachable = "reachable", Unreachable = "unreachable" }
    /// Whether new work is given to a cluster.
    ClusterService("snake_case") { Testing = "testing", InService = "in_service", Retired = "retired" }
    /// What was made: a look at a cluster, or real jobs on it.
    ReportKind("snake_case") { Check = "check", Trial = "trial" }
    /// How serious a finding is.
    FindingLevel("snake_case") { Ok = "ok", Warn = "warn", Fail = "fail" }
    /// How a case of a trial came out.
    Verdict("snake_case") { Passed = "passed", Failed = "failed", Skipped = "skipped" }
    NodeState("snake_case") { Up = "up", Drained = "drained", Down = "down" }
    /// Queue class, lowest first; `--qos` names it.
    PriorityClass("snake_case") { Low = "low", Normal = "normal", High = "high", Urgent = "urgent" }
    ProductLine("snake_case") {
        General = "general", Industry = "industry", Ai = "ai", Maas = "maas", Render = "render", Lease = "lease",
    }
    /// What a list of jobs is sorted by; `submitted` is the order of numbers, `run_time` is known of ended jobs.
    JobSort("snake_case") {
        Number = "number", Submitted = "submitted", Started = "started", Ended = "ended", RunTime = "run_time",
        Price = "price", Name = "name", User = "user",
    }
    SortOrder("snake_case") { Asc = "asc", Desc = "desc" }
    /// What is done to many jobs at once.
    BulkAction("snake_case") {
        Cancel = "cancel", Hold = "hold", Release = "release", Requeue = "requeue", Resubmit = "resubmit",
    }
    /// Which of a job's output files.
    LogStream("snake_case") { Stdout = "stdout", Stderr = "stderr" }
    /// What an explanation explains: the choice to come, or the one that was made.
    ExplainPhase("snake_case") { Pending = "pending", Placed = "placed" }
    /// Whether work beyond a budget is refused, or only told.
    BudgetKind("snake_case") { Hard = "hard", Soft = "soft" }
    /// In what stretches of time a budget is counted.
    BudgetPeriod("snake_case") { Month = "month", Quarter = "quarter", Year = "year", Once = "once" }
    /// By which periods a supplier is settled with.
    SettlesBy("snake_case") { Month = "month", Quarter = "quarter" }
    /// How a bill is written.
    BillFormat("snake_case") { Json = "json", Csv = "csv" }
    /// How a tenant's statement is written.
    StatementFormat("snake_case") { Json = "json", Focus = "focus", Csv = "csv", Xlsx = "xlsx", Html = "html" }
    /// What is exported as CSV.
    Export("snake_case") {
        Intervals = "intervals", Transfers = "transfers", Prices = "prices", Statements = "statements",
        Corrections = "corrections", Accounts = "accounts", Contracts = "contracts", ContractMonths = "contract_months",
        Grants = "grants", Rates = "rates", Usage = "usage",
    }
    /// What a price is for: an hour of a core, a GiB of memory, a card, a whole node; a GiB kept for a month; a GiB moved; a request; a
    /// thousand tokens.
    PriceUnit("snake_case") {
        CoreHour = "core_hour", GibHour = "gib_hour", CardHour = "card_hour", NodeHour = "node_hour",
        GibMonth = "gib_month", GibMoved = "gib_moved", Request = "request", Kilotoken = "kilotoken",
    }
    /// What becomes of what a month of a contract did not use: it is lost, or can be used in the next month.
    UnusedRule("snake_case") { Lapse = "lapse", Carry = "carry" }
    /// Where a contract stands: it is to begin, goes on, waits for the fee of its month, is over.
    ContractState("snake_case") { Signed = "signed", InForce = "in_force", Unpaid = "unpaid", Over = "over" }
    /// Where a grant stands: it is to begin, pays, has come to its end, was revoked before.
    GrantState("snake_case") { Given = "given", InForce = "in_force", Over = "over", Revoked = "revoked" }
    /// To what billed time is rounded up.
    RoundUp("snake_case") { None = "none", Second = "second", Minute = "minute", Hour = "hour" }
    Day("lowercase") { Mon = "mon", Tue = "tue", Wed = "wed", Thu = "thu", Fri = "fri", Sat = "sat", Sun = "sun" }
    /// What a margin report has a row for.
    /// What a report tells apart.
    ReportBy("snake_case") {
        Tenant = "tenant", Project = "project", Line = "line", Work = "work", Pool = "pool", Cluster = "cluster",
        Supplier = "supplier", Mode = "mode", Region = "region", Day = "day", Month = "month",
        Season = "season", User = "user",
    }
    /// What a tenant's spending is told apart by.
    SpendBy("snake_case") { Project = "project", User = "user", Line = "line" }
    MarginBy("snake_case") { Job = "job", Tenant = "tenant", Pool = "pool", Project = "project" }
    /// Where a supplier's statement stands.
    SettlementState("snake_case") { Open = "open", Accepted = "accepted", Withdrawn = "withdrawn" }
    /// What a line of a supplier's statement is about: work, or what was bought less than agreed on.
    LineKind("snake_case") { Work = "work", Minimum = "minimum" }
    /// How a line of a supplier's statement compares with ours.
    LineVerdict("snake_case") {
        Matched = "matched", Quantity = "quantity", Price = "price", QuantityAndPrice = "quantity_and_price",
        OnlyOurs = "only_ours", OnlyTheirs = "only_theirs", Duplicated = "duplicated",
    }
    /// By what a line found an attempt of ours.
    MatchedBy("snake_case") { Attempt = "attempt", External = "external", Time = "time" }
    /// What a quantity counts.
    Meter("snake_case") { Core = "core", Card = "card", Node = "node" }
    /// Where the dispute about a line stands. `later`: it is no part of this statement.
    DisputeState("snake_case") {
        None = "none", Open = "open", Ours = "ours", Theirs = "theirs", Amount = "amount", Later = "later",
    }
    /// What becomes of a dispute.
    LineResolution("snake_case") {
        Open = "open", Ours = "ours", Theirs = "theirs", Amount = "amount", Later = "later",
    }
    /// Which lines of a statement.
    LinesOnly("snake_case") { Differing = "differing", Open = "open" }
}

impl JobState {
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Held | Self::Running | Self::Completing)
    }
}
