//! Artificial patients with acute myeloid leukaemia, at diagnosis and after.
//!
//! A driver comes first: it decides the classes of all systems, the risk, what the karyotype shows and
//! which genes are mutated. Risk, age and treatment then decide how it goes on. Shares and speeds are
//! of the order that publications have, and chosen by hand.

use super::draw::Draw;
use super::row::Row;

/// Day by which a leukaemia without remission counts as refractory.
const EVALUATED: f64 = 42.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Risk {
    Favourable,
    Intermediate,
    Adverse,
}

impl Risk {
    fn name(self) -> &'static str {
        match self {
            Self::Favourable => "favourable",
            Self::Intermediate => "intermediate",
            Self::Adverse => "adverse",
        }
    }

    /// By risk, favourable first.
    fn of<T>(self, favourable: T, intermediate: T, adverse: T) -> T {
        match self {
            Self::Favourable => favourable,
            Self::Intermediate => intermediate,
            Self::Adverse => adverse,
        }
    }
}

/// What makes a leukaemia: `weight` at the age of 60, times e to `older` a decade beyond.
struct Driver {
    weight: f64,
    older: f64,
    /// Class and entity.
    who_2016: (&'static str, &'static str),
    who_2022: (&'static str, &'static str),
    icc_2022: (&'static str, &'static str),
    eln_2017: Risk,
    eln_2022: Risk,
    /// In the karyotype's letters, and as flags.
    karyotype: &'static str,
    flags: &'static [&'static str],
    /// Genes with the share of such patients who have them mutated.
    genes: &'static [(&'static str, f64)],
}

const GENETIC: &str = "recurrent genetic";
const DEFINING: &str = "defining genetic";
const MYELODYSPLASIA: &str = "myelodysplasia-related";

/// A driver that all systems call alike.
const fn alike(
    weight: f64,
    older: f64,
    entity: &'static str,
    risk: Risk,
    karyotype: &'static str,
    flags: &'static [&'static str],
    genes: &'static [(&'static str, f64)],
) -> Driver {
    Driver {
        weight,
        older,
        who_2016: (GENETIC, entity),
        who_2022: (DEFINING, entity),
        icc_2022: (GENETIC, entity),
        eln_2017: risk,
        eln_2022: risk,
        karyotype,
        flags,
        genes,
    }
}

const PML_RARA: &str = "PML-RARA";
const NPM1: &str = "NPM1";

