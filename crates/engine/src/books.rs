//! The engine's side of the ledger: which accounts there are, wallets, prices, and the postings by name.

use std::hash::{Hash, Hasher};

use base::{AccountId, Currency, JobId, Money, PoolId, SupplierId, TenantId, TransferId, digest128};
use ledger::{AccountCode, AccountKind, Applied, Floor, Memo, NewAccount, Reference, Transfer, TransferReason};
use model::{Actor, EventKind};
use rating::contract::PeriodKey;
use rating::{Cause, PriceBook};

use crate::denied::Denied;
use crate::input::Report;
use crate::record::{Batch, Record};
use crate::state::{Due, Engine};

/// The operator's accounts, one of each per currency, and those of pools and tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Book {
    Cash,
    Revenue,
    /// What storage, traffic, requests and tokens came to.
    Usage,
    /// Charges that neither hold nor wallet could cover.
    Uncollected,
    /// What the data centres are owed.
    DatacentrePayable,
    Wallet(TenantId),
    Depreciation(PoolId),
    AccumulatedDepreciation(PoolId),
    Datacentre(PoolId),
    /// What work has cost there that was given up and done elsewhere.
    Abandoned(PoolId),
    /// What own nodes cost while nothing used them.
    Unused(PoolId, Cause),
    /// What a partner takes for what was used.
    Fee(PoolId),
    /// What a supplier is owed for what was used, before its statement is settled.
    SupplierAccrued(SupplierId),
    /// What a supplier is owed by accepted statements.
    SupplierPayable(SupplierId),
    /// What accepted statements came to beyond what was accrued.
    SettlementDifference(SupplierId),
    /// What a tenant has paid for a month of a contract's line and has not had yet.
    Deferred(PeriodKey),
    /// Fees of contracts for what is included in them, and for an early end.
    ContractFees,
    /// Of commitments, what was paid for and not used.
    UnusedCommitment,
    /// What a supplier's fees fell behind the minimum purchase.
    Minimum(SupplierId),
    /// What was granted to a tenant for free and not drawn yet.
    Grant(u64),
    /// Against all of these: what is granted for free is owed to nobody until it is used.
    GrantsOutstanding,
    /// What grants paid of revenue: less of it, not a cost.
    Promotions,
}

impl Book {
    fn code(self, currency: Currency) -> String {
        match self {
            Self::Cash => format!("operator/{currency}/cash"),
            Self::Revenue => format!("operator/{currency}/revenue/compute"),
            Self::Usage => format!("operator/{currency}/revenue/usage"),
            Self::Uncollected => format!("operator/{currency}/uncollected"),
            Self::DatacentrePayable => format!("operator/{currency}/payable/datacentre"),
            Self::Wallet(tenant) => format!("tenant/{tenant}/wallet"),
            Self::Depreciation(pool) => format!("pool/{pool}/cost/depreciation"),
            Self::AccumulatedDepreciation(pool) => format!("pool/{pool}/asset/accumulated-depreciation"),
            Self::Datacentre(pool) => format!("pool/{pool}/cost/datacentre"),
            Self::Abandoned(pool) => format!("pool/{pool}/cost/abandoned"),
            Self::Unused(pool, cause) => format!("pool/{pool}/cost/{}", cause.as_str()),
            Self::Fee(pool) => format!("pool/{pool}/cost/fee"),
            Self::SupplierAccrued(supplier) => format!("supplier/{supplier}/accrued"),
            Self::SupplierPayable(supplier) => format!("supplier/{supplier}/payable"),
            Self::SettlementDifference(supplier) => format!("supplier/{supplier}/settlement-difference"),
            Self::Deferred(PeriodKey { contract, line, month, carried }) => {
                format!("contract/{contract}/{line}/{month}/{}", if carried { "carried" } else { "deferred" })
            }
            Self::ContractFees => format!("operator/{currency}/revenue/contract-fees"),
            Self::UnusedCommitment => format!("operator/{currency}/revenue/unused-commitments"),
            Self::Minimum(supplier) => format!("supplier/{supplier}/cost/minimum"),
            Self::Grant(number) => format!("grant/{number}"),
            Self::GrantsOutstanding => format!("operator/{currency}/grants-outstanding"),
            Self::Promotions => format!("operator/{currency}/revenue/promotions"),
        }
    }
    /// What tells books apart: a number for the sort and the id of whose it is.
    const fn parts(self) -> (u8, u128) {
        match self {
            Self::Cash => (0, 0),
            Self::Revenue => (1, 0),
            Self::Uncollected => (2, 0),
            Self::DatacentrePayable => (3, 0),
            Self::Wallet(tenant) => (4, tenant.as_u128()),
            Self::Depreciation(pool) => (5, pool.as_u128()),
            Self::AccumulatedDepreciation(pool) => (6, pool.as_u128()),
            Self::Datacentre(pool) => (7, pool.as_u128()),
            Self::Abandoned(pool) => (8, pool.as_u128()),
            Self::Fee(pool) => (9, pool.as_u128()),
            Self::SupplierAccrued(supplier) => (10, supplier.as_u128()),
            Self::Unused(pool, cause) => (11 + cause as u8, pool.as_u128()),
            Self::SupplierPayable(supplier) => (20, supplier.as_u128()),
            Self::SettlementDifference(supplier) => (21, supplier.as_u128()),
            Self::Deferred(key) => (22, key.packed()),
            Self::ContractFees => (23, 0),
            Self::UnusedCommitment => (24, 0),
            Self::Minimum(supplier) => (30, supplier.as_u128()),
            Self::Grant(number) => (31, number as u128),
            Self::GrantsOutstanding => (32, 0),
            Self::Promotions => (33, 0),
            Self::Usage => (34, 0),
        }
    }
    const fn kind(self) -> AccountKind {
        match self {
            Self::Cash | Self::AccumulatedDepreciation(_) => AccountKind::Asset,
            Self::Revenue | Self::Usage | Self::ContractFees => AccountKind::Income,
            Self::UnusedCommitment | Self::Promotions => AccountKind::Income,
            Self::Uncollected | Self::Abandoned(_) | Self::Depreciation(_) | Self::Datacentre(_) => {
                AccountKind::Expense
            }
            Self::Unused(..) | Self::Fee(_) | Self::SettlementDifference(_) | Self::Minimum(_) => AccountKind::Expense,
            Self::DatacentrePayable | Self::Wallet(_) | Self::SupplierAccrued(_) | Self::SupplierPayable(_) => {
                AccountKind::Liability
            }
            Self::Deferred(_) | Self::Grant(_) | Self::GrantsOutstanding => AccountKind::Liability,
        }
    }
}

