//! What `haima stats` prints and draws for readers.

use super::common::repository;
use super::{BMT, LEUKSURV, MGUS2, refusal, text};

#[test]
fn tables_for_readers_hide_small_cells_and_show_intervals() {
    let table = text(&format!("stats table1 {MGUS2} --columns mspike,death --by sex"));
    assert!(
        table.contains("<5") && table.contains("≥5") && table.contains("1,384 patients"),
        "{table}"
    );
    let open = text(&format!("stats table1 {MGUS2} --columns mspike,death --by sex --min-cell 0"));
    assert!(!open.contains("<5"), "{open}");
    let km = text(&format!("stats km {LEUKSURV} --by male --exact-grid"));
    for expected in ["196 days (159 to 254)", "Log-rank test: χ²=0.64", "at risk", "p=0.42"] {
        assert!(km.contains(expected), "{expected}\n{km}");
    }
    let cox = text(&format!("stats cox {LEUKSURV} --covariates age,male,wbc,tpi"));
    for expected in ["1.03 (1.03 to 1.04)", "<0.001", "1,043 complete cases", "strata(site)"] {
        assert!(cox.contains(expected), "{expected}\n{cox}");
    }
}

/// Of 1,043 patients by R 4.2.2: `quantile(wbc)` is 1.8, 7.9 and 38.65.
#[test]
fn quartiles_are_figures_where_bins_are_narrow_and_their_bounds_where_not() {
    let asked = "stats table1 --data data/leuksurv.csv --site district --columns wbc --pooled";
    let study = "data/leuksurv.study.toml";
    let narrow = text(&format!("{asked} --schema {study}"));
    assert!(narrow.contains("7.9 (1.8 to 39.2)"), "{narrow}");
    assert!(!narrow.contains("too coarse"), "{narrow}");
    assert!(narrow.contains("of the same histogram, not of the rows"), "{narrow}");
    // The same schema without its bins: twenty even ones, half of the patients in the first.
    let folder = tempfile::tempdir().unwrap();
    let template = std::fs::read_to_string(repository(study)).unwrap();
    let mut template: toml::Table = template.parse().unwrap();
    let columns = template["schema"]["column"].as_array_mut().unwrap();
    let wbc = columns.iter_mut().find(|column| column["name"].as_str() == Some("wbc")).unwrap();
    wbc.as_table_mut().unwrap().remove("bins").expect("bins of its own");
    let even = folder.path().join("even.study.toml");
    std::fs::write(&even, template.to_string()).unwrap();
    let wide = text(&format!("{asked} --schema {}", even.display()));
    assert!(wide.contains("0 to 25 (0 to 25; 25 to 50)"), "{wide}");
    assert!(wide.contains("too coarse to say more of") && wide.contains("`wbc`"), "{wide}");
    assert!(wide.contains("ascending edges from the low to the high end"), "{wide}");
    assert!(!wide.contains("18.3"), "a figure of the bin, not of the patients: {wide}");
}

#[test]
fn figures_are_svg_files_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    for (analysis, expected) in [
        (format!("km {BMT} --by disease_group --grid 30"), "At risk (censored)"),
        (format!("cox {BMT} --covariates disease_group,patient_age"), "Hazard ratio (log scale)"),
    ] {
        let path = folder.path().join("figure.svg");
        text(&format!("stats {analysis} --plot {}", path.display()));
        let svg = std::fs::read_to_string(&path).unwrap();
        assert!(svg.starts_with("<svg xmlns=") && svg.contains(expected), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("var(--"));
    }
    let log = refusal(&format!(
        "stats table1 {MGUS2} --columns age --plot {}/x.svg",
        folder.path().display()
    ));
    assert!(log.contains("no figure"), "{log}");
}
