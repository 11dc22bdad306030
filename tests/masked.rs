//! Masked mode between real processes: hospitals that die in a round, too few of them, a study that
//! is provisioned by hand, and what the mode refuses.

mod common;

use std::time::Duration;

use common::{BMT, Running, Setup, Timing, bmt_hazard, repository, task};
use haima::coordinator::events::Event;
use haima::provision::Study;

const LOST: &str = "hospital-ohio-state";

fn released(running: &mut Running, step: u32) -> (Vec<String>, u32) {
    let event =
        running.until(|event| matches!(event, Event::Released { round, .. } if round.step == step));
    let Event::Released { left_out, round, .. } = event else { unreachable!() };
    (left_out, round.attempt)
}

fn private_study(steps: u32) -> Setup {
    let study = [BMT.to_owned(), bmt_hazard("hazard", steps, Some((3.0, 1e-5)))].concat();
    let mut setup = Setup::new(&study, "data/bmt_klein.csv").masked();
    setup.timing = Timing { round_ms: 4000, grace_ms: 4000, tick_ms: 1000 };
    setup
}

/// Of four hospitals one may vanish after it has shared: its masks are taken out, and it comes back.
#[test]
fn a_round_goes_on_without_a_site_that_vanished_under_its_masks() {
    let mut running = private_study(4).start();
    assert!(released(&mut running, 0).0.is_empty());
    running.until_open("hazard", 1);
    // The tick of a second leaves time to kill it between its shares and its vector.
    let shared = || running.log_says(LOST, "the shares of all are here");
    let before = Duration::from_millis(10);
    let mut waited = Duration::ZERO;
    while !shared() && waited < Duration::from_secs(3) {
        std::thread::sleep(before);
        waited += before;
    }
    running.network.kill(LOST);
    let (left_out, attempt) = released(&mut running, 1);
    assert_eq!((left_out, attempt), (vec![LOST.to_owned()], 0), "{}", running.logs());
    // Its keys are on its disk: it takes part again, in the same epoch.
    running.network.start(LOST).unwrap();
    running.follow_to_end();
    let last = running.seen.iter().rev().find_map(|event| match event {
        Event::Released { left_out, round, .. } => Some((left_out.clone(), round.step)),
        _ => None,
    });
    assert_eq!(last, Some((vec![], 3)), "{}", running.logs());
}

/// Two of four are too few for a threshold of three: the attempt fails and says so, and a later one
/// works.
#[test]
fn too_few_sites_fail_the_attempt_by_name_and_the_next_one_works() {
    let mut setup = private_study(3);
    setup.timing.tick_ms = 100;
    let mut running = setup.start();
    assert!(released(&mut running, 0).0.is_empty());
    for name in [LOST, "hospital-alfred-melbourne"] {
        running.network.kill(name);
    }
    let failed = running.until(|event| matches!(event, Event::Failed { .. }));
    let Event::Failed { reason, .. } = failed else { unreachable!() };
    // A round that is under way when they go may have the keys of one of them already.
    assert!(reason.contains("this round needs 3"), "{reason}");
    assert!(reason.contains("hospital-alfred-melbourne") || reason.contains(LOST), "{reason}");
    for name in [LOST, "hospital-alfred-melbourne"] {
        running.network.start(name).unwrap();
    }
    running.follow_to_end();
}

/// Keys that are gone, with the memory of what was begun with them, are agreed anew by all.
#[test]
fn a_hospital_that_lost_its_keys_has_all_agree_again_when_the_coordinator_starts() {
    let mut setup = private_study(6);
    setup.timing.tick_ms = 100;
    let mut running = setup.start();
    assert!(released(&mut running, 0).0.is_empty());
    running.kill_coordinator();
    let kept = running.network.folder("coordinator").unwrap().join("out/masked/epoch");
    let first = std::fs::read(&kept).unwrap();
    running.network.kill(LOST);
    let masks = running.network.folder(LOST).unwrap().join("state/masks");
    std::fs::remove_dir_all(masks).unwrap();
    running.network.start(LOST).unwrap();
    running.start_coordinator();
    let (left_out, _) = released(&mut running, 2);
    assert!(left_out.is_empty(), "{left_out:?} {}", running.logs());
    assert!(running.log_says("coordinator", "have not the keys of the epoch"));
    // As if it had crashed before it kept the second epoch, whose keys the sites have.
    running.kill_coordinator();
    let second = std::fs::read(&kept).unwrap();
    assert_ne!(first, second);
    std::fs::write(&kept, &first).unwrap();
    running.start_coordinator();
    running.follow_to_end();
    let third = std::fs::read(&kept).unwrap();
    assert!(third != first && third != second, "{}", running.logs());
}

