//! Branches for kinds of data of which a patient may lack some, and a trunk that joins what they
//! found.
//!
//! Intermediate fusion (Baltrusaitis, Ahuja and Morency, IEEE TPAMI 2019;41:423, section 6): each
//! branch makes features, h_b = tanh(body_b(x_b)); the trunk reads (m_1 h_1, ..., m_B h_B, m_1, ...,
//! m_B), m_b being whether the patient has branch b. What an absent branch would say is multiplied by
//! 0, so neither features nor gradients come of it, and the trunk, which sees the m_b, learns what to
//! conclude without it.
//!
//! Inputs are those of [`crate::learn::inputs::Inputs::with_branches`]: the terms of all branches,
//! then the flags m_b.

use burn::tensor::Tensor;

use super::{Body, Network, renamed};
use crate::learn::model::Layer;
use crate::nn::ghost::Tape;
use crate::nn::mix;

/// A branch: its name, its inputs, and its body before tanh.
pub struct Branch {
    /// Name, as the manifest gives it.
    pub name: String,
    /// Number of inputs.
    pub inputs: usize,
    /// Number of features.
    pub features: usize,
    /// From inputs to features.
    pub body: Box<dyn Body>,
}

/// The joined network.
pub struct Fusion {
    branches: Vec<Branch>,
    trunk: Box<dyn Body>,
}

impl Fusion {
    /// A network of branches, in the order of their inputs, and a trunk of
    /// [`Fusion::trunk_inputs`] inputs.
    #[must_use]
    pub fn new(branches: Vec<Branch>, trunk: Box<dyn Body>) -> Self {
        Self { branches, trunk }
    }

    /// What the trunk of such branches reads: their features and their flags.
    #[must_use]
    pub fn trunk_inputs(branches: &[Branch]) -> usize {
        branches.iter().map(|branch| branch.features + 1).sum()
    }

    /// Weights of each branch and of the trunk.
    fn split<'w>(&self, weights: &'w [f64]) -> Option<(Vec<&'w [f64]>, &'w [f64])> {
        let mut rest = weights;
        let mut own = Vec::with_capacity(self.branches.len());
        for branch in &self.branches {
            let (part, tail) = rest.split_at_checked(branch.body.parameters())?;
            own.push(part);
            rest = tail;
        }
        (rest.len() == self.trunk.parameters()).then_some((own, rest))
    }
}

impl Body for Fusion {
    fn layers(&self) -> Vec<Layer> {
        let mut layers = Vec::new();
        for branch in &self.branches {
            layers.extend(renamed(branch.body.as_ref(), &format!("branch.{}", branch.name), false));
        }
        layers.extend(renamed(self.trunk.as_ref(), "trunk", true));
        layers
    }

    fn initial(&self, seed: u64) -> Vec<f64> {
        let branches = self.branches.iter().map(|branch| branch.body.as_ref());
        let parts = branches.chain([self.trunk.as_ref()]);
        (1u64..).zip(parts).flat_map(|(i, body)| body.initial(mix(seed ^ (i << 32)))).collect()
    }

    fn network(&self, weights: &[f64]) -> Option<Box<dyn Network>> {
        let (own, trunk) = self.split(weights)?;
        let branches = self.branches.iter().zip(own).map(|(branch, own)| {
            Some(BranchNetwork { network: branch.body.network(own)?, inputs: branch.inputs })
        });
        Some(Box::new(FusionNetwork {
            branches: branches.collect::<Option<Vec<_>>>()?,
            trunk: self.trunk.network(trunk)?,
        }))
    }

    fn evaluate(&self, weights: &[f64], inputs: &[f64]) -> Option<Vec<f64>> {
        let (own, trunk) = self.split(weights)?;
        let terms: usize = self.branches.iter().map(|branch| branch.inputs).sum();
        let (mut rest, flags) = inputs.split_at_checked(terms)?;
        if flags.len() != self.branches.len() {
            return None;
        }
        let mut joined = Vec::with_capacity(Self::trunk_inputs(&self.branches));
        for ((branch, own), present) in self.branches.iter().zip(own).zip(flags) {
            let (x, tail) = rest.split_at_checked(branch.inputs)?;
            rest = tail;
            joined.extend(branch.body.evaluate(own, x)?.iter().map(|h| present * libm::tanh(*h)));
        }
        joined.extend(flags);
        self.trunk.evaluate(trunk, &joined)
    }
}

struct BranchNetwork {
    network: Box<dyn Network>,
    inputs: usize,
}

struct FusionNetwork {
    branches: Vec<BranchNetwork>,
    trunk: Box<dyn Network>,
}

impl Network for FusionNetwork {
    fn forward(&self, inputs: Tensor<2>, tape: &mut Tape) -> Tensor<2> {
        let terms: usize = self.branches.iter().map(|branch| branch.inputs).sum();
        let flags = inputs.clone().narrow(1, terms, self.branches.len());
        let mut joined = Vec::with_capacity(self.branches.len() + 1);
        let mut from = 0;
        for (b, branch) in self.branches.iter().enumerate() {
            let x = inputs.clone().narrow(1, from, branch.inputs);
            from += branch.inputs;
            let features = branch.network.forward(x, tape).tanh();
            joined.push(features * flags.clone().narrow(1, b, 1));
        }
        joined.push(flags);
        self.trunk.forward(Tensor::cat(joined, 1), tape)
    }
}
