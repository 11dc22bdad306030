//! All goals, by the file of the arithmetic.

mod p128;
mod p32;
mod p40;
mod p64;
mod words;

use crate::arithmetic::DoubleWord;
use crate::bits::Bits;
use crate::goal::{Goal, Question};
use crate::integers::{Int, Truth, int, number, signed};

/// All of them, in the order of expected.txt, each with the bits of its largest integer.
pub(crate) fn all() -> impl Iterator<Item = (u32, &'static Goal)> {
    let groups = [
        (136, words::GOALS),
        (104, p32::GOALS),
        (136, p40::GOALS),
        (208, p64::GOALS),
        (272, p128::GOALS),
        (528, p128::PRODUCT),
    ];
    groups.into_iter().flat_map(|(bits, goals)| goals.iter().map(move |goal| (bits, goal)))
}

/// Any word below p.
fn element<const N: u32>(ask: &mut Question, p: u128) -> Bits<N> {
    let word = Bits::any();
    ask.given(int(word).below(number(p)));
    word
}

/// Any signed integer of absolute value at most (p - 1) / 2, as a word.
fn integer<const N: u32>(ask: &mut Question, p: u128) -> Bits<N> {
    let word = Bits::any();
    ask.given(signed(word).at_most(number(p / 2)));
    ask.given((number(0) - number(p / 2)).at_most(signed(word)));
    word
}

/// The product of two words, as the arithmetic has it.
fn product<W: DoubleWord>(ask: &Question, a: W::Half, b: W::Half) -> W {
    ask.again(|| W::wide(a) * W::wide(b))
}

/// What is known of a product of two numbers that are at most so large.
fn product_of(product: Int, a: u128, b: u128) -> Truth {
    product.at_most(number(a).times(b))
}

/// a - b, and p more where that is negative.
fn borrowing(a: Int, b: Int, p: u128) -> Int {
    a - b + Int::either(a.below(b), number(p), number(0))
}

/// 1 where something holds, 0 elsewhere.
fn one_if(truth: Truth) -> Int {
    Int::either(truth, number(1), number(0))
}

/// Shows that `result` is `value` modulo p, reduced: below p, and less than `value` by so many
/// times p.
fn reduced(ask: &mut Question, value: Int, result: Int, p: u128, quotient: Int) {
    ask.show(result.below(number(p)));
    ask.show(value.is(quotient.times(p) + result));
}

/// Shows that an element stands for a signed integer: it is below p, the integer around zero, and
/// they differ by p or not at all.
fn stands_for<const N: u32>(ask: &mut Question, element: Bits<N>, value: Int, p: u128) {
    ask.show(int(element).below(number(p)));
    ask.show(value.at_most(number(p / 2)));
    ask.show((number(0) - number(p / 2)).at_most(value));
    ask.show(int(element).is(value) | int(element).is(value + number(p)));
}

/// Shows that a word is all ones where something holds, and zero elsewhere.
fn mask<const N: u32>(ask: &mut Question, word: Bits<N>, truth: Truth) {
    let ones = number(u128::MAX >> (128 - N));
    ask.show(int(word).is(Int::either(truth, ones, number(0))));
}
