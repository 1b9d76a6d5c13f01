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

    #[test]
    fn every_name_names_a_policy() {
        assert!(NAMES.iter().all(|name| named(name).is_some()));
        assert!(named("best").is_none());
    }
}
