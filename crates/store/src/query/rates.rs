//! Questions about rates between currencies.

use base::Currency;
use ports::StoreError;
use rating::{Rate, RateTable};

use crate::codec;
use crate::query::build::Select;
use crate::query::page::{Cursor, Page, PageRequest};
use crate::store::SqlStore;

impl SqlStore {
    /// Rates as they were told, newest first, also those that another took the place of; of or into a currency, where one is said.
    pub async fn rates(
        &self,
        of: Option<Currency>,
        into: Option<Currency>,
        page: PageRequest,
    ) -> Result<Page<Rate>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT v, doc FROM currency_rates");
        for (column, currency) in [("source = ", of), ("target = ", into)] {
            if let Some(currency) = currency {
                select.filter(column).text(currency.as_str());
            }
        }
        if let Some(after) = page.after() {
            select.filter("number < ").int(after.number);
        }
        select.push(" ORDER BY number DESC LIMIT ").int(page.rows());
        let found: Vec<Rate> = self.list(select.text, select.args, |row| codec::get(row, 0)).await?;
        Ok(page.page(found, |one| Cursor { number: codec::natural(one.number), id: 0 }))
    }

    pub async fn rate(&self, number: u64) -> Result<Option<Rate>, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT v, doc FROM currency_rates");
        select.filter("number = ").int(codec::natural(number));
        self.find(select.text, select.args, |row| codec::get(row, 0)).await
    }

    /// All rates into a currency, or all there are.
    pub async fn rate_table(&self, into: Option<Currency>) -> Result<RateTable, StoreError> {
        let mut select = Select::new(self.kind(), "SELECT v, doc FROM currency_rates");
        if let Some(into) = into {
            select.filter("target = ").text(into.as_str());
        }
        select.push(" ORDER BY number");
        let told: Vec<Rate> = self.list(select.text, select.args, |row| codec::get(row, 0)).await?;
        Ok(told.into_iter().collect())
    }
}
