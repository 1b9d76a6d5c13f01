//! The ledger as records and back again. Refuses records that no ledger could have written; knows no store.

use std::collections::BTreeMap;

use base::{AccountId, Currency, HoldId, Money};

use super::{Ledger, TrialBalance};
use crate::account::Account;
use crate::hold::Hold;
use crate::record::LedgerRecord;
use crate::text::AccountCode;
use crate::transfer::Transfer;

/// Why stored records are not the state of a ledger. Each means damaged storage: tell a human, do not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    #[error("the code {code} belongs to two accounts, {first} and {second}")]
    CodeTwice { code: AccountCode, first: AccountId, second: AccountId },
    #[error("hold {hold} is on account {account}, which is not among the records")]
    AccountMissing { hold: HoldId, account: AccountId },
    #[error("hold {hold} has settled {settled} of {amount}")]
    HoldBroken { hold: HoldId, settled: Money, amount: Money },
    #[error("account {account} says that {held} is held, its open holds keep {kept_micros} micro-units")]
    HeldDiffers { account: AccountId, held: Money, kept_micros: i128 },
    #[error("account {account} has a negative total")]
    NegativeTotal { account: AccountId },
    #[error("account {account} is below its floor")]
    BelowFloor { account: AccountId },
    #[error("in {currency} debits are {debits_micros} and credits {credits_micros} micro-units")]
    Unbalanced { currency: Currency, debits_micros: i128, credits_micros: i128 },
}

impl Ledger {
    /// Everything [`Ledger::restore`] needs for an equal ledger: accounts by code, remembered transfers (oldest
    /// first), remembered closed holds (oldest first), open holds by id.
    pub fn records(&self) -> Vec<LedgerRecord> {
        let accounts = self.accounts().cloned().map(LedgerRecord::Account);
        let transfers = self.recent.iter().cloned().map(LedgerRecord::Transfer);
        let closed = self.closed.iter().cloned().map(LedgerRecord::Hold);
        let open = self.open_holds().into_iter().cloned().map(LedgerRecord::Hold);
        accounts.chain(transfers).chain(closed).chain(open).collect()
    }

    /// Rebuilds the state from stored records, in any order of kinds. Balances come from the account snapshots (the
    /// last one of an id counts) and open holds; transfers and closed holds only renew the memory of recent ids,
    /// so it is enough to give the latest [`TRANSFERS_REMEMBERED`] and [`CLOSED_HOLDS_REMEMBERED`], oldest first.
    pub fn restore(records: impl IntoIterator<Item = LedgerRecord>) -> Result<Ledger, RestoreError> {
        let mut ledger = Ledger::new();
        let mut accounts: BTreeMap<AccountId, Account> = BTreeMap::new();
        let mut open: BTreeMap<HoldId, Hold> = BTreeMap::new();
        for record in records {
            match record {
                LedgerRecord::Account(account) => drop(accounts.insert(account.id, account)),
                LedgerRecord::Transfer(transfer) => ledger.remember_transfer(transfer),
                LedgerRecord::Hold(hold) if hold.is_open() => drop(open.insert(hold.id, hold)),
                LedgerRecord::Hold(hold) => {
                    open.remove(&hold.id);
                    ledger.remember_closed(hold);
                }
            }
        }
        for account in accounts.into_values() {
            ledger.restore_account(account)?;
        }
        ledger.restore_holds(open)?;
        ledger.check_restored()?;
        Ok(ledger)
    }

    fn restore_account(&mut self, account: Account) -> Result<(), RestoreError> {
        if let Some(first) = self.account_by_code(&account.code) {
            return Err(RestoreError::CodeTwice { code: account.code, first: first.id, second: account.id });
        }
        if account.debits.is_negative() || account.credits.is_negative() || account.held.is_negative() {
            return Err(RestoreError::NegativeTotal { account: account.id });
        }
        self.insert_account(account);
        Ok(())
    }

    fn restore_holds(&mut self, open: BTreeMap<HoldId, Hold>) -> Result<(), RestoreError> {
        let mut kept: BTreeMap<AccountId, i128> = BTreeMap::new();
        for hold in open.into_values() {
            if self.account(hold.account).is_none() {
                return Err(RestoreError::AccountMissing { hold: hold.id, account: hold.account });
            }
            if hold.settled.is_negative() || hold.settled > hold.amount {
                return Err(RestoreError::HoldBroken { hold: hold.id, settled: hold.settled, amount: hold.amount });
            }
            *kept.entry(hold.account).or_default() += i128::from(hold.remaining().micros());
            self.insert_hold(hold);
        }
        for account in &self.accounts {
            let kept_micros = kept.get(&account.id).copied().unwrap_or(0);
            if kept_micros != i128::from(account.held.micros()) {
                return Err(RestoreError::HeldDiffers { account: account.id, held: account.held, kept_micros });
            }
        }
        Ok(())
    }

    fn check_restored(&self) -> Result<(), RestoreError> {
        for account in &self.accounts {
            if account.available().is_some_and(Money::is_negative) {
                return Err(RestoreError::BelowFloor { account: account.id });
            }
        }
        for (currency, sums) in self.trial_balance() {
            let TrialBalance { accounts: _, debits_micros, credits_micros, held_micros: _ } = sums;
            if debits_micros != credits_micros {
                return Err(RestoreError::Unbalanced { currency, debits_micros, credits_micros });
            }
        }
        Ok(())
    }

    fn remember_transfer(&mut self, transfer: Transfer) {
        if self.recent.get(&transfer.id).is_none() {
            self.recent.push(transfer.id, transfer);
        }
    }
}
