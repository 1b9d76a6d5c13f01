//! Lists of jobs: which rows, in what order, a page at a time. The keys of a page are found first, by the index that
//! fits the order or the rarest condition, then its rows are read. Knows nothing of what a row shows.

use std::collections::HashMap;

use base::{TenantId, UserId};
use model::StateCode;
use ports::StoreError;

use crate::codec;
use crate::db::{Columns as _, Kind};
use crate::query::build::Select;
use crate::query::jobs::{JobEntry, JobFilter, NameMatch, entries, get_entry};
use crate::query::page::{BadCursor, Cursor, Page, PageRequest, Scope};
use crate::store::SqlStore;

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

/// Rows that one condition leaves for them to be looked at one by one: some 20 ms of the embedded database.
const FEW: i64 = 10_000;
/// Users whose jobs are looked for at a time.
const USERS_AT_ONCE: i64 = 100;

/// A condition that an index of its own serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Array,
    Name,
    User,
    Tenant,
    Pool,
    State,
    Class,
    End,
}

impl By {
    const ALL: [By; 8] =
        [Self::Array, Self::Name, Self::User, Self::Tenant, Self::Pool, Self::State, Self::Class, Self::End];

    /// Whether the index has ended jobs only.
    const fn of_ended(self) -> bool {
        matches!(self, Self::Pool | Self::State | Self::Class | Self::End)
    }
}

/// Jobs that have ended and the others are looked for apart, since most indexes have the former only. Of the others those that have begun
/// (they run, or did once) have an index too: they are few beside those that wait, which have no start and no price to be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    Ended,
    Open,
    Begun,
    Waiting,
}

/// Where a page begins: after the job of this number, with this value or without one.
#[derive(Clone, Copy, Debug)]
struct After {
    number: i64,
    value: i64,
    lacking: bool,
}

/// The conditions of a list, and which of them may choose the index. The embedded database keeps no statistics, so it is
/// told: a column with a plus before it serves no index there.
struct Conditions<'a> {
    kind: Kind,
    scope: Scope,
    jobs: &'a JobFilter,
    by: Option<By>,
}

