//! The configuration with every value read and judged: no options left but real ones.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use base::{Bytes, Currency, Money, Resources, Span};
use engine::Policy;
use model::{Chip, Interconnect};
use rating::{NodeCost, OwnCost, PoolCost};
use serde::Deserialize;

use super::{ConfigError, Setting, Written};
use crate::notices::{MailSettings, MailTls, NoticeSettings};
use crate::oidc::OidcSettings;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// In the data folder.
    Embedded,
    Postgres(String),
}

/// A `[[local.pool]]` of the file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalPoolConfig {
    pub name: String,
    pub cores: u64,
    /// `16G`, `512M`.
    pub memory: String,
    #[serde(default)]
    pub gpus: u32,
    #[serde(default)]
    pub chip: Option<String>,
    #[serde(default = "one")]
    pub nodes: u32,
    /// Longest time limit, `2h`.
    #[serde(default)]
    pub time_limit_max: Option<String>,
    /// What joins its nodes, `infiniband-ndr:400G`.
    #[serde(default)]
    pub interconnect: Option<Interconnect>,
}

const fn one() -> u32 {
    1
}

/// A checked pool of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalPool {
    pub name: String,
    pub shape: Resources,
    pub chip: Option<Chip>,
    pub nodes: u32,
    pub time_limit_max: Option<Span>,
    pub interconnect: Option<Interconnect>,
}

/// This machine as a cluster.
#[derive(Clone, Debug)]
pub struct Local {
    pub name: String,
    /// `None`: the data folder, or a folder the jobs' user can pass when that one is closed.
    pub dir: Option<PathBuf>,
    pub work_root: Option<PathBuf>,
    /// `None`: `nobody` when the server is root.
    pub run_as: Option<String>,
    pub cgroups: bool,
    /// Empty: what the machine has, as one pool named `main`.
    pub pools: Vec<LocalPool>,
}

/// Where agents of sites come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteDoor {
    pub listen: SocketAddr,
    /// `host:port`; `None`: the address itself, under the host's name where it is every address.
    pub advertise: Option<String>,
}

/// The first price book.
#[derive(Clone, Debug)]
pub struct Prices {
    pub name: String,
    pub currency: Currency,
    pub core_hour: Money,
    pub gib_hour: Money,
    pub card_hour: BTreeMap<Chip, Money>,
}

#[derive(Clone, Debug)]
pub struct Checked {
    pub data: PathBuf,
    pub listen: SocketAddr,
    pub advertise: String,
    pub database: Database,
    pub log: String,
    pub log_json: bool,
    pub secure_cookies: bool,
    pub local: Option<Local>,
    pub site: Option<SiteDoor>,
    pub job_defaults: jobscript::Defaults,
    pub policy: Policy,
    pub prices: Prices,
    pub cost: PoolCost,
    pub credit_limit: Money,
    /// How long work folders outlive their jobs; `None`: for ever.
    pub work_kept: Option<Span>,
    /// Bytes that the files of one tenant may have.
    pub files_quota: Bytes,
    /// Where people may sign in beside passwords.
    pub oidc: Option<OidcSettings>,
    pub notices: NoticeSettings,
}

struct Reader<'a>(&'a Written);

impl Reader<'_> {
    fn raw(&self, key: &'static str) -> &Setting {
        // Every key of the table is in the map by construction.
        &self.0.settings[key]
    }
    fn text(&self, key: &'static str) -> String {
        self.raw(key).value.clone()
    }
    fn some(&self, key: &'static str) -> Option<String> {
        Some(self.text(key)).filter(|t| !t.is_empty())
    }
    fn fault(&self, key: &'static str, problem: String) -> ConfigError {
        let Setting { value, origin } = self.raw(key).clone();
        ConfigError::Value { key, value, origin, problem }
    }
    fn read<T: FromStr<Err: std::fmt::Display>>(&self, key: &'static str) -> Result<T, ConfigError> {
        self.raw(key).value.parse().map_err(|e: T::Err| self.fault(key, e.to_string()))
    }
    fn span(&self, key: &'static str) -> Result<Span, ConfigError> {
        let span: Span = self.read(key)?;
        if span > Span::ZERO { Ok(span) } else { Err(self.fault(key, "must be longer than zero".into())) }
    }
    fn amount(&self, key: &'static str) -> Result<Money, ConfigError> {
        let money: Money = self.read(key)?;
        if money.is_negative() { Err(self.fault(key, "must not be negative".into())) } else { Ok(money) }
    }
}

