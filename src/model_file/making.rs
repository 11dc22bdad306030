//! What a task says of a model's making, whether `haima train`, `haima synth fit` or a study ran it:
//! its parameters, its schema, and every number that went in (rule S4).

use haima_crypto::encode::{Digest, Encoder};
use haima_fl_core::learn::figures::Class;
use haima_fl_core::results::network::Network;
use haima_fl_core::synth::domain::{Attribute, Domain, Kind};
use haima_fl_core::synth::metrics::edges;

use super::Figure;
use crate::Error;

/// Values of a list that a figure quotes.
const MOST_QUOTED: usize = 200;

/// Digest of a text under a label.
pub(crate) fn digest(label: &str, text: &str) -> Digest {
    let mut to = Encoder::new(label);
    to.str(text);
    Digest::of(&to.finish())
}

/// Digest of a schema as a study's manifest has it.
///
/// # Errors
/// When it holds what JSON cannot say.
pub(crate) fn schema_digest(schema: &toml::Table) -> Result<String, Error> {
    let text = serde_json::to_string(schema)
        .map_err(|error| Error::Config { file: "the schema".into(), problem: error.to_string() })?;
    Ok(digest("haima schema text 1", &text).to_string())
}

/// A task as a provenance has it.
pub(crate) fn task(name: &str, version: u32, params: &toml::Table) -> toml::Table {
    let mut task = toml::Table::new();
    task.insert("name".into(), name.into());
    task.insert("version".into(), i64::from(version).into());
    task.insert("params".into(), params.clone().into());
    task
}

/// A public number and where it stands.
pub(crate) fn public(name: &str, value: String, stands_in: &str) -> Figure {
    Figure { name: name.into(), value, origin: format!("public: {stands_in}") }
}

/// Every number of a task's parameters, which stand in a task file or a manifest.
pub(crate) fn of_params(params: &toml::Table, stands_in: &str) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (key, value) in params {
        collect(key, value, stands_in, &mut figures);
    }
    figures
}

/// The figures of each input, with the tasks that they come from.
pub(crate) fn of_inputs(network: &Network, schema_inferred: bool) -> Vec<Figure> {
    let range = match schema_inferred {
        true => "local: a range inferred from the patients, without a charge",
        false => "public: the schema's range and levels",
    };
    let inputs = network.model.terms.iter().map(|term| {
        let missing = term.missing.map_or(String::new(), |value| format!(", missing is {value}"));
        let origins: Vec<String> = term
            .figures
            .iter()
            .map(|used| match used.class {
                Class::Charged => format!("charged: task {}", used.task),
                Class::Exact => format!("exact, not charged: task {}", used.task),
            })
            .collect();
        Figure {
            name: format!("input {}", term.name),
            value: format!("center {}, scale {}{missing}", term.center, term.scale),
            origin: if origins.is_empty() { range.into() } else { origins.join("; ") },
        }
    });
    inputs.collect()
}

/// The bins of each number and each time of a generator's domain.
pub(crate) fn of_domain(domain: &Domain, schema_inferred: bool) -> Vec<Figure> {
    let origin = match schema_inferred {
        true => "local: bins of a range inferred from the patients, without a charge",
        false => "public: the schema's range, and bins of it or of the task",
    };
    let bins = |attribute: &Attribute| {
        let edges = match &attribute.kind {
            Kind::Number { edges, .. } | Kind::Survival { edges, .. } => edges,
            Kind::Levels { .. } => return None,
        };
        let name = format!("bins of {}", attribute.name);
        Some(Figure { name, value: edges::texts(edges).join(", "), origin: origin.into() })
    };
    domain.attributes.iter().filter_map(bins).collect()
}

fn collect(path: &str, value: &toml::Value, stands_in: &str, to: &mut Vec<Figure>) {
    let is_number = |value: &toml::Value| value.is_integer() || value.is_float();
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                collect(&format!("{path}.{key}"), value, stands_in, to);
            }
        }
        toml::Value::Array(items) if items.iter().any(is_number) => {
            let mut texts: Vec<String> =
                items.iter().take(MOST_QUOTED).map(ToString::to_string).collect();
            if let more @ 1.. = items.len().saturating_sub(MOST_QUOTED) {
                texts.push(format!("and {more} more"));
            }
            to.push(public(path, texts.join(", "), stands_in));
        }
        toml::Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                collect(&format!("{path}[{at}]"), item, stands_in, to);
            }
        }
        value if is_number(value) => to.push(public(path, value.to_string(), stands_in)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_the_parameters_is_there_however_deep() {
        let params =
            "steps = 3\nmodel = { name = \"mlp\", hidden = [8, 4], branch = [{ width = 2 }] }";
        let figures = of_params(&params.parse().unwrap(), "the manifest");
        let mut found: Vec<(&str, &str)> =
            figures.iter().map(|figure| (figure.name.as_str(), figure.value.as_str())).collect();
        found.sort_unstable();
        assert_eq!(
            found,
            [("model.branch[0].width", "2"), ("model.hidden", "8, 4"), ("steps", "3")]
        );
        assert!(figures.iter().all(|figure| figure.origin == "public: the manifest"));
    }

    #[test]
    fn bins_of_numbers_and_times_are_figures_and_levels_are_none() {
        let domain = serde_json::json!({ "attributes": [
            { "name": "age", "missing": true, "kind": { "number": { "edges": [0.0, 50.5, 110.0], "decimals": 0 } } },
            { "name": "sex", "missing": false, "kind": { "levels": { "levels": ["F", "M"], "flag": false, "ordered": false } } },
            { "name": "t x d", "missing": false, "kind": { "survival": {
                "time": "t", "event": "d", "edges": [0.0, 9.0], "events": ["0", "1"], "decimals": 0,
            } } },
        ] });
        let domain: Domain = serde_json::from_value(domain).unwrap();
        for (inferred, from) in [(false, "public: "), (true, "local: ")] {
            let figures = of_domain(&domain, inferred);
            let said: Vec<_> = figures.iter().map(|own| (&*own.name, &*own.value)).collect();
            assert_eq!(said, [("bins of age", "0, 50.5, 110"), ("bins of t x d", "0, 9")]);
            assert!(figures.iter().all(|figure| figure.origin.starts_with(from)), "{figures:?}");
        }
    }

    #[test]
    fn a_long_list_is_cut_and_says_so() {
        let cuts: Vec<toml::Value> = (0..250).map(toml::Value::Integer).collect();
        let params = toml::Table::from_iter([("cuts".to_owned(), cuts.into())]);
        let figures = of_params(&params, "the task file");
        assert!(figures[0].value.ends_with("199, and 50 more"), "{}", figures[0].value);
    }
}
