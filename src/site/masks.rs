//! What a site keeps for masked rounds: the keys of its pairs, the rounds that it has begun, and its one
//! answer.
//!
//! The secrecy of its vectors rests on what is here being on disk before anything is sent
//! ([`haima_crypto::secagg::PairKeys`]): a round is begun once, a step and attempt is begun as one round,
//! an epoch's number is used once, exact sums are over one set of sites (rule X2), and of a round one
//! partition is answered. A folder that is restored from a backup forgets: let the coordinator begin a
//! new epoch then.

use std::collections::BTreeMap;
use std::path::PathBuf;

use haima_crypto::encode::{Canonical, Decoder, Digest, Encoder, from_hex};
use haima_crypto::identity::IdentityKey;
use haima_crypto::secagg::{
    Advertisement, Advertising, Answered, EpochContext, PairKeys, RoundContext, Shared,
    SharesMessage,
};
use haima_smpc_node::record::AuditRecord;
use haima_smpc_node::spec::RoundSpec;
use haima_smpc_node::{durable, keyfile};
use zeroize::Zeroizing;

use crate::Error;

/// Kind of the journal's record of a round that was begun.
pub(super) const BEGUN: &str = "begun";
/// Kind of the journal's record of the sites of an exact sum that was answered.
pub(super) const EXACT_SET: &str = "exact set";

/// A site's memory of masked rounds.
pub(super) struct Masks {
    folder: PathBuf,
    /// The epoch's number and its keys.
    keys: Option<(u64, PairKeys)>,
    begun: Begun,
    exact: Exact,
}

/// Rounds that were begun.
#[derive(Default)]
struct Begun {
    /// By manifest and place.
    rounds: BTreeMap<(Digest, String), Digest>,
    /// The highest number, by manifest.
    numbers: BTreeMap<Digest, u64>,
    /// How many, by manifest and `task/run`.
    attempts: BTreeMap<(Digest, String), u32>,
}

impl Begun {
    fn add(&mut self, manifest: Digest, place: String, number: u64, round: Digest) {
        let highest = self.numbers.entry(manifest).or_default();
        *highest = number.max(*highest);
        let run = place.splitn(3, '/').take(2).collect::<Vec<_>>().join("/");
        if self.rounds.insert((manifest, place), round).is_none() {
            *self.attempts.entry((manifest, run)).or_default() += 1;
        }
    }
}

/// The sites of the exact sums that were answered, as digests ([`sites_digest`]).
#[derive(Default)]
struct Exact {
    /// By manifest and run: those of all exact sums of the run, whatever the task.
    runs: BTreeMap<(Digest, String), Digest>,
    /// Those of the last run, by study.
    last: BTreeMap<String, Digest>,
}

impl Exact {
    fn add(&mut self, manifest: Digest, study: &str, run: &str, sites: Digest) {
        self.runs.insert((manifest, run.to_owned()), sites);
        self.last.insert(study.to_owned(), sites);
    }
}

/// What a site's memory says of the sites of an exact sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SitesOf {
    /// The same as of the exact sum before, or there was none.
    Known,
    /// Another set than of the sums of the same run: never answered (rule X2).
    OtherOfThisRun,
    /// The first of its run, over another set than that of the run before.
    OtherThanBefore,
}

/// Most by which a round's number may pass the one before.
const MAX_JUMP: u64 = 1 << 20;

/// A number and a secret in one file.
struct Numbered {
    number: u64,
    secret: Zeroizing<Vec<u8>>,
}

impl Numbered {
    fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut to = Encoder::new("haima site masks 1");
        to.reserve(64 + self.secret.len());
        to.u64(self.number).bytes(&self.secret);
        Zeroizing::new(to.finish())
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, haima_crypto::Error> {
        let mut from = Decoder::new("haima site masks 1", bytes)?;
        let (number, secret) = (from.u64()?, from.bytes(1 << 24)?);
        let secret = Zeroizing::new(secret.to_vec());
        from.finish()?;
        Ok(Self { number, secret })
    }
}

/// `task/run`.
pub(super) fn run(spec: &RoundSpec) -> String {
    format!("{}/{}", spec.task_id, spec.run)
}

