//! The conditions of a list of jobs as SQL, and by which index they are looked for. Knows no order beyond its name and nothing of pages.

use base::TenantId;

use super::{JobOrder, JobSort, escape_like};
use crate::codec;
use crate::db::Kind;
use crate::query::build::Select;
use crate::query::jobs::{JobFilter, NameMatch};
use crate::query::page::Scope;

/// Rows that one condition leaves for them to be looked at one by one: some 20 ms of the embedded database.
pub(super) const FEW: i64 = 10_000;
/// A condition that an index of its own serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
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
    pub(super) const ALL: [By; 8] =
        [Self::Array, Self::Name, Self::User, Self::Tenant, Self::Pool, Self::State, Self::Class, Self::End];

    /// Whether the index has ended jobs only.
    pub(super) const fn of_ended(self) -> bool {
        matches!(self, Self::Pool | Self::State | Self::End)
    }

    /// The index that goes by this condition and then by tenant.
    pub(super) const fn then_by_tenant(self) -> Option<&'static str> {
        match self {
            Self::Pool => Some("jobs_by_pool"),
            Self::State => Some("jobs_by_state"),
            Self::Class => Some("jobs_by_class"),
            _ => None,
        }
    }
}

/// Jobs that have ended and the others are looked for apart, since most indexes have the former only. Of the others those that have begun
/// (a pool was found for them, or once was) have an index too: they are few beside those that wait, which have no start, no pool and no price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    Ended,
    Open,
    Begun,
    Waiting,
}

/// The conditions of a list, and which of them may choose the index. The embedded database keeps no statistics, so it is
/// told: a column with a plus before it serves no index there. PostgreSQL knows how frequent values are, but not which are never met together,
/// and would rather walk through the list's order: what few rows pass is an inner statement there, into which it takes no order.
pub(super) struct Conditions<'a> {
    pub(super) kind: Kind,
    pub(super) scope: Scope,
    pub(super) jobs: &'a JobFilter,
    pub(super) by: Option<By>,
    /// Whether the tenant's open jobs are few.
    pub(super) few_open: bool,
    /// What the page before ended at, where that is a name.
    pub(super) after_text: String,
}

