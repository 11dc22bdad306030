//! Cohorts with a panel of flags, genes for the most part.

use crate::common::{records, shared, split};

pub(crate) const BMT_GENES: [&str; 5] =
    ["fab_4_5_aml", "patient_male", "donor_male", "patient_cmv", "mtx_prophylaxis"];

/// Entries of a schema for flags that may be missing.
pub(crate) fn flag_columns(names: &[impl AsRef<str>]) -> String {
    let column =
        |name: &str| format!("[[column]]\nname = \"{name}\"\nkind = \"flag\"\nmissing = true\n");
    names.iter().map(|name| column(name.as_ref())).collect()
}

/// A schema of flags alone.
pub(crate) fn flags(names: &[String]) -> String {
    format!("patient = \"id\"\n{}", flag_columns(names))
}

/// A file of [`flags`].
pub(crate) fn text(names: &[String], rows: &[Vec<u8>]) -> String {
    let line = |(i, row): (usize, &Vec<u8>)| {
        let fields: String = row.iter().map(|value| format!(",{value}")).collect();
        format!("{i}{fields}\n")
    };
    let rows: String = rows.iter().enumerate().map(line).collect();
    format!("id,{}\n{rows}", names.join(","))
}

/// The schema of `bmt_klein.csv` with its flags.
pub(crate) fn bmt() -> String {
    format!(
        r#"
        one_row_per_patient = true
        ignore = ["hospital", "donor_age", "donor_cmv", "os_days", "relapse", "agvhd_days",
            "agvhd", "cgvhd_days", "cgvhd", "platelet_recovery_days", "platelet_recovery",
            "dfs_days", "dfs_event"]
        [[column]]
        name = "patient_age"
        kind = "numeric"
        range = [0, 80]
        [[column]]
        name = "wait_days"
        kind = "numeric"
        range = [0, 3000]
        [[column]]
        name = "disease_group"
        kind = "category"
        levels = ["ALL", "AML_high_risk", "AML_low_risk"]
        {}"#,
        flag_columns(&[&BMT_GENES[..], &["death"]].concat())
    )
}

/// The genes of the AMLSG panel.
pub(crate) fn amlsg_genes() -> Vec<String> {
    let Some(path) = shared("data/amlsg_1540.csv") else { return Vec::new() };
    let text = std::fs::read_to_string(path).expect("readable");
    let header = text.lines().next().expect("header");
    header.split(',').filter(|name| name.starts_with("mut_")).map(str::to_owned).collect()
}

/// Schema and hospitals of the AMLSG cohort: genes, `cebpa` (0 to 2 copies), age, sex, death, and
/// whether older than 60.
pub(crate) fn amlsg() -> Option<(String, Vec<String>)> {
    let text = std::fs::read_to_string(shared("data/amlsg_1540.csv")?).expect("readable");
    let genes = amlsg_genes();
    let mut cut = format!("patient,center,older,age,sex,status,cebpa,{}\n", genes.join(","));
    for row in records(&text) {
        let age: f64 = row["age"].parse().expect("age");
        let fixed = ["age", "sex", "status", "cebpa"].map(str::to_owned);
        let fields: Vec<&str> = fixed.iter().chain(&genes).map(|name| row[name].as_str()).collect();
        let (patient, center) = (&row["patient"], &row["center"]);
        cut.push_str(&format!(
            "{patient},{center},{},{}\n",
            u8::from(age > 60.0),
            fields.join(",")
        ));
    }
    let flags = ["older".to_owned(), "status".to_owned()].into_iter().chain(genes);
    let schema = format!(
        r#"
        patient = "patient"
        ignore = ["center"]
        [[column]]
        name = "age"
        kind = "numeric"
        range = [0, 110]
        [[column]]
        name = "sex"
        kind = "category"
        levels = ["F", "M"]
        [[column]]
        name = "cebpa"
        kind = "numeric"
        range = [0, 2]
        missing = true
        {}"#,
        flag_columns(&flags.collect::<Vec<String>>())
    );
    Some((schema, split(&cut, "center")))
}
