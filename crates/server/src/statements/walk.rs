//! A statement's lines in the order of the days: what was booked on the wallet, summed by job within a day, and what grants paid, as
//! a charge with a credit beside it. Holds one page of
//! transfers and the jobs of one day at a time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base::{AccountId, JobId, Money, Timestamp, TransferId};
use ledger::{Reference, Stream, TransferReason};
use model::ProductLine;
use ports::StoreError;
use rating::tariff::Unit;
use store::{After, Booked, SqlStore, UsageFacts, WorkFacts};

const DAY_US: i64 = 86_400_000_000;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Charge,
    Refund,
    Fee,
    Correction,
    /// What grants paid of charges, and got back of refunds, the other way round.
    Credit,
    TopUp,
    Grant,
    Withdrawal,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Refund => "refund",
            Self::Fee => "fee",
            Self::Correction => "correction",
            Self::Credit => "credit",
            Self::TopUp => "top_up",
            Self::Grant => "grant",
            Self::Withdrawal => "withdrawal",
        }
    }
    /// Part of what is asked for; the others only move the balance.
    pub const fn is_due(self) -> bool {
        matches!(self, Self::Charge | Self::Refund | Self::Fee | Self::Correction | Self::Credit)
    }

    /// Everything that is none of the others corrects something, so that no movement is left out; so do the sums of a month.
    fn of(reason: TransferReason, debited: bool) -> Kind {
        match (reason, debited) {
            (TransferReason::Settle, true) => Self::Charge,
            (TransferReason::Refund, false) => Self::Refund,
            (TransferReason::Contract, true) => Self::Fee,
            (TransferReason::TopUp, false) => Self::TopUp,
            (TransferReason::Grant, false) => Self::Grant,
            (TransferReason::Withdraw, true) => Self::Withdrawal,
            _ => Self::Correction,
        }
    }
}

/// Storage, traffic, requests or tokens of a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Used {
    pub unit: Unit,
    pub product: ProductLine,
    pub project: Arc<str>,
    pub user: Arc<str>,
    pub pool: Arc<str>,
    pub model: Option<Arc<str>>,
    pub kind: Option<Arc<str>>,
    pub label: Option<Arc<str>>,
    /// It was reported when the month in which it happened was closed.
    pub late: bool,
    /// In smallest pieces, with what contracts included.
    pub pieces: u128,
}

/// One line: a day's charges or refunds of one job, a day's usage of one kind, or one other movement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When the day begins on which it was booked, and when that ends; both within the month.
    pub day: (Timestamp, Timestamp),
    pub kind: Kind,
    pub job: Option<JobId>,
    pub work: Option<WorkFacts>,
    /// Where it is of no job but of usage that is no running time.
    pub used: Option<Used>,
    /// What leaves the wallet, with what grants paid; less than nothing comes into it, and is what grants paid of a charge.
    pub amount: Money,
    /// How much time was billed, or given back (then less than nothing), in microseconds.
    pub micros: i64,
    /// When the work was done.
    pub ran: Option<(Timestamp, Timestamp)>,
    /// A correction's reason, another movement's memo.
    pub note: Arc<str>,
    /// The transfer, where the line is one.
    pub transfer: Option<TransferId>,
}

#[derive(Clone, Debug, Default)]
struct Sum {
    amount: i64,
    micros: i64,
    ran: Option<(Timestamp, Timestamp)>,
}

impl Line {
    /// Whose it is, by name, where it is somebody's.
    pub fn project(&self) -> Option<&str> {
        self.work.as_ref().map(|work| &*work.project).or(self.used.as_ref().map(|used| &*used.project))
    }
    pub fn user(&self) -> Option<&str> {
        self.work.as_ref().map(|work| &*work.user).or(self.used.as_ref().map(|used| &*used.user))
    }
    pub fn pool(&self) -> Option<&str> {
        self.work.as_ref().map(|work| &*work.pool).or(self.used.as_ref().map(|used| &*used.pool))
    }
    /// The name of a job; of usage its unit and what was used.
    pub fn name(&self) -> Option<String> {
        let used = |used: &Used| {
            let said = [&used.model, &used.kind, &used.label].into_iter().flatten().map(|text| &**text);
            std::iter::once(used.unit.as_str()).chain(said).collect::<Vec<_>>().join(" ")
        };
        self.work.as_ref().map(|work| work.name.to_string()).or(self.used.as_ref().map(used))
    }
}

