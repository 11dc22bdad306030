//! The illness-death model without recovery, from one secure sum of counts.
//!
//! Aalen and Johansen 1978 for the probabilities of the states, Nelson and Aalen for the
//! cumulative hazards of the transitions; Andersen and Keiding, *Stat Methods Med Res* 2002;11:91.
//! As R's `survfit` of three states. Everybody starts healthy at time 0; times are rounded *up* to
//! a public grid. A patient who falls ill and leaves at the same grid time fell ill just before it
//! (as in survival's vignette `compete`), so is at risk of death there.
//!
//! # Bound
//! A patient adds 1 to at most two counts, of falling ill and of leaving: norm sqrt(2).

use rand_core::CryptoRng;
use serde::Deserialize;

use super::layout::{self, refuse};
use super::survival::{Survival, check_flag, check_time};
use super::time_grid::TimeGrid;
use crate::cohort::Cohort;
use crate::error::Error;
use crate::results::multistate::{MultiState, StateCurve, Transition};
use crate::schema::Schema;
use crate::sum::Sum;
use crate::task::{Contribution, Next, Query, Site, SiteState, Task};

/// Name of the task.
pub const NAME: &str = "multistate";
/// Version of its query.
pub const VERSION: u32 = 1;

const STATES: [&str; 3] = ["healthy", "ill", "dead"];
/// From, to; as in [`STATES`].
const TRANSITIONS: [(usize, usize); 3] = [(0, 1), (0, 2), (1, 2)];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    illness_time: String,
    illness: String,
    time: String,
    event: String,
    grid: f64,
}

/// What can happen to a patient at a grid time; also the order of the counts there.
#[derive(Clone, Copy)]
enum Step {
    /// Falls ill and goes on.
    Ill,
    /// Falls ill and leaves at the same grid time.
    IllAtTheEnd,
    HealthyDies,
    HealthyCensored,
    IllDies,
    IllCensored,
}

const STEPS: usize = 6;

/// An illness-death model on a public time grid.
#[derive(Debug)]
pub struct IllnessDeath {
    illness_time: String,
    illness: String,
    survival: Survival,
    grid: TimeGrid,
}

impl IllnessDeath {
    /// The model of these parameters: `illness_time` and `illness` (a flag: fell ill at that
    /// time; the time of others is not read), `time` and `event` (a flag: died) and `grid`.
    ///
    /// # Errors
    /// When a parameter or a column cannot be used.
    pub fn new(table: &toml::Table, schema: &Schema) -> Result<Self, Error> {
        let params: Params = layout::params(NAME, table)?;
        let survival = Survival::new(NAME, schema, &params.time, &params.event)?;
        check_time(NAME, schema, &params.illness_time)?;
        check_flag(NAME, schema, &params.illness)?;
        if params.illness == params.event {
            return Err(refuse(NAME, format!("`{}` is both illness and death", params.event)));
        }
        let grid = TimeGrid::new(NAME, survival.max_time, params.grid)?;
        let (illness_time, illness) = (params.illness_time, params.illness);
        let task = Self { illness_time, illness, survival, grid };
        layout::check(NAME, &task.query(&()))?;
        Ok(task)
    }

    /// What happens to a patient, with grid times: falling ill if it does, and leaving. `None`
    /// when something is missing or the illness comes after the end.
    fn steps(&self, cohort: &Cohort, i: usize) -> Option<Vec<(usize, Step)>> {
        let (time, death) = self.survival.of(cohort, i)?;
        let end = self.grid.bin(time);
        if cohort.value(&self.illness, i)? < 0.5 {
            let step = if death { Step::HealthyDies } else { Step::HealthyCensored };
            return Some(vec![(end, step)]);
        }
        let ill = cohort.value(&self.illness_time, i).filter(|ill| *ill <= time)?;
        let ill = self.grid.bin(ill);
        let first = if ill < end { Step::Ill } else { Step::IllAtTheEnd };
        let step = if death { Step::IllDies } else { Step::IllCensored };
        Some(vec![(ill, first), (end, step)])
    }
}

impl Task for IllnessDeath {
    type State = ();
    type Output = MultiState;

    fn start(&self) {}

    fn query(&self, (): &()) -> Query {
        let len = self.grid.bins * STEPS;
        layout::exact(
            NAME,
            VERSION,
            vec![layout::count_block(), layout::counts("steps", len, 2f64.sqrt())],
            Vec::new(),
        )
    }

