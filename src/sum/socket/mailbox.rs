//! Where a local framework and its site meet: one vector on its way in, one sum on its way back.
//!
//! A round takes *one* vector, the first that comes; whoever asks for the round again waits for the
//! same sum, so a framework that lost its connection may simply ask again. The vector is kept until the
//! round's sum is there, since an attempt that failed is followed by another with the same vector.
//!
//! How a vector stands in a sum is not known here: the site may have sent zeros in its place, or the
//! sum may have been made without the site. Whoever releases a sum says it.
//!
//! Rounds are counted from 1, as frameworks do. Nothing here reads a clock or a socket.

use std::sync::Arc;

use haima_fl_core::sum::Sum;
use haima_fl_core::tasks::vector_sum::{ADJACENCY, Standing, UNIT, VectorSum};
use tokio::sync::watch;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::frame::{Class, Code, Fault, Terms};

/// A vector, shared between those who hold it.
pub type Vector = Arc<Zeroizing<Vec<f64>>>;

/// A released sum as the framework gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct Released {
    /// The round, from 1.
    pub round: u32,
    /// The sum, coordinate by coordinate.
    pub values: Arc<[f64]>,
    /// Sites in it.
    pub sites: u32,
    /// Standard deviation of its noise a coordinate; `None` without noise.
    pub noise: Option<f64>,
}

struct Offer {
    round: u32,
    vector: Vector,
}

/// The last sum, and how this site's own vector stands in it.
struct Last {
    sum: Released,
    own: Standing,
}

#[derive(Default)]
struct State {
    /// The round that the site was last asked for; 0 before the first.
    asked: u32,
    offer: Option<Offer>,
    last: Option<Last>,
    over: Option<String>,
}

/// The mailbox of one task at one site.
pub struct Mailbox {
    task: VectorSum,
    terms: Terms,
    state: watch::Sender<State>,
}

impl std::fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mailbox {{ task: {}, vector: <redacted> }}", self.terms.task)
    }
}

impl Mailbox {
    /// The empty mailbox of a task of a study.
    #[must_use]
    pub fn new(task: VectorSum, study: &str, id: &str, class: Class) -> Self {
        let terms = Terms {
            study: study.to_owned(),
            task: id.to_owned(),
            dimension: task.dimension(),
            bound: task.bound(),
            frac_bits: task.grid().frac_bits(),
            rounds: task.rounds(),
            class,
            unit: UNIT.to_owned(),
            adjacency: ADJACENCY.to_owned(),
        };
        Self { task, terms, state: watch::Sender::default() }
    }

    /// What is summed.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// How a vector stands in a sum that has this site's answer, which was of it or of zeros.
    #[must_use]
    pub fn standing(&self, vector: Option<&Vector>, zeros: bool) -> Standing {
        match vector {
            None => Standing::Absent,
            Some(_) if zeros => Standing::Refused,
            Some(vector) => self.task.standing(vector),
        }
    }

    /// The framework's side: hands in the vector of a round, and waits for the round's sum, and for how
    /// the vector that this site took for the round stands in it.
    ///
    /// # Errors
    /// When the round is over or not there yet, or the study ends without its sum.
    pub async fn exchange(
        &self,
        round: u32,
        vector: Zeroizing<Vec<f64>>,
    ) -> Result<(Released, Standing), Fault> {
        self.offer(round, vector)?;
        let mut changes = self.state.subscribe();
        let there = changes.wait_for(|state| {
            state.over.is_some() || state.last.as_ref().is_some_and(|last| last.sum.round >= round)
        });
        let state = there.await.map_err(|_| Fault::new(Code::Over, "the site stops"))?;
        match &state.last {
            Some(last) if last.sum.round == round => Ok((last.sum.clone(), last.own)),
            Some(last) if last.sum.round > round => Err(past(round)),
            _ => Err(Fault::new(Code::Over, state.over.clone().unwrap_or_default())),
        }
    }

    fn offer(&self, round: u32, vector: Zeroizing<Vec<f64>>) -> Result<(), Fault> {
        let mut outcome = Ok(());
        self.state.send_if_modified(|state| match state.takes(round, self.terms.rounds) {
            Ok(true) => {
                state.offer = Some(Offer { round, vector: Arc::new(vector) });
                true
            }
            Ok(false) => false,
            Err(fault) => {
                outcome = Err(fault);
                false
            }
        });
        outcome
    }

    /// The site's side: it is asked for a round, whose sum is waited for from now on.
    pub fn ask(&self, round: u32) {
        self.state.send_modify(|state| {
            state.asked = round;
            if state.released() >= round {
                // Another run of the task begins.
                state.last = None;
            }
        });
    }

    /// The site's side: the vector of a round that it is asked for, as soon as it is there; `None` when
    /// none has come until then.
    pub async fn vector(&self, round: u32, until: Instant) -> Option<Vector> {
        self.ask(round);
        let mut changes = self.state.subscribe();
        let is_there = |state: &State| state.offered(round).is_some();
        // Whether it came or time is up shows in the state.
        let _ = tokio::time::timeout_at(until, changes.wait_for(is_there)).await.is_ok();
        let state = self.state.borrow();
        state.offered(round).map(|offer| Arc::clone(&offer.vector))
    }

