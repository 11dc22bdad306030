//! Co-mutation: which genes are mutated, how many a patient, and which pairs together, from one
//! secure sum of counts.
//!
//! Pairs as in Papaemmanuil et al., *NEJM* 2016;374:2209, figure 2: for each the 2 x 2 table, odds
//! ratio with Woolf's error (*Ann. Hum. Genet.* 1955;19:251), and Fisher's exact test. A patient of
//! whom any of the genes is unknown is left out. The p values are of single pairs: with many genes,
//! correct them for their number. The task touches the genes and the grouping column.
//!
//! # Bounds
//! A patient is in at most two groups (all, and one level). In each it adds 1 to `groups`; 1 to
//! `burden`; at most m ones to `counts`; at most m (m - 1) / 2 ones to `pairs`. Norms: sqrt(2),
//! sqrt(2), sqrt(2 m), sqrt(m (m - 1)).

use rand_core::CryptoRng;
use serde::Deserialize;

use super::layout::{self, refuse, unfit, whole};
use super::survival::{Groups, check_flag};
use crate::error::Error;
use crate::results;
use crate::results::comutation::{GenePair, MutationGroup};
use crate::schema::Schema;
use crate::stat::fisher::fisher_exact;
use crate::sum::Sum;
use crate::task::{Contribution, Next, Query, Site, SiteState, Task};

/// Name of the task.
pub const NAME: &str = "comutation";
/// Version of its query.
pub const VERSION: u32 = 1;

/// Patients up to which the exact test is computed; no honest network has as many.
const MOST_PATIENTS: u64 = 100_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    genes: Vec<String>,
    by: Option<String>,
}

/// A co-mutation table.
#[derive(Debug)]
pub struct Comutation {
    genes: Vec<String>,
    by: Option<Groups>,
}

impl Comutation {
    /// The table of these parameters: `genes` (at least two flags), and optionally `by` (a flag or
    /// a category).
    ///
    /// # Errors
    /// When a parameter or a column cannot be used.
    pub fn new(table: &toml::Table, schema: &Schema) -> Result<Self, Error> {
        let params: Params = layout::params(NAME, table)?;
        for (position, gene) in params.genes.iter().enumerate() {
            check_flag(NAME, schema, gene)?;
            if params.genes.iter().take(position).any(|earlier| earlier == gene) {
                return Err(refuse(NAME, format!("`{gene}` is named twice; keep one")));
            }
        }
        if params.genes.len() < 2 {
            return Err(refuse(NAME, "`genes` must name at least two"));
        }
        let by = match params.by.as_deref() {
            None => None,
            by => Some(Groups::new(NAME, schema, by)?),
        };
        let task = Self { genes: params.genes, by };
        layout::check(NAME, &task.query(&()))?;
        Ok(task)
    }

    fn groups(&self) -> usize {
        1 + self.by.as_ref().map_or(0, |groups| groups.names.len())
    }

    fn pairs(&self) -> usize {
        self.genes.len() * (self.genes.len() - 1) / 2
    }

    /// Whether each gene is mutated; false when any is unknown.
    fn read(&self, site: &Site<'_>, patient: usize, mutated: &mut [bool]) -> bool {
        self.genes.iter().zip(mutated).all(|(gene, place)| {
            let value = site.cohort.value(gene, patient);
            *place = value.is_some_and(|value| value > 0.5);
            value.is_some()
        })
    }

    /// The table of one pair in a group of `n` patients.
    fn pair(&self, n: u64, counts: &[u64], (j, k): (usize, usize), both: u64) -> GenePair {
        // In a sum that honest sites made, no difference is negative.
        let only_a = counts[j].saturating_sub(both);
        let only_b = counts[k].saturating_sub(both);
        let neither = n.saturating_sub(both.saturating_add(only_a).saturating_add(only_b));
        let cells = [both, only_a, only_b, neither].map(|count| count as f64);
        let [both_, only_a_, only_b_, neither_] = cells;
        let (together, apart) = (both_ * neither_, only_a_ * only_b_);
        GenePair {
            a: self.genes[j].clone(),
            b: self.genes[k].clone(),
            both,
            only_a,
            only_b,
            neither,
            odds_ratio: (apart > 0.0).then_some(together / apart),
            se: (together > 0.0 && apart > 0.0)
                .then(|| cells.iter().map(|count| 1.0 / count).sum::<f64>().sqrt()),
            p: fisher_exact(both, only_a, only_b, neither),
            tendency: if together > apart {
                "co-occurrence".to_owned()
            } else if together < apart {
                "exclusivity".to_owned()
            } else {
                "none".to_owned()
            },
        }
    }
}

