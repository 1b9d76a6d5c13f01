//! Notices to users: what each wants and where to, what is on its way, and up to which event that was looked for.
//! These rows are no state of the engine: they are written at once, in transactions of their own, by the active server.
//! Knows neither mail nor HTTP: a notice is a text here, an event a number.

use std::collections::BTreeMap;

use base::{JobId, NoticeId, Timestamp, UserId, WebhookId};
use model::{JobSpec, MailOn, User};
use ports::StoreError;

use crate::codec;
use crate::db::{Args, Columns as _, Conn, Kind, Row, Sql, unreadable};
use crate::error::store_error;
use crate::files::signed;
use crate::query::build::Select;
use crate::store::SqlStore;
use crate::write::placeholders;

/// Ids of one statement.
const IDS_AT_ONCE: usize = 100;
/// The only row of the cursor.
const ONE: i64 = 1;

/// What a user wants to hear of by mail, and in which language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wishes {
    pub user: UserId,
    pub language: String,
    /// A bit for each kind.
    pub kinds: u32,
    /// Confirmed: the user has read what was sent there.
    pub address: Option<String>,
    pub confirmed_at: Option<Timestamp>,
    /// An address that is still to be confirmed.
    pub asked: Option<Asked>,
    /// Written by the mailing alone.
    pub mailed_at: Option<Timestamp>,
    pub fault: Option<(Timestamp, String)>,
}

/// An address to which a code was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub address: String,
    pub at: Timestamp,
    /// Digest of the code.
    pub code: Vec<u8>,
    /// Wrong codes so far.
    pub guesses: u32,
}

/// Where a user wants to be called.
#[derive(Clone, PartialEq, Eq)]
pub struct Hook {
    pub id: WebhookId,
    pub user: UserId,
    pub url: String,
    pub secret: Vec<u8>,
    pub kinds: u32,
    pub made_at: Timestamp,
    /// In a row, until now.
    pub failures: u32,
    pub sent_at: Option<Timestamp>,
    pub fault: Option<(Timestamp, String)>,
}

/// Secrets stay out of logs.
impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hook").field("id", &self.id).field("url", &self.url).finish_non_exhaustive()
    }
}

/// Who is to hear of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub user: User,
    /// Since when, and which kinds; jobs may say for themselves what mail tells of them.
    pub mail: Option<(Timestamp, u32)>,
    pub hooks: Vec<(WebhookId, Timestamp, u32)>,
}

/// Notices of one lane go one after another; lanes do not wait for one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    Mail(UserId),
    Hook(WebhookId),
}

impl Lane {
    const fn channel(self) -> i64 {
        match self {
            Self::Mail(_) => 0,
            Self::Hook(_) => 1,
        }
    }
    const fn id(self) -> u128 {
        match self {
            Self::Mail(user) => user.as_u128(),
            Self::Hook(hook) => hook.as_u128(),
        }
    }
}

/// One notice on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub id: NoticeId,
    pub lane: Lane,
    /// Number of the event.
    pub seq: u64,
    pub made_at: Timestamp,
    pub due_at: Timestamp,
    pub tries: u32,
    /// As it is sent at every try.
    pub doc: String,
}

/// How a try went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Sent,
    /// Why, and when to try again; never: it is given up.
    Failed {
        why: String,
        again_at: Option<Timestamp>,
    },
}

/// What of a lane is on its way, and what was given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    pub waiting: u64,
    pub given_up: u64,
}

const WISHES: &str = "SELECT user_id, language, kinds, address, confirmed_at, asked, asked_at, code, guesses, mailed_at, \
    fault, fault_at FROM notice_wishes";
const HOOK: &str =
    "SELECT id, user_id, url, secret, kinds, made_at, failures, sent_at, fault, fault_at FROM notice_hooks";
const NOTICE: &str = "SELECT id, channel, lane, seq, made_at, due_at, tries, doc FROM notices";

fn opt_time(row: &Row, column: usize) -> Sql<Option<Timestamp>> {
    Ok(row.opt_int(column)?.map(Timestamp::from_micros))
}

fn fault(row: &Row, column: usize) -> Sql<Option<(Timestamp, String)>> {
    let text = row.opt_text(column)?.map(str::to_owned);
    Ok(opt_time(row, column + 1)?.zip(text))
}

