//! Tenants, their projects, users.

use clap::{Args, Subcommand};
use client::Client;
use wire::people::{
    Project, ProjectCreate, Tenant, TenantCreate, TenantPatch, User, UserCreate, UserPatch, UsersQuery,
};
use wire::session::PasswordChange;
use wire::{ContractTier, MoneyText, Role, TenantStatus};

use super::{LIST_USUAL, Most, members};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::parse::choice;
use crate::text::Word;
use crate::view::cell::Tone;
use crate::view::{Cell, Table, View};

/// The tenant that is named, or the caller's own.
pub async fn tenant_or_own(client: &Client, tenant: Option<String>) -> Result<String, Fault> {
    match tenant {
        Some(tenant) => Ok(tenant),
        None => Ok(client.who_am_i().await?.user.tenant.to_string()),
    }
}

#[derive(Debug, Args)]
pub struct Tenants {
    #[command(subcommand)]
    pub act: Option<TenantsAct>,
}

#[derive(Debug, Subcommand)]
pub enum TenantsAct {
    /// List tenants (the default)
    List(Most),
    /// One tenant
    Show {
        /// Name or id
        #[arg(value_name = "TENANT")]
        tenant: String,
    },
    /// Make a tenant, with a project called `default`
    Create {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// Its currency: CNY, USD
        #[arg(long, value_name = "CODE")]
        currency: Option<String>,
        /// Weight in fair sharing
        #[arg(long, value_name = "N")]
        shares: Option<u32>,
        /// How far below zero its wallet may go
        #[arg(long, value_name = "AMOUNT")]
        credit_limit: Option<MoneyText>,
        /// Its contract: long_term, short_term or on_demand
        #[arg(long, value_name = "TIER", value_parser = choice(ContractTier::ALL, ContractTier::as_str))]
        tier: Option<ContractTier>,
        /// Sites and regions where its work may run, separated by commas; empty: anywhere
        #[arg(long, value_name = "PLACES")]
        regions: Option<String>,
    },
    /// Change a tenant
    Set {
        /// Name or id
        #[arg(value_name = "TENANT")]
        tenant: String,
        /// Weight in fair sharing
        #[arg(long, value_name = "N")]
        shares: Option<u32>,
        /// active or suspended
        #[arg(long, value_name = "STATUS", value_parser = choice(TenantStatus::ALL, TenantStatus::as_str))]
        status: Option<TenantStatus>,
        /// How far below zero its wallet may go
        #[arg(long, value_name = "AMOUNT", required_unless_present_any = ["shares", "status", "tier", "regions"])]
        credit_limit: Option<MoneyText>,
        /// Its contract: long_term, short_term or on_demand
        #[arg(long, value_name = "TIER", value_parser = choice(ContractTier::ALL, ContractTier::as_str))]
        tier: Option<ContractTier>,
        /// Sites and regions where its work may run, separated by commas; empty: anywhere
        #[arg(long, value_name = "PLACES")]
        regions: Option<String>,
    },
}

pub async fn tenants(desk: &Desk, args: Tenants) -> Result<View, Fault> {
    let client = desk.client()?;
    match args.act.unwrap_or(TenantsAct::List(Most { limit: LIST_USUAL })) {
        TenantsAct::List(most) => {
            let page = client.tenants().take(most.limit).await?;
            let row = |tenant: &Tenant| {
                vec![
                    Cell::text(&tenant.name),
                    status(tenant.status),
                    Cell::text(&tenant.currency),
                    Cell::number(tenant.shares),
                    Cell::text(tenant.tier.as_str()),
                    Cell::text(tenant.id.to_string()),
                ]
            };
            let heads = [Word::Tenant, Word::Status, Word::Currency, Word::Shares, Word::Tier, Word::Id];
            let table = Table::new("tenant", &heads).with(page.items.iter().map(row));
            Ok(View::table(&page, table))
        }
        TenantsAct::Show { tenant } => {
            let tenant = client.tenant(&tenant).await?;
            let facts = vec![
                (Word::Tenant, Cell::text(&tenant.name)),
                (Word::Id, Cell::text(tenant.id.to_string())),
                (Word::Status, status(tenant.status)),
                (Word::Currency, Cell::text(&tenant.currency)),
                (Word::Shares, Cell::number(tenant.shares)),
                (Word::Tier, Cell::text(tenant.tier.as_str())),
                (Word::Regions, Cell::text(tenant.regions.join(","))),
            ];
            Ok(View::facts(&tenant, facts))
        }
        TenantsAct::Create { name, currency, shares, credit_limit, tier, regions } => {
            let regions = regions.as_deref().map(places);
            let create = TenantCreate { name: name.clone(), currency, shares, credit_limit, tier, regions };
            let created = client.create_tenant(&create).await?;
            let gaps = [("name", name), ("id", created.tenant.to_string())];
            Ok(View::note(&created, Word::TenantCreated.fill(desk.lang(), &gaps)))
        }
        TenantsAct::Set { tenant, shares, status, credit_limit, tier, regions } => {
            let regions = regions.as_deref().map(places);
            client.update_tenant(&tenant, &TenantPatch { shares, status, credit_limit, tier, regions }).await?;
            Ok(View::done(Exit::Ok).and(Word::TenantChanged.fill(desk.lang(), &[("name", tenant)])))
        }
    }
}