const DRIVERS: [Driver; 13] = [
    alike(
        0.27,
        0.0,
        NPM1,
        Risk::Favourable,
        "",
        &[],
        &[("npm1", 1.0), ("flt3_itd", 0.4), ("dnmt3a", 0.5), ("tet2", 0.2)],
    ),
    alike(
        0.05,
        -0.3,
        "RUNX1-RUNX1T1",
        Risk::Favourable,
        "t(8;21)",
        &["t_8_21", "any_8", "any_21"],
        &[("kit", 0.25)],
    ),
    alike(
        0.05,
        -0.3,
        "CBFB-MYH11",
        Risk::Favourable,
        "inv(16)",
        &["inv16", "any_16"],
        &[("kit", 0.3), ("nras", 0.4)],
    ),
    alike(
        0.05,
        -0.3,
        PML_RARA,
        Risk::Favourable,
        "t(15;17)",
        &["t_15_17", "any_15", "any_17"],
        &[("flt3_itd", 0.35)],
    ),
    alike(
        0.04,
        -0.3,
        "KMT2A",
        Risk::Intermediate,
        "t(9;11)",
        &["mll", "any_9", "any_11"],
        &[("nras", 0.25)],
    ),
    alike(
        0.01,
        -0.2,
        "DEK-NUP214",
        Risk::Adverse,
        "t(6;9)",
        &["t_6_9", "any_6", "any_9"],
        &[("flt3_itd", 0.7)],
    ),
    alike(
        0.02,
        0.0,
        "MECOM",
        Risk::Adverse,
        "inv(3)",
        &["inv3", "any_3"],
        &[("nras", 0.3), ("sf3b1", 0.2)],
    ),
    alike(0.01, 0.0, "BCR-ABL1", Risk::Adverse, "t(9;22)", &["t_9_22", "any_9", "any_22"], &[]),
    Driver {
        weight: 0.03,
        older: -0.2,
        who_2016: (GENETIC, "biallelic CEBPA"),
        who_2022: (DEFINING, "CEBPA"),
        icc_2022: (GENETIC, "bZIP CEBPA"),
        eln_2017: Risk::Favourable,
        eln_2022: Risk::Favourable,
        karyotype: "",
        flags: &[],
        genes: &[("cebpa_bi", 1.0), ("gata2", 0.25)],
    },
    Driver {
        weight: 0.1,
        older: 0.3,
        who_2016: ("MDS-related", "MDS-related"),
        who_2022: (DEFINING, MYELODYSPLASIA),
        icc_2022: ("TP53", "TP53"),
        eln_2017: Risk::Adverse,
        eln_2022: Risk::Adverse,
        karyotype: "del(5q),-17,complex",
        flags: &["complex", "minus5_del5q", "any_5", "minus17_17p", "any_17"],
        genes: &[("tp53", 1.0)],
    },
    Driver {
        weight: 0.2,
        older: 0.25,
        who_2016: ("NOS", "NOS"),
        who_2022: (DEFINING, MYELODYSPLASIA),
        icc_2022: (MYELODYSPLASIA, "myelodysplasia-related genes"),
        eln_2017: Risk::Intermediate,
        eln_2022: Risk::Adverse,
        karyotype: "",
        flags: &[],
        genes: &[
            ("asxl1", 0.4),
            ("srsf2", 0.4),
            ("runx1", 0.35),
            ("tet2", 0.3),
            ("stag2", 0.2),
            ("sf3b1", 0.15),
            ("bcor", 0.15),
            ("ezh2", 0.15),
            ("u2af1", 0.15),
            ("zrsr2", 0.1),
        ],
    },
    Driver {
        weight: 0.08,
        older: 0.2,
        who_2016: ("MDS-related", "MDS-related"),
        who_2022: (DEFINING, MYELODYSPLASIA),
        icc_2022: (MYELODYSPLASIA, "myelodysplasia-related cytogenetics"),
        eln_2017: Risk::Adverse,
        eln_2022: Risk::Adverse,
        karyotype: "-7",
        flags: &["minus7", "any_7"],
        genes: &[("nras", 0.2)],
    },
    Driver {
        weight: 0.09,
        older: 0.0,
        who_2016: ("NOS", "NOS"),
        who_2022: ("by differentiation", "by differentiation"),
        icc_2022: ("NOS", "NOS"),
        eln_2017: Risk::Intermediate,
        eln_2022: Risk::Intermediate,
        karyotype: "+8",
        flags: &["plus8", "any_8"],
        genes: &[],
    },
];

/// Share of patients with a gene mutated whose driver says nothing of it; the others have it rarely.
const GENES: [(&str, f64); 14] = [
    ("dnmt3a", 0.18),
    ("tet2", 0.1),
    ("nras", 0.13),
    ("kras", 0.05),
    ("idh1", 0.08),
    ("idh2", 0.1),
    ("flt3_itd", 0.1),
    ("flt3_tkd", 0.07),
    ("ptpn11", 0.07),
    ("wt1", 0.06),
    ("runx1", 0.05),
    ("asxl1", 0.04),
    ("kit", 0.02),
    ("jak2", 0.03),
];
/// Of any other.
const RARE: f64 = 0.012;
/// Genes that every laboratory looks at; the others are in a large panel alone.
const SMALL_PANEL: [&str; 10] =
    ["npm1", "flt3_itd", "flt3_tkd", "cebpa_bi", "tp53", "runx1", "asxl1", "idh1", "idh2", "kit"];

/// Fills a row.
pub(super) fn fill(draw: &mut Draw, row: &mut Row<'_>) {
    let age = draw.normal(62.0, 15.0).clamp(18.0, 95.0).floor();
    let decades = (age - 60.0) / 10.0;
    let Some(driver) = draw.one(&DRIVERS, |own| own.weight * (own.older * decades).exp()) else {
        return;
    };
    row.number("age", age, 0);
    let male = draw.chance(0.54);
    row.set("sex", if male { "M" } else { "F" });
    karyotype(draw, row, driver, male);
    mutations(draw, row, driver);
    let risk = classes(draw, row, driver);
    let high = blood(draw, row, risk);
    course(
        draw,
        row,
        Patient { age, risk, high, acute_promyelocytic: driver.who_2016.1 == PML_RARA },
    );
}

