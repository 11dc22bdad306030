//! Models that are trained over sums, judged on rows that no sum has seen; and deaths within ten years
//! of the flchain cohort under patient-level privacy.
//!
//! # flchain
//! Features, logarithms, label and folds are those of the pooled yardstick: logistic regression of
//! death within 3,652.5 days, who was censored before being left out. A calendar year of sampling is a
//! hospital. Columns are standardised by public ranges; a missing creatinine is the middle of its
//! range, and a flag says so. The plan (20 steps of dp-sgd) is that which `fl-core/tests/learn/
//! artificial.rs` gave for survival, unchanged. Delta is below 1 / (100 n), as rule L5 asks for.

use std::collections::BTreeSet;

use haima_fl_core::cohort::Cohort;
use haima_fl_core::learn::trained::Trained;
use haima_fl_core::results::network::Network;
use haima_fl_core::schema::Schema;
use haima_fl_core::task::SiteState;
use serde_json::Value;

use super::amlsg::baseline;
use super::columns::{Columns, fault};
use super::figure::number;
use super::holdout::{Judged, auc, spread};
use super::simulated::{NODES, Noise, Question, SEEDS, against, calibrated, interval};
use super::yardsticks::text;
use super::{Context, Figure, Row};
use crate::Error;

/// The rows.
pub(super) const ROWS: &[Row] = &[Row {
    id: "flchain-dp-1",
    what: "Logistic regression of death within ten years with patient-level differential privacy \
           (1, 1e-6); AUC of held-out persons, mean of 5 folds",
    data: "flchain: 6,834 persons with a known outcome, 9 years of sampling as hospitals",
    method: "20 sums of clipped gradients, each with the full noise of 3 nodes; simulated noise of \
             seeds 0 to 49, a fold and seed each; interval of 10 means by Student's t",
    yardstick: "logistic regression of pooled rows without privacy, scikit-learn, same folds",
    slow: false,
    run: flchain,
}];

/// Folds of the yardsticks.
pub(super) const FOLDS: u8 = 5;

/// A data set with a fold held out.
pub(super) struct Fold {
    /// The training rows, hospital by hospital.
    pub(super) hospitals: Vec<Cohort>,
    /// The training rows in one place.
    pub(super) pooled: [Cohort; 1],
    /// The rows held out.
    pub(super) judged: Cohort,
}

impl Fold {
    /// Splits rows by a column of hospitals, which the schema does not have.
    ///
    /// # Errors
    /// When a row does not fit the schema.
    pub(super) fn new(
        columns: &Columns,
        site: &str,
        schema: &Schema,
        trains: &[bool],
    ) -> Result<Self, Error> {
        let sites = columns.get(site)?;
        let mut rest = columns.clone();
        rest.keep(|name| name != site);
        let cohort = |name: &str, takes: &dyn Fn(usize) -> bool| -> Result<Cohort, Error> {
            Ok(Cohort::from_reader(name, rest.csv(takes)?.as_bytes(), schema)?)
        };
        let training = |row: usize| trains.get(row) == Some(&true);
        let names =
            (0..columns.len()).filter(|row| training(*row)).filter_map(|row| sites.get(row));
        let hospitals = BTreeSet::from_iter(names)
            .into_iter()
            .map(|name| cohort(name, &|row| training(row) && sites.get(row) == Some(name)))
            .collect::<Result<_, _>>()?;
        let pooled = [cohort("pooled", &training)?];
        Ok(Self { hospitals, pooled, judged: cohort("held out", &|row| !training(row))? })
    }
}

/// The fold of each row.
///
/// # Errors
/// When the file is not one row a row of the data, in order.
pub(super) fn folds(context: &Context, file: &str, rows: usize) -> Result<Vec<u8>, Error> {
    let folds = Columns::read(&context.shared(file)?)?;
    let order = folds.get("row")?.iter().map(|row| row.parse().ok());
    if !order.eq((0..rows).map(Some)) {
        return Err(fault(file, "not one row of the data a row, in order"));
    }
    let known = |fold: &String| fold.parse::<u8>().ok().filter(|fold| *fold < FOLDS);
    let folds: Option<Vec<u8>> = folds.get("fold")?.iter().map(known).collect();
    folds.ok_or_else(|| fault(file, &format!("a fold that is no number below {FOLDS}")))
}

/// The first number that a trained model predicts of each patient; NaN where an input is missing.
///
/// # Errors
/// When the result is no model of this schema.
pub(super) fn predictions(
    schema: &Schema,
    result: &Value,
    judged: &Cohort,
) -> Result<Vec<f64>, Error> {
    let network: Network = serde_json::from_value(result.clone())
        .map_err(|e| fault("train", &format!("its result is no network: {e}")))?;
    let trained = Trained::new("train", schema, &network)?;
    let of = |i| trained.predict(judged, i).and_then(|p| p.first().copied()).unwrap_or(f64::NAN);
    Ok((0..judged.len()).map(of).collect())
}

