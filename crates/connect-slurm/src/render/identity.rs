//! Who the platform's people are at the site: the first rule that matches.

use std::collections::BTreeSet;

use crate::config::Identity;

/// Account and QOS to ask for; `None` leaves the site's default.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SiteIdentity {
    pub account: Option<String>,
    pub qos: Option<String>,
}

/// `None`: nobody whom the site knows, where only those have work there.
pub fn of(identity: &Identity, tenant: &str, project: &str, user: &str) -> Option<SiteIdentity> {
    let matches = |pattern: &Option<String>, name: &str| pattern.as_deref().is_none_or(|p| like(p, name));
    let fill = |text: &Option<String>| {
        let filled = text.as_deref()?.replace("{tenant}", tenant).replace("{project}", project).replace("{user}", user);
        (!filled.is_empty()).then_some(filled)
    };
    let rule = identity
        .rules
        .iter()
        .find(|rule| matches(&rule.tenant, tenant) && matches(&rule.project, project) && matches(&rule.user, user));
    match rule {
        Some(rule) => Some(SiteIdentity { account: fill(&rule.account), qos: fill(&rule.qos) }),
        None => (!identity.named_only).then(SiteIdentity::default),
    }
}

/// Site accounts that are this tenant's alone, whatever his project and user: those that a rule names after him, or for him only.
/// `projects`: names of all his projects.
pub fn accounts_of(identity: &Identity, tenant: &str, projects: &[&str]) -> BTreeSet<String> {
    let mut own = BTreeSet::new();
    for rule in &identity.rules {
        let Some(account) = rule.account.as_deref() else { continue };
        let for_him = rule.tenant.as_deref().is_none_or(|pattern| like(pattern, tenant));
        // An account of one user's is not known beforehand, and one of several tenants' must not be stopped for one of them.
        if !for_him
            || account.contains("{user}")
            || !(account.contains("{tenant}") || rule.tenant.as_deref() == Some(tenant))
        {
            continue;
        }
        let filled = account.replace("{tenant}", tenant);
        match filled.contains("{project}") {
            true => own.extend(projects.iter().map(|project| filled.replace("{project}", project))),
            false => drop(own.insert(filled)),
        }
    }
    // Another rule may give the same account to others.
    let others = identity.rules.iter().filter(|rule| rule.tenant.as_deref() != Some(tenant));
    for account in others.filter_map(|rule| rule.account.as_deref()).filter(|account| !account.contains("{tenant}")) {
        let pattern = account.replace("{project}", "*").replace("{user}", "*");
        own.retain(|mine| !like(&pattern, mine));
    }
    own
}

/// `*` stands for any number of characters, everything else for itself.
fn like(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.len() >= last.len() && left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::IdentityRule;

    #[test]
    fn patterns() {
        for (pattern, name, fits) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(like(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn the_first_rule_that_matches_counts() {
        let rule = |tenant: Option<&str>, account: Option<&str>, qos: Option<&str>| IdentityRule {
            tenant: tenant.map(Into::into),
            account: account.map(Into::into),
            qos: qos.map(Into::into),
            ..IdentityRule::default()
        };
        let rules =
            vec![rule(Some("hydro*"), Some("{tenant}_{project}"), None), rule(Some("lab"), None, Some("normal"))];
        let mut identity = Identity { rules, ..Identity::default() };
        let found = of(&identity, "hydro-1", "flood", "li");
        assert_eq!(found, Some(SiteIdentity { account: Some("hydro-1_flood".into()), qos: None }));
        assert_eq!(of(&identity, "lab", "p", "u"), Some(SiteIdentity { account: None, qos: Some("normal".into()) }));
        assert_eq!(of(&identity, "other", "p", "u"), Some(SiteIdentity::default()));
        identity.named_only = true;
        assert_eq!(of(&identity, "other", "p", "u"), None);
    }

    #[test]
    fn only_accounts_of_one_tenant_are_his() {
        let rule = |tenant: Option<&str>, account: &str| IdentityRule {
            tenant: tenant.map(Into::into),
            account: Some(account.into()),
            ..IdentityRule::default()
        };
        let rules = vec![
            rule(Some("lab"), "sea"),
            rule(Some("lab"), "shared"),
            rule(Some("dock"), "shared"),
            rule(Some("l*"), "p-{tenant}-{project}"),
            rule(None, "u-{user}"),
            rule(None, "all"),
        ];
        let identity = Identity { rules, ..Identity::default() };
        let of = |tenant| accounts_of(&identity, tenant, &["x", "y"]).into_iter().collect::<Vec<_>>();
        assert_eq!(of("lab"), ["p-lab-x", "p-lab-y", "sea"]);
        assert_eq!(of("dock"), [] as [&str; 0]);
        assert_eq!(of("lost"), ["p-lost-x", "p-lost-y"]);
    }
}
