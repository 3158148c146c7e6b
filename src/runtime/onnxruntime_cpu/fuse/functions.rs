//! Operators that have no kernel are replaced by the nodes of their function, before any optimization.
//!
//! Source: `InlineFunctionsAOT`, onnxruntime/core/framework/graph_partitioner.cc; the function is the standard's
//! (<https://onnx.ai/onnx/operators/onnx__HardSwish.html>), and the nodes are seen in the models that 1.31.1 saves.

use super::super::kernel::Kernel;
use super::super::work::Work;
use crate::graph::OpKind;
use smallvec::smallvec;

/// A HardSwish becomes a HardSigmoid and the product with it.
pub(super) fn inline(work: &mut Work<'_>) {
    for node in work.alive() {
        if !work.is(node, Kernel::Other(OpKind::HSwish)) {
            continue;
        }
        let (Some(input), Some(output)) = (work.input(node, 0), work.output(node)) else { continue };
        let source = work.nodes[node].source;
        let sigmoid = work.values[output].clone();
        let sigmoid = work.add_value(sigmoid);
        work.remove(node);
        work.add(Kernel::HardSigmoid, source, smallvec![Some(input)], sigmoid);
        work.add(Kernel::Mul, source, smallvec![Some(input), Some(sigmoid)], output);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Draft;
    use super::*;
    use crate::graph::Op;
    use crate::graph::op::Unary;

    #[test]
    fn a_hard_swish_is_two_nodes() {
        let mut draft = Draft::default();
        let x = draft.input(&[2, 8]);
        let from = draft.node(Kernel::Sqrt, &[x]);
        let output = draft.op(Op::Unary(Unary::HSwish), &[from]);
        draft.returns(output);
        assert_eq!(draft.kinds(inline), [Kernel::Sqrt, Kernel::HardSigmoid, Kernel::Mul]);
    }
}
