//! Sums of vectors that somebody else's framework makes, one a round.
//!
//! Beside a site runs a program that this crate knows nothing of. In each round it hands the site one
//! vector (a model update, say), and is given the released sum of all sites' vectors. The site lays the
//! vector into its state ([`offer`]) before it is asked; `docs/sum.md` has the socket by which it gets
//! there.
//!
//! # What is protected, and how little it gives
//!
//! Nobody can tell what a patient does to such a vector, so the unit of privacy is the *site*. Each
//! vector is shortened to the public norm `bound` and truncated toward zero, all of it a site's own
//! doing, proved to the nodes as any bound is. Between any two vectors of one site, or one and none
//! (which is zeros), lie at most two bounds, and D covers them (rule S2): noise hides all that a site's
//! data changed in what it sent, and so any patient among them. It is on a sum over sites: hundreds of
//! them leave something of a sum, ten leave little at any epsilon worth stating.
//!
//! Without noise nothing but the sum hides a vector, and the vector may be anything, a patient's row
//! among it: a site allows such a task apart ([`crate::registry::reveals_rows`]).
//!
//! # What a site sends when it has nothing to send
//!
//! Zeros (rule S5): where no vector came in time, or one of another length or with a value that is no
//! number. The site's own floor counts the patients of its cohort file, which is to be the one that the
//! framework works on; whether it is, this task cannot see.

use haima_dp::fixed::{ClippedSum, Grid};
use haima_dp::units::Sensitivity;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use super::layout::{self, Release, refuse};
use crate::error::Error;
use crate::sum::Sum;
use crate::task::{Block, Contribution, Next, Query, Site, SiteState, Task};

/// Name of the task.
pub const NAME: &str = "vector-sum";
/// Version of its query.
pub const VERSION: u32 = 1;
/// `schema` of its result.
pub const SCHEMA: &str = "haima.vector-sum/1";
/// Whom noise on the sums protects.
pub const UNIT: &str = "site";
/// Which two inputs noise hides from one another.
pub const ADJACENCY: &str = "one site's vector replaced by any other within the bound";

/// Where a site's state holds the vector of the round, little-endian doubles. Taken out by the task.
const OFFERED: &str = "offered vector";
const VECTOR: &str = "vector";
const ROUND_BYTES: usize = 4;
const MOST_ROUNDS: u32 = 100_000;
/// A last sum of more numbers stands in its release alone.
const MOST_SHOWN: usize = 4096;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    dimension: u32,
    bound: f64,
    rounds: u32,
    #[serde(default = "frac_bits")]
    frac_bits: u8,
    #[serde(default = "one")]
    max_patients: u64,
    #[serde(default)]
    release: Release,
}

fn frac_bits() -> u8 {
    24
}

fn one() -> u64 {
    1
}

/// The task; see the module's head.
#[derive(Clone, Debug)]
pub struct VectorSum {
    dimension: u32,
    bound: f64,
    rounds: u32,
    grid: Grid,
    /// The bound in grid steps, rounded up.
    radius: u64,
    /// What the query says of one patient, so that `max_patients` of them are the radius.
    patient_bound: u64,
    release: Release,
}

/// How a vector enters a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// As it is, to the grid.
    Whole,
    /// Shortened to the bound.
    Shortened,
    /// Not at all: the site sent zeros in its place (a value that is no number, the site's own floor,
    /// the study's caps).
    Refused,
    /// Not at all: none came in time, or the sum was made without the site's answer.
    Absent,
}

/// What a run leaves beside its releases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VectorSums {
    /// [`SCHEMA`].
    pub schema: String,
    /// Sums made.
    pub rounds: u32,
    /// Coordinates of each.
    pub dimension: u32,
    /// L2 bound on a site's vector.
    pub bound: f64,
    /// The grid step is `2^-frac_bits`.
    pub frac_bits: u8,
    /// [`UNIT`].
    pub unit: String,
    /// [`ADJACENCY`].
    pub adjacency: String,
    /// Standard deviation of the noise in each coordinate of the last sum; none without noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<f64>,
    /// The last sum, where it has no more than 4096 numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Vec<f64>>,
}

