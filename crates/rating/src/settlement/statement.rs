//! A supplier's statement as it is kept: its lines with both sides, what became of each, and what is owed in the end.
//! Knows how a dispute goes from one state to the next; refuses to know who may do that.

use std::sync::Arc;

use base::{AttemptId, Currency, Money, SupplierId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::minimum::OurShort;
use super::read::TheirLine;

/// What a quantity counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meter {
    Core,
    Card,
    Node,
}

impl Meter {
    pub const ALL: [Meter; 3] = [Self::Core, Self::Card, Self::Node];
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Card => "card",
            Self::Node => "node",
        }
    }
}

/// So many of a meter, held for a microsecond each: an hour of one core is 3,600,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Quantity {
    pub meter: Meter,
    pub micros: i64,
}

/// How a line compares with what we accrued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The same within the tolerance.
    Matched,
    Quantity,
    /// The amount does not follow from the quantity at our price.
    Price,
    QuantityAndPrice,
    /// We have it, the statement does not.
    OnlyOurs,
    /// The statement has it, we do not.
    OnlyTheirs,
    /// The statement names an attempt that another line of it, or an accepted statement before it, has.
    Duplicated,
}

impl Verdict {
    pub const ALL: [Verdict; 7] = [
        Self::Matched,
        Self::Quantity,
        Self::Price,
        Self::QuantityAndPrice,
        Self::OnlyOurs,
        Self::OnlyTheirs,
        Self::Duplicated,
    ];
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Quantity => "quantity",
            Self::Price => "price",
            Self::QuantityAndPrice => "quantity_and_price",
            Self::OnlyOurs => "only_ours",
            Self::OnlyTheirs => "only_theirs",
            Self::Duplicated => "duplicated",
        }
    }
}

/// By what a line of theirs found an attempt of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchedBy {
    Attempt,
    External,
    Time,
}

/// Where an attempt that is named twice was named first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Twin {
    /// A line of the same statement.
    Line(u32),
    /// An accepted statement, by our number of it.
    Settlement(u64),
}

/// What we know of an attempt on one of the supplier's pools.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OurLine {
    pub attempt: AttemptId,
    /// Number of its job.
    pub job: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<Arc<str>>,
    pub cluster: Arc<str>,
    pub user: Arc<str>,
    pub start: Timestamp,
    pub end: Timestamp,
    /// One of each meter that it took anything of.
    pub quantities: Vec<Quantity>,
    /// The fee accrued for it.
    pub accrued: Money,
}

/// Where the dispute about a line stands. A line that matched has none, unless somebody begins one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dispute {
    #[default]
    None,
    Open,
    /// Agreed: what we accrued is owed.
    Ours,
    /// Agreed: what they say is owed.
    Theirs,
    /// Agreed on this amount.
    Amount(Money),
    /// Not part of this statement: nothing is owed by it, and what was accrued stays for a later one.
    Later,
}

impl Dispute {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Open => "open",
            Self::Ours => "ours",
            Self::Theirs => "theirs",
            Self::Amount(_) => "amount",
            Self::Later => "later",
        }
    }
}

/// Why a line stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineRefused {
    #[error("a line is not taken out of dispute without an agreement: say ours, theirs, an amount or later")]
    NoAgreement,
    #[error("the line is agreed on already: begin another dispute about it first")]
    Agreed,
}

/// What accepting a line moves between accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Clearing {
    /// What was accrued for it and is cleared by this statement.
    pub accrued: Money,
    /// What is owed for it now.
    pub agreed: Money,
}

impl Clearing {
    /// From accrued straight to payable (negative: back); what is left of the accrual, to be released into the difference; what
    /// is owed beyond it, to be charged to the difference. `direct + released` is what was accrued and `direct + charged` what
    /// was agreed.
    pub fn parts(self) -> (Money, Money, Money) {
        let Clearing { accrued: Money(a), agreed: Money(g) } = self;
        let direct = match (a.signum(), g.signum()) {
            (1, 1) => a.min(g),
            (-1, -1) => a.max(g),
            _ => 0,
        };
        (Money(direct), Money(a - direct), Money(g - direct))
    }
}

/// One line of a statement: theirs, ours, or both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Our number of the statement, and of the line in it, both from 1.
    pub settlement: u64,
    pub line: u32,
    pub verdict: Verdict,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<MatchedBy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ours: Option<OurLine>,
    /// In the place of an attempt: a shortfall.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short: Option<OurShort>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theirs: Option<TheirLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twin: Option<Twin>,
    #[serde(default)]
    pub dispute: Dispute,
    /// Of whoever changed the dispute last.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

impl Line {
    /// What was accrued for the attempt or the shortfall that this line, and no other, stands for.
    pub fn accrued(&self) -> Money {
        match self.verdict {
            Verdict::Duplicated => Money::ZERO,
            _ => {
                let short = self.short.map_or(Money::ZERO, |s| s.accrued);
                self.ours.as_ref().map_or(short, |o| o.accrued)
            }
        }
    }

    pub fn claimed(&self) -> Money {
        self.theirs.as_ref().map_or(Money::ZERO, |t| t.amount)
    }

    /// The attempt that accepting the statement settles by this line.
    pub fn settles(&self) -> Option<AttemptId> {
        let counts = self.verdict != Verdict::Duplicated && self.dispute != Dispute::Later;
        self.ours.as_ref().filter(|_| counts).map(|o| o.attempt)
    }

