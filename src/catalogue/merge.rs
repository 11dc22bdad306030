//! Two copies of one registry: what one has that the other lacks, and what contradicts itself.
//!
//! Taking over adds newer versions and a newer list of parties, and never goes back. Where a party has
//! signed two versions of one number, or the keeper two lists, nothing of that is taken and both are told.

use serde::Serialize;

use super::charter::Charter;
use super::entry::{Entry, Id};
use super::folder::Registry;
use crate::Error;

/// What another copy has beside one's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The other has a newer list of parties.
    pub parties_newer: bool,
    /// The other has an older list of parties.
    pub parties_older: bool,
    /// Entries of which the other has newer versions, or that it alone has.
    pub newer: Vec<String>,
    /// Entries of which the other has older versions, or that it lacks.
    pub older: Vec<String>,
    /// What two copies say differently that can be said once: who signed twice, and what.
    pub twice: Vec<String>,
}

/// What was taken over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// Whether the list of parties was.
    pub parties: bool,
    /// Files of entries.
    pub entries: Vec<String>,
    /// What could not be, and why.
    pub refused: Vec<String>,
}

/// Compares two copies.
///
/// # Errors
/// When they are of two registries.
pub fn compare(own: &Registry, other: &Registry) -> Result<Difference, Error> {
    same(own, other)?;
    let mut found = Difference::default();
    let (ours, theirs) = (own.charter(), other.charter());
    found.parties_newer = theirs.revision() > ours.revision();
    found.parties_older = theirs.revision() < ours.revision();
    let (old, new) = if found.parties_newer { (ours, theirs) } else { (theirs, ours) };
    if let Err(problem) = succeeds(old, new) {
        found.twice.push(problem);
    }
    for (id, chain) in other.chains() {
        let mine = own.versions(id);
        if let Some(problem) = fork(id, mine, chain) {
            found.twice.push(problem);
        } else if chain.len() > mine.len() {
            found.newer.push(id.to_string());
        }
    }
    for (id, chain) in own.chains() {
        if other.versions(id).len() < chain.len() {
            found.older.push(id.to_string());
        }
    }
    Ok(found)
}

/// Takes over what another copy has that is newer.
///
/// # Errors
/// When it is of another registry, the keeper has signed two lists of parties, or a file cannot be
/// written. What was taken until then stays: it holds by itself.
pub fn take(own: &mut Registry, other: &Registry) -> Result<Taken, Error> {
    let difference = compare(own, other)?;
    let mut taken = Taken::default();
    if other.charter().revision() == own.charter().revision() || difference.parties_newer {
        succeeds(own.charter(), other.charter())
            .map_err(|problem| Error::config(other.folder(), problem))?;
    }
    if difference.parties_newer {
        own.replace(other.charter())?;
        taken.parties = true;
    }
    for (id, chain) in other.chains() {
        let mine = own.versions(id);
        if let Some(problem) = fork(id, mine, chain) {
            taken.refused.push(problem);
            continue;
        }
        for entry in chain.iter().skip(mine.len()) {
            let file = entry.file();
            match own.keep(entry.clone()) {
                Ok(()) => taken.entries.push(file),
                Err(error @ Error::File { .. }) => return Err(error),
                Err(error) => {
                    taken.refused.push(error.to_string());
                    break;
                }
            }
        }
    }
    Ok(taken)
}

fn same(own: &Registry, other: &Registry) -> Result<(), Error> {
    let [ours, theirs] = [own, other].map(Registry::charter);
    if ours.digest() == theirs.digest() {
        return Ok(());
    }
    let problem = format!(
        "is another registry: {} ({}, {}) and not {} ({}, {}); an entry of one is void in another",
        theirs.name(),
        theirs.platform().name(),
        theirs.digest().short(),
        ours.name(),
        ours.platform().name(),
        ours.digest().short(),
    );
    Err(Error::config(other.folder(), problem))
}

/// Whether one list of parties may follow on another, or is the same.
fn succeeds(old: &Charter, new: &Charter) -> Result<(), String> {
    if old.revision() == new.revision() && old.statement() != new.statement() {
        let revision = old.revision();
        return Err(format!(
            "the keeper has signed two lists of parties of revision {revision}; ask it which holds"
        ));
    }
    new.follows(old)
}

/// The first version that two copies have differently.
fn fork(id: &Id, own: &[Entry], other: &[Entry]) -> Option<String> {
    let differs = |(a, b): &(&Entry, &Entry)| a.digest() != b.digest();
    let (one, _) = own.iter().zip(other).find(differs)?;
    let (version, party) = (one.version(), &id.party);
    Some(format!("{party} has signed two versions {version} of {id}; ask it which one holds"))
}
