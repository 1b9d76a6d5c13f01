//! `sinfo`: pools as partitions and their nodes by state. Whether a node that is up is idle, mixed or allocated is told for the
//! pool as a whole: the API counts what is free by pool.

use clap::Parser;
use wire::NodeState;
use wire::supply::Pool;

use super::format::{self, Piece};
use super::{hostlist, listed};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::slurm::fields::short_span;

/// Pools read at once.
const POOLS_MAX: usize = 10_000;
const USUAL: &str = "%9P %.5a %.10l %.6D %.6t %N";
const SUMMARY: &str = "%9P %.5a %.10l %.16F %N";
const BY_NODE: &str = "%20N %.6D %.9P %6t";

#[derive(Debug, Parser)]
#[command(name = "sinfo", version = super::VERSION, disable_help_flag = true, disable_version_flag = true, about = "Pools and their nodes")]
pub struct Sinfo {
    /// These pools
    #[arg(long, short = 'p', value_name = "POOLS")]
    partition: Vec<String>,
    /// Nodes in these states: idle, mix, alloc, drain, down
    #[arg(long, short = 't', value_name = "STATES")]
    states: Vec<String>,
    /// Columns: %P %R %a %l %D %t %T %N %n %C %c %m %G %F %A %z
    #[arg(long, short = 'o', value_name = "FORMAT")]
    format: Option<String>,
    /// One line for each node
    #[arg(long = "Node", short = 'N')]
    node: bool,
    /// One line for each pool
    #[arg(long, short = 's')]
    summarize: bool,
    /// More columns
    #[arg(long, short = 'l')]
    long: bool,
    /// No heading
    #[arg(long, short = 'h')]
    noheader: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// This text
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    /// The version
    #[arg(long, short = 'V', action = clap::ArgAction::Version)]
    version: Option<bool>,
}

/// Nodes of one pool in one state: a line.
struct Line<'a> {
    pool: &'a Pool,
    state: &'static str,
    nodes: Vec<&'a str>,
}

pub async fn run(desk: &Desk, args: Sinfo) -> Result<Exit, Fault> {
    let usual = match (args.node, args.summarize, args.long) {
        (true, ..) => BY_NODE,
        (_, true, _) => SUMMARY,
        (_, _, true) => "%9P %.5a %.10l %.6D %.11T %.6c %.9m %N",
        _ => USUAL,
    };
    let pieces = format::percent(args.format.as_deref().unwrap_or(usual), |code| head(code).is_some())?;
    let mut page = desk.client()?.pools().take(POOLS_MAX).await?;
    let names = listed(&args.partition);
    page.items.retain(|pool| names.is_empty() || names.contains(&pool.name.as_str()));
    if args.json || desk.settings.look.json {
        return desk.out(&(crate::view::to_json(&page) + "\n")).map(|()| Exit::Ok);
    }
    let text = text(&page.items, &pieces, &args);
    desk.out(&text).map(|()| Exit::Ok)
}

fn text(pools: &[Pool], pieces: &[Piece<char>], args: &Sinfo) -> String {
    let heading = (!args.noheader).then(|| format::line(pieces, |code| head(*code).unwrap_or("").to_string()) + "\n");
    let lines = pools.iter().flat_map(|pool| lines(pool, args));
    let lines = lines.map(|line| format::line(pieces, |code| field(&line, *code)) + "\n");
    heading.into_iter().chain(lines).collect()
}

fn lines<'a>(pool: &'a Pool, args: &Sinfo) -> Vec<Line<'a>> {
    if args.summarize {
        let nodes = pool.nodes.iter().map(|node| node.name.as_str()).collect();
        return vec![Line { pool, state: state_of(pool, NodeState::Up), nodes }];
    }
    let wanted = listed(&args.states);
    let is_wanted =
        |state: &str| wanted.is_empty() || wanted.iter().any(|word| state.starts_with(&word.to_ascii_lowercase()));
    let mut lines = Vec::new();
    for state in [NodeState::Up, NodeState::Drained, NodeState::Down] {
        let nodes: Vec<&str> =
            pool.nodes.iter().filter(|node| node.state == state).map(|node| node.name.as_str()).collect();
        let state = state_of(pool, state);
        if nodes.is_empty() || !is_wanted(state) {
            continue;
        }
        match args.node {
            true => lines.extend(nodes.into_iter().map(|node| Line { pool, state, nodes: vec![node] })),
            false => lines.push(Line { pool, state, nodes }),
        }
    }
    lines
}

