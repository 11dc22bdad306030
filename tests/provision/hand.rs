//! Parties that set up a study as people would: each in a folder of its own, by the program's commands.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use haima::pooled::split;
use haima_smpc_node::manifest::Manifest;

use crate::common::{program, repository};

/// Runs `haima` with these words.
pub(super) fn haima(words: &[&str]) -> Output {
    Command::new(program()).args(words).output().unwrap()
}

pub(super) fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

pub(super) fn ok(words: &[&str]) -> String {
    let output = haima(words);
    assert!(output.status.success(), "{words:?}: {}", said(&output));
    said(&output)
}

pub(super) fn refused(words: &[&str]) -> String {
    let output = haima(words);
    assert!(!output.status.success(), "{words:?}: {}", said(&output));
    said(&output)
}

pub(super) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub(super) struct Hand {
    root: tempfile::TempDir,
    /// Name, role, address.
    pub(super) parties: Vec<(String, &'static str, String)>,
}

impl Hand {
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Keys and requests of everyone; each party has an operator of its own.
    pub(super) fn new() -> Self {
        Self::operated(ToOwned::to_owned)
    }

    /// The same with other operators.
    pub(super) fn operated(operator: impl Fn(&str) -> String) -> Self {
        let root = tempfile::tempdir().unwrap();
        let free = || {
            // Below the ports that systems give to connections outward.
            let listener = loop {
                let port: u16 = rand::random_range(10_000..30_000);
                if let Ok(listener) = std::net::TcpListener::bind(("127.0.0.1", port)) {
                    break listener;
                }
            };
            listener.local_addr().unwrap().to_string()
        };
        let mut parties = vec![("centre".into(), "coordinator", free())];
        parties.extend(["north", "south"].map(|name| (name.into(), "node", free())));
        let hospitals = ["alfred-melbourne", "hahnemann", "ohio-state", "st-vincent"];
        parties.extend(hospitals.map(|name| (name.to_owned(), "site", String::new())));
        let hand = Self { root, parties };
        for (name, role, address) in &hand.parties {
            let keys = hand.path(name);
            let made = ok(&["keygen", "--name", name, "--out", text(&keys)]);
            let request = hand.request(name);
            let mut words = vec!["request", "--keys", text(&keys), "--name", name, "--role", role];
            let operator = operator(name);
            words.extend(["--operator", &operator, "--out", text(&request)]);
            if !address.is_empty() {
                words.extend(["--address", address]);
            }
            let asked = ok(&words);
            let print = |text: &str| {
                let line = text.lines().find(|line| line.starts_with("fingerprint")).unwrap();
                line.trim_start_matches("fingerprint").trim().to_owned()
            };
            assert_eq!(print(&made), print(&asked), "the same keys, the same fingerprint");
            assert_eq!(print(&made).len(), 29);
        }
        hand
    }

    pub(super) fn request(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}.request.toml"))
    }

    pub(super) fn draft(
        &self,
        out: &str,
        amends: Option<&str>,
        leave_out: &[&str],
    ) -> (PathBuf, String) {
        let study = repository("data/bmt_klein.study.toml");
        let folder = self.path(out);
        let mut words: Vec<String> =
            ["package", "draft", "--study", text(&study), "--out", text(&folder)]
                .map(str::to_owned)
                .to_vec();
        words.extend(["--round-s", "30", "--grace-s", "30", "--tick-ms", "20"].map(str::to_owned));
        if let Some(old) = amends {
            let old = self.path(old).join("manifest.toml");
            words.extend(["--amends".into(), text(&old).to_owned()]);
        }
        for (name, ..) in self.parties.iter().filter(|(name, ..)| !leave_out.contains(&&**name)) {
            words.push(text(&self.request(name)).to_owned());
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let said = ok(&words);
        (folder.join("manifest.toml"), said)
    }

    pub(super) fn approve(&self, manifest: &Path, who: &[&str]) -> Vec<PathBuf> {
        let of = |name: &&str| {
            let keys = self.path(name);
            ok(&["approve", "--manifest", text(manifest), "--keys", text(&keys), "--sign"]);
            manifest.with_file_name(format!("approval-{name}.toml"))
        };
        who.iter().map(of).collect()
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.parties.iter().map(|(name, ..)| name.as_str()).collect()
    }

    /// Everyone approves, and gets the signed manifest.
    pub(super) fn sign(&self, manifest: &Path, who: &[&str]) {
        let approvals = self.approve(manifest, who);
        let mut words = vec!["package", "signed", "--manifest", text(manifest)];
        words.extend(approvals.iter().map(|path| text(path)));
        ok(&words);
        for name in who {
            for file in ["manifest.toml", "manifest.sig", "plan.toml"] {
                std::fs::copy(manifest.with_file_name(file), self.path(name).join(file)).unwrap();
            }
        }
    }

    pub(super) fn configure(&self) {
        let keys = "manifest = \"manifest.toml\"\nidentity = \"identity.key\"\n\
            tls_certificate = \"tls.crt\"\ntls_key = \"tls.key\"\n";
        let cohorts = split(&repository("data/bmt_klein.csv"), "hospital").unwrap();
        for (name, role, _) in &self.parties {
            let file = |file: &str, text: &str| {
                std::fs::write(self.path(name).join(file), text).unwrap();
            };
            match *role {
                "coordinator" => file("coordinator.toml", &format!("{keys}out = \"out\"\n")),
                "node" => file(
                    "node.toml",
                    &format!(
                        "name = \"{name}\"\n{keys}noise_key = \"noise.key\"\n\
                         epoch_key = \"epoch.key\"\nstore = \"node.db\"\njournal = \"audit.log\"\n"
                    ),
                ),
                _ => {
                    let site =
                        "policy = \"policy.toml\"\ndata = \"cohort.csv\"\nstate = \"state\"\n";
                    file("site.toml", &format!("name = \"{name}\"\n{keys}{site}"));
                    let policy = "default_population = \"transplants\"\nepsilon = 3.0\n\
                        delta = 1e-5\nmin_local_rows = 1\nmin_sites = 3\n";
                    let manifest = Manifest::read(&self.path(name).join("manifest.toml")).unwrap();
                    let exact: Vec<_> = manifest.tasks.iter().map(|t| t.id.clone()).collect();
                    let orders = manifest.tasks.iter().filter_map(|task| task.noise?.order);
                    let order = orders.map(|order| format!("order = {order}\n")).next();
                    let order = order.unwrap_or_default();
                    file("policy.toml", &format!("{policy}{order}exact_tasks = {exact:?}\n"));
                    let words: Vec<&str> = name.split('-').collect();
                    let (_, cohort) = cohorts
                        .iter()
                        .find(|(value, _)| value.to_lowercase().contains(words[0]))
                        .unwrap();
                    file("cohort.csv", cohort);
                }
            }
        }
    }

    pub(super) fn start(&self, name: &str) -> Child {
        let (_, role, _) = self.parties.iter().find(|(party, ..)| party == name).unwrap();
        let words: &[&str] = match *role {
            "coordinator" => &["coordinator", "run", "--config", "coordinator.toml"],
            "node" => &["__node", "run", "--config", "node.toml"],
            _ => &["site", "run", "--config", "site.toml"],
        };
        let log = std::fs::File::create(self.path(name).join("log")).unwrap();
        let mut command = Command::new(program());
        command.args(words).current_dir(self.path(name)).stdin(Stdio::null()).stderr(log);
        command.stdout(Stdio::null()).spawn().unwrap()
    }

    pub(super) fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name).join("log")).unwrap()
    }
}

/// Ends when the test does.
pub(super) struct Processes(pub(super) Vec<Child>);

impl Drop for Processes {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
