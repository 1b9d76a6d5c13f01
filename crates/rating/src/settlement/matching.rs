//! Their lines against our attempts: by attempt, by the cluster's own name of the job, by user and time; then what differs.
//! The same input gives the same lines in the same order. Refuses to know where either side comes from.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use base::{AttemptId, Money};

use super::amounts::divided;
use super::mapping::{LineKind, Mapping, Tolerance};
use super::minimum::{Named, Short};
use super::read::TheirLine;
use super::statement::{Dispute, Line, MatchedBy, Meter, OurLine, Quantity, Twin, Verdict};

/// An attempt of ours that a statement may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ours {
    pub line: OurLine,
    /// It ended within the statement's period: when the statement does not name it, that is told. One from before may be named
    /// late.
    pub due: bool,
    /// The accepted statement that has settled it.
    pub settled_in: Option<u64>,
}

/// Matches and compares. Lines are theirs in the order of the file, then those of ours that theirs do not name, by attempt;
/// numbered from 1, of settlement 0. Lines that did not match are in dispute.
///
/// Lines about shortfalls are matched with `shorts`, and those that theirs do not name come last. What is ours alone is told of what the
/// mapping says that lines may be about.
///
/// `ours` has each attempt once, `shorts` each period.
pub fn matched(theirs: Vec<TheirLine>, mut ours: Vec<Ours>, shorts: &[Short], mapping: &Mapping) -> Vec<Line> {
    ours.sort_unstable_by_key(|o| o.line.attempt);
    let mut pairing = Pairing { taken: vec![None; ours.len()], found: vec![None; theirs.len()] };
    pairing.by_attempt(&theirs, &ours);
    pairing.by_external(&theirs, &ours);
    pairing.by_time(&theirs, &ours, mapping);
    pairing.repeated(&theirs);
    let Pairing { taken, found } = pairing;
    let named = Named::find(&theirs, shorts);
    let mut lines = Vec::with_capacity(theirs.len());
    for (n, (their, found)) in theirs.into_iter().zip(found).enumerate() {
        if their.kind.is_minimum() {
            let line = named.line(n, &their, shorts, &mapping.tolerance);
            lines.push(Line { theirs: Some(their), ..line });
            continue;
        }
        let mut line = blank(Verdict::OnlyTheirs);
        match found {
            Some(Found::Pair(at, by)) => {
                line.by = Some(by);
                line.verdict = match ours[at].settled_in {
                    Some(number) => {
                        line.twin = Some(Twin::Settlement(number));
                        Verdict::Duplicated
                    }
                    None => compare(&ours[at].line, &their, &mapping.tolerance),
                };
                line.ours = Some(ours[at].line.clone());
            }
            Some(Found::Again(first, at)) => {
                (line.verdict, line.twin) = (Verdict::Duplicated, Some(Twin::Line(first as u32 + 1)));
                line.ours = at.map(|at| ours[at].line.clone());
            }
            None => {}
        }
        line.theirs = Some(their);
        lines.push(line);
    }
    let work = mapping.is_about(LineKind::Work);
    let unnamed = |o: &Ours, t: Option<usize>| work && t.is_none() && o.due && o.settled_in.is_none();
    for (one, _) in ours.into_iter().zip(taken).filter(|(o, t)| unnamed(o, *t)) {
        lines.push(Line { ours: Some(one.line), ..blank(Verdict::OnlyOurs) });
    }
    let about = mapping.is_about(LineKind::Minimum);
    let unnamed = |(n, s): &(usize, &Short)| about && s.due && s.settled_in.is_none() && !named.is_named(*n);
    for (_, one) in shorts.iter().enumerate().filter(unnamed) {
        lines.push(Line { short: Some(one.ours), ..blank(Verdict::OnlyOurs) });
    }
    for (number, line) in (1..).zip(&mut lines) {
        line.line = number;
        line.dispute = if line.verdict == Verdict::Matched { Dispute::None } else { Dispute::Open };
    }
    lines
}

pub(super) fn blank(verdict: Verdict) -> Line {
    Line {
        settlement: 0,
        line: 0,
        verdict,
        by: None,
        ours: None,
        short: None,
        theirs: None,
        twin: None,
        dispute: Dispute::Open,
        note: String::new(),
        user: None,
        at: None,
    }
}

