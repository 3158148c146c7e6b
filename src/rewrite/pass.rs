//! Rules, the table of passes that a runtime makes of them, and the driver.

use super::graph::{Body, Version, WorkGraph};
use super::patch::Patch;
use smallvec::SmallVec;
use std::fmt;
use std::ops::DerefMut;
use std::rc::Rc;

/// A runtime's way of rewriting.
pub(crate) trait Dialect: 'static {
    /// What it knows of a node.
    type Body: Body;
    /// The graph with what the runtime keeps next to it.
    type Work<'a>: DerefMut<Target = WorkGraph<Self::Body>>;
    /// The orders in which it visits nodes.
    type Order: Copy + PartialEq + fmt::Debug;

    /// The nodes that are left, in this order.
    fn order(work: &Self::Work<'_>, order: Self::Order) -> Rc<Vec<usize>>;

    /// Whether every node that is left is in this order.
    fn is_of_all(_order: Self::Order) -> bool {
        true
    }
}

/// Tries a rule at a node.
pub(crate) type Apply<D> =
    for<'a, 'b> fn(&'b <D as Dialect>::Work<'a>, usize) -> Option<Patch<<D as Dialect>::Body>>;

/// A local fusion: a pattern around one node of some operators, and what becomes of it.
pub(crate) struct Rule<D: Dialect> {
    /// Its name.
    pub name: &'static str,
    /// Where the runtime does the same.
    pub source: &'static str,
    /// The operators that it is tried on: all that a node of another costs.
    pub on: fn(&D::Body) -> bool,
    /// The pattern at a node; nothing where it does not match.
    pub apply: Apply<D>,
    /// Whether it is tried at the same node until it does not match. Every match must make the graph smaller.
    pub repeats: bool,
}

/// One line of a runtime's table.
pub(crate) struct Pass<D: Dialect> {
    /// Its name, unique in the table.
    pub name: &'static str,
    /// Where the runtime does the same.
    pub source: &'static str,
    /// Passes that come earlier.
    pub needs: &'static [&'static str],
    /// Whether it is part of this run.
    pub when: for<'a, 'b> fn(&'b D::Work<'a>) -> bool,
    /// Of a pass over the whole graph: the operators without which it changes nothing, if these are few.
    pub on: Option<fn(&D::Body) -> bool>,
    /// Its rules, or its function.
    pub run: Run<D>,
}

/// What a pass does.
pub(crate) enum Run<D: Dialect> {
    /// Tries rules on every node that is left, once, in an order that is fixed before.
    Rules(D::Order, &'static [Rule<D>]),
    /// Looks at the whole graph.
    Whole(for<'a, 'b> fn(&'b mut D::Work<'a>)),
}

impl<D: Dialect> Pass<D> {
    /// A pass of one rule, under its name.
    pub(crate) const fn rule(
        rule: &'static Rule<D>,
        order: D::Order,
        needs: &'static [&'static str],
    ) -> Pass<D> {
        let rules = std::slice::from_ref(rule);
        Pass::rules(rule.name, rule.source, rules, order, needs)
    }

    /// A pass of several rules, tried one after the other on each node.
    pub(crate) const fn rules(
        name: &'static str,
        source: &'static str,
        rules: &'static [Rule<D>],
        order: D::Order,
        needs: &'static [&'static str],
    ) -> Pass<D> {
        Pass { name, source, needs, when: |_| true, on: None, run: Run::Rules(order, rules) }
    }

    /// A pass that looks at the whole graph.
    pub(crate) const fn whole(
        name: &'static str,
        source: &'static str,
        run: for<'a, 'b> fn(&'b mut D::Work<'a>),
        needs: &'static [&'static str],
    ) -> Pass<D> {
        Pass { name, source, needs, when: |_| true, on: None, run: Run::Whole(run) }
    }

    /// The same pass under another name: one that comes twice.
    pub(crate) const fn named(self, name: &'static str) -> Pass<D> {
        Pass { name, ..self }
    }

    /// The same pass, run only where this holds.
    pub(crate) const fn when(self, when: for<'a, 'b> fn(&'b D::Work<'a>) -> bool) -> Pass<D> {
        Pass { when, ..self }
    }

    /// The same pass over the whole graph, run only where a node is of these operators.
    pub(crate) const fn on(self, on: fn(&D::Body) -> bool) -> Pass<D> {
        Pass { on: Some(on), ..self }
    }

    /// Whether its nodes are looked for in this order.
    fn is_found_in(&self, order: D::Order) -> bool {
        match self.run {
            Run::Rules(own, _) => own == order,
            Run::Whole(_) => self.on.is_some() && D::is_of_all(order),
        }
    }

    /// Whether a node is of its operators.
    fn is_on(&self, body: &D::Body) -> bool {
        match self.run {
            Run::Rules(_, rules) => rules.iter().any(|rule| (rule.on)(body)),
            Run::Whole(_) => self.on.is_none_or(|on| on(body)),
        }
    }
}

