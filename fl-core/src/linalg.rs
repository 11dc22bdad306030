//! Cholesky factorisation and eigenvalues of a small symmetric matrix, scalar and in one fixed
//! order.
//!
//! Newton steps decide the next public iterate, which every site replays bit for bit (rule X3).
//! A library that picks SIMD kernels by the machine it runs on (faer, LAPACK) adds in another
//! order on another machine and so gives another last bit; at p below 100 there is nothing to win
//! from it either. Algorithm: Golub and Van Loan, *Matrix Computations*, section 4.2.

pub mod eigen;

/// A symmetric matrix, stored as its upper triangle row by row:
/// `(0,0) (0,1) .. (0,p-1) (1,1) ..`.
#[derive(Clone, Debug, PartialEq)]
pub struct Symmetric {
    size: usize,
    upper: Vec<f64>,
}

/// The matrix is not positive definite: column `pivot` depends on those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPositiveDefinite {
    /// Index of the first column that adds nothing.
    pub pivot: usize,
}

/// Numbers in the upper triangle of a `size` x `size` matrix.
#[must_use]
pub fn triangle(size: usize) -> usize {
    size * (size + 1) / 2
}

impl Symmetric {
    /// From an upper triangle; `None` when its length is not [`triangle`]`(size)`.
    #[must_use]
    pub fn new(size: usize, upper: Vec<f64>) -> Option<Self> {
        (upper.len() == triangle(size)).then_some(Self { size, upper })
    }

    /// The diagonal matrix of these elements.
    #[must_use]
    pub fn diagonal(elements: &[f64]) -> Self {
        let size = elements.len();
        let row = |(j, x): (usize, &f64)| {
            std::iter::once(*x).chain(std::iter::repeat_n(0.0, size - 1 - j))
        };
        Self { size, upper: elements.iter().enumerate().flat_map(row).collect() }
    }

    /// Rows.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Element (j, k); 0 outside.
    #[must_use]
    pub fn get(&self, j: usize, k: usize) -> f64 {
        let (low, high) = if j <= k { (j, k) } else { (k, j) };
        if high >= self.size {
            return 0.0;
        }
        // Rows before `low` hold size, size - 1, ... elements.
        let start = low * self.size - low * low.saturating_sub(1) / 2;
        self.upper.get(start + high - low).copied().unwrap_or(0.0)
    }

    /// The matrix with these added to its diagonal; missing ones count as 0.
    #[must_use]
    pub fn plus_diagonal(&self, addends: &[f64]) -> Self {
        let mut sum = self.clone();
        let mut place = 0;
        for (j, addend) in addends.iter().take(self.size).enumerate() {
            sum.upper[place] += addend;
            place += self.size - j;
        }
        sum
    }

    /// The matrix times a number.
    #[must_use]
    pub fn times(&self, factor: f64) -> Self {
        let upper = self.upper.iter().map(|element| element * factor).collect();
        Self { size: self.size, upper }
    }

    /// Factorises; a pivot below `tolerance` times its diagonal element counts as zero.
    ///
    /// # Errors
    /// With the first column that depends on those before it (or is not a number).
    pub fn cholesky(&self, tolerance: f64) -> Result<Cholesky, NotPositiveDefinite> {
        let p = self.size;
        let mut lower = vec![vec![0.0; p]; p];
        for j in 0..p {
            let mut pivot = self.get(j, j);
            for k in 0..j {
                pivot -= lower[j][k] * lower[j][k];
            }
            let floor = tolerance * self.get(j, j);
            // Written so that NaN fails too.
            let proper = pivot > floor && pivot > 0.0 && pivot.is_finite();
            if !proper {
                return Err(NotPositiveDefinite { pivot: j });
            }
            let root = pivot.sqrt();
            lower[j][j] = root;
            for i in j + 1..p {
                let mut element = self.get(i, j);
                for k in 0..j {
                    element -= lower[i][k] * lower[j][k];
                }
                lower[i][j] = element / root;
            }
        }
        Ok(Cholesky { lower })
    }
}

/// A lower triangular factor L with L L' = A.
#[derive(Clone, Debug, PartialEq)]
pub struct Cholesky {
    lower: Vec<Vec<f64>>,
}

