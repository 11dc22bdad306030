//! The accountants against Google's, Microsoft's and closed forms, case by case.
//!
//! The cases are read from the file that `HAIMA_DP_TRUTH` names, else from the shared oracles. From
//! above each figure is compared with the tightest published bound; from below with the published
//! lower bound, or, where there is none, with a direct computation by another route: losses of one
//! pair of neighbours, tabulated from densities, rounded *down* and convolved.

mod common;
#[path = "truth/losses.rs"]
mod losses;

use std::num::NonZeroU64;

use haima_dp::accountant::Accountant;
use haima_dp::calibrate::Target;
use haima_dp::event::{Event, Shape};
use haima_dp::plan::CommittedPlan;
use haima_dp::renyi::Renyi;
use haima_dp::units::{Adjacency, Delta, Epsilon, Rate, Rho, Sensitivity, Sigma};
use losses::{
    Losses, below, convolve, densities, gaussian_losses, laplace_losses, mixed, moved, moved_array,
    normal, poisson_losses,
};
use serde_json::Value;

const ONE: NonZeroU64 = NonZeroU64::MIN;

fn cases() -> Option<Vec<Value>> {
    let file = match std::env::var_os("HAIMA_DP_TRUTH") {
        Some(path) => {
            let text =
                std::fs::read_to_string(&path).expect("HAIMA_DP_TRUTH names a readable file");
            serde_json::from_str(&text).expect("HAIMA_DP_TRUTH names a JSON file")
        }
        None => common::shared::json("truth/dp_accounting.json")?,
    };
    Some(file["cases"].as_array().expect("cases").clone())
}

fn number(case: &Value, path: &str) -> f64 {
    let value = case.pointer(path).unwrap_or_else(|| panic!("{}: no {path}", case["id"]));
    value.as_f64().unwrap_or(f64::INFINITY)
}

fn sigma(x: f64) -> Sigma {
    Sigma::new(x).unwrap()
}

fn param(case: &Value, name: &str) -> f64 {
    number(case, &format!("/params/{name}"))
}

fn gaussian(x: f64) -> Event {
    Event::gaussian(x).unwrap()
}

/// One release in the library's words, and the losses of one pair of its neighbours in ours.
struct Twin {
    event: Event,
    losses: Vec<Losses>,
}

impl Twin {
    fn new(event: Event, count: f64, losses: Vec<(f64, f64)>) -> Self {
        let count = count as u64;
        Self { event: event.times(count), losses: vec![(losses, count)] }
    }
}

fn adjacency(case: &Value) -> Adjacency {
    match case["adjacency"].as_str() {
        None | Some("ADD_OR_REMOVE_ONE") => Adjacency::AddRemove,
        Some("REPLACE_ONE") => Adjacency::ReplaceOne,
        Some("REPLACE_SPECIAL") => Adjacency::ReplaceSpecial,
        Some(other) => panic!("{}: unknown adjacency {other}", case["id"]),
    }
}

/// "gaussian sigma=40 x20", "laplace b=50 x4", "poisson q=0.02 gaussian sigma=1.2 x800".
fn described(text: &str) -> Twin {
    let value = |key: &str| {
        text.split_whitespace().find_map(|word| word.strip_prefix(key)?.parse::<f64>().ok())
    };
    let count = text
        .split_whitespace()
        .find_map(|word| word.strip_prefix('x')?.parse::<f64>().ok())
        .unwrap_or(1.0);
    if let Some(b) = value("b=") {
        return Twin::new(Event::Laplace { scale: sigma(b) }, count, laplace_losses(1.0, b));
    }
    let s = value("sigma=").unwrap_or_else(|| panic!("unknown event {text}"));
    match value("q=") {
        Some(q) => Twin::new(gaussian(s).poisson(q).unwrap(), count, poisson_losses(q, s)),
        None => Twin::new(gaussian(s), count, gaussian_losses(1.0 / s)),
    }
}

