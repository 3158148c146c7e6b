//! Regression tests of memory: limits on growth.

mod limit;

pub use limit::Limit;
