//! The labels of an Einsum's operands.

use crate::runtime::openvino_cpu::fuse::work::Dim;
use rustc_hash::FxHashMap;

/// What names a dim: a letter, or the place under an ellipsis, counted from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Label {
    Letter(char),
    Ellipsis(usize),
}

/// Labels of all operands and of the result.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Equation {
    pub operands: Vec<Vec<Label>>,
    pub output: Vec<Label>,
}

impl Equation {
    /// Reads an equation for operands of these ranks; `None` if it does not fit them, or a label is repeated in an operand.
    pub(super) fn read(text: &str, ranks: &[usize]) -> Option<Equation> {
        let text: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
        let (operands, output) = match text.split_once("->") {
            Some((operands, output)) => (operands, Some(output)),
            None => (text.as_str(), None),
        };
        let texts: Vec<&str> = operands.split(',').collect();
        if texts.len() != ranks.len() {
            return None;
        }
        let operands: Vec<Vec<Label>> =
            texts.iter().zip(ranks).map(|(text, &rank)| labels(text, rank)).collect::<Option<_>>()?;
        let all = || operands.iter().flatten();
        let most = all().filter_map(|label| match label {
            Label::Ellipsis(place) => Some(place + 1),
            Label::Letter(_) => None,
        });
        let under_ellipsis = most.max().unwrap_or(0);
        let output = match output {
            Some(output) => {
                let letters = output.replace("...", "").len();
                let has_ellipsis = output.contains("...");
                labels(output, letters + if has_ellipsis { under_ellipsis } else { 0 })?
            }
            None => {
                let mut counts: FxHashMap<Label, usize> = FxHashMap::default();
                all().for_each(|&label| *counts.entry(label).or_default() += 1);
                let once = |label: &&Label| counts.get(*label) == Some(&1);
                let mut letters: Vec<char> = all().filter(once).filter_map(|label| label.letter()).collect();
                letters.sort_unstable();
                let ellipsis = (0..under_ellipsis).rev().map(Label::Ellipsis);
                ellipsis.chain(letters.into_iter().map(Label::Letter)).collect()
            }
        };
        output.iter().all(|label| all().any(|other| other == label)).then_some(Equation { operands, output })
    }
}

impl Label {
    fn letter(self) -> Option<char> {
        match self {
            Label::Letter(letter) => Some(letter),
            Label::Ellipsis(_) => None,
        }
    }
}

/// One label for each of `rank` dims; `None` if they do not fit, or one is repeated.
fn labels(text: &str, rank: usize) -> Option<Vec<Label>> {
    let letters = |text: &str| -> Vec<Label> { text.chars().map(Label::Letter).collect() };
    let found = match text.split_once("...") {
        Some((before, after)) => {
            let (before, after) = (letters(before), letters(after));
            let under = rank.checked_sub(before.len() + after.len())?;
            [before, (0..under).rev().map(Label::Ellipsis).collect(), after].concat()
        }
        None => letters(text),
    };
    let is_letter = |label: &Label| label.letter().is_none_or(|letter| letter.is_ascii_alphabetic());
    let is_unique = |(place, label): (usize, &Label)| !found[..place].contains(label);
    let fits = found.len() == rank && found.iter().all(is_letter) && found.iter().enumerate().all(is_unique);
    fits.then_some(found)
}

/// Which labels of two operands are in both and stay, are in one alone, and are in both and summed over.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Groups {
    /// In both, with those that are summed over, in the order of the first operand.
    pub shared: Vec<Label>,
    pub common: Vec<Label>,
    pub reduced: Vec<Label>,
    pub separate: [Vec<Label>; 2],
}

impl Groups {
    /// Sorts the labels of two operands; `stays` says which others read.
    pub(super) fn of(first: &[Label], second: &[Label], stays: impl Fn(Label) -> bool) -> Groups {
        let mut groups = Groups::default();
        for &label in first {
            if !second.contains(&label) {
                groups.separate[0].push(label);
                continue;
            }
            groups.shared.push(label);
            let group = if stays(label) { &mut groups.common } else { &mut groups.reduced };
            group.push(label);
        }
        groups.separate[1] = second.iter().copied().filter(|label| !first.contains(label)).collect();
        groups
    }

    /// The order that an operand needs for a product, and whether what is its own comes before what is summed over.
    pub(super) fn order(&self, operand: usize, labels: &[Label]) -> (Vec<Label>, bool) {
        let of = |groups: [&[Label]; 3]| groups.concat();
        let (common, own, reduced) = (&self.common[..], &self.separate[operand][..], &self.reduced[..]);
        let reduced_first = of([common, reduced, own]);
        if reduced_first == labels {
            return (reduced_first, false);
        }
        (of([common, own, reduced]), true)
    }
}

/// Positions of `wanted` in `labels`.
pub(super) fn places(labels: &[Label], wanted: &[Label]) -> Option<Vec<usize>> {
    wanted.iter().map(|label| labels.iter().position(|own| own == label)).collect()
}

/// The larger of two dims that are equal or 1: one that is known and not 1 is that of both.
pub(super) fn larger(a: Dim, b: Dim) -> Dim {
    let decides = |dim: Dim| dim.known().is_some_and(|size| size != 1);
    match (decides(a), decides(b)) {
        (true, _) => a,
        (false, true) => b,
        _ if a.known().is_some() => b,
        _ if b.known().is_some() || a.is_size_of(b) || b.is(1) => a,
        _ => b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(text: &str) -> Vec<Label> {
        text.chars().map(Label::Letter).collect()
    }

    #[test]
    fn equations_are_read_by_ranks() {
        let read = Equation::read("b...d, d -> b...", &[4, 1]).unwrap();
        let [b, d] = ['b', 'd'].map(Label::Letter);
        assert_eq!(read.operands, [vec![b, Label::Ellipsis(1), Label::Ellipsis(0), d], vec![d]]);
        assert_eq!(read.output, [b, Label::Ellipsis(1), Label::Ellipsis(0)]);
        assert_eq!(Equation::read("ij,jk", &[2, 2]).unwrap().output, letters("ik"));
        for (text, ranks) in [("ii->i", &[2][..]), ("ij->i", &[3]), ("ij,jk->ik", &[2]), ("ij->k", &[2])] {
            assert_eq!(Equation::read(text, ranks), None, "{text}");
        }
    }

    #[test]
    fn labels_are_in_groups() {
        let (first, second) = (letters("bqhd"), letters("bkhd"));
        let groups = Groups::of(&first, &second, |label| letters("bhqk").contains(&label));
        assert_eq!((&groups.common, &groups.reduced), (&letters("bh"), &letters("d")));
        assert_eq!(groups.order(0, &first), (letters("bhqd"), true));
        // As it is, with what is summed over first.
        let groups = Groups::of(&letters("bij"), &letters("bjk"), |label| letters("bik").contains(&label));
        assert_eq!(groups.order(1, &letters("bjk")), (letters("bjk"), false));
    }
}
