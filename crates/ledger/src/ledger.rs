//! The live ledger: accounts in dense slots, open holds, and the ids seen lately.
//! Every operation rejects in the order of [`Code`], then changes state where nothing can fail any more.
//! Knows no store: it returns records and trusts that they are kept.

mod queries;
mod restore;

use std::collections::{BTreeMap, BTreeSet};

use base::{AccountId, HoldId, IdMap, Money, Recent, Timestamp, TransferId};

use crate::account::{Account, Floor, NewAccount, clamp};
use crate::code::{Code, Field, Refusal};
use crate::dense::Dense;
use crate::hold::{Hold, HoldState, NewHold};
use crate::record::{Applied, LedgerRecord};
use crate::text::AccountCode;
use crate::transfer::Transfer;

pub use queries::TrialBalance;
pub use restore::RestoreError;

/// How many of the latest transfers are kept to recognise repeats: 65,536 × 240 B + 131,072 index
/// cells × 8 B ≈ 16 MiB.
/// At 1,000 transfers a second that is a minute, far longer than a batch stays undecided.
/// An older repeat is caught by the store's unique key on the transfer's id.
pub const TRANSFERS_REMEMBERED: usize = 65_536;

/// How many of the latest closed holds are kept, so that a late release is a repeat and a late settlement is told
/// [`Code::HoldClosed`]: 65,536 × 112 B + 131,072 index cells × 8 B ≈ 8 MiB.
pub const CLOSED_HOLDS_REMEMBERED: usize = 65_536;

/// All accounts and open holds of one realm, in memory.
///
/// Invariants after every operation: in each currency debits equal credits; no account's balance less its holds is
/// below its floor; an account's `held` is the sum of what its open holds keep; a hold's `settled` is at most its
/// `amount`. A refused operation has changed nothing.
#[derive(Debug, Clone)]
pub struct Ledger {
    accounts: Vec<Account>,
    slots: IdMap<AccountId, u32>,
    codes: BTreeMap<AccountCode, u32>,
    /// Open holds only.
    holds: Dense<HoldId, Hold>,
    expiries: BTreeSet<(Timestamp, HoldId)>,
    closed: Recent<HoldId, Hold>,
    recent: Recent<TransferId, Transfer>,
}

/// Where an admissible transfer goes: the slots of both accounts and of the hold that pays.
/// Good until an account or hold is opened or closed.
#[derive(Clone, Copy)]
struct Plan {
    debit: usize,
    credit: usize,
    hold: Option<usize>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

impl Ledger {
    pub fn new() -> Self {
        Self::with_memory(TRANSFERS_REMEMBERED, CLOSED_HOLDS_REMEMBERED)
    }

    pub(crate) fn with_memory(transfers: usize, closed_holds: usize) -> Self {
        Self {
            accounts: Vec::new(),
            slots: IdMap::default(),
            codes: BTreeMap::new(),
            holds: Dense::new(),
            expiries: BTreeSet::new(),
            closed: Recent::new(closed_holds),
            recent: Recent::new(transfers),
        }
    }

    /// Opens an account with nothing in it. The same id with the same code, kind, currency and present floor is
    /// a repeat. Refuses: [`Code::IdReused`], [`Code::CodeTaken`], [`Code::FloorAboveBalance`] (a floor above zero).
    pub fn open_account(&mut self, new: NewAccount) -> Result<Applied, Refusal> {
        if let Some(known) = self.account(new.id) {
            return match account_difference(known, &new) {
                Some(field) => Err(Refusal { account: Some(new.id), ..Refusal::reused(field) }),
                None => Ok(Applied::Already),
            };
        }
        if let Some(&slot) = self.codes.get(&new.code) {
            return Err(Refusal::account(Code::CodeTaken, self.accounts[slot as usize].id));
        }
        let account = Account::opened(new);
        check_floor(&account, account.floor)?;
        // From here on nothing fails.
        self.insert_account(account.clone());
        Ok(Applied::New(vec![LedgerRecord::Account(account)]))
    }

    /// Moves an account's floor. Setting the present floor again is a repeat.
    /// Refuses: [`Code::AccountMissing`], [`Code::FloorAboveBalance`] (balance less holds would be below it).
    pub fn set_floor(&mut self, account: AccountId, floor: Floor) -> Result<Applied, Refusal> {
        let slot = self.slot(account)?;
        if self.accounts[slot].floor == floor {
            return Ok(Applied::Already);
        }
        check_floor(&self.accounts[slot], floor)?;
        // From here on nothing fails.
        self.accounts[slot].floor = floor;
        Ok(Applied::New(vec![LedgerRecord::Account(self.accounts[slot].clone())]))
    }

