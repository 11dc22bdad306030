use aes::Aes256;
use ctr::cipher::{KeyIvInit, StreamCipher};
use hkdf::Hkdf;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_core::{TryCryptoRng, TryRng};
use sha2::Sha256;

use super::*;
use crate::encode::{from_hex, to_hex};

/// Gives given bytes out, once.
struct Script(Vec<u8>);

impl TryRng for Script {
    type Error = std::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        rand_core::utils::next_word_via_fill(self)
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        rand_core::utils::next_word_via_fill(self)
    }
    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Self::Error> {
        to.copy_from_slice(&self.0[..to.len()]);
        self.0.drain(..to.len());
        Ok(())
    }
}

impl TryCryptoRng for Script {}

fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

fn from_seed(seed: [u8; 32]) -> SealingKey {
    SealingKey::from_bytes(&[&[VERSION][..], &seed].concat()).unwrap()
}

fn associated() -> Associated<'static> {
    Associated {
        version: 1,
        manifest: Digest::of(b"manifest"),
        round: Digest::of(b"round"),
        site: "basel",
        node: "north",
        share: 1,
        nonce: [5; 16],
        public_share: Digest::of(b"public share"),
    }
}

/// The test vectors of draft-connolly-cfrg-xwing-kem (spec/test-vectors.json), by the SHA3-256 of
/// public key and ciphertext: seed, encapsulation seed, shared secret, public key, ciphertext.
const X_WING: [[&str; 5]; 3] = [
    [
        "7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26",
        "3cb1eea988004b93103cfb0aeefd2a686e01fa4a58e8a3639ca8a1e3f9ae57e2\
         35b8cc873c23dc62b8d260169afa2f75ab916a58d974918835d25e6a435085b2",
        "d2df0522128f09dd8e2c92b1e905c793d8f57a54c3da25861f10bf4ca613e384",
        "5121745904643ad9dfacca7869292c19a8a69533b53e60666b7db910b4ad6367",
        "c0abd149f83f45324ac3a7ddc7606c71f257e5ea86113522834a0ee1bcb34e3e",
    ],
    [
        "badfd6dfaac359a5efbb7bcc4b59d538df9a04302e10c8bc1cbf1a0b3a5120ea",
        "17cda7cfad765f5623474d368ccca8af0007cd9f5e4c849f167a580b14aabdef\
         aee7eef47cb0fca9767be1fda69419dfb927e9df07348b196691abaeb580b32d",
        "f2e86241c64d60f6649fbc6c5b7d17180b780a3f34355e64a85749949c45f150",
        "799b6016e5daa56ffa1b5e79f7caf73413ceecd6df428642404cac41ddee4853",
        "7680b7ba47ae09bac4b43001edcef9d98e50df20026e70ba6a424447e1f2b961",
    ],
    [
        "ef58538b8d23f87732ea63b02b4fa0f4873360e2841928cd60dd4cee8cc0d4c9",
        "22a96188d032675c8ac850933c7aff1533b94c834adbb69c6115bad4692d8619\
         f90b0cdf8a7b9c264029ac185b70b83f2801f2f4b3f70c593ea3aeeb613a7f1b",
        "953f7f4e8c5b5049bdc771d1dffada0dd961477d1a2ae0988baa7ea6898d893f",
        "1ef0c99a06026450564957a5402a788feffbbefdcce55d25de254d0a49eb095a",
        "3088688d63201d5d844170b79f148b2791c15f346ff6f8bd559807fbd442f91f",
    ],
];

/// RFC 9180, section 4: LabeledExtract and LabeledExpand of the suite (X-Wing, HKDF-SHA256,
/// AES-256-GCM).
const SUITE: &[u8] = b"HPKE\x64\x7a\x00\x01\x00\x02";

fn labelled_extract(salt: &[u8], label: &[u8], ikm: &[u8]) -> [u8; 32] {
    let input = [&b"HPKE-v1"[..], SUITE, label, ikm].concat();
    Hkdf::<Sha256>::extract(Some(salt), &input).0.into()
}

fn labelled_expand<const N: usize>(prk: &[u8; 32], label: &[u8], info: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    let info =
        [&u16::try_from(N).unwrap().to_be_bytes()[..], b"HPKE-v1", SUITE, label, info].concat();
    Hkdf::<Sha256>::from_prk(prk).unwrap().expand(&info, &mut out).unwrap();
    out
}

