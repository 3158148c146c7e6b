//! Why a vision tower cannot take an image or a number of patches, and what it takes instead.
//!
//! A tower's own error names the node whose shapes disagree, which does not say what to ask for. What is proposed here
//! comes from the model's files, and the tower is asked before anything is said: a number that it does not take either
//! is not proposed, and where there is none the error stays as it is.

use super::tower::{self, Request};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Dims, Graph, Op};
use crate::ids::NodeId;
use crate::scenario::{Scenario, input_name};
use crate::shape::{self, Shapes};
use std::collections::BTreeMap;
use std::path::Path;

/// The error of a part of a tower, with the sizes that the part accepts if they are known.
///
/// Errors of other kinds, and of runs that give neither patches nor an image, are handed through.
///
/// Cost: shape inference of the part, once per number that is tried, three times at the most.
#[must_use]
pub(crate) fn explain(error: Error, graph: &Graph, base: &Scenario, request: &Request) -> Error {
    let asked = match (request.patches, base.image) {
        _ if error.kind() != ErrorKind::Shape => return error,
        (Some(patches), _) => format!("{patches} patches"),
        (None, Some((width, height))) => format!("an image of {width}x{height} pixels"),
        (None, None) => return error,
    };
    let tower = Tower { graph, base, request };
    let Some((fact, help)) = tower.merged().or_else(|| tower.fixed()) else { return error };
    Error::new(ErrorKind::Shape, format!("the vision tower cannot take {asked}"))
        .at(error.location().clone())
        .note(error.message())
        .note(fact)
        .help(help)
}

/// Refuses a text model: it has tokens as inputs, and no image.
///
/// # Errors
///
/// If it is one.
pub(crate) fn check_is_vision(graph: &Graph, model: &Path) -> Result<()> {
    const TOKENS: [&str; 3] = ["input_ids", "inputs_embeds", "decoder_input_ids"];
    let names = || graph.parameters().iter().map(|&node| input_name(graph, node));
    let is_image = |node: &NodeId| {
        let tensor = graph.output(*node, 0).map(|tensor| &graph.tensor(tensor).shape);
        let rank = tensor.and_then(|shape| shape.dims.as_ref()).map_or(0, |dims| dims.len());
        let name = input_name(graph, *node);
        !name.contains("past") && !name.contains("mask") && rank >= 4
    };
    if !names().any(|name| TOKENS.contains(&name)) || graph.parameters().iter().any(is_image) {
        return Ok(());
    }
    let inputs: Vec<&str> = names().filter(|name| !name.contains("past_key_values")).collect();
    Err(Error::new(ErrorKind::Usage, "this is a text model, and `vit` analyzes vision towers")
        .in_file(graph.file())
        .note(format!("its inputs are {}", inputs.join(", ")))
        .help(format!("use `memgraph llm {} SEQ`", model.display())))
}

/// Refuses a run without patches or an image, unless the inputs have fixed shapes apart from the batch, or the user binds
/// them by name.
///
/// # Errors
///
/// If a dim of an input depends on the image.
pub(crate) fn check_is_fixed(graph: &Graph, base: &Scenario) -> Result<()> {
    if !base.inputs.is_empty() || !base.binds.is_empty() {
        return Ok(());
    }
    for &node in graph.parameters() {
        let Some(tensor) = graph.output(node, 0) else { continue };
        let declared = &graph.tensor(tensor).shape;
        let dims = declared.dims.as_deref().unwrap_or_default();
        let is_free = dims.iter().skip(1).any(|dim| dim.as_known().is_none());
        if is_free || declared.dims.is_none() {
            let name = input_name(graph, node);
            let message =
                format!("SEQ or `--image WxH` is needed: input \"{name}\" has the shape {declared}");
            let side = base.config.image_size.unwrap_or(224);
            return Err(Error::new(ErrorKind::Usage, message)
                .in_file(graph.file())
                .help(format!("give the number of patches, or an image such as `--image {side}x{side}`")));
        }
    }
    Ok(())
}

