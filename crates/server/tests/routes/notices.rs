//! Notices to real receivers: a mail server and an HTTP server of the test's own. What is sent, how it is signed, what happens when it
//! is not taken, and to whom nothing is sent.

use std::sync::Arc;
use std::time::Duration;

use base::Span;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use testkit::{Call, HttpReceiver, Mail, MailReceiver};

use crate::support::Platform;

pub(crate) const SLEEPS: &str = "#!/bin/sh\n#SBATCH --job-name=nap --time=10\nsleep 1\n";
pub(crate) const MAIL: &str = "/v1/notices/mail";
pub(crate) const HOOKS: &str = "/v1/notices/webhooks";

/// Waits on a thread that may block.
async fn calls(receiver: &Arc<HttpReceiver>, count: usize) -> Vec<Call> {
    let receiver = receiver.clone();
    tokio::task::spawn_blocking(move || receiver.wait(count)).await.unwrap()
}

pub(crate) async fn mails(receiver: &Arc<MailReceiver>, count: usize) -> Vec<Mail> {
    let receiver = receiver.clone();
    tokio::task::spawn_blocking(move || receiver.wait(count)).await.unwrap()
}

pub(crate) async fn platform(settings: &[(&str, &str)]) -> (Platform, String) {
    let mut all = vec![("notices.private_addresses", "true"), ("public_url", "https://hw.example.com")];
    all.extend(settings);
    let platform = Platform::with(&all).await;
    platform.tenant("lab").await;
    let anna = platform.user("anna", "member", "lab").await;
    (platform, anna)
}

pub(crate) async fn mailing(receiver: &MailReceiver, more: &[(&str, &str)]) -> (Platform, String) {
    let port = receiver.address.port().to_string();
    let mut all = vec![
        ("mail.host", "127.0.0.1"),
        ("mail.port", port.as_str()),
        ("mail.tls", "none"),
        ("mail.from", "Headworks <hw@example.com>"),
    ];
    all.extend(more);
    platform(&all).await
}

/// HMAC-SHA256 as RFC 2104 writes it down, from the bare digest: what signs the calls is not asked.
fn hmac(secret: &[u8], text: &[u8]) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let mut key = [0u8; 64];
    key[..secret.len()].copy_from_slice(secret);
    let pad = |with: u8| key.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

/// Checks a call as a receiver is told to.
fn verified(call: &Call, secret: &str) -> Value {
    let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let (id, seconds) = (&call.headers["webhook-id"], &call.headers["webhook-timestamp"]);
    let tag = BASE64_STANDARD.encode(hmac(&key, format!("{id}.{seconds}.{}", call.body).as_bytes()));
    assert_eq!(call.headers["webhook-signature"], format!("v1,{tag}"));
    assert_eq!(call.headers["content-type"], "application/json");
    seconds.parse::<i64>().unwrap();
    serde_json::from_str(&call.body).unwrap()
}

