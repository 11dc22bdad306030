//! `haima site page`, `haima coordinator page`, and `--page` of the daemons: the web pages, started.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::{log_to_stderr, runtime};
use crate::Error;
use crate::coordinator::Config as CoordinatorConfig;
use crate::site::Config as SiteConfig;
use crate::web::calculator::Calculator;
use crate::web::coordinator::Live;
use crate::web::{Door, Listener, Stop, Token, coordinator, site};

/// Name of the file that holds a page's token.
const TOKEN: &str = "page.token";

/// What a site's page shows besides the site's files.
#[derive(Debug, Args)]
pub(super) struct SiteExtras {
    /// A manifest that is to be approved at the page, where it is not the configured one: an amendment.
    #[arg(long, value_name = "FILE")]
    draft: Option<PathBuf>,
    /// Model file (.haima) of the page's risk calculator; again for each.
    #[arg(long, value_name = "FILE")]
    model: Vec<PathBuf>,
}

/// `--page` of a site's daemon.
#[derive(Debug, Args)]
pub(super) struct SiteBeside {
    /// Serve the site's page too, at a loopback address, e.g. 127.0.0.1:8440.
    #[arg(long, value_name = "ADDR")]
    page: Option<SocketAddr>,
    #[command(flatten)]
    extras: SiteExtras,
}

/// `--page` of a coordinator's daemon.
#[derive(Debug, Args)]
pub(super) struct CoordinatorBeside {
    /// Serve the study's page too, at a loopback address, e.g. 127.0.0.1:8450.
    #[arg(long, value_name = "ADDR")]
    page: Option<SocketAddr>,
    /// A name by which a proxy on this machine, which ends TLS, passes requests on; again for each.
    #[arg(long, value_name = "HOST", requires = "page")]
    page_name: Vec<String>,
}

/// Options of `haima site page`.
#[derive(Debug, Args)]
pub(super) struct SitePage {
    /// Configuration file (TOML) of the site.
    #[arg(long)]
    config: PathBuf,
    /// Loopback address at which it is served.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8440")]
    page: SocketAddr,
    #[command(flatten)]
    extras: SiteExtras,
}

/// Options of `haima coordinator page`.
#[derive(Debug, Args)]
pub(super) struct CoordinatorPage {
    /// Configuration file (TOML) of the coordinator.
    #[arg(long)]
    config: PathBuf,
    /// Loopback address at which it is served.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8450")]
    page: SocketAddr,
    /// A name by which a proxy on this machine, which ends TLS, passes requests on; again for each.
    #[arg(long, value_name = "HOST")]
    page_name: Vec<String>,
}

/// Serves a site's page beside its daemon, where that is asked for: what stops the daemon.
pub(super) fn beside_site(config: &SiteConfig, options: &SiteBeside) -> Result<Stop, Error> {
    let stop = Stop::default();
    if let Some(address) = options.page {
        let (listener, door) = open(address, &config.state, Vec::new())?;
        let options = of_site(config, &options.extras, Some(stop.clone()))?;
        listener.serve_beside(|| site::pages(options, door))?;
    }
    Ok(stop)
}

/// Serves a coordinator's page beside its daemon, where that is asked for: whom events are told to.
pub(super) fn beside_coordinator(
    config: &CoordinatorConfig,
    options: &CoordinatorBeside,
) -> Result<Option<Arc<Live>>, Error> {
    let Some(address) = options.page else { return Ok(None) };
    let (listener, door) = open(address, &config.out, options.page_name.clone())?;
    let live = Arc::new(Live::default());
    let options = coordinator::Options { config: config.clone(), live: Some(Arc::clone(&live)) };
    listener.serve_beside(|| coordinator::pages(options, door))?;
    Ok(Some(live))
}

/// Serves a site's page by itself.
pub(super) fn site_page(options: &SitePage) -> Result<(), Error> {
    log_to_stderr();
    let config = SiteConfig::read(&options.config)?;
    let (listener, door) = open(options.page, &config.state, Vec::new())?;
    let own = of_site(&config, &options.extras, None)?;
    serve(listener, || site::pages(own, door))
}

/// Serves a coordinator's page by itself.
pub(super) fn coordinator_page(options: &CoordinatorPage) -> Result<(), Error> {
    log_to_stderr();
    let config = CoordinatorConfig::read(&options.config)?;
    let (listener, door) = open(options.page, &config.out, options.page_name.clone())?;
    let own = coordinator::Options { config, live: None };
    serve(listener, || coordinator::pages(own, door))
}

/// Serves pages until they are interrupted, which is how they end.
pub(super) fn serve(
    listener: Listener,
    pages: impl FnOnce() -> Result<axum::Router, Error>,
) -> Result<(), Error> {
    runtime()?.block_on(async {
        let pages = pages()?;
        tokio::select! {
            result = listener.serve(pages) => result,
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    })
}

fn of_site(
    config: &SiteConfig,
    extras: &SiteExtras,
    stop: Option<Stop>,
) -> Result<site::Options, Error> {
    let models = extras.model.iter().map(|path| Calculator::read(path));
    let models = models.collect::<Result<_, _>>()?;
    Ok(site::Options { config: config.clone(), draft: extras.draft.clone(), models, stop })
}

/// Listens, and makes the token or takes the one that is there; says where both are.
pub(super) fn open(
    address: SocketAddr,
    folder: &Path,
    names: Vec<String>,
) -> Result<(Listener, Door), Error> {
    let listener = Listener::bind(address)?;
    std::fs::create_dir_all(folder).map_err(|e| Error::file(folder, e))?;
    let file = folder.join(TOKEN);
    let token = Token::kept(&file)?;
    let address = listener.address();
    eprintln!("page: http://{address}/");
    // A log that others read is no place for it.
    if std::io::stderr().is_terminal() {
        eprintln!("token: {} (kept in {})", token.expose(), file.display());
    } else {
        eprintln!("its token is in {}", file.display());
    }
    Ok((listener, Door { token, port: address.port(), names }))
}
