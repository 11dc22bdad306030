//! Cumulative incidence curves as an SVG file of their own: one line a group and cause.
//!
//! Read from the result's JSON (`curves: [{group, n, time, n_risk, causes: [{cause, cif, lo, hi}]}]`).
//! A curve ends where fewer patients than the display rule asks for remain at risk.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::curves::TimeAxis;
use super::model::Wording;
use super::numbers;
use super::plot::{self, Scale, stroke, unit};
use super::standalone::STYLE;
use super::words;

const WIDTH: f64 = 760.0;
const BOTTOM: f64 = 330.0;
const AREA: (f64, f64) = (70.0, 735.0);

/// One line with its band.
struct Line {
    name: String,
    n: u64,
    points: Vec<Point>,
}

/// Incidence by a time. Before the first event there is no interval: its ends are the incidence.
struct Point {
    time: f64,
    cif: f64,
    lo: f64,
    hi: f64,
}

/// All curves of a result.
pub(crate) struct Groups {
    lines: Vec<Line>,
}

impl Groups {
    /// Reads them; `None` when there is nothing to draw.
    pub(crate) fn of(result: &Map<String, Value>, min_cell: u64) -> Option<Self> {
        let mut lines = Vec::new();
        for curve in result.get("curves")?.as_array()? {
            let list = |of: &Value, key: &str| -> Vec<f64> {
                let items = of.get(key).and_then(Value::as_array).into_iter().flatten();
                items.map(|item| item.as_f64().unwrap_or(f64::NAN)).collect()
            };
            let group = curve.get("group")?.as_str()?;
            let (times, at_risk) = (list(curve, "time"), list(curve, "n_risk"));
            let shown = at_risk.iter().take_while(|n| **n >= min_cell.max(1) as f64).count();
            for cause in curve.get("causes")?.as_array()? {
                let of_cause = cause.get("cause")?.as_str()?;
                let [cif, lo, hi] = ["cif", "lo", "hi"].map(|key| list(cause, key));
                let ends = lo.into_iter().zip(hi);
                let point = |((&time, cif), (lo, hi)): ((&f64, f64), (f64, f64))| {
                    let or_cif = |end: f64| if end.is_finite() { end } else { cif };
                    Point { time, cif, lo: or_cif(lo), hi: or_cif(hi) }
                };
                let points = times.iter().zip(cif).zip(ends).take(shown);
                let name = match group {
                    "all" => of_cause.to_owned(),
                    _ => format!("{of_cause}, {group}"),
                };
                lines.push(Line {
                    name,
                    n: curve.get("n").and_then(Value::as_u64).unwrap_or(0),
                    points: points.map(point).collect(),
                });
            }
        }
        lines.retain(|line| line.n >= min_cell.max(1) && !line.points.is_empty());
        (!lines.is_empty()).then_some(Self { lines })
    }
}

/// The figure.
pub(crate) fn figure(groups: &Groups, wording: &Wording) -> String {
    let all = || groups.lines.iter().flat_map(|line| &line.points);
    let end = all().map(|point| point.time).fold(0.0, f64::max);
    let high = all().map(|point| point.hi).fold(0.0, f64::max);
    let axis = TimeAxis::until(end, wording);
    let top = 40.0 + 20.0 * groups.lines.len() as f64;
    let x = Scale::new((0.0, axis.end), AREA);
    let y = Scale::new((0.0, (high * 1.05).min(1.0)), (BOTTOM, top));
    let height = BOTTOM + 60.0;
    let svg = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {WIDTH} {height}"))
            width=(WIDTH) height=(height) role="img" aria-label="Cumulative incidence by cause" {
            style { (STYLE) }
            rect width=(WIDTH) height=(height) fill="#fff" {}
            text.label.strong x=(unit(AREA.0)) y="22" { "Cumulative incidence, with pointwise 95% intervals" }
            @for tick in plot::ticks((high * 1.05).min(1.0), 5) {
                line.grid x1=(unit(AREA.0)) x2=(unit(AREA.1)) y1=(y.text(tick)) y2=(y.text(tick)) {}
                text.tick x=(unit(AREA.0 - 8.0)) y=(unit(y.at(tick) + 4.0)) text-anchor="end" { (numbers::percent(tick)) }
            }
            @for tick in plot::ticks(axis.end, 8) {
                text.tick x=(x.text(tick)) y=(unit(BOTTOM + 19.0)) text-anchor="middle" { (plot::tick_text(tick)) }
            }
            line.axis x1=(unit(AREA.0)) x2=(unit(AREA.1)) y1=(unit(BOTTOM)) y2=(unit(BOTTOM)) {}
            text.label x=(unit((AREA.0 + AREA.1) / 2.0)) y=(unit(BOTTOM + 42.0)) text-anchor="middle" { (words::capital(&axis.unit)) }
            @for (index, line) in groups.lines.iter().enumerate() {
                (drawn(line, index, axis.divisor, &x, &y))
            }
        }
    };
    svg.into_string()
}

/// A line with its band, and its name above the curves.
fn drawn(line: &Line, index: usize, divisor: f64, x: &Scale, y: &Scale) -> Markup {
    let (colour, dash) = stroke(index);
    let start = format!("M{} {}", x.text(0.0), y.text(0.0));
    let mut steps = start.clone();
    let mut upper = start;
    let mut lower = Vec::new();
    let mut before = 0.0;
    for Point { time, cif, lo, hi } in &line.points {
        let at = x.text(time / divisor);
        steps.push_str(&format!("H{at}V{}", y.text(*cif)));
        upper.push_str(&format!("H{at}V{}", y.text(*hi)));
        lower.push(format!("L{at} {}L{at} {}", y.text(*lo), y.text(before)));
        before = *lo;
    }
    lower.reverse();
    let name_y = 40.0 + 20.0 * index as f64;
    html! {
        path d=(format!("{upper}{}Z", lower.concat())) fill=(colour) fill-opacity="0.13" {}
        path.curve d=(steps) stroke=(colour) stroke-dasharray=(dash) {}
        line.curve x1=(unit(AREA.0)) x2=(unit(AREA.0 + 30.0)) y1=(unit(name_y)) y2=(unit(name_y))
            stroke=(colour) stroke-dasharray=(dash) {}
        text.label x=(unit(AREA.0 + 38.0)) y=(unit(name_y + 4.0)) {
            (words::shorten(&line.name, 60)) ", n=" (numbers::count(line.n))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_drawn_while_enough_are_at_risk() {
        let result = serde_json::json!({ "curves": [{
            "group": "all", "n": 40, "time": [1.0, 2.0, 3.0], "n_risk": [40, 20, 2],
            "causes": [
                { "cause": "relapse", "cif": [0.1, 0.2, 0.9], "lo": [0.05, 0.1, 0.5], "hi": [0.2, 0.4, 1.0] },
                { "cause": "a<b", "cif": [0.0, 0.1, 0.1], "lo": [null, 0.05, 0.05], "hi": [null, 0.2, 0.2] },
            ],
        }] });
        let Value::Object(result) = result else { panic!("an object") };
        let groups = Groups::of(&result, 5).unwrap();
        assert!(groups.lines.iter().all(|line| line.points.len() == 2));
        let svg = figure(&groups, &Wording::default());
        assert!(svg.contains("relapse, n=40") && svg.contains("a&lt;b") && !svg.contains("NaN"));
        assert!(Groups::of(&result, 41).is_none(), "too few for the rule");
    }
}
