//! The schedule of the written graph: one step per node that runs, in execution order, bodies spelt out.
//!
//! * A node whose outputs are all views is not a step.
//! * `ShapeOf` reads a shape, no bytes.
//! * Both branches of an `If` that can run come one after the other; a loop's body comes once, between a step that fills its
//!   carried and sliced parameters and one that collects its results.

use super::fold::{self, Folding, Sources};
use super::{Draft, Known, NodeRef, Origin, Step, Storage, StorageClass, TensorRef, Value, alias, state};
use crate::Bytes;
use crate::graph::op::{If, Loop, LoopInputKind};
use crate::graph::{Graph, Op, WeightRange};
use crate::ids::{NodeId, StorageId, TensorId, ValueId, VariableId};
use crate::shape::{Bound, Shapes, TensorInfo};
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

/// Builds the schedule of `graph` as exported; offsets are multiples of `alignment`.
pub(crate) fn build(graph: &Graph, shapes: &Shapes, alignment: u64) -> Draft {
    let bodies = graph.with_bodies();
    let mut scheduler =
        Scheduler { draft: Draft::default(), weights: FxHashMap::default(), states: Vec::new(), alignment };
    for body in &bodies {
        scheduler.weights_of(body);
    }
    let parameters: Vec<ValueId> = graph
        .parameters()
        .iter()
        .map(|&node| {
            let class = state::io_class(crate::scenario::input_name(graph, node));
            let info = graph.output(node, 0).map(|tensor| shapes.tensor(tensor));
            scheduler.own(NodeRef { graph: 0, node }, class, info, graph.output(node, 0), Origin::Resident)
        })
        .collect();
    scheduler.draft.user_bytes = parameters.iter().map(|&value| scheduler.draft.value(value).bytes).sum();
    scheduler.graph(graph, shapes, &parameters, true);
    state::settle(&mut scheduler.draft, &scheduler.states);
    scheduler.draft
}

struct Scheduler {
    draft: Draft,
    weights: FxHashMap<WeightRange, ValueId>,
    /// The storages of all variables, those of bodies too.
    states: Vec<StorageId>,
    alignment: u64,
}

/// One graph or body while its steps are made.
struct Scope<'a> {
    number: u32,
    graph: &'a Graph,
    shapes: &'a Shapes,
    folding: Folding,
    sources: Sources,
    /// The value of each tensor that has one.
    values: Vec<Option<ValueId>>,
    /// The state of each variable: its storage, made at its first read or write.
    states: Vec<Option<StorageId>>,
    /// What the first read of each variable gives.
    first_reads: Vec<Option<ValueId>>,
}

impl Scheduler {
    /// Steps of a graph, given the values of its parameters; returns the values of its results.
    fn graph(
        &mut self,
        graph: &Graph,
        shapes: &Shapes,
        parameters: &[ValueId],
        is_main: bool,
    ) -> Vec<Option<ValueId>> {
        let mut scope = Scope {
            number: graph.number(),
            graph,
            shapes,
            folding: Folding::of(graph),
            sources: Sources::default(),
            values: vec![None; graph.tensors().len()],
            states: vec![None; graph.variables().len()],
            first_reads: vec![None; graph.variables().len()],
        };
        for (&node, &value) in graph.parameters().iter().zip(parameters) {
            if let Some(tensor) = graph.output(node, 0) {
                scope.values[tensor.index()] = Some(value);
            }
        }
        let (assigns, others): (Vec<_>, Vec<_>) =
            graph.execution_order().iter().partition(|&&node| matches!(graph.node(node).op, Op::Assign(_)));
        for node in others.into_iter().chain(assigns) {
            if scope.folding.runs(node) {
                self.node(&mut scope, node, is_main);
            }
        }
        let results = graph.results().iter();
        results
            .map(|&node| graph.input(node, 0).and_then(|tensor| self.read_one(&mut scope, tensor)))
            .collect()
    }

