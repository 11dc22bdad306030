//! Claims about the walk: it can be repeated, it signs nothing by itself, it names what is missing.

use std::collections::BTreeMap;
use std::path::Path;

use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::provision::Request;

use super::*;
use crate::site::Policy;

const SCHEMA_FILE: &str = "patient = \"id\"\n[[column]]\nname = \"age\"\nkind = \"numeric\"\n\
                           range = [0, 110]\n[[column]]\nname = \"dead\"\nkind = \"flag\"\n";

/// A person who answers every question alike, and what that person was shown.
struct Answers(bool, Vec<String>);

impl Ask for Answers {
    fn line(&mut self, _: &str) -> Option<String> {
        None
    }

    fn yes(&mut self, text: &str, _: &str) -> Option<bool> {
        self.1.push(text.to_owned());
        Some(self.0)
    }
}

fn options(root: &Path, role: Role, name: &str) -> Options {
    let address = match (role, name) {
        (Role::Site, _) => None,
        (_, "north") => Some("127.0.0.1:7444"),
        (_, "south") => Some("127.0.0.1:7445"),
        _ => Some("127.0.0.1:7443"),
    };
    Options {
        folder: root.join(name),
        role,
        name: Some(name.into()),
        operator: Some(format!("{name} institute")),
        address: address.map(str::to_owned),
        sign: false,
        data: None,
        question: Question::default(),
        draft: false,
        timing: Timing { round_ms: 20_000, grace_ms: 10_000, tick_ms: 20 },
        allow_large_delta: false,
    }
}

fn go(options: &Options) -> Walk {
    walk(options, &mut Nobody).unwrap()
}

fn waits(walk: &Walk) -> String {
    walk.waits().iter().map(|step| step.what.as_str()).collect::<Vec<_>>().join("; ")
}

/// All files of a folder and below, with what they hold.
fn files_of(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files_of(&path));
        } else {
            all.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    all
}

const OTHERS: [(&str, Role); 5] = [
    ("north", Role::Node),
    ("south", Role::Node),
    ("alder", Role::Site),
    ("birch", Role::Site),
    ("cedar", Role::Site),
];

fn centre(root: &Path) -> Options {
    let schema = root.join("schema.toml");
    std::fs::write(&schema, SCHEMA_FILE).unwrap();
    let question =
        Question { schema: Some(schema), max_patients: Some(400), ..Question::default() };
    Options { question, ..options(root, Role::Coordinator, "centre") }
}

/// Requests of everybody are in the coordinator's inbox.
fn requested(root: &Path) -> Options {
    let centre = centre(root);
    go(&centre);
    for (name, role) in OTHERS {
        go(&options(root, role, name));
        let file = format!("{name}.request.toml");
        std::fs::copy(root.join(name).join(&file), root.join("centre/inbox").join(file)).unwrap();
    }
    centre
}

/// Everybody has the manifest of a draft.
fn drafted(root: &Path) -> Options {
    let centre = requested(root);
    go(&centre);
    go(&Options { draft: true, ..centre.clone() });
    for (name, _) in OTHERS {
        let from = root.join("centre/package/manifest.toml");
        std::fs::copy(from, root.join(name).join("manifest.toml")).unwrap();
    }
    centre
}

#[test]
fn a_walk_that_is_repeated_writes_nothing_and_waits_for_the_same() {
    let root = tempfile::tempdir().unwrap();
    let site = options(root.path(), Role::Site, "alder");
    let first = go(&site);
    assert_eq!(waits(&first), "the policy; the file of patients; the manifest");
    let written = files_of(root.path());
    for file in ["identity.key", "tls.key", "alder.request.toml", "site.toml", "policy.toml"] {
        assert!(written.contains_key(&root.path().join("alder").join(file)), "{file}");
    }
    // What the request says need not be said again.
    let bare = Options { name: None, operator: None, ..site };
    let second = go(&bare);
    assert_eq!(files_of(root.path()), written);
    assert_eq!((waits(&second), &second.fingerprint), (waits(&first), &first.fingerprint));
    assert!(second.steps.iter().all(|step| step.state != State::Made), "{:?}", second.steps);
    assert!(second.next.iter().any(|line| line.contains("haima init site --dir")));
}

