//! A graph while its architecture builds it: the model, the context, the tensors that were made, and the inputs.

use super::cache::Caches;
use super::model::Model;
use super::settings::{Batch, Settings};
use super::tensor::{Graph, Id, Place};
use super::weights::Weights;
use crate::dtype::GgmlType;
use crate::error::{Error, ErrorKind, Result};
use rustc_hash::FxHashMap;

/// A graph in the making.
#[derive(Debug)]
pub(super) struct Build<'a> {
    /// The tensors.
    pub(super) graph: Graph,
    /// What the file says.
    pub(super) model: &'a Model<'a>,
    /// The context.
    pub(super) settings: &'a Settings,
    /// Its caches.
    pub(super) caches: &'a Caches,
    /// The pass.
    pub(super) batch: Batch,
    /// Its weights.
    pub(super) placed: &'a Weights,
    /// By layer, the device.
    pub(super) devices: &'a [Option<u8>],
    /// The hidden states that pooling reads.
    pub(super) hidden: Option<Id>,
    weights: FxHashMap<u32, Id>,
    cached: FxHashMap<u32, Id>,
    missing: Option<Error>,
}

/// A weight that may be absent, by layer: `blk.3.attn_q.weight`.
fn in_layer(layer: u64, name: &str) -> String {
    format!("blk.{layer}.{name}")
}

