//! `haima convert`: packets, bundles and variant files to a table, and a table to packets, by one
//! mapping file. On this machine; nothing is sent.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::Error;
use crate::convert::{Mapping, Table, of_fhir, of_phenopackets, of_variants, write_packets};
use crate::model_file::whole;
use crate::report::numbers;
use crate::text::{columns, printable, row};

/// Form of `--json`.
const SCHEMA: &str = "haima.converted/1";

/// `haima convert`.
#[derive(Debug, Subcommand)]
pub(super) enum Convert {
    /// GA4GH Phenopackets (version 2, JSON, one a file) to a table.
    Phenopackets(ToTable),
    /// FHIR R4 bundles (Patient, Observation, Condition) to a table.
    Fhir(ToTable),
    /// Variant files (VCF 4, plain or gzipped, one patient a file) to flags and counts by gene.
    Vcf(Variants),
    /// A table to Phenopackets, one a row.
    Table(ToPackets),
}

/// Options of the ways to a table.
#[derive(Debug, Args)]
pub(super) struct ToTable {
    /// Files, or folders whose files are read.
    #[arg(value_name = "FILE|DIR", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    to: To,
}

/// Options of `haima convert vcf`.
#[derive(Debug, Args)]
pub(super) struct Variants {
    /// Files, or folders whose files are read.
    #[arg(value_name = "FILE|DIR", required = true)]
    files: Vec<PathBuf>,
    /// The sample of files with several, in place of the mapping's `sample`.
    #[arg(long, value_name = "NAME")]
    sample: Option<String>,
    #[command(flatten)]
    to: To,
}

// Where it goes. No help of its own: it would stand for that of the command.
#[derive(Debug, Args)]
struct To {
    /// The mapping file (TOML): which columns, and where each stands.
    #[arg(long, value_name = "FILE")]
    mapping: PathBuf,
    /// The table (CSV).
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print one JSON object (`haima.converted/1`).
    #[arg(long)]
    json: bool,
}

/// Options of `haima convert table`.
#[derive(Debug, Args)]
pub(super) struct ToPackets {
    /// The table (CSV).
    #[arg(value_name = "FILE")]
    table: PathBuf,
    /// The mapping file (TOML), as for the way to the table.
    #[arg(long, value_name = "FILE")]
    mapping: PathBuf,
    /// Folder of the packets, which is made if it is missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// A column to leave out, of the table or the mapping; can be repeated.
    #[arg(long, value_name = "COLUMN")]
    without: Vec<String>,
    /// Print one JSON object (`haima.converted/1`).
    #[arg(long)]
    json: bool,
}

/// Runs a subcommand.
pub(super) fn run(command: &Convert) -> Result<(), Error> {
    match command {
        Convert::Phenopackets(ToTable { files, to }) => {
            keep("phenopackets", &of_phenopackets(files, &Mapping::read(&to.mapping)?)?, to)
        }
        Convert::Fhir(ToTable { files, to }) => {
            keep("fhir", &of_fhir(files, &Mapping::read(&to.mapping)?)?, to)
        }
        Convert::Vcf(Variants { files, sample, to }) => {
            let mapping = Mapping::read(&to.mapping)?;
            keep("vcf", &of_variants(files, &mapping, sample.as_deref())?, to)
        }
        Convert::Table(options) => packets(options),
    }
}

/// Writes a table and says how full it is.
fn keep(from: &str, table: &Table, to: &To) -> Result<(), Error> {
    whole(&to.out, &table.csv()?)?;
    if to.json {
        println!("{}", told(from, table, &to.out));
        return Ok(());
    }
    let counted = |count: usize, one: &str, more: &str| numbers::counted(count as u64, one, more);
    let mut lines = vec![format!(
        "read     {}: {}",
        counted(table.files, "file", "files"),
        counted(table.rows.len(), "patient", "patients")
    )];
    if table.synthetic > 0 {
        let rows = counted(table.synthetic, "row is", "rows are");
        lines.push(format!("         {rows} virtual: drawn from a generator, and no patient"));
    }
    lines.push(format!("written  {}\n", to.out.display()));
    let mut cells = vec![row(["column", "kind", "present", "missing"])];
    cells.extend(table.filled().into_iter().map(|own| {
        let [present, missing] = [own.present, own.missing].map(|n| numbers::count(n as u64));
        vec![own.name.to_owned(), own.kind.to_owned(), present, missing]
    }));
    lines.push(columns(&cells).trim_end().to_owned());
    println!("{}", printable(&lines.join("\n")));
    for note in &table.notes {
        eprintln!("note: {}", printable(note));
    }
    Ok(())
}

fn told(from: &str, table: &Table, out: &Path) -> Value {
    let columns: Vec<Value> = (table.filled().into_iter())
        .map(|own| {
            json!({
                "name": own.name, "kind": own.kind, "present": own.present, "missing": own.missing,
            })
        })
        .collect();
    json!({
        "schema": SCHEMA,
        "from": from,
        "to": "table",
        "files": table.files,
        "patients": table.rows.len(),
        "virtual": table.synthetic,
        "columns": columns,
        "notes": table.notes,
        "out": out.display().to_string(),
    })
}

fn packets(options: &ToPackets) -> Result<(), Error> {
    let ToPackets { table, mapping, out, without, json } = options;
    let written = write_packets(table, &Mapping::read(mapping)?, without, out)?;
    if *json {
        let told = json!({
            "schema": SCHEMA,
            "from": "table",
            "to": "phenopackets",
            "patients": written.patients,
            "columns": written.columns,
            "out": out.display().to_string(),
        });
        println!("{told}");
        return Ok(());
    }
    let packets = numbers::counted(written.patients as u64, "Phenopacket", "Phenopackets");
    let columns = numbers::counted(written.columns as u64, "column", "columns");
    let text = format!("written  {packets} of {columns} to {}", out.display());
    println!("{}", printable(&text));
    Ok(())
}