impl Checked {
    /// # Errors
    /// The first value that cannot be read, with its key and origin.
    pub fn from_written(written: &Written) -> Result<Checked, ConfigError> {
        let r = Reader(written);
        let listen: SocketAddr = r.read("listen")?;
        let advertise = r.some("advertise").unwrap_or_else(|| format!("http://{listen}"));
        let database = match r.some("database") {
            None => Database::Embedded,
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => Database::Postgres(url),
            Some(_) => return Err(r.fault("database", "write postgres://user@host/name, or leave it empty".into())),
        };
        let log_json = match r.text("log_format").as_str() {
            "text" => false,
            "json" => true,
            _ => return Err(r.fault("log_format", "write text or json".into())),
        };
        let prices = prices(&r)?;
        Ok(Checked {
            data: PathBuf::from(r.text("data")),
            listen,
            advertise,
            database,
            log: r.text("log"),
            log_json,
            secure_cookies: r.read("secure_cookies")?,
            local: if r.read("local.enabled")? { Some(local(&r)?) } else { None },
            site: match r.some("site.listen") {
                Some(_) => Some(SiteDoor { listen: r.read("site.listen")?, advertise: r.some("site.advertise") }),
                None => None,
            },
            job_defaults: jobscript::Defaults {
                time_limit: r.span("jobs.default_time")?,
                mem_per_cpu: r.read("jobs.default_memory_per_cpu")?,
                requeue: r.read("jobs.requeue")?,
                checkpoint_interval_min: r.span("jobs.checkpoint_interval_min")?,
            },
            policy: policy(&r, prices.currency)?,
            cost: PoolCost::Own(OwnCost {
                node: NodeCost {
                    purchase_price: r.amount("cost.purchase_price")?,
                    residual: r.amount("cost.residual")?,
                    life_months: r.read("cost.life_months")?,
                    datacentre_fee_month: r.amount("cost.datacentre_fee_month")?,
                },
                stages: Vec::new(),
            }),
            prices,
            credit_limit: r.amount("credit_limit")?,
            work_kept: work_kept(&r)?,
            files_quota: r.read("files.quota")?,
            oidc: oidc(&r)?,
            notices: notices(&r)?,
        })
    }
}

fn address(r: &Reader<'_>, key: &'static str, text: &str) -> Result<reqwest::Url, ConfigError> {
    let url: reqwest::Url = text.parse().map_err(|_| r.fault(key, "must be an address: https://…".into()))?;
    match url.scheme() {
        "https" | "http" if url.has_host() => Ok(url),
        _ => Err(r.fault(key, "must begin with https:// (or http://, for trying it out)".into())),
    }
}

/// Where browsers reach this platform, with a `/` at its end.
fn public(r: &Reader<'_>) -> Result<reqwest::Url, ConfigError> {
    let public = r.some("public_url").unwrap_or_else(|| format!("http://{}", r.text("listen")));
    address(r, "public_url", &format!("{}/", public.trim_end_matches('/')))
}

fn notices(r: &Reader<'_>) -> Result<NoticeSettings, ConfigError> {
    let mail = match r.some("mail.host") {
        Some(host) => Some(mail(r, host)?),
        None => None,
    };
    Ok(NoticeSettings { public: public(r)?, mail, private_addresses: r.read("notices.private_addresses")? })
}

fn mail(r: &Reader<'_>, host: String) -> Result<MailSettings, ConfigError> {
    let (tls, usual) = match r.text("mail.tls").as_str() {
        "none" => (MailTls::None, 25),
        "starttls" => (MailTls::StartTls, 587),
        "tls" => (MailTls::Tls, 465),
        _ => return Err(r.fault("mail.tls", "write none, starttls or tls".into())),
    };
    let user = r.text("mail.user");
    if !user.is_empty() && r.some("mail.password_file").is_none() {
        return Err(r.fault("mail.password_file", "name the file with the password of mail.user".into()));
    }
    if !user.is_empty() && tls == MailTls::None && !matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1") {
        return Err(r.fault("mail.tls", "a password is not sent in the open: write starttls or tls".into()));
    }
    let from = r.text("mail.from").parse();
    Ok(MailSettings {
        host,
        port: if r.some("mail.port").is_some() { r.read("mail.port")? } else { usual },
        tls,
        ca: r.some("mail.ca").map(PathBuf::from),
        user,
        password_file: r.some("mail.password_file").map(PathBuf::from),
        from: from.map_err(|_| r.fault("mail.from", "write an address, e.g. Headworks <hw@example.com>".into()))?,
    })
}

