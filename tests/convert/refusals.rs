//! What is wrong with a packet or a mapping is told with file, place and what to do, and nothing is
//! written.

use serde_json::{Value, json};

use crate::run::{Folder, fixture};

fn packet() -> Value {
    let text = std::fs::read_to_string(fixture("phenopackets/aml/p1.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// What is said of a packet in which a place holds something else.
fn refusal(place: &str, value: Value) -> String {
    let mut packet = packet();
    *packet.pointer_mut(place).unwrap() = value;
    let folder = Folder::new();
    folder.write("odd.json", packet.to_string());
    folder.refused("phenopackets", &["odd.json"], &fixture("phenopackets/aml.toml"))
}

#[test]
fn a_fault_of_a_packet_is_told_with_its_pointer_and_what_to_do() {
    for (place, value, says) in [
        ("/subject/sex", json!("OTHER_SEX"), "say in its `levels` what it becomes"),
        ("/subject/sex", json!(2), "invalid type"),
        ("/subject/id", json!(""), "is not there"),
        ("/subject/dateOfBirth", json!("2.4.1961"), "is no date, such as"),
        ("/subject/vitalStatus/status", json!("DEAD"), "ALIVE, DECEASED or UNKNOWN_STATUS"),
        ("/subject/vitalStatus/survivalTimeInDays", json!(1.5), "no whole number of days"),
        ("/subject/vitalStatus/survivalTimeInDays", json!("many"), "a text that is no number"),
        ("/measurements/1/value/quantity/unit", json!({ "id": "UCUM:%" }), "add the factor"),
        ("/measurements/1/value/quantity/unit", Value::Null, "has no unit"),
        ("/measurements/1/value/quantity/value", json!([]), "a finite number"),
        ("/measurements/1/timeObserved", Value::Null, "was taken at no time"),
        ("/measurements/2/value/quantity/referenceRange/unit", json!({ "id": "UCUM:/L" }), "unit"),
        (
            "/measurements/3/value/ontologyClass/id",
            json!("LOINC:LA9999-9"),
            "is no level of column",
        ),
        ("/measurements/3/assay", json!({}), "each class has its code"),
        (
            "/diseases/0/onset",
            json!({ "age": { "iso8601duration": "60" } }),
            "no ISO 8601 duration",
        ),
        ("/phenotypicFeatures/0", json!("fever"), "invalid type"),
    ] {
        let said = refusal(place, value);
        // The place, or the part of the packet in which it is.
        let part = place.split('/').take(3).collect::<Vec<_>>().join("/");
        assert!(said.contains("odd.json: ") && said.contains(&part), "{place}: {said}");
        assert!(said.contains(says), "{place}: {said}");
    }
}

#[test]
fn what_comes_before_birth_is_told_where_it_stands() {
    let said = refusal("/subject/dateOfBirth", json!("2023-04-02T00:00:00Z"));
    assert!(said.contains("/diseases/0/onset/timestamp: is before birth"), "{said}");
}

#[test]
fn a_packet_of_another_version_is_refused_since_it_excludes_otherwise() {
    let said = refusal("/metaData/phenopacketSchemaVersion", json!("1.0.0"));
    assert!(said.contains("only version 2 is read"), "{said}");
    let said = refusal("/metaData", json!({}));
    assert!(said.contains("/metaData/phenopacketSchemaVersion: is not there"), "{said}");
}

#[test]
fn two_levels_of_one_patient_are_not_chosen_between() {
    let more = json!([
        { "term": { "id": "MONDO:0018874" } },
        { "term": { "id": "MONDO:0018881" } },
    ]);
    let said = refusal("/diseases", more);
    assert!(said.contains("/diseases/1: is `MDS`, and /diseases/0 is `AML`"), "{said}");
}

#[test]
fn all_faults_of_all_packets_are_told_at_once() {
    let folder = Folder::new();
    for k in 0..30 {
        let mut packet = packet();
        packet["subject"]["id"] = format!("P{k}").into();
        packet["subject"]["sex"] = "OTHER_SEX".into();
        packet["measurements"][1]["value"]["quantity"]["unit"]["id"] = "UCUM:%".into();
        folder.write(&format!("packets/{k:02}.json"), packet.to_string());
    }
    let said = folder.refused("phenopackets", &["packets"], &fixture("phenopackets/aml.toml"));
    assert!(said.contains("00.json") && said.contains("09.json"), "{said}");
    assert!(
        said.contains("and 40 more") && said.contains("60 faults; nothing was written"),
        "{said}"
    );
}

#[test]
fn what_is_no_packet_neither_crashes_nor_runs_on() {
    let mapping = fixture("phenopackets/aml.toml");
    let of = |bytes: &[u8]| {
        let folder = Folder::new();
        folder.write("odd.json", bytes);
        folder.refused("phenopackets", &["odd.json"], &mapping)
    };
    assert!(of(b"").contains("is no JSON object"));
    assert!(of(b"[{}]").contains("is no JSON object"));
    assert!(of(b"{\"subject\": {\"id\": \"a").contains("/subject/id: EOF"));
    assert!(of(b"\xff\xfe{").contains("is no JSON object"));
    assert!(of(b"{\"id\": \"\xff\"}").contains("/id"));
    assert!(of(format!("{{\"diseases\": {}", "[".repeat(100_000)).as_bytes()).contains("odd.json"));
    assert!(of(b"{\"proband\": {}}").contains("is a Family or a Cohort"));
    assert!(of(b"{\"id\": \"a\", \"id\": \"b\"}").contains("duplicate field"));
    assert!(of(" ".repeat((8 << 20) + 1).as_bytes()).contains("is too large"));
}

#[test]
fn a_strangers_text_moves_no_cursor_and_is_cut() {
    let long = format!("\u{1b}[2J{}", "x".repeat(1 << 20));
    let said = refusal("/subject/vitalStatus/status", json!(long));
    assert!(!said.contains('\u{1b}') && said.len() < 1000, "{}", said.len());
}

#[test]
fn a_mapping_that_cannot_be_used_is_told_before_any_packet_is_read() {
    let folder = Folder::new();
    let refused = |text: &str| {
        folder.write("map.toml", text);
        folder.refused("phenopackets", &["no-such-folder"], "map.toml")
    };
    let said = refused(
        "[[column]]\nname = \"hb\"\nkind = \"numeric\"\nfrom = { measurement = \"718-7\" }",
    );
    assert!(said.contains("map.toml: column `hb`") && said.contains("LOINC:718-7"), "{said}");
    let said =
        refused("[[column]]\nname = \"hb\"\nkind = \"numeric\"\nfrom = { labs = \"LOINC:718-7\" }");
    assert!(said.contains("unknown field `labs`") && said.contains("measurement"), "{said}");
    let said = folder.refused("vcf", &["a.vcf"], &fixture("phenopackets/aml.toml"));
    assert!(said.contains("no [[column]] of it is read from variant files"), "{said}");
    folder.write("empty/notes.txt", "");
    let said = folder.refused("phenopackets", &["empty"], &fixture("phenopackets/aml.toml"));
    assert!(said.contains("has no file that ends in .json"), "{said}");
}
