//! How one Slurm cluster is reached and used, as registered by an operator. Holds paths to secrets, never a secret.
//! As written: unknown words are refused.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A registered Slurm cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlurmConfig {
    pub way: Way,
    /// How files are reached; `None`: as the way itself does (a REST way then has none).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<FilesWay>,
    /// Absolute folder on the cluster, on a file system that all its nodes share. Jobs, scripts and fences live below it.
    pub work_root: String,
    /// Partitions to use; empty means all that the account may use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation: Option<String>,
    #[serde(default)]
    pub identity: Identity,
    /// Chip names by GRES type, where they differ: `a100 = "nvidia-a100-80g"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub chips: BTreeMap<String, String>,
    /// Between two looks at the queue, milliseconds.
    #[serde(default = "default_poll_ms")]
    pub poll_ms: u32,
    /// Without an answer for this long the cluster counts as unreachable, seconds.
    #[serde(default = "default_grace_secs")]
    pub grace_secs: u32,
}

/// 400 ms: a change is seen within a second with room for the answer itself.
const fn default_poll_ms() -> u32 {
    400
}
/// A restart of slurmctld takes some seconds, a `sbatch` waits 9 s for one.
const fn default_grace_secs() -> u32 {
    30
}

/// The way in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Way {
    /// Slurm's commands on this machine.
    Command {
        #[serde(default)]
        tools: Tools,
    },
    /// Slurm's commands on a login node, over the system's OpenSSH.
    Ssh {
        ssh: Ssh,
        #[serde(default)]
        tools: Tools,
    },
    /// slurmrestd.
    Rest { rest: Rest },
}

/// Where Slurm's commands are and which cluster they mean.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tools {
    /// `SLURM_CONF` of the commands; `None` leaves Slurm's own default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slurm_conf: Option<String>,
    /// Folder of `sbatch` and its sisters; `None` means the search path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bin: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ssh {
    /// Host name, address, or an alias of the configuration file.
    pub host: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Private key file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// Known-hosts file; a host that is not in it is never connected to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_hosts: Option<PathBuf>,
    /// `[user@]host[:port]` to go through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump: Option<String>,
    /// An `ssh_config` to use instead of the user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rest {
    /// `unix:/run/slurmrestd/slurmrestd.socket` or `http://host:port`.
    pub endpoint: String,
    /// Pinned version of the API, e.g. `v0.0.38`; another one is never tried.
    pub version: String,
    /// File with a JWT, read again when the server answers 401. Not needed on a unix socket of the same user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// `X-SLURM-USER-NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The endpoint is at the far end of this connection: it is forwarded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<Ssh>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FilesWay {
    /// The work root is mounted here, under the same path.
    Here,
    /// SFTP.
    Ssh(Ssh),
}

/// Who the platform's people are at the site. The first rule that matches counts.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<IdentityRule>,
}

/// `tenant`, `project`, `user` are names or patterns with `*`; what is left out matches all. In `account` and `qos`,
/// `{tenant}`, `{project}` and `{user}` are replaced.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityRule {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qos: Option<String>,
}
