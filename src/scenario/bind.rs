//! A scenario applied to one graph: every free dim gets a size, or the error lists what would bind it.

use super::roles::{self, Role};
use super::{Scenario, SharedCache, Task};
use crate::DType;
use crate::error::{Error, ErrorKind, Port, Result};
use crate::graph::{Dims, Graph, PartialShape, Value};
use crate::ids::{NodeId, TensorId};
use rustc_hash::{FxHashMap, FxHashSet};

/// A scenario applied to one graph.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Binding {
    /// Each parameter, in the graph's order.
    pub parameters: Vec<BoundInput>,
    /// The dims of each variable at the start of the run, in the graph's order; `None`: as its initialiser says.
    pub variables: Vec<Option<Dims>>,
    /// What was bound, dim by dim, for the report: (`input_ids.1`, 1813).
    pub bound: Vec<(String, u64)>,
}

/// What a scenario says of one parameter.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BoundInput {
    /// The declared element type.
    pub dtype: DType,
    /// Its dims; `None` where some stay unbound.
    pub dims: Option<Dims>,
    /// Its elements, where they are given or follow from its role; of its own type.
    pub value: Option<Value>,
}

impl Scenario {
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
    unbound: Vec<Unbound>,
}

/// A dim of an input that nothing gives a size.
struct Unbound {
    node: NodeId,
    /// `input_ids.1`; empty where the input's rank is unknown.
    dim: String,
    /// What binds it as well: the name of its role, or else its symbol.
    alias: Option<String>,
    role: Option<Role>,
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
            self.binding.parameters.push(BoundInput { dtype: declared.dtype, dims: None, value: None });
            return Ok(());
        };
        if !declared.shape.contains(&dims) {
            let message =
                format!("shape {} does not fit the declared {}", PartialShape::known(&dims), declared.shape);
            return Err(Error::new(ErrorKind::Usage, message)
                .at(graph.location(node, Some(Port::Output(0))))
                .help(format!("give one that fits: `--input {}=…`", input_name(graph, node))));
        }
        if let Some(value) = value {
            let elements = dims.iter().fold(1_u64, |product, &dim| product.saturating_mul(dim));
            if elements != value.len() as u64 {
                let name = input_name(graph, node);
                let (count, dims) = (value.len(), PartialShape::known(&dims));
                let message =
                    format!("`--value {name}=…` has {count} numbers, and the input's shape is {dims}");
                return Err(Error::new(ErrorKind::Usage, message)
                    .at(graph.location(node, Some(Port::Output(0))))
                    .help(format!(
                        "give as many numbers as the shape has elements, or `--input {name}=…` with the shape"
                    )));
            }
        }
        let (dtype, value) = (declared.dtype, value.map(|value| value.converted_to(declared.dtype)));
        self.binding.parameters.push(BoundInput { dtype, dims: Some(dims), value });
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
            self.unbound.push(Unbound { node, dim: String::new(), alias: None, role: None });
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
            let symbol = symbol(graph, tensor, axis);
            let role = role.or_else(|| symbol.and_then(roles::of_symbol));
            let size = size.or_else(|| role.and_then(|role| self.by_role(role)));
            match size {
                Some(size) => {
                    if dim.as_known().is_none() {
                        self.binding.bound.push((free, size));
                    }
                    bound.push(size);
                }
                None => {
                    let alias = role.map(Role::name).or(symbol).map(str::to_owned);
                    self.unbound.push(Unbound { node, dim: free, alias, role });
                }
            }
        }
        (bound.len() == dims.len()).then_some(bound)
    }

    /// The dims of a variable at the start: none without a past (its initialiser decides), unless there is no way to
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
        let Some(Unbound { node, .. }) = self.unbound.first() else { return Ok(self.binding) };
        let node = *node;
        let input = input_name(self.graph, node);
        let declared = self.graph.output(node, 0).map(|tensor| self.graph.tensor(tensor).shape.to_string());
        let message = format!(
            "cannot size input \"{input}\": its shape {} has unbound dims",
            declared.unwrap_or_default()
        );
        let whole = format!("`--input {input}={}`", self.example_of(node));
        let binds = self.example_binds();
        let has_image = self.unbound.iter().any(|dim| matches!(dim.role, Some(Role::Height | Role::Width)));
        let image = match self.scenario.task {
            Task::Vision if has_image => "give `--image 224x224`, or ",
            _ => "",
        };
        Err(Error::new(ErrorKind::UnboundDim, message)
            .at(self.graph.location(node, Some(Port::Output(0))))
            .note(format!("unbound: {}", self.unbound_names()))
            .help(match binds.is_empty() {
                true => format!("{image}give the whole shape, such as {whole}"),
                false => format!("{image}bind the dims, such as `{binds}`, or a whole input: {whole}"),
            }))
    }

    /// The unbound dims, those together that one name binds.
    fn unbound_names(&self) -> String {
        const MOST: usize = 6;
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        let mut places: FxHashMap<&str, usize> = FxHashMap::default();
        for Unbound { node, dim, alias, .. } in &self.unbound {
            let dim = if dim.is_empty() { input_name(self.graph, *node) } else { dim };
            let name = alias.as_deref().unwrap_or(dim);
            let place = *places.entry(name).or_insert(groups.len());
            match groups.get_mut(place) {
                Some((_, dims)) => dims.push(dim),
                None => groups.push((name, vec![dim])),
            }
        }
        let shorten = |names: Vec<String>| {
            let more = names.len().saturating_sub(MOST);
            let mut shown: Vec<String> = names.into_iter().take(MOST).collect();
            shown.extend((more > 0).then(|| format!("{more} more")));
            shown.join(", ")
        };
        let texts = groups.into_iter().map(|(name, dims)| match dims[..] {
            [only] if only == name => name.to_owned(),
            _ => format!("`{name}` ({})", shorten(dims.into_iter().map(str::to_owned).collect())),
        });
        shorten(texts.collect())
    }

    /// A shape that fits an input: its own sizes, and usual ones for the unbound dims.
    fn example_of(&self, node: NodeId) -> String {
        let tensor = self.graph.output(node, 0);
        let dims = tensor.and_then(|tensor| self.graph.tensor(tensor).shape.dims.as_ref());
        let Some(dims) = dims else { return "1x3x224x224".to_owned() };
        let name = input_name(self.graph, node);
        let sizes = dims.iter().enumerate().map(|(axis, dim)| {
            let free = format!("{name}.{axis}");
            let bound = self.binding.bound.iter().find(|(dim, _)| *dim == free).map(|(_, size)| *size);
            let role = self.unbound.iter().find(|unbound| unbound.dim == free).and_then(|dim| dim.role);
            dim.as_known().or(bound).unwrap_or_else(|| usual(role)).to_string()
        });
        sizes.collect::<Vec<_>>().join("x")
    }

    /// Options that bind every unbound dim to a usual size.
    fn example_binds(&self) -> String {
        let has_prompt = self.unbound.iter().any(|dim| dim.role == Some(Role::Prompt));
        let mut binds: Vec<String> = Vec::new();
        for Unbound { dim, alias, role, .. } in &self.unbound {
            // Past and prompt give the total.
            let follows = *role == Some(Role::Total) && has_prompt;
            let bind = format!("--bind {}={}", alias.as_deref().unwrap_or(dim), usual(*role));
            if !follows && !dim.is_empty() && !binds.contains(&bind) && binds.len() < 4 {
                binds.push(bind);
            }
        }
        binds.join(" ")
    }
}

/// A size that a dim of this role often has, for examples.
fn usual(role: Option<Role>) -> u64 {
    match role {
        Some(Role::Prompt | Role::Total) => 128,
        Some(Role::Past) => 0,
        Some(Role::Channels | Role::PositionAxes) => 3,
        Some(Role::Height | Role::Width) => 224,
        Some(Role::Patches | Role::MergedPatches | Role::PatchesPerImage) => 256,
        _ => 1,
    }
}
