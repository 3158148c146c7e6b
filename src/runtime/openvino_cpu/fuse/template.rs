//! What was compiled once, for runs of other sizes.
//!
//! Two runs of a model differ in the sizes of its free dims, and the executed graph in what those decide, which is little: see
//! [`Question`]. From its second run on, a graph keeps what the passes made of it, with the questions that they asked
//! and the answers; a run that gives the same answers takes it with sizes of its own. Nothing is assumed of a pass: a size
//! that it reads is a question, and a run of another size is compiled anew.

use super::dim::{Place, Question, listen};
use super::freeze::{self, Free};
use super::options::Options;
use crate::DType;
use crate::runtime::openvino_cpu::execution::ExecutionGraph;
use crate::shape::{Bound, Shapes};
use smallvec::SmallVec;
use std::sync::{Arc, Mutex, PoisonError};

/// The templates of a graph, by the options that it was compiled under.
#[derive(Debug, Default)]
pub(super) struct Templates(Mutex<Vec<Compiled>>);

/// What became of a graph under some options.
#[derive(Debug)]
struct Compiled {
    options: Options,
    templates: Vec<Arc<Template>>,
}

/// An executed graph that serves every run with the same answers.
#[derive(Debug)]
struct Template {
    /// As the run that it was made for has it.
    graph: ExecutionGraph,
    /// Where its free dims are.
    free: Free,
    /// What the passes asked, and the answers.
    asked: Vec<Question>,
    /// What is not free of each tensor of the file; a dim that is free is `None`.
    file: Vec<Known>,
}

/// What was known of a tensor when the model was compiled: dims are `None` where their number is unknown.
#[derive(Debug)]
struct Known {
    dtype: DType,
    bound: Bound,
    dims: Option<SmallVec<[Option<u64>; 4]>>,
}

/// What the templates of a graph have for a run.
enum Found {
    /// One that serves it.
    Template(Arc<Template>),
    /// None, and one made of it may serve the next.
    Missing,
    /// None, and none is to be made.
    Nothing,
}

/// Options whose templates are kept; those of the first are forgotten for more.
const OPTIONS: usize = 16;
/// Templates that are kept for options: more differ in what many runs differ in.
const TEMPLATES: usize = 4;

impl Templates {
    /// The executed graph of a run: of a template that serves it, else as `compile` makes it. The first run of some options
    /// leaves nothing behind, because most models are run once.
    pub(super) fn graph(
        &self,
        (options, shapes): (Options, &Shapes),
        is_free: impl Fn(Place) -> bool,
        compile: impl FnOnce(Option<&mut Free>) -> ExecutionGraph,
    ) -> ExecutionGraph {
        match self.find(options, shapes) {
            Found::Template(template) => template.graph(shapes),
            Found::Nothing => compile(None),
            Found::Missing => {
                let mut free = Free::default();
                let (graph, asked) = listen(|| compile(Some(&mut free)));
                let file = known(shapes, is_free);
                let template =
                    Template { graph: graph.clone(), free, asked: asked.into_iter().collect(), file };
                self.keep(options, template);
                graph
            }
        }
    }

    fn find(&self, options: Options, shapes: &Shapes) -> Found {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(compiled) = all.iter().find(|compiled| compiled.options == options) else {
            if all.len() >= OPTIONS {
                all.remove(0);
            }
            all.push(Compiled { options, templates: Vec::new() });
            return Found::Nothing;
        };
        let templates = compiled.templates.clone();
        drop(all);
        let is_full = templates.len() >= TEMPLATES;
        match templates.into_iter().find(|template| template.serves(shapes)) {
            Some(template) => Found::Template(template),
            None if is_full => Found::Nothing,
            None => Found::Missing,
        }
    }

    fn keep(&self, options: Options, template: Template) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let compiled = all.iter_mut().find(|compiled| compiled.options == options);
        if let Some(compiled) = compiled.filter(|compiled| compiled.templates.len() < TEMPLATES) {
            compiled.templates.push(Arc::new(template));
        }
    }
}

impl Template {
    /// Whether a run gives all answers that it was made with.
    fn serves(&self, shapes: &Shapes) -> bool {
        let tensors = shapes.tensors();
        tensors.len() == self.file.len()
            && self.asked.iter().all(|&question| is_answered(question, shapes))
            && tensors.iter().zip(&self.file).all(|(info, known)| {
                let fits = |(&size, known): (&u64, &Option<u64>)| known.is_none_or(|known| known == size);
                info.dtype == known.dtype
                    && info.bound == known.bound
                    && match (&info.dims, &known.dims) {
                        (Some(dims), Some(known)) => {
                            dims.len() == known.len() && dims.iter().zip(known).all(fits)
                        }
                        (None, None) => true,
                        _ => false,
                    }
            })
    }

    /// The executed graph with the sizes of a run.
    fn graph(&self, shapes: &Shapes) -> ExecutionGraph {
        let mut graph = self.graph.clone();
        let size = |place| size(shapes, place).unwrap_or_default();
        for &((step, port, axis), place) in &self.free.outputs {
            let output =
                graph.nodes.get_mut(step as usize).and_then(|node| node.outputs.get_mut(port as usize));
            if let Some(dim) = output.and_then(|output| output.dims.get_mut(axis as usize)) {
                *dim = size(place);
            }
        }
        for &((step, at, axis), place) in &self.free.inner {
            let inner = graph.nodes.get_mut(step as usize).and_then(|node| node.inner.get_mut(at as usize));
            if let Some(dim) = inner.and_then(|inner| inner.dims.get_mut(axis as usize)) {
                *dim = size(place);
            }
        }
        for (step, dims) in &self.free.attentions {
            if let Some(node) = graph.nodes.get_mut(*step as usize) {
                node.attention = Some(Box::new(dims.sizes(|dim| dim.in_run(size))));
            }
        }
        for &(step, from) in &self.free.pieces {
            if let Some(node) = graph.nodes.get_mut(step as usize) {
                node.n_pieces = node.outputs.first().map_or(0, |output| freeze::n_pieces(&output.dims, from));
            }
        }
        graph
    }
}

