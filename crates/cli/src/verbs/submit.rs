//! Handing a job in, and asking what would become of it.

use clap::Args;
use wire::events::EventStreamQuery;
use wire::files::InputFile;
use wire::submit::{JobAccepted, JobSubmit, Quote as Quoted, Warning};

use super::{show, wait};
use crate::desk::Desk;
use crate::fault::Fault;
use crate::handin::{HandIn, JobFlags};
use crate::text::{Lang, Word};
use crate::view::{Cell, Part, View};

#[derive(Debug, Args)]
pub struct Submit {
    /// The job script; `-` reads it from standard input
    #[arg(value_name = "SCRIPT")]
    pub script: String,
    /// Arguments of the script
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<String>,
    #[command(flatten)]
    pub job: JobFlags,
    /// A file or folder of the file space (`hw put`) that the job finds in its work folder, under its own last name or NAME
    #[arg(long, value_name = "REMOTE[:NAME]", value_parser = stage_in, help_heading = "This command")]
    pub stage_in: Vec<InputFile>,
    /// Wait for the job's end and end with its own exit code
    #[arg(long, short = 'W', help_heading = "This command")]
    pub wait: bool,
    /// Show the job's output as it grows, and wait
    #[arg(long, short = 'f', help_heading = "This command")]
    pub follow: bool,
    /// Print the job's number and nothing else
    #[arg(long, short = 'q', help_heading = "This command")]
    pub quiet: bool,
    /// Check and price it; hand nothing in
    #[arg(long, help_heading = "This command")]
    pub dry_run: bool,
    /// Name of this submission: the same key and content hand in one job, however often they are sent
    #[arg(long, value_name = "KEY", help_heading = "This command")]
    pub idempotency_key: Option<String>,
}

#[derive(Debug, Args)]
pub struct Quote {
    /// The job script; `-` reads it from standard input
    #[arg(value_name = "SCRIPT")]
    pub script: String,
    /// Arguments of the script
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<String>,
    #[command(flatten)]
    pub job: JobFlags,
}

/// Reads `REMOTE[:NAME]`; a path with a colon in it needs a name behind.
fn stage_in(text: &str) -> Result<InputFile, String> {
    let (path, name) = match text.rsplit_once(':') {
        Some((path, name)) => (path, Some(name.to_owned())),
        None => (text, None),
    };
    let path = super::files::remote(path);
    if path.is_empty() || name.as_ref().is_some_and(String::is_empty) {
        return Err("write a path of the file space, and behind a colon the name in the work folder".into());
    }
    Ok(InputFile { path, name })
}

fn request(desk: &Desk, script: &str, args: Vec<String>, job: JobFlags) -> Result<JobSubmit, Fault> {
    let text = desk.script(script)?;
    Ok(hand_in(desk, script, text, args, job.parsed()))
}

/// The request for a script read from `path` (`-` has no name).
pub fn hand_in(desk: &Desk, path: &str, script: String, args: Vec<String>, given: jobscript::Parsed) -> JobSubmit {
    let name = std::path::Path::new(path).file_name().and_then(|name| name.to_str());
    let script_name = name.filter(|_| path != "-").map(String::from);
    let work_dir = desk.settings.work_dir.clone();
    let environment = std::env::vars_os().filter_map(|(a, b)| Some((a.into_string().ok()?, b.into_string().ok()?)));
    HandIn { script, script_name, given, args, work_dir }.request(environment)
}

