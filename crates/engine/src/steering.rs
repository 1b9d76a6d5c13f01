//! What the operator steers while work runs: placement, patience, reserve and replacement, as one document in versions.
//! Refuses to know who may change it, and where it is kept.
//!
//! The document is TOML (`policy.toml`). A value that is left out has its default; one that nobody knows is refused, so that a
//! misspelt key is not a policy that silently does nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use base::{Span, Timestamp};
use model::{Actor, ContractTier, JobSpec, PriorityClass, ProductLine};
use sched::{Draws, Stake};
use serde::{Deserialize, Serialize};

use crate::apps::AppRule;
use crate::denied::Denied;
use crate::input::Report;
use crate::network::Network;
use crate::preempt::Preemption;
use crate::record::{Batch, Record};
use crate::reserve::Reserve;
use crate::state::{Engine, TenantEntry};

/// The policy that may change at any time; work under way stays where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Steering {
    /// Thousandths of an own pool's nodes, rounded up, that only urgent work and work moved from elsewhere may run on.
    pub reserve_permille: u32,
    pub reserve: Reserve,
    pub tiers: Tiers,
    /// Tenants' parts of the own pools, by name; without any nothing is limited.
    pub lending: BTreeMap<String, Stake>,
    pub waiting: Waiting,
    pub replacement: ByClass,
    pub preemption: Preemption,
    pub training: Training,
    /// Versions of applications by name, `name/version`; one that is not here is not restricted.
    pub apps: BTreeMap<String, AppRule>,
    pub placement: sched::Policy,
    /// What tenants are promised by their contracts, by name. A name that no tenant has waits for one.
    pub contracts: BTreeMap<String, sched::Promise>,
    pub links: Network,
    pub money: crate::budget::MoneyRules,
}

/// On whose pools the work of tenants runs, by what they have agreed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tiers {
    pub long_term: Draws,
    pub short_term: Draws,
    pub on_demand: Draws,
}

impl Tiers {
    pub const fn of(&self, tier: ContractTier) -> Draws {
        match tier {
            ContractTier::LongTerm => self.long_term,
            ContractTier::ShortTerm => self.short_term,
            ContractTier::OnDemand => self.on_demand,
        }
    }
}

/// What work that trains on cards of several nodes needs of the pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Training {
    /// Product lines whose work on cards of several nodes is training.
    pub lines: Vec<ProductLine>,
    /// It does not go to pools whose interconnect is said to be slower, Gb/s; 0: it goes anywhere.
    pub interconnect_gbps_min: u32,
}

impl Default for Training {
    fn default() -> Training {
        Training { lines: vec![ProductLine::Ai], interconnect_gbps_min: 0 }
    }
}

impl Training {
    /// The slowest interconnect for such work, Gb/s.
    pub(crate) fn gbps_min(&self, spec: &JobSpec) -> u32 {
        let trains = spec.request.nodes > 1 && spec.request.per_node.gpus > 0 && self.lines.contains(&spec.line);
        if trains { self.interconnect_gbps_min } else { 0 }
    }
}

/// How long work may wait on a cluster that it was handed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Waiting {
    /// Work may wait on its cluster for so long, or `factor` times as long as work waited there of late if that is longer,
    /// before it is moved.
    #[serde(with = "base::span_text")]
    pub patience: Span,
    pub factor: u32,
    /// A pool that a job was moved away from is left out for so long, as long as another can serve it.
    #[serde(with = "base::span_text")]
    pub avoid_for: Span,
}

impl Default for Waiting {
    fn default() -> Waiting {
        Waiting { patience: Span::from_mins(10), factor: 4, avoid_for: Span::from_mins(30) }
    }
}

/// What is done when a cluster, its nodes or its queue do not serve, by class of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ByClass {
    pub low: Replacement,
    pub normal: Replacement,
    pub high: Replacement,
    pub urgent: Replacement,
}

/// What is done about work of one class that is not served. `None`, in the document `"never"`, means: it waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// Work that has not started is moved when its cluster has not answered for so long, or when it has waited for so long and
    /// its nodes take no work.
    #[serde(with = "or_never", default)]
    pub move_after: Option<Span>,
    /// Running work gets a twin elsewhere when its cluster has not answered for so long; the first to complete counts.
    #[serde(with = "or_never", default)]
    pub twin_after: Option<Span>,
    /// Running work is given up and started again elsewhere when its cluster has not answered for so long.
    #[serde(with = "or_never", default)]
    pub restart_after: Option<Span>,
}

impl Default for ByClass {
    /// Waiting work moves, the more urgent the sooner. Running work is left alone, since most silences are those of a link; only
    /// urgent work is worth being paid twice by the operator.
    fn default() -> ByClass {
        let moves = |mins| Replacement { move_after: Some(Span::from_mins(mins)), ..Replacement::default() };
        let urgent = Replacement { twin_after: Some(Span::from_mins(15)), ..moves(1) };
        ByClass { low: moves(10), normal: moves(5), high: moves(2), urgent }
    }
}

