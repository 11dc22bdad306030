//! Why a party of a masked round goes no further, and who may be to blame.

/// A refusal. Sites are named as the roster names them.
///
/// A client that meets one has left the round: its state is consumed, nothing more is sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A roster of too few or too many sites.
    #[error("{got} sites: masked rounds are for {min} to {max}")]
    Sites {
        /// Sites of the roster.
        got: usize,
        /// Fewest.
        min: usize,
        /// Most.
        max: usize,
    },
    /// Two entries of a roster with one name or one key, or a name that is none.
    #[error(
        "the roster's entry {name:?} has no name, too long a one, or that of another, or its key"
    )]
    Roster {
        /// The entry's name.
        name: String,
    },
    /// A threshold at which two sets of survivors could both be confirmed.
    #[error("threshold {threshold} of {sites} sites: between {least} and {sites} are needed")]
    Threshold {
        /// What was asked for.
        threshold: u32,
        /// Sites of the roster.
        sites: u32,
        /// Least number over two thirds.
        least: u32,
    },
    /// More corrupt sites than the threshold tolerates (rule M1).
    #[error(
        "{corrupt} sites against which to be secret: with threshold {threshold} of {sites} it is \
         fewer than {bound}"
    )]
    Corrupt {
        /// What was asked for.
        corrupt: u32,
        /// The threshold t.
        threshold: u32,
        /// The sites n.
        sites: u32,
        /// 2t - n.
        bound: u32,
    },
    /// A floor that no round meets, or an empty vector.
    #[error("{what}: {got} is not between {min} and {max}")]
    Terms {
        /// Which of the terms.
        what: &'static str,
        /// What was asked for.
        got: usize,
        /// Smallest.
        min: usize,
        /// Largest.
        max: usize,
    },
    /// An identity that the roster does not have.
    #[error("the identity {identity} is not in the roster")]
    NotInRoster {
        /// Its fingerprint.
        identity: String,
    },
    /// A position that the roster does not have: a party that the manifest lacks.
    #[error("site {position} is named, and the manifest has {sites}; it was not admitted")]
    UnknownSite {
        /// The position, from 0.
        position: u32,
        /// Sites of the roster.
        sites: usize,
    },
    /// Pair keys of another roster than the round's.
    #[error("the round's roster is not that of this site's pair keys; agree on keys anew")]
    AnotherRoster,
    /// Pair keys of another epoch than the round's.
    #[error("the round's epoch is not that of this site's pair keys")]
    AnotherKeys,
    /// An epoch's message that belongs to another epoch, manifest or roster.
    #[error("the {what} of {site} is of another epoch, manifest or roster")]
    AnotherEpoch {
        /// Which message.
        what: &'static str,
        /// Who signed it.
        site: String,
    },
    /// One public key advertised by two sites.
    #[error("{first} and {second} advertise the same key; one of them copied it")]
    SameKey {
        /// The first in the roster.
        first: String,
        /// The second.
        second: String,
    },
    /// A pair's secret, an envelope, or a backup that does not open. Of the first two it is the word
    /// of the one site that could open it: see [`Error::culprits`].
    #[error("the {what} of {site} does not open")]
    Sealed {
        /// What was sealed.
        what: &'static str,
        /// Who sealed it.
        site: String,
    },
    /// As many rounds as an epoch has.
    #[error("{rounds} rounds were run with these pair keys; agree on new ones")]
    EpochSpent {
        /// Rounds an epoch.
        rounds: usize,
    },
    /// A round that these pair keys were used for before.
    #[error("round {round} was begun before: it cannot be begun again with the same keys")]
    RoundAgain {
        /// The round's digest, in short.
        round: String,
    },
    /// A message of another round, of this study or another.
    #[error("the {what} of {site} is of another round")]
    AnotherRound {
        /// Which message.
        what: &'static str,
        /// Who signed it.
        site: String,
    },
    /// A message of this round, but under another roster, epoch, threshold, floor or length.
    #[error("the {what} of {site} is of this round under other terms")]
    OtherTerms {
        /// Which message.
        what: &'static str,
        /// Who signed it.
        site: String,
    },
    /// A signature that does not verify: the message was changed, or is another party's.
    #[error("the signature of {site} over its {what} does not verify")]
    Signature {
        /// Which message.
        what: &'static str,
        /// Who should have signed it.
        site: String,
    },
    /// A message for one site that came to another.
    #[error("the {what} of {from} is for {to}")]
    Misdirected {
        /// Which message.
        what: &'static str,
        /// Who signed it.
        from: String,
        /// Whom it is for.
        to: String,
    },
    /// Two messages of one site where there is one.
    #[error("{site} has more than one {what}")]
    Duplicate {
        /// Which message.
        what: &'static str,
        /// The site.
        site: String,
    },
    /// A message that should have come.
    #[error("the {what} of {site} is missing")]
    Missing {
        /// Which message.
        what: &'static str,
        /// The site.
        site: String,
    },
    /// This site's own message, not as it was sent.
    #[error("this site's own {what} came back changed, or not at all")]
    Own {
        /// Which message.
        what: &'static str,
    },
    /// Something of another length than agreed.
    #[error("the {what} of {site}: {got} instead of {expected}")]
    Length {
        /// What it is.
        what: &'static str,
        /// Whose it is.
        site: String,
        /// Agreed length.
        expected: usize,
        /// Length that came.
        got: usize,
    },
    /// Parts of a message that are not those that its header signs. They have no signature of their
    /// own: whoever carried them may have changed them.
    #[error("the {what} of {site} are not those that its header signs")]
    Changed {
        /// Which message.
        what: &'static str,
        /// Whose header it is.
        site: String,
    },
    /// Signed contents that are not what they should be.
    #[error("the {what} of {site} is not a valid one")]
    Invalid {
        /// What it is.
        what: &'static str,
        /// Whose it is.
        site: String,
    },
    /// A cohort below the threshold or the floor.
    #[error("{got} {what}: this round needs {need}")]
    TooFewSites {
        /// Which sites.
        what: &'static str,
        /// How many there are.
        got: usize,
        /// The threshold or the floor, whichever is larger.
        need: usize,
    },
    /// A partition that has a site in two of its lists: it would be unmasked twice.
    #[error("{site} is in the partition twice: nobody may be survivor and vanished at once")]
    Overlap {
        /// The site.
        site: String,
    },
    /// A partition that leaves a site out.
    #[error("{site} is in no list of the partition")]
    Uncovered {
        /// The site.
        site: String,
    },
    /// A partition whose sharers are not those under whose masks this site hid its vector.
    #[error("the partition has {site} among the sharers or not, unlike this round's shares")]
    OtherSharers {
        /// The first site in which they differ.
        site: String,
    },
    /// A partition that counts this site, whose masked vector was sent, as gone.
    #[error("the partition does not have this site among the survivors")]
    NotASurvivor,
    /// Another partition than the one that this site confirmed.
    #[error("the request's partition is not the one that this site confirmed")]
    AnotherPartition,
    /// A confirmation or an answer by a site that is no survivor.
    #[error("{site} is no survivor and has no {what} to give")]
    NoSurvivor {
        /// Which message.
        what: &'static str,
        /// The site.
        site: String,
    },
    /// Fewer confirmations than the threshold.
    #[error("{got} confirmations of the partition, and {need} are needed")]
    TooFewConfirmations {
        /// How many there are.
        got: usize,
        /// The threshold.
        need: usize,
    },
    /// A second request after a site's only answer.
    #[error("this round was answered, and another request is not")]
    AnsweredAlready,
    /// Shares of which no reconstruction gives what the dealer committed to.
    #[error("the shares of the {what} of {dealer} do not give it: {dealer} or a holder deviated")]
    Unrecoverable {
        /// Which secret.
        what: &'static str,
        /// Whose secret.
        dealer: String,
        /// Who answered with shares of it.
        holders: Vec<String>,
    },
    /// Bytes, shares or parameters that the crate's other parts refuse.
    #[error(transparent)]
    Crypto(#[from] crate::Error),
}

