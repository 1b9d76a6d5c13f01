//! What work costs whom where: the book in force, the items of it that price a piece of work, and where there are none.
//! Refuses to know meters and the ledger.

use std::sync::Arc;

use base::{Currency, Money, PoolId, PriceBookId, TenantId, Timestamp};
use model::{JobSpec, Pool};
use rating::tariff::Part;
use rating::tariff::price::Volume;
use rating::{Missing, PriceBook, Rates, Sale, Tariff, Volumes, book};

use crate::denied::Denied;
use crate::state::Engine;

impl Engine {
    pub(crate) fn sale<'a>(&'a self, tenant: TenantId, spec: &JobSpec, pool: &'a Pool) -> Sale<'a> {
        Sale {
            tenant: self.tenants.get(&tenant).map_or("", |entry| &entry.tenant.name),
            pool: &pool.name,
            chip: pool.chip.as_ref(),
            product: spec.line,
            class: spec.class,
            shape: pool.shape,
            nodes: spec.request.nodes,
            per_node: spec.request.per_node,
            call: Default::default(),
        }
    }

    /// The prices that work would have on a pool now.
    ///
    /// # Errors
    /// The book or the item that is missing.
    pub(crate) fn tariff(
        &self,
        tenant: TenantId,
        spec: &JobSpec,
        pool: &Pool,
    ) -> Result<(PriceBookId, Tariff), Missing> {
        let currency = self.currency(tenant).unwrap_or(Currency::CNY);
        let book = book::in_force(&self.books, currency, self.now).ok_or(Missing::Book(currency))?;
        let mut tariff = book.tariff(&self.sale(tenant, spec, pool))?;
        self.price_beyond(tenant, spec, pool, &mut tariff, self.now);
        Ok((book.id, tariff))
    }

    /// The prices of work that starts now: of a book that came into force since admission and lacks one, the last that has them all.
    pub(crate) fn tariff_at_start(
        &self,
        tenant: TenantId,
        spec: &JobSpec,
        pool: &Pool,
        started_at: Timestamp,
    ) -> Option<(PriceBookId, Tariff)> {
        let sale = self.sale(tenant, spec, pool);
        let books = book::in_turn(&self.books, self.currency(tenant)?, self.now);
        let (book, mut tariff) = books.into_iter().find_map(|book| Some((book.id, book.tariff(&sale).ok()?)))?;
        self.price_beyond(tenant, spec, pool, &mut tariff, started_at);
        Some((book, tariff))
    }

    /// What a run would cost from a moment on, by the prices of now and the tenant's quantities of that month so far.
    pub(crate) fn price_of(
        &self,
        tenant: TenantId,
        spec: &JobSpec,
        pool: PoolId,
        from: Timestamp,
        span: base::Span,
    ) -> Option<Money> {
        let (book, tariff) = self.tariff(tenant, spec, &self.pools.get(&pool)?.pool).ok()?;
        self.amount_by(tenant, book, &tariff, spec, from, span)
    }

    /// What a run would cost by a tariff of a book.
    pub(crate) fn amount_by(
        &self,
        tenant: TenantId,
        book: PriceBookId,
        tariff: &Tariff,
        spec: &JobSpec,
        from: Timestamp,
        span: base::Span,
    ) -> Option<Money> {
        let volumes = self.volumes.get(&(tenant, book));
        let had = |part: &Part, by: &Volume| volumes.map_or(0, |v| v.of(part.item, by.offset.month_of(from)));
        tariff.amount(spec.request.total(), from, span, had)
    }

    /// Pools in which some of what a job asks for has no price, in order of their ids; none where everything is sold to everybody.
    pub(crate) fn unpriced(&self, tenant: TenantId, spec: &JobSpec) -> Arc<[PoolId]> {
        let Some(currency) = self.currency(tenant).filter(|c| !self.sold_to_all.contains(c)) else {
            return Arc::default();
        };
        let Some(book) = book::in_force(&self.books, currency, self.now) else { return Arc::default() };
        let lacks = |pool: &&Pool| book.tariff(&self.sale(tenant, spec, pool)).is_err();
        self.pools.values().map(|entry| &entry.pool).filter(lacks).map(|pool| pool.id).collect()
    }

    /// Prices or what is sold has changed: judges anew in which currencies everything is sold to everybody; jobs that wait see it
    /// when that is not so, or was not.
    pub(crate) fn sold_changed(&mut self) {
        let was_all = self.books.iter().all(|book| self.sold_to_all.contains(&book.currency));
        let sells_all = |book: &&PriceBook| {
            let pools = self.pools.values().map(|entry| &entry.pool);
            let mut pools = pools.map(|pool| book.sells_to_all(&pool.name, pool.chip.as_ref(), pool.shape));
            pools.all(|sold| sold)
        };
        let currencies = self.books.iter().map(|book| book.currency);
        let in_force = currencies.filter_map(|currency| book::in_force(&self.books, currency, self.now));
        self.sold_to_all = in_force.filter(sells_all).map(|book| book.currency).collect();
        let is_all = self.books.iter().all(|book| self.sold_to_all.contains(&book.currency));
        if !was_all || !is_all {
            self.requeue_all();
        }
    }

    /// The mean prices of a pool for those whom no item names, in the operator's currency: by these candidates are compared. Where
    /// nothing is sold, which its own rule refuses, they are nothing.
    pub(crate) fn list_rates(&self, pool: &Pool) -> sched::Rates {
        let book = book::in_force(&self.books, self.policy.cost_currency, self.now);
        let sale = Sale {
            tenant: "",
            pool: &pool.name,
            chip: pool.chip.as_ref(),
            product: Default::default(),
            class: Default::default(),
            shape: pool.shape,
            nodes: 1,
            per_node: pool.shape,
            call: Default::default(),
        };
        let found = book.and_then(|book| book.rates(&sale));
        found.map_or(NOTHING, |r| sched::Rates { card_hour: r.card_hour.or(NOTHING.card_hour), ..compared(&r) })
    }

    /// What a price book says twice, senselessly, or of nobody.
    pub(crate) fn check_book(&self, book: &PriceBook) -> Result<(), Denied> {
        if let Some(fault) = book.fault() {
            return Err(Denied::PriceBook(fault));
        }
        for (number, item) in (1..).zip(&book.items) {
            let unknown = |noun, name: &Arc<str>| Denied::PriceOfNobody { number, noun, name: name.clone() };
            if let Some(name) = &item.of.tenant
                && !self.tenants.values().any(|entry| entry.tenant.name == *name)
            {
                return Err(unknown("tenant", name));
            }
            if let Some(name) = &item.of.pool
                && !self.pools.values().any(|entry| entry.pool.name == *name)
            {
                return Err(unknown("pool", name));
            }
        }
        Ok(())
    }

    /// A tenant's quantities under a book, for prices that follow them.
    pub fn volumes(&self, tenant: TenantId, book: PriceBookId) -> Option<&Volumes> {
        self.volumes.get(&(tenant, book))
    }
}

/// A pool without a price of its own is refused by the rule for that, not by its missing cards.
const NOTHING: sched::Rates = sched::Rates {
    core_hour: Money::ZERO,
    gib_hour: Money::ZERO,
    card_hour: Some(Money::ZERO),
    bare_core_hour: Money::ZERO,
};

pub(crate) fn compared(r: &Rates) -> sched::Rates {
    let (core_hour, gib_hour, card_hour) = (r.core_hour, r.gib_hour, r.card_hour);
    sched::Rates { core_hour, gib_hour, card_hour, ..sched::Rates::default() }
}