fn read_wishes(row: &Row) -> Sql<Wishes> {
    let asked = match (row.opt_text(5)?, opt_time(row, 6)?) {
        (Some(address), Some(at)) => {
            Some(Asked { address: address.to_owned(), at, code: row.bytes(7)?.to_vec(), guesses: row.small(8)? })
        }
        _ => None,
    };
    Ok(Wishes {
        user: UserId::from_u128(row.id(0)?),
        language: row.text(1)?.to_owned(),
        kinds: row.small(2)?,
        address: row.opt_text(3)?.map(str::to_owned),
        confirmed_at: opt_time(row, 4)?,
        asked,
        mailed_at: opt_time(row, 9)?,
        fault: fault(row, 10)?,
    })
}

fn read_hook(row: &Row) -> Sql<Hook> {
    Ok(Hook {
        id: WebhookId::from_u128(row.id(0)?),
        user: UserId::from_u128(row.id(1)?),
        url: row.text(2)?.to_owned(),
        secret: row.bytes(3)?.to_vec(),
        kinds: row.small(4)?,
        made_at: Timestamp::from_micros(row.int(5)?),
        failures: row.small(6)?,
        sent_at: opt_time(row, 7)?,
        fault: fault(row, 8)?,
    })
}

fn lane(channel: i64, id: u128) -> Sql<Lane> {
    match channel {
        0 => Ok(Lane::Mail(UserId::from_u128(id))),
        1 => Ok(Lane::Hook(WebhookId::from_u128(id))),
        _ => Err(unreadable(format_args!("a notice by the channel {channel}"))),
    }
}

fn read_notice(row: &Row) -> Sql<Notice> {
    Ok(Notice {
        id: NoticeId::from_u128(row.id(0)?),
        lane: lane(row.int(1)?, row.id(2)?)?,
        seq: row.natural(3)?,
        made_at: Timestamp::from_micros(row.int(4)?),
        due_at: Timestamp::from_micros(row.int(5)?),
        tries: row.small(6)?,
        doc: row.text(7)?.to_owned(),
    })
}

/// A job as notices name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedJob {
    pub user: UserId,
    /// As people write it.
    pub number: String,
    pub name: String,
    /// Of what mail tells, where the job says so itself.
    pub mail: Option<Vec<MailOn>>,
}

/// Most specifications say nothing of mail and are not read: in JSON no text of a user can look like this key.
const NAMED: &str = "SELECT j.id, j.user_id, j.number, j.array_number, j.array_index, j.name, s.v, \
    CASE WHEN s.doc LIKE '%\"mail\":[%' THEN s.doc END FROM jobs j LEFT JOIN specs s ON s.id = j.spec";

fn read_named(row: &Row) -> Sql<(JobId, NamedJob)> {
    let number = match (row.opt_int(3)?, row.opt_int(4)?) {
        (Some(root), Some(index)) => format!("{root}_{index}"),
        _ => row.natural(2)?.to_string(),
    };
    let mail = match row.opt_text(7)? {
        Some(_) => codec::get::<JobSpec>(row, 6)?.mail,
        None => None,
    };
    let (user, name) = (UserId::from_u128(row.id(1)?), row.text(5)?.to_owned());
    Ok((JobId::from_u128(row.id(0)?), NamedJob { user, number, name, mail }))
}

impl SqlStore {
    /// A transaction of some statements, each with its arguments.
    async fn write_all(&self, statements: Vec<(String, Args)>) -> Result<(), StoreError> {
        let mut writing = self.writing().await.map_err(store_error)?;
        for (sql, args) in statements {
            writing.conn.execute(sql, args).await.map_err(store_error)?;
        }
        writing.commit().await.map_err(store_error)
    }

    pub async fn wishes(&self, user: UserId) -> Result<Option<Wishes>, StoreError> {
        let mut select = Select::new(self.kind(), WISHES);
        select.filter("user_id = ").id(user.as_u128());
        self.find(select.text, select.args, read_wishes).await
    }

    /// All that the user has said; what the mailing notes stays as it is.
    pub async fn put_wishes(&self, wishes: &Wishes) -> Result<(), StoreError> {
        let mut args = self.args();
        args.id(wishes.user.as_u128());
        args.text(&*wishes.language);
        args.int(wishes.kinds.into());
        args.opt_text(wishes.address.clone());
        args.opt_int(wishes.confirmed_at.map(Timestamp::as_micros));
        args.opt_text(wishes.asked.as_ref().map(|asked| asked.address.clone()));
        args.opt_int(wishes.asked.as_ref().map(|asked| asked.at.as_micros()));
        args.bytes(wishes.asked.as_ref().map_or(&[], |asked| &asked.code[..]));
        args.int(wishes.asked.as_ref().map_or(0, |asked| asked.guesses.into()));
        let sql = "INSERT INTO notice_wishes (user_id, language, kinds, address, confirmed_at, asked, asked_at, code, guesses) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (user_id) DO UPDATE SET language = excluded.language, \
            kinds = excluded.kinds, address = excluded.address, confirmed_at = excluded.confirmed_at, asked = excluded.asked, \
            asked_at = excluded.asked_at, code = excluded.code, guesses = excluded.guesses";
        self.write_all(vec![(sql.into(), args)]).await
    }

