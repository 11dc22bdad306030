//! Survival of AMLSG's patients under patient-level differential privacy: the data, features and folds
//! of [`super::amlsg`], each centre a hospital.
//!
//! Columns are standardised by the public ranges of that module, and what is missing is the middle of
//! its range (a flag's, 0): under privacy no median is known. The models, cuts, steps, clips and rates
//! are those that `fl-core/tests/learn/artificial.rs` gave on made-up registries; none was tried on
//! these data. The noise of fold k and seed i is drawn from the public seed 5 i + k, for all plans the
//! same.
//!
//! Beside ours stands the same training on pooled rows: one hospital that has them all, with the same
//! nodes' noise from the same seeds. A curator whom all trust would add one node's noise, not three's:
//! that figure is given, too.

use haima_dp::accountant::Bound;
use haima_fl_core::cohort::Cohort;
use haima_fl_core::schema::Schema;

use super::amlsg::{Leukaemia, baseline};
use super::columns::fault;
use super::figure::number;
use super::holdout::{Followed, concordance, spread};
use super::networks::{FOLDS, Fold, Level, by_seed};
use super::simulated::{NODES, Question, against, calibrated, interval};
use super::yardsticks::text;
use super::{Context, Figure, Row};
use crate::Error;

const DATA: &str = "AMLSG: 1,540 patients, 45 centres";
const YARDSTICK: &str =
    "DP-SGD on the pooled rows with the same noise from the same seeds, computed in the same run";

/// The rows.
pub(super) const ROWS: &[Row] = &[
    Row {
        id: "amlsg-dp-3",
        what: "Proportional hazards of overall survival, clinical and genetic, with patient-level \
               differential privacy (3, 1e-5); Harrell's C of held-out patients, mean of 5 folds",
        data: DATA,
        method: "dp-sgd: 20 sums of clipped gradients, each with the full noise of 3 nodes; simulated \
                 noise of seeds 0 to 49, a fold and seed each; interval of 10 means by Student's t",
        yardstick: YARDSTICK,
        slow: true,
        run: at_three,
    },
    Row {
        id: "amlsg-dp-curve",
        what: "The same at epsilon 0.5 to 10, delta 1e-5, and by noisy Newton",
        data: DATA,
        method: "dp-sgd as above; dp-newton: 16 sums of clipped gradients and Hessians; same noise",
        yardstick: YARDSTICK,
        slow: true,
        run: curve,
    },
];

const EPSILONS: [f64; 6] = [0.5, 1.0, 2.0, 3.0, 5.0, 10.0];
const DELTA: f64 = 1e-5;

/// The patients, fold by fold.
struct Registry {
    folds: Vec<Fold>,
    schema: toml::Table,
    columns: Vec<String>,
}

/// A training and what a node adds to its sums.
struct Private {
    question: Question,
    s: u64,
    bound: Bound,
    sums: u64,
}

impl Registry {
    fn read(context: &Context) -> Result<Self, Error> {
        let all = Leukaemia::read(context, "truth/folds/amlsg_os.csv")?;
        let schema: toml::Table = (all.schema(true))
            .parse()
            .map_err(|e: toml::de::Error| fault("schema", &e.to_string()))?;
        let read = Schema::from_toml(&schema)?;
        let split = |k: u8| {
            let trains: Vec<bool> = all.fold.iter().map(|of| *of != usize::from(k)).collect();
            Fold::new(&all.columns, "center", &read, &trains)
        };
        let folds = (0..FOLDS).map(split).collect::<Result<_, _>>()?;
        let columns = all.numeric.into_iter().chain(all.categorical).collect();
        Ok(Self { folds, schema, columns })
    }

    /// The default under privacy.
    fn dp_sgd(&self, epsilon: f64) -> Result<Private, Error> {
        let strategy = toml::toml! {
            name = "dp-sgd"
            clip = 0.5
            learning_rate = 3.0
        };
        self.private(strategy, 20, epsilon)
    }

    fn dp_newton(&self, epsilon: f64) -> Result<Private, Error> {
        let strategy = toml::toml! {
            name = "dp-newton"
            clip = 1.0
            hessian_clip = 0.3
            damping = 0.1
        };
        self.private(strategy, 16, epsilon)
    }

