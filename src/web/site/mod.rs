//! A hospital's page: what is asked of it and by whom, what it has sent, what its patients' budget still
//! holds, and a switch that stops its daemon.
//!
//! On this machine alone. It reads the site's own files (`standing`) and changes four things, each by a
//! form: it writes an approval or a refusal of a manifest (`asked`), notes whether a run that the policy
//! holds back may go on (`approvals`), and tells the daemon that runs in the same process to stop.
//! Rounds go on whether anybody looks or not.

mod approvals;
mod asked;
mod sent;
mod standing;
mod views;

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum::routing::get;
use haima_smpc_node::manifest::Manifest;
use maud::{Markup, html};

use super::calculator::{Calculator, views as calculator};
use super::document::{App, Page, Visitor, problem, said, see};
use super::form::{Fields, page_number};
use super::gate::{Door, Gate};
use super::live::Mark;
use super::read::{Kept, files, mark};
use super::server::Stop;
use crate::Error;
use crate::site::Config;
use standing::Standing;

/// What a site's page is made from.
#[derive(Debug)]
pub struct Options {
    /// The site's configuration.
    pub config: Config,
    /// A manifest that is to be approved, where it is not the configured one: an amendment.
    pub draft: Option<PathBuf>,
    /// Models of the risk calculator.
    pub models: Vec<Calculator>,
    /// Stops the daemon of this process; none where the page stands alone.
    pub stop: Option<Stop>,
}

struct Site {
    app: Arc<App>,
    config: Config,
    draft: Option<PathBuf>,
    models: Vec<Arc<Calculator>>,
    stop: Option<Stop>,
    kept: Kept<Standing>,
    /// The ledger in words: read when somebody looks at all of it.
    ledger: Kept<Result<Option<String>, String>>,
}

/// A site's pages behind a door.
///
/// # Errors
/// When the manifest cannot be read: the page says of which study it is.
pub fn pages(options: Options, door: Door) -> Result<Router, Error> {
    let Options { config, draft, models, stop } = options;
    let study = Manifest::read(&config.manifest)?.study;
    let mut pages = vec![
        ("/", "Overview"),
        ("/asked", "What is asked"),
        ("/approvals", "Approvals"),
        ("/sent", "What was sent"),
        ("/budget", "Privacy budget"),
        ("/journal", "Journal"),
    ];
    if !models.is_empty() {
        pages.push(("/calculator", "Risk calculator"));
    }
    pages.push(("/stop", "Stop"));
    let app = Arc::new(App { what: "site", whose: format!("{}, {study}", config.name), pages });
    let models = models.into_iter().map(Arc::new).collect();
    let (of, asked) = (config.clone(), draft.clone());
    let kept =
        Kept::new(move |before: Option<&Standing>| Standing::read(&of, asked.as_deref(), before));
    let of = config.clone();
    let ledger =
        Kept::new(move |_| standing::ledger_in_words(&of).map_err(|error| error.to_string()));
    let site = Arc::new(Site { app: Arc::clone(&app), config, draft, models, stop, kept, ledger });
    let mark: Mark = Arc::new({
        let site = Arc::clone(&site);
        move || site.kept.shown(site.mark())
    });
    let router = Router::new()
        .route("/", get(overview))
        .route("/asked", get(show_asked).post(answer_asked))
        .route("/approvals", get(approvals::show).post(approvals::answer))
        .route("/sent", get(show_sent))
        .route("/budget", get(show_budget))
        .route("/journal", get(show_journal))
        .route("/calculator", get(list_calculators))
        .route("/calculator/{model}", get(ask_calculator).post(calculate))
        .route("/stop", get(show_stop).post(stop_daemon))
        .with_state(site);
    Ok(Gate::close(app, door, mark, router))
}

impl Site {
    /// Of all files that the pages are made from.
    fn mark(&self) -> u64 {
        let config = &self.config;
        let named = [
            &config.manifest,
            &config.policy,
            &config.tls_certificate,
            &haima_smpc_node::study::Study::signatures_of(&config.manifest),
        ]
        .map(PathBuf::clone);
        let asked = asked::files_of(config, self.manifest());
        let all = named.into_iter().chain(self.draft.clone()).chain(asked);
        let all: Vec<PathBuf> = all.chain(files(&config.state)).collect();
        mark(all.iter().map(PathBuf::as_path))
    }

    /// The manifest that is asked about.
    fn manifest(&self) -> &FilePath {
        self.draft.as_deref().unwrap_or(&self.config.manifest)
    }

    async fn standing(&self) -> Result<Arc<Standing>, Error> {
        self.kept.get(self.mark()).await
    }

    /// A page of what was read, or why it was not.
    fn answer(&self, visitor: &Visitor, at: At<'_>, body: Result<Markup, Error>) -> Response {
        let (body, status) = match body {
            Ok(body) => (body, StatusCode::OK),
            Err(error) => (
                problem("This could not be done.", &said(&error)),
                StatusCode::INTERNAL_SERVER_ERROR,
            ),
        };
        let At { title, here, live } = at;
        Page { app: &self.app, visitor, title, here, live, body }.answer_as(status)
    }

