//! The table of DESIGN §3 in code: which crate may import which, and which outside crates stay outside.
//! Checked against `cargo metadata` and the lock file; a new crate or a new edge is a new line here, and a review.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, PackageId};

use crate::workspace::{crate_folders, members, short_name};

/// One crate's row: its short name, what it may import of ours, and from which group of outside crates it keeps away.
pub struct Fence {
    /// Short name, without the `headworks-` prefix.
    pub name: &'static str,
    /// Our crates it may depend on (normal and build dependencies).
    pub imports: &'static [&'static str],
    /// Outside crates it must not depend on directly, in any kind of dependency.
    pub without: &'static [&'static str],
    /// Pure crates must not reach an async runtime, a database or HTTP through others either.
    pub pure_crate: bool,
}

/// Crates of ours which any crate may use in its tests, beyond its own row.
pub const TEST_IMPORTS: &[&str] = &["testkit", "client", "ledger", "ports", "store"];

/// What a crate without I/O, clock and async never names.
const OUTSIDE_OF_PURE: &[&str] = &[
    "async-trait",
    "axum",
    "clap",
    "futures",
    "getrandom",
    "hyper",
    "libc",
    "metrics",
    "nix",
    "procfs",
    "reqwest",
    "rustls",
    "sqlx",
    "tokio",
    "tokio-stream",
    "tokio-util",
    "tower",
    "tower-http",
    "tracing",
    "tracing-subscriber",
];

/// What a pure crate must not reach through any chain of normal dependencies.
const NOT_EVEN_INDIRECTLY: &[&str] = &["axum", "hyper", "mio", "reqwest", "sqlx-core", "tokio"];

const HTTP_SERVER: &[&str] = &["axum", "hyper", "tower-http", "utoipa", "utoipa-axum"];
const HTTP: &[&str] = &["axum", "hyper", "reqwest", "tower", "tower-http", "utoipa", "utoipa-axum"];
const HTTP_SQL: &[&str] = &["axum", "hyper", "reqwest", "sqlx", "tower", "tower-http", "utoipa", "utoipa-axum"];
const SERVER_SQL: &[&str] = &["axum", "hyper", "sqlx", "tower-http", "utoipa-axum"];
const WIRE: &[&str] = &["axum", "hyper", "nix", "reqwest", "sqlx", "tokio", "tower", "tower-http", "tracing"];

/// Packages which appear nowhere in the lock file: they build C for minutes (`aws-lc-sys`: 42 s against ring's 9 s)
/// or need a system library.
pub const NOWHERE: &[&str] = &["aws-lc-rs", "aws-lc-sys", "openssl", "openssl-sys"];

const fn pure_crate(name: &'static str, imports: &'static [&'static str]) -> Fence {
    Fence { name, imports, without: OUTSIDE_OF_PURE, pure_crate: true }
}

const fn shell(name: &'static str, imports: &'static [&'static str], without: &'static [&'static str]) -> Fence {
    Fence { name, imports, without, pure_crate: false }
}

/// The table, from the inside out.
pub const FENCES: &[Fence] = &[
    pure_crate("base", &[]),
    pure_crate("model", &["base"]),
    pure_crate("jobscript", &["base", "model"]),
    pure_crate("ledger", &["base"]),
    pure_crate("sched", &["base", "model"]),
    pure_crate("rating", &["base", "model", "ledger"]),
    pure_crate("engine", &["base", "model", "ledger", "sched", "rating"]),
    pure_crate("sim", &["base", "model", "ledger", "sched", "rating", "engine"]),
    // -- async stops here --
    shell("ports", &["base", "model", "engine"], HTTP_SQL),
    shell("store", &["base", "model", "ledger", "rating", "engine", "ports"], HTTP),
    shell("connect-local", &["base", "model", "jobscript", "ports"], HTTP_SQL),
    shell("connect-slurm", &["base", "model", "jobscript", "ports"], HTTP_SERVER),
    shell("link", &["base", "model", "ports"], HTTP_SQL),
    shell("site", &["base", "model", "ports", "link", "connect-local", "connect-slurm"], HTTP_SQL),
    shell("wire", &["base"], WIRE),
    shell("client", &["base", "wire"], SERVER_SQL),
    shell(
        "server",
        &[
            "base",
            "model",
            "jobscript",
            "ledger",
            "sched",
            "rating",
            "engine",
            "ports",
            "store",
            "connect-local",
            "connect-slurm",
            "link",
            "wire",
            "sim",
        ],
        &["clap", "sqlx"],
    ),
    shell(
        "cli",
        &["base", "wire", "client", "server", "connect-local", "link", "site", "jobscript", "sched", "sim"],
        SERVER_SQL,
    ),
    // -- tools --
    shell("testkit", &["base", "ports"], HTTP_SERVER),
    shell("xtask", &[], HTTP_SQL),
];

/// The row of a crate by its short name.
pub fn fence(name: &str) -> Option<&'static Fence> {
    FENCES.iter().find(|fence| fence.name == name)
}

/// Edges between our crates which the table does not allow, rows without a crate, crates without a row.
pub fn internal_edges(metadata: &Metadata) -> Vec<String> {
    let mut faults = Vec::new();
    let present: BTreeSet<&str> = members(metadata).iter().map(|(name, _)| *name).collect();
    for package in metadata.workspace_packages() {
        if short_name(package.name.as_str()).is_none() {
            faults.push(format!("fence: package {} is not named headworks-…", package.name));
        }
    }
    for fence in FENCES.iter().filter(|fence| !present.contains(fence.name)) {
        faults.push(format!("fence: the table has a row for `{}`, but there is no such crate", fence.name));
    }
    for (name, package) in members(metadata) {
        let Some(fence) = fence(name) else {
            faults.push(format!("fence: crate `{name}` has no row in crates/xtask/src/fences.rs"));
            continue;
        };
        for dependency in &package.dependencies {
            let Some(other) = short_name(&dependency.name) else { continue };
            let allowed = fence.imports.contains(&other)
                || (dependency.kind == DependencyKind::Development && TEST_IMPORTS.contains(&other));
            if !allowed {
                faults.push(format!("fence: `{name}` must not import `{other}` ({})", dependency.kind));
            }
        }
    }
    faults
}

/// Outside crates on the wrong side of a fence: named directly, or reached by a pure crate through others.
///
/// # Errors
/// When the metadata carries no resolved graph.
pub fn external_crates(metadata: &Metadata) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let graph = Graph::of(metadata)?;
    for (name, package) in members(metadata) {
        let Some(fence) = fence(name) else { continue };
        for dependency in &package.dependencies {
            if fence.without.contains(&dependency.name.as_str()) {
                faults.push(format!("fence: `{name}` must not use the crate `{}`", dependency.name));
            }
        }
        if fence.pure_crate {
            for (reached, chain) in graph.reach(&package.id, NOT_EVEN_INDIRECTLY) {
                faults.push(format!("fence: pure crate `{name}` reaches `{reached}`: {chain}"));
            }
        }
    }
    Ok(faults)
}

/// The resolved graph of normal dependencies.
struct Graph<'a> {
    names: BTreeMap<&'a PackageId, &'a str>,
    edges: BTreeMap<&'a PackageId, Vec<&'a PackageId>>,
}

