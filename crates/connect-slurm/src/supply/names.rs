//! Names of pools: `CLUSTER-PARTITION[-CHIP]`, told apart by cards and shape only where a partition has several of a chip.

use std::collections::BTreeMap;

use base::{Bytes, digest128};

/// Longest name that the platform takes, see [`model::people::valid_name`].
const NAME_MAX: usize = 40;
/// Hexadecimal digits that keep a cut name unique: 24 bits among the pools of one cluster.
const TAG: usize = 6;

/// What a name may tell of a pool.
pub struct Described<'a> {
    pub partition: &'a str,
    pub chip: Option<&'a str>,
    pub cards: u32,
    pub cpus: u32,
    pub mem: Bytes,
}

/// One name for each, in order. A name depends on what stands beside it in the same partition: a second shape renames the
/// first, since neither is the one that was meant by the short name.
pub fn unique(cluster: &str, pools: &[Described<'_>]) -> Vec<String> {
    let cards = |p: &Described<'_>| if p.cards > 0 { format!("-x{}", p.cards) } else { String::new() };
    let shape = |p: &Described<'_>| format!("-{}c{}g", p.cpus, p.mem.0 / Bytes::GIB);
    let fine = |p: &Described<'_>| format!("-{}c{}m", p.cpus, p.mem.mib_ceil());
    let forms: [&dyn Fn(&Described<'_>) -> String; 4] =
        [&|_| String::new(), &cards, &|p| format!("{}{}", cards(p), shape(p)), &|p| format!("{}{}", cards(p), fine(p))];
    let short: Vec<String> = pools.iter().map(|p| name(cluster, p)).collect();
    let mut names = short.clone();
    for form in forms {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        names.iter().for_each(|n| *seen.entry(n).or_default() += 1);
        let alone: Vec<bool> = names.iter().map(|n| seen[n.as_str()] == 1).collect();
        for (i, pool) in pools.iter().enumerate().filter(|(i, _)| !alone[*i]) {
            names[i] = format!("{}{}", short[i], form(pool));
        }
    }
    let mut used: BTreeMap<String, u32> = BTreeMap::new();
    names
        .into_iter()
        .map(|long| {
            let times = used.entry(long.clone()).or_default();
            *times += 1;
            fitted(&if *times == 1 { long } else { format!("{long}-{times}") })
        })
        .collect()
}

fn name(cluster: &str, pool: &Described<'_>) -> String {
    let partition = pool.partition.chars().map(|c| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9' | '-' | '_' | '.') => c,
        _ => '-',
    });
    let partition: String = partition.collect();
    match pool.chip {
        Some(chip) => format!("{cluster}-{partition}-{chip}"),
        None => format!("{cluster}-{partition}"),
    }
}

/// Cut to what the platform takes; what was cut lives on as a digest.
fn fitted(long: &str) -> String {
    if long.len() <= NAME_MAX {
        return long.to_owned();
    }
    let tag = format!("{:032x}", digest128(&[long.as_bytes()]));
    format!("{}-{}", &long[..NAME_MAX - TAG - 1], &tag[..TAG])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool<'a>(partition: &'a str, chip: Option<&'a str>, cards: u32, cpus: u32, gib: u64) -> Described<'a> {
        Described { partition, chip, cards, cpus, mem: Bytes::from_gib(gib) }
    }

    #[test]
    fn names_say_as_much_as_is_needed() {
        let names = unique(
            "alpha",
            &[
                pool("Main", None, 0, 16, 64),
                pool("mixed", None, 0, 16, 64),
                pool("mixed", None, 0, 32, 64),
                pool("gpu", Some("nvidia-a100"), 4, 32, 256),
                pool("gpu", Some("nvidia-a100"), 8, 32, 256),
                pool("gpu", Some("ascend-910b"), 8, 32, 256),
                pool("big", Some("i20"), 2, 8, 32),
                pool("big", Some("i20"), 2, 8, 48),
            ],
        );
        let want = [
            "alpha-main",
            "alpha-mixed-16c64g",
            "alpha-mixed-32c64g",
            "alpha-gpu-nvidia-a100-x4",
            "alpha-gpu-nvidia-a100-x8",
            "alpha-gpu-ascend-910b",
            "alpha-big-i20-x2-8c32g",
            "alpha-big-i20-x2-8c48g",
        ];
        assert_eq!(names, want);
    }

    #[test]
    fn long_and_strange_names_stay_valid_and_distinct() {
        let long = "p".repeat(60);
        let names =
            unique("beta", &[pool(&long, None, 0, 1, 1), pool(&long, None, 0, 2, 1), pool("日 x", None, 0, 1, 1)]);
        assert!(names.iter().all(|n| model::people::valid_name(n)), "{names:?}");
        assert_ne!(names[0], names[1]);
        assert_eq!(names[2], "beta---x");
    }
}
