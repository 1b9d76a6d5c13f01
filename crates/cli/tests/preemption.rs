//! A job that offers its room is told by a signal, has the lead time to write its state, is ended, and goes on from that state when
//! the contracted work that had the room is over. On this machine as the cluster.
#![allow(clippy::print_stdout, reason = "figures for whoever reads the run")]

mod support;

use std::path::PathBuf;

use serde_json::{Value, json};
use store::{Location, PageRequest, SqlStore};
use support::{LONG, Place, audit, client_of};
use testkit::{Hw, wait_for};
use tokio::runtime::Runtime;
use wire::money::TopUp;
use wire::people::{TenantCreate, UserCreate};
use wire::session::Login;

const SETTINGS: &str =
    "credit_limit = '1000000'\n[jobs]\ncheckpoint_interval_min = '1s'\n[metering]\ninterval = '2s'\nlag = '1s'\n";
const LEAD_SECS: i64 = 15;
const PASSWORD: &str = "something long to guess";

/// Whoever types: the operator, or somebody with a token of her own.
struct Person<'a> {
    server: &'a Hw,
    token: String,
}

impl Person<'_> {
    #[track_caller]
    fn does(&self, arguments: &[&str]) -> String {
        let output = self.server.client(arguments).env("HW_TOKEN", &self.token).output().expect("the program runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let told = || format!("{arguments:?}\n{}\n{}", text(&output.stderr), self.server.log());
        assert!(output.status.success(), "{}", told());
        text(&output.stdout).trim().to_owned()
    }

    fn shown(&self, job: &str) -> Value {
        serde_json::from_str(&self.does(&["show", job, "--json"])).expect("JSON")
    }

    /// What the timeline says once it says these words.
    fn wait_told(&self, job: &str, words: &str) -> String {
        wait_for(&format!("job {job} to say {words}\n{}", self.server.log()), LONG, || {
            Some(self.does(&["show", job])).filter(|shown| shown.contains(words))
        })
    }
}

/// A tenant with a contract, and a person of it.
fn contracted<'a>(server: &'a Hw, runtime: &Runtime) -> Person<'a> {
    let client = client_of(server);
    let lab = TenantCreate { name: "lab".into(), ..TenantCreate::default() };
    runtime.block_on(client.create_tenant(&lab)).expect("a tenant");
    let payment: TopUp = serde_json::from_value(json!({"amount": "50"})).expect("an amount");
    runtime.block_on(client.top_up("lab", &payment, None)).expect("a payment");
    let user = json!({"name": "ying", "role": "member", "tenant": "lab", "password": PASSWORD});
    let user: UserCreate = serde_json::from_value(user).expect("a user");
    runtime.block_on(client.create_user(&user)).expect("a user");
    let login: Login = serde_json::from_value(json!({"name": "ying", "password": PASSWORD})).expect("a login");
    Person { server, token: runtime.block_on(client.login(&login)).expect("a token").token }
}

/// Counts five times a second and writes the count at the signal only; ends when `go` is there.
fn counter(place: &Place, marks: &str) -> PathBuf {
    let path = place.path().join("counter.sh");
    let text = format!(
        "#!/bin/sh\n#SBATCH -n 2 -t 30 --mem 64M --signal=B:USR1@60\n#HW checkpoint=state preemptible\nm={marks}\n\
         save() {{ mkdir -p state; echo $n >new; mv new state/count; echo $n $(date +%s) >$m/told.$HW_ATTEMPT; }}\n\
         trap save USR1\ntrap 'date +%s >$m/ended.$HW_ATTEMPT; exit 143' TERM\n\
         n=$(cat state/count 2>/dev/null || echo 0)\n\
         echo \"$n $HW_RESTART_COUNT ${{HW_CHECKPOINT:-none}}\" >$m/begun.$HW_ATTEMPT\n\
         until [ -e $m/go ]; do n=$((n+1)); sleep 0.2; done\necho $n >$m/done\n"
    );
    std::fs::write(&path, text).expect("a script");
    path
}