/// What is not free of each tensor of the file.
fn known(shapes: &Shapes, is_free: impl Fn(Place) -> bool) -> Vec<Known> {
    let tensors = (0..).map(crate::ids::TensorId::new).zip(shapes.tensors());
    let known = tensors.map(|(tensor, info)| {
        let dims = info.dims.as_ref().map(|dims| {
            let is_free = |axis| u16::try_from(axis).is_ok_and(|axis| is_free(Place { tensor, axis }));
            dims.iter().enumerate().map(|(axis, &size)| (!is_free(axis)).then_some(size)).collect()
        });
        Known { dtype: info.dtype, bound: info.bound, dims }
    });
    known.collect()
}

/// Whether a question has the same answer in another run.
fn is_answered(question: Question, shapes: &Shapes) -> bool {
    let size = |place| size(shapes, place);
    let element =
        |tensor, at: u16| shapes.tensor(tensor).value.as_ref()?.as_ints()?.get(usize::from(at)).copied();
    match question {
        Question::Size(place, answer) => size(place) == Some(answer),
        Question::Is(place, number, answer) => (size(place) == Some(number)) == answer,
        Question::Same(one, other, answer) => (size(one) == size(other)) == answer,
        Question::Element(tensor, at, answer) => element(tensor, at) == answer,
        Question::IsElement(tensor, at, place, answer) => {
            let element = element(tensor, at).and_then(|element| u64::try_from(element).ok());
            (element.is_some() && element == size(place)) == answer
        }
    }
}

/// A size in a run; that of a tensor of unknown rank is 0, as where the graph is made.
fn size(shapes: &Shapes, place: Place) -> Option<u64> {
    match &shapes.tensor(place.tensor).dims {
        Some(dims) => dims.get(usize::from(place.axis)).copied(),
        None => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::dim::Dim;
    use super::super::execution_graph;
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::graph::op::{AxisSpan, Unary};
    use crate::graph::{Graph, Op};
    use crate::scenario::Scenario;
    use crate::{DType, shape};
    use std::cell::Cell;

    /// Relu and Softmax of x.
    fn chain() -> Graph {
        let mut net = Net::new();
        let x = net.input("x", DType::F32, &[2, FREE]);
        let relu = net.op("relu", Op::Unary(Unary::Relu), &[x], DType::F32, &[2, FREE]);
        let y = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[relu], DType::F32, &[2, FREE]);
        net.result("out", y);
        net.shapes().0
    }

    fn shapes(graph: &Graph, columns: u64) -> Shapes {
        let inputs = vec![("x".to_owned(), [2, columns].into_iter().collect())];
        shape::infer(graph, &Scenario::default().with(|run| run.inputs = inputs)).unwrap()
    }

    fn n_templates(graph: &Graph) -> usize {
        let kept = graph.kept::<Templates>();
        let all = kept.0.lock().unwrap();
        all.iter().map(|compiled| compiled.templates.len()).sum()
    }

    #[test]
    fn the_second_run_leaves_a_template_for_all_others() {
        let graph = chain();
        for (columns, expected) in [(5, 0), (7, 1), (1, 1), (64, 1)] {
            let shapes = shapes(&graph, columns);
            let found = execution_graph(&graph, &shapes, DYNAMIC).unwrap();
            assert_eq!(found, execution_graph(&graph.clone(), &shapes, DYNAMIC).unwrap());
            assert_eq!(n_templates(&graph), expected, "{columns} columns");
        }
    }

    #[test]
    fn a_run_that_answers_otherwise_is_compiled() {
        let graph = chain();
        let (x, compiled) = (graph.output(graph.parameters()[0], 0).unwrap(), Cell::new(0));
        let kept = Templates::default();
        let run = |columns: u64, reads: fn(Dim)| {
            let shapes = shapes(&graph, columns);
            let compile = |_: Option<&mut Free>| {
                compiled.set(compiled.get() + 1);
                reads(Dim::free(columns, Place { tensor: x, axis: 1 }));
                ExecutionGraph::default()
            };
            kept.graph((DYNAMIC, &shapes), |place| place.axis == 1, compile);
            compiled.take()
        };
        let reads = |dim: Dim| _ = dim.size();
        assert_eq!([5, 5, 5, 6, 6, 5].map(|columns| run(columns, reads)), [1, 1, 0, 1, 0, 0]);
        let asks = |dim: Dim| _ = dim.is(1);
        assert_eq!([8, 9, 1, 1].map(|columns| run(columns, asks)), [1, 0, 1, 0]);
    }

    #[test]
    fn another_size_of_a_dim_that_was_known_is_another_model() {
        let graph = chain();
        let kept = Templates::default();
        let run = |columns| {
            let (shapes, compiled) = (shapes(&graph, columns), Cell::new(false));
            let compile = |_: Option<&mut Free>| {
                compiled.set(true);
                ExecutionGraph::default()
            };
            kept.graph((DYNAMIC, &shapes), |_| false, compile);
            compiled.get()
        };
        assert_eq!([5, 5, 5, 6].map(run), [true, true, false, true]);
    }
}
