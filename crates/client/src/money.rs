//! Wallets, bills, margins, prices, the policy.

use wire::money::{
    Bill, BillQuery, Margin, MarginQuery, PriceBook, PriceCreate, PriceCreated, TopUp, TopUpDone, Transfer, Wallet,
};
use wire::policy::{Policy, PolicySet, PolicySetDone};
use wire::twin::PlatformState;

use crate::jobs::filters;
use crate::{Client, ClientError, Pages};

const BILL_FILTERS: &[&str] = &["tenant", "project", "user", "job", "from", "to"];

impl Client {
    pub async fn wallet(&self, tenant: &str) -> Result<Wallet, ClientError> {
        self.read(self.get(&["v1", "tenants", tenant, "wallet"])).await
    }
    /// Moves money into a wallet. `key` names the movement: repeated under the same key it happens once.
    pub async fn top_up(&self, tenant: &str, top_up: &TopUp, key: Option<&str>) -> Result<TopUpDone, ClientError> {
        self.read(self.post(&["v1", "tenants", tenant, "wallet", "top-ups"]).json(top_up).once(key)).await
    }
    /// Newest first.
    pub fn transfers(&self, tenant: &str) -> Pages<Transfer> {
        Pages::new(self, &["v1", "tenants", tenant, "transfers"], Vec::new())
    }
    /// `format` of the query is not used.
    pub async fn bill(&self, query: &BillQuery) -> Result<Bill, ClientError> {
        self.read(self.get(&["v1", "bill"]).pairs(&filters(BILL_FILTERS, query)).query("format", Some("json"))).await
    }
    /// The same as CSV text, in the FOCUS columns.
    pub async fn bill_csv(&self, query: &BillQuery) -> Result<String, ClientError> {
        self.text(self.get(&["v1", "bill"]).pairs(&filters(BILL_FILTERS, query)).query("format", Some("csv"))).await
    }
    pub async fn margin(&self, query: &MarginQuery) -> Result<Margin, ClientError> {
        self.read(self.get(&["v1", "margin"]).pairs(&filters(&["by", "from", "to"], query))).await
    }
    pub fn prices(&self) -> Pages<PriceBook> {
        Pages::new(self, &["v1", "prices"], Vec::new())
    }
    /// The policy in force.
    pub async fn policy(&self) -> Result<Policy, ClientError> {
        self.read(self.get(&["v1", "policy"])).await
    }
    /// Puts another policy into force, or says what it would change.
    pub async fn set_policy(&self, set: &PolicySet) -> Result<PolicySetDone, ClientError> {
        self.read(self.put(&["v1", "policy"]).json(set).once(None)).await
    }
    /// Newest first.
    pub fn policy_versions(&self) -> Pages<Policy> {
        Pages::new(self, &["v1", "policy", "versions"], Vec::new())
    }
    /// A copy of everything that decides when open work starts.
    pub async fn state(&self) -> Result<PlatformState, ClientError> {
        self.read(self.get(&["v1", "state"])).await
    }
    /// Publishes a new version of the selling prices.
    pub async fn publish_prices(&self, prices: &PriceCreate) -> Result<PriceCreated, ClientError> {
        self.read(self.post(&["v1", "prices"]).json(prices).once(None)).await
    }
}
