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

/// The key of a job by its name, or by its comment where the site has given it another name (`job_submit` plugins do): what the
/// job counts under. Without a key it is the name, which is then that of somebody else's job.
pub fn identity<'a>(name: &'a str, comment: &'a str) -> &'a str {
    if is_key(name) {
        return name;
    }
    comment.split_whitespace().next().filter(|word| is_key(word)).unwrap_or(name)
}

/// `hw-`, 8 hexadecimal digits, `-`, 32 of them, `-`, a number.
fn is_key(text: &str) -> bool {
    let hex = |part: Option<&str>, digits: usize| {
        part.is_some_and(|part| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let mut parts = text.strip_prefix(NAME_PREFIX).unwrap_or("").split('-');
    hex(parts.next(), 8)
        && hex(parts.next(), 32)
        && parts.next().is_some_and(|number| number.parse::<u32>().is_ok())
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_was_renamed_is_known_by_its_comment() {
        let key = Realm::new(&[b"platform"]).name(AttemptId::new(JobId::from_u128(7), 3));
        let comment = format!("{key} acme/flood/li job.sh: a comment");
        assert_eq!(identity(&key, ""), key);
        assert_eq!(identity(&key, "site"), key);
        assert_eq!(identity("site_hw-89abc", &comment), key);
        for other in
            ["", "job", "hw-1-2-3 a comment", &format!("see {key}"), &format!("{key}-4"), &key[..key.len() - 2]]
        {
            assert_eq!(identity("name", other), "name", "{other}");
        }
    }

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
