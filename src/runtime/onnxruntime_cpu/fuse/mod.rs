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
pub(super) mod testing;

use super::options::{GraphOptimization, OnnxRuntimeCpu};
use super::precision;
use super::work::Work;

/// Makes of a graph what the runtime executes.
///
/// A graph in half precision is put into single in between: the levels below `all` leave it as that makes it.
pub(super) fn optimize(work: &mut Work<'_>, options: &OnnxRuntimeCpu) {
    let level = options.optimization;
    if level >= GraphOptimization::Basic {
        basic(work);
    }
    let has_half = precision::has_half(work);
    if has_half {
        precision::widen(work, options);
    }
    if !has_half || level == GraphOptimization::All {
        apply_further(work, level, options.block());
    }
    constants::remove_unread(work);
}

fn basic(work: &mut Work<'_>) {
    constants::share(work);
    constants::eliminate(work);
    constants::fold(work);
    constants::merge_duplicates(work);
    reshape::fuse(work);
    convolution::absorb(work);
    matmul::with_addend(work);
}

fn apply_further(work: &mut Work<'_>, level: GraphOptimization, block: u64) {
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
}
