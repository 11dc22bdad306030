//! Opens a task by name and version: what a manifest may ask for is what stands here.
//!
//! No code travels. A network that wants another task adds it to its own binary, and its sites
//! install that binary.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::schema::Schema;
use crate::task::{Run, start};
use crate::tasks::{concordance, cox, hazard, km, logistic, meta, table1, validate};

/// The tasks of this binary with their versions.
pub const KNOWN: [(&str, u32); 8] = [
    (table1::NAME, table1::VERSION),
    (km::NAME, km::VERSION),
    (cox::NAME, cox::VERSION),
    (logistic::NAME, logistic::VERSION),
    (hazard::NAME, hazard::VERSION),
    (concordance::NAME, concordance::VERSION),
    (validate::NAME, validate::VERSION),
    (meta::NAME, meta::VERSION),
];

/// Starts a run of the named task. `finished` holds the outputs of the study's earlier tasks by
/// their manifest id.
///
/// # Errors
/// [`Error::UnknownTask`], or why the parameters cannot be used with this schema.
pub fn open(
    task: &str,
    version: u32,
    params: &toml::Table,
    schema: &Schema,
    finished: &BTreeMap<String, serde_json::Value>,
) -> Result<Box<dyn Run>, Error> {
    match (task, version) {
        (table1::NAME, table1::VERSION) => Ok(start(table1::Describe::new(params, schema)?)),
        (km::NAME, km::VERSION) => Ok(start(km::KaplanMeier::new(params, schema)?)),
        (cox::NAME, cox::VERSION) => Ok(start(cox::Cox::new(params, schema)?)),
        (logistic::NAME, logistic::VERSION) => Ok(start(logistic::Logistic::new(params, schema)?)),
        (hazard::NAME, hazard::VERSION) => Ok(start(hazard::Hazard::new(params, schema)?)),
        (concordance::NAME, concordance::VERSION) => {
            Ok(start(concordance::Concordance::new(params, schema, finished)?))
        }
        (validate::NAME, validate::VERSION) => validate::open(params, schema, finished),
        (meta::NAME, meta::VERSION) => Ok(start(meta::Meta::new(params, schema)?)),
        _ => {
            let known: Vec<String> =
                KNOWN.iter().map(|(name, version)| format!("{name} {version}")).collect();
            Err(Error::UnknownTask { task: task.to_owned(), version, known: known.join(", ") })
        }
    }
}
