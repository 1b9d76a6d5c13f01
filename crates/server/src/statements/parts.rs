//! A statement's lines summed by project, by user and by job. Jobs are kept up to a bound; their sums are whole nevertheless.

use std::collections::BTreeMap;

use base::{JobId, Money};
use rating::tariff::Unit;
use wire::PriceUnit;
use wire::statement::{StatementPart, StatementUsage};

use super::walk::{Kind, Line, Used};
use crate::convert;

/// Jobs that are listed one by one: about 300 bytes each.
pub const JOBS_MAX: usize = 10_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sum {
    charges: i64,
    refunds: i64,
    fees: i64,
    corrections: i64,
    credits: i64,
    micros: i64,
}

impl Sum {
    fn add(&mut self, line: &Line) {
        let (to, amount) = match line.kind {
            Kind::Charge => (&mut self.charges, line.amount.0),
            Kind::Refund => (&mut self.refunds, -line.amount.0),
            Kind::Fee => (&mut self.fees, line.amount.0),
            Kind::Credit => (&mut self.credits, -line.amount.0),
            _ => (&mut self.corrections, line.amount.0),
        };
        *to = to.saturating_add(amount);
        self.micros += line.micros;
    }

    fn part(&self, name: String) -> StatementPart {
        let due = self.charges.saturating_sub(self.refunds).saturating_add(self.corrections);
        let due = due.saturating_add(self.fees).saturating_sub(self.credits);
        StatementPart {
            name,
            number: None,
            job: None,
            user: None,
            project: None,
            charges: Money(self.charges).into(),
            refunds: Money(self.refunds).into(),
            fees: Money(self.fees).into(),
            corrections: Money(self.corrections).into(),
            credits: Money(self.credits).into(),
            due: Money(due).into(),
            hours: hours(self.micros),
        }
    }
}

/// Of no project, user or job.
const NONE: &str = "-";

/// What storage, traffic, requests and tokens are told apart by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct UsedKey {
    project: String,
    unit: Unit,
    /// Model, kind, label.
    what: [Option<String>; 3],
    late: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct UsedSum {
    pieces: u128,
    /// Micro-units, like the credits.
    charges: i64,
    credits: i64,
}

/// Sums of the lines that were added.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    projects: BTreeMap<String, Sum>,
    users: BTreeMap<String, Sum>,
    jobs: BTreeMap<u64, (JobId, [String; 3], Sum)>,
    used: BTreeMap<UsedKey, UsedSum>,
    truncated: bool,
}

impl Parts {
    /// Movements that are not asked for are passed over.
    pub fn add(&mut self, line: &Line) {
        if !line.kind.is_due() {
            return;
        }
        let work = line.work.as_ref();
        let name = |text: Option<&str>| text.unwrap_or(NONE).to_owned();
        self.projects.entry(name(line.project())).or_default().add(line);
        self.users.entry(name(line.user())).or_default().add(line);
        if let Some(used) = &line.used {
            self.add_used(line, used);
        }
        let (Some(job), Some(work)) = (line.job, work) else { return };
        if self.jobs.len() >= JOBS_MAX && !self.jobs.contains_key(&work.number) {
            self.truncated = true;
            return;
        }
        let said = || [work.name.to_string(), work.user.to_string(), work.project.to_string()];
        self.jobs.entry(work.number).or_insert_with(|| (job, said(), Sum::default())).2.add(line);
    }

    fn add_used(&mut self, line: &Line, used: &Used) {
        let what = [&used.model, &used.kind, &used.label].map(|text| text.as_deref().map(Into::into));
        let key = UsedKey { project: used.project.to_string(), unit: used.unit, what, late: used.late };
        let sum = self.used.entry(key).or_default();
        match line.kind {
            Kind::Credit => sum.credits = sum.credits.saturating_sub(line.amount.0),
            _ => {
                sum.pieces = sum.pieces.saturating_add(used.pieces);
                sum.charges = sum.charges.saturating_add(line.amount.0);
            }
        }
    }

