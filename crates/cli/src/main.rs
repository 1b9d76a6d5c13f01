//! The `hw` binary: reads the command line and the surroundings, does one thing, shows it, ends with a documented code.
//! Knows neither store nor engine; a server is asked over HTTP, or started as a whole.

mod app;
mod credentials;
mod desk;
mod exit;
mod fault;
mod handin;
mod parse;
mod settings;
mod site;
mod slurm;
mod text;
mod twin;
mod up;
mod verbs;
mod view;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use app::App;
use credentials::Credentials;
use desk::Desk;
use exit::Exit;
use fault::Fault;
use settings::{Global, Settings, Surroundings};
use slurm::Face;
use text::Lang;
use verbs::Verb;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    // Before anything else: a supervisor forks and must be alone in its process.
    if words.get(1).is_some_and(|word| word == connect_local::SUPERVISE) {
        return connect_local::supervise_main(words.into_iter().skip(2));
    }
    let around = surroundings();
    if let Some(face) = words.first().and_then(|name| Face::of_program(name)) {
        let words = words.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
        return finish(face.name(), Lang::of(&around.variable), speak(&around, &Global::default(), face, words));
    }
    let app = match read(&words, &around) {
        Ok(app) => app,
        Err(fault) => {
            // Help and version are no faults; clap knows where each belongs.
            let _ = fault.print();
            return if fault.use_stderr() { Exit::Usage.into() } else { Exit::Ok.into() };
        }
    };
    let lang =
        app.global.lang.as_ref().map_or_else(|| Lang::of(&around.variable), |lang| Lang::of(|_| Some(lang.clone())));
    let name = app.verb.face().map_or("hw", |(face, _)| face.name());
    finish(name, lang, carry_out(app, &around))
}

/// The command line, with help in the caller's language.
fn read(words: &[OsString], around: &Surroundings) -> Result<App, clap::Error> {
    let lang = text::help::lang_of(words, Lang::of(&around.variable));
    let matches = text::help::in_language(App::command(), lang).try_get_matches_from(words)?;
    App::from_arg_matches(&matches)
}

fn carry_out(app: App, around: &Surroundings) -> Result<ExitCode, Fault> {
    if let Some((face, words)) = app.verb.face() {
        return speak(around, &app.global, face, words.to_vec());
    }
    match app.verb {
        Verb::Up(args) => up::run(args),
        Verb::Config(args) => {
            let desk = Desk { settings: Settings::gather(&app.global, around, &Credentials::default()) };
            let view = up::explain(args)?;
            desk.show(&view)?;
            Ok(view.exit.into())
        }
        Verb::Site(args) => site::run(args),
        Verb::Admin(args) => {
            let desk = Desk { settings: Settings::gather(&app.global, around, &Credentials::default()) };
            let view = block_on(up::repair(args, desk.lang()))?;
            desk.show(&view)?;
            Ok(view.exit.into())
        }
        verb => {
            let desk = desk(&app.global, around)?;
            let view = block_on(verbs::run(&desk, verb))?;
            desk.show(&view)?;
            Ok(view.exit.into())
        }
    }
}

/// One of Slurm's commands.
fn speak(around: &Surroundings, global: &Global, face: Face, words: Vec<String>) -> Result<ExitCode, Fault> {
    let desk = desk(global, around)?;
    Ok(block_on(slurm::run(&desk, face, words))?.into())
}

fn desk(global: &Global, around: &Surroundings) -> Result<Desk, Fault> {
    let credentials = match around.config_dir() {
        Some(dir) => Credentials::read(&dir)?,
        None => Credentials::default(),
    };
    Ok(Desk { settings: Settings::gather(global, around, &credentials) })
}

/// One thread is enough for a client.
fn block_on<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Fault::file("<runtime>"))?;
    let done = runtime.block_on(work);
    // A thread may still be reading standard input; nobody waits for it.
    runtime.shutdown_background();
    done
}

#[allow(clippy::print_stderr, reason = "the last word of a failed command")]
fn finish(name: &str, lang: Lang, done: Result<ExitCode, Fault>) -> ExitCode {
    match done {
        Ok(code) => code,
        // `hw jobs | head`: who reads has enough.
        Err(fault) if fault.is_broken_pipe() => ExitCode::SUCCESS,
        Err(fault) => {
            let text = fault.told(lang);
            eprintln!("{name}: {text}");
            fault.exit().into()
        }
    }
}

fn surroundings() -> Surroundings {
    let stdout_terminal = std::io::stdout().is_terminal();
    Surroundings {
        variable: Box::new(|name| std::env::var(name).ok()),
        stdin_terminal: std::io::stdin().is_terminal(),
        stdout_terminal,
        stderr_terminal: std::io::stderr().is_terminal(),
        width: if stdout_terminal { comfy_table::Table::new().width() } else { None },
        work_dir: std::env::current_dir().ok().and_then(|dir| dir.into_os_string().into_string().ok()),
        utc_offset: jiff::tz::TimeZone::system(),
    }
}
