//! Models on FLamby's data with FLamby's splits, judged on patients that they were not fitted on.
//!
//! Theirs are the published figures by seed, averaged (FLamby, *NeurIPS Datasets and Benchmarks*
//! 2022): federated strategies of 100 local updates a round.

use super::columns::{Columns, Study};
use super::holdout::{self, Judged};
use super::{Context, Figure, Row};
use crate::Error;
use crate::stats::{Sites, Summing};

/// The rows.
pub(super) const ROWS: &[Row] = &[
    Row {
        id: "tcga-cox",
        what: "Cox, stratified by region, ridge 10 on pooled scales, over the real protocol; C-index \
               of the pooled test set",
        data: "Fed-TCGA-BRCA, FLamby's split: 866 patients at 6 regions to fit, 222 to judge",
        method: "3 nodes, 6 sites and a coordinator as processes: shares, proofs, exact class; \
                 interval by 2,000 resamples of the test patients, seed 20260101",
        yardstick: "FLamby, best strategy (FedAdam), mean of 5 seeds; its FedAvg has 0.735",
        slow: false,
        run: tcga,
    },
    Row {
        id: "heart-logistic",
        what: "Logistic regression, ridge 1 on pooled scales; accuracy and AUC of the pooled test set",
        data: "Fed-Heart-Disease, FLamby's split: 486 patients at 4 centres to fit, 254 to judge",
        method: "Newton steps over secure sums; simulated sums",
        yardstick: "FLamby, pooled training; its FedAvg has 0.748 of the test set and 0.685 as the \
                    mean of centres",
        slow: false,
        run: heart,
    },
];

const RESAMPLES: usize = 2000;
const SEED: u64 = 20_260_101;

fn tcga(context: &Context) -> Result<Vec<Figure>, Error> {
    let mut columns = Columns::read(&context.shared("data/fed_tcga_brca.csv")?)?;
    // Follow-up is written as 538.0, the event as 0.0 or 1.0.
    for name in ["t", "e"] {
        columns.rewrite(name, whole)?;
    }
    let of = |fold: &str| -> Result<Vec<bool>, Error> {
        Ok(columns.get("fold")?.iter().map(|of| of == fold).collect())
    };
    let others = ["pid", "age_at_index", "t", "e", "region", "fold", "fold2"];
    let flags: Vec<&str> = columns.names().filter(|name| !others.contains(name)).collect();
    let mut schema = r#"
        patient = "pid"
        ignore = ["fold", "fold2"]
        [[column]]
        name = "age_at_index"
        kind = "numeric"
        range = [18, 100]
        [[column]]
        name = "t"
        kind = "numeric"
        unit = "days"
        range = [0, 10000]
    "#
    .to_owned();
    for name in flags.iter().chain(&["e"]) {
        schema.push_str(&format!("[[column]]\nname = \"{name}\"\nkind = \"flag\"\n"));
    }
    let covariates: Vec<&str> = std::iter::once("age_at_index").chain(flags).collect();
    let params = toml::toml! {
        time = "t"
        event = "e"
        ridge = 10.0
        covariates = covariates
    };
    let train = of("train")?;
    let study = Study {
        columns: &columns,
        rows: &train,
        sites: Sites::Column("region".into()),
        schema: Some(&schema),
        min_local_rows: 10,
        summing: Summing::Nodes(3),
    };
    let fit = study.ask("cox", params)?;
    let risks = holdout::predictors(&fit, &columns)?;
    let rows = holdout::followed(&columns, ("t", "e"), &risks)?.into_iter().zip(of("test")?);
    let test: Vec<_> = rows.filter(|(_, test)| *test).map(|(patient, _)| patient).collect();
    let c = holdout::concordance(&test).unwrap_or(f64::NAN);
    let (low, high) = holdout::bootstrap(&test, RESAMPLES, SEED, holdout::concordance)
        .unwrap_or((f64::NAN, f64::NAN));
    let count = |key: &str| fit.get(key).map(ToString::to_string).unwrap_or_default();
    Ok(vec![
        text("C-index", &format!("{c:.4} (95 % interval {low:.3} to {high:.3})"), "0.842"),
        text("secure sums, all counted,", &count("iterations"), ""),
        text("patients fitted", &count("n"), ""),
        text("events", &count("events"), ""),
        text("patients judged", &test.len().to_string(), ""),
    ])
}

