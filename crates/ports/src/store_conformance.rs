//! What every [`Store`] must do, as checks that run against any of them. Panics with the check's name where one fails.
//! Knows no database; a world opens numbered databases for it.

use std::sync::Arc;

use base::{
    AttemptId, Bytes, ClusterId, HoldId, JobId, Money, PoolId, ProjectId, Resources, ScriptId, Span, SpecId,
    SupplierId, TenantId, Timestamp, TokenId, UserId,
};
use engine::{AuditEntry, Batch, JobRow, Record, Report, Snapshot};
use futures::future::BoxFuture;
use model::{
    Actor, Attempt, AttemptPhase, Dependency, DependencyKind, Event, EventKind, Exit, Job, JobInput, JobSpec, Node,
    Outcome, Pool, Project, Request, Role, StateCode, Supplier, SupplyMode, Tenant, TenantStatus, Token, TokenScope,
    Usage, User,
};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::store::{CommitError, Store};

/// Gives the suite its databases.
pub trait StoreWorld: Send + Sync {
    /// Opens database `number`: empty at first, as it was left later. All earlier handles of it are dropped by then.
    fn open(&self, number: u32) -> BoxFuture<'_, Arc<dyn Store>>;
}

/// Runs every check, each on a database of its own.
pub async fn check(world: &dyn StoreWorld) {
    lease_is_one_at_a_time(&*world.open(0).await).await;
    fence_guards_commits(&*world.open(1).await).await;
    everything_comes_back(world, 2).await;
    later_records_replace_earlier_ones(&*world.open(3).await).await;
    ended_work_leaves_the_snapshot(&*world.open(4).await).await;
    a_refused_batch_leaves_nothing(&*world.open(5).await).await;
    answers_are_found_by_key(&*world.open(6).await).await;
    large_batches_are_whole(&*world.open(7).await).await;
}

const NOW: Timestamp = Timestamp::from_secs(1_000_000);
const TERM: Span = Span::from_secs(10);

async fn take(store: &dyn Store, holder: &str) -> u64 {
    store.acquire(holder, NOW, NOW + TERM).await.unwrap().unwrap().fence
}

async fn commit(store: &dyn Store, fence: u64, records: Vec<Record>) {
    store.commit(fence, &batch(records)).await.unwrap();
}

fn batch(records: Vec<Record>) -> Batch {
    Batch { records, effects: Vec::new() }
}

/// Values whose types belong to crates that this one does not name are written as their JSON.
fn of<T: DeserializeOwned>(value: serde_json::Value) -> T {
    serde_json::from_value(value).unwrap()
}

async fn lease_is_one_at_a_time(store: &dyn Store) {
    let a = take(store, "a").await;
    let again = store.acquire("a", NOW + Span::from_secs(5), NOW + Span::from_secs(15)).await.unwrap().unwrap();
    assert_eq!((again.fence, again.expires_at), (a, NOW + Span::from_secs(15)), "renewal keeps the fence");
    let refused = store.acquire("b", NOW + Span::from_secs(14), NOW + TERM + TERM).await.unwrap().unwrap_err();
    assert_eq!((refused.holder.as_str(), refused.fence), ("a", a), "a lease in force is not taken");
    let b = store.acquire("b", NOW + Span::from_secs(15), NOW + Span::from_secs(25)).await.unwrap().unwrap();
    assert_eq!(b.fence, a + 1, "an expired lease is taken with the next fence");
    store.give_up(a).await.unwrap();
    let refused = store.acquire("c", NOW + Span::from_secs(16), NOW + Span::from_secs(30)).await.unwrap();
    assert_eq!(refused.unwrap_err(), b, "only the holder gives its lease up");
    store.give_up(b.fence).await.unwrap();
    assert!(store.commit(b.fence, &batch(vec![])).await.is_err(), "what was given up does not write");
    assert_eq!(take(store, "c").await, b.fence + 1, "a lease given up is free at once");
}

async fn fence_guards_commits(store: &dyn Store) {
    assert!(matches!(store.commit(1, &batch(vec![])).await, Err(CommitError::Fenced { .. })), "nobody holds the lease");
    let old = take(store, "old").await;
    commit(store, old, people(1)).await;
    let new = store.acquire("new", NOW + TERM, NOW + TERM + TERM).await.unwrap().unwrap().fence;
    match store.commit(old, &batch(people(2))).await {
        Err(CommitError::Fenced { current }) => assert_eq!(current, new),
        other => panic!("a commit under an old fence gave {other:?}"),
    }
    assert_eq!(store.load().await.unwrap().tenants.len(), 1, "nothing of a fenced batch is stored");
    commit(store, new, people(3)).await;
    assert_eq!(store.load().await.unwrap().tenants.len(), 2);
}

