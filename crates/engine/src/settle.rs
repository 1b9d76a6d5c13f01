//! Settling with suppliers: statements taken in once, disputes, acceptance with its postings, payments.
//! Matching is done before it comes here; what was read from the store for it is checked to be still so.

use std::sync::Arc;

use base::{Currency, Money, SupplierId, TransferId, digest128};
use ledger::{Memo, Reference, Stream, TransferReason};
use model::Actor;
use rating::SupplierTerms;
use rating::settlement::{Dispute, Line, LineRefused, State, Statement, Sums};

use crate::books::{Book, Posting};
use crate::denied::Denied;
use crate::input::Report;
use crate::record::{Batch, Record};
use crate::state::Engine;

/// What is asked about a supplier's statement.
#[derive(Clone, Debug)]
pub enum Settling {
    /// A statement that was read and matched. `acceptances` is how many statements were accepted when it was looked up what
    /// they settle.
    Import { statement: Box<Draft>, lines: Vec<Line>, acceptances: u64 },
    /// Lines as they were read at `revision`, and what becomes of the dispute about each of them.
    Set { settlement: u64, revision: u64, lines: Vec<Line>, to: Dispute, note: String },
    /// All lines as they were read at `revision`.
    Accept { settlement: u64, revision: u64, lines: Vec<Line>, acceptances: u64 },
    /// Takes a statement back that is not accepted yet.
    Withdraw { settlement: u64, note: String },
    /// Pays so much of what is owed by an accepted statement; all that is left when no amount is named.
    Pay { settlement: u64, amount: Option<Money>, memo: String },
}

/// What is known of a statement before it has a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub supplier: SupplierId,
    pub statement: Arc<str>,
    pub from: base::Timestamp,
    pub to: base::Timestamp,
    pub currency: Currency,
    /// How its file was read, where that is to be kept.
    pub mapping: Option<Arc<str>>,
}

/// Sums of a statement up to here are booked: a thousandth of the range of money, so that the books of a thousand such fit.
const SUM_MAX: Money = Money(i64::MAX / 1_000);

impl Engine {
    pub(crate) fn settle(&mut self, what: Settling, actor: Actor, out: &mut Batch) -> Result<Report, Denied> {
        match what {
            Settling::Import { statement, lines, acceptances } => {
                self.import_statement(*statement, lines, acceptances, actor, out)
            }
            Settling::Set { settlement, revision, lines, to, note } => {
                self.set_lines(settlement, revision, lines, to, note, actor, out)
            }
            Settling::Accept { settlement, revision, lines, acceptances } => {
                self.accept_statement(settlement, revision, lines, acceptances, actor, out)
            }
            Settling::Withdraw { settlement, note } => self.withdraw_statement(settlement, &note, actor, out),
            Settling::Pay { settlement, amount, memo } => self.pay_statement(settlement, amount, &memo, actor, out),
        }
    }

