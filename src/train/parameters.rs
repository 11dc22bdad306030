//! The parameters of a training as its task file has them: a run of the task, or what is wrong, with
//! the file and the key.

use std::path::Path;

use haima_fl_core::learn::strategies::{dp_sgd, newton};
use haima_fl_core::schema::Schema;
use haima_fl_core::selection;
use haima_fl_core::task::Run;
use haima_fl_core::tasks::train;

use crate::Error;
use crate::stats::{self, Task};

/// Key of the public number of patients.
const EXPECTED: &str = "expected_patients";

/// A run of the task at its start.
///
/// # Errors
/// When a parameter cannot be used, which is told of the task file.
pub(super) fn open(file: &Path, task: &Task, schema: &Schema) -> Result<Box<dyn Run>, Error> {
    stats::open(task, schema).map_err(|error| match error {
        haima_fl_core::Error::Params { reason, .. } => Error::config(file, worded(task, &reason)),
        haima_fl_core::Error::UnknownColumn { .. } => Error::config(file, error.to_string()),
        error => error.into(),
    })
}

/// A whole number among the parameters; 0 where there is none.
pub(super) fn whole(task: &Task, key: &str) -> u64 {
    let value = task.params.get(key).and_then(toml::Value::as_integer);
    value.and_then(|value| u64::try_from(value).ok()).unwrap_or(0)
}

/// The public guess of the training patients where the strategy divides its sums by it, so that a
/// wrong one is felt; 0 where it does not.
pub(super) fn divisor(task: &Task) -> u64 {
    match strategy(task) {
        dp_sgd::NAME | newton::NAME => whole(task, EXPECTED),
        _ => 0,
    }
}

fn strategy(task: &Task) -> &str {
    let name = task.params.get("strategy").and_then(|own| own.get("name"));
    name.and_then(toml::Value::as_str).unwrap_or(dp_sgd::NAME)
}

fn worded(task: &Task, reason: &str) -> String {
    if reason.starts_with(&format!("`{EXPECTED}`")) {
        let strategy = strategy(task);
        return format!(
            "`{EXPECTED}` is missing or 0, and the strategy {strategy} needs it: a public guess of \
             the training patients at all hospitals together, by which its sums are divided; write \
             one under [params], and do not count"
        );
    }
    match key_of_another_type(&task.params) {
        Some(key) => format!("{key}: {reason}"),
        None => reason.to_owned(),
    }
}

/// The key of a value of another type than the task wants: its message has the types alone.
fn key_of_another_type(params: &toml::Table) -> Option<String> {
    let mut own = params.clone();
    own.remove(selection::KEY);
    let read: Result<train::Params, toml::de::Error> = own.try_into();
    // The last line is: in `early_stopping.patience`
    let said = read.err()?.to_string();
    said.lines().find_map(|line| line.strip_prefix("in ")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_counts_where_sums_are_divided_by_it() {
        let of = |strategy: &str| {
            let params = format!("expected_patients = 700\n{strategy}").parse().unwrap();
            divisor(&Task { name: train::NAME.into(), version: train::VERSION, params })
        };
        assert_eq!(of(""), 700);
        let known = [("dp-sgd", 700), ("dp-newton", 700), ("dp-fedavg", 0), ("fedavg", 0)];
        for (name, counts) in known {
            assert_eq!(of(&format!("strategy = {{ name = \"{name}\" }}")), counts, "{name}");
        }
    }

    fn key(text: &str) -> Option<String> {
        key_of_another_type(&text.parse().unwrap())
    }

    #[test]
    fn a_value_of_another_type_has_its_key() {
        let rest = "seed = 1\n[model]\nname = \"cox\"\n";
        assert_eq!(key(&format!("steps = \"10\"\n{rest}")).as_deref(), Some("`steps`"));
        let nested = format!("steps = 10\n{rest}[early_stopping]\npatience = \"5\"\n");
        assert_eq!(key(&nested).as_deref(), Some("`early_stopping.patience`"));
        assert_eq!(key(&format!("steps = 10\n{rest}[cohort]\ninclude = []\n")), None);
    }
}
