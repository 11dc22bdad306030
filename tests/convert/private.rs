//! What is made of patients' files can be read by its owner alone, whatever the umask says.

use std::os::unix::fs::PermissionsExt;

use crate::run::{Folder, fixture};

/// Rights of a file or folder to its owner, its group and all others.
fn mode(folder: &Folder, name: &str) -> u32 {
    std::fs::metadata(folder.path(name)).unwrap().permissions().mode() & 0o777
}

#[test]
fn nobody_but_their_owner_reads_tables_and_packets() {
    let folder = Folder::new();
    let mapping = fixture("phenopackets/aml.toml");
    // One that everybody can read is not kept so.
    folder.write("table.csv", "");
    std::fs::set_permissions(folder.path("table.csv"), PermissionsExt::from_mode(0o644)).unwrap();
    folder.table("phenopackets", &[&fixture("phenopackets/aml")], &mapping);
    assert_eq!(mode(&folder, "table.csv"), 0o600);
    folder.table("fhir", &[&fixture("fhir")], &mapping);
    assert_eq!(mode(&folder, "table.csv"), 0o600);
    let (table, mapping) = (fixture("phenopackets/table.csv"), fixture("phenopackets/table.toml"));
    folder.convert(&["table", &table, "--mapping", &mapping, "--out", "a/packets"]).succeeds();
    assert_eq!((mode(&folder, "a/packets"), mode(&folder, "a")), (0o700, 0o700));
    assert_eq!(mode(&folder, "a/packets/packet-000001.json"), 0o600);
    let export = fixture("radiomics/artificial-export.csv");
    let own = ["radiomics", &export, "--patient", "PatientID", "--where", "Label=1"];
    let to = ["--out", "features.csv", "--schema", "draft.toml"];
    folder.convert(&[&own[..], &to].concat()).succeeds();
    assert_eq!((mode(&folder, "features.csv"), mode(&folder, "draft.toml")), (0o600, 0o600));
    // Nothing is left of a file on its way.
    let names = std::fs::read_dir(folder.path("")).unwrap();
    let left =
        names.filter(|own| own.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
    assert_eq!(left.count(), 0);
}
