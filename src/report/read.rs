//! Reading a report back from its JSON: a stranger's file, so bounded in size and in its counts, which
//! drawing adds up.

use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::model::StudyReport;
use super::synthetic::{self, SyntheticReport};
use crate::Error;
use crate::model_file::bounded;

/// Largest file that is read.
pub const MOST_BYTES: u64 = 64 << 20;
/// Largest count in a list. As many as a file can hold add up without overflow.
const MOST_IN_LISTS: u64 = 1 << 36;
/// Largest number of bytes that a step or a round may have sent.
const MOST_SENT: u64 = 1 << 43;

/// A report of either kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// Of a study (`haima.report/1`).
    Study(Box<StudyReport>),
    /// On a set of virtual patients (`haima.synth-report/1`).
    Virtual(Box<SyntheticReport>),
}

/// The form of a file, before anything else of it is looked at.
#[derive(Deserialize)]
struct Form {
    #[serde(default)]
    schema: String,
}

/// Reads a report: its JSON, or a folder that holds one as `report.json`.
///
/// # Errors
/// When the file cannot be read, has more than [`MOST_BYTES`], is no report, or has counts that no
/// study has.
pub fn read(path: &Path) -> Result<Report, Error> {
    let inside = path.join("report.json");
    let path = if path.is_dir() { inside.as_path() } else { path };
    let bytes = bounded(path, MOST_BYTES)?;
    let fault = |problem: String| Error::config(path, problem);
    let unread = |error: serde_json::Error| {
        let reason = error.to_string();
        fault(format!("no report: {reason:.300}"))
    };
    let form: Form = serde_json::from_slice(&bytes).map_err(unread)?;
    let mut json = serde_json::Deserializer::from_slice(&bytes);
    Counts(u64::MAX).deserialize(&mut json).map_err(unread)?;
    let report = match form.schema.as_str() {
        super::SCHEMA => {
            serde_json::from_slice(&bytes).map(|report| Report::Study(Box::new(report)))
        }
        synthetic::SCHEMA => {
            serde_json::from_slice(&bytes).map(|report| Report::Virtual(Box::new(report)))
        }
        other => {
            return Err(fault(format!(
                "its schema is `{other:.60}`, which is no report of this version ({} or {}); give the \
                 report.json that a study wrote, or its folder",
                super::SCHEMA,
                synthetic::SCHEMA
            )));
        }
    };
    report.map_err(unread)
}

/// The same for a study's report alone.
///
/// # Errors
/// As [`read`], and for a report on virtual patients.
pub fn study(path: &Path) -> Result<StudyReport, Error> {
    match read(path)? {
        Report::Study(report) => Ok(*report),
        Report::Virtual(_) => {
            let problem = "is a report on virtual patients; give that of a study";
            Err(Error::config(path, problem))
        }
    }
}

/// Goes through a file without keeping it, and refuses whole numbers above this.
#[derive(Clone, Copy)]
struct Counts(u64);

impl<'de> DeserializeSeed<'de> for Counts {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Counts {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "a whole number of at most {}", self.0)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        match number <= self.0 {
            true => Ok(()),
            false => Err(E::custom(format!("{number} is no count that a study has"))),
        }
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Self(MOST_IN_LISTS))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let most = if key.starts_with("bytes") { MOST_SENT } else { u64::MAX };
            map.next_value_seed(Self(most)).map_err(|error| {
                <A::Error as serde::de::Error>::custom(format!("{key:.40}: {error}"))
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Report, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("report.json"), text).unwrap();
        read(folder.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_folder_is_read_by_its_report_and_comes_back_as_it_was() {
        let report = StudyReport::new("aml");
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(read_text(&text).unwrap(), Report::Study(Box::new(report)));
    }

    #[test]
    fn what_is_no_report_says_so() {
        assert!(read_text("[]").unwrap_err().contains("no report"));
        assert!(read_text("{\"schema\":\"haima.fit/1\"}").unwrap_err().contains("haima.report/1"));
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(read_text(&deep).is_err(), "no stack is deep enough");
    }

    #[test]
    fn counts_that_would_overflow_a_sum_are_refused() {
        let mut report = serde_json::to_value(StudyReport::new("aml")).unwrap();
        report["title"] = serde_json::json!([u64::MAX, u64::MAX]);
        let found = read_text(&report.to_string()).unwrap_err();
        assert!(found.contains("no count that a study has"), "{found}");
    }
}
