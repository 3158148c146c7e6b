//! What becomes of a node that a transposition is moved through: its inputs, its axes, and what is behind it.
//!
//! Source: onnxruntime/core/optimizer/transpose_optimization/onnx_transpose_optimization.cc (`TransposeInputImpl`,
//! `UnsqueezeInput`, `TransposeOutput`, `HandleShape`, `HandleTransposeImpl` and the other handlers), ONNX Runtime 1.31.1.

use super::super::super::kernel::Kernel;
use super::super::super::work::Work;
use super::axes::{Axes, composed, distinct, inverse, is_identity, sorted, squeezed, unsqueezed};
use super::handlers::{Handler, handler, order_of};
use crate::graph::Op;
use crate::graph::op::{PadInputs, TileInputs};
use crate::ids::TensorId;
use crate::rewrite::Inputs;
use crate::shape::Dim;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::{SmallVec, smallvec};

/// The constants that one walk makes, each once.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// By numbers, and whether they are an initializer of the runtime.
    numbers: FxHashMap<(SmallVec<[i64; 8]>, bool), usize>,
    /// By constant, dims of 1 before its own, and order.
    transposed: FxHashMap<(usize, usize, Axes), usize>,
    /// Transpositions by what they read, and order.
    of: FxHashMap<(usize, Axes), usize>,
    /// Values whose readers were looked through for transpositions: once, since a value may have many.
    looked_through: FxHashSet<usize>,
}

/// The transposition that is moved.
#[derive(Clone, Copy, Debug)]
struct Moved<'o> {
    /// Its order.
    order: &'o [usize],
    /// Its node's own input of axes, which gives made constants their tensor.
    axes: TensorId,
}

impl Made {
    /// Moves a transposition of this order through a node that reads it; false: nothing was changed.
    pub(super) fn moves(
        &mut self,
        work: &mut Work<'_>,
        transpose: usize,
        node: usize,
        order: &[usize],
    ) -> bool {
        let (Some(handler), Some(axes)) = (handler(work.nodes[node].kind), work.input(transpose, 1)) else {
            return false;
        };
        let moved = Moved { order, axes: work.values[axes].tensor };
        match handler {
            Handler::Same | Handler::Broadcast | Handler::Concat => self.plain(work, node, handler, moved),
            Handler::Axis | Handler::Extreme => self.along_axis(work, node, handler, moved),
            Handler::Shape => self.shape(work, node, moved),
            Handler::Transpose => {
                let Some(own) = order_of(work, node).filter(|own| own.len() == order.len()) else {
                    return false;
                };
                self.joined(work, transpose, node, moved, &own)
            }
            Handler::Reshape => match as_transposition(work, transpose, node) {
                Some(own) => self.joined(work, transpose, node, moved, &own),
                None => false,
            },
            Handler::Reduce => self.reduced(work, node, moved),
            Handler::Squeeze => self.squeezed(work, node, moved),
            Handler::Unsqueeze => self.unsqueezed(work, node, moved),
            Handler::Slice => self.sliced(work, node, moved),
            Handler::PerDim => self.per_dim(work, node, moved),
            Handler::Later => false,
        }
    }

    fn plain(&mut self, work: &mut Work<'_>, node: usize, handler: Handler, moved: Moved<'_>) -> bool {
        let inputs = handler.inputs(work, node);
        if handler == Handler::Broadcast {
            let rank_of = |input: &usize| {
                let shape = work.input(node, *input).and_then(|value| work.values[value].shape.as_ref());
                shape.map(|dims| dims.len()).filter(|&rank| rank <= moved.order.len())
            };
            if !inputs.iter().all(|input| rank_of(input).is_some()) {
                return false;
            }
            inputs.iter().for_each(|&input| self.broadcast(work, node, input, moved));
        }
        if handler == Handler::Concat {
            let Op::Concat { axis } = work.graph.node(work.nodes[node].source).op else { return false };
            let Some(axis) = axis_of(work, node, axis, moved.order.len()) else { return false };
            work.set_axis(node, moved.order[axis]);
        }
        let undone = inverse(moved.order);
        inputs.into_iter().for_each(|input| self.transpose_input(work, node, input, &undone, moved));
        self.transpose_outputs(work, node, moved.order, moved);
        true
    }

