//! Tables of options good and bad with their exact messages, and properties over any text.

mod properties;
mod tables;

use base::{Bytes, Span, Timestamp};
use model::JobSpec;
use model::spec::script_id;

use crate::*;

/// A Saturday afternoon in Shanghai.
fn context() -> Context<'static> {
    let now = Timestamp::parse("2026-11-21T16:30:00+08:00").unwrap();
    Context {
        utc_offset_seconds: 8 * 3_600,
        submit_dir: Some("/home/li"),
        script_name: Some("run.sh"),
        ..Context::at(now)
    }
}

/// A script whose second and following lines are the given ones.
fn script(lines: &str) -> String {
    format!("#!/bin/bash\n{lines}\nhostname\n")
}

fn read(lines: &str) -> Result<Draft, Vec<Fault>> {
    resolve(&parse_script(&script(lines))?, &Defaults::default(), context())
}

fn words(text: &str) -> Vec<String> {
    words::split(text).expect("balanced quotes")
}

fn conditions(c: &model::Conditions) -> String {
    let constraint = c.constraint.as_ref().map(ToString::to_string);
    let switches = c.switches.map(|s| (s.count, s.patience.map(Span::slurm)));
    let rest = c.interconnect.as_ref().map_or_else(String::new, |i| format!(" interconnect={i}"));
    let (reservation, licences) = (&c.reservation, &c.licences);
    format!("constraint={constraint:?} switches={switches:?} reservation={reservation:?} licences={licences:?}{rest}")
}

/// Everything in a draft that differs from a job without options, on one line; warnings below.
fn told(draft: &Draft) -> String {
    let spec = &draft.spec;
    let plain = JobSpec {
        requeue: true,
        ..JobSpec::minimal(
            "run.sh",
            script_id(&draft.script),
            model::Request::single(Bytes::from_gib(1)),
            Span::from_hours(1),
        )
    };
    let (mut now, mut then) = (Vec::new(), Vec::new());
    for (list, spec) in [(&mut now, spec), (&mut then, &plain)] {
        let r = &spec.request;
        list.extend([
            format!("name={}", spec.name),
            format!("nodes={}", r.nodes),
            format!("tasks={}", r.tasks),
            format!("cpus_per_task={}", r.cpus_per_task),
            format!("per_node=[{}]", base::Tres(r.per_node, None)),
            format!("chips={:?}", r.chips.iter().map(|c| c.as_str()).collect::<Vec<_>>()),
            format!("conditions=[{}]", r.conditions.as_deref().map_or_else(String::new, conditions)),
            format!("time={}", spec.time_limit),
            format!("class={}", spec.class.as_str()),
            format!("line={:?}", spec.line),
            format!("begin={:?}", spec.begin),
            format!("deadline={:?}", spec.deadline),
            format!("array={:?}", spec.array.as_ref().map(|a| (&a.indices, a.limit))),
            format!("pools={:?}", spec.pools),
            format!("dir={:?}", spec.work_dir),
            format!("out={:?}", spec.stdout),
            format!("err={:?}", spec.stderr),
            format!("in={:?}", spec.stdin),
            format!("export={:?}", spec.export),
            format!("regions={:?}", spec.regions),
            format!("app={:?}", spec.app),
            format!("environment={:?}", spec.environment),
            format!("comment={:?}", spec.comment),
            format!("mail={:?}", spec.mail),
            format!("requeue={}", spec.requeue),
            format!("preemptible={}", spec.preemptible),
            format!("signal={:?}", spec.signal.map(|s| (s.signal, s.before, s.shell_only))),
            format!("hold={}", spec.hold),
            format!("append={}", spec.append),
        ]);
    }
    let mut parts: Vec<String> = now.into_iter().zip(then).filter(|(a, b)| a != b).map(|(a, _)| a).collect();
    parts.extend(draft.dependencies.iter().map(|d| format!("{:?}:{}", d.kind, d.on)));
    parts.extend(draft.account.iter().map(|a| format!("account={a}")));
    let mut text = format!("  {}", if parts.is_empty() { "as a plain job".into() } else { parts.join(" ") });
    for warning in &draft.warnings {
        text.push_str(&format!("\n  warning: {warning}"));
    }
    text
}

/// What becomes of a text: the draft, or each fault with its code.
fn outcome(result: Result<Draft, Vec<Fault>>) -> String {
    match result {
        Ok(draft) => told(&draft),
        Err(faults) => {
            assert!(!faults.is_empty());
            faults.iter().map(|f| format!("  {} [{}]", f, f.code.as_str())).collect::<Vec<_>>().join("\n")
        }
    }
}
