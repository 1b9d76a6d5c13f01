//! Signing in and out, who one is, tokens.

use base::TokenId;
use clap::{Args, Subcommand};
use client::{Client, ClientError};
use wire::Scope;
use wire::session::{Token, TokenCreate};

use super::Most;
use crate::credentials::Credentials;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::parse::{choice, seconds};
use crate::text::Word;
use crate::view::{Cell, Table, View};

#[derive(Debug, Args)]
pub struct Login {
    /// Name of the user; asked for when left out
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Read the password from the first line of standard input
    #[arg(long)]
    pub password_stdin: bool,
    /// How long the token is good for: 12h, 30d
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub expires: Option<u64>,
    /// What the token may be used for: full, jobs, read
    #[arg(long, value_name = "SCOPE", value_parser = choice(Scope::ALL, Scope::as_str))]
    pub scope: Option<Scope>,
}

pub async fn login(desk: &Desk, args: Login) -> Result<View, Fault> {
    let dir = desk.settings.config_dir.clone().ok_or(Fault::Usage(Word::NoHome, Vec::new()))?;
    let name = match args.name {
        Some(name) => name,
        None => desk.ask(Word::UserName)?,
    };
    let password = desk.secret(Word::Password, args.password_stdin)?;
    let anonymous = Client::new(&desk.settings.url, None)?;
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
    let login = wire::session::Login {
        name: name.clone(),
        password,
        label: Some(format!("hw login {host}").trim_end().chars().take(100).collect()),
        expires_in_seconds: args.expires,
        scope: args.scope,
    };
    let issued = anonymous.login(&login).await?;
    let mut kept = Credentials::read(&dir)?;
    kept.keep(&desk.settings.url, &name, &issued.token, &issued.token_id.to_string(), &issued.expires_at.to_string());
    let path = kept.write(&dir)?;
    let me = Client::new(&desk.settings.url, Some(&issued.token))?.who_am_i().await?;
    let note = Word::SignedIn.fill(
        desk.lang(),
        &[
            ("user", me.user.name.clone()),
            ("role", me.user.role.to_string()),
            ("tenant", me.user.tenant_name.clone()),
            ("path", path.display().to_string()),
        ],
    );
    Ok(View::note(&me, note))
}

pub async fn logout(desk: &Desk) -> Result<View, Fault> {
    let dir = desk.settings.config_dir.clone().ok_or(Fault::Usage(Word::NoHome, Vec::new()))?;
    let mut kept = Credentials::read(&dir)?;
    let url = &desk.settings.url;
    let Some(gone) = kept.forget(url) else {
        return Err(Fault::NotFound(Word::NotSignedIn, vec![("url", url.clone())]));
    };
    kept.write(&dir)?;
    let mut view = View::done(Exit::Ok).and(Word::SignedOut.fill(desk.lang(), &[("url", url.clone())]));
    if let Ok(id) = gone.token_id.parse::<TokenId>() {
        let revoked = Client::new(url, Some(&gone.token))?.revoke_token(id).await;
        if let Err(fault) = revoked.or_else(|fault| if is_gone(&fault) { Ok(()) } else { Err(fault) }) {
            // The file is clean; that the server did not hear of it is worth a word, and no failure.
            view = view.and(Word::NotRevoked.fill(desk.lang(), &[("why", fault.to_string())]));
        }
    }
    Ok(view)
}

fn is_gone(fault: &ClientError) -> bool {
    matches!(fault.next_move(), client::NextMove::Access | client::NextMove::NotFound)
}

pub async fn who_am_i(desk: &Desk) -> Result<View, Fault> {
    let me = desk.client()?.who_am_i().await?;
    let facts = vec![
        (Word::User, Cell::text(&me.user.name)),
        (Word::Role, Cell::text(me.user.role.as_str())),
        (Word::Tenant, Cell::text(&me.user.tenant_name)),
        (Word::Project, Cell::text(&me.user.project_name)),
        (Word::Scope, Cell::text(me.scope.as_str())),
        (Word::Expires, Cell::Time(me.expires_at)),
        (Word::Server, Cell::text(&desk.settings.url)),
    ];
    Ok(View::facts(&me, facts))
}

#[derive(Debug, Args)]
pub struct Tokens {
    #[command(subcommand)]
    pub act: Option<TokensAct>,
}

#[derive(Debug, Subcommand)]
pub enum TokensAct {
    /// List your tokens (the default)
    List(Most),
    /// Make a token; its secret is shown this once
    Create {
        /// What it is for
        #[arg(value_name = "LABEL")]
        label: Option<String>,
        /// How long it is good for: 12h, 30d
        #[arg(long, value_name = "TIME", value_parser = seconds)]
        expires: Option<u64>,
        /// What it may be used for: full, jobs, read
        #[arg(long, value_name = "SCOPE", value_parser = choice(Scope::ALL, Scope::as_str))]
        scope: Option<Scope>,
    },
    /// Revoke tokens
    Revoke {
        /// Ids: tok_…
        #[arg(value_name = "ID", required = true)]
        ids: Vec<TokenId>,
    },
}

pub async fn tokens(desk: &Desk, args: Tokens) -> Result<View, Fault> {
    let client = desk.client()?;
    match args.act.unwrap_or(TokensAct::List(Most { limit: super::LIST_USUAL })) {
        TokensAct::List(most) => {
            let page = client.tokens().take(most.limit).await?;
            let table =
                Table::new("token", &[Word::Id, Word::Label, Word::Scope, Word::Created, Word::Expires, Word::Revoked])
                    .with(page.items.iter().map(token_row));
            Ok(View::table(&page, table))
        }
        TokensAct::Create { label, expires, scope } => {
            let issued = client.create_token(&TokenCreate { label, expires_in_seconds: expires, scope }).await?;
            let view = View { json: Some(crate::view::to_json(&issued)), ..View::text(&issued.token) };
            let id = ("id", issued.token_id.to_string());
            Ok(view.and(Word::TokenShownOnce.fill(desk.lang(), &[id, ("expires", issued.expires_at.to_string())])))
        }
        TokensAct::Revoke { ids } => {
            let mut view = View::done(Exit::Ok);
            for id in ids {
                client.revoke_token(id).await?;
                view = view.and(Word::TokenRevoked.fill(desk.lang(), &[("id", id.to_string())]));
            }
            Ok(view)
        }
    }
}

fn token_row(token: &Token) -> Vec<Cell> {
    vec![
        Cell::text(token.id.to_string()),
        Cell::text(&token.label),
        Cell::text(token.scope.as_str()),
        Cell::Time(token.created_at),
        Cell::Time(token.expires_at),
        Cell::maybe(token.revoked_at, Cell::Time),
    ]
}
