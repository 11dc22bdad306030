//! A site's answer: exact sums with values permuted within the site, or noised ones of patients' own
//! vectors.

use zeroize::Zeroizing;

use super::patient::{self, Asked};
use super::{Explain, Part};
use crate::cohort::Cohort;
use crate::nn::{SplitMix64, mix};
use crate::task::{Contribution, Query, Site};
use crate::tasks::concordance::Subset;
use crate::tasks::layout;

impl Explain {
    /// Encoded complete patients with their places in the cohort: those who are explained, or those
    /// who trained.
    fn patients(&self, cohort: &Cohort, subset: Subset) -> Vec<(usize, Zeroizing<Vec<f32>>)> {
        let of = |i| {
            let mut row = Zeroizing::new(Vec::with_capacity(self.trained.model().width()));
            let taken = subset.takes(self.trained.holds_out(cohort, i))
                && self.trained.model().encode(cohort, i, &mut row);
            taken.then_some((i, row))
        };
        (0..cohort.len()).filter_map(of).collect()
    }

    fn inputs<'r>(&self, row: &'r [f32]) -> &'r [f32] {
        row.get(..self.trained.model().inputs().width()).unwrap_or_default()
    }

    pub(super) fn exact(&self, query: &Query, site: &Site<'_>) -> Contribution {
        let patients = self.patients(site.cohort, self.subset);
        let rows: Vec<&[f32]> = patients.iter().map(|(_, row)| row.as_slice()).collect();
        if let Some(zero) = layout::floor(query, site, rows.len()) {
            return zero;
        }
        let asked = self.asked();
        let mut blocks = vec![layout::count_values(rows.len(), 0)];
        if self.has(Part::Importance) {
            blocks.extend(self.permuted(&asked, &rows));
        }
        if self.has(Part::Gradients) {
            let of = |row: &&[f32]| Self::with_sizes(&self.attributions(&asked, row));
            blocks.push(total(rows.iter().map(of), 2 * self.trained.model().inputs().width()));
        }
        if self.has(Part::Dependence) {
            let of = |row: &&[f32]| asked.dependence(self.inputs(row), &self.grids);
            blocks.push(total(rows.iter().map(of), self.points()));
        }
        if let Some(curvature) = self.curvature {
            let trained = self.patients(site.cohort, Subset::Training);
            if let Some(zero) = layout::floor(query, site, trained.len()) {
                return zero;
            }
            let rows: Vec<&[f32]> = trained.iter().map(|(_, row)| row.as_slice()).collect();
            blocks.extend(curvature.sums(asked.model, asked.weights, &rows));
        }
        Contribution::encode(query, &blocks, site.max_patients)
    }

    fn attributions(&self, asked: &Asked<'_>, row: &[f32]) -> Vec<f64> {
        asked.attributions(self.inputs(row), self.params.path_parts)
    }

    fn with_sizes(values: &[f64]) -> Vec<f64> {
        values.iter().copied().chain(values.iter().map(|value| value.abs())).collect()
    }

    /// The summed loss, and by column the sums of the patients' mean rises over all repeats and of
    /// their squares.
    fn permuted(&self, asked: &Asked<'_>, rows: &[&[f32]]) -> [Vec<f64>; 2] {
        let losses: Vec<f64> = rows.iter().map(|row| asked.loss(row)).collect();
        let repeats = self.params.repeats;
        let mut sums = Vec::with_capacity(2 * self.columns.len());
        for (place, column) in self.columns.iter().enumerate() {
            let mut without = vec![0.0; rows.len()];
            for repeat in 0..repeats {
                let order = self.order((place * repeats + repeat) as u64, rows.len());
                for ((row, loss), donor) in rows.iter().zip(&mut without).zip(order) {
                    let mut other = Zeroizing::new(row.to_vec());
                    if let Some(donor) = rows.get(donor) {
                        column.copy(&mut other, donor);
                    }
                    *loss += asked.loss(&other) / repeats as f64;
                }
            }
            let rises = without.iter().zip(&losses).map(|(without, loss)| without - loss);
            let (rise, squares) =
                rises.fold((0.0, 0.0), |(a, b), rise| (a + rise, b + rise * rise));
            sums.extend([rise, squares]);
        }
        [vec![losses.iter().sum()], sums]
    }

    /// An order of the site's patients (Fisher and Yates).
    fn order(&self, which: u64, patients: usize) -> Vec<usize> {
        let mut random = SplitMix64::new(mix(self.params.seed).wrapping_add(which));
        let mut order: Vec<usize> = (0..patients).collect();
        for i in (1..patients).rev() {
            let j = (random.unit() * (i + 1) as f64) as usize;
            order.swap(i, j.min(i));
        }
        order
    }

    /// The sum of patients' own vectors, each cut to the grid alone: no floor, no neighbour (S2). Up to
    /// the public capacity rows of zeros follow, whose vectors are thrown away: the work is as much for
    /// any smaller number of patients (S5).
    pub(super) fn noised(&self, query: &Query, site: &Site<'_>) -> Contribution {
        let asked = self.asked();
        let mut blocks: Vec<Vec<f64>> =
            query.blocks.iter().map(|block| vec![0.0; block.len as usize]).collect();
        let patients = self.patients(site.cohort, self.subset);
        for (i, row) in &patients {
            let own = self.vector(&asked, site.cohort, *i, row);
            for (sums, values) in blocks.iter_mut().zip(own) {
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum += layout::on_noised_grid(value);
                }
            }
        }
        let nobody = vec![0.0; self.trained.model().width()];
        for _ in patients.len() as u64..site.capacity {
            // A place past the end is nobody's.
            let place = site.cohort.len();
            std::hint::black_box(self.vector(&asked, site.cohort, place, &nobody));
        }
        Contribution::encode(query, &blocks, site.max_patients)
    }

    /// What a patient adds under noise.
    fn vector(&self, asked: &Asked<'_>, cohort: &Cohort, i: usize, row: &[f32]) -> Vec<Vec<f64>> {
        let mut blocks = vec![vec![1.0]];
        if self.has(Part::Importance) {
            let repeats = self.params.repeats;
            let mut found = asked.rises(row, repeats, |column, place, repeat, other| {
                let which = (place * repeats + repeat) as u64;
                let seed = mix(self.params.seed).wrapping_add(1 + which);
                column.set(other, column.value(self.trained.draw(cohort, i, seed)));
            });
            patient::clip(&mut found.rises, self.caps.loss);
            blocks.extend([vec![found.loss], found.rises]);
        }
        if self.has(Part::Gradients) {
            let mut values = self.attributions(asked, row);
            patient::clip(&mut values, self.caps.attribution);
            blocks.push(Self::with_sizes(&values));
        }
        if self.has(Part::Dependence) {
            let predicted = asked.dependence(self.inputs(row), &self.grids);
            blocks.push(predicted.iter().map(|p| p - self.middle()).collect());
        }
        blocks
    }
}

fn total(vectors: impl Iterator<Item = Vec<f64>>, len: usize) -> Vec<f64> {
    vectors.fold(vec![0.0; len], |mut sums, values| {
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        sums
    })
}
