//! Every fixture under every runtime that loads it: what property tests run over. The only place of these tests that
//! makes runtimes and runs analyses.

use memgraph::graph::Graph;
use memgraph::phases::{self, Phase, PhaseName};
use memgraph::pipeline::llm::Part;
use memgraph::plan::Planner;
use memgraph::report::{self, By, Subject, model::Report};
use memgraph::runtime::options::Options;
use memgraph::runtime::{Runtime, registry};
use memgraph::scenario::{Scenario, Task, input_name};
use memgraph::{formats, pipeline};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Tokens of a prompt.
const PROMPT: u64 = 64;

/// A model, with a run that it can do.
pub struct Export {
    pub file: PathBuf,
    pub graph: Graph,
    scenario: Scenario,
}

/// An export under one runtime, with its default options.
pub struct Case {
    pub export: &'static Export,
    pub runtime: Box<dyn Runtime>,
    pub phases: Vec<Phase>,
}

impl Case {
    /// Runs the analysis under another planner than the runtime's.
    pub fn new(export: &'static Export, runtime: Box<dyn Runtime>, planner: Planner) -> Case {
        let runs = export.runs(runtime.as_ref());
        let phases = phases::run(&export.graph, &runs, runtime.as_ref(), planner);
        let name = runtime.name();
        let phases = phases.unwrap_or_else(|error| panic!("{name} on {}: {error}", export.file.display()));
        Case { export, runtime, phases }
    }

    /// The same analysis once more, from the file on.
    pub fn again(&self) -> Case {
        let export = Box::leak(Box::new(Export {
            file: self.export.file.clone(),
            graph: open(&self.export.file),
            scenario: self.export.scenario.clone(),
        }));
        Case::new(export, make(self.runtime.name()), self.runtime.planner())
    }

    pub fn report(&self, by: By) -> Report {
        let Case { export, runtime, phases } = self;
        let (graph, runtime, planner) = (&export.graph, runtime.as_ref(), runtime.planner());
        let mut subject = Subject::new(graph, runtime, planner, phases);
        subject.by = by;
        subject.full = true;
        report::build(&subject)
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on {}", self.runtime.name(), self.export.file.display())
    }
}

/// All exports below fixtures/; execution graphs are not exports.
pub fn exports() -> &'static [Export] {
    static EXPORTS: OnceLock<Vec<Export>> = OnceLock::new();
    EXPORTS.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        let mut files: Vec<PathBuf> =
            folders(&root).iter().flat_map(|folder| models(folder, "xml")).collect();
        files.extend(folders(&root.join("onnx")).iter().flat_map(|folder| models(folder, "onnx")));
        files.extend(models(&root.join("gguf"), "gguf"));
        files.sort();
        files.into_iter().map(Export::open).collect()
    })
}

/// Every export under every runtime that loads it.
pub fn cases() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(|| {
        let mut cases = Vec::new();
        for export in exports() {
            for runtime in names().map(make) {
                if runtime.accepts(&export.graph).is_ok() {
                    let planner = runtime.planner();
                    cases.push(Case::new(export, runtime, planner));
                }
            }
        }
        cases
    })
}

/// All runtimes, those for tests too.
pub fn names() -> impl Iterator<Item = &'static str> {
    registry::RUNTIMES.iter().chain(registry::HIDDEN).map(|found| found.name)
}

/// A runtime with its default options.
pub fn make(name: &str) -> Box<dyn Runtime> {
    registry::make(name, &Options::default()).unwrap()
}

fn folders(root: &Path) -> Vec<PathBuf> {
    let found = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    found.filter(|path| path.is_dir() && !path.ends_with("execution")).collect()
}

fn models(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let found = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    found.filter(|path| path.extension().is_some_and(|own| own == extension)).collect()
}

/// Reads a model; a graph that its runtime builds in code is built.
fn open(file: &Path) -> Graph {
    let graph = formats::open(file).unwrap();
    let runtime = registry::for_graph(&graph, None, &Options::default()).unwrap();
    runtime.expand(&graph).unwrap().unwrap_or(graph)
}

