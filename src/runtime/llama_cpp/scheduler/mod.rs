//! Which backend computes each node of a graph, where the graph is split, and which tensors are copied between backends.
//!
//! Backends are numbered: the devices in their order, then the CPU. The result is the graph with its copies, in the order in
//! which ggml's allocator walks it.
//!
//! Source: ggml 0.25.3, ggml/src/ggml-backend.cpp (`ggml_backend_sched_split_graph`); llama.cpp 0.5.0, src/llama-context.cpp
//! (`graph_get_cb`).

mod assign;
mod devices;
mod split;

pub(super) use devices::Devices;
pub(super) use split::{Split, split};