impl Conditions<'_> {
    pub(super) fn plus(&self, index: By) -> &'static str {
        let served =
            self.by == Some(index) || (index == By::Tenant && self.by.is_some_and(|by| by.then_by_tenant().is_some()));
        if self.kind == Kind::Lite && !served { "+" } else { "" }
    }

    pub(super) fn of_tenant(&self) -> bool {
        matches!(self.scope, Scope::Tenant(_))
    }

    /// The same for open jobs, which most indexes leave out.
    pub(super) fn open(&self, order: JobOrder, half: Half) -> Self {
        let by = self.by.filter(|by| !by.of_ended());
        let own = self.of_tenant() && half != Half::Begun && matches!(by, None | Some(By::Tenant));
        let by_number = order.by == JobSort::Number || half == Half::Waiting;
        let by = if own && (self.few_open || (by_number && self.kind == Kind::Lite)) { Some(By::Tenant) } else { by };
        Self { by, after_text: self.after_text.clone(), ..*self }
    }

    /// The table, by the index that the chosen condition has.
    pub(super) fn from(&self, select: &mut Select, half: Option<Half>) {
        let of_open = matches!(half, Some(Half::Open | Half::Waiting));
        match (self.kind, self.by) {
            (Kind::Pg, Some(by)) => {
                select.push(" FROM (SELECT * FROM jobs j");
                match half {
                    Some(Half::Ended) => select.filter("j.open = 0"),
                    Some(Half::Open | Half::Waiting) => select.filter("j.open = 1"),
                    Some(Half::Begun) | None => select,
                };
                self.one(select, by, half);
                if by.then_by_tenant().is_some() {
                    self.one(select, By::Tenant, half);
                }
                select.push(" OFFSET 0) AS j").again();
            }
            (Kind::Lite, Some(By::Tenant)) if of_open => {
                select.push(" FROM jobs j INDEXED BY jobs_open_tenant");
            }
            (Kind::Lite, Some(by)) => {
                select.push(" FROM jobs j");
                if let Some(index) = by.then_by_tenant() {
                    select.push(&format!(" INDEXED BY {index}"));
                }
            }
            (kind, None) => {
                let begun = kind == Kind::Lite && half == Some(Half::Begun);
                select.push(if begun { " FROM jobs j INDEXED BY jobs_begun" } else { " FROM jobs j" });
            }
        }
    }

    /// The condition that the index serves; false when there is none.
    pub(super) fn one(&self, select: &mut Select, index: By, half: Option<Half>) -> bool {
        let plus = self.plus(index);
        let last = half == Some(Half::Ended) && matches!(index, By::State | By::Pool);
        let column = |name: &str| if last { format!("{plus}j.last_{name}") } else { format!("{plus}j.{name}") };
        match (index, self.scope) {
            (By::Tenant, Scope::Tenant(tenant)) => {
                select.filter(&column("tenant = ")).id(TenantId::as_u128(tenant));
            }
            (By::Tenant, Scope::All) => return false,
            _ => return self.property(select, index, &column),
        }
        true
    }

    pub(super) fn property(&self, select: &mut Select, index: By, column: &dyn Fn(&str) -> String) -> bool {
        let JobFilter { states, user, pools, classes, name, ended_from, ended_to, array, .. } = self.jobs;
        match index {
            By::Array => {
                let Some(array) = array else { return false };
                select.filter(&column("array_number = ")).int(i64::try_from(*array).unwrap_or(i64::MAX));
            }
            By::Name => {
                let Some(name) = name else { return false };
                self.name(select, name, column);
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

    /// SQLite compares names byte by byte, so those with a beginning stand between it and what comes after all of them; its `LIKE`
    /// knows no case and is served by no index. PostgreSQL makes such a range by itself where its names are compared so (locale C).
    fn name(&self, select: &mut Select, name: &NameMatch, column: &dyn Fn(&str) -> String) {
        match (name, self.kind) {
            (NameMatch::Equals(name), _) => {
                select.filter(&column("name = ")).text(name);
            }
            (NameMatch::StartsWith(prefix), Kind::Pg) => {
                select.filter(&column("name LIKE ")).text(&format!("{}%", escape_like(prefix))).push(" ESCAPE '!'");
            }
            (NameMatch::StartsWith(prefix), Kind::Lite) => {
                select.filter(&column("name >= ")).text(prefix);
                if let Some(end) = after_all(prefix) {
                    select.filter(&column("name < ")).text(&end);
                }
            }
        }
    }

    /// Counts the rows that one condition leaves, up to one more than are few; false when it is none.
    pub(super) fn few(&self, select: &mut Select, by: By, half: Option<Half>) -> bool {
        select.push("SELECT COUNT(*) FROM (SELECT 1 FROM jobs j");
        let index = if half == Some(Half::Open) { Some("jobs_open_tenant") } else { by.then_by_tenant() };
        if let Some(index) = index.filter(|_| self.kind == Kind::Lite) {
            select.push(&format!(" INDEXED BY {index}"));
        }
        if let Some(half) = half {
            select.filter(if half == Half::Ended { "j.open = 0" } else { "j.open = 1" });
        }
        let is = self.one(select, by, half);
        if is && by.then_by_tenant().is_some() {
            self.one(select, By::Tenant, half);
        }
        select.push(&format!(" LIMIT {}) AS passed", FEW + 1));
        is
    }

    /// All of them, of one half or of both.
    pub(super) fn all(&self, select: &mut Select, half: Option<Half>) {
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
        select.between("j.submitted_at", self.jobs.submitted_from, self.jobs.submitted_to);
    }
}

/// The least text that comes after every text with this beginning, by code points; none comes after the greatest.
fn after_all(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(last as u32 + 1) };
        if let Some(next) = next {
            return Some(chars.into_iter().chain([next]).collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use base::{PoolId, TenantId};
    use model::StateCode;

    use super::*;

    #[test]
    fn texts_with_a_beginning_end_before_another_text() {
        for (prefix, end) in [("melt", "melu"), ("a_\u{d7ff}", "a_\u{e000}"), ("a\u{10ffff}", "b")] {
            let end = Some(end.to_owned());
            assert_eq!(after_all(prefix), end);
            assert!(end.is_some_and(|end| format!("{prefix}\u{10ffff}\u{10ffff}") < end));
        }
        assert_eq!((after_all(""), after_all("\u{10ffff}")), (None, None));
    }

    /// The indexes hold what was at the end, and serve only where it is asked for by that name.
    #[test]
    fn ended_jobs_are_asked_for_by_what_their_indexes_hold() {
        let pools = Some(vec![PoolId::from_u128(1)]);
        let jobs = JobFilter { states: vec![StateCode::Failed], pools, ..JobFilter::default() };
        let scope = Scope::Tenant(TenantId::from_u128(1));
        for (by, ended, open) in
            [(By::State, "j.last_state IN", "j.state IN"), (By::Pool, "j.last_pool IN", "j.pool IN")]
        {
            let conditions = Conditions {
                kind: Kind::Lite,
                scope,
                jobs: &jobs,
                by: Some(by),
                few_open: false,
                after_text: String::new(),
            };
            let mut select = Select::new(Kind::Lite, "");
            assert!(conditions.few(&mut select, by, Some(Half::Ended)));
            assert!(select.text.contains(ended) && select.text.contains(" j.tenant ="), "{}", select.text);
            let mut select = Select::new(Kind::Lite, "");
            conditions.all(&mut select, Some(Half::Open));
            assert!(select.text.contains(open) && !select.text.contains(ended), "{}", select.text);
        }
    }
}
