//! Whether trees can tell real patients from virtual ones: the classifier two-sample test
//! (Lopez-Paz and Oquab, ICLR 2017) with a random forest (Breiman, *Machine Learning* 2001;45:5).
//!
//! Rows are levels, so a split needs counts alone: of an ordered column it cuts between neighbouring
//! levels, of another the levels are sorted by their share of real patients first, which finds the
//! best of all two-way groupings (Breiman et al. 1984, theorem 4.5). Each patient is judged by the
//! trees that did not see it (out of bag). The bootstrap draws each class by itself: drawn together,
//! a row that is left out leaves its class in the minority, and its trees lean against it.
//!
//! Own trees and not a library's: what there is votes by class and gives no score out of bag, takes
//! floating-point matrices, and ends the process on input that it does not like, which a hospital's
//! answer may never do (rule S5).

use crate::nn::SplitMix64;

const TREES: usize = 100;
const MOST_DEPTH: u32 = 12;
/// Rows that a leaf must hold, drawn ones counted as often as they were drawn.
const LEAF: f64 = 5.0;
/// Rows of each class that are looked at.
pub const MOST_ROWS: usize = 2000;
/// Rows of each class below which nothing is said.
pub const FEWEST_ROWS: usize = 20;

/// What separates the two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TwoSample {
    /// Area under the curve, out of bag: 0.5 when trees cannot tell them apart, 1 when they always
    /// can.
    pub auc: f64,
    /// Rows of each class that were judged.
    pub rows: usize,
}

/// Trains and judges the forest; the larger class is drawn down to the size of the smaller, and both
/// to [`MOST_ROWS`]. `ordered` tells of each column whether its levels are in an order. `None` for
/// fewer than [`FEWEST_ROWS`] rows of a class or no column.
#[must_use]
pub fn two_sample(
    real: &[Vec<u16>],
    synthetic: &[Vec<u16>],
    ordered: &[bool],
    seed: u64,
) -> Option<TwoSample> {
    let rows = real.len().min(synthetic.len()).min(MOST_ROWS);
    if rows < FEWEST_ROWS || ordered.is_empty() {
        return None;
    }
    let mut random = SplitMix64::new(seed);
    let mut drawn = draw(real, rows, &mut random);
    drawn.extend(draw(synthetic, rows, &mut random));
    if drawn.iter().any(|row| row.len() != ordered.len()) {
        return None;
    }
    let sizes = (0..ordered.len())
        .map(|column| {
            drawn
                .iter()
                .filter_map(|row| row.get(column))
                .max()
                .map_or(1, |most| usize::from(*most) + 1)
        })
        .collect();
    let data = Data { rows: drawn, class: rows, ordered, sizes };
    let (mut scores, mut judged) = (vec![0.0; 2 * rows], vec![0.0; 2 * rows]);
    for _ in 0..TREES {
        let mut weights = vec![0.0; 2 * rows];
        for start in [0, rows] {
            for _ in 0..rows {
                let place = start + (random.next() % rows as u64) as usize;
                weights[place] += 1.0;
            }
        }
        let tree = Tree::grow(&data, &weights, &mut random);
        for (i, row) in data.rows.iter().enumerate() {
            if weights[i] == 0.0 {
                scores[i] += tree.share_of_real(row);
                judged[i] += 1.0;
            }
        }
    }
    let mean = |range: std::ops::Range<usize>| -> Vec<f64> {
        range.filter(|i| judged[*i] > 0.0).map(|i| scores[i] / judged[i]).collect()
    };
    let auc = area(&mean(0..rows), &mean(rows..2 * rows))?;
    Some(TwoSample { auc, rows })
}

/// `count` of the rows without replacement, in an order drawn by the generator.
fn draw<'a>(rows: &'a [Vec<u16>], count: usize, random: &mut SplitMix64) -> Vec<&'a [u16]> {
    let mut drawn: Vec<&[u16]> = rows.iter().map(Vec::as_slice).collect();
    for place in 0..count.min(drawn.len()) {
        let left = (drawn.len() - place) as u64;
        drawn.swap(place, place + (random.next() % left) as usize);
    }
    drawn.truncate(count);
    drawn
}

/// The share of pairs in which the first kind scores higher, ties a half; `None` without pairs.
#[must_use]
pub fn area(higher: &[f64], lower: &[f64]) -> Option<f64> {
    let mut all: Vec<(f64, bool)> = higher.iter().map(|score| (*score, true)).collect();
    all.extend(lower.iter().map(|score| (*score, false)));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut won) = (0.0, 0.0);
    for ties in all.chunk_by(|a, b| a.0 == b.0) {
        let own = ties.iter().filter(|(_, first)| *first).count() as f64;
        let others = ties.len() as f64 - own;
        won += own * (below + others / 2.0);
        below += others;
    }
    let pairs = higher.len() as f64 * lower.len() as f64;
    (pairs > 0.0).then(|| won / pairs)
}

