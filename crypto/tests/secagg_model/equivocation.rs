//! A coordinator that shows each honest site what it likes, in any order, together with a corrupt
//! site that signs whatever it is asked for.
//!
//! Each honest site is shown any cohort (every set of sharers, the corrupt one's shares in two
//! versions), then any of the 81 ways to put four sites in three lists, and some that are no
//! partition; then requests for every partition that anybody confirmed, with those confirmations
//! that fit and with all that there are. What the site says is what the shipped types say.
//!
//! A site is told by what it was shown; sites know nothing of each other but by signatures, so that
//! a state is the product of theirs.

use std::collections::{BTreeSet, HashMap};

use haima_crypto::encode::{Canonical, Digest, Encoder};
use haima_crypto::identity::Signature;
use haima_crypto::secagg::*;
use stateright::{Checker, HasDiscoveries, Model, Property};

use super::cast::{Cast, SITES, Said, Shown, THRESHOLD};
use super::network::signed;

type Sites = BTreeSet<u32>;

/// What an honest site has let itself be brought to: places in [`Equivocation`]'s lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Honest {
    Shared,
    Masked {
        cohort: usize,
    },
    Confirmed {
        cohort: usize,
        partition: usize,
    },
    Answered {
        cohort: usize,
        partition: usize,
    },
    /// It refused something, and is gone; what it signed before is still there.
    Left {
        confirmed: Option<(usize, usize)>,
    },
}

impl Honest {
    fn confirmed(self) -> Option<(usize, usize)> {
        match self {
            Self::Confirmed { cohort, partition } | Self::Answered { cohort, partition } => {
                Some((cohort, partition))
            }
            Self::Left { confirmed } => confirmed,
            Self::Shared | Self::Masked { .. } => None,
        }
    }

    fn answered(self) -> Option<(usize, usize)> {
        if let Self::Answered { .. } = self { self.confirmed() } else { None }
    }
}

/// Which signatures go with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Signatures {
    /// Those over the same partition and cohort.
    Fitting,
    /// Those of all survivors who signed anything.
    All,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Deliver { site: u32, cohort: usize },
    Show { site: u32, partition: usize },
    Ask { site: u32, partition: usize, signatures: Signatures },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    honest: Vec<Honest>,
    /// What a site said that it should not have.
    surprise: Option<String>,
}

/// Who shares, and of whom in the second version.
struct Cohort {
    sharers: Sites,
    digest: Digest,
    messages: Vec<SharesMessage>,
}

impl Cohort {
    fn new(cast: &Cast, chosen: &[(u32, u8)]) -> Self {
        let messages: Vec<_> =
            chosen.iter().map(|(site, draw)| cast.shares(*site, *draw)).collect();
        // As the types have it: what a confirmation is bound to.
        let mut to = Encoder::new("haima secagg cohort 1");
        to.digest(cast.context.digest()).count(messages.len());
        for SharesMessage { header, .. } in &messages {
            to.u32(header.origin.site).digest(&header.digest());
        }
        let digest = Digest::of(&to.finish());
        Self { sharers: chosen.iter().map(|(site, _)| *site).collect(), digest, messages }
    }

    fn to(&self, site: u32) -> Shown {
        let envelopes = self.messages.iter().flat_map(|message| &message.envelopes);
        let envelopes = envelopes.filter(|envelope| envelope.to == site).cloned().collect();
        let headers = self.messages.iter().map(|message| message.header.clone()).collect();
        Shown::delivery(Delivery { headers, envelopes })
    }
}

struct Equivocation {
    cast: Cast,
    /// The last of the roster are corrupt.
    honest: u32,
    cohorts: Vec<Cohort>,
    /// Of each cohort, to each honest site.
    deliveries: Vec<Vec<Shown>>,
    partitions: Vec<Partition>,
    digests: Vec<Digest>,
    /// What corrupt sites sign: over each cohort and partition.
    forged: HashMap<(u32, (usize, usize)), Confirmation>,
}

