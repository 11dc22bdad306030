//! Four sites whose randomness is fixed, so that a site is a function of what it is shown.
//!
//! States of sites hold secrets and cannot be copied, nor should they. A checker that goes back to
//! an earlier state plays the site again from the beginning; what it said is remembered by what it
//! was shown.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::IdentityKey;
use haima_crypto::secagg::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::network::{LEN, Network, input, sent};

pub(crate) const SITES: u32 = 4;
/// Of the four, with which one corrupt site is borne.
pub(crate) const THRESHOLD: usize = 3;

/// What a coordinator shows a site.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    message: Arc<Message>,
    digest: Digest,
}

#[derive(Debug)]
enum Message {
    Delivery(Delivery),
    Partition(Partition),
    Request(UnmaskRequest),
}

impl Shown {
    pub(crate) fn delivery(delivery: Delivery) -> Self {
        let digest = delivery.digest();
        Self { message: Arc::new(Message::Delivery(delivery)), digest }
    }

    pub(crate) fn partition(partition: Partition) -> Self {
        let digest = partition.digest();
        Self { message: Arc::new(Message::Partition(partition)), digest }
    }

    pub(crate) fn request(request: UnmaskRequest) -> Self {
        let digest = request.digest();
        Self { message: Arc::new(Message::Request(request)), digest }
    }

    /// Of the message's bytes.
    pub(crate) fn digest(&self) -> &Digest {
        &self.digest
    }
}

/// What a site says to it.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Vector(MaskedInput),
    Confirmation(Confirmation),
    Answer(UnmaskShares),
}

impl Said {
    pub(crate) fn digest(&self) -> Digest {
        match self {
            Self::Vector(vector) => vector.digest(),
            Self::Confirmation(confirmation) => confirmation.digest(),
            Self::Answer(answer) => answer.digest(),
        }
    }
}

/// A site at one of its steps.
enum Site {
    Shared(Shared),
    Masked(Masked),
    Confirmed(Confirmed),
    Answered(Answered),
}

impl Site {
    /// The only calls that the types allow: a delivery once, then a partition once, then requests.
    fn hear(self, shown: &Shown, identity: &IdentityKey, site: u32) -> Result<(Self, Said), Error> {
        match (self, &*shown.message) {
            (Self::Shared(state), Message::Delivery(delivery)) => {
                let ready = state.receive(&sent(delivery))?;
                let (state, vector) = ready.mask(&input(site, LEN), identity)?;
                Ok((Self::Masked(state), Said::Vector(sent(&vector))))
            }
            (Self::Masked(state), Message::Partition(partition)) => {
                let (state, confirmation) = state.confirm(&sent(partition), identity)?;
                Ok((Self::Confirmed(state), Said::Confirmation(sent(&confirmation))))
            }
            (Self::Confirmed(state), Message::Request(request)) => {
                let (state, answer) = state.unmask(&sent(request), identity)?;
                Ok((Self::Answered(state), Said::Answer(sent(&answer))))
            }
            (Self::Answered(state), Message::Request(request)) => {
                let stored = Answered::from_bytes(&state.to_bytes())?;
                let answer = stored.again(&sent(request))?.clone();
                Ok((Self::Answered(state), Said::Answer(answer)))
            }
            (_, message) => panic!("no step takes {message:?}"),
        }
    }
}

/// A site, and the digests of what it is shown.
type Script = (u32, Vec<Digest>);

/// The sites, by what has been seen of them.
pub(crate) struct Cast {
    pub(crate) context: RoundContext,
    identities: Vec<IdentityKey>,
    /// Pair keys before the round, as stored.
    keys: Vec<Vec<u8>>,
    heard: Mutex<HashMap<Script, Result<Arc<Said>, Error>>>,
}

impl Cast {
    pub(crate) fn new() -> Self {
        let network = Network::new(SITES, 0);
        let context = network.context();
        assert_eq!(context.terms().threshold as usize, THRESHOLD);
        assert_eq!(context.terms().corrupt, 1);
        let keys = network.keys.iter().map(|keys| keys.to_bytes().to_vec()).collect();
        Self { context, identities: network.identities, keys, heard: Mutex::default() }
    }

    /// A site's first message. Another `draw` is another draw of its secrets: what a corrupt site
    /// can send beside the first.
    fn start(&self, site: u32, draw: u8) -> (Shared, SharesMessage) {
        let at = site as usize;
        let mut keys = PairKeys::from_bytes(&self.keys[at]).unwrap();
        let mut rng = ChaCha20Rng::from_seed([16 * draw + site as u8 + 1; 32]);
        let identity = &self.identities[at];
        Shared::start(self.context.clone(), &mut keys, identity, &mut rng).unwrap()
    }

    pub(crate) fn shares(&self, site: u32, draw: u8) -> SharesMessage {
        sent(&self.start(site, draw).1)
    }

    pub(crate) fn identity(&self, site: u32) -> &IdentityKey {
        &self.identities[site as usize]
    }

    /// What a site says to the last of what it is shown.
    ///
    /// # Errors
    /// The site's refusal.
    pub(crate) fn says(&self, site: u32, shown: &[Shown]) -> Result<Arc<Said>, Error> {
        let script = (site, shown.iter().map(|shown| shown.digest).collect());
        if let Some(said) = self.heard.lock().unwrap().get(&script) {
            return said.clone();
        }
        let said = self.play(site, shown).map(Arc::new);
        self.heard.lock().unwrap().insert(script, said.clone());
        said
    }

    fn play(&self, site: u32, shown: &[Shown]) -> Result<Said, Error> {
        let (last, before) = shown.split_last().expect("something is shown");
        let identity = self.identity(site);
        let mut state = Site::Shared(self.start(site, 0).0);
        for shown in before {
            (state, _) = state.hear(shown, identity, site)?;
        }
        state.hear(last, identity, site).map(|(_, said)| said)
    }
}
