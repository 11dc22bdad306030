//! Words that are formulas: the shipped arithmetic, run on these, writes down what it computes.
//!
//! Each operation of `Word` is the one of SMT-LIB's bit-vectors of the same meaning. Exact ones
//! oblige the goal to prove that they do not overflow. A product by a constant is a sum of shifts,
//! which solvers can follow. A product of two words is *any* word up to (2^half - 1)^2, the same
//! for the same factors, where both factors have to be proved below 2^half.

use std::ops::{Add, BitAnd, BitOr, BitXor, Mul, Not, Shl, Shr, Sub};

use crate::arithmetic::{DoubleWord, Word};
use crate::terms::{self, Term};

/// A word of N bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bits<const N: u32>(pub(crate) Term);

impl<const N: u32> Bits<N> {
    /// Any word.
    pub(crate) fn any() -> Self {
        Self(terms::variable(N))
    }

    fn literal(value: u128) -> Self {
        Self(terms::constant(N, value))
    }

    /// An operation of SMT-LIB, unless it is the one that is left out.
    fn operation(self, name: &'static str, head: &str, other: Self) -> Self {
        if terms::left_out(name) { self } else { Self(terms::apply(N, head, &[self.0, other.0])) }
    }

    /// A word by a constant, as shifts that are added and taken off: modulo 2^N.
    fn times(self, constant: u128) -> Self {
        let shifted = |&(by, plus): &(u32, bool)| {
            (terms::apply(N, "bvshl", &[self.0, Self::literal(u128::from(by)).0]), plus)
        };
        let sum = signed_digits(constant).iter().rev().map(shifted).fold(None, |sum, next| {
            Some(match (sum, next) {
                (None, (term, _)) => term,
                (Some(sum), (term, plus)) => {
                    terms::apply(N, if plus { "bvadd" } else { "bvsub" }, &[sum, term])
                }
            })
        });
        sum.map_or(Self::literal(0), Self)
    }
}

/// A constant as a sum of powers of two and their negatives, no two of them neighbours.
pub(crate) fn signed_digits(constant: u128) -> Vec<(u32, bool)> {
    let (mut digits, mut rest, mut at) = (Vec::new(), constant, 0);
    while rest != 0 {
        let ones = (!rest).trailing_zeros();
        if ones >= 2 {
            // ...0111 is ...1000 - 1.
            digits.push((at, false));
            rest = (rest >> ones) | 1;
            at += ones;
        } else if ones == 1 {
            digits.push((at, true));
            (rest, at) = (rest >> 1, at + 1);
        } else {
            let zeros = rest.trailing_zeros();
            (rest, at) = (rest >> zeros, at + zeros);
        }
    }
    digits
}

impl<const N: u32> Add for Bits<N> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let sum = self.operation("add", "bvadd", other);
        terms::oblige(terms::apply(0, "bvuge", &[sum.0, self.0]));
        sum
    }
}

impl<const N: u32> Sub for Bits<N> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        terms::oblige(terms::apply(0, "bvuge", &[self.0, other.0]));
        self.operation("sub", "bvsub", other)
    }
}

impl<const N: u32> Mul for Bits<N> {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let all = u128::MAX >> (128 - N);
        if terms::left_out("mul") {
            return self;
        }
        for (word, constant) in [(self, other), (other, self)] {
            if let Some(constant) = terms::value(constant.0) {
                let largest = Self::literal(all / constant.max(1));
                terms::oblige(terms::apply(0, "bvule", &[word.0, largest.0]));
                return word.times(constant);
            }
        }
        let half = all >> (N / 2);
        let bound = Self::literal(half);
        for factor in [self, other] {
            terms::oblige(terms::apply(0, "bvule", &[factor.0, bound.0]));
        }
        if terms::computes_products() {
            return Self(terms::apply(N, "bvmul", &[self.0, other.0]));
        }
        let largest = Self::literal(half * half);
        let range = |product| terms::apply(0, "bvule", &[product, largest.0]);
        Self(terms::product(N, [self.0, other.0], range))
    }
}

impl<const N: u32> BitAnd for Bits<N> {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        self.operation("and", "bvand", other)
    }
}

impl<const N: u32> BitOr for Bits<N> {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        self.operation("or", "bvor", other)
    }
}

impl<const N: u32> BitXor for Bits<N> {
    type Output = Self;
    fn bitxor(self, other: Self) -> Self {
        self.operation("xor", "bvxor", other)
    }
}

impl<const N: u32> Not for Bits<N> {
    type Output = Self;
    fn not(self) -> Self {
        if terms::left_out("not") { self } else { Self(terms::apply(N, "bvnot", &[self.0])) }
    }
}

impl<const N: u32> Shl<u32> for Bits<N> {
    type Output = Self;
    fn shl(self, by: u32) -> Self {
        assert!(by < N, "a shift by a whole word");
        self.operation("shl", "bvshl", Self::literal(u128::from(by)))
    }
}

impl<const N: u32> Shr<u32> for Bits<N> {
    type Output = Self;
    fn shr(self, by: u32) -> Self {
        assert!(by < N, "a shift by a whole word");
        self.operation("shr", "bvlshr", Self::literal(u128::from(by)))
    }
}

impl<const N: u32> Word for Bits<N> {
    fn of(constant: u128) -> Self {
        Self::literal(terms::written(constant))
    }

    fn wrapping_add(self, other: Self) -> Self {
        self.operation("wrapping_add", "bvadd", other)
    }

    fn wrapping_sub(self, other: Self) -> Self {
        self.operation("wrapping_sub", "bvsub", other)
    }

    fn sign(self) -> Self {
        if terms::left_out("sign") {
            return Self::literal(0);
        }
        let by = Self::literal(u128::from(N - 1));
        Self(terms::apply(N, "bvashr", &[self.0, by.0]))
    }
}

macro_rules! halves {
    ($bits:literal, $half:literal) => {
        impl DoubleWord for Bits<$bits> {
            type Half = Bits<$half>;

            fn wide(low: Bits<$half>) -> Self {
                match terms::value(low.0) {
                    Some(constant) => Self::literal(constant),
                    None => {
                        Self(terms::apply($bits, concat!("(_ zero_extend ", $half, ")"), &[low.0]))
                    }
                }
            }

            fn join(low: Bits<$half>, high: Bits<$half>) -> Self {
                Self(terms::apply($bits, "concat", &[high.0, low.0]))
            }

            fn low(self) -> Bits<$half> {
                match terms::value(self.0) {
                    Some(constant) => Bits::literal(constant & (u128::MAX >> (128 - $half))),
                    None => {
                        let head = format!("(_ extract {} 0)", $half - 1);
                        Bits(terms::apply($half, &head, &[self.0]))
                    }
                }
            }

            fn high(self) -> Bits<$half> {
                match terms::value(self.0) {
                    Some(constant) => Bits::literal(constant >> $half),
                    None => {
                        let head = format!("(_ extract {} {})", $bits - 1, $half);
                        Bits(terms::apply($half, &head, &[self.0]))
                    }
                }
            }

            fn carrying_add(self, other: Self) -> (Self, Bits<$half>) {
                let sum = Self(terms::apply($bits, "bvadd", &[self.0, other.0]));
                if terms::left_out("carry") {
                    return (sum, Bits::literal(0));
                }
                let less = terms::apply(0, "bvult", &[sum.0, self.0]);
                let (one, zero) = (Bits::<$half>::literal(1), Bits::<$half>::literal(0));
                (sum, Bits(terms::apply($half, "ite", &[less, one.0, zero.0])))
            }
        }
    };
}

halves!(64, 32);
halves!(128, 64);
