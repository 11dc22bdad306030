//! Claims about promises: what they say, and that each follows from its own noise.

use serde_json::json;

use super::*;
use crate::model_file::{Data, PROVENANCE_SCHEMA, making};

const NODES: Terms = Terms {
    coalition: Coalition::Nodes,
    hides_hospital: false,
    hospitals_per_patient: 1,
    simulated: false,
    note: "n",
};

fn plan(order: Option<u32>) -> TaskPlan {
    let noise =
        NoisePlan { s: 4000, draws: 1, q: 1.0, sensitivity: 100, dimension: 3, delta: 1e-5, order };
    TaskPlan { id: "net".into(), steps: 20, spare_attempts: 5, noise }
}

/// Adjacency, adversary and accountant.
fn said(plan: &TaskPlan, terms: &Terms) -> [String; 3] {
    match Guarantee::of(plan, terms).unwrap() {
        Guarantee::Dp { adjacency, adversary, accountant, .. } => {
            [adjacency, adversary, accountant]
        }
        Guarantee::Exact { .. } => panic!("it has noise"),
    }
}

#[test]
fn a_promise_names_its_neighbours_and_its_adversary() {
    let [neighbours, adversary, accountant] = said(&plan(None), &NODES);
    assert!(neighbours.ends_with("one patient, at one hospital"), "{neighbours}");
    assert!(adversary.starts_with("all nodes but one together with"), "{adversary}");
    assert!(accountant.starts_with("zero-concentrated"), "{accountant}");
    let masked = Terms { coalition: Coalition::Masked(Some(4)), hospitals_per_patient: 2, ..NODES };
    let [neighbours, adversary, accountant] = said(&plan(Some(8)), &masked);
    assert!(neighbours.ends_with("at up to 2 hospitals"), "{neighbours}");
    assert!(adversary.starts_with("the coordinator with up to 4 other"), "{adversary}");
    assert!(accountant.ends_with("of order 8"), "{accountant}");
    let [neighbours, ..] = said(&plan(None), &Terms { hides_hospital: true, ..NODES });
    assert!(neighbours.ends_with("one hospital's whole update"), "{neighbours}");
}

#[test]
fn a_promise_covers_the_spare_attempts_too() {
    let of = |plan: &TaskPlan| match Guarantee::of(plan, &NODES).unwrap() {
        Guarantee::Dp { epsilon, noise, .. } => (epsilon, noise.attempts),
        Guarantee::Exact { .. } => panic!("it has noise"),
    };
    let (epsilon, attempts) = of(&plan(None));
    let (without, fewer) = of(&TaskPlan { spare_attempts: 0, ..plan(None) });
    assert_eq!((attempts, fewer), (25, 20));
    assert!(epsilon > without && without > 0.0, "{epsilon} {without}");
}

/// A training of patients' own gradients, one of hospitals' updates, and one with a sample.
const TASKS: [(&str, bool); 3] = [
    ("", false),
    ("strategy = { name = \"dp-fedavg\", sites = 4 }", true),
    ("strategy = { name = \"dp-sgd\", sample_rate = 0.25 }", false),
];

/// The provenance of a training by a strategy, with noise of four times its D, and its schema.
fn promised(strategy: &str, order: Option<u32>, terms: &Terms) -> (Provenance, Schema) {
    let schema: toml::Table = "one_row_per_patient = true\ncolumn = [\n\
         { name = \"age\", kind = \"numeric\", unit = \"years\", range = [0, 110] },\n\
         { name = \"dead\", kind = \"flag\" },\n]"
        .parse()
        .unwrap();
    let schema = Schema::from_toml(&schema).unwrap();
    let model = "{ name = \"logistic\", columns = [\"age\"], outcome = \"dead\" }";
    let params: toml::Table =
        format!("model = {model}\nsteps = 20\nseed = 1\nexpected_patients = 9\n{strategy}")
            .parse()
            .unwrap();
    let run = registry::open("train", 1, &params, &schema, &Finished::new()).unwrap();
    let query = run.query().unwrap();
    let d = query.sensitivity.unwrap() * u64::from(terms.hospitals_per_patient);
    let noise = NoisePlan {
        s: 4 * d,
        draws: if terms.coalition == Coalition::Nodes { 1 } else { 3 },
        q: query.rate,
        sensitivity: d,
        dimension: query.dimension() as u64,
        delta: 1e-5,
        order,
    };
    let plan = TaskPlan { id: "net".into(), steps: 20, spare_attempts: 5, noise };
    let mode = if terms.simulated { "simulation: plain sums in one process" } else { "nodes" };
    let most = terms.hospitals_per_patient.to_string();
    let data = Data {
        hospitals: 4,
        excluded: Vec::new(),
        patients: None,
        cohort: String::new(),
        schema_digest: String::new(),
        schema_inferred: false,
    };
    let provenance = Provenance {
        schema: PROVENANCE_SCHEMA.into(),
        task: making::task("train", 1, &params),
        mode: mode.into(),
        data,
        privacy: Guarantee::of(&plan, terms).unwrap(),
        figures: vec![making::public(HOSPITALS, most, "the manifest")],
        metrics: Vec::new(),
        notes: Vec::new(),
        journal: None,
    };
    (provenance, schema)
}

