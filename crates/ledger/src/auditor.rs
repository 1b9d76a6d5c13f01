//! An independent, naive second model of the ledger, fed with the records in commit order.
//! It recomputes everything from the transfers with the simplest code and reports what does not agree.
//! It shares the record types with the ledger and none of its arithmetic, indexes or judgements.

use std::collections::{BTreeMap, BTreeSet};

use base::{AccountId, Currency, HoldId, Timestamp, TransferId};

use crate::account::{Account, AccountKind, Floor};
use crate::hold::{Hold, HoldState};
use crate::record::LedgerRecord;
use crate::transfer::{Stream, Transfer, TransferReason};

/// How many findings are kept while records come in; the first ones tell the cause, and 1,000 × 100 B is 100 kB.
pub const FINDINGS_KEPT_MAX: usize = 1_000;

/// One disagreement. Amounts are micro-units as `i128`, so that wrong sums can be shown whatever their size.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// In this currency debits and credits of all accounts differ.
    Unbalanced { currency: Currency, debits: i128, credits: i128 },
    /// An account's snapshot is not the sum of its transfers.
    TotalsDiffer { account: AccountId, stated: (i128, i128), summed: (i128, i128) },
    /// An account's snapshot does not hold what its open holds keep.
    HeldDiffers { account: AccountId, stated: i128, summed: i128 },
    /// An account holds less than nothing.
    HeldNegative { account: AccountId, held: i128 },
    /// A balance (less holds, in a snapshot) stood below the account's floor.
    BelowFloor { account: AccountId, reached: i128, floor: i128 },
    /// Transfers or holds name an account that has no snapshot.
    AccountUnknown { account: AccountId },
    /// An account's code, kind or currency changed.
    AccountChanged { account: AccountId },
    /// Two accounts have one code.
    CodeTwice { first: AccountId, second: AccountId },
    /// One transfer was committed twice.
    TransferTwice { transfer: TransferId },
    /// A transfer's amount is zero or negative.
    AmountNotPositive { transfer: TransferId },
    /// A transfer from an account to itself.
    SameAccount { transfer: TransferId },
    /// A transfer's currency is not its account's.
    CurrencyDiffers { transfer: TransferId, account: AccountId },
    /// A correction of a transfer that was never committed before it.
    CorrectsUnknown { transfer: TransferId, of: TransferId },
    /// A transfer is paid by a hold which is not open, or not of the account that the money leaves.
    HoldUnusable { transfer: TransferId, hold: HoldId },
    /// More was settled than authorised.
    HoldExceeded { hold: HoldId, settled: i128, amount: i128 },
    /// A hold's record does not state what the transfers paid by it sum to.
    SettledDiffers { hold: HoldId, stated: i128, summed: i128 },
    /// A hold shrank, changed its account, or changed after it was closed.
    HoldChanged { hold: HoldId },
    /// Asked for at the end: a hold is still open.
    StillHeld { hold: HoldId, remaining: i128 },
    /// An interval that does not end after it begins.
    IntervalEmpty { stream: Stream, from: Timestamp, to: Timestamp },
    /// The same interval twice.
    IntervalTwice { stream: Stream, from: Timestamp, to: Timestamp },
    /// Two intervals share the time between these two.
    IntervalOverlap { stream: Stream, from: Timestamp, to: Timestamp },
    /// No interval covers the time between these two.
    IntervalGap { stream: Stream, from: Timestamp, to: Timestamp },
}

/// The second model. Feed it with [`Auditor::observe`] and [`Auditor::interval`], then ask [`Auditor::findings`].
///
/// Records come in commit order. A store that keeps the last state of each row only is audited by giving all
/// transfers in commit order, then the holds, then the accounts; floors are then judged at the end only.
#[derive(Debug, Clone, Default)]
pub struct Auditor {
    accounts: BTreeMap<AccountId, Account>,
    codes: BTreeMap<String, AccountId>,
    /// Debits and credits per account, summed over the transfers.
    sums: BTreeMap<AccountId, (i128, i128)>,
    transfers: BTreeSet<TransferId>,
    holds: BTreeMap<HoldId, Hold>,
    /// Summed over the transfers paid by the hold.
    settled: BTreeMap<HoldId, i128>,
    /// What the open holds of an account keep, as the hold records say.
    kept: BTreeMap<AccountId, i128>,
    /// Transfers that came before the snapshot of an account or the hold that they name; judged at the end.
    early: Vec<Transfer>,
    intervals: BTreeMap<Stream, Vec<(Timestamp, Timestamp)>>,
    found: Vec<Finding>,
    found_beyond: usize,
}

