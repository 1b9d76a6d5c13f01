//! Sends what is due, lane by lane: a hook, or a user's mail. Within a lane one goes after the other, lanes do not wait for one
//! another. What was taken leaves the store after it was taken, so a server that dies in between sends it again under its old id.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use base::{Timestamp, UserId, WebhookId};
use metrics::counter;
use ports::StoreError;
use store::{Hook, Lane, Notice, NoticeOutcome};
use wire::notices::{Notice as Body, NoticeData};

use super::hooks::{self, NotTaken};
use super::{checked_url, mail, making, pause};
use crate::app::App;
use crate::limits::{MAIL_EVERY, MAIL_LINES_MAX, NOTICE_LANES_MAX, NOTICE_LIFE, WEBHOOK_RUN};

/// The lanes on which something goes just now.
#[derive(Clone, Default)]
pub(super) struct Lanes(Arc<Mutex<BTreeSet<Lane>>>);

impl Lanes {
    fn set(&self) -> std::sync::MutexGuard<'_, BTreeSet<Lane>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leaves the lane also when its task is broken off.
struct Going(Lanes, Lane);

impl Drop for Going {
    fn drop(&mut self) {
        self.0.set().remove(&self.1);
    }
}

/// Begins a task for each lane of which something is due and on which nothing goes.
pub(super) async fn look(app: &App, lanes: &Lanes) -> Result<(), StoreError> {
    for lane in app.store.lanes_due(app.clock.now(), NOTICE_LANES_MAX).await? {
        if !lanes.set().insert(lane) {
            continue;
        }
        let (app, going) = (app.clone(), Going(lanes.clone(), lane));
        tokio::spawn(async move {
            let gone = match lane {
                Lane::Hook(hook) => call(&app, hook).await,
                Lane::Mail(user) => mail_to(&app, user).await,
            };
            if let Err(error) = gone {
                tracing::warn!(%error, "notices stay on their way");
            }
            drop(going);
        });
    }
    Ok(())
}

/// Some of what is due to one hook, up to the first that is not taken.
async fn call(app: &App, id: WebhookId) -> Result<(), StoreError> {
    let lane = Lane::Hook(id);
    let hook = match app.store.hook(id).await? {
        Some(hook) if may_hear(app, hook.user).await? => hook,
        _ => return app.store.drop_notices(lane).await,
    };
    let url = checked_url(&hook.url, app.notices.settings.private_addresses);
    let _slots = match &url {
        // Nobody closes these.
        Ok(url) => {
            (app.notices.host(url).acquire_owned().await.ok(), app.notices.calls.clone().acquire_owned().await.ok())
        }
        Err(_) => (None, None),
    };
    let due = app.store.notices_due(lane, app.clock.now(), WEBHOOK_RUN).await?;
    let mut tries = Vec::new();
    for notice in &due {
        let now = app.clock.now();
        let taken = match &url {
            Ok(url) => {
                let named = (&*notice.id.to_string(), now);
                hooks::call(&app.notices.http, url.clone(), &hook.secret, named, &notice.doc).await
            }
            Err(refused) => Err(NotTaken { why: refused.to_string(), wait: None }),
        };
        let failed = taken.is_err();
        tries.push((notice.id, outcome(taken, notice, app.clock.now())));
        if failed {
            break;
        }
    }
    for (_, outcome) in &tries {
        let result = match outcome {
            NoticeOutcome::Sent => "sent",
            NoticeOutcome::Failed { again_at: Some(_), .. } => "failed",
            NoticeOutcome::Failed { again_at: None, .. } => "given_up",
        };
        counter!("headworks_notices_total", "channel" => "webhook", "result" => result).increment(1);
    }
    let now = app.clock.now();
    app.store.tried(id, &tries, now, now + pause(hook.failures, &id.to_bytes())).await
}

/// Whoever was disabled hears nothing more, not even of what happened before.
async fn may_hear(app: &App, user: UserId) -> Result<bool, StoreError> {
    Ok(app.store.user(user).await?.is_some_and(|user| !user.disabled))
}

fn outcome(taken: Result<(), NotTaken>, notice: &Notice, now: Timestamp) -> NoticeOutcome {
    match taken {
        Ok(()) => NoticeOutcome::Sent,
        Err(NotTaken { why, wait }) => {
            let pause = pause(notice.tries, &notice.id.to_bytes());
            let again_at = now + wait.map_or(pause, |wait| wait.max(pause));
            NoticeOutcome::Failed { why, again_at: (again_at - NOTICE_LIFE <= notice.made_at).then_some(again_at) }
        }
    }
}

/// Calls a hook once for trying it out.
pub async fn try_out(app: &App, hook: &Hook) -> Result<(), String> {
    let now = app.clock.now();
    let body = Body {
        kind: "test".into(),
        timestamp: now.into(),
        data: NoticeData {
            event: 0,
            what: "test".into(),
            tenant: String::new(),
            job: None,
            number: None,
            name: None,
            state: None,
            text_en: "a trial".into(),
            text_zh: "测试".into(),
            detail: serde_json::json!({}),
            url: format!("{}account", app.notices.settings.public),
        },
    };
    let url = checked_url(&hook.url, app.notices.settings.private_addresses).map_err(|refused| refused.to_string())?;
    let id = base::NoticeId::from_u128(app.ids.draw()).to_string();
    let body = making::written(&body);
    let called = hooks::call(&app.notices.http, url, &hook.secret, (&id, now), &body).await;
    called.map_err(|not_taken| not_taken.why)
}

/// One mail with all that a user is to hear of.
async fn mail_to(app: &App, user: UserId) -> Result<(), StoreError> {
    let lane = Lane::Mail(user);
    let wishes = app.store.wishes(user).await?;
    let (Some(settings), Some(wishes)) = (&app.notices.settings.mail, wishes) else {
        return app.store.drop_notices(lane).await;
    };
    let Some(address) = &wishes.address else { return app.store.drop_notices(lane).await };
    if !may_hear(app, user).await? {
        return app.store.drop_notices(lane).await;
    }
    if let Some(again) = wishes.mailed_at.map(|at| at + MAIL_EVERY)
        && again > app.clock.now()
    {
        return app.store.postpone(lane, again).await;
    }
    let _slot = app.notices.mails.clone().acquire_owned().await.ok();
    let now = app.clock.now();
    let (waiting, newest) = app.store.notices_waiting(lane).await?;
    let some = app.store.notices_due(lane, now, MAIL_LINES_MAX).await?;
    let Some(first) = some.first() else { return Ok(()) };
    let bodies: Vec<Body> = some.iter().filter_map(|notice| serde_json::from_str(&notice.doc).ok()).collect();
    let letter = mail::Letter {
        id: format!("{:032x}", base::digest128(&[b"mail", &user.to_bytes(), &newest.to_be_bytes()])),
        at: now,
        content: mail::digest(&bodies, waiting.waiting, &wishes.language, &app.notices.settings.public),
    };
    let sent = mail::send(settings, address, letter).await;
    let result = if sent.is_ok() { "sent" } else { "failed" };
    counter!("headworks_notices_total", "channel" => "mail", "result" => result).increment(waiting.waiting);
    let now = app.clock.now();
    match sent {
        Ok(()) => app.store.mailed(user, newest, now).await,
        Err(error) => {
            tracing::warn!(%error, "mail does not go");
            let again = now + pause(first.tries, &user.to_bytes());
            app.store.mail_failed(user, &error.for_user(), now, again, now - NOTICE_LIFE).await
        }
    }
}
