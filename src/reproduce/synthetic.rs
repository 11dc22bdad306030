//! Virtual patients: the generators of `synthesize` beside the same on pooled rows, and beside dpmm's.
//!
//! Noise comes from public seeds with the distribution and the scale of the nodes' ([`super::simulated`]);
//! where one node's noise is named, the figure is what a curator whom all trust would have had, and what
//! dpmm has. Bins were written down from the studies' designs and from reference intervals before any
//! figure was seen; a generator's settings are the task's defaults throughout.

use haima_fl_core::cohort::Cohort;
use haima_fl_core::results::generator::Generator;
use haima_fl_core::synth::condition::Condition;

use super::amlsg::Leukaemia;
use super::columns::fault;
use super::generators::{AMLSG_CUTS, Network, generator, question};
use super::holdout::spread;
use super::public_bins::{Compared, dpmm, three_way};
use super::simulated::{NODES, Noise, Question, SEEDS, against, calibrated, interval};
use super::yardsticks::text;
use super::{Context, Figure, Row};
use crate::Error;
use crate::synth::membership::{Area, Attacked, World, task, without_noise};

const BESIDE_DPMM: &str = "one sum of tables a round, simulated noise of seeds 0 to 9; as many virtual \
                           patients as training rows; interval by Student's t";
const DPMM: &str = "dpmm 0.1.9, its own defaults, the same bins, split and target \
                    (benches/python/synthetic.py)";

/// The rows.
pub(super) const ROWS: &[Row] = &[
    Row {
        id: "synth-leuksurv",
        what: "Generators (MST, AIM) without noise, from the districts and from pooled rows: largest \
               difference of a marginal of one to three attributes",
        data: "leuksurv: 1,043 patients, 24 districts",
        method: "exact sums of tables; simulated sums",
        yardstick: "the same from pooled rows",
        slow: false,
        run: leuksurv,
    },
    Row {
        id: "synth-amlsg",
        what: "Generator (MST) without noise, from the centres and from pooled rows: largest \
               difference of a marginal of one or two attributes",
        data: "AMLSG: 1,540 patients, 45 centres, 50 attributes",
        method: "exact sums of tables; simulated sums",
        yardstick: "the same from pooled rows",
        slow: true,
        run: amlsg,
    },
    Row {
        id: "synth-nodes",
        what: "Generator (AIM) with patient-level differential privacy (1, 1e-5): mean total variation \
               of all 3-way tables from the patients' own, under 3 nodes' noise and under one noise",
        data: "leuksurv: 1,043 patients, 24 districts",
        method: "simulated noise of seeds 0 to 9; 50,000 virtual patients; interval by Student's t",
        yardstick: "one noise on pooled rows; three are sqrt(3) times as large",
        slow: true,
        run: nodes,
    },
    Row {
        id: "synth-network",
        what: "A network (variational autoencoder) and tables (AIM) as generators with patient-level \
               differential privacy (1, 1e-5), and without noise: mean total variation of all 3-way \
               tables from the patients' own",
        data: "leuksurv: 1,043 patients, 24 districts",
        method: "3 nodes' noise of seeds 0 to 9; 50,000 virtual patients; interval by Student's t",
        yardstick: "tables",
        slow: true,
        run: network,
    },
    Row {
        id: "synth-flchain",
        what: "Generators with patient-level differential privacy (1, 1e-5): mean total variation of \
               all 3-way tables from those of held-out persons",
        data: "flchain: 6,299 persons to learn from, 1,575 held out, 10 columns",
        method: BESIDE_DPMM,
        yardstick: DPMM,
        slow: true,
        run: |context| beside_dpmm(context, "flchain"),
    },
    Row {
        id: "synth-mgus2",
        what: "Generators with patient-level differential privacy (1, 1e-5): mean total variation of \
               all 3-way tables from those of held-out patients",
        data: "mgus2: 1,107 patients to learn from, 277 held out, 10 columns",
        method: BESIDE_DPMM,
        yardstick: DPMM,
        slow: true,
        run: |context| beside_dpmm(context, "mgus2"),
    },
    Row {
        id: "synth-membership",
        what: "Membership inference on generators (AIM, 4,096 cells): area under the ROC curve of 500 \
               refits, half of them with the patient whose pairs of levels are rarest",
        data: "leuksurv: 1,043 patients, of whom each refit has a random half",
        method: "the attacker has the model under one node's noise (1, 1e-5); intervals by DeLong",
        yardstick: "an area of 0.5, and the same attack on a generator without noise",
        slow: true,
        run: membership,
    },
];

