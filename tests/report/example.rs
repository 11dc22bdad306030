//! The example report: `data/leuksurv.csv` with its districts as hospitals.
//!
//! Curves, medians and Table 1 are computed here from the file; the Cox and logistic coefficients
//! and the log-rank test are R's (survival 3.5-3) for the same data. Everything about parties,
//! rounds, noise and ledgers is made up, at a plausible size.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use haima::report::{
    Best, Check, Class, Committed, Comparison, Excluded, Floors, Party, Privacy, Role, RoundClass,
    RoundRow, RoundStatus, SiteLedger, Step, StepResult, StudyReport, Wording, node_mode,
};
use haima_fl_core::results::{
    Cells, Concordance, Curve, Curves, Fit, HazardModel, LogRank, Table1, TableRow, Term,
};

/// One patient of the file.
#[derive(Clone, Copy)]
struct Patient {
    time: u64,
    death: bool,
    age: f64,
    male: bool,
    wbc: f64,
    tpi: f64,
}

fn patients() -> Vec<Patient> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/leuksurv.csv");
    let text = fs::read_to_string(path).expect("data/leuksurv.csv");
    let number = |field: &str| field.parse::<f64>().expect("a number");
    text.lines()
        .skip(1)
        .map(|line| {
            let field: Vec<f64> = line.split(',').map(number).collect();
            Patient {
                time: field[1] as u64,
                death: field[2] == 1.0,
                age: field[4],
                male: field[5] == 1.0,
                wbc: field[6],
                tpi: field[7],
            }
        })
        .collect()
}

fn curve(group: &str, patients: &[Patient]) -> Curve {
    let mut times: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for patient in patients {
        let counts = times.entry(patient.time).or_default();
        if patient.death { counts.0 += 1 } else { counts.1 += 1 }
    }
    let mut at_risk = patients.len() as u64;
    let (mut surv, mut greenwood) = (1.0, 0.0);
    let mut curve = Curve {
        group: group.to_owned(),
        n: at_risk,
        time: vec![],
        n_risk: vec![],
        n_event: vec![],
        n_censor: vec![],
        surv: vec![],
        se: vec![],
        lo: vec![],
        hi: vec![],
        median: None,
        median_lo: None,
        median_hi: None,
        rmst: None,
    };
    for (time, (events, censored)) in times {
        let (d, n) = (events as f64, at_risk as f64);
        surv *= 1.0 - d / n;
        greenwood += d / (n * (n - d));
        let width = 1.959_963_984_540_054 * f64::sqrt(greenwood);
        if surv <= 0.5 && curve.median.is_none() {
            curve.median = Some(time as f64);
        }
        curve.time.push(time as f64);
        curve.n_risk.push(at_risk);
        curve.n_event.push(events);
        curve.n_censor.push(censored);
        curve.surv.push(surv);
        curve.se.push(surv * f64::sqrt(greenwood));
        curve.lo.push(surv * f64::exp(-width));
        curve.hi.push((surv * f64::exp(width)).min(1.0));
        at_risk -= events + censored;
    }
    curve
}

fn curves(formula: &str, curves: Vec<Curve>, logrank: Option<LogRank>) -> StepResult {
    StepResult::Curves(Curves {
        schema: "haima.km/1".to_owned(),
        formula: formula.to_owned(),
        grid: 1.0,
        n: curves.iter().map(|curve| curve.n).sum(),
        events: curves.iter().flat_map(|curve| &curve.n_event).sum(),
        sites: 24,
        curves,
        logrank,
    })
}

