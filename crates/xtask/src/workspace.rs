//! The workspace as cargo and git see it: its root, its packages, its tracked files.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use cargo_metadata::{Metadata, MetadataCommand, Package, TargetKind};

/// All our packages are named `headworks-NAME`, where NAME is the row in the tables of [`crate::fences`].
pub const PREFIX: &str = "headworks-";

/// The repository's root folder, two levels above this crate.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace root exists")
}

/// Metadata with the resolved graph for this platform. Never touches the network: whoever runs this has built the
/// workspace, so everything the platform needs is already here (crates of other platforms may not be).
pub fn load() -> Result<Metadata> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(["--offline".to_owned(), format!("--filter-platform={platform}")])
        .exec()
        .context("cargo metadata")
}

/// The short name of one of our packages: `headworks-base` is `base`; `None` for anybody else's.
pub fn short_name(package: &str) -> Option<&str> {
    package.strip_prefix(PREFIX)
}

/// Our packages with their short names, in name order.
pub fn members(metadata: &Metadata) -> Vec<(&str, &Package)> {
    let mut members: Vec<_> =
        metadata.workspace_packages().into_iter().filter_map(|p| Some((short_name(p.name.as_str())?, p))).collect();
    members.sort_by_key(|(name, _)| *name);
    members
}

/// Names of the crates' folders under `crates/`, sorted.
pub fn crate_folders(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root.join("crates"))? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// `(package, bench target)` for each benchmark of the workspace, in name order.
pub fn benches(metadata: &Metadata) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (_, package) in members(metadata) {
        for target in package.targets.iter().filter(|target| target.kind.contains(&TargetKind::Bench)) {
            found.push((package.name.to_string(), target.name.clone()));
        }
    }
    found.sort();
    found
}

/// Paths, relative to `root`, of the files git tracks and which exist; where git cannot be asked (a source
/// archive), of every file outside hidden and generated folders. Sorted.
pub fn tracked_files(root: &Path) -> Result<Vec<PathBuf>> {
    let asked = Command::new("git").arg("-C").arg(root).args(["ls-files", "-z"]).output();
    let mut files = match asked {
        Ok(answer) if answer.status.success() => {
            let text = String::from_utf8(answer.stdout).context("a tracked path is not UTF-8")?;
            text.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from).collect()
        }
        _ => {
            let mut found = Vec::new();
            walk(
                root,
                Path::new(""),
                &|name| !["target", "node_modules", "dist", "data", ".git"].contains(&name),
                &mut found,
            )?;
            found
        }
    };
    files.retain(|path| root.join(path).is_file());
    files.sort();
    ensure!(!files.is_empty(), "no file found under {}", root.display());
    Ok(files)
}

/// Paths, relative to `root`, of all `.rs` files in the `src` folders of the crates. Sorted.
pub fn rust_sources(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for name in crate_folders(root)? {
        let source = Path::new("crates").join(name).join("src");
        walk(root, &source, &|_| true, &mut found)?;
    }
    found.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    found.sort();
    Ok(found)
}

/// Adds every file below `root/folder` to `found`, entering only folders whose name `enter` accepts.
fn walk(root: &Path, folder: &Path, enter: &dyn Fn(&str) -> bool, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(root.join(folder)).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if enter(&entry.file_name().to_string_lossy()) {
                walk(root, &path, enter, found)?;
            }
        } else if kind.is_file() {
            found.push(path);
        }
    }
    Ok(())
}