    /// Storage, traffic, requests and tokens.
    pub fn usage(&self) -> Vec<StatementUsage> {
        let shown = |(key, sum): (&UsedKey, &UsedSum)| StatementUsage {
            project: key.project.clone(),
            unit: PriceUnit::parse(key.unit.as_str()).unwrap_or(PriceUnit::Request),
            label: key.what[2].clone(),
            model: key.what[0].clone(),
            kind: key.what[1].clone(),
            late: key.late,
            quantity: convert::usage::quantity(key.unit, sum.pieces),
            charges: Money(sum.charges).into(),
            credits: Money(sum.credits).into(),
            due: Money(sum.charges.saturating_sub(sum.credits)).into(),
        };
        self.used.iter().map(shown).collect()
    }

    /// By project, by user, by job; and whether jobs were left out.
    pub fn shown(self) -> (Vec<StatementPart>, Vec<StatementPart>, Vec<StatementPart>, bool) {
        let list = |sums: BTreeMap<String, Sum>| sums.into_iter().map(|(name, sum)| sum.part(name)).collect();
        let job = |(number, (job, [name, user, project], sum)): (u64, (JobId, [String; 3], Sum))| StatementPart {
            number: Some(number),
            job: Some(job),
            user: Some(user),
            project: Some(project),
            ..sum.part(name)
        };
        (list(self.projects), list(self.users), self.jobs.into_iter().map(job).collect(), self.truncated)
    }
}

/// What was used, in words: model, kind, label.
pub fn what(of: &StatementUsage) -> String {
    [&of.model, &of.kind, &of.label].into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// Microseconds as hours with six places, rounded towards zero.
pub fn hours(micros: i64) -> String {
    let (sign, micros) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs());
    let (hour, rest) = (micros / 3_600_000_000, micros % 3_600_000_000);
    format!("{sign}{hour}.{:06}", rest / 3_600)
}

#[cfg(test)]
mod tests {
    use base::{TenantId, Timestamp};
    use store::WorkFacts;

    use super::*;

    fn line(number: u64, user: &str, kind: Kind, amount: i64) -> Line {
        let work = WorkFacts {
            number,
            name: "melt".into(),
            tenant: TenantId::from_u128(1),
            user: user.into(),
            project: "alloys".into(),
            pool: "main".into(),
            ended_at: None,
        };
        Line {
            day: (Timestamp::ZERO, Timestamp::from_secs(86_400)),
            kind,
            job: Some(JobId::from_u128(number.into())),
            work: Some(work),
            used: None,
            amount: Money(amount),
            micros: 3_600_000_000 * amount.signum(),
            ran: None,
            note: "".into(),
            transfer: None,
        }
    }

    #[test]
    fn sums_by_project_user_and_job_come_to_the_same() {
        let mut parts = Parts::default();
        let none = Line { job: None, work: None, micros: 0, ..line(1, "ann", Kind::Correction, -50) };
        let paid = line(1, "ann", Kind::TopUp, -1_000);
        for one in [
            line(1, "ann", Kind::Charge, 700),
            line(1, "ann", Kind::Refund, -200),
            line(2, "bob", Kind::Charge, 400),
            none,
            paid,
        ] {
            parts.add(&one);
        }
        let (projects, users, jobs, truncated) = parts.shown();
        let due = |list: &[StatementPart]| list.iter().map(|p| p.due.0).sum::<Money>();
        assert_eq!((due(&projects), due(&users), due(&jobs), truncated), (Money(850), Money(850), Money(900), false));
        assert_eq!(
            (jobs[0].hours.as_str(), jobs[0].charges.0, jobs[0].refunds.0),
            ("0.000000", Money(700), Money(200))
        );
    }

    #[test]
    fn hours_have_six_places() {
        assert_eq!([hours(5_400_000_000), hours(-3_600), hours(3_599)], ["1.500000", "-0.000001", "0.000000"]);
    }
}
