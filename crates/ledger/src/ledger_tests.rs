//! The ledger's operations as short stories: pay in, hold, settle, release, correct, repeat, restart.

use base::{Money, Timestamp, TransferId};

use crate::fixture::*;
use crate::{
    AccountCode, Applied, Code, Field, Floor, Hold, HoldState, Ledger, LedgerRecord, Memo, Reference, RestoreError,
    Stream, Transfer, TransferReason,
};

#[test]
fn a_prepaid_job_is_held_settled_and_released() {
    let mut ledger = funded();
    done(ledger.hold(new_hold(1, WALLET, 600)));
    assert_eq!(stands(&ledger, WALLET), (1_000, 600, Some(400)));

    let records = done(ledger.settle(hold_id(1), transfer(2, WALLET, REVENUE, 250)));
    assert_eq!(stands(&ledger, WALLET), (750, 350, Some(400)));
    assert_eq!(stands(&ledger, REVENUE), (250, 0, None));
    let shapes: Vec<_> = records
        .iter()
        .map(|record| match record {
            LedgerRecord::Transfer(t) => format!("transfer {} {:?}", t.amount.0, t.hold.map(|h| h.as_u128())),
            LedgerRecord::Hold(h) => format!("hold {} of {}", h.settled.0, h.amount.0),
            LedgerRecord::Account(a) => format!("{} {} held {}", a.code, a.balance().0, a.held.0),
        })
        .collect();
    assert_eq!(
        shapes,
        [
            "transfer 250 Some(1)",
            "hold 250 of 600",
            "operator/revenue/compute 250 held 0",
            "tenant/a/wallet 750 held 350"
        ]
    );

    done(ledger.extend_hold(hold_id(1), Money(700)));
    assert_eq!(stands(&ledger, WALLET), (750, 450, Some(300)));
    done(ledger.release(hold_id(1)));
    assert_eq!(stands(&ledger, WALLET), (750, 0, Some(750)));
    assert_eq!(ledger.open_hold_count(), 0);
    assert_eq!(ledger.find_hold(hold_id(1)).map(|h| (h.state, h.settled)), Some((HoldState::Closed, Money(250))));
}

#[test]
fn a_postpaid_wallet_goes_down_to_its_credit_limit() {
    let mut ledger = realm();
    done(ledger.post(transfer(1, POSTPAID, REVENUE, 400)));
    assert_eq!(stands(&ledger, POSTPAID), (-400, 0, Some(100)));
    let refusal = ledger.post(transfer(2, POSTPAID, REVENUE, 101)).unwrap_err();
    assert_eq!((refusal.code, refusal.account), (Code::InsufficientFunds, Some(POSTPAID)));
    assert_eq!(
        (refusal.needed, refusal.available, refusal.missing()),
        (Some(Money(101)), Some(Money(100)), Some(Money(1)))
    );
    // A limit lower than what is owed is refused; down to what is owed is fine, and leaves nothing to spend.
    let refusal = ledger.set_floor(POSTPAID, Floor::NotBelow(Money(-399))).unwrap_err();
    assert_eq!((refusal.code, refusal.available), (Code::FloorAboveBalance, Some(Money(-400))));
    done(ledger.set_floor(POSTPAID, Floor::NotBelow(Money(-400))));
    assert_eq!(stands(&ledger, POSTPAID), (-400, 0, Some(0)));
}

#[test]
fn held_money_is_not_spent_by_others() {
    let mut ledger = funded();
    done(ledger.hold(new_hold(1, WALLET, 900)));
    assert_eq!(ledger.post(transfer(2, WALLET, CASH, 101)).unwrap_err().code, Code::InsufficientFunds);
    assert_eq!(ledger.hold(new_hold(2, WALLET, 101)).unwrap_err().missing(), Some(Money(1)));
    done(ledger.post(transfer(2, WALLET, CASH, 100)));
    // The whole hold may be settled although nothing else is left; once more is too much.
    done(ledger.settle(hold_id(1), transfer(3, WALLET, REVENUE, 900)));
    assert_eq!(stands(&ledger, WALLET), (0, 0, Some(0)));
    assert_eq!(ledger.settle(hold_id(1), transfer(4, WALLET, REVENUE, 1)).unwrap_err().code, Code::ExceedsHold);
}

