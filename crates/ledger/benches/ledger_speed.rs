//! How many operations per second one core does in memory: `cargo bench --profile fast -p headworks-ledger`.
//! Stands outside the pure crate, so it may read a clock and print.
#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::hint::black_box;
use std::time::Instant;

use base::{AccountId, Currency, HoldId, Money, Timestamp, TransferId};
use ledger::{
    AccountCode, AccountKind, Auditor, Floor, Ledger, LedgerRecord, Memo, NewAccount, NewHold, Reference, Stream,
    Transfer, TransferReason,
};

const WALLETS: u64 = 10_000;
const TRANSFERS: u64 = 4_000_000;
const OPEN_HOLDS: u64 = 100_000;
const CASH: AccountId = AccountId::from_u128(1);
const REVENUE: AccountId = AccountId::from_u128(2);

/// SplitMix64, twice: ids spread like the random part of a UUID.
fn spread(n: u64) -> u128 {
    let mix = |mut x: u64| {
        x = x.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    };
    (u128::from(mix(n)) << 64) | u128::from(mix(n ^ 0x5555_0000_0000))
}

fn wallet(n: u64) -> AccountId {
    AccountId::from_u128(spread(n % WALLETS) | 1 << 127)
}

fn transfer(n: u64, debit: AccountId, credit: AccountId, hold: Option<HoldId>) -> Transfer {
    Transfer {
        id: TransferId::from_u128(spread(n)),
        debit,
        credit,
        amount: Money(1_000),
        currency: Currency::CNY,
        at: Timestamp::from_micros(n as i64),
        reason: TransferReason::Settle,
        memo: Memo::EMPTY,
        reference: Some(Reference::Interval {
            stream: Stream::new(u128::from(n), 1),
            from: Timestamp::from_secs(0),
            to: Timestamp::from_secs(60),
        }),
        hold,
    }
}

fn open(ledger: &mut Ledger, id: AccountId, code: String, kind: AccountKind, floor: Floor) {
    let code = AccountCode::new(&code).expect("a valid code");
    let opened = ledger.open_account(NewAccount { id, code, kind, currency: Currency::CNY, floor });
    assert!(opened.is_ok_and(|a| a.is_new()));
}

fn timed(what: &str, count: u64, work: impl FnOnce()) {
    let start = Instant::now();
    work();
    let took = start.elapsed().as_secs_f64();
    println!("{what:<44} {:>9.0} per second  {:>7.0} ns each", count as f64 / took, took * 1e9 / count as f64);
}

fn main() {
    let mut ledger = Ledger::new();
    open(&mut ledger, CASH, "operator/cash".into(), AccountKind::Asset, Floor::Unlimited);
    open(&mut ledger, REVENUE, "operator/revenue".into(), AccountKind::Income, Floor::Unlimited);
    for n in 0..WALLETS {
        open(&mut ledger, wallet(n), format!("tenant/{n}/wallet"), AccountKind::Liability, Floor::NotBelow(Money(0)));
    }
    println!("{WALLETS} wallets, one core");
    let top_up = |n: u64| Transfer { amount: Money::from_units(1_000), ..transfer(n, CASH, wallet(n), None) };
    timed("post: top up", TRANSFERS, || {
        (0..TRANSFERS).for_each(|n| drop(black_box(ledger.post(top_up(n)))));
    });
    let base = TRANSFERS;
    timed("post: charge a wallet above its floor", TRANSFERS, || {
        (base..base + TRANSFERS).for_each(|n| drop(black_box(ledger.post(transfer(n, wallet(n * 7), REVENUE, None)))));
    });
    let hold = |n: u64| HoldId::from_u128(spread(n));
    timed("hold", OPEN_HOLDS, || {
        for n in 0..OPEN_HOLDS {
            let (amount, opened_at) = (Money::from_units(1), Timestamp::ZERO);
            let new = NewHold { id: hold(n), account: wallet(n), amount, opened_at, expires_at: None };
            assert!(ledger.hold(new).is_ok());
        }
    });
    let base = 2 * TRANSFERS;
    timed("settle: an interval of one of 100,000 holds", TRANSFERS, || {
        for n in 0..TRANSFERS {
            let settled =
                ledger.settle(hold(n % OPEN_HOLDS), transfer(base + n, wallet(n % OPEN_HOLDS), REVENUE, None));
            assert!(black_box(settled).is_ok());
        }
    });
    let base = 3 * TRANSFERS;
    timed("post_all: transfers in batches of 100", TRANSFERS, || {
        for batch in 0..TRANSFERS / 100 {
            let batch: Vec<_> =
                (0..100).map(|i| transfer(base + batch * 100 + i, CASH, wallet(i * 31), None)).collect();
            assert!(black_box(ledger.post_all(&batch)).is_ok());
        }
    });
    let last = base + TRANSFERS - 1;
    timed("post: a repeat", TRANSFERS, || {
        let n = TRANSFERS / 100 * 100 - 1 + base;
        assert_eq!(n, last);
        let repeat = transfer(last, CASH, wallet(99 * 31), None);
        (0..TRANSFERS).for_each(|_| drop(black_box(ledger.post(repeat.clone()))));
    });
    let records = ledger.records();
    timed("restore: records", records.len() as u64, || {
        assert!(Ledger::restore(records.clone()).is_ok());
    });
    let mut auditor = Auditor::new();
    let accounts: Vec<_> = records.into_iter().filter(|r| matches!(r, LedgerRecord::Account(_))).collect();
    for n in 0..WALLETS + 2 {
        if let LedgerRecord::Account(a) = &accounts[n as usize] {
            let (debits, credits, held) = (Money::ZERO, Money::ZERO, Money::ZERO);
            auditor.observe(&LedgerRecord::Account(ledger::Account { debits, credits, held, ..a.clone() }));
        }
    }
    timed("auditor: transfers observed", 1_000_000, || {
        (0..1_000_000).for_each(|n| auditor.observe(&LedgerRecord::Transfer(top_up(n))));
    });
}
