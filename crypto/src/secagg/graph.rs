//! Who masks with whom when not everybody does: a k-regular graph (Bell, Bonawitz, Gascón, Lepoint
//! and Raykova, "Secure Single-Server Aggregation with (Poly)Logarithmic Overhead", CCS 2020, ePrint
//! 2020/704).
//!
//! The graph is a Harary (circulant) graph, in which the sites on a circle are joined to the k/2
//! before and the k/2 after them, under a random permutation of the sites. Each site agrees on masks
//! with its k neighbours and shares its secrets among them, any t of whom reconstruct. How large k
//! and t must be is in [`Assumptions`].
//!
//! # In a round
//! No step of a round uses it yet: a roster ends at [`super::MAX_SITES`], below which the full graph
//! is cheap. Above, with G the graph of the epoch's coin, "the others" would become "the neighbours
//! in G" where keys and shares are, and stay everybody where the sum is:
//!
//! | | full graph | G |
//! |---|---|---|
//! | pair keys, pairwise masks, the backup's subkeys | n - 1 others | k neighbours |
//! | shares of b and a | to n, any t > 2n/3 | to k neighbours, any t of [`Parameters`] |
//! | headers delivered to a site | all sharers' | neighbours', and a digest of all |
//! | partition that is signed | of the roster | of the roster |
//! | survivors who confirm before a site answers | t of n | t of n: see below |
//! | shares in an answer | one of each sharer | one of each neighbour that shared |
//! | masks taken off | self-masks of survivors, pairs of the vanished | the same, along edges |
//!
//! [`Coordinator::Malicious`] assumes that everybody sees one partition. t of a site's k neighbours
//! do not show that, since two far parts of the circle have no neighbour in common: it takes
//! signatures of over two thirds of *all* sites (64 bytes each) or one that aggregates them.
//!
//! # What is assumed of the caller
//! The coin is public, and *nobody who names corrupt sites knows it first*; the coordinator alone
//! must not choose it (commit and reveal, one contribution a site). The graph lasts as long as the
//! coin; drawing one a round gives the adversary one chance a round.
//!
//! # Departures from the paper
//! The paper lets the server draw the graph, or, against a server that deviates, lets each site draw
//! its own neighbours; here everybody computes the one graph from the coin. The permutation is
//! Fisher and Yates' over words below 2^32 of AES-128 in counter mode, keyed by HMAC-SHA256 under
//! the coin ([`crate::xof`]), with rejection of words that would bias it.

mod bounds;
#[cfg(test)]
mod tests;

pub use self::bounds::{Assumptions, Coordinator, Failure, Parameters};
use crate::Error;
use crate::encode::Digest;
use crate::xof::{ByteStream, Xof, XofHmacSha256Aes128};

const TAG: &[u8] = b"haima graph 1";

/// A k-regular graph over sites 0 to n - 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// The site at each place of the circle.
    circle: Vec<u32>,
    /// The place of each site.
    places: Vec<u32>,
    degree: u32,
}

impl Graph {
    /// The graph of a public coin.
    ///
    /// # Errors
    /// [`Error::Parameter`] for fewer than two sites, and unless the degree is even and from 2 to
    /// n - 2, or n - 1, which joins everybody.
    pub fn new(sites: u32, degree: u32, coin: &Digest) -> Result<Self, Error> {
        if sites < 2 {
            let max = u32::MAX.into();
            return Err(Error::Parameter { what: "sites", got: sites.into(), min: 2, max });
        }
        check_degree(sites, degree)?;
        let circle = permutation(sites, coin);
        let mut places = vec![0; circle.len()];
        for (place, site) in (0..).zip(&circle) {
            if let Some(slot) = places.get_mut(*site as usize) {
                *slot = place;
            }
        }
        Ok(Self { circle, places, degree })
    }

    /// Number of sites.
    #[must_use]
    pub fn sites(&self) -> u32 {
        self.circle.len() as u32
    }

    /// Neighbours of each site.
    #[must_use]
    pub fn degree(&self) -> u32 {
        self.degree
    }

    /// The neighbours of a site, ascending.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a site that is not in the graph.
    pub fn neighbours(&self, site: u32) -> Result<Vec<u32>, Error> {
        let sites = self.sites();
        let place = self.places.get(site as usize).copied().ok_or(Error::Parameter {
            what: "site of the graph",
            got: site.into(),
            min: 0,
            max: (sites - 1).into(),
        })?;
        // From degree / 2 places before on, without the site itself. For the full graph of an odd
        // degree one more comes after than before.
        let half = self.degree / 2;
        let start = u64::from(place) + u64::from(sites - half);
        let mut neighbours: Vec<u32> = (0..=u64::from(self.degree))
            .filter(|step| *step != u64::from(half))
            .filter_map(|step| {
                self.circle.get(((start + step) % u64::from(sites)) as usize).copied()
            })
            .collect();
        neighbours.sort_unstable();
        Ok(neighbours)
    }
}

fn check_degree(sites: u32, degree: u32) -> Result<(), Error> {
    let regular = degree.is_multiple_of(2) && (2..sites.saturating_sub(1)).contains(&degree);
    if regular || degree == sites.saturating_sub(1) {
        return Ok(());
    }
    Err(Error::Parameter {
        what: "degree, even or joining all",
        got: degree.into(),
        min: 2u32.min(sites.saturating_sub(1)).into(),
        max: sites.saturating_sub(1).into(),
    })
}

/// A uniform permutation of 0 to n - 1.
fn permutation(sites: u32, coin: &Digest) -> Vec<u32> {
    let mut words = Words {
        stream: XofHmacSha256Aes128::init(coin.as_bytes(), TAG).finish(),
        buffer: [0; 4096],
        next: 4096,
    };
    let mut order: Vec<u32> = (0..sites).collect();
    for last in (1..sites).rev() {
        order.swap(last as usize, words.at_most(last) as usize);
    }
    order
}

struct Words<S> {
    stream: S,
    buffer: [u8; 4096],
    next: usize,
}

impl<S: ByteStream> Words<S> {
    /// The next little-endian word.
    fn word(&mut self) -> u32 {
        if self.next >= self.buffer.len() {
            self.stream.fill(&mut self.buffer);
            self.next = 0;
        }
        let bytes = self.buffer.get(self.next..).and_then(<[u8]>::first_chunk);
        self.next += 4;
        u32::from_le_bytes(bytes.copied().unwrap_or_default())
    }

    /// A uniform integer from 0 to `last`: words past the last multiple of `last` + 1 are skipped.
    fn at_most(&mut self, last: u32) -> u32 {
        let count = u64::from(last) + 1;
        let whole = (1 << 32) / count * count;
        loop {
            let word = u64::from(self.word());
            if word < whole {
                return (word % count) as u32;
            }
        }
    }
}