    fn model(&self, number: usize) -> Option<&Arc<Calculator>> {
        self.models.get(number.checked_sub(1)?)
    }
}

/// Which page.
#[derive(Clone, Copy)]
struct At<'a> {
    title: &'a str,
    here: &'a str,
    live: bool,
}

impl<'a> At<'a> {
    fn still(title: &'a str, here: &'a str) -> Self {
        Self { title, here, live: false }
    }

    fn live(title: &'a str, here: &'a str) -> Self {
        Self { title, here, live: true }
    }
}

async fn overview(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    let (beside, waiting) = (site.stop.is_some(), approvals::waiting(&site.config));
    let body = site.standing().await;
    let body = body.map(|standing| views::overview(&site.config, &standing, &waiting, beside));
    site.answer(&visitor, At::live("Overview", "/"), body)
}

async fn show_asked(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    let body = site.standing().await;
    let body = body.map(|standing| views::asked(&site.config, &standing, &visitor, None));
    site.answer(&visitor, At::still("What is asked", "/asked"), body)
}

async fn answer_asked(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Arc<Fields>>,
) -> Response {
    let (config, path) = (&site.config, site.manifest());
    let digest = fields.text("digest");
    let done = match fields.text("answer") {
        "approve" if !fields.ticked("read") => {
            Err("Tick the box that says that you have read it, and send it again.".to_owned())
        }
        "approve" => asked::approve(config, path, digest).map(|_| ()).map_err(|e| said(&e)),
        "refuse" => {
            asked::refuse(config, path, digest, fields.text("reason")).map_err(|e| said(&e))
        }
        "take back" => asked::take_back(config, path).map_err(|e| said(&e)),
        _ => Err("The form says neither approve nor refuse.".to_owned()),
    };
    site.kept.renew();
    let Err(text) = done else { return see("/asked") };
    let body = site.standing().await;
    let body = body.map(|standing| views::asked(&site.config, &standing, &visitor, Some(&text)));
    site.answer(&visitor, At::still("What is asked", "/asked"), body)
}

async fn show_sent(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
) -> Response {
    let page = page_number(&uri);
    let body = site.standing().await.map(|standing| views::sent(&standing, page));
    let at = At { title: "What was sent", here: "/sent", live: page == 1 };
    site.answer(&visitor, at, body)
}

async fn show_budget(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    let words = site.ledger.get(site.mark()).await;
    let words = words.unwrap_or_else(|error| Arc::new(Err(said(&error))));
    let body = site.standing().await.map(|standing| views::budget(&standing, &words));
    site.answer(&visitor, At::still("Privacy budget", "/budget"), body)
}

async fn show_journal(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
) -> Response {
    let page = page_number(&uri);
    let body = site.standing().await.map(|standing| views::journal(&standing, page));
    let at = At { title: "Journal", here: "/journal", live: page == 1 };
    site.answer(&visitor, at, body)
}

async fn list_calculators(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    let body = calculator::list(&site.models);
    site.answer(&visitor, At::still("Risk calculator", "/calculator"), Ok(body))
}

async fn ask_calculator(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Path(number): Path<usize>,
) -> Response {
    let Some(model) = site.model(number) else { return no_model(&site, &visitor) };
    let body = calculator::form(model, number, &visitor);
    site.answer(&visitor, At::still("Risk calculator", "/calculator"), Ok(body))
}

async fn calculate(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Path(number): Path<usize>,
    Extension(fields): Extension<Arc<Fields>>,
) -> Response {
    let Some(model) = site.model(number).map(Arc::clone) else { return no_model(&site, &visitor) };
    let body = calculator::calculate(model, number, &visitor, fields).await;
    site.answer(&visitor, At::still("Risk calculator", "/calculator"), body)
}

fn no_model(site: &Site, visitor: &Visitor) -> Response {
    let body = html! { p { "There is no such model. " a href="/calculator" { "All models" } "." } };
    let app = &*site.app;
    let page = Page { app, visitor, title: "Not found", here: "/calculator", live: false, body };
    page.answer_as(StatusCode::NOT_FOUND)
}

async fn show_stop(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    let body = views::stop(&visitor, site.stop.is_some(), None);
    site.answer(&visitor, At::still("Stop", "/stop"), Ok(body))
}

async fn stop_daemon(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Arc<Fields>>,
) -> Response {
    let body = match &site.stop {
        Some(_) if !fields.ticked("sure") => {
            views::stop(&visitor, true, Some("Tick the box, and send it again."))
        }
        Some(stop) => {
            tracing::warn!("the daemon is stopped from its page");
            stop.ask();
            views::stopped()
        }
        None => views::stop(&visitor, false, None),
    };
    site.answer(&visitor, At::still("Stop", "/stop"), Ok(body))
}
