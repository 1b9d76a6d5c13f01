//! What the caller hears of and how: mail to a confirmed address, calls to addresses of the caller's choice.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base::{Timestamp, WebhookId};
use sha2::{Digest, Sha256};
use store::{Asked, Hook, Lane, Wishes};
use wire::notices::{
    MailAsk, MailConfirm, MailNotices, MailPatch, NoticeFault, Notices, Webhook, WebhookCreate, WebhookCreated,
    WebhookPatch, WebhookTested,
};
use wire::{ErrorCode, Language, NoticeKind};

use crate::access::{Body, Caller, Segments, SelfAccess};
use crate::limits::{MAIL_ADDRESS_BYTES_MAX, MAIL_CODE_LIFE, MAIL_GUESSES_MAX, WEBHOOKS_PER_USER};
use crate::notices::{self, Secret, bits, checked_url, kinds, mail};
use crate::problem::Failure;

/// What one hears of who does not say: how jobs end, and money.
const USUAL: [NoticeKind; 3] = [NoticeKind::Completed, NoticeKind::Failed, NoticeKind::Money];
/// Letters of a code: 50 bits.
const CODE_LETTERS: usize = 10;

async fn wishes(caller: &Caller) -> Result<Wishes, Failure> {
    let known = caller.app().store.wishes(caller.who.user).await?;
    Ok(known.unwrap_or_else(|| Wishes {
        user: caller.who.user,
        language: Language::En.as_str().into(),
        kinds: bits(&USUAL),
        address: None,
        confirmed_at: None,
        asked: None,
        mailed_at: None,
        fault: None,
    }))
}

async fn put(caller: &Caller, wishes: &Wishes) -> Result<(), Failure> {
    caller.app().store.put_wishes(wishes).await?;
    caller.app().notices.forget();
    Ok(())
}

fn fault(fault: Option<(Timestamp, String)>) -> Option<NoticeFault> {
    fault.map(|(at, text)| NoticeFault { at: at.into(), text })
}

/// What the caller hears of, and how.
#[utoipa::path(
    get, path = "/v1/notices", tag = "notices", operation_id = "notices",
    responses((status = 200, description = "Mail and webhooks", body = Notices))
)]
pub(super) async fn get(access: SelfAccess) -> Result<Json<Notices>, Failure> {
    let store = &access.app().store;
    // What waits is read before how the last try went: where nothing waits any more, that try is told of.
    let mut webhooks = Vec::new();
    for Hook { id, .. } in store.hooks_of(access.who.user).await? {
        let (on_way, _) = store.notices_waiting(Lane::Hook(id)).await?;
        let Some(hook) = store.hook(id).await? else { continue };
        webhooks.push(Webhook {
            id: hook.id,
            url: hook.url,
            kinds: kinds(hook.kinds),
            created_at: hook.made_at.into(),
            sent_at: hook.sent_at.map(Into::into),
            fault: fault(hook.fault),
            waiting: on_way.waiting,
            given_up: on_way.given_up,
        });
    }
    let (on_way, _) = store.notices_waiting(Lane::Mail(access.who.user)).await?;
    let known = wishes(&access).await?;
    let mail = MailNotices {
        offered: access.app().notices.settings.mail.is_some(),
        address: known.address,
        asked: known.asked.map(|asked| asked.address),
        language: Language::parse(&known.language).unwrap_or(Language::En),
        kinds: kinds(known.kinds),
        mailed_at: known.mailed_at.map(Into::into),
        fault: fault(known.fault),
        waiting: on_way.waiting,
        given_up: on_way.given_up,
    };
    Ok(Json(Notices { mail, webhooks }))
}

