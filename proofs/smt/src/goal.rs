//! A goal: what is given, what is to be shown, and the bugs that have to be noticed.

use std::collections::BTreeSet;

use crate::fault::Fault;
use crate::integers::Truth;
use crate::logic::Logic;
use crate::terms::{self, Term};

/// A goal of expected.txt, with its twins.
pub(crate) struct Goal {
    pub(crate) name: &'static str,
    /// Runs the arithmetic and says what it should give.
    pub(crate) state: fn(&mut Question),
    /// Planted bugs by name.
    pub(crate) twins: &'static [(&'static str, Fault)],
}

/// What a goal asks a solver.
#[derive(Default)]
pub(crate) struct Question {
    givens: Vec<Term>,
    shown: Vec<Term>,
    cuts: BTreeSet<Term>,
    over_integers: bool,
}

impl Question {
    /// Assumes something.
    pub(crate) fn given(&mut self, truth: Truth) {
        self.givens.push(truth.0);
    }

    /// Has something shown.
    pub(crate) fn show(&mut self, truth: Truth) {
        self.shown.push(truth.0);
    }

    /// What the arithmetic computes on the way, for a goal to speak of: in the graph it is one term
    /// with what the run under proof computes, which still has to show that nothing overflows.
    pub(crate) fn again<R>(&self, run: impl FnOnce() -> R) -> R {
        terms::apart(false, run)
    }

    /// The same of a step that has a goal of its own, which shows that nothing overflows in it. To
    /// be cut off.
    pub(crate) fn step<R>(&self, run: impl FnOnce() -> R) -> R {
        terms::apart(true, run)
    }

    /// Has the question put over the integers, without any limit on their size: for what is linear
    /// once steps are cut off. A twin may have its bug in such a step; then it is put in bits.
    pub(crate) fn over_integers(&mut self) {
        self.over_integers = true;
    }

    /// Takes words that were computed on the way for any of which this is known: where the step is
    /// given what it takes, which is shown here, its result is what it gives, which its own goal
    /// shows.
    pub(crate) fn cut(&mut self, words: &[Term], takes: Truth, gives: Truth) {
        self.cuts.extend(words);
        self.show(takes);
        self.given(!takes | gives);
    }
}

impl Goal {
    /// The text of the goal, or of a twin, with integers of so many bits where it is put in bits.
    pub(crate) fn text(&self, width: u32, fault: Option<Fault>) -> String {
        let question = self.question(width, fault);
        question.text(&question.shown, fault.is_some())
    }

    /// What is given, with `false` to be shown of it: it has to be found that this cannot be.
    /// `None` where nothing is given.
    pub(crate) fn absurd(&self, width: u32) -> Option<String> {
        let question = self.question(width, None);
        let absurd = !Truth::always();
        (!question.givens.is_empty()).then(|| question.text(&[absurd.0], false))
    }

    fn question(&self, width: u32, fault: Option<Fault>) -> Question {
        terms::begin(fault, width);
        let mut question = Question::default();
        (self.state)(&mut question);
        question.shown.extend(terms::obligations());
        question
    }
}

impl Question {
    /// Over the integers where that is asked for; a twin in bits where it is not linear.
    fn text(&self, shown: &[Term], twin: bool) -> String {
        let ask = |logic| terms::question(&self.givens, shown, &self.cuts, logic);
        let linear = self.over_integers.then(|| ask(Logic::Integers(terms::width())));
        match linear.flatten() {
            Some(text) => text,
            None if self.over_integers && !twin => panic!("not linear: a step is not cut off"),
            None => ask(Logic::Bits).expect("bits have every operation"),
        }
    }
}
