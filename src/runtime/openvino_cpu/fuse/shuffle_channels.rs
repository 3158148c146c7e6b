//! Channels that are shuffled by a Reshape, a Transpose and a Reshape.
//!
//! `[N, C, H, W] → [N, groups, C / groups, H, W] → groups and channels exchanged → [N, C, H, W]`, also with the spatial dims as
//! one, is one ShuffleChannels under the name of the last. All dims but the batch must be known.
//!
//! Source: `ShuffleChannelsFusion`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/common_optimizations/shuffle_channels_fusion.cpp.

use super::work::{Dim, Patch, Rule, Work};
use crate::graph::Op;
use crate::runtime::openvino_cpu::execution::Kind;

/// Joins the three nodes of a shuffle.
pub(super) const RULE: Rule = Rule {
    name: "shuffle-channels",
    source: "ShuffleChannelsFusion, src/common/transformations/src/transformations/common_optimizations/shuffle_channels_fusion.cpp",
    on: |node| matches!(node.op, Op::Reshape(_)),
    apply: fuse,
    repeats: false,
};

fn fuse(work: &Work<'_>, last: usize) -> Option<Patch> {
    let transpose = work.producer(last, 0).filter(|&node| work.nodes[node].kind == Kind::Transpose)?;
    let first = work.producer(transpose, 0)?;
    if !matches!(work.nodes[first].op, Op::Reshape(_)) {
        return None;
    }
    work.only_user(transpose)?;
    work.only_user(first)?;
    let data = work.nodes[first].input(0)?;
    let (dims, parted) = (&work.tensor(data).dims, &work.nodes[first].outputs.first()?.dims);
    let groups = groups(dims, parted)?;
    let order = work.ints(transpose, 1)?;
    let is_exchange = order.len() == parted.len() && [0, 2, 1, 3, 4].starts_with(order);
    if !is_exchange || !is_same_image(dims, &work.nodes[last].outputs.first()?.dims) {
        return None;
    }
    let mut patch = Patch::new(work);
    patch.change(last, move |node| {
        node.op = Op::ShuffleChannels { axis: 1, groups };
        node.kind = Kind::ShuffleChannels;
    });
    patch.set_inputs(last, [data]);
    Some(patch)
}

/// The number of groups that the channels of an image are parted into.
fn groups(image: &[Dim], parted: &[Dim]) -> Option<i64> {
    let [batch, channels, height, width] = image else { return None };
    let (new_batch, groups, rest) = match parted {
        [batch, groups, rest @ ..] => (batch, groups, rest),
        _ => return None,
    };
    let is_known = [channels, height, width, groups].iter().all(|dim| !dim.is_free());
    let sizes: Vec<u64> = rest.iter().map(|dim| dim.size()).collect();
    let own = channels.size().checked_div(groups.size())?;
    let fits = match sizes[..] {
        [channels, spatial] => channels == own && height.size().checked_mul(width.size()) == Some(spatial),
        [channels, rows, columns] => channels == own && (rows, columns) == (height.size(), width.size()),
        _ => false,
    };
    let fits = fits && is_known && batch.size() == new_batch.size() && own * groups.size() == channels.size();
    fits.then(|| i64::try_from(groups.size()).ok())?
}

/// Whether dims are those of an image, the batch's apart.
fn is_same_image(image: &[Dim], dims: &[Dim]) -> bool {
    dims.len() == image.len() && dims.iter().zip(image).all(|(dim, own)| dim.size() == own.size())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;
    use crate::graph::op::{AxisSpan, ReshapeZero};

    /// A shuffle of four channels in two groups, by this order.
    fn shuffled(order: &[i64]) -> Vec<String> {
        let (mut net, f32, image) = (Net::new(), DType::F32, [FREE, 4, 3, 3]);
        let x = net.input("x", f32, &image);
        let x = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[x], f32, &image);
        let parted = [FREE, 2, 2, 3, 3];
        let (apart, together) = (net.ints("apart", &[-1, 2, 2, 3, 3]), net.ints("together", &[-1, 4, 3, 3]));
        let reshape = || Op::Reshape(ReshapeZero::IsZero);
        let x = net.op("parted", reshape(), &[x, apart], f32, &parted);
        let order = net.ints("order", order);
        let x = net.op("exchanged", Op::Transpose, &[x, order], f32, &parted);
        let x = net.op("joined", reshape(), &[x, together], f32, &image);
        net.result("out", x);
        net.lines(DYNAMIC)
    }

    #[test]
    fn groups_that_are_exchanged_with_channels_are_one_node() {
        assert_eq!(shuffled(&[0, 2, 1, 3, 4]), ["Softmax softmax f32", "ShuffleChannels joined f32"]);
        assert_eq!(shuffled(&[0, 2, 1, 4, 3]).len(), 4);
    }
}
