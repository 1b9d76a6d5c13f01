//! The tenants' side: short jobs of several shapes, handed in from several lanes, each under its own key until it is accepted.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base::Seed;
use client::Client;
use tokio::task::JoinHandle;
use wire::job::JobsQuery;
use wire::submit::{JobSubmit, OptionValue};

use crate::support::{client_of, script};
use crate::world::World;

const LANES: u64 = 4;
/// Between two submissions of one lane: the clusters of a small machine end some 40 jobs a second, so that the queue stays short enough
/// for faults to meet jobs in every phase.
const PAUSE: Duration = Duration::from_millis(60);

/// Jobs on their way in.
pub struct Load {
    runtime: tokio::runtime::Runtime,
    lanes: Mutex<Vec<JoinHandle<()>>>,
    /// Job number by key.
    accepted: Arc<Mutex<BTreeMap<u64, u64>>>,
    client: Client,
}

impl Load {
    pub fn begin(world: &World, jobs: u64, seed: &Seed) -> Load {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let client = client_of(&world.server());
        let accepted = Arc::new(Mutex::new(BTreeMap::new()));
        let mut lanes = Vec::new();
        for lane in 0..LANES {
            let keys: Vec<u64> = (0..jobs).filter(|key| key % LANES == lane).collect();
            let task = submit(client.clone(), accepted.clone(), world.ran(), keys, seed.child(lane));
            lanes.push(runtime.spawn(task));
        }
        Load { runtime, lanes: Mutex::new(lanes), accepted, client }
    }

    /// Waits until every job is accepted.
    pub fn wait_submitted(&self) {
        let lanes = std::mem::take(&mut *self.lanes.lock().expect("no panic"));
        self.runtime.block_on(async {
            for lane in lanes {
                lane.await.expect("the load does not panic");
            }
        });
    }

    /// Waits until no job is open; what was accepted.
    ///
    /// # Panics
    /// With what is still open after `most`.
    pub fn wait_ended(&self, world: &World, most: Duration) -> BTreeMap<u64, u64> {
        let begun = Instant::now();
        loop {
            let query = JobsQuery { state: Some("PENDING,HELD,RUNNING,COMPLETING".into()), ..JobsQuery::default() };
            if let Ok(page) = self.runtime.block_on(self.client.jobs(&query).take(20)) {
                if page.items.is_empty() {
                    return self.accepted.lock().expect("no panic").clone();
                }
                if begun.elapsed() > most {
                    for job in page.items.iter().take(5) {
                        let number = job.number.to_string();
                        println!("{:#?}", self.runtime.block_on(self.client.job(&number)));
                        println!(
                            "{:#?}",
                            self.runtime.block_on(self.client.job_events(&number).take(50)).map(|p| p.items)
                        );
                    }
                    panic!("jobs are still open:\n{}", world.tell());
                }
            }
            std::thread::park_timeout(Duration::from_millis(200));
        }
    }
}

/// One lane.
async fn submit(
    client: Client,
    accepted: Arc<Mutex<BTreeMap<u64, u64>>>,
    ran: std::path::PathBuf,
    keys: Vec<u64>,
    seed: Seed,
) {
    let mut chance = seed.stream();
    for key in keys {
        let job = job(key, &ran, chance.below(4) + 1, chance.below(10));
        loop {
            match client.submit(&job, Some(&format!("chaos-{key}"))).await {
                Ok(answer) => {
                    accepted.lock().expect("no panic").insert(key, answer.number);
                    break;
                }
                Err(error) if error.is_passing() => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(error) => panic!("a submission was refused: {error}"),
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Leaves a line in a file of its own at its start and another at its end; works up to half a second between the two.
fn job(key: u64, ran: &Path, cores: u64, tenths: u64) -> JobSubmit {
    let file = ran.join(key.to_string());
    let file = file.display();
    let mut job = script(&format!(
        "echo \"start $HW_ATTEMPT $SLURM_JOB_ID\" >> {file}\nsleep 0.{}\necho \"end $HW_ATTEMPT $SLURM_JOB_ID\" >> {file}",
        tenths / 2
    ));
    let text = |text: String| OptionValue::Text(text);
    job.options = BTreeMap::from([
        ("ntasks".to_owned(), text("1".into())),
        ("cpus-per-task".to_owned(), text(cores.to_string())),
        ("mem".to_owned(), text("64M".into())),
        ("time".to_owned(), text("10".into())),
        ("requeue".to_owned(), OptionValue::Flag(true)),
        // Names as people choose them; nothing may come of them on the way.
        ("job-name".to_owned(), text(format!("chaos '$(touch {file}.bad)' \"{key}\" ; 混沌𝄞"))),
    ]);
    job
}
