//! BCR/ABL in 79 patients with B-cell acute lymphoblastic leukaemia, from the 300 genes whose expression
//! varies most (Chiaretti et al., *Blood* 2004;103:2771): 32 places, most with one or two patients, by
//! the first digits of the patient code.
//!
//! Per fold, means and standard deviations of the training rows come from one secure sum (`table1`);
//! each place standardises its rows by them and cuts them at 10 standard deviations. The model is the
//! yardstick's, logistic with L2 penalty at C = 0.01, as gradient steps over secure sums; unlike there,
//! the intercept is in the penalty. No floor on rows, as the yardstick has none. Inputs are in tenths,
//! by their public range of +-10, so the penalty a patient, 1 / (C n), is divided by 100.

use haima_fl_core::schema::Schema;
use serde_json::{Map, Value};

use super::amlsg::baseline;
use super::columns::{Columns, Study, fault};
use super::figure::number;
use super::holdout::{Judged, auc, spread};
use super::networks::{FOLDS, Fold, folds, predictions};
use super::simulated::Question;
use super::yardsticks::text;
use super::{Context, Figure, Row};
use crate::Error;
use crate::stats::{Sites, Summing};

/// The rows.
pub(super) const ROWS: &[Row] = &[Row {
    id: "all-bcr-abl",
    what: "Logistic regression of BCR/ABL from 300 genes, L2 penalty at C = 0.01; AUC of held-out \
           patients, mean of 5 folds",
    data: "ALL: 79 patients, 32 places",
    method: "per fold, means and SDs by a secure sum, then 80 gradient steps over secure sums; \
             simulated sums",
    yardstick: "one model of pooled rows, scikit-learn, same folds",
    slow: false,
    run: bcr_abl,
}];

/// Public range of the logarithms of expression.
const LOW: f64 = 0.0;
const HIGH: f64 = 16.0;
/// Standardised values are cut here.
const CUT: f64 = 10.0;

fn schema(genes: &[String], (low, high): (f64, f64)) -> String {
    let mut schema =
        "one_row_per_patient = true\n[[column]]\nname = \"bcr_abl\"\nkind = \"flag\"\n".to_owned();
    for gene in genes {
        schema.push_str(&format!(
            "[[column]]\nname = \"{gene}\"\nkind = \"numeric\"\nrange = [{low:?}, {high:?}]\n"
        ));
    }
    schema
}

fn bcr_abl(context: &Context) -> Result<Vec<Figure>, Error> {
    let mut columns = Columns::read(&context.shared("data/all_bcell79_top300.csv")?)?;
    columns.keep(|name| !["patient", "sex", "age"].contains(&name));
    let others = ["center_prefix", "bcr_abl"];
    let genes: Vec<String> =
        columns.names().filter(|name| !others.contains(name)).map(str::to_owned).collect();
    let fold = folds(context, "truth/folds/all_bcell79_bcr_abl.csv", columns.len())?;
    let standardised: toml::Table = (schema(&genes, (-CUT, CUT)).parse())
        .map_err(|e: toml::de::Error| fault("schema", &e.to_string()))?;
    let names = genes.clone();
    let params = toml::toml! {
        seed = 1
        expected_patients = 63
        steps = 80
        [model]
        name = "logistic"
        columns = names
        outcome = "bcr_abl"
        [strategy]
        name = "dp-sgd"
        clip = 1000.0
        learning_rate = 10.0
        ridge = 0.015873
        frac_bits = 24
    };
    let schema_read = Schema::from_toml(&standardised)?;
    let question = Question { task: "train", params, schema: schema_read };
    let mut areas = Vec::new();
    for k in 0..FOLDS {
        let trains: Vec<bool> = fold.iter().map(|of| *of != k).collect();
        let moments = moments(&columns, &genes, &trains)?;
        let mut scaled = columns.clone();
        for (gene, (mean, sd)) in genes.iter().zip(moments) {
            scaled.rewrite(gene, |field| {
                let value: f64 = field.parse().unwrap_or(f64::NAN);
                ((value - mean) / sd).clamp(-CUT, CUT).to_string()
            })?;
        }
        let fold = Fold::new(&scaled, "center_prefix", &question.schema, &trains)?;
        let network = question.fit(&fold.hospitals, None, &mut Default::default())?;
        let chances = predictions(&question.schema, &network, &fold.judged)?;
        let of = |(i, chance): (usize, f64)| (chance, fold.judged.value("bcr_abl", i) == Some(1.0));
        let patients: Vec<Judged> = chances.into_iter().enumerate().map(of).collect();
        areas.push(auc(&patients));
    }
    let (mean, sd) = spread(&areas);
    let truth = baseline(context, "ALL B-cell BCR/ABL vs NEG")?;
    let (theirs, spread) = (number(&truth, "/cv_auc_mean"), number(&truth, "/cv_auc_sd"));
    Ok(vec![text(
        "AUC",
        &format!("{mean:.4} (SD {sd:.4})"),
        &format!("{theirs:.4} (SD {spread:.4})"),
    )])
}

/// Mean and standard deviation of each gene over the training rows, by one secure sum.
fn moments(columns: &Columns, genes: &[String], trains: &[bool]) -> Result<Vec<(f64, f64)>, Error> {
    let (schema, names) = (schema(genes, (LOW, HIGH)), genes.to_vec());
    let study = Study {
        columns,
        rows: trains,
        sites: Sites::Column("center_prefix".into()),
        schema: Some(&schema),
        min_local_rows: 1,
        summing: Summing::Plain,
    };
    let params = toml::toml! { columns = names };
    let table: Map<String, Value> = study.ask("table1", params)?;
    let rows = table.get("rows").and_then(Value::as_array).into_iter().flatten();
    let found: Vec<(f64, f64)> =
        rows.map(|row| (number(row, "/cells/mean/0"), number(row, "/cells/sd/0"))).collect();
    match found.len() == genes.len() && found.iter().all(|(mean, sd)| mean.is_finite() && *sd > 0.0)
    {
        true => Ok(found),
        false => Err(fault("table1", "it has no mean and spread of every gene")),
    }
}