fn places(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|place| !place.is_empty()).map(str::to_owned).collect()
}

fn status(status: TenantStatus) -> Cell {
    let tone = if status == TenantStatus::Active { Tone::Good } else { Tone::Bad };
    Cell::Toned(status.as_str().into(), tone)
}

#[derive(Debug, Args)]
pub struct Projects {
    #[command(subcommand)]
    pub act: Option<ProjectsAct>,
}

#[derive(Debug, Subcommand)]
pub enum ProjectsAct {
    /// List projects (the default)
    List {
        /// Of this tenant; your own when left out
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
        #[command(flatten)]
        most: Most,
    },
    /// Make a project
    Create {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// In this tenant; your own when left out
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
    },
    /// Who works in a project, and as what: list, set, remove
    Members(members::Members),
}

pub async fn projects(desk: &Desk, args: Projects) -> Result<View, Fault> {
    let client = desk.client()?;
    match args.act.unwrap_or(ProjectsAct::List { tenant: None, most: Most { limit: LIST_USUAL } }) {
        ProjectsAct::List { tenant, most } => {
            let tenant = tenant_or_own(&client, tenant).await?;
            let page = client.projects(&tenant).take(most.limit).await?;
            let row = |project: &Project| {
                vec![
                    Cell::text(&project.name),
                    Cell::text(project.id.to_string()),
                    Cell::number(project.members),
                    Cell::maybe(project.role, |role| Cell::text(role.as_str())),
                ]
            };
            let heads = [Word::Project, Word::Id, Word::Members, Word::Role];
            let table = Table::new("project", &heads).with(page.items.iter().map(row));
            Ok(View::table(&page, table))
        }
        ProjectsAct::Create { name, tenant } => {
            let tenant = tenant_or_own(&client, tenant).await?;
            let created = client.create_project(&tenant, &ProjectCreate { name: name.clone() }).await?;
            let gaps = [("name", name), ("id", created.project.to_string())];
            Ok(View::note(&created, Word::ProjectCreated.fill(desk.lang(), &gaps)))
        }
        ProjectsAct::Members(args) => members::members(desk, args).await,
    }
}

#[derive(Debug, Args)]
pub struct Users {
    #[command(subcommand)]
    pub act: Option<UsersAct>,
}

#[derive(Debug, Subcommand)]
pub enum UsersAct {
    /// List users (the default)
    List {
        /// Only this tenant's
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
        /// Only those whose name has this in it
        #[arg(long, short = 'q', value_name = "PART")]
        find: Option<String>,
        /// Only of this role: operator, auditor, owner or member
        #[arg(long, value_name = "ROLE", value_parser = choice(Role::ALL, Role::as_str))]
        role: Option<Role>,
        #[command(flatten)]
        most: Most,
    },
    /// Make a user
    Create {
        /// The name to sign in with
        #[arg(value_name = "NAME")]
        name: String,
        /// operator, auditor, owner or member
        #[arg(long, value_name = "ROLE", default_value = "member", value_parser = choice(Role::ALL, Role::as_str))]
        role: Role,
        /// The tenant; your own when left out
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
        /// The project that pays when a job names none
        #[arg(long, value_name = "PROJECT")]
        project: Option<String>,
        /// Read the password from the first line of standard input instead of asking
        #[arg(long)]
        password_stdin: bool,
        /// Set no password: nobody can sign in as this user yet
        #[arg(long, conflicts_with = "password_stdin")]
        no_password: bool,
    },
    /// Change a user's role
    Set {
        /// Name or id
        #[arg(value_name = "USER")]
        user: String,
        /// operator, auditor, owner or member
        #[arg(long, value_name = "ROLE", value_parser = choice(Role::ALL, Role::as_str))]
        role: Role,
    },
    /// Keep a user from signing in and revoke its tokens
    Disable {
        /// Name or id
        #[arg(value_name = "USER")]
        user: String,
    },
    /// Let a disabled user in again
    Enable {
        /// Name or id
        #[arg(value_name = "USER")]
        user: String,
    },
    /// Set a password: your own, or that of a user who forgot it
    Password {
        /// Name or id; yourself when left out
        #[arg(value_name = "USER")]
        user: Option<String>,
        /// Read it from standard input: the new one, or for yourself the old one and the new one, each on a line
        #[arg(long)]
        password_stdin: bool,
    },
}