fn karyotype(draw: &mut Draw, row: &mut Row<'_>, driver: &Driver, male: bool) {
    // A few have none made.
    if draw.chance(0.04) {
        return;
    }
    let complex = driver.flags.contains(&"complex");
    for column in row.columns("kar_") {
        let name = column.strip_prefix("kar_").unwrap_or(&column);
        let by_chance = match (name.starts_with("any_"), complex) {
            (true, true) => 0.2,
            (true, false) => 0.01,
            _ => 0.006,
        };
        let women = !male && (name == "minus_y" || name == "any_y");
        row.flag(&column, driver.flags.contains(&name) || !women && draw.chance(by_chance));
    }
    let sex = if male { "XY" } else { "XX" };
    let more = if driver.karyotype.is_empty() { "" } else { "," };
    row.set("karyotype", &format!("46,{sex}{more}{}", driver.karyotype));
}

fn mutations(draw: &mut Draw, row: &mut Row<'_>, driver: &Driver) {
    let (none, large) = (draw.chance(0.05), draw.chance(0.7));
    for column in row.columns("gene_") {
        let name = column.strip_prefix("gene_").unwrap_or(&column);
        let of_driver = driver.genes.iter().find(|(gene, _)| *gene == name);
        let usual = GENES.iter().find(|(gene, _)| *gene == name);
        // What defines another driver comes by it alone.
        let defining = ["npm1", "cebpa_bi", "tp53"].contains(&name);
        let share = match (of_driver, usual) {
            (Some((_, share)), _) | (None, Some((_, share))) => *share,
            (None, None) => {
                if defining {
                    0.0
                } else {
                    RARE
                }
            }
        };
        let mutated = draw.chance(share);
        if !none && (large || SMALL_PANEL.contains(&name)) {
            row.flag(&column, mutated);
        }
    }
}

/// The classes of all systems, and the risk that decides how it goes on.
fn classes(draw: &mut Draw, row: &mut Row<'_>, driver: &Driver) -> Risk {
    let after_therapy = draw.chance(0.08);
    let who_2016 = match after_therapy {
        true => ("therapy-related", "therapy-related"),
        false => driver.who_2016,
    };
    for (system, (class, entity)) in
        [("who_2016", who_2016), ("who_2022", driver.who_2022), ("icc_2022", driver.icc_2022)]
    {
        row.set(&format!("{system}_class"), class);
        row.set(system, entity);
    }
    let after_mds = driver.icc_2022.0 == MYELODYSPLASIA && draw.chance(0.3);
    row.set(
        "qualifier",
        match (after_therapy, after_mds) {
            (true, _) => "therapy-related",
            (_, true) => "after MDS",
            _ => "none",
        },
    );
    if driver.who_2016.1 == PML_RARA {
        return Risk::Favourable;
    }
    // NPM1 is favourable without FLT3-ITD alone.
    let held = driver.who_2016.1 == NPM1 && row.text("gene_flt3_itd") == "1";
    let of = |own: Risk| if held { Risk::Intermediate } else { own };
    row.set("eln_2017", of(driver.eln_2017).name());
    row.set("eln_2022", of(driver.eln_2022).name());
    of(driver.eln_2022)
}

/// Blood and marrow; whether white cells are very high.
fn blood(draw: &mut Draw, row: &mut Row<'_>, risk: Risk) -> bool {
    let wbc = 12.0 * draw.normal(risk.of(0.4, 0.3, -0.3), 1.3).exp();
    let marrow = draw.between(20.0, 98.0);
    row.number("wbc", wbc, 1);
    row.number("hb", draw.normal(9.1, 1.7), 1);
    row.number("plt", 60.0 * draw.normal(0.0, 0.75).exp(), 0);
    row.number("ldh", 350.0 * draw.normal(0.25 * wbc.ln().max(0.0) - 0.5, 0.45).exp(), 0);
    row.number("bm_blasts", marrow, 0);
    row.number("pb_blasts", marrow * draw.unit(), 0);
    row.flag("splenomegaly", draw.chance(if wbc > 50.0 { 0.4 } else { 0.15 }));
    for column in ["wbc", "hb", "plt", "ldh", "bm_blasts", "pb_blasts", "splenomegaly"] {
        if draw.chance(0.03) {
            row.forget(column);
        }
    }
    wbc > 100.0
}

#[derive(Clone, Copy)]
struct Patient {
    age: f64,
    risk: Risk,
    high: bool,
    acute_promyelocytic: bool,
}

