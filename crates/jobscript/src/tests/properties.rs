//! Over any text: nothing panics, what is accepted makes sense, stronger sources win.

use proptest::prelude::*;

use super::*;

/// Values near what options take, so that the interesting branches are reached often.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{1,5}",
        "[0-9]{1,11}",
        "[1-9]",
        "[1-8]-[1-9]",
        "[0-9]{1,7}[KMGTkmgt]",
        "(a100|a30):[1-8]",
        "gpu(:a100)?(:[1-8])?",
        "[0-9]{1,2}-[0-9]{1,6}(:[0-9])?(%[0-9])?(,[0-9]{1,7})*",
        "(afterok|afterany|singleton)(:[0-9]{1,20}(_[0-9]{1,10})?){0,3}",
        "(B:)?(USR1|TERM|[0-9]{1,2})(@[0-9]{1,6})?",
        "now(\\+[0-9]{1,14}(hours|days|weeks|minutes)?)?",
        "[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?)?",
        "[0-9]{1,3}(:[0-9]{1,2}){0,2}",
        "(ALL|NONE|[A-Z]=[a-z]{0,3}|[A-Z])(,(ALL|[A-Z]=[a-z]{0,3}))?",
        "[a-z%/0-9._|,-]{0,12}",
        "(?s).{0,8}",
    ]
}

fn option() -> impl Strategy<Value = (Key, String)> {
    (proptest::sample::select(Key::ALL), value())
}

/// Sizes that are valid by themselves, so that only their interplay is left to go wrong.
fn size() -> impl Strategy<Value = (Key, String)> {
    let number = |max: u32| (1..=max).prop_map(|n| n.to_string());
    let small = || prop_oneof![number(8), number(8), number(100_000)];
    prop_oneof![
        small().prop_map(|v| (Key::Nodes, v)),
        small().prop_map(|v| (Key::Ntasks, v)),
        small().prop_map(|v| (Key::NtasksPerNode, v)),
        small().prop_map(|v| (Key::CpusPerTask, v)),
        small().prop_map(|v| (Key::Gpus, v)),
        number(8).prop_map(|v| (Key::GpusPerNode, v)),
        number(1_024).prop_map(|v| (Key::GpusPerTask, v)),
        number(8).prop_map(|v| (Key::Gres, format!("gpu:{v}"))),
        number(60).prop_map(|v| (Key::Mem, format!("{v}T"))),
        number(60).prop_map(|v| (Key::MemPerCpu, format!("{v}T"))),
    ]
}

fn body(given: &[(Key, String)]) -> Parsed {
    let mut options = Options::default();
    for (key, value) in given {
        *options.slot(*key) = Some(Given::json(value.as_str()));
    }
    merge(parse_script(&script("")).unwrap(), Parsed::from_options(options))
}

fn holds(result: Result<Draft, Vec<Fault>>) -> Result<(), TestCaseError> {
    match result {
        Err(faults) => {
            prop_assert!(!faults.is_empty());
            for fault in faults {
                let text = fault.to_string();
                prop_assert!(text.len() < 600 && !text.contains(char::is_control), "{}", text);
            }
        }
        Ok(draft) => {
            let request = &draft.spec.request;
            prop_assert_eq!(request.fault(), None);
            // Sums over all nodes stay inside their integers, and every task has its cores.
            let total = request.total();
            let cores = u64::from(request.tasks) * u64::from(request.cpus_per_task);
            prop_assert!(total.cpu.cores_ceil() >= cores, "{:?}", request);
            prop_assert!(request.nodes <= limits::NODES_MAX && request.tasks <= limits::TASKS_MAX);
            prop_assert!(request.per_node.mem > Bytes(0) && request.per_node.mem <= limits::MEMORY_PER_NODE_MAX);
            prop_assert!(draft.spec.time_limit > Span::ZERO);
            if let Some(array) = &draft.spec.array {
                prop_assert!(!array.indices.is_empty() && array.indices.is_sorted());
            }
            prop_assert!(draft.spec.begin.is_none_or(|at| at > context().now));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_answered(text in "\\PC{0,40}(\n(#SBATCH|#HW| |#PBS)?\\PC{0,30}){0,6}") {
        let _ = parse_script(&text);
        holds(read(&text))?;
    }

    #[test]
    fn any_words_are_answered(words in proptest::collection::vec("(?s)(-{0,2}([a-zA-Z-]{0,8}|.{0,4})(=.{0,6})?|.{0,6})", 0..8)) {
        if let Ok(command) = parse_args(&words) {
            let merged = merge(parse_script(&script("")).unwrap(), command.parsed);
            holds(resolve(&merged, &Defaults::default(), context()))?;
        }
    }

    #[test]
    fn whatever_is_accepted_makes_sense(given in proptest::collection::vec(option(), 0..4)) {
        holds(resolve(&body(&given), &Defaults::default(), context()))?;
    }

    #[test]
    fn sizes_settle_or_contradict(given in proptest::collection::vec(size(), 0..6)) {
        holds(resolve(&body(&given), &Defaults::default(), context()))?;
    }

    #[test]
    fn the_stronger_source_wins(under in proptest::collection::vec(option(), 0..6), over in proptest::collection::vec(option(), 0..6)) {
        let parsed = |given: &[(Key, String)], origin| {
            let mut options = Options::default();
            for (key, value) in given {
                *options.slot(*key) = Some(Given::new(value.clone(), origin));
            }
            Parsed::from_options(options)
        };
        let (under, over) = (parsed(&under, Origin::Line(2)), parsed(&over, Origin::Flag));
        let merged = merge(under.clone(), over.clone());
        for &key in Key::ALL {
            match (over.options.get(key), merged.options.get(key)) {
                (Some(strong), found) => prop_assert_eq!(found, Some(strong)),
                (None, Some(found)) => prop_assert_eq!(Some(found), under.options.get(key)),
                // Dropped only in favour of the other way of saying it.
                (None, None) if under.options.get(key).is_some() => {
                    prop_assert!(matches!(key, Key::Mem | Key::MemPerCpu | Key::Gres | Key::GpusPerNode));
                }
                (None, None) => {}
            }
        }
        prop_assert_eq!(merge(Parsed::default(), over.clone()), over.clone());
        prop_assert_eq!(merge(over.clone(), Parsed::default()), over);
    }

    #[test]
    fn any_pattern_is_filled(pattern in "(\\PC|%[0-9]{0,12}[jAaxuNnt%z]){0,10}") {
        let facts = Facts { name: "../x".into(), nodes: vec!["n1".into()], tasks: 1, ..Facts::default() };
        let filled = expand_pattern(&pattern, &facts);
        if !pattern.contains('/') {
            prop_assert!(!filled.contains('/'));
        }
        if !pattern.contains('%') {
            prop_assert_eq!(filled, pattern);
        }
    }
}
