//! The same tests over SQLite and, where `HAIMA_TEST_POSTGRES` names a server, PostgreSQL.

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::IdentityKey;
use haima_crypto::identity::Signature;

use super::*;
use crate::epoch::Record;
use crate::header::{Header, SignedHeader};
use crate::record::{AcceptedSet, HeaderSet, HeldSet, NodeRecord};
use crate::spec::RoundSpec;
use crate::unix_millis;

/// A fresh database.
struct Fresh {
    store: Store,
    /// To open it again.
    url: String,
}

/// Runs a test over every database that is there.
fn over_all<F: Future<Output = ()>>(test: impl Fn(Fresh) -> F) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a folder with ? and %.db").to_str().unwrap().to_owned();
    runtime.block_on(async {
        test(Fresh { store: Store::open(&path).await.unwrap(), url: path }).await;
    });
    let Ok(server) = std::env::var("HAIMA_TEST_POSTGRES") else {
        println!("POSTGRES absent: HAIMA_TEST_POSTGRES names no server; tested SQLite alone");
        return;
    };
    runtime.block_on(async {
        sqlx::any::install_default_drivers();
        let name = format!("haima_test_{:016x}", rand::random::<u64>());
        let admin = AnyPool::connect(&server).await.unwrap();
        let create = format!("CREATE DATABASE {name}");
        sqlx::query(sqlx::AssertSqlSafe(create)).execute(&admin).await.unwrap();
        let (base, query) = server.split_once('?').unwrap_or((&server, ""));
        let base = base.rsplit_once('/').unwrap().0;
        let url = format!("{base}/{name}?{query}");
        let store = Store::open(&url).await.unwrap();
        test(Fresh { store, url }).await;
        let drop = format!("DROP DATABASE {name} WITH (FORCE)");
        sqlx::query(sqlx::AssertSqlSafe(drop)).execute(&admin).await.unwrap();
    });
}

fn spec(number: u64, step: u32, attempt: u32) -> RoundSpec {
    RoundSpec {
        number,
        step,
        attempt,
        deadline_ms: unix_millis() + 60_000,
        ..crate::spec::tests::example()
    }
}

fn signed(body: &str) -> Signed {
    Signed { body: body.as_bytes().to_vec(), signature: Signature::from_bytes([7; 64]) }
}

/// A failure of a round in a state, for this node's own reasons.
fn failing(known: &str) -> Failing<'_> {
    Failing { known, reason: "test", word: None, peer_gave_up: false }
}

fn arrival(spec: &RoundSpec, site: &str, nonce: u8, ledger: u64, chunks: u8) -> Arrival {
    let header = Header {
        round: spec.digest(),
        site: site.into(),
        nonce: [nonce; 16],
        public_share: Digest::of(b"public"),
        shares: vec![Digest::of(b"share")],
        ledger_len: ledger,
        ledger_head: Digest::of(&ledger.to_le_bytes()),
    };
    let signed = SignedHeader::sign(&header, &IdentityKey::from_secret(&[1; 32]));
    let hashes = (0..chunks).map(|seq| [seq; 32]).collect();
    Arrival { header, signed, public: b"public".to_vec(), chunk_key: b"key".to_vec(), hashes }
}

/// The chunks of a submission.
fn chunks(arrival: &Arrival, which: std::ops::Range<u32>) -> Vec<Piece> {
    let chunk = |seq: u32| {
        Piece::Chunk(StoredChunk {
            round: arrival.header.round,
            site: arrival.header.site.clone(),
            header: Digest::of(&arrival.signed.bytes),
            seq,
            hash: [seq as u8; 32],
            bytes: vec![seq as u8; 100].into(),
        })
    };
    which.map(chunk).collect()
}

/// A whole submission with its chunks.
fn whole(arrival: Arrival) -> Vec<Piece> {
    let mut pieces = chunks(&arrival, 0..u32::try_from(arrival.hashes.len()).unwrap());
    pieces.push(Piece::Whole(arrival));
    pieces
}

