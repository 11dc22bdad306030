//! ComBat over hospitals against `neuroCombat` on the pooled rows, and what may leave a site.

use haima_fl_core::Error;
use haima_fl_core::cohort::Cohort;
use haima_fl_core::learn::harmonise::Harmonise;
use haima_fl_core::learn::trained::Trained;
use haima_fl_core::registry::{self, Finished};
use haima_fl_core::results::combat::Combat;
use haima_fl_core::results::network::Network;
use haima_fl_core::sum::{PlainSum, SecureSum, drive};
use serde_json::Value;

use crate::common::{close, cohort, numbers, rng, schema, shipped_oracle, table};

const FEATURES: usize = 6;

fn schema_text() -> String {
    let features: String = (0..FEATURES)
        .map(|j| format!("[[column]]\nname = \"f{j}\"\nkind = \"numeric\"\nrange = [0, 40]\n"))
        .collect();
    format!(
        "patient = \"id\"\n{features}\
         [[column]]\nname = \"scanner\"\nkind = \"category\"\nlevels = [\"A\", \"B\", \"C\", \"D\"]\n\
         [[column]]\nname = \"age\"\nkind = \"numeric\"\nrange = [0, 100]\n\
         [[column]]\nname = \"sex\"\nkind = \"flag\"\n"
    )
}

/// The oracle's patients by hospital, with their rows in it.
fn hospitals(oracle: &Value) -> Vec<(Cohort, Vec<usize>)> {
    let column = |name: &str| numbers(&oracle[name]);
    let (scanner, site) = (column("scanner"), column("site"));
    let (age, sex) = (column("age"), column("sex"));
    (0..3)
        .map(|own| {
            let rows: Vec<usize> = (0..site.len()).filter(|i| site[*i] == f64::from(own)).collect();
            let lines = rows.iter().map(|&i| {
                let features = numbers(&oracle["features"][i]);
                let features: Vec<String> = features.iter().map(f64::to_string).collect();
                let scanner = ["A", "B", "C"][scanner[i] as usize];
                format!("{i},{},{scanner},{},{}\n", features.join(","), age[i], sex[i])
            });
            let names: Vec<String> = (0..FEATURES).map(|j| format!("f{j}")).collect();
            let text = format!("id,{},scanner,age,sex\n", names.join(","));
            let text = text + &lines.collect::<String>();
            (cohort(&schema(&schema_text()), &text), rows)
        })
        .collect()
}

fn cohorts(oracle: &Value) -> Vec<Cohort> {
    hospitals(oracle).into_iter().map(|(cohort, _)| cohort).collect()
}

fn combat(params: &str, cohorts: &[Cohort]) -> Result<Combat, Error> {
    let schema = schema(&schema_text());
    let open = || registry::open("combat", 1, &table(params), &schema, &Finished::new());
    let mut run = open()?;
    let mut sums = PlainSum::new(cohorts, 1000, 1, rng(), open)?;
    Ok(serde_json::from_value(drive(run.as_mut(), &mut sums)?).expect("haima.combat/1"))
}

fn harmonise(combat: &Combat) -> (Harmonise, Finished) {
    let finished =
        Finished::from([("bat".to_owned(), serde_json::to_value(combat).expect("JSON"))]);
    let schema = schema(&schema_text());
    (Harmonise::of_finished("t", &schema, &finished, "bat").expect("adjustments"), finished)
}

fn adjusted(harmonise: &Harmonise, cohort: &Cohort, patient: usize) -> Vec<f64> {
    let of = |j: usize| harmonise.value(&format!("f{j}"), cohort, patient).expect("adjusted");
    (0..FEATURES).map(of).collect()
}

const BY_SCANNER: &str = "columns = [\"f*\"]\nbatch = \"scanner\"\ncovariates = [\"age\", \"sex\"]";
const BY_SITE: &str = "columns = [\"f*\"]\nbatch = \"site\"\ncovariates = [\"age\", \"sex\"]";

