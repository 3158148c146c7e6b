//! A model in a context: its caches, the graphs that memory is reserved for, and their buffers.

use super::allocate::{self, Allocation};
use super::architecture::{self, Architecture};
use super::build::Build;
use super::cache::Caches;
use super::loading;
use super::model::Model;
use super::options::LlamaCpp;
use super::scheduler::{self, Devices, Split};
use super::settings::{Batch, Settings};
use super::tensor::{Graph, Id, Op};
use super::weights::{self, Weights};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Stored;
use std::path::Path;

/// A model in a context.
#[derive(Debug)]
pub(super) struct Context<'a> {
    /// The model.
    pub(super) model: Model<'a>,
    /// The context's numbers.
    pub(super) settings: Settings,
    /// Its caches.
    pub(super) caches: Caches,
    /// Its weights.
    pub(super) weights: Weights,
    /// By layer, and last of the output: the device.
    pub(super) layers: Vec<Option<u8>>,
    /// By tensor of a cache: the device.
    pub(super) cache_devices: Vec<Option<u8>>,
    options: &'a LlamaCpp,
    architecture: &'static Architecture,
}

/// A graph and its buffers.
#[derive(Debug)]
pub(super) struct Reserved {
    /// The graph, with copies between backends.
    pub(super) split: Split,
    /// Nodes and leafs of the graph without copies.
    pub(super) counts: (u64, u64),
    /// Its buffers.
    pub(super) allocation: Allocation,
}

impl<'a> Context<'a> {
    /// The context of a file under options.
    ///
    /// # Errors
    ///
    /// If the architecture is not known, a size is missing, or llama.cpp refuses the options for the model.
    pub(super) fn of(stored: &'a Stored, file: &Path, options: &'a LlamaCpp) -> Result<Context<'a>> {
        let made = || {
            let mut model = Model::read(stored, file)?;
            let architecture = architecture::of(model.architecture)?;
            (architecture.prepare)(&mut model);
            loading::check(&model)?;
            let settings = Settings::of(options, &model);
            let caches = Caches::of(&model, &settings, (architecture.layout)(&model))?;
            check(&model, &settings, &caches)?;
            let layers = options.offload.assign(model.all_layers);
            let weights = weights::place(&model, options, &layers, architecture.is_output_first)?;
            let device = |layer: u32| layers.get(layer as usize).copied().flatten();
            let device = |layer: u32| device(layer).filter(|_| options.offload.caches);
            let cache_devices = caches.tensors.iter().map(|tensor| device(tensor.layer)).collect();
            let mut context =
                Context { model, settings, caches, weights, layers, cache_devices, options, architecture };
            context.decide()?;
            Ok(context)
        };
        made().map_err(|error: Error| error.in_file(file))
    }

    /// Decides whether attention is one operator, where that was left to the devices.
    ///
    /// Source: src/llama-context.cpp (`resolve_fused_ops`): a probe runs one token of each sequence. Caches that were made
    /// before are not changed.
    fn decide(&mut self) -> Result<()> {
        if self.options.offload.devices.is_empty() {
            return Ok(());
        }
        if self.options.is_flash_automatic && !self.is_on_own_devices(Op::FlashAttention)? {
            self.settings.flash_attention = false;
        }
        if !self.is_on_own_devices(Op::GatedDeltaNet)? {
            let message = "a device does not compute the gated delta rule of its layers in one operator";
            return Err(Error::new(ErrorKind::Unsupported, message)
                .note("llama.cpp then writes it out, which is not modelled")
                .help("leave states on the devices of their layers: no `--no-kv-offload`"));
        }
        Ok(())
    }

    /// Whether every operator of a kind is computed by the device of its layer.
    fn is_on_own_devices(&self, op: Op) -> Result<bool> {
        let split = self.split(self.settings.generation_batch())?;
        let cpu = self.devices().cpu();
        let is_own = |&id: &Id| {
            let tensor = split.graph.get(id);
            let layer = tensor.layer.unwrap_or_default() as usize;
            let device = self.layers.get(layer).copied().flatten().unwrap_or(cpu);
            tensor.op != op || split.backends[id.index()] == device
        };
        Ok(split.graph.nodes.iter().all(is_own))
    }

    /// The graph of a pass.
    ///
    /// # Errors
    ///
    /// If the file lacks a tensor, or sizes contradict each other.
    pub(super) fn graph(&self, batch: Batch) -> Result<Graph> {
        let placed = (&self.weights, &self.layers[..]);
        let mut build = Build::new(&self.model, &self.settings, &self.caches, placed, batch);
        (self.architecture.build)(&mut build)?;
        build.pool();
        build.finished()
    }

    /// The graph of a pass, with copies between backends.
    ///
    /// # Errors
    ///
    /// As [`graph`](Context::graph).
    pub(super) fn split(&self, batch: Batch) -> Result<Split> {
        Ok(scheduler::split(&self.devices(), self.graph(batch)?, batch.tokens))
    }

    /// Devices and what is on them.
    pub(super) fn devices(&self) -> Devices<'_> {
        Devices {
            offload: &self.options.offload,
            layers: &self.layers,
            weights: &self.weights,
            caches: &self.cache_devices,
        }
    }

    /// The graph of a pass, and its buffers.
    ///
    /// # Errors
    ///
    /// As [`graph`](Context::graph).
    pub(super) fn reserve(&self, batch: Batch) -> Result<Reserved> {
        let graph = self.graph(batch)?;
        let counts = (graph.nodes.len() as u64, graph.leafs.len() as u64);
        let split = scheduler::split(&self.devices(), graph, batch.tokens);
        let allocation = allocate::allocate(&split, &self.options.offload.devices)?;
        Ok(Reserved { split, counts, allocation })
    }
}

/// Refuses what llama.cpp refuses.
fn check(model: &Model<'_>, settings: &Settings, caches: &Caches) -> Result<()> {
    if caches.layout.is_latent && settings.key_type != settings.value_type {
        let message = format!(
            "keys are cached as {} and values as {}, and this model's keys hold its values",
            settings.key_type.name(),
            settings.value_type.name()
        );
        return Err(Error::new(ErrorKind::Unsupported, message)
            .help("give `--cache-type-k` and `--cache-type-v` the same type"));
    }
    if settings.flash_attention {
        whole_blocks(model, settings)?;
    }
    if settings.pooling > 4 {
        let message =
            format!("{}.pooling_type is {}, which is not known", model.architecture, settings.pooling);
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    Ok(())
}

/// Refuses heads that are not whole blocks of the types that are cached.
///
/// Source: llama.cpp 0.5.0, src/llama-context.cpp (`llama_init_from_model`).
fn whole_blocks(model: &Model<'_>, settings: &Settings) -> Result<()> {
    for layer in 0..model.layers {
        for (dtype, width) in
            [(settings.key_type, model.head_k(layer)), (settings.value_type, model.head_v(layer))]
        {
            if dtype.is_quantized() && !width.is_multiple_of(dtype.elements()) {
                let message = format!("heads of {width} elements are not whole blocks of {}", dtype.name());
                return Err(Error::new(ErrorKind::Unsupported, message)
                    .note("llama.cpp refuses this type of cache for the model")
                    .help("use `--cache-type-k f16 --cache-type-v f16`"));
            }
        }
    }
    Ok(())
}
