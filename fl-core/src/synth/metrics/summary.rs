//! All that counts tell of real and virtual patients, joined into one result.

use super::association::{cramers_v, rank_correlation};
use super::distance::{by_chance, kolmogorov_smirnov, of_shares};
use super::edges;
use super::forest;
use super::nearest::{DISTANCE_BINS, Gower, RATIO_BINS, Scale, distance_edges};
use super::workload::{Table, Workload};
use crate::nn::SplitMix64;
use crate::results::fidelity::{self, Column, Fidelity, Group, Nearest, Pair, TwoSample, Worst};
use crate::synth::domain::{Attribute, Domain, Kind};
use crate::tasks::validate::rank::area_with_error;

/// Tables of an order that are named.
const WORST: usize = 5;

/// What was asked, all of it public.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Manifest id of the generator, or its file.
    pub of: String,
    /// Seed of the sampler.
    pub seed: u64,
    /// Conditions of the sample.
    pub conditions: Vec<String>,
    /// Real patients in the tables.
    pub subset: String,
}

/// What is counted of real patients.
#[derive(Clone, Debug, PartialEq)]
pub struct Counts {
    /// Cells of the workload.
    pub tables: Vec<f64>,
    /// [`DISTANCE_BINS`] counts a group: of those who trained, then, where there are any, of those
    /// kept out.
    pub distances: Vec<f64>,
    /// [`RATIO_BINS`] counts a group.
    pub ratios: Vec<f64>,
    /// Sum over sites of area times patients, and patients.
    pub c2st: Option<(f64, f64)>,
    /// Sites that answered.
    pub sites: u64,
    /// Standard deviation of the noise on each count.
    pub noise: Option<f64>,
}

impl Counts {
    /// Nothing counted yet; `groups` is 2 where patients were kept out of the fit, else 1.
    #[must_use]
    pub fn new(workload: &Workload, groups: usize) -> Self {
        Self {
            tables: vec![0.0; workload.cells()],
            distances: vec![0.0; groups * DISTANCE_BINS],
            ratios: vec![0.0; groups * RATIO_BINS],
            c2st: None,
            sites: 0,
            noise: None,
        }
    }

    /// Adds a patient's distances; of group 0, or of group 1 for one who was kept out.
    pub fn add_nearest(&mut self, gower: &Gower, row: &[u16], rows: &[Vec<u16>], group: usize) {
        let Some(nearest) = gower.nearest(row, rows) else { return };
        let places = [
            (&mut self.distances, group * DISTANCE_BINS + nearest.distance_bin()),
            (&mut self.ratios, group * RATIO_BINS + nearest.ratio_bin()),
        ];
        for (counts, place) in places {
            counts.get_mut(place).into_iter().for_each(|count| *count += 1.0);
        }
    }
}

/// The result of what was counted, beside the virtual rows.
#[must_use]
pub fn summarise(
    asked: Asked,
    domain: &Domain,
    workload: &Workload,
    counts: &Counts,
    rows: &[Vec<u16>],
) -> Fidelity {
    let synthetic = workload.counts(rows);
    let shuffled = workload.counts(&shuffled(rows, asked.seed));
    let m = rows.iter().filter(|row| workload.holds(row)).count() as f64;
    let sides = Sides {
        domain,
        real: &counts.tables,
        synthetic: &synthetic,
        shuffled: &shuffled,
        n: total(workload, &counts.tables),
        m,
        noise: counts.noise,
    };
    let tables = workload.tables();
    let of_order =
        |order: usize| tables.iter().filter(move |table| table.attributes.len() == order);
    let orders = (1..=workload.degree()).filter_map(|order| {
        let of = workload.sets(order) as u64;
        sides.order(order as u64, of, &of_order(order).collect::<Vec<_>>())
    });
    Fidelity {
        schema: fidelity::SCHEMA.to_owned(),
        of: asked.of,
        rows: rows.len() as u64,
        seed: asked.seed,
        conditions: asked.conditions,
        subset: asked.subset,
        n: sides.n,
        sites: counts.sites,
        noise: counts.noise,
        columns: of_order(1).filter_map(|table| sides.column(table)).collect(),
        pairs: of_order(2).filter_map(|table| sides.pair(table)).collect(),
        workload: orders.collect(),
        nearest: nearest(counts),
        c2st: counts.c2st.filter(|(_, n)| *n > 0.0).map(|(sum, n)| TwoSample { auc: sum / n, n }),
    }
}