impl ByClass {
    pub const fn of(&self, class: PriorityClass) -> &Replacement {
        match class {
            PriorityClass::Low => &self.low,
            PriorityClass::Normal => &self.normal,
            PriorityClass::High => &self.high,
            PriorityClass::Urgent => &self.urgent,
        }
    }
}

/// A length of time, or `never`.
mod or_never {
    use base::Span;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(span: &Option<Span>, to: S) -> Result<S::Ok, S::Error> {
        match span {
            Some(span) => to.collect_str(span),
            None => to.serialize_str("never"),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Span>, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        if text == "never" {
            return Ok(None);
        }
        let span = text.parse().map_err(|fault| D::Error::custom(format!("{fault}, or `never`")))?;
        Ok(Some(span))
    }
}

/// Why a document is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SteeringError {
    #[error("{0}")]
    Toml(String),
    #[error("{key}: {problem}")]
    Value { key: &'static str, problem: &'static str },
}

impl Steering {
    /// Reads a document.
    ///
    /// # Errors
    /// It is not TOML, has a key that does not exist, or a value out of its range, with the place.
    pub fn parse(text: &str) -> Result<Steering, SteeringError> {
        let read: Steering = toml::from_str(text).map_err(|fault| SteeringError::Toml(fault.to_string()))?;
        read.check()?;
        Ok(read)
    }

    /// # Errors
    /// The first value out of its range.
    pub fn check(&self) -> Result<(), SteeringError> {
        let fault = |key, problem| Err(SteeringError::Value { key, problem });
        if self.reserve_permille > 1_000 {
            return fault("reserve_permille", "at most 1000, which is all of a pool");
        }
        if let Some(problem) = self.reserve.fault() {
            return fault("reserve", problem);
        }
        if let Some(problem) = self.stakes_fault() {
            return fault("lending", problem);
        }
        if let Some(problem) = self.preemption.fault() {
            return fault("preemption", problem);
        }
        if let Some(problem) = self.apps.values().find_map(AppRule::fault) {
            return fault("apps", problem);
        }
        if let Some(problem) = self.links.fault() {
            return fault("links", problem);
        }
        let placement = &self.placement;
        let longer_than_zero = [
            ("waiting.patience", self.waiting.patience),
            ("waiting.avoid_for", self.waiting.avoid_for),
            ("placement.age_bound", placement.age_bound),
            ("placement.foreign_hold", placement.foreign_hold),
        ];
        for (key, span) in longer_than_zero {
            if span <= Span::ZERO {
                return fault(key, "must be longer than zero");
            }
        }
        if placement.fair_share_half_life < Span::from_mins(1) {
            return fault("placement.fair_share_half_life", "at least a minute");
        }
        if placement.explain_candidates_max == 0 || placement.placement_candidates_max == 0 {
            return fault("placement", "explanations have at least one row");
        }
        let weights = placement.weights;
        if weights.start < 0 || weights.price < 0 || weights.cost < 0 || weights.own_cost < 0 || weights.latency < 0 {
            return fault("placement.weights", "a weight is not negative");
        }
        if self.contracts.values().any(|promise| promise.wait <= Span::ZERO) {
            return fault("contracts", "a promised wait must be longer than zero");
        }
        let all = [self.replacement.low, self.replacement.normal, self.replacement.high, self.replacement.urgent];
        let spans = all.iter().flat_map(|r| [r.move_after, r.twin_after, r.restart_after]).flatten();
        if spans.into_iter().any(|span| span <= Span::ZERO) {
            return fault("replacement", "a time must be longer than zero; write \"never\" for what is not to be done");
        }
        Ok(())
    }

