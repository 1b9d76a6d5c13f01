//! Repairs on a platform that no server runs: a new password for somebody who lost it. Writes through the engine and the
//! lease like a server, so that a server that is active refuses it and one that starts meanwhile waits. Knows no HTTP.

use base::{Span, UserId};
use engine::{Batch, Command, Denied, Engine, Envelope, Input};
use model::Actor;
use ports::{CommitError, Store as _, StoreError};
use store::{LIST_LIMIT_MAX, PageRequest, SqlStore};

use crate::app::Clock;
use crate::boot::{PASSWORD_LETTERS, readable_secret};
use crate::config::{Checked, Database};
use crate::shell::{DATABASE_FILE, location};

/// How long the repair may take before a server that waits for the lease takes over: loading a million open jobs takes 10 s.
const LEASE: Span = Span::from_secs(60);

/// Why nothing was repaired; nothing of it was done then.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    #[error("there is no platform in {0}: no database is there")]
    NoPlatform(std::path::PathBuf),
    #[error("a server is active ({0}): stop all servers of this database first")]
    Active(String),
    #[error("there is no user `{0}`")]
    NoSuchUser(String),
    #[error("{0}; a server that runs must be stopped first")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("the stored state makes no sense: {0}")]
    Restore(String),
    #[error("a password could not be hashed: {0}")]
    Hash(String),
    #[error("the system gives no random bytes, without which no secret is safe")]
    NoRandomness,
}

/// A password that is shown once and kept nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPassword {
    pub user: String,
    pub password: String,
    /// The user is switched off, and the password of no use until an operator switches it on.
    pub disabled: bool,
}

/// Gives a user a new password and ends its browser sessions; API tokens stay. In the audit log it is the platform's doing.
///
/// # Errors
/// When a server runs, when there is no such platform or user, and what the store answers.
pub async fn reset_password(config: &Checked, name: &str) -> Result<NewPassword, RecoveryError> {
    // Opening would make a database where there is none.
    if config.database == Database::Embedded && !config.data.join(DATABASE_FILE).exists() {
        return Err(RecoveryError::NoPlatform(config.data.clone()));
    }
    let store = SqlStore::open(&location(config)).await?;
    let clock = Clock::system();
    let now = clock.now();
    let holder = format!("hw admin#{:032x}", crate::app::IdSource::system(clock).draw());
    let lease = match store.acquire(&holder, now, now + LEASE).await? {
        Ok(lease) => lease,
        Err(other) => {
            let address = other.holder.split('#').next().unwrap_or_default();
            return Err(RecoveryError::Active(address.to_owned()));
        }
    };
    let done = reset_on(&store, config, lease.fence, now, name).await;
    // A lease that cannot be given back runs out by itself.
    let _ = store.give_up(lease.fence).await;
    store.close().await;
    done
}

async fn reset_on(
    store: &SqlStore,
    config: &Checked,
    fence: u64,
    now: base::Timestamp,
    name: &str,
) -> Result<NewPassword, RecoveryError> {
    let user = store.user_by_name(name).await?.ok_or_else(|| RecoveryError::NoSuchUser(name.to_owned()))?;
    let password = readable_secret(PASSWORD_LETTERS).map_err(|_| RecoveryError::NoRandomness)?;
    let hashed = crate::access::hash_password(password.clone()).await;
    let hashed = hashed.map_err(|failure| RecoveryError::Hash(failure.to_string()))?;
    let mut commands = vec![Command::SetPassword { user: user.id, password: hashed }];
    commands.extend(sessions(store, user.id, now).await?);
    let snapshot = store.load().await?;
    let mut engine =
        Engine::restore(config.policy.clone(), snapshot).map_err(|error| RecoveryError::Restore(error.to_string()))?;
    let mut batch = Batch::default();
    for command in commands {
        let envelope = Envelope { actor: Actor::Platform, operator: true, once: None, command };
        engine.step(Input::Command(Box::new(envelope)), now, &mut batch)?;
    }
    store.commit(fence, &batch).await?;
    Ok(NewPassword { user: user.name.to_string(), password, disabled: user.disabled })
}

/// The ends of a user's browser sessions that are in force.
async fn sessions(store: &SqlStore, user: UserId, now: base::Timestamp) -> Result<Vec<Command>, RecoveryError> {
    let mut ends = Vec::new();
    let mut page = PageRequest::first(LIST_LIMIT_MAX);
    loop {
        let found = store.tokens_of(user, page).await?;
        let live = found.items.iter().filter(|t| t.session && t.revoked_at.is_none() && t.expires_at > now);
        ends.extend(live.map(|token| Command::RevokeToken { token: token.id }));
        let next = found.next.map(|cursor| PageRequest::new(Some(LIST_LIMIT_MAX), Some(&cursor)));
        match next {
            Some(Ok(next)) => page = next,
            // The store's own cursors are read by itself.
            Some(Err(_)) | None => return Ok(ends),
        }
    }
}