    /// Moves money; as [`Ledger::post_onto`], with the records by themselves.
    pub fn post(&mut self, transfer: Transfer) -> Result<Applied, Refusal> {
        applied(|records| self.post_onto(transfer, records))
    }

    /// Moves money and puts the records at the end of a list; false for a repeat. A transfer that names a hold is paid by
    /// it, as in [`Ledger::settle`].
    ///
    /// Refuses, in this order: [`Code::IdReused`], [`Code::AccountMissing`], [`Code::CurrenciesDiffer`],
    /// [`Code::AmountNotPositive`], [`Code::SameAccount`], [`Code::CorrectsItself`], the codes of holds (see
    /// [`Ledger::settle`]), [`Code::Overflow`], [`Code::InsufficientFunds`].
    /// Whether a corrected transfer exists is not checked here, because old ones are not in memory; the auditor does.
    pub fn post_onto<R: From<LedgerRecord>>(
        &mut self,
        transfer: Transfer,
        records: &mut Vec<R>,
    ) -> Result<bool, Refusal> {
        let named = transfer.hold;
        self.post_paid_by(transfer, named, records)
    }

    /// Moves money out of `hold`: the hold's account pays, and its held part shrinks by the same amount, so this
    /// cannot lack funds on that side. `transfer.hold` may be left empty and is filled in. The hold stays open, even
    /// when all of it is settled, until it is released or expires; being past `expires_at` alone does not close it.
    ///
    /// Refuses as [`Ledger::post`], and after [`Code::CorrectsItself`]: [`Code::HoldDiffers`],
    /// [`Code::HoldMissing`], [`Code::HoldClosed`], [`Code::HoldOfOtherAccount`], [`Code::ExceedsHold`].
    pub fn settle(&mut self, hold: HoldId, mut transfer: Transfer) -> Result<Applied, Refusal> {
        transfer.hold.get_or_insert(hold);
        applied(|records| self.post_paid_by(transfer, Some(hold), records))
    }

    /// Posts all transfers in order, or none: each is judged as if those before it were posted. Repeats within the
    /// batch or of earlier transfers are passed over; [`Applied::Already`] when all are repeats.
    /// A refusal carries the position of the transfer that was refused.
    pub fn post_all(&mut self, transfers: &[Transfer]) -> Result<Applied, Refusal> {
        let mut done: Vec<Plan> = Vec::with_capacity(transfers.len());
        let mut records = Vec::with_capacity(transfers.len() * 3);
        for (position, transfer) in transfers.iter().enumerate() {
            match self.check(transfer, transfer.hold) {
                Ok(None) => {}
                Ok(Some(plan)) => {
                    self.move_money(transfer, plan);
                    self.recent.push_beyond(transfer.id, transfer.clone());
                    records.push(LedgerRecord::Transfer(transfer.clone()));
                    done.push(plan);
                }
                Err(refusal) => {
                    self.undo(&done);
                    return Err(Refusal { position: Some(position), ..refusal });
                }
            }
        }
        if done.is_empty() {
            return Ok(Applied::Already);
        }
        self.recent.trim();
        let paying: BTreeMap<HoldId, usize> =
            done.iter().filter_map(|p| p.hold).map(|slot| (self.holds.at(slot).id, slot)).collect();
        records.extend(paying.values().map(|&slot| LedgerRecord::Hold(self.holds.at(slot).clone())));
        let touched: BTreeMap<AccountId, usize> =
            done.iter().flat_map(|p| [p.debit, p.credit]).map(|slot| (self.accounts[slot].id, slot)).collect();
        records.extend(touched.values().map(|&slot| LedgerRecord::Account(self.accounts[slot].clone())));
        Ok(Applied::New(records))
    }

    /// Sets money aside; as [`Ledger::hold_onto`], with the records by themselves.
    pub fn hold(&mut self, new: NewHold) -> Result<Applied, Refusal> {
        applied(|records| self.hold_onto(new, records))
    }