    fn import_statement(
        &mut self,
        draft: Draft,
        mut lines: Vec<Line>,
        acceptances: u64,
        actor: Actor,
        out: &mut Batch,
    ) -> Result<Report, Denied> {
        let Draft { supplier, statement, from, to, currency, mapping } = draft;
        if !self.suppliers.contains_key(&supplier) {
            return Err(Denied::NotFound("supplier"));
        }
        let same = |s: &&Statement| s.supplier == supplier && s.statement == statement && s.state != State::Withdrawn;
        if let Some(known) = self.settlements.values().find(same) {
            return Err(Denied::StatementKnown { statement, settlement: known.number });
        }
        if currency != self.policy.cost_currency {
            return Err(Denied::CostCurrency { statement: currency, costs: self.policy.cost_currency });
        }
        if acceptances != self.acceptances() {
            return Err(Denied::SettlementMoved);
        }
        let sums = Sums::of(&lines).filter(|sums| {
            let within = |m: Money| m <= SUM_MAX && m >= -SUM_MAX;
            sums.iter().all(|s| within(s.ours) && within(s.theirs))
        });
        let sums = sums.ok_or(Denied::MoneyRange)?;
        // From here on nothing fails.
        let number = self.settlements.last_key_value().map_or(0, |(n, _)| *n) + 1;
        let entry = Statement {
            number,
            supplier,
            statement,
            from,
            to,
            currency,
            state: State::Open,
            revision: 1,
            lines: lines.len() as u32,
            open: lines.iter().filter(|l| l.dispute == Dispute::Open).count() as u32,
            sums,
            imported_at: self.now,
            accepted_at: None,
            accepted_as: None,
            cleared: Money::ZERO,
            payable: Money::ZERO,
            paid: Money::ZERO,
            payments: 0,
            mapping,
        };
        let kept = if entry.mapping.is_some() { ", its mapping is kept" } else { "" };
        let detail =
            format!("{} of {supplier}: {} lines, {} in dispute{kept}", entry.statement, entry.lines, entry.open);
        self.audit(out, actor, "settlement.import", number.to_string(), None, detail);
        lines.iter_mut().for_each(|line| line.settlement = number);
        out.records.extend(lines.into_iter().map(|line| Record::StatementLine(Box::new(line))));
        Ok(self.keep_statement(entry, out))
    }

    /// The statement, if it is open and nobody has changed it since `revision`.
    fn open_statement(&self, settlement: u64, revision: Option<u64>) -> Result<Statement, Denied> {
        let known = self.settlements.get(&settlement).ok_or(Denied::NotFound("settlement"))?;
        match known.state {
            State::Accepted => return Err(Denied::Settlement(ACCEPTED)),
            State::Withdrawn => {
                return Err(Denied::Settlement("the settlement was withdrawn: import the statement again"));
            }
            State::Open => {}
        }
        if revision.is_some_and(|revision| revision != known.revision) {
            return Err(Denied::SettlementMoved);
        }
        Ok(known.clone())
    }

