//! What is said of a study's model or generator: data, promise, numbers that went in, figures that
//! judge it, notes.

use haima_fl_core::schema::Schema;
use haima_fl_core::selection::Selection;
use haima_fl_core::tasks::{concordance, fidelity, validate};
use haima_smpc_node::manifest::TaskEntry;
use haima_smpc_node::plan::{Plan, TaskPlan};
use serde_json::Value;

use super::{Ended, Made};
use crate::Error;
use crate::card::SUBJECT;
use crate::coordinator::events::Event;
use crate::coordinator::record::{absences, of_task};
use crate::model_file::guarantee::{Coalition, Terms};
use crate::model_file::{
    Data, Figure, Guarantee, Metric, PROVENANCE_SCHEMA, Provenance, making, metrics,
};
use crate::report::{Committed, Floors, numbers};

/// Where a study's public numbers stand.
const MANIFEST: &str = "the manifest";

impl Ended<'_> {
    /// Where what a task left comes from.
    ///
    /// # Errors
    /// When the manifest's schema, a cohort or a figure of the plan cannot be read.
    pub(super) fn provenance(&self, entry: &TaskEntry, made: &Made) -> Result<Provenance, Error> {
        let manifest = self.manifest;
        let plan = Plan::of(manifest);
        let own: Vec<&Event> = of_task(self.log, &entry.id).collect();
        let (excluded, warnings) = absences(manifest, &own);
        let mut notes = self.notes(entry, &own, of_plan(&plan, &entry.id).is_some());
        notes.extend(warnings);
        notes.extend(self.charges(entry, made, &plan)?);
        let mut task = making::task(&entry.task, entry.version, &entry.params);
        if !self.about.subject.is_empty() {
            task.insert(SUBJECT.into(), self.about.subject.as_str().into());
        }
        Ok(Provenance {
            schema: PROVENANCE_SCHEMA.into(),
            task,
            mode: self.mode.into(),
            data: Data {
                hospitals: manifest.sites.len().saturating_sub(excluded.len()) as u64,
                excluded,
                patients: None,
                cohort: self.cohort(entry)?.to_string(),
                schema_digest: making::schema_digest(&manifest.schema)?,
                schema_inferred: false,
            },
            privacy: self.guarantee(of_plan(&plan, &entry.id), made)?,
            figures: self.figures(entry, made),
            metrics: self.metrics(&entry.id, made, &plan)?,
            notes,
            journal: Some(self.journal.to_string()),
        })
    }

    fn cohort(&self, entry: &TaskEntry) -> Result<Selection, Error> {
        Ok(Selection::of_params(&entry.params, &Schema::from_toml(&self.manifest.schema)?)?)
    }

    fn guarantee(&self, plan: Option<&TaskPlan>, made: &Made) -> Result<Guarantee, Error> {
        let Some(plan) = plan else { return Ok(Guarantee::exact()) };
        let terms = Terms {
            coalition: match self.manifest.masking {
                Some(masking) => Coalition::Masked(Some(masking.corrupt)),
                None => Coalition::Nodes,
            },
            hides_hospital: made.hides_hospital(),
            hospitals_per_patient: self.manifest.hospitals_per_patient,
            simulated: false,
            note: "the promise of the committed plan, whatever number of its rounds ran",
        };
        Guarantee::of(plan, &terms)
    }

    /// Every number that the manifest gives to the task, and those of its inputs or columns (rule S4).
    fn figures(&self, entry: &TaskEntry, made: &Made) -> Vec<Figure> {
        let manifest = self.manifest;
        let mut figures = making::of_params(&entry.params, MANIFEST);
        let own = [
            ("max_steps", entry.max_steps.into()),
            ("spare_attempts", entry.spare_attempts.into()),
            ("min_sites", manifest.min_sites.into()),
            ("max_patients", manifest.max_patients()),
            ("hospitals_per_patient", manifest.hospitals_per_patient.into()),
        ];
        let public = |(name, value): (&str, u64)| making::public(name, value.to_string(), MANIFEST);
        figures.extend(own.map(public));
        figures.extend(made.figures());
        figures
    }

    /// What later tasks of the study found of a model or a generator.
    fn metrics(&self, id: &str, made: &Made, plan: &Plan) -> Result<Vec<Metric>, Error> {
        let mut found = Vec::new();
        let schema = Schema::from_toml(&self.manifest.schema)?;
        for entry in &self.manifest.tasks {
            let text = |key: &str| entry.params.get(key).and_then(toml::Value::as_str);
            let judged = match entry.task.as_str() {
                validate::NAME | concordance::NAME => text("model"),
                fidelity::NAME => text("of"),
                _ => None,
            };
            let Some(result) = self.results.get(&entry.id).filter(|_| judged == Some(id)) else {
                continue;
            };
            let subset = result.get("subset").and_then(Value::as_str).or(text("subset"));
            let whom = metrics::whom(subset, made.holdout());
            let over = self.over(entry, result, whom, of_plan(plan, &entry.id))?;
            found.extend(match entry.task.as_str() {
                validate::NAME => {
                    let unit = metrics::unit_of_time(&entry.params, &schema);
                    metrics::of_validation(result, &over, unit)
                }
                concordance::NAME => metrics::of_concordance(result, &over),
                _ => metrics::of_fidelity(result, &over),
            });
        }
        Ok(found)
    }

    /// Over whom a task judged a model, and by what kind of sums. Few patients are shown as few, by the
    /// display rule of the study's page.
    fn over(
        &self,
        entry: &TaskEntry,
        result: &Value,
        whom: &str,
        plan: Option<&TaskPlan>,
    ) -> Result<String, Error> {
        // Under noise a number of patients is an estimate, and no whole one.
        let whole = |number: f64| number.round().max(0.0) as u64;
        let number = |key: &str| result.get(key).and_then(Value::as_f64).map(whole);
        let (n, min_cell) = (number("n").unwrap_or(0), Floors::default().min_cell);
        let mut over = numbers::counted_cell(n, min_cell, "patient", "patients");
        if let Some(sites) = number("sites") {
            over += &format!(" of {}", numbers::counted(sites, "hospital", "hospitals"));
        }
        over += &match plan {
            None => format!(", {whom}, exact sums, task {}", entry.id),
            Some(plan) => {
                format!(", {whom}, sums under noise ({}), task {}", promise(plan)?, entry.id)
            }
        };
        for predicate in self.cohort(entry)?.to_string().lines() {
            over += &format!(", {predicate}");
        }
        Ok(over)
    }

    /// The study, and how the task's own sums went.
    fn notes(&self, entry: &TaskEntry, own: &[&Event], is_charged: bool) -> Vec<String> {
        let manifest = self.manifest;
        let mut notes = vec![
            format!("task {} of the study {}", entry.id, manifest.study),
            format!("manifest {}, signed by every party", manifest.digest()),
        ];
        if !self.about.data.is_empty() {
            notes.push(format!("data: {}", self.about.data));
        }
        notes.extend(self.about.warnings.iter().cloned());
        let accepted = own.iter().filter_map(|event| match event {
            Event::Released { accepted, .. } => Some(accepted.len()),
            _ => None,
        });
        if let (Some(least), Some(most)) = (accepted.clone().min(), accepted.max())
            && least < most
        {
            notes.push(format!("its sums have {least} to {most} hospitals each"));
        }
        let failed = own.iter().filter(|event| matches!(event, Event::Failed { .. })).count();
        if failed > 0 {
            let attempts = numbers::counted(failed as u64, "attempt", "attempts");
            let price = if is_charged { ", each charged as a release is" } else { "" };
            notes.push(format!("{attempts} failed{price}"));
        }
        notes
    }

    /// What else the study's patients were charged, or were not.
    fn charges(&self, entry: &TaskEntry, made: &Made, plan: &Plan) -> Result<Vec<String>, Error> {
        if of_plan(plan, &entry.id).is_none() {
            return Ok(vec![
                "a hospital below its own floor of rows adds zeros, and is counted all the same"
                    .to_owned(),
            ]);
        }
        let mut notes = Vec::new();
        for id in made.built_on() {
            notes.push(match of_plan(plan, id) {
                Some(plan) => {
                    format!("figures of task {id} were charged apart: {}", promise(plan)?)
                }
                None => format!(
                    "inputs use figures of task {id}, released without noise: the promise does not \
                     cover them"
                ),
            });
        }
        if let Some(Committed { delta, best_coalition: best, .. }) = self.committed {
            let (epsilon, delta) = (rounded_up(best.epsilon), numbers::scientific(*delta));
            notes.push(format!(
                "all private tasks of the study together: epsilon {epsilon} at delta {delta} against \
                 the same adversary ({})",
                best.method
            ));
        }
        let is_exact =
            |event: &&Event| matches!(event, Event::Released { round, .. } if round.exact);
        let exact = self.log.iter().filter(is_exact).count();
        if exact > 0 {
            let sums = numbers::counted(exact as u64, "exact sum", "exact sums");
            notes.push(format!("besides, the study released {sums}, which no epsilon covers"));
        }
        Ok(notes)
    }
}

fn of_plan<'a>(plan: &'a Plan, id: &str) -> Option<&'a TaskPlan> {
    plan.tasks.iter().find(|task| task.id == id)
}

/// What the attempts of a task are charged.
fn promise(plan: &TaskPlan) -> Result<String, Error> {
    let (epsilon, delta) = (plan.charged()?.epsilon.get(), numbers::scientific(plan.noise.delta));
    Ok(format!("epsilon {} at delta {delta}", rounded_up(epsilon)))
}

/// An epsilon that is never shown smaller than it is.
fn rounded_up(epsilon: f64) -> String {
    format!("{:.3}", (epsilon * 1000.0).ceil() / 1000.0)
}
