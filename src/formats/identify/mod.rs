//! What a file or a folder is, by its content: every command asks here before it reads a model.
//!
//! [`identify`] finds the [`Kind`] of a file from its first bytes, for an archive also from the names of its members. A
//! name decides only for ONNX, whose format has no magic number. [`refusal`] is the error for a file that is not a model:
//! what it is, the likely reason, and the command that fixes it. [`Folder`] answers the same for a folder.

mod folder;
mod kind;
mod listing;
mod magic;
mod refusal;
mod sniff;
mod zip;

pub use folder::{Folder, without_model};
pub use kind::{Kind, Pointer};
pub use listing::{graph_files, safetensors};
pub use magic::lfs_pointer;
pub use refusal::refusal;
pub use sniff::identify;
