//! What a network knows of a domain, and levels of what it draws.
//!
//! A network learns a cohort's values, not levels. It is opened with the domain's columns, so a file
//! that has the domain and the weights needs no other schema.

use super::{Attribute, Domain, Kind, bin, index};
use crate::schema::Schema;

impl Domain {
    /// A study's schema with the columns of the domain as [`Domain::schema`] has them: whoever has the
    /// domain alone opens the same network. Values of a cohort mean the same under both.
    #[must_use]
    pub fn over(&self, schema: &Schema) -> Schema {
        let own = self.schema();
        let mut over = schema.clone();
        for column in &mut over.columns {
            if let Ok(known) = own.column(&column.name) {
                column.kind = known.kind.clone();
            }
        }
        over
    }

    /// The level of each attribute for drawn values, one a column of [`Domain::header`], as a cohort
    /// holds them. A number beyond the bins counts as their end. `None`: another number of values, or
    /// one that is no number or no level.
    #[must_use]
    pub fn nearest(&self, values: &[f64]) -> Option<Vec<u16>> {
        let mut values = values.iter().copied();
        let levels: Option<Vec<u16>> =
            self.attributes.iter().map(|attribute| level(attribute, &mut values)).collect();
        levels.filter(|_| values.next().is_none())
    }
}

fn level(attribute: &Attribute, values: &mut impl Iterator<Item = f64>) -> Option<u16> {
    let level = match &attribute.kind {
        Kind::Number { edges, .. } => bin(edges, within(edges, values.next()?)?)?,
        Kind::Levels { levels, .. } => index(levels.len(), values.next()?)?,
        Kind::Survival { edges, events, .. } => {
            let (time, event) = (values.next()?, values.next()?);
            bin(edges, within(edges, time)?)? * events.len() + index(events.len(), event)?
        }
    };
    u16::try_from(level).ok()
}

/// The nearest number within the bins.
fn within(edges: &[f64], value: f64) -> Option<f64> {
    let (low, high) = (*edges.first()?, *edges.last()?);
    (!value.is_nan()).then(|| value.max(low).min(high))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"
        patient = "id"
        [[column]]
        name = "age"
        kind = "numeric"
        range = [0, 100]
        [[column]]
        name = "other"
        kind = "flag"
        [[column]]
        name = "time"
        kind = "numeric"
        range = [0, 10]
        [[column]]
        name = "end"
        kind = "category"
        levels = ["0", "1"]
    "#;

    fn domain() -> (Domain, Schema) {
        let schema = Schema::from_toml(&SCHEMA.parse().unwrap()).unwrap();
        let params = "columns = [\"age\"]\nbins = { age = [50] }\n\
                      survival = [{ time = \"time\", event = \"end\", cuts = 5 }]";
        (Domain::of_params(&params.parse().unwrap(), &schema).unwrap(), schema)
    }

    #[test]
    fn what_lies_beyond_the_bins_counts_as_their_end_and_what_is_no_value_as_nothing() {
        let (domain, _) = domain();
        assert_eq!(domain.header(), ["age", "time", "end"]);
        for (values, levels) in [
            ([49.9, 0.0, 1.0], Some([0, 1])),
            ([-7.0, -1.0, 0.0], Some([0, 0])),
            ([f64::INFINITY, 1e9, 1.0], Some([1, 9])),
            ([f64::NAN, 1.0, 1.0], None),
            ([1.0, 1.0, 2.0], None),
            ([1.0, 1.0, 0.5], None),
        ] {
            let found = domain.nearest(&values);
            assert_eq!(found.as_deref(), levels.as_ref().map(<[u16; 2]>::as_slice), "{values:?}");
        }
        assert_eq!(domain.nearest(&[1.0, 1.0]), None);
        assert_eq!(domain.nearest(&[1.0, 1.0, 1.0, 1.0]), None);
    }

    /// The domain alone cannot tell a flag from a category of `0` and `1`.
    #[test]
    fn whoever_has_the_domain_alone_has_the_same_columns() {
        let (domain, schema) = domain();
        let over = domain.over(&schema);
        assert_ne!(over, schema);
        assert_eq!((&over.patient, over.columns.len()), (&schema.patient, 4));
        for column in &domain.schema().columns {
            assert_eq!(over.column(&column.name).unwrap().kind, column.kind);
        }
    }
}
