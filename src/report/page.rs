//! The page: head, cards, findings, and the order of the sections.

use haima_fl_core::results::noised::COUNT_BITS;
use haima_fl_core::stat::Z_975;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::model::{Class, Role, RoundStatus, Step, StudyReport};
use super::result::StepResult;
use super::style::STYLE;
use super::{
    clusters, competing, components, comutation, curves, explain, fits, hazard, meta, network,
    numbers, prepared, privacy, promises, record, scan, states, synthetic, table1, validation,
    words,
};

/// The whole document.
pub(super) fn page(report: &StudyReport) -> Markup {
    let name = words::or(&report.study, "Unnamed study");
    let sections = sections(report);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (name) " – haima report" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(report, name))
                nav aria-label="Sections" {
                    @for section in &sections { a href=(format!("#{}", section.id)) { (section.title) } }
                }
                main {
                    @for section in &sections {
                        section id=(section.id) aria-labelledby=(format!("{}-title", section.id)) {
                            h2 id=(format!("{}-title", section.id)) { (section.title) }
                            (section.body)
                        }
                    }
                }
                footer {
                    "haima " (env!("CARGO_PKG_VERSION")) " · "
                    (words::or(&report.schema, "no schema")) " · not a medical device; not for the care of patients"
                }
            }
        }
    }
}

/// The cohort of a task that is not about all patients.
fn of_whom(step: &Step) -> Markup {
    html! {
        @if !step.cohort.is_empty() {
            p.note { b { "Cohort: " } (step.cohort.trim_end().replace('\n', "; ")) "." }
        }
    }
}

/// How far noise moves each count of a noised table or curve, where every party that adds noise adds all
/// of its own.
fn noise_in_words(report: &StudyReport, step: &Step) -> Markup {
    html! {
        @if let Some(deviation) = count_noise(report, step) {
            p.note {
                @let reach = (Z_975 * deviation).ceil() as u64;
                b { "Noise: " } "to protect patients, a random number was added to every count. "
                "95 of 100 counts are within ±" (numbers::count(reach)) " of the true one (standard deviation "
                (numbers::significant(deviation)) "). Percentages and curves carry the error of every count in them. "
                @if reach > 1 {
                    "A group of fewer than about " (numbers::count(reach)) " patients cannot be told from none. "
                }
                "More patients, fewer columns or a larger ε make the error smaller in comparison."
            }
        }
    }
}

/// Standard deviation of the noise on each count of a noised table or curve; `None` of other steps. In
/// masked mode it is that of a sum in which all hospitals are.
fn count_noise(report: &StudyReport, step: &Step) -> Option<f64> {
    let is_counts = matches!(step.result, Some(StepResult::Table1(_) | StepResult::Curves(_)));
    let Class::Private(privacy) = &step.class else { return None };
    let nodes = report.parties.iter().filter(|party| party.role == Role::Node).count();
    let draws = report.masked.as_ref().map_or(nodes as f64, |masked| f64::from(masked.sites));
    let deviation = privacy.noise_s * draws.sqrt() / f64::from(1u32 << COUNT_BITS);
    (is_counts && deviation > 0.0).then_some(deviation)
}

/// A section with its anchor.
pub(crate) struct Section {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) body: Markup,
}

/// The part of one step by itself, and the section that it stands in; `None` where it has no result,
/// and of a concordance: these are drawn together, under the network.
pub(super) fn part(report: &StudyReport, step: &Step) -> Option<(&'static str, Markup)> {
    let (wording, floors) = (&report.wording, &report.floors);
    Some(match step.result.as_ref()? {
        StepResult::Table1(one) => ("patients", table1::section(step, one, wording, floors)),
        StepResult::Prepared(one) => ("preparation", prepared::figures(step, one, wording)),
        StepResult::Batches(one) => ("preparation", prepared::batches(step, one, wording, floors)),
        StepResult::Curves(one) => ("survival", curves::section(step, one, wording, floors)),
        StepResult::Incidence(one) => ("survival", competing::section(step, one, wording, floors)),
        StepResult::States(one) => ("survival", states::section(step, one, wording, floors)),
        StepResult::Fit(one) => ("models", fits::section(step, one, wording, floors)),
        StepResult::GriddedFit(one) => ("models", fits::gridded(step, one, wording, floors)),
        StepResult::Subdistribution(one) => {
            ("models", fits::subdistribution(step, one, wording, floors))
        }
        StepResult::Meta(one) => ("models", meta::section(step, one, wording, floors)),
        StepResult::Scan(one) => ("scan", scan::section(step, one, wording, floors)),
        StepResult::Comutation(one) => {
            ("mutations", comutation::section(step, one, wording, floors))
        }
        StepResult::Pca(one) => ("patterns", components::section(step, one, wording, floors)),
        StepResult::Clusters(one) => ("patterns", clusters::section(step, one, wording, floors)),
        StepResult::Validation(one) => {
            ("validation", validation::section(step, one, wording, floors))
        }
        StepResult::Hazard(one) => ("network", hazard::section(step, one, wording)),
        StepResult::Network(one) => ("network", network::section(step, one, wording)),
        StepResult::Explanation(one) => ("network", explain::section(step, one, wording, floors)),
        StepResult::Generator(one) => ("virtual", synthetic::generator(step, one)),
        StepResult::Fidelity(one) => ("virtual", synthetic::section(step, one, wording, floors)),
        StepResult::Other(value) => ("further", other(step, value)),
        StepResult::Concordance(_) => return None,
    })
}

