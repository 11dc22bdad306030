//! A hospital's page: new, with a manifest that waits, with a ledger and a journal, and hostile texts.

use std::path::{Path, PathBuf};

use axum::Router;
use axum::http::StatusCode;
use haima::site::consent::Consents;
use haima::site::{Config, Policy};
use haima::web::site::Options;
use haima::web::{Door, Stop, site};
use haima_crypto::encode::Digest;
use haima_dp::event::Release;
use haima_dp::ledger::Ledger;
use haima_smpc_node::audit::Audit;
use haima_smpc_node::keyfile;
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::study::{Approvals, Study};

use super::browser::{Browser, hidden};
use super::common::{BMT, Running, Setup, task};

const SITE: &str = "hospital-ohio-state";

/// A study of one exact task among the hospitals of data/bmt_klein.csv; nobody runs.
pub(crate) fn network() -> Running {
    let km = "time = \"dfs_days\"\nevent = \"dfs_event\"\nby = \"disease_group\"\ngrid = 30.0\n";
    Setup::new(&[BMT.to_owned(), task("km", "km", 1, km)].concat(), "data/bmt_klein.csv").make()
}

pub(crate) fn config(network: &Running) -> Config {
    Config::read(&network.network.folder(SITE).unwrap().join("site.toml")).unwrap()
}

fn options(network: &Running) -> Options {
    Options { config: config(network), draft: None, models: Vec::new(), stop: None }
}

/// The site's pages, beside no daemon.
pub(crate) fn pages(network: &Running, door: Door) -> Router {
    site::pages(options(network), door).unwrap()
}

async fn signed_in(network: &Running) -> Browser {
    Browser::signed_in(|door| pages(network, door)).await
}

/// Takes the parties' signatures away: the manifest is a draft.
fn unsign(network: &Running) -> PathBuf {
    let manifest = config(network).manifest;
    std::fs::remove_file(Study::signatures_of(&manifest)).unwrap();
    manifest
}

fn approval(manifest: &Path) -> PathBuf {
    manifest.with_file_name(format!("approval-{SITE}.toml"))
}

#[tokio::test]
async fn a_new_site_has_pages_that_say_so() {
    let network = network();
    let browser = signed_in(&network).await;
    let overview = browser.get("/").await.page();
    for part in ["in force", "untouched", "0 rounds", "stands alone", "default_population"] {
        assert!(overview.contains(part), "{part}: {overview}");
    }
    // Self-signed for good: no party looks at its date.
    assert!(overview.contains("no end") && overview.contains("no party reads the date"));
    assert!(browser.get("/sent").await.page().contains("Nothing was sent yet"));
    assert!(browser.get("/budget").await.page().contains("Nothing was charged yet"));
    assert!(browser.get("/journal").await.page().contains("no record yet"));
    assert!(!config(&network).state.join("audit.log").exists(), "looking makes no journal");
}

