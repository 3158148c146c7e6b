//! The ONNX reader, on models that another implementation of the format encodes, and on damaged ones.

#![cfg(feature = "onnx")]
mod big;
mod encode;
mod hostile;
mod onnxruntime;
mod operators;
mod reader;
mod schema;
