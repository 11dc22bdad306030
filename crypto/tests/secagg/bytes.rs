//! Decoders against any bytes, and what is printed of secrets.

use haima_crypto::encode::{Canonical, Encoder};
use haima_crypto::secagg::*;
use proptest::prelude::*;

use super::network::*;

/// Arbitrary bytes decode to nothing, or to the value with exactly that encoding.
fn strict<M: Canonical>(bytes: &[u8]) {
    let mut labelled = Encoder::new(M::LABEL).finish();
    labelled.extend_from_slice(bytes);
    for input in [bytes, &labelled] {
        if let Ok(value) = M::from_bytes(input) {
            assert_eq!(value.to_bytes(), input);
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_decode_to_one_encoding(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..1500),
            // Small counts and lengths, so that lists are entered.
            prop::collection::vec(prop_oneof![4 => Just(0u8), 1 => 0u8..6], 0..1500),
        ],
    ) {
        strict::<Advertisement>(&bytes);
        strict::<Agreement>(&bytes);
        strict::<Header>(&bytes);
        strict::<Envelope>(&bytes);
        strict::<SharesMessage>(&bytes);
        strict::<Delivery>(&bytes);
        strict::<MaskedInput>(&bytes);
        strict::<Partition>(&bytes);
        strict::<Confirmation>(&bytes);
        strict::<UnmaskRequest>(&bytes);
        strict::<UnmaskShares>(&bytes);
        for label in ["haima secagg pair keys 1", "haima secagg answered 1"] {
            let mut input = Encoder::new(label).finish();
            input.extend_from_slice(&bytes);
            if let Ok(keys) = PairKeys::from_bytes(&input) {
                assert_eq!(&*keys.to_bytes(), &input);
            }
            if let Ok(answered) = Answered::from_bytes(&input) {
                assert_eq!(&*answered.to_bytes(), &input);
            }
        }
    }
}

/// Each message with one byte cut, added, or changed: refused, or another message.
fn damaged<M: Canonical>(message: &M) {
    let bytes = message.to_bytes();
    for len in 0..bytes.len() {
        assert!(M::from_bytes(&bytes[..len]).is_err(), "{} cut to {len}", M::LABEL);
    }
    let mut more = bytes.clone();
    more.push(0);
    assert!(M::from_bytes(&more).is_err());
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 0x10;
        if let Ok(value) = M::from_bytes(&other) {
            assert_eq!(value.to_bytes(), other);
        }
    }
}

#[test]
fn damaged_messages_are_refused_or_others() {
    let mut network = Network::new(3, 0);
    let context = network.context();
    let (_, message) = network.start(&context, 0);
    damaged(&message);
    damaged(&message.header);
    damaged(&message.envelopes[0]);
    let context = network
        .context_of(Terms { round: haima_crypto::encode::Digest::of(b"2"), ..network.terms() });
    let (mut states, unmasking) = network.confirm(&context, &[], &[]);
    damaged(unmasking.request());
    damaged(&unmasking.request().partition);
    let state = states.remove(&0).unwrap();
    damaged(&state.unmask(unmasking.request(), network.identity(0)).unwrap().1);
}

#[test]
fn sites_out_of_order_are_another_encoding() {
    let mut to = Encoder::new(Partition::LABEL);
    to.count(0).count(0).count(3).u32(0).u32(2).u32(1);
    assert!(Partition::from_bytes(&to.finish()).is_err());
    let mut to = Encoder::new(Partition::LABEL);
    to.count(0).count(0).count(3).u32(0).u32(1).u32(1);
    assert!(Partition::from_bytes(&to.finish()).is_err());
}

#[test]
fn debug_shows_no_secret() {
    let mut network = Network::new(3, 0);
    let context = network.context();
    let keys = network.keys[0].to_bytes();
    let shown = format!("{:?}", network.keys[0]);
    assert!(shown.contains("redacted") && shown.len() < 100 && keys.len() > 150);
    let (states, mut unmasking) = network.confirm(&context, &[], &[]);
    for (site, state) in states {
        assert!(format!("{state:?}").contains("redacted"));
        let request = unmasking.request().clone();
        let (answered, shares) = state.unmask(&request, network.identity(site)).unwrap();
        for shown in [format!("{answered:?}"), format!("{shares:?}")] {
            assert!(shown.contains("redacted") && shown.len() < 100);
        }
        unmasking.add(&shares).unwrap();
    }
    let mut rng = network.rngs.pop().unwrap();
    let shown = format!("{:?}", unmasking.seeds(&mut rng).unwrap());
    assert!(shown.contains("redacted"));
}