    fn contribute(
        &self,
        query: &Query,
        site: &Site<'_>,
        _state: &mut SiteState,
        _rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error> {
        layout::from_bytes(query, 0)?;
        let (mut patients, mut deaths) = (0, 0);
        let mut counts = vec![0.0; self.grid.bins * STEPS];
        for i in 0..site.cohort.len() {
            let Some(steps) = self.steps(site.cohort, i) else { continue };
            patients += 1;
            for (bin, step) in steps {
                deaths += usize::from(matches!(step, Step::HealthyDies | Step::IllDies));
                counts[bin * STEPS + step as usize] += 1.0;
            }
        }
        if let Some(zero) = layout::floor(query, site, patients) {
            return Ok(zero);
        }
        let blocks = [layout::count_values(patients, deaths), counts];
        Ok(Contribution::encode(query, &blocks, site.max_patients))
    }

    fn absorb(&self, (): (), sum: &Sum) -> Result<Next<(), MultiState>, Error> {
        let counts = layout::read_counts(sum)?;
        let steps = layout::block(sum, "steps", self.grid.bins * STEPS)?;
        let names = (&self.illness_time, &self.illness);
        let mut output = MultiState {
            schema: "haima.multistate/1".to_owned(),
            formula: format!(
                "healthy -> ill ({}, {}) -> dead ({}, {})",
                names.0, names.1, self.survival.time, self.survival.event
            ),
            grid: self.grid.width,
            n: counts.patients,
            events: counts.events,
            sites: counts.sites,
            time: Vec::new(),
            states: STATES.map(empty_state).to_vec(),
            transitions: TRANSITIONS.map(empty_transition).to_vec(),
        };
        let mut walk = Walk::new(counts.patients as f64);
        for (bin, counts) in steps.chunks_exact(STEPS).enumerate() {
            if counts.iter().any(|count| *count != 0.0) {
                output.time.push(self.grid.time(bin));
                walk.reach(counts, &mut output);
            }
        }
        Ok(Next::Done(output))
    }
}

fn empty_state(name: &str) -> StateCurve {
    StateCurve {
        state: name.to_owned(),
        n_risk: Vec::new(),
        n_censor: Vec::new(),
        pstate: Vec::new(),
    }
}

fn empty_transition((from, to): (usize, usize)) -> Transition {
    Transition {
        from: STATES[from].to_owned(),
        to: STATES[to].to_owned(),
        n_event: Vec::new(),
        cumhaz: Vec::new(),
        se: Vec::new(),
    }
}

/// Patients, probabilities and hazards, as time goes on.
struct Walk {
    at_risk: [f64; 3],
    pstate: [f64; 3],
    cumhaz: [f64; 3],
    variance: [f64; 3],
}

impl Walk {
    fn new(patients: f64) -> Self {
        Self {
            at_risk: [patients, 0.0, 0.0],
            pstate: [1.0, 0.0, 0.0],
            cumhaz: [0.0; 3],
            variance: [0.0; 3],
        }
    }

    /// Moves on to a grid time with these counts and appends it to `output`.
    fn reach(&mut self, counts: &[f64], output: &mut MultiState) {
        let of = |step: Step| counts.get(step as usize).copied().unwrap_or(0.0);
        let before = self.at_risk;
        // Just before: those who fall ill and leave now.
        let tied = of(Step::IllAtTheEnd);
        self.transit([tied, 0.0, 0.0]);
        self.at_risk[0] -= tied;
        self.at_risk[1] += tied;
        // Now.
        let moves = [of(Step::Ill), of(Step::HealthyDies), of(Step::IllDies)];
        let censored = [of(Step::HealthyCensored), of(Step::IllCensored), 0.0];
        self.transit(moves);
        self.at_risk[0] -= moves[0] + moves[1] + censored[0];
        self.at_risk[1] += moves[0] - moves[2] - censored[1];
        for (state, curve) in output.states.iter_mut().enumerate() {
            curve.n_risk.push(layout::whole(before[state]));
            curve.n_censor.push(layout::whole(censored[state]));
            curve.pstate.push(self.pstate[state]);
        }
        let events = [moves[0] + tied, moves[1], moves[2]];
        for (which, transition) in output.transitions.iter_mut().enumerate() {
            transition.n_event.push(layout::whole(events[which]));
            transition.cumhaz.push(self.cumhaz[which]);
            transition.se.push(self.variance[which].sqrt());
        }
    }

    /// Transitions at one time: a factor of the product integral.
    fn transit(&mut self, moves: [f64; 3]) {
        let before = self.pstate;
        for (which, (from, to)) in TRANSITIONS.into_iter().enumerate() {
            if moves[which] > 0.0 {
                let n = self.at_risk[from];
                let hazard = moves[which] / n;
                self.cumhaz[which] += hazard;
                self.variance[which] += hazard / n;
                self.pstate[from] -= before[from] * hazard;
                self.pstate[to] += before[from] * hazard;
            }
        }
    }
}
