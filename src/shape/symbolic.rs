//! The symbolic pass: the same rules as the concrete one, with a symbol for every free dim.
//!
//! A runtime that compiles a model before sizes are known asks what is known then. Every free dim of an input or a
//! variable is a symbol; dims of one name share one. A rule gives copies of symbols, numbers, and unknown dims, and
//! every unknown dim becomes a symbol of its own, so that later copies of it are known to be equal. The pass never
//! fails: where a rule gives up, the outputs are as exported.
//!
//! What is stated holds in every run that the concrete pass accepts; `tests/symbolic.rs` proves it on every output of
//! every fixture. Bodies of control flow are not entered: a runtime infers them as graphs of their own, with
//! [`SymbolicScenario::parameters`].

use super::context::Context;
use super::dim::{Dim, DimList, Symbol};
use super::start::Start;
use super::{TensorInfo, rules};
use crate::DType;
use crate::graph::{Graph, Op};
use crate::ids::{NodeId, TensorId};
use rustc_hash::FxHashMap;

/// What is free in a symbolic inference. By default all that the file leaves open.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SymbolicScenario {
    /// What is known of the parameters, in the graph's order; where nothing is given, they are as exported.
    pub parameters: Vec<Option<TensorInfo>>,
    /// Symbols that exist before: those of the graph around a body.
    pub symbols: Symbols,
}

/// The symbols of an inference.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Symbols {
    names: Vec<Option<Box<str>>>,
    by_name: FxHashMap<Box<str>, Symbol>,
}

/// The result of [`infer_symbolic`]: what is known of every tensor before sizes are.
#[derive(Clone, Debug, PartialEq)]
pub struct SymbolicShapes {
    tensors: Vec<TensorInfo>,
    symbols: Symbols,
}

/// Changes what inference finds, node by node: what a runtime's own inference does not find, or finds besides.
pub trait Filter {
    /// Changes the `outputs` of a node; `tensors` are those inferred so far, by [`TensorId`].
    fn after(
        &mut self,
        node: NodeId,
        tensors: &[TensorInfo],
        outputs: &mut [TensorInfo],
        symbols: &mut Symbols,
    );
}

/// The filter that changes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Everything;

impl Filter for Everything {
    fn after(&mut self, _: NodeId, _: &[TensorInfo], _: &mut [TensorInfo], _: &mut Symbols) {}
}

impl Symbols {
    /// The symbol of a name; made at its first use.
    pub fn named(&mut self, name: &str) -> Symbol {
        if let Some(&symbol) = self.by_name.get(name) {
            return symbol;
        }
        let symbol = self.push(Some(name.into()));
        self.by_name.insert(name.into(), symbol);
        symbol
    }

    /// A symbol that equals no other.
    pub fn fresh(&mut self) -> Symbol {
        self.push(None)
    }

    /// All symbols.
    pub fn iter(&self) -> impl Iterator<Item = Symbol> + use<> {
        (0..self.names.len() as u32).map(Symbol)
    }

    /// The name of a symbol, if the file gives it one.
    #[must_use]
    pub fn name(&self, symbol: Symbol) -> Option<&str> {
        self.names.get(symbol.index())?.as_deref()
    }

    fn push(&mut self, name: Option<Box<str>>) -> Symbol {
        let symbol = Symbol(u32::try_from(self.names.len()).unwrap_or(u32::MAX));
        self.names.push(name);
        symbol
    }
}

impl SymbolicShapes {
    /// All tensors, in the graph's order.
    #[must_use]
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// What is known of a tensor.
    #[must_use]
    pub fn tensor(&self, id: TensorId) -> &TensorInfo {
        &self.tensors[id.index()]
    }

    /// The symbols.
    #[must_use]
    pub fn symbols(&self) -> &Symbols {
        &self.symbols
    }
}