async fn everything_comes_back(world: &dyn StoreWorld, number: u32) {
    let store = world.open(number).await;
    let fence = take(&*store, "a").await;
    let mut records = people(1);
    records.extend(supply());
    records.extend(job(1, "one"));
    records.extend(running(1));
    commit(&*store, fence, records.clone()).await;
    let first = store.load().await.unwrap();
    drop(store);
    let second = world.open(number).await.load().await.unwrap();
    for snapshot in [first, second] {
        same_as_written(&snapshot, &records);
        assert_eq!((snapshot.last_job_number, snapshot.last_event_seq, snapshot.last_audit_seq), (1, 100, 1));
        assert_eq!(snapshot.last_event_at, NOW);
    }
}

/// Each record that a snapshot carries is in it, and nothing else is.
fn same_as_written(snapshot: &Snapshot, records: &[Record]) {
    let mut count = 0;
    for record in records {
        let found = match record {
            Record::Tenant(x) => snapshot.tenants.contains(x),
            Record::Project(x) => snapshot.projects.contains(x),
            Record::User(x) => snapshot.users.contains(x),
            Record::Supplier(x) => snapshot.suppliers.contains(x),
            Record::Cluster(x) => snapshot.clusters.contains(x),
            Record::Pool(x) => snapshot.pools.iter().any(|(pool, _)| pool == x),
            Record::PoolCost { pool, cost } => snapshot.pools.iter().any(|(p, c)| p.id == *pool && c == cost),
            Record::Upkeep(x) => snapshot.upkeep.contains(x),
            Record::PriceBook(x) => snapshot.books.contains(x),
            Record::Contract(x) => snapshot.contracts.contains(x),
            Record::Period(x) => snapshot.periods.contains(x),
            Record::Statement(x) => snapshot.settlements.contains(x),
            Record::TenantStatement(x) => snapshot.statements.contains(x),
            Record::Invoice(x) => snapshot.invoiced.contains(&x.statement),
            Record::Budget(x) => snapshot.budgets.contains(x),
            Record::Grant(x) => snapshot.grants.contains(x),
            Record::Rate(x) => snapshot.rates.contains(x),
            Record::Usage(x) => snapshot.usage.contains(&(x.of.key(), engine::Known::from(x.as_ref()))),
            Record::SupplierTerms(x) => snapshot.supplier_terms.contains(x),
            Record::Volumes { tenant, book, volumes } => snapshot.volumes.contains(&(*tenant, *book, volumes.clone())),
            Record::Policy(x) => snapshot.policy.as_ref() == Some(x.as_ref()),
            Record::Spec { id, spec } => snapshot.specs.contains(&(*id, spec.clone())),
            Record::Job(x) => snapshot.jobs.contains(x),
            Record::Attempt(x) => snapshot.attempts.contains(x),
            Record::Meter { meter: Some(x), .. } => snapshot.meters.contains(x),
            Record::Ledger(x) => snapshot.ledger.contains(x),
            Record::Share { tenant, used, at } => snapshot.shares.contains(&(*tenant, *used, *at)),
            _ => continue,
        };
        assert!(found, "{record:?} is not in the snapshot");
        // A pool and its cost are one entry.
        count += usize::from(!matches!(record, Record::PoolCost { .. }));
    }
    let Snapshot { suppliers, clusters, pools, books, tenants, projects, users, shares, ledger, specs, jobs, .. } =
        snapshot;
    let prices = books.len() + snapshot.volumes.len() + snapshot.usage.len();
    let supply = usize::from(snapshot.policy.is_some())
        + snapshot.settlements.len()
        + snapshot.statements.len()
        + snapshot.invoiced.len()
        + snapshot.contracts.len()
        + snapshot.periods.len()
        + snapshot.budgets.len()
        + snapshot.grants.len()
        + snapshot.rates.len()
        + snapshot.supplier_terms.len()
        + suppliers.len()
        + clusters.len()
        + pools.len()
        + prices
        + snapshot.upkeep.len();
    let people = tenants.len() + projects.len() + users.len() + shares.len();
    let work = specs.len() + jobs.len() + snapshot.attempts.len() + snapshot.meters.len();
    assert_eq!(supply + people + work + ledger.len(), count, "the snapshot has what was never written");
}

