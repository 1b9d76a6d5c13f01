//! Questions about suppliers' statements, and what was metered on a supplier's pools.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base::{AttemptId, JobId, Money, PoolId, Span, SupplierId, Timestamp};
use model::Attempt;
use ports::StoreError;
use rating::Interval;
use rating::settlement::{Line, Meter, OurLine, Ours, Quantity, State, Statement, worked};

use crate::codec;
use crate::db::{Columns as _, Row, Sql};
use crate::query::build::Select;
use crate::query::page::{Cursor, Page, PageRequest};
use crate::store::SqlStore;

/// States of statements as stored.
pub(crate) const fn state_number(state: State) -> i64 {
    match state {
        State::Open => 0,
        State::Accepted => 1,
        State::Withdrawn => 2,
    }
}

/// Which lines of a statement are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LineFilter {
    #[default]
    All,
    /// Those that did not match.
    Differing,
    /// Those in dispute.
    Open,
}

/// Work on a supplier's pools that has ended and is looked for in its statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkPeriod {
    /// Work that ended after this may be named late.
    pub late_from: Timestamp,
    /// Work that ended within `from < end <= to` is due.
    pub from: Timestamp,
    pub to: Timestamp,
}

/// One row for each attempt that is over and has an interval in the period, with all of its intervals. Of those that were mended,
/// by taking something back, the time that was worked is told interval by interval.
const METERED: &str = "SELECT i.job AS job, i.attempt AS attempt, MIN(i.from_at) AS begun, MAX(i.to_at) AS finish, \
    CAST(SUM(i.to_at - i.from_at) AS BIGINT) AS worked, MAX(i.cpu_millis) AS cpu, MAX(i.gpus) AS gpus, \
    CAST(SUM(i.fee) AS BIGINT) AS accrued \
    FROM intervals i JOIN attempts b ON b.job = i.job AND b.number = i.attempt WHERE ";

/// `b` and `k` are an attempt and one of its intervals.
const MENDED: &str = "(job, attempt) IN (SELECT k.job, k.attempt FROM intervals k \
    JOIN attempts b ON b.job = k.job AND b.number = k.attempt \
    WHERE (k.charge < 0 OR k.fee < 0 OR k.depreciation < 0 OR k.datacentre < 0) AND ";

