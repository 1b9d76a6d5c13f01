//! The questions of the routes, on both databases: filters, pages, scopes, sums.

use base::{
    AccountId, ClusterId, Currency, JobId, Money, PoolId, ProjectId, ReportId, Span, TenantId, Timestamp, UserId,
};
use engine::{Batch, JobRef, JobRow, Record};
use ledger::{LedgerRecord, Memo, Transfer, TransferReason};
use model::{ArrayRef, ClusterLink, ClusterReport, EndCause, JobInput, LinkKind, PriorityClass, ReportKind, StateCode};
use ports::Store;
use ports::store_conformance::{job, people, running, supply};
use rating::tariff::UtcOffset;
use store::{
    Apart, AuditFilter, AuditWord, BillFilter, JobFilter, JobOrder, JobSort, Location, MarginBy, NameMatch,
    PageRequest, Scope, SqlStore,
};
use testkit::Postgres;

const NOW: Timestamp = Timestamp::from_secs(1_000_000);
const ONE: Scope = Scope::Tenant(TenantId::from_u128(1));
const TWO: Scope = Scope::Tenant(TenantId::from_u128(2));

/// Twelve jobs: odd ones of tenant 1, even ones of tenant 2; 1 to 3 have ended; 5, 7 and 9 are an array of root 5.
fn jobs() -> Vec<Record> {
    let mut records = Vec::new();
    for number in 1..=12 {
        let name = if number < 10 { format!("melt_{number}") } else { format!("Melt%{number}") };
        for record in job(number, &name) {
            records.push(match record {
                Record::Job(row) => Record::Job(Box::new(shaped(*row, number))),
                other => other,
            });
        }
    }
    records
}

fn shaped(row: JobRow, number: u64) -> JobRow {
    let owner = if number % 2 == 1 { 1 } else { 2 };
    let mut job = row.job;
    job.tenant = TenantId::from_u128(owner);
    job.project = ProjectId::from_u128(owner);
    job.user = UserId::from_u128(owner);
    job.submitted_at = NOW + Span::from_secs(number as i64);
    if let 5 | 7 | 9 = number {
        job.array = Some(ArrayRef { root: id(5), root_number: 5, index: (number - 5) as u32 / 2 });
    }
    if number <= 3 {
        job.apply(JobInput::End { cause: EndCause::Cancelled }, NOW).unwrap();
    }
    let pool = (number == 4).then(|| PoolId::from_u128(1));
    let after = |seconds: u64| NOW + Span::from_secs(seconds as i64);
    JobRow {
        job,
        pool,
        started_at: (number <= 2).then(|| after(number)),
        ended_at: (number <= 3).then(|| after(10 - number)),
        charged: Money(number as i64 % 4),
        class: if number == 6 { PriorityClass::Urgent } else { PriorityClass::Normal },
        ..row
    }
}

fn id(number: u64) -> JobId {
    JobId::from_u128(0x1_0000 + u128::from(number))
}

async fn numbers(store: &SqlStore, scope: Scope, filter: &JobFilter) -> Vec<u64> {
    let page = store.jobs(scope, filter, PageRequest::first(1_000)).await.unwrap();
    assert_eq!(page.next, None);
    page.items.iter().map(|entry| entry.row.job.number).collect()
}

