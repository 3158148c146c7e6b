//! States that are updated from token to token: Mamba's and those of Mamba 2.
//!
//! Source: llama.cpp 0.5.0, src/llama-graph.cpp (`build_rs`), src/models/mamba-base.cpp.

use super::norm::Norm;
use crate::dtype::GgmlType;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::model::Model;
use crate::runtime::llama_cpp::tensor::{Id, Op};

/// Numbers of states: of the sequences that run, and of the others.
#[derive(Clone, Copy, Debug)]
pub(in crate::runtime::llama_cpp) struct States {
    main: Id,
    extra: Id,
}

/// Sizes of a state-space model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime::llama_cpp) struct StateSizes {
    /// Taps of the convolution.
    pub(in crate::runtime::llama_cpp) taps: u64,
    /// Channels.
    pub(in crate::runtime::llama_cpp) inner: u64,
    /// Elements of the state of a channel.
    pub(in crate::runtime::llama_cpp) state: u64,
    /// Rank of the time steps; heads, in Mamba 2.
    pub(in crate::runtime::llama_cpp) steps: u64,
    /// Groups of channels, in Mamba 2.
    pub(in crate::runtime::llama_cpp) groups: u64,
}

impl StateSizes {
    /// The sizes that a file gives.
    pub(in crate::runtime::llama_cpp) fn of(model: &Model<'_>) -> StateSizes {
        let number = |name| model.number(name).unwrap_or(0);
        StateSizes {
            taps: number("ssm.conv_kernel"),
            inner: number("ssm.inner_size"),
            state: number("ssm.state_size"),
            steps: number("ssm.time_step_rank"),
            groups: number("ssm.group_count"),
        }
    }

    /// Channels that are convolved.
    fn channels(self) -> u64 {
        self.groups.saturating_mul(self.state).saturating_mul(2).saturating_add(self.inner)
    }

    /// Elements of the two states of a layer, for one sequence.
    ///
    /// Source: src/llama-hparams.cpp (`n_embd_r`, `n_embd_s`).
    pub(in crate::runtime::llama_cpp) fn elements(self) -> [u64; 2] {
        [self.taps.saturating_sub(1).saturating_mul(self.channels()), self.state.saturating_mul(self.inner)]
    }

    /// Refuses sizes that no such model has.
    ///
    /// # Errors
    ///
    /// If they are 0, larger than ggml's dims, or contradict each other.
    pub(super) fn check(self) -> Result<()> {
        let heads = if self.groups > 0 { self.steps } else { 1 };
        let is_whole = |by: u64| by == 0 || self.inner.is_multiple_of(by);
        // Dims of ggml's operators are 32-bit numbers.
        let is_large = [self.taps, self.state, self.channels()].iter().any(|&size| size > i32::MAX as u64);
        let is_empty = self.taps == 0 || self.inner == 0 || heads == 0;
        if is_empty || is_large || !is_whole(heads) || !is_whole(self.groups) {
            let message = format!("{self:?} are not sizes of a state-space model");
            return Err(Error::new(ErrorKind::Malformed, message));
        }
        Ok(())
    }
}