/// In one word, since each transfer looks two of them up.
impl Hash for Book {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (sort, id) = self.parts();
        state.write_u128(id ^ u128::from(sort));
    }
}

/// The id of an account follows from its code, so that it is the same on every replica and after every restart.
fn account_id(code: &str) -> AccountId {
    AccountId::from_u128(digest128(&[b"account", code.as_bytes()]))
}

/// The code of a tenant's wallet, for queries of the books.
pub fn wallet_code(tenant: TenantId) -> String {
    Book::Wallet(tenant).code(Currency::CNY)
}

/// The code of the account for what could not be collected in a currency.
pub fn uncollected_code(currency: Currency) -> String {
    Book::Uncollected.code(currency)
}

/// The code of a grant's account.
pub fn grant_code(number: u64) -> String {
    Book::Grant(number).code(Currency::CNY)
}

/// One movement of money as the engine asks for it.
pub(crate) struct Posting {
    pub id: TransferId,
    pub debit: Book,
    pub credit: Book,
    pub amount: Money,
    pub currency: Currency,
    pub reason: TransferReason,
    pub memo: Memo,
    pub reference: Option<Reference>,
}

impl Engine {
    /// The account of that name, opened if it is not there yet.
    pub(crate) fn account(&mut self, book: Book, currency: Currency, out: &mut Batch) -> AccountId {
        if let Some(id) = self.accounts.get(&(book, currency)) {
            return *id;
        }
        let code = book.code(currency);
        let id = account_id(&code);
        self.accounts.insert((book, currency), id);
        if self.ledger.account(id).is_none() {
            let floor = match book {
                Book::Wallet(_) | Book::Deferred(_) | Book::Grant(_) => Floor::NotBelow(Money::ZERO),
                _ => Floor::Unlimited,
            };
            let Ok(code) = AccountCode::new(&code) else { return id };
            let new = NewAccount { id, code, kind: book.kind(), currency, floor };
            if let Ok(applied) = self.ledger.open_account(new) {
                keep(out, applied);
            }
        }
        id
    }

    /// The account's id, whether it was used since the last start or not.
    pub(crate) fn known_account(&self, book: Book, currency: Currency) -> AccountId {
        self.accounts.get(&(book, currency)).copied().unwrap_or_else(|| account_id(&book.code(currency)))
    }

    /// The balance of an account in its natural direction; zero where it was never used.
    pub(crate) fn balance(&self, book: Book, currency: Currency) -> Money {
        self.ledger.account(self.known_account(book, currency)).map_or(Money::ZERO, |account| account.balance())
    }

