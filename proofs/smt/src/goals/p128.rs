//! crypto/src/field/arithmetic/p128.rs, at words of 64 and 128 bits: the 128-bit field.

use super::{borrowing, element, integer, mask, one_if, product_of, reduced, stands_for};
use crate::arithmetic::p128::{self, P, R2};
use crate::arithmetic::{DoubleWord, Word};
use crate::bits::Bits;
use crate::fault::Fault::{Instead, Without};
use crate::goal::{Goal, Question};
use crate::integers::{Int, Truth, any, int, number, signed};
use crate::terms;

type Single = Bits<64>;
type Double = Bits<128>;

pub(crate) const GOALS: &[Goal] = &[
    Goal {
        name: "p128-subtract",
        state: subtract,
        twins: &[("no-p", Without("wrapping_add", 1)), ("other-p", Instead(P, P + 1))],
    },
    Goal { name: "p128-add", state: add, twins: &[("no-p", Without("wrapping_add", 1))] },
    Goal {
        name: "p128-cancel",
        state: cancel,
        twins: &[("no-carry-of-odd", Without("or", 1)), ("same-word", Instead(0, 1))],
    },
    Goal {
        name: "p128-montgomery-word",
        state: montgomery_word,
        twins: &[("no-carry", Without("add", 6)), ("other-p", Instead(P >> 64, (P >> 64) + 1))],
    },
    Goal {
        name: "p128-finish",
        state: finish,
        twins: &[
            ("no-top-bit", Without("and", 3)),
            ("one-subtraction-too-few", Without("wrapping_sub", 1)),
        ],
    },
    Goal {
        name: "p128-montgomery",
        state: montgomery,
        twins: &[("no-finish", Without("wrapping_sub", 3))],
    },
    Goal {
        name: "p128-from-signed",
        state: from_signed,
        twins: &[("no-sign", Without("sign", 1))],
    },
    Goal {
        name: "p128-to-signed",
        state: to_signed,
        twins: &[("other-middle", Instead(P / 2, P / 2 - 1))],
    },
    Goal { name: "p128-below", state: below, twins: &[("other-p", Instead(P, P + 1))] },
];

/// Apart, since its integers are larger.
pub(crate) const PRODUCT: &[Goal] = &[Goal {
    name: "p128-multiply",
    state: multiply,
    twins: &[("other-r2", Instead(R2, R2 - 2)), ("not-brought-back", Instead(R2, 1))],
}];

/// For any word a, b at most p, where a - b is below p.
fn subtract(ask: &mut Question) {
    let (a, b) = (Double::any(), Double::any());
    ask.given(int(b).at_most(number(P)) & (int(a) - int(b)).below(number(P)));
    let result = int(p128::subtract(a, b));
    ask.show(result.is(borrowing(int(a), int(b), P)) & result.below(number(P)));
}

fn add(ask: &mut Question) {
    let (a, b) = (element::<128>(ask, P), element::<128>(ask, P));
    let over = !(int(a) + int(b)).below(number(P));
    reduced(ask, int(a) + int(b), int(p128::add(a, b)), P, one_if(over));
}

/// Word and m give 2^64 together, or are both zero.
fn cancel_gives(word: Single, (m, carry): (Single, Single)) -> Truth {
    (int(word) + int(m)).is(int(carry).shifted(64)) & int(carry).at_most(number(1))
}

fn cancel(ask: &mut Question) {
    let word = Single::any();
    ask.show(cancel_gives(word, p128::cancel(word)));
}

/// A sum of two words' worth: word + 2^128 top.
fn whole((word, top): (Double, Single)) -> Int {
    int(word) + int(top).shifted(128)
}

/// a * b = a0 b + 2^64 a1 b, by two products of words.
fn by_words(ask: &Question, a: Double, b: Single) -> Int {
    let [low, high] = ask.again(|| {
        let b = Double::wide(b);
        [Double::wide(a.low()), a >> 64].map(|word| int(word * b))
    });
    low + high.shifted(64)
}

/// For t below 2p and a below p.
fn word_takes(t: (Double, Single), a: Double) -> Truth {
    whole(t).below(number(P).shifted(1)) & int(a).below(number(P))
}

/// 2^64 result = t + a b + m p for this m, and the result is below 2p.
fn word_gives(t: (Double, Single), product: Int, m: Int, result: (Double, Single)) -> Truth {
    let right = whole(t) + product + m.times(P);
    whole(result).shifted(64).is(right) & whole(result).below(number(P).shifted(1))
}

