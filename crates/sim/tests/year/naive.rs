//! The second reckoning: in seconds of the day and whole fractions, run by run, without a meter. A run's charge follows from when it
//! really worked (its intervals, less what was given back), the items of the book that its intervals name, and what they drew.

use std::collections::BTreeMap;

use base::{Money, PriceBookId, TenantId, Timestamp};
use model::JobSpec;
use rating::contract::PeriodKey;
use rating::tariff::{Item, Rate, Unit};
use rating::{Interval, PriceBook, Sale};
use sim::{Settled, Tables, World};

const HOUR: i128 = 3_600_000_000;

#[derive(Default)]
pub struct Books {
    wrong: Vec<String>,
    charged: i128,
    used: i128,
    uncollected: i128,
    fees: i128,
    depreciation: i128,
    datacentre: i128,
    drawn: BTreeMap<PeriodKey, (i128, i128)>,
    /// By tenant, book, item and month: pieces; and by tenant and book what was charged for them.
    volumes: BTreeMap<(TenantId, PriceBookId, usize, (i64, u8)), i128>,
    by_volume: BTreeMap<(TenantId, PriceBookId), i128>,
    seen: BTreeMap<&'static str, u64>,
}

/// From one moment to another, in microseconds.
type Stretch = (i128, i128);

/// One item of a run and how many pieces of it the run holds.
struct Priced<'a> {
    place: usize,
    item: &'a Item,
    pieces: i128,
    /// For an hour beyond what a contract covers, instead of the item's.
    beyond: Option<Money>,
    /// In the order of drawing.
    lines: Vec<(u64, u8)>,
}

impl Books {
    pub fn seen(&self) -> Vec<(&'static str, u64)> {
        [
            "given back",
            "waived",
            "written off",
            "drawn",
            "drawn and given back",
            "by the month's quantity",
            "whole nodes",
            "included",
            "usage written off",
            "usage of a closed month",
        ]
        .map(|what| (what, self.seen.get(what).copied().unwrap_or(0)))
        .to_vec()
    }

    fn see(&mut self, what: &'static str, is: bool) {
        *self.seen.entry(what).or_default() += u64::from(is);
    }

    pub fn take(&mut self, world: &World, job: &Settled) {
        let tables = world.tables();
        let mut runs: BTreeMap<(u32, Option<Timestamp>), Vec<&Interval>> = BTreeMap::new();
        let mut sum = 0;
        for interval in &job.intervals {
            sum += i128::from(interval.charge.0);
            self.uncollected += i128::from(interval.uncollected.0);
            self.fees += i128::from(interval.cost.fee.0);
            self.depreciation += i128::from(interval.cost.depreciation.0);
            self.datacentre += i128::from(interval.cost.datacentre.0);
            for one in &interval.drawn {
                let drawn = self.drawn.entry(one.of).or_default();
                *drawn = (drawn.0 + one.pieces, drawn.1 + i128::from(one.value.0));
                self.see("drawn", one.pieces > 0);
                self.see("drawn and given back", one.pieces < 0);
            }
            self.see("given back", interval.charge < Money::ZERO);
            self.see("written off", interval.uncollected > Money::ZERO);
            runs.entry((interval.attempt.number, interval.run)).or_default().push(interval);
        }
        self.charged += sum;
        if sum != i128::from(job.row.charged.0) {
            self.wrong.push(format!("{}: charged {}, its intervals {sum}", job.row.job.id, job.row.charged));
        }
        for ((attempt, run), intervals) in runs {
            if let Err(text) = self.run(tables, job, attempt, run, &intervals) {
                self.wrong.push(format!("{} attempt {attempt}: {text}", job.row.job.id));
            }
        }
    }

