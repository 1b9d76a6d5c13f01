//! The first minutes of a platform: the first tenant, the first administrator, the first prices, this machine as a
//! cluster. Everything goes through commands, like anything else; a repeat changes nothing.

use std::sync::Arc;

use base::{
    ClusterId, PoolId, PriceBookId, ProjectId, Span, SupplierId, TenantId, Timestamp, TokenId, UserId, digest128,
};
use engine::{Command, Envelope};
use model::{
    Actor, BackendKind, Cluster, Node, NodeState, Observation, Observed, Pool, PoolTerms, Role, Supplier, SupplyMode,
    Token, TokenScope, User,
};
use rating::{PoolCost, PriceBook, PriceList};
use tokio::sync::mpsc;

use crate::access::Secret;
use crate::app::{App, CommandError};
use crate::config::{Checked, LocalPool};

/// Lifetime of the first administrator's token. A year: it lies in a file that only root reads.
const ADMIN_TOKEN_LIFE: Span = Span::from_hours(24 * 365);
/// Letters of a password that the platform makes: 90 bits.
pub(crate) const PASSWORD_LETTERS: usize = 18;
pub const ADMIN_NAME: &str = "admin";
pub const FIRST_TENANT: &str = "house";

/// Secrets of the first administrator, shown once and kept nowhere else than said.
pub struct FirstAdmin {
    pub name: &'static str,
    pub password: String,
    pub token: String,
}