/// Refuses patches or an image that change nothing, since all inputs were exported with fixed dims, unless they are what
/// these dims give. What the user binds by name is the user's choice.
///
/// `scenario` is what the tower is given for `base` and `request`.
///
/// Cost: shape inference of the tower, where nothing follows what was asked for.
///
/// # Errors
///
/// If the tower has other inputs than were asked for.
pub(crate) fn check(graph: &Graph, base: &Scenario, request: &Request, scenario: &Scenario) -> Result<()> {
    // A graph that its runtime builds in code takes any image.
    let is_bound = !base.inputs.is_empty() || !base.binds.is_empty() || graph.stored().is_some();
    let dims = |scenario: &Scenario| -> Result<Vec<Option<Dims>>> {
        Ok(scenario.bind(graph)?.parameters.into_iter().map(|info| info.dims).collect())
    };
    let own = dims(scenario)?;
    let other = Scenario {
        prompt: scenario.prompt.map(|patches| patches.saturating_mul(4)),
        image: scenario.image.map(|(width, height)| (width.saturating_mul(2), height.saturating_mul(2))),
        ..scenario.clone()
    };
    if is_bound || dims(&other).map_or(true, |dims| dims != own) {
        return Ok(());
    }
    let sides = scenario.image.filter(|_| base.image.is_some());
    let has_sides = |(width, height): (u64, u64)| {
        own.iter().flatten().any(|dims| dims.windows(2).any(|pair| pair == [height, width]))
    };
    let asked = match (request.patches, sides) {
        (Some(patches), _) => format!("{patches} patches"),
        (None, Some((width, height))) if !has_sides((width, height)) => {
            format!("an image of {width}x{height} pixels")
        }
        _ => return Ok(()),
    };
    let Ok(shapes) = shape::infer(graph, &scenario.only_for(graph)) else { return Ok(()) };
    let counts = counts(graph, &shapes);
    if request.patches.is_some_and(|patches| counts.contains_key(&patches)) {
        return Ok(());
    }
    let usual = counts.iter().max_by_key(|&(_, tensors)| tensors).map(|(patches, _)| patches);
    let usual = usual.filter(|_| request.patches.is_some());
    let inputs = graph.parameters().iter().zip(&own).map(|(&node, dims)| {
        format!("{}{}", input_name(graph, node), shape::text(dims.as_deref().unwrap_or_default()))
    });
    let inputs = inputs.collect::<Vec<_>>().join(", ");
    Err(Error::new(
        ErrorKind::Usage,
        format!("the tower was exported for inputs of fixed size, not for {asked}"),
    )
    .in_file(graph.file())
    .note(match usual {
        Some(patches) => format!("the inputs are {inputs}, which give {patches} patches"),
        None => format!("the inputs are {inputs}"),
    })
    .help(match usual {
        Some(patches) => {
            format!("give {patches}, or the image as `--image WxH`, with `--batch N` for several")
        }
        None => "give the image that it was exported for as `--image WxH`".to_owned(),
    }))
}

/// Numbers of rows of all intermediate results that may be patches, and how many results have them: those of lists, and
/// positions of images that a convolution writes; of one image, and of all.
fn counts(graph: &Graph, shapes: &Shapes) -> BTreeMap<u64, u32> {
    let mut counts = BTreeMap::new();
    for (tensor, info) in graph.tensors().iter().zip(shapes.tensors()) {
        let op = &graph.node(tensor.node).op;
        let rows = match (op, info.dims.as_deref()) {
            (Op::Constant(_), _) => None,
            (_, Some(&[batch, rows, _])) => Some((batch, rows)),
            (Op::Convolution(_), Some(&[batch, _, height, width])) => {
                height.checked_mul(width).map(|positions| (batch, positions))
            }
            _ => None,
        };
        let Some((batch, rows)) = rows else { continue };
        *counts.entry(rows).or_default() += 1;
        if let Some(all) = batch.checked_mul(rows).filter(|&all| all != rows) {
            *counts.entry(all).or_default() += 1;
        }
    }
    counts
}

struct Tower<'a> {
    graph: &'a Graph,
    base: &'a Scenario,
    request: &'a Request,
}

impl Tower<'_> {
    /// A tower that merges patches: what is wrong, and the nearest numbers below and above that it takes.
    fn merged(&self) -> Option<(String, String)> {
        let patches = self.request.patches?;
        let merge = self.base.config.spatial_merge_size.or(self.request.settings.merge_size)?;
        let of_token = merge.checked_mul(merge)?;
        let below = patches.checked_div(of_token)?.checked_mul(of_token)?;
        if below == patches {
            return None;
        }
        let near = [Some(below), below.checked_add(of_token)].into_iter().flatten();
        let taken: Vec<String> = near
            .filter(|&patches| patches > 0 && self.shapes(patches).is_some())
            .map(|patches| patches.to_string())
            .collect();
        let fact = format!("it merges {merge}x{merge} patches into one token (spatial_merge_size {merge})");
        (!taken.is_empty())
            .then(|| (fact, format!("SEQ must be a multiple of {of_token}: give {}", taken.join(" or "))))
    }

    /// A tower whose positions are constants: the images that it was exported for.
    fn fixed(&self) -> Option<(String, String)> {
        let (side, patch) = (self.base.config.image_size?, self.base.config.patch_size?);
        let patches = side.checked_div(patch)?.checked_pow(2)?;
        let shapes = self.shapes(patches)?;
        // One row more in any tensor of the tower is a class token, which counts as a patch.
        let has_rows = |rows: u64| {
            let mut tensors = shapes.tensors().iter().filter_map(|tensor| tensor.dims.as_deref());
            tensors.any(|dims| matches!(*dims, [_, own, _] if own == rows))
        };
        let patches = patches + u64::from(patches.checked_add(1).is_some_and(has_rows));
        let fact = format!(
            "it was exported for images of {side}x{side} pixels, which are {patches} patches (image_size {side}, \
             patch_size {patch})"
        );
        let help = match self.request.patches {
            None => format!("give `--image {side}x{side}`"),
            Some(_) if patches.checked_mul(2).is_some_and(|two| self.shapes(two).is_some()) => {
                format!("give {patches}, or a multiple of it for several images")
            }
            Some(_) => format!("give {patches}"),
        };
        Some((fact, help))
    }

    /// The part's shapes for another number of patches; `None` if it does not take them.
    fn shapes(&self, patches: u64) -> Option<Shapes> {
        let base = Scenario { image: None, ..self.base.clone() };
        let request = Request { patches: Some(patches), tiles: None, ..self.request.clone() };
        let (scenario, _) = tower::vision(&base, &request).ok()?;
        shape::infer(self.graph, &scenario.only_for(self.graph)).ok()
    }
}
