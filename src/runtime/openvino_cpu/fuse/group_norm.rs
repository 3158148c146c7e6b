//! Group normalization, for which the plugin has no node.
//!
//! The channels of each group become those of a batch entry of their own: `Reshape` to `[N·groups, C/groups, …]`, `MVN` over all
//! dims but the first, `Reshape` back, then `Multiply` by the scale and `Add` of the shift; the Add has the name. The dims that
//! are not known when the model is compiled come from a ShapeOf, a Split, a Multiply and a Concat. One group needs no Reshape.
//! What has no free dim, computes in f32, gives every thread a group and whose groups fit the L1 cache stays whole, as a kernel that
//! is compiled for it.
//!
//! Source: `GroupNormalizationDecomposition`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/op_conversions/group_normalization_decomposition.cpp, and the callback that the
//! plugin sets for it in src/plugins/intel_cpu/src/transformations/transformation_pipeline.cpp.

use super::work::{Build, Dim, Edge, Node, Patch, Rule, Tensor, Work};
use super::writer::Writer;
use crate::DType;
use crate::graph::Op;
use crate::graph::op::{Binary, Broadcast, ReshapeZero};
use crate::runtime::openvino_cpu::execution::{Kind, Precision};

/// Writes out every group normalization.
pub(super) const RULE: Rule = Rule {
    name: "group-norm",
    source: "GroupNormalizationDecomposition, src/common/transformations/src/transformations/op_conversions/group_normalization_decomposition.cpp",
    on: |node| matches!(node.op, Op::GroupNormalization(_)),
    apply: write_out,
    repeats: false,
};

fn write_out(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let (data, scale, shift) = (of.input(0)?, of.input(1)?, of.input(2)?);
    let Op::GroupNormalization(attributes) = of.op else { return None };
    let groups = u64::try_from(attributes.groups).ok().filter(|&groups| groups > 0)?;
    let whole = work.tensor(data).clone();
    let rank = whole.dims.len();
    if rank < 3 || stays_whole(work, &whole, groups) {
        return None;
    }
    let mut grouped = whole.clone();
    let (batch, channels) = (whole.dims[0].size(), whole.dims[1].size());
    grouped.dims[0] = whole.dims[0].resized(batch.saturating_mul(groups));
    grouped.dims[1] = whole.dims[1].resized(channels.checked_div(groups).filter(|_| groups <= channels)?);
    let mut patch = Patch::new(work);
    let mut add = Writer { patch: &mut patch, source: of.source };
    let norm = if groups == 1 {
        add.norm(data, whole.clone())
    } else {
        let (there, back) = add.patterns(data, &whole, &grouped, groups);
        let data = add.named(Op::Reshape(ReshapeZero::CopiesDim), grouped.clone(), [data, there]);
        let norm = add.norm(data, grouped);
        add.named(Op::Reshape(ReshapeZero::CopiesDim), whole.clone(), [norm, back])
    };
    let scale = add.column(work, scale, rank);
    let shift = add.column(work, shift, rank);
    let product = Op::Binary(Binary::Multiply, Broadcast::Numpy);
    let scaled = add.named(product, whole, [norm, scale]);
    let sum = Node::in_place_of(of, Op::Binary(Binary::Add, Broadcast::Numpy), Kind::Eltwise);
    let sum = patch.add(sum, [scaled, shift]);
    patch.replace(Edge::of(node), Edge::of(sum));
    Some(patch)
}

/// Whether it is compiled to a kernel of its own.
fn stays_whole(work: &Work<'_>, data: &Tensor, groups: u64) -> bool {
    let machine = work.options.machine;
    let batch_and_channels =
        data.dims.iter().take(2).fold(1, |product: u64, dim| product.saturating_mul(dim.size()));
    let group = data.elements().checked_div(batch_and_channels).unwrap_or(0);
    let channels = data.dims.get(1).map_or(0, |dim| dim.size() / groups);
    !data.is_free()
        && work.options.precision == Precision::F32
        && data.dims[0].size().saturating_mul(groups) >= u64::from(machine.cores)
        && channels.saturating_mul(group).saturating_mul(4) <= machine.l1d.0
}

