//! The key of an attempt as Slurm carries it: in the job's name, where queue and accounting can be asked for it, and first in
//! its comment. Slurm's own number of a job is never an identity: a controller that lost its state gives it out again.

use base::{AttemptId, JobId, digest128};

/// Prefix of the names of all jobs that Headworks hands over.
pub const NAME_PREFIX: &str = "hw-";

/// Which platform an attempt belongs to: two platforms may use one account on one cluster and leave each other's jobs alone.
/// Eight hexadecimal digits of the digest of the platform's and the cluster's ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Realm(u32);

impl Realm {
    pub fn new(parts: &[&[u8]]) -> Realm {
        Realm((digest128(parts) >> 96) as u32)
    }
    /// `hw-89abcdef-`: what the names of all jobs of this realm begin with.
    pub fn prefix(self) -> String {
        format!("{NAME_PREFIX}{:08x}-", self.0)
    }
    /// `hw-89abcdef-00000000000000000000000000000000-1`: the name of an attempt's job, 47 to 56 characters of `[a-z0-9-]`,
    /// safe as a file name and in every list Slurm prints.
    pub fn name(self, attempt: AttemptId) -> String {
        format!("{}{:032x}-{}", self.prefix(), attempt.job.as_u128(), attempt.number)
    }
    /// The attempt that a job's name stands for; `None` for a job of somebody else.
    pub fn attempt(self, name: &str) -> Option<AttemptId> {
        let rest = name.strip_prefix(&self.prefix())?;
        let (job, number) = rest.split_once('-')?;
        if job.len() != 32 {
            return None;
        }
        Some(AttemptId::new(JobId::from_u128(u128::from_str_radix(job, 16).ok()?), number.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_are_left_alone() {
        let realm = Realm::new(&[b"platform", b"cluster"]);
        let attempt = AttemptId::new(JobId::from_u128(0x0192_f000_0000_7000_8000_0000_0000_0001), 12);
        let name = realm.name(attempt);
        assert_eq!(realm.attempt(&name), Some(attempt));
        assert_eq!(Realm::new(&[b"another"]).attempt(&name), None);
        for other in ["", "hw-", "job", &format!("{}x-1", realm.prefix()), &name[..name.len() - 2]] {
            assert_eq!(realm.attempt(other), None, "{other}");
        }
    }
}
