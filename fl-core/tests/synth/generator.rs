//! Claims about the task `synthesize`: hospitals together give the model of their pooled rows, one
//! patient moves a sum by at most D, and virtual patients are like real ones.

use haima_dp::noise::NoiseScale;
use haima_fl_core::cohort::Cohort;
use haima_fl_core::registry::{Finished, open, reveals_rows};
use haima_fl_core::results::fidelity::Fidelity;
use haima_fl_core::results::generator::Generator;
use haima_fl_core::schema::Schema;
use haima_fl_core::sum::{PlainSum, SecureSum, drive};
use haima_fl_core::synth::condition::Condition;
use haima_fl_core::synth::core::graph::GraphModel;
use haima_fl_core::task::{Query, Run, Site, SiteState};
use proptest::prelude::*;

use crate::common::{LEUKSURV, cohort, cohorts, data, rng, schema, split, table};

const DOMAIN: &str = "columns = [\"age\", \"male\", \"wbc\", \"time_days\", \"death\"]
bins = { age = 8, wbc = [0, 5, 20, 50, 100, 500] }
survival = [{ time = \"time_days\", event = \"death\", cuts = [0, 100, 365, 1000, 5000] }]\n";

fn leukaemia() -> (Schema, Vec<Cohort>, Cohort) {
    let schema = schema(LEUKSURV);
    let districts = cohorts(&schema, &split(&data("leuksurv.csv"), "district"));
    let pooled = cohort(&schema, &data("leuksurv.csv"));
    (schema, districts, pooled)
}

fn start(params: &str, schema: &Schema) -> Box<dyn Run> {
    open("synthesize", 1, &table(&format!("{DOMAIN}{params}")), schema, &Finished::new()).unwrap()
}

fn fit(params: &str, schema: &Schema, hospitals: &[Cohort], noise: Option<(f64, u8)>) -> Generator {
    let mut sums =
        PlainSum::new(hospitals, 10_000, 0, rng(), || Ok(start(params, schema))).unwrap();
    let mut run = start(params, schema);
    if let Some((multiple, seed)) = noise {
        let d = run.query().unwrap().sensitivity.unwrap() as f64;
        let scale = NoiseScale::new((multiple * d) as u64).unwrap();
        sums = sums.with_simulated_noise(scale, 1, [seed; 32]);
    }
    Generator::read(&drive(run.as_mut(), &mut sums).unwrap()).unwrap()
}

fn tables(generator: &Generator) -> &GraphModel {
    generator.tables().unwrap()
}

/// Every marginal of one, two and three attributes.
fn marginals(generator: &Generator) -> Vec<f64> {
    let n = generator.domain.attributes.len();
    let sets = (1u32..1 << n).filter(|set| set.count_ones() <= 3);
    let attributes = |set: u32| (0..n).filter(|i| set >> i & 1 == 1).collect::<Vec<_>>();
    sets.flat_map(|set| tables(generator).marginal(&attributes(set)).unwrap()).collect()
}

#[test]
fn hospitals_together_give_the_model_of_their_pooled_rows() {
    let (schema, districts, pooled) = leukaemia();
    assert_eq!(districts.len(), 24);
    for method in ["method = \"mst\"", "method = \"aim\""] {
        let together = marginals(&fit(method, &schema, &districts, None));
        let one = marginals(&fit(method, &schema, std::slice::from_ref(&pooled), None));
        assert_eq!(together.len(), one.len());
        let worst = together.iter().zip(&one).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst <= 1e-9, "{method}: {worst}");
    }
}

#[test]
fn without_noise_what_was_measured_comes_back() {
    let (schema, districts, pooled) = leukaemia();
    let generator = fit("method = \"aim\"", &schema, &districts, None);
    let rows: Vec<Vec<u16>> =
        (0..pooled.len()).filter_map(|i| generator.domain.encode(&pooled, i)).collect();
    assert!((tables(&generator).total() - rows.len() as f64).abs() < 1e-6);
    let sizes = generator.domain.sizes();
    let mut pairs = 0;
    for table in &generator.measured {
        let mut counts = vec![0.0; table.attributes.iter().map(|&at| sizes[at]).product()];
        if counts.len() != table.cells || table.attributes.is_empty() {
            continue;
        }
        for row in &rows {
            let cell = table
                .attributes
                .iter()
                .fold(0, |cell, &at| cell * sizes[at] + usize::from(row[at]));
            counts[cell] += 1.0 / rows.len() as f64;
        }
        pairs += usize::from(table.attributes.len() > 1);
        let model = tables(&generator).marginal(&table.attributes).unwrap();
        let worst = model.iter().zip(&counts).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-4, "{:?}: {worst}", table.attributes);
    }
    assert!(pairs >= 2, "tables of several attributes were measured");
}

