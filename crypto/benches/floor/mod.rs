//! What expansion costs at least: keystream that nothing is done with.

use std::hint::black_box;

use ctr::cipher::StreamCipher;

/// Bytes that stay in the second cache.
pub(crate) const ROOM: usize = 64 * 1024;

/// `bytes` of keystream, written into `room` again and again.
pub(crate) fn keystream(mut cipher: impl StreamCipher, bytes: usize, room: &mut [u8]) {
    let mut left = bytes;
    while left > 0 {
        let now = left.min(room.len());
        cipher.write_keystream(black_box(&mut room[..now]));
        left -= now;
    }
}
