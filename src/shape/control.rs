//! Shapes through control flow: `If`, `Loop`, `TensorIterator`, `Scan`.

use super::context::Context;
use super::engine::{Options, Shapes};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Op;

/// Infers the bodies of a control-flow node, emits the node's outputs, and returns the bodies' shapes in the order of
/// [`Graph::bodies`](crate::graph::Graph::bodies).
pub(super) fn infer(op: &Op, context: &mut Context<'_>, options: Options) -> Result<Vec<Shapes>> {
    let _ = (op, options);
    Err(Error::new(ErrorKind::Unsupported, "no rule yet").at(context.graph().location(context.node(), None)))
}
