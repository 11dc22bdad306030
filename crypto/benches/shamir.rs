//! Threshold sharing, with vsss-rs beside it in the same run: over GF(2^8), which ends at 255
//! shares, and over the scalars of Ristretto, which does not. One thread.
//! `cargo bench -p haima-crypto --bench shamir`; quote the ratios that it prints at the end.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group};
use haima_crypto::field::{Field, Field64};
use haima_crypto::secret::Seed;
use haima_crypto::shamir::{Basis, LIMBS, Share, Threshold, locate, share, share_seed};
use haima_crypto::vss::{self, Scalar, Scheme};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use vsss_rs::{Gf256, IdentifierPrimeField, PrimeFieldShare, ReadableShareSet, shamir};

type PeerShare = PrimeFieldShare<Scalar>;

const SIZES: [(u32, u32); 2] = [(51, 100), (501, 1000)];

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([1; 32])
}

/// Every other party is gone.
fn survivors(need: u32, of: u32) -> Vec<u32> {
    (1..=of).rev().step_by(2).chain(1..=of).take(need as usize).collect()
}

fn pick(shares: &[Share<Field64>], indices: &[u32]) -> Vec<Share<Field64>> {
    indices.iter().map(|index| shares[*index as usize - 1].clone()).collect()
}

fn reconstruct(need: u32, indices: &[u32], shares: &[Share<Field64>]) -> Seed {
    Basis::new(need, indices).and_then(|basis| basis.reconstruct_seed(shares)).unwrap()
}

fn peer_share(need: u32, of: u32, rng: &mut ChaCha20Rng) -> Vec<PeerShare> {
    let secret = IdentifierPrimeField(Scalar::from(7u64));
    shamir::split_secret::<PeerShare>(need as usize, of as usize, &secret, rng).unwrap()
}

fn seeds(c: &mut Criterion) {
    let (mut rng, seed) = (rng(), Seed::from_bytes([9; 32]));
    for (need, of) in SIZES {
        let mut group = c.benchmark_group(format!("32-byte secret, any {need} of {of}"));
        group.sample_size(20);
        let threshold = Threshold::new(need, of).unwrap();
        let indices = survivors(need, of);
        let shares = pick(&share_seed(&seed, threshold, &mut rng), &indices);
        group.bench_function("share", |b| b.iter(|| share_seed(&seed, threshold, &mut rng)));
        let mut words = vec![0u8; (need as usize - 1) * LIMBS * Field64::BYTES];
        group.bench_function("floor: random words of the polynomials", |b| {
            b.iter(|| rng.fill_bytes(black_box(&mut words)));
        });
        group.bench_function("reconstruct", |b| b.iter(|| reconstruct(need, &indices, &shares)));
        let basis = Basis::new(need, &indices).unwrap();
        group.bench_function("reconstruct, basis known", |b| {
            b.iter(|| basis.reconstruct_seed(black_box(&shares)));
        });
        let mut all = share_seed(&seed, threshold, &mut rng);
        group.bench_function("locate, none wrong", |b| b.iter(|| locate(&all, &mut rng)));
        let other = share_seed(&Seed::from_bytes([8; 32]), threshold, &mut rng);
        all.splice(..20, other.into_iter().take(20));
        group.bench_function("locate 20 wrong", |b| b.iter(|| locate(&all, &mut rng)));
        if of < 256 {
            let (need, of) = (need as usize, of as usize);
            let shares = Gf256::split_array(need, of, [9; 32], &mut rng).unwrap();
            group.bench_function("vsss-rs over GF(2^8): share", |b| {
                b.iter(|| Gf256::split_array(need, of, [9; 32], &mut rng));
            });
            group.bench_function("vsss-rs over GF(2^8): reconstruct", |b| {
                b.iter(|| Gf256::combine_array(black_box(&shares[of - need..])));
            });
        }
        let shares = peer_share(need, of, &mut rng);
        group.bench_function("vsss-rs over scalars: share", |b| {
            b.iter(|| peer_share(need, of, &mut rng));
        });
        group.bench_function("vsss-rs over scalars: reconstruct", |b| {
            b.iter(|| black_box(&shares[(of - need) as usize..].to_vec()).combine());
        });
        group.finish();
    }
}

