//! Planted bugs.

/// What one execution of the arithmetic under proof does otherwise than its source says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The n-th execution of an operation, from 1, gives its first operand; `sign` and `carry` give
    /// zero.
    Without(&'static str, usize),
    /// This constant is another.
    Instead(u128, u128),
}
