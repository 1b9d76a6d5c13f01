//! The precedence of refusals as tables: every fault of an operation alone, then every two at once, of which the
//! earlier code must answer; and every time the ledger must be as before.

use base::{Currency, HoldId, Money, TransferId};

use crate::fixture::*;
use crate::{AccountCode, Applied, Code, Floor, Ledger, NewAccount, NewHold, Refusal, Transfer, TransferReason};

/// A fault that makes the request of scene `S` refusable with this code. When two are combined the later one is made
/// first, so that nothing takes the earlier one away.
type Fault<S> = (Code, fn(&mut S));

trait Scene: Clone {
    fn ledger(&mut self) -> &mut Ledger;
    fn act(&mut self) -> Result<Applied, Refusal>;
}

/// Walks the table and returns its codes.
#[track_caller]
fn walk<S: Scene>(scene: S, faults: &[Fault<S>]) -> Vec<Code> {
    assert!(scene.clone().act().is_ok_and(|a| a.is_new()), "without a fault the request is accepted");
    let refused = |faults: &[&Fault<S>]| {
        let mut scene = scene.clone();
        for (_, make) in faults.iter().rev() {
            make(&mut scene);
        }
        let before = scene.ledger().records();
        let code = scene.act().expect_err("a fault is refused").code;
        assert_eq!(scene.ledger().records(), before, "a refusal ({code}) changes nothing");
        code
    };
    for (i, earlier) in faults.iter().enumerate() {
        assert_eq!(refused(&[earlier]), earlier.0, "alone");
        for later in &faults[i + 1..] {
            assert!(earlier.0 < later.0, "the table is in order of precedence");
            assert_eq!(refused(&[earlier, later]), earlier.0, "together with {}", later.0);
        }
    }
    faults.iter().map(|f| f.0).collect()
}

/// A charge of 100 paid by a hold of 500 on a wallet of 1,000, out of a till of 200: all faults are possible.
#[derive(Clone)]
struct Settling {
    ledger: Ledger,
    transfer: Transfer,
    settle: Option<HoldId>,
}

impl Scene for Settling {
    fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
    }
    fn act(&mut self) -> Result<Applied, Refusal> {
        match self.settle {
            Some(hold) => self.ledger.settle(hold, self.transfer.clone()),
            None => self.ledger.post(self.transfer.clone()),
        }
    }
}

fn settling() -> Settling {
    let mut ledger = funded();
    done(ledger.post(transfer(2, TILL, CASH, 200)));
    done(ledger.post(transfer(3, CASH, POSTPAID, 1_000)));
    done(ledger.hold(new_hold(1, WALLET, 500)));
    done(ledger.hold(new_hold(2, WALLET, 500)));
    done(ledger.hold(new_hold(3, POSTPAID, 500)));
    let transfer = Transfer { hold: Some(hold_id(1)), ..transfer(10, WALLET, TILL, 100) };
    Settling { ledger, transfer, settle: None }
}

const SETTLING: [Fault<Settling>; 12] = [
    (Code::IdReused, |s| {
        done(s.ledger.post(Transfer { id: s.transfer.id, ..transfer(0, COST, CASH, 7) }));
    }),
    (Code::AccountMissing, |s| {
        if s.transfer.credit == s.transfer.debit {
            s.transfer.credit = NOWHERE;
        }
        s.transfer.debit = NOWHERE;
    }),
    (Code::CurrenciesDiffer, |s| s.transfer.currency = Currency::USD),
    (Code::AmountNotPositive, |s| s.transfer.amount = Money(-s.transfer.amount.0)),
    (Code::SameAccount, |s| s.transfer.credit = s.transfer.debit),
    (Code::CorrectsItself, |s| s.transfer.reason = TransferReason::Correct { of: s.transfer.id }),
    (Code::HoldDiffers, |s| s.settle = Some(hold_id(2))),
    (Code::HoldMissing, |s| s.transfer.hold = Some(hold_id(77))),
    (Code::HoldClosed, |s| {
        done(s.ledger.release(s.transfer.hold.unwrap()));
    }),
    (Code::HoldOfOtherAccount, |s| s.transfer.hold = Some(hold_id(3))),
    (Code::ExceedsHold, |s| s.transfer.amount = Money(501)),
    // Credits of the till at the end of their range, so that it also lacks funds: an overflow on the shrinking side
    // of an account with a floor is always a lack of funds too.
    (Code::Overflow, |s| {
        let till = s.ledger.account(TILL).unwrap().clone();
        done(s.ledger.post(transfer(50, TILL, REVENUE, i64::MAX - till.debits.0)));
        done(s.ledger.post(transfer(51, DRAIN, TILL, i64::MAX - till.credits.0 - 50)));
    }),
];