    fn run(
        &mut self,
        tables: &Tables,
        job: &Settled,
        attempt: u32,
        run: Option<Timestamp>,
        intervals: &[&Interval],
    ) -> Result<(), String> {
        let charged: i128 = intervals.iter().map(|i| i128::from(i.charge.0)).sum();
        let drawn: i128 = intervals.iter().map(|i| i128::from(i.drawn_value().0)).sum();
        let Some(book) = intervals.iter().find_map(|i| i.book) else {
            return if charged == 0 { Ok(()) } else { Err("charged by no price book".into()) };
        };
        // Billed by none from some moment on: it does not count after all.
        if intervals.iter().any(|i| i.book.is_none()) {
            self.see("waived", true);
            // What is left is of prices by the month's quantity alone.
            *self.by_volume.entry((job.row.job.tenant, book)).or_default() += charged - drawn;
            return if drawn == 0 {
                Ok(())
            } else {
                Err("what a run drew that does not count was not given back".into())
            };
        }
        let run = run.ok_or("an interval of no run")?;
        let spec = tables.specs.get(&job.row.job.spec).ok_or("no specification")?;
        let facts = job.attempts.iter().find(|a| a.id.number == attempt).ok_or("no attempt")?;
        let pool = tables.pools.get(&facts.pool).ok_or("no pool")?;
        let tenant = tables.tenants.get(&job.row.job.tenant).ok_or("no tenant")?;
        let book = tables.books.get(&book).ok_or("no book")?;
        let sale = Sale {
            tenant: &tenant.name,
            pool: &pool.name,
            chip: pool.chip.as_ref(),
            product: spec.line,
            class: spec.class,
            shape: pool.shape,
            nodes: spec.request.nodes,
            per_node: spec.request.per_node,
            call: Default::default(),
        };
        let parts = self.parts(tables, book, &sale, spec, tenant.id, run)?;
        let (worked, covered) = stretches(tables, intervals, &parts)?;
        let mut owed = 0;
        for (part, covered) in parts.iter().zip(&covered) {
            if let Some(by_time) = self.owed(book, part, &worked, covered, (tenant.id, intervals))? {
                owed += by_time;
            }
        }
        let by_volume = parts.iter().any(|p| p.beyond.is_none() && !p.item.steps.is_empty());
        let rest = charged - drawn - owed;
        if by_volume {
            *self.by_volume.entry((tenant.id, book.id)).or_default() += rest;
            self.see("by the month's quantity", true);
        } else if rest != 0 {
            return Err(format!("charged {charged}, drawn {drawn}, comes to {owed}: {rest} too much"));
        }
        Ok(())
    }

