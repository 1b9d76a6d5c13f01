//! Whether the site lets the platform act as the users that the table names: their files, a submission, its end, and whether their jobs
//! can be seen. Leaves nothing behind.

use ports::Files;

use super::{Checked, Finding, first_job, root::Root};
use crate::carrier::{Cancel, Carrier, LimitRights, SubmitError, Survey};
use crate::config::Users;
use crate::homes::USERS;
use crate::supply::Supply;
use crate::users::UnixUser;

const WHAT: &str = "users";
/// Users that are tried: those of a table are granted by one rule of the site's.
const TRIED_MAX: usize = 4;
const TEXT: &[u8] = b"Headworks was here; this file may be removed.\n";
const HOW: &str = "see \"Unix users of their own\" in docs/slurm.md for the lines that the site needs";

pub(super) async fn look(
    carrier: &dyn Carrier,
    files: Option<&dyn Files>,
    survey: &Survey,
    supply: &Supply,
    wanted: &Checked<'_>,
    root: Root,
) -> Vec<Finding> {
    let (Some(users), Some(files)) = (&wanted.config.users, files) else { return Vec::new() };
    let mut findings: Vec<Finding> = seen(carrier, survey).await.into_iter().collect();
    let rules = wanted.config.identity.rules.iter().filter_map(|rule| rule.unix_user.as_deref());
    let mut named: Vec<UnixUser> = rules.filter_map(|name| UnixUser::new(name).ok()).collect();
    named.sort();
    named.dedup();
    if named.is_empty() {
        let advice = "the trial runs as whoever begins it: begin it as somebody whom the table gives a user";
        findings.push(Finding::warn(WHAT, "the table of users has patterns only, and nobody to try them with", advice));
    }
    let slurms = survey.config.iter().find(|(key, _)| key == "SlurmUser").map_or("", |(_, value)| value.as_str());
    for user in named.iter().take(TRIED_MAX) {
        if slurms.split('(').next() == Some(user.as_str()) {
            findings.push(Finding::fail(WHAT, format!("{user} is SlurmUser, and no job runs as one"), "name another"));
            continue;
        }
        findings.push(match tried(carrier, files, supply, wanted, root, user).await {
            Ok(()) => Finding::ok(WHAT, format!("{user}: files, a submission and its end go as that user")),
            Err(found) => Finding::fail(WHAT, format!("{user}: {found}"), advice(users)),
        });
    }
    findings
}

fn advice(users: &Users) -> String {
    format!("the folder {} has to be its user's own; {HOW}", users.work_root)
}

/// Whether jobs of other users are shown to us.
async fn seen(carrier: &dyn Carrier, survey: &Survey) -> Option<Finding> {
    let hidden = survey.config.iter().find(|(key, _)| key == "PrivateData").map_or("", |(_, value)| value.as_str());
    let word = hidden.split(',').map(str::trim).find(|word| matches!(*word, "jobs" | "usage"))?;
    let all = matches!(carrier.limit_rights(&survey.user).await, Ok(LimitRights::All));
    (!all && survey.user != "root").then(|| {
        let found = format!("{} does not see jobs of others there (PrivateData={word})", survey.user);
        Finding::fail(
            WHAT,
            found,
            "ask the site to make it an operator: sacctmgr modify user NAME set AdminLevel=Operator",
        )
    })
}

async fn tried(
    carrier: &dyn Carrier,
    files: &dyn Files,
    supply: &Supply,
    wanted: &Checked<'_>,
    root: Root,
    user: &UnixUser,
) -> Result<(), String> {
    let folder = format!("{USERS}/{user}/hw-check-{:08x}", wanted.tag);
    let probe = format!("{folder}/probe");
    let back = async {
        files.make_folder(&folder).await?;
        files.write(&probe, 0, TEXT.to_vec(), 0o600).await?;
        let back = files.read(&probe, 0, TEXT.len() + 1).await?;
        files.remove(&folder).await?;
        Ok::<_, ports::FileError>(back)
    };
    if back.await.map_err(|error| error.to_string())? != TEXT {
        return Err("a file came back other than it was written".to_owned());
    }
    let Some(plan) = supply.plans.first() else { return Ok(()) };
    let mut request = first_job::request(&plan.pool, wanted, root);
    request.run_as = Some(user.name());
    // It never begins: in the user's own folder nothing has to be there for it.
    request.held = true;
    "/".clone_into(&mut request.work_dir);
    "/dev/null".clone_into(&mut request.stdout);
    let number = carrier.submit(&request).await.map_err(|error| match error {
        SubmitError::Refused(words) => words,
        error => error.to_string(),
    })?;
    carrier.cancel(&[number], Cancel::End).await.map_err(|error| format!("its job {number} cannot be ended: {error}"))
}
