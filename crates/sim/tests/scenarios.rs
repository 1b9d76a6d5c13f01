//! Every scenario of `scenarios/` with its checked-in transcript beside it.
#![allow(clippy::disallowed_methods, reason = "tests read the scenarios from their folder")]

use std::path::Path;

fn check(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let text = std::fs::read_to_string(folder.join(format!("{name}.txt"))).unwrap();
    let outcome = sim::scenario::run(&text);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, outcome.transcript));
    assert!(outcome.failures.is_empty(), "{name}: {:#?}\n{}", outcome.failures, outcome.transcript);
}

macro_rules! scenarios {
    ($($name:ident),+ $(,)?) => {
        $(#[test] fn $name() { check(stringify!($name)); })+

        #[test]
        fn every_file_is_a_test() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
            let mut found: Vec<String> = std::fs::read_dir(folder).unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter_map(|file| file.strip_suffix(".txt").map(str::to_owned))
                .collect();
            found.sort();
            let mut listed = vec![$(stringify!($name).to_owned()),+];
            listed.sort();
            assert_eq!(found, listed);
        }
    };
}

scenarios!(
    arrays,
    backfill,
    bought,
    budgets,
    cancel_in_each_phase,
    clock_back,
    constraints,
    contracts,
    grants,
    crashes,
    cut_off,
    dependencies,
    fair_share,
    foreign,
    happy_path,
    hold_and_begin,
    hold_on_cluster,
    idempotency,
    interrupted,
    late_reports,
    lending,
    links,
    money_runs_low,
    moved,
    node_failure,
    preemption,
    prices_change,
    refusals,
    remarks,
    requeue,
    reserve,
    residency,
    steered,
    supply_terms,
    suspended,
    tiers,
    time_limit,
    twin,
);
