//! The platform's past as a trace: what is written says the same when it is read.

use server::twin::{History, Past, Used};
use sim::trace::{OnBad, swf};
use wire::JobState;
use wire::job::JobSummary;

use crate::view::tests_support::{pool, summary, time};

fn past(number: u64, state: JobState, change: impl FnOnce(&mut JobSummary)) -> Past {
    let mut told = summary(number, state);
    change(&mut told);
    Past { told, used: None }
}

#[test]
fn what_is_written_says_the_same_when_read() {
    let late = past(9, JobState::Timeout, |job| {
        job.submitted_at = time("2026-11-21T08:10:00.7Z");
        job.started_at = Some(time("2026-11-21T08:20:00.2Z"));
        job.ended_at = Some(time("2026-11-21T08:20:00.5Z"));
        (job.user_name, job.tenant_name, job.name) = ("zoe".into(), "chem".into(), "=1, \"x\"".into());
        job.requested.cpu_millis = 1_500;
    });
    let never = past(8, JobState::Cancelled, |job| {
        (job.started_at, job.pool, job.pool_name) = (None, None, None);
        job.submitted_at = time("2026-11-21T08:00:00Z");
    });
    let used = Used { cpu_seconds: Some(400.0), memory_peak_bytes: Some(1 << 30), after: Some(never.told.id) };
    let first = Past { used: Some(used), ..past(7, JobState::Completed, |_| {}) };
    let history = History::of(vec![late, first, never]);
    let mut text = Vec::new();
    swf::write(&history.header(&[pool("local", 3)]), history.records(), &mut text).unwrap();
    let trace = swf::read(text.as_slice(), OnBad::Refuse).unwrap();
    assert_eq!(trace.records, history.records());
    let [first, never, late] = &trace.records[..] else { panic!("{:?}", trace.records) };
    assert_eq!((first.submit_s, first.wait_s, first.run_s), (Some(0), Some(60), Some(3_723)));
    assert_eq!((first.procs_allocated, first.estimate_s, first.status), (Some(4), Some(7_200), Some(1)));
    // Of four processors: 8 GiB asked for, 1 GiB and 400 s used.
    assert_eq!((first.memory_requested_kib, first.memory_used_kib), (Some(2 << 20), Some(1 << 18)));
    assert_eq!((first.cpu_s, first.preceding), (Some(100.0), Some(8)));
    assert_eq!((never.submit_s, never.wait_s, never.run_s), (Some(60), None, None));
    assert_eq!((never.procs_allocated, never.procs_requested, never.status), (None, Some(4), Some(5)));
    // A third of a second is a run; one and a half cores are two processors.
    assert_eq!((late.submit_s, late.wait_s, late.run_s), (Some(660), Some(599), Some(1)));
    assert_eq!((late.procs_requested, late.status), (Some(2), Some(0)));
    assert_eq!((late.user, late.group, late.app, late.partition), (Some(2), Some(2), Some(2), Some(1)));
    assert_eq!((never.user, never.partition), (Some(1), None));
    let header = &trace.header;
    assert_eq!(header.procs(), Some(96));
    assert_eq!((header.number("UnixStartTime"), header.number("MaxNodes")), (Some(1_795_247_940), Some(3)));
    assert_eq!(header.all("User").collect::<Vec<_>>(), ["1 bio/ann", "2 chem/zoe"]);
    assert_eq!(header.all("Partition").collect::<Vec<_>>(), ["1 local"]);
    let mut csv = Vec::new();
    history.csv(&mut csv).unwrap();
    let csv = String::from_utf8(csv).unwrap();
    assert!(csv.contains("9,\"'=1, \"\"x\"\"\",chem,default,zoe,local,normal,TIMEOUT,"), "{csv}");
    let never = ",,normal,CANCELLED,2026-11-21T08:00:00.000000Z,,2026-11-21T09:02:03.000000Z,,,7200,1,4,";
    assert!(csv.contains(never), "what never ran has neither pool, start, wait nor run: {csv}");
    assert_eq!(csv.lines().count(), 4);
}

#[test]
fn a_past_without_jobs_is_a_trace_without_jobs() {
    let history = History::of(Vec::new());
    let mut text = Vec::new();
    swf::write(&history.header(&[]), history.records(), &mut text).unwrap();
    assert_eq!(swf::read(text.as_slice(), OnBad::Refuse).unwrap().records, []);
}
