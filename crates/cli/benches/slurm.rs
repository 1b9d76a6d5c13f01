//! The platform with a real Slurm cluster behind it, measured from outside: what it adds to a hand-over, and how soon a change in
//! Slurm is in the stream of events while ten thousand jobs wait. Prints figures; judges nothing.
#![allow(clippy::print_stdout, reason = "figures for whoever reads the run")]

#[path = "slurm/events.rs"]
mod events;
#[allow(dead_code, reason = "the other benchmark uses all of it")]
#[path = "platform/http.rs"]
mod http;
#[path = "slurm/latency.rs"]
mod latency;
#[path = "slurm/world.rs"]
mod world;

fn main() {
    // `cargo bench` passes `--bench`; any other word chooses what is measured.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    if let Some(why) = testkit::slurm::Farm::unavailable() {
        println!("the platform on Slurm: not measured: {why}");
        return;
    }
    if wanted("latency") {
        latency::measure();
    }
    if wanted("events") {
        events::measure();
    }
}
