//! The canonical bytes of a manifest and of its roster, by digest.

use std::collections::BTreeMap;

use haima_crypto::encode::{Digest, Encoder};

use super::{Class, Manifest, Party};

impl Manifest {
    /// Digest of the roster: the names of all sites in the manifest's order.
    #[must_use]
    pub fn roster_digest(&self) -> Digest {
        let mut to = Encoder::new("haima roster 1");
        to.count(self.sites.len());
        for site in &self.sites {
            to.str(&site.name);
        }
        Digest::of(&to.finish())
    }

    /// Digest of the whole manifest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        // Titles came later: without any the encoding is the one before, so what was signed stays so.
        let titled = self.tasks.iter().any(|task| task.title.is_some());
        let mut to = Encoder::new(if titled { "haima manifest 6" } else { "haima manifest 5" });
        to.u32(self.version).str(&self.study).u32(self.revision);
        to.str(&self.amends.as_deref().unwrap_or_default().to_lowercase());
        to.u32(self.min_sites).u32(self.max_dimension);
        to.u64(self.round_ms).u64(self.grace_ms).u32(self.tick_ms);
        to.u32(self.hospitals_per_patient).u32(self.release_quorum.unwrap_or(0));
        to.u8(u8::from(self.masking.is_some()));
        if let Some(masking) = self.masking {
            masking.encode(&mut to);
        }
        let party = |to: &mut Encoder, party: &Party| {
            to.str(&party.name).str(&party.operator).str(&party.identity.to_lowercase());
            to.str(&party.tls.to_lowercase()).str(&party.address);
        };
        party(&mut to, &self.coordinator);
        to.count(self.nodes.len());
        for node in &self.nodes {
            party(&mut to, node);
        }
        to.count(self.sites.len());
        for site in &self.sites {
            to.str(&site.name).str(&site.operator).str(&site.identity.to_lowercase());
            to.str(&site.tls.to_lowercase()).u64(site.max_patients);
        }
        to.str(&self.plan.to_lowercase()).count(self.tasks.len());
        for task in &self.tasks {
            to.str(&task.id).str(&task.task).u32(task.version);
            to.u8(u8::from(task.class == Class::Private)).u32(task.max_steps);
            to.u32(task.spare_attempts).u8(u8::from(task.needs_bound));
            match task.noise {
                None => to.u8(0),
                Some(noise) => noise.encode(to.u8(1)),
            };
            encode_table(&mut to, &task.params);
            if titled {
                to.str(task.title.as_deref().unwrap_or_default());
            }
        }
        encode_table(&mut to, &self.schema);
        Digest::of(&to.finish())
    }
}

/// Canonical encoding of a TOML table: keys in byte order, a tag before each value.
fn encode_table(to: &mut Encoder, table: &toml::Table) {
    let sorted: BTreeMap<&String, &toml::Value> = table.iter().collect();
    to.count(sorted.len());
    for (key, value) in sorted {
        to.str(key);
        encode_value(to, value);
    }
}

fn encode_value(to: &mut Encoder, value: &toml::Value) {
    match value {
        toml::Value::String(text) => {
            to.u8(0).str(text);
        }
        toml::Value::Integer(integer) => {
            to.u8(1).u64(integer.cast_unsigned());
        }
        toml::Value::Float(float) => {
            to.u8(2).u64(float.to_bits());
        }
        toml::Value::Boolean(boolean) => {
            to.u8(3).u8(u8::from(*boolean));
        }
        toml::Value::Datetime(time) => {
            to.u8(4).str(&time.to_string());
        }
        toml::Value::Array(items) => {
            to.u8(5).count(items.len());
            for item in items {
                encode_value(to, item);
            }
        }
        toml::Value::Table(table) => {
            to.u8(6);
            encode_table(to, table);
        }
    }
}
