//! How many tokens a cache of keys and values has room for.
//!
//! Both kinds of cache grow while tokens are generated, and both keep the old memory until its content is copied.
//!
//! * A state of attention is allocated for twice the tokens of its first run. The run that overflows it, at length T,
//!   allocates 2 T; [`crate::phases`] keeps what an earlier phase allocated.
//! * A paged cache has blocks of 32 tokens. OpenVINO GenAI allocates blocks for twice the prompt, or for prompt and new
//!   tokens if these are fewer; a run that finds no free block adds blocks for 256 tokens.
//!
//! Source: OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes/scaled_attn.cpp; openvino.genai 2026.4,
//! src/cpp/src/continuous_batching/scheduler.hpp (`_initialize_cache`, `_try_increase_cache`); blocks of 43 runs.

use super::held::{product, round_up};
use crate::runtime::Generation;
use crate::runtime::openvino_cpu::Cache;
use crate::runtime::openvino_cpu::execution::Attention;

/// Tokens of one block of a paged cache on a CPU.
///
/// Source: openvino.genai 2026.4, src/cpp/src/continuous_batching/scheduler.hpp (`_initialize_cache`).
pub(super) const BLOCK_TOKENS: u64 = 32;
/// Tokens that a paged cache grows by.
///
/// Source: openvino.genai 2026.4, src/cpp/src/continuous_batching/scheduler.hpp (`_try_increase_cache`).
const GROWTH_TOKENS: u64 = 256;

/// What a cache has room for in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capacity {
    /// Room, in blocks.
    pub room: u64,
    /// The room that this very run found too small: its memory is held until the content is copied.
    pub superseded: Option<u64>,
}

/// Blocks of a paged cache, those of all sequences together; `given`: those of a cache of a given size.
pub(super) fn in_blocks(
    attention: &Attention,
    generation: Option<Generation>,
    given: Option<u64>,
) -> Capacity {
    if let Some(room) = given {
        // Allocated, and allocated again for the plugin's own layout.
        return Capacity { room, superseded: (attention.queries > 1).then_some(room) };
    }
    let prompt = generation.map_or(attention.keys, |generation| generation.prompt);
    let new_tokens = generation.and_then(|generation| generation.new_tokens).unwrap_or(prompt);
    let of_tokens = |tokens: u64| product([attention.batch, tokens.div_ceil(BLOCK_TOKENS)]);
    let first = of_tokens(prompt.saturating_add(new_tokens.min(prompt)));
    let step = GROWTH_TOKENS / BLOCK_TOKENS;
    let room_for = |tokens| first.saturating_add(round_up(of_tokens(tokens).saturating_sub(first), step));
    let (room, before) = (room_for(attention.keys), room_for(attention.past()));
    let supersedes = attention.past() > 0 && before < room;
    Capacity { room, superseded: supersedes.then_some(before) }
}

/// The last length up to `length` at which a cache grows.
pub(in crate::runtime) fn last_growth(
    cache: Cache,
    batch: u64,
    generation: Generation,
    length: u64,
) -> Option<u64> {
    let at = |keys| Attention { batch, keys, queries: 1, ..Attention::default() };
    match cache {
        Cache::Stateful => {
            let (mut room, mut last) = (generation.prompt.max(1).saturating_mul(2), None);
            while room < length {
                last = Some(room + 1);
                room = (room + 1).saturating_mul(2);
            }
            last
        }
        // Blocks are asked for one per sequence, and added by eights.
        Cache::Paged => {
            let asks = (0..=GROWTH_TOKENS / BLOCK_TOKENS)
                .map_while(|before| length.div_ceil(BLOCK_TOKENS).saturating_sub(1).checked_sub(before));
            let lengths = asks.map(|blocks| blocks.saturating_mul(BLOCK_TOKENS).saturating_add(1));
            let mut lengths = lengths.filter(|&keys| keys > generation.prompt);
            lengths.find(|&keys| in_blocks(&at(keys), Some(generation), None).superseded.is_some())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attention(batch: u64, queries: u64, keys: u64) -> Attention {
        Attention { batch, queries, keys, ..Attention::default() }
    }

    #[test]
    fn a_state_last_grows_where_it_overflows() {
        let at =
            |length| last_growth(Cache::Stateful, 1, Generation { prompt: 128, new_tokens: None }, length);
        assert_eq!([256, 257, 514, 515].map(at), [None, Some(257), Some(257), Some(515)]);
    }

    /// Measured: 1,024 tokens and 4 new ones have 33 blocks.
    #[test]
    fn blocks_are_allocated_for_twice_the_prompt_at_most() {
        let blocks = |batch, queries, keys, new| {
            in_blocks(
                &attention(batch, queries, keys),
                Some(Generation { prompt: 1024, new_tokens: new }),
                None,
            )
        };
        assert_eq!(blocks(1, 1024, 1024, Some(4)).room, 33);
        assert_eq!(blocks(1, 1024, 1024, None).room, 64);
        assert_eq!(blocks(1, 1024, 1024, Some(5000)).room, 64);
        assert_eq!(blocks(2, 1, 1100, Some(500)).room, 96);
        assert_eq!(blocks(1, 1, 2048, None), Capacity { room: 64, superseded: None });
        assert_eq!(blocks(1, 1, 2049, None), Capacity { room: 72, superseded: Some(64) });
        assert_eq!(blocks(1, 1, 2050, None), Capacity { room: 72, superseded: None });
    }
}