/// The event of a case; `None` for groups that are no epsilon at a delta.
fn twin(case: &Value) -> Option<Twin> {
    let p = |name: &str| param(case, name);
    let steps = || p("steps");
    let d = |name: &str| Sensitivity::new(p(name) as u64).unwrap();
    Some(match case["group"].as_str().expect("group") {
        "gaussian" | "gaussian_replace" => {
            let m = if adjacency(case) == Adjacency::ReplaceOne { 2.0 } else { 1.0 };
            Twin::new(gaussian(p("sigma")), steps(), gaussian_losses(m / p("sigma")))
        }
        "dpsgd" | "dpsgd_interval" | "dpsgd_fine" | "dpsgd_replace_special" | "delta_at_eps" => {
            let event = gaussian(p("sigma")).poisson(p("q")).unwrap();
            Twin::new(event, steps(), poisson_losses(p("q"), p("sigma")))
        }
        "dpsgd_replace_one" => {
            let (q, s) = (p("q"), p("sigma"));
            let losses = densities(-12.0 * s, 1.0 + 12.0 * s, mixed(q, 1.0, s), mixed(q, -1.0, s));
            Twin::new(gaussian(s).poisson(q).unwrap(), steps(), losses)
        }
        "trunc_poisson" => {
            let event = Event::TruncatedPoisson {
                patients: p("n") as u64,
                q: Rate::new(p("q")).unwrap(),
                batch: p("truncated_batch") as u64,
                sigma: sigma(p("sigma")),
            };
            // A patient in a batch that is hardly ever cut: a fortieth is more than is cut.
            Twin::new(event, steps(), poisson_losses(p("q") * 0.975, p("sigma")))
        }
        "wor" => {
            // Their sigma is relative to what replacing moves, ours to what adding does.
            let (q, s) = (p("batch") / p("n"), 2.0 * p("sigma"));
            let event = Event::WithoutReplacement {
                patients: p("n") as u64,
                batch: p("batch") as u64,
                event: Box::new(gaussian(s)),
            };
            let losses = densities(-12.0 * s, 1.0 + 12.0 * s, mixed(q, 1.0, s), mixed(q, -1.0, s));
            Twin::new(event, steps(), losses)
        }
        "laplace" => {
            let b = p("scale_over_sensitivity");
            Twin::new(Event::Laplace { scale: sigma(b) }, steps(), laplace_losses(1.0, b))
        }
        "laplace_sub" => {
            let (b, q) = (p("scale_over_sensitivity"), p("q"));
            let event = Event::Laplace { scale: sigma(b) }.poisson(q).unwrap();
            Twin::new(event, steps(), laplace_losses(q, b))
        }
        "dlaplace" => {
            let a = p("a");
            let event =
                Event::DiscreteLaplace { scale: sigma(1.0 / a), sensitivity: d("sensitivity") };
            let reach = (60.0 / a) as i64 + 10;
            let weight = |k: i64| (-a * k.abs() as f64).exp();
            Twin::new(event, steps(), moved(weight, reach, p("sensitivity") as i64))
        }
        "dgaussian" => {
            let s = p("sigma");
            let event = Event::DiscreteGaussian {
                s: sigma(s),
                sensitivity: d("sensitivity"),
                dimension: ONE,
            };
            let reach = (30.0 * s) as i64 + 10;
            let weight = |k: i64| (-(k as f64 / s).powi(2) / 2.0).exp();
            Twin::new(event, steps(), moved(weight, reach, p("sensitivity") as i64))
        }
        "zcdp" => {
            // The Gaussian mechanism of mu = sqrt(2 rho) is rho-zCDP.
            let rho = p("rho");
            let event = Event::Zcdp { rho: Rho::new(rho).unwrap() };
            Twin::new(event, 1.0, gaussian_losses((2.0 * rho).sqrt()))
        }
        "tree" => {
            let counts = &case["params"]["step_counts"];
            let leaves = counts.as_u64().unwrap_or_else(|| {
                counts.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).max().unwrap()
            });
            let epochs = p("epochs") as u32;
            let height = f64::from(leaves.ilog2() + 1);
            let mu = (height * f64::from(epochs)).sqrt() / p("sigma");
            let event = Event::Tree { sigma: sigma(p("sigma")), steps: leaves, epochs };
            Twin::new(event, 1.0, gaussian_losses(mu))
        }
        "rr" => {
            let (noise, k) = (p("noise_parameter"), p("num_buckets"));
            let event =
                Event::RandomisedResponse { noise: Rate::new(noise).unwrap(), buckets: k as u32 };
            let (same, other) = (1.0 - noise + noise / k, noise / k);
            let losses = vec![
                ((same / other).ln(), same),
                ((other / same).ln(), other),
                (0.0, (k - 2.0) * other),
            ];
            Twin::new(event, steps(), losses)
        }
        "repeat_select" => {
            let (s, mean) = (p("sigma"), p("mean"));
            let shape = case["params"]["shape"].as_f64();
            let event = Event::RepeatAndSelect {
                event: Box::new(gaussian(s)),
                mean: sigma(mean),
                shape: shape.map_or(Shape::Poisson, Shape::NegativeBinomial),
            };
            // The best run is the largest output; its density is f G'(F), G the number of runs'
            // generating function.
            let cdf = |x: f64| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
            let best = move |x: f64, mu: f64| {
                let below = cdf((x - mu) / s);
                let slope = if shape.is_some() {
                    (1.0 / mean) / (1.0 - (1.0 - 1.0 / mean) * below).powi(2)
                } else {
                    mean * (mean * (below - 1.0)).exp()
                };
                normal(x, mu, s) * slope
            };
            let losses = densities(-9.0 * s, 9.0 * s, |x| best(x, 1.0), |x| best(x, 0.0));
            Twin::new(event, 1.0, losses)
        }
        "mixed" => {
            let parts: Vec<Twin> = case["params"]["events"]
                .as_array()
                .unwrap()
                .iter()
                .map(|text| described(text.as_str().unwrap()))
                .collect();
            let (events, losses): (Vec<_>, Vec<_>) =
                parts.into_iter().map(|part| (part.event, part.losses)).unzip();
            Twin { event: Event::Composed(events), losses: losses.concat() }
        }
        "ddg_sum" => {
            let (n, s) = (p("nodes") as u32, p("sigma_each"));
            let event = Event::DiscreteGaussianSum {
                parties: n,
                s: sigma(s),
                sensitivity: d("sensitivity"),
                dimension: ONE,
            };
            let reach = (20.0 * s) as i64 + 5;
            let one: Vec<f64> =
                (-reach..=reach).map(|k| (-(k as f64 / s).powi(2) / 2.0).exp()).collect();
            let sum = (1..n).fold(one.clone(), |sum, _| convolve(&sum, &one));
            Twin::new(event, 1.0, moved_array(&sum, p("sensitivity") as usize))
        }
        "skellam" => {
            let mu = p("variance") / 2.0;
            let event = Event::Skellam {
                variance: sigma(p("variance")),
                sensitivity: d("sensitivity"),
                dimension: ONE,
            };
            let poisson: Vec<f64> = (0..(mu + 30.0 * mu.sqrt() + 40.0) as usize)
                .map(|k| (k as f64 * mu.ln() - mu - libm::lgamma(k as f64 + 1.0)).exp())
                .collect();
            let reversed: Vec<f64> = poisson.iter().rev().copied().collect();
            let difference = convolve(&poisson, &reversed);
            Twin::new(event, 1.0, moved_array(&difference, p("sensitivity") as usize))
        }
        "calibration" | "calibration_laplace" => return None,
        unknown => panic!("{}: unknown group {unknown}", case["id"]),
    })
}

