//! Who runs a model, and what of it is kept on disk.

use crate::units::Bytes;

/// Whether a compiled model is written to `CACHE_DIR`, or read from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ModelCache {
    /// Neither: no folder was named.
    #[default]
    Off,
    /// Compiled and written.
    First,
    /// Read.
    Import,
}

/// Who runs the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Host {
    /// A program that has nothing of its own.
    #[default]
    Plain,
    /// OpenVINO GenAI's LLMPipeline.
    GenAi(Scheduler),
}

/// What a program may set in OpenVINO GenAI's `SchedulerConfig`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scheduler {
    /// `cache_size`: the whole cache is allocated at once.
    pub cache: Option<Bytes>,
    /// `max_num_batched_tokens`: longer prompts are run in chunks.
    pub batched_tokens: Option<u32>,
    /// `enable_prefix_caching`.
    pub has_prefix_cache: bool,
}

impl Scheduler {
    /// Tokens that are run at once at most; `None`: any number.
    ///
    /// Source: openvino.genai 2026.4, src/cpp/include/openvino/genai/scheduler_config.hpp (256); without a `SchedulerConfig` the
    /// pipeline takes any number, src/cpp/src/utils.cpp (`get_latency_oriented_scheduler_config`).
    #[must_use]
    pub fn chunk(&self) -> Option<u64> {
        const DEFAULT: u64 = 256;
        let is_set = self.cache.is_some() || self.has_prefix_cache;
        self.batched_tokens.map(u64::from).or_else(|| is_set.then_some(DEFAULT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheduler_has_chunks_once_anything_is_set() {
        assert_eq!(Scheduler::default().chunk(), None);
        assert_eq!(Scheduler { has_prefix_cache: true, ..Scheduler::default() }.chunk(), Some(256));
        let own = Scheduler { cache: Some(Bytes(1)), batched_tokens: Some(512), ..Scheduler::default() };
        assert_eq!(own.chunk(), Some(512));
    }
}
