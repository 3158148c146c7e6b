//! What llama.cpp asks a file for: tensors by name, with dims that follow from the file's settings.
//!
//! It refuses a file where a tensor is missing, has other dims, or is not asked for. Weights that a graph cannot be built without
//! are asked for there; here are the dims of all, and the tensors that an architecture has next to others.
//!
//! Source: llama.cpp 0.5.0, src/llama-model-loader.cpp (`check_tensor_dims`, `done_getting_tensors`).

mod companions;
mod dims;
mod sizes;

use super::model::Model;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::StoredTensor;
use dims::Dims;
use sizes::Sizes;

/// Refuses a file whose tensors llama.cpp does not load.
///
/// Tensors of layers that draft tokens are not looked at.
///
/// Cost: linear in tensors.
///
/// # Errors
///
/// If a tensor has other dims than its name and the settings say, is not known, or lacks another next to it.
pub(super) fn check(model: &Model<'_>) -> Result<()> {
    let mut sizes = Sizes::of(model);
    for tensor in &model.stored.tensors {
        let (layer, stem) = in_layer(&tensor.name);
        if layer.is_some_and(|layer| layer >= model.layers) {
            continue;
        }
        sizes.set_layer(model, layer);
        match dims::of(stem, &sizes) {
            Some(wanted) if fits(wanted, tensor.dims) => {}
            Some(wanted) => return Err(misfit(model, tensor, wanted)),
            None => return Err(refused(format!("{} has no tensor \"{}\"", model.architecture, tensor.name))),
        }
        for needed in companions::of(stem, model.architecture, layer) {
            has(model, layer, needed)?;
        }
    }
    Ok(())
}

/// The layer of a name, and the rest of it.
fn in_layer(name: &str) -> (Option<u64>, &str) {
    let parts = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.'));
    let parts = parts.and_then(|(number, rest)| Some((number.parse().ok()?, rest)));
    parts.map_or((None, name), |(layer, rest)| (Some(layer), rest))
}

/// Whether a tensor has these dims. A dim of 0 represents one that the settings do not give.
fn fits(wanted: Dims, own: Dims) -> bool {
    wanted.iter().zip(own).all(|(&wanted, own)| wanted == own || wanted == 0)
}

#[cold]
fn misfit(model: &Model<'_>, tensor: &StoredTensor, wanted: Dims) -> Error {
    let listed = |dims: Dims| {
        let rank = dims.iter().rposition(|&dim| dim != 1).map_or(1, |last| last + 1);
        format!("{:?}", &dims[..rank])
    };
    let (own, wanted) = (listed(tensor.dims), listed(wanted));
    let architecture = model.architecture;
    refused(format!(
        "tensor \"{}\" has dims {own}, and {architecture} with these settings has {wanted}",
        tensor.name
    ))
}

#[cold]
fn lacks(model: &Model<'_>, name: &str) -> Error {
    refused(format!("the file has no tensor \"{name}\", which {} needs", model.architecture))
}

#[cold]
fn refused(message: String) -> Error {
    Error::new(ErrorKind::Malformed, message).note("llama.cpp does not load such a file")
}

/// Refuses a file without this tensor of a layer, or of none.
fn has(model: &Model<'_>, layer: Option<u64>, stem: &str) -> Result<()> {
    let (name, ending) = stem.rsplit_once('.').unwrap_or((stem, ""));
    let is_found = match layer {
        Some(layer) => model.layer_tensor(layer, name, ending).is_some(),
        None => model.tensor(stem).is_some(),
    };
    let prefix = layer.map_or_else(String::new, |layer| format!("blk.{layer}."));
    if is_found { Ok(()) } else { Err(lacks(model, &format!("{prefix}{stem}"))) }
}