/// `task/run/step/attempt`.
pub(super) fn place(spec: &RoundSpec) -> String {
    format!("{}/{}/{}/{}", spec.task_id, spec.run, spec.step, spec.attempt)
}

impl Masks {
    /// Opens the folder, or makes it; `records` are those of the site's journal.
    ///
    /// # Errors
    /// When a file cannot be read, is readable by others, or is damaged.
    pub(super) fn open(folder: PathBuf, records: &[AuditRecord]) -> Result<Self, Error> {
        std::fs::create_dir_all(&folder).map_err(|e| Error::file(&folder, e))?;
        let (mut begun, mut exact) = (Begun::default(), Exact::default());
        for record in records {
            match record.kind.as_str() {
                BEGUN => {
                    let number = record.text.parse().unwrap_or(u64::MAX);
                    begun.add(record.digest, record.subject.clone(), number, record.round);
                }
                EXACT_SET => {
                    // As `pin` writes it.
                    let of = record.text.split_once(' ').and_then(|(manifest, study)| {
                        Some((Digest::from_bytes(from_hex(manifest).ok()?), study))
                    });
                    let run = record.subject.rsplit_once('/').map(|(_, run)| run);
                    if let (Some((manifest, study)), Some(run)) = (of, run) {
                        exact.add(manifest, study, run, record.digest);
                    }
                }
                _ => {}
            }
        }
        let mut masks = Self { folder, keys: None, begun, exact };
        if let Some(Numbered { number, secret }) = masks.read("keys")? {
            masks.keys = Some((number, PairKeys::from_bytes(&secret)?));
            // What these keys were made with is destroyed after they are stored; a stop in between
            // may have left it, whole or in zeros.
            if masks.read("advertising").ok().flatten().is_none_or(|own| own.number <= number) {
                masks.forget_advertising()?;
            }
        }
        Ok(masks)
    }

    fn read(&self, name: &str) -> Result<Option<Numbered>, Error> {
        let path = self.folder.join(name);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = keyfile::read_private_long(&path, 1 << 24)?;
        let read = Numbered::from_bytes(&bytes);
        Ok(Some(read.map_err(|e| Error::config(&path, e.to_string()))?))
    }

    fn write(&self, name: &str, number: u64, secret: &[u8]) -> Result<(), Error> {
        let kept = Numbered { number, secret: Zeroizing::new(secret.to_vec()) };
        Ok(keyfile::replace_private(&self.folder.join(name), &kept.to_bytes())?)
    }

    fn forget_advertising(&self) -> Result<(), Error> {
        Ok(keyfile::erase(&self.folder.join("advertising"))?)
    }

    /// Whether the keys of an epoch's number are there.
    pub(super) fn has(&self, number: u64) -> bool {
        self.keys.as_ref().is_some_and(|(own, _)| *own == number)
    }

    /// This site's key for an epoch: a fresh one, or the one that it has advertised before.
    ///
    /// # Errors
    /// [`Error::Config`] on a number at or below that of the keys that are there.
    pub(super) fn advertise(
        &self,
        context: EpochContext,
        number: u64,
        identity: &IdentityKey,
    ) -> Result<(Advertising, Advertisement), Error> {
        let last = self.keys.as_ref().map_or(0, |(number, _)| *number);
        let kept = self.read("advertising")?;
        let last = kept
            .as_ref()
            .map_or(last, |kept| last.max(kept.number - u64::from(kept.number == number)));
        if number <= last {
            let problem =
                format!("epoch {number} is not after epoch {last}; numbers are used once");
            return Err(Error::config(&self.folder, problem));
        }
        if let Some(kept) = kept.filter(|kept| kept.number == number) {
            return Ok(Advertising::resume(context, identity, &kept.secret)?);
        }
        let (advertising, advertisement) =
            Advertising::start(context, identity, &mut haima_smpc_node::randomness::system())?;
        durable::write_now("site.masked.advertising", || {
            self.write("advertising", number, &*advertising.to_bytes())
        })?;
        Ok((advertising, advertisement))
    }

