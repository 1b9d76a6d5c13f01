//! The names by which policies are asked for. A new policy is one line in each list.

use super::{Backfill, Candidates, Conservative, Easy, Fcfs, Headworks, Policy, Score, Scored, Waited};

/// Every name [`named`] knows, in the order lists show them.
pub const NAMES: &[&str] = &[
    "fcfs",
    "easy",
    "easy-no-spare",
    "easy-sjbf",
    "conservative",
    "headworks",
    "sjf",
    "sjf-backfill",
    "f1",
    "f1-backfill",
    "wfp3",
    "wfp3-backfill",
    "unicep",
    "unicep-backfill",
    "fcfs-backfill",
];

/// A fresh policy by its name.
pub fn named(name: &str) -> Option<Box<dyn Policy>> {
    let scored = |score, backfill| Box::new(Scored::new(score, Waited::Really, backfill));
    Some(match name {
        "fcfs" => Box::new(Fcfs::default()),
        "easy" => Box::new(Easy::new(Candidates::Arrival)),
        "easy-no-spare" => Box::new(Easy::new(Candidates::Arrival).without_spare()),
        "easy-sjbf" => Box::new(Easy::new(Candidates::ShortestEstimate)),
        "conservative" => Box::new(Conservative::default()),
        "headworks" => Box::new(Headworks::default()),
        "sjf" => scored(Score::Sjf, Backfill::No),
        "sjf-backfill" => scored(Score::Sjf, Backfill::Yes),
        "f1" => scored(Score::F1, Backfill::No),
        "f1-backfill" => scored(Score::F1, Backfill::Yes),
        "wfp3" => scored(Score::Wfp3, Backfill::No),
        "wfp3-backfill" => scored(Score::Wfp3, Backfill::Yes),
        "unicep" => scored(Score::Unicep, Backfill::No),
        "unicep-backfill" => scored(Score::Unicep, Backfill::Yes),
        "fcfs-backfill" => scored(Score::Fcfs, Backfill::Yes),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Job, Rhythm};

    #[test]
    fn every_name_names_a_policy() {
        assert!(NAMES.iter().all(|name| named(name).is_some()));
        assert!(named("best").is_none());
    }

    #[test]
    fn what_is_withdrawn_never_starts_and_holds_nobody_up() {
        const WHOLE: u32 = 4;
        let job = |no: u32, submit_s: i64| Job {
            no,
            submit_s,
            procs: WHOLE,
            estimate_s: 100,
            user: Some(no),
            group: None,
            app: None,
            queue: None,
            partition: None,
        };
        let jobs = [job(0, 0), job(1, 1), job(2, 2), job(3, 3)];
        for name in NAMES {
            for gone in 1..4 {
                let mut policy = named(name).unwrap();
                let mut starts = Vec::new();
                for job in &jobs {
                    policy.arrived(job.submit_s, job);
                    let free = if job.no == 0 { WHOLE } else { 0 };
                    policy.decide(job.submit_s, free, &mut starts);
                }
                assert!(starts == [0] && !policy.withdrawn(&jobs[0]), "{name}: what runs is not taken back");
                let has_left = policy.withdrawn(&jobs[gone]);
                assert!(!has_left || !policy.withdrawn(&jobs[gone]), "{name}: once is enough");
                // Only those that commit themselves to a job when they choose it keep the first.
                assert!(has_left || (gone == 1 && policy.rhythm() == Rhythm::Event), "{name} keeps {gone}");
                let mut now_s = 10;
                for _ in 0..3 {
                    let Some(last) = starts.last().copied() else { break };
                    policy.ended(now_s, &jobs[last as usize], now_s - 10);
                    let before = starts.len();
                    policy.decide(now_s, WHOLE, &mut starts);
                    now_s += 10;
                    if starts.len() == before {
                        break;
                    }
                }
                starts.sort_unstable();
                let stay: Vec<u32> = (0..4).filter(|no| !has_left || *no as usize != gone).collect();
                assert_eq!(starts, stay, "{name} without {gone}");
            }
        }
    }
}