#[test]
fn the_same_request_again_changes_nothing() {
    let mut ledger = funded();
    let hold = new_hold(1, WALLET, 300);
    let charge = Transfer { hold: Some(hold_id(1)), ..transfer(2, WALLET, REVENUE, 100) };
    done(ledger.hold(hold.clone()));
    done(ledger.post(charge.clone()));
    done(ledger.extend_hold(hold_id(1), Money(400)));
    let before = ledger.records();

    let later = Transfer { at: Timestamp::from_secs(999), ..charge.clone() };
    assert_eq!(ledger.post(later), Ok(Applied::Already), "a repeat comes later by nature");
    assert_eq!(ledger.settle(hold_id(1), Transfer { hold: None, ..charge.clone() }), Ok(Applied::Already));
    assert_eq!(ledger.post_all(&[charge.clone(), charge]), Ok(Applied::Already));
    assert_eq!(ledger.hold(hold.clone()), Ok(Applied::Already));
    assert_eq!(ledger.extend_hold(hold_id(1), Money(350)), Ok(Applied::Already));
    assert_eq!(ledger.open_account(all_accounts().remove(0)), Ok(Applied::Already));
    assert_eq!(ledger.set_floor(WALLET, Floor::NotBelow(Money(0))), Ok(Applied::Already));
    assert_eq!(ledger.records(), before);

    done(ledger.release(hold_id(1)));
    assert_eq!(ledger.release(hold_id(1)), Ok(Applied::Already));
    assert_eq!(ledger.hold(hold), Ok(Applied::Already));
}

#[test]
fn another_request_under_a_known_id_names_the_field() {
    let mut ledger = funded();
    let first = transfer(2, WALLET, REVENUE, 10);
    done(ledger.post(first.clone()));
    done(ledger.hold(new_hold(1, WALLET, 300)));
    let text = Reference::Text { text: Memo::new("invoice 7").unwrap() };
    let others = [
        (Transfer { debit: POSTPAID, ..first.clone() }, Field::Debit),
        (Transfer { credit: CASH, ..first.clone() }, Field::Credit),
        (Transfer { amount: Money(11), ..first.clone() }, Field::Amount),
        (Transfer { currency: base::Currency::USD, ..first.clone() }, Field::Currency),
        (Transfer { reason: TransferReason::Refund, ..first.clone() }, Field::Reason),
        (Transfer { memo: Memo::new("x").unwrap(), ..first.clone() }, Field::Memo),
        (Transfer { reference: Some(text), ..first.clone() }, Field::Reference),
        (Transfer { hold: Some(hold_id(1)), ..first.clone() }, Field::Hold),
    ];
    for (other, field) in others {
        let refusal = ledger.post(other).unwrap_err();
        assert_eq!((refusal.code, refusal.field), (Code::IdReused, Some(field)));
    }
    let mut hold = new_hold(1, POSTPAID, 300);
    assert_eq!(ledger.hold(hold.clone()).unwrap_err().field, Some(Field::Account));
    hold = new_hold(1, WALLET, 301);
    assert_eq!(ledger.hold(hold.clone()).unwrap_err().field, Some(Field::Amount));
    hold = crate::NewHold { expires_at: Some(Timestamp::from_secs(500)), ..new_hold(1, WALLET, 300) };
    assert_eq!(ledger.hold(hold).unwrap_err().field, Some(Field::ExpiresAt));
    let wallet = all_accounts().into_iter().find(|a| a.id == WALLET).unwrap();
    let others = [
        (crate::NewAccount { code: AccountCode::new("other").unwrap(), ..wallet.clone() }, Field::Code),
        (crate::NewAccount { kind: crate::AccountKind::Asset, ..wallet.clone() }, Field::Kind),
        (crate::NewAccount { currency: base::Currency::USD, ..wallet.clone() }, Field::Currency),
        (crate::NewAccount { floor: Floor::Unlimited, ..wallet.clone() }, Field::Floor),
    ];
    for (other, field) in others {
        assert_eq!(ledger.open_account(other).unwrap_err().field, Some(field));
    }
}

