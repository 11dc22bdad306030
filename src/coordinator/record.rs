//! From a finished study to its report: who took part, what each step cost, what came out.

use std::collections::BTreeMap;

use haima_crypto::encode::{Digest, from_hex};
use haima_dp::units::Delta;
use haima_fl_core::schema::Schema;
use haima_fl_core::selection::{self, Selection};
use haima_fl_core::task::Task as _;
use haima_fl_core::tasks::vector_sum::{self, VectorSum};
use haima_smpc_node::manifest::{Manifest, TaskEntry, fingerprint};
use haima_smpc_node::plan::{Plan, TaskPlan};

use super::config::{About, Config};
use super::events::{Event, Round};
use crate::Error;
use crate::budget;
use crate::report::{
    Check, Class, Committed, Excluded, Floors, MaskedTerms, Party, Privacy, Promise, Role,
    RoundClass, RoundRow, RoundStatus, SiteLedger, Step, StepResult, StudyReport, labels,
    masked_mode, node_mode, page, words,
};

use crate::sum::network::Network;

/// When things happened.
#[derive(Debug)]
pub(super) struct Timing {
    /// Unix seconds.
    pub(super) started: u64,
    /// Unix seconds.
    pub(super) finished: u64,
    /// Seconds by task id.
    pub(super) tasks: BTreeMap<String, f64>,
}

/// The report of what ran.
pub(super) fn report(
    network: &Network,
    config: &Config,
    results: &BTreeMap<String, serde_json::Value>,
    timing: &Timing,
) -> Result<StudyReport, Error> {
    let manifest = &network.manifest;
    let plan = Plan::of(manifest);
    let mut report = outline(manifest, &plan, &config.about)?;
    let log = network.events.log();
    report.rounds = log.iter().filter_map(|event| round_row(network, event)).collect();
    report.steps = manifest
        .tasks
        .iter()
        .filter(|entry| timing.tasks.contains_key(&entry.id))
        .map(|entry| step(network, config, &plan, entry, results.get(&entry.id), timing, &log))
        .collect::<Result<_, _>>()?;
    let (excluded, mut warnings) = absences(manifest, &log.iter().collect::<Vec<_>>());
    report.excluded = excluded;
    warnings.append(&mut report.warnings);
    warnings.extend(contributed_nothing(network, &report.steps));
    report.warnings = warnings;
    report.ledger = ledgers(network);
    report.started = timing.started;
    report.finished = timing.finished;
    report.title = title(&report, &config.about.subject, manifest.sites.len());
    Ok(report)
}

/// What a report says of a study before anything ran.
///
/// # Errors
/// When a figure of the plan has no bound.
pub(crate) fn outline(
    manifest: &Manifest,
    plan: &Plan,
    about: &About,
) -> Result<StudyReport, Error> {
    let mut report = StudyReport::new(&manifest.study);
    report.plan = committed(manifest, plan)?;
    report.parties = parties(manifest);
    report.manifest_digest = manifest.digest().to_string();
    report.hospitals_per_patient = manifest.hospitals_per_patient;
    report.floors = Floors { min_sites: manifest.min_sites, ..Floors::default() };
    report.masked = manifest.masking.map(|masking| MaskedTerms {
        sites: u32::try_from(manifest.sites.len()).unwrap_or(u32::MAX),
        threshold: masking.threshold,
        corrupt: masking.corrupt,
        honest: masking.honest(),
    });
    (report.mode, report.promises) = mode(manifest, report.masked.as_ref());
    report.warnings.clone_from(&about.warnings);
    report.wording = about.wording.clone();
    if let Ok(schema) = Schema::from_toml(&manifest.schema) {
        let wording = &mut report.wording;
        if wording.time_unit.is_empty() {
            let times = manifest.tasks.iter().filter_map(|task| task.params.get("time")?.as_str());
            wording.time_unit = words::time_unit(&schema, times);
        }
        labels::terms(wording, &schema);
        labels::groups(wording, &schema);
    }
    report.data_note.clone_from(&about.data);
    report.assumptions = vec![
        "The manifest (cohort caps, schema ranges, grids, expected cohort size) is public and was \
         written without looking at patients."
            .into(),
        format!(
            "One patient's rows are at most at {} hospital(s) of the study (rule S1).",
            manifest.hospitals_per_patient
        ),
    ];
    if let Some(MaskedTerms { sites, corrupt, .. }) = report.masked {
        report.assumptions.push(format!(
            "At most {corrupt} of the {sites} hospitals join the coordinator (rule M1)."
        ));
    }
    report.checks = checks();
    Ok(report)
}

