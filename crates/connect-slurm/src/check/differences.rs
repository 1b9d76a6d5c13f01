//! Whether of an input that changed only the changes travel: tried with a small file. Nothing is in the way of using a cluster where
//! they do not.

use std::io;
use std::path::Path;

use model::ContentDigest;
use ports::{Differences, DifferencesSent, FileError, Files};
use tokio::io::AsyncWriteExt;

use super::{Checked, Finding, root};

const WHAT: &str = "rsync";
/// The SHA-256 of what [`root::look`] wrote there.
const DIGEST: &str = "1a74bf86e7e03b811c56f425652df29646d93f31cb63e94544b56847d17d1146";

/// After [`root::look`] found the work root good.
pub(super) async fn look(files: &dyn Files, wanted: &Checked<'_>) -> Option<Finding> {
    let whole = |why: String| {
        Finding::ok(WHAT, format!("{why}: a large input that changed is sent whole"))
            .with("where inputs are large and change little, have rsync 3.1 or later run at both ends")
    };
    let by = match files.differences().await {
        Ok(None) => return None,
        Ok(Some(Differences::Sent(by))) => by,
        Ok(Some(Differences::NotSent(why))) => return Some(whole(why)),
        Err(error) => return Some(whole(error.to_string())),
    };
    Some(match tried(files, wanted).await {
        Ok(DifferencesSent::Done { .. }) => {
            Finding::ok(WHAT, format!("{by}: of a large input that changed, the changes are sent"))
        }
        Ok(DifferencesSent::NotDone(why)) => whole(format!("{by}, and it does not work: {why}")),
        Err(error) => whole(format!("{by}, and it does not work: {error}")),
    })
}

/// Sends there what is there.
async fn tried(files: &dyn Files, wanted: &Checked<'_>) -> Result<DifferencesSent, FileError> {
    let folder = root::folder(wanted);
    let name = format!("hw-check-{:08x}-{}", wanted.tag, std::process::id());
    let here = std::path::absolute(std::env::temp_dir().join(name)).map_err(FileError::Unreachable)?;
    let digest: ContentDigest = DIGEST.parse().map_err(|fault| FileError::Unreachable(io::Error::other(fault)))?;
    if let Err(fault) = write(&here).await {
        return Ok(DifferencesSent::NotDone(format!("{}: {fault}", here.display())));
    }
    let sent = files.send_differences(&here, digest, &format!("{folder}/probe"), &format!("{folder}/again")).await;
    let _ = tokio::fs::remove_file(&here).await;
    sent
}

/// A file that was not there.
async fn write(path: &Path) -> io::Result<()> {
    let mut file = tokio::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).await?;
    file.write_all(root::TEXT.as_bytes()).await?;
    file.flush().await
}
