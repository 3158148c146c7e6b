//! Pass 9: integers, booleans and masks.
//!
//! * An i64 parameter gets one Convert to i32 for every reader that is not such a Convert itself, a boolean one a
//!   Convert to u8.
//! * A Convert to boolean is Abs and Clamp (of floats Abs, Ceiling and Clamp), then the Convert.
//!
//! Source: `ConvertPrecision` and `ConvertToBooleanFusion` in OpenVINO 2026.4,
//! src/plugins/intel_cpu/src/transformations/transformation_pipeline.cpp.

use super::work::{Edge, Node, Tensor, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::Unary;
use crate::runtime::openvino_cpu::execution::Kind;
use smallvec::smallvec;

/// Puts the conversions in.
pub(super) fn convert(work: &mut Work<'_>) {
    for parameter in work.parameters.clone() {
        let to = match work.nodes[parameter].outputs.first().map(|tensor| tensor.dtype) {
            Some(DType::I64) => DType::I32,
            Some(DType::Boolean) => DType::U8,
            _ => continue,
        };
        of_parameter(work, parameter, to);
    }
    for node in work.model_order() {
        if work.is_alive(node) && matches!(work.nodes[node].op, Op::Convert { to: DType::Boolean }) {
            to_boolean(work, node);
        }
    }
}

fn of_parameter(work: &mut Work<'_>, parameter: usize, to: DType) {
    let converts = |work: &Work<'_>, user: usize| matches!(work.nodes[user].op, Op::Convert { to } if to != DType::Boolean);
    let needs = work.users(parameter).iter().any(|&(user, _)| !converts(work, user));
    if !needs {
        return;
    }
    let own: Vec<usize> =
        work.users(parameter).iter().map(|&(user, _)| user).filter(|&user| converts(work, user)).collect();
    let tensor = Tensor { dtype: to, ..work.nodes[parameter].outputs[0].clone() };
    let convert = work.add(Node {
        op: Op::Convert { to },
        kind: Kind::Convert,
        inputs: smallvec![Some(Edge::of(parameter))],
        outputs: smallvec![tensor],
        source: work.nodes[parameter].source,
        ..Node::default()
    });
    work.replace_for(Edge::of(parameter), Edge::of(convert), |user| user != convert && !own.contains(&user));
}

fn to_boolean(work: &mut Work<'_>, node: usize) {
    let Some(mut input) = work.nodes[node].input(0) else { return };
    let tensor = work.tensor(input).clone();
    if tensor.dtype == DType::Boolean || tensor.dtype == DType::U8 {
        return;
    }
    let steps: &[(Unary, &str)] = if tensor.dtype.is_float() {
        &[(Unary::Abs, "Abs"), (Unary::Ceiling, "Ceiling"), (Unary::Clamp, "Clamp")]
    } else {
        &[(Unary::Abs, "Abs"), (Unary::Clamp, "Clamp")]
    };
    for &(unary, word) in steps {
        let name = work.fresh_name(word);
        let step = work.add(Node {
            inputs: smallvec![Some(input)],
            outputs: smallvec![tensor.clone()],
            ..Node::named(name, Op::Unary(unary), Kind::Eltwise, work.nodes[node].source)
        });
        input = Edge::of(step);
    }
    work.set_input(node, 0, input);
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
