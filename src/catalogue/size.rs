//! How many patients a site may speak of (rule S6): none, a number that it declares public, rounded to a
//! coarse grain, or a sum that a study released under noise, with what it was charged.
//!
//! No charged number is typed in: it is read out of the study's report, with its noise, and the round
//! can be held against the site's own journal.

use haima_crypto::encode::Encoder;
use haima_fl_core::results::noised::COUNT_BITS;
use serde::{Deserialize, Serialize};

use super::Member;
use super::check::{self, LINE, NAME};
use super::privacy::Privacy;
use crate::report::{
    Class, Role, RoundClass, RoundRow, RoundStatus, Step, StepResult, StudyReport,
};

/// The finest grain of a declared size, patients.
pub const FINEST_GRAIN: u64 = 10;
/// The coarsest.
const COARSEST_GRAIN: u64 = 100_000;
const MOST_PATIENTS: u64 = 1_000_000_000;

/// How many patients.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Size {
    /// Not said.
    #[default]
    Absent,
    /// Declared public by the site: an assumption, outside any epsilon.
    Declared {
        /// Patients, a multiple of the grain.
        patients: u64,
        /// What it was rounded to: 10, 20, 50, 100, ...
        grain: u64,
    },
    /// A released sum under noise.
    Charged(Charged),
}

/// A released sum under noise: the patients of all hospitals of a study together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charged {
    /// Patients, as released.
    pub patients: u64,
    /// Standard deviation of its noise, patients.
    pub sd: f64,
    /// Hospitals in the sum.
    pub hospitals: u32,
    /// The task's cohort, a predicate a line there; empty for all patients.
    pub cohort: String,
    /// What the task was charged.
    pub privacy: Privacy,
    /// Digest of the study's manifest.
    pub study: String,
    /// Id of the task.
    pub task: String,
    /// Digest of the round.
    pub round: String,
}

impl Size {
    /// A declared size.
    ///
    /// # Errors
    /// When it is an exact count, or its grain could hold one.
    pub fn declared(patients: u64, grain: u64) -> Result<Self, String> {
        let size = Self::Declared { patients, grain };
        size.check()?;
        Ok(size)
    }

    pub(super) fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Absent => {
                to.u8(0);
            }
            Self::Declared { patients, grain } => {
                to.u8(1).u64(*patients).u64(*grain);
            }
            Self::Charged(charged) => {
                to.u8(2).u64(charged.patients).u64(charged.sd.to_bits()).u32(charged.hospitals);
                to.str(&charged.cohort);
                charged.privacy.encode(to);
                to.str(&charged.study).str(&charged.task).str(&charged.round);
            }
        }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Self::Absent => Ok(()),
            Self::Declared { patients, grain } => {
                // A grain of any other form could be the count itself.
                let powers = std::iter::successors(Some(FINEST_GRAIN), |power| Some(power * 10));
                let round = powers
                    .take_while(|power| *power <= COARSEST_GRAIN)
                    .any(|power| [1, 2, 5].iter().any(|times| times * power == *grain));
                if !round {
                    return Err(format!(
                        "grain {grain}; a declared size is rounded to 10, 20, 50, 100 and so on (rule \
                         S6)"
                    ));
                }
                if *patients == 0 || *patients > MOST_PATIENTS || patients % grain != 0 {
                    return Err(format!(
                        "{patients} patients are no multiple of the grain {grain}: an exact count \
                         does not leave a site; round it (rule S6)"
                    ));
                }
                Ok(())
            }
            Self::Charged(charged) => charged.check(),
        }
    }
}

impl Charged {
    /// The size that a private task `table1` of a report released, in a study that this site was a part
    /// of. `task` names one where there are several.
    ///
    /// # Errors
    /// When there is none, or the site took no part.
    pub fn of(report: &StudyReport, site: &Member, task: Option<&str>) -> Result<Self, String> {
        let own = site.fingerprint().map_err(|error| error.to_string())?;
        let party = (report.parties.iter())
            .find(|party| party.role == Role::Site && party.fingerprint == own)
            .ok_or("the report's hospitals do not have this site's key: it is no report of it")?;
        if report.excluded.iter().any(|out| out.site == party.name) {
            return Err("the report says that this site contributed to nothing".into());
        }
        let named = |step: &&Step| task.is_none_or(|task| step.id == task);
        let mut found = report.steps.iter().filter(named).filter_map(|step| counted(report, step));
        let first = found.next().ok_or(
            "the report has no count of patients that was released under noise: a private task \
             `table1` gives one; an exact one does not leave a study (rule S6)",
        )?;
        if found.next().is_some() {
            return Err("the report has several counts under noise; name one by --task".into());
        }
        if first.1.left_out.contains(&party.name) {
            return Err("this site is not in the sum that the task released".into());
        }
        let (step, row, patients, privacy) = first;
        let draws = match report.masked {
            Some(_) => row.sites_accepted as usize,
            None => report.parties.iter().filter(|party| party.role == Role::Node).count(),
        };
        let charged = Self {
            patients,
            sd: privacy.noise_s * (draws as f64).sqrt() / f64::from(1u32 << COUNT_BITS),
            hospitals: row.sites_accepted,
            cohort: check::cut(&step.cohort.trim_end().replace('\n', "; "), LINE),
            privacy: Privacy::Private { epsilon: privacy.epsilon_coalition, delta: privacy.delta },
            study: report.manifest_digest.to_lowercase(),
            task: check::cut(&step.id, NAME),
            round: row.digest.to_lowercase(),
        };
        charged.check()?;
        Ok(charged)
    }

    fn check(&self) -> Result<(), String> {
        if self.patients > MOST_PATIENTS || self.hospitals < 2 {
            let (patients, hospitals) = (self.patients, self.hospitals);
            return Err(format!(
                "{patients} patients of {hospitals} hospitals; a sum has two or more"
            ));
        }
        if !(self.sd.is_finite() && self.sd > 0.0) {
            return Err("a charged size has noise above 0".into());
        }
        check::line("cohort", &self.cohort, LINE)?;
        if self.privacy == Privacy::Exact {
            return Err("an exact count does not enter a registry (rule S6)".into());
        }
        self.privacy.check()?;
        check::digest("study", &self.study)?;
        check::said("task", &self.task, NAME)?;
        check::digest("round", &self.round)
    }
}

/// What a private table of the patients released: the step, its round, the count and its charge.
fn counted<'a>(
    report: &'a StudyReport,
    step: &'a Step,
) -> Option<(&'a Step, &'a RoundRow, u64, &'a crate::report::Privacy)> {
    let Class::Private(privacy) = &step.class else { return None };
    let Some(StepResult::Table1(table)) = &step.result else { return None };
    let released = |row: &&RoundRow| {
        row.step == step.id
            && row.class == RoundClass::Private
            && row.status == RoundStatus::Released
    };
    let row = report.rounds.iter().rfind(released)?;
    Some((step, row, *table.n.first()?, privacy))
}
