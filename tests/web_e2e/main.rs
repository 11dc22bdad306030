//! The web pages in a real browser (headless Chromium, driven over WebDriver), served by the program
//! itself: signing in, approving, live changes, keyboard, without scripts, at 1,280 and 400 pixels. Each
//! page is held against axe-core's rules where `HAIMA_AXE` names its file, and a picture of it goes to
//! `target/tmp/pages`. Without a browser the tests say so and pass.

#[path = "../common/mod.rs"]
mod common;
mod driver;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::{BMT, Running, Setup, task};
use driver::{Browser, absent, pictures};
use haima::site::consent::Consents;
use haima_crypto::encode::Digest;
use haima_smpc_node::audit::Audit;
use haima_smpc_node::keyfile;
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::study::Study;
use serde_json::Value;

const SITE: &str = "hospital-ohio-state";
const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';

fn setup() -> Setup {
    let km = "time = \"dfs_days\"\nevent = \"dfs_event\"\nby = \"disease_group\"\ngrid = 30.0\n";
    Setup::new(&[BMT.to_owned(), task("km", "km", 1, km)].concat(), "data/bmt_klein.csv")
}

/// A page that the program serves, until this is dropped.
struct Served {
    process: Child,
    address: String,
    token: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Served {
    /// Starts `haima ... --page 127.0.0.1:0` in a party's folder; its token is where it says.
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut process = Command::new(common::program())
            .current_dir(folder)
            .args(arguments)
            .args(["--page", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let (mut address, mut token) = (None, None);
        while address.is_none() || token.is_none() {
            let line = lines.next().expect("the page says where it is").unwrap();
            if let Some(at) = line.strip_prefix("page: ") {
                address = Some(at.trim_end_matches('/').to_owned());
            }
            // Standard error is no terminal here: the token stays in its file.
            if let Some(file) = line.strip_prefix("its token is in ") {
                let text = std::fs::read_to_string(folder.join(file)).unwrap();
                token = Some(text.trim().to_owned());
            }
        }
        // What it says later is told with a failure.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                eprintln!("{line}");
            }
        });
        Self { process, address: address.unwrap(), token: token.unwrap() }
    }

    fn sign_in(&self, browser: &Browser) {
        browser.open(&self.address);
        browser.until("h1", "Sign in");
        browser.enter("#token", &self.token);
        browser.click("main button");
        browser.until("header nav", "");
        assert_eq!(browser.address(), format!("{}/", self.address));
    }
}

/// Looks at a page as a person would, at both widths: nothing overflows, no rule of axe-core is broken,
/// and the browser complains of nothing. Leaves pictures.
fn look(browser: &Browser, served: &Served, name: &str, path: &str) {
    browser.open(&format!("{}{path}", served.address));
    look_as_it_is(browser, &format!("{name}{}", path.replace('/', "-")));
}

fn look_as_it_is(browser: &Browser, name: &str) {
    for width in [1280, 400] {
        browser.widen(width);
        let wide = browser.run("return document.documentElement.scrollWidth - window.innerWidth");
        assert!(wide.as_i64().unwrap() <= 0, "{name} is {wide} pixels too wide at {width}");
        browser.picture(&pictures().join(format!("{name}-{width}.png")));
        broken_rules(browser, name);
    }
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{name}: {complaints:?}");
    browser.widen(1280);
}

/// Holds the page against axe-core's rules.
fn broken_rules(browser: &Browser, name: &str) {
    let Some(file) = std::env::var_os("HAIMA_AXE") else {
        println!(
            "AXE absent: HAIMA_AXE names no axe.min.js; {name} was not held against its rules"
        );
        return;
    };
    let axe = std::fs::read_to_string(file).unwrap();
    browser.run(&axe);
    let found = browser.run_to_end(
        "const done = arguments[arguments.length - 1];
         axe.run(document, { resultTypes: ['violations'] })
            .then(found => done(found.violations.map(one => [one.id, one.help, one.nodes.map(n => n.html)])))
            .catch(error => done([['failed', String(error), []]]));",
    );
    assert_eq!(found, Value::Array(Vec::new()), "{name}");
}