    fn along_axis(&mut self, work: &mut Work<'_>, node: usize, handler: Handler, moved: Moved<'_>) -> bool {
        let rank = moved.order.len();
        let mut behind: Axes = moved.order.into();
        match work.graph.node(work.nodes[node].source).op {
            Op::Softmax(span) | Op::LogSoftmax(span) | Op::Hardmax(span) => {
                let Some(axis) = axis_of(work, node, span.axis, rank) else { return false };
                if span.to_end {
                    let stays = |(place, &from): (usize, &usize)| (place < axis) == (from < axis);
                    if !moved.order.iter().enumerate().all(stays) {
                        return false;
                    }
                } else {
                    work.set_axis(node, moved.order[axis]);
                }
            }
            Op::ArgExtreme { axis, keep_dims, .. } => {
                let Some(axis) = axis_of(work, node, axis, rank) else { return false };
                work.set_axis(node, moved.order[axis]);
                if !keep_dims {
                    behind = squeezed(&[moved.order[axis]], moved.order);
                }
            }
            _ if handler == Handler::Axis => {
                let axis = work.input(node, 1).and_then(|axis| work.ints(axis));
                let Some(&[axis]) = axis.and_then(|axis| distinct(axis, rank)).as_deref() else {
                    return false;
                };
                let axis = self.numbers(work, &[moved.order[axis]], false, moved);
                work.set_input(node, 1, axis);
            }
            _ => return false,
        }
        self.transpose_input(work, node, 0, &inverse(moved.order), moved);
        self.transpose_outputs(work, node, &behind, moved);
        true
    }

    /// The dims of the data, of which a Gather picks those of the transposition in its order.
    fn shape(&mut self, work: &mut Work<'_>, node: usize, moved: Moved<'_>) -> bool {
        let source = work.nodes[node].source;
        let (Op::ShapeOf { start, end, .. }, Some(old)) = (&work.graph.node(source).op, work.output(node))
        else {
            return false;
        };
        let rank = moved.order.len() as i64;
        let place = |place: i64| (if place < 0 { place.saturating_add(rank) } else { place }).clamp(0, rank);
        let is_cut = work.nodes[node].axis.is_none();
        let (from, to) = (place(*start), end.map_or(rank, place));
        let picked = if is_cut { moved.order.get(from as usize..to as usize) } else { Some(moved.order) };
        let picked: Axes = picked.unwrap_or_default().into();
        self.transpose_input(work, node, 0, &inverse(moved.order), moved);
        // All dims, from the first on.
        work.set_axis(node, 0);
        let all = work.like(old);
        work.values[all].dims = Some(smallvec![rank as u64]);
        work.values[all].shape = Some(smallvec![Dim::Known(rank as u64)]);
        work.write(node, 0, all);
        let index = self.numbers(work, &picked, true, moved);
        work.add(Kernel::Gather, source, smallvec![Some(all), Some(index)], old);
        true
    }

    /// A transposition behind another: both become one, or none.
    fn joined(
        &mut self,
        work: &mut Work<'_>,
        transpose: usize,
        node: usize,
        moved: Moved<'_>,
        own: &[usize],
    ) -> bool {
        let (Some(data), Some(output)) = (work.input(transpose, 0), work.output(node)) else { return false };
        let both = composed(moved.order, own);
        let source = work.nodes[node].source;
        if !is_identity(&both) {
            let order = self.numbers(work, &both, false, moved);
            work.remove(node);
            let made = work.add(Kernel::Transpose, source, smallvec![Some(data), Some(order)], output);
            self.of.insert((data, both), made);
        } else if !work.is_output(output) {
            work.remove(node);
            work.replace(output, data);
        } else if let Some(writer) = work.writer(data).filter(|_| !work.is_output(data)) {
            let port = work.nodes[writer].outputs.iter().position(|&value| value == data).unwrap_or(0);
            work.remove(node);
            work.replace(data, output);
            work.write(writer, port, output);
        } else {
            work.remove(node);
            work.add(Kernel::Identity, source, smallvec![Some(data)], output);
        }
        work.sweep(transpose);
        true
    }

