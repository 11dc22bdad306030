//! What a manifest must hold to be sound in itself.

use std::collections::BTreeSet;

use haima_crypto::encode::{Digest, from_hex};
use haima_crypto::identity::IdentityPublic;

use super::{Class, MAX_SITES, Manifest, address_fits, check_name, fault, operator_fits, title};
use crate::Error;
use crate::masking::{Masking, Mode};

impl Manifest {
    /// Checks that the manifest is sound in itself.
    ///
    /// # Errors
    /// [`Error::Manifest`], naming the field.
    pub fn checked(self) -> Result<Self, Error> {
        if self.version != 1 {
            return Err(fault(
                Some("version"),
                format!("{}; this program reads version 1", self.version),
            ));
        }
        check_name("study", &self.study)?;
        if (self.revision <= 1) != self.amends.is_none() || self.revision == 0 {
            let problem = format!("revision {}; every one but the first amends one", self.revision);
            return Err(fault(Some("amends"), problem));
        }
        if let Some(amends) = &self.amends {
            from_hex::<32>(amends).map_err(|e| fault(Some("amends"), e.to_string()))?;
        }
        self.check_mode()?;
        if self.sites.len() > MAX_SITES {
            let problem = format!("{} sites; at most {MAX_SITES}", self.sites.len());
            return Err(fault(Some("site"), problem));
        }
        let operators: BTreeSet<&str> = self.sites.iter().map(|s| s.operator.as_str()).collect();
        let floor = self.min_sites as usize;
        if floor < 2 || floor > operators.len() {
            let problem = format!(
                "{floor}; it must be at least 2 and at most the {} distinct operators of sites",
                operators.len()
            );
            return Err(fault(Some("min_sites"), problem));
        }
        if self.max_dimension == 0 || self.max_dimension > 50_000_000 {
            return Err(fault(Some("max_dimension"), "must be 1 to 50,000,000".into()));
        }
        for (field, value) in [("round_ms", self.round_ms), ("grace_ms", self.grace_ms)] {
            if !(100..=86_400_000).contains(&value) {
                return Err(fault(Some(field), format!("{value}; must be 100 to 86,400,000")));
            }
        }
        if self.tick_ms == 0 || u64::from(self.tick_ms) > self.round_ms {
            return Err(fault(Some("tick_ms"), "must be at least 1 and at most round_ms".into()));
        }
        if !(1..=100).contains(&self.hospitals_per_patient) {
            return Err(fault(Some("hospitals_per_patient"), "must be 1 to 100".into()));
        }
        if self.mode == Mode::Masked && self.release_quorum.is_some() {
            let problem = "masked mode has none: there are no nodes to release a sum";
            return Err(fault(Some("release_quorum"), problem.into()));
        }
        if let Some(quorum) = self.release_quorum
            && !(2..self.nodes.len()).contains(&(quorum as usize))
        {
            let most = self.nodes.len() - 1;
            let problem = format!("{quorum}; must be at least 2 and at most {most} of the nodes");
            return Err(fault(Some("release_quorum"), problem));
        }
        self.check_parties()?;
        self.check_tasks()?;
        self.check_plan()?;
        Ok(self)
    }

    /// Nodes, or the terms of masks, and never both.
    fn check_mode(&self) -> Result<(), Error> {
        let nodes = self.nodes.len();
        match (self.mode, self.masking) {
            (Mode::Nodes, None) if (2..=haima_crypto::share::MAX_PARTIES).contains(&nodes) => {}
            (Mode::Nodes, None) => {
                let problem =
                    format!("{nodes} nodes; a study needs 2 to 64, or none and mode = \"masked\"");
                return Err(fault(Some("node"), problem));
            }
            (Mode::Nodes, Some(_)) => {
                return Err(fault(Some("masking"), "it belongs to mode = \"masked\"".into()));
            }
            (Mode::Masked, None) => {
                let problem = "missing; masked mode states threshold and corrupt".into();
                return Err(fault(Some("masking"), problem));
            }
            (Mode::Masked, Some(_)) if nodes > 0 => {
                return Err(fault(Some("node"), "masked mode has no nodes".into()));
            }
            (Mode::Masked, Some(masking)) => masking
                .check(self.sites.len())
                .map_err(|(field, problem)| fault(Some(field), problem))?,
        }
        Ok(())
    }

