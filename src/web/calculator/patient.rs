//! From the fields of a form to a cohort of one patient, held against the schema as at intake.

use haima_fl_core::cohort::Cohort;
use haima_fl_core::schema::{Column, Kind, Schema};
use zeroize::Zeroizing;

use crate::web::form::Fields;

/// A field that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Its column's place; none where no one field is to blame.
    pub(super) column: Option<usize>,
    /// What is wrong, and what to do.
    pub(super) text: String,
}

/// Name of a column's field.
pub(super) fn field(place: usize) -> String {
    format!("v{place}")
}

/// Name of the field that holds the unit of a column's value.
pub(super) fn unit_field(place: usize) -> String {
    format!("u{place}")
}

/// The patient of a form.
///
/// # Errors
/// With every field that cannot be read.
pub(super) fn cohort(schema: &Schema, fields: &Fields) -> Result<Cohort, Vec<Wrong>> {
    let (mut values, mut wrong) = (Vec::with_capacity(schema.columns.len()), Vec::new());
    for (place, column) in schema.columns.iter().enumerate() {
        match value(column, fields.text(&field(place)), fields.text(&unit_field(place))) {
            Ok(value) => values.push(value),
            Err(text) => wrong.push(Wrong { column: Some(place), text }),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let names = schema.columns.iter().map(|column| column.name.as_bytes());
    let written = table(names, values.iter().map(|value| value.as_bytes()));
    let bytes = written.map(Zeroizing::new).map_err(|e| vec![none(e.to_string())])?;
    Cohort::from_reader("the form", bytes.as_slice(), schema).map_err(|e| vec![none(e.to_string())])
}

fn none(text: String) -> Wrong {
    Wrong { column: None, text }
}

fn table<'a>(
    head: impl Iterator<Item = &'a [u8]>,
    row: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(head)?;
    writer.write_record(row)?;
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// A value as intake reads it; blank where nothing was entered.
fn value(column: &Column, text: &str, unit: &str) -> Result<Zeroizing<String>, String> {
    if text.is_empty() {
        return Ok(Zeroizing::default());
    }
    match &column.kind {
        Kind::Numeric { unit: own, range: (low, high), .. } => {
            let factor = factor(column, unit)?;
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
            let number = number.ok_or_else(|| no_number(text))?;
            let number = number * factor;
            if !(*low..=*high).contains(&number) {
                return Err(format!(
                    "is outside {low} to {high} {own}, for which the model was made"
                ));
            }
            Ok(Zeroizing::new(number.to_string()))
        }
        Kind::Flag | Kind::Category { .. } => {
            let levels = column.levels().unwrap_or_default();
            let level = text.parse::<usize>().ok().and_then(|place| levels.into_iter().nth(place));
            level.map(Zeroizing::new).ok_or_else(|| "is none of the choices".to_owned())
        }
    }
}

/// What is wrong with a text that is no number: a decimal comma is told with the point in its place.
fn no_number(text: &str) -> String {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once(',') {
        Some((whole, rest)) if digits(whole.trim_start_matches('-')) && digits(rest) => {
            format!("has a decimal comma; write it with a decimal point: {whole}.{rest}")
        }
        _ => "is no number; write it with digits and a decimal point, as 70.5".to_owned(),
    }
}

/// What a value in the unit that was chosen is multiplied with, by the unit's place in the list.
fn factor(column: &Column, unit: &str) -> Result<f64, String> {
    let place = match unit {
        "" => 0,
        unit => unit.parse::<usize>().map_err(|_| "has a unit that is none of the choices")?,
    };
    if place == 0 {
        return Ok(1.0);
    }
    let factor = column.accepts.values().nth(place - 1).copied();
    factor.ok_or_else(|| "has a unit that is none of the choices".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        let text = "one_row_per_patient = true\n\
            [[column]]\nname = \"hb\"\nkind = \"numeric\"\nunit = \"g/dL\"\nrange = [3, 22]\n\
            missing = true\naccepts = { \"g/L\" = 0.1 }\n\
            [[column]]\nname = \"male\"\nkind = \"flag\"\nmissing = true\n\
            [[column]]\nname = \"risk\"\nkind = \"category\"\nmissing = true\n\
            levels = [\"low\", \"high, with \\\"x\\\"\"]\n";
        Schema::from_toml(&text.parse().unwrap()).unwrap()
    }

    fn read(pairs: &[(&str, &str)]) -> Result<Cohort, Vec<Wrong>> {
        cohort(&schema(), &Fields::of(pairs))
    }

    fn values(pairs: &[(&str, &str)]) -> [Option<f64>; 3] {
        let cohort = read(pairs).unwrap();
        ["hb", "male", "risk"].map(|column| cohort.value(column, 0))
    }

    #[test]
    fn a_form_is_a_patient_in_the_schemas_units_and_levels() {
        let all = [("v0", "120"), ("u0", "1"), ("v1", "1"), ("v2", "1")];
        assert_eq!(values(&all), [Some(12.0), Some(1.0), Some(1.0)]);
        assert_eq!(values(&[("v0", " 12.5 ")]), [Some(12.5), None, None]);
        assert_eq!(values(&[("v2", "0"), ("v1", "0")]), [None, Some(0.0), Some(0.0)]);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_field() {
        for (pairs, column, text) in [
            ([("v0", "12,5"), ("v1", "")], 0, "write it with a decimal point: 12.5"),
            ([("v0", "12,x"), ("v1", "")], 0, "no number"),
            ([("v0", "NaN"), ("v1", "")], 0, "no number"),
            ([("v0", "120"), ("v1", "")], 0, "outside 3 to 22 g/dL"),
            ([("v0", "12"), ("u0", "7")], 0, "unit"),
            ([("v0", ""), ("v1", "2")], 1, "choices"),
            ([("v0", ""), ("v2", "x")], 2, "choices"),
        ] {
            let wrong = read(&pairs).unwrap_err();
            let [one] = &wrong[..] else { panic!("{wrong:?}") };
            assert_eq!(one.column, Some(column));
            assert!(one.text.contains(text), "{one:?}");
        }
        assert_eq!(read(&[("v0", "x"), ("v1", "x")]).unwrap_err().len(), 2);
    }
}
