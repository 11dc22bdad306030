//! crypto/src/field/arithmetic/p64.rs, at words of 64 and 128 bits: the 64-bit field.

use super::{borrowing, element, integer, mask, one_if, product, reduced, stands_for};
use crate::arithmetic::p64::{self, P};
use crate::arithmetic::{DoubleWord, Word};
use crate::bits::Bits;
use crate::fault::Fault::{Instead, Without};
use crate::goal::{Goal, Question};
use crate::integers::{Int, Truth, any, int, number, signed};

type Single = Bits<64>;
type Double = Bits<128>;

pub(crate) const GOALS: &[Goal] = &[
    Goal {
        name: "p64-subtract",
        state: subtract,
        twins: &[("no-p", Without("wrapping_add", 1)), ("other-p", Instead(P, P + 1))],
    },
    Goal {
        name: "p64-add",
        state: add,
        twins: &[("no-p", Without("wrapping_add", 1)), ("other-p", Instead(P, P + 1))],
    },
    Goal {
        name: "p64-minus",
        state: minus,
        twins: &[
            ("no-borrow", Without("wrapping_sub", 2)),
            ("other-epsilon", Instead(0xffff_ffff, 0xffff_fffe)),
        ],
    },
    Goal { name: "p64-plus", state: plus, twins: &[("no-carry", Without("wrapping_add", 2))] },
    Goal {
        name: "p64-reduce",
        state: reduce,
        twins: &[
            ("no-borrow", Without("wrapping_sub", 2)),
            ("no-carry", Without("wrapping_add", 2)),
            ("one-subtraction-too-few", Without("wrapping_sub", 3)),
            ("mid-not-shifted", Without("shl", 1)),
        ],
    },
    Goal {
        name: "p64-multiply",
        state: multiply,
        twins: &[("one-subtraction-too-few", Without("wrapping_sub", 3))],
    },
    Goal {
        name: "p64-product",
        state: halves,
        twins: &[
            ("no-carry", Without("add", 3)),
            ("short-half", Instead(0xffff_ffff, 0x7fff_ffff)),
        ],
    },
    Goal {
        name: "p64-lane-multiply",
        state: lane_multiply,
        twins: &[("half-of-a", Without("shr", 1))],
    },
    Goal { name: "p64-accumulate", state: accumulate, twins: &[("no-carry", Without("carry", 1))] },
    Goal {
        name: "p64-total",
        state: total,
        twins: &[
            ("not-subtracted", Without("wrapping_sub", 7)),
            ("mid-not-shifted", Without("shl", 3)),
        ],
    },
    Goal { name: "p64-from-signed", state: from_signed, twins: &[("no-sign", Without("sign", 1))] },
    Goal {
        name: "p64-to-signed",
        state: to_signed,
        twins: &[("other-middle", Instead(P / 2, P / 2 - 1))],
    },
    Goal { name: "p64-below", state: below, twins: &[("other-p", Instead(P, P + 1))] },
];

/// For any word a, b at most p, where a - b is below p.
fn subtract_takes(a: Int, b: Int) -> Truth {
    b.at_most(number(P)) & (a - b).below(number(P))
}

fn subtract_gives(a: Int, b: Int, result: Int) -> Truth {
    result.is(borrowing(a, b, P)) & result.below(number(P))
}

fn subtract(ask: &mut Question) {
    let (a, b) = (Single::any(), Single::any());
    ask.given(subtract_takes(int(a), int(b)));
    ask.show(subtract_gives(int(a), int(b), int(p64::subtract(a, b))));
}

fn cut_subtract(ask: &mut Question, a: Single, b: Single) {
    let result = ask.step(|| p64::subtract(a, b));
    let gives = subtract_gives(int(a), int(b), int(result));
    ask.cut(&[result.0], subtract_takes(int(a), int(b)), gives);
}

fn add(ask: &mut Question) {
    let (a, b) = (element::<64>(ask, P), element::<64>(ask, P));
    let over = !(int(a) + int(b)).below(number(P));
    reduced(ask, int(a) + int(b), int(p64::add(a, b)), P, one_if(over));
}

/// For any word a, b below 2^32: p more than a - b where that borrows.
fn minus_takes(b: Int) -> Truth {
    b.below(number(1 << 32))
}

fn minus_gives(a: Int, b: Int, result: Int) -> Truth {
    result.is(borrowing(a, b, P))
}

fn minus(ask: &mut Question) {
    let (a, b) = (Single::any(), Single::any());
    ask.given(minus_takes(int(b)));
    ask.show(minus_gives(int(a), int(b), int(p64::minus(a, b))));
}

/// For any word a, b at most (2^32 - 1)^2: p less than a + b where that carries.
fn plus_takes(b: Int) -> Truth {
    b.at_most(number(0xffff_fffe_0000_0001))
}

fn plus_gives(a: Int, b: Int, result: Int) -> Truth {
    let carries = !(a + b).below(number(1 << 64));
    result.is(a + b - Int::either(carries, number(P), number(0)))
}

fn plus(ask: &mut Question) {
    let (a, b) = (Single::any(), Single::any());
    ask.given(plus_takes(int(b)));
    ask.show(plus_gives(int(a), int(b), int(p64::plus(a, b))));
}

/// Any double word.
fn reduce(ask: &mut Question) {
    let (lo, hi) = (Single::any(), Single::any());
    let quotient = cut_steps(ask, lo, hi);
    let value = int(lo) + int(hi).shifted(64);
    reduced(ask, value, int(p64::reduce(lo, hi)), P, quotient);
}

