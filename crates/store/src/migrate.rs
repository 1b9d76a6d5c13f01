//! Brings a database to the schema this program knows: numbered steps, each in one transaction, each once.
//! Knows nothing of what the tables are for.

use base::digest128;
use ports::StoreError;

use crate::db::{Args, Columns as _, Conn, Kind, Sql};
use crate::error::store_error;

/// One change of the schema; never edited once released.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) version: i64,
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

/// All steps, oldest first.
pub(crate) const STEPS: &[Step] = &[
    Step { version: 1, name: "foundation", sql: include_str!("../migrations/0001_foundation/up.sql") },
    Step { version: 2, name: "links", sql: include_str!("../migrations/0002_links/up.sql") },
    Step { version: 3, name: "files", sql: include_str!("../migrations/0003_files/up.sql") },
    Step { version: 4, name: "results", sql: include_str!("../migrations/0004_results/up.sql") },
    Step { version: 5, name: "policies", sql: include_str!("../migrations/0005_policies/up.sql") },
    Step { version: 6, name: "checkpoints", sql: include_str!("../migrations/0006_checkpoints/up.sql") },
    Step { version: 7, name: "costs", sql: include_str!("../migrations/0007_costs/up.sql") },
    Step { version: 8, name: "daily", sql: include_str!("../migrations/0008_daily/up.sql") },
    Step { version: 9, name: "settlements", sql: include_str!("../migrations/0009_settlements/up.sql") },
    Step { version: 10, name: "prices", sql: include_str!("../migrations/0010_prices/up.sql") },
    Step { version: 11, name: "contracts", sql: include_str!("../migrations/0011_contracts/up.sql") },
    Step { version: 12, name: "statements", sql: include_str!("../migrations/0012_statements/up.sql") },
    Step { version: 13, name: "budgets", sql: include_str!("../migrations/0013_budgets/up.sql") },
    Step { version: 14, name: "grants", sql: include_str!("../migrations/0014_grants/up.sql") },
    Step { version: 15, name: "users_days", sql: include_str!("../migrations/0015_users_days/up.sql") },
    Step { version: 16, name: "rates", sql: include_str!("../migrations/0016_rates/up.sql") },
    Step { version: 17, name: "usage", sql: include_str!("../migrations/0017_usage/up.sql") },
    Step { version: 18, name: "notices", sql: include_str!("../migrations/0018_notices/up.sql") },
    Step { version: 19, name: "twin", sql: include_str!("../migrations/0019_twin/up.sql") },
    Step { version: 20, name: "lists", sql: include_str!("../migrations/0020_lists/up.sql") },
    Step { version: 21, name: "models", sql: include_str!("../migrations/0021_models/up.sql") },
    Step { version: 22, name: "running", sql: include_str!("../migrations/0022_running/up.sql") },
];

/// Two servers that start together wait for one another here: the first eight bytes of "headworks" as a number.
const PG_MIGRATION_LOCK: &str = "SELECT pg_advisory_xact_lock(7522537965566520939)";

const STEP_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_steps (
    version BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL
)";

/// The statements of a step for one database. SQLite stores a table by its integer key only when the column is
/// declared with these very words; it adds a computed column only where it computes it at each look, which PostgreSQL cannot do; and it knows
/// nothing of how full pages are made (`ALTER TABLE … SET (…);` on a line of its own). Everything else is in the common subset.
pub(crate) fn dialect(sql: &str, kind: Kind) -> String {
    let setting = |line: &&str| line.starts_with("ALTER TABLE ") && line.contains(" SET (");
    match kind {
        Kind::Lite => {
            let sql = sql.replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY").replace(") STORED", ") VIRTUAL");
            sql.lines().filter(|line| !setting(line)).flat_map(|line| [line, "\n"]).collect()
        }
        Kind::Pg => sql.to_owned(),
    }
}

/// The digest by which an applied step is recognised.
pub(crate) fn checksum(step: &Step) -> String {
    format!("{:032x}", digest128(&[step.sql.as_bytes()]))
}

/// Applies the steps that are missing. A database with a version above ours is left alone.
pub(crate) async fn migrate(conn: &mut Conn, steps: &[Step]) -> Result<(), StoreError> {
    while apply_next(conn, steps).await? {}
    Ok(())
}

/// One transaction: looks where the database is and applies one step; false when there is none left.
async fn apply_next(conn: &mut Conn, steps: &[Step]) -> Result<bool, StoreError> {
    conn.begin().await.map_err(store_error)?;
    let done = match next(conn, steps).await {
        Ok(Some(step)) => apply(conn, &step).await.map(|()| true).map_err(store_error),
        Ok(None) => Ok(false),
        Err(error) => Err(error),
    };
    match done {
        Ok(more) => conn.commit().await.map(|()| more).map_err(store_error),
        Err(error) => {
            // The first error is the one to tell; a connection that cannot roll back is dropped by the caller.
            let _second = conn.rollback().await;
            Err(error)
        }
    }
}

async fn next(conn: &mut Conn, steps: &[Step]) -> Result<Option<Step>, StoreError> {
    let kind = conn.kind();
    if kind == Kind::Pg {
        conn.fetch(PG_MIGRATION_LOCK, Args::new(kind)).await.map_err(store_error)?;
    }
    conn.script(dialect(STEP_TABLE, kind).into()).await.map_err(store_error)?;
    let applied = applied(conn).await.map_err(store_error)?;
    let known = steps.last().map_or(0, |step| step.version);
    if let Some((found, _)) = applied.last().filter(|(version, _)| *version > known) {
        return Err(StoreError::TooNew { found: *found, known });
    }
    for (step, (version, found)) in steps.iter().zip(&applied) {
        if step.version != *version || checksum(step) != *found {
            return Err(StoreError::Corrupt(format!("schema step {version} was applied with other content")));
        }
    }
    Ok(steps.get(applied.len()).copied())
}

/// Version and checksum of each applied step, oldest first.
pub(crate) async fn applied(conn: &mut Conn) -> Sql<Vec<(i64, String)>> {
    let rows =
        conn.fetch("SELECT version, checksum FROM schema_steps ORDER BY version", Args::new(conn.kind())).await?;
    rows.iter().map(|row| Ok((row.int(0)?, row.text(1)?.to_owned()))).collect()
}

async fn apply(conn: &mut Conn, step: &Step) -> Sql<()> {
    let kind = conn.kind();
    conn.script(dialect(step.sql, kind).into()).await?;
    let mut args = Args::new(kind);
    args.int(step.version);
    args.text(step.name);
    args.text(checksum(step));
    conn.execute("INSERT INTO schema_steps (version, name, checksum) VALUES ($1, $2, $3)", args).await?;
    tracing::info!(version = step.version, name = step.name, "schema step applied");
    Ok(())
}

#[cfg(test)]
#[path = "migrate_tests.rs"]
mod tests;
