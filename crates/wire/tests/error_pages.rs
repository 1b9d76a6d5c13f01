//! The page of error codes has a heading for each code, which is its anchor, and says the same of it as the code does.

use wire::ErrorCode;

const PAGE: &str = include_str!("../../../docs/errors.md");

/// The words below the heading of a code, up to the next heading.
fn section(code: ErrorCode) -> Option<&'static str> {
    let (_, rest) = PAGE.split_once(&format!("\n## {code}\n"))?;
    Some(rest.split("\n## ").next().unwrap_or(rest))
}

#[test]
fn every_code_has_its_section() {
    for code in ErrorCode::ALL {
        let text = section(*code).unwrap_or_else(|| panic!("docs/errors.md lacks the heading `## {code}`"));
        let facts = text.trim_start().lines().next().unwrap_or_default();
        for fact in [format!("HTTP {} ", code.status()), format!(" {} ", code.title()), format!(" {}", code.title_zh())]
        {
            assert!(facts.contains(&fact), "docs/errors.md, {code}: `{fact}` is missing in `{facts}`");
        }
        assert!(text.contains("\n*Next:* "), "docs/errors.md, {code}: what to do next is missing");
    }
}

#[test]
fn no_section_is_of_a_code_that_is_gone() {
    let named: Vec<&str> = PAGE.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(named, ErrorCode::ALL.iter().map(|code| code.as_str()).collect::<Vec<_>>());
}
