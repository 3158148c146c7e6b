//! Dense indices, one type per table, so that a node can never be used as a tensor.

macro_rules! define_index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u32);

        impl $name {
            /// The index of position `index`.
            ///
            /// # Panics
            ///
            /// If `index` does not fit 32 bits; the readers' caps keep every table far below that.
            #[must_use]
            pub fn new(index: usize) -> Self {
                Self(u32::try_from(index).expect("tables are capped below 2^32 entries"))
            }

            /// The position in its table.
            #[must_use]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

define_index!(
    /// A node of a [`Graph`](crate::graph::Graph).
    NodeId
);
define_index!(
    /// A tensor of a [`Graph`](crate::graph::Graph): one output of one node.
    TensorId
);
define_index!(
    /// A variable (state that outlives a run) of a [`Graph`](crate::graph::Graph).
    VariableId
);
define_index!(
    /// A value of a [`Schedule`](crate::schedule::Schedule).
    ValueId
);
define_index!(
    /// A storage of a [`Schedule`](crate::schedule::Schedule): bytes that one or more values share.
    StorageId
);
define_index!(
    /// A buffer of a [`Problem`](crate::problem::Problem).
    BufferId
);
