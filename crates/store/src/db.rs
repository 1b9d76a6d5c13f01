//! The only place that knows there are two databases: connections, pools, arguments and rows of either kind.
//! Statements are written once: both drivers take `$1, $2 …`, and the schema keeps to the common subset.
//! Knows no table.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use futures::TryStreamExt;
use futures::stream::BoxStream;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, ConnectOptions, Connection, Postgres, Row as _, Sqlite, Transaction};

/// Result of a statement; row decoding faults travel as [`sqlx::Error::Decode`].
pub(crate) type Sql<T> = Result<T, sqlx::Error>;

/// Which of the two databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Lite,
    Pg,
}

/// How to reach the database; everything is opened from this.
#[derive(Clone)]
pub(crate) enum Db {
    Lite(Box<SqliteConnectOptions>),
    Pg(Box<PgConnectOptions>),
}

impl Db {
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Lite(_) => Kind::Lite,
            Self::Pg(_) => Kind::Pg,
        }
    }

    pub(crate) async fn connect(&self) -> Sql<Conn> {
        Ok(match self {
            Self::Lite(options) => Conn::Lite(Box::new(options.connect().await?)),
            Self::Pg(options) => Conn::Pg(Box::new(options.connect().await?)),
        })
    }
}

/// One connection of our own, for writing.
pub(crate) enum Conn {
    Lite(Box<SqliteConnection>),
    Pg(Box<PgConnection>),
}

/// Shared connections, for reading.
#[derive(Clone)]
pub(crate) enum Pool {
    Lite(SqlitePool),
    Pg(PgPool),
}

/// One of the shared connections, kept for a while to read pages in the order of an index.
pub(crate) enum Reader {
    Lite(PoolConnection<Sqlite>),
    Pg(Transaction<'static, Postgres>),
}

/// As long as its statistics do not know how many rows are open, PostgreSQL takes them for few, and collects and sorts
/// all that remain for each page. Holds for the transaction.
const PG_BY_INDEX: &str = "SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off; SET LOCAL jit = off";

/// Expands one expression for both databases.
macro_rules! both {
    ($what:expr, $type:ident, $db:ident => $body:expr) => {
        match $what {
            $type::Lite($db) => $body,
            $type::Pg($db) => $body,
        }
    };
}

/// A text of SQL made of our own constants and `$n`; never of anything a user wrote.
pub(crate) type Text = Cow<'static, str>;

impl Conn {
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Lite(_) => Kind::Lite,
            Self::Pg(_) => Kind::Pg,
        }
    }

    /// Several statements without arguments, not prepared.
    pub(crate) async fn script(&mut self, sql: Text) -> Sql<()> {
        both!(self, Conn, conn => sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **conn).await.map(drop))
    }

    /// One statement; the number of rows it changed.
    pub(crate) async fn execute(&mut self, sql: impl Into<Text>, args: Args) -> Sql<u64> {
        let sql = AssertSqlSafe(sql.into());
        match (self, args) {
            (Self::Lite(conn), Args::Lite(args)) => {
                Ok(sqlx::query_with(sql, args).execute(&mut **conn).await?.rows_affected())
            }
            (Self::Pg(conn), Args::Pg(args)) => {
                Ok(sqlx::query_with(sql, *args).execute(&mut **conn).await?.rows_affected())
            }
            _ => Err(mismatch()),
        }
    }

    pub(crate) async fn fetch(&mut self, sql: impl Into<Text>, args: Args) -> Sql<Vec<Row>> {
        let sql = AssertSqlSafe(sql.into());
        match (self, args) {
            (Self::Lite(conn), Args::Lite(args)) => {
                sqlx::query_with(sql, args).fetch(&mut **conn).map_ok(Row::Lite).try_collect().await
            }
            (Self::Pg(conn), Args::Pg(args)) => {
                sqlx::query_with(sql, *args).fetch(&mut **conn).map_ok(Row::Pg).try_collect().await
            }
            _ => Err(mismatch()),
        }
    }

    pub(crate) async fn close(self) -> Sql<()> {
        both!(self, Conn, conn => conn.close().await)
    }

    /// Opens a transaction that will write.
    pub(crate) async fn begin(&mut self) -> Sql<()> {
        let sql = match self {
            // Takes the write lock now, so that nothing fails half-way for want of it.
            Self::Lite(_) => "BEGIN IMMEDIATE",
            Self::Pg(_) => "BEGIN",
        };
        self.script(sql.into()).await
    }

    pub(crate) async fn commit(&mut self) -> Sql<()> {
        self.script("COMMIT".into()).await
    }

    pub(crate) async fn rollback(&mut self) -> Sql<()> {
        self.script("ROLLBACK".into()).await
    }
}