impl Equivocation {
    fn new(corrupt: u32) -> Self {
        let (cast, honest) = (Cast::new(), SITES - corrupt);
        let versions =
            |site| (0..if site < honest { 1 } else { 2 }).map(move |draw| Some((site, draw)));
        // Each site is left out, or is there in one of its versions.
        let mut choices: Vec<Vec<(u32, u8)>> = vec![Vec::new()];
        for site in 0..SITES {
            choices = choices
                .iter()
                .flat_map(|chosen| {
                    let one = |more: Option<_>| chosen.iter().copied().chain(more).collect();
                    std::iter::once(None).chain(versions(site)).map(one).collect::<Vec<_>>()
                })
                .collect();
        }
        let cohorts: Vec<_> = choices.iter().map(|chosen| Cohort::new(&cast, chosen)).collect();
        let deliveries = (0..honest)
            .map(|site| cohorts.iter().map(|cohort| cohort.to(site)).collect())
            .collect();
        let partitions = partitions();
        let digests: Vec<_> = partitions.iter().map(Canonical::digest).collect();
        let mut confirmations = HashMap::new();
        for of in honest..SITES {
            for (at, cohort) in cohorts.iter().enumerate() {
                for (partition, digest) in digests.iter().enumerate() {
                    let confirmation = forged(&cast, of, cohort.digest, *digest);
                    confirmations.insert((of, (at, partition)), confirmation);
                }
            }
        }
        Self { cast, honest, cohorts, deliveries, partitions, digests, forged: confirmations }
    }

    fn corrupt(&self) -> impl Iterator<Item = u32> {
        self.honest..SITES
    }

    /// What a site was shown to come to where it is; of an answer without the request.
    fn shown(&self, site: u32, honest: Honest) -> Vec<Shown> {
        let delivery = |cohort: usize| self.deliveries[site as usize][cohort].clone();
        match honest {
            Honest::Shared | Honest::Left { .. } => Vec::new(),
            Honest::Masked { cohort } => vec![delivery(cohort)],
            Honest::Confirmed { cohort, partition } | Honest::Answered { cohort, partition } => {
                vec![delivery(cohort), Shown::partition(self.partitions[partition].clone())]
            }
        }
    }

    /// A site's confirmation: the one that it gave when it is honest, and for the cohort and the
    /// partition that are asked about when it is corrupt.
    fn confirmation(&self, state: &State, of: u32, asked: (usize, usize)) -> Option<Confirmation> {
        let Some(honest) = state.honest.get(of as usize) else {
            return self.forged.get(&(of, asked)).cloned();
        };
        let (cohort, partition) = honest.confirmed()?;
        let shown = self.shown(of, Honest::Confirmed { cohort, partition });
        match self.cast.says(of, &shown).as_deref() {
            Ok(Said::Confirmation(confirmation)) => Some(confirmation.clone()),
            other => panic!("{other:?} of a site that confirmed"),
        }
    }

    fn deliver(&self, site: u32, cohort: usize) -> Result<Option<Honest>, String> {
        let sharers = &self.cohorts[cohort].sharers;
        let expected = if !sharers.contains(&site) {
            "Own"
        } else if sharers.len() < THRESHOLD {
            "TooFewSites"
        } else {
            ""
        };
        let after = Honest::Masked { cohort };
        told(expected, self.cast.says(site, &self.shown(site, after)), after)
    }

    fn show(&self, site: u32, cohort: usize, partition: usize) -> Result<Option<Honest>, String> {
        let Partition { absent, vanished, survivors } = &self.partitions[partition];
        let lists = [absent, vanished, survivors];
        let times = |site: u32| lists.iter().filter(|list| list.contains(&site)).count();
        let expected = if lists.iter().any(|list| list.iter().any(|site| *site >= SITES)) {
            "UnknownSite"
        } else if let Some(times) = (0..SITES).map(times).find(|times| *times != 1) {
            if times == 0 { "Uncovered" } else { "Overlap" }
        } else if vanished | survivors != self.cohorts[cohort].sharers {
            "OtherSharers"
        } else if survivors.len() < THRESHOLD {
            "TooFewSites"
        } else if !survivors.contains(&site) {
            "NotASurvivor"
        } else {
            ""
        };
        let after = Honest::Confirmed { cohort, partition };
        told(expected, self.cast.says(site, &self.shown(site, after)), after)
    }

    /// A request for a partition, and how many of its signatures fit.
    fn request(
        &self,
        state: &State,
        (cohort, partition): (usize, usize),
        signatures: Signatures,
    ) -> (Shown, [usize; 2]) {
        let (over, partition_of) = (self.cohorts[cohort].digest, &self.partitions[partition]);
        let (mut confirmations, mut fitting) = (Vec::new(), 0);
        for of in &partition_of.survivors {
            let Some(given) = self.confirmation(state, *of, (cohort, partition)) else {
                continue;
            };
            let fits = given.cohort == over && given.partition == self.digests[partition];
            fitting += usize::from(fits);
            if fits || signatures == Signatures::All {
                confirmations.push((*of, given.signature));
            }
        }
        let count = [fitting, confirmations.len()];
        let request = UnmaskRequest { partition: partition_of.clone(), confirmations };
        (Shown::request(request), count)
    }

