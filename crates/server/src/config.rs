//! The server's configuration: flags over environment over `headworks.toml` over defaults, each value with its origin.
//! As written everything is optional and unknown keys are refused; as checked nothing is optional any more.
//! Reads neither files nor the environment itself: `main` hands both in.

mod checked;
mod keys;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use checked::{Checked, Database, Local, LocalPool, LocalPoolConfig, Prices, SiteDoor};
pub use keys::{KEYS, Key};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    File(PathBuf),
    Environment(String),
    Flag(String),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// Why a configuration does not stand; says which key and what to write instead.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path}: {source}")]
    Syntax { path: PathBuf, source: Box<toml::de::Error> },
    #[error("{path}: unknown key `{key}`{hint}")]
    Unknown { path: PathBuf, key: String, hint: String },
    #[error("{key} = `{value}` ({origin}): {problem}")]
    Value { key: &'static str, value: String, origin: Origin, problem: String },
    #[error("{path}: [[local.pool]]: {problem}")]
    Pool { path: PathBuf, problem: String },
}

/// One effective value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub value: String,
    pub origin: Origin,
}

/// What `main` reads for us; tests pass maps.
pub trait Surroundings {
    fn variable(&self, name: &str) -> Option<String>;
    /// `Ok(None)` when the file is not there.
    fn file(&self, path: &Path) -> std::io::Result<Option<String>>;
}

/// The process's own environment and file system.
pub struct Process;

impl Surroundings for Process {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|v| !v.is_empty())
    }
    fn file(&self, path: &Path) -> std::io::Result<Option<String>> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Flags of `hw up`, by key: `[("data", "/var/lib/headworks")]`. `config` names the file.
pub type Flags = BTreeMap<String, String>;

/// All settings with their origins, and the pools of the file.
#[derive(Clone, Debug)]
pub struct Written {
    pub settings: BTreeMap<&'static str, Setting>,
    pub pools: Vec<LocalPoolConfig>,
    /// Prices per card-hour by chip, as decimal text.
    pub card_hour: BTreeMap<String, String>,
}

impl Written {
    /// Layers the four sources.
    ///
    /// # Errors
    /// An unreadable or malformed file, a key that does not exist, a file named by hand that is missing.
    pub fn gather(flags: &Flags, around: &dyn Surroundings) -> Result<Written, ConfigError> {
        let mut settings: BTreeMap<&'static str, Setting> =
            KEYS.iter().map(|k| (k.name, Setting { value: k.default.into(), origin: Origin::Default })).collect();
        let named = flags.get("config").cloned().or_else(|| around.variable("HW_CONFIG"));
        let path = named.clone().map_or_else(|| PathBuf::from("headworks.toml"), PathBuf::from);
        let text = around.file(&path).map_err(|source| ConfigError::Read { path: path.clone(), source })?;
        let mut written = Written { settings: BTreeMap::new(), pools: Vec::new(), card_hour: BTreeMap::new() };
        match text {
            Some(text) => read_file(&path, &text, &mut settings, &mut written)?,
            None if named.is_some() => {
                let source = std::io::Error::new(std::io::ErrorKind::NotFound, "there is no such file");
                return Err(ConfigError::Read { path, source });
            }
            None => {}
        }
        for key in KEYS {
            let variable = key.variable();
            if let Some(value) = around.variable(&variable) {
                settings.insert(key.name, Setting { value, origin: Origin::Environment(variable) });
            }
            if let Some(value) = flags.get(key.name) {
                let origin = Origin::Flag(format!("--{}", key.name));
                settings.insert(key.name, Setting { value: value.clone(), origin });
            }
        }
        written.settings = settings;
        Ok(written)
    }
}

