//! From options as texts to a draft of a job: reads every value, checks what belongs together, reports all faults at
//! once. Names (project, other jobs, pools) stay names; the caller looks them up.

use std::sync::Arc;

use base::{Span, Timestamp};
use model::spec::script_id;
use model::{Conditions, DependencyKind, ExportPolicy, JobSpec};

use crate::fault::{Fault, FaultCode, Origin, Warning, quoted};
use crate::limits::*;
use crate::mail;
use crate::options::{Given, Key, Options, Parsed};
use crate::shape::{self, Asked, Got};
use crate::value::{self, Bad, Export, JobRef};
use crate::when::{self, Now};

/// What a description is read against; everything from outside is here.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub now: Timestamp,
    /// Of the submitter, for times of day; east of Greenwich is positive.
    pub utc_offset_seconds: i32,
    /// Absolute folder which a relative `--chdir` starts from, when known.
    pub submit_dir: Option<&'a str>,
    /// File name of the script, the default of the job's name.
    pub script_name: Option<&'a str>,
    pub args: &'a [String],
    /// The submitter's variables, as far as the client sent them.
    pub environment: &'a [(String, String)],
}

impl Context<'_> {
    /// Nothing known but the time, in UTC.
    pub fn at(now: Timestamp) -> Context<'static> {
        Context { now, utc_offset_seconds: 0, submit_dir: None, script_name: None, args: &[], environment: &[] }
    }
}

/// `on` must end as `kind` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DraftDependency {
    pub kind: DependencyKind,
    pub on: JobRef,
}

/// A checked job whose references to other nouns are still names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Complete but for `dependencies`, which is empty; `request.fault()` is `None`.
    pub spec: JobSpec,
    /// In order, without repetition; to be looked up and put into `spec`.
    pub dependencies: Vec<DraftDependency>,
    /// Name of the project that pays; `None` means the user's own default.
    pub account: Option<Arc<str>>,
    /// The text whose digest is `spec.script`.
    pub script: Arc<str>,
    pub warnings: Vec<Warning>,
}

/// Where output goes when `--output` is not given, as in Slurm. Errors go to the same file.
pub const fn default_output(array: bool) -> &'static str {
    if array { "slurm-%A_%a.out" } else { "slurm-%j.out" }
}

/// Checks everything and makes the draft. Errors: every fault, in the order of options, contradictions last.
pub fn resolve(parsed: &Parsed, defaults: &Defaults, context: Context<'_>) -> Result<Draft, Vec<Fault>> {
    let mut reader = Reader { options: &parsed.options, faults: Vec::new(), warnings: parsed.warnings.clone() };
    let asked = sizes(&mut reader);
    let request = if reader.faults.is_empty() {
        match shape::request(&asked, defaults.mem_per_cpu) {
            Ok((request, warnings)) => {
                reader.warnings.extend(warnings);
                Some(request)
            }
            Err(faults) => {
                reader.faults.extend(faults);
                None
            }
        }
    } else {
        None
    };
    let script = parsed.script().cloned();
    if script.is_none() {
        let message = "there is no script: send one that begins with `#!/bin/bash`";
        reader.faults.push(Fault::new(Origin::Json, "", FaultCode::ScriptMissing, message));
    }
    // A stand-in keeps reading, so that all faults are told at once; it never leaves this function.
    let stand_in = || model::Request::single(defaults.mem_per_cpu);
    let mut spec = JobSpec::minimal(
        &job_name(&mut reader, context),
        script_id(script.as_deref().unwrap_or_default()),
        request.unwrap_or_else(stand_in),
        Span::ZERO,
    );
    times(&mut reader, &mut spec, defaults, context);
    files(&mut reader, &mut spec, context);
    checkpoints(&mut reader, &mut spec, defaults.checkpoint_interval_min);
    surroundings(&mut reader, &mut spec, context);
    spec.requeue = reader.options.requeue.as_ref().map_or(defaults.requeue, |r| r.value);
    spec.preemptible = reader.options.preemptible.as_ref().is_some_and(|p| p.value);
    spec.hold = reader.options.hold.as_ref().is_some_and(|h| h.value);
    let account = reader.read(Key::Account, value::name).map(|got| got.value);
    let dependencies = reader.read(Key::Dependency, value::dependencies).map(|got| got.value).unwrap_or_default();
    reader.faults.truncate(FAULTS_MAX);
    reader.warnings.truncate(WARNINGS_MAX);
    match script {
        Some(script) if reader.faults.is_empty() => Ok(Draft {
            spec,
            dependencies: dependencies.into_iter().map(|(kind, on)| DraftDependency { kind, on }).collect(),
            account,
            script,
            warnings: reader.warnings,
        }),
        _ => Err(reader.faults),
    }
}

