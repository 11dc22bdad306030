//! A round at one node, as a state machine without I/O: no clock, no network, no storage.
//!
//! ```text
//! Collecting --close--> Closed --agree--> Agreed --finish--> Ready
//! ```
//!
//! Each step consumes the one before, so no step can be skipped or repeated. Whoever drives the
//! machine stores what a step signed *before* it sends it (rules R3, N3), and rebuilds the state
//! from what was stored after a restart.
//!
//! - `Collecting`: verified headers are registered, one a site.
//! - `Closed`: this node has signed what it holds and collects the others' held sets.
//! - `Agreed`: it has signed the intersection and collects the others' signatures over it.
//! - `Ready`: all k signatures are over equal bytes; only now may the sum be computed.

use std::collections::{BTreeMap, BTreeSet};

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::IdentityKey;

use crate::Error;
use crate::manifest::Manifest;
use crate::record::{AcceptedSet, HeaderSet, HeldSet, Signed};
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
    /// An open round, with the headers that were stored before a restart.
    #[must_use]
    pub fn new(context: Context, stored: Vec<(String, Digest)>) -> Self {
        Self { context, headers: stored.into_iter().collect() }
    }

    /// Registers a complete submission whose header was verified; `true` when it is new.
    ///
    /// # Errors
    /// [`Error::Submission`] when the site already submitted another one for this round.
    pub fn register(&mut self, site: &str, header: Digest) -> Result<bool, Error> {
        match self.headers.get(site) {
            None => {
                self.headers.insert(site.to_owned(), header);
                Ok(true)
            }
            Some(held) if *held == header => Ok(false),
            Some(_) => Err(Error::Submission {
                site: site.to_owned(),
                problem: "it already submitted another contribution for this round".into(),
            }),
        }
    }

    /// Whether every site of the roster has submitted.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.headers.len() == self.context.manifest.sites.len()
    }

    /// Complete submissions so far.
    #[must_use]
    pub fn held(&self) -> usize {
        self.headers.len()
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

    /// With all held sets there: the accepted set, signed. Store it before sending it.
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
        key: &IdentityKey,
        exact: Option<&AcceptedSet>,
    ) -> Result<(Agreed, Signed), Error> {
        let missing = self.missing();
        if !missing.is_empty() {
            let problem = format!("no held set from {}", missing.join(", "));
            return Err(self.context.fail(problem));
        }
        let mut headers = self.others.values().fold(self.own, |set, other| set.intersection(other));
        let context = self.context;
        if let (RoundEvent::Exact, Some(first)) = (context.spec.event, exact) {
            headers = headers.of_sites_in(&first.headers);
            if !first.headers.sites().eq(headers.sites()) {
                return Err(context.fail(
                    "exact rounds of a study are over the sites of its first one (rule X2), and \
                     one is missing; bring it back and start another attempt"
                        .into(),
                ));
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
                "{} distinct operators submitted to all nodes, the floor is {floor}; \
                 bring sites back and start another attempt",
                operators.len()
            )));
        }
        let accepted = AcceptedSet { round: context.digest, headers };
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
                    "it accepted another set ({} sites) than this node ({} sites)",
                    accepted.headers.entries().len(),
                    self.accepted.headers.entries().len()
                ),
            });
        }
        self.signatures.insert(peer.to_owned(), signed.clone());
        Ok(())
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
