//! Who we are at a site, and which partitions that keeps us out of. Slurm takes a job for a partition that its account may not use,
//! and lets it wait for good: such a partition must not be offered. Pure.

use std::collections::BTreeSet;

use crate::carrier::{PartitionFacts, Survey};
use crate::check::Finding;
use crate::config::{IdentityRule, SlurmConfig};

/// Slurm's quality of service for whom nothing else is set.
const USUAL_QOS: &str = "normal";

/// The site accounts and qualities of service that jobs of ours run under; an empty set: nobody says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    pub accounts: BTreeSet<String>,
    pub qos: BTreeSet<String>,
}

impl Access {
    /// What the rules of identity name, and the account's own defaults where they leave something open.
    pub fn of(survey: &Survey, config: &SlurmConfig) -> Access {
        let mut access = Access::default();
        let mut qos_is_open = false;
        for rule in reached(&config.identity.rules) {
            let accounts = match &rule.account {
                Some(account) if !account.contains('{') => vec![account.clone()],
                Some(_) => associations(survey),
                None => usual_accounts(survey),
            };
            match &rule.qos {
                Some(qos) if !qos.contains('{') => _ = access.qos.insert(qos.clone()),
                Some(_) => qos_is_open = true,
                None => access.qos.extend(accounts.iter().filter_map(|account| usual_qos(survey, account))),
            }
            access.accounts.extend(accounts);
        }
        if qos_is_open || !enforced(survey, "qos") {
            access.qos.clear();
        }
        access
    }

    /// Why nothing of ours runs in a partition that was not asked for by name; `None`: it may.
    pub fn refusal(&self, partition: &PartitionFacts, config: &SlurmConfig) -> Option<Finding> {
        let name = &partition.name;
        let left_out = |found: String, advice: &str| Some(Finding::warn("partitions", found, advice));
        let rule = |word: &str| partition.rules.iter().any(|rule| rule == word);
        if rule("RootOnly=YES") {
            return left_out(format!("`{name}` takes jobs of root only"), "left out");
        }
        if rule("ReqResv=YES") && config.reservation.is_none() {
            let advice = "left out; register the cluster with `reservation` if there is one for you";
            return left_out(format!("`{name}` takes jobs with a reservation only"), advice);
        }
        if rule("Hidden=YES") {
            let advice = "left out; name it in `partitions` if it is meant for you";
            return left_out(format!("`{name}` is hidden"), advice);
        }
        let open = !keeps_out(&partition.allow_accounts, &denied(partition, "DenyAccounts="), &self.accounts);
        if !open {
            let found = match partition.allow_accounts.is_empty() {
                false => format!("`{name}` takes accounts {} only", partition.allow_accounts.join(", ")),
                true => format!("`{name}` does not take {}", words(&self.accounts)),
            };
            return left_out(found, "left out; name it in `partitions` if one of these accounts is yours");
        }
        if keeps_out(&partition.allow_qos, &denied(partition, "DenyQos="), &self.qos) {
            let found = match partition.allow_qos.is_empty() {
                false => format!("`{name}` takes jobs of QOS {} only", partition.allow_qos.join(", ")),
                true => format!("`{name}` takes no jobs of QOS {}", words(&self.qos)),
            };
            let advice = "left out; give jobs another `qos` in [[slurm.identity.rules]], or name it in `partitions`";
            return left_out(found, advice);
        }
        None
    }
}

/// Rules up to the first that holds for everybody; where there is none, jobs may come to none as well.
fn reached(rules: &[IdentityRule]) -> Vec<IdentityRule> {
    let all = |rule: &IdentityRule| rule.tenant.is_none() && rule.project.is_none() && rule.user.is_none();
    match rules.iter().position(all) {
        Some(last) => rules[..=last].to_vec(),
        None => rules.iter().cloned().chain([IdentityRule::default()]).collect(),
    }
}

fn keeps_out(allowed: &[String], denied: &[&str], ours: &BTreeSet<String>) -> bool {
    let everybody = allowed.iter().all(|name| name.is_empty() || name.eq_ignore_ascii_case("all"));
    match everybody {
        _ if ours.is_empty() => false,
        true => ours.iter().all(|name| denied.contains(&name.as_str())),
        false => !allowed.iter().any(|name| ours.contains(name)),
    }
}

fn denied<'a>(partition: &'a PartitionFacts, word: &str) -> Vec<&'a str> {
    let list = partition.rules.iter().find_map(|rule| rule.strip_prefix(word));
    list.map(|list| list.split(',').collect()).unwrap_or_default()
}

fn words(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Accounts that we belong to.
fn associations(survey: &Survey) -> Vec<String> {
    let of = survey.limits.iter().filter_map(|limits| limits.of.strip_prefix("association "));
    of.map(|of| of.split('/').next().unwrap_or(of).to_owned()).collect()
}

/// The account of a job that names none.
fn usual_accounts(survey: &Survey) -> Vec<String> {
    let own = survey.limits.iter().find(|limits| limits.of.strip_prefix("user ") == Some(survey.user.as_str()));
    let usual = own.and_then(|own| value(&own.limits, "DefaultAccount"));
    usual.map_or_else(|| associations(survey), |usual| vec![usual.to_owned()])
}

/// The quality of service of a job of this account that names none.
fn usual_qos(survey: &Survey, account: &str) -> Option<String> {
    let own = format!("association {account}/{}", survey.user);
    let found = survey.limits.iter().find(|limits| limits.of == own)?;
    Some(value(&found.limits, "Def QOS").unwrap_or(USUAL_QOS).to_owned())
}

fn value<'a>(pairs: &'a [(String, String)], key: &str) -> Option<&'a str> {
    pairs.iter().find(|(found, _)| found == key).map(|(_, value)| value.as_str())
}

fn enforced(survey: &Survey, what: &str) -> bool {
    let enforced = survey.config.iter().find(|(key, _)| key == "AccountingStorageEnforce");
    enforced.is_some_and(|(_, words)| words.split(',').any(|word| word.trim() == what || word.trim() == "all"))
}