impl Auditor {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one committed record.
    pub fn observe(&mut self, record: &LedgerRecord) {
        match record {
            LedgerRecord::Transfer(transfer) => self.observe_transfer(transfer),
            LedgerRecord::Hold(hold) => self.observe_hold(hold),
            LedgerRecord::Account(account) => self.observe_account(account),
        }
    }

    /// Takes committed records in their order.
    pub fn observe_all<'a>(&mut self, records: impl IntoIterator<Item = &'a LedgerRecord>) {
        for record in records {
            self.observe(record);
        }
    }

    /// Takes one billed interval of a metered stream, `from` included, `to` excluded, in any order.
    pub fn interval(&mut self, stream: Stream, from: Timestamp, to: Timestamp) {
        self.intervals.entry(stream).or_default().push((from, to));
    }

    /// How many findings beyond [`FINDINGS_KEPT_MAX`] were counted and not kept.
    pub fn findings_beyond(&self) -> usize {
        self.found_beyond
    }

    /// Debits and credits of an account as the transfers say, in micro-units.
    pub fn totals(&self, account: AccountId) -> (i128, i128) {
        self.sums.get(&account).copied().unwrap_or((0, 0))
    }

    /// Everything found so far: while records came in (in their order), then what the state as a whole shows,
    /// then the intervals. Empty when all agrees.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let mut found = self.found.clone();
        self.check_balance(&mut found);
        self.check_accounts(&mut found);
        self.check_holds(&mut found);
        self.check_early(&mut found);
        for (stream, intervals) in &self.intervals {
            check_intervals(*stream, intervals, &mut found);
        }
        found
    }

    /// What is still held; empty when every hold was closed.
    #[must_use]
    pub fn expect_nothing_held(&self) -> Vec<Finding> {
        let open = self.holds.values().filter(|hold| hold.state == HoldState::Open);
        open.map(|hold| Finding::StillHeld { hold: hold.id, remaining: kept_by(hold) }).collect()
    }

    /// What of `from..to` no interval of `stream` covers, and what its intervals cover outside (as overlaps).
    /// Empty when the stream was billed for exactly that time, given that [`Auditor::findings`] is empty too.
    #[must_use]
    pub fn expect_covered(&self, stream: Stream, from: Timestamp, to: Timestamp) -> Vec<Finding> {
        let intervals = self.intervals.get(&stream).map_or(&[][..], Vec::as_slice);
        let first = intervals.iter().map(|i| i.0).min();
        let last = intervals.iter().map(|i| i.1).max();
        let (Some(first), Some(last)) = (first, last) else {
            return if from < to { vec![Finding::IntervalGap { stream, from, to }] } else { Vec::new() };
        };
        let mut found = Vec::new();
        match first.cmp(&from) {
            std::cmp::Ordering::Less => found.push(Finding::IntervalOverlap { stream, from: first, to: from }),
            std::cmp::Ordering::Greater => found.push(Finding::IntervalGap { stream, from, to: first }),
            std::cmp::Ordering::Equal => {}
        }
        match last.cmp(&to) {
            std::cmp::Ordering::Less => found.push(Finding::IntervalGap { stream, from: last, to }),
            std::cmp::Ordering::Greater => found.push(Finding::IntervalOverlap { stream, from: to, to: last }),
            std::cmp::Ordering::Equal => {}
        }
        found
    }

    fn report(&mut self, finding: Finding) {
        if self.found.len() < FINDINGS_KEPT_MAX {
            self.found.push(finding);
        } else {
            self.found_beyond += 1;
        }
    }

    fn observe_transfer(&mut self, t: &Transfer) {
        if self.transfers.contains(&t.id) {
            self.report(Finding::TransferTwice { transfer: t.id });
        }
        if let TransferReason::Correct { of } = t.reason
            && !self.transfers.contains(&of)
        {
            self.report(Finding::CorrectsUnknown { transfer: t.id, of });
        }
        self.transfers.insert(t.id);
        if t.amount.0 <= 0 {
            self.report(Finding::AmountNotPositive { transfer: t.id });
        }
        if t.debit == t.credit {
            self.report(Finding::SameAccount { transfer: t.id });
        }
        self.sums.entry(t.debit).or_insert((0, 0)).0 += t.amount.0 as i128;
        self.sums.entry(t.credit).or_insert((0, 0)).1 += t.amount.0 as i128;
        let mut early = false;
        for account in [t.debit, t.credit] {
            match self.accounts.get(&account).cloned() {
                Some(account) => self.check_side(t, &account),
                None => early = true,
            }
        }
        if let Some(id) = t.hold {
            *self.settled.entry(id).or_insert(0) += t.amount.0 as i128;
            match self.holds.get(&id) {
                Some(hold) if hold.state == HoldState::Closed || !self.pays(hold, t) => {
                    self.report(Finding::HoldUnusable { transfer: t.id, hold: id });
                }
                Some(_) => {}
                None => early = true,
            }
        }
        if early {
            self.early.push(t.clone());
        }
    }

    /// Currency and floor of one side of a transfer. Only the balance is compared with the floor, because the records
    /// of holds follow those of the transfers they pay for.
    fn check_side(&mut self, t: &Transfer, account: &Account) {
        if account.currency != t.currency {
            self.report(Finding::CurrencyDiffers { transfer: t.id, account: account.id });
        }
        let (debits, credits) = self.totals(account.id);
        let reached = natural(account.kind, debits, credits);
        if let Floor::NotBelow(floor) = account.floor
            && reached < floor.0 as i128
        {
            self.report(Finding::BelowFloor { account: account.id, reached, floor: floor.0 as i128 });
        }
    }

    /// Whether the money of `t` leaves the account of this hold.
    fn pays(&self, hold: &Hold, t: &Transfer) -> bool {
        let Some(account) = self.accounts.get(&hold.account) else { return false };
        let leaves = match account.kind {
            AccountKind::Asset | AccountKind::Expense => t.credit,
            AccountKind::Liability | AccountKind::Income | AccountKind::Equity => t.debit,
        };
        leaves == hold.account
    }

    fn observe_hold(&mut self, hold: &Hold) {
        let (amount, stated) = (hold.amount.0 as i128, hold.settled.0 as i128);
        if let Some(before) = self.holds.get(&hold.id) {
            let reopened = before.state == HoldState::Closed && before != hold;
            if before.account != hold.account || before.amount > hold.amount || reopened {
                self.report(Finding::HoldChanged { hold: hold.id });
            }
        }
        let summed = self.settled.get(&hold.id).copied().unwrap_or(0);
        if stated != summed {
            self.report(Finding::SettledDiffers { hold: hold.id, stated, summed });
        }
        if summed > amount {
            self.report(Finding::HoldExceeded { hold: hold.id, settled: summed, amount });
        }
        if let Some(before) = self.holds.insert(hold.id, hold.clone()) {
            *self.kept.entry(before.account).or_insert(0) -= kept_by(&before);
        }
        *self.kept.entry(hold.account).or_insert(0) += kept_by(hold);
    }

    fn observe_account(&mut self, account: &Account) {
        let id = account.id;
        if let Some(before) = self.accounts.get(&id) {
            let same = before.code == account.code && before.kind == account.kind;
            if !same || before.currency != account.currency {
                self.report(Finding::AccountChanged { account: id });
            }
        }
        match self.codes.get(account.code.as_str()).copied() {
            Some(first) if first != id => self.report(Finding::CodeTwice { first, second: id }),
            Some(_) => {}
            None => drop(self.codes.insert(account.code.as_str().to_owned(), id)),
        }
        let mut found = Vec::new();
        self.check_account(account, &mut found);
        for finding in found {
            self.report(finding);
        }
        self.accounts.insert(id, account.clone());
    }

    /// A snapshot against the sums as they are now.
    fn check_account(&self, account: &Account, found: &mut Vec<Finding>) {
        let (debits, credits, held) = (account.debits.0 as i128, account.credits.0 as i128, account.held.0 as i128);
        let summed = self.totals(account.id);
        if summed != (debits, credits) {
            found.push(Finding::TotalsDiffer { account: account.id, stated: (debits, credits), summed });
        }
        let kept = self.kept.get(&account.id).copied().unwrap_or(0);
        if kept != held {
            found.push(Finding::HeldDiffers { account: account.id, stated: held, summed: kept });
        }
        if held < 0 {
            found.push(Finding::HeldNegative { account: account.id, held });
        }
        let reached = natural(account.kind, debits, credits) - held;
        if let Floor::NotBelow(floor) = account.floor
            && reached < floor.0 as i128
        {
            found.push(Finding::BelowFloor { account: account.id, reached, floor: floor.0 as i128 });
        }
    }

    fn check_balance(&self, found: &mut Vec<Finding>) {
        let mut totals: BTreeMap<Currency, (i128, i128)> = BTreeMap::new();
        for account in self.accounts.values() {
            let total = totals.entry(account.currency).or_insert((0, 0));
            total.0 += account.debits.0 as i128;
            total.1 += account.credits.0 as i128;
        }
        for (currency, (debits, credits)) in totals {
            if debits != credits {
                found.push(Finding::Unbalanced { currency, debits, credits });
            }
        }
    }

    /// The last snapshots once more, now that all transfers and holds are in; and accounts without one.
    fn check_accounts(&self, found: &mut Vec<Finding>) {
        for account in self.accounts.values() {
            let mut again = Vec::new();
            self.check_account(account, &mut again);
            again.retain(|finding| !found.contains(finding));
            found.append(&mut again);
        }
        let named: BTreeSet<AccountId> =
            self.sums.keys().copied().chain(self.holds.values().map(|hold| hold.account)).collect();
        for account in named {
            if !self.accounts.contains_key(&account) {
                found.push(Finding::AccountUnknown { account });
            }
        }
    }

    fn check_holds(&self, found: &mut Vec<Finding>) {
        for (id, summed) in &self.settled {
            let stated = self.holds.get(id).map_or(0, |hold| hold.settled.0 as i128);
            let finding = Finding::SettledDiffers { hold: *id, stated, summed: *summed };
            if stated != *summed && !found.contains(&finding) {
                found.push(finding);
            }
        }
    }

    fn check_early(&self, found: &mut Vec<Finding>) {
        for t in &self.early {
            for id in [t.debit, t.credit] {
                let finding = Finding::CurrencyDiffers { transfer: t.id, account: id };
                let differs = self.accounts.get(&id).is_some_and(|account| account.currency != t.currency);
                if differs && !found.contains(&finding) {
                    found.push(finding);
                }
            }
            let Some(hold) = t.hold else { continue };
            let finding = Finding::HoldUnusable { transfer: t.id, hold };
            let usable = self.holds.get(&hold).is_some_and(|hold| self.pays(hold, t));
            if !usable && !found.contains(&finding) {
                found.push(finding);
            }
        }
    }
}

