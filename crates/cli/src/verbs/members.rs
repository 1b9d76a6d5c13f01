//! Members of projects and their roles.

use clap::{Args, Subcommand};
use wire::ProjectRole;
use wire::people::{ProjectMember, ProjectMemberSet};

use super::Most;
use super::people::tenant_or_own;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::parse::choice;
use crate::text::Word;
use crate::view::{Cell, Table, View};

#[derive(Debug, Args)]
pub struct Members {
    #[command(subcommand)]
    pub act: MembersAct,
}

#[derive(Debug, Subcommand)]
pub enum MembersAct {
    /// Members of a project; with none it is open to everybody of its tenant
    List {
        /// Name or id of the project
        #[arg(value_name = "PROJECT")]
        project: String,
        /// The project's tenant; your own when left out
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
        #[command(flatten)]
        most: Most,
    },
    /// Give a user a role in a project; the first one closes it to everybody else of the tenant
    Set {
        /// Name or id of the project
        #[arg(value_name = "PROJECT")]
        project: String,
        /// Name or id of the user
        #[arg(value_name = "USER")]
        user: String,
        /// owner, member or viewer
        #[arg(value_name = "ROLE", value_parser = choice(ProjectRole::ALL, ProjectRole::as_str))]
        role: ProjectRole,
        /// The project's tenant; your own when left out
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
    },
    /// Take a user's role in a project away; the last one to go opens it again
    Remove {
        /// Name or id of the project
        #[arg(value_name = "PROJECT")]
        project: String,
        /// Name or id of the user
        #[arg(value_name = "USER")]
        user: String,
        /// The project's tenant; your own when left out
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
    },
}

pub async fn members(desk: &Desk, args: Members) -> Result<View, Fault> {
    let client = desk.client()?;
    match args.act {
        MembersAct::List { project, tenant, most } => {
            let tenant = tenant_or_own(&client, tenant).await?;
            let page = client.project_members(&tenant, &project).take(most.limit).await?;
            let row = |member: &ProjectMember| {
                vec![Cell::text(&member.name), Cell::text(member.role.as_str()), Cell::YesNo(member.disabled)]
            };
            let heads = [Word::User, Word::Role, Word::Disabled];
            Ok(View::table(&page, Table::new("member", &heads).with(page.items.iter().map(row))))
        }
        MembersAct::Set { project, user, role, tenant } => {
            let tenant = tenant_or_own(&client, tenant).await?;
            client.set_project_member(&tenant, &project, &user, &ProjectMemberSet { role }).await?;
            let gaps = [("user", user), ("role", role.as_str().to_owned()), ("project", project)];
            Ok(View::done(Exit::Ok).and(Word::MemberSet.fill(desk.lang(), &gaps)))
        }
        MembersAct::Remove { project, user, tenant } => {
            let tenant = tenant_or_own(&client, tenant).await?;
            client.remove_project_member(&tenant, &project, &user).await?;
            let gaps = [("user", user), ("project", project)];
            Ok(View::done(Exit::Ok).and(Word::MemberRemoved.fill(desk.lang(), &gaps)))
        }
    }
}