/// Infers what is known of every tensor before sizes are.
///
/// Cost: linear in nodes and edges, about that of [`infer`](super::infer).
#[must_use]
pub fn infer_symbolic(graph: &Graph, scenario: SymbolicScenario, filter: &mut impl Filter) -> SymbolicShapes {
    let SymbolicScenario { mut parameters, mut symbols } = scenario;
    parameters.resize(graph.parameters().len(), None);
    let mut given: FxHashMap<NodeId, TensorInfo> = FxHashMap::default();
    for (&node, info) in graph.parameters().iter().zip(parameters) {
        given.extend(info.map(|info| (node, info)));
    }
    let mut variables: Vec<Option<TensorInfo>> = vec![None; graph.variables().len()];
    let mut tensors = vec![TensorInfo::unknown(DType::Dynamic); graph.tensors().len()];
    let start = Start::default();
    for &node in graph.execution_order() {
        let op = &graph.node(node).op;
        let mut outputs: smallvec::SmallVec<[TensorInfo; 2]> = match op {
            Op::Parameter => given.remove(&node).into_iter().collect(),
            Op::ReadValue(id) => match variables.get_mut(id.index()) {
                Some(variable) => {
                    let variable = variable.get_or_insert_with(|| {
                        let declared = graph.variable(*id);
                        let mut info = of_declared(declared.dtype, &declared.shape.dims);
                        name_unknown(&mut info, &mut symbols);
                        info
                    });
                    [variable.clone()].into_iter().collect()
                }
                None => smallvec::SmallVec::new(),
            },
            Op::If(_) | Op::Loop(_) => smallvec::SmallVec::new(),
            _ => {
                let mut context = Context::symbolic(graph, node, &tensors);
                match rules::infer(op, &mut context, &start) {
                    Ok(()) => context.into_outputs(),
                    Err(_) => smallvec::SmallVec::new(),
                }
            }
        };
        let n_outputs = graph.outputs(node).count();
        outputs.truncate(n_outputs);
        for tensor in graph.outputs(node).skip(outputs.len()) {
            outputs.push(as_exported(graph, tensor, &mut symbols));
        }
        for (tensor, info) in graph.outputs(node).zip(&mut outputs) {
            if info.dtype == DType::Dynamic {
                info.dtype = graph.tensor(tensor).dtype;
            }
        }
        filter.after(node, &tensors, &mut outputs, &mut symbols);
        for (tensor, mut info) in graph.outputs(node).zip(outputs) {
            name_unknown(&mut info, &mut symbols);
            tensors[tensor.index()] = info;
        }
    }
    SymbolicShapes { tensors, symbols }
}

/// What the file declares of a tensor; dims that it names are the symbols of their names.
fn as_exported(graph: &Graph, id: TensorId, symbols: &mut Symbols) -> TensorInfo {
    let declared = graph.tensor(id);
    let mut info = of_declared(declared.dtype, &declared.shape.dims);
    if let (None, Some(mut dims)) = (&info.dims, info.shape()) {
        for (dim, name) in dims.iter_mut().zip(graph.symbols(id)) {
            if *dim == Dim::Unknown && !name.is_empty() {
                *dim = Dim::Symbol(symbols.named(name));
            }
        }
        info.set_shape(dims);
    }
    info
}

fn of_declared(dtype: DType, dims: &Option<smallvec::SmallVec<[crate::graph::Dim; 4]>>) -> TensorInfo {
    match dims {
        Some(dims) => TensorInfo::of_shape(
            dtype,
            dims.iter().map(|dim| dim.as_known().map_or(Dim::Unknown, Dim::Known)),
        ),
        None => TensorInfo::unknown(dtype),
    }
}

/// Gives every unknown dim a symbol of its own.
fn name_unknown(info: &mut TensorInfo, symbols: &mut Symbols) {
    let Some(dims) = info.partial.as_mut().and_then(|partial| partial.dims.as_mut()) else { return };
    let dims: &mut DimList = dims;
    for dim in dims.iter_mut().filter(|dim| **dim == Dim::Unknown) {
        *dim = Dim::Symbol(symbols.fresh());
    }
}
