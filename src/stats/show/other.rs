//! Any other result, field by field: single values as lines, lists of objects and equally long
//! lists of numbers as tables.

use serde_json::{Map, Value};

use crate::report::numbers;
use crate::text;

/// What is printed elsewhere.
const ELSEWHERE: [&str; 6] = ["schema", "mode", "excluded", "privacy", "notes", "pooled"];
/// Lines of a table that are printed; the rest is in the JSON.
const MOST_LINES: usize = 40;

pub(super) fn show(result: &Map<String, Value>) -> String {
    let mut shown = String::new();
    let (mut single, mut tables) = (Vec::new(), Vec::new());
    for (key, value) in result.iter().filter(|(key, _)| !ELSEWHERE.contains(&key.as_str())) {
        match value {
            Value::Null => {}
            Value::Object(inner) => {
                tables.push(format!("\n{key}\n{}", indented(&show(inner))));
            }
            Value::Array(values) => tables.push(format!("\n{key}\n{}", indented(&list(values)))),
            value => single.push(vec![format!("{key}:"), cell(value)]),
        }
    }
    for line in &single {
        shown.push_str(&line.join(" "));
        shown.push('\n');
    }
    shown.push_str(&tables.concat());
    shown
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn list(values: &[Value]) -> String {
    let objects: Vec<&Map<String, Value>> = values.iter().filter_map(Value::as_object).collect();
    if objects.len() < values.len() || values.is_empty() {
        let cells: Vec<String> = values.iter().map(cell).collect();
        return format!("{}\n", cells.join("  "));
    }
    let flat = |value: &&Value| !matches!(value, Value::Array(_) | Value::Object(_));
    if !objects.iter().all(|object| object.values().all(|value| flat(&value))) {
        return objects.iter().map(|object| columns(object)).collect::<Vec<_>>().join("\n");
    }
    let keys: Vec<&String> =
        objects.first().map(|first| first.keys().collect()).unwrap_or_default();
    let mut rows = vec![keys.iter().map(|key| (*key).clone()).collect::<Vec<_>>()];
    rows.extend(objects.iter().take(MOST_LINES).map(|object| {
        keys.iter().map(|key| object.get(*key).map_or_else(String::new, cell)).collect()
    }));
    format!("{}{}", text::columns(&rows), more(objects.len()))
}

/// An object whose lists are as long as one another: a table with a column a list.
fn columns(object: &Map<String, Value>) -> String {
    let lists: Vec<(&String, &Vec<Value>)> =
        object.iter().filter_map(|(key, value)| Some((key, value.as_array()?))).collect();
    let len = lists.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
    let mut head = object.clone();
    head.retain(|_, value| !value.is_array());
    let mut rows = vec![lists.iter().map(|(key, _)| (*key).clone()).collect::<Vec<_>>()];
    rows.extend((0..len.min(MOST_LINES)).map(|i| {
        lists.iter().map(|(_, values)| values.get(i).map_or_else(String::new, cell)).collect()
    }));
    format!("{}{}{}", show(&head), text::columns(&rows), more(len))
}

fn more(len: usize) -> String {
    match len.saturating_sub(MOST_LINES) {
        0 => String::new(),
        rest => format!("... and {rest} more lines (--json has all)\n"),
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(count), _) => numbers::count(count),
            (_, Some(value)) if value != 0.0 && value.abs() < 1e-4 => numbers::scientific(value),
            (_, Some(value)) => numbers::significant(value),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}
