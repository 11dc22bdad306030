//! What is said of a model's making, from its task file and its result.

use haima_fl_core::results::network::Network;
use haima_fl_core::selection::Selection;
use serde::Deserialize as _;
use serde_json::Value;

use super::Prepared;
use crate::Error;
use crate::card::SUBJECT;
use crate::model_file::{Data, Figure, Guarantee, PROVENANCE_SCHEMA, Provenance, making};
use crate::report::Excluded;

/// The provenance of a result.
pub(super) fn of(
    prepared: &Prepared<'_>,
    result: &Value,
    privacy: Guarantee,
    hospitals: usize,
    excluded: Vec<Excluded>,
) -> Result<Provenance, Error> {
    let network = Network::deserialize(result).map_err(|error| {
        Error::config(&prepared.request.task, format!("the result is no network: {error}"))
    })?;
    let own = &prepared.hospitals;
    let exact = matches!(privacy, Guarantee::Exact { .. });
    let cohorts = own.cohorts.iter().filter(|(name, _)| !excluded.iter().any(|e| e.site == **name));
    let rows: usize = cohorts.map(|(_, cohort)| cohort.len()).sum();
    let mut task = making::task(&prepared.task.name, prepared.task.version, &prepared.task.params);
    if let Some(subject) = &prepared.subject {
        task.insert(SUBJECT.into(), subject.as_str().into());
    }
    Ok(Provenance {
        schema: PROVENANCE_SCHEMA.into(),
        task,
        mode: prepared.request.summing.mode().into(),
        data: Data {
            hospitals: hospitals as u64,
            excluded,
            // Under privacy the number of patients is itself a figure of patients (rule S6).
            patients: exact.then_some(rows as u64),
            cohort: Selection::of_params(&prepared.task.params, &own.schema)?.to_string(),
            schema_digest: making::schema_digest(&own.schema_text)?,
            schema_inferred: prepared.schema_inferred,
        },
        privacy,
        figures: figures(prepared, &network),
        metrics: Vec::new(),
        notes: prepared.notes.clone(),
        journal: None,
    })
}

/// Every number of the task file, and every figure of an input (rule S4).
fn figures(prepared: &Prepared<'_>, network: &Network) -> Vec<Figure> {
    let mut figures = making::of_params(&prepared.task.params, "the task file");
    let floors = &prepared.floors;
    let floors =
        [("min_sites", u64::from(floors.min_sites)), ("min_local_rows", floors.min_local_rows)];
    figures.extend(floors.map(|(name, floor)| {
        making::public(name, floor.to_string(), "the floors of the training")
    }));
    figures.extend(prepared.hospitals.public.figures());
    figures.extend(making::of_inputs(network, prepared.schema_inferred));
    figures
}
