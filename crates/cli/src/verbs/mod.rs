//! The product's own verbs, one file per group; this one only names them and hands on.

pub mod account;
pub mod again;
pub mod budgets;
pub mod cluster;
pub mod contracts;
pub mod costs;
pub mod files;
pub mod grants;
pub mod house;
pub mod jobs;
pub mod logs;
pub mod members;
pub mod money;
pub mod notices;
pub mod overview;
pub mod people;
pub mod place;
pub mod policy;
pub mod prices;
pub mod rates;
pub mod report;
pub mod settle;
pub mod show;
pub mod sites;
pub mod statements;
pub mod submit;
pub mod suppliers;
pub mod supply;
pub mod usage;
pub mod wait;

use clap::Subcommand;

use crate::desk::Desk;
use crate::fault::Fault;
use crate::slurm::Face;
use crate::view::View;

/// Items that a list shows when nobody says how many.
pub const LIST_USUAL: usize = 100;

/// How much of a list is shown.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Most {
    /// Show at most this many
    #[arg(long, value_name = "N", default_value_t = LIST_USUAL)]
    pub limit: usize,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Start the platform on this machine
    Up(house::Up),
    /// Show the configuration `up` would use, with where each value comes from
    Config(house::Up),
    /// Repairs on a platform whose servers are stopped
    Admin(house::Admin),
    /// Sign in and keep a token
    Login(account::Login),
    /// Forget the kept token and revoke it
    Logout,
    /// Who am I here?
    Whoami,
    /// Hand in a job script
    Submit(Box<submit::Submit>),
    /// Where would a job run, when, and for how much?
    Quote(Box<submit::Quote>),
    /// List jobs
    Jobs(jobs::Jobs),
    /// Everything about a job, with its timeline
    Show(show::Show),
    /// Why is a job where it is? The candidate table of its placement
    Explain(show::Explain),
    /// Output of a job
    Logs(logs::Logs),
    /// End jobs
    Cancel(jobs::Cancel),
    /// Keep pending jobs from starting
    Hold(jobs::Names),
    /// Let held jobs start
    Release(jobs::Names),
    /// End running jobs and queue them again
    Requeue(jobs::Names),
    /// Hand jobs in again as they were handed in, or with other options
    Resubmit(Box<again::Resubmit>),
    /// Change a job's class or time limit
    Update(jobs::Update),
    /// Bring files into the tenant's file space or a job's work folder
    Put(files::Put),
    /// Fetch files from the file space, or from a job's work folder
    Get(files::Get),
    /// List files of the file space, or of a job's work folder
    Ls(files::Ls),
    /// Print a file of the file space, or of a job's work folder
    Cat(files::Cat),
    /// Remove files from the file space
    Rm(files::Rm),
    /// Pools: what there is and what is free
    Pools(supply::Pools),
    /// Nodes: list, drain, resume
    Nodes(supply::Nodes),
    /// Clusters and whether they answer
    Clusters,
    /// Sites whose agents dial in: list, enroll, revoke
    Sites(sites::Sites),
    /// Run the agent of a site: dials out to the platform, stays in the foreground
    Site(crate::site::Site),
    /// Connect a cluster: look at it, try it, put it into service
    Cluster(cluster::Clusters),
    /// Tenants: list, create, change
    Tenants(people::Tenants),
    /// Projects of a tenant: list, create, members
    Projects(people::Projects),
    /// Users: list, create, disable, set a password
    Users(people::Users),
    /// API tokens: list, create, revoke
    Tokens(account::Tokens),
    /// Notices by mail and to addresses of yours: show, mail, confirm, about, off, hook, unhook, test
    Notices(notices::NoticesArgs),
    /// A tenant's wallet: balance, top-ups, movements
    Wallet(money::Wallet),
    /// Budgets of a tenant, its projects and users: list, set, remove
    Budgets(budgets::Budgets),
    /// Suppliers: what is owed, the terms agreed on, minimum purchases: show, set
    Suppliers(suppliers::Suppliers),
    /// What pools cost: own nodes, or a partner's fee: show, set
    Costs(costs::Costs),
    /// Tenants' contracts: list, show, sign, end
    Contracts(contracts::Contracts),
    /// Money granted to tenants for free: list, give, revoke
    Grants(grants::Grants),
    /// Selling prices: show, publish, try
    Prices(prices::Prices),
    /// Storage, traffic, requests and tokens: list, sums, report
    Usage(usage::Usages),
    /// Rates between currencies, from a day on: list, set
    Rates(rates::Rates),
    /// The policy of placement and replacement: show, check, set
    Policy(policy::Policies),
    /// What jobs cost
    Bill(money::Bill),
    /// Tenants' statements: close months, show, write out
    Statements(statements::Statements),
    /// Amend what was billed: add to it, or give back
    Correct(statements::Correct),
    /// The books as CSV: intervals, transfers, prices, statements, corrections, accounts
    Export(statements::Export),
    /// What is earned, by job, tenant, pool or project
    Margin(money::Margin),
    /// The operator's reports: margin, pools, sizing
    Report(report::Reports),
    /// Settle with suppliers: import a statement, show what differs, agree, accept, pay
    Settle(settle::Settle),
    /// What happened, as it happens with -f
    Events(logs::Events),
    /// Who changed what
    Audit(logs::Audit),
    /// History played again under other rules, on this machine and without a server
    Twin(crate::twin::Twin),
    /// Completions for a shell
    Completions(house::Completions),
    /// The version of this program, and of the API that answers
    Version,
    /// Help about a command, or `exit-codes`
    Help(house::Help),
    /// Slurm's sbatch
    #[command(disable_help_flag = true)]
    Sbatch(Raw),
    /// Slurm's squeue
    #[command(disable_help_flag = true)]
    Squeue(Raw),
    /// Slurm's scancel
    #[command(disable_help_flag = true)]
    Scancel(Raw),
    /// Slurm's sacct
    #[command(disable_help_flag = true)]
    Sacct(Raw),
    /// Slurm's sinfo
    #[command(disable_help_flag = true)]
    Sinfo(Raw),
}

