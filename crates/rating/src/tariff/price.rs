//! The prices of one run and the amounts that follow from them: whole numbers, one division for each part, rounded down.
//! Refuses to know what was billed before and where quantities of the month are kept.

use std::sync::Arc;

use base::{Money, Resources, Span, Timestamp};
use serde::{Deserialize, Serialize};

use super::calendar::{MINUTES_A_DAY, UtcOffset, WEEK_US};
use super::item::{Item, Unit};

/// What a unit costs, when, and how many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Price {
    Flat(Money),
    /// By the hour of the week.
    Week(Week),
    /// By the tenant's quantity in the calendar month.
    Volume(Volume),
}

/// A price for every minute of a week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredWeek", into = "StoredWeek")]
pub struct Week {
    pub offset: UtcOffset,
    /// Shared by all runs of a meter's copies; never empty.
    spells: Arc<[Spell]>,
    least: Money,
    /// Price times microseconds of a whole week.
    whole: i128,
}

/// A part of the week with one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spell {
    /// Microseconds after Monday's midnight; the first 0.
    from: i64,
    price: Money,
    /// Price times microseconds from Monday's midnight to `from`, so that any moment's sum is one multiplication away.
    before: i128,
}

/// A week as it is stored: from which minute after Monday's midnight on a price holds; the first from 0.
#[derive(Clone, Serialize, Deserialize)]
struct StoredWeek {
    offset: UtcOffset,
    prices: Vec<(u32, Money)>,
}

/// Graduated prices: each piece of the month at the price of its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    pub offset: UtcOffset,
    /// From how many whole units on a price holds; the first from 0.
    prices: Vec<(u64, Money)>,
}

impl From<StoredWeek> for Week {
    fn from(StoredWeek { offset, prices }: StoredWeek) -> Week {
        let mut sum = 0;
        let ends = prices.iter().skip(1).map(|(minute, _)| i64::from(*minute) * MINUTE_US).chain([WEEK_US]);
        let mut spells = Vec::with_capacity(prices.len().max(1));
        for ((minute, price), end) in prices.iter().zip(ends) {
            let from = i64::from(*minute) * MINUTE_US;
            spells.push(Spell { from, price: *price, before: sum });
            sum += i128::from(price.micros()) * i128::from((end - from).max(0));
        }
        if spells.is_empty() {
            spells.push(Spell { from: 0, price: Money::ZERO, before: 0 });
        }
        let least = spells.iter().map(|spell| spell.price).min().unwrap_or_default();
        Week { offset, spells: spells.into(), least, whole: sum }
    }
}

impl From<Week> for StoredWeek {
    fn from(week: Week) -> StoredWeek {
        let minute = |from: i64| u32::try_from(from / MINUTE_US).unwrap_or(0);
        let prices = week.spells.iter().map(|spell| (minute(spell.from), spell.price)).collect();
        StoredWeek { offset: week.offset, prices }
    }
}

const MINUTES_A_WEEK: u32 = MINUTES_A_DAY as u32 * 7;

impl Week {
    /// `None` when a price leaves the range of money.
    fn of(item: &Item, offset: UtcOffset) -> Option<Week> {
        // Of each band and day: the minute in which it begins, how long it lasts, and its price.
        let mut spans: Vec<(u32, u32, Money)> = Vec::with_capacity(item.bands.len() * 7);
        for band in &item.bands {
            let price = band.rate.of(item.price)?;
            let (from, to) = (u32::from(band.from.minutes()), u32::from(band.to.minutes()));
            let lasts = if to <= from { to + u32::from(MINUTES_A_DAY) - from } else { to - from };
            spans.extend(band.days.iter().map(|day| {
                let begins = *day as u32 * u32::from(MINUTES_A_DAY) + from;
                (begins % MINUTES_A_WEEK, lasts, price)
            }));
        }
        let ends = spans.iter().map(|(from, lasts, _)| (from + lasts) % MINUTES_A_WEEK);
        let mut minutes: Vec<u32> = spans.iter().map(|(from, ..)| *from).chain(ends).chain([0]).collect();
        minutes.sort_unstable();
        minutes.dedup();
        // The first band that holds counts.
        let at = |minute: u32| {
            let holds =
                |(from, lasts, _): &&(u32, u32, Money)| (minute + MINUTES_A_WEEK - from) % MINUTES_A_WEEK < *lasts;
            spans.iter().find(holds).map_or(item.price, |(.., price)| *price)
        };
        let mut prices: Vec<(u32, Money)> = minutes.into_iter().map(|minute| (minute, at(minute))).collect();
        prices.dedup_by(|later, earlier| later.1 == earlier.1);
        Some(StoredWeek { offset, prices }.into())
    }

