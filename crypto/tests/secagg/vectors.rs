//! The bytes of every message of an epoch and a round with fixed seeds: four sites, t = 3; site 3
//! shares and vanishes. `UPDATE_VECTORS=1` writes the file anew.

use haima_crypto::encode::{Canonical, to_hex};
use haima_crypto::secagg::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Value, json};

use super::network::*;

fn transcript(prg: Prg, bits: u8) -> Value {
    let mut messages: Vec<Value> = Vec::new();
    let mut record = |what: &'static str, bytes: Vec<u8>| {
        messages.push(json!({ "message": what, "bytes": to_hex(&bytes) }));
    };
    let mut network = Network::recorded(4, 2024, &mut record);
    let ring = Ring::new(bits).unwrap();
    let context = network.context_of(Terms { prg, ring, ..network.terms() });
    let mut collecting = Collecting::new(context.clone());
    let mut states = Vec::new();
    for site in 0..4 {
        let (state, message) = network.start(&context, site);
        record("shares", message.to_bytes());
        collecting.add(message).unwrap();
        states.push(state);
    }
    let relaying = collecting.close().unwrap();
    let mut ready = Vec::new();
    for (site, state) in (0..4).zip(states) {
        let delivery = relaying.delivery(site).unwrap();
        record("delivery", delivery.to_bytes());
        ready.push(state.receive(&delivery).unwrap());
    }
    ready.pop();
    let mut summing = relaying.sum();
    let mut masked = Vec::new();
    for (site, state) in (0..).zip(ready) {
        let (state, input) = state.mask(&input(site, LEN), network.identity(site)).unwrap();
        record("masked", input.to_bytes());
        summing.add(&input).unwrap();
        masked.push(state);
    }
    let mut confirming = summing.close().unwrap();
    let partition = confirming.partition().clone();
    record("partition", partition.to_bytes());
    let mut confirmed = Vec::new();
    for (site, state) in (0..).zip(masked) {
        let (state, confirmation) = state.confirm(&partition, network.identity(site)).unwrap();
        record("confirmation", confirmation.to_bytes());
        confirming.add(&confirmation).unwrap();
        confirmed.push(state);
    }
    let mut unmasking = confirming.close().unwrap();
    let request = unmasking.request().clone();
    record("unmask", request.to_bytes());
    for (site, state) in (0..).zip(confirmed) {
        let (_, shares) = state.unmask(&request, network.identity(site)).unwrap();
        record("answer", shares.to_bytes());
        unmasking.add(&shares).unwrap();
    }
    let seeds = unmasking.seeds(&mut ChaCha20Rng::from_seed([0; 32])).unwrap();
    let sum = unmasking.unmask(seeds);
    assert_eq!(sum.values, plain(&(0..3).collect(), LEN));
    json!({
        "prg": format!("{prg:?}"),
        "ring_bits": bits,
        "terms": context.digest().to_string(),
        "epoch": network.epoch.to_string(),
        "inputs": (0..4).map(|site| input(site, LEN)).collect::<Vec<_>>(),
        "messages": messages,
        "sum": sum.values,
    })
}

#[test]
fn every_message_has_the_bytes_of_the_vectors() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/secagg.json");
    let now = json!([transcript(Prg::Aes128, 32), transcript(Prg::ChaCha20, 21)]);
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(path, serde_json::to_string_pretty(&now).unwrap() + "\n").unwrap();
    }
    let text = std::fs::read_to_string(path).unwrap();
    let frozen: Value = serde_json::from_str(&text).unwrap();
    let [now, frozen] = [&now, &frozen].map(|all| all.as_array().unwrap());
    assert_eq!(now.len(), frozen.len());
    for (now, frozen) in now.iter().zip(frozen) {
        for key in ["prg", "ring_bits", "epoch", "terms", "inputs", "sum"] {
            assert_eq!(now[key], frozen[key], "{key}");
        }
        let [now, frozen] = [now, frozen].map(|one| one["messages"].as_array().unwrap());
        assert_eq!(now.len(), frozen.len());
        for (at, (now, frozen)) in now.iter().zip(frozen).enumerate() {
            assert_eq!(now, frozen, "message {at}");
        }
    }
}