    fn check_parties(&self) -> Result<(), Error> {
        let (mut names, mut keys, mut pins) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (name, identity, tls) in self.parties() {
            check_name(&format!("party {name}"), name)?;
            let key = IdentityPublic::from_hex(identity)
                .map_err(|e| fault(Some(&format!("identity of {name}")), e.to_string()))?;
            let pin: [u8; 32] =
                from_hex(tls).map_err(|e| fault(Some(&format!("tls of {name}")), e.to_string()))?;
            if !names.insert(name) {
                return Err(fault(Some("name"), format!("{name} stands twice")));
            }
            if !keys.insert(*key.as_bytes()) || !pins.insert(pin) {
                return Err(fault(Some("identity or tls"), format!("{name} has another's key")));
            }
        }
        let of = |field: &str, name: &str| {
            let field = format!("{field} of {name}");
            move |problem| fault(Some(&field), problem)
        };
        for party in self.nodes.iter().chain([&self.coordinator]) {
            operator_fits(&party.operator).map_err(of("operator", &party.name))?;
            address_fits(&party.address).map_err(of("address", &party.name))?;
        }
        for site in &self.sites {
            operator_fits(&site.operator).map_err(of("operator", &site.name))?;
            if site.max_patients == 0 || site.max_patients > 1_000_000_000 {
                let field = format!("max_patients of {}", site.name);
                return Err(fault(Some(&field), "must be 1 to 1,000,000,000".into()));
            }
        }
        Ok(())
    }

    fn check_tasks(&self) -> Result<(), Error> {
        let mut ids = BTreeSet::new();
        for task in &self.tasks {
            check_name("task id", &task.id)?;
            let field = |name: &str| format!("{name} of task {}", task.id);
            if !ids.insert(task.id.as_str()) {
                return Err(fault(Some("task id"), format!("{} stands twice", task.id)));
            }
            if task.max_steps == 0 || task.max_steps > 100_000 || task.spare_attempts > 100_000 {
                return Err(fault(Some(&field("max_steps")), "must be 1 to 100,000".into()));
            }
            if let Some(title) = &task.title {
                title::fits(title).map_err(|problem| fault(Some(&field("title")), problem))?;
            }
            if task.needs_bound && self.mode == Mode::Masked {
                let problem = "no proof bounds a site in masked mode (rule M3); run it with nodes";
                return Err(fault(Some(&field("needs_bound")), problem.into()));
            }
            match (task.class, task.noise) {
                (Class::Exact, None) => {}
                (Class::Exact, Some(_)) => {
                    return Err(fault(Some(&field("noise")), "an exact task has no noise".into()));
                }
                (Class::Private, None) => {
                    let problem = "missing; a private task states s and sensitivity".into();
                    return Err(fault(Some(&field("noise")), problem));
                }
                (Class::Private, Some(noise)) => {
                    let draws = self.masking.map_or(1, Masking::honest);
                    if noise.draws != draws {
                        let problem = format!("{}; this study's sums have {draws}", noise.draws);
                        return Err(fault(Some(&field("noise.draws")), problem));
                    }
                    if !(noise.q > 0.0 && noise.q <= 1.0) {
                        let problem = format!("{}; must be above 0 and at most 1", noise.q);
                        return Err(fault(Some(&field("noise.q")), problem));
                    }
                    if noise.dimension == 0 || noise.dimension > u64::from(self.max_dimension) {
                        let problem = format!(
                            "{}; must be 1 to max_dimension = {}, which may have to be raised",
                            noise.dimension, self.max_dimension
                        );
                        return Err(fault(Some(&field("noise.dimension")), problem));
                    }
                    haima_dp::noise::NoiseScale::new(noise.s)
                        .map_err(|e| fault(Some(&field("noise.s")), e.to_string()))?;
                    haima_dp::units::Sensitivity::new(noise.sensitivity)
                        .map_err(|e| fault(Some(&field("noise.sensitivity")), e.to_string()))?;
                    haima_dp::units::Delta::new(noise.delta)
                        .map_err(|e| fault(Some(&field("noise.delta")), e.to_string()))?;
                    noise
                        .filter()
                        .map_err(|e| fault(Some(&field("noise.order")), e.to_string()))?;
                }
            }
        }
        Ok(())
    }

    /// The plan's digest is what every round, and so every ledger entry, is bound to.
    fn check_plan(&self) -> Result<(), Error> {
        let named = from_hex(&self.plan).map_err(|e| fault(Some("plan"), e.to_string()))?;
        let own = crate::plan::Plan::of(self).digest();
        if Digest::from_bytes(named) != own {
            let problem = format!("{}; the tasks' noise has the plan {own}", self.plan);
            return Err(fault(Some("plan"), problem));
        }
        Ok(())
    }
}
