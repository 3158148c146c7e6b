//! A graph of ggml: tensors with their operator, in the order in which they are computed.
//!
//! An operator makes a tensor; [`Graph::expand`] puts it and what it needs into the graph's lists. A tensor that nothing
//! computes (a weight, a cache, an input) is a leaf.
//!
//! Source: ggml 0.25.3, ggml/src/ggml.c (`ggml_visit_parents_graph`, `ggml_nbytes`).

use crate::dtype::GgmlType;
use crate::error::{Error, ErrorKind, Result};
use crate::units::Bytes;
use smallvec::SmallVec;

/// A tensor of a graph, by position in [`Graph::tensors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id(u32);

impl Id {
    /// The position in [`Graph::tensors`].
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What computes a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Op {
    /// Nothing: a leaf.
    None,
    /// A part of another tensor.
    View,
    /// The same elements under other dims.
    Reshape,
    /// The same elements with dims in another order.
    Permute,
    /// The same, the first two.
    Transpose,
    /// A copy in order.
    Cont,
    /// A copy into another tensor, or of another type.
    Cpy,
    /// Rows by number.
    GetRows,
    /// Writes rows by number.
    SetRows,
    /// Layer norm.
    Norm,
    /// Root mean square norm.
    RmsNorm,
    /// Sum.
    Add,
    /// Sum with rows by number.
    AddId,
    /// Difference.
    Sub,
    /// Product by element.
    Mul,
    /// Quotient.
    Div,
    /// Product with a number.
    Scale,
    /// Square.
    Sqr,
    /// Square root.
    Sqrt,
    /// A function of each element.
    Unary,
    /// Gated activation.
    Glu,
    /// Matrix product.
    MulMat,
    /// Matrix product with matrices by number.
    MulMatId,
    /// Softmax.
    SoftMax,
    /// Rotary positions.
    Rope,
    /// Attention in one step.
    FlashAttention,
    /// Tensors side by side.
    Concat,
    /// A tensor repeated.
    Repeat,
    /// A tensor with zeros behind it.
    Pad,
    /// Order of elements.
    Argsort,
    /// Sums of rows.
    SumRows,
    /// Means of rows.
    Mean,
    /// Bounds.
    Clamp,
    /// One number everywhere.
    Fill,
    /// Convolution of a state-space model.
    SsmConv,
    /// Scan of a state-space model.
    SsmScan,
    /// The gated delta rule.
    GatedDeltaNet,
    /// The squares of an image, one row each.
    Im2Col,
    /// An image of another size.
    Upscale,
    /// Means of squares.
    Pool,
}

impl Op {
    /// The name, as ggml prints it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Op::None => "NONE",
            Op::View => "VIEW",
            Op::Reshape => "RESHAPE",
            Op::Permute => "PERMUTE",
            Op::Transpose => "TRANSPOSE",
            Op::Cont => "CONT",
            Op::Cpy => "CPY",
            Op::GetRows => "GET_ROWS",
            Op::SetRows => "SET_ROWS",
            Op::Norm => "NORM",
            Op::RmsNorm => "RMS_NORM",
            Op::Add => "ADD",
            Op::AddId => "ADD_ID",
            Op::Sub => "SUB",
            Op::Mul => "MUL",
            Op::Div => "DIV",
            Op::Scale => "SCALE",
            Op::Sqr => "SQR",
            Op::Sqrt => "SQRT",
            Op::Unary => "UNARY",
            Op::Glu => "GLU",
            Op::MulMat => "MUL_MAT",
            Op::MulMatId => "MUL_MAT_ID",
            Op::SoftMax => "SOFT_MAX",
            Op::Rope => "ROPE",
            Op::FlashAttention => "FLASH_ATTN_EXT",
            Op::Concat => "CONCAT",
            Op::Repeat => "REPEAT",
            Op::Pad => "PAD",
            Op::Argsort => "ARGSORT",
            Op::SumRows => "SUM_ROWS",
            Op::Mean => "MEAN",
            Op::Clamp => "CLAMP",
            Op::Fill => "FILL",
            Op::SsmConv => "SSM_CONV",
            Op::SsmScan => "SSM_SCAN",
            Op::GatedDeltaNet => "GATED_DELTA_NET",
            Op::Im2Col => "IM2COL",
            Op::Upscale => "UPSCALE",
            Op::Pool => "POOL_2D",
        }
    }

    /// Whether it computes nothing.
    pub(super) fn is_no_op(self) -> bool {
        matches!(self, Op::None | Op::View | Op::Reshape | Op::Permute | Op::Transpose)
    }

    /// Whether the result may take the place of an operand.
    ///
    /// Source: ggml/src/ggml-impl.h and ggml-alloc.c (`ggml_op_can_inplace`).
    pub(super) fn is_in_place(self) -> bool {
        matches!(
            self,
            Op::Fill
                | Op::Scale
                | Op::Add
                | Op::AddId
                | Op::Sub
                | Op::Mul
                | Op::Div
                | Op::Sqr
                | Op::Sqrt
                | Op::Unary
                | Op::Rope
                | Op::RmsNorm
                | Op::Clamp
                | Op::SoftMax
        )
    }
}

