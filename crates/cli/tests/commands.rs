//! The binary itself against a scripted server: what goes to which stream, exit codes, names it is called by.

#[path = "../../client/tests/fake/mod.rs"]
mod fake;

use std::process::{Command, Output, Stdio};

use fake::{Asked, Fake, Reply, json, stream};

const JOB: &str = r#"{"id":"job_0192f000000070008000000000000001","number":12,"name":"melt","state":"STATE","tenant":"ten_00000000000000000000000000000001","tenant_name":"bio","project":"prj_00000000000000000000000000000001","project_name":"default","user":"usr_00000000000000000000000000000001","user_name":"ann","pool":null,"pool_name":null,"nodes":[],"pools":[],"reason":null,"expected_start":null,"class":"normal","requested":{"nodes":1,"tasks":4,"cpus_per_task":1,"cpu_millis":4000,"memory_bytes":8589934592,"gpus":0,"chips":[],"tres":"cpu=4,mem=8G"},"time_limit_seconds":7200.0,"submitted_at":"2026-11-21T07:59:00Z","started_at":"2026-11-21T08:00:00Z","ended_at":"2026-11-21T09:02:03Z","exit":{"code":CODE,"signal":SIGNAL},"charged":"1.25","currency":"CNY"}"#;

fn summary(state: &str, code: i32, signal: i32) -> String {
    JOB.replace("STATE", state).replace("CODE", &code.to_string()).replace("SIGNAL", &signal.to_string())
}

fn job(state: &str, code: i32, signal: i32) -> String {
    let rest = r#","line":"general","begin":null,"deadline":null,"attempts":[],"args":[],"work_dir":"/home/ann","stdout":null,"stderr":null,"comment":null,"dependencies":[],"requeue":true}"#;
    summary(state, code, signal).trim_end_matches('}').to_string() + rest
}

fn problem(status: &str, code: &str) -> Reply {
    let number = &status[..3];
    let body = format!(
        r#"{{"type":"https://headworks.dev/errors/{code}","title":"t","status":{number},"code":"{code}","detail":"what happened","request_id":"req_7"}}"#
    );
    json(status, &body)
}

/// Runs `program` (a name for the binary) with `words`, away from the caller's own configuration.
async fn run_as(program: &str, fake: &Fake, words: &[&str], input: &str) -> Output {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(program);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_hw"), &path).unwrap();
    let mut command = Command::new(path);
    command
        .args(words)
        .env_clear()
        .env("HOME", home.path())
        .env("HW_URL", &fake.url)
        .env("HW_TOKEN", "hwt_x")
        .env("TZ", "UTC");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let input = input.to_string();
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        // A command that reads nothing may be gone before everything is written.
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes());
        child.wait_with_output().unwrap()
    });
    let output = output.await.unwrap();
    drop(home);
    output
}

async fn run(fake: &Fake, words: &[&str]) -> Output {
    run_as("hw", fake, words, "").await
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}
fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}
fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

