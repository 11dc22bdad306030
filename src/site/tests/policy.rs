//! What a hospital's policy allows: who may ask, what, how much, when, and after whose yes. Whatever is
//! refused changes nothing and says nothing about data.

use haima_fl_core::registry;
use haima_smpc_node::manifest::{TaskEntry, fingerprint};
use haima_smpc_node::provision::unit;

use super::super::policy::{Approval, Day, Every, Hours};
use super::super::preview::size::Leaving;
use super::super::preview::{later, words};
use super::*;
use crate::proto::Refusal;

/// An hour of the day of `now`, and another one in which it is not.
fn windows(now: u64) -> (Hours, Hours) {
    let hour = u8::try_from(now / 3_600_000 % 24).unwrap();
    let window = |from: u8| Hours {
        days: vec![Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun],
        from: from % 24,
        until: from % 24 + 1,
    };
    (window(hour), window(hour + 12))
}

impl Fixture {
    /// What a hospital of a state of its own says to the first spec of a task; and that a refusal left
    /// ledger, journal and outbox as they were.
    fn says(
        &self,
        name: &str,
        policy: Policy,
        data: &str,
        (task, now): (&str, u64),
    ) -> Result<(), String> {
        let state = self.folder.path().join(name);
        std::fs::create_dir(&state).unwrap();
        let spec = self.spec(task, &self.run(task).query().unwrap(), 1);
        let hospital = self.hospital_at(&state, policy, data);
        let before = (hospital.ledger.head(), std::fs::read(state.join("audit.log")).unwrap());
        let answer = hospital.check_at(&spec, now).map_err(|error| match error {
            crate::Error::Refused { reason, .. } | crate::Error::Forbidden { reason, .. } => reason,
            other => other.to_string(),
        });
        let after = (hospital.ledger.head(), std::fs::read(state.join("audit.log")).unwrap());
        assert_eq!(before, after, "{name}: a check charges and records nothing");
        assert!(hospital.outbox.get(&spec.digest()).unwrap().is_none());
        answer
    }
}

/// Each field refuses what it is there to refuse and lets the rest through, by a reason that names it
/// and is the same whatever the patients (rule S5).
#[test]
fn each_field_of_the_policy_refuses_and_names_itself() {
    let fixture = Fixture::new();
    let coordinator = &fixture.manifest.coordinator;
    let own = fingerprint(&coordinator.identity, &coordinator.tls).unwrap();
    let list = |words: &[&str]| -> Option<Vec<String>> {
        Some(words.iter().map(|&word| word.to_owned()).collect())
    };
    let other = "00000 00000 00000 00000 00000";
    let base = Fixture::policy;
    let now = unix_millis();
    let hours = windows(now);
    let cases: Vec<(&str, &str, Policy, Policy)> = vec![
        (
            "coordinators",
            "hazard",
            Policy { coordinators: list(&[other]), ..base() },
            Policy { coordinators: list(&[other, &own.replace(' ', "")]), ..base() },
        ),
        (
            "studies",
            "hazard",
            Policy { studies: list(&["another"]), ..base() },
            Policy { studies: list(&["unit"]), ..base() },
        ),
        (
            "allowed_tasks",
            "hazard",
            Policy { allowed_tasks: list(&["sampled", "cox"]), ..base() },
            Policy { allowed_tasks: list(&["hazard"]), ..base() },
        ),
        (
            "allowed_tasks",
            "cox",
            Policy { allowed_tasks: list(&[]), ..base() },
            Policy { allowed_tasks: list(&["cox"]), ..base() },
        ),
        (
            "allowed_kinds",
            "hazard",
            Policy { allowed_kinds: list(&["cox"]), ..base() },
            Policy { allowed_kinds: list(&["hazard"]), ..base() },
        ),
        ("min_sites", "hazard", Policy { min_sites: 3, ..base() }, base()),
        (
            "hours",
            "cox",
            Policy { hours: Some(hours.1), ..base() },
            Policy { hours: Some(hours.0), ..base() },
        ),
        (
            "manual_approval",
            "hazard",
            Policy { manual_approval: Some(Approval::Every(Every::All)), ..base() },
            Policy { manual_approval: Some(Approval::Tasks(vec!["cox".into()])), ..base() },
        ),
    ];
    for (number, (field, task, closed, open)) in cases.into_iter().enumerate() {
        let say = |state: &str, policy: &Policy, data: &str| {
            fixture.says(&format!("{number}-{state}"), policy.clone(), data, (task, now))
        };
        let refused = say("closed", &closed, PATIENTS).unwrap_err();
        assert!(refused.contains(&format!("({field})")), "{field}: {refused}");
        assert_eq!(say("still", &closed, STILL).unwrap_err(), refused, "whatever the data");
        say("open", &open, PATIENTS).unwrap_or_else(|error| panic!("{field}: {error}"));
    }
}

