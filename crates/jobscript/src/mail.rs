//! Reads `--mail-type` and `--mail-user`. To whom mail may go is not known here.

use model::MailOn;

use crate::fault::{FaultCode, quoted};
use crate::value::Bad;

/// Slurm's types, each with what it tells here.
const TYPES: [(&str, &[MailOn]); 6] = [
    ("BEGIN", &[MailOn::Begin]),
    ("END", &[MailOn::End]),
    ("FAIL", &[MailOn::Fail]),
    ("REQUEUE", &[MailOn::Requeue]),
    ("TIME_LIMIT", &[MailOn::TimeLimit]),
    ("ALL", &[MailOn::Begin, MailOn::End, MailOn::Fail, MailOn::Requeue]),
];
/// Each element of an array is told by itself in any case.
const ELEMENTS: &str = "ARRAY_TASKS";
/// Slurm's types of things that nobody is told of here.
const SILENT: [&str; 5] = ["INVALID_DEPEND", "STAGE_OUT", "TIME_LIMIT_90", "TIME_LIMIT_80", "TIME_LIMIT_50"];

/// What `--mail-type` asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Types {
    /// In order, without repetition.
    pub(crate) tells: Vec<MailOn>,
    /// Types for which no mail is sent.
    pub(crate) silent: Vec<&'static str>,
}

/// Comma-separated types in any case; `NONE` puts the others out of force.
pub(crate) fn types(text: &str) -> Result<Types, Bad> {
    let mut types = Types::default();
    let mut none = false;
    for word in text.split(',').map(str::trim) {
        let is = |name: &str| word.eq_ignore_ascii_case(name);
        if let Some((_, tells)) = TYPES.iter().find(|(name, _)| is(name)) {
            types.tells.extend_from_slice(tells);
        } else if let Some(name) = SILENT.into_iter().find(|name| is(name)) {
            types.silent.push(name);
        } else if is("NONE") {
            none = true;
        } else if !is(ELEMENTS) {
            let names: Vec<String> = TYPES.iter().map(|(name, _)| format!("`{name}`")).collect();
            let message = format!("{} is no type of mail: write {} or `NONE`", quoted(word), names.join(", "));
            return Err(Bad::new(FaultCode::BadValue, message));
        }
    }
    if none {
        return Ok(Types::default());
    }
    types.tells.sort_unstable();
    types.tells.dedup();
    Ok(types)
}
