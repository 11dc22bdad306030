//! Requests to a page, as they come out of a connection: heads, cookies, forms (`haima::web`). The
//! page is a site's, with a model in its calculator, over files of its own; the first byte chooses:
//!
//! 0: bytes of a stranger, who is shown nothing but the door.
//! 1: bytes of somebody who is signed in: 1 stands for the cookie, 2 for the token of forms, 3 for
//!    the length of what is behind the head.
//! 2 to 7: one of the forms, of which the input is the fields. It is answered.
//!
//! The listener itself is left out: its time and number of connections. Its settings of HTTP are
//! here as in `web/server.rs`, `converse`.

use std::panic::resume_unwind;
use std::time::Duration;

use axum::Router;
use haima::site::Config;
use haima::web::calculator::Calculator;
use haima::web::site::{Options, pages};
use haima::web::{Door, Stop, Token};
use haima_smpc_node::keyfile;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::fixture::{SITES, manifest, site_key};
use super::tools::{Cut, folder, tagged};

const HOST: &str = "127.0.0.1:8440";
const FORMS: [&str; 6] =
    ["/asked", "/approvals", "/calculator/1", "/stop", "/login", "/logout?hold=1&page=2"];
/// Longer than an answer may take.
const LONG: Duration = Duration::from_secs(15);
/// After this a connection is broken off on which nothing more is asked: a stream of changes ends
/// when its reader does, which the page sees once it has read what was asked behind it.
const SHORT: Duration = Duration::from_millis(100);

thread_local! {
    static SITE: Site = Site::new();
}

pub(crate) fn run(bytes: &[u8]) {
    SITE.with(|site| site.request(bytes));
}

struct Site {
    folder: tempfile::TempDir,
    pages: Router,
    token: String,
}

/// Whoever has signed in.
struct Visitor {
    cookie: String,
    form: String,
}

impl Site {
    fn new() -> Self {
        let folder = folder();
        let path = |name: &str| folder.path().join(name);
        let manifest = manifest(2, 2).checked().expect("a manifest");
        let text = toml::to_string(&manifest).expect("a manifest is written");
        std::fs::write(path("manifest.toml"), text).expect("a file");
        let policy = include_str!("../../../../data/policy.toml");
        std::fs::write(path("policy.toml"), policy).expect("a file");
        let model = include_bytes!("../../corpus/models/cox.haima");
        std::fs::write(path("cox.haima"), model).expect("a file");
        keyfile::write_identity(&path("identity.key"), &site_key(0)).expect("a file");
        let config = Config {
            name: SITES[0].to_owned(),
            manifest: path("manifest.toml"),
            identity: path("identity.key"),
            tls_certificate: path("tls.pem"),
            tls_key: path("tls.key"),
            policy: path("policy.toml"),
            data: path("data.csv"),
            population: None,
            proxy: None,
            state: path("state"),
        };
        let models = vec![Calculator::read(&path("cox.haima")).expect("the corpus's model")];
        let (token, stop) = (Token::random(), Some(Stop::default()));
        let shown = token.expose().to_owned();
        let door = Door { token, port: 8440, names: Vec::new(), tls: None };
        let options = Options { config, draft: None, models, stop };
        let pages = pages(options, door).expect("a site's pages");
        Self { folder, pages, token: shown }
    }

    fn request(&self, bytes: &[u8]) {
        let mut cut = Cut(bytes);
        let (tag, bytes) = (cut.byte() % 8, cut.0);
        if tag == 0 {
            let answer = self.ask(bytes, false);
            assert!(!answer.contains("Sign out"), "a stranger sees a page");
            return;
        }
        let visitor = self.sign_in();
        if tag == 1 {
            self.ask(&visitor.filled(bytes), false);
        } else {
            let path = FORMS[usize::from(tag) - 2];
            let fields = [b"form-token=", visitor.form.as_bytes(), b"&", bytes].concat();
            let answer = self.post(path, &visitor.cookie, &fields).to_lowercase();
            assert!(answer.starts_with("http/1.1 "), "a form without an answer");
            for header in ["x-frame-options: deny", "cache-control: no-store"] {
                assert!(answer.contains(header), "an answer without {header}: {answer}");
            }
        }
        self.forget();
    }

