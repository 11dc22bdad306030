//! Compiles the coordinator's protocol with protox, so that no protoc has to be installed.

use std::path::Path;

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = "proto/haima/coordinator/v1/coordinator.proto";
    println!("cargo::rerun-if-changed={file}");
    let descriptors = protox::compile([file], ["proto"])?;
    let out = std::env::var("OUT_DIR")?;
    std::fs::write(Path::new(&out).join("coordinator.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .codec_path("haima_smpc_node::wire::StrictCodec")
        // Bulk: slices of what is there, not copies.
        .bytes(".haima.coordinator.v1.Chunk.data")
        .bytes(".haima.coordinator.v1.Piece.data")
        .compile_fds(descriptors)?;
    Ok(())
}
