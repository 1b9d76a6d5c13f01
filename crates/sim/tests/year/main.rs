//! A year of a made-up operator, its books reckoned a second time by means that share nothing with the engine's: every charge from the
//! raw intervals and the items of the price books, every balance from the transfers. `HW_YEAR_JOBS` plays more than the usual number
//! of jobs (a million in an optimised build: two or three minutes), `HW_YEAR_SEED` another year.
#![allow(clippy::disallowed_methods, reason = "tests read their settings")]

mod naive;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use base::Money;
use ledger::AccountKind;
use sim::year::{Options, Told, Year, play};

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn a_years_books_are_what_another_reckoning_makes_of_them() {
    let (jobs, seed) = (number("HW_YEAR_JOBS", 4_000) as u32, number("HW_YEAR_SEED", 7));
    let mut books = naive::Books::default();
    let (mut over, mut intervals, mut transfers) = (0u64, 0u64, 0u64);
    // Debits and credits of each account, by its id.
    let mut moved: BTreeMap<base::AccountId, (i128, i128)> = BTreeMap::new();
    let mut ear = |world: &sim::World, told: Told<'_>| match told {
        Told::Job(job) => {
            over += 1;
            intervals += job.intervals.len() as u64;
            books.take(world, job);
        }
        Told::Transfer(transfer) => {
            transfers += 1;
            assert!(transfer.amount > Money::ZERO, "{transfer:?}");
            moved.entry(transfer.debit).or_default().0 += i128::from(transfer.amount.0);
            moved.entry(transfer.credit).or_default().1 += i128::from(transfer.amount.0);
        }
        Told::Batch(_) | Told::Tried(_) => {}
    };
    let year = play(Options::new(seed, jobs, 365), &mut |world, told| {
        ear(world, told);
        ControlFlow::Continue(())
    });
    assert_eq!(year.wrong, Vec::<String>::new());
    let tables = year.world.tables();
    for account in tables.accounts.values() {
        let (debits, credits) = moved.get(&account.id).copied().unwrap_or_default();
        assert_eq!(
            (i128::from(account.debits.0), i128::from(account.credits.0)),
            (debits, credits),
            "{}",
            account.code
        );
    }
    let closed = tables.statements.len();
    assert!(closed > 12 * 20, "{closed} months were closed");
    books.usage(tables);
    tell(&year, &books, over, intervals, transfers);
    let seen = books.seen();
    assert_eq!(books.compare(&year.world), Vec::<String>::new());
    let refused: u64 = year.refused.values().map(|n| u64::from(*n)).sum();
    // Of some neither is known: their answer was lost in a crash.
    assert!(
        over + refused >= u64::from(jobs) * 99 / 100,
        "{over} of {jobs} jobs came to their end, {refused} were refused"
    );
    for (what, many) in seen {
        // Hours that are drawn and given back come in large years only; what is written off not in every one.
        let rare = what.ends_with("written off") || what == "drawn and given back" && jobs < 400_000;
        assert!(many > 0 || jobs < 4_000 || rare, "no {what} in this year");
    }
}

fn tell(year: &Year, books: &naive::Books, over: u64, intervals: u64, transfers: u64) {
    let of = |kind| year.world.tables().accounts.values().filter(move |a| a.kind == kind);
    let revenue: Money = of(AccountKind::Income).map(|a| a.balance()).sum();
    let cost: Money = of(AccountKind::Expense).map(|a| a.balance()).sum();
    eprintln!(
        "{over} jobs over, {} refused {:?}, {} restarts, {intervals} intervals, {transfers} transfers, revenue {revenue}, cost {cost}",
        year.refused.values().sum::<u32>(),
        year.refused,
        year.restarts
    );
    eprintln!("{:?}", books.seen());
}
