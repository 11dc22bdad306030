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

    /// What the arithmetic computes on the way: in the graph it is one term with what the run under
    /// proof computes. Another goal has to show that nothing overflows in it.
    pub(crate) fn step<R>(&self, run: impl FnOnce() -> R) -> R {
        terms::elsewhere(run)
    }

    /// Has the question put over the integers, without any limit on their size; a twin's is put in
    /// bits all the same. For what is linear once steps are cut off.
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
    /// The text of the goal, or of a twin.
    pub(crate) fn text(&self, fault: Option<Fault>) -> String {
        let question = self.question(fault);
        let linear = question.over_integers && fault.is_none();
        question.text(&question.shown, if linear { Logic::Integers } else { Logic::Bits })
    }

    /// What is given, with `false` to be shown of it: it has to be found that this cannot be.
    /// `None` where nothing is given.
    pub(crate) fn absurd(&self) -> Option<String> {
        let question = self.question(None);
        let logic = if question.over_integers { Logic::Integers } else { Logic::Bits };
        let absurd = !Truth::always();
        (!question.givens.is_empty()).then(|| question.text(&[absurd.0], logic))
    }

    fn question(&self, fault: Option<Fault>) -> Question {
        terms::begin(fault);
        let mut question = Question::default();
        (self.state)(&mut question);
        question.shown.extend(terms::obligations());
        question
    }
}

impl Question {
    fn text(&self, shown: &[Term], logic: Logic) -> String {
        terms::question(&self.givens, shown, &self.cuts, logic)
    }
}
