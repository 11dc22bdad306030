//! Fusion of branches of which patients lack some.

use haima_fl_core::cohort::Cohort;
use haima_fl_core::learn::trained::Trained;
use haima_fl_core::results::network::Network;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::common::{cohort, schema};
use crate::passes::{equals_differences, gradient, open};
use crate::planted::{square, train, unit};

const SCHEMA: &str = r#"
    patient = "id"
    [[column]]
    name = "age"
    kind = "numeric"
    range = [-1, 1]
    [[column]]
    name = "wbc"
    kind = "numeric"
    range = [-1, 1]
    [[column]]
    name = "gene_1"
    kind = "numeric"
    range = [-1, 1]
    missing = true
    [[column]]
    name = "gene_2"
    kind = "numeric"
    range = [-1, 1]
    missing = true
    [[column]]
    name = "ill"
    kind = "flag"
    [[column]]
    name = "time"
    kind = "numeric"
    range = [0, 10]
    [[column]]
    name = "died"
    kind = "flag"
    [[column]]
    name = "event"
    kind = "category"
    levels = ["censored", "relapse", "death"]
"#;

const BRANCHES: &str = "branch = [{ name = \"clinical\", columns = [\"age\", \"wbc\"], hidden = [4] }, \
     { name = \"genes\", kind = \"dense\", columns = [\"gene_*\"], hidden = [5, 3] }]";

const HEADER: &str = "id,age,wbc,gene_1,gene_2,ill,time,died,event\n";

/// Age and genes make ill. Who is `lacking` has no gene panel, which
/// was asked for where the doctor suspected something: those without it are ill less often.
fn patients(seed: u64, n: usize, lacking: impl Fn(usize) -> bool, drop: bool) -> Cohort {
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let mut text = String::from(HEADER);
    for i in 0..n {
        let ((age, wbc), (one, two)) = (square(&mut random), square(&mut random));
        let lacks = lacking(i);
        let eta = 2.0 * age + 2.5 * one - 1.5 * two - if lacks { 2.0 } else { 0.0 };
        let ill = u8::from(unit(&mut random) < 1.0 / (1.0 + (-eta).exp()));
        if lacks && drop {
            continue;
        }
        let genes = if lacks { ",".to_owned() } else { format!("{one},{two}") };
        text += &format!("{seed}-{i},{age},{wbc},{genes},{ill},1,0,censored\n");
    }
    cohort(&schema(SCHEMA), &text)
}

/// Mean log loss.
fn loss(network: &Network, held_out: &Cohort) -> f64 {
    let trained = Trained::new("t", &schema(SCHEMA), network).expect("a model");
    let of = |i| {
        let p = trained.predict(held_out, i).expect("a prediction")[0];
        let ill = held_out.value("ill", i).expect("known") > 0.5;
        -(if ill { p } else { 1.0 - p }).ln()
    };
    (0..held_out.len()).map(of).sum::<f64>() / held_out.len() as f64
}

#[test]
fn patients_without_a_branch_are_worth_more_than_dropping_them_or_the_branch() {
    let hospitals = |drop| -> Vec<Cohort> {
        (1..=3).map(|seed| patients(seed, 250, |i| seed > 1 && i % 2 == 0, drop)).collect()
    };
    let fit = |model: &str, hospitals: &[Cohort]| {
        let number: usize = hospitals.iter().map(Cohort::len).sum();
        let params = format!(
            "seed = 1\nexpected_patients = {number}\nsteps = 120\nmodel = {{ {model}, \
                outcome = \"ill\" }}\n\
             strategy = {{ clip = 20.0, learning_rate = 0.03, optimiser = \"adam\" }}"
        );
        train(&params, &schema(SCHEMA), hospitals)
    };
    let fusion = format!("name = \"fusion\", {BRANCHES}");
    let clinical = "name = \"mlp\", columns = [\"age\", \"wbc\"], hidden = [4]";
    let all = hospitals(false);
    let (fused, dropped, ignoring) =
        (fit(&fusion, &all), fit(&fusion, &hospitals(true)), fit(clinical, &all));
    let with = patients(50, 2000, |_| false, false);
    let without = patients(51, 2000, |_| true, false);
    let both = |network: &Network| [loss(network, &with), loss(network, &without)];
    let (fused, dropped, ignoring) = (both(&fused), both(&dropped), both(&ignoring));
    eprintln!(
        "log loss (with, without): {fused:.3?}, dropped {dropped:.3?}, ignored {ignoring:.3?}"
    );
    // Better where the other has nothing to say, no worse where it has, better together.
    assert!(fused[0] < ignoring[0] - 0.05 && fused[1] < dropped[1] - 0.03);
    assert!(fused[0] < dropped[0] + 0.02 && fused[1] < ignoring[1] + 0.02);
    assert!(fused[0] + fused[1] < (dropped[0] + dropped[1]).min(ignoring[0] + ignoring[1]) - 0.03);
}