    fn ask(
        &self,
        state: &State,
        site: u32,
        asked: usize,
        signatures: Signatures,
    ) -> Result<Option<Honest>, String> {
        let before = state.honest[site as usize];
        let (cohort, own) = before.confirmed().expect("a site that confirmed");
        let (request, [fitting, all]) = self.request(state, (cohort, asked), signatures);
        let mut shown = self.shown(site, before);
        let expected = if before.answered().is_some() {
            // It has answered its own partition.
            shown.push(self.request(state, (cohort, own), Signatures::Fitting).0);
            if asked == own { "" } else { "AnsweredAlready" }
        } else if asked != own {
            "AnotherPartition"
        } else if fitting < all {
            "Signature"
        } else if fitting < THRESHOLD {
            "TooFewConfirmations"
        } else {
            ""
        };
        shown.push(request);
        let said = self.cast.says(site, &shown);
        let Partition { vanished, survivors, .. } = &self.partitions[own];
        if let Ok(Said::Answer(answer)) = said.as_deref()
            && (answer.partition != self.digests[own]
                || answer.self_masks.len() != survivors.len()
                || answer.backup_keys.len() != vanished.len())
        {
            return Err(format!("site {site} answers something else: {answer:?}"));
        }
        told(expected, said, Honest::Answered { cohort, partition: own })
    }

    /// Honest sites that were brought to sign, or to answer, a cohort and a partition.
    fn with<'a>(
        &'a self,
        state: &'a State,
        which: impl Fn(Honest) -> Option<(usize, usize)> + 'a,
    ) -> impl Iterator<Item = &'a Partition> {
        state.honest.iter().filter_map(move |honest| Some(&self.partitions[which(*honest)?.1]))
    }

    /// Whether a partition has t confirmations, and another too: over whatever cohorts.
    fn two_partitions_are_confirmed(&self, state: &State) -> bool {
        let confirmed = |partition: &Partition| {
            let honest = self.with(state, Honest::confirmed).filter(|other| *other == partition);
            let corrupt = self.corrupt().filter(|site| partition.survivors.contains(site));
            honest.count() + corrupt.count() >= THRESHOLD
        };
        let mut all = self.with(state, Honest::confirmed).filter(|partition| confirmed(partition));
        all.next().is_some_and(|first| all.any(|other| other != first))
    }

    fn two_partitions_are_answered(&self, state: &State) -> bool {
        let mut all = state.honest.iter().filter_map(|honest| honest.answered());
        all.next().is_some_and(|first| all.any(|other| other != first))
    }

    /// Whether t shares of both secrets of an honest site are with the coordinator.
    fn both_secrets_are_told(&self, state: &State) -> bool {
        let told = |dealer: u32, list: fn(&Partition) -> &Sites| {
            let answers = self.with(state, Honest::answered);
            let shares = answers.filter(|partition| list(partition).contains(&dealer)).count();
            shares + self.corrupt().count() >= THRESHOLD
        };
        (0..self.honest).any(|dealer| {
            told(dealer, |partition| &partition.survivors)
                && told(dealer, |partition| &partition.vanished)
        })
    }
}

/// Checks what a site said against the refusal that is expected, by its variant's name.
fn told(
    expected: &str,
    said: Result<impl Sized, Error>,
    accepted: Honest,
) -> Result<Option<Honest>, String> {
    match said {
        Ok(_) if expected.is_empty() => Ok(Some(accepted)),
        Ok(_) => Err(format!("{accepted:?} instead of {expected}")),
        Err(error) => {
            let name = format!("{error:?}");
            let name = name.split([' ', '(']).next().unwrap_or_default();
            if name == expected { Ok(None) } else { Err(format!("{name}: {error}")) }
        }
    }
}

/// The signature of a corrupt site over any cohort and partition.
fn forged(cast: &Cast, of: u32, cohort: Digest, partition: Digest) -> Confirmation {
    let (context, unsigned) = (&cast.context, Signature::from_bytes([0; 64]));
    let origin = Origin { round: context.terms().round, terms: *context.digest(), site: of };
    let mut confirmation = Confirmation { origin, cohort, partition, signature: unsigned };
    confirmation.signature = signed(&confirmation, cast.identity(of));
    confirmation
}

