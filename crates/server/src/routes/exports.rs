//! The operator's books as CSV, page by page while they are read: everything that is needed to reckon them again elsewhere.
//! A new export is a word of `wire::Export`, a heading and a row in [`crate::sheets`], and a function for a page here.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use base::{AttemptId, ProjectId, SpecId, TenantId, Timestamp, UserId};
use futures::stream;
use store::{Booked, ExportedInterval, PageRequest, Scope, SqlStore};
use wire::Export;
use wire::statement::ExportQuery;

use super::money::period;
use super::statements::file;
use crate::access::{OperatorAccess, Params, Segments, Supply};
use crate::problem::Failure;
use crate::sheets;

/// Metered intervals, transfers, price books, statements, corrections, accounts, contracts or their months, grants, currency rates, or usage that is no running time as CSV.
#[utoipa::path(
    get, path = "/v1/exports/{export}", tag = "money", operation_id = "export",
    params(("export" = String, Path, description = "`intervals`, `transfers`, `prices`, `statements`, `corrections`, `accounts`, `contracts`, `contract_months`, `grants`, `rates` or `usage`"), ExportQuery),
    responses((status = 200, description = "The rows", content((String = "text/csv"))))
)]
pub(super) async fn export(
    access: OperatorAccess,
    segments: Segments,
    Params(query): Params<ExportQuery>,
) -> Result<Response, Failure> {
    let what = Export::parse(segments.get("export")).ok_or_else(|| Failure::not_found("export"))?;
    let (from, to) = period(query.from.map(|t| t.0), query.to.map(|t| t.0), access.app().clock.now())?;
    let scope = match query.tenant {
        Some(text) => Scope::Tenant(access.tenant(&text).await?.id),
        None => Scope::All,
    };
    let supply = access.names().supply().await?;
    let source = Source { store: access.app().store.clone(), supply, what, scope, from, to };
    let rows = stream::try_unfold((source, Step::Head), |(source, step)| async move {
        let (text, next) = match step {
            Step::Head => (sheets::head(source.what), Step::After(None)),
            Step::After(after) => source.page(after).await.map_err(std::io::Error::other)?,
            Step::End => return Ok::<_, std::io::Error>(None),
        };
        Ok(Some((text, (source, next))))
    });
    Ok(file("text/csv; charset=utf-8", &format!("{what}.csv"), Body::from_stream(rows)))
}

/// How far an export has come.
enum Step {
    Head,
    After(Option<After>),
    End,
}

/// Behind which row the next page begins.
enum After {
    Interval(AttemptId, u32),
    Transfer(base::TransferId),
    Booked(store::After),
    Page(String),
    Usage(u64),
}

impl Step {
    /// To the page behind a cursor; the end where there is none.
    fn to(next: Option<String>) -> Step {
        next.map_or(Step::End, |next| Step::After(Some(After::Page(next))))
    }
}

/// What to ask of a list that is read page by page.
fn request(after: Option<&After>) -> PageRequest {
    let cursor = match after {
        Some(After::Page(cursor)) => Some(cursor.as_str()),
        _ => None,
    };
    PageRequest::new(Some(store::LIST_LIMIT_MAX), cursor).unwrap_or(PageRequest::first(store::LIST_LIMIT_MAX))
}

struct Source {
    store: Arc<SqlStore>,
    supply: Arc<Supply>,
    what: Export,
    scope: Scope,
    from: Timestamp,
    to: Timestamp,
}

impl Source {
    fn tenant(&self) -> Option<TenantId> {
        match self.scope {
            Scope::Tenant(tenant) => Some(tenant),
            Scope::All => None,
        }
    }

    async fn page(&self, after: Option<After>) -> Result<(String, Step), ports::StoreError> {
        match self.what {
            Export::Intervals => self.intervals(after).await,
            Export::Transfers => self.transfers(after).await,
            Export::Prices => Ok((self.supply.books.iter().map(sheets::price_book).collect(), Step::End)),
            Export::Statements => self.statements(after).await,
            Export::Corrections => self.corrections().await,
            Export::Accounts => self.accounts().await,
            Export::Contracts | Export::ContractMonths => self.contracts(after).await,
            Export::Grants => self.grants(after).await,
            Export::Usage => self.usage(after).await,
            Export::Rates => self.rates(after).await,
        }
    }

    async fn intervals(&self, after: Option<After>) -> Result<(String, Step), ports::StoreError> {
        let after = match after {
            Some(After::Interval(attempt, seq)) => Some((attempt, seq)),
            _ => None,
        };
        let found = self.store.exported_intervals(self.scope, self.from, self.to, after).await?;
        let ids: Vec<SpecId> = found.iter().map(|one| one.spec).collect();
        let specs = self.store.specs_of(&ids).await?;
        let rows = found.iter().map(|one| self.interval(one, specs.get(&one.spec).map(|s| &**s))).collect();
        let last = found.last().map(|one| After::Interval(one.interval.attempt, one.interval.seq));
        Ok((rows, last.map_or(Step::End, |last| Step::After(Some(last)))))
    }

    fn interval(&self, of: &ExportedInterval, spec: Option<&model::JobSpec>) -> String {
        sheets::interval(&sheets::Metered {
            interval: &of.interval,
            number: of.number,
            nodes: of.nodes,
            currency: of.currency,
            tenant: of.tenant,
            tenant_name: &of.tenant_name,
            project: &of.project,
            user: &of.user,
            pool_name: &of.pool,
            pool: self.supply.pools.values().find(|pool| pool.name == of.pool),
            spec,
        })
    }

