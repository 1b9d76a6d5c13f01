//! Output of jobs, the stream of facts, the audit log.

use clap::Args;
use client::{Client, LogStep};
use wire::LogStream;
use wire::events::{AuditEntry, AuditQuery, Event, EventStreamQuery, EventsQuery};

use super::{Most, show, wait};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::parse::{When, when};
use crate::text::Word;
use crate::view::{Cell, Table, View};

/// Bytes asked for at once; the server's largest.
const PIECE: u64 = 1 << 20;
/// Bytes looked through for the last lines of a file: 10,000 lines of 400 bytes.
const TAIL_BYTES_MAX: u64 = 4 << 20;

#[derive(Debug, Args)]
pub struct Logs {
    /// The job: 12, 12_3 or job_…
    #[arg(value_name = "JOB")]
    pub job: String,
    /// Go on as the file grows, until the job ends
    #[arg(long, short = 'f')]
    pub follow: bool,
    /// Standard error instead of standard output
    #[arg(long)]
    pub stderr: bool,
    /// Only the last lines
    #[arg(long, short = 'n', value_name = "LINES")]
    pub tail: Option<usize>,
}

pub async fn logs(desk: &Desk, args: Logs) -> Result<View, Fault> {
    let client = desk.client()?;
    let stream = if args.stderr { LogStream::Stderr } else { LogStream::Stdout };
    let start = match args.tail {
        Some(lines) => tail_offset(&client, &args.job, stream, lines).await?,
        None => 0,
    };
    if args.follow {
        let shown = follow(desk, &client, &args.job, stream, start);
        return tokio::select! {
            shown = shown => shown.map(|()| View::done(Exit::Ok)),
            _ = tokio::signal::ctrl_c() => Ok(wait::left_running(desk, &args.job)),
        };
    }
    let mut offset = start;
    loop {
        let slice = client.log(&args.job, stream, offset, PIECE).await?;
        desk.out_bytes(&slice.bytes)?;
        offset = i64::try_from(slice.offset + slice.bytes.len() as u64).unwrap_or(i64::MAX);
        if slice.bytes.is_empty() || offset as u64 >= slice.size {
            return Ok(View::done(Exit::Ok));
        }
    }
}

async fn follow(desk: &Desk, client: &Client, job: &str, stream: LogStream, offset: i64) -> Result<(), Fault> {
    let mut tail = client.follow_log(job, stream, offset);
    while let LogStep::Text(text) = tail.next().await? {
        desk.out(&text)?;
    }
    Ok(())
}

/// Where the last `lines` lines begin.
async fn tail_offset(client: &Client, job: &str, stream: LogStream, lines: usize) -> Result<i64, Fault> {
    let size = client.log(job, stream, -1, 1).await?.size;
    let mut start = size.saturating_sub(TAIL_BYTES_MAX);
    let (first, mut bytes) = (start, Vec::new());
    while start < size {
        let slice = client.log(job, stream, i64::try_from(start).unwrap_or(i64::MAX), PIECE.min(size - start)).await?;
        if slice.bytes.is_empty() {
            break;
        }
        start += slice.bytes.len() as u64;
        bytes.extend(slice.bytes);
    }
    Ok(i64::try_from(first + last_lines(&bytes, lines) as u64).unwrap_or(i64::MAX))
}

/// Where the last `lines` lines of `bytes` begin; a last line without its line feed counts.
fn last_lines(bytes: &[u8], lines: usize) -> usize {
    if lines == 0 {
        return bytes.len();
    }
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').nth(lines - 1).map_or(0, |(at, _)| at + 1)
}

#[derive(Debug, Args)]
pub struct Events {
    /// Go on as things happen
    #[arg(long, short = 'f')]
    pub follow: bool,
    /// Only this job's
    #[arg(long, short = 'j', value_name = "JOB")]
    pub job: Option<String>,
    /// Only this tenant's
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<String>,
    /// With -f: begin behind this event
    #[arg(long, value_name = "SEQ", requires = "follow")]
    pub after: Option<u64>,
    #[command(flatten)]
    pub most: Most,
}