    #[allow(clippy::too_many_arguments)]
    fn set_lines(
        &mut self,
        settlement: u64,
        revision: u64,
        mut lines: Vec<Line>,
        to: Dispute,
        note: String,
        actor: Actor,
        out: &mut Batch,
    ) -> Result<Report, Denied> {
        let mut entry = self.open_statement(settlement, Some(revision))?;
        if matches!(to, Dispute::Amount(amount) if amount > SUM_MAX || amount < -SUM_MAX) {
            return Err(Denied::MoneyRange);
        }
        let user = match actor {
            Actor::User(user) => Some(user),
            Actor::Platform | Actor::Cluster(_) => None,
        };
        let open = |lines: &[Line]| lines.iter().filter(|l| l.dispute == Dispute::Open).count() as u32;
        let before = open(&lines);
        for line in &mut lines {
            line.set(to, &note, user, self.now).map_err(|refused| match refused {
                LineRefused::NoAgreement => {
                    Denied::Settlement("say how the dispute ends: ours, theirs, an amount or later")
                }
                LineRefused::Agreed => Denied::Settlement(AGREED),
            })?;
        }
        // From here on nothing fails.
        entry.open = entry.open + open(&lines) - before;
        entry.revision += 1;
        let numbers: Vec<String> = lines.iter().take(AUDITED_LINES_MAX).map(|l| l.line.to_string()).collect();
        let more = lines.len().saturating_sub(AUDITED_LINES_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let what = match to {
            Dispute::Amount(amount) => format!("amount {amount}"),
            other => other.as_str().to_owned(),
        };
        let note = if note.is_empty() { note } else { format!(" ({note})") };
        let detail = format!("lines {}{more}: {what}{note}", numbers.join(", "));
        let action = if to == Dispute::Open { "settlement.dispute" } else { "settlement.resolve" };
        self.audit(out, actor, action, settlement.to_string(), None, detail);
        out.records.extend(lines.into_iter().map(|line| Record::StatementLine(Box::new(line))));
        Ok(self.keep_statement(entry, out))
    }

    fn accept_statement(
        &mut self,
        settlement: u64,
        revision: u64,
        lines: Vec<Line>,
        acceptances: u64,
        actor: Actor,
        out: &mut Batch,
    ) -> Result<Report, Denied> {
        let mut entry = self.open_statement(settlement, Some(revision))?;
        if acceptances != self.acceptances() {
            return Err(Denied::SettlementMoved);
        }
        if entry.open > 0 {
            return Err(Denied::Disputed { lines: entry.open });
        }
        if lines.len() != entry.lines as usize {
            return Err(Denied::Settlement("not all lines were read"));
        }
        let (mut cleared, mut payable) = (0i128, 0i128);
        for line in &lines {
            let clearing = line.clearing().ok_or(Denied::Disputed { lines: 1 })?;
            cleared += i128::from(clearing.accrued.0);
            payable += i128::from(clearing.agreed.0);
        }
        let within = |sum: i128| {
            i64::try_from(sum).ok().map(Money).filter(|m| *m <= SUM_MAX && *m >= -SUM_MAX).ok_or(Denied::MoneyRange)
        };
        (entry.cleared, entry.payable) = (within(cleared)?, within(payable)?);
        let terms = self.shortfalls_settled(&entry, &lines)?;
        // From here on nothing fails.
        if let Some(terms) = terms {
            out.records.push(Record::SupplierTerms(Box::new(terms.clone())));
            self.supplier_terms.insert(entry.supplier, terms);
        }
        lines.iter().for_each(|line| self.clear(&entry, line, out));
        entry.state = State::Accepted;
        entry.revision += 1;
        entry.accepted_at = Some(self.now);
        entry.accepted_as = Some(acceptances + 1);
        let detail = format!("accrued {} {c}, agreed {} {c}", entry.cleared, entry.payable, c = entry.currency);
        self.audit(out, actor, "settlement.accept", settlement.to_string(), None, detail);
        Ok(self.keep_statement(entry, out))
    }

    /// The supplier's terms when the shortfalls that lines stand for are settled; `None` where there are none.
    fn shortfalls_settled(&self, entry: &Statement, lines: &[Line]) -> Result<Option<SupplierTerms>, Denied> {
        let mut shorts = lines.iter().filter_map(Line::settles_short).peekable();
        if shorts.peek().is_none() {
            return Ok(None);
        }
        let known = self.supplier_terms.get(&entry.supplier).ok_or(Denied::NotFound("supplier's terms"))?;
        let mut terms = known.clone();
        for short in shorts {
            terms.settle(&short, entry.number).ok_or(Denied::Settlement(SHORTFALL_MOVED))?;
        }
        Ok(Some(terms))
    }

    /// Posts what a line moves: from accrued to payable as far as both go, the rest of either against the difference.
    fn clear(&mut self, entry: &Statement, line: &Line, out: &mut Batch) {
        let supplier = entry.supplier;
        let (accrued, payable) = (Book::SupplierAccrued(supplier), Book::SupplierPayable(supplier));
        let difference = Book::SettlementDifference(supplier);
        let (direct, released, charged) = line.clearing().unwrap_or_default().parts();
        let reference = match (line.settles(), line.settles_short()) {
            (Some(attempt), _) => Reference::Subject { stream: Stream::from(attempt) },
            (None, Some(short)) => {
                Reference::Interval { stream: Stream::new(supplier.as_u128(), 0), from: short.from, to: short.to }
            }
            (None, None) => Reference::Text { text: Memo::clipped(&entry.statement) },
        };
        let parts =
            [(1u8, direct, accrued, payable), (2, released, accrued, difference), (3, charged, difference, payable)];
        for (part, amount, debit, credit) in parts {
            let back = amount.is_negative();
            let (amount, debit, credit) = if back { (-amount, credit, debit) } else { (amount, debit, credit) };
            let posting = Posting {
                id: transfer_id(entry, &[&line.line.to_be_bytes(), &[part]]),
                debit,
                credit,
                amount,
                currency: entry.currency,
                reason: TransferReason::Accrue,
                memo: Memo::clipped(&format!("settlement {} line {}", entry.number, line.line)),
                reference: Some(reference.clone()),
            };
            // The operator's accounts have no floor and the sums were looked at.
            let posted = self.post(posting, None, out);
            debug_assert!(posted.is_ok(), "{posted:?}");
        }
    }

    fn withdraw_statement(
        &mut self,
        settlement: u64,
        note: &str,
        actor: Actor,
        out: &mut Batch,
    ) -> Result<Report, Denied> {
        let mut entry = self.open_statement(settlement, None)?;
        entry.state = State::Withdrawn;
        entry.revision += 1;
        self.audit(out, actor, "settlement.withdraw", settlement.to_string(), None, note.to_owned());
        Ok(self.keep_statement(entry, out))
    }

    fn pay_statement(
        &mut self,
        settlement: u64,
        amount: Option<Money>,
        memo: &str,
        actor: Actor,
        out: &mut Batch,
    ) -> Result<Report, Denied> {
        let mut entry = self.settlements.get(&settlement).cloned().ok_or(Denied::NotFound("settlement"))?;
        if entry.state != State::Accepted {
            return Err(Denied::Settlement("only an accepted settlement is paid"));
        }
        let left = entry.payable - entry.paid;
        let amount = amount.unwrap_or(left);
        // What a credit note gives back comes in as a negative payment.
        let fits = if left.is_negative() {
            amount < Money::ZERO && amount >= left
        } else {
            amount > Money::ZERO && amount <= left
        };
        if !fits {
            return Err(Denied::Overpaid { left, currency: entry.currency });
        }
        let memo = Memo::new(memo).map_err(|_| Denied::Invalid("the memo is too long or has control characters"))?;
        entry.payments += 1;
        let (payable, cash) = (Book::SupplierPayable(entry.supplier), Book::Cash);
        let (debit, credit) = if amount.is_negative() { (cash, payable) } else { (payable, cash) };
        let posting = Posting {
            id: transfer_id(&entry, &[b"payment", &entry.payments.to_be_bytes()]),
            debit,
            credit,
            amount: if amount.is_negative() { -amount } else { amount },
            currency: entry.currency,
            reason: TransferReason::Pay,
            memo,
            reference: Some(Reference::Text { text: Memo::clipped(&entry.statement) }),
        };
        self.post(posting, None, out)?;
        entry.paid += amount;
        entry.revision += 1;
        let detail = format!("{amount} {}", entry.currency);
        self.audit(out, actor, "settlement.pay", settlement.to_string(), None, detail);
        Ok(self.keep_statement(entry, out))
    }

    fn keep_statement(&mut self, entry: Statement, out: &mut Batch) -> Report {
        let settlement = entry.number;
        out.records.push(Record::Statement(Box::new(entry.clone())));
        self.settlements.insert(settlement, entry);
        Report::Settlement { settlement }
    }

    /// How many statements have been accepted.
    fn acceptances(&self) -> u64 {
        self.settlements.values().filter_map(|s| s.accepted_as).max().unwrap_or(0)
    }
}

const ACCEPTED: &str = "the settlement is accepted and its lines never change again; a correction is a new statement";
const SHORTFALL_MOVED: &str = "a shortfall that a line stands for is settled by another statement, or has changed since this one was taken \
    in: resolve the line as later, or withdraw the statement and import it again";
const AGREED: &str = "a line is agreed on already: begin another dispute about it first";
/// Numbers of lines that one entry of the audit log names.
const AUDITED_LINES_MAX: usize = 50;

/// Accepting a statement or making its n-th payment twice would repeat an id.
fn transfer_id(entry: &Statement, what: &[&[u8]]) -> TransferId {
    let (supplier, number) = (entry.supplier.to_bytes(), entry.number.to_be_bytes());
    let mut parts: Vec<&[u8]> = vec![b"settlement", &supplier, entry.statement.as_bytes(), &number];
    parts.extend(what);
    TransferId::from_u128(digest128(&parts))
}
