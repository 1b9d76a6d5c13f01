//! Limits of site accounts by `sacctmgr`: read, set, and whether we may. Names are checked before they become a part of an argument.

use crate::carrier::{CarrierError, LimitRights, SubmitLimit};
use crate::cli::{CommandLine, ORDER_TIMEOUT, words};

/// Accounts asked for in one call: some 60 bytes each.
const AT_ONCE: usize = 500;

impl CommandLine {
    pub(super) async fn limits_of(&self, cluster: &str, accounts: &[String]) -> Result<Vec<SubmitLimit>, CarrierError> {
        let mut found = Vec::new();
        for some in accounts.chunks(AT_ONCE) {
            for name in some.iter().map(String::as_str).chain([cluster]) {
                plain(name)?;
            }
            let named = [format!("account={}", some.join(",")), format!("cluster={cluster}")];
            let mut words: Vec<String> = ["-n", "-P", "show", "associations", "where"].map(str::to_owned).into();
            words.extend(named);
            words.push("format=Account,User,GrpSubmitJobs".to_owned());
            found.extend(limits(&String::from_utf8_lossy(&self.ask("sacctmgr", words).await?)));
        }
        Ok(found)
    }

    pub(super) async fn limit(&self, cluster: &str, limit: &SubmitLimit) -> Result<(), CarrierError> {
        plain(cluster)?;
        plain(&limit.account)?;
        let most = limit.most.map_or("-1".to_owned(), |most| most.to_string());
        let mut arguments: Vec<String> = ["-i", "-Q", "modify", "account", "where"].map(str::to_owned).into();
        arguments.extend([format!("name={}", limit.account), format!("cluster={cluster}"), "set".to_owned()]);
        arguments.push(format!("GrpSubmitJobs={most}"));
        let output = self.run(self.call("sacctmgr", arguments, ORDER_TIMEOUT)).await?;
        if output.ok() { Ok(()) } else { Err(words::question(&output)) }
    }

    pub(super) async fn rights(&self, user: &str) -> Result<LimitRights, CarrierError> {
        plain(user)?;
        let words = ["-n", "-P", "show", "user", "withcoord", "where"].map(str::to_owned);
        let more = [format!("name={user}"), "format=User,AdminLevel,Coord".to_owned()];
        let answer = self.ask("sacctmgr", [&words[..], &more].concat()).await?;
        Ok(rights(&String::from_utf8_lossy(&answer)))
    }
}

/// Rows of `ACCOUNT|USER|LIMIT`; those with a user bind him alone.
fn limits(text: &str) -> Vec<SubmitLimit> {
    let row = |line: &str| {
        let mut fields = line.split('|');
        let (account, user, most) = (fields.next()?, fields.next()?, fields.next()?);
        user.is_empty().then(|| SubmitLimit { account: account.to_owned(), most: most.trim().parse().ok() })
    };
    text.lines().filter_map(row).collect()
}

/// A row of `USER|LEVEL|ACCOUNTS`.
fn rights(text: &str) -> LimitRights {
    let mut fields = text.lines().next().unwrap_or("").split('|').skip(1);
    let (level, accounts) = (fields.next().unwrap_or(""), fields.next().unwrap_or(""));
    let accounts: Vec<String> = accounts.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    match level {
        "Operator" | "Administrator" => LimitRights::All,
        _ if accounts.is_empty() => LimitRights::None,
        _ => LimitRights::Of(accounts),
    }
}

/// Names that `sacctmgr` takes for one name and nothing else.
fn plain(name: &str) -> Result<(), CarrierError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !name.is_empty() && !name.starts_with('-') && name.chars().all(fits) {
        return Ok(());
    }
    Err(CarrierError::Refused(format!("`{}` is no name of an account", name.escape_debug())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_accounts_are_read_and_those_of_users_are_not() {
        let limit = |account: &str, most| SubmitLimit { account: account.into(), most };
        assert_eq!(limits("a||7\na|li|3\nb||\nc||0\n\n"), [limit("a", Some(7)), limit("b", None), limit("c", Some(0))]);
    }

    #[test]
    fn rights_are_those_of_the_row() {
        assert_eq!(rights("root|Administrator|\n"), LimitRights::All);
        assert_eq!(rights("hw|None|lab,sea\n"), LimitRights::Of(vec!["lab".into(), "sea".into()]));
        for none in ["hw|None|\n", ""] {
            assert_eq!(rights(none), LimitRights::None);
        }
    }

    #[test]
    fn names_are_one_argument_and_one_name() {
        assert!(plain("lab-1.x_y").is_ok());
        for name in ["", "-i", "a,b", "a b", "a=b", "a\nb", "日"] {
            assert!(plain(name).is_err(), "{name}");
        }
    }
}
