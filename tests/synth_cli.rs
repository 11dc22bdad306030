//! `haima synth fit`, `sample` and `report` as a user runs them, on 1,043 patients with acute leukaemia
//! in 24 districts.

mod common;

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use common::repository;
use haima::model_file::{Guarantee, Noise, Provenance};
use haima::synth::file::SynthFile;
use haima_crypto::encode::Digest;
use serde_json::Value;
use tempfile::TempDir;

const DATA: &str = "data/leuksurv.csv";
const SCHEMA: &str = "data/leuksurv.study.toml";

/// What a run left.
struct Output {
    success: bool,
    out: String,
    log: String,
}

impl Output {
    fn succeeds(self) -> String {
        assert!(self.success, "{}", self.log);
        self.out
    }

    fn json(self) -> Value {
        serde_json::from_str(&self.succeeds()).unwrap()
    }

    /// What a refusal says.
    fn refusal(self) -> String {
        assert!(!self.success && self.out.is_empty(), "{}", self.out);
        assert!(!self.log.contains("panicked"), "{}", self.log);
        self.log
    }
}

/// The program in the repository's folder.
fn haima(arguments: &[&str]) -> Output {
    let mut command = Command::new(common::program());
    let output = command.current_dir(repository(".")).args(arguments).output().unwrap();
    Output {
        success: output.status.success(),
        out: String::from_utf8(output.stdout).unwrap(),
        log: String::from_utf8(output.stderr).unwrap(),
    }
}

/// `haima synth fit` over the districts, with further options.
fn fit(options: &[&str]) -> Output {
    let own = ["synth", "fit", "--data", DATA, "--site", "district", "--schema", SCHEMA];
    haima(&[&own[..], options].concat())
}

/// A folder with a generator in it.
struct Model {
    folder: TempDir,
}

const SURVIVAL: [&str; 2] = ["--survival", "time_days,death"];
const PRIVATE: [&str; 4] = ["--epsilon", "3", "--delta", "1e-5"];
const EXACT: [&str; 3] = ["--exact", "--method", "mst"];