    /// Oldest first.
    pub async fn hooks_of(&self, user: UserId) -> Result<Vec<Hook>, StoreError> {
        let mut select = Select::new(self.kind(), HOOK);
        select.filter("user_id = ").id(user.as_u128()).push(" ORDER BY id");
        self.list(select.text, select.args, read_hook).await
    }

    pub async fn hook(&self, id: WebhookId) -> Result<Option<Hook>, StoreError> {
        let mut select = Select::new(self.kind(), HOOK);
        select.filter("id = ").id(id.as_u128());
        self.find(select.text, select.args, read_hook).await
    }

    /// A new one, or another address or other kinds of a known one.
    pub async fn put_hook(&self, hook: &Hook) -> Result<(), StoreError> {
        let mut args = self.args();
        args.id(hook.id.as_u128());
        args.id(hook.user.as_u128());
        args.text(&*hook.url);
        args.bytes(&hook.secret);
        args.int(hook.kinds.into());
        args.int(hook.made_at.as_micros());
        let sql = "INSERT INTO notice_hooks (id, user_id, url, secret, kinds, made_at, failures) \
            VALUES ($1, $2, $3, $4, $5, $6, 0) ON CONFLICT (id) DO UPDATE SET url = excluded.url, kinds = excluded.kinds";
        self.write_all(vec![(sql.into(), args)]).await
    }

    /// With all that was on its way there.
    pub async fn drop_hook(&self, id: WebhookId) -> Result<(), StoreError> {
        let hook = "DELETE FROM notice_hooks WHERE id = $1".to_owned();
        let mut args = self.args();
        args.id(id.as_u128());
        self.write_all(vec![(hook, args), self.drop_lane(Lane::Hook(id))]).await
    }

    fn drop_lane(&self, lane: Lane) -> (String, Args) {
        let mut args = self.args();
        args.id(lane.id());
        ("DELETE FROM notices WHERE lane = $1".into(), args)
    }

    /// All that is on its way by mail to a user who wants none any more.
    pub async fn drop_notices(&self, lane: Lane) -> Result<(), StoreError> {
        self.write_all(vec![self.drop_lane(lane)]).await
    }

    /// Everybody who is to hear of anything, with each one's role and tenant as they are now.
    pub async fn listeners(&self) -> Result<Vec<Listener>, StoreError> {
        let mut found: BTreeMap<UserId, Listener> = BTreeMap::new();
        let begin = |user: User| Listener { user, mail: None, hooks: Vec::new() };
        let sql = "SELECT u.v, u.doc, w.confirmed_at, w.kinds FROM notice_wishes w JOIN users u ON u.id = w.user_id \
            WHERE w.address IS NOT NULL";
        let read = |row: &Row| Ok((codec::get::<User>(row, 0)?, row.int(2)?, row.small(3)?));
        for (user, since, kinds) in self.list(sql, self.args(), read).await? {
            let mail = Some((Timestamp::from_micros(since), kinds));
            found.entry(user.id).or_insert_with(|| begin(user)).mail = mail;
        }
        let sql = "SELECT u.v, u.doc, h.id, h.made_at, h.kinds FROM notice_hooks h JOIN users u ON u.id = h.user_id \
            ORDER BY h.id";
        let read = |row: &Row| Ok((codec::get::<User>(row, 0)?, row.id(2)?, row.int(3)?, row.small(4)?));
        for (user, id, since, kinds) in self.list(sql, self.args(), read).await? {
            let hook = (WebhookId::from_u128(id), Timestamp::from_micros(since), kinds);
            found.entry(user.id).or_insert_with(|| begin(user)).hooks.push(hook);
        }
        Ok(found.into_values().filter(|listener| !listener.user.disabled).collect())
    }

    /// What notices say of jobs.
    pub async fn named_jobs(&self, jobs: &[JobId]) -> Result<BTreeMap<JobId, NamedJob>, StoreError> {
        let mut found = BTreeMap::new();
        for some in jobs.chunks(IDS_AT_ONCE) {
            let mut args = self.args();
            some.iter().for_each(|job| args.id(job.as_u128()));
            let sql = format!("{NAMED} WHERE j.id IN ({})", placeholders(self.kind(), 1, some.len()));
            found.extend(self.list(sql, args, read_named).await?);
        }
        Ok(found)
    }