#[test]
fn terms_of_scanners_and_adjusted_values_equal_neurocombat_on_the_pooled_rows() {
    let oracle = shipped_oracle("combat.json");
    let alone = BY_SCANNER.lines().take(2).collect::<Vec<_>>().join("\n");
    for (key, params) in [("by_scanner", BY_SCANNER), ("by_scanner_alone", alone.as_str())] {
        let theirs = &oracle[key];
        let ours = combat(params, &cohorts(&oracle)).expect("combat");
        assert_eq!((ours.n, ours.sites, ours.batches.len()), (120, 3, 3), "level D has nobody");
        let sd: Vec<f64> = ours.features.iter().map(|feature| feature.sd).collect();
        let mut worst = close("sd", &sd, &numbers(&theirs["sd"]), 1e-6);
        for (b, batch) in ours.batches.iter().enumerate() {
            let gamma = numbers(&theirs["gamma"][b]);
            worst = worst.max(close("gamma", &batch.gamma, &gamma, 1e-6));
            let delta = numbers(&theirs["delta"][b]);
            worst = worst.max(close("delta", &batch.delta, &delta, 1e-6));
        }
        let (harmonise, _) = harmonise(&ours);
        for (cohort, rows) in hospitals(&oracle) {
            for (patient, row) in rows.into_iter().enumerate() {
                let theirs = numbers(&theirs["data"][row]);
                let ours = adjusted(&harmonise, &cohort, patient);
                worst = worst.max(close("data", &ours, &theirs, 1e-6));
            }
        }
        eprintln!("combat {key}: {worst:.1e}");
    }
}

#[test]
fn a_site_finds_its_own_terms_and_its_values_equal_neurocombat_with_the_site_as_batch() {
    let oracle = shipped_oracle("combat.json");
    let ours = combat(BY_SITE, &cohorts(&oracle)).expect("combat");
    assert!(ours.batches.is_empty(), "no site's terms are in the result");
    let (harmonise, _) = harmonise(&ours);
    assert!(harmonise.by_site());
    let mut worst: f64 = 0.0;
    for (cohort, rows) in hospitals(&oracle) {
        assert_eq!(
            harmonise.value("f0", &cohort, 0),
            None,
            "raw values are never taken for others"
        );
        let own = harmonise.at_site(&cohort).expect("terms");
        for (patient, row) in rows.into_iter().enumerate() {
            let theirs = numbers(&oracle["by_site"]["data"][row]);
            worst = worst.max(close("data", &adjusted(&harmonise, &own, patient), &theirs, 1e-6));
        }
    }
    eprintln!("combat by site: {worst:.1e}");
}

/// Shifting all of one hospital's values changes its own terms and the pooled mean, and no figure
/// beyond: what is sent of second moments is the same.
#[test]
fn where_the_batch_is_the_site_no_second_moment_tells_a_sites_shift() {
    let oracle = shipped_oracle("combat.json");
    let mut shifted = oracle.clone();
    for (row, site) in numbers(&oracle["site"]).iter().enumerate() {
        if *site == 1.0 {
            let features = numbers(&oracle["features"][row]);
            let moved: Vec<f64> = features.iter().map(|x| x + 5.0).collect();
            shifted["features"][row] = moved.into();
        }
    }
    let schema = schema(&schema_text());
    let sum = |oracle: &Value| {
        let cohorts = cohorts(oracle);
        let open = || registry::open("combat", 1, &table(BY_SITE), &schema, &Finished::new());
        let query = open().expect("task").query().expect("running");
        let mut sums = PlainSum::new(&cohorts, 1000, 1, rng(), open).expect("sums");
        sums.sum(&query).expect("sum")
    };
    let (before, after) = (sum(&oracle), sum(&shifted));
    for block in ["squares_y", "products_z", "products_zy"] {
        close(block, &before.block(block), &after.block(block), 1e-9);
    }
    assert!((before.block("sum_y")[0] - after.block("sum_y")[0]).abs() > 1.0);
}

fn train(strategy: &str, more: &str, finished: &Finished) -> Result<Network, Error> {
    let oracle = shipped_oracle("combat.json");
    let (cohorts, schema) = (cohorts(&oracle), schema(&schema_text()));
    let params = format!(
        "seed = 1\nexpected_patients = 120\nsteps = 2\nstrategy = {{ {strategy} }}\n{more}\n\
         model = {{ name = \"logistic\", columns = [\"f0\", \"age\"], outcome = \"sex\", \
         harmonised = \"bat\" }}"
    );
    let open = || registry::open("train", 1, &table(&params), &schema, finished);
    let mut run = open()?;
    let mut sums = PlainSum::new(&cohorts, 1000, 1, rng(), open)?;
    Ok(serde_json::from_value(drive(run.as_mut(), &mut sums)?).expect("a network"))
}