    fn node(&mut self, scope: &mut Scope<'_>, node: NodeId, is_main: bool) {
        let source = NodeRef { graph: scope.number, node };
        match &scope.graph.node(node).op {
            Op::Parameter => {}
            Op::Result if is_main => self.result(scope, node),
            Op::Result => {}
            Op::ReadValue(variable) => self.read_variable(scope, node, *variable),
            Op::Assign(variable) => {
                let Some(value) = scope.graph.input(node, 0).and_then(|tensor| self.read_one(scope, tensor))
                else {
                    return;
                };
                let info = scope.graph.input(node, 0).map(|tensor| scope.shapes.tensor(tensor));
                let Some(info) = info else { return };
                let storage = self.state(scope, source, *variable, info);
                if let (Some(out), Some(_)) = (scope.graph.output(node, 0), scope.values.first()) {
                    scope.values[out.index()] = Some(value);
                }
                if self.draft.value(value).storage != storage {
                    let bytes = self.draft.value(value).bytes;
                    let stored = self.value(storage, Bytes::ZERO, bytes, Origin::Written, None);
                    self.step(source, SmallVec::from_slice(&[value]), [stored]);
                }
            }
            Op::If(branches) => self.branches(scope, node, branches),
            Op::Loop(spec) => self.repeat(scope, node, spec),
            op => {
                let mut writes = SmallVec::<[ValueId; 2]>::new();
                let views = alias::views(scope.graph, scope.shapes, node);
                for (tensor, view) in scope.graph.outputs(node).zip(views) {
                    let value = match view {
                        Some(view) => self.view(scope, node, tensor, view),
                        None => None,
                    };
                    let value = value.unwrap_or_else(|| {
                        let info = Some(scope.shapes.tensor(tensor));
                        let own =
                            self.own(source, StorageClass::Activation, info, Some(tensor), Origin::Written);
                        writes.push(own);
                        own
                    });
                    scope.values[tensor.index()] = Some(value);
                }
                if !writes.is_empty() || scope.graph.outputs(node).len() == 0 {
                    let reads = if matches!(op, Op::ShapeOf { .. } | Op::SizeOf) {
                        SmallVec::new()
                    } else {
                        self.reads(scope, node)
                    };
                    self.step(source, reads, writes);
                }
            }
        }
    }

    /// A model output: the storage of what it returns, if that is an intermediate result of its own, else a copy.
    fn result(&mut self, scope: &mut Scope<'_>, node: NodeId) {
        let source = NodeRef { graph: scope.number, node };
        let Some(tensor) = scope.graph.input(node, 0) else { return };
        let Some(value) = self.read_one(scope, tensor) else { return };
        let names = scope.graph.tensor_names(tensor).chain([scope.graph.node_name(node)]);
        let class = names.map(state::io_class).max().unwrap_or(StorageClass::Io);
        let held = self.draft.value(value);
        let (storage, bytes, is_made) = (held.storage, held.bytes, held.origin != Origin::Resident);
        let held = &mut self.draft.storages[storage.index()];
        match held.class {
            StorageClass::Activation if held.bytes == bytes => held.class = class,
            StorageClass::Io if held.bytes == bytes && is_made => {}
            _ => {
                let info = Some(scope.shapes.tensor(tensor));
                let copy = self.own(source, class, info, Some(tensor), Origin::Written);
                self.step(source, SmallVec::from_slice(&[value]), [copy]);
            }
        }
    }

    fn branches(&mut self, scope: &mut Scope<'_>, node: NodeId, spec: &If) {
        let source = NodeRef { graph: scope.number, node };
        let shapes = scope.shapes.bodies(node);
        let sides = [(&spec.then_body, &spec.then_inputs), (&spec.else_body, &spec.else_inputs)];
        let mut reads = SmallVec::<[ValueId; 4]>::new();
        reads.extend(scope.graph.input(node, 0).and_then(|tensor| self.read_one(scope, tensor)));
        let condition =
            scope.graph.input(node, 0).and_then(|tensor| scope.shapes.tensor(tensor).value.as_ref());
        let taken = match condition.filter(|value| !value.is_upper_bound).and_then(|value| value.as_ints()) {
            Some([flag]) => Some(*flag != 0),
            _ => None,
        };
        for (side, ((body, inputs), shapes)) in [true, false].into_iter().zip(sides.into_iter().zip(shapes)) {
            if shapes.is_refused() || taken.is_some_and(|taken| taken != side) {
                continue;
            }
            let parameters = self.parameters(scope, node, body, shapes, inputs.iter().copied());
            reads.extend(self.graph(body, shapes, &parameters, false).into_iter().flatten());
        }
        let writes: SmallVec<[ValueId; 2]> = self.outputs(scope, node, |_| true);
        self.step(source, reads, writes);
    }