/// Treatment, remission, relapse, transplantation and death, in whole days from diagnosis.
fn course(draw: &mut Draw, row: &mut Row<'_>, patient: Patient) {
    let Patient { age, risk, high, acute_promyelocytic } = patient;
    let older = age - 60.0;
    let worse = 0.7 + 0.02 * older + if high { 0.6 } else { 0.0 };
    let ecog = draw.count(worse.max(0.2)).min(4);
    row.set("ecog", &ecog.to_string());
    let intensive = draw.chance(1.0 / (1.0 + ((age - 70.0) / 5.0).exp()));
    row.flag("intensive_induction", intensive);
    let follow_up = draw.between(200.0, 3650.0).ceil();
    let frail = (0.02 * older + 0.15 * f64::from(ecog)).exp();

    let early = draw.chance((0.04 * frail * if high { 2.0 } else { 1.0 }).min(0.4));
    let responds = risk.of(0.9, 0.75, 0.5) * if intensive { 1.0 } else { 0.5 };
    let remission = (!early && draw.chance(responds)).then(|| draw.between(21.0, 60.0).ceil());
    let full = draw.chance(0.85);
    row.set(
        "induction_response",
        match (early, remission) {
            (true, _) => "early death",
            (_, Some(_)) => {
                if full {
                    "CR"
                } else {
                    "CRi"
                }
            }
            _ => {
                if full {
                    "refractory"
                } else {
                    "PR"
                }
            }
        },
    );

    let Some(remission) = remission else {
        let died = match early {
            true => draw.between(1.0, 30.0).ceil(),
            false => EVALUATED + draw.time(180.0 / frail, 0.9).ceil(),
        };
        let transplant = draw.between(60.0, 120.0).ceil();
        let tried = intensive && age < 70.0 && draw.chance(0.15);
        let tried = tried && transplant < died.min(follow_up);
        if tried {
            transplanted(draw, row, transplant, "active disease");
        }
        row.flag("allo_hsct", tried);
        row.flag("auto_hsct", false);
        overall(row, died, follow_up);
        row.flag("efs_status", true);
        row.number("efs_days", died.min(EVALUATED), 0);
        row.set("efs_event", if early { "death" } else { "no remission" });
        return;
    };
    let fit = intensive && age < 72.0 && !acute_promyelocytic;
    let wanted = draw.chance(if fit { risk.of(0.1, 0.5, 0.65) } else { 0.02 });
    let transplant = remission + draw.between(30.0, 150.0).ceil();
    let longer = if wanted { 2.2 } else { 1.0 } * if acute_promyelocytic { 5.0 } else { 1.0 };
    let relapse = remission + draw.time(longer * risk.of(1500.0, 700.0, 320.0), 0.8).ceil();
    let harm = if wanted { 0.6 } else { 1.0 };
    let other_death = remission + draw.time(harm * 3000.0 / frail, 0.9).ceil();
    let relapses = relapse < other_death;
    let died = match relapses {
        true => relapse + draw.time(220.0 / frail, 0.8).ceil(),
        false => other_death,
    };
    let end = died.min(follow_up);
    let first = wanted && transplant < relapse.min(end);
    let later = relapse + draw.between(60.0, 180.0).ceil();
    let second = !first && relapses && fit && draw.chance(0.3) && later < end;
    row.flag("allo_hsct", first || second);
    row.flag("auto_hsct", !first && !second && intensive && draw.chance(0.03));
    if first {
        row.number("cr1_to_hsct_days", transplant - remission, 0);
        transplanted(draw, row, transplant, "CR1");
    } else if second {
        transplanted(draw, row, later, "CR2 or later");
    }
    row.number("cr_days", remission, 0);
    let seen = relapses && relapse <= end;
    if seen {
        row.number("relapse_days", relapse, 0);
    }
    let event = match (seen, died <= follow_up) {
        (true, _) => "relapse",
        (false, true) => "death",
        (false, false) => "none",
    };
    let until = if seen { relapse } else { end };
    row.number("efs_days", until, 0);
    row.number("rfs_days", until - remission, 0);
    row.flag("efs_status", event != "none");
    row.flag("rfs_status", event != "none");
    row.set("efs_event", event);
    overall(row, died, follow_up);
}

fn transplanted(draw: &mut Draw, row: &mut Row<'_>, at: f64, status: &str) {
    row.number("hsct_days", at, 0);
    row.set("hsct_status", status);
    row.flag("family_donor", draw.chance(0.35));
}

fn overall(row: &mut Row<'_>, died: f64, follow_up: f64) {
    row.number("os_days", died.min(follow_up), 0);
    row.flag("os_status", died <= follow_up);
}
