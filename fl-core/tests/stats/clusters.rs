//! Clusters against R's `kmeans` and `mclust`, and their properties.

use haima_fl_core::Error;
use haima_fl_core::results::clusters::Clusters;
use haima_fl_core::task::{Contribution, Query, Site, SiteState, Task};
use haima_fl_core::tasks::clusters::Clusters as Search;
use serde_json::Value;

use crate::common::{
    MGUS2, close, cohort, cohorts, data, deal, numbers, rng, run, schema, shipped_oracle, table,
};
use crate::planted::{Normal, PLANE, file};

const COLUMNS: &str = "columns = [\"age\", \"hgb\", \"creat\"]\nk = 3";

fn clusters(params: &str, schema_text: &str, files: &[String]) -> Result<Clusters, Error> {
    let schema = schema(schema_text);
    let output = run("clusters", params, &schema, &cohorts(&schema, files), 1)?;
    Ok(serde_json::from_value(output).expect("haima.clusters/1"))
}

fn matrix(rows: &Value) -> Vec<f64> {
    rows.as_array().expect("matrix").iter().flat_map(numbers).collect()
}

fn centres(of: &Clusters) -> Vec<f64> {
    of.clusters.iter().flat_map(|cluster| cluster.centre.clone()).collect()
}

#[test]
fn kmeans_over_hospitals_equals_lloyd_in_r() {
    let r = shipped_oracle("clusters.json");
    let params = format!("method = \"kmeans\"\n{COLUMNS}\nstart = {}", r["start"]);
    let ours = clusters(&params, MGUS2, &deal(&data("mgus2.csv"), 5)).expect("clusters");
    assert!(ours.converged && ours.iterations > 3, "{}", ours.iterations);
    assert_eq!((Some(ours.n), ours.sites), (r["n"].as_u64(), 5));
    let r = &r["kmeans"];
    let sizes: Vec<f64> = ours.clusters.iter().map(|c| c.size).collect();
    assert_eq!(sizes, numbers(&r["size"]));
    eprintln!("kmeans: {:.1e}", close("centres", &centres(&ours), &matrix(&r["centres"]), 1e-6));
    let within: Vec<f64> = ours.clusters.iter().filter_map(|c| c.within_ss).collect();
    eprintln!("kmeans: {:.1e}", close("within", &within, &numbers(&r["withinss"]), 1e-6));
    close("total", &[ours.within_ss.expect("k-means")], &[r["total"].as_f64().unwrap()], 1e-6);
    let shares: Vec<f64> = ours.clusters.iter().map(|c| c.weight * ours.n as f64).collect();
    close("weights", &shares, &sizes, 1e-9);
}

#[test]
fn a_mixture_over_hospitals_equals_mclust() {
    let r = shipped_oracle("clusters.json");
    for (shape, parameters) in [("full", 29.0), ("diagonal", 20.0)] {
        let theirs = &r[shape];
        let params = format!(
            "method = \"gmm\"\n{COLUMNS}\nstart = {}\ncovariance = \"{shape}\"\n\
             tolerance = 0.0\nmax_iterations = {}",
            r["start"], theirs["iterations"]
        );
        let ours = clusters(&params, MGUS2, &deal(&data("mgus2.csv"), 5)).expect("clusters");
        assert_eq!((ours.covariance.as_str(), ours.converged), (shape, false));
        let weights: Vec<f64> = ours.clusters.iter().map(|c| c.weight).collect();
        let sizes: Vec<f64> = ours.clusters.iter().map(|c| c.size / ours.n as f64).collect();
        let covariances: Vec<f64> = ours
            .clusters
            .iter()
            .flat_map(|c| c.covariance.clone().expect("gmm").concat())
            .collect();
        let r_covariances: Vec<f64> =
            theirs["covariances"].as_array().unwrap().iter().flat_map(matrix).collect();
        for (what, ours, theirs) in [
            ("weights", weights, numbers(&theirs["weights"])),
            ("sizes", sizes, numbers(&theirs["weights"])),
            ("means", centres(&ours), matrix(&theirs["means"])),
            ("covariances", covariances, r_covariances),
            ("loglik", vec![ours.loglik.unwrap()], vec![theirs["loglik"].as_f64().unwrap()]),
        ] {
            let worst = close(&format!("{shape} {what}"), &ours, &theirs, 1e-5);
            eprintln!("gmm {shape} {what}: {worst:.1e}");
        }
        let bic = 2.0 * ours.loglik.unwrap() - parameters * (ours.n as f64).ln();
        close("bic", &[ours.bic.unwrap()], &[bic], 1e-9);
    }
}

