//! What a test says about a cluster: nodes, partitions, accounting, ways in. Values only; nothing is started here.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Generic resources of one kind on each node of a set, as Slurm writes them: `gpu:a100:4`, `gpu:ascend910b:8`, `nic:2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gres {
    pub name: String,
    /// The type, any word.
    pub kind: Option<String>,
    pub count: u32,
}

impl Gres {
    /// Reads `name:count` or `name:type:count`.
    ///
    /// # Panics
    /// On anything else: a test's specification is wrong.
    pub fn parse(text: &str) -> Gres {
        let parts: Vec<&str> = text.split(':').collect();
        let (name, kind, count) = match parts[..] {
            [name, count] => (name, None, count),
            [name, kind, count] => (name, Some(kind.to_owned()), count),
            _ => panic!("`{text}` is not name:count or name:type:count"),
        };
        let count = count.parse().unwrap_or_else(|_| panic!("`{text}` does not end in a number"));
        Gres { name: name.to_owned(), kind, count }
    }
}

/// Nodes of one shape. The nodes of a cluster are named `<cluster>-n1` and on, through all sets, unless a set has names of its own.
#[derive(Debug, Clone)]
pub struct NodeSet {
    pub count: u16,
    /// One for each node, or none.
    pub names: Vec<String>,
    pub cpus: u32,
    pub mem_mb: u64,
    pub gres: Vec<Gres>,
    pub features: Vec<String>,
    /// Slurm prefers nodes of low weight.
    pub weight: Option<u32>,
}

impl NodeSet {
    /// `count` nodes of 16 CPUs and 64,000 MB. What the host really has does not matter.
    pub fn new(count: u16) -> NodeSet {
        NodeSet {
            count,
            names: Vec::new(),
            cpus: 16,
            mem_mb: 64_000,
            gres: Vec::new(),
            features: Vec::new(),
            weight: None,
        }
    }
    /// Nodes of these names, as sites have them: `r0n1`, `cn010`.
    pub fn named(names: &[&str]) -> NodeSet {
        let count = u16::try_from(names.len()).unwrap_or(u16::MAX);
        NodeSet { names: names.iter().map(|&name| name.to_owned()).collect(), ..NodeSet::new(count) }
    }
    #[must_use]
    pub fn cpus(mut self, cpus: u32) -> NodeSet {
        self.cpus = cpus;
        self
    }
    #[must_use]
    pub fn mem_mb(mut self, mem_mb: u64) -> NodeSet {
        self.mem_mb = mem_mb;
        self
    }
    /// Adds resources, written as for [`Gres::parse`]; several calls add up.
    #[must_use]
    pub fn gres(mut self, gres: &str) -> NodeSet {
        self.gres.push(Gres::parse(gres));
        self
    }
    #[must_use]
    pub fn feature(mut self, feature: &str) -> NodeSet {
        self.features.push(feature.to_owned());
        self
    }
    #[must_use]
    pub fn weight(mut self, weight: u32) -> NodeSet {
        self.weight = Some(weight);
        self
    }
}

/// A partition over some of the node sets.
#[derive(Debug, Clone)]
pub struct Partition {
    pub name: String,
    /// Indices of node sets; empty means all nodes.
    pub sets: Vec<usize>,
    pub default: bool,
    /// Further words of the partition's line, such as `MaxTime=1:00:00`.
    pub extra: Vec<String>,
}

impl Partition {
    /// All nodes, not the default one.
    pub fn new(name: &str) -> Partition {
        Partition { name: name.to_owned(), sets: Vec::new(), default: false, extra: Vec::new() }
    }
    /// Over these node sets only, by their index.
    #[must_use]
    pub fn sets(mut self, sets: &[usize]) -> Partition {
        self.sets = sets.to_vec();
        self
    }
    #[must_use]
    pub fn default(mut self) -> Partition {
        self.default = true;
        self
    }
    /// A further word of the line: `MaxTime=1:00:00`, `PriorityTier=2`, `PreemptMode=requeue`.
    #[must_use]
    pub fn with(mut self, word: &str) -> Partition {
        self.extra.push(word.to_owned());
        self
    }
}

/// How a cluster keeps its books: slurmdbd on the farm's private MariaDB.
#[derive(Debug, Clone, Default)]
pub struct Accounting {
    /// `AccountingStorageEnforce`, for example `associations,limits,qos`; nothing is enforced without it.
    pub enforce: Option<String>,
    /// Arguments of `sacctmgr -i`, run in this order before slurmctld starts.
    pub sacctmgr: Vec<Vec<String>>,
}

impl Accounting {
    #[must_use]
    pub fn enforce(mut self, what: &str) -> Accounting {
        self.enforce = Some(what.to_owned());
        self
    }
    /// One `sacctmgr -i` call, for example `["add", "qos", "debt", "set", "MaxJobsPerUser=0"]`.
    #[must_use]
    pub fn sacctmgr(mut self, arguments: &[&str]) -> Accounting {
        self.sacctmgr.push(arguments.iter().map(|&a| a.to_owned()).collect());
        self
    }
}

/// One cluster: a name, nodes, and what it offers besides.
#[derive(Debug, Clone)]
pub struct ClusterSpec {
    pub name: String,
    pub sets: Vec<NodeSet>,
    pub partitions: Vec<Partition>,
    pub accounting: Option<Accounting>,
    pub jwt: bool,
    pub restd_socket: bool,
    pub restd_port: bool,
    pub ssh: bool,
    pub jump: bool,
    pub old_sftp: bool,
    /// Search path of programs on the login node, where it is not the machine's own.
    pub login_path: Option<PathBuf>,
    pub licences: Vec<(String, u32)>,
    /// Text of `topology.conf`.
    pub topology: Option<String>,
    pub min_job_age: Duration,
    pub slurmd_timeout: Duration,
    /// Further files beside `slurm.conf`, by name: `job_submit.lua`.
    pub files: Vec<(String, String)>,
    /// Further lines of `slurm.conf`; a later line wins over an earlier one of the same name.
    pub extra: Vec<String>,
}

