//! Notices to a user of what happens: by mail to a confirmed address, and by calls to addresses of the user's choice.

use base::WebhookId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::common::TimeText;
use crate::words::{Language, NoticeKind};

/// What a user hears of, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Notices {
    pub mail: MailNotices,
    pub webhooks: Vec<Webhook>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MailNotices {
    /// The operator has named a mail server.
    pub offered: bool,
    /// Confirmed.
    pub address: Option<String>,
    /// An address to which a code was sent.
    pub asked: Option<String>,
    pub language: Language,
    pub kinds: Vec<NoticeKind>,
    pub mailed_at: Option<TimeText>,
    /// Why the last mail did not go, until one goes.
    pub fault: Option<NoticeFault>,
    /// Notices that have not gone yet, and those that were given up within the last 30 days.
    pub waiting: u64,
    pub given_up: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoticeFault {
    pub at: TimeText,
    pub text: String,
}

/// An address that is called. Its secret is shown once, when it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Webhook {
    #[schema(value_type = String, example = "whk_0192f000000070008000000000000001")]
    pub id: WebhookId,
    pub url: String,
    pub kinds: Vec<NoticeKind>,
    pub created_at: TimeText,
    /// When it last took a notice.
    pub sent_at: Option<TimeText>,
    /// Why it last took none, until it takes one.
    pub fault: Option<NoticeFault>,
    pub waiting: u64,
    pub given_up: u64,
}

/// What is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MailPatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 5)]
    pub kinds: Option<Vec<NoticeKind>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MailAsk {
    #[schema(max_length = 254, example = "anna@example.org")]
    pub address: String,
    /// What the mail, and those that follow, are written in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MailConfirm {
    #[schema(max_length = 40)]
    pub code: String,
}

/// Secrets stay out of logs.
impl std::fmt::Debug for MailConfirm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailConfirm").finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookCreate {
    /// `https://…`, or `http://…`.
    #[schema(max_length = 500, example = "https://example.org/headworks")]
    pub url: String,
    /// Ends of jobs and money when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 5)]
    pub kinds: Option<Vec<NoticeKind>>,
}

/// The only time the secret is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookCreated {
    #[schema(value_type = String)]
    pub webhook: WebhookId,
    #[schema(example = "whsec_…")]
    pub secret: String,
}

impl std::fmt::Debug for WebhookCreated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookCreated").field("webhook", &self.webhook).finish_non_exhaustive()
    }
}

/// What is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookPatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 500)]
    pub url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 5)]
    pub kinds: Option<Vec<NoticeKind>>,
}

/// How a call for trying it out went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookTested {
    pub delivered: bool,
    /// Why not; empty where it was.
    pub text: String,
}

/// What a call carries as its body: the convention of Standard Webhooks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Notice {
    /// `job.started`, `job.completed`, `job.failed`, `job.delayed`, `money`, `test`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened.
    pub timestamp: TimeText,
    pub data: NoticeData,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoticeData {
    /// Number of the event on the platform; 0 for a trial.
    pub event: u64,
    /// The event's own word, as in `GET /v1/events`: `ended`, `budget_alert`, …
    pub what: String,
    pub tenant: String,
    /// Of the job, where it is about one: its id, its number as people write it, its name, its state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    pub text_en: String,
    pub text_zh: String,
    /// The facts behind the text.
    pub detail: serde_json::Value,
    /// The page to look at.
    pub url: String,
}
