//! Questions about grants.

use base::TenantId;
use ports::StoreError;
use rating::Grant;

use crate::codec;
use crate::query::build::Select;
use crate::query::page::{Cursor, Page, PageRequest};
use crate::store::SqlStore;

impl SqlStore {
    /// Grants to a tenant, or all, newest first.
    pub async fn grants(&self, tenant: Option<TenantId>, page: PageRequest) -> Result<Page<Grant>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT v, doc FROM grants");
        if let Some(tenant) = tenant {
            select.filter("tenant = ").id(tenant.as_u128());
        }
        if let Some(after) = page.after() {
            select.filter("number < ").int(after.number);
        }
        select.push(" ORDER BY number DESC LIMIT ").int(page.rows());
        let found: Vec<Grant> = self.list(select.text, select.args, |row| codec::get(row, 0)).await?;
        Ok(page.page(found, |one| Cursor { number: codec::natural(one.number), id: 0 }))
    }

    pub async fn grant(&self, number: u64) -> Result<Option<Grant>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT v, doc FROM grants");
        select.filter("number = ").int(codec::natural(number));
        self.find(select.text, select.args, |row| codec::get(row, 0)).await
    }

    /// The numbers of all grants to a tenant, whatever became of them.
    pub async fn grants_to(&self, tenant: TenantId) -> Result<Vec<u64>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT number FROM grants");
        select.filter("tenant = ").id(tenant.as_u128()).push(" ORDER BY number");
        self.list(select.text, select.args, |row| crate::db::Columns::natural(row, 0)).await
    }
}
