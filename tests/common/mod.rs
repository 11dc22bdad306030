//! A network of real processes under test, and the oracles' folder.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use haima::coordinator::events::Event;
use haima::demo::network::{Network, Plan};
use haima::pooled::split;
use haima::provision::Study;
pub(crate) use haima::provision::Timing;
use haima::site::Policy;

/// This program, as cargo built it for tests.
pub(crate) fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_haima"))
}

/// A file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A JSON file of the oracles, or `None` with a printed line where it is missing.
pub(crate) fn oracle(path: &str) -> Option<serde_json::Value> {
    let shared =
        std::env::var_os("HAIMA_SHARED").map_or_else(|| repository("../shared"), PathBuf::from);
    match std::fs::read_to_string(shared.join(path)) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap()),
        Err(_) => {
            println!("ORACLE absent: {path}");
            None
        }
    }
}

pub(crate) const TIMING: Timing = Timing { round_ms: 20_000, grace_ms: 10_000, tick_ms: 20 };

/// What a test network is made from; change what the test is about.
pub(crate) struct Setup {
    pub(crate) study: Study,
    pub(crate) cohorts: BTreeMap<String, String>,
    pub(crate) nodes: usize,
    pub(crate) policy: Policy,
    pub(crate) timing: Timing,
    pub(crate) poisoner: Option<String>,
}

impl Setup {
    /// A study given as TOML, over a shipped data set; policy without a local floor, exact tasks
    /// allowed, a budget of (3, 1e-5).
    pub(crate) fn new(study: &str, data: &str) -> Self {
        let study: Study = toml::from_str(study).unwrap();
        let dealt = split(&repository(data), &study.site_column).unwrap();
        let cohorts = dealt
            .into_iter()
            .map(|(value, text)| {
                let name = format!("{}-{value}", study.site_prefix).to_lowercase();
                (name.replace('_', "-"), text)
            })
            .collect();
        let exact: Vec<String> = (study.tasks.iter())
            .filter(|task| task.privacy.is_none())
            .map(|task| task.id.clone())
            .collect();
        let policy = Policy {
            default_population: "test".into(),
            epsilon: 3.0,
            order: None,
            delta: Some(1e-5),
            allow_large_delta: false,
            row_revealing_tasks: exact.clone(),
            exact_tasks: exact,
            trust_coordinator_sums: true,
            approved_reruns: vec![],
            approved_other_sites: vec![],
            approved_cohorts: Vec::new(),
            max_cohorts: 8,
            min_local_rows: 1,
            min_sites: study.min_sites,
            amendment: None,
            max_attempts_a_day: 1000,
            ..Policy::new("test", 3.0)
        };
        Self { study, cohorts, nodes: 3, policy, timing: TIMING, poisoner: None }
    }

    /// The same in masked mode, without nodes.
    pub(crate) fn masked(mut self) -> Self {
        self.study.mode = haima_smpc_node::masking::Mode::Masked;
        self.nodes = 0;
        self
    }

    pub(crate) fn make(&self) -> Running {
        let root = tempfile::tempdir().unwrap();
        let plan = Plan {
            program: program(),
            root: root.path().to_owned(),
            study: self.study.clone(),
            cohorts: self.cohorts.clone(),
            nodes: self.nodes,
            policy: self.policy.clone(),
            timing: self.timing,
            wait_s: 60,
            poisoner: self.poisoner.clone(),
        };
        let network = Network::make(&plan).unwrap();
        Running { network, coordinator: None, events: None, seen: vec![], root }
    }

    /// Starts everything.
    pub(crate) fn start(&self) -> Running {
        let mut running = self.make();
        running.network.start_all().unwrap();
        running.start_coordinator();
        running
    }

    /// Runs the study to its end: results by task id.
    pub(crate) fn results(&self) -> BTreeMap<String, serde_json::Value> {
        self.start().finish()
    }
}

/// A network whose processes run.
pub(crate) struct Running {
    pub(crate) network: Network,
    coordinator: Option<Child>,
    events: Option<Receiver<Event>>,
    pub(crate) seen: Vec<Event>,
    pub(crate) root: tempfile::TempDir,
}

impl Running {
    pub(crate) fn start_coordinator(&mut self) {
        let mut child = self.network.start_coordinator().unwrap();
        let output = child.stdout.take().unwrap();
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap();
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        (self.coordinator, self.events) = (Some(child), Some(receiver));
    }

    /// The next event; `None` when the coordinator has ended. Fails after two minutes of silence.
    pub(crate) fn next(&mut self) -> Option<Event> {
        use std::sync::mpsc::RecvTimeoutError::{Disconnected, Timeout};
        match self.events.as_ref().unwrap().recv_timeout(Duration::from_secs(120)) {
            Ok(event) => {
                self.seen.push(event.clone());
                Some(event)
            }
            Err(Disconnected) => None,
            Err(Timeout) => panic!("no event for two minutes; {}", self.logs()),
        }
    }

    /// The next event within a time: `None` when there was none, `Some(None)` when the coordinator
    /// has ended.
    pub(crate) fn next_within(&mut self, wait: Duration) -> Option<Option<Event>> {
        use std::sync::mpsc::RecvTimeoutError::{Disconnected, Timeout};
        match self.events.as_ref().unwrap().recv_timeout(wait) {
            Ok(event) => Some(Some(event)),
            Err(Disconnected) => {
                self.kill_coordinator();
                Some(None)
            }
            Err(Timeout) => None,
        }
    }