    /// The spell in which a moment of the week lies.
    fn spell(&self, within: i64) -> &Spell {
        let after = self.spells.partition_point(|spell| spell.from <= within);
        // The first begins with the week, and there is one.
        &self.spells[after.saturating_sub(1)]
    }

    pub fn at(&self, at: Timestamp) -> Money {
        self.spell(self.offset.since_monday(at).rem_euclid(WEEK_US)).price
    }

    /// Price times microseconds between two moments: the price of one piece a microsecond, summed up.
    pub fn sum(&self, from: Timestamp, to: Timestamp) -> u128 {
        let (from, to) = (self.offset.since_monday(from), self.offset.since_monday(to));
        let until = |local: i64| {
            let within = local.rem_euclid(WEEK_US);
            let spell = self.spell(within);
            spell.before + i128::from(spell.price.micros()) * i128::from(within - spell.from)
        };
        let weeks = to.div_euclid(WEEK_US) - from.div_euclid(WEEK_US);
        u128::try_from(i128::from(weeks) * self.whole + until(to) - until(from)).unwrap_or(0)
    }

    const fn least(&self) -> Money {
        self.least
    }
    fn most(&self) -> Money {
        self.spells.iter().map(|spell| spell.price).max().unwrap_or_default()
    }
    /// Over a whole week, rounded down.
    fn mean(&self) -> Money {
        Money(i64::try_from(self.whole / i128::from(WEEK_US)).unwrap_or(i64::MAX))
    }
}

const MINUTE_US: i64 = 60 * 1_000_000;

impl Volume {
    fn of(item: &Item, offset: UtcOffset) -> Option<Volume> {
        let steps = item.steps.iter().map(|step| Some((step.above, step.rate.of(item.price)?)));
        Some(Volume { offset, prices: std::iter::once(Some((0, item.price))).chain(steps).collect::<Option<_>>()? })
    }

    /// What the first `pieces` of a month cost, rounded down once. `None` when it leaves the range of money.
    pub fn graduated(&self, unit: Unit, pieces: u128) -> Option<Money> {
        let begins = |above: u64| u128::from(above).checked_mul(unit.pieces());
        let ends = self.prices.iter().skip(1).map(|(above, _)| begins(*above)).chain([Some(u128::MAX)]);
        let mut sum = 0u128;
        for ((above, price), end) in self.prices.iter().zip(ends) {
            let here = pieces.min(end?).saturating_sub(begins(*above)?);
            sum = sum.checked_add(here.checked_mul(u128::from(price.micros().unsigned_abs()))?)?;
        }
        i64::try_from(sum / unit.pieces()).ok().map(Money)
    }

    /// The dearest price from a quantity on.
    pub fn most_from(&self, unit: Unit, pieces: u128) -> Money {
        let over = |above: u64| u128::from(above).checked_mul(unit.pieces()).is_none_or(|begins| begins > pieces);
        let now = self.prices.partition_point(|(above, _)| !over(*above)).saturating_sub(1);
        self.prices[now.min(self.prices.len())..].iter().map(|(_, price)| *price).max().unwrap_or_default()
    }
}

/// What one item adds to a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Place of the item in its book, from 0.
    pub item: u16,
    pub unit: Unit,
    pub price: Price,
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub minimum: Money,
    /// Billed time is rounded up to whole ones of these; zero: it is not.
    #[serde(default, skip_serializing_if = "is_no_time")]
    pub step: Span,
}

fn is_nothing(amount: &Money) -> bool {
    *amount == Money::ZERO
}
fn is_no_time(span: &Span) -> bool {
    *span == Span::ZERO
}