    /// What the bytes of a connection are answered with. A request that is `whole` says that it is
    /// the last one; after others the connection is closed from here.
    fn ask(&self, request: &[u8], whole: bool) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(async {
            let (mut own, other) = tokio::io::duplex(1 << 20);
            let mut http = Builder::new();
            http.timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(10))
                .max_header_size(16 << 10)
                .max_buf_size(64 << 10);
            let service = TowerToHyperService::new(self.pages.clone());
            let served = tokio::spawn(http.serve_connection(TokioIo::new(other), service));
            own.write_all(request).await.expect("room for a request");
            if !whole {
                own.shutdown().await.expect("an end of one's own");
            }
            let mut answer = Vec::new();
            let most = if whole { LONG } else { SHORT };
            let read = timeout(most, own.read_to_end(&mut answer)).await;
            assert!(read.is_ok() || !whole, "no end of an answer");
            if read.is_err() {
                served.abort();
            }
            drop(own);
            match timeout(LONG, served).await {
                Ok(Err(ended)) if ended.is_panic() => resume_unwind(ended.into_panic()),
                ended => assert!(ended.is_ok(), "no end of a connection"),
            }
            String::from_utf8_lossy(&answer).into_owned()
        })
    }

    fn get(&self, path: &str, cookie: &str) -> String {
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{cookie}Connection: close\r\n\r\n");
        self.ask(head.as_bytes(), true)
    }

    fn post(&self, path: &str, cookie: &str, fields: &[u8]) -> String {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {HOST}\r\n{cookie}Connection: close\r\nContent-Type: \
             application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
            fields.len()
        );
        self.ask(&[head.as_bytes(), fields].concat(), true)
    }

    fn sign_in(&self) -> Visitor {
        let form = form_token(&self.get("/login", ""));
        let fields = format!("form-token={form}&token={}", self.token);
        let answer = self.post("/login", "", fields.as_bytes());
        let (_, rest) = answer.split_once("set-cookie: ").expect("a cookie");
        let pair = rest.split(';').next().unwrap_or_default();
        let cookie = format!("Cookie: {pair}\r\n");
        let form = form_token(&self.get("/calculator/1", &cookie));
        Visitor { cookie, form }
    }

    /// Takes back what a form may have changed, so that the next input finds what this one found.
    fn forget(&self) {
        for what in ["approval", "refusal"] {
            let file = self.folder.path().join(format!("{what}-{}.toml", SITES[0]));
            let _ = std::fs::remove_file(file);
        }
        let _ = std::fs::remove_dir_all(self.folder.path().join("state"));
    }
}

impl Visitor {
    /// The bytes with what only the page can know.
    fn filled(&self, bytes: &[u8]) -> Vec<u8> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let body = bytes.get(end.map_or(bytes.len(), |at| at + 4)..).unwrap_or_default();
        let tokens = body.iter().filter(|byte| **byte == 2).count();
        let len = body.len() + tokens * self.form.len().saturating_sub(1);
        let mut filled = Vec::with_capacity(bytes.len() + 256);
        for byte in bytes {
            match byte {
                1 => filled.extend(self.cookie.trim_end().as_bytes()),
                2 => filled.extend(self.form.as_bytes()),
                3 => filled.extend(len.to_string().as_bytes()),
                _ => filled.push(*byte),
            }
        }
        // Not more than a connection takes at a time.
        filled.truncate(1 << 19);
        filled
    }
}

/// The token of a page's first form.
fn form_token(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"form-token\" value=\"").expect("a form with a token");
    rest.split('"').next().unwrap_or_default().to_owned()
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let head =
        |line: &str, more: &str| format!("{line} HTTP/1.1\r\nHost: {HOST}\r\n{more}\r\n\r\n");
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ";
    let signed = format!("\x01\r\n{form}\x03");
    let stranger = head("GET /", "Cookie: haima-8440=00; other=\"1\"\r\nSec-Fetch-Site: none");
    let origin = format!("Origin: http://{HOST}\r\n{form}9");
    let fields = "form-token=\x02&answer=refuse&digest=00&reason=a+%26%20b";
    vec![
        tagged(0, stranger.as_bytes()),
        tagged(0, (head("POST /login", &origin) + "token=%61").as_bytes()),
        tagged(1, head("GET /sent?page=2&hold", "\x01").as_bytes()),
        tagged(1, head("GET /live", "\x01\r\nAccept: text/event-stream").as_bytes()),
        tagged(1, (head("POST /asked", &signed) + fields).as_bytes()),
        tagged(2, b"answer=approve&read=yes&digest=0011"),
        tagged(2, b"answer=refuse&digest=0011&reason=a+b"),
        tagged(3, b"answer=yes&task=sum&digest=00&reason=x"),
        tagged(4, b"v0=61&v1=1&v2=12.5&u2=10%5E9%2FL&v3=-2"),
        tagged(5, b"sure=yes"),
        tagged(6, b"token=00"),
        tagged(7, b""),
    ]
}
