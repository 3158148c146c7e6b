//! What an architecture consists of.

use crate::error::Result;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::cache::Layout;
use crate::runtime::llama_cpp::model::Model;

/// How a graph is built.
#[derive(Clone, Copy, Debug)]
pub(in crate::runtime::llama_cpp) struct Architecture {
    /// `general.architecture`.
    pub(in crate::runtime::llama_cpp) name: &'static str,
    /// Sets what the architecture knows of the model: its windows.
    pub(in crate::runtime::llama_cpp) prepare: fn(&mut Model<'_>),
    /// What is cached.
    pub(in crate::runtime::llama_cpp) layout: fn(&Model<'_>) -> Layout,
    /// The output weight is made before the embedding, so that an embedding which serves as both is there twice.
    ///
    /// Source: src/models/gemma3n.cpp (`load_arch_tensors`), src/llama-model-loader.cpp (`create_tensor`).
    pub(in crate::runtime::llama_cpp) is_output_first: bool,
    /// Builds the graph.
    pub(in crate::runtime::llama_cpp) build: fn(&mut Build<'_>) -> Result<()>,
}

impl Architecture {
    /// An architecture that caches keys and values of all tokens in every layer.
    pub(super) const fn decoder(name: &'static str, build: fn(&mut Build<'_>) -> Result<()>) -> Architecture {
        Architecture { name, prepare: |_| {}, layout: Layout::attention, is_output_first: false, build }
    }
}