#[tokio::test]
async fn a_site_with_charges_shows_budget_and_what_was_sent() {
    let network = network();
    let config = config(&network);
    let manifest = Manifest::read(&config.manifest).unwrap();
    let policy = Policy::read(&config.policy).unwrap();
    std::fs::create_dir_all(&config.state).unwrap();
    let ledger = config.state.join(Ledger::file_name("test").unwrap());
    // Held open, as the daemon holds it.
    let mut ledger = Ledger::open(&ledger, "test", policy.budget(&manifest).unwrap()).unwrap();
    let _ = ledger.charge(&manifest.study, [7; 32], &Release::exact()).unwrap();
    let key = keyfile::read_identity(&config.identity).unwrap();
    let log = config.state.join("audit.log");
    let (audit, _) = Audit::open(&log, SITE, &key.public()).unwrap();
    let round = Digest::of(b"round");
    let none = Digest::default();
    audit.write(&key, "charged exact", &round, "km/1", &none, "").unwrap();
    audit.write(&key, "submitted", &round, "km", &none, "48216 bytes").unwrap();
    audit.write(&key, "went on from", &round, "km/1", &none, "<script>alert(1)</script>").unwrap();

    let browser = signed_in(&network).await;
    let overview = browser.get("/").await.page();
    assert!(overview.contains("1 round") && overview.contains("ε 0 of 3.00 used"), "{overview}");
    assert!(overview.contains("all of the budget (rho 0 of "), "what is left: {overview}");
    let budget = browser.get("/budget").await.page();
    for part in [
        "0 of 3.00",
        "all of the budget",
        "without any privacy guarantee",
        "Privacy ledger of population",
        "zCDP",
    ] {
        assert!(budget.contains(part), "{part}: {budget}");
    }
    let sent = browser.get("/sent").await.page();
    assert!(sent.contains("km/1") && sent.contains("exact: no differential privacy"), "{sent}");
    assert!(sent.contains(&round.to_string()));
    assert!(sent.contains("48.2 kB") && sent.contains("48,216 bytes"), "its size: {sent}");
    let journal = browser.get("/journal").await.page();
    assert!(journal.contains("3 records"), "{journal}");
    assert!(journal.contains("&lt;script&gt;alert(1)") && !journal.contains("<script>alert"));

    audit.write(&key, "charged", &Digest::of(b"next"), "km/1", &none, "").unwrap();
    browser.until("/sent", "the charge is all that happened").await;

    std::fs::write(&log, b"damage").unwrap();
    // Damage is told, and the page stands.
    browser.until("/journal", "role=\"alert\"").await;
    assert!(browser.get("/budget").await.page().contains("Privacy ledger"), "the rest too");
}

#[tokio::test]
async fn a_manifest_is_approved_after_it_was_read_and_only_the_one_that_was_shown() {
    let network = network();
    let manifest = unsign(&network);
    let browser = signed_in(&network).await;
    let overview = browser.get("/").await.page();
    assert!(overview.contains("waits for you"), "{overview}");
    let asked = browser.get("/asked").await.page();
    let own = Manifest::read(&manifest).unwrap();
    for part in
        ["coordinating centre", "only these tasks may run", "EXACT", &own.digest().to_string()]
    {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    let digest = hidden(&asked, "digest");
    assert_eq!(digest, own.digest().to_string());

    let unread = [("answer", "approve"), ("digest", digest.as_str())];
    let refused = browser.post("/asked", "/asked", &unread).await;
    assert!(refused.text.contains("Tick the box"), "{}", refused.text);
    let other = "00".repeat(32);
    let of_other = [("answer", "approve"), ("read", "yes"), ("digest", other.as_str())];
    let refused = browser.post("/asked", "/asked", &of_other).await;
    assert!(refused.text.contains("another manifest than the one that was shown"));
    assert!(!approval(&manifest).exists());

    let good = [("answer", "approve"), ("read", "yes"), ("digest", digest.as_str())];
    let done = browser.post("/asked", "/asked", &good).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    let approvals = Approvals::read(&approval(&manifest)).unwrap();
    approvals.check(&own).unwrap();
    assert_eq!(approvals.signatures.keys().collect::<Vec<_>>(), [SITE]);
    let after = browser.get("/asked").await.page();
    assert!(after.contains("has approved it") && !after.contains("Approve and sign"), "{after}");

    let refuse = [("answer", "refuse"), ("digest", digest.as_str()), ("reason", "no")];
    let late = browser.post("/asked", "/asked", &refuse).await;
    assert!(late.text.contains("cannot be taken back"), "{}", late.text);
}

#[tokio::test]
async fn a_manifest_that_changes_between_the_look_and_the_click_is_not_signed() {
    let network = network();
    let manifest = unsign(&network);
    let browser = signed_in(&network).await;
    let digest = hidden(&browser.get("/asked").await.page(), "digest");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replacen("min_sites = 3", "min_sites = 2", 1)).unwrap();
    let good = [("answer", "approve"), ("read", "yes"), ("digest", digest.as_str())];
    let answer = browser.post("/asked", "/asked", &good).await;
    assert!(answer.text.contains("another manifest"), "{}", answer.text);
    assert!(!approval(&manifest).exists());
}

