//! The accountants against Google's, Microsoft's and closed forms, case by case.
//!
//! The cases are read from the file that `HAIMA_DP_TRUTH` names, else from the shared oracles. From
//! above each figure is compared with the tightest published bound; from below with the published
//! lower bound, or, where there is none, with a direct computation by another route: losses of one
//! pair of neighbours, tabulated from densities, rounded *down* and convolved.

mod common;

use std::num::NonZeroU64;

use haima_dp::accountant::Accountant;
use haima_dp::calibrate::Target;
use haima_dp::event::{Event, Shape};
use haima_dp::plan::CommittedPlan;
use haima_dp::renyi::Renyi;
use haima_dp::units::{Adjacency, Delta, Epsilon, Rate, Rho, Sensitivity, Sigma};
use rustfft::num_complex::Complex;
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

/// Losses of P against Q with P's probabilities, and how often the release happens.
type Losses = (Vec<(f64, f64)>, u64);

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

/// Losses of two densities over the reals, by cells of a fine grid.
fn densities(
    from: f64,
    to: f64,
    p: impl Fn(f64) -> f64,
    q: impl Fn(f64) -> f64,
) -> Vec<(f64, f64)> {
    let cells = 60_000;
    let step = (to - from) / f64::from(cells);
    (0..cells)
        .map(|i| from + (f64::from(i) + 0.5) * step)
        .map(|x| (p(x), q(x)))
        // Less of P than there is, and a smaller loss than the cell's: a bound from below.
        .map(|(p, q)| ((p / q).ln() - 2e-9, p * step * (1.0 - 1e-9)))
        .filter(|(loss, mass)| loss.is_finite() && *mass > 1e-300)
        .collect()
}

fn masses(p: &[f64], q: &[f64]) -> Vec<(f64, f64)> {
    p.iter()
        .zip(q)
        .filter(|(p, q)| **p > 0.0 && **q > 0.0)
        .map(|(p, q)| ((p / q).ln(), *p))
        .collect()
}

fn normal(x: f64, mu: f64, s: f64) -> f64 {
    (-(x - mu).powi(2) / (2.0 * s * s)).exp() / (s * (2.0 * std::f64::consts::PI).sqrt())
}

fn mixed(q: f64, mu: f64, s: f64) -> impl Fn(f64) -> f64 {
    move |x| (1.0 - q) * normal(x, 0.0, s) + q * normal(x, mu, s)
}

fn poisson_losses(q: f64, s: f64) -> Vec<(f64, f64)> {
    densities(-12.0 * s, 1.0 + 12.0 * s, mixed(q, 1.0, s), mixed(0.0, 0.0, s))
}

fn gaussian_losses(mu: f64) -> Vec<(f64, f64)> {
    densities(mu - 14.0, mu + 14.0, |x| normal(x, mu, 1.0), |x| normal(x, 0.0, 1.0))
}

/// P(X = k), k in -n..=n, against the same moved by d.
fn moved(weight: impl Fn(i64) -> f64, n: i64, d: i64) -> Vec<(f64, f64)> {
    let total: f64 = (-n..=n).map(&weight).sum();
    let p: Vec<f64> = (-n..=n).map(|k| weight(k - d) / total).collect();
    let q: Vec<f64> = (-n..=n).map(|k| weight(k) / total).collect();
    masses(&p, &q)
}

fn convolve(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; a.len() + b.len() - 1];
    for (i, x) in a.iter().enumerate() {
        b.iter().enumerate().for_each(|(j, y)| sum[i + j] += x * y);
    }
    sum
}

/// A symmetric distribution given as a centred array, against itself moved by d.
fn moved_array(pmf: &[f64], d: usize) -> Vec<(f64, f64)> {
    let total: f64 = pmf.iter().sum();
    masses(
        &pmf.iter().take(pmf.len() - d).map(|p| p / total).collect::<Vec<_>>(),
        &pmf.iter().skip(d).map(|p| p / total).collect::<Vec<_>>(),
    )
}

/// An epsilon that the composed losses do not meet: a bound from below.
fn below(parts: &[Losses], delta: f64) -> f64 {
    let spread: f64 = parts
        .iter()
        .map(|(losses, count)| {
            let mean: f64 = losses.iter().map(|(l, p)| l * p).sum();
            let variance: f64 = losses.iter().map(|(l, p)| l * l * p).sum::<f64>() - mean * mean;
            mean.abs() * *count as f64 + 40.0 * (variance.max(0.0) * *count as f64).sqrt()
        })
        .sum();
    let points = 1 << 17;
    // Rounding down moves the whole by up to half a step a release, which has to stay in the window.
    if parts.iter().map(|(_, count)| *count).sum::<u64>() > 1 << 14 {
        return 0.0;
    }
    let h = 2.0 * spread.max(1e-9) / f64::from(points);
    let points = points as usize;
    let forward = rustfft::FftPlanner::new().plan_fft_forward(points);
    let mut product = vec![Complex::new(1.0, 0.0); points];
    for (losses, count) in parts {
        let mut buffer = vec![Complex::new(0.0, 0.0); points];
        for (loss, p) in losses {
            let at = (loss / h).floor();
            // What leaves the window is dropped.
            if at.abs() < points as f64 / 2.0 {
                buffer[(at as i64).rem_euclid(points as i64) as usize].re += p;
            }
        }
        forward.process(&mut buffer);
        for (total, one) in product.iter_mut().zip(&buffer) {
            *total *= one.powu(u32::try_from(*count).unwrap());
        }
    }
    rustfft::FftPlanner::new().plan_fft_inverse(points).process(&mut product);
    // The transform's own noise grows with the number of releases.
    let releases: f64 = parts.iter().map(|(_, count)| *count as f64).sum();
    let at = |i: usize| product[i].re / points as f64 - 3e-16 * (releases + 100.0);
    let delta_at = |epsilon: f64| -> f64 {
        (1..points / 2)
            .map(|i| (i as f64 * h, at(i)))
            .filter(|(loss, p)| *loss > epsilon && *p > 0.0)
            .map(|(loss, p)| p * -(epsilon - loss).exp_m1())
            .sum()
    };
    let (mut low, mut high) = (0.0, spread.max(1e-9));
    if delta_at(0.0) <= delta {
        return 0.0;
    }
    for _ in 0..30 {
        let middle = 0.5 * (low + high);
        if delta_at(middle) > delta { low = middle } else { high = middle }
    }
    low
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

fn laplace_losses(q: f64, b: f64) -> Vec<(f64, f64)> {
    let weight = move |x: f64, at: f64| (-(x - at).abs() / b).exp() / (2.0 * b);
    densities(
        -40.0 * b,
        1.0 + 40.0 * b,
        move |x| (1.0 - q) * weight(x, 0.0) + q * weight(x, 1.0),
        move |x| weight(x, 0.0),
    )
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
