//! The optimizer: one file per family of rewrites, applied in the order of the runtime's levels.
//!
//! A pattern that does not match leaves the nodes as they are. Rewrites that move no bytes worth telling (small
//! integer chains but those of a Reshape, transposes pushed through other nodes, statically quantized forms) are not made.
//!
//! Source: ONNX Runtime 1.31.1, onnxruntime/core/optimizer/graph_transformer_utils.cc, and the graphs that
//! `SessionOptions.optimized_model_filepath` writes at each level.

mod constants;
mod convolution;
mod gelu;
mod layer_norm;
mod matmul;
mod nchwc;
mod norms;
mod quantized;
mod reshape;
#[cfg(test)]
mod testing;

use super::work::Work;
use crate::profile::GraphOptimization;

/// Applies everything up to a level.
pub(super) fn apply(work: &mut Work<'_>, level: GraphOptimization, block: u64) {
    if level >= GraphOptimization::Basic {
        constants::share(work);
        constants::eliminate(work);
        constants::fold(work);
        constants::merge_duplicates(work);
        reshape::fuse(work);
        convolution::absorb(work);
        matmul::with_addend(work);
    }
    if level >= GraphOptimization::Extended {
        quantized::fuse(work);
        norms::fuse(work);
        gelu::fuse(work);
        gelu::fuse_tanh(work);
        norms::fuse_gates(work);
        matmul::activated(work);
        convolution::activate(work, level);
        layer_norm::fuse_skip(work);
        gelu::with_bias(work);
        matmul::transposed(work);
        matmul::scaled(work);
    }
    if level >= GraphOptimization::All {
        nchwc::block(work, block);
        convolution::activate(work, GraphOptimization::Extended);
    }
    constants::remove_unread(work);
}
