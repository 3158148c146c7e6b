//! An exchange of input channels is folded into constants.
//!
//! A Gather that exchanges all channels, or a Concat of the three parts of a Split in another order, goes where each path from it
//! leads to convolutions, through arithmetic with constants, activations, paddings and transposes: filters and the
//! constants on the way, where they have a number per channel, are exchanged instead, which gives each a copy.
//!
//! Source: `ReverseInputChannelsFusion`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/common_optimizations/ric_fusion.cpp.

use super::work::{Build, Edge, Patch, Rule, Work};
use crate::graph::Op;
use crate::graph::op::{FilterLayout, Unary};
use crate::runtime::openvino_cpu::execution::Kind;

/// Removes exchanges of channels before convolutions.
pub(super) const RULE: Rule = Rule {
    name: "reverse-channels",
    source: "ReverseInputChannelsFusion, src/common/transformations/src/transformations/common_optimizations/ric_fusion.cpp",
    on: |node| matches!(node.op, Op::Gather { .. } | Op::Concat { .. }),
    apply: fold,
    repeats: false,
};

/// Nodes behind an exchange that are followed.
const MOST_FOLLOWED: usize = 64;

/// Conversions between a constant and what reads it.
const MOST_CONVERSIONS: usize = 4;

/// An exchange of elements along one axis.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Exchange {
    axis: usize,
    count: u64,
}

fn fold(work: &Work<'_>, node: usize) -> Option<Patch> {
    let (source, exchange) = of_gather(work, node).or_else(|| of_split(work, node))?;
    let mut constants = Vec::new();
    let mut open = vec![(node, exchange)];
    let mut followed = 0;
    while let Some((from, exchange)) = open.pop() {
        for &(user, input) in work.users(from).iter() {
            followed += 1;
            if followed > MOST_FOLLOWED {
                return None;
            }
            open.extend(pass(work, (user, input), exchange, &mut constants)?.map(|next| (user, next)));
        }
    }
    let mut patch = Patch::new(work);
    constants.sort_unstable();
    constants.dedup();
    for (user, input) in constants {
        let constant = work.nodes[user].input(input)?;
        let of = &work.nodes[constant.node()];
        let copy = patch.add_constant(work.tensor(constant).clone(), None, of.source);
        patch.rename(copy.node(), constant.node());
        patch.set_input(user, input, copy);
    }
    patch.replace(Edge::of(node), source);
    Some(patch)
}

fn of_gather(work: &Work<'_>, node: usize) -> Option<(Edge, Exchange)> {
    let of = &work.nodes[node];
    let Op::Gather { batch_dims: 0 } = of.op else { return None };
    let source = of.input(0)?;
    let dims = &work.tensor(source).dims;
    let &[axis] = work.ints(node, 2)? else { return None };
    let axis = usize::try_from(axis).ok()?;
    let dim = dims.get(axis)?.known().filter(|&size| size > 1)?;
    let indices = work.ints(node, 1)?;
    (indices.len() as u64 == dim && is_exchange(indices)).then_some((source, Exchange { axis, count: dim }))
}

fn of_split(work: &Work<'_>, node: usize) -> Option<(Edge, Exchange)> {
    let of = &work.nodes[node];
    let Op::Concat { axis } = of.op else { return None };
    let &[Some(first), Some(second), Some(third)] = of.inputs() else { return None };
    let parts = [first, second, third];
    let split = first.node();
    let is_part = |part: &Edge| part.node() == split;
    let is_split = matches!(work.nodes[split].op, Op::Split { parts: 3, .. }) && parts.iter().all(is_part);
    let ports = parts.map(|part| part.port() as i64);
    let is_only_reader = work.users(split).iter().all(|&(user, _)| user == node);
    if !is_split || !is_exchange(&ports) || !is_only_reader {
        return None;
    }
    let dims = &work.nodes[node].outputs.first()?.dims;
    let axis = usize::try_from(if axis < 0 { axis + dims.len() as i64 } else { axis }).ok()?;
    let dim = dims.get(axis)?.known().filter(|&size| size == 3)?;
    Some((work.nodes[split].input(0)?, Exchange { axis, count: dim }))
}

/// Whether each place is read once.
fn is_exchange(places: &[i64]) -> bool {
    let mut sorted = places.to_vec();
    sorted.sort_unstable();
    sorted.iter().enumerate().all(|(place, &found)| i64::try_from(place) == Ok(found))
}

/// What an exchange at an input of a node makes of its output: `None` if it cannot be folded, `Some(None)` if it ends here.
/// Constants that are exchanged instead, as uses of theirs, go to `constants`.
fn pass(
    work: &Work<'_>,
    (node, input): (usize, usize),
    exchange: Exchange,
    constants: &mut Vec<(usize, usize)>,
) -> Option<Option<Exchange>> {
    let of = &work.nodes[node];
    match &of.op {
        Op::ShapeOf { .. } => Some(None),
        Op::Binary(kind, _) if !kind.is_boolean() => {
            with_constants(work, (node, input), exchange, constants)?;
            Some(Some(exchange))
        }
        Op::FakeQuantize { .. } if input == 0 => {
            with_constants(work, (node, input), exchange, constants)?;
            Some(Some(exchange))
        }
        Op::Unary(unary) if is_arithmetic(*unary) => Some(Some(exchange)),
        Op::Convert { .. } => Some(Some(exchange)),
        Op::Pad(..) | Op::PRelu if input == 0 => Some(Some(exchange)),
        Op::Transpose if input == 0 => {
            let axis = work.ints(node, 1)?.iter().position(|&from| from == exchange.axis as i64)?;
            Some(Some(Exchange { axis, ..exchange }))
        }
        Op::Convolution(convolution) if input == 0 && exchange.axis == 1 => {
            constants.push(stored(work, (node, 1))?);
            match convolution.filters {
                FilterLayout::Plain | FilterLayout::Flat { groups: 1 } => return Some(None),
                FilterLayout::Flat { .. } => return None,
                FilterLayout::Grouped => {}
            }
            let &[group, channels, own, ..] = &work.tensor(of.input(1)?).sizes()[..] else { return None };
            let fits = own == 1 && group == exchange.count;
            fits.then_some(Some(Exchange { count: group.checked_mul(channels)?, ..exchange }))
        }
        _ => None,
    }
}