fn table1(all: &[Patient]) -> Table1 {
    let women: Vec<Patient> = all.iter().copied().filter(|patient| !patient.male).collect();
    let men: Vec<Patient> = all.iter().copied().filter(|patient| patient.male).collect();
    let groups = [all, &women, &men];
    let numeric = |column: &str, label: &str, unit: &str, value: fn(&Patient) -> f64| {
        let sorted = groups.map(|group| {
            let mut values: Vec<f64> = group.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values
        });
        let mean = |v: &Vec<f64>| v.iter().sum::<f64>() / v.len() as f64;
        let sd = |v: &Vec<f64>| {
            let squares: f64 = v.iter().map(|x| (x - mean(v)).powi(2)).sum();
            f64::sqrt(squares / (v.len() - 1) as f64)
        };
        let quantile =
            |q: f64| sorted.iter().map(|v| v[(q * (v.len() - 1) as f64) as usize]).collect();
        TableRow {
            column: column.to_owned(),
            label: label.to_owned(),
            unit: unit.to_owned(),
            missing: vec![0; 3],
            cells: Cells::Numeric {
                mean: sorted.iter().map(mean).collect(),
                sd: sorted.iter().map(sd).collect(),
                q1: quantile(0.25),
                median: quantile(0.5),
                q3: quantile(0.75),
                // As reports of earlier versions.
                quartile_bins: Vec::new(),
            },
        }
    };
    // Nobody is over 100 and few are over 90: a true zero and a small cell.
    let ends = [0.0, 40.0, 60.0, 75.0, 90.0, 100.0, 150.0];
    let names = ["under 40", "40 to 59", "60 to 74", "75 to 89", "90 to 99", "100 and over"];
    let within = |group: &[Patient], ends: &[f64]| {
        group.iter().filter(|p| (ends[0]..ends[1]).contains(&p.age)).count() as u64
    };
    let counts = ends.windows(2).map(|ends| groups.map(|group| within(group, ends)).to_vec());
    Table1 {
        schema: "haima.table1/1".to_owned(),
        sites: 24,
        groups: ["all", "male=0", "male=1"].map(str::to_owned).to_vec(),
        n: groups.map(|group| group.len() as u64).to_vec(),
        rows: vec![
            numeric("age", "Age at diagnosis", "years", |patient| patient.age),
            TableRow {
                column: "age_group".to_owned(),
                label: "Age group".to_owned(),
                unit: String::new(),
                missing: vec![0; 3],
                cells: Cells::Categorical {
                    levels: names.map(str::to_owned).to_vec(),
                    counts: counts.collect(),
                },
            },
            numeric("wbc", "White blood cell count", "10⁹/L", |patient| patient.wbc),
            numeric("tpi", "Townsend deprivation score", "", |patient| patient.tpi),
        ],
    }
}

fn fit(model: &str, n: u64, events: u64, terms: &[(&str, f64, f64, f64)]) -> StepResult {
    let term = |&(name, coef, se, p): &(&str, f64, f64, f64)| Term {
        name: name.to_owned(),
        coef,
        se,
        hr: coef.exp(),
        lo: (coef - 1.96 * se).exp(),
        hi: (coef + 1.96 * se).exp(),
        z: coef / se,
        p,
    };
    let cox = model == "cox";
    StepResult::Fit(Fit {
        schema: "haima.fit/1".to_owned(),
        model: model.to_owned(),
        formula: if cox {
            "Surv(time_days, death) ~ age + male + wbc + tpi + strata(site)"
        } else {
            "death within 365 days ~ age + male + wbc + tpi"
        }
        .to_owned(),
        n,
        events,
        sites: 24,
        ties: if cox { "breslow" } else { "" }.to_owned(),
        strata: if cox { "site" } else { "" }.to_owned(),
        terms: terms.iter().map(term).collect(),
        loglik: if cox { -2691.6637 } else { -563.4118 },
        loglik_null: if cox { -2822.9720 } else { -662.4122 },
        iterations: 5,
        ..Fit::default()
    })
}

fn concordance(c_index: f64) -> Concordance {
    Concordance {
        schema: "haima.concordance/1".to_owned(),
        n: 212,
        events: 178,
        comparable: 18_904.0,
        c_index,
        subset: "holdout".to_owned(),
    }
}

fn best(epsilon: f64) -> Best {
    Best { epsilon, method: "privacy loss distribution".to_owned() }
}

fn private(epsilon: f64, rho: f64) -> Class {
    Class::Private(Privacy {
        epsilon_coalition: epsilon,
        best_coalition: best(epsilon * 0.93),
        best_public: best(epsilon * 0.52),
        delta: 9.5e-6,
        cost: rho,
        sampling_rate: 0.5,
        noise_s: 184_320.0,
        sensitivity: 16_391.0,
        site_bound: Some(2_458_650.0),
        unit: "patient".to_owned(),
        adjacency: "add/remove".to_owned(),
        accountant: "zCDP".to_owned(),
    })
}

fn step(id: &str, title: &str, class: Class, rounds: u32, result: StepResult) -> Step {
    Step {
        id: id.to_owned(),
        title: title.to_owned(),
        task: id.split('-').next().unwrap_or(id).to_owned(),
        class,
        rounds,
        cohort: String::new(),
        attempts_failed: u32::from(id == "cox"),
        seconds: 0.42 * f64::from(rounds),
        bytes_sent_by_sites: 181_000 * u64::from(rounds),
        bytes_received_by_nodes: 181_000 * u64::from(rounds),
        bytes_released: 2_480 * u64::from(rounds),
        result: Some(result),
    }
}