/// Under which noise, if any: a node's scale and how many nodes.
pub(super) type Level = Option<(u64, usize)>;

/// For each seed, the mean over the folds of a figure of the model that was trained without the fold.
///
/// # Errors
/// When the task fails.
pub(super) fn by_seed(
    question: &Question,
    folds: &[Fold],
    level: Level,
    rows: fn(&Fold) -> &[Cohort],
    figure: impl Fn(&Fold, &[f64]) -> Option<f64>,
) -> Result<Vec<f64>, Error> {
    let mut state = SiteState::default();
    // Without noise all seeds are one.
    let seeds = if level.is_some() { SEEDS } else { 1 };
    let mut means = Vec::new();
    for seed in 0..seeds {
        let mut figures = Vec::new();
        for (k, fold) in (0..FOLDS).zip(folds) {
            let noise = level.map(|(s, nodes)| Noise { s, nodes, seed: FOLDS * seed + k });
            let network = question.fit(rows(fold), noise, &mut state)?;
            figures.extend(figure(fold, &predictions(&question.schema, &network, &fold.judged)?));
        }
        means.push(spread(&figures).0);
    }
    Ok(means)
}

const FLCHAIN: &str = r#"
    one_row_per_patient = true
    ignore = ["flc_grp", "chapter"]
    [[column]]
    name = "age"
    kind = "numeric"
    unit = "years"
    range = [50, 110]
    [[column]]
    name = "sex"
    kind = "category"
    levels = ["F", "M"]
    [[column]]
    name = "kappa"
    kind = "numeric"
    unit = "mg/dL"
    range = [0, 30]
    [[column]]
    name = "lambda"
    kind = "numeric"
    unit = "mg/dL"
    range = [0, 30]
    [[column]]
    name = "creatinine"
    kind = "numeric"
    unit = "mg/dL"
    range = [0, 15]
    missing = true
    [[column]]
    name = "mgus"
    kind = "flag"
    [[column]]
    name = "futime"
    kind = "numeric"
    unit = "days"
    range = [0, 6000]
    [[column]]
    name = "death"
    kind = "flag"
"#;
const HORIZON: f64 = 3652.5;
const DELTA: f64 = 1e-6;

fn flchain(context: &Context) -> Result<Vec<Figure>, Error> {
    let columns = Columns::read(&context.shared("data/flchain.csv")?)?;
    let schema = Schema::from_toml(
        &FLCHAIN.parse().map_err(|e: toml::de::Error| fault("schema", &e.to_string()))?,
    )?;
    let fold = folds(context, "truth/folds/flchain_death.csv", columns.len())?;
    let split = |k: u8| {
        let trains: Vec<bool> = fold.iter().map(|of| *of != k).collect();
        Fold::new(&columns, "sample_yr", &schema, &trains)
    };
    let folds: Vec<Fold> = (0..FOLDS).map(split).collect::<Result<_, _>>()?;
    let params = toml::toml! {
        seed = 1
        expected_patients = 5500
        steps = 20
        [model]
        name = "logistic"
        columns = ["age", "sex", "kappa", "lambda", "creatinine", "mgus"]
        log1p = ["creatinine", "kappa", "lambda"]
        missing = "indicator"
        time = "futime"
        event = "death"
        horizon = 3652.5
        [strategy]
        name = "dp-sgd"
        clip = 0.5
        learning_rate = 3.0
    };
    let question = Question { task: "train", params, schema };
    let (query, sums) = question.plan()?;
    let (s, bound) = calibrated((1.0, DELTA), &query, sums)?;
    let figure = |fold: &Fold, chances: &[f64]| {
        let patients: Vec<Judged> = (chances.iter().enumerate())
            .filter_map(|(i, chance)| Some((*chance, by_horizon(&fold.judged, i)?)))
            .collect();
        Some(auc(&patients))
    };
    let noised = by_seed(&question, &folds, Some((s, NODES)), |fold| &fold.hospitals, figure)?;
    let exact = by_seed(&question, &folds, None, |fold| &fold.hospitals, figure)?;
    let truth = baseline(context, "flchain/death within 10y")?;
    let theirs = format!("{:.4}", number(&truth, "/cv_auc_mean"));
    Ok(vec![
        text("AUC, mean of seeds,", &interval(&noised, 4), &theirs),
        text("the same plan without noise", &format!("{:.4}", spread(&exact).0), ""),
        text("unit of privacy:", "one patient added or removed", ""),
        text(
            "against the coordinator, 2 of the 3 nodes and all other hospitals together: epsilon",
            &against(&bound, DELTA),
            "",
        ),
        text("sums", &sums.to_string(), ""),
    ])
}

/// Whether the event came by the horizon; `None` where that is not known.
fn by_horizon(cohort: &Cohort, patient: usize) -> Option<bool> {
    let (time, died) = (cohort.value("futime", patient)?, cohort.value("death", patient)? > 0.5);
    match (died && time <= HORIZON, time >= HORIZON) {
        (true, _) => Some(true),
        (false, followed) => followed.then_some(false),
    }
}
