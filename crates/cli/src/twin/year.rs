//! `hw twin year`: a year of a made-up operator, whose books are reckoned again by whoever wants to: `--books` writes them as the
//! exports of a platform have them. Decides nothing; the seed does.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use server::sheets::{self, UsageFacts};
use sim::replay::Progress;
use sim::year::{Options, Told, Year, play};
use sim::{Settled, World};
use wire::{Export, MoneyText};

use super::progress::{INTERRUPTED, Watcher, peak_rss_bytes, seconds_since, watched};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::text::Word;
use crate::view::{Cell, Part, Table, View};

#[derive(Debug, Args)]
pub struct YearArgs {
    /// Jobs that are handed in over all days
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    jobs: u32,
    /// Days on which work is handed in; all of it and all contracts then come to their ends
    #[arg(long, value_name = "D", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3_660))]
    days: u32,
    /// What everything is drawn from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Write the raw books into this folder, one CSV for each of the exports of `hw export`
    #[arg(long, value_name = "DIR")]
    books: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    seed: u64,
    days: u32,
    /// Handed in, and taken.
    jobs: u32,
    /// Over and settled.
    over: u64,
    refused: u32,
    /// By the code of the refusal.
    refused_by: BTreeMap<&'static str, u32>,
    restarts: u32,
    intervals: u64,
    transfers: u64,
    statements: usize,
    contracts: usize,
    money: Vec<Earned>,
    /// False when it was broken off: nothing is at its end then, and the books are not whole.
    complete: bool,
    /// What must not be; empty when all is well.
    wrong: Vec<String>,
    elapsed_s: f64,
    peak_rss_bytes: u64,
}

#[derive(Serialize)]
struct Earned {
    currency: String,
    revenue: MoneyText,
    cost: MoneyText,
    margin: MoneyText,
}

#[derive(Default)]
struct Counts {
    over: u64,
    intervals: u64,
    transfers: u64,
}

pub async fn run(desk: &Desk, args: YearArgs) -> Result<View, Fault> {
    let begun = Instant::now();
    let options = Options::new(args.seed, args.jobs, args.days);
    let books = args.books.map(Books::create).transpose()?;
    let done = watched(desk, move |watcher| played(options, books, &watcher));
    let (year, counts) = done.await??;
    let report = Report {
        seed: args.seed,
        days: args.days,
        jobs: year.handed_in,
        over: counts.over,
        refused: year.refused.values().sum(),
        refused_by: year.refused.clone(),
        restarts: year.restarts,
        intervals: counts.intervals,
        transfers: counts.transfers,
        statements: year.world.tables().statements.len(),
        contracts: year.world.tables().contracts.len(),
        money: year.earned().into_iter().map(earned).collect(),
        complete: !year.broken_off,
        wrong: year.wrong,
        elapsed_s: seconds_since(begun),
        peak_rss_bytes: peak_rss_bytes(),
    };
    Ok(view(desk, &report))
}

fn earned(of: sim::year::Earned) -> Earned {
    let (revenue, cost) = (of.revenue.into(), of.cost.into());
    Earned { currency: of.currency.to_string(), revenue, cost, margin: of.margin().into() }
}

