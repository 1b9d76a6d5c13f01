//! Makes a submission of what was typed: script, options, arguments, and of the surroundings only what the job may have.
//! Options are not interpreted here; the server reads script and options by the same rules.

use std::collections::BTreeMap;

use jobscript::{Given, Key, Options, Origin, Parsed};
use wire::submit::{JobSubmit, OptionValue};

/// Variables that never leave this machine, whatever a job wants to have.
const SECRETS: &[&str] = &["HW_TOKEN"];

/// What was typed.
#[derive(Clone, Debug, Default)]
pub struct HandIn {
    pub script: String,
    /// File name of the script, where it has one.
    pub script_name: Option<String>,
    /// Of command line and variables, merged.
    pub given: Parsed,
    pub args: Vec<String>,
    pub work_dir: Option<String>,
}

impl HandIn {
    /// The request. `environment` is read only as far as `--export` asks for it.
    pub fn request(self, environment: impl Iterator<Item = (String, String)>) -> JobSubmit {
        let environment = self.exported(environment);
        JobSubmit {
            options: options_of(&self.given.options),
            script: self.script,
            args: self.args,
            environment,
            project: None,
            work_dir: self.work_dir,
            script_name: self.script_name,
            inputs: Vec::new(),
            dry_run: false,
        }
    }

    /// The caller's variables that `--export` names, on the command line or in the script. Without it nothing is sent: a job's
    /// surroundings are those of its node.
    fn exported(&self, environment: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
        // A script with faults is sent as it is: the server names them all.
        let script = jobscript::parse_script(&self.script).ok();
        let wanted = self.given.options.get(Key::Export).or_else(|| script.as_ref()?.options.get(Key::Export));
        let Some(wanted) = wanted else { return BTreeMap::new() };
        let names: Vec<&str> = wanted.value.split(',').map(str::trim).collect();
        let all = names.iter().any(|name| name.eq_ignore_ascii_case("ALL"));
        environment
            .filter(|(name, _)| !SECRETS.contains(&name.as_str()))
            .filter(|(name, _)| all || names.contains(&name.as_str()))
            .collect()
    }
}

/// Options as a request names them: `ntasks_per_node`.
pub fn options_of(options: &Options) -> BTreeMap<String, OptionValue> {
    let mut out = BTreeMap::new();
    for &key in Key::ALL {
        if let Some(given) = options.get(key) {
            out.insert(key.name().replace('-', "_"), OptionValue::Text(given.value.clone()));
        }
    }
    for (name, flag) in [("requeue", &options.requeue), ("hold", &options.hold), ("preemptible", &options.preemptible)]
    {
        if let Some(flag) = flag {
            out.insert(name.into(), OptionValue::Flag(flag.value));
        }
    }
    out
}

