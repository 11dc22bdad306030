//! `haima convert`: packets, bundles and variant files to a table, and a table to packets, by one
//! mapping file; radiomics to a table by options. On this machine; nothing is sent. What is written
//! tells of patients, so nobody but its owner can read it.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::Error;
use crate::convert::{
    Asked, Mapping, Only, Radiomics, Table, of_fhir, of_phenopackets, of_radiomics, of_variants,
    write_packets,
};
use crate::private_file::whole;
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
    /// Radiomics (a wide table as pyradiomics writes it) to one row a patient, with the scanner.
    Radiomics(OfImages),
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

/// Options of `haima convert radiomics`.
#[derive(Debug, Args)]
pub(super) struct OfImages {
    /// The export (CSV): a row an image and mask, a column a feature.
    #[arg(value_name = "EXPORT")]
    export: PathBuf,
    /// The table (CSV).
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Column of the export that tells patients apart.
    #[arg(long, value_name = "COLUMN")]
    patient: String,
    /// Column that names the scanner, of the export or of the file of --scanners.
    #[arg(long, value_name = "COLUMN")]
    scanner: Option<String>,
    /// A second file (CSV) that has the scanner of each patient, in a column `scanner` unless --scanner
    /// names another.
    #[arg(long, value_name = "FILE")]
    scanners: Option<PathBuf>,
    /// Features to keep, as 'original_*'; without it all. `*` stands for any letters.
    #[arg(long, value_name = "PATTERNS", value_delimiter = ',')]
    features: Vec<String>,
    /// What a row has to have to count, as Label=1; can be repeated, and then all have to hold.
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    only: Vec<Only>,
    /// Draft the schema of these columns into a new file (TOML), for a person to edit.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Print one JSON object (`haima.converted/1`).
    #[arg(long)]
    json: bool,
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
        Convert::Radiomics(options) => radiomics(options),
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

/// Writes a table of features and, where it is asked for, the draft of its schema.
fn radiomics(options: &OfImages) -> Result<(), Error> {
    let OfImages { export, out, patient, scanner, scanners, features, only, schema, json } =
        options;
    if let Some(schema) = schema
        && schema.exists()
    {
        // Somebody may have edited it.
        return Err(Error::file(schema, std::io::ErrorKind::AlreadyExists.into()));
    }
    let asked = Asked {
        patient: patient.clone(),
        scanner: scanner.clone(),
        scanners: scanners.clone(),
        features: features.clone(),
        only: only.clone(),
    };
    let found = of_radiomics(export, &asked)?;
    let draft = schema.as_ref().map(|path| Ok::<_, Error>((path, found.draft()?))).transpose()?;
    whole(out, &found.table.csv()?)?;
    if let Some((path, draft)) = &draft {
        whole(path, draft.as_bytes())?;
    }
    if *json {
        let mut object = told("radiomics", &found.table, out);
        object["scanners"] = json!(found.scanners);
        object["passed_over"] = json!(found.passed_over);
        object["draft"] = json!(schema.as_ref().map(|path| path.display().to_string()));
        println!("{object}");
        return Ok(());
    }
    println!("{}", printable(&in_short(&found, out, schema.as_deref())));
    for note in &found.table.notes {
        eprintln!("note: {}", printable(note));
    }
    Ok(())
}

/// What was written. Features may be thousands, so they are counted by the image that they are of.
fn in_short(found: &Radiomics, out: &Path, schema: Option<&Path>) -> String {
    let Radiomics { table, scanners, passed_over, .. } = found;
    let counted = |count: usize, one: &str, more: &str| numbers::counted(count as u64, one, more);
    let images = found.images();
    let mut lines = vec![format!(
        "read     {} of {}",
        counted(images.values().sum(), "feature", "features"),
        counted(table.rows.len(), "patient", "patients")
    )];
    if *passed_over > 0 {
        let rows = counted(*passed_over, "row does", "rows do");
        lines.push(format!("         {rows} not have what --where asks for"));
    }
    lines.push(format!("written  {}", out.display()));
    lines.extend(
        schema.map(|path| {
            format!("         {}: edit it before it leaves the hospital", path.display())
        }),
    );
    let of = |what: &str, counts: &str, all: Vec<(&str, usize)>| {
        let mut cells = vec![row([what, counts])];
        let count = |count: usize| numbers::count(count as u64);
        cells.extend(all.into_iter().map(|(name, own)| vec![name.to_owned(), count(own)]));
        format!("\n{}", columns(&cells).trim_end())
    };
    lines.push(of("image", "features", images.into_iter().collect()));
    if !scanners.is_empty() {
        let all = scanners.iter().map(|(name, count)| (name.as_str(), *count));
        lines.push(of("scanner", "patients", all.collect()));
    }
    lines.join("\n")
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
