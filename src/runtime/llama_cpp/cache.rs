//! Caches of keys, values and states: their tensors and bytes.
//!
//! Source: llama.cpp 0.5.0, src/llama-kv-cache.cpp (`llama_kv_cache::llama_kv_cache`), src/llama-kv-cache-iswa.cpp,
//! src/llama-memory-recurrent.cpp, src/llama-memory-hybrid.cpp.

use super::model::Model;
use super::settings::Settings;
use super::tensor::{ALIGNMENT, strides};
use crate::dtype::GgmlType;
use crate::error::{Error, ErrorKind, Result};
use crate::units::Bytes;

/// Widths of a rotation are multiples of this.
const ROTATION: u64 = 64;

/// What a model caches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// By layer, whether keys and values are cached.
    pub(super) attention: Vec<bool>,
    /// By layer, whether a recurrent state is kept.
    pub(super) recurrent: Vec<bool>,
    /// Elements of a state of convolution and of a state of the recurrence, for one sequence.
    pub(super) state: [u64; 2],
    /// By layer without an own cache: the layer that it reads.
    pub(super) shared: Vec<Option<u32>>,
    /// Keys hold the values as well.
    pub(super) is_latent: bool,
}

impl Layout {
    /// Keys and values of every layer.
    pub(super) fn attention(model: &Model<'_>) -> Layout {
        let layers = model.layers as usize;
        Layout {
            attention: vec![true; layers],
            recurrent: vec![false; layers],
            shared: vec![None; layers],
            ..Layout::default()
        }
    }

    /// Nothing.
    pub(super) fn none(model: &Model<'_>) -> Layout {
        let attention = vec![false; model.layers as usize];
        Layout { attention, ..Layout::attention(model) }
    }
}

/// A tensor of a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CacheTensor {
    /// Name without its layer.
    pub(super) name: &'static str,
    /// Layer.
    pub(super) layer: u32,
    /// Type of its elements.
    pub(super) dtype: GgmlType,
    /// Its dims.
    pub(super) dims: [u64; 4],
    /// It holds a recurrent state.
    pub(super) is_state: bool,
}

impl CacheTensor {
    /// Its bytes, with those up to the next tensor.
    pub(super) fn bytes(&self) -> u64 {
        let [.., last] = strides(self.dtype, self.dims);
        Bytes(last.saturating_mul(self.dims[3])).align_up(ALIGNMENT).0
    }
}

/// One of the two parts of a cache: of all tokens, or of a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// Tokens that it holds, of each stream.
    pub(super) cells: u64,
    /// Width of the rotation of keys; 0 without one.
    pub(super) key_rotation: u64,
    /// Width of the rotation of values; 0 without one.
    pub(super) value_rotation: u64,
}

/// The caches of a context.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Caches {
    /// All tensors.
    pub(super) tensors: Vec<CacheTensor>,
    /// By layer: the tensors of keys and of values.
    pub(super) keys_values: Vec<Option<(u32, Option<u32>)>>,
    /// By layer: the tensors of the two states.
    pub(super) states: Vec<Option<(u32, u32)>>,
    /// Of all tokens, and of a window.
    pub(super) parts: [Part; 2],
    /// The widest values of a layer.
    pub(super) widest_value: u64,
    /// What is cached.
    pub(super) layout: Layout,
}