/// What the limit counts is what is sent, to the byte.
#[test]
fn sizes_are_those_of_the_submission_and_are_limited() {
    let fixture = Fixture::new();
    let run = fixture.run("hazard");
    let spec = fixture.spec("hazard", &run.query().unwrap(), 1);
    let mut hospital = fixture.hospital(Fixture::policy(), PATIENTS);
    let submission = hospital.submission(&spec, &fixture.epoch, run.as_ref()).unwrap();
    let leaving = Leaving::of(&spec, &fixture.manifest, "site-a").unwrap();
    let same = submission.header.bytes.len() + 64 + submission.public.len();
    let sent = submission.sealed.iter().map(|sealed| (same + sealed.len()) as u64);
    assert_eq!(leaving.parts.iter().map(|p| p.bytes).collect::<Vec<_>>(), sent.collect::<Vec<_>>());

    let (numbers, bytes) = (spec.dimension() as u64, leaving.bytes());
    for (number, (field, most_numbers, most_bytes, fits)) in [
        ("", Some(numbers), Some(bytes), true),
        ("max_elements", Some(numbers - 1), None, false),
        ("max_bytes", None, Some(bytes - 1), false),
    ]
    .into_iter()
    .enumerate()
    {
        let policy =
            Policy { max_elements: most_numbers, max_bytes: most_bytes, ..Fixture::policy() };
        let at = ("hazard", unix_millis());
        let said = fixture.says(&format!("size-{number}"), policy, PATIENTS, at);
        assert_eq!(said.is_ok(), fits, "{said:?}");
        assert!(said.err().is_none_or(|error| error.contains(&format!("({field})"))));
    }
}

/// A run goes on after a yes, in all its steps, also of a site that was restarted; a no ends it.
#[test]
fn a_run_is_held_back_until_somebody_says_yes() {
    let fixture = Fixture::new();
    let policy = || Policy {
        manual_approval: Some(Approval::Tasks(vec!["hazard".into()])),
        ..Fixture::policy()
    };
    let spec = fixture.spec("hazard", &fixture.run("hazard").query().unwrap(), 1);
    let asked = fixture.manifest.digest().to_string();
    let cox = fixture.spec("cox", &fixture.run("cox").query().unwrap(), 1);
    let hospital = fixture.hospital(policy(), PATIENTS);
    hospital.check(&cox).expect("another task is not held back");
    assert!(hospital.consents.waiting().unwrap().is_empty());
    let error = refused(hospital.check(&spec));
    assert!(error.contains("hazard/1") && error.contains("waits for a yes"), "{error}");
    let waiting = hospital.consents.waiting().unwrap();
    assert_eq!((waiting.len(), waiting[0].task.as_str()), (1, "hazard"));
    for part in ["coordinator", "unit", "epsilon ", "one patient", "up to 4 sums"] {
        assert!(waiting[0].words.contains(part), "{part}: {}", waiting[0].words);
    }
    hospital.consents.decide("hazard", "1", &asked, true).unwrap();
    hospital.check(&spec).unwrap();
    let next = RoundSpec { step: 1, plan_index: 1, previous: Digest::of(b"r"), ..spec.clone() };
    hospital.check(&next).expect("all of the run is allowed");
    drop(hospital);
    let hospital = fixture.hospital(policy(), PATIENTS);
    hospital.check(&spec).expect("a restart forgets nothing");
    hospital.consents.decide("hazard", "1", &asked, false).unwrap();
    let error = refused(hospital.check(&next));
    assert!(error.contains("has refused the run hazard/1"), "{error}");
}

