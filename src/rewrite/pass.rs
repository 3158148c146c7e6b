//! Rules, the table of passes that a runtime makes of them, and the driver.

use super::graph::{Body, WorkGraph};
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
    /// What it does.
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
        Pass { name: rule.name, source: rule.source, needs, when: |_| true, run: Run::Rules(order, rules) }
    }

    /// A pass of several rules, tried one after the other on each node.
    pub(crate) const fn rules(
        name: &'static str,
        source: &'static str,
        rules: &'static [Rule<D>],
        order: D::Order,
        needs: &'static [&'static str],
    ) -> Pass<D> {
        Pass { name, source, needs, when: |_| true, run: Run::Rules(order, rules) }
    }

    /// A pass that looks at the whole graph.
    pub(crate) const fn whole(
        name: &'static str,
        source: &'static str,
        run: for<'a, 'b> fn(&'b mut D::Work<'a>),
        needs: &'static [&'static str],
    ) -> Pass<D> {
        Pass { name, source, needs, when: |_| true, run: Run::Whole(run) }
    }

    /// The same pass under another name: one that comes twice.
    pub(crate) const fn named(self, name: &'static str) -> Pass<D> {
        Pass { name, ..self }
    }

    /// The same pass, run only where this holds.
    pub(crate) const fn when(self, when: for<'a, 'b> fn(&'b D::Work<'a>) -> bool) -> Pass<D> {
        Pass { when, ..self }
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
const AHEAD: usize = 16;

/// Runs passes in the order of their table, up to and with the one named `last`, else all.
///
/// Cost: of rules, linear in nodes; a rule that is not for a node's operator costs its [key](Rule::on).
pub(crate) fn run<D: Dialect>(work: &mut D::Work<'_>, passes: &'static [Pass<D>], last: Option<&str>) {
    let mut visits: Option<Visits<D>> = None;
    let mut ahead = 1;
    let position = passes.iter().position(|pass| Some(pass.name) == last);
    let passes = position.map_or(passes, |position| &passes[..=position]);
    for (number, pass) in passes.iter().enumerate() {
        if !(pass.when)(work) {
            continue;
        }
        match pass.run {
            Run::Rules(order, rules) => {
                let known = visits.take().filter(|known| known.order == order);
                let mut known = known.unwrap_or_else(|| Visits::new(work, order));
                known.look_ahead(work, &passes[number..], ahead);
                if known.visit(work, rules) {
                    ahead = 1;
                } else {
                    ahead = AHEAD.min(2 * ahead);
                    visits = Some(known);
                }
            }
            Run::Whole(run) => {
                visits = None;
                run(work);
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
    /// Of the next passes, positions in the order; the last is that of the pass to come.
    found: Vec<Vec<u32>>,
}

impl<D: Dialect> Visits<D> {
    fn new(work: &D::Work<'_>, order: D::Order) -> Visits<D> {
        Visits { order, nodes: D::order(work, order), found: Vec::new() }
    }

    /// Finds the nodes of some of the next passes, as far as they have this order, unless those of the first are known.
    fn look_ahead(&mut self, work: &D::Work<'_>, passes: &[Pass<D>], count: usize) {
        if !self.found.is_empty() {
            return;
        }
        let rules = passes.iter().map_while(|pass| match pass.run {
            Run::Rules(order, rules) if order == self.order => Some((pass, rules)),
            _ => None,
        });
        // Those that are not part of the run are skipped when it is their turn, too.
        let rules = rules.filter(|(pass, _)| (pass.when)(work)).map(|(_, rules)| rules);
        let mut rules: SmallVec<[&[Rule<D>]; AHEAD]> = rules.take(count).collect();
        rules.reverse();
        self.found.resize(rules.len(), Vec::new());
        for (position, &node) in self.nodes.iter().enumerate() {
            let body = &work.nodes[node];
            for (rules, found) in rules.iter().zip(&mut self.found) {
                if rules.iter().any(|rule| (rule.on)(body)) {
                    found.push(position as u32);
                }
            }
        }
    }

    /// Tries the rules of the pass to come; whether the graph changed, after which nothing here holds.
    fn visit(&mut self, work: &mut D::Work<'_>, rules: &[Rule<D>]) -> bool {
        for position in self.found.pop().unwrap_or_default() {
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
