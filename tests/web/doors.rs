//! Who is let in, from where, and what every answer carries.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use tokio_stream::StreamExt as _;

use super::browser::{Browser, HOST, door, form, form_token};
use super::common::Running;
use super::site::{network, pages};

/// Every page of a site, and some that are none.
const PATHS: [&str; 12] = [
    "/",
    "/asked",
    "/approvals",
    "/sent",
    "/budget",
    "/journal",
    "/calculator",
    "/calculator/1",
    "/stop",
    "/nothing",
    "/login",
    "/sent?page=2",
];

fn stranger(network: &Running) -> Browser {
    Browser::stranger(|door| pages(network, door))
}

#[tokio::test]
async fn every_answer_forbids_frames_scripts_of_others_and_keeping() {
    let network = network();
    let mut browser = stranger(&network);
    let mut answers = Vec::new();
    for round in 0..2 {
        for path in PATHS {
            answers.push((path, browser.get(path).await));
        }
        answers.push(("a refused form", browser.send(form("/stop", &[("sure", "yes")])).await));
        answers.push(("/live", browser.get("/live").await));
        let request = Request::get("/").header(header::HOST, "evil.example");
        answers.push(("another host", browser.send(request.body(Body::empty()).unwrap()).await));
        let request = Request::delete("/").body(Body::empty()).unwrap();
        answers.push(("another method", browser.send(request).await));
        if round == 0 {
            browser.sign_in().await;
        }
    }
    for (what, answer) in answers {
        let policy = answer.header(header::CONTENT_SECURITY_POLICY);
        for part in [
            "default-src 'none'",
            "style-src 'sha256-",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{what}: {policy}");
        }
        assert!(!policy.contains("unsafe-") && !policy.contains('*'), "{what}: {policy}");
        assert_eq!(answer.header(header::X_FRAME_OPTIONS), "DENY", "{what}");
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{what}");
        assert_eq!(answer.header(header::REFERRER_POLICY), "same-origin", "{what}");
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store", "{what}");
    }
}

