//! The platform's own metrics, in Prometheus text. Names are stable and documented by their help texts.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use engine::query::Sizes;
use engine::{Denied, Report};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use model::{Event, EventKind};

/// Upper bounds of latency buckets in seconds: 0.1 ms to 10 s, about two a decade.
const SECONDS: &[f64] = &[0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];

/// Installs the recorder of this process, once; later calls get the same handle.
pub fn install() -> PrometheusHandle {
    static HANDLE: std::sync::OnceLock<PrometheusHandle> = std::sync::OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let builder = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)
                .unwrap_or_else(|_| PrometheusBuilder::new());
            let recorder = builder.build_recorder();
            let handle = recorder.handle();
            // Another recorder in this process can only be one that a test installed; its numbers are then not ours.
            let _ = metrics::set_global_recorder(recorder);
            describe();
            handle
        })
        .clone()
}

fn describe() {
    describe_counter!("headworks_commands_total", "Commands by kind and result");
    describe_counter!("headworks_events_total", "Events by kind");
    describe_counter!("headworks_records_total", "Records stored");
    describe_histogram!("headworks_commit_seconds", Unit::Seconds, "Time of one transaction");
    describe_histogram!("headworks_schedule_seconds", Unit::Seconds, "Time of one scheduling pass");
    describe_histogram!("headworks_http_request_seconds", Unit::Seconds, "Time of a request by route and status class");
    describe_gauge!("headworks_open_jobs", "Jobs that have not ended");
    describe_gauge!("headworks_queued_jobs", "Jobs the scheduler may place");
    describe_gauge!("headworks_running_attempts", "Attempts out on clusters");
    describe_gauge!(
        "headworks_queue_wait_seconds",
        Unit::Seconds,
        "What the queue of a pool's cluster takes, by forecast"
    );
    describe_gauge!(
        "headworks_queue_waits_told",
        "Waits in the queue of a pool's cluster that were forecast since the start"
    );
    describe_gauge!("headworks_queue_waits_kept", "Of them, those that kept within the forecast");
    describe_counter!("headworks_forecasts_total", "Forecasts of starts and run times that were judged, by pool");
    describe_counter!(
        "headworks_forecasts_within_factor_two_total",
        "Of them, those at least half and at most twice what came, times under 10 s counting as 10 s"
    );
    describe_counter!(
        "headworks_forecast_absolute_error_seconds_total",
        Unit::Seconds,
        "Sum of their errors without signs, whole seconds"
    );
    describe_gauge!(
        "headworks_forecast_error_sum_seconds",
        Unit::Seconds,
        "Sum of what came less what was forecast since the start"
    );
    describe_counter!("headworks_notices_made_total", "Notices put on their way to users");
    describe_counter!("headworks_notices_total", "Notices by channel and how sending them went");
    describe_gauge!("headworks_open_holds", "Holds on wallets");
}

/// One command was decided.
pub fn command(word: &'static str, answer: &Result<Report, Denied>) {
    let result = match answer {
        Ok(_) => "ok",
        Err(denied) => denied.code(),
    };
    counter!("headworks_commands_total", "command" => word, "result" => result).increment(1);
}

pub fn commit(took: Duration, records: usize) {
    histogram!("headworks_commit_seconds").record(took.as_secs_f64());
    counter!("headworks_records_total").increment(records as u64);
}

pub fn schedule(took: Duration) {
    histogram!("headworks_schedule_seconds").record(took.as_secs_f64());
}

pub fn events(events: &[Event]) {
    for event in events {
        let kind = match event.what {
            EventKind::Submitted { .. } => "submitted",
            EventKind::Placed { .. } => "placed",
            EventKind::Started { .. } => "started",
            EventKind::Ended { .. } => "ended",
            EventKind::Requeued { .. } => "requeued",
            EventKind::HandOverFailed { .. } => "hand_over_failed",
            EventKind::Interrupted { .. } => "interrupted",
            EventKind::Moved { .. } | EventKind::Twinned { .. } => "moved",
            EventKind::LateAnswer { .. } => "late_answer",
            EventKind::BalanceLow { .. } => "balance_low",
            EventKind::BudgetAlert { .. } => "budget_alert",
            EventKind::ClusterUnreachable { .. } => "cluster_unreachable",
            _ => "other",
        };
        counter!("headworks_events_total", "kind" => kind).increment(1);
    }
}

/// One request was answered. `route` is its pattern, so that the number of series is bounded.
pub fn request(route: &Arc<str>, status: StatusCode, took: Duration) {
    let class = match status.as_u16() {
        ..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    };
    histogram!("headworks_http_request_seconds", "route" => route.clone(), "status" => class)
        .record(took.as_secs_f64());
}

/// How the queues of the pools' clusters go.
pub fn queues(engine: &engine::Engine) {
    for pool in engine.pools() {
        let Some(forecast) = engine.queue_forecast(pool.id) else { continue };
        let (told, kept) = forecast.record();
        if let Some(bound) = forecast.bound() {
            gauge!("headworks_queue_wait_seconds", "pool" => pool.name.clone()).set(bound.as_secs_f64());
        }
        gauge!("headworks_queue_waits_told", "pool" => pool.name.clone()).set(told as f64);
        gauge!("headworks_queue_waits_kept", "pool" => pool.name.clone()).set(kept as f64);
    }
}

/// How good forecasts were since the engine was made, by pool and by what was forecast.
pub fn forecasts(engine: &engine::Engine) {
    for pool in engine.pools() {
        let Some(quality) = engine.forecast_quality(pool.id) else { continue };
        for (of, errors) in [("start", &quality.starts), ("run", &quality.runs)] {
            let absolute = u64::try_from(errors.absolute.as_secs()).unwrap_or(0);
            let name = || pool.name.clone();
            counter!("headworks_forecasts_total", "pool" => name(), "of" => of).absolute(errors.count);
            counter!("headworks_forecasts_within_factor_two_total", "pool" => name(), "of" => of)
                .absolute(errors.within_two);
            counter!("headworks_forecast_absolute_error_seconds_total", "pool" => name(), "of" => of)
                .absolute(absolute);
            gauge!("headworks_forecast_error_sum_seconds", "pool" => name(), "of" => of)
                .set(errors.signed.as_secs_f64());
        }
    }
}

pub fn sizes(sizes: &Sizes) {
    gauge!("headworks_open_jobs").set(sizes.open_jobs as f64);
    gauge!("headworks_queued_jobs").set(sizes.queued_jobs as f64);
    gauge!("headworks_running_attempts").set(sizes.running_attempts as f64);
    gauge!("headworks_open_holds").set(sizes.open_holds as f64);
}