impl<'a> Build<'a> {
    /// An empty graph.
    pub(super) fn new(
        model: &'a Model<'a>,
        settings: &'a Settings,
        caches: &'a Caches,
        (placed, devices): (&'a Weights, &'a [Option<u8>]),
        batch: Batch,
    ) -> Build<'a> {
        Build {
            graph: Graph::default(),
            model,
            settings,
            caches,
            batch,
            placed,
            devices,
            hidden: None,
            weights: FxHashMap::default(),
            cached: FxHashMap::default(),
            missing: None,
        }
    }

    /// A weight by its whole name, if the file has it.
    pub(super) fn find(&mut self, name: &str) -> Option<Id> {
        let (index, _) = self.model.tensor(name)?;
        Some(self.weight(self.placed.of(index)))
    }

    /// A weight that every layer has, on the device of the layer in the making.
    pub(super) fn find_shared(&mut self, name: &str) -> Option<Id> {
        let (index, _) = self.model.tensor(name)?;
        let layer = self.graph.layer.unwrap_or_default();
        let device = self.devices.get(layer as usize).copied().flatten();
        Some(self.weight(self.placed.on(index, device)))
    }

    fn weight(&mut self, number: u32) -> Id {
        if let Some(&made) = self.weights.get(&number) {
            return made;
        }
        let stored = &self.model.stored.tensors[self.placed.all[number as usize].tensor as usize];
        let layer = std::mem::take(&mut self.graph.layer);
        let made = self.graph.external("", stored.dtype, stored.dims, Place::Weight(number));
        self.graph.layer = layer;
        self.weights.insert(number, made);
        made
    }

    /// The weight of the logits: the output's, else the embedding's.
    ///
    /// # Errors
    ///
    /// If the file has neither.
    pub(super) fn output_weight(&mut self) -> Result<Id> {
        if let Some(weight) = self.find("output.weight") {
            return Ok(weight);
        }
        match self.placed.output {
            Some(number) => Ok(self.weight(number)),
            None => self.need("token_embd.weight"),
        }
    }

    /// A weight by its whole name.
    ///
    /// # Errors
    ///
    /// If the file lacks it.
    pub(super) fn need(&mut self, name: &str) -> Result<Id> {
        self.find(name).ok_or_else(|| self.lacks(name))
    }

    #[cold]
    fn lacks(&self, name: &str) -> Error {
        let message = format!("the file has no tensor \"{name}\", which {} needs", self.model.architecture);
        Error::new(ErrorKind::Malformed, message).note("llama.cpp does not load such a file")
    }

    /// Notes that the file lacks a weight, and goes on; [`finished`](Build::finished) returns the first.
    #[cold]
    pub(super) fn miss(&mut self, layer: Option<u64>, name: &str) {
        let name = layer.map_or_else(|| name.to_owned(), |layer| in_layer(layer, name));
        if self.missing.is_none() {
            self.missing = Some(self.lacks(&name));
        }
    }

    /// The graph.
    ///
    /// # Errors
    ///
    /// If the file lacks a weight, or sizes contradict each other.
    pub(super) fn finished(self) -> Result<Graph> {
        match self.missing {
            Some(error) => Err(error),
            None => self.graph.checked(),
        }
    }

    /// A weight of a layer, if the file has it.
    pub(super) fn layer_weight(&mut self, layer: u64, name: &str) -> Option<Id> {
        let (name, ending) = name.rsplit_once('.').unwrap_or((name, ""));
        self.layer_part(layer, name, ending)
    }

    /// A weight of a layer by its name and its ending, if the file has it.
    pub(super) fn layer_part(&mut self, layer: u64, name: &str, ending: &str) -> Option<Id> {
        let index = self.model.layer_tensor(layer, name, ending)?;
        Some(self.weight(self.placed.of(index)))
    }

    /// A weight of a layer.
    ///
    /// # Errors
    ///
    /// If the file lacks it.
    pub(super) fn need_layer(&mut self, layer: u64, name: &str) -> Result<Id> {
        self.layer_weight(layer, name).ok_or_else(|| self.lacks(&in_layer(layer, name)))
    }

    /// A weight of a layer by its name and its ending.
    ///
    /// # Errors
    ///
    /// If the file lacks it.
    pub(super) fn need_part(&mut self, layer: u64, name: &str, ending: &str) -> Result<Id> {
        let found = self.layer_part(layer, name, ending);
        found.ok_or_else(|| self.lacks(&in_layer(layer, &format!("{name}.{ending}"))))
    }

    /// A tensor of a cache, by its number.
    pub(super) fn cache_tensor(&mut self, number: u32) -> Id {
        if let Some(&made) = self.cached.get(&number) {
            return made;
        }
        let caches = self.caches;
        let own = &caches.tensors[number as usize];
        let made = self.graph.external(own.name, own.dtype, own.dims, Place::Cache(number));
        self.cached.insert(number, made);
        made
    }

    /// The graph's start: rows of the embedding, or given embeddings, whichever a batch has. Both stay in the graph.
    ///
    /// Source: src/llama-graph.cpp (`build_inp_embd`), ggml/src/ggml.c (`ggml_build_forward_select`).
    pub(super) fn embedding(&mut self) -> Result<Id> {
        let table = self.need("token_embd.weight")?;
        let more = self.model.number("n_deepstack_layers").unwrap_or(0);
        let (width, tokens) = (self.model.width, self.batch.tokens);
        let whole = width.saturating_mul(1 + more);
        let ids = self.graph.input("inp_tokens", GgmlType::I32, [tokens, 1, 1, 1]);
        let given = self.graph.input("inp_embd", GgmlType::F32, [whole, tokens, 1, 1]);
        let mut x = self.graph.get_rows(table, ids);
        if more > 0 {
            x = self.graph.pad(x, whole - width);
        }
        self.graph.name(x, "embd");
        self.graph.expand(x);
        self.graph.expand(given);
        if more > 0 {
            let row = self.graph.get(x).nb[1];
            x = self.graph.view_2d(x, [width, tokens], row, 0);
        }
        if self.model.float("embedding_scale").is_some_and(|scale| scale != 0.0) {
            if !self.graph.get(x).is_contiguous() {
                x = self.graph.cont(x);
            }
            x = self.graph.scale(x);
            self.graph.name(x, "embd_scaled");
        }
        self.graph.expand(x);
        Ok(x)
    }

    /// Positions of the tokens.
    pub(super) fn positions(&mut self, per_token: u64) -> Id {
        let ne = [self.batch.tokens.saturating_mul(per_token), 1, 1, 1];
        self.graph.input("inp_pos", GgmlType::I32, ne)
    }

    /// Numbers of the tokens whose results are wanted.
    pub(super) fn output_ids(&mut self) -> Id {
        self.graph.input("inp_out_ids", GgmlType::I32, [self.batch.outputs, 1, 1, 1])
    }

    /// Factors of attention by token, in the models that scale it with the position.
    pub(super) fn attention_scales(&mut self) -> Id {
        self.graph.input("inp_attn_scale", GgmlType::F32, [1, 1, self.batch.tokens, 1])
    }

    /// Whether a layer is the last: there the tokens whose results are not wanted are left out.
    pub(super) fn is_last(&self, layer: u64) -> bool {
        layer + 1 == self.model.layers
    }

    /// In the last layer, the rows of `x` and `y` that are wanted.
    pub(super) fn wanted(&mut self, layer: u64, x: &mut Id, y: &mut Id, ids: Id) {
        if self.is_last(layer) {
            *x = self.graph.get_rows(*x, ids);
            *y = self.graph.get_rows(*y, ids);
        }
    }
}
