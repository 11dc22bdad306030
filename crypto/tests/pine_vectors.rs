//! PINE against test vectors, byte for byte: the draft's, where they are there, and our own.

mod common;

use common::{Check, Vectors};
use haima_crypto::field::{Field, Field32, Field40, Field64, Field128, decode_vec};
use haima_crypto::pine::{Params, Pine, float};
use haima_crypto::share::{Aggregate, combine};
use haima_crypto::xof::{Xof, XofHmacSha256Aes128, XofTurboShake128};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

/// Everything a file says.
struct ByteForByte {
    reports: usize,
}

impl Check for ByteForByte {
    fn check<F: Field, X: Xof<Stream: Send> + Send>(
        &mut self,
        pine: &Pine<F, X>,
        vectors: &Vectors,
    ) {
        let name = &vectors.name;
        let nodes = vectors.params.shares;
        let dimension = vectors.params.dimension;
        let mut sums: Vec<_> =
            (0..nodes).map(|position| Aggregate::<F>::new(position, dimension)).collect();
        for (index, report) in vectors.reports.iter().enumerate() {
            let at = format!("{name}, report {index}");
            let sharing =
                pine.shard_with_rand(&report.values, &report.nonce, &report.rand).unwrap();
            assert!(sharing.public == report.public, "{at}: public share");
            assert_eq!(sharing.public.len(), pine.public_share_len(), "{at}");
            assert_eq!(sharing.shares.len(), nodes, "{at}");
            let mut prepared = Vec::new();
            for (position, share) in sharing.shares.iter().enumerate() {
                assert!(**share == report.input_shares[position], "{at}: input share {position}");
                assert_eq!(share.len(), pine.share_len(position), "{at}");
                let (state, prep_share) = pine
                    .prep(&vectors.verify_key, position, &report.nonce, &report.public, share)
                    .unwrap();
                assert!(prep_share == report.prep_shares[position], "{at}: prep share {position}");
                assert_eq!(prep_share.len(), pine.prep_share_len(), "{at}");
                prepared.push((state, prep_share));
            }
            let prep_shares: Vec<&[u8]> = prepared.iter().map(|(_, share)| &share[..]).collect();
            let message = pine.combine(&prep_shares).unwrap();
            assert!(message == report.prep_message, "{at}: prep message");
            assert_eq!(message.len(), pine.prep_message_len(), "{at}");
            for (position, (state, _)) in prepared.iter().enumerate() {
                let stored = pine.read_state(state.as_bytes()).unwrap();
                pine.finish(&stored, &message).unwrap();
                let share = &report.input_shares[position];
                let mut alone = Aggregate::<F>::new(position, dimension);
                pine.accumulate(position, share, &mut alone).unwrap();
                assert!(alone.to_bytes() == report.out_shares[position], "{at}: out {position}");
                pine.accumulate(position, share, &mut sums[position]).unwrap();
            }
            self.reports += 1;
        }
        let sums: Vec<Vec<u8>> = sums.iter().map(Aggregate::to_bytes).collect();
        assert!(sums == vectors.agg_shares, "{name}: aggregate shares");
        let released: Vec<&[u8]> = sums.iter().map(|sum| &sum[..]).collect();
        let result = combine::<F>(&released, dimension).unwrap();
        assert_eq!(float::decode(&result, vectors.fraction_bits), vectors.agg_result, "{name}");
    }
}

#[test]
fn every_vector_byte_for_byte() {
    let (published, own) = (common::published(), common::own());
    let mut check = ByteForByte { reports: 0 };
    for vectors in published.iter().chain(&own) {
        vectors.dispatch(&mut check);
        println!("{}: {} reports", vectors.name, vectors.reports.len());
    }
    println!(
        "checked {} published files and {} of our own, {} reports",
        published.len(),
        own.len(),
        check.reports
    );
    assert!(!own.is_empty(), "the repository's own vectors are missing");
}

/// Writes `tests/vectors/pine`: reports of several clients each, signed values, norms from 0 to the
/// bound, randomness that differs from report to report. Its README says how they were checked.
#[test]
#[ignore = "writes the repository's vectors: HAIMA_WRITE_VECTORS=1 cargo test -p haima-crypto --test pine_vectors -- --ignored"]
fn write_our_own_vectors() {
    // Never by the way, with other ignored tests: bytes that changed would pass as right.
    if std::env::var_os("HAIMA_WRITE_VECTORS").is_none() {
        println!("set HAIMA_WRITE_VECTORS=1 to write the vectors");
        return;
    }
    let params =
        |dimension, bound, shares, chunks: [usize; 2], checks: [usize; 2], proofs: [usize; 2]| {
            Params {
                dimension,
                bound,
                shares,
                checks: checks[0],
                successes: checks[1],
                proofs: proofs[0],
                proofs_norm_equality: proofs[1],
                chunk: chunks[0],
                chunk_norm_equality: chunks[1],
            }
        };
    type Hmac = XofHmacSha256Aes128;
    type Turbo = XofTurboShake128;
    write::<Field32, Hmac>(
        "field32-hmac-k2",
        "Field32",
        9,
        params(33, 512, 2, [40, 5], [30, 30], [5, 5]),
    );
    write::<Field40, Hmac>(
        "field40-hmac-k3",
        "Field40",
        12,
        params(17, 4096, 3, [64, 17], [25, 24], [4, 4]),
    );
    write::<Field64, Hmac>(
        "field64-hmac-k2",
        "Field64",
        15,
        params(50, 32_768, 2, [37, 8], [100, 100], [2, 2]),
    );
    write::<Field64, Hmac>(
        "field64-hmac-k5",
        "Field64",
        24,
        params(21, 1 << 24, 5, [100, 3], [20, 20], [2, 2]),
    );
    write::<Field64, Turbo>(
        "field64-turbo-k3",
        "Field64",
        0,
        params(9, 1 << 31, 3, [29, 1], [10, 10], [1, 2]),
    );
    write::<Field128, Turbo>(
        "field128-turbo-k5",
        "Field128",
        30,
        params(5, 1 << 40, 5, [60, 2], [12, 12], [1, 1]),
    );
}

