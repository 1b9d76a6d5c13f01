//! Three clusters of different shapes, which tests of several crates use: one without accounting, one with it, one
//! behind a jump host. Small enough for two cores.

use super::{Accounting, ClusterSpec, NodeSet, Partition};

/// A partner without slurmdbd: three nodes, two partitions, NVIDIA and Enflame GPUs, one licence.
pub fn alpha() -> ClusterSpec {
    ClusterSpec::new("alpha")
        .nodes(NodeSet::new(2).cpus(16).mem_mb(64_000).gres("gpu:a100:4").feature("ib"))
        .nodes(NodeSet::new(1).cpus(32).mem_mb(128_000).gres("gpu:i20:2"))
        .partition(Partition::new("batch").sets(&[0]).default())
        .partition(Partition::new("ai").sets(&[1]).with("MaxTime=2:00:00"))
        .licence("ansys", 2)
}

/// A cluster with accounting: two nodes with Ascend NPUs and one without, QOS with limits, requeueing preemption.
pub fn beta() -> ClusterSpec {
    ClusterSpec::new("beta")
        .nodes(NodeSet::new(2).cpus(32).mem_mb(256_000).gres("gpu:ascend910b:8"))
        .nodes(NodeSet::new(1).cpus(64).mem_mb(256_000).feature("fat"))
        .partition(Partition::new("npu").sets(&[0]).default())
        .partition(Partition::new("fat").sets(&[1]).with("MaxTime=1-00:00:00"))
        .accounting(
            Accounting::default()
                .enforce("associations,limits,qos")
                .sacctmgr(&["add", "qos", "small", "set", "MaxTRESPerJob=cpu=8", "MaxWall=60"])
                .sacctmgr(&["add", "qos", "stopped", "set", "MaxJobsPerUser=0"])
                .sacctmgr(&["modify", "cluster", "beta", "set", "qos=normal,small,stopped"]),
        )
}

/// A login node behind a jump host, slurmrestd on a socket and on a port; four small nodes on two switches.
pub fn gamma() -> ClusterSpec {
    ClusterSpec::new("gamma")
        .nodes(NodeSet::new(1).cpus(8).mem_mb(32_000))
        .nodes(NodeSet::new(3).cpus(8).mem_mb(32_000).gres("gpu:a30:2"))
        .partition(Partition::new("main").default())
        .partition(Partition::new("debug").sets(&[0]).with("MaxTime=10:00").with("PriorityTier=2"))
        .topology(
            "SwitchName=leaf1 Nodes=gamma-n[1-2]\nSwitchName=leaf2 Nodes=gamma-n[3-4]\nSwitchName=spine Switches=leaf[1-2]\n",
        )
        .restd_socket()
        .restd_port()
        .ssh_behind_jump()
}
