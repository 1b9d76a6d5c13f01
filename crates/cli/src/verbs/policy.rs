//! The operator's policy: what is in force, what a document would change, its versions.

use clap::{Args, Subcommand};
use wire::policy::{Policy, PolicySet, PolicySetDone};

use super::Most;
use crate::desk::Desk;
use crate::fault::Fault;
use crate::text::Word;
use crate::verbs::show;
use crate::view::{Cell, Part, Table, View};

#[derive(Debug, Args)]
pub struct Policies {
    #[command(subcommand)]
    pub act: Option<PolicyAct>,
}

#[derive(Debug, Subcommand)]
pub enum PolicyAct {
    /// The policy in force, as a file that can be edited and given back (the default)
    Show,
    /// What a file would change, without changing it
    Check {
        /// The file, TOML; `-` is standard input
        #[arg(value_name = "FILE")]
        file: String,
    },
    /// Put a file into force; work under way stays where it is
    Set {
        /// The file, TOML; `-` is standard input
        #[arg(value_name = "FILE")]
        file: String,
        /// Why
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
    },
    /// Versions that were set, newest first
    History(Most),
}

pub async fn policies(desk: &Desk, args: Policies) -> Result<View, Fault> {
    let client = desk.client()?;
    match args.act.unwrap_or(PolicyAct::Show) {
        PolicyAct::Show => {
            let policy = client.policy().await?;
            let text = format!("{}{}", head(&policy), policy.document);
            Ok(View::of(&policy, vec![Part::Text(text)]))
        }
        PolicyAct::Check { file } => {
            let would = client.set_policy(&tried(desk.read(&file)?)).await?;
            Ok(told(&would, Word::PolicyWould.fill(desk.lang(), &[("n", would.changes.len().to_string())])))
        }
        PolicyAct::Set { file, note } => {
            let document = desk.read(&file)?;
            let would = client.set_policy(&tried(document.clone())).await?;
            if would.changes.is_empty() {
                return Ok(told(&would, Word::PolicyStands.fill(desk.lang(), &[("n", would.version.to_string())])));
            }
            desk.confirm(Word::ReallySteer, &[("changes", would.changes.join("\n  "))])?;
            // What was shown is what is set: not over somebody else's change made meanwhile.
            let set = PolicySet { document, note, expected_version: Some(would.version), dry_run: false };
            let done = client.set_policy(&set).await?;
            Ok(told(&done, Word::PolicySet.fill(desk.lang(), &[("n", done.version.to_string())])))
        }
        PolicyAct::History(most) => {
            let page = client.policy_versions().take(most.limit).await?;
            let row = |policy: &Policy| {
                vec![
                    Cell::number(policy.version),
                    Cell::maybe(policy.at, Cell::Time),
                    Cell::maybe(policy.actor.as_ref(), show::actor),
                    Cell::text(policy.changes.join("; ")),
                    Cell::text(&policy.note),
                ]
            };
            let heads = [Word::Number, Word::Time, Word::Who, Word::What, Word::Memo];
            let table = Table::new("policy", &heads).with(page.items.iter().map(row));
            Ok(View::table(&page, table))
        }
    }
}

fn tried(document: String) -> PolicySet {
    PolicySet { document, note: String::new(), expected_version: None, dry_run: true }
}

fn told(done: &PolicySetDone, note: String) -> View {
    let lines: String = done.changes.iter().map(|change| format!("{change}\n")).collect();
    View::of(done, vec![Part::Text(lines)]).and(note)
}

/// What version it is, as comments of the document.
fn head(policy: &Policy) -> String {
    let by = policy.actor.as_ref().and_then(|a| a.name.clone()).unwrap_or_default();
    let at = policy.at.map(|at| at.0.rfc3339()).unwrap_or_default();
    let note: String = policy.note.lines().map(|line| format!("# {line}\n")).collect();
    format!("# {} {at} {by}", policy.version).trim_end().to_owned() + "\n" + &note
}
