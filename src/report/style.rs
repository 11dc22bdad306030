//! The style sheet: calm, legible on paper (A4) and on a telephone; no font or image from outside.

/// Goes into the page's head as it stands; holds nothing from a report.
pub(crate) const STYLE: &str = r#"
:root { --ink: #1c2a36; --quiet: #50606d; --line: #d3dbe1; --pale: #f4f7f9; --accent: #0b5570; }
* { box-sizing: border-box; }
html { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif;
  color: var(--ink); background: #fff; -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body { max-width: 60rem; margin: 0 auto; padding: 2rem 1.5rem 3rem; overflow-wrap: break-word; }
h1 { font-size: 2rem; line-height: 1.2; margin: .2rem 0 .3rem; letter-spacing: -.01em; }
h2 { font-size: 1.4rem; line-height: 1.3; margin: 0 0 .8rem; padding-top: 1.4rem; border-top: 2px solid var(--ink); }
h3 { font-size: 1.06rem; line-height: 1.4; margin: 1.8rem 0 .6rem; }
p, ul, ol, dl { margin: 0 0 .9rem; max-width: 46rem; }
li { margin-bottom: .35rem; }
a { color: var(--accent); }
code, pre { font: .87em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre { background: var(--pale); border: 1px solid var(--line); border-radius: 4px; padding: .5rem .7rem;
  margin: .4rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
code { overflow-wrap: anywhere; }
section { margin-top: 2.4rem; }
.brand { display: flex; align-items: center; gap: .5rem; color: var(--quiet); font-size: .9rem; margin: 0 0 .8rem; }
.lead { font-size: 1.15rem; margin-bottom: .4rem; }
.meta, .note, .quiet, figcaption, footer { color: var(--quiet); }
.meta, .note, figcaption { font-size: .88rem; }
.note { margin-top: .6rem; }
.quiet { font-weight: 400; font-size: .92em; }
.warn { background: #fdf6e7; border-left: 4px solid #b07400; padding: .6rem .9rem; color: #3b2c06; }
nav { display: flex; flex-wrap: wrap; gap: .2rem .95rem; padding: .7rem 0; font-size: .92rem; }
nav a { text-decoration: none; }
nav a:hover, nav a:focus { text-decoration: underline; }

.cards { display: grid; grid-template-columns: 3fr 3fr 3.2fr 4.4fr 5fr; gap: .7rem;
  max-width: none; margin: 1.4rem 0 .4rem; }
.card { background: var(--pale); border: 1px solid var(--line); border-radius: 6px; padding: .8rem .9rem; }
.card dt { font-size: .82rem; color: var(--quiet); }
.card dd { margin: 0; }
.card .value { font-size: 1.3rem; line-height: 1.35; font-weight: 650; letter-spacing: -.01em; }
.card .detail { font-size: .84rem; line-height: 1.4; color: var(--quiet); margin-top: .2rem; }
.findings { padding-left: 1.2rem; }
.findings li { margin-bottom: .55rem; }
.explain { display: grid; grid-template-columns: 9rem 1fr; gap: .35rem 1rem; font-size: .92rem; margin-top: 1rem; }
.explain dt { font-weight: 650; }
.explain dd { margin: 0; }

.badge { display: inline-block; font-size: .78rem; font-weight: 600; line-height: 1.35; padding: .1rem .5rem;
  border-radius: 4px; border: 1px solid; white-space: nowrap; }
.badge.exact, .badge.partly { color: #704600; border-color: #c99a3a; background: #fdf6e7; }
.badge.private, .badge.yes { color: #0a5a45; border-color: #6fb3a0; background: #eef8f4; }
.badge.no { color: #8c1d2e; border-color: #d59aa3; background: #fcf0f1; }

.scroll { overflow-x: auto; margin: .4rem 0 .6rem; background:
  linear-gradient(to left, #fff 1.2rem, #fff0) 100% 0 / 2.4rem 100% no-repeat local,
  linear-gradient(to left, #1c2a3630, #1c2a3600) 100% 0 / .8rem 100% no-repeat scroll; }
.scroll:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; line-height: 1.4; }
th, td { text-align: left; vertical-align: top; padding: .38rem .7rem .38rem 0; border-bottom: 1px solid var(--line); }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--quiet); font-weight: 600; border-bottom: 1.5px solid var(--ink); vertical-align: bottom; }
tbody th { font-weight: 600; }
td.num, th.num { text-align: right; font-variant-numeric: tabular-nums; }
td.num { white-space: nowrap; }
.table1 tbody tr:first-child th { padding-top: .6rem; border-bottom: 0; }
.table1 th.level { font-weight: 400; padding-left: 1.2rem; }
.facts th { width: 12rem; }
.ledger td:nth-child(2) { min-width: 12rem; }
.rounds { font-size: .82rem; }
.rounds td:last-child { min-width: 9rem; }
.spent { display: block; font-variant-numeric: tabular-nums; margin-bottom: .15rem; }
.bar { display: block; width: 100%; max-width: 15rem; height: 9px; }
.rail { fill: #e1e8ec; } .used { fill: var(--accent); }
details { margin: .6rem 0; }
summary { cursor: pointer; color: var(--accent); font-size: .95rem; }

figure { margin: .6rem 0 1rem; }
figure svg { display: block; width: 100%; height: auto; font-family: inherit; }
figcaption { max-width: 46rem; margin-top: .6rem; }
figure svg.fig-phone { display: none; }
svg text { fill: var(--ink); }
svg .tick { font-size: 12px; fill: var(--quiet); font-variant-numeric: tabular-nums; }
svg .label { font-size: 13px; }
svg .small { font-size: 12px; font-variant-numeric: tabular-nums; }
svg .strong { font-weight: 650; }
.grid { stroke: #e3e9ed; stroke-width: 1; } .axis { stroke: #667683; stroke-width: 1; }
.one { stroke: #667683; stroke-width: 1; stroke-dasharray: 3 3; }
.curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
.whisker { stroke: var(--ink); stroke-width: 1.6; } .estimate { fill: var(--accent); }
.dot { fill: var(--accent); stroke: var(--accent); stroke-width: 2; } .dot.hollow { fill: #fff; }
footer { border-top: 1px solid var(--line); margin-top: 3rem; padding-top: .8rem; font-size: .85rem; }

@media (max-width: 600px) {
  body { padding: 1.2rem 1rem 2rem; }
  h1 { font-size: 1.6rem; }
  figure svg.fig-page { display: none; }
  figure svg.fig-phone { display: block; }
  .cards { grid-template-columns: 1fr 1fr; gap: .6rem; }
  .card:nth-child(n+3) { grid-column: 1 / -1; }
  .facts th { width: 8rem; }
  .scroll > table:not(.stack, .facts, .rounds) :is(tbody th, thead th:first-child) {
    position: sticky; left: 0; min-width: 7.5rem; background: #fff; }
  .badge { white-space: normal; }
  .explain { grid-template-columns: 1fr; gap: 0; }
  .explain dd { margin-bottom: .6rem; }
  .stack, .stack tbody, .stack tr, .stack th, .stack td { display: block; padding-right: 0; }
  .stack thead { position: absolute; clip-path: inset(50%); }
  .stack tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
  .stack tbody th, .stack td { border: 0; padding: .1rem 0; }
  .stack td:empty { display: none; }
  .stack td[data-label]::before { content: attr(data-label) ": "; color: var(--quiet); }
}
@media print {
  @page { size: A4; margin: 16mm 15mm; }
  html { font-size: 10.5pt; }
  body { max-width: none; padding: 0; }
  nav { display: none; }
  h2, h3 { break-after: avoid; }
  figure, .card, tr, .warn { break-inside: avoid; }
  thead { display: table-header-group; }
  .scroll { overflow: visible; background: none; }
  details.print::details-content { content-visibility: visible; block-size: auto; }
  details.print summary { display: none; }
  .card, .badge, .warn, .rail, .used { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"#;
