//! Lists of jobs: which rows, in what order, a page at a time. The keys of a page are found first, by the index that
//! fits the order or the rarest condition, then its rows are read. Knows nothing of what a row shows.

use std::collections::HashMap;

use base::UserId;
use model::StateCode;
use ports::StoreError;

use crate::codec;
use crate::db::{Columns as _, Kind};
use crate::query::build::Select;
use crate::query::jobs::{JobEntry, JobFilter, entries, get_entry};
use crate::query::page::{BadCursor, Cursor, Page, PageRequest, Scope};
use crate::store::SqlStore;

mod conditions;
use conditions::{By, Conditions, FEW, Half};

/// What a list of jobs is sorted by. Jobs without the value come after all others, by their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JobSort {
    /// The order of submission.
    #[default]
    Number,
    Started,
    Ended,
    /// From the last start to the end; of ended jobs only, since that of others grows.
    RunTime,
    /// What was charged so far.
    Price,
    Name,
    /// Names of users, each one's jobs by number.
    User,
}

impl JobSort {
    /// The key in the order of `number`'s tag in cursors; never renumbered.
    const ALL: [JobSort; 7] =
        [Self::Number, Self::Started, Self::Ended, Self::RunTime, Self::Price, Self::Name, Self::User];

    /// As the index of that half has it; those who only wait were charged nothing.
    const fn key(self, half: Option<Half>) -> &'static str {
        match self {
            Self::Number if matches!(half, Some(Half::Begun)) => "j.begun",
            Self::Number => "j.number",
            Self::Started if matches!(half, Some(Half::Ended)) => "j.last_start",
            Self::Started => "j.started_at",
            Self::Ended => "j.ended_at",
            Self::RunTime => "(j.ended_at - j.last_start)",
            Self::Price if matches!(half, Some(Half::Ended)) => "j.last_charge",
            Self::Price if matches!(half, Some(Half::Waiting)) => "0",
            Self::Price => "j.charged",
            Self::Name => "j.name",
            Self::User => "(SELECT u.name FROM users u WHERE u.id = j.user_id)",
        }
    }

    const fn may_lack(self) -> bool {
        matches!(self, Self::Started | Self::Ended | Self::RunTime)
    }

    const fn is_text(self) -> bool {
        matches!(self, Self::Name | Self::User)
    }
}

/// How a list of jobs is ordered: newest first when nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobOrder {
    pub by: JobSort,
    pub ascending: bool,
}

impl JobOrder {
    /// Eight bits that stand in a cursor before the job's number, so that a cursor of another order is refused.
    fn tag(self, lacking: bool) -> u128 {
        let by = JobSort::ALL.iter().position(|one| *one == self.by).unwrap_or_default() as u128;
        (by << 2) | (u128::from(self.ascending) << 1) | u128::from(lacking)
    }

    const fn words(self) -> (&'static str, &'static str) {
        if self.ascending { (">", "ASC") } else { ("<", "DESC") }
    }
}

/// Users whose jobs are looked for at a time.
const USERS_AT_ONCE: i64 = 100;

/// Where a page begins: after the job of this number, with this value or without one.
#[derive(Clone, Copy, Debug)]
struct After {
    number: i64,
    value: i64,
    lacking: bool,
}

/// `text` in a pattern of `LIKE … ESCAPE '!'`, where its wildcards are only letters.
pub(crate) fn escape_like(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    for c in text.chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern
}

/// Which halves a filter leaves.
fn halves(jobs: &JobFilter) -> Vec<Half> {
    let some = |wanted: fn(&StateCode) -> bool| jobs.states.is_empty() || jobs.states.iter().any(wanted);
    let dated = jobs.ended_from.is_some() || jobs.ended_to.is_some();
    let ended = jobs.open != Some(true) && some(|state| !state.is_open());
    let open = jobs.open != Some(false) && some(|state| state.is_open()) && !dated;
    let running = !jobs.states.is_empty() && !some(|state| state.is_open() && *state != StateCode::Running);
    let of_open = if running || jobs.pools.is_some() { Half::Begun } else { Half::Open };
    [(ended, Half::Ended), (open, of_open)].into_iter().filter(|(is, _)| *is).map(|(_, half)| half).collect()
}

/// Which parts of these halves have what a list is sorted by, or lack it.
fn parts(halves: &[Half], by: JobSort, lacking: bool) -> Vec<Half> {
    let of = |half: &Half| match (by, half) {
        (JobSort::Ended | JobSort::RunTime, Half::Open | Half::Begun) if !lacking => vec![],
        (JobSort::Started, Half::Open) if !lacking => vec![Half::Begun],
        (JobSort::Price, Half::Open) => vec![Half::Begun, Half::Waiting],
        _ => vec![*half],
    };
    halves.iter().flat_map(of).collect()
}