fn write<F: Field, X: Xof<Stream: Send> + Send>(
    name: &str,
    field: &str,
    fraction_bits: u8,
    params: Params,
) {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let elements = |bytes: &[u8]| {
        let elements: Vec<F> = decode_vec("test", bytes, bytes.len() / F::BYTES).unwrap();
        elements
            .iter()
            .map(|e| {
                let mut bytes = Vec::new();
                e.write_le_bytes(&mut bytes);
                hex(&bytes)
            })
            .collect::<Vec<_>>()
    };
    let pine = Pine::<F, X>::of_the_draft(params).unwrap();
    let mut rng = ChaCha20Rng::from_seed([params.shares as u8 ^ params.dimension as u8; 32]);
    let mut random = |len: usize| {
        let mut bytes = vec![0; len];
        rng.fill_bytes(&mut bytes);
        bytes
    };
    let verify_key = random(X::SEED);
    let mut sums: Vec<_> = (0..params.shares)
        .map(|position| Aggregate::<F>::new(position, params.dimension))
        .collect();
    let mut prep: Vec<Value> = Vec::new();
    // The zero vector, the bound in one negative coordinate, and all coordinates signed.
    let bound = i64::try_from(params.bound).unwrap();
    let each = bound / (params.dimension as i64).isqrt().max(1) / 2;
    let vectors: [Vec<i64>; 3] = [
        vec![0; params.dimension],
        (0..params.dimension).map(|i| if i == 1 { -bound } else { 0 }).collect(),
        (0..params.dimension as i64).map(|i| (i * 7919 + 13) % (2 * each + 1) - each).collect(),
    ];
    for values in vectors {
        let nonce: [u8; 16] = random(16).try_into().unwrap();
        let rand = random((4 * params.shares - 1) * X::SEED);
        let sharing = pine.shard_with_rand(&values, &nonce, &rand).unwrap();
        let mut prep_shares = Vec::new();
        let mut out_shares = Vec::new();
        for (position, share) in sharing.shares.iter().enumerate() {
            let (_, prep_share) =
                pine.prep(&verify_key, position, &nonce, &sharing.public, share).unwrap();
            prep_shares.push(prep_share);
            let mut alone = Aggregate::<F>::new(position, params.dimension);
            pine.accumulate(position, share, &mut alone).unwrap();
            out_shares.push(elements(&alone.to_bytes()));
            pine.accumulate(position, share, &mut sums[position]).unwrap();
        }
        let borrowed: Vec<&[u8]> = prep_shares.iter().map(|share| &share[..]).collect();
        let message = pine.combine(&borrowed).unwrap();
        let exact: Vec<i128> = values.iter().map(|value| i128::from(*value)).collect();
        prep.push(json!({
            "measurement": float::decode(&exact, fraction_bits),
            "nonce": hex(&nonce),
            "rand": hex(&rand),
            "public_share": hex(&sharing.public),
            "input_shares": sharing.shares.iter().map(|share| hex(share)).collect::<Vec<_>>(),
            "prep_shares": [prep_shares.iter().map(|share| hex(share)).collect::<Vec<_>>()],
            "prep_messages": [hex(&message)],
            "out_shares": out_shares,
        }));
    }
    let sums: Vec<Vec<u8>> = sums.iter().map(Aggregate::to_bytes).collect();
    let released: Vec<&[u8]> = sums.iter().map(|sum| &sum[..]).collect();
    let result = combine::<F>(&released, params.dimension).unwrap();
    let file = json!({
        "shares": params.shares, "verify_key": hex(&verify_key), "agg_param": null,
        "field": field, "alpha": haima_crypto::pine::ALPHA, "num_frac_bits": fraction_bits,
        "dimension": params.dimension, "l2_norm_bound": params.bound,
        "num_wr_checks": params.checks, "num_wr_successes": params.successes,
        "chunk_length": params.chunk,
        "chunk_length_norm_equality": params.chunk_norm_equality,
        "proofs": params.proofs, "proofs_norm_equality": params.proofs_norm_equality,
        "prep": prep,
        "agg_shares": sums.iter().map(|sum| hex(sum)).collect::<Vec<_>>(),
        "agg_result": float::decode(&result, fraction_bits),
    });
    let path = format!("{}/tests/vectors/pine/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::write(path, serde_json::to_string_pretty(&file).unwrap() + "\n").unwrap();
}
