//! Why a command could not do its work, in the caller's language, and the number it ends with.

use std::fmt::Write;
use std::path::PathBuf;

use client::{ClientError, NextMove};

use crate::exit::Exit;
use crate::slurm::format::FormatFault;
use crate::slurm::ids::IdFault;
use crate::text::{Lang, Word};

/// Everything a command may fail with.
#[derive(Debug)]
pub enum Fault {
    Client(ClientError),
    /// A file, or standard input or output.
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    /// What was typed makes no sense; the text has its gaps filled.
    Usage(Word, Vec<(&'static str, String)>),
    /// The thing asked for is not there.
    NotFound(Word, Vec<(&'static str, String)>),
    /// Refused here, without asking the server.
    Refused(Word, Vec<(&'static str, String)>),
    /// Faults of a job's options found before anything was sent, one a line.
    Options(Vec<String>),
    Format(FormatFault),
    Job(IdFault),
    /// The server could not be started.
    Server(anyhow::Error),
}

impl From<ClientError> for Fault {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}
impl From<FormatFault> for Fault {
    fn from(fault: FormatFault) -> Self {
        Self::Format(fault)
    }
}
impl From<IdFault> for Fault {
    fn from(fault: IdFault) -> Self {
        Self::Job(fault)
    }
}

impl Fault {
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Fault {
        let path = path.into();
        move |source| Fault::File { path, source }
    }

    /// True when whoever read our output has gone: nothing to say, nobody to say it to.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::File { source, .. } if source.kind() == std::io::ErrorKind::BrokenPipe)
    }

    pub fn exit(&self) -> Exit {
        match self {
            Self::Client(error) => Exit::of(error.next_move()),
            Self::File { .. } | Self::Refused(..) | Self::Server(_) => Exit::Failure,
            Self::Usage(..) | Self::Options(_) | Self::Format(_) | Self::Job(_) => Exit::Usage,
            Self::NotFound(..) => Exit::NotFound,
        }
    }

    /// What is told on standard error, without the program's name before it.
    pub fn told(&self, lang: Lang) -> String {
        match self {
            Self::Client(error) => told_client(error, lang),
            Self::File { path, source } => format!("{}: {source}", path.display()),
            Self::Usage(word, gaps) | Self::NotFound(word, gaps) | Self::Refused(word, gaps) => word.fill(lang, gaps),
            Self::Options(faults) => faults.join("\n"),
            Self::Format(fault) => fault.to_string(),
            Self::Job(fault) => fault.to_string(),
            Self::Server(error) => format!("{error:#}"),
        }
    }
}

fn told_client(error: &ClientError, lang: Lang) -> String {
    let mut told = match (error, lang) {
        // The title says in Chinese what kind of thing it is; the detail stays as the server wrote it.
        (ClientError::Refused(problem), Lang::Zh) => format!("{}：{}", problem.code.title_zh(), problem.detail),
        _ => error.to_string(),
    };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let text = cause.to_string();
        if !told.contains(&text) {
            let _ = write!(told, ": {text}");
        }
        source = cause.source();
    }
    if let Some(problem) = error.problem() {
        for fault in &problem.errors {
            let line =
                fault.line.map(|n| Word::LineNumber.fill(lang, &[("n", n.to_string())]) + ": ").unwrap_or_default();
            let option = fault.option.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
            let hint = fault.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            let _ = write!(told, "\n  {line}{option}{}{hint}", fault.message);
        }
        if let Some(missing) = problem.missing {
            let currency = problem.currency.as_deref().unwrap_or("");
            let _ =
                write!(told, "\n  {}", Word::MoneyMissing.fill(lang, &[("amount", format!("{missing} {currency}"))]));
        }
    }
    let advice = match (error.next_move(), error.problem().map(|problem| problem.code)) {
        (_, Some(wire::ErrorCode::Unauthenticated)) => Some(Word::AdviceSignIn),
        (NextMove::Reach, _) => Some(Word::AdviceReach),
        (NextMove::Wait, _) => Some(Word::AdviceWait),
        _ => None,
    };
    if let Some(advice) = advice {
        let _ = write!(told, "\n{}", advice.text(lang));
    }
    if let (NextMove::Tell, Some(problem)) = (error.next_move(), error.problem()) {
        let _ = write!(told, "\n{}", Word::AdviceTell.fill(lang, &[("id", problem.request_id.clone())]));
    }
    told
}