#[test]
fn a_hospital_signs_in_reads_approves_and_sees_what_is_sent_as_it_is() {
    if absent() {
        return;
    }
    let network = setup().make();
    let folder = network.network.folder(SITE).unwrap().to_owned();
    let manifest = folder.join("manifest.toml");
    std::fs::remove_file(Study::signatures_of(&manifest)).unwrap();
    let served = Served::start(&folder, &["site", "page", "--config", "site.toml"]);
    let browser = Browser::start(true);

    browser.open(&served.address);
    look_as_it_is(&browser, "site-login");
    browser.enter("#token", "0000");
    browser.click("main button");
    browser.until("[role=alert]", "not this page's token");
    // The browser notes that the answer was no success.
    let _ = browser.complaints();
    served.sign_in(&browser);
    the_keyboard_comes_to_the_content_first(&browser);

    for path in ["/", "/asked", "/approvals", "/sent", "/budget", "/journal", "/stop"] {
        look(&browser, &served, "site", path);
    }
    runs_that_wait_are_approved_and_refused(&browser, &served, &folder);
    browser.open(&format!("{}/asked", served.address));
    assert!(browser.text("main").contains("coordinating centre"));
    browser.click("input[name=read]");
    browser.click("form[aria-labelledby=approve] button");
    browser.until("p.good", "has approved it");
    assert!(folder.join(format!("approval-{SITE}.toml")).exists());
    look(&browser, &served, "site-approved", "/asked");

    it_shows_a_change_by_itself(&browser, &served, &folder);
    look(&browser, &served, "site-one", "/sent");
}

/// Two runs wait, as the daemon writes them down: the first page tells of it by itself.
fn runs_that_wait_are_approved_and_refused(browser: &Browser, served: &Served, folder: &Path) {
    browser.open(&served.address);
    browser.until("h1", "Overview");
    let manifest = Manifest::read(&folder.join("manifest.toml")).unwrap().digest();
    let run = |task: &str, words: &str| {
        format!(
            "[[waiting]]\nmanifest = \"{manifest}\"\ntask = \"{task}\"\nrun = \"1\"\n\
             words = \"{words}\"\nsince_ms = {}\n",
            haima_smpc_node::unix_millis()
        )
    };
    let (curves, ratios) = ("Survival curves, exact, over all sites.", "Hazard ratios, noised.");
    let text = format!("version = 1\n{}{}", run("km", curves), run("cox", ratios));
    let state = folder.join("state");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(state.join("consents.toml"), text).unwrap();
    browser.until("#waiting", "2 runs wait");
    look(browser, served, "site-waiting", "/");
    look(browser, served, "site-waiting", "/approvals");
    assert!(browser.text("main").contains(curves));
    browser.click("button[value=approve]");
    browser.until("main", ratios);
    assert!(!browser.text("main").contains(curves));
    browser.click("button[value=refuse]");
    browser.until("main", "Nothing waits");
    let decided = Consents::open(&state).unwrap().decided().unwrap();
    let decided: Vec<_> = decided.iter().map(|one| (one.task.as_str(), one.allowed)).collect();
    assert_eq!(decided, [("cox", false), ("km", true)]);
}

fn the_keyboard_comes_to_the_content_first(browser: &Browser) {
    browser.press(TAB);
    assert_eq!(browser.run("return document.activeElement.className"), "skip");
    browser.press(ENTER);
    assert_eq!(browser.run("return document.activeElement.id"), "main");
}

/// A record comes into the journal while somebody looks: the page has it, and was not loaded again.
fn it_shows_a_change_by_itself(browser: &Browser, served: &Served, folder: &Path) {
    browser.open(&format!("{}/sent", served.address));
    browser.until("#sent", "Nothing was sent yet");
    browser.run("window.still = true");
    send(folder, "a");
    browser.until("#sent", "km/1");
    assert_eq!(browser.run("return window.still === true"), true, "the same page");
    assert!(browser.complaints().is_empty());
}

/// A round's charge and answer in the site's journal, as its daemon writes them.
fn send(folder: &Path, round: &str) {
    let key = keyfile::read_identity(&folder.join("identity.key")).unwrap();
    let log = folder.join("state").join("audit.log");
    let (audit, _) = Audit::open(&log, SITE, &key.public()).unwrap();
    let (round, none) = (Digest::of(round.as_bytes()), Digest::default());
    audit.write(&key, "charged exact", &round, "km/1", &none, "").unwrap();
    audit.write(&key, "submitted", &round, "km", &none, "48216 bytes").unwrap();
}