async fn later_records_replace_earlier_ones(store: &dyn Store) {
    let fence = take(store, "a").await;
    let mut records = people(1);
    records.extend(job(1, "one"));
    let Some(Record::Job(row)) = records.iter().find(|r| matches!(r, Record::Job(_))).cloned() else { unreachable!() };
    let changed = JobRow { charged: Money(7), ..row.as_ref().clone() };
    records.push(Record::Job(Box::new(changed.clone())));
    commit(store, fence, records).await;
    assert_eq!(store.load().await.unwrap().jobs, [changed], "of two records in a batch the later counts");
    let meter = |charged: i64| Record::Meter { attempt: AttemptId::new(id(1), 1), meter: Some(of(meter(1, charged))) };
    commit(store, fence, vec![Record::Job(row.clone()), meter(1), meter(2)]).await;
    let snapshot = store.load().await.unwrap();
    assert_eq!(snapshot.jobs, [*row], "a later batch counts");
    assert_eq!(snapshot.meters[0].charged, Money(2));
    let ended = Record::Meter { attempt: AttemptId::new(id(1), 1), meter: None };
    commit(store, fence, vec![meter(3), ended.clone()]).await;
    assert!(store.load().await.unwrap().meters.is_empty(), "an ended meter is gone");
    commit(store, fence, vec![ended, meter(4)]).await;
    assert_eq!(store.load().await.unwrap().meters.len(), 1, "order within a batch counts");
}

async fn ended_work_leaves_the_snapshot(store: &dyn Store) {
    let fence = take(store, "a").await;
    let mut records = people(1);
    records.extend(job(1, "first"));
    records.extend(job(2, "second"));
    records.extend(running(1));
    commit(store, fence, records.clone()).await;
    let row = |number: u64| {
        records.iter().find_map(|r| match r {
            Record::Job(row) if row.job.number == number => Some(row.clone()),
            _ => None,
        })
    };
    let (mut first, mut second) = (row(1).unwrap(), row(2).unwrap());
    second.job.dependencies = vec![Dependency { kind: DependencyKind::AfterOk, on: first.job.id }];
    first.job.apply(JobInput::End { cause: model::EndCause::Cancelled }, NOW).unwrap();
    first.ended_at = Some(NOW);
    let attempt = Attempt {
        phase: AttemptPhase::Ended,
        outcome: Some(Outcome::Cancelled),
        exit: Some(Exit { code: 0, signal: 15 }),
        ..attempt(1)
    };
    commit(
        store,
        fence,
        vec![Record::Job(first), Record::Job(second.clone()), Record::Attempt(Box::new(attempt)), hold(1, "closed")],
    )
    .await;
    let snapshot = store.load().await.unwrap();
    assert_eq!(snapshot.jobs, [*second], "ended jobs stay in their table");
    assert!(snapshot.attempts.is_empty(), "ended attempts stay in their table");
    assert_eq!(snapshot.ended, [(id(1), Outcome::Cancelled)], "the end of a job that an open one waits for");
    assert_eq!(snapshot.ledger.len(), 2, "the wallet and the hold of the open job: {:?}", snapshot.ledger);
    assert_eq!(snapshot.last_job_number, 2);
}

async fn a_refused_batch_leaves_nothing(store: &dyn Store) {
    let fence = take(store, "a").await;
    let mut records = people(1);
    records.push(transfer(1));
    commit(store, fence, records).await;
    let mut twice = people(2);
    twice.extend(job(1, "one"));
    twice.push(transfer(1));
    match store.commit(fence, &batch(twice)).await {
        Err(CommitError::Conflict(_)) => {}
        other => panic!("a transfer id used twice gave {other:?}"),
    }
    let snapshot = store.load().await.unwrap();
    assert_eq!((snapshot.tenants.len(), snapshot.jobs.len()), (1, 0), "nothing of a refused batch is stored");
    commit(store, fence, vec![transfer(2)]).await;
}

