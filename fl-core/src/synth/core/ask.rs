//! What a round asks of every patient: tables and residuals of tables, with a closed bound on one
//! patient's part.
//!
//! A *view* merges an attribute's levels into groups. A block over some views is either a table of
//! counts, or its *residual*: what is left of the table when everything that fewer attributes say
//! is taken out. With an orthonormal basis of the contrasts of each view's groups (Helmert's), a
//! patient adds the product of one column of each basis, and since a column of the basis for K groups
//! has squared length 1 - 1/K, the patient's vector has squared length w^2 prod (1 - 1/K): for
//! a pair of halved attributes a quarter of what the table itself costs. Under Gaussian noise no other way
//! to ask for a set of tables is better (Xiao et al., ResidualPlanner, NeurIPS 2023, theorem 4.3; there
//! the noise is correlated within a table, here the basis turns it into an independent one).
//!
//! A patient's vector is a function of its levels alone, each coordinate truncated toward zero to the
//! grid, so sums of patients are sums of integers (rule S2).

use serde::{Deserialize, Serialize};

use super::{Error, MOST_ATTRIBUTES, MOST_LEVELS};

/// Views of one block.
const MOST_VIEWS: usize = 4;
/// Blocks of a question.
const MOST_BLOCKS: usize = 1 << 16;

/// An attribute with its levels merged into groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The attribute.
    pub attribute: usize,
    /// The group of each level.
    pub groups: Vec<u16>,
    /// Number of groups.
    pub count: usize,
}

/// How a block is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// The number of patients in each cell.
    Counts,
    /// The part of the table that no table of fewer attributes determines.
    Residual,
}

/// One table of a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// Its dimensions, as numbers of views; none for the number of patients.
    pub views: Vec<usize>,
    /// How it is asked for.
    pub form: Form,
    /// What each coordinate is multiplied by.
    pub weight: f64,
}

/// One question to all patients.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// The views that blocks are made of.
    pub views: Vec<View>,
    /// The tables.
    pub blocks: Vec<Block>,
}

/// An answered block: cells, in patients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Its views.
    pub views: Vec<View>,
    /// Counts, or the residual in the cells of the table.
    pub form: Form,
    /// One number a cell, row-major.
    pub values: Vec<f64>,
    /// Standard deviation of the noise on each coordinate; 0 when exact.
    pub sd: f64,
}

impl Table {
    /// The attributes of its dimensions.
    #[must_use]
    pub fn attributes(&self) -> Vec<usize> {
        self.views.iter().map(|view| view.attribute).collect()
    }

    /// Groups of each dimension.
    #[must_use]
    pub fn sizes(&self) -> Vec<usize> {
        self.views.iter().map(|view| view.count).collect()
    }

    /// Coordinates on which the noise fell: cells, less those that a residual cannot have.
    #[must_use]
    pub fn freedom(&self) -> usize {
        let less = usize::from(self.form == Form::Residual);
        self.views.iter().map(|view| view.count - less).product()
    }
}

/// Row `row` of Helmert's basis at a group: orthonormal over the groups, orthogonal to constants.
fn helmert(row: usize, group: usize) -> f64 {
    let n = (row + 1) as f64;
    match group.cmp(&(row + 1)) {
        std::cmp::Ordering::Less => 1.0 / (n * (n + 1.0)).sqrt(),
        std::cmp::Ordering::Equal => -n / (n * (n + 1.0)).sqrt(),
        std::cmp::Ordering::Greater => 0.0,
    }
}

impl Ask {
    /// Bits of the grid on which weights stand. On this grid or a finer one a count adds exactly its
    /// weight, and truncation is nothing beside any noise.
    pub const FRAC_BITS: u8 = 20;

    /// Adds a view, or finds it.
    pub(crate) fn view(&mut self, view: View) -> usize {
        if let Some(place) = self.views.iter().position(|known| *known == view) {
            return place;
        }
        self.views.push(view);
        self.views.len() - 1
    }

    /// Scales all weights so that one patient's vector has a norm of at most 1, and as near to it as
    /// the grid of weights allows.
    pub(crate) fn normalised(mut self) -> Self {
        let norm = self.norm();
        let steps = f64::from(1u32 << Self::FRAC_BITS);
        for block in &mut self.blocks {
            block.weight = (block.weight / norm * (1.0 - 1e-9) * steps).floor() / steps;
        }
        self
    }

    /// The same without the blocks at the end that are too many, one block at least.
    pub(crate) fn limited(mut self, most: usize) -> Self {
        if self.len() <= most {
            return self;
        }
        while self.blocks.len() > 1 && self.len() > most {
            self.blocks.pop();
        }
        self.normalised()
    }

