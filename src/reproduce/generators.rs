//! Cohorts with public domains for generators of virtual patients, dealt out to hospitals, and the
//! task `synthesize` over them.
//!
//! Cuts of columns were written down from clinical use before any figure was seen.

use std::collections::BTreeSet;

use haima_fl_core::cohort::Cohort;
use haima_fl_core::results::generator::Generator;
use haima_fl_core::schema::{PatientKey, Schema};
use haima_fl_core::synth::domain::Domain;
use haima_fl_core::task::SiteState;

use super::Context;
use super::columns::{Columns, fault};
use super::public_bins::{Rows, rows};
use super::simulated::{Noise, Question};
use crate::Error;

/// Patients with a public domain, hospital by hospital and in one place.
pub(super) struct Network {
    pub(super) schema: Schema,
    pub(super) params: toml::Table,
    pub(super) domain: Domain,
    pub(super) hospitals: Vec<Cohort>,
    pub(super) pooled: [Cohort; 1],
}

impl Network {
    /// Deals rows out by a column, which the schema does not have.
    pub(super) fn new(
        columns: &Columns,
        site: &str,
        (schema, params): (&str, &str),
    ) -> Result<Self, Error> {
        let table = |text: &str| -> Result<toml::Table, Error> {
            text.parse().map_err(|e: toml::de::Error| fault("bins", &e.to_string()))
        };
        let (schema, params) = (Schema::from_toml(&table(schema)?)?, table(params)?);
        let domain = Domain::of_params(&params, &schema)?;
        let sites = columns.get(site)?;
        let mut rest = columns.clone();
        let key = |name: &str| matches!(&schema.patient, PatientKey::Column(key) if key == name);
        rest.keep(|name| schema.column(name).is_ok() || key(name));
        let cohort = |name: &str, takes: &dyn Fn(usize) -> bool| -> Result<Cohort, Error> {
            Ok(Cohort::from_reader(name, rest.csv(takes)?.as_bytes(), &schema)?)
        };
        let hospitals = BTreeSet::from_iter(sites)
            .into_iter()
            .map(|name| cohort(name, &|row| sites.get(row) == Some(name)))
            .collect::<Result<_, _>>()?;
        let pooled = [cohort("pooled", &|_| true)?];
        Ok(Self { schema, params, domain, hospitals, pooled })
    }

    /// The demonstration's cohort, by district.
    pub(super) fn leuksurv(context: &Context) -> Result<Self, Error> {
        let columns = Columns::read(&context.data("leuksurv.csv")?)?;
        Self::new(&columns, "district", (LEUKSURV, LEUKSURV_CUTS))
    }

    /// `synthesize` by a method, with or without noise.
    pub(super) fn question(&self, method: &str, noised: bool) -> Question {
        question(&self.schema, &self.params, method, noised)
    }

    /// `synthesize` under noise, with most of it spent on what bears on a time to event.
    pub(super) fn focused(&self, time: &str) -> Question {
        let mut question = self.question("aim", true);
        question.params.insert("focus".into(), vec![time.to_owned()].into());
        question
    }

    /// The patients' own levels.
    pub(super) fn rows(&self) -> Result<Rows, Error> {
        let [pooled] = &self.pooled;
        rows(&self.domain, pooled)
    }
}

const LEUKSURV: &str = r#"
    one_row_per_patient = true
    [[column]]
    name = "time_days"
    kind = "numeric"
    range = [0, 5000]
    [[column]]
    name = "death"
    kind = "flag"
    [[column]]
    name = "age"
    kind = "numeric"
    range = [0, 110]
    [[column]]
    name = "male"
    kind = "flag"
    [[column]]
    name = "wbc"
    kind = "numeric"
    range = [0, 500]
    [[column]]
    name = "tpi"
    kind = "numeric"
    range = [-10, 12]
"#;

/// Decades of age, thresholds of white cells and years of follow-up as clinics use them.
const LEUKSURV_CUTS: &str = r#"
    survival = [{ time = "time_days", event = "death", cuts = [30, 90, 180, 365, 730, 1095, 1825, 3650] }]
    [bins]
    age = [30, 40, 50, 60, 70, 80]
    wbc = [4, 10, 30, 50, 100, 200]
    tpi = [-4, -2, 0, 2, 4, 6]
"#;

/// Half-steps of logarithms, five years of age, and years of follow-up.
pub(super) const AMLSG_CUTS: &str = r#"
    survival = [{ time = "os", event = "status", cuts = [90, 180, 365, 545, 730, 1095, 1460, 2190, 3650] }]
    [bins]
    age = 17
    wbc = 14
    hb = [6, 7, 8, 9, 10, 11, 12, 13, 14, 16]
    platelet = 16
    ldh = 20
    bm_blasts = 20
    pb_blasts = 20
    [decimals]
    age = 0
    performance_ecog = 0
    cebpa = 0
"#;

/// `synthesize` by a method over a domain, with or without noise.
pub(super) fn question(
    schema: &Schema,
    domain: &toml::Table,
    method: &str,
    noised: bool,
) -> Question {
    let mut params = domain.clone();
    params.insert("method".into(), method.into());
    params.insert("release".into(), if noised { "noised" } else { "exact" }.into());
    Question { task: "synthesize", params, schema: schema.clone() }
}

/// A generator of these hospitals.
pub(super) fn generator(
    question: &Question,
    hospitals: &[Cohort],
    noise: Option<Noise>,
) -> Result<Generator, Error> {
    // The task keeps nothing between rounds.
    let fitted = question.fit(hospitals, noise, &mut SiteState::default())?;
    Ok(Generator::read(&fitted)?)
}
