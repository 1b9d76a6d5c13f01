//! Usage that is no running time: taken in record by record, each with an answer of its own, and booked once: first what contracts
//! include, then grants, then the wallet; what the wallet does not have is written off, since it was used. A record without a price
//! is refused, and stays with who reports it. Refuses to know how usage is counted and who may report it.

use base::{Money, PriceBookId, Recent, TenantId, Timestamp, TransferId, digest128};
use ledger::{Memo, Reference, Stream, TransferReason};
use rating::contract::{Contract, Drawn, PeriodKey};
use rating::tariff::{Part, Unit, UtcOffset};
use rating::usage::{self, PLATFORM, STREAM_PART};
use rating::{Credit, Missing, PriceBook, Reported, Sale, Usage, book};
use serde::{Deserialize, Serialize};

use crate::books::{Book, Posting};
use crate::denied::{Denied, NextMove};
use crate::input::Report;
use crate::record::{Batch, Record};
use crate::state::{Engine, REMEMBERED};

/// Records of one report. Each is up to three transfers, so that a batch of this size is stored within 100 ms.
pub const RECORDS_MAX: usize = 1_000;

/// Records as they were reported, and which of them the store has already.
#[derive(Clone, Debug, Default)]
pub struct Reporting {
    pub records: Vec<Reported>,
    pub known: Vec<(u128, Known)>,
}

/// What is remembered of a record that was booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    pub number: u64,
    pub fingerprint: u128,
    pub charge: Money,
    pub uncollected: Money,
}

impl From<&Usage> for Known {
    fn from(of: &Usage) -> Known {
        Known { number: of.number, fingerprint: of.of.fingerprint(), charge: of.charge, uncollected: of.uncollected }
    }
}

/// What came of one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Taken {
    /// Booked, now or before.
    Booked { number: u64, charge: Money, uncollected: Money, again: bool },
    /// Not booked.
    Refused { code: String, next: NextMove, text: String },
}

/// What the engine keeps of usage: records of late, and the largest number given out.
#[derive(Debug)]
pub(crate) struct Booked {
    recent: Recent<u128, Known>,
    last: u64,
}

impl Default for Booked {
    fn default() -> Booked {
        Booked { recent: Recent::new(REMEMBERED), last: 0 }
    }
}

/// A record is counted on what a month of a contract includes until so long after its end.
pub(crate) const INCLUDED_WAIT: base::Span = base::Span::from_hours(24);

/// What a record is priced by.
struct Priced {
    book: PriceBookId,
    offset: UtcOffset,
    part: Part,
}

impl Engine {
    pub(crate) fn take_usage(&mut self, reporting: Reporting, out: &mut Batch) -> Result<Report, Denied> {
        let Reporting { records, known } = reporting;
        if records.len() > RECORDS_MAX {
            return Err(Denied::Invalid("a report has at most 1000 records"));
        }
        for (key, known) in known {
            if self.usage.recent.get(&key).is_none() {
                self.usage.recent.put(key, known);
            }
        }
        let refused = |denied: Denied| Taken::Refused {
            code: denied.code().to_owned(),
            next: denied.next_move(),
            text: denied.to_string(),
        };
        let taken = records.into_iter().map(|record| self.take_record(record, out).unwrap_or_else(refused));
        Ok(Report::Usage { taken: taken.collect() })
    }

    fn take_record(&mut self, record: Reported, out: &mut Batch) -> Result<Taken, Denied> {
        let (key, fingerprint) = (record.key(), record.fingerprint());
        if let Some(Known { number, fingerprint: first, charge, uncollected }) = self.usage.recent.get(&key).copied() {
            return match first == fingerprint {
                true => Ok(Taken::Booked { number, charge, uncollected, again: true }),
                false => Err(Denied::UsageChanged { id: record.id }),
            };
        }
        self.check_record(&record)?;
        let priced = self.usage_price(&record)?;
        let (tenant, from) = (record.tenant, record.from);
        // What is included is drawn when it is certain that the rest has a price in range.
        let pieces = record.pieces.0 - self.included_left(tenant, record.unit, from).min(record.pieces.0);
        let volumes = self.volumes.entry((tenant, priced.book)).or_default();
        let charge = usage::charge(&priced.part, volumes, priced.offset, from, pieces).ok_or(Denied::MoneyRange)?;
        // From here on nothing fails.
        if pieces > 0 {
            self.touched.volumes.insert((tenant, priced.book));
        }
        let drawn = self.draw_included(&record);
        let number = self.usage.last + 1;
        self.usage.last = number;
        let counts_at = if self.is_month_closed(tenant, record.to) { self.now } else { record.to };
        let mut usage = Usage {
            number,
            of: record,
            at: self.now,
            counts_at,
            book: priced.book,
            item: priced.part.item,
            drawn: drawn.into(),
            charge,
            uncollected: Money::ZERO,
            credits: Default::default(),
        };
        usage.credits = self.credit_usage(&usage, out).into();
        usage.uncollected = self.collect_usage(&usage, out);
        let own = usage.own_part();
        let owner = (tenant, usage.of.project, usage.of.user.unwrap_or(base::UserId::from_u128(0)));
        self.count_own(owner, usage.counts_at, own, out);
        let known = Known::from(&usage);
        self.usage.recent.put(key, known);
        out.records.push(Record::Usage(Box::new(usage)));
        Ok(Taken::Booked { number, charge, uncollected: known.uncollected, again: false })
    }

