//! Artificial patients with sickle cell disease, in steady state and after.
//!
//! Genotype, fetal haemoglobin and deleted alpha-globin genes decide how fast red cells are broken
//! down; that, age and treatment decide the rest. Figures are of the order that the schema's sources
//! have, and chosen by hand.

use super::draw::Draw;
use super::row::Row;

/// A genotype by its weight and what is usual in it.
struct Genotype {
    name: &'static str,
    weight: f64,
    severe: bool,
    hb: f64,
    mcv: f64,
    hbf: (f64, f64),
    /// A year.
    crises: f64,
    /// Acute chest syndromes a year.
    chest: f64,
}

const GENOTYPES: [Genotype; 4] = [
    Genotype {
        name: "HbSS",
        weight: 0.62,
        severe: true,
        hb: 7.7,
        mcv: 90.0,
        hbf: (7.0, 3.5),
        crises: 0.8,
        chest: 0.13,
    },
    Genotype {
        name: "HbSb0",
        weight: 0.05,
        severe: true,
        hb: 7.9,
        mcv: 74.0,
        hbf: (7.5, 3.5),
        crises: 1.0,
        chest: 0.09,
    },
    Genotype {
        name: "HbSC",
        weight: 0.25,
        severe: false,
        hb: 11.2,
        mcv: 82.0,
        hbf: (2.5, 1.2),
        crises: 0.4,
        chest: 0.05,
    },
    Genotype {
        name: "HbSb+",
        weight: 0.08,
        severe: false,
        hb: 10.2,
        mcv: 70.0,
        hbf: (5.5, 2.5),
        crises: 0.4,
        chest: 0.04,
    },
];

/// What a laboratory may not have measured.
const BLOOD: [&str; 9] =
    ["hb", "hbf", "mcv", "reticulocytes", "wbc", "platelets", "bilirubin", "ldh", "ferritin"];

/// Fills a row.
pub(super) fn fill(draw: &mut Draw, row: &mut Row<'_>) {
    let Some(genotype) = draw.one(&GENOTYPES, |own| own.weight) else { return };
    let severe = genotype.severe;
    let age = draw.normal(28.0, 15.0).clamp(2.0, 85.0).floor();
    let adult = age >= 18.0;
    let male = draw.chance(0.48);
    let alpha = draw.unit();
    let deletions = if alpha < 0.62 {
        0.0
    } else if alpha < 0.95 {
        1.0
    } else {
        2.0
    };
    row.set("genotype", genotype.name);
    row.number("age", age, 0);
    row.set("sex", if male { "M" } else { "F" });
    row.set("alpha_deletions", &format!("{deletions:.0}"));

    let treated = draw.chance(if severe { 0.5 } else { 0.08 });
    row.flag("hydroxyurea", treated);
    let dose = if treated { draw.between(12.0, 30.0) } else { 0.0 };
    row.number("hydroxyurea_dose", dose, 0);
    let (mean, deviation) = genotype.hbf;
    let child = (10.0 - age).max(0.0);
    let more = if treated { draw.normal(9.0, 4.0).max(0.0) } else { 0.0 };
    let hbf = (draw.normal(mean, deviation).max(0.3) + 0.8 * child + more).min(45.0);
    row.number("hbf", hbf, 1);

    // How fast red cells are broken down, in deviations.
    let fast =
        draw.normal(if severe { 1.0 } else { -0.6 }, 0.7) - 0.05 * (hbf - 7.0) - 0.3 * deletions;
    let hb = genotype.hb + 0.06 * hbf - 0.5 * (fast - 0.5) + if male && adult { 0.5 } else { 0.0 };
    row.number("hb", hb + draw.normal(0.0, 0.5), 1);
    let mcv = genotype.mcv - 5.0 * deletions + if treated { 11.0 } else { 0.0 };
    row.number("mcv", draw.normal(mcv, 5.0), 0);
    row.number("reticulocytes", 170.0 * (0.45 * fast + draw.normal(0.0, 0.25)).exp(), 0);
    let wbc = if severe { 11.8 } else { 8.0 } - if treated { 2.5 } else { 0.0 };
    row.number("wbc", draw.normal(wbc, 2.4).max(2.0), 1);
    row.number("platelets", draw.normal(if severe { 390.0 } else { 270.0 }, 95.0).max(40.0), 0);
    row.number("bilirubin", 28.0 * (0.4 * fast + draw.normal(0.0, 0.3)).exp(), 0);
    row.number("ldh", 290.0 * (0.3 * fast + draw.normal(0.0, 0.2)).exp(), 0);
    let creatinine = if adult { 55.0 * (0.009 * (age - 18.0)).exp() } else { 20.0 + 1.8 * age };
    row.number("creatinine", creatinine * draw.normal(0.0, 0.2).exp(), 0);
    row.number("spo2", (draw.normal(97.5, 1.5) - fast.max(0.0)).min(100.0), 0);
    let trv = draw.normal(2.1 + 0.1 * fast + 0.007 * (age - 20.0).max(0.0), 0.25);
    row.number("trv", trv, 1);

    let rate = genotype.crises * draw.normal(-0.5, 1.0).exp() * if treated { 0.55 } else { 1.0 };
    row.number("pain_crises", draw.count(rate).into(), 0);
    // Of what had time to happen: a rate of years that does not stay as high as in childhood.
    let ever = |years: f64, rate: f64| 1.0 - (-rate * years.max(0.0)).exp();
    row.flag("acute_chest", draw.chance(ever(age.min(20.0) / 3.0, genotype.chest)));
    let stroke = draw.chance(ever(age.min(45.0), if severe { 0.0055 } else { 0.001 }));
    row.flag("stroke", stroke);
    row.flag("avascular_necrosis", draw.chance(ever(age - 10.0, 0.006)));
    row.flag("leg_ulcer", draw.chance(ever(age - 10.0, 0.002 * (0.8 * fast).exp())));
    let programme = draw.chance(if stroke { 0.75 } else { 0.03 * fast.exp().min(5.0) });
    let occasional = draw.chance(if severe { 0.45 } else { 0.2 });
    let (transfusion, units, iron) = match (programme, occasional) {
        (true, _) => ("programme", draw.between(20.0, 60.0), 2200.0),
        (_, true) => ("occasional", draw.between(1.0, 8.0), 450.0),
        _ => ("none", 0.0, 150.0),
    };
    row.set("transfusion", transfusion);
    row.number("units", units, 0);
    row.number("ferritin", iron * draw.normal(0.0, 0.6).exp(), 0);

    let hazard = 0.004
        * (0.045 * (age - 25.0)
            + if severe { 0.6 } else { 0.0 }
            + if trv >= 2.5 { 0.8 } else { 0.0 }
            + if stroke { 0.4 } else { 0.0 }
            - 0.03 * (hbf - 7.0)
            - if treated { 0.3 } else { 0.0 })
        .exp();
    let died = draw.time(std::f64::consts::LN_2 / hazard, 1.0);
    let follow_up = draw.between(0.5, 12.0);
    row.number("follow_up_years", died.min(follow_up).max(0.01), 2);
    row.flag("death", died <= follow_up);

    let echo = if adult { 0.25 } else { 0.7 };
    for (column, share) in [("trv", echo), ("alpha_deletions", 0.3), ("spo2", 0.1)] {
        if draw.chance(share) {
            row.forget(column);
        }
    }
    for column in BLOOD {
        if draw.chance(0.03) {
            row.forget(column);
        }
    }
}
