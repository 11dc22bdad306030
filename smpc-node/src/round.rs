//! A round at one node, as a state machine without I/O: no clock, no network, no storage.
//!
//! ```text
//! Collecting --close--> Closed --candidates--> Candidates --commit--> Committed --reveal-->
//! Revealed --agree--> Agreed --finish--> Ready
//! ```
//!
//! Each step consumes the one before, so no step can be skipped or repeated. Whoever drives the
//! machine stores what a step signed *before* it sends it (rules R3, N3), and rebuilds the state
//! from what was stored after a restart.
//!
//! - `Collecting`: the store takes complete submissions in, one a site, whose headers were verified.
//! - `Closed`: this node has signed what it holds and collects the others' held sets.
//! - `Candidates`: the intersection is known; this node makes its preparation shares.
//! - `Committed`: it has signed their digests and collects the others' commitments.
//! - `Revealed`: with all commitments there it may show its preparation shares, and checks the
//!   others' against what they committed to.
//! - `Agreed`: it has signed the candidates whose proofs hold and collects the others' signatures.
//! - `Ready`: all k signatures are over equal bytes; only now may the sum be computed.

use std::collections::{BTreeMap, BTreeSet};

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::IdentityKey;

use crate::Error;
use crate::manifest::Manifest;
use crate::record::{AcceptedSet, HeaderSet, HeldSet, Prepared, Signed, prep_digest, preps_digest};
use crate::spec::{RoundEvent, RoundSpec};

/// What all states share: the round and who is who.
#[derive(Clone, Debug)]
pub struct Context {
    /// The round's spec.
    pub spec: RoundSpec,
    /// Its digest.
    pub digest: Digest,
    /// This node's name.
    pub node: String,
    /// The manifest.
    pub manifest: std::sync::Arc<Manifest>,
}

impl Context {
    /// A context for a spec that [`RoundSpec::check`] has passed.
    #[must_use]
    pub fn new(spec: RoundSpec, node: &str, manifest: std::sync::Arc<Manifest>) -> Self {
        let digest = spec.digest();
        Self { spec, digest, node: node.to_owned(), manifest }
    }

    fn fail(&self, reason: String) -> Error {
        Error::RoundFailed { round: self.digest.short(), party: self.node.clone(), reason }
    }

    fn peers_missing<'a, T>(&'a self, have: &'a BTreeMap<String, T>) -> Vec<&'a str> {
        let nodes = self.manifest.nodes.iter().map(|node| node.name.as_str());
        nodes.filter(|node| *node != self.node && !have.contains_key(*node)).collect()
    }
}

/// Submissions come in.
#[derive(Debug)]
pub struct Collecting {
    context: Context,
    headers: BTreeMap<String, Digest>,
}

impl Collecting {
    /// An open round with the headers of the complete submissions in the store, which takes one a
    /// site (rule R2).
    #[must_use]
    pub fn new(context: Context, stored: Vec<(String, Digest)>) -> Self {
        Self { context, headers: stored.into_iter().collect() }
    }

    /// Ends collection: this node's held set, signed. Store it before sending it.
    #[must_use]
    pub fn close(self, key: &IdentityKey) -> (Closed, Signed) {
        let headers = HeaderSet::new(self.headers.into_iter().collect());
        let held = HeldSet {
            round: self.context.digest,
            node: self.context.node.clone(),
            headers: headers.clone(),
        };
        let signed = Signed::new(&held, key);
        (Closed { context: self.context, own: headers, others: BTreeMap::new() }, signed)
    }
}

/// This node has closed and collects the others' held sets.
#[derive(Debug)]
pub struct Closed {
    context: Context,
    own: HeaderSet,
    others: BTreeMap<String, HeaderSet>,
}

impl Closed {
    /// The state after a restart, from this node's own stored held set.
    ///
    /// # Errors
    /// When the stored set is not of this node and round.
    pub fn resume(context: Context, own: &Signed) -> Result<Self, Error> {
        let key = context.manifest.identity(&context.node)?;
        let held: HeldSet = own.verify(&context.node, &key, "held set")?;
        if held.round != context.digest || held.node != context.node {
            return Err(context.fail("the stored held set is of another round".into()));
        }
        Ok(Self { context, own: held.headers, others: BTreeMap::new() })
    }

