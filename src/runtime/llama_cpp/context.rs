//! A model in a context: its caches, the graphs that memory is reserved for, and their buffers.

use super::allocate::{self, Allocation};
use super::architecture::{self, Architecture};
use super::build::Build;
use super::cache::Caches;
use super::model::Model;
use super::options::LlamaCpp;
use super::settings::{Batch, Settings};
use super::tensor::Graph;
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
    architecture: &'static Architecture,
}

/// A graph and its buffers.
#[derive(Debug)]
pub(super) struct Reserved {
    /// The graph.
    pub(super) graph: Graph,
    /// Its buffers.
    pub(super) allocation: Allocation,
}

impl<'a> Context<'a> {
    /// The context of a file under options.
    ///
    /// # Errors
    ///
    /// If the architecture is not known, a size is missing, or llama.cpp refuses the options for the model.
    pub(super) fn of(stored: &'a Stored, file: &Path, options: &LlamaCpp) -> Result<Context<'a>> {
        let made = || {
            let mut model = Model::read(stored, file)?;
            let architecture = architecture::of(model.architecture)?;
            (architecture.prepare)(&mut model);
            let settings = Settings::of(options, &model);
            let caches = Caches::of(&model, &settings, (architecture.layout)(&model))?;
            check(&model, &settings, &caches)?;
            let weights = weights::place(stored, options, architecture.is_output_first);
            Ok(Context { model, settings, caches, weights, architecture })
        };
        made().map_err(|error: Error| error.in_file(file))
    }

    /// The graph of a pass.
    ///
    /// # Errors
    ///
    /// If the file lacks a tensor.
    pub(super) fn graph(&self, batch: Batch) -> Result<Graph> {
        let mut build = Build::new(&self.model, &self.settings, &self.caches, batch);
        let is_output_first = self.architecture.is_output_first;
        build.has_second_embedding = self.weights.has_second_embedding(is_output_first, self.model.stored);
        (self.architecture.build)(&mut build)?;
        build.pool();
        Ok(build.graph)
    }

    /// The graph of a pass, and its buffers.
    ///
    /// # Errors
    ///
    /// As [`graph`](Context::graph).
    pub(super) fn reserve(&self, batch: Batch) -> Result<Reserved> {
        let graph = self.graph(batch)?;
        let allocation = allocate::allocate(&graph);
        Ok(Reserved { graph, allocation })
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
    if settings.pooling > 4 {
        let message =
            format!("{}.pooling_type is {}, which is not known", model.architecture, settings.pooling);
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    Ok(())
}
