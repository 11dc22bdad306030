//! Table 1 against means and deviations computed from the pooled rows.

use haima_fl_core::Error;
use haima_fl_core::results::quartiles::Quartile;
use haima_fl_core::results::{Cells, Table1};

use crate::common::{LEUKSURV, MGUS2, cohorts, data, deal, records, run, schema};

fn table1(params: &str, schema_text: &str, files: &[String]) -> Table1 {
    let schema = schema(schema_text);
    let output = run("table1", params, &schema, &cohorts(&schema, files), 1).expect("table");
    serde_json::from_value(output).expect("haima.table1/1")
}

fn mean_and_sd(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0)).sqrt())
}

fn quantile(values: &mut [f64], probability: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * probability) as usize]
}

#[test]
fn table1_over_hospitals_equals_the_pooled_figures() {
    let text = data("mgus2.csv");
    let columns = ["age", "hgb", "creat", "mspike", "sex", "death"];
    let params = format!("columns = {columns:?}\nby = \"sex\"");
    let ours = table1(&params, MGUS2, &deal(&text, 7));
    assert_eq!(
        (ours.sites, &ours.groups[..]),
        (7, &["all", "sex=F", "sex=M"].map(str::to_owned)[..])
    );
    assert_eq!(ours.n, [1384, 631, 753]);

    let rows = records(&text);
    for (g, sex) in [(0, ""), (1, "F"), (2, "M")] {
        let group: Vec<_> = rows.iter().filter(|row| sex.is_empty() || row["sex"] == sex).collect();
        for (row, name) in ours.rows.iter().zip(columns) {
            assert_eq!(row.column, name);
            let present: Vec<&String> =
                group.iter().map(|record| &record[name]).filter(|text| !text.is_empty()).collect();
            assert_eq!(row.missing[g] as usize, group.len() - present.len(), "{name}");
            match &row.cells {
                Cells::Numeric { mean, sd, q1, median, q3, quartile_bins } => {
                    let mut values: Vec<f64> =
                        present.iter().map(|text| text.parse().expect("number")).collect();
                    let (pooled_mean, pooled_sd) = mean_and_sd(&values);
                    assert!((mean[g] - pooled_mean).abs() < 1e-9, "{name} {}", mean[g]);
                    assert!((sd[g] - pooled_sd).abs() < 1e-9, "{name} {}", sd[g]);
                    // A quartile is known to one bin of the public histogram.
                    let width = match name {
                        "age" => 92.0 / 20.0,
                        "hgb" => 19.0 / 20.0,
                        "creat" => 30.0 / 20.0,
                        _ => 10.0 / 20.0,
                    };
                    for (ours, probability) in [(q1, 0.25), (median, 0.5), (q3, 0.75)] {
                        let pooled = quantile(&mut values, probability);
                        assert!((ours[g] - pooled).abs() <= width, "{name}: {} {pooled}", ours[g]);
                    }
                    let bins = quartile_bins[g].expect("no group is empty");
                    let all = [(bins.q1, q1), (bins.median, median), (bins.q3, q3)];
                    for ([low, high], ours) in all {
                        assert!(
                            low - 1e-9 <= ours[g] && ours[g] <= high + 1e-9,
                            "{name}: {}",
                            ours[g]
                        );
                        assert!((high - low - width).abs() < 1e-9, "{name}: {low} to {high}");
                    }
                }
                Cells::Categorical { levels, counts } => {
                    for (level, counts) in levels.iter().zip(counts) {
                        let pooled = present.iter().filter(|text| *text == &level).count();
                        assert_eq!(counts[g] as usize, pooled, "{name} {level}");
                    }
                }
            }
        }
    }
}

#[test]
fn table1_shows_flags_as_zero_and_one_with_the_schemas_label_and_unit() {
    let params = "columns = [\"male\", \"age\"]";
    let ours = table1(params, LEUKSURV, &[data("leuksurv.csv")]);
    assert_eq!((ours.rows[0].label.as_str(), ours.rows[1].unit.as_str()), ("Male sex", "years"));
    let Cells::Categorical { levels, counts } = &ours.rows[0].cells else { panic!("a flag") };
    assert_eq!((levels, counts), (&vec!["0".into(), "1".into()], &vec![vec![496], vec![547]]));
}

/// 0 to 500 in twenty bins of 25: half of the patients are in the first.
#[test]
fn white_cells_in_wide_bins_have_bounds_for_quartiles_and_figures_in_bins_of_their_own() {
    let of = |schema: &str| {
        let ours = table1("columns = [\"wbc\"]", schema, &[data("leuksurv.csv")]);
        ours.rows[0].cells.quartiles(0).expect("numeric")
    };
    let even = of(LEUKSURV);
    assert_eq!(even[..2], [Quartile::Within([0.0, 25.0]); 2], "{even:?}");
    let mut own: toml::Table = LEUKSURV.parse().expect("toml");
    let columns = own["column"].as_array_mut().expect("columns");
    let wbc = columns.iter_mut().find(|column| column["name"].as_str() == Some("wbc"));
    let edges = [0.0, 1.0, 2.0, 3.0, 5.0, 7.0, 8.0, 10.0, 20.0, 30.0, 40.0, 100.0, 500.0];
    let edges: Vec<toml::Value> = edges.map(toml::Value::from).to_vec();
    wbc.and_then(toml::Value::as_table_mut).expect("wbc").insert("bins".into(), edges.into());
    let fine = of(&own.to_string());
    // Of the sorted values, those of ranks 261, 522 and 783 of 1,043.
    for (fine, truth) in fine.into_iter().zip([1.8, 7.9, 39.0]) {
        let Quartile::At(value) = fine else { panic!("{fine:?}") };
        assert!((value - truth).abs() < 0.5, "{value} {truth}");
    }
}

#[test]
fn the_deviation_of_a_single_patient_is_not_a_number() {
    let text = "patient,time_days,death,district,age,male,wbc,tpi\n1,5,1,1,60,1,10,0\n";
    let ours = table1("columns = [\"age\"]\nby = \"male\"", LEUKSURV, &[text.to_owned()]);
    let Cells::Numeric { mean, sd, median, .. } = &ours.rows[0].cells else { panic!("numeric") };
    assert!((mean[0] - 60.0).abs() < 1e-9 && sd[0].is_nan());
    assert!(mean[1].is_nan() && median[1].is_nan(), "the group of women is empty");
}

#[test]
fn table1_refuses_what_it_cannot_describe() {
    for params in
        ["columns = []", "columns = [\"age\", \"age\"]", "columns = [\"age\"]\nby = \"age\""]
    {
        let error = run("table1", params, &schema(LEUKSURV), &[], 1).expect_err(params);
        assert!(matches!(error, Error::Params { .. }), "{error}");
    }
    let error = run("table1", "columns = [\"weight\"]", &schema(LEUKSURV), &[], 1).expect_err("x");
    assert!(matches!(error, Error::UnknownColumn { column, .. } if column == "weight"));
}