/// The time of a run as a part of its tariff sees it.
#[derive(Clone, Copy, Debug)]
pub struct Ran {
    pub from: Timestamp,
    pub to: Timestamp,
    /// From `from` to `to` without the time that it stood still.
    pub worked: Span,
    /// Of a price that follows the hours: its sum over the time that it stood still.
    pub stood: u128,
}

impl Part {
    /// `None` when a price leaves the range of money.
    pub fn of(number: usize, item: &Item, offset: UtcOffset) -> Option<Part> {
        let price = match (item.bands.is_empty(), item.steps.is_empty()) {
            (false, _) => Price::Week(Week::of(item, offset)?),
            (true, false) => Price::Volume(Volume::of(item, offset)?),
            (true, true) => Price::Flat(item.price),
        };
        let (minimum, step) = (item.minimum, item.round_up.step());
        Some(Part { item: u16::try_from(number).ok()?, unit: item.unit, price, minimum, step })
    }

    fn flat(item: u16, unit: Unit, price: Money) -> Part {
        Part { item, unit, price: Price::Flat(price), minimum: Money::ZERO, step: Span::ZERO }
    }

    /// Has this price and no other, without a minimum or a rounding.
    pub fn becomes_flat(&mut self, price: Money) {
        *self = Part::flat(self.item, self.unit, price);
    }

    /// Time rounded up as the item says.
    pub fn billed(&self, worked: Span) -> Span {
        match (self.step.as_micros(), worked.as_micros().max(0)) {
            (0, worked) => Span::from_micros(worked),
            (step, worked) => Span::from_micros((worked.saturating_add(step - 1) / step).saturating_mul(step)),
        }
    }

    /// What `pieces` held all the while cost for the whole run so far, rounded down once; of a price by volume nothing, since that
    /// depends on the month. Time that is added by rounding has the lowest price of the week. `None` beyond the range of money.
    pub fn owed(&self, pieces: u128, ran: Ran) -> Option<Money> {
        let worked = ran.worked.max(Span::ZERO);
        let billed = self.billed(worked);
        let sum = match &self.price {
            Price::Volume(_) => return Some(Money::ZERO),
            Price::Flat(price) => u128::from(price.micros().unsigned_abs()).checked_mul(billed.as_micros() as u128)?,
            Price::Week(week) => {
                let added = u128::from(week.least().micros().unsigned_abs()) * (billed - worked).as_micros() as u128;
                week.sum(ran.from, ran.to).saturating_sub(ran.stood).checked_add(added)?
            }
        };
        let amount = i64::try_from(sum.checked_mul(pieces)? / self.unit.pieces()).ok().map(Money)?;
        Some(if worked > Span::ZERO { amount.max(self.minimum) } else { amount })
    }

    /// The price by which a quantity is judged beforehand: of one by the hour the mean of a week, of one by volume the first.
    pub fn mean(&self) -> Money {
        match &self.price {
            Price::Flat(price) => *price,
            Price::Week(week) => week.mean(),
            Price::Volume(volume) => volume.prices.first().map_or(Money::ZERO, |(_, price)| *price),
        }
    }

    /// What is not billed by running time: so many `pieces` (bytes times microseconds, bytes, requests or tokens) at a moment,
    /// when the tenant had `before` of them in the month. Rounded down; of a price by volume such that the sum over the month is what
    /// the month's quantity costs. `None` beyond the range of money.
    pub fn once(&self, pieces: u128, at: Timestamp, before: u128) -> Option<Money> {
        let amount = match &self.price {
            Price::Flat(price) => Money::for_quantity(*price, pieces, self.unit.pieces())?,
            Price::Week(week) => Money::for_quantity(week.at(at), pieces, self.unit.pieces())?,
            Price::Volume(volume) => {
                let after = volume.graduated(self.unit, before.checked_add(pieces)?)?;
                return Some(after - volume.graduated(self.unit, before)?);
            }
        };
        Some(if pieces > 0 { amount.max(self.minimum) } else { amount })
    }

