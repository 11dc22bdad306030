//! The model card: what a model is, for whom, from whose patients, at what price, from which numbers
//! and how well it does (Mitchell et al., "Model cards for model reporting", FAT* 2019), as Markdown
//! and as JSON (`haima.card/1`). That of a generator of virtual patients is in `generator`.
//!
//! Nothing on it is computed from patients here: it says again what the model file holds. Texts of
//! the file are cut and put on one line, so that a stranger's file cannot write the page.

mod generator;
mod inputs;
mod model;
mod outcome;
mod patients;
mod text;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use haima_fl_core::results::network::Network;
use haima_fl_core::schema::Schema;
use serde::Serialize;

use crate::Error;
use crate::model_file::{Guarantee, Metric, ModelFile, Provenance, metrics};
use crate::report::numbers;
pub use generator::{Draws, GeneratorCard, Made};
pub use model::Model;
use outcome::Style;
pub use outcome::{Column, Outcome};
#[cfg(feature = "web")]
pub(crate) use text::is_unprintable;
use text::{code, line, list};

/// Form of the card.
pub const SCHEMA: &str = "haima.card/1";
/// Key of a provenance's task under which whom the study is about stands.
pub(crate) const SUBJECT: &str = "subject";
/// What is said of a model without noise, whatever its file says.
const EXACT: &str = "exact: no differential privacy";
/// What comes before a simulation's promise.
const SIMULATED: &str = "simulated: protects nobody from whoever ran it; a study with this noise \
                         would promise: ";
/// How figures come onto a card that has none.
const NOT_EVALUATED: &str =
    "Not evaluated. `haima evaluate MODEL --data FILE --card` adds figures here.";
/// Rows of a table; the JSON has all.
const MOST_ROWS: usize = 200;

/// A model card.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Card {
    /// [`SCHEMA`].
    pub schema: String,
    /// What wrote it.
    pub made_by: String,
    /// Whom the study was about, where its template said so.
    pub subject: Option<String>,
    /// What the model is.
    pub model: Model,
    /// For what it is, and for what not.
    pub intended_use: Vec<String>,
    /// Data, privacy, figures and metrics.
    pub provenance: Provenance,
    /// What it does not promise.
    pub limitations: Vec<String>,
}

impl Card {
    /// The card of a model.
    ///
    /// # Errors
    /// When its result is no trained network, or its schema none.
    pub fn of(model: &ModelFile) -> Result<Self, Error> {
        let network = model.parsed()?;
        let schema = Schema::from_toml(&model.study_schema)?;
        let task = &model.provenance.task;
        let own = Model::of(&network, &schema, task);
        let mut provenance = model.provenance.clone();
        inputs::show(&mut provenance.figures, &network.model.terms, &schema);
        Ok(Self {
            schema: SCHEMA.to_owned(),
            made_by: crate::version(),
            subject: task.get(SUBJECT).and_then(toml::Value::as_str).map(str::to_owned),
            intended_use: vec![
                "Research: risk and group estimates in patients like those of the hospitals below."
                    .to_owned(),
                "Not a medical device. No decision about a patient should rest on it alone."
                    .to_owned(),
            ],
            limitations: limitations(&provenance, &network, own.outcome.as_ref()),
            model: own,
            provenance,
        })
    }

    /// The card as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut page = String::new();
        let _ = self.write(&mut page);
        page
    }

    fn write(&self, to: &mut String) -> std::fmt::Result {
        let Self { model, provenance, .. } = self;
        writeln!(to, "# Model card: {} {}\n", line(&model.name), model.version)?;
        let rounds = numbers::counted(model.steps.into(), "round", "rounds");
        let strategy = line(&model.strategy);
        writeln!(to, "Trained by {strategy} over secure sums in {rounds}.\n")?;
        writeln!(to, "## What it is\n")?;
        match &model.outcome {
            Some(outcome) => {
                let style = Style { name: code, text: line };
                writeln!(to, "- predicts: {}", outcome.styled(&style))?;
                writeln!(to, "- gives: {}", list(&model.outputs))?;
            }
            None => writeln!(to, "- predicts: {}", list(&model.outputs))?,
        }
        writeln!(to, "- reads: {}", list(&model.columns))?;
        let layers: Vec<String> =
            model.layers.iter().map(|(name, shape)| format!("{name} {shape:?}")).collect();
        writeln!(to, "- weights: {} ({})", numbers::count(model.weights as u64), list(&layers))?;
        let noised = matches!(provenance.privacy, Guarantee::Dp { .. });
        if let Some(stopping) = model.stopping(noised) {
            writeln!(to, "- early stopping: {stopping}")?;
        }
        if model.holdout > 0.0 {
            let share = numbers::percent(model.holdout);
            writeln!(to, "- kept out of training: {share} of patients, by a public seed")?;
        }
        bullets(to, "Intended use", &self.intended_use)?;
        data(to, provenance, self.subject.as_deref())?;
        privacy(to, &provenance.privacy)?;
        metrics(to, provenance, NOT_EVALUATED)?;
        figures(to, provenance)?;
        bullets(to, "Limitations", &self.limitations)?;
        writeln!(to, "\nMade by {}.", line(&self.made_by))
    }
}

