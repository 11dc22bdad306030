//! crypto/src/secagg: masks over vectors, and a site's first message of a masked round.
//!
//! Public: that integers fit the ring, which random words are thrown away, that a site's own shares
//! are canonical; and the masked vector. Who is before whom in the roster decides signs.

use haima_crypto::secagg::mask::{Accumulator, mask};
use haima_crypto::secagg::{PairKeys, Prg, Ring, Shared};
use haima_crypto::secret::Seed;
use haima_proofs_ct::memcheck::{publics, secret, secrets};
use haima_proofs_ct::setting::{self, SecretRng};

/// Narrow words that are packed.
pub(crate) fn aes() {
    masked(Prg::Aes128, 20);
}

/// Wide words that are packed.
pub(crate) fn chacha() {
    masked(Prg::ChaCha20, 40);
}

/// Over 70 entries, so that keystream is drawn both in wide blocks and one by one.
fn masked(prg: Prg, bits: u8) {
    let ring = Ring::new(bits).expect("a ring");
    let integers: Vec<i64> = (0..70).map(|i| (i - 35) * 1001).collect();
    let [own, after, before] = [1, 2, 3].map(|byte| Seed::from_bytes(secret([byte; 32])));
    let packed = mask(ring, prg, &secrets(&integers), &[&own, &after], &[&before]);
    let packed = publics(&packed.expect("integers of the ring"));
    let mut sum = Accumulator::from_packed(ring, integers.len(), &packed).expect("a vector");
    sum.apply_masks(prg, &[&before], &[&own, &after]);
    assert_eq!(publics(&sum.to_integers()), integers);
    // The same vector, step by step.
    let mut steps = Accumulator::from_integers(ring, &secrets(&integers)).expect("integers");
    steps.add_mask(prg, &own);
    steps.add_mask(prg, &after);
    steps.sub_mask(prg, &before);
    assert_eq!(publics(&steps.to_packed()), packed);
}

/// Subkeys of the round, both seeds, their shares and commitments, the backup, the envelopes and
/// their signatures, from secret pair keys and secret randomness.
pub(crate) fn round() {
    let roster = setting::roster(3);
    let bytes = setting::pair_keys(&roster, 0, |other| secret([other as u8; 32]));
    let mut keys = PairKeys::from_bytes(&bytes).expect("pair keys");
    let (context, identity) = (setting::round(&roster), setting::identity(0));
    let started = Shared::start(context, &mut keys, &identity, &mut SecretRng::new(8));
    let (_, message) = started.expect("a round");
    assert_eq!(message.envelopes.len(), 2);
}
