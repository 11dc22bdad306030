//! Blood cells told apart by their pictures: red cells, white cells and platelets, cut out of 364
//! smears (BCCD; Cheng Gan, github.com/Shenggan/BCCD_Dataset, MIT licence), 28 x 28 grey.
//!
//! A convolutional network is trained over ten hospitals, the smear's number modulo 10 being the
//! hospital, and judged on the pooled yardstick's folds, which keep a smear together. A row is a cell,
//! so a smear has several: the sums are exact and no noise protects anybody, but under noise the unit
//! would have to be the smear (rule S1).
//!
//! Step size, rounds and layers are a first guess, written down before any figure of these cells had
//! been seen, and not changed since.

use std::collections::BTreeMap;
use std::io::Read as _;

use haima_fl_core::cohort::Cohort;
use haima_fl_core::learn::trained::Trained;
use haima_fl_core::results::network::Network;
use haima_fl_core::schema::Schema;
use haima_fl_core::sum::{PlainSum, drive};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::columns::{Columns, fault};
use super::figure::number;
use super::holdout::{auc, spread};
use super::yardsticks::text;
use super::{Context, Figure, Row};
use crate::Error;

/// The rows.
pub(super) const ROWS: &[Row] = &[Row {
    id: "bccd-cnn",
    what: "Convolutional network of three kinds of blood cells; macro one-against-rest AUC of \
           out-of-fold predictions of all cells",
    data: "BCCD: 1,081 cells of 364 smears, 28 x 28 grey; 10 hospitals by the smear's number",
    method: METHOD,
    yardstick: "logistic regression of the pooled pixels, scikit-learn, same folds",
    slow: true,
    run: cells,
}];

const METHOD: &str = "federated averaging; simulated sums; a row is a cell, the folds keep smears \
                      together; settings: a first guess";
const SIDE: usize = 28;
const KINDS: [&str; 3] = ["RBC", "WBC", "platelet"];
const HOSPITALS: usize = 10;
const FOLDS: usize = 5;
/// Largest file that is unpacked.
const MOST_BYTES: u64 = 1 << 24;

/// The cells, one a row.
struct Cells {
    /// `[cells, SIDE * SIDE]`, 0 black.
    pixels: Vec<u8>,
    kind: Vec<usize>,
    hospital: Vec<usize>,
    fold: Vec<usize>,
}

/// A file in IDX form (LeCun's MNIST format): its numbers of bytes, and the numbers after the head.
fn idx(context: &Context, name: &str, dimensions: usize) -> Result<Vec<u8>, Error> {
    let path = context.shared(name)?;
    let file = std::fs::File::open(&path).map_err(|e| Error::file(&path, e))?;
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(file)
        .take(MOST_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::file(&path, e))?;
    let (magic, rest) = bytes.split_at_checked(4).unwrap_or_default();
    let head = rest.split_at_checked(4 * dimensions);
    let (true, Some((extents, values))) =
        (magic == [0, 0, 8, u8::try_from(dimensions).unwrap_or(0)], head)
    else {
        return Err(fault(name, "no IDX file of bytes with so many dimensions"));
    };
    let extents = extents.as_chunks::<4>().0.iter().map(|extent| u32::from_be_bytes(*extent));
    if extents.map(|extent| extent as usize).product::<usize>() != values.len() {
        return Err(fault(name, "not as long as its head says"));
    }
    Ok(values.to_vec())
}

impl Cells {
    fn read(context: &Context) -> Result<Self, Error> {
        let numbers = |name: &str, column: &str| -> Result<Vec<usize>, Error> {
            let columns = Columns::read(&context.shared(name)?)?;
            let fields = columns.get(column)?.iter();
            fields.map(|x| x.parse().map_err(|_| fault(name, "not a whole number"))).collect()
        };
        let pixels = idx(context, "data/bccd/images.idx3-ubyte.gz", 3)?;
        let kind = idx(context, "data/bccd/labels.idx1-ubyte.gz", 1)?;
        let smear = numbers("data/bccd/source_image.csv", "source_image_index")?;
        let fold = numbers("truth/folds/bccd_by_image.csv", "fold")?;
        let n = kind.len();
        if pixels.len() != n * SIDE * SIDE || smear.len() != n || fold.len() != n {
            return Err(fault("bccd", "images, labels, smears and folds differ in number"));
        }
        let kind = kind.into_iter().map(usize::from).collect();
        Ok(Self { pixels, kind, hospital: smear.iter().map(|x| x % HOSPITALS).collect(), fold })
    }

    /// The cells that `takes` takes, as a hospital has them.
    fn cohort(&self, schema: &Schema, takes: impl Fn(usize) -> bool) -> Result<Cohort, Error> {
        let header: Vec<String> = (0..SIDE * SIDE).map(pixel).collect();
        let mut text = format!("cell,kind,{}\n", header.join(","));
        let rows = self.pixels.chunks(SIDE * SIDE).zip(&self.kind).enumerate();
        for (i, (pixels, kind)) in rows.filter(|(i, _)| takes(*i)) {
            let kind = KINDS.get(*kind).ok_or_else(|| fault("bccd", "a kind above 2"))?;
            let pixels: Vec<String> = pixels.iter().map(ToString::to_string).collect();
            text += &format!("{i},{kind},{}\n", pixels.join(","));
        }
        Ok(Cohort::from_reader("cells", text.as_bytes(), schema)?)
    }

