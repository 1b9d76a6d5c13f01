//! `hw site`: the agent of a site, in the foreground until it is told to stop. What it announces goes to standard output,
//! logs go to standard error.
#![allow(clippy::print_stdout, reason = "the announcement is this module's duty")]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use site::{Host, Join, Options};
use tokio::signal::unix::{SignalKind, signal};

use crate::fault::Fault;
use crate::text::Word;

/// Flags of `hw site`.
#[derive(Debug, Args)]
pub struct Site {
    /// Folder of everything the agent keeps; made with mode 0700
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
    /// Join the platform at this address first; several where several servers serve it
    #[arg(long, value_name = "HOST:PORT", requires = "pin", requires = "token")]
    pub join: Vec<String>,
    /// Fingerprint of the platform's certificate
    #[arg(long, value_name = "HEX")]
    pub pin: Option<link::Fingerprint>,
    /// The one-time token
    #[arg(long, value_name = "TOKEN", env = "HW_SITE_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// What this machine offers; left out: all it has, as one pool
    #[arg(long, value_name = "FILE")]
    pub local: Option<PathBuf>,
    /// Host the Slurm cluster that this file describes, instead of this machine
    #[arg(long, value_name = "FILE", conflicts_with = "local")]
    pub slurm: Option<PathBuf>,
    /// What is logged
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub log: String,
}

/// Serves until SIGTERM or SIGINT; jobs go on afterwards.
pub fn run(args: Site) -> Result<ExitCode, Fault> {
    crate::up::start_log(&args.log, false);
    let join = match (args.pin, args.token) {
        (Some(pin), Some(token)) if !args.join.is_empty() => Some(Join { servers: args.join, pin, token }),
        _ => None,
    };
    let options = Options {
        state: args.state,
        join,
        host: args.slurm.map_or(Host::Local(args.local), Host::Slurm),
        supervisor: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("hw")),
        software: format!("hw {}", env!("CARGO_PKG_VERSION")),
        timing: link::Timing::default(),
    };
    // Two threads: one may be waiting for a disk while the other keeps the line alive.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(Fault::file("<runtime>"))?;
    let served = runtime.block_on(async {
        let ready = |joined: &site::Joined| {
            println!("site {} serves {}", joined.site, joined.servers.join(", "));
        };
        site::run(options, ready, stopped()).await
    });
    runtime.shutdown_background();
    match served {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(Fault::Refused(Word::SiteFailed, vec![("why", chain(&error))])),
    }
}

async fn stopped() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// An error with its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