/// The mode in a few words, and what it promises.
fn mode(manifest: &Manifest, masked: Option<&MaskedTerms>) -> (String, Vec<Promise>) {
    if let Some(terms) = masked {
        let MaskedTerms { sites, threshold, corrupt, .. } = terms;
        let words = format!(
            "masked aggregation by the coordinator, no nodes: {threshold} of {sites} hospitals must \
             finish a round; secrecy holds against the coordinator with up to {corrupt} of them"
        );
        let private = manifest.tasks.iter().any(|task| task.noise.is_some());
        return (words, masked_mode(terms, manifest.min_sites, private));
    }
    let (nodes, quorum) = (manifest.nodes.len(), manifest.release_quorum);
    let words = match quorum {
        None => format!("{nodes} SMPC nodes, additive shares"),
        Some(quorum) => format!("{nodes} SMPC nodes, additive shares, released by any {quorum}"),
    };
    let sites: Vec<&str> = manifest.sites.iter().map(|site| site.operator.as_str()).collect();
    let of_nodes = manifest.nodes.iter().map(|node| &node.operator);
    let shared: Vec<String> =
        of_nodes.filter(|operator| sites.contains(&operator.as_str())).cloned().collect();
    (words, node_mode(nodes, quorum, &shared))
}

fn title(report: &StudyReport, subject: &str, hospitals: usize) -> String {
    let subject = if subject.is_empty() { "patients" } else { subject };
    match page::patients(report) {
        Some(known) => {
            format!("{} {subject}, {hospitals} hospitals", known.text(report.floors.min_cell))
        }
        None => format!("{subject}, {hospitals} hospitals"),
    }
}

/// The attempts of a task.
pub(super) fn of_task<'a>(log: &'a [Event], task: &'a str) -> impl Iterator<Item = &'a Event> {
    log.iter().filter(move |event| match event {
        Event::Released { round, .. } | Event::Failed { round, .. } => round.task == task,
        _ => false,
    })
}

fn bytes_of(network: &Network, round: &Round) -> u64 {
    from_hex(&round.digest)
        .map_or(0, |digest| network.hub.round_reports(&Digest::from_bytes(digest)).0)
}

fn step(
    network: &Network,
    config: &Config,
    plan: &Plan,
    entry: &TaskEntry,
    result: Option<&serde_json::Value>,
    timing: &Timing,
    log: &[Event],
) -> Result<Step, Error> {
    let (mut rounds, mut failed, mut sent, mut released) = (0, 0, 0u64, 0u64);
    let mut took = 0.0_f64;
    for event in of_task(log, &entry.id) {
        match event {
            Event::Released { round, bytes_released, seconds, .. } => {
                rounds += 1;
                released += bytes_released;
                sent += bytes_of(network, round);
                took += seconds;
            }
            Event::Failed { round, seconds, .. } => {
                failed += 1;
                sent += bytes_of(network, round);
                took += seconds;
            }
            _ => {}
        }
    }
    let title = config.about.heading(&network.manifest, &entry.id);
    let class = class(&network.manifest, plan, entry)?;
    Ok(Step {
        id: entry.id.clone(),
        title: title.to_owned(),
        task: entry.task.clone(),
        class,
        cohort: cohort(&network.manifest, entry)?,
        rounds,
        attempts_failed: failed,
        // Rounds from before a restart took their time, too.
        seconds: timing.tasks.get(&entry.id).copied().unwrap_or_default().max(took),
        bytes_sent_by_sites: sent,
        bytes_received_by_nodes: sent,
        bytes_released: released,
        result: result.map(StepResult::read),
    })
}

/// Whether a task is exact, or with what guarantee.
///
/// # Errors
/// When a figure of its plan has no bound.
pub(crate) fn class(manifest: &Manifest, plan: &Plan, entry: &TaskEntry) -> Result<Class, Error> {
    let Some(task) = plan.tasks.iter().find(|task| task.id == entry.id) else {
        return Ok(Class::Exact);
    };
    let own = privacy(manifest, task, plan.digest())?;
    Ok(Class::Private(match entry.task == vector_sum::NAME {
        true => of_sites(manifest, entry, own)?,
        false => own,
    }))
}