async fn all(store: &Store, pieces: &[Piece]) -> Result<bool, Error> {
    let answers = store.take_in(pieces).await.unwrap();
    answers.into_iter().try_fold(false, |_, answer| answer)
}

async fn one(store: &Store, arrival: Arrival) -> Result<bool, Error> {
    all(store, &whole(arrival)).await
}

/// The held set of what a store holds.
fn held(round: Digest) -> impl FnOnce(Vec<(String, Digest)>) -> Signed + Send {
    move |headers| {
        let headers = HeaderSet::new(headers);
        let set = HeldSet { round, node: "node-1".into(), headers };
        Signed { body: set.to_bytes(), signature: Signature::from_bytes([7; 64]) }
    }
}

#[test]
fn a_round_goes_through_its_states_once_and_its_shares_go_with_it() {
    over_all(|fresh| async move {
        let store = &fresh.store;
        let spec = spec(3, 0, 0);
        let round = spec.digest();
        store.add_round(&spec, b"wrapped").await.unwrap();
        assert!(store.add_round(&spec, b"other").await.is_err(), "one round a digest");
        assert_eq!(store.last_number().await.unwrap(), 3);
        assert!(one(store, arrival(&spec, "a", 1, 1, 2)).await.unwrap());
        assert!(!one(store, arrival(&spec, "a", 1, 1, 2)).await.unwrap(), "again is no error");
        assert!(one(store, arrival(&spec, "b", 2, 1, 1)).await.unwrap());
        assert_eq!(store.held(&round).await.unwrap(), 2);

        let closed = store.close(&round, held(round)).await.unwrap();
        let set = HeldSet::from_bytes(&closed.body).unwrap();
        assert_eq!(set.headers.sites().collect::<Vec<_>>(), ["a", "b"]);
        let again = store.close(&round, held(round)).await.unwrap_err();
        assert!(matches!(again, Error::Superseded { .. }), "{again}");
        let late = one(store, arrival(&spec, "c", 3, 1, 1)).await.unwrap_err();
        assert!(late.to_string().contains("closed"), "{late}");
        assert!(store.has_held(&round, &closed.body).await.unwrap());
        assert!(!store.has_held(&round, b"another").await.unwrap());
        assert!(!store.has_held(&Digest::of(b"another"), &closed.body).await.unwrap());

        let preps = [("a".into(), vec![1]), ("b".into(), vec![2])];
        store.set_prepared(&round, &signed("prepared"), &preps).await.unwrap();
        assert!(store.set_prepared(&round, &signed("other"), &preps).await.is_err());
        assert_eq!(store.prep(&round, "b").await.unwrap(), Some(vec![2]));
        assert_eq!(store.chunk(&round, "a", 1).await.unwrap(), Some(vec![1; 100]));
        assert_eq!(store.chunk(&round, "a", 2).await.unwrap(), None);
        store.set_accepted(&round, &signed("accepted")).await.unwrap();
        assert!(store.set_accepted(&round, &signed("other")).await.is_err());

        let sum = vec![9; ROW + 5];
        store.commit(&round, &signed("release"), &sum).await.unwrap();
        assert!(store.commit(&round, &signed("other"), &sum).await.is_err(), "one sum, ever");
        assert_eq!(store.sum_chunk(&round, 0, 1).await.unwrap(), Some(vec![9; 5]));
        assert_eq!(store.sum_chunk(&round, 0, 2).await.unwrap(), None);
        assert_eq!(store.chunk(&round, "a", 0).await.unwrap(), None, "shares are erased");
        assert_eq!(store.prep(&round, "a").await.unwrap(), None);
        let stored = store.round(&round).await.unwrap().unwrap();
        assert_eq!(stored.rest_key, None, "and their key");
        assert_eq!(stored.release, Some(signed("release")));

        let record = NodeRecord {
            node: "a".into(),
            accepted: Signature::from_bytes([1; 64]),
            release: signed("release"),
        };
        let records = [record];
        assert_eq!(store.releases(&round).await.unwrap(), []);
        store.release(&round, &Digest::of(b"all"), &records).await.unwrap();
        assert_eq!(store.releases(&round).await.unwrap(), records);
        for known in ["committed", "released"] {
            let late = Failing { peer_gave_up: true, ..failing(known) };
            assert!(store.fail(&round, late).await.is_err(), "released is released");
        }
        let task = spec.task_id.as_str();
        let released = store.released(task, spec.run, 0).await.unwrap();
        assert_eq!(released, Some(Digest::of(b"all")));
        assert!(store.unfinished().await.unwrap().is_empty());
        // Everything is there after opening anew.
        let again = Store::open(&fresh.url).await.unwrap();
        assert_eq!(again.round(&round).await.unwrap().unwrap().state, "released");
    });
}

