//! A task of one's own: the mean age over hospitals, from one secure sum.
//!
//! A task is a state machine: it asks a public question, every hospital answers with bounded integers,
//! and it absorbs their sum. Added to a program's registry it runs over real hospitals; here it runs
//! over three in this process.
//!
//! `cargo run -p haima-fl-core --example implement_a_task`

use haima_fl_core::Error;
use haima_fl_core::cohort::Cohort;
use haima_fl_core::registry::{self, Finished};
use haima_fl_core::schema::Schema;
use haima_fl_core::sum::{PlainSum, Sum, drive};
use haima_fl_core::task::{Block, Contribution, Next, Query, Run, Site, SiteState, Task, start};
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, SeedableRng};

const NAME: &str = "mean-age";
/// Ages are between 0 and this, by the public schema.
const OLDEST: u64 = 110;

struct MeanAge;

impl Task for MeanAge {
    /// Nothing to remember: one sum is all.
    type State = ();
    type Output = serde_json::Value;

    fn start(&self) {}

    fn query(&self, (): &()) -> Query {
        // The bound is what ONE patient adds at most, in grid steps (whole numbers here). A site of
        // n patients is held to n times it, and proves that it kept to it.
        let block = |name: &str, bound| Block {
            name: name.to_owned(),
            len: 1,
            frac_bits: 0,
            patient_bound: bound,
        };
        Query {
            task: NAME.to_owned(),
            version: 1,
            blocks: vec![block("patients", 1), block("years", OLDEST)],
            sensitivity: None, // no noise: the exact class, which every hospital allows by name
            rate: 1.0,
            cohort: String::new(),
            bytes: Vec::new(),
        }
    }

    fn contribute(
        &self,
        query: &Query,
        site: &Site<'_>,
        _state: &mut SiteState,
        _rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error> {
        let ages: Vec<f64> =
            (0..site.cohort.len()).filter_map(|i| site.cohort.value("age", i)).collect();
        // Trouble with data is no error, and its reason stays here: zeros travel (rule S5).
        if (ages.len() as u64) < site.min_local_rows {
            return Ok(Contribution::zero(query, "fewer patients than this site's floor"));
        }
        let blocks = [vec![ages.len() as f64], vec![ages.iter().sum()]];
        Ok(Contribution::encode(query, &blocks, site.max_patients))
    }

    /// The same bits on every machine: hospitals replay it (rule X3).
    fn absorb(&self, (): (), sum: &Sum) -> Result<Next<(), Self::Output>, Error> {
        let of = |block: &str| sum.block(block).first().copied().unwrap_or(0.0);
        let (patients, years) = (of("patients"), of("years"));
        if patients < 1.0 {
            let reason = "no hospital had enough patients".to_owned();
            return Err(Error::Fit { task: NAME.to_owned(), reason });
        }
        Ok(Next::Done(serde_json::json!({ "patients": patients, "mean": years / patients })))
    }
}

fn open(_: &toml::Table, _: &Schema, _: &Finished) -> Result<Box<dyn Run>, Error> {
    Ok(start(MeanAge))
}

fn main() -> Result<(), Error> {
    // From here on a manifest of this program may ask for it by name.
    registry::add(vec![(NAME, 1, open)])?;

    let schema = "one_row_per_patient = true\n\
                  column = [{ name = \"age\", kind = \"numeric\", range = [0, 110] }]";
    let schema = Schema::from_toml(&schema.parse().expect("TOML"))?;
    let files = ["age\n61\n72\n58\n", "age\n44\n67\n", "age\n80\n71\n69\n50\n"];
    let hospitals: Vec<Cohort> = files
        .iter()
        .map(|csv| Cohort::from_reader("hospital", csv.as_bytes(), &schema))
        .collect::<Result<_, _>>()?;

    // Added in the clear, in one process: for trying a task out. The floor is two patients.
    let rng = ChaCha20Rng::from_seed([0; 32]);
    let run = || registry::open(NAME, 1, &toml::Table::new(), &schema, &Finished::new());
    let mut sums = PlainSum::new(&hospitals, 100, 2, rng, run)?;
    let result = drive(run()?.as_mut(), &mut sums)?;
    println!("{} hospitals: {result}", hospitals.len());
    assert_eq!(result["patients"], 9.0);
    Ok(())
}