/// Options of a job on the command line of `submit` and `quote`; the same names as in `#SBATCH` lines.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "The job (wins over the script's lines)")]
pub struct JobFlags {
    /// Name of the job
    #[arg(long, short = 'J', value_name = "NAME")]
    pub job_name: Option<String>,
    /// Nodes
    #[arg(long, short = 'N', value_name = "N")]
    pub nodes: Option<String>,
    /// Tasks (processes) in all
    #[arg(long, short = 'n', value_name = "N")]
    pub ntasks: Option<String>,
    /// Tasks on each node
    #[arg(long, value_name = "N")]
    pub ntasks_per_node: Option<String>,
    /// Cores of each task
    #[arg(long, short = 'c', value_name = "N")]
    pub cpus_per_task: Option<String>,
    /// Memory on each node: 4G, 512M
    #[arg(long, value_name = "SIZE")]
    pub mem: Option<String>,
    /// Memory for each core
    #[arg(long, value_name = "SIZE")]
    pub mem_per_cpu: Option<String>,
    /// Accelerators of the whole job: [CHIP:]COUNT
    #[arg(long, short = 'G', value_name = "[CHIP:]N")]
    pub gpus: Option<String>,
    /// Accelerators on each node
    #[arg(long, value_name = "[CHIP:]N")]
    pub gpus_per_node: Option<String>,
    /// Accelerators of each task
    #[arg(long, value_name = "[CHIP:]N")]
    pub gpus_per_task: Option<String>,
    /// Accelerators on each node, Slurm's other way to say it: gpu[:CHIP][:COUNT]
    #[arg(long, value_name = "LIST")]
    pub gres: Option<String>,
    /// Accelerators that will do: a100|ascend-910b
    #[arg(long, value_name = "CHIPS")]
    pub chip: Option<String>,
    /// Features of its nodes: ib, a100&nvlink, [rack1|rack2]
    #[arg(long, short = 'C', value_name = "EXPRESSION")]
    pub constraint: Option<String>,
    /// Licences: NAME[:COUNT],…
    #[arg(long, short = 'L', value_name = "LIST")]
    pub licenses: Option<String>,
    /// A reservation at the site
    #[arg(long, value_name = "NAME")]
    pub reservation: Option<String>,
    /// What joins its nodes, at least: infiniband, 200G, roce:200G
    #[arg(long, value_name = "NAME[:SPEED]")]
    pub interconnect: Option<String>,
    /// Most switches above its nodes: 1
    #[arg(long, value_name = "COUNT")]
    pub switches: Option<String>,
    /// Time limit: minutes, H:MM:SS, D-HH
    #[arg(long, short = 't', value_name = "TIME")]
    pub time: Option<String>,
    /// Pools that may run it, any of them
    #[arg(long, short = 'p', value_name = "POOLS")]
    pub partition: Option<String>,
    /// Sites and regions where it may run, within those of the tenant: cn-east,site-3
    #[arg(long, value_name = "REGIONS")]
    pub region: Option<String>,
    /// The application and its version, where the operator verified it: lammps/2Aug2023
    #[arg(long, value_name = "NAME/VERSION")]
    pub app: Option<String>,
    /// Priority class: low, normal, high, urgent
    #[arg(long, value_name = "CLASS")]
    pub qos: Option<String>,
    /// Project that pays
    #[arg(long, short = 'A', visible_alias = "project", value_name = "PROJECT")]
    pub account: Option<String>,
    /// Several jobs of one script: 0-9, 1,3,5, 0-99%4
    #[arg(long, short = 'a', value_name = "INDEXES")]
    pub array: Option<String>,
    /// Jobs to wait for: afterok:12:13,afterany:14
    #[arg(long, short = 'd', value_name = "LIST")]
    pub dependency: Option<String>,
    /// Earliest start: now+1hour, 16:00, 2026-11-21T08:00:00
    #[arg(long, short = 'b', value_name = "TIME")]
    pub begin: Option<String>,
    /// Latest end
    #[arg(long, value_name = "TIME")]
    pub deadline: Option<String>,
    /// Folder in which it works
    #[arg(long, short = 'D', value_name = "DIR")]
    pub chdir: Option<String>,
    /// File for standard output; %j is the job's number
    #[arg(long, short = 'o', value_name = "PATTERN")]
    pub output: Option<String>,
    /// File for standard error
    #[arg(long, short = 'e', value_name = "PATTERN")]
    pub error: Option<String>,
    /// File for standard input
    #[arg(long, short = 'i', value_name = "PATTERN")]
    pub input: Option<String>,
    /// Output files that exist: append or truncate
    #[arg(long, value_name = "MODE")]
    pub open_mode: Option<String>,
    /// Variables to take along: ALL, NONE, A,B=1
    #[arg(long, value_name = "LIST")]
    pub export: Option<String>,
    /// Results to be copied into the file space when the job has ended: out/*.vtk,**/*.log; a folder means all below it
    #[arg(long, value_name = "PATTERNS")]
    pub fetch: Vec<String>,
    /// Files that are copied away while it runs, so that it goes on from them when it is run again elsewhere: state/*.ckpt
    #[arg(long, value_name = "PATTERNS")]
    pub checkpoint: Vec<String>,
    /// Between two such copies: minutes, h:m:s, d-h (default 10 minutes)
    #[arg(long, value_name = "TIME")]
    pub checkpoint_interval: Option<String>,
    /// Signal before the time limit: [B:]USR1[@SECONDS]
    #[arg(long, value_name = "SIGNAL")]
    pub signal: Option<String>,
    /// What mail tells of this job, in place of `hw notices about`: BEGIN,END,FAIL,REQUEUE,TIME_LIMIT, ALL or NONE
    #[arg(long, value_name = "TYPES")]
    pub mail_type: Option<String>,
    /// Your own confirmed address: mail goes nowhere else
    #[arg(long, value_name = "ADDRESS")]
    pub mail_user: Option<String>,
    /// A note
    #[arg(long, value_name = "TEXT")]
    pub comment: Option<String>,
    /// Product line
    #[arg(long, value_name = "LINE")]
    pub line: Option<String>,
    /// Hold it until it is released
    #[arg(long, short = 'H')]
    pub hold: bool,
    /// It may be ended and queued again to make room for work that goes first
    #[arg(long)]
    pub preemptible: bool,
    /// Run it again after a failure of its machine
    #[arg(long, conflicts_with = "no_requeue")]
    pub requeue: bool,
    /// Never run it again
    #[arg(long)]
    pub no_requeue: bool,
}

