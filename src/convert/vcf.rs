//! Variant files (VCF 4, plain or gzipped) to flags and counts by gene, one patient a file.
//!
//! The reader is our own: it needs eight columns and a sample, bounds each line, and takes what it does
//! not need as it comes, so that a header line which no table asks for refuses no file. What is needed
//! is read strictly.
//!
//! A variant file says what was found and not what was looked at: 0 means that no variant that counts
//! was called. A gene is missing where the only thing that is known of it is a place without a call, or
//! with fewer reads than the panel asks for.

mod genes;
mod header;
mod lines;
mod variant;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fault::{At, Fault, quoted};
use super::files::listed_variants;
use super::mapping::{Column, Genes, Mapping, OfVariants, Panel, PanelId, Source};
use super::table::{Builder, Table};
use crate::Error;
use genes::{Known, Wanted};
use header::Header;
use lines::Lines;
use variant::Variant;

/// What to do about a file that no filter went over.
const UNFILTERED: &str = "FILTER is `.`: no filter was applied; run the caller's filter, or say `pass = \
                          false` in [vcf]";

/// A table of variant files, one row a file. `sample` names the sample of files with several, in place
/// of the mapping's.
///
/// # Errors
/// When a file cannot be read, or with the first fault of each file: file, line, what to do.
pub fn table(named: &[PathBuf], mapping: &Mapping, sample: Option<&str>) -> Result<Table, Error> {
    let files = listed_variants(named)?;
    let columns: Vec<&Column> =
        mapping.columns.iter().filter(|column| column.of_variants()).collect();
    let mut builder = Builder::new(mapping, columns, "variant files")?;
    let Some(panel) = &mapping.panel else {
        let problem = "has no [vcf] table; say in it how variant files are read".to_owned();
        return Err(Error::Config { file: "the mapping".into(), problem });
    };
    let wanted = Wanted::new(mapping);
    let asked = Asked { panel, wanted: &wanted, sample: sample.or(panel.sample.as_deref()) };
    let mut named_genes = BTreeSet::new();
    for file in &files {
        let lines = Lines::open(file)?;
        let found = asked.file(file, lines);
        if let Some(found) = builder.faults.take(found) {
            named_genes.extend(found.named.iter().copied());
            let cells = builder.columns().iter().map(|column| found.cell(&wanted, column));
            let cells = cells.collect();
            builder.row(&found.name, &At::new(file, ""), cells);
        }
    }
    if matches!(panel.genes, Genes::Annotation { .. }) {
        let silent = wanted.genes.iter().enumerate().filter(|(at, _)| !named_genes.contains(at));
        builder.notes.extend(silent.map(|(_, gene)| {
            format!("no file names {gene} in any annotation; is that the symbol it uses?")
        }));
    }
    let left = mapping.of_records().count();
    if left > 0 {
        builder.notes.push(format!("{left} columns stand in packets or bundles and are left out"));
    }
    builder.finish(files.len())
}

/// What is asked of each file.
struct Asked<'a> {
    panel: &'a Panel,
    wanted: &'a Wanted<'a>,
    sample: Option<&'a str>,
}

/// What a file says of the wanted genes.
struct Found {
    name: String,
    tallies: Vec<Tally>,
    /// Numbers of the genes that it names.
    named: BTreeSet<usize>,
}

/// What counts of one gene.
#[derive(Clone, Default)]
struct Tally {
    variants: u64,
    alleles: u64,
    fraction: f64,
    /// A place in the gene is not called, or read too seldom.
    open: bool,
}

impl Found {
    fn cell(&self, wanted: &Wanted<'_>, column: &Column) -> String {
        let Source::Variants { gene, take } = &column.from else { return String::new() };
        let Some(own) = wanted.place(gene).and_then(|place| self.tallies.get(place)) else {
            return String::new();
        };
        if own.open && own.variants == 0 {
            return String::new();
        }
        match take {
            OfVariants::Found => u8::from(own.variants > 0).to_string(),
            OfVariants::Variants => own.variants.to_string(),
            OfVariants::Alleles => own.alleles.to_string(),
            OfVariants::Fraction => ((own.fraction * 1e4).round() / 1e4).to_string(),
        }
    }
}