/// Why the platform could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    #[error("setting up the platform: {0}")]
    Command(#[from] CommandError),
    #[error("setting up the platform: {0}")]
    Store(#[from] ports::StoreError),
    #[error("a password could not be hashed: {0}")]
    Hash(String),
    #[error("the system gives no random bytes, without which no secret is safe")]
    NoRandomness,
}

/// The pools of this machine, as configured or as found, with their ids.
#[derive(Clone, Debug)]
pub struct LocalSupply {
    pub cluster: ClusterId,
    pub name: Arc<str>,
    /// Which machine it is.
    pub machine: Arc<str>,
    pub pools: Vec<(PoolId, LocalPool, Vec<String>)>,
}

impl LocalSupply {
    /// Ids follow from names, so that every server of a database and every restart means the same cluster.
    pub fn new(name: &str, machine: &str, pools: Vec<(LocalPool, Vec<String>)>) -> LocalSupply {
        let cluster = ClusterId::from_u128(digest128(&[b"cluster", name.as_bytes()]));
        let id = |pool: &str| PoolId::from_u128(digest128(&[b"pool", &cluster.to_bytes(), pool.as_bytes()]));
        let pools = pools.into_iter().map(|(pool, nodes)| (id(&pool.name), pool, nodes)).collect();
        LocalSupply { cluster, name: name.into(), machine: machine.into(), pools }
    }
}

async fn command(app: &App, command: Command) -> Result<(), CommandError> {
    let envelope = Envelope { actor: Actor::Platform, operator: true, once: None, command };
    app.engine.command(envelope).await.map(drop)
}

/// Everything a server does once it is active: [`first_run`] and, with a machine of its own, [`register_local`].
///
/// # Errors
/// As those.
pub async fn set_up(
    app: &App,
    config: &Checked,
    supply: Option<&LocalSupply>,
    observe: &mpsc::Sender<Observation>,
) -> Result<Option<FirstAdmin>, BootError> {
    let admin = first_run(app, config).await?;
    if let Some(supply) = supply {
        register_local(app, config, supply, observe).await?;
    }
    Ok(admin)
}

/// Creates what an empty platform needs. `None` when there is an administrator already.
///
/// # Errors
/// What the engine or the store answered; a later start goes on where this one stopped.
pub async fn first_run(app: &App, config: &Checked) -> Result<Option<FirstAdmin>, BootError> {
    if app.store.price_books().await?.is_empty() {
        let prices = &config.prices;
        let list = PriceList {
            core_hour: Some(prices.core_hour),
            gib_hour: Some(prices.gib_hour),
            card_hour: prices.card_hour.clone(),
        };
        let (id, name) = (PriceBookId::from_u128(app.ids.draw()), prices.name.as_str().into());
        let book = PriceBook::list(id, name, prices.currency, Timestamp::ZERO, list);
        command(app, Command::PublishPrices(book)).await?;
    }
    if app.store.user_by_name(ADMIN_NAME).await?.is_some() {
        return Ok(None);
    }
    let (tenant, project) = match app.store.tenant_by_name(FIRST_TENANT).await? {
        Some(tenant) => {
            let project = app.store.project_by_name(tenant.id, "default").await?;
            (tenant.id, project.map_or(ProjectId::from_u128(0), |p| p.id))
        }
        None => create_tenant(app, config).await?,
    };
    let password = readable_secret(PASSWORD_LETTERS)?;
    let token = Secret::draw().map_err(|_| BootError::NoRandomness)?;
    let user = UserId::from_u128(app.ids.draw());
    let admin = User {
        id: user,
        tenant,
        name: ADMIN_NAME.into(),
        role: Role::Operator,
        default_project: project,
        disabled: false,
    };
    let phc = crate::access::hash_password(password.clone()).await.map_err(|e| BootError::Hash(e.to_string()))?;
    command(app, Command::CreateUser { user: admin, password: Some(phc) }).await?;
    let now = app.clock.now();
    let issued = Token {
        id: TokenId::from_u128(app.ids.draw()),
        user,
        label: "first administrator".into(),
        digest: token.digest,
        scope: TokenScope::Full,
        session: false,
        created_at: now,
        expires_at: now + ADMIN_TOKEN_LIFE,
        revoked_at: None,
    };
    command(app, Command::IssueToken(issued)).await?;
    Ok(Some(FirstAdmin { name: ADMIN_NAME, password, token: token.text }))
}

async fn create_tenant(app: &App, config: &Checked) -> Result<(TenantId, ProjectId), BootError> {
    let (tenant, project) = (TenantId::from_u128(app.ids.draw()), ProjectId::from_u128(app.ids.draw()));
    let create = Command::CreateTenant {
        id: tenant,
        name: FIRST_TENANT.into(),
        currency: config.prices.currency,
        shares: 1,
        credit_limit: config.credit_limit,
        tier: Default::default(),
        regions: Default::default(),
        project,
    };
    command(app, create).await?;
    Ok((tenant, project))
}

/// Platforms of before had the machine's id for the name of its site. It gets the cluster's name, unless work, tenants or the policy
/// name the site by the id: they would mean nothing any more.
async fn name_site(app: &App, supply: &LocalSupply) -> Result<(), BootError> {
    let known = app.store.clusters().await?.into_iter().find(|c| c.id == supply.cluster);
    let Some(known) = known.filter(|c| c.machine.is_empty() && c.site == supply.machine) else { return Ok(()) };
    let id = supply.machine.clone();
    let named = app.engine.ask(move |engine, _| engine.names_site(&id)).await?;
    let site = if named { known.site.clone() } else { supply.name.clone() };
    command(app, Command::RegisterCluster(Cluster { site, machine: supply.machine.clone(), ..known })).await?;
    Ok(())
}

/// This machine as a cluster, of which nothing is known yet.
fn own_cluster(supply: &LocalSupply, supplier: SupplierId) -> Cluster {
    Cluster {
        id: supply.cluster,
        name: supply.name.clone(),
        backend: BackendKind::Local,
        supplier,
        site: supply.name.clone(),
        health: Default::default(),
        service: Default::default(),
        tried_at: None,
        region: Default::default(),
        place: None,
        machine: supply.machine.clone(),
        terms: Default::default(),
    }
}

/// Registers this machine and its pools, or what changed of them. `observe` tells the engine of a new cluster that it
/// answers; a known one says so itself when it resumes.
///
/// # Errors
/// What the engine or the store answered.
pub async fn register_local(
    app: &App,
    config: &Checked,
    supply: &LocalSupply,
    observe: &mpsc::Sender<Observation>,
) -> Result<(), BootError> {
    let supplier = SupplierId::from_u128(digest128(&[b"supplier", b"own"]));
    if !app.store.suppliers().await?.iter().any(|s| s.id == supplier) {
        let own = Supplier { id: supplier, name: "own".into(), mode: SupplyMode::Own };
        command(app, Command::RegisterSupplier(own)).await?;
    }
    let known = app.store.pools().await?;
    if !app.store.clusters().await?.iter().any(|c| c.id == supply.cluster) {
        command(app, Command::RegisterCluster(own_cluster(supply, supplier))).await?;
        // The driver takes it in after the registration, which it has stored.
        let _ = observe.send(Observation { cluster: supply.cluster, what: Observed::Reachable }).await;
    }
    name_site(app, supply).await?;
    for (pool, cost) in known.iter().filter(|(p, _)| p.cluster == supply.cluster) {
        if !supply.pools.iter().any(|(id, _, _)| *id == pool.id) {
            retire(app, pool, cost.clone()).await?;
        }
    }
    for (id, pool, nodes) in &supply.pools {
        let before = known.iter().find(|(p, _)| p.id == *id);
        if let Some((before, _)) = before {
            restore(app, before, nodes).await?;
        }
        let node = |name: &str| {
            let node = before.and_then(|(p, _)| p.nodes.iter().find(|n| &*n.name == name));
            node.cloned().unwrap_or_else(|| Node::new(name, NodeState::Up))
        };
        let mut named: Vec<Node> = nodes.iter().map(|n| node(n)).collect();
        named.sort();
        let wanted = Pool {
            id: *id,
            cluster: supply.cluster,
            name: pool.name.as_str().into(),
            mode: SupplyMode::Own,
            shape: pool.shape,
            chip: pool.chip.clone(),
            nodes: named,
            time_limit_max: pool.time_limit_max,
            tenants: before.map_or_else(Vec::new, |(p, _)| p.tenants.clone()),
            retired: Vec::new(),
            past_use: Default::default(),
            terms: Arc::new(PoolTerms {
                interconnect: pool.interconnect.clone(),
                architecture: Some(std::env::consts::ARCH.into()),
                ..PoolTerms::default()
            }),
        };
        let same = |known: &Option<PoolCost>| known.as_ref().is_some_and(|known| config.cost.is_met_by(known));
        if before.is_none_or(|(p, cost)| *p != wanted || !same(cost)) {
            command(app, Command::RegisterPool { pool: wanted, cost: Some(config.cost.clone()) }).await?;
        }
    }
    Ok(())
}

/// A pool that its configuration, or its site, no longer names: what runs there goes on, nothing new starts. Which nodes were
/// drained for that is noted first, so that one that was cut off in between is gone on with.
///
/// # Errors
/// What the engine answered.
pub(crate) async fn retire(app: &App, pool: &Pool, cost: Option<PoolCost>) -> Result<(), CommandError> {
    let up: Vec<Arc<str>> = pool.nodes.iter().filter(|n| n.state == NodeState::Up).map(|n| n.name.clone()).collect();
    if up.is_empty() {
        return Ok(());
    }
    let mut retired = [&pool.retired[..], &up[..]].concat();
    retired.sort();
    retired.dedup();
    tracing::warn!(pool = %pool.name, nodes = up.len(), "this pool is no longer described: its nodes are drained");
    command(app, Command::RegisterPool { pool: Pool { retired, ..pool.clone() }, cost }).await?;
    for node in up {
        set_node(app, pool.id, &node, NodeState::Drained).await?;
    }
    Ok(())
}

/// A pool that is described, perhaps again: the nodes that were drained only because it was not are in use again.
/// What an operator drained stays drained.
///
/// # Errors
/// What the engine answered.
pub(crate) async fn restore(app: &App, pool: &Pool, nodes: &[String]) -> Result<(), CommandError> {
    for node in pool.nodes.iter().filter(|n| n.state == NodeState::Drained && pool.retired.contains(&n.name)) {
        if nodes.iter().any(|name| **name == *node.name) {
            set_node(app, pool.id, &node.name, NodeState::Up).await?;
        }
    }
    Ok(())
}

async fn set_node(app: &App, pool: PoolId, node: &str, state: NodeState) -> Result<(), CommandError> {
    command(app, Command::SetNode { pool, node: node.to_owned(), state }).await
}

/// Random lower-case text of `length` characters, five bits each, without letters that look alike.
pub(crate) fn readable_secret(length: usize) -> Result<String, BootError> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut raw = vec![0u8; length];
    getrandom::fill(&mut raw).map_err(|_| BootError::NoRandomness)?;
    Ok(raw.iter().map(|b| char::from(ALPHABET[usize::from(b % 32)])).collect())
}
