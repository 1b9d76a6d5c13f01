//! Tenants' statements, corrections, exports.

use wire::statement::{
    CorrectionCreate, CorrectionDone, ExportQuery, InvoiceSet, StatementDetail, StatementPart, StatementsClose,
    StatementsClosed, StatementsQuery, TaxSet, TenantStatement,
};
use wire::{Export, StatementFormat};

use crate::jobs::filters;
use crate::{Client, ClientError, Content, Pages};

impl Client {
    /// Closes months that are over. What is closed is passed over, so it may be asked again.
    pub async fn close_statements(&self, close: &StatementsClose) -> Result<StatementsClosed, ClientError> {
        self.read(self.post(&["v1", "statements"]).json(close).once(None)).await
    }
    /// Newest first; `limit` and `cursor` of the query are not used.
    pub fn statements(&self, query: &StatementsQuery) -> Pages<TenantStatement> {
        Pages::new(self, &["v1", "statements"], filters(query))
    }
    pub async fn statement(&self, number: u64) -> Result<StatementDetail, ClientError> {
        self.read(self.get(&["v1", "statements", &number.to_string()])).await
    }
    /// Its balances alone, which take no time however large it is.
    pub async fn statement_head(&self, number: u64) -> Result<TenantStatement, ClientError> {
        self.read(self.get(&["v1", "statements", &number.to_string()]).query("parts", Some(false))).await
    }
    /// Sums of its jobs, by number.
    pub fn statement_jobs(&self, number: u64) -> Pages<StatementPart> {
        Pages::new(self, &["v1", "statements", &number.to_string(), "jobs"], Vec::new())
    }
    /// The bytes of a statement in some form, as they come.
    pub async fn statement_file(
        &self,
        number: u64,
        format: StatementFormat,
        lang: Option<&str>,
    ) -> Result<Content, ClientError> {
        let call = self.get(&["v1", "statements", &number.to_string()]).query("format", Some(format));
        self.content(call.query("lang", lang), 0, None).await
    }
    pub async fn set_invoice(&self, number: u64, invoice: &InvoiceSet) -> Result<TenantStatement, ClientError> {
        self.read(self.put(&["v1", "statements", &number.to_string(), "invoice"]).json(invoice)).await
    }
    pub async fn set_tax(&self, tenant: &str, tax: &TaxSet) -> Result<TaxSet, ClientError> {
        self.read(self.put(&["v1", "tenants", tenant, "tax"]).json(tax)).await
    }
    /// `key` names the correction: repeated under the same key it happens once.
    pub async fn correct(
        &self,
        tenant: &str,
        correction: &CorrectionCreate,
        key: Option<&str>,
    ) -> Result<CorrectionDone, ClientError> {
        self.read(self.post(&["v1", "tenants", tenant, "corrections"]).json(correction).once(key)).await
    }
    /// The operator's books as CSV, as they come.
    pub async fn export(&self, what: Export, query: &ExportQuery) -> Result<Content, ClientError> {
        let call = self.get(&["v1", "exports", what.as_str()]).pairs(&filters(query));
        self.content(call, 0, None).await
    }
}