pub async fn events(desk: &Desk, args: Events) -> Result<View, Fault> {
    let client = desk.client()?;
    if args.follow {
        let query = EventStreamQuery { job: args.job, tenant: args.tenant, after: args.after };
        let mut stream = client.events(&query);
        loop {
            let event = tokio::select! {
                event = stream.next() => event?,
                _ = tokio::signal::ctrl_c() => return Ok(View::done(Exit::Ok)),
            };
            desk.out(&event_line(desk, &event))?;
        }
    }
    let query = EventsQuery { job: args.job, tenant: args.tenant, ..EventsQuery::default() };
    let mut page = client.events_list(&query).take(args.most.limit).await?;
    // People read downwards: the newest stands last, as it does with -f.
    page.items.reverse();
    let table = event_table(&page.items);
    Ok(View::table(&page, table))
}

fn event_table(events: &[Event]) -> Table {
    let row = |event: &Event| {
        vec![
            Cell::number(event.seq),
            Cell::Time(event.at),
            Cell::maybe(event.job, |job| Cell::text(job.to_string())),
            Cell::maybe(event.state, Cell::State),
            Cell::Both { en: event.text_en.clone(), zh: event.text_zh.clone() },
            show::actor(&event.actor),
        ]
    };
    let heads = [Word::Number, Word::Time, Word::Job, Word::State, Word::What, Word::Who];
    Table::new("event", &heads).with(events.iter().map(row))
}

/// One event as one line: JSON, bare fields, or fields set apart for eyes.
fn event_line(desk: &Desk, event: &Event) -> String {
    let look = &desk.settings.look;
    if look.json {
        return serde_json::to_string(event).unwrap_or_default() + "\n";
    }
    let cells = event_table(std::slice::from_ref(event)).rows.remove(0);
    let texts = cells.iter().map(|cell| match look.terminal {
        true => cell.shown(look.lang, &look.zone),
        false => crate::view::cell::one_line(&cell.plain(look.lang)),
    });
    texts.collect::<Vec<_>>().join(if look.terminal { "  " } else { "\t" }) + "\n"
}

#[derive(Debug, Args)]
pub struct Audit {
    /// Words that must all stand in an entry, or name its user
    #[arg(value_name = "WORDS")]
    pub words: Vec<String>,
    /// An action, or what it begins with: job.cancel, job
    #[arg(long, value_name = "ACTION")]
    pub action: Option<String>,
    /// Only what this user did
    #[arg(long, short = 'u', value_name = "USER")]
    pub user: Option<String>,
    /// Only what is about this tenant
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<String>,
    /// At or after
    #[arg(long, value_name = "TIME", value_parser = when)]
    pub since: Option<When>,
    /// Before
    #[arg(long, value_name = "TIME", value_parser = when)]
    pub until: Option<When>,
    #[command(flatten)]
    pub most: Most,
}

pub async fn audit(desk: &Desk, args: Audit) -> Result<View, Fault> {
    let at = |when: &Option<When>| when.as_ref().map(|when| when.at(desk.now(), &desk.settings.look.zone));
    let query = AuditQuery {
        q: (!args.words.is_empty()).then(|| args.words.join(" ")),
        after: at(&args.since),
        before: at(&args.until),
        action: args.action,
        user: args.user,
        tenant: args.tenant,
        ..AuditQuery::default()
    };
    let mut page = desk.client()?.audit(&query).take(args.most.limit).await?;
    page.items.reverse();
    let row = |entry: &AuditEntry| {
        vec![
            Cell::number(entry.seq),
            Cell::Time(entry.at),
            show::actor(&entry.actor),
            Cell::text(&entry.action),
            Cell::text(&entry.target),
            Cell::text(&entry.detail),
        ]
    };
    let heads = [Word::Number, Word::Time, Word::Who, Word::What, Word::Target, Word::Detail];
    let table = Table::new("audit", &heads).with(page.items.iter().map(row));
    Ok(View::table(&page, table))
}

#[cfg(test)]
mod tests {
    use super::last_lines;

    #[test]
    fn the_last_lines_are_found() {
        for (text, lines, tail) in [
            ("a\nb\nc\n", 2, "b\nc\n"),
            ("a\nb\nc", 2, "b\nc"),
            ("a\nb\n", 9, "a\nb\n"),
            ("a\nb\n", 0, ""),
            ("", 3, ""),
            ("\n\n\n", 1, "\n"),
        ] {
            assert_eq!(&text[last_lines(text.as_bytes(), lines)..], tail, "{text:?} {lines}");
        }
    }
}
