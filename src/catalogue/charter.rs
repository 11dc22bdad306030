//! Who belongs to a registry: `registry.toml`.
//!
//! A registry's digest follows from its name, its platform and its keeper's key, and never changes; all
//! entries are bound to it. The list of parties does change: each revision is signed by the keeper, keeps
//! all parties of the one before with their keys, and may add some, or say that one has left.

use std::collections::BTreeSet;
use std::path::Path;

use haima_crypto::encode::{Digest, Encoder, from_hex, to_hex};
use haima_crypto::identity::{IdentityKey, IdentityPublic, Signature};
use haima_smpc_node::manifest::{Party, fingerprint};
use haima_smpc_node::provision::{Request, Role};
use serde::{Deserialize, Serialize};

use super::check;
use crate::Error;
use crate::model_file::whole;

/// Name of the file.
pub const FILE: &str = "registry.toml";
/// Parties that a registry may have.
pub const MOST_PARTIES: usize = 1000;
/// Bytes of the file.
const MOST_BYTES: u64 = 1 << 20;

/// For which diseases a registry is. Platforms have separate registries with separate parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Platform {
    /// Blood cancers.
    Oncological,
    /// All other diseases of the blood.
    NonOncological,
}

impl Platform {
    /// As files and options name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Oncological => "oncological",
            Self::NonOncological => "non-oncological",
        }
    }
}

/// A party of a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// What it does in studies.
    pub role: Role,
    /// Unique name.
    pub name: String,
    /// Organisation that runs it.
    pub operator: String,
    /// Ed25519 identity key, 64 hexadecimal digits.
    pub identity: String,
    /// Pin of its TLS key, 64 hexadecimal digits.
    pub tls: String,
    /// It has left: nothing that it said is shown, and its name is not given again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left: bool,
}

impl Member {
    fn of(request: Request) -> Self {
        let Party { name, operator, identity, tls, .. } = request.party;
        let [identity, tls] = [identity, tls].map(|key| key.to_lowercase());
        Self { role: request.role, name, operator, identity, tls, left: false }
    }

    /// Its identity key.
    ///
    /// # Errors
    /// When it is none.
    pub fn key(&self) -> Result<IdentityPublic, Error> {
        Ok(IdentityPublic::from_hex(&self.identity)?)
    }

    /// What to read over the telephone.
    ///
    /// # Errors
    /// When a key is not one.
    pub fn fingerprint(&self) -> Result<String, Error> {
        Ok(fingerprint(&self.identity, &self.tls)?)
    }

    fn encode(&self, to: &mut Encoder) {
        to.u8(self.role as u8).str(&self.name).str(&self.operator);
        to.str(&self.identity).str(&self.tls).u8(u8::from(self.left));
    }

    fn check(&self) -> Result<(), String> {
        check::name("party", &self.name)?;
        let of = |problem: String| format!("party {}: {problem}", self.name);
        check::said("operator", &self.operator, check::LINE).map_err(of)?;
        check::digest("identity", &self.identity).map_err(of)?;
        check::digest("tls", &self.tls).map_err(of)?;
        IdentityPublic::from_hex(&self.identity).map_err(|error| of(error.to_string()))?;
        Ok(())
    }
}

/// Name, platform and parties of a registry, signed by its keeper. Had by [`Charter::new`],
/// [`Charter::amended`] and [`Charter::read`] alone, which check it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charter {
    /// Form of the file: 1.
    version: u32,
    /// Name of the registry.
    name: String,
    /// For which diseases it is.
    platform: Platform,
    /// Identity key of the coordinator that keeps the list of parties, 64 hexadecimal digits.
    keeper: String,
    /// 1, and one more for each change of the parties.
    revision: u32,
    /// The keeper's signature over all of this.
    signature: String,
    #[serde(rename = "party")]
    parties: Vec<Member>,
}

impl Charter {
    /// The charter of a new registry. `requests` are those of its parties, one of them the keeper's own
    /// as a coordinator; `key` is the keeper's.
    ///
    /// # Errors
    /// When a name is none, two parties share one or a key, or no coordinator has this key.
    pub fn new(
        name: &str,
        platform: Platform,
        key: &IdentityKey,
        requests: Vec<Request>,
    ) -> Result<Self, Error> {
        let unsigned = Self {
            version: 1,
            name: name.to_owned(),
            platform,
            keeper: key.public().to_string(),
            revision: 1,
            signature: String::new(),
            parties: requests.into_iter().map(Member::of).collect(),
        };
        unsigned.signed(key)
    }