fn state_of(pool: &Pool, state: NodeState) -> &'static str {
    let free = pool.free.as_ref();
    match state {
        NodeState::Drained => "drained",
        NodeState::Down => "down",
        NodeState::Up if free.is_some_and(|free| free.cpu_millis == 0) => "allocated",
        NodeState::Up if free.is_some_and(|free| free.cpu_millis < pool.total.cpu_millis) => "mixed",
        NodeState::Up => "idle",
    }
}

fn head(code: char) -> Option<&'static str> {
    Some(match code {
        'P' | 'R' => "PARTITION",
        'a' => "AVAIL",
        'l' => "TIMELIMIT",
        'D' => "NODES",
        't' | 'T' => "STATE",
        'N' => "NODELIST",
        'n' => "HOSTNAMES",
        'C' => "CPUS(A/I/O/T)",
        'c' => "CPUS",
        'm' => "MEMORY",
        'G' => "GRES",
        'F' => "NODES(A/I/O/T)",
        'A' => "NODES(A/I)",
        'z' => "S:C:T",
        _ => return None,
    })
}

fn field(line: &Line<'_>, code: char) -> String {
    let pool = line.pool;
    let cores = |millis: u64| millis / 1000;
    match code {
        'P' | 'R' => pool.name.clone(),
        // Pools are never closed as such; their nodes are.
        'a' => "up".into(),
        'l' => pool.time_limit_max_seconds.map_or_else(|| "infinite".into(), |seconds| short_span(seconds as f64)),
        'D' => line.nodes.len().to_string(),
        'T' => line.state.into(),
        't' => match line.state {
            "allocated" => "alloc".into(),
            "mixed" => "mix".into(),
            "drained" => "drain".into(),
            other => other.into(),
        },
        'N' | 'n' => hostlist::compress(line.nodes.iter().copied()),
        'C' => {
            let (total, up) =
                (cores(pool.shape.cpu_millis) * u64::from(pool.nodes_total), cores(pool.total.cpu_millis));
            let free = pool.free.as_ref().map_or(up, |free| cores(free.cpu_millis));
            format!("{}/{free}/{}/{total}", up - free.min(up), total - up.min(total))
        }
        'c' => cores(pool.shape.cpu_millis).to_string(),
        'm' => (pool.shape.memory_bytes >> 20).to_string(),
        'G' => match (&pool.chip, pool.shape.gpus) {
            (_, 0) => "(null)".into(),
            (Some(chip), n) => format!("gpu:{chip}:{n}"),
            (None, n) => format!("gpu:{n}"),
        },
        'F' | 'A' => {
            let busy = if line.state == "idle" { 0 } else { pool.nodes_up };
            let (idle, other) = (pool.nodes_up - busy, pool.nodes_total - pool.nodes_up.min(pool.nodes_total));
            if code == 'A' { format!("{busy}/{idle}") } else { format!("{busy}/{idle}/{other}/{}", pool.nodes_total) }
        }
        'z' => format!("1:{}:1", cores(pool.shape.cpu_millis)),
        _ => "(null)".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests_support::pool;

    fn show(words: &str) -> String {
        let args = Sinfo::try_parse_from(std::iter::once("sinfo").chain(words.split_whitespace())).unwrap();
        let usual = if args.node { BY_NODE } else { USUAL };
        let format = args.format.clone().unwrap_or(usual.into()).replace('_', " ");
        let pieces = format::percent(&format, |code| head(code).is_some()).unwrap();
        text(&[pool("a100", 4)], &pieces, &args)
    }

    #[test]
    fn nodes_stand_together_by_state() {
        insta::assert_snapshot!(show(""));
        insta::assert_snapshot!(show("-N -h"));
        assert_eq!(show("-h -t drain -o %N"), "n4\n");
        assert_eq!(show("-h -s -o %P|%C|%F|%G|%c|%m"), "a100|16/80/32/128|3/0/1/4|gpu:nvidia-a100-80g:2|32|65536\n");
    }
}
