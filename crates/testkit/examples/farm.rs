//! Starts a farm of real Slurm clusters in the foreground, to try things by hand until Ctrl-C:
//! `cargo run -p headworks-testkit --example farm -- DIR [alpha|beta|gamma|all]…`

use std::io::{Write, stdout};

use nix::sys::signal::{SigSet, Signal};
use testkit::slurm::{Cluster, Farm, alpha, beta, gamma};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(dir) = arguments.next() else {
        eprintln!("usage: farm DIR [alpha|beta|gamma|all]...");
        std::process::exit(2);
    };
    let names: Vec<String> = arguments.collect();
    let wanted = |name: &str| names.iter().any(|n| n == name || n == "all") || (names.is_empty() && name == "alpha");
    let specs: Vec<_> = [alpha(), beta(), gamma()].into_iter().filter(|spec| wanted(&spec.name)).collect();
    if let Err(error) = run(&dir, specs) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn run(dir: &str, specs: Vec<testkit::slurm::ClusterSpec>) -> Result<(), Box<dyn std::error::Error>> {
    let mut farm = Farm::new(dir)?;
    let took = farm.start(specs)?;
    let mut out = stdout().lock();
    writeln!(out, "# started: {took}")?;
    for cluster in farm.clusters() {
        describe(&mut out, cluster)?;
    }
    writeln!(out, "# Ctrl-C ends all")?;
    out.flush()?;
    let mut ends = SigSet::empty();
    ends.add(Signal::SIGINT);
    ends.add(Signal::SIGTERM);
    ends.thread_block()?;
    ends.wait()?;
    Ok(())
}

fn describe(out: &mut impl Write, cluster: &Cluster) -> std::io::Result<()> {
    writeln!(
        out,
        "\n# {}: {} nodes, logs in {}/log",
        cluster.name(),
        cluster.spec().node_count(),
        cluster.dir().display()
    )?;
    writeln!(out, "export SLURM_CONF={}", cluster.conf().display())?;
    if let Some(socket) = cluster.restd_socket() {
        writeln!(out, "curl --unix-socket {} http://localhost/slurm/v0.0.38/ping", socket.display())?;
    }
    if let Some(port) = cluster.restd_port() {
        writeln!(
            out,
            "# slurmrestd with a token (scontrol token username={}): http://127.0.0.1:{port}",
            cluster.user()
        )?;
    }
    if let Some(ssh) = cluster.ssh() {
        writeln!(out, "ssh -F {} {} sinfo", ssh.config.display(), ssh.host)?;
    }
    Ok(())
}