impl JobFlags {
    /// The same as parsed options of the command line.
    pub fn parsed(self) -> Parsed {
        let mut options = Options::default();
        let texts = [
            (Key::JobName, self.job_name),
            (Key::Nodes, self.nodes),
            (Key::Ntasks, self.ntasks),
            (Key::NtasksPerNode, self.ntasks_per_node),
            (Key::CpusPerTask, self.cpus_per_task),
            (Key::Mem, self.mem),
            (Key::MemPerCpu, self.mem_per_cpu),
            (Key::Gpus, self.gpus),
            (Key::GpusPerNode, self.gpus_per_node),
            (Key::GpusPerTask, self.gpus_per_task),
            (Key::Gres, self.gres),
            (Key::Chip, self.chip),
            (Key::Constraint, self.constraint),
            (Key::Licenses, self.licenses),
            (Key::Reservation, self.reservation),
            (Key::Switches, self.switches),
            (Key::Interconnect, self.interconnect),
            (Key::Region, self.region),
            (Key::App, self.app),
            (Key::Time, self.time),
            (Key::Partition, self.partition),
            (Key::Qos, self.qos),
            (Key::Account, self.account),
            (Key::Array, self.array),
            (Key::Dependency, self.dependency),
            (Key::Begin, self.begin),
            (Key::Deadline, self.deadline),
            (Key::Chdir, self.chdir),
            (Key::Output, self.output),
            (Key::Error, self.error),
            (Key::Input, self.input),
            (Key::OpenMode, self.open_mode),
            (Key::Export, self.export),
            (Key::Fetch, (!self.fetch.is_empty()).then(|| self.fetch.join(","))),
            (Key::Checkpoint, (!self.checkpoint.is_empty()).then(|| self.checkpoint.join(","))),
            (Key::CheckpointInterval, self.checkpoint_interval),
            (Key::Signal, self.signal),
            (Key::MailType, self.mail_type),
            (Key::MailUser, self.mail_user),
            (Key::Comment, self.comment),
            (Key::Line, self.line),
        ];
        for (key, value) in texts {
            *options.slot(key) = value.map(|value| Given::new(value, Origin::Flag));
        }
        options.hold = self.hold.then_some(Given::new(true, Origin::Flag));
        options.preemptible = self.preemptible.then_some(Given::new(true, Origin::Flag));
        options.requeue = match (self.requeue, self.no_requeue) {
            (true, _) => Some(Given::new(true, Origin::Flag)),
            (_, true) => Some(Given::new(false, Origin::Flag)),
            _ => None,
        };
        Parsed::from_options(options)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        job: JobFlags,
    }

    fn environment() -> impl Iterator<Item = (String, String)> {
        [("A", "1"), ("B", "2"), ("HW_TOKEN", "hwt_x")].map(|(a, b)| (a.to_string(), b.to_string())).into_iter()
    }

    /// What `#SBATCH` understands, `submit` understands: every option of a job can be given as a flag.
    #[test]
    fn every_option_of_a_job_is_a_flag() {
        for &key in Key::ALL {
            let line = Line::try_parse_from(["x", &format!("--{}=v", key.name())]);
            let parsed = line.unwrap_or_else(|fault| panic!("--{}: {fault}", key.name())).job.parsed();
            assert_eq!(parsed.options.get(key).map(|given| given.value.as_str()), Some("v"), "--{}", key.name());
        }
    }

    #[test]
    fn options_are_named_as_the_api_names_them() {
        let line = Line::try_parse_from(["x", "-N2", "--ntasks-per-node", "4", "-H", "--no-requeue"]).unwrap();
        let request = HandIn { given: line.job.parsed(), ..HandIn::default() }.request(environment());
        let text = serde_json::to_string(&request.options).unwrap();
        assert_eq!(text, r#"{"hold":true,"nodes":"2","ntasks_per_node":"4","requeue":false}"#);
        assert!(request.environment.is_empty());
    }

    #[test]
    fn only_exported_variables_leave_and_no_secret_does() {
        let names = |export: Option<&str>, script: &str| {
            let mut given = Parsed::default();
            given.options.export = export.map(|text| Given::new(text.into(), Origin::Flag));
            let hand_in = HandIn { script: script.into(), given, ..HandIn::default() };
            hand_in.request(environment()).environment.into_keys().collect::<Vec<_>>().join(",")
        };
        assert_eq!(names(None, "#!/bin/sh\n"), "");
        assert_eq!(names(Some("ALL"), "#!/bin/sh\n"), "A,B");
        assert_eq!(names(Some("B,C=1"), "#!/bin/sh\n"), "B");
        assert_eq!(names(Some("HW_TOKEN"), "#!/bin/sh\n"), "");
        assert_eq!(names(None, "#!/bin/sh\n#SBATCH --export=ALL\n"), "A,B");
        assert_eq!(names(Some("NONE"), "#!/bin/sh\n#SBATCH --export=ALL\n"), "");
    }
}
