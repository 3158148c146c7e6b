//! PReLU with one slope.
//!
//! A PReLU whose slope is one number is an activation without a second input, and is fused where activations are; one slope
//! per channel stays arithmetic with a constant.
//!
//! Source: `ConvertToLeakyRelu`, OpenVINO 2026.4,
//! src/plugins/intel_cpu/src/transformations/cpu_opset/common/pass/convert_to_leaky_relu.cpp.

use super::work::{Patch, Rule, Work};
use crate::graph::Op;
use crate::graph::op::Unary;

/// Makes an activation of every PReLU with one slope.
pub(super) const RULE: Rule = Rule {
    name: "leaky-relu",
    source: "ConvertToLeakyRelu, src/plugins/intel_cpu/src/transformations/cpu_opset/common/pass/convert_to_leaky_relu.cpp",
    on: |node| matches!(node.op, Op::PRelu),
    apply: convert,
    repeats: false,
};

fn convert(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let (data, slope) = (of.input(0)?, of.input(1)?);
    if !work.nodes[slope.node()].is_const() || work.tensor(slope).elements() != 1 {
        return None;
    }
    let mut patch = Patch::new(work);
    patch.change(node, |node| node.op = Op::Unary(Unary::LeakyRelu));
    patch.set_inputs(node, [data]);
    Some(patch)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;
    use crate::graph::op::Convolution;

    fn sloped(slopes: &[i64]) -> Vec<String> {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [FREE, 4, 6, 6]);
        let x = net.input("x", f32, &dims);
        let filters = net.weight("filters", f32, &[4, 4, 1, 1]);
        let made = net.op("conv", Op::Convolution(Box::<Convolution>::default()), &[x, filters], f32, &dims);
        let slope = net.weight("slope", f32, slopes);
        let out = net.op("prelu", Op::PRelu, &[made, slope], f32, &dims);
        net.result("out", out);
        net.lines(DYNAMIC)
    }

    #[test]
    fn one_slope_is_an_activation_behind_a_convolution() {
        assert!(sloped(&[1]).contains(&"Convolution conv,prelu f32".to_owned()));
        assert!(sloped(&[1, 4, 1, 1]).contains(&"Convolution conv,prelu f32".to_owned()));
    }

    #[test]
    fn a_slope_per_column_is_not() {
        assert!(sloped(&[1, 1, 1, 6]).contains(&"Eltwise prelu f32".to_owned()));
    }
}
