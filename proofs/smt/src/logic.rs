//! The two ways in which terms are written: as they are, or as integers without any limit.
//!
//! Over integers a word of n bits is a number from 0 to 2^n - 1, and what wraps around is taken
//! modulo 2^n. Bitwise operations have no linear form, but for the lowest bits and the sign.

use crate::terms::Term;

/// The logic of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logic {
    /// Bit-vectors.
    Bits,
    /// Linear arithmetic over the integers; what has so many bits in a goal is one of its own
    /// integers, and does not wrap around.
    Integers(u32),
}

impl Logic {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bits => "QF_BV",
            Self::Integers(_) => "QF_LIA",
        }
    }

    /// The sort of a term of so many bits; none is a truth value.
    pub(crate) fn sort(self, bits: u32) -> String {
        match self {
            _ if bits == 0 => "Bool".to_owned(),
            Self::Bits => format!("(_ BitVec {bits})"),
            Self::Integers(_) => "Int".to_owned(),
        }
    }

    /// What holds of any word of so many bits.
    pub(crate) fn range(self, name: usize, bits: u32) -> String {
        match self {
            Self::Bits => String::new(),
            Self::Integers(_) => {
                format!(" (assert (and (<= 0 t{name}) (< t{name} {})))", power(bits))
            }
        }
    }

    /// An operation on terms of so many bits; `None` where this logic does not have it.
    pub(crate) fn definition(
        self,
        bits: u32,
        head: &str,
        operands: &[(Term, u32)],
        value: impl Fn(Term) -> Option<u128>,
    ) -> Option<String> {
        let names: Vec<String> = operands.iter().map(|(term, _)| term.to_string()).collect();
        match (self, operands) {
            (Self::Bits, []) => Some(head.to_owned()),
            (Self::Bits, _) => Some(format!("({head} {})", names.join(" "))),
            (Self::Integers(_), []) => Some(decimal(head)),
            (Self::Integers(unlimited), [(_, width), rest @ ..]) => {
                let second = rest.first().and_then(|(term, _)| value(*term));
                let wraps = bits != unlimited;
                integer(bits, wraps, head, *width, &names, second)
            }
        }
    }
}

/// An operation as one of integers: `width` is that of the first operand, `second` the value of the
/// second where it is a constant.
fn integer(
    bits: u32,
    wraps: bool,
    head: &str,
    width: u32,
    names: &[String],
    second: Option<u128>,
) -> Option<String> {
    let a = &names[0];
    let all = names.join(" ");
    let wrapped = |sum: String| {
        if wraps { format!("(mod {sum} {})", power(bits)) } else { sum }
    };
    let words: Vec<&str> = head.trim_matches(['(', ')']).split(' ').collect();
    let number = |at: usize| words[at].parse::<u32>().expect("an index");
    Some(match (words.as_slice(), second) {
        (["bvadd"], _) => wrapped(format!("(+ {all})")),
        (["bvsub"], _) => wrapped(format!("(- {all})")),
        (["bvshl"], Some(by)) if wraps => {
            let by = by as u32;
            format!("(* {} (mod {a} {}))", power(by), power(bits - by))
        }
        (["bvshl"], Some(by)) => format!("(* {} {a})", power(by as u32)),
        (["bvlshr"], Some(by)) => format!("(div {a} {})", power(by as u32)),
        (["bvashr"], Some(by)) if by == u128::from(bits - 1) => {
            format!("(ite (< {a} {}) 0 (- {} 1))", power(bits - 1), power(bits))
        }
        (["bvand"], Some(mask)) if mask & mask.wrapping_add(1) == 0 => {
            format!("(mod {a} {})", power(mask.count_ones()))
        }
        (["concat"], _) => format!("(+ (* {} {a}) {})", power(bits - width), names[1]),
        (["_", "zero_extend", _], _) => a.clone(),
        (["_", "sign_extend", _], _) => {
            format!("(ite (< {a} {}) {a} (- {a} {}))", power(width - 1), power(width))
        }
        (["_", "extract", ..], _) => {
            let (from, to) = (number(2), number(3));
            format!("(mod (div {a} {}) {})", power(to), power(from + 1 - to))
        }
        (["ite" | "=" | "and" | "or" | "not"], _) => format!("({head} {all})"),
        (["bvult" | "bvslt"], _) => format!("(< {all})"),
        (["bvule" | "bvsle"], _) => format!("(<= {all})"),
        (["bvuge"], _) => format!("(>= {all})"),
        _ => return None,
    })
}

/// 2^bits in decimal.
fn power(bits: u32) -> String {
    let mut digits = vec![1u8];
    for _ in 0..bits {
        let mut carry = 0;
        for digit in &mut digits {
            let doubled = 2 * *digit + carry;
            (*digit, carry) = (doubled % 10, doubled / 10);
        }
        if carry > 0 {
            digits.push(carry);
        }
    }
    digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect()
}

/// A constant in decimal.
fn decimal(head: &str) -> String {
    if head == "true" {
        return head.to_owned();
    }
    let digits = head.trim_start_matches("#b").trim_start_matches('0');
    if digits.is_empty() {
        return "0".to_owned();
    }
    u128::from_str_radix(digits, 2).expect("a constant below 2^128").to_string()
}
