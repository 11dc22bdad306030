//! The forest plot: hazard or odds ratios on a log axis with their 95 % intervals.

use haima_fl_core::results::Fit;
use maud::{Markup, html};

use super::model::Wording;
use super::numbers;
use super::plot::{self, Scale, Size, unit};
use super::words::{self, Ratio};

/// One row, ready to draw.
struct Row {
    /// Covariate, and the level that it is against.
    label: String,
    /// Both apart.
    name: String,
    reference: Option<String>,
    ratio: f64,
    lo: f64,
    hi: f64,
    text: String,
    p: String,
}

/// Beyond these an interval ends in an arrow.
const ENDS: (f64, f64) = plot::RATIOS;

/// The figure, both sizes; nothing when no coefficient was estimated.
pub(super) fn figure(fit: &Fit, wording: &Wording) -> Markup {
    let rows = rows(fit, wording);
    let name = Ratio::of(fit);
    html! { @if !rows.is_empty() { (plot::both(|size| draw(&rows, &name, wording, size))) } }
}

/// The figure for a page; `None` when no coefficient was estimated.
#[cfg(feature = "demo")]
pub(super) fn page(fit: &Fit, wording: &Wording) -> Option<Markup> {
    let rows = rows(fit, wording);
    (!rows.is_empty()).then(|| draw(&rows, &Ratio::of(fit), wording, Size::Page))
}

fn rows(fit: &Fit, wording: &Wording) -> Vec<Row> {
    words::covariates(fit)
        .map(|term| {
            let (ratio, lo, hi) = words::scaled(term, wording);
            let (estimate, interval) = numbers::ratio(ratio, lo, hi);
            let label = words::term(wording, &term.name);
            let (name, reference) = against(&label);
            Row {
                label,
                name,
                reference,
                ratio,
                lo,
                hi,
                text: format!("{estimate} ({interval})"),
                p: numbers::p_cell(term.p),
            }
        })
        .filter(|row| row.ratio.is_finite() && row.ratio > 0.0)
        .collect()
}

/// `Sex: M` and `F` of `Sex: M (vs F)`; what stands behind the bracket belongs to the former.
fn against(label: &str) -> (String, Option<String>) {
    let parts = label.split_once(" (vs ").and_then(|(name, rest)| {
        let (reference, more) = rest.rsplit_once(')')?;
        Some((format!("{name}{more}"), Some(reference.to_owned())))
    });
    parts.unwrap_or_else(|| (label.to_owned(), None))
}

/// Letters of what goes up or down that have room below the axis, on a telephone too.
const OF_WHAT: usize = 34;

fn draw(rows: &[Row], name: &Ratio, wording: &Wording, size: Size) -> Markup {
    let width = size.width();
    // On a telephone the text stands above its whisker, and the line at 1 stays out of it.
    let (left, right, top, row_height, half) = match size {
        Size::Page => (210.0, 520.0, 34.0, 34.0, 17.0),
        Size::Phone => (12.0, width - 12.0, 4.0, 72.0, 11.0),
    };
    let ratios = rows.iter().flat_map(|row| [row.lo, row.ratio, row.hi]);
    let ((lo, hi), ticks) = plot::ratio_axis(ratios, size.ticks(6, 5));
    let x = Scale::new((lo.ln(), hi.ln()), (left, right));
    let bottom = top + row_height * rows.len() as f64;
    let of_what = words::shorten(&name.of_what(wording), OF_WHAT);
    html! {
        svg class=(size.class()) data-figure="forest" viewBox=(format!("0 0 {width} {}", bottom + 86.0)) role="img"
            aria-label=(alternative(rows, name)) {
            @if size == Size::Page {
                text.small x="0" y="16" { "Covariate" }
                text.small x=(unit(width - 62.0)) y="16" text-anchor="end" { (name.short) " (95% CI)" }
                text.small x=(unit(width)) y="16" text-anchor="end" { "p" }
                line.axis x1="0" x2=(unit(width)) y1="24" y2="24" {}
            }
            @for (index, row) in rows.iter().enumerate() {
                @let at = top + row_height * index as f64;
                @let y = if size == Size::Page { at + 17.0 } else { at + 50.0 };
                line.one x1=(x.text(0.0)) x2=(x.text(0.0)) y1=(unit(y - half)) y2=(unit(y + half)) {}
                (whisker(row, &x, y))
                @match size {
                    Size::Page => {
                        @let down = if row.reference.is_some() { 15.0 } else { 21.0 };
                        text.label x="0" y=(unit(at + down)) { (words::shorten(&row.name, 32)) }
                        @if let Some(reference) = &row.reference {
                            text.small x="0" y=(unit(at + 29.0)) { (words::shorten(&format!("vs {reference}"), 34)) }
                        }
                        text.label x=(unit(width - 62.0)) y=(unit(at + 21.0)) text-anchor="end" { (row.text) }
                        text.label x=(unit(width)) y=(unit(at + 21.0)) text-anchor="end" { (row.p) }
                    },
                    Size::Phone => {
                        text.label.strong x="0" y=(unit(at + 14.0)) { (words::shorten(&row.label, 46)) }
                        text.label x="0" y=(unit(at + 32.0)) {
                            (name.short) " " (row.text) ", p" @if row.p.starts_with(char::is_numeric) { "=" } (row.p)
                        }
                    },
                }
            }
            line.axis x1=(unit(left)) x2=(unit(right)) y1=(unit(bottom + 4.0)) y2=(unit(bottom + 4.0)) {}
            @for tick in ticks {
                line.axis x1=(x.text(tick.ln())) x2=(x.text(tick.ln())) y1=(unit(bottom + 4.0)) y2=(unit(bottom + 9.0)) {}
                text.tick x=(x.text(tick.ln())) y=(unit(bottom + 23.0)) text-anchor="middle" { (plot::tick_text(tick)) }
            }
            text.label x=(unit((left + right) / 2.0)) y=(unit(bottom + 43.0)) text-anchor="middle" {
                (name.long) " (log scale)"
            }
            text.small x=(unit(left)) y=(unit(bottom + 61.0)) { "Below 1: lower " (of_what) }
            text.small x=(unit(right)) y=(unit(bottom + 77.0)) text-anchor="end" { "Above 1: higher " (of_what) }
        }
    }
}

