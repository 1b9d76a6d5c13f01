//! Tenants' contracts: signing and breaking off, and their months: the fee is taken when a month begins, and what nobody drew of it
//! is earned, or carried into the next month, when all work of that month is billed. Refuses to know how runs draw, see `draw`.

use base::{Money, Span, TenantId, Timestamp, TransferId, digest128};
use ledger::{Memo, Reference, TransferReason};
use model::{Actor, ContractStep, ContractTier, EventKind};
use rating::contract::{Contract, Period, PeriodKey, State, Terms};

use crate::books::{Book, Posting};
use crate::denied::Denied;
use crate::input::Report;
use crate::record::{Batch, Record};
use crate::state::{Due, Engine};
use crate::usage::INCLUDED_WAIT;

/// What is asked about a contract.
#[derive(Clone, Debug)]
pub enum Contracting {
    /// `at_once`: it begins when it is taken in, whatever the terms say.
    Sign { tenant: TenantId, terms: Box<Terms>, at_once: bool },
    /// The month that has begun is its last; the fee for that is taken at once.
    BreakOff { contract: u64, note: String },
}

/// A month is closed at the latest so long after its end, whatever is still to be billed of it.
const CLOSE_WAIT_MAX: Span = Span::from_hours(7 * 24);

impl Engine {
    pub(crate) fn contracting(&mut self, what: Contracting, actor: Actor, out: &mut Batch) -> Result<Report, Denied> {
        match what {
            Contracting::Sign { tenant, terms, at_once } => self.sign(tenant, *terms, at_once, actor, out),
            Contracting::BreakOff { contract, note } => self.break_off(contract, &note, actor, out),
        }
    }

    fn sign(
        &mut self,
        tenant: TenantId,
        mut terms: Terms,
        at_once: bool,
        actor: Actor,
        out: &mut Batch,
    ) -> Result<Report, Denied> {
        let currency = self.currency(tenant).ok_or(Denied::NotFound("tenant"))?;
        if at_once {
            terms.from = self.now;
        }
        if terms.from < self.now {
            return Err(Denied::Contract("a contract begins now or later: what has run is billed already"));
        }
        if terms.currency != currency {
            return Err(Denied::ContractCurrency { contract: terms.currency, tenant: currency });
        }
        if let Some(fault) = terms.fault() {
            return Err(Denied::Terms(fault));
        }
        for (number, commitment) in (1..).zip(&terms.commitments) {
            if let Some(name) = &commitment.of.pool
                && !self.pools.values().any(|entry| entry.pool.name == *name)
            {
                return Err(Denied::CommitmentOfNoPool { number, name: name.clone() });
            }
        }
        if self.contracts_of(tenant).any(|c| c.terms.name == terms.name) {
            return Err(Denied::NameTaken { noun: "contract of this tenant", name: terms.name.to_string() });
        }
        // From here on nothing fails.
        let number = self.contracts.last_key_value().map_or(0, |(n, _)| *n) + 1;
        let (to, signed_at) = (terms.to, self.now);
        let detail = format!("{} for {tenant}: {} to {}", terms.name, terms.from.rfc3339(), terms.to.rfc3339());
        let contract = Contract {
            number,
            tenant,
            terms,
            signed_at,
            state: State::Signed,
            broken_off: None,
            to,
            begun: 0,
            unpaid_since: None,
        };
        self.audit(out, actor, "contract.sign", number.to_string(), Some(tenant), detail);
        self.contract_event(number, tenant, ContractStep::Signed, actor, out);
        self.keep_contract(contract, out);
        self.contract_due(number, out);
        Ok(Report::Contract { contract: number })
    }

    fn break_off(&mut self, number: u64, note: &str, actor: Actor, out: &mut Batch) -> Result<Report, Denied> {
        let mut contract = self.contracts.get(&number).cloned().ok_or(Denied::NotFound("contract"))?;
        if contract.state == State::Over || contract.to <= self.now {
            return Err(Denied::Contract("the contract is over already"));
        }
        if contract.broken_off.is_some() {
            return Err(Denied::Contract("the contract was broken off already: it ends with its month"));
        }
        let last = contract.begun.checked_sub(1).and_then(|n| contract.terms.month(n));
        let to = last.map_or(contract.terms.from.max(self.now), |(_, to)| to.max(self.now));
        if to >= contract.to {
            return Err(Denied::Contract("this is its last month: it ends by itself"));
        }
        let fee = contract.terms.early_fee(contract.begun);
        let currency = contract.terms.currency;
        let posting = Posting {
            id: transfer_id(&[b"early", &number.to_be_bytes()]),
            debit: Book::Wallet(contract.tenant),
            credit: Book::ContractFees,
            amount: fee,
            currency,
            reason: TransferReason::Contract,
            memo: Memo::clipped(&format!("early end of contract {number}")),
            reference: Some(about(&contract)),
        };
        let wallet = self.wallet(contract.tenant).ok_or(Denied::NotFound("tenant"))?;
        if wallet.available < fee {
            let (available, missing) = (wallet.available, fee - wallet.available);
            return Err(Denied::InsufficientFunds { needed: fee, available, missing, currency });
        }
        self.post(posting, None, out)?;
        // From here on nothing fails.
        contract.to = to;
        contract.broken_off = Some(self.now);
        let detail = format!("ends {}, fee {fee} {currency} ({note})", to.rfc3339());
        self.audit(out, actor, "contract.break_off", number.to_string(), Some(contract.tenant), detail);
        self.contract_event(number, contract.tenant, ContractStep::BrokenOff, actor, out);
        self.keep_contract(contract, out);
        self.contract_due(number, out);
        Ok(Report::Contract { contract: number })
    }

