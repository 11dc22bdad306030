//! `haima init`: from an empty folder to a party that may run, step by step. What it does is in
//! [`crate::init`].

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use haima_smpc_node::provision::Role;
use serde_json::json;

use super::study::Terms;
use crate::Error;
use crate::doctor::Level;
use crate::init::{self, Ask, Nobody, Options, Person, Question, State, Walk};
use crate::provision::Timing;
use crate::text::printable;

/// `haima init`.
#[derive(Debug, Subcommand)]
pub(super) enum Init {
    /// Lead a study: its question, the others' requests, the draft, the signed package.
    Coordinator(Box<Coordinator>),
    /// Run a node: keys, a request, a configuration, the signature, the preflight.
    Node(Node),
    /// Take part as a hospital: keys, a request, a policy, the signature, the preflight.
    Site(Site),
}

// No comment that clap would take for that of a command.
#[derive(Debug, Args)]
struct Party {
    /// The party's folder; made where it is missing. Files that are there are never written again.
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
    /// Name of the party in studies: a-z, 0-9, '.', '_' and '-'. Needed the first time.
    #[arg(long)]
    name: Option<String>,
    /// Organisation that runs it. Needed the first time.
    #[arg(long)]
    operator: Option<String>,
    /// Sign the manifest that is there. Without it, or a yes at the terminal, it is only shown in words.
    #[arg(long)]
    sign: bool,
    /// Print one JSON object: the steps, what is waited for, and what comes next. Nobody is asked.
    #[arg(long)]
    json: bool,
}

/// Options of `haima init coordinator`.
#[derive(Debug, Args)]
pub(super) struct Coordinator {
    #[command(flatten)]
    party: Party,
    /// `host:port` where all parties reach it. Needed the first time.
    #[arg(long)]
    address: Option<String>,
    /// The study's template (TOML), as in `data/*.study.toml`; it is copied.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["schema", "tasks"])]
    study: Option<PathBuf>,
    /// Schema of the hospitals' files (TOML), as `haima data infer` drafts it.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Tasks of the study: a TOML file of `[[task]]` entries. Without it every column is described, with
    /// noise at epsilon 1.
    #[arg(long, value_name = "FILE", requires = "schema")]
    tasks: Option<PathBuf>,
    /// With --schema, the study's name; NAME-first when absent.
    #[arg(long, value_name = "NAME", requires = "schema")]
    study_name: Option<String>,
    /// With --schema, most patients of one hospital: public, rounded up, not counted.
    #[arg(long, value_name = "N", requires = "schema")]
    max_patients: Option<u64>,
    /// With --schema, fewest distinct hospitals in a sum; 3 when absent.
    #[arg(long, value_name = "N", requires = "schema")]
    min_sites: Option<u32>,
    /// Draft the study among those whose requests are there: you have compared their fingerprints.
    #[arg(long)]
    draft: bool,
    #[command(flatten)]
    terms: Terms,
}

/// Options of `haima init node`.
#[derive(Debug, Args)]
pub(super) struct Node {
    #[command(flatten)]
    party: Party,
    /// `host:port` where all parties reach it. Needed the first time.
    #[arg(long)]
    address: Option<String>,
}

/// Options of `haima init site`.
#[derive(Debug, Args)]
pub(super) struct Site {
    #[command(flatten)]
    party: Party,
    /// File of the patients, seen from the folder; cohort.csv when absent.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
}

/// Goes on with a party's walk; fails when it is not ready at the end.
pub(super) fn run(command: &Init) -> Result<(), Error> {
    let (party, options) = options(command);
    let is_person =
        !party.json && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let mut nobody = Nobody;
    let mut person = Person;
    let ask: &mut dyn Ask = if is_person { &mut person } else { &mut nobody };
    let mut walk = init::walk(&options, ask)?;
    if walk.waits().is_empty() {
        let runtime = super::runtime()?;
        runtime.block_on(walk.preflight());
        // A name that is still being looked up is not waited for.
        runtime.shutdown_background();
    }
    if party.json {
        println!("{}", json!(walk));
    } else {
        print!("{}", printable(&shown(&walk)));
    }
    if walk.ready { Ok(()) } else { Err(unready(&walk)) }
}

/// What a command says, for the library.
fn options(command: &Init) -> (&Party, Options) {
    let of = |party: &Party, role| Options {
        folder: party.dir.clone(),
        role,
        name: party.name.clone(),
        operator: party.operator.clone(),
        address: None,
        sign: party.sign,
        data: None,
        question: Question::default(),
        draft: false,
        timing: Timing { round_ms: 0, grace_ms: 0, tick_ms: 0 },
        allow_large_delta: false,
    };
    match command {
        Init::Site(Site { party, data }) => {
            (party, Options { data: data.clone(), ..of(party, Role::Site) })
        }
        Init::Node(Node { party, address }) => {
            (party, Options { address: address.clone(), ..of(party, Role::Node) })
        }
        Init::Coordinator(coordinator) => {
            let party = &coordinator.party;
            let question = Question {
                study: coordinator.study.clone(),
                schema: coordinator.schema.clone(),
                tasks: coordinator.tasks.clone(),
                study_name: coordinator.study_name.clone(),
                max_patients: coordinator.max_patients,
                min_sites: coordinator.min_sites,
            };
            let options = Options {
                address: coordinator.address.clone(),
                question,
                draft: coordinator.draft,
                timing: coordinator.terms.timing(),
                allow_large_delta: coordinator.terms.allow_large_delta,
                ..of(party, Role::Coordinator)
            };
            (party, options)
        }
    }
}

/// A walk for a person: the manifest in words where there is one to read, the steps, the checks, and
/// what comes next.
fn shown(walk: &Walk) -> String {
    let mut text = String::new();
    if let Some(words) = &walk.words {
        text.push_str(words);
        text.push('\n');
    }
    for step in &walk.steps {
        let state = match step.state {
            State::Made => "made ",
            State::There => "there",
            State::Waits => "waits",
        };
        let finding = step.finding.replace('\n', "\n       ");
        text.push_str(&format!("{state}  {}: {finding}\n", step.what));
    }
    text.push_str(&format!("fingerprint of {}: {}\n", walk.name, walk.fingerprint));
    if let Some(preflight) = &walk.preflight {
        text.push_str(&preflight.to_string());
    }
    if walk.ready {
        text.push_str("ready\n");
    }
    for line in &walk.next {
        text.push_str(&format!("next: {line}\n"));
    }
    text
}

/// Why a party may not run yet.
fn unready(walk: &Walk) -> Error {
    let waits: Vec<&str> = walk.waits().iter().map(|step| step.what.as_str()).collect();
    let problem = match &walk.preflight {
        Some(found) => {
            let failed = found.checks.iter().filter(|check| check.level == Level::Fail).count();
            let all = found.checks.len();
            format!(
                "{failed} of {all} checks failed; mend what stands beside `fail`, then run it again"
            )
        }
        None => format!("waits for {}; what to do stands beside `next`", waits.join(", ")),
    };
    Error::Found { what: format!("init of {}", walk.name), problem }
}