    /// Sets money aside and puts the records at the end of a list; false for a repeat. The same id with the same account, amount and expiry is a repeat, also after extensions
    /// and, while it is remembered, after closing.
    /// Refuses: [`Code::IdReused`], [`Code::AccountMissing`], [`Code::AmountNotPositive`], [`Code::ExpiryNotLater`],
    /// [`Code::Overflow`], [`Code::InsufficientFunds`].
    pub fn hold_onto<R: From<LedgerRecord>>(&mut self, new: NewHold, records: &mut Vec<R>) -> Result<bool, Refusal> {
        if let Some(known) = self.find_hold(new.id) {
            return match known.first_difference(&new) {
                Some(field) => Err(Refusal::reused(field)),
                None => Ok(false),
            };
        }
        let slot = self.slot(new.account)?;
        if new.amount <= Money::ZERO {
            return Err(Refusal::new(Code::AmountNotPositive));
        }
        if new.expires_at.is_some_and(|at| at <= new.opened_at) {
            return Err(Refusal::new(Code::ExpiryNotLater));
        }
        let held = self.check_held(slot, new.amount)?;
        // From here on nothing fails.
        let hold = Hold::opened(new);
        self.accounts[slot].held = held;
        self.insert_hold(hold.clone());
        self.tell(hold, slot, records);
        Ok(true)
    }

    /// Raises what a hold authorises to the total `to`; as [`Ledger::extend_hold_onto`], with the records by themselves.
    pub fn extend_hold(&mut self, id: HoldId, to: Money) -> Result<Applied, Refusal> {
        applied(|records| self.extend_hold_onto(id, to, records))
    }

    /// Raises what a hold authorises to the total `to` and puts the records at the end of a list; false for a repeat. A hold that authorises that much already is a repeat.
    /// Refuses: [`Code::AmountNotPositive`], [`Code::HoldMissing`], [`Code::HoldClosed`], [`Code::Overflow`],
    /// [`Code::InsufficientFunds`] (`needed` is the increase).
    pub fn extend_hold_onto<R: From<LedgerRecord>>(
        &mut self,
        id: HoldId,
        to: Money,
        records: &mut Vec<R>,
    ) -> Result<bool, Refusal> {
        if to <= Money::ZERO {
            return Err(Refusal::new(Code::AmountNotPositive));
        }
        let at = self.open_hold(id)?;
        let hold = self.holds.at(at);
        if to <= hold.amount {
            return Ok(false);
        }
        let slot = self.slot(hold.account)?;
        // Both are positive, so the difference fits.
        let held = self.check_held(slot, to - hold.amount)?;
        // From here on nothing fails.
        self.accounts[slot].held = held;
        self.holds.at_mut(at).amount = to;
        self.tell(self.holds.at(at).clone(), slot, records);
        Ok(true)
    }

    /// Closes a hold and frees what it still keeps; as [`Ledger::release_onto`], with the records by themselves.
    pub fn release(&mut self, id: HoldId) -> Result<Applied, Refusal> {
        applied(|records| self.release_onto(id, records))
    }

    /// Closes a hold, frees what it still keeps, and puts the records at the end of a list; false for a repeat. Releasing a closed one is a repeat.
    /// Refuses: [`Code::HoldMissing`].
    pub fn release_onto<R: From<LedgerRecord>>(&mut self, id: HoldId, records: &mut Vec<R>) -> Result<bool, Refusal> {
        match self.close_hold(id) {
            Some((hold, slot)) => {
                self.tell(hold, slot, records);
                Ok(true)
            }
            None if self.closed.get(&id).is_some() => Ok(false),
            None => Err(Refusal::new(Code::HoldMissing)),
        }
    }

    /// Closes every hold whose `expires_at` is `now` or earlier; the records of all of them, none where there is none.
    pub fn expire(&mut self, now: Timestamp) -> Vec<LedgerRecord> {
        let due: BTreeSet<HoldId> = self.expiries.iter().take_while(|(at, _)| *at <= now).map(|&(_, id)| id).collect();
        let mut records = Vec::with_capacity(due.len() * 2);
        let mut touched = BTreeMap::new();
        for id in due {
            if let Some((hold, slot)) = self.close_hold(id) {
                touched.insert(hold.account, slot);
                records.push(LedgerRecord::Hold(hold));
            }
        }
        records.extend(touched.values().map(|&slot| LedgerRecord::Account(self.accounts[slot].clone())));
        records
    }

