//! Integers, booleans and masks.
//!
//! * An i64 parameter gets one Convert to i32 for every reader that is not such a Convert itself, a boolean one a
//!   Convert to u8.
//! * A Convert to boolean is Abs and Clamp (of floats Abs, Ceiling and Clamp), then the Convert.
//!
//! Source: `ConvertPrecision` and `ConvertToBooleanFusion` in OpenVINO 2026.4,
//! src/plugins/intel_cpu/src/transformations/transformation_pipeline.cpp.

use super::work::{Build, Edge, Node, Patch, Rule, Tensor, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::Unary;
use crate::runtime::openvino_cpu::execution::Kind;

/// Puts a conversion behind parameters of types that the plugin does not have.
pub(super) const PARAMETER: Rule = Rule {
    name: "parameter-type",
    source: "ConvertPrecision, src/plugins/intel_cpu/src/transformations/transformation_pipeline.cpp",
    on: |node| matches!(node.op, Op::Parameter),
    apply: of_parameter,
    repeats: false,
};

/// Writes conversions to boolean out.
pub(super) const BOOLEAN: Rule = Rule {
    name: "boolean",
    source: "ConvertToBooleanFusion, src/plugins/intel_cpu/src/transformations/transformation_pipeline.cpp",
    on: |node| matches!(node.op, Op::Convert { to: DType::Boolean }),
    apply: to_boolean,
    repeats: false,
};

fn of_parameter(work: &Work<'_>, parameter: usize) -> Option<Patch> {
    let tensor = work.nodes[parameter].outputs.first()?;
    let to = match tensor.dtype {
        DType::I64 => DType::I32,
        DType::Boolean => DType::U8,
        _ => return None,
    };
    let converts = |user: usize| matches!(work.nodes[user].op, Op::Convert { to } if to != DType::Boolean);
    let users = || work.users(parameter).iter().map(|&(user, _)| user);
    if users().all(converts) {
        return None;
    }
    let mut except: Vec<usize> = users().filter(|&user| converts(user)).collect();
    let mut patch = Patch::new(work);
    let convert = Node::nameless(Op::Convert { to }, Kind::Convert, work.nodes[parameter].source);
    let convert = patch.add(convert.writing(Tensor { dtype: to, ..tensor.clone() }), [Edge::of(parameter)]);
    except.push(convert);
    patch.replace_except(Edge::of(parameter), Edge::of(convert), &except);
    Some(patch)
}

fn to_boolean(work: &Work<'_>, node: usize) -> Option<Patch> {
    let mut input = work.nodes[node].input(0)?;
    let tensor = work.tensor(input);
    if tensor.dtype == DType::Boolean || tensor.dtype == DType::U8 {
        return None;
    }
    let steps: &[(Unary, &str)] = if tensor.dtype.is_float() {
        &[(Unary::Abs, "Abs"), (Unary::Ceiling, "Ceiling"), (Unary::Clamp, "Clamp")]
    } else {
        &[(Unary::Abs, "Abs"), (Unary::Clamp, "Clamp")]
    };
    let mut patch = Patch::new(work);
    for &(unary, word) in steps {
        let name = patch.fresh_name(word);
        let step = Node::named(name, Op::Unary(unary), Kind::Eltwise, work.nodes[node].source);
        input = Edge::of(patch.add(step.writing(tensor.clone()), [input]));
    }
    patch.set_input(node, 0, input);
    Some(patch)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use crate::DType;
    use crate::graph::Op;

    fn to_boolean(dtype: DType) -> Vec<String> {
        let mut net = Net::new();
        let x = net.input("x", dtype, &[FREE]);
        let out = net.op("convert", Op::Convert { to: DType::Boolean }, &[x], DType::Boolean, &[FREE]);
        net.result("out", out);
        net.lines(DYNAMIC)
    }

    #[test]
    fn a_boolean_of_integers_and_of_floats() {
        assert_eq!(
            to_boolean(DType::I64),
            ["Convert Convert i32", "Eltwise Abs,Clamp i32", "Convert convert u8"]
        );
        assert_eq!(to_boolean(DType::F32), ["Eltwise Abs,Ceiling,Clamp f32", "Convert convert u8"]);
    }
}