/// Sections of results, in their order.
const RESULTS: [(&str, &str); 11] = [
    ("patients", "Patients"),
    ("preparation", "Preparation of the data"),
    ("survival", "Survival"),
    ("models", "Associations"),
    ("scan", "Association scan"),
    ("mutations", "Mutations"),
    ("patterns", "Patterns"),
    ("validation", "Validation"),
    ("network", "Networks"),
    ("virtual", "Virtual patients"),
    ("further", "Further results"),
];

/// The sections of a report that have something to say, in their order.
pub(crate) fn sections(report: &StudyReport) -> Vec<Section> {
    let mut parts: Vec<(&'static str, Markup)> = report
        .steps
        .iter()
        .filter_map(|step| {
            let (section, part) = part(report, step)?;
            Some((section, html! { (part) (of_whom(step)) (noise_in_words(report, step)) }))
        })
        .collect();
    let ranks = hazard::concordances(report);
    if !ranks.0.is_empty() {
        parts.push(("network", ranks));
    }
    if parts.iter().any(|(section, _)| *section == "network") {
        parts.push(("network", hazard::limits()));
    }
    let mut sections =
        vec![Section { id: "findings", title: "Key findings", body: findings(report) }];
    for (id, title) in RESULTS {
        let own = || parts.iter().filter(|(section, _)| *section == id);
        if own().next().is_some() {
            let body = html! { @for (_, part) in own() { (part) } };
            sections.push(Section { id, title, body });
        }
    }
    let mut add = |id, title, body| sections.push(Section { id, title, body });
    add("privacy", "Privacy", privacy::body(report));
    add("promises", "Promises", promises::body(report));
    add("parties", "Parties", record::parties(report));
    add("rounds", "Round log", record::rounds(report));
    add("verify", "How to verify", record::verify(report));
    sections
}

fn header(report: &StudyReport, name: &str) -> Markup {
    html! {
        header {
            p.brand {
                svg viewBox="0 0 16 20" width="16" height="20" aria-hidden="true" {
                    path d="M8 1C8 1 2 8.6 2 12.6a6 6 0 0 0 12 0C14 8.6 8 1 8 1Z" fill="#a3273a" {}
                }
                "haima study report"
            }
            h1 { (name) }
            @if !report.title.is_empty() { p.lead { (report.title) } }
            p.meta {
                @if report.started > 0 {
                    (numbers::utc(report.started)) ", took "
                    (numbers::duration(report.finished.saturating_sub(report.started) as f64))
                }
                @if !report.mode.is_empty() { " · " (report.mode) }
                @if !report.manifest_digest.is_empty() {
                    br; "Manifest " code.digest { (report.manifest_digest) }
                }
            }
            @for warning in &report.warnings { p.warn { (warning) } }
            (cards(report))
        }
    }
}

fn cards(report: &StudyReport) -> Markup {
    let sites = report.parties.iter().filter(|party| party.role == Role::Site).count();
    let nodes = report.parties.iter().filter(|party| party.role == Role::Node).count();
    let released = report.rounds.iter().filter(|row| row.status == RoundStatus::Released).count();
    let sent: u64 = report.steps.iter().map(|step| step.bytes_sent_by_sites).sum();
    let out: u64 = report.steps.iter().map(|step| step.bytes_released).sum();
    let known = patients(report);
    let patients = known.map_or_else(|| "–".to_owned(), |own| own.text(report.floors.min_cell));
    let interval = known.and_then(Patients::interval);
    let took_part = sites.saturating_sub(report.excluded.len());
    let left_out = match report.excluded.len() {
        0 => "all of the study's took part".to_owned(),
        out => format!("took part; {out} more left out"),
    };
    let (used, against) = privacy::headline(report);
    let card = |title: &str, value: &str, detail: Markup| {
        html! { div.card { dt { (title) } dd.value { (value) } dd.detail { (detail) } } }
    };
    html! {
        dl.cards {
            (card("Patients", &patients, html! {
                @if let Some(interval) = &interval { (interval) "; patients'" } @else { "whose" }
                " rows stayed at their hospital"
            }))
            (card("Hospitals", &numbers::count(took_part as u64), html! { (left_out) }))
            @if report.masked.is_none() {
                (card("Nodes", &numbers::count(nodes as u64), html! {
                    "hold shares; none sees a hospital's numbers"
                }))
            }
            (card("What left the hospitals", "no patient row", html! {
                (numbers::bytes(sent)) @if report.masked.is_some() { " under masks in " } @else { " of secret shares in " }
                (numbers::counted(released as u64, "round", "rounds")) "; "
                (numbers::bytes(out)) " of sums came out"
            }))
            (card("Privacy used", &used, html! { (against) }))
        }
    }
}

/// How many patients a report is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Patients {
    n: u64,
    /// Whether they were counted under noise.
    noised: bool,
    /// Standard deviation of the noise, where it is known.
    deviation: Option<f64>,
}