impl<'a> Graph<'a> {
    fn of(metadata: &'a Metadata) -> Result<Self> {
        let resolve = metadata.resolve.as_ref().context("cargo metadata gave no resolved graph")?;
        let names = metadata.packages.iter().map(|package| (&package.id, package.name.as_str())).collect();
        let mut edges = BTreeMap::new();
        for node in &resolve.nodes {
            let normal =
                node.deps.iter().filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
            edges.insert(&node.id, normal.map(|dep| &dep.pkg).collect());
        }
        Ok(Self { names, edges })
    }

    /// Which of `targets` can be reached from `start`, each with one shortest chain of names.
    fn reach(&self, start: &'a PackageId, targets: &[&str]) -> Vec<(&'a str, String)> {
        let mut came_from: BTreeMap<&PackageId, Option<&PackageId>> = BTreeMap::from([(start, None)]);
        let mut queue = std::collections::VecDeque::from([start]);
        let mut found = Vec::new();
        while let Some(at) = queue.pop_front() {
            if targets.contains(&self.names[at]) {
                found.push((self.names[at], self.chain(at, &came_from)));
            }
            for &next in self.edges.get(at).into_iter().flatten() {
                came_from.entry(next).or_insert_with(|| {
                    queue.push_back(next);
                    Some(at)
                });
            }
        }
        found
    }

    fn chain(&self, end: &PackageId, came_from: &BTreeMap<&'a PackageId, Option<&'a PackageId>>) -> String {
        let mut names = vec![self.names[end]];
        let mut at = end;
        while let Some(Some(before)) = came_from.get(at) {
            names.push(self.names[*before]);
            at = before;
        }
        names.reverse();
        names.join(" > ")
    }
}

/// Packages in the text of a lock file which should be nowhere ([`NOWHERE`]), and sources other than the registry.
pub fn lock_file(text: &str) -> Vec<String> {
    const REGISTRY: &str = concat!("registry+https://github.com/rust-lang/", "crates", ".io-index");
    let lock: toml::Table = match text.parse() {
        Ok(lock) => lock,
        Err(fault) => return vec![format!("Cargo.lock: {fault}")],
    };
    let mut faults = Vec::new();
    let packages = lock.get("package").and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if packages.is_empty() {
        faults.push("Cargo.lock: no package listed".to_owned());
    }
    for package in packages {
        let name = package.get("name").and_then(toml::Value::as_str).unwrap_or("?");
        if NOWHERE.contains(&name) {
            faults.push(format!("Cargo.lock: `{name}` must not be built"));
        }
        match package.get("source").and_then(toml::Value::as_str) {
            None if short_name(name).is_some() => {}
            Some(REGISTRY) => {}
            other => faults.push(format!("Cargo.lock: `{name}` comes from {}", other.unwrap_or("a folder"))),
        }
    }
    faults
}

/// Dependencies in crates' manifests which say more than `workspace = true` about where they come from.
///
/// # Errors
/// When a manifest cannot be read or parsed.
pub fn versions_declared_once(root: &Path) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for name in crate_folders(root)? {
        let path = root.join("crates").join(&name).join("Cargo.toml");
        let manifest: toml::Table =
            std::fs::read_to_string(&path)?.parse().with_context(|| path.display().to_string())?;
        let mut sections = vec![&manifest];
        if let Some(targets) = manifest.get("target").and_then(toml::Value::as_table) {
            sections.extend(targets.values().filter_map(toml::Value::as_table));
        }
        for section in sections {
            for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
                let Some(table) = section.get(kind).and_then(toml::Value::as_table) else { continue };
                for (dependency, value) in table {
                    if !inherits(value) {
                        faults.push(format!(
                            "crates/{name}/Cargo.toml: `{dependency}` must say `workspace = true` and no version"
                        ));
                    }
                }
            }
        }
    }
    Ok(faults)
}

/// Whether a dependency's value takes its place of origin from the workspace table.
fn inherits(value: &toml::Value) -> bool {
    let Some(table) = value.as_table() else { return false };
    table.get("workspace").and_then(toml::Value::as_bool) == Some(true)
        && ["version", "path", "git", "registry"].iter().all(|key| !table.contains_key(*key))
}
