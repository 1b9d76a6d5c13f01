//! The text of a cluster's configuration files. Pure: from a specification, paths and ports to text.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::spec::{ClusterSpec, Gres};

/// A requeued job waits until its first credential has expired: 120 s unless told otherwise.
const CREDENTIAL_SECONDS: u32 = 5;
/// Between the polite and the final signal of a cancelled job; Slurm's default is 30 s.
const KILL_WAIT_SECONDS: u32 = 2;
/// Of an RPC. Slurm's default; a shorter one fails on a loaded machine.
const MESSAGE_TIMEOUT_SECONDS: u32 = 10;
/// Both schedulers look again this often: Slurm's defaults are 30 s and 60 s.
const SCHEDULER_SECONDS: u32 = 5;

/// Where a cluster's files are.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// Configuration, state and logs: the caller's folder.
    pub dir: PathBuf,
    /// Sockets and spool: a short path, for slurmstepd makes sockets in the spool.
    pub run: PathBuf,
}

impl Layout {
    pub fn etc(&self) -> PathBuf {
        self.dir.join("etc")
    }
    pub fn conf(&self) -> PathBuf {
        self.dir.join("etc/slurm.conf")
    }
    pub fn state(&self) -> PathBuf {
        self.dir.join("state")
    }
    pub fn log(&self, name: &str) -> PathBuf {
        self.dir.join("log").join(format!("{name}.log"))
    }
    /// Private links by plain names: Slurm's programs look at the name they are called by, and
    /// `/usr/sbin/slurmctld` is a link that another package may turn elsewhere.
    pub fn bin(&self, program: &str) -> PathBuf {
        self.dir.join("bin").join(program)
    }
    pub fn jwt_key(&self) -> PathBuf {
        self.dir.join("etc/jwt_hs256.key")
    }
    pub fn munge_key(&self) -> PathBuf {
        self.dir.join("etc/munge.key")
    }
    pub fn munge_socket(&self) -> PathBuf {
        self.run.join("munge.sock")
    }
    pub fn restd_socket(&self) -> PathBuf {
        self.run.join("restd.sock")
    }
    pub fn spool(&self, node: &str) -> PathBuf {
        self.run.join("spool").join(node)
    }
    /// The node's `/tmp` as Slurm knows it: mpi/pmix puts a folder there which would collide between nodes of a host.
    pub fn tmp(&self, node: &str) -> PathBuf {
        self.dir.join("tmp").join(node)
    }
    pub fn devices(&self) -> PathBuf {
        self.dir.join("dev")
    }
}

/// Ports of a cluster's daemons.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addresses {
    pub slurmctld: u16,
    /// That of the first node; the others follow.
    pub first_slurmd: u16,
    pub slurmdbd: u16,
}

/// `slurm.conf`.
pub(super) fn slurm_conf(spec: &ClusterSpec, at: &Layout, ports: Addresses, user: &str) -> String {
    let mut text = String::new();
    let mut line = |words: String| {
        text.push_str(&words);
        text.push('\n');
    };
    let (dir, run) = (at.dir.display(), at.run.display());
    line(format!("ClusterName={}", spec.name));
    // The name `localhost` matches on every host, so nothing is looked up.
    line("SlurmctldHost=localhost(127.0.0.1)".into());
    line(format!("SlurmctldPort={}\nSlurmUser={user}\nSlurmdUser={user}", ports.slurmctld));
    line(format!("StateSaveLocation={}\nSlurmdSpoolDir={run}/spool/%n", at.state().display()));
    line(format!("SlurmctldPidFile={run}/slurmctld.pid\nSlurmdPidFile={run}/%n.pid\nTmpFS={dir}/tmp/%n"));
    line(format!("PlugStackConfig={dir}/etc/plugstack.conf\nMailProg=/bin/true"));
    line(format!("JobCompType=jobcomp/filetxt\nJobCompLoc={dir}/log/jobcomp.txt"));
    line(format!(
        "AuthType=auth/munge\nAuthInfo=socket={},cred_expire={CREDENTIAL_SECONDS}\nCredType=cred/munge",
        at.munge_socket().display()
    ));
    if spec.jwt {
        line(format!("AuthAltTypes=auth/jwt\nAuthAltParameters=jwt_key={}", at.jwt_key().display()));
    }
    line("ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSwitchType=switch/none\nMpiDefault=none".into());
    line("SelectType=select/cons_tres\nSelectTypeParameters=CR_CPU_Memory\nDefMemPerCPU=500".into());
    // Trust the CPUs and the memory written here, not what the host has.
    line("SlurmdParameters=config_overrides\nReturnToService=2\nJobRequeue=1\nPropagateResourceLimits=NONE".into());
    line("JobAcctGatherType=jobacct_gather/linux\nJobAcctGatherFrequency=task=5".into());
    line(format!("KillWait={KILL_WAIT_SECONDS}\nMessageTimeout={MESSAGE_TIMEOUT_SECONDS}\nSlurmctldTimeout=30"));
    line(format!("SlurmdTimeout={}\nMinJobAge={}", spec.slurmd_timeout.as_secs(), spec.min_job_age.as_secs()));
    line("InactiveLimit=0\nWaitTime=0\nCompleteWait=0\nMaxJobCount=50000\nMaxArraySize=10001".into());
    // Unless told otherwise a job that is submitted soon after another waits up to 3 s to be looked at.
    line(format!(
        "SchedulerType=sched/backfill\nSchedulerParameters=bf_interval={SCHEDULER_SECONDS},\
         sched_interval={SCHEDULER_SECONDS},batch_sched_delay=0"
    ));
    if spec.topology.is_some() {
        line("TopologyPlugin=topology/tree".into());
    }
    let types = gres_types(spec);
    if !types.is_empty() {
        line(format!("GresTypes={}", types.join(",")));
    }
    if !spec.licences.is_empty() {
        let licences: Vec<String> = spec.licences.iter().map(|(name, count)| format!("{name}:{count}")).collect();
        line(format!("Licenses={}", licences.join(",")));
    }
    accounting(spec, at, ports, &mut line);
    nodes(spec, ports, &mut line);
    for extra in &spec.extra {
        line(extra.clone());
    }
    text
}

