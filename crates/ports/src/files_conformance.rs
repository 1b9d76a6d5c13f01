//! What every way to a cluster's files must do, as one suite run by every implementation. Links and pipes are made directly in
//! the folder, as a job would make them. Panics with what was found.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use crate::files::{Entry, EntryKind, FILE_PIECE_MAX, FileError, Files};

/// Runs every case. `root` is the work folder of `files` as this process reaches it, empty or missing; `beside` a folder outside of it,
/// with nothing in it, on which links may be led.
pub async fn files(files: Arc<dyn Files>, root: &Path, beside: &Path) {
    let files = &*files;
    a_file_comes_back(files).await;
    pieces_make_a_whole(files).await;
    names_of_every_kind(files).await;
    folders_are_made_and_listed(files).await;
    what_is_renamed_replaces(files).await;
    copies_are_files_of_their_own(files).await;
    what_is_removed_is_gone(files, root, beside).await;
    no_path_leads_out(files).await;
    no_link_leads_out(files, root, beside).await;
    only_files_are_read(files, root).await;
    a_growing_file_is_read_without_holes(files, root).await;
    many_at_once(files).await;
}

async fn copies_are_files_of_their_own(files: &dyn Files) {
    let large = vec![7; FILE_PIECE_MAX];
    files.write("copied/from", 0, large.clone(), 0o600).await.unwrap();
    files.write("copied/from", FILE_PIECE_MAX as u64, b"the rest".to_vec(), 0o600).await.unwrap();
    files.write("copied/to", 0, b"what was there".to_vec(), 0o600).await.unwrap();
    for to in ["copied/to", "copied/new/to"] {
        files.copy("copied/from", to, 0o700).await.unwrap();
        let found = files.stat(to).await.unwrap();
        assert_eq!((found.size, found.mode), (FILE_PIECE_MAX as u64 + 8, 0o700), "{to}");
        assert_eq!(files.read(to, FILE_PIECE_MAX as u64 - 1, 99).await.unwrap(), b"\x07the rest");
    }
    files.write("copied/from", 0, b"other".to_vec(), 0o600).await.unwrap();
    assert_eq!(files.read("copied/to", 0, FILE_PIECE_MAX).await.unwrap(), large, "a copy does not follow");
    files.write("copied/empty", 0, Vec::new(), 0o600).await.unwrap();
    files.copy("copied/empty", "copied/to", 0o600).await.unwrap();
    assert_eq!(files.stat("copied/to").await.unwrap().size, 0);
    assert!(matches!(files.copy("copied/nothing", "copied/x", 0o600).await, Err(FileError::NotFound(_))));
    files.remove("copied").await.unwrap();
}

async fn names(files: &dyn Files, path: &str) -> Vec<String> {
    files.list(path).await.unwrap().into_iter().map(|entry| entry.name).collect()
}

async fn a_file_comes_back(files: &dyn Files) {
    files.write("one/two/file", 0, b"hello".to_vec(), 0o600).await.unwrap();
    assert_eq!(files.read("one/two/file", 0, 100).await.unwrap(), b"hello");
    assert_eq!(files.read("one/two/file", 3, 100).await.unwrap(), b"lo");
    assert_eq!(files.read("one/two/file", 1, 2).await.unwrap(), b"el");
    assert_eq!(files.read("one/two/file", 5, 100).await.unwrap(), b"");
    assert_eq!(files.read("one/two/file", 1 << 40, 100).await.unwrap(), b"");
    let Entry { name, kind, size, modified_secs, mode } = files.stat("one/two/file").await.unwrap();
    assert_eq!((name.as_str(), kind, size, mode), ("one/two/file", EntryKind::File, 5, 0o600));
    assert!(modified_secs > 1_700_000_000, "{modified_secs}");
    // From the start again: nothing of the old remains.
    files.write("one/two/file", 0, b"hi".to_vec(), 0o600).await.unwrap();
    assert_eq!(files.read("one/two/file", 0, 100).await.unwrap(), b"hi");
    files.write("script", 0, b"#!/bin/sh\n".to_vec(), 0o700).await.unwrap();
    assert_eq!(files.stat("script").await.unwrap().mode, 0o700);
    files.write("empty", 0, Vec::new(), 0o600).await.unwrap();
    assert_eq!((files.stat("empty").await.unwrap().size, files.read("empty", 0, 9).await.unwrap().len()), (0, 0));
    for missing in ["none", "one/none", "none/none"] {
        assert!(matches!(files.read(missing, 0, 1).await, Err(FileError::NotFound(_))), "{missing}");
        assert!(matches!(files.stat(missing).await, Err(FileError::NotFound(_))), "{missing}");
        assert!(matches!(files.list(missing).await, Err(FileError::NotFound(_))), "{missing}");
    }
}

