//! Reductions.

/// What a [`Op::Reduce`](super::Op::Reduce) computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names are the standard ones of the field.
#[non_exhaustive]
pub enum Reduce {
    L1,
    L2,
    LogicalAnd,
    LogicalOr,
    LogSum,
    LogSumExp,
    Max,
    Mean,
    Min,
    Prod,
    Sum,
    SumSquare,
}