const DRAIN: base::AccountId = COST;

#[test]
fn transfers_are_refused_in_order() {
    let mut faults = SETTLING.to_vec();
    faults.push((Code::InsufficientFunds, |s| {
        done(s.ledger.post(transfer(40, CASH, TILL, 200)));
    }));
    let codes = walk(settling(), &faults);
    assert_eq!(codes.len(), 13);
}

#[test]
fn overflow_is_found_on_either_side_without_other_faults() {
    let mut ledger = funded();
    done(ledger.post(transfer(2, COST, REVENUE, i64::MAX)));
    for (id, debit, credit, at_fault) in [(3, COST, CASH, COST), (4, WALLET, REVENUE, REVENUE)] {
        let refusal = ledger.post(transfer(id, debit, credit, 1)).unwrap_err();
        assert_eq!((refusal.code, refusal.account), (Code::Overflow, Some(at_fault)));
    }
}

#[derive(Clone)]
struct Holding {
    ledger: Ledger,
    hold: NewHold,
}

impl Scene for Holding {
    fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
    }
    fn act(&mut self) -> Result<Applied, Refusal> {
        self.ledger.hold(self.hold.clone())
    }
}

#[test]
fn holds_are_refused_in_order() {
    let scene = Holding { ledger: funded(), hold: new_hold(1, WALLET, 500) };
    walk(
        scene,
        &[
            (Code::IdReused, |s| {
                done(s.ledger.hold(new_hold(1, POSTPAID, 3)));
            }),
            (Code::AccountMissing, |s| s.hold.account = NOWHERE),
            (Code::AmountNotPositive, |s| s.hold.amount = Money(0)),
            (Code::ExpiryNotLater, |s| s.hold.expires_at = Some(s.hold.opened_at)),
            (Code::Overflow, |s| {
                s.hold.amount = Money(i64::MAX);
                done(s.ledger.hold(new_hold(9, WALLET, 1)));
            }),
            (Code::InsufficientFunds, |s| {
                done(s.ledger.hold(new_hold(8, WALLET, 501)));
            }),
        ],
    );
}

#[derive(Clone)]
struct Extending {
    ledger: Ledger,
    hold: HoldId,
    to: Money,
}

impl Scene for Extending {
    fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
    }
    fn act(&mut self) -> Result<Applied, Refusal> {
        self.ledger.extend_hold(self.hold, self.to)
    }
}

#[test]
fn extensions_are_refused_in_order() {
    let mut ledger = funded();
    done(ledger.hold(new_hold(1, WALLET, 500)));
    walk(
        Extending { ledger, hold: hold_id(1), to: Money(600) },
        &[
            (Code::AmountNotPositive, |s| s.to = Money(0)),
            (Code::HoldMissing, |s| s.hold = hold_id(77)),
            (Code::HoldClosed, |s| {
                done(s.ledger.release(s.hold));
            }),
            (Code::Overflow, |s| {
                s.to = Money(i64::MAX);
                done(s.ledger.hold(new_hold(9, WALLET, 1)));
            }),
            (Code::InsufficientFunds, |s| {
                done(s.ledger.hold(new_hold(8, WALLET, 450)));
            }),
        ],
    );
}

#[derive(Clone)]
struct Opening {
    ledger: Ledger,
    account: NewAccount,
}

impl Scene for Opening {
    fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
    }
    fn act(&mut self) -> Result<Applied, Refusal> {
        self.ledger.open_account(self.account.clone())
    }
}

#[test]
fn accounts_are_refused_in_order() {
    let account = all_accounts().into_iter().find(|a| a.id == WALLET).unwrap();
    walk(
        Opening { ledger: Ledger::new(), account },
        &[
            (Code::IdReused, |s| {
                let code = AccountCode::new("other").unwrap();
                done(s.ledger.open_account(NewAccount { code, floor: Floor::Unlimited, ..s.account.clone() }));
            }),
            (Code::CodeTaken, |s| {
                done(s.ledger.open_account(NewAccount { id: CASH, floor: Floor::Unlimited, ..s.account.clone() }));
            }),
            (Code::FloorAboveBalance, |s| s.account.floor = Floor::NotBelow(Money(1))),
        ],
    );
}