async fn pieces_make_a_whole(files: &dyn Files) {
    let whole: Vec<u8> = (0..2 * FILE_PIECE_MAX + 12_345).map(|at| (at * 31 % 251) as u8).collect();
    for (number, piece) in whole.chunks(FILE_PIECE_MAX).enumerate() {
        files.write("pieces", (number * FILE_PIECE_MAX) as u64, piece.to_vec(), 0o600).await.unwrap();
    }
    assert_eq!(files.stat("pieces").await.unwrap().size, whole.len() as u64);
    let mut back = Vec::new();
    loop {
        let piece = files.read("pieces", back.len() as u64, FILE_PIECE_MAX).await.unwrap();
        let full = piece.len() == FILE_PIECE_MAX;
        back.extend(piece);
        if !full {
            break;
        }
    }
    assert!(back == whole, "what came back differs");
    assert_eq!(files.read("pieces", 10, 70_001).await.unwrap(), whole[10..70_011]);
}

async fn names_of_every_kind(files: &dyn Files) {
    let long = "n".repeat(255);
    let deep = vec!["d".repeat(100); 12].join("/");
    let odd = ["a b", "-rf", "'\"$(id)`;&|", "%s%n", "new\nline", "渠首 🜚", "..a", "~", "*", "\u{1}", &long, &deep];
    for name in odd {
        let path = format!("odd/{name}");
        files
            .write(&path, 0, name.as_bytes().to_vec(), 0o600)
            .await
            .unwrap_or_else(|fault| panic!("{name:?}: {fault}"));
        assert_eq!(files.read(&path, 0, 4_096).await.unwrap(), name.as_bytes(), "{name:?}");
        assert_eq!(files.stat(&path).await.unwrap().name, path);
    }
    let listed = names(files, "odd").await;
    assert!(listed.is_sorted(), "{listed:?}");
    for name in &odd[..11] {
        assert!(listed.iter().any(|found| found == name), "{name:?} in {listed:?}");
    }
    let too_long = "n".repeat(256);
    assert!(matches!(files.write(&too_long, 0, vec![1], 0o600).await, Err(FileError::Outside { .. })));
    assert!(matches!(files.stat(&too_long).await, Err(FileError::Outside { .. })));
}

async fn folders_are_made_and_listed(files: &dyn Files) {
    files.make_folder("made/below/this").await.unwrap();
    files.make_folder("made/below/this").await.unwrap();
    files.make_folder("").await.unwrap();
    files.write("made/file", 0, b"1".to_vec(), 0o600).await.unwrap();
    let kinds: Vec<(String, EntryKind)> =
        files.list("made").await.unwrap().into_iter().map(|entry| (entry.name, entry.kind)).collect();
    assert_eq!(kinds, [("below".to_owned(), EntryKind::Folder), ("file".to_owned(), EntryKind::File)]);
    assert!(names(files, "").await.contains(&"made".to_owned()));
    assert_eq!(files.stat("").await.unwrap().kind, EntryKind::Folder);
    assert_eq!(names(files, "made/below/this").await, Vec::<String>::new());
    assert!(matches!(files.make_folder("made/file").await, Err(FileError::WrongKind { .. })));
    assert!(matches!(files.make_folder("made/file/below").await, Err(FileError::WrongKind { .. })));
    assert!(matches!(files.list("made/file").await, Err(FileError::WrongKind { .. })));
    assert!(matches!(files.read("made/file/below/this", 0, 1).await, Err(FileError::WrongKind { .. })));
    assert!(matches!(files.write("made/below", 0, vec![1], 0o600).await, Err(FileError::WrongKind { .. })));
}

