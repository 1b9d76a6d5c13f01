//! A small platform runs real jobs, is corrected, and its exports are reckoned again by a program that shares nothing with it.

mod support;

use std::path::Path;
use std::process::{Command, Output};

use base::Money;
use support::{LONG, Place, client_of, script, state};
use testkit::{Hw, wait_for};

const RECOMPUTE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/recompute.py");

/// Bands at all hours, minima, rounding and steps, so that every kind of price is at work. Work of high class is dearer.
const PRICES: &str = r#"
name = "all-kinds"
currency = "CNY"
utc_offset = "+08:00"
[[items]]
unit = "core_hour"
price = "36"
round_up = "second"
minimum = "0.003"
bands = [{ from = "00:00", to = "12:00", factor = "1.333333" }, { days = ["sat", "sun"], price = "41.000001" }]
[[items]]
unit = "core_hour"
class = "high"
price = "720"
steps = [{ above = 1, price = "360" }, { above = 2, factor = "0.333333" }]
[[items]]
unit = "gib_hour"
price = "7.777777"
[[items]]
unit = "gib_moved"
price = "0.123457"
steps = [{ above = 1, factor = "0.500001" }]
[[items]]
unit = "kilotoken"
price = "0.001009"
bands = [{ from = "00:00", to = "12:00", factor = "0.7" }]
[[items]]
unit = "kilotoken"
model = "qwen-72b"
price = "0.004003"
[[items]]
unit = "kilotoken"
model = "qwen-72b"
kind = "output"
price = "0.012007"
steps = [{ above = 1, factor = "0.750001" }]
[[items]]
unit = "kilotoken"
kind = "output"
product = "maas"
price = "0.002003"
[[items]]
unit = "request"
price = "0.000003"
minimum = "0.000007"
"#;

fn hw(server: &Hw, words: &[&str], code: i32) -> String {
    let done = server.run(words);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(done.status.code(), Some(code), "{words:?}\n{said}\n{}", String::from_utf8_lossy(&done.stderr));
    said
}

fn recompute(folder: &Path) -> Output {
    Command::new("python3").arg(RECOMPUTE).arg(folder).output().expect("python3 runs")
}

/// Runs it on a copy in which one field of one row is another.
fn tampered(folder: &Path, file: &str, column: &str, value: &str) {
    changed(folder, file, |text| {
        let mut lines: Vec<String> = text.split("\r\n").map(str::to_owned).collect();
        let at = lines[0].split(',').position(|head| head == column).expect("the column");
        let mut fields: Vec<&str> = lines[1].split(',').collect();
        assert_ne!(fields[at], value);
        fields[at] = value;
        lines[1] = fields.join(",");
        lines.join("\r\n")
    });
}

/// Runs it on a copy in which one file is another.
fn changed(folder: &Path, file: &str, change: impl FnOnce(&str) -> String) {
    let copy = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(folder).expect("exports").flatten() {
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("a copy");
    }
    let path = copy.path().join(file);
    let text = std::fs::read_to_string(&path).expect("an export");
    let other = change(&text);
    assert_ne!(other, text);
    std::fs::write(&path, other).expect("written");
    let done = recompute(copy.path());
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(done.status.code(), Some(1), "{file}: {said}\n{}", String::from_utf8_lossy(&done.stderr));
}

/// A server that bills short jobs in several stretches.
fn metered_often() -> (Place, Hw) {
    let place = Place::new();
    let settings = "credit_limit = '100000'\n[metering]\ninterval = '200ms'\nlag = '100ms'\n";
    let mut server = place.server(2, settings);
    server.start();
    (place, server)
}