    fn post_paid_by<R: From<LedgerRecord>>(
        &mut self,
        transfer: Transfer,
        paid_by: Option<HoldId>,
        records: &mut Vec<R>,
    ) -> Result<bool, Refusal> {
        let Some(plan) = self.check(&transfer, paid_by)? else {
            return Ok(false);
        };
        // From here on nothing fails.
        self.move_money(&transfer, plan);
        records.push(LedgerRecord::Transfer(transfer.clone()).into());
        records.extend(plan.hold.map(|slot| LedgerRecord::Hold(self.holds.at(slot).clone()).into()));
        let (debit, credit) = (&self.accounts[plan.debit], &self.accounts[plan.credit]);
        let (first, second) = if debit.id < credit.id { (debit, credit) } else { (credit, debit) };
        records.push(LedgerRecord::Account(first.clone()).into());
        records.push(LedgerRecord::Account(second.clone()).into());
        self.recent.push(transfer.id, transfer);
        Ok(true)
    }

    /// Judges a transfer against the present state, in the order of [`Code`]; `None` for a repeat.
    fn check(&self, t: &Transfer, paid_by: Option<HoldId>) -> Result<Option<Plan>, Refusal> {
        if let Some(known) = self.recent.get(&t.id) {
            return match known.first_difference(t) {
                Some(field) => Err(Refusal::reused(field)),
                None => Ok(None),
            };
        }
        let mut plan = Plan { debit: self.slot(t.debit)?, credit: self.slot(t.credit)?, hold: None };
        let (debit, credit) = (&self.accounts[plan.debit], &self.accounts[plan.credit]);
        for account in [debit, credit] {
            if account.currency != t.currency {
                return Err(Refusal::account(Code::CurrenciesDiffer, account.id));
            }
        }
        if t.amount <= Money::ZERO {
            return Err(Refusal::new(Code::AmountNotPositive));
        }
        if t.debit == t.credit {
            return Err(Refusal::account(Code::SameAccount, t.debit));
        }
        if t.reason.corrects() == Some(t.id) {
            return Err(Refusal::new(Code::CorrectsItself));
        }
        plan.hold = paid_by.map(|hold| self.check_paid_by(hold, t, debit, credit)).transpose()?;
        let paid = plan.hold.map(|slot| self.holds.at(slot).account);
        if debit.debits.checked_add(t.amount).is_none() {
            return Err(Refusal::account(Code::Overflow, debit.id));
        }
        if credit.credits.checked_add(t.amount).is_none() {
            return Err(Refusal::account(Code::Overflow, credit.id));
        }
        for (account, shrinks) in [(debit, !debit.kind.grows_by_debit()), (credit, credit.kind.grows_by_debit())] {
            if shrinks && paid != Some(account.id) && !account.covers(t.amount) {
                return Err(lacks(account, t.amount));
            }
        }
        Ok(Some(plan))
    }

    /// Judges the hold that is to pay for `t`; its slot.
    fn check_paid_by(
        &self,
        paid_by: HoldId,
        t: &Transfer,
        debit: &Account,
        credit: &Account,
    ) -> Result<usize, Refusal> {
        if t.hold != Some(paid_by) {
            return Err(Refusal::new(Code::HoldDiffers));
        }
        let slot = self.open_hold(paid_by)?;
        let hold = self.holds.at(slot);
        let pays = (hold.account == debit.id && !debit.kind.grows_by_debit())
            || (hold.account == credit.id && credit.kind.grows_by_debit());
        if !pays {
            return Err(Refusal::account(Code::HoldOfOtherAccount, hold.account));
        }
        if t.amount > hold.remaining() {
            return Err(Refusal::amounts(Code::ExceedsHold, hold.account, t.amount, hold.remaining()));
        }
        Ok(slot)
    }

    /// Books a transfer that [`Ledger::check`] admitted. Its sums were checked, so plain addition is in range.
    fn move_money(&mut self, t: &Transfer, plan: Plan) {
        self.accounts[plan.debit].debits += t.amount;
        self.accounts[plan.credit].credits += t.amount;
        self.shift_hold(t, plan, t.amount);
    }

    /// Moves `amount` of the paying hold from kept to settled (or back, when negative).
    fn shift_hold(&mut self, t: &Transfer, plan: Plan, amount: Money) {
        let Some(at) = plan.hold else { return };
        let hold = self.holds.at_mut(at);
        hold.settled += amount;
        let slot = if hold.account == t.debit { plan.debit } else { plan.credit };
        self.accounts[slot].held += -amount;
    }

