//! The `xtask` command: `fences [--write]`, `ratchet [--accept]`, `benches`. Exit code 1 when something does not hold.
#![allow(clippy::print_stdout)] // its output is its purpose

use std::process::ExitCode;

use anyhow::{Result, bail};
use xtask::{bans, fences, hygiene, ratchet, workspace};

const USAGE: &str = "usage: cargo run -p headworks-xtask -- COMMAND
  fences [--write]    check every fence; --write generates the clippy.toml files first
  ratchet [--accept]  print functions and files over their length; --accept writes them to ratchet.toml
  benches             print `package bench` for each benchmark of the workspace";

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = workspace::root();
    let faults = match words.as_slice() {
        ["fences"] => check_all()?,
        ["fences", "--write"] => {
            for path in bans::write(&root)? {
                println!("wrote {path}");
            }
            check_all()?
        }
        ["ratchet"] => ratchet::excesses(&root)?.iter().map(ToString::to_string).collect(),
        ["ratchet", "--accept"] => {
            ratchet::accept(&root)?;
            Vec::new()
        }
        ["benches"] => {
            for (package, bench) in workspace::benches(&workspace::load()?) {
                println!("{package} {bench}");
            }
            Vec::new()
        }
        _ => bail!(USAGE),
    };
    for fault in &faults {
        println!("{fault}");
    }
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every fence in turn; returns what does not hold, one line each.
fn check_all() -> Result<Vec<String>> {
    let root = workspace::root();
    let metadata = workspace::load()?;
    let mut faults = fences::internal_edges(&metadata);
    faults.extend(fences::external_crates(&metadata)?);
    faults.extend(fences::lock_file(&std::fs::read_to_string(root.join("Cargo.lock"))?));
    faults.extend(fences::versions_declared_once(&root)?);
    faults.extend(bans::outdated(&root)?);
    faults.extend(ratchet::faults(&root)?);
    faults.extend(hygiene::faults(&root)?);
    Ok(faults)
}
