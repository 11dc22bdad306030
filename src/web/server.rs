//! Listening, on this machine alone, and in a thread of its own: a page's work and a page's fault stay
//! out of the daemon beside it.
//!
//! A bounded number of connections is open, and nobody can keep others off by holding all of them: a
//! new one takes the place of the oldest in which nobody is signed in.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::tls::{Shown, Tls};
use crate::Error;

/// Connections at a time.
const CONNECTIONS: usize = 64;
/// For the head of a request, and for a handshake.
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
    tls: Option<Tls>,
}

/// Mark of an answer to somebody who is signed in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known;

/// A connection that is open.
struct Open {
    task: AbortHandle,
    /// Whether somebody who is signed in has asked over it.
    known: Arc<AtomicBool>,
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
        Ok(Self { socket, address, tls: None })
    }

    /// The same over TLS, where it is given, instead of plain HTTP.
    #[must_use]
    pub fn over(self, tls: Option<Tls>) -> Self {
        Self { tls, ..self }
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
        let acceptor = self.tls.as_ref().map(Tls::acceptor);
        let mut open = VecDeque::with_capacity(CONNECTIONS);
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "a connection to the page was not taken");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            make_room(&mut open);
            let known = Arc::new(AtomicBool::new(false));
            let connection = answer(stream, acceptor.clone(), pages.clone(), Arc::clone(&known));
            let task = tokio::spawn(async move {
                if let Ok(Err(error)) = tokio::time::timeout(LIFE, connection).await {
                    tracing::debug!(%error, "a connection to the page broke off");
                }
            });
            open.push_back(Open { task: task.abort_handle(), known });
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

/// Ends the oldest connection in which nobody is signed in, else the oldest, where all places are taken.
fn make_room(open: &mut VecDeque<Open>) {
    open.retain(|one| !one.task.is_finished());
    if open.len() < CONNECTIONS {
        return;
    }
    let stranger = open.iter().position(|one| !one.known.load(Ordering::Relaxed));
    if let Some(oldest) = open.remove(stranger.unwrap_or(0)) {
        oldest.task.abort();
    }
}

/// Answers the requests of a connection, after its handshake where there is one.
async fn answer(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    pages: Router,
    known: Arc<AtomicBool>,
) -> std::io::Result<()> {
    let Some(acceptor) = acceptor else { return converse(stream, None, pages, known).await };
    let shaken = tokio::time::timeout(HEAD, acceptor.accept(stream)).await;
    let stream = shaken.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
    let shown = Shown::of(stream.get_ref().1);
    converse(stream, shown, pages, known).await
}

/// Answers requests, each with the key that its connection has shown.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    shown: Option<Shown>,
    pages: Router,
    known: Arc<AtomicBool>,
) -> std::io::Result<()> {
    let pages = TowerToHyperService::new(pages);
    let service = service_fn(move |mut request: Request<Incoming>| {
        if let Some(shown) = shown {
            request.extensions_mut().insert(shown);
        }
        let (answering, known) = (pages.call(request), Arc::clone(&known));
        async move {
            let answer = answering.await?;
            if answer.extensions().get::<Known>().is_some() {
                known.store(true, Ordering::Relaxed);
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let mut builder = Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_header_size(MOST_HEAD)
        .max_buf_size(BUFFER);
    let ended = builder.serve_connection(TokioIo::new(stream), service).await;
    ended.map_err(std::io::Error::other)
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

    /// Holds so many connections open, each with half a head.
    fn half_heads(address: SocketAddr, count: usize) -> Vec<TcpStream> {
        let half = |_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nhost: local").unwrap();
            stream
        };
        (0..count).map(half).collect()
    }

    /// One answer over a connection that stays open; none within half of what a head may take.
    fn ask_over(mut stream: &TcpStream, path: &str) -> Option<String> {
        stream.set_read_timeout(Some(HEAD / 2)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = [0; 1024];
        let length = stream.read(&mut answer).ok().filter(|length| *length > 0)?;
        Some(String::from_utf8_lossy(&answer[..length]).into_owned())
    }

    #[test]
    fn connections_with_half_a_head_keep_nobody_off_and_end_nobody_who_is_signed_in() {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.address();
        let known = get(|| async { (axum::Extension(Known), "known") });
        let pages = Router::new().route("/", get(|| async { "here" })).route("/known", known);
        listener.serve_beside(|| Ok(pages)).unwrap();
        let (signed_in, stranger) =
            (TcpStream::connect(address).unwrap(), TcpStream::connect(address).unwrap());
        assert!(ask_over(&signed_in, "/known").unwrap().ends_with("known"));
        assert!(ask_over(&stranger, "/").unwrap().ends_with("here"));
        let held = half_heads(address, 2 * CONNECTIONS);
        let new = TcpStream::connect(address).unwrap();
        let answer = ask_over(&new, "/").expect("a new connection is answered at once");
        assert!(answer.ends_with("here"), "{answer}");
        assert!(ask_over(&signed_in, "/known").is_some(), "the oldest, and signed in");
        assert!(ask_over(&stranger, "/").is_none(), "it made room");
        drop(held);
    }

    #[tokio::test]
    async fn a_stop_that_was_asked_for_is_heard() {
        let stop = Stop::default();
        stop.ask();
        stop.asked().await;
    }
}