/// All partitions of the roster, and three that are none.
fn partitions() -> Vec<Partition> {
    let empty = || Partition { absent: [].into(), vanished: [].into(), survivors: [].into() };
    let mut all: Vec<Partition> = (0..3u32.pow(SITES))
        .map(|number| {
            let mut partition = empty();
            for site in 0..SITES {
                let Partition { absent, vanished, survivors } = &mut partition;
                let list = [survivors, vanished, absent];
                let list = list.into_iter().nth((number / 3u32.pow(site) % 3) as usize);
                list.expect("three lists").insert(site);
            }
            partition
        })
        .collect();
    let everybody: Sites = (0..SITES).collect();
    all.push(Partition { vanished: [1].into(), survivors: everybody.clone(), ..empty() });
    all.push(Partition { survivors: (1..SITES).collect(), ..empty() });
    all.push(Partition { absent: [SITES].into(), survivors: everybody, ..empty() });
    all
}

impl Model for Equivocation {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { honest: vec![Honest::Shared; self.honest as usize], surprise: None }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        // Everybody in the sum, and whatever anybody confirmed.
        let confirmed = state.honest.iter().filter_map(|honest| Some(honest.confirmed()?.1));
        let known: BTreeSet<usize> = confirmed.chain([0]).collect();
        for (site, honest) in (0..).zip(&state.honest) {
            match honest {
                Honest::Shared => {
                    let all = 0..self.cohorts.len();
                    actions.extend(all.map(|cohort| Action::Deliver { site, cohort }));
                }
                Honest::Masked { .. } => {
                    let all = 0..self.partitions.len();
                    actions.extend(all.map(|partition| Action::Show { site, partition }));
                }
                Honest::Confirmed { .. } | Honest::Answered { .. } => {
                    for partition in known.iter().copied() {
                        for signatures in [Signatures::Fitting, Signatures::All] {
                            actions.push(Action::Ask { site, partition, signatures });
                        }
                    }
                }
                Honest::Left { .. } => {}
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let (site, after) = match action {
            Action::Deliver { site, cohort } => (site, self.deliver(site, cohort)),
            Action::Show { site, partition } => {
                let Honest::Masked { cohort } = last.honest[site as usize] else {
                    return None;
                };
                (site, self.show(site, cohort, partition))
            }
            Action::Ask { site, partition, signatures } => {
                (site, self.ask(last, site, partition, signatures))
            }
        };
        let mut state = last.clone();
        let honest = &mut state.honest[site as usize];
        match after {
            Ok(Some(after)) => *honest = after,
            // Who has answered remembers its answer, and refuses another request without harm.
            Ok(None) if honest.answered().is_some() => {}
            Ok(None) => *honest = Honest::Left { confirmed: honest.confirmed() },
            Err(surprise) => state.surprise = Some(surprise),
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(CONFIRMED, |model: &Self, state| {
                !model.two_partitions_are_confirmed(state)
            }),
            Property::always(ANSWERED, |model: &Self, state| {
                !model.two_partitions_are_answered(state)
            }),
            Property::always(SECRETS, |model: &Self, state| !model.both_secrets_are_told(state)),
            Property::always(REFUSED, |_, state: &State| state.surprise.is_none()),
            Property::sometimes("all honest sites answer", |model: &Self, state| {
                model.with(state, Honest::answered).count() == model.honest as usize
            }),
            Property::sometimes(
                "two partitions are confirmed by somebody",
                |model: &Self, state| {
                    let mut all = model.with(state, Honest::confirmed);
                    all.next().is_some_and(|first| all.any(|other| other != first))
                },
            ),
        ]
    }
}

const CONFIRMED: &str = "no two partitions have t confirmations";
const ANSWERED: &str = "no two sites answer two partitions, or over two cohorts";
const SECRETS: &str = "of no honest site both secrets are told";
const REFUSED: &str = "what a site refuses is what it should, by name";

/// States of the model when it was written; it may grow.
const STATES: usize = 45_992;

#[test]
fn with_one_corrupt_site_no_coordinator_has_two_partitions_confirmed() {
    let checker = Equivocation::new(1).checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    let states = checker.unique_state_count();
    println!("equivocation: {states} states");
    assert!(states >= STATES, "{states} states: fewer than there were");
}

/// One more than 2t - n allows: two quorums need not have an honest site in common.
#[test]
fn with_two_corrupt_sites_a_coordinator_learns_both_secrets_of_an_honest_one() {
    let found = HasDiscoveries::AllOf([CONFIRMED, ANSWERED, SECRETS].into());
    let checker = Equivocation::new(2).checker().finish_when(found).spawn_bfs().join();
    for property in [CONFIRMED, ANSWERED, SECRETS] {
        checker.assert_any_discovery(property);
    }
    checker.assert_no_discovery(REFUSED);
}
