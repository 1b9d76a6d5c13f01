//! The numbers that steer the engine, each with its unit and its reason.

use base::{Currency, Span};

use crate::steering::Steering;

/// Policy values; the same in tests and production unless a test says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Running work is billed in stretches of this length.
    pub meter_interval: Span,
    /// An interval is billed this long after it is over, so that an end within it has arrived by then.
    pub meter_lag: Span,
    /// How much running time is authorised at once, at most: an hour keeps a wallet usable by many jobs,
    /// and one extension an hour costs nothing.
    pub hold_span: Span,
    /// From the warning that the wallet runs dry to the stop.
    pub balance_grace: Span,
    /// Between TERM and KILL.
    pub kill_grace: Span,
    /// Added to the time limit before the engine itself asks for the end; the cluster should have done it by then.
    pub time_limit_margin: Span,
    /// Pause before a failed start is tried again, doubled each time up to `retry_max`.
    pub retry_first: Span,
    pub retry_max: Span,
    /// Failed starts in a row after which the platform holds the job.
    pub start_failures_max: u32,
    /// 10,000 elements are one commit of about 20 MB.
    pub array_elements_max: u32,
    /// DESIGN §7: a million open jobs on one engine.
    pub open_jobs_max: u64,
    /// Whether a run that its cluster broke off is billed: its machine failed, or it was preempted or queued again there. By
    /// default the tenant does not pay for what the operator's supply did; its cost is the operator's.
    pub bill_failed_machine: bool,
    /// Attempts are looked at once in so long for whether they are to be replaced.
    pub look_interval: Span,
    /// Cancel jobs whose dependency can never be fulfilled (Slurm's `kill_invalid_depend`).
    pub cancel_unfulfillable: bool,
    /// Currency of the operator's costs.
    pub cost_currency: Currency,
    /// Months of statements are the calendar's at this distance from UTC.
    pub statement_offset: rating::tariff::UtcOffset,
    /// Work units of one scheduling pass; what is left over is done in the next step.
    pub schedule_budget: u64,
    /// What may change while work runs.
    pub steering: Steering,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            meter_interval: Span::from_secs(60),
            meter_lag: Span::from_secs(5),
            hold_span: Span::from_hours(1),
            balance_grace: Span::from_mins(5),
            kill_grace: Span::from_secs(30),
            time_limit_margin: Span::from_secs(60),
            retry_first: Span::from_secs(5),
            retry_max: Span::from_mins(5),
            start_failures_max: 5,
            array_elements_max: 10_000,
            open_jobs_max: 1_000_000,
            bill_failed_machine: false,
            look_interval: Span::from_mins(1),
            cancel_unfulfillable: true,
            cost_currency: Currency::CNY,
            statement_offset: rating::tariff::UtcOffset::UTC,
            schedule_budget: 50_000_000,
            steering: Steering::default(),
        }
    }
}

impl Policy {
    /// What a hold must still cover while work runs: the interval being used, the lag before it is billed, the grace
    /// after a warning, and the time a stubborn process may take to die.
    pub fn cover(&self) -> Span {
        self.meter_interval + self.meter_interval + self.meter_lag + self.balance_grace + self.kill_grace
    }
}
