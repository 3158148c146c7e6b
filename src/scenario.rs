//! What the run looks like: sizes and values for every input and every state.
//!
//! Dims are bound in this order: `--input` (a whole shape), the declared size, `--bind` by the dim's own name
//! (`input_ids.1`, or its symbol), `--bind` by its role (`seq`, `batch` …), and what the task gives to that role.
//! The table of roles is in [`roles`]. What stays unbound is an error that lists the names.

pub mod roles;

use crate::error::{Error, ErrorKind, Port, Result};
use crate::graph::{Dims, Graph, PartialShape, Value};
use crate::ids::{NodeId, TensorId};
use crate::shape::{Options, TensorInfo};
use roles::Role;
use rustc_hash::FxHashSet;

/// What the user says about a run.
///
/// # Example
///
/// ```
/// use memgraph::scenario::{Scenario, Task};
///
/// let prefill = Scenario { task: Task::Llm, prompt: Some(1813), ..Scenario::default() };
/// assert_eq!(prefill.past, 0);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scenario {
    /// What kind of model it is: decides roles of inputs and defaults.
    pub task: Task,
    /// Sequences (or images) side by side; `None`: 1, where the task has a default.
    pub batch: Option<u64>,
    /// Tokens of this pass, or patches of a vision tower.
    pub prompt: Option<u64>,
    /// Tokens cached already.
    pub past: u64,
    /// Tokens of the generation's first pass, which caches are allocated for; `None`: this pass stands alone.
    pub first_prompt: Option<u64>,
    /// Most tokens that the generation may add, if a limit was set.
    pub new_tokens: Option<u64>,
    /// ONNX Runtime GenAI runs the model.
    pub genai: Option<GenAi>,
    /// Width and height of the image in pixels.
    pub image: Option<(u64, u64)>,
    /// `--bind NAME=N`.
    pub binds: Vec<(String, u64)>,
    /// `--input NAME=1x3x224x224`.
    pub inputs: Vec<(String, Dims)>,
    /// `--value NAME=1,2,3`.
    pub values: Vec<(String, Value)>,
    /// What config.json says.
    pub config: ModelConfig,
    /// A declared static shape that inference contradicts is an error.
    pub strict: bool,
    /// Nodes without a shape are counted as unknown instead of being an error.
    pub allow_opaque: bool,
}

/// A decoder that ONNX Runtime GenAI runs: it allocates caches and outputs itself, outside of the runtime's arena.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GenAi {
    /// Caches that are allocated once, past and present at once; `None`: each pass is given a new present.
    pub shared_cache: Option<SharedCache>,
}

/// How long caches are that are allocated once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedCache {
    /// Tokens that a cache has room for.
    pub length: u64,
    /// Layers that have room for fewer.
    pub window: Option<CacheWindow>,
}

/// Layers that keep the newest tokens alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheWindow {
    /// Tokens that such a layer's cache has room for.
    pub length: u64,
    /// Which layers; empty: all.
    pub layers: Vec<u64>,
}

impl SharedCache {
    /// Tokens that the cache of this input has room for: `past_key_values.7.key` is of layer 7.
    fn length_of(&self, input: &str) -> u64 {
        let layer = input.split('.').find_map(|part| part.parse::<u64>().ok());
        let is_windowed = |window: &&CacheWindow| {
            window.layers.is_empty() || layer.is_some_and(|layer| window.layers.contains(&layer))
        };
        self.window.as_ref().filter(is_windowed).map_or(self.length, |window| window.length)
    }
}

/// What kind of model a run is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Task {
    /// Any model: every unknown dim must be bound.
    #[default]
    General,
    /// A language model: batch, prompt and past by role.
    Llm,
    /// A vision tower: batch, image and patches by role.
    Vision,
}

/// Sizes that a model's config.json states; `None` where it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelConfig {
    /// `model_type`.
    pub model_type: Option<String>,
    /// `hidden_size` of the text part.
    pub hidden_size: Option<u64>,
    /// `num_key_value_heads` of the text part.
    pub kv_heads: Option<u64>,
    /// `head_dim`, or hidden size / heads, of the text part.
    pub head_size: Option<u64>,
    /// `image_size` of the vision part.
    pub image_size: Option<u64>,
    /// `patch_size` of the vision part.
    pub patch_size: Option<u64>,
    /// `spatial_merge_size` of the vision part.
    pub spatial_merge_size: Option<u64>,
    /// `temporal_patch_size` of the vision part.
    pub temporal_patch_size: Option<u64>,
    /// `in_channels` or `num_channels` of the vision part.
    pub channels: Option<u64>,
    /// `max_source_positions` of a Whisper: its encoder reads 30 seconds, and gives as many positions, always.
    pub source_positions: Option<u64>,
}

