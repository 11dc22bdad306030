//! The bytes of every message of an epoch and of rounds with fixed seeds, beside the secrets that
//! they follow from: four sites, t = 3. `UPDATE_VECTORS=1` writes the file anew.

use haima_crypto::encode::{Canonical, to_hex};
use haima_crypto::secagg::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::network::*;

const SITES: u32 = 4;
const SALT: u64 = 2024;

/// A round of the file, and which sites leave it.
struct Case {
    prg: Prg,
    bits: u8,
    len: usize,
    /// Shares nothing.
    absent: &'static [u32],
    /// Shares, and masks nothing.
    vanished: &'static [u32],
}

const CASES: [Case; 3] = [
    Case { prg: Prg::Aes128, bits: 32, len: LEN, absent: &[], vanished: &[3] },
    Case { prg: Prg::ChaCha20, bits: 21, len: LEN, absent: &[], vanished: &[3] },
    // Words of 64 bits, several blocks of keystream, and bits left over at the end.
    Case { prg: Prg::ChaCha20, bits: 47, len: 33, absent: &[1], vanished: &[] },
];

/// The site's seed of the epoch, which is the first that it draws.
fn epoch_seed(network: &Network, site: u32) -> String {
    let (context, mut rng) = (epoch(network.roster.clone()), rng(site, SALT));
    let (state, _) = Advertising::start(context, network.identity(site), &mut rng).unwrap();
    to_hex(&state.to_bytes()[1..])
}

/// What a site is about to draw for a round: its two seeds b and a, and of each the shares of the
/// sites at the positions 0 to t - 2, which with the seed fix the polynomials.
fn draws(mut rng: ChaCha20Rng, threshold: u32) -> Value {
    let mut draw = |len| {
        let mut bytes = vec![0; len];
        rng.fill_bytes(&mut bytes);
        bytes
    };
    let [b, a] = [draw(32), draw(32)].map(|seed| to_hex(&seed));
    let [b_shares, a_shares] = [(); 2].map(|()| {
        let words = draw(40 * (threshold as usize - 1));
        words.chunks(40).map(to_hex).collect::<Vec<_>>()
    });
    json!({ "b": b, "a": a, "b_shares": b_shares, "a_shares": a_shares })
}

fn transcript(case: &Case) -> Value {
    let Case { prg, bits, len, absent, vanished } = *case;
    let mut messages: Vec<Value> = Vec::new();
    let mut record = |what: &'static str, bytes: Vec<u8>| {
        messages.push(json!({ "message": what, "bytes": to_hex(&bytes) }));
    };
    let mut network = Network::recorded(SITES, SALT, &mut record);
    let ring = Ring::new(bits).unwrap();
    let context = network.context_of(Terms { prg, ring, len, ..network.terms() });
    let terms = context.terms();
    let survive = |site: &u32| !absent.contains(site) && !vanished.contains(site);
    let mut collecting = Collecting::new(context.clone());
    let (mut sites, mut states) = (Vec::new(), Vec::new());
    for site in 0..SITES {
        let shares = !absent.contains(&site);
        let rng = network.rngs[site as usize].clone();
        sites.push(json!({
            "name": name(site),
            "identity_secret": to_hex(&*network.identity(site).expose()),
            "epoch_seed": epoch_seed(&network, site),
            "draws": shares.then(|| draws(rng, terms.threshold)),
        }));
        if shares {
            let (state, message) = network.start(&context, site);
            record("shares", message.to_bytes());
            collecting.add(message).unwrap();
            states.push((site, state));
        }
    }
    let relaying = collecting.close().unwrap();
    let mut ready = Vec::new();
    for (site, state) in states {
        let delivery = relaying.delivery(site).unwrap();
        record("delivery", delivery.to_bytes());
        ready.push((site, state.receive(&delivery).unwrap()));
    }
    ready.retain(|(site, _)| survive(site));
    let mut summing = relaying.sum();
    let mut masked = Vec::new();
    for (site, state) in ready {
        let (state, input) = state.mask(&input(site, len), network.identity(site)).unwrap();
        record("masked", input.to_bytes());
        summing.add(&input).unwrap();
        masked.push((site, state));
    }
    let mut confirming = summing.close().unwrap();
    let partition = confirming.partition().clone();
    record("partition", partition.to_bytes());
    let mut confirmed = Vec::new();
    for (site, state) in masked {
        let (state, confirmation) = state.confirm(&partition, network.identity(site)).unwrap();
        record("confirmation", confirmation.to_bytes());
        confirming.add(&confirmation).unwrap();
        confirmed.push((site, state));
    }
    let mut unmasking = confirming.close().unwrap();
    let request = unmasking.request().clone();
    record("unmask", request.to_bytes());
    for (site, state) in confirmed {
        let (_, shares) = state.unmask(&request, network.identity(site)).unwrap();
        record("answer", shares.to_bytes());
        unmasking.add(&shares).unwrap();
    }
    let seeds = unmasking.seeds(&mut ChaCha20Rng::from_seed([0; 32])).unwrap();
    let sum = unmasking.unmask(seeds);
    assert_eq!(sum.values, plain(&(0..SITES).filter(survive).collect(), len));
    json!({
        "prg": format!("{prg:?}"),
        "ring_bits": bits,
        "manifest": manifest().to_string(),
        "epoch_number": EPOCH,
        "round": terms.round.to_string(),
        "threshold": terms.threshold,
        "corrupt": terms.corrupt,
        "min_sites": terms.min_sites,
        "sites": sites,
        "vanished": vanished,
        "terms": context.digest().to_string(),
        "epoch": network.epoch.to_string(),
        "inputs": (0..SITES).map(|site| input(site, len)).collect::<Vec<_>>(),
        "messages": messages,
        "sum": sum.values,
    })
}

#[test]
fn every_message_has_the_bytes_of_the_vectors() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/secagg.json");
    let now = Value::from_iter(CASES.iter().map(transcript));
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(path, serde_json::to_string_pretty(&now).unwrap() + "\n").unwrap();
    }
    let text = std::fs::read_to_string(path).unwrap();
    let frozen: Value = serde_json::from_str(&text).unwrap();
    let [now, frozen] = [&now, &frozen].map(|all| all.as_array().unwrap());
    assert_eq!(now.len(), frozen.len());
    for (now, frozen) in now.iter().zip(frozen) {
        let [now, frozen] = [now, frozen].map(|one| one.as_object().unwrap());
        assert!(now.keys().eq(frozen.keys()));
        for (key, now) in now.iter().filter(|(key, _)| *key != "messages") {
            assert_eq!(now, &frozen[key], "{key}");
        }
        let [now, frozen] = [now, frozen].map(|one| one["messages"].as_array().unwrap());
        assert_eq!(now.len(), frozen.len());
        for (at, (now, frozen)) in now.iter().zip(frozen).enumerate() {
            assert_eq!(now, frozen, "message {at}");
        }
    }
}
