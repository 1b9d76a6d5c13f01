//! The argument vectors of Slurm's commands. Pure. Every value is an argument of its own (`--option=value`), never a part of a
//! shell's text; every list of jobs is cut so that it fits.

use crate::carrier::{Cancel, Gres, JobNumber, SubmitRequest};
use crate::cli::hostlist;
use crate::cli::runner::ARGUMENT_BYTES_MAX;

/// Between values that Slurm itself makes: the unit separator, which none of them contains.
pub const UNIT: char = '\u{1f}';

/// All states but `PENDING`: Slurm's commands know no "not".
pub const NOT_PENDING: &str = "R,CG,S,CD,F,CA,TO,NF,PR,BF,DL,OOM,CF,RQ,RH,SE,RS,RV,SO,SI,ST";

/// What [`crate::cli::read_queue::jobs`] reads: words of Slurm's own, each closed by [`UNIT`], then name and comment, which may hold
/// anything, each closed by `mark`.
pub fn queue_format(mark: &str, whose: Whose<'_>) -> String {
    let mut format = String::new();
    for name in QUEUE_FIELDS {
        format.push_str(name);
        format.push(':');
        format.push(UNIT);
        format.push(',');
    }
    let format = format + "Name:" + mark + ",Comment:" + mark;
    if whose == Whose::Everybodys { format + ",UserName:" + mark } else { format }
}

/// Whose jobs are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose<'a> {
    /// Of the account that asks.
    Ours,
    Of(&'a str),
    /// Each with its user.
    Everybodys,
}

impl Whose<'_> {
    fn option(self) -> Option<String> {
        match self {
            Whose::Ours => Some("--me".to_owned()),
            Whose::Of(user) => Some(format!("--user={user}")),
            Whose::Everybodys => None,
        }
    }
}

/// Fields of Slurm's own words in a line of the queue, in their order.
pub const QUEUE_FIELDS: [&str; 11] = [
    "JobID",
    "State",
    "Reason",
    "SubmitTime",
    "StartTime",
    "EndTime",
    "TimeUsed",
    "NodeList",
    "RestartCnt",
    "exit_code",
    "tres-alloc",
];

/// `squeue` for jobs in `states`.
pub fn squeue(whose: Whose<'_>, states: &str, mark: &str) -> Vec<String> {
    let mut words = vec!["-h".to_owned()];
    words.extend(whose.option());
    words.extend([format!("--states={states}"), "-O".to_owned(), queue_format(mark, whose)]);
    words
}

/// `squeue` for the steps of jobs that run: one line each with the job's number. Its cost follows what runs, not what waits.
pub fn steps(whose: Whose<'_>) -> Vec<String> {
    let mut words = vec!["-h".to_owned(), "--steps".to_owned()];
    words.extend(whose.option());
    words.extend(["-O".to_owned(), format!("JobID:{UNIT}")]);
    words
}

/// What `scontrol` reads to show some jobs: a command for each, and after it one which prints `mark`.
pub fn details(numbers: &[JobNumber], mark: &str) -> String {
    numbers.iter().map(|number| format!("show job {number}\nshow hostnames {mark}\n")).collect()
}

/// Fields of `sacct`, in their order. The name, which may hold anything, stands between words of Slurm's own, and the last field is
/// such a word: it ends at the line's end.
pub const ACCOUNT_FIELDS: [&str; 14] = [
    "JobIDRaw",
    "JobName",
    "Comment",
    "Submit",
    "Start",
    "End",
    "Suspended",
    "NodeList",
    "ExitCode",
    "AllocTRES",
    "TotalCPU",
    "TRESUsageInTot",
    "TRESUsageOutTot",
    "State",
];

/// `sacct` with every run of requeued jobs and all steps. `completion_log` reads `jobcomp/filetxt` instead of slurmdbd.
pub fn sacct(completion_log: bool, mark: &str, whose: Whose<'_>) -> Vec<String> {
    let mut format = format!("--format={}", ACCOUNT_FIELDS.join(","));
    let mut arguments = vec!["-n".to_owned(), "-P".to_owned(), format!("--delimiter={mark}")];
    if whose == Whose::Everybodys {
        format += ",User";
        arguments.push("--allusers".to_owned());
    }
    arguments.push(format);
    arguments.push(if completion_log { "--completion" } else { "--duplicates" }.to_owned());
    arguments
}

/// `sbatch`, the script on its standard input. The job gets the environment in which `sbatch` runs, which is made for it.
pub fn sbatch(request: &SubmitRequest) -> Vec<String> {
    let requeue = if request.requeue { "--requeue" } else { "--no-requeue" };
    let mut arguments: Vec<String> =
        ["--parsable", requeue, "--export=ALL", "--propagate=NONE"].iter().map(|&word| word.to_owned()).collect();
    let mut option = |name: &str, value: &str| arguments.push(format!("--{name}={value}"));
    option("job-name", &request.name);
    option("comment", &request.comment);
    for (name, value) in [
        ("partition", &request.partition),
        ("account", &request.account),
        ("qos", &request.qos),
        ("reservation", &request.reservation),
        ("constraint", &request.constraint),
        ("error", &request.stderr),
        ("input", &request.stdin),
        ("signal", &request.signal),
    ] {
        if let Some(value) = value {
            option(name, value);
        }
    }
    option("nodes", &request.nodes.to_string());
    option("ntasks", &request.tasks.to_string());
    if let Some(tasks) = request.tasks_per_node {
        option("ntasks-per-node", &tasks.to_string());
    }
    option("cpus-per-task", &request.cpus_per_task.to_string());
    if let Some(licences) = &request.licences {
        option("licenses", licences);
    }
    if let Some((count, wait)) = request.switches {
        option("switches", &wait.map_or_else(|| count.to_string(), |wait| format!("{count}@{wait}")));
    }
    if request.mem_per_node.0 > 0 {
        // Slurm counts whole megabytes; a part of one is a whole one.
        option("mem", &format!("{}M", request.mem_per_node.0.div_ceil(1 << 20)));
    }
    if !request.gres.is_empty() {
        option("gres", &request.gres.iter().map(one_gres).collect::<Vec<_>>().join(","));
    }
    if !request.exclude.is_empty() {
        option("exclude", &hostlist::compress(request.exclude.iter().map(String::as_str)));
    }
    option("time", &request.time_limit_minutes.to_string());
    option("chdir", &request.work_dir);
    option("output", &request.stdout);
    option("open-mode", if request.append { "append" } else { "truncate" });
    if request.held {
        arguments.push("--hold".to_owned());
    }
    arguments
}