/// A scenario applied to one graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Binding {
    /// What is known of each parameter, in the graph's order.
    pub parameters: Vec<TensorInfo>,
    /// The dims of each variable at the start of the run, in the graph's order; `None`: as its initialiser says.
    pub variables: Vec<Option<Dims>>,
    /// What was bound, dim by dim, for the report: (`input_ids.1`, 1813).
    pub bound: Vec<(String, u64)>,
}

impl Scenario {
    /// How strict inference is.
    #[must_use]
    pub fn options(&self) -> Options {
        Options { strict: self.strict, allow_opaque: self.allow_opaque }
    }

    /// Gives every parameter and variable of `graph` a concrete shape.
    ///
    /// # Errors
    ///
    /// If a dim stays unbound (the error lists the names that would bind it), a name matches no input, or a given
    /// shape contradicts the declared one.
    pub fn bind(&self, graph: &Graph) -> Result<Binding> {
        let mut binder = Binder { scenario: self, graph, binding: Binding::default(), unbound: Vec::new() };
        self.check_names(graph)?;
        for &parameter in graph.parameters() {
            binder.parameter(parameter)?;
        }
        for variable in graph.variables() {
            let dims = binder.variable(&variable.shape);
            binder.binding.variables.push(dims);
        }
        binder.finish()
    }

    /// The same without the names that mean nothing in `graph`: of several graphs each is given its own.
    #[must_use]
    pub fn only_for(&self, graph: &Graph) -> Scenario {
        let is_input = |name: &str| graph.parameters().iter().any(|&node| is_called(graph, node, name));
        let dims = dim_names(graph);
        let mut own = self.clone();
        own.inputs.retain(|(name, _)| is_input(name));
        own.values.retain(|(name, _)| is_input(name));
        own.binds.retain(|(name, _)| Role::from_name(name).is_some() || dims.contains(name));
        own
    }

    /// Every name that the user gave must mean something in one of `graphs` at least.
    ///
    /// # Errors
    ///
    /// If one means nothing in any.
    pub fn check_names_of(&self, graphs: &[&Graph]) -> Result<()> {
        let own: Vec<Scenario> = graphs.iter().map(|graph| self.only_for(graph)).collect();
        let inputs = self.inputs.iter().map(|(name, _)| name).chain(self.values.iter().map(|(name, _)| name));
        let unknown_input = inputs.into_iter().find(|name| {
            !own.iter().any(|own| {
                let given = own.inputs.iter().map(|(name, _)| name);
                given.chain(own.values.iter().map(|(name, _)| name)).any(|given| given == *name)
            })
        });
        let mut binds = self.binds.iter().map(|(name, _)| name);
        let unknown_dim =
            binds.find(|name| !own.iter().any(|own| own.binds.iter().any(|(given, _)| given == *name)));
        let Some(name) = unknown_input.or(unknown_dim) else { return Ok(()) };
        let names = graphs.iter().flat_map(|graph| {
            graph.parameters().iter().map(|&node| input_name(graph, node).to_owned()).chain(dim_names(graph))
        });
        let mut names: Vec<String> = names.collect();
        names.sort();
        names.dedup();
        Err(Error::new(ErrorKind::Usage, format!("`{name}=…` names no input and no dim of any part"))
            .help(format!("the parts have: {}", names.join(", "))))
    }

    /// Every name that the user gave must mean something.
    fn check_names(&self, graph: &Graph) -> Result<()> {
        let given = self.inputs.iter().map(|(name, _)| ("--input", name));
        let given = given.chain(self.values.iter().map(|(name, _)| ("--value", name)));
        for (flag, name) in given {
            if !graph.parameters().iter().any(|&parameter| is_called(graph, parameter, name)) {
                let inputs = graph.parameters().iter().map(|&id| input_name(graph, id)).collect::<Vec<_>>();
                return Err(Error::new(
                    ErrorKind::Usage,
                    format!("`{flag} {name}=…` names no input of the model"),
                )
                .in_file(graph.file())
                .help(format!("the inputs are: {}", inputs.join(", "))));
            }
        }
        for (name, _) in &self.binds {
            let names = dim_names(graph);
            if Role::from_name(name).is_none() && !names.contains(name) {
                return Err(Error::new(
                    ErrorKind::Usage,
                    format!("`--bind {name}=…` names no dim of the model"),
                )
                .in_file(graph.file())
                .help(match names.is_empty() {
                    true => {
                        format!("no dim of an input is free by name; roles: {}", Role::names().join(", "))
                    }
                    false => {
                        format!("free dims are: {}; roles: {}", names.join(", "), Role::names().join(", "))
                    }
                }));
            }
        }
        Ok(())
    }
}