#[test]
fn the_gradient_is_that_of_the_scalar_loss_and_an_absent_branch_has_none() {
    let schema = schema(SCHEMA);
    let text = format!("{HEADER}1,.3,-.8,.2,.9,1,3,1,death\n2,.9,.1,,.5,0,2,0,relapse\n");
    let patients = cohort(&schema, &text);
    for outcome in [
        "outcome = \"ill\"",
        "time = \"time\", event = \"died\", cuts = [2, 5], baseline_scale = 1.0",
        "time = \"time\", event = \"died\", cuts = [2, 5], baseline_scale = 1.0, form = \"logit\"",
        "time = \"time\", event = \"event\", cuts = [2, 5], baseline_scale = 1.0",
    ] {
        let model = format!("{{ name = \"fusion\", {BRANCHES}, hidden = [3], {outcome} }}");
        let model = open(&schema, &model).expect("a model");
        let weights: Vec<f64> =
            model.initial(2).iter().enumerate().map(|(i, w)| w + 0.1 * (i as f64).sin()).collect();
        let clinical = 2 * 4 + 4;
        let genes = clinical + (2 * 5 + 5) + (5 * 3 + 3);
        for (patient, present) in [(0, true), (1, false)] {
            let mut row = Vec::new();
            assert!(model.encode(&patients, patient, &mut row));
            assert_eq!(row[4..6], [1.0, f32::from(u8::from(present))]);
            equals_differences(model.as_ref(), &weights, &row, |_| 1.0);
            let slopes = gradient(model.as_ref(), &weights, &row);
            assert!(slopes[..clinical].iter().any(|slope| *slope != 0.0));
            assert_eq!(slopes[clinical..genes].iter().any(|slope| *slope != 0.0), present);
        }
    }
}

#[test]
fn a_branch_of_an_image_is_convolutional() {
    let pixel = |i| {
        format!(
            "[[column]]\nname = \"px_{i}\"\nkind = \"numeric\"\nrange = [0, 1]\nmissing = true\n"
        )
    };
    let schema = schema(&format!("{SCHEMA}{}", (0..16).map(pixel).collect::<String>()));
    let image = "{ name = \"image\", kind = \"cnn\", columns = [\"px_*\"], height = 4, width = 4, \
         filters = [2], hidden = [3] }";
    let model = format!(
        "{{ name = \"fusion\", {}, {image}], outcome = \"ill\" }}",
        BRANCHES.trim_end_matches(']')
    );
    let model = open(&schema, &model).expect("a model");
    let weights: Vec<f64> =
        model.initial(2).iter().enumerate().map(|(i, w)| w + 0.1 * (i as f64).sin()).collect();
    let names: Vec<String> = model.layers().into_iter().map(|layer| layer.name).collect();
    assert!(names.iter().any(|name| name == "branch.image.conv.0.weight"), "{names:?}");
    let header: String = (0..16).map(|i| format!(",px_{i}")).collect();
    let pixels: String = (0..16).map(|i| format!(",{}", f64::from(i * 7 % 16) / 16.0)).collect();
    let text = format!(
        "{}{header}\n1,.3,-.8,.2,.9,1,3,1,death{pixels}\n2,.9,.1,,.5,0,2,0,relapse{}\n",
        HEADER.trim_end(),
        ",".repeat(16)
    );
    let patients = cohort(&schema, &text);
    for (patient, flags) in [(0, [1.0, 1.0, 1.0]), (1, [1.0, 0.0, 0.0])] {
        let mut row = Vec::new();
        assert!(model.encode(&patients, patient, &mut row));
        assert_eq!(row[20..23], flags);
        equals_differences(model.as_ref(), &weights, &row, |_| 1.0);
    }
}

#[test]
fn a_patient_needs_one_branch() {
    let schema =
        schema(&SCHEMA.replacen("range = [-1, 1]\n", "range = [-1, 1]\n missing = true\n", 2));
    let model = format!("{{ name = \"fusion\", {BRANCHES}, outcome = \"ill\" }}");
    let model = open(&schema, &model).expect("a model");
    let text = format!("{HEADER}1,,.1,.2,,1,3,1,death\n2,,.1,.2,.4,0,2,0,relapse\n");
    let patients = cohort(&schema, &text);
    let mut row = Vec::new();
    assert!(!model.encode(&patients, 0, &mut row) && row.is_empty());
    assert!(model.encode(&patients, 1, &mut row));
    assert_eq!(row, [0.0, 0.0, 0.2, 0.4, 0.0, 1.0, 1.0, 0.0]);
}

#[test]
fn models_that_cannot_be_are_refused_by_name() {
    let schema = schema(SCHEMA);
    let branch = |own: &str| format!("branch = [{{ name = \"x\", columns = [\"age\"]{own} }}]");
    let wide = "columns = [\"age\"], hidden = [4096, 4096]";
    for (model, why) in [
        (branch(", kind = \"recurrent\""), "recurrent"),
        (branch(", hidden = []"), "`hidden`"),
        (branch(", kind = \"cnn\", height = 2, width = 2"), "are not the pixels"),
        (branch(", kind = \"cnn\""), "height"),
        (branch(", height = 2"), "`height`"),
        (branch(", depth = 2"), "`depth`"),
        (branch("").replace("\"x\"", "\"x.y\""), "letters"),
        (branch("").replace("age", "ill"), "is the outcome"),
        ("branch = []".to_owned(), "`branch`"),
        (
            "branch = [{ name = \"x\", columns = [\"age\"] }, { name = \"y\", columns = [\"wbc\", \
             \"age\"] }]"
                .to_owned(),
            "share the column `age`",
        ),
        (
            "branch = [{ name = \"x\", columns = [\"age\"] }, { name = \"x\", columns = [\"wbc\"] }]"
                .to_owned(),
            "are named `x`",
        ),
        (format!("branch = [{{ name = \"x\", {wide} }}]"), "use fewer or smaller layers"),
    ] {
        let model = format!("{{ name = \"fusion\", {model}, outcome = \"ill\" }}");
        let error = open(&schema, &model).err().expect("a refusal").to_string();
        assert!(error.contains(why), "{model}: {error}");
    }
    for model in ["fusion\", branch = [], hidden = [0", "vae\", columns = [\"age\"], latent = [0"] {
        assert!(open(&schema, &format!("{{ name = \"{model}] }}")).is_err());
    }
}