/// Cuts off what `minus`, `plus` and `subtract` give in `reduce`; the quotient. 2^64 mid + 2^96
/// high less mid (2^32 - 1) - high is p (mid + (2^32 + 1) high); one p is added after a borrow, and
/// one taken off after a carry and at last.
fn cut_steps(ask: &mut Question, lo: Single, hi: Single) -> Int {
    ask.over_integers();
    let (high, mid, product) = ask.again(|| {
        let (high, mid) = (hi >> 32, hi & Single::of(0xffff_ffff));
        (high, mid, (mid << 32) - mid)
    });
    let less = ask.step(|| p64::minus(lo, high));
    let more = ask.step(|| p64::plus(less, product));
    let gives = minus_gives(int(lo), int(high), int(less));
    ask.cut(&[less.0], minus_takes(int(high)), gives);
    let gives = plus_gives(int(less), int(product), int(more));
    ask.cut(&[more.0], plus_takes(int(product)), gives);
    let p = ask.again(|| Single::of(P));
    cut_subtract(ask, more, p);
    let added = one_if(int(lo).below(int(high)));
    let carried = one_if(!(int(less) + int(product)).below(number(1 << 64)));
    let subtracted = one_if(!int(more).below(number(P)));
    int(mid) + int(high) + int(high).shifted(32) - added + carried + subtracted
}

/// Any two words, elements or not.
fn multiply(ask: &mut Question) {
    let (a, b) = (Single::any(), Single::any());
    let product: Double = product(ask, a, b);
    let quotient = cut_steps(ask, product.low(), product.high());
    let result = p64::multiply::<Double>(a, b);
    reduced(ask, int(product), int(result), P, quotient);
}

/// lo + 2^64 hi = (a1 2^32 + a0) (b1 2^32 + b0) of any two words, by the four products of halves.
fn halves(ask: &mut Question) {
    let (a, b) = (Single::any(), Single::any());
    let product = by_halves(ask, a, b);
    let (lo, hi) = p64::product(a, b);
    ask.show((int(lo) + int(hi).shifted(64)).is(product));
}

fn by_halves(ask: &Question, a: Single, b: Single) -> Int {
    let [low, up, down, high] = ask.again(|| {
        let half = Single::of(0xffff_ffff);
        let (a0, a1, b0, b1) = (a & half, a >> 32, b & half, b >> 32);
        [a0 * b0, a0 * b1, a1 * b0, a1 * b1].map(int)
    });
    low + (up + down).shifted(32) + high.shifted(64)
}

/// Any two words.
fn lane_multiply(ask: &mut Question) {
    let (a, b) = (Single::any(), Single::any());
    let product = by_halves(ask, a, b);
    let (lo, hi) = ask.step(|| p64::product(a, b));
    let gives = (int(lo) + int(hi).shifted(64)).is(product);
    ask.cut(&[lo.0, hi.0], Truth::always(), gives);
    let quotient = cut_steps(ask, lo, hi);
    reduced(ask, product, int(p64::lane_multiply(a, b)), P, quotient);
}

/// A sum with fewer than 2^64 - 1 overflows, and any two words.
fn accumulate(ask: &mut Question) {
    let (sum, overflows) = (Double::any(), Single::any());
    let (a, b) = (Single::any(), Single::any());
    ask.given(int(overflows).below(number(u128::from(u64::MAX))));
    let before = int(sum) + int(overflows).shifted(128);
    let product: Double = product(ask, a, b);
    let (sum, overflows) = p64::accumulate((sum, overflows), a, b);
    ask.show((int(sum) + int(overflows).shifted(128)).is(before + int(product)));
}

/// Any sum. 2^128 + 2^32 is p (2^64 + 2^32).
fn total(ask: &mut Question) {
    let (sum, overflows) = (Double::any(), Single::any());
    let as_word = ask.again(|| (overflows << 32, overflows >> 32));
    let quotients = [any(66), any(66)].map(|quotient| quotient - number(1));
    let parts = [(sum.low(), sum.high()), as_word];
    let [low, high] = [0, 1].map(|at| {
        let ((lo, hi), quotient) = (parts[at], quotients[at]);
        let left = ask.step(|| p64::reduce(lo, hi));
        // What `reduce` gives, with its quotient: at least -1.
        let value = int(lo) + int(hi).shifted(64);
        let gives = int(left).below(number(P)) & value.is(quotient.times(P) + int(left));
        ask.cut(&[left.0], Truth::always(), gives);
        left
    });
    cut_subtract(ask, low, high);
    ask.over_integers();
    let result = p64::total::<Double>((sum, overflows));
    let of_overflows = int(overflows).shifted(64) + int(overflows).shifted(32);
    let borrowed = one_if(int(low).below(int(high)));
    let quotient = quotients[0] - quotients[1] + of_overflows - borrowed;
    let value = int(sum) + int(overflows).shifted(128);
    reduced(ask, value, int(result), P, quotient);
}

fn from_signed(ask: &mut Question) {
    let value: Single = integer(ask, P);
    stands_for(ask, p64::from_signed(value), signed(value), P);
}

fn to_signed(ask: &mut Question) {
    let element: Single = element(ask, P);
    stands_for(ask, element, signed(p64::to_signed(element)), P);
}

fn below(ask: &mut Question) {
    let word = Single::any();
    mask(ask, p64::below(word), int(word).below(number(P)));
}
