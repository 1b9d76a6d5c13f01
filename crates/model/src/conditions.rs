//! What a job asks of its nodes beyond amounts: features, few switches, a reservation, licences, an interconnect. Most ask nothing.
//! Refuses to know any cluster.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base::Span;
use serde::{Deserialize, Serialize};

use crate::interconnect::InterconnectAsk;

/// Longest expression, bytes: Slurm's own words are far shorter.
const TEXT_MAX: usize = 256;
/// Most ways in which an expression may be fulfilled: `(a|b)&(c|d)` has four.
const WAYS_MAX: usize = 64;

/// See the fields.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Conditions {
    /// `--constraint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraint: Option<Constraint>,
    /// `--switches`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switches: Option<Switches>,
    /// `--reservation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation: Option<Arc<str>>,
    /// `--licenses`: name and number, by name in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub licences: Vec<(Arc<str>, u32)>,
    /// `--interconnect`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interconnect: Option<InterconnectAsk>,
}

impl Conditions {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
    /// How many of a licence it takes.
    pub fn licence(&self, name: &str) -> u32 {
        self.licences.iter().find(|(known, _)| &**known == name).map_or(0, |(_, count)| *count)
    }
}

/// `--switches=COUNT[@TIME]`: nodes below so many switches at most; a cluster may give up on that after `patience`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Switches {
    pub count: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<Span>,
}

/// Features that must all be there.
pub type AllOf = Vec<Arc<str>>;
/// Ways to fulfil a condition on one node: any of them.
pub type AnyOf = Vec<AllOf>;

/// An expression over features as in Slurm: `a&b`, `a|b`, `(a|b)&c`, and `[a|b]`: one and the same of these on all nodes.
/// Without parentheses it is read from left to right.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Constraint {
    text: Arc<str>,
    choices: Vec<AnyOf>,
}

/// Why a text is no constraint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseConstraintError {
    #[error("a constraint has 1 to {TEXT_MAX} characters")]
    Length,
    #[error(
        "`{}` cannot stand at this place of a constraint: write features joined by `&` and `|`, e.g. `a100&nvlink`",
        .0.escape_debug()
    )]
    Unexpected(char),
    #[error("a feature, `)` or `]` is missing at the end of the constraint")]
    Unfinished,
    #[error("numbers of nodes by feature (`a*2&b*1`) are not supported: hand in two jobs")]
    Counts,
    #[error("`[…]` stands alone or is joined to the rest by `&`")]
    Bracket,
    #[error("the constraint can be fulfilled in more than {WAYS_MAX} ways: write it shorter")]
    Ways,
}

impl Constraint {
    pub fn as_str(&self) -> &str {
        &self.text
    }
    /// The alternatives of which all nodes must fulfil the same one; most constraints have one.
    pub fn choices(&self) -> &[AnyOf] {
        &self.choices
    }
    /// Every feature that it names, in order of appearance, once.
    pub fn features(&self) -> Vec<&Arc<str>> {
        let mut seen: Vec<&Arc<str>> = Vec::new();
        for feature in self.choices.iter().flatten().flatten() {
            if !seen.contains(&feature) {
                seen.push(feature);
            }
        }
        seen
    }
}

impl PartialEq for Constraint {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl Eq for Constraint {}
impl PartialOrd for Constraint {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Constraint {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}
impl std::hash::Hash for Constraint {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}
impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl TryFrom<String> for Constraint {
    type Error = ParseConstraintError;
    fn try_from(text: String) -> Result<Constraint, ParseConstraintError> {
        text.parse()
    }
}
impl From<Constraint> for String {
    fn from(constraint: Constraint) -> String {
        constraint.text.as_ref().into()
    }
}

impl FromStr for Constraint {
    type Err = ParseConstraintError;
    fn from_str(text: &str) -> Result<Constraint, ParseConstraintError> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        if text.is_empty() || text.len() > TEXT_MAX {
            return Err(ParseConstraintError::Length);
        }
        let mut reader = Reader { rest: text.chars().peekable(), depth: 0 };
        let choices = reader.expression()?;
        match reader.rest.next() {
            None => Ok(Constraint { text: text.as_str().into(), choices }),
            Some(other) => Err(ParseConstraintError::Unexpected(other)),
        }
    }
}

/// Characters of a feature: none of them means anything in an expression or to a shell.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '=' | '/' | '+')
}

struct Reader<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    depth: u32,
}

