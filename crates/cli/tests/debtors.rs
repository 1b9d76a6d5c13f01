//! From an empty wallet to an account that takes in nothing at the site, and back: the server's own task with a real slurmdbd, over a
//! restart, on a cluster that the server reaches itself and on one whose agent dials in. Skipped with a message where Slurm is not installed.
#![allow(clippy::print_stdout, reason = "figures for whoever reads the run, and why it was skipped")]

mod support;

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use client::Client;
use serde_json::json;
use support::{HW, LONG, Place, client_of};
use testkit::hw::free_address;
use testkit::slurm::{Accounting, Cluster, ClusterSpec, Farm, NodeSet};
use testkit::{Hw, wait_for};
use tokio::runtime::Runtime;
use wire::cluster::ClusterCreate;
use wire::money::TopUp;
use wire::people::{TenantCreate, UserCreate};
use wire::sites::SiteEnroll;

/// Looks at a cluster come once a minute; a look and Slurm's own pace are within the rest.
const PERIOD: Duration = Duration::from_secs(90);
/// Between two looks at the books: each is a process, and each job that is tried fills the limit for a moment.
const PACE: Duration = Duration::from_millis(500);

/// A cluster with books where people of two tenants may submit past the platform.
fn books() -> Accounting {
    Accounting::default()
        .enforce("associations,limits")
        .sacctmgr(&["add", "account", "t-lab", "set", "GrpSubmitJobs=7"])
        .sacctmgr(&["add", "account", "u-ying"])
        .sacctmgr(&["add", "account", "t-dock"])
        .sacctmgr(&["add", "user", "root", "account=t-lab,u-ying,t-dock"])
}

/// One user has an account of her own, all others that of their tenant.
fn rules() -> serde_json::Value {
    json!([{"user": "ying", "account": "u-{user}"}, {"account": "t-{tenant}"}])
}

struct Bed {
    client: Client,
    runtime: Runtime,
}

impl Bed {
    fn new(server: &Hw) -> Bed {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let bed = Bed { client: client_of(server), runtime };
        for tenant in ["lab", "dock"] {
            let new = TenantCreate { name: tenant.into(), ..TenantCreate::default() };
            bed.runtime.block_on(bed.client.create_tenant(&new)).expect("a tenant");
            bed.pay(tenant, "50");
        }
        let user = json!({"name": "ying", "role": "member", "tenant": "lab", "password": "something long to guess"});
        let user: UserCreate = serde_json::from_value(user).expect("a user");
        bed.runtime.block_on(bed.client.create_user(&user)).expect("a user");
        bed
    }

    fn pay(&self, tenant: &str, amount: &str) {
        let top_up: TopUp = serde_json::from_value(json!({"amount": amount})).expect("an amount");
        self.runtime.block_on(self.client.top_up(tenant, &top_up, None)).expect("a payment");
    }

    fn remarks(&self, cluster: &str) -> Vec<String> {
        let all = self.runtime.block_on(self.client.clusters().take(10)).expect("clusters").items;
        all.into_iter().find(|known| known.name == cluster).map_or_else(Vec::new, |known| known.remarks)
    }
}

/// Somebody submits past the platform.
fn takes(cluster: &Cluster, account: &str) -> bool {
    cluster.sbatch(&[format!("--account={account}"), "-o/dev/null".into()], "#!/bin/sh\n").is_ok()
}

fn limit(cluster: &Cluster, account: &str) -> String {
    let of = format!("account={account}");
    let words = ["sacctmgr", "-nP", "show", "assoc", &of, "user=", "format=grpsubmitjobs"];
    cluster.run(&words).expect("an answer").trim().to_owned()
}

/// Waits until the limits of the tenant `lab` are these, within the period, and whoever submits feels them; how long it took.
fn until_lab(cluster: &Cluster, limits: [&str; 2], about: &dyn Fn() -> String) {
    let begun = Instant::now();
    let accounts = ["t-lab", "u-ying"];
    wait_for(&format!("the limits of `lab` to be {limits:?}\n{}", about()), PERIOD, || {
        std::thread::park_timeout(PACE);
        (accounts.map(|account| limit(cluster, account)) == limits).then_some(())
    });
    println!("limits {limits:?} after {:.1} s", begun.elapsed().as_secs_f64());
    // The controller hears of it from slurmdbd a moment later.
    let open = limits[0] != "0";
    wait_for("the controller to follow", LONG, || {
        std::thread::park_timeout(PACE);
        accounts.iter().all(|account| takes(cluster, account) == open).then_some(())
    });
    assert!(takes(cluster, "t-dock"), "who pays is left alone");
}

