//! Survival curves of AMLSG's risk groups, of real patients and of virtual ones.
//!
//! The generator (AIM, focus on survival) knows of a patient the age, the sex, the molecular risk group
//! (ELN 2010; Döhner et al., *Blood* 2010;115:453) and the follow-up. A group's Kaplan-Meier curve of
//! virtual patients lies beside that of the real ones, all of whom the generator was fitted on: the
//! comparison is of the curves that a reader would be shown, not of what is left out.

use haima_fl_core::results::{Curve, Curves};
use haima_fl_core::synth::condition::Condition;
use serde_json::Value;

use super::amlsg::ROW;
use super::columns::{Columns, Study, fault};
use super::generators::{Network, generator};
use super::simulated::{NODES, Noise, SEEDS, against, calibrated};
use super::yardsticks::text;
use super::{Context, Figure, Row};
use crate::Error;
use crate::stats::{Sites, Summing};

/// The row.
pub(super) const ROWS: &[Row] = &[Row {
    id: "synth-amlsg-curves",
    what: "Kaplan-Meier curves of overall survival by molecular risk group, of 6,000 virtual patients \
           (AIM, focus on survival) with patient-level differential privacy (3, 1e-5): survival at 2 \
           years, and the largest distance of the curves in 5 years",
    data: "AMLSG: 1,411 patients with a risk group, 45 centres",
    method: "the noise of 3 nodes, mean of seeds 0 to 9",
    yardstick: "the real patients' curves, with the half width of their 95 % interval at 2 years",
    slow: true,
    run: curves,
}];

const EPSILON: f64 = 3.0;
const DELTA: f64 = 1e-5;
const VIRTUALS: usize = 6000;
const YEAR: f64 = 365.25;
/// Width of the curves' grid, in days.
const GRID: i64 = 30;

const SCHEMA: &str = r#"
    patient = "row"
    [[column]]
    name = "age"
    kind = "numeric"
    range = [16, 100]
    [[column]]
    name = "sex"
    kind = "category"
    levels = ["F", "M"]
    [[column]]
    name = "m_risk"
    kind = "category"
    levels = ["Favorable", "Inter-1", "Inter-2", "Adverse"]
    [[column]]
    name = "os"
    kind = "numeric"
    unit = "days"
    range = [0, 10000]
    [[column]]
    name = "status"
    kind = "flag"
"#;

const CUTS: &str = r#"
    survival = [{ time = "os", event = "status", cuts = [90, 180, 365, 545, 730, 1095, 1460, 2190, 3650] }]
    ordered = ["m_risk"]
    [bins]
    age = 14
"#;

fn curves(context: &Context) -> Result<Vec<Figure>, Error> {
    let mut all = Columns::read(&context.shared("data/amlsg_1540.csv")?)?;
    let known: Vec<bool> = all.get("m_risk")?.iter().map(|group| !group.is_empty()).collect();
    let rows = (0..all.len()).map(|row| row.to_string()).collect();
    all.set(ROW, rows);
    let mut kept = Columns::default();
    for name in ["center", ROW, "age", "sex", "m_risk", "os", "status"] {
        let fields = all.get(name)?.iter().zip(&known).filter(|(_, known)| **known);
        kept.set(name, fields.map(|(field, _)| field.clone()).collect());
    }
    let network = Network::new(&kept, "center", (SCHEMA, CUTS))?;
    let question = network.focused("os");
    let (query, sums) = question.plan()?;
    let (s, bound) = calibrated((EPSILON, DELTA), &query, sums)?;
    let real = by_group(&kept, "center")?;
    let made: Vec<Vec<Curve>> = (0..SEEDS)
        .map(|seed| {
            let noise = Noise { s, nodes: NODES, seed };
            let generator = generator(&question, &network.hospitals, Some(noise))?;
            let none = Condition::default();
            let levels = generator.rows(VIRTUALS, &none, seed.into())?;
            let texts = generator.domain.texts(&levels, &none, seed.into());
            let mut columns = Columns::default();
            for (at, name) in generator.domain.header().iter().enumerate() {
                let field = |row: &Vec<String>| row.get(at).cloned().unwrap_or_default();
                columns.set(name, texts.iter().map(field).collect());
            }
            columns.set(ROW, (0..VIRTUALS).map(|row| row.to_string()).collect());
            columns.set("part", (0..VIRTUALS).map(|row| (row % 5).to_string()).collect());
            by_group(&columns, "part")
        })
        .collect::<Result<_, Error>>()?;
    let mut figures = Vec::new();
    for curve in &real {
        let same = |all: &Vec<Curve>| all.iter().find(|made| made.group == curve.group).cloned();
        let own: Vec<Curve> = made.iter().filter_map(same).collect();
        let mean =
            |of: &dyn Fn(&Curve) -> f64| own.iter().map(of).sum::<f64>() / own.len().max(1) as f64;
        let two = mean(&|made| at(made, 2.0 * YEAR));
        let apart = mean(&|made| distance(curve, made));
        let half = half_width(curve, 2.0 * YEAR);
        let group = curve.group.trim_start_matches("m_risk=");
        let theirs = format!("{:.3} (half width {half:.3})", at(curve, 2.0 * YEAR));
        figures.push(text(&format!("{group}: alive at 2 years"), &format!("{two:.3}"), &theirs));
        figures.push(text("largest distance", &format!("{apart:.3}"), ""));
    }
    figures.push(text("epsilon", &against(&bound, DELTA), ""));
    figures.push(text("sums", &sums.to_string(), ""));
    Ok(figures)
}

/// The curves of the four groups.
fn by_group(columns: &Columns, sites: &str) -> Result<Vec<Curve>, Error> {
    let rows = vec![true; columns.len()];
    let sites = Sites::Column(sites.into());
    let study = Study {
        columns,
        rows: &rows,
        sites,
        schema: Some(SCHEMA),
        min_local_rows: 1,
        summing: Summing::Plain,
    };
    let params = toml::toml! {
        time = "os"
        event = "status"
        by = "m_risk"
        grid = GRID
    };
    let found = study.ask("km", params)?;
    let curves: Curves = serde_json::from_value(Value::Object(found))
        .map_err(|error| fault("km", &error.to_string()))?;
    Ok(curves.curves)
}

/// The place in a curve that holds at a time, if any event or censoring came before.
fn place(curve: &Curve, time: f64) -> Option<usize> {
    curve.time.iter().rposition(|edge| *edge <= time)
}

fn at(curve: &Curve, time: f64) -> f64 {
    place(curve, time).and_then(|place| curve.surv.get(place)).copied().unwrap_or(1.0)
}

fn half_width(curve: &Curve, time: f64) -> f64 {
    let ends = |place: usize| Some((curve.lo.get(place)?, curve.hi.get(place)?));
    place(curve, time).and_then(ends).map_or(f64::NAN, |(low, high)| (high - low) / 2.0)
}

/// The largest distance over the grid of the first 5 years.
fn distance(one: &Curve, other: &Curve) -> f64 {
    let steps = (5.0 * YEAR / GRID as f64) as u32;
    let times = (1..=steps).map(|step| f64::from(step) * GRID as f64);
    times.map(|time| (at(one, time) - at(other, time)).abs()).fold(0.0, f64::max)
}
