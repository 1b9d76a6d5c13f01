//! Wallets, budgets, bills, margins, prices, settlements with suppliers, the policy.

use wire::budget::{Budget, BudgetSet};
use wire::contract::{Contract, ContractCreate, ContractDetail, ContractEnd};
use wire::grant::{Grant, GrantCreate, GrantRevoke};
use wire::money::{Bill, BillQuery, Margin, MarginQuery, TopUp, TopUpDone, Transfer, Wallet};
use wire::overview::{AgeingReport, MixReport, TenantsReport};
use wire::policy::{Policy, PolicySet, PolicySetDone};
use wire::prices::{PriceBook, PriceCreate, PriceCreated, PriceTrial, PriceTry};
use wire::rates::{Rate, RateSet, RatesQuery};
use wire::report::{PeriodQuery, PoolsReport, Report, ReportQuery, SizingAsk, SizingDone};
use wire::settlement::{
    KeptMapping, LinesQuery, LinesResolve, Settlement, SettlementLine, SettlementNote, SettlementPay, StatementImport,
};
use wire::suppliers::{Supplier, SupplierTermsSet};
use wire::twin::PlatformState;
use wire::usage::{Usage, UsageQuery, UsageReport, UsageSums, UsageTaken};

use crate::jobs::filters;
use crate::{Client, ClientError, Pages};

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
    /// By number.
    pub fn budgets(&self, tenant: &str) -> Pages<Budget> {
        Pages::new(self, &["v1", "tenants", tenant, "budgets"], Vec::new())
    }
    /// Sets a budget, or changes the one for the same work and periods.
    pub async fn set_budget(&self, tenant: &str, set: &BudgetSet) -> Result<Budget, ClientError> {
        self.read(self.post(&["v1", "tenants", tenant, "budgets"]).json(set).once(None)).await
    }
    pub async fn remove_budget(&self, tenant: &str, number: u64) -> Result<(), ClientError> {
        self.done(self.delete(&["v1", "tenants", tenant, "budgets", &number.to_string()])).await
    }
    /// `format` of the query is not used.
    pub async fn bill(&self, query: &BillQuery) -> Result<Bill, ClientError> {
        self.read(self.get(&["v1", "bill"]).pairs(&filters(query)).query("format", Some("json"))).await
    }
    /// The same as CSV text, in the FOCUS columns.
    pub async fn bill_csv(&self, query: &BillQuery) -> Result<String, ClientError> {
        self.text(self.get(&["v1", "bill"]).pairs(&filters(query)).query("format", Some("csv"))).await
    }
    pub async fn margin(&self, query: &MarginQuery) -> Result<Margin, ClientError> {
        self.read(self.get(&["v1", "margin"]).pairs(&filters(query))).await
    }
    pub async fn report_margin(&self, query: &ReportQuery) -> Result<Report, ClientError> {
        self.read(self.get(&["v1", "reports", "margin"]).pairs(&filters(query))).await
    }
    pub async fn report_pools(&self, query: &PeriodQuery) -> Result<PoolsReport, ClientError> {
        self.read(self.get(&["v1", "reports", "pools"]).pairs(&filters(query))).await
    }
    pub async fn report_tenants(&self, query: &PeriodQuery) -> Result<TenantsReport, ClientError> {
        self.read(self.get(&["v1", "reports", "tenants"]).pairs(&filters(query))).await
    }
    pub async fn report_mix(&self, query: &PeriodQuery) -> Result<MixReport, ClientError> {
        self.read(self.get(&["v1", "reports", "mix"]).pairs(&filters(query))).await
    }
    pub async fn report_ageing(&self) -> Result<AgeingReport, ClientError> {
        self.read(self.get(&["v1", "reports", "ageing"])).await
    }
    /// Changes nothing.
    pub async fn report_sizing(&self, ask: &SizingAsk) -> Result<SizingDone, ClientError> {
        self.read(self.post(&["v1", "reports", "sizing"]).json(ask).repeatable()).await
    }
    /// Newest first, also those whose place another has taken; `limit` and `cursor` of the query are not used.
    pub fn rates(&self, query: &RatesQuery) -> Pages<Rate> {
        Pages::new(self, &["v1", "rates"], filters(query))
    }
    /// The same rate again is the one that is known.
    pub async fn set_rate(&self, set: &RateSet) -> Result<Rate, ClientError> {
        self.read(self.post(&["v1", "rates"]).json(set).once(None)).await
    }
    /// Each record has an answer of its own: what was reported before is not billed again.
    pub async fn report_usage(&self, report: &UsageReport) -> Result<UsageTaken, ClientError> {
        self.read(self.post(&["v1", "usage"]).json(report).repeatable()).await
    }
    /// Newest first; `limit` and `cursor` of the query are not used.
    pub fn usage(&self, query: &UsageQuery) -> Pages<Usage> {
        Pages::new(self, &["v1", "usage"], filters(query))
    }
    pub async fn usage_sums(&self, query: &UsageQuery) -> Result<UsageSums, ClientError> {
        self.read(self.get(&["v1", "usage", "sums"]).pairs(&filters(query))).await
    }
    /// By name.
    pub fn suppliers(&self) -> Pages<Supplier> {
        Pages::new(self, &["v1", "suppliers"], Vec::new())
    }
    /// `supplier` is a name or an id.
    pub async fn set_supplier_terms(&self, supplier: &str, set: &SupplierTermsSet) -> Result<Supplier, ClientError> {
        self.read(self.put(&["v1", "suppliers", supplier, "terms"]).json(set).once(None)).await
    }
    /// How a supplier's statements are read, as it was kept.
    pub async fn kept_mapping(&self, supplier: &str) -> Result<KeptMapping, ClientError> {
        self.read(self.get(&["v1", "suppliers", supplier, "mapping"])).await
    }
    /// Takes a supplier's statement in. `key` names the act: repeated under the same key it happens once.
    pub async fn import_statement(
        &self,
        import: &StatementImport,
        key: Option<&str>,
    ) -> Result<Settlement, ClientError> {
        self.read(self.post(&["v1", "settlements"]).json(import).once(key)).await
    }
    /// Newest first.
    pub fn settlements(&self) -> Pages<Settlement> {
        Pages::new(self, &["v1", "settlements"], Vec::new())
    }
    pub async fn settlement(&self, number: u64) -> Result<Settlement, ClientError> {
        self.read(self.get(&["v1", "settlements", &number.to_string()])).await
    }
    /// `limit` and `cursor` of the query are not used.
    pub fn settlement_lines(&self, number: u64, query: &LinesQuery) -> Pages<SettlementLine> {
        Pages::new(self, &["v1", "settlements", &number.to_string(), "lines"], filters(query))
    }
    /// Begins disputes about lines, or ends them.
    pub async fn resolve_lines(&self, number: u64, resolve: &LinesResolve) -> Result<Settlement, ClientError> {
        self.read(self.post(&["v1", "settlements", &number.to_string(), "disputes"]).json(resolve).once(None)).await
    }
    pub async fn accept_settlement(
        &self,
        number: u64,
        note: &SettlementNote,
        key: Option<&str>,
    ) -> Result<Settlement, ClientError> {
        self.read(self.post(&["v1", "settlements", &number.to_string(), "accept"]).json(note).once(key)).await
    }
    pub async fn withdraw_settlement(&self, number: u64, note: &SettlementNote) -> Result<Settlement, ClientError> {
        self.read(self.post(&["v1", "settlements", &number.to_string(), "withdraw"]).json(note).once(None)).await
    }
    /// Pays what is left of what is owed, or a part. `key` names the payment.
    pub async fn pay_settlement(
        &self,
        number: u64,
        pay: &SettlementPay,
        key: Option<&str>,
    ) -> Result<Settlement, ClientError> {
        self.read(self.post(&["v1", "settlements", &number.to_string(), "payments"]).json(pay).once(key)).await
    }
    /// All contracts, newest first; for operators and auditors.
    pub fn contracts(&self) -> Pages<Contract> {
        Pages::new(self, &["v1", "contracts"], Vec::new())
    }
    pub fn tenant_contracts(&self, tenant: &str) -> Pages<Contract> {
        Pages::new(self, &["v1", "tenants", tenant, "contracts"], Vec::new())
    }
    pub async fn contract(&self, number: u64) -> Result<ContractDetail, ClientError> {
        self.read(self.get(&["v1", "contracts", &number.to_string()])).await
    }
    /// `key` names the act.
    pub async fn sign_contract(
        &self,
        tenant: &str,
        create: &ContractCreate,
        key: Option<&str>,
    ) -> Result<ContractDetail, ClientError> {
        self.read(self.post(&["v1", "tenants", tenant, "contracts"]).json(create).once(key)).await
    }
    /// Breaks a contract off.
    pub async fn end_contract(&self, number: u64, end: &ContractEnd) -> Result<ContractDetail, ClientError> {
        self.read(self.post(&["v1", "contracts", &number.to_string(), "end"]).json(end).once(None)).await
    }
    /// All grants, newest first; for operators and auditors.
    pub fn grants(&self) -> Pages<Grant> {
        Pages::new(self, &["v1", "grants"], Vec::new())
    }
    pub fn tenant_grants(&self, tenant: &str) -> Pages<Grant> {
        Pages::new(self, &["v1", "tenants", tenant, "grants"], Vec::new())
    }
    pub async fn grant(&self, number: u64) -> Result<Grant, ClientError> {
        self.read(self.get(&["v1", "grants", &number.to_string()])).await
    }
    /// `key` names the act.
    pub async fn give_grant(
        &self,
        tenant: &str,
        create: &GrantCreate,
        key: Option<&str>,
    ) -> Result<Grant, ClientError> {
        self.read(self.post(&["v1", "tenants", tenant, "grants"]).json(create).once(key)).await
    }
    pub async fn revoke_grant(&self, number: u64, revoke: &GrantRevoke) -> Result<Grant, ClientError> {
        self.read(self.post(&["v1", "grants", &number.to_string(), "revoke"]).json(revoke).once(None)).await
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
    /// What a book would have charged in a month. Nothing is published.
    pub async fn try_prices(&self, asked: &PriceTry) -> Result<PriceTrial, ClientError> {
        self.read(self.post(&["v1", "prices", "trial"]).json(asked)).await
    }
}
