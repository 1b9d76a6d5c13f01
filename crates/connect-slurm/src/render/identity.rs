//! Who the platform's people are at the site: the first rule that matches.

use crate::config::{Identity, IdentityRule};

/// Account and QOS to ask for; `None` leaves the site's default.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SiteIdentity {
    pub account: Option<String>,
    pub qos: Option<String>,
}

/// `None`: nobody whom the site knows, where only those have work there.
pub fn of(identity: &Identity, tenant: &str, project: &str, user: &str) -> Option<SiteIdentity> {
    let fill = |text: &Option<String>| fill(text.as_deref()?, tenant, project, user);
    match rule(identity, tenant, project, user) {
        Some(rule) => Some(SiteIdentity { account: fill(&rule.account), qos: fill(&rule.qos) }),
        None => (!identity.named_only).then(SiteIdentity::default),
    }
}

/// The rule that counts for these three.
pub fn rule<'a>(identity: &'a Identity, tenant: &str, project: &str, user: &str) -> Option<&'a IdentityRule> {
    let matches = |pattern: &Option<String>, name: &str| pattern.as_deref().is_none_or(|p| like(p, name));
    let fits = |rule: &&IdentityRule| {
        matches(&rule.tenant, tenant) && matches(&rule.project, project) && matches(&rule.user, user)
    };
    identity.rules.iter().find(fits)
}

/// A name with its places filled in; `None`: nothing is left of it.
pub fn fill(text: &str, tenant: &str, project: &str, user: &str) -> Option<String> {
    let filled = text.replace("{tenant}", tenant).replace("{project}", project).replace("{user}", user);
    (!filled.is_empty()).then_some(filled)
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
}
