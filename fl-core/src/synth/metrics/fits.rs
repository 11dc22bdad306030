//! Two fits of one model, one of real patients and one of virtual ones, coefficient by coefficient.

use crate::results::{Fit, Term};
use crate::stat::Z_975;

/// One coefficient of both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair<'a> {
    /// Of real patients.
    pub real: &'a Term,
    /// Of virtual ones.
    pub synthetic: &'a Term,
    /// Overlap of the two 95 % intervals, the mean of its shares of each (Karr et al., *Am. Stat.*
    /// 2006;60:224): 1 for equal intervals, 0 or less for disjoint ones. `None` without both errors.
    pub overlap: Option<f64>,
    /// Difference of the coefficients in standard errors of the real one.
    pub shift: Option<f64>,
}

/// The coefficients that both fits have, in the order of the real one, without the intercept.
#[must_use]
pub fn compare<'a>(real: &'a Fit, synthetic: &'a Fit) -> Vec<Pair<'a>> {
    let terms = real.terms.iter().filter(|term| term.name != "(Intercept)");
    let pairs = terms.filter_map(|real| {
        let synthetic = synthetic.terms.iter().find(|term| term.name == real.name)?;
        let has_error = |term: &Term| term.coef.is_finite() && term.se.is_finite() && term.se > 0.0;
        let overlap = (has_error(real) && has_error(synthetic)).then(|| overlap(real, synthetic));
        let shift = (has_error(real) && synthetic.coef.is_finite())
            .then(|| (synthetic.coef - real.coef) / real.se);
        Some(Pair { real, synthetic, overlap, shift })
    });
    pairs.collect()
}

fn overlap(a: &Term, b: &Term) -> f64 {
    let ends = |term: &Term| (term.coef - Z_975 * term.se, term.coef + Z_975 * term.se);
    let (first, second) = (ends(a), ends(b));
    let common = first.1.min(second.1) - first.0.max(second.0);
    (common / (first.1 - first.0) + common / (second.1 - second.0)) / 2.0
}