fn data(to: &mut String, provenance: &Provenance, subject: Option<&str>) -> std::fmt::Result {
    let data = &provenance.data;
    writeln!(to, "\n## Data\n")?;
    if let Some(subject) = subject {
        writeln!(to, "- subject: {}", line(subject))?;
    }
    writeln!(to, "- hospitals: {}", data.hospitals)?;
    match data.patients {
        Some(patients) => writeln!(to, "- rows at them: {}", numbers::count(patients))?,
        None => writeln!(to, "- rows at them: not released")?,
    }
    // A predicate a line.
    let cohort = data.cohort.trim_end().replace('\n', "; ");
    let cohort = if cohort.is_empty() { "all patients" } else { &cohort };
    writeln!(to, "- cohort: {}", line(cohort))?;
    let inferred = if data.schema_inferred { ", inferred from the patients" } else { "" };
    writeln!(to, "- schema: {}{inferred}", line(&data.schema_digest))?;
    for out in &data.excluded {
        writeln!(to, "- left out: {} ({})", line(&out.site), line(&out.reason))?;
    }
    writeln!(to, "- sums: {}", line(&provenance.mode))?;
    if let Some(head) = &provenance.journal {
        writeln!(to, "- journal: head digest {} of the coordinator's log", line(head))?;
    }
    for note in provenance.notes.iter().filter(|note| metrics::of_left_out(note).is_none()) {
        writeln!(to, "- note: {}", line(note))?;
    }
    Ok(())
}

fn privacy(to: &mut String, privacy: &Guarantee) -> std::fmt::Result {
    writeln!(to, "\n## Privacy\n")?;
    for fact in promise(privacy) {
        writeln!(to, "- {fact}")?;
    }
    match in_words(privacy) {
        Some(words) => writeln!(to, "- {words}"),
        None => Ok(()),
    }
}

/// What a promise is worth to a patient, in words; `None` where nothing is promised.
fn in_words(privacy: &Guarantee) -> Option<String> {
    let Guarantee::Dp { epsilon, delta, unit, .. } = privacy else { return None };
    let shown = rounded_up(*epsilon);
    let factor = shown.parse::<f64>().unwrap_or(*epsilon).exp();
    let times = if factor < 1e6 {
        format!("e^{shown} = {} times", rounded_up(factor))
    } else {
        format!("e^{shown} (more than a million) times")
    };
    let unit = line(unit);
    Some(format!(
        "in words: what anybody concludes of one {unit} from the model is at most {times} as \
         likely as without that {unit}, but for a probability of {}",
        numbers::scientific(*delta)
    ))
}

/// A guarantee in words, a line a fact.
#[must_use]
pub fn promise(privacy: &Guarantee) -> Vec<String> {
    match privacy {
        Guarantee::Exact { .. } => vec![EXACT.to_owned()],
        Guarantee::Dp {
            epsilon,
            delta,
            unit,
            adjacency,
            adversary,
            accountant,
            noise,
            simulated,
            note,
        } => {
            let first = if *simulated { SIMULATED } else { "" };
            vec![
                format!(
                    "{first}({}, {})-differential privacy of one {}; neighbours: {}",
                    rounded_up(*epsilon),
                    numbers::scientific(*delta),
                    line(unit),
                    line(adjacency)
                ),
                format!("against {}", line(adversary)),
                format!(
                    "by {}, for {} attempts (rounds and spares), each patient in a round with \
                     probability {}",
                    line(accountant),
                    noise.attempts,
                    noise.sampling
                ),
                format!(
                    "noise: scale {} for a sensitivity of {} grid steps ({} times), {} of it \
                     unknown to the adversary",
                    noise.s,
                    noise.sensitivity,
                    numbers::significant(noise.s as f64 / noise.sensitivity as f64),
                    numbers::counted(noise.draws.into(), "draw", "draws")
                ),
                format!("note: {}", line(note)),
            ]
        }
    }
}