async fn answers_are_found_by_key(store: &dyn Store) {
    let fence = take(store, "a").await;
    let once =
        |key: u128| Record::Once { key, fingerprint: key + 1, report: Report::Job { job: id(1), changed: 3 }, at: NOW };
    commit(store, fence, (1..=100).map(once).collect()).await;
    assert_eq!(store.answers(vec![]).await.unwrap(), []);
    assert_eq!(store.answers(vec![7]).await.unwrap(), [(7, 8, Report::Job { job: id(1), changed: 3 })]);
    let mut found: Vec<u128> = store.answers((50..150).collect()).await.unwrap().into_iter().map(|a| a.0).collect();
    found.sort_unstable();
    assert_eq!(found, (50..=100).collect::<Vec<_>>());
    assert!(matches!(store.commit(fence, &batch(vec![once(7)])).await, Err(CommitError::Conflict(_))), "a key twice");
}

async fn large_batches_are_whole(store: &dyn Store) {
    let fence = take(store, "a").await;
    let mut records = people(1);
    // More than any statement holds, and no multiple of a round number.
    let count = 1_037;
    for number in 1..=count {
        records.extend(job(number, "many"));
    }
    commit(store, fence, records).await;
    let snapshot = store.load().await.unwrap();
    assert_eq!(snapshot.jobs.len() as u64, count);
    assert_eq!(snapshot.specs.len(), 1, "a specification is stored once");
    assert_eq!(snapshot.ledger.len() as u64, count + 1);
}

fn id(number: u64) -> JobId {
    JobId::from_u128(0x1_0000 + u128::from(number))
}

/// A tenant with its project, owner, wallet, password, token, share and an entry in the audit log.
pub fn people(n: u64) -> Vec<Record> {
    let raw = u128::from(n);
    let tenant = TenantId::from_u128(raw);
    let (project, user) = (ProjectId::from_u128(raw), UserId::from_u128(raw));
    vec![
        Record::Tenant(Tenant {
            id: tenant,
            name: format!("tenant-{n}").into(),
            currency: base::Currency::CNY,
            shares: 3,
            status: TenantStatus::Suspended,
            tier: model::ContractTier::LongTerm,
            regions: std::sync::Arc::new(["cn-east".into()]),
            tax_ppm: 60_000,
        }),
        Record::Project(Project { id: project, tenant, name: "default".into(), members: Default::default() }),
        Record::User(User {
            id: user,
            tenant,
            name: format!("user-{n}").into(),
            role: Role::Owner,
            default_project: project,
            disabled: false,
        }),
        Record::Password { user, phc: "$argon2id$".to_owned() },
        Record::Token(Token {
            id: TokenId::from_u128(raw),
            user,
            label: "laptop".into(),
            digest: [n as u8; 32],
            scope: TokenScope::Jobs,
            session: false,
            created_at: NOW,
            expires_at: NOW + TERM,
            revoked_at: None,
        }),
        Record::TokenRevoked { token: TokenId::from_u128(raw), at: NOW },
        Record::Share { tenant, used: Default::default(), at: NOW },
        Record::Ledger(of(json!({"account": {
            "id": format!("acc_{raw:032x}"), "code": format!("tenant/{tenant}/wallet"), "kind": "liability",
            "currency": "CNY", "floor": {"not_below": -5}, "debits": 1, "credits": 1000, "held": 2,
        }}))),
        Record::Audit(AuditEntry {
            seq: n,
            at: NOW,
            actor: Actor::User(user),
            action: "tenant.create".to_owned(),
            target: tenant.to_string(),
            tenant: Some(tenant),
            detail: "名称 ✓".to_owned(),
        }),
    ]
}

