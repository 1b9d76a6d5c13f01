//! Tenants' statements and corrections as they are shown. Names are given by the caller.

use rating::statement as pure;
use store::Told;
use wire::statement::{Correction, TenantStatement};

pub fn statement(told: &Told, tenant_name: String) -> TenantStatement {
    let of = &told.statement;
    let sums = of.sums;
    TenantStatement {
        number: of.number,
        name: of.name(),
        tenant: of.tenant,
        tenant_name,
        month: of.month.to_string(),
        from: of.from.into(),
        to: of.to.into(),
        currency: of.currency.to_string(),
        opening: sums.opening.into(),
        top_ups: sums.top_ups.into(),
        grants: sums.grants.into(),
        withdrawals: sums.withdrawals.into(),
        charges: sums.charges.into(),
        refunds: sums.refunds.into(),
        fees: sums.fees.into(),
        corrections: sums.corrections.into(),
        due: of.due.into(),
        closing: sums.closing.into(),
        written_off: sums.written_off.into(),
        transfers: sums.transfers,
        tax_ppm: of.tax_ppm,
        tax: of.tax.into(),
        closed_at: of.closed_at.into(),
        invoice: told.invoice.as_ref().map(|invoice| invoice.invoice.to_string()),
    }
}

pub fn correction(of: &pure::Correction, tenant_name: String, by: String) -> Correction {
    Correction {
        transfer: of.transfer,
        at: of.at.into(),
        tenant_name,
        amount: of.amount.into(),
        currency: of.currency.to_string(),
        job: of.job.map(|job| job.job),
        number: of.job.map(|job| job.number),
        reason: of.reason.to_string(),
        by,
    }
}
