//! What `sacct --parsable2` prints becomes a trace. Columns are found by their names in the first line, in any order; people,
//! accounts, programs, classes and partitions become numbers. Knows no file and asks no Slurm.

use std::collections::BTreeMap;
use std::io::BufRead;

use base::Timestamp;

use super::{BadLine, Header, LineFault, OnBad, Record, Trace, TraceError, Wanted, excerpt};

/// Columns that may stand for one value, the better first.
const JOB: &[&str] = &["JobIDRaw", "JobID"];
const SUBMIT: &[&str] = &["Submit"];
const START: &[&str] = &["Start"];
const END: &[&str] = &["End"];
const PROCS: &[&str] = &["AllocCPUS", "NCPUS"];
const PROCS_REQUESTED: &[&str] = &["ReqCPUS"];

/// Places of the columns in a line.
#[derive(Debug)]
struct Columns {
    names: Vec<String>,
}

impl Columns {
    fn at(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.names.iter().position(|column| column.eq_ignore_ascii_case(name)))
    }
    fn of<'a>(&self, fields: &[&'a str], names: &[&str]) -> Option<&'a str> {
        let text = fields.get(self.at(names)?)?.trim();
        (!text.is_empty()).then_some(text)
    }
}

/// Numbers for names, in the order of their first appearance, from 1.
#[derive(Debug, Default)]
struct Numbers(BTreeMap<String, u32>);

impl Numbers {
    fn of(&mut self, name: Option<&str>) -> Option<u32> {
        let next = u32::try_from(self.0.len() + 1).ok()?;
        Some(*self.0.entry(name?.to_owned()).or_insert(next))
    }
    /// Header lines as SWF names queues and partitions.
    fn lines(self, label: &str, header: &mut Header) {
        let mut by_number: Vec<(u32, String)> = self.0.into_iter().map(|(name, number)| (number, name)).collect();
        by_number.sort_unstable();
        header.lines.extend(by_number.into_iter().map(|(number, name)| format!("; {label}: {number} {name}")));
    }
}

#[derive(Debug, Default)]
struct Names {
    users: Numbers,
    groups: Numbers,
    apps: Numbers,
    queues: Numbers,
    partitions: Numbers,
}

/// Reads a dump. Lines of steps (`12.batch`) belong to their job and are passed over. Times count from the earliest
/// submission, which the header tells as `UnixStartTime`; times without a zone are taken as UTC.
///
/// # Errors
/// When the input cannot be read, when the first line lacks a column that is needed (a job's number, `Submit`, processors, and an
/// elapsed time or start and end), or at the first bad line where those are refused.
pub fn read(input: impl BufRead, on_bad: OnBad) -> Result<Trace, TraceError> {
    let mut lines = input.split(b'\n');
    let first = lines.next().transpose()?.unwrap_or_default();
    let first = String::from_utf8_lossy(&first).trim().trim_end_matches('|').to_owned();
    let columns = Columns { names: first.split('|').map(|name| name.trim().to_owned()).collect() };
    require(&columns)?;
    let (mut trace, mut names) = (Trace::default(), Names::default());
    for (number, line) in (2..).zip(lines) {
        let line = line?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let read = std::str::from_utf8(&line).map_err(|_| LineFault::NotText);
        match read.and_then(|text| record(&columns, text.trim_end_matches('\r'), &mut names)) {
            Ok(record) => trace.records.extend(record),
            Err(fault) => {
                let bad = BadLine { line: number, fault };
                match on_bad {
                    OnBad::Refuse => return Err(bad.into()),
                    OnBad::Skip => trace.bad.push(bad),
                }
            }
        }
    }
    let epoch = trace.records.iter().filter_map(|record| record.submit_s).min().unwrap_or_default();
    for submit in trace.records.iter_mut().filter_map(|record| record.submit_s.as_mut()) {
        *submit -= epoch;
    }
    trace.records.sort_by_key(|record| record.submit_s);
    trace.header.lines = vec![
        "; Version: 2.2".into(),
        "; Conversion: from sacct, by Headworks".into(),
        format!("; MaxRecords: {}", trace.records.len()),
        format!("; UnixStartTime: {epoch}"),
    ];
    names.queues.lines("Queue", &mut trace.header);
    names.partitions.lines("Partition", &mut trace.header);
    Ok(trace)
}

