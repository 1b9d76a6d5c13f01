//! Somebody has lost the password: `hw admin reset-password` gives a new one while no server runs, and refuses while one does.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use support::{HW, Place, first_password};
use testkit::{Hw, Postgres};

/// Runs the repair as an operator would, away from the caller's own configuration.
fn reset(place: &Place, words: &[&str]) -> Output {
    let mut command = Command::new(HW);
    command.args(["admin", "reset-password"]).args(words).current_dir(place.path());
    command.env_clear().env("HOME", place.path()).env("HW_LANG", "en").stdin(Stdio::null());
    command.output().expect("the program runs")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The password that a repair printed, once.
fn password(output: &Output) -> String {
    assert!(output.status.success(), "{}", told(output));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = printed.lines().find_map(|line| line.strip_prefix("one_time_password\t"));
    line.unwrap_or_else(|| panic!("no password in {printed:?}")).to_owned()
}

/// The head of the answer to a request with a body of JSON and a cookie.
fn ask(address: SocketAddr, line: &str, cookie: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    let length = body.len();
    let head = format!(
        "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         x-hw-csrf: 1\r\ncookie: {cookie}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).expect("a request can be sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer comes");
    answer.split("\r\n\r\n").next().unwrap_or_default().to_owned()
}

/// Signs the administrator in as a browser: the status, and the cookie.
fn sign_in(server: &Hw, password: &str) -> (String, String) {
    let body = format!(r#"{{"name":"admin","password":"{password}"}}"#);
    let head = ask(server.address(), "POST /v1/session", "", &body);
    let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap_or_default();
    (head[9..12].to_owned(), cookie.split(';').next().unwrap_or_default().to_owned())
}

fn check(place: &Place, server: &mut Hw, flags: &[&str]) {
    server.start();
    let lost = first_password(server);
    let (status, session) = sign_in(server, &lost);
    assert_eq!(status, "200");
    let asked = |server: &Hw| ask(server.address(), "GET /v1/session", &session, "")[9..12].to_owned();
    assert_eq!(asked(server), "200");

    let refused = reset(place, &[flags, &["admin"]].concat());
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0), "{}", told(&refused));
    assert!(told(&refused).contains("stop"), "{}", told(&refused));
    assert_eq!(asked(server), "200", "the server goes on");

    server.terminate();
    let unknown = reset(place, &[flags, &["nobody"]].concat());
    assert_eq!((unknown.status.code(), told(&unknown).trim()), (Some(3), "hw: there is no user `nobody`"));
    let found = password(&reset(place, &[flags, &["admin"]].concat()));
    assert_ne!(found, lost);

    server.start();
    assert_eq!(sign_in(server, &lost).0, "401", "the lost password is no good any more");
    assert_eq!(sign_in(server, &found).0, "200");
    assert_eq!(asked(server), "401", "browsers that were signed in are signed out");
    let audit = server.run(&["audit", "--json"]);
    let audit = String::from_utf8_lossy(&audit.stdout).into_owned();
    assert!(audit.contains("user.password") && audit.contains("token.revoke"), "{audit}");
    assert!(!audit.contains(&found) && !server.log().contains(&found), "the password is kept nowhere");
    server.terminate();
}

#[test]
fn a_lost_password_is_replaced_while_no_server_runs() {
    let place = Place::new();
    let mut server = place.server(1, "");
    let data = server.data().to_string_lossy().into_owned();
    check(&place, &mut server, &["--data", &data]);
    // A folder without a platform gets none.
    let nowhere = place.path().join("nowhere");
    let missing = reset(&place, &["admin", "--data", &nowhere.to_string_lossy()]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(told(&missing).contains("no platform") && !Path::new(&nowhere).exists(), "{}", told(&missing));
}

#[test]
fn a_lost_password_is_replaced_on_postgresql() {
    let url = Postgres::shared().database().expect("a database");
    let place = Place::new();
    let mut server = place.server(1, "").flag("database", &url);
    check(&place, &mut server, &["--database", &url]);
}