    /// SIGKILL.
    pub(crate) fn kill_coordinator(&mut self) {
        if let Some(mut child) = self.coordinator.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Follows events until one fits.
    pub(crate) fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        loop {
            match self.next() {
                Some(event) if wanted(&event) => return event,
                Some(_) => {}
                None => panic!("the coordinator ended early; {}", self.logs()),
            }
        }
    }

    /// Until a round of this task is open.
    pub(crate) fn until_open(&mut self, task: &str, step: u32) {
        self.until(|event| {
            matches!(event, Event::Opened(round) if round.task == task && round.step == step)
        });
    }

    /// To the end of the study; results by task id.
    pub(crate) fn finish(mut self) -> BTreeMap<String, serde_json::Value> {
        self.follow_to_end();
        self.ended()
    }

    /// Results so far, by task id.
    pub(crate) fn ended(&self) -> BTreeMap<String, serde_json::Value> {
        let results = self.seen.iter().filter_map(|event| match event {
            Event::TaskDone { task, result } => Some((task.clone(), result.clone())),
            _ => None,
        });
        results.collect()
    }

    /// To the end of the study, which must be a good one.
    pub(crate) fn follow_to_end(&mut self) {
        self.until(|event| *event == Event::Done);
        self.stop_coordinator();
    }

    /// To the end of the study, which must be an error: the coordinator's last words.
    pub(crate) fn follow_to_error(&mut self) -> String {
        while let Some(event) = self.next() {
            assert_ne!(event, Event::Done, "the study should have failed");
        }
        let status = self.coordinator.take().unwrap().wait().unwrap();
        assert!(!status.success(), "an error ends with another exit code than 0");
        self.network.last_line("coordinator")
    }

    fn stop_coordinator(&mut self) {
        if let Some(mut child) = self.coordinator.take() {
            assert!(child.wait().unwrap().success());
        }
    }

    /// Last lines of all logs, for a failing test.
    pub(crate) fn logs(&self) -> String {
        let names = self.network.node_names().chain(self.network.site_names());
        names
            .chain(["coordinator".to_owned()])
            .map(|name| format!("\n{name}: {}", self.network.last_line(&name)))
            .collect()
    }

    /// Whether a party's log has a line with this text.
    pub(crate) fn log_says(&self, name: &str, text: &str) -> bool {
        let log = self.network.folder(name).unwrap().join("log");
        std::fs::read_to_string(log).is_ok_and(|log| log.contains(text))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.coordinator.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until a condition holds, at most this long.
pub(crate) fn eventually(within: Duration, what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + within;
    while !condition() {
        assert!(Instant::now() < until, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The columns of data/bmt_klein.csv that the tests use.
pub(crate) const BMT: &str = r#"
study = "bmt-test"
site_column = "hospital"
site_prefix = "hospital"
min_sites = 3
max_patients = 100
max_dimension = 100_000

[schema]
one_row_per_patient = true
ignore = ["donor_male", "patient_cmv", "donor_cmv", "wait_days", "mtx_prophylaxis", "os_days",
    "death", "relapse", "agvhd_days", "agvhd", "cgvhd_days", "cgvhd", "platelet_recovery_days",
    "platelet_recovery"]
column = [
    { name = "disease_group", kind = "category", levels = ["ALL", "AML_high_risk", "AML_low_risk"] },
    { name = "patient_age", kind = "numeric", unit = "years", range = [0, 110] },
    { name = "donor_age", kind = "numeric", unit = "years", range = [0, 110] },
    { name = "patient_male", kind = "flag" },
    { name = "fab_4_5_aml", kind = "flag" },
    { name = "dfs_days", kind = "numeric", unit = "days", range = [0, 3000] },
    { name = "dfs_event", kind = "flag" },
]
"#;

/// The columns of data/leuksurv.csv.
pub(crate) const LEUKSURV: &str = r#"
study = "leuksurv-test"
site_column = "district"
site_prefix = "district"
min_sites = 3
max_patients = 120
max_dimension = 100_000

[schema]
patient = "patient"
column = [
    { name = "time_days", kind = "numeric", unit = "days", range = [0, 5000] },
    { name = "death", kind = "flag" },
    { name = "age", kind = "numeric", unit = "years", range = [0, 110] },
    { name = "male", kind = "flag" },
    { name = "wbc", kind = "numeric", unit = "", range = [0, 500] },
    { name = "tpi", kind = "numeric", unit = "", range = [-10, 12] },
]
"#;

/// A task of a study in TOML.
pub(crate) fn task(id: &str, name: &str, steps: u32, params: &str) -> String {
    format!(
        "\n[[task]]\nid = \"{id}\"\ntask = \"{name}\"\nversion = 1\ntitle = \"{id}\"\n\
         max_steps = {steps}\nspare_attempts = 4\n[task.params]\n{params}\n"
    )
}

/// The hazard network on bmt, `steps` steps; private with `privacy`, else exact.
pub(crate) fn bmt_hazard(id: &str, steps: u32, privacy: Option<(f64, f64)>) -> String {
    let privacy = privacy.map_or(String::new(), |(epsilon, delta)| {
        format!("privacy = {{ epsilon = {epsilon:?}, delta = {delta:e} }}\n")
    });
    task(
        id,
        "hazard",
        steps,
        &format!(
            "time = \"dfs_days\"\nevent = \"dfs_event\"\n\
             covariates = [\"patient_age\", \"fab_4_5_aml\"]\n\
             cuts = [100.0, 300.0, 1000.0]\nexpected_patients = 100\nseed = 1\nsteps = {steps}\n"
        ),
    )
    .replace("[task.params]", &format!("{privacy}[task.params]"))
}
