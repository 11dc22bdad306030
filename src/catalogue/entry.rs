//! What a party signs: one version of one entry, bound to its registry.

use std::fmt;
use std::str::FromStr;

use haima_crypto::encode::{Digest, Encoder, from_hex, to_hex};
use haima_crypto::identity::{IdentityKey, Signature};
use serde::{Deserialize, Serialize};

use super::charter::{Charter, Member};
use super::check::{self, LINE};
use super::model::Model;
use super::offer::Offer;
use super::report::Report;
use super::study::Study;

/// Form of an entry's file.
pub const SCHEMA: &str = "haima.registry-entry/1";
/// Versions that an entry may have.
const MOST_VERSIONS: u32 = 100_000;

/// What an entry is about.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A site's population and variables.
    Site,
    /// A study, from its manifest.
    Study,
    /// A trained model, from its file.
    Model,
    /// A generator of virtual patients, from its file.
    Generator,
    /// The report of a study.
    Report,
}

impl Kind {
    /// All of them, in the order of a page.
    pub const ALL: [Self; 5] =
        [Self::Study, Self::Site, Self::Model, Self::Generator, Self::Report];

    /// As files and options name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Study => "study",
            Self::Model => "model",
            Self::Generator => "generator",
            Self::Report => "report",
        }
    }
}

/// Which entry: kind, party and name, written `site/ohio-state/aml`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    /// What it is about.
    pub kind: Kind,
    /// Who says it.
    pub party: String,
    /// Its name among those of the party.
    pub name: String,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind.name(), self.party, self.name)
    }
}

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || "say which entry as KIND/PARTY/NAME, as `haima registry list` shows it";
        let mut parts = text.splitn(3, '/');
        let (Some(kind), Some(party), Some(name)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(form().into());
        };
        let kind = Kind::ALL.into_iter().find(|own| own.name() == kind).ok_or_else(form)?;
        check::name("party", party)?;
        check::name("name", name)?;
        Ok(Self { kind, party: party.to_owned(), name: name.to_owned() })
    }
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// Of a site.
    Site(Offer),
    /// Of a study.
    Study(Study),
    /// Of a model or a generator.
    Model(Model),
    /// Of a study's report.
    Report(Report),
    /// No longer: its party has taken it back.
    Withdrawn,
}

impl Content {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Site(offer) => offer.encode(to.u8(1)),
            Self::Study(study) => study.encode(to.u8(2)),
            Self::Model(model) => model.encode(to.u8(3)),
            Self::Report(report) => report.encode(to.u8(4)),
            Self::Withdrawn => {
                to.u8(0);
            }
        }
    }

    fn check(&self) -> Result<(), String> {
        match self {
            Self::Site(offer) => offer.check(),
            Self::Study(study) => study.check(),
            Self::Model(model) => model.check(),
            Self::Report(report) => report.check(),
            Self::Withdrawn => Ok(()),
        }
    }

    fn is_of(&self, kind: Kind) -> bool {
        match self {
            Self::Site(_) => kind == Kind::Site,
            Self::Study(_) => kind == Kind::Study,
            Self::Model(model) => kind == model.kind(),
            Self::Report(_) => kind == Kind::Report,
            Self::Withdrawn => true,
        }
    }
}

/// What is to become an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct New {
    /// What it is about.
    pub kind: Kind,
    /// Its name among those of the party.
    pub name: String,
    /// What it is for people, one line; may be empty. Of a withdrawal: why.
    pub about: String,
    /// Unix seconds.
    pub made: u64,
    /// What it says.
    pub content: Content,
}

/// One version of an entry, as its party signed it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// [`SCHEMA`].
    schema: String,
    /// Digest of the registry that it was signed for.
    registry: String,
    kind: Kind,
    party: String,
    name: String,
    /// From 1.
    version: u32,
    /// Digest of the version before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
    about: String,
    made: u64,
    content: Content,
    /// Signature of the party's identity key.
    signature: String,
}

impl Entry {
    /// Signs a version that follows on `before`, or a first one.
    ///
    /// # Errors
    /// What is wrong with it, for a person: also when the key is of nobody in the registry.
    pub fn sign(
        charter: &Charter,
        key: &IdentityKey,
        new: New,
        before: Option<&Self>,
    ) -> Result<Self, String> {
        let member = charter.member(&key.public()).ok_or_else(|| stranger(charter))?;
        let New { kind, name, about, made, content } = new;
        let version = before.map_or(0, |before| before.version).saturating_add(1);
        let mut entry = Self {
            schema: SCHEMA.to_owned(),
            registry: charter.digest().to_string(),
            kind,
            party: member.name.clone(),
            name,
            version,
            previous: before.map(|before| before.digest().to_string()),
            about,
            made,
            content,
            signature: String::new(),
        };
        entry.signature = to_hex(key.sign(&entry.digest()).as_bytes());
        entry.check(charter)?;
        Ok(entry)
    }

