//! The candidate table of an explanation or a quote, as the API shows it.
//! What a job costs the operator is the operator's business: tenants see neither cost nor the score it is part of.

use sched::{Candidate, Verdict};
use wire::submit;
use wire::text::{self, Both, RULES, WORDS, same};

use super::job::time;
use super::supply_mode;
use crate::access::Supply;

/// One row. `costs`: the reader may see what it costs the operator.
pub fn candidate(candidate: &Candidate, supply: &Supply, costs: bool) -> submit::Candidate {
    let pool = supply.pools.get(&candidate.pool);
    let (code, amounts) = match &candidate.verdict {
        Verdict::Feasible => ("feasible", None),
        Verdict::Refused(rule) => (rule.code(), rule.amounts()),
    };
    let (requested, available) = amounts.unzip();
    let values: Vec<_> = [("requested", &requested), ("available", &available)]
        .into_iter()
        .filter_map(|(name, value)| value.as_ref().map(|v: &String| (name, said_as(code, v))))
        .collect();
    let said = text::say(RULES, code, &values);
    let score = candidate.score.filter(|_| costs);
    submit::Candidate {
        pool: candidate.pool,
        pool_name: candidate.pool_name.to_string(),
        cluster_name: pool.map_or_else(|| "?".into(), |p| supply.cluster_name(p.cluster)),
        mode: pool.map_or(wire::SupplyMode::Own, |p| supply_mode(p.mode)),
        verdict: code.into(),
        text_en: said.en,
        text_zh: said.zh,
        requested,
        available,
        expected_start: time(candidate.expected_start),
        queue_wait_seconds: candidate.queue_wait.map(base::Span::as_secs_f64),
        data_time_seconds: candidate.data_time.map(base::Span::as_secs_f64),
        data_cost: candidate.data_cost.filter(|_| costs).map(Into::into),
        latency_seconds: candidate.latency.map(base::Span::as_secs_f64),
        run_time_seconds: matches!(candidate.verdict, Verdict::Feasible).then(|| candidate.run_time.as_secs_f64()),
        price: candidate.price.map(Into::into),
        covered: None,
        granted: None,
        to_pay: None,
        cost: candidate.cost.filter(|_| costs).map(Into::into),
        score: score.map(|s| units(s.total)),
        terms: score.map_or_else(Vec::new, |s| {
            [("start", s.start), ("price", s.price), ("cost", s.cost), ("data", s.data), ("latency", s.latency)]
                .into_iter()
                .map(|(name, value)| submit::ScoreTerm { name: name.into(), value: units(value) })
                .collect()
        }),
        chosen: candidate.chosen,
    }
}

/// One row of a quote, with who would bear its price.
pub fn offered(one: &Candidate, shares: Option<engine::Shares>, supply: &Supply, costs: bool) -> submit::Candidate {
    let shown = candidate(one, supply, costs);
    let Some(engine::Shares { covered, granted, to_pay }) = shares else { return shown };
    let (covered, granted, to_pay) = (Some(covered.into()), Some(granted.into()), Some(to_pay.into()));
    submit::Candidate { covered, granted, to_pay, ..shown }
}

/// An amount of a rule in both languages: most are numbers and names.
fn said_as(code: &str, value: &str) -> Both {
    match (code, text::find(WORDS, value)) {
        ("contract_tier", Some(word)) => Both { en: word.en.into(), zh: word.zh.into() },
        _ => same(value),
    }
}

