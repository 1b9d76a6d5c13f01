//! Texts in the caller's language. The catalogue is one file; a text that lacks a language does not compile, and a test
//! compares the gaps of both.

mod catalogue;
pub mod help;

pub use catalogue::Word;

/// A language that people are spoken to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Lang {
    #[default]
    En,
    Zh,
}

impl Lang {
    /// From `HW_LANG`, else the locale's variables in their usual precedence; anything but Chinese is English.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Lang {
        let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
        let value = ["HW_LANG", "LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(set).unwrap_or_default();
        if value.to_ascii_lowercase().starts_with("zh") { Lang::Zh } else { Lang::En }
    }
    /// The one of two texts that is in this language.
    pub fn pick<'a>(self, en: &'a str, zh: &'a str) -> &'a str {
        match self {
            Lang::En => en,
            Lang::Zh => zh,
        }
    }
}

impl Word {
    /// The text with its gaps (`{name}`) filled.
    pub fn fill(self, lang: Lang, gaps: &[(&str, String)]) -> String {
        let text = self.text(lang);
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            out.push_str(before);
            let (name, behind) = behind.split_once('}').unwrap_or((behind, ""));
            out.push_str(gaps.iter().find(|gap| gap.0 == name).map_or("?", |gap| &gap.1));
            rest = behind;
        }
        out + rest
    }

    /// A stable name for programs: `time_limit` for `TimeLimit`.
    pub fn key(self) -> String {
        let mut key = String::new();
        for c in self.name().chars() {
            if c.is_ascii_uppercase() && !key.is_empty() {
                key.push('_');
            }
            key.push(c.to_ascii_lowercase());
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn gaps(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
    }

    /// Words which are the same in both languages.
    const SAME: &[Word] = &[Word::Id];

    #[test]
    fn every_text_has_both_languages_and_the_same_gaps() {
        for &word in Word::ALL {
            let (en, zh) = (word.text(Lang::En), word.text(Lang::Zh));
            assert!(!en.trim().is_empty() && !zh.trim().is_empty(), "{word:?} lacks a text");
            assert_eq!(gaps(en), gaps(zh), "{word:?}");
            assert_eq!(en == zh, SAME.contains(&word), "{word:?}: {en} / {zh}");
            assert!(SAME.contains(&word) || !zh.is_ascii(), "{word:?} has no Chinese text: {zh}");
            assert!(en.chars().all(|c| !('\u{2e80}'..='\u{ffef}').contains(&c)), "{word:?}: {en}");
        }
        let keys: BTreeSet<String> = Word::ALL.iter().map(|word| word.key()).collect();
        assert_eq!(keys.len(), Word::ALL.len());
    }

    #[test]
    fn the_language_is_the_first_that_is_said() {
        let of = |pairs: &[(&str, &str)]| {
            let pairs: Vec<(String, String)> = pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
            Lang::of(move |name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.clone()))
        };
        assert_eq!(of(&[]), Lang::En);
        assert_eq!(of(&[("LANG", "zh_CN.UTF-8")]), Lang::Zh);
        assert_eq!(of(&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "C")]), Lang::En);
        assert_eq!(of(&[("LANG", "zh_CN.UTF-8"), ("HW_LANG", "en")]), Lang::En);
        assert_eq!(of(&[("HW_LANG", ""), ("LANG", "zh")]), Lang::Zh);
    }

    #[test]
    fn gaps_are_filled_and_keys_are_stable() {
        assert_eq!(Word::LineNumber.fill(Lang::En, &[("n", "{n}".into())]), "line {n}");
        assert_eq!(Word::TimeLimit.key(), "time_limit");
    }
}
