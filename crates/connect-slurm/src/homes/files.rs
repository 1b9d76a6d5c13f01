//! One tree of files over all homes: a path says whose it is, either by name below [`USERS`] or by the attempt whose evidence it is.

use std::sync::Arc;

use futures::future::BoxFuture;
use ports::files::copy_by_pieces;
use ports::{Entry, EntryKind, FileError, Files};

use super::{Homes, USERS, notes};
use crate::users::UnixUser;

/// Everything of ours stands below it.
const OURS: &str = ".headworks/";

/// Whose a path is, and its name there.
struct Place {
    files: Arc<dyn Files>,
    user: Option<UnixUser>,
    path: String,
}

/// The folder of a realm and what stands behind `attempts/` in it.
fn evidence_of(path: &str) -> Option<(&str, &str)> {
    let (realm, rest) = path.strip_prefix(OURS)?.split_once('/')?;
    (realm.starts_with("hw-") && !rest.is_empty()).then_some(())?;
    Some((realm, rest.strip_prefix("attempts")?.trim_start_matches('/')))
}

/// The name of an attempt at the beginning of a path of evidence.
fn attempt_in(rest: &str) -> &str {
    rest.split('/').next().unwrap_or("").trim_end_matches(".slurm")
}

impl Homes {
    async fn place(&self, path: &str) -> Result<Place, FileError> {
        if let Some(rest) = path.strip_prefix(USERS).and_then(|rest| rest.strip_prefix('/')) {
            let (name, below) = rest.split_once('/').unwrap_or((rest, ""));
            let user = UnixUser::new(name).map_err(|error| FileError::Denied(error.to_string()))?;
            return self.place_of(user, below).await;
        }
        if let Some((realm, rest)) = evidence_of(path)
            && !rest.is_empty()
        {
            self.load(realm).await?;
            if let Some(user) = self.owner(attempt_in(rest)) {
                return self.place_of(user, path).await;
            }
        }
        Ok(Place { files: Arc::clone(&self.service), user: None, path: path.to_owned() })
    }

    async fn place_of(&self, user: UnixUser, path: &str) -> Result<Place, FileError> {
        Ok(Place { files: self.files_of(&user).await?, user: Some(user), path: path.to_owned() })
    }

    /// With the evidence of an attempt goes the note of who ran it.
    async fn remove_evidence(&self, realm: &str, name: &str, place: Place) -> Result<(), FileError> {
        place.files.remove(&format!("{OURS}{realm}/attempts/{name}")).await?;
        place.files.remove(&format!("{OURS}{realm}/attempts/{name}.slurm")).await?;
        let user = place.user.as_ref().map_or("", UnixUser::as_str);
        self.service.remove(&format!("{}/{name}={user}", notes(realm))).await?;
        self.state().owners.remove(name);
        Ok(())
    }

    /// The platform's own evidence, and a folder for each attempt that a user runs.
    async fn all_evidence(&self, realm: &str, path: &str) -> Result<Vec<Entry>, FileError> {
        let mut all = match self.service.list(path).await {
            Err(FileError::NotFound(_)) => Vec::new(),
            listed => listed?,
        };
        let noted = match self.service.list(&notes(realm)).await {
            Err(FileError::NotFound(_)) => Vec::new(),
            listed => listed?,
        };
        all.extend(noted.into_iter().filter_map(|note| {
            let (name, user) = note.name.split_once('=')?;
            let name = (!user.is_empty()).then(|| name.to_owned())?;
            Some(Entry { name, kind: EntryKind::Folder, size: 0, ..note })
        }));
        all.sort();
        Ok(all)
    }
}

impl Files for Homes {
    fn stat<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Entry, FileError>> {
        Box::pin(async move {
            let place = self.place(path).await?;
            Ok(Entry { name: path.to_owned(), ..place.files.stat(&place.path).await? })
        })
    }
    fn list<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, FileError>> {
        Box::pin(async move {
            if let Some((realm, "")) = evidence_of(path) {
                return self.all_evidence(realm, path).await;
            }
            let place = self.place(path).await?;
            place.files.list(&place.path).await
        })
    }
    fn read<'a>(&'a self, path: &'a str, offset: u64, max: usize) -> BoxFuture<'a, Result<Vec<u8>, FileError>> {
        Box::pin(async move {
            let place = self.place(path).await?;
            place.files.read(&place.path, offset, max).await
        })
    }
    fn write<'a>(
        &'a self,
        path: &'a str,
        offset: u64,
        bytes: Vec<u8>,
        mode: u32,
    ) -> BoxFuture<'a, Result<(), FileError>> {
        Box::pin(async move {
            let place = self.place(path).await?;
            place.files.write(&place.path, offset, bytes, mode).await
        })
    }
    fn make_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FileError>> {
        Box::pin(async move {
            let place = self.place(path).await?;
            place.files.make_folder(&place.path).await
        })
    }
    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<(), FileError>> {
        Box::pin(async move {
            let (old, new) = (self.place(from).await?, self.place(to).await?);
            match old.user == new.user {
                true => old.files.rename(&old.path, &new.path).await,
                false => Err(FileError::Denied(format!("{to}: it belongs to somebody else"))),
            }
        })
    }
    /// From one to another by way of this process: neither may read what is the other's.
    fn copy<'a>(&'a self, from: &'a str, to: &'a str, mode: u32) -> BoxFuture<'a, Result<(), FileError>> {
        Box::pin(async move {
            let (old, new) = (self.place(from).await?, self.place(to).await?);
            match old.user == new.user {
                true => old.files.copy(&old.path, &new.path, mode).await,
                false => copy_by_pieces(self, from, to, mode).await,
            }
        })
    }
    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FileError>> {
        Box::pin(async move {
            let place = self.place(path).await?;
            match evidence_of(path) {
                Some((realm, rest)) if !rest.is_empty() && !rest.contains('/') => {
                    self.remove_evidence(realm, attempt_in(rest), place).await
                }
                _ => place.files.remove(&place.path).await,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_evidence_names_its_attempt() {
        for (path, wanted) in [
            (".headworks/hw-ab/attempts", Some(("hw-ab", ""))),
            (".headworks/hw-ab/attempts/hw-ab-1-1", Some(("hw-ab", "hw-ab-1-1"))),
            (".headworks/hw-ab/attempts/hw-ab-1-1/fence/owner", Some(("hw-ab", "hw-ab-1-1"))),
            (".headworks/hw-ab/attempts/hw-ab-1-1.slurm", Some(("hw-ab", "hw-ab-1-1"))),
            (".headworks/contents/ab", None),
            ("work/lab/li/7", None),
        ] {
            assert_eq!(evidence_of(path).map(|(realm, rest)| (realm, attempt_in(rest))), wanted, "{path}");
        }
    }
}