    fn check_record(&self, record: &Reported) -> Result<(), Denied> {
        if let Some(fault) = record.fault(self.now) {
            return Err(Denied::Usage(fault));
        }
        if !self.tenants.contains_key(&record.tenant) {
            return Err(Denied::NotFound("tenant"));
        }
        let project = self.projects.get(&record.project).ok_or(Denied::NotFound("project"))?;
        if project.tenant != record.tenant {
            return Err(Denied::ForeignProject);
        }
        if let Some(user) = record.user {
            self.users.get(&user).filter(|u| u.tenant == record.tenant).ok_or(Denied::NotFound("user"))?;
        }
        if let Some(pool) = record.pool {
            self.pools.get(&pool).ok_or(Denied::NotFound("pool"))?;
        }
        Ok(())
    }

    fn usage_sale<'a>(&'a self, record: &'a Reported) -> Sale<'a> {
        let pool = record.pool.and_then(|id| self.pools.get(&id)).map(|entry| &entry.pool);
        let tenant = self.tenants.get(&record.tenant).map_or("", |entry| &entry.tenant.name);
        record.sale(tenant, pool.map_or("", |pool| &pool.name), pool.and_then(|pool| pool.chip.as_ref()))
    }

    /// The price that was in force when the usage began; where there was none, of the first book since that has one. What the
    /// platform has counted by itself is not charged for a time in which it had no price.
    fn usage_price(&self, record: &Reported) -> Result<Priced, Denied> {
        let currency = self.currency(record.tenant).ok_or(Denied::NotFound("tenant"))?;
        let sale = self.usage_sale(record);
        let priced = |book: &PriceBook| {
            let part = book.part(record.unit, &sale)?;
            Ok(Priced { book: book.id, offset: book.utc_offset, part })
        };
        let then = book::in_force(&self.books, currency, record.from);
        let first = then.ok_or(Missing::Book(currency)).and_then(priced);
        if first.is_ok() || &*record.source == PLATFORM {
            return first.map_err(Denied::NotSold);
        }
        let since = book::in_turn(&self.books, currency, self.now);
        let later = since.into_iter().rev().filter(|book| book.effective_from > record.from);
        let found = later.filter_map(|book| priced(book).ok()).next();
        found.map_or_else(|| first.map_err(Denied::NotSold), Ok)
    }

    /// The open months that have some of a unit included for what begins at a moment: of the contract that ends first before the
    /// others, and what was carried before a month's own.
    fn included_months(&self, tenant: TenantId, unit: Unit, at: Timestamp) -> Vec<PeriodKey> {
        let mut contracts: Vec<&Contract> = self.contracts_of(tenant).collect();
        contracts.sort_by_key(|c| (c.to, c.number));
        let months = contracts.into_iter().flat_map(|contract| {
            let of_unit = |line: u8| contract.included(line).is_some_and(|i| i.unit == unit);
            let months = self.months_of(contract.number).filter(move |p| of_unit(p.key.line));
            let mut open: Vec<PeriodKey> = months
                .filter(|p| p.closed.is_none() && p.left() > 0 && p.from <= at && at < p.to)
                .map(|p| p.key)
                .collect();
            open.sort_by_key(|key| !key.carried);
            open
        });
        months.collect()
    }

    fn included_left(&self, tenant: TenantId, unit: Unit, at: Timestamp) -> u128 {
        let months = self.included_months(tenant, unit, at);
        let left = months.iter().filter_map(|key| self.periods.get(key)).map(|period| period.left());
        left.fold(0, u128::saturating_add)
    }