/// A key of a page: the job, and what it was sorted by.
type Key = (i64, Option<i64>);

impl SqlStore {
    /// Jobs of the scope that pass the filter, newest (largest number) first.
    pub async fn jobs(&self, scope: Scope, jobs: &JobFilter, page: PageRequest) -> Result<Page<JobEntry>, StoreError> {
        match self.jobs_by(scope, jobs, JobOrder::default(), page).await? {
            Ok(found) => Ok(found),
            Err(BadCursor) => Ok(Page { items: Vec::new(), next: None }),
        }
    }

    /// Jobs of the scope that pass the filter, in an order. A cursor of another order is refused.
    pub async fn jobs_by(
        &self,
        scope: Scope,
        jobs: &JobFilter,
        order: JobOrder,
        page: PageRequest,
    ) -> Result<Result<Page<JobEntry>, BadCursor>, StoreError> {
        let after = match page.after() {
            None => None,
            Some(Cursor { number, id }) if order == JobOrder::default() && id == 0 => {
                Some(After { number, value: number, lacking: false })
            }
            Some(Cursor { number: value, id }) => {
                let (tag, number) = (id >> 64, id as u64 as i64);
                if tag != order.tag(false) && tag != order.tag(true) {
                    return Ok(Err(BadCursor));
                }
                Some(After { number, value, lacking: tag == order.tag(true) })
            }
        };
        let halves = halves(jobs);
        let keys = match order.by {
            JobSort::User if jobs.user.is_none() && halves.contains(&Half::Ended) => {
                self.keys_by_user(scope, jobs, order, after, page.rows()).await?
            }
            JobSort::User if jobs.user.is_some() => {
                let by_number = JobOrder { by: JobSort::Number, ..order };
                self.keys(scope, jobs, by_number, after, page.rows(), &halves).await?
            }
            _ => self.keys(scope, jobs, order, after, page.rows(), &halves).await?,
        };
        Ok(Ok(self.page_of_keys(keys, order, page).await?))
    }