/// Whoever refuses anyway does not ask its people; and they can be asked before anybody asks them.
#[test]
fn only_what_policy_would_answer_waits_for_a_yes() {
    let fixture = Fixture::new();
    let all = Some(Approval::Every(Every::All));
    let policy =
        Policy { manual_approval: all, exact_tasks: vec!["cox".into()], ..Fixture::policy() };
    let hospital = fixture.hospital(policy, PATIENTS);
    let table = fixture.spec("table", &fixture.run("table").query().unwrap(), 1);
    assert!(refused(hospital.check(&table)).contains("exact_tasks"));
    assert!(hospital.consents.waiting().unwrap().is_empty());
    hospital.ask_ahead().unwrap();
    let waiting = hospital.consents.waiting().unwrap();
    let ids: Vec<&str> = waiting.iter().map(|waiting| waiting.task.as_str()).collect();
    assert_eq!(ids, ["cox", "hazard", "sampled"]);
    hospital.consents.decide("cox", "1", &waiting[0].manifest, true).unwrap();
    let cox = fixture.spec("cox", &fixture.run("cox").query().unwrap(), 1);
    hospital.check(&cox).expect("allowed before it was asked");
}

/// A yes that comes while the round is open lets it go on, without another attempt; without one the
/// wait ends in time.
#[tokio::test]
async fn a_round_waits_for_a_yes_as_long_as_its_deadline_leaves_time() {
    let fixture = Fixture::new();
    let all = || Some(Approval::Every(Every::All));
    let policy = Policy { manual_approval: all(), ..Fixture::policy() };
    let hospital = fixture.hospital(policy, PATIENTS);
    let query = fixture.run("hazard").query().unwrap();
    let soon = RoundSpec { deadline_ms: unix_millis() + 600, ..fixture.spec("hazard", &query, 1) };
    hospital.wait_until_allowed(&soon).await;
    assert!(unix_millis() < soon.deadline_ms, "there is time left to say so");
    assert!(refused(hospital.check(&soon)).contains("waits for a yes"));

    let spec = fixture.spec("hazard", &query, 2);
    let asked = fixture.manifest.digest().to_string();
    let consents = hospital.consents.clone();
    let yes = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        consents.decide("hazard", "1", &asked, true).unwrap();
    };
    tokio::join!(hospital.wait_until_allowed(&spec), yes);
    hospital.check(&spec).unwrap();
}

/// A no, or the end of the hours, that comes while nodes and coordinator have their say is still heeded:
/// nothing is charged.
#[test]
fn what_is_refused_after_the_check_is_not_charged() {
    let fixture = Fixture::new();
    let all = Some(Approval::Every(Every::All));
    let policy = Policy { manual_approval: all, ..Fixture::policy() };
    let run = fixture.run("hazard");
    let spec = fixture.spec("hazard", &run.query().unwrap(), 1);
    let mut hospital = fixture.hospital(policy, PATIENTS);
    hospital.ask_ahead().unwrap();
    let asked = fixture.manifest.digest().to_string();
    hospital.consents.decide("hazard", "1", &asked, true).unwrap();
    hospital.check(&spec).unwrap();
    let before = hospital.ledger.head();
    hospital.consents.decide("hazard", "1", &asked, false).unwrap();
    let error = hospital.submission(&spec, &fixture.epoch, run.as_ref()).unwrap_err();
    assert!(matches!(error, crate::Error::Forbidden { .. }), "{error}");
    assert!(error.to_string().contains("has refused the run hazard/1"), "{error}");
    hospital.consents.decide("hazard", "1", &asked, true).unwrap();
    let (_, elsewhen) = windows(unix_millis());
    hospital.policy.hours = Some(elsewhen);
    let error = hospital.submission(&spec, &fixture.epoch, run.as_ref()).unwrap_err();
    assert!(error.to_string().contains("(hours)"), "{error}");
    assert_eq!(hospital.ledger.head(), before, "nothing is charged");
    assert!(hospital.charged.is_empty());
    hospital.policy.hours = None;
    hospital.submission(&spec, &fixture.epoch, run.as_ref()).unwrap();
    assert_ne!(hospital.ledger.head(), before);
}

