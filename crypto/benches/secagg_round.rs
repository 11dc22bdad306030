//! A masked round of 100 sites, d = 1,000,000, t = 67, step by step, beside as many raw keystreams
//! in the same run; and its bytes. One thread. `cargo bench -p haima-crypto --bench secagg_round`;
//! quote the ratios at the end.

use std::hint::black_box;
use std::time::{Duration, Instant};

use aes::Aes128;
use criterion::{Criterion, SamplingMode};
use ctr::Ctr64LE;
use ctr::cipher::KeyIvInit;
use haima_crypto::encode::Canonical;
use haima_crypto::identity::IdentityKey;
use haima_crypto::secagg::*;

mod floor;
#[path = "../tests/secagg/network.rs"]
#[allow(dead_code, reason = "the bench uses a part of it")]
mod network;

use floor::{ROOM, keystream};
use network::{Network, epoch, rng};

const SITES: u32 = 100;
const MILLION: usize = 1_000_000;
/// The site that is measured: half of the others come before it.
const SITE: u32 = 50;
const FRACTION_BITS: i32 = 16;

/// Sites with the keys of an epoch.
struct Sites {
    network: Network,
    keys: Vec<Vec<u8>>,
    advertisements: Vec<Advertisement>,
    agreements: Vec<Agreement>,
}

impl Sites {
    fn new() -> Self {
        let (mut advertisements, mut agreements) = (Vec::new(), Vec::new());
        let network = Network::recorded(SITES, 0, &mut |what, bytes| match what {
            "advertisement" => advertisements.push(Advertisement::from_bytes(&bytes).unwrap()),
            _ => agreements.push(Agreement::from_bytes(&bytes).unwrap()),
        });
        let keys = network.keys.iter().map(|keys| keys.to_bytes().to_vec()).collect();
        Self { network, keys, advertisements, agreements }
    }

    fn context(&self, bits: u8, len: usize) -> RoundContext {
        let ring = Ring::new(bits).unwrap();
        let context = self.network.context_of(Terms { ring, len, ..self.network.terms() });
        assert_eq!(context.terms().threshold, 67);
        context
    }

    fn identity(&self, site: u32) -> &IdentityKey {
        self.network.identity(site)
    }

    /// The same each time: keys as stored, and a generator from its beginning.
    fn start(&self, context: &RoundContext, site: u32) -> (Shared, SharesMessage) {
        let mut keys = self.pair_keys(site);
        self.start_with(context, site, &mut keys)
    }

    fn pair_keys(&self, site: u32) -> PairKeys {
        PairKeys::from_bytes(&self.keys[site as usize]).unwrap()
    }

    fn start_with(
        &self,
        context: &RoundContext,
        site: u32,
        keys: &mut PairKeys,
    ) -> (Shared, SharesMessage) {
        let identity = self.identity(site);
        Shared::start(context.clone(), keys, identity, &mut rng(site, 1)).unwrap()
    }

    /// A site's whole part in the agreement on the epoch's keys.
    fn agree(&self) -> PairKeys {
        let (identity, mut rng) = (self.identity(SITE), rng(SITE, 0));
        let context = epoch(self.network.roster.clone());
        let (state, _) = Advertising::start(context, identity, &mut rng).unwrap();
        let (state, _) = state.agree(&self.advertisements, identity, &mut rng).unwrap();
        let to: Vec<_> = self.to_site().cloned().collect();
        state.finish(&to).unwrap()
    }

    fn to_site(&self) -> impl Iterator<Item = &Agreement> {
        self.agreements.iter().filter(|agreement| agreement.to == SITE)
    }
}

/// All messages of a round in which the first `gone` sites vanish.
struct Round<'a> {
    sites: &'a Sites,
    context: RoundContext,
    shares: Vec<SharesMessage>,
    delivery: Delivery,
    partition: Partition,
    vectors: Vec<MaskedInput>,
    confirmations: Vec<Confirmation>,
    request: UnmaskRequest,
    answers: Vec<UnmaskShares>,
}

