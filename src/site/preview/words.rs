//! A preview in words, for a person, and a run that waits in one line. Public facts alone.

use std::fmt;

use haima_smpc_node::manifest::{Class, Manifest, TaskEntry};
use haima_smpc_node::plan::Plan;
use haima_smpc_node::provision::{in_thousandths, unit};

use super::{Charge, Ledger, Noise, Preview};
use crate::Error;
use crate::report::numbers::{epsilon as figure, significant};
use crate::site::cohorts;

/// Most letters that are shown of what the drafter of a study calls a party or a task.
const MOST_NAMED: usize = 200;
/// Most letters that are shown of a cohort.
const MOST_COHORT: usize = 300;

/// A stranger's text between quotes that it cannot close, cut to a number of letters.
fn quoted(text: &str, most: usize) -> String {
    let plain =
        |c: char| if "\"\u{201c}\u{201d}\u{201e}\u{ab}\u{bb}".contains(c) { '\'' } else { c };
    let own: String = text.chars().map(plain).take(most).collect();
    let cut = if text.chars().nth(most).is_some() { " ..." } else { "" };
    format!("\"{own}\"{cut}")
}

/// So many of what a word names.
fn plural(number: impl Into<u64>, word: &str) -> String {
    let number: u64 = number.into();
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}

/// What a run asks, in one line: what it costs the patients first, what its drafter wrote last, so that no
/// name pushes it out or says it otherwise.
///
/// # Errors
/// When a figure of the plan has no bound.
pub(in crate::site) fn asked(
    manifest: &Manifest,
    entry: &TaskEntry,
    run: u32,
) -> Result<String, Error> {
    let plan = Plan::of(manifest);
    let class = match (entry.class, plan.tasks.iter().find(|planned| planned.id == entry.id)) {
        (Class::Private, Some(planned)) => format!(
            "private, epsilon {} at delta {:e} for all of it ({})",
            in_thousandths(planned.charged()?.epsilon.get()),
            planned.noise.delta,
            unit(entry)
        ),
        _ => "EXACT, without differential privacy".to_owned(),
    };
    let TaskEntry { id, task, version, max_steps, spare_attempts, .. } = entry;
    let (study, revision) = (&manifest.study, manifest.revision);
    let asker = &manifest.coordinator;
    let operator = quoted(&asker.operator, MOST_NAMED);
    let cohort = match cohorts::selection(manifest, entry) {
        Ok(own) if own.is_all() => "all patients".to_owned(),
        Ok(own) => quoted(&own.to_string().trim().replace('\n', "; "), MOST_COHORT),
        Err(error) => quoted(&error.to_string(), MOST_COHORT),
    };
    let titled = entry
        .title
        .as_ref()
        .map_or_else(String::new, |title| format!("; its title is {}", quoted(title, MOST_NAMED)));
    Ok(format!(
        "{class}; up to {max_steps} sums, {spare_attempts} attempts beside: run {run} of {id} ({task} \
         {version}) of the study {study}, revision {revision}, asked by {} of {operator}; its cohort is \
         {cohort}{titled}",
        asker.name
    ))
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, kind, version, study, revision, site, .. } = self;
        writeln!(
            f,
            "{task} ({kind} {version}) of the study {study}, revision {revision}, at {site}"
        )?;
        writeln!(f, "Nothing was computed, sent or charged.")?;
        writeln!(f, "\nwho asks: {} ({})", self.asker, self.asker_fingerprint)?;
        writeln!(
            f,
            "about: {}",
            if self.cohort.is_empty() { "all patients" } else { self.cohort.as_str() }
        )?;
        writeln!(
            f,
            "sums: up to {}, and {} beside; shown is the first",
            self.max_steps,
            plural(self.spare_attempts, "attempt")
        )?;
        if let Some(later) = &self.later {
            writeln!(f, "  {later}")?;
        }
        self.vector(f)?;
        self.leaving(f)?;
        writeln!(f, "\nwhat the coordinator learns at most\n  {}", self.learned)?;
        charge(f, &self.charge)?;
        ledger(f, self.ledger.as_ref())?;
        self.verdict(f)
    }
}

