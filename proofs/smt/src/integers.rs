//! What the arithmetic should compute, over integers. A goal that is put in bits has signed
//! bit-vectors for them, of a width (`goals::all`) that is enough for every sum it writes down.

use std::ops::{Add, BitAnd, BitOr, Not, Sub};

use crate::bits::{Bits, signed_digits};
use crate::terms::{self, Term, width};

/// An integer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Int(Term);

/// A statement that holds or does not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Truth(pub(crate) Term);

/// The integer that a word stands for.
pub(crate) fn int<const N: u32>(word: Bits<N>) -> Int {
    Int(terms::apply(width(), &format!("(_ zero_extend {})", width() - N), &[word.0]))
}

/// The integer that a word stands for in two's complement.
pub(crate) fn signed<const N: u32>(word: Bits<N>) -> Int {
    Int(terms::apply(width(), &format!("(_ sign_extend {})", width() - N), &[word.0]))
}

/// Any integer below 2^bits.
pub(crate) fn any(bits: u32) -> Int {
    let word = terms::variable(bits);
    Int(terms::apply(width(), &format!("(_ zero_extend {})", width() - bits), &[word]))
}

/// A constant.
pub(crate) fn number(value: u128) -> Int {
    Int(terms::constant(width(), value))
}

impl Int {
    fn with(self, head: &str, other: Self) -> Self {
        Self(terms::apply(width(), head, &[self.0, other.0]))
    }

    /// 2^by times it.
    pub(crate) fn shifted(self, by: u32) -> Self {
        if by == 0 { self } else { self.with("bvshl", number(u128::from(by))) }
    }

    /// It times a constant.
    pub(crate) fn times(self, constant: u128) -> Self {
        signed_digits(constant).into_iter().rev().fold(number(0), |sum, (by, plus)| {
            if plus { sum + self.shifted(by) } else { sum - self.shifted(by) }
        })
    }

    /// One of two.
    pub(crate) fn either(condition: Truth, yes: Self, no: Self) -> Self {
        Self(terms::apply(width(), "ite", &[condition.0, yes.0, no.0]))
    }

    pub(crate) fn is(self, other: Self) -> Truth {
        Truth(terms::apply(0, "=", &[self.0, other.0]))
    }

    pub(crate) fn below(self, other: Self) -> Truth {
        Truth(terms::apply(0, "bvslt", &[self.0, other.0]))
    }

    pub(crate) fn at_most(self, other: Self) -> Truth {
        Truth(terms::apply(0, "bvsle", &[self.0, other.0]))
    }
}

impl Add for Int {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.with("bvadd", other)
    }
}

impl Sub for Int {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.with("bvsub", other)
    }
}

impl Truth {
    /// What holds always.
    pub(crate) fn always() -> Self {
        Self(terms::apply(0, "true", &[]))
    }
}

impl BitAnd for Truth {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(terms::apply(0, "and", &[self.0, other.0]))
    }
}

impl BitOr for Truth {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(terms::apply(0, "or", &[self.0, other.0]))
    }
}

impl Not for Truth {
    type Output = Self;
    fn not(self) -> Self {
        Self(terms::apply(0, "not", &[self.0]))
    }
}
