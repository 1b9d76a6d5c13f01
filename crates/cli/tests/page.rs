//! The embedded page in a real browser against a real server with real jobs, at desk and phone size.
#![allow(clippy::print_stdout, reason = "figures for whoever reads the run")]

#[path = "support/month.rs"]
mod month;
mod support;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use month::Month;
use support::{LONG, Place, client_of, first_password};
use testkit::{Hw, wait_for};
use wire::StatementFormat;
use wire::statement::{StatementPart, StatementsQuery};

#[test]
fn heavy_the_page_works_in_a_browser() {
    let console = console();
    let built = is_built(&console);
    let place = Place::new();
    let provider = testkit::hw::free_address();
    let secret = place.path().join("oidc-secret");
    std::fs::write(&secret, "between us\n").expect("a file can be written");
    let mail = testkit::hw::free_address().port();
    let settings = format!(
        "[mail]\nhost = '127.0.0.1'\nport = {mail}\ntls = 'none'\nfrom = 'hw@example.com'\n[notices]\nprivate_addresses = true\n[oidc]\nissuer = 'http://{provider}'\nsecret_file = '{}'\nlabel = 'the university'\n",
        secret.display()
    );
    let mut server = place.server(2, &settings);
    server.start();
    let (status, page) = testkit::hw::get(server.address(), "/jobs/1").expect("a page");
    assert_eq!(status, 200);
    if !built {
        assert!(page.contains("npm run build"), "without Node.js the page says how to build it:\n{page}");
        println!("skipped beyond the placeholder: the page is not built");
        return;
    }
    let _provider = Provider::start(&console, provider, &server.url());
    let password = first_password(&server);
    let mail = mail.to_string();
    browse(&console, &server, &[("HW_PASSWORD", &password), ("HW_OIDC", "the university"), ("HW_MAIL", &mail)]);
}

/// Lists, reports and statements over a month that is over and closed: of 4,000 jobs, or as many as `HW_PAGE_JOBS` says.
#[test]
fn heavy_the_page_shows_a_month_of_many_jobs() {
    let console = console();
    if !is_built(&console) {
        println!("skipped: the page is not built");
        return;
    }
    let (_place, server, month, handed_in) = closed_month(24);
    let password = first_password(&server);
    let handed_in = handed_in.to_string();
    browse(&console, &server, &[("HW_PASSWORD", &password), ("HW_MONTH", &month.name), ("HW_JOBS", &handed_in)]);
}

/// The largest statement of such a month: its balances come at once, its lines are gone through once, and its jobs come a page at a time.
#[test]
fn heavy_a_statement_of_many_jobs_opens_at_once() {
    let (_place, server, ..) = closed_month(4);
    let client = client_of(&server);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let list = client.statements(&StatementsQuery::default()).take(100).await.expect("a list");
        let number = list.items.iter().max_by_key(|one| one.transfers).expect("a statement").number;
        let told = |what: &str, began: Instant| println!("{what}: {} ms", began.elapsed().as_millis());
        let began = Instant::now();
        let head = client.statement_head(number).await.expect("the head");
        told("its balances", began);
        let began = Instant::now();
        let whole = client.statement(number).await.expect("the statement");
        told(&format!("its sums for the first time, {} jobs", whole.jobs_total), began);
        let began = Instant::now();
        assert_eq!(client.statement(number).await.expect("the statement"), whole);
        told("its sums again", began);
        let mut pages = client.statement_jobs(number);
        let began = Instant::now();
        let mut all = pages.next(100).await.expect("a page").expect("jobs");
        told("a page of jobs", began);
        assert_eq!(all, whole.jobs);
        while let Some(page) = pages.next(1_000).await.expect("a page") {
            all.extend(page);
        }
        assert_eq!((all.len() as u64, whole.truncated, whole.jobs.len()), (whole.jobs_total, false, 100));
        assert!(all.is_sorted_by_key(|job| job.number), "by number");
        let due = |parts: &[StatementPart]| parts.iter().map(|part| part.due.0).sum::<base::Money>();
        assert_eq!((due(&whole.projects), due(&whole.users)), (head.due.0, head.due.0));
        assert!(due(&all) > base::Money::ZERO);
        let began = Instant::now();
        let mut csv = client.statement_file(number, StatementFormat::Focus, None).await.expect("a file");
        let mut bytes = 0;
        while let Some(piece) = csv.next().await.expect("a piece") {
            bytes += piece.len();
        }
        told(&format!("FOCUS, {bytes} bytes"), began);
    });
    let shown = server.run(&["statements", "show", "1", "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(shown["jobs"].as_array().map(|jobs| jobs.len() as u64), shown["jobs_total"].as_u64());
}

/// A server with a month that is over and closed, of so many tenants; and how many jobs were handed in, 4,000 or as many as
/// `HW_PAGE_JOBS` says.
fn closed_month(tenants: u32) -> (Place, Hw, Month, u32) {
    let jobs = std::env::var("HW_PAGE_JOBS").ok().and_then(|text| text.parse().ok()).unwrap_or(4_000);
    let place = Place::new();
    let mut server = place.server(2, "log = 'warn'\n[jobs]\nopen_max = 3000000\n");
    let month = Month::last_over();
    let (year, _) = month.fill(server.data(), jobs, tenants);
    assert_eq!(year.wrong, Vec::<String>::new());
    server.start();
    let closed = server.run(&["statements", "close", "--month", &month.name]);
    assert!(closed.status.success(), "{}", String::from_utf8_lossy(&closed.stderr));
    (place, server, month, year.handed_in)
}

fn console() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../console")
}

fn is_built(console: &Path) -> bool {
    std::env::var("HW_CONSOLE_BUILT").map_or_else(|_| console.join("dist/index.html").exists(), |v| v == "1")
}

/// Runs the tests of the page against a server; which of them run these variables say.
fn browse(console: &Path, server: &Hw, variables: &[(&str, &str)]) {
    let output = Command::new("npm")
        .args(["run", "--silent", "e2e"])
        .current_dir(console)
        .env("HW_URL", server.url())
        .env("HW_USER", "admin")
        .env("CI", "1")
        .envs(variables.iter().copied())
        .output()
        .expect("npm runs");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{text}");
    assert!(output.status.success(), "{text}\n{}", server.log());
}

/// A real OpenID Connect provider, until it is dropped.
struct Provider(Child);

impl Provider {
    fn start(console: &Path, at: SocketAddr, server: &str) -> Provider {
        let redirect = format!("{server}/v1/session/oidc/callback");
        let port = at.port().to_string();
        let mut command = Command::new("node");
        command.args(["dev/provider.mjs", &port, &redirect]).current_dir(console).stdin(Stdio::null());
        let provider = Provider(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("node runs"));
        wait_for("the provider of sign-ins", LONG, || {
            testkit::hw::get(at, "/.well-known/openid-configuration").filter(|(status, _)| *status == 200)
        });
        provider
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