async fn what_is_renamed_replaces(files: &dyn Files) {
    files.write("rename/old", 0, b"old".to_vec(), 0o600).await.unwrap();
    files.write("rename/new", 0, b"new".to_vec(), 0o600).await.unwrap();
    files.rename("rename/new", "rename/old").await.unwrap();
    assert_eq!(names(files, "rename").await, ["old"]);
    assert_eq!(files.read("rename/old", 0, 9).await.unwrap(), b"new");
    files.rename("rename", "moved").await.unwrap();
    assert_eq!(files.read("moved/old", 0, 9).await.unwrap(), b"new");
    assert!(matches!(files.rename("nothing", "moved/x").await, Err(FileError::NotFound(_))));
    assert!(matches!(files.rename("moved/old", "nowhere/x").await, Err(FileError::NotFound(_))));
    assert!(matches!(files.rename("moved/old", "../x").await, Err(FileError::Outside { .. })));
}

async fn what_is_removed_is_gone(files: &dyn Files, root: &Path, beside: &Path) {
    std::fs::write(beside.join("kept"), b"kept").unwrap();
    for name in ["a", "b/c", "b/d/e"] {
        files.write(&format!("rm/{name}"), 0, b"x".to_vec(), 0o600).await.unwrap();
    }
    symlink(beside, root.join("rm/b/out")).unwrap();
    symlink(beside.join("kept"), root.join("rm/kept")).unwrap();
    symlink("nowhere", root.join("rm/dangling")).unwrap();
    files.remove("rm/a").await.unwrap();
    files.remove("rm/a").await.unwrap();
    files.remove("rm/none/none").await.unwrap();
    files.remove("rm/dangling").await.unwrap();
    assert_eq!(names(files, "rm").await, ["b", "kept"]);
    files.remove("rm").await.unwrap();
    assert!(matches!(files.stat("rm").await, Err(FileError::NotFound(_))));
    assert_eq!(std::fs::read(beside.join("kept")).unwrap(), b"kept");
    std::fs::remove_file(beside.join("kept")).unwrap();
    assert!(files.remove("").await.is_err(), "the work folder itself");
}

async fn no_path_leads_out(files: &dyn Files) {
    for path in ["..", "../x", "/etc/passwd", "a/../../x", "one/../one", "./one", "one//two", "one/", "a\0b"] {
        let outside = |fault: Option<FileError>| {
            assert!(matches!(fault, Some(FileError::Outside { .. })), "{path:?}: {fault:?}");
        };
        outside(files.stat(path).await.err());
        outside(files.list(path).await.err());
        outside(files.read(path, 0, 1).await.err());
        outside(files.write(path, 0, vec![1], 0o600).await.err());
        outside(files.make_folder(path).await.err());
        outside(files.rename(path, "x").await.err());
        outside(files.rename("script", path).await.err());
        outside(files.remove(path).await.err());
    }
}