    /// Up to which event notices were made; `None` before the first time.
    pub async fn notice_cursor(&self) -> Result<Option<u64>, StoreError> {
        self.find("SELECT seq FROM notice_cursor", self.args(), |row| row.natural(0)).await
    }

    /// Number of the newest event, 0 when there is none.
    pub async fn newest_event(&self) -> Result<u64, StoreError> {
        let newest = self.find("SELECT MAX(seq) FROM events", self.args(), |row| row.opt_int(0)).await?;
        Ok(newest.flatten().and_then(|seq| u64::try_from(seq).ok()).unwrap_or(0))
    }

    /// The number of the last event before a moment; 0 where there was none. Reads all events: for the first look alone.
    pub async fn newest_event_before(&self, at: Timestamp) -> Result<u64, StoreError> {
        let mut args = self.args();
        args.int(at.as_micros());
        let newest = self.find("SELECT MAX(seq) FROM events WHERE at < $1", args, |row| row.opt_int(0)).await?;
        Ok(newest.flatten().and_then(|seq| u64::try_from(seq).ok()).unwrap_or(0))
    }

    /// Puts notices on their way and notes that the events up to `to` were looked at. False, and nothing is changed, when
    /// somebody else has gone on from `from` meanwhile.
    pub async fn make_notices(&self, from: Option<u64>, to: u64, notices: &[Notice]) -> Result<bool, StoreError> {
        let mut writing = self.writing().await.map_err(store_error)?;
        if !advance(&mut writing.conn, from, to).await.map_err(store_error)? {
            // Dropped, the connection rolls back what it did.
            writing.conn.rollback().await.map_err(store_error)?;
            writing.done();
            return Ok(false);
        }
        for notice in notices {
            let (sql, args) = insertion(self.kind(), notice);
            writing.conn.execute(sql, args).await.map_err(store_error)?;
        }
        writing.commit().await.map_err(store_error)?;
        Ok(true)
    }

