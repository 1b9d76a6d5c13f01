//! How one Slurm cluster is reached and used, as registered by an operator. Holds paths to secrets, never a secret.
//! As written: unknown words are refused; [`SlurmConfig::check`] says what does not fit together.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::Interconnect;
use serde::{Deserialize, Serialize};

use crate::{rest, ssh};

/// A registered Slurm cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlurmConfig {
    pub way: Way,
    /// How files are reached; `None`: as commands and connections of the way go, and not at all where it has neither.
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
    /// Jobs run as Unix users of their own, where the site lets us act as them; who is whom stands in the rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Users>,
    /// Chip names by GRES type, where they differ: `a100 = "nvidia-a100-80g"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub chips: BTreeMap<String, String>,
    /// What joins the nodes of each partition, `*` for all that are not named: `"*" = "infiniband-ndr:400G"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub interconnects: BTreeMap<String, Interconnect>,
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
    Rest {
        rest: Rest,
        /// Who looks at jobs and ends them.
        #[serde(default, skip_serializing_if = "Watch::is_rest")]
        watch: Watch,
        /// Where Slurm's commands are; with `watch = "command-line"`, and only then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commands: Option<Box<Commands>>,
    },
}

/// Who lists, accounts for and ends the jobs that slurmrestd was handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Watch {
    /// slurmrestd itself: 4 s and gigabytes for a listing of 10,000 jobs in Slurm 22.05.
    #[default]
    Rest,
    /// Slurm's commands: a quarter of a second for the same.
    CommandLine,
}

impl Watch {
    fn is_rest(&self) -> bool {
        *self == Watch::Rest
    }
}

/// Slurm's commands beside slurmrestd.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commands {
    /// `None`: on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<Ssh>,
    #[serde(default)]
    pub tools: Tools,
}

/// What does not fit together in a configuration, or cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {words}")]
pub struct ConfigError {
    /// Below `slurm`, e.g. `way.rest.endpoint`.
    pub field: &'static str,
    /// What is wrong and what to write instead.
    pub words: String,
}

/// Looks closer than this are more than a controller should be asked …
const POLL_MS_MIN: u32 = 20;
/// … and further apart than this nothing can be told in time: 10 minutes.
const POLL_MS_MAX: u32 = 600_000;

impl SlurmConfig {
    /// What can be known to be wrong without reaching the cluster.
    ///
    /// # Errors
    /// The first thing that is wrong, with its field and what to write.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |field, words: &str| Err(ConfigError { field, words: words.to_owned() });
        if !self.work_root.starts_with('/') || self.work_root.contains(['\0', '\n']) {
            return wrong("work_root", "an absolute folder on the cluster, such as /shared/headworks");
        }
        if !(POLL_MS_MIN..=POLL_MS_MAX).contains(&self.poll_ms) {
            return wrong("poll_ms", &format!("{POLL_MS_MIN} to {POLL_MS_MAX} milliseconds"));
        }
        if self.grace_secs == 0 {
            return wrong("grace_secs", "at least 1 second: an answer may be late once");
        }
        self.way.check()?;
        if let Some(FilesWay::Ssh(to)) = &self.files {
            to.check("files")?;
        }
        let named = |rule: &IdentityRule| rule.unix_user.is_some();
        match &self.users {
            Some(users) => users.check(self),
            None if self.identity.rules.iter().any(named) => {
                wrong("identity.rules", "`unix_user` needs [slurm.users]: how the site lets the platform act as them")
            }
            None => Ok(()),
        }
    }

    /// What joins the nodes of a partition, where the operator said it.
    pub fn interconnect(&self, partition: &str) -> Option<&Interconnect> {
        self.interconnects.get(partition).or_else(|| self.interconnects.get("*"))
    }
}