    fn reduced(&mut self, work: &mut Work<'_>, node: usize, moved: Moved<'_>) -> bool {
        let source = work.nodes[node].source;
        let Op::Reduce { keep_dims, noop_with_empty_axes, .. } = work.graph.node(source).op else {
            return false;
        };
        let undone = inverse(moved.order);
        let axes: Option<SmallVec<[i64; 6]>> = match work.input(node, 1) {
            None => Some(SmallVec::new()),
            Some(axes) => work.ints(axes).map(SmallVec::from),
        };
        let Some(axes) = axes.and_then(|axes| distinct(&axes, moved.order.len())) else { return false };
        if axes.is_empty() {
            self.transpose_input(work, node, 0, &undone, moved);
            if keep_dims || noop_with_empty_axes {
                self.transpose_outputs(work, node, moved.order, moved);
            }
            return true;
        }
        let axes = sorted(&axes, moved.order);
        let new = self.numbers(work, &axes, true, moved);
        work.set_input(node, 1, new);
        self.transpose_input(work, node, 0, &undone, moved);
        let behind = if keep_dims { moved.order.into() } else { squeezed(&axes, moved.order) };
        self.transpose_outputs(work, node, &behind, moved);
        true
    }

    fn squeezed(&mut self, work: &mut Work<'_>, node: usize, moved: Moved<'_>) -> bool {
        let axes = work.input(node, 1).and_then(|axes| work.ints(axes));
        let Some(axes) = axes.and_then(|axes| distinct(axes, moved.order.len())) else { return false };
        let axes = sorted(&axes, moved.order);
        let new = self.numbers(work, &axes, true, moved);
        work.set_input(node, 1, new);
        self.transpose_input(work, node, 0, &inverse(moved.order), moved);
        self.transpose_outputs(work, node, &squeezed(&axes, moved.order), moved);
        true
    }

    fn unsqueezed(&mut self, work: &mut Work<'_>, node: usize, moved: Moved<'_>) -> bool {
        let axes = work.input(node, 1).and_then(|axes| work.ints(axes));
        let Some(axes) = axes.and_then(|axes| distinct(axes, moved.order.len() + axes.len())) else {
            return false;
        };
        self.transpose_input(work, node, 0, &inverse(moved.order), moved);
        self.transpose_outputs(work, node, &unsqueezed(&axes, moved.order), moved);
        true
    }

    fn sliced(&mut self, work: &mut Work<'_>, node: usize, moved: Moved<'_>) -> bool {
        let axes = match work.input(node, 4) {
            Some(axes) => work.ints(axes).and_then(|axes| distinct(axes, moved.order.len())),
            None => {
                let starts = work.input(node, 1).and_then(|starts| work.values[starts].shape.as_deref());
                let count = match starts {
                    Some(&[Dim::Known(count)]) => usize::try_from(count).ok(),
                    _ => None,
                };
                count.filter(|&count| count <= moved.order.len()).map(|count| (0..count).collect())
            }
        };
        let Some(axes) = axes else { return false };
        // In the order of starts and ends.
        let axes: Axes = axes.iter().map(|&axis| moved.order[axis]).collect();
        let mut inputs: Inputs<usize> = work.nodes[node].inputs().into();
        inputs.resize(5, None);
        inputs[4] = Some(self.numbers(work, &axes, true, moved));
        work.set_inputs(node, inputs);
        self.transpose_input(work, node, 0, &inverse(moved.order), moved);
        self.transpose_outputs(work, node, moved.order, moved);
        true
    }

    /// Pad and Tile: the numbers of each dim go with it.
    fn per_dim(&mut self, work: &mut Work<'_>, node: usize, moved: Moved<'_>) -> bool {
        let source = work.nodes[node].source;
        let undone = inverse(moved.order);
        let mut picked = undone.clone();
        match work.graph.node(source).op {
            Op::Pad(_, PadInputs::Joined) if work.input(node, 3).is_none() => {
                picked.extend(undone.iter().map(|&axis| axis + undone.len()));
            }
            Op::Tile(TileInputs::Repeats) => {}
            _ => return false,
        }
        let Some(numbers) = work.input(node, 1) else { return false };
        let new = match work.ints(numbers) {
            Some(old) if old.len() == picked.len() => {
                let new: SmallVec<[i64; 8]> = picked.iter().map(|&place| old[place]).collect();
                self.constant(work, new, true, moved)
            }
            Some(_) => return false,
            None => {
                let index = self.numbers(work, &picked, true, moved);
                let new = work.like(numbers);
                work.add(Kernel::Gather, source, smallvec![Some(numbers), Some(index)], new);
                new
            }
        };
        work.set_input(node, 1, new);
        self.transpose_input(work, node, 0, &undone, moved);
        self.transpose_outputs(work, node, moved.order, moved);
        true
    }

