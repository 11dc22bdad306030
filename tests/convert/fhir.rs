//! FHIR bundles by the mapping of the packets.

use serde_json::{Value, json};

use crate::run::{Folder, fixture};

#[test]
fn bundles_become_a_table_by_the_mapping_of_the_packets() {
    let folder = Folder::new();
    let files = [fixture("fhir/patients.json"), fixture("fhir/labs.ndjson")];
    let files = files.each_ref().map(String::as_str);
    let expected = [
        // What a bundle has no place for is left out, so that nobody takes it for a 0.
        "patient,sex,age,diagnosis,fever,hb,wbc,ecog,fu_days,death",
        // Refuted is 0; differential is nothing; what was entered in error is not there.
        "p1,F,60,AML,0,9.5,,1,546,1",
        // Known by another name, with parts of two files.
        "p2,M,,,1,,low,,,",
    ];
    let mapping = fixture("phenopackets/aml.toml");
    assert_eq!(folder.table("fhir", &files, &mapping), expected);
    let to = ["--mapping", &mapping, "--out", "t.csv", "--json"];
    let told = folder.convert(&[&["fhir"][..], &files, &to].concat()).json();
    let notes = told["notes"].to_string();
    for (column, why) in [("hsct", "medical action"), ("npm1", "genomic"), ("os_days", "since")] {
        assert!(notes.contains(&format!("`{column}`")) && notes.contains(why), "{notes}");
    }
}

#[test]
fn a_folder_of_bundles_is_one_export() {
    let folder = Folder::new();
    let table = folder.table("fhir", &[&fixture("fhir")], &fixture("phenopackets/aml.toml"));
    assert_eq!(table.len(), 3);
}

fn bundle() -> Value {
    let text = std::fs::read_to_string(fixture("fhir/patients.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn refusal(bundle: &Value) -> String {
    let folder = Folder::new();
    folder.write("odd.json", bundle.to_string());
    folder.refused("fhir", &["odd.json"], &fixture("phenopackets/aml.toml"))
}

#[test]
fn a_fault_of_a_resource_is_told_with_its_pointer() {
    let hb = "/entry/5/resource";
    for (place, value, says) in [
        ("/entry/0/resource/gender".into(), json!("f"), "male, female, other or unknown"),
        ("/entry/0/resource/birthDate".into(), json!("02.04.1961"), "is no date"),
        (format!("{hb}/valueQuantity/value"), json!("high"), "a text that is no number"),
        (format!("{hb}/valueQuantity/code"), json!("mg/dL"), "add the factor"),
        (format!("{hb}/subject/reference"), json!("Patient/p9"), "is no Patient of these files"),
        (format!("{hb}/code/coding"), json!({}), "invalid type"),
    ] {
        let mut bundle = bundle();
        *bundle.pointer_mut(&place).unwrap() = value;
        let said = refusal(&bundle);
        let near = place.rsplit_once('/').unwrap().0;
        assert!(said.contains(near) && said.contains(says), "{place}: {said}");
    }
    let mut bundle = bundle();
    bundle.pointer_mut(hb).unwrap()["valueQuantity"]["comparator"] = json!("<");
    let said = refusal(&bundle);
    assert!(said.contains("`<` 95, a limit") && said.contains("limits = \"take\""), "{said}");
}

#[test]
fn a_patient_on_two_pages_is_one_patient_and_two_that_differ_are_refused() {
    let folder = Folder::new();
    let mapping = fixture("phenopackets/aml.toml");
    let patient = |gender: &str| {
        json!({ "resourceType": "Patient", "id": "p1", "gender": gender }).to_string()
    };
    folder.write("1.json", patient("female"));
    folder.write("2.json", patient("female"));
    assert_eq!(folder.table("fhir", &["1.json", "2.json"], &mapping).len(), 2);
    folder.write("2.json", patient("male"));
    let said = folder.refused("fhir", &["1.json", "2.json"], &mapping);
    assert!(said.contains("stands twice, and the two differ"), "{said}");
}

#[test]
fn a_line_of_an_export_is_told_with_its_number() {
    let folder = Folder::new();
    let mapping = fixture("phenopackets/aml.toml");
    let patient = "{\"resourceType\": \"Patient\", \"id\": \"a\"}";
    folder
        .write("a.ndjson", format!("{patient}\n\n{{\"resourceType\": \"Patient\", \"id\": 5}}\n"));
    let said = folder.refused("fhir", &["a.ndjson"], &mapping);
    assert!(said.contains("line 3/id: invalid type"), "{said}");
    folder.write("a.ndjson", format!("{patient}\n{{\"resourceType\": "));
    let said = folder.refused("fhir", &["a.ndjson"], &mapping);
    assert!(said.contains("line 2") && said.contains("EOF"), "{said}");
    folder.write("a.json", "{\"entry\": []}");
    let said = folder.refused("fhir", &["a.json"], &mapping);
    assert!(said.contains("is no FHIR resource"), "{said}");
}
