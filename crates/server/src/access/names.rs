//! Names of people and of supply as last read from the store: lists show them, filters and submissions look ids up by
//! them. A few seconds behind at most; changes made through this server show at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use base::{ClusterId, PoolId, ProjectId, SupplierId, TenantId, UserId};
use model::{Cluster, Pool, Project, Supplier, Tenant, User};
use moka::sync::Cache;
use ports::StoreError;
use rating::{PoolCost, PriceBook};
use store::SqlStore;

use crate::limits::{NAMES_REMEMBERED, NAMES_TRUSTED};

/// Shown for what has no name (any more).
const UNKNOWN: &str = "?";

/// One reading of what the operator offers. These lists are short: at most the machine park.
#[derive(Default)]
pub struct Supply {
    pub pools: BTreeMap<PoolId, Pool>,
    /// Of a node of each pool, where it is known.
    pub costs: BTreeMap<PoolId, PoolCost>,
    pub clusters: BTreeMap<ClusterId, Cluster>,
    pub suppliers: BTreeMap<SupplierId, Supplier>,
    pub books: Vec<PriceBook>,
}

impl Supply {
    pub(crate) async fn read(store: &SqlStore) -> Result<Self, StoreError> {
        let pools = store.pools().await?;
        Ok(Self {
            costs: pools.iter().filter_map(|(pool, cost)| Some((pool.id, cost.clone()?))).collect(),
            pools: pools.into_iter().map(|(pool, _)| (pool.id, pool)).collect(),
            clusters: store.clusters().await?.into_iter().map(|c| (c.id, c)).collect(),
            suppliers: store.suppliers().await?.into_iter().map(|s| (s.id, s)).collect(),
            books: store.price_books().await?,
        })
    }
    pub fn pool_name(&self, id: PoolId) -> String {
        self.pools.get(&id).map_or(UNKNOWN, |p| &p.name).to_owned()
    }
    pub fn cluster_name(&self, id: ClusterId) -> String {
        self.clusters.get(&id).map_or(UNKNOWN, |c| &c.name).to_owned()
    }
    pub fn supplier_name(&self, id: SupplierId) -> String {
        self.suppliers.get(&id).map_or(UNKNOWN, |s| &s.name).to_owned()
    }
    /// By name or id.
    pub fn find_pool(&self, text: &str) -> Option<&Pool> {
        let by_id = text.parse().ok().and_then(|id| self.pools.get(&id));
        by_id.or_else(|| self.pools.values().find(|p| &*p.name == text))
    }
    /// By name or id.
    pub fn find_supplier(&self, text: &str) -> Option<&Supplier> {
        let by_id = text.parse().ok().and_then(|id| self.suppliers.get(&id));
        by_id.or_else(|| self.suppliers.values().find(|s| &*s.name == text))
    }
}

/// What is remembered of names, with its age.
pub(crate) struct Directory {
    supply: RwLock<Option<(Instant, Arc<Supply>)>>,
    /// One reader at a time; the others take what it read.
    reading: tokio::sync::Mutex<()>,
    tenants: Cache<TenantId, Option<Tenant>>,
    projects: Cache<ProjectId, Option<Project>>,
    users: Cache<UserId, Option<User>>,
    project_ids: Cache<(TenantId, Box<str>), ProjectId>,
}

impl Default for Directory {
    fn default() -> Self {
        fn cache<K: std::hash::Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static>() -> Cache<K, V> {
            Cache::builder().max_capacity(NAMES_REMEMBERED).time_to_live(NAMES_TRUSTED).build()
        }
        Self {
            supply: RwLock::default(),
            reading: tokio::sync::Mutex::default(),
            tenants: cache(),
            projects: cache(),
            users: cache(),
            project_ids: cache(),
        }
    }
}

impl Directory {
    pub(crate) fn forget(&self) {
        *self.supply.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.tenants.invalidate_all();
        self.projects.invalidate_all();
        self.users.invalidate_all();
        self.project_ids.invalidate_all();
    }

    async fn supply(&self, store: &SqlStore) -> Result<Arc<Supply>, StoreError> {
        if let Some(supply) = self.fresh() {
            return Ok(supply);
        }
        let _reading = self.reading.lock().await;
        if let Some(supply) = self.fresh() {
            return Ok(supply);
        }
        let begun = Instant::now();
        let supply = Arc::new(Supply::read(store).await?);
        *self.supply.write().unwrap_or_else(PoisonError::into_inner) = Some((begun, supply.clone()));
        Ok(supply)
    }

    fn fresh(&self) -> Option<Arc<Supply>> {
        let last = self.supply.read().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(at, _)| at.elapsed() < NAMES_TRUSTED).map(|(_, supply)| supply.clone())
    }
}

/// Looks names up, in memory first. Names are no secret inside the platform; what a caller is shown of them follows from
/// the rows it may see.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    pub(super) directory: &'a Directory,
    pub(super) store: &'a SqlStore,
}

