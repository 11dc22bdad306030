//! How well a fitted model orders and sorts patients that it has not seen.

use serde_json::{Map, Value};

use super::columns::{Columns, fault};
use super::figure::number;
use crate::Error;

/// Linear predictors of all rows: the sum of coefficients times covariates, levels after R's naming.
///
/// # Errors
/// When a term is no column, and no column followed by a level.
pub(super) fn predictors(fit: &Map<String, Value>, columns: &Columns) -> Result<Vec<f64>, Error> {
    let terms = fit.get("terms").and_then(Value::as_array).into_iter().flatten();
    let mut eta = vec![0.0; columns.len()];
    for term in terms {
        let name = term.get("name").and_then(Value::as_str).unwrap_or_default();
        let coef = number(term, "/coef");
        let x = covariate(name, columns)?;
        eta.iter_mut().zip(x).for_each(|(eta, x)| *eta += coef * x);
    }
    Ok(eta)
}

fn covariate(term: &str, columns: &Columns) -> Result<Vec<f64>, Error> {
    if term == "(Intercept)" {
        return Ok(vec![1.0; columns.len()]);
    }
    if columns.get(term).is_ok() {
        return columns.numbers(term);
    }
    let level = columns.names().find_map(|name| Some((name, term.strip_prefix(name)?)));
    let (name, level) = level.ok_or_else(|| fault(term, "a term that is no column"))?;
    let fields = columns.get(name)?.iter();
    Ok(fields.map(|field| f64::from(u8::from(field == level))).collect())
}

/// A patient with the risk that a model gave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Followed {
    pub(super) time: f64,
    pub(super) event: bool,
    pub(super) risk: f64,
}

/// Follow-up of all rows with their risks.
///
/// # Errors
/// When there are no such columns.
pub(super) fn followed(
    columns: &Columns,
    (time, event): (&str, &str),
    risks: &[f64],
) -> Result<Vec<Followed>, Error> {
    let (times, events) = (columns.numbers(time)?, columns.numbers(event)?);
    let rows = times.into_iter().zip(events).zip(risks);
    Ok(rows.map(|((time, event), &risk)| Followed { time, event: event > 0.5, risk }).collect())
}

/// Harrell's C: of all pairs of which one has the event while the other is still followed, the share
/// in which it had the higher risk; equal risks count half. `None` without such a pair.
pub(super) fn concordance(patients: &[Followed]) -> Option<f64> {
    let (mut concordant, mut pairs) = (0.0, 0_u64);
    for first in patients.iter().filter(|patient| patient.event) {
        let longer = |other: &&Followed| {
            other.time > first.time || (other.time == first.time && !other.event)
        };
        for other in patients.iter().filter(longer) {
            pairs += 1;
            concordant += share(first.risk, other.risk);
        }
    }
    (pairs > 0).then(|| concordant / pairs as f64)
}

fn share(higher: f64, lower: f64) -> f64 {
    if higher > lower { 1.0 } else { f64::from(u8::from(higher == lower)) / 2.0 }
}

/// Ends of the middle 95 % of a figure over resamples of the patients with replacement (percentile
/// bootstrap), drawn from a fixed public seed.
pub(super) fn bootstrap<T: Copy>(
    patients: &[T],
    resamples: usize,
    seed: u64,
    figure: impl Fn(&[T]) -> Option<f64>,
) -> Option<(f64, f64)> {
    let mut state = seed;
    let mut draw =
        || patients.get((split_mix(&mut state) % patients.len() as u64) as usize).copied();
    let mut figures = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        let sample: Vec<T> = patients.iter().filter_map(|_| draw()).collect();
        figures.extend(figure(&sample));
    }
    figures.sort_by(f64::total_cmp);
    let tail = figures.len() / 40;
    Some((*figures.get(tail)?, *figures.get(figures.len().checked_sub(tail + 1)?)?))
}

/// SplitMix64: Steele, Lea and Flood, *OOPSLA* 2014. For resampling; nothing here is secret.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A patient with the linear predictor that a model gave, and whether the patient is a case.
pub(super) type Judged = (f64, bool);

/// How many are on their side of an even chance.
pub(super) fn right(patients: &[Judged]) -> usize {
    patients.iter().filter(|(eta, case)| (*eta > 0.0) == *case).count()
}

/// Area under the ROC curve; NaN with one class alone.
pub(super) fn auc(patients: &[Judged]) -> f64 {
    let of = |which: bool| -> Vec<f64> {
        patients.iter().filter(|(_, case)| *case == which).map(|(eta, _)| *eta).collect()
    };
    let (cases, controls) = (of(true), of(false));
    let wins: f64 = cases
        .iter()
        .flat_map(|case| controls.iter().map(move |control| share(*case, *control)))
        .sum();
    wins / (cases.len() * controls.len()) as f64
}

/// Mean and standard deviation (n - 1).
pub(super) fn spread(figures: &[f64]) -> (f64, f64) {
    let n = figures.len() as f64;
    let mean = figures.iter().sum::<f64>() / n;
    let squares: f64 = figures.iter().map(|x| (x - mean) * (x - mean)).sum();
    (mean, (squares / (n - 1.0)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patient(time: f64, event: bool, risk: f64) -> Followed {
        Followed { time, event, risk }
    }

    #[test]
    fn concordance_counts_pairs_as_harrell_does() {
        // Pairs: 1-2, 1-3, 1-4, 2-3 (censored at the same time), 2-4; 3 is censored, 4 is last.
        let patients = [
            patient(1.0, true, 3.0),
            patient(2.0, true, 1.0),
            patient(2.0, false, 2.0),
            patient(5.0, true, 1.0),
        ];
        assert_eq!(concordance(&patients), Some((1.0 + 1.0 + 1.0 + 0.0 + 0.5) / 5.0));
        assert_eq!(concordance(&patients[2..3]), None);
        let turned = patients.map(|p| Followed { risk: -p.risk, ..p });
        assert_eq!(concordance(&turned), Some((0.0 + 0.0 + 0.0 + 1.0 + 0.5) / 5.0));
    }

    #[test]
    fn accuracy_and_area_of_known_scores() {
        let judged = [(2.0, true), (-1.0, true), (-1.0, false), (0.5, false), (-2.0, false)];
        assert_eq!(right(&judged), 3);
        assert_eq!(auc(&judged), (3.0 + 0.0 + 0.5 + 1.0) / 6.0);
    }

    /// Of a mean of n draws the interval is the estimate and about 1.96 standard errors.
    #[test]
    fn the_bootstrap_of_a_mean_is_its_normal_interval() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 20)).collect();
        let mean = |sample: &[f64]| Some(sample.iter().sum::<f64>() / sample.len() as f64);
        let (low, high) = bootstrap(&values, 2000, 1, mean).unwrap();
        let error = (33.25_f64 / 400.0).sqrt();
        assert!((low - (9.5 - 1.96 * error)).abs() < 0.05, "{low}");
        assert!((high - (9.5 + 1.96 * error)).abs() < 0.05, "{high}");
        assert_eq!(bootstrap(&values, 2000, 1, mean), Some((low, high)), "the seed is the draw");
        assert!(bootstrap(&[] as &[f64], 10, 1, mean).is_none_or(|(low, _)| low.is_nan()));
    }
}
