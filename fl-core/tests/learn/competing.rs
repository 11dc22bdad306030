//! Competing risks: the planted law, its gradient, and R's cumulative incidence.

use haima_fl_core::cohort::Cohort;
use haima_fl_core::learn::trained::Trained;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::common::{MGUS2_EVENT, cohort, mgus2_event, numbers, records, schema, shipped_oracle};
use crate::passes::{equals_differences, gradient, open};
use crate::planted::{square, train, unit};

const SCHEMA: &str = r#"
    patient = "id"
    [[column]]
    name = "a"
    kind = "numeric"
    range = [-1, 1]
    [[column]]
    name = "b"
    kind = "numeric"
    range = [-1, 1]
    [[column]]
    name = "noise"
    kind = "numeric"
    range = [-1, 1]
    [[column]]
    name = "time"
    kind = "numeric"
    range = [0, 10]
    [[column]]
    name = "event"
    kind = "category"
    levels = ["censored", "relapse", "death"]
"#;

const CUTS: &str = "cuts = [1, 2, 3, 4, 5, 6], baseline_scale = 1.0";

/// Relapse has the log odds -2 + 1.5 a against no event in a year, death -1.5 - a + 0.8 b.
fn hospital(seed: u64, n: usize) -> Cohort {
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let mut text = String::from("id,a,b,noise,time,event\n");
    for i in 0..n {
        let ((a, b), noise) = (square(&mut random), square(&mut random).0);
        let odds = [(-2.0 + 1.5 * a).exp(), (-1.5 - a + 0.8 * b).exp()];
        let total = 1.0 + odds[0] + odds[1];
        let (mut time, mut event) = (6.0, "censored");
        for year in 1..=6 {
            let u = unit(&mut random) * total;
            if u < odds[0] + odds[1] {
                (time, event) = (f64::from(year), if u < odds[0] { "relapse" } else { "death" });
                break;
            }
            if unit(&mut random) < 0.05 {
                time = f64::from(year);
                break;
            }
        }
        text += &format!("{seed}-{i},{a},{b},{noise},{time},{event}\n");
    }
    cohort(&schema(SCHEMA), &text)
}

#[test]
fn the_gradient_is_that_of_the_scalar_loss() {
    let schema = schema(SCHEMA);
    let model = open(
        &schema,
        "{ name = \"competing\", columns = [\"a\", \"b\"], hidden = [4], time = \"time\", \
         event = \"event\", cuts = [1, 2, 4], baseline_scale = 0.3 }",
    )
    .expect("a model");
    let weights: Vec<f64> =
        model.initial(3).iter().enumerate().map(|(i, w)| w + 0.1 * (i as f64).sin()).collect();
    let baseline = weights.len() - 6;
    let patients = cohort(
        &schema,
        "id,a,b,noise,time,event\n1,.3,-.8,0,3,death\n2,.9,.1,0,2,relapse\n3,-1,0,1,9,censored\n",
    );
    for patient in 0..patients.len() {
        let mut row = Vec::new();
        assert!(model.encode(&patients, patient, &mut row));
        let scale = |i| if i < baseline { 1.0 } else { 0.3 };
        equals_differences(model.as_ref(), &weights, &row, scale);
    }
}

#[test]
fn planted_effects_are_found_for_each_cause_and_none_in_a_column_without_any() {
    let hospitals: Vec<Cohort> = (1..=3).map(|seed| hospital(seed, 700)).collect();
    let fit = |columns: &str| {
        let params = format!(
            "seed = 1\nexpected_patients = 2100\nsteps = 150\n\
             model = {{ name = \"competing\", columns = [{columns}], hidden = [], \
                 time = \"time\", event = \"event\", {CUTS} }}\n\
             strategy = {{ clip = 50.0, learning_rate = 0.05, optimiser = \"adam\" }}"
        );
        train(&params, &schema(SCHEMA), &hospitals)
    };
    let near = |found: &[f64], truth: &[f64]| {
        let near = found.iter().zip(truth).all(|(w, truth)| (w - truth).abs() < 0.3);
        assert!(near, "{found:?} where {truth:?} was planted");
    };
    // [inputs, causes] by rows, then the alphas of relapse and of death.
    let network = fit("\"a\", \"b\"");
    near(&network.weights[..4], &[1.5, -1.0, 0.0, 0.8]);
    // Each alpha rests on a hundred events or so; their mean says more.
    for (alphas, truth) in network.weights[4..].chunks(6).zip([-2.0, -1.5]) {
        assert!(alphas.iter().all(|alpha| (alpha - truth).abs() < 0.45), "{alphas:?}");
        near(&[alphas.iter().sum::<f64>() / 6.0], &[truth]);
    }
    near(&fit("\"noise\"").weights[..2], &[0.0, 0.0]);

    // The risk of each cause ranks the patients to whom it happens.
    let schema = schema(SCHEMA);
    let trained = Trained::new("t", &schema, &network).expect("a model");
    let predict = |patient: &str| {
        let one = cohort(&schema, &format!("id,a,b,noise,time,event\n1,{patient},0,1,censored\n"));
        trained.predict(&one, 0).expect("a prediction")
    };
    let (relapsing, dying) = (predict("1,0"), predict("-1,1"));
    assert!(relapsing[5] > 0.5 && dying[5] < 0.1, "{} {}", relapsing[5], dying[5]);
    assert!(relapsing[11] < 0.4 && dying[11] > 0.8, "{} {}", relapsing[11], dying[11]);
}