/// What became of a line of theirs.
#[derive(Clone, Copy, Debug)]
enum Found {
    Pair(usize, MatchedBy),
    /// The same as an earlier line, and the attempt of ours that both name.
    Again(usize, Option<usize>),
}

/// Who has whom, by place in the two lists.
struct Pairing {
    taken: Vec<Option<usize>>,
    found: Vec<Option<Found>>,
}

impl Pairing {
    fn take(&mut self, their: usize, our: usize, by: MatchedBy) {
        self.found[their] = Some(match self.taken[our] {
            Some(first) => Found::Again(first, Some(our)),
            None => Found::Pair(our, by),
        });
        self.taken[our].get_or_insert(their);
    }

    fn by_attempt(&mut self, theirs: &[TheirLine], ours: &[Ours]) {
        let places: HashMap<AttemptId, usize> = ours.iter().enumerate().map(|(n, o)| (o.line.attempt, n)).collect();
        for (n, their) in theirs.iter().enumerate() {
            if let Some(at) = their.attempt.and_then(|attempt| places.get(&attempt)) {
                self.take(n, *at, MatchedBy::Attempt);
            }
        }
    }

    /// Two clusters may call two jobs the same: then the cluster's name decides, or the best overlap in time; where neither is
    /// told, nothing is matched. A line that names an attempt is not looked at again: it is that attempt or none.
    fn by_external(&mut self, theirs: &[TheirLine], ours: &[Ours]) {
        let mut named: HashMap<&str, Vec<usize>> = HashMap::new();
        for (n, our) in ours.iter().enumerate() {
            if let Some(external) = &our.line.external {
                named.entry(external).or_default().push(n);
            }
        }
        for (n, their) in theirs.iter().enumerate().filter(|(_, t)| t.attempt.is_none()) {
            let Some(places) = their.external.as_deref().and_then(|name| named.get(name)) else { continue };
            let there = |at: &&usize| their.cluster.as_ref().is_none_or(|cluster| *cluster == ours[**at].line.cluster);
            let fitting: Vec<usize> = places.iter().filter(there).copied().collect();
            let best = match fitting[..] {
                [] => None,
                [one] => Some(one),
                _ => fitting
                    .into_iter()
                    .filter_map(|at| Some((overlap(their, &ours[at].line)?, Reverse(at))))
                    .max()
                    .map(|(_, Reverse(at))| at),
            };
            if let Some(at) = best {
                self.take(n, at, MatchedBy::External);
            }
        }
    }

    /// One to one among what is left on both sides, the best pairs first. Elements of an array run side by side, so overlaps
    /// that are alike to a hundredth are told apart by quantity and amount first; what is not settled yet
    /// goes before what is.
    fn by_time(&mut self, theirs: &[TheirLine], ours: &[Ours], mapping: &Mapping) {
        let mut free: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (n, our) in ours.iter().enumerate().filter(|(n, _)| self.taken[*n].is_none()) {
            free.entry(&our.line.user).or_default().push(n);
            free.entry(ANYBODY).or_default().push(n);
        }
        free.values_mut().for_each(|places| places.sort_unstable_by_key(|n| (ours[*n].line.start, *n)));
        let mut pairs = Vec::new();
        for (n, their) in theirs.iter().enumerate() {
            let named = their.attempt.is_some() || self.found[n].is_some();
            let Some((user, end)) = their.user.as_deref().zip(their.end).filter(|_| !named) else { continue };
            let user = mapping.users.get(user).map_or(user, String::as_str);
            for at in free.get(user).into_iter().flatten().copied() {
                let our = &ours[at].line;
                if our.start >= end {
                    break;
                }
                let Some(share) = overlap(their, our).filter(|s| *s >= mapping.overlap_percent_min * OVERLAP_PARTS)
                else {
                    continue;
                };
                let gap = (quantity_gap(our, their), (our.accrued.0.abs_diff(their.amount.0)));
                pairs.push((Reverse(share / OVERLAP_PARTS), ours[at].settled_in, gap, Reverse(share), n, at));
            }
        }
        pairs.sort_unstable();
        for (_, _, _, _, their, our) in pairs {
            if self.found[their].is_none() && self.taken[our].is_none() {
                self.take(their, our, MatchedBy::Time);
            }
        }
    }