    fn repeat(&mut self, scope: &mut Scope<'_>, node: NodeId, spec: &Loop) {
        let source = NodeRef { graph: scope.number, node };
        let Some(shapes) = scope.shapes.bodies(node).first() else { return };
        let invariant = spec.inputs.iter().filter(|input| input.kind == LoopInputKind::Invariant);
        let parameters = self.parameters(
            scope,
            node,
            &spec.body,
            shapes,
            invariant.map(|input| (input.input, input.parameter)),
        );
        let outside: SmallVec<[ValueId; 4]> = self.reads(scope, node);
        let joined = spec.outputs.iter().filter(|output| output.concat.is_some());
        let joined: FxHashSet<u32> = joined.map(|output| output.output).collect();
        let collected: SmallVec<[ValueId; 2]> = self.outputs(scope, node, |port| joined.contains(&port));
        let from_outside: FxHashSet<ValueId> = outside.iter().copied().collect();
        let own = parameters.iter().copied().filter(|value| !from_outside.contains(value));
        let filled: SmallVec<[ValueId; 2]> = own.chain(collected.iter().copied()).collect();
        self.step(source, outside.clone(), filled.clone());
        let results = self.graph(&spec.body, shapes, &parameters, false);
        let reads = outside.into_iter().chain(filled).chain(results.into_iter().flatten()).collect();
        let last: SmallVec<[ValueId; 2]> = self.outputs(scope, node, |port| !joined.contains(&port));
        self.step(source, reads, last);
    }

    /// Values of a body's parameters: the outer value where `passed` hands it through, else one of its own.
    fn parameters(
        &mut self,
        scope: &mut Scope<'_>,
        node: NodeId,
        body: &Graph,
        shapes: &Shapes,
        passed: impl Iterator<Item = (u32, u32)>,
    ) -> Vec<ValueId> {
        let mut outer = vec![None; body.parameters().len()];
        for (input, parameter) in passed {
            let tensor = scope.graph.input(node, input as usize);
            if let Some(slot) = outer.get_mut(parameter as usize) {
                *slot = tensor.and_then(|tensor| self.read_one(scope, tensor));
            }
        }
        let number = body.number();
        let own = body.parameters().iter().zip(outer);
        own.map(|(&parameter, outer)| {
            let tensor = body.output(parameter, 0);
            outer.unwrap_or_else(|| {
                let source = NodeRef { graph: number, node: parameter };
                let info = tensor.map(|tensor| shapes.tensor(tensor));
                self.own(source, StorageClass::Activation, info, tensor, Origin::Written)
            })
        })
        .collect()
    }

    /// Fresh values for the outputs of a control-flow node whose number `wanted` takes.
    fn outputs(
        &mut self,
        scope: &mut Scope<'_>,
        node: NodeId,
        wanted: impl Fn(u32) -> bool,
    ) -> SmallVec<[ValueId; 2]> {
        let source = NodeRef { graph: scope.number, node };
        let ports = scope.graph.outputs(node).enumerate().filter(|(port, _)| wanted(*port as u32));
        ports
            .map(|(_, tensor)| {
                let info = Some(scope.shapes.tensor(tensor));
                let value = self.own(source, StorageClass::Activation, info, Some(tensor), Origin::Written);
                scope.values[tensor.index()] = Some(value);
                value
            })
            .collect()
    }

    /// The values that a node reads; a folded input counts as the constants behind it.
    fn reads(&mut self, scope: &mut Scope<'_>, node: NodeId) -> SmallVec<[ValueId; 4]> {
        let mut reads = SmallVec::new();
        for &tensor in scope.graph.inputs(node).iter().flatten() {
            self.read(scope, tensor, &mut reads);
        }
        reads
    }

