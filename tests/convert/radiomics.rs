//! Radiomics to a table by which `combat` harmonises.

use haima::data::source;
use haima_fl_core::registry;
use haima_fl_core::schema::Schema;
use haima_fl_core::sum::{PlainSum, drive};
use serde_json::Value;

use crate::run::{Folder, fixture};

/// The options of a whole run over the fixture.
fn asked<'a>(export: &'a str, further: &[&'a str]) -> Vec<&'a str> {
    let own = ["radiomics", export, "--patient", "PatientID", "--out", "table.csv"];
    [&own[..], further].concat()
}

#[test]
fn an_export_becomes_a_row_a_patient_with_the_scanner() {
    let folder = Folder::new();
    let export = fixture("radiomics/artificial-export.csv");
    let further =
        ["--scanner", "Scanner", "--where", "Label=1", "--features", "original_*,*_Busyness"];
    let output = folder.convert(&asked(&export, &further)).succeeds();
    assert!(output.out.contains("7 features of 12 patients"), "{}", output.out);
    assert!(output.out.contains("1 row does not have what --where asks for"), "{}", output.out);
    for note in
        ["passed over, for they are no features: `Image`, `Mask`", "1 patient lacks a feature"]
    {
        assert!(output.log.contains(note), "{}", output.log);
    }
    let table = folder.read("table.csv");
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 13);
    assert_eq!(
        rows[0],
        [
            "patient",
            "scanner",
            "original_shape_MeshVolume",
            "original_shape_Sphericity",
            "original_firstorder_Energy",
            "original_firstorder_Mean",
            "original_glcm_Correlation",
            "original_glcm_Idm",
            "log-sigma-1-0-mm-3D_ngtdm_Busyness",
        ]
    );
    assert_eq!(rows[1][..2], ["artificial-1", "CT-B"]);
    assert_eq!(rows[8][8], "", "patient 8 lacks the field");
    // Nothing of how features were made, and no name of a file.
    assert!(!table.contains("nrrd") && !table.contains("binWidth"), "{table}");
}

#[test]
fn a_second_file_says_whose_scanner_is_which() {
    let folder = Folder::new();
    let export = fixture("radiomics/artificial-export.csv");
    let scanners = fixture("radiomics/artificial-scanners.csv");
    let further = ["--scanners", &scanners, "--where", "Label=1", "--json"];
    let told = folder.convert(&asked(&export, &further)).json();
    assert_eq!(told["scanners"]["GE Discovery"], 6);
    assert_eq!((&told["patients"], &told["passed_over"]), (&12.into(), &1.into()));
    assert_eq!((&told["from"], &told["draft"]), (&"radiomics".into(), &Value::Null));
    let columns = told["columns"].as_array().unwrap();
    let of = |name: &str| columns.iter().find(|own| own["name"] == name).unwrap();
    assert_eq!(of("scanner")["kind"], "category");
    assert_eq!(of("wavelet-LLH_glcm_Idm")["missing"], 1, "`nan` is missing");
    assert!(told["notes"].to_string().contains("says `nan`"), "{told}");
    assert!(folder.read("table.csv").contains("\nartificial-2,Siemens Biograph,"));
    // Who has no scanner there.
    folder.write("few.csv", "PatientID,scanner\nartificial-1,A\nartificial-1,A\n");
    let said = folder.convert(&asked(&export, &["--scanners", "few.csv", "--where", "Label=1"]));
    assert!(said.refusal().contains("patient `artificial-2` has no row in the file of --scanners"));
    folder.write("odd.csv", "PatientID,scanner\nartificial-1,A\nartificial-1,B\n");
    let said = folder.convert(&asked(&export, &["--scanners", "odd.csv"])).refusal();
    assert!(
        said.contains("line 3: patient `artificial-1` is of `B` here and of `A` before"),
        "{said}"
    );
}

