//! What a tenant is told at the end of a month: sums of what was booked on its wallet within it, and corrections of what was
//! billed. Knows how the sums belong together and what tax is within them; refuses to know who closes and when.

use std::sync::Arc;

use base::{Currency, JobId, Money, PoolId, ProjectId, TenantId, Timestamp, TransferId, UserId};
use model::ProductLine;
use serde::{Deserialize, Serialize};

use crate::tariff::Month;

/// Sums of what was booked on a wallet within a month. None but the balances and the corrections is ever less than nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TenantSums {
    /// The balance when the month began.
    pub opening: Money,
    pub top_ups: Money,
    pub withdrawals: Money,
    /// Given by the operator.
    pub grants: Money,
    /// Taken from the wallet for work.
    pub charges: Money,
    /// Given back of that.
    pub refunds: Money,
    /// Fees of contracts; what work drew on them is not charged again.
    #[serde(default)]
    pub fees: Money,
    /// What corrections added to what is asked; less than nothing where they gave back.
    pub corrections: Money,
    /// The balance when the month was over.
    pub closing: Money,
    /// Charges that neither hold nor wallet could cover: not asked for, and not part of the charges above.
    pub written_off: Money,
    /// How many transfers these are.
    pub transfers: u64,
}

impl TenantSums {
    /// What the month came to: charges less refunds, with fees and corrections. `None` beyond the range of money.
    pub fn due(&self) -> Option<Money> {
        let asked = i128::from(self.charges.0) + i128::from(self.fees.0);
        let due = asked - i128::from(self.refunds.0) + i128::from(self.corrections.0);
        i64::try_from(due).ok().map(Money)
    }

    /// What came in, less what went out, lies between the two balances.
    pub fn adds_up(&self) -> bool {
        let wide = |amount: Money| i128::from(amount.0);
        let into = wide(self.opening) + wide(self.top_ups) + wide(self.grants) + wide(self.refunds);
        let out = wide(self.withdrawals) + wide(self.charges) + wide(self.fees) + wide(self.corrections);
        let parts = [self.top_ups, self.withdrawals, self.grants, self.charges, self.refunds, self.fees];
        parts.iter().all(|part| !part.is_negative()) && into - out == wide(self.closing)
    }
}

/// Parts of a million: a tax rate of 6 % is 60,000.
pub const PPM: u32 = 1_000_000;

/// The tax within an amount whose prices contain it: amount × rate ÷ (1 + rate), rounded half away from zero.
pub fn tax_within(amount: Money, ppm: u32) -> Money {
    let (part, of) = (i128::from(amount.0) * i128::from(ppm), i128::from(PPM) + i128::from(ppm));
    let half = if part < 0 { -(of / 2) } else { of / 2 };
    // Smaller than the amount, so in range.
    Money(i64::try_from((part + half) / of).unwrap_or(0))
}

/// What a tenant was told for a month. Never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantStatement {
    /// From 1 without a gap, over all tenants.
    pub number: u64,
    pub tenant: TenantId,
    pub month: Month,
    /// What was booked from here on …
    pub from: Timestamp,
    /// … and before this.
    pub to: Timestamp,
    pub currency: Currency,
    pub sums: TenantSums,
    /// Charges less refunds, with fees and corrections.
    pub due: Money,
    /// Of the tax that the amount due contains, in parts of a million.
    pub tax_ppm: u32,
    pub tax: Money,
    pub closed_at: Timestamp,
}

impl TenantStatement {
    /// How people name it: the year and the number, `2026-000123`.
    pub fn name(&self) -> String {
        let month = self.month.to_string();
        format!("{}-{:06}", month.split('-').next().unwrap_or(&month), self.number)
    }
}

/// The number of the invoice that was written for a statement; set once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice {
    pub statement: u64,
    pub tenant: TenantId,
    pub invoice: Arc<str>,
    pub at: Timestamp,
    pub by: Option<UserId>,
}

