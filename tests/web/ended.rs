//! A study that ran: a real network of processes, and afterwards the coordinator's pages, a hospital's
//! and the dashboard, over the files and the nodes that it left.

use std::sync::Arc;

use haima::coordinator::Config;
use haima::coordinator::events::Event;
use haima::web::coordinator::{self, Live};
use haima::web::dashboard;
use haima_smpc_node::server::Config as NodeConfig;
use haima_smpc_node::study::Study;
use haima_smpc_node::tls::TlsIdentity;

use super::browser::Browser;
use super::common::{BMT, Running, Setup, task};
use super::site::pages as site_pages;

const TITLE: &str = "Curves <script>alert(1)</script>";

/// A study of one exact task with a hostile title.
fn setup() -> Setup {
    let km = "time = \"dfs_days\"\nevent = \"dfs_event\"\nby = \"disease_group\"\ngrid = 30.0\n";
    let task = task("km", "km", 1, km).replace("title = \"km\"", &format!("title = {TITLE:?}"));
    Setup::new(&[BMT.to_owned(), task].concat(), "data/bmt_klein.csv")
}

fn centre(network: &Running) -> Config {
    Config::read(&network.network.folder("coordinator").unwrap().join("coordinator.toml")).unwrap()
}

async fn coordinator_pages(network: &Running, live: Option<Arc<Live>>) -> Browser {
    let options = coordinator::Options { config: centre(network), live };
    Browser::signed_in(|door| coordinator::pages(options, door).unwrap()).await
}

