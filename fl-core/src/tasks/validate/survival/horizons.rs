//! The horizons on the time grid: survival and censoring up to each, the weights of the inverse
//! probability of censoring, and what is said without a predicted risk.

use crate::results::validation::Horizon;
use crate::tasks::layout;
use crate::tasks::time_grid::interval;

use super::MOST_HORIZONS;

/// The largest weight that is used: G of 1/100.
pub(super) const MOST_WEIGHT: f64 = 100.0;
/// Share of an interval by which a horizon may miss the grid.
const OFF_GRID: f64 = 1e-9;

/// The horizons' places on the grid, or why they cannot be used.
pub(super) fn marks(horizons: &[f64], grid: f64, end: f64) -> Result<Vec<usize>, String> {
    if horizons.len() > MOST_HORIZONS {
        return Err(format!("at most {MOST_HORIZONS} `horizons`"));
    }
    if !horizons.windows(2).all(|pair| matches!(pair, [a, b] if a < b)) {
        return Err("`horizons` must ascend".to_owned());
    }
    let place = |horizon: &f64| {
        if !(*horizon > 0.0 && *horizon < end) {
            return Err(format!("horizon {horizon} must lie within the time's range, below {end}"));
        }
        let share = horizon / grid;
        if (share - share.round()).abs() > OFF_GRID * share.max(1.0) {
            return Err(format!("horizon {horizon} is no multiple of `grid`"));
        }
        Ok(interval(*horizon, grid))
    };
    horizons.iter().map(place).collect()
}

/// What the counts of events and censorings say of the time up to the horizons.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    points: Vec<Point>,
    /// Of a case in each interval up to the last horizon, then of a control at each horizon.
    weights: Vec<f64>,
}

/// One horizon.
#[derive(Clone, Debug)]
struct Point {
    after: f64,
    events: f64,
    survival: f64,
    uncensored: f64,
    brier_null: f64,
}

/// The inverse of the probability of not being censored; 0 where it passes the cap.
fn inverse(uncensored: f64) -> f64 {
    if uncensored * MOST_WEIGHT >= 1.0 { (1.0 / uncensored).min(MOST_WEIGHT) } else { 0.0 }
}

impl Curve {
    /// From counts `[censored, events]` of each interval.
    pub(super) fn new(times: &[f64], marks: &[usize]) -> Self {
        let n: f64 = times.iter().sum();
        let mut curve = Self { points: Vec::new(), weights: Vec::new() };
        let (mut at_risk, mut survival, mut uncensored) = (n, 1.0, 1.0);
        // Events so far, and their weights.
        let (mut events, mut cases) = (0.0, 0.0);
        let mut ahead = marks.iter().peekable();
        for (place, counts) in times.chunks_exact(2).enumerate() {
            let (Some(mark), [censored, died]) = (ahead.peek(), counts) else { break };
            curve.weights.push(inverse(uncensored));
            events += died;
            cases += died * inverse(uncensored);
            // Those who die in an interval are not at risk of being censored in it.
            let staying = at_risk - died;
            survival *= if at_risk > 0.0 { staying / at_risk } else { 1.0 };
            uncensored *= if staying > 0.0 { 1.0 - censored / staying } else { 1.0 };
            at_risk = staying - censored;
            if place == **mark {
                let loss_of_cases = cases * survival * survival;
                let risk = 1.0 - survival;
                let loss_of_controls = at_risk * inverse(uncensored) * risk * risk;
                curve.points.push(Point {
                    after: at_risk,
                    events,
                    survival,
                    uncensored,
                    brier_null: (loss_of_cases + loss_of_controls) / n,
                });
                ahead.next();
            }
        }
        let of_controls = curve.points.iter().map(|point| inverse(point.uncensored));
        let of_controls: Vec<f64> = of_controls.collect();
        curve.weights.extend(of_controls);
        curve
    }

    /// The weights in the order of the query.
    pub(super) fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The rows of the result, as far as they do not need the second sum.
    pub(super) fn rows(&self, horizons: &[f64]) -> Vec<Horizon> {
        let row = |(time, point): (&f64, &Point)| {
            let usable = inverse(point.uncensored) > 0.0;
            Horizon {
                time: *time,
                n_after: layout::whole(point.after),
                events: layout::whole(point.events),
                uncensored: point.uncensored,
                observed: 1.0 - point.survival,
                predicted: None,
                auc: None,
                brier: None,
                brier_null: usable.then_some(point.brier_null),
                ipa: None,
                note: (!usable).then(|| {
                    let share = 100.0 / MOST_WEIGHT;
                    format!("fewer than {share} % are not censored by then; use earlier horizons")
                }),
            }
        };
        horizons.iter().zip(&self.points).map(row).collect()
    }
}

/// `1 - brier / null`.
pub(super) fn gain(brier: Option<f64>, null: Option<f64>) -> Option<f64> {
    let gain = 1.0 - brier? / null?;
    gain.is_finite().then_some(gain)
}

/// The mean of a score over the time from the first horizon to the last, by trapezoids; `None`
/// with one horizon, or where a score is missing.
pub(super) fn integral(rows: &[Horizon], score: impl Fn(&Horizon) -> Option<f64>) -> Option<f64> {
    let mut area = 0.0;
    for pair in rows.windows(2) {
        let [a, b] = pair else { return None };
        area += (b.time - a.time) * (score(a)? + score(b)?) / 2.0;
    }
    let mean = area / (rows.last()?.time - rows.first()?.time);
    mean.is_finite().then_some(mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deaths_come_before_censorings_at_the_same_time() {
        // Time 1: one death and one censoring of four; time 2: a death; time 3: a censoring.
        let times = [0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0];
        let curve = Curve::new(&times, &[1, 2]);
        let g = 1.0 - 1.0 / 3.0;
        assert_eq!(curve.weights, [1.0, 1.0, 1.0 / g, 1.0 / g, 1.0 / g]);
        let rows = curve.rows(&[1.0, 2.0]);
        assert_eq!((rows[0].observed, rows[1].observed), (0.25, 1.0 - 0.75 * 0.5));
        assert_eq!((rows[0].n_after, rows[1].n_after, rows[1].events), (2, 1, 2));
    }

    #[test]
    fn horizons_lie_on_the_grid_and_within_the_range() {
        assert_eq!(marks(&[0.3, 0.6], 0.1, 1.0), Ok(vec![3, 6]));
        for horizons in [vec![0.25], vec![1.0], vec![0.0], vec![0.2, 0.1], vec![f64::NAN]] {
            assert!(marks(&horizons, 0.1, 1.0).is_err(), "{horizons:?}");
        }
    }
}
