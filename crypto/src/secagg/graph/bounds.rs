//! How many neighbours, and how many of them reconstruct.
//!
//! c sites are corrupt and d absent, of n; k is the degree and t the threshold. Bell et al. 2020 ask
//! of a graph that no honest site has t corrupt neighbours, that the honest sites that remain are
//! connected, and that every site keeps t neighbours, and show that some k in O(log n) does. Here,
//! as in the authors' own program (google/federated-compute, `graph_parameter_finder.cc`), the tails
//! are summed and not bounded:
//!
//! - *Corrupt neighbours.* The k neighbours of an honest site are a uniform subset of the n - 1
//!   others, so their corrupt ones are hypergeometric; union bound over the honest sites.
//! - *Absent neighbours.* The same with d, and k - t + 1 of them; union bound over n.
//! - *Disconnection.* Two sites in sequence on the circle are joined unless k/2 others between them
//!   are gone; the circle falls apart only when that happens at two places. There are
//!   n (n - k - 1) / 2 pairs of such windows, and the k sites in a pair are all among the c + d with
//!   probability prod_(i < k) (c + d - i) / (n - i).
//!
//! These take the absent sites as chosen without regard to the graph, and one set of them: over R
//! rounds with one graph the corrupt neighbours are the same, but each round's absent sites are one
//! more chance to disconnect it or to lose the sum, so log2 R bits more are to be asked for.
//!
//! A malicious coordinator knows the graph and says who is gone. Against it a condition of ours,
//! which needs no such assumption and holds for all rounds of a graph at once:
//!
//! - *Corrupt windows.* No k/2 sites in sequence have t - k/2 corrupt ones among them; the
//!   hypergeometric tail over n windows. Then an honest site has fewer than 2t - k <= t corrupt
//!   neighbours, so that no secret is had by telling some neighbours that it vanished and others
//!   that it did not (2t > k + corrupt, the authors' condition for servers that deviate). And
//!   suppose that the coordinator's survivors fall apart: then each part ends in an honest site
//!   after which k/2 places hold no honest survivor. Fewer than k/2 + (t - k/2) = t of its
//!   neighbours answer, its self-mask stays, and no part's sum is had. It is assumed that everybody
//!   sees the same survivor set (the consistency round) and that a site that is not in it answers
//!   nothing.
//!
//! Logarithms and exponentials are `libm`'s, so that every machine finds the same parameters; what
//! they may round away is added again ([`SLACK`]).

use super::check_degree;
use crate::Error;

/// Largest degree that is looked for.
const MAX_DEGREE: u32 = 16_384;

/// What rounding may have taken from a probability, and more. Its logarithm is a sum of at most
/// 2 x 2^14 terms of at most 45, so that partial sums stay below 2^21 and lose 2^-32 each: 2^-17.
const SLACK: f64 = 1.0 + 1.0 / 65_536.0;

/// What the coordinator may do beside reading everything it gets, together with the corrupt sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coordinator {
    /// It follows the protocol: sites vanish without regard to the graph.
    Curious,
    /// It says who vanished, knowing the graph, and says the same to everybody.
    Malicious,
}

/// What a graph must withstand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assumptions {
    /// Sites, n.
    pub sites: u32,
    /// Largest share of sites that pool what they know with the coordinator, from 0 to below 1.
    pub corrupt: f64,
    /// Largest share of sites that are absent, or answer nothing on purpose, from 0 to below 1.
    pub absent: f64,
    /// The coordinator.
    pub coordinator: Coordinator,
    /// A graph leaks with probability at most 2^-this (sigma in the paper; 40 is usual).
    pub security_bits: u32,
    /// A graph loses a sum with probability at most 2^-this (eta in the paper).
    pub correctness_bits: u32,
}

/// A degree and the threshold that belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Neighbours of each site, k.
    pub degree: u32,
    /// Neighbours who reconstruct a site's secrets, t.
    pub threshold: u32,
}

/// Upper bounds on what goes wrong with a graph of a random coin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Failure {
    /// Probability that more than the whole sum can be had.
    pub secrecy: f64,
    /// Probability that a sum cannot be completed.
    pub correctness: f64,
}

impl Assumptions {
    /// The smallest degree that withstands them, and the largest threshold that goes with it: what
    /// is left over is given to secrecy. The degree is even, or n - 1 when no smaller one does.
    ///
    /// The search tries one degree after the other: milliseconds for degrees in the hundreds,
    /// seconds for thousands.
    ///
    /// # Errors
    /// [`Error::Graph`] when not even the full graph withstands them, or none of a degree up to
    /// 16,384 does, and for shares that are not from 0 to below 1.
    pub fn parameters(&self) -> Result<Parameters, Error> {
        let (corrupt, absent) = self.counts()?;
        let full = self.sites.saturating_sub(1);
        // Everybody is everybody's neighbour, so nothing is left to chance.
        let everybody = Parameters { degree: full, threshold: full.saturating_sub(absent) };
        if self.sites < 2 || everybody.threshold == 0 || !self.full_graph_hides(everybody, corrupt)
        {
            return Err(Error::Graph { sites: self.sites });
        }
        let secrecy = libm::exp2(-f64::from(self.security_bits));
        let correctness = libm::exp2(-f64::from(self.correctness_bits));
        for degree in (2..full.min(MAX_DEGREE + 1)).step_by(2) {
            if self.coordinator == Coordinator::Curious
                && self.disconnection(degree, corrupt.saturating_add(absent)) > secrecy
            {
                continue;
            }
            let losses = self.losses(degree, absent);
            let Some(threshold) = (1..=degree)
                .rev()
                .find(|threshold| at(&losses, degree - threshold + 1) <= correctness)
            else {
                continue;
            };
            if self.leak(Parameters { degree, threshold }, corrupt, absent) <= secrecy {
                return Ok(Parameters { degree, threshold });
            }
        }
        if full > MAX_DEGREE { Err(Error::Graph { sites: self.sites }) } else { Ok(everybody) }
    }

