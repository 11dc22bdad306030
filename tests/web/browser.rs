//! A browser for tests: it has a cookie, reads the token of a form and sends it.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use haima::web::{Door, Token};
use tower::ServiceExt as _;

pub(crate) const HOST: &str = "127.0.0.1:8440";

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// A page that is there.
    #[track_caller]
    pub(crate) fn page(self) -> String {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        self.text
    }

    pub(crate) fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Pages, and whoever looks at them.
pub(crate) struct Browser {
    pages: Router,
    pub(crate) token: String,
    pub(crate) cookie: String,
}

/// A door whose token is known.
pub(crate) fn door(names: &[&str]) -> (Door, String) {
    let token = Token::random();
    let shown = token.expose().to_owned();
    let names = names.iter().map(|&name| name.to_owned()).collect();
    (Door { token, port: 8440, names, tls: None }, shown)
}

impl Browser {
    /// A browser in which nobody is signed in.
    pub(crate) fn stranger(pages: impl FnOnce(Door) -> Router) -> Self {
        let (door, token) = door(&[]);
        Self { pages: pages(door), token, cookie: String::new() }
    }

    /// A browser in which somebody is signed in.
    pub(crate) async fn signed_in(pages: impl FnOnce(Door) -> Router) -> Self {
        let mut browser = Self::stranger(pages);
        browser.sign_in().await;
        browser
    }

    pub(crate) async fn sign_in(&mut self) {
        let token = self.token.clone();
        let answer = self.post("/login", "/login", &[("token", token.as_str())]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        let cookie = answer.header(header::SET_COOKIE);
        self.cookie = cookie.split(';').next().unwrap().to_owned();
    }

    /// Sends a request as it is, but for the host where it has none.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        let headers = request.headers_mut();
        headers.entry(header::HOST).or_insert(HOST.parse().unwrap());
        if !self.cookie.is_empty() {
            headers.insert(header::COOKIE, self.cookie.parse().unwrap());
        }
        let answer = self.pages.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let text = if parts
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind == "text/event-stream")
        {
            "a stream".to_owned()
        } else {
            String::from_utf8(to_bytes(body, 64 << 20).await.unwrap().to_vec()).unwrap()
        };
        Answer { status: parts.status, headers: parts.headers, text }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// A page once it says something: what has changed shows at once, or after a wait where reading it
    /// took long.
    pub(crate) async fn until(&self, path: &str, text: &str) -> String {
        let begun = Instant::now();
        loop {
            let page = self.get(path).await.page();
            if page.contains(text) {
                return page;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{path} says no {text:?}: {page}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The body of an answer that goes on.
    pub(crate) async fn stream(&self, path: &str) -> Body {
        let request = Request::get(path).header(header::HOST, HOST);
        let request = request.header(header::COOKIE, self.cookie.as_str());
        let request = request.body(Body::empty()).unwrap();
        self.pages.clone().oneshot(request).await.unwrap().into_body()
    }

    /// Sends a form with the token of the form that a page shows.
    pub(crate) async fn post(&self, page: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = form_token(&self.get(page).await.text);
        self.send(form(path, &[&[("form-token", token.as_str())][..], fields].concat())).await
    }
}

/// A form as a browser sends it.
pub(crate) fn form(path: &str, fields: &[(&str, &str)]) -> Request<Body> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = Request::builder().method(Method::POST).uri(path);
    let kind = "application/x-www-form-urlencoded";
    request.header(header::CONTENT_TYPE, kind).body(Body::from(body)).unwrap()
}

/// The token of a page's first form.
pub(crate) fn form_token(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"form-token\" value=\"").expect("a form with a token");
    rest.split('"').next().unwrap().to_owned()
}

/// The value of a page's hidden field.
pub(crate) fn hidden(page: &str, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let (_, rest) = page.split_once(&start).unwrap_or_else(|| panic!("no field {name} in {page}"));
    rest.split('"').next().unwrap().to_owned()
}
