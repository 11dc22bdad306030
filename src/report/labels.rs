//! Labels that a study's schema gives where its words (`about.wording`) give none: of columns, of the
//! terms of a model, which R names by glueing (`sexM`), and of groups (`sex=M`).
//!
//! A term of a category says against which level it stands: `Sex: M (vs F)`.

use std::collections::BTreeMap;

use haima_fl_core::schema::{Column, Kind, Schema};

use super::model::Wording;
use super::{plot, words};

/// Labels that a schema gives, at most: they are part of a report.
const MOST: usize = 2_000;

/// Adds labels of columns and of models' terms. What has a label keeps it.
pub(crate) fn terms(wording: &mut Wording, schema: &Schema) {
    let mut found = Found::default();
    for column in &schema.columns {
        let label = label(wording, column);
        let per = wording.per.get(&column.name).map_or_else(String::new, |per| {
            let multiple = format!(", per {} {}", plot::tick_text(*per), column.unit());
            multiple.trim_end().to_owned()
        });
        found.add(column.name.clone(), format!("{label}{per}"));
        let Kind::Category { levels } = &column.kind else { continue };
        let said = |level: &String| {
            let own = wording.labels.get(&format!("{}={level}", column.name));
            own.unwrap_or(level).clone()
        };
        let Some(reference) = levels.first().map(said) else { continue };
        for level in levels.iter().skip(1) {
            let text = format!("{label}: {} (vs {reference})", said(level));
            found.add(format!("{}{level}", column.name), text);
        }
    }
    found.give(wording);
}

/// Adds labels of groups: `Sex: M` of a category, `Died: yes` of a flag.
pub(crate) fn groups(wording: &mut Wording, schema: &Schema) {
    let mut found = Found::default();
    for column in &schema.columns {
        let label = label(wording, column);
        let levels = column.levels().unwrap_or_default();
        for (place, level) in levels.iter().enumerate() {
            let said = match (&column.kind, place) {
                (Kind::Flag, 0) => "no",
                (Kind::Flag, _) => "yes",
                _ => level.as_str(),
            };
            found.add(format!("{}={level}", column.name), format!("{label}: {said}"));
        }
    }
    found.give(wording);
}

/// A column in the study's words, or the schema's; without the multiple that its ratio is shown in.
fn label(wording: &Wording, column: &Column) -> String {
    match wording.labels.contains_key(&column.name) {
        true => words::column(wording, &column.name),
        false => column.label.clone(),
    }
}

/// Labels by what they are of; `None` of what two things are called, such as a column `sexM` beside the
/// level `M` of `sex`: nobody knows which of them is meant.
#[derive(Default)]
struct Found(BTreeMap<String, Option<String>>);

impl Found {
    fn add(&mut self, key: String, label: String) {
        let room = self.0.len() < MOST;
        match self.0.get_mut(&key) {
            Some(twice) => *twice = None,
            None if room => {
                self.0.insert(key, Some(label));
            }
            None => {}
        }
    }

    fn give(self, wording: &mut Wording) {
        for (key, label) in self.0 {
            if let Some(label) = label.filter(|label| *label != key) {
                wording.labels.entry(key).or_insert(label);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(columns: &str) -> Schema {
        let text = format!("one_row_per_patient = true\ncolumn = [{columns}]");
        Schema::from_toml(&text.parse().unwrap()).unwrap()
    }

    const SEX: &str =
        r#"{ name = "sex", kind = "category", label = "Geschlecht", levels = ["m", "w"] }"#;
    const AGE: &str =
        r#"{ name = "age", kind = "numeric", label = "Age", unit = "years", range = [0, 110] }"#;
    const MALE: &str = r#"{ name = "male", kind = "flag", label = "Male sex" }"#;

    fn of(wording: &Wording, key: &str) -> String {
        words::term(wording, key)
    }

    #[test]
    fn a_term_says_its_column_its_level_and_the_reference() {
        let mut wording = Wording::default();
        wording.per.insert("age".into(), 10.0);
        terms(&mut wording, &schema(&[SEX, AGE, MALE].join(", ")));
        assert_eq!(of(&wording, "sexw"), "Geschlecht: w (vs m)");
        assert_eq!(of(&wording, "age"), "Age, per 10 years");
        assert_eq!(words::column(&wording, "age"), "Age");
        assert_eq!(of(&wording, "male:sexw"), "Male sex × Geschlecht: w (vs m)");
        assert_eq!(of(&wording, "sexm"), "sexm", "the reference has no term");
        assert!(!wording.labels.contains_key("sex=m"), "groups are another matter");
    }

    #[test]
    fn the_study_s_own_words_come_first() {
        let own = [("sex=m", "Men"), ("sex=w", "Women"), ("male", "Boys"), ("male=1", "A boy")];
        let own = own.map(|(key, label)| (key.to_owned(), label.to_owned()));
        let mut wording = Wording { labels: own.into(), ..Wording::default() };
        let schema = schema(&[SEX, MALE].join(", "));
        terms(&mut wording, &schema);
        groups(&mut wording, &schema);
        assert_eq!(of(&wording, "sexw"), "Geschlecht: Women (vs Men)");
        assert_eq!(of(&wording, "male"), "Boys");
        assert_eq!(of(&wording, "sex=w"), "Women");
        assert_eq!([of(&wording, "male=0"), of(&wording, "male=1")], ["Boys: no", "A boy"]);
    }

    #[test]
    fn what_two_things_are_called_has_no_label() {
        let twin = r#"{ name = "sexw", kind = "flag", label = "Something else" }"#;
        let mut wording = Wording::default();
        terms(&mut wording, &schema(&[SEX, twin].join(", ")));
        assert_eq!(of(&wording, "sexw"), "sexw");
        assert_eq!(of(&wording, "sex"), "Geschlecht");
    }
}
