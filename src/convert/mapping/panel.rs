//! The panel of genes that variant files are read for: how a variant's gene is known, and which
//! variants count.

use serde::Deserialize;

use super::read::one_of;

const MOST_REGIONS: usize = 10_000;

/// How variant files are read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Panel {
    pub(crate) genes: Genes,
    /// Impacts that count, such as `HIGH`; empty: all.
    pub(crate) impacts: Vec<String>,
    /// Whether a variant has to have passed the caller's filters.
    pub(crate) pass: bool,
    /// Reads at the place, at least.
    pub(crate) min_depth: Option<u64>,
    /// Share of reads with the variant, at least.
    pub(crate) min_fraction: Option<f64>,
    /// The sample of a file with several.
    pub(crate) sample: Option<String>,
    pub(crate) id: PanelId,
}

/// How the gene of a variant is known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Genes {
    /// By an annotation: its key in INFO, and the field of it that has the symbol.
    Annotation { key: String, symbol: String },
    /// By where it stands.
    Regions(Vec<Region>, Assembly),
}

/// A gene's region, counted from 0 without its end, as BED has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    /// As [`chromosome`] names it.
    pub(crate) chromosome: String,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) gene: String,
}

/// Reference genomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assembly {
    Grch37,
    Grch38,
    Chm13,
}

impl Assembly {
    /// As a mapping names it.
    pub(crate) const NAMES: [(&str, Self); 3] =
        [("GRCh37", Self::Grch37), ("GRCh38", Self::Grch38), ("CHM13", Self::Chm13)];

    /// Bases of its chromosome 1, by which a file's header tells it (Genome Reference Consortium;
    /// T2T-CHM13v2.0).
    pub(crate) fn first_chromosome(self) -> u64 {
        match self {
            Self::Grch37 => 249_250_621,
            Self::Grch38 => 248_956_422,
            Self::Chm13 => 248_387_328,
        }
    }
}

/// Whose name a row has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PanelId {
    Sample,
    File,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPanel {
    annotation: Option<String>,
    symbol: Option<String>,
    #[serde(default)]
    impact: Vec<String>,
    regions: Option<String>,
    assembly: Option<String>,
    pass: Option<bool>,
    min_depth: Option<u64>,
    min_fraction: Option<f64>,
    sample: Option<String>,
    id: Option<String>,
}

impl RawPanel {
    pub(super) fn check(self) -> Result<Panel, String> {
        let by_regions = self.regions.is_some();
        let genes = match (self.annotation, self.regions) {
            (Some(key), None) => {
                let symbol = match (self.symbol, key.as_str()) {
                    (Some(symbol), _) => symbol,
                    // SnpEff's and VEP's own names.
                    (None, "ANN") => "Gene_Name".to_owned(),
                    (None, "CSQ") => "SYMBOL".to_owned(),
                    (None, _) => {
                        return Err(
                            "`symbol` names the field of the annotation that has the gene's \
                                    symbol"
                                .into(),
                        );
                    }
                };
                Genes::Annotation { key, symbol }
            }
            (None, Some(text)) => {
                let assembly = self.assembly.as_deref().unwrap_or_default();
                let assembly = one_of("assembly", assembly, &Assembly::NAMES)?;
                Genes::Regions(regions(&text)?, assembly)
            }
            _ => {
                return Err(
                    "a gene is known by `annotation` (\"ANN\" or \"CSQ\") or by `regions`, the \
                            lines of a BED file; give one of them"
                        .into(),
                );
            }
        };
        if by_regions && !self.impact.is_empty() {
            return Err("`impact` stands in an annotation; regions have none".into());
        }
        if self.min_fraction.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err("`min_fraction` is a share of reads, 0 to 1".into());
        }
        let ids = [("sample", PanelId::Sample), ("file", PanelId::File)];
        let id = self.id.as_deref().map(|id| one_of("id", id, &ids)).transpose()?;
        Ok(Panel {
            genes,
            impacts: self.impact,
            pass: self.pass.unwrap_or(true),
            min_depth: self.min_depth,
            min_fraction: self.min_fraction,
            sample: self.sample,
            id: id.unwrap_or(PanelId::Sample),
        })
    }
}

/// Lines of a BED file: chromosome, start, end, gene; what stands behind is not read.
fn regions(text: &str) -> Result<Vec<Region>, String> {
    let mut regions = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let fields: Vec<&str> = line.split_whitespace().take(4).collect();
        let is_data =
            |first: &&str| !(first.starts_with('#') || ["track", "browser"].contains(first));
        if fields.first().is_none_or(|first| !is_data(first)) {
            continue;
        }
        let region = region(&fields).ok_or_else(|| {
            format!(
                "`regions`, line {}: it has chromosome, start, end and gene, as in \
                 `chr5 171387115 171410884 NPM1` (from 0, the end not included)",
                at + 1
            )
        })?;
        if regions.len() == MOST_REGIONS {
            return Err(format!("at most {MOST_REGIONS} `regions`"));
        }
        regions.push(region);
    }
    match regions.is_empty() {
        true => Err("`regions` has no line".into()),
        false => Ok(regions),
    }
}

fn region(fields: &[&str]) -> Option<Region> {
    let [name, start, end, gene] = fields else { return None };
    let (start, end) = (start.parse().ok()?, end.parse().ok()?);
    let region =
        Region { chromosome: chromosome(name).to_owned(), start, end, gene: (*gene).into() };
    (start < end).then_some(region)
}

/// A chromosome's name whether or not a file says `chr` before it.
pub(crate) fn chromosome(name: &str) -> &str {
    let name = name.strip_prefix("chr").or_else(|| name.strip_prefix("CHR")).unwrap_or(name);
    if name == "M" { "MT" } else { name }
}