/// Words for one of Slurm's commands, read by its own rules.
#[derive(Debug, clap::Args)]
pub struct Raw {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    pub words: Vec<String>,
}

impl Verb {
    /// One of Slurm's commands and its words, if it is one.
    pub fn face(&self) -> Option<(Face, &[String])> {
        match self {
            Self::Sbatch(raw) => Some((Face::Sbatch, &raw.words)),
            Self::Squeue(raw) => Some((Face::Squeue, &raw.words)),
            Self::Scancel(raw) => Some((Face::Scancel, &raw.words)),
            Self::Sacct(raw) => Some((Face::Sacct, &raw.words)),
            Self::Sinfo(raw) => Some((Face::Sinfo, &raw.words)),
            _ => None,
        }
    }
}

/// Carries out one verb. Verbs that start a server or speak as Slurm are not for here; `main` has taken them out.
pub async fn run(desk: &Desk, verb: Verb) -> Result<View, Fault> {
    match verb {
        Verb::Login(args) => account::login(desk, args).await,
        Verb::Logout => account::logout(desk).await,
        Verb::Whoami => account::who_am_i(desk).await,
        Verb::Submit(args) => submit::submit(desk, *args).await,
        Verb::Quote(args) => submit::quote(desk, *args).await,
        Verb::Jobs(args) => jobs::list(desk, args).await,
        Verb::Show(args) => show::show(desk, args).await,
        Verb::Explain(args) => show::explain(desk, args).await,
        Verb::Logs(args) => logs::logs(desk, args).await,
        Verb::Cancel(args) => jobs::cancel(desk, args).await,
        Verb::Hold(args) => jobs::change(desk, args, jobs::Change::Hold).await,
        Verb::Release(args) => jobs::change(desk, args, jobs::Change::Release).await,
        Verb::Requeue(args) => jobs::change(desk, args, jobs::Change::Requeue).await,
        Verb::Resubmit(args) => again::resubmit(desk, *args).await,
        Verb::Update(args) => jobs::update(desk, args).await,
        Verb::Put(args) => files::put(desk, args).await,
        Verb::Get(args) => files::get(desk, args).await,
        Verb::Ls(args) => files::ls(desk, args).await,
        Verb::Cat(args) => files::cat(desk, args).await,
        Verb::Rm(args) => files::rm(desk, args).await,
        Verb::Pools(args) => supply::pools(desk, args).await,
        Verb::Nodes(args) => supply::nodes(desk, args).await,
        Verb::Clusters => supply::clusters(desk).await,
        Verb::Sites(args) => sites::sites(desk, args).await,
        Verb::Cluster(args) => cluster::clusters(desk, args).await,
        Verb::Tenants(args) => people::tenants(desk, args).await,
        Verb::Projects(args) => people::projects(desk, args).await,
        Verb::Users(args) => people::users(desk, args).await,
        Verb::Tokens(args) => account::tokens(desk, args).await,
        Verb::Notices(args) => notices::notices(desk, args).await,
        Verb::Wallet(args) => money::wallet(desk, args).await,
        Verb::Budgets(args) => budgets::budgets(desk, args).await,
        Verb::Suppliers(args) => suppliers::suppliers(desk, args).await,
        Verb::Costs(args) => costs::costs(desk, args).await,
        Verb::Contracts(args) => contracts::contracts(desk, args).await,
        Verb::Grants(args) => grants::grants(desk, args).await,
        Verb::Prices(args) => prices::prices(desk, args).await,
        Verb::Usage(args) => usage::usage(desk, args).await,
        Verb::Rates(args) => rates::rates(desk, args).await,
        Verb::Policy(args) => policy::policies(desk, args).await,
        Verb::Bill(args) => money::bill(desk, args).await,
        Verb::Statements(args) => statements::statements(desk, args).await,
        Verb::Correct(args) => statements::correct(desk, args).await,
        Verb::Export(args) => statements::export(desk, args).await,
        Verb::Report(args) => report::reports(desk, args).await,
        Verb::Margin(args) => money::margin(desk, args).await,
        Verb::Settle(args) => settle::settle(desk, args).await,
        Verb::Events(args) => logs::events(desk, args).await,
        Verb::Audit(args) => logs::audit(desk, args).await,
        Verb::Twin(args) => crate::twin::run(desk, args).await,
        Verb::Completions(args) => house::completions(args),
        Verb::Version => house::version(desk).await,
        Verb::Help(args) => house::help(desk, &args),
        Verb::Up(_) | Verb::Config(_) | Verb::Admin(_) | Verb::Site(_) => {
            unreachable!("main does what needs no server")
        }
        Verb::Sbatch(_) | Verb::Squeue(_) | Verb::Scancel(_) | Verb::Sacct(_) | Verb::Sinfo(_) => {
            unreachable!("main hands Slurm's commands to their own reader")
        }
    }
}