impl Export {
    /// How many runtimes load it at least: a file without a graph is loaded by the one that builds it.
    pub fn least_runtimes(&self) -> usize {
        if self.graph.stored().is_some() { 1 } else { 2 }
    }

    fn open(file: PathBuf) -> Export {
        let graph = open(&file);
        let folder = file.parent().unwrap();
        let scenario = if graph.stored().is_some() {
            Scenario::default().with(|run| {
                run.task = Task::Llm;
                run.prompt = Some(PROMPT);
            })
        } else if file.extension().is_some_and(|end| end == "onnx") {
            recorded(folder)
        } else {
            let config = formats::config::read(folder).unwrap();
            scenario(&graph, &Scenario::default().with(|run| run.config = config))
        };
        Export { file, graph, scenario }
    }

    /// One pass; of a model with a cache a prefill and two decodes.
    fn runs(&self, runtime: &dyn Runtime) -> Vec<(PhaseName, Scenario)> {
        let has_cache = !self.graph.variables().is_empty() || self.graph.stored().is_some();
        match self.scenario.prompt {
            Some(prompt) if has_cache && self.scenario.task == Task::Llm => {
                pipeline::llm::phases(&self.scenario, prompt, Part::Generate { new_tokens: 3 }, runtime)
            }
            _ => vec![(PhaseName::Infer, self.scenario.clone())],
        }
    }
}

/// The sizes that ONNX Runtime was measured with.
fn recorded(folder: &Path) -> Scenario {
    let record = std::fs::read_to_string(folder.join("onnxruntime.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let sizes = record["sizes"].as_object().unwrap().iter();
    let binds = sizes.map(|(symbol, size)| (symbol.clone(), size.as_u64().unwrap())).collect();
    Scenario::default().with(|run| run.binds = binds)
}

/// The dims that an input declares; of those that are free, a batch of 2, images of 224 pixels, 16 of anything else.
fn declared(graph: &Graph, position: usize) -> Vec<u64> {
    let tensor = graph.tensor(graph.output(graph.parameters()[position], 0).unwrap());
    let dims = tensor.shape.dims.as_deref().unwrap_or_default();
    let free = |axis: usize| match (axis, dims.len()) {
        (0, _) => 2,
        (1, 4) => 3,
        (_, 4) => 224,
        _ => 16,
    };
    dims.iter().enumerate().map(|(axis, dim)| dim.as_known().unwrap_or_else(|| free(axis))).collect()
}

/// What the model's inputs ask for.
fn scenario(graph: &Graph, base: &Scenario) -> Scenario {
    let names: Vec<&str> = graph.parameters().iter().map(|&id| input_name(graph, id)).collect();
    let has = |name: &str| names.contains(&name);
    let given = |name: &str, dims: &[u64]| vec![(name.to_owned(), dims.iter().copied().collect())];
    if has("encoder_hidden_states") {
        let inputs = given("encoder_hidden_states", &[1, 100, 384]);
        return base.clone().with(|run| {
            run.task = Task::Llm;
            run.prompt = Some(PROMPT);
            run.inputs = inputs;
        });
    }
    if has("input_ids") || has("inputs_embeds") || has("input") {
        return base.clone().with(|run| {
            run.task = Task::Llm;
            run.prompt = Some(PROMPT);
        });
    }
    if let Some(position) = names.iter().position(|&name| name == "x") {
        let dims = declared(graph, position);
        return base.clone().with(|run| run.inputs = given("x", &dims));
    }
    if has("pixel_values") && base.config.image_size.is_none() {
        return base.clone().with(|run| run.inputs = given("pixel_values", &[2, 3, 64, 64]));
    }
    let patches = match (base.config.image_size, base.config.patch_size) {
        (Some(side), Some(patch)) => (side / patch).pow(2),
        _ => 1024,
    };
    // A fixture without a config says nothing of its images.
    let image = base.config.image_size.is_none().then_some((224, 224));
    pipeline::vit::scenario(&base.clone().with(|run| run.image = image), Some(patches)).unwrap()
}
