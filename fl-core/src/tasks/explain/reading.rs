//! The explanation that a sum makes.

use super::column::Column;
use super::{Explain, NAME, Part};
use crate::error::Error;
use crate::learn::explanation::coefficients;
use crate::results::explain::{self, Attribution, Dependence, Explanation, Importance};
use crate::sum::Sum;
use crate::tasks::layout::{self, Release, unfit};

impl Explain {
    pub(super) fn output(&self, sum: &Sum) -> Result<Explanation, Error> {
        let noised = self.params.release == Release::Noised;
        let (n, sites) = if noised {
            (layout::block(sum, "patients", 1)?.iter().sum::<f64>(), 0)
        } else {
            let counts = layout::read_counts(sum)?;
            (counts.patients as f64, counts.sites)
        };
        // Written so that what is no number fails, too.
        let enough = (1.0..=1e15).contains(&n);
        if !enough {
            return Err(unfit(
                NAME,
                "nobody to explain the model by: no complete patient in the subset at any answering \
                 site, or more noise than patients",
            ));
        }
        let network = self.trained.network();
        let name = network.model.params.get("name").and_then(toml::Value::as_str);
        let mut result = Explanation {
            schema: explain::SCHEMA.to_owned(),
            model: self.params.model.clone(),
            network: name.unwrap_or_default().to_owned(),
            output: self.focus.name().to_owned(),
            log_odds: self.focus.is_probability(),
            subset: self.subset.name().to_owned(),
            n: layout::whole(n),
            sites,
            noised,
            loss: None,
            importance: Vec::new(),
            attributions: Vec::new(),
            dependence: Vec::new(),
            coefficients: None,
            notes: Vec::new(),
        };
        if self.has(Part::Importance) {
            result.loss = layout::block(sum, "loss", 1)?.first().map(|sum| sum / n);
            result.importance = self.importance(sum, n, noised)?;
        }
        let terms = self.trained.model().inputs().terms();
        if self.has(Part::Gradients) {
            let sums = layout::block(sum, "gradients", 2 * terms.len())?;
            let (means, sizes) = sums.split_at(terms.len());
            let rows = terms.iter().zip(means.iter().zip(sizes));
            result.attributions = rows
                .map(|(term, (mean, size))| Attribution {
                    input: term.name.clone(),
                    column: term.column.clone(),
                    mean: mean / n,
                    mean_abs: size / n,
                })
                .collect();
        }
        if self.has(Part::Dependence) {
            result.dependence = self.dependence(sum, n, noised)?;
        }
        if let Some(curvature) = self.curvature {
            let intercept = network.model.layers.iter().any(|layer| layer.name == "body.0.bias");
            match curvature.read(sum, self.trained.weights(), terms, intercept)? {
                Ok(found) => result.coefficients = Some(found),
                Err(reason) => result.notes.push(format!("no coefficients: {reason}")),
            }
            result.notes.push(
                "Errors of coefficients are those of a model trained to the end without noise; \
                 noise in training, a penalty or too few steps are not in them."
                    .to_owned(),
            );
        } else if coefficients(self.trained.model(), self.trained.weights()).is_some() && noised {
            result.notes.push(
                "Coefficients have no errors here: the information matrix leaves under the exact \
                 class only."
                    .to_owned(),
            );
        }
        Ok(result)
    }

    fn importance(&self, sum: &Sum, n: f64, noised: bool) -> Result<Vec<Importance>, Error> {
        let each = if noised { 1 } else { 2 };
        let sums = layout::block(sum, "importance", each * self.columns.len())?;
        let row = |(column, sums): (&Column, &[f64])| {
            let rise = sums.first().copied().unwrap_or(0.0) / n;
            let variance = sums.get(1).map(|squares| (squares / n - rise * rise).max(0.0));
            let se = variance.map(|variance| (variance / (n - 1.0)).sqrt());
            Importance { column: column.name.clone(), rise, se: se.filter(|se| se.is_finite()) }
        };
        Ok(self.columns.iter().zip(sums.chunks_exact(each)).map(row).collect())
    }

    fn dependence(&self, sum: &Sum, n: f64, noised: bool) -> Result<Vec<Dependence>, Error> {
        let sums = layout::block(sum, "dependence", self.points())?;
        let (low, high) = self.caps.prediction;
        let middle = if noised { self.middle() } else { 0.0 };
        let mut rest = sums.as_slice();
        let mut rows = Vec::new();
        for (column, grid) in self.columns.iter().zip(&self.grids) {
            let (own, after) = rest.split_at(grid.len().min(rest.len()));
            rest = after;
            rows.push(Dependence {
                column: column.name.clone(),
                levels: column.levels.clone(),
                values: grid.clone(),
                predicted: own.iter().map(|sum| (middle + sum / n).clamp(low, high)).collect(),
            });
        }
        Ok(rows)
    }
}
