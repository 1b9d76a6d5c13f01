//! Handing in again what was handed in before, with the options that were said then, or some of them said otherwise.

use clap::Args;
use wire::BulkAction;
use wire::job::BulkRequest;

use super::jobs::bulk_view;
use super::submit::{answered, told};
use crate::desk::Desk;
use crate::fault::Fault;
use crate::handin::{JobFlags, options_of};
use crate::slurm::ids;
use crate::text::Word;
use crate::view::View;

/// Jobs of one request.
const BULK_MAX: usize = 1_000;

#[derive(Debug, Args)]
pub struct Resubmit {
    /// Jobs: 12, 12_3, 12_[1-3]; of an array the whole is meant
    #[arg(value_name = "JOB", required = true)]
    pub jobs: Vec<String>,
    #[command(flatten)]
    pub job: JobFlags,
    /// Print the job's number and nothing else
    #[arg(long, short = 'q', help_heading = "This command")]
    pub quiet: bool,
    /// Check and price it; hand nothing in
    #[arg(long, help_heading = "This command")]
    pub dry_run: bool,
    /// Show the script and what was said beside it; hand nothing in
    #[arg(long, help_heading = "This command")]
    pub print: bool,
}

pub async fn resubmit(desk: &Desk, args: Resubmit) -> Result<View, Fault> {
    let client = desk.client()?;
    let names = ids::expand_all(args.jobs.iter().map(String::as_str))?;
    let changes = options_of(&args.job.parsed().options);
    let [name] = &names[..] else {
        if args.print || args.dry_run || !changes.is_empty() {
            return Err(Fault::Usage(Word::OneJobToChange, Vec::new()));
        }
        let request = |jobs: &[String]| BulkRequest { action: BulkAction::Resubmit, jobs: jobs.to_vec(), filter: None };
        let mut all = wire::job::BulkResult { results: Vec::new(), more: false };
        for names in names.chunks(BULK_MAX) {
            all.results.extend(client.bulk(&request(names)).await?.results);
        }
        return Ok(bulk_view(desk, &all, Word::SubmittedMany));
    };
    let mut request = client.submission(name).await?;
    request.options.extend(changes);
    request.dry_run = args.dry_run;
    if args.print {
        let options: Vec<String> =
            request.options.iter().map(|(name, value)| format!("--{}={}\n", name.replace('_', "-"), value)).collect();
        let text = options.concat() + &request.script;
        return Ok(View { json: Some(crate::view::to_json(&request)), ..View::text(text) });
    }
    let accepted = client.submit(&request, None).await?;
    for warning in &accepted.warnings {
        desk.say(&told(warning, desk.lang()));
    }
    if args.dry_run {
        let gaps = [("amount", accepted.hold.to_string()), ("currency", accepted.currency.clone())];
        return Ok(View::note(&accepted, Word::DryRun.fill(desk.lang(), &gaps)));
    }
    Ok(answered(&accepted, args.quiet, desk.lang()))
}
