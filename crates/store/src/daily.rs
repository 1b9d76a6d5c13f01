//! What intervals add to the days' sums: the intervals of a batch are summed here first, so that a commit touches each sum once.

use std::collections::BTreeMap;

use base::{PoolId, ProjectId, Timestamp};
use engine::Record;
use engine::record::Whose;
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

/// Charge, written off, depreciation, data centre, fee, milliseconds of cores and of cards.
type Sums = [i64; 7];

#[derive(Default)]
pub(crate) struct Daily(BTreeMap<Key, Sums>);

const ADD: &str = "INSERT INTO daily (day, project, pool, line, charge, uncollected, depreciation, datacentre, fee, core_ms, \
    card_ms) VALUES ";
const ONTO: &str = " ON CONFLICT (day, project, pool, line) DO UPDATE SET charge = daily.charge + excluded.charge, \
    uncollected = daily.uncollected + excluded.uncollected, depreciation = daily.depreciation + excluded.depreciation, \
    datacentre = daily.datacentre + excluded.datacentre, fee = daily.fee + excluded.fee, \
    core_ms = daily.core_ms + excluded.core_ms, card_ms = daily.card_ms + excluded.card_ms";
const COLUMNS: usize = 11;

/// The two statements there are, by database.
static TEXTS: [std::sync::OnceLock<String>; 2] = [const { std::sync::OnceLock::new() }; 2];

impl Daily {
    pub(crate) fn add(&mut self, record: &Record) {
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
        ];
        let sums = self.0.entry(key).or_default();
        sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum = sum.saturating_add(part));
    }

    /// A statement for each sum.
    pub(crate) fn statements(self, kind: Kind) -> impl Iterator<Item = (&'static str, Args)> {
        let text = TEXTS[kind as usize].get_or_init(|| format!("{ADD}({}){ONTO}", placeholders(kind, 1, COLUMNS)));
        self.0.into_iter().map(move |((day, project, pool, line), sums)| {
            let mut args = Args::new(kind);
            args.int(day);
            args.id(project.as_u128());
            args.id(pool.as_u128());
            args.int(line);
            sums.into_iter().for_each(|sum| args.int(sum));
            (text.as_str(), args)
        })
    }
}