/// Mean total variation over pairs of attributes between rows and real patients.
fn distance(rows: &[Vec<u16>], real: &[Vec<u16>], sizes: &[usize]) -> f64 {
    let share = |rows: &[Vec<u16>], a: usize, b: usize| {
        let mut cells = vec![0.0; sizes[a] * sizes[b]];
        for row in rows {
            cells[usize::from(row[a]) * sizes[b] + usize::from(row[b])] += 1.0 / rows.len() as f64;
        }
        cells
    };
    let (mut sum, mut pairs) = (0.0, 0.0);
    for a in 0..sizes.len() {
        for b in 0..a {
            let apart = share(rows, a, b)
                .iter()
                .zip(share(real, a, b))
                .map(|(x, y)| (x - y).abs())
                .sum::<f64>();
            sum += apart / 2.0;
            pairs += 1.0;
        }
    }
    sum / pairs
}

#[test]
fn virtual_patients_are_nearer_to_real_ones_than_columns_that_know_nothing_of_each_other() {
    let (schema, districts, pooled) = leukaemia();
    let exact = fit("method = \"aim\"", &schema, &districts, None);
    let sizes = exact.domain.sizes();
    let real: Vec<Vec<u16>> =
        (0..pooled.len()).filter_map(|i| exact.domain.encode(&pooled, i)).collect();
    let everybody = Condition::default();
    // Each column of another patient.
    let apart: Vec<Vec<u16>> = (0..real.len())
        .map(|i| (0..sizes.len()).map(|at| real[(i + 1 + at * 211) % real.len()][at]).collect())
        .collect();
    let nothing = distance(&apart, &real, &sizes);
    let faithful = distance(&exact.rows(1043, &everybody, 5).unwrap(), &real, &sizes);
    assert!(faithful < 0.5 * nothing, "{faithful} beside {nothing}");
    let private =
        fit("method = \"aim\"\nrelease = \"noised\"", &schema, &districts, Some((3.0, 7)));
    let noisy = distance(&private.rows(1043, &everybody, 5).unwrap(), &real, &sizes);
    assert!(noisy < nothing, "{noisy} beside {nothing}");
    assert!(private.is_charged() && !exact.is_charged());
}

#[test]
fn the_same_seeds_give_the_same_rows_and_others_others() {
    let (schema, districts, _) = leukaemia();
    let made = |seed| {
        fit("method = \"mst\"\nrelease = \"noised\"", &schema, &districts, Some((4.0, seed)))
    };
    assert_eq!(made(1), made(1));
    assert_ne!(made(1).model, made(2).model);
    let generator = made(1);
    let rows = |seed| generator.rows(100, &Condition::default(), seed).unwrap();
    assert_eq!(rows(3), rows(3));
    assert_ne!(rows(3), rows(4));
}

#[test]
fn a_condition_holds_of_every_row_and_one_without_support_is_refused() {
    let (schema, districts, _) = leukaemia();
    let generator = fit("method = \"aim\"", &schema, &districts, None);
    let condition = generator.domain.condition(&["age >= 60".into(), "male = 1".into()]).unwrap();
    let rows = generator.rows(300, &condition, 9).unwrap();
    let texts = generator.domain.texts(&rows, &condition, 9);
    let header = generator.domain.header();
    let at = |name: &str| header.iter().position(|own| own == name).unwrap();
    assert_eq!(texts.len(), 300);
    for row in &texts {
        assert!(
            row[at("age")].parse::<f64>().unwrap() >= 60.0 && row[at("male")] == "1",
            "{row:?}"
        );
    }
    let nobody = generator.domain.condition(&["age > 5000".into()]);
    let refused = nobody.map_or(true, |nobody| generator.rows(10, &nobody, 1).is_err());
    assert!(refused);
}