const PAGES: [&str; 7] = ["/", "/results", "/parties", "/rounds", "/privacy", "/journal", "/files"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_study_that_has_not_begun_has_pages_that_say_so() {
    let network = setup().make();
    let browser = coordinator_pages(&network, None).await;
    for path in PAGES {
        let page = browser.get(path).await.page();
        assert!(!page.contains("<script>alert"), "{path}");
    }
    let overview = browser.get("/").await.page();
    assert!(
        overview.contains("No round was opened yet") && overview.contains("waits"),
        "{overview}"
    );
    let parties = browser.get("/parties").await.page();
    // Nobody runs: each node is named with why it does not answer.
    assert_eq!(parties.matches("not well").count(), 3, "{parties}");
    assert!(!centre(&network).out.join("audit.log").exists(), "looking makes no journal");

    let live = Arc::new(Live::default());
    live.tell(&Event::Joined { sites: 2, of: 4 });
    let browser = coordinator_pages(&network, Some(Arc::clone(&live))).await;
    assert!(browser.get("/").await.page().contains("2 of 4"));
    live.tell(&Event::Joined { sites: 3, of: 4 });
    browser.until("/", "3 of 4").await;
    who_is_connected_is_seen_as_it_is(&browser, &live).await;
}

/// Streams of rounds that sites open and close, as the service for sites tells of them.
async fn who_is_connected_is_seen_as_it_is(browser: &Browser, live: &Live) {
    const SITE: &str = "hospital-ohio-state";
    let parties = browser.get("/parties").await.page();
    assert!(parties.contains("0 of 4 are connected now"), "{parties}");
    assert_eq!(parties.matches("not heard since").count(), 4, "{parties}");
    let stream = live.hub().listens(SITE);
    let parties = browser.get("/parties").await.page();
    assert!(parties.contains("1 of 4 are connected now"), "{parties}");
    assert_eq!(parties.matches(">connected<").count(), 1, "{parties}");
    assert!(browser.get("/").await.page().contains("1 connected now"));
    drop(stream);
    let parties = browser.get("/parties").await.page();
    assert!(parties.contains("0 of 4 are connected now") && parties.contains("last heard less"));
    assert_eq!(parties.matches("not heard since").count(), 3, "{parties}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_study_that_has_ended_is_shown_to_each_who_took_part() {
    let mut network = tokio::task::block_in_place(|| setup().start());
    tokio::task::block_in_place(|| network.follow_to_end());

    let browser = coordinator_pages(&network, None).await;
    let overview = browser.get("/").await.page();
    assert!(overview.contains("The study has ended") && overview.contains("1 of 1"), "{overview}");
    assert!(overview.contains("&lt;script&gt;alert(1)") && !overview.contains("<script>alert"));
    let results = browser.get("/results").await.page();
    assert!(results.contains("<svg") && results.contains("id=\"survival\""), "{results}");
    assert!(!results.contains("id=\"rounds\"") && !results.contains("<script>alert"));
    let parties = browser.get("/parties").await.page();
    assert_eq!(parties.matches("clocks agree").count(), 3, "{parties}");
    let rounds = browser.get("/rounds").await.page();
    assert!(rounds.contains("released over"), "{rounds}");
    let privacy = browser.get("/privacy").await.page();
    assert!(privacy.contains("exact: no differential privacy"), "{privacy}");
    let journal = browser.get("/journal").await.page();
    assert!(journal.contains("opened") && journal.contains("Head"), "{journal}");
    let files = browser.get("/files").await.page();
    assert!(files.contains("report.json") && files.contains("index.html"), "{files}");
    for no in ["/files/audit.log", "/files/..%2Fidentity.key", "/files/x.haima"] {
        assert_eq!(browser.get(no).await.status, 404, "{no}");
    }

    let site = Browser::signed_in(|door| site_pages(&network, door)).await;
    assert!(site.get("/").await.page().contains("1 round"));
    let sent = site.get("/sent").await.page();
    assert!(sent.contains("km/1"), "{sent}");
    assert!(!sent.contains("not noted") && sent.contains("in 1 answer."), "its size: {sent}");
    assert!(site.get("/budget").await.page().contains("without any privacy guarantee"));

    the_dashboard_of_a_node(&network).await;
    the_results_of_a_task_stand_before_the_study_has_ended(&network).await;
}

/// Results that the daemon told, while no report stands.
async fn the_results_of_a_task_stand_before_the_study_has_ended(network: &Running) {
    let report = centre(network).out.join("report.json");
    std::fs::rename(&report, report.with_extension("away")).unwrap();
    let alone = coordinator_pages(network, None).await;
    let results = alone.get("/results").await.page();
    assert!(results.contains("once the study has ended") && !results.contains("<figure"));
    let live = Arc::new(Live::default());
    for event in network.seen.iter().filter(|event| **event != Event::Done) {
        live.tell(event);
    }
    let beside = coordinator_pages(network, Some(live)).await;
    let results = beside.get("/results").await.page();
    assert!(results.contains("still runs") && results.contains("id=\"survival\""), "{results}");
    assert!(!results.contains("<script>alert"));
    let parties = beside.get("/parties").await.page();
    assert!(parties.contains("have joined") && parties.contains("round 1"), "{parties}");
}

async fn the_dashboard_of_a_node(network: &Running) {
    let folder = network.network.folder("node-1").unwrap();
    let own = NodeConfig::read(&folder.join("node.toml")).unwrap();
    let manifest = Study::read(&own.manifest).unwrap().manifest();
    let options = |nodes: &[&str], own: Option<NodeConfig>| dashboard::Options {
        manifest: Arc::clone(&manifest),
        tls: TlsIdentity::read(&folder.join("tls.crt"), &folder.join("tls.key")).unwrap(),
        nodes: nodes.iter().map(|&node| node.to_owned()).collect(),
        own,
    };
    let with_own = options(&[], Some(own));
    let browser = Browser::signed_in(|door| dashboard::pages(with_own, door).unwrap()).await;
    let nodes = browser.get("/").await.page();
    assert!(nodes.contains("3 of 3 nodes") && nodes.contains("set up"), "{nodes}");
    let rounds = browser.get("/rounds").await.page();
    assert_eq!(rounds.matches("<td>released</td>").count(), 3, "{rounds}");
    let checks = browser.get("/checks").await.page();
    assert!(checks.contains("disk") && checks.contains("node node-2"), "{checks}");
    let refusals = browser.get("/refusals").await.page();
    assert!(refusals.contains("Nothing was refused"), "{refusals}");

    let afar = options(&["node-2"], None);
    let browser = Browser::signed_in(|door| dashboard::pages(afar, door).unwrap()).await;
    let nodes = browser.get("/").await.page();
    assert!(nodes.contains("1 of 1 node ") && !nodes.contains("node-1"), "{nodes}");
    assert_eq!(browser.get("/checks").await.status, 404, "only on the node's own machine");
}
