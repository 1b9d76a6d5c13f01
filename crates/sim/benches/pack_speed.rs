//! How long one run of the packing experiment takes, by policy: all arrivals of the openb default list, one seed, one core.
//! `cargo bench --profile fast -p headworks-sim`; the data are looked for as the tests do (`HW_DATA`).
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a measuring program")]

use std::path::PathBuf;
use std::time::Instant;

use sim::pack::{NAMES, Workload, arrivals, node_order, policy, run};

/// Runs of each policy, of which the quickest counts: the machine may be busy with other things.
const RUNS: usize = 5;

/// Seconds of processor time that this thread has had; of the clock where the system does not say.
fn spent_s(begun: Instant) -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = told.split(' ').next().and_then(|ns| ns.parse::<f64>().ok());
    ns.map_or_else(|| begun.elapsed().as_secs_f64(), |ns| ns / 1e9)
}

fn main() {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("HW_DATA").map_or_else(beside, PathBuf::from).join("openb");
    let read = |name: &str| std::fs::read_to_string(folder.join(name));
    let (Ok(nodes), Ok(pods)) = (read("openb_node_list_gpu_node.csv"), read("openb_pod_list_default.csv")) else {
        println!("packing: skipped, {} is not there (HW_DATA names the folder of the workload data)", folder.display());
        return;
    };
    let work = Workload::read(&nodes, &pods).expect("the openb lists can be read");
    let (rows, order) = (arrivals(&work, 1), node_order(&work, 1));
    println!(
        "packing openb default, {} pods on {} nodes, processor time, quickest of {RUNS} runs",
        rows.len(),
        order.len()
    );
    let begun = Instant::now();
    let mut fgd = None;
    for name in NAMES {
        let (mut best_s, mut left) = (f64::MAX, 0.0);
        for _ in 0..RUNS {
            let policy = policy(name, &work, 1).expect("a name of the list");
            let before_s = spent_s(begun);
            let outcome = run(&work, &rows, &order, policy);
            (best_s, left) = (best_s.min(spent_s(begun) - before_s), 100.0 - outcome.last());
        }
        fgd = if name == "FGD" { Some(best_s) } else { fgd };
        let against = fgd.map_or(String::new(), |fgd| format!(", {:.1} × FGD", best_s / fgd));
        println!("  {name:14} {best_s:8.3} s, {left:5.2} % unallocated{against}");
    }
}