fn others(c: &mut Criterion) {
    let mut rng = rng();
    let mut group = c.benchmark_group("others");
    group.sample_size(20);
    let (threshold, indices) = (Threshold::new(51, 100).unwrap(), survivors(51, 100));
    let secrets: Vec<_> = (0..100)
        .map(|at| share_seed(&Seed::from_bytes([at; 32]), threshold, &mut rng))
        .map(|shares| pick(&shares, &indices))
        .collect();
    group.bench_function("100 secrets of one survivor set, any 51 of 100", |b| {
        b.iter(|| {
            let basis = Basis::new(51, &indices).unwrap();
            secrets.iter().for_each(|shares| {
                black_box(basis.reconstruct_seed(shares).unwrap());
            });
        });
    });
    let threshold = Threshold::new(3, 5).unwrap();
    let vector: Vec<Field64> = (0..100_000).filter_map(Field64::from_i64).collect();
    let shares = share(&vector, threshold, &mut rng);
    group.bench_function("share 100k elements, any 3 of 5", |b| {
        b.iter(|| share(black_box(&vector), threshold, &mut rng));
    });
    let basis = Basis::new(3, &[1, 3, 5]).unwrap();
    let survived = pick(&shares, &[1, 3, 5]);
    group.bench_function("reconstruct 100k elements, any 3 of 5", |b| {
        b.iter(|| basis.reconstruct(black_box(&survived)));
    });
    group.bench_function("locate in 100k elements, any 3 of 5", |b| {
        b.iter(|| locate(black_box(&shares), &mut rng));
    });
    for scheme in [Scheme::Feldman, Scheme::Pedersen] {
        let threshold = Threshold::new(51, 100).unwrap();
        let secret = Scalar::from(7u64);
        let (commitment, shares) = vss::share(scheme, &secret, threshold, &mut rng);
        group.bench_function(format!("{scheme:?}: share, any 51 of 100"), |b| {
            b.iter(|| vss::share(scheme, &secret, threshold, &mut rng));
        });
        group.bench_function(format!("{scheme:?}: verify one"), |b| {
            b.iter(|| commitment.verify(black_box(&shares[50])));
        });
        group.bench_function(format!("{scheme:?}: reconstruct"), |b| {
            b.iter(|| vss::reconstruct(51, black_box(&shares)));
        });
    }
    group.finish();
}

/// Median time of alternating runs of ours and the peer's, so that both see the same machine.
fn race<A, B>(mut ours: impl FnMut() -> A, mut peer: impl FnMut() -> B) -> [Duration; 2] {
    fn time<T>(run: &mut impl FnMut() -> T) -> Duration {
        let start = Instant::now();
        black_box(run());
        start.elapsed()
    }
    let (mut a, mut b): (Vec<_>, Vec<_>) =
        (0..31).map(|_| (time(&mut ours), time(&mut peer))).unzip();
    a.sort();
    b.sort();
    [a[15], b[15]]
}

fn print_ratios() {
    let (mut ours, mut theirs, seed) = (rng(), rng(), Seed::from_bytes([9; 32]));
    println!(
        "| 32-byte secret | ours | vsss-rs, faster of its fields | ratio |\n|---|---|---|---|"
    );
    let row = |name: String, [a, b]: [Duration; 2]| {
        println!("| {name} | {a:.1?} | {b:.1?} | {:.1} |", b.as_secs_f64() / a.as_secs_f64());
    };
    for (need, of) in SIZES {
        let threshold = Threshold::new(need, of).unwrap();
        let indices = survivors(need, of);
        let shares = pick(&share_seed(&seed, threshold, &mut ours), &indices);
        let peers = peer_share(need, of, &mut theirs);
        let bytes = Gf256::split_array(51, 100, [9; 32], &mut theirs).unwrap();
        let share =
            race(|| share_seed(&seed, threshold, &mut ours), || peer_share(need, of, &mut theirs));
        row(format!("share, any {need} of {of}"), share);
        let again = || reconstruct(need, &indices, &shares);
        let reconstructed = if of < 256 {
            race(again, || Gf256::combine_array(&bytes[49..]).unwrap())
        } else {
            race(again, || peers[(of - need) as usize..].to_vec().combine().unwrap())
        };
        row(format!("reconstruct, any {need} of {of}"), reconstructed);
    }
}

criterion_group!(benches, seeds, others);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    print_ratios();
}
