//! What the operator may tune about placement, with defaults. Refuses to know any pool or job.

use base::{Resources, Span};
use model::SupplyMode;
use serde::{Deserialize, Serialize};

/// How pools that could hold a job are compared. The penalty of a pool, in micro-units of money, is
/// `start × wait_hours + price × price_to_tenant ÷ 1000 + cost × cost_to_operator ÷ 1000 + latency × ms × hours`; the least wins
/// and the score shown to people is its negative. The wait ends when the data is there; the cost is that of use and of the way. All arithmetic is in integers. Pools that can start the job now are
/// compared among themselves first, unless [`Policy::ready_first`] is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Weights {
    /// Micro-units of money that one hour of waiting is worth. The default, a million units, puts an earlier start before any
    /// saving: a job of 1,000 cards at 20 units an hour would have to save 50 hours' worth to wait one.
    pub start: i64,
    /// Thousandths of the price to the tenant that count.
    pub price: i64,
    /// Thousandths of the cost to the operator that count.
    pub cost: i64,
    /// Of own pools: thousandths, of what `cost` lets count, that count there. What an own node costs it costs idle as well; a
    /// partner's costs its fee only when it is used.
    pub own_cost: i64,
    /// Micro-units of money that a millisecond between users and the work that answers them is worth in an hour; see
    /// [`crate::Ties`]. By default a fiftieth of a unit: 50 ms, the way across a large country and back, weigh like one unit an
    /// hour, which is some twentieth of what a card costs. So equal pools are told apart by where their users are, and a price that is a few
    /// per cent lower does not send answers across a continent.
    pub latency: i64,
}

impl Weights {
    /// Thousandths of the cost that count in a pool of that mode.
    pub(crate) const fn cost_in(&self, mode: SupplyMode) -> i64 {
        match mode {
            SupplyMode::Partner => self.cost,
            SupplyMode::Own => self.cost.saturating_mul(self.own_cost) / 1_000,
        }
    }
}

impl Default for Weights {
    fn default() -> Self {
        Self { start: 1_000_000_000_000, price: 1_000, cost: 1_000, own_cost: 1_000, latency: 20_000 }
    }
}

/// In which order work of one class is taken before it has waited [`Policy::age_bound`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// By the tenants' shares, then deadline, then arrival.
    #[default]
    Shares,
    /// Least work first, whoever asks: time limit × cores^¾, a card counting as eight cores. Nine jobs of ten bring a small part
    /// of all work; they hardly wait any more.
    Work,
}

/// What counts as work: microseconds × cores^¾, by the shortest way in integers. A card counts as eight cores.
pub(crate) fn work(total: &Resources, expected: Span) -> i64 {
    let cores = u128::from(total.cpu.cores_ceil() + 8 * u64::from(total.gpus)).clamp(1, 1 << 24);
    // The fourth root of cores³ × 2^40 is cores^¾ × 2^10.
    let weight = ((cores * cores * cores) << 40).isqrt().isqrt();
    let micros = expected.as_micros().max(0) as u128;
    i64::try_from((micros * weight) >> 10).unwrap_or(i64::MAX - 1)
}

/// The policy of placement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// How many blocked jobs of each pool set hold a reservation: 1 is EASY backfill, 0 is backfill without protection
    /// (nothing then bounds the wait of large jobs).
    pub backfill_depth: u32,
    /// After this long, used resources count half in fair sharing. At least a minute.
    #[serde(with = "base::span_text")]
    pub fair_share_half_life: Span,
    /// A job older than this goes before the fair-share order of its class; one older than twice this goes before every class.
    #[serde(with = "base::span_text")]
    pub age_bound: Span,
    pub order: Order,
    /// Thousandths of `age_bound` by which work passes it earlier, times its share of the largest pool that has nodes for it: the wider
    /// it is, the longer until what it needs is free together.
    pub haste: u32,
    /// The same, times the fourth power of that share: the last tenth of a pool is the hardest to free. Together at most all of
    /// `age_bound`.
    pub haste_of_the_wide: u32,
    /// Work that is expected to end before a reservation may start in front of it, if by its limit it would delay it by no more than
    /// this. Nothing may while something that waits for the same pools is older than `age_bound`. Zero: only limits count.
    #[serde(with = "base::span_text")]
    pub overrun_max: Span,
    /// Work starts in a pool that is ready, whatever another costs. When off, a pool that is expected to be free later is chosen
    /// where its penalty by the weights is less, for as long as the job is expected to start there before its `age_bound` is over.
    pub ready_first: bool,
    pub weights: Weights,
    /// When work that is not the platform's ends on a shared cluster is not known: it is taken to go on for this long yet.
    #[serde(with = "base::span_text")]
    pub foreign_hold: Span,
    /// Rows of an [`crate::Explanation`] made by `explain` and `quote`.
    pub explain_candidates_max: u32,
    /// Rows of the explanation kept with each placement: the chosen pool and its closest rivals.
    pub placement_candidates_max: u32,
}

impl Policy {
    /// Whether how long work is expected to run decides about more than the way of its data.
    pub fn goes_by_forecasts(&self) -> bool {
        self.order == Order::Work || !self.ready_first || self.overrun_max > Span::ZERO
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            backfill_depth: 1,
            fair_share_half_life: Span::from_hours(7 * 24),
            age_bound: Span::from_hours(3 * 24),
            order: Order::Shares,
            haste: 0,
            haste_of_the_wide: 0,
            overrun_max: Span::ZERO,
            ready_first: true,
            weights: Weights::default(),
            foreign_hold: Span::from_hours(1),
            // A table that a person still reads; a platform of 10,000 pools must not answer with 10,000 rows.
            explain_candidates_max: 64,
            // 5 rows × about 200 bytes = 1 KB for every started job.
            placement_candidates_max: 5,
        }
    }
}
