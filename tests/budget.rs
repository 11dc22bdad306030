//! `haima budget` as a user runs it: figures against the oracle's, files that it reads and writes,
//! and bad input.

use std::num::NonZeroU64;
use std::path::Path;
use std::process::{Command, Output};

use haima_dp::event::Release;
use haima_dp::ledger::{Ledger, Limit};
use haima_dp::noise::NoiseScale;
use haima_dp::units::{Delta, Epsilon, Sensitivity};
use serde_json::Value;

fn budget(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_haima")).arg("budget").args(arguments).output().unwrap()
}

fn printed(arguments: &[&str]) -> String {
    let output = budget(arguments);
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {log}");
    String::from_utf8(output.stdout).unwrap()
}

fn object(arguments: &[&str]) -> Value {
    let text = printed(&[arguments, &["--json"]].concat());
    assert_eq!(text.lines().count(), 1, "one object: {text}");
    serde_json::from_str(&text).unwrap()
}

/// One release at s = D, delta 1e-5: the analytic Gaussian mechanism (Balle and Wang 2018) has
/// epsilon 4.3772; the optimum of the zCDP conversion of Canonne, Kamath and Steinke (2020) at rho = 1/2
/// is 4.728386984943314. At s = 65536 the discrete noise differs from both by less than a printed
/// digit.
#[test]
fn one_release_costs_what_the_published_accountants_say() {
    let arguments = ["simulate", "--noise-multiplier", "1", "--steps", "1", "--delta", "1e-5"];
    let object = object(&arguments);
    assert_eq!(object["schema"], "haima.budget.simulate/1");
    assert_eq!(object["adjacency"], "add/remove");
    assert_eq!(object["adversary"], "all nodes but one");
    let row = &object["rows"][0];
    let (zcdp, best) = (row["zcdp"].as_f64().unwrap(), row["best"].as_f64().unwrap());
    assert!((4.3771..4.382).contains(&best), "{best}");
    assert!((4.728386984943..4.728387).contains(&zcdp), "{zcdp}");
    let text = printed(&arguments);
    assert!(text.contains("one patient added or removed"), "{text}");
    assert!(text.contains(&format!("{:.4}", (best * 1e4).ceil() / 1e4)), "{text}");
}

/// What `plan` answers, `simulate` confirms: the noise reaches the target, and no more steps fit.
#[test]
fn plans_and_simulations_agree() {
    let common = ["--delta", "1e-5", "--rate", "0.05"];
    let plan = object(&[&["plan", "--epsilon", "2", "--steps", "300"][..], &common].concat());
    assert_eq!(plan["asked"], "noise_multiplier");
    let by = |index: usize| plan["needed"][index]["value"].as_f64().unwrap();
    let (zcdp, renyi, best) = (by(0), by(1), by(2));
    assert!(best <= renyi && renyi < zcdp, "{plan}");
    assert!(plan["needed"][1]["order"].as_u64().unwrap() >= 2, "{plan}");

    let multiplier = best.to_string();
    let at = |steps: &str| {
        let given = ["simulate", "--noise-multiplier", &multiplier, "--steps", steps];
        let rows = object(&[&given[..], &common].concat());
        rows["rows"].as_array().unwrap().last().unwrap()["best"].as_f64().unwrap()
    };
    assert!((1.98..=2.0).contains(&at("300")), "{}", at("300"));

    let given = ["plan", "--epsilon", "2", "--noise-multiplier", &multiplier];
    let plan = object(&[&given[..], &common].concat());
    let steps = plan["needed"][2]["value"].as_f64().unwrap();
    assert!((300.0..310.0).contains(&steps), "{plan}");
    assert!(at(&(steps as u64 + 1).to_string()) > 2.0);
}

#[test]
fn the_plot_is_a_drawing_of_its_own_and_a_folder_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plot.svg");
    let plot = |path: &Path| {
        let path = path.to_str().unwrap().to_owned();
        let given = ["simulate", "--noise-multiplier", "2", "--steps", "50", "--delta", "1e-6"];
        budget(&[&given[..], &["--plot", &path]].concat())
    };
    assert!(plot(&path).status.success());
    let drawing = std::fs::read_to_string(&path).unwrap();
    assert!(drawing.starts_with("<svg") && drawing.trim_end().ends_with("</svg>"));
    assert!(drawing.contains("zCDP") && drawing.contains("steps"), "names of lines and axes");
    for forbidden in ["NaN", "inf", "<script", "http://", "https://"] {
        let drawing = drawing.replace("http://www.w3.org/2000/svg", "");
        assert!(!drawing.contains(forbidden), "{forbidden}");
    }
    let output = plot(&folder.path().join("none").join("plot.svg"));
    assert_eq!(output.status.code(), Some(9));
    assert!(String::from_utf8_lossy(&output.stderr).contains("plot.svg"));
}

