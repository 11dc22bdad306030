//! How finely a public histogram knows its quartiles: what of Table 1 may be printed as a number.
//!
//! A quartile is read off a histogram as if values were spread evenly within its bin. Where a bin
//! holds several quartiles, or is wide beside their distance, that figure says more of the bin than
//! of the patients; then the bounds of the bin are all that is known.

use serde::{Deserialize, Serialize};

use super::Cells;

/// The bins `[low, high]` of one group's quartiles, in the unit of the column.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuartileBins {
    /// Of the first quartile.
    pub q1: [f64; 2],
    /// Of the median.
    pub median: [f64; 2],
    /// Of the third quartile.
    pub q3: [f64; 2],
}

/// A quartile as it may be printed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quartile {
    /// A figure, linear inside a bin that is narrow beside the distance of the quartiles.
    At(f64),
    /// The bounds of its bin, which is too wide for a figure.
    Within([f64; 2]),
}

impl QuartileBins {
    /// Which of first quartile, median and third quartile have a bin too wide for a figure: one that
    /// holds another of them as well, or is wider than half of their distance `q3 - q1`.
    fn wide(&self, distance: f64) -> [Option<[f64; 2]>; 3] {
        let bins = [self.q1, self.median, self.q3];
        bins.map(|bin| {
            let shared = bins.iter().filter(|own| **own == bin).count() > 1;
            let [low, high] = bin;
            (shared || high - low > distance / 2.0).then_some(bin)
        })
    }
}

impl Cells {
    /// First quartile, median and third quartile of a group of a numeric column, each as it may be
    /// printed; `None` where there are none. A report of a version that kept no bins has figures.
    #[must_use]
    pub fn quartiles(&self, group: usize) -> Option<[Quartile; 3]> {
        let Self::Numeric { q1, median, q3, quartile_bins, .. } = self else { return None };
        let [q1, median, q3] = [*q1.get(group)?, *median.get(group)?, *q3.get(group)?];
        let bins = quartile_bins.get(group).copied().flatten();
        let [a, b, c] = bins.map_or([None; 3], |bins| bins.wide(q3 - q1));
        let one =
            |value: f64, bin: Option<[f64; 2]>| bin.map_or(Quartile::At(value), Quartile::Within);
        Some([one(q1, a), one(median, b), one(q3, c)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(quartiles: [f64; 3], quartile_bins: Vec<Option<QuartileBins>>) -> Cells {
        let [q1, median, q3] = quartiles.map(|value| vec![value]);
        Cells::Numeric { mean: vec![0.0], sd: vec![1.0], q1, median, q3, quartile_bins }
    }

    fn bins(q1: [f64; 2], median: [f64; 2], q3: [f64; 2]) -> Vec<Option<QuartileBins>> {
        vec![Some(QuartileBins { q1, median, q3 })]
    }

    #[test]
    fn quartiles_of_one_bin_are_its_bounds() {
        let all = cells([15.3, 30.5, 45.8], bins([0.0, 50.0], [0.0, 50.0], [0.0, 50.0]));
        assert_eq!(all.quartiles(0), Some([Quartile::Within([0.0, 50.0]); 3]));
        // Two share one: the third has a narrow bin of its own.
        let two = cells([3.0, 6.0, 50.5], bins([0.0, 10.0], [0.0, 10.0], [50.0, 51.0]));
        let bin = Quartile::Within([0.0, 10.0]);
        assert_eq!(two.quartiles(0), Some([bin, bin, Quartile::At(50.5)]));
    }

    #[test]
    fn a_bin_wider_than_half_of_their_distance_is_its_bounds() {
        let of = |high: f64| {
            cells([1.0, 5.0, 11.0], bins([0.0, 2.0], [4.0, 6.0], [10.0, high])).quartiles(0)
        };
        let figures = [1.0, 5.0, 11.0].map(Quartile::At);
        assert_eq!(of(15.0), Some(figures), "5 is half of 10");
        assert_eq!(of(15.5), Some([figures[0], figures[1], Quartile::Within([10.0, 15.5])]));
    }

    #[test]
    fn a_report_without_bins_reads_and_has_figures() {
        let older =
            r#"{"kind":"numeric","mean":[1.0],"sd":[1.0],"q1":[1.0],"median":[2.0],"q3":[3.0]}"#;
        let cells: Cells = serde_json::from_str(older).unwrap();
        assert_eq!(cells.quartiles(0), Some([1.0, 2.0, 3.0].map(Quartile::At)));
        assert_eq!(cells.quartiles(1), None);
        assert_eq!(serde_json::to_string(&cells).unwrap(), older);
    }

    #[test]
    fn bins_are_written_and_read_and_an_empty_group_has_none() {
        let mut all = bins([0.0, 1.0], [1.0, 2.0], [2.0, 3.0]);
        all.push(None);
        let cells = cells([0.5, 1.5, 2.5], all);
        let text = serde_json::to_string(&cells).unwrap();
        assert!(
            text.contains(r#""quartile_bins":[{"q1":[0.0,1.0],"#) && text.ends_with("null]}"),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Cells>(&text).unwrap(), cells);
    }
}
