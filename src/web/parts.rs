//! Pieces that several pages have: facts, bars, times, tables of a journal, a list's pages.

use haima_crypto::encode::Digest;
use haima_smpc_node::record::AuditRecord;
use maud::{Markup, html};

use super::document::printable;
use crate::report::numbers;
use crate::report::page::scroll;

/// Lines of a long list on one page.
pub(super) const LINES: usize = 100;

/// A moment, in unix milliseconds, as people write it.
pub(super) fn when(at_ms: u64) -> String {
    numbers::utc(at_ms / 1000)
}

/// The same with seconds, for journals: `23 November 2026, 18:26:05 UTC`.
pub(super) fn moment(at_ms: u64) -> String {
    let text = when(at_ms);
    let second = at_ms / 1000 % 60;
    text.strip_suffix(" UTC").map_or(text.clone(), |minute| format!("{minute}:{second:02} UTC"))
}

/// A moment beside now: `4 min ago`.
pub(super) fn ago(at_ms: u64, now_ms: u64) -> String {
    let seconds = now_ms.saturating_sub(at_ms) / 1000;
    match seconds {
        0..60 => "less than a minute ago".to_owned(),
        60..7_200 => format!("{} min ago", seconds / 60),
        7_200..172_800 => format!("{} hours ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// Name and value, a line each.
pub(super) fn facts(name: &str, facts: &[(&str, Markup)]) -> Markup {
    let table = html! {
        table.facts { tbody {
            @for (name, value) in facts { tr { th scope="row" { (name) } td { (value) } } }
        } }
    };
    scroll(name, &table)
}

/// A part of a whole as a bar, with its numbers beside it.
pub(super) fn bar(what: &str, share: f64, text: &str) -> Markup {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 1.0 };
    html! {
        span.spent { (text) }
        svg.bar viewBox="0 0 200 10" preserveAspectRatio="none" role="img" aria-label=(format!("{what}: {text}")) {
            rect.rail x="0" y="0" width="200" height="10" rx="3" {}
            rect.used x="0" y="0" width=(numbers::decimal(share * 200.0, 1)) height="10" rx="3" {}
        }
    }
}

/// One figure with its name and what it means.
pub(super) fn card(name: &str, value: &str, detail: &Markup) -> Markup {
    html! { div.card { dt { (name) } dd.value { (value) } dd.detail { (detail) } } }
}

/// A page of a list, newest first: its lines, and links to the others.
pub(super) fn newest<T>(list: &[T], page: usize) -> impl Iterator<Item = &T> {
    list.iter().rev().skip(LINES.saturating_mul(page.saturating_sub(1))).take(LINES)
}

/// Links to a list's other pages.
pub(super) fn pager(address: &str, page: usize, lines: usize) -> Markup {
    let pages = lines.div_ceil(LINES).max(1);
    html! {
        @if pages > 1 {
            p.pages {
                "Page " (page) " of " (pages) ". "
                @if page > 1 { a href=(format!("{address}?page={}", page - 1)) { "Newer" } " " }
                @if page < pages { a href=(format!("{address}?page={}", page + 1)) { "Older" } }
            }
        }
    }
}

/// Records of a journal, newest first.
pub(super) fn journal(records: &[AuditRecord], page: usize) -> Markup {
    let table = html! {
        table.rounds {
            thead { tr {
                th scope="col" { "When" }
                th scope="col" { "What" }
                th scope="col" { "Of" }
                th scope="col" { "Round" }
                th scope="col" { "Text" }
                th scope="col" { "Digest" }
            } }
            tbody { @for record in newest(records, page) { tr {
                td { (moment(record.at_ms)) }
                th scope="row" { (printable(&record.kind)) }
                td { (printable(&record.subject)) }
                td { (digest(&record.round)) }
                td { (printable(&record.text)) }
                td { (digest(&record.digest)) }
            } } }
        }
    };
    html! {
        @if records.is_empty() {
            p { "The journal has no record yet." }
        } @else {
            (scroll("Journal", &table))
        }
    }
}

/// The beginning of a digest, all of it for who points at it; nothing for none.
pub(super) fn digest(digest: &Digest) -> Markup {
    html! {
        @if *digest != Digest::default() {
            code title=(digest.to_string()) { (digest.short()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_to_the_second_and_beside_now() {
        assert_eq!(moment(5_999), "1 January 1970, 00:00:05 UTC");
        let at = |seconds: u64| ago(0, seconds * 1000);
        assert_eq!(
            [at(59), at(60), at(7_200), at(172_800)],
            ["less than a minute ago", "1 min ago", "2 hours ago", "2 days ago"]
        );
    }

    #[test]
    fn a_long_list_has_pages_newest_first() {
        let list: Vec<usize> = (0..=LINES).collect();
        assert_eq!(newest(&list, 1).next(), Some(&LINES));
        assert_eq!(newest(&list, 2).collect::<Vec<_>>(), [&0]);
        assert_eq!(newest(&list, usize::MAX).count(), 0);
        let links = pager("/sent", 2, list.len()).into_string();
        assert!(links.contains("/sent?page=1") && !links.contains("page=3"), "{links}");
        assert_eq!(pager("/sent", 1, LINES).into_string(), "");
    }

    #[test]
    fn a_bar_keeps_to_its_rail() {
        for (share, width) in [(0.5, "100.0"), (7.0, "200.0"), (-1.0, "0.0"), (f64::NAN, "200.0")] {
            let drawn = bar("used", share, "x").into_string();
            assert!(drawn.contains(&format!("width=\"{width}\"")), "{drawn}");
        }
    }
}
