//! A German hospital's export from the clinic's system to an analysis: read rightly, or refused with
//! file, line, column and what to do; never analysed as something that it is not.

mod common;

use std::fmt::Write as _;
use std::path::Path;

use assert_cmd::Command;

/// What a run left: code, standard output, messages.
fn haima(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(common::program());
    let output = command.current_dir(folder).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, log) = (text(output.stdout), text(output.stderr));
    assert!(!log.contains("panicked"), "{log}");
    (output.status.code().unwrap(), out, log)
}

fn succeeds(folder: &Path, arguments: &[&str]) -> String {
    let (code, out, log) = haima(folder, arguments);
    assert_eq!(code, 0, "{arguments:?}\n{log}");
    out
}

fn refused(folder: &Path, arguments: &[&str], code: i32) -> String {
    let (own, out, log) = haima(folder, arguments);
    assert_eq!(own, code, "{arguments:?}\n{out}{log}");
    log
}

/// Ninety made-up patients with a date of diagnosis and of the last contact, in Windows-1252.
fn export() -> Vec<u8> {
    std::fs::read(common::repository("tests/clean/artificial-klinik.csv")).unwrap()
}

const CLEAN: [&str; 19] = [
    "data",
    "clean",
    "export.csv",
    "--out",
    "clean.csv",
    "--encoding",
    "windows-1252",
    "--decimal",
    ",",
    "--missing",
    "k.A.,Krea=-99",
    "--flag",
    "Verstorben=ja/nein",
    "--rename",
    "Alter bei Diagnose=Alter [years]",
    "--rename",
    "H\u{e4}moglobin (g/dL)=Hb [g/dL]",
    "--interval",
    "FU_Tage=Diagnose..Letzter Kontakt",
];
const COX: [&str; 10] = [
    "stats",
    "cox",
    "--time",
    "FU_Tage",
    "--event",
    "Verstorben",
    "--covariates",
    "Alter, Hb, Geschlecht",
    "--json",
    "--data",
];

#[test]
fn an_export_is_refused_with_what_to_do_until_it_is_in_order_and_then_analysed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("export.csv"), export()).unwrap();
    // Every command says the same of the separator.
    for arguments in [
        &["data", "infer", "export.csv"][..],
        &["stats", "table1", "--data", "export.csv", "--deal", "3", "--columns", "Krea"],
    ] {
        let log = refused(folder, arguments, 4);
        assert!(log.contains("line 1: separate columns by commas, not by semicolons"), "{log}");
        assert!(log.contains("haima data clean export.csv --out CLEAN.csv"), "{log}");
    }
    // Letters first, then everything else by line and column.
    let plain = ["data", "clean", "export.csv", "--out", "clean.csv"];
    assert!(refused(folder, &plain, 4).contains("--encoding windows-1252"));
    let log = refused(folder, &[&plain[..], &CLEAN[5..9]].concat(), 4);
    for expected in [
        "line 2, column `Diagnose`: `01.01.2020` is a date",
        "line 19, column `Hämoglobin (g/dL)`: `k.A.` looks like a missing value",
        "line 22, column `Krea`: `-99` looks like a code",
    ] {
        assert!(log.contains(expected), "{expected}\n{log}");
    }
    assert!(!folder.join("clean.csv").exists());

    let said = succeeds(folder, &CLEAN);
    assert!(said.contains("export.csv: 90 rows, windows-1252, semicolons"), "{said}");
    assert!(said.contains("yes and no written as 1 and 0: 90"), "{said}");
    let clean = std::fs::read_to_string(folder.join("clean.csv")).unwrap();
    let head = "Pat-Nr,Alter [years],Geschlecht,Hb [g/dL],Krea,Verstorben,FU_Tage [days]\n\
                1000,40.5,m,7.0,0.6,1,31\n";
    assert!(clean.starts_with(head), "{clean}");
    let mode = std::fs::metadata(folder.join("clean.csv")).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    assert_eq!(std::fs::read(folder.join("export.csv")).unwrap(), export());

    let fit = succeeds(folder, &[&COX[..], &["clean.csv", "--deal", "3"]].concat());
    let fit: serde_json::Value = serde_json::from_str(&fit).unwrap();
    let terms: Vec<&str> =
        fit["terms"].as_array().unwrap().iter().map(|own| own["name"].as_str().unwrap()).collect();
    assert_eq!(terms, ["Alter", "Hb", "Geschlechtw"]);
    assert_eq!(fit["n"], 89);
    // Strict intake takes it, once a schema says what its columns are.
    succeeds(folder, &["data", "infer", "clean.csv", "--out", "schema.toml"]);
    let check = succeeds(folder, &["data", "check", "clean.csv", "--schema", "schema.toml"]);
    assert!(check.contains("No faults"), "{check}");
}

