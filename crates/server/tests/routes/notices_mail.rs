//! Mail in private, by a server whose certificate a private authority has signed; mail that a job asks for itself; and what was on its way to
//! somebody who may not sign in any more.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use base::{Span, Timestamp};
use serde_json::{Value, json};
use testkit::{HttpReceiver, MailReceiver};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::notices::{HOOKS, MAIL, SLEEPS, code, ended, mailing, mails, plain, platform, until};
use crate::support::Platform;

/// An authority of the test's own, written to a file, and a server's certificate from it.
fn authority(file: &Path) -> TlsAcceptor {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    std::fs::write(file, params.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = rcgen::Issuer::new(params, key);
    let own = rcgen::KeyPair::generate().unwrap();
    let signed = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&own, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.der().clone()], PrivateKeyDer::try_from(own.serialize_der()).unwrap())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A mail server that takes mail in private alone, in front of one that takes it in the open.
async fn private(acceptor: TlsAcceptor, behind: SocketAddr, begun_in_the_open: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(relay(acceptor.clone(), stream, behind, begun_in_the_open));
        }
    });
    port
}

async fn relay(acceptor: TlsAcceptor, mut stream: TcpStream, behind: SocketAddr, begun: bool) -> std::io::Result<()> {
    let mut behind = TcpStream::connect(behind).await?;
    if begun {
        let mut talk = BufReader::new(&mut stream);
        talk.write_all(b"220 in the open\r\n").await?;
        loop {
            let mut line = String::new();
            talk.read_line(&mut line).await?;
            match line.trim_end().to_ascii_uppercase().split(' ').next() {
                Some("EHLO") => talk.write_all(b"250-in the open\r\n250 STARTTLS\r\n").await?,
                Some("STARTTLS") => break,
                _ => return talk.write_all(b"530 not in the open\r\n").await,
            }
        }
        talk.write_all(b"220 go on\r\n").await?;
        // Its greeting was given already.
        let mut greeting = String::new();
        let mut hidden = BufReader::with_capacity(1, &mut behind);
        hidden.read_line(&mut greeting).await?;
    }
    let mut stream = acceptor.accept(stream).await?;
    copy_bidirectional(&mut stream, &mut behind).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_in_private_to_a_server_that_a_private_authority_vouches_for() {
    let folder = tempfile::tempdir().unwrap();
    let (ca, other) = (folder.path().join("ca.pem"), folder.path().join("other.pem"));
    let (acceptor, _) = (authority(&ca), authority(&other));
    let (ca, other) = (ca.to_str().unwrap(), other.to_str().unwrap());
    let ask = json!({ "address": "anna@example.org" });
    for tls in ["tls", "starttls"] {
        let receiver = Arc::new(MailReceiver::default());
        let port = private(acceptor.clone(), receiver.address, tls == "starttls").await.to_string();
        let settings = |ca| [("mail.port", port.as_str()), ("mail.tls", tls), ("mail.ca", ca)];
        let (platform, anna) = mailing(&receiver, &settings(ca)).await;
        platform.put(&anna, MAIL, ask.clone()).await.expect(202);
        let asked = mails(&receiver, 1).await.remove(0);
        assert_eq!((&*asked.from, &*asked.to), ("hw@example.com", "anna@example.org"), "{tls}");
        platform.post(&anna, "/v1/notices/mail/confirm", json!({ "code": code(&asked) })).await.expect(204);
        let job = ended(&platform, &anna, SLEEPS).await;
        let told = mails(&receiver, 2).await.remove(1);
        assert!(plain(&told).contains(&format!("https://hw.example.com/jobs/{}", job["number"])), "{tls}");

        // Another authority's word is nothing, nor is a file that has none, nor the machine's own list.
        let wrong: &[&str] = if tls == "tls" { &[other, "/dev/null"] } else { &[""] };
        for wrong in wrong {
            let (platform, anna) = mailing(&receiver, &settings(wrong)).await;
            platform.put(&anna, MAIL, ask.clone()).await.problem("mail_unavailable");
        }
        assert_eq!(receiver.count(), 2, "{tls}");
    }
}

/// Lets time pass until nothing is on its way to anybody.
async fn all_gone(platform: &Platform) {
    for _ in 0..400 {
        let late = Timestamp::from_secs(i64::from(u32::MAX));
        if platform.running.app.store.lanes_due(late, 10).await.unwrap().is_empty() {
            return;
        }
        platform.pass(Span::from_secs(30)).await;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("notices stay on their way")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_its_way_to_a_disabled_user_is_not_sent_any_more() {
    let receiver = Arc::new(MailReceiver::default());
    let (platform, anna) = mailing(&receiver, &[]).await;
    platform.put(&anna, MAIL, json!({ "address": "anna@example.org" })).await.expect(202);
    let confirm = json!({ "code": code(&mails(&receiver, 1).await[0]) });
    platform.post(&anna, "/v1/notices/mail/confirm", confirm).await.expect(204);
    // Nobody listens there yet.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let later = free.local_addr().unwrap();
    drop(free);
    platform.post(&anna, HOOKS, json!({ "url": format!("http://{later}/") })).await.expect(201);
    receiver.refuse("451 come back later");
    ended(&platform, &anna, SLEEPS).await;
    let tried = |shown: &Value| shown["mail"]["fault"].is_object() && shown["webhooks"][0]["fault"].is_object();
    let shown = until(&platform, tried).await;
    assert_eq!((&shown["mail"]["waiting"], &shown["webhooks"][0]["waiting"]), (&json!(1), &json!(1)), "{shown}");

    platform.patch(&platform.admin, "/v1/users/anna", json!({ "disabled": true })).await.expect(204);
    let called = HttpReceiver::at(later);
    all_gone(&platform).await;
    assert_eq!((receiver.count(), called.count()), (1, 0), "the mail with the code is the only one");
}

/// Hands a job in and gives what was said to it.
async fn remarks(platform: &Platform, token: &str, line: &str) -> String {
    let script = format!("#!/bin/sh\n#SBATCH --time=10 {line}\nsleep 1\n");
    let answer = platform.post(token, "/v1/jobs", json!({ "script": script, "dry_run": true })).await.expect(200);
    let all = answer["warnings"].as_array().unwrap().iter();
    all.map(|one| format!("{}: {}", one["option"].as_str().unwrap(), one["message"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_says_of_what_mail_tells_and_never_to_whom_else_it_goes() {
    let receiver = Arc::new(MailReceiver::default());
    let (platform, anna) = mailing(&receiver, &[]).await;
    let unknown = remarks(&platform, &anna, "--mail-type=ALL --mail-user=anna@example.org").await;
    assert!(unknown.starts_with("mail-type: no mail is sent until you have confirmed an address"), "{unknown}");
    platform.put(&anna, MAIL, json!({ "address": "anna@example.org" })).await.expect(202);
    let confirm = json!({ "code": code(&mails(&receiver, 1).await[0]) });
    platform.post(&anna, "/v1/notices/mail/confirm", confirm).await.expect(204);
    for own in
        ["--mail-type=ALL", "--mail-type=END --mail-user=Anna@Example.org", "--mail-user=anna", "--mail-type=NONE"]
    {
        assert_eq!(remarks(&platform, &anna, own).await, "", "{own}");
    }
    let foreign = remarks(&platform, &anna, "--mail-user=boss@example.org").await;
    assert_eq!(foreign, "mail-user: mail goes to the address that you have confirmed, anna@example.org, alone");

    let run = async |line: &str| {
        let script = format!("#!/bin/sh\n#SBATCH --time=10 {line}\nsleep 1\n");
        ended(&platform, &anna, &script).await["number"].to_string()
    };
    run("-J begun --mail-type=BEGIN --mail-user=boss@example.org").await;
    run("-J quiet --mail-type=NONE").await;
    run("-J usual").await;
    let told = |name: &str, said: &str| {
        let all: String = mails_so_far(&receiver).iter().map(plain).collect();
        // Each is told in text and in markup; the one that a subject names, there too.
        all.matches(&format!(" {name}: {said}")).count() + all.matches(&format!(" {name}</a><br>{said}")).count()
    };
    for _ in 0..200 {
        if told("usual", "ended: completed") > 0 {
            break;
        }
        platform.pass(Span::from_secs(30)).await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    all_gone(&platform).await;
    assert!(told("usual", "ended: completed") > 0 && told("begun", "") > 0);
    assert_eq!((told("begun", "ended"), told("usual", "started"), told("quiet", "")), (0, 0, 0));
    assert!(mails_so_far(&receiver).iter().all(|mail| mail.to == "anna@example.org"));

    // Without a mail server of the operator's nobody is promised anything.
    let (platform, anna) = self::platform(&[]).await;
    let nobody = remarks(&platform, &anna, "--mail-type=ALL").await;
    assert_eq!(nobody, "mail-type: no mail is sent: the operator of this platform has named no mail server");
}

fn mails_so_far(receiver: &MailReceiver) -> Vec<testkit::Mail> {
    receiver.wait(receiver.count())
}
