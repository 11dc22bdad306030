//! Principal components against R's `prcomp`, and their properties.

use haima_fl_core::Error;
use haima_fl_core::results::pca::Pca;
use serde_json::Value;

use crate::common::{
    LEUKSURV, MGUS2, close, cohorts, data, deal, numbers, run, schema, shipped_oracle, split,
};
use crate::planted::{Normal, PLANE, file};

fn pca(params: &str, schema_text: &str, files: &[String]) -> Result<Pca, Error> {
    let schema = schema(schema_text);
    let output = run("pca", params, &schema, &cohorts(&schema, files), 1)?;
    Ok(serde_json::from_value(output).expect("haima.pca/1"))
}

/// Rows of a matrix, one after another.
fn flat(rows: &Value) -> Vec<f64> {
    rows.as_array().expect("matrix").iter().flat_map(numbers).collect()
}

/// R leaves the sign of a component open; ours has its largest loading positive.
fn signed(rows: &Value) -> Vec<f64> {
    let rows = rows.as_array().expect("matrix").iter().map(numbers);
    let sign = |row: &[f64]| {
        row.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).expect("loading").signum()
    };
    rows.flat_map(|row| row.iter().map(|x| x * sign(&row)).collect::<Vec<f64>>()).collect()
}

#[test]
fn components_over_hospitals_equal_prcomp() {
    let r = shipped_oracle("pca.json");
    let mgus2 = "columns = [\"age\", \"hgb\", \"creat\", \"mspike\", \"death\"]";
    let leuksurv = "columns = [\"age\", \"male\", \"wbc\", \"tpi\"]";
    let leuksurv_files = split(&data("leuksurv.csv"), "district");
    let mgus2_files = deal(&data("mgus2.csv"), 5);
    for (key, params, schema, files) in [
        ("mgus2_scaled", format!("{mgus2}\nscale = true"), MGUS2, &mgus2_files),
        ("mgus2_covariance", format!("{mgus2}\nscale = false"), MGUS2, &mgus2_files),
        ("leuksurv_scaled", leuksurv.to_owned(), LEUKSURV, &leuksurv_files),
        ("leuksurv_covariance", format!("{leuksurv}\nscale = false"), LEUKSURV, &leuksurv_files),
    ] {
        let (ours, r) = (pca(&params, schema, files).expect("components"), &r[key]);
        assert_eq!(Some(ours.n), r["n"].as_u64(), "{key}");
        assert_eq!(ours.sites, files.len() as u64, "{key}");
        let ours_and_theirs = [
            ("means", ours.means, numbers(&r["means"])),
            ("sds", ours.sds, numbers(&r["sds"])),
            ("correlation", ours.correlation.concat(), flat(&r["correlation"])),
            ("sdev", ours.sdev.clone(), numbers(&r["sdev"])),
            ("loadings", ours.loadings.concat(), signed(&r["rotation"])),
        ];
        for (what, ours, theirs) in ours_and_theirs {
            eprintln!("pca {key} {what}: {:.1e}", close(what, &ours, &theirs, 1e-6));
        }
        assert_eq!(ours.covariance.is_some(), !ours.scale, "{key}");
        if let Some(covariance) = ours.covariance {
            let worst = close(key, &covariance.concat(), &flat(&r["covariance"]), 1e-6);
            eprintln!("pca {key} covariance: {worst:.1e}");
        }
        let squares: Vec<f64> = ours.sdev.iter().map(|s| s * s).collect();
        close(key, &ours.eigenvalues, &squares, 1e-12);
        let total: f64 = squares.iter().sum();
        close(key, &ours.explained, &squares.iter().map(|v| v / total).collect::<Vec<_>>(), 1e-12);
    }
}

/// Points along (4, 3) / 5, ten times as wide as across: the first component is that direction.
#[test]
fn the_planted_direction_is_the_first_component() {
    let mut normal = Normal::new(3);
    let points: Vec<[f64; 2]> = (0..400)
        .map(|_| {
            let (along, across) = (10.0 * normal.draw(), normal.draw());
            [0.8 * along - 0.6 * across, 0.6 * along + 0.8 * across]
        })
        .collect();
    let ours = pca("columns = [\"x\", \"y\"]\nscale = false", PLANE, &deal(&file(&points), 3));
    let ours = ours.expect("components");
    close("direction", &ours.loadings[0], &[0.8, 0.6], 0.02);
    assert!((8.0..12.0).contains(&(ours.sdev[0] / ours.sdev[1])), "{:?}", ours.sdev);
    let one = pca("columns = [\"x\", \"y\"]\ncomponents = 1", PLANE, &deal(&file(&points), 3));
    assert_eq!(one.expect("components").loadings.len(), 1);
}

/// The means of hospitals differ: components of pooled patients are not the mean of each one's.
#[test]
fn differences_between_hospitals_count() {
    let mut normal = Normal::new(4);
    let mut cloud = |x: f64, y: f64| -> Vec<[f64; 2]> {
        (0..50).map(|_| [x + normal.draw(), y + normal.draw()]).collect()
    };
    // Within each hospital there is no direction; between them, it is (2, -1).
    let files = [file(&cloud(-20.0, 10.0)), file(&cloud(20.0, -10.0))];
    let ours = pca("columns = [\"x\", \"y\"]\nscale = false", PLANE, &files).expect("components");
    let length = 5f64.sqrt();
    close("direction", &ours.loadings[0], &[2.0 / length, -1.0 / length], 0.02);
    assert!(ours.correlation[0][1] < -0.97);
}

#[test]
fn a_column_without_variance_and_too_few_patients_are_named() {
    let constant = file(&[[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]]);
    let one = file(&[[1.0, 5.0]]);
    let unknown = "id,x,y\n1,1,\n2,2,\n".to_owned();
    for (text, what) in [(constant, "`y`"), (one, "fewer than two"), (unknown, "fewer than two")] {
        let error = pca("columns = [\"x\", \"y\"]", PLANE, &[text]).expect_err("no components");
        let Error::Fit { reason, .. } = error else { panic!("{error}") };
        assert!(reason.contains(what), "{reason}");
    }
    // Constant at one hospital only, and three patients in four columns: components exist.
    let files = [file(&[[1.0, 5.0], [2.0, 5.0]]), file(&[[3.0, 6.0]])];
    assert!(pca("columns = [\"x\", \"y\"]", PLANE, &files).is_ok());
    let text = "patient,time_days,death,district,age,male,wbc,tpi\n\
                1,5,1,1,60,1,10,0\n2,6,0,1,50,0,20,3\n3,7,0,1,70,0,30,1\n";
    let columns = "columns = [\"age\", \"male\", \"wbc\", \"tpi\"]";
    let ours = pca(columns, LEUKSURV, &[text.to_owned()]).expect("components");
    close("rank 2", &ours.eigenvalues[2..], &[0.0, 0.0], 1e-9);
    assert!(ours.eigenvalues.iter().all(|value| *value >= 0.0));
}

#[test]
fn parameters_that_cannot_be_used_are_refused() {
    for params in [
        "columns = []",
        "columns = [\"sex\"]",
        "columns = [\"age\"]\ncomponents = 2",
        "columns = [\"age\"]\ncomponents = 0",
        "columns = [\"age\"]\nscale = \"yes\"",
        "columns = [\"age\"]\ncentre = true",
    ] {
        let error = pca(params, MGUS2, &[]).expect_err(params);
        assert!(matches!(error, Error::Params { .. }), "{params}: {error}");
    }
    let twice = pca("columns = [\"age\", \"age\"]", MGUS2, &[]);
    assert!(matches!(twice, Err(Error::Schema { .. })));
}
