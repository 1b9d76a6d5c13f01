//! GRES types as chips: `gpu:a100:4` is `nvidia-a100`, `npu:ascend910b:8` is `ascend-910b`. Sites write what they like, so the
//! operator's own table counts first and an unknown word is taken as it is, with a remark.

use std::collections::BTreeMap;

use model::Chip;

use crate::carrier::Gres;
use crate::check::Finding;

/// GRES names that stand for accelerator cards. Others (`nic`, `shard`, `mps`, `craynetwork`) are not cards of their own.
const ACCELERATORS: [&str; 8] = ["gpu", "npu", "gcu", "dcu", "mlu", "xpu", "hpu", "ppu"];

/// Features by which sites tell architectures apart; nodes of several are never one pool.
pub const ARCHITECTURES: [&str; 7] = ["x86_64", "amd64", "aarch64", "arm64", "loongarch64", "riscv64", "sw64"];

/// Model words, without separators, by maker.
const MODELS: [(&str, &[&str]); 12] = [
    (
        "nvidia",
        &[
            "a2",
            "a10",
            "a16",
            "a30",
            "a40",
            "a100",
            "a800",
            "a4000",
            "a4500",
            "a5000",
            "a6000",
            "b100",
            "b200",
            "b300",
            "gb200",
            "gb300",
            "gh200",
            "h20",
            "h100",
            "h200",
            "h800",
            "k40",
            "k80",
            "l4",
            "l20",
            "l40",
            "l40s",
            "m40",
            "m60",
            "p4",
            "p40",
            "p100",
            "t4",
            "v100",
            "v100s",
            "rtx2080",
            "rtx2080ti",
            "rtx3080",
            "rtx3090",
            "rtx4090",
            "rtx4090d",
            "rtx5090",
            "rtx6000",
            "rtx8000",
            "gtx1080",
            "gtx1080ti",
        ],
    ),
    ("ascend", &["310", "310p", "910", "910a", "910b", "910b2", "910b3", "910b4", "910c", "950"]),
    ("enflame", &["t20", "t21", "i10", "i20", "s60", "l600"]),
    ("hygon", &["z100", "z100l", "k100", "k100ai", "bw1000"]),
    ("cambricon", &["mlu270", "mlu290", "mlu370", "mlu590"]),
    ("kunlun", &["r200", "p800"]),
    ("mthreads", &["s3000", "s4000", "s5000"]),
    ("metax", &["c500", "c550", "n100", "n260"]),
    ("iluvatar", &["bi100", "bi150", "mr100"]),
    ("biren", &["br100", "br104", "br106"]),
    ("amd", &["mi50", "mi60", "mi100", "mi210", "mi250", "mi250x", "mi300a", "mi300x", "mi325x", "mi355x"]),
    ("intel", &["max1100", "max1550", "pvc", "gaudi2", "gaudi3"]),
];

/// Words that say nothing about which chip it is: brands of one maker, form factors, memory kinds.
const NOISE: [&str; 22] = [
    "tesla",
    "geforce",
    "quadro",
    "gpu",
    "npu",
    "gcu",
    "dcu",
    "mlu",
    "xpu",
    "card",
    "accelerator",
    "pcie",
    "pci",
    "sxm",
    "sxm2",
    "sxm3",
    "sxm4",
    "sxm5",
    "hbm2",
    "hbm2e",
    "hbm3",
    "nvl",
];

/// One kind of accelerator on a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Accelerator {
    pub chip: Chip,
    /// As the node has it; `count` per node.
    pub gres: Gres,
    /// The chip's name comes from a table, not from the site's own word.
    pub known: bool,
}

/// True for GRES that are cards.
pub fn is_accelerator(name: &str) -> bool {
    ACCELERATORS.contains(&name)
}

/// The chip of a GRES, by the operator's table (by type; by the GRES' name where it has none), then ours, then its own word.
/// `None` for what is no card.
pub fn accelerator(gres: &Gres, chips: &BTreeMap<String, String>) -> Option<Accelerator> {
    if !is_accelerator(&gres.name) || gres.count == 0 {
        return None;
    }
    let word = gres.kind.as_deref().unwrap_or(&gres.name);
    let told = chips.get(word).and_then(|name| name.parse().ok());
    let known = told.or_else(|| gres.kind.as_deref().and_then(known_chip));
    Some(Accelerator { known: known.is_some(), chip: known.unwrap_or_else(|| plain(word)), gres: gres.clone() })
}

impl Accelerator {
    /// What is said of a type that no table knows.
    pub fn unknown(&self) -> Finding {
        let word = self.gres.kind.as_deref().unwrap_or(&self.gres.name);
        let found = match &self.gres.kind {
            Some(kind) => format!("GRES type `{kind}` is no chip that is known here: called `{}`", self.chip),
            None => format!("GRES `{word}` has no type: its cards are called `{}`", self.chip),
        };
        let advice = format!("say which chip it is: [slurm.chips] \"{word}\" = \"nvidia-a100-80g\" (or what it is)");
        Finding::warn("chips", found, advice)
    }
}

