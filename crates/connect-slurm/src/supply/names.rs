//! Names of pools: `CLUSTER-PARTITION[-CHIP]`, told apart by cards and shape only where a partition has several of a chip.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::{Bytes, Resources, digest128};
use model::{Chip, Pool};

use crate::render::SlurmPool;

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
    pub nodes: Vec<&'a str>,
}

/// A pool that was named before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub name: Arc<str>,
    pub chip: Option<Chip>,
    pub shape: Resources,
    pub nodes: Vec<Arc<str>>,
}

impl From<&SlurmPool> for Known {
    fn from(pool: &SlurmPool) -> Known {
        let nodes = pool.nodes.iter().map(|n| n.as_str().into()).collect();
        Known { name: pool.name.clone(), chip: pool.chip.clone(), shape: pool.shape, nodes }
    }
}
impl From<&Pool> for Known {
    fn from(pool: &Pool) -> Known {
        let nodes = pool.nodes.iter().map(|n| n.name.clone()).collect();
        Known { name: pool.name.clone(), chip: pool.chip.clone(), shape: pool.shape, nodes }
    }
}

/// One name for each, in order. What was named before keeps its name as long as it looks the same: jobs name it. Only what is
/// new is told apart from what stands beside it.
pub fn stable(cluster: &str, pools: &[Described<'_>], known: &[Known]) -> Vec<String> {
    let mut kept: Vec<Option<String>> = vec![None; pools.len()];
    let mut claims: Vec<(Reverse<usize>, bool, usize, usize)> = Vec::new();
    for (i, pool) in pools.iter().enumerate() {
        for (k, before) in known.iter().enumerate().filter(|(_, before)| is_name_of(cluster, pool, before)) {
            let common = pool.nodes.iter().filter(|n| before.nodes.iter().any(|b| ***n == **b)).count();
            let other_size = before.shape.mem != pool.mem;
            if common > 0 || !other_size {
                claims.push((Reverse(common), other_size, i, k));
            }
        }
    }
    // Who has most of its nodes is it; where none is left, what has the same size.
    claims.sort_unstable();
    let mut taken = vec![false; known.len()];
    for (.., i, k) in claims {
        if kept[i].is_none() && !taken[k] {
            (kept[i], taken[k]) = (Some(known[k].name.to_string()), true);
        }
    }
    let fresh: Vec<&Described<'_>> = pools.iter().zip(&kept).filter(|(_, k)| k.is_none()).map(|(p, _)| p).collect();
    // A name that means something else already, whether that is there now or not, is no name for anything new.
    let used: BTreeSet<&str> = known.iter().map(|k| &*k.name).collect();
    let mut names = unique(cluster, &fresh, &used).into_iter();
    kept.into_iter().map(|kept| kept.or_else(|| names.next()).unwrap_or_default()).collect()
}

/// Whether a pool that was named so before may be this one: the same partition, chip, cards and cores.
fn is_name_of(cluster: &str, pool: &Described<'_>, known: &Known) -> bool {
    let looks = known.shape.gpus == pool.cards
        && known.shape.cpu.cores_ceil() == u64::from(pool.cpus)
        && known.chip.as_ref().map(Chip::as_str) == pool.chip;
    let short = name(cluster, pool);
    let is_form = |rest: &str| rest.is_empty() || rest.starts_with('-') && rest[1..].split('-').all(is_form_word);
    looks
        && (known.name.strip_prefix(short.as_str()).is_some_and(is_form)
            || FORMS.iter().any(|form| *known.name == fitted(&format!("{short}{}", form(pool)))))
}

/// `x4`, `16c64g`, `16c65536m`, `2`: what tells pools of one partition apart.
fn is_form_word(word: &str) -> bool {
    let plain: String = word.chars().filter(|c| !c.is_ascii_digit()).collect();
    ["x", "cg", "cm", ""].contains(&plain.as_str()) && word.len() > plain.len()
}

type Form = fn(&Described<'_>) -> String;
fn cards(p: &Described<'_>) -> String {
    if p.cards > 0 { format!("-x{}", p.cards) } else { String::new() }
}
/// Ways to tell pools of one partition apart, from short to fine.
const FORMS: [Form; 4] = [
    |_| String::new(),
    cards,
    |p| format!("{}-{}c{}g", cards(p), p.cpus, p.mem.0 / Bytes::GIB),
    |p| format!("{}-{}c{}m", cards(p), p.cpus, p.mem.mib_ceil()),
];

/// One name for each, in order, none of them among `used`: as long as it takes to tell it from those beside it.
fn unique(cluster: &str, pools: &[&Described<'_>], used: &BTreeSet<&str>) -> Vec<String> {
    let short: Vec<String> = pools.iter().map(|p| name(cluster, p)).collect();
    let mut names = short.clone();
    for form in FORMS {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        names.iter().for_each(|n| *seen.entry(n).or_default() += 1);
        let alone: Vec<bool> =
            names.iter().map(|n| seen[n.as_str()] == 1 && !used.contains(fitted(n).as_str())).collect();
        for (i, pool) in pools.iter().enumerate().filter(|(i, _)| !alone[*i]) {
            names[i] = format!("{}{}", short[i], form(pool));
        }
    }
    let mut given: BTreeSet<String> = BTreeSet::new();
    names
        .into_iter()
        .map(|long| {
            let numbered = (2..).map(|times: u32| fitted(&format!("{long}-{times}")));
            let mut all = std::iter::once(fitted(&long)).chain(numbered);
            let free = all.find(|n| !given.contains(n) && !used.contains(n.as_str())).unwrap_or_default();
            given.insert(free.clone());
            free
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
        Described { partition, chip, cards, cpus, mem: Bytes::from_gib(gib), nodes: Vec::new() }
    }
    fn on<'a>(pool: Described<'a>, nodes: &[&'a str]) -> Described<'a> {
        Described { nodes: nodes.to_vec(), ..pool }
    }
    fn known(name: &str, pool: &Described<'_>) -> Known {
        let cpu = base::CpuMillis::from_cores(u64::from(pool.cpus));
        let chip = pool.chip.map(|c| c.parse().unwrap());
        let nodes = pool.nodes.iter().map(|n| (*n).into()).collect();
        Known { name: name.into(), chip, shape: Resources { cpu, mem: pool.mem, gpus: pool.cards }, nodes }
    }

    #[test]
    fn what_was_named_keeps_its_name() {
        let first = || on(pool("main", None, 0, 16, 64), &["n1", "n2"]);
        let before = [known("alpha-main", &first())];
        // A second shape, larger and with more nodes.
        let now = [on(pool("main", None, 0, 32, 128), &["n3", "n4", "n5"]), first()];
        assert_eq!(stable("alpha", &now, &before), ["alpha-main-32c128g", "alpha-main"]);
        assert_eq!(stable("alpha", &now, &[]), ["alpha-main-32c128g", "alpha-main-16c64g"]);
        // The first is gone: its name is not given to what is not it, and comes back with it.
        let both = [known("alpha-main", &first()), known("alpha-main-32c128g", &now[0])];
        assert_eq!(stable("alpha", &now[..1], &both), ["alpha-main-32c128g"]);
        let third = [on(pool("main", None, 0, 8, 32), &["n9"])];
        assert_eq!(stable("alpha", &third, &both), ["alpha-main-8c32g"]);
        assert_eq!(stable("alpha", &now, &both), ["alpha-main-32c128g", "alpha-main"]);
        // A node with less memory joins: the pool offers less, and is the same.
        let less = [on(pool("main", None, 0, 16, 61), &["n1", "n2", "n7"])];
        assert_eq!(stable("alpha", &less, &before), ["alpha-main"]);
        // Of two halves of one size the one that has more of its nodes is it.
        let split = [on(pool("main", None, 0, 16, 64), &["n2"]), on(pool("main", None, 0, 16, 96), &["n1", "n8"])];
        assert_eq!(stable("alpha", &split, &before)[0], "alpha-main");
        assert_ne!(stable("alpha", &split, &before)[1], "alpha-main");
        // A name that was cut is found again.
        let long = "p".repeat(60);
        let cut = || on(pool(&long, None, 0, 4, 8), &["n1"]);
        let name = stable("alpha", &[cut()], &[]).remove(0);
        let more = [cut(), on(pool(&long, None, 0, 8, 8), &["n2"])];
        assert_eq!(stable("alpha", &more, &[known(&name, &cut())])[0], name);
    }

    #[test]
    fn names_say_as_much_as_is_needed() {
        let names = stable(
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
            &[],
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
            stable("beta", &[pool(&long, None, 0, 1, 1), pool(&long, None, 0, 2, 1), pool("日 x", None, 0, 1, 1)], &[]);
        assert!(names.iter().all(|n| model::people::valid_name(n)), "{names:?}");
        assert_ne!(names[0], names[1]);
        assert_eq!(names[2], "beta---x");
    }
}