pub(crate) async fn ended(platform: &Platform, token: &str, script: &str) -> Value {
    let job = platform.submit(token, script).await;
    platform.until(token, &job, &["COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_ends_is_told_by_a_signed_call_and_to_its_own_user_alone() {
    let (platform, anna) = platform(&[]).await;
    let receiver = Arc::new(HttpReceiver::default());
    let others = Arc::new(HttpReceiver::default());
    let hook = platform.post(&anna, HOOKS, json!({ "url": receiver.url("/in?a=b") })).await.expect(201);
    let secret = hook["secret"].as_str().unwrap();
    let ben = platform.user("ben", "owner", "lab").await;
    platform.post(&ben, HOOKS, json!({ "url": others.url("/") })).await.expect(201);

    let job = ended(&platform, &anna, SLEEPS).await;
    let call = calls(&receiver, 1).await.remove(0);
    assert_eq!(call.line, "POST /in?a=b");
    let body = verified(&call, secret);
    assert_eq!(body["type"], "job.completed");
    let data = &body["data"];
    let number = job["number"].to_string();
    assert_eq!((&data["number"], &data["name"], &data["state"]), (&json!(number), &json!("nap"), &json!("COMPLETED")));
    assert_eq!(data["url"], format!("https://hw.example.com/jobs/{number}"));
    assert_eq!((&data["what"], &data["tenant"]), (&json!("ended"), &json!("lab")));
    assert!(data["text_zh"].as_str().unwrap().starts_with("已结束"), "{data}");
    assert_eq!(others.count(), 0, "a colleague's job is not the owner's affair");

    let shown = platform.get(&anna, "/v1/notices").await.expect(200);
    assert_eq!(shown["webhooks"][0]["kinds"], json!(["completed", "failed", "money"]));
    assert!(!shown.to_string().contains(secret), "a secret is shown once");
    let path = format!("{HOOKS}/{}", hook["webhook"].as_str().unwrap());
    platform.delete(&ben, &path).await.problem("not_found");
    platform.patch(&anna, &path, json!({ "kinds": ["started"] })).await.expect(204);
    ended(&platform, &anna, SLEEPS).await;
    let body = verified(&calls(&receiver, 2).await[1], secret);
    assert_eq!(body["type"], "job.started");

    let tried = platform.post(&anna, &format!("{path}/test"), json!({})).await.expect(200);
    assert_eq!(tried, json!({ "delivered": true, "text": "" }));
    assert_eq!(verified(&calls(&receiver, 3).await[2], secret)["type"], "test");
    platform.post(&anna, &format!("{path}/test"), json!({})).await.problem("too_many_requests");
    platform.delete(&anna, &path).await.expect(204);
    assert_eq!(platform.get(&anna, "/v1/notices").await.expect(200)["webhooks"], json!([]));
}

/// Lets time pass in steps until what anna sees is as wanted. Tokens of tests last an hour.
pub(crate) async fn until(platform: &Platform, done: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..400 {
        let anna = platform.token("anna", model::TokenScope::Full).await;
        let shown = platform.get(&anna, "/v1/notices").await.expect(200);
        if done(&shown) {
            return shown;
        }
        platform.pass(Span::from_secs(30)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nothing came of it")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_is_sent_again_under_the_same_id_until_it_is_or_a_day_is_over() {
    let (platform, anna) = platform(&[]).await;
    // Nobody listens there yet.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let later = free.local_addr().unwrap();
    drop(free);
    let url = format!("http://{later}/");
    let hook = platform.post(&anna, HOOKS, json!({ "url": url })).await.expect(201);
    ended(&platform, &anna, SLEEPS).await;
    let refused = until(&platform, |shown| shown["webhooks"][0]["fault"].is_object()).await;
    let text = refused["webhooks"][0]["fault"]["text"].as_str().unwrap().to_owned();
    assert!(text.contains("cannot be reached") && !text.contains("127.0.0.1"), "{text}");
    assert_eq!(refused["webhooks"][0]["waiting"], 1);

    let receiver = Arc::new(HttpReceiver::at(later));
    receiver.answer(500, "");
    receiver.answer(302, "Location: http://127.0.0.1:1/");
    receiver.answer(503, "Retry-After: 60");
    let gone = until(&platform, |shown| shown["webhooks"][0]["waiting"] == 0).await;
    assert_eq!(gone["webhooks"][0]["fault"], Value::Null, "{gone}");
    assert!(gone["webhooks"][0]["sent_at"].is_string());
    let all = calls(&receiver, 4).await;
    let secret = hook["secret"].as_str().unwrap();
    let first = verified(&all[0], secret);
    for (call, status) in all.iter().zip([500, 302, 503, 200]) {
        assert_eq!(call.answered, status);
        assert_eq!(verified(call, secret), first);
        assert_eq!(call.headers["webhook-id"], all[0].headers["webhook-id"]);
    }
    assert_eq!(receiver.count(), 4, "what was taken is not sent again");

    // A day of refusals.
    for _ in 0..200 {
        receiver.answer(410, "");
    }
    let anna = platform.token("anna", model::TokenScope::Full).await;
    ended(&platform, &anna, SLEEPS).await;
    calls(&receiver, 5).await;
    platform.pass(Span::from_hours(23)).await;
    calls(&receiver, 6).await;
    platform.pass(Span::from_hours(2)).await;
    let over = until(&platform, |shown| shown["webhooks"][0]["given_up"] == 1).await;
    assert_eq!(over["webhooks"][0]["waiting"], 0);
    assert!(over["webhooks"][0]["fault"]["text"].as_str().unwrap().contains("410"), "{over}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_receiver_keeps_nobody_else_waiting() {
    let (platform, anna) = platform(&[]).await;
    // Takes connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let quick = Arc::new(HttpReceiver::default());
    for url in [format!("http://{}/", silent.local_addr().unwrap()), quick.url("/")] {
        platform.post(&anna, HOOKS, json!({ "url": url })).await.expect(201);
    }
    ended(&platform, &anna, SLEEPS).await;
    ended(&platform, &anna, SLEEPS).await;
    calls(&quick, 2).await;
    let shown = platform.get(&anna, "/v1/notices").await.expect(200);
    let slow = &shown["webhooks"][0];
    assert!(slow["sent_at"].is_null() && slow["fault"].is_null(), "nobody has waited for the silent one: {shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_inside_are_refused_unless_the_operator_has_opened_them() {
    let platform = Platform::start().await;
    platform.tenant("lab").await;
    let anna = platform.user("anna", "member", "lab").await;
    for (url, word) in [
        ("http://127.0.0.1:8080/", "own network"),
        ("http://169.254.169.254/latest/meta-data", "own network"),
        ("http://[::1]/", "own network"),
        ("http://localhost/", "own network"),
        ("ftp://example.org/", "https://"),
        ("https://u:p@example.org/", "password"),
        ("nonsense", "https://"),
    ] {
        let refused = platform.post(&anna, HOOKS, json!({ "url": url })).await.problem("invalid");
        assert!(refused["detail"].as_str().unwrap().contains(word), "{refused}");
    }
    let made = platform.post(&anna, HOOKS, json!({ "url": "http://example.invalid/" })).await.expect(201);
    let path = format!("{HOOKS}/{}", made["webhook"].as_str().unwrap());
    platform.patch(&anna, &path, json!({ "url": "http://10.0.0.1/" })).await.problem("invalid");
    let tried = platform.post(&anna, &format!("{path}/test"), json!({})).await.expect(200);
    assert_eq!(tried["delivered"], false);
    for n in 0..4 {
        platform.post(&anna, HOOKS, json!({ "url": format!("https://example.org/{n}") })).await.expect(201);
    }
    platform.post(&anna, HOOKS, json!({ "url": "https://example.org/5" })).await.problem("wrong_state");
    platform.put(&anna, MAIL, json!({ "address": "anna@example.org" })).await.problem("wrong_state");
    assert_eq!(platform.get(&anna, "/v1/notices").await.expect(200)["mail"]["offered"], false);
}

/// What a mail says: parts in base64 are decoded, soft line breaks taken out.
pub(crate) fn plain(mail: &Mail) -> String {
    const HEAD: &str = "Content-Transfer-Encoding: base64\n\n";
    let mut said = mail.text.replace("=\n", "").replace("=3D", "=");
    for part in mail.text.split(HEAD).skip(1) {
        let coded: String = part.lines().take_while(|line| !line.starts_with("--")).collect();
        said.push_str(&String::from_utf8(BASE64_STANDARD.decode(coded).unwrap()).unwrap());
    }
    said
}

pub(crate) fn code(mail: &Mail) -> String {
    let text = plain(mail);
    let from = text.find("account?confirm=").expect("a link") + "account?confirm=".len();
    text[from..].chars().take_while(char::is_ascii_alphanumeric).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_to_a_confirmed_address_alone_and_what_comes_together_is_one_mail() {
    let receiver = Arc::new(MailReceiver::default());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "secret\n").unwrap();
    let file = file.to_str().unwrap();
    let (platform, anna) = mailing(&receiver, &[("mail.user", "hw"), ("mail.password_file", file)]).await;
    for bad in ["anna", "Anna <anna@example.org>", "a@example.org\r\nRCPT TO:<b@example.org>"] {
        platform.put(&anna, MAIL, json!({ "address": bad })).await.problem("invalid");
    }
    let ask = json!({ "address": "anna@example.org", "language": "en" });
    platform.put(&anna, MAIL, ask.clone()).await.expect(202);
    platform.put(&anna, MAIL, ask).await.problem("too_many_requests");
    let asked = mails(&receiver, 1).await.remove(0);
    assert_eq!((&*asked.from, &*asked.to), ("hw@example.com", "anna@example.org"));
    assert_eq!(BASE64_STANDARD.decode(asked.signed_in.as_ref().unwrap()).unwrap(), b"\0hw\0secret");
    assert_eq!(asked.header("subject"), "Confirm this address");

    ended(&platform, &anna, SLEEPS).await;
    platform.post(&anna, "/v1/notices/mail/confirm", json!({ "code": "wrong" })).await.problem("invalid");
    let confirm = json!({ "code": code(&asked) });
    platform.post(&anna, "/v1/notices/mail/confirm", confirm.clone()).await.expect(204);
    platform.post(&anna, "/v1/notices/mail/confirm", confirm).await.problem("wrong_state");
    assert_eq!(platform.get(&anna, "/v1/notices").await.expect(200)["mail"]["address"], "anna@example.org");

    let job = ended(&platform, &anna, SLEEPS).await;
    let told = mails(&receiver, 2).await.remove(1);
    let subject = told.header("subject");
    assert!(subject.starts_with(&format!("Job {} nap: ended: completed", job["number"])), "{subject}");
    assert_eq!(told.header("auto-submitted"), "auto-generated");
    assert!(plain(&told).contains(&format!("https://hw.example.com/jobs/{}", job["number"])));
    assert_eq!(
        plain(&told).matches("ended: completed").count(),
        3,
        "the job before the address was confirmed is not told"
    );

    // A burst, in the other language: one mail a minute.
    platform.patch(&anna, MAIL, json!({ "language": "zh" })).await.expect(204);
    for _ in 0..3 {
        ended(&platform, &anna, SLEEPS).await;
    }
    until(&platform, |shown| shown["mail"]["waiting"] == 3).await;
    assert_eq!(receiver.count(), 2);
    receiver.refuse("451 come back later");
    platform.pass(Span::from_secs(61)).await;
    let gone = until(&platform, |shown| shown["mail"]["waiting"] == 0 && shown["mail"]["fault"].is_null()).await;
    assert!(gone["mail"]["mailed_at"].is_string(), "{gone}");
    let burst = mails(&receiver, 3).await.remove(2);
    assert_eq!(plain(&burst).matches("https://hw.example.com/jobs/").count(), 6, "three in text and in markup");
    assert!(burst.header("subject").contains("=?utf-8?"), "{}", burst.header("subject"));
    assert_eq!(receiver.count(), 3);

    let anna = platform.token("anna", model::TokenScope::Full).await;
    platform.delete(&anna, MAIL).await.expect(204);
    ended(&platform, &anna, SLEEPS).await;
    let shown = platform.get(&anna, "/v1/notices").await.expect(200);
    assert_eq!((&shown["mail"]["address"], &shown["mail"]["waiting"]), (&Value::Null, &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_guessed_five_times_and_a_server_without_tls_gets_no_mail() {
    let receiver = Arc::new(MailReceiver::default());
    let (platform, anna) = mailing(&receiver, &[]).await;
    platform.put(&anna, MAIL, json!({ "address": "anna@example.org", "language": "zh" })).await.expect(202);
    let right = code(&mails(&receiver, 1).await[0]);
    for _ in 0..5 {
        platform.post(&anna, "/v1/notices/mail/confirm", json!({ "code": "wrong" })).await.problem("invalid");
    }
    platform.post(&anna, "/v1/notices/mail/confirm", json!({ "code": right })).await.problem("wrong_state");

    let (platform, anna) = mailing(&receiver, &[("mail.tls", "starttls")]).await;
    let ask = json!({ "address": "anna@example.org" });
    platform.put(&anna, MAIL, ask).await.problem("mail_unavailable");
    assert_eq!(receiver.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_runs_short_is_told_to_the_owner() {
    let (platform, anna) = platform(&[]).await;
    let owner = platform.user("olga", "owner", "lab").await;
    let (to_owner, to_anna) = (Arc::new(HttpReceiver::default()), Arc::new(HttpReceiver::default()));
    let hook = platform.post(&owner, HOOKS, json!({ "url": to_owner.url("/") })).await.expect(201);
    platform.post(&anna, HOOKS, json!({ "url": to_anna.url("/"), "kinds": ["failed"] })).await.expect(201);
    let budget = json!({ "kind": "soft", "period": "month", "amount": "0.01" });
    let path = "/v1/tenants/lab/budgets";
    platform.post(&owner, path, budget).await.expect(200);
    let job = platform.submit(&anna, "#!/bin/sh\n#SBATCH --ntasks=4 --time=60\nsleep 3000\n").await;
    platform.until(&anna, &job, &["RUNNING"]).await;
    for _ in 0..30 {
        platform.pass(Span::from_secs(120)).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let body = verified(&calls(&to_owner, 1).await[0], hook["secret"].as_str().unwrap());
    assert_eq!((&body["type"], &body["data"]["what"]), (&json!("money"), &json!("budget_alert")));
    assert_eq!(body["data"]["url"], "https://hw.example.com/money");
    assert_eq!(to_anna.count(), 0);
}
