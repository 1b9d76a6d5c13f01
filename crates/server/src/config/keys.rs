//! The table of scalar settings: name, default, what it means.

/// One setting. Its environment variable is `HW_` and the name in capitals with `_` for `.`.
#[derive(Debug)]
pub struct Key {
    pub name: &'static str,
    pub default: &'static str,
    pub meaning: &'static str,
}

impl Key {
    pub fn variable(&self) -> String {
        format!("HW_{}", self.name.to_uppercase().replace('.', "_"))
    }
}

const fn key(name: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key { name, default, meaning }
}

/// In the order in which `hw config` prints them.
pub const KEYS: &[Key] = &[
    key("data", "./data", "folder of everything the server keeps"),
    key("listen", "127.0.0.1:7460", "address of the API and the page"),
    key("advertise", "", "address other servers of the same database forward to; empty means http://LISTEN"),
    key("database", "", "postgres://… ; empty means the embedded database in the data folder"),
    key("log", "info", "what is logged: error, warn, info, debug, trace, or a filter by module"),
    key("log_format", "text", "text or json"),
    key("secure_cookies", "false", "send cookies over HTTPS only; true behind a TLS proxy"),
    key(
        "public_url",
        "",
        "where browsers reach this platform, e.g. https://hw.example.com, for links in notices and for signing in; empty means http://LISTEN",
    ),
    key(
        "oidc.issuer",
        "",
        "OpenID Connect provider at which people sign in, e.g. https://id.example.com; empty: passwords alone",
    ),
    key("oidc.client_id", "headworks", "as what the provider knows this platform"),
    key("oidc.secret_file", "", "file with the client's secret; empty means a public client"),
    key("oidc.label", "", "words of the button; empty means the provider's host"),
    key("oidc.claim", "preferred_username", "what the provider says under this name is the user's name here"),
    key("oidc.public_url", "", "where the provider sends browsers back to, if not to PUBLIC_URL"),
    key("oidc.tenant", "", "people without a user become members of this tenant; empty: they are refused"),
    key("mail.host", "", "server that takes the platform's mail, e.g. mail.example.com; empty: no notices by mail"),
    key("mail.port", "", "its port; empty means 587, with mail.tls = tls 465, with none 25"),
    key("mail.tls", "starttls", "none, starttls or tls: how the connection to it is kept private"),
    key("mail.ca", "", "file with certificates (PEM) of a private authority, believed beside the machine's own list"),
    key("mail.user", "", "as whom the platform signs in there; empty: it does not"),
    key("mail.password_file", "", "file with the password, read for every mail"),
    key("mail.from", "", "from whom notices come, e.g. Headworks <hw@example.com>"),
    key(
        "notices.private_addresses",
        "false",
        "webhooks may call addresses that are not the internet's, such as those of this network",
    ),
    key("local.enabled", "true", "use this machine as a cluster"),
    key("local.name", "local", "name of the cluster of this machine"),
    key("local.dir", "", "folder of running jobs; empty means the data folder, which their user must be able to pass"),
    key("local.work_root", "", "where jobs without a folder of their own work; empty means LOCAL.DIR/work"),
    key("local.run_as", "", "user of the jobs when the server is root; empty means nobody"),
    key("local.cgroups", "true", "put jobs into control groups where the host permits it"),
    key("site.listen", "", "address for agents of sites, e.g. 0.0.0.0:7461; empty takes none in"),
    key(
        "site.advertise",
        "",
        "host:port that agents are told to dial; empty means SITE.LISTEN, under this host's name",
    ),
    key("files.quota", "10G", "bytes that the files of one tenant may have"),
    key(
        "files.work_kept",
        "0",
        "work folders are deleted this long after the end of their jobs, e.g. 90d; 0 keeps them for ever",
    ),
    key("metering.interval", "60s", "running work is billed in stretches of this length"),
    key("metering.lag", "5s", "an interval is billed this long after it is over"),
    key("metering.hold", "1h", "running time authorised at once, at most"),
    key("metering.grace", "5m", "from the warning that the wallet runs dry to the stop"),
    key("metering.bill_failed_machine", "false", "bill runs that their machine or their cluster broke off"),
    key("jobs.default_time", "1h", "time limit of a job that names none"),
    key("jobs.default_memory_per_cpu", "1G", "memory of a job that names none"),
    key("jobs.requeue", "true", "run a job again after a failure of its machine unless it says otherwise"),
    key("jobs.checkpoint_interval_min", "1m", "checkpoints of a job are at least this far apart"),
    key("jobs.kill_grace", "30s", "between TERM and KILL"),
    key("jobs.open_max", "1000000", "open jobs on the platform, at most"),
    key("jobs.array_max", "10000", "elements of one array, at most"),
    key("jobs.cancel_unfulfillable", "true", "cancel jobs whose dependency can never be fulfilled"),
    key("policy.age_bound", "3d", "a job that waited this long goes before fair sharing"),
    key("policy.fair_share_half_life", "7d", "use counts half after this time"),
    key("policy.backfill_depth", "1", "blocked jobs with a reservation, for each set of pools"),
    key("policy.reserve_permille", "0", "thousandths of own pools' nodes for urgent and moved work alone, rounded up"),
    key("policy.queued_patience", "10m", "work may wait on its cluster for this long before it is moved"),
    key("policy.avoid_for", "30m", "a pool that a job was moved away from is left out for this long"),
    key("policy.foreign_hold", "1h", "work of others on shared nodes is taken to go on for this long"),
    key("prices.name", "list", "name of the first price book; later ones are published by `hw prices publish`"),
    key("prices.currency", "CNY", "its currency"),
    key("prices.core_hour", "0.10", "price of a core for an hour"),
    key("prices.gib_hour", "0.01", "price of a GiB of memory for an hour"),
    key(
        "statements.utc_offset",
        "+00:00",
        "days and months of statements and reports begin at this distance from UTC; of reports, as it was when the platform first started",
    ),
    key("cost.purchase_price", "6000", "of one node of this machine's pools, for depreciation"),
    key("cost.residual", "300", "value at the end of its life"),
    key("cost.life_months", "60", "length of its life"),
    key("cost.datacentre_fee_month", "30", "data-centre fee per node and month"),
    key("credit_limit", "1000", "credit of the first tenant, so that the first job can run before any payment"),
];