fn accounting(spec: &ClusterSpec, at: &Layout, ports: Addresses, line: &mut impl FnMut(String)) {
    let Some(accounting) = &spec.accounting else { return };
    line("AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=127.0.0.1".into());
    // AuthInfo does not count towards slurmdbd; without this the system's munge is asked.
    line(format!("AccountingStoragePort={}\nAccountingStoragePass={}", ports.slurmdbd, at.munge_socket().display()));
    line("AccountingStoreFlags=job_comment".into());
    if let Some(enforce) = &accounting.enforce {
        line(format!("AccountingStorageEnforce={enforce}"));
    }
    let mut tres = BTreeSet::new();
    for gres in spec.sets.iter().flat_map(|s| &s.gres) {
        tres.insert(format!("gres/{}", gres.name));
        tres.extend(gres.kind.as_ref().map(|kind| format!("gres/{}:{kind}", gres.name)));
    }
    tres.extend(spec.licences.iter().map(|(name, _)| format!("license/{name}")));
    // Without this no job shows gres/… in its TRES; with it slurmctld refuses to start unless there is a slurmdbd.
    if !tres.is_empty() {
        line(format!("AccountingStorageTRES={}", tres.into_iter().collect::<Vec<_>>().join(",")));
    }
}

fn nodes(spec: &ClusterSpec, ports: Addresses, line: &mut impl FnMut(String)) {
    let mut port = ports.first_slurmd;
    for (index, set) in spec.sets.iter().enumerate() {
        let range = match set.count {
            1 => port.to_string(),
            count => format!("[{port}-{}]", port + count - 1),
        };
        port += set.count;
        let mut words = format!(
            "NodeName={} NodeHostname=localhost NodeAddr=127.0.0.1 Port={range} CPUs={} RealMemory={} State=UNKNOWN",
            spec.set_name(index),
            set.cpus,
            set.mem_mb
        );
        if !set.gres.is_empty() {
            let gres: Vec<String> = set.gres.iter().map(gres_words).collect();
            let _ = write!(words, " Gres={}", gres.join(","));
        }
        if !set.features.is_empty() {
            let _ = write!(words, " Feature={}", set.features.join(","));
        }
        if let Some(weight) = set.weight {
            let _ = write!(words, " Weight={weight}");
        }
        line(words);
    }
    if spec.partitions.is_empty() {
        line("PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP".into());
    }
    for partition in &spec.partitions {
        let sets: Vec<String> = partition.sets.iter().map(|&set| spec.set_name(set)).collect();
        let nodes = if sets.is_empty() { "ALL".to_owned() } else { sets.join(",") };
        let mut words = format!("PartitionName={} Nodes={nodes} State=UP", partition.name);
        if partition.default {
            words.push_str(" Default=YES");
        }
        for extra in &partition.extra {
            words.push(' ');
            words.push_str(extra);
        }
        line(words);
    }
}

fn gres_words(gres: &Gres) -> String {
    match &gres.kind {
        Some(kind) => format!("{}:{kind}:{}", gres.name, gres.count),
        None => format!("{}:{}", gres.name, gres.count),
    }
}

fn gres_types(spec: &ClusterSpec) -> Vec<String> {
    let types: BTreeSet<&str> = spec.sets.iter().flat_map(|s| &s.gres).map(|g| g.name.as_str()).collect();
    types.into_iter().map(str::to_owned).collect()
}

/// `gres.conf`, and how many device files it names. slurmd drops GPUs without a file; other resources are counted.
pub(super) fn gres_conf(spec: &ClusterSpec, devices: &Path) -> (String, u32) {
    let (mut text, mut most) = ("AutoDetect=off\n".to_owned(), 0);
    for (index, set) in spec.sets.iter().enumerate() {
        let mut device = 0;
        for gres in &set.gres {
            let _ = write!(text, "NodeName={} Name={}", spec.set_name(index), gres.name);
            if let Some(kind) = &gres.kind {
                let _ = write!(text, " Type={kind}");
            }
            if gres.name == "gpu" {
                let range = if gres.count == 1 {
                    device.to_string()
                } else {
                    format!("[{device}-{}]", device + gres.count - 1)
                };
                let _ = writeln!(text, " File={}/gpu{range}", devices.display());
                device += gres.count;
            } else {
                let _ = writeln!(text, " Count={}", gres.count);
            }
        }
        most = most.max(device);
    }
    (text, most)
}

