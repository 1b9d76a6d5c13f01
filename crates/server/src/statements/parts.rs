//! A statement's lines summed by project, by user and by job. Jobs are kept up to a bound; the sums of the others are whole nevertheless.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use base::{JobId, Money};
use rating::tariff::Unit;
use wire::PriceUnit;
use wire::statement::{StatementPart, StatementUsage};

use super::walk::{Kind, Line, Used};
use crate::convert;

/// Jobs that can be listed one by one: about 200 bytes each.
pub const JOBS_MAX: usize = 200_000;

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

/// One job's sums; the names of its user and project are shared with other jobs.
#[derive(Clone, Debug)]
struct JobSum {
    job: JobId,
    name: Arc<str>,
    user: Arc<str>,
    project: Arc<str>,
    sum: Sum,
}

/// Sums of the lines that were added.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    projects: BTreeMap<String, Sum>,
    users: BTreeMap<String, Sum>,
    jobs: BTreeMap<u64, JobSum>,
    /// Each name once.
    names: HashSet<Arc<str>>,
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
        if let Some(known) = self.jobs.get_mut(&work.number) {
            known.sum.add(line);
            return;
        }
        if self.jobs.len() >= JOBS_MAX {
            self.truncated = true;
            return;
        }
        let (name, [user, project]) = (work.name.clone(), [&work.user, &work.project].map(|name| self.shared(name)));
        let mut sum = Sum::default();
        sum.add(line);
        self.jobs.insert(work.number, JobSum { job, name, user, project, sum });
    }

    fn shared(&mut self, name: &Arc<str>) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        self.names.insert(name.clone());
        name.clone()
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

    pub fn projects(&self) -> Vec<StatementPart> {
        list(&self.projects)
    }

    pub fn users(&self) -> Vec<StatementPart> {
        list(&self.users)
    }

    /// Jobs by number: so many of those behind one.
    pub fn jobs(&self, after: Option<u64>, limit: usize) -> Vec<StatementPart> {
        let behind = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let shown = |(number, of): (&u64, &JobSum)| StatementPart {
            number: Some(*number),
            job: Some(of.job),
            user: Some(of.user.to_string()),
            project: Some(of.project.to_string()),
            ..of.sum.part(of.name.to_string())
        };
        self.jobs.range(behind).take(limit).map(shown).collect()
    }

    pub fn jobs_total(&self) -> usize {
        self.jobs.len()
    }

    /// Whether jobs were left out of the list.
    pub fn truncated(&self) -> bool {
        self.truncated
    }
}

fn list(sums: &BTreeMap<String, Sum>) -> Vec<StatementPart> {
    sums.iter().map(|(name, sum)| sum.part(name.clone())).collect()
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
        let (projects, users, jobs) = (parts.projects(), parts.users(), parts.jobs(None, 9));
        let due = |list: &[StatementPart]| list.iter().map(|p| p.due.0).sum::<Money>();
        assert_eq!(
            (due(&projects), due(&users), due(&jobs), parts.truncated()),
            (Money(850), Money(850), Money(900), false)
        );
        assert_eq!(
            (jobs[0].hours.as_str(), jobs[0].charges.0, jobs[0].refunds.0),
            ("0.000000", Money(700), Money(200))
        );
    }

    #[test]
    fn jobs_come_by_number_a_page_at_a_time() {
        let mut parts = Parts::default();
        for number in [5, 3, 9, 3, 7] {
            parts.add(&line(number, "ann", Kind::Charge, 10));
        }
        let numbers = |after, limit| -> Vec<u64> {
            parts.jobs(after, limit).into_iter().filter_map(|part| part.number).collect()
        };
        assert_eq!([numbers(None, 2), numbers(Some(5), 2), numbers(Some(9), 2)], [vec![3, 5], vec![7, 9], vec![]]);
        assert_eq!((parts.jobs_total(), parts.jobs(None, 1)[0].charges.0), (4, Money(20)));
    }

    #[test]
    fn hours_have_six_places() {
        assert_eq!([hours(5_400_000_000), hours(-3_600), hours(3_599)], ["1.500000", "-0.000001", "0.000000"]);
    }
}
