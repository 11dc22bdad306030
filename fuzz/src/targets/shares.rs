//! Shares of every kind and sums of them, as bytes (`haima_crypto::{share, shamir, vss, reshare}`).

use haima_crypto::encode::{Canonical, Digest, Encoder, from_hex};
use haima_crypto::field::{Field, Field64, Field128, encode_vec};
use haima_crypto::shamir::Threshold;
use haima_crypto::share::{Aggregate, Share, combine, split};
use haima_crypto::{reshare, shamir, vss};

use super::tools::{Cut, rng, strict, tagged};

pub(crate) fn run(bytes: &[u8]) {
    let mut cut = Cut(bytes);
    let tag = cut.byte();
    let (position, len) = (usize::from(cut.byte() % 4), usize::from(cut.byte() % 33));
    match tag % 8 {
        0 => additive::<Field64>(position, len, cut.0),
        1 => additive::<Field128>(position, len, cut.0),
        2 => threshold::<Field64>(len, cut.0),
        3 => threshold::<Field128>(len, cut.0),
        4 => {
            if let Ok(share) = vss::Share::from_bytes(cut.0) {
                assert!(**share.to_bytes() == *cut.0, "two encodings of a share");
            }
        }
        5 => committed(position, cut),
        6 => points::<Field64>(len, cut.0),
        _ => points::<Field128>(len, cut.0),
    }
}

/// What is a share is added; what is none changes no sum.
fn additive<F: Field>(position: usize, len: usize, bytes: &[u8]) {
    let mut sum = Aggregate::<F>::new(position, len);
    let before = sum.to_bytes();
    let added = sum.add_bytes(&Digest::default(), bytes).is_ok();
    let share = Share::<F>::from_bytes(position, len, bytes);
    assert_eq!(share.is_ok(), added);
    match share {
        Ok(share) => assert!(**share.to_bytes() == *bytes, "two encodings of a share"),
        Err(_) => assert!(sum.to_bytes() == before, "a refused share changed the sum"),
    }
    if position == 0 && added {
        assert!(sum.to_bytes() == bytes, "zero and a vector is not the vector");
    }
}

fn threshold<F: Field>(len: usize, bytes: &[u8]) {
    if let Ok(share) = shamir::Share::<F>::from_bytes(bytes, len) {
        assert!(**share.to_bytes() == *bytes, "two encodings of a share");
    }
}

/// Bytes of a share of a scalar.
const OF_ONE: usize = 4 + 17 + 4 + 32 + 32;

/// A commitment of at most 8 points, and a share against it.
fn committed(need: usize, mut cut: Cut<'_>) {
    let share = vss::Share::from_bytes(cut.take(OF_ONE));
    let commitment = strict::<vss::Commitment>(cut.0);
    let bounded = vss::Commitment::from_bytes_for(need as u32, cut.0);
    if let Ok(bounded) = &bounded {
        assert!(commitment.as_ref() == Some(bounded) && bounded.need() as usize == need);
    }
    if let (Ok(share), Some(commitment)) = (share, commitment)
        && commitment.need() <= 8
    {
        let _ = commitment.verify(&share);
    }
}

/// Three nodes' answers, of which two fix the sum; and the plain sum of two.
fn points<F: Field>(len: usize, bytes: &[u8]) {
    let third = bytes.len() / 3;
    let points: Vec<(u32, &[u8])> = (1..).zip(bytes.chunks(third.max(1)).take(3)).collect();
    let need = Threshold::new(2, 3).unwrap();
    if let Ok((sum, wrong)) = reshare::combine::<F, _>(&points, need, len, &mut rng()) {
        assert!(sum.len() == len && wrong.len() <= 1);
    }
    let plain: Vec<&[u8]> = points.iter().take(2).map(|(_, point)| *point).collect();
    if let Ok(sum) = combine::<F>(&plain, len) {
        assert_eq!(sum.len(), len);
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let head =
        |tag: u8, position: u8, bytes: &[u8]| tagged(tag, &[&[position, 3][..], bytes].concat());
    let values = [1, -2, 3];
    let additive = split::<Field64, _>(&values, 2, &Digest::default(), &mut rng()).unwrap();
    let wide = split::<Field128, _>(&values, 2, &Digest::default(), &mut rng()).unwrap();
    let need = Threshold::new(2, 3).unwrap();
    let elements = values.map(|value| Field64::from_i64(value).unwrap());
    let shamir = shamir::share(&elements, need, &mut rng());
    let points: Vec<u8> = shamir
        .iter()
        .flat_map(|share| share.values().iter().flat_map(|value| encode_vec(&[*value])))
        .collect();
    // Index 1, value 1, no blinding; and Feldman's commitment to a constant: one base point.
    let mut of_one = Encoder::new("haima vss share 1");
    of_one.u32(1).array(&one()).array(&[0; 32]);
    let base = "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76";
    let mut commitment = Encoder::new(vss::Commitment::LABEL);
    commitment.u8(0).count(1).array(&from_hex::<32>(base).unwrap());
    let (of_one, commitment) = (of_one.finish(), commitment.finish());
    assert_eq!(of_one.len(), OF_ONE);
    let both = [&of_one[..], &commitment].concat();
    vec![
        head(0, 0, &additive[0].to_bytes()),
        head(0, 1, &additive[1].to_bytes()),
        head(1, 0, &wide[0].to_bytes()),
        head(2, 0, &shamir[0].to_bytes()),
        head(4, 0, &of_one),
        head(5, 1, &both),
        head(6, 0, &points),
    ]
}

fn one() -> [u8; 32] {
    let mut one = [0; 32];
    one[0] = 1;
    one
}
