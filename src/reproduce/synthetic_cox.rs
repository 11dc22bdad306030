//! Survival of AMLSG's patients learned from virtual ones, judged on real ones.
//!
//! Data, features, folds, ridge and the filling in of what is missing are those of [`super::amlsg`].
//! Per fold, a generator of the training patients makes virtual ones with all of the features and the
//! follow-up; a Cox model is fitted to these as if they were real, and judged on the real patients of
//! the fold, whom the generator has not seen. Virtual patients have no centre: rows are dealt to five
//! strata by their number, on both sides.

use haima_dp::noise::noise_stream;
use haima_fl_core::synth::condition::Condition;

use super::amlsg::Leukaemia;
use super::columns::Columns;
use super::generators::{AMLSG_CUTS, Network, generator};
use super::holdout::{Followed, concordance, spread};
use super::simulated::{NODES, Noise, Question, against, calibrated};
use super::yardsticks::text;
use super::{Context, Figure, Row};
use crate::Error;

/// The rows.
pub(super) const ROWS: &[Row] = &[Row {
    id: "synth-amlsg-cox",
    what: "Cox of overall survival, clinical and genetic, ridge 10, fitted to virtual patients of a \
           generator (AIM) with patient-level differential privacy (3, 1e-5); Harrell's C of held-out \
           real patients, mean of 5 folds",
    data: "AMLSG: 1,540 patients, 45 centres, 50 attributes",
    method: "per fold, sums of tables under the noise of 3 nodes, seeds 0 to 2; as many virtual patients \
             as training patients",
    yardstick: "the same model fitted to the real training patients, computed in the same run",
    slow: true,
    run: cox,
}];

const EPSILON: f64 = 3.0;
const DELTA: f64 = 1e-5;
const FOLDS: u8 = 5;
/// Seeds of the noise, each with all folds.
const REPEATS: u8 = 3;
/// Strata to which rows are dealt.
const STRATA: usize = 5;

/// A fold's real patients, and who of them trains.
struct Split<'a> {
    all: &'a Leukaemia,
    fold: usize,
    network: Network,
}

impl<'a> Split<'a> {
    fn new(all: &'a Leukaemia, fold: usize) -> Result<Self, Error> {
        let of_fold = |row: usize| all.fold.get(row) == Some(&fold);
        let training = taken(&all.columns, |row| !of_fold(row))?;
        let schema = all.schema(true);
        let network = Network::new(&training, "center", (schema.as_str(), AMLSG_CUTS))?;
        Ok(Self { all, fold, network })
    }

    /// C of the fold's real patients by a model of the real ones of all others.
    fn by_real(&self) -> Result<Option<f64>, Error> {
        let trains: Vec<bool> = self.all.fold.iter().map(|of| *of != self.fold).collect();
        self.judged(self.all.columns.clone(), &trains)
    }

    /// C of the fold's real patients by a model of virtual ones.
    fn by_virtual(&self, question: &Question, noise: Option<Noise>) -> Result<Option<f64>, Error> {
        let made = self.virtual_columns(question, noise)?;
        let (real, virtuals) = (self.all.columns.len(), made.len());
        let trains: Vec<bool> = (0..real + virtuals).map(|row| row >= real).collect();
        let mut both = self.all.columns.clone();
        let names: Vec<String> = both.names().map(str::to_owned).collect();
        for name in names.iter().filter(|name| *name != "center") {
            let fields = [both.get(name)?, made.get(name)?].concat();
            both.set(name, fields);
        }
        self.judged(both, &trains)
    }

    /// Virtual patients, as many as the generator learned from.
    fn virtual_columns(&self, question: &Question, noise: Option<Noise>) -> Result<Columns, Error> {
        let generator = generator(question, &self.network.hospitals, noise)?;
        let seed = noise.map_or(0, |noise| noise.seed);
        let [pooled] = &self.network.pooled;
        let levels = generator.rows(pooled.len(), &Condition::default(), u64::from(seed))?;
        let mut bytes = [1; 32];
        bytes[0] = seed;
        let mut stream = noise_stream(&bytes);
        let rows: Vec<Vec<String>> =
            levels.iter().map(|row| generator.domain.decode(row, &mut stream)).collect();
        let mut columns = Columns::default();
        for (at, name) in generator.domain.header().iter().enumerate() {
            let field = |row: &Vec<String>| row.get(at).cloned().unwrap_or_default();
            columns.set(name, rows.iter().map(field).collect());
        }
        Ok(columns)
    }