/// Canonical text of a task's cohort.
///
/// # Errors
/// When the schema is none, or the cohort does not fit it.
pub(crate) fn cohort(manifest: &Manifest, entry: &TaskEntry) -> Result<String, Error> {
    let schema = Schema::from_toml(&manifest.schema)?;
    Ok(Selection::of_params(&entry.params, &schema)?.to_string())
}

/// The guarantee of a private task: its whole plan of steps and spare attempts, whatever number of
/// them ran (rules L1, L2).
fn privacy(manifest: &Manifest, task: &TaskPlan, plan: Digest) -> Result<Privacy, Error> {
    let delta = Delta::new(task.noise.delta)?;
    let charged = task.charged()?;
    let best = budget::best(std::slice::from_ref(task), plan, manifest.draws().1, delta)?;
    Ok(Privacy {
        epsilon_coalition: charged.epsilon.get(),
        best_coalition: best.coalition.into(),
        best_public: best.public.into(),
        delta: delta.get(),
        cost: charged.cost.get(),
        sampling_rate: task.noise.q,
        noise_s: task.noise.s as f64,
        sensitivity: task.noise.sensitivity as f64,
        site_bound: Some(task.noise.sensitivity as f64 * manifest.max_patients() as f64),
        unit: "patient".into(),
        adjacency: "add/remove".into(),
        accountant: charged.cost.filter().to_string(),
    })
}

/// The same for vectors that a framework at each site makes: nobody can tell what a patient does to one,
/// so noise hides a whole site's.
fn of_sites(manifest: &Manifest, entry: &TaskEntry, own: Privacy) -> Result<Privacy, Error> {
    let mut params = entry.params.clone();
    params.remove(selection::KEY);
    let bound = VectorSum::new(&params)?.query(&0).site_bound(manifest.max_patients())?;
    Ok(Privacy {
        site_bound: Some(bound as f64),
        unit: vector_sum::UNIT.into(),
        adjacency: vector_sum::ADJACENCY.into(),
        ..own
    })
}

/// The committed plan with the best figures for all of it; `None` where nothing is private.
fn committed(manifest: &Manifest, plan: &Plan) -> Result<Option<Committed>, Error> {
    let Some(delta) = budget::delta(plan) else { return Ok(None) };
    let best = budget::best(&plan.tasks, plan.digest(), manifest.draws().1, delta)?;
    Ok(Some(Committed {
        digest: plan.digest().to_string(),
        delta: delta.get(),
        best_coalition: best.coalition.into(),
        best_public: best.public.into(),
    }))
}

/// Who refused a round at which the coordinator stopped before this start.
fn stops(network: &Network, round: &Round) -> Vec<String> {
    from_hex(&round.digest)
        .map_or_else(|_| Vec::new(), |own| network.before.stops(&Digest::from_bytes(own)).to_vec())
}

fn round_row(network: &Network, event: &Event) -> Option<RoundRow> {
    let sites_total = u32::try_from(network.manifest.sites.len()).unwrap_or(u32::MAX);
    let row = |round: &Round, seconds: f64, status| RoundRow {
        number: round.number,
        task: network
            .manifest
            .task(&round.task)
            .map_or_else(|_| round.task.clone(), |entry| entry.task.clone()),
        step: round.task.clone(),
        attempt: round.attempt + 1,
        class: if round.exact { RoundClass::Exact } else { RoundClass::Private },
        sites_accepted: 0,
        sites_total,
        left_out: Vec::new(),
        refused: Vec::new(),
        seconds,
        bytes: bytes_of(network, round),
        digest: round.digest.clone(),
        status,
        stops: stops(network, round),
    };
    match event {
        Event::Released { round, accepted, left_out, refused, seconds, .. } => Some(RoundRow {
            sites_accepted: u32::try_from(accepted.len()).unwrap_or(u32::MAX),
            left_out: left_out.clone(),
            refused: refused.clone(),
            ..row(round, *seconds, RoundStatus::Released)
        }),
        Event::Failed { round, seconds, reason } => {
            Some(row(round, *seconds, RoundStatus::Failed { reason: reason.clone() }))
        }
        _ => None,
    }
}

