//! What a coordinator's daemon tells the page beside it: of its events what a page shows, never their
//! whole list, so that a long study takes no more room than a short one; and who is connected now.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::coordinator::events::Event;
use crate::coordinator::hub::Hub;

/// What a coordinator's daemon has told, for the page beside it.
#[derive(Debug, Default)]
pub struct Live {
    hub: Arc<Hub>,
    told: Mutex<Told>,
}

/// The daemon's events, as far as a page shows them.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// How many there were.
    count: u64,
    /// Whether the last one was another than the study's end.
    pub(super) running: bool,
    /// Sites that have joined, and sites of the study.
    pub(super) joined: Option<(usize, usize)>,
    /// Results by task.
    pub(super) results: BTreeMap<String, Arc<serde_json::Value>>,
    /// Of each site the last round whose sum it is in.
    pub(super) last_in: BTreeMap<String, u64>,
}

/// Sites at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Presence {
    /// Those that hold a stream of rounds open.
    pub(super) connected: BTreeSet<String>,
    /// When each called last, unix milliseconds.
    pub(super) heard: BTreeMap<String, u64>,
}

impl Live {
    /// What sites are told and served by: give it to the daemon.
    #[must_use]
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Something happened.
    pub fn tell(&self, event: &Event) {
        self.open().take(event);
    }

    fn open(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has happened so far.
    pub(super) fn told(&self) -> Told {
        self.open().clone()
    }

    /// Who is connected now.
    pub(super) fn presence(&self) -> Presence {
        Presence { connected: self.hub.present(), heard: self.hub.heard() }
    }

    /// A number that changes with the events.
    pub(super) fn count(&self) -> u64 {
        self.open().count
    }

    /// A number that changes when a site comes or goes.
    pub(super) fn comings(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hub.present().hash(&mut hasher);
        hasher.finish()
    }
}

impl Told {
    fn take(&mut self, event: &Event) {
        self.count = self.count.wrapping_add(1);
        self.running = *event != Event::Done;
        match event {
            Event::Joined { sites, of } => self.joined = Some((*sites, *of)),
            Event::TaskDone { task, result } => {
                self.results.insert(task.clone(), Arc::new(result.clone()));
            }
            Event::Released { round, accepted, .. } => {
                self.last_in.extend(accepted.iter().map(|site| (site.clone(), round.number)));
            }
            Event::TaskStarted { .. } | Event::Opened(_) | Event::Failed { .. } | Event::Done => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::coordinator::events::Round;

    fn released(number: u64) -> Event {
        Event::Released {
            round: Round {
                number,
                task: "km".into(),
                step: 0,
                attempt: 0,
                digest: String::new(),
                exact: true,
                dimension: 1,
            },
            accepted: vec!["north".into(), "south".into()],
            left_out: Vec::new(),
            refused: Vec::new(),
            seconds: 1.0,
            bytes_released: 1,
        }
    }

    #[test]
    fn a_long_study_takes_no_more_room_than_a_short_one() {
        let live = Live::default();
        for number in 1..=1000 {
            live.tell(&Event::Joined { sites: 1, of: 2 });
            live.tell(&released(number));
            live.tell(&Event::TaskDone { task: "km".into(), result: json!({ "last": number }) });
        }
        let told = live.told();
        assert_eq!((told.results.len(), told.last_in.len()), (1, 2));
        assert_eq!(*told.results["km"], json!({ "last": 1000 }));
        assert_eq!((told.joined, told.last_in["north"], told.running), (Some((1, 2)), 1000, true));
        assert_eq!(live.count(), 3000);
        live.tell(&Event::Done);
        assert!(!live.told().running);
    }

    #[test]
    fn a_site_is_connected_while_its_stream_is_and_was_heard_after() {
        let live = Live::default();
        assert_eq!(live.presence(), Presence::default());
        let before = live.comings();
        let stream = live.hub().listens("north");
        assert!(live.presence().connected.contains("north"));
        assert_ne!(live.comings(), before, "pages are told");
        drop(stream);
        let after = live.presence();
        assert!(after.connected.is_empty() && after.heard.contains_key("north"));
        assert_eq!(live.comings(), before);
    }
}
