//! The embedded page in a real browser against a real server with real jobs, at desk and phone size.
#![allow(clippy::print_stdout, reason = "figures for whoever reads the run")]

mod support;

use std::path::PathBuf;
use std::process::Command;

use support::Place;

#[test]
fn heavy_the_page_works_in_a_browser() {
    let console = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../console");
    let built =
        std::env::var("HW_CONSOLE_BUILT").map_or_else(|_| console.join("dist/index.html").exists(), |v| v == "1");
    let place = Place::new();
    let mut server = place.server(2, "");
    server.start();
    let (status, page) = testkit::hw::get(server.address(), "/jobs/1").expect("a page");
    assert_eq!(status, 200);
    if !built {
        assert!(page.contains("npm run build"), "without Node.js the page says how to build it:\n{page}");
        println!("skipped beyond the placeholder: the page is not built");
        return;
    }
    let password = first_password(&server);
    let output = Command::new("npm")
        .args(["run", "--silent", "e2e"])
        .current_dir(&console)
        .env("HW_URL", server.url())
        .env("HW_USER", "admin")
        .env("HW_PASSWORD", password)
        .env("CI", "1")
        .output()
        .expect("npm runs");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{text}");
    assert!(output.status.success(), "{text}\n{}", server.log());
}

/// The one-time password as `hw up` printed it.
fn first_password(server: &testkit::Hw) -> String {
    let log = server.log();
    let line = log
        .lines()
        .find_map(|l| l.strip_prefix("one-time password:"))
        .unwrap_or_else(|| panic!("no password in\n{log}"));
    line.split_whitespace().next().expect("a password").to_owned()
}