/// The orders of Google's accountant.
fn their_orders() -> Vec<f64> {
    let tenths = (1..100).map(|x| 1.0 + f64::from(x) / 10.0);
    tenths.chain((11..64).map(f64::from)).chain([128.0, 256.0, 512.0, 1024.0]).collect()
}

fn same_as_their_renyi(case: &Value, event: &Event, fail: &mut impl FnMut(String)) {
    if case["group"] == "gaussian_replace" {
        return; // Their sensitivity is not doubled there.
    }
    let mut list = Renyi::with_orders(adjacency(case), &their_orders());
    let mut own = Renyi::new(adjacency(case));
    list.compose(event, 1).unwrap();
    own.compose(event, 1).unwrap();
    let (ours, shipped, theirs) =
        if let Some(theirs) = case.pointer("/rdp/eps").and_then(Value::as_f64) {
            let delta = Delta::new(number(case, "/delta")).unwrap();
            (list.epsilon(delta).unwrap().value, own.epsilon(delta).unwrap().value, theirs)
        } else if let Some(theirs) = case.pointer("/rdp/delta").and_then(Value::as_f64) {
            let epsilon = Epsilon::new(number(case, "/epsilon")).unwrap();
            (list.delta(epsilon).unwrap().value, own.delta(epsilon).unwrap().value, theirs)
        } else {
            return;
        };
    if (ours / theirs - 1.0).abs() > 1e-6 {
        fail(format!("Renyi at their orders {ours}, theirs {theirs}"));
    }
    if shipped > ours * (1.0 + 1e-9) {
        fail(format!("the shipped Renyi {shipped} is above {ours}"));
    }
}