/// An epsilon with its digits of print, never smaller than it is.
pub(crate) fn rounded_up(epsilon: f64) -> String {
    let digits = match epsilon {
        _ if epsilon >= 100.0 => 0,
        _ if epsilon >= 10.0 => 1,
        _ if epsilon >= 1.0 => 2,
        _ if epsilon >= 0.1 => 3,
        _ if epsilon >= 0.01 => 4,
        _ => 8,
    };
    let text = format!("{epsilon:.digits$}");
    match text.parse::<f64>() {
        Ok(shown) if shown < epsilon => {
            format!("{:.digits$}", shown + 10f64.powi(-(digits as i32)))
        }
        _ => text,
    }
}

fn metrics(to: &mut String, provenance: &Provenance, without: &str) -> std::fmt::Result {
    writeln!(to, "\n## How well it does\n")?;
    if provenance.metrics.is_empty() {
        writeln!(to, "{without}")?;
    } else {
        table(to, &provenance.metrics)?;
    }
    let off = metrics::off(&provenance.metrics).map(|(metric, words)| {
        format!("it {}, by more than chance explains (over {})", line(&words), line(&metric.over))
    });
    let mut left_out: BTreeMap<[&str; 2], Vec<String>> = BTreeMap::new();
    for [over, site, reason] in provenance.notes.iter().filter_map(|n| metrics::of_left_out(n)) {
        left_out.entry([over, reason]).or_default().push(site.to_owned());
    }
    let left_out = left_out.iter().map(|([over, reason], sites)| {
        let hospitals = numbers::counted(sites.len() as u64, "hospital", "hospitals");
        format!("{hospitals} left out: {}; {} (over {})", list(sites), line(reason), line(over))
    });
    for (at, words) in off.take(MOST_ROWS).chain(left_out.take(MOST_ROWS)).enumerate() {
        writeln!(to, "{}- {words}", if at == 0 { "\n" } else { "" })?;
    }
    Ok(())
}

fn table(to: &mut String, metrics: &[Metric]) -> std::fmt::Result {
    writeln!(to, "| figure | estimate | 95% interval | over |\n|---|---|---|---|")?;
    for metric in metrics.iter().take(MOST_ROWS) {
        let interval = match (metric.lo, metric.hi) {
            (Some(lo), Some(hi)) => format!("{lo:.3} to {hi:.3}"),
            _ => "-".to_owned(),
        };
        let (name, over) = (line(&metric.name), line(&metric.over));
        writeln!(to, "| {name} | {:.3} | {interval} | {over} |", metric.value)?;
    }
    Ok(())
}

fn figures(to: &mut String, provenance: &Provenance) -> std::fmt::Result {
    writeln!(to, "\n## Numbers that it was made with\n")?;
    writeln!(to, "| number | value | where from |\n|---|---|---|")?;
    for figure in provenance.figures.iter().take(MOST_ROWS) {
        let [name, value, origin] =
            [&figure.name, &figure.value, &figure.origin].map(|text| line(text));
        writeln!(to, "| {name} | {value} | {origin} |")?;
    }
    match provenance.figures.len().saturating_sub(MOST_ROWS) {
        0 => Ok(()),
        more => writeln!(to, "\nand {more} more; `haima card MODEL --json` has all."),
    }
}

fn bullets(to: &mut String, title: &str, items: &[String]) -> std::fmt::Result {
    writeln!(to, "\n## {title}\n")?;
    items.iter().try_for_each(|item| writeln!(to, "- {item}"))
}

fn limitations(
    provenance: &Provenance,
    network: &Network,
    outcome: Option<&Outcome>,
) -> Vec<String> {
    let mut limits = vec![
        "A value outside of the schema's range is refused, not predicted for; inside of it, but far \
         from the patients of training, a prediction is an extrapolation."
            .to_owned(),
        lies(&provenance.mode).to_owned(),
        patients::incomplete(&network.model.params),
        "Not evaluated in other hospitals than those named here.".to_owned(),
    ];
    limits.extend(outcome.and_then(patients::censored));
    match &provenance.privacy {
        Guarantee::Exact { .. } => limits.push(
            "The weights may hold what is true of single patients: they are to be kept as the data \
             are."
                .to_owned(),
        ),
        Guarantee::Dp { simulated: true, .. } => limits.push(
            "The noise was simulated by the machine that held all rows: the weights are as noisy as \
             a study's, and whoever ran it saw everything."
                .to_owned(),
        ),
        Guarantee::Dp { .. } => {}
    }
    limits.extend(judged_outside(provenance).map(str::to_owned));
    if matches!(provenance.privacy, Guarantee::Dp { .. }) && network.uncharged_figures {
        limits.push(
            "It was openly allowed figures that were released without noise (`uncharged_figures`): \
             the privacy above does not cover those that its inputs stand on."
                .to_owned(),
        );
    }
    if network.strategy.get("name").and_then(toml::Value::as_str) == Some("ditto") {
        limits.push(
            "This is the common model: the hospitals' own models are not in the file.".to_owned(),
        );
    }
    limits.extend(inferred(provenance).map(str::to_owned));
    limits
}

