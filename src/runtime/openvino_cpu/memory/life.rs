//! How long dynamic regions are held: up to the next sync point.
//!
//! In a dynamic graph shapes are computed section by section. A sync point is a node that must have run before the
//! shapes behind it are known. All blocks of a section are resized together, so a region that lives across a sync point
//! is held until the next one.
//!
//! Sync points are nodes of a dynamic shape that are
//! * variables being read;
//! * convolutions with a fused sum;
//! * nodes whose output shape depends on the value of an input that is not constant;
//! * RoPE, and nodes that compute several products in tiles: they have no shape inference of their own, and the fallback asks
//!   for the values of all inputs;
//! * PagedAttention: without it the groups of a paged model come out as one block of 1,024 x 4,864 bf16 too many, with it
//!   they are as measured.
//!
//! Source: OpenVINO 2026.4.1, src/plugins/intel_cpu/src/graph.cpp (`IdentifySyncPoints`), and the order in which blocks
//! grow in 120 runs.

use crate::runtime::openvino_cpu::execution::{ExecutedNode, ExecutionGraph, Kind};

/// The steps of all sync points, in order.
pub(super) fn sync_points(graph: &ExecutionGraph, constants: &[bool]) -> Vec<u32> {
    let is_sync = |node: &ExecutedNode| {
        let reads_value = |input: &usize| {
            node.inputs.get(*input).is_some_and(|port| constants.get(port.step as usize) == Some(&false))
        };
        node.outputs.iter().any(|output| output.is_dynamic)
            && match node.kind {
                Kind::MemoryInput | Kind::Rope | Kind::PagedAttention | Kind::NonZero => true,
                Kind::LlmMlp | Kind::QkvProjection => true,
                Kind::Convolution => node.addend.is_some(),
                _ => value_inputs(&node.kind).iter().any(reads_value),
            }
    };
    let steps = (0_u32..).zip(&graph.nodes).filter(|(_, node)| is_sync(node));
    steps.map(|(step, _)| step).collect()
}

/// The last step up to which a region over `start..=finish` is held in a graph of `steps` steps.
pub(super) fn held_until(start: u32, finish: u32, sync_points: &[u32], steps: usize) -> u32 {
    let next = |step: u32| sync_points.get(sync_points.partition_point(|&sync| sync < step)).copied();
    match next(start) {
        Some(sync) if sync < finish => next(finish).unwrap_or((steps as u32).saturating_sub(1)).max(finish),
        _ => finish,
    }
}

/// Inputs whose values a node's output shape depends on.
fn value_inputs(kind: &Kind) -> &'static [usize] {
    match kind {
        Kind::Reshape | Kind::Tile | Kind::TopK | Kind::OneHot | Kind::Reduce => &[1],
        Kind::Broadcast | Kind::Interpolate | Kind::Pad | Kind::Split => &[1, 2],
        Kind::Range => &[0, 1, 2],
        Kind::StridedSlice => &[1, 2, 3, 4],
        Kind::Gather => &[2],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_across_a_sync_point_is_held_until_the_next() {
        // step    0  1  2  3  4  5  6  7  8  9
        // sync          s        s
        let held = |start, finish| held_until(start, finish, &[2, 5], 10);
        assert_eq!(held(0, 1), 1);
        assert_eq!(held(0, 2), 2); // it ends where the point is: nothing is across
        assert_eq!(held(0, 3), 5);
        assert_eq!(held(2, 3), 5); // written by the point itself
        assert_eq!(held(2, 5), 5);
        assert_eq!(held(4, 6), 9); // no further point: the end of the graph
        assert_eq!(held(6, 7), 7);
    }
}
