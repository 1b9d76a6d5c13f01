//! What a command works with, checked: server, token, language, how to show things. Built once from flags, variables and the
//! credentials file; nothing below `main` looks at the environment again.

use std::path::PathBuf;

use crate::credentials::Credentials;
use crate::text::Lang;
use crate::view::Look;

/// Looks up a variable of the environment.
pub type Variable = Box<dyn Fn(&str) -> Option<String>>;

/// The process' surroundings, as values.
pub struct Surroundings {
    pub variable: Variable,
    pub stdin_terminal: bool,
    pub stdout_terminal: bool,
    pub stderr_terminal: bool,
    pub width: Option<u16>,
    pub work_dir: Option<String>,
    pub utc_offset: jiff::tz::TimeZone,
}

impl Surroundings {
    fn set(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }
    /// `$XDG_CONFIG_HOME/headworks`, else `~/.config/headworks`.
    pub fn config_dir(&self) -> Option<PathBuf> {
        let base = self.set("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let base = base.or_else(|| Some(PathBuf::from(self.set("HOME")?).join(".config")))?;
        Some(base.join("headworks"))
    }
}

/// Flags that every command understands.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Global {
    /// Address of the server [default: HW_URL, else the server last signed in to, else http://127.0.0.1:7460]
    #[arg(long, global = true, value_name = "URL", help_heading = "Everywhere")]
    pub url: Option<String>,
    /// Print JSON as the API sends it
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub json: bool,
    /// Do not ask before acts that end or change many things
    #[arg(long, short = 'y', global = true, help_heading = "Everywhere")]
    pub yes: bool,
    /// Language, `en` or `zh` [default: HW_LANG, else that of the locale]
    #[arg(long, global = true, value_name = "LANG", help_heading = "Everywhere")]
    pub lang: Option<String>,
}

/// Flags, variables and files brought together.
#[derive(Clone, Debug)]
pub struct Settings {
    pub url: String,
    pub token: Option<String>,
    pub yes: bool,
    pub stdin_terminal: bool,
    pub stderr_terminal: bool,
    pub config_dir: Option<PathBuf>,
    /// Absolute folder of the caller.
    pub work_dir: Option<String>,
    pub look: Look,
}

impl Settings {
    /// Precedence: flag, variable, credentials file, default.
    pub fn gather(global: &Global, around: &Surroundings, credentials: &Credentials) -> Settings {
        let url = global.url.clone().or_else(|| around.set("HW_URL")).or_else(|| credentials.default.clone());
        let url = url.unwrap_or_else(|| client::DEFAULT_ADDRESS.into());
        let token = around.set("HW_TOKEN").or_else(|| credentials.token_of(&url).map(String::from));
        let lang = match &global.lang {
            Some(lang) => Lang::of(|name| (name == "HW_LANG").then(|| lang.clone())),
            None => Lang::of(&around.variable),
        };
        let plain = around.set("NO_COLOR").is_some() || around.set("TERM").is_some_and(|term| term == "dumb");
        Settings {
            url,
            token,
            yes: global.yes,
            stdin_terminal: around.stdin_terminal,
            stderr_terminal: around.stderr_terminal,
            config_dir: around.config_dir(),
            work_dir: around.work_dir.clone(),
            look: Look {
                lang,
                terminal: around.stdout_terminal,
                colour: around.stdout_terminal && !plain,
                width: around.width,
                json: global.json,
                zone: around.utc_offset.clone(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(pairs: &'static [(&str, &str)]) -> Surroundings {
        let variable = |name: &str| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_string());
        Surroundings {
            variable: Box::new(variable),
            stdin_terminal: false,
            stdout_terminal: true,
            stderr_terminal: true,
            width: None,
            work_dir: None,
            utc_offset: jiff::tz::TimeZone::UTC,
        }
    }

    #[test]
    fn flags_win_over_variables_over_files() {
        let mut file = Credentials::default();
        file.keep("http://file:1", "ann", "hwt_file", "tok_1", "2027-01-01T00:00:00Z");
        let none = Global::default();
        let flag = Global { url: Some("http://flag:1".into()), ..Global::default() };
        let gather = |global: &Global, pairs| {
            let settings = Settings::gather(global, &around(pairs), &file);
            (settings.url, settings.token)
        };
        assert_eq!(gather(&none, &[]), ("http://file:1".into(), Some("hwt_file".into())));
        assert_eq!(gather(&none, &[("HW_URL", "http://var:1")]), ("http://var:1".into(), None));
        assert_eq!(
            gather(&flag, &[("HW_URL", "http://var:1"), ("HW_TOKEN", "t")]),
            ("http://flag:1".into(), Some("t".into()))
        );
        assert_eq!(gather(&none, &[("HW_URL", "")]).0, "http://file:1");
        let nothing = Settings::gather(&none, &around(&[]), &Credentials::default());
        assert_eq!((nothing.url.as_str(), nothing.token), (client::DEFAULT_ADDRESS, None));
    }

    #[test]
    fn colour_needs_a_terminal_and_no_objection() {
        let colour = |pairs, terminal| {
            let around = Surroundings { stdout_terminal: terminal, ..around(pairs) };
            Settings::gather(&Global::default(), &around, &Credentials::default()).look.colour
        };
        assert!(colour(&[], true));
        assert!(!colour(&[], false));
        assert!(!colour(&[("NO_COLOR", "1")], true));
        assert!(colour(&[("NO_COLOR", "")], true));
        assert!(!colour(&[("TERM", "dumb")], true));
    }

    #[test]
    fn the_configuration_folder_is_found() {
        assert_eq!(around(&[("HOME", "/h")]).config_dir(), Some("/h/.config/headworks".into()));
        assert_eq!(around(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]).config_dir(), Some("/x/headworks".into()));
        assert_eq!(
            around(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "x")]).config_dir(),
            Some("/h/.config/headworks".into())
        );
        assert_eq!(around(&[]).config_dir(), None);
    }
}