impl Patients {
    /// `1,043`; under noise `about 980`, with the digits that the noise leaves.
    pub(crate) fn text(self, min_cell: u64) -> String {
        match self.noised {
            false => numbers::cell(self.n, min_cell),
            true => format!("about {}", numbers::count(self.rounded())),
        }
    }

    /// `the true number is between 884 and 1,080 with 95% certainty (random noise was added)`: it is of the
    /// noise, and no interval of a population.
    fn interval(self) -> Option<String> {
        let reach = Z_975 * self.deviation?;
        let [lo, hi] = [self.n as f64 - reach, self.n as f64 + reach];
        let [lo, hi] = [lo.max(0.0).floor(), hi.ceil()].map(|end| numbers::count(end as u64));
        Some(format!(
            "the true number is between {lo} and {hi} with 95% certainty (random noise was added)"
        ))
    }

    /// To the power of ten below the noise.
    fn rounded(self) -> u64 {
        let digits =
            self.deviation.filter(|own| *own >= 10.0).map_or(0.0, |own| own.log10().floor());
        let step = 10_f64.powf(digits.min(9.0)) as u64;
        self.n.saturating_add(step / 2) / step * step
    }
}

/// Patients described: from the first table of them, or else the most that a result counts.
pub(crate) fn patients(report: &StudyReport) -> Option<Patients> {
    let described = |step: &Step| match step.result.as_ref()? {
        StepResult::Table1(table) => table.n.first().copied(),
        _ => None,
    };
    let counted = |step: &Step| step.result.as_ref()?.counts().map(|(n, _)| n);
    let of = |step: &Step, n: u64| Patients {
        n,
        noised: step.class != Class::Exact,
        deviation: count_noise(report, step),
    };
    let tables = || report.steps.iter().filter_map(|step| Some(of(step, described(step)?)));
    let counts = report.steps.iter().filter_map(|step| Some(of(step, counted(step)?)));
    let exact = tables().find(|own| !own.noised);
    exact.or_else(|| tables().next()).or_else(|| counts.max_by_key(|own| own.n))
}

fn findings(report: &StudyReport) -> Markup {
    let lines = words::findings(report);
    let without: Vec<&Step> = report.steps.iter().filter(|step| step.result.is_none()).collect();
    html! {
        @if lines.is_empty() {
            p { "The study has no findings on survival to sum up." }
        } @else {
            ul.findings { @for line in &lines { li { (line) } } }
            p.note { "Built from the released numbers below by fixed sentences. Associations, not causes." }
        }
        @for step in without {
            p.warn { b { (step.title) " gave no result." } " See the round log." }
        }
        @if !report.data_note.is_empty() { p.note { b { "Data. " } (report.data_note) } }
    }
}

/// A result that this version of the page cannot draw: it may hold small cells, so it is named only.
fn other(step: &Step, value: &serde_json::Value) -> Markup {
    let schema = value.get("schema").and_then(serde_json::Value::as_str);
    html! {
        h3 { (step.title) " " (class_badge(&step.class)) }
        p {
            "This page has no drawing of a result "
            @if let Some(schema) = schema { code { (schema) } " " }
            "of the task " code { (step.task) } ". Its numbers stand in " code { "report.json" } "."
        }
    }
}

