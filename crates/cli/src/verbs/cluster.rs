//! Registering clusters as a conversation: how it is reached, what was found there, a trial with real jobs, into service.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use client::Client;
use serde::Serialize;
use serde_json::{Map, Value, json};
use wire::cluster::{ClusterCreate, ClusterDetail, ClusterReport, Finding, TrialCase};
use wire::{ClusterService, FindingLevel, ReportKind, SupplyMode, Verdict};

use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::parse::choice;
use crate::text::Word;
use crate::view::cell::Tone;
use crate::view::{Cell, Part, Table, View, to_json};

use super::place::SetPlace;

/// Between two looks at a report that is being made: findings appear as they come.
const LOOK: Duration = Duration::from_millis(300);
/// A check waits a minute for its first job, a trial four and a half; what is not done long after that was lost with its server.
const PATIENCE: Duration = Duration::from_secs(420);

#[derive(Debug, Args)]
pub struct Clusters {
    #[command(subcommand)]
    pub act: ClusterAct,
}

#[derive(Debug, Subcommand)]
pub enum ClusterAct {
    /// Register a cluster: look at it, try it with real jobs, put it into service
    Add(Box<Add>),
    /// Look at a cluster: what is there and what to do about it
    Check(Name),
    /// Try a cluster with real jobs; takes about two minutes
    Trial(Name),
    /// One cluster: the way to it, how that goes, its last reports
    Show(Name),
    /// Put a cluster into service or back to testing
    Service(SetService),
    /// Say where a cluster stands on the map
    Place(SetPlace),
    /// Give nothing new to a cluster; what runs there goes on
    Retire(Name),
}

#[derive(Debug, Args)]
pub struct Name {
    /// The cluster
    #[arg(value_name = "CLUSTER")]
    pub cluster: String,
}

#[derive(Debug, Args)]
pub struct SetService {
    /// The cluster
    #[arg(value_name = "CLUSTER")]
    pub cluster: String,
    /// `in_service` or `testing`
    #[arg(value_name = "SERVICE", default_value = "in_service", value_parser = choice(&SERVICES, ClusterService::as_str))]
    pub service: ClusterService,
    /// Into service without a passed trial
    #[arg(long)]
    pub force: bool,
}

