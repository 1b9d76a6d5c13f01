//! Patterns of files in a work folder: which results are to be kept. Pure text; knows no file system.

/// Longest pattern, in bytes: as a path of the file space.
pub const PATTERN_BYTES_MAX: usize = 1_024;
/// Patterns of one job.
pub const PATTERNS_MAX: usize = 32;

/// Why a text is no pattern: it must be a relative path without `.`, `..`, empty parts and control characters.
pub fn fault(pattern: &str) -> Option<&'static str> {
    if pattern.is_empty() {
        return Some("name a file or a pattern, such as `out/*.vtk`");
    }
    if pattern.len() > PATTERN_BYTES_MAX {
        return Some("a pattern has at most 1024 bytes");
    }
    if pattern.chars().any(char::is_control) {
        return Some("control characters are not accepted");
    }
    if pattern.starts_with('/') {
        return Some("patterns begin in the job's work folder, without a `/` before");
    }
    let parts: Vec<&str> = pattern.split('/').collect();
    if parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
        return Some("empty parts, `.` and `..` are not accepted");
    }
    // Each of them multiplies the ways to match.
    if parts.iter().filter(|part| **part == "**").count() > 2 {
        return Some("`**` may stand in it twice");
    }
    None
}

/// Whether a pattern means the file at `path`, both relative to the work folder. In a part `*` is any text and `?` one character;
/// `**` is any number of folders. A pattern that means a folder means every file below it.
pub fn matches(pattern: &str, path: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    parts(&pattern, &path)
}

fn parts(pattern: &[&str], path: &[&str]) -> bool {
    match pattern.split_first() {
        // What is left of the path lies below the folder that the pattern means.
        None => true,
        Some((&"**", [])) => !path.is_empty(),
        Some((&"**", rest)) => (0..path.len()).any(|skipped| parts(rest, &path[skipped..])),
        Some((first, rest)) => path.split_first().is_some_and(|(name, below)| part(first, name) && parts(rest, below)),
    }
}

/// One name; goes back to the last `*` only, so that it takes no longer than pattern times name.
fn part(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match &mut star {
                Some((at, from)) => {
                    *from += 1;
                    (p, n) = (*at + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_files_and_folders() {
        for (pattern, path, means) in [
            ("out.txt", "out.txt", true),
            ("out.txt", "out.txt2", false),
            ("out", "out/deep/file", true),
            ("out/*", "out/a", true),
            ("out/*", "other/a", false),
            ("*.vtk", "a.vtk", true),
            ("*.vtk", "deep/a.vtk", false),
            ("**/*.vtk", "a.vtk", true),
            ("**/*.vtk", "deep/er/a.vtk", true),
            ("**/*.vtk", "deep/er/a.vtu", false),
            ("**", "any/thing", true),
            ("a/**/b/**/c", "a/x/b/y/z/c", true),
            ("a/**/b/**/c", "a/x/y/z/c", false),
            ("step-??.log", "step-07.log", true),
            ("step-??.log", "step-7.log", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("日本*", "日本 🎉", true),
            ("[a]*", "[a]b", true),
            ("a", "b/a", false),
        ] {
            assert_eq!(matches(pattern, path), means, "{pattern} {path}");
        }
        let long = "a".repeat(200);
        assert!(!matches(&"*a".repeat(100), &format!("{long}b")), "and it ends");
    }

    #[test]
    fn only_relative_patterns_are_patterns() {
        for good in ["a", "a/b*", "**/x", "日本 🎉", "$(x)", "..a"] {
            assert_eq!(fault(good), None, "{good}");
        }
        for bad in ["", "/a", "../a", "a/../b", "a//b", "a/", "./a", "a\nb", "**/**/**", &"x".repeat(1_025)] {
            assert!(fault(bad).is_some(), "{bad}");
        }
    }
}
