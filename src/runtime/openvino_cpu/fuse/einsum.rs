//! An Einsum is written out as sums, transposes, products and shapes; what comes last has its name.
//!
//! Operands are contracted two by two, the first with the last of those that are left. What is in one of them alone, and in
//! nothing else, is summed up first. Labels of both that stay are the batch of a MatMul, those that are summed over its inner
//! dim, and the others of an operand are one dim: a Transpose groups them, a Broadcast gives both operands the larger of
//! their dims, and a Reshape joins them, where there are several; another takes them apart again. Where nothing is summed over, both
//! are multiplied. Dims that are not known when the model is compiled are read off the operands while it runs.
//!
//! Labels that are repeated in an operand stay as they are.
//!
//! Source: `EinsumDecomposition`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/op_conversions/einsum_decomposition.cpp.

mod equation;

use super::work::{Build, Dim, Edge, Patch, Rule, Tensor, Work};
use super::writer::Writer;
use crate::DType;
use crate::graph::Op;
use crate::graph::op::{Binary, Broadcast, BroadcastMode, Reduce, ReshapeZero, StridedSlice};
use equation::{Equation, Groups, Label, larger, places};
use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};
use std::collections::VecDeque;

/// Writes out every Einsum.
pub(super) const RULE: Rule = Rule {
    name: "einsum",
    source: "EinsumDecomposition, src/common/transformations/src/transformations/op_conversions/einsum_decomposition.cpp",
    on: |node| matches!(node.op, Op::Einsum(_)),
    apply: write_out,
    repeats: false,
};

fn write_out(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let Op::Einsum(text) = &of.op else { return None };
    let edges: Vec<Edge> = of.inputs().iter().copied().collect::<Option<_>>()?;
    let tensors: Vec<&Tensor> = edges.iter().map(|&edge| work.tensor(edge)).collect();
    let ranks: Vec<usize> = tensors.iter().map(|tensor| tensor.dims.len()).collect();
    let Equation { operands, output } = Equation::read(text, &ranks)?;
    let operands = edges.iter().zip(tensors).zip(operands);
    let operands = operands.map(|((&edge, tensor), labels)| {
        let is_constant = work.nodes[edge.node()].is_const();
        Operand { edge, tensor: tensor.clone(), labels, is_constant }
    });
    let mut patch = Patch::new(work);
    let add = Writer { patch: &mut patch, source: of.source };
    let mut sum = Sum { add, left: VecDeque::new(), n_left: FxHashMap::default(), output };
    operands.for_each(|operand| sum.put(operand));
    while sum.left.len() > 1 {
        sum.contract()?;
    }
    let only = sum.left.pop_back()?;
    let only = sum.taken(only);
    let only = sum.reduced(only, &[])?;
    let wanted = sum.output.clone();
    let only = sum.transposed(only, &wanted)?;
    if only.edge == edges[0] {
        return None;
    }
    patch.rename(only.edge.node(), node);
    patch.replace(Edge::of(node), only.edge);
    Some(patch)
}

/// What is multiplied, with a label for each dim.
#[derive(Clone, Debug)]
struct Operand {
    edge: Edge,
    tensor: Tensor,
    labels: Vec<Label>,
    is_constant: bool,
}

impl Operand {
    fn dim(&self, label: Label) -> Option<Dim> {
        let place = self.labels.iter().position(|&own| own == label)?;
        self.tensor.dims.get(place).copied()
    }

    fn dims(&self, labels: &[Label]) -> Option<SmallVec<[Dim; 4]>> {
        labels.iter().map(|&label| self.dim(label)).collect()
    }
}

/// Dims of an operand, or of two, as part of a pattern.
#[derive(Clone, Debug, Default)]
struct Part {
    dims: SmallVec<[Dim; 4]>,
    /// `None`: they are known when the model is compiled.
    edge: Option<Edge>,
    /// It is computed of others.
    is_product: bool,
}

impl Part {
    fn is_empty(&self) -> bool {
        self.dims.is_empty()
    }
}

