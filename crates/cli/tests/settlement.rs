//! A partner's machine runs real jobs, its statement comes with errors, and the program finds, settles and books them.

mod support;

use std::process::{Child, Command, Stdio};

use base::{Money, Span};
use serde_json::Value;
use store::{Location, PageRequest, SqlStore};
use support::{HW, LONG, Place, audit, client_of, script, state};
use testkit::hw::free_address;
use testkit::{Hw, wait_for};
use wire::cost::{PoolCostSet, SupplierFee};
use wire::sites::SiteEnroll;

/// The partner's agent.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server and a partner's machine with one pool that takes 36 a core-hour.
fn bed(place: &Place) -> (Hw, tokio::runtime::Runtime, client::Client, Agent) {
    let door = free_address();
    let settings = format!(
        "credit_limit = '100000'\n[site]\nlisten = '{door}'\nadvertise = '{door}'\n[metering]\ninterval = '200ms'\nlag = '100ms'\n"
    );
    let mut server = place.server(2, &settings);
    server.start();
    let client = client_of(&server);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let pools = place.path().join("pools.toml");
    let jobs = place.shared("site-jobs");
    let text = format!("dir = \"{}\"\n[[pool]]\nname = \"edge\"\ncores = 4\nmemory = \"4G\"\n", jobs.display());
    std::fs::write(&pools, text).expect("a file of pools");
    let site =
        SiteEnroll { name: "harbour".into(), backend: None, supplier: Some("harbour-hpc".into()), testing: false };
    let enrolled = runtime.block_on(client.enroll_site(&site)).expect("an enrolment");
    let log = std::fs::File::create(place.path().join("site.log")).expect("a log");
    let mut agent = Command::new(HW);
    agent.arg("site").arg("--state").arg(place.path().join("site")).arg("--local").arg(&pools);
    agent.args(["--join", &enrolled.address, "--pin", &enrolled.pin, "--token", &enrolled.token]);
    agent.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let agent = Agent(agent.spawn().expect("the agent starts"));
    wait_for("the partner's pool", LONG, || {
        let pools = runtime.block_on(client.pools().take(10)).ok()?;
        pools.items.iter().any(|pool| pool.name == "harbour-edge").then_some(())
    });
    let core_hour = Some(wire::MoneyText(Money::from_units(36)));
    let set = PoolCostSet { cost: None, fee: Some(SupplierFee { core_hour, ..SupplierFee::default() }) };
    runtime.block_on(client.set_pool_cost("harbour-edge", &set)).expect("a fee");
    (server, runtime, client, agent)
}

