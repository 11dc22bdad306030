//! From a table to packets, and back to the same table.

use serde_json::Value;

use crate::run::{Folder, fixture};

/// A folder with the packets of a table, by the mapping that fits it.
fn packets() -> (Folder, String) {
    let (folder, mapping) = (Folder::new(), fixture("phenopackets/table.toml"));
    let table = fixture("phenopackets/table.csv");
    let to = ["table", &table, "--mapping", &mapping, "--out", "packets"];
    let said = folder.convert(&to).succeeds().out;
    assert!(said.contains("4 Phenopackets of 12 columns"), "{said}");
    (folder, mapping)
}

#[test]
fn a_table_that_becomes_packets_comes_back_the_same() {
    let (folder, mapping) = packets();
    folder.table("phenopackets", &["packets"], &mapping);
    let table = std::fs::read_to_string(fixture("phenopackets/table.csv")).unwrap();
    assert_eq!(folder.read("table.csv"), table);
}

#[test]
fn a_packet_has_what_the_standard_asks_for() {
    let (folder, _) = packets();
    let packet: Value = serde_json::from_str(&folder.read("packets/packet-000001.json")).unwrap();
    assert_eq!((&packet["id"], &packet["subject"]["id"]), (&"A-1".into(), &"A-1".into()));
    let hb = &packet["measurements"][0];
    assert_eq!(hb["assay"]["label"], "Hemoglobin [Mass/volume] in Blood");
    let unit = &hb["value"]["quantity"]["unit"];
    assert_eq!((&unit["id"], &unit["label"]), (&"UCUM:g/dL".into(), &"g/dL".into()));
    let disease = &packet["diseases"][0];
    assert_eq!(disease["term"]["label"], "acute myeloid leukemia");
    assert_eq!(disease["onset"]["age"]["iso8601duration"], "P60Y1M");
    let vital = &packet["subject"]["vitalStatus"];
    assert_eq!((&vital["status"], &vital["survivalTimeInDays"]), (&"DECEASED".into(), &546.into()));
    let interpretation = &packet["interpretations"][0];
    assert_eq!(interpretation["diagnosis"]["disease"]["id"], "MONDO:0018874");
    assert_eq!(interpretation["progressStatus"], "UNKNOWN_PROGRESS");
    // Each code's system is explained.
    let meta = &packet["metaData"];
    assert_eq!(meta["phenopacketSchemaVersion"], "2.0");
    let prefixes: Vec<&str> = (meta["resources"].as_array().unwrap().iter())
        .map(|own| own["namespacePrefix"].as_str().unwrap())
        .collect();
    for prefix in ["HP", "LOCAL", "LOINC", "MONDO", "NCIT", "UCUM", "hgnc.symbol"] {
        assert!(prefixes.contains(&prefix), "{prefix}: {prefixes:?}");
    }
}

#[test]
fn what_a_packet_cannot_hold_is_told_and_not_lost() {
    let folder = Folder::new();
    let mapping = fixture("phenopackets/table.toml");
    let without =
        ["sex", "age_at_onset", "diagnosis", "fever", "risk", "npm1", "tp53_class", "death"];
    for (row, says) in [
        ("a,61.375,9.5,0,300", "line 2: column `age`: `61.375` would come back as `61.38`"),
        ("a,-3,9.5,0,300", "column `age`: `-3` would come back as `0`"),
        ("a,61,low,0,300", "column `hb`: \"low\" is no number"),
        ("a,61,inf,0,300", "column `hb`: \"inf\" is no number"),
        ("a,61,9.5,2,300", "column `hsct`: \"2\" is neither 0 nor 1"),
        ("a,61,9.5,,300", "column `hsct`: `` would come back as `0`"),
        ("a,61,9.5,0,300.5", "column `os_days`: `300.5` would come back as `300`"),
        ("a,61,9.5,0,300\na,62,9,1,1", "line 3: `patient` is `a`; each patient has one row"),
        (",61,9.5,0,300", "line 2: `patient` is ``"),
        ("a,61,9.5,0", "line: 2"),
        ("a,61,9.5,0,\"300\nb,62,9,1,1", "line 2: a quote opens a field and nothing closes it"),
    ] {
        folder.write("t.csv", format!("patient,age,hb,hsct,os_days\n{row}\n"));
        let mut to = vec!["table", "t.csv", "--mapping", &mapping, "--out", "packets"];
        to.extend(without.iter().flat_map(|name| ["--without", *name]));
        let said = folder.convert(&to).refusal();
        assert!(said.contains(says), "{row}: {said}");
        assert!(!folder.path("packets").exists(), "{row}");
    }
}

#[test]
fn every_column_is_written_or_left_out_by_name() {
    let folder = Folder::new();
    folder.write(
        "map.toml",
        "[[column]]\nname = \"wait\"\nkind = \"interval\"\nfrom = { start = \"birth\", end = \"death\" }\n\
         [[column]]\nname = \"fever\"\nkind = \"flag\"\nfrom = { feature = \"HP:0001945\" }\n",
    );
    let to = ["table", "t.csv", "--mapping", "map.toml", "--out", "packets"];
    let without = |names: &[&str]| {
        let names = names.iter().flat_map(|name| ["--without", *name]);
        folder.convert(&to.into_iter().chain(names).collect::<Vec<_>>())
    };
    folder.write("t.csv", "patient,fever,wait\na,1,10\n");
    assert!(without(&[]).refusal().contains("leave it out by --without wait"));
    without(&["wait"]).succeeds();
    assert!(folder.read("packets/packet-000001.json").contains("HP:0001945"));
    // What is there already is of another table.
    assert!(without(&["wait"]).refusal().contains("name another folder"));
    folder.write("t.csv", "patient,fever,note\na,1,x\n");
    let said = without(&["wait"]).refusal();
    assert!(said.contains("no [[column]] for `note`"), "{said}");
    folder.write("t.csv", "patient\na\n");
    assert!(without(&["wait"]).refusal().contains("has no column `fever`"));
    folder.write("t.csv", "patient,fever,fever\na,1,1\n");
    assert!(without(&["wait"]).refusal().contains("stands twice"));
}
