//! Operators that move data without computing: reshapes, joins, cuts.

use super::super::attributes::{Attributes, Result, invalid};
use super::convolution::{auto_pad, window};
use super::{Entry, op};
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::{
    BroadcastMode, PadInputs, PadMode, Pool, RegionYolo, ReshapeZero, StridedSlice, TileInputs, Window,
};

pub(super) const TABLE: &[Entry] = &[
    op(&[K::Reshape], "Reshape", 1, |layer| {
        let copies = layer.flag("special_zero", false)?;
        Ok(Op::Reshape(if copies { ReshapeZero::CopiesDim } else { ReshapeZero::IsZero }))
    }),
    // OpenVINO 2026.4 keeps an axis whose dim is not 1, whatever `allow_axis_skip` says.
    op(&[K::Squeeze], "Squeeze", 1, |_| Ok(Op::Squeeze { allow_axis_skip: true })),
    op(&[K::Squeeze], "Squeeze", 15, |_| Ok(Op::Squeeze { allow_axis_skip: true })),
    op(&[K::Unsqueeze], "Unsqueeze", 1, |_| Ok(Op::Unsqueeze)),
    op(&[K::Transpose], "Transpose", 1, |_| Ok(Op::Transpose)),
    op(&[K::Broadcast], "Broadcast", 1, broadcast),
    op(&[K::Broadcast], "Broadcast", 3, broadcast),
    op(&[K::Tile], "Tile", 1, |_| Ok(Op::Tile(TileInputs::Repeats))),
    op(&[K::Pad], "Pad", 1, pad),
    op(&[K::Pad], "Pad", 12, pad),
    op(&[K::Concat], "Concat", 1, |layer| Ok(Op::Concat { axis: layer.int("axis")? })),
    op(&[K::Split], "Split", 1, split),
    op(&[K::VariadicSplit], "VariadicSplit", 1, |_| Ok(Op::VariadicSplit)),
    op(&[K::Slice], "Slice", 8, |_| Ok(Op::Slice)),
    op(&[K::StridedSlice], "StridedSlice", 1, |layer| {
        Ok(Op::StridedSlice(Box::new(StridedSlice {
            begin_mask: layer.ints("begin_mask")?,
            end_mask: layer.ints("end_mask")?,
            new_axis_mask: layer.ints("new_axis_mask")?,
            shrink_axis_mask: layer.ints("shrink_axis_mask")?,
            ellipsis_mask: layer.ints("ellipsis_mask")?,
        })))
    }),
    op(&[K::DepthToSpace], "DepthToSpace", 1, |layer| {
        Ok(Op::DepthToSpace { block_size: layer.int_or("block_size", 1)? })
    }),
    op(&[K::SpaceToDepth], "SpaceToDepth", 1, |layer| {
        Ok(Op::SpaceToDepth { block_size: layer.int_or("block_size", 1)? })
    }),
    op(&[K::BatchToSpace], "BatchToSpace", 2, |_| Ok(Op::BatchToSpace)),
    op(&[K::SpaceToBatch], "SpaceToBatch", 2, |_| Ok(Op::SpaceToBatch)),
    op(&[K::ExtractImagePatches], "ExtractImagePatches", 3, |layer| {
        let (strides, dilations) = (layer.ints("strides")?, layer.ints("rates")?);
        let window = Window { strides, dilations, auto_pad: auto_pad(layer)?, ..Window::default() };
        Ok(Op::ExtractImagePatches(Box::new(Pool {
            kernel: layer.ints("sizes")?,
            window,
            ..Pool::default()
        })))
    }),
    op(&[K::Col2Im], "Col2Im", 15, |layer| {
        Ok(Op::Col2Im(Box::new(Pool { window: window(layer)?, ..Pool::default() })))
    }),
    op(&[K::ReorgYolo], "ReorgYolo", 1, |layer| {
        let strides = layer.ints("stride")?;
        let stride = strides.first().copied();
        let stride = stride.ok_or_else(|| invalid("stride", "", "one integer or several equal ones"))?;
        Ok(Op::ReorgYolo { stride })
    }),
    op(&[K::RegionYolo], "RegionYolo", 1, |layer| {
        Ok(Op::RegionYolo(Box::new(RegionYolo {
            axis: layer.int("axis")?,
            end_axis: layer.int("end_axis")?,
            coords: layer.int("coords")?,
            classes: layer.int("classes")?,
            num: layer.int("num")?,
            do_softmax: layer.flag("do_softmax", true)?,
            mask_len: layer.ints("mask")?.len() as i64,
        })))
    }),
];

fn pad(layer: &Attributes<'_, '_>) -> Result<Op> {
    let modes = [
        ("constant", PadMode::Constant),
        ("edge", PadMode::Other),
        ("reflect", PadMode::Other),
        ("symmetric", PadMode::Other),
    ];
    let expected = "constant, edge, reflect or symmetric";
    let mode = layer.word("pad_mode", &modes, PadMode::Constant, expected)?;
    Ok(Op::Pad(mode, PadInputs::Separate))
}

fn broadcast(layer: &Attributes<'_, '_>) -> Result<Op> {
    let axis = layer.int_or("axis", -1)?;
    let words = [
        ("numpy", BroadcastMode::Numpy),
        ("explicit", BroadcastMode::Explicit),
        ("none", BroadcastMode::Explicit),
        ("pdpd", BroadcastMode::Pdpd(axis)),
        ("bidirectional", BroadcastMode::Bidirectional),
    ];
    let mode = layer.word("mode", &words, BroadcastMode::Numpy, "numpy, explicit, pdpd or bidirectional")?;
    Ok(Op::Broadcast(mode))
}

fn split(layer: &Attributes<'_, '_>) -> Result<Op> {
    let parts = layer.int("num_splits")?;
    let fits = u32::try_from(parts).ok().filter(|&parts| parts > 0);
    let parts = fits.ok_or_else(|| invalid("num_splits", &parts.to_string(), "a positive number"))?;
    Ok(Op::Split { parts, allow_uneven: false })
}