/// The note of lines of single records, which never leave this file.
const RECORD: &str = "\0record";

/// Goes through a statement's lines.
pub struct Walk {
    store: Arc<SqlStore>,
    /// The wallet and the tenant's grants.
    accounts: Vec<AccountId>,
    wallet: AccountId,
    from: Timestamp,
    to: Timestamp,
    after: Option<After>,
    day: i64,
    sums: BTreeMap<(JobId, Kind), Sum>,
    /// By the digests of records.
    used: BTreeMap<(u128, Kind), Sum>,
    /// Which stretch of a job was counted last: what was paid from several accounts is the same time.
    last: BTreeMap<JobId, (Stream, Timestamp, Timestamp)>,
    done: bool,
}

impl Walk {
    pub fn new(
        store: Arc<SqlStore>,
        wallet: AccountId,
        grants: Vec<AccountId>,
        from: Timestamp,
        to: Timestamp,
    ) -> Walk {
        let accounts = std::iter::once(wallet).chain(grants).collect();
        let (sums, last, used) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Walk { store, accounts, wallet, from, to, after: None, day: 0, sums, used, last, done: false }
    }

    /// The lines that follow, some at a time; `None` at the end.
    ///
    /// # Errors
    /// What the store says.
    pub async fn next(&mut self) -> Result<Option<Vec<Line>>, StoreError> {
        while !self.done {
            let page = self.store.booked_on(&self.accounts, self.from, self.to, self.after).await?;
            let mut ready = Vec::new();
            for booked in &page {
                self.take(booked, &mut ready);
            }
            match page.last() {
                Some(last) => self.after = Some((last.transfer.at.as_micros(), last.transfer.id.as_u128())),
                None => {
                    self.done = true;
                    self.end_day(&mut ready);
                }
            }
            if !ready.is_empty() {
                self.name(&mut ready).await?;
                return Ok(Some(ready));
            }
        }
        Ok(None)
    }

    fn take(&mut self, booked: &Booked, ready: &mut Vec<Line>) {
        let Booked { transfer, debited } = booked;
        let day = (transfer.at - self.from).as_micros().div_euclid(DAY_US);
        if day != self.day {
            self.end_day(ready);
            self.day = day;
        }
        let kind = Kind::of(transfer.reason, *debited);
        let amount = if *debited { transfer.amount } else { -transfer.amount };
        let (stream, ran) = match &transfer.reference {
            Some(Reference::Interval { stream, from, to }) => (Some(*stream), Some((*from, *to))),
            Some(Reference::Subject { stream }) => (Some(*stream), None),
            Some(Reference::Text { .. }) | None => (None, None),
        };
        let usage = store::usage_of(transfer);
        let job = stream.filter(|_| usage.is_none()).map(|stream| JobId::from_u128(stream.subject));
        let granted = (if *debited { transfer.debit } else { transfer.credit }) != self.wallet;
        if let (Kind::Charge, Some(key)) = (kind, usage) {
            if granted {
                let credit = self.used.entry((key, Kind::Credit)).or_default();
                credit.amount = credit.amount.saturating_sub(amount.0);
            }
            let sum = self.used.entry((key, kind)).or_default();
            sum.amount = sum.amount.saturating_add(amount.0);
            sum.ran = ran;
            return;
        }
        if let (Kind::Charge | Kind::Refund, Some(job)) = (kind, job) {
            if granted {
                let credit = self.sums.entry((job, Kind::Credit)).or_default();
                credit.amount = credit.amount.saturating_sub(amount.0);
            }
            let sum = self.sums.entry((job, kind)).or_default();
            sum.amount = sum.amount.saturating_add(amount.0);
            if let (Some(stream), Some((from, to))) = (stream, ran)
                && self.last.insert(job, (stream, from, to)) != Some((stream, from, to))
            {
                sum.micros += (to - from).as_micros() * if *debited { 1 } else { -1 };
                sum.ran = Some(sum.ran.map_or((from, to), |(first, last)| (first.min(from), last.max(to))));
            }
            return;
        }
        if granted {
            // Given, or gone back: no movement of the tenant's money.
            return;
        }
        let (note, transfer) = (transfer.memo.as_str().into(), Some(transfer.id));
        let (work, used) = (None, None);
        ready.push(Line { day: self.bounds(), kind, job, work, used, amount, micros: 0, ran, note, transfer });
    }

