//! Claims about registries: what binds an entry, what never goes back, what may not enter, and that files
//! of strangers do no harm.

mod binding;
mod entering;
mod finding;
mod hostile;
mod versions;

use std::path::{Path, PathBuf};

use haima_crypto::identity::IdentityKey;
use haima_smpc_node::manifest::Party;
use haima_smpc_node::provision::{Request, Role};
use tempfile::TempDir;

use super::offer::{Of, Offer, Variable};
use super::size::Size;
use super::{Charter, Content, Entry, Fault, Id, Kind, New, Platform, Registry};

/// The keeper of every registry here; its secret is that of RFC 8032, section 7.1, TEST 2.
fn keeper() -> IdentityKey {
    let secret = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
    IdentityKey::from_secret(&haima_crypto::encode::from_hex(secret).unwrap())
}

fn key(secret: u8) -> IdentityKey {
    IdentityKey::from_secret(&[secret; 32])
}

fn request(role: Role, name: &str, key: &IdentityKey) -> Request {
    let party = Party {
        name: name.to_owned(),
        operator: format!("The {name}"),
        identity: key.public().to_string(),
        // Any pin of its own.
        tls: key.public().to_string(),
        address: String::new(),
    };
    Request::sign(role, party, key)
}

/// A folder of registries.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A registry of the keeper, `centre`, and hospitals with the keys of these secrets.
    fn registry(&self, name: &str, platform: Platform, sites: &[(&str, u8)]) -> Registry {
        let mut requests = vec![request(Role::Coordinator, "centre", &keeper())];
        requests
            .extend(sites.iter().map(|(name, secret)| request(Role::Site, name, &key(*secret))));
        let charter = Charter::new(name, platform, &keeper(), requests).unwrap();
        Registry::create(&self.path(name), charter).unwrap()
    }

    /// The one that most tests begin with: `blood`, with `north` (1) and `south` (2).
    fn blood(&self) -> Registry {
        self.registry("blood", Platform::Oncological, &[("north", 1), ("south", 2)])
    }

    /// A copy of a registry's folder.
    fn copy(&self, of: &Registry, to: &str) -> PathBuf {
        let to = self.path(to);
        std::fs::create_dir_all(to.join("entries")).unwrap();
        std::fs::copy(of.folder().join("registry.toml"), to.join("registry.toml")).unwrap();
        for entry in std::fs::read_dir(of.folder().join("entries")).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, to.join("entries").join(path.file_name().unwrap())).unwrap();
        }
        to
    }
}

/// An offer of two variables and about 40 patients.
fn offer() -> Offer {
    let variable = |name: &str, label: &str, of, missing| Variable {
        name: name.to_owned(),
        label: label.to_owned(),
        of,
        missing,
    };
    Offer {
        population: "aml-adults".into(),
        size: Size::Declared { patients: 40, grain: 10 },
        schema_digest: "ab".repeat(32),
        variables: vec![
            variable("age", "Age", Of::Number { unit: "years".into() }, false),
            variable("sex", "Sex", Of::Category { levels: vec!["F".into(), "M".into()] }, true),
        ],
    }
}

fn of_site(name: &str, about: &str) -> New {
    New {
        kind: Kind::Site,
        name: name.to_owned(),
        about: about.to_owned(),
        made: 1_795_458_388,
        content: Content::Site(offer()),
    }
}

fn withdrawn(name: &str) -> New {
    New { content: Content::Withdrawn, ..of_site(name, "why") }
}

fn id(text: &str) -> Id {
    text.parse().unwrap()
}

/// Ids and versions of what holds.
fn current(registry: &Registry) -> Vec<(String, u32)> {
    registry.current().map(|entry| (entry.id().to_string(), entry.version())).collect()
}

/// The one fault of a registry.
#[track_caller]
fn fault(registry: &Registry) -> String {
    let [fault] = registry.faults() else { panic!("{:?}", registry.faults()) };
    format!("{}: {}", fault.file, fault.problem)
}

fn file(folder: &Path, entry: &Entry) -> PathBuf {
    folder.join("entries").join(entry.file())
}