/// A supplier, a cluster, a pool with its cost, and a price book.
pub fn supply() -> Vec<Record> {
    let (supplier, cluster, pool) = (SupplierId::from_u128(1), ClusterId::from_u128(1), PoolId::from_u128(1));
    let chip: model::Chip = "nvidia-a100-80g".parse().unwrap();
    let mut records = vec![
        Record::Supplier(Supplier { id: supplier, name: "own".into(), mode: SupplyMode::Own }),
        Record::Cluster(of(json!({
            "id": cluster, "name": "local", "backend": "local", "supplier": supplier, "site": "here", "machine": "3d12",
            "place": {"latitude": 26_600_000, "longitude": -106_700_000, "label": "贵阳"}, "health": "reachable",
        }))),
        Record::Pool(Pool {
            id: pool,
            cluster,
            name: "local".into(),
            mode: SupplyMode::Own,
            shape: Resources::new(2, Bytes::from_gib(8), 1),
            chip: Some(chip),
            nodes: vec![Node::new("n1", model::NodeState::Up)],
            time_limit_max: Some(Span::from_hours(1)),
            tenants: vec![TenantId::from_u128(1)],
            retired: vec!["n1".into()],
            past_use: Default::default(),
            terms: Default::default(),
        }),
        Record::PoolCost {
            pool,
            cost: Some(of(json!({"purchase_price": 1, "residual": 0, "life_months": 60, "datacentre_fee_month": 2}))),
        },
        Record::Upkeep(Box::new(of(json!({
            "pool": pool, "from": 7, "counts": {"nodes": 2, "outage": 1, "maintenance": 0, "reserve": 0},
            "booked": {"depreciation": 1, "datacentre": 2, "fee": 0},
        })))),
        Record::Stretch(Box::new(of(json!({
            "pool": pool, "from": 3, "to": 7, "counts": {"nodes": 2, "outage": 0, "maintenance": 0, "reserve": 1},
            "owed": {"depreciation": 9, "datacentre": 2}, "worked": {"depreciation": 4, "datacentre": 2},
            "rest": [{"depreciation": 0, "datacentre": 0}, {"depreciation": 0, "datacentre": 0}, {"depreciation": 5, "datacentre": 0},
                {"depreciation": 0, "datacentre": 0}, {"depreciation": 0, "datacentre": 0}],
        })))),
        Record::Policy(of(json!({
            "number": 3, "at": 5, "actor": {"kind": "platform"}, "note": "more reserve", "changes": ["reserve_permille: 0 → 50"],
            "steering": {"reserve_permille": 50, "replacement": {"low": {"move_after": "1m"}}},
        }))),
        Record::Statement(of(json!({
            "number": 1, "supplier": "sup_00000000000000000000000000000001", "statement": "2026-10/7", "from": 1, "to": 2,
            "currency": "CNY", "state": "open", "revision": 1, "lines": 1, "open": 1, "imported_at": 5,
            "sums": [{"verdict": "only_theirs", "lines": 1, "ours": 0, "theirs": 7}],
        }))),
        Record::StatementLine(of(json!({
            "settlement": 1, "line": 1, "verdict": "only_theirs", "dispute": "open",
            "theirs": {"source": 3, "quantities": [{"meter": "card", "micros": 5}], "amount": 7},
        }))),
    ];
    records.extend(prices());
    records.extend(contracts());
    records.extend(statements());
    records.extend(agreed());
    records
}

/// A contract, a month of it that is open, and what it carried from the month before.
fn contracts() -> Vec<Record> {
    let month = |carried: bool| {
        Record::Period(of(json!({
            "key": {"contract": 1, "line": 1, "month": 1, "carried": carried}, "from": 31, "to": 59, "value": 70, "pieces": "100",
            "drawn": "10",
        })))
    };
    let contract = Record::Contract(of(json!({
        "number": 1, "tenant": "ten_00000000000000000000000000000001", "signed_at": 5, "state": "signed", "to": 90, "begun": 2,
        "terms": {
            "name": "gpu", "currency": "CNY", "tier": "long_term", "from": 0, "to": 90, "utc_offset": "+08:00", "fee": 1,
            "commitments": [{"unit": "card_hour", "of": {"pool": "a"}, "quantity": {"held": 8}, "fee": 70, "overage": 3}],
            "included": [{"unit": "gib_month", "quantity": 5}], "unused": "carry", "early_end": 500_000,
        },
    })));
    vec![contract, month(false), month(true)]
}

/// A closed month, the invoice for it, a correction.
fn statements() -> Vec<Record> {
    let tenant = "ten_00000000000000000000000000000001";
    vec![
        Record::TenantStatement(of(json!({
            "number": 1, "tenant": tenant, "month": "2026-10", "from": 1, "to": 5, "currency": "CNY",
            "sums": {"opening": 0, "top_ups": 9, "withdrawals": 0, "grants": 0, "charges": 4, "refunds": 1, "corrections": -1,
                "closing": 7, "written_off": 0, "transfers": 4},
            "due": 2, "tax_ppm": 60_000, "tax": 0, "closed_at": 6,
        }))),
        Record::Invoice(of(json!({"statement": 1, "tenant": tenant, "invoice": "FP-7", "at": 7}))),
        Record::Correction(of(json!({
            "transfer": "trf_00000000000000000000000000000005", "tenant": tenant, "at": 4, "amount": -1, "currency": "CNY",
            "reason": "the filesystem was slow",
        }))),
    ]
}