impl Reader<'_> {
    /// Terms joined from left to right, up to a closing mark or the end.
    fn expression(&mut self) -> Result<Vec<AnyOf>, ParseConstraintError> {
        let mut sum = self.term()?;
        loop {
            match self.rest.peek() {
                Some('&') => {
                    self.rest.next();
                    sum = both(&sum, &self.term()?)?;
                }
                Some('|') => {
                    self.rest.next();
                    let (left, right) = (sum, self.term()?);
                    let ([left], [right]) = (&left[..], &right[..]) else { return Err(ParseConstraintError::Bracket) };
                    sum = vec![[&left[..], right].concat()];
                }
                _ => break,
            }
            if sum.iter().map(Vec::len).sum::<usize>() > WAYS_MAX {
                return Err(ParseConstraintError::Ways);
            }
        }
        Ok(sum)
    }

    fn term(&mut self) -> Result<Vec<AnyOf>, ParseConstraintError> {
        match self.rest.peek().copied() {
            None => Err(ParseConstraintError::Unfinished),
            Some('(') => {
                self.rest.next();
                self.depth += 1;
                let inner = self.expression()?;
                self.depth -= 1;
                self.close(')')?;
                Ok(inner)
            }
            Some('[') if self.depth == 0 => {
                self.rest.next();
                self.depth += 1;
                let mut choices = vec![self.conjunction()?];
                while self.rest.next_if_eq(&'|').is_some() {
                    choices.push(self.conjunction()?);
                }
                self.depth -= 1;
                self.close(']')?;
                Ok(choices)
            }
            Some('[') => Err(ParseConstraintError::Bracket),
            Some(c) if is_word(c) => {
                let mut word = String::new();
                while let Some(c) = self.rest.next_if(|c| is_word(*c)) {
                    word.push(c);
                }
                match self.rest.peek() {
                    Some('*') => Err(ParseConstraintError::Counts),
                    _ => Ok(vec![vec![vec![word.as_str().into()]]]),
                }
            }
            Some(c) => Err(ParseConstraintError::Unexpected(c)),
        }
    }

    /// One alternative within `[…]`.
    fn conjunction(&mut self) -> Result<AnyOf, ParseConstraintError> {
        let mut sum = self.term()?;
        while self.rest.next_if_eq(&'&').is_some() {
            sum = both(&sum, &self.term()?)?;
        }
        sum.pop().ok_or(ParseConstraintError::Unfinished)
    }

    fn close(&mut self, mark: char) -> Result<(), ParseConstraintError> {
        match self.rest.next() {
            Some(found) if found == mark => Ok(()),
            Some(other) => Err(ParseConstraintError::Unexpected(other)),
            None => Err(ParseConstraintError::Unfinished),
        }
    }
}

/// Both conditions on the same node; of several choices each with each.
fn both(left: &[AnyOf], right: &[AnyOf]) -> Result<Vec<AnyOf>, ParseConstraintError> {
    let ways = |side: &[AnyOf]| side.iter().map(Vec::len).sum::<usize>();
    if ways(left).saturating_mul(ways(right)) > WAYS_MAX {
        return Err(ParseConstraintError::Ways);
    }
    let mut choices = Vec::new();
    for a in left {
        for b in right {
            let each = a.iter().flat_map(|x| b.iter().map(|y| [&x[..], y].concat()));
            choices.push(each.collect());
        }
    }
    Ok(choices)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, ParseConstraintError> {
        let constraint: Constraint = text.parse()?;
        let all = |all: &AllOf| all.iter().map(|f| &**f).collect::<Vec<_>>().join("&");
        let any = |any: &AnyOf| any.iter().map(all).collect::<Vec<_>>().join(" or ");
        Ok(constraint.choices().iter().map(any).collect::<Vec<_>>().join(" ; "))
    }

    #[test]
    fn expressions_are_read_from_left_to_right() {
        for (text, want) in [
            ("a100", "a100"),
            ("a & b", "a&b"),
            ("a|b", "a or b"),
            ("a|b&c", "a&c or b&c"),
            ("a&b|c", "a&b or c"),
            ("a&(b|c)", "a&b or a&c"),
            ("(a|b)&(c|d)", "a&c or a&d or b&c or b&d"),
            ("[r1|r2]", "r1 ; r2"),
            ("x&[r1|r2&y]", "x&r1 ; x&r2&y"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        use ParseConstraintError as E;
        for (text, want) in [
            ("", E::Length),
            ("a&", E::Unfinished),
            ("(a|b", E::Unfinished),
            ("a b;c", E::Unexpected(';')),
            ("a)", E::Unexpected(')')),
            ("!a", E::Unexpected('!')),
            ("a*2&b*1", E::Counts),
            ("[a|b]|c", E::Bracket),
            ("([a|b])", E::Bracket),
            (&"a&".repeat(200), E::Length),
            (&["(a|b)"; 8].join("&"), E::Ways),
        ] {
            assert_eq!(read(text), Err(want), "{text}");
        }
    }

    #[test]
    fn a_constraint_is_stored_as_its_text() {
        let conditions = Conditions { constraint: Some("a & [b|c]".parse().unwrap()), ..Conditions::default() };
        let text = serde_json::to_string(&conditions).unwrap();
        assert_eq!(text, r#"{"constraint":"a&[b|c]"}"#);
        assert_eq!(serde_json::from_str::<Conditions>(&text).unwrap(), conditions);
        assert!(serde_json::from_str::<Conditions>(r#"{"constraint":"a;b"}"#).is_err());
    }
}
