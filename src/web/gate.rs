//! Before every page: whether the request is for this page, who asks, and whether a form was ours; and
//! what every answer carries.
//!
//! - **Host.** Only names of this machine, or ones that were configured: a page of elsewhere whose name
//!   is made to lead here (DNS rebinding) gets nothing.
//! - **Who.** A session by a cookie (`HttpOnly`, `SameSite=Strict`), opened by the token. Cookies know no
//!   ports: another program on this machine that a browser is sent to is shown it, so its name has the
//!   port, and a page is for a machine whose users trust one another. Over TLS of the page's own also
//!   who proves to hold a key that was given at its start; a browser shows a certificate to whatever
//!   page leads it here, so that counts in requests of this page alone, as the cookie does.
//! - **Forms.** Every POST must hold its session's token and, where the browser says whence it comes,
//!   come from this very page. No handler sees a form that does not.
//! - **Answers** are never kept, never framed, and load nothing ([`super::style`]).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::document::{App, Page, Visitor, see, token};
use super::form::{Fields, Refusal, parameter};
use super::live::{self, Mark, May};
use super::server::Known;
use super::sessions::{LIFE, Sessions, Wrong};
use super::style::policy;
use super::tls::{Shown, Tls};
use super::token::{Token, same, secret};

/// Name of the field that holds a form's token.
pub(super) const FORM_TOKEN: &str = "form-token";
const LOGIN: &str = "/login";
/// Where a session is ended.
pub(super) const LOGOUT: &str = "/logout";
const LIVE: &str = "/live";
/// Longest time for an answer, a form's way included.
const ANSWER: Duration = Duration::from_secs(30);
/// Streams of changes at a time.
const STREAMS: usize = 16;

/// Names of this machine, as a browser asks for them.
const OWN_NAMES: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// By what and by which names one comes in.
#[derive(Debug)]
pub struct Door {
    /// What lets a person in.
    pub token: Token,
    /// Port at which the page listens.
    pub port: u16,
    /// Names besides those of this machine, by which a proxy that ends TLS passes requests on.
    pub names: Vec<String>,
    /// TLS, where the page speaks it itself; the listener's own.
    pub tls: Option<Tls>,
}

/// What stands before a set of pages.
pub(super) struct Gate {
    app: Arc<App>,
    door: Door,
    sessions: Sessions,
    /// Token of the forms of who holds a key that signs in.
    keys: BTreeMap<Shown, Arc<str>>,
    wrong: Wrong,
    /// Token of the form by which one signs in: another page cannot read it.
    before: Arc<str>,
    cookie: String,
    streams: Arc<Semaphore>,
    mark: Mark,
}

impl Gate {
    /// Puts pages behind a door. `mark` changes when what they show does.
    pub(super) fn close(app: Arc<App>, door: Door, mark: Mark, pages: Router) -> Router {
        let keys = door.tls.iter().flat_map(Tls::keys);
        let gate = Arc::new(Self {
            app,
            keys: keys.map(|key| (key, secret().as_str().into())).collect(),
            cookie: format!("haima-{}", door.port),
            door,
            sessions: Sessions::default(),
            wrong: Wrong::default(),
            before: secret().as_str().into(),
            streams: Arc::new(Semaphore::new(STREAMS)),
            mark,
        });
        let own = Router::new()
            .route(LOGIN, get(ask).post(sign_in))
            .route(LOGOUT, post(sign_out))
            .route(LIVE, get(changes))
            .fallback(missing)
            .with_state(Arc::clone(&gate));
        own.merge(pages).layer(from_fn_with_state(gate, guard))
    }

    /// Whether the request is for this page, and a form from it.
    fn check_origin(&self, parts: &Parts) -> Result<(), Refusal> {
        let mut hosts = parts.headers.get_all(header::HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => authority(host),
            _ => None,
        };
        let known = host.filter(|host| self.knows(host));
        let same_target = |host: &Authority| parts.uri.authority().is_none_or(|uri| uri == host);
        let Some(host) = known.filter(same_target) else {
            let text = "This page answers to names of its own machine alone. Behind a proxy, name \
                        the proxy's host with --page-name.";
            return Err((StatusCode::MISDIRECTED_REQUEST, text));
        };
        if parts.method != Method::POST {
            return Ok(());
        }
        let origin = parts.headers.get(header::ORIGIN);
        let of_here = origin.is_none_or(|origin| origin_of(origin).is_some_and(|own| own == host));
        if from_here(&parts.headers) && of_here {
            Ok(())
        } else {
            Err((StatusCode::FORBIDDEN, "The form came from another page. Nothing was done."))
        }
    }

