//! The server's door: takes connections, hears who it is, and lets in whom the [`Gatekeeper`] knows. Strangers are few at a
//! time, have little time, and are not listened to when they were refused too often.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base::{AttemptId, ClusterId};
use futures::future::BoxFuture;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::frame::{Bounds, Frame, FrameError, moved};
use crate::limits::{ADDRESSES_COUNTED, PROTOCOL, REFUSALS_PER_MINUTE, STRANGERS_MAX, STRANGERS_PER_ADDRESS, Timing};
use crate::message::{Attach, Hello, Place, Purpose, Refusal, RefusalCode, Welcome};
use crate::site::Site;
use crate::tls::{Fingerprint, Identity, IdentityError};

/// Who may come in.
pub trait Gatekeeper: Send + Sync + 'static {
    /// Somebody presents a one-time token with a key. When this says yes the key is stored and the token used up.
    fn join<'a>(&'a self, token: &'a str, key: Fingerprint) -> BoxFuture<'a, Result<Place, Refusal>>;

    /// Whose key it is, and whether what it has is what the site was enrolled for.
    fn admit<'a>(&'a self, key: Fingerprint, attach: &'a Attach) -> BoxFuture<'a, Result<Arc<Site>, Refusal>>;

    /// The open attempts of a cluster as the platform knows them now; `None` where this server does not run the engine.
    fn open_attempts(&self, cluster: ClusterId) -> BoxFuture<'_, Option<Vec<AttemptId>>>;

    /// The agent of this cluster is another, and was told what is open. What was handed to the one before and not passed on is lost:
    /// what is on its way is to be handed over once more. Resolves when that is sure to happen.
    fn repeat(&self, cluster: ClusterId) -> BoxFuture<'_, ()>;
}

/// The words of this program in greetings.
#[derive(Clone, Debug)]
pub struct House {
    /// e.g. `hw 0.1.0`.
    pub software: String,
    pub timing: Timing,
}

