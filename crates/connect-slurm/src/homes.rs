//! Files of a cluster where jobs run as Unix users of their own: what is a user's is reached as that user, by an SFTP server that runs
//! with his rights, so that nothing in a folder of his can lead further than he may go himself. What is the platform's stays with the
//! platform's account, and there stands who runs which attempt.

mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::AttemptId;
use ports::{FileError, Files};

use crate::carrier::{Carrier, UnixId};
use crate::config::Users;
use crate::evidence;
use crate::files::SftpFiles;
use crate::files::sftp::Line;
use crate::key::Realm;
use crate::ssh::Ssh;
use crate::users::{UnixUser, words};

/// Below it, by name, what is a user's; nothing real stands there.
pub const USERS: &str = ".headworks/users";
/// Conversations that are kept: a process at the site each.
const OPEN_MAX: usize = 16;
/// A work root that others may write into is none of its user's alone.
const OTHERS_WRITE: u32 = 0o022;

/// The files of one cluster and of all its users.
pub struct Homes {
    users: Users,
    service: Arc<dyn Files>,
    carrier: Arc<dyn Carrier>,
    /// Where commands run; `None`: here.
    line: Option<Arc<Ssh>>,
    /// The latest last.
    open: tokio::sync::Mutex<Vec<(UnixUser, Arc<SftpFiles>)>>,
    state: Mutex<State>,
    loading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// Names of attempts and who runs them; `None`: the platform's account.
    owners: BTreeMap<String, Option<UnixUser>>,
    /// Folders of realms of which the notes were read.
    loaded: BTreeSet<String>,
    /// Who is known to be there, and no account of the system.
    known: BTreeSet<UnixUser>,
    /// The account that the platform is.
    account: Option<String>,
    /// As whom Slurm's controller runs, where it says so.
    slurm: Option<String>,
}