/// An Einsum that is written out.
struct Sum<'a> {
    add: Writer<'a>,
    /// Operands that are not contracted yet.
    left: VecDeque<Operand>,
    /// By label, how many of these have it.
    n_left: FxHashMap<Label, usize>,
    output: Vec<Label>,
}

impl Sum<'_> {
    /// Puts an operand behind all others.
    fn put(&mut self, operand: Operand) {
        for &label in &operand.labels {
            *self.n_left.entry(label).or_default() += 1;
        }
        self.left.push_back(operand);
    }

    /// An operand that is left no longer.
    fn taken(&mut self, operand: Operand) -> Operand {
        for label in &operand.labels {
            if let Some(count) = self.n_left.get_mut(label) {
                *count = count.saturating_sub(1);
            }
        }
        operand
    }

    /// Whether the output or an operand that is left has a label.
    fn stays(&self, label: Label) -> bool {
        self.output.contains(&label) || self.n_left.get(&label).is_some_and(|&count| count > 0)
    }

    /// Puts the product of the first operand and the last behind all others.
    fn contract(&mut self) -> Option<()> {
        let (second, first) = (self.left.pop_back()?, self.left.pop_front()?);
        let (second, first) = (self.taken(second), self.taken(first));
        let [first, second] = self.of_one_rank([first, second]);
        // What either reads stays for the other.
        let first = self.reduced(first, &second.labels)?;
        let second = self.reduced(second, &first.labels)?;
        let groups = Groups::of(&first.labels, &second.labels, |label| self.stays(label));
        let product = if groups.reduced.is_empty() {
            self.multiplied(first, second, &groups)?
        } else {
            self.matrix_product([first, second], &groups)?
        };
        self.put(product);
        Some(())
    }

    /// Dims of 1 for those under the other's ellipsis, where each has one.
    fn of_one_rank(&mut self, operands: [Operand; 2]) -> [Operand; 2] {
        let count = |operand: &Operand| {
            operand.labels.iter().filter(|label| matches!(label, Label::Ellipsis(_))).count()
        };
        let counts = [count(&operands[0]), count(&operands[1])];
        let most = counts[0].max(counts[1]);
        operands.map(|operand| {
            let own = count(&operand);
            if own == 0 || own == most {
                return operand;
            }
            let is_ellipsis = |label: &Label| matches!(label, Label::Ellipsis(_));
            let at = operand.labels.iter().position(is_ellipsis).unwrap_or(0);
            let missing: Vec<Label> = (own..most).rev().map(Label::Ellipsis).collect();
            self.unsqueezed(operand, at, &missing)
        })
    }

    fn unsqueezed(&mut self, operand: Operand, at: usize, added: &[Label]) -> Operand {
        let axes: Vec<i64> = (at..at + added.len()).map(|axis| axis as i64).collect();
        let Operand { edge, mut tensor, mut labels, is_constant } = operand;
        for (offset, &label) in added.iter().enumerate() {
            tensor.dims.insert(at + offset, Dim::fixed(1));
            labels.insert(at + offset, label);
        }
        let edge = self.moved(Op::Unsqueeze, tensor.clone(), (edge, is_constant), &axes);
        Operand { edge, tensor, labels, is_constant }
    }

    /// Adds a node that moves elements: of a constant, another constant.
    fn moved(&mut self, op: Op, tensor: Tensor, (data, is_constant): (Edge, bool), how: &[i64]) -> Edge {
        if is_constant {
            return self.add.patch.add_constant(tensor, None, self.add.source);
        }
        let how = self.add.ints(how);
        self.add.named(op, tensor, [data, how])
    }

    /// An operand summed over the labels that nothing else reads, nor `other`.
    fn reduced(&mut self, operand: Operand, other: &[Label]) -> Option<Operand> {
        let stays = |label: &Label| self.stays(*label) || other.contains(label);
        let labels: Vec<Label> = operand.labels.iter().copied().filter(stays).collect();
        if labels.len() == operand.labels.len() {
            return Some(operand);
        }
        let axes = operand.labels.iter().enumerate().filter(|(_, label)| !labels.contains(label));
        let axes: Vec<i64> = axes.map(|(axis, _)| axis as i64).collect();
        let tensor = Tensor { dims: operand.dims(&labels)?, ..operand.tensor.clone() };
        let axes = self.add.ints(&axes);
        let sum = Op::Reduce { kind: Reduce::Sum, keep_dims: false, noop_with_empty_axes: false };
        let edge = self.add.named(sum, tensor.clone(), [operand.edge, axes]);
        Some(Operand { edge, tensor, labels, is_constant: false })
    }

    fn transposed(&mut self, operand: Operand, wanted: &[Label]) -> Option<Operand> {
        if operand.labels == wanted {
            return Some(operand);
        }
        let order: Vec<i64> =
            places(&operand.labels, wanted)?.into_iter().map(|place| place as i64).collect();
        let tensor = Tensor { dims: operand.dims(wanted)?, ..operand.tensor.clone() };
        let edge = self.moved(Op::Transpose, tensor.clone(), (operand.edge, operand.is_constant), &order);
        Some(Operand { edge, tensor, labels: wanted.to_vec(), ..operand })
    }

    /// Both multiplied element by element, where nothing is summed over.
    fn multiplied(&mut self, first: Operand, second: Operand, groups: &Groups) -> Option<Operand> {
        let own = &groups.separate[1];
        let mut second = self.transposed(second, &[&groups.shared[..], own].concat())?;
        let labels = [&first.labels[..], own].concat();
        let end = first.labels.len();
        let first = if own.is_empty() { first } else { self.unsqueezed(first, end, own) };
        let missing: Vec<(usize, Label)> = labels
            .iter()
            .copied()
            .enumerate()
            .filter(|(_, label)| groups.separate[0].contains(label))
            .collect();
        if !missing.is_empty() {
            let axes: Vec<i64> = missing.iter().map(|&(axis, _)| axis as i64).collect();
            for &(axis, _) in &missing {
                second.tensor.dims.insert(axis, Dim::fixed(1));
            }
            let given = (second.edge, second.is_constant);
            second.edge = self.moved(Op::Unsqueeze, second.tensor.clone(), given, &axes);
        }
        let dims = first.tensor.dims.iter().zip(&second.tensor.dims);
        let dims = dims.map(|(&first, &second)| larger(first, second)).collect();
        let tensor = Tensor { dims, ..first.tensor };
        let product = Op::Binary(Binary::Multiply, Broadcast::Numpy);
        let edge = self.add.named(product, tensor.clone(), [first.edge, second.edge]);
        Some(Operand { edge, tensor, labels, is_constant: false })
    }

    fn matrix_product(&mut self, operands: [Operand; 2], groups: &Groups) -> Option<Operand> {
        let orders = [0, 1].map(|index| groups.order(index, &operands[index].labels));
        let own_first = [orders[0].1, orders[1].1];
        let [first, second] = operands;
        let operands = [self.transposed(first, &orders[0].0)?, self.transposed(second, &orders[1].0)?];
        let mut shapes = [None, None];
        let mut part = |sum: &mut Self, index: usize, labels: &[Label]| {
            sum.part(&operands[index], &mut shapes[index], labels)
        };
        let common = [part(self, 0, &groups.common)?, part(self, 1, &groups.common)?];
        let common = self.merged(common);
        let reduced = [part(self, 0, &groups.reduced)?, part(self, 1, &groups.reduced)?];
        let reduced = self.merged(reduced);
        let own = [part(self, 0, &groups.separate[0])?, part(self, 1, &groups.separate[1])?];
        let is_alone = |own: &Part| own.dims.len() == 1 || common.is_empty() && own.is_empty();
        let stays = is_alone(&own[0]) && is_alone(&own[1]);
        let mut given = [operands[0].edge, operands[1].edge];
        let mut tensors = [operands[0].tensor.clone(), operands[1].tensor.clone()];
        for index in 0..2 {
            let inner = [&own[index], &reduced];
            let parts = if own_first[index] { inner } else { [inner[1], inner[0]] };
            let before = given[index];
            (given[index], tensors[index]) =
                self.broadcast((given[index], tensors[index].clone()), [&common, parts[0], parts[1]]);
            let is_constant = operands[index].is_constant && given[index] == before;
            if !stays || reduced.dims.len() != 1 || !is_alone(&own[index]) {
                let is_batch = !common.is_empty();
                let joined = [self.joined(&own[index], is_batch), self.joined(&reduced, false)];
                let [a, b] = if own_first[index] {
                    joined
                } else {
                    let [own, reduced] = joined;
                    [reduced, own]
                };
                (given[index], tensors[index]) =
                    self.reshaped((given[index], &tensors[index], is_constant), &[&common, &a, &b]);
            }
        }
        let transposes = [!own_first[0], own_first[1]];
        let tensor = product_of(&tensors, transposes);
        let [transpose_a, transpose_b] = transposes;
        let edge = self.add.named(Op::MatMul { transpose_a, transpose_b }, tensor.clone(), given);
        let labels = [&groups.common[..], &groups.separate[0], &groups.separate[1]].concat();
        if stays {
            return Some(Operand { edge, tensor, labels, is_constant: false });
        }
        let (edge, tensor) = self.reshaped((edge, &tensor, false), &[&common, &own[0], &own[1]]);
        Some(Operand { edge, tensor, labels, is_constant: false })
    }

    /// Dims of an operand that stand next to each other, read off its shape where one of them is free.
    fn part(&mut self, operand: &Operand, shape: &mut Option<Edge>, labels: &[Label]) -> Option<Part> {
        let dims = operand.dims(labels)?;
        if !dims.iter().any(|dim| dim.is_free()) {
            return Some(Part { dims, edge: None, is_product: false });
        }
        let ints = |count: usize| Tensor::fixed(DType::I32, &[count as u64]);
        let begin = operand.labels.iter().position(|label| Some(label) == labels.first())?;
        let shape = *shape.get_or_insert_with(|| {
            let shape_of = Op::ShapeOf { to: DType::I32, start: 0, end: None };
            self.add.named(shape_of, ints(operand.labels.len()), [operand.edge])
        });
        if labels.len() == operand.labels.len() {
            return Some(Part { dims, edge: Some(shape), is_product: false });
        }
        let slice =
            StridedSlice { begin_mask: smallvec![0], end_mask: smallvec![0], ..StridedSlice::default() };
        let ends = [begin, begin + labels.len()].map(|end| self.add.ints(&[end as i64]));
        let inputs = [shape, ends[0], ends[1]];
        let edge = self.add.named(Op::StridedSlice(Box::new(slice)), ints(labels.len()), inputs);
        Some(Part { dims, edge: Some(edge), is_product: false })
    }

    /// The larger of the same dims of both operands.
    fn merged(&mut self, parts: [Part; 2]) -> Part {
        let [a, b] = parts;
        let dims = a.dims.iter().zip(&b.dims).map(|(&a, &b)| larger(a, b)).collect();
        let edge = (a.edge.is_some() || b.edge.is_some()).then(|| {
            let inputs = [self.edge_of(&a), self.edge_of(&b)];
            let tensor = Tensor::fixed(DType::I32, &[a.dims.len() as u64]);
            self.add.named(Op::Binary(Binary::Maximum, Broadcast::Numpy), tensor, inputs)
        });
        Part { dims, edge, is_product: false }
    }

    fn edge_of(&mut self, part: &Part) -> Edge {
        part.edge.unwrap_or_else(|| self.add.dims(&part.dims))
    }

    /// The product of a part's dims; one of 1 for an operand of a batch that has none of its own.
    fn joined(&mut self, part: &Part, is_batch: bool) -> Part {
        if part.is_empty() {
            let one = Dim::fixed(1);
            return Part {
                dims: is_batch.then_some(one).into_iter().collect(),
                edge: None,
                is_product: false,
            };
        }
        let size = || part.dims.iter().fold(1_u64, |product, dim| product.saturating_mul(dim.size()));
        let dim = match (&part.dims[..], part.edge) {
            (&[dim], _) => dim,
            (_, Some(_)) => Dim::found(size()),
            (_, None) => Dim::fixed(size()),
        };
        let edge = part.edge.map(|edge| {
            let axis = self.add.ints(&[0]);
            let product = Op::Reduce { kind: Reduce::Prod, keep_dims: true, noop_with_empty_axes: false };
            self.add.named(product, Tensor::fixed(DType::I32, &[1]), [edge, axis])
        });
        Part { dims: smallvec![dim], edge, is_product: edge.is_some() }
    }

    /// The list of all dims of some parts, as a constant where all are known.
    fn pattern(&mut self, parts: &[&Part]) -> Edge {
        let parts: Vec<Part> = parts.iter().filter(|part| !part.is_empty()).copied().cloned().collect();
        let dims: SmallVec<[Dim; 4]> = parts.iter().flat_map(|part| part.dims.iter().copied()).collect();
        match &parts[..] {
            [Part { edge: Some(edge), .. }] => *edge,
            _ if parts.iter().all(|part| part.edge.is_none()) => self.add.dims(&dims),
            _ => {
                let edges: Vec<Edge> = parts.iter().map(|part| self.edge_of(part)).collect();
                let tensor = Tensor::fixed(DType::I32, &[dims.len() as u64]);
                self.add.named(Op::Concat { axis: 0 }, tensor, edges)
            }
        }
    }

    /// An operand with the dims of both, where the plugin does not see that it has them.
    fn broadcast(&mut self, (edge, tensor): (Edge, Tensor), parts: [&Part; 3]) -> (Edge, Tensor) {
        // A dim that is known and not 1 is that of the result.
        let wanted = parts.iter().flat_map(|part| {
            let is_read = part.edge.is_some();
            part.dims.iter().map(move |&dim| if is_read { freed(dim) } else { dim })
        });
        let settle = |(&own, wanted): (&Dim, Dim)| match own.known() {
            Some(1) => wanted,
            Some(_) => own,
            None if own.is_size_of(wanted) => own,
            None => freed(wanted),
        };
        let dims: SmallVec<[Dim; 4]> = tensor.dims.iter().zip(wanted).map(settle).collect();
        if dims == tensor.dims && !tensor.is_free() {
            return (edge, tensor);
        }
        let pattern = self.pattern(&parts);
        let tensor = Tensor { dims, ..tensor };
        let both = Op::Broadcast(BroadcastMode::Bidirectional);
        (self.add.named(both, tensor.clone(), [edge, pattern]), tensor)
    }

    /// A tensor with other dims, unless it has them: one dim that is free may be what the others leave.
    fn reshaped(
        &mut self,
        (edge, tensor, is_constant): (Edge, &Tensor, bool),
        parts: &[&Part],
    ) -> (Edge, Tensor) {
        let dims: SmallVec<[Dim; 4]> = parts.iter().flat_map(|part| part.dims.iter().copied()).collect();
        // Sizes that are products of others are not seen to be the same.
        let is_same = dims == tensor.dims && parts.iter().all(|part| !part.is_product);
        if dims.is_empty() || is_same {
            return (edge, tensor.clone());
        }
        let tensor = Tensor { dims, ..tensor.clone() };
        let is_known = parts.iter().all(|part| part.edge.is_none());
        let reshape = Op::Reshape(ReshapeZero::IsZero);
        if is_known && is_constant {
            return (self.moved(reshape, tensor.clone(), (edge, true), &[]), tensor);
        }
        let pattern = self.pattern(parts);
        (self.add.named(reshape, tensor.clone(), [edge, pattern]), tensor)
    }
}

