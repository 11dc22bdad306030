//! Runs that the policy holds back until somebody at the hospital says yes: which they are, and the two
//! buttons. What is said is written where `haima site approvals` writes it too, and the daemon reads it.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::response::Response;
use haima_smpc_node::unix_millis;
use maud::{Markup, html};

use super::{At, Site};
use crate::Error;
use crate::report::numbers;
use crate::site::Config;
use crate::site::consent::{Consents, Waiting};
use crate::web::document::{Visitor, printable, problem, said, see, token};
use crate::web::form::Fields;
use crate::web::parts::{ago, moment};

/// Runs on the page; those that wait longest come first.
const MOST: usize = 100;

/// Runs that wait, read as they are now.
pub(super) fn waiting(config: &Config) -> Result<Vec<Waiting>, String> {
    let read = || Consents::open(&config.state)?.waiting();
    read().map_err(|error: Error| error.to_string())
}

/// The page.
pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    page(&site, &visitor, None)
}

/// A button was pressed.
pub(super) async fn answer(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Arc<Fields>>,
) -> Response {
    let done = match fields.text("answer") {
        "approve" => decide(&site, &fields, true).await,
        "refuse" => decide(&site, &fields, false).await,
        _ => Err("The form says neither approve nor refuse.".to_owned()),
    };
    match done {
        Ok(()) => see("/approvals"),
        Err(why) => page(&site, &visitor, Some(&why)),
    }
}

async fn decide(site: &Site, fields: &Fields, allow: bool) -> Result<(), String> {
    let text = |name| fields.get(name).unwrap_or_default().to_owned();
    let (state, task, run) = (site.config.state.clone(), text("task"), text("run"));
    // Of what was on the page, whatever waits by now.
    let manifest = text("manifest");
    // It waits for the disk.
    let write = move || {
        Consents::open(&state)?.decide(&task, &run, &manifest, allow)?;
        let (task, run) = (printable(&task), printable(&run));
        tracing::info!(%task, %run, allow, "a run that waited was answered at the page");
        Ok::<_, Error>(())
    };
    let written = tokio::task::spawn_blocking(write).await.map_err(|error| error.to_string())?;
    written.map_err(|error| said(&error))
}

fn page(site: &Site, visitor: &Visitor, wrong: Option<&str>) -> Response {
    let body = list(&waiting(&site.config), visitor, wrong, unix_millis());
    site.answer(visitor, At::still("Waits for your approval", "/approvals"), Ok(body))
}

/// Word on the first page that something waits; nothing where nothing does.
pub(super) fn notice(waiting: &Result<Vec<Waiting>, String>) -> Markup {
    html! {
        @match waiting {
            Ok(waiting) if waiting.is_empty() => {}
            Ok(waiting) => p.warn {
                b { (numbers::counted(waiting.len() as u64, "run waits", "runs wait")) " for your approval. " }
                "The daemon answers none of them before. "
                a href="/approvals" { "Read, then approve or refuse" } "."
            },
            Err(why) => (problem("What waits for approval cannot be read.", why)),
        }
    }
}

fn list(
    waiting: &Result<Vec<Waiting>, String>,
    visitor: &Visitor,
    wrong: Option<&str>,
    now_ms: u64,
) -> Markup {
    let waiting = match waiting {
        Ok(waiting) => waiting,
        Err(why) => return problem("What waits for approval cannot be read.", why),
    };
    html! {
        @if let Some(text) = wrong { (problem("Nothing was done.", text)) }
        p {
            "Runs of tasks that this hospital's policy answers only after a person has said yes \
             (" code { "manual_approval" } "). Until then nothing is computed for them and nothing of the \
             budget is used. A round has a deadline: one that passes meanwhile goes on without this \
             hospital, or fails and may be asked again."
        }
        @if waiting.is_empty() { p { "Nothing waits." } }
        @for (place, one) in waiting.iter().take(MOST).enumerate() { (run(place, one, visitor, now_ms)) }
        @if waiting.len() > MOST {
            p { "And " (numbers::count((waiting.len() - MOST) as u64)) " more, once these are answered." }
        }
        h2 { "On the command line" }
        pre { code { "haima site approvals" } }
    }
}

fn run(place: usize, one: &Waiting, visitor: &Visitor, now_ms: u64) -> Markup {
    let id = format!("run-{place}");
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { "Task " (printable(&one.task)) ", run " (printable(&one.run)) }
            p { (printable(&one.words)) }
            p.note { "Waits since " (moment(one.since_ms)) ", " (ago(one.since_ms, now_ms)) "." }
            form method="post" action="/approvals" aria-labelledby=(id) {
                (token(visitor))
                input type="hidden" name="task" value=(one.task);
                input type="hidden" name="run" value=(one.run);
                input type="hidden" name="manifest" value=(one.manifest);
                button type="submit" name="answer" value="approve" { "Approve" }
                " "
                button.stop type="submit" name="answer" value="refuse" { "Refuse" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(task: &str, words: &str) -> Waiting {
        let manifest = "ab".repeat(32);
        Waiting {
            task: task.into(),
            run: "1".into(),
            manifest,
            words: words.into(),
            since_ms: 1000,
        }
    }

    fn shown(waiting: &Result<Vec<Waiting>, String>) -> String {
        let visitor = Visitor { signed_in: true, by_key: false, form: "0123".into(), held: false };
        list(waiting, &visitor, None, 181_000).into_string()
    }

    #[test]
    fn each_run_has_its_words_and_two_buttons_of_its_own() {
        let page =
            shown(&Ok(vec![waits("km", "Survival curves."), waits("cox", "Hazard ratios.")]));
        for part in
            ["Survival curves.", "Hazard ratios.", "value=\"km\"", "value=\"cox\"", "3 min ago"]
        {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert_eq!(page.matches("name=\"form-token\" value=\"0123\"").count(), 2);
        let manifest = format!("name=\"manifest\" value=\"{}\"", "ab".repeat(32));
        assert_eq!(page.matches(&manifest).count(), 2, "each answer is of what was shown");
        for button in ["value=\"approve\"", "value=\"refuse\""] {
            assert_eq!(page.matches(button).count(), 2, "{button}");
        }
        assert!(shown(&Ok(Vec::new())).contains("Nothing waits"));
        assert!(shown(&Err("damaged".into())).contains("role=\"alert\""));
    }

    #[test]
    fn what_strangers_write_is_text_and_a_long_list_is_cut() {
        let page = shown(&Ok(vec![waits("<b>km</b>", "a\u{202e}<script>")]));
        assert!(
            page.contains("a &lt;script&gt;") && page.contains("value=\"&lt;b&gt;km"),
            "{page}"
        );
        let page = shown(&Ok(vec![waits("km", "w"); MOST + 3]));
        assert_eq!(page.matches("value=\"approve\"").count(), MOST);
        assert!(page.contains("And 3 more"));
    }

    #[test]
    fn the_first_page_says_so_only_where_something_waits() {
        assert_eq!(notice(&Ok(Vec::new())).into_string(), "");
        assert!(notice(&Ok(vec![waits("km", "w")])).into_string().contains("1 run waits"));
        assert!(notice(&Err("damaged".into())).into_string().contains("damaged"));
    }
}