/// `exact` or `private`, as a mark beside a heading.
pub(super) fn class_badge(class: &Class) -> Markup {
    html! {
        @match class {
            Class::Exact => span.badge.exact title="without any privacy guarantee" { "exact: no differential privacy" },
            Class::Private(privacy) => span.badge.private {
                "private: ε=" (numbers::epsilon(privacy.epsilon_coalition)) ", δ=" (numbers::scientific(privacy.delta))
            },
        }
    }
}

/// A wide table that scrolls by itself, by keyboard too, so that the page never does.
pub(crate) fn scroll(label: &str, table: &Markup) -> Markup {
    html! { div.scroll role="region" aria-label=(label) tabindex="0" { (table) } }
}

#[cfg(test)]
mod tests {
    use haima_fl_core::results::Table1;

    use super::super::model::{Best, Party, Privacy};
    use super::*;

    /// A table of so many patients, under noise where each of three nodes adds so much to a count.
    fn report(n: u64, noise: Option<f64>) -> StudyReport {
        let best = || Best { epsilon: 1.0, method: "zCDP".into() };
        let private = |deviation: f64| {
            Class::Private(Privacy {
                epsilon_coalition: 1.0,
                best_coalition: best(),
                best_public: best(),
                delta: 1e-6,
                cost: 0.02,
                sampling_rate: 1.0,
                noise_s: deviation * 1024.0,
                sensitivity: 6000.0,
                site_bound: None,
                unit: "patient".into(),
                adjacency: "add/remove".into(),
                accountant: "zCDP".into(),
            })
        };
        let table = Table1 {
            schema: "haima.table1/1".into(),
            sites: 3,
            groups: vec!["all".into()],
            n: vec![n],
            rows: Vec::new(),
        };
        let node = |name: &str| Party {
            name: name.into(),
            role: Role::Node,
            operator: name.into(),
            fingerprint: String::new(),
            note: String::new(),
        };
        let step = Step {
            id: "who".into(),
            title: "Who the patients are".into(),
            task: "table1".into(),
            class: noise.map_or(Class::Exact, private),
            cohort: String::new(),
            rounds: 1,
            attempts_failed: 0,
            seconds: 1.0,
            bytes_sent_by_sites: 0,
            bytes_received_by_nodes: 0,
            bytes_released: 0,
            result: Some(StepResult::Table1(table)),
        };
        let parties = ["a", "b", "c"].map(node).to_vec();
        StudyReport { parties, steps: vec![step], ..StudyReport::new("first") }
    }

    #[test]
    fn patients_that_were_counted_under_noise_are_told_with_about_and_an_interval() {
        // 28.6 of each of three: 49.6 in all, the first question of a new network.
        let page = page(&report(982, Some(28.636))).into_string();
        assert!(page.contains(">about 980<"), "{page}");
        for said in [
            "the true number is between 884 and 1,080 with 95% certainty (random noise was added); patients",
            "95 of 100 counts are within ±98 of the true one (standard deviation 49.6)",
            "A group of fewer than about 98 patients cannot be told from none",
        ] {
            assert!(page.contains(said), "{said}: {page}");
        }
        let page = super::page(&report(982, None)).into_string();
        assert!(page.contains(">982<") && page.contains("whose rows stayed"), "{page}");
        assert!(!page.contains("about 98") && !page.contains("Noise: "), "{page}");
    }

    #[test]
    fn an_exact_table_comes_before_a_noised_one() {
        let mut both = report(982, Some(28.6));
        both.steps.extend(report(1043, None).steps);
        assert_eq!(patients(&both).unwrap().text(5), "1,043");
    }

    #[test]
    fn digits_below_the_noise_are_left_out_and_no_interval_begins_below_nothing() {
        let own = Patients { n: 12, noised: true, deviation: Some(49.6) };
        assert_eq!(own.text(5), "about 10");
        let interval = own.interval().unwrap();
        assert!(
            interval.starts_with("the true number is between 0 and 110 with 95%"),
            "{interval}"
        );
        let fine = Patients { n: 3, noised: true, deviation: Some(0.5) };
        assert_eq!(fine.text(5), "about 3", "noise hides it, no rule of display");
        let unknown = Patients { deviation: None, ..fine };
        assert_eq!(unknown.interval(), None);
    }
}
