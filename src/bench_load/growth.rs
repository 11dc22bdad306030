//! How a round grows with sites, nodes and coordinates: three series of measurements, drawn as SVG.

use std::fmt::Write as _;
use std::path::Path;

use super::{Measured, Options, measured};
use crate::Error;

/// A panel's width and height, and the room around its axes.
const PANEL: (f64, f64) = (340.0, 300.0);
const MARGIN: f64 = 55.0;
/// A curve: what is drawn, its colour, and how to read it off.
type Curve = (&'static str, &'static str, fn(&Measured) -> f64);
const CURVES: [Curve; 4] = [
    ("a round", "#1b1b1b", |m| m.round_s[0]),
    ("processor: sites and coordinator", "#0072b2", |m| m.cpu_here_s),
    ("processor: first node", "#d55e00", |m| m.cpu_node_s.first().copied().unwrap_or_default()),
    ("processor: second node", "#009e73", |m| m.cpu_node_s.get(1).copied().unwrap_or_default()),
];

/// One series: its name, and what is measured at each of its points.
struct Series {
    name: &'static str,
    fixed: &'static str,
    points: Vec<(f64, Measured)>,
}

/// Measures and draws.
pub(super) async fn run(options: &Options, path: &Path) -> Result<(), Error> {
    let base = Options { nodes: 3, sites: 10, dimension: 1_000, rounds: 20, ..options.clone() };
    let with_sites = |sites| Options { sites, ..base.clone() };
    let with_nodes = |nodes| Options { nodes, ..base.clone() };
    let with_dimension = |dimension| Options { dimension, rounds: 3, ..base.clone() };
    let series = [
        ("sites", "3 nodes, d = 1,000", [5, 10, 20, 40, 80, 160].map(with_sites).to_vec()),
        ("nodes", "10 sites, d = 1,000", [2, 3, 4, 5, 6, 8].map(with_nodes).to_vec()),
        (
            "coordinates",
            "3 nodes, 10 sites",
            [1_000, 10_000, 100_000, 1_000_000].map(with_dimension).to_vec(),
        ),
    ];
    let mut drawn = Vec::new();
    for (name, fixed, options) in series {
        let mut points = Vec::new();
        for options in options {
            let measured = measured(&options).await?;
            let at = match name {
                "sites" => options.sites,
                "nodes" => options.nodes,
                _ => options.dimension,
            };
            let values: Vec<String> =
                CURVES.iter().map(|(_, _, of)| format!("{:.4}", of(&measured))).collect();
            println!("{name} {at}: {} s", values.join(", "));
            points.push((at as f64, measured));
        }
        drawn.push(Series { name, fixed, points });
    }
    std::fs::write(path, svg(&drawn)).map_err(|e| Error::file(path, e))
}

fn svg(series: &[Series]) -> String {
    let (width, height) = (PANEL.0 * series.len() as f64, PANEL.1 + 60.0);
    let mut to = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>Seconds a round takes, by sites, nodes and coordinates</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (at, series) in series.iter().enumerate() {
        panel(&mut to, series, PANEL.0 * at as f64);
    }
    for (at, (name, colour, _)) in CURVES.iter().enumerate() {
        let (x, y) = (MARGIN + 230.0 * at as f64, PANEL.1 + 40.0);
        let _ = writeln!(
            to,
            "<line x1=\"{x}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\" stroke=\"{colour}\" \
             stroke-width=\"2\"/><text x=\"{}\" y=\"{}\">{name}</text>",
            x + 20.0,
            x + 26.0,
            y + 4.0
        );
    }
    to + "</svg>\n"
}

/// A number as on an axis.
fn short(number: f64) -> String {
    if number >= 1e6 {
        format!("{} M", number / 1e6)
    } else if number >= 1e4 {
        format!("{} k", number / 1e3)
    } else {
        number.to_string()
    }
}

/// One series with logarithmic axes.
fn panel(to: &mut String, series: &Series, left: f64) {
    let values = || series.points.iter().flat_map(|(_, m)| CURVES.map(|(_, _, of)| of(m)));
    let floor = values().filter(|v| *v > 0.0).fold(f64::INFINITY, f64::min).log10().floor();
    let ceiling = values().fold(0.0, f64::max).log10().ceil().max(floor + 1.0);
    let (first, last) = match (series.points.first(), series.points.last()) {
        (Some(first), Some(last)) if last.0 > first.0 => (first.0, last.0),
        _ => return,
    };
    let (right, bottom) = (PANEL.0 - 20.0, PANEL.1 - 40.0);
    let x = |v: f64| left + MARGIN + (v / first).ln() / (last / first).ln() * (right - MARGIN);
    let y = |v: f64| bottom - (v.log10() - floor) / (ceiling - floor) * (bottom - 30.0);
    let _ = writeln!(
        to,
        "<text x=\"{}\" y=\"18\" font-weight=\"bold\">{} ({})</text>",
        left + MARGIN,
        series.name,
        series.fixed
    );
    for decade in floor as i32..=ceiling as i32 {
        let at = y(10_f64.powi(decade));
        let _ = writeln!(
            to,
            "<line x1=\"{}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{} s</text>",
            left + MARGIN,
            left + right,
            left + MARGIN - 6.0,
            at + 4.0,
            10_f64.powi(decade)
        );
    }
    for (at, _) in &series.points {
        let _ = writeln!(
            to,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            x(*at),
            bottom + 18.0,
            short(*at)
        );
    }
    for (_, colour, of) in CURVES {
        let points: Vec<(f64, f64)> = series
            .points
            .iter()
            .map(|(at, measured)| (x(*at), y(of(measured).max(10_f64.powf(floor)))))
            .collect();
        let line: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            to,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            line.join(" ")
        );
        for (x, y) in points {
            let _ = writeln!(to, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
    }
}
