//! What intervals add to the days' sums: the intervals of a batch are summed here first, so that a commit touches each sum once.

use std::collections::BTreeMap;

use base::{PoolId, ProjectId, Span, Timestamp};
use engine::Record;
use engine::record::Whose;
use model::{Attempt, AttemptPhase};
use rating::Interval;

use crate::codec;
use crate::db::{Args, Kind};
use crate::write::placeholders;

pub(crate) const DAY_US: i64 = 86_400_000_000;

/// The day in which an interval ends, in days since 1970 (UTC). Midnight belongs to the day that it ends.
pub fn day_of(end: Timestamp) -> i64 {
    (end.as_micros() - 1).div_euclid(DAY_US)
}

/// (day, project, pool, product line).
type Key = (i64, ProjectId, PoolId, i64);

/// Charge, written off, depreciation, data centre, fee, milliseconds of cores and of cards, and what grants paid of the charge.
type Sums = [i64; 8];

#[derive(Default)]
pub(crate) struct Daily {
    sums: BTreeMap<Key, Sums>,
    /// By day and pool: processor time that ended attempts used, and core time that they had; of those that told the former.
    used: BTreeMap<(i64, PoolId), [i64; 2]>,
}

const ADD: &str = "INSERT INTO daily (day, project, pool, line, charge, uncollected, depreciation, datacentre, fee, core_ms, \
    card_ms, credited) VALUES ";
const ONTO: &str = " ON CONFLICT (day, project, pool, line) DO UPDATE SET charge = daily.charge + excluded.charge, \
    uncollected = daily.uncollected + excluded.uncollected, depreciation = daily.depreciation + excluded.depreciation, \
    datacentre = daily.datacentre + excluded.datacentre, fee = daily.fee + excluded.fee, \
    core_ms = daily.core_ms + excluded.core_ms, card_ms = daily.card_ms + excluded.card_ms, \
    credited = daily.credited + excluded.credited";
const COLUMNS: usize = 12;

/// The two statements there are, by database.
static TEXTS: [std::sync::OnceLock<String>; 2] = [const { std::sync::OnceLock::new() }; 2];

const ADD_USED: &str = "INSERT INTO daily_used (day, pool, used_ms, known_ms) VALUES ";
const ONTO_USED: &str = " ON CONFLICT (day, pool) DO UPDATE SET used_ms = daily_used.used_ms + excluded.used_ms, \
    known_ms = daily_used.known_ms + excluded.known_ms";
const USED_COLUMNS: usize = 4;
static USED_TEXTS: [std::sync::OnceLock<String>; 2] = [const { std::sync::OnceLock::new() }; 2];

impl Daily {
    pub(crate) fn add(&mut self, record: &Record) {
        if let Record::Attempt(attempt) = record {
            return self.add_used(attempt);
        }
        let Record::Interval { interval, whose } = record else { return };
        let Whose { project, pool, line, worked } = whose.as_ref();
        let Interval { granted, charge, uncollected, cost, .. } = interval;
        let key = (day_of(interval.to), *project, *pool, codec::natural(*line as u64));
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
        let sums = self.sums.entry(key).or_default();
        sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum = sum.saturating_add(part));
    }

    /// An attempt is written once with its end; zero is what a cluster tells that cannot tell.
    fn add_used(&mut self, attempt: &Attempt) {
        let (Some(from), Some(to)) = (attempt.started_at, attempt.ended_at) else { return };
        if attempt.phase != AttemptPhase::Ended || attempt.usage.cpu_time <= Span::ZERO {
            return;
        }
        let had = i128::from(to.since(from).as_millis()) * i128::from(attempt.granted.cpu.0) / 1_000;
        let parts = [attempt.usage.cpu_time.as_millis(), i64::try_from(had).unwrap_or(i64::MAX)];
        let sums = self.used.entry((day_of(to), attempt.pool)).or_default();
        sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum = sum.saturating_add(part));
    }

    /// A statement for each sum.
    pub(crate) fn statements(self, kind: Kind) -> impl Iterator<Item = (&'static str, Args)> {
        let used_text = USED_TEXTS[kind as usize]
            .get_or_init(|| format!("{ADD_USED}({}){ONTO_USED}", placeholders(kind, 1, USED_COLUMNS)));
        let used = self.used.into_iter().map(move |((day, pool), sums)| {
            let mut args = Args::new(kind);
            args.int(day);
            args.id(pool.as_u128());
            sums.into_iter().for_each(|sum| args.int(sum));
            (used_text.as_str(), args)
        });
        let text = TEXTS[kind as usize].get_or_init(|| format!("{ADD}({}){ONTO}", placeholders(kind, 1, COLUMNS)));
        let sums = self.sums.into_iter().map(move |((day, project, pool, line), sums)| {
            let mut args = Args::new(kind);
            args.int(day);
            args.id(project.as_u128());
            args.id(pool.as_u128());
            args.int(line);
            sums.into_iter().for_each(|sum| args.int(sum));
            (text.as_str(), args)
        });
        sums.chain(used)
    }
}
