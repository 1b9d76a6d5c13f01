//! What a tenant spends and has set aside, and how much waits: sums and lists that its own pages show.

use base::{JobId, Money, ProjectId, TenantId, Timestamp, UserId};
use model::{PriorityClass, StateCode};
use ports::StoreError;

use crate::codec;
use crate::db::{Columns as _, Kind, Row, Sql, unreadable};
use crate::query::build::Select;
use crate::query::page::{Cursor, Page, PageRequest, Scope};
use crate::store::SqlStore;

/// What a tenant's spending is told apart by, within each day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpentBy {
    Project,
    User,
    Line,
}

/// Whose a sum is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpentKey {
    Project(ProjectId),
    User(UserId),
    /// Place in the list of product lines; `None` for work of before it was counted.
    Line(Option<usize>),
}

/// What was charged on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpentRow {
    /// As of [`crate::Days`].
    pub day: i64,
    pub key: SpentKey,
    pub charge: Money,
    /// Part of it that grants paid.
    pub credited: Money,
    pub core_ms: i64,
    pub card_ms: i64,
}

/// What one open job has set aside in its tenant's wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRow {
    pub job: JobId,
    pub number: u64,
    pub name: String,
    pub state: StateCode,
    pub user: Option<String>,
    pub amount: Money,
    pub since: Timestamp,
}

/// Open jobs of one class in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueRow {
    pub class: PriorityClass,
    pub state: StateCode,
    pub jobs: u64,
    pub oldest: Timestamp,
}

impl SpentBy {
    const fn column(self) -> &'static str {
        match self {
            Self::Project => "d.project",
            Self::User => "d.user_id",
            Self::Line => "d.line",
        }
    }

    fn key(self, row: &Row, column: usize) -> Sql<SpentKey> {
        Ok(match self {
            Self::Project => SpentKey::Project(ProjectId::from_u128(row.id(column)?)),
            Self::User => SpentKey::User(UserId::from_u128(row.id(column)?)),
            Self::Line => SpentKey::Line(usize::try_from(row.int(column)?).ok()),
        })
    }
}

impl SqlStore {
    /// What a tenant's work was charged on the days within `from..to`, oldest day first.
    pub async fn spent(
        &self,
        tenant: TenantId,
        by: SpentBy,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<SpentRow>, StoreError> {
        let column = by.column();
        let sum = |name: &str| format!("CAST(SUM(d.{name}) AS BIGINT)");
        let sums = ["charge", "credited", "core_ms", "card_ms"].map(sum).join(", ");
        let text = format!("SELECT d.day, {column}, {sums} FROM daily_users d JOIN projects p ON p.id = d.project");
        let mut select = Select::new(self.kind(), text);
        select.filter("p.tenant = ").id(tenant.as_u128());
        select.filter("d.day >= ").int(self.days().after(from));
        select.filter("d.day <= ").int(self.days().of(to));
        select.push(&format!(" GROUP BY d.day, {column} ORDER BY d.day, {column}"));
        self.list(select.text, select.args, |row| {
            Ok(SpentRow {
                day: row.int(0)?,
                key: by.key(row, 1)?,
                charge: Money(row.int(2)?),
                credited: Money(row.int(3)?),
                core_ms: row.int(4)?,
                card_ms: row.int(5)?,
            })
        })
        .await
    }

    /// What open jobs of a tenant have set aside, newest job first.
    pub async fn held(&self, tenant: TenantId, page: PageRequest) -> Result<Page<HeldRow>, StoreError> {
        let sql = "SELECT j.number, j.id, j.name, j.state, u.name, h.amount, h.opened_at FROM jobs j \
            JOIN holds h ON h.id = j.hold LEFT JOIN users u ON u.id = j.user_id";
        let mut select = Select::new(self.kind(), sql);
        // By the index of open jobs, not through all that the tenant ever had.
        select.filter("j.open = 1 AND h.open = 1 AND h.amount > 0");
        select.filter(if self.kind() == Kind::Lite { "+j.tenant = " } else { "j.tenant = " }).id(tenant.as_u128());
        if let Some(after) = page.after() {
            select.filter("j.number < ").int(after.number);
        }
        select.push(" ORDER BY j.number DESC LIMIT ").int(page.rows());
        let found = self
            .list(select.text, select.args, |row| {
                Ok(HeldRow {
                    number: row.natural(0)?,
                    job: JobId::from_u128(row.id(1)?),
                    name: row.text(2)?.to_owned(),
                    state: codec::state_from(row.int(3)?)?,
                    user: row.opt_text(4)?.map(str::to_owned),
                    amount: Money(row.int(5)?),
                    since: Timestamp::from_micros(row.int(6)?),
                })
            })
            .await?;
        Ok(page.page(found, |row| Cursor { number: row.number as i64, id: 0 }))
    }

    /// Open jobs of the scope, counted by class and state.
    pub async fn queue(&self, scope: Scope) -> Result<Vec<QueueRow>, StoreError> {
        let mut select = Select::new(
            self.kind(),
            "SELECT j.class, j.state, COUNT(*), CAST(MIN(j.submitted_at) AS BIGINT) FROM jobs j",
        );
        select.filter("j.open = 1");
        select.scope(if self.kind() == Kind::Lite { "+j.tenant" } else { "j.tenant" }, scope);
        select.push(" GROUP BY j.class, j.state ORDER BY j.class, j.state");
        self.list(select.text, select.args, |row| {
            let class = usize::try_from(row.int(0)?).ok().and_then(|n| PriorityClass::ALL.get(n));
            Ok(QueueRow {
                class: *class.ok_or_else(|| unreadable("a class"))?,
                state: codec::state_from(row.int(1)?)?,
                jobs: row.natural(2)?,
                oldest: Timestamp::from_micros(row.int(3)?),
            })
        })
        .await
    }
}
