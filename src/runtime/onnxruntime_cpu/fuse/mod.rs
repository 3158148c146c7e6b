//! The optimizer: one file per family of rewrites; `passes` is the table of their order, by the runtime's levels.
//!
//! A pattern that does not match leaves the nodes as they are. Rewrites that move no bytes worth telling (small
//! integer chains but those of a Reshape, statically quantized forms) are not made.
//!
//! Source: ONNX Runtime 1.31.1, onnxruntime/core/optimizer/graph_transformer_utils.cc, and the graphs that
//! `SessionOptions.optimized_model_filepath` writes at each level.

mod constants;
mod convolution;
mod functions;
mod gelu;
mod layer_norm;
mod matmul;
mod nchwc;
mod nhwc;
mod norms;
mod passes;
mod qdq;
mod quantized;
mod reshape;
#[cfg(test)]
pub(super) mod testing;
mod transposes;

use super::options::OnnxRuntimeCpu;
use super::work::Work;
use crate::rewrite;
use passes::PASSES;

/// Makes of a graph what the runtime executes, or what it is after the pass named `last`.
pub(super) fn optimize(work: &mut Work<'_>, options: &OnnxRuntimeCpu, last: Option<&str>) {
    work.options = *options;
    rewrite::run(work, PASSES, last);
}

/// Names of the passes, in their order.
pub(super) fn passes() -> Vec<&'static str> {
    rewrite::names(PASSES)
}