/// The name by which users know an input: its first tensor name, else the node's.
#[must_use]
pub fn input_name(graph: &Graph, node: NodeId) -> &str {
    let tensor = graph.output(node, 0);
    tensor.and_then(|tensor| graph.tensor_names(tensor).next()).unwrap_or(graph.node_name(node))
}

/// Whether `name` is one of the tensor names of an input, or its node's name.
fn is_called(graph: &Graph, node: NodeId, name: &str) -> bool {
    let names = graph.output(node, 0).into_iter().flat_map(|tensor| graph.tensor_names(tensor));
    graph.node_name(node) == name || names.into_iter().any(|own| own == name)
}

/// Names of all dims that are not fixed: `input_ids.1`, and symbols.
fn dim_names(graph: &Graph) -> Vec<String> {
    let mut names = Vec::new();
    for &parameter in graph.parameters() {
        let Some(tensor) = graph.output(parameter, 0) else { continue };
        for (axis, dim) in graph.tensor(tensor).shape.dims.iter().flatten().enumerate() {
            if dim.as_known().is_none() {
                names.push(format!("{}.{axis}", input_name(graph, parameter)));
                names.extend(symbol(graph, tensor, axis).map(str::to_owned));
            }
        }
    }
    // A symbol that several inputs share is named once, where it comes first.
    let mut known = FxHashSet::default();
    names.retain(|name| known.insert(name.clone()));
    names
}

fn symbol(graph: &Graph, tensor: TensorId, axis: usize) -> Option<&str> {
    graph.symbols(tensor).nth(axis).filter(|name| !name.is_empty())
}

struct Binder<'a> {
    scenario: &'a Scenario,
    graph: &'a Graph,
    binding: Binding,
    unbound: Vec<(NodeId, String)>,
}