/// The hour passes by itself, so it is no refusal that stands; a yes that did not come is one.
#[test]
fn an_hour_holds_back_and_a_person_or_a_policy_refuses() {
    let fixture = Fixture::new();
    let (_, elsewhen) = windows(unix_millis());
    let all = Some(Approval::Every(Every::All));
    let spec = fixture.spec("hazard", &fixture.run("hazard").query().unwrap(), 1);
    for (number, (policy, told)) in [
        (Policy { hours: Some(elsewhen), ..Fixture::policy() }, Refusal::Held),
        (Policy { manual_approval: all, ..Fixture::policy() }, Refusal::Standing),
        (Policy { allowed_tasks: Some(vec![]), ..Fixture::policy() }, Refusal::Standing),
    ]
    .into_iter()
    .enumerate()
    {
        let state = fixture.folder.path().join(format!("told-{number}"));
        std::fs::create_dir(&state).unwrap();
        let hospital = fixture.hospital_at(&state, policy, PATIENTS);
        let error = hospital.check(&spec).unwrap_err();
        assert_eq!(hospital.refusal(&error), told, "{error}");
    }
    let hospital = fixture.hospital(Fixture::policy(), PATIENTS);
    let late = RoundSpec { deadline_ms: 1, ..spec };
    let error = hospital.check(&late).unwrap_err();
    assert_eq!(hospital.refusal(&error), Refusal::ThisAttempt, "{error}");
}

/// A misspelt id, or one that an amendment has renamed, would be answered without a yes.
#[test]
fn a_yes_for_a_task_that_the_study_does_not_have_is_a_fault() {
    let fixture = Fixture::new();
    let of = |ids: &[&str]| {
        let ids = ids.iter().map(|&id| id.to_owned()).collect();
        let approval = Some(Approval::Tasks(ids));
        Policy { manual_approval: approval, ..Fixture::policy() }.fits(&fixture.manifest)
    };
    of(&["cox", "hazard"]).unwrap();
    let problem = of(&["cox", "hazrd", "tables"]).unwrap_err();
    assert!(problem.contains("`manual_approval` names hazrd, tables"), "{problem}");
    Fixture::policy().fits(&fixture.manifest).unwrap();
    let all = Some(Approval::Every(Every::All));
    Policy { manual_approval: all, ..Fixture::policy() }.fits(&fixture.manifest).unwrap();
}

/// No name in a manifest pushes the class out of the words or says another one first.
#[test]
fn the_words_of_a_run_begin_with_what_it_costs_and_names_stay_in_their_quotes() {
    let fixture = Fixture::new();
    let mut manifest = (*fixture.manifest).clone();
    let forged = "Ages\" (table1 1): private, epsilon 0.010, \"";
    manifest.coordinator.operator = "o".repeat(2000);
    for task in &mut manifest.tasks {
        task.title = Some(forged.into());
    }
    let asked = |id: &str| words::asked(&manifest, manifest.task(id).unwrap(), 1).unwrap();
    let older = asked("older");
    assert!(older.starts_with("EXACT, without differential privacy; up to 20 sums, 3 "), "{older}");
    assert!(older.contains("age > 50") && older.contains("run 1 of older (cox 1)"), "{older}");
    assert!(!older.contains(&"o".repeat(201)), "an operator's name is cut: {older}");
    assert!(older.ends_with("\"Ages' (table1 1): private, epsilon 0.010, '\""), "{older}");
    assert!(asked("cox").contains("its cohort is all patients"));
    assert!(asked("hazard").starts_with("private, epsilon "), "{}", asked("hazard"));
    // All of it is written down.
    let hospital = fixture.hospital(Fixture::policy(), PATIENTS);
    hospital.consents.ask(&manifest.digest(), "older", 1, &older, 0).unwrap();
    assert_eq!(hospital.consents.waiting().unwrap()[0].words, older);
}

/// Most tasks state no bound on their later questions: the first one's size is none.
#[test]
fn a_preview_promises_no_size_of_questions_that_it_does_not_know() {
    let fixture = Fixture::new();
    for task in ["scan", "cox", "hazard"] {
        let run = fixture.run(task);
        let entry = fixture.manifest.task(task).unwrap();
        let query = run.query().unwrap();
        let said = later(&fixture.manifest, entry, run.as_ref(), &query).unwrap();
        let most =
            format!("not known before; the study allows {} (", fixture.manifest.max_dimension);
        assert!(said.contains(&most), "{said}");
        assert!(!said.contains("up to"), "{said}");
    }
}

