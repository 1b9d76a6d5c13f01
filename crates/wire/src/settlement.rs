//! Settling with suppliers: the mapping of a statement, what came of matching it, disputes, acceptance, payments.

use std::collections::BTreeMap;

use base::{AttemptId, SupplierId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::common::{MoneyText, TimeText};
use crate::words::{DisputeState, LineKind, LineResolution, LineVerdict, LinesOnly, MatchedBy, Meter, SettlementState};

fn comma() -> String {
    ",".into()
}
fn point() -> String {
    ".".into()
}
fn standard() -> String {
    "standard".into()
}
fn greenwich() -> String {
    "+00:00".into()
}
const fn yes() -> bool {
    true
}
const fn half() -> u32 {
    50
}

const fn work() -> LineKind {
    LineKind::Work
}
fn is_work(kind: &LineKind) -> bool {
    *kind == LineKind::Work
}

/// Which column is what: a heading, or `#3` for the third column. Something to match work by is needed (`attempt`, or `job`, or
/// `user`, `start` and `end`), and `amount`, or `price` with a quantity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StatementColumns {
    /// What a line is about, in words of the supplier's that `kinds` explains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The attempt's id, or the name or comment that its job has on the cluster, which carries it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<String>,
    /// What the cluster calls the job: a Slurm job number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Name of the cluster, where several of the supplier's number their jobs alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// What is owed for the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// Of one unit of the quantity; used where there is no amount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    /// Column by unit: `core_hours`, `card_hours`, `node_hours`, or the same in minutes or seconds.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub quantity: BTreeMap<String, String>,
}

/// How numbers are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatementNumbers {
    /// `.` or `,`.
    #[serde(default = "point")]
    pub decimal: String,
    /// Between groups of three digits; empty: none.
    #[serde(default)]
    pub thousands: String,
    /// Texts taken away before a number is read: `¥`, `元`.
    #[serde(default)]
    pub strip: Vec<String>,
}

impl Default for StatementNumbers {
    fn default() -> Self {
        Self { decimal: point(), thousands: String::new(), strip: Vec::new() }
    }
}

/// How times are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatementTimes {
    /// `standard` (RFC 3339, or seconds since 1970), or a pattern of `YYYY`, `MM`, `DD`, `hh`, `mm`, `ss` and `f`.
    #[serde(default = "standard")]
    pub format: String,
    /// Of times by a pattern, from UTC: `+08:00`.
    #[serde(default = "greenwich")]
    pub offset: String,
}

impl Default for StatementTimes {
    fn default() -> Self {
        Self { format: standard(), offset: greenwich() }
    }
}

/// By how much two values may differ and still count as the same: the larger of the two bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StatementTolerance {
    pub amount: MoneyText,
    /// Thousandths of a core-hour, card-hour or node-hour.
    pub quantity_milli_hours: u32,
    /// Thousandths of our own value.
    #[schema(maximum = 999)]
    pub per_mille: u32,
}

/// A line that is none of the statement's: its column has this text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatementSkip {
    pub column: String,
    pub text: String,
}

/// What a supplier's file is and how it is to be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatementMapping {
    /// Name or id of the supplier.
    pub supplier: String,
    /// The supplier's own number of the statement; with the supplier it is taken in once.
    #[schema(min_length = 1, max_length = 100)]
    pub statement: String,
    /// The period: work that ended after `from` and not after `to`.
    pub from: TimeText,
    pub to: TimeText,
    #[schema(pattern = "^[A-Z]{3}$")]
    pub currency: String,
    #[serde(default = "comma")]
    pub delimiter: String,
    /// Lines before the headings (before the first line where there are none).
    #[serde(default)]
    pub skip_first: u32,
    /// Lines at the end: totals, signatures.
    #[serde(default)]
    pub skip_last: u32,
    #[serde(default)]
    pub skip: Vec<StatementSkip>,
    /// Whether the first line has headings.
    #[serde(default = "yes")]
    pub headings: bool,
    pub columns: StatementColumns,
    /// What lines are about whose word `kinds` does not have; all of them where there is no column of the kind. Lines about a minimum
    /// purchase are matched with the shortfall accrued for the period that their `start` and `end` name, else for one that ended
    /// within the statement's.
    #[serde(default = "work", skip_serializing_if = "is_work")]
    pub kind: LineKind,
    /// Their words in the column of the kind, and what such a line is about.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<String, LineKind>,
    #[serde(default)]
    pub numbers: StatementNumbers,
    #[serde(default)]
    pub times: StatementTimes,
    /// What is owed is written with a minus.
    #[serde(default)]
    pub negative: bool,
    /// Their name of a user to ours; `*` for work of anybody. Names that are not here count as they are.
    #[serde(default)]
    pub users: BTreeMap<String, String>,
    #[serde(default)]
    pub tolerance: StatementTolerance,
    /// No pair by user and time that has less than this share of its time in common, in percent.
    #[serde(default = "half")]
    #[schema(minimum = 1, maximum = 100)]
    pub overlap_percent_min: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatementImport {
    pub mapping: StatementMapping,
    /// The whole file.
    pub csv: String,
    /// The mapping is kept for the supplier's next statement, in place of the one that was.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep: bool,
}