impl Pool {
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Lite(_) => Kind::Lite,
            Self::Pg(_) => Kind::Pg,
        }
    }

    pub(crate) async fn fetch(&self, sql: impl Into<Text>, args: Args) -> Sql<Vec<Row>> {
        self.stream(sql, args).try_collect().await
    }

    /// The only row, or the first.
    pub(crate) async fn fetch_optional(&self, sql: impl Into<Text>, args: Args) -> Sql<Option<Row>> {
        let sql = AssertSqlSafe(sql.into());
        match (self, args) {
            (Self::Lite(pool), Args::Lite(args)) => {
                Ok(sqlx::query_with(sql, args).fetch_optional(pool).await?.map(Row::Lite))
            }
            (Self::Pg(pool), Args::Pg(args)) => {
                Ok(sqlx::query_with(sql, *args).fetch_optional(pool).await?.map(Row::Pg))
            }
            _ => Err(mismatch()),
        }
    }

    /// A connection for a row of statements: taking one for each of them would ask each time whether it still lives.
    pub(crate) async fn reader(&self) -> Sql<Reader> {
        Ok(match self {
            Self::Lite(pool) => Reader::Lite(pool.acquire().await?),
            Self::Pg(pool) => {
                let mut reading = pool.begin().await?;
                sqlx::raw_sql(PG_BY_INDEX).execute(&mut *reading).await?;
                Reader::Pg(reading)
            }
        })
    }

    /// Rows as they come, without holding them all.
    pub(crate) fn stream<'a>(&'a self, sql: impl Into<Text>, args: Args) -> BoxStream<'a, Sql<Row>> {
        let sql = AssertSqlSafe(sql.into());
        match (self, args) {
            (Self::Lite(pool), Args::Lite(args)) => Box::pin(sqlx::query_with(sql, args).fetch(pool).map_ok(Row::Lite)),
            (Self::Pg(pool), Args::Pg(args)) => Box::pin(sqlx::query_with(sql, *args).fetch(pool).map_ok(Row::Pg)),
            _ => Box::pin(futures::stream::once(async { Err(mismatch()) })),
        }
    }

    pub(crate) async fn close(&self) {
        both!(self, Pool, pool => pool.close().await);
    }
}

impl Reader {
    /// The only row, or the first.
    pub(crate) async fn fetch_optional(&mut self, sql: impl Into<Text>, args: Args) -> Sql<Option<Row>> {
        let sql = AssertSqlSafe(sql.into());
        match (self, args) {
            (Self::Lite(conn), Args::Lite(args)) => {
                Ok(sqlx::query_with(sql, args).fetch_optional(&mut **conn).await?.map(Row::Lite))
            }
            (Self::Pg(conn), Args::Pg(args)) => {
                Ok(sqlx::query_with(sql, *args).fetch_optional(&mut **conn).await?.map(Row::Pg))
            }
            _ => Err(mismatch()),
        }
    }
}

/// Arguments for one database given to the other: a defect of this crate.
fn mismatch() -> sqlx::Error {
    sqlx::Error::Configuration("arguments of another database".into())
}

/// Values for `$1, $2 …`, in order.
#[derive(Debug)]
pub(crate) enum Args {
    Lite(SqliteArguments),
    Pg(Box<PgArguments>),
}

