//! Messages of the socket and their bytes: a little-endian length, a JSON header, and the numbers of a
//! vector (`docs/sum.md`, "Messages").
//!
//! ```text
//! u32 length of the header | header, JSON, at most 4096 bytes | len numbers, little-endian f32 or f64
//! ```
//!
//! Pure: nothing here reads or writes. Whoever reads asks [`Request::vector_bytes`] first, so that
//! nothing is allocated by a stranger's word.

use haima_fl_core::tasks::vector_sum::Standing;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Name and version of the protocol; stands in every header.
pub const PROTOCOL: &str = "haima.sum/1";
/// Most bytes of a header.
pub const MAX_HEADER: usize = 4096;

/// How the numbers of a vector are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Four bytes a number.
    F32,
    /// Eight bytes a number.
    F64,
}

impl Dtype {
    /// Bytes of a number.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// What the study sums.
    Terms,
    /// A vector of a round, for its sum.
    Sum,
}

/// Header of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`PROTOCOL`].
    pub protocol: String,
    /// What is asked.
    pub op: Op,
    /// With [`Op::Sum`]: the round, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<u32>,
    /// With [`Op::Sum`]: how the vector behind the header is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<Dtype>,
    /// With [`Op::Sum`]: numbers of the vector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub len: Option<u32>,
}

impl Request {
    /// The question what is summed.
    #[must_use]
    pub fn terms() -> Self {
        Self { protocol: PROTOCOL.into(), op: Op::Terms, round: None, dtype: None, len: None }
    }

    /// A vector of `len` doubles for a round.
    #[must_use]
    pub fn sum(round: u32, len: u32) -> Self {
        let (round, dtype, len) = (Some(round), Some(Dtype::F64), Some(len));
        Self { protocol: PROTOCOL.into(), op: Op::Sum, round, dtype, len }
    }

    /// Reads a header.
    ///
    /// # Errors
    /// A [`Fault`] that says what is wrong with it.
    pub fn read(header: &[u8]) -> Result<Self, Fault> {
        let request: Self = serde_json::from_slice(header)
            .map_err(|error| Fault::new(Code::Malformed, format!("header: {error}")))?;
        if request.protocol != PROTOCOL {
            // Not quoted: it may be a stranger's text of any length.
            let message = format!("another protocol than {PROTOCOL}; use a client of that version");
            return Err(Fault::new(Code::Version, message));
        }
        Ok(request)
    }

    /// How the vector behind this header is written, and its bytes; `None` where there is none.
    ///
    /// # Errors
    /// When a field is missing, or the vector is not of the study's dimension.
    pub fn vector_bytes(&self, dimension: u32) -> Result<Option<(Dtype, usize)>, Fault> {
        if self.op == Op::Terms {
            return Ok(None);
        }
        let (Some(_), Some(dtype), Some(len)) = (self.round, self.dtype, self.len) else {
            let message = "`sum` needs `round`, `dtype` and `len`";
            return Err(Fault::new(Code::Malformed, message));
        };
        if len != dimension {
            let message = format!("a vector of {len} numbers; the study sums {dimension}");
            return Err(Fault::new(Code::Length, message));
        }
        Ok(Some((dtype, (len as usize).saturating_mul(dtype.size()))))
    }
}

/// What a study sums through this socket; all of it is public.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// The study.
    pub study: String,
    /// Manifest id of the task.
    pub task: String,
    /// Numbers of a vector.
    pub dimension: u32,
    /// L2 norm to which a longer vector is shortened.
    pub bound: f64,
    /// Vectors are truncated toward zero to multiples of `2^-frac_bits`.
    pub frac_bits: u8,
    /// Rounds.
    pub rounds: u32,
    /// What protects a vector.
    pub class: Class,
    /// Whom noise protects: a site.
    pub unit: String,
    /// Which two inputs noise hides from one another.
    pub adjacency: String,
}

/// What protects a vector beside the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Nothing: the sum is exact, without differential privacy.
    Exact,
    /// Noise, charged to the site's ledger.
    Noised,
    /// Nothing at all: the sum is made in one process, in the clear.
    Simulated,
}

/// Header of a released sum; its numbers follow as doubles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SumHead {
    /// The round.
    pub round: u32,
    /// How the numbers are written.
    pub dtype: Dtype,
    /// Their number.
    pub len: u32,
    /// Sites in the sum.
    pub sites: u32,
    /// How this site's own vector is in it. Nobody but this client is told.
    pub own: Standing,
    /// Standard deviation of the noise in each number; `null` without noise.
    pub noise: Option<f64>,
}

/// What kind of refusal it is, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The message cannot be read.
    Malformed,
    /// Another version of the protocol.
    Version,
    /// A vector of another length than the study's.
    Length,
    /// A round that is over, or not there yet.
    Round,
    /// The study has ended, or the site stops.
    Over,
    /// The message did not come to its end in time.
    Timeout,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// For programs.
    pub code: Code,
    /// For people: what, and what to do.
    pub message: String,
}

