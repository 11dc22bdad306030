//! The pages' look, which is the report's with forms and a bar of pages; the one script; and the policy
//! that allows nothing else.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::report::STYLE as REPORT;

/// What the pages have beside the report's style.
const OWN: &str = r#"
html { color-scheme: light; scroll-behavior: auto; }
.skip { position: absolute; left: -200vw; top: .5rem; background: #fff; padding: .5rem .8rem; z-index: 1; }
.skip:focus { left: .5rem; }
a:focus-visible, button:focus-visible, input:focus-visible, select:focus-visible, textarea:focus-visible,
summary:focus-visible, .scroll:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
main:focus { outline: none; }
.brand { flex-wrap: wrap; }
.brand form, #by-key { margin-left: auto; }
header nav { border-top: 1px solid var(--line); border-bottom: 1px solid var(--line); }
header nav a { padding: .25rem 0; }
nav a[aria-current] { color: var(--ink); font-weight: 650; text-decoration: underline; text-underline-offset: .35em; }
main h1 { margin-top: 1.6rem; }
main h2 { margin-top: 2.2rem; font-size: 1.25rem; border-top-width: 1px; padding-top: 1rem; }
.bad { background: #fcf0f1; border-left: 4px solid #8c1d2e; padding: .6rem .9rem; color: #5c1220; max-width: 46rem; }
.good { background: #eef8f4; border-left: 4px solid #0a5a45; padding: .6rem .9rem; color: #08402f; max-width: 46rem; }
.warn { max-width: 46rem; }
.cards { grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr)); }
.words { max-width: none; }
.card .value { overflow-wrap: anywhere; }
button { font: inherit; font-weight: 600; color: #fff; background: var(--accent); border: 1px solid var(--accent);
  border-radius: 4px; padding: .5rem 1rem; min-height: 2.75rem; cursor: pointer; }
button.plain { color: var(--accent); background: #fff; font-weight: 400; padding: .25rem .7rem; min-height: 2rem; }
button.stop { background: #8c1d2e; border-color: #8c1d2e; }
input, select, textarea { font: inherit; color: var(--ink); background: #fff; border: 1px solid #667683; border-radius: 4px;
  padding: .4rem .55rem; min-height: 2.5rem; max-width: 100%; }
input[type=checkbox] { min-height: 0; width: 1.15rem; height: 1.15rem; vertical-align: -.2rem; margin-right: .4rem; }
textarea { width: 100%; max-width: 46rem; }
label { font-weight: 600; }
label.tick { font-weight: 400; display: block; margin: .8rem 0; }
fieldset { border: 0; padding: 0; margin: 0; }
.field { margin: 0 0 1rem; }
.field label { display: block; }
.field .hint { display: block; font-weight: 400; font-size: .86rem; color: var(--quiet); }
.fields { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: .2rem 1.4rem; }
.fields input { width: 9rem; } .fields .unit { width: auto; }
input[aria-invalid=true] { border: 2px solid #8c1d2e; }
progress { width: 100%; max-width: 15rem; height: .8rem; accent-color: var(--accent); }
.plot { max-width: 34rem; } .plot figcaption svg { display: inline-block; width: 34px; height: 8px; }
.pages { font-size: .95rem; }
.up { fill: #a3273a; } .down { fill: #0072b2; }
@media (max-width: 600px) {
  .card:nth-child(n+3) { grid-column: auto; }
  .cards { grid-template-columns: 1fr 1fr; }
  .brand form, #by-key { margin-left: 0; width: 100%; }
}
"#;

/// The script of pages that change: on word from the server it fetches its own page and puts its parts
/// in place of those that differ, but for the one that holds the focus. It runs nothing that comes.
pub(super) const SCRIPT: &str = r#"
"use strict";
(function () {
  const note = document.getElementById("live-note");
  const say = function (text) { if (note && note.textContent !== text) { note.textContent = text; } };
  let busy = false, again = false;
  const renew = async function () {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
      if (!answer.ok) { throw new Error(answer.status); }
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live]")) {
        const other = next.getElementById(part.id);
        if (!other || part.contains(document.activeElement) || part.isEqualNode(other)) { continue; }
        if (part.getAttribute("role") === "status") { part.textContent = other.textContent; }
        else { part.replaceWith(document.importNode(other, true)); }
      }
      say("Up to date; renewed by itself.");
    } catch (error) {
      say("Not connected: what stands here may be old.");
    }
    busy = false;
    if (again) { again = false; renew(); }
  };
  const source = new EventSource("/live");
  source.addEventListener("changed", renew);
  source.addEventListener("open", renew);
  source.addEventListener("error", function () { say("Not connected: what stands here may be old."); });
})();
"#;

static STYLE: LazyLock<String> = LazyLock::new(|| [REPORT, OWN].concat());

/// What a page may do, and one with the script.
static POLICIES: LazyLock<[String; 2]> = LazyLock::new(|| {
    let style = format!("style-src '{}'", hash(&STYLE));
    let common =
        "img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    let script = hash(SCRIPT);
    [
        format!("default-src 'none'; {style}; {common}"),
        format!("default-src 'none'; {style}; script-src '{script}'; connect-src 'self'; {common}"),
    ]
});

/// The style sheet of every page.
pub(super) fn style() -> &'static str {
    &STYLE
}

/// The content security policy of a page; `live` for one with the script.
pub(super) fn policy(live: bool) -> &'static str {
    let [still, changing] = &*POLICIES;
    if live { changing } else { still }
}

/// A part of a page by its hash, as a policy names it (CSP level 3, section 2.3.1).
fn hash(part: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(part.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification, section 8.3.
    #[test]
    fn a_part_is_named_by_its_hash() {
        let named = hash("alert('Hello, world.');");
        assert_eq!(named, "sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng=");
    }

    #[test]
    fn a_policy_names_this_style_and_allows_no_script_but_the_one() {
        let (still, changing) = (policy(false), policy(true));
        assert!(still.contains(&hash(style())) && changing.contains(&hash(style())));
        assert!(!still.contains("script-src") && changing.contains(&hash(SCRIPT)));
        for policy in [still, changing] {
            assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"));
            assert!(policy.contains("frame-ancestors 'none'"));
        }
    }

    /// Neither may end its own element.
    #[test]
    fn style_and_script_hold_no_markup() {
        for part in [style(), SCRIPT] {
            assert!(!part.contains("</") && !part.contains("<!--"));
        }
    }
}
