//! Parameters of every registered task, as a study's file or a manifest has them
//! (`haima_fl_core::registry`): a site opens what a coordinator wrote.

use haima_fl_core::registry::{self, Finished};
use haima_fl_core::schema::Schema;

use super::tools::{Cut, tagged};

pub(crate) fn run(bytes: &[u8]) {
    let mut cut = Cut(bytes);
    let tag = usize::from(cut.byte());
    let schema = Schema::from_toml(&super::schema()).expect("a schema");
    let tasks: Vec<(&str, u32)> = registry::known().collect();
    let (task, version) = tasks[tag % tasks.len()];
    let text = std::str::from_utf8(cut.0).ok();
    let Some(params) = text.and_then(|text| toml::from_str::<toml::Table>(text).ok()) else {
        return;
    };
    let _ = registry::reveals_rows(task, &params);
    let _ = registry::open(task, version, &params, &schema, &Finished::new());
}

/// The parameters of the repository's own study, for every task.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "time = \"time\"\nevent = \"event\"\ncovariates = [\"age\", \"sex\"]\n",
        "outcome = \"event\"\ncovariates = [\"age\"]\nfamily = \"logistic\"\n",
        "columns = [\"age\"]\ncohort = [\"age >= 60\"]\n",
        "horizon = 365\nwidth = 30\nintervals = [30, 90, 365]\nhidden = [4]\nlearning_rate = 0.1\n",
    ];
    let tasks = registry::known().count().min(255);
    let tags = (0..tasks).map(|tag| u8::try_from(tag).expect("fewer than 256 tasks"));
    tags.flat_map(|tag| texts.map(|text| tagged(tag, text.as_bytes()))).collect()
}
