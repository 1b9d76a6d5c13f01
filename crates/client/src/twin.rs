//! Runs of the twin on the server.

use base::TwinRunId;
use wire::twin_run::{TwinRun, TwinRunAsk, TwinRunDetail};

use crate::{Client, ClientError, Pages};

impl Client {
    /// Newest first.
    pub fn twin_runs(&self) -> Pages<TwinRun> {
        Pages::new(self, &["v1", "twin", "runs"], Vec::new())
    }
    pub async fn twin_run(&self, run: TwinRunId) -> Result<TwinRunDetail, ClientError> {
        self.read(self.get(&["v1", "twin", "runs", &run.to_string()])).await
    }
    pub async fn ask_twin_run(&self, ask: &TwinRunAsk) -> Result<TwinRun, ClientError> {
        self.read(self.post(&["v1", "twin", "runs"]).json(ask).once(None)).await
    }
    /// One that is over already stays as it is.
    pub async fn cancel_twin_run(&self, run: TwinRunId) -> Result<TwinRun, ClientError> {
        self.read(self.post(&["v1", "twin", "runs", &run.to_string(), "cancel"]).repeatable()).await
    }
}
