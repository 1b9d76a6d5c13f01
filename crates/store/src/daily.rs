//! Which day something counts for, and what intervals add to the days' sums: the intervals of a batch are summed here first, so that a
//! commit touches each sum once.

use std::collections::BTreeMap;

use base::{PoolId, ProjectId, Span, Timestamp, UserId};
use engine::Record;
use engine::record::Whose;
use model::{Attempt, AttemptPhase};
use rating::tariff::UtcOffset;
use rating::{Interval, Usage};

use crate::codec;
use crate::db::{Args, Kind};
use crate::write::placeholders;

/// Where the days begin by which the platform sums up: set once, before anything was metered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Days(UtcOffset);

/// Midnight belongs to the day that it ends.
const MOMENT: Span = Span::from_micros(1);

impl Days {
    pub const fn at(offset: UtcOffset) -> Days {
        Days(offset)
    }
    pub const fn offset(self) -> UtcOffset {
        self.0
    }
    /// The day for which something counts that ends at a moment, from that of 1970-01-01.
    pub fn of(self, end: Timestamp) -> i64 {
        self.0.day_of(end - MOMENT)
    }
    /// The day of what ends just after a moment.
    pub fn after(self, from: Timestamp) -> i64 {
        self.of(from + MOMENT)
    }
    pub const fn begin(self, day: i64) -> Timestamp {
        self.0.start_of_day(day)
    }
    pub const fn end(self, day: i64) -> Timestamp {
        self.0.start_of_day(day.saturating_add(1))
    }
    /// The day of what ends at the moment of a column, as a term of SQL.
    pub(crate) fn sql(self, column: &str) -> String {
        format!("({column} - 1 + {}) / 86400000000", self.0.ahead().as_micros())
    }
}

/// (day, project, pool, product line).
type Key = (i64, ProjectId, PoolId, i64);

/// Charge, written off, depreciation, data centre, fee, milliseconds of cores and of cards, and what grants paid of the charge.
type Sums = [i64; 8];
const SUMS: [&str; 8] =
    ["charge", "uncollected", "depreciation", "datacentre", "fee", "core_ms", "card_ms", "credited"];

#[derive(Default)]
pub(crate) struct Daily {
    sums: BTreeMap<Key, Sums>,
    /// The same with users told apart: more rows, read only where users are asked for.
    users: BTreeMap<(UserId, Key), Sums>,
    /// By day and pool: processor time that ended attempts used, and core time that they had; of those that told the former.
    used: BTreeMap<(i64, PoolId), [i64; 2]>,
}

/// By database.
type Texts = [std::sync::OnceLock<String>; 2];
static TEXTS: Texts = [const { std::sync::OnceLock::new() }; 2];
static USER_TEXTS: Texts = [const { std::sync::OnceLock::new() }; 2];
static USED_TEXTS: Texts = [const { std::sync::OnceLock::new() }; 2];

/// The statement that adds sums to what a table has under a key.
fn add_to(kind: Kind, table: &str, key: &str, sums: &[&str]) -> String {
    let onto: Vec<String> = sums.iter().map(|sum| format!("{sum} = {table}.{sum} + excluded.{sum}")).collect();
    let places = placeholders(kind, 1, key.split(',').count() + sums.len());
    let sums = sums.join(", ");
    format!(
        "INSERT INTO {table} ({key}, {sums}) VALUES ({places}) ON CONFLICT ({key}) DO UPDATE SET {}",
        onto.join(", ")
    )
}

fn put(args: &mut Args, (day, project, pool, line): Key, user: Option<UserId>, sums: Sums) {
    args.int(day);
    user.into_iter().for_each(|user| args.id(user.as_u128()));
    args.id(project.as_u128());
    args.id(pool.as_u128());
    args.int(line);
    sums.into_iter().for_each(|sum| args.int(sum));
}

impl Daily {
    pub(crate) fn add(&mut self, days: Days, record: &Record) {
        if let Record::Attempt(attempt) = record {
            return self.add_used(days, attempt);
        }
        if let Record::Usage(usage) = record {
            return self.add_usage(days, usage);
        }
        let Record::Interval { interval, whose } = record else { return };
        let Whose { project, user, pool, line, worked } = whose.as_ref();
        let Interval { granted, charge, uncollected, cost, .. } = interval;
        let key = (days.of(interval.to), *project, *pool, codec::natural(*line as u64));
        let ms = i128::from(worked.as_millis());
        let time = |amount: i128| i64::try_from(amount).unwrap_or(i64::MAX);
        let parts = [
            charge.micros(),
            uncollected.micros(),
            cost.depreciation.micros(),
            cost.datacentre.micros(),
            cost.fee.micros(),
            time(ms * i128::from(granted.cpu.0) / 1_000),
            time(ms * i128::from(granted.gpus)),
            interval.credited().micros(),
        ];
        self.sum(*user, key, parts);
    }

