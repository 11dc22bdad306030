//! The hospitals of a training: whose rows, by which schema.

use std::path::{Path, PathBuf};

use haima_fl_core::schema::Schema;

use super::privacy::Target;
use super::{Request, parameters};
use crate::Error;
use crate::pooled::Table;
use crate::report::numbers;
use crate::stats::hospitals::{Hospitals, name_of};
use crate::stats::{self, Public, Sites, Task, Template};

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
        let public = template.as_ref().map(|template| template.public).unwrap_or_default();
        let promising = |hospitals: Hospitals, file: &Path| match target {
            Target::Exact => Ok(hospitals),
            Target::Dp { .. } => hospitals.promising(public, file),
        };
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
                let notes = sharing(&hospitals, files, public, *target)?;
                let hospitals = promising(hospitals, files.first().unwrap_or(&request.task))?;
                return Ok(Self { hospitals, schema_inferred: false, subject, notes });
            }
        };
        let table = Table::read(file)?;
        // Who named no column hears where it comes from.
        let named = |error: Error| match (&request.sites, error) {
            (None, Error::Data { file, problem }) => {
                let hint = "the column is the study's `site_column`; name another by --site, or \
                            deal rows by --deal";
                Error::Data { file, problem: format!("{problem}; {hint}") }
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
        let hospitals = promising(hospitals, file)?;
        Ok(Self { hospitals, schema_inferred, subject, notes })
    }
}

/// A patient whom several files have: a promise that counts on fewer hospitals would not hold for
/// that one, so it is refused (rule S1); without a promise it is said. The key is not.
fn sharing(
    hospitals: &Hospitals,
    files: &[PathBuf],
    public: Public,
    target: Target,
) -> Result<Vec<String>, Error> {
    let most = public.hospitals_per_patient;
    let Some(names) = hospitals.sharing(most) else {
        return Ok(Vec::new());
    };
    let shared = files.iter().filter(|file| names.contains(&name_of(file).as_str()));
    let shared = shared.filter_map(|file| Some(file.file_name()?.to_string_lossy()));
    let shared = shared.collect::<Vec<_>>().join(" and ");
    match target {
        Target::Exact => Ok(vec![format!(
            "rows of one patient stand in {shared}, and count as rows of several patients"
        )]),
        Target::Dp { .. } => Err(Error::Config {
            file: shared,
            problem: format!(
                "rows of one patient stand in each, and the promise counts on one patient at up to \
                 {} (`hospitals_per_patient`); leave them in so many files alone, or raise it in \
                 the study's template",
                numbers::counted(most.into(), "hospital", "hospitals")
            ),
        }),
    }
}

/// One file, and nothing that says how it is split.
fn one_file(file: &Path) -> Error {
    let problem = "one file is a hospital; name the column of hospitals by --site, deal rows by \
                   --deal, give several files, or a study's template with a `site_column` as --schema";
    Error::config(file, problem)
}
