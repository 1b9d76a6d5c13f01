//! Events and audit entries as the API shows them: a stable word, a text in both languages, and the facts behind it.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{ClusterId, Currency, Money, PoolId, Span, SupplierId, TenantId, UserId};
use engine::AuditEntry;
use model::{Actor, ContractStep, EndCause, Event, EventKind, GrantStep, Holder, NodeState, Outcome, Precedence};
use ports::StoreError;
use serde_json::{Value, json};
use wire::events as shown;
use wire::text::{self, Both, EVENTS, same, word};

use super::job::exit;
use super::state;
use crate::access::{Names, Supply};

/// The names that some events mention.
#[derive(Default)]
pub struct Mentioned {
    supply: Arc<Supply>,
    users: BTreeMap<UserId, String>,
    currencies: BTreeMap<TenantId, Currency>,
}

impl Mentioned {
    /// Looks up what `events` mention.
    pub async fn by_events(events: &[Event], names: Names<'_>) -> Result<Self, StoreError> {
        let mut found = Self { supply: names.supply().await?, ..Self::default() };
        for event in events {
            found.actor(event.actor, names).await?;
            if let EventKind::UserChanged { user } = event.what {
                found.actor(Actor::User(user), names).await?;
            }
            if let Some(tenant) = event.tenant
                && !found.currencies.contains_key(&tenant)
                && let Some(known) = names.tenant(tenant).await?
            {
                found.currencies.insert(tenant, known.currency);
            }
        }
        Ok(found)
    }

    /// Looks up who did what `entries` say.
    pub async fn by_audit(entries: &[AuditEntry], names: Names<'_>) -> Result<Self, StoreError> {
        let actors: Vec<Actor> = entries.iter().map(|entry| entry.actor).collect();
        Self::by_actors(&actors, names).await
    }

    pub async fn by_actors(actors: &[Actor], names: Names<'_>) -> Result<Self, StoreError> {
        let mut found = Self { supply: names.supply().await?, ..Self::default() };
        for actor in actors {
            found.actor(*actor, names).await?;
        }
        Ok(found)
    }

    async fn actor(&mut self, actor: Actor, names: Names<'_>) -> Result<(), StoreError> {
        if let Actor::User(id) = actor
            && !self.users.contains_key(&id)
        {
            self.users.insert(id, names.user_name(id).await?);
        }
        Ok(())
    }

    fn user(&self, id: UserId) -> String {
        self.users.get(&id).map_or_else(|| id.to_string(), Clone::clone)
    }
}

pub fn event(event: &Event, mentioned: &Mentioned) -> shown::Event {
    let currency = event.tenant.and_then(|t| mentioned.currencies.get(&t));
    let Told { kind, values, detail } = tell(&event.what, mentioned, currency);
    let said = text::say(EVENTS, kind, &values);
    shown::Event {
        seq: event.seq,
        at: event.at.into(),
        tenant: event.tenant,
        job: event.job,
        state: event.state.map(state),
        actor: actor(event.actor, mentioned),
        kind: kind.into(),
        text_en: said.en,
        text_zh: said.zh,
        detail,
    }
}

pub fn audit(entry: AuditEntry, mentioned: &Mentioned) -> shown::AuditEntry {
    let AuditEntry { seq, at, actor: by, action, target, tenant, detail } = entry;
    shown::AuditEntry { seq, at: at.into(), actor: actor(by, mentioned), action, target, tenant, detail }
}

pub fn actor(by: Actor, mentioned: &Mentioned) -> shown::Actor {
    match by {
        Actor::Platform => shown::Actor { kind: "platform".into(), id: None, name: None },
        Actor::User(id) => {
            shown::Actor { kind: "user".into(), id: Some(id.to_string()), name: Some(mentioned.user(id)) }
        }
        Actor::Cluster(id) => shown::Actor {
            kind: "cluster".into(),
            id: Some(id.to_string()),
            name: Some(mentioned.supply.cluster_name(id)),
        },
    }
}

