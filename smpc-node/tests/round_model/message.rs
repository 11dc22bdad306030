//! What nodes tell each other, as a value that a checker can compare.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use haima_crypto::encode::{Canonical, Digest};
use haima_smpc_node::record::Signed;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// A signed held set.
    Held,
    /// A signed commitment to preparation shares.
    Prepared,
    /// The preparation shares.
    Preps,
    /// A signed accepted set.
    Accepted,
    /// A signed release: what a sum is, by digest.
    Release,
    /// The sum.
    Sum,
    /// Signed, that a node gave the round up and committed to nothing.
    GivenUp,
    /// That a node gave the round up, unsigned.
    Word,
}

/// A message of a node, by its position. Two are equal when their bytes are.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    pub(crate) from: usize,
    digest: Digest,
    body: Arc<Body>,
}

enum Body {
    Signed(Signed),
    Bytes(Vec<Vec<u8>>),
}

impl Message {
    pub(crate) fn signed(from: usize, kind: Kind, signed: Signed) -> Self {
        let digest = Digest::of(&[&signed.body[..], &signed.signature.as_bytes()[..]].concat());
        Self { kind, from, digest, body: Arc::new(Body::Signed(signed)) }
    }

    pub(crate) fn bytes(from: usize, kind: Kind, bytes: Vec<Vec<u8>>) -> Self {
        let digest = Digest::of(&bytes.concat());
        Self { kind, from, digest, body: Arc::new(Body::Bytes(bytes)) }
    }

    /// The signed record, of a kind that is one.
    pub(crate) fn record(&self) -> &Signed {
        match &*self.body {
            Body::Signed(signed) => signed,
            Body::Bytes(_) => panic!("{self:?} is not signed"),
        }
    }

    /// What is signed, unchecked: of this node's own, and of what it checked before.
    pub(crate) fn said<T: Canonical>(&self) -> T {
        T::from_bytes(&self.record().body).expect("a record that was signed here or checked")
    }

    /// The bytes, of a kind that is not signed.
    pub(crate) fn parts(&self) -> &[Vec<u8>] {
        match &*self.body {
            Body::Bytes(bytes) => bytes,
            Body::Signed(_) => panic!("{self:?} is a record"),
        }
    }

    fn key(&self) -> (Kind, usize, Digest) {
        (self.kind, self.from, self.digest)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of node {}: {}", self.kind, self.from + 1, self.digest.short())
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Message {}

impl PartialOrd for Message {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Message {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl Hash for Message {
    fn hash<H: Hasher>(&self, to: &mut H) {
        self.key().hash(to);
    }
}
