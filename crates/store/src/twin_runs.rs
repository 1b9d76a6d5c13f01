//! Runs of the twin: what was asked, where it stands, and what came of it. These rows are no state of the engine: they are written at
//! once, in transactions of their own, by the active server. What is in the texts is the server's affair.

use base::{Timestamp, TwinRunId};
use ports::StoreError;

use crate::db::{Args, Columns as _, Conn, Row, Sql, unreadable};
use crate::error::store_error;
use crate::query::build::Select;
use crate::query::page::{Cursor, Page, PageRequest};
use crate::store::SqlStore;

/// Where a run stands. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TwinRunState {
    Queued = 0,
    Running = 1,
    Done = 2,
    Failed = 3,
    Cancelled = 4,
    /// The server that played it went away.
    Interrupted = 5,
}

impl TwinRunState {
    const ALL: [TwinRunState; 6] =
        [Self::Queued, Self::Running, Self::Done, Self::Failed, Self::Cancelled, Self::Interrupted];

    /// Nothing more will come of it.
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// A run without its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TwinRun {
    pub id: TwinRunId,
    pub at: Timestamp,
    pub state: TwinRunState,
    pub begun: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    /// What was asked, and by whom.
    pub doc: String,
    /// The result in a few figures, or why there is none; empty until it is over.
    pub gist: String,
}

const RUN: &str = "SELECT id, at, state, begun, ended, doc, gist FROM twin_runs";

fn read_run(row: &Row) -> Sql<TwinRun> {
    let state = usize::try_from(row.int(2)?).ok().and_then(|n| TwinRunState::ALL.get(n).copied());
    Ok(TwinRun {
        id: TwinRunId::from_u128(row.id(0)?),
        at: Timestamp::from_micros(row.int(1)?),
        state: state.ok_or_else(|| unreadable("no state of a run of the twin"))?,
        begun: row.opt_int(3)?.map(Timestamp::from_micros),
        ended: row.opt_int(4)?.map(Timestamp::from_micros),
        doc: row.text(5)?.to_owned(),
        gist: row.text(6)?.to_owned(),
    })
}

impl SqlStore {
    /// Newest first.
    pub async fn twin_runs(&self, page: PageRequest) -> Result<Page<TwinRun>, StoreError> {
        let mut select = Select::new(self.kind(), RUN);
        if let Some(after) = page.after() {
            select.filter("(at, id) < (").int(after.number).push(", ").id(after.id).push(")");
        }
        select.push(" ORDER BY at DESC, id DESC LIMIT ").int(page.rows());
        let found = self.list(select.text, select.args, read_run).await?;
        Ok(page.page(found, |run| Cursor { number: run.at.as_micros(), id: run.id.as_u128() }))
    }

    pub async fn twin_run(&self, id: TwinRunId) -> Result<Option<TwinRun>, StoreError> {
        let mut select = Select::new(self.kind(), RUN);
        select.filter("id = ").id(id.as_u128());
        self.find(select.text, select.args, read_run).await
    }

