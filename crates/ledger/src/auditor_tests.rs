//! The auditor must be able to fail: a sound history is tampered with in every way it claims to notice.

use std::collections::BTreeMap;

use base::{AccountId, Currency, Money, Timestamp, TransferId};

use crate::auditor::FINDINGS_KEPT_MAX;
use crate::fixture::*;
use crate::{Auditor, Finding, Floor, HoldState, Ledger, LedgerRecord, Memo, Stream, Transfer, TransferReason};

/// Accounts, a top-up, a hold, a settlement, a correction: the records in commit order.
fn history() -> Vec<LedgerRecord> {
    let mut ledger = Ledger::new();
    let mut records: Vec<_> = all_accounts().into_iter().flat_map(|a| done(ledger.open_account(a))).collect();
    records.extend(done(ledger.post(transfer(1, CASH, WALLET, 1_000))));
    records.extend(done(ledger.hold(new_hold(1, WALLET, 600))));
    records.extend(done(ledger.settle(hold_id(1), transfer(2, WALLET, REVENUE, 250))));
    let back = transfer(2, WALLET, REVENUE, 250).reversal(TransferId::from_u128(3), Timestamp::ZERO, Memo::EMPTY);
    records.extend(done(ledger.post(back)));
    records.extend(done(ledger.release(hold_id(1))));
    records
}

fn audit(records: &[LedgerRecord]) -> Vec<Finding> {
    let mut auditor = Auditor::new();
    auditor.observe_all(records);
    auditor.findings()
}

/// Tampers with every transfer, hold or account of the history that the closure changes.
fn tampered(mut change: impl FnMut(&mut LedgerRecord)) -> Vec<Finding> {
    let mut records = history();
    records.iter_mut().for_each(&mut change);
    audit(&records)
}

fn on_transfer(id: u128, change: impl Fn(&mut Transfer)) -> Vec<Finding> {
    tampered(|record| {
        if let LedgerRecord::Transfer(t) = record
            && t.id == TransferId::from_u128(id)
        {
            change(t);
        }
    })
}

fn on_account(id: AccountId, change: impl Fn(&mut crate::Account)) -> Vec<Finding> {
    tampered(|record| {
        if let LedgerRecord::Account(a) = record
            && a.id == id
        {
            change(a);
        }
    })
}

fn on_hold(change: impl Fn(&mut crate::Hold)) -> Vec<Finding> {
    tampered(|record| {
        if let LedgerRecord::Hold(h) = record {
            change(h);
        }
    })
}

#[track_caller]
fn assert_finds(found: &[Finding], wanted: &Finding) {
    assert!(found.contains(wanted), "{wanted:?} is not among {found:#?}");
}

#[test]
fn a_sound_history_has_no_findings() {
    assert_eq!(audit(&history()), []);
}

/// The history as a store has it: all transfers, then the last state of each hold, then of each account.
fn stored() -> Vec<LedgerRecord> {
    let mut transfers = Vec::new();
    let (mut holds, mut accounts) = (BTreeMap::new(), BTreeMap::new());
    for record in history() {
        match record {
            LedgerRecord::Transfer(_) => transfers.push(record),
            LedgerRecord::Hold(ref hold) => drop(holds.insert(hold.id, record)),
            LedgerRecord::Account(ref account) => drop(accounts.insert(account.id, record)),
        }
    }
    transfers.into_iter().chain(holds.into_values()).chain(accounts.into_values()).collect()
}

