//! What a vision tower is given: patches, tiles and images of a request, by the family's image rule.

use super::families::{self, Tiles};
use super::parts::{Part, Role};
use super::vit;
use crate::error::Result;
use crate::formats::preprocessor::Preprocessor;
use crate::graph::{Dims, Graph};
use crate::runtime::Assumption;
use crate::scenario::{Scenario, Task, input_name};

/// What a pipeline is asked to do.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Request {
    /// Patches over all images; `None`: those of the image.
    pub patches: Option<u64>,
    /// Of these so many tiles side by side, where the patches were given as a product.
    pub tiles: Option<u64>,
    /// Tokens of the prompt apart from the image's.
    pub text_tokens: u64,
    /// Tokens that are generated.
    pub new_tokens: u64,
    /// What the image processor's files say.
    pub settings: Preprocessor,
}

/// What a vision tower of one file is given, by the family's image rule where there is one.
///
/// # Errors
///
/// Those of the rule, and of a number of patches that makes no whole images.
pub fn vision(base: &Scenario, request: &Request) -> Result<(Scenario, Vec<Assumption>)> {
    let mut assumptions = Vec::new();
    let mut assume = |rule: &'static str, text: String| assumptions.push(Assumption { rule, text });
    let model_type = base.config.model_type.clone().unwrap_or_default();
    let (scenario, _) = vision_scenario(base, request, &model_type, &mut assume)?;
    Ok((scenario, assumptions))
}

/// What the vision tower is given, and the tiles where a rule made them.
pub(super) fn vision_scenario(
    base: &Scenario,
    request: &Request,
    model_type: &str,
    assume: &mut impl FnMut(&'static str, String),
) -> Result<(Scenario, Option<Tiles>)> {
    match (request.patches, base.image) {
        (None, Some(image)) => {
            let Some(tiles) = families::tiles(model_type, &request.settings, image)? else {
                assume(
                    "image-as-given",
                    format!(
                        "no image rule is known for \"{model_type}\": the graph takes the image as it is"
                    ),
                );
                return Ok((vit::scenario(base, None)?, None));
            };
            let scenario = Scenario {
                task: Task::Vision,
                prompt: Some(tiles.patches),
                batch: Some(tiles.count),
                image: Some(tiles.size),
                ..base.clone()
            };
            Ok((scenario, Some(tiles)))
        }
        (Some(patches), None) if base.config.image_size.is_none() || model_type == "minicpmv" => {
            let count = request.tiles.or(base.batch).unwrap_or(1).max(1);
            // Towers that take each tile's patches in one row; those that take all of them in one need no image.
            let of_tile = patches.checked_div(count).unwrap_or(patches);
            let image = base.config.patch_size.map(|patch| (of_tile.saturating_mul(patch), patch));
            Ok((
                Scenario {
                    task: Task::Vision,
                    prompt: Some(patches),
                    batch: Some(count),
                    image,
                    ..base.clone()
                },
                None,
            ))
        }
        (patches, _) => Ok((vit::scenario(base, patches)?, None)),
    }
}

/// The scenario of one part of the tower: dims that no role gives come from the part before it.
pub(super) fn of_part(
    vision: &Scenario,
    part: &Part,
    graph: &Graph,
    before: Option<&Dims>,
    tiles: Option<&Tiles>,
) -> Scenario {
    let mut scenario = vision.clone();
    let [parameter] = graph.parameters() else { return scenario };
    let Some(tensor) = graph.output(*parameter, 0) else { return scenario };
    let name = input_name(graph, *parameter);
    let declared = &graph.tensor(tensor).shape;
    let (Some(dims), true) = (&declared.dims, scenario.inputs.is_empty()) else { return scenario };
    let channels = dims.last().and_then(|dim| dim.as_known());
    let known: Vec<Option<u64>> = dims.iter().map(|dim| dim.as_known()).collect();
    let elements = before.map(|dims| dims.iter().fold(1_u64, |product, &dim| product.saturating_mul(dim)));
    let rows = elements.zip(channels).and_then(|(elements, channels)| elements.checked_div(channels));
    let shape: Option<Dims> = match (part.name.as_str(), dims.len(), before) {
        // Position tables are read at the four corners of every patch.
        ("vision_embeddings_pos", 2, _) => scenario.prompt.map(|patches| Dims::from_slice(&[4, patches])),
        // Rows of merged patches, with line ends where the family adds them.
        (_, 3, Some(_)) if part.role == Role::Projection => {
            let merged = rows.filter(|_| before.and_then(|dims| dims.last().copied()) != channels);
            let rows = tiles.filter(|_| merged.is_some()).map(|tiles| tiles.tokens).or(merged);
            match (rows, channels) {
                (Some(rows), Some(channels)) => Some(Dims::from_slice(&[1, rows, channels])),
                _ => before.cloned(),
            }
        }
        (_, rank, Some(before)) if part.role == Role::Projection && before.len() == rank => {
            Some(before.clone())
        }
        _ => None,
    };
    if let Some(shape) = shape.filter(|shape| declared.contains(shape) && known.iter().any(Option::is_none)) {
        scenario.inputs.push((name.to_owned(), shape));
    }
    scenario
}
