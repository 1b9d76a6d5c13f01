//! The columns of what was agreed on with tenants and suppliers, and what came of it: contracts, grants, budgets, terms, statements.

use engine::Record;

use crate::codec::{Encoded, natural, put};
use crate::db::Args;

/// `None`: the record is about something else.
pub(crate) fn encode(record: &Record, args: &mut Args) -> Option<Encoded> {
    Some(match record {
        Record::Contract(contract) => put_contract(args, contract),
        Record::Period(period) => put_period(args, period),
        Record::Budget(budget) => {
            args.int(natural(budget.number));
            args.id(budget.tenant.as_u128());
            put(args, budget.as_ref())
        }
        Record::Grant(grant) => {
            args.int(natural(grant.number));
            args.id(grant.tenant.as_u128());
            put(args, grant.as_ref())
        }
        Record::Rate(rate) => {
            args.int(natural(rate.number));
            args.text(rate.of.to_string());
            args.text(rate.into.to_string());
            put(args, rate.as_ref())
        }
        Record::Usage(usage) => crate::query::usage::put(args, usage),
        Record::SupplierTerms(terms) => {
            args.id(terms.supplier.as_u128());
            put(args, terms.as_ref())
        }
        Record::Statement(statement) => put_statement(args, statement),
        Record::StatementLine(line) => put_statement_line(args, line),
        Record::TenantStatement(statement) => put_tenant_statement(args, statement),
        Record::Invoice(invoice) => {
            args.int(natural(invoice.statement));
            put(args, invoice.as_ref())
        }
        Record::Correction(correction) => put_correction(args, correction),
        _ => return None,
    })
}

fn put_contract(args: &mut Args, contract: &rating::contract::Contract) -> Encoded {
    args.int(natural(contract.number));
    args.id(contract.tenant.as_u128());
    put(args, contract)
}

fn put_period(args: &mut Args, period: &rating::contract::Period) -> Encoded {
    args.int(natural(period.key.contract));
    args.int(i64::from(period.key.line));
    args.int(i64::from(period.key.month));
    args.int(i64::from(period.key.carried));
    args.opt_int(period.closed.map(|closing| closing.at.as_micros()));
    args.int(period.closed.map_or(0, |closing| closing.lapsed.micros()));
    put(args, period)
}

fn put_statement(args: &mut Args, statement: &rating::settlement::Statement) -> Encoded {
    args.int(natural(statement.number));
    args.int(crate::query::settlements::state_number(statement.state));
    put(args, statement)
}

/// Verdicts as stored: their place in the list of all, which therefore only grows at its end; 0 matched.
fn put_statement_line(args: &mut Args, line: &rating::settlement::Line) -> Encoded {
    use rating::settlement::{Dispute, Verdict};
    let settles = line.settles();
    args.int(natural(line.settlement));
    args.int(i64::from(line.line));
    args.int(Verdict::ALL.iter().position(|v| *v == line.verdict).unwrap_or(Verdict::ALL.len()) as i64);
    args.int(i64::from(line.dispute == Dispute::Open));
    args.opt_id(settles.map(|attempt| attempt.job.as_u128()));
    args.opt_int(settles.map(|attempt| i64::from(attempt.number)));
    put(args, line)
}

fn put_tenant_statement(args: &mut Args, statement: &rating::statement::TenantStatement) -> Encoded {
    args.int(natural(statement.number));
    args.id(statement.tenant.as_u128());
    args.text(statement.month.to_string());
    put(args, statement)
}

fn put_correction(args: &mut Args, correction: &rating::statement::Correction) -> Encoded {
    args.id(correction.transfer.as_u128());
    args.id(correction.tenant.as_u128());
    args.opt_id(correction.job.map(|of| of.job.as_u128()));
    args.int(correction.at.as_micros());
    put(args, correction)
}