/// Where a tensor's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// In the compute buffer, or in the tensor that it is a view of.
    Compute,
    /// In a model buffer: the weight of this number.
    Weight(u32),
    /// In a cache: the tensor of this number.
    Cache(u32),
}

/// The backend that an operator is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pin {
    /// Any.
    None,
    /// That of a layer.
    Layer(u32),
    /// The CPU, where caches are not on devices.
    Host,
}

/// Sources of a tensor.
pub(super) type Sources = SmallVec<[Id; 4]>;

/// A tensor.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    /// What computes it.
    pub(super) op: Op,
    /// Type of its elements.
    pub(super) dtype: GgmlType,
    /// Its dims, the fastest first.
    pub(super) ne: [u64; 4],
    /// Bytes from one element, row, … to the next.
    pub(super) nb: [u64; 4],
    /// What it is computed of.
    pub(super) sources: Sources,
    /// The tensor that holds its bytes, if it is a view, and the place in it.
    pub(super) view: Option<(Id, u64)>,
    /// Where its bytes are.
    pub(super) place: Place,
    /// Set before the graph runs.
    pub(super) is_input: bool,
    /// Read after the graph ran, so that its bytes are never reused.
    pub(super) is_output: bool,
    /// Name without its layer.
    pub(super) name: &'static str,
    /// Layer that it belongs to.
    pub(super) layer: Option<u32>,
    /// Where it is computed, if that is fixed.
    pub(super) pin: Pin,
}

impl Tensor {
    /// Number of elements.
    pub(super) fn elements(&self) -> u64 {
        self.ne.iter().fold(1, |product, &dim| product.saturating_mul(dim))
    }

    /// Bytes from the first element to the last.
    pub(super) fn bytes(&self) -> u64 {
        if self.ne.contains(&0) {
            return 0;
        }
        let rows = |from: usize| -> u64 {
            (from..4).map(|i| (self.ne[i] - 1).saturating_mul(self.nb[i])).fold(0, u64::saturating_add)
        };
        match self.dtype.elements() {
            1 => self.dtype.block_bytes().saturating_add(rows(0)),
            elements => (self.ne[0].saturating_mul(self.nb[0]) / elements).saturating_add(rows(1)),
        }
    }

    /// Bytes of its elements in order.
    fn packed(&self) -> u64 {
        row(self.dtype, self.ne[0])
            .saturating_mul(self.ne[1..].iter().fold(1, |rows, &dim| rows.saturating_mul(dim)))
    }

    /// Bytes of the buffer that ggml's allocator gives it.
    pub(super) fn padded(&self) -> u64 {
        Bytes(self.bytes()).align_up(ALIGNMENT).0
    }

    /// Whether its elements are in order without gaps.
    pub(super) fn is_contiguous(&self) -> bool {
        self.nb == strides(self.dtype, self.ne)
    }
}

/// Alignment of tensors in CPU buffers.
///
/// Source: ggml/src/ggml-backend.cpp (`TENSOR_ALIGNMENT`).
pub(super) const ALIGNMENT: u64 = 32;