fn ledgers(network: &Network) -> Vec<SiteLedger> {
    let ledgers = network.hub.ledgers();
    let in_order = network.manifest.sites.iter().filter_map(|site| {
        ledgers.get(&site.name).map(|ledger| SiteLedger {
            site: site.name.clone(),
            population: ledger.population.clone(),
            epsilon_spent: ledger.epsilon_spent,
            epsilon_limit: ledger.epsilon_limit,
            delta: ledger.delta,
            filter: ledger.filter.clone(),
            cost_spent: ledger.cost_spent,
            cost_limit: ledger.cost_limit,
            exact_releases: u32::try_from(ledger.exact_releases).unwrap_or(u32::MAX),
        })
    });
    in_order.collect()
}

fn parties(manifest: &Manifest) -> Vec<Party> {
    let party = |name: &str, operator: &str, [identity, tls]: [&str; 2], role, note: &str| Party {
        name: name.to_owned(),
        role,
        operator: operator.to_owned(),
        // What parties read to one another: of both keys.
        fingerprint: fingerprint(identity, tls).unwrap_or_default(),
        note: note.to_owned(),
    };
    let c = &manifest.coordinator;
    let mut parties =
        vec![party(&c.name, &c.operator, [&c.identity, &c.tls], Role::Coordinator, "")];
    for (position, node) in manifest.nodes.iter().enumerate() {
        let note = if position == 0 { "holds the vector share" } else { "holds seed shares" };
        parties.push(party(
            &node.name,
            &node.operator,
            [&node.identity, &node.tls],
            Role::Node,
            note,
        ));
    }
    for site in &manifest.sites {
        let note = format!("at most {} patients", site.max_patients);
        parties.push(party(
            &site.name,
            &site.operator,
            [&site.identity, &site.tls],
            Role::Site,
            &note,
        ));
    }
    parties
}

/// How a reader checks the report.
fn checks() -> Vec<Check> {
    let check = |text: &str, command: &str| Check { text: text.into(), command: command.into() };
    vec![
        check(
            "Verify a party's journal: hash chain and signature of every record.",
            "haima audit verify --manifest manifest.toml --party NAME audit.log",
        ),
        check("Read every number of this page as JSON.", "less report.json"),
    ]
}

/// Sites that are in no released sum, with the reason; and a warning for each that is in some, but
/// whose proof failed in others.
pub(super) fn absences(manifest: &Manifest, log: &[&Event]) -> (Vec<Excluded>, Vec<String>) {
    let (mut excluded, mut warnings) = (Vec::new(), Vec::new());
    let sums = log.iter().filter(|event| matches!(event, Event::Released { .. })).count();
    for site in &manifest.sites {
        let (mut present, mut failed) = (0, 0);
        for event in log {
            if let Event::Released { accepted, refused, .. } = event {
                present += usize::from(accepted.contains(&site.name));
                failed += usize::from(refused.contains(&site.name));
            }
        }
        match (present, failed) {
            _ if sums == 0 => {}
            (0, 0) => excluded.push(Excluded {
                site: site.name.clone(),
                reason: "in no sum: nothing complete came in time, or it was not of the study's first exact sum".into(),
            }),
            (0, _) => excluded.push(Excluded {
                site: site.name.clone(),
                reason: format!(
                    "not accepted: the site or a node deviated. In {failed} of {sums} sums its \
                     proof that its contribution is within its bound failed."
                ),
            }),
            (_, 0) => {}
            _ => warnings.push(format!(
                "{} was left out of {failed} of {sums} sums: not accepted, the site or a node \
                 deviated (its proof of the bound failed).",
                site.name
            )),
        }
    }
    (excluded, warnings)
}

/// A site below its own floor sends zeros and is not told apart; exact results count how many did.
fn contributed_nothing(network: &Network, steps: &[Step]) -> Vec<String> {
    let all = network.manifest.sites.len() as u64;
    // Sums under noise release no count of sites.
    let exact = steps.iter().filter(|step| step.class == Class::Exact);
    let counted = exact.filter_map(|step| {
        let (_, sites) = step.result.as_ref()?.counts()?;
        (sites < all).then(|| {
            format!(
                "{} of {all} hospitals added nothing to \"{}\": fewer complete rows than their own \
                 floor, or absent.",
                all - sites,
                step.title
            )
        })
    });
    counted.collect()
}
