//! Nothing that a sum, a manifest's parameters or a schema holds can panic a task.

use haima_fl_core::schema::Schema;
use haima_fl_core::sum::Sum;
use proptest::prelude::*;

use crate::common::{LEUKSURV, MGUS2, open, schema};

const TASKS: [(&str, &str); 5] = [
    ("table1", "columns = [\"age\", \"wbc\", \"male\"]\nby = \"male\""),
    ("km", "time = \"time_days\"\nevent = \"death\"\ngrid = 250.0\nby = \"male\""),
    ("cox", "time = \"time_days\"\nevent = \"death\"\ncovariates = [\"age\", \"male\", \"wbc\"]"),
    ("glm", "outcome = \"death\"\ncovariates = [\"age\", \"male\", \"wbc\"]"),
    ("km", "time = \"time_days\"\nevent = \"death\"\ngrid = 5000"),
];

fn integer() -> impl Strategy<Value = i128> {
    prop_oneof![
        Just(i128::MIN),
        Just(i128::MAX),
        Just(0),
        Just(1),
        Just(-1),
        any::<i128>(),
        -100..100i128,
        (any::<i64>()).prop_map(i128::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_sum_panics_a_task(
        which in 0..TASKS.len(),
        integers in prop::collection::vec(integer(), 1..64),
        sites in any::<u32>(),
    ) {
        let (name, params) = TASKS[which];
        let mut run = open(name, params, &schema(LEUKSURV)).expect("task");
        let mut supply = integers.iter().copied().cycle();
        for _ in 0..6 {
            let Some(query) = run.query() else { break };
            let integers: Vec<i128> = supply.by_ref().take(query.dimension()).collect();
            let sum = Sum::new(&query, integers, sites).expect("length");
            if run.absorb(&sum).is_err() {
                break;
            }
        }
    }

    #[test]
    fn a_sum_for_another_query_is_refused(
        which in 0..TASKS.len(),
        other in 0..TASKS.len(),
    ) {
        let schema = schema(LEUKSURV);
        let [mut run, other_run] = [which, other].map(|at| {
            let (name, params) = TASKS[at];
            open(name, params, &schema).expect("task")
        });
        let foreign = other_run.query().expect("running");
        let sum = Sum::new(&foreign, vec![1; foreign.dimension()], 3).expect("length");
        let answer = run.absorb(&sum);
        prop_assert!(run.query().as_ref().is_none_or(|q| q.blocks == foreign.blocks), "{answer:?}");
    }

    #[test]
    fn no_parameters_panic_a_task(
        name in "table1|km|cox|glm|.{0,9}",
        keys in prop::collection::vec((
            prop_oneof![
                Just("time"), Just("event"), Just("by"), Just("grid"), Just("covariates"),
                Just("columns"), Just("ties"), Just("strata"), Just("outcome"), Just("horizon"),
                Just("entry"), Just("max_iterations"), Just("surprise"),
            ],
            prop_oneof![
                Just("\"futime\"".to_owned()), Just("\"death\"".to_owned()),
                Just("\"sex\"".to_owned()), Just("[\"age\", \"hgb\", \"sex\"]".to_owned()),
                Just("[]".to_owned()), Just("nan".to_owned()), Just("-inf".to_owned()),
                Just("1e-300".to_owned()), Just("0".to_owned()), Just("-1".to_owned()),
                Just("5".to_owned()), Just("1e300".to_owned()), Just("\"efron\"".to_owned()),
                any::<f64>().prop_filter("TOML", |x| x.is_finite()).prop_map(|x| format!("{x:?}")),
                "[a-z]{0,8}".prop_map(|text| format!("\"{text}\"")),
            ],
        ), 0..7),
    ) {
        let mut params = toml::Table::new();
        for (key, value) in keys {
            if let Ok(one) = format!("{key} = {value}").parse::<toml::Table>() {
                params.extend(one);
            }
        }
        let opened = haima_fl_core::registry::open(
            &name, 1, &params, &schema(MGUS2), &std::collections::BTreeMap::new(),
        );
        if let Ok(run) = opened {
            prop_assert!(run.query().is_some_and(|query| query.dimension() < 1 << 22));
        }
    }

    #[test]
    fn no_schema_panics(
        range in (any::<f64>(), any::<f64>()),
        bins in prop::collection::vec(any::<f64>(), 0..4),
        levels in prop::collection::vec("[a-c]{0,2}", 0..4),
        kind in prop_oneof![Just("numeric"), Just("flag"), Just("category"), Just("other")],
        name in ".{0,3}",
    ) {
        let mut column = toml::Table::new();
        column.insert("name".to_owned(), name.into());
        column.insert("kind".to_owned(), kind.into());
        if kind != "category" {
            column.insert("range".to_owned(), vec![range.0, range.1].into());
            column.insert("bins".to_owned(), bins.into());
        }
        if kind != "numeric" {
            column.insert("levels".to_owned(), levels.into());
        }
        let mut table = toml::Table::new();
        table.insert("one_row_per_patient".to_owned(), true.into());
        table.insert("column".to_owned(), toml::Value::Array(vec![column.into()]));
        let _ = Schema::from_toml(&table);
    }
}