async fn jobs_are_filtered(store: &SqlStore) {
    let all = JobFilter::default();
    assert_eq!(numbers(store, Scope::All, &all).await, (1..=12).rev().collect::<Vec<_>>());
    assert_eq!(numbers(store, ONE, &all).await, [11, 9, 7, 5, 3, 1]);
    let filter = |change: &dyn Fn(&mut JobFilter)| {
        let mut filter = JobFilter::default();
        change(&mut filter);
        filter
    };
    let cases: [(JobFilter, &[u64]); 16] = [
        (filter(&|f| f.open = Some(false)), &[3, 2, 1]),
        (filter(&|f| f.open = Some(true)), &[12, 11, 10, 9, 8, 7, 6, 5, 4]),
        (filter(&|f| f.states = vec![StateCode::Cancelled, StateCode::Running]), &[3, 2, 1]),
        (filter(&|f| f.states = vec![StateCode::Pending]), &[12, 11, 10, 9, 8, 7, 6, 5, 4]),
        (filter(&|f| f.user = Some(UserId::from_u128(2))), &[12, 10, 8, 6, 4, 2]),
        (filter(&|f| f.project = Some(ProjectId::from_u128(3))), &[]),
        (filter(&|f| f.pools = Some(vec![PoolId::from_u128(1)])), &[4]),
        (filter(&|f| f.pools = Some(Vec::new())), &[]),
        (filter(&|f| f.classes = vec![PriorityClass::Urgent, PriorityClass::Low]), &[6]),
        (filter(&|f| f.ended_from = Some(NOW + Span::from_secs(8))), &[2, 1]),
        (filter(&|f| f.ended_to = Some(NOW + Span::from_secs(8))), &[3]),
        (filter(&|f| f.array = Some(5)), &[9, 7, 5]),
        (filter(&|f| f.name = Some(NameMatch::Equals("melt_5".into()))), &[5]),
        (filter(&|f| f.name = Some(NameMatch::StartsWith("melt_".into()))), &[9, 8, 7, 6, 5, 4, 3, 2, 1]),
        (filter(&|f| f.name = Some(NameMatch::StartsWith("Melt%1".into()))), &[12, 11, 10]),
        (
            filter(&|f| {
                f.submitted_from = Some(NOW + Span::from_secs(4));
                f.submitted_to = Some(NOW + Span::from_secs(6));
            }),
            &[5, 4],
        ),
    ];
    for (filter, want) in cases {
        assert_eq!(numbers(store, Scope::All, &filter).await, want, "{filter:?}");
    }
}

async fn jobs_come_in_pages(store: &SqlStore) {
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let request = PageRequest::new(Some(5), cursor.as_deref()).unwrap();
        let page = store.jobs(Scope::All, &JobFilter::default(), request).await.unwrap();
        seen.push(page.items.len());
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, [5, 5, 2]);
}

