//! What holds of every message, whatever its service: the version of the protocol that a caller
//! speaks, and that no message has a field that this version does not know.
//!
//! A caller names the versions that it speaks in the metadata `haima-protocol`, decimal numbers
//! separated by commas. The highest that both speak is spoken; a call without a common one is
//! refused, and so is one that names none.

use std::marker::PhantomData;

use bytes::Buf as _;
use prost::Message;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::{Request, Status};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

use crate::PROTOCOL;

/// Name of the metadata with the versions that a caller speaks.
pub const VERSIONS: &str = "haima-protocol";
/// Most versions that a caller may name.
const MOST: usize = 16;

/// Puts the version that this party speaks on each call that it makes, unless the caller has named
/// others.
#[derive(Clone, Copy, Debug)]
pub struct Speak;

impl Interceptor for Speak {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        if !metadata.contains_key(VERSIONS) {
            metadata.insert(VERSIONS, MetadataValue::from(PROTOCOL));
        }
        Ok(request)
    }
}

/// Refuses calls that no common version is named for.
#[derive(Clone, Copy, Debug)]
pub struct Listen;

impl Interceptor for Listen {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let named = request.metadata().get(VERSIONS).and_then(|value| value.to_str().ok());
        let Some(named) = named else {
            return Err(Status::failed_precondition(format!(
                "this party speaks protocol {PROTOCOL}; the caller names none in {VERSIONS:?}"
            )));
        };
        let mut numbers = named.split(',').take(MOST).map(|number| number.trim().parse::<u32>());
        if numbers.any(|number| number == Ok(PROTOCOL)) {
            return Ok(request);
        }
        let named: String =
            named.chars().filter(|c| c.is_ascii_digit() || ", ".contains(*c)).take(100).collect();
        Err(Status::failed_precondition(format!(
            "this party speaks protocol {PROTOCOL}, the caller {named}; install the same version"
        )))
    }
}

/// Protobuf, with unknown fields refused. A message that is decoded and encoded again is as long as
/// it was, unless it had a field that is not known here, or one that stood twice.
#[derive(Clone, Debug)]
pub struct StrictCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for StrictCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for StrictCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = StrictDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::default())
    }

    fn decoder(&mut self) -> Self::Decoder {
        StrictDecoder(ProstCodec::<T, U>::raw_decoder(BufferSettings::default()))
    }
}

/// The decoder of [`StrictCodec`].
#[derive(Clone, Debug)]
pub struct StrictDecoder<U>(ProstDecoder<U>);

impl<U: Message + Default> Decoder for StrictDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let len = buffer.remaining();
        let message = self.0.decode(buffer)?;
        match &message {
            Some(message) if message.encoded_len() != len => {
                Err(Status::invalid_argument(format!(
                    "a message with a field that protocol {PROTOCOL} does not know, though its sender \
                 says that it speaks {PROTOCOL}"
                )))
            }
            _ => Ok(message),
        }
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(versions: Option<&str>) -> Result<(), String> {
        let mut request = Request::new(());
        if let Some(versions) = versions {
            request.metadata_mut().insert(VERSIONS, versions.parse().unwrap());
        }
        Listen.call(request).map(|_| ()).map_err(|status| status.message().to_owned())
    }

    #[test]
    fn a_common_version_is_spoken_and_none_is_an_error_with_both() {
        assert!(Speak.call(Request::new(())).and_then(|r| Listen.call(r)).is_ok());
        assert!(call(Some(&format!("3, {PROTOCOL},99"))).is_ok());
        let error = call(Some("3,4")).unwrap_err();
        assert!(error.contains(&PROTOCOL.to_string()) && error.contains("3,4"), "{error}");
        assert!(call(None).unwrap_err().contains("names none"));
        for garbage in ["", "x", "5x", "-5", "4294967301"] {
            assert!(call(Some(garbage)).is_err(), "{garbage}");
        }
    }
}