    fn private(&self, strategy: toml::Table, steps: i64, epsilon: f64) -> Result<Private, Error> {
        let columns = self.columns.clone();
        let params = toml::toml! {
            seed = 1
            expected_patients = 1200
            steps = steps
            strategy = strategy
            [model]
            name = "cox"
            columns = columns
            missing = "center"
            time = "os"
            event = "status"
            cuts = [180, 365, 545, 730, 1095, 1460, 2190, 3650]
        };
        let schema = Schema::from_toml(&self.schema)?;
        let question = Question { task: "train", params, schema };
        let (query, sums) = question.plan()?;
        let (s, bound) = calibrated((epsilon, DELTA), &query, sums)?;
        Ok(Private { question, s, bound, sums })
    }

    fn judge(
        &self,
        private: &Private,
        level: Level,
        rows: fn(&Fold) -> &[Cohort],
    ) -> Result<Vec<f64>, Error> {
        by_seed(&private.question, &self.folds, level, rows, |fold, risks| {
            let of = |(i, risk): (usize, &f64)| Followed {
                time: fold.judged.value("os", i).unwrap_or(f64::NAN),
                event: fold.judged.value("status", i) == Some(1.0),
                risk: *risk,
            };
            let patients: Vec<Followed> = risks.iter().enumerate().map(of).collect();
            concordance(&patients)
        })
    }
}

fn centres(fold: &Fold) -> &[Cohort] {
    &fold.hospitals
}

fn pooled(fold: &Fold) -> &[Cohort] {
    &fold.pooled
}

fn at_three(context: &Context) -> Result<Vec<Figure>, Error> {
    let registry = Registry::read(context)?;
    let private = registry.dp_sgd(3.0)?;
    let noised = |nodes: usize| Some((private.s, nodes));
    let ours = registry.judge(&private, noised(NODES), centres)?;
    let together = registry.judge(&private, noised(NODES), pooled)?;
    let curator = registry.judge(&private, noised(1), pooled)?;
    let exact = registry.judge(&private, None, centres)?;
    let newton = registry.dp_newton(3.0)?;
    let newton = registry.judge(&newton, Some((newton.s, NODES)), centres)?;
    let truth = baseline(context, "amlsg/death clinical+genetic")?;
    // To four decimals, without a negative zero.
    let below = ((spread(&together).0 - spread(&ours).0) * 1e4).round() / 1e4 + 0.0;
    Ok(vec![
        text("C-index, mean of seeds,", &interval(&ours, 4), &interval(&together, 4)),
        text("below pooled rows by", &format!("{below:.4}"), ""),
        text("by noisy Newton", &interval(&newton, 4), ""),
        text(
            "the same plan with one node's noise, a trusted curator's,",
            "",
            &interval(&curator, 4),
        ),
        text(
            "the same plan without noise",
            &format!("{:.4}", spread(&exact).0),
            &format!("{:.4} (Cox of pooled rows, ridge 10)", number(&truth, "/cv_c_index_mean")),
        ),
        text("unit of privacy:", "one patient added or removed", ""),
        text(
            "against the coordinator, 2 of the 3 nodes and all other hospitals together: epsilon",
            &against(&private.bound, DELTA),
            "",
        ),
        text("sums", &private.sums.to_string(), ""),
    ])
}

fn curve(context: &Context) -> Result<Vec<Figure>, Error> {
    let registry = Registry::read(context)?;
    let mut figures = Vec::new();
    for epsilon in EPSILONS {
        let private = registry.dp_sgd(epsilon)?;
        let level = Some((private.s, NODES));
        let ours = registry.judge(&private, level, centres)?;
        let together = registry.judge(&private, level, pooled)?;
        let name = format!("epsilon {epsilon}: C-index, mean of seeds,");
        figures.push(text(&name, &interval(&ours, 3), &interval(&together, 3)));
        let newton = registry.dp_newton(epsilon)?;
        let newton = registry.judge(&newton, Some((newton.s, NODES)), centres)?;
        figures.push(text("noisy Newton", &interval(&newton, 3), ""));
    }
    Ok(figures)
}