/// What `hw cluster service` sets; retiring has a verb of its own.
static SERVICES: [ClusterService; 2] = [ClusterService::InService, ClusterService::Testing];
static MODES: [SupplyMode; 2] = [SupplyMode::Own, SupplyMode::Partner];
/// Who looks at the jobs of slurmrestd.
static WATCHES: [&str; 2] = ["rest", "command-line"];

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("way").args(["command", "ssh", "rest"]))]
#[command(group = ArgGroup::new("login").args(["ssh", "through"]))]
pub struct Add {
    /// TOML file with everything, as in the operations guide; flags count before it
    #[arg(value_name = "FILE")]
    pub file: Option<String>,
    /// Name of the cluster: 1 to 40 of a-z, 0-9, `-`, `_`, `.`
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Who provides it
    #[arg(long, value_name = "SUPPLIER")]
    pub supplier: Option<String>,
    /// The supplier's mode, when it is new: own or partner
    #[arg(long, value_name = "MODE", value_parser = choice(&MODES, SupplyMode::as_str))]
    pub mode: Option<SupplyMode>,
    /// Where it stands
    #[arg(long, value_name = "SITE")]
    pub site: Option<String>,
    /// The region of that place, such as cn-east
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// Absolute folder on the cluster for jobs and files, shared by all its nodes
    #[arg(long, value_name = "DIR")]
    pub work_root: Option<String>,
    /// Slurm's commands on the server's machine
    #[arg(long)]
    pub command: bool,
    /// Slurm's commands on this login node, over SSH: a host or an alias
    #[arg(long, value_name = "HOST")]
    pub ssh: Option<String>,
    /// slurmrestd: `unix:/path/of.socket` or `http://host:port`
    #[arg(long, value_name = "ENDPOINT")]
    pub rest: Option<String>,
    /// slurmrestd is reached from this login node, over SSH: a host or an alias
    #[arg(long, value_name = "HOST", requires = "rest", conflicts_with_all = ["command", "ssh"])]
    pub through: Option<String>,
    /// Who looks at jobs and ends them: rest, or command-line (faster on long queues): Slurm's commands on the login node of
    /// `--through`, or else on the server's machine
    #[arg(long, value_name = "WHO", requires = "rest", conflicts_with_all = ["command", "ssh"], value_parser = choice(&WATCHES, |who| who))]
    pub watch: Option<&'static str>,
    /// SLURM_CONF of the commands
    #[arg(long, value_name = "FILE")]
    pub slurm_conf: Option<String>,
    /// Folder of Slurm's commands
    #[arg(long, value_name = "DIR")]
    pub bin: Option<String>,
    /// User at the login node
    #[arg(long, value_name = "USER", requires = "login", conflicts_with = "command")]
    pub ssh_user: Option<String>,
    /// Port of the login node
    #[arg(long, value_name = "PORT", requires = "login", conflicts_with = "command")]
    pub ssh_port: Option<u16>,
    /// Private key file on the server's machine
    #[arg(long, value_name = "FILE", requires = "login", conflicts_with = "command")]
    pub ssh_key: Option<String>,
    /// Known-hosts file on the server's machine
    #[arg(long, value_name = "FILE", requires = "login", conflicts_with = "command")]
    pub known_hosts: Option<String>,
    /// `[user@]host[:port]` to go through
    #[arg(long, value_name = "HOST", requires = "login", conflicts_with = "command")]
    pub jump: Option<String>,
    /// Pinned version of slurmrestd's API, such as v0.0.38
    #[arg(long, value_name = "VERSION", requires = "rest", conflicts_with_all = ["command", "ssh"])]
    pub rest_version: Option<String>,
    /// File with a JWT on the server's machine
    #[arg(long, value_name = "FILE", requires = "rest", conflicts_with_all = ["command", "ssh"])]
    pub token_file: Option<String>,
    /// X-SLURM-USER-NAME
    #[arg(long, value_name = "USER", requires = "rest", conflicts_with_all = ["command", "ssh"])]
    pub rest_user: Option<String>,
    /// The work root is mounted on the server's machine under the same path
    #[arg(long)]
    pub files_here: bool,
    /// Partitions to use; all that the account may use when left out
    #[arg(long, value_name = "PARTITION", value_delimiter = ',')]
    pub partitions: Vec<String>,
    /// What a GRES type is: a100=nvidia-a100-80g
    #[arg(long = "chip", value_name = "TYPE=CHIP", value_parser = pair)]
    pub chips: Vec<(String, String)>,
    /// What joins the nodes, of one partition or of all that are not named: ai=infiniband-ndr:400G, ethernet:25G
    #[arg(long = "interconnect", value_name = "[PARTITION=]NAME:SPEED")]
    pub interconnects: Vec<String>,
    /// Register and look only: no trial, no service
    #[arg(long)]
    pub no_trial: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (kind, chip) = text.split_once('=').ok_or("write TYPE=CHIP, such as a100=nvidia-a100-80g")?;
    Ok((kind.into(), chip.into()))
}

pub async fn clusters(desk: &Desk, args: Clusters) -> Result<View, Fault> {
    match args.act {
        ClusterAct::Add(args) => add(desk, *args).await,
        ClusterAct::Check(name) => check(desk, &name.cluster).await,
        ClusterAct::Trial(name) => trial(desk, &name.cluster).await,
        ClusterAct::Show(name) => show(desk, &name.cluster).await,
        ClusterAct::Service(args) => service(desk, &args.cluster, args.service, args.force).await,
        ClusterAct::Place(args) => super::place::place(desk, args).await,
        ClusterAct::Retire(name) => {
            desk.confirm(Word::ReallyRetire, &[("cluster", name.cluster.clone())])?;
            service(desk, &name.cluster, ClusterService::Retired, false).await
        }
    }
}

/// What the whole conversation came to.
#[derive(Debug, Serialize)]
struct Added {
    cluster: String,
    service: ClusterService,
    check: ClusterReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    trial: Option<ClusterReport>,
}

