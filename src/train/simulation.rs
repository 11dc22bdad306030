//! Rounds over plain sums in this process, with the noise of a study and a checkpoint after each.

use std::time::Instant;

use haima_dp::noise::NoiseScale;
use haima_fl_core::task::Run;
use haima_smpc_node::plan::TaskPlan;
use rand::TryRng as _;
use serde_json::Value;

use super::Prepared;
use super::checkpoint::{Checkpoint, Identity};
use crate::Error;
use crate::stats;
use crate::stats::hospitals::plain_sums;

/// A round that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Its number, from 1.
    pub round: u32,
    /// Rounds in all.
    pub rounds: u32,
    /// Hospitals in its sum.
    pub hospitals: u32,
    /// Seconds that it took.
    pub seconds: f64,
}

/// Runs a training to its end; with its result, how often it went on from a checkpoint.
pub(super) fn run(
    prepared: &Prepared<'_>,
    mut run: Box<dyn Run>,
    taken: &[String],
    committed: Option<&TaskPlan>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Value, u32), Error> {
    let (request, hospitals) = (prepared.request, &prepared.hospitals);
    let cohorts = hospitals.of(taken);
    let open = || stats::open(&prepared.task, &hospitals.schema);
    let mut sums = plain_sums(&cohorts, hospitals.max_patients, &prepared.floors, open)?;
    if let Some(plan) = committed {
        // Every node adds the full scale (rule N1).
        sums = sums.with_simulated_noise(NoiseScale::new(plan.noise.s)?, request.nodes, seed()?);
    }
    let identity = Identity::of(prepared, taken)?;
    let (mut round, mut resumes) = (0, 0);
    if let Some(path) = &request.resume {
        let mut checkpoint = Checkpoint::read(path, &identity)?;
        checkpoint.check_round(prepared.steps, path)?;
        resumes = checkpoint.resumes.saturating_add(1);
        if let Some(plan) = committed {
            if resumes > plan.spare_attempts {
                let problem = format!(
                    "has been gone on from {} times, and the noise is calibrated for {} rounds that \
                     run again; start the training anew",
                    checkpoint.resumes, plan.spare_attempts
                );
                return Err(Error::config(path, problem));
            }
            // Counted before the round runs again, which may stop once more.
            checkpoint.resumes = resumes;
            checkpoint.write(path)?;
        }
        round = checkpoint.round;
        let (state, kept) = checkpoint.into_parts(path)?;
        if !(run.restore(&state) && sums.restore(&state, kept)) {
            let problem = "its state is none of this task's; start the training anew";
            return Err(Error::config(path, problem));
        }
    }
    loop {
        let started = Instant::now();
        let query = run.query().ok_or(haima_fl_core::Error::RunOver)?;
        let sum = haima_fl_core::sum::SecureSum::sum(&mut sums, &query)?;
        let result = run.absorb(&sum)?;
        round += 1;
        progress(Progress {
            round,
            rounds: prepared.steps,
            hospitals: sum.sites(),
            seconds: started.elapsed().as_secs_f64(),
        });
        if let Some(result) = result {
            return Ok((result, resumes));
        }
        if let (Some(path), Some(state)) = (&request.checkpoint, run.save()) {
            Checkpoint::new(&identity, (round, resumes), state, sums.kept()).write(path)?;
        }
    }
}

/// Fresh randomness of the operating system: a round that is run again has other noise.
pub(crate) fn seed() -> Result<[u8; 32], Error> {
    let mut seed = [0; 32];
    rand::rngs::SysRng.try_fill_bytes(&mut seed).map_err(|error| Error::Stopped {
        party: "the operating system's randomness".into(),
        reason: error.to_string(),
    })?;
    Ok(seed)
}