/// An event as its word, the values of its text, and its facts.
struct Told {
    kind: &'static str,
    values: Vec<(&'static str, Both)>,
    detail: Value,
}

fn tell(what: &EventKind, mentioned: &Mentioned, currency: Option<&Currency>) -> Told {
    let told = |kind, values, detail| Told { kind, values, detail };
    let plain = |kind| Told { kind, values: Vec::new(), detail: json!({}) };
    let money = |m: &Money| same(currency.map_or_else(|| m.to_string(), |c| format!("{m} {c}")));
    match what {
        EventKind::Submitted { hold } => {
            told("submitted", vec![("hold", money(hold))], json!({ "hold": hold.to_string() }))
        }
        EventKind::Held { by } => told("held", vec![("by", word(holder(*by)))], json!({ "by": holder(*by) })),
        EventKind::Released => plain("released"),
        EventKind::Ending { cause } => {
            told("ending", vec![("cause", word(end_cause(*cause)))], json!({ "cause": end_cause(*cause) }))
        }
        EventKind::Ended { outcome, exit: code, charged } => {
            let outcome = ended(*outcome);
            let detail = json!({ "outcome": outcome, "exit": code.map(exit), "charged": charged.to_string() });
            told("ended", vec![("outcome", word(outcome)), ("charged", money(charged))], detail)
        }
        EventKind::Requeued { after } => {
            told("requeued", vec![("after", word(ended(*after)))], json!({ "after": ended(*after) }))
        }
        EventKind::BalanceLow { available, needed, stop_at } => {
            let stop = stop_at.rfc3339();
            let detail = json!({ "available": available.to_string(), "needed": needed.to_string(), "stop_at": stop });
            let values = vec![("available", money(available)), ("needed", money(needed)), ("stop_at", same(stop))];
            told("balance_low", values, detail)
        }
        EventKind::BalanceRestored => plain("balance_restored"),
        EventKind::BudgetAlert { .. } | EventKind::BudgetStop { .. } => budget(what, money),
        EventKind::TimeLimitWarning { signal } => {
            told("time_limit_warning", vec![("signal", same(signal.to_string()))], json!({ "signal": signal }))
        }
        EventKind::Placed { .. }
        | EventKind::HandOverFailed { .. }
        | EventKind::Queued { .. }
        | EventKind::Started { .. }
        | EventKind::Interrupted { .. }
        | EventKind::Suspended { .. }
        | EventKind::Continued { .. }
        | EventKind::Remark { .. }
        | EventKind::Withdrawn { .. }
        | EventKind::Waived { .. }
        | EventKind::Moved { .. }
        | EventKind::Twinned { .. }
        | EventKind::Returned { .. }
        | EventKind::LateAnswer { .. } => mentioned.course(what, money),
        EventKind::Fetched { .. }
        | EventKind::FetchFailed { .. }
        | EventKind::Uploaded { .. }
        | EventKind::Restored { .. }
        | EventKind::CheckpointFailed { .. } => results(what),
        EventKind::Preempting { .. } | EventKind::Spared { .. } => preemption(what),
        EventKind::PriorityChanged => plain("priority_changed"),
        EventKind::TimeLimitChanged { micros } => time_limit(Span::from_micros(*micros)),
        EventKind::WalletChanged { .. }
        | EventKind::Corrected { .. }
        | EventKind::StatementClosed { .. }
        | EventKind::PricesChanged => billed(what, money),
        EventKind::PoolChanged { pool } => mentioned.pool_changed(*pool),
        EventKind::NodeChanged { pool, node, state } => mentioned.node_changed(*pool, node, node_state(*state)),
        EventKind::ClusterUnreachable { cluster } => mentioned.cluster("cluster_unreachable", *cluster),
        EventKind::ClusterReachable { cluster } => mentioned.cluster("cluster_reachable", *cluster),
        EventKind::SupplierTermOver { supplier, pool } => mentioned.term_over(*supplier, *pool),
        EventKind::TenantChanged => plain("tenant_changed"),
        EventKind::UserChanged { user } => mentioned.user_changed(*user),
        EventKind::ContractChanged { contract, step } => contract_changed(*contract, *step, money),
        EventKind::GrantChanged { grant, step, amount } => grant_changed(*grant, *step, (amount, money(amount))),
    }
}

fn time_limit(span: Span) -> Told {
    let detail = json!({ "time_limit_seconds": span.as_secs_f64() });
    Told { kind: "time_limit_changed", values: vec![("time_limit", same(span.slurm()))], detail }
}

fn contract_changed(contract: u64, step: ContractStep, money: impl Fn(&Money) -> Both) -> Told {
    let mut values = vec![("contract", same(contract.to_string()))];
    let mut detail = json!({ "contract": contract, "step": step.as_str() });
    let kind = match step {
        ContractStep::Signed => "contract_signed",
        ContractStep::Unpaid { fee, available } => {
            values.extend([("fee", money(&fee)), ("available", money(&available))]);
            detail["fee"] = fee.to_string().into();
            detail["available"] = available.to_string().into();
            "contract_unpaid"
        }
        ContractStep::BrokenOff => "contract_broken_off",
        ContractStep::Over => "contract_over",
    };
    Told { kind, values, detail }
}

fn grant_changed(grant: u64, step: GrantStep, (amount, said): (&Money, Both)) -> Told {
    let kind = match step {
        GrantStep::Given => "grant_given",
        GrantStep::Revoked => "grant_revoked",
        GrantStep::Expired => "grant_expired",
    };
    let detail = json!({ "grant": grant, "step": step.as_str(), "amount": amount.to_string() });
    Told { kind, values: vec![("grant", same(grant.to_string())), ("amount", said)], detail }
}

/// What a budget has reached.
fn budget(what: &EventKind, money: impl Fn(&Money) -> Both) -> Told {
    match what {
        EventKind::BudgetAlert { budget, percent, spent, amount, until } => {
            let until = until.rfc3339();
            let detail = json!({ "budget": budget, "percent": percent, "spent": spent.to_string(),
                "amount": amount.to_string(), "until": until });
            let values = vec![
                ("budget", same(budget.to_string())),
                ("percent", same(percent.to_string())),
                ("spent", money(spent)),
                ("amount", money(amount)),
                ("until", same(until)),
            ];
            Told { kind: "budget_alert", values, detail }
        }
        EventKind::BudgetStop { budget, stop_at } => {
            let stop = stop_at.rfc3339();
            let detail = json!({ "budget": budget, "stop_at": stop });
            let values = vec![("budget", same(budget.to_string())), ("stop_at", same(stop))];
            Told { kind: "budget_stop", values, detail }
        }
        // Nothing else is about budgets.
        _ => Told { kind: "budget_stop", values: Vec::new(), detail: json!({}) },
    }
}

/// That an attempt is to make room, or need not any more.
fn preemption(what: &EventKind) -> Told {
    let EventKind::Preempting { why, signal, at, attempt, .. } = what else {
        return Told { kind: "spared", values: Vec::new(), detail: json!({}) };
    };
    let at = at.rfc3339();
    // For whom is another tenant's business: the operator finds it in the audit.
    let detail = json!({ "attempt": attempt, "why": why.as_str(), "signal": signal, "at": at });
    let why = word(match why {
        Precedence::Class => "class",
        Precedence::Contract => "contract",
    });
    Told {
        kind: "preempting",
        values: vec![("why", why), ("signal", same(signal.to_string())), ("at", same(at))],
        detail,
    }
}

/// What became of a tenant's bill.
fn billed(what: &EventKind, money: impl Fn(&Money) -> Both) -> Told {
    let (kind, values, detail) = match what {
        EventKind::Corrected { amount, reason } => {
            let detail = json!({ "amount": amount.to_string(), "reason": reason });
            ("corrected", vec![("amount", money(amount)), ("reason", same(reason.as_ref()))], detail)
        }
        EventKind::StatementClosed { statement, month, due } => {
            let detail = json!({ "statement": statement, "month": month, "due": due.to_string() });
            let values =
                vec![("statement", same(statement.to_string())), ("month", same(month.as_ref())), ("due", money(due))];
            ("statement_closed", values, detail)
        }
        EventKind::WalletChanged { amount } => {
            ("wallet_changed", vec![("amount", money(amount))], json!({ "amount": amount.to_string() }))
        }
        _ => ("prices_changed", Vec::new(), json!({})),
    };
    Told { kind, values, detail }
}

/// What came of copying a job's results, or its checkpoints.
fn results(what: &EventKind) -> Told {
    match what {
        EventKind::Fetched { files, bytes, folder } => {
            let values =
                [("files", files.to_string()), ("bytes", bytes.to_string()), ("folder", folder.as_ref().to_owned())];
            Told {
                kind: "fetched",
                values: values.into_iter().map(|(name, value)| (name, same(value))).collect(),
                detail: json!({ "files": files, "bytes": bytes, "folder": folder }),
            }
        }
        EventKind::FetchFailed { text } => {
            Told { kind: "fetch_failed", values: vec![("text", same(text.as_ref()))], detail: json!({ "text": text }) }
        }
        EventKind::Uploaded { path, bytes } => Told {
            kind: "uploaded",
            values: vec![("path", same(path.as_ref())), ("bytes", same(bytes.to_string()))],
            detail: json!({ "path": path, "bytes": bytes }),
        },
        EventKind::Restored { attempt, from, taken_at, files, bytes } => {
            let at = taken_at.rfc3339();
            let values = [
                ("from", from.to_string()),
                ("at", at.clone()),
                ("files", files.to_string()),
                ("bytes", bytes.to_string()),
            ];
            Told {
                kind: "restored",
                values: values.into_iter().map(|(name, value)| (name, same(value))).collect(),
                detail: json!({ "attempt": attempt, "from": from, "taken_at": at, "files": files, "bytes": bytes }),
            }
        }
        EventKind::CheckpointFailed { attempt, text } => Told {
            kind: "checkpoint_failed",
            values: vec![("text", same(text.as_ref()))],
            detail: json!({ "attempt": attempt, "text": text }),
        },
        // Nothing else is about results.
        _ => Told { kind: "fetch_failed", values: vec![("text", same("-"))], detail: json!({}) },
    }
}

impl Mentioned {
    /// What became of an attempt: its place, and its course on its cluster.
    fn course(&self, what: &EventKind, money: impl Fn(&Money) -> Both) -> Told {
        let told = |kind, values, detail| Told { kind, values, detail };
        let number = |attempt: &base::AttemptId| ("attempt", same(attempt.number.to_string()));
        match what {
            EventKind::Placed { attempt, pool } => {
                let name = self.supply.pool_name(*pool);
                let detail = json!({ "attempt": attempt, "pool": pool, "pool_name": name });
                told("placed", vec![("pool", same(name)), number(attempt)], detail)
            }
            EventKind::Queued { attempt, external } => {
                told("queued", Vec::new(), json!({ "attempt": attempt, "external": external }))
            }
            EventKind::HandOverFailed { attempt, text } => {
                let detail = json!({ "attempt": attempt, "text": text });
                told("hand_over_failed", vec![("text", same(text.as_ref()))], detail)
            }
            EventKind::Started { attempt, nodes } => {
                let names = if nodes.is_empty() { "?".to_owned() } else { nodes.join(", ") };
                told("started", vec![("nodes", same(names))], json!({ "attempt": attempt, "nodes": nodes }))
            }
            EventKind::Interrupted { attempt, outcome, text } => {
                let words = text.as_ref().map_or_else(|| same("-"), |t| same(t.as_ref()));
                let values = vec![("outcome", word(ended(*outcome))), ("text", words)];
                let detail = json!({ "attempt": attempt, "outcome": ended(*outcome), "text": text });
                told("interrupted", values, detail)
            }
            EventKind::Suspended { attempt } => told("suspended", Vec::new(), json!({ "attempt": attempt })),
            EventKind::Continued { attempt } => told("continued", Vec::new(), json!({ "attempt": attempt })),
            EventKind::Remark { attempt, text } => {
                told("remark", vec![("text", same(text.as_ref()))], json!({ "attempt": attempt, "text": text }))
            }
            EventKind::Waived { attempt, amount } => {
                let detail = json!({ "attempt": attempt, "amount": amount.to_string() });
                told("waived", vec![("amount", money(amount)), number(attempt)], detail)
            }
            EventKind::Moved { attempt, from, why } => {
                let name = self.supply.pool_name(*from);
                let detail = json!({ "attempt": attempt, "from": from, "from_name": name, "why": why.as_str() });
                told("moved", vec![("from", same(name)), ("why", word(why.as_str()))], detail)
            }
            EventKind::Twinned { attempt, from } => {
                let name = self.supply.pool_name(*from);
                let detail = json!({ "attempt": attempt, "from": from, "from_name": name });
                told("twinned", vec![("from", same(name))], detail)
            }
            EventKind::Returned { attempt, pool } => {
                let name = self.supply.pool_name(*pool);
                let detail = json!({ "attempt": attempt, "pool": pool, "pool_name": name });
                told("returned", vec![number(attempt), ("pool", same(name))], detail)
            }
            EventKind::LateAnswer { attempt, outcome } => {
                let detail = json!({ "attempt": attempt, "outcome": outcome.map(ended) });
                told("late_answer", vec![number(attempt)], detail)
            }
            EventKind::Withdrawn { attempt } => told("withdrawn", Vec::new(), json!({ "attempt": attempt })),
            // Nothing else is an attempt's.
            _ => told("remark", vec![("text", same("-"))], json!({})),
        }
    }

