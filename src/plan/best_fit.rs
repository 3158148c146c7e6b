//! `best-fit`: what a best-fit allocator does when it meets the buffers one by one.
//!
//! Among equally small gaps the highest is taken, as ggml's graph allocator
//! does, whose compute buffer this reproduces when the problem's buffers are
//! those of the reserve graph, in its order.
//!
//! Source: ggml 0.25.3, ggml/src/ggml-alloc.c, `ggml_dyn_tallocr_alloc`, read 2026-11-20.

use super::free_list::{self, Ties};
use crate::problem::Problem;

/// Offsets by buffer.
pub(super) fn offsets(problem: &Problem) -> Vec<u64> {
    free_list::problem_offsets(problem, Ties::Highest)
}
