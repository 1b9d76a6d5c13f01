//! Options of `ssh` for a registered host. Pure. A jump host is reached with the same key and the same known hosts, which
//! `ssh -J` would not do.

use std::io;

use crate::config::Ssh;
use crate::ssh::quote;

/// Of one TCP connection and the key exchange, per hop.
pub const CONNECT_TIMEOUT_SECS: u32 = 10;
/// A silent line is asked this often, and counts as dead after [`ALIVE_COUNT`] silences: 15 s.
const ALIVE_INTERVAL_SECS: u32 = 5;
const ALIVE_COUNT: u32 = 3;

/// Everything between `ssh -M -N -S PATH` and `-- HOST`.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] for names that `ssh` or a shell would take for something else.
pub fn of(config: &Ssh) -> io::Result<Vec<String>> {
    name(&config.host)?;
    let mut options = common(config);
    let mut set = |key: &str, value: String| options.extend(["-o".to_owned(), format!("{key}={value}")]);
    set("ControlPersist", "no".to_owned());
    set("ServerAliveInterval", ALIVE_INTERVAL_SECS.to_string());
    set("ServerAliveCountMax", ALIVE_COUNT.to_string());
    if let Some(jump) = &config.jump {
        set("ProxyCommand", through(config, jump)?);
    }
    if let Some(user) = &config.user {
        name(user)?;
        options.extend(["-l".to_owned(), user.clone()]);
    }
    if let Some(port) = config.port {
        options.extend(["-p".to_owned(), port.to_string()]);
    }
    Ok(options)
}

/// What holds for each hop: nothing is asked, no unknown host is trusted, nothing is handed on.
fn common(config: &Ssh) -> Vec<String> {
    let mut options = Vec::new();
    let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
    if let Some(file) = &config.config {
        options.extend(["-F".to_owned(), path(file)]);
    }
    let connect = CONNECT_TIMEOUT_SECS.to_string();
    let mut set = |key: &str, value: &str| options.extend(["-o".to_owned(), format!("{key}={value}")]);
    for (key, value) in [
        ("BatchMode", "yes"),
        ("StrictHostKeyChecking", "yes"),
        ("UpdateHostKeys", "no"),
        ("ForwardAgent", "no"),
        ("ForwardX11", "no"),
        ("PermitLocalCommand", "no"),
        ("ClearAllForwardings", "yes"),
        ("LogLevel", "ERROR"),
        ("ConnectTimeout", connect.as_str()),
    ] {
        set(key, value);
    }
    if let Some(file) = &config.known_hosts {
        // In quotes: the option takes several names between blanks.
        set("UserKnownHostsFile", &format!("\"{}\"", path(file).replace('%', "%%")));
        set("GlobalKnownHostsFile", "/dev/null");
    }
    if let Some(file) = &config.key {
        set("IdentitiesOnly", "yes");
        set("IdentityAgent", "none");
        set("IdentityFile", &format!("\"{}\"", path(file).replace('%', "%%")));
    }
    options
}

/// `ssh … -W [host]:port jump`, as a shell reads it.
fn through(config: &Ssh, jump: &str) -> io::Result<String> {
    let (user, place) = jump.rsplit_once('@').map_or((None, jump), |(user, place)| (Some(user), place));
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => place.rsplit_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    name(host)?;
    let mut words = vec!["ssh".to_owned()];
    words.extend(common(config));
    if let Some(user) = user {
        name(user)?;
        words.extend(["-l".to_owned(), user.to_owned()]);
    }
    if let Some(port) = port {
        let port: u16 = port.parse().map_err(|_| invalid(port))?;
        words.extend(["-p".to_owned(), port.to_string()]);
    }
    let mut line: Vec<String> = words.iter().map(|word| quote::option(word)).collect();
    line.extend(["-W".to_owned(), "'[%h]:%p'".to_owned(), "--".to_owned(), quote::option(host)]);
    Ok(line.join(" "))
}

/// Hosts and users: visible characters that begin no option and mean nothing to a shell.
fn name(text: &str) -> io::Result<()> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '+' | '@' | '\\');
    if text.is_empty() || text.starts_with('-') || !text.chars().all(fits) { Err(invalid(text)) } else { Ok(()) }
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("{:?} is no name of a host, a user or a port", text.escape_debug()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Ssh {
        Ssh {
            host: "login.example".into(),
            user: Some("hw".into()),
            port: Some(2222),
            key: Some("/keys/it's a%key".into()),
            known_hosts: Some("/keys/known hosts".into()),
            jump: Some("gate@[::1]:2200".into()),
            config: None,
        }
    }

    #[test]
    fn keys_and_checks_hold_for_both_hops() {
        insta::assert_debug_snapshot!(of(&config()).unwrap());
    }

    #[test]
    fn names_that_would_be_options_or_commands_are_refused() {
        for host in ["", "-oProxyCommand=x", "a b", "a;b", "$(x)", "a\nb"] {
            assert!(of(&Ssh { host: host.into(), ..config() }).is_err(), "{host}");
            assert!(of(&Ssh { user: Some(host.into()), ..config() }).is_err(), "{host}");
            assert!(of(&Ssh { jump: Some(host.into()), ..config() }).is_err(), "{host}");
        }
        assert!(of(&Ssh { jump: Some("gate:x".into()), ..config() }).is_err());
    }
}
