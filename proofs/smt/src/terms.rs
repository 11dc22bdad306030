//! Terms of SMT-LIB, each kept once: the same operation on the same operands is the same term.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use crate::fault::Fault;
use crate::logic::Logic;

/// A term, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Term(usize);

impl std::fmt::Display for Term {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "t{}", self.0)
    }
}

/// What a term is.
struct Node {
    /// Zero for a truth value.
    bits: u32,
    /// The operation of SMT-LIB; `None` for a free variable.
    head: Option<String>,
    operands: Vec<Term>,
}

/// All terms of the goal in hand, with what the arithmetic under proof takes for granted.
#[derive(Default)]
struct Arena {
    nodes: Vec<Node>,
    numbers: HashMap<(u32, String, Vec<Term>), Term>,
    constants: HashMap<Term, u128>,
    /// That exact operations do not overflow.
    obligations: Vec<Term>,
    /// Those that other goals show.
    settled: BTreeSet<Term>,
    /// Of products of two words: how large they can be.
    facts: Vec<Term>,
    /// Whether products of two words are computed, and not taken for any word in their range.
    computed: bool,
    /// Bits of the goal's own integers.
    width: u32,
    fault: Option<Fault>,
    done: HashMap<&'static str, usize>,
}

thread_local! {
    static ARENA: RefCell<Arena> = RefCell::default();
}

/// Forgets everything; what is executed from here on has this fault, and the goal's own integers
/// have so many bits.
pub(crate) fn begin(fault: Option<Fault>, width: u32) {
    ARENA.set(Arena { fault, width, ..Arena::default() });
}

/// Bits of the goal's own integers.
pub(crate) fn width() -> u32 {
    ARENA.with_borrow(|arena| arena.width)
}

/// From here on products of two words are computed.
pub(crate) fn compute_products() {
    ARENA.with_borrow_mut(|arena| arena.computed = true);
}

/// Whether products of two words are computed.
pub(crate) fn computes_products() -> bool {
    ARENA.with_borrow(|arena| arena.computed)
}

/// The term `(head operands)`.
pub(crate) fn apply(bits: u32, head: &str, operands: &[Term]) -> Term {
    ARENA.with_borrow_mut(|arena| {
        let key = (bits, head.to_owned(), operands.to_vec());
        if let Some(term) = arena.numbers.get(&key) {
            return *term;
        }
        let term = Term(arena.nodes.len());
        arena.numbers.insert(key, term);
        let head = Some(head.to_owned());
        arena.nodes.push(Node { bits, head, operands: operands.to_vec() });
        term
    })
}

/// A constant.
pub(crate) fn constant(bits: u32, value: u128) -> Term {
    let digits = format!("{value:b}");
    assert!(digits.len() <= bits as usize, "{value} in {bits} bits");
    let term = apply(bits, &format!("#b{digits:0>width$}", width = bits as usize), &[]);
    ARENA.with_borrow_mut(|arena| arena.constants.insert(term, value));
    term
}

/// The value of a term that is a constant.
pub(crate) fn value(term: Term) -> Option<u128> {
    ARENA.with_borrow(|arena| arena.constants.get(&term).copied())
}

/// A free variable.
pub(crate) fn variable(bits: u32) -> Term {
    ARENA.with_borrow_mut(|arena| {
        arena.nodes.push(Node { bits, head: None, operands: Vec::new() });
        Term(arena.nodes.len() - 1)
    })
}

/// A product of two words, any word in its range: the same factors have the same product.
pub(crate) fn product(bits: u32, factors: [Term; 2], range: impl FnOnce(Term) -> Term) -> Term {
    let product = apply(bits, "product", &factors);
    let fact = range(product);
    ARENA.with_borrow_mut(|arena| {
        let node = &mut arena.nodes[product.0];
        node.head = None;
        node.operands.clear();
        if !arena.facts.contains(&fact) {
            arena.facts.push(fact);
        }
    });
    product
}

/// Has it proved that a truth value is true.
pub(crate) fn oblige(truth: Term) {
    ARENA.with_borrow_mut(|arena| {
        if !arena.settled.contains(&truth) && !arena.obligations.contains(&truth) {
            arena.obligations.push(truth);
        }
    });
}

