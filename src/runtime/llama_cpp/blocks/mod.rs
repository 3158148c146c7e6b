//! Parts that architectures are made of, one file each.

pub(super) mod attention;
pub(super) mod delta_net;
pub(super) mod feed_forward;
pub(super) mod head;
pub(super) mod mixture;
pub(super) mod norm;
pub(super) mod projection;
pub(super) mod recurrent;