#[test]
fn a_store_with_the_last_state_of_each_row_is_audited_too() {
    assert_eq!(audit(&stored()), []);
    let id = TransferId::from_u128;
    let with = |transfer: u128, change: fn(&mut Transfer)| {
        let mut records = stored();
        for record in &mut records {
            if let LedgerRecord::Transfer(t) = record
                && t.id == id(transfer)
            {
                change(t);
            }
        }
        audit(&records)
    };
    assert_eq!(
        with(3, |t| t.currency = Currency::USD),
        [
            Finding::CurrencyDiffers { transfer: id(3), account: REVENUE },
            Finding::CurrencyDiffers { transfer: id(3), account: WALLET },
        ]
    );
    let found = with(3, |t| t.hold = Some(hold_id(1)));
    assert_finds(&found, &Finding::HoldUnusable { transfer: id(3), hold: hold_id(1) });
    assert_finds(&found, &Finding::SettledDiffers { hold: hold_id(1), stated: 250, summed: 500 });
    let found = with(2, |t| t.hold = Some(hold_id(8)));
    assert_finds(&found, &Finding::HoldUnusable { transfer: id(2), hold: hold_id(8) });
    let mut lost = stored();
    lost.retain(|r| !matches!(r, LedgerRecord::Account(a) if a.id == CASH));
    assert_finds(&audit(&lost), &Finding::AccountUnknown { account: CASH });
    assert_finds(&audit(&lost), &Finding::Unbalanced { currency: Currency::CNY, debits: 500, credits: 1_500 });
}

#[test]
fn wrong_transfers_are_found() {
    let wallet_after_1 = Finding::TotalsDiffer { account: WALLET, stated: (0, 1_000), summed: (0, 999) };
    assert_finds(&on_transfer(1, |t| t.amount = Money(999)), &wallet_after_1);
    let id = TransferId::from_u128;
    assert_finds(&on_transfer(2, |t| t.id = id(1)), &Finding::TransferTwice { transfer: id(1) });
    assert_finds(&on_transfer(2, |t| t.amount = Money(0)), &Finding::AmountNotPositive { transfer: id(2) });
    assert_finds(&on_transfer(2, |t| t.credit = WALLET), &Finding::SameAccount { transfer: id(2) });
    let found = on_transfer(1, |t| t.debit = DOLLARS);
    assert_finds(&found, &Finding::CurrencyDiffers { transfer: id(1), account: DOLLARS });
    let found = on_transfer(3, |t| t.reason = TransferReason::Correct { of: id(44) });
    assert_finds(&found, &Finding::CorrectsUnknown { transfer: id(3), of: id(44) });
    let found = on_transfer(1, |t| t.debit = NOWHERE);
    assert_finds(&found, &Finding::AccountUnknown { account: NOWHERE });
    let found = on_transfer(2, |t| t.hold = Some(hold_id(5)));
    assert_finds(&found, &Finding::HoldUnusable { transfer: id(2), hold: hold_id(5) });
    assert_finds(&found, &Finding::SettledDiffers { hold: hold_id(1), stated: 250, summed: 0 });
    let found = on_transfer(3, |t| t.hold = Some(hold_id(1)));
    assert_finds(&found, &Finding::HoldUnusable { transfer: id(3), hold: hold_id(1) });
    let found = on_transfer(2, |t| t.amount = Money(1_001));
    assert_finds(&found, &Finding::BelowFloor { account: WALLET, reached: -1, floor: 0 });
    assert_finds(&found, &Finding::HoldExceeded { hold: hold_id(1), settled: 1_001, amount: 600 });
}

#[test]
fn wrong_snapshots_are_found() {
    let found = on_account(REVENUE, |a| a.credits = Money(a.credits.0 + 1));
    assert_finds(&found, &Finding::Unbalanced { currency: Currency::CNY, debits: 1_500, credits: 1_501 });
    assert_finds(&found, &Finding::TotalsDiffer { account: REVENUE, stated: (250, 251), summed: (250, 250) });
    let found = on_account(WALLET, |a| a.held = Money(a.held.0 - 1));
    assert_finds(&found, &Finding::HeldDiffers { account: WALLET, stated: 599, summed: 600 });
    assert_finds(&found, &Finding::HeldNegative { account: WALLET, held: -1 });
    let found = on_account(WALLET, |a| a.floor = Floor::NotBelow(Money(500)));
    assert_finds(&found, &Finding::BelowFloor { account: WALLET, reached: 400, floor: 500 });
    let found = on_account(POSTPAID, |a| a.code = crate::AccountCode::new("operator/cash").unwrap());
    assert_finds(&found, &Finding::CodeTwice { first: CASH, second: POSTPAID });
    let found = on_account(WALLET, |a| {
        if a.credits > Money(0) {
            a.kind = crate::AccountKind::Equity;
        }
    });
    assert_finds(&found, &Finding::AccountChanged { account: WALLET });
}