    async fn page_of_keys(
        &self,
        keys: Vec<Key>,
        order: JobOrder,
        page: PageRequest,
    ) -> Result<Page<JobEntry>, StoreError> {
        let keys = page.page(keys, |(number, value)| match order == JobOrder::default() {
            true => Cursor { number: *number, id: 0 },
            false => Cursor {
                number: value.unwrap_or_default(),
                id: (order.tag(value.is_none() && order.by.may_lack()) << 64) | u128::from(*number as u64),
            },
        });
        if keys.items.is_empty() {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let mut select = Select::new(self.kind(), entries());
        select.filter("j.number IN (").list(&keys.items, |select, (number, _)| {
            select.int(*number);
        });
        let rows = self.list(select.text, select.args, get_entry).await?;
        let mut rows: HashMap<i64, JobEntry> =
            rows.into_iter().map(|entry| (codec::natural(entry.row.job.number), entry)).collect();
        let items = keys.items.iter().filter_map(|(number, _)| rows.remove(number)).collect();
        Ok(Page { items, next: keys.next })
    }

    /// The keys of a page in order: first those with a value, then those without.
    async fn keys(
        &self,
        scope: Scope,
        jobs: &JobFilter,
        order: JobOrder,
        after: Option<After>,
        rows: i64,
        halves: &[Half],
    ) -> Result<Vec<Key>, StoreError> {
        if halves.is_empty() || self.is_of_another(scope, jobs).await? {
            return Ok(Vec::new());
        }
        let by = self.fewest(scope, jobs, order, halves).await?;
        let mut conditions =
            Conditions { kind: self.kind(), scope, jobs, by, few_open: false, after_text: String::new() };
        if halves.contains(&Half::Open) && conditions.of_tenant() && by.is_none_or(By::of_ended) {
            let mut select = Select::new(self.kind(), "");
            conditions.by = Some(By::Tenant);
            conditions.few(&mut select, By::Tenant, Some(Half::Open));
            conditions.by = by;
            conditions.few_open = self.is_few(select).await?;
        }
        if let Some(after) = after.filter(|_| order.by.is_text()) {
            // Names of jobs and users do not change, so the last job of the page before tells where it ended.
            let mut args = self.args();
            args.int(after.number);
            let sql = format!("SELECT {} FROM jobs j WHERE j.number = $1", order.by.key(None));
            let found = self.find(sql, args, |row| Ok(row.text(0)?.to_owned())).await?;
            let Some(name) = found else { return Ok(Vec::new()) };
            conditions.after_text = name;
        }
        let mut keys = Vec::new();
        if after.is_none_or(|after| !after.lacking) {
            keys = self.stretch(&conditions, order, halves, after, rows, false).await?;
        }
        if order.by.may_lack() && (keys.len() as i64) < rows {
            let left = rows - keys.len() as i64;
            let after = after.filter(|after| after.lacking);
            keys.extend(self.stretch(&conditions, order, halves, after, left, true).await?);
        }
        Ok(keys)
    }

    /// Whether the user is not of the tenant: jobs are their user's tenant's, so there is none to look for.
    async fn is_of_another(&self, scope: Scope, jobs: &JobFilter) -> Result<bool, StoreError> {
        let (Scope::Tenant(tenant), Some(user)) = (scope, jobs.user) else { return Ok(false) };
        let mut args = self.args();
        args.id(user.as_u128());
        args.id(tenant.as_u128());
        let found = self.find("SELECT 1 FROM users WHERE id = $1 AND tenant = $2", args, |_| Ok(())).await?;
        Ok(found.is_none())
    }

    /// Keys of the jobs that have a value, or of those that have none.
    async fn stretch(
        &self,
        conditions: &Conditions<'_>,
        order: JobOrder,
        halves: &[Half],
        after: Option<After>,
        rows: i64,
        lacking: bool,
    ) -> Result<Vec<Key>, StoreError> {
        let undivided = matches!(order.by, JobSort::Number | JobSort::Name)
            && *halves == [Half::Ended, Half::Open]
            && !conditions.by.is_some_and(By::of_ended);
        let parts = parts(halves, order.by, lacking);
        let halves: Vec<Option<Half>> = if undivided { vec![None] } else { parts.into_iter().map(Some).collect() };
        if halves.is_empty() {
            return Ok(Vec::new());
        }
        let mut select = Select::new(self.kind(), "");
        for (n, half) in halves.iter().enumerate() {
            select.push(if n == 0 { "SELECT n, k FROM (" } else { " UNION ALL SELECT n, k FROM (" });
            part(&mut select, conditions, order, *half, after, rows, lacking);
            select.push(&format!(") AS part_{n}"));
        }
        let (_, direction) = order.words();
        if halves.len() > 1 {
            let by_value = if lacking { String::new() } else { format!("2 {direction}, ") };
            select.push(&format!(" ORDER BY {by_value}1 {direction} LIMIT ")).int(rows);
        }
        let text = order.by.is_text();
        self.list(select.text, select.args, |row| {
            Ok((row.int(0)?, if text || lacking { None } else { row.opt_int(1)? }))
        })
        .await
    }

    async fn is_few(&self, select: Select) -> Result<bool, StoreError> {
        Ok(self.find(select.text, select.args, |row| row.int(0)).await?.unwrap_or_default() <= FEW)
    }

    /// The condition that leaves few enough rows to look at each of them.
    async fn fewest(
        &self,
        scope: Scope,
        jobs: &JobFilter,
        order: JobOrder,
        halves: &[Half],
    ) -> Result<Option<By>, StoreError> {
        for by in By::ALL {
            if by.of_ended() && !halves.contains(&Half::Ended) {
                continue;
            }
            let conditions =
                Conditions { kind: self.kind(), scope, jobs, by: Some(by), few_open: false, after_text: String::new() };
            let mut select = Select::new(self.kind(), "");
            let half = by.of_ended().then_some(Half::Ended);
            if conditions.few(&mut select, by, half)
                && (self.is_few(select).await? || (by == By::Array && self.kind() == Kind::Lite))
            {
                return Ok(Some(by));
            }
        }
        // What PostgreSQL does with many rows its statistics tell it.
        if self.kind() == Kind::Pg {
            return Ok(None);
        }
        // Among open jobs alone nobody's ended ones are passed over.
        if !halves.contains(&Half::Ended) {
            return Ok(None);
        }
        // By number nothing is sorted where the index of the tenant or the user goes by number as well.
        let tenant = matches!(scope, Scope::Tenant(_));
        let own = if jobs.user.is_some() { Some(By::User) } else { tenant.then_some(By::Tenant) };
        Ok(match order.by {
            JobSort::Number => own,
            JobSort::Ended => Some(By::End),
            // Many names of one beginning stand together in their order.
            JobSort::Name if jobs.name.is_some() => Some(By::Name),
            _ => None,
        })
    }

    /// Users by name, each one's jobs by number, until a page is full.
    async fn keys_by_user(
        &self,
        scope: Scope,
        jobs: &JobFilter,
        order: JobOrder,
        after: Option<After>,
        rows: i64,
    ) -> Result<Vec<Key>, StoreError> {
        let by_number = JobOrder { by: JobSort::Number, ..order };
        let halves = halves(jobs);
        let (mut keys, mut last) = (Vec::new(), None);
        if let Some(after) = after {
            let mut args = self.args();
            args.int(after.number);
            let sql = "SELECT u.id, u.name FROM jobs j JOIN users u ON u.id = j.user_id WHERE j.number = $1";
            let found = self.find(sql, args, |row| Ok((row.id(0)?, row.text(1)?.to_owned()))).await?;
            let Some((id, name)) = found else { return Ok(keys) };
            let own = JobFilter { user: Some(UserId::from_u128(id)), ..jobs.clone() };
            let after = After { value: after.number, ..after };
            keys = self.keys(scope, &own, by_number, Some(after), rows, &halves).await?;
            last = Some(name);
        }
        let (sign, direction) = order.words();
        while (keys.len() as i64) < rows {
            let mut select = Select::new(self.kind(), "SELECT u.id, u.name FROM users u");
            select.scope("u.tenant", scope);
            if let Some(name) = &last {
                select.filter(&format!("u.name {sign} ")).text(name);
            }
            select.filter("EXISTS (SELECT 1 FROM jobs j WHERE j.user_id = u.id)");
            select.push(&format!(" ORDER BY u.name {direction} LIMIT {USERS_AT_ONCE}"));
            let users = self.list(select.text, select.args, |row| Ok((row.id(0)?, row.text(1)?.to_owned()))).await?;
            let Some((_, name)) = users.last() else { break };
            last = Some(name.clone());
            for (id, _) in users {
                let left = rows - keys.len() as i64;
                if left == 0 {
                    break;
                }
                let own = JobFilter { user: Some(UserId::from_u128(id)), ..jobs.clone() };
                keys.extend(self.keys(scope, &own, by_number, None, left, &halves).await?);
            }
        }
        Ok(keys)
    }
}

/// One half of a page's keys as a statement of its own.
fn part(
    select: &mut Select,
    conditions: &Conditions<'_>,
    order: JobOrder,
    half: Option<Half>,
    after: Option<After>,
    rows: i64,
    lacking: bool,
) {
    let key = order.by.key(half);
    let number = JobSort::Number.key(half);
    let (sign, direction) = order.words();
    select.again();
    select.push(&format!("SELECT j.number AS n, {key} AS k"));
    match half {
        Some(of @ (Half::Open | Half::Begun | Half::Waiting)) => {
            let open = conditions.open(order, of);
            open.from(select, half);
            open.all(select, half);
        }
        _ => {
            conditions.from(select, half);
            conditions.all(select, half);
        }
    }
    let waiting = half == Some(Half::Waiting);
    if lacking {
        select.filter(&format!("{key} IS NULL"));
    } else if order.by.may_lack() {
        select.filter(&format!("{key} IS NOT NULL"));
    }
    match after {
        Some(after) if lacking || order.by == JobSort::Number => {
            select.filter(&format!("{number} {sign} ")).int(after.number);
        }
        Some(after) if waiting => after_waiting(select, order, after),
        Some(after) if order.by.is_text() => {
            select.filter(&format!("({key}, j.number) {sign} (")).text(&conditions.after_text);
            select.push(", ").int(after.number).push(")");
        }
        Some(after) => {
            if order.by == JobSort::RunTime {
                // Two values at once are not looked for by the index of a computed one.
                select.filter(&format!("{key} {sign}= ")).int(after.value);
            }
            select
                .filter(&format!("({key}, j.number) {sign} ("))
                .int(after.value)
                .push(", ")
                .int(after.number)
                .push(")");
        }
        None => {}
    }
    let by_value =
        if lacking || waiting || order.by == JobSort::Number { String::new() } else { format!("{key} {direction}, ") };
    select.push(&format!(" ORDER BY {by_value}{number} {direction} LIMIT ")).int(rows);
}

/// Those who wait all have the same price, nothing, and stand in the order of their numbers.
fn after_waiting(select: &mut Select, order: JobOrder, after: After) {
    let (sign, _) = order.words();
    match (after.value, order.ascending) {
        (0, _) => {
            select.filter(&format!("j.number {sign} ")).int(after.number);
        }
        (1.., true) | (..0, false) => {
            select.filter("j.number < 0");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_names_are_only_letters() {
        assert_eq!(escape_like("a_b%c!"), "a!_b!%c!!");
    }

    #[test]
    fn a_cursor_names_its_order() {
        let mut seen = std::collections::BTreeSet::new();
        for by in JobSort::ALL {
            for ascending in [false, true] {
                assert!(seen.insert(JobOrder { by, ascending }.tag(false)));
                assert!(seen.insert(JobOrder { by, ascending }.tag(true)));
            }
        }
    }
}
