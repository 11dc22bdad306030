//! Hospitals that this machine plays: the parts of a pooled file, or a file each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use haima_fl_core::cohort::Cohort;
use haima_fl_core::schema::{PatientKey, Schema};
use haima_fl_core::sum::PlainSum;
use haima_fl_core::task::{Run, Site, SiteState};

use super::Public;
use crate::Error;
use crate::data::source;
use crate::model_file::patients::Patients;
use crate::pooled::Table;
use crate::report::{Excluded, Floors};

/// Local hospitals, ready to run.
pub(crate) struct Hospitals {
    /// The schema as the manifest would have it, and read.
    pub(crate) schema_text: toml::Table,
    pub(crate) schema: Schema,
    /// Rows of each hospital as CSV.
    pub(crate) texts: BTreeMap<String, String>,
    pub(crate) cohorts: BTreeMap<String, Cohort>,
    /// Cap on the patients of each: the study's own under a promise to patients, where its template
    /// says one, else a round number that the largest has room in.
    pub(crate) max_patients: u64,
    /// What a promise to patients rests on.
    pub(crate) public: Public,
}

impl Hospitals {
    /// The rows of one file, each at the hospital that `of_row` names; the column `site` itself is
    /// no hospital's.
    ///
    /// # Errors
    /// When a row does not fit the schema, with its line in this file.
    pub(crate) fn of_table(
        table: &Table,
        site: Option<&str>,
        of_row: &[String],
        schema_text: toml::Table,
        schema: Schema,
    ) -> Result<Self, Error> {
        // All rows at once, so that a fault is told with its line in this file.
        let renamed = for_schema(table, &schema);
        let mut whole = schema.clone();
        whole.ignore.extend(site.map(str::to_owned));
        for path in table.paths() {
            match is_for(&schema) {
                // Columns that no schema can name are not read.
                true => drop(Patients::open(path)?.read(&schema)?),
                false => drop(source::cohort(path, &whole)?),
            }
        }
        let table = renamed.as_ref().unwrap_or(table);
        let parts = match site {
            Some(column) => table.split(column)?,
            None => super::distinct(of_row)
                .map(|name| {
                    let of = |row: usize| of_row.get(row).is_some_and(|of| of == name);
                    (name.to_owned(), table.select(of))
                })
                .collect(),
        };
        let (mut texts, mut cohorts) = (BTreeMap::new(), BTreeMap::new());
        for (name, part) in parts {
            let text = part.text()?;
            let file = format!("{}, {name}", table.path().display());
            cohorts.insert(name.clone(), Cohort::from_reader(&file, text.as_bytes(), &schema)?);
            texts.insert(name, text);
        }
        Ok(Self::new(schema_text, schema, texts, cohorts))
    }

    /// A hospital a file, named after it.
    ///
    /// # Errors
    /// When a file cannot be read or does not fit the schema, or two have one name.
    pub(crate) fn of_files(
        files: &[PathBuf],
        schema_text: toml::Table,
        schema: Schema,
    ) -> Result<Self, Error> {
        let (mut texts, mut cohorts) = (BTreeMap::new(), BTreeMap::new());
        for path in files {
            let name = name_of(path);
            let cohort = source::cohort(path, &schema)?;
            let text = source::text(path)?;
            if texts.insert(name.clone(), text).is_some() {
                let problem = format!("two files give the hospital {name}; rename one");
                return Err(Error::config(path, problem));
            }
            cohorts.insert(name, cohort);
        }
        Ok(Self::new(schema_text, schema, texts, cohorts))
    }

    fn new(
        schema_text: toml::Table,
        schema: Schema,
        texts: BTreeMap<String, String>,
        cohorts: BTreeMap<String, Cohort>,
    ) -> Self {
        let largest = cohorts.values().map(Cohort::len).max().unwrap_or(0);
        let max_patients = super::round_up(largest);
        Self { schema_text, schema, texts, cohorts, max_patients, public: Public::default() }
    }

    /// The same hospitals under a promise to their patients, which rests on the study's own public
    /// numbers.
    ///
    /// # Errors
    /// When a hospital has more patients than the study's cap, as its own daemon would say; `file` is
    /// named.
    pub(crate) fn promising(self, public: Public, file: &Path) -> Result<Self, Error> {
        let Some(cap) = public.max_patients else {
            return Ok(Self { public, ..self });
        };
        let over = |cohort: &Cohort| cohort.patients() as u64 > cap;
        if let Some((name, _)) = self.cohorts.iter().find(|(_, cohort)| over(cohort)) {
            let problem = format!(
                "hospital {name} has more patients than the {cap} that the study's template allows \
                 (`max_patients`); raise it there, or deal the rows out to more hospitals"
            );
            return Err(Error::data(file, problem));
        }
        Ok(Self { max_patients: cap, public, ..self })
    }

