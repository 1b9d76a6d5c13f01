//! Pages of lists: a limit, an opaque cursor, and whose rows may be seen. Knows no table.

use std::fmt;
use std::str::FromStr;

use base::TenantId;

/// Rows of a page when the caller names no limit.
pub const LIST_LIMIT_DEFAULT: u32 = 100;
/// Largest page: a thousand jobs with their specifications are about 2 MiB of JSON.
pub const LIST_LIMIT_MAX: u32 = 1_000;

/// Whose rows a list may show. There is no default: each caller states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Of every tenant, and those that belong to none.
    All,
    Tenant(TenantId),
}

/// Why a text is not a cursor of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one that this list has given out")]
pub struct BadCursor;

/// The sort key of a page's last row: a number (a job's number, a time, a sequence) and an id for what ties.
/// Its text is 48 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) number: i64,
    pub(crate) id: u128,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:032x}", self.number, self.id)
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;
    fn from_str(text: &str) -> Result<Self, BadCursor> {
        if text.len() != 48 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(BadCursor);
        }
        let number = u64::from_str_radix(&text[..16], 16).map_err(|_| BadCursor)? as i64;
        let id = u128::from_str_radix(&text[16..], 16).map_err(|_| BadCursor)?;
        Ok(Self { number, id })
    }
}

/// Which page of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    limit: u32,
    after: Option<Cursor>,
}

impl PageRequest {
    /// The first page of at most `limit` rows (cut to 1 ..= [`LIST_LIMIT_MAX`]).
    pub fn first(limit: u32) -> PageRequest {
        PageRequest { limit: limit.clamp(1, LIST_LIMIT_MAX), after: None }
    }

    /// The page after `cursor`, which an earlier page of the same list gave as [`Page::next`].
    pub fn new(limit: Option<u32>, cursor: Option<&str>) -> Result<PageRequest, BadCursor> {
        let after = cursor.map(str::parse).transpose()?;
        Ok(PageRequest { after, ..Self::first(limit.unwrap_or(LIST_LIMIT_DEFAULT)) })
    }

    pub(crate) const fn after(&self) -> Option<Cursor> {
        self.after
    }

    /// Rows to ask for: one more than are shown, which tells whether there is a next page.
    pub(crate) const fn rows(&self) -> i64 {
        self.limit as i64 + 1
    }

    /// Cuts the surplus row off and names the next page.
    pub(crate) fn page<T>(&self, mut items: Vec<T>, key: impl Fn(&T) -> Cursor) -> Page<T> {
        let more = items.len() > self.limit as usize;
        items.truncate(self.limit as usize);
        let next = items.last().filter(|_| more).map(|last| key(last).to_string());
        Page { items, next }
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Cursor of the next page; `None` on the last one.
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_round_trip_and_others_are_refused() {
        for cursor in [Cursor { number: -5, id: 7 }, Cursor { number: i64::MAX, id: u128::MAX }] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for text in ["", "x", &"0".repeat(47), &"g".repeat(48), &"é".repeat(24)] {
            assert_eq!(text.parse::<Cursor>(), Err(BadCursor), "{text}");
        }
    }

    #[test]
    fn a_page_names_the_next_only_when_there_is_one() {
        let request = PageRequest::first(2);
        let key = |n: &i64| Cursor { number: *n, id: 0 };
        assert_eq!(request.page(vec![1, 2], key).next, None);
        let page = request.page(vec![1, 2, 3], key);
        assert_eq!((page.items, page.next), (vec![1, 2], Some(key(&2).to_string())));
        assert_eq!(PageRequest::first(0).rows(), 2);
        assert_eq!(PageRequest::first(5_000).rows(), i64::from(LIST_LIMIT_MAX) + 1);
    }
}