/// The words for signers list the tasks whose noise hides a patient; a task of this program that is not
/// among them would be one of which nothing is known.
#[test]
fn the_unit_of_every_task_of_this_program_is_known() {
    let fixture = Fixture::new();
    let entry = fixture.manifest.task("hazard").unwrap();
    for (name, _) in registry::known() {
        let entry = TaskEntry { task: name.to_owned(), ..entry.clone() };
        assert!(unit(&entry).starts_with("one "), "{name}: {}", unit(&entry));
    }
}

/// The file that hospitals begin with states what holds without it, and knows every field.
#[test]
fn the_example_is_the_defaults_and_every_setting_in_it_is_one() {
    let own = Policy::parse(Policy::EXAMPLE).unwrap();
    assert_eq!(own, Policy::new("patients", 1.0));
    let least = Policy::parse("default_population = \"patients\"\nepsilon = 1.0\n").unwrap();
    assert_eq!(own, least, "what it states is what holds without it");
    let setting = |line: &str| {
        let rest = line.strip_prefix('#')?;
        rest.starts_with(|c: char| c.is_ascii_lowercase()).then(|| rest.to_owned())
    };
    let lines = Policy::EXAMPLE.lines();
    let all: String =
        lines.map(|line| setting(line).unwrap_or_else(|| line.to_owned()) + "\n").collect();
    let all = Policy::parse(&all).unwrap();
    let written = toml::to_string(&all).unwrap();
    assert_eq!(written.parse::<toml::Table>().unwrap().len(), 24, "every field: {written}");
    assert_eq!(Policy::parse(&written).unwrap(), all);
}

#[test]
fn a_field_out_of_its_range_is_named() {
    let needed = "default_population = \"unit\"\nepsilon = 1.0\n";
    for (line, words) in [
        ("hours = { from = 24 }", ["hours.from", "0 to 23"]),
        ("hours = { until = 25 }", ["hours.until", "1 to 24"]),
        ("hours = { until = 0 }", ["hours.until", "1 to 24"]),
        ("hours = { from = 8, until = 8 }", ["hours.from", "whole day"]),
        ("hours = { days = [] }", ["hours.days", "no round"]),
        ("hours = { days = [\"monday\"] }", ["monday", "line 3"]),
        ("hours = { form = 8 }", ["form", "line 3"]),
        ("coordinators = [\"12345 67890\"]", ["coordinators", "25 digits"]),
        ("allowed_kinds = [\"coxx\"]", ["allowed_kinds", "cox, "]),
        ("approved_reruns = [\"cox/2\"]", ["`approved_reruns`: \"cox/2\"", "prints the entry"]),
        ("approved_reruns = [\"cox/2@12\"]", ["\"cox/2@12\"", "task/run@TAG"]),
        ("approved_other_sites = [\"cox/2\"]", ["`approved_other_sites`: ", "prints the entry"]),
        ("max_elements = 0", ["max_elements", "at least 1"]),
        ("max_bytes = -1", ["max_bytes", "line 3"]),
        ("manual_approval = \"some\"", ["list of task ids", "\"all\""]),
        ("manual_aproval = \"all\"", ["manual_aproval", "unknown field"]),
    ] {
        let error = Policy::parse(&format!("{needed}{line}\n")).unwrap_err();
        assert!(words.iter().all(|word| error.contains(word)), "{line}: {error}");
    }
    let tag = "0123456789abcdef".repeat(2);
    let run = |run: &str| Policy::parse(&format!("{needed}approved_reruns = [\"{run}\"]\n"));
    run(&format!("cox/2@{tag}")).unwrap();
    for wrong in [
        format!("cox@{tag}"),
        format!("/2@{tag}"),
        format!("cox/two@{tag}"),
        format!("cox/02@{tag}"),
        format!("cox/2@{}", tag.to_uppercase()),
        format!("cox/2@{tag}0"),
        format!("cox/2@{}", "g".repeat(32)),
    ] {
        assert!(run(&wrong).unwrap_err().contains(&wrong), "{wrong}");
    }
    let error = Policy::parse("default_population = \"\"\nepsilon = 1.0\n").unwrap_err();
    assert!(error.contains("default_population"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.toml");
    std::fs::write(&path, format!("{needed}max_bytes = 0\n")).unwrap();
    let error = Policy::read(&path).unwrap_err().to_string();
    assert!(error.contains("policy.toml") && error.contains("`max_bytes`"), "{error}");
}