impl Asked<'_> {
    fn file(&self, file: &Arc<Path>, mut lines: Lines) -> Result<Found, Fault> {
        let header = Header::read(file, &mut lines, self.panel)?;
        let (place, sample) = self.sample_of(file, &header)?;
        let known = Known::new(self.panel, self.wanted, &header);
        let name = match self.panel.id {
            PanelId::Sample => sample,
            PanelId::File => stem(file),
        };
        let tallies = vec![Tally::default(); self.wanted.genes.len()];
        let mut found = Found { name, tallies, named: BTreeSet::new() };
        while let Some((number, line)) = lines.read()? {
            if line.is_empty() {
                continue;
            }
            let counted = Variant::parse(line, header.columns, place)
                .and_then(|variant| self.count(&known, &variant, &mut found));
            counted.map_err(|problem| At::new(file, format!("line {number}")).fault(problem))?;
        }
        Ok(found)
    }

    /// The sample that is read: its place among the samples, and its name.
    fn sample_of(&self, file: &Arc<Path>, header: &Header) -> Result<(usize, String), Fault> {
        let samples = &header.samples;
        let place = match self.sample {
            Some(name) => samples.iter().position(|own| own == name),
            None => (samples.len() == 1).then_some(0),
        };
        let found = place.and_then(|place| Some((place, samples.get(place)?.clone())));
        found.ok_or_else(|| {
            let there: Vec<String> = samples.iter().take(10).map(|own| quoted(own)).collect();
            let what = match self.sample {
                Some(name) => format!("has no sample {}", quoted(name)),
                None => format!("has {} samples", samples.len()),
            };
            At::new(file, "").fault(format!(
                "{what}, but {}; name one by --sample, or by `sample` of [vcf]",
                if there.is_empty() { "none at all".to_owned() } else { there.join(", ") }
            ))
        })
    }

    /// Counts a variant for the genes that it stands in. Nothing of a variant elsewhere is looked at.
    fn count(
        &self,
        known: &Known<'_>,
        variant: &Variant<'_>,
        found: &mut Found,
    ) -> Result<(), String> {
        let genes = known.genes(variant, &mut found.named)?;
        if genes.iter().all(BTreeSet::is_empty) || !self.passed(variant)? {
            return Ok(());
        }
        let Some(copies) = variant.copies()? else {
            for gene in genes.iter().flatten() {
                found.open(*gene);
            }
            return Ok(());
        };
        // Read once a line, and only where something counts.
        let (mut depth, mut shares) = (None, None);
        for (alternate, (genes, copies)) in genes.iter().zip(copies).enumerate() {
            if genes.is_empty() || copies == 0 {
                continue;
            }
            if let Some(least) = self.panel.min_depth {
                if depth.is_none() {
                    depth = variant.depth()?;
                }
                let depth =
                    depth.ok_or("`min_depth` is asked for, and the sample has no DP or AD")?;
                if depth < least {
                    genes.iter().for_each(|gene| found.open(*gene));
                    continue;
                }
            }
            let mut fraction = 0.0;
            if self.panel.min_fraction.is_some() || self.wanted.fraction {
                if shares.is_none() {
                    shares = Some(variant.shares()?);
                }
                fraction = shares
                    .as_ref()
                    .map_or(Ok(None), |shares| shares.of(alternate))?
                    .ok_or("the fraction of reads is asked for, and the sample has no AD or AF")?;
            }
            if self.panel.min_fraction.is_some_and(|least| fraction < least) {
                continue;
            }
            for gene in genes {
                let Some(own) = found.tallies.get_mut(*gene) else { continue };
                own.variants += 1;
                own.alleles += u64::from(copies);
                own.fraction = own.fraction.max(fraction);
            }
        }
        Ok(())
    }

    fn passed(&self, variant: &Variant<'_>) -> Result<bool, String> {
        match variant.filter {
            _ if !self.panel.pass => Ok(true),
            "." => Err(UNFILTERED.into()),
            filter => Ok(filter == "PASS"),
        }
    }
}

impl Found {
    fn open(&mut self, gene: usize) {
        if let Some(own) = self.tallies.get_mut(gene) {
            own.open = true;
        }
    }
}

/// `p1` of `p1.vcf.gz`.
fn stem(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = [".gz", ".bgz"].iter().find_map(|end| name.strip_suffix(*end)).unwrap_or(&name);
    name.strip_suffix(".vcf").unwrap_or(name).to_owned()
}
