//! The batch script: our wrapper, then the plan of the job, then the tenant's script, both behind the last line that bash
//! reads. Nothing of a tenant stands before that line, so no `#SBATCH` line of theirs is read and no word of theirs is run
//! by our shell.

use std::sync::LazyLock;

use crate::render::{NODE_PLACE, Paths, base64};
use crate::states::{EXIT_STOPPED, EXIT_SUPERSEDED, EXIT_UNPREPARED};

const WRAPPER: &str = include_str!("wrapper.sh");
/// Lines at the beginning that tell whoever finds the script in a spool what it is.
const TITLE_LINES: usize = 4;
/// The wrapper as it travels: with every job, to every node, so without what only its readers here need. Slurm's REST daemon takes
/// jobs of 8 KiB a third more slowly than empty ones.
static TEMPLATE: LazyLock<String> = LazyLock::new(|| {
    let lines = WRAPPER.lines().enumerate();
    let kept = lines.map(|(at, line)| (at, line.trim_start()));
    let kept = kept.filter(|(at, line)| *at < TITLE_LINES || !line.is_empty() && !line.starts_with('#'));
    kept.fold(String::new(), |text, (_, line)| text + line + "\n")
});
/// First field of a plan.
const VERSION: &str = "headworks-1";
/// Last field of a plan: one that was cut off has none.
const END: &str = "end";
/// What stands before it.
const OFFSET: &str = "\nhw_at=";
/// Digits of an offset in the wrapper, so that its length does not depend on it.
const OFFSET_DIGITS: usize = 8;

/// What the wrapper is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Folder of the attempt, absolute.
    pub dir: String,
    pub paths: Paths,
    pub append: bool,
    pub environment: Vec<(String, String)>,
    /// After the script's own name.
    pub args: Vec<String>,
}

/// Why a script can never be handed over, in words for the tenant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    #[error(
        "the script and its variables have {size} bytes as they travel, and the cluster takes {max}: put large data into a file of its own"
    )]
    TooLarge { size: usize, max: usize },
    #[error("{0} contains a zero byte, which no job can be given")]
    ZeroByte(&'static str),
    #[error("`{0}` is no name of a variable")]
    Variable(String),
    #[error("the job's pool is not known on the cluster (any more)")]
    NoPool,
    #[error(
        "the site of this pool gives work to people whom its table of accounts names only, and you are none of them"
    )]
    Nobody,
    #[error(transparent)]
    User(#[from] crate::users::UserError),
}

pub struct Built {
    pub text: String,
    pub staged: bool,
}

/// Puts the parts together.
pub fn build(key: &str, plan: &Plan, script: &str, max: usize, can_stage: bool) -> Result<Built, ScriptError> {
    if script.contains('\0') {
        return Err(ScriptError::ZeroByte("the script"));
    }
    let plan = base64::encode(&fields(plan)?);
    // sbatch refuses a carriage return before a line's end; alone it might be one for some version.
    let coded = script.contains('\r');
    let body = if coded { base64::encode(script.as_bytes()) } else { script.to_owned() };
    let head = head(key, plan.len(), &script.len().to_string(), coded, can_stage);
    let size = head.len() + plan.len() + body.len();
    if size <= max {
        return Ok(Built { text: head + &plan + &body, staged: false });
    }
    let head = self::head(key, plan.len(), "staged", false, can_stage);
    if can_stage && head.len() + plan.len() <= max {
        return Ok(Built { text: head + &plan, staged: true });
    }
    Err(ScriptError::TooLarge { size, max })
}

fn head(key: &str, plan_size: usize, script_size: &str, coded: bool, has_files: bool) -> String {
    let mut text = fill(&[
        ("@KEY@", key),
        ("@AT@", &" ".repeat(OFFSET_DIGITS)),
        ("@PLAN@", &plan_size.to_string()),
        ("@SCRIPT@", script_size),
        ("@CODED@", if coded { "1" } else { "0" }),
        ("@LOOKS@", if has_files { "1" } else { "0" }),
        ("@NODE@", NODE_PLACE),
        ("@SUPERSEDED@", &EXIT_SUPERSEDED.to_string()),
        ("@STOPPED@", &EXIT_STOPPED.to_string()),
        ("@UNPREPARED@", &EXIT_UNPREPARED.to_string()),
    ]);
    // `tail -c +N` counts from one.
    let offset = format!("{:<OFFSET_DIGITS$}", text.len() + 1);
    if let Some(at) = text.find(OFFSET) {
        let at = at + OFFSET.len();
        text.replace_range(at..at + OFFSET_DIGITS, &offset);
    }
    text
}

