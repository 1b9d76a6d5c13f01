//! Unix users of the platform's people at a site: whom the table means, and what may never be meant. Pure. A name is checked before
//! anything else sees it; no shell ever reads one.

use std::fmt;
use std::sync::Arc;

use model::Order;

use crate::config::{Become, Others, SlurmConfig};
use crate::render::identity;

/// Longest name that `useradd` takes.
const NAME_BYTES_MAX: usize = 32;
/// Accounts of systems and services, whatever their number is at a site.
const SYSTEM: &[&str] = &[
    "adm",
    "backup",
    "bin",
    "chrony",
    "daemon",
    "dbus",
    "ftp",
    "games",
    "gdm",
    "gnats",
    "halt",
    "irc",
    "list",
    "lp",
    "mail",
    "man",
    "messagebus",
    "munge",
    "mysql",
    "news",
    "nfsnobody",
    "nobody",
    "ntp",
    "operator",
    "polkitd",
    "postgres",
    "proxy",
    "root",
    "rpc",
    "rpcuser",
    "shutdown",
    "slurm",
    "slurmrestd",
    "sshd",
    "sssd",
    "sync",
    "sys",
    "systemd-network",
    "systemd-resolve",
    "tss",
    "uucp",
    "www-data",
];

/// A name that may be given to `sudo -u` and into a path: 1 to 32 of a-z, 0-9, `-`, `_`, `.`, with a letter first, and no system's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixUser(Arc<str>);

/// Why somebody has no place at a site, in words for him and for whoever wrote the table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    #[error(
        "`{0}` is no name of a Unix user that jobs may run as: a letter a-z, then up to 31 of a-z, 0-9, `-`, `_`, `.`"
    )]
    Name(String),
    #[error("`{0}` is an account of the system, and no job runs as one")]
    System(String),
    #[error("this site runs jobs as Unix users of their own, and its table gives you none: ask the operator")]
    Nobody,
}

impl UnixUser {
    /// # Errors
    /// [`UserError::Name`], [`UserError::System`].
    pub fn new(name: &str) -> Result<UnixUser, UserError> {
        let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_' | b'.');
        let begins = name.bytes().next().is_some_and(|c| c.is_ascii_lowercase());
        if !begins || name.len() > NAME_BYTES_MAX || !name.bytes().all(fits) {
            return Err(UserError::Name(crate::states::short(name, NAME_BYTES_MAX)));
        }
        if SYSTEM.contains(&name) {
            return Err(UserError::System(name.to_owned()));
        }
        Ok(UnixUser(name.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn name(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl fmt::Debug for UnixUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Display for UnixUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where somebody's jobs have their folders, and as whom they run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// `None`: as the account that the platform is there.
    pub user: Option<UnixUser>,
    /// Absolute, without a slash at its end.
    pub root: String,
}

impl Home {
    pub fn new(config: &SlurmConfig, user: Option<UnixUser>) -> Home {
        let root = match (&user, &config.users) {
            (Some(user), Some(users)) => users.work_root.replace("{unix}", user.as_str()),
            _ => config.work_root.clone(),
        };
        Home { user, root: root.trim_end_matches('/').to_owned() }
    }

    /// A path below the home as [`crate::homes::Homes`] takes it.
    pub fn path(&self, below: &str) -> String {
        match &self.user {
            Some(user) => format!("{}/{user}/{below}", crate::homes::USERS),
            None => below.to_owned(),
        }
    }
}

/// By the table of identities.
///
/// # Errors
/// Whoever may not have a job there.
pub fn home_of(config: &SlurmConfig, order: &Order) -> Result<Home, UserError> {
    let Some(users) = &config.users else { return Ok(Home::new(config, None)) };
    let rule = identity::rule(&config.identity, &order.tenant, &order.project, &order.user);
    let text = rule.and_then(|rule| rule.unix_user.as_deref());
    match text.and_then(|text| identity::fill(text, &order.tenant, &order.project, &order.user)) {
        Some(name) => Ok(Home::new(config, Some(UnixUser::new(&name)?))),
        None if users.others == Others::Refuse => Err(UserError::Nobody),
        None => Ok(Home::new(config, None)),
    }
}

/// The words before a command that make it run as somebody: each an argument of its own.
pub fn words(by: Become, user: &str) -> Vec<String> {
    let words: &[&str] = match by {
        // Never asks for a password.
        Become::Sudo => &["sudo", "-n", "-u", user, "--"],
        Become::Runuser => &["runuser", "-u", user, "--"],
    };
    words.iter().map(|&word| word.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_of_people_are_users() {
        for name in ["li", "li.ming", "u-1_x", &"a".repeat(32)] {
            assert_eq!(UnixUser::new(name).map(|user| user.to_string()), Ok(name.to_owned()));
        }
        for name in
            ["", "-u", "#0", "0", "1li", "Li", "a b", "a;id", "$(id)", "a\n", "../x", "ü", "_apt", ".", &"a".repeat(33)]
        {
            assert!(matches!(UnixUser::new(name), Err(UserError::Name(_))), "{name:?}");
        }
        for name in ["root", "slurm", "munge", "nobody"] {
            assert!(matches!(UnixUser::new(name), Err(UserError::System(_))), "{name}");
        }
    }

    #[test]
    fn a_name_is_one_argument() {
        assert_eq!(words(Become::Sudo, "li"), ["sudo", "-n", "-u", "li", "--"]);
        assert_eq!(words(Become::Runuser, "li"), ["runuser", "-u", "li", "--"]);
    }
}
