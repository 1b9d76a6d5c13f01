//! Notices: what the caller hears of, and how.

use base::WebhookId;
use wire::notices::{
    MailAsk, MailConfirm, MailPatch, Notices, WebhookCreate, WebhookCreated, WebhookPatch, WebhookTested,
};

use crate::{Client, ClientError};

const MAIL: &[&str] = &["v1", "notices", "mail"];
const WEBHOOKS: &[&str] = &["v1", "notices", "webhooks"];

impl Client {
    pub async fn notices(&self) -> Result<Notices, ClientError> {
        self.read(self.get(&["v1", "notices"])).await
    }
    pub async fn change_mail_notices(&self, patch: &MailPatch) -> Result<(), ClientError> {
        self.done(self.patch(MAIL).json(patch)).await
    }
    pub async fn ask_mail_address(&self, ask: &MailAsk) -> Result<(), ClientError> {
        self.done(self.put(MAIL).json(ask)).await
    }
    pub async fn confirm_mail_address(&self, confirm: &MailConfirm) -> Result<(), ClientError> {
        self.done(self.post(&["v1", "notices", "mail", "confirm"]).json(confirm)).await
    }
    pub async fn drop_mail_address(&self) -> Result<(), ClientError> {
        self.done(self.delete(MAIL)).await
    }
    pub async fn create_webhook(&self, create: &WebhookCreate) -> Result<WebhookCreated, ClientError> {
        self.read(self.post(WEBHOOKS).json(create)).await
    }
    pub async fn change_webhook(&self, id: WebhookId, patch: &WebhookPatch) -> Result<(), ClientError> {
        self.done(self.patch(&["v1", "notices", "webhooks", &id.to_string()]).json(patch)).await
    }
    pub async fn drop_webhook(&self, id: WebhookId) -> Result<(), ClientError> {
        self.done(self.delete(&["v1", "notices", "webhooks", &id.to_string()])).await
    }
    pub async fn test_webhook(&self, id: WebhookId) -> Result<WebhookTested, ClientError> {
        self.read(self.post(&["v1", "notices", "webhooks", &id.to_string(), "test"])).await
    }
}
