//! How a column is made coarser: by what is public alone, so that every hospital does it alike.

use std::fmt;
use std::str::FromStr;

use haima_fl_core::schema::{Column, Kind};

/// Between levels that are put together.
const TOGETHER: &str = "|";
/// Between such groups.
const APART: &str = ";";
/// In place of a width: the column is left out.
const OUT: &str = "*";

/// A column that is made coarser.
#[derive(Clone, Debug, PartialEq)]
pub struct Generalisation {
    column: String,
    how: How,
}

#[derive(Clone, Debug, PartialEq)]
enum How {
    /// Bins of a width, one of which begins at 0.
    Bins(f64),
    /// Levels that become one; those that are not named stay as they are.
    Merged(Vec<Vec<String>>),
    /// All values become one.
    Out,
}

impl Generalisation {
    /// Bins of a width.
    pub(super) fn bins(column: &str, width: f64) -> Self {
        Self { column: column.to_owned(), how: How::Bins(width) }
    }

    /// Left out.
    pub(super) fn out(column: &str) -> Self {
        Self { column: column.to_owned(), how: How::Out }
    }

    /// The column's name.
    #[must_use]
    pub fn column(&self) -> &str {
        &self.column
    }

    /// Width of its bins, if it has some.
    pub(super) fn width(&self) -> Option<f64> {
        match self.how {
            How::Bins(width) => Some(width),
            How::Merged(_) | How::Out => None,
        }
    }

    /// Whether the column is left out.
    pub(super) fn is_out(&self) -> bool {
        self.how == How::Out
    }

    /// Whether it fits its column.
    ///
    /// # Errors
    /// What does not fit, and what does.
    pub(super) fn check(&self, column: &Column) -> Result<(), String> {
        match (&self.how, &column.kind) {
            (How::Out, _) | (How::Bins(_), Kind::Numeric { .. }) => Ok(()),
            (How::Merged(groups), Kind::Category { levels }) => {
                let mut seen = Vec::new();
                for level in groups.iter().flatten() {
                    if !levels.contains(level) {
                        let known = levels.iter().take(30).map(String::as_str).collect::<Vec<_>>();
                        return Err(format!("no level `{level}`; it has {}", known.join(", ")));
                    }
                    if seen.contains(&level) {
                        return Err(format!("the level `{level}` stands twice"));
                    }
                    seen.push(level);
                }
                Ok(())
            }
            (_, Kind::Numeric { .. }) => Err(format!(
                "a number has bins of a width ({0}=10), or is left out ({0}=*)",
                self.column
            )),
            (_, Kind::Flag) => Err(format!("a flag can only be left out ({}=*)", self.column)),
            (_, Kind::Category { .. }) => Err(format!(
                "levels are put together ({0}=A|B;C|D), or the column is left out ({0}=*)",
                self.column
            )),
        }
    }

    /// What a value becomes, which is not missing: equal values stay equal.
    pub(super) fn of(&self, value: f64, column: &Column) -> u64 {
        match &self.how {
            How::Out => 0,
            How::Bins(width) => exact((value / width).floor()),
            How::Merged(groups) => {
                let level = match &column.kind {
                    Kind::Category { levels } => levels.get(value as usize),
                    Kind::Numeric { .. } | Kind::Flag => None,
                };
                let group =
                    groups.iter().find(|group| level.is_some_and(|own| group.contains(own)));
                // A group is what its first level is.
                let first = group.and_then(|group| group.first());
                let of_first = first.and_then(|first| match &column.kind {
                    Kind::Category { levels } => levels.iter().position(|level| level == first),
                    Kind::Numeric { .. } | Kind::Flag => None,
                });
                exact(of_first.map_or(value, |at| at as f64))
            }
        }
    }
}

/// A number's bits, the same for both zeros.
pub(super) fn exact(value: f64) -> u64 {
    (value + 0.0).to_bits()
}

impl FromStr for Generalisation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "write COLUMN=WIDTH (age=10), COLUMN=A|B;C|D (levels put together) or COLUMN=* (left \
                    out)";
        let (column, how) = text.split_once('=').ok_or_else(|| form.to_owned())?;
        let (column, how) = (column.trim().to_owned(), how.trim());
        if column.is_empty() || how.is_empty() {
            return Err(form.to_owned());
        }
        if how == OUT {
            return Ok(Self { column, how: How::Out });
        }
        if let Ok(width) = how.parse::<f64>() {
            if !(width.is_normal() && width > 0.0) {
                return Err("a width is a number above 0".to_owned());
            }
            return Ok(Self { column, how: How::Bins(width) });
        }
        if !how.contains(TOGETHER) {
            return Err(form.to_owned());
        }
        let group = |text: &str| -> Vec<String> {
            text.split(TOGETHER).map(|level| level.trim().to_owned()).collect()
        };
        let groups: Vec<Vec<String>> = how.split(APART).map(group).collect();
        if groups.iter().any(|group| group.len() < 2) {
            return Err("a group has two levels or more, as A|B".to_owned());
        }
        Ok(Self { column, how: How::Merged(groups) })
    }
}

/// As it was written.
impl fmt::Display for Generalisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.column)?;
        match &self.how {
            How::Bins(width) => write!(f, "{width}"),
            How::Out => f.write_str(OUT),
            How::Merged(groups) => {
                let groups: Vec<String> = groups.iter().map(|group| group.join(TOGETHER)).collect();
                f.write_str(&groups.join(APART))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_shown_as_it_was() {
        for text in ["age=10", "age=0.5", "sex=*", "stage=I|II;III|IV", "genotype=HbSb+|HbSC"] {
            let own: Generalisation = text.parse().unwrap();
            assert_eq!(own.to_string(), text);
        }
        for text in
            ["age", "age=", "=10", "age=0", "age=-5", "age=inf", "stage=I", "stage=I|II;III"]
        {
            assert!(text.parse::<Generalisation>().is_err(), "{text}");
        }
    }

    #[test]
    fn bins_begin_at_zero_and_below_it() {
        let column = Column {
            name: "tpi".into(),
            label: "tpi".into(),
            kind: Kind::Numeric {
                unit: String::new(),
                range: (-10.0, 10.0),
                bins: vec![-10.0, 10.0],
            },
            missing: false,
            accepts: std::collections::BTreeMap::new(),
            synonyms: std::collections::BTreeMap::new(),
        };
        let bins = Generalisation::bins("tpi", 5.0);
        let of = |value| bins.of(value, &column);
        assert_eq!(of(0.0), of(4.9));
        assert_eq!(of(-0.0), of(0.0));
        assert_ne!(of(-0.1), of(0.0));
        assert_eq!(of(-5.0), of(-0.1));
        assert_ne!(of(5.0), of(4.9));
    }
}