/// Terms of a supplier, a grant, rates and a budget, with what came of them.
fn agreed() -> Vec<Record> {
    vec![
        Record::SupplierTerms(of(json!({
            "supplier": "sup_00000000000000000000000000000001", "from": 1, "to": 9, "settles": "quarter", "offset": "+08:00",
            "minimum": 7, "counts_from": 1, "periods": [{"from": 1, "to": 9, "fees": 4, "minimum": 7, "accrued": 3, "bookings": 1}],
        }))),
        Record::Grant(of(json!({
            "number": 1, "tenant": TenantId::from_u128(1), "project": "prj_00000000000000000000000000000001", "currency": "CNY",
            "amount": 9, "from": 1, "to": 8, "of": [{"pool": "a"}, {"product": "ai"}], "note": "first steps", "given_at": 1,
            "revoked_at": 5, "over_at": 5, "drawn": 4, "back": 3,
        }))),
        Record::Rate(of(
            json!({"number": 1, "of": "USD", "into": "CNY", "worth": 7_123_400_000_i64, "from": 20_758, "set_at": 1}),
        )),
        Record::Rate(of(json!({
            "number": 2, "of": "USD", "into": "CNY", "worth": 7_200_000_000_i64, "from": 20_758, "reason": "misread", "set_at": 2,
            "user": UserId::from_u128(1)}))),
        Record::Usage(of(json!({
            "number": 1, "item": 1, "charge": 5, "uncollected": 1, "book": "pri_00000000000000000000000000000002", "counts_at": 200_000_000_000_i64,
            "at": 200_000_000_000_i64, "credits": [{"grant": 1, "value": 2}], "of": {"source": "gate", "id": "r-1", "line": "maas", "from": 1, "to": 2,
                "tenant": TenantId::from_u128(1), "project": ProjectId::from_u128(1), "unit": "kilotoken", "pieces": "7"},
        }))),
        Record::Budget(of(json!({
            "number": 1, "tenant": TenantId::from_u128(1), "kind": "hard", "period": {"every": "once", "from": 1, "to": 9},
            "offset": "+08:00", "amount": 7, "alerts": [50, 100], "set_at": 2,
            "spent": [{"from": 1, "to": 9, "since": 4, "alerted": [50], "stop_at": 5}],
        }))),
    ]
}

/// Two price books, in the short form and of items, and what a tenant bought in a month by the second.
fn prices() -> Vec<Record> {
    vec![
        Record::PriceBook(of(json!({
            "id": "pri_00000000000000000000000000000001", "name": "list", "currency": "CNY", "effective_from": 0,
            "core_hour": 100_000, "gib_hour": 10_000, "card_hour": {"nvidia-a100-80g": 6_000_000},
        }))),
        Record::PriceBook(of(json!({
            "id": "pri_00000000000000000000000000000002", "name": "items", "currency": "CNY", "effective_from": 5,
            "utc_offset": "+08:00", "items": [{
                "unit": "core_hour", "of": {"tenant": "lab", "class": "urgent"}, "price": 100_000,
                "bands": [{"days": ["mon"], "from": "08:00", "to": "20:00", "rate": {"factor": 1_500_000}}],
                "minimum": 7, "round_up": "minute",
            }],
        }))),
        Record::Volumes {
            tenant: TenantId::from_u128(1),
            book: base::PriceBookId::from_u128(2),
            volumes: of(json!([{"item": 0, "month": "2026-10", "pieces": "340282366920938463463374607431768211455"}])),
        },
    ]
}