#[test]
fn a_batch_is_applied_whole_or_not_at_all() {
    let mut ledger = funded();
    done(ledger.hold(new_hold(1, WALLET, 600)));
    let before = ledger.records();
    let settle = |id, amount| Transfer { hold: Some(hold_id(1)), ..transfer(id, WALLET, REVENUE, amount) };
    let accrue = transfer(3, COST, CASH, 40);
    // The third asks for more than the first left in the hold.
    let refusal = ledger.post_all(&[settle(2, 500), accrue.clone(), settle(4, 101)]).unwrap_err();
    assert_eq!((refusal.code, refusal.position), (Code::ExceedsHold, Some(2)));
    assert_eq!((refusal.needed, refusal.available), (Some(Money(101)), Some(Money(100))));
    assert_eq!(ledger.records(), before);

    let records = done(ledger.post_all(&[settle(2, 500), accrue, settle(4, 100), settle(4, 100)]));
    let count = |wanted: fn(&LedgerRecord) -> bool| records.iter().filter(|r| wanted(r)).count();
    assert_eq!(count(|r| matches!(r, LedgerRecord::Transfer(_))), 3, "the repeat within the batch is passed over");
    assert_eq!(count(|r| matches!(r, LedgerRecord::Hold(_))), 1, "each hold once, as it ends up");
    assert_eq!(count(|r| matches!(r, LedgerRecord::Account(_))), 4, "each account once");
    assert_eq!(stands(&ledger, WALLET), (400, 0, Some(400)));
}

#[test]
fn a_later_transfer_of_a_batch_may_spend_what_an_earlier_one_paid_in() {
    let mut ledger = realm();
    let (pay_in, spend) = (transfer(1, CASH, WALLET, 70), transfer(2, WALLET, REVENUE, 70));
    assert_eq!(ledger.post_all(&[spend.clone(), pay_in.clone()]).unwrap_err().position, Some(0));
    done(ledger.post_all(&[pay_in, spend]));
    assert_eq!(stands(&ledger, WALLET), (0, 0, Some(0)));
}

#[test]
fn holds_expire_when_the_time_given_says_so() {
    let mut ledger = funded();
    for (id, expires) in [(3, 200), (1, 300), (2, 200)] {
        let expires_at = Some(Timestamp::from_secs(expires));
        done(ledger.hold(crate::NewHold { expires_at, ..new_hold(id, WALLET, 100) }));
    }
    done(ledger.settle(hold_id(2), transfer(2, WALLET, REVENUE, 60)));
    assert_eq!(ledger.next_expiry(), Some(Timestamp::from_secs(200)));
    assert_eq!(ledger.expire(Timestamp::from_micros(199_999_999)), []);
    let records = ledger.expire(Timestamp::from_secs(200));
    let ids: Vec<_> = records
        .iter()
        .map(|record| match record {
            LedgerRecord::Hold(hold) => (hold.id.as_u128(), hold.state),
            LedgerRecord::Account(account) => (account.id.as_u128(), HoldState::Open),
            LedgerRecord::Transfer(_) => panic!("expiry moves no money"),
        })
        .collect();
    assert_eq!(ids, [(2, HoldState::Closed), (3, HoldState::Closed), (WALLET.as_u128(), HoldState::Open)]);
    assert_eq!(stands(&ledger, WALLET), (940, 100, Some(840)));
    assert_eq!(ledger.settle(hold_id(2), transfer(3, WALLET, REVENUE, 1)).unwrap_err().code, Code::HoldClosed);
    assert_eq!(ledger.next_expiry(), Some(Timestamp::from_secs(300)));
    done(ledger.release(hold_id(1)));
    assert_eq!(ledger.next_expiry(), None);
}

#[test]
fn a_correction_is_a_new_transfer_linked_to_the_old() {
    let mut ledger = funded();
    let charge = transfer(2, WALLET, REVENUE, 300);
    done(ledger.post(charge.clone()));
    let back = charge.reversal(TransferId::from_u128(3), Timestamp::from_secs(200), Memo::new("wrong price").unwrap());
    assert_eq!(back.reason.corrects(), Some(charge.id));
    done(ledger.post(back));
    done(ledger.post(transfer(4, WALLET, REVENUE, 200)));
    assert_eq!((stands(&ledger, WALLET).0, stands(&ledger, REVENUE).0), (800, 200));
    assert_eq!(ledger.recent_transfer(charge.id), Some(&charge), "the old one stays as it was");
}