impl Preview {
    fn vector(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nthe vector: {} in {}; each is a value over its step, truncated toward zero",
            plural(self.numbers, "whole number"),
            plural(self.blocks.len() as u64, "block")
        )?;
        for block in &self.blocks {
            writeln!(
                f,
                "  {}: {}, step 2^-{}, a patient adds at most {} in norm",
                block.name,
                plural(block.numbers, "number"),
                block.frac_bits,
                significant(block.patient_bound)
            )?;
        }
        writeln!(
            f,
            "  the norm of the whole is at most {} steps, for {} patients at most{}",
            self.site_bound,
            self.max_patients,
            if self.bound_is_proved { "; proved to the nodes" } else { "; on this site's word" }
        )?;
        match &self.noise {
            None => writeln!(f, "  noise: none"),
            Some(Noise { scale, sensitivity, rate, deviation, draws, adds, hides }) => {
                writeln!(
                    f,
                    "  noise: {adds} adds a discrete Gaussian of scale {scale} steps ({}) to \
                     every number; {} cannot be taken off the sum",
                    significant(*deviation),
                    plural(*draws, "such draw")
                )?;
                write!(
                    f,
                    "  it hides {hides}, which moves the sum by at most {sensitivity} steps"
                )?;
                if *rate < 1.0 {
                    write!(f, "; each patient takes part with probability {rate}")?;
                }
                writeln!(f)
            }
        }
    }

    fn leaving(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nwhat leaves in a round: {} bytes", self.bytes)?;
        for part in &self.leaves {
            write!(f, "  to {} ({}): {} bytes, {}", part.to, part.operator, part.bytes, part.what)?;
            match part.elements {
                0 => writeln!(f)?,
                elements => writeln!(f, "; {elements} elements of {} bits", part.element_bits)?,
            }
        }
        writeln!(f, "  {}", self.besides)
    }

    fn verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.refused.is_empty() && self.held.is_empty() {
            return writeln!(f, "\nthis site would answer it now");
        }
        if self.refused.is_empty() {
            writeln!(f, "\nthis site would hold it back")?;
        } else {
            writeln!(f, "\nthis site would REFUSE it")?;
        }
        for reason in self.refused.iter().chain(&self.held) {
            writeln!(f, "  {reason}")?;
        }
        Ok(())
    }
}

/// A cost, and nothing where it is nothing.
fn spent(cost: f64) -> String {
    if cost == 0.0 { "0".to_owned() } else { figure(cost) }
}

fn charge(f: &mut fmt::Formatter<'_>, charge: &Charge) -> fmt::Result {
    match (charge.cost, charge.epsilon) {
        (Some(cost), Some(epsilon)) => writeln!(
            f,
            "\nwhat it is charged: {} a round ({}), epsilon {epsilon:.4} at delta {:e} if it were \
             alone; {} for all its attempts",
            spent(cost),
            charge.filter,
            charge.delta,
            spent(charge.all_attempts.unwrap_or(cost))
        ),
        _ => writeln!(f, "\nwhat it is charged: an exact release, without any privacy guarantee"),
    }
}

fn ledger(f: &mut fmt::Formatter<'_>, ledger: Option<&Ledger>) -> fmt::Result {
    let Some(ledger) = ledger else {
        return writeln!(f, "  the ledger cannot be read; see below");
    };
    let Ledger { population, epsilon, delta, used, left, exact, opened } = ledger;
    let opened = if *opened { "" } else { "; it is opened by the first round" };
    // What is charged does not add up in epsilon, so no part of it is said in that unit.
    if *used == 0.0 {
        writeln!(
            f,
            "  the ledger of {population}: nothing is used; all of epsilon {epsilon} at delta {delta:e} \
             is left"
        )?;
        write!(f, "  charges add up to {} at most", spent(*left))?;
    } else {
        writeln!(f, "  the ledger of {population} holds epsilon {epsilon} at delta {delta:e}")?;
        write!(
            f,
            "  of charges of {} at most, {} are used and {} are left",
            spent(used + left),
            spent(*used),
            spent(*left)
        )?;
    }
    writeln!(f, "; {} so far{opened}", plural(*exact, "exact release"))
}
