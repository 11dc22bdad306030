//! `haima train`, `predict` and `card` as a user runs them.
mod common;
#[test]
fn placeholder() {}
