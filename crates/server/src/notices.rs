//! Notices to users of what happens, by mail and by calls to addresses of their choice. They are made from the stream of events into
//! the store, together with the number of the event that was looked at last, and leave it once somebody has taken them: a server that
//! dies in between loses none, and what it sends again carries the same id. The active server alone makes and sends them, on tasks
//! of their own; the engine knows nothing of them.

mod asked;
mod guard;
mod hooks;
pub(crate) mod mail;
mod making;
mod sending;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use base::{Span, UserId, digest128};
use lettre::message::Mailbox;
use moka::sync::Cache;
use reqwest::Url;
use tokio::sync::{Semaphore, watch};

use crate::app::App;
use crate::driver::Role;
use crate::limits::{
    MAIL_ASKED_EVERY, MAILS_AT_ONCE, NOTICE_KEPT, NOTICE_PAUSE_FIRST, NOTICE_PAUSE_MAX, WEBHOOK_TESTED_EVERY,
    WEBHOOKS_AT_ONCE, WEBHOOKS_PER_HOST,
};

pub use asked::mail_notes;
pub use guard::{Refused, checked as checked_url};
pub use hooks::{Secret, signature};
pub use making::{bit, bits, kinds};
pub use sending::try_out;

/// Between two looks for events and for what is due.
const LOOK: Duration = Duration::from_millis(500);
/// Between two looks for what was given up long ago.
const SWEEP: Duration = Duration::from_secs(3_600);

/// What the configuration says of notices, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct NoticeSettings {
    /// Where browsers reach this platform; ends with `/`.
    pub public: Url,
    pub mail: Option<MailSettings>,
    /// Calls may go to addresses that are not the internet's.
    pub private_addresses: bool,
}

/// The server that takes the platform's mail.
#[derive(Clone, Debug, PartialEq)]
pub struct MailSettings {
    pub host: String,
    pub port: u16,
    pub tls: MailTls,
    /// Certificates (PEM) that are believed beside the machine's own list; read for every mail.
    pub ca: Option<PathBuf>,
    /// Empty: nobody signs in.
    pub user: String,
    /// Read for every mail, so that it may be changed.
    pub password_file: Option<PathBuf>,
    pub from: Mailbox,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    None,
    /// Begun in the open, and refused when the server does not go on in private.
    StartTls,
    Tls,
}

/// What sends notices.
pub struct Notices {
    pub settings: NoticeSettings,
    http: reqwest::Client,
    /// Somebody changed what is to be heard of.
    changed: AtomicBool,
    calls: Arc<Semaphore>,
    mails: Arc<Semaphore>,
    hosts: Mutex<BTreeMap<String, Weak<Semaphore>>>,
    asked: Cache<UserId, ()>,
    tested: Cache<UserId, ()>,
}

impl Notices {
    pub fn new(settings: NoticeSettings) -> Notices {
        // The second time says that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Notices {
            http: hooks::client(settings.private_addresses),
            settings,
            changed: AtomicBool::new(true),
            calls: Arc::new(Semaphore::new(WEBHOOKS_AT_ONCE)),
            mails: Arc::new(Semaphore::new(MAILS_AT_ONCE)),
            hosts: Mutex::default(),
            asked: Cache::builder().time_to_live(MAIL_ASKED_EVERY).build(),
            tested: Cache::builder().time_to_live(WEBHOOK_TESTED_EVERY).build(),
        }
    }

    /// What somebody wants to hear of has changed: it holds for the next event.
    pub fn forget(&self) {
        self.changed.store(true, Ordering::Release);
    }

    /// Whether this user may have a mail sent to an address that is to be confirmed; then not again for a while.
    pub fn may_ask(&self, user: UserId) -> bool {
        self.asked.entry(user).or_insert(()).is_fresh()
    }

    /// The same for trying a webhook out.
    pub fn may_test(&self, user: UserId) -> bool {
        self.tested.entry(user).or_insert(()).is_fresh()
    }

    /// The right to call this host, to be asked for before that to call at all: who waits for a slow host keeps nobody else waiting.
    fn host(&self, url: &Url) -> Arc<Semaphore> {
        let name = format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(0));
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = hosts.get(&name).and_then(Weak::upgrade) {
            return known;
        }
        hosts.retain(|_, slots| slots.strong_count() > 0);
        let slots = Arc::new(Semaphore::new(WEBHOOKS_PER_HOST));
        hosts.insert(name, Arc::downgrade(&slots));
        slots
    }
}

/// Makes and sends until the server stops.
pub async fn run(app: App, role: watch::Receiver<Role>, mut stop: watch::Receiver<bool>) {
    let mut timer = tokio::time::interval(LOOK);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut making = None;
    let lanes = sending::Lanes::default();
    let mut swept = None;
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            _ = timer.tick() => {}
        }
        if !matches!(&*role.borrow(), Role::Active) {
            making = None;
            continue;
        }
        let look = async {
            making::look(&app, &mut making).await?;
            sending::look(&app, &lanes).await?;
            if swept.is_none_or(|at: std::time::Instant| at.elapsed() > SWEEP) {
                app.store.sweep_notices(app.clock.now() - NOTICE_KEPT).await?;
                swept = Some(std::time::Instant::now());
            }
            Ok::<(), ports::StoreError>(())
        };
        tokio::select! {
            _ = stop.changed() => return,
            looked = look => if let Err(error) = looked {
                tracing::warn!(%error, "notices cannot be made or sent now");
                making = None;
            }
        }
    }
}

/// Before the next try, after so many that failed: twice as long each time up to an hour, a fifth more or less by `salt`, so that
/// many do not come back at once.
pub(crate) fn pause(failures: u32, salt: &[u8]) -> Span {
    let doubled = NOTICE_PAUSE_FIRST.as_micros().saturating_mul(1 << failures.min(20));
    let whole = doubled.min(NOTICE_PAUSE_MAX.as_micros());
    let part = i64::try_from(digest128(&[b"pause", salt, &failures.to_be_bytes()]) % 401).unwrap_or(200);
    // Thousandths, rounded down: 800 to 1,200 of them.
    Span::from_micros(whole / 1_000 * (800 + part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour_and_differ() {
        let seconds = |failures, salt: &[u8]| pause(failures, salt).as_secs();
        for (failures, base) in [(0, 5), (1, 10), (4, 80), (9, 2_560), (10, 3_600), (40, 3_600)] {
            let all: Vec<i64> = (0..100u8).map(|salt| seconds(failures, &[salt])).collect();
            assert!(all.iter().all(|s| (base * 8 / 10..=base * 12 / 10).contains(s)), "{failures}: {all:?}");
        }
        assert_ne!(pause(5, b"a"), pause(5, b"b"));
        assert_eq!(pause(5, b"a"), pause(5, b"a"));
        // What is tried for a day: some thirty times.
        let ends = (0..100).scan(0, |at, n| {
            *at += seconds(n, b"x");
            Some(*at)
        });
        let tries = ends.take_while(|at| *at < 24 * 3_600).count();
        assert!((28..40).contains(&tries), "{tries}");
    }
}