    fn draw_included(&mut self, record: &Reported) -> Vec<Drawn> {
        let (mut wanted, mut drawn) = (record.pieces.0, Vec::new());
        for key in self.included_months(record.tenant, record.unit, record.from) {
            let Some(mut period) = self.periods.get(&key).cloned().filter(|_| wanted > 0) else { continue };
            let pieces = period.draw(wanted);
            wanted -= pieces;
            drawn.push(Drawn { of: key, pieces: i128::try_from(pieces).unwrap_or(i128::MAX), value: Money::ZERO });
            self.keep_period(period);
        }
        drawn
    }

    /// Pays what a record comes to as far as grants in force have it free.
    fn credit_usage(&mut self, usage: &Usage, out: &mut Batch) -> Vec<Credit> {
        let (mut owed, mut paid) = (usage.charge, Vec::new());
        if owed == Money::ZERO || !self.grants_of.contains_key(&usage.of.tenant) {
            return paid;
        }
        let sale = self.usage_sale(&usage.of);
        let user = usage.of.user.unwrap_or(base::UserId::from_u128(0));
        let helps = |grant: &rating::Grant| {
            grant.is_in_force(self.now) && grant.from < usage.of.to && grant.is_for(usage.of.project, user, &sale)
        };
        for number in self.grants_where(usage.of.tenant, helps) {
            let value = self.free_of_grant(number).min(owed);
            if value > Money::ZERO {
                let credit = Credit { grant: number, value };
                self.post_usage_credit(usage, credit, out);
                paid.push(credit);
                owed = owed - value;
            }
        }
        paid
    }

    fn post_usage_credit(&mut self, usage: &Usage, credit: Credit, out: &mut Batch) {
        let Credit { grant: number, value } = credit;
        let Some(mut grant) = self.grants.get(&number).cloned() else { return };
        let parts = [
            (1u8, Book::Grant(number), Book::Usage, TransferReason::Settle),
            (2, Book::Promotions, Book::GrantsOutstanding, TransferReason::Grant),
        ];
        for (part, debit, credit, reason) in parts {
            let id = transfer_id(&usage.of, &[b"grant", &number.to_be_bytes(), &[part]]);
            let (amount, currency) = (value, grant.currency);
            let (memo, reference) = (Memo::default(), Some(reference(&usage.of)));
            // Cut to what is free.
            let posted = self.post(Posting { id, debit, credit, amount, currency, reason, memo, reference }, None, out);
            debug_assert!(posted.is_ok(), "{posted:?}");
        }
        grant.drawn += value;
        self.keep_grant(grant, out);
    }

    /// Moves what grants did not pay from the wallet to revenue; what that does not have is written off. Returns the part written off.
    fn collect_usage(&mut self, usage: &Usage, out: &mut Batch) -> Money {
        let tenant = usage.of.tenant;
        let (Some(currency), owed) = (self.currency(tenant), usage.own_part()) else { return Money::ZERO };
        let free = self.wallet(tenant).map_or(Money::ZERO, |w| w.available.max(Money::ZERO));
        let from_wallet = owed.min(free);
        let uncollected = owed - from_wallet;
        let parts =
            [(&b"wallet"[..], from_wallet, Book::Wallet(tenant)), (b"uncollected", uncollected, Book::Uncollected)];
        for (part, amount, debit) in parts {
            let id = transfer_id(&usage.of, &[part]);
            let (credit, reason, memo) = (Book::Usage, TransferReason::Settle, Memo::default());
            let reference = Some(reference(&usage.of));
            let posted = self.post(Posting { id, debit, credit, amount, currency, reason, memo, reference }, None, out);
            debug_assert!(posted.is_ok(), "{posted:?}");
        }
        uncollected
    }

    /// After a restart: what was booked of late, the largest number last.
    pub(crate) fn restore_usage(&mut self, recent: Vec<(u128, Known)>) {
        for (key, known) in recent {
            self.usage.last = self.usage.last.max(known.number);
            self.usage.recent.put(key, known);
        }
    }

    /// Whether a record with this key is in memory, so that the store need not be asked.
    pub fn knows_usage(&self, key: u128) -> bool {
        self.usage.recent.get(&key).is_some()
    }
}

fn transfer_id(of: &Reported, part: &[&[u8]]) -> TransferId {
    let key = of.key().to_be_bytes();
    let parts: Vec<&[u8]> = [&b"usage"[..], &key].into_iter().chain(part.iter().copied()).collect();
    TransferId::from_u128(digest128(&parts))
}

fn reference(of: &Reported) -> Reference {
    Reference::Interval { stream: Stream::new(of.key(), STREAM_PART), from: of.from, to: of.to }
}
