//! The attack on membership ([`crate::synth::membership`]) against generators of the file's own kind.
//!
//! Refits have the parameters of the file's provenance and the noise that its promise counts on. They
//! are made from halves of the data's patients: those of the fit's cohort, less who was kept out of it.
//! Neither page nor JSON describes the target: no value, and no place in the data.

use std::sync::atomic::{AtomicU32, Ordering};

use haima_fl_core::cohort::Cohort;
use haima_fl_core::results::generator::Generator;
use haima_fl_core::selection::Selection;
use haima_fl_core::synth::domain::Domain;
use haima_fl_core::synth::rounds::Rounds;
use haima_fl_core::task::Task as _;
use haima_fl_core::tasks::hazard::split::Split;

use super::Request;
use crate::Error;
use crate::model_file::{Guarantee, Noise};
use crate::report::numbers;
use crate::report::synthetic::Membership;
use crate::synth::file::SynthFile;
use crate::synth::membership::{Area, Attacked, World, task, without_noise};

/// Fewest generators from which anything can be told.
pub const FEWEST: u32 = 20;

/// Fits so many generators of the file's kind, half of them with one patient, and says how well they
/// are told apart. Under noise the same is tried without it, on half as many. `progress` is called after
/// each generator with how many there are so far, and in all. The row sampler's seed is also that of
/// the halves and of the simulated noise, so a report can be made again.
///
/// # Errors
/// When the generator is a network, its provenance does not say how to fit it anew, or a refit has no
/// model.
pub fn attack(
    request: &Request,
    refits: u32,
    progress: &(dyn Fn(u32, u32) + Sync),
) -> Result<Membership, Error> {
    let (file, _) = SynthFile::read(&request.model)?;
    let generator = file.open()?;
    if generator.network().is_some() {
        return Err(fault("a network is not fitted anew here: each time is a whole training"));
    }
    let hospitals = super::hospitals(&file, request)?;
    let schema = &hospitals.schema;
    let params = file.provenance.task.get("params").and_then(toml::Value::as_table);
    let params = params.ok_or_else(|| fault("its provenance has no parameters of its fit"))?;
    let own = task(params, schema)?;
    if !own.outline().is_some_and(|outline| is_of_kind(&generator, &outline)) {
        return Err(fault("its provenance has the parameters of another generator"));
    }
    let selection = Selection::of_params(params, schema)?;
    let split = generator.split(schema);
    let cohorts = hospitals.cohorts.values();
    let rows = patients(cohorts, &selection, split.as_ref(), &generator.domain);
    let world = World { sizes: generator.domain.sizes(), rows };
    let target = world.rarest().ok_or_else(|| fault("the data have no patient of its cohort"))?;

    let promise = match &file.provenance.privacy {
        Guarantee::Dp { noise, adversary, .. } => Some((noise, adversary.as_str())),
        Guarantee::Exact { .. } => None,
    };
    let noise = promise.map(|(noise, _)| noise);
    let of_control = noise.map_or(0, |_| refits.div_ceil(2).max(FEWEST));
    let (all, done) = (refits.saturating_add(of_control), AtomicU32::new(0));
    let count = || progress(done.fetch_add(1, Ordering::Relaxed) + 1, all);
    let area = |start: &Rounds, s: Option<u64>, refits: u32| -> Result<Area, Error> {
        let attacked = Attacked { start, s, seed: request.asked.seed, pairs: false };
        let scores = world.attack(target, &attacked, refits, &count)?;
        scores.by_density().ok_or_else(|| fault("too few generators for an area"))
    };
    let control = match noise {
        Some(_) => {
            let open = task(&without_noise(params), schema)?;
            Some(area(&open.rounds_at_start(), None, of_control)?)
        }
        None => None,
    };
    let found = area(&own.rounds_at_start(), noise.map(scale), refits)?;
    Ok(Membership {
        attack: attacker(promise.map(|(_, adversary)| adversary)),
        refits: refits.into(),
        auc: found.share(),
        power: power(refits, noise.map(limit), of_control),
        least: Some(Area::least_told(refits)),
        limit: noise.map(limit),
        positive_control: control.map(Area::share),
    })
}

/// Whether a generator is what a run of these parameters ends with.
fn is_of_kind(generator: &Generator, outline: &Generator) -> bool {
    let of = |own: &Generator| (own.release, own.rounds, own.holdout, own.seed);
    of(generator) == of(outline)
        && generator.method == outline.method
        && generator.domain == outline.domain
}

/// The levels of those patients whom the generator may have been made from, as its task takes them.
fn patients<'a>(
    cohorts: impl Iterator<Item = &'a Cohort>,
    selection: &Selection,
    split: Option<&Split>,
    domain: &Domain,
) -> Vec<Vec<u16>> {
    let mut rows = Vec::new();
    for cohort in cohorts {
        let held_out = |patient| split.is_some_and(|split| split.holds_out(cohort, patient));
        let own = (0..cohort.len())
            .filter(|patient| selection.takes(cohort, *patient) && !held_out(*patient));
        rows.extend(own.filter_map(|patient| domain.encode(cohort, patient)));
    }
    rows
}

