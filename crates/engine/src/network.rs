//! Sites and the links between them as the policy's document has them, and what ties a job to sites: where its data comes from, and
//! where those are who wait for its answers. Refuses to know what a placement makes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Bytes, ClusterId, Span, TenantId};
use model::{JobSpec, ProductLine};
use sched::{Links, Path, Ties};
use serde::{Deserialize, Serialize};

use crate::state::{Engine, JobEntry};

/// Section `links` of the document. Sites are named as clusters name theirs; a name that no cluster has is a site all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Where the platform's file space stands, from which inputs go to clusters. Empty: nobody said, and their way counts as nothing.
    pub files: Arc<str>,
    /// Where users are, of tenants that say nothing else.
    pub users: Arc<str>,
    /// Between sites that no link joins. Without it what nobody said counts as nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<Path>,
    /// Of tenants by name.
    pub tenants: BTreeMap<String, Home>,
    /// `between.A.B` joins A and B, in both directions.
    pub between: BTreeMap<String, BTreeMap<String, Path>>,
}

/// Where a tenant is at home; what is empty is as for all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Home {
    #[serde(skip_serializing_if = "str::is_empty")]
    pub files: Arc<str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub users: Arc<str>,
}

impl Network {
    /// Why it makes no sense, or `None`.
    pub fn fault(&self) -> Option<&'static str> {
        if self.pairs().any(|(a, b, _)| a.is_empty() || b.is_empty() || a == b) {
            return Some("a link joins two sites");
        }
        let twice = |a: &str, b: &str| self.between.get(b).is_some_and(|others| others.contains_key(a));
        if self.pairs().any(|(a, b, _)| twice(a, b)) {
            return Some("there are two links between the same sites");
        }
        let paths = self.pairs().map(|(_, _, path)| path).chain(self.otherwise);
        let negative = |path: Path| path.latency < Span::ZERO || path.gib_price.is_negative();
        paths.into_iter().any(negative).then_some("a latency or price is not negative")
    }

    /// As placement reads it.
    pub fn links(&self) -> Links {
        Links::new(self.pairs().map(|(a, b, path)| (a.into(), b.into(), path)), self.otherwise)
    }

    /// Whether a site of that name is in it.
    pub(crate) fn names(&self, site: &str) -> bool {
        let homes = self.tenants.values().flat_map(|home| [&home.files, &home.users]);
        [&self.files, &self.users].into_iter().chain(homes).any(|named| &**named == site)
            || self.pairs().any(|(a, b, _)| a == site || b == site)
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str, Path)> {
        self.between.iter().flat_map(|(a, others)| others.iter().map(move |(b, path)| (a.as_str(), b.as_str(), *path)))
    }

    /// What ties a job of a tenant to sites. Only models that answer requests (`maas`) have users who wait for them; batch work of
    /// any line is read when it is done.
    pub(crate) fn ties(&self, tenant: &str, spec: &JobSpec) -> Ties {
        let home = self.tenants.get(tenant);
        let site = |own: Option<&Arc<str>>, all: &Arc<str>| own.filter(|site| !site.is_empty()).unwrap_or(all).clone();
        let answers = spec.line == ProductLine::Maas;
        let data = spec.inputs.iter().fold(0, |sum: u64, input| sum.saturating_add(input.size));
        Ties {
            data_site: if data > 0 { site(home.map(|h| &h.files), &self.files) } else { Arc::default() },
            data: Bytes(data),
            users_site: if answers { site(home.map(|h| &h.users), &self.users) } else { Arc::default() },
        }
    }
}

impl Engine {
    /// How long a job's data is on its way to a cluster; zero where that is not known.
    pub(crate) fn data_time(&self, entry: &JobEntry, cluster: ClusterId) -> Span {
        let ties = self.ties(entry.job.tenant, &entry.spec.spec);
        let Some(cluster) = self.clusters.get(&cluster).filter(|_| ties.data.0 > 0) else { return Span::ZERO };
        let path = self.policy.steering.links.links().between(&ties.data_site, &cluster.site);
        path.map_or(Span::ZERO, |path| path.time(ties.data))
    }

    /// What ties a job of a tenant to sites.
    pub(crate) fn ties(&self, tenant: TenantId, spec: &JobSpec) -> Ties {
        let known = self.tenants.get(&tenant).map(|entry| &*entry.tenant.name);
        self.policy.steering.links.ties(known.unwrap_or_default(), spec)
    }
}

#[cfg(test)]
mod tests {
    use base::{Resources, ScriptId};
    use model::{ContentDigest, Input, Request};

    use super::*;

    const NETWORK: &str = "files = \"sh\"\nusers = \"gz\"\n[otherwise]\nlatency = \"80ms\"\n[tenants.physics]\nfiles = \"bj\"\n\
                           [between.sh]\nbj = { latency = \"30ms\", bandwidth_mbit_s = 1000, gib_price = \"0.02\" }\n";

    fn spec(line: ProductLine, sizes: &[u64]) -> JobSpec {
        let request = Request::of(1, Resources::new(1, Bytes(0), 0));
        let input = |size: &u64| Input { path: "a".into(), digest: ContentDigest([0; 32]), size: *size, mode: 0o644 };
        let inputs = sizes.iter().map(input).collect();
        JobSpec { line, inputs, ..JobSpec::minimal("job", ScriptId::from_u128(1), request, Span::from_hours(1)) }
    }

    #[test]
    fn a_document_comes_back_and_says_what_ties_jobs_to_sites() {
        let network: Network = toml::from_str(NETWORK).unwrap();
        assert_eq!(network.fault(), None);
        let again: Network = toml::from_str(&toml::to_string(&network).unwrap()).unwrap();
        assert_eq!(again, network);
        let ties = |tenant, line, sizes: &[u64]| {
            let Ties { data_site, data, users_site } = network.ties(tenant, &spec(line, sizes));
            (data_site.to_string(), data.0, users_site.to_string())
        };
        assert_eq!(ties("physics", ProductLine::General, &[3, 4]), ("bj".into(), 7, String::new()));
        assert_eq!(ties("lab", ProductLine::Ai, &[3]), ("sh".into(), 3, String::new()));
        assert_eq!(ties("physics", ProductLine::Maas, &[]), (String::new(), 0, "gz".into()));
        let links = network.links();
        assert_eq!(links.between(&"bj".into(), &"sh".into()).unwrap().gib_price, "0.02".parse().unwrap());
        assert_eq!(links.between(&"bj".into(), &"gz".into()).unwrap().latency, Span::from_millis(80));
    }

    #[test]
    fn links_that_make_no_sense_are_refused() {
        for (text, says) in [
            ("[between.sh]\nsh = {}", "joins two sites"),
            ("[between.sh]\nbj = {}\n[between.bj]\nsh = {}", "two links"),
            ("[between.sh]\nbj = { gib_price = \"-1\" }", "not negative"),
        ] {
            let network: Network = toml::from_str(text).unwrap();
            assert!(network.fault().unwrap().contains(says), "{text}");
        }
        for text in
            ["[between.sh]\nbj = { bandwidth_mbit_s = 0 }", "[between.sh]\nbj = { price = \"1\" }", "file = \"sh\""]
        {
            assert!(toml::from_str::<Network>(text).is_err(), "{text}");
        }
    }
}