impl<'a> Round<'a> {
    fn new(sites: &'a Sites, bits: u8, len: usize, gone: u32) -> Self {
        let context = sites.context(bits, len);
        let (states, shares): (Vec<_>, Vec<_>) =
            (0..SITES).map(|site| sites.start(&context, site)).unzip();
        let relaying = collect(&context, &shares).close().unwrap();
        let delivery = relaying.delivery(SITE).unwrap();
        let reals = reals(len);
        let survivors = (0..).zip(states).skip(gone as usize);
        let (masked, vectors): (Vec<_>, Vec<_>) = survivors
            .map(|(site, state)| {
                let ready = state.receive(&relaying.delivery(site).unwrap()).unwrap();
                let (state, vector) = ready.mask(&quantise(&reals), sites.identity(site)).unwrap();
                ((site, state), vector)
            })
            .unzip();
        let confirming = add(relaying.sum(), &vectors).close().unwrap();
        let partition = confirming.partition().clone();
        let (confirmed, confirmations): (Vec<_>, Vec<_>) = masked
            .into_iter()
            .map(|(site, state)| {
                let (state, said) = state.confirm(&partition, sites.identity(site)).unwrap();
                ((site, state), said)
            })
            .unzip();
        let unmasking = confirm(confirming, &confirmations).close().unwrap();
        let request = unmasking.request().clone();
        let answers = confirmed
            .into_iter()
            .map(|(site, state)| state.unmask(&request, sites.identity(site)).unwrap().1)
            .collect();
        Self {
            sites,
            context,
            shares,
            delivery,
            partition,
            vectors,
            confirmations,
            request,
            answers,
        }
    }

    fn ready(&self) -> Ready {
        self.sites.start(&self.context, SITE).0.receive(&self.delivery).unwrap()
    }

    fn confirmed(&self, values: &[i64]) -> Confirmed {
        let identity = self.sites.identity(SITE);
        let (state, _) = self.ready().mask(values, identity).unwrap();
        state.confirm(&self.partition, identity).unwrap().0
    }

    fn summing(&self) -> Summing {
        collect(&self.context, &self.shares).close().unwrap().sum()
    }

    fn unmasking(&self) -> Unmasking {
        let confirming = add(self.summing(), &self.vectors).close().unwrap();
        confirm(confirming, &self.confirmations).close().unwrap()
    }
}

fn collect(context: &RoundContext, shares: &[SharesMessage]) -> Collecting {
    let mut collecting = Collecting::new(context.clone());
    shares.iter().for_each(|message| collecting.add(message.clone()).unwrap());
    collecting
}

fn add(mut summing: Summing, vectors: &[MaskedInput]) -> Summing {
    vectors.iter().for_each(|vector| summing.add(vector).unwrap());
    summing
}

fn confirm(mut confirming: Confirming, confirmations: &[Confirmation]) -> Confirming {
    confirmations.iter().for_each(|confirmation| confirming.add(confirmation).unwrap());
    confirming
}

/// Of either sign, below 1.
fn reals(len: usize) -> Vec<f64> {
    (0..len).map(|at| (at as f64 * 0.618).fract() * 2.0 - 1.0).collect()
}

/// To the grid point toward zero, as `haima-dp`'s grid does it.
fn quantise(reals: &[f64]) -> Vec<i64> {
    let steps = f64::from(FRACTION_BITS).exp2();
    reals.iter().map(|real| (real * steps) as i64).collect()
}

/// One step, and what it is held against.
struct Line<'a> {
    what: String,
    /// Masks that it expands, and bits of their words: as many keystreams are its floor.
    masks: Option<(usize, u8)>,
    target: Option<Duration>,
    /// Times that the table is made of.
    runs: usize,
    /// Prepares, then times the step alone.
    run: Box<dyn FnMut() -> Duration + 'a>,
}

impl<'a> Line<'a> {
    fn new(what: impl Into<String>, run: impl FnMut() -> Duration + 'a) -> Self {
        Self { what: what.into(), masks: None, target: None, runs: 31, run: Box::new(run) }
    }

    fn over(self, masks: usize, bits: u8) -> Self {
        Self { masks: Some((masks, bits)), ..self }
    }

