//! A hospital: its configuration, its policy, which is its own word, and its file of patients; then the
//! study and the preflight.

use std::path::Path;

use haima_dp::ledger::Ledger;
use haima_dp::units::Epsilon;

use super::{Ask, Options, State, Walk, files, party};
use crate::Error;
use crate::site::{Config, Policy};

/// Name of the file of patients where none is given.
const DATA: &str = "cohort.csv";

/// A hospital's steps.
pub(super) fn walk(options: &Options, ask: &mut dyn Ask, walk: &mut Walk) -> Result<(), Error> {
    let folder = &options.folder;
    let data = options.data.as_deref().unwrap_or(Path::new(DATA));
    let made = files::new(folder, "site.toml", &files::site(&walk.name, data))?;
    let finding = format!("{}: where it keeps what; commented", walk.config.display());
    walk.note("configuration", if made { State::Made } else { State::There }, finding);
    let config = Config::read(&walk.config)?;
    if options.data.as_deref().is_some_and(|data| folder.join(data) != config.data) {
        let (file, is) = (walk.config.display(), config.data.display());
        let problem = format!("{file} says {is}; leave the option out, or change `data` there");
        return Err(Error::Config { file: "--data".into(), problem });
    }
    let own = folder.join("policy.toml");
    let made = config.policy == own && files::new(folder, "policy.toml", &files::policy())?;
    let again = walk.again("");
    let policy = config.policy.display();
    match usable(&config.policy) {
        Ok(epsilon) => {
            let finding = format!("{policy}: epsilon {epsilon} in all");
            walk.note("policy", if made { State::Made } else { State::There }, finding);
        }
        Err(error) => {
            let problem = error.to_string();
            let finding = format!(
                "{policy} is this hospital's word: read it, set `default_population` and `epsilon`, and \
                 take the # before them away ({})",
                problem.trim_end().lines().last().unwrap_or_default()
            );
            walk.note("the policy", State::Waits, finding);
            walk.then(format!("edit {policy}, then: {again}"));
        }
    }
    let data = config.data.display();
    if config.data.is_file() {
        walk.note("patients", State::There, format!("{data}: read here, and sent nowhere"));
    } else {
        let finding = format!("{data} is not there; put it there, or correct `data` in site.toml");
        walk.note("the file of patients", State::Waits, finding);
        walk.then(format!("put the file of patients to {data}, then: {again}"));
    }
    party::follow(options, ask, walk)
}

/// Whether a policy parses and says what only the hospital can say; its epsilon.
fn usable(path: &Path) -> Result<f64, Error> {
    let policy = Policy::read(path)?;
    Ledger::file_name(&policy.default_population)?;
    Ok(Epsilon::new(policy.epsilon)?.get())
}