impl<D: Dialect> fmt::Debug for Rule<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule").field("name", &self.name).field("source", &self.source).finish_non_exhaustive()
    }
}

impl<D: Dialect> fmt::Debug for Pass<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass")
            .field("name", &self.name)
            .field("source", &self.source)
            .field("needs", &self.needs)
            .finish_non_exhaustive()
    }
}

/// Passes whose nodes are found at once, at most.
const AHEAD: usize = 64;

/// Nodes of a graph that is in the caches: what is found for passes behind the next change would be for nothing. The library's
/// tests look ahead on any.
const CACHED: usize = if cfg!(test) { 1 } else { 1 << 14 };

/// Runs passes in the order of their table, up to and with the one named `last`, else all.
///
/// Cost: of rules, linear in nodes; a rule that is not for a node's operator costs its [key](Rule::on), and a pass over the whole
/// graph that is for none of them [its own](Pass::on).
pub(crate) fn run<D: Dialect>(work: &mut D::Work<'_>, passes: &'static [Pass<D>], last: Option<&str>) {
    let mut visits: Option<Visits<D>> = None;
    let mut ahead = 1;
    let position = passes.iter().position(|pass| Some(pass.name) == last);
    let passes = position.map_or(passes, |position| &passes[..=position]);
    for (number, pass) in passes.iter().enumerate() {
        if !(pass.when)(work) {
            continue;
        }
        visits = visits.filter(|known| known.holds(work));
        match pass.run {
            Run::Rules(order, rules) => {
                let known = visits.take().filter(|known| known.order == order);
                let mut known = known.unwrap_or_else(|| Visits::new(work, order));
                let found = known.find(work, passes, number, ahead);
                if known.visit(work, found, rules) {
                    ahead = 1;
                } else {
                    ahead = if work.nodes.len() < CACHED { 1 } else { AHEAD.min(2 * ahead) };
                    visits = Some(known);
                }
            }
            Run::Whole(run) => {
                let known = visits.as_mut().filter(|known| pass.is_found_in(known.order));
                let is_needed = match (known, pass.on) {
                    (Some(known), _) => !known.find(work, passes, number, ahead).is_empty(),
                    (None, Some(on)) => work.nodes.any(on),
                    (None, None) => true,
                };
                if is_needed {
                    run(work);
                }
            }
        }
        debug_assert!(work.faults().is_empty(), "after {}: {:?}", pass.name, work.faults());
    }
}

/// The order of nodes, which holds as long as nothing changes, and on which of them the next passes are tried.
///
/// A pass that matches nothing, as most do on most graphs, is a look at the nodes of its operators. Several passes are looked
/// ahead at, because a graph of a million nodes is in no cache: each look at all nodes costs as much as reading it.
struct Visits<D: Dialect> {
    order: D::Order,
    nodes: Rc<Vec<usize>>,
    /// The version of the graph in which they were found.
    version: Version,
    /// By number of the next passes, positions in the order; of a pass over the whole graph, the first.
    found: Vec<(usize, Vec<u32>)>,
}

impl<D: Dialect> Visits<D> {
    fn new(work: &D::Work<'_>, order: D::Order) -> Visits<D> {
        Visits { order, nodes: D::order(work, order), version: work.version(), found: Vec::new() }
    }