#[test]
fn every_case_lies_within_its_bound() {
    let Some(cases) = cases() else { return };
    let (mut two_sided, mut upper_only) = (0, 0);
    let mut failures = Vec::new();
    for case in &cases {
        let id = case["id"].as_str().expect("id");
        let started = std::time::Instant::now();
        let mut fail = |text: String| failures.push(format!("{id}: {text}"));
        let Some(twin) = twin(case) else {
            calibrated(case, &mut fail);
            two_sided += 1;
            continue;
        };
        same_as_their_renyi(case, &twin.event, &mut fail);
        let plan = CommittedPlan::new(twin.event.clone(), [0; 32]).unwrap();
        if case["group"] == "delta_at_eps" {
            let epsilon = Epsilon::new(number(case, "/epsilon")).unwrap();
            let ours = plan.best_delta(adjacency(case), epsilon).unwrap();
            let (theirs, floor) = (number(case, "/pld/delta"), below(&twin.losses, ours.value));
            println!("{id}: delta {:e} ({}), theirs {theirs:e}", ours.value, ours.method);
            if ours.value > 1.01 * theirs || floor > epsilon.get() {
                fail(format!(
                    "delta {:e}, theirs {theirs:e}, true epsilon above {floor}",
                    ours.value
                ));
            }
            two_sided += 1;
            continue;
        }
        let delta = Delta::new(number(case, "/delta")).unwrap();
        let ours = plan.best(adjacency(case), delta).unwrap();
        let took = started.elapsed().as_secs_f64() * 1e3;
        let published = case.pointer("/bound/lower").and_then(Value::as_f64);
        let floor = match published {
            Some(lower) => lower - 1e-9,
            None => below(&twin.losses, delta.get()),
        };
        let upper = case.pointer("/bound/upper").and_then(Value::as_f64);
        println!(
            "{id}: {floor:.6} <= {:.6} <= {:.6} ({}, {took:.0} ms)",
            ours.value,
            upper.unwrap_or(f64::NAN),
            ours.method
        );
        if ours.value < floor {
            fail(format!("{} is below {floor}", ours.value));
        }
        if let Some(upper) = upper
            && ours.value > 1.01 * upper + 1e-6
        {
            fail(format!("{} is above 1.01 * {upper}", ours.value));
        }
        if floor > 0.0 { two_sided += 1 } else { upper_only += 1 }
    }
    println!("checked {two_sided} two-sided, {upper_only} upper only, 0 skipped");
    assert!(failures.is_empty(), "{failures:#?}");
}

fn calibrated(case: &Value, fail: &mut impl FnMut(String)) {
    let delta = Delta::new(number(case, "/delta")).unwrap();
    let epsilon_at = |event: Event| {
        let plan = CommittedPlan::new(event, [0; 32]).unwrap();
        plan.best(Adjacency::AddRemove, delta).unwrap().value
    };
    let started = std::time::Instant::now();
    let steps = param(case, "steps") as u64;
    let laplace = case["group"] == "calibration_laplace";
    let epsilon = param(case, if laplace { "epsilon" } else { "target_epsilon" });
    let epsilon = Epsilon::new(epsilon).unwrap();
    let target = Target { epsilon, delta, adjacency: Adjacency::AddRemove };
    let one = Sensitivity::new(1).unwrap();
    let mut check = |what: &str, theirs: f64, event: &dyn Fn(Sigma) -> haima_dp::Result<Event>| {
        let ours = target.noise(event).unwrap();
        let reached = epsilon_at(event(ours).unwrap());
        println!(
            "{}: {what} {ours:.6}, theirs {theirs:.6}, epsilon {reached:.6} of {epsilon} ({} ms)",
            case["id"].as_str().unwrap(),
            started.elapsed().as_millis()
        );
        if ours.get() > 1.01 * theirs || reached > epsilon.get() {
            fail(format!("{what} {ours}, theirs {theirs}, epsilon {reached} of {epsilon}"));
        }
    };
    if laplace {
        let event = |scale| Ok(Event::Laplace { scale }.times(steps));
        if let Some(b) = case["laplace_b"].as_f64() {
            check("b", b, &event);
        }
        let event = |scale| Ok(Event::DiscreteLaplace { scale, sensitivity: one }.times(steps));
        if let Some(a) = case["discrete_laplace_a"].as_f64() {
            check("t", 1.0 / a, &event);
        }
        return;
    }
    let q = param(case, "q");
    let event = |sigma| Ok(Event::Gaussian { sigma }.poisson(q)?.times(steps));
    check("sigma", number(case, "/pld/sigma"), &event);
}