    fn sum(&mut self, user: UserId, key: Key, parts: Sums) {
        for sums in [self.sums.entry(key).or_default(), self.users.entry((user, key)).or_default()] {
            sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum = sum.saturating_add(part));
        }
    }

    /// Storage, traffic, requests and tokens are revenue of a day like running work, without time and cost of their own. Where they are of
    /// no pool or user, they count for none.
    fn add_usage(&mut self, days: Days, usage: &Usage) {
        let of = &usage.of;
        let (user, pool) = (of.user.unwrap_or(UserId::from_u128(0)), of.pool.unwrap_or(PoolId::from_u128(0)));
        let key = (days.of(usage.counts_at), of.project, pool, codec::natural(of.line as u64));
        let (charge, uncollected, credited) = (usage.charge, usage.uncollected, usage.credited());
        self.sum(user, key, [charge.micros(), uncollected.micros(), 0, 0, 0, 0, 0, credited.micros()]);
    }

    /// An attempt is written once with its end; zero is what a cluster tells that cannot tell.
    fn add_used(&mut self, days: Days, attempt: &Attempt) {
        let (Some(from), Some(to)) = (attempt.started_at, attempt.ended_at) else { return };
        if attempt.phase != AttemptPhase::Ended || attempt.usage.cpu_time <= Span::ZERO {
            return;
        }
        let had = i128::from(to.since(from).as_millis()) * i128::from(attempt.granted.cpu.0) / 1_000;
        let parts = [attempt.usage.cpu_time.as_millis(), i64::try_from(had).unwrap_or(i64::MAX)];
        let sums = self.used.entry((days.of(to), attempt.pool)).or_default();
        sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum = sum.saturating_add(part));
    }

    /// A statement for each sum.
    pub(crate) fn statements(self, kind: Kind) -> impl Iterator<Item = (&'static str, Args)> {
        let used_text =
            USED_TEXTS[kind as usize].get_or_init(|| add_to(kind, "daily_used", "day, pool", &["used_ms", "known_ms"]));
        let used = self.used.into_iter().map(move |((day, pool), sums)| {
            let mut args = Args::new(kind);
            args.int(day);
            args.id(pool.as_u128());
            sums.into_iter().for_each(|sum| args.int(sum));
            (used_text.as_str(), args)
        });
        let text = TEXTS[kind as usize].get_or_init(|| add_to(kind, "daily", "day, project, pool, line", &SUMS));
        let sums = self.sums.into_iter().map(move |(key, sums)| {
            let mut args = Args::new(kind);
            put(&mut args, key, None, sums);
            (text.as_str(), args)
        });
        let user_text = USER_TEXTS[kind as usize]
            .get_or_init(|| add_to(kind, "daily_users", "day, user_id, project, pool, line", &SUMS));
        let users = self.users.into_iter().map(move |((user, key), sums)| {
            let mut args = Args::new(kind);
            put(&mut args, key, Some(user), sums);
            (user_text.as_str(), args)
        });
        sums.chain(users).chain(used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn midnight_belongs_to_the_day_that_it_ends_wherever_days_begin() {
        for (offset, hours) in [("+00:00", 0), ("+08:00", 8), ("-03:30", -3)] {
            let days = Days::at(offset.parse().unwrap());
            for day in [-1, 0, 1, 20_000] {
                let (begin, end) = (days.begin(day), days.end(day));
                assert_eq!((end - begin, begin), (Span::from_hours(24), days.end(day - 1)));
                assert_eq!(
                    [days.of(end), days.of(begin), days.after(begin), days.after(end)],
                    [day, day - 1, day, day + 1]
                );
                let shift = Span::from_hours(24 * day) - (begin - Timestamp::ZERO);
                assert!(
                    shift - Span::from_hours(hours) <= Span::ZERO && shift > Span::from_hours(hours - 1),
                    "{offset}"
                );
            }
        }
    }
}
