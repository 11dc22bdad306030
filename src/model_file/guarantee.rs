//! What the committed plan of a training promises, in the words of a card.

use haima_smpc_node::plan::TaskPlan;

use super::{Guarantee, Noise};
use crate::Error;

/// Whom the noise is hidden from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coalition {
    /// All nodes but one, and whoever joins them.
    Nodes,
    /// The coordinator with so many hospitals; `None` where their number is not known.
    Masked(Option<u32>),
}

/// What a promise depends on beside the plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Whom it holds against.
    pub(crate) coalition: Coalition,
    /// It hides a whole hospital's update, not a patient.
    pub(crate) hides_hospital: bool,
    /// Hospitals at which one patient may be (rule S1).
    pub(crate) hospitals_per_patient: u32,
    /// The noise is that of a simulation.
    pub(crate) simulated: bool,
    /// In words.
    pub(crate) note: &'static str,
}

impl Coalition {
    fn in_words(self) -> String {
        match self {
            Self::Nodes => {
                "all nodes but one together with the coordinator, the other hospitals and \
                            all who read the sums"
                    .to_owned()
            }
            Self::Masked(corrupt) => {
                let hospitals = match corrupt {
                    Some(corrupt) => format!("up to {corrupt}"),
                    None => "as many as the terms of masked mode allow".to_owned(),
                };
                format!(
                    "the coordinator with {hospitals} other hospitals, and all who read the sums"
                )
            }
        }
    }
}

impl Guarantee {
    /// A training without noise.
    pub(crate) fn exact() -> Self {
        Self::Exact { note: "exact: no differential privacy".into() }
    }

    /// A training whose noise was committed: the promise of its whole plan, whatever number of its
    /// rounds ran (rules L1, L2).
    ///
    /// # Errors
    /// When a figure of the plan is out of range.
    pub(crate) fn of(plan: &TaskPlan, terms: &Terms) -> Result<Self, Error> {
        let noise = &plan.noise;
        let adjacency = match (terms.hides_hospital, terms.hospitals_per_patient) {
            (true, _) => "with and without one hospital's whole update".to_owned(),
            (false, 0 | 1) => "with and without one patient, at one hospital".to_owned(),
            (false, most) => format!("with and without one patient, at up to {most} hospitals"),
        };
        Ok(Self::Dp {
            epsilon: plan.charged()?.epsilon.get(),
            delta: noise.delta,
            unit: if terms.hides_hospital { "hospital" } else { "patient" }.into(),
            adjacency,
            adversary: terms.coalition.in_words(),
            accountant: match noise.order {
                Some(order) => format!("Renyi differential privacy of order {order}"),
                None => "zero-concentrated differential privacy".to_owned(),
            },
            noise: Noise {
                s: noise.s,
                draws: noise.draws,
                sensitivity: noise.sensitivity,
                sampling: noise.q,
                attempts: plan.attempts(),
                order: noise.order,
            },
            simulated: terms.simulated,
            note: terms.note.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use haima_smpc_node::manifest::NoisePlan;

    use super::*;

    const NODES: Terms = Terms {
        coalition: Coalition::Nodes,
        hides_hospital: false,
        hospitals_per_patient: 1,
        simulated: false,
        note: "n",
    };

    fn plan(order: Option<u32>) -> TaskPlan {
        let noise = NoisePlan {
            s: 4000,
            draws: 1,
            q: 1.0,
            sensitivity: 100,
            dimension: 3,
            delta: 1e-5,
            order,
        };
        TaskPlan { id: "net".into(), steps: 20, spare_attempts: 5, noise }
    }

    /// Adjacency, adversary and accountant.
    fn said(plan: &TaskPlan, terms: &Terms) -> [String; 3] {
        match Guarantee::of(plan, terms).unwrap() {
            Guarantee::Dp { adjacency, adversary, accountant, .. } => {
                [adjacency, adversary, accountant]
            }
            Guarantee::Exact { .. } => panic!("it has noise"),
        }
    }

    #[test]
    fn a_promise_names_its_neighbours_and_its_adversary() {
        let [neighbours, adversary, accountant] = said(&plan(None), &NODES);
        assert!(neighbours.ends_with("one patient, at one hospital"), "{neighbours}");
        assert!(adversary.starts_with("all nodes but one together with"), "{adversary}");
        assert!(accountant.starts_with("zero-concentrated"), "{accountant}");
        let masked =
            Terms { coalition: Coalition::Masked(Some(4)), hospitals_per_patient: 2, ..NODES };
        let [neighbours, adversary, accountant] = said(&plan(Some(8)), &masked);
        assert!(neighbours.ends_with("at up to 2 hospitals"), "{neighbours}");
        assert!(adversary.starts_with("the coordinator with up to 4 other"), "{adversary}");
        assert!(accountant.ends_with("of order 8"), "{accountant}");
        let [neighbours, ..] = said(&plan(None), &Terms { hides_hospital: true, ..NODES });
        assert!(neighbours.ends_with("one hospital's whole update"), "{neighbours}");
    }

    #[test]
    fn a_promise_covers_the_spare_attempts_too() {
        let of = |plan: &TaskPlan| match Guarantee::of(plan, &NODES).unwrap() {
            Guarantee::Dp { epsilon, noise, .. } => (epsilon, noise.attempts),
            Guarantee::Exact { .. } => panic!("it has noise"),
        };
        let (epsilon, attempts) = of(&plan(None));
        let (without, fewer) = of(&TaskPlan { spare_attempts: 0, ..plan(None) });
        assert_eq!((attempts, fewer), (25, 20));
        assert!(epsilon > without && without > 0.0, "{epsilon} {without}");
    }
}
