//! Modulo p = 2^64 - 2^32 + 1: 2^64 = 2^32 - 1 (mod p) and 2^96 = -1 (mod p).

use super::{DoubleWord, Word, borrowed, carried};

pub(crate) const P: u128 = 0xffff_ffff_0000_0001;
/// 2^64 mod p; the low half of a word as well.
const EPSILON: u128 = 0xffff_ffff;

/// a - b for a below 2^64, b at most p: below p when a - b is.
#[inline(always)]
pub(crate) fn subtract<W: Word>(a: W, b: W) -> W {
    let difference = a.wrapping_sub(b);
    difference.wrapping_add(W::of(P) & borrowed(a, b, difference))
}

/// a + b modulo p for a, b below p.
#[inline(always)]
pub(crate) fn add<W: Word>(a: W, b: W) -> W {
    subtract(a, W::of(P) - b)
}

/// a * b modulo p.
#[inline(always)]
pub(crate) fn multiply<W: DoubleWord>(a: W::Half, b: W::Half) -> W::Half {
    let product = W::wide(a) * W::wide(b);
    reduce(product.low(), product.high())
}

/// The same from products of halves, which compilers turn into vector instructions best.
#[inline(always)]
pub(crate) fn lane_multiply<W: Word>(a: W, b: W) -> W {
    let (lo, hi) = product(a, b);
    reduce(lo, hi)
}

/// a * b as its low and its high word.
#[inline(always)]
pub(crate) fn product<W: Word>(a: W, b: W) -> (W, W) {
    let half = W::of(EPSILON);
    let (a0, a1) = (a & half, a >> 32);
    let (b0, b1) = (b & half, b >> 32);
    // (2^32 - 1)^2 + 2 (2^32 - 1) < 2^64: none of these sums overflows.
    let low = a0 * b0;
    let middle = a0 * b1 + (low >> 32);
    let middle2 = a1 * b0 + (middle & half);
    let high = a1 * b1 + (middle >> 32) + (middle2 >> 32);
    ((middle2 << 32) | (low & half), high)
}

/// Any double word x = lo + 2^64 mid + 2^96 high (mid, high < 2^32) modulo p: lo - high +
/// mid (2^32 - 1).
#[inline(always)]
pub(crate) fn reduce<W: Word>(lo: W, hi: W) -> W {
    let (high, mid) = (hi >> 32, hi & W::of(EPSILON));
    // mid * EPSILON <= (2^32 - 1)^2.
    subtract(plus(minus(lo, high), (mid << 32) - mid), W::of(P))
}

/// A word that is a - b modulo p, for b below 2^32.
#[inline(always)]
pub(crate) fn minus<W: Word>(a: W, b: W) -> W {
    let difference = a.wrapping_sub(b);
    // On a borrow 2^64 was added, which is EPSILON (mod p); the difference is at least 2^64 - 2^32
    // then, so taking EPSILON off cannot borrow again.
    difference.wrapping_sub(W::of(EPSILON) & borrowed(a, b, difference))
}

/// A word that is a + b modulo p, for b at most (2^32 - 1)^2, which is below p.
#[inline(always)]
pub(crate) fn plus<W: Word>(a: W, b: W) -> W {
    let sum = a.wrapping_add(b);
    // After a carry the sum is below p, so adding EPSILON for the lost 2^64 does not carry.
    sum.wrapping_add(W::of(EPSILON) & carried(a, b, sum))
}

/// Adds a product to a sum that is kept modulo 2^128 with the times that it overflowed.
#[inline(always)]
pub(crate) fn accumulate<W: DoubleWord>(
    (sum, overflows): (W, W::Half),
    a: W::Half,
    b: W::Half,
) -> (W, W::Half) {
    let (sum, carry) = sum.carrying_add(W::wide(a) * W::wide(b));
    (sum, overflows + carry)
}

/// sum + 2^128 overflows modulo p: 2^128 = -2^32.
#[inline(always)]
pub(crate) fn total<W: DoubleWord>((sum, overflows): (W, W::Half)) -> W::Half {
    subtract(reduce(sum.low(), sum.high()), reduce(overflows << 32, overflows >> 32))
}

/// The element that stands for a signed integer of absolute value at most (p - 1) / 2.
#[inline(always)]
pub(crate) fn from_signed<W: Word>(value: W) -> W {
    // A negative value is 2^64 - |v| as a word; adding p modulo 2^64 gives p - |v|.
    value.wrapping_add(W::of(P) & value.sign())
}

/// The signed integer around zero that an element stands for.
#[inline(always)]
pub(crate) fn to_signed<W: Word>(a: W) -> W {
    let middle = W::of(P / 2);
    let upper = borrowed(middle, a, middle.wrapping_sub(a));
    a.wrapping_sub(W::of(P) & upper)
}

/// All ones for a word below p.
#[inline(always)]
pub(crate) fn below<W: Word>(word: W) -> W {
    borrowed(word, W::of(P), word.wrapping_sub(W::of(P)))
}