/// The rows of both classes; the first `class` of them are real.
struct Data<'a> {
    rows: Vec<&'a [u16]>,
    class: usize,
    ordered: &'a [bool],
    sizes: Vec<usize>,
}

/// Drawn rows of a level, or of a node.
#[derive(Clone, Copy, Default)]
struct Tally {
    real: f64,
    all: f64,
}

impl Tally {
    fn add(&mut self, real: bool, weight: f64) {
        self.all += weight;
        if real {
            self.real += weight;
        }
    }

    fn and(self, other: Self) -> Self {
        Self { real: self.real + other.real, all: self.all + other.all }
    }

    fn less(self, other: Self) -> Self {
        Self { real: self.real - other.real, all: self.all - other.all }
    }

    fn share(self) -> f64 {
        if self.all > 0.0 { self.real / self.all } else { 0.5 }
    }

    /// Gini impurity times the rows, up to a factor of 2.
    fn impurity(self) -> f64 {
        self.real * (1.0 - self.share())
    }
}

enum Node {
    Leaf(f64),
    Split {
        column: usize,
        /// By level.
        to_left: Vec<bool>,
        left: usize,
        right: usize,
    },
}

struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    /// A tree of the rows with their weights.
    fn grow(data: &Data<'_>, weights: &[f64], random: &mut SplitMix64) -> Self {
        let drawn: Vec<usize> = (0..data.rows.len()).filter(|i| weights[*i] > 0.0).collect();
        let mut tree = Self { nodes: vec![Node::Leaf(0.5)] };
        let mut open = vec![(0, drawn, 0)];
        while let Some((place, rows, depth)) = open.pop() {
            let mut whole = Tally::default();
            rows.iter().for_each(|i| whole.add(*i < data.class, weights[*i]));
            let split = (depth < MOST_DEPTH && whole.all >= 2.0 * LEAF)
                .then(|| best(data, weights, &rows, whole, random))
                .flatten();
            let Some((column, to_left)) = split else {
                tree.nodes[place] = Node::Leaf(whole.share());
                continue;
            };
            let goes_left = |i: &usize| {
                let level = data.rows[*i].get(column).map_or(0, |level| usize::from(*level));
                to_left.get(level).copied().unwrap_or(false)
            };
            let (on_left, on_right) = rows.into_iter().partition(goes_left);
            let left = tree.nodes.len();
            tree.nodes.extend([Node::Leaf(0.5), Node::Leaf(0.5)]);
            tree.nodes[place] = Node::Split { column, to_left, left, right: left + 1 };
            open.push((left, on_left, depth + 1));
            open.push((left + 1, on_right, depth + 1));
        }
        tree
    }

    /// Share of real patients among the drawn rows of the leaf.
    fn share_of_real(&self, row: &[u16]) -> f64 {
        let mut place = 0;
        loop {
            match self.nodes.get(place) {
                Some(Node::Leaf(share)) => return *share,
                Some(Node::Split { column, to_left, left, right }) => {
                    let level = row.get(*column).map_or(0, |level| usize::from(*level));
                    let goes_left = to_left.get(level).copied().unwrap_or(false);
                    place = if goes_left { *left } else { *right };
                }
                None => return 0.5,
            }
        }
    }
}

/// The split that lowers impurity most among sqrt(columns) columns drawn at random; `None` when none
/// lowers it.
fn best(
    data: &Data<'_>,
    weights: &[f64],
    rows: &[usize],
    whole: Tally,
    random: &mut SplitMix64,
) -> Option<(usize, Vec<bool>)> {
    let mut columns: Vec<usize> = (0..data.sizes.len()).collect();
    let tried = (columns.len() as f64).sqrt().ceil() as usize;
    // A gain below this share of a row is rounding.
    let mut lowest = whole.impurity() - 1e-9;
    let mut found = None;
    for place in 0..tried {
        let left = (columns.len() - place) as u64;
        columns.swap(place, place + (random.next() % left) as usize);
        let column = columns[place];
        let mut levels = vec![Tally::default(); data.sizes[column]];
        for i in rows {
            let level = data.rows[*i].get(column).map_or(0, |level| usize::from(*level));
            levels[level].add(*i < data.class, weights[*i]);
        }
        let mut order: Vec<usize> = (0..levels.len()).filter(|l| levels[*l].all > 0.0).collect();
        if !data.ordered[column] {
            order.sort_by(|a, b| levels[*a].share().total_cmp(&levels[*b].share()));
        }
        let mut below = Tally::default();
        for (cut, level) in order.iter().enumerate().take(order.len().saturating_sub(1)) {
            below = below.and(levels[*level]);
            let above = whole.less(below);
            let impurity = below.impurity() + above.impurity();
            if below.all >= LEAF && above.all >= LEAF && impurity < lowest {
                lowest = impurity;
                let mut to_left = vec![false; levels.len()];
                order.iter().take(cut + 1).for_each(|level| to_left[*level] = true);
                found = Some((column, to_left));
            }
        }
    }
    found
}
