//! crypto/src/field/arithmetic/p40.rs, at words of 64 bits: the 40-bit field.

use super::{borrowing, element, integer, mask, one_if, product, product_of, reduced, stands_for};
use crate::arithmetic::p40::{self, P};
use crate::arithmetic::{DoubleWord, Word};
use crate::bits::Bits;
use crate::fault::Fault::{Instead, Without};
use crate::goal::{Goal, Question};
use crate::integers::{Int, Truth, int, number, signed};

type Single = Bits<64>;
type Double = Bits<128>;

pub(crate) const GOALS: &[Goal] = &[
    Goal {
        name: "p40-reduce-once",
        state: reduce_once,
        twins: &[("no-p", Without("wrapping_add", 1)), ("no-sign", Without("sign", 1))],
    },
    Goal {
        name: "p40-add",
        state: add,
        twins: &[("one-subtraction-too-few", Without("wrapping_sub", 1))],
    },
    Goal { name: "p40-subtract", state: subtract, twins: &[("no-p", Without("add", 1))] },
    Goal {
        name: "p40-reduce",
        state: reduce,
        twins: &[
            ("other-epsilon", Instead((21 << 20) - 1, 21 << 20)),
            ("high-kept", Without("sub", 1)),
        ],
    },
    Goal {
        name: "p40-multiply",
        state: multiply,
        twins: &[("short-shift", Without("shr", 1)), ("other-factor", Instead(21, 20))],
    },
    Goal { name: "p40-from-signed", state: from_signed, twins: &[("no-sign", Without("sign", 1))] },
    Goal {
        name: "p40-to-signed",
        state: to_signed,
        twins: &[("other-middle", Instead(P / 2, P / 2 - 1))],
    },
    Goal { name: "p40-below", state: below, twins: &[("other-p", Instead(P, P + 1))] },
];

fn once_takes(word: Int) -> Truth {
    word.below(number(P).shifted(1))
}

fn once_gives(word: Int, result: Int) -> Truth {
    result.is(borrowing(word, number(P), P)) & result.below(number(P))
}

fn reduce_once(ask: &mut Question) {
    let word = Single::any();
    ask.given(once_takes(int(word)));
    ask.show(once_gives(int(word), int(p40::reduce_once(word))));
}

fn add(ask: &mut Question) {
    let (a, b) = (element::<64>(ask, P), element::<64>(ask, P));
    let over = !(int(a) + int(b)).below(number(P));
    reduced(ask, int(a) + int(b), int(p40::add(a, b)), P, one_if(over));
}

fn subtract(ask: &mut Question) {
    let (a, b) = (element::<64>(ask, P), element::<64>(ask, P));
    let result = int(p40::subtract(a, b));
    let under = one_if(int(a).below(int(b)));
    reduced(ask, int(a) - int(b), result, P, number(0) - under);
}

/// low < 2^41 and high <= 2^40.
fn reduce(ask: &mut Question) {
    let (low, high) = (Single::any(), Single::any());
    ask.given(int(low).below(number(1 << 41)));
    ask.given(int(high).at_most(number(1 << 40)));
    let quotient = cut_steps(ask, low, high);
    let value = int(low) + int(high).shifted(40);
    reduced(ask, value, int(p40::reduce(low, high)), P, quotient);
}

/// Cuts off what `reduce_once` gives in `reduce`. 2^40 high = p high + EPSILON high, and that is
/// 2^40 c + 2^20 r - high; 2^40 c = p c + EPSILON c; p was added once; and so for the last fold.
fn cut_steps(ask: &mut Question, low: Single, high: Single) -> Int {
    ask.over_integers();
    let (product, word, folded) = ask.again(|| {
        let epsilon = Single::of((21 << 20) - 1);
        let product = Single::of(21) * high;
        let (c, r) = (product >> 20, product & Single::of((1 << 20) - 1));
        let word = low + (r << 20) + c * epsilon + Single::of(P) - high;
        let folded = (word & Single::of((1 << 40) - 1)) + (word >> 40) * epsilon;
        (product, word, folded)
    });
    let result = ask.step(|| p40::reduce_once(folded));
    ask.cut(&[result.0], once_takes(int(folded)), once_gives(int(folded), int(result)));
    let (c, rest) = ask.again(|| (product >> 20, word >> 40));
    let subtracted = one_if(!int(folded).below(number(P)));
    int(high) + int(c) + int(rest) - number(1) + subtracted
}

/// Of two elements.
fn multiply(ask: &mut Question) {
    let (a, b) = (element::<64>(ask, P), element::<64>(ask, P));
    let product: Double = product(ask, a, b);
    ask.given(product_of(int(product), P - 1, P - 1));
    let (low, high) =
        ask.again(|| (product.low() & Single::of((1 << 40) - 1), (product >> 40).low()));
    let quotient = cut_steps(ask, low, high);
    reduced(ask, int(product), int(p40::multiply::<Double>(a, b)), P, quotient);
}

fn from_signed(ask: &mut Question) {
    let value: Single = integer(ask, P);
    stands_for(ask, p40::from_signed(value), signed(value), P);
}

fn to_signed(ask: &mut Question) {
    let element: Single = element(ask, P);
    stands_for(ask, element, signed(p40::to_signed(element)), P);
}

/// Of a word of 40 bits, as they are read.
fn below(ask: &mut Question) {
    let word = Single::any();
    ask.given(int(word).below(number(1 << 40)));
    mask(ask, p40::below(word), int(word).below(number(P)));
}