/// Change what comes by mail, and in which language.
#[utoipa::path(
    patch, path = "/v1/notices/mail", tag = "notices", operation_id = "change_mail_notices", request_body = MailPatch,
    responses((status = 204, description = "Changed"))
)]
pub(super) async fn change_mail(access: SelfAccess, body: Body<MailPatch>) -> Result<StatusCode, Failure> {
    let MailPatch { language, kinds } = body.value;
    let mut known = wishes(&access).await?;
    known.language = language.map_or(known.language, |language| language.as_str().into());
    known.kinds = kinds.map_or(known.kinds, |kinds| bits(&kinds));
    put(&access, &known).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Have a code sent to an address, to which notices go once it is confirmed. The address before stays until then.
#[utoipa::path(
    put, path = "/v1/notices/mail", tag = "notices", operation_id = "ask_mail_address", request_body = MailAsk,
    responses((status = 202, description = "The code is on its way"))
)]
pub(super) async fn ask_mail(access: SelfAccess, body: Body<MailAsk>) -> Result<StatusCode, Failure> {
    let MailAsk { address, language } = body.value;
    if address.len() > MAIL_ADDRESS_BYTES_MAX || mail::address(&address).is_none() {
        return Err(Failure::invalid("address", "write a plain address: anna@example.org"));
    }
    let app = access.app();
    let Some(settings) = &app.notices.settings.mail else {
        return Err(Failure::new(ErrorCode::WrongState, "the operator of this platform sends no mail"));
    };
    if !app.notices.may_ask(access.who.user) {
        return Err(Failure::new(ErrorCode::TooManyRequests, "a code was sent a moment ago").retry_after(30));
    }
    let mut known = wishes(&access).await?;
    known.language = language.map_or(known.language, |language| language.as_str().into());
    let code = crate::boot::readable_secret(CODE_LETTERS).map_err(|error| Failure::internal(error.to_string()))?;
    let now = app.clock.now();
    known.asked = Some(Asked { address: address.clone(), at: now, code: digest(&code), guesses: 0 });
    put(&access, &known).await?;
    let content = mail::confirmation(&code, &known.language, &access.who.name, &app.notices.settings.public);
    let letter = mail::Letter { id: format!("{:032x}", app.ids.draw()), at: now, content };
    mail::send(settings, &address, letter).await.map_err(|error| {
        Failure::new(ErrorCode::MailUnavailable, error.for_user()).note(error.to_string()).retry_after(30)
    })?;
    Ok(StatusCode::ACCEPTED)
}

fn digest(code: &str) -> Vec<u8> {
    Sha256::digest(code.trim().to_lowercase().as_bytes()).to_vec()
}

/// Confirm an address by the code that was sent there.
#[utoipa::path(
    post, path = "/v1/notices/mail/confirm", tag = "notices", operation_id = "confirm_mail_address",
    request_body = MailConfirm,
    responses((status = 204, description = "Notices go there from now on"))
)]
pub(super) async fn confirm_mail(access: SelfAccess, body: Body<MailConfirm>) -> Result<StatusCode, Failure> {
    let mut known = wishes(&access).await?;
    let now = access.app().clock.now();
    let Some(asked) = known.asked.take().filter(|asked| now - MAIL_CODE_LIFE <= asked.at) else {
        return Err(Failure::new(ErrorCode::WrongState, "no address waits to be confirmed: have a code sent first"));
    };
    if digest(&body.value.code) != asked.code {
        let guesses = asked.guesses + 1;
        known.asked = (guesses < MAIL_GUESSES_MAX).then_some(Asked { guesses, ..asked });
        put(&access, &known).await?;
        return Err(Failure::invalid("code", "this is not the code that was sent"));
    }
    (known.address, known.confirmed_at) = (Some(asked.address), Some(now));
    put(&access, &known).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Have no more mail sent, and forget the address.
#[utoipa::path(
    delete, path = "/v1/notices/mail", tag = "notices", operation_id = "drop_mail_address",
    responses((status = 204, description = "No more mail"))
)]
pub(super) async fn drop_mail(access: SelfAccess) -> Result<StatusCode, Failure> {
    let known = wishes(&access).await?;
    put(&access, &Wishes { address: None, confirmed_at: None, asked: None, ..known }).await?;
    access.app().store.drop_notices(Lane::Mail(access.who.user)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn address(access: &SelfAccess, url: &str) -> Result<String, Failure> {
    let checked = checked_url(url, access.app().notices.settings.private_addresses);
    Ok(checked.map_err(|refused| Failure::invalid("url", refused.to_string()))?.into())
}

/// Have an address called. The answer has its secret, which is shown this once.
#[utoipa::path(
    post, path = "/v1/notices/webhooks", tag = "notices", operation_id = "create_webhook", request_body = WebhookCreate,
    responses((status = 201, description = "It is called from now on", body = WebhookCreated))
)]
pub(super) async fn create_webhook(access: SelfAccess, body: Body<WebhookCreate>) -> Result<Response, Failure> {
    let WebhookCreate { url, kinds } = body.value;
    let url = address(&access, &url)?;
    let app = access.app();
    if app.store.hooks_of(access.who.user).await?.len() >= WEBHOOKS_PER_USER {
        let detail = format!("you have {WEBHOOKS_PER_USER} webhooks, the most there may be");
        return Err(Failure::new(ErrorCode::WrongState, detail));
    }
    let secret = Secret::draw().map_err(|error| Failure::internal(format!("no random bytes: {error}")))?;
    let id = WebhookId::from_u128(app.ids.draw());
    let hook = Hook {
        id,
        user: access.who.user,
        url,
        secret: secret.0.clone(),
        kinds: bits(kinds.as_deref().unwrap_or(&USUAL)),
        made_at: app.clock.now(),
        failures: 0,
        sent_at: None,
        fault: None,
    };
    app.store.put_hook(&hook).await?;
    app.notices.forget();
    Ok((StatusCode::CREATED, Json(WebhookCreated { webhook: id, secret: secret.text() })).into_response())
}