impl Conditions<'_> {
    fn plus(&self, index: By) -> &'static str {
        if self.kind == Kind::Lite && self.by != Some(index) { "+" } else { "" }
    }

    /// The condition that the index serves; false when there is none.
    fn one(&self, select: &mut Select, index: By, half: Option<Half>) -> bool {
        let plus = self.plus(index);
        let column = |name: &str| match (name, half) {
            ("state" | "pool", Some(Half::Ended)) => format!("{plus}j.last_{name}"),
            _ => format!("{plus}j.{name}"),
        };
        match (index, self.scope) {
            (By::Tenant, Scope::Tenant(tenant)) => {
                select.filter(&column("tenant = ")).id(TenantId::as_u128(tenant));
            }
            (By::Tenant, Scope::All) => return false,
            _ => return self.property(select, index, &column),
        }
        true
    }

    fn property(&self, select: &mut Select, index: By, column: &dyn Fn(&str) -> String) -> bool {
        let JobFilter { states, user, pools, classes, name, ended_from, ended_to, array, .. } = self.jobs;
        match index {
            By::Array => {
                let Some(array) = array else { return false };
                select.filter(&column("array_number = ")).int(i64::try_from(*array).unwrap_or(i64::MAX));
            }
            By::Name => {
                let Some(NameMatch::Equals(name)) = name else { return false };
                select.filter(&column("name = ")).text(name);
            }
            By::User => {
                let Some(user) = user else { return false };
                select.filter(&column("user_id = ")).id(user.as_u128());
            }
            By::Pool => {
                let Some(pools) = pools else { return false };
                select.filter(&column("pool IN (")).list(pools, |select, pool| {
                    select.id(pool.as_u128());
                });
            }
            By::State => {
                if states.is_empty() {
                    return false;
                }
                select.filter(&column("state IN ("));
                select.list(states, |select, state| {
                    select.int(codec::state_number(*state));
                });
            }
            By::Class => {
                if classes.is_empty() {
                    return false;
                }
                select.filter(&column("class IN ("));
                select.list(classes, |select, class| {
                    select.int(codec::class_number(*class));
                });
            }
            By::End => {
                if ended_from.is_none() && ended_to.is_none() {
                    return false;
                }
                select.between(&column("ended_at"), *ended_from, *ended_to);
            }
            By::Tenant => return false,
        }
        true
    }

    /// All of them, of one half or of both.
    fn all(&self, select: &mut Select, half: Option<Half>) {
        match half {
            // Written out, so that both databases see that the partial indexes serve.
            Some(Half::Ended) => {
                select.filter("j.open = 0");
            }
            Some(Half::Open) => {
                select.filter("j.open = 1");
            }
            Some(Half::Begun) => {
                // Every number is; this says by which index.
                let plus = if self.kind == Kind::Lite && self.by.is_some() { "+" } else { "" };
                select.filter(&format!("{plus}j.begun > 0"));
            }
            Some(Half::Waiting) => {
                select.filter("j.open = 1").filter("j.begun IS NULL");
            }
            None => {}
        }
        for index in By::ALL {
            self.one(select, index, half);
        }
        if let Some(project) = self.jobs.project {
            select.filter("j.project = ").id(project.as_u128());
        }
        if let Some(NameMatch::StartsWith(prefix)) = &self.jobs.name {
            // The second condition is exact where LIKE of SQLite is not: it ignores the case of ASCII letters.
            select.filter("j.name LIKE ").text(&format!("{}%", escape_like(prefix))).push(" ESCAPE '!'");
            let chars = prefix.chars().count() as i64;
            select.filter("substr(j.name, 1, CAST(").int(chars).push(" AS INTEGER)) = ").text(prefix);
        }
        select.between("j.submitted_at", self.jobs.submitted_from, self.jobs.submitted_to);
    }
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
    let of_open = if running { Half::Begun } else { Half::Open };
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
        if halves.is_empty() {
            return Ok(Vec::new());
        }
        let by = self.fewest(scope, jobs, order, halves).await?;
        let conditions = Conditions { kind: self.kind(), scope, jobs, by };
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

    /// The condition that leaves few enough rows to look at each of them. PostgreSQL knows by its statistics.
    async fn fewest(
        &self,
        scope: Scope,
        jobs: &JobFilter,
        order: JobOrder,
        halves: &[Half],
    ) -> Result<Option<By>, StoreError> {
        if self.kind() == Kind::Pg {
            return Ok(None);
        }
        for by in By::ALL {
            if by.of_ended() && !halves.contains(&Half::Ended) {
                continue;
            }
            let conditions = Conditions { kind: self.kind(), scope, jobs, by: Some(by) };
            let mut select = Select::new(self.kind(), "SELECT COUNT(*) FROM (SELECT 1 FROM jobs j");
            if by.of_ended() {
                select.filter("j.open = 0");
            }
            if !conditions.one(&mut select, by, by.of_ended().then_some(Half::Ended)) {
                continue;
            }
            select.push(&format!(" LIMIT {})", FEW + 1));
            let few = self.find(select.text, select.args, |row| row.int(0)).await?.unwrap_or_default() <= FEW;
            if few || by == By::Array {
                return Ok(Some(by));
            }
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
    select.push(&format!("SELECT j.number AS n, {key} AS k FROM jobs j"));
    let open = Conditions { by: conditions.by.filter(|by| !by.of_ended()), ..*conditions };
    if matches!(half, Some(Half::Open | Half::Begun | Half::Waiting)) {
        open.all(select, half)
    } else {
        conditions.all(select, half)
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
            // Names of jobs and users do not change, so the last job of the page before tells where it ended.
            let of_last = key.replace("j.", "l.").replace("u.", "v.").replace("users u", "users v");
            select.filter(&format!("({key}, j.number) {sign} ((SELECT {of_last} FROM jobs l WHERE l.number = "));
            select.int(after.number).push("), ").int(after.number).push(")");
        }
        Some(after) => {
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
