//! crypto/src/{secret,kdf,xof}: comparison of seeds, keys from keys, seeds to vectors.
//!
//! Public: which keystream words are at or above the modulus. They are thrown away (rule R7).

use haima_crypto::encode::Digest;
use haima_crypto::field::{Field, Field64};
use haima_crypto::kdf::derive;
use haima_crypto::secret::Seed;
use haima_crypto::xof::{
    ByteStream, Xof, XofHmacSha256Aes128, XofTurboShake128, add_elements, expand, sub_elements,
};
use haima_proofs_ct::memcheck::{public, publics, secret};

/// Two seeds that differ in the last byte, and two that do not differ.
pub(crate) fn equality() {
    let mut other = [7; 32];
    other[31] = 8;
    let seed = || Seed::from_bytes(secret([7; 32]));
    assert!(public(seed() == seed()));
    assert!(!public(seed() == Seed::from_bytes(secret(other))));
}

pub(crate) fn derivation() {
    let context = [Digest::of(b"round"), Digest::of(b"accepted set")];
    let derived = derive(&Seed::from_bytes(secret([5; 32])), "noise", &context);
    let expected = derive(&Seed::from_bytes([5; 32]), "noise", &context);
    assert_eq!(public(*derived.expose()), *expected.expose());
}

pub(crate) fn aes() {
    expansion::<XofHmacSha256Aes128>();
}

pub(crate) fn turboshake() {
    expansion::<XofTurboShake128>();
}

/// Over two blocks of 512 elements, so that the loop turns.
fn expansion<X: Xof>() {
    const LEN: usize = 520;
    let stream = |seed: [u8; 32]| {
        let mut xof = X::init(&seed[..X::SEED], b"tag");
        xof.absorb(b"round and site");
        xof.finish()
    };
    let elements = expand::<Field64>(&mut stream(secret([9; 32])), LEN);
    let expected = expand::<Field64>(&mut stream([9; 32]), LEN);
    assert!(publics(&elements) == *expected);
    let mut sum = elements.to_vec();
    add_elements(&mut stream(secret([9; 32])), &mut sum);
    sub_elements(&mut stream(secret([9; 32])), &mut sum);
    sub_elements(&mut stream(secret([9; 32])), &mut sum);
    assert!(publics(&sum).iter().all(|element| *element == Field64::ZERO));
    let mut bytes = [0; 100];
    stream(secret([9; 32])).fill(&mut bytes);
    assert_eq!(public(bytes[0]), public(elements[0]).to_u128() as u8);
}
