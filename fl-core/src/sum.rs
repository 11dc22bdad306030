//! The secure sum as a task sees it, and a plain one for simulation.
//!
//! [`SecureSum`] is implemented outside this crate by the node rounds and by masked aggregation.
//! [`PlainSum`] adds in the clear, in one process: for tests and for comparisons that say so.

use haima_dp::gauss::DiscreteGaussian;
use haima_dp::noise::{NoiseRng, NoiseScale, noise_stream};
use haima_dp::sampler::PoissonSampler;
use haima_dp::units::Rate;
use rand_core::CryptoRng;

use crate::cohort::Cohort;
use crate::error::Error;
use crate::task::{Block, Query, Run, Site, SiteState};

/// The released sum of all accepted contributions: integers on the query's grids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    blocks: Vec<Block>,
    integers: Vec<i128>,
    sites: u32,
    noise: Option<Draws>,
}

/// The noise in every integer of a sum: so many draws of a discrete Gaussian. Public, by the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draws {
    /// Scale of each, in grid steps.
    pub s: u64,
    /// Their number: of all nodes, or of all sites in the sum.
    pub count: u32,
}

impl Sum {
    /// Joins the integers with the layout of the query they answer.
    ///
    /// # Errors
    /// When their number is not the query's dimension.
    pub fn new(query: &Query, integers: Vec<i128>, sites: u32) -> Result<Self, Error> {
        if integers.len() != query.dimension() {
            return Err(Error::SumLength { expected: query.dimension(), got: integers.len() });
        }
        Ok(Self { blocks: query.blocks.clone(), integers, sites, noise: None })
    }

    /// The same sum, with the noise that is in it.
    #[must_use]
    pub fn noised(self, noise: Draws) -> Self {
        Self { noise: Some(noise), ..self }
    }

    /// Standard deviation of the noise in every integer, in grid steps; `None` where there is none.
    /// The same bits on every machine (rule X3): a square root is rounded as IEEE 754 has it.
    #[must_use]
    pub fn noise(&self) -> Option<f64> {
        self.noise.map(|noise| noise.s as f64 * f64::from(noise.count).sqrt())
    }

    /// All integers, blocks in order.
    #[must_use]
    pub fn integers(&self) -> &[i128] {
        &self.integers
    }

    /// Number of accepted sites (public).
    #[must_use]
    pub fn sites(&self) -> u32 {
        self.sites
    }

    /// The values of a block, decoded by its grid; empty when the query has no such block.
    #[must_use]
    pub fn block(&self, name: &str) -> Vec<f64> {
        let mut start = 0;
        for block in &self.blocks {
            let end = start + block.len as usize;
            if block.name == name {
                let step = 2f64.powi(-i32::from(block.frac_bits));
                // Dividing an i128 by a power of two rounds once, the same on every machine.
                return self.integers[start..end].iter().map(|&z| z as f64 * step).collect();
            }
            start = end;
        }
        Vec::new()
    }
}

/// Whoever can answer a query with the sum of all sites' contributions.
pub trait SecureSum {
    /// Why a sum could not be had.
    type Error: std::error::Error + From<Error>;

    /// One round: the sum over the accepted sites for the run's current query.
    ///
    /// # Errors
    /// When no sum can be released.
    fn sum(&mut self, query: &Query) -> Result<Sum, Self::Error>;
}

/// Runs a task to its end over a secure sum.
///
/// # Errors
/// Those of the sum and of [`crate::task::Task::absorb`].
pub fn drive<S: SecureSum>(run: &mut dyn Run, sums: &mut S) -> Result<serde_json::Value, S::Error> {
    loop {
        let query = run.query().ok_or(Error::RunOver)?;
        let sum = sums.sum(&query)?;
        if let Some(output) = run.absorb(&sum)? {
            return Ok(output);
        }
    }
}

/// The patients of one sum, drawn at the query's rate; `None` where all take part.
fn sample(
    query: &Query,
    cohort: &Cohort,
    max_patients: u64,
    rng: &mut dyn CryptoRng,
) -> Result<Option<Cohort>, Error> {
    let rate = Rate::new(query.rate)?;
    if rate == Rate::ALL {
        return Ok(None);
    }
    let batch = PoissonSampler::new(rate, rng).draw(cohort.len(), max_patients);
    Ok(Some(cohort.select(|patient| batch.takes(patient))))
}

