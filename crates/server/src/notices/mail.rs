//! Mail: what is written, in either language, and how it is handed to the operator's mail server (SMTP, RFC 5321).

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use base::Timestamp;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use reqwest::Url;
use wire::notices::Notice;

use super::{MailSettings, MailTls};
use crate::limits::MAIL_WITHIN;

/// Why a mail did not go.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    #[error("{0} is no address that mail can go to")]
    Address(String),
    #[error("the file with the password of the mail server: {0}")]
    Password(std::io::Error),
    #[error("the file with the authority's certificates: {0}")]
    Authority(std::io::Error),
    #[error("a mail cannot be written: {0}")]
    Written(#[from] lettre::error::Error),
    #[error("the mail server: {0}")]
    Server(#[from] lettre::transport::smtp::Error),
    #[error("the mail server did not take it within {0:?}")]
    Late(Duration),
}

impl MailError {
    /// What of it is the user's affair: a refusal names the address, the rest is between the operator and the mail server.
    pub fn for_user(&self) -> String {
        match self {
            Self::Address(_) => self.to_string(),
            Self::Server(error) if error.is_permanent() => {
                let why: String = error.to_string().chars().filter(|c| !c.is_control()).take(200).collect();
                format!("the mail server refused: {why}")
            }
            _ => "the mail server cannot be used now".into(),
        }
    }
}

/// What a mail says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// One mail.
pub struct Letter {
    /// The same when it is sent again.
    pub id: String,
    pub at: Timestamp,
    pub content: Content,
}

/// Says that no person wrote it (RFC 3834): nobody's absence is to be answered to it.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }
    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }
    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".into())
    }
}

/// Reads an address: `anna@example.org`, nothing around it.
pub fn address(text: &str) -> Option<Address> {
    text.parse().ok().filter(|address: &Address| address.domain().contains('.') || address.domain() == "localhost")
}

/// Hands a mail over.
///
/// # Errors
/// Why it did not go.
pub async fn send(settings: &MailSettings, to: &str, letter: Letter) -> Result<(), MailError> {
    let message = message(settings, to, letter)?;
    let transport = transport(settings).await?;
    match tokio::time::timeout(MAIL_WITHIN, transport.send(message)).await {
        Ok(sent) => Ok(sent.map(drop)?),
        Err(_) => Err(MailError::Late(MAIL_WITHIN)),
    }
}

fn message(settings: &MailSettings, to: &str, letter: Letter) -> Result<Message, MailError> {
    let Letter { id, at, content: Content { subject, text, html } } = letter;
    let to = Mailbox::new(None, address(to).ok_or_else(|| MailError::Address(to.to_owned()))?);
    let since = Duration::from_micros(u64::try_from(at.as_micros()).unwrap_or(0));
    let message = Message::builder()
        .message_id(Some(format!("<{id}@{}>", settings.from.email.domain())))
        .date(SystemTime::UNIX_EPOCH + since)
        .from(settings.from.clone())
        .to(to)
        .subject(subject)
        .header(AutoSubmitted)
        .multipart(MultiPart::alternative_plain_html(text, html))?;
    Ok(message)
}

async fn transport(settings: &MailSettings) -> Result<AsyncSmtpTransport<Tokio1Executor>, MailError> {
    let tls = match settings.tls {
        MailTls::None => Tls::None,
        MailTls::StartTls => Tls::Required(parameters(settings).await?),
        MailTls::Tls => Tls::Wrapper(parameters(settings).await?),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&*settings.host)
        .port(settings.port)
        .tls(tls)
        .timeout(Some(MAIL_WITHIN))
        .hello_name(ClientId::Domain(settings.from.email.domain().to_owned()));
    if !settings.user.is_empty() {
        let password = match &settings.password_file {
            Some(file) => tokio::fs::read_to_string(file).await.map_err(MailError::Password)?.trim_end().to_owned(),
            None => String::new(),
        };
        builder = builder.credentials(Credentials::new(settings.user.clone(), password));
    }
    Ok(builder.build())
}