#[test]
fn a_network_sees_adjusted_values_and_never_under_a_promise_that_they_break() {
    let oracle = shipped_oracle("combat.json");
    let averaging = "name = \"fedavg\", epochs = 1, learning_rate = 0.1";
    let (_, by_scanner) = harmonise(&combat(BY_SCANNER, &cohorts(&oracle)).expect("combat"));
    let (_, by_site) = harmonise(&combat(BY_SITE, &cohorts(&oracle)).expect("combat"));
    let one = train(averaging, "", &by_scanner).expect("trained");
    assert!(one.model.terms[0].adjust.is_some() && one.model.terms[1].adjust.is_none());
    let other = train(averaging, "", &by_site).expect("trained");
    assert_ne!(one.weights, other.weights);
    assert!(other.weights.iter().any(|weight| *weight != 0.0), "sites found their values");
    let schema = schema(&schema_text());
    assert!(Trained::new("t", &schema, &one).is_ok());
    let refused = Trained::new("t", &schema, &other).expect_err("of no use elsewhere").to_string();
    assert!(refused.contains("stay at each hospital"), "{refused}");
    for (more, finished, word) in
        [("", &by_scanner, "rule S4"), ("uncharged_figures = true", &by_site, "rule S2")]
    {
        match train("name = \"dp-sgd\"", more, finished) {
            Err(Error::Params { reason, .. }) => assert!(reason.contains(word), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(train("name = \"dp-sgd\"", "uncharged_figures = true", &by_scanner).is_ok());
}

#[test]
fn figures_by_prepare_are_those_of_the_adjusted_values() {
    let oracle = shipped_oracle("combat.json");
    let (cohorts, schema) = (cohorts(&oracle), schema(&schema_text()));
    for (key, params) in [("by_scanner", BY_SCANNER), ("by_site", BY_SITE)] {
        let (_, finished) = harmonise(&combat(params, &cohorts).expect("combat"));
        let params = "columns = [\"f0\"]\nharmonised = \"bat\"";
        let open = || registry::open("prepare", 1, &table(params), &schema, &finished);
        let mut sums = PlainSum::new(&cohorts, 1000, 1, rng(), open).expect("sums");
        let result = drive(open().expect("task").as_mut(), &mut sums).expect("figures");
        let data: Vec<f64> = (0..120).map(|row| numbers(&oracle[key]["data"][row])[0]).collect();
        let mean = data.iter().sum::<f64>() / 120.0;
        let ours = result["columns"][0]["mean"].as_f64().expect("mean");
        assert!((ours - mean).abs() < 1e-6, "{key}: {ours} {mean}");
        let noised = format!("{params}\nrelease = \"noised\"");
        assert!(registry::open("prepare", 1, &table(&noised), &schema, &finished).is_err());
    }
}

#[test]
fn what_has_no_batch_terms_is_refused_with_what_to_do() {
    let oracle = shipped_oracle("combat.json");
    let cohorts = cohorts(&oracle);
    for (params, word) in [
        ("columns = [\"f0\"]\nbatch = \"scanner\"", "2 to"),
        ("columns = [\"f*\"]\nbatch = \"age\"", "neither"),
        (
            "columns = [\"f*\", \"age\"]\nbatch = \"site\"\ncovariates = [\"age\"]",
            "two of the parts",
        ),
        ("columns = [\"f0\", \"sex\"]\nbatch = \"site\"", "no number"),
    ] {
        match combat(params, &cohorts) {
            Err(Error::Params { reason, .. }) => assert!(reason.contains(word), "{reason}"),
            other => panic!("{params}: {other:?}"),
        }
    }
    match combat(BY_SITE, &cohorts[..1]) {
        Err(Error::Fit { reason, .. }) => assert!(reason.contains("two sites"), "{reason}"),
        other => panic!("{other:?}"),
    }
    let one = cohorts[0].select(|i| i < 3);
    assert!(matches!(combat(BY_SCANNER, &[one]), Err(Error::Fit { .. })));
}
