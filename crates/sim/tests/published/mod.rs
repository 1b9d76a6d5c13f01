//! Where the shared workload data are, and how tests read them. A test whose data are absent says so and passes.
#![allow(clippy::disallowed_methods, reason = "tests read files")]

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::PathBuf;

use flate2::read::MultiGzDecoder;
use sim::trace::{OnBad, Trace, swf};

/// The folder named by `HW_DATA`, else `../shared/data` beside the repository.
fn folder() -> PathBuf {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    std::env::var_os("HW_DATA").map_or_else(beside, PathBuf::from)
}

/// A trace of the shared data; `None`, with a message, where it is not there.
pub fn trace(name: &str) -> Option<Trace> {
    let path = folder().join("swf").join(name);
    let Ok(file) = File::open(&path) else {
        eprintln!("skipped: {} is not there (HW_DATA names the folder of the workload data)", path.display());
        return None;
    };
    let plain: Box<dyn Read> = if name.ends_with(".gz") { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    match swf::read(BufReader::with_capacity(1 << 16, plain), OnBad::Refuse) {
        Ok(trace) => Some(trace),
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

pub const CTC: &str = "CTC-SP2-1996-3.1-cln.swf.gz";
pub const KTH: &str = "KTH-SP2-1996-2.1-cln.swf.gz";
pub const HPC2N: &str = "HPC2N-2002-2.2-cln.swf.gz";
pub const BLUE: &str = "SDSC-BLUE-2000-4.2-cln.swf.gz";
pub const LUBLIN_1: &str = "lublin_256.swf";
pub const LUBLIN_2: &str = "lublin_256_new2.swf";
