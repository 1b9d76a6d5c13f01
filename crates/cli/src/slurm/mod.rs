//! Slurm's commands with the options people type most, so that scripts move over unchanged. What they print and end with is
//! Slurm's; what they ask is the API. Also reached by the program's name: a link called `sbatch` is `hw sbatch`.

pub mod fields;
pub mod format;
pub mod hostlist;
pub mod ids;
pub mod sacct;
pub mod sbatch;
pub mod scancel;
pub mod sinfo;
pub mod squeue;
pub mod states;

use std::ffi::OsStr;
use std::path::Path;

use clap::Parser;

use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;

/// One of Slurm's commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    Sbatch,
    Squeue,
    Scancel,
    Sacct,
    Sinfo,
}

impl Face {
    pub const ALL: [Face; 5] = [Face::Sbatch, Face::Squeue, Face::Scancel, Face::Sacct, Face::Sinfo];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Sbatch => "sbatch",
            Self::Squeue => "squeue",
            Self::Scancel => "scancel",
            Self::Sacct => "sacct",
            Self::Sinfo => "sinfo",
        }
    }
    /// The command a program's name stands for, wherever it lies.
    pub fn of_program(name: &OsStr) -> Option<Face> {
        let name = Path::new(name).file_name()?;
        Self::ALL.into_iter().find(|face| name == face.name())
    }
}

pub async fn run(desk: &Desk, face: Face, words: Vec<String>) -> Result<Exit, Fault> {
    match face {
        Face::Sbatch => sbatch::run(desk, &words).await,
        Face::Squeue => match parse(face, &words) {
            Ok(args) => squeue::run(desk, args).await,
            Err(exit) => Ok(exit),
        },
        Face::Scancel => match parse(face, &words) {
            Ok(args) => scancel::run(desk, args).await,
            Err(exit) => Ok(exit),
        },
        Face::Sacct => match parse(face, &words) {
            Ok(args) => sacct::run(desk, args).await,
            Err(exit) => Ok(exit),
        },
        Face::Sinfo => match parse(face, &words) {
            Ok(args) => sinfo::run(desk, args).await,
            Err(exit) => Ok(exit),
        },
    }
}

/// Reads a command's words; prints help or the fault itself, as Slurm's commands do, and ends with 1 for a fault.
fn parse<T: Parser>(face: Face, words: &[String]) -> Result<T, Exit> {
    let line = std::iter::once(face.name()).chain(words.iter().map(String::as_str));
    T::try_parse_from(line).map_err(|fault| {
        let _ = fault.print();
        if fault.use_stderr() { Exit::Failure } else { Exit::Ok }
    })
}

/// Slurm's words for "version".
pub const VERSION: &str = concat!("headworks ", env!("CARGO_PKG_VERSION"));

/// A list by commas as clap collects it, without empty parts.
pub fn listed(values: &[String]) -> Vec<&str> {
    values.iter().flat_map(|value| value.split(',')).map(str::trim).filter(|value| !value.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_known_by_name() {
        assert_eq!(Face::of_program(OsStr::new("/usr/local/bin/squeue")), Some(Face::Squeue));
        assert_eq!(Face::of_program(OsStr::new("sbatch")), Some(Face::Sbatch));
        assert_eq!(Face::of_program(OsStr::new("/opt/sbatch/hw")), None);
        assert_eq!(Face::of_program(OsStr::new("squeue.sh")), None);
    }
}