/// Journals of masked mode are held against one another: cut ones show.
#[test]
fn journals_of_a_masked_study_agree_and_one_that_was_cut_is_found() {
    use haima_smpc_node::crosscheck::{Journal, first_disagreement};
    let mut setup = private_study(2);
    setup.timing.tick_ms = 50;
    let mut running = setup.start();
    running.follow_to_end();
    let manifest = &running.network.manifest;
    let names = running.network.site_names().chain(["coordinator".to_owned()]);
    let journal = |party: String| {
        let folder = running.network.folder(&party).unwrap();
        let path = if party == "coordinator" { "out/audit.log" } else { "state/audit.log" };
        let key = manifest.identity(&party).unwrap();
        let records = haima_smpc_node::audit::read(&folder.join(path), &party, &key).unwrap();
        Journal { party, records }
    };
    let mut journals: Vec<Journal> = names.map(journal).collect();
    assert_eq!(first_disagreement(manifest, &journals), None);
    let kept = journals[0].records.iter().position(|record| record.kind == "submitted").unwrap();
    journals[0].records.truncate(kept);
    let found = first_disagreement(manifest, &journals).unwrap().to_string();
    assert!(found.contains("journal knows nothing"), "{found}");
}

/// X2: all exact sums of a run are over the sites of the first one; one that is lost ends them, by name.
#[test]
fn exact_sums_keep_to_the_sites_of_the_first() {
    let cox = "time = \"dfs_days\"\nevent = \"dfs_event\"\ncovariates = [\"patient_age\"]\n";
    let study = [BMT.to_owned(), task("cox", "cox", 12, cox)].concat();
    let mut setup = Setup::new(&study, "data/bmt_klein.csv").masked();
    setup.timing = Timing { round_ms: 3000, grace_ms: 3000, tick_ms: 300 };
    let mut running = setup.start();
    assert!(released(&mut running, 0).0.is_empty());
    running.network.kill(LOST);
    let error = running.follow_to_error();
    assert!(error.contains(LOST) && error.contains("X2"), "{error}");
}

#[test]
fn a_hospital_that_does_not_trust_the_coordinators_sums_answers_the_first_step_alone() {
    let cox = "time = \"dfs_days\"\nevent = \"dfs_event\"\ncovariates = [\"patient_age\"]\n";
    let km = "time = \"dfs_days\"\nevent = \"dfs_event\"\ngrid = 1.0\n";
    let study = [BMT.to_owned(), task("km", "km", 1, km), task("cox", "cox", 12, cox)].concat();
    let mut setup = Setup::new(&study, "data/bmt_klein.csv").masked();
    setup.policy.trust_coordinator_sums = false;
    setup.timing = Timing { round_ms: 2000, grace_ms: 2000, tick_ms: 20 };
    let mut running = setup.start();
    running.until(|event| matches!(event, Event::TaskDone { task, .. } if task == "km"));
    running.follow_to_error();
    assert!(running.log_says(LOST, "trust_coordinator_sums"), "{}", running.logs());
}

/// X3: an exact question about the model that another task's sums came to follows from them too.
#[test]
fn a_first_step_that_follows_from_other_tasks_sums_needs_that_trust_as_well() {
    let concordance = "model = \"hazard\"\ntime = \"dfs_days\"\nevent = \"dfs_event\"\n\
                       covariates = [\"patient_age\", \"fab_4_5_aml\"]\nsubset = \"holdout\"\nseed = 1";
    let study = [
        BMT.to_owned(),
        bmt_hazard("hazard", 2, Some((3.0, 1e-5))),
        task("concordance", "concordance", 1, concordance),
    ];
    let mut setup = Setup::new(&study.concat(), "data/bmt_klein.csv").masked();
    setup.policy.trust_coordinator_sums = false;
    setup.timing = Timing { round_ms: 1500, grace_ms: 1500, tick_ms: 20 };
    let mut running = setup.start();
    running.until(|event| matches!(event, Event::TaskDone { task, .. } if task == "hazard"));
    running.follow_to_error();
    assert!(running.log_says(LOST, "trust_coordinator_sums"), "{}", running.logs());
}