#[test]
fn the_policy_that_is_written_holds_once_the_hospital_has_said_whose_budget_it_is() {
    let written = files::policy();
    assert!(Policy::parse(&written).is_err(), "the two figures are the hospital's to say");
    let half = written.replacen("\n#epsilon = ", "\nepsilon = ", 1);
    assert!(Policy::parse(&half).is_err());
    let said = half.replacen("\n#default_population = ", "\ndefault_population = ", 1);
    let policy = Policy::parse(&said).unwrap();
    assert!(policy.exact_tasks.is_empty() && policy.min_sites == 3, "{policy:?}");
    assert_eq!(said, include_str!("../../data/policy.toml"));
}

#[test]
fn a_study_is_drafted_only_among_enough_parties_and_when_somebody_says_that_they_are_all() {
    let root = tempfile::tempdir().unwrap();
    let alone = go(&centre(root.path()));
    assert!(waits(&alone).contains("requests of 2 nodes (there are 0)"), "{}", waits(&alone));
    assert!(waits(&alone).contains("3 hospitals' operators (there are 0)"), "{}", waits(&alone));
    let centre = requested(root.path());
    let manifest = root.path().join("centre/package/manifest.toml");
    let shown = go(&centre);
    assert_eq!(waits(&shown), "the comparison of fingerprints");
    let finding = &shown.waits()[0].finding;
    assert!(finding.contains("alder institute"), "{finding}");
    let mut no = Answers(false, vec![]);
    walk(&centre, &mut no).unwrap();
    assert!(no.1[0].contains("north institute") && !manifest.exists());
    // A yes of a person is as good as the option; what is then to be signed is another question.
    let mut yes = Answers(true, vec![]);
    let made = walk(&centre, &mut yes).unwrap();
    assert!(manifest.exists() && yes.1[1].contains("only these tasks may run"));
    assert_eq!(waits(&made), "approvals of north, south, alder, birch, cedar");
    // Who comes later is named, and the manifest stays.
    let held = std::fs::read(&manifest).unwrap();
    go(&options(root.path(), Role::Site, "dogwood"));
    let late = "dogwood.request.toml";
    let from = root.path().join("dogwood").join(late);
    std::fs::copy(from, root.path().join("centre/inbox").join(late)).unwrap();
    let later = go(&Options { draft: true, ..centre });
    assert!(later.steps.iter().any(|step| step.finding.contains("joins by an amendment")));
    assert_eq!(std::fs::read(&manifest).unwrap(), held);
}

/// A person who says yes, and meanwhile another one puts other keys into the inbox.
struct Swapped<'a>(&'a Path, Vec<String>);

impl Ask for Swapped<'_> {
    fn line(&mut self, _: &str) -> Option<String> {
        None
    }

    fn yes(&mut self, text: &str, _: &str) -> Option<bool> {
        self.1.push(text.to_owned());
        swap(self.0);
        Some(true)
    }
}

/// Another's keys under the name `south`, in the coordinator's inbox.
fn swap(root: &Path) {
    let elsewhere = root.join("elsewhere");
    go(&options(&elsewhere, Role::Node, "south"));
    let from = elsewhere.join("south/south.request.toml");
    std::fs::copy(from, root.join("centre/inbox/south.request.toml")).unwrap();
}

#[test]
fn a_study_is_drafted_of_the_very_requests_that_were_shown() {
    let root = tempfile::tempdir().unwrap();
    let centre = requested(root.path());
    let south = Request::read(&root.path().join("south/south.request.toml")).unwrap();
    let mut person = Swapped(root.path(), vec![]);
    walk(&centre, &mut person).unwrap();
    assert!(person.1[0].contains(&south.fingerprint().unwrap()), "{}", person.1[0]);
    let drafted = Manifest::read(&root.path().join("centre/package/manifest.toml")).unwrap();
    assert_eq!(drafted.node("south").unwrap().1.identity, south.party.identity);
}

