//! Pads in front of convolutions and average pools.
//!
//! Zeros around the image, of a Pad that nothing else reads, are part of the window's own pads. An average takes them
//! only if it has none of its own.
//!
//! Source: `PadFusion`, OpenVINO 2026.4, src/common/transformations/src/transformations/common_optimizations/pad_fusion.cpp.

use super::work::{Patch, Rule, Work};
use crate::graph::Op;
use crate::graph::op::{AutoPad, Ints, PadInputs, PadMode, PoolKind, Window};

/// Takes Pads into windows.
pub(super) const RULE: Rule = Rule {
    name: "pads",
    source: "PadFusion, src/common/transformations/src/transformations/common_optimizations/pad_fusion.cpp",
    on: |node| matches!(node.op, Op::Convolution(_) | Op::Pool(_)),
    apply: fuse,
    repeats: false,
};

fn fuse(work: &Work<'_>, node: usize) -> Option<Patch> {
    let pad = work.producer(node, 0)?;
    let Op::Pad(PadMode::Constant, PadInputs::Separate) = work.nodes[pad].op else { return None };
    work.only_user(pad)?;
    let [begin, end] = [1, 2].map(|input| spatial(work, pad, input));
    let (begin, end) = (begin?, end?);
    if work.number(pad, 3)? != 0.0 {
        return None;
    }
    let mut op = work.nodes[node].op.clone();
    match &mut op {
        Op::Convolution(convolution) => widen(&mut convolution.window, &begin, &end)?,
        Op::Pool(pool) if pool.kind == PoolKind::Average => {
            // Whether pads of its own count for the mean is not known here.
            if ![&pool.window.pads_begin, &pool.window.pads_end].iter().all(|pads| is_zero(pads)) {
                return None;
            }
            widen(&mut pool.window, &begin, &end)?;
        }
        _ => return None,
    }
    let data = work.nodes[pad].input(0)?;
    let mut patch = Patch::new(work);
    patch.change(node, move |node| node.op = op);
    patch.set_input(node, 0, data);
    Some(patch)
}

/// The pads of the spatial dims; `None` where others are padded, or something is cut.
fn spatial(work: &Work<'_>, pad: usize, input: usize) -> Option<Vec<i64>> {
    let (others, spatial) = work.ints(pad, input)?.split_at_checked(2)?;
    (is_zero(others) && spatial.iter().all(|&pad| pad >= 0)).then(|| spatial.to_vec())
}

fn is_zero(pads: &[i64]) -> bool {
    pads.iter().all(|&pad| pad == 0)
}

/// Adds pads to a window's own, which must be written down.
fn widen(window: &mut Window, begin: &[i64], end: &[i64]) -> Option<()> {
    if window.auto_pad != AutoPad::Explicit {
        return None;
    }
    let sum = |own: &Ints, more: &[i64]| -> Option<Ints> {
        let own = own.iter().copied().chain(std::iter::repeat(0));
        more.iter().zip(own).map(|(&more, own)| own.checked_add(more)).collect()
    };
    let pads = (sum(&window.pads_begin, begin)?, sum(&window.pads_end, end)?);
    (window.pads_begin, window.pads_end) = pads;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;
    use crate::graph::op::Convolution;

    fn padded(pads: &[i64; 4], value: f64) -> Vec<String> {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, &[FREE, 4, 6, 6]);
        let (begin, end) = (net.ints("begin", pads), net.ints("end", pads));
        let value = net.number("value", value);
        let dims: Vec<i64> = [FREE, 4, 6, 6]
            .iter()
            .zip(pads)
            .map(|(&dim, &pad)| if dim == FREE { dim } else { dim + 2 * pad })
            .collect();
        let op = Op::Pad(PadMode::Constant, PadInputs::Separate);
        let x = net.op("pad", op, &[x, begin, end, value], f32, &dims);
        let filters = net.weight("filters", f32, &[4, dims[1], 3, 3]);
        let made = Op::Convolution(Box::<Convolution>::default());
        let out = net.op("conv", made, &[x, filters], f32, &[FREE, 4, dims[2] - 2, dims[3] - 2]);
        net.result("out", out);
        net.lines(DYNAMIC)
    }

    #[test]
    fn zeros_around_the_image_are_pads_of_the_convolution() {
        let lines = padded(&[0, 0, 1, 1], 0.0);
        assert!(!lines.iter().any(|line| line.starts_with("Pad")), "{lines:?}");
    }

    #[test]
    fn other_numbers_and_padded_channels_stay() {
        for lines in [padded(&[0, 0, 1, 1], 1.0), padded(&[0, 1, 1, 1], 0.0)] {
            assert!(lines.iter().any(|line| line.starts_with("Pad")), "{lines:?}");
        }
    }
}
