//! A party's journal: every record signed, all of them chained, and a changed byte noticed.
//!
//! `cargo run -p haima-smpc-node --example signed_journal`

use haima_crypto::encode::Digest;
use haima_crypto::identity::IdentityKey;
use haima_smpc_node::Error;
use haima_smpc_node::audit::{self, Audit};

fn main() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("audit.log");
    // The manifest of a study has the public half of every party's key.
    let key = IdentityKey::generate(&mut rand::rng());

    let (journal, before) = Audit::open(&path, "north", &key.public())?;
    assert!(before.is_empty());
    let round = Digest::of(b"the canonical bytes of a round's spec");
    let (sum, nothing) = (Digest::of(b"the canonical bytes of a sum"), Digest::default());
    // On disk when this returns; only then may what it says be sent.
    journal.write(&key, "opened", &round, "cox", &nothing, "")?;
    journal.write(&key, "released", &round, "cox", &sum, "4 sites")?;
    println!("the last record's digest covers all before it: {}", journal.head());
    drop(journal);

    for record in audit::read(&path, "north", &key.public())? {
        println!("{} of round {}: {}", record.kind, record.round.short(), record.text);
    }

    // Somebody changes what was written.
    let mut bytes = std::fs::read(&path).expect("the journal");
    let in_the_first_record = bytes.len() / 4;
    bytes[in_the_first_record] ^= 1;
    std::fs::write(&path, bytes).expect("written");
    let noticed = audit::verify(&path, "north", &key.public()).expect_err("a changed byte");
    println!("after a change: {noticed}");

    // Another's key has signed nothing of it.
    let other = IdentityKey::generate(&mut rand::rng());
    assert!(audit::verify(&path, "north", &other.public()).is_err());
    Ok(())
}