    fn stakes_fault(&self) -> Option<&'static str> {
        let all = || self.lending.values();
        let over = |part: Option<u32>| part.is_some_and(|part| part > 1_000);
        if all().any(|s| over(s.borrow_permille) || over(s.lend_permille)) {
            return Some("at most 1000, which is all there is of own pools");
        }
        let sum: u64 = all().map(|s| u64::from(s.nominal_permille)).sum();
        (sum > 1_000)
            .then_some("the nominal parts of all tenants are more than 1000, which is all there is of own pools")
    }

    /// The whole document with every value, as it may be edited and given back.
    pub fn document(&self) -> String {
        // Every value of it has a form in TOML.
        toml::to_string(self).unwrap_or_default()
    }

    /// Every value by its dotted name.
    fn values(&self) -> BTreeMap<String, String> {
        fn enter(at: &str, value: &toml::Value, into: &mut BTreeMap<String, String>) {
            match value {
                toml::Value::Table(table) => {
                    for (key, value) in table {
                        let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                        enter(&at, value, into);
                    }
                }
                toml::Value::String(text) => drop(into.insert(at.to_owned(), text.clone())),
                other => drop(into.insert(at.to_owned(), other.to_string())),
            }
        }
        let mut values = BTreeMap::new();
        if let Ok(table) = toml::Value::try_from(self) {
            enter("", &table, &mut values);
        }
        values
    }

    /// What is another value in `new`: `name: old → new`, in the order of names.
    pub fn differences(&self, new: &Steering) -> Vec<String> {
        let (old, new) = (self.values(), new.values());
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let shown = |value: Option<&String>| value.map_or_else(|| "-".to_owned(), String::clone);
        let pairs = names.into_iter().map(|name| (name, old.get(name), new.get(name)));
        pairs
            .filter(|(_, old, new)| old != new)
            .map(|(name, old, new)| format!("{name}: {} → {}", shown(old), shown(new)))
            .collect()
    }
}

/// One version of the policy, as it was set. Number 1 is the first that was set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyVersion {
    pub number: u64,
    pub at: Timestamp,
    pub actor: Actor,
    /// Why, in the words of whoever set it.
    pub note: String,
    /// What became another value, as [`Steering::differences`] tells it.
    pub changes: Vec<String>,
    pub steering: Steering,
}

impl Engine {
    /// The policy in force, and which version it is: 0 is what the platform was started with.
    pub fn steering(&self) -> (u64, &Steering) {
        (self.policy_version, &self.policy.steering)
    }

    /// Puts another policy into force. Work under way stays where it is; what waits is placed by the new one.
    pub(crate) fn steer(
        &mut self,
        steering: Steering,
        note: String,
        expected: Option<u64>,
        actor: Actor,
        out: &mut Batch,
    ) -> Result<Report, Denied> {
        steering.check().map_err(|_| Denied::Invalid("a value of the policy is out of its range"))?;
        if expected.is_some_and(|number| number != self.policy_version) {
            return Err(Denied::PolicyMoved { now: self.policy_version });
        }
        let changes = self.policy.steering.differences(&steering);
        if changes.is_empty() {
            return Ok(Report::Policy { number: self.policy_version, changes });
        }
        let mut detail = changes.join("; ");
        if !note.is_empty() {
            let _ = write!(detail, " ({note})");
        }
        let number = self.policy_version + 1;
        self.audit(out, actor, "policy.set", number.to_string(), None, detail);
        let version =
            PolicyVersion { number, at: self.now, actor, note, changes: changes.clone(), steering: steering.clone() };
        out.records.push(Record::Policy(Box::new(version)));
        self.enter_steering(number, steering);
        self.recount_all(out);
        Ok(Report::Policy { number, changes })
    }

    /// Tells the scheduler the parts of the tenants that there are.
    pub(crate) fn set_stakes(&mut self) {
        let named = |entry: &TenantEntry| self.policy.steering.lending.get(&*entry.tenant.name).copied();
        let stakes = self.tenants.iter().filter_map(|(id, entry)| Some((*id, named(entry)?))).collect();
        self.sched.set_stakes(stakes);
    }

    /// Takes a version as the one in force.
    pub(crate) fn enter_steering(&mut self, number: u64, steering: Steering) {
        self.policy_version = number;
        self.sched.set_policy(steering.placement);
        let old = &self.policy.steering;
        let rules = |of: &Steering| {
            let links = (of.links.files.clone(), of.links.users.clone(), of.links.tenants.clone());
            (of.reserve.clone(), of.tiers, of.training.clone(), of.apps.clone(), links)
        };
        let rules_changed = rules(old) != rules(&steering);
        let (was, is) = (&old.placement, &steering.placement);
        let forecasts_count = was.goes_by_forecasts() != is.goes_by_forecasts();
        self.sched.set_links(steering.links.links());
        self.policy.steering = steering;
        self.keep_promises();
        self.supply_changed();
        self.set_stakes();
        if rules_changed || forecasts_count {
            self.requeue_all();
        }
    }

