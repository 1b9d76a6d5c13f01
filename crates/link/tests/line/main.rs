//! Both ends of the line in one process, over a loopback socket: the suite of every cluster, lines that are cut at random
//! bytes, restarts of either end, strangers at the door.
#![allow(clippy::print_stdout, reason = "seeds and figures for whoever reads the run")]

mod door;
mod exactly_once;
mod skew;
mod support;

use std::sync::Arc;

use support::{Cuts, SiteBed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_behind_a_line_is_a_cluster() {
    ports::conformance::cluster(|| SiteBed::new(None)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_is_cut_again_and_again_is_still_a_cluster() {
    // A greeting takes some 2,000 bytes and a case some thousands: most cases meet a cut or two.
    let seed = support::seed();
    println!("HW_SEED={seed}");
    let cuts = Arc::new(Cuts::new(seed, 1_500, 6_000));
    ports::conformance::cluster(|| SiteBed::new(Some(cuts.clone()))).await;
    assert!(cuts.made() > 10, "the line was cut only {} times", cuts.made());
}