    fn within(self, millis: u64) -> Self {
        Self { target: Some(Duration::from_millis(millis)), ..self }
    }
}

fn time<T>(run: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = black_box(run());
    (start.elapsed(), result)
}

/// What a site does, `round` being one without losses.
fn site_lines<'a>(round: &'a Round<'_>, reals: &'a [f64]) -> Vec<Line<'a>> {
    let (sites, identity) = (round.sites, round.sites.identity(SITE));
    let bits = round.context.terms().ring.bits();
    let masks = SITES as usize;
    let named = |what: &str| format!("site, {bits} bits: {what}");
    let whole = move || {
        let mut keys = sites.pair_keys(SITE);
        let (start, (values, state)) = time(|| {
            let (state, _) = sites.start_with(&round.context, SITE, &mut keys);
            (quantise(reals), state)
        });
        let ready = state.receive(&round.delivery).unwrap();
        start + time(|| ready.mask(&values, identity).unwrap()).0
    };
    let values = quantise(reals);
    let own = values.clone();
    let mask = move || {
        let ready = round.ready();
        time(|| ready.mask(&own, identity).unwrap()).0
    };
    let mut lines = vec![
        Line::new(named("quantise, start and mask"), whole)
            .over(masks, bits)
            .within(if bits <= 32 { 30 } else { 50 }),
        Line::new(named("mask"), mask).over(masks, bits),
    ];
    if bits > 32 {
        return lines;
    }
    lines.extend([
        Line::new("site: quantise", move || time(|| quantise(reals)).0),
        Line::new("site: start, 99 envelopes sealed and signed", move || {
            let mut keys = sites.pair_keys(SITE);
            time(|| sites.start_with(&round.context, SITE, &mut keys)).0
        }),
        Line::new("site: receive, 99 envelopes checked and opened", move || {
            let (state, _) = sites.start(&round.context, SITE);
            time(|| state.receive(&round.delivery).unwrap()).0
        }),
        Line::new("site: unmask, 100 confirmations checked", move || {
            let state = round.confirmed(&values);
            time(|| state.unmask(&round.request, identity).unwrap()).0
        }),
        Line::new("site, once an epoch: advertise, agree, finish", move || {
            time(|| sites.agree()).0
        }),
    ]);
    lines
}

/// What the coordinator does.
fn coordinator_lines<'a>(round: &'a Round<'_>, target: u64) -> Vec<Line<'a>> {
    let bits = round.context.terms().ring.bits();
    let left = round.vectors.len();
    let gone = SITES as usize - left;
    let masks = left + gone * left;
    let whole = Line::new(format!("coordinator, {bits} bits: {gone} gone, answers to sum"), || {
        let mut unmasking = round.unmasking();
        let sum = || {
            round.answers.iter().for_each(|answer| unmasking.add(answer).unwrap());
            let seeds = unmasking.seeds(&mut rng(0, 2)).unwrap();
            unmasking.unmask(seeds)
        };
        time(sum).0
    });
    let whole = Line { runs: 9, ..whole.over(masks, bits) };
    let mut lines = vec![whole.within(target)];
    if gone != 10 {
        return lines;
    }
    let each = format!("coordinator, {bits} bits: check and add one vector");
    lines.push(Line::new(each, || {
        let mut summing = round.summing();
        time(|| summing.add(&round.vectors[0]).unwrap()).0
    }));
    if bits > 32 {
        return lines;
    }
    lines.extend([
        Line::new("coordinator: check the shares of 100", || {
            time(|| collect(&round.context, &round.shares)).0
        }),
        Line::new("coordinator, 10 gone: answers of 90 to seeds", || {
            let mut unmasking = round.unmasking();
            let seeds = || {
                round.answers.iter().for_each(|answer| unmasking.add(answer).unwrap());
                unmasking.seeds(&mut rng(0, 2)).unwrap()
            };
            time(seeds).0
        }),
    ]);
    lines
}

