//! The embedded page in a real browser against a real server with real jobs, at desk and phone size.
#![allow(clippy::print_stdout, reason = "figures for whoever reads the run")]

mod support;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use support::{LONG, Place, first_password};
use testkit::wait_for;

#[test]
fn heavy_the_page_works_in_a_browser() {
    let console = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../console");
    let built =
        std::env::var("HW_CONSOLE_BUILT").map_or_else(|_| console.join("dist/index.html").exists(), |v| v == "1");
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
    let output = Command::new("npm")
        .args(["run", "--silent", "e2e"])
        .current_dir(&console)
        .env("HW_URL", server.url())
        .env("HW_USER", "admin")
        .env("HW_PASSWORD", password)
        .env("HW_OIDC", "the university")
        .env("HW_MAIL", mail.to_string())
        .env("CI", "1")
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