fn require(columns: &Columns) -> Result<(), TraceError> {
    let has = |names: &[&str]| columns.at(names).is_some();
    let mut missing = Vec::new();
    for (is_there, what) in [
        (has(JOB), "JobIDRaw or JobID"),
        (has(SUBMIT), "Submit"),
        (has(PROCS) || has(PROCS_REQUESTED) || has(&["AllocTRES"]), "AllocCPUS, NCPUS, ReqCPUS or AllocTRES"),
        (has(&["ElapsedRaw", "Elapsed"]) || has(START) && has(END), "ElapsedRaw, Elapsed, or Start and End"),
    ] {
        if !is_there {
            missing.push(what);
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(TraceError::Columns { missing }) }
}

fn record(columns: &Columns, line: &str, names: &mut Names) -> Result<Option<Record>, LineFault> {
    // `--parsable` ends each line with a bar, `--parsable2` does not.
    let mut fields: Vec<&str> = line.split('|').collect();
    if fields.len() == columns.names.len() + 1 && fields.last() == Some(&"") {
        fields.pop();
    }
    if fields.len() != columns.names.len() {
        return Err(LineFault::Fields { found: fields.len(), wanted: columns.names.len() });
    }
    let of = |names: &[&str]| columns.of(&fields, names);
    let id = of(JOB).unwrap_or_default();
    if id.contains('.') {
        return Ok(None);
    }
    // `12_3` and `12+0` without the raw column: the first number, so elements of an array share it.
    let digits = id.find(|c: char| !c.is_ascii_digit()).unwrap_or(id.len());
    let job = id[..digits].parse().map_err(|_| value("job number", id, Wanted::JobNumber))?;
    let time = |names: &'static [&'static str]| of(names).map_or(Ok(None), |text| instant(names[0], text));
    let (submit, start, end) = (time(SUBMIT)?, time(START)?, time(END)?);
    let spent = spent(columns, &fields)?;
    let run_s = start.and(spent.or_else(|| Some(end? - start?))).filter(|run| *run >= 0);
    let procs = number(of(PROCS)).or_else(|| tres_cpus(of(&["AllocTRES"])));
    let requested = number(of(PROCS_REQUESTED)).or_else(|| tres_cpus(of(&["ReqTRES"])));
    let (procs, requested) = (procs.filter(|n| *n > 0), requested.filter(|n| *n > 0));
    let cpu = of(&["TotalCPU"]).and_then(span).map(|seconds| seconds / f64::from(procs.unwrap_or(1)));
    let nodes = number(of(&["AllocNodes", "NNodes", "ReqNodes"]));
    Ok(Some(Record {
        job,
        submit_s: submit,
        wait_s: start.zip(submit).map(|(start, submit)| start - submit).filter(|wait| *wait >= 0),
        run_s,
        procs_allocated: procs,
        cpu_s: cpu,
        memory_used_kib: None,
        procs_requested: requested,
        estimate_s: limit(columns, &fields)?,
        memory_requested_kib: of(&["ReqMem"]).and_then(|text| memory(text, nodes, requested.or(procs))),
        status: of(&["State"]).and_then(status),
        user: names.users.of(of(&["User", "UID"])),
        group: names.groups.of(of(&["Account", "Group", "GID"])),
        app: names.apps.of(of(&["JobName"])),
        queue: names.queues.of(of(&["QOS"])),
        partition: names.partitions.of(of(&["Partition"])),
        preceding: None,
        think_s: None,
    }))
}

fn value(field: &'static str, text: &str, wanted: Wanted) -> LineFault {
    LineFault::Value { field, text: excerpt(text.as_bytes()), wanted }
}

fn number(text: Option<&str>) -> Option<u32> {
    text?.parse().ok()
}