/// `slurmdbd.conf`, to lie beside `slurm.conf`.
pub(super) fn slurmdbd_conf(spec: &ClusterSpec, at: &Layout, port: u16, database_port: u16, user: &str) -> String {
    let mut text = format!(
        "AuthType=auth/munge\nAuthInfo=socket={}\nDbdHost=localhost\nDbdAddr=127.0.0.1\nDbdPort={port}\nSlurmUser={user}\n\
         PidFile={}/slurmdbd.pid\nDebugLevel=info\nStorageType=accounting_storage/mysql\nStorageHost=127.0.0.1\n\
         StoragePort={database_port}\nStorageUser=slurm\nStoragePass=slurm\nStorageLoc=slurm_{}\n",
        at.munge_socket().display(),
        at.run.display(),
        spec.name
    );
    if spec.jwt {
        // Without it slurmrestd's accounting part answers 200 with an authentication error in the body.
        let _ = writeln!(text, "AuthAltTypes=auth/jwt\nAuthAltParameters=jwt_key={}", at.jwt_key().display());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slurm::{Accounting, NodeSet, Partition};

    fn layout() -> Layout {
        Layout { dir: "/d/a".into(), run: "/r/a".into() }
    }
    const PORTS: Addresses = Addresses { slurmctld: 100, first_slurmd: 101, slurmdbd: 200 };

    #[test]
    fn node_sets_become_host_lists_with_ports_in_a_row() {
        let spec = ClusterSpec::new("a")
            .nodes(NodeSet::new(2).gres("gpu:a100:4").gres("gpu:i20:1").gres("nic:2"))
            .nodes(NodeSet::new(1).cpus(4).mem_mb(100).feature("x").feature("y").weight(9))
            .partition(Partition::new("p").sets(&[1]).default().with("MaxTime=1:00"));
        let text = slurm_conf(&spec, &layout(), PORTS, "me");
        for wanted in [
            "NodeName=a-n[1-2] NodeHostname=localhost NodeAddr=127.0.0.1 Port=[101-102] CPUs=16 RealMemory=64000 \
             State=UNKNOWN Gres=gpu:a100:4,gpu:i20:1,nic:2\n",
            "NodeName=a-n3 NodeHostname=localhost NodeAddr=127.0.0.1 Port=103 CPUs=4 RealMemory=100 State=UNKNOWN \
             Feature=x,y Weight=9\n",
            "PartitionName=p Nodes=a-n3 State=UP Default=YES MaxTime=1:00\n",
            "GresTypes=gpu,nic\n",
        ] {
            assert!(text.contains(wanted), "{wanted} is not in\n{text}");
        }
        assert!(!text.contains("AccountingStorage"), "slurmctld refuses TRES without slurmdbd:\n{text}");
        let (gres, devices) = gres_conf(&spec, Path::new("/dev/x"));
        assert_eq!(devices, 5);
        assert_eq!(
            gres,
            "AutoDetect=off\nNodeName=a-n[1-2] Name=gpu Type=a100 File=/dev/x/gpu[0-3]\n\
             NodeName=a-n[1-2] Name=gpu Type=i20 File=/dev/x/gpu4\nNodeName=a-n[1-2] Name=nic Count=2\n"
        );
    }

    #[test]
    fn nodes_may_have_names_of_their_own() {
        let spec = ClusterSpec::new("a").nodes(NodeSet::new(1)).nodes(NodeSet::named(&["r0n1", "r1n1"]));
        let names: Vec<String> = (0..spec.node_count()).map(|index| spec.node_name(index)).collect();
        assert_eq!(names, ["a-n1", "r0n1", "r1n1"]);
        let text = slurm_conf(&spec, &layout(), PORTS, "me");
        assert!(
            text.contains("NodeName=r0n1,r1n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port=[102-103] "),
            "{text}"
        );
    }

    #[test]
    fn accounting_names_the_munge_socket_and_every_tres() {
        let spec = ClusterSpec::new("b")
            .nodes(NodeSet::new(1).gres("gpu:ascend910b:8"))
            .licence("ansys", 2)
            .accounting(Accounting::default().enforce("limits"));
        let text = slurm_conf(&spec, &layout(), PORTS, "me");
        for wanted in [
            "AccountingStoragePass=/r/a/munge.sock\n",
            "AccountingStorageEnforce=limits\n",
            "AccountingStorageTRES=gres/gpu,gres/gpu:ascend910b,license/ansys\n",
            "Licenses=ansys:2\n",
            "PartitionName=main Nodes=ALL",
        ] {
            assert!(text.contains(wanted), "{wanted} is not in\n{text}");
        }
        assert!(slurmdbd_conf(&spec, &layout(), 200, 300, "me").contains("StoragePort=300\n"));
    }
}
