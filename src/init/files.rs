//! What is written into a party's folder: each file whole, and never over one that is there.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use haima_smpc_node::provision::make_keys;
use serde::Serialize;

use crate::Error;
use crate::coordinator::About;

/// A party's keys, the identity last: with it all of them are there.
const KEYS: [&str; 3] = ["tls.crt", "tls.key", "identity.key"];
/// Most files that are looked at in a folder.
const MOST: usize = 10_000;
/// A policy with every field and a safe value for each.
const POLICY: &str = include_str!("../../data/policy.toml");
/// What only the hospital can say of them: it takes the mark away, and so has read it.
const OWN_WORD: [&str; 2] = ["\ndefault_population = ", "\nepsilon = "];

/// Makes a party's keys, where there are none: whether it made them.
///
/// # Errors
/// When some of them are there and others are not, or a file cannot be written.
pub(super) fn keys(folder: &Path, name: &str) -> Result<bool, Error> {
    let missing: Vec<&str> = KEYS.into_iter().filter(|file| !folder.join(file).exists()).collect();
    if missing.is_empty() {
        return Ok(false);
    }
    if missing.len() < KEYS.len() {
        let problem = format!(
            "{} is missing beside the other keys; put it back, or move the others away, if nobody \
             has their request",
            missing.join(", ")
        );
        return Err(Error::key(folder, problem));
    }
    let made = folder.join(format!(".keys-{}.part", std::process::id()));
    let moved = make_keys(&made, name).map_err(Error::from).and_then(|_| {
        KEYS.iter().try_for_each(|file| {
            let to = folder.join(file);
            std::fs::rename(made.join(file), &to).map_err(|e| Error::file(&to, e))
        })
    });
    // Keys that did not get their names were shown to nobody.
    let _ = std::fs::remove_dir_all(&made);
    moved.map(|()| true)
}

/// Makes a folder that its owner alone can enter, unless it is there.
///
/// # Errors
/// When it cannot be made.
pub(super) fn folder(path: &Path) -> Result<(), Error> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|e| Error::file(path, e))
}

/// Writes a file where there is none: whether it wrote it.
///
/// # Errors
/// When it cannot be written.
pub(super) fn new(folder: &Path, name: &str, text: &str) -> Result<bool, Error> {
    let path = folder.join(name);
    if path.exists() {
        return Ok(false);
    }
    crate::report::place(folder, name, text.as_bytes()).map_err(|e| Error::file(&path, e))?;
    Ok(true)
}

/// The TOML files of a folder by name; none where there is no folder.
///
/// # Errors
/// When it cannot be read, or has more files than anybody sent.
pub(super) fn toml_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::file(folder, error)),
    };
    let mut files = Vec::new();
    for (count, entry) in entries.enumerate() {
        if count >= MOST {
            let problem = format!("more than {MOST} files; keep those that belong to this study");
            return Err(Error::config(folder, problem));
        }
        let path = entry.map_err(|e| Error::file(folder, e))?.path();
        if path.is_file() && path.extension().is_some_and(|ending| ending == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A file's name for a person.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A text as a TOML string.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A hospital's policy to begin with: safe, and not in force before the hospital has said whose budget
/// it is, and how large.
pub(super) fn policy() -> String {
    let unsaid = |line: &str| line.replacen('\n', "\n#", 1);
    OWN_WORD.into_iter().fold(POLICY.to_owned(), |text, line| text.replacen(line, &unsaid(line), 1))
}

/// Lines that every party's configuration has.
fn of_keys(manifest: &str) -> String {
    format!(
        "# The study, as all its parties signed it; manifest.sig stands beside it.\n\
         manifest = {}\n\n\
         # Private keys, mode 600. They never leave this machine.\n\
         identity = \"identity.key\"\n\
         tls_certificate = \"tls.crt\"\n\
         tls_key = \"tls.key\"\n\n\
         # HTTP proxy for connections outward:\n\
         # proxy = \"proxy.example.org:3128\"\n",
        quoted(manifest)
    )
}

/// A commented `site.toml`.
pub(super) fn site(name: &str, data: &Path) -> String {
    format!(
        "# Configuration of a site. Paths are relative to this file's folder.\n\
         name = {}\n\n{}\n\
         # The patients, as the schema in the manifest says: CSV or Parquet. They are read here, and\n\
         # never leave this machine.\n\
         data = {}\n\n\
         # What this hospital allows, whoever asks.\n\
         policy = \"policy.toml\"\n\n\
         # Whose budget the patients draw on, when not the policy's `default_population`:\n\
         # population = \"transplants\"\n\n\
         # Privacy ledger, journal and what was sent. Never copied, never put back.\n\
         state = \"state\"\n",
        quoted(name),
        of_keys(crate::provision::MANIFEST),
        quoted(&data.to_string_lossy())
    )
}

/// A commented `coordinator.toml` of a study whose manifest is at `manifest`, with the report's words.
///
/// # Errors
/// When the words cannot be written.
pub(super) fn coordinator(manifest: &str, about: About) -> Result<String, Error> {
    #[derive(Serialize)]
    struct Words {
        about: About,
    }
    let words = toml::to_string(&Words { about })
        .map_err(|e| Error::config(Path::new("coordinator.toml"), e.to_string()))?;
    Ok(format!(
        "# Configuration of the coordinator. Paths are relative to this file's folder.\n\n{}\n\
         # The report, the journal and the rounds that were announced.\n\
         out = \"out\"\n\n\
         # Which run of the tasks this is; private tasks have run 1 alone:\n\
         # run = 1\n\n\
         # Seconds to wait for nodes, and then for sites, at the start:\n\
         # wait_s = 60\n\n\
         # Start when so many sites have joined, when not all:\n\
         # wait_sites = 3\n\n\
         # Words of the report.\n{words}",
        of_keys(manifest)
    ))
}