/// The same for rows that are at hand: real patients with whether each was kept out of the fit, and
/// no sums. Tables are of those kept out where there are any.
#[must_use]
pub fn pooled(
    asked: Asked,
    domain: &Domain,
    workload: &Workload,
    real: &[(Vec<u16>, bool)],
    rows: &[Vec<u16>],
) -> Fidelity {
    let any_out = real.iter().any(|(_, held_out)| *held_out);
    let gower = Gower::of(domain);
    let mut counts = Counts::new(workload, if any_out { 2 } else { 1 });
    let mut judged = Vec::new();
    for (row, held_out) in real {
        counts.add_nearest(&gower, row, rows, usize::from(*held_out));
        if *held_out == any_out {
            workload.count(row, &mut counts.tables);
            judged.push(row.clone());
        }
    }
    counts.sites = 1;
    let n = judged.len() as f64;
    let found = forest::two_sample(&judged, rows, &ordered(domain), asked.seed);
    counts.c2st = found.map(|found| (found.auc * n, n));
    summarise(asked, domain, workload, &counts, rows)
}

/// Of each column, whether its levels are in an order by which a tree may cut.
#[must_use]
pub fn ordered(domain: &Domain) -> Vec<bool> {
    domain.attributes.iter().map(|attribute| Scale::of(attribute).is_ordered()).collect()
}

/// The rows with each column shuffled by itself: every column is what it was, and none goes with
/// another. What is drawn is public: rows and seed are.
fn shuffled(rows: &[Vec<u16>], seed: u64) -> Vec<Vec<u16>> {
    // Not the numbers that draw a part of the workload.
    let mut random = SplitMix64::new(seed ^ 0x5348_5546_464c_4544);
    let mut shuffled = rows.to_vec();
    let columns = rows.first().map_or(0, Vec::len);
    for column in 0..columns {
        let mut levels: Vec<u16> = rows.iter().filter_map(|row| row.get(column).copied()).collect();
        for last in (1..levels.len()).rev() {
            // The modulo's bias is below 2^-40 for so few rows.
            levels.swap(last, (random.next() % (last as u64 + 1)) as usize);
        }
        for (row, level) in shuffled.iter_mut().zip(levels) {
            if let Some(own) = row.get_mut(column) {
                *own = level;
            }
        }
    }
    shuffled
}

/// Real patients: the mean of what the one-way tables add up to, which under noise is the best
/// guess that they hold.
fn total(workload: &Workload, counts: &[f64]) -> f64 {
    let sums: Vec<f64> = workload
        .tables()
        .iter()
        .filter(|table| table.attributes.len() == 1)
        .map(|table| table.of(counts).iter().sum())
        .collect();
    if sums.is_empty() { 0.0 } else { sums.iter().sum::<f64>() / sums.len() as f64 }
}

/// Both sides of all tables.
struct Sides<'a> {
    domain: &'a Domain,
    real: &'a [f64],
    synthetic: &'a [f64],
    /// Virtual patients whose columns do not go together.
    shuffled: &'a [f64],
    n: f64,
    m: f64,
    noise: Option<f64>,
}

impl Sides<'_> {
    /// Total variation of a table, and what chance makes of it.
    fn distance(&self, table: &Table) -> (f64, f64) {
        let (real, synthetic) = (table.of(self.real), table.of(self.synthetic));
        let noise = self.noise.unwrap_or(0.0);
        (
            of_shares(real, self.n, synthetic, self.m),
            by_chance(real, self.n, synthetic, self.m, noise),
        )
    }

    fn attribute(&self, table: &Table, place: usize) -> Option<&Attribute> {
        self.domain.attributes.get(*table.attributes.get(place)?)
    }

    fn names(&self, table: &Table) -> Vec<String> {
        let name = |place| self.attribute(table, place).map(|attribute| attribute.name.clone());
        (0..table.attributes.len()).filter_map(name).collect()
    }

    fn column(&self, table: &Table) -> Option<Column> {
        let attribute = self.attribute(table, 0)?;
        let (real, synthetic) = (table.of(self.real), table.of(self.synthetic));
        let (tv, chance) = self.distance(table);
        let known = |counts: &[f64]| ordered_counts(attribute, counts);
        let ks = known(real).zip(known(synthetic)).map(|(a, b)| kolmogorov_smirnov(&a, &b));
        Some(Column {
            name: attribute.name.clone(),
            scale: scale(attribute),
            levels: level_names(attribute, table.cells),
            missing: attribute.missing,
            real: real.to_vec(),
            synthetic: synthetic.to_vec(),
            tv,
            chance,
            ks: ks.filter(|ks| ks.is_finite()),
        })
    }

    fn pair(&self, table: &Table) -> Option<Pair> {
        let (a, b) = (self.attribute(table, 0)?, self.attribute(table, 1)?);
        let (tv, chance) = self.distance(table);
        let (rows, columns) = (self.size(table, 0)?, self.size(table, 1)?);
        let both = |of: &dyn Fn(&[f64]) -> Option<f64>| {
            let values = (of(table.of(self.real))?, of(table.of(self.synthetic))?);
            self.noise.is_none().then_some(values)
        };
        let in_order = |attribute: &Attribute| Scale::of(attribute).is_ordered();
        let correlation = |counts: &[f64]| {
            let (down, across) = (rows - usize::from(a.missing), columns - usize::from(b.missing));
            let known: Vec<f64> = counts
                .chunks_exact(columns)
                .take(down)
                .flat_map(|line| line.iter().take(across).copied())
                .collect();
            rank_correlation(&known, down, across)
        };
        Some(Pair {
            a: a.name.clone(),
            b: b.name.clone(),
            tv,
            chance,
            association: both(&|counts| cramers_v(counts, rows, columns)),
            correlation: (in_order(a) && in_order(b)).then(|| both(&correlation)).flatten(),
        })
    }

    /// Levels of a table's column.
    fn size(&self, table: &Table, place: usize) -> Option<usize> {
        let sizes = self.domain.sizes();
        sizes.get(*table.attributes.get(place)?).copied().filter(|size| *size > 0)
    }

    fn order(&self, degree: u64, of: u64, tables: &[&Table]) -> Option<fidelity::Workload> {
        let found: Vec<(f64, f64)> = tables.iter().map(|table| self.distance(table)).collect();
        let count = found.len() as f64;
        let shuffled = |table: &&Table| {
            of_shares(table.of(self.real), self.n, table.of(self.shuffled), self.m)
        };
        let shuffled = (degree > 1).then(|| tables.iter().map(shuffled).sum::<f64>() / count);
        let mean = |of: fn(&(f64, f64)) -> f64| found.iter().map(of).sum::<f64>() / count;
        let mut far: Vec<(&&Table, &(f64, f64))> = tables.iter().zip(&found).collect();
        // A stable sort: ties stay in the order of the columns.
        far.sort_by(|(_, a), (_, b)| (b.0 - b.1).total_cmp(&(a.0 - a.1)));
        let worst = far.into_iter().take(WORST).map(|(table, (tv, chance))| Worst {
            columns: self.names(table),
            tv: *tv,
            chance: *chance,
        });
        (!found.is_empty()).then(|| fidelity::Workload {
            degree,
            tables: found.len() as u64,
            of,
            tv: mean(|one| one.0),
            chance: mean(|one| one.1),
            shuffled,
            worst: worst.collect(),
        })
    }
}

