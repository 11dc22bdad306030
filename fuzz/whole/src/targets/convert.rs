//! What hospitals bring from elsewhere: Phenopackets, FHIR, VCF, tables of radiomics, and the
//! mapping that says how to read them (`haima::convert`).

use std::path::PathBuf;

use haima::convert::{Asked, Mapping, of_fhir, of_phenopackets, of_radiomics, of_variants};
use tempfile::TempDir;

use super::tools::{Cut, folder, tagged};

const AML: &[u8] = include_bytes!("../../../../tests/fixtures/phenopackets/aml.toml");
const PANEL: &[u8] = include_bytes!("../../../../tests/fixtures/vcf/panel.toml");

/// A folder with a mapping and a file.
fn files(mapping: &[u8], name: &str, bytes: &[u8]) -> (TempDir, PathBuf, PathBuf) {
    let folder = folder();
    let (map, file) = (folder.path().join("map.toml"), folder.path().join(name));
    std::fs::write(&map, mapping).and_then(|()| std::fs::write(&file, bytes)).expect("two files");
    (folder, map, file)
}

pub(crate) fn run(bytes: &[u8]) {
    let mut cut = Cut(bytes);
    let (tag, bytes) = (cut.byte(), cut.0);
    let (mapping, name) = match tag % 7 {
        0 => (AML, "p.json"),
        1 => (AML, "bundle.json"),
        2 => (AML, "bundle.ndjson"),
        3 => (PANEL, "calls.vcf"),
        4 => (PANEL, "calls.vcf.gz"),
        5 => (AML, "export.csv"),
        _ => (bytes, "unused"),
    };
    let (_folder, map, file) = files(mapping, name, bytes);
    let Ok(mapping) = Mapping::read(&map) else {
        assert!(tag % 7 == 6, "a mapping of the repository");
        return;
    };
    let table = match tag % 7 {
        0 => of_phenopackets(&[file], &mapping).ok(),
        1 | 2 => of_fhir(&[file], &mapping).ok(),
        3 | 4 => of_variants(&[file], &mapping, None).ok(),
        5 => {
            let (scanner, scanners) = (None, None);
            let (features, only) = (Vec::new(), Vec::new());
            let asked = Asked { patient: "patient".into(), scanner, scanners, features, only };
            if let Ok(table) = of_radiomics(&file, &asked) {
                table.draft().expect("a table has a draft of its schema");
            }
            None
        }
        _ => None,
    };
    if let Some(table) = table {
        // What was converted is a table: as many fields a row as in its header.
        let csv = table.csv().expect("a table is written");
        let mut lines = csv.split(|byte| *byte == b'\n');
        assert!(lines.next().is_some_and(|line| !line.is_empty()), "a table without a header");
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let line = "chr5\t171410539\t.\tC\tCTCTG\t.\tPASS\tCSQ=TCTG|frameshift_variant|HIGH|NPM1\tGT:DP:AD\
                \t0/1:100:60,40";
    let vcf = format!(
        "##fileformat=VCFv4.2\n##INFO=<ID=CSQ,Number=.,Type=String,Description=\"Consequence \
         annotations from Ensembl VEP. Format: Allele|Consequence|IMPACT|SYMBOL\">\n\
         #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tSICK\n{line}\n"
    );
    let radiomics = include_str!("../../../../tests/fixtures/radiomics/artificial-export.csv");
    let radiomics: Vec<&str> = radiomics.lines().take(4).collect();
    vec![
        tagged(0, include_bytes!("../../../../tests/fixtures/phenopackets/aml/p1.json")),
        tagged(0, include_bytes!("../../../../tests/fixtures/phenopackets/aml/p2.json")),
        tagged(1, include_bytes!("../../../../tests/fixtures/fhir/patients.json")),
        tagged(2, include_bytes!("../../../../tests/fixtures/fhir/labs.ndjson")),
        tagged(3, vcf.as_bytes()),
        tagged(5, (radiomics.join("\n") + "\n").as_bytes()),
        tagged(6, AML),
        tagged(6, PANEL),
    ]
}
