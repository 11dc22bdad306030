//! What a manifest commits its parties to, in words for whoever is to sign it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::Error;
use crate::changes::changes;
use crate::manifest::{Class, Manifest, TaskEntry, fingerprint};
use crate::masking::Masking;
use crate::plan::Plan;
use crate::provision::{Total, total};

/// Most letters of an operator's name that are shown: one that is longer hides what stands behind it.
const MOST_OPERATOR: usize = 200;
/// Tasks whose noise hides one patient, but for trainings by `dp-fedavg`.
const OF_PATIENTS: &[&str] = &[
    "table1",
    "km",
    "cif",
    "multistate",
    "cox",
    "finegray",
    "glm",
    "hazard",
    "concordance",
    "train",
    "prepare",
    "combat",
    "explain",
    "meta",
    "validate",
    "pca",
    "clusters",
    "scan",
    "comutation",
    "synthesize",
    "fidelity",
];

/// An epsilon with three digits behind the point, rounded up: who signs is never told less than it costs.
#[must_use]
pub fn in_thousandths(epsilon: f64) -> String {
    // What sums of doubles may be off does not count as a thousandth.
    let up = (epsilon * 1000.0 * (1.0 - 1e-9)).ceil() / 1000.0;
    format!("{up:.3}")
}

/// An operator's name, cut.
fn cut(operator: &str) -> String {
    let shown: String = operator.chars().take(MOST_OPERATOR).collect();
    if shown.len() < operator.len() { shown + " ..." } else { shown }
}

/// What masked mode means with these terms (rule M1).
fn masked(manifest: &Manifest, masking: Masking) -> String {
    let Masking { threshold, corrupt, .. } = masking;
    // At most 200 sites.
    let sites = manifest.sites.len() as u32;
    let lost = match masking.dropouts(sites) {
        0 => "a round cannot lose a site".to_owned(),
        1 => "a round can lose 1 site".to_owned(),
        many => format!("a round can lose {many} sites"),
    };
    let alone = match masking.honest() {
        0 | 1 => {
            "; they may be all but one site of a sum, and an exact one then shows them that site's"
        }
        _ => "",
    };
    format!(
        "masked mode, without nodes: nothing of a site's contribution beyond the sum is learned by the \
         coordinator and up to {corrupt} of the {sites} sites together (c = {corrupt}){alone}\n\
         {threshold} sites must stay to the end of a round (t = {threshold}): {lost}\n\
         each site adds its part of the noise; as many as {} (t - c) are sure to be in every sum\n\
         nobody proves that a site keeps to its bound, and the coordinator's sum is taken on trust\n",
        masking.honest()
    ) + &shared_operators(manifest)
}

/// Operators that are more than one party: together they may be the whole coalition.
fn shared_operators(manifest: &Manifest) -> String {
    let mut sites = BTreeMap::<&str, usize>::new();
    for site in &manifest.sites {
        *sites.entry(&site.operator).or_default() += 1;
    }
    let mut text = String::new();
    for (operator, count) in sites {
        let adds = manifest.coordinator.operator == operator;
        if count > 1 || adds {
            let also = if adds { " and the coordinator" } else { "" };
            let _ = writeln!(
                text,
                "NOTE {} runs {count} sites{also}: each counts as one of c",
                cut(operator)
            );
        }
    }
    text
}

/// What a private task's noise hides. Parameters are opaque here but for these two: their bound is on
/// all that a hospital sends and on no patient in it, which whoever signs has to read. Of a task that a
/// program added itself only its author knows.
#[must_use]
pub fn unit(task: &TaskEntry) -> &'static str {
    let strategy = task.params.get("strategy").and_then(toml::Value::as_table);
    let strategy = strategy.and_then(|own| own.get("name")).and_then(toml::Value::as_str);
    match (task.task.as_str(), strategy) {
        ("vector-sum", _) => "one site's vector replaced by any other within the bound",
        ("train", Some("dp-fedavg")) => "one site's update replaced by any other within the bound",
        (task, _) if OF_PATIENTS.contains(&task) => "one patient added or removed",
        _ => "whom its noise hides is not known here: ask whoever wrote the task",
    }
}