impl Model {
    fn new(options: &[&str]) -> Self {
        let model = Self { folder: tempfile::tempdir().unwrap() };
        let path = model.path("model.haima");
        fit(&[options, &SURVIVAL, &["--out", text(&path)]].concat()).succeeds();
        model
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn sample(&self, out: &str, options: &[&str]) -> Output {
        let (model, out) = (self.path("model.haima"), self.path(out));
        let own = ["synth", "sample", text(&model), "--out", text(&out)];
        haima(&[&own[..], options].concat())
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    fn provenance(&self, name: &str) -> Value {
        serde_json::from_slice(&self.read(name)).unwrap()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Rows of a CSV by column.
fn column(bytes: &[u8], name: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(bytes);
    let at = reader.headers().unwrap().iter().position(|own| own == name).unwrap();
    reader.records().map(|row| row.unwrap()[at].to_owned()).collect()
}

fn numbers(bytes: &[u8], name: &str) -> Vec<f64> {
    column(bytes, name).iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn a_private_generator_gives_virtual_patients_that_say_where_they_come_from() {
    let model = Model::new(&PRIVATE);
    let said = model.sample("virtual.csv", &["--rows", "500", "--seed", "7"]).succeeds();
    assert!(said.contains("500 virtual patients like those of leuksurv"), "{said}");
    let rows = model.read("virtual.csv");
    assert_eq!(column(&rows, "patient")[499], "synthetic-500");
    let ages = numbers(&rows, "age");
    assert!(ages.iter().all(|age| (0.0..=110.0).contains(age) && age.fract() == 0.0));
    // Adults with leukaemia are not of every age alike.
    let mean = ages.iter().sum::<f64>() / 500.0;
    assert!((50.0..72.0).contains(&mean), "{mean}");
    assert!(column(&rows, "death").iter().all(|flag| flag == "0" || flag == "1"));

    let provenance = model.provenance("virtual.csv.provenance.json");
    assert_eq!(provenance["schema"], "haima.virtual-cohort/1");
    assert_eq!((&provenance["synthetic"], &provenance["rows"]), (&true.into(), &500.into()));
    assert_eq!(provenance["row_seed"], 7);
    let privacy = &provenance["privacy"];
    let epsilon = privacy["epsilon"].as_f64().unwrap();
    assert!((2.9..=3.0).contains(&epsilon) && privacy["delta"] == 1e-5, "{privacy}");
    assert_eq!(privacy["unit"], "patient");
    assert!(privacy["adversary"].as_str().unwrap().starts_with("all nodes but one"), "{privacy}");
    assert_eq!(provenance["model"]["digest"].as_str().unwrap().len(), 64);
    // SHA3-256 as any program computes it: FIPS 202's value of no bytes, and that of the file.
    let nothing = "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a";
    assert_eq!(Digest::of(b"").to_string(), nothing);
    assert_eq!(provenance["digest"], Digest::of(&rows).to_string());
    // The row sampler's seed, and no other.
    let seeds = provenance.to_string().matches("seed").count();
    assert_eq!(seeds, 1, "{provenance}");
}

#[test]
fn the_same_seed_makes_the_same_file_and_another_seed_another() {
    let model = Model::new(&EXACT);
    model.sample("a.csv", &["--rows", "200", "--seed", "1"]).succeeds();
    model.sample("b.csv", &["--rows", "200", "--seed", "1"]).succeeds();
    model.sample("c.csv", &["--rows", "200", "--seed", "2"]).succeeds();
    model.sample("d.csv", &["--rows", "200"]).succeeds();
    let [a, b, c, d] = ["a.csv", "b.csv", "c.csv", "d.csv"].map(|name| model.read(name));
    assert!(a == b && a != c && a != d && c != d);
    // A seed that was drawn is written down, and makes the same rows again.
    let drawn = model.provenance("d.csv.provenance.json")["row_seed"].to_string();
    model.sample("e.csv", &["--rows", "200", "--seed", &drawn]).succeeds();
    assert_eq!(model.read("e.csv"), d);
}

#[test]
fn conditions_hold_of_every_virtual_patient() {
    let model = Model::new(&EXACT);
    let asked = ["--where", "age >= 63", "--where", "male = 1", "--where", "time_days < 400"];
    let said = model.sample("some.csv", &[&asked[..], &["--rows", "200"]].concat()).succeeds();
    assert!(said.contains("of the model's patients"), "{said}");
    let rows = model.read("some.csv");
    assert_eq!(numbers(&rows, "age").len(), 200);
    assert!(numbers(&rows, "age").iter().all(|age| *age >= 63.0));
    assert!(column(&rows, "male").iter().all(|male| male == "1"));
    assert!(numbers(&rows, "time_days").iter().all(|time| *time < 400.0));
    let conditions = &model.provenance("some.csv.provenance.json")["conditions"];
    assert_eq!(conditions[0], "age >= 63");

    for (condition, says) in [
        ("age > 200", "public range is 0 to 110"),
        ("district = 3", "no column `district`"),
        ("death = yes", "compare it with 0 or 1"),
    ] {
        let said = model.sample("none.csv", &["--where", condition]).refusal();
        assert!(said.contains(says), "{condition}: {said}");
    }
    assert!(!model.path("none.csv").exists());
}

#[test]
fn exact_fits_are_one_and_the_same_and_noise_is_drawn_anew() {
    let total = |options: &[&str]| {
        let found = fit(&[options, &SURVIVAL, &["--json"]].concat()).json();
        assert_eq!(found["schema"], "haima.synth-fit/1");
        assert_eq!((&found["sites"], &found["model"]), (&24.into(), &Value::Null));
        found
    };
    let [one, other] = [(); 2].map(|()| total(&EXACT));
    assert_eq!(one, other);
    assert_eq!(one["total"], 1043.0);
    assert_eq!(one["privacy"]["class"], "exact");
    let pairs = one["measured"].as_array().unwrap().iter();
    let pairs = pairs.filter(|table| table["attributes"].as_array().unwrap().len() == 2).count();
    // Enough for a tree over five attributes: age, male, wbc, tpi, and time by death.
    assert!(pairs >= 4, "{pairs}");

    let [one, other] = [(); 2].map(|()| total(&PRIVATE));
    assert_ne!(one["total"], other["total"], "the noise is the same twice");
    assert_eq!(one["privacy"]["simulated"], true);
    assert_eq!(one["privacy"]["noise"]["attempts"], one["rounds"].as_u64().unwrap() + 1);
}

#[test]
fn parquet_has_types_nulls_and_the_provenance_inside() {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    let model = Model::new(&EXACT);
    let options = ["--rows", "50", "--seed", "3"];
    model.sample("v.parquet", &options).succeeds();
    model.sample("v.csv", &options).succeeds();
    let reader =
        SerializedFileReader::new(std::fs::File::open(model.path("v.parquet")).unwrap()).unwrap();
    let metadata = reader.metadata().file_metadata();
    assert_eq!(metadata.num_rows(), 50);
    let kept = metadata.key_value_metadata().unwrap().iter();
    let kept = kept.filter(|pair| pair.key == "haima.provenance").collect::<Vec<_>>();
    let kept: Value = serde_json::from_str(kept[0].value.as_deref().unwrap()).unwrap();
    let beside = model.provenance("v.parquet.provenance.json");
    assert_eq!((&kept["model"], &kept["row_seed"]), (&beside["model"], &3.into()));
    // The same patients as in the CSV.
    let ages: Vec<f64> = reader
        .get_row_iter(None)
        .unwrap()
        .map(|row| {
            let row = row.unwrap();
            let found =
                row.get_column_iter().find(|(name, _)| *name == "age").unwrap().1.to_string();
            found.parse().unwrap()
        })
        .collect();
    assert_eq!(ages, numbers(&model.read("v.csv"), "age"));
}

#[test]
fn phenopackets_are_one_file_a_virtual_patient_and_say_that_they_are_synthetic() {
    let model = Model::new(&EXACT);
    model.sample("packets", &["--rows", "5", "--seed", "3"]).succeeds();
    let found: Value = model.provenance("packets/synthetic-5.json");
    assert_eq!(
        (&found["id"], &found["subject"]["id"]),
        (&"synthetic-5".into(), &"synthetic-5".into())
    );
    assert!(["MALE", "FEMALE"].contains(&found["subject"]["sex"].as_str().unwrap()));
    let meta = &found["metaData"];
    assert_eq!(meta["phenopacketSchemaVersion"], "2.0");
    assert!(meta["submittedBy"].as_str().unwrap().starts_with("SYNTHETIC"), "{meta}");
    let described = meta["externalReferences"][0]["description"].as_str().unwrap();
    assert!(described.contains("No row is a patient"), "{described}");
    assert_eq!(model.provenance("packets/provenance.json")["rows"], 5);
    let files = std::fs::read_dir(model.path("packets")).unwrap().count();
    assert_eq!(files, 6);
}

#[test]
fn a_folder_keeps_the_phenopackets_of_one_run_alone() {
    let model = Model::new(&EXACT);
    // What is not of a run is nobody's business.
    std::fs::create_dir(model.path("packets")).unwrap();
    std::fs::write(model.path("packets/notes.txt"), "ours").unwrap();
    model.sample("packets", &["--rows", "5", "--seed", "3"]).succeeds();
    let refused = || {
        let said = model.sample("packets", &["--rows", "2", "--seed", "4"]).refusal();
        assert!(said.contains("name another folder"), "{said}");
    };
    refused();
    assert_eq!(model.provenance("packets/provenance.json")["rows"], 5);
    // Either of the two is enough.
    let kept = model.read("packets/synthetic-5.json");
    for patient in 1..=5 {
        std::fs::remove_file(model.path(&format!("packets/synthetic-{patient}.json"))).unwrap();
    }
    refused();
    std::fs::remove_file(model.path("packets/provenance.json")).unwrap();
    std::fs::write(model.path("packets/synthetic-5.json"), kept).unwrap();
    refused();
    std::fs::remove_file(model.path("packets/synthetic-5.json")).unwrap();
    model.sample("packets", &["--rows", "2", "--seed", "4"]).succeeds();
}

#[test]
fn a_generator_whose_sums_are_not_those_of_its_promise_is_refused() {
    let [private, exact] = [&PRIVATE[..], &EXACT].map(|options| {
        let file = SynthFile::read(&Model::new(options).path("model.haima")).unwrap().0;
        file.open().unwrap();
        file
    });
    let refused = |file: &SynthFile, says: &str| {
        let said = file.open().unwrap_err().to_string();
        assert!(said.contains(says), "{said}");
    };
    let under = |file: &SynthFile, other: &SynthFile| {
        let privacy = other.provenance.privacy.clone();
        SynthFile { provenance: Provenance { privacy, ..file.provenance.clone() }, ..file.clone() }
    };
    refused(&under(&exact, &private), "its sums were exact");
    refused(&under(&private, &exact), "its sums were noised");

    let mut bare = private.clone();
    bare.generator["measured"][1]["sd"] = serde_json::json!(0.0);
    refused(&bare, "a table has no noise");
    let Guarantee::Dp { noise, .. } = &private.provenance.privacy else {
        panic!("a private fit has no promise")
    };
    let mut long = private.clone();
    long.generator["rounds"] = noise.attempts.into();
    long.open().unwrap();
    long.generator["rounds"] = (noise.attempts + 1).into();
    refused(&long, "its provenance charges");

    type Change = fn(&mut f64, &mut Noise);
    let changes: [(Change, &str); 4] = [
        (|epsilon, _| *epsilon = 0.001, "its own noise gives"),
        (|_, noise| noise.s *= 100, "a table has less noise"),
        (|_, noise| noise.sensitivity = 0, "a sensitivity of 0"),
        (|epsilon, noise| (*epsilon, noise.sensitivity) = (0.001, 1), "its task has"),
    ];
    for (change, says) in changes {
        let mut file = private.clone();
        if let Guarantee::Dp { epsilon, noise, .. } = &mut file.provenance.privacy {
            change(epsilon, noise);
        }
        refused(&file, says);
    }
}

#[test]
fn the_report_shows_both_sides_under_the_guarantee() {
    let model = Model::new(&PRIVATE);
    let (path, page) = (model.path("model.haima"), model.path("report.html"));
    let own = ["synth", "report", text(&path), "--data", DATA, "--site", "district", "--seed", "5"];
    let options = ["--by", "male", "--covariates", "age,male", "--out", text(&page), "--json"];
    let found = haima(&[&own[..], &options].concat()).json();
    assert_eq!(found["schema"], "haima.synth-report/1");
    assert_eq!(found["sample"]["seed"], 5);
    assert_eq!(found["fidelity"]["n"], 1043.0);
    let curves = found["survival"].as_array().unwrap();
    assert_eq!(curves.len(), 2, "all, and by sex");
    assert_eq!(curves[0]["real"]["n"], 1043);
    assert_eq!(curves[0]["synthetic"]["n"], 2000);
    let terms = found["ratios"][0]["real"]["terms"].as_array().unwrap();
    assert_eq!(terms.len(), 2);
    let c = |side: &str| found["utility"][0][side]["value"].as_f64().unwrap();
    assert!(c("real") > 0.55 && c("synthetic") > 0.5, "{} {}", c("real"), c("synthetic"));
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("What is guaranteed") && !page.contains("<script"), "no such page");
}

#[test]
fn the_report_says_what_an_attack_on_membership_finds() {
    let private = ["--epsilon", "1", "--delta", "1e-5", "--method", "mst"];
    for (options, noised) in [(&EXACT[..], false), (&private[..], true)] {
        let model = Model::new(options);
        let (path, page) = (model.path("model.haima"), model.path("report.html"));
        let own = ["synth", "report", text(&path), "--data", DATA, "--site", "district"];
        let asked = ["--rows", "200", "--seed", "5", "--covariates", "age", "--json"];
        let report = |more: &[&str]| haima(&[&own[..], &asked, more].concat());
        let output = report(&["--attack", "20", "--out", text(&page)]);
        let all = if noised { 40 } else { 20 };
        assert!(output.log.contains(&format!("{all} of {all} generators")), "{}", output.log);
        let found = output.json()["membership"].clone();
        assert_eq!(found["refits"], 20);
        let auc = |share: &Value| share["value"].as_f64().unwrap();
        // Without noise the rarest patient's pairs of values are in the model or not.
        let open = if noised { &found["positive_control"] } else { &found["auc"] };
        assert!(auc(open) > 0.8, "{found}");
        assert!((0.0..=1.0).contains(&auc(&found["auc"])), "{found}");
        assert_eq!(found["positive_control"].is_null(), !noised);
        let power = found["power"].as_str().unwrap();
        assert_eq!(power.contains("Under this noise no attack"), noised, "{power}");
        let page = std::fs::read_to_string(page).unwrap();
        for said in ["Guessing who was in the data", "Generators fitted for it", power] {
            assert!(page.contains(said), "{said}");
        }
        if !noised {
            assert_eq!(report(&[]).json()["membership"], Value::Null);
            let said = report(&["--attack", "19"]).refusal();
            assert!(said.contains("20 to 10000"), "{said}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_summed() {
    let out = ["--out", "nowhere.haima"];
    let said = fit(&[&out[..], &EXACT, &["--columns", "age,weight"]].concat()).refusal();
    assert!(said.contains("no column `weight`"), "{said}");
    let said = fit(&[&out[..], &EXACT, &["--survival", "time_days"]].concat()).refusal();
    assert!(said.contains("write TIME,EVENT"), "{said}");
    let said = fit(&out).refusal();
    assert!(said.contains("--epsilon"), "{said}");
    let said = fit(&[&PRIVATE[..], &["--out", "no/such/folder/m.haima"]].concat()).refusal();
    assert!(said.contains("there is no such folder"), "{said}");
    let said = fit(&[&out[..], &["--epsilon", "1", "--delta", "0.5"]].concat()).refusal();
    assert!(said.contains("delta"), "{said}");

    let without = ["synth", "fit", "--data", DATA, "--site", "district"];
    let said = haima(&[&without[..], &out, &PRIVATE].concat()).refusal();
    assert!(said.contains("public --schema"), "{said}");
    let said = haima(&[&without[..], &out, &EXACT].concat()).refusal();
    assert!(said.contains("--columns"), "{said}");
    assert!(!repository("nowhere.haima").exists());
}

#[test]
fn a_promise_rests_on_the_public_numbers_of_the_studys_template() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.toml");
    let whole = std::fs::read_to_string(repository(SCHEMA)).unwrap();
    let fit_by = |line: &str, options: &[&str]| {
        std::fs::write(&path, format!("{line}\n{whole}")).unwrap();
        let own = ["synth", "fit", "--data", DATA, "--schema", text(&path), "--json"];
        haima(&[&own[..], &PRIVATE, options].concat())
    };
    let [one, two] = ["", "hospitals_per_patient = 2"]
        .map(|line| fit_by(line, &["--method", "mst"]).json()["privacy"].clone());
    let of = |privacy: &Value| privacy["noise"]["sensitivity"].as_u64().unwrap();
    assert_eq!(of(&two), 2 * of(&one));
    assert!(two["adjacency"].as_str().unwrap().ends_with("at up to 2 hospitals"), "{two}");
    let said = fit_by("", &["--deal", "3"]).refusal();
    assert!(said.contains("more patients than the 120"), "{said}");
    assert!(said.contains("(`max_patients`)"), "{said}");
    // Whatever its data: no hospital is left out under noise, and none is named.
    let said = fit_by("", &["--min-sites", "30"]).refusal();
    assert!(said.contains("a sum needs 30 hospitals (--min-sites), and there are 24"), "{said}");
}

#[test]
fn a_task_file_says_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("task.toml");
    let task = |params: &str| {
        let content = format!(
            "[task]\nname = \"synthesize\"\nversion = 1\n\n[params]\nmethod = \"mst\"\n{params}\n\
             [privacy]\nexact = true\n"
        );
        std::fs::write(&path, content).unwrap();
        fit(&["--task", text(&path), "--json"])
    };
    let found = task(
        "columns = [\"age\", \"male\"]\nbins = { age = [40, 60] }\n\
         survival = [{ time = \"time_days\", event = \"death\", cuts = 5 }]\nholdout = 0.2\nseed = 4\n",
    )
    .json();
    let levels: Vec<u64> = (found["attributes"].as_array().unwrap().iter())
        .map(|own| own["levels"].as_u64().unwrap())
        .collect();
    assert_eq!(levels, [3, 2, 10]);
    let total = found["total"].as_f64().unwrap();
    assert!((750.0..920.0).contains(&total), "a fifth is kept out: {total}");
    let said = task("bins = { age = [40, 600] }\n").refusal();
    assert!(said.contains("task.toml") && said.contains("public range"), "{said}");
    let said = task("bims = { age = 3 }\n").refusal();
    assert!(said.contains("bims"), "{said}");
}

#[test]
fn a_file_that_is_no_generator_or_was_changed_is_refused() {
    let model = Model::new(&EXACT);
    let whole = model.read("model.haima");
    let refused = |bytes: &[u8]| {
        std::fs::write(model.path("model.haima"), bytes).unwrap();
        model.sample("x.csv", &[]).refusal()
    };
    assert!(refused(b"no zip").contains("is no model file"));
    refused(&whole[..whole.len() / 2]);
    // A byte of the generator's numbers.
    let mut changed = whole.clone();
    let at = whole.windows(7).position(|window| window == b"\"model\"").unwrap();
    let digit = changed[at..].iter().position(u8::is_ascii_digit).unwrap() + at;
    changed[digit] = if changed[digit] == b'1' { b'2' } else { b'1' };
    let said = refused(&changed);
    assert!(said.contains("digest") || said.contains("checksum"), "{said}");
    std::fs::write(model.path("model.haima"), whole).unwrap();
    model.sample("x.csv", &["--rows", "3"]).succeeds();
    assert!(model.sample("x.xlsx", &[]).refusal().contains("ends in .csv or .parquet"));
    assert!(model.sample("x.csv", &["--rows", "0"]).refusal().contains("ask for 1 to"));
}

#[test]
fn a_generator_is_fitted_by_the_protocols_processes_under_noise() {
    for (sum, hospitals, against) in [
        ("nodes", "3", "against all nodes but one"),
        ("masked", "5", "against the coordinator with up to "),
    ] {
        let folder = TempDir::new().unwrap();
        let out = folder.path().join("model.haima");
        let data = ["synth", "fit", "--data", DATA, "--deal", hospitals, "--sum", sum];
        let schema = ["--schema", "tests/train_cli/leuksurv.toml", "--survival", "time_days,death"];
        let target = ["--epsilon", "1", "--delta", "1e-5", "--out", out.to_str().unwrap()];
        let said = haima(&[&data[..], &schema, &target].concat());
        assert!(said.log.contains(&format!("sum 4: {hospitals} sites")), "{}", said.log);
        let summary = said.succeeds();
        assert!(summary.contains(against) && !summary.contains("simulated"), "{summary}");
    }
}