#[test]
fn the_option_drafts_among_no_requests_but_those_that_an_earlier_call_showed() {
    let root = tempfile::tempdir().unwrap();
    let centre = requested(root.path());
    let manifest = root.path().join("centre/package/manifest.toml");
    let draft = Options { draft: true, ..centre.clone() };
    let unseen = go(&draft);
    assert_eq!(waits(&unseen), "the comparison of fingerprints");
    assert!(unseen.waits()[0].finding.contains("alder institute") && !manifest.exists());
    swap(root.path());
    let swapped = go(&draft);
    assert!(swapped.waits()[0].finding.contains("not the requests that were shown"));
    // One more party is another list, too.
    go(&options(root.path(), Role::Site, "dogwood"));
    let more = root.path().join("dogwood/dogwood.request.toml");
    std::fs::copy(more, root.path().join("centre/inbox/dogwood.request.toml")).unwrap();
    assert_eq!(waits(&go(&draft)), "the comparison of fingerprints");
    assert!(!manifest.exists());
    go(&draft);
    assert!(manifest.exists(), "as shown in the call before");
}

/// What stands behind the mark is what holds without it, in the study that the comment names.
#[test]
fn the_delta_of_the_policy_s_comment_is_the_default_of_its_example() {
    let text = Policy::EXAMPLE;
    let line = text.lines().find(|line| line.starts_with("#delta = ")).unwrap();
    let stated: f64 = line["#delta = ".len()..].parse().unwrap();
    let default = haima_dp::units::Delta::for_cohort(3 * 400, None, false).unwrap().get();
    assert!((stated - default).abs() < 0.01 * default, "{stated} for {default}");
    assert!(text.contains("so 8.3e-6 for three hospitals of at most 400 each"));
}

#[test]
fn the_first_question_has_the_columns_that_its_noise_leaves_something_of() {
    let column = |name: &str| {
        format!("[[column]]\nname = \"{name}\"\nkind = \"numeric\"\nrange = [0, 100]\n")
    };
    let all = ["time_days", "age", "wbc", "hb", "plt", "ldh"].map(column).concat();
    let flag = "[[column]]\nname = \"dead\"\nkind = \"flag\"\n";
    let asked = |max_patients: u64| {
        let root = tempfile::tempdir().unwrap();
        let schema = root.path().join("schema.toml");
        std::fs::write(&schema, format!("patient = \"id\"\n{all}{flag}")).unwrap();
        let question = Question {
            schema: Some(schema),
            max_patients: Some(max_patients),
            ..Question::default()
        };
        let walk = go(&Options { question, ..options(root.path(), Role::Coordinator, "centre") });
        let said = walk.steps.iter().find(|step| step.what == "question").unwrap().finding.clone();
        let file = std::fs::read_to_string(root.path().join("centre/study.toml")).unwrap();
        let file: toml::Table = file.parse().unwrap();
        let columns = file["task"][0]["params"]["columns"].as_array().unwrap().len();
        (columns, said)
    };
    // Of few patients a single flag is what can be said, and how far off it is.
    let (columns, said) = asked(20);
    assert!(columns == 1 && said.contains("counts patients by `dead`. 95 of 100 counts"), "{said}");
    let (columns, said) = asked(400);
    assert!((2..7).contains(&columns), "{columns}: {said}");
    assert!(
        said.contains("by `dead`, `age`") && said.contains("(at most 1,200 patients)"),
        "{said}"
    );
    assert!(said.contains("`time_days` too would make it ±"), "what is left out: {said}");
    assert!(said.ends_with(". To change: `columns` and `epsilon` in study.toml"), "{said}");
    let (columns, said) = asked(100_000);
    assert!(
        columns == 7 && said.contains("`ldh`, `time_days`") && !said.contains(" too "),
        "{said}"
    );
}