    /// The items that price a run: the one of most weight for each unit.
    fn parts<'a>(
        &mut self,
        tables: &Tables,
        book: &'a PriceBook,
        sale: &Sale,
        spec: &JobSpec,
        tenant: TenantId,
        run: Timestamp,
    ) -> Result<Vec<Priced<'a>>, String> {
        let find = |unit| {
            let weight = |item: &Item| {
                let of = &item.of;
                let named = [
                    of.tenant.is_some(),
                    of.pool.is_some(),
                    of.chip.is_some(),
                    of.product.is_some(),
                    of.class.is_some(),
                ];
                named.iter().fold(0u32, |sum, is| sum * 2 + u32::from(*is))
            };
            let fits = |item: &Item| {
                let of = &item.of;
                of.tenant.as_deref().is_none_or(|name| name == sale.tenant)
                    && of.pool.as_deref().is_none_or(|name| name == sale.pool)
                    && of.chip.as_ref().is_none_or(|chip| Some(chip) == sale.chip)
                    && of.product.is_none_or(|line| line == sale.product)
                    && of.class.is_none_or(|class| class == sale.class)
            };
            book.items.iter().enumerate().filter(|(_, i)| i.unit == unit && fits(i)).max_by_key(|(_, i)| weight(i))
        };
        let per = spec.request.per_node;
        let whole = per.cpu >= sale.shape.cpu || sale.shape.gpus > 0 && per.gpus >= sale.shape.gpus;
        let nodes = i128::from(spec.request.nodes);
        let mut found = Vec::new();
        if let (true, Some((place, item))) = (whole, find(Unit::NodeHour)) {
            self.see("whole nodes", true);
            found.push((place, item, nodes));
        } else {
            let asked = [
                (Unit::CoreHour, i128::from(per.cpu.0)),
                (Unit::GibHour, i128::from(per.mem.0)),
                (Unit::CardHour, i128::from(per.gpus)),
            ];
            for (unit, pieces) in asked.into_iter().filter(|(_, pieces)| *pieces > 0) {
                let (place, item) = find(unit).ok_or_else(|| format!("the book has no {unit}"))?;
                found.push((place, item, pieces * nodes));
            }
        }
        let lines = contracts(tables, tenant, run);
        Ok(found
            .into_iter()
            .map(|(place, item, pieces)| {
                let of: Vec<_> = lines.iter().filter(|(_, _, unit, _)| *unit == item.unit).collect();
                let beyond = of.iter().rev().filter_map(|line| line.3).next_back();
                let lines = of.iter().map(|(contract, line, ..)| (*contract, *line)).collect();
                Priced { place, item, pieces, beyond, lines }
            })
            .collect())
    }

    /// By time; `None` where the price follows the month's quantity, which is counted.
    fn owed(
        &mut self,
        book: &PriceBook,
        part: &Priced,
        worked: &[Stretch],
        covered: &[Stretch],
        (tenant, intervals): (TenantId, &[&Interval]),
    ) -> Result<Option<i128>, String> {
        let length = |of: &[Stretch]| of.iter().map(|(from, to)| to - from).sum::<i128>();
        let uncovered = length(worked) - length(covered);
        let unit = part.item.unit.pieces() as i128;
        if let Some(price) = part.beyond {
            return Ok(Some(i128::from(price.0) * part.pieces * uncovered / unit));
        }
        let step = i128::from(part.item.round_up.step().as_micros());
        let billed = if step == 0 { uncovered } else { (uncovered + step - 1) / step * step };
        if !part.item.steps.is_empty() {
            // Of no run that was mended, so that its stretches are its months' (the year's items by quantity are not rounded).
            self.count(book, part, (tenant, intervals), covered);
            return Ok(None);
        }
        let sum: i128 = if part.item.bands.is_empty() {
            i128::from(part.item.price.0) * billed
        } else {
            let over =
                |of: &[Stretch]| of.iter().map(|(from, to)| by_the_minute(book, part.item, *from, *to)).sum::<i128>();
            let least = prices(part.item).into_iter().chain([i128::from(part.item.price.0)]).min().unwrap_or(0);
            over(worked) - over(covered) + least * (billed - uncovered)
        };
        let amount = sum * part.pieces / unit;
        Ok(Some(if uncovered > 0 { amount.max(i128::from(part.item.minimum.0)) } else { amount }))
    }

    /// Counts what a run had in each month: of the month in which a stretch begins, since billing ends with the month.
    fn count(&mut self, book: &PriceBook, part: &Priced, of: (TenantId, &[&Interval]), covered: &[Stretch]) {
        let (tenant, intervals) = of;
        let mut done: Vec<((i64, u8), i128)> = Vec::new();
        for interval in intervals {
            let (from, to) = bounds(interval);
            let month = civil_month(book, from);
            if is_back(interval) {
                let mut less = (to - from) * part.pieces;
                while less > 0 {
                    let Some((_, pieces)) = done.last_mut() else { break };
                    let here = less.min(*pieces);
                    *pieces -= here;
                    less -= here;
                    if *pieces == 0 {
                        done.pop();
                    }
                }
            } else {
                done.push((month, (to - from) * part.pieces));
            }
        }
        // What was covered is of no price by quantity; the year's tenants with such prices have no contracts.
        debug_assert!(covered.is_empty());
        for (month, pieces) in done {
            *self.volumes.entry((tenant, book.id, part.place, month)).or_default() += pieces;
        }
    }

    /// Storage, traffic, requests and tokens: what each month of an item comes to, and what was drawn of what is included.
    pub fn usage(&mut self, tables: &Tables) {
        /// By tenant, book, item and month: what was charged, the pieces, and what they are worth.
        type Months = BTreeMap<(TenantId, PriceBookId, u16, (i64, u8)), (i128, i128, i128)>;
        let mut months = Months::new();
        let mut total = 0;
        for usage in &tables.usage {
            let (of, charge) = (&usage.of, i128::from(usage.charge.0));
            total += charge;
            self.uncollected += i128::from(usage.uncollected.0);
            let drawn: i128 = usage.drawn.iter().map(|one| one.pieces).sum();
            for one in &usage.drawn {
                self.drawn.entry(one.of).or_default().0 += one.pieces;
            }
            self.see("included", drawn > 0);
            self.see("usage written off", usage.uncollected > Money::ZERO);
            self.see("usage of a closed month", usage.is_late());
            let book = &tables.books[&usage.book];
            let item = &book.items[usize::from(usage.item)];
            let (from, pieces) = (i128::from(of.from.as_micros()), of.pieces.0 as i128 - drawn);
            let unit = item.unit.pieces() as i128;
            if item.minimum > Money::ZERO {
                let owed = i128::from(item.price.0) * pieces / unit;
                let owed = if pieces == 0 { 0 } else { owed.max(i128::from(item.minimum.0)) };
                if owed != charge {
                    self.wrong.push(format!("usage {}: {charge} for {owed}", usage.number));
                }
                continue;
            }
            let flat = || i128::from(item.price.0);
            let price = if item.bands.is_empty() { flat() } else { by_the_minute(book, item, from, from + 1) };
            let month = months.entry((of.tenant, usage.book, usage.item, civil_month(book, from))).or_default();
            *month = (month.0 + charge, month.1 + pieces, month.2 + price * pieces);
        }
        for ((tenant, book, item, month), (charge, pieces, worth)) in months {
            let item = &tables.books[&book].items[usize::from(item)];
            let owed = if item.steps.is_empty() { worth / item.unit.pieces() as i128 } else { graduated(item, pieces) };
            if owed != charge {
                self.wrong.push(format!("{} of {tenant} in {month:?}: {charge} for {owed}", item.unit));
            }
        }
        self.used = total;
    }

    /// What the accounts say against what was counted.
    pub fn compare(mut self, world: &World) -> Vec<String> {
        let tables = world.tables();
        let balance = |end: &str| {
            let of = tables.accounts.values().filter(|a| a.code.as_str().ends_with(end));
            of.map(|a| i128::from(a.balance().0)).sum::<i128>()
        };
        let mut say = |what: &str, one: i128, other: i128| {
            if one != other {
                self.wrong.push(format!("{what}: the accounts have {one}, another reckoning {other}"));
            }
        };
        say("revenue", balance("/revenue/compute"), self.charged);
        say("revenue of usage", balance("/revenue/usage"), self.used);
        say("written off", balance("/uncollected"), self.uncollected);
        say("fees", balance("/accrued"), self.fees);
        for ((tenant, book), charged) in &self.by_volume {
            let of = self.volumes.iter().filter(|((t, b, ..), _)| (t, b) == (tenant, book));
            let items = tables.books.get(book).map_or(&[][..], |b| &b.items);
            let due = of.filter_map(|((_, _, place, _), pieces)| Some(graduated(items.get(*place)?, *pieces)));
            say(&format!("{tenant} by the month's quantity"), *charged, due.sum());
        }
        let (mut paid, mut used) = (0, 0);
        for month in tables.months.values() {
            let (pieces, value) = self.drawn.get(&month.key).copied().unwrap_or_default();
            say("pieces drawn", month.drawn.0 as i128, pieces);
            say("worth of what was drawn", i128::from(month.value.0) * pieces / (month.pieces.0 as i128).max(1), value);
            used += value;
            paid += if month.key.carried || month.key.line == 0 { 0 } else { i128::from(month.value.0) };
            say("months closed", i128::from(month.closed.is_some() as u8), 1);
        }
        say("commitments paid for", used + balance("/revenue/unused-commitments"), paid);
        let floors =
            tables.accounts.values().filter(|a| matches!(a.floor, ledger::Floor::NotBelow(f) if a.balance() < f));
        say("accounts below their floor", floors.count() as i128, 0);
        say("holds left", tables.holds.values().filter(|h| h.is_open()).count() as i128, 0);
        self.wrong.truncate(20);
        self.wrong
    }
}