impl Fault {
    /// A refusal.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// Header of an answer: one of the three.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// [`PROTOCOL`].
    pub protocol: String,
    /// Answer to [`Op::Terms`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
    /// Answer to [`Op::Sum`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum: Option<SumHead>,
    /// A refusal; the connection is closed after one that is about the message itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Fault>,
}

impl Reply {
    fn empty() -> Self {
        Self { protocol: PROTOCOL.into(), terms: None, sum: None, error: None }
    }

    /// What is summed.
    #[must_use]
    pub fn terms(terms: Terms) -> Self {
        Self { terms: Some(terms), ..Self::empty() }
    }

    /// A sum.
    #[must_use]
    pub fn sum(sum: SumHead) -> Self {
        Self { sum: Some(sum), ..Self::empty() }
    }

    /// A refusal.
    #[must_use]
    pub fn fault(fault: Fault) -> Self {
        Self { error: Some(fault), ..Self::empty() }
    }
}

/// The bytes of a message: header, and a vector as doubles (none where empty).
#[must_use]
pub fn to_bytes(header: &impl Serialize, vector: &[f64]) -> Zeroizing<Vec<u8>> {
    // Texts and finite numbers always have a JSON form.
    let header = serde_json::to_vec(header).unwrap_or_default();
    let length = u32::try_from(header.len()).unwrap_or(u32::MAX);
    let size = header.len().saturating_add(4).saturating_add(vector.len().saturating_mul(8));
    let mut bytes = Zeroizing::new(Vec::with_capacity(size));
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&header);
    bytes.extend(vector.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// The numbers of a vector; what is left of an incomplete last one is not read.
#[must_use]
pub fn numbers(bytes: &[u8], dtype: Dtype) -> Zeroizing<Vec<f64>> {
    Zeroizing::new(match dtype {
        Dtype::F32 => {
            let numbers = bytes.as_chunks::<4>().0.iter();
            numbers.map(|number| f64::from(f32::from_le_bytes(*number))).collect()
        }
        Dtype::F64 => {
            let numbers = bytes.as_chunks::<8>().0.iter();
            numbers.map(|number| f64::from_le_bytes(*number)).collect()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of `docs/sum.md`, "Messages": a client in another language is written from them.
    #[test]
    fn a_message_is_its_headers_length_its_header_and_its_numbers() {
        let bytes = to_bytes(&Request::sum(1, 2), &[1.0, -2.0]);
        let header = r#"{"protocol":"haima.sum/1","op":"sum","round":1,"dtype":"f64","len":2}"#;
        let mut expected = vec![69, 0, 0, 0];
        expected.extend(header.as_bytes());
        expected.extend([0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0]);
        assert_eq!(bytes.as_slice(), expected);
        assert_eq!(numbers(&expected[73..], Dtype::F64).as_slice(), [1.0, -2.0]);
        assert_eq!(numbers(&[0, 0, 0x80, 0x3f, 9], Dtype::F32).as_slice(), [1.0]);
    }

    #[test]
    fn a_header_that_does_not_fit_is_refused_before_its_vector_is_read() {
        let read = |text: &str| Request::read(text.as_bytes());
        let code =
            |text: &str| read(text).and_then(|request| request.vector_bytes(2)).map_err(|f| f.code);
        let ours = r#"{"protocol":"haima.sum/1","op":"sum""#;
        for (text, expected) in [
            ("", Code::Malformed),
            ("[]", Code::Malformed),
            (r#"{"protocol":"haima.sum/9","op":"terms"}"#, Code::Version),
            (r#"{"protocol":"haima.sum/1","op":"other"}"#, Code::Malformed),
            (r#"{"protocol":"haima.sum/1","op":"terms","more":1}"#, Code::Malformed),
            (format!("{ours}}}").as_str(), Code::Malformed),
            (format!("{ours},\"round\":1,\"dtype\":\"f16\",\"len\":2}}").as_str(), Code::Malformed),
            (
                format!("{ours},\"round\":1,\"dtype\":\"f32\",\"len\":4294967295}}").as_str(),
                Code::Length,
            ),
            (
                format!("{ours},\"round\":-1,\"dtype\":\"f32\",\"len\":2}}").as_str(),
                Code::Malformed,
            ),
        ] {
            assert_eq!(code(text), Err(expected), "{text}");
        }
        assert_eq!(code(r#"{"protocol":"haima.sum/1","op":"terms"}"#), Ok(None));
        let good = format!("{ours},\"round\":1,\"dtype\":\"f32\",\"len\":2}}");
        assert_eq!(code(&good), Ok(Some((Dtype::F32, 8))));
    }

    #[test]
    fn answers_read_back() {
        let sum = SumHead {
            round: 3,
            dtype: Dtype::F64,
            len: 2,
            sites: 5,
            own: Standing::Shortened,
            noise: Some(0.5),
        };
        for reply in [Reply::sum(sum), Reply::fault(Fault::new(Code::Over, "the study has ended"))]
        {
            let text = serde_json::to_string(&reply).unwrap();
            assert!(text.len() < MAX_HEADER);
            assert_eq!(serde_json::from_str::<Reply>(&text).unwrap(), reply, "{text}");
        }
    }
}