    /// The next revision: with further parties, and some that leave.
    ///
    /// # Errors
    /// When the key is not the keeper's, a party has a name or key that is taken, or one that is to leave
    /// is no party or the keeper.
    pub fn amended(
        &self,
        key: &IdentityKey,
        requests: Vec<Request>,
        leave: &[String],
    ) -> Result<Self, Error> {
        let file = Path::new(FILE);
        if key.public().to_string() != self.keeper {
            let problem = "another identity key than the keeper's, who alone changes its parties";
            return Err(Error::key(file, problem));
        }
        let mut next = self.clone();
        next.revision = self.revision.saturating_add(1);
        next.parties.extend(requests.into_iter().map(Member::of));
        for name in leave {
            let party = next.parties.iter_mut().find(|party| party.name == *name);
            match party {
                Some(party) if party.identity != self.keeper => party.left = true,
                Some(_) => return Err(Error::config(file, "its keeper cannot leave it")),
                None => {
                    let name = check::cut(name, 80);
                    return Err(Error::config(
                        file,
                        format!("has no party {name:?} that can leave"),
                    ));
                }
            }
        }
        next.signed(key)
    }

    fn signed(mut self, key: &IdentityKey) -> Result<Self, Error> {
        self.signature = to_hex(key.sign(&self.statement()).as_bytes());
        let file = Path::new(FILE);
        self.check().map_err(|problem| Error::config(file, problem))?;
        Ok(self)
    }

    /// Name of the registry.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For which diseases it is.
    #[must_use]
    pub fn platform(&self) -> Platform {
        self.platform
    }

    /// How often its parties changed, from 1.
    #[must_use]
    pub fn revision(&self) -> u32 {
        self.revision
    }

    /// Its parties, those that have left too.
    #[must_use]
    pub fn parties(&self) -> &[Member] {
        &self.parties
    }

    /// The registry's digest: what entries are bound to, and what two people compare.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut to = Encoder::new("haima registry 1");
        to.str(&self.name).str(self.platform.name()).str(&self.keeper);
        Digest::of(&to.finish())
    }

    /// What the keeper signs.
    #[must_use]
    pub(super) fn statement(&self) -> Digest {
        let mut to = Encoder::new("haima registry parties 1");
        to.digest(&self.digest()).u32(self.version).u32(self.revision).count(self.parties.len());
        for party in &self.parties {
            party.encode(&mut to);
        }
        Digest::of(&to.finish())
    }

    /// The party of that name.
    #[must_use]
    pub fn party(&self, name: &str) -> Option<&Member> {
        self.parties.iter().find(|party| party.name == name)
    }

    /// The party with this identity key, which has not left.
    #[must_use]
    pub fn member(&self, key: &IdentityPublic) -> Option<&Member> {
        let key = key.to_string();
        self.parties.iter().find(|party| party.identity == key && !party.left)
    }

    /// Whether this may follow on `old`: its parties are all there with their keys, and none has come
    /// back.
    ///
    /// # Errors
    /// The party that is not, for a person.
    pub(super) fn follows(&self, old: &Self) -> Result<(), String> {
        for before in &old.parties {
            let Some(now) = self.party(&before.name) else {
                return Err(format!("revision {} has dropped {}", self.revision, before.name));
            };
            let same = now.identity == before.identity && now.tls == before.tls;
            if !same || now.role != before.role || (before.left && !now.left) {
                let (revision, name) = (self.revision, &before.name);
                return Err(format!("revision {revision} has another key or role for {name}"));
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        if self.version != 1 {
            return Err(format!("version {}; this program reads 1", self.version));
        }
        check::name("name", &self.name)?;
        check::few("party", self.parties.len(), MOST_PARTIES)?;
        if self.revision == 0 {
            return Err("revision 0; revisions count from 1".into());
        }
        let (mut names, mut keys, mut pins) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for party in &self.parties {
            party.check()?;
            let name = &party.name;
            if !names.insert(name) {
                return Err(format!("party {name} stands twice; give one of them another name"));
            }
            if !keys.insert(&party.identity) || !pins.insert(&party.tls) {
                return Err(format!("party {name} has another party's key"));
            }
        }
        let keeps = |party: &&Member| {
            party.identity == self.keeper && party.role == Role::Coordinator && !party.left
        };
        let keeper = self.parties.iter().find(keeps).ok_or(
            "no coordinator among its parties has the keeper's key; give the keeper's own request \
             too, as a coordinator",
        )?;
        let key = IdentityPublic::from_hex(&keeper.identity).map_err(|error| error.to_string())?;
        let bytes = from_hex::<64>(&self.signature).map_err(|_| "its signature is none")?;
        key.verify(&self.statement(), &Signature::from_bytes(bytes), "registry").map_err(
            |_| "not signed by its keeper: it was changed; take it again from the keeper",
        )?;
        Ok(())
    }

    /// Reads and checks `registry.toml` of a folder.
    ///
    /// # Errors
    /// When it is missing, no plain file, too large, or not signed by its keeper.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE);
        let text = check::plain_text(&path, MOST_BYTES)?;
        let charter: Self = toml::from_str(&text).map_err(|error| {
            let reason = error.to_string();
            Error::config(&path, format!("{reason:.2000}"))
        })?;
        charter.check().map_err(|problem| Error::config(&path, problem))?;
        Ok(charter)
    }

    /// Writes it into a folder, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(FILE);
        let text =
            toml::to_string(self).map_err(|error| Error::config(&path, error.to_string()))?;
        whole(&path, text.as_bytes())
    }
}