/// Reads options one by one and collects what is wrong with them.
struct Reader<'a> {
    options: &'a Options,
    faults: Vec<Fault>,
    warnings: Vec<Warning>,
}

impl Reader<'_> {
    fn read<T>(&mut self, key: Key, read: impl FnOnce(&str) -> Result<T, Bad>) -> Option<Got<T>> {
        let Given { value, origin } = self.options.get(key)?;
        match read(value) {
            Ok(value) => Some(Got { value, key, origin: *origin }),
            Err(bad) => {
                self.faults.push(Fault::new(*origin, key.name(), bad.code, bad.message));
                None
            }
        }
    }
    fn warn(&mut self, origin: Origin, key: Key, message: impl Into<String>) {
        self.warnings.push(Warning::new(origin, key.name(), message));
    }
}

fn sizes(reader: &mut Reader<'_>) -> Asked {
    // All GPUs of a job: GPUS_PER_NODE_MAX on each of NODES_MAX nodes is 102 million, inside u32.
    const GPUS_MAX: u32 = GPUS_PER_NODE_MAX * NODES_MAX;
    Asked {
        nodes: reader.read(Key::Nodes, value::nodes),
        ntasks: reader.read(Key::Ntasks, |t| value::count(t, 1, TASKS_MAX)),
        ntasks_per_node: reader.read(Key::NtasksPerNode, |t| value::count(t, 1, CORES_PER_NODE_MAX)),
        cpus_per_task: reader.read(Key::CpusPerTask, |t| value::count(t, 1, CORES_PER_NODE_MAX)),
        mem: reader.read(Key::Mem, value::memory),
        mem_per_cpu: reader.read(Key::MemPerCpu, value::memory),
        gpus: reader.read(Key::Gpus, |t| value::gpus(t, GPUS_MAX)),
        gpus_per_node: reader.read(Key::GpusPerNode, |t| value::gpus(t, GPUS_PER_NODE_MAX)),
        gpus_per_task: reader.read(Key::GpusPerTask, |t| value::gpus(t, GPUS_PER_NODE_MAX)),
        gres: reader.read(Key::Gres, value::gres),
        chip: reader.read(Key::Chip, value::chips),
    }
}

/// `--job-name`, or the script's file name cut to length, or `sbatch` as Slurm calls a script without a file.
fn job_name(reader: &mut Reader<'_>, context: Context<'_>) -> String {
    if let Some(got) = reader.read(Key::JobName, |t| value::one_line(t, NAME_LENGTH_MAX)) {
        return got.value.to_string();
    }
    let file = context.script_name.unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let mut name: String = file.chars().filter(|c| !c.is_control()).collect();
    while name.len() > NAME_LENGTH_MAX {
        name.pop();
    }
    if name.trim().is_empty() { "sbatch".into() } else { name }
}

