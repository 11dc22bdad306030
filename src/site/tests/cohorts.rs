//! Rule X2 for cohorts: who may be asked about, and when two cohorts are too close.

use super::*;

/// X2: the cohort is part of the question's digest, so a coordinator cannot ask about other patients
/// than the manifest says.
#[test]
fn a_second_filter_is_another_question() {
    let fixture = Fixture::new();
    let signed = fixture.run("older").query().unwrap();
    let spec = fixture.spec("older", &signed, 1);
    let hospital = fixture.hospital(Fixture::policy(), PATIENTS);
    hospital.check_question(&spec, &signed).unwrap();
    for cohort in ["include age > 51\n", ""] {
        let other = Query { cohort: cohort.into(), ..signed.clone() };
        let asked = fixture.spec("older", &other, 1);
        assert_ne!(asked.query, spec.query);
        assert!(refused(hospital.check_question(&asked, &signed)).contains("X3"), "{cohort}");
    }
}

/// X2: two exact cohorts that differ here by three patients: the second is answered by zeros, whose
/// shares look like any others, unless the operator approved it or the floor is lower.
#[test]
fn cohorts_that_differ_by_few_patients_are_not_both_answered() {
    let fixture = Fixture::new();
    let run = fixture.run("older");
    let spec = fixture.spec("older", &run.query().unwrap(), 1);
    let answer = |place: &str, policy: Policy| {
        let state = fixture.folder.path().join(place);
        std::fs::create_dir(&state).unwrap();
        let mut hospital = fixture.hospital_at(&state, policy, PATIENTS);
        hospital.check(&spec).unwrap();
        let submission = hospital.submission(&spec, &fixture.epoch, run.as_ref()).unwrap();
        fixture.open(&spec, &submission)
    };
    // Nine of twelve are over 50, so the site's floor alone would not silence it at 9.
    let policy = |floor| Policy { min_local_rows: floor, ..Fixture::policy() };
    assert!(answer("close", policy(4)).iter().all(|value| *value == 0));
    assert_eq!(answer("far", policy(3))[..3], [1, 9, 8]);
    let approved = Policy { approved_cohorts: vec!["older".into()], ..policy(4) };
    assert_eq!(answer("approved", approved)[..3], [1, 9, 8]);
}

/// X2: the number of cohorts over which a study asks for exact sums is capped by policy.
#[test]
fn more_exact_cohorts_than_policy_allows_are_refused() {
    let fixture = Fixture::new();
    let spec = fixture.spec("cox", &fixture.run("cox").query().unwrap(), 1);
    let one = Policy { max_cohorts: 1, ..Fixture::policy() };
    let error = refused(fixture.hospital(one, PATIENTS).check(&spec));
    assert!(error.contains("max_cohorts") && error.contains("3 cohorts"), "{error}");
}

/// A task whose exact sums can hold a single patient's row needs a permission of its own.
#[test]
fn a_task_that_can_show_a_row_is_allowed_apart() {
    let fixture = Fixture::new();
    let spec = fixture.spec("scan", &fixture.run("scan").query().unwrap(), 1);
    let place = |name: &str| {
        let state = fixture.folder.path().join(name);
        std::fs::create_dir(&state).unwrap();
        state
    };
    let hospital = fixture.hospital_at(&place("closed"), Fixture::policy(), PATIENTS);
    assert!(refused(hospital.check(&spec)).contains("row_revealing_tasks"));
    let open = Policy { row_revealing_tasks: vec!["scan".into()], ..Fixture::policy() };
    fixture.hospital_at(&place("open"), open, PATIENTS).check(&spec).unwrap();
}

/// X2: after one exact answer, other data need approval under every task, not under the same alone.
#[test]
fn other_data_need_approval_whatever_the_task() {
    let fixture = Fixture::new();
    let policy = || Policy { min_local_rows: 2, ..Fixture::policy() };
    let answer = |policy: Policy, data: &str, task: &str| {
        let run = fixture.run(task);
        let spec = fixture.spec(task, &run.query().unwrap(), 1);
        let mut hospital = fixture.hospital(policy, data);
        hospital.check(&spec).map(|()| {
            hospital.submission(&spec, &fixture.epoch, run.as_ref()).unwrap();
        })
    };
    answer(policy(), PATIENTS, "cox").unwrap();
    let more = format!("{PATIENTS}130,1,90\n");
    let error = refused(answer(policy(), &more, "older"));
    assert!(error.contains("answered cox/1 ") && entry(&error).starts_with("older/1@"), "{error}");
    let approved = Policy { approved_reruns: vec![entry(&error)], ..policy() };
    answer(approved, &more, "older").unwrap();
}