/// What the promise does not cover of the figures that judge a model.
fn judged_outside(provenance: &Provenance) -> Option<&'static str> {
    let promised = matches!(provenance.privacy, Guarantee::Dp { .. });
    (promised && !provenance.metrics.is_empty()).then_some(
        "Figures under \"How well it does\" that come from exact sums stand outside of the privacy \
         above; those from noised sums have a charge of their own.",
    )
}

/// Ranges that were taken from patients.
fn inferred(provenance: &Provenance) -> Option<&'static str> {
    let inferred = provenance.data.schema_inferred;
    inferred.then_some("Its ranges come from the patients themselves, without a charge.")
}

/// What hospitals may have lied about, by how the sums were made.
fn lies(mode: &str) -> &'static str {
    if mode.starts_with("simulation") {
        "A hospital may have lied: the sums were added in one process, and no proofs were made."
    } else if mode.starts_with("masked") {
        "A hospital may have lied: nothing bounds a hospital's vector, and the coordinator's sums are \
         believed."
    } else if mode == "nodes" || mode.contains("SMPC nodes") {
        "A hospital may have lied within its bound; proofs bound what it could add, not whether it is \
         true."
    } else {
        "A hospital may have lied: how the sums were made is none of the ways that this program knows, \
         so nothing is said of bounds."
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_are_spoken_of_where_there_were_proofs() {
        for mode in ["nodes", "3 SMPC nodes, additive shares, released by any 2"] {
            assert!(lies(mode).contains("proofs bound what it could add"), "{mode}");
        }
        let masked = "masked aggregation by the coordinator, no nodes: 3 of 5 hospitals";
        for mode in ["masked", masked] {
            assert!(lies(mode).contains("nothing bounds a hospital's vector"), "{mode}");
        }
        let plain = "simulation: plain sums in one process";
        assert!(lies(plain).contains("no proofs were made"), "{}", lies(plain));
        for mode in ["as it was", ""] {
            assert!(!lies(mode).contains("proof"), "{mode}");
        }
    }

    #[test]
    fn an_epsilon_is_never_shown_smaller_than_it_is() {
        let shown = [2.991, 3.0, 0.1234, 12.01, 250.2].map(rounded_up);
        assert_eq!(shown, ["3.00", "3.00", "0.124", "12.1", "251"]);
    }

    /// A promise whose texts are all `file`.
    fn promised(epsilon: f64, file: &str) -> Guarantee {
        let privacy = serde_json::json!({
            "class": "dp",
            "epsilon": epsilon,
            "delta": 1e-5,
            "unit": file,
            "adjacency": file,
            "adversary": file,
            "accountant": file,
            "noise": {
                "s": 4000, "draws": 1, "sensitivity": 100, "sampling": 1.0, "attempts": 2,
                "order": null,
            },
            "simulated": false,
            "note": file,
        });
        serde_json::from_value(privacy).unwrap()
    }

    #[test]
    fn a_promise_is_said_in_words_too() {
        let said = in_words(&promised(2.991, "patient")).unwrap();
        let wanted = "concludes of one patient from the model is at most e^3.00 = 20.1 times as \
                      likely as without that patient, but for a probability of 10⁻⁵";
        assert!(said.contains(wanted), "{said}");
        let said = in_words(&promised(900.0, "patient")).unwrap();
        assert!(said.contains("at most e^900 (more than a million) times as likely"), "{said}");
        assert_eq!(in_words(&Guarantee::exact()), None);
        let mut page = String::new();
        privacy(&mut page, &promised(1.0, "# a")).unwrap();
        assert!(page.contains("\n- in words: ") && page.contains("one \\# a from"), "{page}");
    }

    #[test]
    fn every_fact_of_a_promise_begins_with_our_own_words() {
        let facts = promise(&promised(1.0, "# of the file"));
        for (fact, first) in facts.iter().zip(["(1.00, ", "against ", "by ", "noise: ", "note: "]) {
            assert!(fact.starts_with(first), "{fact}");
        }
        assert_eq!(facts[4], "note: \\# of the file");
    }
}