/// Every order, whole and in pages of five; jobs without the value come last both ways.
async fn jobs_are_sorted(store: &SqlStore) {
    let cases: [(JobSort, bool, &[u64]); 12] = [
        (JobSort::Number, true, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        (JobSort::Ended, false, &[1, 2, 3, 12, 11, 10, 9, 8, 7, 6, 5, 4]),
        (JobSort::Ended, true, &[3, 2, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        (JobSort::Started, false, &[2, 1, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3]),
        (JobSort::Started, true, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        (JobSort::RunTime, false, &[1, 2, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3]),
        (JobSort::RunTime, true, &[2, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        (JobSort::Price, false, &[11, 7, 3, 10, 6, 2, 9, 5, 1, 12, 8, 4]),
        (JobSort::Price, true, &[4, 8, 12, 1, 5, 9, 2, 6, 10, 3, 7, 11]),
        (JobSort::Name, true, &[10, 11, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (JobSort::User, true, &[1, 3, 5, 7, 9, 11, 2, 4, 6, 8, 10, 12]),
        (JobSort::User, false, &[12, 10, 8, 6, 4, 2, 11, 9, 7, 5, 3, 1]),
    ];
    for (by, ascending, want) in cases {
        let order = JobOrder { by, ascending };
        assert_eq!(in_order(store, Scope::All, order, 1_000).await, want, "{order:?}");
        assert_eq!(in_order(store, Scope::All, order, 5).await, want, "{order:?} in pages");
        let own: Vec<u64> = want.iter().copied().filter(|number| number % 2 == 0).collect();
        assert_eq!(in_order(store, TWO, order, 2).await, own, "{order:?} of a tenant");
    }
    // What is open alone, and what runs: the same order as in the whole list.
    for (filter, by) in [
        (JobFilter { open: Some(true), ..JobFilter::default() }, JobSort::Price),
        (JobFilter { open: Some(true), ..JobFilter::default() }, JobSort::Started),
        (JobFilter { states: vec![StateCode::Running], ..JobFilter::default() }, JobSort::Price),
        (JobFilter { states: vec![StateCode::Running], ..JobFilter::default() }, JobSort::Number),
    ] {
        let order = JobOrder { by, ascending: false };
        let whole = in_order(store, Scope::All, order, 1_000).await;
        let some = numbers(store, Scope::All, &filter).await;
        let want: Vec<u64> = whole.into_iter().filter(|number| some.contains(number)).collect();
        for limit in [1, 1_000] {
            assert_eq!(filtered(store, Scope::All, &filter, order, limit).await, want, "{filter:?} {order:?}");
        }
    }
    let first = store.jobs(Scope::All, &JobFilter::default(), PageRequest::first(2)).await.unwrap();
    let other = PageRequest::new(Some(2), first.next.as_deref()).unwrap();
    let dearest = JobOrder { by: JobSort::Price, ascending: false };
    assert!(store.jobs_by(Scope::All, &JobFilter::default(), dearest, other).await.unwrap().is_err());
}

async fn in_order(store: &SqlStore, scope: Scope, order: JobOrder, limit: u32) -> Vec<u64> {
    filtered(store, scope, &JobFilter::default(), order, limit).await
}

async fn filtered(store: &SqlStore, scope: Scope, jobs: &JobFilter, order: JobOrder, limit: u32) -> Vec<u64> {
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let request = PageRequest::new(Some(limit), cursor.as_deref()).unwrap();
        let page = store.jobs_by(scope, jobs, order, request).await.unwrap().unwrap();
        seen.extend(page.items.iter().map(|entry| entry.row.job.number));
        cursor = page.next;
        if cursor.is_none() {
            return seen;
        }
    }
}

async fn one_job_is_found(store: &SqlStore) {
    for reference in [JobRef::Id(id(7)), JobRef::Number(7), JobRef::Element(5, 1)] {
        let entry = store.job(ONE, &reference).await.unwrap().unwrap();
        assert_eq!((entry.row.job.number, entry.spec.name.as_ref()), (7, "melt_7"), "{reference:?}");
        assert_eq!((entry.tenant_name.as_ref(), entry.user_name.as_ref()), ("tenant-1", "user-1"));
        assert_eq!(entry.currency, Currency::CNY);
        assert!(store.job(TWO, &reference).await.unwrap().is_none(), "of another tenant");
    }
    let four = store.job(Scope::All, &JobRef::Number(4)).await.unwrap().unwrap();
    assert_eq!(four.pool_name.as_deref(), Some("local"));
    assert!(store.script(four.spec.script).await.unwrap().unwrap().ends_with("melt_4 \u{0}\n"));
    assert_eq!(store.attempts(id(4)).await.unwrap().len(), 1);
    let explained = store.explanation::<serde_json::Value>(id(4), None).await.unwrap().unwrap();
    assert_eq!((explained.attempt.number, &explained.explanation["omitted"]), (1, &serde_json::json!(0)));
    assert_eq!(store.intervals(id(4), PageRequest::first(9)).await.unwrap().items.len(), 1);
    assert_eq!(store.tenant_of(id(4)).await.unwrap(), Some(TenantId::from_u128(2)));
}

async fn events_are_resumed(store: &SqlStore) {
    let of_job = store.events_of_job(id(3), PageRequest::first(10)).await.unwrap();
    assert_eq!(of_job.items.iter().map(|e| e.seq).collect::<Vec<_>>(), [300]);
    let missed = store.events_after(ONE, None, 900, 2).await.unwrap();
    assert_eq!(missed.iter().map(|e| e.seq).collect::<Vec<_>>(), [1_000, 1_100]);
    assert!(store.events_after(TWO, None, 0, 100).await.unwrap().is_empty());
    assert_eq!(store.events_after(ONE, Some(id(4)), 0, 100).await.unwrap().len(), 1);
    let newest = store.events(Scope::All, PageRequest::first(1)).await.unwrap();
    assert_eq!((newest.items[0].seq, newest.next.is_some()), (1_200, true));
}

async fn people_are_found(store: &SqlStore) {
    let page = || PageRequest::first(10);
    assert_eq!(store.tenants(Scope::All, page()).await.unwrap().items.len(), 2);
    assert_eq!(store.tenants(TWO, page()).await.unwrap().items[0].name.as_ref(), "tenant-2");
    assert_eq!(store.projects(ONE, page()).await.unwrap().items.len(), 1);
    assert_eq!(store.users(ONE, page()).await.unwrap().items.len(), 1);
    let user = store.user_by_name("user-1").await.unwrap().unwrap();
    assert_eq!(store.user(user.id).await.unwrap().unwrap(), user);
    assert_eq!(store.password("user-1").await.unwrap().unwrap(), (user.clone(), "$argon2id$".to_owned()));
    assert!(store.password("nobody").await.unwrap().is_none());
    let (token, owner) = store.token(&[1; 32]).await.unwrap().unwrap();
    assert_eq!((owner, token.revoked_at), (user.clone(), Some(NOW)));
    assert!(store.token(&[9; 32]).await.unwrap().is_none());
    assert_eq!(store.tokens_of(user.id, page()).await.unwrap().items, [token]);
    assert_eq!(store.project_by_name(user.tenant, "default").await.unwrap().unwrap().id, user.default_project);
    assert_eq!(store.tenant_by_name("tenant-1").await.unwrap().unwrap().id, user.tenant);
    assert_eq!(store.audit(ONE, page()).await.unwrap().items.len(), 1);
    assert_eq!(store.audit(Scope::All, page()).await.unwrap().items.len(), 2);
    assert_eq!(store.tenants_like(Scope::All, "ant-2", page()).await.unwrap().items.len(), 1);
    assert_eq!(store.users_like(Scope::All, "r-", None, page()).await.unwrap().items.len(), 2);
    assert_eq!(store.users_like(TWO, "ser_", None, page()).await.unwrap().items.len(), 0, "a wildcard is a letter");
    let of_role = store.users_like(Scope::All, "", Some(user.role), page()).await.unwrap().items;
    assert!(of_role.contains(&user) && of_role.iter().all(|one| one.role == user.role));
    let entry = store.audit(Scope::All, PageRequest::first(1)).await.unwrap().items.remove(0);
    let found = async |filter: AuditFilter| {
        let page = store.audit_found(Scope::All, &filter, PageRequest::first(1)).await.unwrap();
        page.items.into_iter().next()
    };
    let word =
        |text: &str| AuditFilter { words: vec![AuditWord { text: text.into(), user: None }], ..AuditFilter::default() };
    assert_eq!(found(word(&entry.target.to_lowercase())).await, Some(entry.clone()));
    assert_eq!(found(word("nowhere")).await, None);
    assert_eq!(
        found(AuditFilter { action: Some(entry.action.clone()), ..AuditFilter::default() }).await,
        Some(entry.clone())
    );
    assert_eq!(found(AuditFilter { action: Some("wal".into()), ..AuditFilter::default() }).await, None);
    assert_eq!(found(AuditFilter { from: Some(entry.at), ..AuditFilter::default() }).await, Some(entry.clone()));
    assert_eq!(
        found(AuditFilter { to: Some(entry.at), ..AuditFilter::default() }).await.filter(|e| e.at >= entry.at),
        None
    );
    let (suppliers, clusters) = (store.suppliers().await.unwrap(), store.clusters().await.unwrap());
    assert_eq!((suppliers.len(), clusters.len(), store.price_books().await.unwrap().len()), (1, 1, 2));
    assert!(store.pools().await.unwrap()[0].1.is_some());
}

fn transfers() -> Vec<Record> {
    let transfer = |n: u128, debit, credit| Transfer {
        id: base::TransferId::from_u128(n),
        debit: AccountId::from_u128(debit),
        credit: AccountId::from_u128(credit),
        amount: Money(n as i64),
        currency: Currency::CNY,
        at: Timestamp::from_micros(n as i64 / 2),
        reason: TransferReason::TopUp,
        memo: Memo::new("款").unwrap(),
        reference: None,
        hold: None,
    };
    let all = (1..=7).map(|n| if n % 3 == 0 { transfer(n, 1, 2) } else { transfer(n, 2, 1) });
    all.map(|transfer| Record::Ledger(LedgerRecord::Transfer(transfer))).collect()
}

async fn money_is_summed(store: &SqlStore) {
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let request = PageRequest::new(Some(3), cursor.as_deref()).unwrap();
        let page = store.transfers(AccountId::from_u128(1), request).await.unwrap();
        seen.extend(page.items.iter().map(|entry| (entry.transfer.amount.micros(), entry.debited)));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, [(7, false), (6, true), (5, false), (4, false), (3, true), (2, false), (1, false)]);
    let bill = store.bill(TWO, &BillFilter::default(), PageRequest::first(10)).await.unwrap();
    let [line] = &bill.items[..] else { panic!("{bill:?}") };
    assert_eq!((line.number, line.attempt, line.charge, line.billed), (4, 1, Money(5), Span::from_micros(60)));
    assert_eq!((line.granted.cpu.0, line.pool_name.as_deref()), (1_000, Some("local")));
    assert!(store.bill(ONE, &BillFilter::default(), PageRequest::first(10)).await.unwrap().items.is_empty());
    let later = BillFilter { from: Some(Timestamp::from_micros(60)), ..BillFilter::default() };
    assert!(store.bill(TWO, &later, PageRequest::first(10)).await.unwrap().items.is_empty(), "ended before");
    let until = BillFilter { to: Some(Timestamp::from_micros(60)), ..BillFilter::default() };
    let [charge, uncollected, drawn, credited] = [5, 0, -4, 4].map(Money);
    let sum = store::BillSum { currency: Currency::CNY, charge, uncollected, drawn, credited };
    assert_eq!(store.bill_total(Scope::All, &until).await.unwrap(), [sum]);
    for by in [MarginBy::Job, MarginBy::Tenant, MarginBy::Pool, MarginBy::Project] {
        let page = store.margin(by, None, None, PageRequest::first(10)).await.unwrap();
        let [row] = &page.items[..] else { panic!("{page:?}") };
        // Four of the five were paid by a grant.
        assert_eq!(
            (row.revenue, row.cost.total(), row.number),
            (Money(1), Money(6), (by == MarginBy::Job).then_some(4))
        );
    }
    let all = (Timestamp::ZERO, Timestamp::from_secs(86_400));
    let whole = Apart { day: true, project: true, pool: true, line: true, user: false };
    for apart in [Apart::default(), whole, Apart { user: true, ..whole }, Apart { user: true, ..Apart::default() }] {
        let rows = store.earned(apart, all.0, all.1).await.unwrap();
        let [row] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!((row.charge, row.cost.total(), row.line), (Money(5), Money(6), apart.line.then_some(2)));
        assert_eq!((row.credited, row.user.is_some()), (Money(4), apart.user));
    }
    assert_eq!(store.active_users(all.0, all.1).await.unwrap(), [(TenantId::from_u128(1), 1)]);
    assert!(store.active_users(all.1, Timestamp::from_secs(172_800)).await.unwrap().is_empty());
    assert!(store.earned(Apart::default(), all.1, Timestamp::from_secs(172_800)).await.unwrap().is_empty());
    // Usage of no user and no pool, two days later.
    let third = (Timestamp::from_secs(172_800), Timestamp::from_secs(259_200));
    let [row] = &store.earned(whole, third.0, third.1).await.unwrap()[..] else { panic!() };
    assert_eq!(
        (row.charge, row.uncollected, row.credited, row.pool),
        (Money(5), Money(1), Money(2), PoolId::from_u128(0))
    );
    assert!(store.active_users(third.0, third.1).await.unwrap().is_empty());
    let time = store.pool_time(false, all.0, all.1).await.unwrap();
    let [row] = &time[..] else { panic!("{time:?}") };
    assert_eq!((row.owed.total(), row.unused.map(Money::micros)), (Money(11), [0, 0, 5, 0, 0]));
    let code = format!("tenant/{}/wallet", TenantId::from_u128(1));
    assert_eq!(store.account(&code).await.unwrap().unwrap().balance(), Money(999));
    assert_eq!(store.accounts().await.unwrap().len(), 2);
}

/// A link that was replaced, two reports on its cluster and one on another.
fn links() -> Vec<Record> {
    let link = |config: &str| {
        let (cluster, kind) = (ClusterId::from_u128(1), LinkKind::Slurm);
        Record::ClusterLink(ClusterLink { cluster, kind, config: config.into() })
    };
    let report = |n: u128, cluster: u128, kind, passed| {
        let (id, cluster) = (ReportId::from_u128(n), ClusterId::from_u128(cluster));
        Record::ClusterReport(ClusterReport { id, cluster, at: NOW, kind, passed, report: "{}".into() })
    };
    vec![
        link("{\"way\": 1}"),
        link("{\"way\": 2}"),
        report(1, 1, ReportKind::Check, true),
        report(2, 1, ReportKind::Trial, false),
        report(3, 2, ReportKind::Trial, true),
    ]
}

async fn links_and_reports_are_found(store: &SqlStore) {
    let cluster = ClusterId::from_u128(1);
    let link = store.cluster_link(cluster).await.unwrap().unwrap();
    assert_eq!((link.kind, &*link.config), (LinkKind::Slurm, "{\"way\": 2}"));
    assert_eq!(store.cluster_links().await.unwrap(), [link]);
    assert!(store.cluster_link(ClusterId::from_u128(9)).await.unwrap().is_none());
    let first = store.cluster_reports(cluster, PageRequest::first(1)).await.unwrap();
    assert_eq!(first.items.iter().map(|r| r.kind).collect::<Vec<_>>(), [ReportKind::Trial]);
    let next = PageRequest::new(Some(1), first.next.as_deref()).unwrap();
    let second = store.cluster_reports(cluster, next).await.unwrap();
    assert_eq!(second.items.iter().map(|r| (r.kind, r.passed)).collect::<Vec<_>>(), [(ReportKind::Check, true)]);
    assert_eq!(store.platform_id(77).await.unwrap(), 77);
    assert_eq!(store.platform_id(78).await.unwrap(), 77, "it is drawn once");
}

/// Where days begin is set once; another server on the same database has them too.
async fn days_are_cut_once(store: &SqlStore, location: &Location) {
    let [east, west] = ["+08:00", "-05:00"].map(|text| text.parse().unwrap());
    assert_eq!(store.days().offset(), UtcOffset::UTC);
    assert_eq!(store.cut_days(east).await.unwrap().offset(), east);
    assert_eq!((store.cut_days(west).await.unwrap().offset(), store.days().offset()), (east, east));
    if let Location::Postgres(_) = location {
        let other = SqlStore::open(location).await.unwrap();
        assert_eq!(other.cut_days(west).await.unwrap().offset(), east);
        other.close().await;
    }
}

async fn check(location: Location) {
    let store = SqlStore::open(&location).await.unwrap();
    let fence = store.acquire("queries", NOW, NOW + Span::from_secs(9)).await.unwrap().unwrap().fence;
    let mut records = [people(1), people(2), supply(), links(), jobs(), transfers()].concat();
    records.extend(running(4));
    store.commit(fence, &Batch { records, effects: vec![] }).await.unwrap();
    jobs_are_filtered(&store).await;
    jobs_are_sorted(&store).await;
    jobs_come_in_pages(&store).await;
    one_job_is_found(&store).await;
    events_are_resumed(&store).await;
    people_are_found(&store).await;
    money_is_summed(&store).await;
    links_and_reports_are_found(&store).await;
    days_are_cut_once(&store, &location).await;
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.jobs, counts.jobs_open, counts.events, counts.users), (12, 9, 1_200, 2));
    assert!(counts.bytes > 0);
    store.ping().await.unwrap();
}

#[tokio::test]
async fn queries_answer_embedded() {
    let folder = tempfile::tempdir().unwrap();
    check(Location::Folder(folder.path().to_owned())).await;
}

#[tokio::test]
async fn queries_answer_on_postgres() {
    check(Location::Postgres(Postgres::shared().database().unwrap())).await;
}