    /// Lines of usage are of single records until they are named.
    fn end_day(&mut self, ready: &mut Vec<Line>) {
        let day = self.bounds();
        let line = |((job, kind), sum): ((JobId, Kind), Sum)| Line {
            day,
            kind,
            job: Some(job),
            work: None,
            used: None,
            amount: Money(sum.amount),
            micros: sum.micros,
            ran: sum.ran,
            note: "".into(),
            transfer: None,
        };
        self.last.clear();
        ready.extend(std::mem::take(&mut self.sums).into_iter().map(line));
        let line = |((key, kind), sum): ((u128, Kind), Sum)| Line {
            job: None,
            transfer: Some(TransferId::from_u128(key)),
            note: RECORD.into(),
            ..line(((JobId::from_u128(0), kind), sum))
        };
        ready.extend(std::mem::take(&mut self.used).into_iter().map(line));
    }

    fn bounds(&self) -> (Timestamp, Timestamp) {
        let at = |day: i64| Timestamp::from_micros(self.from.as_micros().saturating_add(day.saturating_mul(DAY_US)));
        (at(self.day), at(self.day + 1).min(self.to))
    }

    async fn name(&self, lines: &mut Vec<Line>) -> Result<(), StoreError> {
        self.name_usage(lines).await?;
        let jobs: Vec<JobId> = lines.iter().filter_map(|line| line.job).collect();
        let facts: HashMap<JobId, WorkFacts> = self.store.work_facts(&jobs).await?;
        for line in lines {
            line.work = line.job.and_then(|job| facts.get(&job).cloned());
        }
        Ok(())
    }

    /// Lines of single records become lines of a day and a kind of usage.
    async fn name_usage(&self, lines: &mut Vec<Line>) -> Result<(), StoreError> {
        let key =
            |line: &Line| line.transfer.filter(|_| &*line.note == RECORD && line.job.is_none()).map(|id| id.as_u128());
        let keys: Vec<u128> = lines.iter().filter_map(key).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let facts = self.store.usage_facts(&keys).await?;
        let mut sums: BTreeMap<(Timestamp, Used, Kind), Line> = BTreeMap::new();
        let mut kept = Vec::with_capacity(lines.len());
        for line in lines.drain(..) {
            let Some(UsageFacts { usage, project, user, pool }) = key(&line).and_then(|key| facts.get(&key)) else {
                kept.push(line);
                continue;
            };
            let (unit, product, label) = (usage.of.unit, usage.of.line, usage.of.label.clone());
            let (model, kind) = (usage.of.model.clone(), usage.of.kind.clone());
            let (project, user, pool, late) = (project.clone(), user.clone(), pool.clone(), usage.is_late());
            let of = Used { unit, product, project, user, pool, model, kind, label, late, pieces: 0 };
            let pieces = if line.kind == Kind::Credit { 0 } else { usage.of.pieces.0 };
            let empty = || Line {
                used: Some(of.clone()),
                transfer: None,
                note: "".into(),
                amount: Money::ZERO,
                ..line.clone()
            };
            let sum = sums.entry((line.day.0, of.clone(), line.kind)).or_insert_with(empty);
            sum.amount = Money(sum.amount.0.saturating_add(line.amount.0));
            let ran = line.ran.or(sum.ran).unwrap_or(line.day);
            sum.ran = sum.ran.map(|(first, last)| (first.min(ran.0), last.max(ran.1)));
            if let Some(used) = &mut sum.used {
                used.pieces = used.pieces.saturating_add(pieces);
            }
        }
        kept.extend(sums.into_values());
        *lines = kept;
        Ok(())
    }
}
