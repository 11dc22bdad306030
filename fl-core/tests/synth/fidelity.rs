//! Claims about the task `fidelity`: the sum over hospitals is the pooled comparison, one patient moves
//! it by at most D, and what a hospital sends does not fail on its data.

use std::collections::BTreeMap;

use haima_dp::noise::NoiseScale;
use haima_fl_core::cohort::Cohort;
use haima_fl_core::error::Error;
use haima_fl_core::registry::{Finished, open, reveals_rows};
use haima_fl_core::results::fidelity::{Fidelity, Group};
use haima_fl_core::results::generator::Generator;
use haima_fl_core::schema::Schema;
use haima_fl_core::sum::{PlainSum, drive};
use haima_fl_core::synth::metrics::summary::{Asked, pooled};
use haima_fl_core::synth::metrics::workload::Workload;
use haima_fl_core::task::{Query, Run, Site, SiteState};
use haima_fl_core::tasks::fidelity::check_cohort;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{LEUKSURV, cohort, cohorts, data, rng, schema, split, table};

const DOMAIN: &str = "columns = [\"age\", \"male\", \"wbc\", \"time_days\", \"death\"]
bins = { age = 5, wbc = [0, 5, 20, 100, 500] }
survival = [{ time = \"time_days\", event = \"death\", cuts = [0, 100, 365, 1000, 5000] }]
method = \"mst\"";

/// A generator of all patients, made once by the plain sum; `holdout` is the share kept out of it.
fn generator(holdout: f64) -> Value {
    let schema = schema(LEUKSURV);
    let patients = [cohort(&schema, &data("leuksurv.csv"))];
    let params = table(&format!("{DOMAIN}\nholdout = {holdout}\nseed = 11"));
    let made = || open("synthesize", 1, &params, &schema, &Finished::new());
    let mut sums = PlainSum::new(&patients, 10_000, 0, rng(), made).unwrap();
    drive(made().unwrap().as_mut(), &mut sums).unwrap()
}

/// The same, called noised and charged; what is tested here looks at its word alone.
fn charged(holdout: f64) -> Value {
    let mut generator = generator(holdout);
    generator["release"] = json!("noised");
    generator
}

fn finished(generator: Value) -> Finished {
    [("net".to_owned(), generator)].into()
}

const ASKED: &str = "of = \"net\"\nrows = 400\nseed = 3\n";

fn start(params: &str, schema: &Schema, finished: &Finished) -> Result<Box<dyn Run>, Error> {
    open("fidelity", 1, &table(&format!("{ASKED}{params}")), schema, finished)
}

fn judge(params: &str, cohorts: &[Cohort], floor: u64, finished: &Finished) -> Fidelity {
    let schema = schema(LEUKSURV);
    let made = || start(params, &schema, finished);
    let mut sums = PlainSum::new(cohorts, 10_000, floor, rng(), made).unwrap();
    let found = drive(made().unwrap().as_mut(), &mut sums).unwrap();
    serde_json::from_value(found).unwrap()
}

/// A site's answer, and the question.
fn answer(run: &dyn Run, patients: &Cohort, floor: u64) -> (Query, Vec<i64>, Option<String>) {
    let site = Site { cohort: patients, capacity: 0, max_patients: 2000, min_local_rows: floor };
    let answer = run.contribute(&site, &mut SiteState::default(), &mut rng()).unwrap();
    (run.query().unwrap(), answer.values.to_vec(), answer.note)
}

#[test]
fn over_24_districts_it_is_the_comparison_of_all_patients() {
    let schema = schema(LEUKSURV);
    let value = generator(0.25);
    let made = Generator::read(&value).unwrap();
    let finished = finished(value);
    let districts = cohorts(&schema, &split(&data("leuksurv.csv"), "district"));
    let found = judge("degree = 3", &districts, 0, &finished);

    let all = cohort(&schema, &data("leuksurv.csv"));
    let kept_out = made.split(&schema).unwrap();
    let real: Vec<(Vec<u16>, bool)> = (0..all.len())
        .map(|i| (made.domain.encode(&all, i).unwrap(), kept_out.holds_out(&all, i)))
        .collect();
    let condition = made.domain.condition(&[]).unwrap();
    let rows = made.rows(400, &condition, 3).unwrap();
    let workload = Workload::new(&made.domain.sizes(), 3, 1 << 18, 3).unwrap();
    let asked = Asked {
        of: "net".to_owned(),
        seed: 3,
        conditions: Vec::new(),
        subset: "holdout".to_owned(),
    };
    let pooled = pooled(asked, &made.domain, &workload, &real, &rows);
    // A district without a patient kept out has nothing to say of them.
    assert!((20..=24).contains(&found.sites), "{}", found.sites);
    assert_eq!(found.n, real.iter().filter(|(_, out)| *out).count() as f64);
    assert_eq!(found.nearest.holdout.as_ref().unwrap().n, found.n);
    // Trees look at one district at a time, and leave out those with few patients.
    let trees = found.c2st.clone().unwrap();
    assert!(trees.n < found.n && (0.3..0.7).contains(&trees.auc), "{trees:?}");
    let by_sums = Fidelity { c2st: None, sites: 1, ..found };
    assert_eq!(by_sums.columns, pooled.columns);
    assert_eq!(by_sums.pairs, pooled.pairs);
    assert_eq!(by_sums.workload, pooled.workload);
    assert_eq!(by_sums.nearest.holdout, pooled.nearest.holdout);
}

#[test]
fn without_a_holdout_everybody_is_compared_and_nobody_is_told_apart() {
    let districts = [cohort(&schema(LEUKSURV), &data("leuksurv.csv"))];
    let found = judge("c2st = false\ndegree = 2", &districts, 5, &finished(generator(0.0)));
    assert_eq!((found.subset.as_str(), found.n, found.sites), ("all", 1043.0, 1));
    assert_eq!((found.nearest.holdout, found.nearest.auc, found.c2st), (None, None, None));
    assert_eq!(found.nearest.training.distances.iter().sum::<f64>(), 1043.0);
    // The generator knows its one-way tables: its sample differs by its own chance alone.
    let one_way = &found.workload[0];
    assert!(one_way.tv < one_way.chance, "{} and {}", one_way.tv, one_way.chance);
    assert_eq!(found.workload.len(), 2);
    // Conditions are the sampler's; the cohort is the real side's.
    let params = "c2st = false\ndegree = 1\nconditions = [\"male = 1\"]\ncohort = { include = [\"male = 1\"] }";
    let men = judge(params, &districts, 5, &finished(generator(0.0)));
    let sex = men.columns.iter().find(|column| column.name == "male").unwrap();
    assert_eq!((sex.tv, sex.real[0], sex.synthetic[0]), (0.0, 0.0, 0.0));
}

#[test]
fn the_same_patients_as_virtual_ones_are_all_copies() {
    // Distances are those of the summary's tests; here that rows of the sampler are what is compared.
    let value = generator(0.0);
    let made = Generator::read(&value).unwrap();
    let rows = made.rows(400, &made.domain.condition(&[]).unwrap(), 3).unwrap();
    let mut random = rng();
    let decoded: Vec<Vec<String>> =
        rows.iter().map(|row| made.domain.decode(row, &mut random)).collect();
    let header = made.domain.header();
    let lines = decoded.iter().enumerate().map(|(i, fields)| {
        let of: BTreeMap<&str, &str> =
            header.iter().map(String::as_str).zip(fields.iter().map(String::as_str)).collect();
        let [time, death, age, male, wbc] =
            ["time_days", "death", "age", "male", "wbc"].map(|column| of[column]);
        format!("{i},{time},{death},{age},{male},{wbc},0\n")
    });
    let text = format!("patient,time_days,death,age,male,wbc,tpi\n{}", lines.collect::<String>());
    let patients = [cohort(&schema(LEUKSURV), &text)];
    let found = judge("degree = 3", &patients, 5, &finished(value));
    assert_eq!((found.n, found.nearest.training.copies), (400.0, 400.0));
    assert!(found.workload.iter().all(|order| order.tv == 0.0 && order.chance > 0.0));
}

#[test]
fn what_a_hospital_sends_does_not_fail_on_its_data() {
    let schema = schema(LEUKSURV);
    let finished = finished(generator(0.0));
    let run = start("", &schema, &finished).unwrap();
    let patients = cohort(&schema, &data("leuksurv.csv"));
    let (question, full, note) = answer(run.as_ref(), &patients, 10);
    assert_eq!((full[..3].to_vec(), note), (vec![1, 1043, 0], None));
    for (few, floor) in [(patients.select(|_| false), 0), (patients.select(|i| i < 9), 10)] {
        let (asked, values, note) = answer(run.as_ref(), &few, floor);
        assert_eq!(asked, question);
        assert_eq!(values.len(), full.len());
        assert!(values.iter().all(|value| *value == 0) && note.is_some());
    }
    // Too few for trees, enough for counts.
    let (_, values, note) = answer(run.as_ref(), &patients.select(|i| i < 12), 10);
    assert_eq!((values[1], &values[values.len() - 2..], note), (12, &[0, 0][..], None));
}

#[test]
fn a_site_sends_no_distances_of_a_group_below_its_floor() {
    let schema = schema(LEUKSURV);
    let value = generator(0.25);
    let kept_out = Generator::read(&value).unwrap().split(&schema).unwrap();
    let finished = finished(value);
    let all = cohort(&schema, &data("leuksurv.csv"));
    for (subset, few_are_out) in [("training", true), ("holdout", false)] {
        let is_few = |i: usize| kept_out.holds_out(&all, i) == few_are_out;
        let three: Vec<usize> = (0..all.len()).filter(|&i| is_few(i)).take(3).collect();
        let patients = [all.select(|i| !is_few(i) || three.contains(&i))];
        let params = format!("c2st = false\ndegree = 1\nsubset = \"{subset}\"");
        for (floor, expected) in [(3, 3.0), (4, 0.0)] {
            let found = judge(&params, &patients, floor, &finished);
            let (training, out) = (found.nearest.training, found.nearest.holdout.unwrap());
            let (few, many) = if few_are_out { (out, training) } else { (training, out) };
            let ratios = |group: &Group| group.ratios.iter().sum::<f64>();
            assert_eq!((few.n, ratios(&few)), (expected, expected), "{subset}");
            assert_eq!((many.n, ratios(&many)), (found.n, found.n), "{subset}");
            assert!(found.n > 200.0, "{}", found.n);
        }
    }
}

#[test]
fn the_noised_form_needs_charged_rows_and_has_no_trees_and_no_floor() {
    let schema = schema(LEUKSURV);
    let refused = |params: &str, finished: &Finished| match start(params, &schema, finished) {
        Ok(_) => panic!("{params} was taken"),
        Err(error) => error.to_string(),
    };
    let exact = finished(generator(0.0));
    assert!(refused("release = \"noised\"", &exact).contains("S4"));
    let charged = finished(charged(0.0));
    let trees = refused("release = \"noised\"\nc2st = true", &charged);
    assert!(trees.contains("c2st"), "{trees}");
    let run = start("release = \"noised\"\ndegree = 2", &schema, &charged).unwrap();
    let few = cohort(&schema, &data("leuksurv.csv")).select(|i| i < 3);
    let (question, values, _) = answer(run.as_ref(), &few, 10);
    let names: Vec<&str> = question.blocks.iter().map(|block| block.name.as_str()).collect();
    assert_eq!(names, ["tables", "distances", "ratios"]);
    // 4 columns, 6 pairs, and the two histograms: a norm of sqrt(12).
    assert_eq!(question.sensitivity, Some((12f64.sqrt() * 1024.0).ceil() as u64));
    assert_eq!(values.iter().sum::<i64>(), 3 * 12 * 1024);
    let exact = start("degree = 2", &schema, &exact).unwrap();
    assert_eq!(exact.query().unwrap().sensitivity, None);

    let params = |text: &str| table(text);
    assert!(reveals_rows("fidelity", &params(ASKED)));
    assert!(!reveals_rows("fidelity", &params(&format!("{ASKED}release = \"noised\""))));
}

#[test]
fn noise_is_told_and_enters_what_chance_gives() {
    let schema = schema(LEUKSURV);
    let finished = finished(charged(0.25));
    let patients = [cohort(&schema, &data("leuksurv.csv"))];
    let of = |s: u64| -> Fidelity {
        let made = || start("release = \"noised\"\ndegree = 2", &schema, &finished);
        let sums = PlainSum::new(&patients, 10_000, 5, rng(), made).unwrap();
        let mut sums = sums.with_simulated_noise(NoiseScale::new(s).unwrap(), 3, [5; 32]);
        let found = drive(made().unwrap().as_mut(), &mut sums).unwrap();
        serde_json::from_value(found).unwrap()
    };
    let exact = judge("degree = 2", &patients, 5, &finished);
    let (quiet, loud) = (of(1024), of(8 * 1024));
    for (found, sd) in [(&quiet, 3f64.sqrt()), (&loud, 8.0 * 3f64.sqrt())] {
        assert!((found.noise.unwrap() - sd).abs() < 1e-9, "{:?}", found.noise);
        assert!((found.n - exact.n).abs() < 60.0, "{} for {}", found.n, exact.n);
        assert!(found.nearest.auc.is_none() && found.c2st.is_none());
        assert!(found.pairs.iter().all(|pair| pair.association.is_none()));
        for (order, clean) in found.workload.iter().zip(&exact.workload) {
            assert!(order.chance > clean.chance, "{order:?}");
        }
    }
    // What noise makes of the tables is what it was said to make of them.
    let (pairs, clean) = (&loud.workload[1], &exact.workload[1]);
    assert!((pairs.tv - pairs.chance).abs() < 0.2 * pairs.chance, "{pairs:?}");
    assert!(pairs.tv > 1.5 * clean.tv, "{pairs:?} without noise {clean:?}");
    assert!(loud.workload[1].chance > 2.0 * quiet.workload[1].chance);
    // More noise than patients: no number is made of it.
    let made = || start("release = \"noised\"\ndegree = 1", &schema, &finished);
    let nobody = [patients[0].select(|_| false)];
    let sums = PlainSum::new(&nobody, 10_000, 0, rng(), made).unwrap();
    let mut sums = sums.with_simulated_noise(NoiseScale::new(1024).unwrap(), 1, [7; 32]);
    match drive(made().unwrap().as_mut(), &mut sums) {
        Ok(found) => assert!(found["n"].as_f64().unwrap() < 20.0, "{}", found["n"]),
        Err(error) => assert!(error.to_string().contains("no patient was counted"), "{error}"),
    }
}

#[test]
fn what_cannot_be_used_says_why() {
    let schema = schema(LEUKSURV);
    let exact = finished(generator(0.0));
    for (params, expected) in [
        ("of = \"net\"\nrows = 1\nseed = 3", "`rows` must be 2 to 50000"),
        ("of = \"net\"\nrows = 50001\nseed = 3", "`rows` must be 2 to 50000"),
        ("of = \"other\"\nrows = 10\nseed = 3", "no earlier task `other`"),
        ("of = \"net\"\nrows = 10\nseed = 3\ndegree = 4", "`degree` is 1 to 3"),
        ("of = \"net\"\nrows = 10\nseed = 3\ncells = 10", "raise `cells`"),
        ("of = \"net\"\nrows = 10\nseed = 3\nsubset = \"holdout\"", "kept no patient out"),
        ("of = \"net\"\nrows = 10\nseed = 3\nconditions = [\"age > 200\"]", "age > 200"),
        ("of = \"net\"\nrows = 10\nseed = -3", "expected u64"),
        ("of = \"net\"\nrows = 10", "seed"),
        ("of = \"net\"\nrows = 10\nseed = 3\nbins = 3", "bins"),
    ] {
        match open("fidelity", 1, &table(params), &schema, &exact) {
            Ok(_) => panic!("{params} was taken"),
            Err(error) => assert!(error.to_string().contains(expected), "{params}: {error}"),
        }
    }
    // A generator of another schema, and a result that is none.
    let other =
        Schema::from_toml(&table("patient = \"id\"\n[[column]]\nname = \"a\"\nkind = \"flag\""));
    assert!(start("", &other.unwrap(), &exact).is_err());
    for broken in
        [json!({ "schema": "haima.km/1" }), json!({ "schema": "haima.generator/1" }), json!(3)]
    {
        assert!(start("", &schema, &finished(broken)).is_err());
    }
}

#[test]
fn the_real_patients_are_the_generators_cohort_with_the_samples_conditions() {
    let schema = Schema::from_toml(&table(
        "patient = \"id\"
         column = [
            { name = \"age\", kind = \"numeric\", range = [0, 110] },
            { name = \"male\", kind = \"flag\" },
            { name = \"arm\", kind = \"category\", levels = [\"A\", \"B\", \"C\"] },
         ]",
    ));
    let schema = schema.unwrap();
    let old = "cohort = { include = [\"age >= 60\"], exclude = [\"arm = C\"] }";
    let check = |made: &str, asked: &str| {
        let made = table(&format!("columns = [\"age\", \"male\", \"arm\"]\n{made}"));
        check_cohort(&table(&format!("{ASKED}{asked}")), &made, &schema)
    };
    for (made, asked) in [
        ("", ""),
        ("", "conditions = []\ncohort = { include = [] }"),
        ("", "conditions = [\"male = 1\"]\ncohort = { include = [\"male=1\"] }"),
        // Of any order and spelling, and each once.
        (old, "cohort = { exclude = [\"arm in [C]\"], include = [\"age>=60.0\"] }"),
        (
            old,
            "conditions = [\"arm = A|B\", \"male = 1\", \"age >= 60\"]
             cohort = { include = [\"male = 1\", \"age >= 60\", \"arm in [B, A]\"], exclude = [\"arm = C\"] }",
        ),
    ] {
        check(made, asked).unwrap_or_else(|error| panic!("{made} and {asked}: {error}"));
    }
    for (made, asked, allowed) in [
        ("", "cohort = { include = [\"male = 1\"] }", "all patients, so leave it away"),
        ("", "conditions = [\"male = 1\"]", "include male = 1"),
        (old, "", "exclude arm in [C]; include age >= 60"),
        // What the conditions leave open, and what they ask the other way round.
        (
            old,
            "conditions = [\"male = 1\"]
             cohort = { include = [\"age >= 60\", \"male = 0\"], exclude = [\"arm = C\"] }",
            "exclude arm in [C]; include age >= 60; include male = 1",
        ),
        (
            old,
            "cohort = { include = [\"age >= 60\", \"male = 1\"], exclude = [\"arm = C\"] }",
            "exclude arm in [C]; include age >= 60",
        ),
    ] {
        let said = check(made, asked).unwrap_err().to_string();
        assert!(said.contains("has to be that of `net`"), "{said}");
        assert!(said.ends_with(allowed), "{allowed}: {said}");
    }
    let unknown = check("", "conditions = [\"weight > 3\"]").unwrap_err();
    assert!(unknown.to_string().contains("weight"), "{unknown}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Rule S2: one patient more moves a site's integers by at most D, and each block by its bound.
    #[test]
    fn one_patient_moves_a_site_by_at_most_what_is_charged(
        ages in prop::collection::vec(0u32..=110, 1..12),
        time in prop_oneof![Just(0u32), Just(5000), 0..5000u32],
        wbc in prop_oneof![Just(0u32), Just(500), 0..500u32],
    ) {
        let schema = schema(LEUKSURV);
        let row = |i: usize, age: &u32| format!("{i},{time},{},{age},{},{wbc},0\n", i % 2, i % 3 % 2);
        let header = "patient,time_days,death,age,male,wbc,tpi\n";
        let text: String = ages.iter().enumerate().map(|(i, age)| row(i, age)).collect();
        let more = cohort(&schema, &format!("{header}{text}"));
        let less = more.select(|i| i > 0);
        for (params, generator) in [
            ("release = \"noised\"", charged(0.3)),
            ("c2st = false", generator(0.3)),
        ] {
            let finished = finished(generator);
            let run = start(params, &schema, &finished).unwrap();
            let (question, with, _) = answer(run.as_ref(), &more, 0);
            let (_, without, _) = answer(run.as_ref(), &less, 0);
            let moved: Vec<f64> = with.iter().zip(&without).map(|(a, b)| (a - b) as f64).collect();
            let norm = |part: &[f64]| part.iter().map(|x| x * x).sum::<f64>().sqrt();
            if let Some(most) = question.sensitivity {
                prop_assert!(norm(&moved) <= most as f64);
                let mut rest = &moved[..];
                for block in &question.blocks {
                    let (part, after) = rest.split_at(block.len as usize);
                    prop_assert!(norm(part) <= block.patient_bound as f64, "{}", block.name);
                    rest = after;
                }
            }
            // Whatever leaves is within the closed bound of its patients.
            let bound = question.site_bound(ages.len() as u64).unwrap() as f64;
            let sent: Vec<f64> = with.iter().map(|x| *x as f64).collect();
            prop_assert!(norm(&sent) <= bound);
        }
    }
}
