//! Texts of tenants made fit for places where Slurm shows them: one line, bounded, without a sign that its lists use.

use model::Order;

/// Characters of a comment: the key, three names of 40, a job's name, and a line of the tenant's own.
const COMMENT_CHARS_MAX: usize = 512;
/// Characters of it that the job's name may take.
const NAME_CHARS_MAX: usize = 128;

/// `KEY tenant/project/user name: comment`.
pub fn comment(key: &str, order: &Order) -> String {
    let name = crate::states::short(&order.spec.name, NAME_CHARS_MAX);
    let mut text = format!("{key} {}/{}/{} {name}", order.tenant, order.project, order.user);
    if let Some(own) = order.spec.comment.as_deref().filter(|own| !own.is_empty()) {
        text.push_str(": ");
        text.push_str(own);
    }
    let text: String = text.chars().map(harmless).collect();
    crate::states::short(text.trim(), COMMENT_CHARS_MAX)
}

/// Control characters, the bar between the columns of Slurm's lists, and the invisible signs that turn text around.
fn harmless(c: char) -> char {
    match c {
        '|' => '/',
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => ' ',
        c if c.is_control() => ' ',
        c => c,
    }
}

/// A name as one part of a path: never empty, hidden, or more than one part.
pub fn part(name: &str) -> String {
    let safe: String =
        name.chars().map(|c| if c.is_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' }).collect();
    match safe.strip_prefix('.') {
        Some(rest) => format!("_{rest}"),
        None if safe.is_empty() => "_".into(),
        None => safe,
    }
}