async fn add(desk: &Desk, args: Add) -> Result<View, Fault> {
    let client = desk.client()?;
    let no_trial = args.no_trial;
    let wanted = description(desk, args)?;
    let name = wanted.name.clone();
    let gap = || [("cluster", name.clone())];
    let registered = client.register_cluster(&wanted).await?;
    desk.tell(Word::ClusterRegistered, &gap());
    let check = made(desk, &client, &name, ReportKind::Check).await?;
    let mut added = Added { cluster: name.clone(), service: registered.service, check, trial: None };
    if added.check.passed != Some(true) {
        return Ok(ended(&added, Exit::Failure, Word::CheckFailed.fill(desk.lang(), &gap())));
    }
    if no_trial {
        return Ok(ended(&added, Exit::Ok, Word::CheckPassed.fill(desk.lang(), &gap())));
    }
    desk.confirm(Word::ReallyTrial, &gap())?;
    let tried = made(desk, &client, &name, ReportKind::Trial).await?;
    let passed = tried.passed == Some(true);
    added.trial = Some(tried);
    if !passed {
        return Ok(ended(&added, Exit::Failure, Word::TrialFailed.fill(desk.lang(), &gap())));
    }
    added.service = client.set_service(&name, ClusterService::InService, false).await?.service;
    let gaps = [("cluster", name.clone()), ("service", added.service.to_string())];
    Ok(ended(&added, Exit::Ok, Word::ClusterIs.fill(desk.lang(), &gaps)))
}

/// Findings and cases were shown as they came: only the JSON and the last word are left.
fn ended<T: Serialize>(value: &T, exit: Exit, note: String) -> View {
    View { json: Some(to_json(value)), notes: vec![note], ..View::done(exit) }
}

async fn check(desk: &Desk, name: &str) -> Result<View, Fault> {
    let client = desk.client()?;
    let report = made(desk, &client, name, ReportKind::Check).await?;
    let gap = [("cluster", name.to_owned())];
    Ok(match report.passed {
        Some(true) => ended(&report, Exit::Ok, Word::CheckPassed.fill(desk.lang(), &gap)),
        _ => ended(&report, Exit::Failure, Word::CheckFailed.fill(desk.lang(), &gap)),
    })
}

async fn trial(desk: &Desk, name: &str) -> Result<View, Fault> {
    let client = desk.client()?;
    let report = made(desk, &client, name, ReportKind::Trial).await?;
    let gap = [("cluster", name.to_owned())];
    Ok(match report.passed {
        Some(true) => ended(&report, Exit::Ok, Word::TrialPassed.fill(desk.lang(), &gap)),
        _ => ended(&report, Exit::Failure, Word::TrialFailed.fill(desk.lang(), &gap)),
    })
}

