//! Questions about what the operator has to offer. These lists are short (at most the machine park) and come whole.

use engine::PolicyVersion;
use model::{Cluster, Pool, Supplier};
use ports::StoreError;
use rating::{PoolCost, PriceBook, SupplierTerms};

use crate::codec;
use crate::load::{POOLS, get_pool};
use crate::query::build::Select;
use crate::query::page::{Cursor, Page, PageRequest};
use crate::store::SqlStore;

impl SqlStore {
    /// All suppliers, by id.
    pub async fn suppliers(&self) -> Result<Vec<Supplier>, StoreError> {
        self.list("SELECT v, doc FROM suppliers ORDER BY id", self.args(), |row| codec::get(row, 0)).await
    }

    /// What was agreed on with suppliers and bought from them, by supplier.
    pub async fn supplier_terms(&self) -> Result<Vec<SupplierTerms>, StoreError> {
        self.list("SELECT v, doc FROM supplier_terms ORDER BY supplier", self.args(), |row| codec::get(row, 0)).await
    }

    /// All clusters, by name.
    pub async fn clusters(&self) -> Result<Vec<Cluster>, StoreError> {
        self.list("SELECT v, doc FROM clusters ORDER BY name, id", self.args(), |row| codec::get(row, 0)).await
    }

    /// All pools with what they cost the operator, by id.
    pub async fn pools(&self) -> Result<Vec<(Pool, Option<PoolCost>)>, StoreError> {
        self.list(POOLS, self.args(), get_pool).await
    }

    /// Versions of the policy that were set, newest first.
    pub async fn policies(&self, page: PageRequest) -> Result<Page<PolicyVersion>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT v, doc FROM policies");
        if let Some(after) = page.after() {
            select.filter("number < ").int(after.number);
        }
        select.push(" ORDER BY number DESC LIMIT ").int(page.rows());
        let found: Vec<PolicyVersion> = self.list(select.text, select.args, |row| codec::get(row, 0)).await?;
        Ok(page.page(found, |version| Cursor { number: codec::natural(version.number), id: 0 }))
    }

    /// All price books, by id, which is by time of publication.
    pub async fn price_books(&self) -> Result<Vec<PriceBook>, StoreError> {
        self.list("SELECT v, doc FROM price_books ORDER BY id", self.args(), |row| codec::get(row, 0)).await
    }
}
