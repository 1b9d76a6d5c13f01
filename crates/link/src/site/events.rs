//! What the agent reports, on its way to whoever listens on the server: each event once and in order, whatever lines they
//! came on, and nothing that was overtaken by what the agent was told since.

use std::sync::Arc;

use model::{Observation, Observed};
use tokio::sync::mpsc;

use super::{Heard, Site};
use crate::frame::{Frame, FrameError, post};
use crate::message::ToAgent;

/// Hands events to the listener, each once and in order, whatever lines they came on.
pub(super) async fn take_in(
    site: &Site,
    (log, told): (u64, bool),
    mut arrived: mpsc::Receiver<(u64, Vec<u8>)>,
    out: mpsc::Sender<Arc<Frame>>,
) -> FrameError {
    // An agent that was told before what is open has events of that time, perhaps already heard by the process before this one:
    // only what it says when it is told again puts them in their place.
    if told && site.stock.subscribe().wait_for(|stock| stock.is_some_and(|stock| stock.log == log)).await.is_err() {
        return FrameError::Closed;
    }
    let mut listener = site.listener.subscribe();
    let mut asked_by = None;
    loop {
        let Some(present) = listener.borrow_and_update().clone() else {
            if listener.changed().await.is_err() {
                return FrameError::Closed;
            }
            continue;
        };
        if asked_by.is_none() {
            let after = {
                let mut heard = site.heard.lock().await;
                if heard.log != log {
                    *heard = Heard { log, number: 0 };
                }
                heard.number
            };
            asked_by = Some(present.id);
            if let Err(error) = post(&out, &ToAgent::Listen { after }, Vec::new()).await {
                return error;
            }
        }
        tokio::select! {
            _ = listener.changed() => {}
            some = arrived.recv() => {
                let Some((from, lines)) = some else { return FrameError::Closed };
                let taken = match deliver(site, log, from, &lines).await {
                    Ok(upto) => post(&out, &ToAgent::Taken { upto }, Vec::new()).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = taken {
                    return error;
                }
            }
        }
    }
}

/// The number of the last event that is taken in now.
async fn deliver(site: &Site, log: u64, from: u64, lines: &[u8]) -> Result<u64, FrameError> {
    // Lines that break and come again share this: an event is never told twice, nor before the one that was before it.
    let mut heard = site.heard.lock().await;
    if heard.log != log {
        return Err(FrameError::Closed);
    }
    // A log that was shortened after this process forgot what it had.
    if heard.number == 0 && from > 1 {
        heard.number = from - 1;
    }
    for (number, line) in (from..).zip(lines.split(|b| *b == b'\n').filter(|line| !line.is_empty())) {
        if number <= heard.number {
            continue;
        }
        if number > heard.number + 1 {
            tracing::error!(site = site.place.site, number, last = heard.number, "an event is missing; asking again");
            return Err(FrameError::Closed);
        }
        match serde_json::from_slice::<Observed>(line) {
            Ok(what) if is_overtaken(site, number, &what) => {
                tracing::info!(
                    site = site.place.site,
                    number,
                    ?what,
                    "an event from before the agent was told what is open is left out"
                );
            }
            Ok(what) => {
                match what {
                    Observed::Unreachable => site.state().backend_down = true,
                    Observed::Reachable => site.state().backend_down = false,
                    Observed::SupplyChanged => site.supply.send_modify(|times| *times += 1),
                    _ => {}
                }
                hand_on(site, what).await;
            }
            Err(error) => {
                tracing::error!(site = site.place.site, %error, "an event of a newer agent cannot be read and is left out");
                site.state().status.unreadable += 1;
            }
        }
        heard.number = number;
    }
    Ok(heard.number)
}

/// That something is not there holds for the moment at which it was told. A server that was started again gets the events of
/// before once more, in the middle of what came of the attempt since; the agent's connector has looked again when it was told
/// what is open.
fn is_overtaken(site: &Site, number: u64, what: &Observed) -> bool {
    let is_absence = matches!(what, Observed::Gone { .. } | Observed::Refused { .. });
    is_absence && site.stock.borrow().is_some_and(|stock| number <= stock.upto)
}

/// To whoever listens, as soon as somebody does.
async fn hand_on(site: &Site, what: Observed) {
    let mut listener = site.listener.subscribe();
    let mut observation = Observation { cluster: site.place.cluster, what };
    loop {
        let present = listener.borrow_and_update().clone();
        if let Some(present) = present {
            match present.to.send(observation).await {
                Ok(()) => return,
                Err(returned) => observation = returned.0,
            }
        }
        // The sender lives as long as the site.
        let _ = listener.changed().await;
    }
}
