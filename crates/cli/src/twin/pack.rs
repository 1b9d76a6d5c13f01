//! `hw twin pack`: pods arrive one by one at a cluster of GPU nodes; how much of its GPUs a policy allocates.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::Serialize;
use sim::pack::{List, NAMES, Outcome, Workload, arrivals, node_order, policy, run as fill};

use super::progress::{peak_rss_bytes, seconds_since};
use crate::desk::Desk;
use crate::fault::Fault;
use crate::text::Word;
use crate::view::{Cell, Part, Table, View};

/// Per cent arrived between two rows of the table.
const ROWS_PERCENT: usize = 10;

#[derive(Debug, Args)]
pub struct Pack {
    /// Node list: CSV with the columns sn, cpu_milli, memory_mib, gpu, model
    #[arg(long, value_name = "FILE")]
    nodes: PathBuf,
    /// Pod list: CSV with the columns name, cpu_milli, memory_mib, num_gpu, gpu_milli and maybe gpu_spec
    #[arg(long, value_name = "FILE")]
    pods: PathBuf,
    /// Who arrives when: a header line, then a row of the pod list (from 0) per line [default: drawn, up to 130 % of the cluster]
    #[arg(long, value_name = "FILE")]
    order: Option<PathBuf>,
    /// Which of equally rated nodes wins: a header line, then a name per line [default: drawn]
    #[arg(long, value_name = "FILE")]
    node_order: Option<PathBuf>,
    /// Where pods go
    #[arg(long, value_name = "NAME", default_value = "headworks", ignore_case = true, value_parser = PossibleValuesParser::new(NAMES))]
    policy: String,
    /// What orders are drawn from, and what `Random` draws from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

#[derive(Serialize)]
struct Report<'a> {
    policy: &'a str,
    /// Where the policy is from.
    source: &'a str,
    seed: u64,
    nodes: usize,
    pods: usize,
    dropped: usize,
    gpu_milli: u64,
    gpu_milli_arrived: u64,
    gpu_milli_allocated: u64,
    unallocated_percent: f64,
    /// Per cent arrived when the first pod with a GPU fitted nowhere; nothing if all fitted.
    first_drop_percent: Option<f64>,
    cpu_percent: f64,
    /// At place x: allocated, per cent, when x per cent had arrived; nothing where no arrival came at x.
    allocation_percent: &'a [Option<f64>],
    elapsed_s: f64,
    peak_rss_bytes: u64,
}

pub fn run(_desk: &Desk, args: Pack) -> Result<View, Fault> {
    let begun = Instant::now();
    let (nodes, pods) = (read(&args.nodes)?, read(&args.pods)?);
    let work = Workload::read(&nodes, &pods).map_err(|fault| {
        let path = if fault.list == List::Nodes { &args.nodes } else { &args.pods };
        refused(path, &fault.why)
    })?;
    let rows = match &args.order {
        Some(path) => work.read_order(&read(path)?).map_err(|why| refused(path, &why))?,
        None => arrivals(&work, args.seed),
    };
    let order = match &args.node_order {
        Some(path) => work.read_node_order(&read(path)?).map_err(|why| refused(path, &why))?,
        None => node_order(&work, args.seed),
    };
    // The parser of arguments has let no other name through.
    let policy = policy(&args.policy, &work, args.seed).ok_or_else(|| Fault::Usage(Word::NothingDone, Vec::new()))?;
    let (name, source) = (policy.name(), policy.source());
    let outcome = fill(&work, &rows, &order, policy);
    let report = Report {
        policy: name,
        source,
        seed: args.seed,
        nodes: work.nodes.len(),
        pods: outcome.pods,
        dropped: outcome.dropped,
        gpu_milli: outcome.capacity,
        gpu_milli_arrived: outcome.arrived,
        gpu_milli_allocated: outcome.allocated,
        unallocated_percent: 100.0 - outcome.last(),
        first_drop_percent: outcome.first_drop_percent,
        cpu_percent: outcome.cpu_percent,
        allocation_percent: &outcome.curve,
        elapsed_s: seconds_since(begun),
        peak_rss_bytes: peak_rss_bytes(),
    };
    Ok(view(&report, &outcome))
}

fn read(path: &Path) -> Result<String, Fault> {
    std::fs::read_to_string(path).map_err(Fault::file(path))
}

fn refused(path: &Path, why: &dyn std::error::Error) -> Fault {
    Fault::Usage(Word::ListRefused, vec![("path", path.display().to_string()), ("why", why.to_string())])
}

fn view(report: &Report<'_>, outcome: &Outcome) -> View {
    let percent = |value: f64| Cell::number(format!("{value:.2}"));
    let last = outcome.curve.len().saturating_sub(1);
    let shown = outcome.curve.iter().enumerate().filter(|(x, _)| x % ROWS_PERCENT == 0 || *x == last);
    let rows = shown.filter_map(|(x, y)| y.map(|y| vec![Cell::number(x), percent(y)]));
    let table = Table::new("allocation", &[Word::ArrivedPercent, Word::AllocatedPercent]).with(rows);
    let facts = vec![
        (Word::Policy, Cell::text(report.policy)),
        (Word::Nodes, Cell::number(report.nodes)),
        (Word::PodsArrived, Cell::number(report.pods)),
        (Word::PodsDropped, Cell::number(report.dropped)),
        (Word::UnallocatedPercent, percent(report.unallocated_percent)),
        (Word::CpuPercent, percent(report.cpu_percent)),
        (Word::TookTime, Cell::Seconds(report.elapsed_s)),
        (Word::MemoryPeak, Cell::Bytes(report.peak_rss_bytes)),
    ];
    View::of(report, vec![Part::Table(table), Part::Facts(facts)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Lang;

    #[test]
    fn a_list_that_makes_no_sense_is_told_with_its_path_and_line() {
        let why = Workload::read("sn,cpu_milli,memory_mib,gpu,model\nn,1,1,x,\n", "").unwrap_err().why;
        let told = refused(Path::new("/a/nodes.csv"), &why).told(Lang::En);
        assert_eq!(told, "/a/nodes.csv: line 2: `gpu` must be a whole number, it is `x`");
    }

    #[test]
    fn the_report_has_a_place_for_each_per_cent() {
        let nodes = "sn,cpu_milli,memory_mib,gpu,model\nn,64000,1000,4,X\n";
        let pods = "name,cpu_milli,memory_mib,num_gpu,gpu_milli\na,1000,1,1,1000\nb,1000,1,1,500\n";
        let work = Workload::read(nodes, pods).unwrap();
        let outcome = fill(&work, &[0, 1, 1], &[0], policy("headworks", &work, 1).unwrap());
        let at: Vec<usize> = (0..outcome.curve.len()).filter(|x| outcome.curve[*x].is_some()).collect();
        assert_eq!((outcome.curve.len(), at), (51, vec![25, 38, 50]));
        assert_eq!((outcome.curve[38], outcome.last()), (Some(37.5), 50.0));
    }
}