    fn knows(&self, host: &Authority) -> bool {
        let name = host.host();
        OWN_NAMES.iter().any(|own| own.eq_ignore_ascii_case(name)) || self.behind_proxy(host)
    }

    fn behind_proxy(&self, host: &Authority) -> bool {
        self.door.names.iter().any(|own| own.eq_ignore_ascii_case(host.host()))
    }

    fn visitor(&self, parts: &Parts) -> Visitor {
        let held = parameter(&parts.uri, "hold").is_some();
        let session = cookie(&parts.headers, &self.cookie);
        if let Some(form) = session.and_then(|name| self.sessions.form(name, Instant::now())) {
            return Visitor { signed_in: true, by_key: false, form, held };
        }
        let shown = parts.extensions.get::<Shown>();
        let own = shown.and_then(|key| self.keys.get(key));
        let signed_in = own.is_some() && from_here(&parts.headers);
        let form = own.filter(|_| signed_in).unwrap_or(&self.before);
        Visitor { signed_in, by_key: own.is_some(), form: Arc::clone(form), held }
    }

    async fn admit(&self, request: Request, next: Next) -> Response {
        let (mut parts, body) = request.into_parts();
        if let Err(refusal) = self.check_origin(&parts) {
            return plain(refusal);
        }
        let visitor = self.visitor(&parts);
        let path = parts.uri.path().to_owned();
        let is_post = parts.method == Method::POST;
        if !is_post && parts.method != Method::GET && parts.method != Method::HEAD {
            return plain((StatusCode::METHOD_NOT_ALLOWED, "Pages are asked for by GET and POST."));
        }
        if !visitor.signed_in && path != LOGIN {
            return match is_post || path == LIVE {
                true => plain((StatusCode::UNAUTHORIZED, "Nobody is signed in. Nothing was done.")),
                false => see(LOGIN),
            };
        }
        if is_post {
            let fields = match Fields::read(&parts.headers, body).await {
                Ok(fields) => fields,
                Err(refusal) => return plain(refusal),
            };
            if !fields.get(FORM_TOKEN).is_some_and(|given| same(given, &visitor.form)) {
                let text = "The form is not one of this session, or older than it. Nothing was \
                            done; go back, load the page again, and send it anew.";
                return plain((StatusCode::FORBIDDEN, text));
            }
            parts.extensions.insert(Arc::new(fields));
        }
        let signed_in = visitor.signed_in;
        parts.extensions.insert(visitor);
        let mut answer = next.run(Request::from_parts(parts, Body::empty())).await;
        if signed_in {
            answer.extensions_mut().insert(Known);
        }
        answer
    }

    fn page(&self, visitor: &Visitor, title: &str, body: Markup, status: StatusCode) -> Response {
        let app = &*self.app;
        Page { app, visitor, title, here: "", live: false, body }.answer_as(status)
    }

