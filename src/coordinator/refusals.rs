//! When what hospitals say leaves a round without a sum, in this attempt and in any other.
//!
//! A hospital that holds a round back for now may answer it yet, and one that cannot answer an attempt
//! may answer the next. One whose policy, budget or people refuse answers none until that is changed:
//! where the floor, the threshold of masked mode or the hospitals of the study's first exact sum (rule
//! X2) are out of reach without it, to wait for the deadline and to ask again costs the others their
//! attempts, and gives nothing.

use haima_smpc_node::manifest::Manifest;

use super::hub::Refusal;
use crate::proto;

/// Hospitals that are named.
const NAMED: usize = 5;

/// The hospitals, each with its reason, whose refusals leave every attempt at a round without a sum;
/// `None` where one may come. `exact` are the sites of the study's first exact sum, where the round is
/// exact and there is one.
#[must_use]
pub fn withheld(
    manifest: &Manifest,
    refusals: &[Refusal],
    exact: Option<&[String]>,
) -> Option<String> {
    let standing = refusals.iter().filter(|refusal| refusal.kind == proto::Refusal::Standing);
    let standing: Vec<&Refusal> = standing.collect();
    let refuses = |name: &str| standing.iter().any(|refusal| refusal.site == name);
    let names = manifest.sites.iter().map(|site| site.name.as_str());
    let left: Vec<&str> = names.filter(|name| !refuses(name)).collect();
    let floor = manifest.operators(left.iter().copied()) < manifest.min_sites as usize;
    let threshold = manifest.masking.is_some_and(|masking| left.len() < masking.threshold as usize);
    let first = exact.is_some_and(|sites| sites.iter().any(|name| refuses(name)));
    (!standing.is_empty() && (floor || threshold || first)).then(|| in_words(&standing))
}

