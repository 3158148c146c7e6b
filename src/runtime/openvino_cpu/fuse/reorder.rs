//! The Reorders where types or layouts meet.
//!
//! A Reorder is inserted where the type or the [layout](super::layout) of what is written differs from what is read: one per
//! tensor, type and layout. Constants are reordered where they are a bias, or joined, or have one number per channel for an
//! element-wise node that reads channels-last; an Input is not for an element-wise node.
//!
//! Source: `Graph::InitEdges` and `EnforceInferencePrecision`, OpenVINO 2026.4, src/plugins/intel_cpu/src/graph.cpp.

use super::layout;
use super::types::wanted_type;
use super::work::{Build, Edge, Tensor, Work};
use crate::DType;
use crate::runtime::openvino_cpu::execution::{Kind, Layout};
use rustc_hash::FxHashMap;

/// Settles layouts and puts the Reorders in.
pub(super) fn insert(work: &mut Work<'_>) {
    let precision = work.options.precision;
    for &node in work.order().iter() {
        if work.nodes[node].kind == Kind::Reorder {
            continue;
        }
        let layout = layout::written(work, node);
        work.nodes[node].outputs.iter_mut().for_each(|tensor| tensor.layout = layout);
    }
    let mut made: FxHashMap<(Edge, DType, Layout), Edge> = FxHashMap::default();
    for &node in work.order().iter() {
        for input in 0..work.nodes[node].inputs().len() {
            let Some(edge) = work.nodes[node].input(input) else { continue };
            let dtype = wanted_type(work, node, input, edge, precision);
            let layout = layout::wanted(work, node, input, edge);
            let has = work.tensor(edge);
            if has.dtype == dtype && has.layout == layout {
                continue;
            }
            let reorder = *made.entry((edge, dtype, layout)).or_insert_with(|| {
                let tensor = Tensor { dtype, layout, ..work.tensor(edge).clone() };
                work.add_reorder(edge, tensor, work.nodes[edge.node()].source)
            });
            work.set_input(node, input, reorder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Net, STATIC};
    use crate::DType;
    use crate::graph::Op;
    use crate::graph::op::{Convolution, FilterLayout};
    use crate::ids::TensorId;
    use crate::runtime::openvino_cpu::execution::Layout;

    const IMAGE: [i64; 4] = [1, 3, 8, 8];

    fn convolved(net: &mut Net, name: &str, image: TensorId) -> TensorId {
        let filters = net.weight("filters", DType::F32, &[4, 3, 3, 3]);
        let filters_layout = FilterLayout::Flat { groups: 1 };
        let op = Convolution { filters: filters_layout, ..Convolution::default() };
        net.op(name, Op::Convolution(Box::new(op)), &[image, filters], DType::F32, &[1, 4, 6, 6])
    }

    #[test]
    fn two_convolutions_share_the_reorder_of_what_they_read() {
        let mut net = Net::new();
        let image = net.input("image", DType::F32, &IMAGE);
        for name in ["first", "second"] {
            let out = convolved(&mut net, name, image);
            net.result(name, out);
        }
        let graph = net.execute(STATIC);
        let of = |name: &str| graph.nodes.iter().find(|node| &*node.name == name).unwrap();
        assert_eq!(of("first").inputs[0], of("second").inputs[0]);
        assert_eq!(of("first").outputs[0].layout, Layout::ChannelsLast);
        // One in front of both, and one behind each: a result is plain.
        assert_eq!(
            super::super::testing::lines(&graph).iter().filter(|line| *line == "Reorder  f32").count(),
            3
        );
    }
}
