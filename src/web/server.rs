//! Listening, on this machine alone, and in a thread of its own: a page's work and a page's fault stay
//! out of the daemon beside it.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Notify, Semaphore};

use crate::Error;

/// Connections at a time; further ones wait.
const CONNECTIONS: usize = 64;
/// For the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// Bytes of a head, and of what is read at a time.
const MOST_HEAD: usize = 16 << 10;
const BUFFER: usize = 64 << 10;
/// How long a connection lasts.
const LIFE: Duration = Duration::from_secs(900);
/// After a failure to accept one: no file is free, say.
const PAUSE: Duration = Duration::from_millis(200);
/// From the answer that a stop was asked for to the stop, so that the answer arrives.
const FAREWELL: Duration = Duration::from_millis(500);

/// An address at which a page will be served.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Listens at a loopback address; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address is not of this machine alone, or taken.
    pub fn bind(address: SocketAddr) -> Result<Self, Error> {
        let fault = |problem: String| Error::Config { file: format!("--page {address}"), problem };
        if !address.ip().is_loopback() {
            return Err(fault(
                "a page is served on this machine alone; give 127.0.0.1:PORT or [::1]:PORT, and \
                 come from elsewhere by `ssh -L PORT:127.0.0.1:PORT HOST`"
                    .into(),
            ));
        }
        let socket = TcpListener::bind(address);
        let socket = socket.map_err(|e| fault(format!("cannot listen there: {e}")))?;
        let ready = socket.set_nonblocking(true).and_then(|()| socket.local_addr());
        let address = ready.map_err(|e| fault(e.to_string()))?;
        Ok(Self { socket, address })
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves pages until the caller drops this.
    ///
    /// # Errors
    /// When the runtime takes no listener.
    pub async fn serve(self, pages: Router) -> Result<(), Error> {
        let stopped =
            |e: std::io::Error| Error::Stopped { party: "the page".into(), reason: e.to_string() };
        let listener = tokio::net::TcpListener::from_std(self.socket).map_err(stopped)?;
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "a connection to the page was not taken");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let pages = TowerToHyperService::new(pages.clone());
            tokio::spawn(async move {
                let mut builder = Builder::new();
                builder
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD)
                    .max_header_size(MOST_HEAD)
                    .max_buf_size(BUFFER);
                let connection = builder.serve_connection(TokioIo::new(stream), pages);
                if let Ok(Err(error)) = tokio::time::timeout(LIFE, connection).await {
                    tracing::debug!(%error, "a connection to the page broke off");
                }
                drop(place);
            });
        }
    }

    /// Serves pages beside a daemon, in a thread of its own, for as long as the process lives.
    ///
    /// # Errors
    /// When the pages cannot be made or the thread cannot be started.
    pub fn serve_beside(self, pages: impl FnOnce() -> Result<Router, Error>) -> Result<(), Error> {
        let stopped = |error: std::io::Error| Error::Stopped {
            party: "the page".into(),
            reason: error.to_string(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(stopped)?;
        // Connections to nodes belong to the runtime in which they are made.
        let pages = {
            let _within = runtime.enter();
            pages()?
        };
        let serve = move || {
            if let Err(error) = runtime.block_on(self.serve(pages)) {
                tracing::error!(%error, "the page is not served any more");
            }
        };
        let thread = std::thread::Builder::new().name("page".into()).spawn(serve);
        thread.map(|_| ()).map_err(stopped)
    }
}

/// A switch by which a page stops the daemon beside it.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Notify>);

impl Stop {
    /// Asks for the stop, as soon as the answer to whoever asked has gone.
    pub(super) fn ask(&self) {
        let stop = Arc::clone(&self.0);
        tokio::spawn(async move {
            tokio::time::sleep(FAREWELL).await;
            stop.notify_one();
        });
    }

    /// Resolves when the stop is asked for.
    pub async fn asked(&self) {
        self.0.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use axum::routing::get;

    use super::*;

    #[test]
    fn a_page_listens_on_this_machine_alone() {
        for outside in ["0.0.0.0:0", "[::]:0", "192.168.1.5:8440", "[::ffff:127.0.0.1]:0"] {
            let error = Listener::bind(outside.parse().unwrap()).unwrap_err().to_string();
            assert!(error.contains("this machine alone") && error.contains("ssh -L"), "{error}");
        }
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(listener.address().port(), 0);
        let taken = Listener::bind(listener.address()).unwrap_err().to_string();
        assert!(taken.contains("cannot listen"), "{taken}");
    }

    #[test]
    fn it_answers_by_http_and_closes_on_a_head_that_is_too_long() {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.address();
        let pages = Router::new().route("/", get(|| async { "here" }));
        listener.serve_beside(|| Ok(pages)).unwrap();
        let ask = |request: &str| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            String::from_utf8_lossy(&answer).into_owned()
        };
        let answer = ask("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{answer}");
        let long =
            format!("GET / HTTP/1.1\r\nhost: localhost\r\na: {}\r\n\r\n", "x".repeat(1 << 15));
        assert!(ask(&long).starts_with("HTTP/1.1 431"));
    }

    #[tokio::test]
    async fn a_stop_that_was_asked_for_is_heard() {
        let stop = Stop::default();
        stop.ask();
        stop.asked().await;
    }
}
