//! Parameters, constants, results, identity and state.
//!
//! Sources: OpenVINO <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/operation-specs.html>,
//! `Parameter-1`, `Constant-1`, `Result-1`, `ReadValue-3` and `-6`, `Assign-3` and `-6`; ONNX `Identity`.

use crate::graph::Op;
use crate::shape::TensorInfo;
use crate::shape::context::{Context, RuleResult, mismatch};
use crate::shape::start::Start;

pub(super) fn infer(op: &Op, context: &mut Context<'_>, start: &Start) -> RuleResult {
    let graph = context.graph();
    match op {
        Op::Constant(constant) => {
            let tensor =
                graph.output(context.node(), 0).ok_or_else(|| mismatch!("a constant needs an output"))?;
            let declared = graph.tensor(tensor);
            let dims =
                declared.shape.as_known().ok_or_else(|| mismatch!("a constant needs a static shape"))?;
            context.emit(declared.dtype, dims);
            if let Some(value) = &constant.value {
                context.set_value(value.as_ref().clone());
            }
            Ok(())
        }
        // A variable's content has the shape that the run gives the state, else that of its initialiser.
        Op::ReadValue(variable) => {
            let declared = graph.variable(*variable);
            let info = match start.variables.get(variable.index()).cloned().flatten() {
                Some(dims) => TensorInfo::known(declared.dtype, dims),
                None if context.has(0) => TensorInfo { value: None, ..context.input(0)?.clone() },
                None => {
                    let dims = declared.shape.as_known();
                    let dims = dims.ok_or_else(|| {
                        mismatch!(
                            "the state \"{}\" of shape {} has no initialiser and is not bound",
                            declared.name,
                            declared.shape
                        )
                    })?;
                    TensorInfo::known(declared.dtype, dims)
                }
            };
            context.emit_info(info);
            Ok(())
        }
        Op::Identity | Op::Optional | Op::OptionalGetElement | Op::Assign(_) => {
            for port in 0..context.n_outputs().min(context.n_inputs()) {
                context.emit_info(context.input(port)?.clone());
            }
            Ok(())
        }
        Op::Result => Ok(()),
        _ => Err(mismatch!("bound by the scenario, not inferred")),
    }
}