/// The whole way: export, table, draft of the schema, sum over two hospitals, terms of each scanner.
#[test]
fn combat_takes_the_scanners_out_by_the_drafted_schema() {
    let folder = Folder::new();
    let export = fixture("radiomics/artificial-export.csv");
    let further = ["--scanner", "Scanner", "--where", "Label=1", "--schema", "draft.toml"];
    folder.convert(&asked(&export, &further)).succeeds();
    let draft = folder.read("draft.toml");
    for said in [
        "name = \"original_shape_Sphericity\"\nkind = \"numeric\"\nrange = [0, 1] # by its definition\n",
        "levels = [\"CT-A\", \"CT-B\"]",
        "# from the data: replace\nmissing = true",
        "rule S4",
    ] {
        assert!(draft.contains(said), "{said}\n{draft}");
    }
    let table: toml::Table = draft.parse().unwrap();
    let schema = Schema::from_toml(table["schema"].as_table().unwrap()).unwrap();
    // Two hospitals of six patients.
    let text = folder.read("table.csv");
    let lines: Vec<&str> = text.lines().collect();
    let (one, two) = lines[1..].split_at(6);
    let cohorts: Vec<_> = [one, two]
        .into_iter()
        .enumerate()
        .map(|(k, rows)| {
            let name = format!("{k}.csv");
            folder.write(&name, format!("{}\n{}\n", lines[0], rows.join("\n")));
            source::cohort(&folder.path(&name), &schema).unwrap()
        })
        .collect();
    let params = "columns = [\"original_*\"]\nbatch = \"scanner\"".parse().unwrap();
    let open = || registry::open("combat", 1, &params, &schema, &std::collections::BTreeMap::new());
    let mut sums = PlainSum::new(&cohorts, 100, 1, rand::rng(), open).unwrap();
    let found = drive(open().unwrap().as_mut(), &mut sums).unwrap();
    assert_eq!((&found["batch"], &found["n"]), (&"scanner".into(), &12.into()), "{found}");
    let levels: Vec<&Value> =
        found["batches"].as_array().unwrap().iter().map(|own| &own["level"]).collect();
    assert_eq!(levels, ["CT-A", "CT-B"]);
    let mean = found["features"].as_array().unwrap().iter();
    let mean = mean.take_while(|own| own["column"] != "original_firstorder_Mean").count();
    let shift = |batch: usize| found["batches"][batch]["gamma"][mean].as_f64().unwrap();
    assert!(shift(0) < 0.0 && shift(1) > 0.0, "CT-B was made 40 higher: {found}");
    // A draft that somebody may have edited is kept.
    let said = folder.convert(&asked(&export, &further)).refusal();
    assert!(said.contains("draft.toml") && said.contains("give another name"), "{said}");
}

/// An export of these lines, and what is said of it.
fn refusal(lines: &[&str], further: &[&str]) -> String {
    let folder = Folder::new();
    folder.write("e.csv", lines.join("\n") + "\n");
    let said = folder.convert(&asked("e.csv", further)).refusal();
    assert!(!folder.path("table.csv").exists(), "{said}");
    said
}

