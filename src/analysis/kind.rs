//! The kind of run that a model is made for, found from its inputs.

use crate::graph::Graph;
use crate::scenario::roles::{self, Role};
use crate::scenario::{Task, input_name};

/// A kind of run: the command that analyses such models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A language model, or another model of tokens: `memgraph llm`.
    Language,
    /// A vision tower: `memgraph vit`.
    Vision,
    /// A vision-language pipeline: `memgraph vlm`.
    Pipeline,
    /// Any other model: `memgraph graph`.
    Graph,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 4] = [Kind::Language, Kind::Vision, Kind::Pipeline, Kind::Graph];

    /// The command that analyses such models.
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            Kind::Language => "llm",
            Kind::Vision => "vit",
            Kind::Pipeline => "vlm",
            Kind::Graph => "graph",
        }
    }

    /// The kind with this command.
    #[must_use]
    pub fn by_command(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.command() == word)
    }
}

/// The kind of one graph. A file without a graph, whose runtime builds one, is a language model. A model of both tokens and
/// pixels has no command of its own.
pub(super) fn of(graph: &Graph) -> Kind {
    if graph.stored().is_some() {
        return Kind::Language;
    }
    let has = |task: Task, wanted: &[Role]| {
        graph.parameters().iter().any(|&node| {
            let tensor = graph.output(node, 0).map(|tensor| &graph.tensor(tensor).shape);
            let rank = tensor.and_then(|shape| shape.dims.as_ref()).map_or(0, |dims| dims.len());
            let roles = roles::of_input(input_name(graph, node), rank, task).unwrap_or_default();
            wanted.iter().all(|role| roles.contains(role))
        })
    };
    let has_tokens = has(Task::Llm, &[Role::Batch, Role::Prompt]);
    let has_pixels = has(Task::Vision, &[Role::Height, Role::Width]) || has(Task::Vision, &[Role::Patches]);
    match (has_tokens, has_pixels) {
        (true, false) => Kind::Language,
        (false, true) => Kind::Vision,
        _ => Kind::Graph,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;
    use crate::graph::{Builder, Dim, Format, NodeSpec, Op, PartialShape, TensorSpec};

    fn with_inputs(inputs: &[(&str, usize)]) -> Kind {
        let mut builder = Builder::new("m.xml".as_ref(), Format::OpenVino);
        for &(name, rank) in inputs {
            let spec = NodeSpec { op: Op::Parameter, name, type_name: "Parameter", ..NodeSpec::default() };
            let node = builder.node(spec);
            let shape = PartialShape { dims: Some((0..rank).map(|_| Dim::ANY).collect()) };
            builder.output(node, TensorSpec { dtype: DType::F32, shape, ..TensorSpec::default() });
        }
        of(&builder.finish().unwrap())
    }

    #[test]
    fn inputs_decide_the_kind() {
        assert_eq!(with_inputs(&[("input_ids", 2), ("attention_mask", 2)]), Kind::Language);
        assert_eq!(with_inputs(&[("pixel_values", 4)]), Kind::Vision);
        assert_eq!(with_inputs(&[("input_ids", 2), ("pixel_values", 4)]), Kind::Graph);
        assert_eq!(with_inputs(&[("spectrum", 3)]), Kind::Graph);
        assert_eq!(Kind::by_command("vlm"), Some(Kind::Pipeline));
    }
}
