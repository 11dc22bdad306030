//! The wanted genes that an alternate stands in, by its annotation or by its place.

use std::collections::{BTreeMap, BTreeSet};

use super::header::{Fields, Header};
use super::variant::{Variant, entry};
use crate::convert::mapping::{Genes, Mapping, OfVariants, Panel, Region, Source, chromosome};

/// Genes that columns ask for.
pub(super) struct Wanted<'a> {
    pub(super) genes: Vec<&'a str>,
    places: BTreeMap<&'a str, usize>,
    /// Whether any column takes the fraction of reads.
    pub(super) fraction: bool,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(mapping: &'a Mapping) -> Self {
        let mut wanted = Self { genes: Vec::new(), places: BTreeMap::new(), fraction: false };
        for column in &mapping.columns {
            let Source::Variants { gene, take } = &column.from else { continue };
            wanted.fraction |= *take == OfVariants::Fraction;
            if !wanted.places.contains_key(gene.as_str()) {
                wanted.places.insert(gene, wanted.genes.len());
                wanted.genes.push(gene);
            }
        }
        wanted
    }

    /// Number of a gene.
    pub(super) fn place(&self, gene: &str) -> Option<usize> {
        self.places.get(gene).copied()
    }
}

/// How a file's variants are held against the panel.
pub(super) struct Known<'a> {
    panel: &'a Panel,
    wanted: &'a Wanted<'a>,
    fields: Option<Fields>,
    /// Regions with the number of their gene, by chromosome.
    regions: BTreeMap<&'a str, Vec<(&'a Region, usize)>>,
}

impl<'a> Known<'a> {
    pub(super) fn new(panel: &'a Panel, wanted: &'a Wanted<'a>, header: &Header) -> Self {
        let mut regions: BTreeMap<&str, Vec<(&Region, usize)>> = BTreeMap::new();
        if let Genes::Regions(all, _) = &panel.genes {
            for region in all {
                if let Some(place) = wanted.place(&region.gene) {
                    regions.entry(&region.chromosome).or_default().push((region, place));
                }
            }
        }
        Self { panel, wanted, fields: header.annotation, regions }
    }

    /// Numbers of the genes in which an alternate counts; `named` gets those that are named at all.
    pub(super) fn genes(
        &self,
        variant: &Variant<'_>,
        alternate: usize,
        named: &mut BTreeSet<usize>,
    ) -> Result<BTreeSet<usize>, String> {
        let own = variant.alternates.get(alternate).copied().unwrap_or_default();
        if !Variant::is_variant(own) {
            return Ok(BTreeSet::new());
        }
        match (&self.panel.genes, self.fields) {
            (Genes::Annotation { key, .. }, Some(fields)) => {
                self.annotated(variant, alternate, key, fields, named)
            }
            _ => Ok(self.within(variant)),
        }
    }

    fn within(&self, variant: &Variant<'_>) -> BTreeSet<usize> {
        let there = self.regions.get(chromosome(variant.chromosome)).into_iter().flatten();
        let meet = |own: &Region| variant.start < own.end && own.start < variant.end;
        there.filter(|(region, _)| meet(region)).map(|(_, place)| *place).collect()
    }

    fn annotated(
        &self,
        variant: &Variant<'_>,
        alternate: usize,
        key: &str,
        fields: Fields,
        named: &mut BTreeSet<usize>,
    ) -> Result<BTreeSet<usize>, String> {
        let mut genes = BTreeSet::new();
        for effect in entry(variant.info, key).into_iter().flat_map(|own| own.split(',')) {
            let field = |place: usize| effect.split('|').nth(place).unwrap_or_default();
            // Of a fusion, both.
            let symbols = field(fields.symbol).split('&');
            let own: Vec<usize> = symbols.filter_map(|own| self.wanted.place(own)).collect();
            named.extend(own.iter().copied());
            let impact = fields.impact.map_or("", field);
            let counts = self.panel.impacts.is_empty()
                || self.panel.impacts.iter().any(|wanted| wanted == impact);
            let alleles = &variant.alternates;
            if !own.is_empty() && counts && of_alternate(alleles, alternate, fields, &field)? {
                genes.extend(own);
            }
        }
        Ok(genes)
    }
}

/// Whether an effect is that of an alternate, where a line has several.
fn of_alternate<'a>(
    alternates: &[&str],
    alternate: usize,
    fields: Fields,
    field: &impl Fn(usize) -> &'a str,
) -> Result<bool, String> {
    if alternates.len() < 2 {
        return Ok(true);
    }
    if let Some(number) = fields.number.and_then(|place| field(place).parse::<usize>().ok()) {
        return Ok(number == alternate + 1);
    }
    let allele = fields.allele.map_or("", field);
    // SnpEff has the alternate itself; VEP leaves out the first base of one that is longer or shorter
    // than the reference, and has `-` where nothing is left.
    let is = |own: &str| {
        let short = own.get(1..).unwrap_or_default();
        let same = own == allele || short == allele;
        !allele.is_empty() && (same || (short.is_empty() && allele == "-"))
    };
    let mut meant = alternates.iter().enumerate().filter(|(_, own)| is(own));
    match (meant.next(), meant.next()) {
        (Some((place, _)), None) => Ok(place == alternate),
        _ => Err(
            "has several alternates, and its annotation does not say which is meant; split them, \
                  for instance by `bcftools norm -m-`"
                .into(),
        ),
    }
}