/// A party that may have deviated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// Who relays; to the coordinator itself, whatever carried the message to it.
    Coordinator,
    /// A site, by name.
    Site(String),
}

impl Error {
    /// The parties of whom at least one deviated, to the eyes of the caller, who knows that it did
    /// not. Empty where the caller's own arguments were wrong, and where it cannot be said.
    ///
    /// # Security
    /// No proof to anybody else: what does not open ([`Error::Sealed`]) for one site is that site's
    /// word, and a site that lies about it frames an honest dealer. Whoever hears of an error from a
    /// site counts that site among the culprits, and excludes nobody on one report.
    #[must_use]
    pub fn culprits(&self) -> Vec<Party> {
        let site = |name: &String| Party::Site(name.clone());
        match self {
            Self::Sites { .. }
            | Self::Roster { .. }
            | Self::Threshold { .. }
            | Self::Corrupt { .. }
            | Self::Terms { .. }
            | Self::NotInRoster { .. }
            | Self::AnotherRoster
            | Self::AnotherKeys
            | Self::EpochSpent { .. }
            | Self::RoundAgain { .. }
            | Self::TooFewSites { .. }
            | Self::Crypto(_) => Vec::new(),
            Self::UnknownSite { .. }
            | Self::Own { .. }
            | Self::Overlap { .. }
            | Self::Uncovered { .. }
            | Self::OtherSharers { .. }
            | Self::NotASurvivor
            | Self::AnotherPartition
            | Self::TooFewConfirmations { .. }
            | Self::AnsweredAlready => vec![Party::Coordinator],
            Self::AnotherEpoch { site: name, .. }
            | Self::AnotherRound { site: name, .. }
            | Self::OtherTerms { site: name, .. }
            | Self::Signature { site: name, .. }
            | Self::Misdirected { from: name, .. }
            | Self::Duplicate { site: name, .. }
            | Self::Missing { site: name, .. }
            | Self::Changed { site: name, .. }
            | Self::Length { site: name, .. }
            | Self::NoSurvivor { site: name, .. } => {
                vec![Party::Coordinator, site(name)]
            }
            // What it signed, no one else can have put there: the caller saw it, others did not.
            Self::Sealed { site: name, .. } | Self::Invalid { site: name, .. } => vec![site(name)],
            Self::SameKey { first, second } => vec![site(first), site(second)],
            Self::Unrecoverable { dealer, holders, .. } => std::iter::once(dealer)
                .chain(holders.iter().filter(|name| *name != dealer))
                .map(site)
                .collect(),
        }
    }
}
