//! Cohorts with a structure that a method must find.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// Two numbers a patient.
pub(crate) const PLANE: &str = r#"
    patient = "id"
    [[column]]
    name = "x"
    kind = "numeric"
    range = [-100, 100]
    missing = true
    [[column]]
    name = "y"
    kind = "numeric"
    range = [-100, 100]
    missing = true
"#;

/// A file of [`PLANE`].
pub(crate) fn file(points: &[[f64; 2]]) -> String {
    let lines: String =
        points.iter().enumerate().map(|(i, [x, y])| format!("{i},{x},{y}\n")).collect();
    format!("id,x,y\n{lines}")
}

/// Draws from a seed of the test's own.
pub(crate) struct Normal(ChaCha20Rng);

impl Normal {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }

    /// Uniform on [0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal (Box and Muller 1958).
    pub(crate) fn draw(&mut self) -> f64 {
        let (radius, angle) = (1.0 - self.uniform(), self.uniform());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }
}