    /// Takes in a peer's held set.
    ///
    /// # Errors
    /// [`Error::Peer`] when it is not the peer's or contradicts an earlier one.
    pub fn held(&mut self, peer: &str, signed: &Signed) -> Result<(), Error> {
        self.context.manifest.node(peer)?;
        let key = self.context.manifest.identity(peer)?;
        let held: HeldSet = signed.verify(peer, &key, "held set")?;
        let refuse =
            |problem: &str| Error::Peer { peer: peer.to_owned(), problem: problem.to_owned() };
        if held.round != self.context.digest || held.node != peer {
            return Err(refuse("its held set is of another round or node"));
        }
        match self.others.get(peer) {
            Some(earlier) if *earlier != held.headers => {
                Err(refuse("it signed two different held sets for this round"))
            }
            _ => {
                self.others.insert(peer.to_owned(), held.headers);
                Ok(())
            }
        }
    }

    /// Nodes whose held set is still missing.
    #[must_use]
    pub fn missing(&self) -> Vec<&str> {
        self.context.peers_missing(&self.others)
    }

    /// With all held sets there: what every node holds completely, so that a half-submission
    /// costs only its site (rule R3).
    ///
    /// # Errors
    /// [`Error::RoundFailed`] while a held set is missing.
    pub fn candidates(self) -> Result<Candidates, Error> {
        let missing = self.missing();
        if !missing.is_empty() {
            let problem = format!("no held set from {}", missing.join(", "));
            return Err(self.context.fail(problem));
        }
        let headers = self.others.values().fold(self.own, |set, other| set.intersection(other));
        Ok(Candidates { context: self.context, headers })
    }
}

/// The candidates are known; this node prepares each of them once (rule R4).
#[derive(Debug)]
pub struct Candidates {
    context: Context,
    headers: HeaderSet,
}

impl Candidates {
    /// The candidates.
    #[must_use]
    pub fn headers(&self) -> &HeaderSet {
        &self.headers
    }

    /// Commits to this node's preparation shares, in the candidates' order. Store shares and
    /// commitment before sending it.
    #[must_use]
    pub fn commit(self, preps: &[Vec<u8>], key: &IdentityKey) -> (Committed, Signed) {
        let Self { context, headers } = self;
        let entries = headers.entries().iter().zip(preps);
        let preps =
            entries.map(|((_, header), prep)| prep_digest(&context.node, header, prep)).collect();
        let prepared = Prepared {
            round: context.digest,
            node: context.node.clone(),
            candidates: headers,
            preps,
        };
        let own = Signed::new(&prepared, key);
        let others = BTreeMap::new();
        (Committed { context, own: (own.clone(), prepared), others }, own)
    }
}

/// This node has committed to its preparation shares and collects the others' commitments.
#[derive(Debug)]
pub struct Committed {
    context: Context,
    own: (Signed, Prepared),
    others: BTreeMap<String, (Signed, Prepared)>,
}

impl Committed {
    /// The state after a restart, from this node's own stored commitment.
    ///
    /// # Errors
    /// When the stored commitment is not of this node and round.
    pub fn resume(context: Context, own: &Signed) -> Result<Self, Error> {
        let key = context.manifest.identity(&context.node)?;
        let prepared: Prepared = own.verify(&context.node, &key, "preparation")?;
        if prepared.round != context.digest || prepared.node != context.node {
            return Err(context.fail("the stored preparation is of another round".into()));
        }
        Ok(Self { context, own: (own.clone(), prepared), others: BTreeMap::new() })
    }

    /// The candidates.
    #[must_use]
    pub fn candidates(&self) -> &HeaderSet {
        &self.own.1.candidates
    }