/// The tenant's contracts at the beginning of a run, line by line: number, line, unit, the price beyond; that which ends first, first.
fn contracts(tables: &Tables, tenant: TenantId, run: Timestamp) -> Vec<(u64, u8, Unit, Option<Money>)> {
    let mut of: Vec<_> = tables.contracts.values().filter(|c| c.tenant == tenant).collect();
    let end = |c: &rating::contract::Contract| if c.broken_off.is_none_or(|at| run < at) { c.terms.to } else { c.to };
    of.retain(|c| c.signed_at <= run && c.terms.from <= run && run < end(c));
    of.sort_by_key(|c| (end(c), c.number));
    of.into_iter()
        .flat_map(|c| (1u8..).zip(&c.terms.commitments).map(|(n, l)| (c.number, n, l.unit, l.overage)))
        .collect()
}

fn bounds(interval: &Interval) -> Stretch {
    (i128::from(interval.from.as_micros()), i128::from(interval.to.as_micros()))
}

/// Whether an interval gives time back.
fn is_back(interval: &Interval) -> bool {
    interval.charge < Money::ZERO || interval.cost.total() < Money::ZERO
}

/// When a run worked, and of each part when it was covered, by the intervals one after the other.
fn stretches(
    tables: &Tables,
    intervals: &[&Interval],
    parts: &[Priced],
) -> Result<(Vec<Stretch>, Vec<Vec<Stretch>>), String> {
    let (mut worked, mut covered): (Vec<Stretch>, Vec<Vec<Stretch>>) = (Vec::new(), vec![Vec::new(); parts.len()]);
    let cut = |of: &mut Vec<Stretch>, at: i128| {
        of.retain(|(from, _)| *from < at);
        of.iter_mut().for_each(|(_, to)| *to = (*to).min(at));
    };
    for interval in intervals {
        let (from, to) = bounds(interval);
        if worked.last().is_some_and(|(_, until)| from < *until) {
            cut(&mut worked, from);
            covered.iter_mut().for_each(|of| cut(of, from));
            continue;
        }
        worked.push((from, to));
        for (part, covered) in parts.iter().zip(&mut covered) {
            let mut months: Vec<_> = Vec::new();
            for one in interval.drawn.iter().filter(|one| part.lines.contains(&(one.of.contract, one.of.line))) {
                let month = tables.months.get(&one.of).ok_or("no such month")?;
                months.push((i128::from(month.from.as_micros()), !one.of.carried, one.of, one.pieces));
            }
            // Month by month, and in a month as they are drawn.
            let rank = |key: &PeriodKey| part.lines.iter().position(|line| *line == (key.contract, key.line));
            months.sort_by_key(|(from, _, key, _)| ((*from).max(bounds(interval).0), rank(key), !key.carried));
            let mut cursor = from;
            for (begins, _, _, pieces) in months {
                let start = cursor.max(begins);
                if pieces % part.pieces != 0 {
                    return Err("a part of a microsecond was drawn".into());
                }
                cursor = start + pieces / part.pieces;
                covered.push((start, cursor));
            }
            if cursor > to {
                return Err(format!("more was drawn than was worked: {cursor} > {to}"));
            }
        }
    }
    Ok((worked, covered))
}

