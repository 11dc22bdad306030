//! The report's drawings as SVG files of their own: for `haima stats --plot`.

use haima_fl_core::results::{Curve, Curves, Fit};
use maud::Markup;

use super::curves::TimeAxis;
use super::forest;
use super::model::Wording;
use super::plot::Size;
use super::survival_figure::Figure;

/// The rules of the report's style sheet that drawings use, with their colours in place: viewers
/// outside a browser know no variables.
pub(super) const STYLE: &str = "text{font-family:system-ui,sans-serif;fill:#1c2a36}\
.tick{font-size:12px;fill:#50606d}.label{font-size:13px}.small{font-size:12px}.strong{font-weight:650}\
.grid{stroke:#e3e9ed}.axis{stroke:#667683}.one{stroke:#667683;stroke-dasharray:3 3}\
.curve{fill:none;stroke-width:2;stroke-linejoin:round}.whisker{stroke:#1c2a36;stroke-width:1.6}\
.estimate{fill:#0b5570}";

/// Kaplan-Meier curves with the numbers at risk; `None` when no group is large enough.
pub(crate) fn curves(result: &Curves, wording: &Wording, min_cell: u64) -> Option<String> {
    let curves: Vec<&Curve> = result.curves.iter().filter(|c| c.n >= min_cell.max(1)).collect();
    if curves.is_empty() {
        return None;
    }
    let axis = TimeAxis::new(&curves, wording, min_cell);
    let figure = Figure { curves: &curves, axis: &axis, wording, min_cell, is_cut: false };
    Some(file(figure.draw(Size::Page)))
}

/// The forest plot of a model; `None` when no coefficient was estimated.
pub(crate) fn forest(fit: &Fit, wording: &Wording) -> Option<String> {
    forest::page(fit, wording).map(file)
}

/// Room around a drawing.
const MARGIN: f64 = 14.0;

/// A drawing as a file: with its name space, its style, and a white ground with room around it.
pub(super) fn file(drawing: Markup) -> String {
    let drawing = drawing.into_string();
    let parts = drawing.split_once("viewBox=\"0 0 ").and_then(|(head, rest)| {
        let (size, rest) = rest.split_once('"')?;
        let (width, height) = size.split_once(' ')?;
        Some((head, width.parse::<f64>().ok()?, height.parse::<f64>().ok()?, rest.split_once('>')?))
    });
    let Some((head, width, height, (attributes, shapes))) = parts else { return drawing };
    let head = head.replacen("<svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"", 1);
    let (width, height) = (width + 2.0 * MARGIN, height + 2.0 * MARGIN);
    let (x, y) = (-MARGIN, -MARGIN);
    format!(
        "{head}width=\"{width}\" height=\"{height}\" viewBox=\"{x} {y} {width} {height}\"{attributes}>\
         <style>{STYLE}</style>\
         <rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>{shapes}\n"
    )
}
