//! Sites whose agents dial in: list, enroll, revoke.

use clap::{Args, Subcommand};
use wire::Backend;
use wire::sites::{Site, SiteEnroll, SiteState};

use super::Most;
use crate::desk::Desk;
use crate::fault::Fault;
use crate::text::Word;
use crate::view::cell::Tone;
use crate::view::{Cell, Table, View, to_json};

#[derive(Debug, Args)]
pub struct Sites {
    #[command(subcommand)]
    pub act: Option<SitesAct>,
}

#[derive(Debug, Subcommand)]
pub enum SitesAct {
    /// List sites (the default)
    List(Most),
    /// Make a one-time token and print the command to run at the site
    Enroll {
        /// Name of the site, new or known
        #[arg(value_name = "NAME")]
        name: String,
        /// Its agent hosts a Slurm cluster instead of its own machine
        #[arg(long)]
        slurm: bool,
        /// The partner that provides it [default: one's own]
        #[arg(long, value_name = "NAME")]
        supplier: Option<String>,
        /// Give it no work until it was tried
        #[arg(long)]
        testing: bool,
    },
    /// Take a site's key back; what runs there goes on
    Revoke {
        /// Name of the site
        #[arg(value_name = "NAME")]
        name: String,
    },
}

pub async fn sites(desk: &Desk, args: Sites) -> Result<View, Fault> {
    let client = desk.client()?;
    match args.act.unwrap_or(SitesAct::List(Most { limit: super::LIST_USUAL })) {
        SitesAct::List(most) => {
            let page = client.sites().take(most.limit).await?;
            let heads = [
                Word::Site,
                Word::Backend,
                Word::State,
                Word::LastSeen,
                Word::Waiting,
                Word::Program,
                Word::Machine,
                Word::Address,
            ];
            let table = Table::new("site", &heads).with(page.items.iter().map(row));
            let mut view = View::table(&page, table);
            if page.next_cursor.is_some() {
                view = view.and(Word::MoreItems.fill(desk.lang(), &[("n", page.items.len().to_string())]));
            }
            Ok(view)
        }
        SitesAct::Enroll { name, slurm, supplier, testing } => {
            let backend = Some(if slurm { Backend::Slurm } else { Backend::Local });
            let enrolled = client.enroll_site(&SiteEnroll { name, backend, supplier, testing }).await?;
            let gaps = [("site", enrolled.name.clone()), ("expires", enrolled.expires_at.to_string())];
            let note = Word::RunAtSite.fill(desk.lang(), &gaps);
            let text = format!("{}\n", enrolled.command);
            Ok(View { json: Some(to_json(&enrolled)), ..View::text(text) }.and(note))
        }
        SitesAct::Revoke { name } => {
            desk.confirm(Word::ReallyRevokeSite, &[("site", name.clone())])?;
            let site = client.revoke_site(&name).await?;
            let note = Word::SiteRevoked.fill(desk.lang(), &[("site", name)]);
            Ok(View::note(&site, note))
        }
    }
}

fn row(site: &Site) -> Vec<Cell> {
    let tone = match site.state {
        SiteState::Connected => Tone::Good,
        SiteState::Away => Tone::Bad,
        SiteState::Invited | SiteState::Closed => Tone::Faint,
    };
    vec![
        Cell::text(&site.name),
        Cell::text(site.backend.as_str()),
        Cell::Toned(site.state.as_str().into(), tone),
        Cell::maybe(site.last_seen, Cell::Time),
        Cell::number(site.events_waiting),
        Cell::maybe(site.software.as_ref(), Cell::text),
        Cell::maybe(site.machine.as_ref(), Cell::text),
        Cell::maybe(site.address.as_ref(), Cell::text),
    ]
}
