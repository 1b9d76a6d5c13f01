//! From events to notices: which events are worth one, who is to hear of them, and what is said.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use base::{JobId, NoticeId, TenantId, digest128};
use metrics::counter;
use model::{ContractStep, Event, EventKind, GrantStep, Outcome, Role};
use ports::StoreError;
use store::{Lane, Listener, NamedJob, Notice, Scope};
use wire::NoticeKind;
use wire::notices::{Notice as Body, NoticeData};

use crate::access::{Directory, names_from};
use crate::app::App;
use crate::convert::event::{self, Mentioned};
use crate::limits::NOTICE_EVENTS_AT_ONCE;

/// Who listens is read again after this: roles change, and another server may have been active.
const TRUSTED: Duration = Duration::from_secs(10);

/// How far the making has come.
pub(super) struct Making {
    /// As the store has it.
    noted: Option<u64>,
    /// Events up to here were looked at, or nobody was listening; nothing before anybody was found to listen.
    seen: Option<u64>,
    listeners: BTreeMap<TenantId, Vec<Listener>>,
    read_at: Instant,
    names: Directory,
}

/// The kinds that a mask holds.
pub fn kinds(mask: u32) -> Vec<NoticeKind> {
    NoticeKind::ALL.iter().copied().filter(|kind| mask & bit(*kind) != 0).collect()
}

pub fn bits(kinds: &[NoticeKind]) -> u32 {
    kinds.iter().fold(0, |mask, kind| mask | bit(*kind))
}

/// Stored: a kind keeps its bit for ever.
pub const fn bit(kind: NoticeKind) -> u32 {
    match kind {
        NoticeKind::Started => 1,
        NoticeKind::Completed => 2,
        NoticeKind::Failed => 4,
        NoticeKind::Delayed => 8,
        NoticeKind::Money => 16,
    }
}

/// What a notice of this event would be about.
fn kind_of(what: &EventKind) -> Option<NoticeKind> {
    match what {
        EventKind::Started { .. } => Some(NoticeKind::Started),
        EventKind::Ended { outcome: Outcome::Completed, .. } => Some(NoticeKind::Completed),
        EventKind::Ended { .. } => Some(NoticeKind::Failed),
        EventKind::Requeued { .. }
        | EventKind::Interrupted { .. }
        | EventKind::Moved { .. }
        | EventKind::Twinned { .. } => Some(NoticeKind::Delayed),
        EventKind::BalanceLow { .. }
        | EventKind::BudgetAlert { .. }
        | EventKind::BudgetStop { .. }
        | EventKind::ContractChanged { step: ContractStep::Unpaid { .. } | ContractStep::Over, .. }
        | EventKind::GrantChanged { step: GrantStep::Expired, .. } => Some(NoticeKind::Money),
        _ => None,
    }
}

const fn word(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::Started => "job.started",
        NoticeKind::Completed => "job.completed",
        NoticeKind::Failed => "job.failed",
        NoticeKind::Delayed => "job.delayed",
        NoticeKind::Money => "money",
    }
}

/// Looks at the events that have come since the last look.
pub(super) async fn look(app: &App, state: &mut Option<Making>) -> Result<(), StoreError> {
    let mut making = match state.take() {
        Some(making) => making,
        None => Making::begin(app).await?,
    };
    // Read before the listeners are: whoever begins to listen hears of all that happens from then on.
    let newest = app.store.newest_event().await?;
    making.listen(app).await?;
    if making.listeners.is_empty() {
        making.seen = Some(newest);
    } else {
        while making.next(app).await? {}
    }
    *state = Some(making);
    Ok(())
}

impl Making {
    async fn begin(app: &App) -> Result<Making, StoreError> {
        let noted = app.store.notice_cursor().await?;
        app.notices.forget();
        let (listeners, read_at) = (BTreeMap::new(), Instant::now());
        Ok(Making { noted, seen: noted, listeners, read_at, names: Directory::default() })
    }

    async fn listen(&mut self, app: &App) -> Result<(), StoreError> {
        let changed = app.notices.changed.swap(false, Ordering::AcqRel);
        if !changed && self.read_at.elapsed() < TRUSTED {
            return Ok(());
        }
        self.read_at = Instant::now();
        self.listeners.clear();
        for listener in app.store.listeners().await? {
            self.listeners.entry(listener.user.tenant).or_default().push(listener);
        }
        Ok(())
    }

    /// One piece of the stream; false when there is no more.
    async fn next(&mut self, app: &App) -> Result<bool, StoreError> {
        let seen = match self.seen {
            Some(seen) => seen,
            None => app.store.newest_event_before(self.listening_since()).await?,
        };
        self.seen = Some(seen);
        let events = app.store.events_after(Scope::All, None, seen, NOTICE_EVENTS_AT_ONCE).await?;
        let Some(last) = events.last().map(|event| event.seq) else { return Ok(false) };
        let notices = self.make(app, &events).await?;
        if app.store.make_notices(self.noted, last, &notices).await? {
            counter!("headworks_notices_made_total").increment(notices.len() as u64);
            (self.noted, self.seen) = (Some(last), Some(last));
        } else {
            // Another server has gone on from here.
            self.noted = app.store.notice_cursor().await?;
            self.seen = self.noted.or(self.seen);
        }
        Ok(events.len() >= NOTICE_EVENTS_AT_ONCE as usize)
    }

