//! Starts the platform, and shows what it would start with. Brings flags to the server and logging to standard error;
//! everything else is the server's own.

use std::io::IsTerminal;
use std::process::ExitCode;

use server::config::{Flags, Setting};
use server::recovery::{NewPassword, RecoveryError};
use tracing_subscriber::EnvFilter;

use crate::fault::Fault;
use crate::text::{Lang, Word};
use crate::verbs::house::{Admin, AdminAct, ResetPassword, Up};
use crate::view::{Cell, Table, View};

fn flags(args: Up) -> Flags {
    let named = [("data", args.data), ("listen", args.listen), ("config", args.config), ("database", args.database)];
    let named = named.into_iter().filter_map(|(key, value)| Some((key.to_string(), value?)));
    named.chain(args.set).collect()
}

/// Keys that are given with `--set` and do not exist.
fn unknown(args: &Up) -> Option<Fault> {
    let known = |key: &str| server::config::KEYS.iter().any(|one| one.name == key);
    let (key, _) = args.set.iter().find(|(key, _)| !known(key))?;
    Some(Fault::Usage(Word::NoSuchKey, vec![("key", key.clone())]))
}

/// Runs the platform until it is told to stop.
pub fn run(args: Up) -> Result<ExitCode, Fault> {
    if let Some(fault) = unknown(&args) {
        return Err(fault);
    }
    Ok(server::up::main_up(&flags(args), |config| start_log(&config.log, config.log_json)))
}

/// Logs go to standard error, so that what `up` announces on standard output can be read by a script.
pub(crate) fn start_log(filter: &str, json: bool) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let log = log.with_ansi(std::io::stderr().is_terminal());
    // Only a second call in one process could fail, and there is none.
    let _ = if json { log.json().try_init() } else { log.try_init() };
}

/// The effective configuration with the origin of each value.
pub fn explain(args: Up) -> Result<View, Fault> {
    if let Some(fault) = unknown(&args) {
        return Err(fault);
    }
    let (written, _) = server::up::configure(&flags(args)).map_err(|fault| Fault::Server(fault.into()))?;
    let json: std::collections::BTreeMap<&str, serde_json::Value> = written
        .settings
        .iter()
        .map(|(key, Setting { value, origin })| {
            (*key, serde_json::json!({ "value": secretless(value), "origin": origin.to_string() }))
        })
        .collect();
    let rows = server::config::KEYS.iter().filter_map(|key| {
        let Setting { value, origin } = written.settings.get(key.name)?;
        Some(vec![Cell::text(key.name), Cell::text(secretless(value)), Cell::text(origin.to_string())])
    });
    let table = Table::new("setting", &[Word::Key, Word::Value, Word::Origin]).with(rows);
    Ok(View::table(&json, table))
}

/// Repairs what needs no server, and must not have one.
pub async fn repair(args: Admin, lang: Lang) -> Result<View, Fault> {
    let AdminAct::ResetPassword(ResetPassword { user, data, config, database }) = args.act;
    let flags = flags(Up { data, config, database, ..Up::default() });
    let (_, checked) = server::up::configure(&flags).map_err(|fault| Fault::Server(fault.into()))?;
    let done = server::recovery::reset_password(&checked, &user).await;
    let NewPassword { user, password, disabled } = done.map_err(|fault| match fault {
        RecoveryError::NoSuchUser(user) => Fault::NotFound(Word::NoSuchUser, vec![("name", user)]),
        other => Fault::Server(other.into()),
    })?;
    let json = serde_json::json!({ "user": user, "password": password, "disabled": disabled });
    let facts = vec![(Word::User, Cell::text(&user)), (Word::OneTimePassword, Cell::text(password))];
    let view = View::facts(&json, facts).and(Word::PasswordShownOnce.text(lang));
    Ok(if disabled { view.and(Word::PasswordOfDisabled.fill(lang, &[("name", user)])) } else { view })
}

/// A database address without its password.
fn secretless(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return value.into() };
    let Some((who, place)) = rest.rsplit_once('@') else { return value.into() };
    let user = who.split(':').next().unwrap_or_default();
    format!("{scheme}://{user}:…@{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_databases_are_not_shown() {
        assert_eq!(secretless("postgres://hw:secret@db/x"), "postgres://hw:…@db/x");
        assert_eq!(secretless("./data"), "./data");
    }

    #[test]
    fn flags_become_keys() {
        let args = Up { data: Some("d".into()), set: vec![("log".into(), "debug".into())], ..Up::default() };
        assert!(unknown(&args).is_none());
        assert_eq!(flags(args).into_iter().map(|(k, v)| k + "=" + &v).collect::<Vec<_>>(), ["data=d", "log=debug"]);
        let wrong = Up { set: vec![("lgo".into(), "x".into())], ..Up::default() };
        assert!(unknown(&wrong).is_some());
    }
}
