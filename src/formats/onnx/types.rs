//! Element types, shapes and symbolic dims, from ONNX's words to ours.

use super::proto::tensor_shape_proto::dimension::Value as DimValue;
use super::proto::type_proto::Value as TypeValue;
use super::proto::{TensorShapeProto, TypeProto};
use crate::DType;
use crate::formats::limits;
use crate::graph::{Dim, PartialShape};

/// The element type of this number of `TensorProto.DataType`.
///
/// The FNUZ forms of eight-bit floats differ in what the bits mean, not in how many there are.
pub(super) fn dtype(number: i32) -> Option<DType> {
    Some(match number {
        1 => DType::F32,
        2 => DType::U8,
        3 => DType::I8,
        4 => DType::U16,
        5 => DType::I16,
        6 => DType::I32,
        7 => DType::I64,
        8 => DType::String,
        9 => DType::Boolean,
        10 => DType::F16,
        11 => DType::F64,
        12 => DType::U32,
        13 => DType::U64,
        14 => DType::Complex64,
        15 => DType::Complex128,
        16 => DType::BF16,
        17 | 18 => DType::F8E4M3,
        19 | 20 => DType::F8E5M2,
        21 => DType::U4,
        22 => DType::I4,
        23 => DType::F4E2M1,
        24 => DType::F8E8M0,
        25 => DType::U2,
        26 => DType::I2,
        27 => DType::F6E2M3,
        28 => DType::F6E3M2,
        _ => return None,
    })
}

/// What a file declares of a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Declared {
    pub dtype: Option<DType>,
    pub shape: PartialShape,
    /// Names of symbolic dims, separated by commas; empty if there are none.
    pub symbols: String,
}

/// Reads a type. A sequence, an optional or a map is declared by its elements' type, with a shape of unknown rank: how
/// many elements there are is known only in the run.
pub(super) fn declared(proto: Option<&TypeProto>) -> Declared {
    match proto.and_then(|proto| proto.value.as_ref()) {
        Some(TypeValue::TensorType(tensor)) => of_tensor(tensor.elem_type, tensor.shape.as_ref()),
        Some(TypeValue::SparseTensorType(tensor)) => of_tensor(tensor.elem_type, tensor.shape.as_ref()),
        // An optional that is there is its element.
        Some(TypeValue::OptionalType(optional)) => declared(optional.elem_type.as_deref()),
        Some(TypeValue::SequenceType(sequence)) => {
            Declared { dtype: declared(sequence.elem_type.as_deref()).dtype, ..Declared::default() }
        }
        Some(TypeValue::MapType(map)) => {
            Declared { dtype: declared(map.value_type.as_deref()).dtype, ..Declared::default() }
        }
        Some(TypeValue::OpaqueType(_)) | None => Declared::default(),
    }
}

fn of_tensor(elem_type: i32, shape: Option<&TensorShapeProto>) -> Declared {
    let dtype = dtype(elem_type);
    let Some(shape) = shape.filter(|shape| shape.dim.len() <= limits::MAX_RANK) else {
        return Declared { dtype, ..Declared::default() };
    };
    let mut symbols = String::new();
    let mut has_symbol = false;
    let mut dims = smallvec::SmallVec::new();
    for (index, dim) in shape.dim.iter().enumerate() {
        if index > 0 {
            symbols.push(',');
        }
        dims.push(match &dim.value {
            // A negative dim represents an unknown one in some exports.
            Some(DimValue::DimValue(size)) => u64::try_from(*size).map_or(Dim::ANY, Dim::known),
            Some(DimValue::DimParam(name)) => {
                let name = std::str::from_utf8(name).unwrap_or_default();
                has_symbol |= !name.is_empty();
                symbols.extend(name.chars().map(|letter| if letter == ',' { ';' } else { letter }));
                Dim::ANY
            }
            None => Dim::ANY,
        });
    }
    Declared {
        dtype,
        shape: PartialShape { dims: Some(dims) },
        symbols: if has_symbol { symbols } else { String::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::super::proto::tensor_shape_proto::Dimension;
    use super::super::proto::type_proto::{Sequence, Tensor};
    use super::*;

    fn dim(value: DimValue) -> Dimension {
        Dimension { value: Some(value) }
    }

    fn tensor(dims: Vec<Dimension>) -> TypeProto {
        let shape = Some(TensorShapeProto { dim: dims });
        TypeProto { value: Some(TypeValue::TensorType(Tensor { elem_type: 1, shape })) }
    }

    #[test]
    fn symbols_stand_beside_their_dims() {
        let dims = vec![
            dim(DimValue::DimParam("batch".into())),
            dim(DimValue::DimValue(3)),
            Dimension::default(),
            dim(DimValue::DimParam("a,b".into())),
            dim(DimValue::DimValue(-1)),
        ];
        let declared = declared(Some(&tensor(dims)));
        assert_eq!(declared.shape.to_string(), "[?,3,?,?,?]");
        assert_eq!(declared.symbols, "batch,,,a;b,");
        assert_eq!(declared.dtype, Some(DType::F32));
    }

    #[test]
    fn known_dims_have_no_symbols() {
        let declared = declared(Some(&tensor(vec![dim(DimValue::DimValue(3)), dim(DimValue::DimValue(4))])));
        assert_eq!(
            (declared.shape.as_known().unwrap().as_slice(), declared.symbols.as_str()),
            (&[3, 4][..], "")
        );
    }

    #[test]
    fn a_sequence_has_its_elements_type_and_no_rank() {
        let elem_type = Some(Box::new(tensor(Vec::new())));
        let sequence = TypeProto { value: Some(TypeValue::SequenceType(Box::new(Sequence { elem_type }))) };
        let declared = declared(Some(&sequence));
        assert_eq!((declared.dtype, declared.shape), (Some(DType::F32), PartialShape::any()));
    }

    #[test]
    fn every_number_of_the_format_has_a_type() {
        assert!((1..=28).all(|number| dtype(number).is_some()));
        assert_eq!((dtype(0), dtype(29), dtype(-1)), (None, None, None));
    }
}
