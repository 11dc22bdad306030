//! Compiles the protocol with protox, so that no protoc has to be installed.

use std::path::Path;

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = "proto/haima/node/v1/node.proto";
    println!("cargo::rerun-if-changed={file}");
    let descriptors = protox::compile([file], ["proto"])?;
    let out = std::env::var("OUT_DIR")?;
    std::fs::write(Path::new(&out).join("node.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .codec_path("crate::wire::StrictCodec")
        // Bulk: slices of what is there, not copies.
        .bytes(".haima.node.v1.SubmitPart.chunk")
        .bytes(".haima.node.v1.ReleasePart.chunk")
        .bytes(".haima.node.v1.SubSharePart.chunk")
        .compile_fds(descriptors)?;
    Ok(())
}
