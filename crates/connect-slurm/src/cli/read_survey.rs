//! What `scontrol -o show …` and `sacctmgr -P show …` say of a cluster. Pure.

use crate::carrier::{AccountingKind, Gres, LicenceFacts, LimitFacts, NodeFacts, PartitionFacts, ReservationFacts};
use crate::cli::{hostlist, read};

/// Columns of `sacctmgr` that name a row or order it, and are no limits.
const NO_LIMITS: &[&str] = &[
    "Cluster",
    "Account",
    "User",
    "Partition",
    "Share",
    "Priority",
    "Name",
    "GraceTime",
    "UsageFactor",
    "PreemptMode",
];

/// `(key, value)` of `scontrol show config`, without those that are not set.
pub fn config(text: &str) -> Vec<(String, String)> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.filter_map(|(key, value)| Some((key.trim().to_owned(), read::word(value)?))).collect()
}

/// The controller's clock when it answered: `Configuration data as of 1795260519`.
pub fn clock(text: &str) -> Option<i64> {
    read::time(text.lines().find_map(|line| line.strip_prefix("Configuration data as of "))?)
}

/// One value of [`config`].
pub fn value<'a>(config: &'a [(String, String)], key: &str) -> Option<&'a str> {
    config.iter().find(|(found, _)| found.eq_ignore_ascii_case(key)).map(|(_, value)| value.as_str())
}

/// How ends are proven there.
pub fn accounting(config: &[(String, String)]) -> AccountingKind {
    if value(config, "AccountingStorageType") == Some("accounting_storage/slurmdbd") {
        AccountingKind::Slurmdbd
    } else if value(config, "JobCompType") == Some("jobcomp/filetxt") {
        AccountingKind::CompletionLog
    } else {
        AccountingKind::Controller
    }
}

/// Lines that begin with `key=`.
fn records<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter(move |line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with('=')))
}

fn names(list: &str) -> Vec<String> {
    hostlist::expand(list).unwrap_or_default()
}

/// `scontrol -d -o show node`.
pub fn nodes(text: &str) -> Vec<NodeFacts> {
    records(text, "NodeName").filter_map(node).collect()
}

fn node(record: &str) -> Option<NodeFacts> {
    // The operating system and the reason hold blanks: the facts are looked for before the reason.
    let (facts, reason) = record.split_once(" Reason=").unwrap_or((record, ""));
    let field = |key| read::field(facts, key).unwrap_or("");
    let configured = read::gres(field("Gres"));
    let used = match read::field(facts, "GresUsed") {
        Some(used) => read::gres(used),
        None => allocated_gres(field("AllocTRES")),
    };
    Some(NodeFacts {
        name: read::field(facts, "NodeName").and_then(read::word)?,
        state: field("State").to_owned(),
        reason: reason_words(reason),
        cpus: read::count(field("CPUEfctv")).or_else(|| read::count(field("CPUTot"))).unwrap_or(0),
        mem: read::megabytes(field("RealMemory")),
        gres_allocated: used.into_iter().filter(|gres| gres.count > 0).collect(),
        gres: configured,
        features: read::words(field("AvailableFeatures")),
        partitions: read::words(field("Partitions")),
        cpus_allocated: read::count(field("CPUAlloc")).unwrap_or(0),
        mem_allocated: read::megabytes(field("AllocMem")),
    })
}

/// `bad disk [root@1795259867]` is `bad disk`.
fn reason_words(text: &str) -> Option<String> {
    let text = text.split(" Comment=").next().unwrap_or(text).trim();
    let text = match text.rsplit_once(" [") {
        Some((words, by)) if by.ends_with(']') && by.contains('@') => words,
        _ => text,
    };
    read::word(text)
}

/// `gres/gpu=2,gres/gpu:a100=2` of allocated TRES: where a kind is named, the sum without it is left out.
fn allocated_gres(tres: &str) -> Vec<Gres> {
    let all: Vec<Gres> = tres
        .split(',')
        .filter_map(|part| part.strip_prefix("gres/")?.split_once('='))
        .filter_map(|(name, count)| {
            let (name, kind) = name.split_once(':').map_or((name, None), |(name, kind)| (name, Some(kind.to_owned())));
            Some(Gres { name: name.to_owned(), kind, count: read::count(count)? })
        })
        .collect();
    let typed = |name: &str| all.iter().any(|gres| gres.name == name && gres.kind.is_some());
    all.iter().filter(|gres| gres.kind.is_some() || !typed(&gres.name)).cloned().collect()
}