fn manifest_of(setup: &Setup) -> Result<haima_smpc_node::manifest::Manifest, String> {
    let root = tempfile::tempdir().unwrap();
    let party = |name: &str| {
        haima::provision::make_party(root.path(), name, name, "127.0.0.1:1").unwrap().party
    };
    let sites = setup.cohorts.keys().map(|name| party(name)).collect();
    let made = setup.study.manifest(party("coordinator"), vec![], sites, setup.timing);
    made.map_err(|e| e.to_string())
}

/// M1, M3: what the manifest refuses.
#[test]
fn a_manifest_states_terms_that_hold_and_no_task_that_needs_the_bound() {
    let manifest = manifest_of(&private_study(2)).unwrap();
    let masking = manifest.masking.unwrap();
    assert_eq!((masking.threshold, masking.corrupt), (3, 1), "proposed for four hospitals");
    let noise = manifest.tasks[0].noise.unwrap();
    assert_eq!(noise.draws, 2, "t - c");

    let refused = |change: &dyn Fn(&mut Study)| {
        let mut setup = private_study(2);
        change(&mut setup.study);
        manifest_of(&setup).unwrap_err()
    };
    let terms = |threshold, corrupt| haima_smpc_node::masking::Masking {
        threshold,
        corrupt,
        prg: haima_smpc_node::masking::MaskPrg::default(),
    };
    let error = refused(&|study| study.masking = Some(terms(2, 0)));
    assert!(error.contains("masking.threshold") && error.contains("3 to 4"), "{error}");
    let error = refused(&|study| study.masking = Some(terms(3, 2)));
    assert!(error.contains("masking.corrupt") && error.contains("below 2"), "{error}");
    let error = refused(&|study| study.tasks[0].needs_bound = true);
    assert!(error.contains("needs_bound of task hazard") && error.contains("M3"), "{error}");
    let error = refused(&|study| study.release_quorum = Some(2));
    assert!(error.contains("release_quorum"), "{error}");
    let error = refused(&|study| {
        study.mode = haima_smpc_node::masking::Mode::Nodes;
        study.masking = Some(terms(3, 1));
    });
    assert!(error.contains("masked"), "{error}");
    let mut two = private_study(2);
    two.study.min_sites = 2;
    while two.cohorts.len() > 2 {
        two.cohorts.pop_last();
    }
    let error = manifest_of(&two).unwrap_err();
    assert!(error.contains("2 sites; masked mode has 3 to 200"), "{error}");
}

/// M1: who signs reads c, t and how many dropouts a round bears.
#[test]
fn a_drafted_manifest_tells_its_terms_in_words() {
    let manifest = manifest_of(&private_study(2)).unwrap();
    let words = haima_smpc_node::provision::in_words(&manifest, None).unwrap();
    for part in [
        "c = 1",
        "t = 3",
        "a round can lose 1 site",
        "as many as 2 (t - c)",
        "the coordinator and up to 1 of the sites",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
}

#[test]
fn the_demo_runs_without_nodes_and_its_report_says_what_that_means() {
    let out = tempfile::tempdir().unwrap();
    let demo = std::process::Command::new(common::program())
        .args(["demo", "--masked", "--data", repository("data/bmt_klein.csv").to_str().unwrap()])
        .args(["--out", out.path().to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&demo.stdout);
    assert!(demo.status.success(), "{said}{}", String::from_utf8_lossy(&demo.stderr));
    assert!(said.contains("NO     A hospital moves the sum no further than its bound"), "{said}");
    let page = std::fs::read_to_string(out.path().join("index.html")).unwrap();
    assert!(page.contains("masked aggregation by the coordinator"), "the mode");
    assert!(page.contains("join the coordinator"), "its assumption");
    assert!(page.contains("its own part of the noise is left on it"), "what subtraction leaves");
    assert!(!page.contains("Received by nodes"), "there are none");
    for flags in [["--masked", "--poison"], ["--masked", "--nodes=3"]] {
        let both = std::process::Command::new(common::program()).arg("demo").args(flags).output();
        assert!(!both.unwrap().status.success(), "{flags:?}");
    }
}