/// Plays it, and writes the books while it goes on.
fn played(options: Options, mut books: Option<Books>, watcher: &Watcher) -> Result<(Year, Counts), Fault> {
    let (mut counts, mut fault) = (Counts::default(), None);
    let year = play(options, &mut |world, told| {
        let written = match told {
            Told::Job(job) => {
                counts.over += 1;
                counts.intervals += job.intervals.len() as u64;
                books.as_mut().map(|books| books.job(world, job))
            }
            Told::Transfer(transfer) => {
                counts.transfers += 1;
                let accounts = &world.tables().accounts;
                let code = |id| accounts.get(&id).map_or("-", |account| account.code.as_str());
                let row = || sheets::transfer(transfer, code(transfer.debit), code(transfer.credit));
                books.as_mut().map(|books| books.transfers.put(&row()))
            }
            Told::Tried(tried) => return watcher.look(Progress { ended: tried as usize, jobs: options.jobs as usize }),
            Told::Batch(_) => None,
        };
        match written {
            Some(Err(error)) => {
                fault = Some(error);
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        }
    });
    match (fault, books) {
        (Some(fault), _) => return Err(fault),
        (None, Some(books)) => books.finish(&year.world)?,
        (None, None) => {}
    }
    Ok((year, counts))
}

/// One export on its way into a file.
struct Sheet {
    path: PathBuf,
    out: BufWriter<File>,
}

impl Sheet {
    fn create(folder: &Path, what: Export) -> Result<Sheet, Fault> {
        let path = folder.join(format!("{what}.csv"));
        let out = BufWriter::new(File::create(&path).map_err(Fault::file(&path))?);
        let mut sheet = Sheet { path, out };
        sheet.put(&sheets::head(what))?;
        Ok(sheet)
    }

    fn put(&mut self, row: &str) -> Result<(), Fault> {
        self.out.write_all(row.as_bytes()).map_err(|source| Fault::File { path: self.path.clone(), source })
    }

    fn finish(mut self) -> Result<(), Fault> {
        self.out.flush().map_err(Fault::file(&self.path))
    }
}

/// The raw books in a folder: what is too much to be kept is written as it comes, the rest at the end.
struct Books {
    folder: PathBuf,
    intervals: Sheet,
    transfers: Sheet,
}

impl Books {
    fn create(folder: PathBuf) -> Result<Books, Fault> {
        std::fs::create_dir_all(&folder).map_err(Fault::file(&folder))?;
        let intervals = Sheet::create(&folder, Export::Intervals)?;
        let transfers = Sheet::create(&folder, Export::Transfers)?;
        Ok(Books { folder, intervals, transfers })
    }

    fn job(&mut self, world: &World, of: &Settled) -> Result<(), Fault> {
        let (tables, job) = (world.tables(), &of.row.job);
        let Some(tenant) = tables.tenants.get(&job.tenant) else { return Ok(()) };
        for interval in &of.intervals {
            let attempt = of.attempts.iter().find(|attempt| attempt.id == interval.attempt);
            let pool = attempt.and_then(|attempt| tables.pools.get(&attempt.pool));
            let row = sheets::interval(&sheets::Metered {
                interval,
                number: job.number,
                nodes: attempt.map_or(0, |attempt| attempt.nodes.len() as u64),
                currency: tenant.currency,
                tenant: tenant.id,
                tenant_name: &tenant.name,
                project: tables.projects.get(&job.project).map_or("-", |project| &project.name),
                user: tables.users.get(&job.user).map_or("-", |user| &user.name),
                pool_name: pool.map_or("-", |pool| &pool.name),
                pool,
                spec: tables.specs.get(&job.spec).map(|spec| &**spec),
            });
            self.intervals.put(&row)?;
        }
        Ok(())
    }

    fn finish(self, world: &World) -> Result<(), Fault> {
        let tables = world.tables();
        self.intervals.finish()?;
        self.transfers.finish()?;
        let folder = &self.folder;
        let whole = |what, rows: &mut dyn Iterator<Item = String>| -> Result<(), Fault> {
            let mut sheet = Sheet::create(folder, what)?;
            for row in rows {
                sheet.put(&row)?;
            }
            sheet.finish()
        };
        whole(Export::Prices, &mut tables.books.values().map(sheets::price_book))?;
        whole(Export::Accounts, &mut tables.accounts.values().map(sheets::account))?;
        whole(Export::Corrections, &mut tables.corrections.iter().map(sheets::correction))?;
        let invoice = |number| tables.invoices.get(&number);
        let statements = tables.statements.values().rev().map(|one| sheets::statement(one, invoice(one.number)));
        whole(Export::Statements, &mut { statements })?;
        whole(Export::Contracts, &mut tables.contracts.values().map(sheets::contract))?;
        let months = tables.months.values().filter_map(|period| {
            let contract = tables.contracts.get(&period.key.contract)?;
            Some(sheets::contract_month(contract, period))
        });
        whole(Export::ContractMonths, &mut { months })?;
        let usage = tables.usage.iter().filter_map(|usage| {
            let tenant = tables.tenants.get(&usage.of.tenant)?;
            let project = tables.projects.get(&usage.of.project).map_or("-".into(), |project| project.name.clone());
            let user = usage.of.user.and_then(|id| tables.users.get(&id)).map_or("-".into(), |user| user.name.clone());
            let pool = usage.of.pool.and_then(|id| tables.pools.get(&id));
            let name = pool.map_or("-".into(), |pool| pool.name.clone());
            let facts = UsageFacts { usage: usage.clone(), project, user, pool: name };
            let chip = pool.and_then(|pool| pool.chip.as_ref());
            Some(sheets::usage(&facts, &tenant.name, tenant.currency, chip))
        });
        whole(Export::Usage, &mut { usage })?;
        let mut grants = tables.grants.values().map(|grant| {
            let project = grant.project.and_then(|id| tables.projects.get(&id)).map(|project| &*project.name);
            let user = grant.user.and_then(|id| tables.users.get(&id)).map(|user| &*user.name);
            sheets::grant(grant, project, user)
        });
        whole(Export::Grants, &mut grants)
    }
}

fn view(desk: &Desk, report: &Report) -> View {
    let mut facts = vec![
        (Word::Jobs, Cell::number(report.jobs)),
        (Word::JobsOver, Cell::number(report.over)),
        (Word::JobsRefused, Cell::number(report.refused)),
        (Word::Restarts, Cell::number(report.restarts)),
        (Word::Intervals, Cell::number(report.intervals)),
        (Word::Transfers, Cell::number(report.transfers)),
        (Word::StatementsMade, Cell::number(report.statements)),
        (Word::ContractsMade, Cell::number(report.contracts)),
    ];
    for one in &report.money {
        facts.push((Word::Revenue, Cell::price(one.revenue, &one.currency)));
        facts.push((Word::Cost, Cell::price(one.cost, &one.currency)));
        facts.push((Word::Margin, Cell::price(one.margin, &one.currency)));
    }
    facts.push((Word::TookTime, Cell::Seconds(report.elapsed_s)));
    facts.push((Word::MemoryPeak, Cell::Bytes(report.peak_rss_bytes)));
    let mut parts = vec![Part::Facts(facts)];
    if !report.wrong.is_empty() {
        let rows = report.wrong.iter().map(|finding| vec![Cell::text(finding)]);
        parts.push(Part::Table(Table::new("finding", &[Word::Finding]).with(rows)));
    }
    let mut view = View::of(report, parts);
    if !report.wrong.is_empty() {
        view.exit = Exit::Failure;
    }
    if !report.complete {
        view = view.and(Word::YearBrokenOff.text(desk.lang()));
        view.exit = Exit::Job(INTERRUPTED);
    }
    view
}
