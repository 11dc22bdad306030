//! An association scan in two drawings: Manhattan plot and QQ plot, side by side.
//!
//! Variants stand in the order in which they were given; where the data have no chromosomes the
//! colour changes with the first part of the name (`mut_TP53` and `mut_NPM1` are of one group,
//! `t_8_21` of another). The broken line is Bonferroni's threshold at 0.05. The QQ plot has the
//! pointwise 95 % band of ordered uniform p values and genomic control's lambda, the median
//! chi-square over that of 1 degree of freedom (Devlin and Roeder, *Biometrics* 1999;55:997).

use haima_fl_core::results::scan;
use maud::{Markup, html};

use super::numbers;
use super::plot::{self, Scale, Size, unit};
use super::scan::is_hidden;
use super::words;

/// Where one of the two drawings goes, drawing units.
#[derive(Clone, Copy)]
struct Area {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Area {
    fn y(&self, scan: &Scan) -> Scale {
        Scale::new((0.0, scan.top()), (self.bottom, self.top))
    }
}

/// Names that are written beside their points, at most.
const NAMED: usize = 8;

/// A variant with its p value.
struct Variant {
    name: String,
    /// -log10 p.
    height: f64,
}

/// What is drawn.
pub(crate) struct Scan {
    variants: Vec<Variant>,
    /// Variants without a p value, which are not drawn.
    untested: usize,
    /// Tested ones with few carriers, whose p values are not shown.
    hidden: usize,
    lambda: Option<f64>,
}

impl Scan {
    /// The scan of a study, without variants of which the display rule hides the p value; `None` where
    /// none is left.
    pub(crate) fn new(result: &scan::Scan, min_cell: u64) -> Option<Self> {
        let tested = result.variants.iter().filter_map(|variant| Some((variant, variant.p?)));
        let (hidden, shown): (Vec<_>, Vec<_>) =
            tested.partition(|(variant, _)| is_hidden(variant, min_cell));
        let variants: Vec<Variant> = shown
            .into_iter()
            .map(|(variant, p)| Variant { name: variant.name.clone(), height: height(p) })
            .collect();
        let hidden = hidden.len();
        let untested = result.variants.len() - variants.len() - hidden;
        (!variants.is_empty()).then_some(Self { variants, untested, hidden, lambda: result.lambda })
    }

    fn top(&self) -> f64 {
        self.variants.iter().map(|variant| variant.height).fold(self.threshold(), f64::max) * 1.06
    }

    /// Bonferroni's, as a height.
    fn threshold(&self) -> f64 {
        -(0.05 / self.tested().max(1) as f64).log10()
    }

    /// Variants with a p value, whether it is shown or not.
    fn tested(&self) -> usize {
        self.variants.len() + self.hidden
    }

