//! The GGUF reader: what a header gives, and hostile files: an error that says where, or a graph; never a panic.

#![cfg(feature = "gguf")]

use memgraph::Result;
use memgraph::dtype::GgmlType;
use memgraph::formats::{self, gguf};
use memgraph::graph::{Graph, Setting};
use std::path::Path;

const U32: u32 = 4;
const BOOL: u32 = 7;
const TEXT: u32 = 8;
const LIST: u32 = 9;

fn text(words: &str) -> Vec<u8> {
    [&(words.len() as u64).to_le_bytes(), words.as_bytes()].concat()
}

fn setting(name: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [&text(name), &kind.to_le_bytes()[..], value].concat()
}

fn tensor(name: &str, dims: &[u64], kind: u32, offset: u64) -> Vec<u8> {
    let dims_bytes = dims.iter().flat_map(|dim| dim.to_le_bytes()).collect::<Vec<u8>>();
    let rank = (dims.len() as u32).to_le_bytes();
    [&text(name), &rank[..], &dims_bytes, &kind.to_le_bytes(), &offset.to_le_bytes()].concat()
}

fn file(version: u32, settings: &[Vec<u8>], tensors: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(version.to_le_bytes());
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend((settings.len() as u64).to_le_bytes());
    bytes.extend(settings.concat());
    bytes.extend(tensors.concat());
    bytes
}

fn small(version: u32) -> Vec<u8> {
    let tokens = [&TEXT.to_le_bytes()[..], &2_u64.to_le_bytes(), &text("a"), &text("bcd")].concat();
    let pattern = [&BOOL.to_le_bytes()[..], &3_u64.to_le_bytes(), &[1, 0, 1]].concat();
    file(
        version,
        &[
            setting("general.architecture", TEXT, &text("llama")),
            setting("llama.block_count", U32, &7_u32.to_le_bytes()),
            setting("tokenizer.ggml.tokens", LIST, &tokens),
            setting("llama.pattern", LIST, &pattern),
        ],
        &[
            tensor("token_embd.weight", &[256, 10], GgmlType::Q4K.id(), 0),
            tensor("norm.weight", &[256], GgmlType::F32.id(), 1440),
        ],
    )
}

fn read(bytes: &[u8]) -> Result<Graph> {
    gguf::parse(bytes, Path::new("hostile.gguf"))
}

fn fault(bytes: &[u8]) -> String {
    let error = read(bytes).expect_err("the file is broken");
    assert!(error.location().position.is_some(), "{error}");
    error.to_string()
}

#[test]
fn a_file_cut_behind_its_header_is_read() {
    for version in [2, 3] {
        let graph = read(&small(version)).unwrap();
        let stored = graph.stored().unwrap();
        assert_eq!(stored.text("general.architecture"), Some("llama"));
        assert_eq!(stored.integer("llama.block_count"), Some(7));
        assert_eq!(stored.list("tokenizer.ggml.tokens"), Some((2, 4)));
        assert_eq!(stored.settings["llama.pattern"], Setting::Numbers(vec![1.0, 0.0, 1.0]));
        let [embedding, norm] = &stored.tensors[..] else { panic!("two tensors") };
        assert_eq!(
            (embedding.dtype, embedding.dims, embedding.bytes()),
            (GgmlType::Q4K, [256, 10, 1, 1], 1440)
        );
        assert_eq!(norm.range.offset - embedding.range.offset, 1440);
        assert_eq!(embedding.range.offset % 32, 0);
        assert_eq!(graph.nodes().len(), 2);
    }
}

#[test]
fn versions_that_llama_cpp_refuses_are_refused() {
    assert!(fault(&small(1)).contains("GGUF version 1, which llama.cpp no longer reads"));
    assert!(fault(&small(3_u32.swap_bytes())).contains("big-endian"));
    assert!(fault(&small(4)).contains("version 4"));
}

#[test]
fn contradictions_are_named() {
    let of = |tensors: &[Vec<u8>]| fault(&file(3, &[], tensors));
    assert!(of(&[tensor("a", &[100], GgmlType::Q8_0.id(), 0)]).contains("not whole blocks of 32"));
    assert!(of(&[tensor("a", &[u64::MAX, 8], 0, 0)]).contains("too large"));
    assert!(of(&[tensor("a", &[1; 5], 0, 0)]).contains("5 dims"));
    assert!(of(&[tensor("a", &[1], 4, 0)]).contains("type 4"));
    assert!(of(&[tensor("a", &[1], 0, 3)]).contains("not a multiple of 32"));
    assert!(of(&[tensor("a", &[1], 0, 0), tensor("a", &[1], 0, 0)]).contains("two tensors are named \"a\""));
    let twice = [setting("x", U32, &[0; 4]), setting("x", U32, &[0; 4])];
    assert!(fault(&file(3, &twice, &[])).contains("two settings are named \"x\""));
    let odd = setting("general.alignment", U32, &12_u32.to_le_bytes());
    assert!(fault(&file(3, &[odd], &[])).contains("power of 2"));
    let mut many = file(3, &[], &[]);
    many[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(fault(&many).contains("over the limit"));
}

#[test]
fn parts_of_a_split_model_are_one_graph() {
    let folder = tempfile::tempdir().unwrap();
    let part = |number: u32, tensors: &[Vec<u8>]| {
        let settings = [
            setting("split.no", 2, &(number as u16).to_le_bytes()),
            setting("split.count", 2, &2_u16.to_le_bytes()),
        ];
        let path = folder.path().join(format!("m-{:05}-of-00002.gguf", number + 1));
        std::fs::write(&path, file(3, &settings, tensors)).unwrap();
        path
    };
    let first = part(0, &[tensor("a", &[8], 0, 0)]);
    assert!(formats::open(&first).unwrap_err().is_io());
    let second = part(1, &[tensor("b", &[8], 0, 0)]);
    let graph = formats::open(&first).unwrap();
    let files: Vec<u32> = graph.stored().unwrap().tensors.iter().map(|tensor| tensor.range.file).collect();
    assert_eq!(files, [0, 1]);
    let error = formats::open(&second).unwrap_err().to_string();
    assert!(error.contains("m-00001-of-00002.gguf"), "{error}");
}

#[test]
fn truncated_anywhere() {
    let document = small(3);
    for end in 0..document.len() {
        fault(&document[..end]);
    }
    assert!(read(&document).is_ok());
}

fn check(document: &[u8]) {
    if let Err(error) = read(document) {
        assert!(error.location().file.is_some(), "{error}");
    }
}

#[test]
fn any_byte_flipped() {
    let mut document = small(3);
    for index in 0..document.len() {
        let original = document[index];
        for flipped in [0xff, original ^ 1, 0, original.wrapping_add(128)] {
            document[index] = flipped;
            check(&document);
        }
        document[index] = original;
    }
}

#[test]
fn random_damage() {
    arbtest::arbtest(|source| {
        let mut document = small(3);
        for _ in 0..source.int_in_range(1..=4)? {
            let start = source.choose_index(document.len())?;
            let end = source.int_in_range(start..=document.len().min(start + 40))?;
            if source.arbitrary()? {
                let copy = document[start..end].to_vec();
                let at = source.choose_index(document.len())?;
                document.splice(at..at, copy);
            } else {
                for byte in &mut document[start..end] {
                    *byte = source.arbitrary()?;
                }
            }
        }
        check(&document);
        Ok(())
    })
    .budget_ms(500);
}
