//! Virtual patients from noisy tables: the algorithm on plain sizes, without columns' names.
//!
//! What a generator learns, it learns from tables of counts that many hospitals summed, each with
//! Gaussian noise of a known size. From them on everything is post-processing: [`resolution`] merges
//! neighbouring levels until a cell holds more patients than noise, [`choice`] picks what the model
//! can hold, [`inference`] fits a graphical model on a junction tree ([`junction`]), [`sampling`]
//! draws rows from it.
//!
//! The method is Private-PGM (McKenna, Sheldon and Miklau, ICML 2019; McKenna, Miklau and Sheldon,
//! *J. Privacy and Confidentiality* 2021;11(3)) with the selection of MST and AIM (McKenna et al.,
//! *PVLDB* 2022;15:2599) in a form for sums: see `rounds`. Patients enter as *residuals* of tables
//! ([`ask`]), the optimal way to ask for many tables at once under Gaussian noise (Xiao et al.,
//! ResidualPlanner, NeurIPS 2023).
//!
//! All of it is plain scalar f64 with `libm`, in a fixed order: the same sums give the same bits on
//! every machine (rule X3).

use std::fmt;

use serde::{Deserialize, Serialize};

pub mod ask;
pub(crate) mod build;
pub mod choice;
mod contrasts;
pub mod graph;
pub mod inference;
pub mod junction;
pub mod resolution;
pub mod sampling;
pub mod scores;
mod smoothing;
mod table;
#[cfg(test)]
mod tests;

/// Attributes that a model may have.
pub const MOST_ATTRIBUTES: usize = 128;
/// Levels of one attribute.
pub const MOST_LEVELS: usize = 1024;

/// One attribute of the joint domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// Number of levels, a level for a missing value included.
    pub levels: usize,
    /// Which levels may be merged.
    pub order: Order,
}

/// Which levels of an attribute may stand together in a coarse group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Any: rare levels are merged.
    Nominal,
    /// Only neighbours of one chain. Every level is in exactly one chain; the bins of a number are a
    /// chain, a level for a missing value is one of its own, and so are the times of each event.
    Chains(Vec<Vec<u16>>),
}

/// Two levels, each as (attribute, level), that never occur together: a structural zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Impossible {
    /// One of the two.
    pub left: (usize, u16),
    /// The other, of another attribute.
    pub right: (usize, u16),
}

/// Why a generator could not be built or used. Attributes are numbers in the caller's order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Too few or too many attributes.
    Attributes {
        /// Their number.
        got: usize,
    },
    /// An attribute with fewer than two levels, or too many.
    Levels {
        /// The attribute.
        attribute: usize,
        /// Its levels.
        got: usize,
    },
    /// Chains that do not hold every level exactly once.
    Chains {
        /// The attribute.
        attribute: usize,
    },
    /// An impossible pair within one attribute, or of a level that does not exist.
    Impossible {
        /// Number of the pair.
        pair: usize,
    },
    /// A parameter of the method.
    Method {
        /// What is wrong and what is possible.
        reason: String,
    },
    /// Tables of these attributes have more cells than a limit.
    TooLarge {
        /// The attributes.
        attributes: Vec<usize>,
        /// The limit.
        limit: usize,
        /// Which limit.
        what: &'static str,
    },
    /// An attribute that does not exist, or stands twice.
    NoAttribute {
        /// The number asked for.
        attribute: usize,
    },
    /// Sums of another length than asked for.
    Length {
        /// Numbers asked for.
        expected: usize,
        /// Numbers given.
        got: usize,
    },
    /// A noisy answer where the run is exact, or the other way round, or a scale that is none.
    Noise {
        /// What is wrong.
        reason: &'static str,
    },
    /// Too few patients for anything to be told from the noise.
    TooFew {
        /// The noisy number of patients, rounded; 0 where noise makes it negative.
        patients: u64,
        /// The least number that would do.
        least: u64,
    },
    /// Patients have two levels together that are said never to occur so.
    Contradicted {
        /// One level, as (attribute, level).
        left: (usize, u16),
        /// The other.
        right: (usize, u16),
    },
    /// No patient of the model meets the condition.
    NoSupport {
        /// The attributes that the condition is about.
        attributes: Vec<usize>,
    },
    /// A stored model or question that cannot be one of this program.
    Malformed {
        /// What is wrong.
        reason: &'static str,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attributes { got } => {
                write!(f, "{got} attributes; a generator takes 1 to {MOST_ATTRIBUTES}")
            }
            Self::Levels { attribute, got } => write!(
                f,
                "attribute {attribute} has {got} levels; give 2 to {MOST_LEVELS}, or leave it out"
            ),
            Self::Chains { attribute } => {
                write!(f, "the chains of attribute {attribute} must hold each level exactly once")
            }
            Self::Impossible { pair } => {
                write!(f, "impossible pair {pair} must name levels of two different attributes")
            }
            Self::Method { reason } => f.write_str(reason),
            Self::TooLarge { attributes, limit, what } => write!(
                f,
                "{what} of attributes {attributes:?} is over the limit of {limit} cells; use fewer \
                 levels or attributes, or raise the limit"
            ),
            Self::NoAttribute { attribute } => {
                write!(f, "attribute {attribute} does not exist, or is named twice")
            }
            Self::Length { expected, got } => {
                write!(f, "{got} sums where the question asks for {expected}")
            }
            Self::Noise { reason } => write!(f, "noise: {reason}"),
            Self::TooFew { patients, least } => write!(
                f,
                "about {patients} patients, and a generator takes at least {least} here: fewer are \
                 not told from noise; take more hospitals, a wider cohort or a larger epsilon"
            ),
            Self::Contradicted { left, right } => write!(
                f,
                "patients have level {} of attribute {} together with level {} of attribute {}, an \
                 impossible pair",
                left.1, left.0, right.1, right.0
            ),
            Self::NoSupport { attributes } => write!(
                f,
                "no patient of the model meets the condition on attributes {attributes:?}; loosen it"
            ),
            Self::Malformed { reason } => write!(f, "malformed: {reason}"),
        }
    }
}

impl std::error::Error for Error {}

/// Refuses attributes and impossible pairs that no model can have.
///
/// # Errors
/// Naming the first that cannot be used.
pub fn check(attributes: &[Attribute], impossible: &[Impossible]) -> Result<(), Error> {
    if !(1..=MOST_ATTRIBUTES).contains(&attributes.len()) {
        return Err(Error::Attributes { got: attributes.len() });
    }
    for (attribute, described) in attributes.iter().enumerate() {
        if !(2..=MOST_LEVELS).contains(&described.levels) {
            return Err(Error::Levels { attribute, got: described.levels });
        }
        if let Order::Chains(chains) = &described.order {
            let mut seen = vec![false; described.levels];
            let fresh = chains.iter().flatten().all(|&level| {
                seen.get_mut(usize::from(level)).is_some_and(|seen| !std::mem::replace(seen, true))
            });
            let filled = chains.iter().all(|chain| !chain.is_empty());
            if !fresh || !filled || seen.contains(&false) {
                return Err(Error::Chains { attribute });
            }
        }
    }
    let exists = |(attribute, level): (usize, u16)| {
        attributes.get(attribute).is_some_and(|a| usize::from(level) < a.levels)
    };
    for (pair, zero) in impossible.iter().enumerate() {
        if zero.left.0 == zero.right.0 || !exists(zero.left) || !exists(zero.right) {
            return Err(Error::Impossible { pair });
        }
    }
    Ok(())
}