    /// The shortfall that accepting the statement settles by this line.
    pub fn settles_short(&self) -> Option<OurShort> {
        self.short.filter(|_| self.verdict != Verdict::Duplicated && self.dispute != Dispute::Later)
    }

    /// What accepting it moves; `None` while it is in dispute.
    pub fn clearing(&self) -> Option<Clearing> {
        let accrued = self.accrued();
        let agreed = match self.dispute {
            Dispute::Open => return None,
            Dispute::Later => return Some(Clearing::default()),
            Dispute::None | Dispute::Theirs => self.claimed(),
            Dispute::Ours => accrued,
            Dispute::Amount(amount) => amount,
        };
        Some(Clearing { accrued, agreed })
    }

    /// The next state of its dispute: [`Dispute::Open`] begins one or takes an agreement back, the others end an open one.
    ///
    /// # Errors
    /// The line is in a state from which this does not follow; asking for the state it has is no error.
    pub fn set(&mut self, to: Dispute, note: &str, user: Option<UserId>, at: Timestamp) -> Result<(), LineRefused> {
        match (self.dispute, to) {
            (_, Dispute::None) => return Err(LineRefused::NoAgreement),
            (from, to) if from == to => {}
            (_, Dispute::Open) | (Dispute::Open, _) => {}
            (_, _) => return Err(LineRefused::Agreed),
        }
        self.dispute = to;
        self.note = note.to_owned();
        self.user = user;
        self.at = Some(at);
        Ok(())
    }
}

/// Where a statement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Open,
    /// Agreed and posted: its lines never change again.
    Accepted,
    /// Taken back before it was accepted; another may have its number.
    Withdrawn,
}

impl State {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted => "accepted",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// How many lines came out one way, and what the two sides say of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    pub verdict: Verdict,
    pub lines: u32,
    /// Accrued for attempts that these lines stand for.
    pub ours: Money,
    pub theirs: Money,
}

impl Sums {
    /// One for each verdict that occurs, in their order. The sums of `theirs` make the statement's total.
    ///
    /// `None` when a sum leaves the range of money.
    pub fn of(lines: &[Line]) -> Option<Vec<Sums>> {
        let mut found = Vec::new();
        for verdict in Verdict::ALL {
            let mut sums = Sums { verdict, lines: 0, ours: Money::ZERO, theirs: Money::ZERO };
            for line in lines.iter().filter(|l| l.verdict == verdict) {
                sums.lines += 1;
                sums.ours = sums.ours.checked_add(line.accrued())?;
                sums.theirs = sums.theirs.checked_add(line.claimed())?;
            }
            if sums.lines > 0 {
                found.push(sums);
            }
        }
        Some(found)
    }
}

/// A supplier's statement without its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Ours, from 1, dense.
    pub number: u64,
    pub supplier: SupplierId,
    /// The supplier's own number of it: with the supplier, the name under which it is taken in once.
    pub statement: Arc<str>,
    /// Work that ended within `from < end <= to`.
    pub from: Timestamp,
    pub to: Timestamp,
    pub currency: Currency,
    pub state: State,
    /// Grows with every change, so that nobody changes what another has changed meanwhile.
    pub revision: u64,
    pub lines: u32,
    /// Lines in dispute.
    pub open: u32,
    pub sums: Vec<Sums>,
    pub imported_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
    /// Which acceptance this was, counted over all statements from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_as: Option<u64>,
    /// Accrued for the attempts that it settles, what is owed for all of its lines, and what of that was paid.
    #[serde(default)]
    pub cleared: Money,
    #[serde(default)]
    pub payable: Money,
    #[serde(default)]
    pub paid: Money,
    #[serde(default)]
    pub payments: u32,
    /// How its file was read, JSON, where that is kept for the supplier's next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<Arc<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clearing_moves_both_sides_whole_and_no_more() {
        let values = [-7, -3, 0, 3, 7].map(Money);
        for (accrued, agreed) in values.into_iter().flat_map(|a| values.map(|g| (a, g))) {
            let (direct, released, charged) = Clearing { accrued, agreed }.parts();
            assert_eq!((direct + released, direct + charged), (accrued, agreed));
            assert!(released == Money::ZERO || charged == Money::ZERO || accrued.0.signum() != agreed.0.signum());
        }
    }

    #[test]
    fn a_dispute_ends_by_agreement_only() {
        let mut line = Line {
            settlement: 1,
            line: 1,
            verdict: Verdict::Matched,
            by: None,
            ours: None,
            short: None,
            theirs: None,
            twin: None,
            dispute: Dispute::None,
            note: String::new(),
            user: None,
            at: None,
        };
        let mut set = |to| line.set(to, "", None, Timestamp::ZERO);
        assert_eq!(set(Dispute::Ours), Err(LineRefused::Agreed));
        assert_eq!(set(Dispute::Open), Ok(()));
        assert_eq!(set(Dispute::None), Err(LineRefused::NoAgreement));
        assert_eq!(set(Dispute::Amount(Money(3))), Ok(()));
        assert_eq!(set(Dispute::Amount(Money(3))), Ok(()));
        assert_eq!(set(Dispute::Theirs), Err(LineRefused::Agreed));
        assert_eq!(set(Dispute::Open), Ok(()));
        assert_eq!(set(Dispute::Later), Ok(()));
        assert_eq!(line.clearing(), Some(Clearing::default()));
    }
}