fn held(provenance: &Provenance, schema: &Schema, hides_hospital: bool) -> Result<(), String> {
    check(provenance, &Made { task: "train", schema, sums: 20, hides_hospital })
}

#[test]
fn every_promise_of_a_plan_follows_from_its_own_noise() {
    let coalitions = [Coalition::Nodes, Coalition::Masked(Some(4)), Coalition::Masked(None)];
    for (strategy, hides_hospital) in TASKS {
        for coalition in coalitions {
            for (order, hospitals_per_patient) in [(None, 1), (None, 2), (Some(8), 3)] {
                for simulated in [false, true] {
                    let terms = Terms {
                        coalition,
                        hides_hospital,
                        hospitals_per_patient,
                        simulated,
                        note: "n",
                    };
                    let (provenance, schema) = promised(strategy, order, &terms);
                    let found = held(&provenance, &schema, hides_hospital);
                    assert_eq!(found, Ok(()), "{strategy} {terms:?} {order:?}");
                }
            }
        }
    }
}

/// One change of a file that fits, by the pointer to what changes in its provenance.
#[test]
fn a_promise_that_its_own_noise_does_not_give_is_refused() {
    let (strategy, _) = TASKS[2];
    let (whole, schema) = promised(strategy, Some(8), &NODES);
    let whole = serde_json::to_value(&whole).unwrap();
    let number = |at: &str| whole.pointer(at).unwrap().as_f64().unwrap();
    let half = |at: &str| json!((number(at) / 2.0) as u64);
    let epsilon = number("/privacy/epsilon");
    for (at, other, says) in [
        ("/privacy/epsilon", json!(0.999 * epsilon), "its own noise gives"),
        ("/privacy/delta", json!(1e-7), "its own noise gives"),
        ("/privacy/delta", json!(0.0), "delta"),
        ("/privacy/noise/s", half("/privacy/noise/s"), "its own noise gives"),
        ("/privacy/noise/s", json!(1), "noise scale of 1"),
        ("/privacy/noise/attempts", json!(40), "its own noise gives"),
        ("/privacy/noise/attempts", json!(19), "its provenance charges 19"),
        ("/privacy/noise/draws", json!(0), "no draw"),
        ("/privacy/noise/draws", json!(2), "all nodes but one"),
        ("/privacy/noise/order", json!(9), "another accountant"),
        ("/privacy/noise/order", json!(null), "another accountant"),
        ("/privacy/noise/sensitivity", json!(0), "a sensitivity of 0"),
        ("/privacy/noise/sensitivity", half("/privacy/noise/sensitivity"), "its task has"),
        ("/privacy/noise/sampling", json!(0.1), "a sampling of 0.1"),
        ("/privacy/simulated", json!(true), "contradicts itself"),
        ("/privacy/unit", json!("hospital"), "another unit"),
        ("/privacy/adjacency", json!("one patient"), "another adjacency"),
        ("/figures/0/value", json!("2"), "another adjacency"),
        ("/figures/0/value", json!("two"), "no whole number"),
        ("/mode", json!("simulation"), "contradicts itself"),
        ("/task/name", json!("cox"), "no task train"),
        ("/task/params/steps", json!(0), "`steps`"),
        ("/task/params/strategy", json!({ "name": "fedavg" }), "bounds no patient"),
    ] {
        let mut file = whole.clone();
        *file.pointer_mut(at).unwrap() = other;
        let changed: Provenance = serde_json::from_value(file).unwrap();
        let said = held(&changed, &schema, false).expect_err(at);
        assert!(said.contains(says), "{at}: {said}");
    }
    // Who promises less than might be keeps it all the same.
    let mut loose = whole.clone();
    loose["privacy"]["epsilon"] = json!(2.0 * epsilon);
    assert_eq!(held(&serde_json::from_value(loose).unwrap(), &schema, false), Ok(()));
}
