//! Tasks over the real patients of local hospitals, and the same over virtual ones.

use std::path::Path;

use haima_fl_core::cohort::Cohort;
use haima_fl_core::registry::{self, Finished};
use haima_fl_core::results::generator::Generator;
use haima_fl_core::schema::{PatientKey, Schema};
use haima_fl_core::sum::drive;
use serde_json::Value;

use super::left_out::LeftOut;
use crate::Error;
use crate::report::Floors;
use crate::stats;
use crate::stats::hospitals::{Hospitals, plain_sums};
use crate::synth::sample::Rows;

/// Name and version of a task.
pub(super) type Task = (&'static str, u32);

/// Real patients at the hospitals. Which of these have enough is held against each task by itself.
pub(super) struct Real<'a> {
    hospitals: &'a Hospitals,
    floors: &'a Floors,
    /// Named when too few hospitals have enough patients.
    data: &'a Path,
    pub(super) left_out: LeftOut,
}

/// What a task is asked for.
#[derive(Clone, Copy)]
pub(super) struct Part {
    /// In words, as a reader knows it.
    pub(super) name: &'static str,
    /// Whose rows the floor counts; empty for all of a hospital's.
    pub(super) of_whom: &'static str,
}

impl<'a> Real<'a> {
    pub(super) fn new(hospitals: &'a Hospitals, floors: &'a Floors, data: &'a Path) -> Self {
        Self { hospitals, floors, data, left_out: LeftOut::default() }
    }

    /// The schema.
    pub(super) fn schema(&self) -> &Schema {
        &self.hospitals.schema
    }

    /// A task over sums of all hospitals that have enough patients for it; the others are noted down.
    pub(super) fn run(
        &mut self,
        part: Part,
        (name, version): Task,
        params: &toml::Table,
        finished: &Finished,
    ) -> Result<Value, Error> {
        let run = registry::open(name, version, params, self.schema(), finished)?;
        let (taken, excluded) = self.hospitals.floors(run.as_ref(), self.floors, self.data)?;
        self.left_out.add(part.name, part.of_whom, excluded);
        self.over(&self.hospitals.of(&taken), (name, version), params, finished)
    }

    /// A task over sums of the patients that `takes`; a hospital with few of them adds nothing.
    pub(super) fn run_of(
        &self,
        takes: impl Fn(&Cohort, usize) -> bool,
        task: Task,
        params: &toml::Table,
        finished: &Finished,
    ) -> Result<Value, Error> {
        let part = |cohort: &Cohort| cohort.select(|patient| takes(cohort, patient));
        let parts: Vec<Cohort> = self.hospitals.cohorts.values().map(part).collect();
        self.over(&parts, task, params, finished)
    }

    fn over(
        &self,
        cohorts: &[Cohort],
        (name, version): Task,
        params: &toml::Table,
        finished: &Finished,
    ) -> Result<Value, Error> {
        let open = || registry::open(name, version, params, self.schema(), finished);
        let mut run = open()?;
        let mut sums = plain_sums(cohorts, self.hospitals.max_patients, self.floors, open)?;
        Ok(drive(run.as_mut(), &mut sums)?)
    }
}

/// Virtual patients as one cohort.
pub(super) struct Virtual {
    schema: Schema,
    cohort: Cohort,
    floors: Floors,
}

impl Virtual {
    /// Reads drawn rows as a cohort.
    pub(super) fn new(generator: &Generator, rows: &Rows) -> Result<Self, Error> {
        let mut schema = generator.domain.schema();
        // A name that no column has: rows that are alike are still several virtual patients.
        let longest = rows.header.iter().map(String::len).max().unwrap_or(0);
        let key = "x".repeat(longest + 1);
        let text = rows.csv(Some(&key))?;
        schema.patient = PatientKey::Column(key);
        let cohort = Cohort::from_reader("the virtual patients", text.as_slice(), &schema)?;
        let floors = Floors { min_sites: 1, min_local_rows: 0, min_cell: 0 };
        Ok(Self { schema, cohort, floors })
    }

    /// A task over them.
    pub(super) fn run(&self, (name, version): Task, params: &toml::Table) -> Result<Value, Error> {
        let finished = Finished::new();
        let open = || registry::open(name, version, params, &self.schema, &finished);
        let mut run = open()?;
        let cohorts = std::slice::from_ref(&self.cohort);
        let most = stats::round_up(self.cohort.len());
        let mut sums = plain_sums(cohorts, most, &self.floors, open)?;
        Ok(drive(run.as_mut(), &mut sums)?)
    }
}