#[test]
fn an_asset_is_held_and_settled_on_its_credit_side() {
    let mut ledger = realm();
    done(ledger.post(transfer(1, TILL, REVENUE, 100)));
    done(ledger.hold(new_hold(1, TILL, 80)));
    assert_eq!(ledger.post(transfer(2, COST, TILL, 30)).unwrap_err().code, Code::InsufficientFunds);
    let wrong_way = ledger.settle(hold_id(1), transfer(2, TILL, REVENUE, 30)).unwrap_err();
    assert_eq!((wrong_way.code, wrong_way.account), (Code::HoldOfOtherAccount, Some(TILL)));
    done(ledger.settle(hold_id(1), transfer(2, COST, TILL, 30)));
    assert_eq!(stands(&ledger, TILL), (70, 50, Some(20)));
}

#[test]
fn accounts_are_found_by_id_code_and_branch_in_order() {
    let ledger = funded();
    let code = |text: &str| AccountCode::new(text).unwrap();
    assert_eq!(ledger.account_by_code(&code("tenant/a/wallet")).map(|a| a.id), Some(WALLET));
    assert_eq!(ledger.balance(WALLET), Some(Money(1_000)));
    assert_eq!((ledger.balance(NOWHERE), ledger.account_by_code(&code("x"))), (None, None));
    let under: Vec<_> = ledger.accounts_under(&code("operator/cash")).map(|a| a.id).collect();
    assert_eq!(under, [CASH, DOLLARS]);
    let codes: Vec<_> = ledger.accounts().map(|a| a.code.clone()).collect();
    assert!(codes.is_sorted() && codes.len() == 7);
    let trial = ledger.trial_balance();
    assert!(trial.values().all(|t| t.is_balanced()) && trial.len() == 2);
    assert_eq!(trial[&base::Currency::CNY].debits_micros, 1_000);
}

#[test]
fn the_memory_of_ids_is_bounded() {
    let mut ledger = Ledger::with_memory(3, 2);
    for account in all_accounts() {
        done(ledger.open_account(account));
    }
    for id in 1..=5 {
        done(ledger.post(transfer(id, CASH, WALLET, 10)));
        done(ledger.hold(new_hold(id, WALLET, 1)));
        done(ledger.release(hold_id(id)));
    }
    assert_eq!(ledger.post(transfer(3, CASH, WALLET, 10)), Ok(Applied::Already));
    assert!(ledger.recent_transfer(TransferId::from_u128(2)).is_none());
    assert_eq!(ledger.release(hold_id(4)), Ok(Applied::Already));
    assert_eq!(ledger.release(hold_id(3)).unwrap_err().code, Code::HoldMissing);
    // A batch larger than the memory is undone just as well, and forgets nobody on the way.
    let before = ledger.records();
    let mut batch: Vec<_> = (10..20).map(|id| transfer(id, CASH, WALLET, 10)).collect();
    batch.push(transfer(20, WALLET, WALLET, 10));
    assert_eq!(ledger.post_all(&batch).unwrap_err().code, Code::SameAccount);
    assert_eq!(ledger.records(), before);
}

#[test]
fn restored_state_recognises_repeats_and_keeps_expiries() {
    let mut ledger = funded();
    let expires_at = Some(Timestamp::from_secs(300));
    done(ledger.hold(crate::NewHold { expires_at, ..new_hold(1, WALLET, 300) }));
    done(ledger.hold(new_hold(2, WALLET, 300)));
    done(ledger.settle(hold_id(2), transfer(2, WALLET, REVENUE, 100)));
    done(ledger.release(hold_id(2)));
    let mut again = Ledger::restore(ledger.records()).unwrap();
    assert_eq!(again.records(), ledger.records());
    assert_eq!(again.post(transfer(1, CASH, WALLET, 1_000)), Ok(Applied::Already));
    assert_eq!(again.release(hold_id(2)), Ok(Applied::Already));
    assert_eq!(again.expire(Timestamp::from_secs(300)), ledger.expire(Timestamp::from_secs(300)));
    assert_eq!(again.records(), ledger.records());
}

