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
use haima_crypto::encode::Digest;
use haima_smpc_node::audit::Audit;
use haima_smpc_node::keyfile;
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

    for path in ["/", "/asked", "/sent", "/budget", "/journal", "/stop"] {
        look(&browser, &served, "site", path);
    }
    browser.open(&format!("{}/asked", served.address));
    assert!(browser.text("main").contains("coordinating centre"));
    browser.click("input[name=read]");
    browser.click("form[aria-labelledby=approve] button");
    browser.until("p.good", "has approved it");
    assert!(folder.join(format!("approval-{SITE}.toml")).exists());
    look(&browser, &served, "site-approved", "/asked");

    it_shows_a_change_by_itself(&browser, &served, &folder);
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
    audit.write(&key, "submitted", &round, "km", &none, "").unwrap();
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
