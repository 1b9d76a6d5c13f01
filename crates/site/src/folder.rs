//! The agent's folder: mode 0700, one agent at a time. Holds the key, whom it joined, what the line must not lose, and the
//! jobs of a local connector. Knows no socket.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base::{ClusterId, digest128};
use link::{Fingerprint, Identity, IdentityError, Place};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

const JOINED: &str = "site.toml";
const LOCK: &str = "lock";
const SPOOL: &str = "spool";

/// Whom the site joined, as written to `site.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Joined {
    pub servers: Vec<String>,
    /// Fingerprint of the server's certificate.
    pub pin: String,
    pub site: String,
    pub cluster: ClusterId,
    /// The platform's id.
    pub platform: String,
    /// Which key of the folder was presented.
    pub key: String,
}

impl Joined {
    pub fn place(&self) -> Place {
        Place { site: self.site.clone(), cluster: self.cluster, platform: self.platform.clone() }
    }

    /// # Errors
    /// [`FolderError::Unreadable`].
    pub fn pin(&self) -> Result<Fingerprint, FolderError> {
        self.pin
            .parse()
            .map_err(|_| FolderError::Unreadable { file: JOINED, why: "the pin is no fingerprint".to_owned() })
    }
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("{what} {path}")]
    Io {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("another agent runs on {0}")]
    Taken(PathBuf),
    #[error("{file} of the folder cannot be read: {why}")]
    Unreadable { file: &'static str, why: String },
}

/// The open folder; locked as long as it lives.
pub struct StateFolder {
    path: PathBuf,
    _lock: Flock<File>,
}

/// The name of the key that goes with a token.
pub(crate) fn key_name(token: &str) -> String {
    format!("{:016x}", digest128(&[b"site-token", token.as_bytes()]) >> 64)
}

impl StateFolder {
    /// Makes the folder where it is missing, closes it to others, and locks it.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn open(path: &Path) -> Result<StateFolder, FolderError> {
        let path = std::path::absolute(path).map_err(fault("cannot find", path))?;
        std::fs::create_dir_all(&path).map_err(fault("cannot make the folder", &path))?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o700)).map_err(fault("cannot own", &path))?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path.join(LOCK));
        let lock = lock.map_err(fault("cannot lock", &path))?;
        let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| match error {
            nix::errno::Errno::EWOULDBLOCK => FolderError::Taken(path.clone()),
            other => fault("cannot lock", &path)(other.into()),
        })?;
        Ok(StateFolder { path, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whom the site joined; `None`: nobody yet.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn joined(&self) -> Result<Option<Joined>, FolderError> {
        let path = self.path.join(JOINED);
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let read = toml::from_str(&text);
                read.map(Some).map_err(|e| FolderError::Unreadable { file: JOINED, why: e.message().to_owned() })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fault("cannot read", &path)(error)),
        }
    }

    /// Whole or not at all; then the keys of earlier joins are of no more use.
    pub(crate) fn remember(&self, joined: &Joined) -> Result<(), FolderError> {
        let text = toml::to_string(joined)
            .map_err(|error| FolderError::Unreadable { file: JOINED, why: error.to_string() })?;
        let (path, fresh) = (self.path.join(JOINED), self.path.join("site.toml.new"));
        let write = || -> io::Result<()> {
            let mut file = File::create(&fresh)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&fresh, &path)?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(fault("cannot write", &path))?;
        for entry in std::fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if (name.starts_with("key-") || name.starts_with("cert-")) && !name.contains(&joined.key) {
                // One that stays opens nothing any more.
                let _ = std::fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    fn pair(&self, key: &str) -> (PathBuf, PathBuf) {
        (self.path.join(format!("key-{key}.pem")), self.path.join(format!("cert-{key}.pem")))
    }

    pub(crate) fn make_identity(&self, key: &str) -> Result<Identity, IdentityError> {
        let (key, certificate) = self.pair(key);
        Identity::load_or_make(&key, &certificate, "headworks site")
    }

    pub(crate) fn identity(&self, key: &str) -> Result<Identity, IdentityError> {
        let (key, certificate) = self.pair(key);
        Identity::load(&key, &certificate)
    }

    /// The folder of the line's own files, made where it is missing.
    pub(crate) fn spool(&self) -> Result<PathBuf, FolderError> {
        let path = self.path.join(SPOOL);
        std::fs::create_dir_all(&path).map_err(fault("cannot make the folder", &path))?;
        Ok(path)
    }
}

fn fault(what: &'static str, path: &Path) -> impl Fn(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Io { what, path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_private_and_of_one_agent() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("site");
        let folder = StateFolder::open(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(matches!(StateFolder::open(&path), Err(FolderError::Taken(_))));
        assert_eq!(folder.joined().unwrap(), None);
        drop(folder);
        StateFolder::open(&path).unwrap();
    }

    #[test]
    fn what_was_joined_is_remembered_with_its_key_only() {
        let place = tempfile::tempdir().unwrap();
        let folder = StateFolder::open(place.path()).unwrap();
        let (old, new) = (key_name("first"), key_name("second"));
        let (first, second) = (folder.make_identity(&old).unwrap(), folder.make_identity(&new).unwrap());
        assert_ne!(first.fingerprint(), second.fingerprint());
        let joined = Joined {
            servers: vec!["localhost:7461".into()],
            pin: first.fingerprint().to_string(),
            site: "harbour".into(),
            cluster: link::cluster_id("harbour"),
            platform: String::new(),
            key: new.clone(),
        };
        folder.remember(&joined).unwrap();
        assert_eq!(folder.joined().unwrap(), Some(joined.clone()));
        assert_eq!(joined.pin().unwrap(), first.fingerprint());
        assert_eq!(folder.identity(&new).unwrap().fingerprint(), second.fingerprint());
        assert!(folder.identity(&old).is_err());
        std::fs::write(place.path().join(JOINED), "site = 3").unwrap();
        assert!(matches!(folder.joined(), Err(FolderError::Unreadable { .. })));
    }
}
