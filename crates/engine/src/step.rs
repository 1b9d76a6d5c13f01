//! One step: dispatch of inputs, repeated requests, and what is due.

use base::Timestamp;
use model::{Actor, EventKind};

use crate::denied::Denied;
use crate::input::{Command, Envelope, FetchEnd, Input, Report};
use crate::record::{Batch, Record};
use crate::state::{Due, Engine, Touched};

impl Engine {
    /// Takes in one input at `now` and appends what is to be stored and done to `out`.
    /// On `Err` nothing has changed and nothing was appended. A `now` before an earlier one is a step of the clock: the
    /// engine's own time goes on.
    pub fn step(&mut self, input: Input, now: Timestamp, out: &mut Batch) -> Result<Report, Denied> {
        self.tell_time(now);
        let mut report = Report::Done;
        match input {
            Input::Command(envelope) => report = self.command(*envelope, out)?,
            Input::Observed(observation) => self.observe(observation, out),
            Input::Tick => self.tick(out),
            Input::Schedule => self.schedule(out),
        }
        self.write_touched(out);
        Ok(report)
    }

    fn write_touched(&mut self, out: &mut Batch) {
        let Touched { periods, volumes, shares } = &mut self.touched;
        let periods = std::mem::take(periods).into_iter().filter_map(|key| self.periods.get(&key));
        out.records.extend(periods.map(|period| Record::Period(Box::new(period.clone()))));
        for (tenant, book) in std::mem::take(volumes) {
            let volumes = self.volumes.get(&(tenant, book)).cloned().unwrap_or_default();
            out.records.push(Record::Volumes { tenant, book, volumes });
        }
        for tenant in std::mem::take(shares) {
            out.records.push(Record::Share { tenant, used: self.sched.used(tenant, self.now), at: self.now });
        }
    }

