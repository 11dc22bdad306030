//! 49 published packets of haematology (phenopacket-store), held against a plain reading of their JSON.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::run::{Folder, fixture, real_packets};

/// The packets as plain JSON, by file name as the table has them.
fn plain(folder: &Path) -> Vec<Value> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    files.sort();
    let read = |path: &PathBuf| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    files.iter().map(read).collect()
}

/// What a packet says of a feature: present, excluded, or nothing.
fn feature(packet: &Value, code: &str) -> &'static str {
    let all = packet["phenotypicFeatures"].as_array().unwrap();
    match all.iter().find(|own| own["type"]["id"] == code) {
        None => "",
        Some(own) if own["excluded"] == true => "0",
        Some(_) => "1",
    }
}

#[test]
fn the_real_packets_load_and_say_what_their_json_says() {
    let Some(packets) = real_packets() else { return };
    let plain = plain(&packets);
    assert_eq!(plain.len(), 49);
    let folder = Folder::new();
    let mapping = fixture("phenopackets/store.toml");
    folder.table("phenopackets", &[packets.to_str().unwrap()], &mapping);
    let mut table = csv::Reader::from_path(folder.path("table.csv")).unwrap();
    let header: Vec<String> = table.headers().unwrap().iter().map(str::to_owned).collect();
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 49);
    let mut filled = std::collections::BTreeMap::<&str, usize>::new();
    for (row, packet) in rows.iter().zip(&plain) {
        let cell = |name: &str| &row[header.iter().position(|own| own == name).unwrap()];
        for name in header.iter().filter(|name| !cell(name).is_empty()) {
            *filled.entry(name).or_default() += 1;
        }
        assert_eq!(cell("patient"), packet["id"].as_str().unwrap());
        let subject = &packet["subject"];
        let sex = match subject["sex"].as_str() {
            Some("MALE") => "M",
            Some("FEMALE") => "F",
            _ => "",
        };
        assert_eq!(cell("sex"), sex);
        assert_eq!(cell("anaemia"), feature(packet, "HP:0001903"));
        assert_eq!(cell("short_stature"), feature(packet, "HP:0004322"));
        let dead = if subject["vitalStatus"]["status"] == "DECEASED" { "1" } else { "" };
        assert_eq!(cell("dead"), dead);
        let gene = "/interpretations/0/diagnosis/genomicInterpretations/0/variantInterpretation/\
                    variationDescriptor/geneContext/symbol";
        let samd9l = if packet.pointer(gene).unwrap() == "SAMD9L" { "1" } else { "" };
        assert_eq!(cell("samd9l"), samd9l);
        let diagnosis = match packet["diseases"][0]["term"]["id"].as_str().unwrap() {
            "OMIM:105650" => "DBA 1",
            "OMIM:159550" => "ataxia-pancytopenia",
            _ => "other",
        };
        assert_eq!(cell("diagnosis"), diagnosis);
        // Ages of whole years read as they are written.
        let age = &subject["timeAtLastEncounter"]["age"]["iso8601duration"];
        let years = age.as_str().and_then(|age| age.strip_prefix('P')?.strip_suffix('Y'));
        if let Some(years) = years.filter(|own| own.bytes().all(|byte| byte.is_ascii_digit())) {
            assert_eq!(cell("age"), years);
        }
    }
    // Nothing of this is empty by a slip.
    let expected = [("age", 43), ("onset", 21), ("sex", 45), ("dead", 4), ("samd9l", 5)];
    for (name, count) in expected {
        assert_eq!(filled.get(name), Some(&count), "{name}");
    }
    assert!(filled["klf1_zygosity"] >= 1 && filled["pancytopenia_age_months"] >= 1, "{filled:?}");
}

#[test]
fn two_patients_of_one_name_are_not_taken_for_one() {
    let Some(packets) = real_packets() else { return };
    let folder = Folder::new();
    let mapping = std::fs::read_to_string(fixture("phenopackets/store.toml")).unwrap();
    folder.write("map.toml", mapping.replace("id = \"packet\"", "id = \"subject\""));
    let said = folder.refused("phenopackets", &[packets.to_str().unwrap()], "map.toml");
    assert!(said.contains("has the id of") && said.contains("proband"), "{said}");
}
