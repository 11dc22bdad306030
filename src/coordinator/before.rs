//! What a coordinator that is started again knows of the time before: when each round was opened, by its
//! announcement, and when it ended, by the journal.

use std::collections::BTreeMap;

use haima_crypto::encode::{Canonical as _, Digest};
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::record::AuditRecord;
use haima_smpc_node::spec::RoundSpec;

/// Kind of the journal's record of a round that was released.
pub(crate) const RELEASED: &str = "released";
/// Kind of the journal's record of an attempt that failed.
pub(crate) const FAILED: &str = "failed";
/// Kind of the journal's record of a round at which the coordinator stopped, since hospitals refused it.
/// The round is no failed attempt: whoever starts the coordinator again takes it up.
pub(crate) const STOPPED: &str = "stopped";

/// What stands in the coordinator's journal since before this start.
#[derive(Clone, Debug, Default)]
pub struct Before {
    /// When each kind of record of a round and a subject was written, unix milliseconds.
    written: BTreeMap<(String, Digest, String), u64>,
    /// Who refused a round at which it stopped, for each stop.
    stops: BTreeMap<Digest, Vec<String>>,
}

impl Before {
    /// Of the records of a journal.
    #[must_use]
    pub fn new(records: Vec<AuditRecord>) -> Self {
        let mut own = Self::default();
        for AuditRecord { kind, round, subject, at_ms, text, .. } in records {
            if kind == STOPPED {
                own.stops.entry(round).or_default().push(text);
            }
            own.written.insert((kind, round, subject), at_ms);
        }
        own
    }

    /// Who refused a round at which the coordinator stopped before this start, for each stop.
    #[must_use]
    pub fn stops(&self, round: &Digest) -> &[String] {
        self.stops.get(round).map_or(&[], Vec::as_slice)
    }

    /// Whether there is a record of this kind, round and subject.
    #[must_use]
    pub fn has(&self, kind: &str, round: &Digest, subject: &str) -> bool {
        self.written.contains_key(&(kind.to_owned(), *round, subject.to_owned()))
    }

    /// When a round came to an end of this kind, unix milliseconds.
    #[must_use]
    pub fn ended(&self, kind: &str, spec: &RoundSpec) -> Option<u64> {
        self.written.get(&(kind.to_owned(), spec.digest(), spec.task_id.clone())).copied()
    }

    /// When a round was released, or failed, unix milliseconds.
    #[must_use]
    pub fn end(&self, spec: &RoundSpec) -> Option<u64> {
        self.ended(RELEASED, spec).or_else(|| self.ended(FAILED, spec))
    }
}

/// When a round was opened, unix milliseconds: as long before its deadline as rounds last.
#[must_use]
pub fn opened_ms(spec: &RoundSpec, manifest: &Manifest) -> u64 {
    spec.deadline_ms.saturating_sub(manifest.round_ms)
}

/// The rounds of one run that were announced before this start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakenUp {
    /// How many were released.
    pub released: usize,
    /// How many failed.
    pub failed: usize,
    /// How many had not ended.
    pub open: usize,
    /// When the first of them was opened, unix milliseconds.
    pub opened_ms: Option<u64>,
    /// When the last of them ended, unix milliseconds.
    pub ended_ms: Option<u64>,
}

impl TakenUp {
    /// Of the announced rounds, those of this manifest and run.
    #[must_use]
    pub fn of(announced: &[RoundSpec], manifest: &Manifest, run: u32, before: &Before) -> Self {
        let digest = manifest.digest();
        let mut own = Self::default();
        for spec in announced.iter().filter(|spec| (spec.manifest, spec.run) == (digest, run)) {
            let (opened, ended) = (opened_ms(spec, manifest), before.end(spec));
            own.opened_ms = Some(own.opened_ms.map_or(opened, |first| first.min(opened)));
            own.ended_ms = own.ended_ms.max(ended);
            if ended.is_none() {
                own.open += 1;
            } else if before.ended(RELEASED, spec).is_some() {
                own.released += 1;
            } else {
                own.failed += 1;
            }
        }
        own
    }

