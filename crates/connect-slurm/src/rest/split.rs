//! Two ways into one cluster, each for what it is good at: slurmrestd hands over (500 submissions a second), the command line looks
//! (a listing of 10,000 jobs takes it a tenth of a second, slurmrestd 4 s and gigabytes). Chosen by the operator, never by itself.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::carrier::{
    AccountedRun, AccountsWanted, Cancel, Carrier, CarrierError, JobNumber, NodeFacts, Queue, QueueWanted, SubmitError,
    SubmitRequest, Survey,
};

/// `hand` submits and changes; `eye` lists and accounts, and signals what `hand` cannot.
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
            // Both must answer; what they say is of one cluster.
            let hand = self.hand.survey().await?;
            let mut survey = self.eye.survey().await?;
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
}
