//! The one layout of all pages: skip link, header, navigation, main part, footer. All text is escaped;
//! letters of strangers that move a line or cannot be seen are blanks.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::gate::{FORM_TOKEN, LOGOUT};
use super::style::{SCRIPT, policy, style};
use crate::Error;

/// Seconds after which a browser without scripts fetches a changing page again.
const RENEWED: u32 = 15;

/// A drop, so that no browser asks for an icon.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 20'%3E\
    %3Cpath d='M8 1C8 1 2 8.6 2 12.6a6 6 0 0 0 12 0C14 8.6 8 1 8 1Z' fill='%23a3273a'/%3E%3C/svg%3E";

/// A set of pages.
pub(super) struct App {
    /// What it is, e.g. `hospital's page`.
    pub(super) what: &'static str,
    /// Of whom, e.g. a site's name and study.
    pub(super) whose: String,
    /// Address and text of each page.
    pub(super) pages: Vec<(&'static str, &'static str)>,
}

/// Who asks.
#[derive(Clone)]
pub(super) struct Visitor {
    /// Whether signed in.
    pub(super) signed_in: bool,
    /// Whether its browser's certificate is what signs in: by itself, or would in its own window.
    pub(super) by_key: bool,
    /// What each of this visitor's forms must hold.
    pub(super) form: Arc<str>,
    /// Asked that a changing page stands still.
    pub(super) held: bool,
}

/// A page before it is laid out.
pub(super) struct Page<'a> {
    pub(super) app: &'a App,
    pub(super) visitor: &'a Visitor,
    /// Heading, and title of the window.
    pub(super) title: &'a str,
    /// Its address.
    pub(super) here: &'a str,
    /// Whether it is renewed while one looks at it.
    pub(super) live: bool,
    /// All but the heading.
    pub(super) body: Markup,
}

impl Page<'_> {
    /// The page as an answer.
    pub(super) fn answer_as(self, status: StatusCode) -> Response {
        let live = self.live;
        let page = self.lay_out().into_string();
        let head = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, policy(live)),
        ];
        (status, head, Body::from(page)).into_response()
    }

    fn lay_out(self) -> Markup {
        let Self { app, visitor, title, here, live, body } = self;
        let still = live && visitor.held;
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (title) " – " (app.whose) " – haima" }
                    link rel="icon" href=(ICON);
                    style { (PreEscaped(style())) }
                    @if live && !still {
                        noscript { meta http-equiv="refresh" content=(RENEWED); }
                    }
                }
                body {
                    a.skip href="#main" { "Skip to the content" }
                    header {
                        div.brand {
                            svg viewBox="0 0 16 20" width="16" height="20" aria-hidden="true" {
                                path d="M8 1C8 1 2 8.6 2 12.6a6 6 0 0 0 12 0C14 8.6 8 1 8 1Z" fill="#a3273a" {}
                            }
                            span { "haima " (app.what) " · " b { (app.whose) } }
                            @if visitor.signed_in && visitor.by_key {
                                span.quiet #by-key { "signed in by certificate" }
                            } @else if visitor.signed_in {
                                form method="post" action=(LOGOUT) {
                                    (token(visitor))
                                    button.plain type="submit" { "Sign out" }
                                }
                            }
                        }
                        @if visitor.signed_in {
                            nav aria-label="Pages" {
                                @for (address, text) in &app.pages {
                                    a href=(address) aria-current=[(*address == here).then_some("page")] { (text) }
                                }
                            }
                        }
                    }
                    main #main tabindex="-1" {
                        h1 { (title) }
                        @if live { (renewal(still)) }
                        (body)
                    }
                    footer {
                        "haima " (env!("CARGO_PKG_VERSION"))
                        " · not a medical device · this page loads nothing from elsewhere"
                    }
                    @if live && !still { script { (PreEscaped(SCRIPT)) } }
                }
            }
        }
    }
}

/// How the page comes to be new.
fn renewal(still: bool) -> Markup {
    html! {
        @if still {
            p.note { "This page stands still. " a href="?" { "Let it renew itself" } "." }
        } @else {
            p.note #live-note {}
            noscript {
                p.note {
                    "Renewed every " (RENEWED) " seconds. " a href="?hold=yes" { "Let it stand still" } "."
                }
            }
        }
    }
}

/// The hidden field without which no form is taken.
pub(super) fn token(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name=(FORM_TOKEN) value=(visitor.form); }
}

/// Where something cannot be read: what, and what to do.
pub(super) fn problem(what: &str, why: &str) -> Markup {
    html! { p.bad role="alert" { b { (what) } " " (printable(why)) } }
}

/// What an error says, on a page.
pub(super) fn said(error: &Error) -> String {
    printable(&error.to_string())
}

/// A stranger's text as it may stand on a page.
pub(super) fn printable(text: &str) -> String {
    crate::text::printable(text)
}

/// After a form was taken: the page to look at.
pub(super) fn see(address: &'static str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    fn app() -> App {
        App { what: "page", whose: "<b>north</b>".into(), pages: vec![("/", "Start"), ("/a", "A")] }
    }

    async fn text(live: bool, held: bool, signed_in: bool) -> (String, String) {
        let visitor = Visitor { signed_in, by_key: false, form: "0123".into(), held };
        let page = Page {
            app: &app(),
            visitor: &visitor,
            title: "A & B",
            here: "/a",
            live,
            body: problem("No.", "a\u{202e}<script>"),
        };
        let answer = page.answer_as(StatusCode::OK);
        let policy = answer.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (String::from_utf8(bytes.to_vec()).unwrap(), policy)
    }

    #[tokio::test]
    async fn strangers_texts_are_text() {
        let (page, _) = text(false, false, true).await;
        assert!(page.contains("&lt;b&gt;north&lt;/b&gt;") && !page.contains("<b>north"));
        assert!(page.contains("a &lt;script&gt;") && !page.contains("<script"));
        assert!(page.contains("A &amp; B"));
    }

    #[tokio::test]
    async fn a_page_has_its_landmarks_a_skip_link_and_says_where_one_is() {
        let (page, _) = text(false, false, true).await;
        for part in [
            "<html lang=\"en\">",
            "<a class=\"skip\" href=\"#main\">",
            "<main id=\"main\"",
            "<nav aria-label=\"Pages\">",
            "<a href=\"/a\" aria-current=\"page\">",
            "<footer>",
        ] {
            assert!(page.contains(part), "{part}");
        }
        let (page, _) = text(false, false, false).await;
        assert!(!page.contains("<nav") && !page.contains("Sign out"), "only who is in sees them");
    }

    #[tokio::test]
    async fn a_changing_page_has_the_script_or_is_fetched_again_and_may_stand_still() {
        let (page, policy) = text(true, false, true).await;
        let refresh = "<noscript><meta http-equiv=\"refresh\" content=\"15\">";
        assert!(page.contains(refresh) && page.contains("<script>"));
        assert!(policy.contains("script-src"));
        let (page, _) = text(true, true, true).await;
        assert!(!page.contains("http-equiv") && !page.contains("<script"));
        let (page, policy) = text(false, false, true).await;
        assert!(!page.contains("<script") && !policy.contains("script-src"));
    }
}
