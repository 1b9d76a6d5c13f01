//! The domain's types into the API's and back, by hand: what is sent is decided here and nowhere else.
//! Pure functions of rows and names; reads nothing.

pub mod bill;
pub mod budget;
pub mod cluster;
pub mod contract;
pub mod cost;
pub mod event;
pub mod explain;
pub mod grant;
pub mod job;
pub mod order;
pub mod overview;
pub mod prices;
pub mod rate;
pub mod report;
pub mod settlement;
pub mod statement;
pub mod suppliers;
pub mod supply;
pub mod usage;

/// Writes the conversions between an enum of the model and its words, exhaustively, one way or both.
macro_rules! same_words {
    ($($there:ident, $back:ident: $model:ty = $wire:ty { $($variant:ident),+ $(,)? })+) => {$(
        pub const fn $there(value: $model) -> $wire {
            match value { $(<$model>::$variant => <$wire>::$variant),+ }
        }
        pub const fn $back(value: $wire) -> $model {
            match value { $(<$wire>::$variant => <$model>::$variant),+ }
        }
    )+};
}

same_words! {
    state, state_from: model::StateCode = wire::JobState {
        Pending, Held, Running, Completing, Completed, Failed, Cancelled, Timeout, OutOfMemory, NodeFail, Preempted,
    }
    outcome, outcome_from: model::Outcome = wire::Outcome {
        Completed, Failed, Cancelled, Timeout, OutOfMemory, NodeFail, Preempted,
    }
    attempt_phase, attempt_phase_from: model::AttemptPhase = wire::AttemptPhase {
        Submitting, Queued, Running, Ended, Lost, Abandoned,
    }
    role, role_from: model::Role = wire::Role { Operator, Auditor, Owner, Member }
    project_role, project_role_from: model::ProjectRole = wire::ProjectRole { Owner, Member, Viewer }
    scope, scope_from: model::TokenScope = wire::Scope { Full, Jobs, Read }
    tier, tier_from: model::ContractTier = wire::ContractTier { LongTerm, ShortTerm, OnDemand }
    tenant_status, tenant_status_from: model::TenantStatus = wire::TenantStatus { Active, Suspended }
    supply_mode, supply_mode_from: model::SupplyMode = wire::SupplyMode { Own, Partner }
    backend, backend_from: model::BackendKind = wire::Backend { Local, Slurm, Kubernetes }
    health, health_from: model::ClusterHealth = wire::ClusterHealth { Reachable, Unreachable }
    service, service_from: model::Service = wire::ClusterService { Testing, InService, Retired }
    report_kind, report_kind_from: model::ReportKind = wire::ReportKind { Check, Trial }
    node_state, node_state_from: model::NodeState = wire::NodeState { Up, Drained, Down }
    line_kind, line_kind_from: rating::settlement::LineKind = wire::LineKind { Work, Minimum }
    class, class_from: model::PriorityClass = wire::PriorityClass { Low, Normal, High, Urgent }
    line, line_from: model::ProductLine = wire::ProductLine { General, Industry, Ai, Maas, Render, Lease }
    log_stream, log_stream_from: ports::LogStream = wire::LogStream { Stdout, Stderr }
    margin_by, margin_by_from: store::MarginBy = wire::MarginBy { Job, Tenant, Pool, Project }
}

/// A page of the store as a page of the API.
pub fn page<T, U>(page: store::Page<T>, item: impl FnMut(T) -> U) -> wire::Page<U> {
    wire::Page { items: page.items.into_iter().map(item).collect(), next_cursor: page.next }
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_of_model_and_api_are_spelled_alike() {
        for code in model::StateCode::ALL {
            assert_eq!(super::state(code).as_str(), code.as_str());
        }
        for tier in model::ContractTier::ALL {
            assert_eq!(super::tier(tier).as_str(), tier.as_str());
        }
        for role in model::Role::ALL {
            assert_eq!(super::role(role).as_str(), role.as_str());
        }
        for scope in model::TokenScope::ALL {
            assert_eq!(super::scope(scope).as_str(), scope.as_str());
        }
        for class in model::PriorityClass::ALL {
            assert_eq!(super::class(class).as_str(), class.as_str());
        }
    }
}