impl Args {
    pub(crate) fn new(kind: Kind) -> Args {
        match kind {
            Kind::Lite => Self::Lite(SqliteArguments::default()),
            Kind::Pg => Self::Pg(Box::default()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        both!(self, Args, args => args.len())
    }

    pub(crate) fn int(&mut self, value: i64) {
        self.opt_int(Some(value));
    }

    pub(crate) fn opt_int(&mut self, value: Option<i64>) {
        // Encoding an integer, a text or bytes into a buffer has no way to fail.
        let _infallible = both!(self, Args, args => args.add(value));
    }

    pub(crate) fn text(&mut self, value: impl Into<String>) {
        self.opt_text(Some(value.into()));
    }

    /// PostgreSQL's texts cannot hold U+0000; a replacement character stands for it in both databases.
    pub(crate) fn opt_text(&mut self, value: Option<String>) {
        let value = value.map(|text| if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text });
        let _infallible = both!(self, Args, args => args.add(value));
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        let _infallible = both!(self, Args, args => args.add(value.to_vec()));
    }

    /// An id as its 16 bytes, big-endian, so that byte order is id order.
    pub(crate) fn id(&mut self, id: u128) {
        self.bytes(&id.to_be_bytes());
    }

    pub(crate) fn opt_id(&mut self, id: Option<u128>) {
        let value = id.map(|id| id.to_be_bytes().to_vec());
        let _infallible = both!(self, Args, args => args.add(value));
    }
}

/// One row of a result; columns by position.
pub(crate) enum Row {
    Lite(SqliteRow),
    Pg(PgRow),
}

/// A stored value that this program cannot make sense of.
#[derive(Debug)]
pub(crate) struct Unreadable(pub(crate) String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Unreadable {}

/// The error for a stored value that makes no sense.
pub(crate) fn unreadable(what: impl fmt::Display) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(Unreadable(what.to_string())))
}

/// The values of one row, columns by position.
pub(crate) trait Columns {
    fn opt_int(&self, column: usize) -> Sql<Option<i64>>;

    /// A text of ours, such as a document.
    fn opt_text(&self, column: usize) -> Sql<Option<&str>>;

    /// A text that a person wrote.
    fn free_text(&self, column: usize) -> Sql<Arc<str>>;

    /// Ids that the statement has joined by `||`.
    fn opt_ids<const N: usize>(&self, column: usize) -> Sql<Option<[u128; N]>>;

    fn int(&self, column: usize) -> Sql<i64> {
        self.opt_int(column)?.ok_or_else(|| null(column))
    }

    /// A number that is never negative.
    fn natural(&self, column: usize) -> Sql<u64> {
        let value = self.int(column)?;
        u64::try_from(value).map_err(|_| unreadable(format_args!("column {column} is {value}")))
    }

    fn small(&self, column: usize) -> Sql<u32> {
        let value = self.int(column)?;
        u32::try_from(value).map_err(|_| unreadable(format_args!("column {column} is {value}")))
    }

    fn ids<const N: usize>(&self, column: usize) -> Sql<[u128; N]> {
        self.opt_ids(column)?.ok_or_else(|| null(column))
    }

    fn opt_id(&self, column: usize) -> Sql<Option<u128>> {
        Ok(self.opt_ids::<1>(column)?.map(|[id]| id))
    }

    fn id(&self, column: usize) -> Sql<u128> {
        self.opt_id(column)?.ok_or_else(|| null(column))
    }
}

fn null(column: usize) -> sqlx::Error {
    unreadable(format_args!("column {column} is NULL"))
}

impl Row {
    pub(crate) fn text(&self, column: usize) -> Sql<&str> {
        both!(self, Row, row => row.try_get_unchecked(column))
    }

    pub(crate) fn bytes(&self, column: usize) -> Sql<&[u8]> {
        both!(self, Row, row => row.try_get_unchecked(column))
    }
}

impl Columns for Row {
    fn opt_int(&self, column: usize) -> Sql<Option<i64>> {
        both!(self, Row, row => row.try_get_unchecked(column))
    }

    fn opt_text(&self, column: usize) -> Sql<Option<&str>> {
        both!(self, Row, row => row.try_get_unchecked(column))
    }

    fn free_text(&self, column: usize) -> Sql<Arc<str>> {
        self.text(column).map(Arc::from)
    }

    fn opt_ids<const N: usize>(&self, column: usize) -> Sql<Option<[u128; N]>> {
        let bytes: Option<&[u8]> = both!(self, Row, row => row.try_get_unchecked(column))?;
        let Some(bytes) = bytes else { return Ok(None) };
        let (ids, rest) = bytes.as_chunks::<16>();
        match <[[u8; 16]; N]>::try_from(ids) {
            Ok(ids) if rest.is_empty() => Ok(Some(ids.map(u128::from_be_bytes))),
            _ => Err(unreadable(format_args!("{} bytes for {N} ids", bytes.len()))),
        }
    }
}