    fn keep_contract(&mut self, contract: Contract, out: &mut Batch) {
        out.records.push(Record::Contract(Box::new(contract.clone())));
        self.enter_contract(contract);
    }

    pub(crate) fn enter_contract(&mut self, contract: Contract) {
        let of_tenant = self.contracts_of.entry(contract.tenant).or_default();
        match contract.state {
            State::Signed => of_tenant.insert(contract.number),
            State::Over => of_tenant.remove(&contract.number),
        };
        self.contracts.insert(contract.number, contract);
    }

    /// The contracts of a tenant that are not over.
    pub(crate) fn contracts_of(&self, tenant: TenantId) -> impl Iterator<Item = &Contract> {
        let numbers = self.contracts_of.get(&tenant).into_iter().flatten();
        numbers.filter_map(|number| self.contracts.get(number))
    }

    pub(crate) fn keep_period(&mut self, period: Period) {
        self.touched.periods.insert(period.key);
        self.periods.insert(period.key, period);
    }

    fn contract_event(&mut self, contract: u64, tenant: TenantId, step: ContractStep, actor: Actor, out: &mut Batch) {
        self.event(out, actor, Some(tenant), None, EventKind::ContractChanged { contract, step });
    }

    /// Something of a contract is due: months begin and are closed, and it ends.
    pub(crate) fn contract_due(&mut self, number: u64, out: &mut Batch) {
        let standing = |c: &Contract| (c.begun, c.state, c.unpaid_since.is_some());
        let before = self.contracts.get(&number).map(standing);
        self.begin_months(number, out);
        self.close_months(number, out);
        let Some(contract) = self.contracts.get(&number) else { return };
        let open = self.months_of(number).any(|period| period.closed.is_none());
        if contract.state == State::Signed && contract.to <= self.now && !open {
            let over = Contract { state: State::Over, unpaid_since: None, ..contract.clone() };
            let tenant = over.tenant;
            self.keep_contract(over, out);
            self.contract_event(number, tenant, ContractStep::Over, Actor::Platform, out);
        }
        self.set_contract_timer(number);
        let ends = self.contracts.get(&number).is_some_and(|c| c.to <= self.now);
        if ends || self.contracts.get(&number).map(standing) != before {
            // Its tier, and what lies beyond what it covers, have changed.
            self.admissions.clear();
            self.requeue_all();
        }
    }

    /// When a contract is looked at again: its next month, its end, or a month that is still to be closed.
    pub(crate) fn set_contract_timer(&mut self, number: u64) {
        let Some(contract) = self.contracts.get(&number).filter(|c| c.state == State::Signed) else { return };
        let next = contract.terms.month(contract.begun).map(|(from, to)| if from > self.now { from } else { to });
        let next = next.filter(|at| *at > self.now && *at < contract.to);
        let end = Some(contract.to).filter(|at| *at > self.now);
        let again = self.now + self.policy.meter_interval + self.policy.meter_lag + Span::from_micros(1);
        let open = self.months_of(number).filter(|p| p.closed.is_none() && p.to <= self.now);
        let open = open.map(|p| if p.is_included() { p.to + INCLUDED_WAIT } else { again }).min();
        let at = [next, end, open].into_iter().flatten().min();
        if let Some(at) = at {
            self.timers.insert((at, Due::Contract(number)));
        }
    }

    /// The months of a contract's lines, by line.
    pub(crate) fn months_of(&self, contract: u64) -> impl Iterator<Item = &Period> {
        let key = |contract| PeriodKey { contract, line: 0, month: 0, carried: false };
        self.periods.range(key(contract)..key(contract + 1)).map(|(_, period)| period)
    }

    fn begin_months(&mut self, number: u64, out: &mut Batch) {
        while let Some(contract) = self.contracts.get(&number).filter(|c| c.state == State::Signed) {
            let mut contract = contract.clone();
            let Some((from, to)) = contract.terms.month(contract.begun).filter(|(from, _)| *from < contract.to) else {
                return;
            };
            if from > self.now {
                return;
            }
            let available = self.wallet(contract.tenant).map_or(Money::ZERO, |w| w.available);
            let fee = contract.terms.fees_of(contract.begun);
            if available >= fee {
                contract.open(contract.begun).into_iter().for_each(|period| self.begin_month(&contract, period, out));
                contract.unpaid_since = None;
            } else if to > self.now {
                if contract.unpaid_since.is_none() {
                    contract.unpaid_since = Some(self.now);
                    let (tenant, step) = (contract.tenant, ContractStep::Unpaid { fee, available });
                    self.keep_contract(contract, out);
                    self.contract_event(number, tenant, step, Actor::Platform, out);
                }
                return;
            }
            // A month that was never paid is passed over.
            contract.begun += 1;
            self.keep_contract(contract, out);
        }
    }