#[test]
fn another_attempt_of_a_released_step_is_never_released() {
    over_all(|fresh| async move {
        let store = &fresh.store;
        for (number, attempt) in [(1, 0), (2, 1)] {
            let spec = spec(number, 0, attempt);
            let round = spec.digest();
            store.add_round(&spec, b"wrapped").await.unwrap();
            store.close(&round, held(round)).await.unwrap();
            store.set_prepared(&round, &signed("prepared"), &[]).await.unwrap();
            store.set_accepted(&round, &signed("accepted")).await.unwrap();
            store.commit(&round, &signed("release"), &[]).await.unwrap();
            let released = store.release(&round, &Digest::of(b"all"), &[]).await;
            assert_eq!(released.is_ok(), attempt == 0);
        }
    });
}

/// N3, P8: a round fails from the state that the caller knows: a replica that fell behind, or a node
/// whose write seemed to fail, changes nothing. One that is committed to fails upon a peer's word
/// alone, and keeps its sum till then. The word is kept where it is true.
#[test]
fn a_round_fails_from_the_state_that_is_known_and_a_commitment_by_a_peers_word_alone() {
    over_all(|fresh| async move {
        let store = &fresh.store;
        let word = signed("given up");
        let stands = async |round: &Digest, known: &str, peer_gave_up: bool| {
            let failing = Failing { word: Some(&word), peer_gave_up, ..failing(known) };
            let refused = store.fail(round, failing).await.unwrap_err();
            assert!(matches!(refused, Error::Superseded { .. }), "{known}: {refused}");
        };
        let to_agreed = async |number: u64| {
            let spec = spec(number, 0, u32::try_from(number).unwrap() - 1);
            let round = spec.digest();
            store.add_round(&spec, b"wrapped").await.unwrap();
            store.close(&round, held(round)).await.unwrap();
            store.set_prepared(&round, &signed("prepared"), &[]).await.unwrap();
            store.set_accepted(&round, &signed("accepted")).await.unwrap();
            round
        };
        let round = to_agreed(1).await;
        for known in ["open", "closed", "prepared", "committed"] {
            stands(&round, known, true).await;
        }
        store.commit(&round, &signed("release"), b"sum").await.unwrap();
        stands(&round, "agreed", false).await;
        stands(&round, "agreed", true).await;
        stands(&round, "committed", false).await;
        assert_eq!(store.round(&round).await.unwrap().unwrap().state, "committed");
        assert_eq!(store.sum_chunk(&round, 0, 0).await.unwrap(), Some(b"sum".to_vec()));
        let convinced = Failing { word: Some(&word), peer_gave_up: true, ..failing("committed") };
        store.fail(&round, convinced).await.unwrap();
        let stored = store.round(&round).await.unwrap().unwrap();
        assert_eq!((stored.state.as_str(), stored.given_up), ("failed", None), "it committed");
        assert_eq!(store.sum_chunk(&round, 0, 0).await.unwrap(), None);

        let round = to_agreed(2).await;
        let own = Failing { word: Some(&word), ..failing("agreed") };
        store.fail(&round, own).await.unwrap();
        assert!(
            store.commit(&round, &signed("release"), b"sum").await.is_err(),
            "it gave its word"
        );
        let stored = store.round(&round).await.unwrap().unwrap();
        assert_eq!((stored.given_up, stored.release), (Some(word.clone()), None));

        let spec = spec(3, 0, 2);
        let round = spec.digest();
        store.add_round(&spec, b"wrapped").await.unwrap();
        let early = Failing { word: Some(&word), ..failing("open") };
        store.fail(&round, early).await.unwrap();
        assert_eq!(store.round(&round).await.unwrap().unwrap().given_up, None, "nothing accepted");
    });
}

