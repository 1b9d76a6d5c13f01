//! Whose job an attempt's is, where jobs run as Unix users of their own: what the table says and the note that stands ahead of every
//! hand-over. A job with the key of an attempt that runs as somebody else is none of ours: it is left alone, and said.

use model::{Observed, Order};
use ports::FileError;

use crate::carrier::{CarrierError, Queue};
use crate::core::Inner;
use crate::core::table::Handed;
use crate::users::{Home, UserError, home_of};

impl Inner {
    /// Where an order's job has its folders, and as whom it runs: as noted when it was handed over, else as the table says now.
    pub(super) fn home(&self, order: &Order) -> Result<Home, UserError> {
        let noted = self.homes.as_ref().and_then(|homes| homes.noted(&self.realm.name(order.attempt)));
        noted.map_or_else(|| home_of(&self.config, order), |user| Ok(Home::new(&self.config, user)))
    }

    /// Makes the folders of whoever runs an order ready, and notes who it is.
    pub(super) async fn make_home(&self, order: &Order) -> Result<(), Handed> {
        let Some(homes) = &self.homes else { return Ok(()) };
        // A table that means nobody is told by rendering.
        let Ok(home) = self.home(order) else { return Ok(()) };
        let made = async {
            if let Some(user) = &home.user {
                homes.prepare(self.realm, user).await?;
            }
            homes.assign(self.realm, order.attempt, home.user.as_ref()).await
        };
        made.await.map_err(|error| match error {
            FileError::Unreachable(error) => Handed::NotSent(error.to_string()),
            error => Handed::Refused {
                text: format!("the site does not take the job: {error}"),
                note: "the site has to mend it, or the operator the table of users".to_owned(),
                permanent: false,
            },
        })
    }

    /// Before anything is made of an answer about jobs it is known whose they have to be.
    pub(super) async fn know_owners(&self) -> Result<(), CarrierError> {
        let Some(homes) = &self.homes else { return Ok(()) };
        homes.ready(self.realm).await.map_err(|error| CarrierError::Unreachable(std::io::Error::other(error)))
    }

    pub(super) fn is_by_its_owner(&self, name: &str, user: Option<&str>) -> bool {
        match (&self.homes, user) {
            (Some(homes), Some(user)) => homes.is_owner(name, user),
            _ => true,
        }
    }

    /// Leaves out jobs that carry an attempt's key and are another user's.
    pub(super) fn leave_others_out(&self, queue: &mut Queue) {
        if self.homes.is_none() {
            return;
        }
        let mut foreign = Vec::new();
        queue.jobs.retain(|job| {
            let Some(attempt) = self.realm.attempt(&job.name) else { return true };
            let ours = self.is_by_its_owner(&job.name, job.user.as_deref());
            if !ours {
                foreign.push((attempt, job.number, job.user.clone().unwrap_or_default()));
            }
            ours
        });
        if foreign.is_empty() {
            return;
        }
        let mut table = self.table();
        for (attempt, number, user) in foreign {
            // An attempt that is not known yet is told of it at a later look.
            if table.attempts.contains_key(&attempt) && table.foreign.insert(number) {
                tracing::warn!(%attempt, number, user, cluster = %self.name, "a job of another user carries an attempt's key");
                let text = format!("Slurm's job {number} of {user} carries this job's key and is not it: left alone");
                table.tell(Observed::Remark { attempt, text: text.into() });
            }
        }
        drop(table);
        self.told();
    }
}
