//! Slurm's host lists, read by ourselves: `n[1-3,7],m2`, `a[01-03]-ib`, `r[0-1]n[0-3]`. Asking `scontrol show hostnames` would
//! cost a process per list. Refuses to know: which nodes exist.

use std::collections::{BTreeMap, BTreeSet};

/// Most names that one list may stand for: ten times the largest cluster that Slurm itself is built for (65,533 nodes).
pub const HOSTS_MAX: usize = 655_330;

/// Why a text is no host list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostlistError {
    #[error("a bracket is not closed")]
    Open,
    #[error("a range that is none")]
    Range,
    #[error("more than {HOSTS_MAX} names")]
    TooMany,
}

/// The names a list stands for, in its order. What Slurm prints where there are no nodes gives no names: nothing, `(null)`,
/// `None`, `None assigned`, `N/A`.
///
/// # Errors
/// [`HostlistError`] for a text that is none.
pub fn expand(list: &str) -> Result<Vec<String>, HostlistError> {
    let list = list.trim();
    let mut names = Vec::new();
    if matches!(list, "" | "(null)" | "None" | "None assigned" | "N/A" | "n/a") {
        return Ok(names);
    }
    for item in items(list)? {
        expand_item(item, &mut names)?;
    }
    Ok(names)
}

/// The parts between commas that stand outside brackets.
fn items(list: &str) -> Result<Vec<&str>, HostlistError> {
    let (mut items, mut begin, mut inside) = (Vec::new(), 0, false);
    for (at, byte) in list.bytes().enumerate() {
        match byte {
            b'[' if inside => return Err(HostlistError::Open),
            b']' if !inside => return Err(HostlistError::Open),
            b'[' | b']' => inside = byte == b'[',
            b',' if !inside => {
                items.push(&list[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err(HostlistError::Open);
    }
    items.push(&list[begin..]);
    items.retain(|item| !item.is_empty());
    Ok(items)
}

/// One item: plain text and brackets in turn, each bracket multiplying what stands before it.
fn expand_item(item: &str, names: &mut Vec<String>) -> Result<(), HostlistError> {
    let mut found = vec![String::new()];
    let mut rest = item;
    while let Some(open) = rest.find('[') {
        let close = rest[open..].find(']').ok_or(HostlistError::Open)? + open;
        let numbers = ranges(&rest[open + 1..close], HOSTS_MAX / found.len())?;
        let plain = &rest[..open];
        found = found
            .iter()
            .flat_map(|begun| numbers.iter().map(move |number| format!("{begun}{plain}{number}")))
            .collect();
        rest = &rest[close + 1..];
    }
    for name in &mut found {
        name.push_str(rest);
    }
    if names.len() + found.len() > HOSTS_MAX {
        return Err(HostlistError::TooMany);
    }
    names.append(&mut found);
    Ok(())
}

/// `1-3,07` as texts; a range keeps the width of its first number.
fn ranges(text: &str, most: usize) -> Result<Vec<String>, HostlistError> {
    let mut numbers = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let digits = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(first) || !digits(last) {
            return Err(HostlistError::Range);
        }
        let (from, to): (u64, u64) = match (first.parse(), last.parse()) {
            (Ok(from), Ok(to)) if from <= to => (from, to),
            _ => return Err(HostlistError::Range),
        };
        if to - from >= (most - numbers.len().min(most)) as u64 {
            return Err(HostlistError::TooMany);
        }
        let width = first.len();
        numbers.extend((from..=to).map(|number| format!("{number:0width$}")));
    }
    Ok(numbers)
}

/// The shortest list we can make of names: those that differ only in their last number share brackets. For options with
/// many nodes; Slurm reads it back as the same set.
pub fn compress<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    // (what stands before the number, its width where it is padded, what follows) -> numbers
    let mut families: BTreeMap<(&str, usize, &str), BTreeSet<u64>> = BTreeMap::new();
    let mut single: BTreeSet<&str> = BTreeSet::new();
    for name in names {
        match last_number(name) {
            Some((before, digits, after)) => {
                let width = if digits.starts_with('0') { digits.len() } else { 0 };
                let number = digits.parse().unwrap_or_default();
                families.entry((before, width, after)).or_default().insert(number);
            }
            None => _ = single.insert(name),
        }
    }
    let mut parts: Vec<String> = single.into_iter().map(str::to_owned).collect();
    for ((before, width, after), numbers) in families {
        parts.push(family(before, width, after, &numbers));
    }
    parts.join(",")
}

fn family(before: &str, width: usize, after: &str, numbers: &BTreeSet<u64>) -> String {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let range = |&(from, to): &(u64, u64)| {
        if from == to { format!("{from:0width$}") } else { format!("{from:0width$}-{to:0width$}") }
    };
    match ranges.as_slice() {
        [one] if one.0 == one.1 => format!("{before}{}{after}", range(one)),
        many => format!("{before}[{}]{after}", many.iter().map(range).collect::<Vec<_>>().join(",")),
    }
}

/// A name cut around its last number; `None` where there is none, or one too long to count with.
fn last_number(name: &str) -> Option<(&str, &str, &str)> {
    let end = name.rfind(|c: char| c.is_ascii_digit())? + 1;
    let begin = name[..end]
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |at| at + name[at..].chars().next().map_or(1, char::len_utf8));
    // 18 digits always fit into 64 bits.
    (end - begin <= 18).then(|| (&name[..begin], &name[begin..end], &name[end..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(list: &str, names: &[&str]) {
        assert_eq!(expand(list).unwrap(), names, "{list}");
    }

    #[test]
    fn lists_of_every_shape_are_read() {
        check("n1", &["n1"]);
        check("n[1-3,7],m2", &["n1", "n2", "n3", "n7", "m2"]);
        check("a[01-03]-ib", &["a01-ib", "a02-ib", "a03-ib"]);
        check("r[0-1]n[8-10]", &["r0n8", "r0n9", "r0n10", "r1n8", "r1n9", "r1n10"]);
        check("x[099-101]", &["x099", "x100", "x101"]);
        for none in ["", "(null)", "None assigned", "N/A"] {
            check(none, &[]);
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for (text, fault) in [
            ("n[1-3", HostlistError::Open),
            ("n1]", HostlistError::Open),
            ("n[1[2]]", HostlistError::Open),
            ("n[3-1]", HostlistError::Range),
            ("n[a-b]", HostlistError::Range),
            ("n[]", HostlistError::Range),
            ("n[0-99999999]", HostlistError::TooMany),
            ("n[0-999]m[0-999]", HostlistError::TooMany),
        ] {
            assert_eq!(expand(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn names_share_brackets() {
        assert_eq!(compress(["n3", "n1", "n2", "login", "n7", "a01-ib", "a02-ib"]), "login,a[01-02]-ib,n[1-3,7]");
        assert_eq!(compress([]), "");
    }

    proptest! {
        #[test]
        fn compressed_names_are_the_same_set(
            names in prop::collection::btree_set("[a-z]{1,3}(-?[0-9]{1,4}){0,2}(-ib)?", 0..40)
        ) {
            let list = compress(names.iter().map(String::as_str));
            let back: BTreeSet<String> = expand(&list).unwrap().into_iter().collect();
            prop_assert_eq!(back, names, "{}", list);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[a-z0-9,\\[\\]\u{1f71a}-]{0,40}") {
            let _ = expand(&text);
        }
    }
}
