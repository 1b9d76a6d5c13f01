//! Keeps site accounts of tenants who cannot pay from taking in work, and lets them again, by the one limit that their association
//! has for it. By level: told whom to stop, it changes what differs, and a repeat changes nothing. What a limit was before stands
//! beside the fences, so that a restart knows it. Refuses to know: who owes what.

use std::collections::{BTreeMap, BTreeSet};

use ports::{FileError, Files};

use crate::carrier::{Carrier, CarrierError, SubmitLimit};
use crate::evidence;
use crate::key::Realm;

/// A note is a number, or nothing for no limit.
const NOTE_BYTES_MAX: usize = 32;

#[derive(Debug, thiserror::Error)]
pub enum DebtorsError {
    #[error("limits of accounts: {0}")]
    Carrier(#[from] CarrierError),
    #[error("notes of limits: {0}")]
    Files(#[from] FileError),
}

/// What was changed, and what could not be.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Changed {
    pub stopped: Vec<String>,
    pub lifted: Vec<String>,
    /// Accounts that the cluster does not know.
    pub unknown: Vec<String>,
}

/// Accounts are of lower case in Slurm.
pub fn name_of(account: &str) -> String {
    account.to_ascii_lowercase()
}

/// Stops `wanted` on the cluster that Slurm calls `cluster`, and lifts the stop of all others that this platform stopped.
///
/// # Errors
/// What could not be asked or done; a repeat goes on from there.
pub async fn reconcile(
    carrier: &dyn Carrier,
    files: &dyn Files,
    realm: Realm,
    cluster: &str,
    wanted: &BTreeSet<String>,
) -> Result<Changed, DebtorsError> {
    let folder = evidence::stops(realm);
    let wanted: BTreeSet<String> = wanted.iter().map(|account| name_of(account)).collect();
    let noted: BTreeSet<String> = match files.list(&folder).await {
        Ok(entries) => entries.into_iter().map(|entry| entry.name).collect(),
        Err(FileError::NotFound(_)) => BTreeSet::new(),
        Err(error) => return Err(error.into()),
    };
    let mut changed = Changed::default();
    let concerned: Vec<String> = wanted.union(&noted).cloned().collect();
    if concerned.is_empty() {
        return Ok(changed);
    }
    let now = carrier.submit_limits(cluster, &concerned).await?;
    let now: BTreeMap<String, Option<u32>> = now.into_iter().map(|limit| (limit.account, limit.most)).collect();
    for account in concerned {
        let note = format!("{folder}/{account}");
        let is = now.get(&account).copied();
        match (wanted.contains(&account), is) {
            (true, None) => changed.unknown.push(account),
            (true, Some(Some(0))) => {}
            (true, Some(before)) => {
                // What it was before is known before it is changed.
                if !noted.contains(&account) {
                    let text = before.map_or(String::new(), |most| most.to_string());
                    files.write(&note, 0, text.into_bytes(), 0o600).await?;
                }
                carrier.set_submit_limit(cluster, &SubmitLimit { account: account.clone(), most: Some(0) }).await?;
                changed.stopped.push(account);
            }
            (false, is) => {
                // Another number is the site's own of meanwhile, and stays.
                if is == Some(Some(0)) {
                    let text = files.read(&note, 0, NOTE_BYTES_MAX).await?;
                    let most = String::from_utf8_lossy(&text).trim().parse().ok();
                    carrier.set_submit_limit(cluster, &SubmitLimit { account: account.clone(), most }).await?;
                    changed.lifted.push(account);
                }
                files.remove(&note).await?;
            }
        }
    }
    Ok(changed)
}
