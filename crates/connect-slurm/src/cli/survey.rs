//! Everything about a cluster by Slurm's commands, asked side by side. Knows the commands; what they say is read elsewhere.

use crate::carrier::{AccountingKind, CarrierError, LimitFacts, PartitionFacts, Survey};
use crate::cli::{CommandLine, our_clock, read_survey};

/// `-d` tells the allocated generic resources.
pub(super) const NODES: &[&str] = &["-d", "-o", "show", "node"];

/// Keys of the configuration that matter to a connector; the others are hundreds.
const KEPT: &[&str] = &[
    "AccountingStorageEnforce",
    "AccountingStorageTRES",
    "AccountingStorageType",
    "AccountingStoreFlags",
    "ClusterName",
    "DefMemPerCPU",
    "DefMemPerNode",
    "EnforcePartLimits",
    "Epilog",
    "GresTypes",
    "InactiveLimit",
    "JobAcctGatherType",
    "JobCompType",
    "JobRequeue",
    "JobSubmitPlugins",
    "KillWait",
    "MaxArraySize",
    "MaxJobCount",
    "MaxMemPerCPU",
    "MaxMemPerNode",
    "MessageTimeout",
    "MinJobAge",
    "OverTimeLimit",
    "PreemptMode",
    "PreemptType",
    "PriorityType",
    "PrivateData",
    "ProctrackType",
    "Prolog",
    "PropagateResourceLimits",
    "SchedulerParameters",
    "SchedulerType",
    "SelectType",
    "SelectTypeParameters",
    "SLURM_VERSION",
    "SlurmctldTimeout",
    "SlurmdTimeout",
    "SlurmUser",
    "TaskPlugin",
    "TopologyPlugin",
];

impl CommandLine {
    pub(super) async fn whole_survey(&self) -> Result<Survey, CarrierError> {
        let asked = our_clock();
        let show = |what: &'static [&'static str]| self.ask_text("scontrol", what);
        let (config, nodes, seen, all, user) = futures::try_join!(
            show(&["show", "config"]),
            show(NODES),
            show(&["-o", "show", "partition"]),
            show(&["-a", "-o", "show", "partition"]),
            self.login()
        )?;
        let seen = read_survey::partitions(&seen);
        // With `-a` come hidden ones, and those of groups that we do not belong to.
        let hidden = |partition: &PartitionFacts| partition.rules.iter().any(|rule| rule == "Hidden=YES");
        let mut partitions = read_survey::partitions(&all);
        partitions.retain(|one| hidden(one) || seen.iter().any(|other| other.name == one.name));
        let clock = read_survey::clock(&config).unwrap_or_else(our_clock);
        self.set_clock(clock, asked);
        let config = read_survey::config(&config);
        let accounting = self.proof(&config).await?;
        let (reservations, licences, topology, limits) = futures::try_join!(
            self.optional(&["-o", "show", "reservation"]),
            self.optional(&["-o", "show", "licenses"]),
            self.optional(&["-o", "show", "topology"]),
            self.limits(accounting, &user),
        )?;
        Ok(Survey {
            version: read_survey::value(&config, "SLURM_VERSION").unwrap_or("").to_owned(),
            cluster_name: read_survey::value(&config, "ClusterName").unwrap_or("").to_owned(),
            user,
            accounting,
            clock,
            partitions,
            nodes: read_survey::nodes(&nodes),
            reservations: read_survey::reservations(&reservations),
            licences: read_survey::licences(&licences),
            limits,
            topology: read_survey::topology(&topology),
            config: config.into_iter().filter(|(key, _)| KEPT.contains(&key.as_str())).collect(),
        })
    }

    /// The account whose jobs these are.
    pub(super) async fn login(&self) -> Result<String, CarrierError> {
        if let Some(user) = &self.user {
            return Ok(user.clone());
        }
        let mut call = self.question("id", vec!["-un".to_owned()]);
        // Not one of Slurm's commands: not in their folder.
        call.program = "id".to_owned();
        let output = self.run(call).await?;
        if !output.ok() {
            return Err(super::words::question(&output));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// What a cluster may not have, and `scontrol` then complains of.
    async fn optional(&self, what: &[&str]) -> Result<String, CarrierError> {
        match self.ask_text("scontrol", what).await {
            Err(CarrierError::Refused(_)) => Ok(String::new()),
            answer => answer,
        }
    }

    /// Limits, where accounting is kept; while it does not answer there are none to tell of, and the rest counts all the same.
    async fn limits(&self, accounting: AccountingKind, user: &str) -> Result<Vec<LimitFacts>, CarrierError> {
        if accounting != AccountingKind::Slurmdbd {
            return Ok(Vec::new());
        }
        let show = |what: String| async move {
            let what: Vec<&str> = what.split(' ').collect();
            self.ask_text("sacctmgr", &what).await.unwrap_or_else(|fault| {
                tracing::warn!(%fault, "the cluster's accounting does not tell its limits");
                String::new()
            })
        };
        let (associations, qos, usual) = futures::join!(
            show("-P show associations".to_owned()),
            show("-P show qos".to_owned()),
            show(format!("-P show user {user} format=DefaultAccount")),
        );
        let mut limits = read_survey::associations(&associations, user);
        limits.extend(read_survey::qos(&qos));
        limits.extend(read_survey::user(&usual, user));
        Ok(limits)
    }
}
