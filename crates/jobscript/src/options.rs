//! The options of a job as texts, each with where it was written; merging by precedence.
//! Nothing is interpreted here: one later step reads script, flags and JSON alike.

use std::sync::Arc;

use crate::fault::{Origin, Warning};

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given<T> {
    pub value: T,
    pub origin: Origin,
}

impl<T> Given<T> {
    pub fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }
    /// For request bodies: `Given::json("4")`.
    pub fn json(value: impl Into<T>) -> Self {
        Self { value: value.into(), origin: Origin::Json }
    }
}

macro_rules! text_options {
    ($($(#[$doc:meta])* $field:ident $key:ident $name:literal;)+) => {
        /// Every option of a job in its written form. `None` means not given.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Options {
            $($(#[$doc])* pub $field: Option<Given<String>>,)+
            /// `--requeue` is true, `--no-requeue` false.
            pub requeue: Option<Given<bool>>,
            /// `--hold`.
            pub hold: Option<Given<bool>>,
            /// `--preemptible` (`#HW preemptible`).
            pub preemptible: Option<Given<bool>>,
        }

        /// Names the options that carry a text.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Key { $($key),+ }

        impl Key {
            pub const ALL: &[Key] = &[$(Key::$key),+];
            /// The long name without dashes: `ntasks-per-node`.
            pub const fn name(self) -> &'static str {
                match self { $(Key::$key => $name),+ }
            }
        }

        impl Options {
            pub fn get(&self, key: Key) -> Option<&Given<String>> {
                match key { $(Key::$key => self.$field.as_ref()),+ }
            }
            pub fn slot(&mut self, key: Key) -> &mut Option<Given<String>> {
                match key { $(Key::$key => &mut self.$field),+ }
            }
        }
    };
}

text_options! {
    /// Project that pays.
    account Account "account";
    /// The application and its version, as the policy names it: `lammps/2Aug2023` (`#HW app=…`).
    app App "app";
    /// `0-9:2%4`.
    array Array "array";
    /// Earliest start: `now+1hour`, `16:00`, `2026-11-21T08:00:00`.
    begin Begin "begin";
    /// Working folder of the job.
    chdir Chdir "chdir";
    /// `state/*.ckpt`: files from which a restart goes on (`#HW checkpoint=…`).
    checkpoint Checkpoint "checkpoint";
    /// Between two copies of them, as `--time` is written.
    checkpoint_interval CheckpointInterval "checkpoint-interval";
    /// Accelerators that will do: `a100|ascend-910b` (`#HW chip=…`).
    chip Chip "chip";
    comment Comment "comment";
    /// Features of nodes: `a100&nvlink`, `[rack1|rack2]`.
    constraint Constraint "constraint";
    cpus_per_task CpusPerTask "cpus-per-task";
    /// Latest end, written as `begin` is.
    deadline Deadline "deadline";
    /// `afterok:12:13,afterany:14`.
    dependency Dependency "dependency";
    error Error "error";
    /// `ALL`, `NONE`, `ALL,A=1`, `A=1,B`.
    export Export "export";
    /// `out/*.vtk,**/*.log`: results to be kept (`#HW fetch=…`).
    fetch Fetch "fetch";
    /// All GPUs of the job, `[chip:]count`.
    gpus Gpus "gpus";
    gpus_per_node GpusPerNode "gpus-per-node";
    gpus_per_task GpusPerTask "gpus-per-task";
    /// `gpu[:chip][:count]`, on each node.
    gres Gres "gres";
    input Input "input";
    /// What joins its nodes, at least: `infiniband`, `200G`, `roce:200G` (`#HW interconnect=…`).
    interconnect Interconnect "interconnect";
    job_name JobName "job-name";
    /// `name[:count],…`, for the whole job.
    licenses Licenses "licenses";
    /// Product line (`#HW line=…`).
    line Line "line";
    /// `BEGIN,END,FAIL`: of what its user's mail tells.
    mail_type MailType "mail-type";
    /// To whom it goes: the user's own address.
    mail_user MailUser "mail-user";
    /// Memory on each node.
    mem Mem "mem";
    mem_per_cpu MemPerCpu "mem-per-cpu";
    nodes Nodes "nodes";
    ntasks Ntasks "ntasks";
    ntasks_per_node NtasksPerNode "ntasks-per-node";
    /// `append` or `truncate`.
    open_mode OpenMode "open-mode";
    output Output "output";
    /// Names of pools, any of them.
    partition Partition "partition";
    /// Priority class.
    qos Qos "qos";
    /// Sites and regions where it may run: `cn-east,site-3` (`#HW region=…`).
    region Region "region";
    /// A reservation at the site, by name.
    reservation Reservation "reservation";
    /// `[B:]USR1[@seconds]`.
    signal Signal "signal";
    /// Most switches above its nodes: `1`, `2@30:00`.
    switches Switches "switches";
    time Time "time";
}

/// What was read from one source, or merged from several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    pub options: Options,
    pub warnings: Vec<Warning>,
    /// Only `parse_script` sets it, so that whatever stands here has passed its checks.
    pub(crate) script: Option<Arc<str>>,
}

impl Parsed {
    /// Options from elsewhere, such as the fields of a request body.
    pub fn from_options(options: Options) -> Self {
        Self { options, ..Self::default() }
    }
    /// The whole script, when one was read.
    pub fn script(&self) -> Option<&Arc<str>> {
        self.script.as_ref()
    }
}

/// Pairs which say the same thing in two ways: one in the stronger source puts the other in the weaker one out of force.
const ALTERNATIVES: [(Key, Key); 2] = [(Key::Mem, Key::MemPerCpu), (Key::Gres, Key::GpusPerNode)];

/// Lays `over` above `under`, option by option; what `over` says wins, also over the other way of saying it
/// (`--mem-per-cpu` on the command line drops `--mem` of the script). With all three sources:
/// `merge(merge(script, environment), flags)`.
pub fn merge(under: Parsed, over: Parsed) -> Parsed {
    let mut merged = under;
    for (a, b) in ALTERNATIVES {
        for (said, silent) in [(a, b), (b, a)] {
            if over.options.get(said).is_some() && over.options.get(silent).is_none() {
                *merged.options.slot(silent) = None;
            }
        }
    }
    for &key in Key::ALL {
        if let Some(given) = over.options.get(key) {
            *merged.options.slot(key) = Some(given.clone());
        }
    }
    merged.options.requeue = over.options.requeue.or(merged.options.requeue);
    merged.options.preemptible = over.options.preemptible.or(merged.options.preemptible);
    merged.options.hold = over.options.hold.or(merged.options.hold);
    merged.warnings.extend(over.warnings);
    merged.script = over.script.or(merged.script);
    merged
}
