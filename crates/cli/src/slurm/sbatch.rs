//! `sbatch`: the options are read by the same reader as `#SBATCH` lines.

use base::Timestamp;
use jobscript::Command;
use wire::submit::Quote;

use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::text::{Lang, Word};
use crate::verbs::submit::{hand_in, told};
use crate::verbs::wait::{self, Watch};
use crate::view::cell::local_time;

/// What `sbatch --help` prints.
const USAGE: &str = "\
Usage: sbatch [OPTIONS] [SCRIPT [ARGUMENTS...]]

Without SCRIPT the job script is read from standard input. OPTIONS are those of #SBATCH lines:
  -A --account  --app  -a --array  -b --begin  -c --cpus-per-task  --checkpoint  --checkpoint-interval  --chip  --comment
  -D --chdir  -d --dependency  --deadline  -e --error  --export  --fetch  -G --gpus  --gpus-per-node  --gpus-per-task  --gres  -H --hold  -i --input
  --interconnect  -J --job-name  --line  --mail-type  --mail-user  --mem  --mem-per-cpu  -N --nodes  -n --ntasks  --ntasks-per-node  --no-requeue
  -o --output  --open-mode  -p --partition  --preemptible  -q --qos  --region  --requeue  --signal  -t --time
and for this command:
      --parsable       print the job's number and nothing else
      --wrap COMMAND   run COMMAND instead of a script
  -W, --wait           return when the job has ended, with its exit code
      --test-only      say when and where it would start; hand nothing in
  -Q, --quiet          no talk
  -v, --verbose        more talk
  -h, --help           this text
  -V, --version        the version
Options of sbatch that change nothing here are ignored with a warning; others are refused with what to do instead.
";

pub async fn run(desk: &Desk, words: &[String]) -> Result<Exit, Fault> {
    let command = jobscript::parse_args(words)
        .map_err(|faults| Fault::Options(faults.iter().map(ToString::to_string).collect()))?;
    if command.client.help {
        return desk.out(USAGE).map(|()| Exit::Ok);
    }
    if command.client.version {
        return desk.out(&format!("{}\n", super::VERSION)).map(|()| Exit::Ok);
    }
    for warning in command.parsed.warnings.iter().filter(|_| !command.client.quiet) {
        desk.say(&format!("sbatch: {}: {warning}", Word::Warning.text(desk.lang())));
    }
    let (path, script) = script(desk, &command)?;
    let variables: Vec<(String, String)> =
        std::env::vars_os().filter_map(|(a, b)| Some((a.into_string().ok()?, b.into_string().ok()?))).collect();
    let environment = jobscript::parse_environment(variables.iter().map(|(a, b)| (a.as_str(), b.as_str())));
    let given = jobscript::merge(environment, command.parsed);
    let request = hand_in(desk, &path, script, command.args, given);
    let client = desk.client()?;
    if command.client.test_only {
        let quote = client.quote(&request).await?;
        desk.say(&test_only(&quote, desk));
        return Ok(if quote.chosen.is_some() { Exit::Ok } else { Exit::Failure });
    }
    let accepted = client.submit(&request, None).await?;
    for warning in accepted.warnings.iter().filter(|_| !command.client.quiet) {
        desk.say(&format!("sbatch: {}", told(warning, desk.lang())));
    }
    if desk.settings.look.json {
        desk.out(&(crate::view::to_json(&accepted) + "\n"))?;
    } else if command.client.parsable {
        desk.out(&format!("{}\n", accepted.number))?;
    } else if !command.client.quiet {
        // Scripts cut this line by its words, so it is the same in every language.
        desk.out(&format!("Submitted batch job {}\n", accepted.number))?;
    }
    if !command.client.wait {
        return Ok(Exit::Ok);
    }
    let watch = Watch { number: accepted.number, elements: accepted.elements, quiet: true };
    let view = wait::wait(desk, &client, watch).await?;
    desk.show(&view)?;
    Ok(view.exit)
}

/// Path (`-` for standard input) and text of the script.
fn script(desk: &Desk, command: &Command) -> Result<(String, String), Fault> {
    match (&command.client.wrap, &command.script_path) {
        (Some(_), Some(_)) => Err(Fault::Usage(Word::WrapOrScript, Vec::new())),
        (Some(line), None) => Ok(("wrap".into(), jobscript::wrap_script(line))),
        (None, path) => {
            let path = path.clone().unwrap_or_else(|| "-".into());
            let text = desk.script(&path)?;
            Ok((path, text))
        }
    }
}

/// `sbatch: Job … to start at … using … processors on nodes … in partition …`, as Slurm says it.
fn test_only(quote: &Quote, desk: &Desk) -> String {
    let zone = &desk.settings.look.zone;
    let Some(chosen) = quote.candidates.iter().find(|one| one.chosen) else {
        let why: Vec<String> = quote
            .candidates
            .iter()
            .map(|one| format!("{}: {}", one.pool_name, desk.lang().pick(&one.text_en, &one.text_zh)))
            .collect();
        return format!("allocation failure: Requested node configuration is not available\n{}", why.join("\n"));
    };
    let at = chosen.expected_start.unwrap_or(wire::TimeText(Timestamp::ZERO));
    let start = chosen.expected_start.map_or_else(|| "Unknown".into(), |_| local_time(at, zone).replacen(' ', "T", 1));
    let price = match desk.lang() {
        Lang::En => format!("at most {} {}", quote.hold, quote.currency),
        Lang::Zh => format!("最多 {} {}", quote.hold, quote.currency),
    };
    format!(
        "sbatch: Job to start at {start} using {} processors on {} nodes in partition {} ({price})",
        quote.request.cpu_millis.div_ceil(1000),
        quote.request.nodes,
        chosen.pool_name
    )
}
