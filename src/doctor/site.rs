//! What a hospital needs: policy, data, ledger, journal, and the parties that it connects to.

use std::path::Path;

use haima_crypto::encode::Digest;
use haima_dp::ledger::{Budget, Ledger, summary};
use haima_fl_core::Error as TaskError;
use haima_fl_core::schema::Schema;
use haima_smpc_node::audit;
use haima_smpc_node::manifest::{Class, Manifest};

use super::study::{self, Files};
use super::{Check, machine, network};
use crate::Error;
use crate::data::source;
use crate::site::{Config, Policy};

/// Looks at a hospital's configuration and all that it names.
pub(super) async fn examine(path: &Path) -> Vec<Check> {
    let config = match Config::read(path) {
        Ok(config) => config,
        Err(error) => {
            return vec![Check::of("configuration", Err(error), "docs/guides has every field")];
        }
    };
    let what = format!("of the site {}, {}", config.name, path.display());
    let mut checks = vec![Check::ok("configuration", &what)];
    let manifest = study::manifest(&config.manifest, &mut checks);
    let files = Files {
        identity: &config.identity,
        certificate: &config.tls_certificate,
        key: &config.tls_key,
        proxy: config.proxy.as_deref(),
    };
    let tls = study::keys(&files, Some(&config.name), manifest.as_deref(), &mut checks);
    checks.push(machine::takes_files("state", &config.state));
    let round = manifest.as_deref().map_or(0, largest_round);
    checks.push(machine::disk(&config.state, round));
    let policy = Policy::read(&config.policy);
    let Some(manifest) = manifest else {
        checks.push(policy_alone(policy));
        return checks;
    };
    let remedy = "ask for an amendment that names this site, or correct `name`";
    if let Err(error) = manifest.site(&config.name) {
        checks.push(Check::of("site", Err(error.into()), remedy));
    }
    checks.extend(study::tasks(&manifest, false));
    checks.push(data(&config, &manifest));
    match policy {
        Err(error) => checks.push(policy_alone(Err(error))),
        Ok(policy) => {
            checks.extend(self::policy(&policy, &manifest));
            checks.push(ledger(&config, &policy, &manifest));
        }
    }
    checks.push(journal(&config, &manifest));
    if let Some(tls) = tls {
        let proxied = config.proxy.is_some();
        let (coordinator, nodes) = tokio::join!(
            network::coordinator(&manifest, &tls, proxied),
            network::nodes(&manifest, &tls, proxied)
        );
        checks.push(coordinator);
        checks.extend(nodes);
    }
    checks
}

/// Bytes that a round leaves in the outbox: a vector with its proof, and small shares.
fn largest_round(manifest: &Manifest) -> u64 {
    let vector = u64::from(manifest.max_dimension).saturating_mul(16);
    vector.saturating_mul(2).saturating_add(1 << 20)
}

fn policy_alone(policy: Result<Policy, Error>) -> Check {
    let found = policy.map(|_| "parses; there is no study to hold it against".to_owned());
    Check::of("policy", found, "docs/guides has every field")
}

/// What the policy says, held against the study: what it will refuse is told before anybody asks.
fn policy(policy: &Policy, manifest: &Manifest) -> Vec<Check> {
    let what = "policy";
    if let Err(error) = policy.budget(manifest) {
        return vec![Check::of(what, Err(error), "correct its epsilon, delta or order")];
    }
    let mut checks = Vec::new();
    let mut warn = |finding: String| checks.push(Check::warn(what, &finding));
    for (field, ids) in
        [("exact_tasks", &policy.exact_tasks), ("row_revealing_tasks", &policy.row_revealing_tasks)]
    {
        let unknown: Vec<&str> =
            ids.iter().filter(|id| manifest.task(id).is_err()).map(String::as_str).collect();
        if !unknown.is_empty() {
            let ids = unknown.join(", ");
            warn(format!(
                "`{field}` names {ids}, which the study does not have; check the spelling"
            ));
        }
    }
    let exact = manifest.tasks.iter().filter(|task| task.class == Class::Exact);
    let refused: Vec<&str> = exact
        .map(|task| task.id.as_str())
        .filter(|id| !policy.exact_tasks.iter().any(|own| own == id))
        .collect();
    if !refused.is_empty() {
        warn(format!(
            "{} will be refused: they run without noise, and `exact_tasks` does not have them; add \
             them, if they may",
            refused.join(", ")
        ));
    }
    if policy.min_sites > manifest.min_sites {
        warn(format!(
            "`min_sites` = {} is more than the study's {}, so every round will be refused; lower it, \
             or have the study amended",
            policy.min_sites, manifest.min_sites
        ));
    }
    if checks.is_empty() {
        let finding = format!("epsilon {} in all; it refuses no task of the study", policy.epsilon);
        checks.push(Check::ok(what, &finding));
    }
    checks
}