const EPSILON: f64 = 1.0;
const DELTA: f64 = 1e-5;
/// Virtual patients where their own number should not matter.
const MANY: usize = 50_000;
/// Refits of the membership attack.
const REFITS: u32 = 500;
/// Cells of the model in them: a third of the time of the task's own limit.
const CELLS: i64 = 4096;

/// All marginals of up to so many attributes, one after the other.
fn marginals(generator: &Generator, degree: usize) -> Result<Vec<f64>, Error> {
    let attributes = generator.domain.attributes.len();
    let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
    let mut found = Vec::new();
    for _ in 0..degree {
        let longer = |set: &Vec<usize>| {
            let set = set.clone();
            let next = set.last().map_or(0, |last| last + 1);
            (next..attributes).map(move |one| [set.as_slice(), &[one]].concat())
        };
        sets = sets.iter().flat_map(longer).collect();
        let tables = generator.tables().ok_or_else(|| fault("marginals", "a network has none"))?;
        let all = tables.marginals(&sets);
        found.extend(all.map_err(|e| fault("marginals", &e.to_string()))?.concat());
    }
    Ok(found)
}

/// The largest difference of a marginal between hospitals and pooled rows, without noise.
fn exact(network: &Network, method: &str, degree: usize) -> Result<Figure, Error> {
    let question = network.question(method, false);
    let of = |hospitals: &[Cohort]| marginals(&generator(&question, hospitals, None)?, degree);
    let (federated, pooled) = (of(&network.hospitals)?, of(&network.pooled)?);
    let name = format!("{}, {} cells of marginals,", method.to_uppercase(), federated.len());
    Figure::difference(&name, &federated, &pooled)
}

fn leuksurv(context: &Context) -> Result<Vec<Figure>, Error> {
    let network = Network::leuksurv(context)?;
    ["mst", "aim"].iter().map(|method| exact(&network, method, 3)).collect()
}

fn amlsg(context: &Context) -> Result<Vec<Figure>, Error> {
    let all = Leukaemia::read(context, "truth/folds/amlsg_os.csv")?;
    let schema = all.schema(true);
    let network = Network::new(&all.columns, "center", (schema.as_str(), AMLSG_CUTS))?;
    Ok(vec![exact(&network, "mst", 2)?])
}

/// Distances of a generator's virtual patients from `real`, a seed of the noise each.
fn distances(
    question: &Question,
    hospitals: &[Cohort],
    (s, nodes): (u64, usize),
    (virtuals, real): (usize, &[Vec<u16>]),
) -> Result<Vec<f64>, Error> {
    let of = |seed: u8| {
        let generator = generator(question, hospitals, Some(Noise { s, nodes, seed }))?;
        let made = generator.rows(virtuals, &Condition::default(), u64::from(seed))?;
        three_way(&generator.domain, &made, real)
    };
    (0..SEEDS).map(of).collect()
}

fn nodes(context: &Context) -> Result<Vec<Figure>, Error> {
    let network = Network::leuksurv(context)?;
    let question = network.question("aim", true);
    let (query, sums) = question.plan()?;
    let (s, bound) = calibrated((EPSILON, DELTA), &query, sums)?;
    let rows = network.rows()?;
    let real = (MANY, rows.as_slice());
    let three = distances(&question, &network.hospitals, (s, NODES), real)?;
    let one = distances(&question, &network.pooled, (s, 1), real)?;
    let ratio = spread(&three).0 / spread(&one).0;
    Ok(vec![
        text("mean total variation", &interval(&three, 4), &interval(&one, 4)),
        text("ratio", &format!("{ratio:.3}"), ""),
        text(
            "against the coordinator, 2 of the 3 nodes and all other hospitals together: epsilon",
            &against(&bound, DELTA),
            "",
        ),
        text("sums", &sums.to_string(), ""),
    ])
}

fn network(context: &Context) -> Result<Vec<Figure>, Error> {
    let network = Network::leuksurv(context)?;
    let rows = network.rows()?;
    let asked = |method: &str, noised: bool| {
        let mut question = network.question(method, noised);
        if method == "vae" {
            let own = toml::toml! {
                network = { log1p = ["wbc"] }
                training = { expected_patients = 1000 }
            };
            question.params.extend(own);
        }
        question
    };
    let mut found = Vec::new();
    for method in ["vae", "aim"] {
        let question = asked(method, true);
        let (query, sums) = question.plan()?;
        let (s, bound) = calibrated((EPSILON, DELTA), &query, sums)?;
        let real = (MANY, rows.as_slice());
        let private = distances(&question, &network.hospitals, (s, NODES), real)?;
        let open = generator(&asked(method, false), &network.hospitals, None)?;
        let open = three_way(&open.domain, &open.rows(MANY, &Condition::default(), 0)?, &rows)?;
        found.push((interval(&private, 4), format!("{open:.4}"), against(&bound, DELTA), sums));
    }
    let [vae, aim] = found.as_slice() else { return Ok(Vec::new()) };
    Ok(vec![
        text("network", &vae.0, &aim.0),
        text("without noise", &vae.1, &aim.1),
        text(
            "epsilon",
            &format!("{} in {} sums", vae.2, vae.3),
            &format!("{} in {}", aim.2, aim.3),
        ),
    ])
}

