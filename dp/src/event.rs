//! What one release costs: the unit that a ledger is charged in.
//!
//! Rules X1 and N1. An event holds what its cost follows from, never the cost itself, so that a
//! later accountant can charge the same history by a tighter theorem.

use crate::noise::coalition_rho;
use crate::units::{Rho, Sensitivity};

/// One release of a sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A release without noise: infinite, counted apart, "without any privacy guarantee" (X1).
    Exact,
    /// Each node adds N_Z(0, s^2) to a sum of the given sensitivity (N1).
    DiscreteGaussian {
        /// The scale of one node's noise, in grid steps.
        s: u64,
        /// How far one patient moves the sum, in grid steps.
        sensitivity: Sensitivity,
    },
}

impl Event {
    /// The charge, against a coalition of all nodes but one and all other sites; `None` for a
    /// release that no figure covers.
    pub fn rho(&self) -> Option<Rho> {
        match *self {
            Self::Exact => None,
            Self::DiscreteGaussian { s, sensitivity } => Some(coalition_rho(sensitivity, s)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// X1: an exact release has no figure, not the figure zero.
    #[test]
    fn an_exact_release_has_no_figure() {
        assert_eq!(Event::Exact.rho(), None);
    }

    /// N1: the charge is the coalition's figure, not the public's.
    #[test]
    fn noise_is_charged_as_the_coalition_sees_it() {
        let sensitivity = Sensitivity::new(3).unwrap();
        let event = Event::DiscreteGaussian { s: 12, sensitivity };
        assert_eq!(event.rho(), Some(coalition_rho(sensitivity, 12)));
    }
}