pub async fn users(desk: &Desk, args: Users) -> Result<View, Fault> {
    let client = desk.client()?;
    match args.act.unwrap_or(UsersAct::List { tenant: None, find: None, role: None, most: Most { limit: LIST_USUAL } })
    {
        UsersAct::List { tenant, find, role, most } => {
            let page =
                client.users(&UsersQuery { tenant, q: find, role, ..UsersQuery::default() }).take(most.limit).await?;
            let heads = [Word::User, Word::Role, Word::Tenant, Word::Project, Word::Disabled, Word::Id];
            let table = Table::new("user", &heads).with(page.items.iter().map(user_row));
            Ok(View::table(&page, table))
        }
        UsersAct::Create { name, role, tenant, project, password_stdin, no_password } => {
            let tenant = tenant_or_own(&client, tenant).await?;
            let password = if no_password { None } else { Some(new_password(desk, password_stdin)?) };
            let created =
                client.create_user(&UserCreate { name: name.clone(), password, role, tenant, project }).await?;
            let gaps = [("name", name), ("id", created.user.to_string())];
            Ok(View::note(&created, Word::UserCreated.fill(desk.lang(), &gaps)))
        }
        UsersAct::Set { user, role } => {
            change(desk, &client, user, UserPatch { role: Some(role), ..UserPatch::default() }, Word::UserChanged).await
        }
        UsersAct::Disable { user } => {
            desk.confirm(Word::ReallyDisable, &[("name", user.clone())])?;
            let patch = UserPatch { disabled: Some(true), ..UserPatch::default() };
            change(desk, &client, user, patch, Word::UserDisabled).await
        }
        UsersAct::Enable { user } => {
            let patch = UserPatch { disabled: Some(false), ..UserPatch::default() };
            change(desk, &client, user, patch, Word::UserEnabled).await
        }
        UsersAct::Password { user: Some(user), password_stdin } => {
            let patch = UserPatch { password: Some(new_password(desk, password_stdin)?), ..UserPatch::default() };
            change(desk, &client, user, patch, Word::PasswordSet).await
        }
        UsersAct::Password { user: None, password_stdin } => {
            let old = desk.secret(Word::PasswordOld, password_stdin)?;
            let new = new_password(desk, password_stdin)?;
            client.change_password(&PasswordChange { old, new }).await?;
            Ok(View::done(Exit::Ok).and(Word::PasswordChanged.text(desk.lang())))
        }
    }
}

fn user_row(user: &User) -> Vec<Cell> {
    vec![
        Cell::text(&user.name),
        Cell::text(user.role.as_str()),
        Cell::text(&user.tenant_name),
        Cell::text(&user.project_name),
        Cell::YesNo(user.disabled),
        Cell::text(user.id.to_string()),
    ]
}

async fn change(desk: &Desk, client: &Client, user: String, patch: UserPatch, word: Word) -> Result<View, Fault> {
    client.update_user(&user, &patch).await?;
    Ok(View::done(Exit::Ok).and(word.fill(desk.lang(), &[("name", user)])))
}

/// A new password, typed twice where it is typed.
fn new_password(desk: &Desk, from_stdin: bool) -> Result<String, Fault> {
    let new = desk.secret(Word::PasswordNew, from_stdin)?;
    if !from_stdin && desk.secret(Word::PasswordAgain, false)? != new {
        return Err(Fault::Usage(Word::PasswordsDiffer, Vec::new()));
    }
    Ok(new)
}