impl VectorSum {
    /// The sums of these parameters: `dimension`, `bound` (the L2 norm of a site's vector at most),
    /// `rounds`, and optionally `frac_bits` (24: the grid is 2^-24), `release` (`exact`, `noised`) and
    /// `max_patients`, the study's own cap (1). A proof of a bound is for so many patients, so with the
    /// cap given it is for the site's whole vector; without, a dishonest site may go as many times past
    /// the bound as the study's cap says.
    ///
    /// # Errors
    /// When a parameter is out of its range.
    pub fn new(table: &toml::Table) -> Result<Self, Error> {
        let params: Params = layout::params(NAME, table)?;
        if params.dimension == 0 {
            return Err(refuse(NAME, "`dimension` must be at least 1"));
        }
        if !(params.bound > 0.0 && params.bound.is_finite()) {
            return Err(refuse(NAME, "`bound` must be above 0: the L2 norm of a site's vector"));
        }
        if !(1..=MOST_ROUNDS).contains(&params.rounds) {
            return Err(refuse(NAME, format!("`rounds` must be 1 to {MOST_ROUNDS}")));
        }
        if params.max_patients == 0 {
            return Err(refuse(NAME, "`max_patients` must be the study's, at least 1"));
        }
        let grid = Grid::new(params.frac_bits)?;
        let radius = Sensitivity::of_clip(params.bound, grid)?.get();
        // Two bounds have to be a sensitivity as well.
        Sensitivity::new(radius.saturating_mul(2))?;
        let task = Self {
            dimension: params.dimension,
            bound: params.bound,
            rounds: params.rounds,
            grid,
            radius,
            patient_bound: radius.div_ceil(params.max_patients),
            release: params.release,
        };
        layout::check(NAME, &task.query(&0))?;
        Ok(task)
    }

    /// Coordinates of a vector.
    #[must_use]
    pub fn dimension(&self) -> u32 {
        self.dimension
    }

    /// L2 bound on a site's vector.
    #[must_use]
    pub fn bound(&self) -> f64 {
        self.bound
    }

    /// Sums of a run.
    #[must_use]
    pub fn rounds(&self) -> u32 {
        self.rounds
    }

    /// The grid that vectors are truncated to.
    #[must_use]
    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// How a vector of the right length would enter a sum.
    #[must_use]
    pub fn standing(&self, vector: &[f64]) -> Standing {
        if vector.iter().any(|value| !value.is_finite()) {
            return Standing::Refused;
        }
        let largest = vector.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
        if largest == 0.0 {
            return Standing::Whole;
        }
        // Relative to the largest value no square overflows.
        let squares: f64 = vector.iter().map(|value| (value / largest) * (value / largest)).sum();
        if largest * squares.sqrt() <= self.bound { Standing::Whole } else { Standing::Shortened }
    }

    /// What a sum of this task says, coordinate by coordinate.
    #[must_use]
    pub fn values(&self, sum: &Sum) -> Vec<f64> {
        sum.block(VECTOR)
    }

    /// Standard deviation of the noise in each coordinate of a sum; `None` where there is none.
    #[must_use]
    pub fn noise(&self, sum: &Sum) -> Option<f64> {
        sum.noise().map(|steps| steps * self.grid.step())
    }

    /// A vector on the grid, or why it enters as zeros.
    fn encode(
        &self,
        site: &Site<'_>,
        offered: Option<&[u8]>,
    ) -> Result<Zeroizing<Vec<i64>>, String> {
        let bytes = offered.ok_or("no vector came in time")?;
        let (chunks, rest) = bytes.as_chunks::<8>();
        if chunks.len() != self.dimension as usize || !rest.is_empty() {
            return Err(format!("a vector of {} bytes", bytes.len()));
        }
        let provable = u128::from(self.patient_bound) * u128::from(site.max_patients);
        if provable < u128::from(self.radius) {
            return Err("the parameter `max_patients` is above the manifest's own".into());
        }
        let vector: Zeroizing<Vec<f64>> =
            Zeroizing::new(chunks.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect());
        let mut sum =
            ClippedSum::new(self.bound, self.grid, vector.len()).map_err(|e| e.to_string())?;
        sum.add(&vector);
        if sum.left_out() > 0 {
            return Err("the vector has a value that is no number".into());
        }
        Ok(sum.finish())
    }
}

/// Lays the vector of the round into a site's state, for the next contribution alone.
pub fn offer(state: &mut SiteState, vector: &[f64]) {
    state.keep(OFFERED, layout::to_bytes(vector));
}

/// Takes a vector out of a site's state that no contribution took.
pub fn withdraw(state: &mut SiteState) {
    state.values.remove(OFFERED).zeroize();
}

impl Task for VectorSum {
    /// Rounds before this one.
    type State = u32;
    type Output = VectorSums;

    fn start(&self) -> u32 {
        0
    }

