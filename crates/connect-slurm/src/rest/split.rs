//! Two ways into one cluster, each for what it is good at: slurmrestd hands over (500 submissions a second), the command line looks
//! (a listing of 10,000 jobs takes it a tenth of a second, slurmrestd 4 s and gigabytes). Chosen by the operator, never by itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::BoxFuture;

use crate::carrier::{
    AccountedRun, AccountsWanted, Cancel, Carrier, CarrierError, JobNumber, LimitRights, NodeFacts, Queue, QueueWanted,
    SubmitError, SubmitLimit, SubmitRequest, Survey, UnixId,
};

/// `hand` submits; `eye` lists, accounts, changes and ends, as it can do so for many jobs at once.
pub struct Split {
    pub hand: Arc<dyn Carrier>,
    pub eye: Arc<dyn Carrier>,
}

impl Carrier for Split {
    fn describe(&self) -> String {
        format!("{}, looking through {}", self.hand.describe(), self.eye.describe())
    }
    fn survey(&self) -> BoxFuture<'_, Result<Survey, CarrierError>> {
        Box::pin(async move {
            let hand = self.hand.survey().await?;
            let mut survey = self.eye.survey().await?;
            same(&hand, &survey).map_err(CarrierError::Refused)?;
            survey.config.extend(hand.config);
            Ok(survey)
        })
    }
    fn nodes(&self, since: Option<i64>) -> BoxFuture<'_, Result<Vec<NodeFacts>, CarrierError>> {
        self.eye.nodes(since)
    }
    fn submit<'a>(&'a self, request: &'a SubmitRequest) -> BoxFuture<'a, Result<JobNumber, SubmitError>> {
        self.hand.submit(request)
    }
    fn queue(&self, wanted: QueueWanted) -> BoxFuture<'_, Result<Queue, CarrierError>> {
        self.eye.queue(wanted)
    }
    fn accounts(&self, wanted: AccountsWanted) -> BoxFuture<'_, Result<Vec<AccountedRun>, CarrierError>> {
        self.eye.accounts(wanted)
    }
    fn cancel<'a>(&'a self, numbers: &'a [JobNumber], how: Cancel) -> BoxFuture<'a, Result<(), CarrierError>> {
        // Many at once in one call, and the batch shell alone: the command line's strength.
        self.eye.cancel(numbers, how)
    }
    fn hold<'a>(&'a self, numbers: &'a [JobNumber]) -> BoxFuture<'a, Result<(), CarrierError>> {
        self.eye.hold(numbers)
    }
    fn release<'a>(&'a self, numbers: &'a [JobNumber]) -> BoxFuture<'a, Result<(), CarrierError>> {
        self.eye.release(numbers)
    }
    fn set_time_limit(&self, number: JobNumber, minutes: u32) -> BoxFuture<'_, Result<(), CarrierError>> {
        self.eye.set_time_limit(number, minutes)
    }
    fn unix_id<'a>(&'a self, user: &'a str) -> BoxFuture<'a, Result<UnixId, CarrierError>> {
        self.eye.unix_id(user)
    }
    fn submit_limits<'a>(
        &'a self,
        cluster: &'a str,
        accounts: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<SubmitLimit>, CarrierError>> {
        self.eye.submit_limits(cluster, accounts)
    }
    fn set_submit_limit<'a>(
        &'a self,
        cluster: &'a str,
        limit: &'a SubmitLimit,
    ) -> BoxFuture<'a, Result<(), CarrierError>> {
        self.eye.set_submit_limit(cluster, limit)
    }
    fn limit_rights<'a>(&'a self, user: &'a str) -> BoxFuture<'a, Result<LimitRights, CarrierError>> {
        self.eye.limit_rights(user)
    }
}

/// Both ways lead to one cluster and to the jobs of one account. Otherwise each job that is handed over would look lost, and be
/// handed over again.
fn same(hand: &Survey, eye: &Survey) -> Result<(), String> {
    let differ = |what: &str, hand: &str, eye: &str| {
        format!(
            "slurmrestd and Slurm's commands lead to different {what}: `{hand}` and `{eye}`; mend `commands` or `rest`"
        )
    };
    if !hand.cluster_name.is_empty() && hand.cluster_name != eye.cluster_name {
        return Err(differ("clusters", &hand.cluster_name, &eye.cluster_name));
    }
    if !hand.user.is_empty() && hand.user != eye.user {
        return Err(differ("accounts", &hand.user, &eye.user));
    }
    let names = |survey: &Survey| survey.nodes.iter().map(|node| node.name.clone()).collect::<BTreeSet<_>>();
    let (theirs, ours) = (names(hand), names(eye));
    if let Some(odd) = theirs.symmetric_difference(&ours).next() {
        let other = |names: &BTreeSet<String>| if names.contains(odd) { odd.as_str() } else { "" }.to_owned();
        return Err(differ("nodes", &other(&theirs), &other(&ours)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carrier::AccountingKind;

    fn survey(cluster: &str, user: &str, nodes: &[&str]) -> Survey {
        let node = |name: &&str| NodeFacts {
            name: (*name).to_owned(),
            state: "IDLE".into(),
            reason: None,
            cpus: 1,
            mem: base::Bytes(0),
            gres: Vec::new(),
            features: Vec::new(),
            partitions: Vec::new(),
            cpus_allocated: 0,
            mem_allocated: base::Bytes(0),
            gres_allocated: Vec::new(),
        };
        Survey {
            version: "22.05.8".into(),
            cluster_name: cluster.into(),
            user: user.into(),
            accounting: AccountingKind::Slurmdbd,
            clock: 0,
            config: Vec::new(),
            partitions: Vec::new(),
            nodes: nodes.iter().map(node).collect(),
            reservations: Vec::new(),
            licences: Vec::new(),
            limits: Vec::new(),
            topology: Vec::new(),
        }
    }

    #[test]
    fn two_ways_that_lead_apart_are_no_way() {
        let eye = survey("a", "hw", &["n1", "n2"]);
        assert_eq!(same(&survey("a", "hw", &["n2", "n1"]), &eye), Ok(()));
        // Without slurmdbd a slurmrestd has no name of its cluster, and on a socket of another machine no account.
        assert_eq!(same(&survey("", "", &["n1", "n2"]), &eye), Ok(()));
        for (hand, word) in [
            (survey("b", "hw", &["n1", "n2"]), "clusters: `b` and `a`"),
            (survey("a", "root", &["n1", "n2"]), "accounts: `root` and `hw`"),
            (survey("", "", &["n1"]), "nodes: `` and `n2`"),
        ] {
            let said = same(&hand, &eye).unwrap_err();
            assert!(said.contains(word), "{said}");
        }
    }
}