    /// Lets an input have as many dims as the transposition.
    fn broadcast(&mut self, work: &mut Work<'_>, node: usize, input: usize, moved: Moved<'_>) {
        let Some(value) = work.input(node, input) else { return };
        let rank = work.values[value].shape.as_ref().map_or(moved.order.len(), |dims| dims.len());
        let added: Axes = (0..moved.order.len().saturating_sub(rank)).collect();
        if added.is_empty() {
            return;
        }
        if is_own_constant(work, value) {
            let new = self.constant_like(work, value, added.len(), &[]);
            work.set_input(node, input, new);
            return;
        }
        let source = work.nodes[node].source;
        let squeezed = work.writer(value).filter(|&writer| work.is(writer, Kernel::Squeeze));
        let same = squeezed.filter(|&squeeze| axes_are(work, squeeze, &added));
        if let Some((squeeze, data)) = same.and_then(|squeeze| Some((squeeze, work.input(squeeze, 0)?))) {
            work.set_input(node, input, data);
            work.sweep(squeeze);
            return;
        }
        let new = work.like(value);
        prepend(work, new, added.len());
        let axes = self.numbers(work, &added, true, moved);
        let unsqueeze = work.add(Kernel::Unsqueeze, source, smallvec![Some(value), Some(axes)], new);
        work.set_input(node, input, new);
        let transpose = work.writer(value).filter(|&writer| work.is(writer, Kernel::Transpose));
        if let Some(order) = transpose.and_then(|transpose| order_of(work, transpose)) {
            self.transpose_input(work, unsqueeze, 0, &inverse(&order), moved);
            self.transpose_outputs(work, unsqueeze, &unsqueezed(&added, &order), moved);
        }
    }

    /// Lets a node read an input with its dims in this order.
    fn transpose_input(
        &mut self,
        work: &mut Work<'_>,
        node: usize,
        input: usize,
        order: &[usize],
        moved: Moved<'_>,
    ) {
        let Some(value) = work.input(node, input) else { return };
        if is_own_constant(work, value) {
            let is_one = |dims: &[u64]| dims.iter().all(|&dim| dim == 1);
            if !work.values[value].dims.as_deref().is_some_and(is_one) {
                let new = self.constant_like(work, value, 0, order);
                work.set_input(node, input, new);
            }
            return;
        }
        let (mut from, mut both): (usize, Axes) = (value, order.into());
        let before = work.writer(value).filter(|&writer| work.is(writer, Kernel::Transpose));
        let before = before.and_then(|before| {
            let own = order_of(work, before).filter(|own| own.len() == order.len())?;
            Some((before, own, work.input(before, 0)?))
        });
        if let Some((before, own, data)) = &before {
            (from, both) = (*data, composed(own, order));
            if is_identity(&both) {
                work.set_input(node, input, *data);
                work.sweep(*before);
                return;
            }
        } else {
            let same = self.transposition_of(work, value, &both).and_then(|same| work.output(same));
            if let Some(same) = same {
                work.set_input(node, input, same);
                return;
            }
        }
        let new = work.like(value);
        permute(work, new, order);
        let source = work.nodes[node].source;
        let axes = self.numbers(work, &both, false, moved);
        let made = work.add(Kernel::Transpose, source, smallvec![Some(from), Some(axes)], new);
        self.of.insert((from, both), made);
        work.set_input(node, input, new);
        if let Some((before, ..)) = before {
            work.sweep(before);
        }
    }

    /// A transposition of a value in this order that is there.
    fn transposition_of(&mut self, work: &Work<'_>, value: usize, order: &Axes) -> Option<usize> {
        if self.looked_through.insert(value) {
            for reader in work.readers(value).filter(|&reader| work.is(reader, Kernel::Transpose)) {
                if let Some(own) = order_of(work, reader) {
                    self.of.entry((value, own)).or_insert(reader);
                }
            }
        }
        let is_there = |&same: &usize| work.is(same, Kernel::Transpose) && work.input(same, 0) == Some(value);
        self.of.get(&(value, order.clone())).copied().filter(is_there)
    }

    /// Puts a transposition behind each output.
    fn transpose_outputs(&mut self, work: &mut Work<'_>, node: usize, order: &[usize], moved: Moved<'_>) {
        if is_identity(order) {
            return;
        }
        let undone = inverse(order);
        let axes = self.numbers(work, order, false, moved);
        for port in 0..work.nodes[node].outputs.len() {
            let old = work.nodes[node].outputs[port];
            let new = work.like(old);
            permute(work, new, &undone);
            work.write(node, port, new);
            let source = work.nodes[node].source;
            work.add(Kernel::Transpose, source, smallvec![Some(new), Some(axes)], old);
        }
    }