    /// Bounds for parameters that somebody else chose.
    ///
    /// # Errors
    /// [`Error::Graph`] as above, and [`Error::Parameter`] for a degree that no graph has or a
    /// threshold that is not from 1 to the degree.
    pub fn failure(&self, parameters: Parameters) -> Result<Failure, Error> {
        let (corrupt, absent) = self.counts()?;
        let Parameters { degree, threshold } = parameters;
        check_degree(self.sites, degree)?;
        if !(1..=degree).contains(&threshold) {
            let (what, got) = ("threshold of neighbours", threshold.into());
            return Err(Error::Parameter { what, got, min: 1, max: degree.into() });
        }
        if degree == self.sites - 1 {
            let hides = self.full_graph_hides(parameters, corrupt);
            let lasts = threshold + absent <= degree;
            let certain = |good: bool| if good { 0.0 } else { 1.0 };
            return Ok(Failure { secrecy: certain(hides), correctness: certain(lasts) });
        }
        let lost = at(&self.losses(degree, absent), degree - threshold + 1);
        Ok(Failure {
            secrecy: self.leak(parameters, corrupt, absent).min(1.0),
            correctness: lost.min(1.0),
        })
    }

    /// Corrupt and absent sites, at most.
    fn counts(&self) -> Result<(u32, u32), Error> {
        let count = |share: f64| {
            // Shares such as 0.29 lie a little below the decimal: rounded, not cut.
            let count = ((share + 1e-14) * f64::from(self.sites)).floor();
            (0.0..1.0).contains(&share).then_some(count as u32)
        };
        match (count(self.corrupt), count(self.absent)) {
            (Some(corrupt), Some(absent)) => Ok((corrupt, absent)),
            _ => Err(Error::Graph { sites: self.sites }),
        }
    }

    fn full_graph_hides(&self, parameters: Parameters, corrupt: u32) -> bool {
        let Parameters { degree, threshold } = parameters;
        match self.coordinator {
            Coordinator::Curious => corrupt < threshold,
            Coordinator::Malicious => {
                u64::from(degree) + u64::from(corrupt) < 2 * u64::from(threshold)
            }
        }
    }

    /// Bound on the probability that a graph leaks.
    fn leak(&self, parameters: Parameters, corrupt: u32, absent: u32) -> f64 {
        let Parameters { degree, threshold } = parameters;
        match self.coordinator {
            Coordinator::Curious => {
                let tails = upper_tails(self.sites - 1, corrupt, degree);
                f64::from(self.sites - corrupt) * at(&tails, threshold)
                    + self.disconnection(degree, corrupt.saturating_add(absent))
            }
            Coordinator::Malicious => {
                let tails = upper_tails(self.sites, corrupt, degree / 2);
                f64::from(self.sites) * at(&tails, threshold.saturating_sub(degree / 2))
            }
        }
    }

    /// For each number of absent neighbours, a bound on the probability that some site has as many.
    fn losses(&self, degree: u32, absent: u32) -> Vec<f64> {
        let mut tails = upper_tails(self.sites - 1, absent, degree);
        tails.iter_mut().for_each(|tail| *tail *= f64::from(self.sites));
        tails
    }

    /// Bound on the probability that the rest falls apart when `gone` sites are taken out.
    fn disconnection(&self, degree: u32, gone: u32) -> f64 {
        let (sites, gone) = (f64::from(self.sites), f64::from(gone));
        if gone < f64::from(degree) {
            return 0.0;
        }
        let pairs = libm::log(sites) + libm::log(sites - f64::from(degree) - 1.0) - libm::log(2.0);
        libm::exp(pairs + ln_ratios(gone.min(sites), sites, degree)) * SLACK
    }
}

/// ln prod_(i < count) (part - i) / (whole - i).
fn ln_ratios(part: f64, whole: f64, count: u32) -> f64 {
    (0..count).map(f64::from).map(|i| libm::log((part - i) / (whole - i))).sum()
}

/// Entry `index` of tails, and zero past the end.
fn at(tails: &[f64], index: u32) -> f64 {
    tails.get(index as usize).copied().unwrap_or_default()
}

/// For x = 0, 1, ... `draws`: the probability of x or more marked ones among `draws` of `total`, of
/// which `marked` are marked, drawn without putting back. Rounded up.
pub(super) fn upper_tails(total: u32, marked: u32, draws: u32) -> Vec<f64> {
    let marked = marked.min(total);
    let least = draws.saturating_sub(total - marked);
    let most = draws.min(marked);
    let [total_f, marked_f, draws_f] = [total, marked, draws].map(f64::from);
    // The least number of marked ones: none is drawn, or all that are not marked are.
    let mut ln = if least == 0 {
        ln_ratios(total_f - marked_f, total_f, draws)
    } else {
        ln_ratios(draws_f, total_f, total - marked)
    };
    let mut tails = vec![0.0; draws as usize + 1];
    let entries = (0..).zip(&mut tails).skip(least as usize).take((most - least) as usize + 1);
    for (x, tail) in entries {
        *tail = libm::exp(ln);
        let x = f64::from(x);
        ln += libm::log(
            (marked_f - x) * (draws_f - x) / ((x + 1.0) * (total_f - marked_f - draws_f + x + 1.0)),
        );
    }
    // Smallest first.
    let mut sum = 0.0;
    for tail in tails.iter_mut().rev() {
        sum += *tail;
        *tail = f64::min(sum * SLACK, 1.0);
    }
    tails
}
