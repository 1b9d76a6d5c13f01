//! What the survey alone tells: versions, accounting, limits, clocks and settings. Pure.

use crate::carrier::{AccountingKind, Survey};
use crate::check::Finding;
use crate::config::{SlurmConfig, Way};
use crate::supply::{Access, Supply};

/// Versions whose commands and answers are known: the first, and the last year.
const OLDEST: (u32, u32) = (20, 11);
const NEWEST_YEAR: u32 = 25;
/// Differences of clocks below this are what a question's duration explains.
const CLOCK_OK: i64 = 2;
/// Munge refuses credentials that are older; whoever is further off cannot use the cluster at all.
const CLOCK_MUNGE: i64 = 300;
/// Ends must be read before the controller forgets them; a restart of the platform takes some seconds, an upgrade a minute.
const JOB_AGE_WANTED: u64 = 300;
/// Between TERM and KILL: longer than this, ends come late and are billed.
const KILL_WAIT_USUAL: u64 = 120;
/// Jobs of which a controller with a small table would refuse our next one.
const JOB_COUNT_SMALL: u64 = 1_000;

/// Versions of the REST interface that a release of Slurm has, oldest first: the oldest goes with the next upgrade.
const REST: [((u32, u32), [u32; 3]); 8] = [
    ((20, 11), [35, 36, 36]),
    ((21, 8), [36, 37, 37]),
    ((22, 5), [37, 38, 38]),
    ((23, 2), [37, 38, 39]),
    ((23, 11), [38, 39, 40]),
    ((24, 5), [39, 40, 41]),
    ((24, 11), [40, 41, 42]),
    ((25, 5), [41, 42, 43]),
];

pub(super) fn all(survey: &Survey, config: &SlurmConfig, clock_ahead: i64) -> Vec<Finding> {
    let mut findings = vec![version(survey)];
    findings.extend(rest(survey, config));
    findings.push(accounting(survey));
    findings.extend(limits(survey, &Access::of(survey, config)));
    findings.push(clock(clock_ahead));
    findings.extend(settings(survey));
    findings
}

fn parsed(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.trim().parse().ok()?, parts.next()?.parse().ok()?))
}

fn version(survey: &Survey) -> Finding {
    let found = format!("Slurm {} as {} on `{}`", survey.version, survey.user, survey.cluster_name);
    match parsed(&survey.version) {
        Some(v) if v >= OLDEST && v.0 <= NEWEST_YEAR => Finding::ok("version", found),
        Some(v) if v < OLDEST => {
            Finding::fail("version", found, "Slurm 20.11 or later is needed: older ones do not say what billing needs")
        }
        _ => Finding::warn(
            "version",
            found,
            "this version is not known yet: look closely at the trial, and at the bill of a first job",
        ),
    }
}

fn rest(survey: &Survey, config: &SlurmConfig) -> Option<Finding> {
    let Way::Rest { rest, .. } = &config.way else { return None };
    let number: Option<u32> = rest.version.strip_prefix("v0.0.").and_then(|n| n.parse().ok());
    let slurm = parsed(&survey.version)?;
    let (_, known) = REST.iter().rev().find(|(of, _)| *of <= slurm)?;
    let found = format!("slurmrestd {} is pinned", rest.version);
    Some(match number {
        Some(n) if n == known[0] && known[0] != known[2] => {
            let advice = format!("the next upgrade of Slurm drops it; pin v0.0.{} soon", known[2]);
            Finding::warn("version", found, advice)
        }
        _ => Finding::ok("version", found),
    })
}

fn accounting(survey: &Survey) -> Finding {
    match survey.accounting {
        AccountingKind::Slurmdbd => {
            Finding::ok("accounting", "slurmdbd: usage is billed as Slurm accounts it, to the second")
        }
        AccountingKind::CompletionLog => Finding::warn(
            "accounting",
            "no slurmdbd; ends are in the completion log",
            "start and end are exact, CPU time and memory peaks are not counted; ask the site for slurmdbd",
        ),
        AccountingKind::Controller => {
            let age = number(survey, "MinJobAge").unwrap_or(JOB_AGE_WANTED);
            let found = format!(
                "no slurmdbd, and no completion log that this account may read: ends are known for {age} s (MinJobAge)"
            );
            let advice = "ends that nobody read in that time are proven by the notes in the work folder only, and the bill says \
                          so; ask the site for slurmdbd or JobCompType=jobcomp/filetxt";
            Finding::warn("accounting", found, advice)
        }
    }
}

/// GPU amounts appear in Slurm's records only where the site tracks them.
pub(super) fn cards(survey: &Survey, supply: &Supply) -> Option<Finding> {
    let has_cards = supply.plans.iter().any(|p| p.pool.gres.is_some());
    if !has_cards || survey.accounting != AccountingKind::Slurmdbd {
        return None;
    }
    let tracked = word(survey, "AccountingStorageTRES").unwrap_or_default().to_ascii_lowercase();
    let names: Vec<&str> =
        supply.plans.iter().filter_map(|p| p.pool.gres.as_ref()).map(|(name, _)| name.as_str()).collect();
    let missing = names.iter().find(|name| !tracked.split(',').any(|t| t.starts_with(&format!("gres/{name}"))))?;
    Some(Finding::warn(
        "accounting",
        format!("Slurm does not account `gres/{missing}` (AccountingStorageTRES={tracked})"),
        format!("cards are billed as they were asked for; ask the site to add gres/{missing} to AccountingStorageTRES"),
    ))
}

