//! The table's time axis, and the pairs of patients that a table holds.

/// Edges of a public time axis: 0, then intervals as wide as `width` or, further out, as the share
/// `growth` of their left edge, up to `end`. Deaths of acute disease crowd near 0; intervals of one
/// width would put them into few and lose the pairs within. `None` past `most` intervals.
pub(in crate::tasks) fn edges(end: f64, width: f64, growth: f64, most: usize) -> Option<Vec<f64>> {
    let mut edges = vec![0.0];
    let mut right = 0.0;
    while right < end {
        right += width.max(growth * right);
        if edges.len() >= most {
            return None;
        }
        edges.push(right);
    }
    Some(edges)
}

/// Pairs of a table, those tied in risk counting a half in `concordant`.
pub(in crate::tasks) struct Pairs {
    pub(in crate::tasks) comparable: f64,
    pub(in crate::tasks) concordant: f64,
}

impl Pairs {
    /// Counts over cells `(bin * intervals + interval) * 2 + event`. From the last interval to the
    /// first: a pair is an event and a patient who outlived it, by time or by being censored in the
    /// same interval.
    pub(in crate::tasks) fn count(table: &[f64], bins: usize, intervals: usize) -> Self {
        let cell = |bin: usize, interval: usize, event: usize| {
            table.get((bin * intervals + interval) * 2 + event).copied().unwrap_or(0.0)
        };
        let mut pairs = Self { comparable: 0.0, concordant: 0.0 };
        // Patients, by bin, who outlived an event of the interval at hand.
        let mut later = vec![0.0; bins];
        for interval in (0..intervals).rev() {
            later.iter_mut().enumerate().for_each(|(bin, n)| *n += cell(bin, interval, 0));
            let all: f64 = later.iter().sum();
            let mut below = 0.0;
            for (bin, &same) in later.iter().enumerate() {
                let events = cell(bin, interval, 1);
                pairs.comparable += events * all;
                pairs.concordant += events * (below + same / 2.0);
                below += same;
            }
            later.iter_mut().enumerate().for_each(|(bin, n)| *n += cell(bin, interval, 1));
        }
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_start_at_zero_and_widen() {
        assert_eq!(edges(100.0, 30.0, 0.0, 10), Some(vec![0.0, 30.0, 60.0, 90.0, 120.0]));
        assert_eq!(edges(10.0, 1.0, 1.0, 10), Some(vec![0.0, 1.0, 2.0, 4.0, 8.0, 16.0]));
        assert_eq!(edges(10.0, 1.0, 0.0, 10), None);
        assert_eq!(edges(10.0, f64::MIN_POSITIVE, 0.0, 10), None);
    }

    #[test]
    fn a_patient_censored_with_an_event_outlived_it_and_two_events_are_no_pair() {
        // Two bins, two intervals: an event and a censoring of lower risk in the first, an event of
        // higher risk in the first, a later censoring in the same bin.
        let cell = |bin: usize, interval: usize, event: usize| (bin * 2 + interval) * 2 + event;
        let mut table = vec![0.0; 8];
        table[cell(0, 0, 1)] = 1.0;
        table[cell(0, 0, 0)] = 1.0;
        table[cell(1, 0, 1)] = 1.0;
        table[cell(1, 1, 0)] = 1.0;
        let pairs = Pairs::count(&table, 2, 2);
        // Each event with each of the two censored; ties of risk are a half.
        assert_eq!(pairs.comparable, 4.0);
        assert_eq!(pairs.concordant, (0.5 + 0.0) + (1.0 + 0.5));
    }
}
