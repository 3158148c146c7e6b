//! The longest run that a language model takes: the positions of its config.json, or those that its graph has.

use super::llm;
use crate::error::{Error, ErrorKind};
use crate::graph::Graph;
use crate::scenario::{Scenario, Task};
use crate::shape;

/// The error of a prompt that is longer than config.json or the graph's table of positions allows; any other error as it is.
/// `all` counts cached and new tokens as well.
///
/// Cost: one inference of shapes per bit of the length.
#[cold]
#[must_use]
pub(crate) fn explain(error: Error, graph: &Graph, base: &Scenario, tokens: u64, all: u64) -> Error {
    if base.config.max_positions.is_some_and(|limit| all > limit) {
        return llm::explain_length(error, base, all);
    }
    let takes = |tokens: u64| {
        let scenario = Scenario { task: Task::Llm, prompt: Some(tokens), ..base.clone() };
        shape::infer(graph, &scenario).is_ok()
    };
    if error.kind() != ErrorKind::Shape || takes(tokens) || !takes(1) {
        return error;
    }
    let (mut taken, mut refused) = (1, tokens);
    while refused - taken > 1 {
        let middle = taken + (refused - taken) / 2;
        if takes(middle) {
            taken = middle;
        } else {
            refused = middle;
        }
    }
    Error::new(ErrorKind::Usage, format!("the model takes at most {taken} tokens, and {tokens} were given"))
        .at(error.location().clone())
        .note(format!("of a longer prompt, {}", error.message()))
        .help(format!("give {taken} or fewer, or export the model for longer prompts"))
}