/// X2: an approval is of one task and run under one manifest on one version of the data. Were its TAG over
/// less, a later version of the data or another manifest would be answered under it.
#[test]
fn an_approval_holds_for_one_manifest_and_one_version_of_the_data() {
    let mut fixture = Fixture::new();
    let answer = |fixture: &Fixture, approved: &[String], data: &str, number: u64| {
        let run = fixture.run("cox");
        let spec = fixture.spec("cox", &run.query().unwrap(), number);
        let policy = Policy { approved_reruns: approved.to_vec(), ..Fixture::policy() };
        let mut hospital = fixture.hospital(policy, data);
        hospital.check(&spec).map(|()| {
            hospital.submission(&spec, &fixture.epoch, run.as_ref()).unwrap();
        })
    };
    let [second, third] = ["130,1,90\n", "130,1,91\n"].map(|row| format!("{PATIENTS}{row}"));
    answer(&fixture, &[], PATIENTS, 1).unwrap();
    let error = answer(&fixture, &[], &second, 2).unwrap_err();
    let approved = vec![entry(&error.to_string())];
    // S5: the entry is a digest of the data, so the coordinator is told of none.
    let crate::Error::Forbidden { reason, .. } = error else { panic!("it stands") };
    assert!(reason.ends_with("(approved_reruns, rule X2)") && !reason.contains('@'), "{reason}");
    answer(&fixture, &approved, &second, 2).unwrap();

    let later = entry(&refused(answer(&fixture, &approved, &third, 3)));
    assert!(later.starts_with("cox/1@") && later != approved[0], "{later}");
    Arc::make_mut(&mut fixture.manifest).revision += 1;
    let amended = entry(&refused(answer(&fixture, &approved, &second, 4)));
    assert!(amended.starts_with("cox/1@") && amended != approved[0], "{amended}");
    answer(&fixture, &[amended], &second, 4).expect("it is that manifest's");
}

/// The floor holds for every exact task, also for one whose noised form knows none.
#[test]
fn a_cohort_below_the_floor_is_answered_by_zeros() {
    let fixture = Fixture::new();
    let run = fixture.run("table");
    let spec = fixture.spec("table", &run.query().unwrap(), 1);
    let answer = |place: &str, floor: u64| {
        let state = fixture.folder.path().join(place);
        std::fs::create_dir(&state).unwrap();
        // Two of twelve are over 75; the other cohorts differ by seven and more.
        let policy = Policy { min_local_rows: floor, ..Fixture::policy() };
        let mut hospital = fixture.hospital_at(&state, policy, PATIENTS);
        let submission = hospital.submission(&spec, &fixture.epoch, run.as_ref()).unwrap();
        fixture.open(&spec, &submission)
    };
    assert!(answer("three", 3).iter().all(|value| *value == 0));
    assert_eq!(answer("two", 2)[..2], [1, 2]);
}

/// A task that says `noised` and has no budget would get no noise: nobody can plan it.
#[test]
fn a_noised_release_without_a_budget_is_no_plan() {
    let fixture = Fixture::new();
    let mut entry = fixture.manifest.task("table").unwrap().clone();
    entry.params.insert("release".into(), "noised".into());
    let query = fixture.run("table").query().unwrap();
    let place = Place {
        number: 1,
        run: 1,
        step: 0,
        attempt: 0,
        plan_index: 0,
        previous: Digest::default(),
        epoch: fixture.epoch.digest,
        deadline_ms: unix_millis() + 5000,
    };
    let error = plan(&fixture.manifest, fixture.manifest.digest(), &entry, &query, &place);
    assert!(error.unwrap_err().to_string().contains("no noise would be added"));
}
