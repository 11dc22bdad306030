//! A figure as it is printed: ours, and theirs beside it.

use serde_json::Value;

use crate::Error;

/// A figure with its yardstick.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// Ours as text.
    pub ours: String,
    /// Theirs as text; empty where the figure is a comparison already.
    pub theirs: String,
}

impl Figure {
    /// A number to so many decimals.
    pub fn number(name: impl Into<String>, ours: f64, theirs: f64, digits: usize) -> Self {
        let text = |value: f64| format!("{value:.digits$}");
        Self { name: name.into(), ours: text(ours), theirs: text(theirs) }
    }

    /// An estimate with its interval, `[estimate, low, high]`.
    pub fn interval(
        name: impl Into<String>,
        ours: [f64; 3],
        theirs: [f64; 3],
        digits: usize,
    ) -> Self {
        let text = |[estimate, low, high]: [f64; 3]| {
            format!("{estimate:.digits$} ({low:.digits$} to {high:.digits$})")
        };
        Self { name: name.into(), ours: text(ours), theirs: text(theirs) }
    }

    /// The largest difference between ours and theirs, rounded up to a power of ten, at least 1e-9:
    /// below that, where Newton's steps end and the last bits of a machine's arithmetic speak.
    ///
    /// # Errors
    /// When their numbers differ, so that nothing can be compared.
    pub fn difference(name: &str, ours: &[f64], theirs: &[f64]) -> Result<Self, Error> {
        let fault = |problem: String| Error::Config { file: name.to_owned(), problem };
        if ours.len() != theirs.len() || ours.is_empty() {
            return Err(fault(format!("{} numbers beside {}", ours.len(), theirs.len())));
        }
        let pairs = ours.iter().zip(theirs).filter(|(a, b)| !(a.is_nan() && b.is_nan()));
        let worst = pairs
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, |worst: f64, one| if one.is_nan() { f64::INFINITY } else { worst.max(one) });
        if !worst.is_finite() {
            return Err(fault("a number where the other has none".into()));
        }
        let power = (worst.max(1e-9).log10() - 1e-9).ceil();
        let ours = format!("within 1e{power}");
        Ok(Self { name: name.to_owned(), ours, theirs: String::new() })
    }
}

/// Numbers of a JSON array; `null` is NaN.
pub(super) fn numbers(value: &Value) -> Vec<f64> {
    let items = value.as_array().into_iter().flatten();
    items.map(|item| item.as_f64().unwrap_or(f64::NAN)).collect()
}

/// A number by its path, NaN where there is none.
pub(super) fn number(value: &Value, pointer: &str) -> f64 {
    value.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_rounded_up_and_never_hidden() {
        let within = |ours: &[f64], theirs: &[f64]| Figure::difference("x", ours, theirs);
        assert_eq!(within(&[1.0, 2.0], &[1.0, 2.0 + 3e-7]).unwrap().ours, "within 1e-6");
        assert_eq!(within(&[1.0], &[1.0]).unwrap().ours, "within 1e-9");
        assert!(within(&[1.0], &[1.0, 2.0]).is_err(), "of another length");
        assert!(within(&[1.0], &[f64::NAN]).is_err(), "missing at one");
        assert_eq!(within(&[1.0, f64::NAN], &[1.0, f64::NAN]).unwrap().ours, "within 1e-9");
    }
}