impl Writer<'_> {
    fn norm(&mut self, data: Edge, tensor: Tensor) -> Edge {
        let axes: Vec<i64> = (1..tensor.dims.len() as i64).collect();
        let axes = self.patch.add_ints(&axes, self.source);
        self.named(Op::Mvn(Box::default()), tensor, [data, axes])
    }

    /// What gives the data its groups, and what takes them away.
    fn patterns(&mut self, data: Edge, whole: &Tensor, grouped: &Tensor, groups: u64) -> (Edge, Edge) {
        if !whole.is_free() {
            return (self.dims(&grouped.dims), self.dims(&whole.dims));
        }
        let rank = whole.dims.len() as u64;
        let ints = |count| Tensor::fixed(DType::I32, &[count]);
        let shape_of = Op::ShapeOf { to: DType::I32, start: 0, end: None };
        let shape = self.named(shape_of, ints(rank), [data]);
        let axis = self.patch.add_ints(&[0], self.source);
        let split = Op::Split { parts: whole.dims.len() as u32, allow_uneven: false };
        let name = self.patch.fresh_name(&super::kind::word(&split));
        let parts = Node::named(name, split, Kind::Split, self.source);
        let parts = Node { outputs: (0..rank).map(|_| ints(1)).collect(), ..parts };
        let parts = self.patch.add(parts, [shape, axis]);
        let mut joined = Vec::new();
        for (port, dim) in grouped.dims.iter().enumerate() {
            let part = Edge::new(parts, port);
            joined.push(match port {
                _ if !dim.is_free() => self.dims(&[*dim]),
                0 => {
                    let groups = self.patch.add_ints(&[groups as i64], self.source);
                    let product = Op::Binary(Binary::Multiply, Broadcast::Numpy);
                    self.named(product, ints(1), [part, groups])
                }
                _ => part,
            });
        }
        let concat = Op::Concat { axis: 0 };
        let name = self.patch.fresh_name(concat.kind().name());
        let pattern = Node::named(name, concat, Kind::Concat, self.source);
        (Edge::of(self.patch.add(pattern.writing(ints(rank)), joined)), shape)
    }

    /// A list of one number per channel as `[C, 1, …]`: of a constant, another constant.
    fn column(&mut self, work: &Work<'_>, list: Edge, rank: usize) -> Edge {
        let mut tensor = work.tensor(list).clone();
        tensor.dims.resize(rank - 1, Dim::fixed(1));
        if work.nodes[list.node()].is_const() {
            return self.patch.add_constant(
                tensor,
                work.nodes[list.node()].value.as_deref().cloned(),
                self.source,
            );
        }
        let axes: Vec<i64> = (1..rank as i64 - 1).collect();
        let axes = self.patch.add_ints(&axes, self.source);
        self.named(Op::Unsqueeze, tensor, [list, axes])
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net, STATIC};
    use super::*;
    use crate::graph::op::{GroupNorm, Unary};
    use crate::runtime::openvino_cpu::fuse::Options;

    fn norm(dims: &[i64], groups: i64) -> Net {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, dims);
        let [scale, shift] = ["scale", "shift"].map(|name| net.weight(name, f32, &[8]));
        let op = Op::GroupNormalization(GroupNorm { groups, epsilon: 1e-5 });
        let made = net.op("norm", op, &[x, scale, shift], f32, dims);
        let out = net.op("swish", Op::Unary(Unary::Swish), &[made], f32, dims);
        net.result("out", out);
        net
    }

    #[test]
    fn free_dims_are_read_while_it_runs() {
        let expected = [
            "ShapeOf ShapeOf i32",
            "Split Split i32",
            "Eltwise Multiply i32",
            "Concatenation Concat i32",
            "Reshape Reshape f32",
            "MVN MVN f32",
            "Reshape Reshape f32",
            "Eltwise Multiply,norm,swish f32",
        ];
        let graph = norm(&[FREE, 8, FREE, FREE], 2).execute(DYNAMIC);
        assert_eq!(super::super::testing::lines(&graph), expected);
        // The channels, which are known, end in an Output of their own.
        assert_eq!(graph.nodes.iter().filter(|node| node.kind == Kind::Output).count(), 2);
    }

    #[test]
    fn one_group_needs_no_reshape() {
        assert_eq!(norm(&[FREE, 8, FREE, FREE], 1).lines(DYNAMIC), ["MVN MVN,Multiply,norm,swish f32"]);
    }

    #[test]
    fn groups_that_fit_the_cache_stay_whole_in_f32() {
        let whole = norm(&[1, 8, 4, 4], 2).lines(STATIC);
        assert!(whole.iter().any(|line| line.contains(" norm")), "{whole:?}");
        let bf16 = norm(&[1, 8, 4, 4], 2).lines(Options { precision: Precision::Bf16, ..STATIC });
        assert!(bf16.iter().any(|line| line.starts_with("MVN")), "{bf16:?}");
        let large = norm(&[1, 8, 128, 128], 2).lines(STATIC);
        assert!(large.iter().any(|line| line.starts_with("MVN")), "{large:?}");
    }
}
