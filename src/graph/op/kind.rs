//! Which operator one is, without its attributes: its name, its family, its shape class and its fewest ports.

use super::table::operator_table;

macro_rules! define_kinds {
    ($($(#[$family_doc:meta])* $family:ident {
        $($name:ident: $class:ident, $inputs:literal -> $outputs:literal $(, ($pattern:pat))?;)*
    })*) => {
        /// Which operator an [`Op`](super::Op) is, without its attributes: what rules and kernels are keyed by.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[allow(missing_docs)] // The names are those of the operators' specifications.
        pub enum OpKind {
            $($($name,)*)*
        }

        /// Families of operators, as the documentation groups them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Family {
            $($(#[$family_doc])* $family,)*
        }

        impl OpKind {
            /// Every operator, in the table's order.
            pub const ALL: &'static [OpKind] = &[$($(OpKind::$name,)*)*];

            /// The canonical name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $($(OpKind::$name => stringify!($name),)*)*
                }
            }

            /// The family that the documentation lists it under.
            #[must_use]
            pub fn family(self) -> Family {
                match self {
                    $($(OpKind::$name => Family::$family,)*)*
                }
            }

            /// The class of shape rules that its shape is inferred by.
            #[must_use]
            pub fn shape_class(self) -> ShapeClass {
                match self {
                    $($(OpKind::$name => ShapeClass::$class,)*)*
                }
            }

            /// The fewest inputs and outputs that a node of it has.
            #[must_use]
            pub fn fewest_ports(self) -> (usize, usize) {
                match self {
                    $($(OpKind::$name => ($inputs, $outputs),)*)*
                }
            }
        }
    };
}

operator_table!(define_kinds);

/// Classes of shape rules: one file of `shape::rules` each. Only the shape dispatcher asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ShapeClass {
    /// Inputs, outputs, constants, state; what passes its inputs through.
    Plumbing,
    /// Control flow: the engine walks the bodies.
    Control,
    /// No rule: outputs have the shapes that the file declares.
    Declared,
    /// Element-wise, with broadcasting or without.
    Elementwise,
    /// The first output has the dims and the type of the first input.
    SameAsInput,
    /// Each output has the dims of some input, or of a part of them.
    LikeInputs,
    /// The inner operator's rule, and a type of its own.
    Quantized,
    /// Matrix products and what is reckoned with them.
    MatMul,
    /// Convolutions.
    Convolution,
    /// Pools.
    Pooling,
    /// Reductions, extremes, losses.
    Reduction,
    /// New dims for the same elements.
    Reshape,
    /// Copies and surrounds data.
    Broadcast,
    /// Joins and cuts.
    Slicing,
    /// Picks and places by index.
    Gather,
    /// Moves between space and depth or batch.
    Space,
    /// Detection and regions of interest.
    Detection,
    /// Shapes, indices, fresh tensors.
    Source,
    /// The largest or smallest elements.
    TopK,
    /// Resizing and images.
    Interpolate,
    /// Recurrent cells and sequences.
    Recurrent,
    /// Attention of separate query, key and value; rotation; root-mean-square norm.
    Attention,
    /// Attention with heads packed in the last dim.
    MultiHead,
    /// Sequences of tensors.
    List,
    /// Features and texts.
    Features,
    /// Fourier transforms.
    Signal,
    /// Embedding bags, CTC, segments, strings.
    Sequence,
}

impl OpKind {
    /// Whether no shape rule covers it, so that outputs take the shapes that the file declares.
    #[must_use]
    pub fn is_opaque(self) -> bool {
        self.shape_class() == ShapeClass::Declared && self != OpKind::Executed
    }
}