fn natural(kind: AccountKind, debits: i128, credits: i128) -> i128 {
    match kind {
        AccountKind::Asset | AccountKind::Expense => debits - credits,
        AccountKind::Liability | AccountKind::Income | AccountKind::Equity => credits - debits,
    }
}

fn kept_by(hold: &Hold) -> i128 {
    match hold.state {
        HoldState::Open => hold.amount.0 as i128 - hold.settled.0 as i128,
        HoldState::Closed => 0,
    }
}

fn check_intervals(stream: Stream, intervals: &[(Timestamp, Timestamp)], found: &mut Vec<Finding>) {
    let mut sorted = intervals.to_vec();
    sorted.sort_unstable();
    for &(from, to) in &sorted {
        if from >= to {
            found.push(Finding::IntervalEmpty { stream, from, to });
        }
    }
    // How far the intervals before reach, because a long one may cover several that follow.
    let mut reach = sorted.first().map_or(Timestamp::ZERO, |i| i.1);
    for pair in sorted.windows(2) {
        let (before, (from, to)) = (pair[0], pair[1]);
        if before == (from, to) {
            found.push(Finding::IntervalTwice { stream, from, to });
        } else if from < reach {
            found.push(Finding::IntervalOverlap { stream, from, to: reach.min(to) });
        } else if from > reach {
            found.push(Finding::IntervalGap { stream, from: reach, to: from });
        }
        reach = reach.max(to);
    }
}