/// `nvidia_a100-sxm4-80gb` → `nvidia-a100-80g`; `None` when no word of it is a model.
fn known_chip(kind: &str) -> Option<Chip> {
    let lower = kind.to_ascii_lowercase();
    let mut words: Vec<&str> = lower.split(['-', '_', ' ']).filter(|w| !w.is_empty() && !NOISE.contains(w)).collect();
    let maker = words.iter().position(|w| MODELS.iter().any(|(maker, _)| w == maker)).map(|i| words.remove(i));
    // `rtx 3090`, `mi 250x`, `910 b`: two words of one model.
    let (maker, model) = (0..words.len()).find_map(|i| {
        let two = words.get(i + 1).map(|next| format!("{}{next}", words[i]));
        let found = two.and_then(|w| model_of(maker, &w)).map(|m| (m, 2));
        let (found, taken) = found.or_else(|| model_of(maker, words[i]).map(|m| (m, 1)))?;
        words.drain(i..i + taken);
        Some(found)
    })?;
    let rest = words.iter().map(|w| match w.strip_suffix("gb").filter(|n| n.bytes().all(|b| b.is_ascii_digit())) {
        Some(size) => format!("-{size}g"),
        None => format!("-{w}"),
    });
    format!("{maker}-{model}{}", rest.collect::<String>()).parse().ok()
}

/// `ascend910b` → (`ascend`, `910b`); with a maker said, only its models.
fn model_of(said: Option<&str>, word: &str) -> Option<(&'static str, &'static str)> {
    MODELS.iter().filter(|(maker, _)| said.is_none_or(|s| s == *maker)).find_map(|(maker, models)| {
        let bare = word.strip_prefix(maker);
        // Numbers alone (`310`) are a model only where the maker is said.
        let alone = said.is_some() || !word.bytes().all(|b| b.is_ascii_digit());
        let model = models.iter().find(|m| bare == Some(**m) || alone && word == **m)?;
        Some((*maker, *model))
    })
}

/// A word of the site's made a chip name.
fn plain(word: &str) -> Chip {
    let clean = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9' | '.' | '_' | '-') => c,
        _ => '-',
    };
    let text: String = word.chars().take(40).map(clean).collect();
    text.parse().unwrap_or_else(|_| known_word())
}

/// Only an empty word ends here: a GRES without a name, which Slurm does not have.
fn known_word() -> Chip {
    match "gpu".parse() {
        Ok(chip) => chip,
        Err(_) => unreachable!("`gpu` is a chip name"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chip(gres: &str, chips: &[(&str, &str)]) -> (String, bool) {
        let mut parts = gres.split(':');
        let name = parts.next().unwrap().to_owned();
        let gres = Gres { name, kind: parts.next().map(Into::into), count: 4 };
        let chips = chips.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let found = accelerator(&gres, &chips).unwrap();
        (found.chip.to_string(), found.known)
    }

    #[test]
    fn types_are_chips() {
        for (gres, want) in [
            ("gpu:a100", "nvidia-a100"),
            ("gpu:A100", "nvidia-a100"),
            ("gpu:nvidia_a100-sxm4-80gb", "nvidia-a100-80g"),
            ("gpu:a100_80g", "nvidia-a100-80g"),
            ("gpu:nvidia_h100_80gb_hbm3", "nvidia-h100-80g"),
            ("gpu:geforce_rtx_3090", "nvidia-rtx3090"),
            ("gpu:rtx4090", "nvidia-rtx4090"),
            ("gpu:a100_3g.20gb", "nvidia-a100-3g.20gb"),
            ("gpu:tesla_v100", "nvidia-v100"),
            ("gpu:ascend910b", "ascend-910b"),
            ("npu:910b", "ascend-910b"),
            ("npu:ascend_310p", "ascend-310p"),
            ("gcu:i20", "enflame-i20"),
            ("gpu:enflame-t20", "enflame-t20"),
            ("dcu:z100", "hygon-z100"),
            ("mlu:mlu370", "cambricon-mlu370"),
            ("gpu:mi250x", "amd-mi250x"),
        ] {
            assert_eq!(chip(gres, &[]), (want.to_owned(), true), "{gres}");
        }
    }

    #[test]
    fn the_operators_word_counts_first_and_unknown_ones_are_kept() {
        assert_eq!(chip("gpu:a100", &[("a100", "nvidia-a100-80g")]), ("nvidia-a100-80g".into(), true));
        assert_eq!(chip("gpu", &[("gpu", "nvidia-a40-48g")]), ("nvidia-a40-48g".into(), true));
        assert_eq!(chip("gpu:Fancy 9", &[]), ("fancy-9".into(), false));
        assert_eq!(chip("gpu", &[]), ("gpu".into(), false));
        assert_eq!(chip("gpu:310", &[]), ("310".into(), false));
        assert!(accelerator(&Gres { name: "nic".into(), kind: None, count: 2 }, &BTreeMap::new()).is_none());
    }
}