impl Names<'_> {
    pub async fn supply(&self) -> Result<Arc<Supply>, StoreError> {
        self.directory.supply(self.store).await
    }
    pub async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        if let Some(known) = self.directory.tenants.get(&id) {
            return Ok(known);
        }
        let found = self.store.tenant(id).await?;
        self.directory.tenants.insert(id, found.clone());
        Ok(found)
    }
    pub async fn project(&self, id: ProjectId) -> Result<Option<Project>, StoreError> {
        if let Some(known) = self.directory.projects.get(&id) {
            return Ok(known);
        }
        let found = self.store.project(id).await?;
        self.directory.projects.insert(id, found.clone());
        Ok(found)
    }
    pub async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        if let Some(known) = self.directory.users.get(&id) {
            return Ok(known);
        }
        let found = self.store.user(id).await?;
        self.directory.users.insert(id, found.clone());
        Ok(found)
    }
    /// These projects and whose they are, as far as there are any: a few questions for all that is not remembered, and an answer that
    /// is whole also when a change makes everything be forgotten meanwhile.
    ///
    /// # Errors
    /// What the store says.
    pub async fn projects(
        &self,
        ids: impl Iterator<Item = ProjectId>,
    ) -> Result<BTreeMap<ProjectId, (Project, Tenant)>, StoreError> {
        let (mut projects, mut unknown) = (Vec::new(), Vec::new());
        for id in ids.collect::<BTreeSet<ProjectId>>() {
            match self.directory.projects.get(&id) {
                Some(known) => projects.extend(known),
                None => unknown.push(id),
            }
        }
        for project in self.store.projects_of(&unknown).await? {
            self.directory.projects.insert(project.id, Some(project.clone()));
            projects.push(project);
        }
        let (mut tenants, mut unknown) = (BTreeMap::new(), Vec::new());
        for id in projects.iter().map(|project| project.tenant).collect::<BTreeSet<TenantId>>() {
            match self.directory.tenants.get(&id) {
                Some(known) => tenants.extend(known.map(|tenant| (id, tenant))),
                None => unknown.push(id),
            }
        }
        for tenant in self.store.tenants_of(&unknown).await? {
            self.directory.tenants.insert(tenant.id, Some(tenant.clone()));
            tenants.insert(tenant.id, tenant);
        }
        let whose = |project: Project| Some((project.id, (tenants.get(&project.tenant)?.clone(), project)));
        Ok(projects.into_iter().filter_map(whose).map(|(id, (tenant, project))| (id, (project, tenant))).collect())
    }
    /// These users, as far as there are any, as [`Self::projects`] does.
    ///
    /// # Errors
    /// What the store says.
    pub async fn users(&self, ids: impl Iterator<Item = UserId>) -> Result<BTreeMap<UserId, User>, StoreError> {
        let (mut users, mut unknown) = (BTreeMap::new(), Vec::new());
        for id in ids.collect::<BTreeSet<UserId>>() {
            match self.directory.users.get(&id) {
                Some(known) => users.extend(known.map(|user| (id, user))),
                None => unknown.push(id),
            }
        }
        for user in self.store.users_of(&unknown).await? {
            self.directory.users.insert(user.id, Some(user.clone()));
            users.insert(user.id, user);
        }
        Ok(users)
    }
    pub async fn tenant_name(&self, id: TenantId) -> Result<String, StoreError> {
        Ok(self.tenant(id).await?.map_or(UNKNOWN.into(), |t| t.name.to_string()))
    }
    pub async fn project_name(&self, id: ProjectId) -> Result<String, StoreError> {
        Ok(self.project(id).await?.map_or(UNKNOWN.into(), |p| p.name.to_string()))
    }
    pub async fn user_name(&self, id: UserId) -> Result<String, StoreError> {
        Ok(self.user(id).await?.map_or(UNKNOWN.into(), |u| u.name.to_string()))
    }

    /// By name or id.
    pub async fn find_tenant(&self, text: &str) -> Result<Option<Tenant>, StoreError> {
        match text.parse() {
            Ok(id) => self.tenant(id).await,
            Err(_) => self.store.tenant_by_name(text).await,
        }
    }
    /// By name or id.
    pub async fn find_user(&self, text: &str) -> Result<Option<User>, StoreError> {
        match text.parse() {
            Ok(id) => self.store.user(id).await,
            Err(_) => self.store.user_by_name(text).await,
        }
    }
    /// Of one tenant, by name or id; remembered, because submissions name projects.
    pub async fn find_project(&self, tenant: TenantId, text: &str) -> Result<Option<ProjectId>, StoreError> {
        if let Ok(id) = text.parse() {
            return Ok(self.project(id).await?.filter(|p| p.tenant == tenant).map(|p| p.id));
        }
        let key = (tenant, Box::from(text));
        if let Some(known) = self.directory.project_ids.get(&key) {
            return Ok(Some(known));
        }
        let found = self.store.project_by_name(tenant, text).await?.map(|p| p.id);
        if let Some(id) = found {
            self.directory.project_ids.insert(key, id);
        }
        Ok(found)
    }
}