async fn own(access: &SelfAccess, segments: &Segments) -> Result<Hook, Failure> {
    let id: WebhookId = segments.get("webhook").parse().map_err(|_| Failure::not_found("webhook"))?;
    let known = access.app().store.hook(id).await?.filter(|hook| hook.user == access.who.user);
    known.ok_or_else(|| Failure::not_found("webhook"))
}

/// Change where a webhook goes, or what it is called for. Its secret stays.
#[utoipa::path(
    patch, path = "/v1/notices/webhooks/{webhook}", tag = "notices", operation_id = "change_webhook",
    params(("webhook" = String, Path, description = "Id")), request_body = WebhookPatch,
    responses((status = 204, description = "Changed"))
)]
pub(super) async fn change_webhook(
    access: SelfAccess,
    segments: Segments,
    body: Body<WebhookPatch>,
) -> Result<StatusCode, Failure> {
    let mut hook = own(&access, &segments).await?;
    if let Some(url) = body.value.url {
        hook.url = address(&access, &url)?;
    }
    hook.kinds = body.value.kinds.map_or(hook.kinds, |kinds| bits(&kinds));
    access.app().store.put_hook(&hook).await?;
    access.app().notices.forget();
    Ok(StatusCode::NO_CONTENT)
}

/// Have an address not called any more. What was on its way there is dropped.
#[utoipa::path(
    delete, path = "/v1/notices/webhooks/{webhook}", tag = "notices", operation_id = "drop_webhook",
    params(("webhook" = String, Path, description = "Id")),
    responses((status = 204, description = "Gone"))
)]
pub(super) async fn drop_webhook(access: SelfAccess, segments: Segments) -> Result<StatusCode, Failure> {
    let hook = own(&access, &segments).await?;
    access.app().store.drop_hook(hook.id).await?;
    access.app().notices.forget();
    Ok(StatusCode::NO_CONTENT)
}

/// Call an address once, to try it out.
#[utoipa::path(
    post, path = "/v1/notices/webhooks/{webhook}/test", tag = "notices", operation_id = "test_webhook",
    params(("webhook" = String, Path, description = "Id")),
    responses((status = 200, description = "How it went", body = WebhookTested))
)]
pub(super) async fn test_webhook(access: SelfAccess, segments: Segments) -> Result<Json<WebhookTested>, Failure> {
    let hook = own(&access, &segments).await?;
    if !access.app().notices.may_test(access.who.user) {
        return Err(Failure::new(ErrorCode::TooManyRequests, "one was tried a moment ago").retry_after(2));
    }
    let called = notices::try_out(access.app(), &hook).await;
    Ok(Json(WebhookTested { delivered: called.is_ok(), text: called.err().unwrap_or_default() }))
}