fn limits(survey: &Survey, access: &Access) -> Vec<Finding> {
    let mut findings = Vec::new();
    let most = number(survey, "MaxJobCount");
    let array = number(survey, "MaxArraySize");
    let show = |n: Option<u64>| n.map_or("unknown".to_owned(), |n| n.to_string());
    let found = format!("MaxJobCount {}, MaxArraySize {}", show(most), show(array));
    findings.push(match most {
        Some(n) if n < JOB_COUNT_SMALL => Finding::warn(
            "limits",
            found,
            "few jobs fit into its queue: the platform keeps the rest back and hands in as room comes",
        ),
        _ => Finding::ok("limits", found),
    });
    // A site may have many a QOS that is none of ours, also ones that stop whoever is put into them.
    let concerns = |of: &str| match of.split_once(' ') {
        Some(("association", rest)) => access
            .accounts
            .iter()
            .any(|account| rest.strip_prefix(account.as_str()).is_some_and(|r| r.starts_with('/'))),
        Some(("qos", name)) => access.qos.contains(name),
        _ => false,
    };
    for of in survey.limits.iter().filter(|limits| concerns(&limits.of)) {
        let set = of.limits.iter().filter(|(word, _)| !["QOS", "Def QOS"].contains(&word.as_str()));
        let words: Vec<String> = set.map(|(word, value)| format!("{word}={value}")).collect();
        if words.is_empty() {
            continue;
        }
        let found = format!("{}: {}", of.of, words.join(", "));
        let stops = of.limits.iter().any(|(w, v)| (w.starts_with("Max") || w.starts_with("Grp")) && v.trim() == "0");
        findings.push(if stops {
            Finding::fail(
                "limits",
                found,
                "a limit of 0 keeps everything from starting; ask the site to lift it, or use another account or QOS",
            )
        } else {
            Finding::ok("limits", found).with("work beyond these limits waits in the site's queue")
        });
    }
    findings
}

fn clock(ahead: i64) -> Finding {
    let found = match ahead {
        0 => "agrees with ours".to_owned(),
        s if s > 0 => format!("is {s} s ahead of ours"),
        s => format!("is {} s behind ours", -s),
    };
    match ahead.abs() {
        0..=CLOCK_OK => Finding::ok("clock", found),
        s if s < CLOCK_MUNGE => Finding::warn(
            "clock",
            found,
            "times are corrected and bills stay right; let both machines follow a time server (NTP)",
        ),
        _ => Finding::warn(
            "clock",
            found,
            "times are corrected, but see which of the two is wrong: tokens and credentials expire by it",
        ),
    }
}

/// Words of the configuration that change what users may expect.
fn settings(survey: &Survey) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut remark = |found: String, advice: &str| findings.push(Finding::warn("settings", found, advice));
    if word(survey, "SelectType").is_some_and(|w| w.contains("linear")) {
        remark(
            "SelectType=select/linear".into(),
            "Slurm gives whole nodes only: small jobs take, and are accounted, whole nodes",
        );
    }
    if let Some(plugins) = word(survey, "JobSubmitPlugins").filter(|w| !is_none(w)) {
        let advice = "the site changes or refuses jobs by its own rules: look at the trial's words";
        remark(format!("JobSubmitPlugins={plugins}"), advice);
    }
    if word(survey, "ProctrackType").is_some_and(|w| w.contains("linuxproc") || w.contains("pgid")) {
        remark(
            "processes are tracked without control groups".into(),
            "what a job leaves behind in the background may outlive it",
        );
    }
    if word(survey, "JobAcctGatherType").is_some_and(is_none) {
        remark("JobAcctGatherType=none".into(), "CPU time and memory peaks of jobs are not measured there");
    }
    if let Some(hidden) = word(survey, "PrivateData").filter(|w| w.contains("node") || w.contains("part")) {
        remark(format!("PrivateData={hidden}"), "the site hides nodes or partitions: what is not shown is not offered");
    }
    if let Some(wait) = number(survey, "KillWait").filter(|s| *s > KILL_WAIT_USUAL) {
        remark(format!("KillWait is {wait} s"), "a cancelled job may run, and cost, that much longer");
    }
    if survey.accounting == AccountingKind::Controller
        && let Some(age) = number(survey, "MinJobAge").filter(|s| *s < JOB_AGE_WANTED)
    {
        remark(
            format!("MinJobAge is {age} s"),
            "after a longer outage of the platform, ends come from its notes in the work folder",
        );
    }
    if number(survey, "MinJobAge") == Some(0) {
        remark(
            "MinJobAge=0".into(),
            "ended jobs are never cleared from the controller's memory: it grows and slows down",
        );
    }
    let requeue = word(survey, "JobRequeue").unwrap_or("1");
    let preempt = word(survey, "PreemptMode").unwrap_or("OFF");
    let said = format!("JobRequeue={requeue}, PreemptMode={preempt}");
    findings.push(Finding::ok("settings", said).with(
        "jobs say themselves whether they may be requeued; runs before a requeue count as intervals of their own",
    ));
    findings
}

fn is_none(word: &str) -> bool {
    let word = word.trim();
    word.is_empty() || word == "(null)" || word.eq_ignore_ascii_case("none") || word.ends_with("/none")
}

/// A word of the configuration.
fn word<'a>(survey: &'a Survey, name: &str) -> Option<&'a str> {
    survey.config.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
}

/// Its leading number: `300 sec` is 300.
fn number(survey: &Survey, name: &str) -> Option<u64> {
    let text = word(survey, name)?.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    text[..digits].parse().ok()
}