/// Strides of elements in order.
pub(super) fn strides(dtype: GgmlType, ne: [u64; 4]) -> [u64; 4] {
    let row = dtype.block_bytes().saturating_mul(ne[0] / dtype.elements());
    let plane = row.saturating_mul(ne[1]);
    [dtype.block_bytes(), row, plane, plane.saturating_mul(ne[2])]
}

/// Bytes of a row of `elements`.
pub(super) fn row(dtype: GgmlType, elements: u64) -> u64 {
    dtype.block_bytes().saturating_mul(elements) / dtype.elements()
}

/// Tensors, and the lists of those that the graph needs.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    /// Every tensor that was made.
    pub(super) tensors: Vec<Tensor>,
    /// Tensors that something computes, in order.
    pub(super) nodes: Vec<Id>,
    /// Tensors that nothing computes, in the order in which they are found.
    pub(super) leafs: Vec<Id>,
    visited: Vec<bool>,
    /// The layer of tensors that are made now.
    pub(super) layer: Option<u32>,
}

impl Graph {
    /// The tensor of this number.
    pub(super) fn get(&self, id: Id) -> &Tensor {
        &self.tensors[id.index()]
    }

    /// Dims of a tensor.
    pub(super) fn ne(&self, id: Id) -> [u64; 4] {
        self.get(id).ne
    }

    /// Names a tensor.
    pub(super) fn name(&mut self, id: Id, name: &'static str) -> Id {
        self.tensors[id.index()].name = name;
        id
    }

    /// Binds an operator to a backend.
    pub(super) fn pin(&mut self, id: Id, pin: Pin) {
        self.tensors[id.index()].pin = pin;
    }

    /// Marks a tensor that is read after the graph ran.
    pub(super) fn set_output(&mut self, id: Id) {
        self.tensors[id.index()].is_output = true;
    }

    /// Adds a tensor whose elements are in order.
    pub(super) fn make(&mut self, op: Op, dtype: GgmlType, ne: [u64; 4], sources: &[Id]) -> Id {
        self.push(Tensor {
            op,
            dtype,
            ne,
            nb: strides(dtype, ne),
            sources: Sources::from_slice(sources),
            view: None,
            place: Place::Compute,
            is_input: false,
            is_output: false,
            name: "",
            layer: self.layer,
            pin: Pin::None,
        })
    }

    /// Adds a tensor that shares the bytes of `of`, at `offset` of it.
    pub(super) fn view_of(
        &mut self,
        op: Op,
        of: Id,
        (ne, nb): ([u64; 4], [u64; 4]),
        offset: u64,
        sources: &[Id],
    ) -> Id {
        let parent = self.get(of);
        let (root, before) = parent.view.unwrap_or((of, 0));
        let (dtype, place) = (parent.dtype, parent.place);
        let made = self.make(op, dtype, ne, sources);
        let tensor = &mut self.tensors[made.index()];
        tensor.nb = nb;
        tensor.place = place;
        tensor.view = Some((root, before.saturating_add(offset)));
        made
    }

    /// Adds an input.
    pub(super) fn input(&mut self, name: &'static str, dtype: GgmlType, ne: [u64; 4]) -> Id {
        let made = self.make(Op::None, dtype, ne, &[]);
        let tensor = &mut self.tensors[made.index()];
        tensor.is_input = true;
        tensor.name = name;
        tensor.layer = None;
        made
    }

    /// Adds a tensor with memory outside of the compute buffer.
    pub(super) fn external(&mut self, name: &'static str, dtype: GgmlType, ne: [u64; 4], place: Place) -> Id {
        let made = self.make(Op::None, dtype, ne, &[]);
        let tensor = &mut self.tensors[made.index()];
        tensor.place = place;
        tensor.name = name;
        made
    }

    /// Puts a tensor and all that it is computed of into the lists, sources first, each once.
    pub(super) fn expand(&mut self, id: Id) {
        self.visited.resize(self.tensors.len(), false);
        let mut open: Vec<(Id, usize)> = Vec::new();
        if !std::mem::replace(&mut self.visited[id.index()], true) {
            open.push((id, 0));
        }
        while let Some((now, next)) = open.last_mut() {
            let now = *now;
            match self.tensors[now.index()].sources.get(*next) {
                Some(&source) => {
                    *next += 1;
                    if !std::mem::replace(&mut self.visited[source.index()], true) {
                        open.push((source, 0));
                    }
                }
                None => {
                    open.pop();
                    match self.tensors[now.index()].op {
                        Op::None => self.leafs.push(now),
                        _ => self.nodes.push(now),
                    }
                }
            }
        }
    }

