//! Jobs: handing in, looking at, changing, their output.

use reqwest::Response;
use wire::events::{AuditEntry, AuditQuery, Event, EventStreamQuery, EventsQuery};
use wire::job::{BulkCancel, BulkRequest, BulkResult, Interval, Job, JobChanged, JobPatch, JobSummary, JobsQuery};
use wire::submit::{Explanation, JobAccepted, JobSubmit, Quote};
use wire::{LOG_COMPLETE_HEADER, LOG_OFFSET_HEADER, LOG_SIZE_HEADER, LogStream};

use crate::{Client, ClientError, Events, LogTail, Pages};

/// A piece of an output file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSlice {
    pub bytes: Vec<u8>,
    /// Of the first byte.
    pub offset: u64,
    /// Of the file now.
    pub size: u64,
    /// Nothing will be added any more.
    pub complete: bool,
}

/// What says how pages turn and in which form an answer comes: the call knows that, not the question.
const OF_THE_CALL: [&str; 3] = ["limit", "cursor", "format"];

/// All that the query of a wire type asks, as pairs; wire's query types are flat structs of texts, numbers and words.
pub(crate) fn filters<Q: serde::Serialize>(query: &Q) -> Vec<(String, String)> {
    let serde_json::Value::Object(fields) = serde_json::to_value(query).unwrap_or_default() else { return Vec::new() };
    let text = |value| match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    let asked = fields.into_iter().filter(|(name, _)| !OF_THE_CALL.contains(&name.as_str()));
    asked.filter_map(|(name, value)| Some((name, text(value)?))).collect()
}

impl Client {
    /// Hands a job in. `key` names the submission: the same key and content give the same answer, however often it is sent.
    pub async fn submit(&self, job: &JobSubmit, key: Option<&str>) -> Result<JobAccepted, ClientError> {
        self.read(self.post(&["v1", "jobs"]).json(job).once(key)).await
    }
    /// What would become of a job now, and what it would cost. Accepts nothing.
    pub async fn quote(&self, job: &JobSubmit) -> Result<Quote, ClientError> {
        self.read(self.post(&["v1", "jobs", "quote"]).json(job).repeatable()).await
    }
    /// Newest first, or as the query says; its `limit` and `cursor` are not used.
    pub fn jobs(&self, query: &JobsQuery) -> Pages<JobSummary> {
        Pages::new(self, &["v1", "jobs"], filters(query))
    }
    /// `job` is an id, a number, or an array's element (`12_3`), as in all calls below.
    pub async fn job(&self, job: &str) -> Result<Job, ClientError> {
        self.read(self.get(&["v1", "jobs", job])).await
    }
    pub async fn job_script(&self, job: &str) -> Result<String, ClientError> {
        self.text(self.get(&["v1", "jobs", job, "script"])).await
    }
    /// Oldest first.
    pub fn job_events(&self, job: &str) -> Pages<Event> {
        Pages::new(self, &["v1", "jobs", job, "events"], Vec::new())
    }
    pub fn job_intervals(&self, job: &str) -> Pages<Interval> {
        Pages::new(self, &["v1", "jobs", job, "intervals"], Vec::new())
    }
    pub async fn explain(&self, job: &str, attempt: Option<u32>) -> Result<Explanation, ClientError> {
        self.read(self.get(&["v1", "jobs", job, "explain"]).query("attempt", attempt)).await
    }
    pub async fn cancel(&self, job: &str) -> Result<JobChanged, ClientError> {
        self.change(job, "cancel").await
    }
    pub async fn hold(&self, job: &str) -> Result<JobChanged, ClientError> {
        self.change(job, "hold").await
    }
    pub async fn release(&self, job: &str) -> Result<JobChanged, ClientError> {
        self.change(job, "release").await
    }
    /// Ends the running attempt, if any, and queues the job again.
    pub async fn requeue(&self, job: &str) -> Result<JobChanged, ClientError> {
        self.change(job, "requeue").await
    }
    async fn change(&self, job: &str, verb: &str) -> Result<JobChanged, ClientError> {
        self.read(self.post(&["v1", "jobs", job, verb]).once(None)).await
    }
    /// Cancels at most 1000 jobs and says for each what became of it.
    pub async fn cancel_many(&self, jobs: &BulkCancel) -> Result<BulkResult, ClientError> {
        self.read(self.post(&["v1", "jobs", "cancel"]).json(jobs).once(None)).await
    }
    /// Does one thing to at most 1000 jobs, named or found by a filter, and says for each what became of it.
    pub async fn bulk(&self, request: &BulkRequest) -> Result<BulkResult, ClientError> {
        self.read(self.post(&["v1", "jobs", "bulk"]).json(request).once(None)).await
    }
    /// The job as it was handed in, to be handed in again.
    pub async fn submission(&self, job: &str) -> Result<JobSubmit, ClientError> {
        self.read(self.get(&["v1", "jobs", job, "submission"])).await
    }
    pub async fn update_job(&self, job: &str, patch: &JobPatch) -> Result<JobChanged, ClientError> {
        self.read(self.patch(&["v1", "jobs", job]).json(patch)).await
    }