/// One cluster whose accounting has accounts of tenants and people; nothing where there is no Slurm.
fn farm() -> Option<(Place, Farm)> {
    if let Some(why) = Farm::unavailable() {
        println!("skipped: {why}");
        return None;
    }
    let place = Place::new();
    let mut farm = Farm::new(place.path().join("farm")).expect("a farm");
    farm.start([ClusterSpec::new("books").nodes(NodeSet::new(1)).accounting(books())]).expect("a cluster");
    Some((place, farm))
}

/// The wallet runs dry, the server is killed and started, money comes: what the accounts take at each step.
fn dry_and_wet_again(server: &mut Hw, bed: &Bed, cluster: &Cluster, about: &dyn Fn() -> String) {
    assert!(["t-lab", "u-ying", "t-dock"].iter().all(|account| takes(cluster, account)), "all have money");
    bed.pay("lab", "-50");
    until_lab(cluster, ["0", "0"], about);
    server.kill();
    server.start();
    assert!(!takes(cluster, "t-lab") && takes(cluster, "t-dock"), "a restart changes nothing");
    bed.pay("lab", "20");
    // As the site had it.
    until_lab(cluster, ["7", ""], about);
}

#[test]
fn farm_the_servers_task_stops_accounts_of_debtors() {
    let Some((place, farm)) = farm() else { return };
    let cluster = farm.cluster("books");
    let mut server = place.server(1, "");
    server.start();
    let bed = Bed::new(&server);
    let slurm = json!({
        "way": {"kind": "command", "tools": {"slurm_conf": cluster.conf()}},
        "work_root": place.shared("work"),
        "identity": {"stop_debtors": true, "rules": rules()},
    });
    let new = json!({"name": "books", "supplier": "hpc", "mode": "partner", "slurm": slurm});
    let new: ClusterCreate = serde_json::from_value(new).expect("a cluster");
    bed.runtime.block_on(bed.client.register_cluster(&new)).expect("it is registered");
    dry_and_wet_again(&mut server, &bed, cluster, &String::new);
    assert_eq!(bed.remarks("books"), [""; 0], "nothing is amiss");
    server.terminate();
}

/// `hw site`, ended with the test.
struct Agent(Child);

impl Agent {
    fn start(place: &Path, config: &str, told: &wire::sites::SiteEnrolled) -> Agent {
        let file = place.join("slurm.toml");
        std::fs::write(&file, config).expect("a configuration");
        let log = File::create(place.join("site.log")).expect("a log");
        let mut command = Command::new(HW);
        command.arg("site").arg("--state").arg(place.join("site")).arg("--slurm").arg(&file);
        command.args(["--join", &told.address, "--pin", &told.pin, "--token", &told.token]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).env("HW_LANG", "en");
        Agent(command.spawn().expect("the agent starts"))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn farm_accounts_of_debtors_are_stopped_through_a_sites_agent() {
    let Some((place, farm)) = farm() else { return };
    let cluster = farm.cluster("books");
    let door = free_address();
    let mut server = place.server(1, &format!("[site]\nlisten = '{door}'\nadvertise = '{door}'\n"));
    server.start();
    let bed = Bed::new(&server);
    let site = SiteEnroll {
        name: "harbour".into(),
        backend: Some(wire::Backend::Slurm),
        supplier: Some("portco".into()),
        testing: false,
    };
    let told = bed.runtime.block_on(bed.client.enroll_site(&site)).expect("an enrolment");
    let config = format!(
        "work_root = \"{}\"\n[way]\nkind = \"command\"\ntools = {{ slurm_conf = \"{}\" }}\n[identity]\nstop_debtors = true\n\
         [[identity.rules]]\nuser = \"ying\"\naccount = \"u-{{user}}\"\n[[identity.rules]]\naccount = \"t-{{tenant}}\"\n",
        place.shared("work").display(),
        cluster.conf().display()
    );
    let _agent = Agent::start(place.path(), &config, &told);
    wait_for("the site's pool", LONG, || {
        let pools = bed.runtime.block_on(bed.client.pools().take(10)).ok()?;
        pools.items.iter().any(|pool| pool.name.starts_with("harbour-")).then_some(())
    });
    let log = place.path().join("site.log");
    let about = || std::fs::read_to_string(&log).unwrap_or_default();
    dry_and_wet_again(&mut server, &bed, cluster, &about);
    assert_eq!(bed.remarks("harbour"), [""; 0], "nothing is amiss");
    server.terminate();
}