    /// The graph, if every view fits into the tensor that it shows. The sizes of a file decide that; ggml ends the process where
    /// the elements of a view do not, and does not look at its strides.
    ///
    /// Source: ggml/src/ggml.c (`ggml_new_tensor_impl`).
    ///
    /// # Errors
    ///
    /// If a view does not fit.
    pub(super) fn checked(self) -> Result<Graph> {
        let outside = self.tensors.iter().find_map(|tensor| {
            let (root, offset) = tensor.view?;
            let bytes = self.get(root).bytes();
            let end = offset.saturating_add(tensor.packed().max(tensor.bytes()));
            (end > bytes).then_some((tensor, end, bytes))
        });
        let Some((tensor, end, bytes)) = outside else { return Ok(self) };
        let place = tensor.layer.map_or_else(String::new, |layer| format!(" in layer {layer}"));
        let message =
            format!("sizes of the file contradict each other: {end} of {bytes} bytes are read{place}");
        Err(Error::new(ErrorKind::Malformed, message).note("llama.cpp does not load such a file"))
    }

    /// Adds a tensor.
    pub(super) fn push(&mut self, tensor: Tensor) -> Id {
        self.tensors.push(tensor);
        Id(self.tensors.len() as u32 - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_follow_the_strides() {
        let mut graph = Graph::default();
        let rows = graph.make(Op::None, GgmlType::Q8_0, [64, 3, 1, 1], &[]);
        assert_eq!(graph.get(rows).bytes(), 3 * 68);
        let column = graph.view_of(Op::View, rows, ([32, 3, 1, 1], [34, 68, 204, 204]), 34, &[rows]);
        assert_eq!(graph.get(column).bytes(), 34 + 2 * 68);
        assert!(!graph.get(column).is_contiguous() && graph.get(rows).is_contiguous());
        let empty = graph.make(Op::None, GgmlType::F32, [8, 0, 1, 1], &[]);
        assert_eq!(graph.get(empty).bytes(), 0);
    }

    #[test]
    fn a_view_out_of_its_tensor_is_an_error() {
        let of = |offset: u64| {
            let mut graph = Graph::default();
            let root = graph.make(Op::Cont, GgmlType::F32, [16, 1, 1, 1], &[]);
            graph.view_of(Op::View, root, ([8, 1, 1, 1], [4, 32, 32, 32]), offset, &[root]);
            graph.checked().map_err(|error| error.message().to_owned())
        };
        assert!(of(32).is_ok());
        assert_eq!(of(36).unwrap_err(), "sizes of the file contradict each other: 68 of 64 bytes are read");
    }

    #[test]
    fn sources_come_first_and_once() {
        let mut graph = Graph::default();
        let ne = [4, 1, 1, 1];
        let x = graph.input("x", GgmlType::F32, ne);
        let y = graph.input("y", GgmlType::F32, ne);
        let sum = graph.make(Op::Add, GgmlType::F32, ne, &[y, x]);
        let twice = graph.make(Op::Mul, GgmlType::F32, ne, &[sum, x]);
        graph.expand(twice);
        graph.expand(sum);
        assert_eq!((&graph.leafs[..], &graph.nodes[..]), (&[y, x][..], &[sum, twice][..]));
    }

    #[test]
    fn views_of_views_have_one_root() {
        let mut graph = Graph::default();
        let root = graph.make(Op::Cont, GgmlType::F32, [16, 1, 1, 1], &[]);
        let half = graph.view_of(Op::View, root, ([8, 1, 1, 1], [4, 32, 32, 32]), 32, &[root]);
        let part = graph.view_of(Op::View, half, ([2, 1, 1, 1], [4, 8, 8, 8]), 8, &[half]);
        assert_eq!(graph.get(part).view, Some((root, 40)));
    }
}