/// `scontrol -o show partition`.
pub fn partitions(text: &str) -> Vec<PartitionFacts> {
    let one = |record| {
        let field = |key| read::field(record, key).unwrap_or("");
        PartitionFacts {
            name: field("PartitionName").to_owned(),
            state: field("State").to_owned(),
            is_default: field("Default") == "YES",
            nodes: names(field("Nodes")),
            max_time_minutes: read::minutes(field("MaxTime")),
            max_nodes: read::count(field("MaxNodes")),
            min_nodes: read::count(field("MinNodes")).filter(|min| *min > 0),
            default_time_minutes: read::minutes(field("DefaultTime")),
            allow_accounts: read::words(field("AllowAccounts")),
            allow_qos: read::words(field("AllowQos")),
            preempt_mode: field("PreemptMode").to_owned(),
            rules: rules(record),
        }
    };
    records(text, "PartitionName").map(one).collect()
}

/// What a partition says about who may use it, beyond the lists of those who may.
fn rules(record: &str) -> Vec<String> {
    let said = |key: &&str| read::field(record, key).and_then(read::word).map(|value| format!("{key}={value}"));
    let set = ["RootOnly", "ReqResv", "Hidden"].iter().filter_map(said).filter(|rule| rule.ends_with("=YES"));
    set.chain(["DenyAccounts", "DenyQos"].iter().filter_map(said)).collect()
}

/// `sacctmgr -P show user … format=DefaultAccount`: what binds `user` besides his associations.
pub fn user(text: &str, user: &str) -> Vec<LimitFacts> {
    let account = text.lines().nth(1).and_then(read::word);
    let limits = account.map(|account| vec![("DefaultAccount".to_owned(), account)]);
    limits.map(|limits| LimitFacts { of: format!("user {user}"), limits }).into_iter().collect()
}

/// `scontrol -o show reservation`.
pub fn reservations(text: &str) -> Vec<ReservationFacts> {
    let one = |record| {
        let field = |key| read::field(record, key).unwrap_or("");
        ReservationFacts {
            name: field("ReservationName").to_owned(),
            start: read::time(field("StartTime")).unwrap_or(0),
            end: read::time(field("EndTime")).unwrap_or(i64::MAX),
            nodes: names(field("Nodes")),
            users: read::words(field("Users")),
            accounts: read::words(field("Accounts")),
            flags: field("Flags").to_owned(),
        }
    };
    records(text, "ReservationName").map(one).collect()
}

/// `scontrol -o show licenses`.
pub fn licences(text: &str) -> Vec<LicenceFacts> {
    let one = |record| LicenceFacts {
        name: read::field(record, "LicenseName").unwrap_or("").to_owned(),
        total: read::field(record, "Total").and_then(read::count).unwrap_or(0),
        used: read::field(record, "Used").and_then(read::count).unwrap_or(0),
    };
    records(text, "LicenseName").map(one).collect()
}

/// `scontrol -o show topology`.
pub fn topology(text: &str) -> Vec<(String, Vec<String>)> {
    let one = |record| {
        let field = |key| read::field(record, key).unwrap_or("");
        (field("SwitchName").to_owned(), names(field("Nodes")))
    };
    records(text, "SwitchName").map(one).collect()
}

/// `sacctmgr -P show associations`: what binds `user`, and what binds the accounts he belongs to.
pub fn associations(text: &str, user: &str) -> Vec<LimitFacts> {
    let rows = table(text);
    let get = |row: &[(String, String)], key: &str| value(row, key).unwrap_or("").to_owned();
    let mine: Vec<String> = rows.iter().filter(|row| get(row, "User") == user).map(|row| get(row, "Account")).collect();
    let concerns = |row: &&Vec<(String, String)>| {
        get(row, "User") == user || (get(row, "User").is_empty() && mine.contains(&get(row, "Account")))
    };
    let one = |row: &Vec<(String, String)>| {
        let partition = get(row, "Partition");
        let place = if partition.is_empty() { String::new() } else { format!(" in {partition}") };
        limits(format!("association {}/{}{place}", get(row, "Account"), get(row, "User")), row)
    };
    rows.iter().filter(concerns).map(one).collect()
}

