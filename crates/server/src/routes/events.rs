//! What happened: the live stream with resume, the list, and the audit log.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use base::JobId;
use futures::stream::{self, Stream};
use model::Event;
use std::collections::VecDeque;
use store::{AuditFilter, AuditWord, Scope};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use wire::events::{AuditEntry, AuditQuery, EventStreamQuery, EventsQuery};
use wire::{ErrorCode, Page, events as shown};

use super::logs::problem;
use super::{page, plain_text};
use crate::access::{AuditAccess, Params, Sight};
use crate::convert::event::{self, Mentioned};
use crate::limits::{FILTER_CHARS_MAX, STREAM_CATCH_UP, STREAM_KEEP_ALIVE};
use crate::problem::Failure;

/// After this long without any batch the store is asked: on a stand-by, commits are made elsewhere and no batch comes.
const SILENCE: Duration = Duration::from_secs(2);
/// How long a stream trusts its caller's token before asking again.
const TRUST: Duration = Duration::from_secs(10);

/// The live stream: every event from now on, or after `Last-Event-ID`, each once and in order.
#[utoipa::path(
    get, path = "/v1/events", tag = "events", operation_id = "events",
    params(EventStreamQuery, ("Last-Event-ID" = Option<u64>, Header, description = "Events after this one")),
    responses((
        status = 200, content_type = "text/event-stream", body = shown::Event,
        description = "Server-sent events without a name, data an Event, id its `seq`; `problem` with a Problem"
    ))
)]
pub(super) async fn stream(
    sight: Sight,
    headers: HeaderMap,
    Params(query): Params<EventStreamQuery>,
) -> Result<Response, Failure> {
    let permit = sight.stream()?;
    let (scope, job) = wanted(&sight, query.tenant.as_deref(), query.job.as_deref()).await?;
    let last =
        match headers.get("last-event-id") {
            None => query.after,
            Some(value) => {
                Some(value.to_str().ok().and_then(|text| text.trim().parse().ok()).ok_or_else(|| {
                    Failure::new(ErrorCode::Malformed, "`Last-Event-ID` must be the number of an event")
                })?)
            }
        };
    // Listening begins before the store is read, so that nothing falls between the two.
    let bus = sight.app().events.subscribe();
    let seen = match last {
        Some(last) => last,
        None => newest(&sight).await?,
    };
    let watch = Watch {
        sight,
        scope,
        job,
        bus,
        seen,
        behind: true,
        ready: VecDeque::new(),
        proven: Instant::now(),
        over: false,
        _permit: permit,
    };
    let sse = Sse::new(watch.events()).keep_alive(KeepAlive::new().interval(STREAM_KEEP_ALIVE));
    Ok(([(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"))], sse).into_response())
}

/// Number of the newest event of the platform, 0 when there is none.
async fn newest(sight: &Sight) -> Result<u64, Failure> {
    let page = sight.app().store.events(Scope::All, store::PageRequest::first(1)).await?;
    Ok(page.items.first().map_or(0, |e| e.seq))
}

/// Whose events, and of which job.
async fn wanted(sight: &Sight, tenant: Option<&str>, job: Option<&str>) -> Result<(Scope, Option<JobId>), Failure> {
    let scope = sight.scope(tenant).await?;
    let job = match job {
        None => None,
        Some(text) => Some(sight.visible_job(text).await?.row.job.id),
    };
    Ok((scope, job))
}

/// One open stream of events.
struct Watch {
    sight: Sight,
    scope: Scope,
    job: Option<JobId>,
    bus: Receiver<Arc<[Event]>>,
    /// Everything up to here was sent or does not concern this stream.
    seen: u64,
    /// The store has to be read before the bus.
    behind: bool,
    ready: VecDeque<SseEvent>,
    proven: Instant,
    over: bool,
    _permit: OwnedSemaphorePermit,
}

impl Watch {
    fn events(self) -> impl Stream<Item = Result<SseEvent, Infallible>> {
        stream::unfold(self, |mut watch| async move {
            loop {
                if let Some(event) = watch.ready.pop_front() {
                    return Some((Ok(event), watch));
                }
                if watch.over {
                    return None;
                }
                if let Err(failure) = watch.fill().await {
                    watch.over = true;
                    watch.ready.push_back(problem(&failure));
                }
            }
        })
    }

    /// Waits for more and makes it ready; may come back with nothing.
    async fn fill(&mut self) -> Result<(), Failure> {
        if self.proven.elapsed() > TRUST {
            if !self.sight.still_valid().await {
                return Err(Failure::new(ErrorCode::Unauthenticated, "the token is no longer valid"));
            }
            self.proven = Instant::now();
        }
        if self.behind {
            return self.catch_up().await;
        }
        match tokio::time::timeout(SILENCE, self.bus.recv()).await {
            Ok(Ok(batch)) => self.take(&batch).await,
            Ok(Err(RecvError::Lagged(_))) | Err(_) => {
                self.behind = true;
                Ok(())
            }
            Ok(Err(RecvError::Closed)) => {
                self.over = true;
                Ok(())
            }
        }
    }

    /// Reads from the store what came after `seen`; a full answer means that there is more.
    async fn catch_up(&mut self) -> Result<(), Failure> {
        let found = self.sight.app().store.events_after(self.scope, self.job, self.seen, STREAM_CATCH_UP).await?;
        self.behind = found.len() >= STREAM_CATCH_UP as usize;
        self.send(&found).await
    }

    /// Takes a committed batch. Batches come in order and without gaps; what the store gave already is passed over.
    async fn take(&mut self, batch: &[Event]) -> Result<(), Failure> {
        let Some(newest) = batch.last().map(|e| e.seq) else { return Ok(()) };
        let ours: Vec<Event> =
            batch.iter().filter(|e| e.seq > self.seen && concerns(e, self.scope, self.job)).cloned().collect();
        self.send(&ours).await?;
        self.seen = self.seen.max(newest);
        Ok(())
    }

    async fn send(&mut self, events: &[Event]) -> Result<(), Failure> {
        let Some(newest) = events.last().map(|e| e.seq) else { return Ok(()) };
        let mentioned = Mentioned::by_events(events, self.sight.names()).await?;
        for event in events {
            let data = event::event(event, &mentioned);
            let sse = SseEvent::default().id(event.seq.to_string()).json_data(&data);
            self.ready.push_back(sse.unwrap_or_else(|_| SseEvent::default().comment("unreadable")));
        }
        self.seen = self.seen.max(newest);
        Ok(())
    }
}

fn concerns(event: &Event, scope: Scope, job: Option<JobId>) -> bool {
    let in_scope = match scope {
        Scope::All => true,
        Scope::Tenant(tenant) => event.tenant == Some(tenant),
    };
    in_scope && job.is_none_or(|job| event.job == Some(job))
}

/// Past events, newest first; of one job, oldest first.
#[utoipa::path(
    get, path = "/v1/events/list", tag = "events", operation_id = "events_list", params(EventsQuery),
    responses((status = 200, description = "A page of events", body = Page<shown::Event>))
)]
pub(super) async fn list(
    sight: Sight,
    Params(query): Params<EventsQuery>,
) -> Result<Json<Page<shown::Event>>, Failure> {
    let request = page(query.limit, query.cursor.as_deref())?;
    let (scope, job) = wanted(&sight, query.tenant.as_deref(), query.job.as_deref()).await?;
    let found = match job {
        Some(job) => sight.app().store.events_of_job(job, request).await?,
        None => sight.app().store.events(scope, request).await?,
    };
    let mentioned = Mentioned::by_events(&found.items, sight.names()).await?;
    Ok(Json(crate::convert::page(found, |e| event::event(&e, &mentioned))))
}

/// Who changed what, newest first.
#[utoipa::path(
    get, path = "/v1/audit", tag = "events", operation_id = "audit", params(AuditQuery),
    responses((status = 200, description = "A page of entries", body = Page<AuditEntry>))
)]
pub(super) async fn audit(
    access: AuditAccess,
    Params(query): Params<AuditQuery>,
) -> Result<Json<Page<AuditEntry>>, Failure> {
    let request = page(query.limit, query.cursor.as_deref())?;
    for (field, text) in [("q", &query.q), ("action", &query.action), ("user", &query.user), ("tenant", &query.tenant)]
    {
        plain_text(field, text.as_deref().unwrap_or_default(), FILTER_CHARS_MAX)?;
    }
    let nothing = || Ok(Json(Page { items: Vec::new(), next_cursor: None }));
    let names = access.names();
    let scope = match &query.tenant {
        None => Scope::All,
        Some(text) => match names.find_tenant(text).await? {
            Some(tenant) => Scope::Tenant(tenant.id),
            None => return nothing(),
        },
    };
    let mut filter =
        AuditFilter { from: query.after.map(|t| t.0), to: query.before.map(|t| t.0), ..AuditFilter::default() };
    filter.action = query.action.map(|text| text.trim().to_lowercase()).filter(|text| !text.is_empty());
    if let Some(text) = &query.user {
        let Some(user) = names.find_user(text).await? else { return nothing() };
        filter.actor = Some(user.id);
    }
    for word in query.q.as_deref().unwrap_or_default().split_whitespace() {
        let text = word.to_lowercase();
        let user = names.find_user(&text).await?.map(|user| user.id);
        filter.words.push(AuditWord { text, user });
    }
    let found = access.app().store.audit_found(scope, &filter, request).await?;
    let mentioned = Mentioned::by_audit(&found.items, access.names()).await?;
    Ok(Json(crate::convert::page(found, |entry| event::audit(entry, &mentioned))))
}