    /// Takes in a peer's commitment.
    ///
    /// # Errors
    /// [`Error::Peer`] when it is not the peer's, over other candidates, or contradicts an earlier
    /// one.
    pub fn prepared(&mut self, peer: &str, signed: &Signed) -> Result<(), Error> {
        self.context.manifest.node(peer)?;
        let key = self.context.manifest.identity(peer)?;
        let prepared: Prepared = signed.verify(peer, &key, "preparation")?;
        let refuse =
            |problem: &str| Error::Peer { peer: peer.to_owned(), problem: problem.to_owned() };
        if prepared.round != self.context.digest || prepared.node != peer {
            return Err(refuse("its preparation is of another round or node"));
        }
        if prepared.candidates != self.own.1.candidates {
            return Err(refuse("it prepared other candidates than follow from the held sets"));
        }
        match self.others.get(peer) {
            Some((_, earlier)) if *earlier != prepared => {
                Err(refuse("it committed to two different preparations of this round"))
            }
            _ => {
                self.others.insert(peer.to_owned(), (signed.clone(), prepared));
                Ok(())
            }
        }
    }

    /// Nodes whose commitment is still missing.
    #[must_use]
    pub fn missing(&self) -> Vec<&str> {
        self.context.peers_missing(&self.others)
    }

    /// With all commitments there: this node's preparation shares may be shown (rule R3).
    ///
    /// # Errors
    /// [`Error::RoundFailed`] while a commitment is missing.
    pub fn reveal(self) -> Result<Revealed, Error> {
        let missing = self.missing();
        if !missing.is_empty() {
            let problem =
                format!("no commitment to preparation shares from {}", missing.join(", "));
            return Err(self.context.fail(problem));
        }
        let Self { context, own, mut others } = self;
        let node = context.node.clone();
        let candidates = own.1.candidates.clone();
        others.insert(node, own);
        let in_order = context.manifest.nodes.iter().filter_map(|node| others.get(&node.name));
        let preps = preps_digest(in_order.map(|(signed, _)| signed));
        let expected = others.into_iter().map(|(node, (_, body))| (node, body.preps)).collect();
        Ok(Revealed { context, candidates, expected, preps })
    }
}

/// All nodes have committed to their preparation shares; they may be shown and compared.
#[derive(Debug)]
pub struct Revealed {
    context: Context,
    candidates: HeaderSet,
    expected: BTreeMap<String, Vec<Digest>>,
    preps: Digest,
}

impl Revealed {
    /// The candidates.
    #[must_use]
    pub fn candidates(&self) -> &HeaderSet {
        &self.candidates
    }

    /// Checks a node's preparation shares, in the candidates' order, against its commitment.
    ///
    /// # Errors
    /// [`Error::Peer`] when they are not what the node committed to.
    pub fn check(&self, node: &str, preps: &[Vec<u8>]) -> Result<(), Error> {
        let expected = self.expected.get(node).map_or(&[][..], Vec::as_slice);
        let headers = self.candidates.entries().iter().map(|(_, header)| header);
        let digests = headers.zip(preps).map(|(header, prep)| prep_digest(node, header, prep));
        if preps.len() == expected.len() && digests.eq(expected.iter().copied()) {
            Ok(())
        } else {
            Err(Error::Peer {
                peer: node.to_owned(),
                problem: "its preparation shares are not the ones that it committed to".into(),
            })
        }
    }