#[test]
fn a_partners_statement_is_matched_settled_booked_and_paid() {
    let place = Place::new();
    let (mut server, runtime, client, agent) = bed(&place);
    let hw = |server: &Hw, words: &[&str], code: i32| -> String {
        let done = server.run(words);
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert_eq!(done.status.code(), Some(code), "{words:?}\n{said}\n{}", String::from_utf8_lossy(&done.stderr));
        said
    };
    let mut jobs = Vec::new();
    for seconds in ["0.4", "0.6", "0.8", "1.0"] {
        let text = format!("#SBATCH -p harbour-edge -n 2 -t 5 --mem 64M\nsleep {seconds}");
        jobs.push(runtime.block_on(client.submit(&script(&text), Some(seconds))).expect("a job"));
    }
    for job in &jobs {
        let number = job.number.to_string();
        let done = || runtime.block_on(state(&client, &number)).filter(|state| state == "COMPLETED").map(drop);
        wait_for(&format!("job {number} to end"), LONG, done);
    }
    server.terminate().expect("it ran");
    // What was metered, read from the tables; the amounts as the partner's own accounting would have them.
    let folder = Location::Folder(server.data().to_path_buf());
    let rows = runtime.block_on(async {
        let store = SqlStore::open(&folder).await.expect("the store opens");
        let mut rows = Vec::new();
        for job in &jobs {
            let all =
                store.intervals(job.job.expect("an id"), PageRequest::first(1_000)).await.expect("intervals").items;
            let fee: Money = all.iter().map(|i| i.cost.fee).sum();
            let sign = |fee: Money| if fee.is_negative() { -1 } else { 1 };
            let micros: i64 = all.iter().map(|i| (i.to - i.from).as_micros() * sign(i.cost.fee)).sum();
            rows.push((all[0].attempt, 2 * micros, fee));
        }
        store.close().await;
        rows
    });
    server.start();
    assert!(rows.iter().all(|(_, _, fee)| *fee > Money(4_000)), "{rows:?}");
    let [right, long, twice, dropped] = &rows[..] else { unreachable!() };
    let line = |attempt: &str, micros: i64, fee: i64| {
        format!("{attempt},{}.{:06},{}\n", micros / 1_000_000, micros % 1_000_000, Money(fee))
    };
    let csv = [
        "attempt,core seconds,net\n".to_owned(),
        line(&right.0.to_string(), right.1, right.2.0),
        line(&long.0.to_string(), long.1 * 3, long.2.0 * 3),
        line(&twice.0.to_string(), twice.1, twice.2.0),
        line(&twice.0.to_string(), twice.1, twice.2.0),
        line("att_000000000000000000000000000000ff_1", 1_000_000, 10_000),
    ];
    let (file, mapping) = (place.path().join("statement.csv"), place.path().join("mapping.toml"));
    std::fs::write(&file, csv.concat()).expect("a statement");
    let now = base::Timestamp::parse(&client_now(&runtime, &client)).expect("a time");
    let text = format!(
        "supplier = \"harbour-hpc\"\nstatement = \"2026/1\"\nfrom = \"{}\"\nto = \"{}\"\ncurrency = \"CNY\"\n\
         [columns]\nattempt = \"attempt\"\namount = \"net\"\nquantity = {{ core_seconds = \"core seconds\" }}\n\
         [tolerance]\namount = \"0.00001\"\nper_mille = 5\n",
        (now - Span::from_hours(24)).rfc3339(),
        (now + Span::from_hours(24)).rfc3339(),
    );
    std::fs::write(&mapping, text).expect("a mapping");
    let (file, mapping) = (file.to_string_lossy().into_owned(), mapping.to_string_lossy().into_owned());
    hw(&server, &["settle", "mapping", "harbour-hpc"], 3);
    hw(&server, &["settle", "import", &file, "--mapping", &mapping, "--keep"], 0);
    // The mapping that was kept reads the next one.
    assert!(hw(&server, &["settle", "mapping", "harbour-hpc"], 0).contains("core_seconds = \"core seconds\""));
    let from_a_spreadsheet = in_gbk(&place, &csv);
    let next = ["settle", "import", &from_a_spreadsheet, "--supplier", "harbour-hpc", "--statement", "2026/2"];
    hw(&server, &next, 2);
    let next = [&next[..], &["--from", "now-1d", "--to", "now"]].concat();
    assert!(hw(&server, &[&next[..], &["--json"]].concat(), 0).contains("2026/2"));
    let shown = hw(&server, &["settle", "show", "2", "--json"], 0);
    assert_eq!(shown.matches("\"only_theirs\"").count(), 2, "its last line, in the list and in the sums: {shown}");
    hw(&server, &["settle", "withdraw", "2"], 0);
    // Once.
    hw(&server, &["settle", "import", &file, "--mapping", &mapping], 5);
    let shown: Value = serde_json::from_str(&hw(&server, &["settle", "show", "1", "--json"], 0)).expect("JSON");
    let verdicts: Vec<&str> =
        shown["lines"].as_array().expect("lines").iter().filter_map(|l| l["verdict"].as_str()).collect();
    assert_eq!(verdicts, ["matched", "quantity", "matched", "duplicated", "only_theirs", "only_ours"], "{shown:#}");
    assert_eq!(hw(&server, &["settle", "show", "1", "--only", "differing"], 0).matches("open").count(), 5);
    hw(&server, &["settle", "resolve", "1", "2", "--ours", "--note", "our clock"], 0);
    hw(&server, &["settle", "resolve", "1", "--every", "duplicated", "--ours"], 0);
    hw(&server, &["settle", "resolve", "1", "5", "--amount", "0.005"], 0);
    hw(&server, &["settle", "accept", "1", "--yes"], 5);
    hw(&server, &["settle", "resolve", "1", "6", "--theirs"], 0);
    hw(&server, &["settle", "accept", "1", "--yes"], 0);
    hw(&server, &["settle", "pay", "1", "--memo", "bank 7"], 0);
    let listed: Value = serde_json::from_str(&hw(&server, &["settle", "--json"], 0)).expect("JSON");
    assert_eq!(
        (&listed["items"][1]["state"], &listed["items"][1]["paid"]),
        (&"accepted".into(), &listed["items"][1]["payable"])
    );

    drop(agent);
    server.terminate().expect("it ran");
    let payable = right.2 + long.2 + twice.2 + Money(5_000);
    let balances = runtime.block_on(async {
        let store = SqlStore::open(&folder).await.expect("the store opens");
        let accounts = store.accounts().await.expect("accounts");
        let of = |end: &str| accounts.iter().find(|a| a.code.as_str().ends_with(end)).map(|a| (a.balance(), a.credits));
        let found = (of("/accrued"), of("/payable"), of("/settlement-difference"));
        store.close().await;
        found
    });
    let all: Money = rows.iter().map(|(_, _, fee)| *fee).sum();
    let (accrued, owed, difference) = balances;
    assert_eq!(accrued.map(|a| a.0), Some(Money::ZERO));
    assert_eq!(owed.map(|a| a.0), Some(Money::ZERO));
    assert_eq!(difference.map(|a| a.0), Some(payable - all), "{dropped:?}");
    let books = runtime.block_on(audit(folder));
    books.expect_clean();
}

/// The same statement with a column of remarks, as spreadsheets of China save it; longer than a script may be.
fn in_gbk(place: &Place, csv: &[String]) -> String {
    let remark = "超算作业".repeat(700_000 / csv.len());
    let texts = ["备注"].into_iter().chain(std::iter::repeat(remark.as_str()));
    let lines = csv.iter().zip(texts).map(|(line, remark)| format!("{},{remark}\r\n", line.trim_end()));
    let file = place.path().join("from-a-spreadsheet.csv");
    let text: String = lines.collect();
    let (bytes, _, broken) = encoding_rs::GBK.encode(&text);
    assert!(!broken && bytes.len() > 4 << 20);
    std::fs::write(&file, bytes).expect("a statement");
    file.to_string_lossy().into_owned()
}

/// When the first job was handed in, by the server.
fn client_now(runtime: &tokio::runtime::Runtime, client: &client::Client) -> String {
    runtime.block_on(client.job("1")).expect("a job").summary.submitted_at.to_string()
}
