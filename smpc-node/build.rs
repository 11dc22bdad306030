//! Compiles the protocol with protox, so that no protoc has to be installed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = "proto/haima/node/v1/node.proto";
    println!("cargo::rerun-if-changed={file}");
    let descriptors = protox::compile([file], ["proto"])?;
    tonic_prost_build::configure()
        // Bulk: slices of what is there, not copies.
        .bytes(".haima.node.v1.SubmitPart.chunk")
        .bytes(".haima.node.v1.ReleasePart.chunk")
        .compile_fds(descriptors)?;
    Ok(())
}