#[test]
fn without_scripts_all_works_and_a_changing_page_is_fetched_again() {
    if absent() {
        return;
    }
    let network = setup().make();
    let folder = network.network.folder(SITE).unwrap().to_owned();
    std::fs::remove_file(Study::signatures_of(&folder.join("manifest.toml"))).unwrap();
    let served = Served::start(&folder, &["site", "page", "--config", "site.toml"]);
    let browser = Browser::start(false);
    served.sign_in(&browser);
    browser.open(&format!("{}/asked", served.address));
    browser.enter("#reason", "not now");
    browser.click("form[aria-labelledby=refuse] button");
    browser.until("p.warn", "not now");
    browser.open(&format!("{}/sent", served.address));
    browser.until("main", "Renewed every 15 seconds");
    send(&folder, "b");
    browser.until("#sent", "km/1");
    browser.click("header form button");
    browser.until("h1", "Sign in");
}

/// A browser that has no certificate is asked for one, and signs in by the token.
#[test]
fn over_tls_a_browser_without_a_certificate_gets_the_form_for_the_token() {
    if absent() {
        return;
    }
    let network = setup().make();
    let folder = network.network.folder(SITE).unwrap().to_owned();
    let known = network.network.folder("coordinator").unwrap().join("tls.crt");
    let known = known.display().to_string();
    let own = ["--page-tls-cert", "tls.crt", "--page-tls-key", "tls.key"];
    let page = ["site", "page", "--config", "site.toml", "--page-client-keys", &known];
    let served = Served::start(&folder, &[&page[..], &own[..]].concat());
    assert!(served.address.starts_with("https://"), "{}", served.address);
    let browser = Browser::start(true);
    browser.open(&served.address);
    browser.until("main", "showed no certificate");
    look_as_it_is(&browser, "site-login-tls");
    served.sign_in(&browser);
    browser.until("header form", "Sign out");
    it_shows_a_change_by_itself(&browser, &served, &folder);
}

/// While the study runs, the page of the daemon itself says who is connected.
#[test]
fn the_coordinators_own_page_shows_who_is_connected_now() {
    if absent() {
        return;
    }
    // Nobody but one hospital comes: the study waits, here longer than the test takes.
    let mut network: Running = setup().make();
    for name in network.network.node_names().chain([SITE.to_owned()]) {
        network.network.start(&name).unwrap();
    }
    let folder = network.network.folder("coordinator").unwrap().to_owned();
    let config = folder.join("coordinator.toml");
    let text = std::fs::read_to_string(&config).unwrap().replace("wait_s = 60", "wait_s = 600");
    assert!(text.contains("wait_s = 600"));
    std::fs::write(&config, text).unwrap();
    let served = Served::start(&folder, &["coordinator", "run", "--config", "coordinator.toml"]);
    let browser = Browser::start(true);
    served.sign_in(&browser);
    browser.open(&format!("{}/parties", served.address));
    browser.until("#sites", "1 of 4 are connected now");
    look_as_it_is(&browser, "coordinator-running-parties");
    look(&browser, &served, "coordinator-running", "/");
    browser.open(&format!("{}/parties", served.address));
    network.network.kill(SITE);
    browser.until("#sites", "0 of 4 are connected now");
    browser.until("#sites", "last heard");
}

#[test]
fn an_ended_study_is_shown_by_the_coordinators_page_and_a_nodes_dashboard() {
    if absent() {
        return;
    }
    let mut network: Running = setup().start();
    network.follow_to_end();
    let browser = Browser::start(true);
    let folder = network.network.folder("coordinator").unwrap().to_owned();
    let config = ["coordinator", "page", "--config", "coordinator.toml"];
    let served = Served::start(&folder, &config);
    served.sign_in(&browser);
    browser.until("#state", "The study has ended");
    for path in ["/", "/results", "/parties", "/rounds", "/privacy", "/journal", "/files"] {
        look(&browser, &served, "coordinator", path);
    }
    let folder = network.network.folder("node-1").unwrap().to_owned();
    let served = Served::start(&folder, &["dashboard", "--config", "node.toml"]);
    served.sign_in(&browser);
    browser.until("#state", "3 of 3 nodes");
    for path in ["/", "/rounds", "/checks", "/refusals"] {
        look(&browser, &served, "dashboard", path);
    }
}
