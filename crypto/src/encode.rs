//! The one canonical byte encoding, and SHA3-256 over it.
//!
//! Everything that is signed or hashed is encoded here first: a domain label, then the fields in
//! a fixed order, integers little-endian in fixed width, strings and byte strings with a 32-bit
//! length before them, lists with a 32-bit count. One value has one encoding, and the decoder
//! accepts no other: trailing bytes, lengths past the end and over the caller's limits are errors
//! before anything is allocated. `docs/protocol.md` gives the structures byte by byte.

use sha3::{Digest as _, Sha3_256};

use crate::Error;

/// A SHA3-256 digest of canonical bytes. Public: compared in variable time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest([u8; 32]);

impl Digest {
    /// SHA3-256 of bytes that already carry their domain label.
    #[must_use]
    pub fn of(canonical: &[u8]) -> Self {
        Self(Sha3_256::digest(canonical).into())
    }

    /// A digest read from elsewhere.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads a digest from a slice of exactly 32 bytes.
    ///
    /// # Errors
    /// On any other length.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, Error> {
        let got = bytes.len();
        let bytes =
            bytes.try_into().map_err(|_| Error::Length { what: "digest", expected: 32, got })?;
        Ok(Self(bytes))
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 4 bytes in hexadecimal: a name for logs, not an identifier.
    #[must_use]
    pub fn short(&self) -> String {
        to_hex(self.0.get(..4).unwrap_or_default())
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// Lower-case hexadecimal. No branch and no address depends on the bytes: keys are written so.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    // Past 9 the difference wraps around: letters stand 39 places behind.
    let digit = |half: u8| char::from(b'0' + half + (9_u8.wrapping_sub(half) >> 7) * 39);
    let mut text = String::with_capacity(bytes.len() * 2);
    for &byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

/// Reads exactly `N` bytes of hexadecimal, either case. For public text: the error repeats it, the
/// time depends on it. Secrets are read by [`crate::secret::Seed::from_hex`].
///
/// # Errors
/// On another length or another character.
pub fn from_hex<const N: usize>(text: &str) -> Result<[u8; N], Error> {
    let fail = || Error::Hex { expected: N, got: text.chars().take(80).collect() };
    if text.len() != 2 * N || !text.is_ascii() {
        return Err(fail());
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| fail())?;
        if pair.starts_with('+') {
            return Err(fail());
        }
        *byte = u8::from_str_radix(pair, 16).map_err(|_| fail())?;
    }
    Ok(bytes)
}

/// A structure with a canonical encoding.
pub trait Canonical: Sized {
    /// Domain label: names the structure and its version.
    const LABEL: &'static str;
    /// Writes the fields in order.
    fn encode_fields(&self, to: &mut Encoder);
    /// Reads the fields in order.
    ///
    /// # Errors
    /// On anything but the one encoding of a valid value.
    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, Error>;

    /// Label and fields.
    fn to_bytes(&self) -> Vec<u8> {
        let mut encoder = Encoder::new(Self::LABEL);
        self.encode_fields(&mut encoder);
        encoder.finish()
    }

    /// The inverse of [`Canonical::to_bytes`], strict.
    ///
    /// # Errors
    /// On anything but the one encoding of a valid value.
    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut decoder = Decoder::new(Self::LABEL, bytes)?;
        let value = Self::decode_fields(&mut decoder)?;
        decoder.finish()?;
        Ok(value)
    }

    /// SHA3-256 of the canonical bytes.
    fn digest(&self) -> Digest {
        Digest::of(&self.to_bytes())
    }
}

/// Writes canonical bytes.
#[derive(Debug)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// Starts a structure under its domain label.
    #[must_use]
    pub fn new(label: &str) -> Self {
        let mut encoder = Self { bytes: Vec::with_capacity(256) };
        encoder.str(label);
        encoder
    }

    /// Makes room for so many more bytes: for secrets, of which a buffer that grows leaves copies.
    pub fn reserve(&mut self, bytes: usize) -> &mut Self {
        self.bytes.reserve(bytes);
        self
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes.push(value);
        self
    }

    /// 32 bits, little-endian.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// 64 bits, little-endian.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// A byte string with its length.
    ///
    /// # Panics
    /// Never for less than 4 GiB, which no caller can reach: every decoder's limits are smaller.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.count(value.len());
        self.bytes.extend_from_slice(value);
        self
    }

    /// A UTF-8 string with its length.
    pub fn str(&mut self, value: &str) -> &mut Self {
        self.bytes(value.as_bytes())
    }

    /// A digest, 32 bytes.
    pub fn digest(&mut self, value: &Digest) -> &mut Self {
        self.bytes.extend_from_slice(value.as_bytes());
        self
    }

    /// Fixed-size bytes without a length.
    pub fn array<const N: usize>(&mut self, value: &[u8; N]) -> &mut Self {
        self.bytes.extend_from_slice(value);
        self
    }

    /// The number of items of a list that follows.
    pub fn count(&mut self, items: usize) -> &mut Self {
        // A length past 32 bits would be encoded as one that no decoder accepts.
        self.u32(u32::try_from(items).unwrap_or(u32::MAX))
    }

    /// The bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads canonical bytes, refusing any other encoding.