/// A dim that is not known when the model is compiled, whatever its size.
fn freed(dim: Dim) -> Dim {
    dim.known().map_or(dim, Dim::found)
}

/// What a product of two operands of equal batches gives.
fn product_of(tensors: &[Tensor; 2], [transpose_a, transpose_b]: [bool; 2]) -> Tensor {
    let [a, b] = tensors;
    let is_matrix = |tensor: &Tensor| tensor.dims.len() > 1;
    let from_end = |tensor: &Tensor, place: usize| tensor.dims.iter().rev().nth(place).copied();
    let batch = a.dims.len().max(b.dims.len()).saturating_sub(2);
    let longer = if a.dims.len() >= b.dims.len() { a } else { b };
    let mut dims: SmallVec<[Dim; 4]> = longer.dims.iter().copied().take(batch).collect();
    dims.extend(is_matrix(a).then(|| from_end(a, usize::from(!transpose_a))).flatten());
    dims.extend(is_matrix(b).then(|| from_end(b, usize::from(transpose_b))).flatten());
    Tensor { dims, ..a.clone() }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net, STATIC};
    use crate::DType;
    use crate::graph::Op;
    use crate::graph::op::{AxisSpan, Unary};
    use crate::runtime::openvino_cpu::fuse::Options;

    /// What an Einsum of such inputs runs as, behind an operator that joins nothing.
    fn lines(equation: &str, inputs: &[&[i64]], output: &[i64], options: Options) -> Vec<String> {
        let (mut net, f32) = (Net::new(), DType::F32);
        let mut read = |(name, dims): (&str, &[i64])| {
            let x = net.input(name, f32, dims);
            net.op(&format!("softmax_{name}"), Op::Softmax(AxisSpan::LAST), &[x], f32, dims)
        };
        let names = ["a", "b", "c"].into_iter();
        let inputs: Vec<_> = names.zip(inputs.iter().copied()).map(&mut read).collect();
        let made = net.op("einsum", Op::Einsum(equation.into()), &inputs, f32, output);
        let out = net.op("sigmoid", Op::Unary(Unary::Sigmoid), &[made], f32, output);
        net.result("out", out);
        let lines = net.lines(options).into_iter();
        lines.filter(|line| !line.starts_with("Softmax")).collect()
    }

    #[test]
    fn dims_that_change_places_are_a_transpose() {
        let found = lines("abc->cab", &[&[FREE, 3, 4]], &[4, FREE, 3], DYNAMIC);
        assert_eq!(found, ["Eltwise Sigmoid f32", "Transpose sigmoid f32"]);
        let found = lines("nhwpqc->nchpwq", &[&[1, 2, 3, 4, 5, 6]], &[1, 6, 2, 4, 3, 5], STATIC);
        assert_eq!(found[1], "Transpose sigmoid f32");
    }

    #[test]
    fn labels_of_one_operand_are_summed_up() {
        let found = lines("abc->b", &[&[FREE, 3, 4]], &[3], DYNAMIC);
        assert_eq!(found, ["Reduce einsum,sigmoid f32"]);
    }

    #[test]
    fn known_dims_need_no_shapes() {
        let found = lines("bqhd,bkhd->bhqk", &[&[2, 6, 3, 5], &[2, 4, 3, 5]], &[2, 3, 6, 4], STATIC);
        assert_eq!(
            found,
            ["Transpose Transpose f32", "Transpose Transpose f32", "MatMul einsum,sigmoid f32"]
        );
        let found = lines("ab,ab->a", &[&[3, 2], &[3, 2]], &[3], STATIC);
        let expected = [
            "Reshape Reshape f32",
            "Reshape Reshape f32",
            "MatMul MatMul,Sigmoid f32",
            "Reshape sigmoid f32",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn free_dims_are_read_while_it_runs() {
        let found = lines("abc,cd->abd", &[&[FREE, 2, 4], &[4, 5]], &[FREE, 2, 5], DYNAMIC);
        let expected = [
            "ShapeOf ShapeOf i32",
            "StridedSlice StridedSlice i32",
            "Concatenation Concat i32",
            "Reorder  i32",
            "Broadcast Broadcast f32",
            "Eltwise Broadcast f32",
            "Reduce ReduceProd i32",
            "Concatenation Concat i32",
            "Reshape Reshape f32",
            "MatMul MatMul,Sigmoid f32",
            "Concatenation Concat i32",
            "Reshape sigmoid f32",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_not_summed_over_is_multiplied() {
        let found = lines("a,b->ab", &[&[3], &[2]], &[3, 2], STATIC);
        assert_eq!(found, ["Reshape Unsqueeze f32", "Reshape Unsqueeze f32", "Subgraph einsum,sigmoid f32"]);
    }

    #[test]
    fn repeated_labels_stay() {
        let found = lines("aab->b", &[&[3, 3, 2]], &[2], STATIC);
        assert!(found.iter().any(|line| line.ends_with(" einsum f32")), "{found:?}");
    }
}