    /// The most that `pieces` can cost for `span`, whenever that is.
    fn most(&self, pieces: u128, span: Span) -> Option<Money> {
        let price = match &self.price {
            Price::Flat(price) => *price,
            Price::Week(week) => week.most(),
            Price::Volume(volume) => volume.most_from(self.unit, 0),
        };
        let time = self.billed(span).as_micros() as u128;
        Some(Money::for_quantity(price, pieces.checked_mul(time)?, self.unit.pieces())?.max(self.minimum))
    }
}

/// The prices of one run, by themselves: a book that is published later changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Tariff {
    pub parts: Vec<Part>,
    /// Whole nodes, where these are what is billed.
    #[serde(default, skip_serializing_if = "is_none_of")]
    pub nodes: u32,
}

fn is_none_of(nodes: &u32) -> bool {
    *nodes == 0
}

/// A tariff as programs have stored it: at first as three prices.
#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    parts: Vec<Part>,
    #[serde(default)]
    nodes: u32,
    core_hour: Option<Money>,
    gib_hour: Option<Money>,
    card_hour: Option<Money>,
}

impl From<Stored> for Tariff {
    fn from(stored: Stored) -> Tariff {
        let Stored { mut parts, nodes, core_hour, gib_hour, card_hour } = stored;
        let old = [(Unit::CoreHour, core_hour), (Unit::GibHour, gib_hour), (Unit::CardHour, card_hour)];
        let old = (0..).zip(old).filter_map(|(item, (unit, price))| Some(Part::flat(item, unit, price?)));
        parts.extend(old);
        Tariff { parts, nodes }
    }
}

impl Tariff {
    /// Of work that nobody pays for.
    pub fn free() -> Arc<Tariff> {
        Arc::default()
    }

    /// Three prices and no more.
    pub fn flat(core_hour: Money, gib_hour: Money, card_hour: Option<Money>) -> Tariff {
        Stored { parts: Vec::new(), nodes: 0, core_hour: Some(core_hour), gib_hour: Some(gib_hour), card_hour }.into()
    }

    /// How much of its unit a part prices, in smallest pieces without the time.
    pub fn pieces(&self, unit: Unit, granted: Resources) -> u128 {
        match unit {
            Unit::CoreHour => granted.cpu.0.into(),
            Unit::GibHour => granted.mem.0.into(),
            Unit::CardHour => granted.gpus.into(),
            Unit::NodeHour => self.nodes.into(),
            Unit::GibMonth | Unit::GibMoved | Unit::Request | Unit::Kilotoken => 0,
        }
    }

    /// Some price follows the quantity of the month.
    pub fn has_volume(&self) -> bool {
        self.parts.iter().any(|part| matches!(part.price, Price::Volume(_)))
    }

    /// What `granted` costs from a moment on for `span` without a pause; `before` says how many pieces of an item the tenant had in
    /// the month in which it begins. `None` beyond the range of money.
    pub fn amount(
        &self,
        granted: Resources,
        from: Timestamp,
        span: Span,
        before: impl Fn(&Part, &Volume) -> u128,
    ) -> Option<Money> {
        let ran = Ran { from, to: from + span, worked: span, stood: 0 };
        self.parts.iter().try_fold(Money::ZERO, |sum, part| {
            let pieces = self.pieces(part.unit, granted);
            let amount = match &part.price {
                Price::Volume(volume) => {
                    let more = pieces.checked_mul(part.billed(span).as_micros() as u128)?;
                    part.once(more, from, before(part, volume))?
                }
                _ => part.owed(pieces, ran)?,
            };
            sum.checked_add(amount)
        })
    }

    /// The most that `granted` can cost for `span`, whenever that is and however much the tenant has had in the month.
    pub fn most(&self, granted: Resources, span: Span) -> Option<Money> {
        self.most_without(granted, span, None)
    }

    /// The same without one of its parts, by its place.
    pub fn most_without(&self, granted: Resources, span: Span, without: Option<usize>) -> Option<Money> {
        let parts = self.parts.iter().enumerate().filter(|(at, _)| Some(*at) != without);
        parts
            .map(|(_, part)| part.most(self.pieces(part.unit, granted), span))
            .try_fold(Money::ZERO, |sum, most| sum.checked_add(most?))
    }
}
