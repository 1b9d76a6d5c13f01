//! Jobs as Slurm's users name them: `12`, `12_3`, `12_[1-3,7]`, also our own `job_…`. Pure text.

/// Elements that one word may name; the size of the largest array.
const ELEMENTS_MAX: usize = 10_000;

/// Why a word names no job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdFault {
    #[error("Invalid job id {0}")]
    NotAJob(String),
    #[error("`{0}` names more than {ELEMENTS_MAX} elements")]
    TooMany(String),
}

/// The names the API knows (`12`, `12_3`, `job_…`) of what `word` names.
pub fn expand(word: &str) -> Result<Vec<String>, IdFault> {
    let bad = || IdFault::NotAJob(word.chars().take(64).collect());
    let number =
        |text: &str| text.parse::<u32>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit())).ok_or_else(bad);
    if word.parse::<base::JobId>().is_ok() {
        return Ok(vec![word.into()]);
    }
    // A step or the batch part of a job (`12.batch`) is the job here.
    let bare = word.split('.').next().unwrap_or(word);
    let Some((root, element)) = bare.split_once('_') else {
        return Ok(vec![number(bare)?.to_string()]);
    };
    let root = number(root)?;
    let Some(inside) = element.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        return Ok(vec![format!("{root}_{}", number(element)?)]);
    };
    let mut names = Vec::new();
    // A limit on running elements (`%4`) is part of how squeue shows pending ones.
    for range in inside.split('%').next().unwrap_or("").split(',') {
        let (range, step) = match range.split_once(':') {
            Some((range, step)) => (range, number(step)?.max(1)),
            None => (range, 1),
        };
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(bad());
        }
        if ((last - first) / step) as usize + names.len() >= ELEMENTS_MAX {
            return Err(IdFault::TooMany(word.chars().take(64).collect()));
        }
        names.extend((first..=last).step_by(step as usize).map(|index| format!("{root}_{index}")));
    }
    Ok(names)
}

/// Every word of `words`, each perhaps a list by commas outside brackets.
pub fn expand_all<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Vec<String>, IdFault> {
    let mut names = Vec::new();
    for word in words.into_iter().flat_map(split_list) {
        names.extend(expand(word)?);
    }
    Ok(names)
}

fn split_list(text: &str) -> Vec<&str> {
    let mut depth = 0i32;
    text.split(move |c: char| {
        depth += i32::from(c == '[') - i32::from(c == ']');
        c == ',' && depth == 0
    })
    .map(str::trim)
    .filter(|word| !word.is_empty())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_jobs() {
        for (words, names) in [
            ("12", "12"),
            ("12_3", "12_3"),
            ("12_[1-3,7]", "12_1 12_2 12_3 12_7"),
            ("12_[0-8:4%2]", "12_0 12_4 12_8"),
            ("1,2_[3,4],5", "1 2_3 2_4 5"),
            ("12.batch", "12"),
            ("job_0192f000000070008000000000000001", "job_0192f000000070008000000000000001"),
        ] {
            assert_eq!(expand_all([words]).map(|n| n.join(" ")), Ok(names.into()), "{words}");
        }
        for word in ["x", "-1", "12_", "12_[3-1]", "12_[", "12_[]", "12_x", "99999999999", "job_1", "+1"] {
            assert!(matches!(expand(word), Err(IdFault::NotAJob(_))), "{word}");
        }
        assert!(matches!(expand("1_[0-4000000]"), Err(IdFault::TooMany(_))));
    }
}