/// Whether the data can be read by the study's schema. Neither how many patients there are nor what a
/// field holds is told.
fn data(config: &Config, manifest: &Manifest) -> Check {
    let (what, file) = ("data", config.data.display());
    let most = manifest.site(&config.name).map_or(u64::MAX, |site| site.max_patients);
    let why = format!("haima check {file} --schema {}", config.manifest.display());
    let schema = match Schema::from_toml(&manifest.schema) {
        Ok(schema) => schema,
        Err(error) => return Check::fail(what, &format!("{error}; this says more: {why}")),
    };
    match source::cohort(&config.data, &schema) {
        // A name that the schema does not have may be a patient's: the first row of a file without a
        // header. A line's number says that there are as many patients at least.
        Err(Error::Task(TaskError::Intake { field, .. })) => {
            let at = match schema.column(&field) {
                Ok(_) => format!(", field `{field}`"),
                Err(_) => String::new(),
            };
            Check::fail(what, &format!("{file}{at} cannot be used; this says why: {why}"))
        }
        Err(error) => Check::fail(what, &format!("{error}; this says more: {why}")),
        Ok(cohort) if cohort.patients() as u64 > most => {
            let remedy = "ask for an amendment with a larger `max_patients`";
            Check::fail(
                what,
                &format!("{file}: more patients than the manifest's {most}; {remedy}"),
            )
        }
        Ok(_) => match machine::open_to_all(&config.data) {
            Some(mode) => {
                let finding =
                    format!("{file}: mode {mode:o}, everybody here can read it; chmod 640");
                Check::warn(what, &finding)
            }
            None => Check::ok(what, &format!("{file} fits the study's schema and cap")),
        },
    }
}

fn ledger(config: &Config, policy: &Policy, manifest: &Manifest) -> Check {
    let what = "ledger";
    let population = config.population.as_ref().unwrap_or(&policy.default_population);
    let found = || -> Result<Option<(String, Budget, f64)>, Error> {
        let path = config.state.join(Ledger::file_name(population)?);
        if !path.exists() {
            return Ok(None);
        }
        let held = summary(&path, population)?;
        let limit = held.budget.overall;
        let head = Digest::from_bytes(held.head).short();
        let text = format!(
            "population {population}: entry {}, head {head}; epsilon {:.3} used of {} at delta {:e}",
            held.last,
            held.epsilon_spent,
            limit.epsilon.get(),
            limit.delta.get()
        );
        Ok(Some((text, held.budget, held.left.get())))
    };
    let (text, recorded, left) = match found() {
        Err(error) => {
            let remedy = "restore it whole from the newest copy; never delete or cut it";
            return Check::of(what, Err(error), remedy);
        }
        Ok(None) => {
            return Check::ok(
                what,
                &format!("population {population}: none yet; the first run makes it"),
            );
        }
        Ok(Some(found)) => found,
    };
    match policy.budget(manifest) {
        Ok(budget) if budget == recorded && left > 0.0 => Check::ok(what, &text),
        Ok(budget) if budget == recorded => {
            Check::warn(what, &format!("{text}; nothing is left: rounds with noise are refused"))
        }
        Ok(budget) if policy.amended(&budget).is_some() => Check::warn(
            what,
            &format!("{text}; the policy's amendment is recorded at the next start"),
        ),
        _ => {
            let remedy = "put the policy's figures back, or state the new ones in its `amendment`";
            Check::fail(what, &format!("{text}; the policy has another budget: {remedy}"))
        }
    }
}

fn journal(config: &Config, manifest: &Manifest) -> Check {
    let path = config.state.join("audit.log");
    let found = || -> Result<String, Error> {
        if !path.exists() {
            return Ok("none yet; the first run makes it".into());
        }
        let key = manifest.identity(&config.name)?;
        let (records, head) = audit::read_with_head(&path, &config.name, &key)?;
        Ok(format!("{} records verified, head {}", records.len(), head.short()))
    };
    Check::of("journal", found(), "restore it whole; a damaged journal is never cut")
}