impl Cholesky {
    /// Solves A x = b; missing elements of `b` count as 0.
    #[must_use]
    pub fn solve(&self, b: &[f64]) -> Vec<f64> {
        let p = self.lower.len();
        let mut x: Vec<f64> = b.iter().copied().chain(std::iter::repeat(0.0)).take(p).collect();
        for j in 0..p {
            for k in 0..j {
                x[j] -= self.lower[j][k] * x[k];
            }
            x[j] /= self.lower[j][j];
        }
        for j in (0..p).rev() {
            for k in j + 1..p {
                x[j] -= self.lower[k][j] * x[k];
            }
            x[j] /= self.lower[j][j];
        }
        x
    }

    /// The logarithm of the determinant of A.
    #[must_use]
    pub fn log_determinant(&self) -> f64 {
        self.lower.iter().enumerate().map(|(j, row)| 2.0 * libm::log(row[j])).sum()
    }

    /// The inverse of A, column by column.
    #[must_use]
    pub fn inverse(&self) -> Vec<Vec<f64>> {
        let p = self.lower.len();
        (0..p)
            .map(|j| {
                let unit: Vec<f64> = (0..p).map(|k| f64::from(u8::from(j == k))).collect();
                self.solve(&unit)
            })
            .collect()
    }
}

/// The diagonal of the sandwich `A^-1 M A^-1`, the inverse given row by row; `None` when the sizes
/// differ. (Huber 1967; White 1982.)
#[must_use]
pub fn sandwich(inverse: &[Vec<f64>], meat: &Symmetric) -> Option<Vec<f64>> {
    if meat.size() != inverse.len() {
        return None;
    }
    let of = |row: &Vec<f64>| {
        let mut sum = 0.0;
        for (j, a) in row.iter().enumerate() {
            for (k, b) in row.iter().enumerate() {
                sum += a * meat.get(j, k) * b;
            }
        }
        sum
    };
    Some(inverse.iter().map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Symmetric {
        Symmetric::new(3, vec![4.0, 2.0, -2.0, 10.0, 2.0, 6.0]).unwrap()
    }

    #[test]
    fn elements_are_found_in_either_triangle() {
        let a = three();
        assert_eq!([a.get(0, 2), a.get(2, 0), a.get(1, 2), a.get(2, 2)], [-2.0, -2.0, 2.0, 6.0]);
        assert_eq!(a.get(0, 3), 0.0);
        let diagonal = Symmetric::new(3, vec![2.0, 0.0, 0.0, 3.0, 0.0, 5.0]).unwrap();
        assert_eq!(Symmetric::diagonal(&[2.0, 3.0, 5.0]), diagonal);
        let determinant = diagonal.cholesky(0.0).unwrap().log_determinant();
        assert!((determinant - 30f64.ln()).abs() < 1e-14);
        assert!(Symmetric::new(3, vec![1.0; 5]).is_none());
    }

    #[test]
    fn a_diagonal_is_added_to_the_diagonal_alone() {
        let sum = three().plus_diagonal(&[1.0, 0.5, 0.25]);
        assert_eq!([sum.get(0, 0), sum.get(1, 1), sum.get(2, 2)], [5.0, 10.5, 6.25]);
        assert_eq!([sum.get(0, 1), sum.get(0, 2), sum.get(1, 2)], [2.0, -2.0, 2.0]);
        assert_eq!(three().plus_diagonal(&[]), three());
        assert_eq!(three().times(-0.5).get(2, 1), -1.0);
    }

    #[test]
    fn a_matrix_times_its_solution_and_its_inverse_gives_back_the_right_side() {
        let a = three();
        let factor = a.cholesky(0.0).unwrap();
        let x = factor.solve(&[1.0, -2.0, 5.0]);
        let inverse = factor.inverse();
        for (j, b) in [1.0, -2.0, 5.0].into_iter().enumerate() {
            let product: f64 = (0..3).map(|k| a.get(j, k) * x[k]).sum();
            assert!((product - b).abs() < 1e-12);
            for l in 0..3 {
                let unit: f64 = (0..3).map(|k| a.get(j, k) * inverse[l][k]).sum();
                assert!((unit - f64::from(u8::from(j == l))).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn the_first_dependent_column_is_named() {
        // The third column is the sum of the first two.
        let a = Symmetric::new(3, vec![2.0, 0.0, 2.0, 3.0, 3.0, 5.0]).unwrap();
        assert_eq!(a.cholesky(1e-9), Err(NotPositiveDefinite { pivot: 2 }));
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let a = Symmetric::new(2, vec![1.0, 0.0, bad]).unwrap();
            assert_eq!(a.cholesky(1e-9), Err(NotPositiveDefinite { pivot: 1 }), "{bad}");
        }
    }
}
