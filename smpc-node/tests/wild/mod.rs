//! Messages that no client of ours sends: any bytes to any call.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::time::Duration;

use haima_smpc_node::tls;
use haima_smpc_node::wire::VERSIONS;
use prost::Message as _;
use prost::bytes::{Buf as _, BufMut as _, Bytes};
use rand::RngExt as _;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Status};

/// Bytes as they are.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;
    fn encoder(&mut self) -> Self {
        *self
    }
    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// One message to a call; its status, or the first message of the answer.
pub(crate) async fn call(
    link: &tls::Link,
    path: &str,
    versions: Option<&str>,
    message: Bytes,
) -> Result<Bytes, Status> {
    let mut grpc = tonic::client::Grpc::new(link.clone());
    grpc.ready().await.map_err(|_| Status::unavailable("not ready"))?;
    let mut request = Request::new(tokio_stream::iter([message]));
    request.set_timeout(Duration::from_secs(20));
    if let Some(versions) = versions {
        request.metadata_mut().insert(VERSIONS, versions.parse().unwrap());
    }
    let mut answer = grpc.streaming(request, path.parse().unwrap(), Raw).await?.into_inner();
    answer.message().await?.ok_or_else(|| Status::ok("nothing"))
}

/// Every call of the service, from its own description: a new one cannot be forgotten.
pub(crate) fn calls(description: &[u8]) -> Vec<String> {
    let set = prost_types::FileDescriptorSet::decode(description).unwrap();
    let mut calls = vec![];
    for file in set.file {
        for service in file.service {
            for method in service.method {
                let (package, service) = (file.package.clone().unwrap(), service.name.clone());
                calls.push(format!("/{package}.{}/{}", service.unwrap(), method.name.unwrap()));
            }
        }
    }
    assert!(calls.len() >= 4, "{calls:?}");
    calls
}

/// Random bytes, or fields of random numbers, kinds and lengths, which get further in.
pub(crate) fn random_message(rng: &mut impl rand::Rng) -> Bytes {
    let mut bytes = vec![0; rng.random_range(0..200)];
    rng.fill_bytes(&mut bytes);
    if rng.random_bool(0.3) {
        return bytes.into();
    }
    let mut fields = vec![];
    for _ in 0..rng.random_range(0..6) {
        let number: u8 = rng.random_range(1..8);
        if rng.random_bool(0.4) {
            fields.push(number << 3);
            prost::encoding::encode_varint(
                rng.random::<u64>() >> rng.random_range(0..64),
                &mut fields,
            );
        } else {
            let len = if rng.random_bool(0.5) { 32 } else { rng.random_range(0..100) };
            fields.push(number << 3 | 2);
            prost::encoding::encode_varint(len, &mut fields);
            fields.extend(bytes.iter().cycle().take(if bytes.is_empty() {
                0
            } else {
                len as usize
            }));
        }
    }
    fields.into()
}
