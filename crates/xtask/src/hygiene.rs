//! What no tracked file may contain: names of package registries' hosts (a mirror of one place is useless in another),
//! folders of the machine a file was written on, and download addresses in lock files.

use std::path::Path;

use anyhow::{Context, Result};

use crate::workspace::tracked_files;

/// Texts which appear nowhere. Written in halves so that this file passes its own test.
const NOWHERE: &[&str] = &[
    concat!("registry.", "npmjs.org"),
    concat!("registry.", "npmmirror.com"),
    concat!("registry.", "yarnpkg.com"),
    concat!("pypi", ".org"),
    concat!("files.", "pythonhosted.org"),
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("deb.", "debian.org"),
    concat!("proxy.", "golang.org"),
    concat!("/work/", "main"),
    concat!("/work/", "shared"),
    concat!("/root/", ".cargo"),
    concat!("/root/", ".pyenv"),
];

/// Lock files of npm must not record where a package was fetched from: `npm install --omit-lockfile-registry-resolved`.
const NPM_LOCK: &str = "package-lock.json";
const NPM_ADDRESS: &str = "\"resolved\": \"http";

/// Every forbidden text in every tracked file, as `path:line: text`.
///
/// # Errors
/// When a tracked file cannot be read.
pub fn faults(root: &Path) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for path in tracked_files(root)? {
        let bytes = std::fs::read(root.join(&path)).with_context(|| path.display().to_string())?;
        faults.extend(faults_of(&path.to_string_lossy(), &String::from_utf8_lossy(&bytes)));
    }
    Ok(faults)
}

/// The forbidden texts in one file's content.
pub fn faults_of(path: &str, content: &str) -> Vec<String> {
    let is_npm_lock = path.rsplit('/').next() == Some(NPM_LOCK);
    let mut faults = Vec::new();
    for (index, line) in content.lines().enumerate() {
        for text in NOWHERE.iter().filter(|text| line.contains(**text)) {
            faults.push(format!("{path}:{}: contains {text}", index + 1));
        }
        if is_npm_lock && line.contains(NPM_ADDRESS) {
            faults.push(format!("{path}:{}: records a download address", index + 1));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_texts_are_found_with_their_line() {
        for text in NOWHERE {
            let faults = faults_of("a.md", &format!("first\nsee {text} there\n"));
            assert_eq!(faults, [format!("a.md:2: contains {text}")]);
        }
        assert!(faults_of("a.md", "nothing to see\n").is_empty());
    }

    #[test]
    fn npm_lock_files_record_no_address() {
        let line = "      \"resolved\": \"https://somewhere/x.tgz\",\n";
        assert_eq!(faults_of("console/package-lock.json", line).len(), 1);
        assert!(faults_of("console/other.json", line).is_empty());
        assert!(faults_of("console/package-lock.json", "      \"resolved\": \"packages/x\",\n").is_empty());
    }
}