async fn no_link_leads_out(files: &dyn Files, root: &Path, beside: &Path) {
    let real = root.canonicalize().unwrap();
    std::fs::write(beside.join("secret"), b"secret").unwrap();
    files.make_folder("links/in").await.unwrap();
    files.write("links/in/file", 0, b"inside".to_vec(), 0o600).await.unwrap();
    let link = |target: &Path, name: &str| symlink(target, root.join("links").join(name)).unwrap();
    link(&beside.join("secret"), "secret");
    link(beside, "beside");
    link(Path::new("../../"), "above");
    link(Path::new("/"), "slash");
    link(Path::new("loop"), "loop");
    link(Path::new("in/file"), "good");
    link(Path::new("../links/in"), "around");
    link(&real.join("links/in"), "absolute");
    link(Path::new("../links/above"), "chain");
    for path in [
        "links/secret",
        "links/beside/secret",
        "links/slash/etc/passwd",
        "links/loop",
        "links/above/x",
        "links/chain/x",
    ] {
        assert!(matches!(files.read(path, 0, 9).await, Err(FileError::Outside { .. })), "{path}");
        assert!(matches!(files.write(path, 0, vec![1], 0o600).await, Err(FileError::Outside { .. })), "{path}");
    }
    for path in ["links/beside", "links/slash", "links/above", "links/chain"] {
        assert!(matches!(files.list(path).await, Err(FileError::Outside { .. })), "{path}");
        assert!(matches!(files.make_folder(&format!("{path}/x")).await, Err(FileError::Outside { .. })), "{path}");
        assert!(matches!(files.rename("script", &format!("{path}/x")).await, Err(FileError::Outside { .. })), "{path}");
        assert!(matches!(files.remove(&format!("{path}/secret")).await, Err(FileError::Outside { .. })), "{path}");
    }
    assert_eq!(std::fs::read(beside.join("secret")).unwrap(), b"secret");
    assert_eq!(std::fs::read_dir(beside).unwrap().count(), 1);
    // Those that stay inside are as good as what they name, and named for what they are.
    for path in ["links/good", "links/around/file", "links/absolute/file"] {
        assert_eq!(files.read(path, 0, 9).await.unwrap(), b"inside", "{path}");
    }
    assert_eq!(files.stat("links/good").await.unwrap().kind, EntryKind::Link);
    assert_eq!(files.stat("links/secret").await.unwrap().kind, EntryKind::Link);
    assert_eq!(names(files, "links/around").await, ["file"]);
    assert!(matches!(files.read("links/around/none/none", 0, 1).await, Err(FileError::NotFound(_))));
    files.remove("links").await.unwrap();
    assert_eq!(std::fs::read(beside.join("secret")).unwrap(), b"secret");
    std::fs::remove_file(beside.join("secret")).unwrap();
}

async fn only_files_are_read(files: &dyn Files, root: &Path) {
    files.make_folder("kinds").await.unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("kinds/socket")).unwrap();
    assert_eq!(files.stat("kinds/socket").await.unwrap().kind, EntryKind::Other);
    for path in ["kinds", "kinds/socket"] {
        assert!(matches!(files.read(path, 0, 1).await, Err(FileError::WrongKind { .. })), "{path}");
        assert!(matches!(files.write(path, 0, vec![1], 0o600).await, Err(FileError::WrongKind { .. })), "{path}");
    }
    files.remove("kinds").await.unwrap();
}

/// Somebody writes while we read: what was read at any moment is a beginning of the whole.
async fn a_growing_file_is_read_without_holes(files: &dyn Files, root: &Path) {
    use std::io::Write as _;
    const LINES: usize = 40_000;
    files.write("growing", 0, Vec::new(), 0o600).await.unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(root.join("growing")).unwrap();
    let writer = std::thread::spawn(move || {
        for number in 0..LINES {
            file.write_all(format!("{number:09}\n").as_bytes()).unwrap();
        }
    });
    let mut seen = Vec::new();
    while seen.len() < LINES * 10 {
        let more = files.read("growing", seen.len() as u64, FILE_PIECE_MAX).await.unwrap();
        seen.extend(more);
    }
    writer.join().unwrap();
    let text = String::from_utf8(seen).unwrap();
    assert!(text.lines().enumerate().all(|(number, line)| line == format!("{number:09}")), "a hole");
}

async fn many_at_once(files: &dyn Files) {
    const AT_ONCE: usize = 40;
    let one = |number: usize| async move {
        let (path, bytes) = (format!("many/{}/{number}", number % 7), vec![number as u8; 50_000 + number]);
        files.write(&path, 0, bytes.clone(), 0o600).await.unwrap();
        assert!(files.read(&path, 0, FILE_PIECE_MAX).await.unwrap() == bytes, "{path}");
    };
    futures::future::join_all((0..AT_ONCE).map(one)).await;
    assert_eq!(names(files, "many").await.len(), 7);
    files.remove("many").await.unwrap();
}