#[test]
fn nothing_is_signed_without_a_word_and_what_is_signed_was_shown() {
    let root = tempfile::tempdir().unwrap();
    drafted(root.path());
    let node = options(root.path(), Role::Node, "north");
    let approval = root.path().join("north/approval-north.toml");
    let read = go(&node);
    let words = read.words.as_deref().unwrap();
    assert!(words.contains("who: table1 1, private: epsilon"), "{words}");
    assert_eq!(waits(&read), "this party's signature");
    let mut no = Answers(false, vec![]);
    let refused = walk(&node, &mut no).unwrap();
    assert_eq!((no.1.len(), refused.words), (1, None), "shown once");
    assert!(!approval.exists());
    let signed = go(&Options { sign: true, ..node.clone() });
    assert!(approval.exists() && signed.words.is_some());
    assert_eq!(waits(&signed), "all parties' signatures");
    // Signed once; another manifest in its place is not signed over.
    let manifest = root.path().join("north/manifest.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replacen("tick_ms = 20", "tick_ms = 21", 1)).unwrap();
    let again = walk(&Options { sign: true, ..node }, &mut Nobody).unwrap_err().to_string();
    assert!(again.contains("of another manifest"), "{again}");
}

#[tokio::test]
async fn parties_that_pass_files_on_come_to_be_ready() {
    let root = tempfile::tempdir().unwrap();
    let centre = drafted(root.path());
    for (name, role) in OTHERS {
        go(&Options { sign: true, ..options(root.path(), role, name) });
        let file = format!("approval-{name}.toml");
        std::fs::copy(
            root.path().join(name).join(&file),
            root.path().join("centre/inbox").join(file),
        )
        .unwrap();
    }
    let unsigned = go(&centre);
    assert_eq!(waits(&unsigned), "this party's signature", "its own, too");
    let mut signed = go(&Options { sign: true, ..centre });
    assert_eq!(waits(&signed), "");
    assert!(root.path().join("centre/package/manifest.sig").exists());
    signed.preflight().await;
    assert!(signed.ready, "{:?}", signed.preflight);
    assert!(signed.next.iter().any(|line| line.starts_with("haima coordinator run --config")));

    let alder = root.path().join("alder");
    let signatures = root.path().join("centre/package/manifest.sig");
    std::fs::copy(signatures, alder.join("manifest.sig")).unwrap();
    let site = options(root.path(), Role::Site, "alder");
    assert_eq!(waits(&go(&site)), "the policy; the file of patients");
    std::fs::write(alder.join("cohort.csv"), "id,age,dead\n1,50,0\n2,61,1\n").unwrap();
    std::fs::write(alder.join("policy.toml"), "default_population = \"x\"\nepsilon = 1.0\n")
        .unwrap();
    let mut last = go(&site);
    last.preflight().await;
    assert!(last.ready, "{:?}", last.preflight);
    // A file that the schema does not fit is found here, and not in a round.
    std::fs::write(alder.join("cohort.csv"), "id,age,dead\n1,500,0\n").unwrap();
    let mut faulty = go(&site);
    faulty.preflight().await;
    assert!(!faulty.ready && waits(&faulty).is_empty());
}

#[test]
fn what_does_not_belong_together_is_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let nameless = Options { operator: None, ..options(root.path(), Role::Site, "alder") };
    let fault = |options: &Options| walk(options, &mut Nobody).unwrap_err();
    let error = fault(&nameless);
    assert!(error.to_string().contains("--operator") && error.code() == 2, "{error}");
    assert!(!root.path().join("alder").exists(), "a fault of an option makes no folder");
    let site = options(root.path(), Role::Site, "alder");
    go(&site);
    let other = Options { operator: Some("Somebody else".into()), ..site.clone() };
    assert!(fault(&other).to_string().contains("--operator"));
    let node = Options { folder: site.folder.clone(), ..options(root.path(), Role::Node, "alder") };
    assert!(fault(&node).to_string().contains("haima init site"));
    // Keys of another party, and keys of which one is missing.
    go(&options(root.path(), Role::Site, "birch"));
    let key = root.path().join("alder/identity.key");
    let own = std::fs::read(&key).unwrap();
    std::fs::copy(root.path().join("birch/identity.key"), &key).unwrap();
    assert!(fault(&site).to_string().contains("a request goes with its keys"));
    std::fs::write(&key, own).unwrap();
    go(&site);
    let request = root.path().join("alder/alder.request.toml");
    std::fs::rename(&request, root.path().join("moved")).unwrap();
    std::fs::remove_file(&key).unwrap();
    let missing = fault(&site).to_string();
    assert!(missing.contains("identity.key is missing"), "{missing}");
    assert!(!key.exists(), "no key is made beside others");
}