/// N3: what a peer signed is kept as it signed it, of the last round.
#[test]
fn the_last_held_set_of_a_peer_is_kept_as_it_was_signed() {
    over_all(|fresh| async move {
        let store = &fresh.store;
        assert_eq!(store.seen("node-2").await.unwrap(), None);
        for (number, set) in [(4, "fourth"), (3, "third"), (4, "another fourth")] {
            store.saw("node-2", number, &signed(set)).await.unwrap();
            assert_eq!(store.seen("node-2").await.unwrap(), Some(signed("fourth")));
        }
        store.saw("node-2", 5, &signed("fifth")).await.unwrap();
        assert_eq!(store.seen("node-2").await.unwrap(), Some(signed("fifth")));
        assert_eq!(store.seen("node-3").await.unwrap(), None);
    });
}

/// X2: sub-shares of an exact sum may have been shown although its round failed: the study's exact
/// rounds are over its set from then on.
#[test]
fn an_exact_round_that_failed_after_its_deal_is_the_first_all_the_same() {
    over_all(|fresh| async move {
        let store = &fresh.store;
        let set = |site: &str| {
            let headers = HeaderSet::new(vec![(site.to_owned(), Digest::of(b"header"))]);
            let set = AcceptedSet {
                round: Digest::of(b"round"),
                headers,
                refused: HeaderSet::default(),
                preps: Digest::of(b"preps"),
            };
            Signed { body: set.to_bytes(), signature: Signature::from_bytes([7; 64]) }
        };
        let sites = |set: Option<AcceptedSet>| {
            set.map(|set| set.headers.sites().map(str::to_owned).collect::<Vec<_>>())
        };
        for (number, site, dealt) in [(1, "undealt", false), (2, "dealt", true)] {
            let spec = spec(number, 0, u32::try_from(number).unwrap() - 1);
            let round = spec.digest();
            store.add_round(&spec, b"wrapped").await.unwrap();
            store.close(&round, held(round)).await.unwrap();
            store.set_prepared(&round, &signed("prepared"), &[]).await.unwrap();
            store.set_accepted(&round, &set(site)).await.unwrap();
            if dealt {
                store.deal(&round, &signed("deal"), &[]).await.unwrap();
            }
            let known = if dealt { "dealt" } else { "agreed" };
            store.fail(&round, failing(known)).await.unwrap();
        }
        let first = store.first_exact_set().await.unwrap();
        assert_eq!(sites(first), Some(vec!["dealt".to_owned()]));
    });
}

