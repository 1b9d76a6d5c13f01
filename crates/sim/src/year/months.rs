//! Tenants' months, closed as an operator closes them: sums of what was booked on each wallet, reckoned from the transfers as they
//! come. Refuses to know what makes sums a statement; the engine says so.

use std::collections::BTreeMap;

use base::{AccountId, Currency, JobId, Money, TenantId};
use engine::billing::{Billing, Closed, ClosingDraft};
use engine::{Command, Report};
use ledger::{Reference, Transfer, TransferReason};
use rating::statement::TenantSums;
use rating::tariff::{Month, UtcOffset};
use rating::usage::STREAM_PART;

use super::Run;
use crate::tables::Settled;

#[derive(Default)]
pub(super) struct Months {
    wallets: BTreeMap<AccountId, TenantId>,
    /// For what could not be collected.
    uncollected: Option<AccountId>,
    /// Of months that are not closed yet; balances are left at nothing.
    sums: BTreeMap<TenantId, BTreeMap<Month, TenantSums>>,
}

/// As the year's policy has it.
const OFFSET: UtcOffset = UtcOffset::UTC;

impl Run<'_> {
    pub(super) fn count_months(&mut self, transfers: &[Transfer], settled: &[Settled]) {
        if transfers.is_empty() {
            return;
        }
        if self.months.wallets.len() < self.tenants.len() || self.months.uncollected.is_none() {
            self.find_accounts();
        }
        for one in transfers {
            for (side, out) in [(one.debit, true), (one.credit, false)] {
                let amount = if out { one.amount } else { -one.amount };
                if let Some(tenant) = self.months.wallets.get(&side) {
                    add(
                        self.months.sums.entry(*tenant).or_default().entry(OFFSET.month_of(one.at)).or_default(),
                        one,
                        out,
                    );
                } else if self.months.uncollected == Some(side)
                    && let Some(tenant) = self.whose(one, settled)
                {
                    let sums = self.months.sums.entry(tenant).or_default();
                    sums.entry(OFFSET.month_of(one.at)).or_default().written_off += amount;
                }
            }
        }
    }

    fn find_accounts(&mut self) {
        let code = engine::uncollected_code(Currency::CNY);
        let wallets: BTreeMap<String, TenantId> =
            self.tenants.iter().map(|(id, _)| (engine::wallet_code(*id), *id)).collect();
        for account in self.world.tables().accounts.values() {
            if let Some(tenant) = wallets.get(account.code.as_str()) {
                self.months.wallets.insert(account.id, *tenant);
            } else if account.code.as_str() == code {
                self.months.uncollected = Some(account.id);
            }
        }
    }

    fn whose(&self, transfer: &Transfer, settled: &[Settled]) -> Option<TenantId> {
        let Some(Reference::Interval { stream, .. } | Reference::Subject { stream }) = &transfer.reference else {
            return None;
        };
        if stream.part == STREAM_PART {
            let usage = self.world.tables().usage.iter().rev();
            return usage.into_iter().find(|usage| usage.of.key() == stream.subject).map(|usage| usage.of.tenant);
        }
        let id = JobId::from_u128(stream.subject);
        let over = || settled.iter().find(|one| one.row.job.id == id).map(|one| &one.row);
        self.world.tables().jobs.get(&id).or_else(over).map(|row| row.job.tenant)
    }

    /// Closes all months that are over and not closed. A command that is lost in a crash is said again the next day.
    pub(super) fn close_months(&mut self) {
        let due = Command::Bill(Box::new(Billing::Due { tenant: None, through: None }));
        let Some(Ok(Report::Due { month, tenants })) = self.operator(due) else { return };
        self.tell();
        let drafts: Vec<ClosingDraft> = tenants.iter().flat_map(|one| self.drafts(one, month)).collect();
        if drafts.is_empty() {
            return;
        }
        let closed = drafts.iter().map(|draft| (draft.tenant, draft.month)).collect::<Vec<_>>();
        match self.operator(Command::Bill(Box::new(Billing::Close(drafts)))) {
            Some(Ok(_)) => closed.iter().for_each(|(tenant, month)| {
                self.months.sums.get_mut(tenant).and_then(|sums| sums.remove(month));
            }),
            Some(Err(denied)) => self.wrong.push(format!("{month} is not closed: {denied}")),
            None => {}
        }
    }

    fn drafts(&self, of: &Closed, through: Month) -> Vec<ClosingDraft> {
        let tenant = of.tenant;
        let sums = self.months.sums.get(&tenant);
        let first = sums.and_then(|sums| sums.keys().next());
        let (mut month, mut from, mut opening) = match (of.last, first) {
            (Some(last), _) => (last.month.next(), last.to, last.closing),
            (None, Some(month)) => (*month, OFFSET.start_of(*month), Money::ZERO),
            (None, None) => return Vec::new(),
        };
        let (booked, mut drafts) = (sums, Vec::new());
        while month <= through {
            let to = OFFSET.start_of(month.next());
            let sums = booked.and_then(|sums| sums.get(&month)).copied().unwrap_or_default();
            let sums = TenantSums { opening, closing: opening + sums.closing, ..sums };
            opening = sums.closing;
            drafts.push(ClosingDraft { tenant, month, from, to, sums });
            (month, from) = (month.next(), to);
        }
        drafts
    }
}

/// `closing` is what the wallet has more since the month began.
fn add(sums: &mut TenantSums, one: &Transfer, out: bool) {
    sums.transfers += 1;
    sums.closing += if out { -one.amount } else { one.amount };
    match (&one.reason, out) {
        (TransferReason::TopUp, false) => sums.top_ups += one.amount,
        (TransferReason::Withdraw, true) => sums.withdrawals += one.amount,
        (TransferReason::Grant, false) => sums.grants += one.amount,
        (TransferReason::Settle, true) => sums.charges += one.amount,
        (TransferReason::Refund, false) => sums.refunds += one.amount,
        (TransferReason::Contract, true) => sums.fees += one.amount,
        (_, true) => sums.corrections += one.amount,
        (_, false) => sums.corrections += -one.amount,
    }
}
