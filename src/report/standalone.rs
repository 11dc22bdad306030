//! The report's drawings as SVG files of their own: for `haima stats --plot` and `haima report plots`.

#[cfg(feature = "demo")]
use haima_fl_core::results::{Curve, Curves, Fit};
use maud::html;

#[cfg(feature = "demo")]
use super::curves::{TimeAxis, seen};
#[cfg(feature = "demo")]
use super::forest;
#[cfg(feature = "demo")]
use super::model::Wording;
#[cfg(feature = "demo")]
use super::plot::Size;
#[cfg(feature = "demo")]
use super::survival_figure::Figure;
use crate::text::printable;

/// The rules of the report's style sheet that drawings use, with their colours in place: viewers
/// outside a browser know no variables, and of weights the hundreds alone.
pub(super) const STYLE: &str = "text{font-family:system-ui,\"Segoe UI\",Arial,sans-serif;fill:#1c2a36}\
.tick{font-size:12px;fill:#50606d}.label{font-size:13px}.small{font-size:12px}.strong{font-weight:700}\
.grid{stroke:#e3e9ed}.axis{stroke:#667683}.one{stroke:#667683;stroke-dasharray:3 3}\
.curve{fill:none;stroke-width:2;stroke-linejoin:round}.whisker{stroke:#1c2a36;stroke-width:1.6}\
.estimate{fill:#0b5570}.rail{fill:#e1e8ec}.used{fill:#0b5570}\
.dot{fill:#0b5570;stroke:#0b5570;stroke-width:2}.dot.hollow{fill:#fff}";

/// Kaplan-Meier curves with the numbers at risk; `None` when no group is large enough.
#[cfg(feature = "demo")]
pub(crate) fn curves(result: &Curves, wording: &Wording, min_cell: u64) -> Option<String> {
    let seen = seen(result, min_cell);
    if seen.is_empty() {
        return None;
    }
    let curves: Vec<&Curve> = seen.iter().map(|own| own.curve).collect();
    let axis = TimeAxis::new(&curves, wording, min_cell);
    let figure = Figure { curves: &seen, axis: &axis, wording, min_cell, is_cut: false };
    Some(file(&figure.draw(Size::Page).into_string(), ""))
}

/// The forest plot of a model; `None` when no coefficient was estimated.
#[cfg(feature = "demo")]
pub(crate) fn forest(fit: &Fit, wording: &Wording) -> Option<String> {
    forest::page(fit, wording).map(|drawing| file(&drawing.into_string(), ""))
}

/// Room around a drawing.
const MARGIN: f64 = 14.0;

/// What an attribute of a drawing's first element says, as it is escaped there.
pub(super) fn attribute<'a>(drawing: &'a str, name: &str) -> Option<&'a str> {
    let (opening, _) = drawing.split_once('>')?;
    let (_, rest) = opening.split_once(&format!(" {name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

/// A drawing as a file: with its name space, title, description and style, and a white ground with
/// room around it. Letters that no XML file may hold become blanks.
pub(super) fn file(drawing: &str, title: &str) -> String {
    let parts = drawing.split_once("viewBox=\"0 0 ").and_then(|(head, rest)| {
        let (size, rest) = rest.split_once('"')?;
        let (width, height) = size.split_once(' ')?;
        Some((head, width.parse::<f64>().ok()?, height.parse::<f64>().ok()?, rest.split_once('>')?))
    });
    let Some((head, width, height, (attributes, shapes))) = parts else {
        return drawing.to_owned();
    };
    let head = head.replacen("<svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"", 1);
    let (width, height) = (width + 2.0 * MARGIN, height + 2.0 * MARGIN);
    let (x, y) = (-MARGIN, -MARGIN);
    let said = html! { @if !title.is_empty() { title { (title) } } }.into_string();
    let described = attribute(drawing, "aria-label").unwrap_or_default();
    let text = format!(
        "{head}width=\"{width}\" height=\"{height}\" viewBox=\"{x} {y} {width} {height}\"{attributes}>\
         {said}<desc>{described}</desc><style>{STYLE}</style>\
         <rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>{shapes}\n"
    );
    printable(&text).replace(['\u{fffe}', '\u{ffff}'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWING: &str = "<svg class=\"fig-page\" data-figure=\"forest\" viewBox=\"0 0 760 20.5\" \
        role=\"img\" aria-label=\"a &lt; b\"><text>x\u{1}y</text></svg>";

    #[test]
    fn a_file_names_and_describes_itself_and_holds_no_letter_that_xml_forbids() {
        let file = file(DRAWING, "Age & sex");
        assert!(file.contains("<title>Age &amp; sex</title><desc>a &lt; b</desc>"), "{file}");
        assert!(
            file.contains("width=\"788\" height=\"48.5\" viewBox=\"-14 -14 788 48.5\""),
            "{file}"
        );
        assert!(file.contains("<text>x y</text>") && !file.contains("var("), "{file}");
        assert_eq!(attribute(DRAWING, "data-figure"), Some("forest"));
    }
}