pub async fn submit(desk: &Desk, args: Submit) -> Result<View, Fault> {
    let mut request = request(desk, &args.script, args.args, args.job)?;
    request.dry_run = args.dry_run;
    request.inputs = args.stage_in;
    let client = desk.client()?;
    let accepted = client.submit(&request, args.idempotency_key.as_deref()).await?;
    for warning in &accepted.warnings {
        desk.say(&told(warning, desk.lang()));
    }
    if args.dry_run {
        let gaps = [("amount", accepted.hold.to_string()), ("currency", accepted.currency.clone())];
        return Ok(View::note(&accepted, Word::DryRun.fill(desk.lang(), &gaps)));
    }
    if !(args.wait || args.follow) {
        return Ok(answered(&accepted, args.quiet, desk.lang()));
    }
    desk.show(&answered(&accepted, true, desk.lang()))?;
    if !args.quiet {
        desk.say(&sentence(&accepted, desk.lang()));
    }
    let watch = wait::Watch { number: accepted.number, elements: accepted.elements, quiet: args.quiet };
    match args.follow {
        true => wait::follow(desk, &client, watch).await,
        false => wait::wait(desk, &client, watch).await,
    }
}

pub fn answered(accepted: &JobAccepted, quiet: bool, lang: Lang) -> View {
    let text = accepted.number.to_string();
    let view = View { json: Some(crate::view::to_json(accepted)), ..View::text(text) };
    if quiet { view } else { view.and(sentence(accepted, lang)) }
}

fn sentence(accepted: &JobAccepted, lang: Lang) -> String {
    let gaps = [
        ("job", accepted.number.to_string()),
        ("last", (accepted.number + u64::from(accepted.elements).saturating_sub(1)).to_string()),
        ("elements", accepted.elements.to_string()),
        ("amount", accepted.hold.to_string()),
        ("currency", accepted.currency.clone()),
    ];
    if accepted.elements > 1 { Word::SubmittedArray.fill(lang, &gaps) } else { Word::Submitted.fill(lang, &gaps) }
}

/// `warning: line 3: --mail-type: is ignored …`
pub fn told(warning: &Warning, lang: Lang) -> String {
    let line = warning.line.map(|n| Word::LineNumber.fill(lang, &[("n", n.to_string())]) + ": ").unwrap_or_default();
    let option = warning.option.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
    format!("{}: {line}{option}{}", Word::Warning.text(lang), warning.message)
}

pub async fn quote(desk: &Desk, args: Quote) -> Result<View, Fault> {
    let request = request(desk, &args.script, args.args, args.job)?;
    let quote = desk.client()?.quote(&request).await?;
    let mut view = quote_view(&quote);
    view.notes.extend(quote.warnings.iter().map(|warning| told(warning, desk.lang())));
    Ok(view)
}

pub fn quote_view(quote: &Quoted) -> View {
    let chosen = quote.candidates.iter().find(|candidate| candidate.chosen);
    let facts = vec![
        (Word::Asked, Cell::text(&quote.request.tres)),
        (Word::Nodes, Cell::number(quote.request.nodes)),
        (Word::Tasks, Cell::number(quote.request.tasks)),
        (Word::TimeLimit, Cell::Seconds(quote.time_limit_seconds)),
        (Word::Class, Cell::text(quote.class.as_str())),
        (Word::Elements, if quote.elements > 1 { Cell::number(quote.elements) } else { Cell::Empty }),
        (Word::WouldRunIn, Cell::maybe(chosen, |candidate| Cell::text(&candidate.pool_name))),
        (Word::ExpectedStart, Cell::maybe(chosen.and_then(|candidate| candidate.expected_start), Cell::Time)),
        (Word::PaidByContracts, some(quote.covered, &quote.currency)),
        (Word::PaidByGrants, some(quote.granted, &quote.currency)),
        (Word::SetAside, Cell::price(quote.hold, &quote.currency)),
    ];
    let table = show::candidates(&quote.candidates);
    View::of(quote, vec![Part::Facts(facts), Part::Title(Word::Candidates), Part::Table(table)])
}

/// Empty where it is nothing.
fn some(amount: wire::MoneyText, currency: &str) -> Cell {
    if amount == wire::MoneyText::default() { Cell::Empty } else { Cell::price(amount, currency) }
}

/// The stream of one job's facts behind `seq`.
pub fn of_job(job: &str, seq: u64) -> EventStreamQuery {
    EventStreamQuery { job: Some(job.into()), after: Some(seq), ..EventStreamQuery::default() }
}
