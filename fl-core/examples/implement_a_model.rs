//! A model of one's own: a logistic model in which an event counts several times as much as none, for
//! outcomes that are rare. It is trained by `train` like any model of haima.
//!
//! A model is inputs, a body (here linear) and an outcome; only the outcome is new. What it predicts has
//! to be one of the kinds that haima knows how to judge (`Kind`): here a probability.
//!
//! `cargo run -p haima-fl-core --example implement_a_model`

use burn::tensor::{Tensor, activation};
use haima_fl_core::Error;
use haima_fl_core::cohort::Cohort;
use haima_fl_core::learn::bodies::dense::Dense;
use haima_fl_core::learn::inputs::{Inputs, Missing};
use haima_fl_core::learn::model::{Kind, Model, Supervised};
use haima_fl_core::learn::models::{self, Context};
use haima_fl_core::learn::outcomes::{Outcome, OutcomeLayer};
use haima_fl_core::learn::trained::Trained;
use haima_fl_core::nn::ghost::Tape;
use haima_fl_core::registry::{self, Finished};
use haima_fl_core::schema::Schema;
use haima_fl_core::sum::{PlainSum, drive};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// The outcome: a flag whose events count `weight` times. The target is (w, w y); zeros are nobody.
struct Weighted {
    column: String,
    weight: f64,
}

/// w log(1 + e^z) - w y z.
fn loss(z: f64, w: f64, wy: f64) -> f64 {
    w * (z.max(0.0) + libm::log1p(libm::exp(-z.abs()))) - wy * z
}

impl Outcome for Weighted {
    fn scores(&self) -> usize {
        1
    }

    fn parameters(&self) -> usize {
        0
    }

    fn initial(&self) -> Vec<f64> {
        Vec::new()
    }

    fn width(&self) -> usize {
        2
    }

    fn encode(&self, cohort: &Cohort, patient: usize, out: &mut Vec<f32>) -> bool {
        let Some(y) = cohort.value(&self.column, patient) else { return false };
        let w = if y > 0.0 { self.weight } else { 1.0 };
        out.extend([w as f32, (w * y) as f32]);
        true
    }

    fn layer(&self, _own: &[f64]) -> Box<dyn OutcomeLayer> {
        Box::new(WeightedLayer)
    }

    fn kind(&self) -> Kind {
        Kind::Binary
    }

    fn outputs(&self) -> Vec<String> {
        vec!["probability".to_owned()]
    }

    fn predict(&self, _own: &[f64], scores: &[f64]) -> Vec<f64> {
        scores.iter().map(|z| 1.0 / (1.0 + libm::exp(-z))).collect()
    }

    fn loss_of(&self, _own: &[f64], scores: &[f64], target: &[f64]) -> f64 {
        match (scores, target) {
            ([z], [w, wy]) => loss(*z, *w, *wy),
            _ => f64::NAN,
        }
    }
}

/// The same loss in burn, for gradients. No row may look at another.
struct WeightedLayer;

impl OutcomeLayer for WeightedLayer {
    fn loss(&self, scores: Tensor<2>, target: Tensor<2>, _tape: &mut Tape) -> Tensor<1> {
        let (w, wy) = (target.clone().narrow(1, 0, 1), target.narrow(1, 1, 1));
        (w * activation::softplus(scores.clone(), 1.0) - wy * scores).sum()
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    columns: Vec<String>,
    outcome: String,
    weight: f64,
}

fn open(table: &toml::Table, context: &Context<'_>) -> Result<Box<dyn Model>, Error> {
    let Context { task, schema, terms, .. } = *context;
    let refuse = |reason: &str| Error::Params { task: task.to_owned(), reason: reason.to_owned() };
    let params: Params =
        table.clone().try_into().map_err(|e: toml::de::Error| refuse(e.message()))?;
    if !(params.weight > 0.0 && params.weight.is_finite()) {
        return Err(refuse("`weight` must be above 0"));
    }
    // A trained model brings its inputs along; a new one takes the schema's public ranges.
    let inputs = match terms {
        Some(terms) => Inputs::of_terms(task, schema, terms.to_vec())?,
        None => Inputs::of_schema(task, schema, &params.columns, &[], Missing::Skip)?,
    };
    let body = Box::new(Dense::new(inputs.width(), &[], 1, true));
    let outcome = Box::new(Weighted { column: params.outcome, weight: params.weight });
    Ok(Box::new(Supervised { inputs, body, outcome }))
}

fn main() -> Result<(), Error> {
    // From here on a manifest of this program may name it as the model of a training.
    models::add(vec![("weighted-logistic", 1, open)])?;

    let schema = "patient = \"id\"\n\
                  column = [{ name = \"age\", kind = \"numeric\", range = [0, 100] },\n\
                            { name = \"died\", kind = \"flag\" }]";
    let schema = Schema::from_toml(&schema.parse().expect("TOML"))?;
    let hospitals: Vec<Cohort> = (0..3)
        .map(|hospital| {
            // Made up: the old die, and not many do.
            let row = |i: u32| format!("{hospital}-{i},{},{}\n", 30 + i, u32::from(i > 54));
            let csv = format!("id,age,died\n{}", (0..60).map(row).collect::<String>());
            Cohort::from_reader("hospital", csv.as_bytes(), &schema)
        })
        .collect::<Result<_, _>>()?;

    let params = "model = { name = \"weighted-logistic\", columns = [\"age\"], outcome = \"died\", \
                            weight = 8.0 }\n\
                  strategy = { name = \"fedavg\", epochs = 5, learning_rate = 0.5 }\n\
                  steps = 20\nseed = 1";
    let params: toml::Table = params.parse().expect("TOML");
    let run = || registry::open("train", 1, &params, &schema, &Finished::new());
    // Added in the clear, in one process: for trying a model out.
    let mut sums = PlainSum::new(&hospitals, 100, 10, ChaCha20Rng::from_seed([0; 32]), run)?;
    let result = drive(run()?.as_mut(), &mut sums)?;

    let finished = Finished::from([("net".to_owned(), result)]);
    let trained = Trained::of_finished("example", &schema, &finished, "net")?;
    let risk = |patient| trained.predict(&hospitals[0], patient).expect("complete")[0];
    println!("weights {:.2?}", trained.weights());
    println!("risk at 30: {:.3}, at 89: {:.3}", risk(0), risk(59));
    assert!(risk(0) < 0.2 && risk(59) > 0.5);
    Ok(())
}
