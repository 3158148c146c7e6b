//! Outputs whose dims depend on data.

use crate::DType;
use crate::shape::context::Context;
use crate::shape::{Bound, TensorInfo};

/// Emits an output that has at most these dims.
pub(super) fn emit_at_most(context: &mut Context<'_>, dtype: DType, dims: &[u64]) {
    let info = TensorInfo::known(dtype, dims.iter().copied());
    context.emit_info(TensorInfo { bound: Bound::UpperBound, ..info });
}