impl Caches {
    /// The caches that a context has.
    ///
    /// # Errors
    ///
    /// If llama.cpp refuses the types.
    pub(super) fn of(model: &Model<'_>, settings: &Settings, layout: Layout) -> Result<Caches> {
        let mut caches = Caches {
            keys_values: vec![None; layout.attention.len()],
            states: vec![None; layout.attention.len()],
            widest_value: (0..model.layers).map(|layer| value_width(model, layer)).max().unwrap_or(0),
            ..Caches::default()
        };
        let cells = [settings.context_of_sequence, settings.window_cells(model.window.tokens)];
        for (part, cells) in caches.parts.iter_mut().zip(cells) {
            part.cells = cells;
        }
        // The part of all tokens comes first, then that of a window.
        for is_window in [false, true] {
            for layer in 0..model.layers {
                if layout.attention[layer as usize] && model.is_window(layer) == is_window {
                    caches.add_layer(model, settings, layer, layout.is_latent)?;
                }
            }
            caches.parts[usize::from(is_window)].rotate(model, settings, &layout, is_window);
        }
        for (layer, shared) in layout.shared.iter().enumerate() {
            if let Some(shared) = *shared {
                caches.keys_values[layer] = caches.keys_values.get(shared as usize).copied().flatten();
            }
        }
        for layer in (0..model.layers as u32).filter(|&layer| layout.recurrent[layer as usize]) {
            let state = |name, elements| CacheTensor {
                name,
                layer,
                dtype: GgmlType::F32,
                dims: [elements, settings.sequences, 1, 1],
                is_state: true,
            };
            let [convolution, recurrence] = layout.state;
            let first = caches.tensors.len() as u32;
            caches.tensors.extend([state("cache_r", convolution), state("cache_s", recurrence)]);
            caches.states[layer as usize] = Some((first, first + 1));
        }
        caches.layout = layout;
        Ok(caches)
    }

    fn add_layer(
        &mut self,
        model: &Model<'_>,
        settings: &Settings,
        layer: u64,
        is_latent: bool,
    ) -> Result<()> {
        let cells = self.part(model, layer).cells;
        let key_width = model.head_k(layer).saturating_mul(model.kv_heads(layer));
        let own = value_width(model, layer);
        let value_width = if settings.values_in_rows { own } else { self.widest_value };
        let mut add = |name, dtype: GgmlType, width: u64| -> Result<u32> {
            if !width.is_multiple_of(dtype.elements()) {
                let message = format!(
                    "layer {layer} caches rows of {width} elements, which are not whole blocks of {}",
                    dtype.name()
                );
                return Err(Error::new(ErrorKind::Unsupported, message)
                    .note("llama.cpp refuses this type of cache for the model")
                    .help("use `--cache-type-k f16 --cache-type-v f16`"));
            }
            let dims = [width, cells, settings.streams(), 1];
            self.tensors.push(CacheTensor { name, layer: layer as u32, dtype, dims, is_state: false });
            Ok(self.tensors.len() as u32 - 1)
        };
        let keys = add("cache_k", settings.key_type, key_width)?;
        let values = match is_latent {
            true => None,
            false => Some(add("cache_v", settings.value_type, value_width)?),
        };
        self.keys_values[layer as usize] = Some((keys, values));
        Ok(())
    }

    /// The part that a layer's keys and values are in.
    pub(super) fn part(&self, model: &Model<'_>, layer: u64) -> &Part {
        &self.parts[usize::from(model.is_window(layer))]
    }
}

impl Part {
    /// Sets the widths of rotations: of quantized types, where all layers of the part have heads of one width.
    fn rotate(&mut self, model: &Model<'_>, settings: &Settings, layout: &Layout, is_window: bool) {
        let layers = || {
            (0..model.layers)
                .filter(|&layer| layout.attention[layer as usize] && model.is_window(layer) == is_window)
        };
        let common = |width: fn(&Model<'_>, u64) -> u64| {
            let mut widths = layers().map(|layer| width(model, layer));
            let first = widths.next().filter(|&first| first > 0)?;
            // llama.cpp looks at the first layer's width, of whichever part that is.
            let is_multiple = width(model, 0).is_multiple_of(ROTATION);
            (widths.all(|width| width == first) && is_multiple).then_some(first)
        };
        if settings.key_type.is_quantized()
            && let Some(width) = common(|model, layer| model.head_k(layer))
        {
            // Doubled while the head is a multiple of it.
            let mut rotation = ROTATION;
            while width.is_multiple_of(rotation * 2) {
                rotation *= 2;
            }
            self.key_rotation = rotation;
        }
        if settings.value_type.is_quantized()
            && !layout.is_latent
            && common(|model, layer| model.head_v(layer)).is_some()
        {
            self.value_rotation = ROTATION;
        }
    }
}

/// Width of the values of all heads of a layer.
fn value_width(model: &Model<'_>, layer: u64) -> u64 {
    model.head_v(layer).saturating_mul(model.kv_heads(layer))
}