#[test]
fn what_is_wrong_with_an_export_is_told_with_its_line_and_nothing_is_written() {
    const HEADER: &str = "PatientID,Label,S,original_firstorder_Mean,original_glcm_Idm";
    let scanner = ["--scanner", "S"];
    let cases: &[(&[&str], &[&str], &str)] = &[
        (&[HEADER, "a,1,X,1.5,0.5", "a,2,X,2.5,0.5"], &scanner, "line 3: patient `a` has a row"),
        (
            &[HEADER, "a,1,X,1.5,0.5", "a,2,X,2.5,0.5"],
            &scanner,
            "which image and mask count (`Label`)",
        ),
        (
            &[HEADER, "a,1,X,\"1,5\",0.5"],
            &scanner,
            "`original_firstorder_Mean`: `1,5` is no finite",
        ),
        (&[HEADER, "a,1,X,\"1,5\",0.5"], &scanner, "write a decimal point"),
        (&[HEADER, "a,1,X,inf,0.5"], &scanner, "`inf` is no finite number"),
        (&[HEADER, "a,1,X,[1.5],0.5"], &scanner, "empty the field if it is missing"),
        (&[HEADER, "a,1, ,1.5,0.5"], &scanner, "line 2: names no scanner"),
        (&[HEADER, ",1,X,1.5,0.5"], &scanner, "line 2: its id has to have"),
        (&[HEADER, "a,1,X,1.5"], &scanner, "line: 2"),
        (&[HEADER], &scanner, "no row is left of 0"),
        (&[HEADER, "a,1,X,1.5,0.5"], &["--where", "Label=2"], "no row is left of 1"),
        (&[HEADER, "a,1,X,1.5,0.5"], &["--where", "Mask=2"], "no column `Mask` (--where)"),
        (&[HEADER, "a,1,X,1.5,0.5"], &["--scanner", "CT"], "no column `CT` (--scanner)"),
        (&[HEADER, "a,1,X,1.5,0.5"], &["--features", "wavelet*"], "called as `wavelet*`"),
        (&["PatientID,Label", "a,1"], &[], "no column that is called as a feature"),
        (&["Id,original_glcm_Idm", "a,1"], &[], "no column `PatientID` (--patient); it has `Id`"),
        (&["PatientID,S,S", "a,1,1"], &[], "two columns are called `S`"),
        (&["PatientID;original_glcm_Idm", "a;1"], &[], "separate columns by commas"),
        // The rows behind it would be a part of the note.
        (
            &["PatientID,original_firstorder_Mean,note", "1,2,a", "2,3,\"b", "3,4,c"],
            &[],
            "line 3: a quote opens a field and nothing closes it",
        ),
        (&[HEADER, "a,1,\"X\"Y,1.5,0.5"], &scanner, "line 2: a quote stands within a field"),
    ];
    for (lines, further, says) in cases {
        let said = refusal(lines, further);
        assert!(said.contains(says), "{lines:?}: {said}");
    }
    let rows: Vec<String> = (0..30).map(|k| format!("p{k},1,X,x,y")).collect();
    let lines: Vec<&str> = [HEADER].into_iter().chain(rows.iter().map(String::as_str)).collect();
    let said = refusal(&lines, &scanner);
    assert!(
        said.contains("and 40 more") && said.contains("60 faults; nothing was written"),
        "{said}"
    );
}

#[test]
fn what_is_odd_with_an_export_is_noted() {
    let header = "diagnostics_Versions_PyRadiomics,p,s,original_firstorder_Mean,original_glcm_Id,\
                  original_glcm_Idm,original_glcm_Idn";
    let folder = Folder::new();
    folder.write(
        "e.csv",
        format!(
            "{header}\nv3.0.1,a,CT A,1,0.5,0.25,\nv3.0.1,b,ct-a,1,0.5,0.75,\nv2.2.0,c,CT-B,1,0.5,0.5,\n"
        ),
    );
    let own = ["radiomics", "e.csv", "--patient", "p", "--out", "t.csv", "--scanner", "s"];
    let draft = ["--schema", "draft.toml"];
    let log = folder.convert(&[&own[..], &draft].concat()).succeeds().log;
    for note in [
        "`diagnostics_Versions_PyRadiomics` differs between rows (2 ways)",
        "1 feature has no value: keep other features, for nothing can be learnt from such \
         (`original_glcm_Idn`)",
        "2 features have the same value in all rows",
        "fewer than 5 patients are of `CT A`, `CT-B`, `ct-a`",
        "is written in several ways; is it one scanner?",
        "3 patients lack a feature",
    ] {
        assert!(log.contains(note), "{note}: {log}");
    }
    // What nothing can be said of is not in the schema, and is not in its way.
    let draft = folder.read("draft.toml");
    assert!(draft.contains("ignore = [\"original_glcm_Idn\"]"), "{draft}");
    // One image under two names.
    folder.write("e.csv", format!("{header}\nv3,a,A,1.5,0.5,0.25,0.1\nv3,b,A,1.5,0.5,0.25,0.1\n"));
    let log = folder.convert(&own).succeeds().log;
    assert!(
        log.contains("as line 3 those of line 2: is it one image under two patients?"),
        "{log}"
    );
    assert!(log.contains("all images are of one scanner"), "{log}");
    let log = folder.convert(&own[..6]).succeeds().log;
    assert!(log.contains("no scanner was named"), "{log}");
}