    /// The site's side: the sum of a round was released, and how the site's own vector stands in it.
    pub fn release(&self, round: u32, sum: &Sum, own: Standing) {
        let sum = Released {
            round,
            values: self.task.values(sum).into(),
            sites: sum.sites(),
            noise: self.task.noise(sum),
        };
        self.state.send_modify(|state| {
            if state.offer.as_ref().is_some_and(|offer| offer.round <= round) {
                state.offer = None;
            }
            state.asked = state.asked.max(round);
            state.last = Some(Last { sum, own });
        });
    }

    /// Whether a round is asked whose sum has not come back yet.
    #[must_use]
    pub fn awaits_sum(&self) -> bool {
        self.awaited().is_some()
    }

    /// The round that is asked and whose sum has not come back yet.
    #[must_use]
    pub fn awaited(&self) -> Option<u32> {
        let state = self.state.borrow();
        (state.asked > state.released()).then_some(state.asked)
    }

    /// No more sums will come: whoever waits is told why. The first reason stays.
    pub fn end(&self, reason: &str) {
        self.state.send_modify(|state| {
            if state.over.is_none() {
                state.over = Some(reason.to_owned());
            }
            state.offer = None;
        });
    }

    /// Until no more sums will come.
    pub async fn ended(&self) {
        // The sender lives as long as this mailbox.
        let _ = self.state.subscribe().wait_for(|state| state.over.is_some()).await.is_ok();
    }
}

impl State {
    fn offered(&self, round: u32) -> Option<&Offer> {
        self.offer.as_ref().filter(|offer| offer.round == round)
    }

    /// The last round whose sum is there; 0 before the first.
    fn released(&self) -> u32 {
        self.last.as_ref().map_or(0, |last| last.sum.round)
    }

    /// Whether a vector of a round is the one to take; `false` where one was taken, and its sum is there
    /// or will be.
    fn takes(&self, round: u32, rounds: u32) -> Result<bool, Fault> {
        if let Some(reason) = &self.over {
            return Err(Fault::new(Code::Over, reason.clone()));
        }
        if round == 0 || round > rounds {
            let message = format!("no round {round}; the study has rounds 1 to {rounds}");
            return Err(Fault::new(Code::Round, message));
        }
        let released = self.released();
        let next = self.asked.max(released.saturating_add(1));
        if round == released {
            return Ok(false);
        }
        if round < next {
            return Err(past(round));
        }
        // A site that has just started does not know how far the study is.
        let knows = self.asked > 0 || released > 0;
        if knows && round > next {
            let message = format!("round {round} is not there yet; {next} is next");
            return Err(Fault::new(Code::Round, message));
        }
        Ok(self.offered(round).is_none())
    }
}