/// `cpu=4` of `billing=4,cpu=4,mem=16G,node=1`.
fn tres_cpus(text: Option<&str>) -> Option<u32> {
    text?.split(',').find_map(|part| part.strip_prefix("cpu="))?.parse().ok()
}

/// Seconds since 1970 of `2026-11-21T08:00:00` or of a number; nothing for `Unknown` and `None`.
fn instant(field: &'static str, text: &str) -> Result<Option<i64>, LineFault> {
    if text.eq_ignore_ascii_case("unknown") || text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    let read = Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}Z")));
    read.map(|at| Some(at.as_secs())).ok_or_else(|| value(field, text, Wanted::Time))
}

fn spent(columns: &Columns, fields: &[&str]) -> Result<Option<i64>, LineFault> {
    let text = columns.of(fields, &["ElapsedRaw", "Elapsed"]);
    let Some(text) = text else { return Ok(None) };
    if let Ok(seconds) = text.parse() {
        return Ok(Some(seconds));
    }
    span(text).map(|seconds| Some(seconds as i64)).ok_or_else(|| value("Elapsed", text, Wanted::Span))
}

fn limit(columns: &Columns, fields: &[&str]) -> Result<Option<i64>, LineFault> {
    if let Some(minutes) = columns.of(fields, &["TimelimitRaw"]).and_then(|text| text.parse::<i64>().ok()) {
        return Ok(Some(minutes.saturating_mul(60)));
    }
    match columns.of(fields, &["Timelimit"]) {
        None | Some("UNLIMITED" | "Partition_Limit" | "INVALID") => Ok(None),
        Some(text) => {
            span(text).map(|seconds| Some(seconds as i64)).ok_or_else(|| value("Timelimit", text, Wanted::Span))
        }
    }
}

/// Seconds of `[days-]hours:minutes:seconds`, `minutes:seconds[.thousandths]`.
fn span(text: &str) -> Option<f64> {
    let (days, rest) = match text.split_once('-') {
        Some((days, rest)) => (days.parse::<u32>().ok()?, rest),
        None => (0, text),
    };
    let parts: Vec<&str> = rest.split(':').collect();
    let (hours, minutes, seconds) = match parts[..] {
        [h, m, s] => (h.parse::<u32>().ok()?, m.parse::<u32>().ok()?, s.parse::<f64>().ok()?),
        [m, s] => (0, m.parse::<u32>().ok()?, s.parse::<f64>().ok()?),
        _ => return None,
    };
    (0.0..1e9)
        .contains(&seconds)
        .then(|| f64::from(days) * 86_400.0 + f64::from(hours) * 3_600.0 + f64::from(minutes) * 60.0 + seconds)
}

/// KiB for each processor of `4000M` (the job's), `4Gn` (each node's), `1Gc` (each core's).
fn memory(text: &str, nodes: Option<u32>, procs: Option<u32>) -> Option<u64> {
    let per = text.chars().next_back().filter(|c| matches!(c, 'n' | 'c'));
    let text = text.trim_end_matches(['n', 'c']);
    let at = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let kib = text[..at].parse::<f64>().ok()?
        * match &text[at..] {
            "K" => 1.0,
            "M" | "" => 1024.0,
            "G" => 1024.0 * 1024.0,
            "T" => 1024.0 * 1024.0 * 1024.0,
            _ => return None,
        };
    let share = match per {
        Some('c') => kib,
        Some(_) => kib * f64::from(nodes?) / f64::from(procs?),
        None => kib / f64::from(procs?),
    };
    Some(share.round() as u64)
}