    /// C of the fold's real patients, who are the first rows, by a model of those that train.
    fn judged(&self, mut columns: Columns, trains: &[bool]) -> Result<Option<f64>, Error> {
        let strata = (0..trains.len()).map(|row| (row % STRATA).to_string()).collect();
        columns.set("center", strata);
        let (followed, _) = self.all.of_rows(columns).followed(trains, 1)?;
        let held = followed.into_iter().zip(&self.all.fold);
        let held: Vec<Followed> =
            held.filter(|(_, of)| **of == self.fold).map(|(patient, _)| patient).collect();
        Ok(concordance(&held))
    }
}

/// Some rows of a table.
fn taken(columns: &Columns, takes: impl Fn(usize) -> bool) -> Result<Columns, Error> {
    let mut found = Columns::default();
    for name in columns.names() {
        let fields = columns.get(name)?.iter().enumerate();
        let fields = fields.filter(|(row, _)| takes(*row)).map(|(_, field)| field.clone());
        found.set(name, fields.collect());
    }
    Ok(found)
}

/// The concordance of a model of one fold, by the fold's number.
type Judged<'a> = dyn Fn(&Split<'_>, u8) -> Result<Option<f64>, Error> + 'a;

fn cox(context: &Context) -> Result<Vec<Figure>, Error> {
    let all = Leukaemia::read(context, "truth/folds/amlsg_os.csv")?;
    let splits: Vec<Split<'_>> =
        (0..FOLDS).map(|k| Split::new(&all, usize::from(k))).collect::<Result<_, _>>()?;
    let mean = |of: &Judged<'_>| -> Result<f64, Error> {
        let folds = splits.iter().zip(0..FOLDS).map(|(split, k)| of(split, k));
        let folds: Vec<Option<f64>> = folds.collect::<Result<_, _>>()?;
        Ok(spread(&folds.into_iter().flatten().collect::<Vec<f64>>()).0)
    };
    let real = mean(&|split, _| split.by_real())?;
    let exact = mean(&|split, _| split.by_virtual(&split.network.question("aim", false), None))?;
    // The domain is public, so the plan is the same for all folds.
    let Some(first) = splits.first() else { return Ok(Vec::new()) };
    let question = first.network.question("aim", true);
    let (query, sums) = question.plan()?;
    let (s, bound) = calibrated((EPSILON, DELTA), &query, sums)?;
    let by_seed = |nodes: usize| -> Result<Vec<f64>, Error> {
        let of = |repeat: u8| {
            mean(&|split, k| {
                let seed = FOLDS * repeat + k;
                split.by_virtual(&question, Some(Noise { s, nodes, seed }))
            })
        };
        (0..REPEATS).map(of).collect()
    };
    let shown = |figures: &[f64]| {
        let (mean, sd) = spread(figures);
        format!("{mean:.4} (SD of {REPEATS} seeds {sd:.4})")
    };
    let (three, one) = (by_seed(NODES)?, by_seed(1)?);
    // To four decimals, without a negative zero.
    let below = ((real - spread(&three).0) * 1e4).round() / 1e4 + 0.0;
    Ok(vec![
        text("C-index", &shown(&three), &format!("{real:.4}")),
        text("below the real patients' model by", &format!("{below:.4}"), ""),
        text("under one noise, a trusted curator's,", &shown(&one), ""),
        text("generator without noise", &format!("{exact:.4}"), ""),
        text(
            "against the coordinator, 2 of the 3 nodes and all other hospitals together: epsilon",
            &against(&bound, DELTA),
            "",
        ),
        text("sums", &sums.to_string(), ""),
    ])
}
