//! A service behind a node's TLS that takes a stream of parts and drops them: what a submission's
//! bytes cost on the line alone.

use std::convert::Infallible;
use std::pin::Pin;

use haima_smpc_node::client::CHUNK;
use haima_smpc_node::{proto, tls};
use prost::bytes::Bytes;
use tonic::codegen::http::{Request, Response};
use tonic::server::NamedService;

use crate::world::World;

/// Takes a stream of parts and drops them.
#[derive(Clone)]
struct Sink;

impl NamedService for Sink {
    const NAME: &'static str = "haima.node.v1.Node";
}

struct Drain;

impl tonic::server::ClientStreamingService<proto::SubmitPart> for Drain {
    type Response = proto::SubmitReply;
    type Future = Pin<
        Box<dyn Future<Output = Result<tonic::Response<Self::Response>, tonic::Status>> + Send>,
    >;

    fn call(
        &mut self,
        request: tonic::Request<tonic::Streaming<proto::SubmitPart>>,
    ) -> Self::Future {
        Box::pin(async move {
            let mut parts = request.into_inner();
            while parts.message().await?.is_some() {}
            Ok(tonic::Response::new(proto::SubmitReply {}))
        })
    }
}

impl tower::Service<Request<tonic::body::Body>> for Sink {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        Box::pin(async move {
            let codec = tonic_prost::ProstCodec::default();
            let mut grpc = tonic::server::Grpc::new(codec)
                .apply_max_message_size_config(Some(2 * CHUNK), None);
            Ok(grpc.client_streaming(Drain, request).await)
        })
    }
}

/// A line to a sink, with windows of 16 MiB.
pub(crate) struct Link {
    client: proto::node_client::NodeClient<tls::Link>,
    chunk: Bytes,
}

impl Link {
    /// Starts a sink with the first node's certificate and calls it as the first site.
    pub(crate) async fn new(world: &World) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let home = world.folder.path().join("node-1");
        let own = tls::TlsIdentity::read(&home.join("tls.crt"), &home.join("tls.key")).unwrap();
        let incoming = tls::incoming(listener, &own, &world.manifest.pins()).unwrap();
        tokio::spawn(
            tonic::transport::Server::builder()
                .initial_stream_window_size(16 << 20)
                .initial_connection_window_size(16 << 20)
                .add_service(Sink)
                .serve_with_incoming(incoming),
        );
        let party = &world.manifest.nodes[0];
        let pin = world.manifest.pins()[&party.name];
        let link = tls::channel(&party.name, &address, pin, &world.sites[0].tls).unwrap();
        let client = proto::node_client::NodeClient::new(link);
        Self { client, chunk: Bytes::from(vec![7; CHUNK]) }
    }

    /// Streams at least so many bytes, in whole chunks.
    pub(crate) async fn send(&self, bytes: usize) {
        let part = proto::submit_part::Part::Chunk(self.chunk.clone());
        let part = proto::SubmitPart { part: Some(part) };
        let parts = std::iter::repeat_n(part, bytes.div_ceil(CHUNK));
        self.client.clone().submit(tokio_stream::iter(parts)).await.unwrap();
    }
}