/// Why a fit has no generator.
fn refused(params: &str, noise: Option<(f64, u8)>) -> String {
    let (schema, districts, _) = leukaemia();
    let mut sums =
        PlainSum::new(&districts, 10_000, 0, rng(), || Ok(start(params, &schema))).unwrap();
    let mut run = start(params, &schema);
    if let Some((multiple, seed)) = noise {
        let d = run.query().unwrap().sensitivity.unwrap() as f64;
        let scale = NoiseScale::new((multiple * d) as u64).unwrap();
        sums = sums.with_simulated_noise(scale, 1, [seed; 32]);
    }
    drive(run.as_mut(), &mut sums).expect_err(params).to_string()
}

#[test]
fn what_no_patient_of_the_model_meets_is_told_with_its_columns() {
    let (schema, districts, _) = leukaemia();
    let generator = fit("method = \"mst\"", &schema, &districts, None);
    let condition = generator.domain.condition(&["age < 13".into(), "wbc > 450".into()]).unwrap();
    let of_rows = generator.rows(10, &condition, 1).unwrap_err().to_string();
    let of_share = generator.share(&condition).unwrap_err().to_string();
    for said in [of_rows, of_share] {
        assert!(said.contains("condition on age, wbc") && !said.contains('['), "{said}");
    }
}

#[test]
fn an_exact_fit_of_patients_who_contradict_an_impossible_pair_names_it() {
    for method in ["mst", "aim"] {
        let params =
            format!("method = \"{method}\"\nimpossible = [[{{ age = \"< 55\" }}, {{ male = 1 }}]]");
        let said = refused(&params, None);
        assert!(said.contains("`impossible` says that age from "), "{method}: {said}");
        assert!(said.contains("and male = 1 never go together"), "{method}: {said}");
    }
}

/// Nobody is 110 years old. A generator of noise alone is left by chance once in 30,000 fits.
#[test]
fn a_cohort_of_nobody_or_of_hardly_anybody_leaves_no_generator_under_noise() {
    let noised = "method = \"mst\"\nrelease = \"noised\"\n";
    for seed in 1..=12 {
        let nobody = format!("{noised}cohort = {{ include = [\"age > 109\"] }}");
        let said = refused(&nobody, Some((3.0, seed)));
        assert!(said.contains("a generator takes at least"), "{said}");
        assert!(!said.contains('-'), "no number is negative: {said}");
    }
    // All of 1,043 patients, and noise that is as large.
    let said = refused(noised, Some((400.0, 1)));
    assert!(said.contains("larger epsilon"), "{said}");
    let (schema, districts, _) = leukaemia();
    let some = fit(noised, &schema, &districts, Some((3.0, 1)));
    let noise = some.total_noise().unwrap();
    assert!((3.0..30.0).contains(&noise), "{noise}");
    assert!((some.total().unwrap() - 1043.0).abs() < 5.0 * noise);
    let exact = fit("method = \"mst\"", &schema, &districts, None);
    assert_eq!(exact.total_noise(), Some(0.0));
}

#[test]
fn virtual_patients_are_of_the_cohort_and_so_are_those_of_a_comparison() {
    let (schema, districts, _) = leukaemia();
    let cohort = "cohort = { include = [\"male = 1\"], exclude = [\"age < 60\"] }";
    let params = format!("method = \"mst\"\nrelease = \"noised\"\n{cohort}");
    let made = fit(&params, &schema, &districts, Some((6.0, 2)));
    let everybody = made.domain.condition(&[]).unwrap();
    let rows = made.rows(500, &everybody, 3).unwrap();
    for row in made.domain.texts(&rows, &everybody, 3) {
        // 60 cuts the bin from 55 to 68.75.
        assert!(row[0].parse::<f64>().unwrap() >= 60.0 && row[1] == "1", "{row:?}");
    }
    let share =
        |text: &str| made.share(&made.domain.condition(&[text.to_owned()]).unwrap()).unwrap().value;
    assert!((share("age >= 60") - 1.0).abs() < 1e-9, "of the cohort, not of the model");
    let old = share("age >= 70");
    assert!((old + share("age < 70") - 1.0).abs() < 1e-9 && old > 0.2 && old < 0.9, "{old}");

    let judged =
        table(&format!("of = \"net\"\nrows = 300\nseed = 3\ndegree = 1\nc2st = false\n{cohort}"));
    let finished = Finished::from([("net".to_owned(), serde_json::to_value(&made).unwrap())]);
    let judge = || open("fidelity", 1, &judged, &schema, &finished);
    let mut sums = PlainSum::new(&districts, 10_000, 0, rng(), judge).unwrap();
    let found = drive(judge().unwrap().as_mut(), &mut sums).unwrap();
    let found: Fidelity = serde_json::from_value(found).unwrap();
    let sex = found.columns.iter().find(|column| column.name == "male").unwrap();
    assert_eq!((sex.real[0], sex.synthetic[0], sex.tv), (0.0, 0.0, 0.0));
}

