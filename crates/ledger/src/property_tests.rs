//! Random histories: whatever is asked in whatever order, ledger and auditor agree, refusals change nothing,
//! batches are atomic and a restored ledger is an equal one.

use base::{AccountId, Currency, Money, Timestamp};
use proptest::prelude::*;

use crate::fixture::*;
use crate::{Applied, Auditor, Floor, Ledger, LedgerRecord, NewHold, Refusal, Transfer, TransferReason};

#[derive(Debug, Clone)]
enum Op {
    Post(Transfer),
    Settle(u128, Transfer),
    Batch(Vec<Transfer>),
    Hold(NewHold),
    Extend(u128, i64),
    Release(u128),
    Expire(i64),
    SetFloor(AccountId, Floor),
}

fn account() -> impl Strategy<Value = AccountId> {
    prop_oneof![
        3 => Just(CASH), 3 => Just(WALLET), 2 => Just(POSTPAID), 2 => Just(REVENUE), 1 => Just(COST), 2 => Just(TILL),
        1 => Just(DOLLARS),
    ]
}

/// Few ids, so that repeats and conflicts are common; amounts around the balances that come about.
fn a_transfer() -> impl Strategy<Value = Transfer> {
    let amount = prop_oneof![8 => 1..400_i64, 1 => -1..1_i64, 1 => Just(i64::MAX - 300)];
    let hold = prop_oneof![5 => Just(None), 3 => (0..6_u128).prop_map(Some)];
    (0..60_u128, account(), account(), amount, hold, 0..12_u8).prop_map(|(id, debit, credit, amount, hold, kind)| {
        let mut t = transfer(id, debit, credit, amount);
        t.hold = hold.map(hold_id);
        if kind == 0 {
            t.currency = Currency::USD;
        }
        if kind == 1 {
            // Ids are few: a correction of an id which is larger than its own may not exist yet.
            t.reason = TransferReason::Correct { of: t.id };
        }
        t
    })
}

fn op() -> impl Strategy<Value = Op> {
    let hold = (0..6_u128, account(), -1..500_i64, proptest::option::of(90..200_i64)).prop_map(
        |(id, account, amount, expires)| NewHold {
            expires_at: expires.map(Timestamp::from_secs),
            ..new_hold(id, account, amount)
        },
    );
    let floor = prop_oneof![Just(Floor::Unlimited), (-600..100_i64).prop_map(|m| Floor::NotBelow(Money(m)))];
    prop_oneof![
        6 => (0..60_u128, 1..500_i64).prop_map(|(id, amount)| Op::Post(transfer(id, CASH, WALLET, amount))),
        6 => a_transfer().prop_map(Op::Post),
        6 => (0..6_u128, 0..60_u128, 1..300_i64).prop_map(|(h, id, m)| Op::Settle(h, transfer(id, WALLET, REVENUE, m))),
        2 => (0..6_u128, a_transfer()).prop_map(|(hold, t)| Op::Settle(hold, t)),
        4 => proptest::collection::vec(a_transfer(), 0..5).prop_map(Op::Batch),
        5 => hold.prop_map(Op::Hold),
        3 => (0..6_u128, -1..900_i64).prop_map(|(hold, to)| Op::Extend(hold, to)),
        2 => (0..6_u128).prop_map(Op::Release),
        1 => (80..210_i64).prop_map(Op::Expire),
        2 => (account(), floor).prop_map(|(account, floor)| Op::SetFloor(account, floor)),
    ]
}

fn apply(ledger: &mut Ledger, op: &Op) -> Result<Applied, Refusal> {
    match op.clone() {
        Op::Post(t) => ledger.post(t),
        Op::Settle(hold, t) => ledger.settle(hold_id(hold), t),
        Op::Batch(batch) => ledger.post_all(&batch),
        Op::Hold(hold) => ledger.hold(hold),
        Op::Extend(hold, to) => ledger.extend_hold(hold_id(hold), Money(to)),
        Op::Release(hold) => ledger.release(hold_id(hold)),
        Op::Expire(now) => Ok(Applied::New(ledger.expire(Timestamp::from_secs(now)))),
        Op::SetFloor(account, floor) => ledger.set_floor(account, floor),
    }
}

fn opened() -> (Ledger, Auditor) {
    let (mut ledger, mut auditor) = (Ledger::new(), Auditor::new());
    for account in all_accounts() {
        auditor.observe_all(&done(ledger.open_account(account)));
    }
    (ledger, auditor)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ledger_and_auditor_agree_and_refusals_change_nothing(ops in proptest::collection::vec(op(), 1..120)) {
        let (mut ledger, mut auditor) = opened();
        let mut stored: Vec<LedgerRecord> = ledger.records();
        for op in &ops {
            let before = ledger.records();
            match apply(&mut ledger, op) {
                Ok(Applied::New(records)) => {
                    auditor.observe_all(&records);
                    stored.extend(records);
                }
                Ok(Applied::Already) => prop_assert_eq!(&before, &ledger.records(), "repeat of {:?}", op),
                Err(refusal) => prop_assert_eq!(&before, &ledger.records(), "{} of {:?}", refusal, op),
            }
            prop_assert_eq!(auditor.findings(), vec![], "after {:?}", op);
        }
        for account in ledger.accounts() {
            let (debits, credits) = auditor.totals(account.id);
            prop_assert_eq!((account.debits.0 as i128, account.credits.0 as i128), (debits, credits));
            prop_assert!(account.available().is_none_or(|free| free >= Money::ZERO));
        }
        prop_assert_eq!(auditor.expect_nothing_held().len(), ledger.open_hold_count());
        // From a snapshot, and from everything ever stored, in which later rows replace earlier ones.
        prop_assert_eq!(Ledger::restore(ledger.records()).unwrap().records(), ledger.records());
        prop_assert_eq!(Ledger::restore(stored).unwrap().records(), ledger.records());
    }

    #[test]
    fn a_restored_ledger_goes_on_alike(ops in proptest::collection::vec(op(), 2..80), cut in 0.0..1.0_f64) {
        let (mut ledger, _) = opened();
        let (first, rest) = ops.split_at((ops.len() as f64 * cut) as usize);
        for op in first {
            let _ = apply(&mut ledger, op);
        }
        let mut again = Ledger::restore(ledger.records()).unwrap();
        for op in rest {
            prop_assert_eq!(apply(&mut again, op), apply(&mut ledger, op));
        }
    }

    #[test]
    fn a_batch_does_what_its_transfers_do_or_nothing(
        ops in proptest::collection::vec(op(), 0..40),
        batch in proptest::collection::vec(a_transfer(), 1..8),
    ) {
        let (mut ledger, _) = opened();
        for op in &ops {
            let _ = apply(&mut ledger, op);
        }
        let mut singly = ledger.clone();
        let first_refusal = batch
            .iter()
            .enumerate()
            .find_map(|(at, t)| singly.post(t.clone()).err().map(|r| Refusal { position: Some(at), ..r }));
        let before = ledger.records();
        match (ledger.post_all(&batch), first_refusal) {
            (Ok(_), None) => prop_assert_eq!(ledger.records(), singly.records()),
            (Err(refusal), Some(expected)) => {
                prop_assert_eq!(refusal, expected);
                prop_assert_eq!(ledger.records(), before);
            }
            (outcome, expected) => prop_assert!(false, "{outcome:?} where {expected:?} was expected"),
        }
    }
}
