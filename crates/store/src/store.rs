//! The store's handle: how it is opened, its one writing connection and its readers, and the `Store` trait.
//! Knows no table.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use base::Timestamp;
use engine::{Batch, Report, Snapshot};
use futures::FutureExt;
use futures::future::BoxFuture;
use ports::{CommitError, Lease, Store, StoreError};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::SqlitePoolOptions;
use tokio::sync::MutexGuard;

use crate::daily::Days;
use crate::db::{Args, Conn, Db, Kind, Pool, Row, Sql, Text};
use crate::error::store_error;
use crate::lite::{self, Lite};
use crate::write::{Recent, Write};
use crate::{load, migrate, once};

/// Connections for reading. Routes hold one for a few milliseconds; eight saturate the cores they compete for.
const READERS_MAX: u32 = 8;
/// Lists are planned for what they are asked: a plan for any value takes a state of one job in 10,000 for one of three, and walks through
/// a million. What compiling a statement saves is less than it takes.
const PG_READING: [(&str, &str); 2] = [("plan_cache_mode", "force_custom_plan"), ("jit", "off")];
/// Longest wait for a reader before a route is told that the store cannot be reached.
const READER_WAIT: Duration = Duration::from_secs(5);
/// Statements a PostgreSQL connection keeps prepared: 7 sizes × 27 tables, and the routes'.
const STATEMENTS_CACHED: usize = 256;

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// The embedded database `headworks.db` in this folder, which is created where missing.
    Folder(PathBuf),
    /// `postgres://user@host:port/database`, as libpq understands it.
    Postgres(String),
}

/// The writing connection; `None` until first used and after a failure, when it is opened anew.
pub(crate) type Writer = Arc<tokio::sync::Mutex<Option<Conn>>>;

/// The store: writes batches of records, loads what is open, answers the queries of the routes.
/// All methods may be called from any task. Writes go one after another, reads beside them.
///
/// List queries take a [`crate::Scope`]; queries by an id that has no scope argument (attempts of a job, a script)
/// expect that the caller has read the job, or the like, through a scoped one.
pub struct SqlStore {
    pub(crate) db: Db,
    pub(crate) writer: Writer,
    pub(crate) readers: Pool,
    /// Specifications and scripts known to be stored.
    pub(crate) recent: Mutex<Recent>,
    pub(crate) lite: Option<Lite>,
    pub(crate) days: OnceLock<Days>,
}

/// The writing connection inside a transaction, while one task has it. Dropped without [`Writing::done`], the connection is closed, which
/// rolls back whatever was under way.
pub(crate) struct Writing<'a> {
    slot: MutexGuard<'a, Option<Conn>>,
    pub(crate) conn: Conn,
}

impl Writing<'_> {
    /// Gives the connection back after the transaction has ended.
    pub(crate) fn done(mut self) {
        *self.slot = Some(self.conn);
    }

    /// Ends the transaction and gives the connection back.
    pub(crate) async fn commit(mut self) -> Sql<()> {
        self.conn.commit().await?;
        self.done();
        Ok(())
    }
}

impl SqlStore {
    /// Opens the database, creating it and bringing its schema up to date where needed.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be reached or written, or, for a folder, when another server has it (the text
    /// names the holder); `TooNew` when a newer program has changed its schema; `Corrupt` when it is not ours.
    pub async fn open(location: &Location) -> Result<SqlStore, StoreError> {
        match location {
            Location::Folder(folder) => Self::open_folder(folder).await,
            Location::Postgres(url) => Self::open_postgres(url).await,
        }
    }

    async fn open_folder(folder: &Path) -> Result<SqlStore, StoreError> {
        std::fs::create_dir_all(folder)
            .map_err(|error| StoreError::Unavailable(format!("{}: {error}", folder.display())))?;
        let lock = Lite::lock(folder)?;
        let db = lite::writer(folder);
        let writer = prepare(&db).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .acquire_timeout(READER_WAIT)
            .connect_lazy_with(lite::reader(folder));
        let lite = Lite::new(lock, db.clone(), writer.clone());
        Ok(SqlStore {
            db,
            writer,
            readers: Pool::Lite(readers),
            recent: Mutex::default(),
            lite: Some(lite),
            days: OnceLock::new(),
        })
    }

