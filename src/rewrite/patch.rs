//! What a rule wants changed: a list of edits that the graph applies.

use super::graph::{Body, Inputs, WorkGraph};
use smallvec::SmallVec;
use std::fmt;

/// Changes to a graph, in the order in which they are made.
///
/// New nodes have their positions as soon as they are in the patch, so later edits can name them. Positions and made-up
/// names hold for the graph that the patch was started on: it is applied before the next one is started.
pub(crate) struct Patch<B: Body> {
    edits: Vec<Edit<B>>,
    next: usize,
    n_named: u32,
    revisited: Option<usize>,
}

/// One change.
enum Edit<B: Body> {
    Insert(B, Inputs<B::Source>),
    Input(usize, usize, B::Source),
    Inputs(usize, Inputs<B::Source>),
    Replace(B::Source, B::Source, SmallVec<[usize; 2]>),
    Outputs(Vec<(B::Source, B::Source)>, fn(B::Source) -> usize),
    Change(usize, Box<dyn FnOnce(&mut B)>),
    Absorb(usize, usize),
    Rename(usize, usize),
    Remove(usize),
}

impl<B: Body> Patch<B> {
    /// A patch for a graph; it changes nothing yet.
    pub(crate) fn new(graph: &WorkGraph<B>) -> Patch<B> {
        Patch { edits: Vec::new(), next: graph.nodes.len(), n_named: graph.n_named, revisited: None }
    }

    /// A number for a made-up name, counted from 1.
    pub(crate) fn name_number(&mut self) -> u32 {
        self.n_named += 1;
        self.n_named
    }

    /// Adds a node behind all others; returns its position.
    pub(crate) fn insert(&mut self, body: B, inputs: Inputs<B::Source>) -> usize {
        self.edits.push(Edit::Insert(body, inputs));
        self.next += 1;
        self.next - 1
    }

    /// Changes one input of a node.
    pub(crate) fn set_input(&mut self, node: usize, input: usize, source: B::Source) {
        self.edits.push(Edit::Input(node, input, source));
    }

    /// Changes all inputs of a node.
    pub(crate) fn set_inputs(&mut self, node: usize, sources: impl IntoIterator<Item = B::Source>) {
        self.edits.push(Edit::Inputs(node, sources.into_iter().map(Some).collect()));
    }

    /// Makes every reader of `old` read `new`.
    pub(crate) fn replace(&mut self, old: B::Source, new: B::Source) {
        self.replace_except(old, new, &[]);
    }

    /// Makes every reader of `old` but these read `new`.
    pub(crate) fn replace_except(&mut self, old: B::Source, new: B::Source, except: &[usize]) {
        self.edits.push(Edit::Replace(old, new, except.into()));
    }

    /// Makes every reader of an output of one node read what is paired with it.
    ///
    /// See [`WorkGraph::replace_outputs`].
    pub(crate) fn replace_outputs(
        &mut self,
        pairs: Vec<(B::Source, B::Source)>,
        port: fn(B::Source) -> usize,
    ) {
        self.edits.push(Edit::Outputs(pairs, port));
    }

    /// Changes what the runtime knows of a node.
    pub(crate) fn change(&mut self, node: usize, change: impl FnOnce(&mut B) + 'static) {
        self.edits.push(Edit::Change(node, Box::new(change)));
    }

    /// Adds the provenance of `from` to a node that it was fused into.
    pub(crate) fn absorb(&mut self, into: usize, from: usize) {
        self.edits.push(Edit::Absorb(into, from));
    }

    /// Gives a node the name and the provenance of `from`, in whose place it is.
    pub(crate) fn rename(&mut self, node: usize, from: usize) {
        self.edits.push(Edit::Rename(node, from));
    }

    /// Removes a node; the outputs that others read are written by a node that is inserted after.
    pub(crate) fn remove(&mut self, node: usize) {
        self.edits.push(Edit::Remove(node));
    }

    /// Lets the rules of the pass be tried on this node next, in their order.
    pub(crate) fn revisit(&mut self, node: usize) {
        self.revisited = Some(node);
    }

    /// The node to try next.
    pub(super) fn revisited(&self) -> Option<usize> {
        self.revisited
    }
}

impl<B: Body> WorkGraph<B> {
    /// Applies what a rule wants changed.
    pub(crate) fn apply(&mut self, patch: Patch<B>) {
        self.n_named = patch.n_named;
        for edit in patch.edits {
            match edit {
                Edit::Insert(body, inputs) => _ = self.insert(body, inputs),
                Edit::Input(node, input, source) => self.set_input(node, input, source),
                Edit::Inputs(node, inputs) => self.set_inputs(node, inputs),
                Edit::Replace(old, new, except) => {
                    self.replace_for(old, new, |user| !except.contains(&user));
                }
                Edit::Outputs(pairs, port) => self.replace_outputs(&pairs, port),
                Edit::Change(node, change) => change(&mut self.nodes[node]),
                Edit::Absorb(into, from) => self.nodes.pair(into, from, B::absorb),
                Edit::Rename(node, from) => self.nodes.pair(node, from, B::rename),
                Edit::Remove(node) => self.remove(node),
            }
        }
    }
}

impl<B: Body> fmt::Debug for Patch<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.edits).finish()
    }
}

impl<B: Body> fmt::Debug for Edit<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Edit::Insert(body, inputs) => write!(f, "insert {body:?} that reads {inputs:?}"),
            Edit::Input(node, input, source) => write!(f, "let input {input} of {node} read {source:?}"),
            Edit::Inputs(node, inputs) => write!(f, "let {node} read {inputs:?}"),
            Edit::Replace(old, new, except) => write!(f, "replace {old:?} by {new:?} except for {except:?}"),
            Edit::Outputs(pairs, _) => write!(f, "replace {pairs:?}"),
            Edit::Change(node, _) => write!(f, "change {node}"),
            Edit::Absorb(into, from) => write!(f, "add the provenance of {from} to {into}"),
            Edit::Rename(node, from) => write!(f, "give {node} the name of {from}"),
            Edit::Remove(node) => write!(f, "remove {node}"),
        }
    }
}
