//! Slurm's short form of many host names: `n[01-03,07],gpu-1`. Pure text.

use std::collections::BTreeMap;

/// The name cut before its last run of digits: (`gpu-`, 3 digits wide, 7, `.lan`); no digits: no number.
fn split(name: &str) -> (&str, Option<(usize, u64)>, &str) {
    let Some(last) = name.rfind(|c: char| c.is_ascii_digit()) else { return (name, None, "") };
    let first = name[..=last]
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |at| at + name[at..].chars().next().map_or(1, char::len_utf8));
    match name[first..=last].parse() {
        Ok(number) => (&name[..first], Some((last + 1 - first, number)), &name[last + 1..]),
        Err(_) => (name, None, ""),
    }
}

/// Compresses names; equal ones count once, the order is that of the first of each group by name.
pub fn compress<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    // Group: what stands before the number, behind it, and how wide it is written when it has leading zeros (else 0).
    let mut groups: BTreeMap<(&str, &str, usize), Vec<u64>> = BTreeMap::new();
    let mut alone: Vec<&str> = Vec::new();
    for name in names {
        match split(name) {
            (before, Some((width, number)), after) => {
                let padded = if number.to_string().len() < width { width } else { 0 };
                groups.entry((before, after, padded)).or_default().push(number);
            }
            _ => alone.push(name),
        }
    }
    join_padded(&mut groups);
    alone.sort_unstable();
    alone.dedup();
    let mut out: Vec<String> = alone.into_iter().map(String::from).collect();
    for ((before, after, width), mut numbers) in groups {
        numbers.sort_unstable();
        numbers.dedup();
        out.push(match numbers[..] {
            [one] => format!("{before}{one:0width$}{after}"),
            _ => format!("{before}[{}]{after}", ranges(&numbers, width)),
        });
    }
    out.join(",")
}

/// `n09` and `n10` are one group of width 2: a number without leading zeros joins the padded group of its own width.
fn join_padded(groups: &mut BTreeMap<(&str, &str, usize), Vec<u64>>) {
    let padded: Vec<_> = groups.keys().filter(|key| key.2 > 0).copied().collect();
    for (before, after, width) in padded {
        let Some(plain) = groups.get_mut(&(before, after, 0)) else { continue };
        let (fits, rest): (Vec<u64>, Vec<u64>) = plain.iter().partition(|n| n.to_string().len() == width);
        *plain = rest;
        groups.entry((before, after, width)).or_default().extend(fits);
    }
    groups.retain(|_, numbers| !numbers.is_empty());
}

/// `1-3,7` for sorted, distinct numbers, each at least `width` digits wide.
pub fn ranges(numbers: &[u64], width: usize) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut rest = numbers;
    while let [first, ..] = rest {
        let run = rest.iter().zip(*first..).take_while(|(number, expected)| *number == expected).count();
        out.push(match run {
            1 => format!("{first:0width$}"),
            _ => format!("{first:0width$}-{:0width$}", rest[run - 1]),
        });
        rest = &rest[run..];
    }
    out.join(",")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_compressed() {
        for (names, short) in [
            ("", ""),
            ("localhost", "localhost"),
            ("n1 n2 n3 n7", "n[1-3,7]"),
            ("n1 n3", "n[1,3]"),
            ("n08 n09 n10 n11", "n[08-11]"),
            ("n9 n10 n010", "n[9-10],n010"),
            ("a b a", "a,b"),
            ("gpu-1.lan gpu-2.lan cpu", "cpu,gpu-[1-2].lan"),
            ("渠1 渠2", "渠[1-2]"),
            ("x99999999999999999999999", "x99999999999999999999999"),
        ] {
            assert_eq!(compress(names.split_whitespace()), short, "{names}");
        }
    }

    /// The other direction, written for the test alone: one bracket per name.
    fn expand(text: &str) -> BTreeSet<String> {
        let mut out = BTreeSet::new();
        let mut rest = text;
        while !rest.is_empty() {
            let bracket = rest.find('[').filter(|at| !rest[..*at].contains(','));
            let end = match bracket {
                Some(_) => rest
                    .find(']')
                    .map_or(rest.len(), |close| rest[close..].find(',').map_or(rest.len(), |at| close + at)),
                None => rest.find(',').unwrap_or(rest.len()),
            };
            let item = &rest[..end];
            match item.split_once('[') {
                None => drop(out.insert(item.to_string())),
                Some((before, inside)) => {
                    let (inside, after) = inside.split_once(']').unwrap();
                    for range in inside.split(',') {
                        let (a, b) = range.split_once('-').unwrap_or((range, range));
                        let width = a.len();
                        for n in a.parse::<u64>().unwrap()..=b.parse::<u64>().unwrap() {
                            out.insert(format!("{before}{n:0width$}{after}"));
                        }
                    }
                }
            }
            rest = rest[end..].trim_start_matches(',');
        }
        out
    }

    proptest! {
        #[test]
        fn nothing_is_lost(names in proptest::collection::btree_set("[a-b]{1,2}-?0{0,2}[0-9]{1,2}(\\.x)?", 0..40)) {
            let short = compress(names.iter().map(String::as_str));
            prop_assert_eq!(expand(&short), names, "{}", short);
        }
    }
}
