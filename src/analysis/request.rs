//! What is asked of an analysis.

use crate::error::Result;
use crate::formats;
use crate::graph::Graph;
use crate::pipeline::{self, llm};
use crate::plan::Planner;
use crate::report::By;
use crate::runtime::options::Options;
use crate::runtime::{Runtime, registry};
use crate::scenario::Scenario;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is analysed, under which runtime, and how it is reported.
///
/// # Example
///
/// ```
/// use memgraph::analysis::{Request, Task};
/// use memgraph::runtime::options::Options;
///
/// let mut request = Request::new(Task::language(1024));
/// request.profile = Some("openvino-cpu".to_owned());
/// request.options = Options::default().with("kv-precision", "f16");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// What runs.
    pub task: Task,
    /// What holds for every phase: batch, past, image, bindings by name.
    pub base: Scenario,
    /// Name of the runtime; `None`: the one that fits the model's format.
    pub profile: Option<String>,
    /// The runtime's options.
    pub options: Options,
    /// The planner; `None`: the runtime's own.
    pub planner: Option<Planner>,
    /// Take sizes from this file instead of the model folder's config.json.
    pub config: Option<PathBuf>,
    /// How the breakdown groups.
    pub by: By,
    /// Report every step and buffer.
    pub full: bool,
    /// Report the SHA-256 of the model's files.
    pub digest: bool,
    /// Report what would lower the total, how accurate such estimates were, and the least of a total that depends on data.
    /// The first repeats the analysis with other options, up to ten times; the last once.
    pub advises: bool,
}

/// A kind of run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Task {
    /// One pass of any model.
    Graph,
    /// A language model.
    Language {
        /// Tokens of the prompt.
        tokens: u64,
        /// Which part of a generation.
        part: llm::Part,
        /// Tokens that a generation by ONNX Runtime GenAI ends at; `None`: the configuration's.
        max_length: Option<u64>,
    },
    /// A vision tower.
    Vision {
        /// Patches over all images; `None`: those of the image.
        patches: Option<u64>,
        /// Of these so many tiles, where the patches were given as a product.
        tiles: Option<u64>,
        /// The file of one part of a tower in several; `None`: all.
        part: Option<String>,
    },
    /// A vision-language pipeline.
    Pipeline {
        /// Patches over all images; `None`: those of the image.
        patches: Option<u64>,
        /// Of these so many tiles, where the patches were given as a product.
        tiles: Option<u64>,
        /// Tokens of the prompt in addition to the image's.
        text_tokens: u64,
        /// Tokens that are generated.
        new_tokens: u64,
        /// The vision tower stays loaded after it ran.
        keeps_vision: bool,
    },
}

impl Task {
    /// The prefill of a language model.
    #[must_use]
    pub fn language(tokens: u64) -> Task {
        Task::Language { tokens, part: llm::Part::Prefill, max_length: None }
    }
}

impl Request {
    /// A request with defaults for everything but the task.
    #[must_use]
    pub fn new(task: Task) -> Request {
        Request {
            task,
            base: Scenario::default(),
            profile: None,
            options: Options::default(),
            planner: None,
            config: None,
            by: By::default(),
            full: false,
            digest: false,
            advises: false,
        }
    }

    /// The runtime that is modelled for a graph.
    ///
    /// # Errors
    ///
    /// Those of [`registry::for_graph`].
    pub fn runtime(&self, graph: &Graph) -> Result<Arc<dyn Runtime>> {
        registry::for_graph(graph, self.profile.as_deref(), &self.options).map(Arc::from)
    }

    /// Reads a model; a graph that its runtime builds in code is built.
    ///
    /// # Errors
    ///
    /// Those of [`formats::open`] and of [`Runtime::expand`].
    pub fn open(&self, file: &Path) -> Result<Graph> {
        let graph = formats::open(file)?;
        Ok(self.expanded(&graph)?.unwrap_or(graph))
    }

    /// The graph that the runtime builds in code for a file without one; `None` for a file that has one.
    pub(super) fn expanded(&self, graph: &Graph) -> Result<Option<Graph>> {
        if graph.stored().is_none() {
            return Ok(None);
        }
        self.runtime(graph)?.expand(graph)
    }

    /// The planner that places buffers under `runtime`.
    #[must_use]
    pub fn planner(&self, runtime: &dyn Runtime) -> Planner {
        self.planner.unwrap_or_else(|| runtime.planner())
    }

    /// What holds for every phase, with the sizes of the config.json next to `model`.
    ///
    /// # Errors
    ///
    /// If the config cannot be read.
    pub fn scenario(&self, model: &Path) -> Result<Scenario> {
        let config = match &self.config {
            Some(file) => formats::config::read_file(file)?,
            None => formats::config::read(pipeline::folder(model))?,
        };
        Ok(Scenario { config, ..self.base.clone() })
    }
}