fn beside_dpmm(context: &Context, data: &str) -> Result<Vec<Figure>, Error> {
    let study = Compared::read(context, data)?;
    let (virtuals, real) = (study.training_rows.len(), study.heldout.as_slice());
    let mut figures = Vec::new();
    for method in ["aim", "mst"] {
        let question = question(&study.schema, &study.params, method, true);
        let (query, sums) = question.plan()?;
        let (s, bound) = calibrated(study.target, &query, sums)?;
        let name = method.to_uppercase();
        for (nodes, theirs) in [(1, dpmm(data, method)?), (NODES, String::new())] {
            let noises = if nodes == 1 { "one noise" } else { "3 nodes' noise" };
            let found = distances(&question, &study.training, (s, nodes), (virtuals, real))?;
            figures.push(text(&format!("{name}, {noises},"), &interval(&found, 4), &theirs));
        }
        let spent = format!("{} in {sums} sums", against(&bound, study.target.1));
        figures.push(text(&format!("{name}: epsilon"), &spent, ""));
    }
    let own = three_way(&study.domain, &study.training_rows, real)?;
    figures.push(text("the training rows themselves", &format!("{own:.4}"), ""));
    Ok(figures)
}

fn membership(context: &Context) -> Result<Vec<Figure>, Error> {
    let network = Network::leuksurv(context)?;
    let mut noised = network.question("aim", true);
    noised.params.insert("model_cells".into(), CELLS.into());
    let (query, sums) = noised.plan()?;
    let (s, bound) = calibrated((EPSILON, DELTA), &query, sums)?;
    let world = World { sizes: network.domain.sizes(), rows: network.rows()? };
    let target = world.rarest().ok_or_else(|| fault("membership", "no patients"))?;
    let open = without_noise(&noised.params);
    let mut figures = Vec::new();
    for (params, s, name) in
        [(&noised.params, Some(s), "at epsilon 1"), (&open, None, "without noise")]
    {
        let start = task(params, &network.schema)?.rounds_at_start();
        let attacked = Attacked { start: &start, s, seed: u64::from(s.is_some()), pairs: true };
        let scores = world.attack(target, &attacked, REFITS, &|| ())?;
        let shown = |area: Option<Area>| area.map_or("none".into(), |area| area.to_string());
        let (density, pairs) = (shown(scores.by_density()), shown(scores.by_pairs()));
        figures.push(text(&format!("{name}: by density"), &density, ""));
        figures.push(text("by pairs of levels", &pairs, ""));
    }
    let limit =
        Area::limit(u32::try_from(sums).unwrap_or(u32::MAX), query.sensitivity.unwrap_or(1), s);
    figures.extend([
        text("told from 0.5 with power 0.8: from", &format!("{:.3}", Area::least_told(REFITS)), ""),
        text("no attack passes", &format!("{limit:.3}"), ""),
        text("epsilon", &against(&bound, DELTA), ""),
    ]);
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn districts_give_the_generator_of_the_pooled_rows_and_not_without_one_of_them() {
        let context = Context { shared: super::super::shared_folder(None) };
        let mut network = Network::leuksurv(&context).unwrap();
        assert_eq!(exact(&network, "mst", 2).unwrap().ours, "within 1e-9");
        network.hospitals.pop();
        assert_ne!(exact(&network, "mst", 2).unwrap().ours, "within 1e-9");
    }

    /// Noise that drowns every count leaves virtual patients further from the real ones.
    #[test]
    fn the_noise_reaches_the_virtual_patients() {
        let context = Context { shared: super::super::shared_folder(None) };
        let network = Network::leuksurv(&context).unwrap();
        let (rows, question) = (network.rows().unwrap(), network.question("mst", true));
        let (query, sums) = question.plan().unwrap();
        let mean = |epsilon: f64| {
            let (s, _) = calibrated((epsilon, DELTA), &query, sums).unwrap();
            let noise = Some(Noise { s, nodes: NODES, seed: 0 });
            let generator = generator(&question, &network.pooled, noise).unwrap();
            let made = generator.rows(5000, &Condition::default(), 0).unwrap();
            three_way(&generator.domain, &made, &rows).unwrap()
        };
        let (open, private) = (mean(50.0), mean(0.3));
        assert!(open < 0.2 && private > 1.3 * open, "{open} {private}");
    }
}
