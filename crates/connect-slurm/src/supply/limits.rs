//! What the account may ask and take on a cluster, from its associations and QOS as Slurm prints them. Pure.
//!
//! Jobs may go under several accounts and QOS, by the table of identities: the widest of what these allow counts, so that no
//! job is kept away that one of them would take. Slurm holds the others to their own.

use base::{Bytes, Span};
use model::Caps;

use crate::carrier::{LimitFacts, Survey};
use crate::cli::read;
use crate::config::SlurmConfig;

/// The QOS of jobs that name none, where the association has no default of its own.
const NORMAL: &str = "normal";
/// Words of `AccountingStorageEnforce` under which limits hold.
const ENFORCED: [&str; 3] = ["limits", "safe", "all"];

/// Bounds of one job and of all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Limits {
    pub job: Caps,
    pub time_max: Option<Span>,
    pub together: Caps,
}

impl Limits {
    fn and(self, other: Limits) -> Limits {
        let time_max = self.time_max.into_iter().chain(other.time_max).min();
        Limits { job: self.job.and(other.job), time_max, together: self.together.and(other.together) }
    }
    fn or(self, other: Limits) -> Limits {
        let time_max = self.time_max.zip(other.time_max).map(|(a, b)| a.max(b));
        Limits { job: self.job.or(other.job), time_max, together: self.together.or(other.together) }
    }
}

/// What holds for jobs in `partition`.
pub fn of(survey: &Survey, config: &SlurmConfig, partition: &str) -> Limits {
    if !enforced(survey) {
        return Limits::default();
    }
    let rows: Vec<Row<'_>> = survey.limits.iter().filter_map(Row::read).collect();
    let ours = |row: &&Row<'_>| row.user == survey.user && row.partition.is_none_or(|p| p == partition);
    let named: Vec<&str> =
        config.identity.rules.iter().filter_map(|r| r.account.as_deref()).filter(|a| !a.contains('{')).collect();
    let open = config.identity.rules.is_empty() || named.len() < config.identity.rules.len();
    let under = rows.iter().filter(ours).filter(|row| open || named.contains(&row.account));
    let all: Vec<Limits> = under.map(|row| below(row, &rows, survey, config)).collect();
    all.into_iter().reduce(Limits::or).unwrap_or_default()
}

fn enforced(survey: &Survey) -> bool {
    let found = survey.config.iter().find(|(key, _)| key.eq_ignore_ascii_case("AccountingStorageEnforce"));
    found.is_some_and(|(_, words)| words.split(',').any(|w| ENFORCED.contains(&w.trim().to_ascii_lowercase().as_str())))
}

/// One association.
struct Row<'a> {
    account: &'a str,
    user: &'a str,
    partition: Option<&'a str>,
    facts: &'a LimitFacts,
}

impl Row<'_> {
    fn read(facts: &LimitFacts) -> Option<Row<'_>> {
        let name = facts.of.strip_prefix("association ")?;
        let (who, partition) = name.split_once(" in ").map_or((name, None), |(who, place)| (who, Some(place)));
        let (account, user) = who.split_once('/')?;
        Some(Row { account, user, partition, facts })
    }
}

/// An association with the account above it, and the widest QOS that its jobs may have.
fn below(row: &Row<'_>, rows: &[Row<'_>], survey: &Survey, config: &SlurmConfig) -> Limits {
    let mut limits = association(row.facts);
    if let Some(account) = rows.iter().find(|r| r.user.is_empty() && r.account == row.account) {
        limits = limits.and(association(account.facts));
    }
    let default = word(row.facts, "Def QOS").unwrap_or(NORMAL);
    let rules = &config.identity.rules;
    let mut names: Vec<&str> = rules.iter().filter_map(|r| r.qos.as_deref()).collect();
    if rules.is_empty() || rules.iter().any(|r| r.qos.is_none()) {
        names.push(default);
    }
    let qos = |name: &&str| {
        let known = survey.limits.iter().find(|l| l.of.strip_prefix("qos ") == Some(name));
        known.map_or_else(Limits::default, quality)
    };
    match names.iter().map(qos).reduce(Limits::or) {
        Some(widest) => limits.and(widest),
        None => limits,
    }
}

fn word<'a>(facts: &'a LimitFacts, key: &str) -> Option<&'a str> {
    facts.limits.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
}

/// Limits of an association, and of an account: what is bounded for a group is bounded for us at most as tightly.
fn association(facts: &LimitFacts) -> Limits {
    Limits {
        job: tres(word(facts, "MaxTRES")),
        time_max: time(word(facts, "MaxWall")),
        together: jobs(facts, &["MaxJobs", "MaxSubmit", "GrpJobs", "GrpSubmit"]).and(tres(word(facts, "GrpTRES"))),
    }
}

fn quality(facts: &LimitFacts) -> Limits {
    let kinds = ["GrpTRES", "MaxTRESPU", "MaxTRESPA"];
    let together = jobs(facts, &["MaxJobsPU", "MaxSubmitPU", "MaxJobsPA", "MaxSubmitPA", "GrpJobs", "GrpSubmit"]);
    Limits {
        job: tres(word(facts, "MaxTRES")),
        time_max: time(word(facts, "MaxWall")),
        together: kinds.iter().fold(together, |sum, kind| sum.and(tres(word(facts, kind)))),
    }
}

fn jobs(facts: &LimitFacts, words: &[&str]) -> Caps {
    Caps { jobs: words.iter().filter_map(|w| read::count(word(facts, w)?)).min(), ..Caps::NONE }
}

fn time(word: Option<&str>) -> Option<Span> {
    Some(Span::from_secs(i64::from(read::minutes(word?)?) * 60))
}

/// `cpu=8,mem=64G,node=2,gres/gpu=4,gres/gpu:a100=2`. Cards of one type only do not bound cards as such.
fn tres(list: Option<&str>) -> Caps {
    let mut caps = Caps::NONE;
    for (name, value) in list.unwrap_or("").split(',').filter_map(|part| part.trim().split_once('=')) {
        let number = || value.parse::<u64>().ok();
        let small = || number().and_then(|n| u32::try_from(n).ok());
        match name {
            "cpu" => caps.cores = number(),
            "mem" => caps.mem = read::amount(value, 1 << 20).map(Bytes),
            "node" => caps.nodes = small(),
            "gres/gpu" => caps.gpus = small(),
            _ => {}
        }
    }
    caps
}