fn montgomery_word(ask: &mut Question) {
    let (t, top) = (Double::any(), Single::any());
    let (a, b) = (Double::any(), Single::any());
    ask.given(word_takes((t, top), a));
    let product = by_words(ask, a, b);
    ask.given(product_of(product, P - 1, u128::from(u64::MAX)));
    let w0 = ask.again(|| {
        let low = Double::wide(a.low()) * Double::wide(b) + Double::wide(t.low());
        low.low()
    });
    let (m, carry) = ask.step(|| p128::cancel(w0));
    ask.cut(&[m.0, carry.0], Truth::always(), cancel_gives(w0, (m, carry)));
    ask.over_integers();
    let result = p128::montgomery_word((t, top), a, b);
    ask.show(word_gives((t, top), product, int(m), result));
}

/// Cuts off what `montgomery_word` gives; the m of it, and the product.
fn cut_word(
    ask: &mut Question,
    t: (Double, Single),
    a: Double,
    b: Single,
) -> (Int, Int, (Double, Single)) {
    let product = by_words(ask, a, b);
    let m = any(64);
    let result = ask.step(|| p128::montgomery_word(t, a, b));
    ask.cut(&[result.0.0, result.1.0], word_takes(t, a), word_gives(t, product, m, result));
    (product, m, result)
}

/// Below 2p.
fn finish_takes(t: (Double, Single)) -> Truth {
    whole(t).below(number(P).shifted(1))
}

fn finish_gives(t: (Double, Single), result: Double) -> Truth {
    int(result).is(borrowing(whole(t), number(P), P)) & int(result).below(number(P))
}

fn finish(ask: &mut Question) {
    let t = (Double::any(), Single::any());
    ask.given(finish_takes(t));
    ask.show(finish_gives(t, p128::finish(t)));
}

/// 2^128 result = a b + m p with this m, and the result is below p; for a below p and any b.
fn montgomery_gives(product: Int, m: Int, result: Double) -> Truth {
    int(result).shifted(128).is(product + m.times(P)) & int(result).below(number(P))
}

fn montgomery(ask: &mut Question) {
    let (a, b) = (element::<128>(ask, P), Double::any());
    let (product, m, t) = cut_words(ask, a, b);
    let finished = ask.step(|| p128::finish(t));
    ask.cut(&[finished.0], finish_takes(t), finish_gives(t, finished));
    ask.over_integers();
    let result = p128::montgomery(a, b);
    let one_less = m - number(1).shifted(128);
    ask.show(montgomery_gives(product, m, result) | montgomery_gives(product, one_less, result));
}

/// Cuts off both words of a product.
fn cut_words(ask: &mut Question, a: Double, b: Double) -> (Int, Int, (Double, Single)) {
    let zero = (Double::of(0), Single::of(0));
    let (low, m, t) = cut_word(ask, zero, a, b.low());
    let (high, m_high, t) = cut_word(ask, t, a, b.high());
    (low + high.shifted(64), m + m_high.shifted(64), t)
}

/// The product modulo p. With x, y, r of the two reductions: 2^128 x = a b + m p and 2^128 r =
/// R2 x + n p, so 2^256 r = R2 a b + (R2 m + 2^128 n) p; 2^256 = R2 + k p; and v R2 = 1 + c p.
fn multiply(ask: &mut Question) {
    let (a, b) = (element::<128>(ask, P), element::<128>(ask, P));
    let product = by_words(ask, a, b.low()) + by_words(ask, a, b.high()).shifted(64);
    let (m, n) = (any(130) - number(1).shifted(128), any(130) - number(1).shifted(128));
    let once = ask.step(|| p128::montgomery(a, b));
    ask.cut(&[once.0], int(a).below(number(P)), montgomery_gives(product, m, once));
    // As it is written in the arithmetic, also where that is a planted bug.
    let r2 = Double::of(R2);
    let result = ask.step(|| p128::montgomery(once, r2));
    let times_r2 = int(once).times(terms::value(r2.0).expect("a constant"));
    ask.cut(&[result.0], int(once).below(number(P)), montgomery_gives(times_r2, n, result));
    ask.over_integers();
    let result = int(p128::multiply(a, b));
    let k_less_2_128 = 0x1c_0000_0000_0000_030f;
    let (v, c) = (0xffff_ffff_ffff_aa5c_0000_0000_0009_57d2, 0x5587_ffff_ffff_e36c_64b1);
    let together = m.times(R2) + n.shifted(128);
    let k_result = result.shifted(128) + result.times(k_less_2_128);
    let quotient = (result - product).times(c) - (together - k_result).times(v);
    reduced(ask, product, result, P, quotient);
}

fn from_signed(ask: &mut Question) {
    let value: Double = integer(ask, P);
    stands_for(ask, p128::from_signed(value), signed(value), P);
}

fn to_signed(ask: &mut Question) {
    let element: Double = element(ask, P);
    stands_for(ask, element, signed(p128::to_signed(element)), P);
}

fn below(ask: &mut Question) {
    let word = Double::any();
    mask(ask, p128::below(word), int(word).below(number(P)));
}