#[test]
fn a_file_a_hospital_is_the_same_as_one_file_with_their_column() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("export.csv"), export()).unwrap();
    succeeds(folder, &CLEAN);
    let clean = std::fs::read_to_string(folder.join("clean.csv")).unwrap();
    let (head, rows) = clean.split_once('\n').unwrap();
    let mut pooled = format!("Klinik,{head}\n");
    for (at, name) in ["ulm", "mainz", "koeln"].into_iter().enumerate() {
        let mut own = format!("{head}\n");
        for row in rows.lines().skip(at).step_by(3) {
            let _ = writeln!(own, "{row}");
            let _ = writeln!(pooled, "{name},{row}");
        }
        std::fs::write(folder.join(format!("{name}.csv")), own).unwrap();
    }
    std::fs::write(folder.join("pooled.csv"), pooled).unwrap();
    let files = ["ulm.csv", "--data", "mainz.csv", "--data", "koeln.csv", "--pooled"];
    let each = succeeds(folder, &[&COX[..], &files].concat());
    let one = succeeds(folder, &[&COX[..], &["pooled.csv", "--site", "Klinik"]].concat());
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let (each, one) = (read(&each), read(&one));
    assert_eq!((&each["sites"], &each["n"]), (&3.into(), &one["n"]));
    for term in 0..3 {
        let coef = |fit: &serde_json::Value| fit["terms"][term]["coef"].as_f64().unwrap();
        assert!((coef(&each) - coef(&one)).abs() < 1e-9);
    }
    assert!(each["pooled"]["max_difference"]["value"].as_f64().unwrap() < 1e-9);
    let both = [&COX[..], &files, &["--deal", "3"]].concat();
    assert!(refused(folder, &both, 3).contains("several files are a hospital each"));
    // A fault of one file is told with that file and its line.
    let broken =
        std::fs::read_to_string(folder.join("mainz.csv")).unwrap().replacen(",w,", ",k.A.,", 1);
    std::fs::write(folder.join("mainz.csv"), broken).unwrap();
    let log = refused(folder, &[&COX[..], &files].concat(), 4);
    assert!(log.contains("mainz.csv: line 2, column `Geschlecht`: `k.A.` looks like"), "{log}");
}

/// Everything that was once analysed as levels, or refused without a place.
#[test]
fn what_a_column_is_not_is_told_by_stats_with_file_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows: String = (0..60)
        .map(|i| {
            let time = if i == 3 { -3 } else { 10 + i * 7 % 50 };
            let gew = if i % 3 == 0 { "\"1,5\"".to_owned() } else { format!("{}", 1 + i % 4) };
            let tod = if i % 4 == 0 { "ja" } else { "nein" };
            let (code, lab) = (1 + i % 2, if i == 5 { -99 } else { i % 9 });
            format!(
                "{},{gew},{},{tod},{code},{},0{}.04.2021,{lab},x\n",
                i % 2,
                time.max(1),
                time,
                1 + i % 9
            )
        })
        .collect();
    let head = "ereignis,gew,t,tod,code,t_alt,datum,lab,Alter bei Diagnose\n";
    std::fs::write(folder.join("m.csv"), format!("{head}{rows}")).unwrap();
    let cox = |time: &str, event: &str, covariates: &str| {
        let options = ["stats", "cox", "--data", "m.csv", "--deal", "3", "--time", time];
        let rest = ["--event", event, "--covariates", covariates];
        refused(folder, &[&options[..], &rest].concat(), 4)
    };
    for (log, expected) in [
        (cox("t", "ereignis", "gew"), "m.csv: line 2, column `gew`: `1,5` has a comma"),
        (cox("t", "ereignis", "datum"), "column `datum`: `01.04.2021` is a date"),
        (cox("t", "ereignis", "lab"), "m.csv: line 7, column `lab`: `-99` looks like a code"),
        (cox("t_alt", "ereignis", "tod"), "m.csv: line 5, column `t_alt`: `-3` is a time below 0"),
        (cox("t", "tod", "lab"), "--flag tod=ja/nein"),
        (cox("t", "tod", "code"), "has `ja` (line 2) and `nein` (line 3)"),
        (cox("t", "code", "tod"), "--flag code=1/2, the value of the event first"),
        (cox("t", "ereignis", "Alter bei Diagnose"), "call the column \"Alter_bei_Diagnose\""),
    ] {
        assert!(log.contains(expected), "{expected}\n{log}");
    }
    // A header that nobody asks for stops nothing.
    let table =
        ["stats", "table1", "--data", "m.csv", "--deal", "3", "--columns", "code,tod", "--pooled"];
    succeeds(folder, &table);
    let network =
        ["stats", "km", "--data", "m.csv", "--deal", "3", "--time", "t", "--event", "ereignis"];
    let nodes = ["--grid", "5", "--sum", "nodes", "--nodes", "2"];
    succeeds(folder, &[&network[..], &nodes].concat());
    // A workbook by any name.
    std::fs::write(folder.join("m.xlsx"), b"PK\x03\x04\x14\x00\x06\x00").unwrap();
    for arguments in
        [&["data", "infer", "m.xlsx"][..], &["data", "clean", "m.xlsx", "--out", "o.csv"]]
    {
        let log = refused(folder, arguments, 4);
        assert!(log.contains("Excel") && log.contains("CSV UTF-8"), "{log}");
    }
}

#[test]
fn data_infer_says_on_the_screen_what_a_program_would_take_for_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows: String = (0..30)
        .map(|i| format!("{i},\"{},5\",{}\n", 1 + i % 4, if i == 9 { -99 } else { i % 7 }))
        .collect();
    std::fs::write(folder.join("m.csv"), format!("pat_nr,gew,lab\n{rows}")).unwrap();
    let (code, draft, log) = haima(folder, &["data", "infer", "m.csv"]);
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("look at `gew`: line 2: `1,5` has a comma"), "{log}");
    assert!(log.contains("look at `lab`: line 11: `-99` looks like a code"), "{log}");
    assert!(draft.contains("patient = \"pat_nr\"") && !draft.contains("-100"), "{draft}");
}

#[test]
fn an_export_is_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("a.csv"), "id;x\n1;2\n").unwrap();
    let log = refused(folder, &["data", "clean", "a.csv", "--out", "./a.csv"], 3);
    assert!(log.contains("is the export itself"), "{log}");
    let log = refused(folder, &["data", "clean", "a.csv", "--out", "b.csv", "--flag", "y=1/2"], 2);
    assert!(log.contains("--flag: no column \"y\"; it has id, x"), "{log}");
}
