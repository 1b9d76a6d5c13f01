//! Usage that is no running time: what is stored, what is moved, requests and tokens, as somebody reported it and as it was billed.
//! Knows what makes a record senseless and what it costs in its place of the month; refuses to know the ledger, who may report,
//! and how records come in.

use std::sync::Arc;

use base::{Money, PoolId, PriceBookId, ProjectId, Resources, Span, TenantId, Timestamp, UserId, digest128};
use model::{Chip, PriorityClass, ProductLine};
use serde::{Deserialize, Serialize};

use crate::book::{Call, Sale};
use crate::contract::Drawn;
use crate::grant::Credits;
use crate::tariff::item::is_name;
use crate::tariff::{Month, Part, Price, Unit, UtcOffset};
use crate::volumes::{Pieces, Volumes};

/// The part of a ledger's stream that says that its subject is usage: attempts of jobs count from 1, and no job has so many.
pub const STREAM_PART: u32 = u32::MAX;

/// The source of what the platform itself has counted. Nobody else may name it.
pub const PLATFORM: &str = "platform";

/// What somebody says was used. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// Who reports it, in words: `gateway-1`.
    pub source: Arc<str>,
    /// Given by the source: the same id is the same usage.
    pub id: Arc<str>,
    pub tenant: TenantId,
    pub project: ProjectId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// Not of running work.
    pub unit: Unit,
    /// In smallest pieces of the unit: bytes times microseconds, bytes, requests, tokens.
    pub pieces: Pieces,
    pub from: Timestamp,
    /// Not before `from`.
    pub to: Timestamp,
    pub line: ProductLine,
    /// Where it was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolId>,
    /// What was used, in words: the name of a model, of a bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Arc<str>>,
    /// By whose prices: the model that answered. Of requests and tokens alone, like what follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Arc<str>>,
    /// Which of its requests or tokens: `input`, `output`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Arc<str>>,
}

/// Characters of a source, an id, a label, a model or a kind: a digest in hexadecimal with a name before it.
pub const TEXT_MAX: usize = 128;
/// A record is of at most so long a time, so that one price of the hour and one month can be its own.
pub const LASTS_MAX: Span = Span::from_hours(24);
/// It is reported at most so late: statements of a year and its last month are closed by then.
pub const LATE_MAX: Span = Span::from_hours(400 * 24);
/// Clocks of those who report may be ahead by so much.
pub const AHEAD_MAX: Span = Span::from_mins(1);
/// Pieces of one record: an exabyte for a day is 1.0e29, and times the dearest sensible price they stay in 128 bits.
pub const PIECES_MAX: u128 = 100_000_000_000_000_000_000_000_000_000;

/// Why a record is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageFault {
    #[error(
        "{0} is billed by the time that work runs, which the platform meters itself; report gib_month, gib_moved, request or kilotoken"
    )]
    Timed(Unit),
    #[error(
        "a source, an id and a label have 1 to {TEXT_MAX} characters and no control characters; a model and a kind no blanks at their ends either"
    )]
    Text,
    #[error("a model and a kind are of requests and tokens; say of others what was used as their label")]
    Model,
    #[error("nothing was used, or more than any record has")]
    Pieces,
    #[error("it ends before it begins")]
    Backwards,
    #[error("it goes on for more than a day: report it in parts")]
    TooLong,
    #[error("it ends in the future: report it when it is over")]
    Ahead,
    #[error("it is more than 400 days old: correct the tenant's bill by hand")]
    TooLate,
}

impl Reported {
    /// By what it is known: the same for the same source and id.
    pub fn key(&self) -> u128 {
        key(&self.source, &self.id)
    }

    /// Of all that it says.
    pub fn fingerprint(&self) -> u128 {
        let Reported { source, id, tenant, project, user, unit, pieces, from, to, line, pool, label, model, kind } =
            self;
        let said = |text: &Option<Arc<str>>| text.as_ref().map_or_else(Vec::new, |l| [b"=", l.as_bytes()].concat());
        let (label, model, kind) = (said(label), said(model), said(kind));
        let (tenant, project) = (tenant.to_bytes(), project.to_bytes());
        let [user, pool] = [user.map_or(0, |u| u.as_u128()), pool.map_or(0, |p| p.as_u128())].map(u128::to_be_bytes);
        let pieces = pieces.0.to_be_bytes();
        let [from, to] = [from, to].map(|at| at.as_micros().to_be_bytes());
        let mut parts: Vec<&[u8]> = vec![
            source.as_bytes(),
            id.as_bytes(),
            &tenant,
            &project,
            &user,
            unit.as_str().as_bytes(),
            &pieces,
            &from,
            &to,
            line.as_str().as_bytes(),
            &pool,
            &label,
        ];
        // As before there were models, where none is named.
        if !(model.is_empty() && kind.is_empty()) {
            parts.extend([&*model, &*kind]);
        }
        digest128(&parts)
    }