fn read_file(
    path: &Path,
    text: &str,
    settings: &mut BTreeMap<&'static str, Setting>,
    written: &mut Written,
) -> Result<(), ConfigError> {
    let table: toml::Table =
        text.parse().map_err(|e| ConfigError::Syntax { path: path.into(), source: Box::new(e) })?;
    let mut open: Vec<(String, toml::Value)> = table.into_iter().collect();
    while let Some((name, value)) = open.pop() {
        let key = KEYS.iter().find(|k| k.name == name);
        match (key, value) {
            (_, toml::Value::Array(items)) if name == "local.pool" => {
                for item in items {
                    let pool = item
                        .try_into()
                        .map_err(|e| ConfigError::Pool { path: path.into(), problem: e.message().to_owned() })?;
                    written.pools.push(pool);
                }
            }
            (_, toml::Value::Table(chips)) if name == "prices.card_hour" => {
                written.card_hour.extend(chips.into_iter().map(|(chip, price)| (chip, scalar(&price))));
            }
            (None, toml::Value::Table(inner)) => {
                open.extend(inner.into_iter().map(|(k, v)| (format!("{name}.{k}"), v)));
            }
            (Some(key), value) => {
                settings.insert(key.name, Setting { value: scalar(&value), origin: Origin::File(path.into()) });
            }
            (None, _) => {
                return Err(ConfigError::Unknown { path: path.into(), hint: nearest(&name), key: name });
            }
        }
    }
    Ok(())
}

fn scalar(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The known key that shares the last word, if there is one.
fn nearest(name: &str) -> String {
    let last = name.rsplit('.').next().unwrap_or(name);
    let close = KEYS.iter().find(|k| k.name.rsplit('.').next() == Some(last));
    close.map_or_else(|| "; `hw config` lists the known keys".into(), |k| format!("; did you mean `{}`?", k.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Fake {
        variables: BTreeMap<String, String>,
        files: BTreeMap<PathBuf, String>,
    }
    impl Surroundings for Fake {
        fn variable(&self, name: &str) -> Option<String> {
            self.variables.get(name).cloned()
        }
        fn file(&self, path: &Path) -> std::io::Result<Option<String>> {
            Ok(self.files.get(path).cloned())
        }
    }

    fn gather(file: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Checked, ConfigError> {
        let text = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let files = BTreeMap::from([(PathBuf::from("headworks.toml"), file.to_string())]);
        let around = Fake { variables: text(variables), files };
        Checked::from_written(&Written::gather(&text(flags), &around)?)
    }

    #[test]
    fn flags_win_over_environment_over_file_over_defaults() {
        let file = "listen = '127.0.0.1:1'\n[metering]\ninterval = '10s'\n";
        let listen = |v: &[(&str, &str)], f: &[(&str, &str)]| gather(file, v, f).unwrap().listen.port();
        assert_eq!(listen(&[], &[]), 1);
        assert_eq!(listen(&[("HW_LISTEN", "127.0.0.1:2")], &[]), 2);
        assert_eq!(listen(&[("HW_LISTEN", "127.0.0.1:2")], &[("listen", "127.0.0.1:3")]), 3);
        let config = gather(file, &[("HW_METERING_LAG", "1s")], &[]).unwrap();
        assert_eq!(config.policy.meter_interval, base::Span::from_secs(10));
        assert_eq!(config.policy.meter_lag, base::Span::from_secs(1));
        assert_eq!(gather("", &[], &[]).unwrap().listen.port(), 7460);
    }

    #[test]
    fn mistakes_are_named() {
        for (file, expected) in [
            ("lissten = 'x'", "unknown key `lissten`"),
            ("[server]\nlisten = 'x'", "did you mean `listen`?"),
            ("listen = 'here'", "listen = `here`"),
            ("[metering]\ninterval = 'soon'", "metering.interval = `soon`"),
            ("[[local.pool]]\nname = 'a'\ncoares = 2", "unknown field `coares`"),
            ("listen = ", "headworks.toml"),
            ("[prices]\ncore_hour = '-1'", "prices.core_hour"),
        ] {
            let error = gather(file, &[], &[]).unwrap_err().to_string();
            assert!(error.contains(expected), "{file}: {error}");
        }
        assert!(gather("", &[], &[("config", "/nowhere.toml")]).is_err());
    }

    #[test]
    fn pools_and_prices_are_read() {
        let file = "[[local.pool]]\nname = 'cpu'\ncores = 2\nmemory = '4G'\n[[local.pool]]\nname = 'gpu'\ncores = 1\nmemory = '1G'\ngpus = 2\nchip = 'nvidia-a100-80g'\nnodes = 3\n[prices.card_hour]\nnvidia-a100-80g = '6.5'\n";
        let config = gather(file, &[], &[]).unwrap();
        let local = config.local.unwrap();
        assert_eq!(local.pools.len(), 2);
        assert_eq!(local.pools[1].nodes, 3);
        assert_eq!(config.prices.card_hour.len(), 1);
    }
}
