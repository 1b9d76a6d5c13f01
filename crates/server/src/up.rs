//! `hw up`: gathers the configuration, starts the server, announces it, waits for a signal.
//! The only part of the server that speaks to a terminal: what it announces goes to stdout, logs go elsewhere.
#![allow(clippy::print_stdout, reason = "the announcement is this module's duty")]

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Checked, ConfigError, Flags, Process, Written};
use crate::driver::Role;
use crate::shell::{Running, start};

/// Exit code when the configuration or the start fails.
const FAILED: u8 = 1;

/// The effective configuration from flags, the process's environment and `headworks.toml`.
///
/// # Errors
/// As [`Written::gather`] and [`Checked::from_written`].
pub fn configure(flags: &Flags) -> Result<(Written, Checked), ConfigError> {
    let written = Written::gather(flags, &Process)?;
    let checked = Checked::from_written(&written)?;
    Ok((written, checked))
}

/// Runs a server until SIGTERM or SIGINT. `log` sets up logging as configured.
pub fn main_up(flags: &Flags, log: impl FnOnce(&Checked)) -> ExitCode {
    let config = match configure(flags) {
        Ok((_, config)) => config,
        Err(error) => return fail(&error),
    };
    log(&config);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    runtime.block_on(async {
        match start(config).await {
            Ok(running) => serve(running).await,
            Err(error) => fail(&error),
        }
    })
}

#[allow(clippy::print_stderr, reason = "there may be no log yet")]
fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprint!("hw up: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprint!(": {cause}");
        source = cause.source();
    }
    eprintln!();
    ExitCode::from(FAILED)
}

async fn serve(mut running: Running) -> ExitCode {
    announce(&running);
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return ExitCode::from(FAILED);
    };
    let reason = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        reason = running.ended() => Some(reason),
    };
    if let Some(reason) = reason {
        tracing::error!(%reason, "the server ended");
        return ExitCode::from(FAILED);
    }
    tracing::info!("stopping; running jobs go on");
    match running.stop().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn announce(running: &Running) {
    println!("Headworks is up at http://{}", running.address);
    if let Role::Standby { holder: Some(holder) } = &*running.role.borrow() {
        println!("standing by; active is {}", holder.split('#').next().unwrap_or(holder));
    }
    if let Some(admin) = &running.first_admin {
        println!("first administrator: {}", admin.name);
        println!("one-time password:   {}   (shown only now; change it with `hw users password`)", admin.password);
    }
    if !crate::page::is_built() {
        println!("note: the web page is not built into this program; see http://{}", running.address);
    }
    for remark in &running.remarks {
        println!("note: {remark}");
    }
}