#[test]
fn preemptible_work_saves_at_the_signal_and_goes_on_after_the_contracted_work() {
    let place = Place::new();
    let mut server = place.server(2, SETTINGS);
    server.start();
    let runtime = Runtime::new().expect("a runtime");
    let operator = Person { server: &server, token: server.token() };
    let ying = contracted(&server, &runtime);
    let policy = place.path().join("policy.toml");
    let rules = format!(
        "[preemption]\ncontracted = true\nlead = '{LEAD_SECS}s'\nsignal = 'USR2'\nagain_after = '1h'\n\
         [contracts.lab]\ncores = 2\nwait = '8s'\n"
    );
    std::fs::write(&policy, rules).expect("a policy");
    operator.does(&["policy", "set", "-y", &policy.to_string_lossy()]);
    let marks = place.shared("marks");
    let words = |name: &str| -> Vec<String> {
        let about = format!("{name}\n{}", server.log());
        let path = marks.join(name);
        let said = wait_for(&about, LONG, || std::fs::read_to_string(&path).ok().filter(|said| said.ends_with('\n')));
        said.split_whitespace().map(str::to_owned).collect()
    };
    let number = |word: &String| word.parse::<i64>().expect("a number");

    let script = counter(&place, &marks.to_string_lossy());
    let job = operator.does(&["submit", "-q", &script.to_string_lossy()]);
    assert_eq!(words("begun.1"), ["0", "0", "none"]);
    let wrap = format!("touch {m}/first; until [ -e {m}/over ]; do sleep 0.2; done", m = marks.display());
    let first = ying.does(&["sbatch", "--parsable", "-n", "2", "-t", "20", "--wrap", &wrap]);

    // Its own signal, not the policy's; then the lead time; then TERM, and the room is the other's.
    let told = words("told.1");
    assert!(!marks.join("first").exists() && !marks.join("ended.1").exists(), "it has the lead time");
    let why = ying.shown(&first)["reason"].clone();
    assert_eq!(why["code"], "making_room", "{why}");
    let shown = operator.wait_told(&job, "is to make room");
    assert!(shown.contains("its tenant's contract") && !shown.contains("lab"), "{shown}");
    let ended = words("ended.1");
    wait_for("the contracted job to start", LONG, || marks.join("first").exists().then_some(()));
    let lead = number(&ended[0]) - number(&told[1]);
    assert!(lead >= LEAD_SECS / 2, "{lead} s between signal and end");
    ying.wait_told(&first, "RUNNING");
    assert_eq!(operator.shown(&job)["state"], "PENDING");
    println!("told at count {}, ended {lead} s later (lead time {LEAD_SECS} s)", told[0]);

    // The contracted work ends, and the other goes on from what it wrote at the signal.
    std::fs::write(marks.join("over"), "").expect("a mark");
    let begun = words("begun.2");
    assert_eq!((&begun[0], begun[1].as_str()), (&told[0], "1"));
    assert_ne!(begun[2], "none", "a set was taken within the lead time, though none is due for ten minutes");
    ying.wait_told(&first, "COMPLETED");
    std::fs::write(marks.join("go"), "").expect("a mark");
    operator.wait_told(&job, "COMPLETED");
    assert!(number(&words("done")[0]) >= number(&told[0]));

    let id: base::JobId = operator.shown(&job)["id"].as_str().expect("an id").parse().expect("an id");
    let folder = server.data().to_path_buf();
    server.terminate();
    let books = runtime.block_on(audit(Location::Folder(folder.clone())));
    books.expect_clean();
    assert_eq!(runtime.block_on(charged(Location::Folder(folder), id)), [0, 1], "the run that made room is given back");
}

/// The sign of what each of the first two attempts was charged in the end.
async fn charged(location: Location, job: base::JobId) -> [i64; 2] {
    let store = SqlStore::open(&location).await.expect("the store opens after the server has stopped");
    let page = store.intervals(job, PageRequest::first(1_000)).await.expect("intervals");
    let of = |attempt| page.items.iter().filter(move |one| one.attempt.number == attempt);
    assert!(of(1).next().is_some(), "it was billed before");
    let signs = [1, 2].map(|attempt| of(attempt).map(|one| one.charge.0).sum::<i64>().signum());
    store.close().await;
    signs
}
