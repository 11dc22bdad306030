//! Association scans against R's `anova(glm, test = "Rao")` and `lm`, and their properties.

use haima_fl_core::Error;
use haima_fl_core::results::scan::Scan;
use serde_json::Value;

use crate::common::{
    LEUKSURV, close, cohorts, data, deal, numbers, records, run, schema, shipped_oracle, split,
};
use crate::panel::{BMT_GENES, amlsg, amlsg_genes, bmt, flag_columns, flags, text};
use crate::planted::Normal;

fn scan(params: &str, schema_text: &str, files: &[String]) -> Result<Scan, Error> {
    let schema = schema(schema_text);
    let output = run("scan", params, &schema, &cohorts(&schema, files), 1)?;
    Ok(serde_json::from_value(output).expect("haima.scan/1"))
}

/// Chi-square relative to its size; p as it stands.
fn equals_r(what: &str, ours: &Scan, r: &Value) {
    assert_eq!(Some(ours.n), r["n"].as_u64(), "{what}");
    let names: Vec<&str> =
        r["variants"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
    let by_name = |name: &&str| {
        let short = name.trim_start_matches("burden_");
        ours.variants.iter().find(|v| v.name == short || v.name == **name).expect("variant")
    };
    let chisq: Vec<f64> = names.iter().map(|n| by_name(n).chisq.expect("test")).collect();
    let theirs = numbers(&r["chisq"]);
    let scaled = |values: &[f64]| -> Vec<f64> {
        values.iter().zip(&theirs).map(|(v, t)| v / t.max(1.0)).collect()
    };
    let worst = close(what, &scaled(&chisq), &scaled(&theirs), 1e-6);
    let p: Vec<f64> = names.iter().map(|n| by_name(n).p.expect("test")).collect();
    let p = close(what, &p, &numbers(&r["p"]), 1e-6);
    let lambda = close(what, &[ours.lambda.unwrap()], &[r["lambda"].as_f64().unwrap()], 1e-5);
    eprintln!("scan {what}: chisq {worst:.1e}, p {p:.1e}, lambda {lambda:.1e}");
    for v in &ours.variants {
        let (beta, se) = (v.beta.expect("test"), v.se.expect("test"));
        close(
            &v.name,
            &[(beta / se).powi(2), v.score / v.variance],
            &[v.chisq.unwrap(), beta],
            1e-8,
        );
        assert!(v.p_gc.unwrap() >= v.p.unwrap() - 1e-15);
    }
}

#[test]
fn scans_of_shipped_cohorts_equal_rao() {
    let r = shipped_oracle("scan.json");
    let params = "outcome = \"death\"\ncovariates = [\"age\", \"wbc\"]\nvariants = [\"male\"]";
    let ours = scan(params, LEUKSURV, &split(&data("leuksurv.csv"), "district")).expect("scan");
    equals_r("leuksurv", &ours, &r["leuksurv"]);
    assert_eq!((ours.sites, ours.family.as_str()), (24, "logistic"));
    let (schema, files) = (bmt(), split(&data("bmt_klein.csv"), "hospital"));
    let variants = format!("variants = {BMT_GENES:?}");
    let covariates = "covariates = [\"patient_age\", \"disease_group\"]";
    for (key, params) in [
        ("bmt", format!("outcome = \"death\"\n{covariates}\n{variants}")),
        ("bmt_alone", format!("outcome = \"death\"\n{variants}")),
        ("bmt_linear", format!("outcome = \"wait_days\"\n{covariates}\n{variants}")),
    ] {
        equals_r(key, &scan(&params, &schema, &files).expect("scan"), &r[key]);
    }
}

/// A linear scan leaves a patient with an unknown dosage out of that variant exactly as a model of
/// the complete cases; a logistic one does to first order.
#[test]
fn unknown_dosages_are_left_out_variant_by_variant() {
    let r = shipped_oracle("scan.json");
    let mut files = "id,age,sex,death,anaemia,renal\n".to_owned();
    for row in records(&data("mgus2.csv")) {
        let flag = |column: &str, is: &dyn Fn(f64) -> bool| {
            row[column].parse().map_or(String::new(), |x| u8::from(is(x)).to_string())
        };
        let (anaemia, renal) = (flag("hgb", &|x| x < 12.0), flag("creat", &|x| x > 1.5));
        let [id, age, sex, death] = ["id", "age", "sex", "death"].map(|column| &row[column]);
        files.push_str(&format!("{id},{age},{sex},{death},{anaemia},{renal}\n"));
    }
    let schema = format!(
        "{}[[column]]\nname = \"sex\"\nkind = \"category\"\nlevels = [\"F\", \"M\"]\n\
         [[column]]\nname = \"age\"\nkind = \"numeric\"\nrange = [18, 110]\n{}",
        "patient = \"id\"\n",
        flag_columns(&["death", "anaemia", "renal"])
    );
    let files = deal(&files, 5);
    let variants = "variants = [\"anaemia\", \"renal\"]";
    let linear = format!("outcome = \"age\"\ncovariates = [\"sex\"]\n{variants}");
    let ours = scan(&linear, &schema, &files).expect("scan");
    equals_r("mgus2_linear", &ours, &r["mgus2_linear"]);
    assert_eq!((ours.variants[0].n, ours.variants[1].n), (1371, 1354));
    let logistic = format!("outcome = \"death\"\ncovariates = [\"age\", \"sex\"]\n{variants}");
    let ours = scan(&logistic, &schema, &files).expect("scan");
    let theirs = numbers(&r["mgus2_logistic"]["chisq"]);
    for (variant, r) in ours.variants.iter().zip(theirs) {
        let chisq = variant.chisq.expect("test");
        eprintln!("scan mgus2_logistic, dosages unknown: {chisq} for {r}");
        // 13 and 30 of 1384 patients are unknown.
        assert!((chisq - r).abs() < 1e-2 * r, "{chisq} {r}");
    }
}

#[test]
fn genes_of_1540_leukaemias_in_45_centres_equal_rao() {
    let (Some((schema, files)), r) = (amlsg(), shipped_oracle("scan.json")) else { return };
    let tested = format!(
        "variants = {:?}\n[burden]\ncohesin = [\"mut_stag2\", \"mut_rad21\"]\n\
         spliceosome = [\"mut_srsf2\", \"mut_sf3b1\", \"mut_u2af1\", \"mut_zrsr2\"]",
        amlsg_genes()
    );
    for (key, outcome) in [
        ("amlsg_status", "outcome = \"status\"\ncovariates = [\"age\", \"sex\"]"),
        ("amlsg_older", "outcome = \"older\"\ncovariates = [\"sex\"]"),
        ("amlsg_age", "outcome = \"age\"\ncovariates = [\"sex\"]"),
    ] {
        let ours = scan(&format!("{outcome}\n{tested}"), &schema, &files).expect("scan");
        equals_r(key, &ours, &r[key]);
        assert_eq!(ours.sites, 45);
    }
    // A dosage of 0 to 2 copies, unknown for 27 patients.
    let params = "outcome = \"status\"\ncovariates = [\"age\", \"sex\"]\nvariants = [\"cebpa\"]";
    let ours = scan(params, &schema, &files).expect("scan");
    let (chisq, r) = (ours.variants[0].chisq.unwrap(), numbers(&r["amlsg_cebpa"]["chisq"])[0]);
    eprintln!("scan amlsg_cebpa: {chisq} for {r}");
    assert!((chisq - r).abs() < 2e-3 * r && ours.variants[0].n == 1513);
}

/// Patients with an age, of which the outcome may depend, and random genes, of which it does not.
fn cohort_of(
    genes: usize,
    effect_of_age: f64,
    genes_follow_age: f64,
    seed: u64,
) -> (String, Vec<String>) {
    let mut normal = Normal::new(seed);
    let rows: Vec<Vec<u8>> = (0..600)
        .map(|_| {
            let age = u8::from(normal.uniform() < 0.5);
            let towards = |effect: f64| effect * (f64::from(age) - 0.5);
            let mut row = vec![u8::from(normal.uniform() < 0.5 + towards(effect_of_age)), age];
            row.extend(
                (0..genes).map(|_| u8::from(normal.uniform() < 0.3 + towards(genes_follow_age))),
            );
            row
        })
        .collect();
    let names: Vec<String> = ["case".to_owned(), "old".to_owned()]
        .into_iter()
        .chain((0..genes).map(|g| format!("g{g}")))
        .collect();
    (flags(&names), deal(&text(&names, &rows), 4))
}

fn all_genes(genes: usize) -> String {
    let names: Vec<String> = (0..genes).map(|g| format!("g{g}")).collect();
    format!("outcome = \"case\"\nvariants = {names:?}")
}

/// Without any association the median chi-square is that of chi-square, and p is uniform.
#[test]
fn inflation_is_near_1_when_nothing_is_associated() {
    let (schema, files) = cohort_of(1000, 0.0, 0.0, 21);
    let ours = scan(&all_genes(1000), &schema, &files).expect("scan");
    let lambda = ours.lambda.expect("tests");
    eprintln!("scan: lambda {lambda:.3} of 1000 null variants");
    assert!((0.8..1.2).contains(&lambda), "{lambda}");
    let below = |t: f64| ours.variants.iter().filter(|v| v.p.is_some_and(|p| p < t)).count();
    assert!((30..72).contains(&below(0.05)) && (440..560).contains(&below(0.5)));
}

/// Genes and outcome both follow age: without the covariate every gene seems associated, and
/// genomic control makes up for it; with the covariate none is.
#[test]
fn covariates_take_confounding_away() {
    let (schema, files) = cohort_of(200, 0.5, 0.3, 22);
    let crude = scan(&all_genes(200), &schema, &files).expect("scan");
    let params = format!("covariates = [\"old\"]\n{}", all_genes(200));
    let adjusted = scan(&params, &schema, &files).expect("scan");
    assert!(crude.lambda.unwrap() > 5.0, "{:?}", crude.lambda);
    assert!((0.7..1.4).contains(&adjusted.lambda.unwrap()), "{:?}", adjusted.lambda);
    let small = |of: &Scan| of.variants.iter().filter(|v| v.p.is_some_and(|p| p < 0.05)).count();
    let controlled = crude.variants.iter().filter(|v| v.p_gc.is_some_and(|p| p < 0.05)).count();
    assert!(small(&crude) > 150 && small(&adjusted) < 25 && controlled < 25);
    assert_eq!((crude.formula.as_str(), adjusted.formula.as_str()), ("case ~ 1", "case ~ old"));
}

/// A set of genes each too rare to be seen shows as their number does.
#[test]
fn a_burden_set_adds_up_what_its_genes_do() {
    let mut normal = Normal::new(23);
    let names: Vec<String> = ["case", "g0", "g1", "g2", "g3"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<u8>> = (0..800)
        .map(|_| {
            let genes: Vec<u8> = (0..4).map(|_| u8::from(normal.uniform() < 0.04)).collect();
            let burden = f64::from(genes.iter().sum::<u8>());
            [vec![u8::from(normal.uniform() < 0.4 + 0.2 * burden)], genes].concat()
        })
        .collect();
    let params = "outcome = \"case\"\nvariants = [\"g0\", \"g1\", \"g2\", \"g3\"]\n\
                  [burden]\nset = [\"g0\", \"g1\", \"g2\", \"g3\"]";
    let ours = scan(params, &flags(&names), &deal(&text(&names, &rows), 3)).expect("scan");
    let (set, genes) = ours.variants.split_last().expect("tests");
    assert_eq!((set.name.as_str(), set.genes.len()), ("set", 4));
    assert!(genes.iter().all(|gene| gene.p.unwrap() > set.p.unwrap()), "{ours:?}");
    let total: f64 = genes.iter().map(|gene| gene.dosage).sum();
    assert!(
        (set.dosage - total).abs() < 1e-6 && set.carriers < total as u64 && set.beta > Some(0.4)
    );
}

#[test]
fn a_variant_that_cannot_be_tested_says_why() {
    let names: Vec<String> =
        ["case", "old", "none", "all", "same", "rare"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<u8>> = (0..40)
        .map(|i| {
            let old = u8::from(i % 3 == 0);
            vec![u8::from(i % 2 == 0), old, 0, 1, 1 - old, u8::from(i == 7)]
        })
        .collect();
    let files = deal(&text(&names, &rows), 2);
    for outcome in ["case", "number"] {
        let schema = format!(
            "{}[[column]]\nname = \"number\"\nkind = \"numeric\"\nrange = [0, 100]\n",
            flags(&names)
        );
        let files: Vec<String> = files
            .iter()
            .map(|file| {
                let lines = file.lines().enumerate().map(|(i, line)| {
                    if i == 0 {
                        format!("{line},number\n")
                    } else {
                        format!("{line},{}\n", i * i % 89)
                    }
                });
                lines.collect()
            })
            .collect();
        let params = format!(
            "outcome = \"{outcome}\"\ncovariates = [\"old\"]\n\
             variants = [\"none\", \"all\", \"same\", \"rare\"]"
        );
        let ours = scan(&params, &schema, &files).expect("scan");
        for (variant, reason) in ours.variants.iter().zip(["carries", "constant", "constant"]) {
            assert!(variant.p.is_none() && variant.beta.is_none() && variant.p_gc.is_none());
            assert!(variant.reason.as_ref().unwrap().contains(reason), "{variant:?}");
        }
        // A single carrier can be tested.
        assert!(ours.variants[3].p.is_some_and(|p| p > 0.0) && ours.variants[3].carriers == 1);
    }
    // An outcome or a covariate without variation.
    let error = scan("outcome = \"none\"\nvariants = [\"rare\"]", &flags(&names), &files);
    assert!(matches!(error, Err(Error::Fit { .. })), "{error:?}");
    let params = "outcome = \"case\"\ncovariates = [\"all\"]\nvariants = [\"rare\"]";
    let Err(Error::Fit { reason, .. }) = scan(params, &flags(&names), &files) else {
        panic!("fitted")
    };
    assert!(reason.contains("`all`"), "{reason}");
}

#[test]
fn parameters_that_cannot_be_used_are_refused() {
    for params in [
        "outcome = \"death\"",
        "outcome = \"death\"\nvariants = []",
        "outcome = \"death\"\nvariants = [\"age\"]",
        "outcome = \"death\"\nvariants = [\"death\"]",
        "outcome = \"death\"\nvariants = [\"male\", \"male\"]",
        "outcome = \"death\"\nvariants = [\"male\"]\ncovariates = [\"male\"]",
        "outcome = \"death\"\nvariants = [\"male\"]\ncovariates = [\"death\"]",
        "outcome = \"death\"\nvariants = [\"male\"]\nmax_iterations = 0",
        "outcome = \"death\"\nburden = { set = [] }",
        "outcome = \"death\"\nburden = { set = [\"male\", \"male\"] }",
        "outcome = \"death\"\nburden = { set = [\"age\"] }",
    ] {
        let error = scan(params, LEUKSURV, &[]).expect_err(params);
        assert!(matches!(error, Error::Params { .. }), "{params}: {error}");
    }
}
