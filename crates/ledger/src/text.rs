//! The two small validated texts of the ledger: account codes and memos.
//! Both are cheap to clone, because every record carries them. They know nothing of what they name.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest account code, in characters (all ASCII). `tenant/` and `/wallet/` around two 36-character ids
/// and a currency make about 100; 160 leaves room for one more level.
pub const ACCOUNT_CODE_CHARS_MAX: usize = 160;

/// Longest memo, in characters: one line of a statement.
pub const MEMO_CHARS_MAX: usize = 200;

/// Why a text cannot be an account code or a memo.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    #[error("the text is empty")]
    Empty,
    #[error("the text has {chars} characters, at most {max} are allowed")]
    TooLong { chars: usize, max: usize },
    #[error("the character {found:?} at position {at} is not allowed here")]
    Character { found: char, at: usize },
    #[error("two slashes in a row, or one at an end")]
    EmptySegment,
}

/// The readable, unique name of an account: segments joined by `/`, each of ASCII letters, digits, `_`, `-`, `.`
/// or `:`, at most [`ACCOUNT_CODE_CHARS_MAX`] characters; e.g. `tenant/ten_01…/wallet`, `operator/revenue/compute`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountCode(Arc<str>);

impl AccountCode {
    /// Checks and wraps `text`.
    pub fn new(text: &str) -> Result<Self, TextError> {
        if text.is_empty() {
            return Err(TextError::Empty);
        }
        let chars = text.chars().count();
        if chars > ACCOUNT_CODE_CHARS_MAX {
            return Err(TextError::TooLong { chars, max: ACCOUNT_CODE_CHARS_MAX });
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/');
        if let Some((at, found)) = text.chars().enumerate().find(|(_, c)| !allowed(*c)) {
            return Err(TextError::Character { found, at });
        }
        if text.split('/').any(str::is_empty) {
            return Err(TextError::EmptySegment);
        }
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this code is `branch` or stands below it: `tenant/x/wallet` is under `tenant/x`, not under `tenant/xy`.
    pub fn is_under(&self, branch: &str) -> bool {
        self.0.strip_prefix(branch).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// A line for the reader of a statement: at most [`MEMO_CHARS_MAX`] characters, none of them a control character.
/// May be empty, and then costs nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Memo(Option<Arc<str>>);

impl Memo {
    pub const EMPTY: Memo = Memo(None);

    /// Checks and wraps `text`.
    pub fn new(text: &str) -> Result<Self, TextError> {
        let chars = text.chars().count();
        if chars > MEMO_CHARS_MAX {
            return Err(TextError::TooLong { chars, max: MEMO_CHARS_MAX });
        }
        if let Some((at, found)) = text.chars().enumerate().find(|(_, c)| c.is_control()) {
            return Err(TextError::Character { found, at });
        }
        Ok(if text.is_empty() { Self(None) } else { Self(Some(text.into())) })
    }

    /// As much of `text` as a memo can bear: control characters become blanks, the end is cut.
    pub fn clipped(text: &str) -> Self {
        let kept: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MEMO_CHARS_MAX).collect();
        if kept.is_empty() { Self(None) } else { Self(Some(kept.into())) }
    }

    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or("")
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

macro_rules! text_impls {
    ($($name:ident),+) => {$(
        impl FromStr for $name {
            type Err = TextError;
            fn from_str(text: &str) -> Result<Self, TextError> { Self::new(text) }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(self.as_str()) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Debug::fmt(self.as_str(), f) }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.serialize_str(self.as_str()) }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(d)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    )+};
}
text_impls!(AccountCode, Memo);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_codes_are_checked() {
        for good in ["operator/cash", "tenant/ten_01/wallet", "a", &"x".repeat(ACCOUNT_CODE_CHARS_MAX)] {
            assert_eq!(AccountCode::new(good).unwrap().as_str(), good);
        }
        let long = "x".repeat(ACCOUNT_CODE_CHARS_MAX + 1);
        for (bad, why) in [
            ("", TextError::Empty),
            ("/a", TextError::EmptySegment),
            ("a//b", TextError::EmptySegment),
            ("a/", TextError::EmptySegment),
            ("a b", TextError::Character { found: ' ', at: 1 }),
            ("钱", TextError::Character { found: '钱', at: 0 }),
            (&long, TextError::TooLong { chars: 161, max: 160 }),
        ] {
            assert_eq!(AccountCode::new(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn a_branch_ends_at_a_slash() {
        let code = AccountCode::new("tenant/x/wallet").unwrap();
        assert!(code.is_under("tenant/x") && code.is_under("tenant/x/wallet") && code.is_under("tenant"));
        assert!(!code.is_under("tenant/") && !code.is_under("ten") && !code.is_under("tenant/x/wallet/y"));
    }

    #[test]
    fn memos_are_checked_or_clipped() {
        assert_eq!(Memo::new("").unwrap(), Memo::EMPTY);
        assert_eq!(Memo::new("充值 2026-11").unwrap().as_str(), "充值 2026-11");
        assert_eq!(Memo::new("a\nb"), Err(TextError::Character { found: '\n', at: 1 }));
        assert_eq!(Memo::new(&"钱".repeat(201)), Err(TextError::TooLong { chars: 201, max: 200 }));
        assert_eq!(Memo::clipped(&"\n钱".repeat(200)).as_str(), " 钱".repeat(100));
    }
}