    /// Lanes of which something is due, those with the oldest first.
    pub async fn lanes_due(&self, now: Timestamp, most: u32) -> Result<Vec<Lane>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT channel, lane FROM notices");
        select.filter("given_up = 0").filter("due_at <= ").int(now.as_micros());
        select.push(" GROUP BY channel, lane ORDER BY MIN(due_at), lane LIMIT ").int(most.into());
        self.list(select.text, select.args, |row| lane(row.int(0)?, row.id(1)?)).await
    }

    /// What of a lane is due, the first first.
    pub async fn notices_due(&self, lane: Lane, now: Timestamp, most: u32) -> Result<Vec<Notice>, StoreError> {
        let mut select = Select::new(self.kind(), NOTICE);
        select.filter("lane = ").id(lane.id()).filter("given_up = 0").filter("due_at <= ").int(now.as_micros());
        select.push(" ORDER BY due_at, seq LIMIT ").int(most.into());
        self.list(select.text, select.args, read_notice).await
    }

    /// How many notices of a lane are on their way and the largest number of an event among them, and how many were given up.
    pub async fn notices_waiting(&self, lane: Lane) -> Result<(Waiting, u64), StoreError> {
        let mut select = Select::new(self.kind(), "SELECT given_up, COUNT(*), MAX(seq) FROM notices");
        select.filter("lane = ").id(lane.id()).push(" GROUP BY given_up");
        let rows =
            self.list(select.text, select.args, |row| Ok((row.int(0)?, row.natural(1)?, row.natural(2)?))).await?;
        let (mut waiting, mut newest) = (Waiting::default(), 0);
        for (given_up, many, seq) in rows {
            match given_up {
                0 => (waiting.waiting, newest) = (many, seq),
                _ => waiting.given_up = many,
            }
        }
        Ok((waiting, newest))
    }

    /// Nothing of the lane is tried before then.
    pub async fn postpone(&self, lane: Lane, until: Timestamp) -> Result<(), StoreError> {
        self.write_all(vec![self.postponement(lane, until)]).await
    }

    fn postponement(&self, lane: Lane, until: Timestamp) -> (String, Args) {
        let mut args = self.args();
        args.int(until.as_micros());
        args.id(lane.id());
        let sql = "UPDATE notices SET due_at = $1 WHERE lane = $2 AND given_up = 0 AND due_at < $1";
        (sql.into(), args)
    }

    /// How tries of a hook went, in their order. After a failure the rest of its lane waits until `rest_at`.
    pub async fn tried(
        &self,
        hook: WebhookId,
        tries: &[(NoticeId, Outcome)],
        now: Timestamp,
        rest_at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut statements = Vec::new();
        for (id, outcome) in tries {
            let mut args = self.args();
            match outcome {
                Outcome::Sent => {
                    args.id(id.as_u128());
                    statements.push(("DELETE FROM notices WHERE id = $1".to_owned(), args));
                    let mut args = self.args();
                    args.int(now.as_micros());
                    args.id(hook.as_u128());
                    let sql = "UPDATE notice_hooks SET failures = 0, sent_at = $1, fault = NULL, fault_at = NULL WHERE id = $2";
                    statements.push((sql.to_owned(), args));
                }
                Outcome::Failed { why, again_at } => {
                    statements.push(self.postponement(Lane::Hook(hook), rest_at));
                    args.int(again_at.unwrap_or(now).as_micros());
                    args.int(again_at.is_none().into());
                    args.id(id.as_u128());
                    let sql = "UPDATE notices SET tries = tries + 1, due_at = $1, given_up = $2 WHERE id = $3";
                    statements.push((sql.to_owned(), args));
                    let mut args = self.args();
                    args.text(&**why);
                    args.int(now.as_micros());
                    args.id(hook.as_u128());
                    let sql =
                        "UPDATE notice_hooks SET failures = failures + 1, fault = $1, fault_at = $2 WHERE id = $3";
                    statements.push((sql.to_owned(), args));
                }
            }
        }
        self.write_all(statements).await
    }

    /// One mail told all of a user's notices up to that of the event `seq`.
    pub async fn mailed(&self, user: UserId, seq: u64, now: Timestamp) -> Result<(), StoreError> {
        let mut args = self.args();
        args.id(user.as_u128());
        args.int(signed(seq));
        let rows = ("DELETE FROM notices WHERE lane = $1 AND given_up = 0 AND seq <= $2".to_owned(), args);
        let mut args = self.args();
        args.int(now.as_micros());
        args.id(user.as_u128());
        let sql = "UPDATE notice_wishes SET mailed_at = $1, fault = NULL, fault_at = NULL WHERE user_id = $2";
        self.write_all(vec![rows, (sql.to_owned(), args)]).await
    }

    /// A mail did not go. What was made before `old` is given up, the rest is tried again.
    pub async fn mail_failed(
        &self,
        user: UserId,
        why: &str,
        now: Timestamp,
        again_at: Timestamp,
        old: Timestamp,
    ) -> Result<(), StoreError> {
        let mut args = self.args();
        args.int(again_at.as_micros());
        args.int(old.as_micros());
        args.id(user.as_u128());
        let rows = "UPDATE notices SET tries = tries + 1, due_at = $1, given_up = CASE WHEN made_at < $2 THEN 1 ELSE 0 END \
            WHERE lane = $3 AND given_up = 0";
        let mut noted = self.args();
        noted.text(why);
        noted.int(now.as_micros());
        noted.id(user.as_u128());
        let sql = "UPDATE notice_wishes SET fault = $1, fault_at = $2 WHERE user_id = $3";
        self.write_all(vec![(rows.to_owned(), args), (sql.to_owned(), noted)]).await
    }

    /// Forgets what was given up and made before then.
    pub async fn sweep_notices(&self, before: Timestamp) -> Result<(), StoreError> {
        let mut args = self.args();
        args.int(before.as_micros());
        self.write_all(vec![("DELETE FROM notices WHERE given_up = 1 AND made_at < $1".to_owned(), args)]).await
    }
}

/// Moves the cursor; false when it does not stand at `from`.
async fn advance(conn: &mut Conn, from: Option<u64>, to: u64) -> Sql<bool> {
    let mut args = Args::new(conn.kind());
    args.int(signed(to));
    args.int(from.map_or(ONE, signed));
    let moved = match from {
        Some(_) => conn.execute("UPDATE notice_cursor SET seq = $1 WHERE seq = $2", args).await?,
        None => {
            conn.execute("INSERT INTO notice_cursor (seq, one) VALUES ($1, $2) ON CONFLICT (one) DO NOTHING", args)
                .await?
        }
    };
    Ok(moved == 1)
}

fn insertion(kind: Kind, notice: &Notice) -> (&'static str, Args) {
    let mut args = Args::new(kind);
    args.id(notice.id.as_u128());
    args.int(notice.lane.channel());
    args.id(notice.lane.id());
    args.int(signed(notice.seq));
    args.int(notice.made_at.as_micros());
    args.int(notice.due_at.as_micros());
    args.int(notice.tries.into());
    args.text(&*notice.doc);
    let sql = "INSERT INTO notices (id, channel, lane, seq, made_at, due_at, tries, given_up, doc) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8) ON CONFLICT (id) DO NOTHING";
    (sql, args)
}
