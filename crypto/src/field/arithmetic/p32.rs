//! Modulo p = 2^32 - 2^20 + 1: 2^32 = 2^20 - 1 (mod p).

use super::{DoubleWord, Word};

pub(crate) const P: u128 = 0xfff0_0001;
/// 2^32 mod p.
const EPSILON: u128 = (1 << 20) - 1;
const LOW32: u128 = (1 << 32) - 1;

/// a - b for a below 2p, b at most p: below p when a - b is.
#[inline(always)]
pub(crate) fn subtract<W: DoubleWord>(a: W, b: W::Half) -> W::Half {
    let difference = a.wrapping_sub(W::wide(b));
    difference.low().wrapping_add(W::Half::of(P) & difference.sign().low())
}

/// a + b modulo p for a, b below p.
#[inline(always)]
pub(crate) fn add<W: DoubleWord>(a: W::Half, b: W::Half) -> W::Half {
    subtract(W::wide(a), W::Half::of(P) - b)
}

/// a * b modulo p.
#[inline(always)]
pub(crate) fn multiply<W: DoubleWord>(a: W::Half, b: W::Half) -> W::Half {
    reduce(W::wide(a) * W::wide(b))
}

/// Any double word modulo p.
#[inline]
pub(crate) fn reduce<W: DoubleWord>(word: W) -> W::Half {
    // Below 2^52 + 2^32, then 2^40 + 2^33, then 2^28 + 2^32 < 2p.
    subtract(fold(fold(fold(word))), W::Half::of(P))
}

/// Replaces the high half h by h (2^20 - 1).
#[inline(always)]
pub(crate) fn fold<W: DoubleWord>(word: W) -> W {
    (word & W::of(LOW32)) + (word >> 32) * W::of(EPSILON)
}

/// The element that stands for a signed integer of absolute value at most (p - 1) / 2.
#[inline(always)]
pub(crate) fn from_signed<W: DoubleWord>(value: W) -> W::Half {
    value.low().wrapping_add(W::Half::of(P) & value.sign().low())
}

/// The signed integer around zero that an element stands for.
#[inline(always)]
pub(crate) fn to_signed<W: DoubleWord>(a: W::Half) -> W {
    let a = W::wide(a);
    let upper = W::of(P / 2).wrapping_sub(a).sign();
    a.wrapping_sub(W::of(P) & upper)
}

/// All ones for a word below p.
#[inline(always)]
pub(crate) fn below<W: DoubleWord>(word: W::Half) -> W::Half {
    W::wide(word).wrapping_sub(W::of(P)).sign().low()
}
