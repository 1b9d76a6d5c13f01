//! A replay as a trace again, and as one line of CSV for each job. Knows no file.

use std::io::Write;

use super::{Load, UNSTARTED, bounded_slowdown};
use crate::trace::Record;

/// The records that were played, with the waits and runs of the replay; what did not start has neither.
pub fn swf_records<'a>(
    load: &'a Load,
    starts_s: &'a [i64],
    records: &'a [Record],
) -> impl Iterator<Item = Record> + 'a {
    load.jobs.iter().zip(&load.runs_s).zip(&load.records).zip(starts_s).map(|(((job, run_s), at), start_s)| {
        let started = *start_s != UNSTARTED;
        Record {
            submit_s: Some(job.submit_s),
            wait_s: started.then(|| start_s - job.submit_s),
            run_s: started.then_some(*run_s),
            procs_allocated: Some(job.procs),
            ..records[*at as usize].clone()
        }
    })
}

/// Writes the schedule: `job,submit_s,start_s,end_s,wait_s,run_s,procs,estimate_s,user,bounded_slowdown`, and the name of the cluster
/// where there are several. What is not known, or did not happen, is empty.
///
/// # Errors
/// When the output cannot be written.
pub fn csv(
    load: &Load,
    starts_s: &[i64],
    number: &dyn Fn(usize) -> u64,
    cluster: Option<&dyn Fn(usize) -> String>,
    mut out: impl Write,
) -> std::io::Result<()> {
    let head = if cluster.is_some() { ",cluster" } else { "" };
    writeln!(out, "job,submit_s,start_s,end_s,wait_s,run_s,procs,estimate_s,user,bounded_slowdown{head}")?;
    for (at, job) in load.jobs.iter().enumerate() {
        let (run_s, start_s) = (load.runs_s[at], starts_s[at]);
        write!(out, "{},{},", number(at), job.submit_s)?;
        if start_s == UNSTARTED {
            write!(out, ",,,,")?;
        } else {
            write!(out, "{start_s},{},{},{run_s},", start_s + run_s, start_s - job.submit_s)?;
        }
        write!(out, "{},{},", job.procs, job.estimate_s)?;
        if let Some(user) = job.user {
            write!(out, "{user}")?;
        }
        write!(out, ",")?;
        if start_s != UNSTARTED {
            write!(out, "{:.4}", bounded_slowdown(start_s - job.submit_s, run_s))?;
        }
        match cluster {
            Some(cluster) => writeln!(out, ",{}", cluster(at))?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}
