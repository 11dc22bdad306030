//! Several local frameworks and no network: their vectors are added in this process, *in the clear and
//! without any privacy*, so that a framework's own code can be tried before there is a study.
//!
//! What a framework sees is what it would see in a study without noise: the same rounds, the same
//! shortening and truncation, the same sums to the bit, by the same task.

use std::sync::Arc;
use std::time::Duration;

use haima_fl_core::cohort::Cohort;
use haima_fl_core::schema::Schema;
use haima_fl_core::sum::Sum;
use haima_fl_core::task::{Site, SiteState, start};
use haima_fl_core::tasks::vector_sum::{VectorSum, offer};
use tokio::time::Instant;

use super::mailbox::Mailbox;
use crate::Error;

/// A cohort of one, for a task that reads none.
const SCHEMA: &str = "one_row_per_patient = true\n[[column]]\nname = \"x\"\nkind = \"flag\"\n";
const PATIENTS: &str = "x\n1\n";

/// Sums the vectors of all mailboxes, round by round, to the last; each round waits at most `patience`
/// for those that have not come, which then count as zeros. The task's result.
///
/// # Errors
/// When the task refuses a sum, which no vectors make it do.
pub async fn run(
    task: &VectorSum,
    mailboxes: &[Arc<Mailbox>],
    patience: Duration,
) -> Result<serde_json::Value, Error> {
    let schema: toml::Table = SCHEMA.parse().map_err(|e: toml::de::Error| fault(e.to_string()))?;
    let schema = Schema::from_toml(&schema)?;
    let cohort = Cohort::from_reader("simulated", PATIENTS.as_bytes(), &schema)?;
    let view = Site { cohort: &cohort, capacity: 0, max_patients: u64::MAX, min_local_rows: 1 };
    let sites = u32::try_from(mailboxes.len()).map_err(|_| fault("too many sites".into()))?;
    let mut run = start(task.clone());
    for round in 1.. {
        let query = run.query().ok_or_else(|| fault("the run ended without a result".into()))?;
        let until = Instant::now() + patience;
        let mut total = vec![0i128; query.dimension()];
        let mut standings = Vec::with_capacity(mailboxes.len());
        for mailbox in mailboxes {
            let mut state = SiteState::default();
            let vector = mailbox.vector(round, until).await;
            if let Some(vector) = &vector {
                offer(&mut state, vector);
            }
            let own =
                run.contribute(&view, &mut state, &mut haima_smpc_node::randomness::system())?;
            standings.push(mailbox.standing(vector.as_ref(), own.note.is_some()));
            for (total, own) in total.iter_mut().zip(own.values.iter()) {
                *total += i128::from(*own);
            }
        }
        let sum = Sum::new(&query, total, sites)?;
        let result = run.absorb(&sum)?;
        for (mailbox, own) in mailboxes.iter().zip(standings) {
            mailbox.release(round, &sum, own);
        }
        if let Some(result) = result {
            return Ok(result);
        }
    }
    Err(fault("more rounds than there are numbers".into()))
}

fn fault(problem: String) -> Error {
    Error::Config { file: "simulation".into(), problem }
}