    fn term_over(&self, supplier: SupplierId, pool: PoolId) -> Told {
        let (name, of) = (self.supply.supplier_name(supplier), self.supply.pool_name(pool));
        let detail = json!({ "supplier": supplier, "supplier_name": name, "pool": pool, "pool_name": of });
        Told { kind: "supplier_term_over", values: vec![("supplier", same(name)), ("pool", same(of))], detail }
    }

    fn user_changed(&self, user: UserId) -> Told {
        Told { kind: "user_changed", values: vec![("user", same(self.user(user)))], detail: json!({ "user": user }) }
    }

    fn pool_changed(&self, pool: PoolId) -> Told {
        let name = self.supply.pool_name(pool);
        let detail = json!({ "pool": pool, "pool_name": name });
        Told { kind: "pool_changed", values: vec![("pool", same(name))], detail }
    }

    fn node_changed(&self, pool: PoolId, node: &str, state: &'static str) -> Told {
        let name = self.supply.pool_name(pool);
        let detail = json!({ "pool": pool, "pool_name": name, "node": node, "state": state });
        let values = vec![("node", same(node)), ("pool", same(name)), ("state", word(state))];
        Told { kind: "node_changed", values, detail }
    }

    fn cluster(&self, kind: &'static str, cluster: ClusterId) -> Told {
        let name = self.supply.cluster_name(cluster);
        Told { kind, values: vec![("cluster", same(name))], detail: json!({ "cluster": cluster }) }
    }
}

const fn holder(by: Holder) -> &'static str {
    match by {
        Holder::User => "user",
        Holder::Operator => "operator",
        Holder::Platform => "platform",
    }
}