/// A pending job of tenant 1 with its specification, script, hold, event and idempotency key: what a submission writes.
pub fn job(number: u64, name: &str) -> Vec<Record> {
    let text: Arc<str> = format!("#!/bin/sh\necho {name} \u{0}\n").into();
    let script = ScriptId::from_u128(base::digest128(&[text.as_bytes()]));
    let spec = JobSpec::minimal(name, script, Request::single(Bytes::from_gib(1)), Span::from_hours(1));
    let spec_id = SpecId::from_u128(base::digest128(&[name.as_bytes()]));
    let tenant = TenantId::from_u128(1);
    let user = UserId::from_u128(1);
    let job = Job::new(id(number), number, tenant, ProjectId::from_u128(1), user, spec_id, None, None, NOW);
    let event = Event {
        seq: number * 100,
        at: NOW,
        tenant: Some(tenant),
        job: Some(id(number)),
        state: Some(StateCode::Pending),
        actor: Actor::User(user),
        what: EventKind::Submitted { hold: Money(5) },
    };
    let report = Report::Submitted { job: id(number), number, elements: 1, hold: Money(5), warnings: Vec::new() };
    let row = JobRow {
        job,
        name: name.into(),
        pool: None,
        started_at: None,
        ended_at: None,
        charged: Money::ZERO,
        hold: Some(HoldId::from_u128(u128::from(number))),
        class: model::PriorityClass::Normal,
    };
    vec![
        Record::Script { id: script, text },
        Record::Spec { id: spec_id, spec: Arc::new(spec) },
        Record::Job(Box::new(row)),
        hold(number, "open"),
        Record::Event(event),
        Record::Once { key: 1 << 64 | u128::from(number), fingerprint: 9, report, at: NOW },
    ]
}

fn hold(number: u64, state: &str) -> Record {
    Record::Ledger(of(json!({"hold": {
        "id": format!("hld_{number:032x}"), "account": "acc_00000000000000000000000000000001", "initial": 5, "amount": 6,
        "settled": 1, "state": state, "opened_at": 1, "expires_at": null,
    }})))
}

fn transfer(n: u64) -> Record {
    let subject = format!("{:032x}_1", id(1).as_u128());
    Record::Ledger(of(json!({"transfer": {
        "id": format!("trf_{n:032x}"), "debit": "acc_00000000000000000000000000000001",
        "credit": "acc_00000000000000000000000000000002", "amount": 5, "currency": "CNY", "at": n, "reason": "settle",
        "memo": "", "reference": {"interval": {"stream": subject, "from": 0, "to": 60}}, "hold": null,
    }})))
}

fn attempt(number: u64) -> Attempt {
    Attempt {
        id: AttemptId::new(id(number), 1),
        cluster: ClusterId::from_u128(1),
        pool: PoolId::from_u128(1),
        phase: AttemptPhase::Running,
        granted: Resources::new(1, Bytes::from_gib(1), 0),
        nodes: vec!["n1".into()],
        external: Some("4711".into()),
        placed_at: NOW,
        started_at: Some(NOW),
        ended_at: None,
        exit: None,
        outcome: None,
        usage: Usage { cpu_time: Span::from_secs(1), ..Usage::default() },
        note: None,
        course: None,
    }
}

fn meter(number: u64, charged: i64) -> serde_json::Value {
    json!({
        "attempt": AttemptId::new(id(number), 1), "hold": HoldId::from_u128(u128::from(number)),
        "book": "pri_00000000000000000000000000000001",
        "rates": {"core_hour": 1, "gib_hour": 2, "card_hour": null}, "cost": null,
        "granted": Resources::new(1, Bytes::from_gib(1), 0), "node": Resources::new(2, Bytes::from_gib(8), 1),
        "started_at": 1, "metered_until": 60, "intervals": 1, "charged": charged, "uncollected": 0,
        "costed": {"depreciation": 0, "datacentre": 0, "fee": 0},
    })
}

/// An attempt of the job under way, its meter, an interval and the explanation of its placement.
pub fn running(number: u64) -> Vec<Record> {
    let id = AttemptId::new(id(number), 1);
    vec![
        Record::Attempt(Box::new(attempt(number))),
        Record::Explanation {
            attempt: id,
            explanation: of(json!({"job": id.job, "at": 5, "candidates": [], "omitted": 0, "chosen": null})),
        },
        Record::Meter { attempt: id, meter: Some(of(meter(number, 5))) },
        Record::Interval {
            whose: of(json!({
                "project": "prj_00000000000000000000000000000001", "user": "usr_00000000000000000000000000000001",
                "pool": "pol_00000000000000000000000000000001",
                "line": "ai", "worked": 60,
            })),
            interval: of(json!({
                "attempt": id, "seq": 1, "from": 0, "to": 60, "granted": Resources::new(1, Bytes::from_gib(1), 0),
                "book": "pri_00000000000000000000000000000001", "run": 0,
                "charge": 5, "uncollected": 0, "cost": {"depreciation": 1, "datacentre": 2, "fee": 3},
                "drawn": [{"of": {"contract": 1, "line": 1, "month": 1}, "pieces": "-340282366920938463463", "value": -4}],
                "credits": [{"grant": 1, "value": 4}],
            })),
        },
    ]
}