    fn read(&mut self, scope: &mut Scope<'_>, tensor: TensorId, reads: &mut SmallVec<[ValueId; 4]>) {
        if scope.values[tensor.index()].is_none()
            && scope.folding.is_constant(scope.graph, tensor)
            && let Some(constants) =
                fold::decompression(scope.graph, scope.shapes, &mut scope.sources, tensor)
        {
            let values = constants.iter().filter_map(|&node| self.constant(scope, node));
            reads.extend(values.collect::<SmallVec<[ValueId; 4]>>());
            return;
        }
        reads.extend(self.read_one(scope, tensor));
    }

    /// The one value of a tensor; a folded tensor that is not a weight is a constant of its own.
    fn read_one(&mut self, scope: &mut Scope<'_>, tensor: TensorId) -> Option<ValueId> {
        let known = scope.values[tensor.index()];
        if known.is_some() || !scope.folding.is_constant(scope.graph, tensor) {
            return known;
        }
        let node = scope.graph.tensor(tensor).node;
        let value = match scope.graph.node(node).op {
            Op::Constant(_) => self.constant(scope, node)?,
            _ => {
                let source = NodeRef { graph: scope.number, node };
                let info = Some(scope.shapes.tensor(tensor));
                self.own(source, StorageClass::WeightsAnonymous, info, Some(tensor), Origin::Resident)
            }
        };
        scope.values[tensor.index()] = Some(value);
        Some(value)
    }

    fn constant(&mut self, scope: &mut Scope<'_>, node: NodeId) -> Option<ValueId> {
        let tensor = scope.graph.output(node, 0)?;
        if let Some(value) = scope.values[tensor.index()] {
            return Some(value);
        }
        let Op::Constant(constant) = &scope.graph.node(node).op else { return None };
        let value = match constant.range {
            Some(range) => *self.weights.get(&range)?,
            None => {
                let source = NodeRef { graph: scope.number, node };
                let info = Some(scope.shapes.tensor(tensor));
                self.own(source, StorageClass::WeightsAnonymous, info, Some(tensor), Origin::Resident)
            }
        };
        scope.values[tensor.index()] = Some(value);
        Some(value)
    }

    /// Every range of the weights files that a graph names, once.
    fn weights_of(&mut self, graph: &Graph) {
        let number = graph.number();
        for (index, node) in graph.nodes().iter().enumerate() {
            let Op::Constant(constant) = &node.op else { continue };
            let Some(range) = constant.range else { continue };
            if !self.weights.contains_key(&range) {
                let storage = self.storage(Storage {
                    class: StorageClass::WeightsFile,
                    bytes: Bytes(range.size),
                    alignment: 1,
                    node: NodeRef { graph: number, node: NodeId::new(index) },
                    known: Known::Exact,
                    kept_until: 0,
                    grows: false,
                });
                let value = self.value(storage, Bytes::ZERO, Bytes(range.size), Origin::Resident, None);
                self.weights.insert(range, value);
            }
        }
    }

    /// The content of a variable: what is in it, or what initializes it; a further read gives the same once more.
    fn read_variable(&mut self, scope: &mut Scope<'_>, node: NodeId, variable: VariableId) {
        let Some(tensor) = scope.graph.output(node, 0) else { return };
        let source = NodeRef { graph: scope.number, node };
        let of = Some(TensorRef { graph: scope.number, tensor });
        let storage = self.state(scope, source, variable, scope.shapes.tensor(tensor));
        let bytes = scope.shapes.tensor(tensor).bytes().unwrap_or_default();
        if let Some(first) = scope.first_reads[variable.index()] {
            let bytes = bytes.min(self.draft.value(first).bytes);
            let value = self.value(storage, Bytes::ZERO, bytes, Origin::View(first), of);
            scope.values[tensor.index()] = Some(value);
            return;
        }
        let is_initialised =
            scope.shapes.binding().variables.get(variable.index()).is_some_and(Option::is_none);
        let reads =
            if is_initialised && bytes > Bytes::ZERO { self.reads(scope, node) } else { SmallVec::new() };
        let origin = if reads.is_empty() { Origin::Resident } else { Origin::Written };
        let value = self.value(storage, Bytes::ZERO, bytes, origin, of);
        scope.values[tensor.index()] = Some(value);
        scope.first_reads[variable.index()] = Some(value);
        if !reads.is_empty() {
            self.step(source, reads, [value]);
        }
    }