fn prices(item: &Item) -> Vec<i128> {
    let of = |rate: Rate| match rate {
        Rate::Price(price) => i128::from(price.0),
        Rate::Factor(millionths) => i128::from(item.price.0) * i128::from(millionths) / 1_000_000,
    };
    item.bands.iter().map(|band| of(band.rate)).collect()
}

/// Price times time, minute of the day by minute of the day: the year's bands hold every day from the evening to the morning.
fn by_the_minute(book: &PriceBook, item: &Item, from: i128, to: i128) -> i128 {
    const MINUTE: i128 = 60_000_000;
    let ahead = ahead(book);
    let mut sum = 0;
    let mut at = from;
    while at < to {
        let next = ((at + ahead) / MINUTE + 1) * MINUTE - ahead;
        let minute = (at + ahead) / MINUTE % 1_440;
        let night = !(8 * 60..22 * 60).contains(&minute);
        let price = if night { prices(item)[0] } else { i128::from(item.price.0) };
        let until = next.min(to);
        sum += price * (until - at);
        at = until;
    }
    sum
}

/// Microseconds: the year's books are all eight hours ahead.
fn ahead(book: &PriceBook) -> i128 {
    assert_eq!(book.utc_offset.to_string(), "+08:00");
    8 * HOUR
}

fn civil_month(book: &PriceBook, at: i128) -> (i64, u8) {
    let local = Timestamp::from_micros((at + ahead(book)) as i64).rfc3339();
    (local[..4].parse().unwrap_or(0), local[5..7].parse().unwrap_or(0))
}

fn graduated(item: &Item, pieces: i128) -> i128 {
    let unit = item.unit.pieces() as i128;
    let price = i128::from(item.price.0);
    let steps = item.steps.iter().map(|step| {
        let own = match step.rate {
            Rate::Price(own) => i128::from(own.0),
            Rate::Factor(millionths) => price * i128::from(millionths) / 1_000_000,
        };
        (i128::from(step.above) * unit, own)
    });
    let steps: Vec<(i128, i128)> = std::iter::once((0, price)).chain(steps).collect();
    let ends = steps.iter().skip(1).map(|(above, _)| *above).chain([i128::MAX]);
    steps.iter().zip(ends).map(|((above, price), end)| (pieces.min(end) - above).max(0) * price).sum::<i128>() / unit
}