/// Something that looks like a digest.
fn digest(number: u64) -> String {
    let word = |part: u64| (number * 4 + part + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..4).map(|part| format!("{:016x}", word(part))).collect()
}

fn rounds(steps: &[Step]) -> Vec<RoundRow> {
    let mut rows = Vec::new();
    for step in steps {
        for attempt in 0..step.rounds + step.attempts_failed {
            let number = rows.len() as u64 + 1;
            let failed = attempt == 0 && step.attempts_failed > 0;
            rows.push(RoundRow {
                number,
                task: step.task.clone(),
                step: step.id.clone(),
                attempt: if step.attempts_failed > 0 && attempt == 1 { 2 } else { 1 },
                class: match step.class {
                    Class::Exact => RoundClass::Exact,
                    Class::Private(_) => RoundClass::Private,
                },
                sites_accepted: if failed { 0 } else { 24 },
                sites_total: 25,
                left_out: vec!["cottage-hospital".to_owned()],
                refused: Vec::new(),
                seconds: 0.42,
                bytes: 181_000,
                digest: digest(number),
                status: if failed {
                    RoundStatus::Failed {
                        reason: "node-b did not release before the deadline".to_owned(),
                    }
                } else {
                    RoundStatus::Released
                },
                stops: Vec::new(),
            });
        }
    }
    rows
}

fn parties() -> Vec<Party> {
    let party = |name: String, role, operator: String, note: &str| {
        let key = digest(name.bytes().map(u64::from).sum());
        Party {
            fingerprint: [&key[..4], &key[4..8], &key[8..12], &key[12..16]].join(" "),
            name,
            role,
            operator,
            note: note.to_owned(),
        }
    };
    let mut parties = vec![
        party(
            "coordinator".to_owned(),
            Role::Coordinator,
            "Study office".to_owned(),
            "asks, receives sums",
        ),
        party("node-a".to_owned(), Role::Node, "University computing centre".to_owned(), ""),
        party(
            "node-b".to_owned(),
            Role::Node,
            "Patients' association".to_owned(),
            "restarted once",
        ),
        party("node-c".to_owned(), Role::Node, "Ministry of health".to_owned(), ""),
    ];
    for district in 1..=24 {
        let operator = format!("Hospital of district {district}");
        parties.push(party(format!("district-{district:02}"), Role::Site, operator, ""));
    }
    parties.push(party(
        "cottage-hospital".to_owned(),
        Role::Site,
        "Cottage hospital".to_owned(),
        "",
    ));
    parties
}

fn wording() -> Wording {
    let labels = [
        ("male=0", "Women"),
        ("male=1", "Men"),
        ("male", "Men v women"),
        ("age", "Age, per 10 years"),
        ("wbc", "White cells, per 50×10⁹/L"),
        ("tpi", "Deprivation, per 5 points"),
    ];
    let per = [("age", 10.0), ("wbc", 50.0), ("tpi", 5.0)];
    Wording {
        outcome: "Overall survival".to_owned(),
        event: "death".to_owned(),
        events: "deaths".to_owned(),
        origin: "diagnosis".to_owned(),
        time_unit: "days".to_owned(),
        labels: labels.map(|(key, text)| (key.to_owned(), text.to_owned())).into(),
        per: per.map(|(key, multiple)| (key.to_owned(), multiple)).into(),
    }
}