/// Interval and estimate at height `y`.
fn whisker(row: &Row, x: &Scale, y: f64) -> Markup {
    let lo = row.lo.max(ENDS.0);
    let hi = row.hi.min(ENDS.1);
    let arrow = |at: f64, out: f64| {
        format!(
            "M{} {}L{} {}L{} {}",
            unit(at - out),
            unit(y - 5.0),
            unit(at),
            unit(y),
            unit(at - out),
            unit(y + 5.0)
        )
    };
    let ends = lo.is_finite() && hi.is_finite() && lo > 0.0;
    html! {
        @if ends {
            line.whisker x1=(x.text(lo.ln())) x2=(x.text(hi.ln())) y1=(unit(y)) y2=(unit(y)) {}
            @if row.lo < ENDS.0 { path.whisker d=(arrow(x.at(lo.ln()), -6.0)) fill="none" {} }
            @else { line.whisker x1=(x.text(lo.ln())) x2=(x.text(lo.ln())) y1=(unit(y - 5.0)) y2=(unit(y + 5.0)) {} }
            @if row.hi > ENDS.1 { path.whisker d=(arrow(x.at(hi.ln()), 6.0)) fill="none" {} }
            @else { line.whisker x1=(x.text(hi.ln())) x2=(x.text(hi.ln())) y1=(unit(y - 5.0)) y2=(unit(y + 5.0)) {} }
        }
        rect.estimate x=(unit(x.at(row.ratio.ln()) - 5.0)) y=(unit(y - 5.0)) width="10" height="10" {}
    }
}

/// What the drawing says, for readers who cannot see it.
fn alternative(rows: &[Row], name: &Ratio) -> String {
    let each: Vec<String> = rows
        .iter()
        .map(|row| format!("{}: {} {}, p {}", row.label, name.short, row.text, row.p))
        .collect();
    format!(
        "Forest plot, {} with 95% confidence intervals. {}.",
        name.long.to_lowercase(),
        each.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use haima_fl_core::schema::Schema;
    use haima_fl_core::stat::wald;

    use super::*;
    use crate::report::labels;

    #[test]
    fn a_level_stands_against_its_reference_and_the_axis_has_ticks_around_all() {
        let schema = r#"
            one_row_per_patient = true
            column = [{ name = "sex", kind = "category", label = "Geschlecht", levels = ["männlich", "weiblich"] }]
        "#;
        let mut wording = Wording::default();
        labels::terms(&mut wording, &Schema::from_toml(&schema.parse().unwrap()).unwrap());
        let fit = Fit {
            model: "cox".into(),
            terms: vec![wald("sexweiblich", -0.2, 0.36)],
            ..Fit::default()
        };
        let drawn = figure(&fit, &wording).into_string();
        assert!(
            drawn.contains(">Geschlecht: weiblich<") && drawn.contains(">vs männlich<"),
            "{drawn}"
        );
        assert!(!drawn.contains("sexweiblich"), "{drawn}");
        // The interval is 0.40 to 1.66.
        for tick in ["0.25", "0.5", "1", "2"] {
            assert!(drawn.contains(&format!(">{tick}</text>")), "{tick}: {drawn}");
        }
        assert!(drawn.contains(">Below 1: lower hazard of the event<"), "{drawn}");
        wording.event = "death".into();
        let drawn = figure(&fit, &wording).into_string();
        assert!(drawn.contains(">Below 1: lower hazard of death<"), "{drawn}");
        assert!(drawn.contains(">Above 1: higher hazard of death<"), "{drawn}");
        let odds = Fit { model: "logistic".into(), ..fit };
        let drawn = figure(&odds, &wording).into_string();
        assert!(drawn.contains(">Above 1: higher odds<"), "its event may be another: {drawn}");
    }

    #[test]
    fn what_stands_behind_the_reference_stays_with_the_covariate() {
        let of = |label: &str| against(label);
        assert_eq!(of("Sex: M (vs F), random"), ("Sex: M, random".into(), Some("F".into())));
        assert_eq!(of("Age, per 10 years"), ("Age, per 10 years".into(), None));
    }
}
