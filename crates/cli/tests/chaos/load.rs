//! The tenants' side: short jobs of several shapes, handed in from several lanes, each under its own key until it is accepted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base::Seed;
use client::Client;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use wire::job::JobsQuery;
use wire::submit::{JobSubmit, OptionValue};

use crate::support::{client_of, script};
use crate::world::World;

const LANES: u64 = 4;
/// Between two submissions of one lane.
const PAUSE: Duration = Duration::from_millis(30);
/// Nothing more is handed in while so many jobs are open: faults shall meet jobs in every phase until the last have come in, however
/// fast the machine is.
const OPEN_MAX: usize = 200;
/// Between two looks at how many are open.
const LOOK: Duration = Duration::from_millis(300);
const OPEN: &str = "PENDING,HELD,RUNNING,COMPLETING";

/// Jobs on their way in.
pub struct Load {
    runtime: tokio::runtime::Runtime,
    lanes: Mutex<Vec<JoinHandle<()>>>,
    gate: JoinHandle<()>,
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
        let (open, room) = watch::channel(0);
        let gate = runtime.spawn(look_at_open(client.clone(), open));
        let mut lanes = Vec::new();
        for lane in 0..LANES {
            let seed = seed.child(lane);
            let keys: Vec<u64> = (0..jobs).filter(|key| key % LANES == lane).collect();
            let lane =
                Lane { client: client.clone(), accepted: accepted.clone(), ran: world.ran(), room: room.clone() };
            lanes.push(runtime.spawn(lane.submit(keys, seed)));
        }
        Load { runtime, lanes: Mutex::new(lanes), gate, accepted, client }
    }

    /// Waits until every job is accepted.
    pub fn wait_submitted(&self) {
        let lanes = std::mem::take(&mut *self.lanes.lock().expect("no panic"));
        self.runtime.block_on(async {
            for lane in lanes {
                lane.await.expect("the load does not panic");
            }
        });
        self.gate.abort();
    }

    /// Waits until no job is open; what was accepted.
    ///
    /// # Panics
    /// With what is still open after `most`.
    pub fn wait_ended(&self, world: &World, most: Duration) -> BTreeMap<u64, u64> {
        let begun = Instant::now();
        loop {
            let query = JobsQuery { state: Some(OPEN.into()), ..JobsQuery::default() };
            if let Ok(page) = self.runtime.block_on(self.client.jobs(&query).take(20)) {
                if page.items.is_empty() {
                    return self.accepted.lock().expect("no panic").clone();
                }
                if begun.elapsed() > most {
                    let open: String = page.items.iter().take(3).map(|job| self.tell(job.number)).collect();
                    let (jobs, secs) = (page.items.len(), most.as_secs());
                    panic!("{jobs} jobs are open {secs} s after the last fault:\n{open}{}", world.tell());
                }
            }
            std::thread::park_timeout(Duration::from_millis(200));
        }
    }

    /// What is known of a job, in one line, and the last of its course, newest first, in one line per event.
    fn tell(&self, number: u64) -> String {
        let number = number.to_string();
        let job = self.runtime.block_on(self.client.job(&number));
        let mut said = format!("  open: {}\n", job.map_or_else(|error| error.to_string(), |job| json(&job)));
        let events = self.runtime.block_on(self.client.job_events(&number).take(200));
        for event in events.map(|page| page.items).unwrap_or_default().iter().rev().take(12) {
            let _ = writeln!(said, "    {}", json(event));
        }
        said
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| error.to_string())
}

/// Tells how many jobs are open; a server that is down has them still.
async fn look_at_open(client: Client, open: watch::Sender<usize>) {
    loop {
        let query = JobsQuery { state: Some(OPEN.into()), ..JobsQuery::default() };
        if let Ok(page) = client.jobs(&query).take(OPEN_MAX).await {
            open.send_replace(page.items.len());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What one lane hands in with.
struct Lane {
    client: Client,
    accepted: Arc<Mutex<BTreeMap<u64, u64>>>,
    ran: PathBuf,
    room: watch::Receiver<usize>,
}

impl Lane {
    async fn submit(mut self, keys: Vec<u64>, seed: Seed) {
        let mut chance = seed.stream();
        for key in keys {
            // The sender ends after the last lane.
            let _ = self.room.wait_for(|open| *open < OPEN_MAX).await;
            let job = job(key, &self.ran, chance.below(4) + 1, chance.below(10));
            loop {
                match self.client.submit(&job, Some(&format!("chaos-{key}"))).await {
                    Ok(answer) => {
                        self.accepted.lock().expect("no panic").insert(key, answer.number);
                        break;
                    }
                    Err(error) if error.is_passing() => tokio::time::sleep(Duration::from_millis(50)).await,
                    Err(error) => panic!("a submission was refused: {error}"),
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Leaves a line in a file of its own at its start and another at its end; works up to half a second between the two.
fn job(key: u64, ran: &Path, cores: u64, tenths: u64) -> JobSubmit {
    let file = ran.join(key.to_string());
    let file = file.display();
    let mut job = script(&format!(
        "mark() {{ echo \"$1 $HW_ATTEMPT $SLURM_JOB_ID $(date +%s.%N)\" >> {file}; }}\nmark start\nsleep 0.{}\nmark end",
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