    fn squared_length(&self, block: &Block) -> f64 {
        let of_view = |view: &usize| match (block.form, self.views.get(*view)) {
            (Form::Residual, Some(view)) => 1.0 - 1.0 / view.count as f64,
            _ => 1.0,
        };
        block.weight * block.weight * block.views.iter().map(of_view).product::<f64>()
    }

    /// L2 norm that one patient's vector never exceeds, in units of 1.
    #[must_use]
    pub fn norm(&self) -> f64 {
        // The last factor covers the rounding of doubles, in the patient's vector and here.
        self.blocks.iter().map(|block| self.squared_length(block)).sum::<f64>().sqrt()
            * (1.0 + 1e-12)
    }

    fn block_len(&self, block: &Block) -> usize {
        let less = usize::from(block.form == Form::Residual);
        let size = |view: &usize| self.views.get(*view).map_or(0, |v| v.count.saturating_sub(less));
        block.views.iter().map(size).fold(1, usize::saturating_mul)
    }

    /// Number of coordinates.
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks.iter().map(|block| self.block_len(block)).fold(0, usize::saturating_add)
    }

    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Refuses a question that is none over attributes with so many levels.
    ///
    /// # Errors
    /// Saying what is wrong with it.
    pub fn check(&self, levels: &[usize]) -> Result<(), Error> {
        let malformed = |reason| Err(Error::Malformed { reason });
        if self.views.len() > MOST_ATTRIBUTES * 64 || self.blocks.len() > MOST_BLOCKS {
            return malformed("a question with too many parts");
        }
        for view in &self.views {
            let Some(&size) = levels.get(view.attribute) else {
                return malformed("a view of an attribute that does not exist");
            };
            let groups = view.groups.iter().all(|group| usize::from(*group) < view.count);
            if view.groups.len() != size || !groups || !(1..=MOST_LEVELS).contains(&view.count) {
                return malformed("a view whose groups do not cover its attribute");
            }
        }
        for block in &self.blocks {
            let exists = block.views.iter().all(|view| *view < self.views.len());
            if !exists || block.views.len() > MOST_VIEWS || !block.weight.is_finite() {
                return malformed("a block of views that do not exist");
            }
        }
        if self.norm() > 1e6 || self.len() > 1 << 28 {
            return malformed("a question that is too large");
        }
        Ok(())
    }

    /// Adds one patient, whose fine levels these are, to a sum on the grid `2^-frac_bits`.
    ///
    /// A patient with another number of levels, or one out of range, adds nothing; so does any patient
    /// to a sum of another length than [`Ask::len`].
    pub fn contribution(&self, levels: &[u16], add: &mut [i64], frac_bits: u8) {
        let of_view = |view: &View| {
            levels
                .get(view.attribute)
                .and_then(|level| view.groups.get(usize::from(*level)))
                .map(|group| usize::from(*group))
                .filter(|group| *group < view.count)
        };
        let Some(groups) = self.views.iter().map(of_view).collect::<Option<Vec<usize>>>() else {
            return;
        };
        if add.len() != self.len() || frac_bits > 52 {
            return;
        }
        let column = |(view, &group): (&View, &usize)| -> Vec<f64> {
            (0..view.count.saturating_sub(1)).map(|row| helmert(row, group)).collect()
        };
        let columns: Vec<Vec<f64>> = self.views.iter().zip(&groups).map(column).collect();
        let steps = (1u64 << frac_bits) as f64;
        let mut first = 0;
        for block in &self.blocks {
            let len = self.block_len(block);
            let Some(own) = add.get_mut(first..first + len) else { return };
            first += len;
            match block.form {
                Form::Counts => {
                    let cell = block.views.iter().try_fold(0, |cell, view| {
                        Some(cell * self.views.get(*view)?.count + groups.get(*view)?)
                    });
                    if let Some(slot) = cell.and_then(|cell| own.get_mut(cell)) {
                        *slot += (block.weight * steps) as i64;
                    }
                }
                Form::Residual => {
                    let mut products = vec![block.weight];
                    for column in block.views.iter().filter_map(|view| columns.get(*view)) {
                        products = products
                            .iter()
                            .flat_map(|p| column.iter().map(move |value| p * value))
                            .collect();
                    }
                    for (slot, product) in own.iter_mut().zip(&products) {
                        // `as` truncates toward zero, and a norm of at most 1e6 fits.
                        *slot += (product * steps) as i64;
                    }
                }
            }
        }
    }

    /// The answered tables, from decoded sums whose coordinates each carry noise of `sd`.
    ///
    /// # Errors
    /// When the sums are not as many as asked for, or not finite.
    pub fn tables(&self, sums: &[f64], sd: f64) -> Result<Vec<Table>, Error> {
        if sums.len() != self.len() {
            return Err(Error::Length { expected: self.len(), got: sums.len() });
        }
        if !sums.iter().all(|sum| sum.is_finite()) {
            return Err(Error::Malformed { reason: "a sum that is not a number" });
        }
        let mut rest = sums;
        let mut tables = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let (own, after) = rest.split_at(self.block_len(block).min(rest.len()));
            rest = after;
            let views: Vec<View> =
                block.views.iter().filter_map(|view| self.views.get(*view)).cloned().collect();
            let mut values: Vec<f64> = own.iter().map(|value| value / block.weight).collect();
            if block.form == Form::Residual {
                let sizes: Vec<usize> = views.iter().map(|view| view.count).collect();
                values = to_cells(&values, &sizes);
            }
            tables.push(Table { views, form: block.form, values, sd: sd / block.weight });
        }
        Ok(tables)
    }
}