impl Build<'_> {
    /// Numbers of the states.
    pub(in crate::runtime::llama_cpp) fn states(&mut self) -> States {
        let all = self.settings.sequences;
        let sequences = self.batch.sequences;
        let ids = self.graph.input("rs_s_copy", GgmlType::I32, [all, 1, 1, 1]);
        let main = self.graph.view_1d(ids, sequences, 0);
        let extra = self.graph.view_1d(ids, all - sequences, sequences * 4);
        States { main, extra }
    }

    /// The two states of a layer: of the convolution and of the recurrence.
    pub(super) fn state_tensors(&mut self, layer: u64) -> Result<[Id; 2]> {
        let found = self.caches.states.get(layer as usize).copied().flatten();
        let (convolution, recurrence) =
            found.ok_or_else(|| Error::new(ErrorKind::Internal, format!("layer {layer} has no state")))?;
        Ok([self.cache_tensor(convolution), self.cache_tensor(recurrence)])
    }

    /// The first state of a layer.
    pub(in crate::runtime::llama_cpp) fn state_of(&mut self, layer: u64) -> Result<Id> {
        self.state_tensors(layer).map(|[first, _]| first)
    }

    /// The states of the sequences that run; those of the others are moved.
    pub(in crate::runtime::llama_cpp) fn load_rows(&mut self, state: Id, states: States) -> Id {
        self.load_state(state, states, |build, all| build.graph.get_rows(all, states.main))
    }

    /// The states of the sequences that run, by `read`; those of the others are moved.
    fn load_state(&mut self, state: Id, states: States, read: impl FnOnce(&mut Self, Id) -> Id) -> Id {
        let [size, rows, ..] = self.graph.ne(state);
        let all = self.graph.reshape_2d(state, size, rows);
        let cleared = self.graph.view_1d(all, 0, 0);
        let cleared = self.graph.scale_in_place(cleared);
        self.graph.expand(cleared);
        let own = read(self, all);
        self.graph.expand(own);
        let extra = self.graph.get_rows(all, states.extra);
        let (more, row) = (self.graph.ne(extra)[1], self.graph.get(state).nb[1]);
        let target = self.graph.view_2d(state, [size, more], row, self.batch.sequences * row);
        let moved = self.graph.copy_to(extra, target);
        self.graph.expand(moved);
        own
    }

    /// The convolution's input: the last columns before, and the new ones. The last of all are stored.
    pub(super) fn convolve(
        &mut self,
        state: Id,
        states: States,
        x: Id,
        layer: u64,
        sizes: StateSizes,
    ) -> Result<Id> {
        let sequences = self.batch.sequences;
        let tokens = self.batch.tokens / sequences;
        let channels = sizes.channels();
        let before = self.load_rows(state, states);
        let before = self.graph.reshape_3d(before, sizes.taps - 1, channels, sequences);
        let turned = self.graph.transpose(x);
        let joined = self.graph.concat(before, turned, 0);
        let nb = self.graph.get(joined).nb;
        let last =
            self.graph.view_3d(joined, [sizes.taps - 1, channels, sequences], [nb[1], nb[2]], tokens * nb[0]);
        let row = (sizes.taps - 1) * channels;
        let target = if sizes.groups > 0 {
            let stride = self.graph.get(state).nb[1];
            self.graph.view_2d(state, [row, sequences], stride, 0)
        } else {
            self.graph.view_1d(state, row * sequences, 0)
        };
        let stored = self.graph.copy_to(last, target);
        self.graph.expand(stored);
        let filter = self.need_layer(layer, "ssm_conv1d.weight")?;
        let ne = [channels, tokens, sequences, 1];
        let mut x = self.graph.make(Op::SsmConv, GgmlType::F32, ne, &[joined, filter]);
        if let Some(bias) = self.layer_weight(layer, "ssm_conv1d.bias") {
            x = self.graph.add(x, bias);
        }
        Ok(self.graph.unary(x))
    }

    /// The scan over all tokens, whose result holds the last states as well; these are stored.
    fn scan(
        &mut self,
        state: Id,
        states: States,
        [x, steps, decay, b, c]: [Id; 5],
        (sizes, heads): (StateSizes, [u64; 2]),
    ) -> Id {
        let sequences = self.batch.sequences;
        let rows = self.graph.ne(state)[1];
        let scanned = self.load_state(state, states, |build, all| {
            let shaped = build.graph.reshape(all, [sizes.state, heads[0], heads[1], rows]);
            let elements = build.graph.get(x).elements() + sizes.state * sizes.inner * sequences;
            let sources = [shaped, x, steps, decay, b, c, states.main];
            build.graph.make(Op::SsmScan, GgmlType::F32, [elements, 1, 1, 1], &sources)
        });
        let offset = self.graph.get(x).elements() * 4;
        let own = sizes.state * sizes.inner;
        let (last, target) = if sizes.groups > 0 {
            let row = self.graph.get(state).nb[1];
            let last =
                self.graph.view_3d(scanned, [own, sequences, 1], [own * 4, own * 4 * sequences], offset);
            let target = self.graph.view_3d(state, [own, sequences, 1], [row, rows * own * 4], 0);
            (last, target)
        } else {
            let last = self.graph.view_1d(scanned, own * sequences, offset);
            (last, self.graph.view_1d(state, own * sequences, 0))
        };
        let stored = self.graph.copy_to(last, target);
        self.graph.expand(stored);
        scanned
    }

    /// A layer of Mamba.
    pub(in crate::runtime::llama_cpp) fn mamba(&mut self, x: Id, layer: u64, states: States) -> Result<Id> {
        let sizes = StateSizes { groups: 0, ..StateSizes::of(self.model) };
        sizes.check()?;
        let sequences = self.batch.sequences;
        let tokens = self.batch.tokens / sequences;
        let StateSizes { inner, state, steps: rank, .. } = sizes;
        let [convolution, recurrence] = self.state_tensors(layer)?;
        let width = self.graph.ne(x)[0];
        let x = self.graph.reshape_3d(x, width, tokens, sequences);
        let both = self.linear(x, layer, "ssm_in")?;
        let nb = self.graph.get(both).nb;
        let x = self.graph.view_3d(both, [inner, tokens, sequences], [nb[1], nb[2]], 0);
        let gate = self.graph.view_3d(both, [inner, tokens, sequences], [nb[1], nb[2]], inner * 4);
        let x = self.convolve(convolution, states, x, layer, sizes)?;
        let parts = self.linear(x, layer, "ssm_x")?;
        let nb = self.graph.get(parts).nb;
        let steps = self.graph.view_3d(parts, [rank, tokens, sequences], [nb[1], nb[2]], 0);
        let mut part = |offset: u64| {
            self.graph.view(parts, [state, 1, tokens, sequences], [state * nb[0], nb[1], nb[2]], offset * 4)
        };
        let (mut b, mut c) = (part(rank), part(rank + state));
        let steps = if self.layer_weight(layer, "ssm_dt_norm.weight").is_some() {
            b = self.layer_norm(b, Norm::Rms, layer, "ssm_b_norm");
            c = self.layer_norm(c, Norm::Rms, layer, "ssm_c_norm");
            self.layer_norm(steps, Norm::Rms, layer, "ssm_dt_norm")
        } else {
            self.graph.cont(steps)
        };
        let steps = self.linear(steps, layer, "ssm_dt")?;
        let shaped = self.graph.reshape(x, [1, inner, tokens, sequences]);
        let decay = self.need_layer(layer, "ssm_a")?;
        let scanned = self.scan(recurrence, states, [shaped, steps, decay, b, c], (sizes, [1, inner]));
        let nb = self.graph.get(shaped).nb;
        let y = self.graph.view_3d(scanned, [inner, tokens, sequences], [nb[2], nb[3]], 0);
        let skip = self.need_layer(layer, "ssm_d")?;
        let skipped = self.graph.mul(x, skip);
        let y = self.graph.add(y, skipped);
        let gate = self.graph.cont(gate);
        let y = self.graph.glu(gate, y);
        let out = self.linear(y, layer, "ssm_out")?;
        let width = self.graph.ne(out)[0];
        Ok(self.graph.reshape_2d(out, width, tokens * sequences))
    }

    /// A layer of Mamba 2.
    pub(in crate::runtime::llama_cpp) fn mamba2(&mut self, x: Id, layer: u64, states: States) -> Result<Id> {
        let sizes = StateSizes::of(self.model);
        sizes.check()?;
        if sizes.groups == 0 {
            let message = "ssm.group_count is 0, and a model of Mamba 2 has groups";
            return Err(Error::new(ErrorKind::Malformed, message));
        }
        let sequences = self.batch.sequences;
        let tokens = self.batch.tokens / sequences;
        let StateSizes { inner, state, steps: heads, groups, .. } = sizes;
        let head = inner / heads;
        let [convolution, recurrence] = self.state_tensors(layer)?;
        let all = self.linear(x, layer, "ssm_in")?;
        let width = self.graph.ne(all)[0];
        let all = self.graph.reshape_3d(all, width, tokens, sequences);
        let nb = self.graph.get(all).nb;
        let gate = self.graph.view(all, [head, heads, tokens, sequences], [head * nb[0], nb[1], nb[2]], 0);
        let x = self.graph.view_3d(all, [sizes.channels(), tokens, sequences], [nb[1], nb[2]], inner * 4);
        let offset = (2 * inner + 2 * groups * state) * 4;
        let steps = self.graph.view_3d(all, [heads, tokens, sequences], [nb[1], nb[2]], offset);
        let all = self.convolve(convolution, states, x, layer, sizes)?;
        let nb = self.graph.get(all).nb;
        let mut part = |width: u64, count: u64, offset: u64| {
            self.graph.view(all, [width, count, tokens, sequences], [width * nb[0], nb[1], nb[2]], offset * 4)
        };
        let x = part(head, heads, 0);
        let b = part(state, groups, inner);
        let c = part(state, groups, inner + groups * state);
        let steps = self.graph.cont(steps);
        let bias = self.need_layer(layer, "ssm_dt.bias")?;
        let steps = self.graph.add(steps, bias);
        let decay = self.need_layer(layer, "ssm_a")?;
        let scanned = self.scan(recurrence, states, [x, steps, decay, b, c], (sizes, [head, heads]));
        let nb1 = self.graph.get(x).nb[1];
        let y = self.graph.view(
            scanned,
            [head, heads, tokens, sequences],
            [nb1, heads * nb1, tokens * heads * nb1],
            0,
        );
        let skip = self.need_layer(layer, "ssm_d")?;
        let skipped = self.graph.mul(x, skip);
        let y = self.graph.add(y, skipped);
        let gate = self.graph.cont(gate);
        let mut y = self.graph.glu(gate, y);
        if self.layer_weight(layer, "ssm_norm.weight").is_some() {
            y = self.graph.reshape(y, [inner / groups, groups, tokens, sequences]);
            y = self.layer_norm(y, Norm::Rms, layer, "ssm_norm");
        }
        let y = self.graph.reshape_2d(y, inner, tokens * sequences);
        self.linear(y, layer, "ssm_out")
    }
}
