//! Whether accounts of tenants who cannot pay may be stopped there, where the operator wants that. Only looks.

use super::Finding;
use crate::carrier::{AccountingKind, Carrier, LimitRights, Survey};
use crate::config::SlurmConfig;

const WHAT: &str = "debtors";
const LEAVE_OUT: &str = "or leave `stop_debtors` out: the platform itself gives them no work either way";

pub(super) async fn look(
    carrier: &dyn Carrier,
    survey: &Survey,
    config: &SlurmConfig,
    has_files: bool,
) -> Option<Finding> {
    if !config.identity.stop_debtors {
        return None;
    }
    Some(found(carrier, survey, has_files).await)
}

async fn found(carrier: &dyn Carrier, survey: &Survey, has_files: bool) -> Finding {
    let fail = |found: String, advice: &str| Finding::fail(WHAT, found, format!("{advice}, {LEAVE_OUT}"));
    if survey.accounting != AccountingKind::Slurmdbd {
        return fail("limits of accounts need slurmdbd, and there is none".into(), "ask the site for slurmdbd");
    }
    if !has_files {
        let advice = "add `files`: what a limit was before is noted below the work root";
        return fail("what a limit was before cannot be noted".into(), advice);
    }
    let enforced =
        survey.config.iter().find(|(key, _)| key == "AccountingStorageEnforce").map_or("", |(_, value)| value);
    if !enforced.split(',').any(|word| matches!(word.trim().to_ascii_lowercase().as_str(), "limits" | "safe" | "all")) {
        let advice = "ask the site for AccountingStorageEnforce=associations,limits";
        return fail(format!("limits are not enforced there (AccountingStorageEnforce={enforced})"), advice);
    }
    match carrier.limit_rights(&survey.user).await {
        Ok(LimitRights::All) => Finding::ok(WHAT, format!("{} may set the limits of all accounts", survey.user)),
        Ok(LimitRights::Of(accounts)) => {
            Finding::ok(WHAT, format!("{} coordinates {}", survey.user, accounts.join(", ")))
                .with("accounts of tenants that are not among them are not stopped")
        }
        Ok(LimitRights::None) => fail(
            format!("{} may not set limits of accounts", survey.user),
            "ask the site to make it coordinator of the tenants' accounts (sacctmgr add coordinator)",
        ),
        Err(error) => fail(format!("rights in accounting: {error}"), "see that sacctmgr answers this account"),
    }
}