fn past(round: u32) -> Fault {
    Fault::new(Code::Round, format!("round {round} is over, and its sum is not kept"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use haima_fl_core::task::Task as _;

    use super::*;

    fn mailbox() -> Arc<Mailbox> {
        let params = "dimension = 2\nbound = 4.0\nrounds = 3\nfrac_bits = 8";
        let task = VectorSum::new(&params.parse().unwrap()).unwrap();
        Arc::new(Mailbox::new(task, "study", "vectors", Class::Exact))
    }

    fn sum(mailbox: &Mailbox, values: [i128; 2]) -> Sum {
        Sum::new(&mailbox.task.query(&0), values.to_vec(), 4).unwrap()
    }

    fn asks(
        mailbox: &Arc<Mailbox>,
        round: u32,
        vector: [f64; 2],
    ) -> tokio::task::JoinHandle<Result<(Released, Standing), Fault>> {
        let mailbox = Arc::clone(mailbox);
        let vector = Zeroizing::new(vector.to_vec());
        tokio::spawn(async move { mailbox.exchange(round, vector).await })
    }

    async fn takes(mailbox: &Mailbox, round: u32, patience_ms: u64) -> Option<Vec<f64>> {
        let until = Instant::now() + Duration::from_millis(patience_ms);
        mailbox.vector(round, until).await.map(|vector| vector.to_vec())
    }

    const LONG: u64 = 10_000;

    #[tokio::test]
    async fn a_vector_goes_in_and_the_sum_comes_back() {
        let mailbox = mailbox();
        let asking = asks(&mailbox, 1, [1.0, 2.0]);
        assert_eq!(takes(&mailbox, 1, LONG).await, Some(vec![1.0, 2.0]));
        assert!(mailbox.awaits_sum());
        // A failed attempt: the next takes the same vector.
        assert_eq!(takes(&mailbox, 1, LONG).await, Some(vec![1.0, 2.0]));
        mailbox.release(1, &sum(&mailbox, [256, -512]), Standing::Whole);
        let (released, standing) = asking.await.unwrap().unwrap();
        assert_eq!((&released.values[..], released.sites), (&[1.0, -2.0][..], 4));
        assert_eq!(standing, Standing::Whole);
        assert!(!mailbox.awaits_sum());
        // Asked again after a lost connection, with whatever vector.
        let again = asks(&mailbox, 1, [9.0, 9.0]).await.unwrap().unwrap();
        assert_eq!(again, (released, Standing::Whole));
    }

    #[tokio::test]
    async fn a_round_takes_the_first_vector_and_all_are_told_how_that_one_stands() {
        let mailbox = mailbox();
        let first = asks(&mailbox, 1, [30.0, 40.0]);
        assert_eq!(takes(&mailbox, 1, LONG).await, Some(vec![30.0, 40.0]));
        let second = asks(&mailbox, 1, [1.0, 1.0]);
        tokio::task::yield_now().await;
        assert_eq!(takes(&mailbox, 1, LONG).await, Some(vec![30.0, 40.0]));
        mailbox.release(1, &sum(&mailbox, [0, 0]), Standing::Shortened);
        for asking in [first, second] {
            assert_eq!(asking.await.unwrap().unwrap().1, Standing::Shortened);
        }
    }

    #[test]
    fn a_vector_in_whose_place_zeros_were_sent_is_not_said_to_be_in_the_sum() {
        let mailbox = mailbox();
        let vector = |values: [f64; 2]| Arc::new(Zeroizing::new(values.to_vec()));
        for (given, zeros, standing) in [
            (Some(vector([1.0, 1.0])), false, Standing::Whole),
            (Some(vector([30.0, 40.0])), false, Standing::Shortened),
            (Some(vector([1.0, 1.0])), true, Standing::Refused),
            (None, true, Standing::Absent),
        ] {
            assert_eq!(mailbox.standing(given.as_ref(), zeros), standing);
        }
    }

    /// A site that answered before it was restarted asks its program nothing.
    #[tokio::test]
    async fn a_round_that_is_asked_without_a_vector_is_waited_for_all_the_same() {
        let mailbox = mailbox();
        let asking = asks(&mailbox, 2, [1.0, 1.0]);
        tokio::task::yield_now().await;
        assert!(!mailbox.awaits_sum());
        mailbox.ask(2);
        assert_eq!(mailbox.awaited(), Some(2));
        mailbox.release(2, &sum(&mailbox, [256, 0]), Standing::Whole);
        assert_eq!(mailbox.awaited(), None);
        assert_eq!(asking.await.unwrap().unwrap().1, Standing::Whole);
    }

    #[tokio::test]
    async fn a_framework_that_is_late_gets_the_sum_that_it_is_not_in() {
        let mailbox = mailbox();
        assert_eq!(takes(&mailbox, 1, 1).await, None);
        let late = asks(&mailbox, 1, [1.0, 1.0]);
        tokio::task::yield_now().await;
        mailbox.release(1, &sum(&mailbox, [256, 0]), Standing::Absent);
        assert_eq!(late.await.unwrap().unwrap().1, Standing::Absent);
    }

    #[tokio::test]
    async fn rounds_go_one_after_the_other() {
        let mailbox = mailbox();
        let code = async |round| asks(&mailbox, round, [0.0; 2]).await.unwrap().map_err(|f| f.code);
        for outside in [0, 4] {
            assert_eq!(code(outside).await.unwrap_err(), Code::Round);
        }
        assert_eq!(takes(&mailbox, 1, 1).await, None);
        mailbox.release(1, &sum(&mailbox, [0, 0]), Standing::Absent);
        assert_eq!(code(3).await.unwrap_err(), Code::Round, "2 is next");
        assert_eq!(takes(&mailbox, 2, 1).await, None);
        assert!(code(1).await.is_ok(), "kept until the next");
        mailbox.release(2, &sum(&mailbox, [0, 0]), Standing::Absent);
        assert_eq!(code(1).await.unwrap_err(), Code::Round, "over");
        assert!(code(2).await.is_ok());
        // Another run begins anew.
        assert_eq!(takes(&mailbox, 1, 1).await, None);
        assert!(mailbox.awaits_sum());
        mailbox.release(1, &sum(&mailbox, [0, 0]), Standing::Absent);
        assert!(code(1).await.is_ok());
    }

    #[tokio::test]
    async fn whoever_waits_is_told_of_the_end() {
        let mailbox = mailbox();
        let waiting = asks(&mailbox, 1, [1.0, 1.0]);
        tokio::task::yield_now().await;
        mailbox.end("the study has ended");
        mailbox.ended().await;
        let fault = waiting.await.unwrap().unwrap_err();
        assert_eq!((fault.code, fault.message.as_str()), (Code::Over, "the study has ended"));
        assert_eq!(asks(&mailbox, 1, [1.0, 1.0]).await.unwrap().unwrap_err().code, Code::Over);
    }
}