    /// What is left of theirs and says the same as an earlier line.
    fn repeated(&mut self, theirs: &[TheirLine]) {
        let mut first: HashMap<TheirLine, usize> = HashMap::new();
        for (n, their) in theirs.iter().enumerate() {
            let same = TheirLine { source: 0, ..their.clone() };
            let known = *first.entry(same).or_insert(n);
            let says_something =
                their.kind.is_work() && (their.external.is_some() || their.attempt.is_some() || their.start.is_some());
            if known < n && self.found[n].is_none() && says_something {
                let at = match self.found[known] {
                    Some(Found::Pair(at, _)) => Some(at),
                    _ => None,
                };
                self.found[n] = Some(Found::Again(known, at));
            }
        }
    }
}

/// The name under which everybody's attempts are kept; no user is called so.
const ANYBODY: &str = "*";
/// Parts of a hundredth in which overlaps are counted.
const OVERLAP_PARTS: u32 = 100;

/// The time both name, as a share of the time that either names, in hundredths of a percent.
fn overlap(their: &TheirLine, our: &OurLine) -> Option<u32> {
    let (start, end) = their.start.zip(their.end)?;
    let both = (end.min(our.end) - start.max(our.start)).as_micros();
    let either = (end.max(our.end) - start.min(our.start)).as_micros();
    if both < 0 {
        return Some(0);
    }
    if either == 0 {
        return Some(100 * OVERLAP_PARTS);
    }
    u32::try_from(i128::from(both) * i128::from(100 * OVERLAP_PARTS) / i128::from(either)).ok()
}

fn of(quantities: &[Quantity], meter: Meter) -> i64 {
    quantities.iter().find(|q| q.meter == meter).map_or(0, |q| q.micros)
}

fn quantity_gap(our: &OurLine, their: &TheirLine) -> u128 {
    their.quantities.iter().map(|q| u128::from(q.micros.abs_diff(of(&our.quantities, q.meter)))).sum()
}

/// The same within the tolerance: `|a − b| <= max(absolute, |a| × per mille)`.
pub(super) fn near(ours: i64, theirs: i64, absolute: i64, per_mille: i64) -> bool {
    let gap = i128::from(ours.abs_diff(theirs));
    gap <= i128::from(absolute) || gap * 1_000 <= i128::from(ours.unsigned_abs()) * i128::from(per_mille)
}

/// Compares quantities, and the amount with what we would owe at our price: for their quantity, or for ours where the two count
/// as the same. Quantities that a statement does not give are not compared.
fn compare(our: &OurLine, their: &TheirLine, tolerance: &Tolerance) -> Verdict {
    let Tolerance { amount: Money(absolute), quantity_milli_hours, per_mille } = *tolerance;
    let same = |q: &Quantity| {
        near(of(&our.quantities, q.meter), q.micros, quantity_milli_hours.saturating_mul(3_600_000), per_mille)
    };
    let (accrued, claimed) = (our.accrued.0, their.amount.0);
    let quantity = !their.quantities.iter().all(same);
    let priced = |expected: i64| near(expected, claimed, absolute, per_mille);
    // Cards before nodes before cores: where a machine has cards they are what is paid for.
    let leading = [Meter::Card, Meter::Node, Meter::Core].into_iter().find_map(|meter| {
        Some((their.quantities.iter().find(|q| q.meter == meter)?.micros, of(&our.quantities, meter)))
    });
    let at_theirs = leading.map(|(theirs, ours)| match ours {
        0 => None,
        _ => divided(i128::from(accrued) * i128::from(theirs), i128::from(ours)),
    });
    let price = match at_theirs {
        // Nothing of ours to take a price from.
        Some(None) => !quantity && !priced(accrued),
        Some(Some(expected)) => !priced(expected) && (quantity || !priced(accrued)),
        None => !priced(accrued),
    };
    match (quantity, price) {
        (false, false) => Verdict::Matched,
        (true, false) => Verdict::Quantity,
        (false, true) => Verdict::Price,
        (true, true) => Verdict::QuantityAndPrice,
    }
}
