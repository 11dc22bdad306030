//! A program's own tasks stand beside those of this crate, once and for all. A process of its own: what
//! is added stays.

use std::collections::BTreeMap;

use haima_fl_core::Error;
use haima_fl_core::learn::model::Model;
use haima_fl_core::learn::models;
use haima_fl_core::registry::{self, Finished};
use haima_fl_core::schema::Schema;
use haima_fl_core::task::{Run, start};
use haima_fl_core::tasks::table1::Describe;

const SCHEMA: &str = "one_row_per_patient = true\n[[column]]\nname = \"a\"\nkind = \"flag\"\n";

fn own(table: &toml::Table, schema: &Schema, _: &Finished) -> Result<Box<dyn Run>, Error> {
    Ok(start(Describe::new(table, schema)?))
}

#[test]
fn own_tasks_are_opened_by_name_added_once_and_take_no_name_of_ours() {
    let schema = Schema::from_toml(&SCHEMA.parse().expect("TOML")).expect("schema");
    let params: toml::Table = "columns = [\"a\"]".parse().expect("TOML");
    let open = || registry::open("own-table", 3, &params, &schema, &BTreeMap::new());
    assert!(matches!(open(), Err(Error::UnknownTask { .. })));
    assert!(!registry::reveals_rows("own-table", &params));

    let taken = registry::add(vec![("cox", 9, own)]).expect_err("a name of ours");
    assert!(taken.to_string().contains("taken"), "{taken}");
    let twice = registry::add(vec![("own-table", 3, own), ("own-table", 3, own)]);
    assert!(twice.is_err());
    assert!(open().is_err(), "a refusal adds nothing");

    registry::add(vec![("own-table", 3, own)]).expect("added");
    let query = open().expect("opened").query().expect("a question");
    assert_eq!(query.task, "table1", "the task's own name: here it is one of ours");
    assert!(registry::known().any(|known| known == ("own-table", 3)));
    assert!(registry::reveals_rows("own-table", &params), "allowed apart by every site");
    assert!(registry::add(vec![("another", 1, own)]).is_err(), "once");
}

/// Nobody here knows what the gradients of a stranger's model show of a patient.
#[test]
fn an_exact_training_of_an_own_model_has_to_be_allowed_apart() {
    let params = |model: &str| -> toml::Table {
        format!("model = {{ name = \"{model}\" }}").parse().expect("TOML")
    };
    let reveals = |model: &str| registry::reveals_rows("train", &params(model));
    assert!(!reveals("own-model"));
    models::add(vec![("own-model", 1, nothing)]).expect("added");
    assert!(reveals("own-model") && !reveals("logistic"));
}

fn nothing(_: &toml::Table, context: &models::Context<'_>) -> Result<Box<dyn Model>, Error> {
    let reason = "it is opened by nobody".to_owned();
    Err(Error::Params { task: context.task.to_owned(), reason })
}