    /// Keeps an epoch's keys, and destroys what they were made with.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn keep(&mut self, number: u64, keys: PairKeys) -> Result<(), Error> {
        durable::write_now("site.masked.keys", || self.write("keys", number, &keys.to_bytes()))?;
        self.keys = Some((number, keys));
        self.forget_advertising()
    }

    /// What forbids to begin a round, beside its keys: it was begun, or its place was begun as another
    /// (rule R8); its number is not above the last, or far above; or the run has had more attempts than
    /// its place in the plan allows, so that no coordinator gets more of them than the plan has (rules
    /// L1, L2).
    pub(super) fn forbids(&self, spec: &RoundSpec) -> Option<String> {
        let round = spec.digest();
        let last = self.begun.numbers.get(&spec.manifest).copied().unwrap_or(0);
        let run = (spec.manifest, run(spec));
        let attempts = self.begun.attempts.get(&run).copied().unwrap_or(0);
        match self.begun.rounds.get(&(spec.manifest, place(spec))) {
            Some(begun) if *begun == round => Some("it was begun before a restart".into()),
            Some(_) => Some("another round was begun for this step and attempt (rule R8)".into()),
            None if spec.number <= last => {
                Some(format!("its number {} is not above {last}", spec.number))
            }
            None if spec.number - last > MAX_JUMP => {
                Some(format!("its number {} is over {MAX_JUMP} above {last}", spec.number))
            }
            None if spec.plan_index < attempts => Some(format!(
                "plan index {}; this site has begun {attempts} attempts of the run (rule L1)",
                spec.plan_index
            )),
            None => None,
        }
    }

    /// Begins a round: on disk when this returns.
    ///
    /// # Errors
    /// When the epoch's keys are not there, the round was begun, or the disk fails.
    pub(super) fn begin(
        &mut self,
        context: RoundContext,
        spec: &RoundSpec,
        identity: &IdentityKey,
    ) -> Result<(Shared, SharesMessage), Error> {
        let Some((number, keys)) = &mut self.keys else {
            return Err(haima_crypto::secagg::Error::AnotherKeys.into());
        };
        let begun =
            Shared::start(context, keys, identity, &mut haima_smpc_node::randomness::system())?;
        let (number, bytes) = (*number, keys.to_bytes());
        durable::write_now("site.masked.begun", || self.write("keys", number, &bytes))?;
        self.begun.add(spec.manifest, place(spec), spec.number, spec.digest());
        Ok(begun)
    }

    /// How the sites of an exact sum stand to those of the exact sums before.
    pub(super) fn sites_of(&self, spec: &RoundSpec, sites: Digest) -> SitesOf {
        let of_run = self.exact.runs.get(&(spec.manifest, spec.run.to_string()));
        let before = self.exact.last.get(&spec.study);
        match (of_run, before) {
            (Some(of_run), _) if *of_run != sites => SitesOf::OtherOfThisRun,
            (None, Some(before)) if *before != sites => SitesOf::OtherThanBefore,
            _ => SitesOf::Known,
        }
    }

    /// The text of the journal's record by which exact sums of a run are over these sites from now
    /// on; `None` where that is on record.
    pub(super) fn pin(&mut self, spec: &RoundSpec, sites: Digest) -> Option<String> {
        let run = spec.run.to_string();
        if self.exact.runs.contains_key(&(spec.manifest, run.clone())) {
            return None;
        }
        self.exact.add(spec.manifest, &spec.study, &run, sites);
        Some(format!("{} {}", spec.manifest, spec.study))
    }

    /// The answer to a round, if there was one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn answered(&self, round: &Digest) -> Result<Option<Answered>, Error> {
        let path = self.folder.join("answered");
        if !path.exists() {
            return Ok(None);
        }
        let answered = Answered::from_bytes(&keyfile::read_private_long(&path, 1 << 20)?)?;
        Ok(Some(answered).filter(|answered| answered.round() == round))
    }

    /// Keeps the answer to a round, in place of that to the round before.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn keep_answer(&self, answered: &Answered) -> Result<(), Error> {
        let path = self.folder.join("answered");
        durable::write_now("site.masked.answer", || {
            keyfile::replace_private(&path, &answered.to_bytes())
        })?;
        Ok(())
    }
}

/// Digest of the names of a sum's sites.
pub(super) fn sites_digest<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Digest {
    let mut to = Encoder::new("haima exact set 1");
    to.count(names.len());
    names.for_each(|name| {
        to.str(name);
    });
    Digest::of(&to.finish())
}