/// Whose certificates are believed: the machine's own list, and what the operator has named.
async fn parameters(settings: &MailSettings) -> Result<TlsParameters, MailError> {
    let mut builder = TlsParameters::builder(settings.host.clone());
    if let Some(file) = &settings.ca {
        let text = tokio::fs::read(file).await.map_err(MailError::Authority)?;
        for one in certificates(&text)? {
            builder = builder.add_root_certificate(one);
        }
    }
    Ok(builder.build()?)
}

/// All certificates of a PEM file; one without any is a mistake.
fn certificates(text: &[u8]) -> Result<Vec<Certificate>, MailError> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let unreadable = |why: String| MailError::Authority(std::io::Error::new(std::io::ErrorKind::InvalidData, why));
    let mut found = Vec::new();
    for one in CertificateDer::pem_slice_iter(text) {
        let one = one.map_err(|fault| unreadable(fault.to_string()))?;
        found.push(Certificate::from_der(one.to_vec())?);
    }
    if found.is_empty() { Err(unreadable("there is no certificate in it".into())) } else { Ok(found) }
}

/// What the first mail to an address says.
pub fn confirmation(code: &str, language: &str, user: &str, public: &Url) -> Content {
    let link = format!("{public}account?confirm={code}");
    let (subject, lines) = if language == "zh" {
        let lines = [
            format!("{user} 希望将 Headworks 的通知发送到此地址。"),
            format!("请在账户页输入确认码：{code}"),
            "确认码 24 小时内有效。若非您本人操作，请忽略本邮件，之后不会再收到邮件。".to_owned(),
        ];
        ("请确认此邮箱地址".to_owned(), lines)
    } else {
        let lines = [
            format!("{user} wants notices of Headworks to be sent to this address."),
            format!("To confirm it, give this code on the account page: {code}"),
            "The code is good for 24 hours. If this was not you, do nothing: no more mail will come.".to_owned(),
        ];
        ("Confirm this address".to_owned(), lines)
    };
    let html: String = lines.iter().map(|line| format!("<p>{}</p>", escaped(line))).collect();
    Content {
        subject,
        text: format!("{}\n\n{link}\n", lines.join("\n\n")),
        html: page(&format!("{html}<p><a href=\"{0}\">{0}</a></p>", escaped(&link))),
    }
}

/// All that has come together, oldest first; `all` counts those that are not told one by one too.
pub fn digest(notices: &[Notice], all: u64, language: &str, public: &Url) -> Content {
    let zh = language == "zh";
    let (mut text, mut html) = (String::new(), String::new());
    for notice in notices {
        let (head, said, at) = (head(notice, zh), said(notice, zh), notice.timestamp.to_string());
        let url = &notice.data.url;
        // Writing to a text has no way to fail.
        let _ = writeln!(text, "{head}{}{said}\n  {at}\n  {url}\n", if zh { "：" } else { ": " });
        let _ = write!(
            html,
            "<p style=\"margin:0 0 12px\"><a href=\"{}\">{}</a><br>{}<br><span style=\"color:#666\">{}</span></p>",
            escaped(url),
            escaped(&head),
            escaped(&said),
            escaped(&at),
        );
    }
    let more = all.saturating_sub(notices.len() as u64);
    let account = format!("{public}account");
    let mut foot = Vec::new();
    if more > 0 {
        foot.push(if zh {
            format!("另有 {more} 条通知未逐一列出。")
        } else {
            format!("And {more} more notices.")
        });
    }
    foot.push(match zh {
        true => format!("此邮件按您在账户页或作业脚本中的选择发送，可在此更改：{account}"),
        false => format!("You get this because you chose it on your account page or in the job's script: {account}"),
    });
    for line in &foot {
        let _ = writeln!(text, "{line}");
        let _ = write!(html, "<p style=\"color:#666\">{}</p>", escaped(line));
    }
    Content { subject: subject(notices, all, zh), text, html: page(&html) }
}