/// Whom the private tasks of a plan hide, together.
fn units(manifest: &Manifest, plan: &Plan) -> String {
    let private = |task: &&TaskEntry| plan.tasks.iter().any(|planned| planned.id == task.id);
    let units: BTreeSet<&str> = manifest.tasks.iter().filter(private).map(unit).collect();
    match units.into_iter().collect::<Vec<_>>().as_slice() {
        [one] => (*one).to_owned(),
        several => format!("the tasks do not hide the same: {}", several.join("; ")),
    }
}

/// The manifest in words; with the one that it amends, what it changes.
///
/// # Errors
/// When a figure of the plan has no bound, or `old` is not the amended manifest.
pub fn in_words(manifest: &Manifest, old: Option<&Manifest>) -> Result<String, Error> {
    let mut text = String::new();
    let study = &manifest.study;
    let _ = writeln!(text, "study {study}, revision {}", manifest.revision);
    let _ = writeln!(text, "digest {}", manifest.digest());
    if let Some(old) = old {
        let _ = writeln!(text, "\nchanges to revision {}:", old.revision);
        let changes = changes(old, manifest)?;
        if changes.is_empty() {
            let _ = writeln!(text, "  none but new epoch keys");
        }
        for change in changes {
            let mark = if change.weakens { "  WEAKENS  " } else { "  " };
            let _ = writeln!(text, "{mark}{}", change.text);
        }
    } else if let Some(amends) = &manifest.amends {
        let _ = writeln!(text, "amends {amends}: give that manifest to see what changes");
    }
    let _ = writeln!(text, "\nparties (compare each fingerprint with its operator, by telephone):");
    let nodes: Vec<&str> = manifest.nodes.iter().map(|node| node.operator.as_str()).collect();
    for (name, identity, tls) in manifest.parties() {
        let print = fingerprint(identity, tls)?;
        let (role, operator, more) = if let Ok(site) = manifest.site(name) {
            let both =
                if nodes.contains(&site.operator.as_str()) { "; runs a node too" } else { "" };
            let cap = format!("at most {} patients{both}", site.max_patients);
            ("site", &site.operator, cap)
        } else if let Ok((_, node)) = manifest.node(name) {
            ("node", &node.operator, node.address.clone())
        } else {
            let party = &manifest.coordinator;
            ("coordinator", &party.operator, party.address.clone())
        };
        let operator = cut(operator);
        let _ = writeln!(text, "  {print}  {role:<11} {name} ({operator}), {more}");
    }
    let _ = writeln!(
        text,
        "\na sum needs {} distinct hospitals; a patient is in at most {} of them",
        manifest.min_sites, manifest.hospitals_per_patient
    );
    if let Some(masking) = manifest.masking {
        text.push_str(&masked(manifest, masking));
    }
    if let Some(quorum) = manifest.release_quorum {
        let _ = writeln!(text, "any {quorum} of the nodes release a sum that all have shared");
    }
    let _ = writeln!(text, "\nonly these tasks may run:");
    let plan = Plan::of(manifest);
    let coalition = match manifest.masking {
        None => "all nodes but one, the coordinator and all other sites together".to_owned(),
        Some(masking) => format!(
            "the coordinator and up to {} of the sites together, whoever drops out",
            masking.corrupt
        ),
    };
    for task in &manifest.tasks {
        let _ = write!(text, "  {}: {} {}, ", task.id, task.task, task.version);
        match (task.class, plan.tasks.iter().find(|planned| planned.id == task.id)) {
            (Class::Private, Some(planned)) => {
                let charged = planned.charged()?;
                let _ = writeln!(
                    text,
                    "private: epsilon {} at delta {:e} for {} steps and {} spare attempts, against \
                     {coalition}; {}",
                    in_thousandths(charged.epsilon.get()),
                    planned.noise.delta,
                    planned.steps,
                    planned.spare_attempts,
                    unit(task)
                );
            }
            _ => {
                let _ = writeln!(
                    text,
                    "EXACT, without differential privacy, up to {} sums",
                    task.max_steps
                );
            }
        }
        if let Some(title) = &task.title {
            // It cannot end its own quotes.
            let _ = writeln!(text, "      \"{}\"", title.replace('"', "'"));
        }
    }
    if let Some(Total { epsilon, delta, filter }) = total(&plan)? {
        let _ = writeln!(
            text,
            "\nall private tasks together, spare attempts included: epsilon {} at delta {:e} by {filter} \
             ({}); a hospital's policy has to leave them that much",
            in_thousandths(epsilon),
            delta.get(),
            units(manifest, &plan)
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::NoisePlan;
    use crate::manifest::tests::example;

    #[test]
    fn an_epsilon_is_never_shown_as_less_than_it_is() {
        for (epsilon, shown) in [
            (0.0004, "0.001"),
            (1.2341, "1.235"),
            (1.2344, "1.235"),
            (1.234, "1.234"),
            (2.0, "2.000"),
            (2.0 + 1e-12, "2.000"),
            (0.0, "0.000"),
        ] {
            assert_eq!(in_thousandths(epsilon), shown);
        }
    }

    #[test]
    fn who_signs_reads_whom_the_noise_hides_a_patient_or_a_site() {
        let entry = |id: &str, task: &str, params: &str| TaskEntry {
            id: id.into(),
            task: task.into(),
            version: 1,
            class: Class::Private,
            max_steps: 2,
            spare_attempts: 1,
            needs_bound: false,
            noise: Some(NoisePlan {
                s: 1 << 20,
                draws: 1,
                q: 1.0,
                sensitivity: 1000,
                dimension: 3,
                delta: 1e-5,
                order: None,
            }),
            params: params.parse().unwrap(),
            title: (id == "hazard").then(|| "Who dies when".into()),
        };
        let (mut manifest, _) = example();
        manifest.tasks = vec![
            entry("updates", "vector-sum", "release = \"noised\""),
            entry("averaged", "train", "strategy = { name = \"dp-fedavg\", sites = 3 }"),
            entry("stepped", "train", "strategy = { name = \"dp-sgd\" }"),
            entry("hazard", "hazard", ""),
        ];
        let words = in_words(&manifest, None).unwrap();
        let line = |id: &str| {
            let start = format!("  {id}: ");
            words.lines().find(|line| line.starts_with(&start)).unwrap().to_owned()
        };
        assert!(
            line("updates").ends_with("one site's vector replaced by any other within the bound")
        );
        assert!(
            line("averaged").ends_with("one site's update replaced by any other within the bound")
        );
        for id in ["stepped", "hazard"] {
            assert!(line(id).ends_with("one patient added or removed"), "{}", line(id));
        }
        // Four times the same plan: twice the rho each, and no sum of epsilons.
        let total = words.lines().rfind(|line| line.starts_with("all private tasks")).unwrap();
        assert!(total.contains("at delta 1e-5 by zCDP"), "{total}");
        let figure = |line: &str| -> f64 {
            let (_, after) = line.split_once("epsilon ").unwrap();
            after.split(' ').next().unwrap().parse().unwrap()
        };
        let one = figure(&line("hazard"));
        assert!(figure(total) > one && figure(total) < 4.0 * one, "{total}");
        assert!(total.contains("do not hide the same: one patient added or removed; one site's"));
        assert!(words.contains("\n      \"Who dies when\"\n"), "{words}");
        // One that a program added itself, and a title and an operator that would speak for the words.
        manifest.tasks = vec![entry("hazard", "hazard", ""), entry("own", "own-task", "")];
        manifest.tasks[0].title = Some("A\", private: epsilon 0.001 \"".into());
        manifest.sites[0].operator = "o".repeat(5000);
        let words = in_words(&manifest, None).unwrap();
        let own = words.lines().find(|line| line.starts_with("  own: ")).unwrap();
        assert!(own.contains("not known here") && !own.contains("one patient"), "{own}");
        assert!(words.contains("\n      \"A', private: epsilon 0.001 '\"\n"), "{words}");
        assert!(words.contains(&"o".repeat(200)) && !words.contains(&"o".repeat(201)));
        manifest.tasks.truncate(1);
        let words = in_words(&manifest, None).unwrap();
        let total = words.lines().rfind(|line| line.starts_with("all private tasks")).unwrap();
        assert!(total.contains("(one patient added or removed)"), "{total}");
        manifest.tasks.clear();
        let words = in_words(&manifest, None).unwrap();
        assert!(!words.contains("all private tasks"), "nothing is private: {words}");
    }
}
