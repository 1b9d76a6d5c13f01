//! Who is there in a year and what they do: the operator's clusters, prices and contracts, its tenants and their work.

use std::sync::Arc;

use base::{Bytes, ClusterId, Currency, JobId, Money, PoolId, PriceBookId, ProjectId, Resources, Span, SupplierId};
use base::{TenantId, UserId};
use engine::{Command, Contracting, Submission};
use model::{
    BackendKind, Chip, Cluster, ClusterHealth, ContractTier, JobSpec, Node, NodeState, Pool, PriorityClass,
    ProductLine, Request, Role, Service, Supplier, SupplyMode, User,
};
use rating::contract::{Commitment, Quantity, Terms, Unused};
use rating::tariff::calendar::{Day, TimeOfDay};
use rating::tariff::{Band, Item, Rate, RoundUp, Selector, Step, Unit, UtcOffset};
use rating::{NodeCost, OwnCost, PoolCost, PriceBook, SupplierFee};

use super::{CPU_NODE, Run, plan, shape};
use crate::cluster::RunPlan;

const USERS: usize = 3;
/// Of these, every eighth has little money, so that it blocks and stops some work.
const POOR_AMONG: usize = 24;
/// Tenants for one that signs a contract at a time.
const TENANTS_A_CONTRACT: usize = 24;
/// Of a tenant that always has money, a month.
const BUDGET: i64 = 5_000_000;
/// Shapes of work; each is one specification.
const SHAPES: u64 = 400;
/// Prices change on these days, in thousandths of the first.
const PRICE_DAYS: [(u32, i64); 4] = [(0, 1_000), (97, 1_150), (190, 900), (283, 1_050)];
const OFFSET: &str = "+08:00";

fn chip(name: &str) -> Option<Chip> {
    name.parse().ok()
}

fn offset() -> UtcOffset {
    OFFSET.parse().unwrap_or_default()
}