impl SqlStore {
    /// Statements, newest first.
    pub async fn settlements(&self, page: PageRequest) -> Result<Page<Statement>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT v, doc FROM settlements");
        if let Some(after) = page.after() {
            select.filter("number < ").int(after.number);
        }
        select.push(" ORDER BY number DESC LIMIT ").int(page.rows());
        let found: Vec<Statement> = self.list(select.text, select.args, |row| codec::get(row, 0)).await?;
        Ok(page.page(found, |one| Cursor { number: codec::natural(one.number), id: 0 }))
    }

    pub async fn settlement(&self, number: u64) -> Result<Option<Statement>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT v, doc FROM settlements");
        select.filter("number = ").int(codec::natural(number));
        self.find(select.text, select.args, |row| codec::get(row, 0)).await
    }

    /// By supplier: of the statements that were not withdrawn the newest whose mapping was kept, and that mapping.
    pub async fn kept_mappings(&self) -> Result<BTreeMap<SupplierId, (u64, Arc<str>)>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT v, doc FROM settlements");
        select.filter("state <> ").int(state_number(State::Withdrawn)).push(" ORDER BY number");
        let all: Vec<Statement> = self.list(select.text, select.args, |row| codec::get(row, 0)).await?;
        Ok(all.into_iter().filter_map(|s| Some((s.supplier, (s.number, s.mapping?)))).collect())
    }

    /// The statements that were accepted within `from..to`, in the order of their numbers.
    pub async fn accepted(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Statement>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT v, doc FROM settlements");
        select.filter("state = ").int(state_number(State::Accepted)).push(" ORDER BY number");
        let mut all: Vec<Statement> = self.list(select.text, select.args, |row| codec::get(row, 0)).await?;
        all.retain(|s| s.accepted_at.is_some_and(|at| from < at && at <= to));
        Ok(all)
    }

    /// How many statements have been accepted.
    pub async fn acceptances(&self) -> Result<u64, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT COUNT(*) FROM settlements");
        select.filter("state = ").int(state_number(State::Accepted));
        Ok(self.find(select.text, select.args, |row| row.natural(0)).await?.unwrap_or(0))
    }

    /// Lines of a statement in their order.
    pub async fn settlement_lines(
        &self,
        settlement: u64,
        filter: LineFilter,
        page: PageRequest,
    ) -> Result<Page<Line>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT v, doc FROM settlement_lines");
        select.filter("settlement = ").int(codec::natural(settlement));
        match filter {
            LineFilter::All => {}
            LineFilter::Differing => drop(select.filter("verdict > ").int(0)),
            LineFilter::Open => drop(select.filter("dispute = ").int(1)),
        }
        if let Some(after) = page.after() {
            select.filter("line > ").int(after.number);
        }
        select.push(" ORDER BY line LIMIT ").int(page.rows());
        let found: Vec<Line> = self.list(select.text, select.args, |row| codec::get(row, 0)).await?;
        Ok(page.page(found, |one| Cursor { number: i64::from(one.line), id: 0 }))
    }

    /// All lines of a statement in their order.
    pub async fn all_settlement_lines(&self, settlement: u64) -> Result<Vec<Line>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT v, doc FROM settlement_lines");
        select.filter("settlement = ").int(codec::natural(settlement)).push(" ORDER BY line");
        self.list(select.text, select.args, |row| codec::get(row, 0)).await
    }

    /// An attempt that accepting this statement would settle and another accepted one has: the line, the attempt and the other.
    pub async fn settled_elsewhere(&self, settlement: u64) -> Result<Option<(u32, AttemptId, u64)>, StoreError> {
        let sql = "SELECT l.line, l.job, l.attempt, m.settlement FROM settlement_lines l \
            JOIN settlement_lines m ON m.job = l.job AND m.attempt = l.attempt AND m.settlement <> l.settlement \
            JOIN settlements s ON s.number = m.settlement";
        let mut select = Select::new(self.kind(), sql);
        select.filter("s.state = ").int(state_number(State::Accepted));
        select.filter("l.job IS NOT NULL");
        select.filter("l.settlement = ").int(codec::natural(settlement));
        select.push(" ORDER BY l.line, m.settlement LIMIT 1");
        let read = |row: &Row| -> Sql<_> {
            Ok((row.small(0)?, AttemptId::new(JobId::from_u128(row.id(1)?), row.small(2)?), row.natural(3)?))
        };
        self.find(select.text, select.args, read).await
    }

    /// What we know of the work of a supplier: every attempt on one of its pools (with the names of their clusters) that is
    /// over, was metered, and ended within the period or late before it; by attempt.
    pub async fn supplier_work(
        &self,
        pools: &[(PoolId, Arc<str>)],
        period: WorkPeriod,
    ) -> Result<Vec<Ours>, StoreError> {
        if pools.is_empty() {
            return Ok(Vec::new());
        }
        let columns = "SELECT w.job, w.attempt, j.number, u.name, w.begun, w.finish, w.worked, w.cpu, w.gpus, w.accrued, \
            a.pool, a.v, a.doc, (SELECT MIN(l.settlement) FROM settlement_lines l JOIN settlements s \
            ON s.number = l.settlement WHERE l.job = w.job AND l.attempt = w.attempt AND s.state = 1) FROM (";
        let mut select = Select::new(self.kind(), format!("{columns}{METERED}"));
        over_on(&mut select, pools).push(" AND (i.job, i.attempt) IN (SELECT k.job, k.attempt FROM intervals k WHERE ");
        within(&mut select, period).push(") GROUP BY i.job, i.attempt) w JOIN jobs j ON j.id = w.job ");
        select.push("JOIN users u ON u.id = j.user_id JOIN attempts a ON a.job = w.job AND a.number = w.attempt ");
        select.push("ORDER BY w.job, w.attempt");
        let mended = self.mended(pools, period).await?;
        let read = |row: &Row| get_work(row, pools, period, &mended);
        let found: Vec<Ours> = self.list(select.text, select.args, read).await?;
        Ok(found.into_iter().filter(|o| o.line.end > period.late_from && o.line.end <= period.to).collect())
    }

    /// How long those attempts were worked on of which something was taken back.
    async fn mended(
        &self,
        pools: &[(PoolId, Arc<str>)],
        period: WorkPeriod,
    ) -> Result<HashMap<AttemptId, Span>, StoreError> {
        let mut select = Select::new(self.kind(), format!("SELECT {} FROM intervals", codec::INTERVAL_COLUMNS));
        over_on(select.filter(MENDED), pools).push(" AND ");
        within(&mut select, period).push(") ORDER BY job, attempt, seq");
        let intervals: Vec<Interval> = self.list(select.text, select.args, codec::get_interval).await?;
        let runs = intervals.chunk_by(|a, b| a.attempt == b.attempt);
        Ok(runs.filter_map(|all| Some((all.first()?.attempt, worked(all)))).collect())
    }
}

