//! State: variables and cache tensors, and where their new content is written.

use super::{Draft, Origin, StorageClass};
use crate::Bytes;
use crate::ids::{StorageId, ValueId};

/// The class of a model input or output of this name: caches that the caller keeps are not plain I/O.
///
/// Source: `past_key_values.N.key` and `present.N.key` of Optimum and ONNX Runtime GenAI exports.
pub(crate) fn io_class(name: &str) -> StorageClass {
    if name.starts_with("past_") || name.starts_with("present") {
        StorageClass::KvCache
    } else {
        StorageClass::Io
    }
}

/// The class of a variable of this name.
///
/// Source: variable ids of optimum-intel exports, `past_key_values.9.valuepresent.9.value`.
pub(crate) fn variable_class(name: &str) -> StorageClass {
    let is_cache = ["past_key", "present", ".key", ".value", "k_cache", "v_cache"]
        .iter()
        .any(|mark| name.contains(mark));
    if is_cache { StorageClass::KvCache } else { StorageClass::State }
}

/// Lets the step that makes a state's new content write it into the state itself, where the old content is read by no
/// later step; the copy at the end and the buffer that it was made in go away.
///
/// Storages have other numbers then, so `draft` is complete, and `states` are the storages of all variables.
pub(crate) fn settle(draft: &mut Draft, states: &[StorageId]) {
    if states.is_empty() {
        return;
    }
    let mut is_state = vec![false; draft.storages.len()];
    for storage in states {
        is_state[storage.index()] = true;
    }
    let last_read = last_reads(draft);
    let mut written_by = vec![None; draft.storages.len()];
    for (index, step) in draft.steps.iter().enumerate() {
        for &value in &step.writes {
            written_by[draft.value(value).storage.index()].get_or_insert(index);
        }
    }

    let mut moves = vec![None; draft.storages.len()];
    let mut taken = vec![false; draft.storages.len()];
    let mut copies: Vec<(ValueId, ValueId)> = Vec::new();
    draft.steps.retain(|step| {
        let (&[read], &[written]) = (&step.reads[..], &step.writes[..]) else { return true };
        let (from, to) = (&draft.values[read.index()], &draft.values[written.index()]);
        let (source, target) = (from.storage.index(), to.storage.index());
        let held = &draft.storages[source];
        let is_whole =
            from.offset == Bytes::ZERO && held.bytes == from.bytes && held.class == StorageClass::Activation;
        let is_free =
            written_by[source].is_some_and(|step| last_read[target].is_none_or(|last| last <= step));
        let can_move = is_state[target]
            && !is_state[source]
            && is_whole
            && is_free
            && !taken[target]
            && moves[source].is_none();
        if can_move {
            moves[source] = Some(to.storage);
            taken[target] = true;
            copies.push((written, read));
        }
        !can_move
    });
    // A state that starts with what was just computed is read by later steps.
    for (copy, of) in copies {
        draft.values[copy.index()].origin = Origin::View(of);
    }
    if moves.iter().all(Option::is_none) {
        return;
    }

    let mut renumbered = Vec::with_capacity(draft.storages.len());
    let mut kept = 0;
    for moved in &moves {
        renumbered.push(StorageId::new(kept));
        kept += usize::from(moved.is_none());
    }
    for value in &mut draft.values {
        let storage = moves[value.storage.index()].unwrap_or(value.storage);
        value.storage = renumbered[storage.index()];
    }
    let mut index = 0;
    draft.storages.retain(|_| {
        index += 1;
        moves[index - 1].is_none()
    });
}

/// The last step that reads the content a storage has before the run, views of it included.
fn last_reads(draft: &Draft) -> Vec<Option<usize>> {
    let mut last = vec![None; draft.storages.len()];
    let mut known = vec![None; draft.values.len()];
    for (index, step) in draft.steps.iter().enumerate() {
        for &value in &step.reads {
            if is_old_content(draft, value, &mut known) {
                last[draft.value(value).storage.index()] = Some(index);
            }
        }
    }
    last
}

/// `known` is what was found of values before: many steps may read the end of a long chain of views.
fn is_old_content(draft: &Draft, value: ValueId, known: &mut [Option<bool>]) -> bool {
    let mut views = Vec::new();
    let mut current = value;
    let is_old = loop {
        match &draft.value(current).origin {
            Origin::View(of) => {
                if let Some(is_old) = known[current.index()] {
                    break is_old;
                }
                views.push(current);
                current = *of;
            }
            origin => break matches!(origin, Origin::Resident),
        }
    };
    for view in views {
        known[view.index()] = Some(is_old);
    }
    is_old
}