impl Users {
    fn check(&self, config: &SlurmConfig) -> Result<(), ConfigError> {
        let wrong = |field, words: String| Err(ConfigError { field, words });
        let plain = |text: &str| {
            text.starts_with('/') && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"/._-{}".contains(&c))
        };
        if !plain(&self.work_root) || !self.work_root.contains("{unix}") || self.work_root.contains("/..") {
            let words = "an absolute folder of each user's own, such as /home/{unix}/headworks, of letters, digits, `.`, `_`, `-`";
            return wrong("users.work_root", words.to_owned());
        }
        if !plain(&self.sftp_server) || self.sftp_server.contains('{') {
            return wrong("users.sftp_server", "the absolute path of OpenSSH's sftp-server at the site".to_owned());
        }
        for name in config.identity.rules.iter().filter_map(|rule| rule.unix_user.as_deref()) {
            if !name.contains('{')
                && let Err(error) = crate::users::UnixUser::new(name)
            {
                return wrong("identity.rules", error.to_string());
            }
        }
        if config.files.is_none() && !crate::open::has_files(&config.way) {
            let words = "whose job is whose is noted below the work root: add `files`";
            return wrong("users", words.to_owned());
        }
        match &config.way {
            Way::Rest { rest, .. } if rest.token_file.is_none() => wrong(
                "way.rest.token_file",
                "to hand jobs over as their users, slurmrestd wants a token of root or SlurmUser: name its file"
                    .to_owned(),
            ),
            Way::Rest { rest, .. } if rest.user.is_none() => wrong(
                "way.rest.user",
                "a token of root or SlurmUser speaks for everybody: name the platform's own account there".to_owned(),
            ),
            _ => Ok(()),
        }
    }
}

impl Way {
    fn check(&self) -> Result<(), ConfigError> {
        match self {
            Way::Command { .. } => Ok(()),
            Way::Ssh { ssh, .. } => ssh.check("way.ssh"),
            Way::Rest { rest, watch, commands } => {
                rest.check()?;
                match (watch, commands.as_deref()) {
                    (Watch::CommandLine, Some(Commands { ssh: Some(ssh), .. })) => ssh.check("way.commands.ssh"),
                    (Watch::CommandLine, Some(_)) | (Watch::Rest, None) => Ok(()),
                    (Watch::CommandLine, None) => Err(ConfigError {
                        field: "way.commands",
                        words:
                            "watch = \"command-line\" needs to know where Slurm's commands are: commands = {} for this \
                                machine, commands = { ssh = { host = … } } for a login node"
                                .to_owned(),
                    }),
                    (Watch::Rest, Some(_)) => Err(ConfigError {
                        field: "way.commands",
                        words: "slurmrestd looks at the jobs itself, so no commands are used: leave them out, or say \
                                watch = \"command-line\""
                            .to_owned(),
                    }),
                }
            }
        }
    }
}

impl Rest {
    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |field, error: &dyn std::fmt::Display| ConfigError { field, words: error.to_string() };
        let to = rest::endpoint(&self.endpoint).map_err(|error| wrong("way.rest.endpoint", &error))?;
        rest::version(&self.version).map_err(|error| wrong("way.rest.version", &error))?;
        let is_tcp = matches!(to, rest::Endpoint::Tcp(_));
        if is_tcp && self.token_file.is_none() {
            let words = "slurmrestd on a port believes tokens only: name a file with a JWT on the server's machine";
            return Err(wrong("way.rest.token_file", &words));
        }
        if let Some(through) = &self.through {
            through.check("way.rest.through")?;
            crate::open::target(&to).map_err(|error| wrong("way.rest.endpoint", &error))?;
        }
        Ok(())
    }
}

