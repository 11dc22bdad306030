//! A site as it is started: from its configuration, over the folder that an earlier start left.

use std::time::Duration;

use haima_smpc_node::study::{Approvals, Study as Signed};
use haima_smpc_node::tls::TlsIdentity;

use super::*;
use crate::site::{Config, daemon};

impl Fixture {
    /// The configuration of `site-a` with its policy, and its patients in a file of this name.
    fn config(&self, file: &str) -> Config {
        let home = self.folder.path().join("site-a");
        let config = Config {
            name: "site-a".into(),
            manifest: home.join("manifest.toml"),
            identity: home.join("identity.key"),
            tls_certificate: home.join("tls.crt"),
            tls_key: home.join("tls.key"),
            policy: home.join("policy.toml"),
            data: home.join(file),
            population: None,
            proxy: None,
            state: home.join("state"),
        };
        std::fs::write(&config.policy, toml::to_string(&Self::policy()).unwrap()).unwrap();
        std::fs::write(&config.data, PATIENTS).unwrap();
        config
    }

    /// The hospital as the daemon opens it.
    fn opened(&self, config: &Config) -> Hospital {
        let tls = TlsIdentity::read(&config.tls_certificate, &config.tls_key).unwrap();
        daemon::open(config, &self.manifest, &tls).unwrap().0
    }

    /// The manifest with the signatures of all parties, where a configuration has it.
    fn sign(&self, config: &Config) {
        let manifest = self.manifest.as_ref();
        let mut approvals = Approvals::new(manifest);
        for (name, ..) in manifest.parties() {
            let key = self.folder.path().join(name).join("identity.key");
            approvals.sign(manifest, name, &keyfile::read_identity(&key).unwrap()).unwrap();
        }
        std::fs::write(&config.manifest, toml::to_string(manifest).unwrap()).unwrap();
        approvals.write(&Signed::signatures_of(&config.manifest)).unwrap();
    }
}

/// L3: the data file under another name has spent what it has spent, under the policy's population and
/// under a declared one. A ledger that is found by anything of that name would be a new one.
#[test]
fn a_renamed_data_file_opens_no_budget_when_the_site_starts_again() {
    for declared in [None, Some("declared")] {
        let fixture = Fixture::new();
        let run = fixture.run("hazard");
        let query = run.query().unwrap();
        let open = |file: &str| {
            let population = declared.map(str::to_owned);
            fixture.opened(&Config { population, ..fixture.config(file) })
        };
        let mut hospital = open("mds-2025.csv");
        for number in 1..=5 {
            let spec = fixture.spec("hazard", &query, number);
            hospital.submission(&spec, &fixture.epoch, run.as_ref()).unwrap();
        }
        let spent = hospital.ledger.spent_total();
        drop(hospital);
        let mut hospital = open("mds-2025-copy.csv");
        assert_eq!(hospital.ledger.population(), declared.unwrap_or("unit"));
        assert_eq!(hospital.ledger.spent_total(), spent);
        let sixth = fixture.spec("hazard", &query, 6);
        let refused = hospital.submission(&sixth, &fixture.epoch, run.as_ref());
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("left"), "{declared:?}: {error}");
    }
}

/// S2: a hospital with more patients than the manifest's cap does not start; D is of hospitals below it.
#[test]
fn a_site_above_the_cap_does_not_start() {
    let fixture = Fixture::new();
    let config = fixture.config("cohort.csv");
    let cap = fixture.manifest.site("site-a").unwrap().max_patients;
    let rows: String = (0..=cap).map(|day| format!("{day},1,60\n")).collect();
    std::fs::write(&config.data, format!("days,dead,age\n{rows}")).unwrap();
    let tls = TlsIdentity::read(&config.tls_certificate, &config.tls_key).unwrap();
    let refused = daemon::open(&config, &fixture.manifest, &tls).map(|_| ()).unwrap_err();
    let error = refused.to_string();
    assert!(error.contains("more patients than the"), "{error}");
}

/// R5: sealed bytes go when their round has ended, though the coordinator is away and announces no other,
/// and not before: until then they may be sent again as they are. The first has ended when the site
/// starts, the second ends while it waits, the third is open.
#[tokio::test]
async fn sealed_bytes_go_when_their_round_ends_though_no_other_is_announced() {
    const PATIENCE: Duration = Duration::from_secs(60);
    let fixture = Fixture::new();
    let config = fixture.config("cohort.csv");
    fixture.sign(&config);
    let run = fixture.run("hazard");
    let query = run.query().unwrap();
    let now = unix_millis();
    let rounds = [(1, now - 60_000), (2, now + 2000), (3, now + 3_600_000)];
    let [ended, ending, open] = rounds.map(|(number, deadline_ms)| RoundSpec {
        deadline_ms,
        ..fixture.spec("hazard", &query, number)
    });
    let mut hospital = fixture.opened(&config);
    for spec in [&ended, &ending, &open] {
        hospital.submission(spec, &fixture.epoch, run.as_ref()).unwrap();
    }
    drop(hospital);
    let outbox = Outbox::open(config.state.join("outbox")).unwrap();
    let kept = |spec: &RoundSpec| outbox.get(&spec.digest()).unwrap().map(|kept| kept.to_bytes());
    let before = kept(&open);
    assert!(kept(&ended).is_some() && kept(&ending).is_some() && before.is_some());
    let watched = async {
        for spec in [&ended, &ending] {
            while kept(spec).is_some() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            assert!(unix_millis() >= spec.deadline_ms + fixture.manifest.grace_ms, "too early");
        }
    };
    tokio::select! {
        stopped = daemon::run(&config) => panic!("{stopped:?}"),
        watched = tokio::time::timeout(PATIENCE, watched) => watched.expect("they stay"),
    }
    assert_eq!(kept(&open), before);
}