    /// What came of a run; `None` where there is no such run, or nothing yet.
    pub async fn twin_result(&self, id: TwinRunId) -> Result<Option<String>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT result FROM twin_runs");
        select.filter("id = ").id(id.as_u128());
        let found = self.find(select.text, select.args, |row| Ok(row.text(0)?.to_owned())).await?;
        Ok(found.filter(|result| !result.is_empty()))
    }

    /// Runs in this state, the one that was asked for first first.
    pub async fn twin_runs_in(&self, state: TwinRunState) -> Result<Vec<TwinRun>, StoreError> {
        let mut select = Select::new(self.kind(), RUN);
        select.filter("state = ").int(state as i64).push(" ORDER BY at, id");
        self.list(select.text, select.args, read_run).await
    }

    /// Keeps a run that was asked for, unless it is known, and forgets the oldest of those that are over beyond `kept` runs.
    pub async fn ask_twin_run(&self, id: TwinRunId, at: Timestamp, doc: &str, kept: u32) -> Result<(), StoreError> {
        let mut writing = self.writing().await.map_err(store_error)?;
        let conn = &mut writing.conn;
        async {
            let mut args = Args::new(conn.kind());
            args.id(id.as_u128());
            args.int(at.as_micros());
            args.text(doc);
            let sql = "INSERT INTO twin_runs (id, at, state, doc, gist, result) VALUES ($1, $2, 0, $3, '', '') \
                ON CONFLICT (id) DO NOTHING";
            conn.execute(sql, args).await?;
            let mut args = Args::new(conn.kind());
            args.int(kept.into());
            let sql = "DELETE FROM twin_runs WHERE state > 1 AND id NOT IN \
                (SELECT id FROM (SELECT id FROM twin_runs ORDER BY at DESC, id DESC LIMIT $1) newest)";
            conn.execute(sql, args).await
        }
        .await
        .map_err(store_error)?;
        writing.commit().await.map_err(store_error)
    }

    /// A run that waits is played from now on. False where it does not wait any more.
    pub async fn begin_twin_run(&self, id: TwinRunId, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "UPDATE twin_runs SET state = 1, begun = $2 WHERE id = $1 AND state = 0";
        let changed = self.change_twin_run(sql, id, now, |_| {}).await?;
        Ok(changed > 0)
    }

    /// A run is over. `begun` is the play that tells so: what another server began meanwhile, or what was cancelled, stays.
    pub async fn end_twin_run(
        &self,
        run: (TwinRunId, Timestamp),
        state: TwinRunState,
        now: Timestamp,
        gist: &str,
        result: &str,
    ) -> Result<bool, StoreError> {
        let (id, begun) = run;
        let sql = "UPDATE twin_runs SET state = $4, ended = $2, gist = $5, result = $6 \
            WHERE id = $1 AND state = 1 AND begun = $3";
        let more = |args: &mut Args| {
            args.int(begun.as_micros());
            args.int(state as i64);
            args.text(gist);
            args.text(result);
        };
        Ok(self.change_twin_run(sql, id, now, more).await? > 0)
    }

    /// A run that waits or is played comes to nothing. False where it is over already.
    pub async fn cancel_twin_run(&self, id: TwinRunId, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "UPDATE twin_runs SET state = 4, ended = $2 WHERE id = $1 AND state < 2";
        Ok(self.change_twin_run(sql, id, now, |_| {}).await? > 0)
    }

    /// What was being played when a server went away is told to be so.
    pub async fn interrupt_twin_runs(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut writing = self.writing().await.map_err(store_error)?;
        let mut args = Args::new(writing.conn.kind());
        args.int(now.as_micros());
        let sql = "UPDATE twin_runs SET state = 5, ended = $1 WHERE state = 1";
        let changed = writing.conn.execute(sql, args).await.map_err(store_error)?;
        writing.commit().await.map_err(store_error)?;
        Ok(changed)
    }

    /// Forgets a run. False where there is none.
    pub async fn remove_twin_run(&self, id: TwinRunId) -> Result<bool, StoreError> {
        let mut writing = self.writing().await.map_err(store_error)?;
        let removed = remove(&mut writing.conn, id).await.map_err(store_error)?;
        writing.commit().await.map_err(store_error)?;
        Ok(removed > 0)
    }

    async fn change_twin_run(
        &self,
        sql: &'static str,
        id: TwinRunId,
        now: Timestamp,
        more: impl FnOnce(&mut Args),
    ) -> Result<u64, StoreError> {
        let mut writing = self.writing().await.map_err(store_error)?;
        let mut args = Args::new(writing.conn.kind());
        args.id(id.as_u128());
        args.int(now.as_micros());
        more(&mut args);
        let changed = writing.conn.execute(sql, args).await.map_err(store_error)?;
        writing.commit().await.map_err(store_error)?;
        Ok(changed)
    }
}

async fn remove(conn: &mut Conn, id: TwinRunId) -> Sql<u64> {
    let mut args = Args::new(conn.kind());
    args.id(id.as_u128());
    conn.execute("DELETE FROM twin_runs WHERE id = $1", args).await
}