    /// As they are now, whatever time is asked for; or their months.
    async fn contracts(&self, after: Option<After>) -> Result<(String, Step), ports::StoreError> {
        let found = self.store.contracts(self.tenant(), request(after.as_ref())).await?;
        let mut rows = String::new();
        for one in &found.items {
            if self.what == Export::Contracts {
                rows.push_str(&sheets::contract(one));
                continue;
            }
            for period in self.store.contract_months(one.number).await? {
                rows.push_str(&sheets::contract_month(one, &period));
            }
        }
        Ok((rows, Step::to(found.next)))
    }

    /// As they are now, whatever time is asked for.
    async fn grants(&self, after: Option<After>) -> Result<(String, Step), ports::StoreError> {
        let found = self.store.grants(self.tenant(), request(after.as_ref())).await?;
        let projects: Vec<ProjectId> = found.items.iter().filter_map(|grant| grant.project).collect();
        let users: Vec<UserId> = found.items.iter().filter_map(|grant| grant.user).collect();
        let (projects, users) = (self.store.projects_of(&projects).await?, self.store.users_of(&users).await?);
        let projects: HashMap<_, _> = projects.into_iter().map(|project| (project.id, project.name)).collect();
        let users: HashMap<_, _> = users.into_iter().map(|user| (user.id, user.name)).collect();
        let row = |grant: &rating::Grant| {
            let project = grant.project.and_then(|id| projects.get(&id));
            let user = grant.user.and_then(|id| users.get(&id));
            sheets::grant(grant, project.map(|name| &**name), user.map(|name| &**name))
        };
        Ok((found.items.iter().map(row).collect(), Step::to(found.next)))
    }

    /// As they were told, newest first, whatever time or tenant is asked for.
    async fn rates(&self, after: Option<After>) -> Result<(String, Step), ports::StoreError> {
        let found = self.store.rates(None, None, request(after.as_ref())).await?;
        let table = self.store.rate_table(None).await?;
        let rows = found.items.iter().map(|one| sheets::rate(one, &table)).collect();
        Ok((rows, Step::to(found.next)))
    }

    /// By number: what was booked within the time.
    async fn usage(&self, after: Option<After>) -> Result<(String, Step), ports::StoreError> {
        let after = match after {
            Some(After::Usage(number)) => number,
            _ => 0,
        };
        let rows = i64::from(store::LIST_LIMIT_MAX);
        let found = self.store.usage_booked(self.scope, (self.from, self.to), after, rows).await?;
        let keys: Vec<u128> = found.iter().map(|usage| usage.of.key()).collect();
        let facts = self.store.usage_facts(&keys).await?;
        let mut text = String::new();
        let mut tenants = HashMap::new();
        for facts in keys.iter().filter_map(|key| facts.get(key)) {
            let of = &facts.usage.of;
            let tenant = match tenants.entry(of.tenant) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => place.insert(self.store.tenant(of.tenant).await?),
            };
            let Some(tenant) = tenant else { continue };
            let chip = of.pool.and_then(|id| self.supply.pools.get(&id)).and_then(|pool| pool.chip.as_ref());
            text.push_str(&sheets::usage(facts, &tenant.name, tenant.currency, chip));
        }
        let last = found.last().map(|usage| After::Usage(usage.number));
        Ok((text, last.map_or(Step::End, |last| Step::After(Some(last)))))
    }

    async fn transfers(&self, after: Option<After>) -> Result<(String, Step), ports::StoreError> {
        let accounts = self.store.accounts().await?;
        let code = |id| accounts.iter().find(|a| a.id == id).map_or_else(|| "-".to_owned(), |a| a.code.to_string());
        let Scope::Tenant(tenant) = self.scope else {
            let after = match after {
                Some(After::Transfer(id)) => Some(id),
                _ => None,
            };
            let found = self.store.exported_transfers(self.from, self.to, after).await?;
            let rows = found.iter().map(|one| sheets::transfer(one, &code(one.debit), &code(one.credit))).collect();
            let last = found.last().map(|one| After::Transfer(one.id));
            return Ok((rows, last.map_or(Step::End, |last| Step::After(Some(last)))));
        };
        let wallet = engine::wallet_code(tenant);
        let Some(wallet) = accounts.iter().find(|a| a.code.as_str() == wallet) else {
            return Ok((String::new(), Step::End));
        };
        let after = match after {
            Some(After::Booked(after)) => Some(after),
            _ => None,
        };
        let found: Vec<Booked> = self.store.booked(wallet.id, self.from, self.to, after).await?;
        let row = |b: &Booked| sheets::transfer(&b.transfer, &code(b.transfer.debit), &code(b.transfer.credit));
        let last = found.last().map(|b| After::Booked((b.transfer.at.as_micros(), b.transfer.id.as_u128())));
        Ok((found.iter().map(row).collect(), last.map_or(Step::End, |last| Step::After(Some(last)))))
    }

    async fn statements(&self, after: Option<After>) -> Result<(String, Step), ports::StoreError> {
        let found = self.store.tenant_statements(self.scope, None, request(after.as_ref())).await?;
        let within = found.items.iter().filter(|t| self.from <= t.statement.to && t.statement.from < self.to);
        let rows = within.map(|told| sheets::statement(&told.statement, told.invoice.as_ref())).collect();
        Ok((rows, Step::to(found.next)))
    }

    /// As they are now, whatever time is asked for.
    async fn accounts(&self) -> Result<(String, Step), ports::StoreError> {
        let mut all = self.store.accounts().await?;
        if let Scope::Tenant(tenant) = self.scope {
            let wallet = engine::wallet_code(tenant);
            all.retain(|account| account.code.as_str() == wallet);
        }
        Ok((all.iter().map(sheets::account).collect(), Step::End))
    }

    async fn corrections(&self) -> Result<(String, Step), ports::StoreError> {
        let made = self.store.corrections(self.scope, self.from, self.to).await?;
        Ok((made.iter().map(sheets::correction).collect(), Step::End))
    }
}
