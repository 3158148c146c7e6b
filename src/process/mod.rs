//! Models of allocators that several runtimes use.
//!
//! No rule of a runtime is here: a runtime says what is allocated and freed, and a model says where it is and what of it
//! is resident.

mod glibc_heap;

pub(crate) use glibc_heap::{GlibcHeap, Object, SplitRemainder, Start};
