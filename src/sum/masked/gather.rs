//! Collecting the messages of one step from sites, until all have come, or enough and a little
//! patience, or it is too late.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use haima_crypto::secagg::Roster;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::coordinator::board::{Message, Step};

/// Refused messages of a site at one step that are logged.
const LOGGED: u32 = 32;
/// Refused messages of a site at one step after which no more are looked at.
const MOST: u32 = 256;

/// How often it is asked who will not come.
const ASK: Duration = Duration::from_millis(200);

/// When a step has come to its end.
pub(super) struct Until {
    /// Who is expected.
    pub(super) of: BTreeSet<u32>,
    /// With so many there, others are waited for no longer than `patience`.
    pub(super) enough: usize,
    /// How long.
    pub(super) patience: Duration,
    /// In any case.
    pub(super) latest: Instant,
    /// Who will not come any more.
    pub(super) gone: Box<dyn Fn() -> BTreeSet<String> + Send + Sync>,
}

impl Until {
    /// All sites, until then.
    pub(super) fn all(roster: &Roster, latest: Instant) -> Self {
        let of: BTreeSet<u32> = (0..roster.sites()).collect();
        let enough = of.len();
        let gone = Box::new(BTreeSet::new);
        Self { of, enough, patience: Duration::ZERO, latest, gone }
    }

    /// Whether nobody is left to wait for.
    fn is_over(&self, roster: &Roster, came: &BTreeSet<u32>) -> bool {
        let mut left = self.of.difference(came).peekable();
        if left.peek().is_none() {
            return true;
        }
        let gone = (self.gone)();
        left.all(|site| roster.member(*site).is_ok_and(|member| gone.contains(&member.name)))
    }
}

/// Takes messages of a step and hands each to `add`, whose refusal its site is told. Those of other
/// steps are refused: each site sends one when it has been answered the one before.
pub(super) async fn gather<E: std::fmt::Display>(
    inbox: &mut mpsc::Receiver<Message>,
    roster: &Roster,
    step: Step,
    until: &Until,
    mut add: impl FnMut(u32, Vec<u8>) -> Result<(), E>,
) -> BTreeSet<u32> {
    let (mut came, mut refused) = (BTreeSet::new(), BTreeMap::<String, u32>::new());
    let mut latest = until.latest;
    // Whatever is ready to be read: late is late.
    while Instant::now() < latest && !until.is_over(roster, &came) {
        let next = latest.min(Instant::now() + ASK);
        let message = match tokio::time::timeout_at(next, inbox.recv()).await {
            Ok(Some(message)) => message,
            Ok(None) => break,
            Err(_) => continue,
        };
        let Message { site, step: of, bytes, reply } = message;
        let position = (0..roster.sites())
            .find(|position| roster.member(*position).is_ok_and(|member| member.name == site));
        let answer = match position {
            None => Err("no site of this study".to_owned()),
            Some(_) if refused.get(&site).is_some_and(|times| *times >= MOST) => {
                Err("too many messages of this site were refused at this step".to_owned())
            }
            Some(_) if of != step => Err(format!("the {of:?} step is not open; {step:?} is")),
            Some(position) => add(position, bytes).map(|()| position).map_err(|e| e.to_string()),
        };
        match &answer {
            Ok(position) => {
                if came.insert(*position) && came.len() == until.enough {
                    latest = latest.min(Instant::now() + until.patience);
                }
            }
            Err(reason) => {
                let times = refused.entry(site.clone()).or_default();
                *times += 1;
                if *times <= LOGGED {
                    tracing::warn!(%site, ?of, %reason, "a site's message is refused");
                }
            }
        }
        // A site that has gone asks again, or not.
        let _ = reply.send(answer.map(drop));
    }
    came
}