    /// Start and end of the run in unix milliseconds, where this start's are `started` and `now`, and
    /// `rounds` are announced by its end. A start that only writes the report anew takes no time.
    #[must_use]
    pub fn span(&self, started: u64, now: u64, rounds: usize) -> (u64, u64) {
        let begun = self.opened_ms.map_or(started, |opened| opened.min(started));
        let all_before = self.open == 0 && self.rounds() == rounds;
        (begun, self.ended_ms.filter(|_| all_before).unwrap_or(now).max(begun))
    }

    /// All of them.
    #[must_use]
    pub fn rounds(&self) -> usize {
        self.released + self.failed + self.open
    }
}

#[cfg(test)]
mod tests {
    use haima_smpc_node::spec::RoundEvent;

    use super::*;
    use crate::coordinator::refusals::tests::{first_spec, manifest};

    fn record(kind: &str, spec: &RoundSpec, at_ms: u64) -> AuditRecord {
        AuditRecord {
            party: "coordinator".into(),
            at_ms,
            kind: kind.into(),
            round: spec.digest(),
            subject: spec.task_id.clone(),
            digest: Digest::default(),
            text: String::new(),
        }
    }

    #[test]
    fn a_stop_is_no_end_of_a_round_and_all_of_them_are_told() {
        let spec = first_spec(&manifest());
        let stop =
            |text: &str, at_ms| AuditRecord { text: text.into(), ..record(STOPPED, &spec, at_ms) };
        let before = Before::new(vec![stop("north (policy)", 1), stop("north (budget)", 2)]);
        assert_eq!(before.stops(&spec.digest()), ["north (policy)", "north (budget)"]);
        assert_eq!(before.end(&spec), None);
        assert!(Before::default().stops(&spec.digest()).is_empty());
    }

    #[test]
    fn times_are_of_the_announcement_and_the_journal_and_not_of_the_start() {
        let manifest = manifest();
        let round =
            |number, deadline_ms| RoundSpec { number, deadline_ms, ..first_spec(&manifest) };
        assert_eq!(first_spec(&manifest).event, RoundEvent::Exact);
        let (one, two, three) = (round(1, 30_000), round(2, 50_000), round(3, 90_000));
        let other = RoundSpec { run: 2, ..round(4, 11_000) };
        let records = vec![
            record("opened", &one, 20_001),
            record(FAILED, &one, 33_000),
            record(RELEASED, &two, 44_000),
            record("opened", &three, 80_000),
        ];
        let before = Before::new(records);
        assert!(before.has("opened", &one.digest(), "who"));
        assert!(!before.has("opened", &two.digest(), "who"));
        assert_eq!((before.end(&one), before.end(&two)), (Some(33_000), Some(44_000)));
        assert_eq!((before.ended(RELEASED, &one), before.end(&three)), (None, None));
        let all = [one, two, three, other];
        let taken = TakenUp::of(&all, &manifest, 1, &before);
        // Rounds of this manifest last ten seconds.
        let (opened_ms, ended_ms) = (Some(20_000), Some(44_000));
        assert_eq!(taken, TakenUp { released: 1, failed: 1, open: 1, opened_ms, ended_ms });
        assert_eq!(taken.rounds(), 3);
        assert_eq!(TakenUp::of(&[], &manifest, 1, &before), TakenUp::default());
        assert_eq!(taken.span(100_000, 120_000, 3), (20_000, 120_000));
        let ended = TakenUp { open: 0, ..taken };
        assert_eq!(ended.span(900_000, 910_000, 2), (20_000, 44_000), "nothing was asked since");
        assert_eq!(ended.span(900_000, 910_000, 3), (20_000, 910_000));
        assert_eq!(TakenUp::default().span(5, 7, 1), (5, 7));
        assert_eq!(TakenUp::default().span(5, 7, 0), (5, 7));
    }
}
