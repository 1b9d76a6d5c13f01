//! Tokens of `hw login`, by server, in a file that only its owner reads. Knows no HTTP.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// File name below the configuration folder.
pub const FILE: &str = "credentials.toml";
/// Readable and writable by its owner only.
const MODE: u32 = 0o600;

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// The server last signed in to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    #[serde(default)]
    pub server: BTreeMap<String, Kept>,
}

/// What is kept of one sign-in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub user: String,
    pub token: String,
    pub token_id: String,
    pub expires_at: String,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("user", &self.user).field("token_id", &self.token_id).finish_non_exhaustive()
    }
}

/// Addresses are compared without a slash at their end.
fn key(url: &str) -> &str {
    url.trim_end_matches('/')
}

impl Credentials {
    pub fn path(config_dir: &Path) -> PathBuf {
        config_dir.join(FILE)
    }

    /// Nothing where there is no file.
    pub fn read(config_dir: &Path) -> Result<Credentials, Fault> {
        let path = Self::path(config_dir);
        match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).map_err(|fault| Fault::File {
                path,
                source: std::io::Error::new(std::io::ErrorKind::InvalidData, fault.to_string()),
            }),
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => Ok(Credentials::default()),
            Err(source) => Err(Fault::File { path, source }),
        }
    }

    /// Replaces the file as a whole, so that a crash leaves the old one or the new one.
    pub fn write(&self, config_dir: &Path) -> Result<PathBuf, Fault> {
        std::fs::create_dir_all(config_dir).map_err(Fault::file(config_dir))?;
        let path = Self::path(config_dir);
        let new = config_dir.join(format!("{FILE}.{}", std::process::id()));
        // A map of texts is always TOML.
        let text = toml::to_string(self).unwrap_or_default();
        let written = || -> std::io::Result<()> {
            let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, &path)
        };
        written().map_err(Fault::file(&path))?;
        Ok(path)
    }

    pub fn token_of(&self, url: &str) -> Option<&str> {
        Some(self.server.get(key(url))?.token.as_str())
    }
    pub fn keep(&mut self, url: &str, user: &str, token: &str, token_id: &str, expires_at: &str) {
        let kept =
            Kept { user: user.into(), token: token.into(), token_id: token_id.into(), expires_at: expires_at.into() };
        self.server.insert(key(url).into(), kept);
        self.default = Some(key(url).into());
    }
    /// Takes a server out; returns what was kept of it.
    pub fn forget(&mut self, url: &str) -> Option<Kept> {
        let kept = self.server.remove(key(url));
        if self.default.as_deref() == Some(key(url)) {
            self.default = None;
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn tokens_are_kept_for_their_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("a/b");
        assert_eq!(Credentials::read(&dir).unwrap(), Credentials::default());
        let mut kept = Credentials::default();
        kept.keep("http://h:1/", "ann", "hwt_x", "tok_1", "2027-01-01T00:00:00Z");
        let path = kept.write(&dir).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let read = Credentials::read(&dir).unwrap();
        assert_eq!(read, kept);
        assert_eq!(read.token_of("http://h:1"), Some("hwt_x"));
        assert!(!format!("{read:?}").contains("hwt_x"));
        assert_eq!(kept.forget("http://h:1").map(|one| one.token_id), Some("tok_1".into()));
        assert_eq!((kept.default.as_deref(), kept.token_of("http://h:1")), (None, None));
    }

    #[test]
    fn a_broken_file_is_told_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(Credentials::path(dir.path()), "default = [").unwrap();
        let fault = Credentials::read(dir.path()).unwrap_err();
        assert!(fault.told(crate::text::Lang::En).contains(FILE), "{fault:?}");
    }
}
