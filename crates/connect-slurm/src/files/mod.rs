//! The work folder of a cluster: mounted here ([`LocalFiles`]), or by SFTP at the far end of a connection ([`SftpFiles`]).
//! Refuses to know: what the files mean.

pub mod local;
mod rsync;
pub mod sftp;
mod sftp_client;
mod sftp_copy;
mod sftp_wire;

pub use local::LocalFiles;
pub use sftp::SftpFiles;

use ports::FileError;
use ports::files::checked;

/// Longest single name that Linux file systems take, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// Links followed on the way to one file, as many as Linux follows.
const LINKS_MAX: u32 = 40;

/// The parts of a path that may be used, the root's own being none.
fn parts(path: &str) -> Result<Vec<&str>, FileError> {
    let parts: Vec<&str> = checked(path)?.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| part.len() > NAME_BYTES_MAX) {
        return Err(outside(path, "a name is too long"));
    }
    Ok(parts)
}

fn outside(path: &str, why: &'static str) -> FileError {
    /// Enough to know which path it was.
    const SHOWN: usize = 200;
    FileError::Outside { path: path.chars().take(SHOWN).collect(), why }
}

fn wrong(path: &str, wanted: &'static str) -> FileError {
    FileError::WrongKind { path: path.to_owned(), wanted }
}