    /// The shares that a network of the other folds' cells gives the cells of one fold, in order.
    fn judge(&self, fold: usize) -> Result<Vec<Vec<f64>>, Error> {
        let schema = Schema::from_toml(&schema())?;
        let hospitals = (0..HOSPITALS).map(|hospital| {
            let own = |i: usize| {
                self.hospital.get(i) == Some(&hospital) && self.fold.get(i) != Some(&fold)
            };
            self.cohort(&schema, own)
        });
        let hospitals = hospitals.collect::<Result<Vec<_>, _>>()?;
        let params = training();
        let open = || haima_fl_core::registry::open("train", 1, &params, &schema, &BTreeMap::new());
        // No randomness is drawn: all cells take part in every sum.
        let rng = StdRng::seed_from_u64(0);
        let most = self.kind.len() as u64;
        let mut sums = PlainSum::new(&hospitals, most, 1, rng, open)?;
        let result = drive(open()?.as_mut(), &mut sums)?;
        let network: Network = serde_json::from_value(result)
            .map_err(|error| fault("train", &format!("its result: {error}")))?;
        let trained = Trained::new("train", &schema, &network)?;
        let judged = self.cohort(&schema, |i| self.fold.get(i) == Some(&fold))?;
        let predict = |i| trained.predict(&judged, i);
        let shares: Option<Vec<_>> = (0..judged.len()).map(predict).collect();
        shares.ok_or_else(|| fault("bccd", "a cell without all of its pixels"))
    }
}

fn pixel(i: usize) -> String {
    format!("px_{i:03}")
}

fn schema() -> toml::Table {
    let mut columns = vec![toml::Value::Table(toml::toml! {
        name = "kind"
        kind = "category"
        levels = ["RBC", "WBC", "platelet"]
    })];
    for i in 0..SIDE * SIDE {
        let name = pixel(i);
        columns.push(toml::Value::Table(toml::toml! {
            name = name
            kind = "numeric"
            range = [0, 255]
        }));
    }
    let mut schema = toml::toml! { patient = "cell" };
    schema.insert("column".into(), toml::Value::Array(columns));
    schema
}

fn training() -> toml::Table {
    toml::toml! {
        seed = 1
        steps = 40
        [model]
        name = "cnn"
        columns = ["px_*"]
        outcome = "kind"
        height = 28
        width = 28
        filters = [8, 16]
        hidden = [32]
        [strategy]
        name = "fedavg"
        epochs = 2
        batch = 32
        learning_rate = 0.1
        momentum = 0.5
    }
}

fn cells(context: &Context) -> Result<Vec<Figure>, Error> {
    let cells = Cells::read(context)?;
    let mut shares = vec![Vec::new(); cells.kind.len()];
    let mut folds = Vec::new();
    for fold in 0..FOLDS {
        let own: Vec<usize> =
            (0..cells.kind.len()).filter(|i| cells.fold.get(*i) == Some(&fold)).collect();
        for (i, given) in own.iter().zip(cells.judge(fold)?) {
            if let Some(place) = shares.get_mut(*i) {
                *place = given;
            }
        }
        folds.push(macro_auc(&cells, &shares, |i| own.contains(&i)));
    }
    let results = context.truth("truth/cv_baselines.json", "/results")?;
    let named = |one: &&serde_json::Value| {
        let name = one.get("dataset").and_then(serde_json::Value::as_str);
        name.is_some_and(|name| name.starts_with("bccd"))
    };
    let theirs = results.as_array().into_iter().flatten().find(named);
    let theirs = theirs.map(|one| number(one, "/macro_ovr_auc")).filter(|auc| auc.is_finite());
    let theirs = theirs
        .ok_or_else(|| fault("truth/cv_baselines.json", "no macro_ovr_auc of a dataset bccd"))?;
    let ours = macro_auc(&cells, &shares, |_| true);
    let (mean, sd) = spread(&folds);
    let largest = |shares: &Vec<f64>| {
        let best = shares.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        best.map(|(kind, _)| kind)
    };
    let right = shares.iter().zip(&cells.kind).filter(|(s, kind)| largest(s) == Some(**kind));
    Ok(vec![
        Figure::number("macro AUC", ours, theirs, 4),
        text("mean of folds", &format!("{mean:.3} (SD {sd:.3})"), ""),
        text("right", &format!("{:.3}", right.count() as f64 / cells.kind.len() as f64), ""),
        text("cells", &cells.kind.len().to_string(), ""),
    ])
}

/// The mean over kinds of the area under the curve of that kind against the others.
fn macro_auc(cells: &Cells, shares: &[Vec<f64>], takes: impl Fn(usize) -> bool) -> f64 {
    let of = |kind: usize| {
        let rows = shares.iter().zip(&cells.kind).enumerate().filter(|(i, _)| takes(*i));
        let judged: Vec<(f64, bool)> = rows
            .map(|(_, (shares, own))| (shares.get(kind).copied().unwrap_or(f64::NAN), *own == kind))
            .collect();
        auc(&judged)
    };
    (0..KINDS.len()).map(of).sum::<f64>() / KINDS.len() as f64
}