#[test]
fn a_ledger_is_shown_with_what_is_used_and_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.journal");
    let (epsilon, delta) = (Epsilon::new(3.0).unwrap(), Delta::new(1e-5).unwrap());
    {
        let mut ledger = Ledger::open(&path, "aml-2026", Limit::zcdp(epsilon, delta)).unwrap();
        let release = Release::noised(
            NoiseScale::new(1 << 20).unwrap(),
            Sensitivity::new(1 << 16).unwrap(),
            NonZeroU64::new(100).unwrap(),
        );
        let _charged = ledger.charge("study-one", [7; 32], &release).unwrap();
    }
    let before = std::fs::read(&path).unwrap();
    let file = path.to_str().unwrap();
    let text = printed(&["show", "--population", "aml-2026", file]);
    for expected in ["aml-2026", "study-one", "zCDP", "left"] {
        assert!(text.contains(expected), "{expected} is missing in {text}");
    }
    let first = text.lines().next().unwrap();
    assert!(first.starts_with("Used: epsilon ") && first.contains(" (rho "), "{first}");
    assert!(first.contains("% of the budget (rho "), "{first}");
    assert!(first.ends_with(" used) is left for further questions."), "{first}");
    assert_eq!(std::fs::read(&path).unwrap(), before, "it only reads");

    let mut changed = before.clone();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    std::fs::write(&path, &changed).unwrap();
    for (arguments, code, what) in [
        (["show", "--population", "aml-2026", file], 13, "a changed byte"),
        (["show", "--population", "aml-2026", "none.journal"], 9, "a missing file"),
    ] {
        let output = budget(&arguments);
        assert_eq!(output.status.code(), Some(code), "{what}");
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(log.contains(".journal") && !log.contains("panicked"), "{what}: {log}");
    }
    std::fs::write(&path, &before).unwrap();
    let output = budget(&["show", "--population", "other", file]);
    assert_eq!(output.status.code(), Some(3), "another population's ledger");
}

#[test]
fn bad_input_names_its_parameter() {
    let simulate = |extra: &[&str]| {
        let mut given = vec!["simulate"];
        for (name, default) in
            [("--noise-multiplier", "1"), ("--steps", "10"), ("--delta", "1e-5"), ("--rate", "1")]
        {
            let own = extra.chunks(2).find(|pair| pair[0] == name).map(|pair| pair[1]);
            given.extend([name, own.unwrap_or(default)]);
        }
        let others = ["--sensitivity", "--dimension"];
        for pair in extra.chunks(2).filter(|pair| others.contains(&pair[0])) {
            given.extend(pair);
        }
        budget(&given)
    };
    for (extra, expected) in [
        (["--delta", "0"], "delta"),
        (["--delta", "1"], "delta"),
        (["--delta", "NaN"], "delta"),
        (["--rate", "1.5"], "rate"),
        (["--rate", "-0.1"], "rate"),
        (["--noise-multiplier", "0"], "sigma"),
        (["--noise-multiplier", "-1"], "sigma"),
        (["--noise-multiplier", "inf"], "sigma"),
        (["--steps", "0"], "count the steps"),
        (["--sensitivity", "0"], "sensitivity"),
        (["--dimension", "0"], "dimension"),
    ] {
        let output = simulate(&extra);
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(2 | 3)), "{extra:?}: {log}");
        assert!(log.to_lowercase().contains(expected), "{extra:?}: {log}");
        assert!(!log.contains("panicked"), "{extra:?}: {log}");
    }
    // So many steps are an answer, not a hang.
    assert!(simulate(&["--steps", "18446744073709551615"]).status.success());
    assert!(simulate(&["--steps", "1000000000"]).status.success());
    for given in [&["plan", "--epsilon", "1", "--delta", "1e-5"][..], &["plan", "--steps", "3"]] {
        assert_eq!(budget(given).status.code(), Some(2), "clap names what is missing");
    }
}