/// R2, L4: and a refused submission leaves nothing behind, also among others of one transaction.
#[test]
fn nonces_and_ledgers_are_kept_for_ever_and_a_refusal_changes_nothing() {
    over_all(|fresh| async move {
        let store = &fresh.store;
        let first = spec(1, 0, 0);
        store.add_round(&first, b"wrapped").await.unwrap();
        assert!(one(store, arrival(&first, "a", 1, 5, 1)).await.unwrap());
        store.fail(&first.digest(), failing("open")).await.unwrap();
        let second = spec(2, 0, 1);
        store.add_round(&second, b"wrapped").await.unwrap();
        let pieces = [
            arrival(&second, "a", 1, 6, 1),
            arrival(&second, "a", 2, 4, 1),
            arrival(&second, "b", 1, 1, 1),
        ];
        let pieces: Vec<Piece> = pieces.into_iter().flat_map(whole).collect();
        let answers = store.take_in(&pieces).await.unwrap();
        // Every second one is a whole submission.
        let answers: Vec<_> = answers.into_iter().skip(1).step_by(2).collect();
        let text = |at: usize| answers[at].as_ref().err().map(ToString::to_string).unwrap();
        assert!(text(0).contains("nonce"), "{}", text(0));
        assert!(text(1).contains("restored from an old copy"), "{}", text(1));
        assert!(matches!(answers[2], Ok(true)), "another site's nonce is another nonce");
        // The refused nonce 2 was not burnt; a fork is found.
        let mut fork = arrival(&second, "a", 2, 5, 1);
        fork.header.ledger_head = Digest::of(b"fork");
        let forked = one(store, fork).await.unwrap_err();
        assert!(forked.to_string().contains("forked"), "{forked}");
        assert!(one(store, arrival(&second, "a", 2, 5, 1)).await.unwrap());
        // A length that no database keeps is the site's fault, not the database's.
        let endless = one(store, arrival(&second, "c", 1, u64::MAX, 1)).await.unwrap_err();
        assert!(matches!(endless, Error::Submission { .. }), "{endless}");
    });
}

#[test]
fn chunks_wait_for_their_submission_and_give_way_to_another_one() {
    over_all(|fresh| async move {
        let store = &fresh.store;
        let spec = spec(1, 0, 0);
        let round = spec.digest();
        store.add_round(&spec, b"wrapped").await.unwrap();
        let (x, y) = (arrival(&spec, "a", 1, 1, 5), arrival(&spec, "a", 2, 1, 5));
        let digest = |arrival: &Arrival| Digest::of(&arrival.signed.bytes);
        assert!(all(store, &chunks(&x, 0..3)).await.unwrap());
        assert!(all(store, &chunks(&x, 2..4)).await.unwrap());
        let hashes = store.hashes(&round, "a", &digest(&x)).await.unwrap();
        assert_eq!(hashes, [[0; 32], [1; 32], [2; 32], [3; 32]]);
        let early = all(store, &[Piece::Whole(x.clone())]).await.unwrap_err();
        assert!(early.to_string().contains("4 of its 5 chunks"), "{early}");
        // A gap: what is behind it does not count.
        let mut gap = chunks(&x, 4..6);
        assert!(all(store, &gap.split_off(1)).await.unwrap());
        assert_eq!(store.hashes(&round, "a", &digest(&x)).await.unwrap().len(), 4);
        // Another chunk in the place of one that is there: the last counts, and fits no more.
        let mut other = chunks(&x, 4..5);
        assert!(all(store, &other).await.unwrap());
        if let Piece::Chunk(chunk) = &mut other[0] {
            chunk.hash = [9; 32];
        }
        assert!(all(store, &other).await.unwrap());
        let whole = all(store, &[Piece::Whole(x.clone())]).await.unwrap_err();
        assert!(whole.to_string().contains("send it again"), "{whole}");
        assert!(all(store, &chunks(&y, 0..1)).await.unwrap());
        assert!(store.hashes(&round, "a", &digest(&x)).await.unwrap().is_empty());
        let mut rest = chunks(&y, 1..5);
        rest.push(Piece::Whole(y.clone()));
        assert!(all(store, &rest).await.unwrap());
        assert_eq!(store.hashes(&round, "a", &digest(&y)).await.unwrap().len(), 5);
        let refused = all(store, &chunks(&x, 4..5)).await.unwrap_err();
        assert!(refused.to_string().contains("already submitted another"), "{refused}");
        assert!(!one(store, y).await.unwrap(), "again is no error");
    });
}

#[test]
fn retention_takes_bulk_and_leaves_what_rules_rest_on() {
    over_all(|fresh| async move {
        let store = &fresh.store;
        let (first, next) = (spec(1, 0, 0), spec(2, 0, 1));
        let round = first.digest();
        store.add_round(&first, b"wrapped").await.unwrap();
        assert!(one(store, arrival(&first, "a", 1, 5, 1)).await.unwrap());
        store.fail(&round, failing("open")).await.unwrap();
        assert_eq!(store.collect(unix_millis() - 60_000).await.unwrap(), 0);
        assert_eq!(store.collect(unix_millis() + 60_000).await.unwrap(), 1);
        assert_eq!(store.round(&round).await.unwrap().unwrap().state, "failed");
        store.add_round(&next, b"wrapped").await.unwrap();
        let again = one(store, arrival(&next, "a", 1, 6, 1)).await.unwrap_err();
        assert!(again.to_string().contains("nonce"), "{again}");
    });
}