#[test]
fn a_key_that_there_is_not_is_refused_with_those_that_there_are() {
    for (params, says) in [
        ("bin = { age = 3 }", "there is no parameter `bin`"),
        ("bin = { age = 3 }", "columns, bins, survival"),
        ("network = { latent = 2 }", "`network` belongs to method = \"vae\""),
        ("method = \"vae\"\nrounds = 3", "`rounds` belongs to method = \"aim\" and \"mst\""),
    ] {
        let own = table(&format!("columns = [\"age\"]\n{params}"));
        let Err(error) = open("synthesize", 1, &own, &schema(LEUKSURV), &Finished::new()) else {
            panic!("{params} was taken")
        };
        assert!(error.to_string().contains(says), "{params}: {error}");
    }
}

#[test]
fn whoever_is_held_out_adds_nothing() {
    let (schema, districts, _) = leukaemia();
    let all = tables(&fit("method = \"mst\"", &schema, &districts, None)).total();
    let part = fit("method = \"mst\"\nholdout = 0.3\nseed = 4", &schema, &districts, None);
    let taken = tables(&part).total();
    assert!(taken < 0.8 * all && taken > 0.6 * all);
    let split = part.split(&schema).unwrap();
    let held: usize = (districts.iter())
        .map(|site| (0..site.len()).filter(|&i| split.holds_out(site, i)).count())
        .sum();
    assert!((taken + held as f64 - all).abs() < 1e-6);
}

#[test]
fn a_saved_run_goes_on_where_it_was() {
    let (schema, districts, _) = leukaemia();
    let params = "method = \"aim\"";
    let mut sums =
        PlainSum::new(&districts, 10_000, 0, rng(), || Ok(start(params, &schema))).unwrap();
    let mut run = start(params, &schema);
    let first = sums.sum(&run.query().unwrap()).unwrap();
    assert!(run.absorb(&first).unwrap().is_none());
    let mut other = start(params, &schema);
    assert!(other.restore(&run.save().unwrap()));
    assert_eq!(other.query(), run.query());
    assert!(!start("method = \"mst\"", &schema).restore(&run.save().unwrap()), "another method");
    assert!(!other.restore(&serde_json::json!({ "none": 1 })));
}

#[test]
fn an_exact_generator_has_to_be_allowed_apart() {
    for method in ["aim", "mst", "vae"] {
        let of = |release: &str| table(&format!("method = \"{method}\"\n{release}"));
        assert!(reveals_rows("synthesize", &of("")), "{method}");
        assert!(reveals_rows("synthesize", &of("release = \"exact\"")), "{method}");
        assert!(!reveals_rows("synthesize", &of("release = \"noised\"")), "{method}");
    }
}

#[test]
fn a_focus_on_no_column_of_the_generator_is_refused() {
    let params = table(&format!("{DOMAIN}focus = [\"relapse\"]"));
    let Err(error) = open("synthesize", 1, &params, &schema(LEUKSURV), &Finished::new()) else {
        panic!("it was taken")
    };
    assert!(error.to_string().contains("`focus`: `relapse`"), "{error}");
}

