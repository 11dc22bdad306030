//! `haima convert` as a hospital's IT runs it: packets, bundles, variant files and radiomics to a table,
//! and a table to packets.

#[path = "convert/back.rs"]
mod back;
mod common;
#[path = "convert/fhir.rs"]
mod fhir;
#[path = "convert/packets.rs"]
mod packets;
#[path = "convert/private.rs"]
mod private;
#[path = "convert/radiomics.rs"]
mod radiomics;
#[path = "convert/real.rs"]
mod real;
#[path = "convert/refusals.rs"]
mod refusals;
#[path = "convert/run.rs"]
mod run;
#[path = "convert/vcf.rs"]
mod vcf;