/// `sacctmgr -P show qos`.
pub fn qos(text: &str) -> Vec<LimitFacts> {
    table(text).iter().map(|row| limits(format!("qos {}", value(row, "Name").unwrap_or("")), row)).collect()
}

fn limits(of: String, row: &[(String, String)]) -> LimitFacts {
    let set = |(key, value): &&(String, String)| !value.is_empty() && !NO_LIMITS.contains(&key.as_str());
    LimitFacts { of, limits: row.iter().filter(set).cloned().collect() }
}

/// Rows of `|`-separated values below a line of names.
fn table(text: &str) -> Vec<Vec<(String, String)>> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or("").split('|').collect();
    let row = |line: &str| {
        names.iter().zip(line.split('|')).map(|(name, value)| ((*name).to_owned(), value.to_owned())).collect()
    };
    lines.filter(|line| !line.is_empty()).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_cluster_is_read() {
        insta::assert_debug_snapshot!("nodes", nodes(include_str!("recorded/nodes.txt")));
        insta::assert_debug_snapshot!("partitions", partitions(include_str!("recorded/partitions.txt")));
        insta::assert_debug_snapshot!(
            "others",
            (
                reservations(include_str!("recorded/reservations.txt")),
                licences(include_str!("recorded/licences.txt")),
                topology(include_str!("recorded/topology.txt")),
                associations(include_str!("recorded/associations.txt"), "root"),
                qos(include_str!("recorded/qos.txt")),
            )
        );
    }

    #[test]
    fn a_partition_says_who_may_use_it() {
        let text = "PartitionName=a AllowAccounts=ALL DenyAccounts=x,y Hidden=NO RootOnly=YES ReqResv=NO DenyQos=low Nodes=n1\n\
                    PartitionName=b AllowAccounts=x Hidden=YES RootOnly=NO ReqResv=YES Nodes=n1\n";
        let rules: Vec<Vec<String>> = partitions(text).into_iter().map(|partition| partition.rules).collect();
        assert_eq!(rules, [vec!["RootOnly=YES", "DenyAccounts=x,y", "DenyQos=low"], vec!["ReqResv=YES", "Hidden=YES"]]);
        assert_eq!(user("Def Acct\nproj\n", "hw")[0].limits, [("DefaultAccount".to_owned(), "proj".to_owned())]);
        assert_eq!(user("Def Acct\n", "hw"), []);
    }

    #[test]
    fn the_configuration_says_how_ends_are_proven() {
        let text = include_str!("recorded/config.txt");
        let mut config = config(text);
        assert_eq!(clock(text), Some(1_795_260_519));
        assert_eq!(value(&config, "SLURM_VERSION"), Some("22.05.8"));
        assert_eq!(value(&config, "Epilog"), None);
        assert_eq!(accounting(&config), AccountingKind::Slurmdbd);
        config.retain(|(key, _)| key != "AccountingStorageType");
        assert_eq!(accounting(&config), AccountingKind::CompletionLog);
        config.retain(|(key, _)| key != "JobCompType");
        assert_eq!(accounting(&config), AccountingKind::Controller);
    }

    #[test]
    fn a_reason_is_text_and_no_facts() {
        let node =
            &nodes("NodeName=n1 CPUTot=4 State=IDLE+DRAIN RealMemory=10 Reason=bad \"disk\" CPUTot=9 [root@17952]")[0];
        assert_eq!((node.cpus, node.reason.as_deref()), (4, Some("bad \"disk\" CPUTot=9")));
    }

    #[test]
    fn allocated_gres_without_details() {
        let found = allocated_gres("cpu=3,gres/gpu=2,gres/gpu:a100=2,gres/nic=1");
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].kind.as_deref(), found[1].name.as_str()), (Some("a100"), "nic"));
    }
}
