//! Operators that move data without computing: reshapes, joins, cuts, picks.

use super::super::attributes::{AttributeError, Layer, Result, invalid};
use super::super::made::{Made, Slot, with};
use super::convolution::window;
use super::{Entry, inputs, ms, op};
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::{BroadcastMode, Ints, PadInputs, PadMode, Pool, ReshapeZero, Scatter, TileInputs};

pub(super) const TABLE: &[Entry] = &[
    op(&[K::Reshape], "Reshape", 1, |layer| {
        let shape = layer.ints("shape")?.ok_or(AttributeError::Missing("shape"))?;
        Ok(with(Op::Reshape(ReshapeZero::CopiesDim), [Slot::Input(0), Slot::Ints(shape)]))
    }),
    op(&[K::Reshape], "Reshape", 5, |layer| {
        let is_zero = layer.flag("allowzero", false)?;
        Ok(Op::Reshape(if is_zero { ReshapeZero::IsZero } else { ReshapeZero::CopiesDim }).into())
    }),
    op(&[K::Squeeze], "Squeeze", 1, |layer| {
        let axes = layer.ints("axes")?.map_or(Slot::Absent, Slot::Ints);
        Ok(with(Op::Squeeze { allow_axis_skip: false }, [Slot::Input(0), axes]))
    }),
    op(&[K::Squeeze], "Squeeze", 13, |_| Ok(Op::Squeeze { allow_axis_skip: false }.into())),
    op(&[K::Unsqueeze], "Unsqueeze", 1, |layer| {
        let axes = layer.ints("axes")?.ok_or(AttributeError::Missing("axes"))?;
        Ok(with(Op::Unsqueeze, [Slot::Input(0), Slot::Ints(axes)]))
    }),
    op(&[K::Unsqueeze], "Unsqueeze", 13, |_| Ok(Op::Unsqueeze.into())),
    op(&[K::Flatten], "Flatten", 1, |layer| Ok(Op::Flatten { axis: layer.int_or("axis", 1)? }.into())),
    op(&[K::Transpose], "Transpose", 1, |layer| {
        let order = layer.ints("perm")?.map_or(Slot::Absent, Slot::Ints);
        Ok(with(Op::Transpose, [Slot::Input(0), order]))
    }),
    op(&[K::Broadcast], "Expand", 8, |_| Ok(Op::Broadcast(BroadcastMode::Bidirectional).into())),
    op(&[K::Tile], "Tile", 1, |_| Ok(Op::Tile(TileInputs::OneAxis).into())),
    op(&[K::Tile], "Tile", 6, |_| Ok(Op::Tile(TileInputs::Repeats).into())),
    op(&[K::Pad], "Pad", 1, |layer| pad_by_attribute(layer, "paddings")),
    op(&[K::Pad], "Pad", 2, |layer| pad_by_attribute(layer, "pads")),
    op(&[K::Pad], "Pad", 11, |layer| Ok(Op::Pad(pad_mode(layer)?, PadInputs::Joined).into())),
    op(&[K::CenterCropPad], "CenterCropPad", 18, |layer| {
        Ok(Op::CenterCropPad { axes: layer.ints("axes")?.map(Ints::into_boxed_slice) }.into())
    }),
    op(&[K::Concat], "Concat", 1, |layer| Ok(Op::Concat { axis: layer.int_or("axis", 1)? }.into())),
    op(&[K::Concat], "Concat", 4, |layer| Ok(Op::Concat { axis: layer.int_needed("axis")? }.into())),
    op(&[K::Split, K::VariadicSplit], "Split", 1, |layer| split(layer, layer.has(1))),
    op(&[K::Split, K::VariadicSplit], "Split", 2, |layer| split(layer, false)),
    op(&[K::Split, K::VariadicSplit], "Split", 13, |layer| split(layer, layer.has(1))),
    op(&[K::Slice], "Slice", 1, |layer| {
        let needed = |name| layer.ints(name)?.map(Slot::Ints).ok_or(AttributeError::Missing(name));
        let axes = layer.ints("axes")?.map_or(Slot::Absent, Slot::Ints);
        Ok(with(Op::Slice, [Slot::Input(0), needed("starts")?, needed("ends")?, Slot::Absent, axes]))
    }),
    op(&[K::Slice], "Slice", 10, |_| Ok(with(Op::Slice, inputs([0, 1, 2, 4, 3])))),
    op(&[K::Gather], "Gather", 1, |layer| {
        let axis = Slot::Int(layer.int_or("axis", 0)?);
        Ok(with(Op::Gather { batch_dims: 0 }, [Slot::Input(0), Slot::Input(1), axis]))
    }),
    op(&[K::GatherElements], "GatherElements", 11, |_| Ok(Op::GatherElements.into())),
    op(&[K::GatherNd], "GatherND", 11, |layer| {
        Ok(Op::GatherNd { batch_dims: layer.int_or("batch_dims", 0)?, flatten_batch_dims: false }.into())
    }),
    op(&[K::ScatterElements], "Scatter", 9, scatter_elements),
    op(&[K::ScatterElements], "ScatterElements", 11, scatter_elements),
    op(&[K::ScatterNd], "ScatterND", 11, |layer| {
        Ok(Op::Scatter(plain_or(layer, Scatter::Nd, Scatter::ReducedNd)?).into())
    }),
    op(&[K::Compress], "Compress", 9, |layer| Ok(Op::Compress { axis: layer.int("axis")? }.into())),
    op(&[K::ReverseSequence], "ReverseSequence", 10, |_| Ok(Op::ReverseSequence.into())),
    op(&[K::DepthToSpace], "DepthToSpace", 1, |layer| {
        Ok(Op::DepthToSpace { block_size: layer.int_needed("blocksize")? }.into())
    }),
    op(&[K::SpaceToDepth], "SpaceToDepth", 1, |layer| {
        Ok(Op::SpaceToDepth { block_size: layer.int_needed("blocksize")? }.into())
    }),
    op(&[K::Col2Im], "Col2Im", 18, |layer| {
        Ok(Op::Col2Im(Box::new(Pool { window: window(layer)?, ..Pool::default() })).into())
    }),
    ms(&[K::ExpandDims], "ExpandDims", |_| Ok(Op::ExpandDims.into())),
    ms(&[K::Pad], "Pad", |layer| Ok(Op::Pad(pad_mode(layer)?, PadInputs::Joined).into())),
    ms(&[K::DynamicSlice], "DynamicSlice", |_| Ok(Op::DynamicSlice.into())),
    ms(&[K::UnfoldTensor], "UnfoldTensor", |_| Ok(Op::UnfoldTensor.into())),
    ms(&[K::NGramRepeatBlock], "NGramRepeatBlock", |layer| {
        Ok(Op::NGramRepeatBlock { size: layer.int_or("ngram_size", 0)? }.into())
    }),
    ms(&[K::Trilu], "Trilu", trilu),
    op(&[K::Trilu], "Trilu", 14, trilu),
    op(&[K::TensorScatter], "TensorScatter", 24, |layer| {
        Ok(Op::TensorScatter { axis: layer.int_or("axis", -2)? }.into())
    }),
    ms(&[K::GatherNd], "GatherND", |_| Ok(Op::GatherNd { batch_dims: 0, flatten_batch_dims: false }.into())),
];

