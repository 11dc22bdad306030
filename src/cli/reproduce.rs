//! `haima reproduce`: rows of `docs/results.md`, made by running the analyses again.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

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
    /// Print one JSON object: the rows, each with its line or why it has none.
    #[arg(long)]
    json: bool,
}

/// Makes, writes or checks rows.
pub(super) fn run(command: &Reproduce) -> Result<(), Error> {
    let Reproduce { row, list, slow, check: only_check, shared, results, json } = command;
    if *list && *json {
        let row = |Row { id, what, data, slow, .. }: &Row| json!({ "id": id, "what": what, "data": data, "slow": slow });
        println!("{}", object(&rows().map(row).collect::<Vec<Value>>()));
        return Ok(());
    }
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
    let (mut failed, mut told) = (Vec::new(), Vec::<Value>::new());
    for row in chosen {
        eprintln!("{} ...", row.id);
        // Read again for each: a row that fails does not lose those before it.
        let made = row.line(&context).and_then(|line| {
            let document = std::fs::read_to_string(results).map_err(|e| Error::file(results, e))?;
            if !json {
                println!("{line}");
            }
            match only_check {
                true => check(&document, row, &line)?,
                false => whole(results, write(&document, row, &line)?.as_bytes())?,
            }
            Ok(line)
        });
        match made {
            Ok(line) => told.push(json!({ "id": row.id, "line": line })),
            Err(error) => {
                eprintln!("{}: {error}", row.id);
                told.push(json!({ "id": row.id, "failed": error.to_string() }));
                failed.push(row.id);
            }
        }
    }
    if *json {
        println!("{}", object(&told));
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Error::Found { what: "rows".into(), problem: format!("failed: {}", failed.join(", ")) })
}

fn object(rows: &[Value]) -> Value {
    json!({ "schema": "haima.reproduce/1", "rows": rows })
}
