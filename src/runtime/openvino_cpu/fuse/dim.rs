//! A dim while the graph is rewritten, and what the passes asked of those that are free.
//!
//! A model is compiled once, and what becomes of it depends on few sizes of a run. A free dim remembers which dim of the file
//! it is, and its size cannot be read but by a question. Between [`listen`] and its end, questions are kept with their
//! answers: a run whose sizes give the same answers has the same executed graph, with its own sizes in the place of the
//! free dims. [`template`](super::template) makes use of it.

use crate::ids::TensorId;
use rustc_hash::FxHashSet;
use std::cell::RefCell;

/// One dim of a tensor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dim {
    size: u64,
    origin: Origin,
}

/// Which dim of the file a dim is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Origin {
    /// It was known when the model was compiled.
    Fixed,
    /// It was free: a dim of a tensor of the file. Its fields are here, and not a [`Place`], because a dim is half as large again
    /// with one.
    Model {
        /// The tensor.
        tensor: TensorId,
        /// The axis.
        axis: u16,
    },
    /// It was free, and a pass found it from sizes that it asked for.
    Found,
}

/// A dim of a tensor of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// The tensor.
    pub tensor: TensorId,
    /// The axis.
    pub axis: u16,
}

/// A question that a pass asked of a run, with its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Question {
    /// What is the size?
    Size(Place, u64),
    /// Is the size this number?
    Is(Place, u64, bool),
    /// Are the two sizes equal?
    Same(Place, Place, bool),
    /// What is that element of a tensor? `None`: not known.
    Element(TensorId, u16, Option<i64>),
    /// Is that element of a tensor this size?
    IsElement(TensorId, u16, Place, bool),
}

thread_local! {
    /// What was asked on this thread since [`listen`]. It is not a part of the graph, because dims are compared and
    /// read where no graph is at hand.
    static ASKED: RefCell<Option<FxHashSet<Question>>> = const { RefCell::new(None) };
}

/// Keeps the questions that `passes` ask.
pub(super) fn listen<T>(passes: impl FnOnce() -> T) -> (T, FxHashSet<Question>) {
    let before = ASKED.replace(Some(FxHashSet::default()));
    let made = passes();
    (made, ASKED.replace(before).unwrap_or_default())
}

/// Keeps a question, where somebody listens.
pub(super) fn ask(question: Question) {
    ASKED.with_borrow_mut(|asked| {
        if let Some(asked) = asked {
            asked.insert(question);
        }
    });
}

impl Dim {
    /// A dim that was known when the model was compiled.
    pub(super) const fn fixed(size: u64) -> Dim {
        Dim { size, origin: Origin::Fixed }
    }

    /// A free dim of the file.
    pub(super) fn free(size: u64, place: Place) -> Dim {
        let Place { tensor, axis } = place;
        Dim { size, origin: Origin::Model { tensor, axis } }
    }

    /// A free dim whose size a pass found from the answers to its questions.
    pub(super) fn found(size: u64) -> Dim {
        Dim { size, origin: Origin::Found }
    }

    /// Whether it was free when the model was compiled.
    pub(super) fn is_free(self) -> bool {
        self.origin != Origin::Fixed
    }

    /// Its size where that was known when the model was compiled.
    pub(super) fn known(self) -> Option<u64> {
        (!self.is_free()).then_some(self.size)
    }

    /// Its size in this run.
    pub(super) fn size(self) -> u64 {
        if let Some(place) = self.place() {
            ask(Question::Size(place, self.size));
        }
        self.size
    }

    /// Whether its size is this number in this run.
    pub(super) fn is(self, size: u64) -> bool {
        let is_it = self.size == size;
        if let Some(place) = self.place() {
            ask(Question::Is(place, size, is_it));
        }
        is_it
    }

    /// Whether two dims have the same size in this run.
    pub(super) fn is_size_of(self, other: Dim) -> bool {
        let is_same = self.size == other.size;
        match (self.place(), other.place()) {
            (Some(own), Some(other)) if own != other => ask(Question::Same(own, other, is_same)),
            (Some(place), None) => ask(Question::Is(place, other.size, is_same)),
            (None, Some(place)) => ask(Question::Is(place, self.size, is_same)),
            _ => {}
        }
        is_same
    }

    /// As free as it is, with a size that was found from the answers to questions.
    pub(super) fn resized(self, size: u64) -> Dim {
        if self.is_free() { Dim::found(size) } else { Dim::fixed(size) }
    }

    /// The dim where an element of a tensor of the file asks for its size; resized to any other that it asks for.
    pub(super) fn asked_for(self, tensor: TensorId, at: u16, element: i64) -> Dim {
        let is_same = u64::try_from(element) == Ok(self.size);
        ask(match self.place() {
            Some(place) => Question::IsElement(tensor, at, place, is_same),
            None => Question::Element(tensor, at, Some(element)),
        });
        if is_same {
            return self;
        }
        ask(Question::Element(tensor, at, Some(element)));
        u64::try_from(element).map_or(self, |size| self.resized(size))
    }

    /// Which dim of the file it is, if it was free; nothing is asked.
    pub(super) fn place(self) -> Option<Place> {
        match self.origin {
            Origin::Model { tensor, axis } => Some(Place { tensor, axis }),
            Origin::Fixed | Origin::Found => None,
        }
    }

    /// Its size in another run, in which dims of the file have these sizes; nothing is asked.
    pub(super) fn in_run(self, size: impl Fn(Place) -> u64) -> u64 {
        self.place().map_or(self.size, size)
    }

    /// Its size, to be replaced by that of another run; nothing is asked.
    pub(super) fn replaceable(self) -> u64 {
        self.size
    }
}

/// Both free or both known, and of one size in this run.
impl PartialEq for Dim {
    fn eq(&self, other: &Dim) -> bool {
        self.is_free() == other.is_free() && self.is_size_of(*other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(tensor: usize) -> Place {
        Place { tensor: TensorId::new(tensor), axis: 0 }
    }

    #[test]
    fn questions_about_free_dims_are_kept() {
        let (a, b) = (Dim::free(7, place(0)), Dim::free(7, place(1)));
        let (answers, asked) =
            listen(|| (a == b, a == a, a.is(1), b.size(), Dim::fixed(7).size(), a == Dim::fixed(7)));
        assert_eq!(answers, (true, true, false, 7, 7, false));
        let expected = [
            Question::Same(place(0), place(1), true),
            Question::Is(place(0), 1, false),
            Question::Size(place(1), 7),
        ];
        assert_eq!(asked, expected.into_iter().collect());
    }

    #[test]
    fn nothing_is_kept_while_nobody_listens() {
        assert!(Dim::free(7, place(0)).is(7));
        let ((), asked) = listen(|| {});
        assert!(asked.is_empty());
    }

    #[test]
    fn a_listener_inside_another_has_its_own_questions() {
        let ((), asked) = listen(|| {
            let ((), inner) = listen(|| _ = Dim::free(7, place(0)).is(1));
            assert_eq!(inner.len(), 1);
        });
        assert!(asked.is_empty());
    }

    #[test]
    fn a_dim_takes_two_words() {
        assert_eq!(size_of::<Dim>(), 16);
    }
}