impl Homes {
    pub fn new(users: Users, service: Arc<dyn Files>, carrier: Arc<dyn Carrier>, line: Option<Arc<Ssh>>) -> Homes {
        let (open, state, loading) = (tokio::sync::Mutex::default(), Mutex::default(), tokio::sync::Mutex::default());
        Homes { users, service, carrier, line, open, state, loading }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who was noted to run an attempt of a realm that is [`Homes::ready`]: a user, or the platform's account. `None`: nobody.
    pub fn noted(&self, name: &str) -> Option<Option<UnixUser>> {
        self.state().owners.get(name).cloned()
    }

    fn owner(&self, name: &str) -> Option<UnixUser> {
        self.noted(name).flatten()
    }

    /// Whether a job with an attempt's name that runs as `user` can be the attempt's.
    pub fn is_owner(&self, name: &str, user: &str) -> bool {
        let state = self.state();
        match state.owners.get(name) {
            Some(Some(owner)) => owner.as_str() == user,
            Some(None) | None => state.account.as_deref() == Some(user),
        }
    }

    /// Reads who runs what; to be called before anything is made of an answer about jobs.
    ///
    /// # Errors
    /// What could not be asked, in words.
    pub async fn ready(&self, realm: Realm) -> Result<(), String> {
        if self.state().account.is_none() {
            let survey = self.carrier.survey().await.map_err(|error| error.to_string())?;
            let slurm = survey.config.iter().find(|(key, _)| key == "SlurmUser");
            let slurm = slurm.and_then(|(_, value)| value.split('(').next().map(str::to_owned));
            let mut state = self.state();
            (state.account, state.slurm) = (Some(survey.user), slurm);
        }
        self.load(realm.prefix().trim_end_matches('-')).await.map_err(|error| format!("who runs which job: {error}"))
    }

    async fn load(&self, realm: &str) -> Result<(), FileError> {
        if self.state().loaded.contains(realm) {
            return Ok(());
        }
        let _one = self.loading.lock().await;
        let entries = match self.service.list(&notes(realm)).await {
            Ok(entries) => entries,
            Err(FileError::NotFound(_)) => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut state = self.state();
        for entry in entries {
            let Some((name, user)) = entry.name.split_once('=') else { continue };
            let owner = if user.is_empty() { None } else { UnixUser::new(user).ok() };
            if owner.is_some() || user.is_empty() {
                state.owners.entry(name.to_owned()).or_insert(owner);
            }
        }
        state.loaded.insert(realm.to_owned());
        Ok(())
    }

    /// Notes who runs an attempt, ahead of it. Whoever stood there before stays: a job of his may still appear.
    ///
    /// # Errors
    /// When it could not be written: the attempt must not be handed over.
    pub async fn assign(&self, realm: Realm, attempt: AttemptId, user: Option<&UnixUser>) -> Result<(), FileError> {
        let name = realm.name(attempt);
        if self.state().owners.contains_key(&name) {
            return Ok(());
        }
        let realm = realm.prefix();
        let note = format!("{}/{name}={}", notes(realm.trim_end_matches('-')), user.map_or("", UnixUser::as_str));
        self.service.write(&note, 0, Vec::new(), 0o600).await?;
        self.state().owners.insert(name, user.cloned());
        Ok(())
    }

    /// Makes a user's folders ready for a job: his own, closed to others, made as himself.
    ///
    /// # Errors
    /// What is not granted, or not as it has to be, in words.
    pub async fn prepare(&self, realm: Realm, user: &UnixUser) -> Result<(), FileError> {
        let files = self.files_of(user).await?;
        files.make_folder(&evidence::attempts(realm)).await?;
        let root = files.stat("").await?;
        if root.mode & OTHERS_WRITE != 0 {
            let folder = self.users.work_root.replace("{unix}", user.as_str());
            let words = format!("others may write into {folder}: have {user} close it (chmod 700)");
            return Err(FileError::Denied(words));
        }
        Ok(())
    }

    /// The files of one user, reached as himself.
    ///
    /// # Errors
    /// Who is not there, or an account of the system; what the site says.
    pub async fn files_of(&self, user: &UnixUser) -> Result<Arc<SftpFiles>, FileError> {
        self.is_somebody(user).await?;
        let mut open = self.open.lock().await;
        if let Some(at) = open.iter().position(|(known, _)| known == user) {
            let kept = open.remove(at);
            let files = Arc::clone(&kept.1);
            open.push(kept);
            return Ok(files);
        }
        if open.len() >= OPEN_MAX {
            open.remove(0);
        }
        let mut command = words(self.users.by, user.as_str());
        command.push(self.users.sftp_server.clone());
        let root = self.users.work_root.replace("{unix}", user.as_str());
        let files = Arc::new(SftpFiles::by(Line::Program { through: self.line.clone(), words: command }, &root));
        open.push((user.clone(), Arc::clone(&files)));
        Ok(files)
    }

    async fn is_somebody(&self, user: &UnixUser) -> Result<(), FileError> {
        if self.state().known.contains(user) {
            return Ok(());
        }
        if self.state().slurm.as_deref() == Some(user.as_str()) {
            return Err(FileError::Denied(format!("{user} is SlurmUser there, and no job runs as one")));
        }
        match self.carrier.unix_id(user.as_str()).await {
            Ok(UnixId::Is(id)) if id < self.users.uid_min => {
                let words = format!("{user} is an account of the system there (uid {id}), and no job runs as one");
                return Err(FileError::Denied(words));
            }
            Ok(UnixId::Nobody) => return Err(FileError::Denied(format!("the site knows no Unix user {user}"))),
            Ok(UnixId::Is(_) | UnixId::CannotSay) => {}
            Err(error) => return Err(FileError::Unreachable(std::io::Error::other(error.to_string()))),
        }
        self.state().known.insert(user.clone());
        Ok(())
    }
}

/// Folder of the notes of a realm, relative to the work root.
fn notes(realm: &str) -> String {
    format!(".headworks/{realm}/owners")
}
