//! The kinds of files.

use crate::units::Bytes;

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A graph as OpenVINO IR, or another XML document: its reader says what is wrong with it.
    OpenVino,
    /// A graph as ONNX.
    Onnx,
    /// A model for llama.cpp.
    Gguf,
    /// An IR of a tokenizer or a detokenizer, which runs on strings.
    Tokenizer,
    /// What git stores in place of a large file.
    LfsPointer(Pointer),
    /// A page of a web site.
    Html,
    /// A checkpoint of PyTorch.
    PyTorch,
    /// Weights without a graph.
    Safetensors,
    /// A model of TensorFlow Lite.
    TfLite,
    /// A SavedModel's graph.
    SavedModel,
    /// A frozen graph of TensorFlow.
    GraphDef,
    /// A checkpoint of Keras.
    Keras,
    /// One array of NumPy, or an archive of several.
    NumPy,
    /// A zip archive of other files.
    Zip,
    /// An archive or a compressed file of another kind.
    Archive(&'static str),
    /// A picture or a document.
    Document(&'static str),
    /// A JSON file.
    Json,
    /// The weights of the IR next to it.
    Weights,
    /// A file of no bytes.
    Empty,
    /// None of these.
    Unknown,
}

/// What a git-lfs pointer says of the file that it represents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pointer {
    /// The length of the file.
    pub bytes: Option<Bytes>,
    /// Its SHA-256.
    pub sha256: Option<String>,
}

impl Kind {
    /// Whether [`open`](crate::formats::open) reads a graph from it.
    #[must_use]
    pub fn is_model(&self) -> bool {
        matches!(self, Kind::OpenVino | Kind::Onnx | Kind::Gguf)
    }
}