fn subject(notices: &[Notice], all: u64, zh: bool) -> String {
    let Some(first) = notices.first() else { return "Headworks".into() };
    let first = format!("{}{}{}", head(first, zh), if zh { "：" } else { ": " }, said(first, zh));
    let first: String = first.chars().take(120).collect();
    match (all, zh) {
        (..=1, _) => first,
        (_, true) => format!("{all} 条通知，其一：{first}"),
        (_, false) => format!("{all} notices, the first: {first}"),
    }
}

fn head(notice: &Notice, zh: bool) -> String {
    let data = &notice.data;
    match (&data.number, zh) {
        (Some(number), true) => format!("作业 {number} {}", data.name.as_deref().unwrap_or_default()),
        (Some(number), false) => format!("Job {number} {}", data.name.as_deref().unwrap_or_default()),
        (None, true) => format!("租户 {}", data.tenant),
        (None, false) => format!("Tenant {}", data.tenant),
    }
    .trim_end()
    .to_owned()
}

fn said(notice: &Notice, zh: bool) -> String {
    if zh { notice.data.text_zh.clone() } else { notice.data.text_en.clone() }
}

fn page(body: &str) -> String {
    format!("<!DOCTYPE html><html><body style=\"font-family:sans-serif;font-size:14px\">{body}</body></html>")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::notices::NoticeData;

    fn notice(number: u64, name: &str) -> Notice {
        Notice {
            kind: "job.completed".into(),
            timestamp: Timestamp::from_secs(1_800_000_000).into(),
            data: NoticeData {
                event: number,
                what: "ended".into(),
                tenant: "lab".into(),
                job: None,
                number: Some(number.to_string()),
                name: Some(name.into()),
                state: Some("COMPLETED".into()),
                text_en: "ended: completed, 1.00 CNY charged".into(),
                text_zh: "已结束：完成，计费 1.00 CNY".into(),
                detail: serde_json::json!({}),
                url: format!("https://hw.example.com/jobs/{number}"),
            },
        }
    }

    #[test]
    fn a_mail_says_it_in_the_users_language_and_names_never_become_markup() {
        let public: Url = "https://hw.example.com/".parse().unwrap();
        let one = digest(&[notice(12, "<b>x</b>")], 1, "en", &public);
        assert_eq!(one.subject, "Job 12 <b>x</b>: ended: completed, 1.00 CNY charged");
        assert!(one.text.contains("https://hw.example.com/jobs/12") && one.text.contains("hw.example.com/account"));
        assert!(one.html.contains("&lt;b&gt;x&lt;/b&gt;") && !one.html.contains("<b>"), "{}", one.html);
        let many = digest(&[notice(1, "a"), notice(2, "b")], 5, "zh", &public);
        assert_eq!(many.subject, "5 条通知，其一：作业 1 a：已结束：完成，计费 1.00 CNY");
        assert!(many.text.contains("另有 3 条通知") && many.text.contains("作业 2 b"), "{}", many.text);
    }

    #[test]
    fn addresses_are_plain_ones() {
        for good in ["anna@example.org", "a.b+c@mail.example.org", "x@localhost"] {
            assert!(address(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "anna",
            "anna@",
            "@example.org",
            "Anna <anna@example.org>",
            "a@b@c.de",
            "a@example.org\nBcc: b@c.de",
            "a b@c.de",
            "a@host",
        ] {
            assert!(address(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_subject_cannot_add_headers() {
        let settings = MailSettings {
            host: "localhost".into(),
            port: 25,
            tls: MailTls::None,
            ca: None,
            user: String::new(),
            password_file: None,
            from: "Headworks <hw@example.com>".parse().unwrap(),
        };
        let content = Content { subject: "a\r\nBcc: b@c.de".into(), text: "x".into(), html: "x".into() };
        let letter = Letter { id: "1".into(), at: Timestamp::from_secs(0), content };
        let written = String::from_utf8(message(&settings, "a@example.org", letter).unwrap().formatted()).unwrap();
        assert!(!written.lines().any(|line| line.starts_with("Bcc")), "{written}");
        assert!(written.contains("Message-ID: <1@example.com>") && written.contains("Auto-Submitted: auto-generated"));
    }
}
