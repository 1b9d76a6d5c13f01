//! Holds the fences against the real workspace, and shows on small made-up ones that each fence can fail.

use std::path::Path;

use xtask::{bans, fences, hygiene, ratchet, workspace};

#[track_caller]
fn nothing(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn crates_import_only_what_the_table_allows() {
    nothing(fences::internal_edges(&workspace::load().unwrap()));
}

#[test]
fn outside_crates_stay_on_their_side() {
    nothing(fences::external_crates(&workspace::load().unwrap()).unwrap());
}

#[test]
fn the_table_only_points_inwards() {
    for (index, fence) in fences::FENCES.iter().enumerate() {
        for import in fence.imports {
            let at = fences::FENCES.iter().position(|other| other.name == *import);
            assert!(at.is_some_and(|at| at < index), "{} imports {import}, which stands further out", fence.name);
        }
        for import in fence.imports.iter().filter(|_| fence.pure_crate) {
            assert!(fences::fence(import).unwrap().pure_crate, "pure {} imports {import}, which is not", fence.name);
        }
    }
}

#[test]
fn the_lock_file_holds_nothing_unwanted() {
    nothing(fences::lock_file(&std::fs::read_to_string(workspace::root().join("Cargo.lock")).unwrap()));
}

#[test]
fn unwanted_packages_and_sources_are_noticed() {
    let lock = r#"
[[package]]
name = "headworks-base"
version = "0.1.0"

[[package]]
name = "aws-lc-sys"
version = "0.1.0"
source = "registry+https://github.com/rust-lang/crates.io-index"

[[package]]
name = "serde"
version = "1.0.0"
source = "git+https://example.org/serde"

[[package]]
name = "stranger"
version = "1.0.0"
"#;
    let faults = fences::lock_file(lock);
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert!(faults[0].contains("aws-lc-sys") && faults[1].contains("example.org") && faults[2].contains("a folder"));
    assert!(!fences::lock_file("").is_empty());
}

#[test]
fn dependency_versions_are_declared_once() {
    nothing(fences::versions_declared_once(&workspace::root()).unwrap());
}

fn small_workspace(manifest: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let crate_folder = folder.path().join("crates/base");
    std::fs::create_dir_all(&crate_folder).unwrap();
    std::fs::write(crate_folder.join("Cargo.toml"), manifest).unwrap();
    folder
}

#[test]
fn a_version_outside_the_workspace_table_is_noticed() {
    let check = |manifest: &str| fences::versions_declared_once(small_workspace(manifest).path()).unwrap().len();
    assert_eq!(check("[dependencies]\nserde = \"1\"\n"), 1);
    assert_eq!(check("[dev-dependencies]\nserde = { version = \"1\" }\n"), 1);
    assert_eq!(check("[target.'cfg(unix)'.dependencies]\nnix = { path = \"../nix\" }\n"), 1);
    assert_eq!(check("[dependencies]\nserde.workspace = true\nx = { workspace = true, features = [\"y\"] }\n"), 0);
}

#[test]
fn generated_clippy_files_are_up_to_date() {
    nothing(bans::outdated(&workspace::root()).unwrap());
}

#[test]
fn writing_bans_makes_them_up_to_date_once() {
    let folder = small_workspace("[package]\n");
    assert_eq!(bans::outdated(folder.path()).unwrap().len(), 1);
    assert_eq!(bans::write(folder.path()).unwrap(), ["crates/base/clippy.toml"]);
    nothing(bans::outdated(folder.path()).unwrap());
    assert!(bans::write(folder.path()).unwrap().is_empty());
    let text: toml::Table = bans::clippy_toml("engine").parse().unwrap();
    assert!(text["disallowed-methods"].to_string().contains("SystemTime::now"));
    assert!(!bans::clippy_toml("server").contains("SystemTime::now"));
}

#[test]
fn functions_and_files_stay_short() {
    nothing(ratchet::faults(&workspace::root()).unwrap());
}

#[test]
fn tracked_files_name_no_registry_and_no_machine() {
    nothing(hygiene::faults(&workspace::root()).unwrap());
}

#[test]
fn files_are_found_with_and_without_git() {
    let tracked = workspace::tracked_files(&workspace::root()).unwrap();
    assert!(tracked.iter().any(|path| path == Path::new("Cargo.toml")));
    let folder = small_workspace("[package]\n");
    std::fs::create_dir_all(folder.path().join("target")).unwrap();
    std::fs::write(folder.path().join("target/made"), "x").unwrap();
    let walked = workspace::tracked_files(folder.path()).unwrap();
    assert_eq!(walked, [Path::new("crates/base/Cargo.toml")]);
}