#[test]
fn damaged_records_are_refused() {
    let mut ledger = funded();
    done(ledger.hold(new_hold(1, WALLET, 300)));
    let good = ledger.records();
    type Damage = fn(&mut LedgerRecord) -> bool;
    let with = |damage: Damage| {
        let mut records = good.clone();
        records.retain_mut(damage);
        Ledger::restore(records).map(|_| ()).unwrap_err()
    };
    let error = with(|r| {
        if let LedgerRecord::Account(a) = r
            && a.id == WALLET
        {
            a.held = Money(299);
        }
        true
    });
    assert_eq!(error, RestoreError::HeldDiffers { account: WALLET, held: Money(299), kept_micros: 300 });
    let error = with(|r| !matches!(r, LedgerRecord::Account(a) if a.id == WALLET));
    assert_eq!(error, RestoreError::AccountMissing { hold: hold_id(1), account: WALLET });
    let error = with(|r| {
        if let LedgerRecord::Account(a) = r
            && a.id == CASH
        {
            a.debits = Money(999);
        }
        true
    });
    let unbalanced =
        RestoreError::Unbalanced { currency: base::Currency::CNY, debits_micros: 999, credits_micros: 1_000 };
    assert_eq!(error, unbalanced);
    let error = with(|r| {
        if let LedgerRecord::Account(a) = r
            && a.id == WALLET
        {
            a.floor = Floor::NotBelow(Money(701));
        }
        true
    });
    assert_eq!(error, RestoreError::BelowFloor { account: WALLET });
    let error = with(|r| {
        if let LedgerRecord::Account(a) = r
            && a.id == CASH
        {
            a.debits = Money(-1);
        }
        true
    });
    assert_eq!(error, RestoreError::NegativeTotal { account: CASH });
    let error = with(|r| {
        if let LedgerRecord::Hold(h) = r {
            h.settled = Money(301);
        }
        true
    });
    assert_eq!(error, RestoreError::HoldBroken { hold: hold_id(1), settled: Money(301), amount: Money(300) });
    let error = with(|r| {
        if let LedgerRecord::Account(a) = r
            && a.id == CASH
        {
            a.code = AccountCode::new("tenant/a/wallet").unwrap();
        }
        true
    });
    let code = AccountCode::new("tenant/a/wallet").unwrap();
    assert_eq!(error, RestoreError::CodeTwice { code, first: CASH, second: WALLET });
}

#[test]
fn records_have_stable_names() {
    let full = Transfer {
        reason: TransferReason::Correct { of: TransferId::from_u128(7) },
        memo: Memo::new("订正").unwrap(),
        reference: Some(Reference::Interval {
            stream: Stream::new(0xab, 2),
            from: Timestamp::from_secs(1),
            to: Timestamp::from_secs(2),
        }),
        hold: Some(hold_id(9)),
        ..transfer(1, CASH, WALLET, 1_000)
    };
    let hold = Hold::opened(crate::NewHold { expires_at: Some(Timestamp::ZERO), ..new_hold(1, WALLET, 5) });
    let account = funded().account(POSTPAID).unwrap().clone();
    let zeros = "000000000000000000000000000000";
    let expected = [
        format!(
            r#"{{"transfer":{{"id":"trf_{zeros}01","debit":"acc_{zeros}01","credit":"acc_{zeros}05","amount":1000,"currency":"CNY","at":100000000,"reason":{{"correct":{{"of":"trf_{zeros}07"}}}},"memo":"订正","reference":{{"interval":{{"stream":"{zeros}ab_2","from":1000000,"to":2000000}}}},"hold":"hld_{zeros}09"}}}}"#
        ),
        format!(
            r#"{{"hold":{{"id":"hld_{zeros}01","account":"acc_{zeros}05","initial":5,"amount":5,"settled":0,"state":"open","opened_at":100000000,"expires_at":0}}}}"#
        ),
        format!(
            r#"{{"account":{{"id":"acc_{zeros}06","code":"tenant/b/wallet","kind":"liability","currency":"CNY","floor":{{"not_below":-500}},"debits":0,"credits":0,"held":0}}}}"#
        ),
    ];
    let records = [LedgerRecord::Transfer(full), LedgerRecord::Hold(hold), LedgerRecord::Account(account)];
    for (record, text) in records.iter().zip(expected) {
        assert_eq!(serde_json::to_string(record).unwrap(), text);
        assert_eq!(serde_json::from_str::<LedgerRecord>(&text).unwrap(), *record);
    }
}

#[test]
fn reasons_are_stored_as_name_and_target() {
    use TransferReason::*;
    let of = TransferId::from_u128(4);
    for reason in [TopUp, Settle, Accrue, Refund, Correct { of }, Grant, Withdraw, Round] {
        assert_eq!(TransferReason::from_parts(reason.as_str(), reason.corrects()), Some(reason));
    }
    assert_eq!(TransferReason::from_parts("correct", None), None);
    assert_eq!(TransferReason::from_parts("settle", Some(of)), None);
}