    /// The accepted set, signed: the candidates without those whose proof failed. Store it before
    /// sending it.
    ///
    /// `exact` is the accepted set of the study's first round without noise, if this is another
    /// one: all exact releases of a study, of whatever task, are over the same sites, since two
    /// that differ by a site give that site's numbers by subtraction (rule X2). Other sites are
    /// left out; a missing one fails the round.
    ///
    /// # Errors
    /// [`Error::RoundFailed`] below the floor (rule R8), and without a site of `exact`.
    pub fn agree(
        self,
        failed: &BTreeSet<String>,
        key: &IdentityKey,
        exact: Option<&AcceptedSet>,
    ) -> Result<(Agreed, Signed), Error> {
        let Self { context, candidates, preps, .. } = self;
        let (refused, mut headers) = candidates.partition(failed);
        let left_out = match refused.entries() {
            [] => String::new(),
            _ => format!("; proofs failed: {}", refused.sites().collect::<Vec<_>>().join(", ")),
        };
        if let (RoundEvent::Exact, Some(first)) = (context.spec.event, exact) {
            headers = headers.of_sites_in(&first.headers);
            if !first.headers.sites().eq(headers.sites()) {
                return Err(context.fail(format!(
                    "exact rounds of a study are over the sites of its first one (rule X2), and \
                     one is missing{left_out}; bring it back and start another attempt"
                )));
            }
        }
        let operators: BTreeSet<&str> = headers
            .sites()
            .filter_map(|name| context.manifest.site(name).ok())
            .map(|site| site.operator.as_str())
            .collect();
        let floor = context.spec.min_sites.max(context.manifest.min_sites) as usize;
        if operators.len() < floor {
            return Err(context.fail(format!(
                "{} distinct operators submitted to all nodes, the floor is {floor}{left_out}; \
                 bring sites back and start another attempt",
                operators.len()
            )));
        }
        let accepted = AcceptedSet { round: context.digest, headers, refused, preps };
        let signed = Signed::new(&accepted, key);
        let signatures = BTreeMap::new();
        Ok((Agreed { context, accepted, own: signed.clone(), signatures }, signed))
    }
}

/// This node has signed an accepted set and collects the others' signatures.
#[derive(Debug)]
pub struct Agreed {
    context: Context,
    accepted: AcceptedSet,
    own: Signed,
    signatures: BTreeMap<String, Signed>,
}

impl Agreed {
    /// The state after a restart, from this node's own stored accepted set.
    ///
    /// # Errors
    /// When the stored set is not of this node and round.
    pub fn resume(context: Context, own: &Signed) -> Result<Self, Error> {
        let key = context.manifest.identity(&context.node)?;
        let accepted: AcceptedSet = own.verify(&context.node, &key, "accepted set")?;
        if accepted.round != context.digest {
            return Err(context.fail("the stored accepted set is of another round".into()));
        }
        Ok(Self { context, accepted, own: own.clone(), signatures: BTreeMap::new() })
    }

    /// Takes in a peer's signature over its accepted set.
    ///
    /// # Errors
    /// [`Error::Peer`] when it is not the peer's, or over another set: then this round can never
    /// be released here.
    pub fn accepted(&mut self, peer: &str, signed: &Signed) -> Result<(), Error> {
        self.context.manifest.node(peer)?;
        let key = self.context.manifest.identity(peer)?;
        let accepted: AcceptedSet = signed.verify(peer, &key, "accepted set")?;
        if accepted != self.accepted {
            return Err(Error::Peer {
                peer: peer.to_owned(),
                problem: format!(
                    "it accepted another set ({} sites) than this node ({} sites), or from other \
                     commitments",
                    accepted.headers.entries().len(),
                    self.accepted.headers.entries().len()
                ),
            });
        }
        self.signatures.insert(peer.to_owned(), signed.clone());
        Ok(())
    }

    /// Digest of the accepted set.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.accepted.digest()
    }

    /// Nodes whose signature is still missing.
    #[must_use]
    pub fn missing(&self) -> Vec<&str> {
        self.context.peers_missing(&self.signatures)
    }

    /// With k equal signatures: the right to compute the sum (rule R3).
    ///
    /// # Errors
    /// [`Error::RoundFailed`] while a signature is missing.
    pub fn finish(self) -> Result<Ready, Error> {
        let missing = self.missing();
        if missing.is_empty() {
            Ok(Ready { context: self.context, accepted: self.accepted, signed: self.own })
        } else {
            let problem = format!("no signed accepted set from {}", missing.join(", "));
            Err(self.context.fail(problem))
        }
    }
}

/// All nodes signed the same accepted set. Only [`Agreed::finish`] makes one.
#[derive(Debug)]
pub struct Ready {
    context: Context,
    accepted: AcceptedSet,
    signed: Signed,
}

impl Ready {
    /// The round.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The accepted set.
    #[must_use]
    pub fn accepted(&self) -> &AcceptedSet {
        &self.accepted
    }

    /// This node's signature over it.
    #[must_use]
    pub fn signed(&self) -> &Signed {
        &self.signed
    }
}
