//! What one hears of, and how: mail to a confirmed address, calls to addresses of one's choice.

use base::WebhookId;
use clap::{Args, Subcommand};
use wire::notices::{MailAsk, MailConfirm, MailPatch, NoticeFault, Notices, Webhook, WebhookCreate};
use wire::{Language, NoticeKind};

use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::parse::choice;
use crate::text::{Lang, Word};
use crate::view::{Cell, Table, View};

#[derive(Debug, Args)]
pub struct NoticesArgs {
    #[command(subcommand)]
    pub act: Option<NoticesAct>,
}

#[derive(Debug, Subcommand)]
pub enum NoticesAct {
    /// What comes by mail and which addresses are called (the default)
    Show,
    /// Have a code sent to an address, to confirm it
    Mail {
        /// anna@example.org
        #[arg(value_name = "ADDRESS")]
        address: String,
    },
    /// Confirm the address by the code that was sent there
    Confirm {
        /// The code
        #[arg(value_name = "CODE")]
        code: String,
    },
    /// What to send by mail; nothing when no kind is named
    About {
        /// started, completed, failed, delayed, money
        #[arg(value_name = "KIND", value_parser = choice(NoticeKind::ALL, NoticeKind::as_str))]
        kinds: Vec<NoticeKind>,
    },
    /// No more mail
    Off,
    /// Have an address called; its secret is shown this once
    Hook {
        // Not `url`: that is the server's.
        /// https://…
        #[arg(value_name = "URL")]
        calls: String,
        /// For what: started, completed, failed, delayed, money; ends of jobs and money when left out
        #[arg(long = "about", value_name = "KIND", value_delimiter = ',', value_parser = choice(NoticeKind::ALL, NoticeKind::as_str))]
        kinds: Vec<NoticeKind>,
    },
    /// Have an address not called any more
    Unhook {
        /// whk_…
        #[arg(value_name = "ID")]
        id: WebhookId,
    },
    /// Call an address once, to try it out
    Test {
        /// whk_…
        #[arg(value_name = "ID")]
        id: WebhookId,
    },
}

pub async fn notices(desk: &Desk, args: NoticesArgs) -> Result<View, Fault> {
    let client = desk.client()?;
    let done = |word: Word, gaps: &[(&str, String)]| Ok(View::done(Exit::Ok).and(word.fill(desk.lang(), gaps)));
    match args.act.unwrap_or(NoticesAct::Show) {
        NoticesAct::Show => {
            let all = client.notices().await?;
            Ok(View::table(&all, table(&all)))
        }
        NoticesAct::Mail { address } => {
            let language = match desk.lang() {
                Lang::En => Language::En,
                Lang::Zh => Language::Zh,
            };
            client.ask_mail_address(&MailAsk { address: address.clone(), language: Some(language) }).await?;
            done(Word::CodeSent, &[("address", address)])
        }
        NoticesAct::Confirm { code } => {
            client.confirm_mail_address(&MailConfirm { code }).await?;
            let address = client.notices().await?.mail.address.unwrap_or_default();
            done(Word::MailConfirmed, &[("address", address)])
        }
        NoticesAct::About { kinds } => {
            client.change_mail_notices(&MailPatch { kinds: Some(kinds), language: None }).await?;
            let all = client.notices().await?;
            Ok(View::table(&all, table(&all)))
        }
        NoticesAct::Off => {
            client.drop_mail_address().await?;
            done(Word::MailOff, &[])
        }
        NoticesAct::Hook { calls: url, kinds } => {
            let kinds = (!kinds.is_empty()).then_some(kinds);
            let made = client.create_webhook(&WebhookCreate { url, kinds }).await?;
            let view = View { json: Some(crate::view::to_json(&made)), ..View::text(&made.secret) };
            Ok(view.and(Word::HookMade.fill(desk.lang(), &[("id", made.webhook.to_string())])))
        }
        NoticesAct::Unhook { id } => {
            client.drop_webhook(id).await?;
            done(Word::HookGone, &[("id", id.to_string())])
        }
        NoticesAct::Test { id } => {
            let tried = client.test_webhook(id).await?;
            let view = View { json: Some(crate::view::to_json(&tried)), ..View::done(Exit::Ok) };
            match tried.delivered {
                true => Ok(view.and(Word::HookTook.text(desk.lang()))),
                false => Ok(View { exit: Exit::Failure, ..view }
                    .and(Word::HookRefused.fill(desk.lang(), &[("why", tried.text)]))),
            }
        }
    }
}

/// One row for mail, one for each address that is called.
fn table(all: &Notices) -> Table {
    let heads = [
        Word::Id,
        Word::Address,
        Word::NoticesAbout,
        Word::LastSent,
        Word::NoticesWaiting,
        Word::GivenUp,
        Word::LastFault,
    ];
    let mail = &all.mail;
    let address = mail.address.clone().or_else(|| mail.asked.as_ref().map(|asked| format!("({asked})")));
    let first = vec![
        Cell::text("mail"),
        Cell::maybe(address, Cell::text),
        Cell::text(words(&mail.kinds)),
        Cell::maybe(mail.mailed_at, Cell::Time),
        Cell::number(mail.waiting),
        Cell::number(mail.given_up),
        Cell::maybe(mail.fault.as_ref(), fault),
    ];
    let row = |hook: &Webhook| {
        vec![
            Cell::text(hook.id.to_string()),
            Cell::text(&hook.url),
            Cell::text(words(&hook.kinds)),
            Cell::maybe(hook.sent_at, Cell::Time),
            Cell::number(hook.waiting),
            Cell::number(hook.given_up),
            Cell::maybe(hook.fault.as_ref(), fault),
        ]
    };
    Table::new("notice", &heads).with(std::iter::once(first).chain(all.webhooks.iter().map(row)))
}

fn fault(fault: &NoticeFault) -> Cell {
    Cell::text(&fault.text)
}

fn words(kinds: &[NoticeKind]) -> String {
    kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(",")
}
