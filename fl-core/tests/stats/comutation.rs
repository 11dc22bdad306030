//! Co-mutation tables against R's `fisher.test` and `glm`, and their properties.

use haima_fl_core::Error;
use haima_fl_core::results::comutation::{Comutation, MutationGroup};
use serde_json::Value;

use crate::common::{close, cohorts, data, deal, numbers, run, schema, shipped_oracle, split};
use crate::panel::{BMT_GENES, amlsg, amlsg_genes, bmt, flags, text};

fn comutation(params: &str, schema_text: &str, files: &[String]) -> Result<Comutation, Error> {
    let schema = schema(schema_text);
    let output = run("comutation", params, &schema, &cohorts(&schema, files), 1)?;
    Ok(serde_json::from_value(output).expect("haima.comutation/1"))
}

fn equals_r(what: &str, ours: &MutationGroup, r: &Value) {
    assert_eq!(Some(ours.n), r["n"].as_u64(), "{what}");
    let counts = |values: Vec<u64>| values.iter().map(|x| *x as f64).collect::<Vec<f64>>();
    assert_eq!(counts(ours.counts.clone()), numbers(&r["counts"]), "{what}");
    assert_eq!(counts(ours.burden.clone()), numbers(&r["burden"]), "{what}");
    let both = ours.pairs.iter().map(|pair| pair.both).collect();
    assert_eq!(counts(both), numbers(&r["both"]), "{what}");
    let neither = ours.pairs.iter().map(|pair| pair.neither).collect();
    assert_eq!(counts(neither), numbers(&r["neither"]), "{what}");
    let p: Vec<f64> = ours.pairs.iter().map(|pair| pair.p).collect();
    let theirs = numbers(&r["p"]);
    eprintln!("comutation {what} p: {:.1e}", close(what, &p, &theirs, 1e-9));
    let logs = |values: &[f64]| values.iter().map(|p| p.ln()).collect::<Vec<f64>>();
    eprintln!("comutation {what} log p: {:.1e}", close(what, &logs(&p), &logs(&theirs), 1e-6));
}

#[test]
fn pairs_over_hospitals_equal_fisher_in_r() {
    let r = shipped_oracle("scan.json");
    let params = format!("genes = {BMT_GENES:?}");
    let ours =
        comutation(&params, &bmt(), &split(&data("bmt_klein.csv"), "hospital")).expect("table");
    assert_eq!((ours.sites, ours.groups.len()), (4, 1));
    let group = &ours.groups[0];
    equals_r("bmt", group, &r["bmt_pairs"]);
    let odds: Vec<f64> = group.pairs.iter().map(|pair| pair.odds_ratio.unwrap().ln()).collect();
    let se: Vec<f64> = group.pairs.iter().map(|pair| pair.se.unwrap()).collect();
    let worst = close("log odds", &odds, &numbers(&r["bmt_pairs"]["log_odds"]), 1e-6);
    eprintln!("comutation bmt log odds: {worst:.1e}");
    close("error", &se, &numbers(&r["bmt_pairs"]["se"]), 1e-5);
}

#[test]
fn genes_of_1540_leukaemias_equal_fisher_in_r() {
    let (Some((schema, files)), r) = (amlsg(), shipped_oracle("scan.json")) else { return };
    let params = format!("genes = {:?}\nby = \"sex\"", amlsg_genes());
    let ours = comutation(&params, &schema, &files).expect("table");
    equals_r("amlsg", &ours.groups[0], &r["amlsg_pairs"]);
    let [all, women, men] = &ours.groups[..] else { panic!("{} groups", ours.groups.len()) };
    assert_eq!((women.group.as_str(), men.group.as_str()), ("sex=F", "sex=M"));
    for (pair, (a, b)) in all.pairs.iter().zip(women.pairs.iter().zip(&men.pairs)) {
        assert_eq!(pair.both, a.both + b.both);
        assert_eq!(pair.neither, a.neither + b.neither);
    }
    // Published: IDH1 and IDH2 exclude each other, SRSF2 and RUNX1 occur together.
    let find = |a: &str, b: &str| {
        all.pairs
            .iter()
            .find(|pair| [&pair.a, &pair.b].map(String::as_str).iter().all(|n| [a, b].contains(n)))
    };
    let idh = find("mut_idh1", "mut_idh2").expect("pair");
    assert!(idh.tendency == "exclusivity" && idh.odds_ratio < Some(0.5), "{idh:?}");
    let splicing = find("mut_srsf2", "mut_runx1").expect("pair");
    assert!(splicing.tendency == "co-occurrence" && splicing.p < 1e-4, "{splicing:?}");
}

#[test]
fn planted_pairs_are_told_apart_and_incomplete_patients_left_out() {
    let names: Vec<String> =
        ["a", "with_a", "without_a", "alone", "level"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<u8>> = (0..120u8)
        .map(|i| {
            let a = u8::from(i % 3 == 0);
            vec![a, a, u8::from(a == 0 && i % 2 == 0), u8::from(i % 4 == 1), u8::from(i < 30)]
        })
        .collect();
    let mut files = deal(&text(&names, &rows), 3);
    files[0].push_str("900,1,,1,0,1\n901,,,,,\n");
    let genes = "genes = [\"a\", \"with_a\", \"without_a\", \"alone\"]";
    let ours =
        comutation(&format!("{genes}\nby = \"level\""), &flags(&names), &files).expect("table");
    assert_eq!((ours.n, ours.groups[0].n, ours.groups[1].n, ours.groups[2].n), (120, 120, 90, 30));
    assert_eq!(ours.groups[2].counts[0], 10);
    let pair = |k: usize| &ours.groups[0].pairs[k];
    let tendencies = [0, 1, 2].map(|k| pair(k).tendency.as_str());
    assert_eq!(tendencies, ["co-occurrence", "exclusivity", "none"]);
    assert!(pair(0).p < 1e-20 && pair(1).p < 1e-6 && pair(2).p > 0.9);
    // Infinite odds, odds of 0, and even ones.
    assert_eq!((pair(0).odds_ratio, pair(0).se), (None, None));
    assert_eq!((pair(1).odds_ratio, pair(1).se), (Some(0.0), None));
    assert_eq!(pair(2).odds_ratio, Some(1.0));
    let both: u64 = ours.groups[0].burden.iter().zip(0..).map(|(n, k): (&u64, u64)| n * k).sum();
    assert_eq!(both, ours.groups[0].counts.iter().sum::<u64>());
}

#[test]
fn nobody_and_parameters_that_cannot_be_used_are_named() {
    let names: Vec<String> = ["a", "b"].map(str::to_owned).to_vec();
    let schema = flags(&names);
    let nobody = comutation("genes = [\"a\", \"b\"]", &schema, &["id,a,b\n1,,1\n".to_owned()]);
    assert!(matches!(nobody, Err(Error::Fit { .. })), "{nobody:?}");
    for params in ["genes = [\"a\"]", "genes = [\"a\", \"a\"]", "genes = []"] {
        let error = comutation(params, &schema, &[]).expect_err(params);
        assert!(matches!(error, Error::Params { .. }), "{params}: {error}");
    }
    let number = comutation("genes = [\"patient_age\", \"death\"]", &bmt(), &[]);
    assert!(matches!(number, Err(Error::Params { .. })), "{number:?}");
    let by = comutation("genes = [\"death\", \"donor_male\"]\nby = \"patient_age\"", &bmt(), &[]);
    assert!(matches!(by, Err(Error::Params { .. })), "{by:?}");
}
