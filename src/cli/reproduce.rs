//! `haima reproduce`: rows of `docs/results.md`, made by running the analyses again.

use std::path::PathBuf;

use clap::Args;

use crate::Error;
use crate::model_file::whole;
use crate::reproduce::{Context, Row, check, rows, shared_folder, write};

/// `haima reproduce`.
#[derive(Debug, Args)]
pub(super) struct Reproduce {
    /// Id of a row, or `all`: every row that is quickly made.
    #[arg(required_unless_present = "list")]
    row: Option<String>,
    /// Print the ids of all rows.
    #[arg(long)]
    list: bool,
    /// With `all`: the slow rows too; some take minutes, best in a release build.
    #[arg(long)]
    slow: bool,
    /// Compare with the document instead of writing to it.
    #[arg(long)]
    check: bool,
    /// Folder of data that are not shipped, and of others' figures. Without it: HAIMA_SHARED, else
    /// ../shared.
    #[arg(long, value_name = "DIR")]
    shared: Option<PathBuf>,
    /// The document.
    #[arg(long, value_name = "FILE", default_value = "docs/results.md")]
    results: PathBuf,
}

/// Makes, writes or checks rows.
pub(super) fn run(command: &Reproduce) -> Result<(), Error> {
    let Reproduce { row, list, slow, check: only_check, shared, results } = command;
    if *list {
        for Row { id, what, data, slow, .. } in rows() {
            println!("{id:<24} {what} ({data}){}", if *slow { " [slow]" } else { "" });
        }
        return Ok(());
    }
    let wanted = row.as_deref().unwrap_or_default();
    let named = |row: &&Row| row.id == wanted || (wanted == "all" && (*slow || !row.slow));
    let chosen: Vec<&Row> = rows().filter(named).collect();
    if chosen.is_empty() {
        let ids: Vec<&str> = rows().map(|row| row.id).collect();
        let problem = format!("no such row; there are all, {}", ids.join(", "));
        return Err(Error::Config { file: format!("haima reproduce {wanted}"), problem });
    }
    let context = Context { shared: shared_folder(shared.as_deref()) };
    let mut failed = Vec::new();
    for row in chosen {
        eprintln!("{} ...", row.id);
        // Read again for each: a row that fails does not lose those before it.
        let made = row.line(&context).and_then(|line| {
            let document = std::fs::read_to_string(results).map_err(|e| Error::file(results, e))?;
            println!("{line}");
            match only_check {
                true => check(&document, row, &line),
                false => whole(results, write(&document, row, &line)?.as_bytes()),
            }
        });
        if let Err(error) = made {
            eprintln!("{}: {error}", row.id);
            failed.push(row.id);
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Error::Config { file: "rows".into(), problem: format!("failed: {}", failed.join(", ")) })
}