    /// Tells the scheduler what the tenants are promised.
    pub(crate) fn keep_promises(&mut self) {
        for entry in self.tenants.values() {
            let promise = self.policy.steering.contracts.get(&*entry.tenant.name);
            self.sched.set_promise(entry.tenant.id, promise.copied());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_comes_back_as_it_was_and_leaves_defaults_out() {
        let usual = Steering::default();
        assert_eq!(Steering::parse(&usual.document()), Ok(usual.clone()));
        assert_eq!(Steering::parse(""), Ok(usual.clone()));
        let text = "reserve_permille = 50\n[replacement.normal]\nmove_after = \"90s\"\nrestart_after = \"2h\"\n[placement]\nage_bound = \"1d\"\n";
        let read = Steering::parse(text).unwrap();
        assert_eq!(read.replacement.normal.restart_after, Some(Span::from_hours(2)));
        assert_eq!(read.replacement.low, usual.replacement.low);
        assert_eq!(
            usual.differences(&read),
            [
                "placement.age_bound: 3d → 1d",
                "replacement.normal.move_after: 5m → 90s",
                "replacement.normal.restart_after: never → 2h",
                "reserve_permille: 0 → 50",
            ]
        );
        assert!(read.differences(&read).is_empty());
    }

    #[test]
    fn levels_of_pools_and_lines_come_back_and_their_removal_is_a_change() {
        let text = "[reserve]\nelastic = [\"maas\"]\n[reserve.lines.ai]\npermille = 100\n[reserve.pools.big.lines.ai]\n\
                    permille = 200\nforecast = { quantile_permille = 900 }\n";
        let read = Steering::parse(text).unwrap();
        assert_eq!(Steering::parse(&read.document()), Ok(read.clone()));
        let usual = Steering::default();
        let back = read.differences(&usual);
        assert_eq!(back.len(), usual.differences(&read).len());
        assert!(back.contains(&"reserve.lines.ai.permille: 100 → -".to_owned()), "{back:?}");
        assert!(back.contains(&"reserve.elastic: [\"maas\"] → []".to_owned()), "{back:?}");
    }

    #[test]
    fn applications_come_back_by_name_and_version() {
        let text = "[apps.\"lammps/2Aug2023\"]\nchips = [\"a100\"]\narch = [\"x86_64\"]\nspeed = { h100 = 1800 }\n";
        let read = Steering::parse(text).unwrap();
        assert_eq!(Steering::parse(&read.document()), Ok(read.clone()));
        let told = Steering::default().differences(&read);
        assert!(told.contains(&"apps.lammps/2Aug2023.speed.h100: - → 1800".to_owned()), "{told:?}");
    }

    #[test]
    fn what_is_no_policy_is_refused_with_its_place() {
        for (text, says) in [
            ("reserves = 3", "unknown field `reserves`"),
            ("[replacement.normal]\nmove_after = \"soon\"", "or `never`"),
            ("[placement]\nage_bound = \"0s\"", "placement.age_bound: must be longer than zero"),
            ("[placement]\noverrun_max = \"-1s\"", "not a length of time"),
            ("[placement]\nhaste = -1", "line 2"),
            ("[placement]\nfair_share_half_life = \"3s\"", "at least a minute"),
            ("reserve_permille = 1001", "at most 1000"),
            ("[tiers]\nlong_term = \"own\"", "unknown variant `own`"),
            ("[lending.a]\nnominal_permille = 600\n[lending.b]\nnominal_permille = 401", "of all tenants"),
            ("[lending.a]\nborrow_permille = 1001", "at most 1000"),
            ("[reserve.lines.gold]\npermille = 1", "unknown variant `gold`"),
            ("[reserve.lines.ai]\npermille = 1001", "at most 1000"),
            ("[reserve.forecast]\ndays = 91", "`days` is 1 to 90"),
            ("[reserve.pools.a.general.forecast]\nfloor_permille = 2\nceiling_permille = 1", "at most `ceiling"),
            ("[placement.weights]\ncost = -1", "not negative"),
            ("[contracts.physics]\ncores = 8\nwait = \"0s\"", "contracts: a promised wait"),
            ("[contracts.physics]\ncores = 8\nwait = \"1h\"\nprice = 3", "unknown field `price`"),
            ("[placement]\norder = \"size\"", "unknown variant `size`"),
            ("[replacement.low]\nmove_after = \"0s\"", "write \"never\""),
            ("[preemption]\nlead = \"0s\"", "preemption: `lead` is longer"),
            ("[preemption]\nlead = \"5m\"\nagain_after = \"1m\"", "`again_after` is at least"),
            ("[preemption]\nsignal = \"KILL\"", "unknown variant `KILL`"),
            ("[preemption]\nby = [\"gold\"]", "unknown variant `gold`"),
            ("[apps.\"a/1\"]\nspeed = { a100 = 0 }", "apps: a speed"),
            ("[apps.\"a/1\"]\nchip = [\"a100\"]", "unknown field `chip`"),
            ("[apps.\"a/1\"]\nchips = [\"A 100\"]", "not a chip name"),
            ("[training]\nlines = [\"gold\"]", "unknown variant `gold`"),
            ("[training]\ninterconnect_gbps_min = -1", "invalid value"),
            ("reserve_permille = ", "TOML"),
        ] {
            let fault = Steering::parse(text).unwrap_err().to_string();
            assert!(fault.contains(says), "{text}: {fault}");
        }
    }
}
