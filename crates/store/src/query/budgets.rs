//! Questions about budgets.

use base::{Money, ProjectId, TenantId, Timestamp, UserId};
use ports::StoreError;
use rating::Budget;

use crate::codec;
use crate::db::{Columns as _, Row, Sql};
use crate::query::build::Select;
use crate::store::SqlStore;

impl SqlStore {
    /// The budgets of a tenant that were not removed, by number.
    pub async fn budgets(&self, tenant: TenantId) -> Result<Vec<Budget>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT v, doc FROM budgets");
        select.filter("tenant = ").id(tenant.as_u128()).push(" ORDER BY number");
        let mut all: Vec<Budget> = self.list(select.text, select.args, |row| codec::get(row, 0)).await?;
        all.retain(|budget| budget.removed_at.is_none());
        Ok(all)
    }

    /// What the open jobs of a tenant still have set aside, by project and user.
    pub async fn promised(&self, tenant: TenantId) -> Result<Vec<(ProjectId, UserId, Money)>, StoreError> {
        let sql = "SELECT j.project, j.user_id, CAST(SUM(h.amount - h.settled) AS BIGINT) FROM jobs j \
            JOIN holds h ON h.id = j.hold";
        let mut select = Select::new(self.kind(), sql);
        select.filter("j.open = 1").filter("h.open = 1").filter("j.tenant = ").id(tenant.as_u128());
        select.push(" GROUP BY j.project, j.user_id ORDER BY j.project, j.user_id");
        let ids = |row: &Row| -> Sql<_> { Ok((ProjectId::from_u128(row.id(0)?), UserId::from_u128(row.id(1)?))) };
        let read = |row: &Row| ids(row).and_then(|(p, u)| Ok((p, u, Money(row.int(2)?))));
        self.list(select.text, select.args, read).await
    }

    /// What was billed of a budget's work within `from < end <= to` before the budget counted it: read in one statement with what
    /// it has counted since, so that nothing that is billed meanwhile counts twice or not at all.
    pub async fn billed_before(
        &self,
        budget: &Budget,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Option<Money>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT b.v, b.doc, ");
        select.push(
            "(SELECT CAST(COALESCE(SUM(i.charge - i.drawn - i.credited), 0) AS BIGINT) FROM intervals i JOIN jobs j ON j.id = i.job",
        );
        select.push(" WHERE j.tenant = ").id(budget.tenant.as_u128());
        if let Some(project) = budget.project {
            select.push(" AND j.project = ").id(project.as_u128());
        }
        if let Some(user) = budget.user {
            select.push(" AND j.user_id = ").id(user.as_u128());
        }
        select.push(" AND i.to_at > ").int(from.as_micros());
        select.push(" AND i.to_at <= ").int(to.as_micros()).push(") FROM budgets b");
        select.filter("b.number = ").int(codec::natural(budget.number));
        let read = |row: &Row| -> Sql<(Budget, Money)> { Ok((codec::get(row, 0)?, Money(row.int(2)?))) };
        let found = self.find(select.text, select.args, read).await?;
        Ok(found.map(|(kept, billed)| billed - kept.of(from).map_or(Money::ZERO, |spent| spent.since)))
    }
}
