//! Cumulative incidence curves: one line a group and cause.
//!
//! A curve ends where fewer patients than the display rule asks for remain at risk.

use haima_fl_core::results::competing::{Incidence, IncidenceGroup};
#[cfg(feature = "demo")]
use serde_json::{Map, Value};

use super::cells::{Shown, suppress};
use super::chart::{Axis, Chart, Line, Shape};
use super::curves::TimeAxis;
use super::model::Wording;
use super::words;

/// All curves of a result that are drawn.
pub(crate) struct Groups {
    groups: Vec<IncidenceGroup>,
    /// Patients of each, as they may be told: all groups add up to a printed number.
    sizes: Vec<Shown>,
    min_cell: u64,
}

impl Groups {
    /// Reads them from a result's JSON; `None` when there is nothing to draw.
    #[cfg(feature = "demo")]
    pub(crate) fn of(result: &Map<String, Value>, min_cell: u64) -> Option<Self> {
        Self::new(&serde_json::from_value(Value::Object(result.clone())).ok()?, min_cell)
    }

    /// The curves that the display rule lets see; `None` when there is none.
    pub(crate) fn new(result: &Incidence, min_cell: u64) -> Option<Self> {
        let seen =
            |group: &IncidenceGroup| group.n >= min_cell.max(1) && rows_shown(group, min_cell) > 0;
        let all = result.curves.iter().zip(sizes(result, min_cell));
        let (groups, sizes): (Vec<IncidenceGroup>, Vec<Shown>) =
            all.filter(|(group, _)| seen(group)).map(|(group, size)| (group.clone(), size)).unzip();
        (!groups.is_empty()).then_some(Self { groups, sizes, min_cell })
    }

    /// Last time drawn, in data units.
    pub(crate) fn end(&self) -> f64 {
        let last = |group: &IncidenceGroup| {
            let shown = rows_shown(group, self.min_cell);
            shown.checked_sub(1).and_then(|last| group.time.get(last)).copied()
        };
        self.groups.iter().filter_map(last).fold(0.0, f64::max)
    }

    /// The chart.
    pub(super) fn chart(&self, wording: &Wording) -> Chart {
        let axis = TimeAxis::until(self.end(), wording);
        let lines: Vec<Line> = self
            .groups
            .iter()
            .zip(&self.sizes)
            .flat_map(|(group, size)| {
                let shown = rows_shown(group, self.min_cell);
                group.causes.iter().map(move |cause| (group, size, cause, shown))
            })
            .map(|(group, size, cause, shown)| {
                let times = group.time.iter().map(|time| time / axis.divisor).take(shown);
                let ends = cause.lo.iter().copied().zip(cause.hi.iter().copied());
                Line {
                    name: format!(
                        "{}, n{}{}",
                        name(&cause.cause, &group.group, wording),
                        if size.is_printed() { "=" } else { "" },
                        size.text(self.min_cell, None)
                    ),
                    start: 0.0,
                    points: times.zip(cause.cif.iter().copied()).collect(),
                    band: ends.take(shown).collect(),
                    shape: Shape::Steps,
                }
            })
            .collect();
        let tops = lines.iter().flat_map(|line| {
            let values = line.points.iter().map(|(_, cif)| *cif);
            values.chain(line.band.iter().map(|(_, hi)| *hi)).filter(|value| value.is_finite())
        });
        let top = (tops.fold(0.0, f64::max) * 1.05).min(1.0);
        let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
        let label = match wording.origin.as_str() {
            "" => words::capital(&axis.unit),
            origin => format!("{} since {origin}", words::capital(&axis.unit)),
        };
        Chart {
            name: "incidence",
            alternative: format!(
                "Cumulative incidence: {}. The table gives the numbers.",
                names.join("; ")
            ),
            lines,
            x: Axis { label, ends: (0.0, axis.end), percent: false },
            y: Axis { label: "Cumulative incidence".to_owned(), ends: (0.0, top), percent: true },
            guide: None,
        }
    }
}