fn oidc(r: &Reader<'_>) -> Result<Option<OidcSettings>, ConfigError> {
    let Some(issuer) = r.some("oidc.issuer") else { return Ok(None) };
    let issuer = address(r, "oidc.issuer", &issuer)?;
    let public = match r.some("oidc.public_url") {
        Some(url) => address(r, "oidc.public_url", &format!("{}/", url.trim_end_matches('/')))?,
        None => public(r)?,
    };
    Ok(Some(OidcSettings {
        label: r.some("oidc.label").or_else(|| issuer.host_str().map(str::to_owned)).unwrap_or_default(),
        client_id: r.text("oidc.client_id"),
        secret_file: r.some("oidc.secret_file").map(PathBuf::from),
        claim: r.text("oidc.claim"),
        public,
        tenant: r.some("oidc.tenant"),
        issuer,
    }))
}

fn work_kept(r: &Reader<'_>) -> Result<Option<Span>, ConfigError> {
    let kept: Span = r.read("files.work_kept")?;
    Ok((kept > Span::ZERO).then_some(kept))
}

fn policy(r: &Reader<'_>, currency: Currency) -> Result<Policy, ConfigError> {
    let mut policy = Policy {
        meter_interval: r.span("metering.interval")?,
        meter_lag: r.span("metering.lag")?,
        hold_span: r.span("metering.hold")?,
        balance_grace: r.span("metering.grace")?,
        bill_failed_machine: r.read("metering.bill_failed_machine")?,
        kill_grace: r.span("jobs.kill_grace")?,
        open_jobs_max: r.read("jobs.open_max")?,
        array_elements_max: r.read("jobs.array_max")?,
        cancel_unfulfillable: r.read("jobs.cancel_unfulfillable")?,
        cost_currency: currency,
        statement_offset: r.read("statements.utc_offset")?,
        ..Policy::default()
    };
    let steering = &mut policy.steering;
    steering.reserve_permille = r.read("policy.reserve_permille")?;
    steering.waiting.patience = r.span("policy.queued_patience")?;
    steering.waiting.avoid_for = r.span("policy.avoid_for")?;
    steering.placement.age_bound = r.span("policy.age_bound")?;
    steering.placement.fair_share_half_life = r.span("policy.fair_share_half_life")?;
    steering.placement.backfill_depth = r.read("policy.backfill_depth")?;
    steering.placement.foreign_hold = r.span("policy.foreign_hold")?;
    Ok(policy)
}

fn prices(r: &Reader<'_>) -> Result<Prices, ConfigError> {
    let mut card_hour = BTreeMap::new();
    for (chip, price) in &r.0.card_hour {
        let name: Chip = chip.parse().map_err(|e: model::ParseChipError| r.fault("prices.name", e.to_string()))?;
        let price = price
            .parse()
            .map_err(|e: base::ParseMoneyError| r.fault("prices.name", format!("card_hour.{chip}: {e}")))?;
        card_hour.insert(name, price);
    }
    Ok(Prices {
        name: r.text("prices.name"),
        currency: r.read("prices.currency")?,
        core_hour: r.amount("prices.core_hour")?,
        gib_hour: r.amount("prices.gib_hour")?,
        card_hour,
    })
}

fn local(r: &Reader<'_>) -> Result<Local, ConfigError> {
    let mut pools = Vec::new();
    for pool in &r.0.pools {
        pools.push(
            local_pool(pool).map_err(|problem| r.fault("local.name", format!("pool `{}`: {problem}", pool.name)))?,
        );
    }
    Ok(Local {
        name: r.text("local.name"),
        dir: r.some("local.dir").map(PathBuf::from),
        work_root: r.some("local.work_root").map(PathBuf::from),
        run_as: r.some("local.run_as"),
        cgroups: r.read("local.cgroups")?,
        pools,
    })
}

fn local_pool(pool: &LocalPoolConfig) -> Result<LocalPool, String> {
    if !model::people::valid_name(&pool.name) {
        return Err("the name must be 1 to 40 of a-z, 0-9, `-`, `_`, `.`".into());
    }
    if pool.cores == 0 || pool.nodes == 0 {
        return Err("cores and nodes must be at least 1".into());
    }
    if pool.gpus > 0 && pool.chip.is_none() {
        return Err("a pool with gpus names their chip, e.g. chip = \"nvidia-a100-80g\"".into());
    }
    let memory: Bytes = pool.memory.parse().map_err(|e: base::ParseQuantityError| e.to_string())?;
    let chip = pool.chip.as_ref().map(|c| c.parse().map_err(|e: model::ParseChipError| e.to_string())).transpose()?;
    let time_limit_max =
        pool.time_limit_max.as_ref().map(|t| t.parse().map_err(|e: base::ParseSpanError| e.to_string())).transpose()?;
    Ok(LocalPool {
        name: pool.name.clone(),
        shape: Resources::new(pool.cores, memory, pool.gpus),
        chip,
        nodes: pool.nodes,
        time_limit_max,
        interconnect: pool.interconnect.clone(),
    })
}