    fn begin_month(&mut self, contract: &Contract, period: Period, out: &mut Batch) {
        let posting = Posting {
            id: transfer_id(&[b"month", &period.key.packed().to_be_bytes()]),
            debit: Book::Wallet(contract.tenant),
            credit: Book::Deferred(period.key),
            amount: period.value,
            currency: contract.terms.currency,
            reason: TransferReason::Contract,
            memo: Memo::clipped(&format!(
                "{}, {}",
                contract.terms.name,
                contract.terms.calendar_month(period.key.month)
            )),
            reference: Some(about(contract)),
        };
        // The sum was looked at; each is rounded down by itself.
        let posted = self.post(posting, None, out);
        debug_assert!(posted.is_ok(), "{posted:?}");
        self.keep_period(period);
    }

    fn close_months(&mut self, number: u64, out: &mut Batch) {
        let due = |p: &&Period| p.closed.is_none() && p.to <= self.now;
        let ended: Vec<PeriodKey> = self.months_of(number).filter(due).map(|p| p.key).collect();
        for key in ended {
            let Some(period) = self.periods.get(&key) else { continue };
            let waits = match period.is_included() {
                true => self.now < period.to + INCLUDED_WAIT,
                false => self.now < period.to + CLOSE_WAIT_MAX && self.is_billing(number, period.to),
            };
            if waits {
                continue;
            }
            self.close_month(key, out);
        }
    }

    /// Whether some run that a contract covers is not billed up to a moment yet.
    fn is_billing(&self, contract: u64, until: Timestamp) -> bool {
        self.meters.values().any(|meter| {
            let until = meter.paused_at.map_or(until, |at| at.min(until));
            meter.metered_until < until && !meter.waived && meter.covers.iter().any(|c| c.contract == contract)
        })
    }

    fn close_month(&mut self, key: PeriodKey, out: &mut Batch) {
        let (Some(contract), Some(period)) = (self.contracts.get(&key.contract), self.periods.get(&key)) else {
            return;
        };
        let (terms, mut period) = (&contract.terms, period.clone());
        let next = terms.month(key.month + 1).filter(|(from, _)| *from < contract.to);
        let carried = period.close(self.now, terms.unused, next);
        let (currency, tenant) = (terms.currency, contract.tenant);
        let (reference, name) = (about(contract), terms.name.clone());
        let lapsed = period.closed.map_or(Money::ZERO, |c| c.lapsed);
        let earned = if key.line == 0 { Book::ContractFees } else { Book::UnusedCommitment };
        let released = self.release_promises_of(tenant, key, out);
        let parts = [
            (&b"lapse"[..], lapsed, earned),
            (
                &b"carry"[..],
                carried.as_ref().map_or(Money::ZERO, |c| c.value),
                Book::Deferred(carried.as_ref().map_or(key, |c| c.key)),
            ),
        ];
        for (what, amount, credit) in parts {
            let posting = Posting {
                id: transfer_id(&[what, &key.packed().to_be_bytes()]),
                debit: Book::Deferred(key),
                credit,
                amount,
                currency,
                reason: TransferReason::Contract,
                memo: Memo::clipped(&format!("{name}: what was not used")),
                reference: Some(reference.clone()),
            };
            let posted = self.post(posting, None, out);
            debug_assert!(posted.is_ok(), "{posted:?}");
        }
        self.keep_period(period);
        carried.into_iter().for_each(|period| self.keep_period(period));
        self.promise_again(released, out);
    }

    /// Money came in: months whose fee could not be taken are tried again.
    pub(crate) fn begin_unpaid(&mut self, tenant: TenantId, out: &mut Batch) {
        let unpaid = self.contracts_of(tenant).filter(|c| c.unpaid_since.is_some());
        let unpaid: Vec<u64> = unpaid.map(|c| c.number).collect();
        unpaid.into_iter().for_each(|number| self.contract_due(number, out));
    }

    /// As whose the tenant's work is placed: its own tier or, where that is better, that of a contract in force whose month is paid.
    pub(crate) fn tier(&self, tenant: TenantId) -> ContractTier {
        let own = self.tenants.get(&tenant).map_or(ContractTier::OnDemand, |entry| entry.tenant.tier);
        let in_force = |c: &&Contract| c.is_in_force(self.now) && c.unpaid_since.is_none();
        self.contracts_of(tenant).filter(in_force).map(|c| c.terms.tier).chain([own]).min().unwrap_or(own)
    }
}

pub(crate) fn about(contract: &Contract) -> Reference {
    Reference::Text { text: Memo::clipped(&format!("contract {} {}", contract.number, contract.terms.name)) }
}

pub(crate) fn transfer_id(what: &[&[u8]]) -> TransferId {
    let mut parts: Vec<&[u8]> = vec![b"contract"];
    parts.extend(what);
    TransferId::from_u128(digest128(&parts))
}
