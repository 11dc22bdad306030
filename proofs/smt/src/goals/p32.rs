//! crypto/src/field/arithmetic/p32.rs, at words of 32 and 64 bits: the 32-bit field.

use super::{borrowing, element, integer, mask, one_if, product, reduced, stands_for};
use crate::arithmetic::Word;
use crate::arithmetic::p32::{self, P};
use crate::bits::Bits;
use crate::fault::Fault::{Instead, Without};
use crate::goal::{Goal, Question};
use crate::integers::{Int, Truth, int, number, signed};

type Single = Bits<32>;
type Double = Bits<64>;

pub(crate) const GOALS: &[Goal] = &[
    Goal {
        name: "p32-subtract",
        state: subtract,
        twins: &[("no-p", Without("wrapping_add", 1)), ("no-sign", Without("sign", 1))],
    },
    Goal { name: "p32-add", state: add, twins: &[("other-p", Instead(P, P - 1))] },
    Goal {
        name: "p32-reduce",
        state: reduce,
        twins: &[
            ("fold-too-few", Without("mul", 3)),
            ("other-epsilon", Instead((1 << 20) - 1, 1 << 20)),
        ],
    },
    Goal {
        name: "p32-multiply",
        state: multiply,
        twins: &[("other-epsilon", Instead((1 << 20) - 1, 1 << 20))],
    },
    Goal { name: "p32-from-signed", state: from_signed, twins: &[("no-sign", Without("sign", 1))] },
    Goal {
        name: "p32-to-signed",
        state: to_signed,
        twins: &[("other-middle", Instead(P / 2, P / 2 - 1))],
    },
    Goal { name: "p32-below", state: below, twins: &[("other-p", Instead(P, P + 1))] },
];

/// For b at most p, where a - b is below p.
fn subtract_takes(a: Int, b: Int) -> Truth {
    b.at_most(number(P)) & (a - b).below(number(P))
}

fn subtract_gives(a: Int, b: Int, result: Int) -> Truth {
    result.is(borrowing(a, b, P)) & result.below(number(P))
}

fn subtract(ask: &mut Question) {
    let (a, b) = (Double::any(), Single::any());
    ask.given(subtract_takes(int(a), int(b)));
    ask.show(subtract_gives(int(a), int(b), int(p32::subtract(a, b))));
}

fn add(ask: &mut Question) {
    let (a, b) = (element::<32>(ask, P), element::<32>(ask, P));
    let over = !(int(a) + int(b)).below(number(P));
    reduced(ask, int(a) + int(b), int(p32::add::<Double>(a, b)), P, one_if(over));
}

/// Any double word.
fn reduce(ask: &mut Question) {
    let word = Double::any();
    let quotient = cut_steps(ask, word);
    reduced(ask, int(word), int(p32::reduce(word)), P, quotient);
}

/// Cuts off what `subtract` gives in `reduce`. Each fold takes off p times the high half.
fn cut_steps(ask: &mut Question, word: Double) -> Int {
    ask.over_integers();
    let mut quotient = number(0);
    let mut folded = word;
    for _ in 0..3 {
        quotient = quotient + ask.again(|| int(folded >> 32));
        folded = ask.again(|| p32::fold(folded));
    }
    let result = ask.step(|| p32::subtract(folded, Single::of(P)));
    let gives = subtract_gives(int(folded), number(P), int(result));
    ask.cut(&[result.0], subtract_takes(int(folded), number(P)), gives);
    quotient + one_if(!int(folded).below(number(P)))
}

/// Any two words, elements or not.
fn multiply(ask: &mut Question) {
    let (a, b) = (Single::any(), Single::any());
    let product: Double = product(ask, a, b);
    let quotient = cut_steps(ask, product);
    reduced(ask, int(product), int(p32::multiply::<Double>(a, b)), P, quotient);
}

fn from_signed(ask: &mut Question) {
    let value: Double = integer(ask, P);
    stands_for(ask, p32::from_signed(value), signed(value), P);
}

fn to_signed(ask: &mut Question) {
    let element: Single = element(ask, P);
    stands_for(ask, element, signed(p32::to_signed::<Double>(element)), P);
}

fn below(ask: &mut Question) {
    let word = Single::any();
    mask(ask, p32::below::<Double>(word), int(word).below(number(P)));
}
