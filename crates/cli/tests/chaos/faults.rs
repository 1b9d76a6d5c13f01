//! What goes wrong: one thing at a time or several at once, drawn from a seed, each put right again after a while.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use base::{Seed, Stream};
use nix::sys::signal::Signal;
use testkit::slurm::{Cluster, Daemon};

use crate::world::{Shared, World};

/// Faults at work until they are told to end.
pub struct Faults {
    stop: Arc<AtomicBool>,
    lanes: Vec<JoinHandle<()>>,
    told: Arc<Mutex<BTreeMap<&'static str, u32>>>,
}

impl Faults {
    /// Two lanes, so that faults meet: one for the platform's own parts and lines, one for Slurm's daemons.
    pub fn begin(world: &World, seed: &Seed) -> Faults {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::new(Mutex::new(BTreeMap::new()));
        let mut lanes = Vec::new();
        for (lane, work) in [("platform", platform as fn(&Shared, &mut Stream) -> &'static str), ("slurm", slurm)] {
            let (stop, told, world) = (stop.clone(), told.clone(), world.shared());
            let mut chance = seed.child(lane).stream();
            lanes.push(std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // The moment of the fault, not a wait for anything.
                    pause(300 + chance.below(1_500));
                    let what = work(&world, &mut chance);
                    *told.lock().expect("no panic").entry(what).or_default() += 1;
                }
            }));
        }
        Faults { stop, lanes, told }
    }

    /// Waits for the last fault to be put right; how many there were of each kind.
    pub fn end(mut self) -> String {
        self.stop.store(true, Ordering::Relaxed);
        for lane in self.lanes.drain(..) {
            lane.join().expect("faults do not panic");
        }
        let told = self.told.lock().expect("no panic");
        let parts: Vec<String> = told.iter().map(|(what, count)| format!("{count} × {what}")).collect();
        format!("faults: {}", parts.join(", "))
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn pause(millis: u64) {
    std::thread::park_timeout(Duration::from_millis(millis));
}

/// The server, the agent at a partner's, and the lines.
fn platform(world: &Shared, chance: &mut Stream) -> &'static str {
    match chance.below(5) {
        0 => {
            let mut server = world.server.lock().expect("no panic");
            server.kill();
            pause(chance.below(1_000));
            server.start();
            "server killed"
        }
        1 => {
            let mut agent = world.agent.lock().expect("no panic");
            agent.kill();
            pause(chance.below(2_000));
            agent.spawn();
            "site agent killed"
        }
        2 => {
            world.line.cut();
            pause(chance.below(4_000));
            world.line.resume();
            "agent's line cut"
        }
        3 => {
            world.line.stall();
            pause(chance.below(6_000));
            world.line.resume();
            "agent's line stalled"
        }
        _ => {
            let daemon = if chance.chance(500) { Daemon::Sshd } else { Daemon::JumpSshd };
            world.gamma.kill(daemon, Signal::SIGKILL);
            pause(chance.below(3_000));
            world.gamma.start(daemon).expect("sshd starts again");
            "sshd killed"
        }
    }
}

/// Slurm's daemons of one of the three clusters.
fn slurm(world: &Shared, chance: &mut Stream) -> &'static str {
    let cluster = [&world.alpha, &world.beta, &world.gamma][chance.below(3) as usize];
    break_slurm(world, cluster, chance)
}

fn break_slurm(world: &Shared, cluster: &Cluster, chance: &mut Stream) -> &'static str {
    let node = |chance: &mut Stream, cluster: &Cluster| {
        Daemon::Slurmd(chance.below(u64::from(cluster.spec().node_count())) as u16)
    };
    match chance.below(6) {
        0 | 1 => {
            cluster.kill(Daemon::Slurmctld, Signal::SIGKILL);
            pause(chance.below(3_000));
            cluster.start(Daemon::Slurmctld).expect("slurmctld starts again");
            "slurmctld killed"
        }
        2 => {
            cluster.stop(Daemon::Slurmctld);
            pause(chance.below(5_000));
            cluster.cont(Daemon::Slurmctld);
            "slurmctld stopped"
        }
        3 => {
            let node = node(chance, cluster);
            cluster.kill(node, Signal::SIGKILL);
            // Within its timeout of 10 s: a node that is gone for longer fails its jobs, which is another story.
            pause(chance.below(4_000));
            cluster.start(node).expect("slurmd starts again");
            "slurmd killed"
        }
        4 => {
            let node = node(chance, cluster);
            cluster.stop(node);
            pause(chance.below(3_000));
            cluster.cont(node);
            "slurmd stopped"
        }
        _ => {
            world.beta.kill(Daemon::Slurmdbd, Signal::SIGKILL);
            pause(chance.below(4_000));
            world.beta.start(Daemon::Slurmdbd).expect("slurmdbd starts again");
            "slurmdbd killed"
        }
    }
}
