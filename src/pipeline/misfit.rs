//! Why a vision tower cannot take an image or a number of patches, and what it takes instead.
//!
//! A tower's own error names the node whose shapes disagree, which tells nobody what to ask for. What is proposed here
//! comes from the model's files, and the tower is asked before anything is said: a number that it does not take either
//! is not proposed, and where there is none the error stays as it is.

use super::vlm::{self, Request};
use crate::error::{Error, ErrorKind};
use crate::graph::Graph;
use crate::scenario::Scenario;
use crate::shape::{self, Shapes};

/// The error of a part of a tower, with what the part takes if that can be told.
///
/// Errors of other kinds, and of runs that give neither patches nor an image, are handed through.
///
/// Cost: shape inference of the part, once per number that is tried, three times at the most.
#[must_use]
pub fn explain(error: Error, graph: &Graph, base: &Scenario, request: &Request) -> Error {
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
        let (scenario, _) = vlm::vision(&base, &request).ok()?;
        shape::infer(self.graph, &scenario.only_for(self.graph)).ok()
    }
}