/// A figure that is text already, with theirs beside it.
pub(super) fn text(name: &str, ours: &str, theirs: &str) -> Figure {
    Figure { name: name.to_owned(), ours: ours.to_owned(), theirs: theirs.to_owned() }
}

/// A whole number without its fraction of zeros.
pub(super) fn whole(field: &str) -> String {
    field.strip_suffix(".0").unwrap_or(field).to_owned()
}

/// Fed-Heart-Disease as the hospitals have it.
pub(super) struct Heart {
    pub(super) columns: Columns,
    pub(super) train: Vec<bool>,
}

impl Heart {
    /// Ranges are what is plausible in a clinic, not those of these rows; a pressure or a
    /// cholesterol of 0 means unmeasured.
    pub(super) const SCHEMA: &str = r#"
        one_row_per_patient = true
        ignore = ["fold"]
        column = [
            { name = "age", kind = "numeric", range = [20, 90] },
            { name = "sex", kind = "flag" },
            { name = "cp", kind = "category", levels = ["1", "2", "3", "4"] },
            { name = "trestbps", kind = "numeric", range = [0, 220] },
            { name = "chol", kind = "numeric", range = [0, 650] },
            { name = "fbs", kind = "flag" },
            { name = "restecg", kind = "category", levels = ["0", "1", "2"] },
            { name = "thalach", kind = "numeric", range = [60, 220] },
            { name = "exang", kind = "flag" },
            { name = "oldpeak", kind = "numeric", range = [-4, 7] },
            { name = "disease", kind = "flag" },
        ]
    "#;

    pub(super) fn read(context: &Context) -> Result<Self, Error> {
        let mut columns = Columns::read(&context.shared("data/fed_heart.csv")?)?;
        for name in ["sex", "cp", "fbs", "restecg", "exang"] {
            columns.rewrite(name, whole)?;
        }
        let train = columns.get("fold")?.iter().map(|fold| fold == "train").collect();
        Ok(Self { columns, train })
    }

    /// Parameters of the model with its 13 encoded inputs.
    pub(super) fn model() -> toml::Table {
        toml::toml! {
            outcome = "disease"
            covariates = ["age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach",
                "exang", "oldpeak"]
        }
    }

    /// Test patients of each centre, as a fit judges them.
    pub(super) fn judged(
        &self,
        fit: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Vec<Vec<Judged>>, Error> {
        let eta = holdout::predictors(fit, &self.columns)?;
        let sick = self.columns.get("disease")?;
        let mut centres = std::collections::BTreeMap::<&str, Vec<Judged>>::new();
        for (row, centre) in self.columns.get("center")?.iter().enumerate() {
            if let (Some(false), Some(eta), Some(sick)) =
                (self.train.get(row), eta.get(row), sick.get(row))
            {
                centres.entry(centre.as_str()).or_default().push((*eta, sick == "1"));
            }
        }
        Ok(centres.into_values().collect())
    }
}

/// Mean over centres of the accuracy.
pub(super) fn mean_accuracy(centres: &[Vec<Judged>]) -> f64 {
    let of = |centre: &Vec<Judged>| holdout::right(centre) as f64 / centre.len() as f64;
    centres.iter().map(of).sum::<f64>() / centres.len() as f64
}

fn heart(context: &Context) -> Result<Vec<Figure>, Error> {
    let heart = Heart::read(context)?;
    let study = Study {
        columns: &heart.columns,
        rows: &heart.train,
        sites: Sites::Column("center".into()),
        schema: Some(Heart::SCHEMA),
        min_local_rows: 10,
        summing: Summing::Plain,
    };
    let mut params = Heart::model();
    params.insert("ridge".into(), 1.0.into());
    let fit = study.ask("glm", params)?;
    let centres = heart.judged(&fit)?;
    let all = centres.concat();
    let right = holdout::right(&all);
    let sums = fit.get("iterations").map(ToString::to_string).unwrap_or_default();
    Ok(vec![
        text(
            "accuracy",
            &format!("{:.4} ({right} of {})", right as f64 / all.len() as f64, all.len()),
            "0.795",
        ),
        text("AUC", &format!("{:.4}", holdout::auc(&all)), ""),
        text("accuracy, mean of centres,", &format!("{:.4}", mean_accuracy(&centres)), "0.735"),
        text("secure sums", &sums, ""),
    ])
}