/// Whether it is a `UnaryElementwiseArithmetic` of the runtime.
fn is_arithmetic(unary: Unary) -> bool {
    !matches!(unary, Unary::Swish | Unary::QuickGelu | Unary::HardSigmoid | Unary::Selu | Unary::LogicalNot)
}

/// Finds the constants of a node that are exchanged with its data; `None` if another input is not constant.
fn with_constants(
    work: &Work<'_>,
    (node, data): (usize, usize),
    exchange: Exchange,
    constants: &mut Vec<(usize, usize)>,
) -> Option<()> {
    let of = &work.nodes[node];
    let rank = work.tensor(of.input(data)?).dims.len();
    for input in (0..of.inputs().len()).filter(|&input| input != data) {
        let edge = of.input(input)?;
        if !work.nodes[edge.node()].is_const() {
            return None;
        }
        let dims = &work.tensor(edge).dims;
        let before = rank.checked_sub(dims.len())?;
        let at = exchange.axis.checked_sub(before).and_then(|axis| dims.get(axis));
        if at.is_some_and(|dim| !dim.is(1)) {
            constants.push((node, input));
        }
    }
    Some(())
}

/// The use of the constant behind an input, through conversions.
fn stored(work: &Work<'_>, (mut node, mut input): (usize, usize)) -> Option<(usize, usize)> {
    for _ in 0..MOST_CONVERSIONS {
        let edge = work.nodes[node].input(input)?;
        let of = &work.nodes[edge.node()];
        match of.kind {
            Kind::Const => return Some((node, input)),
            Kind::Convert => (node, input) = (edge.node(), 0),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net, STATIC};
    use crate::DType;
    use crate::graph::Op;
    use crate::graph::op::{Binary, Broadcast, Convolution};
    use crate::ids::TensorId;
    use crate::runtime::openvino_cpu::fuse::Options;

    const DIMS: [i64; 4] = [FREE, 3, 8, 8];

    /// Channels in another order, what `between` makes of them, and a convolution.
    fn exchanged(
        order: &[i64],
        between: impl Fn(&mut Net, TensorId) -> TensorId,
        options: Options,
    ) -> Vec<String> {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, &DIMS);
        let (order, axis) = (net.ints("order", order), net.int("axis", 1));
        let x = net.op("reverse", Op::Gather { batch_dims: 0 }, &[x, order, axis], f32, &DIMS);
        let x = between(&mut net, x);
        let filters = net.weight("filters", f32, &[4, 3, 1, 1]);
        let convolution = Op::Convolution(Box::<Convolution>::default());
        let out = net.op("conv", convolution, &[x, filters], f32, &[FREE, 4, 8, 8]);
        net.result("out", out);
        net.lines(options)
    }

    fn has_gather(lines: &[String]) -> bool {
        lines.iter().any(|line| line.starts_with("Gather"))
    }

    #[test]
    fn filters_are_exchanged_instead() {
        for options in [DYNAMIC, STATIC] {
            assert!(!has_gather(&exchanged(&[2, 1, 0], |_, x| x, options)));
        }
        // A channel that is read twice.
        assert!(has_gather(&exchanged(&[2, 1, 1], |_, x| x, DYNAMIC)));
    }

    #[test]
    fn constants_on_the_way_are_too_and_what_returns_them_stops_it() {
        let mean = |net: &mut Net, x| {
            let mean = net.weight("mean", DType::F32, &[1, 3, 1, 1]);
            net.op("add", Op::Binary(Binary::Add, Broadcast::Numpy), &[x, mean], DType::F32, &DIMS)
        };
        assert!(!has_gather(&exchanged(&[2, 0, 1], mean, DYNAMIC)));
        let returned = |net: &mut Net, x| {
            net.result("returned", x);
            x
        };
        assert!(has_gather(&exchanged(&[2, 1, 0], returned, DYNAMIC)));
    }

    #[test]
    fn three_parts_in_another_order_are_an_exchange() {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, &DIMS);
        let axis = net.int("axis", 1);
        let part: &[i64] = &[FREE, 1, 8, 8];
        let parts =
            net.split("split", Op::Split { parts: 3, allow_uneven: false }, &[x, axis], f32, &[part; 3]);
        let x = net.op("concat", Op::Concat { axis: 1 }, &[parts[2], parts[1], parts[0]], f32, &DIMS);
        let filters = net.weight("filters", f32, &[4, 3, 1, 1]);
        let convolution = Op::Convolution(Box::<Convolution>::default());
        let out = net.op("conv", convolution, &[x, filters], f32, &[FREE, 4, 8, 8]);
        net.result("out", out);
        let lines = net.lines(DYNAMIC);
        assert!(!lines.iter().any(|line| line.contains("concat")), "{lines:?}");
    }
}