/// Whether this execution of an operation is the one that is left out; or what a constant becomes.
pub(crate) fn left_out(operation: &'static str) -> bool {
    ARENA.with_borrow_mut(|arena| {
        let done = arena.done.entry(operation).or_default();
        *done += 1;
        matches!(arena.fault, Some(Fault::Without(name, nth)) if name == operation && nth == *done)
    })
}

/// What the arithmetic under proof gets for a constant.
pub(crate) fn written(constant: u128) -> u128 {
    ARENA.with_borrow(|arena| match arena.fault {
        Some(Fault::Instead(right, wrong)) if right == constant => wrong,
        _ => constant,
    })
}

/// Executes without a fault, and obliges to nothing: for what is executed a second time. Where that
/// is `shown` by another goal, the first time does not oblige either.
pub(crate) fn apart<R>(shown: bool, run: impl FnOnce() -> R) -> R {
    let take = |arena: &mut Arena| {
        (
            arena.fault.take(),
            std::mem::take(&mut arena.obligations),
            std::mem::take(&mut arena.done),
        )
    };
    let (fault, obligations, done) = ARENA.with_borrow_mut(take);
    let result = run();
    ARENA.with_borrow_mut(|arena| {
        let (_, twice, _) = take(arena);
        if shown {
            arena.settled.extend(twice);
        }
        (arena.fault, arena.obligations, arena.done) = (fault, obligations, done);
    });
    result
}

/// What is under obligation so far, taken away.
pub(crate) fn obligations() -> Vec<Term> {
    ARENA.with_borrow_mut(|arena| std::mem::take(&mut arena.obligations))
}

/// Each operation that was executed, with how often.
pub(crate) fn executed() -> Vec<(&'static str, usize)> {
    let mut all: Vec<_> = ARENA.with_borrow(|arena| arena.done.clone()).into_iter().collect();
    all.sort_unstable();
    all
}

/// The question whether `givens` and facts can hold without `shown`, where a term that was cut off
/// is any word. `None` where the logic does not have an operation.
pub(crate) fn question(
    givens: &[Term],
    shown: &[Term],
    cuts: &BTreeSet<Term>,
    logic: Logic,
) -> Option<String> {
    ARENA.with_borrow(|arena| arena.question(givens, shown, cuts, logic))
}

impl Arena {
    fn question(
        &self,
        givens: &[Term],
        shown: &[Term],
        cuts: &BTreeSet<Term>,
        logic: Logic,
    ) -> Option<String> {
        let mut wanted = BTreeSet::new();
        self.reach(&[givens, shown].concat(), cuts, &mut wanted);
        // A fact matters where its product does.
        let matters = |fact: &&Term| {
            self.nodes[fact.0].operands.iter().any(|operand| wanted.contains(operand))
        };
        let facts: Vec<Term> = self.facts.iter().filter(matters).copied().collect();
        self.reach(&facts, cuts, &mut wanted);
        let mut text = format!("(set-logic {})\n", logic.name());
        for term in &wanted {
            let node = &self.nodes[term.0];
            let name = term.0;
            let sort = logic.sort(node.bits);
            let line = match &node.head {
                Some(head) if !cuts.contains(term) => {
                    let operands: Vec<_> =
                        node.operands.iter().map(|at| (*at, self.nodes[at.0].bits)).collect();
                    let definition = logic.definition(node.bits, head, &operands, |term| {
                        self.constants.get(&term).copied()
                    })?;
                    format!("(define-fun t{name} () {sort} {definition})")
                }
                _ => format!("(declare-const t{name} {sort}){}", logic.range(name, node.bits)),
            };
            text.push_str(&line);
            text.push('\n');
        }
        for given in givens.iter().chain(&facts) {
            text.push_str(&format!("(assert t{})\n", given.0));
        }
        let shown: String = shown.iter().map(|truth| format!(" t{}", truth.0)).collect();
        text.push_str(&format!("(assert (not (and true{shown})))\n(check-sat)\n"));
        Some(text)
    }

    /// All terms below some, without what is below a cut.
    fn reach(&self, roots: &[Term], cuts: &BTreeSet<Term>, wanted: &mut BTreeSet<Term>) {
        let mut stack = roots.to_vec();
        while let Some(term) = stack.pop() {
            if wanted.insert(term) && !cuts.contains(&term) {
                stack.extend(&self.nodes[term.0].operands);
            }
        }
    }
}