impl Binder<'_> {
    fn parameter(&mut self, node: NodeId) -> Result<()> {
        let graph = self.graph;
        let Some(tensor) = graph.output(node, 0) else { return Ok(()) };
        let declared = graph.tensor(tensor);
        let value = self
            .scenario
            .values
            .iter()
            .find(|(name, _)| is_called(graph, node, name))
            .map(|(_, value)| value.clone())
            .or_else(|| roles::value_of(input_name(graph, node), self.scenario));
        let value = value.as_ref();
        let given =
            self.scenario.inputs.iter().find(|(name, _)| is_called(graph, node, name)).map(|(_, dims)| dims);

        let dims = match given {
            Some(dims) => Some(dims.clone()),
            None => self.dims(node, tensor, value),
        };
        let Some(dims) = dims else {
            self.binding.parameters.push(TensorInfo::unknown(declared.dtype));
            return Ok(());
        };
        if !declared.shape.contains(&dims) {
            let message =
                format!("shape {} does not fit the declared {}", crate::shape::text(&dims), declared.shape);
            return Err(Error::new(ErrorKind::Usage, message)
                .at(graph.location(node, Some(Port::Output(0))))
                .help(format!("give one that fits: `--input {}=…`", input_name(graph, node))));
        }
        let mut info = TensorInfo::known(declared.dtype, dims);
        if let Some(value) = value {
            if info.elements() != Some(value.len() as u64) {
                let name = input_name(graph, node);
                let dims = crate::shape::text(info.dims.as_deref().unwrap_or_default());
                return Err(Error::new(
                    ErrorKind::Usage,
                    format!(
                        "`--value {name}=…` has {} numbers, and the input's shape is {dims}",
                        value.len()
                    ),
                )
                .at(graph.location(node, Some(Port::Output(0))))
                .help(format!(
                    "give as many numbers as the shape has elements, or `--input {name}=…` with the shape"
                )));
            }
            info.value = Some(value.converted_to(info.dtype));
        }
        self.binding.parameters.push(info);
        Ok(())
    }

    /// The dims of a parameter whose shape was not given whole; `None` where some stay unbound.
    fn dims(&mut self, node: NodeId, tensor: TensorId, value: Option<&Value>) -> Option<Dims> {
        let graph = self.graph;
        let declared = &graph.tensor(tensor).shape;
        let name = input_name(graph, node);
        let Some(dims) = &declared.dims else {
            if let Some(value) = value {
                return Some(if value.len() == 1 {
                    Dims::new()
                } else {
                    Dims::from_slice(&[value.len() as u64])
                });
            }
            self.unbound.push((node, format!("--input {name}=… (unknown rank)")));
            return None;
        };
        let roles = roles::of_input(name, dims.len(), self.scenario.task);
        let mut bound = Dims::new();
        for (axis, dim) in dims.iter().enumerate() {
            let free = format!("{name}.{axis}");
            let role = roles.and_then(|roles| roles.get(axis).copied());
            let size = dim
                .as_known()
                .or_else(|| self.by_name(&free))
                .or_else(|| symbol(graph, tensor, axis).and_then(|symbol| self.by_name(symbol)))
                .or_else(|| {
                    self.shared_cache().filter(|_| role == Some(Role::Past)).map(|own| own.length_of(name))
                })
                .or_else(|| role.and_then(|role| self.by_role(role)))
                .or_else(|| value.filter(|_| dims.len() == 1).map(|value| value.len() as u64));
            match size {
                Some(size) => {
                    if dim.as_known().is_none() {
                        self.binding.bound.push((free, size));
                    }
                    bound.push(size);
                }
                None => {
                    let symbol = symbol(graph, tensor, axis).map(|symbol| format!(" (or `{symbol}`)"));
                    let role = role.map(|role| format!(" (or by role `{}`)", role.name()));
                    self.unbound.push((node, format!("{free}{}", role.or(symbol).unwrap_or_default())));
                }
            }
        }
        (bound.len() == dims.len()).then_some(bound)
    }

    /// The dims of a variable at the start: none without a past (its initialiser speaks), unless there is no way to
    /// know. The first free dim is the batch, the second the cached tokens: the layout of OpenVINO's stateful
    /// exports, `[?,heads,?,head_size]`.
    fn variable(&self, shape: &PartialShape) -> Option<Dims> {
        let past = self.by_role(Role::Past).filter(|&past| past > 0)?;
        let mut free = [self.by_role(Role::Batch)?, past].into_iter();
        shape.dims.as_ref()?.iter().map(|dim| dim.as_known().or_else(|| free.next())).collect()
    }

    fn shared_cache(&self) -> Option<&SharedCache> {
        self.scenario.genai.as_ref()?.shared_cache.as_ref()
    }

    fn by_name(&self, name: &str) -> Option<u64> {
        self.scenario.binds.iter().find(|(bound, _)| bound == name).map(|(_, size)| *size)
    }

    fn by_role(&self, role: Role) -> Option<u64> {
        self.by_name(role.name()).or_else(|| role.size(self.scenario, |role| self.by_name(role.name())))
    }

    fn finish(self) -> Result<Binding> {
        let Some((node, _)) = self.unbound.first() else { return Ok(self.binding) };
        let names: Vec<&str> = self.unbound.iter().map(|(_, name)| name.as_str()).collect();
        let input = input_name(self.graph, *node);
        let declared = self.graph.output(*node, 0).map(|tensor| self.graph.tensor(tensor).shape.to_string());
        Err(Error::new(
            ErrorKind::UnboundDim,
            format!(
                "cannot size input \"{input}\": its shape {} has unbound dims",
                declared.unwrap_or_default()
            ),
        )
        .at(self.graph.location(*node, Some(Port::Output(0))))
        .note(format!("unbound: {}", names.join(", ")))
        .help(match self.scenario.task {
            Task::Vision => format!(
                "give `--image WxH`, bind each with `--bind NAME=N`, or a whole input with `--input {input}=1x2x3`"
            ),
            _ => format!("bind each with `--bind NAME=N`, or a whole input with `--input {input}=1x2x3`"),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_windowed_layer_has_room_for_its_window() {
        let window = |layers: &[u64]| Some(CacheWindow { length: 80, layers: layers.to_vec() });
        let room = |window, input| SharedCache { length: 512, window }.length_of(input);
        assert_eq!(room(None, "past_key_values.1.key"), 512);
        assert_eq!(room(window(&[]), "past_key_values.1.key"), 80);
        assert_eq!(room(window(&[0, 2]), "past_key_values.1.key"), 512);
        assert_eq!(room(window(&[0, 2]), "past_key_values.2.value"), 80);
    }
}