    /// Takes back the latest transfers of a batch, last first. They are the last ones remembered, and nothing was
    /// trimmed since, so the memory of ids is also as before.
    fn undo(&mut self, done: &[Plan]) {
        for plan in done.iter().rev() {
            let Some(t) = self.recent.pop() else { return };
            self.accounts[plan.debit].debits += -t.amount;
            self.accounts[plan.credit].credits += -t.amount;
            self.shift_hold(&t, *plan, -t.amount);
        }
    }

    fn slot(&self, account: AccountId) -> Result<usize, Refusal> {
        match self.slots.get(&account) {
            Some(&slot) => Ok(slot as usize),
            None => Err(Refusal::account(Code::AccountMissing, account)),
        }
    }

    /// The slot of an open hold.
    fn open_hold(&self, id: HoldId) -> Result<usize, Refusal> {
        match self.holds.slot(id) {
            Some(slot) => Ok(slot),
            None if self.closed.get(&id).is_some() => Err(Refusal::new(Code::HoldClosed)),
            None => Err(Refusal::new(Code::HoldMissing)),
        }
    }

    /// What the account would hold with `more` set aside.
    fn check_held(&self, slot: usize, more: Money) -> Result<Money, Refusal> {
        let account = &self.accounts[slot];
        let held = account.held.checked_add(more).ok_or(Refusal::account(Code::Overflow, account.id))?;
        if account.covers(more) { Ok(held) } else { Err(lacks(account, more)) }
    }

    fn insert_account(&mut self, account: Account) {
        let slot = u32::try_from(self.accounts.len()).expect("four thousand million accounts do not fit in memory");
        self.slots.insert(account.id, slot);
        self.codes.insert(account.code.clone(), slot);
        self.accounts.push(account);
    }

    fn insert_hold(&mut self, hold: Hold) {
        self.expiries.extend(hold.expires_at.map(|at| (at, hold.id)));
        self.holds.insert(hold.id, hold);
    }

    /// Closes an open hold and gives its rest back to its account.
    fn close_hold(&mut self, id: HoldId) -> Option<(Hold, usize)> {
        let mut hold = self.holds.remove(id)?;
        if let Some(at) = hold.expires_at {
            self.expiries.remove(&(at, id));
        }
        let slot = *self.slots.get(&hold.account)? as usize;
        self.accounts[slot].held += -hold.remaining();
        hold.state = HoldState::Closed;
        self.remember_closed(hold.clone());
        Some((hold, slot))
    }

    /// Records of a hold and its account.
    fn tell<R: From<LedgerRecord>>(&self, hold: Hold, slot: usize, records: &mut Vec<R>) {
        records.push(LedgerRecord::Hold(hold).into());
        records.push(LedgerRecord::Account(self.accounts[slot].clone()).into());
    }

    fn remember_closed(&mut self, hold: Hold) {
        if self.closed.get(&hold.id).is_none() {
            self.closed.push(hold.id, hold);
        }
    }
}

/// What an operation that appends its records leaves by itself.
fn applied(run: impl FnOnce(&mut Vec<LedgerRecord>) -> Result<bool, Refusal>) -> Result<Applied, Refusal> {
    let mut records = Vec::new();
    Ok(if run(&mut records)? { Applied::New(records) } else { Applied::Already })
}

fn lacks(account: &Account, needed: Money) -> Refusal {
    // Only an account with a floor can lack funds.
    Refusal::amounts(Code::InsufficientFunds, account.id, needed, account.available().unwrap_or(Money::ZERO))
}

fn check_floor(account: &Account, floor: Floor) -> Result<(), Refusal> {
    match floor {
        Floor::NotBelow(wanted) if account.above(wanted) < 0 => {
            Err(Refusal::amounts(Code::FloorAboveBalance, account.id, wanted, clamp(account.above(Money::ZERO))))
        }
        Floor::NotBelow(_) | Floor::Unlimited => Ok(()),
    }
}

fn account_difference(known: &Account, asked: &NewAccount) -> Option<Field> {
    let NewAccount { id: _, code, kind, currency, floor } = asked;
    [
        (known.code != *code, Field::Code),
        (known.kind != *kind, Field::Kind),
        (known.currency != *currency, Field::Currency),
        (known.floor != *floor, Field::Floor),
    ]
    .into_iter()
    .find_map(|(differs, field)| differs.then_some(field))
}