#[derive(Clone)]
struct Flooring {
    ledger: Ledger,
    account: base::AccountId,
    floor: Floor,
}

impl Scene for Flooring {
    fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
    }
    fn act(&mut self) -> Result<Applied, Refusal> {
        self.ledger.set_floor(self.account, self.floor)
    }
}

#[test]
fn floors_are_refused_in_order() {
    walk(
        Flooring { ledger: funded(), account: WALLET, floor: Floor::NotBelow(Money(1_000)) },
        &[
            (Code::AccountMissing, |s| s.account = NOWHERE),
            (Code::FloorAboveBalance, |s| {
                done(s.ledger.hold(new_hold(1, WALLET, 1)));
            }),
        ],
    );
}

#[test]
fn a_release_knows_missing_holds_only() {
    let mut ledger = funded();
    assert_eq!(ledger.release(hold_id(1)).unwrap_err(), Refusal::new(Code::HoldMissing));
}

#[test]
fn the_list_is_the_order() {
    assert!(Code::ALL.is_sorted());
    // Every code is the answer of some table above; a new one must be added to one of them.
    let in_tables = [Code::CodeTaken, Code::ExpiryNotLater, Code::InsufficientFunds, Code::FloorAboveBalance];
    let covered: std::collections::BTreeSet<Code> = SETTLING.iter().map(|f| f.0).chain(in_tables).collect();
    assert!(covered.into_iter().eq(Code::ALL));
    for code in Code::ALL {
        assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{code}\""));
    }
}

/// For every code that may change on retry: what others do so that the very same request is then accepted.
#[test]
fn what_may_change_on_retry_does() {
    let mut cured = Vec::new();
    let mut check =
        |mut ledger: Ledger, ask: &dyn Fn(&mut Ledger) -> Result<Applied, Refusal>, cure: &dyn Fn(&mut Ledger)| {
            let code = ask(&mut ledger).expect_err("refused at first").code;
            assert!(code.may_change_on_retry(), "{code}");
            cure(&mut ledger);
            done(ask(&mut ledger));
            cured.push(code);
        };
    let others = |ledger: &mut Ledger, id| drop(done(ledger.open_account(all_accounts().remove(id))));
    check(Ledger::new(), &|l| l.set_floor(CASH, Floor::NotBelow(Money(0))), &|l| others(l, 0));
    check(funded(), &|l| l.settle(hold_id(1), transfer(9, WALLET, REVENUE, 5)), &|l| {
        done(l.hold(new_hold(1, WALLET, 5)));
    });
    check(settling().ledger, &|l| l.settle(hold_id(3), transfer(9, POSTPAID, REVENUE, 501)), &|l| {
        done(l.extend_hold(hold_id(3), Money(501)));
    });
    check(realm(), &|l| l.post(transfer(9, WALLET, REVENUE, 5)), &|l| {
        done(l.post(transfer(8, CASH, WALLET, 5)));
    });
    check(realm(), &|l| l.set_floor(WALLET, Floor::NotBelow(Money(5))), &|l| {
        done(l.post(transfer(8, CASH, WALLET, 5)));
    });
    assert!(cured.into_iter().eq(Code::ALL.into_iter().filter(|code| code.may_change_on_retry())));
}

#[test]
fn a_refusal_reads_as_one_line() {
    let mut ledger = funded();
    let batch = [transfer(2, CASH, WALLET, 1), transfer(3, WALLET, REVENUE, 1_000_000_000)];
    let text = ledger.post_all(&batch).unwrap_err().to_string();
    let expected = format!("insufficient_funds: {WALLET}: needs 1000.00, has 0.001001 (transfer 1 of the batch)");
    assert_eq!(text, expected);
    let again = Transfer { amount: Money(2), id: TransferId::from_u128(1), ..transfer(1, CASH, WALLET, 1) };
    assert_eq!(ledger.post(again).unwrap_err().to_string(), "id_reused: `amount` differs");
}