fn times(reader: &mut Reader<'_>, spec: &mut JobSpec, defaults: &Defaults, context: Context<'_>) {
    let now = Now { at: context.now, utc_offset_seconds: context.utc_offset_seconds };
    let limit = reader.read(Key::Time, value::time_limit);
    spec.time_limit = limit.as_ref().map_or(defaults.time_limit, |got| got.value);
    let begin = reader.read(Key::Begin, |t| when::moment(t, now));
    if let Some(got) = begin.as_ref().filter(|got| got.value < context.now) {
        reader.warn(got.origin, Key::Begin, "lies in the past: the job may start at once");
    }
    spec.begin = begin.as_ref().map(|got| got.value).filter(|at| *at > context.now);
    // A faulty time or begin is told by itself; what it would have meant for the deadline is not guessed.
    let known =
        (limit.is_some() || reader.options.time.is_none()) && (begin.is_some() || reader.options.begin.is_none());
    if let Some(got) = reader.read(Key::Deadline, |t| when::moment(t, now)) {
        let start = spec.begin.unwrap_or(context.now);
        if got.value <= context.now {
            let message = "lies in the past: say a later moment";
            reader.faults.push(Fault::new(got.origin, Key::Deadline.name(), FaultCode::OutOfRange, message));
        } else if known && start + spec.time_limit > got.value {
            let why = format!(
                "a job of {} that starts {} at the earliest cannot end by {}",
                spec.time_limit,
                whole_seconds(start),
                whole_seconds(got.value)
            );
            let fault = match (&limit, &begin) {
                (Some(other), _) => {
                    Fault::contradiction((got.key.name(), got.origin), (other.key.name(), other.origin), why)
                }
                (None, Some(other)) => {
                    Fault::contradiction((got.key.name(), got.origin), (other.key.name(), other.origin), why)
                }
                (None, None) => {
                    Fault::new(got.origin, got.key.name(), FaultCode::OutOfRange, why).hint("say a shorter `--time`")
                }
            };
            reader.faults.push(fault);
        }
        spec.deadline = Some(got.value);
    }
    if let Some(got) = reader.read(Key::Signal, value::signal) {
        if got.value.before >= spec.time_limit {
            let message = format!("is sent as soon as the job starts: its time limit is only {}", spec.time_limit);
            reader.warn(got.origin, Key::Signal, message);
        }
        spec.signal = Some(got.value);
    }
}

/// RFC 3339 in UTC without the fraction.
fn whole_seconds(at: Timestamp) -> String {
    Timestamp::from_secs(at.as_secs()).rfc3339().replace(".000000", "")
}

fn files(reader: &mut Reader<'_>, spec: &mut JobSpec, context: Context<'_>) {
    spec.array = reader.read(Key::Array, value::array).map(|got| got.value);
    spec.work_dir = reader.read(Key::Chdir, |t| folder(t, context.submit_dir)).map(|got| got.value);
    let output = reader.read(Key::Output, value::pattern);
    if let Some(got) = output.as_ref().filter(|got| spec.array.is_some() && !varies(&got.value)) {
        reader.warn(got.origin, Key::Output, "is the same file for every element of the array: put `%a` into it");
    }
    spec.stdout = output.map(|got| got.value);
    spec.stderr = reader.read(Key::Error, value::pattern).map(|got| got.value);
    spec.stdin = reader.read(Key::Input, value::pattern).map(|got| got.value);
    if let Some(got) = reader.read(Key::Fetch, value::fetch) {
        if spec.work_dir.is_some() {
            let message =
                "a job with `chdir` works in a folder of its own choice, from which nothing is fetched: leave one out";
            reader.faults.push(Fault::new(got.origin, Key::Fetch.name(), FaultCode::UnsupportedValue, message));
        }
        spec.fetch = got.value;
    }
    spec.append = reader.read(Key::OpenMode, value::open_mode).is_some_and(|got| got.value);
}

fn checkpoints(reader: &mut Reader<'_>, spec: &mut JobSpec, least: Span) {
    let every = reader.read(Key::CheckpointInterval, value::time_limit);
    let Some(got) = reader.read(Key::Checkpoint, value::fetch) else {
        if let Some(every) = every {
            reader.warn(every.origin, Key::CheckpointInterval, "has no effect without `checkpoint`");
        }
        return;
    };
    let mut fault = |origin, key: Key, code, message| reader.faults.push(Fault::new(origin, key.name(), code, message));
    if spec.work_dir.is_some() {
        let message =
            "a job with `chdir` works in a folder of its own choice, from which nothing is copied: leave one out";
        fault(got.origin, Key::Checkpoint, FaultCode::UnsupportedValue, message.to_owned());
    }
    if let Some(every) = every.as_ref().filter(|every| every.value < least) {
        let message = format!("{} is too short: checkpoints are at least {least} apart", every.value);
        fault(every.origin, Key::CheckpointInterval, FaultCode::OutOfRange, message);
    }
    spec.checkpoint = got.value;
    spec.checkpoint_interval = every.map(|every| every.value);
}