#[tokio::test]
async fn keys_that_are_not_in_the_manifest_sign_nothing() {
    let network = network();
    let manifest = unsign(&network);
    let other = network.network.folder("hospital-alfred-melbourne").unwrap();
    let own = config(&network);
    for file in ["identity.key", "tls.crt"] {
        let mut wrong = own.clone();
        let path = other.join(file);
        match file {
            "tls.crt" => wrong.tls_certificate = path,
            _ => wrong.identity = path,
        }
        let options = Options { config: wrong, ..options(&network) };
        let browser = Browser::signed_in(|door| site::pages(options, door).unwrap()).await;
        let digest = hidden(&browser.get("/asked").await.page(), "digest");
        let good = [("answer", "approve"), ("read", "yes"), ("digest", digest.as_str())];
        let answer = browser.post("/asked", "/asked", &good).await;
        assert!(answer.text.contains("another"), "{file}: {}", answer.text);
        assert!(!approval(&manifest).exists(), "{file}");
    }
}

#[tokio::test]
async fn a_refusal_is_noted_with_its_reason_and_may_be_taken_back() {
    let network = network();
    let manifest = unsign(&network);
    let browser = signed_in(&network).await;
    let digest = hidden(&browser.get("/asked").await.page(), "digest");
    let reason = "too many sums\n<b>of us</b>";
    let refuse = [("answer", "refuse"), ("digest", digest.as_str()), ("reason", reason)];
    let done = browser.post("/asked", "/asked", &refuse).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    let page = browser.get("/asked").await.page();
    assert!(page.contains("too many sums &lt;b&gt;of us") && !page.contains("Approve and sign"));
    assert!(browser.get("/").await.page().contains("refused"));
    let back = browser.post("/asked", "/asked", &[("answer", "take back")]).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER);
    assert!(browser.get("/asked").await.page().contains("Approve and sign"));
    assert!(!approval(&manifest).exists());
}

#[tokio::test]
async fn what_strangers_write_into_a_manifest_is_text() {
    let network = network();
    let manifest = unsign(&network);
    let text = std::fs::read_to_string(&manifest).unwrap();
    let hostile = "<script>alert(1)</script>\\u202E<img src=x>";
    let text = text.replace("coordinating centre", hostile);
    std::fs::write(&manifest, text).unwrap();
    let browser = signed_in(&network).await;
    let page = browser.get("/asked").await.page();
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{page}");
    for never in ["<script>alert", "<img", "\u{202e}"] {
        assert!(!page.contains(never), "{never:?}");
    }
}

#[tokio::test]
async fn an_amendment_shows_what_it_changes() {
    let network = network();
    let config = config(&network);
    let old = Manifest::read(&config.manifest).unwrap();
    let amends = Some(old.digest().to_string());
    let new = Manifest { revision: 2, amends, min_sites: 2, ..old }.checked().unwrap();
    let draft = config.manifest.with_file_name("draft.toml");
    std::fs::write(&draft, toml::to_string(&new).unwrap()).unwrap();
    let options = Options { draft: Some(draft), ..options(&network) };
    let browser = Browser::signed_in(|door| site::pages(options, door).unwrap()).await;
    let page = browser.get("/asked").await.page();
    assert!(page.contains("changes to revision 1") && page.contains("WEAKENS"), "{page}");
    assert_eq!(hidden(&page, "digest"), new.digest().to_string());
}

/// Runs of two tasks wait, as the daemon writes them down.
fn hold_back(network: &Running) -> Consents {
    let config = config(network);
    let manifest = Manifest::read(&config.manifest).unwrap().digest();
    let run = |task: &str| {
        format!(
            "[[waiting]]\nmanifest = \"{manifest}\"\ntask = \"{task}\"\nrun = \"1\"\n\
             words = \"Curves <b>of {task}</b>.\"\nsince_ms = 1000\n"
        )
    };
    std::fs::create_dir_all(&config.state).unwrap();
    let text = format!("version = 1\n{}{}", run("km"), run("cox"));
    std::fs::write(config.state.join("consents.toml"), text).unwrap();
    Consents::open(&config.state).unwrap()
}

