//! What a model predicts, in the words of the schema that its columns stand in.

use haima_fl_core::schema::{Kind, Schema};
use serde::Serialize;

use super::text::list_by;

/// A column that an outcome stands in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it means, where the schema says more than its name.
    pub label: Option<String>,
    /// Unit of a number, where the schema says it.
    pub unit: Option<String>,
}

/// What a model predicts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The outcome itself, or the event that may end a time.
    pub column: Column,
    /// Classes of a category, or what can end a time where that is more than one thing; empty for a
    /// flag.
    pub levels: Vec<String>,
    /// Time to the event or to the end of follow-up.
    pub time: Option<Column>,
    /// By when the event is asked about, in the unit of `time`.
    pub horizon: Option<f64>,
    /// Until when it is predicted, in the unit of `time`.
    pub until: Option<f64>,
}

/// How texts of a model file are written: names of columns, and all others.
pub(super) struct Style {
    /// A column's name.
    pub(super) name: fn(&str) -> String,
    /// A label, a level, a unit.
    pub(super) text: fn(&str) -> String,
}

impl Column {
    fn of(schema: &Schema, name: &str) -> Self {
        let column = schema.column(name).ok();
        let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self {
            name: name.to_owned(),
            label: column.and_then(|column| said(&column.label)).filter(|label| label != name),
            unit: column.and_then(|column| said(column.unit())),
        }
    }

    /// `time `time_days`: Follow-up`.
    fn named(&self, what: &str, style: &Style) -> String {
        let label = self.label.as_deref().map(style.text);
        let label = label.map_or(String::new(), |label| format!(": {label}"));
        format!("{what} {}{label}", (style.name)(&self.name))
    }
}

impl Outcome {
    /// The outcome of a model's parameters; `None` where it predicts none.
    pub(super) fn of(params: &toml::Table, schema: &Schema) -> Option<Self> {
        let column = |key: &str| {
            let name = params.get(key).and_then(toml::Value::as_str);
            name.map(|name| Column::of(schema, name))
        };
        let number = |value: &toml::Value| {
            value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))
        };
        let time = column("time");
        let own = match time {
            Some(_) => column("event")?,
            None => column("outcome")?,
        };
        let mut levels = match schema.column(&own.name).map(|column| &column.kind) {
            Ok(Kind::Category { levels }) => levels.clone(),
            _ => Vec::new(),
        };
        if time.is_some() {
            // The first of them means that nothing happened.
            levels = levels.into_iter().skip(1).collect();
        }
        let cuts = params.get("cuts").and_then(toml::Value::as_array);
        Some(Self {
            column: own,
            levels,
            time,
            horizon: params.get("horizon").and_then(number),
            until: cuts.and_then(|cuts| cuts.last()).and_then(number),
        })
    }

    /// In words for a screen: `Died within 365 days (event `death`, time `time_days`: Follow-up)`.
    #[must_use]
    pub fn in_words(&self) -> String {
        self.styled(&Style { name: |name| format!("`{name}`"), text: str::to_owned })
    }

    pub(super) fn styled(&self, style: &Style) -> String {
        let Self { column, levels, time, horizon, until } = self;
        let what = (style.text)(column.label.as_deref().unwrap_or(&column.name));
        let name = (style.name)(&column.name);
        let list = list_by(levels, style.text);
        let Some(time) = time else {
            return match levels.is_empty() {
                true => format!("{what}, yes or no (column {name})"),
                false => format!("{what}: {list} (column {name})"),
            };
        };
        let columns = format!("(event {name}, {})", time.named("time", style));
        let unit = time.unit.as_deref().map_or("units of the time".to_owned(), style.text);
        match (horizon, until) {
            (Some(horizon), _) => format!("{what} within {horizon} {unit} {columns}"),
            (None, until) => {
                let until = until.map_or(String::new(), |until| format!(", until {until} {unit}"));
                match levels.is_empty() {
                    true => format!("{what} over time{until} {columns}"),
                    false => format!("{what} over time, by cause: {list}{until} {columns}"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = "one_row_per_patient = true\n\
        [[column]]\nname = \"days\"\nkind = \"numeric\"\nunit = \"days\"\nrange = [0, 900]\n\
        label = \"Follow-up\"\n\
        [[column]]\nname = \"dead\"\nkind = \"flag\"\nlabel = \"Died\"\n\
        [[column]]\nname = \"end\"\nkind = \"category\"\nlevels = [\"none\", \"relapse\", \"death\"]\n";

    fn said(params: &str) -> String {
        let schema = Schema::from_toml(&SCHEMA.parse().unwrap()).unwrap();
        let outcome = Outcome::of(&params.parse().unwrap(), &schema);
        outcome.map_or("nothing".to_owned(), |outcome| outcome.in_words())
    }

    #[test]
    fn an_outcome_is_told_with_its_meaning_its_unit_and_its_columns() {
        let columns = "time = \"days\"\nevent = \"dead\"\n";
        assert_eq!(
            said(&format!("{columns}horizon = 365\n")),
            "Died within 365 days (event `dead`, time `days`: Follow-up)"
        );
        assert_eq!(
            said(&format!("{columns}cuts = [90, 365.5]\n")),
            "Died over time, until 365.5 days (event `dead`, time `days`: Follow-up)"
        );
        assert_eq!(said("outcome = \"dead\"\n"), "Died, yes or no (column `dead`)");
        assert_eq!(said("outcome = \"end\"\n"), "end: none, relapse, death (column `end`)");
        assert_eq!(said("columns = [\"dead\"]\n"), "nothing");
    }

    #[test]
    fn competing_risks_are_told_by_cause() {
        assert_eq!(
            said("time = \"days\"\nevent = \"end\"\ncuts = [365]\n"),
            "end over time, by cause: relapse, death, until 365 days (event `end`, time `days`: \
             Follow-up)"
        );
    }
}
