//! One shape rule per canonical operator, by shape class.
//!
//! To add an operator: a variant of [`Op`], its row in the operators' table
//! (`graph::op`), its rule in the file of its shape class, and the entries of the
//! readers that make it.

mod attention;
mod broadcast;
mod convolution;
mod detection;
mod elementwise;
mod features;
mod gather;
mod interpolate;
mod like;
mod list;
mod matmul;
mod multi_head;
mod plumbing;
mod pooling;
mod recurrent;
mod reduction;
pub(crate) mod reshape;
mod routing;
mod sequence;
mod signal;
mod slicing;
mod source;
mod space;
#[cfg(test)]
mod tests;
mod top_k;
mod window;

use super::context::{Context, RuleError, RuleResult, mismatch};
use super::start::Start;
use crate::graph::Op;
use crate::graph::op::ShapeClass;

/// Emits every output of `op`, or says why it cannot.
pub(super) fn infer(op: &Op, context: &mut Context<'_>, start: &Start) -> RuleResult {
    match op.shape_class() {
        ShapeClass::Plumbing => plumbing::infer(op, context, start),
        ShapeClass::Elementwise => elementwise::infer(op, context),
        ShapeClass::SameAsInput => like::same_as_input(op, context),
        ShapeClass::LikeInputs => like::like_inputs(op, context),
        ShapeClass::Quantized => {
            let Op::Quantized(quantized) = op else { return Err(mismatch!("not over quantized data")) };
            infer(&quantized.op, context, start)?;
            let dtype = like::element_type(quantized.to, context);
            context.retype_first(dtype);
            Ok(())
        }
        ShapeClass::MatMul => matmul::infer(op, context),
        ShapeClass::Convolution => convolution::infer(op, context),
        ShapeClass::Pooling => pooling::infer(op, context),
        ShapeClass::Reduction => reduction::infer(op, context),
        ShapeClass::Reshape => reshape::infer(op, context),
        ShapeClass::Broadcast => broadcast::infer(op, context),
        ShapeClass::Slicing => slicing::infer(op, context),
        ShapeClass::Gather => gather::infer(op, context),
        ShapeClass::Space => space::infer(op, context),
        ShapeClass::Detection => detection::infer(op, context),
        ShapeClass::Source => source::infer(op, context),
        ShapeClass::TopK => top_k::infer(op, context),
        ShapeClass::Interpolate => interpolate::infer(op, context),
        ShapeClass::Recurrent => recurrent::infer(op, context),
        ShapeClass::Attention => attention::infer(op, context),
        ShapeClass::MultiHead => multi_head::infer(op, context),
        ShapeClass::List => list::infer(op, context),
        ShapeClass::Features => features::infer(op, context),
        ShapeClass::Signal => signal::infer(op, context),
        ShapeClass::Sequence => sequence::infer(op, context),
        // The engine walks bodies itself.
        ShapeClass::Control | ShapeClass::Declared => Err(RuleError::UnknownShape(0)),
    }
}