/// Scale of all noise that the adversary cannot take off, as of one draw.
fn scale(noise: &Noise) -> u64 {
    (noise.s as f64 * f64::from(noise.draws).sqrt()).round() as u64
}

/// Who attacks, and whom.
fn attacker(adversary: Option<&str>) -> String {
    let noise = match adversary {
        Some(adversary) => format!(
            "It is helped by {adversary}: only the noise that these cannot take off is left."
        ),
        None => "No noise is in its sums.".to_owned(),
    };
    format!(
        "The attacker has a generator that was made as this one was, which says more than any \
         number of virtual patients, and knows all values of one patient. The likelier the \
         generator makes such a patient, the rather is that patient taken to be among those it \
         was made from. It is the patient whose pairs of values are rarest, who is hard to hide. \
         {noise}"
    )
}

/// What no attack's area passes under this noise, to three digits; a limit is not rounded down.
fn limit(noise: &Noise) -> f64 {
    (Area::limit(noise.attempts, noise.sensitivity, scale(noise)) * 1e3).ceil() / 1e3
}

/// What so many refits could have found, and what nothing finds.
fn power(refits: u32, limit: Option<f64>, of_control: u32) -> String {
    let least = Area::least_told(refits);
    let mut said = format!(
        "From {} generators, an AUC of {least:.3} or more is told from a guess in four of five \
         cases; a smaller one can be missed.",
        numbers::count(refits.into())
    );
    if let Some(limit) = limit {
        said += &format!(" Under this noise no attack of any kind has an AUC above {limit:.3}.");
        if least > limit {
            said += " To see as little, it takes more generators.";
        }
        let control = numbers::count(of_control.into());
        said += &format!(" Without noise, {control} generators were attacked in the same way.");
    }
    said
}

fn fault(problem: &str) -> Error {
    Error::Config { file: "the generator".into(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use haima_fl_core::schema::Schema;

    use super::*;

    fn table(text: &str) -> toml::Table {
        text.parse().unwrap()
    }

    #[test]
    fn those_are_attacked_whom_the_generator_may_have_been_made_from() {
        let schema = "one_row_per_patient = true
            [[column]]
            name = \"age\"
            kind = \"numeric\"
            range = [0, 100]
            [[column]]
            name = \"male\"
            kind = \"flag\"";
        let schema = Schema::from_toml(&table(schema)).unwrap();
        let rows: String = (0..80).map(|age| format!("{age},{}\n", age % 2)).collect();
        let text = format!("age,male\n{rows}");
        let cohort = Cohort::from_reader("one", text.as_bytes(), &schema).unwrap();
        let domain = Domain::of_params(&table("bins = { age = [40, 60] }"), &schema).unwrap();
        let of = |selection: &Selection, split: Option<&Split>| {
            patients([&cohort].into_iter(), selection, split, &domain)
        };
        assert_eq!(of(&Selection::default(), None).len(), 80);
        let params = table("cohort = { include = [\"age >= 20\"] }");
        let selection = Selection::of_params(&params, &schema).unwrap();
        let split = Split::new(3, 0.5, &schema);
        let expected: Vec<Vec<u16>> = (20..80)
            .filter(|patient| !split.holds_out(&cohort, *patient))
            .map(|patient| domain.encode(&cohort, patient).unwrap())
            .collect();
        assert!((15..45).contains(&expected.len()), "{}", expected.len());
        assert_eq!(of(&selection, Some(&split)), expected);
    }

    #[test]
    fn the_words_say_what_could_be_found_and_what_nothing_finds() {
        let noise = Noise {
            s: 4 << 20,
            draws: 1,
            sensitivity: 1 << 20,
            sampling: 1.0,
            attempts: 4,
            order: None,
        };
        // 0.5 and 2.80 standard errors of 0.0289; pnorm(0.5 / sqrt(2)) in R is 0.63816.
        let said = power(400, Some(limit(&noise)), 200);
        assert!(said.contains("0.581") && said.contains("0.639"), "{said}");
        assert!(said.contains("Without noise, 200 generators") && !said.contains("it takes more"));
        assert!(power(20, Some(limit(&noise)), 20).contains("it takes more generators"));
        assert!(!power(400, None, 0).contains("noise"));
        // Four draws that stay are one of twice the scale.
        assert_eq!(scale(&Noise { draws: 4, ..noise }), 8 << 20);
        assert!(attacker(Some("all nodes but one")).contains("helped by all nodes but one:"));
        assert!(attacker(None).contains("No noise"));
    }
}
