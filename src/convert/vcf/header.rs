//! The header of a variant file: its samples, the fields of its annotation, and whether it is of the
//! reference genome that the panel's regions are of. Other lines are passed over.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::lines::Lines;
use crate::convert::fault::{At, Fault, quoted};
use crate::convert::mapping::{Genes, Panel, chromosome};

/// Columns before the samples.
const FIXED: [&str; 9] = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"];

/// Samples of a file.
const MOST_SAMPLES: usize = 100_000;
/// Fields of an annotation, of which VEP has some hundred with all its plugins.
const MOST_FIELDS: usize = 10_000;

pub(super) struct Header {
    pub(super) samples: Vec<String>,
    /// Of a line.
    pub(super) columns: usize,
    pub(super) annotation: Option<Fields>,
}

/// Where in an entry of an annotation each field stands.
#[derive(Clone, Copy)]
pub(super) struct Fields {
    pub(super) symbol: usize,
    pub(super) impact: Option<usize>,
    pub(super) allele: Option<usize>,
    /// Number of the alternate, from 1.
    pub(super) number: Option<usize>,
}

impl Header {
    pub(super) fn read(file: &Arc<Path>, lines: &mut Lines, panel: &Panel) -> Result<Self, Fault> {
        let mut annotation = None;
        let mut contigs = Contigs::default();
        while let Some((number, line)) = lines.read()? {
            let at = At::new(file, format!("line {number}"));
            if number == 1 && !line.starts_with("##fileformat=VCFv4.") {
                return Err(at.fault("does not begin with ##fileformat=VCFv4: it is no VCF 4 file"));
            }
            if let Some(content) = line.strip_prefix("##INFO=<")
                && let Genes::Annotation { key, symbol } = &panel.genes
                && content
                    .strip_prefix("ID=")
                    .and_then(|own| own.strip_prefix(key.as_str()))
                    .is_some_and(|rest| rest.starts_with(','))
            {
                let fields = fields(content, symbol, !panel.impacts.is_empty());
                annotation = Some(fields.map_err(|problem| at.fault(problem))?);
            } else if let Some(content) = line.strip_prefix("##contig=<") {
                contigs.add(content);
            }
            if line.starts_with("##") {
                continue;
            }
            contigs.check(panel).map_err(|problem| At::new(file, "").fault(problem))?;
            if let (Genes::Annotation { key, .. }, None) = (&panel.genes, annotation) {
                return Err(At::new(file, "").fault(format!(
                    "its header has no INFO field {}; annotate the file (SnpEff writes ANN, VEP CSQ), \
                     or give the panel's `regions`",
                    quoted(key)
                )));
            }
            let most = FIXED.len() + MOST_SAMPLES;
            let names: Vec<&str> = line.split('\t').take(most + 1).collect();
            if names.len() > most {
                return Err(at.fault(format!("has more than {MOST_SAMPLES} samples; give fewer")));
            }
            let Some((fixed, samples)) = names.split_at_checked(FIXED.len()) else {
                return Err(at.fault("has no sample; flags and counts are those of a sample"));
            };
            if fixed != FIXED {
                return Err(at.fault("is not the line of column names that ends a header"));
            }
            let samples = samples.iter().map(|own| (*own).to_owned()).collect();
            return Ok(Self { samples, columns: names.len(), annotation });
        }
        Err(At::new(file, "").fault("ends before its line of column names (#CHROM)"))
    }
}

/// The fields of an annotation, by the description that its tool gives: VEP says `Format: A|B|C`,
/// SnpEff `'A | B | C'`.
fn fields(content: &str, symbol: &str, impacts: bool) -> Result<Fields, String> {
    let described = content.split_once("Description=\"").map_or("", |(_, own)| own);
    let list = match described.split_once("Format: ") {
        Some((_, list)) => list,
        None => described.split('\'').nth(1).unwrap_or(described),
    };
    let trimmed = |own: &'_ str| own.trim_matches(['"', '\'', '>', ' ']).to_owned();
    let names: Vec<String> = list.split('|').take(MOST_FIELDS).map(trimmed).collect();
    let place = |wanted: &[&str]| names.iter().position(|own| wanted.contains(&own.as_str()));
    let symbol = place(&[symbol]).ok_or_else(|| {
        format!(
            "the annotation has no field {}; name by `symbol` of [vcf] one of {}",
            quoted(symbol),
            names.iter().take(40).map(|own| quoted(own)).collect::<Vec<_>>().join(", ")
        )
    })?;
    let impact = place(&["IMPACT", "Annotation_Impact"]);
    if impacts && impact.is_none() {
        return Err("the annotation has no impact; take `impact` out of [vcf]".into());
    }
    let (allele, number) = (place(&["Allele"]), place(&["ALLELE_NUM"]));
    Ok(Fields { symbol, impact, allele, number })
}

/// Chromosomes that a header names.
#[derive(Default)]
struct Contigs {
    names: BTreeSet<String>,
    /// Bases of the first one.
    first: Option<u64>,
}

impl Contigs {
    /// Chromosomes beyond which names tell nothing.
    const MOST: usize = 100_000;
    /// Bytes of a name that a region can mean.
    const LONGEST: usize = 256;

    fn add(&mut self, content: &str) {
        let content = content.trim_end_matches('>');
        let value = |key: &str| content.split(',').find_map(|own| own.strip_prefix(key));
        let Some(name) = value("ID=").map(chromosome) else { return };
        if name == "1" {
            self.first = value("length=").and_then(|own| own.parse().ok());
        }
        if self.names.len() < Self::MOST && name.len() <= Self::LONGEST {
            self.names.insert(name.to_owned());
        }
    }

    /// A region of another genome, or of one that calls its chromosomes otherwise, would be a gene
    /// without variants.
    fn check(&self, panel: &Panel) -> Result<(), String> {
        let Genes::Regions(regions, assembly) = &panel.genes else { return Ok(()) };
        let wanted = assembly.first_chromosome();
        if self.first.is_some_and(|first| first != wanted) {
            return Err(format!(
                "its chromosome 1 has another length than the {wanted} bases of the panel's \
                 `assembly`; give the regions of its own reference genome"
            ));
        }
        let odd = regions.iter().find(|own| !self.names.contains(&own.chromosome));
        match odd {
            Some(region) if !self.names.is_empty() => Err(format!(
                "its header has no chromosome {}, in which {} stands; does it name chromosomes \
                 otherwise?",
                quoted(&region.chromosome),
                region.gene
            )),
            _ => Ok(()),
        }
    }
}
