//! Keeps site accounts of tenants who cannot pay from taking in work, and lets them again, by the one limit that their association
//! has for it. By level: told whom to stop, it changes what differs, and a repeat changes nothing. What a limit was before stands
//! beside the fences, so that a restart knows it. Refuses to know: what anybody owes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ports::{FileError, Files};

use crate::carrier::{Carrier, CarrierError, SubmitLimit};
use crate::config::{Identity, IdentityRule};
use crate::evidence;
use crate::key::Realm;
use crate::render::identity;

/// A note is a number, or nothing for no limit.
const NOTE_BYTES_MAX: usize = 32;

#[derive(Debug, thiserror::Error)]
pub enum DebtorsError {
    #[error("limits of accounts: {0}")]
    Carrier(#[from] CarrierError),
    #[error("notes of limits: {0}")]
    Files(#[from] FileError),
}

/// What was changed, and what could not be.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Changed {
    pub stopped: Vec<String>,
    pub lifted: Vec<String>,
    /// Accounts that the cluster does not know.
    pub unknown: Vec<String>,
}

impl Changed {
    /// For people; empty when nothing was changed.
    pub fn words(&self) -> String {
        let named = |what: &str, names: &[String]| (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")));
        let parts = [named("stopped", &self.stopped), named("let again", &self.lifted)];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

/// A tenant with everybody that the platform knows of him.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Tenant {
    pub name: Arc<str>,
    pub projects: Vec<Arc<str>>,
    pub users: Vec<Arc<str>>,
    /// Nothing of his is taken in.
    pub owes: bool,
}

/// Accounts to be stopped: those that the rules give to people of tenants who owe, and to nobody else whom the platform knows. An account
/// that neither names a tenant or user in its own name nor stands in a rule for one tenant may have others at the site, and stays.
pub fn to_stop(identity: &Identity, tenants: &[Tenant]) -> BTreeSet<String> {
    let uses = |named: fn(&IdentityRule) -> bool, place: &str| {
        identity
            .rules
            .iter()
            .any(|rule| named(rule) || rule.account.as_deref().is_some_and(|text| text.contains(place)))
    };
    let by_project = uses(|rule| rule.project.is_some(), "{project}");
    let by_user = uses(|rule| rule.user.is_some(), "{user}");
    // Somebody without a name stands for all of whom no rule asks, and for those at the site whom the platform does not know.
    let names = |all: &[Arc<str>], asked: bool| -> Vec<Arc<str>> {
        let named = if asked { all } else { &[] };
        std::iter::once("".into()).chain(named.iter().cloned()).collect()
    };
    let (mut stopped, mut kept) = (BTreeSet::new(), BTreeSet::new());
    for tenant in tenants {
        let users = names(&tenant.users, by_user);
        for project in names(&tenant.projects, by_project) {
            for user in &users {
                let Some(rule) = identity::rule(identity, &tenant.name, &project, user) else { continue };
                let Some(text) = rule.account.as_deref() else { continue };
                let lacks = |name: &str, place| name.is_empty() && text.contains(place);
                if lacks(&project, "{project}") || lacks(user, "{user}") {
                    continue;
                }
                let Some(account) = identity::fill(text, &tenant.name, &project, user) else { continue };
                let own = rule.tenant.as_deref() == Some(&*tenant.name)
                    || text.contains("{tenant}")
                    || text.contains("{user}");
                if tenant.owes && own { &mut stopped } else { &mut kept }.insert(name_of(&account));
            }
        }
    }
    &stopped - &kept
}

/// Accounts are of lower case in Slurm.
pub fn name_of(account: &str) -> String {
    account.to_ascii_lowercase()
}

/// Stops `wanted` on the cluster that Slurm calls `cluster`, and lifts the stop of all others that this platform stopped.
///
/// # Errors
/// What could not be asked or done; a repeat goes on from there.
pub async fn reconcile(
    carrier: &dyn Carrier,
    files: &dyn Files,
    realm: Realm,
    cluster: &str,
    wanted: &BTreeSet<String>,
) -> Result<Changed, DebtorsError> {
    let folder = evidence::stops(realm);
    let wanted: BTreeSet<String> = wanted.iter().map(|account| name_of(account)).collect();
    let noted: BTreeSet<String> = match files.list(&folder).await {
        Ok(entries) => entries.into_iter().map(|entry| entry.name).collect(),
        Err(FileError::NotFound(_)) => BTreeSet::new(),
        Err(error) => return Err(error.into()),
    };
    let mut changed = Changed::default();
    let concerned: Vec<String> = wanted.union(&noted).cloned().collect();
    if concerned.is_empty() {
        return Ok(changed);
    }
    let now = carrier.submit_limits(cluster, &concerned).await?;
    let now: BTreeMap<String, Option<u32>> = now.into_iter().map(|limit| (limit.account, limit.most)).collect();
    for account in concerned {
        let note = format!("{folder}/{account}");
        let is = now.get(&account).copied();
        match (wanted.contains(&account), is) {
            (true, None) => changed.unknown.push(account),
            (true, Some(Some(0))) => {}
            (true, Some(before)) => {
                // What it was before is known before it is changed.
                if !noted.contains(&account) {
                    let text = before.map_or(String::new(), |most| most.to_string());
                    files.write(&note, 0, text.into_bytes(), 0o600).await?;
                }
                carrier.set_submit_limit(cluster, &SubmitLimit { account: account.clone(), most: Some(0) }).await?;
                changed.stopped.push(account);
            }
            (false, is) => {
                // Another number is the site's own of meanwhile, and stays.
                if is == Some(Some(0)) {
                    let text = files.read(&note, 0, NOTE_BYTES_MAX).await?;
                    let most = String::from_utf8_lossy(&text).trim().parse().ok();
                    carrier.set_submit_limit(cluster, &SubmitLimit { account: account.clone(), most }).await?;
                    changed.lifted.push(account);
                }
                files.remove(&note).await?;
            }
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str, projects: &[&str], users: &[&str], owes: bool) -> Tenant {
        let all = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
        Tenant { name: name.into(), projects: all(projects), users: all(users), owes }
    }

    fn rule(tenant: Option<&str>, user: Option<&str>, account: &str) -> IdentityRule {
        let own = |text: Option<&str>| text.map(str::to_owned);
        IdentityRule { tenant: own(tenant), user: own(user), account: own(Some(account)), ..IdentityRule::default() }
    }

    fn stops(rules: Vec<IdentityRule>, tenants: &[Tenant]) -> Vec<String> {
        to_stop(&Identity { rules, ..Identity::default() }, tenants).into_iter().collect()
    }

    #[test]
    fn accounts_of_those_who_owe_and_of_nobody_else() {
        let rules = || {
            vec![
                rule(Some("lab"), Some("chief"), "Sea"),
                rule(Some("l*"), None, "p-{tenant}-{project}"),
                rule(Some("dock"), None, "shared"),
                rule(Some("pier"), None, "shared"),
                rule(None, Some("guest*"), "u-{user}"),
                rule(None, None, "all"),
            ]
        };
        let lab = |owes| tenant("lab", &["x", "y"], &["chief", "li"], owes);
        let dock = |owes| tenant("dock", &["x"], &["wu"], owes);
        let pier = |owes| tenant("pier", &["x"], &["guest1"], owes);
        assert_eq!(stops(rules(), &[lab(true), dock(false), pier(false)]), ["p-lab-x", "p-lab-y", "sea"]);
        // What another who pays is given stays; when both owe it is stopped.
        assert_eq!(stops(rules(), &[lab(false), dock(true), pier(false)]), [] as [&str; 0]);
        assert_eq!(stops(rules(), &[lab(false), dock(true), pier(true)]), ["shared"]);
        // An account of everybody's, and one whose user is not known, are never stopped.
        assert_eq!(stops(rules(), &[tenant("new", &[], &[], true)]), [] as [&str; 0]);
        assert_eq!(stops(rules(), &[tenant("lone", &[], &[], true)]), [] as [&str; 0]);
    }

    #[test]
    fn an_account_of_one_user_is_stopped_with_his_tenant() {
        let rules = vec![rule(None, None, "u-{user}")];
        let tenants = [tenant("lab", &["x"], &["Li", "wu"], true), tenant("dock", &["x"], &["he"], false)];
        assert_eq!(stops(rules, &tenants), ["u-li", "u-wu"]);
    }
}
