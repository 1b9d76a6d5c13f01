//! From a request to slurmrestd's JSON. Pure.

use serde_json::{Map, Value, json};

use crate::carrier::SubmitRequest;

/// The body of `POST job/submit`, as versions 0.0.37 to 0.0.39 take it.
pub(super) fn submission(request: &SubmitRequest) -> String {
    let mut job = Map::new();
    let mut set = |name: &str, value: Value| job.insert(name.to_owned(), value);
    set("name", json!(request.name));
    set("comment", json!(request.comment));
    set("nodes", json!([request.nodes, request.nodes]));
    set("tasks", json!(request.tasks));
    set("cpus_per_task", json!(request.cpus_per_task));
    set("time_limit", json!(request.time_limit_minutes));
    set("current_working_directory", json!(request.work_dir));
    set("standard_output", json!(request.stdout));
    set("open_mode", json!(if request.append { "append" } else { "truncate" }));
    // An empty environment is refused; the script sets its own.
    set("environment", json!({"PATH": "/usr/local/bin:/usr/bin:/bin"}));
    set("requeue", json!(request.requeue));
    if let Some(each) = request.tasks_per_node {
        set("tasks_per_node", json!(each));
    }
    let mib = request.mem_per_node.0.div_ceil(1 << 20);
    if mib > 0 {
        set("memory_per_node", json!(mib));
    }
    if !request.gres.is_empty() {
        let words: Vec<String> = request.gres.iter().map(gres).collect();
        set("gres", json!(words.join(",")));
    }
    if !request.exclude.is_empty() {
        set("exclude_nodes", json!(request.exclude.join(",")));
    }
    if request.held {
        set("hold", json!(true));
    }
    if let Some((count, wait)) = request.switches {
        set("required_switches", json!(count));
        if let Some(wait) = wait {
            set("wait_for_switch", json!(wait.saturating_mul(60)));
        }
    }
    let optional = [
        ("partition", &request.partition),
        ("account", &request.account),
        ("qos", &request.qos),
        ("reservation", &request.reservation),
        ("constraints", &request.constraint),
        ("licenses", &request.licences),
        ("standard_error", &request.stderr),
        ("standard_input", &request.stdin),
        ("signal", &request.signal),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            set(name, json!(value));
        }
    }
    json!({"script": &*request.script, "job": job}).to_string()
}

fn gres(gres: &crate::carrier::Gres) -> String {
    match &gres.kind {
        Some(kind) => format!("{}:{kind}:{}", gres.name, gres.count),
        None => format!("{}:{}", gres.name, gres.count),
    }
}

/// Seconds since 1970 as slurmdbd's REST takes a time: Slurm's `uts` form, which knows no time zone.
pub(super) fn time(secs: i64) -> String {
    format!("uts{secs}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carrier::Gres;
    use base::Bytes;

    fn request() -> SubmitRequest {
        SubmitRequest {
            name: "hw-00000000-1-1".into(),
            comment: "a \"q\"; $(x)\n日本𝄞".into(),
            script: "#!/bin/bash\necho '\"$x\"'\n".into(),
            partition: Some("gpu".into()),
            account: None,
            qos: None,
            reservation: None,
            licences: None,
            switches: None,
            nodes: 2,
            tasks: 4,
            tasks_per_node: Some(2),
            cpus_per_task: 3,
            mem_per_node: Bytes::from_mib(100),
            gres: vec![Gres { name: "gpu".into(), kind: Some("a100".into()), count: 2 }],
            constraint: None,
            exclude: vec!["n1".into(), "n2".into()],
            time_limit_minutes: 7,
            signal: None,
            requeue: false,
            work_dir: "/w/日 本".into(),
            stdout: "/w/o%%1".into(),
            stderr: None,
            stdin: None,
            append: true,
            held: true,
            run_as: None,
        }
    }

    #[test]
    fn every_value_travels_as_it_is() {
        let sent: Value = serde_json::from_str(&submission(&request())).unwrap();
        assert_eq!(sent["script"], "#!/bin/bash\necho '\"$x\"'\n");
        let job = &sent["job"];
        assert_eq!(job["comment"], "a \"q\"; $(x)\n日本𝄞");
        assert_eq!(job["gres"], "gpu:a100:2");
        assert_eq!((&job["memory_per_node"], &job["exclude_nodes"]), (&json!(100), &json!("n1,n2")));
        assert_eq!((&job["hold"], &job["open_mode"]), (&json!(true), &json!("append")));
        assert_eq!(job["nodes"], json!([2, 2]));
        assert!(job.get("account").is_none());
    }
}
