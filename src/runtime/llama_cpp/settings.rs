//! The numbers of a context: tokens, batches, sequences and outputs, as llama.cpp rounds what was asked for.
//!
//! Source: llama.cpp 0.5.0, src/llama-context.cpp (`llama_context::llama_context`, `sched_reserve`).

use super::model::Model;
use super::options::{FrontEnd, LlamaCpp};
use crate::dtype::GgmlType;

/// Lengths are multiples of this.
const PADDING: u64 = 256;

/// The numbers of one context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Cells of all sequences.
    pub(super) context: u64,
    /// Cells of one sequence; of all where they share them.
    pub(super) context_of_sequence: u64,
    /// Tokens of a logical batch at most.
    pub(super) batch: u64,
    /// Tokens of one pass at most.
    pub(super) ubatch: u64,
    /// Sequences at most.
    pub(super) sequences: u64,
    /// Sequences share cells.
    pub(super) is_unified: bool,
    /// Outputs of a batch at most.
    pub(super) outputs: u64,
    /// Attention is one operator.
    pub(super) flash_attention: bool,
    /// A token's cached values are a row. They were meant for attention in one operator, which a context may give up later.
    pub(super) values_in_rows: bool,
    /// Type of cached keys.
    pub(super) key_type: GgmlType,
    /// Type of cached values.
    pub(super) value_type: GgmlType,
    /// A window's cache has cells for all tokens.
    pub(super) full_window: bool,
    /// Hidden states are returned.
    pub(super) embeddings: bool,
    /// How hidden states become one, by its number in llama.h; 0: they do not.
    pub(super) pooling: u64,
}

/// A pass that memory is reserved for, or that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// Tokens.
    pub(super) tokens: u64,
    /// Sequences.
    pub(super) sequences: u64,
    /// Tokens whose results are wanted.
    pub(super) outputs: u64,
    /// Tokens in the cache once the pass has run; `None`: as many as there are cells.
    pub(super) used: Option<u64>,
}

impl Batch {
    /// Cells of a cache that the pass reads.
    ///
    /// Source: src/llama-kv-cache.cpp (`get_n_kv`).
    pub(super) fn cells(&self, all: u64) -> u64 {
        self.used.map_or(all, |used| padded(used).max(PADDING).min(all))
    }
}

impl Settings {
    /// The context that the options ask for.
    pub(super) fn of(options: &LlamaCpp, model: &Model<'_>) -> Settings {
        let sequences = options.parallel();
        let asked = options.context.unwrap_or(model.trained_context).max(1);
        let is_unified = options.kv_unified();
        let batch = if model.is_causal { options.batch.min(asked) } else { options.batch };
        let ubatch = if options.ubatch == 0 { batch } else { options.ubatch.min(batch) };
        let embeds = options.embedding || options.pooling.is_some_and(|pooling| pooling > 0);
        let outputs = match (options.outputs, options.front_end) {
            (Some(outputs), _) => outputs,
            (None, FrontEnd::Server) if !embeds => sequences,
            (None, _) => batch,
        };
        let mut context = padded(asked);
        let mut context_of_sequence = context;
        if !is_unified {
            context_of_sequence = padded(context / sequences).max(PADDING);
            context = context_of_sequence * sequences;
        }
        let own = model.number("pooling_type").unwrap_or(0);
        Settings {
            context,
            context_of_sequence,
            batch,
            ubatch,
            sequences,
            is_unified,
            outputs,
            flash_attention: options.flash_attention,
            values_in_rows: options.flash_attention,
            key_type: options.key_type,
            value_type: options.value_type,
            full_window: options.swa_full,
            embeddings: embeds,
            pooling: options.pooling.unwrap_or(own),
        }
    }

    /// Sequences with cells of their own.
    pub(super) fn streams(&self) -> u64 {
        if self.is_unified { 1 } else { self.sequences }
    }

    /// Sequences of a pass with cells of their own.
    ///
    /// Source: src/llama-graph.cpp (`build_attn_inp_kq_mask`).
    pub(super) fn streams_of(&self, batch: Batch) -> u64 {
        if self.is_unified { 1 } else { batch.sequences }
    }

    /// The pass of a prompt that memory is reserved for. The outputs are counted before the tokens become a multiple of
    /// the sequences.
    pub(super) fn prompt_batch(&self) -> Batch {
        let tokens = self.context.min(self.ubatch);
        let outputs = tokens.min(self.outputs);
        Batch {
            tokens: tokens.checked_next_multiple_of(self.sequences).unwrap_or(tokens),
            sequences: self.sequences,
            outputs,
            used: None,
        }
    }

    /// The pass of a generation that memory is reserved for.
    pub(super) fn generation_batch(&self) -> Batch {
        Batch { tokens: self.sequences, sequences: self.sequences, outputs: self.sequences, used: None }
    }

    /// Cells of a window's cache.
    ///
    /// Source: src/llama-kv-cache-iswa.cpp (`llama_kv_cache_iswa`).
    pub(super) fn window_cells(&self, window: u64) -> u64 {
        let base = self.context_of_sequence;
        if self.full_window {
            return base;
        }
        let sequences = if self.is_unified { self.sequences } else { 1 };
        padded(base.min(window.saturating_mul(sequences).saturating_add(self.ubatch)))
    }
}

/// A number of tokens, as cells are allocated.
fn padded(tokens: u64) -> u64 {
    tokens.checked_next_multiple_of(PADDING).unwrap_or(tokens)
}
