//! A decoder with the fault that all others must not have: it believes a length. The fuzzer must
//! find it, and so must the mutations of the test.

/// Bytes behind a label and a length.
pub(crate) fn run(bytes: &[u8]) {
    let Some((head, body)) = bytes.strip_prefix(b"haima").and_then(<[u8]>::split_first_chunk)
    else {
        return;
    };
    let len = u32::from_le_bytes(*head) as usize;
    if len <= 1 << 20 {
        // Not `body.get(..len)`.
        assert_eq!(body[..len].len(), len);
    }
}

pub(crate) fn seed() -> Vec<u8> {
    b"haima\x03\0\0\0abc".to_vec()
}