/// `b` is an attempt on one of the pools, and over.
fn over_on<'a>(select: &'a mut Select, pools: &[(PoolId, Arc<str>)]) -> &'a mut Select {
    select.push("b.open = 0 AND b.pool IN (");
    for (n, (pool, _)) in pools.iter().enumerate() {
        select.push(if n == 0 { "" } else { ", " }).id(pool.as_u128());
    }
    select.push(")")
}

/// `k` is an interval that reaches into the period.
fn within(select: &mut Select, period: WorkPeriod) -> &mut Select {
    select.push("k.to_at > ").int(period.late_from.as_micros());
    select.push(" AND k.from_at <= ").int(period.to.as_micros())
}

fn get_work(
    row: &Row,
    pools: &[(PoolId, Arc<str>)],
    period: WorkPeriod,
    mended: &HashMap<AttemptId, Span>,
) -> Sql<Ours> {
    let attempt: Attempt = codec::get(row, 11)?;
    let pool = PoolId::from_u128(row.id(10)?);
    let worked = mended.get(&attempt.id).map_or(row.int(6)?, |span| span.as_micros());
    let held = |count: i64, per: i128| i64::try_from(i128::from(worked) * i128::from(count) / per).unwrap_or(i64::MAX);
    let quantities = [
        (Meter::Core, held(row.int(7)?, 1_000)),
        (Meter::Card, held(row.int(8)?, 1)),
        (Meter::Node, held(attempt.nodes.len() as i64, 1)),
    ];
    let taken = quantities.into_iter().filter(|(_, micros)| *micros != 0);
    // An interval at the end may reach beyond it, with another that takes that back.
    let end = attempt.ended_at.unwrap_or(Timestamp::from_micros(row.int(5)?));
    let line = OurLine {
        attempt: attempt.id,
        job: row.natural(2)?,
        external: attempt.external,
        cluster: pools.iter().find(|(id, _)| *id == pool).map_or_else(|| "?".into(), |(_, name)| name.clone()),
        user: row.text(3)?.into(),
        start: Timestamp::from_micros(row.int(4)?),
        end,
        quantities: taken.map(|(meter, micros)| Quantity { meter, micros }).collect(),
        accrued: Money(row.int(9)?),
    };
    let settled = row.opt_int(13)?;
    Ok(Ours { due: line.end > period.from, settled_in: settled.and_then(|n| u64::try_from(n).ok()), line })
}
