//! From the inputs a submission names to contents: what lies at those paths at that moment is what the job gets.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{ProjectId, SpecId};
use model::{ContentDigest, Input};
use store::FileRow;
use wire::files::InputFile;

use crate::access::Caller;
use crate::files::path_fault;
use crate::limits::{INPUTS_MAX, INPUTS_NAMED_MAX};
use crate::problem::Failure;

/// The files, in the order of their names in the work folder.
///
/// # Errors
/// `invalid` for a path that is none, a file that is not there, two files of one name, or too many of them.
pub async fn resolve(caller: &Caller, project: ProjectId, named: &[InputFile]) -> Result<Vec<Input>, Failure> {
    if named.len() > INPUTS_NAMED_MAX {
        return Err(Failure::invalid("inputs", format!("name at most {INPUTS_NAMED_MAX}; a folder counts as one")));
    }
    let mut inputs: BTreeMap<String, FileRow> = BTreeMap::new();
    for one in named {
        let path = one.path.trim_end_matches('/');
        if let Some(fault) = path_fault(path) {
            return Err(Failure::invalid("inputs", format!("`{}`: {fault}", shown(path))));
        }
        let name = one.name.as_deref().unwrap_or_else(|| path.rsplit('/').next().unwrap_or(path));
        if let Some(fault) = path_fault(name) {
            return Err(Failure::invalid("inputs", format!("`{}`: {fault}", shown(name))));
        }
        for (file, name) in found(caller, project, path, name).await? {
            if let Some(fault) = path_fault(&name) {
                return Err(Failure::invalid("inputs", format!("`{}`: {fault}", shown(&name))));
            }
            if inputs.insert(name.clone(), file).is_some() {
                return Err(Failure::invalid("inputs", format!("two files would be called `{}`", shown(&name))));
            }
            if inputs.len() > INPUTS_MAX {
                return Err(Failure::invalid("inputs", format!("a job has at most {INPUTS_MAX} input files")));
            }
        }
    }
    let names: Vec<&String> = inputs.keys().collect();
    for pair in names.windows(2) {
        if pair[1].starts_with(&format!("{}/", pair[0])) {
            return Err(Failure::invalid("inputs", format!("`{}` would be a file and a folder", shown(pair[0]))));
        }
    }
    let input = |(name, file): (String, FileRow)| Input {
        path: Arc::from(name),
        digest: file.digest,
        size: file.size,
        mode: file.mode,
    };
    Ok(inputs.into_iter().map(input).collect())
}

/// The file at a path, or all files below it, each with its name in the work folder.
async fn found(caller: &Caller, project: ProjectId, path: &str, name: &str) -> Result<Vec<(FileRow, String)>, Failure> {
    let (store, tenant) = (&caller.app().store, caller.who.tenant);
    if let Some(file) = store.file(tenant, project, path).await? {
        return Ok(vec![(file, name.to_owned())]);
    }
    let most = u32::try_from(INPUTS_MAX + 1).unwrap_or(u32::MAX);
    let (from, to) = (format!("{path}/"), format!("{path}0"));
    let below = store.files_between(tenant, project, from.as_bytes(), to.as_bytes(), most).await?;
    if below.is_empty() {
        let detail = format!("there is no file `{}` in the file space of the job's project", shown(path));
        return Err(Failure::invalid("inputs", detail));
    }
    let named = |file: FileRow| {
        let name = format!("{name}/{}", file.path.get(from.len()..).unwrap_or_default());
        (file, name)
    };
    Ok(below.into_iter().map(named).collect())
}

/// Keeps the contents as long as a job of this specification is open, whatever becomes of the paths.
///
/// # Errors
/// Of the store.
pub async fn keep(caller: &Caller, spec: SpecId, inputs: &[Input]) -> Result<(), Failure> {
    if inputs.is_empty() {
        return Ok(());
    }
    let mut digests: Vec<ContentDigest> = inputs.iter().map(|input| input.digest).collect();
    digests.sort();
    digests.dedup();
    Ok(caller.app().store.pin_contents(spec, &digests, caller.app().clock.now()).await?)
}

fn shown(path: &str) -> String {
    path.chars().take(200).collect()
}