/// KEM by the draft's vectors; key schedule (RFC 9180, 5.1) and keystream (GCM, counter from 2) by
/// hand, from the vectors' shared secret.
#[test]
fn the_scheme_is_x_wing_under_hpke_to_the_byte() {
    for [seed, encapsulation, secret, public, ciphertext] in X_WING {
        let key = from_seed(from_hex(seed).unwrap());
        assert_eq!(Digest::of(&key.public().to_bytes()[1..]).to_string(), public);
        let mut script = Script(from_hex::<64>(encapsulation).unwrap().to_vec());
        let sealed = key
            .public()
            .seal(b"bound", b"forty-two bytes, which is over two blocks.", &mut script)
            .unwrap();
        assert_eq!(Digest::of(&sealed[1..1 + ENCAPSULATED]).to_string(), ciphertext);
        assert_eq!(sealed.len(), sealed_len(42));

        let shared = from_hex::<32>(secret).unwrap();
        let context = [
            &[0][..],
            &labelled_extract(b"", b"psk_id_hash", b""),
            &labelled_extract(b"", b"info_hash", b"haima seal 2"),
        ]
        .concat();
        let prk = labelled_extract(&shared, b"secret", b"");
        let exporter: [u8; 32] = labelled_expand(&prk, b"exp", &context);
        let chunks: [u8; 32] = labelled_expand(&exporter, b"sec", b"chunks");
        // Chunk 0, the last one; GCM encrypts from counter 2 on.
        let counter = [&[0; 11][..], &[1], &[0, 0, 0, 2]].concat();
        let counter: [u8; 16] = counter.try_into().unwrap();
        let mut body = sealed[1 + ENCAPSULATED..sealed.len() - TAG].to_vec();
        ctr::Ctr32BE::<Aes256>::new(&chunks.into(), &counter.into()).apply_keystream(&mut body);
        assert_eq!(body, b"forty-two bytes, which is over two blocks.");
        assert_eq!(*key.open(b"bound", &sealed).unwrap(), body);
    }
}

#[test]
fn every_flipped_byte_and_every_other_length_fails() {
    let key = SealingKey::generate(&mut rng(1));
    let aad = associated().to_bytes();
    let sealed = key.public().seal(&aad, &[9; 40], &mut rng(2)).unwrap();
    assert_eq!(*key.open(&aad, &sealed).unwrap(), [9; 40]);
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= if at % 2 == 0 { 0x80 } else { 1 };
        assert_eq!(key.open(&aad, &changed), Err(Error::Open), "byte {at}");
    }
    // The bit that X25519 ignores.
    let mut changed = sealed.clone();
    changed[ENCAPSULATED] ^= 0x80;
    assert_eq!(key.open(&aad, &changed), Err(Error::Open));
    for len in [
        0,
        1,
        2,
        ENCAPSULATED,
        ENCAPSULATED + 1,
        HEAD,
        HEAD + TAG - 1,
        HEAD + TAG,
        sealed.len() - 1,
    ] {
        assert_eq!(key.open(&aad, &sealed[..len]), Err(Error::Open), "{len} bytes");
    }
    let longer = [&sealed[..], &[0]].concat();
    assert_eq!(key.open(&aad, &longer), Err(Error::Open));
    let other = SealingKey::generate(&mut rng(3));
    assert_eq!(other.open(&aad, &sealed), Err(Error::Open));
}

#[test]
fn two_sealings_of_one_message_differ() {
    let key = SealingKey::generate(&mut rng(1));
    let mut rng = rng(2);
    let [a, b] = [(); 2].map(|()| key.public().seal(b"", b"same", &mut rng).unwrap());
    assert_ne!(a[1..33], b[1..33]);
    assert_ne!(a[a.len() - 20..], b[b.len() - 20..]);
}

#[test]
fn keys_keep_through_their_encoding_and_other_versions_are_refused() {
    let key = SealingKey::generate(&mut rng(4));
    let public = key.public().to_bytes();
    assert_eq!(SealingPublic::from_bytes(&public), Ok(key.public()));
    let again = SealingKey::from_bytes(&*key.to_bytes()).unwrap();
    assert_eq!(again.public(), key.public());
    assert_eq!(again.public().digest(), key.public().digest());

    let mut other = public;
    other[0] = 1;
    let refused = SealingPublic::from_bytes(&other);
    assert_eq!(refused, Err(Error::Version { what: "sealing key", got: 1, known: 2 }));
    let mut other = key.to_bytes();
    other[0] = 0;
    assert!(matches!(SealingKey::from_bytes(&*other), Err(Error::Version { got: 0, .. })));
    for bytes in [&public[..0], &public[..1], &public[..1216], &[&public[..], &[0]].concat()] {
        assert!(matches!(SealingPublic::from_bytes(bytes), Err(Error::Length { .. })));
        assert!(matches!(SealingKey::from_bytes(bytes), Err(Error::Length { .. })));
    }
    // A coefficient of ML-KEM at 4095, past its modulus 3329.
    let mut other = public;
    other[1..4].fill(0xff);
    assert_eq!(SealingPublic::from_bytes(&other), Err(Error::SealingKey));
}

#[test]
fn debug_of_a_private_key_shows_only_the_public_half() {
    let shown = format!("{:?}", from_seed([0xab; 32]));
    assert!(shown.contains("redacted") && !shown.contains("abab") && !shown.contains("171"));
}

#[test]
fn the_associated_data_is_frozen() {
    let bytes = associated().to_bytes();
    // By hand: each field packed by another program, then SHA3-256.
    assert_eq!(bytes.len(), 27 + 4 + 3 * 32 + 2 * 4 + 10 + 4 + 16);
    assert_eq!(
        to_hex(Digest::of(&bytes).as_bytes()),
        "693d09427499e328d01610627de1440adee5c5f7fa78d76cc028d7569ce3f0cc"
    );
}

