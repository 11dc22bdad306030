//! What a step computed, as the page knows it.

use haima_fl_core::results::clusters::Clusters;
use haima_fl_core::results::combat::Combat;
use haima_fl_core::results::competing::Incidence;
use haima_fl_core::results::comutation::Comutation;
use haima_fl_core::results::explain::Explanation;
use haima_fl_core::results::fidelity::Fidelity;
use haima_fl_core::results::finegray::SubdistributionFit;
use haima_fl_core::results::generator::Generator;
use haima_fl_core::results::gridded::GriddedFit;
use haima_fl_core::results::meta::Meta;
use haima_fl_core::results::multistate::MultiState;
use haima_fl_core::results::network::Network;
use haima_fl_core::results::pca::Pca;
use haima_fl_core::results::prepare::Prepared;
use haima_fl_core::results::scan::Scan;
use haima_fl_core::results::validation::Validation;
use haima_fl_core::results::{Concordance, Curves, Fit, HazardModel, Table1};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a step computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum StepResult {
    /// Description of the cohort.
    Table1(Table1),
    /// Kaplan-Meier curves.
    Curves(Curves),
    /// Cumulative incidence of competing events.
    Incidence(Incidence),
    /// An illness-death model.
    States(MultiState),
    /// A Cox or generalised linear model.
    Fit(Fit),
    /// A Cox model whose risk sets span hospitals.
    GriddedFit(GriddedFit),
    /// A Fine-Gray model.
    Subdistribution(SubdistributionFit),
    /// A meta-analysis of the hospitals' own models.
    Meta(Meta),
    /// An association scan.
    Scan(Scan),
    /// Mutations and their pairs.
    Comutation(Comutation),
    /// Principal components.
    Pca(Pca),
    /// Clusters of patients.
    Clusters(Clusters),
    /// Validation of a prediction.
    Validation(Validation),
    /// A discrete-time hazard network.
    Hazard(HazardModel),
    /// A trained network.
    Network(Network),
    /// What a trained network goes by.
    Explanation(Explanation),
    /// Concordance of a risk score.
    Concordance(Concordance),
    /// Figures that standardise columns.
    Prepared(Prepared),
    /// Batch terms.
    Batches(Combat),
    /// A generator of virtual patients.
    Generator(Box<Generator>),
    /// How like real ones the patients of a generator are.
    Fidelity(Box<Fidelity>),
    /// Any other result, which the page names and does not draw.
    Other(Value),
}

impl StepResult {
    /// Reads a result by its `schema`; one that this version does not know is kept as it is.
    #[must_use]
    pub fn read(value: &Value) -> Self {
        let schema = value.get("schema").and_then(Value::as_str).unwrap_or_default();
        let read = match schema {
            "haima.table1/1" => of(value, Self::Table1),
            "haima.km/1" => of(value, Self::Curves),
            "haima.cif/1" => of(value, Self::Incidence),
            "haima.multistate/1" => of(value, Self::States),
            "haima.fit/1" if value.get("baseline").is_some() => of(value, Self::GriddedFit),
            "haima.fit/1" if value.get("cause").is_some() => of(value, Self::Subdistribution),
            "haima.fit/1" => of(value, Self::Fit),
            "haima.meta/1" => of(value, Self::Meta),
            "haima.scan/1" => of(value, Self::Scan),
            "haima.comutation/1" => of(value, Self::Comutation),
            "haima.pca/1" => of(value, Self::Pca),
            "haima.clusters/1" => of(value, Self::Clusters),
            "haima.validation/1" => of(value, Self::Validation),
            "haima.hazard/1" => of(value, Self::Hazard),
            "haima.network/1" => of(value, Self::Network),
            "haima.explanation/1" => of(value, Self::Explanation),
            "haima.concordance/1" => of(value, Self::Concordance),
            "haima.prepared/1" => of(value, Self::Prepared),
            "haima.combat/1" => of(value, Self::Batches),
            "haima.generator/1" => of(value, |one| Self::Generator(Box::new(one))),
            "haima.fidelity/1" => of(value, |one| Self::Fidelity(Box::new(one))),
            _ => None,
        };
        read.unwrap_or_else(|| Self::Other(value.clone()))
    }

    /// The model, of whatever kind.
    #[must_use]
    pub fn fit(&self) -> Option<&Fit> {
        match self {
            Self::Fit(fit)
            | Self::GriddedFit(GriddedFit { fit, .. })
            | Self::Subdistribution(SubdistributionFit { fit, .. }) => Some(fit),
            _ => None,
        }
    }

    /// Patients and contributing sites, where the result counts them.
    #[must_use]
    pub fn counts(&self) -> Option<(u64, u64)> {
        match self {
            Self::Table1(table) => Some((*table.n.first()?, table.sites)),
            Self::Curves(curves) => Some((curves.n, curves.sites)),
            Self::Incidence(incidence) => Some((incidence.n, incidence.sites)),
            Self::States(states) => Some((states.n, states.sites)),
            Self::Fit(fit)
            | Self::GriddedFit(GriddedFit { fit, .. })
            | Self::Subdistribution(SubdistributionFit { fit, .. }) => {
                fit.noised.is_none().then_some((fit.n, fit.sites))
            }
            // Hospitals whose own model has no estimate are no part of it.
            Self::Meta(_) => None,
            Self::Scan(scan) => Some((scan.n, scan.sites)),
            Self::Comutation(comutation) => Some((comutation.n, comutation.sites)),
            Self::Pca(pca) => Some((pca.n, pca.sites)),
            Self::Clusters(clusters) => Some((clusters.n, clusters.sites)),
            Self::Validation(validation) => Some((validation.n, validation.sites)),
            Self::Batches(batches) => Some((batches.n, batches.sites)),
            Self::Prepared(_)
            | Self::Explanation(_)
            | Self::Network(_)
            | Self::Hazard(_)
            | Self::Concordance(_)
            | Self::Generator(_)
            | Self::Fidelity(_)
            | Self::Other(_) => None,
        }
    }
}

fn of<T: DeserializeOwned>(value: &Value, wrap: fn(T) -> StepResult) -> Option<StepResult> {
    T::deserialize(value).ok().map(wrap)
}
