//! The web pages as a browser asks for them, but for `tls` and `program` without a network: what every
//! answer carries, who is let in, which forms are taken, and what the pages say of studies that are new,
//! that run, and that ended.

mod browser;
mod calculator;
#[path = "../common/mod.rs"]
mod common;
mod doors;
mod ended;
mod program;
mod site;
mod tls;
