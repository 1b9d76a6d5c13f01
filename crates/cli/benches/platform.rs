//! The platform as a whole, measured from outside on this machine: durable submissions over HTTP, the price a job pays
//! for being managed, memory per open job, start with a million of them, the end of a month with a million. Prints figures; judges nothing.
#![allow(clippy::print_stdout, reason = "figures for whoever reads the run")]

#[path = "platform/close.rs"]
mod close;
#[path = "platform/http.rs"]
mod http;
#[path = "platform/measure.rs"]
mod measure;
#[path = "../tests/support/month.rs"]
mod month;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use testkit::Hw;

/// The program to be measured: `HW_BIN`, or the one cargo has built beside this.
fn program() -> PathBuf {
    std::env::var_os("HW_BIN").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_hw")), PathBuf::from)
}

/// A server on a fresh folder with one pool of `cores` cores.
fn server(folder: &tempfile::TempDir, cores: u32) -> Hw {
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("a mode");
    let config = folder.path().join("headworks.toml");
    let text = format!(
        "credit_limit = \"1000000000\"\nlog = \"info\"\n[jobs]\nopen_max = 3000000\n[[local.pool]]\nname = \"main\"\ncores = {cores}\nmemory = \"{cores}G\"\n"
    );
    std::fs::write(&config, text).expect("a configuration");
    Hw::new(program(), folder.path().join("data")).flag("config", &config.to_string_lossy())
}

fn main() {
    // `cargo bench` passes `--bench`; any other word chooses what is measured.
    let words: Vec<String> = std::env::args().skip(1).filter(|w| !w.starts_with('-')).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|w| name.contains(w.as_str()));
    println!("program: {}", program().display());
    if wanted("submissions") {
        measure::submissions();
    }
    if wanted("overhead") {
        measure::overhead();
    }
    if wanted("million") {
        measure::million();
    }
    if wanted("close") {
        close::close();
    }
}
