//! The hospitals of a training: whose rows, by which schema.

use std::path::Path;

use haima_fl_core::schema::Schema;

use super::privacy::Target;
use super::{Request, parameters};
use crate::Error;
use crate::pooled::Table;
use crate::stats::hospitals::Hospitals;
use crate::stats::{self, Sites, Task, Template};

/// What was read.
pub(super) struct Data {
    pub(super) hospitals: Hospitals,
    /// The schema was made from the patients themselves.
    pub(super) schema_inferred: bool,
    /// Whom the study is about, by its template.
    pub(super) subject: Option<String>,
    /// What a reader has to know beside it.
    pub(super) notes: Vec<String>,
}

impl Data {
    /// Reads a request's files, after the task has been opened with their schema.
    ///
    /// # Errors
    /// When files, schema and task do not fit one another, or there is no telling the hospitals.
    pub(super) fn read(request: &Request, task: &Task, target: &Target) -> Result<Self, Error> {
        let fault = |problem: &str| Error::config(&request.task, problem);
        let template = request.schema.as_deref().map(Template::read).transpose()?;
        let subject = template.as_ref().and_then(|template| template.subject.clone());
        let (file, sites, notes) = match (request.data.as_slice(), &request.sites) {
            ([file], Some(sites)) => (file, sites.clone(), Vec::new()),
            ([file], None) => {
                let column = template.as_ref().and_then(|own| own.site_column.as_deref());
                let column = column.ok_or_else(|| one_file(file))?.to_owned();
                let note = format!("hospitals by `{column}`, the study's `site_column`");
                (file, Sites::Column(column), vec![note])
            }
            ([], _) => return Err(fault("give the hospitals' patients by --data")),
            (_, Some(_)) => {
                return Err(fault(
                    "--site and --deal split one file; several files are a hospital each",
                ));
            }
            (files, None) => {
                let template = template.ok_or_else(|| {
                    fault("several files need a --schema: what one shows may not hold in another")
                })?;
                let schema = Schema::from_toml(&template.schema)?;
                parameters::open(&request.task, task, &schema)?;
                let hospitals = Hospitals::of_files(files, template.schema, schema)?;
                return Ok(Self { hospitals, schema_inferred: false, subject, notes: Vec::new() });
            }
        };
        let table = Table::read(file)?;
        // Who named no column hears where it comes from.
        let named = |error: Error| match (&request.sites, error) {
            (None, Error::Config { file, problem }) => {
                let hint = "the column is the study's `site_column`; name another by --site, or \
                            deal rows by --deal";
                Error::Config { file, problem: format!("{problem}; {hint}") }
            }
            (_, error) => error,
        };
        let (site, of_row) = stats::rows_of(&table, &sites).map_err(named)?;
        let schema_inferred = template.is_none();
        if schema_inferred && *target != Target::Exact {
            return Err(fault(
                "[privacy]: ranges that come from the patients would leave without a charge; give \
                 a public --schema, or say `exact = true`",
            ));
        }
        let text = match template {
            Some(template) => template.schema_for(&sites),
            None => stats::inferred_schema(&table, site, task)?,
        };
        let schema = Schema::from_toml(&text)?;
        parameters::open(&request.task, task, &schema)?;
        let hospitals = Hospitals::of_table(&table, site, &of_row, text, schema)?;
        Ok(Self { hospitals, schema_inferred, subject, notes })
    }
}

/// One file, and nothing that says how it is split.
fn one_file(file: &Path) -> Error {
    let problem = "one file is a hospital; name the column of hospitals by --site, deal rows by \
                   --deal, give several files, or a study's template with a `site_column` as --schema";
    Error::config(file, problem)
}