/// Micro-units of money as units, for people to compare.
fn units(micros: i64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use base::{Bytes, Money, PoolId, Resources, Span, Timestamp};
    use sched::{Rule, Score};

    use super::*;

    fn row(verdict: Verdict) -> Candidate {
        Candidate {
            pool: PoolId::from_u128(1),
            pool_name: "own".into(),
            verdict,
            expected_start: Some(Timestamp::from_secs(60)),
            queue_wait: None,
            data_time: Some(Span::from_mins(1)),
            data_cost: Some(Money(250_000)),
            latency: Some(Span::from_millis(30)),
            run_time: Span::from_mins(10),
            price: Some(Money(2_000_000)),
            cost: Some(Money(1_000_000)),
            score: Some(Score {
                total: -3_250_000,
                start: 0,
                price: 2_000_000,
                cost: 1_000_000,
                data: 250_000,
                latency: 0,
            }),
            chosen: true,
        }
    }

    #[test]
    fn every_rule_has_its_texts() {
        let (a, b) = (Resources::new(2, Bytes::from_gib(4), 0), Resources::new(1, Bytes::from_gib(2), 0));
        let chip: model::Chip = "a100".parse().unwrap();
        for rule in [
            Rule::PoolNotNamed,
            Rule::TenantNotAdmitted,
            Rule::ContractTier { requested: model::SupplyMode::Own, available: model::SupplyMode::Partner },
            Rule::Chip { requested: vec![chip], available: None },
            Rule::NodeShape { requested: a, available: b },
            Rule::NodesTooFew { requested: 2, available: 1 },
            Rule::NoGpuPrice,
            Rule::NoPrice,
            Rule::TimeLimit { requested: Span::from_hours(2), available: Span::from_hours(1) },
            Rule::Avoided,
            Rule::Unreachable,
            Rule::NodesDown { requested: 2, available: 1 },
            Rule::Reserve { requested: 2, available: 1 },
            Rule::NodesMin { requested: 1, available: 2 },
            Rule::NodesMax { requested: 3, available: 2 },
            Rule::JobTotal { what: model::Counted::Cores, requested: 3, available: 2 },
            Rule::ClusterTotal { what: model::Counted::Mem, requested: 3, available: 2 },
            Rule::Residency { requested: ["cn-east".into()].into(), available: "cn-west/x".into() },
            Rule::AppVariant { requested: vec!["a100".into()], available: "ascend-910b".into() },
            Rule::Region { requested: ["cn-east".into()].into(), available: "cn-west/x".into() },
            Rule::Interconnect { requested: "infiniband:200G".into(), available: "".into() },
            Rule::TrainingInterconnect { requested: 200, available: 25 },
            Rule::BorrowingLimit { what: model::Counted::Gpus, requested: 3, available: 2, passes: true },
            Rule::LendingLimit { what: model::Counted::Mem, requested: 3, available: 2, passes: false },
            Rule::FeatureUnknown { feature: "nvlink".into() },
            Rule::Features { constraint: "a&b".into(), requested: 3, available: 2 },
            Rule::Switches { switches: 1, requested: 3, available: 2 },
            Rule::Reservation { requested: "course".into(), available: Vec::new() },
            Rule::Licence { name: "ansys".into(), requested: 3, available: 2 },
            Rule::NotInService { service: model::Service::Testing },
        ] {
            let code = rule.code();
            let shown = candidate(&row(Verdict::Refused(rule)), &Supply::default(), false);
            assert_eq!(shown.verdict, code);
            assert!(!shown.text_en.contains('…') && !shown.text_zh.contains('…'), "{shown:?}");
            assert!(shown.text_en.contains(' ') && !shown.text_zh.is_ascii(), "{shown:?}");
        }
    }

    #[test]
    fn tenants_learn_nothing_of_costs() {
        let (tenants, operators) = (
            candidate(&row(Verdict::Feasible), &Supply::default(), false),
            candidate(&row(Verdict::Feasible), &Supply::default(), true),
        );
        assert_eq!((tenants.cost, tenants.data_cost, tenants.score, tenants.terms.len()), (None, None, None, 0));
        assert_eq!((operators.score, operators.terms.len()), (Some(-3.25), 5));
        assert_eq!(operators.data_cost.unwrap().to_string(), "0.25");
        assert_eq!((tenants.data_time_seconds, tenants.latency_seconds), (Some(60.0), Some(0.03)));
        assert_eq!(operators.cost.unwrap().to_string(), "1.00");
        assert_eq!(tenants.price.unwrap().to_string(), "2.00");
    }
}
