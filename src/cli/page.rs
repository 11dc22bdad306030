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
use crate::web::{Door, Listener, Stop, Tls, Token, coordinator, site};

/// Name of the file that holds a page's token.
const TOKEN: &str = "page.token";

/// Where a page's token is, and TLS of a page.
#[derive(Debug, Args)]
pub(super) struct Secured {
    /// File of the page's token, made where there is none; beside the party's state or keys where absent.
    #[arg(long, value_name = "FILE")]
    page_token: Option<PathBuf>,
    /// TLS certificate (PEM) of the page, which is then served over TLS 1.3 instead of plain HTTP.
    #[arg(long, value_name = "FILE", requires = "page_tls_key")]
    page_tls_cert: Option<PathBuf>,
    /// Private key (PEM) of that certificate.
    #[arg(long, value_name = "FILE", requires = "page_tls_cert")]
    page_tls_key: Option<PathBuf>,
    /// Certificates (PEM, one after the other) of those whose browsers sign in without the token. Their
    /// public keys count; no certificate authority is trusted.
    #[arg(long, value_name = "FILE", requires = "page_tls_cert")]
    page_client_keys: Option<PathBuf>,
}

impl Secured {
    fn tls(&self) -> Result<Option<Tls>, Error> {
        let (Some(certificate), Some(key)) = (&self.page_tls_cert, &self.page_tls_key) else {
            return Ok(None);
        };
        Tls::read(certificate, key, self.page_client_keys.as_deref()).map(Some)
    }

    /// Without a page there is nothing to secure: who gives these options means to have one.
    fn is_of_a_page(&self) -> Result<(), Error> {
        if self.page_token.is_none() && self.page_tls_cert.is_none() {
            return Ok(());
        }
        Err(Error::Config {
            file: "--page-token, --page-tls-cert".into(),
            problem: "there is no page; give its address with --page too".into(),
        })
    }
}

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
    #[command(flatten)]
    secured: Secured,
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
    #[command(flatten)]
    secured: Secured,
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
    #[command(flatten)]
    secured: Secured,
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
    #[command(flatten)]
    secured: Secured,
}

/// Serves a site's page beside its daemon, where that is asked for: what stops the daemon.
pub(super) fn beside_site(config: &SiteConfig, options: &SiteBeside) -> Result<Stop, Error> {
    let stop = Stop::default();
    let Some(address) = options.page else {
        options.secured.is_of_a_page()?;
        return Ok(stop);
    };
    let (listener, door) = open(address, &config.state, Vec::new(), &options.secured)?;
    let options = of_site(config, &options.extras, Some(stop.clone()))?;
    listener.serve_beside(|| site::pages(options, door))?;
    Ok(stop)
}

/// Serves a coordinator's page beside its daemon, where that is asked for: whom events are told to.
pub(super) fn beside_coordinator(
    config: &CoordinatorConfig,
    options: &CoordinatorBeside,
) -> Result<Option<Arc<Live>>, Error> {
    let Some(address) = options.page else {
        options.secured.is_of_a_page()?;
        return Ok(None);
    };
    let (listener, door) = open_coordinator(config, address, &options.page_name, &options.secured)?;
    let live = Arc::new(Live::default());
    let options = coordinator::Options { config: config.clone(), live: Some(Arc::clone(&live)) };
    listener.serve_beside(|| coordinator::pages(options, door))?;
    Ok(Some(live))
}

/// Serves a site's page by itself.
pub(super) fn site_page(options: &SitePage) -> Result<(), Error> {
    log_to_stderr();
    let config = SiteConfig::read(&options.config)?;
    let (listener, door) = open(options.page, &config.state, Vec::new(), &options.secured)?;
    let own = of_site(&config, &options.extras, None)?;
    serve(listener, || site::pages(own, door))
}

/// Serves a coordinator's page by itself.
pub(super) fn coordinator_page(options: &CoordinatorPage) -> Result<(), Error> {
    log_to_stderr();
    let config = CoordinatorConfig::read(&options.config)?;
    let (listener, door) =
        open_coordinator(&config, options.page, &options.page_name, &options.secured)?;
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

/// As [`open`]. The token lies beside the keys: the folder of results is copied and published.
fn open_coordinator(
    config: &CoordinatorConfig,
    address: SocketAddr,
    names: &[String],
    secured: &Secured,
) -> Result<(Listener, Door), Error> {
    let keys = config.tls_key.parent().unwrap_or(Path::new(""));
    let old = config.out.join(TOKEN);
    // Where it lay before; a copy of it opens nothing any more.
    if secured.page_token.is_none() && old != keys.join(TOKEN) {
        haima_smpc_node::keyfile::remove(&old)?;
    }
    open(address, keys, names.to_vec(), secured)
}

/// Listens, and makes the token or takes the one that is there; says where both are. `folder` is where
/// the token lies if nothing else was said.
pub(super) fn open(
    address: SocketAddr,
    folder: &Path,
    names: Vec<String>,
    secured: &Secured,
) -> Result<(Listener, Door), Error> {
    let tls = secured.tls()?;
    let listener = Listener::bind(address)?.over(tls.clone());
    let file = match &secured.page_token {
        Some(file) => file.clone(),
        None => {
            std::fs::create_dir_all(folder).map_err(|e| Error::file(folder, e))?;
            folder.join(TOKEN)
        }
    };
    let token = Token::kept(&file)?;
    let address = listener.address();
    let scheme = if tls.is_some() { "https" } else { "http" };
    eprintln!("page: {scheme}://{address}/");
    // A log that others read is no place for it.
    if std::io::stderr().is_terminal() {
        eprintln!("token: {} (kept in {})", token.expose(), file.display());
    } else {
        eprintln!("its token is in {}", file.display());
    }
    Ok((listener, Door { token, port: address.port(), names, tls }))
}
