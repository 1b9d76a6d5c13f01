//! What this machine has: cores, memory, accelerators. Reads, never changes.

use std::fs;

use base::{Bytes, Resources};
use model::Chip;
use ports::PoolFacts;

use crate::config::{MEMORY_RESERVE_MIN, MEMORY_RESERVE_SHARE};
use crate::sys;

/// This machine as one pool of one node named `name`: all cores this process may use, memory less a reserve for the
/// system and the platform, and NVIDIA GPUs by count (their chip where the driver tells the model).
pub fn detect(name: &str) -> PoolFacts {
    let total = memory_total(&fs::read_to_string("/proc/meminfo").unwrap_or_default());
    let reserve = (total / MEMORY_RESERVE_SHARE).max(MEMORY_RESERVE_MIN.0).min(total / 2);
    // Whole mebibytes, as every request is.
    let memory = Bytes::from_mib((total - reserve) >> 20);
    PoolFacts {
        name: name.to_owned(),
        shape: Resources::new(sys::own_cores().len().max(1) as u64, memory, gpus_present()),
        chip: gpu_chip(),
        nodes: vec![name.to_owned()],
        time_limit_max: None,
        terms: Default::default(),
    }
}

fn memory_total(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1_024
}

/// Number of NVIDIA GPUs: as the driver lists them, or as device files are there.
pub fn gpus_present() -> u32 {
    let listed = fs::read_dir("/proc/driver/nvidia/gpus").map(|d| d.flatten().count()).unwrap_or(0);
    let is_gpu = |name: &str| {
        name.strip_prefix("nvidia").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let devices = || {
        let names = fs::read_dir("/dev").into_iter().flatten().flatten().map(|e| e.file_name());
        names.filter(|n| n.to_str().is_some_and(is_gpu)).count()
    };
    u32::try_from(if listed > 0 { listed } else { devices() }).unwrap_or(u32::MAX)
}

fn gpu_chip() -> Option<Chip> {
    let first = fs::read_dir("/proc/driver/nvidia/gpus").ok()?.flatten().next()?;
    chip_of(&fs::read_to_string(first.path().join("information")).ok()?)
}

/// `Model: NVIDIA A100-SXM4-80GB` as `nvidia-a100-sxm4-80gb`.
fn chip_of(information: &str) -> Option<Chip> {
    let model = information.lines().find_map(|line| line.strip_prefix("Model:"))?.trim().to_ascii_lowercase();
    let words: Vec<&str> = model.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let name = words.join("-");
    let name = if name.starts_with("nvidia") { name } else { format!("nvidia-{name}") };
    name.get(..name.len().min(40))?.trim_end_matches('-').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn driver_texts() {
        let text = "Model: \t\t NVIDIA A100-SXM4-80GB\nIRQ:   \t\t 130\n";
        assert_eq!(chip_of(text).unwrap().as_str(), "nvidia-a100-sxm4-80gb");
        assert_eq!(chip_of("Model: Tesla V100\n").unwrap().as_str(), "nvidia-tesla-v100");
        assert_eq!(chip_of("IRQ: 1\n"), None);
        assert_eq!(memory_total("MemTotal:       24564432 kB\nMemFree: 1 kB\n"), 24_564_432 * 1_024);
    }

    #[test]
    fn this_machine_has_cores_and_memory() {
        let found = detect("here");
        assert!(found.shape.cpu.0 >= 1_000 && found.shape.mem.0 > 0, "{found:?}");
        assert_eq!(found.nodes, ["here"]);
    }
}