impl Ssh {
    fn check(&self, field: &'static str) -> Result<(), ConfigError> {
        ssh::options::of(self).map(drop).map_err(|error| ConfigError { field, words: error.to_string() })
    }
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

impl Ssh {
    /// An alias of a configuration file, which says everything else.
    pub fn by_file(host: &str, file: PathBuf) -> Ssh {
        let host = host.to_owned();
        Ssh { host, user: None, port: None, key: None, known_hosts: None, jump: None, config: Some(file) }
    }
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
    /// Whom no rule names is given no work there. Otherwise his jobs run under the site's default account.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub named_only: bool,
    /// Accounts that belong to tenants who owe, and to nobody else, take in nothing while their wallets do not: `GrpSubmitJobs=0` on their association, and what
    /// it was before afterwards. Needs the rights of a coordinator there, or more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stop_debtors: bool,
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
    /// As whom jobs run there, with [`Users`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unix_user: Option<String>,
}

/// Unix users of the platform's people at the site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Users {
    /// How commands and the SFTP server run as one.
    pub by: Become,
    /// Absolute folder of each user's own, with `{unix}` for the name, on a file system that all nodes share. Made as the user, mode 0700.
    pub work_root: String,
    /// Whom no rule gives a Unix user.
    #[serde(default)]
    pub others: Others,
    /// Users with a lower number are the system's: no job runs as one.
    #[serde(default = "default_uid_min")]
    pub uid_min: u32,
    /// OpenSSH's program at the site.
    #[serde(default = "default_sftp_server")]
    pub sftp_server: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Become {
    /// `sudo -n -u USER`, by rules of the site's for the platform's account.
    Sudo,
    /// `runuser -u USER`, where the platform's account is root.
    Runuser,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Others {
    /// Their jobs run as the account that the platform is.
    #[default]
    Service,
    /// They have no job there.
    Refuse,
}

/// As `useradd` begins.
const fn default_uid_min() -> u32 {
    1_000
}
fn default_sftp_server() -> String {
    "/usr/lib/openssh/sftp-server".to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn checked(way: Value) -> Result<SlurmConfig, String> {
        let config = json!({"way": way, "work_root": "/w"});
        let config: SlurmConfig = serde_json::from_value(config).map_err(|error| error.to_string())?;
        config.check().map(|()| config).map_err(|error| error.to_string())
    }

    fn rest(more: Value) -> Value {
        let mut way = json!({"kind": "rest", "rest": {"endpoint": "unix:/s", "version": "v0.0.38"}});
        if let (Value::Object(way), Value::Object(more)) = (&mut way, more) {
            way.extend(more);
        }
        way
    }

    #[test]
    fn who_looks_is_said_with_where_the_commands_are() {
        let Ok(SlurmConfig { way: Way::Rest { watch, commands, .. }, .. }) = checked(rest(json!({}))) else { panic!() };
        assert_eq!((watch, commands), (Watch::Rest, None));
        for commands in [json!({}), json!({"tools": {"bin": "/b"}}), json!({"ssh": {"host": "login"}})] {
            let way = rest(json!({"watch": "command-line", "commands": commands}));
            let config = checked(way).unwrap();
            // As it is stored and read again.
            let again: SlurmConfig = serde_json::from_str(&serde_json::to_string(&config).unwrap()).unwrap();
            assert_eq!(again, config);
        }
    }

    #[test]
    fn what_does_not_fit_is_named_before_anything_is_reached() {
        let tcp = |more: Value| json!({"kind": "rest", "rest": {"endpoint": "http://h:6820", "version": "v0.0.38", "through": more}});
        for (way, field) in [
            (rest(json!({"watch": "command-line"})), "way.commands:"),
            (rest(json!({"commands": {}})), "way.commands:"),
            (rest(json!({"watch": "nobody"})), "unknown variant `nobody`"),
            (rest(json!({"watch": "command-line", "commands": {"ssh": {"host": "-x"}}})), "way.commands.ssh:"),
            (rest(json!({"rest": {"endpoint": "https://h", "version": "v0.0.38"}})), "way.rest.endpoint:"),
            (rest(json!({"rest": {"endpoint": "unix:/s", "version": "latest"}})), "way.rest.version:"),
            (tcp(json!(null)), "way.rest.token_file:"),
            (json!({"kind": "ssh", "ssh": {"host": "a b"}}), "way.ssh:"),
            (json!({"kind": "ssh", "ssh": {"host": "a", "jump": "g:x"}}), "way.ssh:"),
        ] {
            let said = checked(way.clone()).expect_err(&way.to_string());
            assert!(said.starts_with(field), "{said}");
        }
        let config = checked(rest(json!({}))).unwrap();
        for wrong in [
            SlurmConfig { work_root: "w".into(), ..config.clone() },
            SlurmConfig { poll_ms: 0, ..config.clone() },
            SlurmConfig { grace_secs: 0, ..config },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }
}
