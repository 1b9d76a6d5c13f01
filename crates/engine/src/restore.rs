//! The engine after a restart: state rebuilt from what was stored, and what is still outstanding outside.

use std::collections::BTreeSet;

use base::{AccountId, AttemptId, ClusterId, JobId};
use ledger::{Ledger, LedgerRecord};
use model::{AttemptPhase, ClusterHealth, EndCause, EndOrder, Phase};

use crate::books::wallet_code;
use crate::policy::Policy;
use crate::record::{Effect, Snapshot};
use crate::state::{Array, Due, Engine, JobEntry, PoolEntry, SpecEntry};
use std::sync::Arc;

/// What a snapshot lacks. Any of these means that the database was changed by hand or is damaged.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("the books cannot be restored: {0}")]
    Ledger(#[from] ledger::RestoreError),
    #[error("tenant {0} has no wallet")]
    NoWallet(base::TenantId),
    #[error("job {job} refers to a {noun} that is not stored")]
    Dangling { job: JobId, noun: &'static str },
}

/// Accounts of which something is promised, be it used up since.
fn held_accounts(records: &[LedgerRecord]) -> BTreeSet<AccountId> {
    let open = records.iter().filter_map(|record| match record {
        LedgerRecord::Hold(hold) if hold.is_open() => Some(hold.account),
        _ => None,
    });
    open.collect()
}

impl Engine {
    /// Rebuilds the working state. Clusters count as unreachable until they are heard of, so that nothing is billed
    /// or placed on a guess.
    pub fn restore(policy: Policy, snapshot: Snapshot) -> Result<Engine, RestoreError> {
        let mut engine = Engine::new(policy);
        if let Some(version) = snapshot.policy {
            engine.enter_steering(version.number, version.steering);
        }
        let held = held_accounts(&snapshot.ledger);
        engine.ledger = Ledger::restore(snapshot.ledger)?;
        engine.last_number = snapshot.last_job_number;
        engine.last_event = snapshot.last_event_seq;
        engine.last_audit = snapshot.last_audit_seq;
        engine.now = snapshot.last_event_at;
        engine.suppliers = snapshot.suppliers.into_iter().map(|s| (s.id, s)).collect();
        engine.settlements = snapshot.settlements.into_iter().map(|s| (s.number, s)).collect();
        engine.enter_statements(snapshot.statements, snapshot.invoiced);
        snapshot.contracts.into_iter().for_each(|contract| engine.enter_contract(contract));
        engine.periods = snapshot.periods.into_iter().map(|p| (p.key, p)).collect();
        snapshot.grants.into_iter().for_each(|grant| drop(engine.grants.insert(grant.number, grant)));
        engine.restore_usage(snapshot.usage);
        engine.restore_budgets(snapshot.budgets);
        engine.restore_supplier_terms(snapshot.supplier_terms);
        engine.rates = snapshot.rates.into_iter().collect();
        for mut cluster in snapshot.clusters {
            cluster.health = ClusterHealth::Unreachable;
            engine.clusters.insert(cluster.id, cluster);
        }
        snapshot.books.into_iter().for_each(|book| engine.enter_book(book));
        engine.volumes = snapshot.volumes.into_iter().map(|(tenant, book, v)| ((tenant, book), v)).collect();
        engine.pools = snapshot.pools.into_iter().map(|(pool, cost)| (pool.id, PoolEntry { pool, cost })).collect();
        for tenant in snapshot.tenants {
            let code = wallet_code(tenant.id);
            let wallet =
                ledger::AccountCode::new(&code).ok().and_then(|c| engine.ledger.account_by_code(&c)).map(|a| a.id);
            let wallet = wallet.ok_or(RestoreError::NoWallet(tenant.id))?;
            engine.enter_tenant(tenant, wallet);
        }
        snapshot.projects.into_iter().for_each(|p| engine.restore_project(p));
        for user in snapshot.users {
            engine.names.insert(("user", None, user.name.clone()));
            engine.users.insert(user.id, user);
        }
        for (tenant, used, at) in snapshot.shares {
            engine.sched.charge(tenant, &used, at);
        }
        engine.supply_changed();
        engine.settled_ends = snapshot.ended.into_iter().collect();
        for (id, spec) in snapshot.specs {
            engine.spec_entry(id, &spec);
        }
        engine.restore_jobs(snapshot.jobs, snapshot.attempts)?;
        for id in engine.clusters.keys().copied().collect::<Vec<_>>() {
            engine.apply_terms(id);
        }
        let dependents = &engine.dependents;
        engine.settled_ends.retain(|on, _| dependents.contains_key(on));
        engine.restore_meters(snapshot.meters);
        engine.restore_promises();
        engine.restore_grants(&held);
        let signed: Vec<u64> = engine.contracts.keys().copied().collect();
        signed.into_iter().for_each(|number| engine.set_contract_timer(number));
        engine.promise_all();
        // Where a stretch has ended without an event, time has come as far as that.
        engine.now = snapshot.upkeep.iter().map(|open| open.from).fold(engine.now, Ord::max);
        engine.upkeep = snapshot.upkeep.into_iter().map(|open| (open.pool, open)).collect();
        engine.keep_counting();
        Ok(engine)
    }

    fn restore_jobs(&mut self, rows: Vec<crate::JobRow>, attempts: Vec<model::Attempt>) -> Result<(), RestoreError> {
        for attempt in attempts.into_iter().filter(|a| a.phase.is_open()) {
            self.attempts.insert(attempt.id, attempt);
        }
        let mut ids = Vec::with_capacity(rows.len());
        for row in rows {
            let id = row.job.id;
            let spec: Arc<SpecEntry> = self
                .specs
                .get(&row.job.spec)
                .cloned()
                .ok_or(RestoreError::Dangling { job: id, noun: "specification" })?;
            if let (Some(array), Some(shape)) = (row.job.array, &spec.spec.array) {
                let worst = self.settled_ends.get(&array.root).copied().filter(|o| !o.is_success());
                let state = self.arrays.entry(array.root).or_insert_with(|| Array { worst, ..Array::default() });
                state.limit = shape.limit;
                let bound = |index: Option<&u32>| index.copied().unwrap_or(0);
                state.bounds = (shape.indices.len() as u32, bound(shape.indices.first()), bound(shape.indices.last()));
                if row.job.phase().attempt().is_some() {
                    state.out += 1;
                }
            }
            let entry = JobEntry {
                job: row.job,
                spec,
                hold: row.hold,
                charged: row.charged,
                pool: row.pool,
                started_at: row.started_at,
                counts_on: None,
                queued: false,
            };
            self.occupy(&entry)?;
            self.enter(id, Box::new(entry));
            ids.push(id);
        }
        self.restore_strays();
        ids.sort_unstable_by_key(|id| self.jobs.get(id).map(|e| e.job.number));
        ids.into_iter().for_each(|id| self.refresh(id));
        if !self.attempts.is_empty() {
            self.keep_looking();
        }
        Ok(())
    }

    /// Open attempts that their jobs have left, or whose jobs are over, keep their nodes until they are heard of.
    fn restore_strays(&mut self) {
        let present =
            |id: AttemptId| self.jobs.get(&id.job).is_some_and(|e| e.job.phase().attempt() == Some(id.number));
        self.stray = self.attempts.values().map(|a| a.id).filter(|id| !present(*id)).collect();
        for id in self.stray.clone() {
            let known = self.attempts.get(&id).and_then(|a| a.course.as_ref()?.tenant);
            let tenant = self.jobs.get(&id.job).map(|e| e.job.tenant).or(known);
            self.haunt(id, tenant.unwrap_or(base::TenantId::from_u128(0)));
        }
    }

    /// Tells the scheduler what a job that is out on a cluster has taken.
    fn occupy(&mut self, entry: &JobEntry) -> Result<(), RestoreError> {
        let Some(number) = entry.job.phase().attempt() else { return Ok(()) };
        let id = AttemptId::new(entry.job.id, number);
        let facts = self.attempts.get(&id).ok_or(RestoreError::Dangling { job: entry.job.id, noun: "attempt" })?;
        let limit = entry.spec.spec.time_limit;
        let begun = facts.started_at.unwrap_or(facts.placed_at) + facts.suspended();
        let stands = facts.suspended_at().is_some();
        let (pool, nodes, ends) = (facts.pool, facts.nodes.clone(), self.expected_end(facts, begun, limit));
        let started = facts.started_at.is_some();
        self.sched.occupy(entry.job.id, pool, &nodes, &*entry.spec.request, ends, entry.job.tenant);
        self.enter_notice(id);
        if started && !stands {
            self.timers.insert((self.overdue_at(begun, limit), Due::Overdue(id)));
        }
        Ok(())
    }

    fn restore_meters(&mut self, meters: Vec<rating::Meter>) {
        for meter in meters {
            if meter.paused_at.is_none() && !self.stray.contains(&meter.attempt) {
                self.timers.insert((self.meter_at(&meter), Due::Meter(meter.attempt)));
            }
            if let Some(stop_at) = meter.stop_at {
                self.timers.insert((stop_at, Due::Stop(meter.attempt)));
            }
            self.meters.insert(meter.attempt, meter);
        }
    }

    /// What was decided and may not have been done: hand-overs without an answer and ends that were asked for.
    /// In id order; repeating any of them is harmless.
    pub fn outstanding(&self) -> Vec<Effect> {
        let mut open: Vec<_> = self.attempts.values().collect();
        open.sort_unstable_by_key(|a| a.id);
        let mut effects = Vec::new();
        for attempt in open {
            let cluster = attempt.cluster;
            let end = |cause| Effect::End {
                cluster,
                attempt: attempt.id,
                how: EndOrder { cause, grace: self.policy.kill_grace },
            };
            if attempt.phase == AttemptPhase::Abandoned {
                effects.push(end(EndCause::Withdrawn));
                continue;
            }
            let present = |e: &JobEntry| e.job.phase().attempt() == Some(attempt.id.number);
            let Some(entry) = self.jobs.get(&attempt.id.job).filter(|e| present(e)) else { continue };
            match entry.job.phase() {
                Phase::Ending { cause, .. } => effects.push(end(*cause)),
                Phase::Withdrawing { .. } => effects.push(end(EndCause::Withdrawn)),
                Phase::Starting { .. } if attempt.phase == AttemptPhase::Submitting => {
                    if let Some(order) = self.order(attempt.id.job) {
                        effects.push(Effect::Submit { cluster, order });
                    }
                }
                Phase::Running { .. } => effects.extend(self.signal_of(attempt.id)),
                _ => {}
            }
            let limit = attempt.course.as_ref().and_then(|c| c.time_limit);
            if let (Some(limit), Phase::Starting { .. } | Phase::Running { .. }) = (limit, entry.job.phase()) {
                effects.push(Effect::SetTimeLimit { cluster, attempt: attempt.id, limit });
            }
        }
        effects
    }

    /// The open attempts of a cluster, in id order: those it knows, and those whose hand-over was not answered before the
    /// restart, so that it does not take one that arrived for a stranger.
    pub fn handed_over(&self, cluster: ClusterId) -> Vec<AttemptId> {
        let open = self.attempts.values().filter(|a| a.cluster == cluster);
        let mut ids: Vec<AttemptId> = open.map(|a| a.id).collect();
        ids.sort_unstable();
        ids
    }
}
