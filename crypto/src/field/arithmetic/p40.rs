//! Modulo p = 2^40 - 21 * 2^20 + 1: 2^40 = 21 * 2^20 - 1 (mod p).

use super::{DoubleWord, Word};

pub(crate) const P: u128 = 0xff_feb0_0001;
/// 2^40 mod p.
const EPSILON: u128 = (21 << 20) - 1;
const LOW40: u128 = (1 << 40) - 1;
const LOW20: u128 = (1 << 20) - 1;

/// A word below 2p modulo p.
#[inline(always)]
pub(crate) fn reduce_once<W: Word>(word: W) -> W {
    let difference = word.wrapping_sub(W::of(P));
    difference.wrapping_add(W::of(P) & difference.sign())
}

/// a + b modulo p for a, b below p.
#[inline(always)]
pub(crate) fn add<W: Word>(a: W, b: W) -> W {
    reduce_once(a + b)
}

/// a - b modulo p for a, b below p.
#[inline(always)]
pub(crate) fn subtract<W: Word>(a: W, b: W) -> W {
    reduce_once(a + W::of(P) - b)
}

/// a * b modulo p for a, b below p.
#[inline(always)]
pub(crate) fn multiply<W: DoubleWord>(a: W::Half, b: W::Half) -> W::Half {
    let product = W::wide(a) * W::wide(b);
    reduce(product.low() & W::Half::of(LOW40), (product >> 40).low())
}

/// low + 2^40 high modulo p, for low < 2^41 and high <= 2^40.
#[inline]
pub(crate) fn reduce<W: Word>(low: W, high: W) -> W {
    // 2^40 high = 2^20 (21 high) - high. With 21 high = 2^20 c + r the first term is
    // 2^40 c + 2^20 r, and 2^40 c = EPSILON c. p > high - 1 keeps the difference positive.
    let product = W::of(21) * high;
    let (c, r) = (product >> 20, product & W::of(LOW20));
    // Below 2^41 + 2^40 + 2^25 * 2^25 + 2^40 < 2^51.
    let word = low + (r << 20) + c * W::of(EPSILON) + W::of(P) - high;
    // Below 2^40 + 2^11 * 2^25 < 2p.
    reduce_once((word & W::of(LOW40)) + (word >> 40) * W::of(EPSILON))
}

/// The element that stands for a signed integer of absolute value at most (p - 1) / 2.
#[inline(always)]
pub(crate) fn from_signed<W: Word>(value: W) -> W {
    value.wrapping_add(W::of(P) & value.sign())
}

/// The signed integer around zero that an element stands for.
#[inline(always)]
pub(crate) fn to_signed<W: Word>(a: W) -> W {
    let upper = W::of(P / 2).wrapping_sub(a).sign();
    a.wrapping_sub(W::of(P) & upper)
}

/// All ones for a word of 40 bits below p.
#[inline(always)]
pub(crate) fn below<W: Word>(word: W) -> W {
    word.wrapping_sub(W::of(P)).sign()
}