    /// A constant of the file with dims of 1 before its own, then in this order.
    fn constant_like(&mut self, work: &mut Work<'_>, value: usize, added: usize, order: &[usize]) -> usize {
        *self.transposed.entry((value, added, order.into())).or_insert_with(|| {
            let new = work.like(value);
            work.values[new].is_constant = true;
            prepend(work, new, added);
            if !order.is_empty() {
                permute(work, new, order);
            }
            new
        })
    }

    fn numbers(
        &mut self,
        work: &mut Work<'_>,
        axes: &[usize],
        is_initializer: bool,
        moved: Moved<'_>,
    ) -> usize {
        let numbers = axes.iter().map(|&axis| axis as i64).collect();
        self.constant(work, numbers, is_initializer, moved)
    }

    /// A constant of these numbers, which is an attribute where it is not an initializer.
    fn constant(
        &mut self,
        work: &mut Work<'_>,
        numbers: SmallVec<[i64; 8]>,
        is_initializer: bool,
        moved: Moved<'_>,
    ) -> usize {
        let key = (numbers, is_initializer);
        if let Some(&known) = self.numbers.get(&key) {
            return known;
        }
        let new = work.constant_of(moved.axes, &key.0, !is_initializer);
        self.numbers.insert(key, new);
        new
    }
}

/// Of a Reshape behind a transposition that moves dims of 1 alone, the order that does the same.
fn as_transposition(work: &Work<'_>, transpose: usize, reshape: usize) -> Option<Axes> {
    let known = |value: usize| -> Option<SmallVec<[u64; 6]>> {
        work.values[value].shape.as_ref()?.iter().map(|dim| dim.known()).collect()
    };
    // What is fused into a constant pattern has no input any more.
    work.input(reshape, 1).is_none_or(|pattern| work.ints(pattern).is_some()).then_some(())?;
    let from = known(work.output(transpose)?)?;
    let to = known(work.output(reshape)?).filter(|to| to.len() == from.len())?;
    let mut left: SmallVec<[Option<u64>; 6]> = from.into_iter().map(Some).collect();
    let take = |dim: u64| {
        let stops = |&own: &Option<u64>| own.is_some_and(|own| own == dim || own != 1 && dim != 1);
        let place = left.iter().position(stops).filter(|&place| left[place] == Some(dim))?;
        left[place] = None;
        Some(place)
    };
    to.into_iter().map(take).collect()
}

/// The axis of a node, counted from the first: that of its operator, unless a transposition was moved through it before.
fn axis_of(work: &Work<'_>, node: usize, own: i64, rank: usize) -> Option<usize> {
    let axis = work.nodes[node].axis.map_or(own, i64::from);
    distinct(&[axis], rank).map(|axes| axes[0])
}

/// Whether a constant is one of the graph itself, which can be changed, and not passed to a body.
fn is_own_constant(work: &Work<'_>, value: usize) -> bool {
    let node = work.graph.tensor(work.values[value].tensor).node;
    work.values[value].is_constant && !matches!(work.graph.node(node).op, Op::Parameter)
}

/// Whether the axes of a node are these.
fn axes_are(work: &Work<'_>, node: usize, axes: &[usize]) -> bool {
    let own = work.input(node, 1).and_then(|own| work.ints(own)).unwrap_or_default();
    own.iter().map(|&axis| usize::try_from(axis).ok()).eq(axes.iter().copied().map(Some))
}

/// Puts the dims of a value in this order.
fn permute(work: &mut Work<'_>, value: usize, order: &[usize]) {
    let own = &mut work.values[value];
    own.dims = own.dims.take().and_then(|dims| order.iter().map(|&axis| dims.get(axis).copied()).collect());
    own.shape = own.shape.take().and_then(|dims| order.iter().map(|&axis| dims.get(axis).copied()).collect());
}

/// Puts dims of 1 before those of a value.
fn prepend(work: &mut Work<'_>, value: usize, count: usize) {
    let own = &mut work.values[value];
    own.dims = own.dims.take().map(|dims| std::iter::repeat_n(1, count).chain(dims).collect());
    own.shape = own.shape.take().map(|dims| std::iter::repeat_n(Dim::Known(1), count).chain(dims).collect());
}
