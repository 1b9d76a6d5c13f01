//! Help in the caller's language. English stands at the flags themselves; Chinese is laid over it from the table below, and a
//! test names every text that has no Chinese yet.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command};

use super::Lang;

#[path = "help_zh.rs"]
mod zh;

/// The language of a command line that may ask for help: `--lang` if it is there.
pub fn lang_of(words: &[OsString], otherwise: Lang) -> Lang {
    let texts: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let inline = texts.iter().find_map(|word| word.strip_prefix("--lang="));
    let apart = || texts.windows(2).find(|pair| pair[0] == "--lang").map(|pair| pair[1]);
    match inline.or_else(apart) {
        Some(lang) => Lang::of(|_| Some(lang.to_string())),
        None => otherwise,
    }
}

/// The command with its help in `lang`.
pub fn in_language(command: Command, lang: Lang) -> Command {
    match lang {
        Lang::En => command,
        Lang::Zh => translate(command, ""),
    }
}

const TEMPLATE: &str = "{about-with-newline}\n用法：{usage}\n\n{all-args}{after-help}";

fn translate(command: Command, path: &str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_string()).collect();
    let args: Vec<_> = command.get_arguments().map(|arg| arg.get_id().clone()).collect();
    let mut command = command.help_template(TEMPLATE).subcommand_help_heading("命令").subcommand_value_name("命令");
    if let Some(text) = zh::about(path) {
        command = command.about(text);
    }
    if path.is_empty() {
        command = command.after_help("退出码：`hw help exit-codes`。");
    }
    for (at, id) in args.iter().enumerate() {
        command = command.mut_arg(id, |arg| translate_arg(arg, path, at));
    }
    // Slurm's commands read all their words themselves.
    if !command.is_disable_help_flag_set() {
        let help =
            Arg::new("help").short('h').long("help").action(ArgAction::Help).help("显示帮助").help_heading("选项");
        command = command.disable_help_flag(true).arg(help);
    }
    if path.is_empty() {
        let version = Arg::new("version").short('V').long("version").action(ArgAction::Version);
        command = command.disable_version_flag(true).arg(version.help("显示版本").help_heading("选项"));
    }
    for name in names {
        let below = if path.is_empty() { name.clone() } else { format!("{path} {name}") };
        command = command.mut_subcommand(&name, |sub| translate(sub, &below));
    }
    command
}

/// `at`: the place among the command's arguments; under a heading of their own they would be sorted by name.
fn translate_arg(arg: Arg, path: &str, at: usize) -> Arg {
    let arg = if arg.is_positional() { arg.display_order(at) } else { arg };
    let heading = match arg.get_help_heading() {
        Some(heading) => zh::heading(heading),
        None if arg.is_positional() => Some("参数"),
        None => Some("选项"),
    };
    let text = zh::argument(path, arg.get_id().as_str());
    let arg = heading.into_iter().fold(arg, |arg, heading| arg.help_heading(heading));
    text.into_iter().fold(arg, |arg, text| arg.help(text))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::app::App;

    fn walk(command: &Command, path: &str, missing: &mut Vec<String>) {
        if zh::about(path).is_none() {
            missing.push(format!("about {path:?}"));
        }
        for arg in command.get_arguments() {
            if zh::argument(path, arg.get_id().as_str()).is_none() {
                missing.push(format!(
                    "argument {path:?} {:?}: {}",
                    arg.get_id().as_str(),
                    arg.get_help().cloned().unwrap_or_default()
                ));
            }
            if let Some(heading) = arg.get_help_heading()
                && zh::heading(heading).is_none()
            {
                missing.push(format!("heading {heading:?}"));
            }
        }
        for sub in command.get_subcommands() {
            let below = if path.is_empty() { sub.get_name().to_string() } else { format!("{path} {}", sub.get_name()) };
            walk(sub, &below, missing);
        }
    }

    #[test]
    fn every_help_text_has_chinese() {
        let mut missing = Vec::new();
        walk(&App::command(), "", &mut missing);
        missing.sort();
        missing.dedup();
        assert!(missing.is_empty(), "{} help texts lack Chinese:\n{}", missing.len(), missing.join("\n"));
    }

    #[test]
    fn no_chinese_is_left_over() {
        let mut known = std::collections::BTreeSet::new();
        fn collect(command: &Command, path: &str, known: &mut std::collections::BTreeSet<(String, String)>) {
            known.insert((path.into(), String::new()));
            for arg in command.get_arguments() {
                known.insert((path.into(), arg.get_id().to_string()));
                known.insert(("*".into(), arg.get_id().to_string()));
            }
            for sub in command.get_subcommands() {
                let below =
                    if path.is_empty() { sub.get_name().to_string() } else { format!("{path} {}", sub.get_name()) };
                collect(sub, &below, known);
            }
        }
        collect(&App::command(), "", &mut known);
        for (path, text) in zh::ABOUT {
            assert!(known.contains(&(path.to_string(), String::new())), "{path}: {text}");
        }
        for (path, id, text) in zh::ARGUMENTS {
            assert!(known.contains(&(path.to_string(), id.to_string())), "{path} {id}: {text}");
        }
    }

    #[test]
    fn chinese_help_is_chinese() {
        let mut command = in_language(App::command(), Lang::Zh);
        command.build();
        let submit = command.find_subcommand_mut("submit").unwrap().render_long_help().to_string();
        insta::assert_snapshot!(submit);
    }

    #[test]
    fn the_language_flag_is_seen_before_parsing() {
        let of = |line: &str| lang_of(&line.split(' ').map(OsString::from).collect::<Vec<_>>(), Lang::En);
        assert_eq!(of("hw --lang zh help"), Lang::Zh);
        assert_eq!(of("hw --lang=zh jobs"), Lang::Zh);
        assert_eq!(of("hw jobs"), Lang::En);
    }
}
