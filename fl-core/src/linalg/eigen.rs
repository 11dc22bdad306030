//! Eigenvalues of a small symmetric matrix by Jacobi's cyclic method.
//!
//! Golub and Van Loan, *Matrix Computations*, section 8.5: rotations annihilate one off-diagonal
//! element after another, row by row, until none is left above the rounding error. Plain scalar
//! arithmetic in one fixed order, so that a mixture's floored covariances, which become the next
//! public iterate, are the same on every machine (rule X3).

use super::{Symmetric, triangle};

/// Sweeps after which the rotation stops; convergence is quadratic and takes fewer than ten.
const MOST_SWEEPS: u32 = 64;
/// Two loadings count as equally large within this relative difference, so that rounding does not
/// decide a sign.
const SAME: f64 = 1e-9;

/// Eigenvalues and eigenvectors of a symmetric matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Eigen {
    /// Eigenvalues, largest first.
    pub values: Vec<f64>,
    /// The unit eigenvector of each value; its first coordinate of largest size is positive.
    pub vectors: Vec<Vec<f64>>,
}

impl Symmetric {
    /// Eigenvalues and eigenvectors; `None` when an element is not finite.
    #[must_use]
    pub fn eigen(&self) -> Option<Eigen> {
        let p = self.size;
        if !self.upper.iter().all(|value| value.is_finite()) {
            return None;
        }
        let mut a: Vec<Vec<f64>> =
            (0..p).map(|j| (0..p).map(|k| self.get(j, k)).collect()).collect();
        // Row j of `v` becomes the eigenvector of a[j][j].
        let mut v: Vec<Vec<f64>> =
            (0..p).map(|j| (0..p).map(|k| f64::from(u8::from(j == k))).collect()).collect();
        let total: f64 = a.iter().flatten().map(|x| x * x).sum();
        for _ in 0..MOST_SWEEPS {
            let off: f64 = (0..p).flat_map(|j| (0..j).map(move |k| (j, k))).fold(0.0, |sum, at| {
                let x = a[at.0][at.1];
                sum + x * x
            });
            if off <= total * (f64::EPSILON * f64::EPSILON) {
                break;
            }
            for j in 0..p {
                for k in j + 1..p {
                    rotate(&mut a, &mut v, j, k);
                }
            }
        }
        let mut order: Vec<usize> = (0..p).collect();
        order.sort_by(|&j, &k| a[k][k].total_cmp(&a[j][j]));
        Some(Eigen {
            values: order.iter().map(|&j| a[j][j]).collect(),
            vectors: order.iter().map(|&j| with_sign(&v[j])).collect(),
        })
    }
}

/// Makes element (j, k) zero by a rotation of the rows and columns j and k.
fn rotate(a: &mut [Vec<f64>], v: &mut [Vec<f64>], j: usize, k: usize) {
    if a[j][k] == 0.0 {
        return;
    }
    let theta = (a[k][k] - a[j][j]) / (2.0 * a[j][k]);
    let size = 1.0 / (theta.abs() + (theta * theta + 1.0).sqrt());
    let t = if theta < 0.0 { -size } else { size };
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    for row in a.iter_mut() {
        let (x, y) = (row[j], row[k]);
        row[j] = c * x - s * y;
        row[k] = s * x + c * y;
    }
    for matrix in [&mut *a, v] {
        for i in 0..matrix.len() {
            let (x, y) = (matrix[j][i], matrix[k][i]);
            matrix[j][i] = c * x - s * y;
            matrix[k][i] = s * x + c * y;
        }
    }
    // What rounding left of it would keep the sweeps going.
    a[j][k] = 0.0;
    a[k][j] = 0.0;
}

/// The vector, or its negative, whose first coordinate of largest size is positive.
fn with_sign(vector: &[f64]) -> Vec<f64> {
    let largest = vector.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    let leading = vector.iter().find(|x| x.abs() >= largest * (1.0 - SAME));
    let sign = if leading.is_some_and(|x| *x < 0.0) { -1.0 } else { 1.0 };
    vector.iter().map(|x| sign * x).collect()
}

impl Eigen {
    /// The matrix with these vectors and with every value raised to at least `floor`.
    #[must_use]
    pub fn floored(&self, floor: f64) -> Symmetric {
        let p = self.values.len();
        let mut upper = Vec::with_capacity(triangle(p));
        for j in 0..p {
            for k in j..p {
                let each = self.values.iter().zip(&self.vectors);
                upper.push(each.map(|(value, v)| v[j] * value.max(floor) * v[k]).sum());
            }
        }
        Symmetric { size: p, upper }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_matrix() {
        // R 4.2: eigen(matrix(c(4, 2, -2, 2, 10, 2, -2, 2, 6), 3)).
        let a = Symmetric::new(3, vec![4.0, 2.0, -2.0, 10.0, 2.0, 6.0]).unwrap();
        let eigen = a.eigen().unwrap();
        for (j, value) in eigen.values.iter().enumerate() {
            let v = &eigen.vectors[j];
            for row in 0..3 {
                let product: f64 = (0..3).map(|k| a.get(row, k) * v[k]).sum();
                assert!((product - value * v[row]).abs() < 1e-12);
            }
            for (other, w) in eigen.vectors.iter().enumerate() {
                let dot: f64 = v.iter().zip(w).map(|(x, y)| x * y).sum();
                assert!((dot - f64::from(u8::from(other == j))).abs() < 1e-12);
            }
            let largest = v.iter().copied().max_by(|x, y| x.abs().total_cmp(&y.abs()));
            assert!(largest.unwrap() > 0.0);
        }
        assert!(eigen.values.windows(2).all(|pair| pair[0] >= pair[1]));
        assert!((eigen.values.iter().sum::<f64>() - 20.0).abs() < 1e-12);
    }

    #[test]
    fn a_floor_raises_only_the_values_below_it() {
        // Eigenvalues 2 and 0.
        let a = Symmetric::new(2, vec![1.0, 1.0, 1.0]).unwrap();
        let b = a.eigen().unwrap().floored(0.5);
        for (at, expected) in [((0, 0), 1.25), ((0, 1), 0.75), ((1, 1), 1.25)] {
            assert!((b.get(at.0, at.1) - expected).abs() < 1e-14);
        }
    }

    #[test]
    fn equal_loadings_take_the_sign_of_the_first_and_bad_numbers_are_refused() {
        let eigen = Symmetric::new(2, vec![1.0, -0.5, 1.0]).unwrap().eigen().unwrap();
        assert!(eigen.vectors[0][0] > 0.0 && eigen.vectors[0][1] < 0.0);
        assert_eq!(Symmetric::new(1, vec![f64::NAN]).unwrap().eigen(), None);
        assert_eq!(Symmetric::new(0, vec![]).unwrap().eigen().unwrap().values, [0.0; 0]);
    }
}