/// Has a report made, and shows it as it grows.
async fn made(desk: &Desk, client: &Client, name: &str, kind: ReportKind) -> Result<ClusterReport, Fault> {
    let begun = client.examine_cluster(name, kind).await?;
    if kind == ReportKind::Trial {
        desk.tell(Word::TrialBegun, &[("cluster", name.to_owned())]);
    }
    let until = tokio::time::Instant::now() + PATIENCE;
    let mut shown = 0;
    loop {
        let report = client.cluster_report(name, begun.id).await?;
        for finding in report.findings.iter().skip(shown) {
            show_finding(desk, finding)?;
        }
        shown = report.findings.len().max(shown);
        if report.passed.is_some() {
            show_cases(desk, &report.cases)?;
            if let Some(error) = &report.error {
                desk.say(error);
            }
            return Ok(report);
        }
        if tokio::time::Instant::now() >= until {
            return Err(Fault::Refused(Word::ReportLost, vec![("cluster", name.to_owned())]));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// One finding at once: a line for eyes with its advice below, or a bare line for a program.
fn show_finding(desk: &Desk, finding: &Finding) -> Result<(), Fault> {
    let Finding { level, what, found, advice } = finding;
    match (desk.settings.look.json, desk.settings.look.terminal) {
        (true, _) => Ok(()),
        (false, false) => desk.out(&format!("{level}\t{what}\t{found}\t{advice}\n")),
        (false, true) => {
            let below = if advice.is_empty() { String::new() } else { format!("{:<20}→ {advice}\n", "") };
            desk.out(&format!("{level:<5} {what:<13} {found}\n{below}"))
        }
    }
}

fn show_cases(desk: &Desk, cases: &[TrialCase]) -> Result<(), Fault> {
    if cases.is_empty() || desk.settings.look.json {
        return Ok(());
    }
    let parts = vec![Part::Table(cases_table(cases))];
    desk.show(&View { parts, ..View::done(Exit::Ok) })
}

fn cases_table(cases: &[TrialCase]) -> Table {
    let heads = [Word::Case, Word::Pool, Word::Verdict, Word::Waited, Word::RunTime, Word::Seen];
    let seconds = |millis: i64| Cell::Seconds(millis as f64 / 1e3);
    let row = |case: &TrialCase| {
        let tone = match case.verdict {
            Verdict::Passed => Tone::Good,
            Verdict::Failed => Tone::Bad,
            Verdict::Skipped => Tone::Faint,
        };
        vec![
            Cell::text(&case.what),
            Cell::text(&case.pool),
            Cell::Toned(case.verdict.to_string(), tone),
            Cell::maybe(case.waited_millis, seconds),
            Cell::maybe(case.ran_millis, seconds),
            Cell::text(&case.words),
        ]
    };
    Table::new("case", &heads).with(cases.iter().map(row))
}

async fn service(desk: &Desk, name: &str, service: ClusterService, force: bool) -> Result<View, Fault> {
    let changed = desk.client()?.set_service(name, service, force).await?;
    let gaps = [("cluster", name.to_owned()), ("service", changed.service.to_string())];
    Ok(View::note(&changed, Word::ClusterIs.fill(desk.lang(), &gaps)))
}

/// Reports shown with a cluster.
const REPORTS_SHOWN: usize = 5;

async fn show(desk: &Desk, name: &str) -> Result<View, Fault> {
    let client = desk.client()?;
    let detail = client.cluster(name).await?;
    let reports = client.cluster_reports(name).take(REPORTS_SHOWN).await?;
    let rows = reports.items.iter().map(|report| {
        let failed = report.findings.iter().filter(|f| f.level == FindingLevel::Fail).count()
            + report.cases.iter().filter(|c| c.verdict == Verdict::Failed).count();
        let (text, tone) = if report.passed == Some(true) { ("passed", Tone::Good) } else { ("failed", Tone::Bad) };
        vec![
            Cell::Time(report.at),
            Cell::text(report.kind.as_str()),
            Cell::Toned(text.into(), tone),
            Cell::number(failed),
            Cell::text(report.id.to_string()),
        ]
    });
    let heads = [Word::Time, Word::Report, Word::Verdict, Word::Failures, Word::Id];
    let table = Table::new("report", &heads).with(rows);
    let value = json!({ "cluster": detail, "reports": reports.items });
    let mut parts = vec![Part::Facts(facts(&detail))];
    if !table.rows.is_empty() {
        parts.push(Part::Table(table));
    }
    Ok(View::of(&value, parts))
}

fn facts(detail: &ClusterDetail) -> Vec<(Word, Cell)> {
    let cluster = &detail.cluster;
    let mut facts = vec![
        (Word::Cluster, Cell::text(&cluster.name)),
        (Word::Id, Cell::text(cluster.id.to_string())),
        (Word::Backend, Cell::text(cluster.backend.as_str())),
        (Word::Supplier, Cell::text(&cluster.supplier_name)),
        (Word::Site, Cell::text(&cluster.site)),
        (Word::Place, Cell::maybe(cluster.place.as_ref(), |place| Cell::text(super::place::shown(place)))),
        (Word::Service, Cell::text(cluster.service.as_str())),
        (Word::Tried, Cell::maybe(detail.tried_at, Cell::Time)),
        (Word::Health, Cell::text(cluster.health.as_str())),
        (Word::LastContact, Cell::maybe(cluster.last_contact, Cell::Time)),
        (Word::Lag, Cell::maybe(cluster.lag_millis, |ms| Cell::Seconds(ms as f64 / 1e3))),
        (Word::Pools, Cell::number(cluster.pools)),
    ];
    if let Some(link) = &detail.link {
        facts.push((Word::Way, Cell::maybe(link.way.as_ref(), Cell::text)));
        facts.push((Word::Connected, Cell::YesNo(link.connected)));
        facts.push((Word::ClockOffset, Cell::maybe(link.clock_offset_seconds, |s| Cell::Seconds(s as f64))));
        facts.push((Word::WaitingJobs, Cell::maybe(link.waiting, Cell::number)));
        facts.push((Word::Running, Cell::maybe(link.running, Cell::number)));
        facts.push((Word::Trouble, Cell::maybe(link.error.as_ref(), Cell::text)));
    }
    facts.extend(cluster.remarks.iter().map(|remark| (Word::Remark, Cell::text(remark))));
    facts
}

/// The cluster as the file says it, with the flags before it.
fn description(desk: &Desk, args: Add) -> Result<ClusterCreate, Fault> {
    let path = args.file.clone();
    let mut all: Map<String, Value> = match &path {
        None => Map::new(),
        Some(path) => toml::from_str(&desk.read(path)?).map_err(|fault| bad_file(path, &fault))?,
    };
    let text = |text: &String| Value::String(text.clone());
    put(&mut all, "name", args.name.as_ref().map(text));
    put(&mut all, "supplier", args.supplier.as_ref().map(text));
    put(&mut all, "mode", args.mode.map(|mode| json!(mode)));
    put(&mut all, "site", args.site.as_ref().map(text));
    put(&mut all, "region", args.region.as_ref().map(text));
    let slurm = all.entry("slurm").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(slurm) = slurm {
        fill(slurm, &args);
    }
    for (field, flag) in [("name", "--name"), ("supplier", "--supplier")] {
        if !all.contains_key(field) {
            return Err(Fault::Usage(Word::ClusterNeeds, vec![("flag", flag.into())]));
        }
    }
    for (field, flag) in [("way", "--command, --ssh HOST, --rest ENDPOINT"), ("work_root", "--work-root DIR")] {
        if all["slurm"].get(field).is_none() {
            return Err(Fault::Usage(Word::ClusterNeeds, vec![("flag", flag.into())]));
        }
    }
    let path = path.unwrap_or_else(|| "hw cluster add".into());
    serde_json::from_value(Value::Object(all)).map_err(|fault| bad_file(&path, &fault))
}

fn bad_file(path: &str, why: &dyn std::fmt::Display) -> Fault {
    Fault::Usage(Word::BadFile, vec![("path", path.into()), ("why", why.to_string())])
}

fn put(all: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        all.insert(name.into(), value);
    }
}

/// An object without what was not said.
fn object(fields: impl IntoIterator<Item = (&'static str, Option<Value>)>) -> Value {
    Value::Object(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
}

fn fill(slurm: &mut Map<String, Value>, args: &Add) {
    let text = |text: &Option<String>| text.clone().map(Value::String);
    let tools = object([("slurm_conf", text(&args.slurm_conf)), ("bin", text(&args.bin))]);
    let login = |host: &String| {
        object([
            ("host", Some(json!(host))),
            ("user", text(&args.ssh_user)),
            ("port", args.ssh_port.map(|port| json!(port))),
            ("key", text(&args.ssh_key)),
            ("known_hosts", text(&args.known_hosts)),
            ("jump", text(&args.jump)),
        ])
    };
    if args.command {
        slurm.insert("way".into(), json!({"kind": "command", "tools": tools}));
    } else if let Some(host) = &args.ssh {
        slurm.insert("way".into(), json!({"kind": "ssh", "ssh": login(host), "tools": tools}));
    } else if let Some(endpoint) = &args.rest {
        let through = args.through.as_ref().map(login);
        let rest = object([
            ("endpoint", Some(json!(endpoint))),
            ("version", Some(json!(args.rest_version.as_deref().unwrap_or("v0.0.38")))),
            ("token_file", text(&args.token_file)),
            ("user", text(&args.rest_user)),
            ("through", through.clone()),
        ]);
        // Words about commands that nobody would use are for the server to refuse.
        let commands = (args.watch == Some("command-line") || tools != json!({}))
            .then(|| object([("ssh", through), ("tools", Some(tools))]));
        let way = [("kind", Some(json!("rest"))), ("rest", Some(rest)), ("watch", args.watch.map(|who| json!(who)))];
        slurm.insert("way".into(), object(way.into_iter().chain([("commands", commands)])));
    }
    put(slurm, "work_root", text(&args.work_root));
    put(slurm, "files", args.files_here.then(|| json!({"kind": "here"})));
    if !args.partitions.is_empty() {
        slurm.insert("partitions".into(), json!(args.partitions));
    }
    if !args.chips.is_empty() {
        let chips: Map<String, Value> = args.chips.iter().map(|(kind, chip)| (kind.clone(), json!(chip))).collect();
        slurm.insert("chips".into(), Value::Object(chips));
    }
    if !args.interconnects.is_empty() {
        let said = |text: &String| match text.split_once('=') {
            Some((partition, said)) => (partition.to_owned(), json!(said)),
            None => ("*".to_owned(), json!(text)),
        };
        slurm.insert("interconnects".into(), Value::Object(args.interconnects.iter().map(said).collect()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        add: Add,
    }

    fn slurm(line: &str) -> Value {
        let args = Line::try_parse_from(std::iter::once("add").chain(line.split(' '))).unwrap().add;
        let mut slurm = Map::new();
        fill(&mut slurm, &args);
        Value::Object(slurm)
    }

    #[test]
    fn flags_become_the_file_that_one_would_have_written() {
        let seen = slurm("--command --slurm-conf /etc/s.conf --work-root /w --partitions a,b --chip i20=enflame-i20");
        let want = json!({
            "way": {"kind": "command", "tools": {"slurm_conf": "/etc/s.conf"}},
            "work_root": "/w", "partitions": ["a", "b"], "chips": {"i20": "enflame-i20"},
        });
        assert_eq!(seen, want);
        let seen = slurm("--command --work-root /w --interconnect ethernet:25G --interconnect ai=infiniband-ndr:400G");
        assert_eq!(seen["interconnects"], json!({"*": "ethernet:25G", "ai": "infiniband-ndr:400G"}));
        let seen = slurm("--ssh login --ssh-user hw --ssh-port 2222 --jump gate --work-root /w --files-here");
        let ssh = json!({"host": "login", "user": "hw", "port": 2222, "jump": "gate"});
        let want = json!({
            "way": {"kind": "ssh", "ssh": ssh, "tools": {}}, "work_root": "/w", "files": {"kind": "here"},
        });
        assert_eq!(seen, want);
        let seen = slurm("--rest unix:/s --rest-version v0.0.39");
        assert_eq!(seen, json!({"way": {"kind": "rest", "rest": {"endpoint": "unix:/s", "version": "v0.0.39"}}}));
        let seen = slurm("--rest unix:/s --through login --ssh-user hw --watch command-line --bin /opt/slurm/bin");
        let login = json!({"host": "login", "user": "hw"});
        let want = json!({
            "kind": "rest", "rest": {"endpoint": "unix:/s", "version": "v0.0.38", "through": login},
            "watch": "command-line", "commands": {"ssh": login, "tools": {"bin": "/opt/slurm/bin"}},
        });
        assert_eq!(seen["way"], want);
    }

    #[test]
    fn one_way_is_enough_and_its_words_belong_to_it() {
        let wrong = [
            "--command --ssh h",
            "--ssh-user me",
            "--rest e --jump x",
            "--chip a100",
            "--through h",
            "--ssh h --through g",
        ];
        let more =
            ["--command --watch rest", "--rest e --watch nobody", "--command --ssh-user me", "--ssh h --watch rest"];
        for line in wrong.into_iter().chain(more) {
            assert!(Line::try_parse_from(std::iter::once("add").chain(line.split(' '))).is_err(), "{line}");
        }
    }
}