/// The example: 1,043 patients, 24 districts as hospitals, three nodes.
pub(crate) fn example() -> StudyReport {
    let all = patients();
    let of_sex = |male| -> Vec<Patient> {
        all.iter().copied().filter(|patient| patient.male == male).collect()
    };
    let logrank = LogRank {
        groups: vec!["male=0".to_owned(), "male=1".to_owned()],
        observed: vec![416.0, 463.0],
        expected: vec![427.784_060_7, 451.215_939_3],
        chisq: 0.637_901_97,
        df: 1,
        p: 0.424_471_55,
    };
    let by_sex = vec![curve("male=0", &of_sex(false)), curve("male=1", &of_sex(true))];
    let network = HazardModel {
        schema: "haima.hazard/1".to_owned(),
        formula: "Surv(time_days, death) ~ age + male + wbc + tpi".to_owned(),
        inputs: ["age", "male", "wbc", "tpi"].map(str::to_owned).to_vec(),
        hidden: 8,
        cuts: vec![30.0, 90.0, 180.0, 365.0, 730.0, 1825.0, 5000.0],
        weights: vec![0.0; 103],
        steps: 60,
    };
    let cox = [
        ("age", 0.031_956_74, 0.002_308_70, 1e-43),
        ("male", 0.066_436_79, 0.070_437_39, 0.3456),
        ("wbc", 0.003_209_51, 0.000_459_74, 3e-12),
        ("tpi", 0.032_691_94, 0.010_553_21, 0.00195),
    ];
    let logistic = [
        ("(Intercept)", -2.674_601_72, 0.279_507_16, 1e-21),
        ("age", 0.050_309_68, 0.004_254_77, 3e-32),
        ("male", 0.125_467_79, 0.145_389_01, 0.3882),
        ("wbc", 0.005_505_48, 0.001_372_41, 6e-5),
        ("tpi", 0.071_310_55, 0.020_329_94, 0.00045),
    ];
    let steps = vec![
        step("table1", "Who the patients are", Class::Exact, 2, StepResult::Table1(table1(&all))),
        step(
            "km-all",
            "Survival of all patients",
            Class::Exact,
            1,
            curves("Surv(time_days, death) ~ 1", vec![curve("all", &all)], None),
        ),
        step(
            "km-sex",
            "Survival by sex",
            Class::Exact,
            1,
            curves("Surv(time_days, death) ~ male", by_sex, Some(logrank)),
        ),
        step("cox", "Death at any time (Cox model)", Class::Exact, 5, fit("cox", 1043, 879, &cox)),
        step(
            "logistic",
            "Death within one year (logistic model)",
            Class::Exact,
            5,
            fit("logistic", 1015, 652, &logistic),
        ),
        step(
            "hazard",
            "A neural model of the hazard",
            private(2.87, 0.11),
            60,
            StepResult::Hazard(network),
        ),
        step(
            "concordance",
            "How well the network ranks",
            private(0.62, 0.006),
            1,
            StepResult::Concordance(concordance(0.6612)),
        ),
    ];
    let ledger = (1..=24).map(|district| SiteLedger {
        site: format!("district-{district:02}"),
        population: "acute myeloid leukaemia".to_owned(),
        epsilon_spent: 3.01,
        epsilon_limit: 4.0,
        delta: 9.5e-6,
        filter: "zCDP".to_owned(),
        cost_spent: 0.116,
        cost_limit: 0.196,
        exact_releases: 14,
    });
    StudyReport {
        plan: Some(Committed {
            digest: digest(7),
            delta: 9.5e-6,
            best_coalition: best(2.79),
            best_public: best(1.55),
        }),
        title: "1,043 patients with acute myeloid leukaemia, 24 hospitals, 3 nodes".to_owned(),
        data_note: "LeukSurv (Henderson, Shimakura and Gorst, JASA 2002;97:965), GPL-3. Districts of residence stand in for hospitals.".to_owned(),
        mode: "3 nodes, additive shares".to_owned(),
        warnings: vec!["A demonstration on one machine: one operator ran every party, and the data are public. The promises below hold between processes here, not between organisations.".to_owned()],
        manifest_digest: digest(0),
        started: 1_795_458_388,
        finished: 1_795_458_423,
        wording: wording(),
        parties: parties(),
        excluded: vec![Excluded {
            site: "cottage-hospital".to_owned(),
            reason: "fewer rows than min_local_rows (10)".to_owned(),
        }],
        floors: Floors::default(),
        assumptions: vec!["The largest number of patients a hospital may bring (150), declared in the manifest.".to_owned(),
            "The expected size of the cohort (1,000), used as a divisor.".to_owned()],
        promises: node_mode(3, None, &[]),
        rounds: rounds(&steps),
        steps,
        ledger: ledger.collect(),
        comparison: Some(Comparison {
            with_noise: concordance(0.6612),
            without_noise: concordance(0.6823),
            note: "The model without noise comes from a simulation in one process, over the demo's own copy of public data. A real network has no such copy.".to_owned(),
        }),
        checks: vec![Check {
            text: "Verify a journal's chain and signatures:".to_owned(),
            command: "haima audit verify --manifest manifest --party node-a journal".to_owned(),
        }],
        ..StudyReport::new("North-west leukaemia")
    }
}
