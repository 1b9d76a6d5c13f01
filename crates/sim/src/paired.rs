//! Two rules over the same histories: the mean of the paired differences and how far chance may have moved it. Refuses to know what was
//! measured and where the pairs are from.
//!
//! Source: Student, *Biometrika* 6 (1908); the distribution for whole degrees of freedom as M. Abramowitz and I. Stegun, *Handbook of
//! Mathematical Functions* (1964), 26.7.3 and 26.7.4.

/// How sure a bound is of holding the true value.
pub const CONFIDENCE: f64 = 0.95;

/// A mean, and the half width of its 95 % confidence interval; that needs two values at least.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    pub mean: f64,
    pub half: Option<f64>,
}

impl Mean {
    /// Of independent values; nothing of none.
    pub fn of(values: &[f64]) -> Option<Mean> {
        let count = values.len();
        if count == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / count as f64;
        let half = (count > 1).then(|| {
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            let deviation = (squares / (count - 1) as f64).sqrt();
            student_t(count - 1) * deviation / (count as f64).sqrt()
        });
        Some(Mean { mean, half })
    }

    /// Chance alone would seldom put the mean so far from zero.
    pub fn is_beyond_zero(&self) -> bool {
        self.half.is_some_and(|half| self.mean.abs() > half)
    }
}

/// How far from zero a Student-t variable of `freedom` degrees stays with a probability of [`CONFIDENCE`], to both sides.
pub fn student_t(freedom: usize) -> f64 {
    let (mut low, mut high) = (0.0, 13.0);
    while high - low > 1e-12 {
        let middle = f64::midpoint(low, high);
        if within(middle, freedom.max(1)) < CONFIDENCE {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// Probability that such a variable is no further from zero than `t`.
fn within(t: f64, freedom: usize) -> f64 {
    let angle = (t / (freedom as f64).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let is_odd = !freedom.is_multiple_of(2);
    let mut term = if is_odd { cosine } else { 1.0 };
    let mut sum = 0.0;
    for k in (if is_odd { 3 } else { 2 }..=freedom).step_by(2) {
        sum += term;
        term *= (k - 1) as f64 / k as f64 * cosine * cosine;
    }
    if is_odd { (angle + sine * sum) * std::f64::consts::FRAC_2_PI } else { sine * sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_printed_tables() {
        for (freedom, printed) in
            [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (30, 2.042), (120, 1.980)]
        {
            let found = student_t(freedom);
            assert!((found - printed).abs() < 5e-4, "{freedom}: {found}");
        }
    }

    #[test]
    fn a_mean_says_how_sure_it_is() {
        assert_eq!(Mean::of(&[]), None);
        assert_eq!(Mean::of(&[3.0]), Some(Mean { mean: 3.0, half: None }));
        let found = Mean::of(&[1.0, 2.0, 3.0]).unwrap();
        // Deviation 1, three values: 4.303 / √3.
        assert!((found.half.unwrap() - 2.484).abs() < 1e-3 && !found.is_beyond_zero());
        let same = Mean::of(&[2.0, 2.0]).unwrap();
        assert!(same.is_beyond_zero() && same.half == Some(0.0));
    }
}