    fn login(&self, visitor: &Visitor, status: StatusCode, wrong: Option<&str>) -> Response {
        let body = html! {
            @if let Some(text) = wrong { p.bad #wrong role="alert" { (text) } }
            @if visitor.by_key {
                p.good { "This browser's certificate is known here. " a href="/" { "Go on without the token" } "." }
            } @else if !self.keys.is_empty() {
                p.note { "This browser showed no certificate that is known here. The token lets you in, too." }
            }
            p {
                "The program wrote its token into a file that its owner alone can read, and said where \
                 when it started. Paste it here."
            }
            form method="post" action=(LOGIN) {
                (token(visitor))
                div.field {
                    label for="token" { "Token" }
                    input #token type="password" name="token" autocomplete="current-password" required
                        aria-invalid=[wrong.map(|_| "true")] aria-describedby=[wrong.map(|_| "wrong")];
                }
                button type="submit" { "Sign in" }
            }
        };
        self.page(visitor, "Sign in", body, status)
    }
}

/// What stands around every request.
async fn guard(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let answered = tokio::time::timeout(ANSWER, gate.admit(request, next)).await;
    let late = (StatusCode::SERVICE_UNAVAILABLE, "That took too long. Try again.");
    let mut answer = answered.unwrap_or_else(|_| plain(late));
    protect(answer.headers_mut());
    answer
}

/// What every answer carries, beside a policy of its own.
fn protect(headers: &mut HeaderMap) {
    let named = HeaderName::from_static;
    let all = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // With `no-referrer` a browser would hide its own page's origin from the check of forms.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (named("cross-origin-opener-policy"), "same-origin"),
        (named("cross-origin-resource-policy"), "same-origin"),
        (named("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ];
    for (name, value) in all {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let policy = HeaderValue::from_static(policy(false));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
}

/// A refusal that tells a stranger nothing.
fn plain((status, text): Refusal) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

fn authority(value: &HeaderValue) -> Option<Authority> {
    let text = value.to_str().ok()?;
    // No host has a user before it.
    if text.contains('@') { None } else { text.parse().ok() }
}

/// Whether a request was made by this page itself or by a person, as far as the browser says.
fn from_here(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    site.is_none_or(|site| site == "same-origin" || site == "none")
}

fn origin_of(value: &HeaderValue) -> Option<Authority> {
    let text = value.to_str().ok()?;
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
    host.parse().ok()
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(own, _)| own.trim() == name).map(|(_, value)| value.trim())
}

async fn ask(State(gate): State<Arc<Gate>>, Extension(visitor): Extension<Visitor>) -> Response {
    if visitor.signed_in { see("/") } else { gate.login(&visitor, StatusCode::OK, None) }
}

async fn sign_in(
    State(gate): State<Arc<Gate>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Arc<Fields>>,
    headers: HeaderMap,
) -> Response {
    let now = Instant::now();
    if !gate.door.token.is(fields.text("token")) {
        if let Some(times) = gate.wrong.given(now) {
            tracing::warn!(times, "wrong tokens were given at the page");
        }
        let text = "That is not this page's token.";
        return gate.login(&visitor, StatusCode::UNAUTHORIZED, Some(text));
    }
    let name = gate.sessions.begin(now);
    let host = headers.get(header::HOST).and_then(authority);
    // Without TLS of its own this machine's own names are asked for by plain HTTP.
    let by_tls = gate.door.tls.is_some() || host.is_some_and(|host| gate.behind_proxy(&host));
    let secure = if by_tls { "; Secure" } else { "" };
    let (cookie, life) = (&gate.cookie, LIFE.as_secs());
    let text = format!(
        "{cookie}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age={life}{secure}",
        name.as_str()
    );
    with_cookie(see("/"), &text)
}

async fn sign_out(State(gate): State<Arc<Gate>>, headers: HeaderMap) -> Response {
    if let Some(name) = cookie(&headers, &gate.cookie) {
        gate.sessions.end(name);
    }
    let text = format!("{}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0", gate.cookie);
    with_cookie(see(LOGIN), &text)
}

fn with_cookie(mut answer: Response, text: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(text) {
        answer.headers_mut().insert(header::SET_COOKIE, value);
    }
    answer
}

async fn changes(
    State(gate): State<Arc<Gate>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Response {
    let may: May = if visitor.by_key {
        // For as long as its connection, which has shown the key.
        Box::new(|| true)
    } else {
        let name = cookie(&headers, &gate.cookie).unwrap_or_default();
        let (gate, name) = (Arc::clone(&gate), Zeroizing::new(name.to_owned()));
        Box::new(move || gate.sessions.form(&name, Instant::now()).is_some())
    };
    live::stream(&gate.streams, Arc::clone(&gate.mark), may).unwrap_or_else(|| {
        plain((StatusCode::SERVICE_UNAVAILABLE, "Too many pages are open; close some."))
    })
}

async fn missing(
    State(gate): State<Arc<Gate>>,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    let body = html! { p { "There is no such page. " a href="/" { "To the first one" } "." } };
    gate.page(&visitor, "Not found", body, StatusCode::NOT_FOUND)
}
