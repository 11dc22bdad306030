//! The coordinating centre's page: the study that runs and what its folder holds, parties, rounds,
//! results, privacy and the journal. It changes nothing.
//!
//! It reads the coordinator's own files. Beside the daemon it also hears what the daemon tells
//! ([`Live`]): which sites are connected, and the results of tasks before the study's end, which stand
//! in no file until then. Nodes are asked for their status by the coordinator's key, at most every ten
//! seconds and while somebody looks at the parties.

mod rounds;
mod standing;
mod told;
mod views;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum::routing::get;
use haima_smpc_node::study::Study;
use haima_smpc_node::tls::TlsIdentity;
use maud::{Markup, html};

use super::document::{App, Page, Visitor, problem, said};
use super::form::page_number;
use super::gate::{Door, Gate};
use super::live::Mark;
use super::nodes::Nodes;
use super::read::{Kept, files, mark};
use crate::Error;
use crate::coordinator::Config;
use standing::Standing;
pub use told::Live;

/// What a coordinator's page is made from.
#[derive(Debug)]
pub struct Options {
    /// The coordinator's configuration.
    pub config: Config,
    /// What the daemon of this process tells; none where the page stands alone.
    pub live: Option<Arc<Live>>,
}

struct Centre {
    app: Arc<App>,
    config: Config,
    live: Option<Arc<Live>>,
    nodes: Result<Nodes, String>,
    kept: Kept<Result<Standing, Error>>,
}

/// A coordinator's pages behind a door.
///
/// # Errors
/// When the study is not signed or cannot be read.
pub fn pages(options: Options, door: Door) -> Result<Router, Error> {
    let Options { config, live } = options;
    let manifest = Study::read(&config.manifest)?.manifest();
    let nodes = TlsIdentity::read(&config.tls_certificate, &config.tls_key)
        .and_then(|tls| tls.through(config.proxy.as_deref()))
        .map_err(Error::from)
        .and_then(|tls| Nodes::new(&manifest, &tls, &manifest.nodes))
        .map_err(|error| error.to_string());
    let pages = vec![
        ("/", "Overview"),
        ("/results", "Results"),
        ("/parties", "Parties"),
        ("/rounds", "Rounds"),
        ("/privacy", "Privacy"),
        ("/journal", "Journal"),
        ("/files", "Files"),
    ];
    let whose = format!("study {}", manifest.study);
    let app = Arc::new(App { what: "coordinator", whose, pages });
    let (of, told) = (config.clone(), live.clone());
    let kept = Kept::new(move |before: Option<&Result<Standing, Error>>| {
        let told = told.as_ref().map(|live| live.told()).unwrap_or_default();
        Standing::read(&of, told, before.and_then(|before| before.as_ref().ok()))
    });
    let centre = Arc::new(Centre { app: Arc::clone(&app), config, live, nodes, kept });
    let mark: Mark = Arc::new({
        let centre = Arc::clone(&centre);
        move || {
            let comings = centre.live.as_ref().map_or(0, |live| live.comings());
            centre.kept.shown(centre.mark()).wrapping_add(comings)
        }
    });
    let router = Router::new()
        .route("/", get(overview))
        .route("/results", get(results))
        .route("/parties", get(parties))
        .route("/rounds", get(list_rounds))
        .route("/privacy", get(privacy))
        .route("/journal", get(journal))
        .route("/files", get(list_files))
        .route("/files/{name}", get(show_file))
        .with_state(centre);
    Ok(Gate::close(app, door, mark, router))
}

impl Centre {
    /// Of all that the pages are made from.
    fn mark(&self) -> u64 {
        let own = [self.config.manifest.clone(), Study::signatures_of(&self.config.manifest)];
        let all: Vec<PathBuf> = own.into_iter().chain(files(&self.config.out)).collect();
        let told = self.live.as_ref().map_or(0, |live| live.count());
        mark(all.iter().map(PathBuf::as_path)).wrapping_add(told)
    }

    async fn standing(&self) -> Result<Arc<Result<Standing, Error>>, Error> {
        self.kept.get(self.mark()).await
    }

    /// A page made from what was read.
    async fn page(
        &self,
        visitor: &Visitor,
        (title, here, live): (&str, &str, bool),
        draw: impl FnOnce(&Standing) -> Markup + Send,
    ) -> Response {
        let body = match self.standing().await.as_deref() {
            Ok(Ok(standing)) => Ok(draw(standing)),
            Ok(Err(error)) => Err(said(error)),
            Err(error) => Err(said(error)),
        };
        let status = if body.is_ok() { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
        let body = body.unwrap_or_else(|why| problem("The study cannot be read.", &why));
        Page { app: &self.app, visitor, title, here, live, body }.answer_as(status)
    }
}

async fn overview(
    State(centre): State<Arc<Centre>>,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    let here = centre.live.as_ref().map(|live| live.presence());
    let draw = |standing: &Standing| views::overview(&centre.config, standing, here.as_ref());
    centre.page(&visitor, ("Overview", "/", true), draw).await
}

async fn results(
    State(centre): State<Arc<Centre>>,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    let beside = centre.live.is_some();
    let draw = |standing: &Standing| views::results(standing, beside);
    centre.page(&visitor, ("Results", "/results", false), draw).await
}

async fn parties(
    State(centre): State<Arc<Centre>>,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    let nodes = match &centre.nodes {
        Ok(nodes) => Ok(nodes.ask().await),
        Err(why) => Err(why.clone()),
    };
    let here = centre.live.as_ref().map(|live| live.presence());
    let draw = |standing: &Standing| views::parties(standing, nodes.as_deref(), here.as_ref());
    centre.page(&visitor, ("Parties", "/parties", true), draw).await
}

async fn list_rounds(
    State(centre): State<Arc<Centre>>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
) -> Response {
    let page = page_number(&uri);
    let draw = |standing: &Standing| views::rounds(standing, page);
    centre.page(&visitor, ("Rounds", "/rounds", page == 1), draw).await
}

async fn privacy(
    State(centre): State<Arc<Centre>>,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    centre.page(&visitor, ("Privacy", "/privacy", false), views::privacy).await
}

async fn journal(
    State(centre): State<Arc<Centre>>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
) -> Response {
    let page = page_number(&uri);
    let draw = |standing: &Standing| views::journal(standing, page);
    centre.page(&visitor, ("Journal", "/journal", page == 1), draw).await
}

async fn list_files(
    State(centre): State<Arc<Centre>>,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    let draw = |standing: &Standing| views::files(&centre.config, standing);
    centre.page(&visitor, ("Files", "/files", true), draw).await
}

/// The card of a model of the folder; of no other file.
async fn show_file(
    State(centre): State<Arc<Centre>>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Response {
    // By the folder's own list: what was asked for never becomes a path.
    let found = files(&centre.config.out).into_iter().find(|path| {
        path.file_name().is_some_and(|own| own.to_str() == Some(&*name)) && standing::is_model(path)
    });
    let card = match found {
        Some(path) => tokio::task::spawn_blocking(move || standing::card(&path)).await.ok(),
        None => None,
    };
    let (status, body) = match card {
        Some(Ok(card)) => (StatusCode::OK, views::card_page(&card)),
        Some(Err(error)) => {
            (StatusCode::INTERNAL_SERVER_ERROR, problem("The model cannot be read.", &said(&error)))
        }
        None => {
            let body = html! { p { "No such model. " a href="/files" { "All files" } "." } };
            (StatusCode::NOT_FOUND, body)
        }
    };
    let app = &*centre.app;
    let page =
        Page { app, visitor: &visitor, title: "Model card", here: "/files", live: false, body };
    page.answer_as(status)
}
