//! Seconds to train the private network of AMLSG, beside which `benches/python/leukaemia.py` stands:
//! the same patients, inputs, layers, clip, steps, rate and noise, all rows at one site.
//!
//! `cargo test -p haima-fl-core --release --test learn -- --ignored --nocapture seconds`

use std::time::Instant;

use haima_dp::noise::NoiseScale;
use haima_fl_core::cohort::Cohort;
use haima_fl_core::registry::{self, Finished};
use haima_fl_core::results::network::Network;
use haima_fl_core::schema::Schema;
use haima_fl_core::sum::{PlainSum, drive};

use crate::artificial::concordance;
use crate::common::{cohort, records, rng, schema, shared, table};

const RUNS: u8 = 5;
/// Sensitivities of one node's noise.
const NOISE: u64 = 20;
const STEPS: u32 = 100;

/// Columns and the ranges by which they are standardised; the logarithms of three come with them.
const NUMBERS: [(&str, f64, f64); 9] = [
    ("age", 15.5, 100.5),
    ("wbc", 0.0, 7.0),
    ("hb", 0.0, 25.0),
    ("platelet", 0.0, 8.0),
    ("ldh", 0.0, 10.0),
    ("bm_blasts", 0.0, 100.0),
    ("pb_blasts", 0.0, 100.0),
    ("performance_ecog", -0.5, 4.5),
    ("cebpa", -0.5, 2.5),
];
const FLAGS: &str = "npm1 flt3_itd flt3_tkd complex minus5_5q minus7 plus8_8q mono17_17p_abn17p \
    t_15_17 t_8_21 inv16_t16_16 inv3_t3_3 t_v_11 mut_dnmt3a mut_nras mut_tet2 mut_idh2 mut_runx1 \
    mut_ptpn11 mut_tp53 mut_idh1 mut_srsf2 mut_wt1 mut_kras mut_kmt2a mut_kit mut_asxl1 mut_stag2 \
    mut_rad21 mut_ezh2 mut_phf6 mut_cbl mut_nf1 mut_sf3b1 mut_u2af1 mut_gata2 mut_bcor mut_myc";

fn columns() -> Vec<&'static str> {
    let numbers = NUMBERS.iter().map(|(name, _, _)| *name);
    numbers.chain(FLAGS.split_whitespace()).chain(["sex", "typeaml"]).collect()
}

fn leukaemia() -> Schema {
    let mut text = "one_row_per_patient = true\n\
        [[column]]\nname = \"time\"\nkind = \"numeric\"\nrange = [0, 10000]\n\
        [[column]]\nname = \"died\"\nkind = \"flag\"\n\
        [[column]]\nname = \"sex\"\nkind = \"category\"\nlevels = [\"F\", \"M\"]\n\
        [[column]]\nname = \"typeaml\"\nkind = \"category\"\n\
        levels = [\"AML\", \"oAML\", \"sAML\", \"tAML\"]\n"
        .to_owned();
    for (name, low, high) in NUMBERS {
        text += &format!(
            "[[column]]\nname = \"{name}\"\nkind = \"numeric\"\nmissing = true\n\
             range = [{low:?}, {high:?}]\n"
        );
    }
    for name in FLAGS.split_whitespace() {
        text += &format!("[[column]]\nname = \"{name}\"\nkind = \"flag\"\nmissing = true\n");
    }
    schema(&text)
}

/// The patients of folds 1 to 4, and of fold 0.
fn patients() -> Option<[Cohort; 2]> {
    let read = |what: &str| Some(std::fs::read_to_string(shared(what)?).expect("readable"));
    let folds = records(&read("truth/folds/amlsg_os.csv")?);
    let rows = records(&read("data/amlsg_1540.csv")?);
    let mut texts = [(); 2].map(|()| format!("{},time,died\n", columns().join(",")));
    for (row, fold) in rows.iter().zip(folds) {
        let field = |name: &str| {
            let field = match row[name].as_str() {
                "1.0" | "True" => "1",
                "0.0" | "False" => "0",
                field => field,
            };
            match (name, field.parse::<f64>()) {
                ("wbc" | "platelet" | "ldh", Ok(value)) => value.ln_1p().to_string(),
                _ => field.to_owned(),
            }
        };
        let names = columns().into_iter().chain(["os", "status"]);
        texts[usize::from(fold["fold"] == "0")] +=
            &format!("{}\n", names.map(field).collect::<Vec<_>>().join(","));
    }
    Some(texts.map(|text| cohort(&leukaemia(), &text)))
}

#[test]
#[ignore = "prints seconds: cargo test -p haima-fl-core --test learn -- --ignored --nocapture seconds"]
fn seconds_to_train_the_private_leukaemia_network() {
    let Some([training, judged]) = patients() else { return };
    let mut params = table(&format!(
        "seed = 1\nexpected_patients = 1200\nsteps = {STEPS}\n\
         model = {{ name = \"deepsurv\", hidden = [16], missing = \"center\", time = \"time\", \
            event = \"died\", cuts = [180, 365, 545, 730, 1095, 1460, 2190, 3650] }}\n\
         strategy = {{ clip = 1.0, learning_rate = 0.5 }}"
    ));
    params["model"].as_table_mut().unwrap().insert("columns".into(), columns().into());
    let open = || registry::open("train", 1, &params, &leukaemia(), &Finished::new());
    let (mut seconds, mut scores) = (Vec::new(), Vec::new());
    for seed in 0..RUNS {
        let begin = Instant::now();
        let mut run = open().unwrap();
        let s = NoiseScale::new(NOISE * run.query().unwrap().sensitivity.unwrap()).unwrap();
        let mut sums = PlainSum::new(std::slice::from_ref(&training), 2000, 1, rng(), open)
            .unwrap()
            .with_simulated_noise(s, 1, [seed; 32]);
        let result = drive(run.as_mut(), &mut sums).unwrap();
        seconds.push(begin.elapsed().as_secs_f64());
        let network: Network = serde_json::from_value(result).unwrap();
        scores.push(concordance(&network, &leukaemia(), &judged));
    }
    seconds.sort_by(f64::total_cmp);
    let mean = scores.iter().sum::<f64>() / f64::from(RUNS);
    println!("haima: {:.3} s, median of {RUNS}; C-index {mean:.4}", seconds[usize::from(RUNS) / 2]);
}