/// On cuts as fine as the data's unit, the likelihood's maximum without effects of covariates is the
/// estimator of Aalen and Johansen: R's curve comes out, and there is no slope left.
#[test]
fn the_baseline_alone_is_rs_cumulative_incidence() {
    const MONTHS: usize = 240;
    let schema = schema(MGUS2_EVENT);
    let cuts: Vec<String> = (1..=MONTHS).map(|cut| cut.to_string()).collect();
    let model = open(
        &schema,
        &format!(
            "{{ name = \"competing\", columns = [\"age\"], hidden = [], time = \"etime\", \
             event = \"event\", cuts = [{}], baseline_scale = 1.0 }}",
            cuts.join(", ")
        ),
    )
    .expect("a model");
    let text = mgus2_event();
    let oracle = &shipped_oracle("competing.json")["cif"]["mgus2_by_sex"]["curves"];
    for sex in ["F", "M"] {
        // Hazards counted from the file.
        let (mut at_risk, mut struck) = (vec![0.0f64; MONTHS], vec![vec![0.0f64; MONTHS]; 2]);
        for row in records(&text).iter().filter(|row| row["sex"] == sex) {
            let time: usize = row["etime"].parse().expect("months");
            at_risk.iter_mut().take(time.max(1)).for_each(|n| *n += 1.0);
            let cause = ["pcm", "death"].iter().position(|cause| *cause == row["event"]);
            if let (Some(cause), 0..=MONTHS) = (cause, time) {
                struck[cause][time.max(1) - 1] += 1.0;
            }
        }
        let mut weights = vec![0.0; 2];
        for cause in &struck {
            weights.extend((0..MONTHS).map(|j| {
                let free = at_risk[j] - struck[0][j] - struck[1][j];
                if cause[j] > 0.0 { (cause[j] / free).ln() } else { -40.0 }
            }));
        }
        let predicted = model.predict(&weights, &[0.0]).expect("curves");
        for (cause, number) in ["1", "2"].iter().enumerate() {
            let r = &oracle[format!("{sex} {number}")];
            let (time, est) = (numbers(&r["time"]), numbers(&r["est"]));
            for month in 1..=MONTHS {
                let step = time.iter().rposition(|t| *t <= month as f64).expect("from 0");
                let ours = predicted[cause * MONTHS + month - 1];
                assert!((ours - est[step]).abs() < 1e-12, "{sex} {number} {month}: {ours}");
            }
            assert!(predicted[(cause + 1) * MONTHS - 1] > 0.05, "a curve of zeros");
        }
        let lines: Vec<&str> = text.lines().collect();
        let of_sex = lines.iter().filter(|line| line.contains(&format!(",{sex},")));
        let own: String = lines.iter().take(1).chain(of_sex).map(|l| format!("{l}\n")).collect();
        let patients = cohort(&schema, &own);
        let mut slopes = vec![0.0; weights.len()];
        for patient in 0..patients.len() {
            let mut row = Vec::new();
            assert!(model.encode(&patients, patient, &mut row));
            row[0] = 0.0; // No covariate.
            let own = gradient(model.as_ref(), &weights, &row);
            slopes.iter_mut().zip(own).for_each(|(sum, slope)| *sum += slope);
        }
        let steepest = slopes[2..].iter().fold(0.0f64, |most, slope| most.max(slope.abs()));
        assert!(steepest < 1e-3, "{sex}: a slope of {steepest} at the maximum");
    }
}