/// The wrapper with its places filled, in one pass: it is made anew for every job.
fn fill(places: &[(&str, &str)]) -> String {
    let mut rest: &str = &TEMPLATE;
    let mut text = String::with_capacity(rest.len() + (1 << 10));
    while let Some(at) = rest.find('@') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let (read, written) = places.iter().find(|(name, _)| rest.starts_with(name)).copied().unwrap_or(("@", "@"));
        text.push_str(written);
        rest = &rest[read.len()..];
    }
    text + rest
}

fn fields(plan: &Plan) -> Result<Vec<u8>, ScriptError> {
    let flag = |on: bool| if on { "1" } else { "0" };
    let paths = &plan.paths;
    let mut all: Vec<(&'static str, &str)> = vec![
        ("the plan", VERSION),
        ("the work root", &plan.dir),
        ("the work folder", &paths.work_dir),
        ("", flag(paths.ours)),
        ("", flag(plan.append)),
        ("the path of the input file", &paths.stdin),
        ("the path of the output file", &paths.stdout),
        ("the path of the error file", paths.stderr.as_deref().unwrap_or("")),
    ];
    let count = plan.environment.len().to_string();
    let pairs: Vec<String> = plan.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    all.push(("", &count));
    all.extend(pairs.iter().map(|pair| ("a variable", pair.as_str())));
    all.extend(plan.args.iter().map(|arg| ("an argument", arg.as_str())));
    all.push(("", END));
    let mut bytes = Vec::with_capacity(all.iter().map(|(_, text)| text.len() + 1).sum());
    for (what, text) in all {
        if text.contains('\0') {
            return Err(ScriptError::ZeroByte(what));
        }
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
    }
    Ok(bytes)
}

/// A batch script taken apart again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked {
    pub plan: Plan,
    /// `None`: it was put beside the fence.
    pub script: Option<String>,
}

/// Reads what [`build`] made; `None` for any other text. For models of a cluster and for tests: nodes use bash.
pub fn unpack(text: &str) -> Option<Unpacked> {
    let values = text.lines().find(|line| line.starts_with("hw_at="))?;
    let value = |name: &str| values.split_whitespace().find_map(|word| word.strip_prefix(name)).map(ToOwned::to_owned);
    let at: usize = value("hw_at=")?.parse::<usize>().ok()?.checked_sub(1)?;
    let size: usize = value("hw_plan_size=")?.parse().ok()?;
    let plan = base64::decode(text.get(at..at.checked_add(size)?)?)?;
    let body = text.get(at + size..)?;
    let script = match (value("hw_script_size=")?.as_str(), value("hw_coded=")?.as_str()) {
        ("staged", _) => None,
        (_, "1") => Some(String::from_utf8(base64::decode(body)?).ok()?),
        (size, _) => Some(body.get(..size.parse().ok()?)?.to_owned()),
    };
    Some(Unpacked { plan: read_fields(&String::from_utf8(plan).ok()?)?, script })
}

fn read_fields(text: &str) -> Option<Plan> {
    let mut fields = text.strip_suffix('\0')?.split('\0');
    let mut next = || fields.next().map(ToOwned::to_owned);
    if next()? != VERSION {
        return None;
    }
    let dir = next()?;
    let work_dir = next()?;
    let (ours, append) = (next()? == "1", next()? == "1");
    let (stdin, stdout, stderr) = (next()?, next()?, next()?);
    let count: usize = next()?.parse().ok()?;
    let mut environment = Vec::new();
    for _ in 0..count {
        let pair = next()?;
        let (name, value) = pair.split_once('=')?;
        environment.push((name.to_owned(), value.to_owned()));
    }
    let mut args: Vec<String> = fields.map(ToOwned::to_owned).collect();
    if args.pop()? != END {
        return None;
    }
    let stderr = (!stderr.is_empty()).then_some(stderr);
    Some(Plan { dir, paths: Paths { work_dir, ours, stdin, stdout, stderr }, append, environment, args })
}