#[tokio::test]
async fn who_is_not_signed_in_sees_the_door_and_nothing_else() {
    let network = network();
    let browser = stranger(&network);
    for path in PATHS.into_iter().filter(|path| *path != "/login") {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
        assert_eq!(answer.header(header::LOCATION), "/login", "{path}");
        assert!(answer.text.is_empty(), "{path}");
    }
    assert_eq!(browser.get("/live").await.status, StatusCode::UNAUTHORIZED);
    let door = browser.get("/login").await.page();
    assert!(!door.contains("aria-label=\"Pages\""), "{door}");
    let token = form_token(&door);
    let sent =
        browser.send(form("/stop", &[("form-token", token.as_str()), ("sure", "yes")])).await;
    assert_eq!(sent.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_opens_a_session_that_signing_out_ends() {
    let network = network();
    let mut browser = stranger(&network);
    let token = browser.token.clone();
    let answer = browser.post("/login", "/login", &[("token", token.as_str())]).await;
    let cookie = answer.header(header::SET_COOKIE).to_owned();
    for part in ["haima-8440=", "HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains(&token), "the cookie is not the token");
    browser.cookie = cookie.split(';').next().unwrap().to_owned();
    assert!(browser.get("/").await.page().contains("Sign out"));
    assert_eq!(browser.get("/login").await.header(header::LOCATION), "/", "no need to ask again");
    let kept = browser.cookie.clone();
    let out = browser.post("/", "/logout", &[]).await;
    assert!(out.header(header::SET_COOKIE).contains("Max-Age=0"));
    browser.cookie = kept;
    let after = browser.get("/").await;
    assert_eq!(
        after.header(header::LOCATION),
        "/login",
        "the session is over, not just its cookie"
    );
    browser.cookie = "haima-8440=00000000000000000000000000000000".into();
    assert_eq!(browser.get("/").await.header(header::LOCATION), "/login");
}

/// Whoever could make its owner wait would keep the stop switch from him.
#[tokio::test]
async fn wrong_tokens_of_others_do_not_keep_the_owner_out() {
    let network = network();
    let mut browser = stranger(&network);
    let mut given = Vec::new();
    for wrong in ["", "0", "00000000000000000000000000000000", " ", "<script>", "1", "2", "3"] {
        let answer = browser.post("/login", "/login", &[("token", wrong)]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{wrong}");
        assert!(answer.header(header::SET_COOKIE).is_empty());
        given.push(answer);
    }
    assert!(given.iter().all(|answer| !answer.text.contains("<script>")), "it is not shown again");
    browser.sign_in().await;
    assert!(browser.get("/").await.page().contains("Sign out"));
}

#[tokio::test]
async fn a_stream_of_changes_ends_when_its_session_does() {
    let network = network();
    let browser = Browser::signed_in(|door| pages(&network, door)).await;
    let mut stream = browser.stream("/live").await.into_data_stream();
    assert!(stream.next().await.unwrap().is_ok(), "it is open");
    browser.post("/", "/logout", &[]).await;
    let rest = async { while stream.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(20), rest).await.expect("it tells nothing more");
}

#[tokio::test]
async fn other_names_of_this_address_get_nothing() {
    let network = network();
    let browser = Browser::signed_in(|door| pages(&network, door)).await;
    let ask = async |host: &str| {
        let request = Request::get("/").header(header::HOST, host).body(Body::empty()).unwrap();
        browser.send(request).await.status
    };
    for own in [HOST, "localhost:9000", "localhost", "[::1]:8440", "LOCALHOST:1"] {
        assert_eq!(ask(own).await, StatusCode::OK, "{own}");
    }
    for other in [
        "evil.example",
        "evil.example:8440",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "user@127.0.0.1",
        "127.0.0.2:8440",
        "",
        "a b",
    ] {
        assert_eq!(ask(other).await, StatusCode::MISDIRECTED_REQUEST, "{other}");
    }
    let mut twice = Request::get("/").body(Body::empty()).unwrap();
    for host in [HOST, "evil.example"] {
        twice.headers_mut().append(header::HOST, host.parse().unwrap());
    }
    assert_eq!(browser.send(twice).await.status, StatusCode::MISDIRECTED_REQUEST);
    let request = Request::get("http://evil.example/").header(header::HOST, HOST);
    let answer = browser.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "two names in one request");
}

#[tokio::test]
async fn a_name_that_was_configured_is_let_in_and_its_cookie_needs_tls() {
    let network = network();
    let (door, token) = door(&["pages.hospital.example"]);
    let browser = Browser::stranger(|_| pages(&network, door));
    let host = "pages.hospital.example";
    let ask = Request::get("/login").header(header::HOST, host).body(Body::empty()).unwrap();
    let own = form_token(&browser.send(ask).await.page());
    let mut sent = form("/login", &[("form-token", own.as_str()), ("token", token.as_str())]);
    sent.headers_mut().insert(header::HOST, host.parse().unwrap());
    sent.headers_mut().insert(header::ORIGIN, "https://pages.hospital.example".parse().unwrap());
    let answer = browser.send(sent).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(answer.header(header::SET_COOKIE).ends_with("; Secure"));
}

#[tokio::test]
async fn a_form_without_its_sessions_token_does_nothing() {
    let network = network();
    let browser = Browser::signed_in(|door| pages(&network, door)).await;
    let before = form_token(&stranger(&network).get("/login").await.page());
    for fields in [
        &[("sure", "yes")][..],
        &[("sure", "yes"), ("form-token", "")],
        &[("sure", "yes"), ("form-token", before.as_str())],
        &[("sure", "yes"), ("form-token", browser.token.as_str())],
    ] {
        for path in ["/stop", "/asked", "/approvals", "/logout", "/login", "/calculator/1"] {
            let answer = browser.send(form(path, fields)).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {fields:?}");
            assert!(answer.text.contains("Nothing was done"), "{}", answer.text);
        }
    }
    let page = browser.get("/stop").await.page();
    assert!(page.contains("Stop"), "still signed in");
}

#[tokio::test]
async fn a_form_from_another_page_does_nothing_even_with_the_token() {
    let network = network();
    let browser = Browser::signed_in(|door| pages(&network, door)).await;
    let token = form_token(&browser.get("/stop").await.page());
    let send = async |name: &'static str, value: &'static str| {
        let mut request = form("/stop", &[("form-token", token.as_str())]);
        request.headers_mut().insert(name, value.parse().unwrap());
        browser.send(request).await.status
    };
    for (name, value) in [
        ("origin", "http://evil.example"),
        ("origin", "http://127.0.0.1:8441"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        assert_eq!(send(name, value).await, StatusCode::FORBIDDEN, "{name}: {value}");
    }
    for (name, value) in [("origin", "http://127.0.0.1:8440"), ("sec-fetch-site", "same-origin")] {
        assert_eq!(send(name, value).await, StatusCode::OK, "{name}: {value}");
    }
}

#[tokio::test]
async fn what_is_too_long_or_no_form_is_refused() {
    let network = network();
    let browser = Browser::signed_in(|door| pages(&network, door)).await;
    let reason = "x".repeat(1 << 17);
    let long = browser.send(form("/asked", &[("reason", reason.as_str())])).await;
    assert_eq!(long.status, StatusCode::PAYLOAD_TOO_LARGE);
    let json = Request::post("/asked").header(header::CONTENT_TYPE, "application/json");
    let json = browser.send(json.body(Body::from("{}")).unwrap()).await;
    assert_eq!(json.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    for method in ["PUT", "DELETE", "OPTIONS", "TRACE"] {
        let request = Request::builder().method(method).uri("/").body(Body::empty()).unwrap();
        assert_eq!(browser.send(request).await.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
}

#[tokio::test]
async fn changes_are_told_by_events_or_by_fetching_again_as_one_likes() {
    let network = network();
    let browser = Browser::signed_in(|door| pages(&network, door)).await;
    let answer = browser.get("/live").await;
    assert_eq!(answer.header(header::CONTENT_TYPE), "text/event-stream");
    let page = browser.get("/").await;
    let policy = page.header(header::CONTENT_SECURITY_POLICY).to_owned();
    assert!(policy.contains("script-src 'sha256-") && policy.contains("connect-src 'self'"));
    let page = page.page();
    assert!(
        page.contains("<noscript><meta http-equiv=\"refresh\"") && page.contains("EventSource")
    );
    let still = browser.get("/?hold=yes").await.page();
    assert!(!still.contains("http-equiv=\"refresh\"") && !still.contains("EventSource"));
    let form = browser.get("/asked").await.page();
    assert!(!form.contains("EventSource"), "a page with a form does not change under one's hands");
}
