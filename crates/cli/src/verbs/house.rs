//! The program itself: starting the platform, completions, versions, help.

use clap::{Args, CommandFactory, Subcommand};
use clap_complete::Shell;

use crate::app::App;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::text::{Word, help};
use crate::view::{Cell, Part, Table, View};

/// Flags of `up` and `config`; the server brings them together with variables and file.
#[derive(Clone, Debug, Default, Args)]
pub struct Up {
    /// Folder of everything the platform keeps
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,
    /// Address to listen on
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Configuration file [default: HW_CONFIG, else headworks.toml in this folder]
    #[arg(long, value_name = "FILE")]
    pub config: Option<String>,
    /// Database: postgres://…; empty is the embedded one in the data folder
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// Any other setting, by its key; `hw config` lists them
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub struct Admin {
    #[command(subcommand)]
    pub act: AdminAct,
}

#[derive(Debug, Subcommand)]
pub enum AdminAct {
    /// Give a user a new password, shown once; all servers of the database must be stopped
    ResetPassword(ResetPassword),
}

#[derive(Debug, Args)]
pub struct ResetPassword {
    /// The user's name
    #[arg(value_name = "USER")]
    pub user: String,
    /// Folder of everything the platform keeps
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,
    /// Configuration file [default: HW_CONFIG, else headworks.toml in this folder]
    #[arg(long, value_name = "FILE")]
    pub config: Option<String>,
    /// Database: postgres://…; empty is the embedded one in the data folder
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.into(), value.into()))
}

#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

pub fn completions(args: Completions) -> Result<View, Fault> {
    let mut bytes = Vec::new();
    clap_complete::generate(args.shell, &mut App::command(), "hw", &mut bytes);
    Ok(View::text(String::from_utf8_lossy(&bytes)))
}

/// The version of this program; that of the API too, when a server answers at once.
pub async fn version(desk: &Desk) -> Result<View, Fault> {
    let own = env!("CARGO_PKG_VERSION");
    let client = desk.client()?.with_retry(client::Retry::NONE);
    let described = client.openapi().await.ok();
    let api = described.and_then(|api| Some(api.get("info")?.get("version")?.as_str()?.to_string()));
    let facts = vec![(Word::Program, Cell::text(own)), (Word::Api, Cell::maybe(api.as_ref(), Cell::text))];
    Ok(View::facts(&serde_json::json!({ "program": own, "api": api }), facts))
}

#[derive(Debug, Args)]
pub struct Help {
    /// A command, or `exit-codes`
    #[arg(value_name = "TOPIC")]
    pub topic: Vec<String>,
}

pub fn help(desk: &Desk, args: &Help) -> Result<View, Fault> {
    if args.topic.iter().map(String::as_str).eq(["exit-codes"]) {
        return Ok(exit_codes());
    }
    let mut command = help::in_language(App::command(), desk.lang());
    command.build();
    let mut at = &mut command;
    for word in &args.topic {
        at = at
            .find_subcommand_mut(word)
            .ok_or_else(|| Fault::NotFound(Word::NoSuchTopic, vec![("topic", args.topic.join(" "))]))?;
    }
    let text = at.render_long_help();
    Ok(View::text(if desk.settings.look.colour { text.ansi().to_string() } else { text.to_string() }))
}

/// The table of exit codes, the same as in the reference.
pub fn exit_codes() -> View {
    let rows: Vec<(u8, Word)> = Exit::ALL.iter().map(|exit| (exit.number(), meaning(*exit))).collect();
    let table = Table::new("exit", &[Word::ExitCode, Word::Meaning]).with(rows.iter().map(|(number, word)| {
        let (en, zh) = (word.text(crate::text::Lang::En), word.text(crate::text::Lang::Zh));
        vec![Cell::number(number), Cell::Both { en: en.into(), zh: zh.into() }]
    }));
    let both = [Part::Table(table), Part::Title(Word::ExitOfJob)];
    let json: Vec<_> =
        rows.iter().map(|(number, word)| serde_json::json!({ "exit": number, "meaning": word.key() })).collect();
    View::of(&json, both.into())
}

const fn meaning(exit: Exit) -> Word {
    match exit {
        Exit::Ok => Word::ExitOk,
        Exit::Failure => Word::ExitFailure,
        Exit::Usage => Word::ExitUsage,
        Exit::NotFound => Word::ExitNotFound,
        Exit::Access => Word::ExitAccess,
        Exit::Conflict => Word::ExitConflict,
        Exit::Money => Word::ExitMoney,
        Exit::Unreachable => Word::ExitUnreachable,
        Exit::Wait => Word::ExitWait,
        Exit::Job(_) => Word::ExitOfJob,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Lang;

    const REFERENCE: &str = include_str!("../../../../docs/cli.md");

    #[test]
    fn the_reference_has_every_exit_code() {
        for exit in Exit::ALL {
            let row = format!("| {} | {} |", exit.number(), meaning(exit).text(Lang::En));
            assert!(REFERENCE.contains(&row), "docs/cli.md lacks: {row}");
        }
    }

    #[test]
    fn the_reference_has_every_command() {
        for command in App::command().get_subcommands() {
            let name = format!("hw {}", command.get_name());
            assert!(REFERENCE.contains(&name), "docs/cli.md lacks `{name}`");
        }
    }

    #[test]
    fn completions_name_the_commands() {
        let view = completions(Completions { shell: Shell::Bash }).unwrap();
        let [Part::Text(text)] = &view.parts[..] else { panic!("{view:?}") };
        assert!(text.contains("submit") && text.contains("squeue"));
    }
}