/// From coordinates in Helmert's bases to cells, one dimension after the other.
fn to_cells(coordinates: &[f64], sizes: &[usize]) -> Vec<f64> {
    let mut values = coordinates.to_vec();
    for (place, &size) in sizes.iter().enumerate() {
        let rows = size - 1;
        // Dimensions before this one are cells by now, those after it still coordinates.
        let stride: usize = sizes.iter().skip(place + 1).map(|size| size - 1).product();
        let outer: usize = sizes.iter().take(place).product();
        let mut next = vec![0.0; outer * size * stride];
        for o in 0..outer {
            for group in 0..size {
                for row in 0..rows {
                    let h = helmert(row, group);
                    for s in 0..stride {
                        next[(o * size + group) * stride + s] +=
                            h * values[(o * rows + row) * stride + s];
                    }
                }
            }
        }
        values = next;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(form: Form) -> Ask {
        let views = vec![
            View { attribute: 0, groups: vec![0, 1, 2], count: 3 },
            View { attribute: 2, groups: vec![0, 0, 1, 1, 3, 2], count: 4 },
            View { attribute: 1, groups: vec![1, 0], count: 2 },
        ];
        let blocks = vec![
            Block { views: vec![0, 1], form, weight: 2.0 },
            Block { views: vec![2, 1, 0], form, weight: 0.5 },
            Block { views: vec![], form: Form::Counts, weight: 1.0 },
        ];
        Ask { views, blocks }
    }

    fn everyone() -> impl Iterator<Item = [u16; 3]> {
        (0..3).flat_map(|a| (0..2).flat_map(move |b| (0..6).map(move |c| [a, b, c])))
    }

    #[test]
    fn no_patient_is_longer_than_the_norm_and_some_patient_is_as_long() {
        for form in [Form::Counts, Form::Residual] {
            let ask = ask(form).normalised();
            ask.check(&[3, 2, 6]).unwrap();
            assert!(ask.norm() <= 1.0 && ask.norm() > 0.99999, "{}", ask.norm());
            for levels in everyone() {
                let mut add = vec![0i64; ask.len()];
                ask.contribution(&levels, &mut add, 30);
                let squares: i128 = add.iter().map(|v| i128::from(*v) * i128::from(*v)).sum();
                assert!(squares <= 1 << 60);
                assert!(squares as f64 > 0.999 * 2f64.powi(60), "{levels:?}");
            }
        }
    }

    #[test]
    fn residuals_are_the_centred_counts() {
        let (counts, residual) = (ask(Form::Counts), ask(Form::Residual));
        let totals = |ask: &Ask| {
            let mut add = vec![0i64; ask.len()];
            for (i, levels) in everyone().enumerate() {
                for _ in 0..(i * i) % 7 {
                    ask.contribution(&levels, &mut add, 40);
                }
            }
            let sums: Vec<f64> = add.iter().map(|v| *v as f64 / 2f64.powi(40)).collect();
            ask.tables(&sums, 0.0).unwrap()
        };
        for (mut counted, left) in totals(&counts).into_iter().zip(totals(&residual)) {
            let sizes = counted.sizes();
            if !sizes.is_empty() {
                super::super::table::centre(&mut counted.values, &sizes);
            }
            let close = counted.values.iter().zip(&left.values).all(|(a, b)| (a - b).abs() < 1e-9);
            assert!(close, "{counted:?} {left:?}");
        }
    }

    #[test]
    fn what_is_out_of_range_adds_nothing() {
        let ask = ask(Form::Residual);
        let mut add = vec![0i64; ask.len()];
        ask.contribution(&[3, 0, 0], &mut add, 20);
        ask.contribution(&[0, 0], &mut add, 20);
        assert!(add.iter().all(|v| *v == 0));
        ask.contribution(&[0, 0, 0], &mut add[1..], 20);
        assert!(add.iter().all(|v| *v == 0));
        assert!(ask.check(&[3, 2, 5]).is_err());
    }
}
