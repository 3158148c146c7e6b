//! Shape rules: detection.

use crate::graph::Op;
use crate::shape::context::{Context, RuleResult, mismatch};

pub(super) fn infer(op: &Op, context: &mut Context<'_>) -> RuleResult {
    let _ = context;
    Err(mismatch!("no rule yet for {op:?}"))
}