    /// What is not drawn, in brackets; nothing where everything is.
    fn left_out(&self) -> String {
        let said = [(self.untested, "not tested"), (self.hidden, "with few carriers")];
        let said = said.iter().filter(|(count, _)| *count > 0);
        let said: Vec<String> = said.map(|(count, why)| format!("{count} {why}")).collect();
        if said.is_empty() { String::new() } else { format!(" ({})", said.join(", ")) }
    }
}

/// A p value that underflowed is drawn at the least that a double has.
fn height(p: f64) -> f64 {
    -p.max(f64::MIN_POSITIVE).log10()
}

/// Both drawings as one SVG file.
#[cfg(feature = "demo")]
pub(crate) fn figure(scan: &Scan) -> String {
    super::standalone::file(&draw(scan, Size::Page).into_string(), "")
}

/// Both drawings: side by side on a page, one under the other on a telephone.
pub(super) fn draw(scan: &Scan, size: Size) -> Markup {
    let (width, height) = (size.width(), size.ticks(390, 780) as f64);
    let area = |left, right, top| Area { left, right, top, bottom: top + 294.0 };
    let (by_variant, against_chance) = match size {
        Size::Page => (area(40.0, 470.0, 46.0), area(530.0, width - 14.0, 46.0)),
        Size::Phone => (area(36.0, width - 12.0, 46.0), area(36.0, width - 12.0, 440.0)),
    };
    html! {
        svg class=(size.class()) data-figure="scan" viewBox=(format!("0 0 {width} {height}")) role="img"
            aria-label=(alternative(scan)) {
            (manhattan(scan, by_variant))
            (qq(scan, against_chance))
        }
    }
}

fn axes(scan: &Scan, area: Area, heading: &str, below: &str) -> Markup {
    let Area { left, right, top, bottom } = area;
    let y = area.y(scan);
    html! {
        text.label.strong x=(unit(left)) y=(unit(top - 28.0)) { (heading) }
        @for tick in plot::ticks(scan.top(), 6) {
            line.grid x1=(unit(left)) x2=(unit(right)) y1=(y.text(tick)) y2=(y.text(tick)) {}
            text.tick x=(unit(left - 8.0)) y=(unit(y.at(tick) + 4.0)) text-anchor="end" { (plot::tick_text(tick)) }
        }
        line.axis x1=(unit(left)) x2=(unit(right)) y1=(unit(bottom)) y2=(unit(bottom)) {}
        text.label x=(unit((left + right) / 2.0)) y=(unit(bottom + 42.0)) text-anchor="middle" { (below) }
        text.tick x=(unit(left - 32.0)) y=(unit(top - 8.0)) { "−log10 p" }
    }
}

fn manhattan(scan: &Scan, area: Area) -> Markup {
    let Area { left, right, .. } = area;
    let y = area.y(scan);
    let x = Scale::new((-0.5, scan.variants.len() as f64 - 0.5), (left, right));
    let threshold = scan.threshold();
    let mut above: Vec<usize> = (0..scan.variants.len()).collect();
    let height = |i: usize| scan.variants.get(i).map_or(0.0, |variant| variant.height);
    above.sort_by(|a, b| height(*b).total_cmp(&height(*a)));
    above.retain(|i| height(*i) >= threshold);
    above.truncate(NAMED);
    let below = format!("Variants in the order given{}", scan.left_out());
    html! {
        (axes(scan, area, "Association by variant", &below))
        line.one x1=(unit(left)) x2=(unit(right)) y1=(y.text(threshold)) y2=(y.text(threshold)) {}
        text.tick x=(unit(left + 4.0)) y=(unit(y.at(threshold) - 5.0)) {
            "0.05 / " (numbers::count(scan.tested() as u64))
        }
        @for ((i, variant), group) in scan.variants.iter().enumerate().zip(groups(scan)) {
            circle cx=(x.text(i as f64)) cy=(y.text(variant.height)) r="3.4" fill=(plot::stroke(group % 2).0) {}
        }
        @for i in above {
            @let at_end = x.at(i as f64) > right - 110.0;
            text.small x=(unit(x.at(i as f64) + if at_end { -6.0 } else { 6.0 })) y=(unit(y.at(height(i)) + 4.0))
                text-anchor=(if at_end { "end" } else { "start" }) {
                (words::shorten(scan.variants.get(i).map_or("", |variant| &variant.name), 16))
            }
        }
    }
}

/// Number of each variant's group: the next one where the first part of the name changes.
fn groups(scan: &Scan) -> Vec<usize> {
    let mut group = 0;
    let mut before: Option<&str> = None;
    scan.variants
        .iter()
        .map(|variant| {
            let part = variant.name.split(['_', '.', ':', '-']).next().unwrap_or_default();
            if before.is_some_and(|before| before != part) {
                group += 1;
            }
            before = Some(part);
            group
        })
        .collect()
}

fn qq(scan: &Scan, area: Area) -> Markup {
    let y = area.y(scan);
    let mut heights: Vec<f64> = scan.variants.iter().map(|variant| variant.height).collect();
    heights.sort_by(|a, b| b.total_cmp(a));
    let n = heights.len() as f64;
    // The i-th smallest of n uniform p values has the mean i / (n + 1).
    let expected = |i: usize| -((i + 1) as f64 / (n + 1.0)).log10();
    let x = Scale::new((0.0, expected(0) * 1.06), (area.left, area.right));
    let end = expected(0).min(scan.top());
    let heading = match scan.lambda {
        Some(lambda) => format!("QQ plot, λ = {}", numbers::decimal(lambda, 2)),
        None => "QQ plot".to_owned(),
    };
    html! {
        (axes(scan, area, &heading, "−log10 p, expected"))
        @for tick in plot::ticks(expected(0) * 1.06, 4) {
            text.tick x=(x.text(tick)) y=(unit(area.bottom + 18.0)) text-anchor="middle" { (plot::tick_text(tick)) }
        }
        path d=(band(heights.len(), &x, &y)) fill="#667683" fill-opacity="0.16" {}
        line.one x1=(x.text(0.0)) x2=(x.text(end)) y1=(y.text(0.0)) y2=(y.text(end)) {}
        @for (i, height) in heights.iter().enumerate() {
            circle cx=(x.text(expected(i))) cy=(y.text(*height)) r="3" fill=(plot::stroke(0).0) {}
        }
    }
}

/// The pointwise 95 % band of the ordered p values. The i-th of n is a Beta(i, n + 1 - i) variable;
/// its logarithm is close to normal, with the variance that the delta method gives.
fn band(n: usize, x: &Scale, y: &Scale) -> String {
    let n = n as f64;
    let point = |i: f64, side: f64| {
        let mean = i / (n + 1.0);
        let spread = ((1.0 - mean) / (mean * (n + 2.0))).sqrt() / std::f64::consts::LN_10;
        (-mean.log10(), (-mean.log10() + side * 1.96 * spread).max(0.0))
    };
    let ranks: Vec<f64> = (1..=n as usize).map(|i| i as f64).collect();
    let upper = ranks.iter().map(|i| point(*i, 1.0));
    let lower = ranks.iter().rev().map(|i| point(*i, -1.0));
    let points: Vec<String> =
        upper.chain(lower).map(|(a, b)| format!("{} {}", x.text(a), y.text(b))).collect();
    format!("M{}Z", points.join("L"))
}

fn alternative(scan: &Scan) -> String {
    let threshold = scan.threshold();
    let mut best: Vec<&Variant> =
        scan.variants.iter().filter(|variant| variant.height >= threshold).collect();
    best.sort_by(|a, b| b.height.total_cmp(&a.height));
    let names: Vec<&str> = best.iter().take(NAMED).map(|variant| variant.name.as_str()).collect();
    format!(
        "Manhattan and QQ plot of {}; {} pass Bonferroni's threshold{}{}.",
        numbers::counted(scan.variants.len() as u64, "variant", "variants"),
        best.len(),
        if names.is_empty() { "" } else { ": " },
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(variants: Vec<scan::VariantTest>) -> scan::Scan {
        scan::Scan {
            schema: "haima.scan/1".into(),
            family: "logistic".into(),
            formula: "1".into(),
            n: 100,
            events: 40,
            sites: 3,
            variants,
            lambda: Some(1.54),
            iterations: 2,
        }
    }

    #[test]
    fn the_strongest_variant_is_named_and_the_untested_one_counted() {
        let untested = scan::VariantTest { p: None, ..variant("t_6_9", 40, 1.0) };
        let result = scan(vec![
            variant("mut_TP53", 40, 1e-12),
            variant("mut_NPM1", 40, 0.4),
            variant("t_8_21", 40, 0.5),
            untested.clone(),
        ]);
        let drawn = Scan::new(&result, 5).unwrap();
        assert_eq!(groups(&drawn), [0, 0, 1]);
        let svg = draw(&drawn, Size::Page).into_string();
        assert!(svg.contains(">mut_TP53<") && !svg.contains(">mut_NPM1<"), "{svg}");
        assert!(svg.contains("(1 not tested)") && svg.contains("λ = 1.54"), "{svg}");
        assert!(svg.matches("<circle").count() == 6 && !svg.contains("NaN"));
        assert!(Scan::new(&scan(vec![untested]), 5).is_none(), "nothing to draw");
    }

    #[test]
    fn names_are_escaped() {
        let hostile = Scan::new(&scan(vec![variant("a<b", 40, 0.0)]), 5).unwrap();
        let svg = draw(&hostile, Size::Page).into_string();
        assert!(svg.contains("a&lt;b") && !svg.contains("a<b"));
    }

    fn variant(name: &str, carriers: u64, p: f64) -> scan::VariantTest {
        scan::VariantTest {
            name: name.to_owned(),
            genes: Vec::new(),
            n: 100,
            carriers,
            dosage: carriers as f64,
            score: 1.0,
            variance: 1.0,
            chisq: Some(1.0),
            p: Some(p),
            p_gc: None,
            beta: Some(1.0),
            se: Some(1.0),
            reason: None,
        }
    }

    #[test]
    fn a_variant_with_few_carriers_is_in_neither_drawing() {
        // Two of 100 carry the one, all but two the other.
        let result = scan(vec![
            variant("rare", 2, 1e-9),
            variant("common", 40, 1e-7),
            variant("usual", 98, 1e-8),
            variant("plain", 50, 0.5),
        ]);
        let drawing = |min_cell| {
            let scan = Scan::new(&result, min_cell).unwrap();
            draw(&scan, Size::Page).into_string()
        };
        let svg = drawing(5);
        assert_eq!(svg.matches("<circle").count(), 4, "two a drawing: {svg}");
        assert!(svg.contains(">common<") && !svg.contains("rare") && !svg.contains("usual"));
        assert!(svg.contains("(2 with few carriers)") && svg.contains("0.05 / 4"), "{svg}");
        let svg = drawing(0);
        assert!(svg.matches("<circle").count() == 8 && svg.contains(">rare<"), "{svg}");
        assert!(Scan::new(&result, 60).is_none(), "none is left");
    }
}
