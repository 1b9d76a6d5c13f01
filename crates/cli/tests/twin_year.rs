//! A year of a made-up operator, its raw books reckoned again by a program that shares nothing with it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const RECOMPUTE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/recompute.py");
const FILES: [&str; 8] =
    ["intervals", "transfers", "prices", "statements", "corrections", "accounts", "contracts", "contract_months"];

fn year(folder: &Path, words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hw"));
    command.current_dir(folder).env_clear().env("HOME", folder).stdin(Stdio::null());
    command.args(["twin", "year"]).args(words.split(' ')).output().expect("the program runs")
}

fn recompute(folder: &Path) -> (Option<i32>, String) {
    let done = Command::new("python3").arg(RECOMPUTE).arg(folder).output().expect("python3 runs");
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    (done.status.code(), said)
}

/// Runs the second reckoning on a copy in which one field of one row is another; it must find that.
fn tampered(folder: &Path, file: &str, column: &str, change: impl Fn(&str) -> String) {
    let copy = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(folder).expect("books").flatten() {
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("a copy");
    }
    let path = copy.path().join(format!("{file}.csv"));
    let text = std::fs::read_to_string(&path).expect("a book");
    let mut lines: Vec<String> = text.split("\r\n").map(str::to_owned).collect();
    let at = lines[0].split(',').position(|head| head == column).expect("the column");
    let row = lines.len() / 2;
    let mut fields: Vec<String> = lines[row].split(',').map(str::to_owned).collect();
    fields[at] = change(&fields[at]);
    lines[row] = fields.join(",");
    std::fs::write(&path, lines.join("\r\n")).expect("written");
    let (code, said) = recompute(copy.path());
    assert_eq!(code, Some(1), "{file} {column}: {said}");
}

/// One smallest unit more.
fn one_more(amount: &str) -> String {
    let (whole, part) = amount.split_once('.').expect("six places");
    let part: u32 = part.parse().expect("digits");
    format!("{whole}.{:06}", if part == 999_999 { 0 } else { part + 1 })
}

#[test]
fn a_years_raw_books_are_reckoned_again_to_the_last_unit() {
    let place = tempfile::tempdir().expect("a folder");
    let done = year(place.path(), "--jobs 3000 --days 60 --seed 7 --books books --json");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let told: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let count = |name: &str| told[name].as_u64().unwrap_or_else(|| panic!("no {name} in {told}"));
    assert_eq!((told["complete"].as_bool(), told["wrong"].as_array().map(Vec::len)), (Some(true), Some(0)));
    assert!(count("over") + count("refused") > 2_950 && count("restarts") > 10 && count("contracts") > 2, "{told}");
    assert!(count("peak_rss_bytes") > 1_000_000 && told["elapsed_s"].as_f64() > Some(0.0));
    let money = &told["money"][0];
    let amount =
        |name: &str| money[name].as_str().and_then(|text| text.parse::<base::Money>().ok()).expect("an amount");
    assert_eq!(money["currency"], "CNY");
    assert_eq!(amount("revenue") + -amount("cost"), amount("margin"));

    let books = place.path().join("books");
    let rows = |name: &str| {
        let text = std::fs::read_to_string(books.join(format!("{name}.csv"))).expect("a book");
        text.matches("\r\n").count() as u64 - 1
    };
    for name in FILES {
        assert!(rows(name) > 0 || name == "corrections", "{name}");
    }
    let written = (rows("intervals"), rows("transfers"), rows("statements"), rows("contracts"));
    assert_eq!(written, (count("intervals"), count("transfers"), count("statements"), count("contracts")));
    let (code, said) = recompute(&books);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(": 0 faults") && !said.contains("not reckoned"), "{said}");

    tampered(&books, "intervals", "charge", one_more);
    tampered(&books, "transfers", "amount", one_more);
    tampered(&books, "accounts", "debits", one_more);
    tampered(&books, "statements", "due", one_more);
    tampered(&books, "intervals", "cpu_millis", |millis| format!("{millis}0"));
}

#[test]
fn the_same_seed_writes_the_same_books() {
    let place = tempfile::tempdir().expect("a folder");
    for (seed, books) in [(3, "a"), (3, "b"), (4, "c")] {
        let done = year(place.path(), &format!("--jobs 200 --days 20 --seed {seed} --books {books}"));
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    let read =
        |books: &str, name: &str| std::fs::read(place.path().join(books).join(format!("{name}.csv"))).expect("a book");
    for name in FILES {
        assert_eq!(read("a", name), read("b", name), "{name}");
    }
    assert_ne!(read("a", "transfers"), read("c", "transfers"));
    // A folder that cannot be made is told with its name.
    std::fs::write(place.path().join("file"), "").expect("written");
    let done = year(place.path(), "--jobs 1 --days 1 --books file/books");
    assert!(!done.status.success() && String::from_utf8_lossy(&done.stderr).contains("file/books"));
}