/// `north (why); south (why)`.
pub(crate) fn in_words(refusals: &[&Refusal]) -> String {
    let (named, more) = refusals.split_at(refusals.len().min(NAMED));
    let named = named.iter().map(|refusal| format!("{} ({})", refusal.site, refusal.reason));
    let named: Vec<String> = named.collect();
    let more = match more.len() {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!("{}{more}", named.join("; "))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use haima_crypto::encode::{Canonical as _, Digest};
    use haima_crypto::identity::IdentityKey;
    use haima_smpc_node::masking::{Masking, Mode};
    use haima_smpc_node::spec::RoundSpec;

    use super::*;
    use crate::coordinator::hub::Hub;
    use crate::provision::{Study, Timing, make_party};
    use crate::sum::plan::{Place, open_run, plan};

    /// Four hospitals of four operators, three of which make a sum.
    pub(crate) fn manifest() -> Manifest {
        let folder = tempfile::tempdir().unwrap();
        let party =
            |name: &str| make_party(folder.path(), name, name, "127.0.0.1:1").unwrap().party;
        let study: Study = toml::from_str(
            "study = \"unit\"\nmin_sites = 3\nmax_patients = 50\nmax_dimension = 100\n\
             [schema]\none_row_per_patient = true\n\
             column = [{ name = \"age\", kind = \"numeric\", range = [0, 110] }]\n\
             [[task]]\nid = \"who\"\ntask = \"table1\"\nversion = 1\ntitle = \"Who\"\nmax_steps = 1\n\
             spare_attempts = 1\nparams = { columns = [\"age\"] }\n",
        )
        .unwrap();
        let timing = Timing { round_ms: 10_000, grace_ms: 1000, tick_ms: 10 };
        let nodes = vec![party("node-1"), party("node-2")];
        let sites = ["a", "b", "c", "d"].map(party).into();
        study.manifest(party("coordinator"), nodes, sites, timing).unwrap()
    }

    fn refusal(site: &str, kind: proto::Refusal) -> Refusal {
        Refusal { site: site.into(), reason: format!("why {site}"), kind }
    }

    #[test]
    fn only_refusals_that_stand_and_leave_too_few_end_a_step() {
        use proto::Refusal::{Held, Standing, ThisAttempt};
        let manifest = manifest();
        let of = |refusals: &[Refusal]| withheld(&manifest, refusals, None);
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[refusal("a", Standing)]), None, "three are left");
        for other in [Held, ThisAttempt] {
            assert_eq!(of(&[refusal("a", Standing), refusal("b", other)]), None, "{other:?}");
            assert_eq!(of(&[refusal("a", other), refusal("b", other)]), None, "{other:?}");
        }
        let words = of(&[refusal("a", Standing), refusal("b", Standing), refusal("c", Held)]);
        assert_eq!(words.as_deref(), Some("a (why a); b (why b)"));
    }

    /// X2: who is in the study's first exact sum must be in all of them.
    #[test]
    fn an_exact_round_needs_all_hospitals_of_the_first() {
        let manifest = manifest();
        let one = [refusal("a", proto::Refusal::Standing)];
        let first = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let with = first(&["a", "b", "c", "d"]);
        assert_eq!(withheld(&manifest, &one, Some(&with)).as_deref(), Some("a (why a)"));
        assert_eq!(withheld(&manifest, &one, Some(&first(&["b", "c", "d"]))), None);
    }

    #[test]
    fn masked_mode_needs_its_threshold() {
        let mut manifest = manifest();
        manifest.mode = Mode::Masked;
        manifest.masking = Some(Masking { threshold: 4, ..Masking::of(4) });
        let one = [refusal("a", proto::Refusal::Standing)];
        assert!(withheld(&manifest, &one, None).is_some());
        manifest.masking = Some(Masking { threshold: 3, ..Masking::of(4) });
        assert_eq!(withheld(&manifest, &one, None), None);
    }

    #[test]
    fn five_hospitals_are_named_and_the_others_counted() {
        let all: Vec<Refusal> =
            (0..9).map(|i| refusal(&format!("s{i}"), proto::Refusal::Standing)).collect();
        let all: Vec<&Refusal> = all.iter().collect();
        let words = in_words(&all);
        assert!(words.ends_with("s4 (why s4); and 4 more"), "{words}");
    }

    fn report(submitted: bool, kind: proto::Refusal) -> proto::SiteReport {
        proto::SiteReport { submitted, refusal: kind.into(), ..Default::default() }
    }

    /// The first round of its one task.
    pub(crate) fn first_spec(manifest: &Manifest) -> RoundSpec {
        let entry = &manifest.tasks[0];
        let query = open_run(manifest, entry, &BTreeMap::new()).unwrap().query().unwrap();
        let place = Place {
            number: 1,
            run: 1,
            step: 0,
            attempt: 0,
            plan_index: 0,
            previous: Digest::default(),
            epoch: Digest::default(),
            deadline_ms: 30_000,
        };
        plan(manifest, manifest.digest(), entry, &query, &place).unwrap()
    }

    /// A site that hears of a round again, and would refuse it now, has answered it all the same.
    #[test]
    fn what_was_submitted_is_not_taken_back_and_what_was_held_may_come() {
        let (hub, manifest) = (Hub::default(), manifest());
        let spec = first_spec(&manifest);
        let (round, key) = (spec.digest(), IdentityKey::from_secret(&[1; 32]));
        hub.start_round(&spec, &key.sign(&round));
        let kinds = || -> Vec<(String, proto::Refusal)> {
            hub.refusals(&round).into_iter().map(|one| (one.site, one.kind)).collect()
        };
        hub.report("a", round, report(true, proto::Refusal::ThisAttempt));
        hub.report("a", round, report(false, proto::Refusal::Standing));
        assert!(kinds().is_empty());
        hub.report("b", round, report(false, proto::Refusal::Held));
        assert_eq!(kinds(), [("b".to_owned(), proto::Refusal::Held)]);
        hub.report("b", round, report(false, proto::Refusal::Standing));
        assert_eq!(kinds(), [("b".to_owned(), proto::Refusal::Standing)]);
        hub.report("b", round, report(true, proto::Refusal::ThisAttempt));
        assert!(kinds().is_empty());
    }
}