impl Run<'_> {
    pub(super) fn set_up(&mut self) {
        for n in 0..self.options.tenants.max(8) as usize {
            self.tenant(n);
        }
        self.publish(1_000);
        let a100 = "nvidia-a100-80g";
        let ascend = "huawei-910b";
        let own = [
            ("north", [("north-cpu", 40, CPU_NODE, ""), ("north-gpu", 12, (64, 512, 8), a100)]),
            ("south", [("south-cpu", 24, CPU_NODE, ""), ("south-npu", 12, (64, 512, 8), ascend)]),
        ];
        let bought = [
            ("harbour", [("harbour-cpu", 40, CPU_NODE, ""), ("harbour-gpu", 6, (64, 512, 8), a100)]),
            ("hill", [("hill-cpu", 16, CPU_NODE, ""), ("hill-gpu", 8, (32, 256, 4), a100)]),
        ];
        for (mode, clusters) in [(SupplyMode::Own, own), (SupplyMode::Partner, bought)] {
            for (name, pools) in clusters {
                let cluster = self.cluster(name, mode);
                for (name, nodes, node, chip_name) in pools {
                    self.pool(name, (cluster, mode), nodes, shape(node), chip(chip_name));
                }
            }
        }
    }

    /// What happens on a day beside work.
    pub(super) fn day(&mut self, n: u32) {
        if let Some((_, permille)) = PRICE_DAYS.iter().find(|(day, _)| *day == n && n > 0) {
            self.publish(*permille);
        }
        if n.is_multiple_of(30) {
            for at in 0..self.tenants.len() {
                let (tenant, _) = self.tenants[at];
                let units = if is_poor(at) { 40 } else { BUDGET };
                let (amount, memo) = (Money::from_units(units), "month".to_owned());
                let _ = self.operator(Command::TopUp { tenant, amount, memo });
            }
        }
        if n % 17 == 3 {
            for group in 0..self.tenants.len().div_ceil(TENANTS_A_CONTRACT) {
                self.sign(n, group * TENANTS_A_CONTRACT);
            }
        }
    }

    /// A contract of some months for every third tenant of a group in turn, of its own beginning and end.
    fn sign(&mut self, n: u32, group: usize) {
        let at = group + (n / 17 * 3) as usize % TENANTS_A_CONTRACT.min(self.tenants.len() - group);
        let (tenant, _) = self.tenants[at];
        let from = self.world.shown() + Span::from_hours(24 * self.chance.below(20) as i64);
        let to = from + Span::from_hours(24 * (20 + self.chance.below(130) as i64));
        let price = |quantity: u64, rate: i64| Money(quantity as i64 * rate);
        let (cores, cards) = (2_000 + self.chance.below(8_000), 1 + self.chance.below(6));
        let commit = |unit, quantity, fee, overage: Option<i64>| {
            let overage = overage.map(Money);
            Commitment { unit, of: Selector::default(), quantity, fee, overage }
        };
        let cards_fee = price(cards * 720, 6_500_000);
        let terms = Terms {
            name: format!("year-{n}").into(),
            currency: Currency::CNY,
            tier: ContractTier::LongTerm,
            from,
            to,
            utc_offset: offset(),
            fee: Money(99_999_999),
            commitments: vec![
                commit(Unit::CoreHour, Quantity::Hours(cores), price(cores, 80_001), Some(95_003)),
                commit(
                    Unit::CardHour,
                    Quantity::Held(cards as u32),
                    cards_fee,
                    self.chance.chance(500).then_some(7_100_007),
                ),
            ],
            included: super::usage::included(),
            unused: if self.chance.chance(500) { Unused::Carry } else { Unused::Lapse },
            early_end: 250_000,
        };
        let sign = Contracting::Sign { tenant, terms: Box::new(terms), at_once: false };
        let _ = self.operator(Command::Contract(Box::new(sign)));
    }

    fn publish(&mut self, permille: i64) {
        let price = |micros: i64| Money(micros * permille / 1_000);
        let plain = |unit, of, micros| Item::plain(unit, of, price(micros));
        let all = Selector::default;
        let night = Band {
            days: Day::ALL.to_vec(),
            from: "22:00".parse().unwrap_or(TimeOfDay::START),
            to: "08:00".parse().unwrap_or(TimeOfDay::END),
            rate: Rate::Factor(500_000),
        };
        let named = |n: usize| Selector { tenant: Some(name(n).into()), ..all() };
        let items = vec![
            plain(Unit::CoreHour, all(), 100_003),
            plain(Unit::GibHour, all(), 7_001),
            Item { minimum: Money(50_021), ..plain(Unit::CardHour, all(), 3_000_017) },
            Item {
                bands: vec![night.clone()],
                round_up: RoundUp::Minute,
                ..plain(Unit::CardHour, Selector { chip: chip("nvidia-a100-80g"), ..all() }, 8_000_033)
            },
            Item {
                steps: vec![Step { above: 5_000, rate: Rate::Factor(800_000) }],
                ..plain(Unit::CoreHour, named(4), 90_007)
            },
            Item { bands: vec![night], round_up: RoundUp::Second, ..plain(Unit::CoreHour, named(5), 110_009) },
            plain(Unit::CoreHour, Selector { class: Some(PriorityClass::Low), ..all() }, 60_013),
            plain(Unit::NodeHour, Selector { product: Some(ProductLine::Industry), ..all() }, 3_300_011),
        ];
        let items = items.into_iter().chain(super::usage::items(permille)).collect();
        let book = PriceBook {
            id: PriceBookId::from_u128(self.ids.u128()),
            name: "year".into(),
            currency: Currency::CNY,
            effective_from: self.world.shown(),
            utc_offset: offset(),
            items,
        };
        self.must(Command::PublishPrices(book));
    }

    fn tenant(&mut self, n: usize) {
        let (id, project) = (TenantId::from_u128(self.ids.u128()), ProjectId::from_u128(self.ids.u128()));
        let credit_limit = Money::from_units(if is_poor(n) { 0 } else { 1_000 });
        let (currency, shares, name) = (Currency::CNY, 1 + n as u32 % 3, name(n));
        let (tier, regions) = Default::default();
        let create =
            Command::CreateTenant { id, name: name.clone(), currency, shares, credit_limit, tier, regions, project };
        self.must(create);
        let users = (0..USERS).map(|user| {
            let made = UserId::from_u128(self.ids.u128());
            let name = format!("{name}-{user}").into();
            let (role, disabled) = (Role::Member, false);
            let person = User { id: made, tenant: id, name, role, default_project: project, disabled };
            self.must(Command::CreateUser { user: person, password: None });
            made
        });
        let users = users.collect();
        self.tenants.push((id, users));
    }

    fn cluster(&mut self, name: &str, mode: SupplyMode) -> ClusterId {
        let (supplier, id) = (SupplierId::from_u128(self.ids.u128()), ClusterId::from_u128(self.ids.u128()));
        self.must(Command::RegisterSupplier(Supplier { id: supplier, name: name.into(), mode }));
        self.must(Command::RegisterCluster(Cluster {
            id,
            name: name.into(),
            backend: BackendKind::Slurm,
            supplier,
            site: name.into(),
            region: "cn".into(),
            health: ClusterHealth::Unreachable,
            service: Service::InService,
            tried_at: None,
            place: None,
            machine: Default::default(),
            terms: Default::default(),
        }));
        self.world.add_cluster(id, Span::from_secs(3));
        self.world.advance_to(self.world.now());
        self.clusters.push(id);
        id
    }

    fn pool(
        &mut self,
        name: &str,
        (cluster, mode): (ClusterId, SupplyMode),
        nodes: u32,
        shape: Resources,
        chip: Option<Chip>,
    ) {
        let id = PoolId::from_u128(self.ids.u128());
        let cards = i64::from(shape.gpus);
        let node = NodeCost {
            purchase_price: Money(30_000_000_007 + cards * 100_000_000_019),
            residual: Money(1_000_000_000),
            life_months: if cards > 0 { 60 } else { 48 },
            datacentre_fee_month: Money(900_000_011 + cards * 400_000_003),
        };
        let fee = SupplierFee {
            round_up: Span::from_secs(60),
            minimum: Span::from_secs(300),
            fee_card_hour: Money(4_900_021),
            ..SupplierFee::by_core(Money(61_003))
        };
        let cost = match mode {
            SupplyMode::Own => PoolCost::Own(OwnCost { node, stages: Vec::new() }),
            SupplyMode::Partner => PoolCost::Partner(fee),
        };
        let names: Vec<Arc<str>> = (0..nodes).map(|n| format!("{name}-{n}").into()).collect();
        let pool = Pool {
            id,
            cluster,
            name: name.into(),
            mode,
            shape,
            chip,
            nodes: names.iter().map(|n| Node::new(n.to_string(), NodeState::Up)).collect(),
            time_limit_max: None,
            tenants: Vec::new(),
            retired: Vec::new(),
            past_use: Default::default(),
            terms: Default::default(),
        };
        self.world.add_pool(&pool);
        self.must(Command::RegisterPool { pool, cost: Some(cost) });
        self.pools.push((id, names));
    }

    /// A piece of work of one of the year's shapes; how long it runs is its own.
    pub(super) fn work(&mut self, id: JobId, user: UserId) -> (Submission, RunPlan) {
        let spec = Arc::new(spec(self.chance.below(SHAPES), self.stretch()));
        let limit = spec.time_limit.as_micros().max(1) as u64;
        // Most run for a part of what they ask for, some into their limit, some fail at once.
        let runs = match self.chance.below(20) {
            0 => Span::from_secs(self.chance.below(20) as i64),
            1 => Span::from_micros((limit + limit / 4) as i64),
            _ => Span::from_micros((limit / 10 + self.chance.below(limit * 8 / 10)) as i64),
        };
        let exit = i32::from(self.chance.chance(60));
        let canonical = format!("{spec:?}");
        let submission = Submission {
            id,
            user,
            project: None,
            spec_id: model::spec::spec_id(canonical.as_bytes()),
            script_id: spec.script,
            script: SCRIPT.into(),
            spec,
            dependencies: Vec::new(),
            ended: Vec::new(),
        };
        (submission, plan(runs, exit))
    }
}

