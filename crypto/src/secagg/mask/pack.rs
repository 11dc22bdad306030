//! b bits an element instead of a whole word, the least significant first, without gaps.
//!
//! Loops and branches depend on b and on lengths alone.

use super::expand::Word;

/// Appends the low `bits` of every word, in ceil(len bits / 8) bytes.
pub(super) fn pack<W: Word>(words: &[W], bits: u8, packed: &mut Vec<u8>) {
    let width = usize::from(bits);
    if width == 8 * size_of::<W>() {
        return W::to_bytes(words, packed);
    }
    packed.reserve((words.len() * width).div_ceil(8));
    let low = low_bits(bits);
    // Fewer than 64 bits wait at all times, so the next 64 have a place.
    let (mut waiting, mut count) = (0u128, 0);
    for word in words {
        waiting |= u128::from(word.to_u64() & low) << count;
        count += width;
        if count >= 64 {
            packed.extend_from_slice(&(waiting as u64).to_le_bytes());
            waiting >>= 64;
            count -= 64;
        }
    }
    packed.extend(waiting.to_le_bytes().iter().take(count.div_ceil(8)));
}

/// Adds a packed vector to words, as many elements as there are of both.
pub(super) fn add_packed<W: Word>(words: &mut [W], bytes: &[u8], bits: u8) {
    if usize::from(bits) == 8 * size_of::<W>() {
        return W::combine::<false>(words, bytes);
    }
    let eights = add_eights(words, bytes, bits);
    let words = words.get_mut(8 * eights..).unwrap_or_default();
    add_rest(words, bytes.get(eights * usize::from(bits)..).unwrap_or_default(), bits);
}

/// Adds eight elements at a time, which are `bits` bytes, each element by itself out of the 8 bytes
/// that it begins in. Ends where fewer bytes are left than are read, and returns the eights added.
fn add_eights<W: Word>(words: &mut [W], bytes: &[u8], bits: u8) -> usize {
    let (width, low) = (usize::from(bits), low_bits(bits));
    // An element that begins at bit 7 of its first byte still ends in the eighth.
    if width > 57 {
        return 0;
    }
    let starts: [(usize, usize); 8] = std::array::from_fn(|at| (at * width / 8, at * width % 8));
    let mut added = 0;
    let (eights, _) = words.as_chunks_mut::<8>();
    for (eight, begin) in eights.iter_mut().zip((0..).step_by(width)) {
        let Some(window) = bytes.get(begin..begin + width + 8) else {
            break;
        };
        for (word, (start, shift)) in eight.iter_mut().zip(starts) {
            let chunk = window.get(start..).and_then(<[u8]>::first_chunk);
            let chunk = u64::from_le_bytes(chunk.copied().unwrap_or_default());
            word.add(chunk >> shift & low);
        }
        added += 1;
    }
    added
}

/// Adds one element after the other.
fn add_rest<W: Word>(words: &mut [W], bytes: &[u8], bits: u8) {
    let (width, low) = (usize::from(bits), low_bits(bits));
    let mut eights = bytes.chunks(8);
    let (mut waiting, mut count) = (0u128, 0);
    for word in words {
        if count < width {
            let mut next = [0; 8];
            let chunk = eights.next().unwrap_or_default();
            next.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            waiting |= u128::from(u64::from_le_bytes(next)) << count;
            count += 64;
        }
        word.add(waiting as u64 & low);
        waiting >>= width;
        count -= width;
    }
}

fn low_bits(bits: u8) -> u64 {
    u64::MAX >> (64 - bits)
}