/// How a supplier's statements are read, as it was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeptMapping {
    /// Our number of the settlement with which it was kept.
    pub settlement: u64,
    /// `statement`, `from` and `to` are those of that settlement.
    pub mapping: StatementMapping,
}

/// Lines that came out one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettlementSums {
    pub verdict: LineVerdict,
    pub lines: u32,
    /// What we accrued for the attempts that these lines stand for.
    pub ours: MoneyText,
    pub theirs: MoneyText,
    /// Theirs less ours.
    pub difference: MoneyText,
}

/// A supplier's statement that was taken in, without its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Settlement {
    /// Ours, counted from 1.
    pub number: u64,
    #[schema(value_type = String)]
    pub supplier: SupplierId,
    pub supplier_name: String,
    pub statement: String,
    pub from: TimeText,
    pub to: TimeText,
    pub currency: String,
    pub state: SettlementState,
    pub lines: u32,
    /// Lines in dispute; it is accepted when there are none.
    pub open: u32,
    /// One for each verdict that occurs; `theirs` of all of them is the statement's total.
    pub sums: Vec<SettlementSums>,
    pub ours: MoneyText,
    pub theirs: MoneyText,
    pub imported_at: TimeText,
    pub accepted_at: Option<TimeText>,
    /// Of an accepted one: the accrual it cleared, what is owed by it, what it came to beyond the accrual, and what was paid.
    pub cleared: Option<MoneyText>,
    pub payable: Option<MoneyText>,
    pub difference: Option<MoneyText>,
    pub paid: Option<MoneyText>,
}

/// A quantity as both sides have it, in hours with six places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineQuantity {
    pub meter: Meter,
    pub ours_hours: Option<String>,
    pub theirs_hours: Option<String>,
}

/// One line: theirs, ours, or both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettlementLine {
    pub line: u32,
    /// Line of the supplier's file.
    pub source: Option<u32>,
    /// Work, or the shortfall behind a minimum purchase; of the latter `start` and `end` are the period.
    #[serde(default = "work")]
    pub kind: LineKind,
    pub verdict: LineVerdict,
    pub matched_by: Option<MatchedBy>,
    #[schema(value_type = Option<String>)]
    pub attempt: Option<AttemptId>,
    /// Number of our job.
    pub job: Option<u64>,
    /// What the cluster calls it.
    pub external: Option<String>,
    pub cluster: Option<String>,
    /// Ours where we know it, else theirs.
    pub user: Option<String>,
    pub start: Option<TimeText>,
    pub end: Option<TimeText>,
    pub quantities: Vec<LineQuantity>,
    /// What we accrued.
    pub ours: Option<MoneyText>,
    /// What they ask for.
    pub theirs: Option<MoneyText>,
    /// What is owed; `null` while it is in dispute.
    pub agreed: Option<MoneyText>,
    /// Of a duplicate: the line of this statement, or the settlement, that has the attempt already.
    pub twin_line: Option<u32>,
    pub twin_settlement: Option<u64>,
    pub dispute: DisputeState,
    /// Why, and who and when, of the last change of the dispute.
    pub note: String,
    pub by: Option<String>,
    pub at: Option<TimeText>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LinesQuery {
    /// Those that differ, or those in dispute; all when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub only: Option<LinesOnly>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What becomes of the dispute about lines. `open` begins one; the others end it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinesResolve {
    /// Numbers of lines; empty: all lines in dispute with `verdict`.
    #[serde(default)]
    pub lines: Vec<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<LineVerdict>,
    pub resolution: LineResolution,
    /// With `amount`: what is owed for each of the lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<MoneyText>,
    #[serde(default)]
    #[schema(max_length = 200)]
    pub note: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SettlementNote {
    #[schema(max_length = 200)]
    pub note: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SettlementPay {
    /// All that is left when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<MoneyText>,
    #[schema(max_length = 200)]
    pub memo: String,
}