#[derive(Debug)]
pub struct Decoder<'a> {
    label: &'static str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Decoder<'a> {
    /// Starts at the label, which must be the expected one.
    ///
    /// # Errors
    /// On another label.
    pub fn new(label: &'static str, bytes: &'a [u8]) -> Result<Self, Error> {
        let mut decoder = Self { label, bytes, at: 0 };
        if decoder.str(label.len())? == label {
            Ok(decoder)
        } else {
            decoder.at = 0;
            Err(decoder.fail("another structure or version"))
        }
    }

    /// An error at the current position.
    #[must_use]
    pub fn fail(&self, problem: &'static str) -> Error {
        Error::Encoding { label: self.label, problem, at: self.at }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let end = self.at.checked_add(len).ok_or_else(|| self.fail("length overflows"))?;
        let bytes = self.bytes.get(self.at..end).ok_or_else(|| self.fail("too short"))?;
        self.at = end;
        Ok(bytes)
    }

    /// Fixed-size bytes.
    ///
    /// # Errors
    /// When they are not all there.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        self.take(N)?.try_into().map_err(|_| self.fail("too short"))
    }

    /// One byte.
    ///
    /// # Errors
    /// When it is not there.
    pub fn u8(&mut self) -> Result<u8, Error> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    /// 32 bits, little-endian.
    ///
    /// # Errors
    /// When they are not all there.
    pub fn u32(&mut self) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// 64 bits, little-endian.
    ///
    /// # Errors
    /// When they are not all there.
    pub fn u64(&mut self) -> Result<u64, Error> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A byte string of at most `max` bytes.
    ///
    /// # Errors
    /// When it is longer or not all there.
    pub fn bytes(&mut self, max: usize) -> Result<&'a [u8], Error> {
        let len = self.u32()? as usize;
        if len > max {
            return Err(self.fail("longer than allowed"));
        }
        self.take(len)
    }

    /// A UTF-8 string of at most `max` bytes.
    ///
    /// # Errors
    /// When it is longer, not all there or not UTF-8.
    pub fn str(&mut self, max: usize) -> Result<&'a str, Error> {
        let bytes = self.bytes(max)?;
        std::str::from_utf8(bytes).map_err(|_| self.fail("not UTF-8"))
    }

    /// A digest.
    ///
    /// # Errors
    /// When it is not all there.
    pub fn digest(&mut self) -> Result<Digest, Error> {
        Ok(Digest(self.array()?))
    }

    /// The number of items of a list, at most `max`, each of at least `item` bytes, so that the
    /// caller may allocate for that many.
    ///
    /// # Errors
    /// When there are more, or the bytes left cannot hold them.
    pub fn count(&mut self, max: usize, item: usize) -> Result<usize, Error> {
        let items = self.u32()? as usize;
        if items > max {
            return Err(self.fail("more items than allowed"));
        }
        let left = self.bytes.len().saturating_sub(self.at);
        if items.saturating_mul(item.max(1)) > left {
            return Err(self.fail("too short"));
        }
        Ok(items)
    }

    /// Ends the structure.
    ///
    /// # Errors
    /// When bytes are left over.
    pub fn finish(self) -> Result<(), Error> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.fail("bytes left over")) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Sample {
        id: u64,
        name: String,
        parts: Vec<[u8; 4]>,
    }

    impl Canonical for Sample {
        const LABEL: &'static str = "test sample 1";
        fn encode_fields(&self, to: &mut Encoder) {
            to.u64(self.id).str(&self.name).count(self.parts.len());
            for part in &self.parts {
                to.array(part);
            }
        }
        fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, Error> {
            let id = from.u64()?;
            let name = from.str(64)?.to_owned();
            let count = from.count(100, 4)?;
            let parts = (0..count).map(|_| from.array()).collect::<Result<_, _>>()?;
            Ok(Self { id, name, parts })
        }
    }

    #[test]
    fn the_encoding_is_frozen() {
        let sample = Sample { id: 258, name: "ä".into(), parts: vec![[1, 2, 3, 4]] };
        assert_eq!(
            to_hex(&sample.to_bytes()),
            "0d000000746573742073616d706c6520310201000000000000\
             02000000c3a40100000001020304"
        );
        assert_eq!(Sample::from_bytes(&sample.to_bytes()), Ok(sample));
    }

    #[test]
    fn a_length_from_a_peer_is_bounded_before_allocation() {
        let mut bytes = Encoder::new(Sample::LABEL);
        bytes.u64(1).str("x").u32(u32::MAX);
        let error = Sample::from_bytes(&bytes.finish()).unwrap_err();
        assert!(matches!(error, Error::Encoding { problem: "more items than allowed", .. }));
    }

    #[test]
    fn another_label_or_left_over_bytes_are_refused() {
        let mut bytes = Sample { id: 1, name: String::new(), parts: vec![] }.to_bytes();
        bytes.push(0);
        assert!(Sample::from_bytes(&bytes).is_err());
        let other = Encoder::new("test sample 2").finish();
        assert!(Sample::from_bytes(&other).is_err());
    }

    #[test]
    fn hexadecimal_is_strict() {
        for byte in 0..=u8::MAX {
            assert_eq!(to_hex(&[byte]), format!("{byte:02x}"));
        }
        assert_eq!(from_hex::<2>("0aFf"), Ok([0x0a, 0xff]));
        for bad in ["0af", "0afff", "0ag0", "+a+b", "é12"] {
            assert!(from_hex::<2>(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_decode_to_one_encoding(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            labelled in any::<bool>(),
        ) {
            let mut input = if labelled { Encoder::new(Sample::LABEL).finish() } else { vec![] };
            input.extend(bytes);
            if let Ok(sample) = Sample::from_bytes(&input) {
                prop_assert_eq!(sample.to_bytes(), input);
            }
        }
    }
}
