//! The audit log, and the store's own size for metrics.

use base::{Timestamp, UserId};
use engine::AuditEntry;
use model::Actor;
use ports::StoreError;

use crate::codec;
use crate::db::{Columns as _, Kind, Sql};
use crate::error::store_error;
use crate::query::build::Select;
use crate::query::listed::escape_like;
use crate::query::page::{Cursor, Page, PageRequest, Scope};
use crate::store::SqlStore;

/// How much the store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    /// Jobs ever submitted: the largest number.
    pub jobs: u64,
    pub jobs_open: u64,
    /// Largest sequence number of an event.
    pub events: u64,
    pub users: u64,
    pub tenants: u64,
    pub onces: u64,
    /// Bytes of the database, without the embedded one's log.
    pub bytes: u64,
}

/// A word that an entry must have, and the user that it names, if any: entries know users by their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditWord {
    /// In lower case.
    pub text: String,
    pub user: Option<UserId>,
}

/// Which entries of the audit log; everything left empty shows all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// All of them.
    pub words: Vec<AuditWord>,
    /// An action (`job.cancel`), or what it begins with up to a dot (`job`).
    pub action: Option<String>,
    /// Who did it.
    pub actor: Option<UserId>,
    pub from: Option<Timestamp>,
    /// Excluded.
    pub to: Option<Timestamp>,
}

impl AuditFilter {
    fn takes(&self, entry: &AuditEntry) -> bool {
        let by = match &entry.actor {
            Actor::User(user) => Some(*user),
            _ => None,
        };
        let below = |action: &String| {
            entry.action == *action || entry.action.strip_prefix(action).is_some_and(|rest| rest.starts_with('.'))
        };
        let text = format!("{} {} {}", entry.action, entry.target, entry.detail).to_lowercase();
        let has = |word: &AuditWord| {
            let user = word.user.map(|user| user.to_string());
            text.contains(&word.text)
                || (word.user.is_some() && word.user == by)
                || user.is_some_and(|user| text.contains(&user))
        };
        self.actor.is_none_or(|actor| by == Some(actor))
            && self.action.as_ref().is_none_or(below)
            && self.words.iter().all(has)
    }
}

/// The pattern of what has `text` in it.
fn contains(text: &str) -> String {
    format!("%{}%", escape_like(&text.to_lowercase()))
}

impl SqlStore {
    /// Entries about the scope's tenant (for [`Scope::All`] every entry), newest first.
    pub async fn audit(&self, scope: Scope, page: PageRequest) -> Result<Page<AuditEntry>, StoreError> {
        self.audit_found(scope, &AuditFilter::default(), page).await
    }

    /// Those of them that pass the filter. The database leaves out what cannot pass, by the text of the documents; what is
    /// left is looked at entry by entry.
    pub async fn audit_found(
        &self,
        scope: Scope,
        wanted: &AuditFilter,
        page: PageRequest,
    ) -> Result<Page<AuditEntry>, StoreError> {
        let from = match wanted.from {
            Some(at) => self.first_entry_at(at).await?,
            None => 0,
        };
        let mut before = match wanted.to {
            Some(at) => self.first_entry_at(at).await?,
            None => i64::MAX,
        };
        if let Some(after) = page.after() {
            before = before.min(after.number);
        }
        let mut found = Vec::new();
        loop {
            let mut select = Select::new(self.kind(), "SELECT v, doc FROM audit");
            select.scope("tenant", scope);
            select.filter("seq >= ").int(from).filter("seq < ").int(before);
            let texts = wanted.words.iter().map(|word| (&word.text, word.user));
            let actor = wanted.actor.map(|user| user.to_string());
            for text in actor.iter().chain(&wanted.action) {
                select.filter("LOWER(doc) LIKE ").text(&contains(text)).push(" ESCAPE '!'");
            }
            for (text, user) in texts {
                select.filter("(LOWER(doc) LIKE ").text(&contains(text)).push(" ESCAPE '!'");
                if let Some(user) = user {
                    select.push(" OR LOWER(doc) LIKE ").text(&contains(&user.to_string())).push(" ESCAPE '!'");
                }
                select.push(")");
            }
            select.push(" ORDER BY seq DESC LIMIT ").int(page.rows());
            let some: Vec<AuditEntry> = self.list(select.text, select.args, |row| codec::get(row, 0)).await?;
            let all = (some.len() as i64) < page.rows();
            before = some.last().map_or(0, |entry| entry.seq as i64);
            found.extend(some.into_iter().filter(|entry| wanted.takes(entry)));
            if all || found.len() as i64 >= page.rows() {
                break;
            }
        }
        found.truncate(page.rows() as usize);
        Ok(page.page(found, |entry| Cursor { number: entry.seq as i64, id: 0 }))
    }

    /// Number of the first entry at or after a time. Entries are numbered as they come, so halving finds it: some twenty looks
    /// among a million.
    async fn first_entry_at(&self, at: Timestamp) -> Result<i64, StoreError> {
        let last = self.find("SELECT MAX(seq) FROM audit", self.args(), |row| row.opt_int(0)).await?.flatten();
        let (mut low, mut high) = (0, last.map_or(0, |last| last + 1));
        while low < high {
            let middle = low + (high - low) / 2;
            let mut args = self.args();
            args.int(middle);
            let sql = "SELECT v, doc FROM audit WHERE seq >= $1 ORDER BY seq LIMIT 1";
            let entry: Option<AuditEntry> = self.find(sql, args, |row| codec::get(row, 0)).await?;
            match entry {
                Some(entry) if entry.at < at => low = entry.seq as i64 + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// Counts for metrics: index scans only, a few milliseconds per hundred thousand open jobs.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        let size = match self.kind() {
            Kind::Lite => "(SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size())",
            Kind::Pg => "pg_database_size(current_database())",
        };
        let sql = format!(
            "SELECT (SELECT COALESCE(MAX(number), 0) FROM jobs), (SELECT COUNT(*) FROM jobs WHERE open = 1), \
             (SELECT COALESCE(MAX(seq), 0) FROM events), (SELECT COUNT(*) FROM users), \
             (SELECT COUNT(*) FROM tenants), (SELECT COUNT(*) FROM onces), {size}"
        );
        let row = self.one(sql, self.args()).await?;
        let read = || -> Sql<Counts> {
            let Some(row) = row else { return Ok(Counts::default()) };
            Ok(Counts {
                jobs: row.natural(0)?,
                jobs_open: row.natural(1)?,
                events: row.natural(2)?,
                users: row.natural(3)?,
                tenants: row.natural(4)?,
                onces: row.natural(5)?,
                bytes: row.natural(6)?,
            })
        };
        read().map_err(store_error)
    }

    /// Whether the database answers; for the readiness probe.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.one("SELECT 1", self.args()).await.map(drop)
    }
}