/// Reports traffic, tokens and requests from a file, twice; some of it is for nobody.
fn used(place: &Place, server: &Hw) {
    let file = place.path().join("usage.csv");
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut text = "id,tenant,unit,pieces,from,product,label,model,kind\n".to_owned();
    for (n, (unit, pieces)) in [("gib_moved", 900_000_000u64), ("kilotoken", 1_234), ("request", 5), ("gib_month", 1)]
        .iter()
        .cycle()
        .take(24)
        .enumerate()
    {
        let model = if *unit == "kilotoken" { ["qwen-72b,output", "qwen-72b,", ",output"][n / 4 % 3] } else { "," };
        text.push_str(&format!("r-{n},house,{unit},{},{now},maas,\"m, {}\",{model}\n", pieces + n as u64, n % 3));
    }
    text.push_str(&format!("r-x,nobody,request,1,{now},,,,\n"));
    std::fs::write(&file, text).expect("a file of usage");
    let path = file.display().to_string();
    for again in [0, 18] {
        let told: serde_json::Value =
            serde_json::from_str(&hw(server, &["usage", "report", &path, "--source", "gateway", "--json"], 0))
                .expect("JSON");
        assert_eq!([&told["booked"], &told["again"], &told["refused"]], [18, again, 7], "{told}");
    }
    let sums = hw(server, &["usage", "sums"], 0);
    assert!(sums.contains("gib_moved") && sums.contains("kilotoken") && !sums.contains("gib_month"), "{sums}");
    assert!(sums.contains("qwen-72b") && sums.contains("output"), "{sums}");
    let bill = hw(server, &["bill", "--tenant", "house"], 0);
    assert!(bill.contains("qwen-72b") && bill.contains("gib_moved"), "{bill}");
    assert!(hw(server, &["usage", "list", "--unit", "request", "--limit", "2"], 0).contains("m, "));
    let of_model = hw(server, &["usage", "list", "--model", "qwen-72b"], 0);
    assert_eq!((of_model.matches("qwen-72b").count(), of_model.lines().count()), (4, 4), "{of_model}");
}