/// Three round clouds far apart.
fn clouds() -> Vec<[f64; 2]> {
    let mut normal = Normal::new(11);
    let mut points = Vec::new();
    for (x, y, n) in [(-60.0, -50.0, 60), (50.0, -40.0, 90), (10.0, 60.0, 30)] {
        points.extend((0..n).map(|_| [x + 5.0 * normal.draw(), y + 5.0 * normal.draw()]));
    }
    points
}

/// The cluster whose centre is nearest to a point.
fn near(ours: &Clusters, x: f64, y: f64) -> (f64, f64) {
    let away = |c: &[f64]| (c[0] - x).hypot(c[1] - y);
    let nearest = ours.clusters.iter().min_by(|a, b| away(&a.centre).total_cmp(&away(&b.centre)));
    nearest.map(|c| (away(&c.centre), c.size)).expect("a cluster")
}

#[test]
fn planted_clouds_are_found_from_a_seed_that_tells_nothing_of_them() {
    let files = deal(&file(&clouds()), 4);
    for method in ["kmeans", "gmm"] {
        let mut found = 0;
        for seed in 0..8 {
            let params =
                format!("method = \"{method}\"\ncolumns = [\"x\", \"y\"]\nk = 3\nseed = {seed}");
            let ours = clusters(&params, PLANE, &files).expect("clusters");
            let all = [(-60.0, -50.0, 60.0), (50.0, -40.0, 90.0), (10.0, 60.0, 30.0)];
            found += usize::from(all.iter().all(|(x, y, n)| {
                let (away, size) = near(&ours, *x, *y);
                away < 3.0 && (size - n).abs() < 0.5
            }));
            assert!(ours.converged, "{method} {seed}");
        }
        // Lloyd and EM find local optima: from most starts, the right one.
        assert!(found >= 5, "{method}: {found} of 8");
    }
}

/// Two long clouds side by side: k-means cuts across them, a full mixture follows them, a diagonal
/// one (they lie aslant) does not.
#[test]
fn a_mixture_follows_elongated_clouds_that_kmeans_cuts() {
    let mut normal = Normal::new(5);
    let mut points = Vec::new();
    for shift in [-12.0, 12.0] {
        points.extend((0..200).map(|_| {
            let (along, across) = (40.0 * (normal.uniform() * 2.0 - 1.0), 1.5 * normal.draw());
            // Along (1, 1), shifted across it.
            [along - across - shift / 2.0, along + across + shift / 2.0]
        }));
    }
    let files = deal(&file(&points), 3);
    let common = "columns = [\"x\", \"y\"]\nk = 2\nstart = [[-8.0, 0.0], [8.0, 2.0]]\n\
                  max_iterations = 2000";
    // How far the two centres are apart across the clouds, 12 sqrt(2) being the truth.
    let across = |params: &str| {
        let ours = clusters(&format!("{params}\n{common}"), PLANE, &files).expect("clusters");
        let [a, b] = [&ours.clusters[0].centre, &ours.clusters[1].centre];
        ((b[1] - b[0]) - (a[1] - a[0])).abs() / 2f64.sqrt()
    };
    let full = across("method = \"gmm\"");
    let kmeans = across("method = \"kmeans\"");
    let diagonal = across("method = \"gmm\"\ncovariance = \"diagonal\"");
    assert!((full - 12.0 * 2f64.sqrt()).abs() < 0.5, "full {full}");
    assert!(kmeans < 8.0, "kmeans {kmeans}");
    assert!((diagonal - full).abs() > 1.0, "diagonal {diagonal}");
}

/// A centre that is nearest to nobody splits the widest cluster; more centres than distinct
/// patients stay empty, with size 0.
#[test]
fn an_empty_centre_splits_the_widest_cluster_or_stays_empty() {
    let files = deal(&file(&clouds()), 4);
    // The third centre is nearest to nobody.
    let start = "[[-60.0, -50.0], [50.0, -40.0], [100.0, -100.0]]";
    let params = format!("method = \"kmeans\"\ncolumns = [\"x\", \"y\"]\nk = 3\nstart = {start}");
    let ours = clusters(&params, PLANE, &files).expect("clusters");
    assert!(ours.converged && near(&ours, 10.0, 60.0).1 == 30.0, "{ours:?}");

    let two = file(&[[1.0, 1.0], [1.0, 1.0], [9.0, 1.0]]);
    let params = "method = \"kmeans\"\ncolumns = [\"x\", \"y\"]\nk = 3\nseed = 2";
    let ours = clusters(params, PLANE, &[two]).expect("clusters");
    let mut sizes: Vec<f64> = ours.clusters.iter().map(|cluster| cluster.size).collect();
    sizes.sort_by(f64::total_cmp);
    assert_eq!(sizes, [0.0, 1.0, 2.0]);
    assert_eq!(ours.within_ss, Some(0.0));
}

