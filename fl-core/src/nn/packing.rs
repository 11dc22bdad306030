//! Feeding patients to a network so that each one's vector is a function of that patient and the
//! model alone (rule S2).
//!
//! Matrix kernels choose their tiles by the shape of the batch, and a tile's edge may round
//! otherwise than its middle. Two measures keep that away from the sensitivity:
//!
//! - every pass has exactly [`CHUNK`] rows, padded by rows of zeros, so the shapes never change;
//! - before its first use at a site a network is *probed*: one public row is evaluated in every
//!   position, beside neighbours drawn anew each time, and must give the same bits as alone, which
//!   must tell something: finite numbers, not all zero. Where it does not, the site goes on with one
//!   patient a pass, in the first position, beside zeros: slower by a factor [`CHUNK`], and
//!   bit-identical because nothing varies any more.
//!
//! A caller that may not show how many patients it has pads them to a public number.
//!
//! The probe sees public rows only, so which of the two is used does not depend on data (S5).

use zeroize::Zeroizing;

use super::SplitMix64;
use super::ghost::PatientGradients;

/// Rows of one pass.
pub const CHUNK: usize = 64;

/// Rounds of the probe: each puts the probe row into every position once.
const ROUNDS: usize = 2;

/// A loss that is a sum over patients, evaluated on a chunk of encoded patients.
pub trait PatientLoss {
    /// Numbers that encode one patient. A patient of zeros must have zero loss.
    fn width(&self) -> usize;

    /// The gradients of `[CHUNK, width]` encoded patients. `None` when they could not be had.
    fn gradients(&self, chunk: &[f32]) -> Option<PatientGradients>;
}

/// How patients are laid into passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// [`CHUNK`] patients a pass.
    Chunks,
    /// One patient a pass, beside zeros.
    Alone,
}

impl Packing {
    /// Probes a network and says how its patients may be laid.
    #[must_use]
    pub fn probe(loss: &(impl PatientLoss + ?Sized)) -> Self {
        let mut random = SplitMix64::new(0x6861_696d_6121);
        let mut draw =
            |len: usize| -> Vec<f32> { (0..len).map(|_| random.symmetric() as f32).collect() };
        let probe = draw(loss.width());
        let alone = {
            let mut chunk = vec![0.0; CHUNK * loss.width()];
            place(&mut chunk, 0, &probe);
            vector(loss, &chunk, 0)
        };
        // Zeros and what is no number are the same in any company, and tell nothing.
        let values = || alone.iter().flatten().map(|bits| f64::from_bits(*bits));
        if !(values().all(f64::is_finite) && values().any(|value| value != 0.0)) {
            return Self::Alone;
        }
        for position in (0..ROUNDS).flat_map(|_| 0..CHUNK) {
            let mut chunk = draw(CHUNK * loss.width());
            place(&mut chunk, position, &probe);
            if vector(loss, &chunk, position) != alone {
                return Self::Alone;
            }
        }
        Self::Chunks
    }

    /// Calls `take` with the gradient of each of `[patients, width]` encoded patients, in order; it
    /// may change it. Up to `capacity`, patients of zeros follow, whose gradient is zero: passes and
    /// calls are then as many for any smaller number of patients (rule S5).
    /// False, after any number of calls, when gradients could not be had.
    #[must_use]
    pub fn each(
        self,
        loss: &(impl PatientLoss + ?Sized),
        patients: &[f32],
        capacity: u64,
        mut take: impl FnMut(&mut [f64]),
    ) -> bool {
        let width = loss.width();
        let together = match self {
            Self::Chunks => CHUNK,
            Self::Alone => 1,
        };
        let real = patients.len() / width;
        let rows = usize::try_from(capacity).unwrap_or(usize::MAX).max(real);
        let mut groups = patients.chunks(together * width);
        let mut gradient = Vec::new();
        for first in (0..rows).step_by(together) {
            let mut chunk = Zeroizing::new(vec![0.0; CHUNK * width]);
            place(&mut chunk, 0, groups.next().unwrap_or_default());
            let Some(gradients) = loss.gradients(&chunk) else { return false };
            for row in 0..together.min(rows - first) {
                if !gradients.write(row, &mut gradient) {
                    return false;
                }
                if first + row >= real {
                    // Padding adds nothing, whatever the weights.
                    gradient.fill(0.0);
                }
                take(&mut gradient);
            }
        }
        true
    }
}

impl Packing {
    /// Adds the gradients of `[patients, width]` encoded patients, each clipped to L2 norm `clip`, to
    /// a sum in doubles ([`PatientGradients::add_clipped`]); padded up to `capacity` as
    /// [`Packing::each`] is. False, with the sum spoiled, when gradients could not be had.
    #[must_use]
    pub fn sum(
        self,
        loss: &(impl PatientLoss + ?Sized),
        patients: &[f32],
        capacity: u64,
        clip: f64,
        sum: &mut [f64],
    ) -> bool {
        let width = loss.width().max(1);
        let together = match self {
            Self::Chunks => CHUNK,
            Self::Alone => 1,
        };
        let real = patients.len() / width;
        let rows = usize::try_from(capacity).unwrap_or(usize::MAX).max(real);
        let mut groups = patients.chunks(together * width);
        for first in (0..rows).step_by(together) {
            let mut chunk = Zeroizing::new(vec![0.0; CHUNK * width]);
            place(&mut chunk, 0, groups.next().unwrap_or_default());
            let Some(gradients) = loss.gradients(&chunk) else { return false };
            // Padding adds nothing, whatever the weights.
            let own = together.min(real.saturating_sub(first));
            if !gradients.add_clipped(together, own, clip, sum) {
                return false;
            }
        }
        true
    }
}

