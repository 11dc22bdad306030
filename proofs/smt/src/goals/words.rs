//! crypto/src/field/arithmetic/mod.rs: what all fields use, and that words that are formulas
//! compute what machine words do.

use super::mask;
use crate::arithmetic::{DoubleWord, Word, borrowed, carried, magnitude};
use crate::bits::Bits;
use crate::fault::Fault::Without;
use crate::goal::{Goal, Question};
use crate::integers::{Int, int, number, signed};
use crate::terms;

pub(crate) const GOALS: &[Goal] = &[
    Goal { name: "words-64", state: words_64, twins: &[("no-xor", Without("xor", 3))] },
    Goal { name: "words-128", state: words_128, twins: &[("no-sign", Without("sign", 71))] },
    Goal { name: "borrowed-64", state: borrowed_in::<64>, twins: &[("no-not", Without("not", 1))] },
    Goal { name: "borrowed-128", state: borrowed_in::<128>, twins: &[("no-or", Without("or", 1))] },
    Goal { name: "carried-64", state: carried_in::<64>, twins: &[("no-or", Without("or", 2))] },
    Goal {
        name: "magnitude",
        state: magnitude_of,
        twins: &[("no-one", Without("wrapping_sub", 1)), ("no-xor", Without("xor", 1))],
    },
];

/// Of any two words and their difference.
fn borrowed_in<const N: u32>(ask: &mut Question) {
    let (a, b) = (Bits::<N>::any(), Bits::<N>::any());
    let difference = ask.again(|| a.wrapping_sub(b));
    mask(ask, borrowed(a, b, difference), int(a).below(int(b)));
}

/// Of any two words and their sum.
fn carried_in<const N: u32>(ask: &mut Question) {
    let (a, b) = (Bits::<N>::any(), Bits::<N>::any());
    let sum = ask.again(|| a.wrapping_add(b));
    let fits = (int(a) + int(b)).below(number(1).shifted(N));
    mask(ask, carried(a, b, sum), !fits);
}

/// Of any integer of 64 bits, the smallest as well.
fn magnitude_of(ask: &mut Question) {
    let value = Bits::<64>::any();
    let integer = signed(value);
    let size = Int::either(integer.below(number(0)), number(0) - integer, integer);
    ask.show(int(magnitude(value)).is(size));
}

/// Words at whose edges operations differ.
const EDGES: [u128; 6] =
    [0, 1, 0x5555_5555, 0x8000_0000_ffff_ffff, 0x8000_0000_0000_0000_0000_0000_0000_0001, !0];

fn words_64(ask: &mut Question) {
    terms::compute_products();
    for (a, b) in pairs() {
        let native = every::<u64>(a as u64, b as u64);
        let formulas = every::<Bits<64>>(
            Bits::of(a & u128::from(u64::MAX)),
            Bits::of(b & u128::from(u64::MAX)),
        );
        agree(ask, native.0.iter().map(|word| u128::from(*word)), &formulas.0);
        agree(ask, native.1.iter().map(|word| u128::from(*word)), &formulas.1);
    }
}

fn words_128(ask: &mut Question) {
    terms::compute_products();
    for (a, b) in pairs() {
        let native = every::<u128>(a, b);
        let formulas = every::<Bits<128>>(Bits::of(a), Bits::of(b));
        agree(ask, native.0.iter().copied(), &formulas.0);
        agree(ask, native.1.iter().map(|word| u128::from(*word)), &formulas.1);
    }
}

fn pairs() -> impl Iterator<Item = (u128, u128)> {
    EDGES.into_iter().flat_map(|a| EDGES.into_iter().map(move |b| (a, b)))
}

fn agree<const N: u32>(ask: &mut Question, native: impl Iterator<Item = u128>, all: &[Bits<N>]) {
    for (native, formula) in native.zip(all) {
        ask.show(int(*formula).is(number(native)));
    }
}

/// Every operation, exact ones where they are.
fn every<W: DoubleWord>(a: W, b: W) -> (Vec<W>, Vec<W::Half>) {
    let (a_half, b_half) = (W::wide(a.low()), W::wide(b.high()));
    let mut words = plain(a, b);
    let (sum, carry) = a.carrying_add(b);
    words.extend([a_half * b_half, a_half * W::of(0x7d5b), sum, W::join(a.high(), b.low())]);
    let mut halves = plain(a.low(), b.high());
    halves.push(carry);
    (words, halves)
}

fn plain<W: Word>(a: W, b: W) -> Vec<W> {
    vec![
        a.wrapping_add(b),
        a.wrapping_sub(b),
        a.sign(),
        a & b,
        a | b,
        a ^ b,
        !a,
        a << 7,
        a >> 7,
        (a >> 1) + (b >> 1),
        (a | b) - (a & b),
    ]
}