/// Patients on a line, and all in one point: covariances stop at the floor, in every direction.
#[test]
fn a_degenerate_covariance_stops_at_the_floor() {
    let line: Vec<[f64; 2]> = (-20..=20).map(|i| [f64::from(i), f64::from(i)]).collect();
    let point = vec![[3.0, 4.0]; 10];
    for (points, most) in [(&line, 280.0), (&point, 0.01 + 1e-9)] {
        for shape in ["full", "diagonal"] {
            let params = format!(
                "method = \"gmm\"\ncolumns = [\"x\", \"y\"]\nk = 1\nseed = 4\nfloor = 1e-6\n\
                 covariance = \"{shape}\""
            );
            let ours = clusters(&params, PLANE, &[file(points)]).expect("clusters");
            let v = ours.clusters[0].covariance.as_ref().expect("gmm");
            // Half ranges are 100: the floor is 1e-6 * 100^2.
            let (trace, determinant) = (v[0][0] + v[1][1], v[0][0] * v[1][1] - v[0][1] * v[1][0]);
            let least = (trace - (trace * trace - 4.0 * determinant).max(0.0).sqrt()) / 2.0;
            assert!(ours.converged && least > 0.01 - 1e-6 && trace < most * 1.01 + 0.02, "{v:?}");
            if shape == "full" {
                assert!((least - 0.01).abs() < 1e-6, "{least}");
            }
        }
    }
}

/// A component so far from all patients that none belongs to it keeps its place and weighs nothing.
#[test]
fn a_component_without_patients_keeps_its_place() {
    let params = "method = \"gmm\"\ncolumns = [\"x\", \"y\"]\nk = 2\nstart_sd = 0.01\n\
                  start = [[0.0, 0.0], [99.0, 99.0]]";
    let points: Vec<[f64; 2]> =
        (0..40).map(|i| [f64::from(i % 7) - 3.0, f64::from(i % 5) - 2.0]).collect();
    let ours = clusters(params, PLANE, &deal(&file(&points), 2)).expect("clusters");
    close("place", &ours.clusters[1].centre, &[99.0, 99.0], 1e-9);
    assert!(ours.clusters[1].weight < 1e-6 && (ours.clusters[0].size - 40.0).abs() < 1e-6);
}

/// S5: a hospital whose rows all miss a column changes nothing, and counts as no site.
#[test]
fn a_hospital_without_complete_rows_changes_nothing() {
    for method in ["kmeans", "gmm"] {
        let params = format!("method = \"{method}\"\ncolumns = [\"x\", \"y\"]\nk = 2\nseed = 3");
        let mut files = deal(&file(&clouds()), 2);
        let without = clusters(&params, PLANE, &files).expect("clusters");
        files.push("id,x,y\n1,1,\n2,,5\n".to_owned());
        assert_eq!(clusters(&params, PLANE, &files), Ok(without), "{method}");
        let none = clusters(&params, PLANE, &files[2..]).expect_err("nobody");
        assert!(matches!(none, Error::Fit { .. }), "{none}");
    }
}

/// What a site of 30 patients in the corner (-1, -1) answers to an iterate.
fn at_iterate(params: &str, iterate: &[f64]) -> (Query, Contribution) {
    let schema = schema(PLANE);
    let task = Search::new(&table(params), &schema).expect("task");
    let mut query = task.query(&task.start());
    query.bytes = iterate.iter().flat_map(|x| x.to_le_bytes()).collect();
    let cohort = cohort(&schema, &file(&[[-100.0, -100.0]; 30]));
    let site = Site { cohort: &cohort, capacity: 0, max_patients: 30, min_local_rows: 1 };
    let answer = task.contribute(&query, &site, &mut SiteState::default(), &mut rng());
    (query, answer.expect("an answer"))
}

