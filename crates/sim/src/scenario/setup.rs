//! The part of a scenario that sets things up and submits: tenants, supply, prices, jobs. Refuses to judge outcomes.

use std::sync::Arc;

use base::{
    ClusterId, Currency, JobId, Money, PoolId, PriceBookId, ProjectId, Span, SupplierId, TenantId, UserId, digest128,
};
use engine::{Command, JobRef, Once, Report, Steering, Submission};
use model::{
    Actor, ArraySpec, BackendKind, Chip, Cluster, ClusterHealth, ClusterTerms, ContractTier, JobSpec, Node, NodeState,
    Pool, Request, Role, Service, Supplier, SupplyMode, User, Window,
};
use rating::{NodeCost, OwnCost, PoolCost, PriceBook, PriceList, SupplierFee};

use super::Runner;
use super::parse::{PoolStep, SubmitStep, TermsStep};

/// Servers are depreciated over three years here.
const LIFE_MONTHS: u32 = 36;

impl Runner {
    pub(super) fn tenant(
        &mut self,
        name: String,
        (balance, credit_limit): (Money, Money),
        shares: u32,
        tier: ContractTier,
        regions: Arc<[Arc<str>]>,
    ) {
        let (id, project) = (TenantId::from_u128(self.id()), ProjectId::from_u128(self.id()));
        let currency = Currency::CNY;
        self.command(
            None,
            Command::CreateTenant { id, name: name.clone(), currency, shares, credit_limit, tier, regions, project },
        );
        let user = UserId::from_u128(self.id());
        let person = User {
            id: user,
            tenant: id,
            name: format!("{name}-user").into(),
            role: Role::Owner,
            default_project: project,
            disabled: false,
        };
        self.command(None, Command::CreateUser { user: person, password: None });
        self.first_tenant.get_or_insert_with(|| name.clone());
        self.tenants.insert(name.clone(), (id, user));
        if balance > Money::ZERO {
            self.top_up(&name, balance);
        }
    }

    pub(super) fn tier(&mut self, tenant: &str, tier: ContractTier) {
        let Some((tenant, _)) = self.tenants.get(tenant).copied() else { return self.fail("no such tenant") };
        let (shares, status, credit_limit, tier, regions) = (None, None, None, Some(tier), None);
        self.command(None, Command::ChangeTenant { tenant, shares, status, credit_limit, tier, regions });
    }

    pub(super) fn top_up(&mut self, tenant: &str, amount: Money) {
        let Some((tenant, _)) = self.tenants.get(tenant).copied() else { return self.fail("no such tenant") };
        self.command(None, Command::TopUp { tenant, amount, memo: String::new() });
    }

    pub(super) fn prices(&mut self, core: Money, gib: Money, cards: Vec<(Chip, Money)>, from: Option<Span>) {
        let id = PriceBookId::from_u128(self.id());
        let effective_from = self.world.shown() + from.unwrap_or(Span::ZERO);
        let list = PriceList { core_hour: Some(core), gib_hour: Some(gib), card_hour: cards.into_iter().collect() };
        let book = PriceBook::list(id, "book".into(), Currency::CNY, effective_from, list);
        self.command(None, Command::PublishPrices(book));
    }

    pub(super) fn steer(&mut self, text: &str) {
        match Steering::parse(text) {
            Ok(steering) => {
                let (steering, note, expected) = (Box::new(steering), String::new(), None);
                self.command(None, Command::Steer { steering, note, expected });
            }
            Err(fault) => self.fail(&fault.to_string()),
        }
    }

    fn cluster(&mut self, name: &str, partner: bool, region: &str, site: &str) -> ClusterId {
        if let Some(id) = self.clusters.get(name) {
            return *id;
        }
        let (supplier, id) = (SupplierId::from_u128(self.id()), ClusterId::from_u128(self.id()));
        let mode = if partner { SupplyMode::Partner } else { SupplyMode::Own };
        let named = Supplier { id: supplier, name: format!("{name}-supplier").into(), mode };
        self.command(None, Command::RegisterSupplier(named));
        let backend = if partner { BackendKind::Slurm } else { BackendKind::Local };
        let health = ClusterHealth::Unreachable;
        let cluster = Cluster {
            id,
            name: name.into(),
            backend,
            supplier,
            site: site.into(),
            health,
            service: Service::InService,
            tried_at: None,
            region: region.into(),
            place: None,
            machine: Default::default(),
            terms: Default::default(),
        };
        self.command(None, Command::RegisterCluster(cluster));
        self.clusters.insert(name.into(), id);
        self.world.add_cluster(id, super::START_DELAY);
        self.world.advance_to(self.world.now());
        id
    }