    /// Posts, or settles from `hold` when one is named. Amounts of zero are passed over.
    pub(crate) fn post(
        &mut self,
        posting: Posting,
        hold: Option<base::HoldId>,
        out: &mut Batch,
    ) -> Result<(), ledger::Refusal> {
        if posting.amount == Money::ZERO {
            return Ok(());
        }
        let debit = self.account(posting.debit, posting.currency, out);
        let credit = self.account(posting.credit, posting.currency, out);
        let transfer = Transfer {
            id: posting.id,
            debit,
            credit,
            amount: posting.amount,
            currency: posting.currency,
            at: self.now,
            reason: posting.reason,
            memo: posting.memo,
            reference: posting.reference,
            hold,
        };
        self.ledger.post_onto(transfer, &mut out.records)?;
        Ok(())
    }

    pub(crate) fn release_hold(&mut self, job: JobId, out: &mut Batch) {
        self.release_promises(job, out);
        self.release_grants(job, out);
        let Some(hold) = self.jobs.get_mut(&job).and_then(|e| e.hold.take()) else { return };
        // A hold that is closed already is what was asked for.
        let _ = self.ledger.release_onto(hold, &mut out.records);
        self.count_promised(job);
    }

    pub(crate) fn top_up(
        &mut self,
        tenant: TenantId,
        amount: Money,
        memo: &str,
        actor: Actor,
        out: &mut Batch,
    ) -> Result<Report, Denied> {
        let currency = self.currency(tenant).ok_or(Denied::NotFound("tenant"))?;
        if amount == Money::ZERO {
            return Err(Denied::Invalid("the amount is zero"));
        }
        let memo = Memo::new(memo).map_err(|_| Denied::Invalid("the memo is too long or has control characters"))?;
        let id = TransferId::from_u128(digest128(&[
            b"top-up",
            &tenant.to_bytes(),
            &(self.last_audit + 1).to_be_bytes(),
            &self.now.as_micros().to_be_bytes(),
        ]));
        let posting = if amount.is_negative() {
            let amount = Money(amount.0.checked_neg().ok_or(Denied::MoneyRange)?);
            let (debit, credit) = (Book::Wallet(tenant), Book::Cash);
            Posting { id, debit, credit, amount, currency, reason: TransferReason::Withdraw, memo, reference: None }
        } else {
            let (debit, credit) = (Book::Cash, Book::Wallet(tenant));
            Posting { id, debit, credit, amount, currency, reason: TransferReason::TopUp, memo, reference: None }
        };
        self.post(posting, None, out)?;
        self.event(out, actor, Some(tenant), None, EventKind::WalletChanged { amount });
        self.audit(out, actor, "wallet.top_up", tenant.to_string(), Some(tenant), format!("{amount} {currency}"));
        self.begin_unpaid(tenant, out);
        self.cover_again(tenant, out);
        let balance = self.wallet(tenant).map_or(Money::ZERO, |w| w.balance);
        Ok(Report::Wallet { tenant, balance })
    }

    pub(crate) fn publish_prices(&mut self, book: PriceBook, actor: Actor, out: &mut Batch) -> Result<Report, Denied> {
        if self.books.iter().any(|b| b.id == book.id) {
            return Err(Denied::Invalid("a price book with this id exists; price books are immutable"));
        }
        self.check_book(&book)?;
        self.audit(out, actor, "prices.publish", book.name.to_string(), None, book.effective_from.rfc3339());
        self.event(out, actor, None, None, EventKind::PricesChanged);
        out.records.push(Record::PriceBook(book.clone()));
        self.enter_book(book);
        self.supply_changed();
        Ok(Report::Prices)
    }

    /// Takes a price book in; one of the future is looked at again when its time comes.
    pub(crate) fn enter_book(&mut self, book: PriceBook) {
        if book.effective_from > self.now {
            self.timers.insert((book.effective_from, Due::Prices));
        }
        self.books.push(book);
    }

    pub(crate) fn open_wallet(
        &mut self,
        tenant: TenantId,
        currency: Currency,
        credit_limit: Money,
        out: &mut Batch,
    ) -> Result<AccountId, Denied> {
        let wallet = self.account(Book::Wallet(tenant), currency, out);
        self.set_credit(tenant, credit_limit, out)?;
        Ok(wallet)
    }

    /// Moves the floor of a wallet to minus the credit limit.
    pub(crate) fn set_credit(&mut self, tenant: TenantId, credit_limit: Money, out: &mut Batch) -> Result<(), Denied> {
        if credit_limit.is_negative() {
            return Err(Denied::Invalid("the credit limit is negative"));
        }
        let wallet = account_id(&wallet_code(tenant));
        keep(out, self.ledger.set_floor(wallet, Floor::NotBelow(-credit_limit))?);
        Ok(())
    }
}

pub(crate) fn keep(out: &mut Batch, applied: Applied) {
    out.records.extend(applied.into_records().into_iter().map(Record::Ledger));
}