/// S5: patients in one corner and a centre in the other come near the bounds and stay below.
#[test]
fn the_worst_cohort_comes_near_the_bound_and_stays_below() {
    let columns = "columns = [\"x\", \"y\"]\nk = 1\nseed = 1";
    for (params, iterate) in [
        (format!("method = \"kmeans\"\n{columns}"), vec![1.0, 1.0]),
        (format!("method = \"gmm\"\n{columns}"), vec![1.0, 1.0, 1.0, 1e-6, 0.0, 1e-6]),
    ] {
        let (query, answer) = at_iterate(&params, &iterate);
        assert_eq!(answer.note, None, "{params}");
        let last = query.blocks.last().expect("blocks");
        let value = answer.values.last().expect("values").unsigned_abs() as f64;
        let bound = last.patient_bound as f64 * 30.0;
        assert!(value <= bound && value > 0.99 * bound, "{params}: {value} {bound}");
        assert!(query.site_bound(100_000).is_ok_and(|bound| bound < 1 << 62));
    }
}

/// S5: iterates for which the bounds do not hold are answered by zero.
#[test]
fn an_iterate_past_its_limits_is_answered_by_zero() {
    let columns = "columns = [\"x\", \"y\"]\nk = 1\nseed = 1";
    let kmeans = format!("method = \"kmeans\"\n{columns}");
    let full = format!("method = \"gmm\"\n{columns}");
    let diagonal = format!("{full}\ncovariance = \"diagonal\"");
    for (params, iterate) in [
        (&kmeans, vec![0.0, 1.5]),
        (&kmeans, vec![f64::NAN, 0.0]),
        (&full, vec![0.5, 0.0, 0.0, 0.1, 0.0, 0.1]),
        (&full, vec![2.0, 0.0, 0.0, 0.1, 0.0, 0.1]),
        (&full, vec![1.0, 0.0, 1.5, 0.1, 0.0, 0.1]),
        (&full, vec![1.0, 0.0, 0.0, 0.1, 0.1, 0.1]),
        (&full, vec![1.0, 0.0, 0.0, 0.1, f64::NAN, 0.1]),
        (&full, vec![1.0, 0.0, 0.0, 9.0, 0.0, 0.1]),
        (&diagonal, vec![1.0, 0.0, 0.0, 0.1, 1e-9]),
        (&diagonal, vec![1.0, 0.0, 0.0, -0.1, 0.1]),
        (&diagonal, vec![f64::NAN, 0.0, 0.0, 0.1, 0.1]),
    ] {
        let (_, answer) = at_iterate(params, &iterate);
        let zero = answer.values.iter().all(|value| *value == 0);
        assert!(zero && answer.note.is_some(), "{iterate:?}");
    }
}

#[test]
fn a_seed_is_all_that_the_start_depends_on() {
    let schema = schema(PLANE);
    let query = |seed: u64| {
        let params = format!("method = \"kmeans\"\ncolumns = [\"x\", \"y\"]\nk = 4\nseed = {seed}");
        crate::common::open("clusters", &params, &schema).expect("task").query().expect("running")
    };
    assert_eq!(query(5), query(5));
    assert_ne!(query(5).bytes, query(6).bytes);
    let centres: Vec<f64> =
        query(5).bytes.chunks(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect();
    assert!(centres.iter().all(|x| x.abs() <= 1.0) && centres.iter().any(|x| x.abs() > 0.5));
}

#[test]
fn parameters_that_cannot_be_used_are_refused() {
    let ok = "method = \"gmm\"\ncolumns = [\"age\"]";
    for params in [
        "method = \"ward\"\ncolumns = [\"age\"]\nk = 2\nseed = 1".to_owned(),
        "method = \"kmeans\"\ncolumns = [\"age\"]\nk = 2\nseed = 1\nfloor = 0.01".to_owned(),
        "method = \"kmeans\"\ncolumns = [\"sex\"]\nk = 2\nseed = 1".to_owned(),
        format!("{ok}\nk = 2"),
        format!("{ok}\nk = 0\nseed = 1"),
        format!("{ok}\nk = 100000000000\nseed = 1"),
        format!("{ok}\nk = 1\nseed = 1\nstart = [[50]]"),
        format!("{ok}\nk = 1\nstart = [[500.0]]"),
        format!("{ok}\nk = 1\nstart = [[nan]]"),
        format!("{ok}\nk = 2\nstart = [[50.0]]"),
        format!("{ok}\nk = 1\nseed = 1\nfloor = 0.0"),
        format!("{ok}\nk = 1\nseed = 1\nstart_sd = 2.0"),
        format!("{ok}\nk = 1\nseed = 1\ntolerance = nan"),
        format!("{ok}\nk = 1\nseed = 1\nmax_iterations = 0"),
    ] {
        let error = clusters(&params, MGUS2, &[]).expect_err(&params);
        assert!(matches!(error, Error::Params { .. }), "{params}: {error}");
    }
}