    /// The hospitals that have rows of one patient, where a patient's key is at more than `most` of
    /// them (rule S1). Whose key it is, is not said.
    pub(crate) fn sharing(&self, most: u32) -> Option<Vec<&str>> {
        if self.schema.patient == PatientKey::OneRow {
            return None;
        }
        let mut at: BTreeMap<&str, u32> = BTreeMap::new();
        for cohort in self.cohorts.values() {
            for key in keys(cohort).collect::<BTreeSet<&str>>() {
                let hospitals = at.entry(key).or_insert(0);
                *hospitals += 1;
                if *hospitals > most {
                    let has = |cohort: &Cohort| keys(cohort).any(|own| own == key);
                    let named = self.cohorts.iter().filter(|(_, cohort)| has(cohort));
                    return Some(named.map(|(name, _)| name.as_str()).collect());
                }
            }
        }
        None
    }

    /// All hospitals: under noise none is left out for what its data are (rule S5).
    ///
    /// # Errors
    /// When there are too few of them; `file` is named.
    pub(crate) fn all(&self, floors: &Floors, file: &Path) -> Result<Vec<String>, Error> {
        if (self.cohorts.len() as u64) < u64::from(floors.min_sites) {
            let problem = format!(
                "a sum needs {} hospitals (--min-sites), and there are {}",
                floors.min_sites,
                self.cohorts.len()
            );
            return Err(Error::floor(file, problem));
        }
        Ok(self.cohorts.keys().cloned().collect())
    }

    /// Without noise: hospitals whose answers count, and those that are left out with the reason. A
    /// hospital learns it from its own rows and never tells; here all of them are this machine's.
    ///
    /// # Errors
    /// When too few have enough patients; `file` is named.
    pub(crate) fn floors(
        &self,
        run: &dyn Run,
        floors: &Floors,
        file: &Path,
    ) -> Result<(Vec<String>, Vec<Excluded>), Error> {
        let (mut taken, mut excluded) = (Vec::new(), Vec::new());
        for (name, cohort) in &self.cohorts {
            let site = Site {
                cohort,
                capacity: 0,
                max_patients: self.max_patients,
                min_local_rows: floors.min_local_rows,
            };
            let answer = run.contribute(
                &site,
                &mut SiteState::default(),
                &mut haima_smpc_node::randomness::system(),
            )?;
            match &answer.note {
                None => taken.push(name.clone()),
                // Not how many rows it has: a reason stands in files and on pages.
                Some(note) => {
                    excluded.push(Excluded { site: name.clone(), reason: note.clone() });
                }
            }
        }
        if (taken.len() as u64) < u64::from(floors.min_sites) {
            // Where a patient's key was named as the column of hospitals, these are patients.
            const NAMED: usize = 5;
            let shown = excluded.iter().take(NAMED);
            let mut without: String =
                shown.map(|out| format!("; {}: {}", out.site, out.reason)).collect();
            if excluded.len() > NAMED {
                without.push_str(&format!(
                    "; and {} more: is it the column of hospitals?",
                    excluded.len() - NAMED
                ));
            }
            let problem = format!(
                "{} of {} hospitals have enough patients, and a sum needs {} (--min-sites){without}",
                taken.len(),
                self.cohorts.len(),
                floors.min_sites
            );
            return Err(Error::floor(file, problem));
        }
        Ok((taken, excluded))
    }

    /// The cohorts of those hospitals.
    pub(crate) fn of(&self, names: &[String]) -> Vec<Cohort> {
        let cohorts = names.iter().filter_map(|name| self.cohorts.get(name));
        cohorts.map(|cohort| cohort.select(|_| true)).collect()
    }
}

/// The table with the names that an inferred schema gives to columns that nobody reads; none where it
/// gives none.
pub(super) fn for_schema(table: &Table, schema: &Schema) -> Option<Table> {
    table.renamed(|at, header| {
        let stand_in = super::infer::stand_in(at);
        let is = stand_in != header && schema.ignore.contains(&stand_in);
        is.then_some(stand_in)
    })
}

/// Whether a schema passes over columns by their place.
fn is_for(schema: &Schema) -> bool {
    schema.ignore.iter().any(|name| super::infer::is_stand_in(name))
}

/// The key of each row.
fn keys(cohort: &Cohort) -> impl Iterator<Item = &str> {
    (0..cohort.len()).map(move |row| cohort.key(row))
}

/// A file's hospital, named after it.
pub(crate) fn name_of(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Plain sums over cohorts, at each of which `open` starts the task.
pub(crate) fn plain_sums<'a>(
    cohorts: &'a [Cohort],
    max_patients: u64,
    floors: &Floors,
    open: impl FnMut() -> Result<Box<dyn Run>, haima_fl_core::Error>,
) -> Result<PlainSum<'a>, Error> {
    Ok(PlainSum::new(
        cohorts,
        max_patients,
        floors.min_local_rows,
        haima_smpc_node::randomness::system(),
        open,
    )?)
}
