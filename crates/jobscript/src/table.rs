//! Every option name of sbatch: which are understood, which are ignored with a warning, which are refused and what to
//! do instead. Knows names only, no values.

use crate::options::Key;

/// Whether an option wants a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Value,
    Nothing,
    /// Only as `--name=value`.
    Maybe,
}

/// Options without a value that describe the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toggle {
    Hold,
    Preemptible,
    Requeue,
    NoRequeue,
}

/// Options that steer the client and never reach the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    Parsable,
    Wait,
    Wrap,
    Quiet,
    Verbose,
    TestOnly,
    Help,
    Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Text(Key),
    Toggle(Toggle),
    Client(Client),
    /// Without influence on what the job computes; the text says what happens instead.
    Ignored(&'static str),
    /// Refused; the text says what to do instead.
    Unsupported(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub long: &'static str,
    pub short: Option<char>,
    pub takes: Takes,
    pub means: Meaning,
}

const fn text(key: Key, short: Option<char>) -> Entry {
    Entry { long: key.name(), short, takes: Takes::Value, means: Meaning::Text(key) }
}
const fn alias(long: &'static str, key: Key) -> Entry {
    Entry { long, short: None, takes: Takes::Value, means: Meaning::Text(key) }
}
const fn toggle(long: &'static str, short: Option<char>, toggle: Toggle) -> Entry {
    Entry { long, short, takes: Takes::Nothing, means: Meaning::Toggle(toggle) }
}
const fn client(long: &'static str, short: Option<char>, takes: Takes, client: Client) -> Entry {
    Entry { long, short, takes, means: Meaning::Client(client) }
}
const fn ignored(long: &'static str, short: Option<char>, takes: Takes, what: &'static str) -> Entry {
    Entry { long, short, takes, means: Meaning::Ignored(what) }
}
const fn refused(long: &'static str, short: Option<char>, takes: Takes, instead: &'static str) -> Entry {
    Entry { long, short, takes, means: Meaning::Unsupported(instead) }
}

use Takes::{Maybe, Nothing, Value};

const PLACEMENT: &str = "the platform chooses the nodes; name pools with `--partition`";
const LAYOUT: &str = "say `--ntasks-per-node` and `--cpus-per-task`";
const GPU_LAYOUT: &str = "say `--gpus`, `--gpus-per-node` or `--gpus-per-task`, and cores and memory by themselves";
const LEAVE_OUT: &str = "leave it out";
const ONE_CLUSTER: &str = "leave it out; clusters are chosen by the platform, pools are named with `--partition`";
const STEP_ONLY: &str = "it concerns `srun` only";
const NOT_NEEDED: &str = "it changes nothing here";

pub(crate) static TABLE: &[Entry] = &[
    text(Key::Account, Some('A')),
    text(Key::App, None),
    text(Key::Array, Some('a')),
    text(Key::Begin, Some('b')),
    text(Key::Chdir, Some('D')),
    text(Key::Checkpoint, None),
    text(Key::CheckpointInterval, None),
    text(Key::Chip, None),
    text(Key::Comment, None),
    text(Key::Constraint, Some('C')),
    text(Key::CpusPerTask, Some('c')),
    text(Key::Deadline, None),
    text(Key::Dependency, Some('d')),
    text(Key::Error, Some('e')),
    text(Key::Export, None),
    text(Key::Fetch, None),
    text(Key::Gpus, Some('G')),
    text(Key::GpusPerNode, None),
    text(Key::GpusPerTask, None),
    text(Key::Gres, None),
    text(Key::Input, Some('i')),
    text(Key::Interconnect, None),
    text(Key::JobName, Some('J')),
    text(Key::Licenses, Some('L')),
    text(Key::Line, None),
    text(Key::MailType, None),
    text(Key::MailUser, None),
    text(Key::Mem, None),
    text(Key::MemPerCpu, None),
    text(Key::Nodes, Some('N')),
    text(Key::Ntasks, Some('n')),
    text(Key::NtasksPerNode, None),
    text(Key::OpenMode, None),
    text(Key::Output, Some('o')),
    text(Key::Partition, Some('p')),
    text(Key::Qos, Some('q')),
    text(Key::Region, None),
    text(Key::Reservation, None),
    text(Key::Signal, None),
    text(Key::Switches, None),
    text(Key::Time, Some('t')),
    alias("tasks-per-node", Key::NtasksPerNode),
    alias("workdir", Key::Chdir),
    toggle("hold", Some('H'), Toggle::Hold),
    toggle("preemptible", None, Toggle::Preemptible),
    toggle("requeue", None, Toggle::Requeue),
    toggle("no-requeue", None, Toggle::NoRequeue),
    client("parsable", None, Nothing, Client::Parsable),
    client("wait", Some('W'), Nothing, Client::Wait),
    client("wrap", None, Value, Client::Wrap),
    client("quiet", Some('Q'), Nothing, Client::Quiet),
    client("verbose", Some('v'), Nothing, Client::Verbose),
    client("test-only", None, Nothing, Client::TestOnly),
    client("help", Some('h'), Nothing, Client::Help),
    client("usage", None, Nothing, Client::Help),
    client("version", Some('V'), Nothing, Client::Version),
    // Slurm's own, without influence on the result.
    ignored("acctg-freq", None, Value, "usage is sampled by the platform"),
    ignored("cpu-freq", None, Value, NOT_NEEDED),
    ignored("delay-boot", None, Value, NOT_NEEDED),
    ignored("distribution", Some('m'), Value, STEP_ONLY),
    ignored("extra", None, Value, NOT_NEEDED),
    ignored("get-user-env", None, Maybe, "load what the job needs in the script itself"),
    ignored("gpu-bind", None, Value, STEP_ONLY),
    ignored("gpu-freq", None, Value, NOT_NEEDED),
    ignored("gres-flags", None, Value, NOT_NEEDED),
    ignored("hint", None, Value, NOT_NEEDED),
    ignored("ignore-pbs", None, Nothing, "`#PBS` lines are never read"),
    ignored("kill-on-invalid-dep", None, Value, "a job whose dependency cannot hold any more is always cancelled"),
    ignored("mem-bind", None, Value, STEP_ONLY),
    ignored("nice", None, Maybe, "priority is chosen with `--qos`"),
    ignored("no-kill", Some('k'), Maybe, NOT_NEEDED),
    ignored("oversubscribe", Some('s'), Nothing, "cores are never shared"),
    ignored("power", None, Value, NOT_NEEDED),
    ignored("profile", None, Value, "usage is sampled by the platform"),
    ignored("propagate", None, Maybe, "limits are those of the node"),
    ignored("share", None, Nothing, "cores are never shared"),
    ignored("spread-job", None, Nothing, NOT_NEEDED),
    ignored("time-min", None, Value, "the job keeps its whole `--time`"),
    ignored("use-min-nodes", None, Nothing, NOT_NEEDED),
    ignored("wait-all-nodes", None, Value, NOT_NEEDED),
    ignored("wckey", None, Value, "cost is booked by project; use `--account`"),
    // Slurm's own, which would change what the job gets.
    refused("batch", None, Value, LEAVE_OUT),
    refused("bb", None, Value, "burst buffers do not exist here; leave it out"),
    refused("bbf", None, Value, "burst buffers do not exist here; leave it out"),
    refused("cluster-constraint", None, Value, ONE_CLUSTER),
    refused("clusters", Some('M'), Value, ONE_CLUSTER),
    refused("container", None, Value, "start the container in the script"),
    refused("container-id", None, Value, "start the container in the script"),
    refused("contiguous", None, Nothing, PLACEMENT),
    refused("core-spec", Some('S'), Value, LEAVE_OUT),
    refused("cores-per-socket", None, Value, LAYOUT),
    refused("cpus-per-gpu", None, Value, GPU_LAYOUT),
    refused("exclude", Some('x'), Value, PLACEMENT),
    refused(
        "exclusive",
        None,
        Maybe,
        "ask for all the cores of a node with `--cpus-per-task` and for its memory with `--mem`",
    ),
    refused("export-file", None, Value, "name the variables with `--export`, or set them in the script"),
    refused("extra-node-info", Some('B'), Value, LAYOUT),
    refused("gid", None, Value, LEAVE_OUT),
    refused("gpus-per-socket", None, Value, GPU_LAYOUT),
    refused("mcs-label", None, Value, LEAVE_OUT),
    refused("mem-per-gpu", None, Value, GPU_LAYOUT),
    refused("mincpus", None, Value, LAYOUT),
    refused("network", None, Value, LEAVE_OUT),
    refused("nodefile", Some('F'), Value, PLACEMENT),
    refused("nodelist", Some('w'), Value, PLACEMENT),
    refused("ntasks-per-core", None, Value, LAYOUT),
    refused("ntasks-per-gpu", None, Value, GPU_LAYOUT),
    refused("ntasks-per-socket", None, Value, LAYOUT),
    refused("overcommit", Some('O'), Nothing, "ask for as many cores as tasks"),
    refused("prefer", None, Value, "name pools with `--partition`, or chips with `#HW chip=…`"),
    refused("priority", None, Value, "choose a class with `--qos`"),
    refused("reboot", None, Nothing, LEAVE_OUT),
    refused("segment", None, Value, PLACEMENT),
    refused("sockets-per-node", None, Value, LAYOUT),
    refused("thread-spec", None, Value, LEAVE_OUT),
    refused("threads-per-core", None, Value, LAYOUT),
    refused("tmp", None, Value, "node-local disk is not counted yet; leave it out"),
    refused("tres-per-task", None, Value, GPU_LAYOUT),
    refused("uid", None, Value, LEAVE_OUT),
];

/// The product's own options: `#HW chip=…` in scripts, `--chip=…` on the command line.
pub(crate) fn is_own(long: &str) -> bool {
    matches!(
        long,
        "app"
            | "checkpoint"
            | "checkpoint-interval"
            | "chip"
            | "fetch"
            | "interconnect"
            | "line"
            | "preemptible"
            | "region"
    )
}

/// What a typed long name stands for.
pub(crate) enum Found {
    Entry(&'static Entry),
    /// The beginning of several names.
    Ambiguous(Vec<&'static str>),
    Unknown,
}

/// Shortest beginning that may stand for a whole name, as `getopt_long` allows.
const ABBREVIATION_MIN: usize = 3;

/// Finds a long name, whole or by an unmistakable beginning (`--dep` for `--dependency`).
pub(crate) fn by_long(name: &str) -> Found {
    if let Some(entry) = TABLE.iter().find(|e| e.long == name) {
        return Found::Entry(entry);
    }
    if name.len() < ABBREVIATION_MIN {
        return Found::Unknown;
    }
    let fits: Vec<&'static Entry> = TABLE.iter().filter(|e| e.long.starts_with(name)).collect();
    match fits[..] {
        [] => Found::Unknown,
        [one] => Found::Entry(one),
        _ => Found::Ambiguous(fits.iter().map(|e| e.long).collect()),
    }
}

pub(crate) fn by_short(short: char) -> Option<&'static Entry> {
    TABLE.iter().find(|e| e.short == Some(short))
}

/// The understood name nearest to `name`, when it is near enough to be a slip: at most a third of its letters, or two.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    // No name is longer than 19 bytes; a long text is no slip of any of them.
    if name.len() > 40 {
        return None;
    }
    let plain = name.to_ascii_lowercase().replace('_', "-");
    let understood = |e: &&Entry| !matches!(e.means, Meaning::Ignored(_) | Meaning::Unsupported(_));
    let (distance, long) = TABLE.iter().filter(understood).map(|e| (distance(&plain, e.long), e.long)).min()?;
    (distance <= (plain.len() / 3).clamp(1, 3)).then_some(long)
}

/// Levenshtein's edit distance with swaps of neighbours (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + changed);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_complete() {
        let mut long = BTreeSet::new();
        let mut short = BTreeSet::new();
        for entry in TABLE {
            assert!(long.insert(entry.long), "--{} stands twice", entry.long);
            assert!(entry.short.is_none_or(|s| short.insert(s)), "-{:?} stands twice", entry.short);
        }
        for key in Key::ALL {
            assert!(long.contains(key.name()), "--{} is missing", key.name());
        }
    }

    #[test]
    fn slips_find_what_was_meant() {
        for (typed, meant) in [
            ("tiem", Some("time")),
            ("ntask", Some("ntasks")),
            ("cpu-per-task", Some("cpus-per-task")),
            ("job_name", Some("job-name")),
            ("Output", Some("output")),
            ("frobnicate", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed), meant, "{typed}");
        }
    }
}
