//! What stands around long work: a bar on a terminal, an ear for Ctrl-C, the process' memory and the time it took.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use sim::replay::Progress;

use crate::desk::Desk;
use crate::fault::Fault;

/// A bar, and a flag that Ctrl-C raises.
#[derive(Clone)]
pub struct Watcher {
    bar: Option<ProgressBar>,
    stop: Arc<AtomicBool>,
}

impl Watcher {
    /// What a replay calls now and then.
    pub fn look(&self, progress: Progress) -> ControlFlow<()> {
        if let Some(bar) = &self.bar {
            bar.set_length(progress.jobs as u64);
            bar.set_position(progress.ended as u64);
        }
        if self.stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Does `work` on a thread of its own, so that Ctrl-C is heard; the first asks it to stop and report, a second ends the program.
pub async fn watched<T: Send + 'static>(
    desk: &Desk,
    work: impl FnOnce(Watcher) -> T + Send + 'static,
) -> Result<T, Fault> {
    let bar = desk.settings.stderr_terminal.then(|| {
        let bar = ProgressBar::new(0);
        // The template is a constant that is right.
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {human_pos} / {human_len}  {elapsed} (-{eta})") {
            bar.set_style(style);
        }
        bar
    });
    let watcher = Watcher { bar: bar.clone(), stop: Arc::default() };
    let stop = watcher.stop.clone();
    let ear = tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            if stop.swap(true, Ordering::Relaxed) {
                std::process::exit(i32::from(INTERRUPTED));
            }
        }
    });
    let done = tokio::task::spawn_blocking(move || work(watcher)).await;
    ear.abort();
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    done.map_err(|error| Fault::Server(error.into()))
}

/// What a shell says of a program that Ctrl-C ended.
pub const INTERRUPTED: u8 = 130;

/// Most memory this process ever had, bytes; 0 where the system does not say.
pub fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

/// Seconds since a moment.
pub fn seconds_since(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64()
}
