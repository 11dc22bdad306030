//! The wanted genes that an alternate stands in, by its annotation or by its place.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::header::{Fields, Header};
use super::variant::{Variant, entry};
use crate::convert::mapping::{Genes, Mapping, OfVariants, Panel, Region, Source, chromosome};

/// Effects in the annotation of a line.
const MOST_EFFECTS: usize = 200_000;

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

    /// Numbers of the genes in which each alternate counts; `named` gets those that are named at all.
    /// A line is walked once, however many alternates it has.
    pub(super) fn genes(
        &self,
        variant: &Variant<'_>,
        named: &mut BTreeSet<usize>,
    ) -> Result<Vec<BTreeSet<usize>>, String> {
        let mut genes = vec![BTreeSet::new(); variant.alternates.len()];
        if !variant.alternates.iter().any(|own| Variant::is_variant(own)) {
            return Ok(genes);
        }
        match (&self.panel.genes, self.fields) {
            (Genes::Annotation { key, .. }, Some(fields)) => {
                self.annotated(variant, key, fields, named, &mut genes)?;
            }
            _ => {
                let within = self.within(variant);
                genes.iter_mut().for_each(|own| own.clone_from(&within));
            }
        }
        for (own, alternate) in genes.iter_mut().zip(&variant.alternates) {
            if !Variant::is_variant(alternate) {
                own.clear();
            }
        }
        Ok(genes)
    }

    fn within(&self, variant: &Variant<'_>) -> BTreeSet<usize> {
        let there = self.regions.get(chromosome(variant.chromosome)).into_iter().flatten();
        let meet = |own: &Region| variant.start < own.end && own.start < variant.end;
        there.filter(|(region, _)| meet(region)).map(|(_, place)| *place).collect()
    }

    fn annotated(
        &self,
        variant: &Variant<'_>,
        key: &str,
        fields: Fields,
        named: &mut BTreeSet<usize>,
        genes: &mut [BTreeSet<usize>],
    ) -> Result<(), String> {
        let mut alleles = None;
        let effects = entry(variant.info, key).into_iter().flat_map(|own| own.split(','));
        for (at, effect) in effects.enumerate() {
            if at == MOST_EFFECTS {
                return Err(format!("its annotation has more than {MOST_EFFECTS} effects"));
            }
            let field = |place: usize| effect.split('|').nth(place).unwrap_or_default();
            // Of a fusion, both.
            let symbols = field(fields.symbol).split('&');
            let own: Vec<usize> = symbols.filter_map(|own| self.wanted.place(own)).collect();
            named.extend(own.iter().copied());
            let impact = fields.impact.map_or("", field);
            let counts = self.panel.impacts.is_empty()
                || self.panel.impacts.iter().any(|wanted| wanted == impact);
            if own.is_empty() || !counts {
                continue;
            }
            let alleles = alleles.get_or_insert_with(|| Alleles::new(&variant.alternates));
            let number = fields.number.and_then(|place| field(place).parse().ok());
            let place = alleles.place(number, fields.allele.map_or("", field))?;
            if let Some(meant) = place.and_then(|place| genes.get_mut(place)) {
                meant.extend(own);
            }
        }
        Ok(())
    }
}

/// The alternates of a line by the names that an annotation has for them.
struct Alleles<'a> {
    count: usize,
    /// `None` where a name may mean several.
    places: HashMap<&'a str, Option<usize>>,
}

impl<'a> Alleles<'a> {
    fn new(alternates: &[&'a str]) -> Self {
        let mut places = HashMap::new();
        for (place, own) in alternates.iter().copied().enumerate() {
            // SnpEff has the alternate itself; VEP leaves out the first base of one that is longer or
            // shorter than the reference, and has `-` where nothing is left.
            let short = own.get(1..).unwrap_or_default();
            for name in [own, if short.is_empty() { "-" } else { short }] {
                let meant = places.entry(name).or_insert(Some(place));
                if *meant != Some(place) {
                    *meant = None;
                }
            }
        }
        Self { count: alternates.len(), places }
    }

    /// The place of the alternate that an effect is of, by its number (from 1) or its name; none where
    /// the number is that of no alternate.
    fn place(&self, number: Option<usize>, name: &str) -> Result<Option<usize>, String> {
        if self.count < 2 {
            return Ok(Some(0));
        }
        if let Some(number) = number {
            return Ok(number.checked_sub(1));
        }
        let meant = self.places.get(name).copied().flatten().filter(|_| !name.is_empty());
        meant.map(Some).ok_or_else(|| {
            "has several alternates, and its annotation does not say which is meant; split them, for \
             instance by `bcftools norm -m-`"
                .into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alternate_is_known_by_its_number_or_by_one_name_alone() {
        let of = |alternates: &[&str], number, name: &str| {
            Alleles::new(alternates).place(number, name).map_err(|problem| problem.len())
        };
        assert_eq!(of(&["T"], None, ""), Ok(Some(0)));
        for (name, place) in [("T", 0), ("-", 0), ("CAG", 1), ("AG", 1)] {
            assert_eq!(of(&["T", "CAG"], None, name), Ok(Some(place)), "{name}");
        }
        assert_eq!(of(&["T", "CAG"], Some(2), "T"), Ok(Some(1)));
        assert_eq!(of(&["T", "CAG"], Some(0), "T"), Ok(None));
        for name in ["", "G", "AG", "-"] {
            assert!(of(&["TAG", "CAG", "A", "C"], None, name).is_err(), "{name}");
        }
    }
}