/// True when elements of one array write different files.
fn varies(pattern: &str) -> bool {
    let plain = pattern.replace("%%", "");
    // What follows a `%` after its padding.
    let mut letters = plain
        .split('%')
        .skip(1)
        .filter_map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()).chars().next());
    letters.any(|letter| matches!(letter, 'a' | 'j')) || pattern == "/dev/null"
}

fn folder(text: &str, submit_dir: Option<&str>) -> Result<Arc<str>, Bad> {
    let path = value::one_line(text, PATH_BYTES_MAX)?;
    if path.starts_with('/') {
        return Ok(path);
    }
    if path.starts_with('~') {
        let message = format!("{} is not expanded: write the whole path from `/`", quoted(text));
        return Err(Bad::new(FaultCode::BadValue, message));
    }
    match submit_dir.filter(|dir| dir.starts_with('/')) {
        Some(dir) => value::one_line(&format!("{}/{path}", dir.trim_end_matches('/')), PATH_BYTES_MAX),
        None => {
            let message = format!("{} is relative to an unknown folder: write the whole path from `/`", quoted(text));
            Err(Bad::new(FaultCode::BadValue, message))
        }
    }
}

fn surroundings(reader: &mut Reader<'_>, spec: &mut JobSpec, context: Context<'_>) {
    spec.class = reader.read(Key::Qos, value::class).map(|got| got.value).unwrap_or_default();
    spec.line = reader.read(Key::Line, value::line).map(|got| got.value).unwrap_or_default();
    spec.pools = reader.read(Key::Partition, value::pools).map(|got| got.value).unwrap_or_default();
    spec.regions = reader.read(Key::Region, value::regions).map(|got| got.value).unwrap_or_default();
    spec.app = reader.read(Key::App, value::app).map(|got| got.value);
    spec.comment = reader.read(Key::Comment, |t| value::one_line(t, COMMENT_BYTES_MAX)).map(|got| got.value);
    mailing(reader, spec);
    conditions(reader, spec);
    arguments(reader, spec, context);
    let export = match reader.options.export {
        Some(_) => reader.read(Key::Export, value::export),
        None => Some(Got {
            value: Export { all: true, ..Export::default() },
            key: Key::Export,
            origin: Origin::Environment,
        }),
    };
    if let Some(got) = export {
        spec.export = if got.value.none { ExportPolicy::None } else { ExportPolicy::All };
        spec.environment = exported(reader, &got, context);
    }
}

fn mailing(reader: &mut Reader<'_>, spec: &mut JobSpec) {
    // Whose address it is, only the platform knows.
    reader.read(Key::MailUser, |t| value::one_line(t, MAIL_USER_BYTES_MAX));
    let Some(Got { value: types, origin, .. }) = reader.read(Key::MailType, mail::types) else { return };
    if !types.silent.is_empty() {
        reader.warn(origin, Key::MailType, format!("no mail is sent for {}", types.silent.join(", ")));
    }
    spec.mail = Some(types.tells);
}

/// What is asked of the nodes beyond amounts.
fn conditions(reader: &mut Reader<'_>, spec: &mut JobSpec) {
    let switches = reader.read(Key::Switches, value::switches);
    if let Some(got) = switches.as_ref().filter(|_| spec.request.nodes == 1) {
        reader.warn(got.origin, Key::Switches, "has no effect: the job has one node");
    }
    let interconnect = reader.read(Key::Interconnect, value::interconnect);
    if let Some(got) = interconnect.as_ref().filter(|_| spec.request.nodes == 1) {
        reader.warn(got.origin, Key::Interconnect, "has no effect: the job has one node");
    }
    let conditions = Conditions {
        constraint: reader.read(Key::Constraint, value::constraint).map(|got| got.value),
        switches: switches.map(|got| got.value).filter(|_| spec.request.nodes > 1),
        reservation: reader.read(Key::Reservation, value::site_name).map(|got| got.value),
        licences: reader.read(Key::Licenses, value::licences).map(|got| got.value).unwrap_or_default(),
        interconnect: interconnect.map(|got| got.value).filter(|_| spec.request.nodes > 1),
    };
    spec.request.conditions = (!conditions.is_empty()).then(|| Arc::new(conditions));
}