    async fn open_postgres(url: &str) -> Result<SqlStore, StoreError> {
        let options = PgConnectOptions::from_str(url)
            .map_err(store_error)?
            .application_name("headworks")
            .statement_cache_capacity(STATEMENTS_CACHED)
            .disable_statement_logging();
        let db = Db::Pg(Box::new(options.clone()));
        let writer = prepare(&db).await?;
        let reading = options.options(PG_READING);
        let readers =
            PgPoolOptions::new().max_connections(READERS_MAX).acquire_timeout(READER_WAIT).connect_lazy_with(reading);
        Ok(SqlStore {
            db,
            writer,
            readers: Pool::Pg(readers),
            recent: Mutex::default(),
            lite: None,
            days: OnceLock::new(),
        })
    }

    /// Closes all connections; the embedded database then folds its log into its file.
    pub async fn close(self) {
        self.readers.close().await;
        let conn = self.writer.lock().await.take();
        if let Some(conn) = conn
            && let Err(error) = conn.close().await
        {
            tracing::warn!(%error, "closing the database");
        }
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.db.kind()
    }

    pub(crate) fn args(&self) -> Args {
        Args::new(self.kind())
    }

    /// The writing connection with a transaction begun. One that was lost while idle is opened anew.
    pub(crate) async fn writing(&self) -> Sql<Writing<'_>> {
        let mut slot = self.writer.lock().await;
        if let Some(mut conn) = slot.take() {
            match conn.begin().await {
                Ok(()) => return Ok(Writing { slot, conn }),
                Err(error) => tracing::info!(%error, "the connection for writing is opened anew"),
            }
        }
        let mut conn = self.db.connect().await?;
        conn.begin().await?;
        Ok(Writing { slot, conn })
    }

    pub(crate) async fn all(&self, sql: impl Into<Text>, args: Args) -> Result<Vec<Row>, StoreError> {
        self.readers.fetch(sql, args).await.map_err(store_error)
    }

    pub(crate) async fn one(&self, sql: impl Into<Text>, args: Args) -> Result<Option<Row>, StoreError> {
        self.readers.fetch_optional(sql, args).await.map_err(store_error)
    }

    /// Runs a query; rows come one by one.
    pub(crate) fn stream<'a>(&'a self, sql: impl Into<Text>, args: Args) -> futures::stream::BoxStream<'a, Sql<Row>> {
        self.readers.stream(sql, args)
    }

    /// Runs a query and reads each row with `read`.
    pub(crate) async fn list<T>(
        &self,
        sql: impl Into<Text>,
        args: Args,
        read: impl Fn(&Row) -> Sql<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.all(sql, args).await?.iter().map(read).collect::<Sql<_>>().map_err(store_error)
    }

    /// Runs a query for at most one row and reads it.
    pub(crate) async fn find<T>(
        &self,
        sql: impl Into<Text>,
        args: Args,
        read: impl Fn(&Row) -> Sql<T>,
    ) -> Result<Option<T>, StoreError> {
        self.one(sql, args).await?.as_ref().map(read).transpose().map_err(store_error)
    }
}

/// Connects, migrates, and hands over the connection for writing.
async fn prepare(db: &Db) -> Result<Writer, StoreError> {
    let mut conn = db.connect().await.map_err(store_error)?;
    migrate::migrate(&mut conn, migrate::STEPS).await?;
    Ok(Arc::new(tokio::sync::Mutex::new(Some(conn))))
}

impl Store for SqlStore {
    fn acquire(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> BoxFuture<'_, Result<Result<Lease, Lease>, StoreError>> {
        self.take_lease(holder.to_owned(), now, until).boxed()
    }

    fn give_up(&self, fence: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        self.drop_lease(fence).boxed()
    }

    fn commit(&self, fence: u64, batch: &Batch) -> BoxFuture<'_, Result<(), CommitError>> {
        // Rows are made here, so that the future holds nothing of the batch.
        let write = Write::of(batch, self.kind(), self.days(), &self.recent.lock().unwrap_or_else(|e| e.into_inner()));
        async move { self.write(fence, write?).await }.boxed()
    }

    fn load(&self) -> BoxFuture<'_, Result<Snapshot, StoreError>> {
        async { load::load(&self.readers).await.map_err(store_error) }.boxed()
    }

    fn answers(&self, keys: Vec<u128>) -> BoxFuture<'_, Result<Vec<(u128, u128, Report)>, StoreError>> {
        async move { once::answers(&self.readers, &keys).await.map_err(store_error) }.boxed()
    }
}