fn nearest(counts: &Counts) -> Nearest {
    let group = |place: usize| {
        let part = |counts: &[f64], bins: usize| {
            counts.get(place * bins..(place + 1) * bins).map(<[f64]>::to_vec)
        };
        let distances = part(&counts.distances, DISTANCE_BINS)?;
        let ratios = part(&counts.ratios, RATIO_BINS)?;
        let copies = distances.first().copied().unwrap_or(0.0);
        Some(Group { n: distances.iter().sum(), copies, distances, ratios })
    };
    let empty = || Group { n: 0.0, copies: 0.0, distances: Vec::new(), ratios: Vec::new() };
    let (training, holdout) = (group(0).unwrap_or_else(empty), group(1));
    let auc = holdout.as_ref().filter(|_| counts.noise.is_none()).and_then(|holdout| {
        // Closer is the sign of having trained: those kept out are to lie higher.
        area_with_error(&holdout.distances, &training.distances)
    });
    Nearest { distance_edges: distance_edges(), training, holdout, auc }
}

fn scale(attribute: &Attribute) -> fidelity::Scale {
    match &attribute.kind {
        Kind::Number { .. } => fidelity::Scale::Number,
        Kind::Levels { ordered: true, .. } => fidelity::Scale::Ordered,
        Kind::Levels { ordered: false, .. } => fidelity::Scale::Levels,
        Kind::Survival { .. } => fidelity::Scale::Survival,
    }
}

/// Counts of the known levels, in their order; of the time bins of a survival column. `None` where
/// there is no order.
fn ordered_counts(attribute: &Attribute, counts: &[f64]) -> Option<Vec<f64>> {
    let known = counts.len() - usize::from(attribute.missing && !counts.is_empty());
    let known = counts.get(..known)?;
    match &attribute.kind {
        Kind::Number { .. } | Kind::Levels { ordered: true, .. } => Some(known.to_vec()),
        Kind::Levels { ordered: false, .. } => None,
        Kind::Survival { events, .. } => {
            let bins = known.chunks(events.len().max(1));
            Some(bins.map(|bin| bin.iter().sum()).collect())
        }
    }
}

/// Readable names of all levels of a column, as many as there are cells.
fn level_names(attribute: &Attribute, cells: usize) -> Vec<String> {
    let bins = |edges: &[f64]| -> Vec<String> {
        edges::texts(edges).windows(2).map(|bin| bin.join(" to ")).collect()
    };
    let mut names = match &attribute.kind {
        Kind::Number { edges, .. } => bins(edges),
        Kind::Levels { levels, .. } => levels.clone(),
        Kind::Survival { edges, events, .. } => bins(edges)
            .iter()
            .flat_map(|bin| events.iter().map(move |event| format!("{bin}, {event}")))
            .collect(),
    };
    if attribute.missing {
        names.push("missing".to_owned());
    }
    names.resize(cells, String::new());
    names
}