fn arguments(reader: &mut Reader<'_>, spec: &mut JobSpec, context: Context<'_>) {
    let bytes: usize = context.args.iter().map(|a| a.len() + 1).sum();
    let fault = |code, message: String| Fault::new(Origin::Flag, "", code, message);
    if bytes > ARGUMENTS_BYTES_MAX || context.args.iter().any(|a| a.len() > ENVIRONMENT_ENTRY_BYTES_MAX) {
        let message =
            format!("the arguments of the script have {bytes} bytes, at most {ARGUMENTS_BYTES_MAX} are accepted");
        reader.faults.push(fault(FaultCode::TooLong, message));
    } else if context.args.iter().any(|a| a.contains('\0')) {
        reader.faults.push(fault(FaultCode::BadValue, "an argument of the script contains a zero byte".into()));
    } else {
        spec.args = context.args.to_vec();
    }
}

/// Variables which the platform sets itself or which belong to the submitter's session (`HW_TOKEN` is a secret): they
/// travel only when `--export` names them.
fn of_the_session(name: &str) -> bool {
    ["SLURM_", "SLURMD_", "SBATCH_", "HW_"].iter().any(|prefix| name.starts_with(prefix))
}

/// The variables that reach the job, in name order; what `--export` sets wins over the submitter's.
fn exported(reader: &mut Reader<'_>, export: &Got<Export>, context: Context<'_>) -> Vec<(String, String)> {
    let mut found = std::collections::BTreeMap::new();
    let mut fault =
        |code, message: String| reader.faults.push(Fault::new(export.origin, Key::Export.name(), code, message));
    if export.value.all {
        for (name, value) in context.environment.iter().filter(|(name, _)| !of_the_session(name)) {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                fault(
                    FaultCode::BadValue,
                    format!("{} is not a variable: take it out of the environment", quoted(name)),
                );
                return Vec::new();
            }
            found.insert(name.as_str(), value.as_str());
        }
    }
    for (name, value) in &export.value.entries {
        let theirs = || context.environment.iter().rev().find(|v| v.0 == *name).map(|v| v.1.as_str());
        match value.as_deref().or_else(theirs) {
            Some(value) if value.contains('\0') => {
                fault(FaultCode::BadValue, format!("the value of {} contains a zero byte", quoted(name)));
            }
            Some(value) => _ = found.insert(name, value),
            // Slurm passes over it in silence; a comma in an unquoted value ends up here.
            None => {
                let message = format!("{} is not set where the job was submitted: it is passed over", quoted(name));
                reader.warnings.push(Warning::new(export.origin, Key::Export.name(), message));
            }
        }
    }
    let size = |(name, value): (&&str, &&str)| name.len() + value.len() + 2;
    let total: usize = found.iter().map(size).sum();
    let instead = "name what the job needs with `--export=A,B`";
    if let Some((name, _)) = found.iter().find(|(n, v)| n.len() + v.len() + 1 > ENVIRONMENT_ENTRY_BYTES_MAX) {
        let message =
            format!("the variable {} is longer than {ENVIRONMENT_ENTRY_BYTES_MAX} bytes: {instead}", quoted(name));
        fault(FaultCode::TooLong, message);
    } else if total > ENVIRONMENT_BYTES_MAX {
        let message =
            format!("the variables have {total} bytes, at most {ENVIRONMENT_BYTES_MAX} are accepted: {instead}");
        fault(FaultCode::TooLong, message);
    }
    found.into_iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}
