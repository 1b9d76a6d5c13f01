//! What the connector costs beside the bare interfaces of Slurm, on a real cluster, and what a hundred of them cost at once.
//! Prints figures; judges nothing. Any word of the command line chooses what is measured.
#![allow(clippy::print_stdout, reason = "figures for whoever reads the run")]

#[path = "connector/bare.rs"]
mod bare;
#[path = "connector/hand_over.rs"]
mod hand_over;
#[path = "connector/hundred.rs"]
mod hundred;
#[path = "connector/replay.rs"]
mod replay;

fn main() {
    // `cargo bench` passes `--bench`.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    for way in [hand_over::Way::Rest, hand_over::Way::Ssh, hand_over::Way::Here] {
        if wanted(way.name()) {
            hand_over::measure(way);
        }
    }
    if wanted("hundred") {
        hundred::measure();
    }
}
