//! Slurm's interfaces with nothing of ours between: the least that a client can do to hand a job over. Nothing is remembered of it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use testkit::slurm::{Cluster, SshAccess};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// What any client has to say of a job.
const OPTIONS: [&str; 8] = [
    "--parsable",
    "--job-name=bare",
    "--nodes=1",
    "--ntasks=1",
    "--mem=64M",
    "--time=5",
    "--chdir=/tmp",
    "--output=/dev/null",
];

/// One lane of submissions.
pub enum Lane {
    /// One keep-alive connection to slurmrestd, with a request made once.
    Rest { stream: UnixStream, request: Vec<u8>, answer: Vec<u8> },
    /// A process for each job.
    Program { environment: Vec<(String, String)>, script: Arc<str> },
    /// A shell at the far end that is told one `sbatch` after the other: a session for each job would run the account's start-up
    /// files again and again, and measure those.
    Shell { input: ChildStdin, output: BufReader<ChildStdout>, line: Vec<u8>, _child: Box<Child> },
}

impl Lane {
    pub async fn rest(socket: &Path, script: &str) -> Lane {
        let body = serde_json::json!({"script": script, "job": {
            "name": "bare", "nodes": [1, 1], "tasks": 1, "memory_per_node": 64, "time_limit": 5,
            "current_working_directory": "/tmp", "standard_output": "/dev/null", "environment": {"PATH": "/usr/bin:/bin"},
        }});
        let body = body.to_string();
        let head = "POST /slurm/v0.0.38/job/submit HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
        let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
        let stream = UnixStream::connect(socket).await.expect("slurmrestd listens");
        Lane::Rest { stream, request, answer: Vec::with_capacity(4_096) }
    }

    /// `sbatch` here.
    pub fn here(cluster: &Cluster, script: &str) -> Lane {
        Lane::Program { environment: cluster.env(), script: script.into() }
    }

    /// `sbatch` at the far end of a connection that stands.
    pub fn ssh(access: &SshAccess, control: &Path, script: &str) -> Lane {
        let mut command = Command::new("ssh");
        command.arg("-S").arg(control).arg("-F").arg(&access.config).args([&access.host, "sh"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("ssh starts");
        let (input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let end = if script.ends_with('\n') { "" } else { "\n" };
        let line = format!("sbatch {} <<'END-OF-SCRIPT'\n{script}{end}END-OF-SCRIPT\n", OPTIONS.join(" ")).into_bytes();
        Lane::Shell { input, output: BufReader::new(output), line, _child: Box::new(child) }
    }

    pub async fn submit(&mut self) {
        match self {
            Lane::Rest { stream, request, answer } => {
                stream.write_all(request).await.expect("slurmrestd reads");
                read(stream, answer).await;
                let said: serde_json::Value = serde_json::from_slice(answer).expect("JSON");
                assert!(said["job_id"].as_u64().is_some_and(|number| number > 0), "slurmrestd says {said}");
            }
            Lane::Shell { input, output, line, .. } => {
                input.write_all(line).await.expect("the shell reads");
                let mut said = String::new();
                output.read_line(&mut said).await.expect("the shell answers");
                assert!(said.trim().parse::<u32>().is_ok(), "sbatch says {said}");
            }
            Lane::Program { environment, script } => {
                let mut command = Command::new("sbatch");
                command.args(OPTIONS).envs(environment.iter().map(|(name, value)| (name, value)));
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
                let mut child = command.spawn().expect("it starts");
                let mut input = child.stdin.take().expect("a pipe");
                input.write_all(script.as_bytes()).await.expect("it reads");
                drop(input);
                let output = child.wait_with_output().await.expect("it ends");
                let said = String::from_utf8_lossy(&output.stdout);
                let number: Option<u32> = said.trim().parse().ok();
                assert!(number.is_some(), "sbatch says {said}{}", String::from_utf8_lossy(&output.stderr));
            }
        }
    }
}

/// One answer with a length; its body is left in `body`.
async fn read(stream: &mut UnixStream, body: &mut Vec<u8>) {
    body.clear();
    loop {
        let read = stream.read_buf(body).await.expect("slurmrestd answers");
        assert!(read > 0, "slurmrestd closed the connection: {}", String::from_utf8_lossy(body));
        let Some(end) = body.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&body[..end]);
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length:")?.trim().parse().ok());
        let length: usize = length.unwrap_or_else(|| panic!("an answer without a length: {head}"));
        if body.len() - (end + 4) >= length {
            body.drain(..end + 4);
            return;
        }
    }
}

/// A connection that others share, as long as this lives.
pub struct Master {
    pub control: PathBuf,
    _child: Child,
}

impl Master {
    pub async fn open(access: &SshAccess, folder: &Path) -> io::Result<Master> {
        let control = folder.join("control");
        let mut command = Command::new("ssh");
        command.args(["-M", "-N", "-S"]).arg(&control).arg("-F").arg(&access.config).arg(&access.host);
        let child = command.stdin(Stdio::null()).kill_on_drop(true).spawn()?;
        while UnixStream::connect(&control).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        Ok(Master { control, _child: child })
    }
}