    /// Whether the graph is as it was.
    fn holds(&self, work: &D::Work<'_>) -> bool {
        self.version == work.version()
    }

    /// The nodes of a pass. Unless they are known, those of some of the next passes in this order are found together.
    fn find(&mut self, work: &D::Work<'_>, passes: &[Pass<D>], number: usize, count: usize) -> Vec<u32> {
        let known = self.found.iter().position(|&(of, _)| of == number);
        if let Some(known) = known {
            return self.found.swap_remove(known).1;
        }
        let next = passes.iter().enumerate().skip(number);
        let next = next.filter(|(_, pass)| (pass.when)(work) && pass.is_found_in(self.order));
        let next: SmallVec<[(usize, &Pass<D>); AHEAD]> = next.take(count).collect();
        self.found = next.iter().map(|&(number, _)| (number, Vec::new())).collect();
        for (position, &node) in (0_u32..).zip(self.nodes.iter()) {
            let body = &work.nodes[node];
            for ((_, pass), (_, found)) in next.iter().zip(&mut self.found) {
                let is_enough = matches!(pass.run, Run::Whole(_)) && !found.is_empty();
                if !is_enough && pass.is_on(body) {
                    found.push(position);
                }
            }
        }
        self.found.swap_remove(0).1
    }

    /// Tries rules at the positions that were found; whether the graph changed, after which nothing here holds.
    fn visit(&mut self, work: &mut D::Work<'_>, found: Vec<u32>, rules: &[Rule<D>]) -> bool {
        for position in found {
            let at = position as usize;
            if sweep(work, &self.nodes[at..=at], rules) {
                // A change may make rules match nodes for which they were not.
                sweep(work, &self.nodes[at + 1..], rules);
                return true;
            }
        }
        false
    }
}

/// Tries rules on nodes; whether the graph changed.
pub(crate) fn sweep<D: Dialect>(work: &mut D::Work<'_>, nodes: &[usize], rules: &[Rule<D>]) -> bool {
    let mut has_changed = false;
    for &node in nodes {
        // Most nodes are of operators that no rule is for.
        if !work.is_alive(node) || !rules.iter().any(|rule| (rule.on)(&work.nodes[node])) {
            continue;
        }
        let mut next = Some(node);
        while let Some(node) = next.take() {
            for rule in rules {
                has_changed |= try_rule(work, rule, node, &mut next);
            }
        }
    }
    has_changed
}

/// Tries a rule on a node, as often as it repeats; `next` becomes the node that it wants tried after this one.
fn try_rule<D: Dialect>(
    work: &mut D::Work<'_>,
    rule: &Rule<D>,
    node: usize,
    next: &mut Option<usize>,
) -> bool {
    let mut has_changed = false;
    while work.is_alive(node)
        && (rule.on)(&work.nodes[node])
        && let Some(patch) = (rule.apply)(work, node)
    {
        *next = patch.revisited().or(*next);
        work.apply(patch);
        has_changed = true;
        if !rule.repeats {
            break;
        }
    }
    has_changed
}

/// Names of passes, in their order.
pub(crate) fn names<D: Dialect>(passes: &'static [Pass<D>]) -> Vec<&'static str> {
    passes.iter().map(|pass| pass.name).collect()
}

/// What is wrong with a table: names that come twice, needs that do not come earlier, a missing source.
#[cfg(test)]
pub(crate) fn faults<D: Dialect>(passes: &'static [Pass<D>]) -> Vec<String> {
    let mut faults = Vec::new();
    for (position, pass) in passes.iter().enumerate() {
        let is_earlier = |name: &str| passes[..position].iter().any(|earlier| earlier.name == name);
        if is_earlier(pass.name) {
            faults.push(format!("two passes are named {}", pass.name));
        }
        let missing = pass.needs.iter().filter(|need| !is_earlier(need));
        faults.extend(missing.map(|need| format!("{} needs {need}, which does not come earlier", pass.name)));
        if pass.source.is_empty() {
            faults.push(format!("{} cites no source", pass.name));
        }
    }
    faults
}