    /// How it is sold: as ordinary work of its product line, in its pool or in none (then without a name).
    pub fn sale<'a>(&'a self, tenant: &'a str, pool: &'a str, chip: Option<&'a Chip>) -> Sale<'a> {
        let none = Resources::ZERO;
        Sale {
            tenant,
            pool,
            chip,
            product: self.line,
            class: PriorityClass::default(),
            shape: none,
            nodes: 0,
            per_node: none,
            call: Call { model: self.model.as_deref(), kind: self.kind.as_deref() },
        }
    }

    /// The first reason why it is none.
    pub fn fault(&self, now: Timestamp) -> Option<UsageFault> {
        let is_text = |text: &str| {
            let count = text.chars().count();
            (1..=TEXT_MAX).contains(&count) && !text.chars().any(char::is_control) && !text.trim().is_empty()
        };
        let label = self.label.as_deref().is_none_or(is_text);
        let call = [&self.model, &self.kind].map(|text| text.as_deref());
        let named = call.iter().all(|text| text.is_none_or(is_name));
        match () {
            () if self.unit.is_timed() => Some(UsageFault::Timed(self.unit)),
            () if !(is_text(&self.source) && is_text(&self.id) && label && named) => Some(UsageFault::Text),
            () if !self.unit.is_of_models() && call != [None, None] => Some(UsageFault::Model),
            () if self.pieces.0 == 0 || self.pieces.0 > PIECES_MAX => Some(UsageFault::Pieces),
            () if self.to < self.from => Some(UsageFault::Backwards),
            () if self.to - self.from > LASTS_MAX => Some(UsageFault::TooLong),
            () if self.to > now + AHEAD_MAX => Some(UsageFault::Ahead),
            () if self.to < now - LATE_MAX => Some(UsageFault::TooLate),
            () => None,
        }
    }
}

/// By what the record of a source with an id is known.
pub fn key(source: &str, id: &str) -> u128 {
    digest128(&[b"usage", source.as_bytes(), id.as_bytes()])
}

/// Usage as it was billed, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// From 1 without a gap, in the order of booking.
    pub number: u64,
    pub of: Reported,
    /// When it was booked.
    pub at: Timestamp,
    /// In whose day of the reports it counts: its end, or when it was booked where the month of that was closed already.
    pub counts_at: Timestamp,
    pub book: PriceBookId,
    /// Place of the item in its book, from 0.
    pub item: u16,
    /// What of it contracts included: not charged.
    #[serde(default, skip_serializing_if = "<[Drawn]>::is_empty")]
    pub drawn: Box<[Drawn]>,
    pub charge: Money,
    /// Part of the charge that the wallet could not cover; written off.
    pub uncollected: Money,
    /// Parts of the charge that grants paid.
    #[serde(default, skip_serializing_if = "Credits::is_none")]
    pub credits: Credits,
}

impl Usage {
    /// Pieces that contracts included.
    pub fn included(&self) -> u128 {
        self.drawn.iter().fold(0, |sum, drawn| sum + u128::try_from(drawn.pieces).unwrap_or(0))
    }
    /// Part of the charge that grants paid.
    pub fn credited(&self) -> Money {
        self.credits.iter().fold(Money::ZERO, |sum, credit| sum + credit.value)
    }
    /// What of the charge is the tenant's own to pay.
    pub fn own_part(&self) -> Money {
        self.charge - self.credited()
    }
    /// It was reported when the month in which it happened was closed.
    pub fn is_late(&self) -> bool {
        self.counts_at != self.of.to
    }
}

/// What so many pieces cost by an item's price at a moment, as the tenant's usage of a month goes on. The sum over a month is what
/// the month's pieces come to, rounded down once: of a price by quantity each at the price of its place, else each at the price of
/// its hour. With a minimum every record is rounded down by itself and costs at least that. `None`, and nothing is counted, beyond
/// the range of money.
pub fn charge(part: &Part, volumes: &mut Volumes, offset: UtcOffset, at: Timestamp, pieces: u128) -> Option<Money> {
    let month = |offset: UtcOffset| -> Month { offset.month_of(at) };
    let price = match &part.price {
        _ if pieces == 0 => return Some(Money::ZERO),
        Price::Volume(volume) => return volumes.add(part.item, month(volume.offset), part.unit, volume, pieces),
        _ if part.minimum > Money::ZERO => return part.once(pieces, at, 0),
        Price::Flat(price) => *price,
        Price::Week(week) => week.at(at),
    };
    let worth = pieces.checked_mul(u128::from(price.micros().unsigned_abs()))?;
    volumes.add_worth(part.item, month(offset), part.unit, worth)
}

#[cfg(test)]
#[path = "usage_tests.rs"]
mod tests;