#[test]
fn exports_are_reckoned_again_to_the_last_unit() {
    let (place, mut server) = metered_often();
    let client = client_of(&server);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let book = place.path().join("prices.toml");
    std::fs::write(&book, PRICES).expect("a price book");
    let run = |text: &str, key: &str| {
        let job = runtime.block_on(client.submit(&script(text), Some(key))).expect("a job");
        let number = job.number.to_string();
        let over = || runtime.block_on(state(&client, &number)).filter(|state| state == "COMPLETED").map(drop);
        wait_for(&format!("job {number}"), LONG, over);
        number
    };
    let first = run("#SBATCH -n 1 -t 5 --mem 64M\nsleep 0.7", "first");
    hw(&server, &["prices", "publish", &book.display().to_string(), "--yes"], 0);
    run("#SBATCH -n 1 -t 5 --mem 64M\nsleep 0.9", "second");
    // A grant that is used up by the next job, whose wallet pays the rest; and one that is for other work, and revoked.
    let until =
        (jiff::Timestamp::now() + jiff::SignedDuration::from_mins(20)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let give =
        ["grants", "give", "house", "0.05", "--to", &until, "-A", "default", "-u", "admin", "--note", "first steps"];
    assert!(hw(&server, &give, 0).contains("first steps"));
    let give = ["grants", "give", "house", "7", "--to", &until, "--product", "render", "--note", "films"];
    assert!(hw(&server, &give, 0).contains("product=render"));
    run("#SBATCH -n 2 -t 5 --mem 96M --qos high\nsleep 1.1", "third");
    let told = hw(&server, &["grants", "list", "--json"], 0);
    assert!(told.contains("\"drawn\":\"0.05\"") || told.contains("\"drawn\": \"0.05\""), "{told}");
    let told = hw(&server, &["grants", "revoke", "2", "--note", "no films", "--yes"], 0);
    assert!(told.contains("revoked"), "{told}");
    run("#SBATCH -n 1 -t 5 --mem 64M --qos high\nsleep 0.3", "fourth");
    // Less than a core-second is committed: the next job draws all of it, and pays the price beyond.
    let contract = place.path().join("contract.toml");
    let ends = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(10);
    let terms = format!(
        "name = 'little'\nto = '{}'\nfee = '3'\n[[commit]]\nunit = 'core_hour'\nhours = 1\nfee = '1000'\noverage = '12.5'\n\
         [[include]]\nunit = 'gib_moved'\nquantity = 300\n",
        ends.strftime("%Y-%m-%dT%H:%M:%SZ")
    );
    std::fs::write(&contract, terms).expect("a contract");
    hw(&server, &["contracts", "sign", "house", &contract.display().to_string(), "--yes"], 0);
    run("#SBATCH -n 1 -t 5 --mem 64M\nsleep 1.6", "fifth");
    run("#SBATCH -n 1 -t 5 --mem 64M\nsleep 0.2", "sixth");
    assert!(hw(&server, &["contracts", "show", "1"], 0).contains("core_hour"));
    let said = hw(&server, &["correct", "house", "-0.005", "--job", &first, "--reason", "=late & <slow>"], 0);
    assert!(said.is_empty(), "talk goes to standard error: {said}");
    assert!(hw(&server, &["show", &first], 0).contains("-0.005"), "both truths are shown");
    hw(&server, &["correct", "house", "0.25", "--reason", "a licence"], 0);
    used(&place, &server);
    hw(&server, &["statements", "close"], 0);
    assert!(hw(&server, &["statements", "--json"], 0).contains("[]"), "no month is over yet");

    let folder = place.path().join("books");
    std::fs::create_dir(&folder).expect("a folder");
    for what in [
        "prices",
        "intervals",
        "transfers",
        "statements",
        "accounts",
        "corrections",
        "contracts",
        "contract_months",
        "grants",
        "usage",
    ] {
        let file = folder.join(format!("{what}.csv")).display().to_string();
        hw(&server, &["export", what, "--csv", "-o", &file], 0);
    }
    let done = recompute(&folder);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(done.status.code(), Some(0), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    assert!(said.contains(" 0 faults") && !said.contains("not reckoned"), "{said}");
    tampered(&folder, "intervals.csv", "charge", "0.000001");
    tampered(&folder, "intervals.csv", "cpu_millis", "7000");
    tampered(&folder, "transfers.csv", "amount", "123456.000000");
    tampered(&folder, "accounts.csv", "debits", "123456.000000");
    tampered(&folder, "contract_months.csv", "earned", "0.000001");
    tampered(&folder, "grants.csv", "back", "0.000001");
    changed(&folder, "grants.csv", |text| text.replace(",default,admin", ",other,admin"));
    changed(&folder, "grants.csv", |text| text.replace(",default,admin", ",default,other"));
    tampered(&folder, "usage.csv", "unit", "kilotoken");
    tampered(&folder, "usage.csv", "charge", "0.123456");
    tampered(&folder, "usage.csv", "included", "1");
    server.terminate().expect("it ran");
}

#[test]
fn a_margin_in_another_currency_takes_a_rate_that_people_told() {
    let (_place, mut server) = metered_often();
    let client = client_of(&server);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let job = runtime.block_on(client.submit(&script("#SBATCH -n 2 -t 5 --mem 64M\nsleep 0.7"), Some("one")));
    let number = job.expect("a job").number.to_string();
    let over = || runtime.block_on(state(&client, &number)).filter(|state| state == "COMPLETED").map(drop);
    wait_for(&format!("job {number}"), LONG, over);
    let margin = |words: &[&str], code: i32| hw(&server, &[&["report", "margin", "--json"], words].concat(), code);
    margin(&["--currency", "USD"], 2);
    let told = hw(&server, &["rates", "set", "CNY", "USD", "0.14", "--from", "2020-01-01"], 0);
    assert!(told.contains("0.14") && told.contains("2020-01-01"), "{told}");
    // Another word about the day needs a reason, and the first stays listed.
    hw(&server, &["rates", "set", "CNY", "USD", "0.5", "--from", "2020-01-01"], 2);
    hw(&server, &["rates", "set", "CNY", "USD", "0.5", "--from", "2020-01-01", "--reason", "misread"], 0);
    hw(&server, &["rates", "set", "CNY", "USD", "half"], 2);
    assert!(hw(&server, &["export", "rates"], 0).contains("1,CNY,USD,0.14,2020-01-01,false,"));
    let listed: serde_json::Value =
        serde_json::from_str(&hw(&server, &["rates", "list", "--into", "USD", "--json"], 0)).expect("JSON");
    let holds: Vec<_> = listed["items"].as_array().expect("rates").iter().map(|one| &one["holds"]).collect();
    assert_eq!(holds, [true, false], "{listed}");
    let total = |words: &[&str]| -> (String, Money) {
        let report: serde_json::Value = serde_json::from_str(&margin(words, 0)).expect("JSON");
        let row = &report["total"][0];
        let revenue = row["revenue"].as_str().expect("an amount").parse().expect("an amount");
        (row["currency"].as_str().expect("a currency").to_owned(), revenue)
    };
    let (yuan, dollars) = (total(&[]), total(&["--currency", "USD"]));
    assert_eq!((yuan.0.as_str(), dollars.0.as_str()), ("CNY", "USD"));
    // One day and one kind of work: a half, to the even micro-unit.
    let micros = yuan.1.micros();
    assert!(micros > 0 && dollars.1.micros() == micros / 2 + ((micros / 2) & micros & 1), "{yuan:?} {dollars:?}");
    server.terminate().expect("it ran");
}