#[test]
fn a_method_that_there_is_not_is_refused_with_those_that_there_are() {
    for method in ["\"gan\"", "\"AIM\"", "3"] {
        let params = table(&format!("{DOMAIN}method = {method}"));
        match open("synthesize", 1, &params, &schema(LEUKSURV), &Finished::new()) {
            Ok(_) => panic!("{method} was taken"),
            Err(error) => assert!(error.to_string().contains("\"vae\""), "{method}: {error}"),
        }
    }
}

/// Before anything was summed a comparison with a generator can be opened on its outline, and asks what
/// it will ask of the generator itself.
#[test]
fn a_comparison_asks_the_same_of_an_outline_as_of_the_generator() {
    let (schema, districts, _) = leukaemia();
    let judged = "of = \"net\"\nrows = 60\nseed = 3\nrelease = \"noised\"\n\
                  conditions = [\"age >= 90\"]";
    let question = |of: serde_json::Value| {
        let finished = Finished::from([("net".to_owned(), of)]);
        let judge = open("fidelity", 1, &table(judged), &schema, &finished);
        judge.map(|run| run.query().unwrap()).map_err(|error| error.to_string())
    };
    let holdout = "holdout = 0.2\nseed = 4";
    let params = format!("method = \"mst\"\nrelease = \"noised\"\n{holdout}");
    let outline = start(&params, &schema).outline().unwrap();
    let made = fit(&params, &schema, &districts, Some((2.0, 1)));
    let made = question(serde_json::to_value(&made).unwrap()).unwrap();
    assert_eq!(question(outline), Ok(made));
    // An exact generator is none for it, and neither is its outline.
    let outline = start(&format!("method = \"mst\"\n{holdout}"), &schema).outline().unwrap();
    assert!(question(outline).unwrap_err().contains("S4"));
}

fn answer(run: &dyn Run, patients: &Cohort) -> Vec<i64> {
    let site = Site { cohort: patients, capacity: 0, max_patients: 10_000, min_local_rows: 0 };
    run.contribute(&site, &mut SiteState::default(), &mut rng()).unwrap().values.to_vec()
}

fn step(run: &mut dyn Run, query: &Query, patients: &Cohort) {
    let integers = answer(run, patients).into_iter().map(i128::from).collect();
    let _ = run.absorb(&haima_fl_core::sum::Sum::new(query, integers, 3).unwrap()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Rule S2, in every round of both methods.
    #[test]
    fn one_patient_moves_the_sum_by_at_most_what_is_charged(
        gone in 0usize..1043,
        aim: bool,
        focused: bool,
    ) {
        let (schema, _, pooled) = leukaemia();
        let method = if aim { "aim" } else { "mst" };
        let focus = if focused { "[\"death\"]" } else { "[]" };
        let params = format!("method = \"{method}\"\nrelease = \"noised\"\nfocus = {focus}");
        let neighbour = pooled.select(|i| i != gone);
        let mut run = start(&params, &schema);
        let (mut rounds, planned) = (0, run.query().unwrap().sensitivity);
        while let Some(query) = run.query() {
            // The plan has one D and one longest sum for all rounds.
            prop_assert_eq!(query.sensitivity, planned);
            prop_assert!(query.dimension() <= run.most_coordinates().unwrap());
            let d = i128::from(query.sensitivity.unwrap());
            let (with, without) = (answer(run.as_ref(), &pooled), answer(run.as_ref(), &neighbour));
            let moved: i128 =
                with.iter().zip(&without).map(|(a, b)| i128::from(a - b) * i128::from(a - b)).sum();
            prop_assert!(moved <= d * d, "round {rounds}: {moved} beside {}", d * d);
            // The bound is not far from what patients do: noise is not wasted.
            prop_assert!(moved > d * d / 4, "round {rounds}: {moved} beside {}", d * d);
            step(run.as_mut(), &query, &pooled);
            rounds += 1;
        }
        prop_assert!(rounds >= 2);
    }
}

#[test]
fn without_noise_no_sum_is_longer_than_was_said_before() {
    let (schema, _, pooled) = leukaemia();
    let mut run = start("method = \"aim\"", &schema);
    let most = run.most_coordinates().unwrap();
    let mut longest = 0;
    while let Some(query) = run.query() {
        longest = longest.max(query.dimension());
        step(run.as_mut(), &query, &pooled);
    }
    assert!(longest <= most && most <= 4 * longest, "{longest} beside {most}");
}
