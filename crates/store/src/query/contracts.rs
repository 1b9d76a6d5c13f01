//! Questions about tenants' contracts and their months.

use base::{TenantId, Timestamp};
use ports::StoreError;
use rating::contract::{Contract, Period};

use crate::codec;
use crate::query::build::Select;
use crate::query::page::{Cursor, Page, PageRequest};
use crate::store::SqlStore;

impl SqlStore {
    /// Contracts of a tenant, or all, newest first.
    pub async fn contracts(&self, tenant: Option<TenantId>, page: PageRequest) -> Result<Page<Contract>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT v, doc FROM contracts");
        if let Some(tenant) = tenant {
            select.filter("tenant = ").id(tenant.as_u128());
        }
        if let Some(after) = page.after() {
            select.filter("number < ").int(after.number);
        }
        select.push(" ORDER BY number DESC LIMIT ").int(page.rows());
        let found: Vec<Contract> = self.list(select.text, select.args, |row| codec::get(row, 0)).await?;
        Ok(page.page(found, |one| Cursor { number: codec::natural(one.number), id: 0 }))
    }

    pub async fn contract(&self, number: u64) -> Result<Option<Contract>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT v, doc FROM contracts");
        select.filter("number = ").int(codec::natural(number));
        self.find(select.text, select.args, |row| codec::get(row, 0)).await
    }

    /// The months of a contract, in order; of one month the lines, and of a line what was carried last.
    pub async fn contract_months(&self, contract: u64) -> Result<Vec<Period>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT v, doc FROM contract_months");
        select.filter("contract = ").int(codec::natural(contract)).push(" ORDER BY month, line, carried");
        self.list(select.text, select.args, |row| codec::get(row, 0)).await
    }

    /// Months that were closed within `from < at <= to`, each with its contract: what was earned then without being drawn.
    pub async fn lapsed(&self, from: Timestamp, to: Timestamp) -> Result<Vec<(Contract, Period)>, StoreError> {
        let mut select = Select::new(
            self.kind(),
            "SELECT c.v, c.doc, m.v, m.doc FROM contract_months m JOIN contracts c ON c.number = m.contract",
        );
        select.filter("m.closed_at > ").int(from.as_micros());
        select.filter("m.closed_at <= ").int(to.as_micros());
        select.push(" ORDER BY m.contract, m.line, m.month, m.carried");
        self.list(select.text, select.args, |row| Ok((codec::get(row, 0)?, codec::get(row, 2)?))).await
    }

    /// Contracts that were broken off within `from < at <= to`.
    pub async fn broken_off(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Contract>, StoreError> {
        let select = Select::new(self.kind(), "SELECT v, doc FROM contracts ORDER BY number");
        let mut all: Vec<Contract> = self.list(select.text, select.args, |row| codec::get(row, 0)).await?;
        all.retain(|c| c.broken_off.is_some_and(|at| from < at && at <= to));
        Ok(all)
    }
}
