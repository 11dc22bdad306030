//! What both harnesses share: the requests to memcheck, and the parties of a round.

#[cfg(not(target_arch = "x86_64"))]
compile_error!("the client requests are written for x86-64 alone");

pub mod memcheck;
pub mod setting;