    fn state(
        &mut self,
        scope: &mut Scope<'_>,
        node: NodeRef,
        variable: VariableId,
        info: &TensorInfo,
    ) -> StorageId {
        let bytes = self.bytes(Some(info));
        if let Some(storage) = scope.states[variable.index()] {
            let held = &mut self.draft.storages[storage.index()];
            held.bytes = held.bytes.max(bytes);
            return storage;
        }
        let class = state::variable_class(&scope.graph.variable(variable).name);
        let storage = self.storage(Storage {
            class,
            bytes,
            alignment: 1,
            node,
            known: known(Some(info)),
            kept_until: 0,
            grows: false,
        });
        scope.states[variable.index()] = Some(storage);
        self.states.push(storage);
        storage
    }

    fn view(
        &mut self,
        scope: &mut Scope<'_>,
        node: NodeId,
        tensor: TensorId,
        view: alias::View,
    ) -> Option<ValueId> {
        let of = scope.graph.input(node, view.input).and_then(|input| self.read_one(scope, input))?;
        let base = self.draft.value(of);
        let bytes = scope.shapes.tensor(tensor).bytes()?;
        let (storage, offset) = (base.storage, base.offset + view.offset);
        // A folded weight in another form is shorter than the tensor that it represents: no bytes to share.
        (view.offset + bytes <= base.bytes).then_some(())?;
        Some(self.value(
            storage,
            offset,
            bytes,
            Origin::View(of),
            Some(TensorRef { graph: scope.number, tensor }),
        ))
    }

    /// A value in a storage of its own.
    fn own(
        &mut self,
        node: NodeRef,
        class: StorageClass,
        info: Option<&TensorInfo>,
        tensor: Option<TensorId>,
        origin: Origin,
    ) -> ValueId {
        let bytes = self.bytes(info);
        let alignment = if class.is_planned() { self.alignment } else { 1 };
        let storage = self.storage(Storage {
            class,
            bytes,
            alignment,
            node,
            known: known(info),
            kept_until: 0,
            grows: false,
        });
        let tensor = tensor.map(|tensor| TensorRef { graph: node.graph, tensor });
        self.value(storage, Bytes::ZERO, bytes, origin, tensor)
    }

    /// The bytes of a tensor; an unknown size is counted, and the totals become lower bounds.
    fn bytes(&mut self, info: Option<&TensorInfo>) -> Bytes {
        info.and_then(TensorInfo::bytes).unwrap_or_else(|| {
            self.draft.unknown_tensors += 1;
            Bytes::ZERO
        })
    }

    fn storage(&mut self, storage: Storage) -> StorageId {
        self.draft.storages.push(storage);
        StorageId::new(self.draft.storages.len() - 1)
    }

    fn value(
        &mut self,
        storage: StorageId,
        offset: Bytes,
        bytes: Bytes,
        origin: Origin,
        tensor: Option<TensorRef>,
    ) -> ValueId {
        self.draft.values.push(Value { storage, offset, bytes, origin, tensor });
        ValueId::new(self.draft.values.len() - 1)
    }

    fn step(
        &mut self,
        node: NodeRef,
        reads: SmallVec<[ValueId; 4]>,
        writes: impl IntoIterator<Item = ValueId>,
    ) {
        self.draft.steps.push(Step { node, reads, writes: writes.into_iter().collect() });
    }
}

fn known(info: Option<&TensorInfo>) -> Known {
    match info.map(|info| (info.bytes(), info.bound)) {
        Some((Some(_), Bound::Exact)) => Known::Exact,
        Some((Some(_), Bound::UpperBound)) => Known::UpperBound,
        _ => Known::LowerBound,
    }
}
