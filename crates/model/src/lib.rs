//! The nouns of the platform and their lifecycles as total functions.
//! Refuses to know: HTTP, SQL, Slurm, Kubernetes, prices.

pub mod attempt;
pub mod conditions;
pub mod event;
pub mod file;
pub mod hand_over;
pub mod interconnect;
pub mod job;
pub mod mail;
pub mod pattern;
pub mod people;
pub mod phase;
pub mod reason;
pub mod request;
pub mod spec;
pub mod supply;
pub mod terms;

pub use attempt::{Attempt, AttemptPhase, Course, Notice, Usage};
pub use conditions::{AllOf, AnyOf, Conditions, Constraint, ParseConstraintError, Switches};
pub use event::{Actor, ContractStep, Event, EventKind, GrantStep, MoveCause, Precedence};
pub use file::{ContentDigest, Input, ParseDigestError};
pub use hand_over::{EndOrder, Observation, Observed, Order};
pub use interconnect::{Interconnect, InterconnectAsk, ParseInterconnectError};
pub use job::{ArrayRef, Avoid, EndCause, Exit, Holder, Job, JobInput, Outcome, Phase, Refusal, StateCode, Transition};
pub use mail::MailOn;
pub use people::{ContractTier, Member, Project, ProjectRole, Role, Tenant, TenantStatus, Token, TokenScope, User};
pub use reason::Reason;
pub use request::{Chip, ParseChipError, Request};
pub use spec::{
    ArraySpec, Dependency, DependencyKind, ExportPolicy, JobSpec, PriorityClass, ProductLine, Said, SignalSpec,
};
pub use supply::{
    BackendKind, Cluster, ClusterHealth, ClusterLink, ClusterReport, LinkKind, Node, NodeState, PastUse, Place, Pool,
    ReportKind, Service, Supplier, SupplyMode,
};
pub use terms::{Caps, ClusterTerms, Counted, Licence, Places, PoolTerms, Window};