#[tokio::test]
async fn a_run_that_the_policy_holds_back_is_approved_or_refused_with_a_button() {
    let network = network();
    let browser = signed_in(&network).await;
    assert!(browser.get("/approvals").await.page().contains("Nothing waits"));
    assert!(!browser.get("/").await.page().contains("for your approval"));
    let consents = hold_back(&network);
    let overview = browser.get("/").await.page();
    assert!(overview.contains("2 runs wait") && overview.contains("/approvals"), "{overview}");
    let page = browser.get("/approvals").await.page();
    assert!(page.contains("Curves &lt;b&gt;of cox&lt;/b&gt;."));
    assert_eq!(page.matches(">Approve</button>").count(), 2, "{page}");

    let shown = hidden(&page, "manifest");
    assert_eq!(shown, Manifest::read(&config(&network).manifest).unwrap().digest().to_string());
    let other = Digest::of(b"before it was amended").to_string();
    let under = |manifest, task, answer| {
        [("task", task), ("run", "1"), ("manifest", manifest), ("answer", answer)]
    };
    let of = |task, answer| under(shown.as_str(), task, answer);
    // A page that was loaded before an amendment, or that says nothing, allows nothing of it.
    let [stale, silent] = [other.as_str(), ""].map(|manifest| under(manifest, "km", "approve"));
    for wrong in [of("km", "maybe"), of("other", "approve"), stale, silent] {
        let answer = browser.post("/approvals", "/approvals", &wrong).await;
        assert!(answer.text.contains("Nothing was done"), "{}", answer.text);
    }
    assert_eq!(consents.waiting().unwrap().len(), 2);
    for (task, answer, allowed) in [("km", "approve", true), ("cox", "refuse", false)] {
        let done = browser.post("/approvals", "/approvals", &of(task, answer)).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
        let last = &consents.decided().unwrap()[0];
        assert_eq!((&*last.task, &*last.run, last.allowed), (task, "1", allowed));
    }
    assert!(consents.waiting().unwrap().is_empty());
    assert!(browser.get("/approvals").await.page().contains("Nothing waits"));
}

#[tokio::test]
async fn approvals_that_cannot_be_read_are_told_and_the_first_page_stands() {
    let network = network();
    let browser = signed_in(&network).await;
    drop(hold_back(&network));
    std::fs::write(config(&network).state.join("consents.toml"), "damage").unwrap();
    for path in ["/", "/approvals"] {
        let page = browser.get(path).await.page();
        assert!(page.contains("What waits for approval cannot be read"), "{path}: {page}");
    }
}

#[tokio::test]
async fn the_switch_stops_the_daemon_beside_it_once_it_is_meant() {
    let network = network();
    let stop = Stop::default();
    let options = Options { stop: Some(stop.clone()), ..options(&network) };
    let browser = Browser::signed_in(|door| site::pages(options, door).unwrap()).await;
    assert!(browser.get("/").await.page().contains("runs in this process"));
    let unsure = browser.post("/stop", "/stop", &[]).await;
    assert!(unsure.text.contains("Nothing was done"), "{}", unsure.text);
    let wait = std::time::Duration::from_secs(1);
    assert!(tokio::time::timeout(wait, stop.asked()).await.is_err(), "not stopped yet");
    let sure = browser.post("/stop", "/stop", &[("sure", "yes")]).await;
    assert!(sure.text.contains("The daemon stops"), "{}", sure.text);
    let wait = std::time::Duration::from_secs(10);
    tokio::time::timeout(wait, stop.asked()).await.unwrap();
}

#[tokio::test]
async fn a_page_that_stands_alone_says_how_to_stop_the_daemon() {
    let network = network();
    let browser = signed_in(&network).await;
    let page = browser.get("/stop").await.page();
    assert!(page.contains("systemctl stop") && !page.contains("Stop the daemon"), "{page}");
    let sent = browser.post("/stop", "/stop", &[("sure", "yes")]).await.page();
    assert!(sent.contains("cannot stop the daemon"));
}