impl Task for Comutation {
    type State = ();
    type Output = results::comutation::Comutation;

    fn start(&self) {}

    fn query(&self, (): &()) -> Query {
        let (groups, m) = (self.groups(), self.genes.len());
        let genes = m as f64;
        layout::exact(
            NAME,
            VERSION,
            vec![
                layout::count_block(),
                layout::counts("groups", groups, 2f64.sqrt()),
                layout::counts("burden", groups * (m + 1), 2f64.sqrt()),
                layout::counts("counts", groups * m, (2.0 * genes).sqrt()),
                layout::counts("pairs", groups * self.pairs(), (genes * (genes - 1.0)).sqrt()),
            ],
            Vec::new(),
        )
    }

    fn contribute(
        &self,
        query: &Query,
        site: &Site<'_>,
        _state: &mut SiteState,
        _rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error> {
        layout::from_bytes(query, 0)?;
        let (m, pairs) = (self.genes.len(), self.pairs());
        let mut groups = vec![0.0; self.groups()];
        let mut burden = vec![0.0; self.groups() * (m + 1)];
        let mut counts = vec![0.0; self.groups() * m];
        let mut both = vec![0.0; self.groups() * pairs];
        let (mut patients, mut mutated) = (0, vec![false; m]);
        for i in 0..site.cohort.len() {
            if !self.read(site, i, &mut mutated) {
                continue;
            }
            patients += 1;
            let level = self.by.as_ref().and_then(|groups| groups.of(site.cohort, i));
            for group in std::iter::once(0).chain(level.map(|level| level + 1)) {
                groups[group] += 1.0;
                let number = mutated.iter().filter(|gene| **gene).count();
                burden[group * (m + 1) + number] += 1.0;
                let mut places = both[group * pairs..].iter_mut();
                for (j, a) in mutated.iter().enumerate() {
                    counts[group * m + j] += f64::from(u8::from(*a));
                    for (b, place) in mutated[j + 1..].iter().zip(places.by_ref()) {
                        *place += f64::from(u8::from(*a && *b));
                    }
                }
            }
        }
        if let Some(zero) = layout::floor(query, site, patients) {
            return Ok(zero);
        }
        let count = layout::count_values(patients, 0);
        Ok(Contribution::encode(query, &[count, groups, burden, counts, both], site.max_patients))
    }

    fn absorb(
        &self,
        (): (),
        sum: &Sum,
    ) -> Result<Next<(), results::comutation::Comutation>, Error> {
        let (groups, m, pairs) = (self.groups(), self.genes.len(), self.pairs());
        let total = layout::read_counts(sum)?;
        let block = |name: &str, len: usize| -> Result<Vec<u64>, Error> {
            Ok(layout::block(sum, name, len)?.into_iter().map(whole).collect())
        };
        let n = block("groups", groups)?;
        let burden = block("burden", groups * (m + 1))?;
        let counts = block("counts", groups * m)?;
        let both = block("pairs", groups * pairs)?;
        if total.patients == 0 {
            return Err(unfit(
                NAME,
                "no patient of whom all genes are known; leave out those that are often missing",
            ));
        }
        let possible = [&n, &counts, &both].into_iter().flatten().all(|x| *x <= MOST_PATIENTS);
        if !possible {
            return Err(unfit(NAME, "counts past any cohort; some party broke the protocol"));
        }
        let levels = self.by.iter().flat_map(|groups| groups.names.iter().cloned());
        let group = |(g, name): (usize, String)| {
            let counts = counts[g * m..(g + 1) * m].to_vec();
            let places = (0..m).flat_map(|j| (j + 1..m).map(move |k| (j, k)));
            let both = &both[g * pairs..(g + 1) * pairs];
            MutationGroup {
                group: name,
                n: n[g],
                burden: burden[g * (m + 1)..(g + 1) * (m + 1)].to_vec(),
                pairs: places
                    .zip(both)
                    .map(|(place, both)| self.pair(n[g], &counts, place, *both))
                    .collect(),
                counts,
            }
        };
        Ok(Next::Done(results::comutation::Comutation {
            schema: "haima.comutation/1".to_owned(),
            n: total.patients,
            sites: total.sites,
            genes: self.genes.clone(),
            groups: std::iter::once("all".to_owned())
                .chain(levels)
                .enumerate()
                .map(group)
                .collect(),
        }))
    }
}
