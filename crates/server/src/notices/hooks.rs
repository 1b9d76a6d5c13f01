//! Calls to users' own addresses, by the convention of Standard Webhooks (standardwebhooks.com): a JSON body with an id, a time and a
//! signature beside it in headers. Knows how to call; refuses to know when.

use std::time::Duration;

use base::Timestamp;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use ring::hmac;

use super::guard;
use crate::limits::{NOTICE_PAUSE_MAX, WEBHOOK_ANSWER_WITHIN, WEBHOOK_CONNECT_WITHIN};

/// Random bytes of a secret, as the convention recommends.
const SECRET_BYTES: usize = 24;
const SECRET_PREFIX: &str = "whsec_";

/// What signs the calls to one address.
pub struct Secret(pub Vec<u8>);

impl Secret {
    /// # Errors
    /// When the system gives no random bytes.
    pub fn draw() -> Result<Secret, getrandom::Error> {
        let mut bytes = vec![0; SECRET_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Secret(bytes))
    }

    /// As it is shown, once.
    pub fn text(&self) -> String {
        format!("{SECRET_PREFIX}{}", BASE64_STANDARD.encode(&self.0))
    }
}

/// Of `ID.SECONDS.BODY` by HMAC-SHA256.
pub fn signature(secret: &[u8], id: &str, seconds: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, format!("{id}.{seconds}.{body}").as_bytes());
    format!("v1,{}", BASE64_STANDARD.encode(tag))
}

/// Why a call was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotTaken {
    pub why: String,
    /// How long the other side asks to be left alone.
    pub wait: Option<base::Span>,
}

pub(super) fn client(private: bool) -> reqwest::Client {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        // A proxy would look names up by itself, out of sight of the guard.
        .no_proxy()
        .dns_resolver(guard::resolver(private))
        .connect_timeout(WEBHOOK_CONNECT_WITHIN)
        .timeout(WEBHOOK_ANSWER_WITHIN)
        .pool_idle_timeout(Duration::from_secs(30))
        .user_agent(concat!("Headworks/", env!("CARGO_PKG_VERSION")));
    client.build().unwrap_or_default()
}

/// Calls once.
pub(super) async fn call(
    client: &reqwest::Client,
    url: Url,
    secret: &[u8],
    (id, now): (&str, Timestamp),
    body: &str,
) -> Result<(), NotTaken> {
    let seconds = now.as_secs();
    let request = client
        .post(url)
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", seconds.to_string())
        .header("webhook-signature", signature(secret, id, seconds, body))
        .body(body.to_owned());
    match request.send().await {
        // What it says beyond its status is nobody's business.
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => {
            let status = answer.status();
            let more = if status.is_redirection() { ", and no other address is followed" } else { "" };
            Err(NotTaken { why: format!("it answered {status}{more}"), wait: wait(answer.headers()) })
        }
        Err(error) => Err(NotTaken { why: told(error), wait: None }),
    }
}

/// `Retry-After` in seconds, up to the longest pause.
fn wait(headers: &HeaderMap) -> Option<base::Span> {
    let seconds: i64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(base::Span::from_secs(seconds.clamp(0, NOTICE_PAUSE_MAX.as_secs())))
}

/// The causes of a failure without the address, which may hold a secret.
fn told(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("it did not answer within {WEBHOOK_ANSWER_WITHIN:?}");
    }
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    format!("it cannot be reached: {cause}").chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_convention() {
        // The example of the convention's own libraries.
        let secret = BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let made = signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(made, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(Secret(secret).text(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    }

    #[test]
    fn others_may_ask_for_time_but_not_for_ever() {
        let with = |text: &str| wait(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]));
        assert_eq!(with("120"), Some(base::Span::from_secs(120)));
        assert_eq!(with("999999999"), Some(NOTICE_PAUSE_MAX));
        assert_eq!(with("-5"), Some(base::Span::ZERO));
        assert_eq!(with("Fri, 01 Jan 2027 00:00:00 GMT"), None);
    }
}
