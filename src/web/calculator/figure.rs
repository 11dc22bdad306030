//! Curves of one patient: shares against time, in steps, since the model knows them at its cuts alone.
//! No band is drawn: a model file holds none.

use maud::{Markup, html};

use crate::report::numbers;
use crate::report::plot::{tick_text, ticks};

/// A curve.
pub(super) struct Curve {
    pub(super) name: String,
    /// Time and share, in the order of the times.
    pub(super) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 300.0;
// The area that is drawn on.
const LEFT: f64 = 48.0;
const RIGHT: f64 = 470.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 244.0;
/// Colours of Okabe and Ito (2008); the dashes tell the same without colour.
const STROKES: [(&str, &str); 4] =
    [("#0072b2", "none"), ("#c65500", "7 4"), ("#00785a", "2 3"), ("#a8508a", "10 3 2 3")];

/// The curves, which begin at `from` at time 0.
pub(super) fn figure(curves: &[Curve], from: f64, what: &str, unit: &str) -> Markup {
    let times = curves.iter().flat_map(|curve| curve.points.iter().map(|(time, _)| *time));
    let end = times.fold(0.0, f64::max);
    if end <= 0.0 || !end.is_finite() {
        return html! {};
    }
    let x = |time: f64| LEFT + (time / end).clamp(0.0, 1.0) * (RIGHT - LEFT);
    let y = |share: f64| BOTTOM - share.clamp(0.0, 1.0) * (BOTTOM - TOP);
    let at = |value: f64| format!("{value:.1}");
    let path = |curve: &Curve| {
        let mut text = format!("M{} {}", at(x(0.0)), at(y(from)));
        for (time, share) in curve.points.iter().filter(|(_, share)| share.is_finite()) {
            text += &format!("H{}V{}", at(x(*time)), at(y(*share)));
        }
        text
    };
    let unit = if unit.is_empty() { "time" } else { unit };
    html! {
        figure.plot {
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(format!("{what}; the table has the numbers")) {
                @for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
                    line.grid x1=(LEFT) x2=(RIGHT) y1=(at(y(share))) y2=(at(y(share))) {}
                    text.tick x=(LEFT - 6.0) y=(at(y(share) + 4.0)) text-anchor="end" { (numbers::percent(share)) }
                }
                @for time in ticks(end, 5) {
                    text.tick x=(at(x(time))) y=(BOTTOM + 18.0) text-anchor="middle" { (tick_text(time)) }
                }
                line.axis x1=(LEFT) x2=(RIGHT) y1=(BOTTOM) y2=(BOTTOM) {}
                text.label x=((LEFT + RIGHT) / 2.0) y=(BOTTOM + 40.0) text-anchor="middle" { (unit) }
                @for (curve, (colour, dash)) in curves.iter().zip(STROKES.iter().cycle()) {
                    path.curve d=(path(curve)) stroke=(colour) stroke-dasharray=(dash) {}
                }
            }
            @if curves.len() > 1 {
                figcaption {
                    @for (curve, (colour, dash)) in curves.iter().zip(STROKES.iter().cycle()) {
                        svg width="34" height="8" viewBox="0 0 34 8" aria-hidden="true" {
                            line x1="0" x2="34" y1="4" y2="4" stroke=(colour) stroke-width="2.2" stroke-dasharray=(dash) {}
                        }
                        " " (curve.name) " "
                    }
                }
            }
        }
    }
}

/// A contribution beside the largest one, to either side of the middle.
pub(super) fn push(value: f64, largest: f64) -> Markup {
    let length = if largest > 0.0 { 95.0 * (value.abs() / largest).clamp(0.0, 1.0) } else { 0.0 };
    let (class, x) = if value < 0.0 { ("down", 100.0 - length) } else { ("up", 100.0) };
    html! {
        svg.bar viewBox="0 0 200 10" preserveAspectRatio="none" aria-hidden="true" {
            rect.rail x="0" y="4" width="200" height="2" {}
            rect class=(class) x=(format!("{x:.1}")) y="0" width=(format!("{length:.1}")) height="10" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_falls_in_steps_at_its_times_and_stays_inside() {
        let curve = Curve { name: "<x>".into(), points: vec![(100.0, 0.5), (200.0, -3.0)] };
        let drawn = figure(&[curve], 1.0, "Survival", "days").into_string();
        let middle = (LEFT + RIGHT) / 2.0;
        let half = (TOP + BOTTOM) / 2.0;
        let expected = format!("M{LEFT:.1} {TOP:.1}H{middle:.1}V{half:.1}H{RIGHT:.1}V{BOTTOM:.1}");
        assert!(drawn.contains(&expected), "{drawn}");
        for nothing in [vec![], vec![(0.0, 1.0)], vec![(f64::NAN, 1.0)], vec![(f64::INFINITY, 1.0)]]
        {
            let curve = Curve { name: String::new(), points: nothing };
            assert_eq!(figure(&[curve], 1.0, "", "").into_string(), "");
        }
    }

    #[test]
    fn a_push_goes_to_its_side() {
        let of = |value| push(value, 2.0).into_string();
        assert!(of(2.0).contains("class=\"up\" x=\"100.0\"") && of(2.0).contains("width=\"95.0\""));
        assert!(of(-1.0).contains("class=\"down\" x=\"52.5\""));
        assert!(push(0.0, 0.0).into_string().contains("width=\"0.0\""));
    }
}