#[cfg(test)]
mod tests {
    use super::super::{StorageClass, builder};
    use crate::graph::op::{Binary, Broadcast, If, Unary, Variable};
    use crate::graph::{Builder, Format, Graph, NodeSpec, Op, PartialShape, TensorSpec};
    use crate::ids::{TensorId, VariableId};
    use crate::scenario::Scenario;
    use crate::{DType, shape};

    struct Net(Builder);

    impl Net {
        fn new() -> Net {
            Net(Builder::new("test.xml".as_ref(), Format::OpenVino))
        }

        /// A node; all tensors but conditions have 64 elements.
        fn node(&mut self, name: &str, op: Op, inputs: &[TensorId]) -> TensorId {
            let is_flag = name == "condition";
            let dtype = if is_flag { DType::Boolean } else { DType::F32 };
            let shape = PartialShape::known(if is_flag { &[] } else { &[64] });
            let node = self.0.node(NodeSpec { op, name, ..NodeSpec::default() });
            let made = self.0.output(node, TensorSpec { dtype, shape, ..TensorSpec::default() });
            self.0.connect(node, &inputs.iter().copied().map(Some).collect::<Vec<_>>());
            made
        }

        fn sum(&mut self, name: &str, inputs: [TensorId; 2]) -> TensorId {
            self.node(name, Op::Binary(Binary::Add, Broadcast::Numpy), &inputs)
        }

        fn variable(&mut self, name: &str) -> VariableId {
            let shape = PartialShape::known(&[64]);
            self.0.variable(Variable { name: name.to_owned(), shape, dtype: DType::F32 })
        }

        fn finish(mut self, of: TensorId) -> Graph {
            let node = self.0.node(NodeSpec { op: Op::Result, name: "result", ..NodeSpec::default() });
            self.0.connect(node, &[Some(of)]);
            self.0.finish().unwrap()
        }
    }

    /// Keeps its first input, and adds both.
    fn body() -> Graph {
        let mut net = Net::new();
        let [kept, other] = ["kept", "other"].map(|name| net.node(name, Op::Parameter, &[]));
        let variable = net.variable("of a body");
        net.node("keep", Op::Assign(variable), &[kept]);
        let sum = net.sum("sum", [kept, other]);
        net.finish(sum)
    }

    #[test]
    fn states_of_bodies_leave_those_around_them_where_they_are() {
        let mut net = Net::new();
        let [x, condition] = ["x", "condition"].map(|name| net.node(name, Op::Parameter, &[]));
        let first = net.node("first", Op::Unary(Unary::Tanh), &[x]);
        let variable = net.variable("outside");
        let read = net.node("read", Op::ReadValue(variable), &[]);
        let sum = net.sum("sum", [first, read]);
        let passed = || vec![(1, 0), (2, 1)];
        let branches = If {
            then_body: body(),
            else_body: body(),
            then_inputs: passed(),
            else_inputs: passed(),
            then_outputs: vec![(0, 0)],
            else_outputs: vec![(0, 0)],
        };
        let chosen = net.node("if", Op::If(Box::new(branches)), &[condition, first, sum]);
        let last = net.node("last", Op::Unary(Unary::Relu), &[chosen]);
        net.node("keep", Op::Assign(variable), &[last]);
        let out = net.node("out", Op::Unary(Unary::Sigmoid), &[last]);
        let graph = net.finish(out);
        let shapes = shape::infer(&graph, &Scenario::default()).unwrap();
        let draft = builder::build(&graph, &shapes, 1);
        let classes_of = |name: &str| -> Vec<StorageClass> {
            let steps = draft
                .steps
                .iter()
                .filter(|step| step.node.graph == 0 && graph.node_name(step.node.node) == name);
            steps
                .flat_map(|step| &step.writes)
                .map(|&value| draft.storage(draft.value(value).storage).class)
                .collect()
        };
        // Of both branches one is given what is kept where it is, and the other copies it.
        assert_eq!(classes_of("first"), [StorageClass::State]);
        assert_eq!(classes_of("sum"), [StorageClass::Activation]);
        assert_eq!(classes_of("last"), [StorageClass::State]);
        let states = draft.storages.iter().filter(|storage| storage.class == StorageClass::State);
        assert_eq!(states.count(), 3);
    }
}