/// Patients of each group as they may be told. They add up to those of the result, which are printed.
pub(crate) fn sizes(result: &Incidence, min_cell: u64) -> Vec<Shown> {
    let sizes: Vec<u64> = result.curves.iter().map(|group| group.n).collect();
    suppress(&[sizes], false, min_cell).concat()
}

/// Name of a curve: its cause, and its group where there are several.
fn name(cause: &str, group: &str, wording: &Wording) -> String {
    match group {
        "all" => words::term(wording, cause),
        _ => format!("{}, {}", words::term(wording, cause), words::group(wording, group)),
    }
}

/// Rows of a group that are drawn.
pub(super) fn rows_shown(group: &IncidenceGroup, min_cell: u64) -> usize {
    group.n_risk.iter().take_while(|n| **n >= min_cell.max(1)).count().min(group.time.len())
}

/// The figure as an SVG file.
#[cfg(feature = "demo")]
pub(crate) fn figure(groups: &Groups, wording: &Wording) -> String {
    super::standalone::file(&groups.chart(wording).draw(super::plot::Size::Page).into_string(), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_drawn_while_enough_are_at_risk() {
        let result = serde_json::json!({
            "schema": "haima.cif/1", "formula": "", "grid": 1.0, "n": 40, "events": 3, "sites": 3,
            "censored": "none", "tests": [],
            "curves": [{
                "group": "all", "n": 40, "time": [1.0, 2.0, 3.0], "n_risk": [40, 20, 2],
                "n_censor": [0, 0, 0],
                "causes": [
                    { "cause": "relapse", "cif": [0.1, 0.2, 0.9], "lo": [0.05, 0.1, 0.5],
                        "hi": [0.2, 0.4, 1.0], "n_event": [1, 1, 1], "variance": [0, 0, 0], "se": [0, 0, 0] },
                    { "cause": "a<b", "cif": [0.0, 0.1, 0.1], "lo": [null, 0.05, 0.05],
                        "hi": [null, 0.2, 0.2], "n_event": [0, 1, 0], "variance": [0, 0, 0], "se": [0, 0, 0] },
                ],
            }]
        });
        let result: Incidence = serde_json::from_value(result).unwrap();
        let groups = Groups::new(&result, 5).unwrap();
        let chart = groups.chart(&Wording::default());
        assert!(chart.lines.iter().all(|line| line.points.len() == 2));
        let svg = chart.figure().into_string();
        assert!(svg.contains("relapse, n=40") && svg.contains("a&lt;b") && !svg.contains("NaN"));
        assert!(Groups::new(&result, 41).is_none(), "too few for the rule");
    }

    #[test]
    fn no_small_group_is_what_the_others_leave_of_all() {
        let group = |name: &str, n: u64| {
            serde_json::json!({
                "group": name, "n": n, "time": [1.0], "n_risk": [n], "n_censor": [0],
                "causes": [{ "cause": "relapse", "cif": [0.1], "lo": [0.05], "hi": [0.2],
                    "n_event": [1], "variance": [0], "se": [0] }],
            })
        };
        let result = serde_json::json!({
            "schema": "haima.cif/1", "formula": "", "grid": 1.0, "n": 123, "events": 3, "sites": 3,
            "censored": "none", "tests": [],
            "curves": [group("g=a", 3), group("g=b", 20), group("g=c", 100)],
        });
        let result: Incidence = serde_json::from_value(result).unwrap();
        let chart = Groups::new(&result, 5).unwrap().chart(&Wording::default());
        let names: Vec<&str> = chart.lines.iter().map(|line| line.name.as_str()).collect();
        // 123 - 100 - 20 would be the 3.
        assert_eq!(names, ["relapse, g=b, n≥5", "relapse, g=c, n=100"]);
        let open = Groups::new(&result, 0).unwrap().chart(&Wording::default());
        assert_eq!(open.lines[0].name, "relapse, g=a, n=3");
    }
}