#[test]
fn wrong_holds_are_found() {
    let found = on_hold(|h| h.settled = Money(h.settled.0 / 2));
    assert_finds(&found, &Finding::SettledDiffers { hold: hold_id(1), stated: 125, summed: 250 });
    let shrunk = on_hold(|h| h.amount = Money(600 - h.settled.0));
    assert_finds(&shrunk, &Finding::HoldChanged { hold: hold_id(1) });
    // Closed at its second record, open again at its third.
    let found = on_hold(|h| h.state = if h.is_open() && h.settled.0 > 0 { HoldState::Closed } else { HoldState::Open });
    assert_finds(&found, &Finding::HoldChanged { hold: hold_id(1) });
    assert_finds(&found, &Finding::HeldDiffers { account: WALLET, stated: 0, summed: 350 });
}

#[test]
fn what_is_still_held_is_told_when_asked() {
    let mut records = history();
    let mut auditor = Auditor::new();
    auditor.observe_all(&records);
    assert_eq!(auditor.expect_nothing_held(), []);
    // Without the last step, which released the hold.
    records.truncate(records.len() - 2);
    let mut auditor = Auditor::new();
    auditor.observe_all(&records);
    assert_eq!(auditor.findings(), []);
    assert_eq!(auditor.expect_nothing_held(), [Finding::StillHeld { hold: hold_id(1), remaining: 350 }]);
}

#[test]
fn intervals_are_billed_once_and_without_gaps() {
    let stream = Stream::new(7, 1);
    let s = Timestamp::from_secs;
    let audit = |intervals: &[(i64, i64)]| {
        let mut auditor = Auditor::new();
        for (from, to) in intervals {
            auditor.interval(stream, s(*from), s(*to));
            auditor.interval(Stream::new(7, 2), s(*from + 1_000_000), s(*to + 1_000_000));
        }
        (auditor.findings().into_iter().filter(|f| !format!("{f:?}").contains("_2")).collect::<Vec<_>>(), auditor)
    };
    let (found, sound) = audit(&[(60, 120), (0, 60), (120, 130)]);
    assert_eq!(found, []);
    assert_eq!(sound.expect_covered(stream, s(0), s(130)), []);
    assert_eq!(
        sound.expect_covered(stream, s(-5), s(140)),
        [
            Finding::IntervalGap { stream, from: s(-5), to: s(0) },
            Finding::IntervalGap { stream, from: s(130), to: s(140) }
        ]
    );
    assert_eq!(
        sound.expect_covered(stream, s(10), s(100)),
        [
            Finding::IntervalOverlap { stream, from: s(0), to: s(10) },
            Finding::IntervalOverlap { stream, from: s(100), to: s(130) }
        ]
    );
    let unknown = Stream::new(8, 1);
    assert_eq!(
        sound.expect_covered(unknown, s(0), s(1)),
        [Finding::IntervalGap { stream: unknown, from: s(0), to: s(1) }]
    );
    for (intervals, finding) in [
        (&[(0, 60), (0, 60)][..], Finding::IntervalTwice { stream, from: s(0), to: s(60) }),
        (&[(0, 60), (50, 90)], Finding::IntervalOverlap { stream, from: s(50), to: s(60) }),
        (&[(0, 60), (10, 20), (60, 90)], Finding::IntervalOverlap { stream, from: s(10), to: s(20) }),
        (&[(0, 60), (70, 90)], Finding::IntervalGap { stream, from: s(60), to: s(70) }),
        (&[(60, 60)], Finding::IntervalEmpty { stream, from: s(60), to: s(60) }),
    ] {
        assert_eq!(audit(intervals).0, [finding]);
    }
}

#[test]
fn findings_are_bounded() {
    let mut auditor = Auditor::new();
    for _ in 0..FINDINGS_KEPT_MAX + 5 {
        auditor.observe(&LedgerRecord::Transfer(transfer(1, CASH, WALLET, 1)));
    }
    assert_eq!(auditor.findings_beyond(), 4, "the first one was no repeat");
    assert_eq!(auditor.findings().len(), FINDINGS_KEPT_MAX + 2, "and two unknown accounts, seen at the end");
}
