//! The disk fills up, or the data folder becomes read-only: commands are refused with a clear text, nothing is damaged,
//! and when there is room again work goes on without anybody's help.
#![allow(clippy::print_stdout, reason = "figures for whoever reads the run")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use store::Location;
use support::{Place, audit, client_of, open_jobs, script};
use testkit::{Hw, wait_for};

/// A file system of its own, unmounted at the end.
struct Mount(PathBuf);

impl Mount {
    /// `None` where this is not permitted (an ordinary user).
    fn tmpfs(at: &Path, size: &str) -> Option<Mount> {
        std::fs::create_dir_all(at).expect("a folder can be made");
        let options = format!("size={size},mode=0755");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(at).status();
        done.is_ok_and(|s| s.success()).then(|| Mount(at.to_owned()))
    }
    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let done = Command::new("mount").args(["-o", &options]).arg(&self.0).status().expect("mount runs");
        assert!(done.success(), "remounting {} with {options}", self.0.display());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a supervisor may still be on its way out.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn server_on(place: &Place, data: &Path) -> Hw {
    let jobs = place.shared("jobs");
    let config = place.path().join("headworks.toml");
    let text =
        format!("[local]\ndir = \"{}\"\n[[local.pool]]\nname = \"main\"\ncores = 4\nmemory = \"4G\"\n", jobs.display());
    std::fs::write(&config, text).expect("a configuration can be written");
    Hw::new(support::HW, data).flag("config", &config.to_string_lossy()).log_to(place.path().join("server.log"))
}

/// A running server whose data lie on a file system of their own; `None`, said aloud, where mounting is not permitted.
fn started_on_disk(place: &Place, size: &str) -> Option<(Mount, Hw)> {
    let disk = place.path().join("disk");
    let Some(mount) = Mount::tmpfs(&disk, size) else {
        println!("skipped: mounting a file system needs root");
        return None;
    };
    let mut server = server_on(place, &disk.join("data"));
    server.start();
    Some((mount, server))
}

/// Submits jobs with large scripts until one is refused; how many were accepted, and the refusal.
fn submit_until_refused(
    runtime: &tokio::runtime::Runtime,
    client: &client::Client,
    most: usize,
) -> (usize, client::ClientError) {
    for count in 0..most {
        let mut job = script(&format!("# {count} {}\ntrue", "x".repeat(300_000)));
        job.options.insert("hold".to_owned(), wire::submit::OptionValue::Flag(true));
        if let Err(error) = runtime.block_on(client.submit(&job, Some(&format!("big-{count}")))) {
            return (count, error);
        }
    }
    panic!("{most} submissions of 300 kB each were accepted");
}

#[test]
fn heavy_a_full_disk_is_survived() {
    let place = Place::new();
    let Some((mount, mut server)) = started_on_disk(&place, "24m") else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let client = client_of(&server);
    let (accepted, refusal) = submit_until_refused(&runtime, &client, 200);
    println!("{accepted} accepted, then: {refusal}");
    assert!(refusal.is_passing(), "a full disk is a reason to wait: {refusal}");
    assert!(accepted > 3);
    // Reads go on.
    let page = runtime.block_on(client.jobs(&Default::default()).take(1_000)).expect("reads go on");
    assert_eq!(page.items.len(), accepted, "the refused one left nothing behind");

    mount.remount("size=200m");
    let after = wait_for("commands to be taken again", support::LONG, || {
        runtime.block_on(client.submit(&script("true"), Some("after"))).ok()
    });
    assert_eq!(after.number as usize, accepted + 1);
    finish(&runtime, &client, &mut server);
}

#[test]
fn heavy_a_read_only_folder_is_survived() {
    let place = Place::new();
    let Some((mount, mut server)) = started_on_disk(&place, "200m") else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let client = client_of(&server);
    runtime.block_on(client.submit(&script("true"), Some("before"))).expect("accepted");
    server.kill();
    mount.remount("ro");
    server.spawn();
    let refusal = wait_for("a clear refusal", Duration::from_secs(30), || {
        let log = server.log();
        log.lines()
            .rev()
            .find(|line| line.to_lowercase().contains("read-only") || line.contains("readonly"))
            .map(str::to_owned)
    });
    println!("{refusal}");
    server.kill();
    mount.remount("rw");
    server.start();
    runtime.block_on(client.submit(&script("true"), Some("after"))).expect("accepted again");
    finish(&runtime, &client, &mut server);
}

fn finish(runtime: &tokio::runtime::Runtime, client: &client::Client, server: &mut Hw) {
    let held = wire::job::JobsQuery { state: Some("HELD".into()), ..Default::default() };
    let held = runtime.block_on(client.jobs(&held).take(1_000)).expect("held jobs");
    for job in held.items {
        runtime.block_on(client.cancel(&job.number.to_string())).expect("a held job can be cancelled");
    }
    wait_for("all jobs to end", support::LONG, || runtime.block_on(open_jobs(client)).filter(|open| *open == 0));
    server.terminate();
    runtime.block_on(audit(Location::Folder(server.data().into()))).expect_clean();
}
