//! Modulo p = 2^66 * 4611686018427387897 + 1.
//!
//! Multiplication goes through Montgomery's reduction twice. p = 1 (mod 2^64), so the quotient word
//! of a reduction step is the negated low word.

use super::{DoubleWord, Word, borrowed};

pub(crate) const P: u128 = 0xffff_ffff_ffff_ffe4_0000_0000_0000_0001;
const P_HIGH: u128 = P >> 64;
/// 2^256 mod p, for the way back from Montgomery's form.
pub(crate) const R2: u128 = 0x5587_ffff_ffff_ffff_fcf1;

/// a - b for b at most p: below p when a - b is.
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

/// a * b modulo p for a, b below p.
#[inline(always)]
pub(crate) fn multiply<W: DoubleWord>(a: W, b: W) -> W {
    montgomery(montgomery(a, b), W::of(R2))
}

/// a * b / 2^128 mod p, for a, b below p.
#[inline]
pub(crate) fn montgomery<W: DoubleWord>(a: W, b: W) -> W {
    // Two rounds, one word of b each: t = (t + a b_i + m p) / 2^64 with m = -t_0, since
    // p = 1 (mod 2^64). t < 2p < 2^129 is kept as (word, top bit).
    let t = (W::of(0), W::Half::of(0));
    let t = montgomery_word(t, a, b.low());
    finish(montgomery_word(t, a, b.high()))
}

/// Below 2p: p comes off unless the word borrows and there is no top bit to borrow from.
#[inline(always)]
pub(crate) fn finish<W: DoubleWord>((word, top): (W, W::Half)) -> W {
    let difference = word.wrapping_sub(W::of(P));
    let keep = borrowed(word, W::of(P), difference) & W::wide(top).wrapping_sub(W::of(1));
    difference.wrapping_add(W::of(P) & keep)
}

/// One word of Montgomery's reduction: (t + a*b + m*p) / 2^64 for t < 2p; the result is below 2p.
#[inline]
pub(crate) fn montgomery_word<W: DoubleWord>(
    (t, top): (W, W::Half),
    a: W,
    b: W::Half,
) -> (W, W::Half) {
    let (a0, a1) = (W::wide(a.low()), a >> 64);
    let b = W::wide(b);
    // t + a*b in three words w0, w1, w2. `middle` cannot overflow: (2^64-1)^2 + 2 (2^64-1) < 2^128.
    let low = a0 * b + W::wide(t.low());
    let w0 = low.low();
    let middle = a1 * b + (low >> 64) + (t >> 64);
    let w1 = middle.low();
    let w2 = (middle >> 64) + W::wide(top);
    // m*p = m + 2^64 * m * P_HIGH.
    let (m, carry) = cancel(w0);
    let product = W::wide(m) * W::of(P_HIGH);
    // In this order: another one costs 17 % more instructions in `multiply`.
    let low = W::wide(product.low()) + W::wide(carry) + W::wide(w1);
    let high = w2 + (product >> 64) + (low >> 64);
    // Result below 2p < 2^129.
    (W::join(low.low(), high.low()), high.high())
}

/// The m with word + m = 0 (mod 2^64), and what that sum carries: 1 unless the word is zero.
#[inline(always)]
pub(crate) fn cancel<W: Word>(word: W) -> (W, W) {
    let m = W::of(0).wrapping_sub(word);
    (m, (word | m) >> 63)
}

/// The element that stands for a signed integer of absolute value at most (p - 1) / 2.
#[inline(always)]
pub(crate) fn from_signed<W: Word>(value: W) -> W {
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