/// R5: erased shares leave the log once nobody else reads it. Fails where the checkpoint's answer,
/// which is no error, is not looked at.
#[test]
fn a_log_that_a_reader_holds_is_truncated_when_it_has_ended() {
    over_all(|Fresh { store, url }| async move {
        if store.shared() {
            return;
        }
        let log = || std::fs::metadata(format!("{url}-wal")).unwrap().len();
        let other = Store::open(&url).await.unwrap();
        let mut reader = other.pool.begin().await.unwrap();
        sqlx::query("SELECT state FROM rounds").fetch_all(&mut *reader).await.unwrap();
        let spec = spec(1, 0, 0);
        store.add_round(&spec, b"wrapped").await.unwrap();
        store.fail(&spec.digest(), failing("open")).await.unwrap();
        assert!(log() > 0, "the reader holds it");
        reader.rollback().await.unwrap();
        store.flush_left().await;
        assert_eq!(log(), 0);
    });
}

/// Replicas: one at a time holds a lease, and one alone is within a guard.
#[test]
fn one_replica_drives_a_round_and_another_takes_over_when_its_lease_ends() {
    over_all(|fresh| async move {
        let store = &fresh.store;
        if !store.shared() {
            assert!(store.lease(&Digest::of(b"any"), "one").await.unwrap());
            return;
        }
        let spec = spec(1, 0, 0);
        let round = spec.digest();
        store.add_round(&spec, b"wrapped").await.unwrap();
        assert!(store.lease(&round, "one").await.unwrap());
        assert!(!store.lease(&round, "two").await.unwrap());
        assert!(store.lease(&round, "one").await.unwrap(), "renewed");
        let ended = "UPDATE rounds SET lease_ms = 1";
        sqlx::query(ended).execute(&store.pool).await.unwrap();
        assert!(store.holds(&round, "one").await.unwrap(), "nobody has taken it");
        assert!(store.lease(&round, "two").await.unwrap());
        assert!(!store.lease(&round, "one").await.unwrap());
        assert!(!store.holds(&round, "one").await.unwrap());
        // A step of the holder's own keeps it from renewing: it holds the lease all the same.
        let mut step = store.pool.begin().await.unwrap();
        let locking = "UPDATE rounds SET state = 'closed'";
        sqlx::query(locking).execute(&mut *step).await.unwrap();
        assert!(!store.lease(&round, "two").await.unwrap());
        assert!(store.holds(&round, "two").await.unwrap());
        step.rollback().await.unwrap();

        let guard = store.guard("opening").await.unwrap();
        let other = Store::open(&fresh.url).await.unwrap();
        let waiting = tokio::spawn(async move { other.guard("opening").await.map(drop) });
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!waiting.is_finished());
        drop(guard);
        waiting.await.unwrap().unwrap();
    });
}

/// R6: the first record of a manifest's epoch holds, whatever comes after.
#[test]
fn the_first_record_of_an_epoch_holds() {
    over_all(|fresh| async move {
        let Fresh { store, url } = fresh;
        let manifest = Digest::of(b"manifest");
        let first = Record(vec![signed("an offer"), signed("another's")]);
        let second = Record(vec![signed("an offer"), signed("another's second")]);
        assert_eq!(store.fix_epoch_record(&manifest, &first).await.unwrap(), first);
        assert_eq!(store.fix_epoch_record(&manifest, &second).await.unwrap(), first);
        let again = Store::open(&url).await.unwrap();
        assert_eq!(again.epoch_record(&manifest).await.unwrap(), Some(first));
    });
}