/// SWF's status: 1 completed, 0 failed, 5 cancelled; nothing for what has not ended.
fn status(state: &str) -> Option<u32> {
    match state.split([' ', '+']).next()? {
        "COMPLETED" | "CD" => Some(1),
        "CANCELLED" | "CA" => Some(5),
        "PENDING" | "PD" | "RUNNING" | "R" | "SUSPENDED" | "S" | "REQUEUED" | "RESIZING" => None,
        _ => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "\
JobID|User|Account|Partition|QOS|JobName|Submit|Start|End|Elapsed|Timelimit|AllocCPUS|ReqCPUS|NNodes|ReqMem|TotalCPU|State
7|ann|bio|batch|normal|melt|2026-11-21T08:00:10|2026-11-21T08:01:00|2026-11-21T09:01:00|01:00:00|1-00:00:00|64|32|2|8G|1-02:00:00|COMPLETED
7.batch||bio||||2026-11-21T08:01:00|2026-11-21T08:01:00|2026-11-21T09:01:00|01:00:00||32||1||30:00.500|COMPLETED
8_3|bob|bio|batch|high|melt|2026-11-21T08:00:00|2026-11-21T08:00:00|2026-11-21T08:00:30|00:00:30|UNLIMITED|1|1|1|2Gc|00:01.500|CANCELLED by 0
9|ann|bio|gpu|normal|train|2026-11-21T08:00:20|Unknown|Unknown|00:00:00|02:00:00|0|8|1|16Gn|00:00:00|PENDING
";

    #[test]
    fn a_dump_becomes_a_trace() {
        let trace = read(DUMP.as_bytes(), OnBad::Refuse).unwrap();
        assert_eq!(trace.header.number("UnixStartTime"), Some(1_795_248_000));
        assert_eq!(trace.header.all("Partition").collect::<Vec<_>>(), ["1 batch", "2 gpu"]);
        assert_eq!(trace.header.all("Queue").collect::<Vec<_>>(), ["1 normal", "2 high"]);
        let [bob, ann, pending] = &trace.records[..] else { panic!("{:?}", trace.records) };
        assert_eq!(
            (bob.job, bob.submit_s, bob.wait_s, bob.run_s, bob.estimate_s),
            (8, Some(0), Some(0), Some(30), None)
        );
        assert_eq!((bob.status, bob.cpu_s, bob.memory_requested_kib), (Some(5), Some(1.5), Some(2 << 20)));
        assert_eq!(
            (ann.submit_s, ann.wait_s, ann.run_s, ann.estimate_s),
            (Some(10), Some(50), Some(3_600), Some(86_400))
        );
        assert_eq!((ann.procs_allocated, ann.procs_requested, ann.cpu_s), (Some(64), Some(32), Some(1_462.5)));
        assert_eq!((ann.user, bob.user, ann.app, bob.app), (Some(1), Some(2), Some(1), Some(1)));
        assert_eq!((pending.run_s, pending.procs_allocated, pending.procs_requested), (None, None, Some(8)));
        assert_eq!((pending.status, pending.memory_requested_kib), (None, Some(2 << 20)));
    }

    #[test]
    fn raw_columns_are_better_and_epochs_are_times() {
        let dump = "JobIDRaw|JobID|Submit|ElapsedRaw|TimelimitRaw|AllocTRES|Start|\n12|9_1|100|5|2|billing=4,cpu=4,mem=1G|101|\n";
        let trace = read(dump.as_bytes(), OnBad::Refuse).unwrap();
        let record = &trace.records[0];
        assert_eq!((record.job, record.wait_s, record.run_s), (12, Some(1), Some(5)));
        assert_eq!((record.estimate_s, record.procs_allocated), (Some(120), Some(4)));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let missing = read("JobID|User\n".as_bytes(), OnBad::Skip).unwrap_err().to_string();
        assert!(
            missing.contains("Submit") && missing.contains("AllocCPUS") && missing.contains("Elapsed"),
            "{missing}"
        );
        let dump = DUMP.replace("2026-11-21T08:00:10", "soon").replace("|02:00:00|", "|long|");
        let trace = read(dump.as_bytes(), OnBad::Skip).unwrap();
        let told: Vec<String> = trace.bad.iter().map(ToString::to_string).collect();
        assert_eq!(trace.records.len(), 1);
        assert!(told[0].starts_with("line 2: Submit is `soon`"), "{told:?}");
        assert!(told[1].starts_with("line 5: Timelimit is `long`"), "{told:?}");
        assert!(
            read(format!("{DUMP}1|2\n").as_bytes(), OnBad::Refuse)
                .unwrap_err()
                .to_string()
                .starts_with("line 6: 2 fields")
        );
    }
}
