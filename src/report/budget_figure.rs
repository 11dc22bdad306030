//! Epsilon against steps, as an SVG file of its own: for `haima budget simulate --plot`.

use maud::html;

use super::plot::{self, Scale};
use crate::budget::{Row, Setting};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 430.0;
// The area that is drawn on.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 740.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 372.0;
const STYLE: &str = "text{font-family:system-ui,sans-serif;fill:#1d2b36}.t{font-size:13px;fill:#52636f}.l{font-size:14px}.h{font-size:16px;font-weight:650}.g{stroke:#e3e9ed}.a{stroke:#667683}";

/// The figure of some rows, in order of their steps.
pub(crate) fn figure(rows: &[Row], multiplier: f64, setting: &Setting) -> String {
    let steps = rows.iter().map(|row| row.steps as f64).fold(0.0, f64::max);
    type Of = fn(&Row) -> Option<f64>;
    let lines: [(&str, Of); 3] = [
        ("zCDP", |r| r.zcdp),
        ("Renyi, best order", |r| r.renyi),
        ("best, committed plan", |r| r.best),
    ];
    // A figure without meaning must not flatten the others.
    let most = |of: Of| rows.iter().filter_map(of).filter(|e| e.is_finite()).fold(0.0, f64::max);
    let (best, all) = (most(|r| r.best), lines.iter().map(|line| most(line.1)).fold(0.0, f64::max));
    let top = if best > 0.0 { all.min(8.0 * best) } else { all };
    let x = Scale::new((0.0, steps), (LEFT, RIGHT));
    let y = Scale::new((0.0, top), (BOTTOM, TOP));
    let title = format!(
        "Noise {multiplier} x D, rate {}, delta {:e}: one patient added or removed, against all nodes but one",
        setting.rate,
        setting.delta.get()
    );
    let svg = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) width=(WIDTH) height=(HEIGHT) role="img" {
            title { (title) }
            style { (STYLE) }
            rect width=(WIDTH) height=(HEIGHT) fill="#fff" {}
            text.h x=(LEFT) y="26" { "Epsilon against steps" }
            text.t x=(LEFT) y="46" { (title) }
            @for tick in plot::ticks(top, 6) {
                line.g x1=(LEFT) x2=(RIGHT) y1=(y.text(tick)) y2=(y.text(tick)) {}
                text.t x=(LEFT - 8.0) y=(plot::unit(y.at(tick) + 4.0)) text-anchor="end" { (plot::tick_text(tick)) }
            }
            @for tick in plot::ticks(steps, 6) {
                text.t x=(x.text(tick)) y=(BOTTOM + 18.0) text-anchor="middle" { (plot::tick_text(tick)) }
            }
            line.a x1=(LEFT) x2=(RIGHT) y1=(BOTTOM) y2=(BOTTOM) {}
            text.l x=((LEFT + RIGHT) / 2.0) y=(BOTTOM + 42.0) text-anchor="middle" { "steps, spare attempts included" }
            @for (index, (name, of)) in lines.iter().enumerate() {
                @let (colour, dash) = plot::stroke(index);
                @let points = path(rows, *of, top, x, y);
                @if !points.is_empty() {
                    polyline points=(points) fill="none" stroke=(colour) stroke-width="2.2" stroke-dasharray=(dash) {}
                }
                @let at = TOP + 18.0 + 22.0 * index as f64;
                line x1=(LEFT + 16.0) x2=(LEFT + 52.0) y1=(at) y2=(at) stroke=(colour) stroke-width="2.2" stroke-dasharray=(dash) {}
                text.l x=(LEFT + 60.0) y=(at + 4.0) { (name) @if points.is_empty() { " (none in this range)" } }
            }
        }
    };
    svg.into_string()
}

/// Points of a line, while it is inside the drawing.
fn path(rows: &[Row], of: fn(&Row) -> Option<f64>, top: f64, x: Scale, y: Scale) -> String {
    let points = rows.iter().filter_map(|row| Some((row.steps as f64, of(row)?)));
    let inside = points.take_while(|(_, epsilon)| *epsilon <= top);
    let texts: Vec<String> =
        inside.map(|(steps, epsilon)| format!("{},{}", x.text(steps), y.text(epsilon))).collect();
    texts.join(" ")
}
