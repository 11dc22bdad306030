//! Files and folders that a command names, within bounds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::table::MOST_PATIENTS;
use crate::Error;

/// What stands beside virtual patients ([`crate::synth::write`]) and is no packet.
const BESIDE: &str = "provenance.json";

/// The files that are named, and those of a folder that end in `.json` or `.ndjson`, in the order of
/// their names. What lies in folders below is not read.
pub(super) fn listed(named: &[PathBuf]) -> Result<Vec<Arc<Path>>, Error> {
    ending(named, &[".json", ".ndjson"])
}

/// The same of variant files.
pub(super) fn listed_variants(named: &[PathBuf]) -> Result<Vec<Arc<Path>>, Error> {
    ending(named, &[".vcf", ".vcf.gz", ".vcf.bgz"])
}

fn ending(named: &[PathBuf], endings: &[&str]) -> Result<Vec<Arc<Path>>, Error> {
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(Arc::from(path.as_path()));
            continue;
        }
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(|error| Error::file(path, error))? {
            let own = entry.map_err(|error| Error::file(path, error))?.path();
            let name = own.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let meant = name != BESIDE && endings.iter().any(|ending| name.ends_with(ending));
            if meant && own.is_file() {
                inside.push(own);
            }
            few(path, files.len() + inside.len())?;
        }
        if inside.is_empty() {
            let problem = format!("has no file that ends in {}", endings.join(" or "));
            return Err(Error::data(path, format!("{problem}; name another folder")));
        }
        inside.sort();
        files.extend(inside.into_iter().map(Arc::<Path>::from));
    }
    few(Path::new("the files"), files.len())?;
    Ok(files)
}

fn few(path: &Path, files: usize) -> Result<(), Error> {
    match files > MOST_PATIENTS {
        true => Err(Error::data(path, format!("more than {MOST_PATIENTS} files; take fewer"))),
        false => Ok(()),
    }
}