impl ClusterSpec {
    /// A cluster with no nodes yet, without accounting, remote access and limits. The name is a word of lower-case
    /// letters and digits, at most 20, because it becomes part of socket paths and of a database's name.
    ///
    /// # Panics
    /// On any other name.
    pub fn new(name: &str) -> ClusterSpec {
        let fits = !name.is_empty() && name.len() <= 20;
        assert!(
            fits && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
            "`{name}` is no cluster's name"
        );
        ClusterSpec {
            name: name.to_owned(),
            sets: Vec::new(),
            partitions: Vec::new(),
            accounting: None,
            jwt: false,
            restd_socket: false,
            restd_port: false,
            ssh: false,
            jump: false,
            old_sftp: false,
            login_path: None,
            licences: Vec::new(),
            topology: None,
            min_job_age: Duration::from_secs(300),
            slurmd_timeout: Duration::from_secs(10),
            files: Vec::new(),
            extra: Vec::new(),
        }
    }
    #[must_use]
    pub fn nodes(mut self, set: NodeSet) -> ClusterSpec {
        self.sets.push(set);
        self
    }
    /// Without any there is one partition `main` over all nodes.
    #[must_use]
    pub fn partition(mut self, partition: Partition) -> ClusterSpec {
        self.partitions.push(partition);
        self
    }
    /// With slurmdbd and a database. Only then do jobs carry `gres/…` among their TRES.
    #[must_use]
    pub fn accounting(mut self, accounting: Accounting) -> ClusterSpec {
        self.accounting = Some(accounting);
        self
    }
    /// With slurmrestd on a unix socket, which trusts the caller's user id.
    #[must_use]
    pub fn restd_socket(mut self) -> ClusterSpec {
        self.restd_socket = true;
        self
    }
    /// With slurmrestd on a loopback port, which asks for a JWT; see [`crate::slurm::Cluster::token`].
    #[must_use]
    pub fn restd_port(mut self) -> ClusterSpec {
        self.restd_port = true;
        self.jwt = true;
        self
    }
    /// With tokens, but without slurmrestd unless it is asked for.
    #[must_use]
    pub fn jwt(mut self) -> ClusterSpec {
        self.jwt = true;
        self
    }
    /// With a login node: sshd on loopback, its own keys.
    #[must_use]
    pub fn ssh(mut self) -> ClusterSpec {
        self.ssh = true;
        self
    }
    /// With a login node behind a second sshd.
    #[must_use]
    pub fn ssh_behind_jump(mut self) -> ClusterSpec {
        self.ssh = true;
        self.jump = true;
        self
    }
    /// Its SFTP server is one of before OpenSSH 9.0, which cannot copy by itself.
    #[must_use]
    pub fn old_sftp(mut self) -> ClusterSpec {
        self.old_sftp = true;
        self
    }
    /// On its login node programs are looked for in this folder alone.
    #[must_use]
    pub fn login_path(mut self, folder: &Path) -> ClusterSpec {
        self.login_path = Some(folder.to_owned());
        self
    }
    #[must_use]
    pub fn licence(mut self, name: &str, count: u32) -> ClusterSpec {
        self.licences.push((name.to_owned(), count));
        self
    }
    /// The text of `topology.conf`; switches the tree plugin on.
    #[must_use]
    pub fn topology(mut self, text: &str) -> ClusterSpec {
        self.topology = Some(text.to_owned());
        self
    }
    /// How long the controller remembers an ended job: at least 2 s, for Slurm refuses less.
    #[must_use]
    pub fn min_job_age(mut self, age: Duration) -> ClusterSpec {
        self.min_job_age = age;
        self
    }
    /// After how long a silent node is down.
    #[must_use]
    pub fn slurmd_timeout(mut self, timeout: Duration) -> ClusterSpec {
        self.slurmd_timeout = timeout;
        self
    }
    /// A file beside `slurm.conf`.
    #[must_use]
    pub fn file(mut self, name: &str, text: &str) -> ClusterSpec {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }
    /// A further line of `slurm.conf`.
    #[must_use]
    pub fn line(mut self, line: &str) -> ClusterSpec {
        self.extra.push(line.to_owned());
        self
    }

    /// How many nodes all sets have together.
    pub fn node_count(&self) -> u16 {
        self.sets.iter().map(|s| s.count).sum()
    }
    /// The name of a node, from 0.
    pub fn node_name(&self, index: u16) -> String {
        let mut before = 0;
        for set in &self.sets {
            if let Some(name) = index.checked_sub(before).and_then(|at| set.names.get(usize::from(at))) {
                return name.clone();
            }
            before += set.count;
        }
        format!("{}-n{}", self.name, index + 1)
    }
    /// The nodes of a set as a Slurm host list: `alpha-n[2-3]`.
    pub fn set_name(&self, set: usize) -> String {
        if !self.sets[set].names.is_empty() {
            return self.sets[set].names.join(",");
        }
        let before: u16 = self.sets[..set].iter().map(|s| s.count).sum();
        match self.sets[set].count {
            1 => self.node_name(before),
            count => format!("{}-n[{}-{}]", self.name, before + 1, before + count),
        }
    }
}