    /// When, by the shell's clock, `Input::Tick` should come next, if nothing else happens before.
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        let timer = self.timers.first().map(|(at, _)| *at);
        // The scheduler wakes itself when a job passes the age bound.
        [timer, self.sched.next_wakeup()].into_iter().flatten().min().map(|at| self.as_shown(at))
    }

    /// True when `Input::Schedule` may place something at `now`.
    pub fn wants_schedule(&self, now: Timestamp) -> bool {
        self.sched.wants_plan() || self.sched.next_wakeup().is_some_and(|at| at <= now.max(self.now))
    }

    /// True when the answer under an idempotency key is in memory, so that the store need not be asked.
    pub fn remembers(&self, key: u128) -> bool {
        self.answers.get(&key).is_some()
    }

    fn command(&mut self, envelope: Envelope, out: &mut Batch) -> Result<Report, Denied> {
        let Envelope { actor, operator, once, command } = envelope;
        let Some(once) = once else { return self.perform(actor, operator, command, out) };
        let known = self.answers.get(&once.key).cloned().or(once.prior);
        if let Some((fingerprint, report)) = known {
            return if fingerprint == once.fingerprint { Ok(report) } else { Err(Denied::KeyReused) };
        }
        let report = self.perform(actor, operator, command, out)?;
        self.answers.put(once.key, (once.fingerprint, report.clone()));
        let record =
            Record::Once { key: once.key, fingerprint: once.fingerprint, report: report.clone(), at: self.now };
        out.records.push(record);
        Ok(report)
    }

    fn perform(&mut self, actor: Actor, operator: bool, command: Command, out: &mut Batch) -> Result<Report, Denied> {
        match command {
            Command::Submit(submission) => self.submit(*submission, actor, out),
            Command::Cancel { job } => self.cancel(job, actor, out),
            Command::Hold { job } => self.hold(job, actor, operator, out),
            Command::Release { job } => self.release(job, actor, operator, out),
            Command::Requeue { job } => self.requeue(job, actor, out),
            Command::Change { job, class, time_limit } => self.change(job, class, time_limit, actor, operator, out),
            Command::NoteResults { job, tenant, state, what } => {
                let what = match what {
                    FetchEnd::Fetched { files, bytes, folder } => EventKind::Fetched { files, bytes, folder },
                    FetchEnd::Failed(text) => EventKind::FetchFailed { text },
                };
                self.event(out, actor, Some(tenant), Some((job, state)), what);
                out.records.push(Record::Results { job, at: self.now, due: false });
                Ok(Report::Done)
            }
            Command::NoteUpload { job, tenant, state, path, bytes } => {
                let state = self.jobs.get(&job).map_or(state, |entry| entry.job.state());
                let detail = format!("{path}, {bytes} bytes");
                self.event(out, actor, Some(tenant), Some((job, state)), EventKind::Uploaded { path, bytes });
                self.audit(out, actor, "job.upload", job.to_string(), Some(tenant), detail);
                Ok(Report::Done)
            }
            Command::NoteCheckpoint { attempt, text } => {
                if self.jobs.contains_key(&attempt.job) {
                    self.job_event(out, actor, attempt.job, EventKind::CheckpointFailed { attempt, text });
                }
                Ok(Report::Done)
            }
            Command::CreateTenant { .. }
            | Command::ChangeTenant { .. }
            | Command::CreateProject { .. }
            | Command::SetMember { .. }
            | Command::CreateUser { .. }
            | Command::ChangeUser { .. }
            | Command::SetPassword { .. }
            | Command::IssueToken(_)
            | Command::RevokeToken { .. } => self.people_command(command, actor, out),
            Command::TopUp { tenant, amount, memo } => self.top_up(tenant, amount, &memo, actor, out),
            Command::Bill(what) => self.bill_command(*what, actor, out),
            Command::Contract(what) => self.contracting(*what, actor, out),
            Command::Grant(what) => self.granting(*what, actor, out),
            Command::Usage(reporting) => self.take_usage(*reporting, out),
            Command::Settle(what) => self.settle(*what, actor, out),
            Command::Budget(what) => self.budget(*what, actor, out),
            Command::SetRate(new) => self.set_rate(*new, actor, out),
            Command::PublishPrices(book) => self.publish_prices(book, actor, out),
            Command::NoteTwinRun { run, step, detail } => {
                self.audit(out, actor, step.word(), run.to_string(), None, detail);
                Ok(Report::TwinRun { run })
            }
            Command::Steer { steering, note, expected } => self.steer(*steering, note, expected, actor, out),
            Command::SetSupplierTerms(terms) => self.set_supplier_terms(*terms, actor, out),
            Command::RegisterSupplier(_)
            | Command::RegisterCluster(_)
            | Command::ConnectCluster { .. }
            | Command::SetService { .. }
            | Command::PlaceCluster { .. }
            | Command::KeepReport(_)
            | Command::DescribeCluster { .. }
            | Command::RegisterPool { .. }
            | Command::SetPoolCost { .. }
            | Command::SetNode { .. } => self.supply_command(command, actor, out),
        }
    }

    fn tick(&mut self, out: &mut Batch) {
        while let Some((at, due)) = self.timers.first().copied() {
            if at > self.now {
                break;
            }
            self.timers.pop_first();
            match due {
                Due::Eligible(job) => self.eligible(job),
                Due::Meter(attempt) => self.meter_due(attempt, at, out),
                Due::Stop(attempt) => self.stop_due(attempt, out),
                Due::Overdue(attempt) => self.overdue(attempt, out),
                Due::Prices => self.supply_changed(),
                Due::Look => self.look(out),
                Due::Yield(attempt) => self.yield_due(attempt, out),
                Due::Room => self.sched.plan_again(),
                Due::Upkeep => self.upkeep_due(out),
                Due::Contract(number) => self.contract_due(number, out),
                Due::Grant(number) => self.grant_due(number, out),
                Due::Budget(number) => self.budget_due(number, out),
                Due::Supplier(supplier) => self.supplier_due(supplier, out),
            }
        }
    }
}
