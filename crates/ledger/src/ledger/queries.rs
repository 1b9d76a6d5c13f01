//! What can be read off a ledger, always in the order of codes or ids. Changes nothing.

use std::collections::BTreeMap;

use base::{AccountId, Currency, HoldId, Money, Timestamp, TransferId};

use super::Ledger;
use crate::account::Account;
use crate::hold::Hold;
use crate::text::AccountCode;
use crate::transfer::Transfer;

/// Sums over all accounts of one currency, in micro-units; `i128` because many accounts may exceed one `Money`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrialBalance {
    pub accounts: usize,
    pub debits_micros: i128,
    pub credits_micros: i128,
    pub held_micros: i128,
}

impl TrialBalance {
    pub fn is_balanced(&self) -> bool {
        self.debits_micros == self.credits_micros
    }
}

impl Ledger {
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.slots.get(&id).map(|&slot| &self.accounts[slot as usize])
    }

    /// The account with exactly this code.
    pub fn account_by_code(&self, code: &AccountCode) -> Option<&Account> {
        self.codes.get(code).map(|&slot| &self.accounts[slot as usize])
    }

    /// All accounts in the order of their codes.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.codes.values().map(|&slot| &self.accounts[slot as usize])
    }

    /// The accounts whose code is `branch` or stands below it, in the order of their codes.
    pub fn accounts_under<'a>(&'a self, branch: &'a AccountCode) -> impl Iterator<Item = &'a Account> {
        self.codes
            .range(branch..)
            .take_while(|(code, _)| code.as_str().starts_with(branch.as_str()))
            .filter(|(code, _)| code.is_under(branch.as_str()))
            .map(|(_, &slot)| &self.accounts[slot as usize])
    }

    /// The account's balance in its natural direction.
    pub fn balance(&self, id: AccountId) -> Option<Money> {
        self.account(id).map(Account::balance)
    }

    /// An open hold, or one of the lately closed ones.
    pub fn find_hold(&self, id: HoldId) -> Option<&Hold> {
        self.holds.get(id).or_else(|| self.closed.get(&id))
    }

    /// All open holds in the order of their ids; sorted at each call.
    pub fn open_holds(&self) -> Vec<&Hold> {
        let mut holds: Vec<&Hold> = self.holds.values().collect();
        holds.sort_unstable_by_key(|hold| hold.id);
        holds
    }

    pub fn open_hold_count(&self) -> usize {
        self.holds.len()
    }

    /// When [`Ledger::expire`] next has something to do.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.expiries.first().map(|&(at, _)| at)
    }

    /// A transfer, if it is among the latest [`TRANSFERS_REMEMBERED`].
    pub fn recent_transfer(&self, id: TransferId) -> Option<&Transfer> {
        self.recent.get(&id)
    }

    /// Sums per currency, which must be balanced.
    pub fn trial_balance(&self) -> BTreeMap<Currency, TrialBalance> {
        let mut sums: BTreeMap<Currency, TrialBalance> = BTreeMap::new();
        for account in &self.accounts {
            let sum = sums.entry(account.currency).or_default();
            sum.accounts += 1;
            sum.debits_micros += i128::from(account.debits.micros());
            sum.credits_micros += i128::from(account.credits.micros());
            sum.held_micros += i128::from(account.held.micros());
        }
        sums
    }
}
