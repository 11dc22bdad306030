//! The tables by which two cohorts are compared: all one-way tables, and all, or a public random
//! part, of the two- and three-way ones.
//!
//! Each table is counted by itself, lower orders too: under noise a one-way table is far better than
//! what is left of it in a three-way one. All is public: sizes, limit and seed.

use crate::nn::SplitMix64;

/// Largest order of a table.
pub const MOST_DEGREE: usize = 3;
/// Sets of columns of one order that are listed at all.
const MOST_SETS: usize = 200_000;

/// Tables over columns of so many levels, laid out one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    sizes: Vec<usize>,
    tables: Vec<Table>,
    sets: Vec<usize>,
    cells: usize,
}

/// One table of counts, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its columns, ascending.
    pub attributes: Vec<usize>,
    /// Where its cells start.
    pub first: usize,
    /// Number of its cells.
    pub cells: usize,
}

impl Workload {
    /// All tables up to order `degree` (at most [`MOST_DEGREE`]) as long as their cells stay within
    /// `most_cells`; where not all of one order fit, a part of them drawn by `seed`.
    ///
    /// # Errors
    /// With what to do, when there is no column, not even the one-way tables fit, or there are too
    /// many sets of columns to list.
    pub fn new(
        sizes: &[usize],
        degree: usize,
        most_cells: usize,
        seed: u64,
    ) -> Result<Self, String> {
        let degree = degree.min(sizes.len());
        if !(1..=MOST_DEGREE).contains(&degree) || sizes.contains(&0) {
            return Err(format!("tables have order 1 to {MOST_DEGREE}, over columns with levels"));
        }
        let mut workload =
            Self { sizes: sizes.to_vec(), tables: Vec::new(), sets: Vec::new(), cells: 0 };
        let mut random = SplitMix64::new(seed);
        for order in 1..=degree {
            let mut sets = sets(sizes.len(), order).ok_or_else(|| {
                format!(
                    "more than {MOST_SETS} tables of order {order} over {} columns; lower `degree`",
                    sizes.len()
                )
            })?;
            workload.sets.push(sets.len());
            let all = sets.iter().try_fold(workload.cells, |sum, set| {
                sum.checked_add(product(sizes, set)?).filter(|sum| *sum <= most_cells)
            });
            if all.is_none() {
                if order == 1 {
                    return Err(format!(
                        "the columns have more than {most_cells} levels together; raise `cells` or \
                         use wider bins"
                    ));
                }
                for last in (1..sets.len()).rev() {
                    // The modulo's bias is below 2^-40 for so few sets.
                    sets.swap(last, (random.next() % (last as u64 + 1)) as usize);
                }
            }
            for set in sets {
                workload.add(set, most_cells);
            }
        }
        Ok(workload)
    }

    /// Adds a table if there is room for it.
    fn add(&mut self, attributes: Vec<usize>, most_cells: usize) {
        let Some(cells) = product(&self.sizes, &attributes) else { return };
        let Some(sum) = self.cells.checked_add(cells).filter(|sum| *sum <= most_cells) else {
            return;
        };
        self.tables.push(Table { attributes, first: self.cells, cells });
        self.cells = sum;
    }

    /// The tables; those of order 1 come first, in the order of the columns.
    #[must_use]
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// The highest order asked for.
    #[must_use]
    pub fn degree(&self) -> usize {
        self.sets.len()
    }

    /// How many tables of an order there are over these columns, counted or not.
    #[must_use]
    pub fn sets(&self, order: usize) -> usize {
        order.checked_sub(1).and_then(|place| self.sets.get(place)).copied().unwrap_or(0)
    }

    /// Cells of all tables.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// Levels of each column.
    #[must_use]
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// Whether a row has a level for each column, within its number of levels.
    #[must_use]
    pub fn holds(&self, row: &[u16]) -> bool {
        row.len() == self.sizes.len()
            && row.iter().zip(&self.sizes).all(|(level, size)| usize::from(*level) < *size)
    }

    /// Adds a row to the counts: 1 to one cell of each table, or nothing where [`Self::holds`] is
    /// false.
    pub fn count(&self, row: &[u16], counts: &mut [f64]) {
        if !self.holds(row) {
            return;
        }
        for table in &self.tables {
            let cell = table.attributes.iter().fold(0, |cell, attribute| {
                let size = self.sizes.get(*attribute).copied().unwrap_or(0);
                cell * size + usize::from(row.get(*attribute).copied().unwrap_or(0))
            });
            if let Some(count) = counts.get_mut(table.first + cell) {
                *count += 1.0;
            }
        }
    }

    /// The counts of many rows.
    #[must_use]
    pub fn counts(&self, rows: &[Vec<u16>]) -> Vec<f64> {
        let mut counts = vec![0.0; self.cells];
        rows.iter().for_each(|row| self.count(row, &mut counts));
        counts
    }
}

impl Table {
    /// The table's part of all counts; empty where they are too few.
    #[must_use]
    pub fn of<'a>(&self, counts: &'a [f64]) -> &'a [f64] {
        counts.get(self.first..self.first + self.cells).unwrap_or_default()
    }
}

fn product(sizes: &[usize], set: &[usize]) -> Option<usize> {
    set.iter().try_fold(1usize, |cells, attribute| cells.checked_mul(*sizes.get(*attribute)?))
}

/// The sets of `order` of the numbers below `columns`, in lexicographic order; `None` for more than
/// [`MOST_SETS`].
fn sets(columns: usize, order: usize) -> Option<Vec<Vec<usize>>> {
    let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..order {
        let mut longer = Vec::new();
        for set in &sets {
            let next = set.last().map_or(0, |last| last + 1);
            for attribute in next..columns {
                if longer.len() == MOST_SETS {
                    return None;
                }
                longer.push(set.iter().copied().chain([attribute]).collect());
            }
        }
        sets = longer;
    }
    Some(sets)
}
