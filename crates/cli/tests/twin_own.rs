//! `hw twin export` and `hw twin live` on a real server: its history is replayed, its queue run ahead.

mod support;

use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{LONG, Place, client_of, open_jobs, script};
use testkit::Hw;
use wire::submit::OptionValue;

/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(50);
const POLICY: &str = "[contracts.house]\ncores = 2\nwait = \"1h\"\n";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn said(server: &Hw, words: &str) -> Output {
    let output = server.run(&words.split(' ').collect::<Vec<_>>());
    assert!(output.status.success(), "{words}: {}{}\n{}", text(&output.stdout), text(&output.stderr), server.log());
    output
}

fn told(server: &Hw, words: &str) -> Value {
    let output = said(server, &format!("{words} --json"));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{words}: {e}: {}", text(&output.stdout)))
}

fn file(place: &Place, name: &str) -> String {
    place.path().join(name).display().to_string()
}

fn trace(path: impl AsRef<Path>) -> sim::trace::Trace {
    let text = std::fs::read_to_string(path).unwrap();
    sim::trace::swf::read(text.as_bytes(), sim::trace::OnBad::Refuse).unwrap()
}

/// A server with two tenants whose jobs are over: four that ran, one that was cancelled before.
async fn with_history(place: &Place) -> Hw {
    let mut server = place.server(2, "");
    server.start();
    let policy = file(place, "policy.toml");
    std::fs::write(&policy, POLICY).unwrap();
    said(&server, &format!("--yes policy set {policy}"));
    said(&server, "tenants create bio --shares 3");
    said(&server, "wallet top-up 1000 --tenant bio");
    let client = client_of(&server);
    let job = |cores: u64, minutes: u64, text: &str| {
        let mut job = script(text);
        job.options.insert("ntasks".into(), OptionValue::Number(cores));
        job.options.insert("time".into(), OptionValue::Number(minutes));
        job
    };
    let never = client.submit(&job(1, 5, "#SBATCH --hold\nexit 0"), None).await.unwrap();
    for (cores, minutes, text) in [(2, 10, "sleep 1"), (1, 5, "exit 0"), (1, 5, "exit 3"), (2, 1, "exit 0")] {
        client.submit(&job(cores, minutes, text), None).await.unwrap();
    }
    client.cancel(&never.number.to_string()).await.unwrap();
    no_job_is_open(&client).await;
    server
}

