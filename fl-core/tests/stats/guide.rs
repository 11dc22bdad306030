//! The examples of `docs/guide.md` are TOML that the registry opens, and its table names every task.

use std::path::Path;

use haima_fl_core::registry;
use haima_fl_core::schema::Schema;
use serde_json::json;

use crate::common::{schema, table};

/// The columns that the examples name, unless they come with a schema of their own.
const COLUMNS: &str = r#"
    one_row_per_patient = true
    column = [
        { name = "months", kind = "numeric", range = [0, 240] },
        { name = "dead", kind = "flag" },
        { name = "ending", kind = "category", levels = ["censored", "leukaemia", "death"] },
        { name = "age", kind = "numeric", range = [0, 110], missing = true },
        { name = "hb", kind = "numeric", range = [0, 25], missing = true },
        { name = "sex", kind = "category", levels = ["F", "M"] },
        { name = "arm", kind = "flag" },
        { name = "response", kind = "flag" },
        { name = "tp53", kind = "flag" },
        { name = "npm1", kind = "flag" },
        { name = "crises", kind = "numeric", range = [0, 50] },
        { name = "years", kind = "numeric", range = [0, 20] },
        { name = "transplanted", kind = "flag" },
    ]
"#;

fn guide() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide.md");
    std::fs::read_to_string(path).expect("the guide")
}

#[test]
fn every_task_of_the_guide_is_opened_by_the_registry() {
    let fit = json!({
        "schema": "haima.fit/1", "model": "logistic", "formula": "arm ~ age", "n": 1, "events": 1,
        "sites": 1, "ties": "", "strata": "", "loglik": 0.0, "loglik_null": 0.0, "iterations": 1,
        "terms": [{ "name": "age", "coef": 0.1, "se": 1.0, "hr": 1.0, "lo": 1.0, "hi": 1.0,
            "z": 0.0, "p": 1.0 }],
    });
    let finished = [("propensity".to_owned(), fit)].into();
    let guide = guide();
    let blocks = guide.split("```").skip(1).step_by(2).filter_map(|b| b.strip_prefix("toml\n"));
    let mut opened = 0;
    for block in blocks.map(table) {
        let Some(tasks) = block.get("task").and_then(toml::Value::as_array) else { continue };
        let schema = match block.get("schema").and_then(toml::Value::as_table) {
            Some(own) => Schema::from_toml(own).expect("schema"),
            None => schema(COLUMNS),
        };
        for task in tasks {
            let name = task["task"].as_str().expect("name");
            let params = task["params"].as_table().expect("params");
            let run = registry::open(name, 1, params, &schema, &finished);
            let run = run.unwrap_or_else(|error| panic!("{}: {error}", task["id"]));
            let private = run.query().expect("a question").sensitivity.is_some();
            assert_eq!(private, task.get("privacy").is_some(), "{}", task["id"]);
            opened += 1;
        }
    }
    assert!(opened >= 11, "{opened}");
}

#[test]
fn the_guides_table_names_every_task_of_this_binary() {
    let guide = guide();
    for (name, _) in registry::known() {
        assert!(guide.contains(&format!("\n| `{name}`")), "{name}");
    }
}