/// STREAM: chunks neither left out, repeated, exchanged nor cut off, whatever their number.
#[test]
fn a_message_of_many_chunks_opens_whole_and_in_order_alone() {
    let key = SealingKey::generate(&mut rng(1));
    for len in [0, 1, CHUNK_PLAIN - 1, CHUNK_PLAIN, CHUNK_PLAIN + 1, 3 * CHUNK_PLAIN] {
        let plain: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        let sealed = key.public().seal(b"aad", &plain, &mut rng(2)).unwrap();
        assert_eq!(sealed.len(), sealed_len(len));
        assert_eq!(*key.open(b"aad", &sealed).unwrap(), plain);
    }
    let plain = vec![7; 3 * CHUNK_PLAIN];
    let sealed = key.public().seal(b"aad", &plain, &mut rng(2)).unwrap();
    let (head, body) = sealed.split_at(HEAD);
    let part = |order: &[usize]| {
        let chunks = order.iter().map(|i| &body[i * CHUNK..(i + 1) * CHUNK]);
        [head].into_iter().chain(chunks).collect::<Vec<_>>().concat()
    };
    assert!(key.open(b"aad", &part(&[0, 1, 2])).is_ok());
    for wrong in [&[0, 1][..], &[0, 2], &[1, 0, 2], &[0, 0, 2], &[0, 1, 2, 2], &[0, 1, 1, 2], &[2]]
    {
        assert_eq!(key.open(b"aad", &part(wrong)), Err(Error::Open), "{wrong:?}");
    }
    // One at a time, from any place on.
    let chunks = ChunkKey::new(&key.chunk_seed(head).unwrap());
    let mut second = body[CHUNK..2 * CHUNK].to_vec();
    chunks.open(Place::of(1, 3).unwrap(), b"aad", &mut second).unwrap();
    assert_eq!(second, plain[..CHUNK_PLAIN]);
    let mut second = body[CHUNK..2 * CHUNK].to_vec();
    assert_eq!(chunks.open(Place::of(1, 2).unwrap(), b"aad", &mut second), Err(Error::Open));
    assert!(second.is_empty(), "nothing unauthenticated is left");
}

/// The sealer could cut one plaintext in two ways: full chunks, or these and an empty one.
#[test]
fn an_empty_chunk_behind_full_ones_is_refused() {
    let key = SealingKey::generate(&mut rng(1));
    for full in [1, 2] {
        let plain = vec![7; full * CHUNK_PLAIN];
        let sealed = key.public().seal(b"aad", &plain, &mut rng(2)).unwrap();
        let head = &sealed[..HEAD];
        let chunks = ChunkKey::new(&key.chunk_seed(head).unwrap());
        let mut other = head.to_vec();
        for (index, plain) in plain.chunks(CHUNK_PLAIN).chain([&[][..]]).enumerate() {
            let mut chunk = plain.to_vec();
            chunks.seal(Place::of(index, full + 1).unwrap(), b"aad", &mut chunk).unwrap();
            other.extend(chunk);
        }
        assert_eq!(other.len(), sealed.len() + TAG);
        assert_eq!(key.open(b"aad", &other), Err(Error::Open), "{full} full chunks");
        assert_eq!(*key.open(b"aad", &sealed).unwrap(), plain);
    }
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest::from_bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn another_value_of_any_associated_field_does_not_open(
        version: u32, manifest in digest(), round in digest(), site in "[a-z]{1,9}",
        node in "[a-z]{1,9}", share: u32, nonce: [u8; 16], public_share in digest(),
        plaintext in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let key = SealingKey::generate(&mut rng(1));
        let right = associated();
        let sealed = key.public().seal(&right.to_bytes(), &plaintext, &mut rng(2)).unwrap();
        prop_assert_eq!(sealed.len(), sealed_len(plaintext.len()));
        prop_assert_eq!(&*key.open(&right.to_bytes(), &sealed).unwrap(), &plaintext);
        let wrong = [
            Associated { version, ..right },
            Associated { manifest, ..right },
            Associated { round, ..right },
            Associated { site: &site, ..right },
            Associated { node: &node, ..right },
            Associated { share, ..right },
            Associated { nonce, ..right },
            Associated { public_share, ..right },
            Associated { site: right.node, node: right.site, ..right },
        ];
        for wrong in wrong {
            prop_assume!(wrong != right);
            prop_assert_eq!(key.open(&wrong.to_bytes(), &sealed), Err(Error::Open));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..2500),
        versioned: bool,
    ) {
        if let (true, Some(first)) = (versioned, bytes.first_mut()) {
            *first = VERSION;
        }
        let key = SealingKey::generate(&mut rng(1));
        prop_assert_eq!(key.open(b"", &bytes), Err(Error::Open));
        let _ = SealingPublic::from_bytes(&bytes);
        prop_assert!(SealingPublic::from_bytes(&bytes[..bytes.len().min(1217)]).is_err());
    }
}
