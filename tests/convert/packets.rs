//! Phenopackets by hand: measurements, medical actions and vital status.

use crate::common::repository;
use crate::run::{Folder, fixture};

const HEADER: &str = "patient,sex,age,diagnosis,fever,hb,wbc,ecog,npm1,hsct,azacitidine,days_to_hsct,\
                      os_days,fu_days,death";

#[test]
fn packets_become_the_table_that_their_mapping_describes() {
    let folder = Folder::new();
    let (packets, mapping) = (fixture("phenopackets/aml"), fixture("phenopackets/aml.toml"));
    let expected = [
        HEADER,
        // Dates: the earlier of two haemoglobins, in another unit.
        "P1,F,60,AML,1,9.5,high,1,1,1,1,183,546,546,1",
        // Ages, under protobuf's own names of fields.
        "P2,M,44.5,AML,0,11.5992,,,0,0,0,,365,365,0",
        // Nearly nothing, and a gene of which nobody is sure.
        "P3,,,MDS,,,,,,0,0,,,,",
    ];
    assert_eq!(folder.table("phenopackets", &[&packets], &mapping), expected);
}

#[test]
fn no_date_enters_the_table() {
    let folder = Folder::new();
    let (packets, mapping) = (fixture("phenopackets/aml"), fixture("phenopackets/aml.toml"));
    let table = folder.table("phenopackets", &[&packets], &mapping).join("\n");
    for part in ["1961", "2021", "2022", "-04-", "T00"] {
        assert!(!table.contains(part), "{part}: {table}");
    }
}

#[test]
fn a_run_says_how_full_the_table_is() {
    let folder = Folder::new();
    let (packets, mapping) = (fixture("phenopackets/aml"), fixture("phenopackets/aml.toml"));
    let to = ["phenopackets", &packets, "--mapping", &mapping, "--out", "t.csv"];
    let said = folder.convert(&to).succeeds().out;
    assert!(said.starts_with("read     3 files: 3 patients\nwritten  t.csv\n"), "{said}");
    assert!(said.contains("\nhb "), "{said}");
    let told = folder.convert(&[&to[..], &["--json"]].concat()).json();
    assert_eq!(told["schema"], "haima.converted/1");
    assert_eq!((&told["patients"], &told["virtual"]), (&3.into(), &0.into()));
    let hb = &told["columns"][4];
    assert_eq!((&hb["name"], &hb["kind"]), (&"hb".into(), &"numeric".into()));
    assert_eq!((&hb["present"], &hb["missing"]), (&2.into(), &1.into()));
}

#[test]
fn which_of_several_measurements_counts_is_for_the_mapping_to_say() {
    let folder = Folder::new();
    let packet = fixture("phenopackets/aml/p1.json");
    let hb = |pick: &str| {
        let from = format!("from = {{ measurement = \"LOINC:718-7\"{pick} }}");
        let unit = "unit = \"g/dL\"\naccepts = { \"g/L\" = 0.1 }";
        let text = format!("[[column]]\nname = \"hb\"\nkind = \"numeric\"\n{unit}\n{from}\n");
        folder.write("map.toml", text);
        ["phenopackets", &packet, "--mapping", "map.toml", "--out", "t.csv"].map(str::to_owned)
    };
    let value = |pick: &str| {
        let arguments = hb(pick);
        folder.convert(&arguments.each_ref().map(String::as_str)).succeeds();
        folder.read("t.csv").lines().nth(1).unwrap().to_owned()
    };
    assert_eq!(value(", pick = \"first\""), "P1,9.5");
    assert_eq!(value(", pick = \"last\""), "P1,10.1");
    assert_eq!(value(", pick = \"lowest\""), "P1,9.5");
    assert_eq!(value(", pick = \"highest\""), "P1,10.1");
    let arguments = hb("");
    let said = folder.convert(&arguments.each_ref().map(String::as_str)).refusal();
    assert!(said.contains("/measurements/1/value/quantity"), "{said}");
    assert!(said.contains("pick"), "{said}");
}

#[test]
fn parts_of_a_panel_are_measurements_of_their_own() {
    let folder = Folder::new();
    folder.write(
        "map.toml",
        "[[column]]\nname = \"systolic\"\nkind = \"numeric\"\nunit = \"mm[Hg]\"\n\
         from = { measurement = \"LOINC:8480-6\" }\n",
    );
    let packet = fixture("phenopackets/aml/p1.json");
    let table = folder.table("phenopackets", &[&packet], "map.toml");
    assert_eq!(table, ["patient,systolic", "P1,131"]);
}

#[test]
fn a_time_that_is_only_known_to_a_span_is_missing_unless_its_middle_is_wanted() {
    let folder = Folder::new();
    let packet = "{\"subject\": {\"id\": \"a\", \"timeAtLastEncounter\": {\"ageRange\": \
                  {\"start\": {\"iso8601duration\": \"P40Y\"}, \"end\": {\"iso8601duration\": \
                  \"P45Y\"}}}}, \"metaData\": {\"phenopacketSchemaVersion\": \"2.0\"}}";
    folder.write("a.json", packet);
    let column =
        "[[column]]\nname = \"age\"\nkind = \"numeric\"\nfrom = { age = \"last encounter\" }";
    folder.write("map.toml", column);
    assert_eq!(folder.table("phenopackets", &["a.json"], "map.toml")[1], "a,");
    folder.write("map.toml", format!("imprecise = \"middle\"\n{column}"));
    assert_eq!(folder.table("phenopackets", &["a.json"], "map.toml")[1], "a,42.5");
}

#[test]
fn virtual_patients_stay_known_as_such() {
    let folder = Folder::new();
    folder.write(
        "packets/synthetic-1.json",
        "{\"subject\": {\"id\": \"synthetic-1\", \"sex\": \"MALE\"}, \"metaData\": \
         {\"phenopacketSchemaVersion\": \"2.0\", \"externalReferences\": [{\"id\": \
         \"haima-generator:abc\"}]}}",
    );
    // What stands beside them is no packet.
    folder.write("packets/provenance.json", "{\"schema\": \"haima.virtual-cohort/1\"}");
    let mapping = fixture("phenopackets/store.toml");
    let to = ["phenopackets", "packets", "--mapping", &mapping, "--out", "t.csv"];
    // By the packet's id, which is that of the patient where it has none.
    let said = folder.convert(&to).succeeds().out;
    assert!(said.contains("1 row is virtual"), "{said}");
    assert!(folder.read("t.csv").contains("\nsynthetic-1,M,"));
}

#[test]
fn the_mapping_that_the_documents_show_is_the_one_that_is_tested() {
    let page = std::fs::read_to_string(repository("docs/data.md")).unwrap();
    for mapping in ["phenopackets/aml.toml", "vcf/panel.toml"] {
        let text = std::fs::read_to_string(fixture(mapping)).unwrap();
        assert!(page.contains(text.trim_end()), "docs/data.md does not show {mapping}");
    }
}