fn pad_mode(layer: &Layer<'_>) -> Result<PadMode> {
    let modes = [
        ("constant", PadMode::Constant),
        ("edge", PadMode::Other),
        ("reflect", PadMode::Other),
        ("wrap", PadMode::Other),
    ];
    layer.word("mode", &modes, PadMode::Constant, "constant, edge, reflect or wrap")
}

fn pad_by_attribute(layer: &Layer<'_>, name: &'static str) -> Result<Made> {
    let pads = layer.ints(name)?.ok_or(AttributeError::Missing(name))?;
    let (begin, end) = pads.split_at(pads.len() / 2);
    let [begin, end] = [begin, end].map(|pads| Slot::Ints(Ints::from_slice(pads)));
    let mode = match layer.float("value")? {
        None | Some(0.0) => pad_mode(layer)?,
        Some(_) => PadMode::Other,
    };
    Ok(with(Op::Pad(mode, PadInputs::Separate), [Slot::Input(0), begin, end]))
}

/// Lengths as input or attribute, or as many parts as there are outputs.
fn split(layer: &Layer<'_>, by_input: bool) -> Result<Made> {
    let axis = Slot::Int(layer.int_or("axis", 0)?);
    let lengths = if by_input { Some(Slot::Input(1)) } else { layer.ints("split")?.map(Slot::Ints) };
    if let Some(lengths) = lengths {
        return Ok(with(Op::VariadicSplit, [Slot::Input(0), axis, lengths]));
    }
    let (parts, allow_uneven) = match layer.int("num_outputs")? {
        Some(parts) => (parts, true),
        None => (layer.outputs as i64, false),
    };
    let fits = u32::try_from(parts).ok().filter(|&parts| parts > 0);
    let parts = fits.ok_or_else(|| invalid("num_outputs", &parts.to_string(), "a positive number"))?;
    Ok(with(Op::Split { parts, allow_uneven }, [Slot::Input(0), axis]))
}

fn scatter_elements(layer: &Layer<'_>) -> Result<Made> {
    let op = Op::Scatter(plain_or(layer, Scatter::Elements, Scatter::ReducedElements)?);
    Ok(with(op, inputs(0..3).chain([Slot::Int(layer.int_or("axis", 0)?)])))
}

fn trilu(layer: &Layer<'_>) -> Result<Made> {
    Ok(Op::Trilu { is_upper: layer.flag("upper", true)? }.into())
}

fn plain_or(layer: &Layer<'_>, plain: Scatter, reduced: Scatter) -> Result<Scatter> {
    Ok(if matches!(layer.text("reduction")?, None | Some("none")) { plain } else { reduced })
}