/// The job that a correction is about, with what its sums are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorrectedJob {
    pub job: JobId,
    pub number: u64,
    pub project: ProjectId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolId>,
    pub line: ProductLine,
}

/// An amendment of what was billed: what was billed stays as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    pub transfer: TransferId,
    pub tenant: TenantId,
    pub at: Timestamp,
    /// Added to what is asked; less than nothing gives back.
    pub amount: Money,
    pub currency: Currency,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<CorrectedJob>,
    pub reason: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UserId>,
}

/// Why a month is not closed, or an invoice not noted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementFault {
    #[error(
        "{month} is closed: it is statement {number}, and never changes; a correction is booked now and is on the next one"
    )]
    Closed { month: Month, number: u64 },
    #[error("{month} is not over: it ends at {until}")]
    NotOver { month: Month, until: Timestamp },
    #[error("months are closed in their order: {next} comes next")]
    Gap { next: Month },
    #[error("the month does not begin where the one before it ended")]
    Bounds,
    #[error("the sums of {month} do not add up to its balances: the books are to be looked at before it is closed")]
    Sums { month: Month },
    #[error("statement {number} has an invoice already")]
    Invoiced { number: u64 },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sums() -> TenantSums {
        TenantSums {
            opening: Money(-5),
            top_ups: Money(100),
            withdrawals: Money(10),
            grants: Money(7),
            charges: Money(60),
            refunds: Money(4),
            fees: Money(2),
            corrections: Money(-3),
            closing: Money(37),
            written_off: Money(9),
            transfers: 8,
        }
    }

    #[test]
    fn sums_lie_between_the_balances() {
        assert!(sums().adds_up());
        assert_eq!(sums().due(), Some(Money(55)));
        for wrong in [
            TenantSums { closing: Money(39), ..sums() },
            TenantSums { top_ups: Money(-1), opening: Money(96), ..sums() },
            TenantSums { corrections: Money(3), ..sums() },
        ] {
            assert!(!wrong.adds_up(), "{wrong:?}");
        }
        // What was written off is on no wallet.
        assert!(TenantSums { written_off: Money(1), ..sums() }.adds_up());
        let vast = TenantSums { charges: Money(i64::MAX), corrections: Money(1), ..TenantSums::default() };
        assert_eq!(vast.due(), None);
    }

    #[test]
    fn statements_are_named_by_year_and_number() {
        let statement = TenantStatement {
            number: 123,
            tenant: TenantId::from_u128(1),
            month: "2026-10".parse().unwrap(),
            from: Timestamp::ZERO,
            to: Timestamp::from_secs(1),
            currency: Currency::CNY,
            sums: sums(),
            due: Money(53),
            tax_ppm: 0,
            tax: Money::ZERO,
            closed_at: Timestamp::from_secs(2),
        };
        assert_eq!(statement.name(), "2026-000123");
    }

    #[test]
    fn tax_is_rounded_half_away_from_zero() {
        for (amount, ppm, tax) in [
            (106_000_000, 60_000, 6_000_000),
            (3, 1_000_000, 2),
            (-3, 1_000_000, -2),
            (1, 60_000, 0),
            (0, 60_000, 0),
            (5, 0, 0),
            (i64::MAX, PPM, 1 << 62),
        ] {
            assert_eq!(tax_within(Money(amount), ppm), Money(tax), "{amount} {ppm}");
        }
    }

    proptest! {
        #[test]
        fn tax_is_nearest_to_the_true_share(amount in any::<i64>(), ppm in 0..=PPM) {
            let tax = i128::from(tax_within(Money(amount), ppm).0);
            let of = i128::from(PPM + ppm);
            let off = tax * of - i128::from(amount) * i128::from(ppm);
            prop_assert!(off.abs() * 2 <= of);
            prop_assert_eq!(tax_within(Money(-amount.max(i64::MIN + 1)), ppm), -tax_within(Money(amount.max(i64::MIN + 1)), ppm));
        }
    }
}