fn place(chunk: &mut [f32], position: usize, rows: &[f32]) {
    let width = chunk.len() / CHUNK;
    for (place, value) in chunk.iter_mut().skip(position * width).zip(rows) {
        *place = *value;
    }
}

/// A row's gradient as bits, both zeros being one.
fn vector(loss: &(impl PatientLoss + ?Sized), chunk: &[f32], row: usize) -> Option<Vec<u64>> {
    let mut gradient = Vec::new();
    let written = loss.gradients(chunk)?.write(row, &mut gradient);
    written.then(|| gradient.iter().map(|value| (value + 0.0).to_bits()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::ghost::{Tape, constant};
    use crate::nn::mlp::Shape;

    struct Squares {
        shape: Shape,
        weights: Vec<f64>,
        /// Adds to each row's output a trace of its neighbours, as a bad kernel might.
        leaky: bool,
    }

    impl PatientLoss for Squares {
        fn width(&self) -> usize {
            self.shape.inputs()
        }

        fn gradients(&self, chunk: &[f32]) -> Option<PatientGradients> {
            let mut values: Vec<f64> = chunk.iter().map(|&value| f64::from(value)).collect();
            if self.leaky {
                let trace = 1e-6 * values.iter().sum::<f64>();
                values.iter_mut().for_each(|value| *value += trace);
            }
            let mut tape = Tape::new();
            let network = self.shape.network(&self.weights)?;
            let output = network.forward(constant(&values, CHUNK, self.width()), &mut tape);
            tape.gradients(&output.powi_scalar(2).sum())
        }
    }

    fn squares(widths: &[usize], leaky: bool) -> Squares {
        let shape = Shape::new(widths.to_vec(), true);
        Squares { weights: shape.initial(5), shape, leaky }
    }

    /// S2: bit-identical alone, in any batch, in any order.
    #[test]
    fn a_patients_vector_has_the_same_bits_beside_any_neighbours() {
        for widths in [&[4, 8, 1][..], &[13, 32, 3], &[1, 1], &[70, 64, 64, 2]] {
            let loss = squares(widths, false);
            let width = loss.width();
            let mut random = SplitMix64::new(6);
            let patients: Vec<f32> = (0..75 * width).map(|_| random.symmetric() as f32).collect();
            let vectors = |packing: Packing, patients: &[f32]| {
                let mut vectors: Vec<Vec<u64>> = Vec::new();
                assert!(packing.each(&loss, patients, 0, |gradient| {
                    vectors.push(gradient.iter().map(|value| value.to_bits()).collect());
                }));
                vectors
            };
            let together = vectors(Packing::Chunks, &patients);
            assert_eq!(together, vectors(Packing::Alone, &patients));
            let reversed: Vec<f32> = patients.chunks(width).rev().flatten().copied().collect();
            let mut reordered = vectors(Packing::Chunks, &reversed);
            reordered.reverse();
            assert_eq!(together, reordered);
            assert_eq!(Packing::probe(&loss), Packing::Chunks, "{widths:?}");
        }
    }

    struct Counted(Squares, std::cell::Cell<usize>);

    impl PatientLoss for Counted {
        fn width(&self) -> usize {
            self.0.width()
        }

        fn gradients(&self, chunk: &[f32]) -> Option<PatientGradients> {
            self.1.set(self.1.get() + 1);
            self.0.gradients(chunk)
        }
    }

    /// S5: with a public capacity, the work does not tell how many patients there are, and what is
    /// added beside them is zero.
    #[test]
    fn the_work_is_as_much_for_any_number_of_patients_up_to_the_capacity() {
        let loss = Counted(squares(&[4, 8, 1], false), std::cell::Cell::new(0));
        for (packing, passes) in [(Packing::Chunks, 2), (Packing::Alone, 70)] {
            for patients in [0, 1, 31, 33, 70] {
                loss.1.set(0);
                let (mut taken, mut not_zero) = (0, 0);
                assert!(packing.each(&loss, &vec![0.5; patients * 4], 70, |gradient| {
                    taken += 1;
                    not_zero += usize::from(gradient.iter().any(|value| *value != 0.0));
                }));
                assert_eq!((loss.1.get(), taken, not_zero), (passes, 70, patients));
            }
        }
        // More than the capacity are computed all the same.
        loss.1.set(0);
        assert!(Packing::Chunks.each(&loss, &vec![0.5; 129 * 4], 70, |_| {}));
        assert_eq!(loss.1.get(), 3);
    }

    /// S2: a probe that sees nothing proves nothing.
    #[test]
    fn a_gradient_of_zeros_or_of_no_numbers_lets_nobody_go_together() {
        for weight in [0.0, 1e300] {
            let mut loss = squares(&[4, 8, 1], false);
            loss.weights.iter_mut().for_each(|own| *own = weight);
            assert_eq!(Packing::probe(&loss), Packing::Alone, "{weight}");
        }
    }

    /// S2: where neighbours do show, patients go alone.
    #[test]
    fn a_kernel_that_mixes_rows_is_found_and_each_patient_goes_alone() {
        let loss = squares(&[4, 8, 1], true);
        assert_eq!(Packing::probe(&loss), Packing::Alone);
    }
}
