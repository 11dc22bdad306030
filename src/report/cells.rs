//! Small cells: which counts of a table may be printed.
//!
//! A count below `min_cell` is shown as `<min_cell`. Where it could be found by subtracting the
//! others from a printed total, the smallest other count of the same sum is shown as
//! `≥min_cell` too (complementary suppression, as official statistics do it). This is a display
//! rule of honest software; the coordinator holds the counts.

use super::numbers;

/// How one count is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// In full.
    Count(u64),
    /// As `<min_cell`.
    Small,
    /// As `≥min_cell`: hidden to protect a small one.
    Protecting,
}

impl Shown {
    /// Text of the cell, with the share of `total` where the count is printed.
    pub(crate) fn text(self, min_cell: u64, total: Option<u64>) -> String {
        match (self, total) {
            (Self::Count(count), Some(total)) if total > 0 => {
                let share = numbers::percent(count as f64 / total as f64);
                format!("{} ({share})", numbers::count(count))
            }
            (Self::Count(count), _) => numbers::count(count),
            (Self::Small, _) => format!("<{min_cell}"),
            (Self::Protecting, _) => format!("≥{min_cell}"),
        }
    }

    /// Whether the count is printed.
    pub(crate) fn is_printed(self) -> bool {
        matches!(self, Self::Count(_))
    }
}

/// Decides for a table of counts `[line][group]` in which every line adds up to its first entry
/// (`all`), and, if `columns_add_up`, every column adds up to a printed number of patients.
pub(crate) fn suppress(
    counts: &[Vec<u64>],
    columns_add_up: bool,
    min_cell: u64,
) -> Vec<Vec<Shown>> {
    let mut shown: Vec<Vec<Shown>> = counts
        .iter()
        .map(|line| {
            let decide = |&count: &u64| match numbers::is_small(count, min_cell) {
                true => Shown::Small,
                false => Shown::Count(count),
            };
            line.iter().map(decide).collect()
        })
        .collect();
    let width = counts.iter().map(Vec::len).max().unwrap_or(0);
    let mut sums: Vec<Vec<(usize, usize)>> = Vec::new();
    for (line, counts) in counts.iter().enumerate() {
        // A line of `all` alone is no sum.
        if counts.len() > 1 {
            sums.push((0..counts.len()).map(|group| (line, group)).collect());
        }
    }
    if columns_add_up {
        for group in 0..width {
            let inside = |&line: &usize| counts.get(line).is_some_and(|line| group < line.len());
            sums.push((0..counts.len()).filter(inside).map(|line| (line, group)).collect());
        }
    }
    // Each pass hides at least one more count, so it ends.
    while sums.iter().any(|sum| protect(&mut shown, sum)) {}
    shown
}

/// Hides one more count of a sum that has exactly one hidden; whether it did.
fn protect(shown: &mut [Vec<Shown>], sum: &[(usize, usize)]) -> bool {
    let at = |&(line, group): &(usize, usize)| shown.get(line).and_then(|line| line.get(group));
    let hidden = sum.iter().filter(|place| at(place).is_some_and(|cell| !cell.is_printed()));
    if hidden.count() != 1 {
        return false;
    }
    let smallest = sum
        .iter()
        .filter_map(|place| match at(place) {
            Some(&Shown::Count(count)) if count > 0 => Some((count, *place)),
            _ => None,
        })
        .min();
    let Some((_, (line, group))) = smallest else { return false };
    match shown.get_mut(line).and_then(|line| line.get_mut(group)) {
        Some(cell) => {
            *cell = Shown::Protecting;
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_cell_cannot_be_found_by_subtraction() {
        // Levels x (all, women, men).
        let counts = vec![vec![60, 30, 30], vec![33, 20, 13], vec![7, 5, 2]];
        let shown = suppress(&counts, true, 5);
        assert_eq!(shown[2][2], Shown::Small);
        for line in &shown {
            assert_ne!(line.iter().filter(|cell| !cell.is_printed()).count(), 1, "{shown:?}");
        }
        for group in 0..3 {
            let hidden = shown.iter().filter(|line| !line[group].is_printed()).count();
            assert_ne!(hidden, 1, "{shown:?}");
        }
    }

    #[test]
    fn nothing_small_means_nothing_hidden() {
        let counts = vec![vec![60, 30, 30], vec![0, 0, 0]];
        assert!(suppress(&counts, true, 5).iter().flatten().all(|cell| cell.is_printed()));
    }

    #[test]
    fn a_lone_small_count_ends_the_search() {
        assert_eq!(suppress(&[vec![3]], true, 5), vec![vec![Shown::Small]]);
        assert!(suppress(&[], true, 5).is_empty());
    }
}