    /// At most `limit` bytes (1 MiB is the server's largest) of an output file from `offset` on; a negative one counts from the end.
    pub async fn log(&self, job: &str, stream: LogStream, offset: i64, limit: u64) -> Result<LogSlice, ClientError> {
        let call = self.get(&["v1", "jobs", job, "logs"]);
        let call = call.query("stream", Some(stream)).query("offset", Some(offset)).query("limit", Some(limit));
        let answer = self.send(call).await?;
        let start = number(&answer, LOG_OFFSET_HEADER).unwrap_or(u64::try_from(offset).unwrap_or(0));
        let size = number(&answer, LOG_SIZE_HEADER);
        let complete = header(&answer, LOG_COMPLETE_HEADER).is_some_and(|text| text == "true" || text == "1");
        let bytes = answer.bytes().await.map_err(|source| self.broken(source))?.to_vec();
        let size = size.unwrap_or(start + bytes.len() as u64);
        Ok(LogSlice { bytes, offset: start, size, complete })
    }
    /// Follows an output file from `offset` on until nothing will be added any more.
    pub fn follow_log(&self, job: &str, stream: LogStream, offset: i64) -> LogTail {
        LogTail::new(self, job, stream, offset)
    }

    /// The stream of facts from now on, or from `query.after` on; never ends by itself.
    pub fn events(&self, query: &EventStreamQuery) -> Events {
        let mut filters = filters(query);
        filters.retain(|(name, _)| name != "after");
        Events::new(self, filters, query.after)
    }
    /// Past facts, newest first.
    pub fn events_list(&self, query: &EventsQuery) -> Pages<Event> {
        Pages::new(self, &["v1", "events", "list"], filters(query))
    }
    pub fn audit(&self, query: &AuditQuery) -> Pages<AuditEntry> {
        Pages::new(self, &["v1", "audit"], filters(query))
    }
}

fn header<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}
fn number(answer: &Response, name: &str) -> Option<u64> {
    header(answer, name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_of_a_query_is_sent() {
        let some = || Some("x".to_owned());
        let query = JobsQuery {
            state: Some("PENDING,RUNNING".into()),
            name_prefix: some(),
            open: Some(true),
            submitted_after: "2026-11-21T08:00:00Z".parse().ok(),
            limit: Some(7),
            cursor: some(),
            ..JobsQuery::default()
        };
        let mut sent = filters(&query);
        sent.sort();
        let pairs = [
            ("name_prefix", "x"),
            ("open", "true"),
            ("state", "PENDING,RUNNING"),
            ("submitted_after", "2026-11-21T08:00:00.000000Z"),
        ];
        assert_eq!(sent, pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let usage = wire::usage::UsageQuery { model: some(), ..Default::default() };
        assert_eq!(filters(&usage), [("model".to_owned(), "x".to_owned())]);
    }
}