const CPU_POOLS: [&str; 4] = ["north-cpu", "south-cpu", "harbour-cpu", "hill-cpu"];
const SCRIPT: &str = "#!/bin/sh\n";

const fn is_poor(n: usize) -> bool {
    n < POOR_AMONG && n % 8 == 7
}

fn name(n: usize) -> String {
    format!("tenant-{n}")
}

/// The n-th shape: cores, or cards of any chip, or whole nodes; of a class and a product. So many thousandths as long as usual.
fn spec(n: u64, stretch: i64) -> JobSpec {
    let mut chance = base::Seed::from_u64(n).child("shape").stream();
    let seconds = (5 + chance.below(180) as i64) * 60 * stretch / 1_000;
    let script = model::spec::script_id(SCRIPT);
    let line = *chance.pick(&[ProductLine::General, ProductLine::Ai, ProductLine::Maas, ProductLine::Industry]);
    let (nodes, per_node) = match chance.below(10) {
        0 => (1 + chance.below(3) as u32, shape(CPU_NODE)),
        1..=3 => {
            let cards = 1 + chance.below(4);
            (1, Resources::new(cards * 4, Bytes::from_gib(cards * 16), cards as u32))
        }
        _ => (1, Resources::new(1 + chance.below(16), Bytes::from_gib(1 + chance.below(32)), 0)),
    };
    // Cards are for work that asks for them.
    let pools = if per_node.gpus == 0 { &CPU_POOLS[..] } else { &[] };
    JobSpec {
        pools: pools.iter().map(|name| Arc::from(*name)).collect(),
        class: *chance.pick(&[PriorityClass::Low, PriorityClass::Normal, PriorityClass::Normal, PriorityClass::High]),
        line,
        requeue: chance.chance(300),
        ..JobSpec::minimal("year", script, Request::of(nodes, per_node), Span::from_secs(seconds.max(1)))
    }
}