    pub(super) fn pool(&mut self, step: PoolStep) {
        let cluster = self.cluster(&step.cluster, step.partner, &step.region, &step.site);
        let id = self.pools.get(&step.name).copied().unwrap_or(PoolId::from_u128(self.id()));
        let node = |n: u32| Node::new(format!("n{n}"), NodeState::Up);
        let tenants = step.tenants.iter().filter_map(|t| self.tenants.get(t)).map(|(id, _)| *id).collect();
        let pool = Pool {
            id,
            cluster,
            name: step.name.as_str().into(),
            mode: if step.partner { SupplyMode::Partner } else { SupplyMode::Own },
            shape: step.shape,
            chip: step.chip,
            nodes: (1..=step.nodes).map(node).collect(),
            time_limit_max: step.time_max,
            tenants,
            retired: Vec::new(),
            past_use: Default::default(),
            terms: Arc::new(step.terms),
        };
        let node = |(purchase_price, datacentre_fee_month)| NodeCost {
            purchase_price,
            residual: Money::ZERO,
            life_months: LIFE_MONTHS,
            datacentre_fee_month,
        };
        let own = step.cost.map(|cost| PoolCost::Own(OwnCost { node: node(cost), stages: Vec::new() }));
        let fee = |(hour, round_up)| PoolCost::Partner(SupplierFee { round_up, ..SupplierFee::by_core(hour) });
        let cost = own.or(step.fee.map(fee));
        self.world.add_pool(&pool);
        self.pools.insert(step.name, id);
        self.command(None, Command::RegisterPool { pool, cost });
    }

    pub(super) fn terms(&mut self, step: TermsStep) {
        let Some(cluster) = self.clusters.get(&step.cluster).copied() else { return self.fail("no such cluster") };
        let now = self.world.shown();
        let window = |w: super::parse::WindowStep| Window {
            name: w.name.into(),
            from: now + w.from,
            until: now + w.until,
            nodes: w.nodes,
            ours: w.ours,
        };
        let windows = step.windows.into_iter().map(window).collect();
        let terms = ClusterTerms { together: step.together, licences: step.licences, windows };
        self.command(None, Command::DescribeCluster { cluster, terms });
    }

    pub(super) fn service(&mut self, cluster: &str, service: Service) {
        let Some(cluster) = self.clusters.get(cluster).copied() else { return self.fail("no such cluster") };
        self.command(None, Command::SetService { cluster, service, force: true });
    }

    pub(super) fn submit(&mut self, step: SubmitStep) {
        let tenant = step.by.clone().or_else(|| self.first_tenant.clone()).unwrap_or_default();
        let Some((_, user)) = self.tenants.get(&tenant).copied() else { return self.fail("no such tenant") };
        let id = JobId::from_u128(self.id());
        let mut dependencies = Vec::new();
        let mut ended = Vec::new();
        for (kind, name) in &step.after {
            let Some(on) = self.job(name) else { return self.fail("no such job to wait for") };
            let reference = JobRef::Id(on);
            // As the server does, from the tables.
            let is_open = |id: &JobId| self.world.tables().jobs.get(id).is_some_and(|r| r.job.is_open());
            if !self.world.tables().elements_of(on).iter().any(is_open)
                && let Some(outcome) = self.world.tables().end_so_far(on)
            {
                ended.push((reference.clone(), on, outcome));
            }
            dependencies.push((*kind, reference));
        }
        let spec = Arc::new(self.spec(&step));
        let canonical = serde_json::to_vec(&*spec).unwrap_or_default();
        let submission = Submission {
            id,
            user,
            project: None,
            spec_id: model::spec::spec_id(&canonical),
            script_id: spec.script,
            script: script(&step.name),
            spec,
            dependencies,
            ended,
        };
        // A plan waits under the id drawn here; when a repeat is answered with the first job, it is never looked at.
        self.world.plan(id, step.plan);
        self.jobs.entry(step.name.clone()).or_insert(id);
        self.names.jobs.entry(id).or_insert_with(|| step.name.clone());
        let once = step.key.as_ref().map(|key| {
            let key = digest128(&[b"key", key.as_bytes()]);
            let fingerprint = digest128(&[b"body", &canonical]);
            Once { key, fingerprint, prior: self.world.tables().answers.get(&key).cloned() }
        });
        let report = self.command(Some((Actor::User(user), false, once)), Command::Submit(Box::new(submission)));
        if let Some(Report::Submitted { job, number, elements, hold, warnings }) = report {
            self.jobs.insert(step.name.clone(), job);
            self.names.jobs.insert(job, step.name.clone());
            let what = if elements == 1 { "job".to_owned() } else { format!("array of {elements}") };
            self.say(&format!("{what} number {number}, {hold} set aside"));
            warnings.iter().for_each(|text| self.say(text));
        }
        self.submissions.insert(step.name.clone(), step);
    }

    fn spec(&self, step: &SubmitStep) -> JobSpec {
        let conditions = Some(Arc::new(step.conditions.clone())).filter(|c| !c.is_empty());
        let request = Request { chips: step.chips.clone(), conditions, ..Request::of(step.nodes, step.per_node) };
        let script = model::spec::script_id(&script(&step.name));
        JobSpec {
            array: step.array.clone().map(|(indices, limit)| ArraySpec { indices, limit }),
            class: step.class,
            line: step.line,
            inputs: (step.data.0 > 0).then(|| data(step.data.0)).into_iter().collect(),
            hold: step.hold,
            requeue: step.requeue,
            preemptible: step.preemptible,
            begin: step.begin.map(|b| self.world.shown() + b),
            pools: step.pools.clone(),
            regions: step.regions.clone(),
            app: step.app.clone(),
            ..JobSpec::minimal(&step.name, script, request, step.time)
        }
    }
}

fn data(size: u64) -> model::Input {
    model::Input { path: "data".into(), digest: model::ContentDigest([0; 32]), size, mode: 0o644 }
}

fn script(name: &str) -> Arc<str> {
    format!("#!/bin/sh\n# {name}\n").into()
}