fn one_gres(gres: &Gres) -> String {
    match &gres.kind {
        Some(kind) => format!("{}:{kind}:{}", gres.name, gres.count),
        None => format!("{}:{}", gres.name, gres.count),
    }
}

/// What keeps these arguments from being passed at all.
pub fn unpassable(arguments: &[String], together_max: usize) -> Option<String> {
    if arguments.iter().any(|argument| argument.contains('\0')) {
        return Some("a zero byte cannot be passed to sbatch".to_owned());
    }
    if let Some(long) = arguments.iter().find(|argument| argument.len() > ARGUMENT_BYTES_MAX) {
        let name: String = long.chars().take_while(|&c| c != '=').collect();
        return Some(format!("{name} is longer than {ARGUMENT_BYTES_MAX} bytes"));
    }
    let together: usize = arguments.iter().map(|argument| argument.len() + 1).sum();
    (together > together_max)
        .then(|| format!("the options have {together} bytes together; at most {together_max} pass"))
}

/// Options of `scancel` before the numbers.
pub fn scancel(how: Cancel) -> Vec<String> {
    match how {
        Cancel::End => Vec::new(),
        Cancel::Signal(signal) => vec![format!("--signal={signal}"), "--full".to_owned()],
        Cancel::SignalShell(signal) => vec![format!("--signal={signal}"), "--batch".to_owned()],
    }
}

/// Numbers in texts `1,2,3` of at most `bytes` each, in their order.
pub fn number_lists(numbers: &[JobNumber], bytes: usize) -> Vec<String> {
    let mut lists: Vec<String> = Vec::new();
    for number in numbers {
        let word = number.to_string();
        match lists.last_mut() {
            Some(list) if list.len() + 1 + word.len() <= bytes => {
                list.push(',');
                list.push_str(&word);
            }
            _ => lists.push(word),
        }
    }
    lists
}

/// The time as `sacct --starttime` takes it, in UTC.
pub fn utc(seconds: i64) -> String {
    // Days to civil date: H. Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
    let (days, rest) = (seconds.div_euclid(86_400) + 719_468, seconds.rem_euclid(86_400));
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", rest / 3_600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use base::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn request() -> SubmitRequest {
        SubmitRequest {
            name: "hw-1".into(),
            comment: "a \"b\" $(c)\n🜚".into(),
            script: "#!/bin/sh\n".into(),
            partition: Some("gpu".into()),
            account: None,
            qos: Some("low".into()),
            reservation: None,
            licences: None,
            switches: None,
            nodes: 2,
            tasks: 8,
            tasks_per_node: Some(4),
            cpus_per_task: 3,
            mem_per_node: Bytes((1 << 30) + 1),
            gres: vec![
                Gres { name: "gpu".into(), kind: Some("a100".into()), count: 2 },
                Gres { name: "nic".into(), kind: None, count: 1 },
            ],
            constraint: Some("ib&a100".into()),
            exclude: vec!["n7".into(), "n8".into()],
            time_limit_minutes: 90,
            signal: Some("B:43@60".into()),
            requeue: false,
            work_dir: "/w/a b".into(),
            stdout: "/w/out%%".into(),
            stderr: None,
            stdin: Some("/dev/null".into()),
            append: true,
            held: true,
            run_as: None,
        }
    }

    #[test]
    fn each_value_is_one_argument() {
        insta::assert_debug_snapshot!(sbatch(&request()));
    }

    #[test]
    fn what_cannot_be_passed_is_said() {
        assert_eq!(unpassable(&sbatch(&request()), 1 << 20), None);
        let with = |comment: String| sbatch(&SubmitRequest { comment, ..request() });
        assert!(unpassable(&with("a\0b".into()), 1 << 20).unwrap().contains("zero byte"));
        assert!(unpassable(&with("x".repeat(200_000)), 1 << 20).unwrap().starts_with("--comment is longer"));
        assert!(unpassable(&with("x".repeat(100_000)), 90_000).unwrap().contains("together"));
    }

    #[test]
    fn times_for_sacct() {
        assert_eq!(utc(0), "1970-01-01T00:00:00");
        assert_eq!(utc(1_795_259_210), "2026-11-21T11:06:50");
        assert_eq!(utc(951_782_399), "2000-02-28T23:59:59");
        assert_eq!(utc(951_868_800), "2000-03-01T00:00:00");
    }

    proptest! {
        #[test]
        fn lists_hold_every_number_once(numbers in prop::collection::vec(any::<u32>(), 0..200), bytes in 10..300_usize) {
            let lists = number_lists(&numbers, bytes);
            prop_assert!(lists.iter().all(|list| list.len() <= bytes));
            let back: Vec<u32> =
                lists.iter().flat_map(|list| list.split(',')).map(|word| word.parse().unwrap()).collect();
            prop_assert_eq!(back, numbers);
        }
    }
}