    fn query(&self, round: &u32) -> Query {
        // From any vector within the ball to any other.
        let distance = self.radius.saturating_mul(2);
        Query {
            task: NAME.to_owned(),
            version: VERSION,
            blocks: vec![Block {
                name: VECTOR.to_owned(),
                len: self.dimension,
                frac_bits: self.grid.frac_bits(),
                patient_bound: self.patient_bound,
            }],
            sensitivity: (self.release == Release::Noised).then_some(distance),
            rate: 1.0,
            cohort: String::new(),
            bytes: round.to_le_bytes().to_vec(),
        }
    }

    fn contribute(
        &self,
        query: &Query,
        site: &Site<'_>,
        state: &mut SiteState,
        _rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error> {
        if query.bytes.len() != ROUND_BYTES {
            return Err(Error::QueryBytes {
                task: NAME.to_owned(),
                expected: ROUND_BYTES,
                got: query.bytes.len(),
            });
        }
        // Out of the state in any case: what stays there is written to disk.
        let offered = state.values.remove(OFFERED).map(Zeroizing::new);
        if let Some(zero) = layout::floor(query, site, site.cohort.len()) {
            return Ok(zero);
        }
        Ok(match self.encode(site, offered.as_deref().map(Vec::as_slice)) {
            Ok(values) => Contribution { values, note: None },
            Err(note) => Contribution::zero(query, note),
        })
    }

    fn absorb(&self, round: u32, sum: &Sum) -> Result<Next<u32, VectorSums>, Error> {
        let last = layout::block(sum, VECTOR, self.dimension as usize)?;
        let rounds = round.saturating_add(1);
        if rounds < self.rounds {
            return Ok(Next::Continue(rounds));
        }
        Ok(Next::Done(VectorSums {
            schema: SCHEMA.to_owned(),
            rounds,
            dimension: self.dimension,
            bound: self.bound,
            frac_bits: self.grid.frac_bits(),
            unit: UNIT.to_owned(),
            adjacency: ADJACENCY.to_owned(),
            noise: self.noise(sum),
            last: (last.len() <= MOST_SHOWN).then_some(last),
        }))
    }

    fn save(&self, round: &u32) -> Option<serde_json::Value> {
        Some((*round).into())
    }

    fn restore(&self, saved: &serde_json::Value) -> Option<u32> {
        let round = u32::try_from(saved.as_u64()?).ok()?;
        (round < self.rounds).then_some(round)
    }

    fn sums(&self) -> Option<u32> {
        Some(self.rounds)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::cohort::Cohort;
    use crate::schema::Schema;
    use crate::sum::Draws;

    const PARAMS: &str = "dimension = 3\nbound = 2.0\nrounds = 2\nfrac_bits = 10";

    fn task(params: &str) -> VectorSum {
        VectorSum::new(&params.parse().unwrap()).unwrap()
    }

    fn cohort() -> Cohort {
        let schema = "one_row_per_patient = true\n[[column]]\nname = \"a\"\nkind = \"flag\"\n";
        let schema = Schema::from_toml(&schema.parse().unwrap()).unwrap();
        Cohort::from_reader("site", "a\n1\n0\n".as_bytes(), &schema).unwrap()
    }

    fn answer_under(task: &VectorSum, vector: Option<&[f64]>, max_patients: u64) -> Contribution {
        let cohort = cohort();
        let site = Site { cohort: &cohort, capacity: 0, max_patients, min_local_rows: 1 };
        let mut state = SiteState::default();
        if let Some(vector) = vector {
            offer(&mut state, vector);
        }
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let query = task.query(&task.start());
        let answer = task.contribute(&query, &site, &mut state, &mut rng).unwrap();
        assert_eq!(state, SiteState::default(), "nothing of a vector is kept");
        answer
    }

    fn answer(task: &VectorSum, vector: Option<&[f64]>) -> Vec<i64> {
        answer_under(task, vector, 10).values.to_vec()
    }

    #[test]
    fn a_vector_enters_as_it_is_to_the_grid_and_no_longer_than_the_bound() {
        let task = task(PARAMS);
        assert_eq!(answer(&task, Some(&[0.5, -0.25, 0.0])), [512, -256, 0]);
        assert_eq!(answer(&task, Some(&[6.0, 0.0, 8.0])), [1228, 0, 1638]);
        assert_eq!(task.standing(&[0.5, -0.25, 0.0]), Standing::Whole);
        assert_eq!(task.standing(&[6.0, 0.0, 8.0]), Standing::Shortened);
        assert_eq!(task.standing(&[1e300, 1e300, 0.0]), Standing::Shortened);
        assert_eq!(task.standing(&[f64::NAN, 0.0, 0.0]), Standing::Refused);
    }

    #[test]
    fn what_cannot_be_used_is_zeros_and_never_an_error() {
        let task = task(PARAMS);
        let bad: [Option<&[f64]>; 5] = [
            None,
            Some(&[1.0, 2.0]),
            Some(&[f64::NAN, 0.0, 0.0]),
            Some(&[f64::INFINITY, 0.0, 0.0]),
            Some(&[]),
        ];
        for vector in bad {
            assert_eq!(answer(&task, vector), [0; 3], "{vector:?}");
        }
        // Below the site's floor, and past the cap.
        let one: Option<&[f64]> = Some(&[1.0, 0.0, 0.0]);
        assert_eq!(answer_under(&task, one, 1).values.to_vec(), [0; 3]);
        assert_eq!(answer_under(&task, one, 2).values.to_vec(), [1024, 0, 0]);
    }

    #[test]
    fn the_proved_bound_is_the_sites_own_where_the_cap_is_given() {
        let bound =
            |params: &str, max_patients| task(params).query(&0).site_bound(max_patients).unwrap();
        assert_eq!(bound(PARAMS, 100), 100 * 2048, "without the cap");
        let with_cap = format!("{PARAMS}\nmax_patients = 100");
        assert_eq!(bound(&with_cap, 100), 100 * 21);
        // A cap above the manifest's would leave honest vectors without a proof.
        let refused = answer_under(&task(&with_cap), Some(&[1.0, 0.0, 0.0]), 10);
        assert!(refused.note.unwrap().contains("max_patients"));
    }

    #[test]
    fn each_round_asks_anew_and_the_last_leaves_a_result() {
        let task = task(PARAMS);
        let sum = |round: u32| Sum::new(&task.query(&round), vec![1024, 0, -2048], 3).unwrap();
        assert_ne!(task.query(&0), task.query(&1));
        let Next::Continue(round) = task.absorb(0, &sum(0)).unwrap() else { panic!("ended") };
        let Next::Done(result) = task.absorb(round, &sum(1)).unwrap() else { panic!("goes on") };
        assert_eq!((result.rounds, result.last), (2, Some(vec![1.0, 0.0, -2.0])));
        assert_eq!((result.unit.as_str(), result.noise), ("site", None));
        let noised = sum(0).noised(Draws { s: 1024, count: 4 });
        assert_eq!(task.noise(&noised), Some(2.0));
        assert_eq!(task.restore(&task.save(&1).unwrap()), Some(1));
        assert_eq!(task.restore(&2.into()), None);
    }

    #[test]
    fn parameters_out_of_range_are_refused_with_their_name() {
        for (params, named) in [
            ("dimension = 0\nbound = 1.0\nrounds = 1", "dimension"),
            ("dimension = 1\nbound = 0.0\nrounds = 1", "bound"),
            ("dimension = 1\nbound = nan\nrounds = 1", "bound"),
            ("dimension = 1\nbound = 1.0\nrounds = 0", "rounds"),
            ("dimension = 1\nbound = 1.0\nrounds = 1\nmax_patients = 0", "max_patients"),
            ("dimension = 1\nbound = 1.0\nrounds = 1\nclip = 1.0", "clip"),
        ] {
            let error = VectorSum::new(&params.parse().unwrap()).unwrap_err().to_string();
            assert!(error.contains(named), "{params}: {error}");
        }
        for params in [
            "dimension = 1\nbound = 1.0\nrounds = 1\nfrac_bits = 60",
            "dimension = 1\nbound = 1e30\nrounds = 1",
            "dimension = 2000000\nbound = 1.0\nrounds = 1",
        ] {
            assert!(VectorSum::new(&params.parse().unwrap()).is_err(), "{params}");
        }
    }

    proptest! {
        /// S2: whatever one site hands in, or nothing, instead of anything else, its integers move by
        /// no more than D.
        #[test]
        fn replacing_one_sites_vector_moves_the_sum_by_no_more_than_d(
            one in prop::option::of(prop::array::uniform3(prop::num::f64::ANY)),
            other in prop::option::of(prop::array::uniform3(-5.0..5.0f64)),
        ) {
            let task = task(&format!("{PARAMS}\nrelease = \"noised\""));
            let (a, b) = (
                answer(&task, one.as_ref().map(<[f64; 3]>::as_slice)),
                answer(&task, other.as_ref().map(<[f64; 3]>::as_slice)),
            );
            let distance: Vec<i64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
            let d = u128::from(task.query(&0).sensitivity.unwrap());
            prop_assert!(haima_dp::norms::norm_squared(&distance) <= d * d);
        }
    }
}