    /// Since when the first of them listens.
    fn listening_since(&self) -> base::Timestamp {
        let all = self.listeners.values().flatten();
        let since =
            all.flat_map(|one| one.mail.iter().map(|(at, _)| *at).chain(one.hooks.iter().map(|(_, at, _)| *at)));
        since.min().unwrap_or(base::Timestamp::ZERO)
    }

    async fn make(&self, app: &App, events: &[Event]) -> Result<Vec<Notice>, StoreError> {
        let heard = |event: &&Event| event.tenant.is_some_and(|tenant| self.listeners.contains_key(&tenant));
        let worth: Vec<Event> =
            events.iter().filter(|event| kind_of(&event.what).is_some()).filter(heard).cloned().collect();
        let jobs: Vec<JobId> = worth.iter().filter_map(|event| event.job).collect();
        let jobs = app.store.named_jobs(&jobs).await?;
        let mentioned = Mentioned::by_events(&worth, names_from(&self.names, &app.store)).await?;
        let mut notices = Vec::new();
        for event in &worth {
            let (Some(kind), Some(tenant)) = (kind_of(&event.what), event.tenant) else { continue };
            let job = event.job.and_then(|job| jobs.get(&job));
            let lanes = self.lanes(app, event, kind, job);
            if lanes.is_empty() {
                continue;
            }
            let tenant = names_from(&self.names, &app.store).tenant_name(tenant).await?;
            let doc = body(app, event, kind, (&tenant, job), &mentioned);
            let now = app.clock.now();
            notices.extend(lanes.into_iter().map(|lane| Notice {
                id: id_of(event.seq, lane),
                lane,
                seq: event.seq,
                made_at: now,
                due_at: now,
                tries: 0,
                doc: doc.clone(),
            }));
        }
        Ok(notices)
    }

    /// Who is to hear of an event, and how.
    fn lanes(&self, app: &App, event: &Event, kind: NoticeKind, job: Option<&NamedJob>) -> Vec<Lane> {
        let mut lanes = Vec::new();
        let listeners = event.tenant.and_then(|tenant| self.listeners.get(&tenant));
        for Listener { user, mail, hooks } in listeners.into_iter().flatten() {
            let own = job.is_none_or(|job| job.user == user.id);
            let for_all = kind == NoticeKind::Money && matches!(user.role, Role::Owner | Role::Operator);
            if !own && !for_all {
                continue;
            }
            let wanted = |since: base::Timestamp, mask: u32| mask & bit(kind) != 0 && event.at >= since;
            let said = job.and_then(|job| job.mail.as_ref()).filter(|_| own && kind != NoticeKind::Money);
            let by_mail = |(since, mask)| match said {
                Some(types) => event.at >= since && types.iter().any(|one| one.tells(&event.what)),
                None => wanted(since, mask),
            };
            if app.notices.settings.mail.is_some() && mail.is_some_and(by_mail) {
                lanes.push(Lane::Mail(user.id));
            }
            let hooks = hooks.iter().filter(|(_, since, mask)| wanted(*since, *mask));
            lanes.extend(hooks.map(|(id, ..)| Lane::Hook(*id)));
        }
        lanes
    }
}

/// The same event is the same notice to the same receiver, whoever makes it and however often.
fn id_of(seq: u64, lane: Lane) -> NoticeId {
    let receiver = match lane {
        Lane::Mail(user) => user.to_bytes(),
        Lane::Hook(hook) => hook.to_bytes(),
    };
    NoticeId::from_u128(digest128(&[b"notice", &seq.to_be_bytes(), &receiver]))
}

fn body(
    app: &App,
    event: &Event,
    kind: NoticeKind,
    (tenant, job): (&str, Option<&NamedJob>),
    mentioned: &Mentioned,
) -> String {
    let shown = event::event(event, mentioned);
    let public = &app.notices.settings.public;
    let url = match job {
        Some(NamedJob { number, .. }) => format!("{public}jobs/{number}"),
        None => format!("{public}money"),
    };
    let data = NoticeData {
        event: event.seq,
        what: shown.kind,
        tenant: tenant.to_owned(),
        job: event.job.map(|id| id.to_string()),
        number: job.map(|job| job.number.clone()),
        name: job.map(|job| job.name.clone()),
        state: event.state.filter(|_| job.is_some()).map(|state| state.as_str().to_owned()),
        text_en: shown.text_en,
        text_zh: shown.text_zh,
        detail: shown.detail,
        url,
    };
    written(&Body { kind: word(kind).into(), timestamp: event.at.into(), data })
}

/// Texts and numbers have no way to fail.
pub(super) fn written(body: &Body) -> String {
    serde_json::to_string(body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{UserId, WebhookId};

    #[test]
    fn kinds_and_masks_are_the_same() {
        for kind in NoticeKind::ALL {
            assert_eq!(kinds(bit(*kind)), [*kind]);
        }
        assert_eq!(bits(NoticeKind::ALL), 31);
        assert_eq!(kinds(bits(&[NoticeKind::Money, NoticeKind::Failed])), [NoticeKind::Failed, NoticeKind::Money]);
    }

    #[test]
    fn an_event_is_one_notice_to_each_receiver() {
        let (user, hook) = (Lane::Mail(UserId::from_u128(1)), Lane::Hook(WebhookId::from_u128(2)));
        assert_eq!(id_of(5, user), id_of(5, user));
        assert_ne!(id_of(5, user), id_of(5, hook));
        assert_ne!(id_of(5, hook), id_of(6, hook));
    }
}