const fn end_cause(cause: EndCause) -> &'static str {
    match cause {
        EndCause::Cancelled => "cancelled",
        EndCause::TimeLimit => "time_limit",
        EndCause::Balance => "balance",
        EndCause::Preempted => "preempted",
        EndCause::Requeued => "requeued",
        EndCause::Withdrawn => "withdrawn",
    }
}

const fn ended(outcome: Outcome) -> &'static str {
    super::outcome(outcome).as_str()
}

const fn node_state(state: NodeState) -> &'static str {
    super::node_state(state).as_str()
}

#[cfg(test)]
mod tests {
    use base::{AttemptId, JobId, Timestamp};

    use super::*;

    #[test]
    fn every_event_has_its_texts_and_every_text_its_event() {
        let (attempt, pool) = (AttemptId::new(JobId::from_u128(1), 1), PoolId::from_u128(1));
        let (cluster, one) = (ClusterId::from_u128(1), Money(1_000_000));
        let kinds = [
            EventKind::Submitted { hold: one },
            EventKind::Held { by: Holder::Operator },
            EventKind::Released,
            EventKind::Placed { attempt, pool },
            EventKind::Queued { attempt, external: None },
            EventKind::Started { attempt, nodes: vec!["n1".into()] },
            EventKind::Ending { cause: EndCause::TimeLimit },
            EventKind::Ended { outcome: Outcome::OutOfMemory, exit: None, charged: one },
            EventKind::Requeued { after: Outcome::NodeFail },
            EventKind::HandOverFailed { attempt, text: "no".into() },
            EventKind::BalanceLow { available: one, needed: one, stop_at: Timestamp::from_secs(1) },
            EventKind::Interrupted { attempt, outcome: Outcome::NodeFail, text: None },
            EventKind::Suspended { attempt },
            EventKind::Continued { attempt },
            EventKind::Remark { attempt, text: "waits".into() },
            EventKind::Fetched { files: 1, bytes: 2, folder: "results/1".into() },
            EventKind::FetchFailed { text: "why".into() },
            EventKind::Uploaded { path: "in.txt".into(), bytes: 2 },
            EventKind::Restored { attempt, from: 1, taken_at: Timestamp::from_secs(1), files: 1, bytes: 2 },
            EventKind::CheckpointFailed { attempt, text: "why".into() },
            EventKind::Preempting {
                attempt,
                by: JobId::from_u128(9),
                why: Precedence::Class,
                signal: 10,
                at: Timestamp::from_secs(1),
            },
            EventKind::Spared { attempt },
            EventKind::Withdrawn { attempt },
            EventKind::Waived { attempt, amount: one },
            EventKind::Moved { attempt, from: pool, why: model::MoveCause::Stuck },
            EventKind::Twinned { attempt, from: pool },
            EventKind::Returned { attempt, pool },
            EventKind::LateAnswer { attempt, outcome: None },
            EventKind::BalanceRestored,
            EventKind::BudgetAlert { budget: 1, percent: 80, spent: one, amount: one, until: Timestamp::from_secs(1) },
            EventKind::BudgetStop { budget: 1, stop_at: Timestamp::from_secs(1) },
            EventKind::TimeLimitWarning { signal: 10 },
            EventKind::PriorityChanged,
            EventKind::TimeLimitChanged { micros: 60_000_000 },
            EventKind::WalletChanged { amount: one },
            EventKind::Corrected { amount: one, reason: "why".into() },
            EventKind::StatementClosed { statement: 1, month: "2026-10".into(), due: one },
            EventKind::PoolChanged { pool },
            EventKind::NodeChanged { pool, node: "n1".into(), state: NodeState::Drained },
            EventKind::ClusterUnreachable { cluster },
            EventKind::ClusterReachable { cluster },
            EventKind::SupplierTermOver { supplier: base::SupplierId::from_u128(1), pool },
            EventKind::TenantChanged,
            EventKind::UserChanged { user: UserId::from_u128(1) },
            EventKind::PricesChanged,
            EventKind::ContractChanged { contract: 1, step: ContractStep::Signed },
            EventKind::ContractChanged { contract: 1, step: ContractStep::Unpaid { fee: one, available: one } },
            EventKind::ContractChanged { contract: 1, step: ContractStep::BrokenOff },
            EventKind::ContractChanged { contract: 1, step: ContractStep::Over },
            EventKind::GrantChanged { grant: 1, step: GrantStep::Given, amount: one },
            EventKind::GrantChanged { grant: 1, step: GrantStep::Revoked, amount: one },
            EventKind::GrantChanged { grant: 1, step: GrantStep::Expired, amount: one },
        ];
        let mut seen = Vec::new();
        for what in kinds {
            let told = event(
                &Event {
                    seq: 1,
                    at: Timestamp::from_secs(1),
                    tenant: None,
                    job: None,
                    state: None,
                    actor: Actor::Platform,
                    what,
                },
                &Mentioned::default(),
            );
            assert!(!told.text_en.contains('…') && !told.text_zh.is_ascii(), "{told:?}");
            assert!(told.detail.is_object(), "{told:?}");
            seen.push(told.kind);
        }
        let mut texts: Vec<&str> = EVENTS.iter().map(|e| e.code).collect();
        seen.sort();
        texts.sort_unstable();
        assert_eq!(seen, texts);
    }

    #[test]
    fn words_inside_texts_are_in_the_catalogue() {
        for word in [Holder::User, Holder::Operator, Holder::Platform].map(holder) {
            assert!(text::find(text::WORDS, word).is_some(), "{word}");
        }
        let causes = [
            EndCause::Cancelled,
            EndCause::TimeLimit,
            EndCause::Balance,
            EndCause::Preempted,
            EndCause::Requeued,
            EndCause::Withdrawn,
        ];
        for word in model::MoveCause::ALL {
            assert!(text::find(text::WORDS, word.as_str()).is_some(), "{}", word.as_str());
        }
        let outcomes = wire::Outcome::ALL.iter().map(|o| o.as_str());
        let nodes = wire::NodeState::ALL.iter().map(|s| s.as_str());
        for word in causes.map(end_cause).into_iter().chain(outcomes).chain(nodes) {
            assert!(text::find(text::WORDS, word).is_some(), "{word}");
        }
    }
}
