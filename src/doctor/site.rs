//! What a hospital needs: policy, data, ledger, journal, and the parties that it connects to.

use std::path::Path;

use haima_crypto::encode::Digest;
use haima_dp::ledger::{Budget, Ledger, Limit, summary};
use haima_fl_core::Error as TaskError;
use haima_fl_core::schema::Schema;
use haima_smpc_node::manifest::{Class, Manifest};
use haima_smpc_node::provision::Fit;
use haima_smpc_node::record::AuditRecord;

use super::study::{self, Files};
use super::{Check, kept, machine, network};
use crate::Error;
use crate::data::source;
use crate::site::{Config, Policy, budget};

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
    let no_files = machine::no_files(&[
        ("manifest", config.manifest.as_path()),
        ("identity", config.identity.as_path()),
        ("tls_certificate", config.tls_certificate.as_path()),
        ("tls_key", config.tls_key.as_path()),
        ("policy", config.policy.as_path()),
        ("data", config.data.as_path()),
    ]);
    if !no_files.is_empty() {
        checks.extend(no_files);
        return checks;
    }
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
    let (journal, records) = journal(&config, &manifest);
    match policy {
        Err(error) => checks.push(policy_alone(Err(error))),
        Ok(policy) => {
            checks.extend(self::policy(&policy, &manifest));
            let (ledger, left) = ledger(&config, &policy, &manifest);
            checks.push(ledger);
            checks.extend(left.and_then(|left| fits(&policy, &manifest, left, &records)));
        }
    }
    checks.push(journal);
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
    if let Err(problem) = policy.fits(manifest) {
        checks.push(Check::fail(what, &format!("{problem}; the site does not start")));
    }
    let mut warn = |finding: String| checks.push(Check::warn(what, &finding));
    for (field, ids) in policy.idle(manifest) {
        let ids = ids.join(", ");
        warn(format!("`{field}` names {ids}, which the study does not have; check the spelling"));
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
    let ids = || manifest.tasks.iter().map(|task| task.id.as_str());
    if let Some(allowed) = &policy.allowed_tasks {
        let refused: Vec<&str> = ids().filter(|id| !allowed.iter().any(|own| own == id)).collect();
        if !refused.is_empty() {
            let refused = refused.join(", ");
            warn(format!("{refused} will be refused: `allowed_tasks` does not have them"));
        }
    }
    let held: Vec<&str> = ids().filter(|id| policy.asks_first(id)).collect();
    if !held.is_empty() {
        let held = held.join(", ");
        warn(format!("{held} wait for a yes: haima site approvals lists them once the site runs"));
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

/// Whether what is left holds the study's private tasks; nothing where none is private.
fn fits(
    policy: &Policy,
    manifest: &Manifest,
    (limit, left): (Limit, f64),
    records: &[AuditRecord],
) -> Option<Check> {
    match budget::needs(manifest, policy, &limit, left, records) {
        Ok(None) => None,
        Ok(Some((Fit::Whole, text))) => Some(Check::ok("budget", &text)),
        Ok(Some((Fit::WithoutSpare { .. }, text))) => Some(Check::warn("budget", &text)),
        Ok(Some((Fit::Not { .. }, text))) => Some(Check::fail("budget", &text)),
        Err(error) => Some(Check::of("budget", Err(error), "tell whoever drafted the study")),
    }
}

/// The ledger, and limit and what is left of it, where the policy's is in force.
fn ledger(config: &Config, policy: &Policy, manifest: &Manifest) -> (Check, Option<(Limit, f64)>) {
    let what = "ledger";
    let population = config.population.as_ref().unwrap_or(&policy.default_population);
    let path = match Ledger::file_name(population) {
        Ok(name) => config.state.join(name),
        Err(error) => return (Check::of(what, Err(error.into()), "correct `population`"), None),
    };
    let there = match path.try_exists() {
        Ok(there) => there,
        Err(error) => return (kept::unseen(what, &path, &error), None),
    };
    let found = || -> Result<Option<(String, Budget, f64)>, Error> {
        if !there {
            return Ok(None);
        }
        let held = summary(&path, population)?;
        let limit = held.budget.overall;
        let head = Digest::from_bytes(held.head).short();
        let told = crate::budget::told(&limit, held.epsilon_spent, held.spent.get());
        let text = format!(
            "population {population}: entry {}, head {head}; epsilon {} used at delta {:e}; {}",
            held.last,
            told.epsilons(),
            limit.delta.get(),
            told.left()
        );
        Ok(Some((text, held.budget, held.left.get())))
    };
    let (text, recorded, left) = match found() {
        Err(error) => {
            let check = match kept::denied(&error) {
                Some(error) => kept::unseen(what, &path, &error),
                None => {
                    let remedy = "restore it whole from the newest copy; never delete or cut it";
                    Check::of(what, Err(error), remedy)
                }
            };
            return (check, None);
        }
        Ok(None) => {
            let text = format!("population {population}: none yet; the first run makes it");
            let limit = policy.budget(manifest).ok().map(|budget| budget.overall);
            return (Check::ok(what, &text), limit.map(|limit| (limit, limit.room().get())));
        }
        Ok(Some(found)) => found,
    };
    match policy.budget(manifest) {
        Ok(budget) if budget == recorded => {
            let check = if left > 0.0 {
                Check::ok(what, &text)
            } else {
                let text = format!("{text}; nothing is left: rounds with noise are refused");
                Check::warn(what, &text)
            };
            (check, Some((budget.overall, left)))
        }
        Ok(budget) if policy.amended(&budget).is_some() => {
            let text = format!("{text}; the policy's amendment is recorded at the next start");
            (Check::warn(what, &text), None)
        }
        Ok(budget) => {
            let line = budget::amendment(&budget.overall);
            let remedy =
                format!("put the policy's figures back, or add to it, with the reason: {line}");
            let text = format!("{text}; the policy has another budget: {remedy}");
            (Check::fail(what, &text), None)
        }
        Err(_) => {
            let text = format!("{text}; the policy's own cannot be used, as said above");
            (Check::fail(what, &text), None)
        }
    }
}

fn journal(config: &Config, manifest: &Manifest) -> (Check, Vec<AuditRecord>) {
    let name = &config.name;
    kept::journal(&config.state.join("audit.log"), name, manifest.identity(name))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::coordinator::refusals::tests::manifest;
    use crate::doctor::Level;

    /// A misspelt id in a list that allows refuses too much; in the list of what waits for a yes it would
    /// let a task through without one.
    #[test]
    fn an_id_that_the_study_does_not_have_fails_where_it_would_answer_without_a_yes() {
        let manifest = manifest();
        let found = |policy: &Policy| super::policy(policy, &manifest);
        let ids = || vec!["whoo".to_owned()];
        let approval = |ids| Some(crate::site::Approval::Tasks(ids));
        let wrong = Policy { manual_approval: approval(ids()), ..Policy::new("all", 1.0) };
        let checks = found(&wrong);
        let failed = checks.iter().find(|check| check.level == Level::Fail);
        let failed = failed.unwrap_or_else(|| panic!("nothing failed")).finding.as_str();
        assert!(failed.contains("`manual_approval` names whoo"), "{failed}");
        let right = approval(vec!["who".to_owned()]);
        let right = Policy { manual_approval: right, ..Policy::new("all", 1.0) };
        assert!(found(&right).iter().all(|check| check.level != Level::Fail));
        let tag = "0".repeat(32);
        let runs = || ["whoo/2", "who/2"].map(|run| format!("{run}@{tag}")).to_vec();
        for (field, policy) in [
            ("exact_tasks", Policy { exact_tasks: ids(), ..right.clone() }),
            ("row_revealing_tasks", Policy { row_revealing_tasks: ids(), ..right.clone() }),
            ("allowed_tasks", Policy { allowed_tasks: Some(ids()), ..right.clone() }),
            ("approved_reruns", Policy { approved_reruns: runs(), ..right.clone() }),
            ("approved_other_sites", Policy { approved_other_sites: runs(), ..right.clone() }),
            ("approved_cohorts", Policy { approved_cohorts: ids(), ..right.clone() }),
        ] {
            let words = format!("`{field}` names whoo, which");
            let warned =
                |check: &Check| check.level == Level::Warn && check.finding.contains(&words);
            assert!(found(&policy).iter().any(warned), "{field}");
        }
    }

    /// A state that this user cannot look into: here it is no folder, which holds for every user.
    #[test]
    fn what_may_not_be_looked_at_is_not_said_to_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        std::fs::write(&state, "").unwrap();
        let nowhere = PathBuf::from("none");
        let mut config = Config {
            name: "a".into(),
            manifest: nowhere.clone(),
            identity: nowhere.clone(),
            tls_certificate: nowhere.clone(),
            tls_key: nowhere.clone(),
            policy: nowhere.clone(),
            data: nowhere,
            population: None,
            proxy: None,
            state: state.clone(),
        };
        let (policy, manifest) = (Policy::new("all", 1.0), manifest());
        let (check, left) = ledger(&config, &policy, &manifest);
        assert!(check.level == Level::Warn && left.is_none(), "{check}");
        assert!(check.finding.contains("cannot be looked at"), "{check}");
        let (check, records) = journal(&config, &manifest);
        assert!(check.level == Level::Warn && records.is_empty(), "{check}");
        assert!(check.finding.contains("cannot be looked at"), "{check}");

        config.state = folder.path().join("later");
        assert_eq!(ledger(&config, &policy, &manifest).0.level, Level::Ok);
        assert_eq!(journal(&config, &manifest).0.level, Level::Ok);
    }
}
