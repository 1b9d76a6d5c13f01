//! Slurm's words for nodes as the platform's three states.

use model::NodeState;

/// Marks behind a state in `sinfo`'s and `scontrol`'s compact spelling, and the flags they stand for.
const MARKS: [(char, &str); 9] = [
    ('*', "NOT_RESPONDING"),
    ('~', "POWERED_DOWN"),
    ('#', "POWERING_UP"),
    ('%', "POWERING_DOWN"),
    ('!', "POWER_DOWN"),
    ('$', "MAINT"),
    ('@', "REBOOT_REQUESTED"),
    ('^', "REBOOT_ISSUED"),
    ('-', "PLANNED"),
];

/// What a node's base state and flags (`IDLE+DRAIN`, `MIXED*`, `down~`) mean for placement. `in_reservation`: a reservation is
/// known that holds this node: who may use it until when is placement's to judge, and the node itself is up.
///
/// A node that does not answer the controller keeps its work and gets nothing new: it is `Drained` until Slurm itself calls
/// it down. One that was powered down to save energy is `Up`: Slurm wakes it for the job. A base state that nobody knows
/// counts as `Drained`.
pub fn node_state(text: &str, in_reservation: bool) -> NodeState {
    let mut flags: Vec<String> = Vec::new();
    let mut base = String::new();
    for (i, part) in text.split('+').enumerate() {
        let mut word = part.trim();
        while let Some((mark, flag)) = MARKS.iter().find(|(mark, _)| word.ends_with(*mark)) {
            flags.push((*flag).to_owned());
            word = word.strip_suffix(*mark).unwrap_or_default();
        }
        let word = word.to_ascii_uppercase();
        if i == 0 { base = word } else { flags.push(word) }
    }
    let has = |flag: &str| base == flag || flags.iter().any(|f| f == flag);
    if ["DOWN", "ERROR", "FUTURE", "UNKNOWN"].contains(&base.as_str()) || has("REBOOT_ISSUED") {
        return NodeState::Down;
    }
    let closed = [
        "DRAIN",
        "DRAINED",
        "DRAINING",
        "FAIL",
        "FAILING",
        "NOT_RESPONDING",
        "NO_RESPOND",
        "INVAL",
        "INVALID_REG",
        "POWERING_DOWN",
        "BLOCKED",
    ];
    let kept = ["RESERVED", "RESV", "MAINT"].iter().any(|flag| has(flag));
    if closed.iter().any(|flag| has(flag)) || kept && !in_reservation {
        return NodeState::Drained;
    }
    match base.as_str() {
        "IDLE" | "MIXED" | "MIX" | "ALLOCATED" | "ALLOC" | "COMPLETING" | "COMP" | "RESERVED" | "RESV" | "MAINT"
        | "PLANNED" | "POWERED_DOWN" | "POWERING_UP" | "POWER_UP" | "POWER_DOWN" | "REBOOT_REQUESTED" | "REBOOT" => {
            NodeState::Up
        }
        _ => NodeState::Drained,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slurms_words_for_nodes() {
        use NodeState::{Down, Drained, Up};
        for (text, want) in [
            ("IDLE", Up),
            ("MIXED", Up),
            ("ALLOCATED+COMPLETING", Up),
            ("IDLE+CLOUD+POWERED_DOWN", Up),
            ("idle~", Up),
            ("idle#", Up),
            ("IDLE+PLANNED", Up),
            ("idle-", Up),
            ("IDLE+DRAIN", Drained),
            ("ALLOCATED+DRAIN", Drained),
            ("drng", Drained),
            ("drained*", Drained),
            ("IDLE+NOT_RESPONDING", Drained),
            ("mixed*", Drained),
            ("IDLE+MAINT", Drained),
            ("maint", Drained),
            ("IDLE+FAIL", Drained),
            ("IDLE+RESERVED", Drained),
            ("resv", Drained),
            ("IDLE+INVALID_REG", Drained),
            ("DOWN", Down),
            ("down*", Down),
            ("DOWN+DRAIN", Down),
            ("DOWN*+POWERED_DOWN", Down),
            ("FUTURE", Down),
            ("UNKNOWN+NOT_RESPONDING", Down),
            ("IDLE+REBOOT_ISSUED", Down),
            ("HIBERNATING", Drained),
            ("", Drained),
        ] {
            assert_eq!(node_state(text, false), want, "{text}");
        }
        assert_eq!(node_state("IDLE+RESERVED", true), Up);
        assert_eq!(node_state("IDLE+RESERVED+DRAIN", true), Drained);
    }
}
