//! Rows by the thousand: the database joins the columns of many rows into one text, which is taken apart here. A row
//! by itself costs two allocations and a hand-over between threads; for a million rows that was most of the time of a
//! start. Reads forward by a key, a page at a time, so that only a page's text is held. Knows no table.

use std::iter::zip;
use std::sync::Arc;

use crate::db::{Args, Columns, Kind, Pool, Sql, unreadable};

/// Rows to a page: some 400 KiB of text, so that what a statement costs by itself is below a thousandth of its work.
const ROWS_PER_PAGE: usize = 1_024;

/// Between two fields, and between two rows. Numbers and ids in hexadecimals have neither, JSON writes control
/// characters as escapes, and free text travels in hexadecimals.
const FIELD_END: char = '\u{1f}';
const ROW_END: char = '\u{1e}';

/// How a column becomes text. NULL becomes an empty field, which none of these is otherwise, but for a free text, which
/// is never NULL.
#[derive(Clone, Copy)]
pub(crate) enum Field {
    Int(&'static str),
    /// Bytes: one id, or several that are joined by `||`.
    Ids(&'static str),
    Json(&'static str),
    /// What a person wrote.
    Free(&'static str),
}

impl Field {
    fn sql(self, kind: Kind) -> String {
        match (self, kind) {
            (Self::Int(column), _) => format!("COALESCE(CAST({column} AS TEXT), '')"),
            (Self::Json(column), _) => format!("COALESCE({column}, '')"),
            (Self::Ids(column) | Self::Free(column), Kind::Lite) => format!("hex({column})"),
            (Self::Ids(column), Kind::Pg) => format!("COALESCE(encode({column}, 'hex'), '')"),
            (Self::Free(column), Kind::Pg) => format!("encode(convert_to({column}, 'UTF8'), 'hex')"),
        }
    }
}

/// What to read: the rows of a table of which `open` is 1, in the order of `key`, which is unique among them.
pub(crate) struct Table<const N: usize> {
    pub(crate) name: &'static str,
    pub(crate) key: &'static str,
    pub(crate) fields: [Field; N],
}

impl<const N: usize> Table<N> {
    fn sql(&self, kind: Kind) -> String {
        let Table { name, key, fields } = self;
        let row = fields.map(|field| field.sql(kind)).join(&format!(" || '{FIELD_END}' || "));
        format!(
            "SELECT string_agg(packed, '{ROW_END}') FROM (SELECT {row} AS packed FROM {name} \
                WHERE open = 1 AND {key} > $1 ORDER BY {key} LIMIT {ROWS_PER_PAGE}) AS page"
        )
    }

    /// Reads all rows. `put` writes a key, beginning with `before`, which is below all keys; `key` names the key of
    /// what was read.
    pub(crate) async fn read<K: Ord + Copy, T>(
        &self,
        pool: &Pool,
        before: K,
        put: impl Fn(&mut Args, K),
        read: impl Fn(&Packed<'_, N>) -> Sql<(K, T)>,
        mut take: impl FnMut(T),
    ) -> Sql<()> {
        let sql = self.sql(pool.kind());
        let mut reader = pool.reader().await?;
        let mut last = before;
        loop {
            let mut args = Args::new(pool.kind());
            put(&mut args, last);
            let answer = reader.fetch_optional(sql.clone(), args).await?;
            let Some(text) = answer.as_ref().map(|row| row.opt_text(0)).transpose()?.flatten() else { return Ok(()) };
            let mut count = 0;
            for row in text.split(ROW_END) {
                let (key, value) = read(&Packed::of(row)?)?;
                last = last.max(key);
                count += 1;
                take(value);
            }
            if count < ROWS_PER_PAGE {
                return Ok(());
            }
        }
    }
}

/// One row, its columns as text.
pub(crate) struct Packed<'a, const N: usize>([&'a str; N]);

impl<'a, const N: usize> Packed<'a, N> {
    fn of(row: &'a str) -> Sql<Self> {
        let mut columns = [""; N];
        let mut fields = row.split(FIELD_END);
        let count = zip(&mut columns, &mut fields).map(|(column, field)| *column = field).count();
        match fields.next() {
            None if count == N => Ok(Self(columns)),
            _ => Err(unreadable(format_args!("a row of other than {N} columns"))),
        }
    }
}

impl<const N: usize> Columns for Packed<'_, N> {
    fn opt_int(&self, column: usize) -> Sql<Option<i64>> {
        match self.0[column] {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| unreadable(format_args!("column {column} is {text}"))),
        }
    }

    fn opt_text(&self, column: usize) -> Sql<Option<&str>> {
        Ok(Some(self.0[column]).filter(|text| !text.is_empty()))
    }

    fn free_text(&self, column: usize) -> Sql<Arc<str>> {
        let (pairs, rest) = self.0[column].as_bytes().as_chunks::<2>();
        let bytes: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
        match bytes.filter(|_| rest.is_empty()).map(String::from_utf8) {
            Some(Ok(text)) => Ok(text.into()),
            _ => Err(unreadable(format_args!("column {column} is no text in hexadecimals"))),
        }
    }

    fn opt_ids<const M: usize>(&self, column: usize) -> Sql<Option<[u128; M]>> {
        let (ids, rest) = self.0[column].as_bytes().as_chunks::<32>();
        if ids.is_empty() && rest.is_empty() {
            return Ok(None);
        }
        let mut list = [0; M];
        let read = zip(&mut list, ids).map(|(id, text)| hex_id(text).map(|value| *id = value));
        match read.collect::<Option<Vec<()>>>() {
            Some(_) if ids.len() == M && rest.is_empty() => Ok(Some(list)),
            _ => Err(unreadable(format_args!("column {column} is not {M} ids"))),
        }
    }
}

const fn digit(letter: u8) -> Option<u8> {
    match letter {
        b'0'..=b'9' => Some(letter - b'0'),
        b'A'..=b'F' => Some(letter - b'A' + 10),
        b'a'..=b'f' => Some(letter - b'a' + 10),
        _ => None,
    }
}

/// An id of 32 digits, of which SQLite writes large letters and PostgreSQL small ones.
fn hex_id(text: &[u8; 32]) -> Option<u128> {
    let half = |digits: &[u8]| digits.iter().try_fold(0_u64, |sum, letter| Some(sum << 4 | u64::from(digit(*letter)?)));
    let (high, low) = text.split_at(16);
    Some(u128::from(half(high)?) << 64 | u128::from(half(low)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_taken_apart() {
        let row = Packed::<5>::of(
            "-7\u{1f}0000000000000000000000000000000A8000000000000000000000000000000b\u{1f}\u{1f}E5908d1f\u{1f}{}",
        )
        .unwrap();
        assert_eq!(row.int(0).unwrap(), -7);
        assert_eq!(row.ids::<2>(1).unwrap(), [10, (1 << 127) + 11]);
        assert_eq!((row.opt_int(2).unwrap(), row.opt_id(2).unwrap(), row.opt_text(2).unwrap()), (None, None, None));
        assert_eq!(&*row.free_text(3).unwrap(), "名\u{1f}");
        assert_eq!(row.opt_text(4).unwrap(), Some("{}"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(Packed::<2>::of("1").is_err());
        assert!(Packed::<2>::of("1\u{1f}2\u{1f}3").is_err());
        let row = Packed::<3>::of("0x7\u{1f}0000000000000000000000000000000g\u{1f}E59").unwrap();
        assert!(row.int(0).is_err() && row.natural(2).is_err());
        assert!(row.id(1).is_err() && row.ids::<2>(1).is_err() && row.id(2).is_err());
        assert!(row.free_text(2).is_err() && row.free_text(0).is_err());
    }
}
