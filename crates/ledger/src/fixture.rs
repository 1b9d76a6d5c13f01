//! Accounts and transfers for the tests of this crate: a small realm with an operator and two tenants.

use base::{AccountId, Currency, HoldId, Money, Timestamp, TransferId};

use crate::{
    AccountCode, AccountKind, Applied, Floor, Ledger, LedgerRecord, Memo, NewAccount, NewHold, Refusal, Transfer,
    TransferReason,
};

pub const CASH: AccountId = AccountId::from_u128(1);
pub const REVENUE: AccountId = AccountId::from_u128(2);
pub const COST: AccountId = AccountId::from_u128(3);
/// An asset that cannot fall below zero.
pub const TILL: AccountId = AccountId::from_u128(4);
/// Prepaid wallet.
pub const WALLET: AccountId = AccountId::from_u128(5);
/// Postpaid wallet with a credit limit of 500.
pub const POSTPAID: AccountId = AccountId::from_u128(6);
pub const DOLLARS: AccountId = AccountId::from_u128(7);
pub const NOWHERE: AccountId = AccountId::from_u128(99);

pub fn all_accounts() -> Vec<NewAccount> {
    use AccountKind::*;
    let zero = Floor::NotBelow(Money(0));
    [
        (CASH, "operator/cash", Asset, Currency::CNY, Floor::Unlimited),
        (REVENUE, "operator/revenue/compute", Income, Currency::CNY, Floor::Unlimited),
        (COST, "pool/p1/cost/depreciation", Expense, Currency::CNY, Floor::Unlimited),
        (TILL, "operator/till", Asset, Currency::CNY, zero),
        (WALLET, "tenant/a/wallet", Liability, Currency::CNY, zero),
        (POSTPAID, "tenant/b/wallet", Liability, Currency::CNY, Floor::NotBelow(Money(-500))),
        (DOLLARS, "operator/cash/usd", Asset, Currency::USD, Floor::Unlimited),
    ]
    .map(|(id, code, kind, currency, floor)| NewAccount {
        id,
        code: AccountCode::new(code).unwrap(),
        kind,
        currency,
        floor,
    })
    .to_vec()
}

/// The realm with empty accounts.
pub fn realm() -> Ledger {
    let mut ledger = Ledger::new();
    for account in all_accounts() {
        done(ledger.open_account(account));
    }
    ledger
}

/// The realm with 1,000 in the prepaid wallet.
pub fn funded() -> Ledger {
    let mut ledger = realm();
    done(ledger.post(transfer(1, CASH, WALLET, 1_000)));
    ledger
}

pub fn transfer(id: u128, debit: AccountId, credit: AccountId, amount: i64) -> Transfer {
    Transfer {
        id: TransferId::from_u128(id),
        debit,
        credit,
        amount: Money(amount),
        currency: Currency::CNY,
        at: Timestamp::from_secs(100),
        reason: TransferReason::Settle,
        memo: Memo::EMPTY,
        reference: None,
        hold: None,
    }
}

pub fn hold_id(id: u128) -> HoldId {
    HoldId::from_u128(id)
}

pub fn new_hold(id: u128, account: AccountId, amount: i64) -> NewHold {
    let opened_at = Timestamp::from_secs(100);
    NewHold { id: hold_id(id), account, amount: Money(amount), opened_at, expires_at: None }
}

/// The records of an operation that must have been applied anew.
#[track_caller]
pub fn done(outcome: Result<Applied, Refusal>) -> Vec<LedgerRecord> {
    match outcome {
        Ok(Applied::New(records)) => records,
        other => panic!("expected a new application, got {other:?}"),
    }
}

/// Balance, held and available of an account, as bare numbers.
#[track_caller]
pub fn stands(ledger: &Ledger, account: AccountId) -> (i64, i64, Option<i64>) {
    let account = ledger.account(account).expect("the account is there");
    (account.balance().0, account.held.0, account.available().map(|m| m.0))
}