/// Takes connections until it is dropped, which ends all of them.
///
/// # Errors
/// Only when the identity cannot be used.
pub async fn serve(
    listener: TcpListener,
    identity: &Identity,
    gate: Arc<dyn Gatekeeper>,
    house: House,
) -> Result<Infallible, IdentityError> {
    let tls = TlsAcceptor::from(Arc::new(identity.server()?));
    let door = Arc::new(Door { gate, house, strangers: Mutex::default() });
    let mut lines = JoinSet::new();
    loop {
        tokio::select! {
            taken = listener.accept() => match taken {
                Ok((stream, address)) => {
                    if let Some(stranger) = door.clone().knock(address.ip()) {
                        lines.spawn(stranger.enter(tls.clone(), stream, address));
                    }
                }
                // Out of descriptors, most likely: those that end give some back.
                Err(error) => {
                    tracing::warn!(%error, "a site's connection could not be taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = lines.join_next() => {}
        }
    }
}

struct Door {
    gate: Arc<dyn Gatekeeper>,
    house: House,
    strangers: Mutex<Strangers>,
}

#[derive(Default)]
struct Strangers {
    inside: BTreeMap<IpAddr, usize>,
    /// Refusals since the beginning of the minute.
    refused: BTreeMap<IpAddr, (Instant, u32)>,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Door {
    fn strangers(&self) -> std::sync::MutexGuard<'_, Strangers> {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for one more stranger from this address, if there is some.
    fn knock(self: Arc<Self>, address: IpAddr) -> Option<Stranger> {
        let mut strangers = self.strangers();
        let troublesome = strangers
            .refused
            .get(&address)
            .is_some_and(|(since, count)| since.elapsed() < MINUTE && *count >= REFUSALS_PER_MINUTE);
        let all: usize = strangers.inside.values().sum();
        let same = strangers.inside.get(&address).copied().unwrap_or(0);
        if troublesome || all >= STRANGERS_MAX || same >= STRANGERS_PER_ADDRESS {
            return None;
        }
        *strangers.inside.entry(address).or_default() += 1;
        drop(strangers);
        Some(Stranger { door: self, address })
    }

    fn count_refusal(&self, address: IpAddr) {
        let mut strangers = self.strangers();
        if strangers.refused.len() >= ADDRESSES_COUNTED {
            strangers.refused.retain(|_, (since, _)| since.elapsed() < MINUTE);
        }
        if strangers.refused.len() >= ADDRESSES_COUNTED {
            return;
        }
        let entry = strangers.refused.entry(address).or_insert((Instant::now(), 0));
        if entry.0.elapsed() >= MINUTE {
            *entry = (Instant::now(), 0);
        }
        entry.1 += 1;
    }
}

/// Somebody who has not proven who it is. Counted as long as it lives.
struct Stranger {
    door: Arc<Door>,
    address: IpAddr,
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut strangers = self.door.strangers();
        if let Some(count) = strangers.inside.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                strangers.inside.remove(&self.address);
            }
        }
    }
}

type Line = TlsStream<TcpStream>;

/// What became of a greeting.
enum Greeted {
    In {
        line: Box<Line>,
        site: Arc<Site>,
        hello: Hello,
        protocol: u16,
    },
    /// Answered, and nothing more is to be said.
    Over,
}

impl Stranger {
    async fn enter(self, tls: TlsAcceptor, stream: TcpStream, address: SocketAddr) {
        let greeting = self.door.house.timing.greeting;
        let greeted = tokio::time::timeout(greeting, self.greet(tls, stream, address)).await;
        let door = self.door.clone();
        match greeted {
            Ok(Ok(Greeted::In { line, site, hello, protocol })) => {
                drop(self);
                serve_line(&door, *line, &site, &hello, protocol, address).await;
            }
            Ok(Ok(Greeted::Over)) => {}
            Ok(Err(error)) => {
                // A line that breaks in the middle of a greeting may be that of an honest site.
                if matches!(error, FrameError::Unreadable(_) | FrameError::TooLarge { .. }) {
                    door.count_refusal(address.ip());
                }
                tracing::debug!(%address, %error, "a connection to the sites' door came to nothing");
            }
            Err(_) => tracing::debug!(%address, "a connection to the sites' door said nothing in time"),
        }
    }

    async fn greet(&self, tls: TlsAcceptor, stream: TcpStream, address: SocketAddr) -> Result<Greeted, FrameError> {
        let silence = self.door.house.timing.greeting;
        // Small frames must not wait for more to come.
        let _ = stream.set_nodelay(true);
        let mut line = tls.accept(stream).await.map_err(FrameError::Broken)?;
        let key = line.get_ref().1.peer_certificates().and_then(|all| all.first()).map(Fingerprint::of);
        let Some(key) = key else { return Err(FrameError::Closed) };
        let hello: Hello = Frame::read(&mut line, Bounds::GREETING, silence).await?.message()?;
        match self.judge(&hello, key).await {
            Ok((welcome, site, protocol)) => {
                say(&mut line, &welcome, silence).await?;
                match site {
                    Some(site) => Ok(Greeted::In { line: Box::new(line), site, hello, protocol }),
                    None => {
                        tracing::info!(%address, %key, "a site joined");
                        bye(&mut line, silence).await
                    }
                }
            }
            Err(refusal) => {
                tracing::warn!(%address, %key, code = refusal.code.word(), software = %hello.software.escape_debug(), "a site's agent is refused");
                if refusal.code != RefusalCode::Standby {
                    self.door.count_refusal(address.ip());
                }
                say(&mut line, &Welcome::Refused(refusal), silence).await?;
                bye(&mut line, silence).await
            }
        }
    }

    async fn judge(&self, hello: &Hello, key: Fingerprint) -> Result<(Welcome, Option<Arc<Site>>, u16), Refusal> {
        let house = &self.door.house;
        let protocol = PROTOCOL.common(hello.protocol).map_err(|code| {
            let (ours, theirs) = (PROTOCOL, hello.protocol);
            let advice = match code {
                RefusalCode::ProtocolTooOld => "install the server's version of hw at the site",
                _ => "the server is older than the site's agent: update the server first",
            };
            let text = format!(
                "the server ({}) speaks the protocol's versions {} to {}, the agent {} to {}: {advice}",
                house.software, ours.min, ours.max, theirs.min, theirs.max
            );
            Refusal { code, text }
        })?;
        match &hello.purpose {
            Purpose::Join { token } => {
                let place = self.door.gate.join(token, key).await?;
                Ok((Welcome::Joined(place), None, protocol))
            }
            Purpose::Attach(attach) => {
                let site = self.door.gate.admit(key, attach).await?;
                let place = site.place.clone();
                let software = house.software.clone();
                Ok((Welcome::Attached { protocol, software, run: site.run(), place }, Some(site), protocol))
            }
            Purpose::Unknown => {
                Err(Refusal::new(RefusalCode::Malformed, "the server does not know what the agent wants"))
            }
        }
    }
}

async fn say(line: &mut Line, welcome: &Welcome, silence: Duration) -> Result<(), FrameError> {
    Frame::new(welcome, Vec::new())?.write(line, silence).await?;
    moved(silence, line.flush()).await
}

/// Closes in order, so that the last word arrives.
async fn bye(line: &mut Line, silence: Duration) -> Result<Greeted, FrameError> {
    moved(silence, line.shutdown()).await?;
    Ok(Greeted::Over)
}

async fn serve_line(door: &Door, line: Line, site: &Site, hello: &Hello, protocol: u16, address: SocketAddr) {
    let Purpose::Attach(attach) = &hello.purpose else { return };
    tracing::info!(site = site.place.site, %address, software = %hello.software.escape_debug(), "the site's line is up");
    let (read, write) = tokio::io::split(line);
    let (attached, must_be_told) = site.attach(hello, attach, protocol, address);
    let told = async {
        if must_be_told {
            tracing::warn!(
                site = site.place.site,
                "the site's agent is new, or was started again: it is told what is open"
            );
            site.take_stock(&*door.gate).await;
        }
        std::future::pending().await
    };
    let error = tokio::select! {
        error = attached.serve(read, write) => error,
        never = told => never,
    };
    tracing::warn!(site = site.place.site, %address, %error, "the site's line is down");
}