async fn no_job_is_open(client: &client::Client) {
    let begun = Instant::now();
    while open_jobs(client).await != Some(0) {
        assert!(begun.elapsed() < LONG, "the jobs do not end");
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_own_history_is_replayed_under_another_policy_in_two_commands() {
    let place = Place::new();
    let server = with_history(&place).await;
    let (history, supply, csv) =
        (file(&place, "history.swf"), file(&place, "supply.toml"), file(&place, "history.csv"));
    let report = told(&server, &format!("twin export --trace {history} --supply {supply} --csv {csv} --usage"));
    assert_eq!((report["jobs"].as_u64(), report["never_ran"].as_u64()), (Some(5), Some(1)), "{report}");
    // By the API itself: the same jobs with the same times.
    let jobs = client_of(&server).jobs(&wire::job::JobsQuery::default()).take(100).await.unwrap().items;
    let trace = trace(&history);
    assert_eq!((trace.records.len(), trace.header.procs()), (jobs.len(), Some(2)));
    for record in &trace.records {
        let job = jobs.iter().find(|job| job.number == record.job).unwrap();
        let ran = job.ended_at.zip(job.started_at).map(|(end, start)| (end.0 - start.0).as_secs_f64().ceil() as i64);
        assert_eq!((record.run_s, record.estimate_s), (ran.map(|s| s.max(1)), Some(job.time_limit_seconds as i64)));
        assert_eq!(record.procs_requested.map(u64::from), Some(job.requested.cpu_millis / 1_000));
        let status = match job.state.as_str() {
            "COMPLETED" => 1,
            "CANCELLED" => 5,
            _ => 0,
        };
        assert_eq!(record.status, Some(status), "{job:?}");
    }
    assert!(trace.records.iter().filter(|record| record.cpu_s.is_some()).count() > 0, "{:?}", trace.records);
    let csv = std::fs::read_to_string(csv).unwrap();
    assert!(csv.lines().count() == 6 && csv.contains(",FAILED,") && csv.contains(",main,"), "{csv}");
    // On one machine, and on the platform's own supply under its own and another policy.
    let one = told(&server, &format!("twin replay --trace {history} --policy fcfs"));
    assert_eq!((one["jobs"].as_u64(), one["left_out_unknown"].as_u64()), (Some(4), Some(1)), "{one}");
    let other = file(&place, "other.toml");
    std::fs::write(&other, "[placement]\norder = \"work\"\n").unwrap();
    for policy in ["", &format!(" --policy {other}")] {
        let played = told(&server, &format!("twin replay --supply {supply} --trace history={history}{policy}"));
        assert_eq!((played["jobs"].as_u64(), played["wrong"].as_array().map(Vec::len)), (Some(4), Some(0)), "{played}");
        assert_eq!(played["pools"][0]["name"].as_str(), Some("main"));
        let tenant = |name: &str| {
            let of = played["tenants"].as_array().unwrap().iter().find(|tenant| tenant["name"] == name).cloned();
            of.unwrap_or_else(|| panic!("{name}: {played}"))
        };
        // The administrator's tenant handed all in; the other is there and has nothing.
        let all = tenant("house");
        assert_eq!((all["jobs"].as_u64(), tenant("bio")["jobs"].as_u64()), (Some(4), Some(0)));
        let promises = all["promises_kept"].as_u64().unwrap() + all["promises_broken"].as_u64().unwrap();
        assert!(promises > 0, "the policy's contract is the supply's: {all}");
    }
    the_server_plays_the_same(&server, &supply, &history, &file(&place, "policy.toml"), &other);
    let written = std::fs::read_to_string(&supply).unwrap();
    assert!(
        written.contains("shares = 3") && written.contains("[[contract]]\ntenant = \"house\"\ncores = 2"),
        "{written}"
    );
    let zipped = file(&place, "h.swf.gz");
    told(&server, &format!("twin export --trace {zipped}"));
    assert!(std::fs::read(&zipped).unwrap().starts_with(&[0x1f, 0x8b]));
    assert_eq!(told(&server, &format!("twin replay --trace {zipped}"))["jobs"].as_u64(), Some(4));
    let piped = text(&said(&server, "twin export --trace - --since now-1h").stdout);
    assert!(
        piped.starts_with("; Version: 2.2\n") && piped.lines().any(|line| line.starts_with("; User: 1 ")),
        "{piped}"
    );
}

/// What the server plays itself has the figures of the replay of the export under the policy in force.
fn the_server_plays_the_same(server: &Hw, supply: &str, history: &str, in_force: &str, other: &str) {
    let run = told(server, &format!("twin ask --days 1 --policy {other} --note another --wait"));
    assert_eq!(run["state"], "done", "{run}");
    let replay = told(server, &format!("twin replay --supply {supply} --trace history={history} --policy {in_force}"));
    let same = |ours: &Value, theirs: &Value| {
        for (here, there) in [
            ("jobs", "jobs"),
            ("mean_wait_seconds", "mean_wait_s"),
            ("median_wait_seconds", "median_wait_s"),
            ("mean_bounded_slowdown", "mean_bounded_slowdown"),
            ("core_hours", "core_hours"),
            ("capacity_core_hours", "capacity_core_hours"),
            ("revenue", "revenue"),
            ("idle_cost", "idle_cost"),
            ("margin", "margin"),
            ("promises_kept", "promises_kept"),
            ("promises_broken", "promises_broken"),
        ] {
            let (a, b) = (ours.get(here).unwrap_or(&Value::Null), &theirs[there]);
            // What is read and written once more may differ in the last bit.
            let near = a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| (a - b).abs() <= 1e-12 * a.abs());
            assert!(a == b || near, "{here}: {ours} {theirs}");
        }
    };
    let as_is = &run["result"]["past"]["as_is"];
    same(&as_is["all"], &replay);
    for group in ["pools", "tenants", "modes"] {
        as_is[group].as_array().unwrap().iter().zip(replay[group].as_array().unwrap()).for_each(|(a, b)| same(a, b));
    }
    // Jobs that end at once use little, and the cluster tells it.
    assert!(as_is["all"]["used_core_hours"].as_f64().is_some(), "{as_is}");
    assert_eq!(run["result"]["past"]["changed"]["all"]["jobs"], as_is["all"]["jobs"]);
    let list = told(server, "twin runs");
    assert_eq!((&list[0]["id"], &list[0]["gist"]["as_is"]["jobs"]), (&run["id"], &as_is["all"]["jobs"]));
    let shown = text(&said(server, &format!("twin runs {}", run["id"].as_str().unwrap())).stdout);
    assert!(shown.contains("done") && shown.contains("another"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_exports_its_own_work_and_no_supply() {
    let place = Place::new();
    let server = with_history(&place).await;
    let (operator, password) = (client_of(&server), "something long to guess");
    let user = json!({"name": "ann", "role": "owner", "tenant": "bio", "password": password});
    operator.create_user(&serde_json::from_value(user).unwrap()).await.unwrap();
    let nobody = client::Client::new(&server.url(), None).unwrap();
    let token =
        nobody.login(&serde_json::from_value(json!({"name": "ann", "password": password})).unwrap()).await.unwrap();
    let ann = client::Client::new(&server.url(), Some(&token.token)).unwrap();
    let mine = ann.submit(&script("#SBATCH --ntasks=1 --time=1\nexit 0"), None).await.unwrap();
    no_job_is_open(&operator).await;
    let run = |words: &[&str]| server.client(words).env("HW_TOKEN", &token.token).output().unwrap();
    let path = file(&place, "mine.swf");
    let told = run(&["twin", "export", "--trace", &path]);
    assert!(told.status.success(), "{}", text(&told.stderr));
    assert_eq!(trace(&path).records.iter().map(|record| record.job).collect::<Vec<_>>(), [mine.number]);
    let refused = run(&["twin", "export", "--supply", &file(&place, "mine.toml")]);
    assert_eq!(refused.status.code(), Some(4), "{}", text(&refused.stderr));
    // What a node costs is the operator's to know.
    assert!(operator.pools().take(1).await.unwrap().items[0].cost.is_some());
    assert!(ann.pools().take(1).await.unwrap().items[0].cost.is_none());
}

/// A job that runs until its folder has a certain file is running: what waits behind it is foretold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_running_platform_is_run_ahead() {
    let place = Place::new();
    let mut server = place.server(2, "");
    server.start();
    let client = client_of(&server);
    let job = |cores: u64, minutes: u64| {
        let mut job = script("sleep 600");
        job.options.insert("ntasks".into(), OptionValue::Number(cores));
        job.options.insert("time".into(), OptionValue::Number(minutes));
        job
    };
    let mut numbers = Vec::new();
    for minutes in [30, 20, 10] {
        numbers.push(client.submit(&job(2, minutes), None).await.unwrap().number);
    }
    let begun = Instant::now();
    while support::state(&client, &numbers[0].to_string()).await.as_deref() != Some("RUNNING") {
        assert!(begun.elapsed() < LONG, "the first does not start");
        tokio::time::sleep(LOOK).await;
    }
    let saved = file(&place, "now.json");
    let asked = told(&server, &format!("twin live --save {saved}"));
    let copied = told(&server, &format!("twin live --snapshot {saved}"));
    assert_eq!(asked, copied, "the same copy, the same answer");
    let jobs = copied["jobs"].as_array().unwrap();
    let named: Vec<u64> = jobs.iter().map(|job| job["number"].as_u64().unwrap()).collect();
    assert_eq!((&named[..], copied["waiting"].as_u64()), (&numbers[1..], Some(2)), "{copied}");
    let time = |job: &Value, field: &str| base::Timestamp::parse(job[field].as_str().unwrap_or_default());
    let first = client.job(&numbers[0].to_string()).await.unwrap().summary.started_at.unwrap().0;
    let minutes = |n: i64| base::Span::from_mins(n);
    // One after the other, each to its limit; what the platform itself says of the second is the same.
    assert_eq!(time(&jobs[0], "start"), Some(first + minutes(30)), "{copied}");
    assert_eq!(time(&jobs[0], "expected"), Some(first + minutes(30)), "{copied}");
    assert_eq!(time(&jobs[1], "start"), Some(first + minutes(50)), "{copied}");
    let more = told(&server, &format!("twin live --snapshot {saved} --add new:1:2"));
    let changed = &more["jobs"][0]["changed"];
    assert_eq!((changed["pool"].as_str(), changed["start"].as_str()), (Some("new"), more["at"].as_str()), "{more}");
    assert!(more["changed"]["mean_wait_s"].as_f64() < more["as_is"]["mean_wait_s"].as_f64(), "{more}");
    let less = told(&server, &format!("twin live --snapshot {saved} --lose main"));
    assert_eq!((less["changed"]["started"].as_u64(), less["changed"]["broken_off"].as_u64()), (Some(0), Some(1)));
    let policy = file(&place, "work.toml");
    std::fs::write(&policy, "[placement]\norder = \"work\"\n").unwrap();
    let other = told(&server, &format!("twin live --snapshot {saved} --policy {policy}"));
    assert_eq!(time(&other["jobs"][1]["changed"], "start"), Some(first + minutes(30)), "least work first: {other}");
    let table = text(&said(&server, &format!("twin live --snapshot {saved} --add new:1:2")).stdout);
    assert!(table.lines().any(|line| line.starts_with("job\t") && line.contains("\tnew\t")), "{table}");
    for (words, says) in [("--lose sea", "no pool `sea`"), ("--policy nowhere.toml", "nowhere.toml")] {
        let output = server.run(&format!("twin live --snapshot {saved} {words}").split(' ').collect::<Vec<_>>());
        assert!(!output.status.success() && text(&output.stderr).contains(says), "{}", text(&output.stderr));
    }
    // Nothing of a job's text leaves the platform in a copy.
    assert!(!std::fs::read_to_string(&saved).unwrap().contains("sleep 600"));
    for number in numbers {
        client.cancel(&number.to_string()).await.unwrap();
    }
}