/// Keystreams of a million words, written into the same room again and again.
fn bare(masks: usize, bits: u8) -> Duration {
    let mut room = vec![0u8; ROOM];
    let keystreams = || {
        for at in 0..masks {
            let cipher = Ctr64LE::<Aes128>::new(&[at as u8; 16].into(), &[0; 16].into());
            keystream(cipher, MILLION * usize::from(bits) / 8, &mut room);
        }
    };
    time(keystreams).0
}

/// Shortest times of alternating runs: what else the machine does only adds to them.
fn print_ratios(lines: &mut [Line<'_>]) {
    println!("| n = 100, t = 67, d = 1M | ours | keystreams alone | ratio | target |");
    println!("|---|---|---|---|---|");
    for Line { what, masks, target, runs, run } in lines {
        let (mut ours, mut alone) = (Duration::MAX, Duration::MAX);
        for _ in 0..*runs {
            ours = ours.min(run());
            alone = masks.map_or(alone, |(masks, bits)| alone.min(bare(masks, bits)));
        }
        let target = target.map_or(String::new(), |target| {
            let kept = if ours < target { "kept" } else { "**missed**" };
            format!("{target:?}: {kept}")
        });
        let (alone, ratio) = masks.map_or_else(Default::default, |(masks, _)| {
            let ratio = ours.as_secs_f64() / alone.as_secs_f64();
            (format!("{masks} in {alone:.1?}"), format!("{ratio:.2}"))
        });
        println!("| {what} | {ours:.2?} | {alone} | {ratio} | {target} |");
    }
}

/// Bytes as they are encoded.
fn print_bytes(sites: &Sites, rounds: &[&Round<'_>]) {
    fn bytes<M: Canonical>(message: &M) -> usize {
        message.to_bytes().len()
    }
    println!("\n| bytes | | | target |\n|---|---|---|---|");
    for round in rounds {
        let Terms { ring, len, .. } = round.context.terms();
        let (vector, plain) = (bytes(&round.vectors[0]), ring.packed_len(*len).unwrap());
        let ratio = vector as f64 / plain as f64;
        let kept = if ratio <= 1.02 { "kept" } else { "**missed**" };
        let what = format!("vector, d = {len}, {} bits", ring.bits());
        println!("| {what} | {vector} | {ratio:.5} of the plain one | 1.02: {kept} |");
    }
    let round = rounds[0];
    let up = bytes(&round.shares[SITE as usize])
        + bytes(&round.confirmations[0])
        + bytes(&round.answers[0]);
    let down = bytes(&round.delivery) + bytes(&round.partition) + bytes(&round.request);
    println!("| control, a site and round | up {up} | down {down} | |");
    let sealed = sites.agreements.iter().filter(|agreement| agreement.from == SITE);
    let up = bytes(&sites.advertisements[SITE as usize]) + sealed.map(bytes).sum::<usize>();
    let down = sites.advertisements.iter().map(bytes).sum::<usize>()
        + sites.to_site().map(bytes).sum::<usize>();
    println!("| keys, a site and epoch | up {up} | down {down} | |");
}

fn main() {
    let (sites, reals) = (Sites::new(), reals(MILLION));
    let rounds: Vec<_> = [(32, 0), (64, 0), (32, 10), (64, 10), (32, 30), (64, 30)]
        .into_iter()
        .map(|(bits, gone)| (Round::new(&sites, bits, MILLION, gone), gone))
        .collect();
    let mut lines = Vec::new();
    for (round, gone) in &rounds {
        lines.extend(match gone {
            0 => site_lines(round, &reals),
            10 => coordinator_lines(round, 400),
            _ => coordinator_lines(round, 1500),
        });
    }
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("round of 100, d = 1M");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.measurement_time(Duration::from_millis(500)).warm_up_time(Duration::from_millis(100));
    for line in &mut lines {
        group.bench_function(&line.what, |b| {
            b.iter_custom(|times| (0..times).map(|_| (line.run)()).sum());
        });
    }
    group.finish();
    criterion.final_summary();
    print_ratios(&mut lines);
    let small = Round::new(&sites, 32, MILLION / 10, 10);
    print_bytes(&sites, &[&rounds[2].0, &rounds[3].0, &small]);
}