    /// Which entry this is a version of.
    #[must_use]
    pub fn id(&self) -> Id {
        Id { kind: self.kind, party: self.party.clone(), name: self.name.clone() }
    }

    /// What it is about.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Who says it.
    #[must_use]
    pub fn party(&self) -> &str {
        &self.party
    }

    /// Its name among those of the party.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its version, from 1.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// What it is for people, or why it was withdrawn.
    #[must_use]
    pub fn about(&self) -> &str {
        &self.about
    }

    /// When it was made, unix seconds by its party's clock.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.made
    }

    /// What it says.
    #[must_use]
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Whether its party has taken it back.
    #[must_use]
    pub fn is_withdrawn(&self) -> bool {
        self.content == Content::Withdrawn
    }

    /// What its party signs: everything, the registry first.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut to = Encoder::new("haima registry entry 1");
        to.str(&self.registry).str(self.kind.name()).str(&self.party).str(&self.name);
        to.u32(self.version).str(self.previous.as_deref().unwrap_or_default());
        to.str(&self.about).u64(self.made);
        self.content.encode(&mut to);
        Digest::of(&to.finish())
    }

    /// Name of its file.
    #[must_use]
    pub fn file(&self) -> String {
        let Self { kind, party, name, version, .. } = self;
        format!("{}@{party}@{name}@{version}.json", kind.name())
    }

    /// Whether it may follow on `before`.
    ///
    /// # Errors
    /// Why not, for a person.
    pub(super) fn follows(&self, before: Option<&Self>) -> Result<(), String> {
        let next = before.map_or(0, |before| before.version).saturating_add(1);
        if self.version != next {
            return Err(format!(
                "is version {}, and version {next} is missing; take it from another copy by `haima \
                 registry merge`",
                self.version
            ));
        }
        if self.previous != before.map(|before| before.digest().to_string()) {
            return Err(format!(
                "follows on another version {} than the one that is here: {} has signed two of them; \
                 ask it which one holds",
                next.saturating_sub(1),
                self.party
            ));
        }
        Ok(())
    }

    /// Checks form, bounds, registry, party and signature.
    ///
    /// # Errors
    /// What is wrong, for a person.
    pub(super) fn check(&self, charter: &Charter) -> Result<(), String> {
        if self.schema != SCHEMA {
            let form = check::cut(&self.schema, 64);
            return Err(format!("is of form {form:?}; this program reads {SCHEMA}"));
        }
        check::name("party", &self.party)?;
        check::name("name", &self.name)?;
        check::digest("registry", &self.registry)?;
        let own = charter.digest().to_string();
        if self.registry != own {
            let other = self.registry.get(..8).unwrap_or_default();
            return Err(format!(
                "was signed for the registry {other}, and this one is {}, {}: an entry of one is void \
                 in another",
                own.get(..8).unwrap_or_default(),
                charter.name()
            ));
        }
        let member = charter.party(&self.party).ok_or_else(|| {
            format!("{} is no party of this registry; its keeper admits parties", self.party)
        })?;
        if !(1..=MOST_VERSIONS).contains(&self.version) {
            return Err(format!("version {}; it is 1 to {MOST_VERSIONS}", self.version));
        }
        if let Some(previous) = &self.previous {
            check::digest("previous", previous)?;
        }
        check::line("about", &self.about, LINE)?;
        check::moment("made", self.made)?;
        if !self.content.is_of(self.kind) {
            return Err(format!("its content is of no {}", self.kind.name()));
        }
        self.content.check()?;
        self.check_signature(member)
    }

    fn check_signature(&self, member: &Member) -> Result<(), String> {
        let bytes: [u8; 64] = from_hex(&self.signature).map_err(|_| "its signature is none")?;
        let key = member.key().map_err(|error| error.to_string())?;
        key.verify(&self.digest(), &Signature::from_bytes(bytes), "entry").map_err(|_| {
            format!("is not signed by {}, or was changed since; ask {0} for it again", self.party)
        })
    }
}

/// Why somebody's keys are of no use here.
pub(super) fn stranger(charter: &Charter) -> String {
    format!(
        "no party of the registry {} has this identity key; its keeper admits parties by `haima \
         registry admit`",
        charter.name()
    )
}