/// Adds the contributions of cohorts held in this very process: *no privacy at all*, for tests
/// and simulations. Each site replays the task for itself, as a real site does.
pub struct PlainSum<'a> {
    sites: Vec<PlainSite<'a>>,
    rng: Box<dyn CryptoRng>,
    noise: Option<SimulatedNoise>,
}

/// The noise that nodes would add, from a public seed: for figures that can be made again, and
/// protecting nobody.
struct SimulatedNoise {
    scale: u64,
    gauss: DiscreteGaussian,
    generator: NoiseRng,
    nodes: u32,
}

struct PlainSite<'a> {
    cohort: &'a Cohort,
    run: Box<dyn Run>,
    state: SiteState,
    max_patients: u64,
    min_local_rows: u64,
}

impl<'a> PlainSum<'a> {
    /// A plain sum over cohorts; `open` makes each site its own run of the task.
    ///
    /// # Errors
    /// That of `open`.
    pub fn new(
        cohorts: &'a [Cohort],
        max_patients: u64,
        min_local_rows: u64,
        rng: impl CryptoRng + 'static,
        mut open: impl FnMut() -> Result<Box<dyn Run>, Error>,
    ) -> Result<Self, Error> {
        let sites = cohorts
            .iter()
            .map(|cohort| {
                let (run, state) = (open()?, SiteState::default());
                Ok(PlainSite { cohort, run, state, max_patients, min_local_rows })
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self { sites, rng: Box::new(rng), noise: None })
    }

    /// Adds to every sum what so many nodes would, each with scale `scale` in grid steps, from a
    /// public seed: *no privacy*, the same bits every time.
    #[must_use]
    pub fn with_simulated_noise(mut self, scale: NoiseScale, nodes: u32, seed: [u8; 32]) -> Self {
        let (gauss, generator) = (scale.sampler(), noise_stream(&seed));
        self.noise = Some(SimulatedNoise { scale: scale.get(), gauss, generator, nodes });
        self
    }

    /// What each site keeps between rounds, in the order of the cohorts.
    pub fn kept(&self) -> impl Iterator<Item = &SiteState> {
        self.sites.iter().map(|site| &site.state)
    }

    /// Goes on where a simulation stopped: all sites at the run's saved state, each with what it
    /// kept. False when they are none of this task's, or of another number of sites.
    #[must_use]
    pub fn restore(&mut self, saved: &serde_json::Value, kept: Vec<SiteState>) -> bool {
        if kept.len() != self.sites.len() {
            return false;
        }
        self.sites.iter_mut().zip(kept).all(|(site, kept)| {
            site.state = kept;
            site.run.restore(saved)
        })
    }
}

impl SecureSum for PlainSum<'_> {
    type Error = Error;

    fn sum(&mut self, query: &Query) -> Result<Sum, Error> {
        let mut total = vec![0i128; query.dimension()];
        // As a site does: no floor under noise (rule S2).
        let noised = self.noise.is_some();
        for site in &mut self.sites {
            if site.run.query().as_ref() != Some(query) {
                return Err(Error::NotTheReplayedQuery { task: query.task.clone() });
            }
            let sample = sample(query, site.cohort, site.max_patients, &mut *self.rng)?;
            let view = Site {
                cohort: sample.as_ref().unwrap_or(site.cohort),
                capacity: 0,
                max_patients: site.max_patients,
                min_local_rows: if noised { 0 } else { site.min_local_rows },
            };
            let answer = site.run.contribute(&view, &mut site.state, &mut *self.rng)?;
            for (sum, value) in total.iter_mut().zip(answer.values.iter()) {
                *sum += i128::from(*value);
            }
        }
        if let Some(noise) = &mut self.noise {
            for value in &mut total {
                for _ in 0..noise.nodes {
                    *value += i128::from(noise.gauss.sample(&mut noise.generator));
                }
            }
        }
        let sites = u32::try_from(self.sites.len()).unwrap_or(u32::MAX);
        let sum = Sum::new(query, total, sites)?;
        let sum = match &self.noise {
            Some(noise) => sum.noised(Draws { s: noise.scale, count: noise.nodes }),
            None => sum,
        };
        for site in &mut self.sites {
            site.run.absorb(&sum)?;
        }
        Ok(sum)
    }
}
