//! Commands given as the user whose a job is: `sbatch`, `scancel` and `scontrol` behind the words that the site grants, each word an
//! argument of its own. Whose a job is follows from the listings; what is asked runs as the platform's account.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::runner::{Call, Output};
use super::{CommandLine, ORDER_TIMEOUT, lock};
use crate::carrier::{CarrierError, JobNumber, QueuedJob, SubmitError, SubmitRequest, UnixId};
use crate::config::Become;
use crate::key::NAME_PREFIX;
use crate::users::words;

/// Users of jobs that are remembered; one that is not is asked for.
const OWNERS_MAX: usize = 200_000;

pub(super) struct Acting {
    by: Become,
    owners: Mutex<HashMap<JobNumber, Arc<str>>>,
    /// The account that asks.
    own: OnceLock<String>,
}

impl Acting {
    pub fn new(by: Become) -> Acting {
        Acting { by, owners: Mutex::default(), own: OnceLock::new() }
    }
}

/// Jobs of one user; `None`: the account that asks may give the orders itself.
type Owned = (Option<Arc<str>>, Vec<JobNumber>);

impl CommandLine {
    /// A call as `user`.
    pub(super) fn call_as(&self, user: Option<&str>, name: &str, arguments: Vec<String>, timeout: Duration) -> Call {
        let mut call = self.call(name, arguments, timeout);
        if let (Some(acting), Some(user)) = (&self.acting, user) {
            let mut all = words(acting.by, user);
            all.push(call.program);
            all.append(&mut call.arguments);
            call.program = all.remove(0);
            call.arguments = all;
        }
        call
    }

    /// Remembers whose jobs these are; of others' only those that look like ours are of interest.
    pub(super) fn learn(&self, mut jobs: Vec<QueuedJob>) -> Vec<QueuedJob> {
        let Some(acting) = &self.acting else { return jobs };
        jobs.retain(|job| job.name.starts_with(NAME_PREFIX));
        let mut owners = lock(&acting.owners);
        if owners.len() > OWNERS_MAX {
            owners.clear();
        }
        owners.extend(jobs.iter().filter_map(|job| Some((job.number, job.user.as_deref()?.into()))));
        jobs
    }

    /// The jobs by user, those asked for that are not known yet. What is not there any more stays with the account itself.
    pub(super) async fn by_owner(&self, numbers: &[JobNumber]) -> Result<Vec<Owned>, CarrierError> {
        let Some(acting) = &self.acting else { return Ok(vec![(None, numbers.to_vec())]) };
        let unknown: Vec<JobNumber> = {
            let owners = lock(&acting.owners);
            numbers.iter().filter(|number| !owners.contains_key(number)).copied().collect()
        };
        self.details(&unknown).await?;
        let own = match acting.own.get() {
            Some(own) => own,
            None => {
                let login = self.login().await?;
                acting.own.get_or_init(|| login)
            }
        };
        let owners = lock(&acting.owners);
        let mut groups: BTreeMap<Option<Arc<str>>, Vec<JobNumber>> = BTreeMap::new();
        for number in numbers {
            let owner = owners.get(number).filter(|owner| ***owner != **own).cloned();
            groups.entry(owner).or_default().push(*number);
        }
        Ok(groups.into_iter().collect())
    }

    /// What was said instead of running `sbatch`: no job can have come of it, and the site can mend it.
    pub(super) fn not_granted(&self, request: &SubmitRequest, output: &Output) -> Option<SubmitError> {
        let user = request.run_as.as_deref()?;
        self.acting.as_ref()?;
        let said = output.said();
        let by = said.trim_start();
        (by.starts_with("sudo:") || by.starts_with("runuser:") || said.contains("is not allowed to execute"))
            .then(|| SubmitError::Refused(format!("{} {user}: {said}", crate::states::NOT_GRANTED)))
    }

    pub(super) async fn id_of(&self, user: &str) -> Result<UnixId, CarrierError> {
        let mut call = self.question("id", vec!["-u".to_owned(), "--".to_owned(), user.to_owned()]);
        // No program of Slurm's.
        call.program = "id".to_owned();
        call.timeout = ORDER_TIMEOUT;
        let output = self.run(call).await?;
        match String::from_utf8_lossy(&output.stdout).trim().parse() {
            Ok(id) if output.ok() => Ok(UnixId::Is(id)),
            _ if output.said().contains("no such user") => Ok(UnixId::Nobody),
            _ => Err(CarrierError::Unreadable(output.said())),
        }
    }
}