async fn always(reply: impl Fn(&Asked) -> Reply + Send + 'static) -> Fake {
    Fake::start(move |asked, _| reply(asked)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_gets_bare_lines_and_json_the_wire_type() {
    let page = format!(r#"{{"items":[{}],"next_cursor":null}}"#, summary("COMPLETED", 0, 0));
    let fake = always(move |_| json("200 OK", &page)).await;
    let bare = run(&fake, &["jobs", "-a"]).await;
    assert_eq!(
        out(&bare),
        "12\tmelt\tann\tdefault\tCOMPLETED\t\tcpu=4,mem=8G\t2026-11-21T07:59:00.000000Z\t3723\t1.25\n",
        "{}",
        err(&bare)
    );
    assert_eq!((err(&bare), code(&bare)), ("", 0));
    let typed = run(&fake, &["jobs", "--json"]).await;
    let value: serde_json::Value = serde_json::from_str(out(&typed)).unwrap();
    assert_eq!(value["items"][0]["number"], 12);
    let columns = run(&fake, &["squeue", "-h", "-t", "all", "-o", "%i|%u|%T"]).await;
    assert_eq!(out(&columns), "12|ann|COMPLETED\n");
    let target = fake.asked()[0].target.clone();
    assert_eq!(target, "/v1/jobs?limit=100");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_end_with_documented_codes() {
    for (status, word, number) in [
        ("404 Not Found", "job_not_found", 3),
        ("401 Unauthorized", "unauthenticated", 4),
        ("403 Forbidden", "operator_only", 4),
        ("409 Conflict", "wrong_state", 5),
        ("402 Payment Required", "insufficient_funds", 6),
        ("422 Unprocessable Entity", "script_invalid", 2),
        ("429 Too Many Requests", "too_many_requests", 8),
        ("500 Internal Server Error", "internal", 1),
    ] {
        let fake = always(move |_| problem(status, word)).await;
        let output = run(&fake, &["show", "12"]).await;
        assert_eq!((code(&output), out(&output)), (number, ""), "{word}");
        assert!(err(&output).starts_with("hw: what happened"), "{}", err(&output));
        assert_eq!(err(&output).contains("req_7"), word == "internal", "{}", err(&output));
    }
    let fake = always(|_| None).await;
    let url = fake.url.clone();
    drop(fake);
    let nobody = Fake::start(|_, _| None).await;
    let output = run(&nobody, &["--url", "http://127.0.0.1:9", "show", "12"]).await;
    assert_eq!(code(&output), 7, "{url} {}", err(&output));
    assert_eq!(code(&run(&nobody, &["frobnicate"]).await), 2);
    assert_eq!(code(&run(&nobody, &["--help"]).await), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn chinese_is_spoken_when_asked_for() {
    let fake = always(|_| problem("404 Not Found", "job_not_found")).await;
    let output = run(&fake, &["--lang", "zh", "show", "12"]).await;
    assert!(err(&output).starts_with("hw: 作业不存在：what happened"), "{}", err(&output));
    assert!(out(&run(&fake, &["--lang", "zh", "--help"]).await).contains("提交作业脚本"));
}

const ACCEPTED: &str = r#"{"job":"job_0192f000000070008000000000000001","number":12,"elements":1,"hold":"1.50","currency":"CNY","warnings":[{"line":3,"option":"mail-type","message":"is ignored"}]}"#;

/// Takes a submission; the job has ended as told when it is looked at.
async fn platform(state: &'static str, exit: i32, signal: i32) -> Fake {
    always(move |asked| match asked.target.split('?').next().unwrap_or("") {
        "/v1/jobs" => json("201 Created", ACCEPTED),
        "/v1/jobs/12" => json("200 OK", &job(state, exit, signal)),
        "/v1/jobs/12/events" => json("200 OK", r#"{"items":[],"next_cursor":null}"#),
        "/v1/jobs/12/logs/follow" => {
            stream("event: log\ndata: {\"offset\":0,\"text\":\"step 1\\n\"}\n\nevent: end\ndata: {\"size\":7}\n\n")
        }
        _ => json("404 Not Found", "{}"),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn submit_prints_the_number_and_talks_aside() {
    let fake = platform("COMPLETED", 0, 0).await;
    let output =
        run_as("hw", &fake, &["submit", "-", "-n", "4", "--idempotency-key", "k1", "--", "a", "b"], "#!/bin/sh\n")
            .await;
    assert_eq!((out(&output), code(&output)), ("12\n", 0), "{}", err(&output));
    assert!(err(&output).contains("warning: line 3: mail-type: is ignored"), "{}", err(&output));
    assert!(err(&output).contains("1.50 CNY set aside"), "{}", err(&output));
    let asked = &fake.asked()[0];
    assert_eq!(asked.header("idempotency-key"), Some("k1"));
    let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(body["script"], "#!/bin/sh\n");
    assert_eq!(body["options"], serde_json::json!({"ntasks": "4"}));
    assert_eq!(body["args"], serde_json::json!(["a", "b"]));
    assert!(body["work_dir"].as_str().unwrap().starts_with('/'));
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_ends_with_the_jobs_own_code() {
    for (state, exit, signal, number) in [
        ("COMPLETED", 0, 0, 0),
        ("FAILED", 3, 0, 3),
        ("CANCELLED", 0, 15, 143),
        ("TIMEOUT", 0, 9, 137),
        ("NODE_FAIL", 0, 0, 1),
    ] {
        let fake = platform(state, exit, signal).await;
        let output = run_as("hw", &fake, &["submit", "-", "--wait"], "#!/bin/sh\n").await;
        assert_eq!((code(&output), out(&output)), (number, "12\n"), "{state} {}", err(&output));
        assert!(err(&output).contains(state), "{}", err(&output));
    }
    let fake = platform("FAILED", 4, 0).await;
    let output = run_as("hw", &fake, &["submit", "-", "--follow", "-q"], "#!/bin/sh\n").await;
    assert_eq!((code(&output), out(&output)), (4, "12\nstep 1\n"), "{}", err(&output));
    let output = run_as("sbatch", &fake, &["--wait", "--wrap", "exit 4"], "").await;
    assert_eq!((code(&output), out(&output)), (4, "Submitted batch job 12\n"), "{}", err(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn slurms_commands_are_reached_by_name() {
    let fake = platform("COMPLETED", 0, 0).await;
    let output = run_as("sbatch", &fake, &["--parsable", "-J", "melt", "--nice=5"], "#!/bin/sh\n").await;
    assert_eq!(out(&output), "12\n", "{}", err(&output));
    assert!(err(&output).contains("--nice"), "{}", err(&output));
    let output = run_as("sbatch", &fake, &["--nodelist=n1", "x.sh"], "").await;
    assert_eq!(code(&output), 2);
    assert!(err(&output).contains("--nodelist: is not supported"), "{}", err(&output));
    let output =
        run_as("sacct", &fake, &["-j", "12", "-X", "-n", "-P", "-o", "JobID,State,ExitCode,Elapsed"], "").await;
    assert_eq!(out(&output), "12|COMPLETED|0:0|01:02:03\n", "{}", err(&output));
    let output = run_as("sacct", &fake, &["-o", "Nonsense"], "").await;
    assert_eq!(code(&output), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn scancel_of_an_unknown_job_ends_well_as_slurms_does() {
    let fake =
        always(|_| json("200 OK", r#"{"results":[{"job":"99","changed":0,"code":"job_not_found","detail":"x"}]}"#))
            .await;
    let output = run_as("scancel", &fake, &["99"], "").await;
    assert_eq!(code(&output), 0);
    assert!(err(&output).contains("job id 99: Invalid job id specified"), "{}", err(&output));
    assert_eq!(err(&run_as("scancel", &fake, &["-Q", "99"], "").await), "");
    let output = run_as("scancel", &fake, &["-s", "USR1", "99"], "").await;
    assert_eq!(code(&output), 2);
    assert!(err(&output).contains("USR1"), "{}", err(&output));
    assert_eq!(code(&run_as("scancel", &fake, &[], "").await), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_cancelled_only_with_a_yes() {
    let page = format!(r#"{{"items":[{}],"next_cursor":null}}"#, summary("RUNNING", 0, 0));
    let fake = always(move |asked| match asked.target.as_str() {
        "/v1/jobs/job_0192f000000070008000000000000001/cancel" => {
            json("200 OK", r#"{"job":"job_0192f000000070008000000000000001","changed":1}"#)
        }
        _ => json("200 OK", &page),
    })
    .await;
    let output = run(&fake, &["cancel", "-u", "ann"]).await;
    assert_eq!(code(&output), 2);
    assert!(err(&output).contains("--yes"), "{}", err(&output));
    assert!(fake.asked().iter().all(|asked| asked.method == "GET"));
    let output = run(&fake, &["cancel", "-u", "ann", "--yes"]).await;
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert_eq!(fake.asked().iter().filter(|asked| asked.method == "POST").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn login_keeps_a_token_and_logout_forgets_it() {
    let fake = always(|asked| match (asked.method.as_str(), asked.target.as_str()) {
        ("POST", "/v1/login") => json(
            "200 OK",
            r#"{"token":"hwt_new","token_id":"tok_00000000000000000000000000000001","scope":"full","expires_at":"2027-01-01T00:00:00Z"}"#,
        ),
        ("GET", "/v1/session") => json(
            "200 OK",
            r#"{"user":{"id":"usr_00000000000000000000000000000001","name":"ann","role":"member","tenant":"ten_00000000000000000000000000000001","tenant_name":"bio","project":"prj_00000000000000000000000000000001","project_name":"default"},"scope":"full","expires_at":"2027-01-01T00:00:00Z"}"#,
        ),
        ("DELETE", _) => Some("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".into()),
        _ => json("404 Not Found", "{}"),
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    let hw = |words: &[&str], input: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hw"));
        command.args(words).env_clear().env("HOME", home.path()).env("HW_URL", &fake.url);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let input = input.to_string();
        tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes());
            child.wait_with_output().unwrap()
        })
    };
    let output = hw(&["login", "ann", "--password-stdin"], "correct horse\n").await.unwrap();
    assert_eq!((code(&output), out(&output)), (0, ""), "{}", err(&output));
    assert!(fake.asked()[0].body.contains("correct horse"));
    let kept = std::fs::read_to_string(home.path().join(".config/headworks/credentials.toml")).unwrap();
    assert!(kept.contains("hwt_new"), "{kept}");
    let output = hw(&["whoami"], "").await.unwrap();
    assert!(out(&output).starts_with("user\tann\nrole\tmember\ntenant\tbio\n"), "{}", out(&output));
    assert_eq!(fake.asked().last().unwrap().header("authorization"), Some("bearer hwt_new"));
    let output = hw(&["logout"], "").await.unwrap();
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert_eq!(fake.asked().last().unwrap().target, "/v1/tokens/tok_00000000000000000000000000000001");
    let output = hw(&["logout"], "").await.unwrap();
    assert_eq!(code(&output), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_has_enough_is_no_fault() {
    let items = vec![summary("RUNNING", 0, 0); 1000].join(",");
    let page = format!(r#"{{"items":[{items}],"next_cursor":null}}"#);
    let fake = always(move |_| json("200 OK", &page)).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_hw"));
    command.args(["jobs", "--limit", "1000"]).env_clear().env("HW_URL", &fake.url);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        // The other end of the pipe is closed before anything is written.
        drop(child.stdout.take());
        child.wait_with_output().unwrap()
    });
    let output = output.await.unwrap();
    assert_eq!((code(&output), err(&output)), (0, ""));
}
