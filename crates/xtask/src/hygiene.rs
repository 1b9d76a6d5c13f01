//! What no tracked file may contain: names of package registries' hosts (a mirror of one place is useless in another),
//! folders of the machine a file was written on, and download addresses in lock files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace::tracked_files;

/// First words of the names under which registries and their mirrors are known, whoever runs them.
const REGISTRY_WORDS: &[&str] = &["registry", "index", "static", "files", "mirror", "mirrors", "deb", "proxy", "pypi"];
/// Last words that make such a name one of a host rather than of a field in code.
const HOST_ENDS: &[&str] = &["org", "com", "net", "io", "cn"];

/// Folders of the machine this checkout stands on, which no file of it may name.
fn folders_of_this_machine(root: &Path) -> Vec<String> {
    let beside = root.parent().map(|above| above.join("shared"));
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let caches = home.iter().flat_map(|home| [home.join(".cargo"), home.join(".pyenv")]);
    let all = std::iter::once(root.to_path_buf()).chain(beside).chain(caches);
    all.map(|folder| folder.to_string_lossy().into_owned()).collect()
}

/// Lock files of npm must not record where a package was fetched from: `npm install --omit-lockfile-registry-resolved`.
const NPM_LOCK: &str = "package-lock.json";
const NPM_ADDRESS: &str = "\"resolved\": \"http";

/// Every forbidden text in every tracked file, as `path:line: text`.
///
/// # Errors
/// When a tracked file cannot be read, or the root is not there.
pub fn faults(root: &Path) -> Result<Vec<String>> {
    let folders = folders_of_this_machine(&root.canonicalize().with_context(|| root.display().to_string())?);
    let mut faults = Vec::new();
    for path in tracked_files(root)? {
        let bytes = std::fs::read(root.join(&path)).with_context(|| path.display().to_string())?;
        faults.extend(faults_of(&path.to_string_lossy(), &String::from_utf8_lossy(&bytes), &folders));
    }
    Ok(faults)
}

/// The forbidden texts in one file's content.
pub fn faults_of(path: &str, content: &str, folders: &[String]) -> Vec<String> {
    let is_npm_lock = path.rsplit('/').next() == Some(NPM_LOCK);
    let mut faults = Vec::new();
    for (index, line) in content.lines().enumerate() {
        let hosts = registry_hosts(line).chain(folders.iter().map(String::as_str).filter(|folder| names(line, folder)));
        faults.extend(hosts.map(|text| format!("{path}:{}: contains {text}", index + 1)));
        if is_npm_lock && line.contains(NPM_ADDRESS) {
            faults.push(format!("{path}:{}: records a download address", index + 1));
        }
    }
    faults
}

/// Names of hosts in a line that begin like a registry's.
fn registry_hosts(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-'));
    words.map(|word| word.trim_matches('.')).filter(|word| {
        let mut parts = word.split('.');
        let (first, last) = (parts.next(), parts.next_back());
        first.is_some_and(|w| REGISTRY_WORDS.contains(&w)) && last.is_some_and(|w| HOST_ENDS.contains(&w))
    })
}

/// Whether a line names a folder: as a path of its own, not as the end of a longer one.
fn names(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '/' | '.' | '-' | '_')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders() -> Vec<String> {
        folders_of_this_machine(Path::new("/build/checkout"))
    }

    #[test]
    fn forbidden_texts_are_found_with_their_line() {
        let hosts =
            REGISTRY_WORDS.iter().flat_map(|word| HOST_ENDS.iter().map(move |end| format!("{word}.example.{end}")));
        let direct = ["pypi", "mirror"].map(|word| format!("{word}.{}", HOST_ENDS[0]));
        for text in hosts.chain(direct).chain(folders()) {
            let faults = faults_of("a.md", &format!("first\nsee {text} there\n"), &folders());
            assert_eq!(faults, [format!("a.md:2: contains {text}")]);
            let address = faults_of("a.md", &format!("\"{text}/and/more\""), &folders());
            assert_eq!(address, [format!("a.md:1: contains {text}")]);
        }
        for fine in ["nothing to see\n", "state.files.insert(io)", "index.html static.rs", "/srv/build/checkout/x"] {
            assert!(faults_of("a.md", fine, &folders()).is_empty(), "{fine}");
        }
    }

    #[test]
    fn npm_lock_files_record_no_address() {
        let line = "      \"resolved\": \"https://somewhere/x.tgz\",\n";
        assert_eq!(faults_of("console/package-lock.json", line, &[]).len(), 1);
        assert!(faults_of("console/other.json", line, &[]).is_empty());
        assert!(faults_of("console/package-lock.json", "      \"resolved\": \"packages/x\",\n", &[]).is_empty());
    }
}
