//! Wrong files and wrong commands: each row is a mistake that users make, and what the error must say about it.
//!
//! A row makes its files in a folder of its own, in which the program runs; `FIXTURES` in an argument is the folder of the
//! fixtures.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mistake.
struct Row {
    /// Files to make, with what they contain.
    files: &'static [(&'static str, Content)],
    /// The command line.
    args: &'static str,
    /// What standard error must contain.
    says: &'static [&'static str],
}

/// What a file contains.
enum Content {
    Bytes(&'static [u8]),
    /// The file of the fixtures.
    Fixture(&'static str),
    /// The first bytes of the file of the fixtures.
    Start(&'static str, usize),
}

use Content::{Bytes, Fixture, Start};

const POINTER: Content = Bytes(
    b"version https://git-lfs.github.com/spec/v1\n\
      oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345678\n",
);
const HTML: Content = Bytes(b"<!DOCTYPE html>\n<html><head><title>404</title></head></html>");
const ZIP: Content = Bytes(b"PK\x03\x04\x14\0\0\0\0\0model.xmlPK\x05\x06\0\0");
/// The header of a zip archive's entry `a/data.pkl` in its directory.
const TORCH: Content = Bytes(
    b"PK\x03\x04\x14\0PK\x01\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
      \x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0a/data.pkl",
);
const PICKLE: Content = Bytes(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.");
const SAFETENSORS: Content = Bytes(b"\x10\0\0\0\0\0\0\0{\"__metadata__\":{}}");
const TFLITE: Content = Bytes(b"\x1c\0\0\0TFL3\0\0\0\0");
const SAVED_MODEL: Content = Bytes(b"\x08\x01\x12\x04\x0a\x02\x12\x00");
const GRAPH_DEF: Content = Bytes(b"\x0a\x10\x0a\x01x\x12\x0bPlaceholder");
const NPY: Content = Bytes(b"\x93NUMPY\x01\0v\0{'descr': '<f4'}");
const PNG: Content = Bytes(b"\x89PNG\r\n\x1a\n");
const TOKENIZER: Content = Bytes(
    b"<?xml version=\"1.0\"?>\n<net name=\"tokenizer\" version=\"11\"><layers>\
      <layer id=\"0\" name=\"Parameter_1\" type=\"Parameter\" version=\"opset1\"/>\
      <layer id=\"1\" name=\"s\" type=\"StringTensorUnpack\" version=\"extension\"/></layers></net>",
);
const CONFIG: Content = Fixture("minilm-l6-v2-fp16/config.json");

const MINILM_XML: Content = Fixture("minilm-l6-v2-fp16/openvino_model.xml");
const QWEN_XML: Content = Fixture("qwen2.5-0.5b-fp16/openvino_model.xml");
const RESNET_XML: Content = Fixture("resnet50-fp32/openvino_model.xml");
const VIT_XML: Content = Fixture("vit-base-p16-224-fp16/openvino_model.xml");

const XML: &str = "openvino_model.xml";
const BIN: &str = "openvino_model.bin";

const ROWS: &[Row] = &[
    // Files that are not what their names say.
    Row {
        files: &[("m.onnx", POINTER)],
        args: "llm m.onnx 128",
        says: &["git-lfs pointer (11.77 MiB, sha256 4d7a2146…)", "`git -C . lfs pull`"],
    },
    Row { files: &[("m.xml", POINTER)], args: "graph m.xml", says: &["git-lfs pointer", "lfs pull`"] },
    Row {
        files: &[("m/openvino_model.xml", POINTER)],
        args: "llm m 128",
        says: &["git-lfs pointer", "`git -C m lfs pull`"],
    },
    Row { files: &[("m.onnx", POINTER)], args: "quick m.onnx", says: &["git-lfs pointer", "lfs pull`"] },
    Row {
        files: &[(XML, MINILM_XML), (BIN, POINTER)],
        args: "llm . 128",
        says: &["openvino_model.bin is a git-lfs pointer", "lfs pull`"],
    },
    Row {
        files: &[(XML, QWEN_XML), (BIN, POINTER)],
        args: "llm . 128",
        says: &["openvino_model.bin is a git-lfs pointer", "lfs pull`"],
    },
    Row {
        files: &[(XML, RESNET_XML), (BIN, POINTER)],
        args: "graph . --input x=1x3x224x224",
        says: &["openvino_model.bin is a git-lfs pointer"],
    },
    Row {
        files: &[(XML, VIT_XML), (BIN, POINTER)],
        args: "vit . --image 224x224",
        says: &["openvino_model.bin is a git-lfs pointer"],
    },
    Row {
        files: &[(XML, MINILM_XML)],
        args: "llm . 128",
        says: &["openvino_model.bin is missing", "put openvino_model.bin into"],
    },
    Row { files: &[(XML, QWEN_XML)], args: "llm . 128", says: &["openvino_model.bin is missing"] },
    Row {
        files: &[(XML, RESNET_XML)],
        args: "graph . --input x=1x3x224x224",
        says: &["openvino_model.bin is missing"],
    },
    Row { files: &[(XML, VIT_XML)], args: "vit . --image 224x224", says: &["openvino_model.bin is missing"] },
    Row {
        files: &[(XML, MINILM_XML), (BIN, Start("minilm-l6-v2-fp16/openvino_model.bin", 100))],
        args: "llm . 128",
        says: &["openvino_model.bin is truncated: it has 100 bytes"],
    },
    Row {
        files: &[("m.onnx", HTML)],
        args: "llm m.onnx 128",
        says: &["this is an HTML page", "the download failed"],
    },
    Row {
        files: &[("m.onnx", ZIP)],
        args: "llm m.onnx 128",
        says: &["this is a zip archive", "unzip m.onnx"],
    },
    Row {
        files: &[("model.zip", ZIP)],
        args: "graph model.zip",
        says: &["this is a zip archive", "unzip model.zip"],
    },
    Row {
        files: &[("model.pt", TORCH)],
        args: "llm model.pt 128",
        says: &["PyTorch checkpoint", "optimum-cli export openvino"],
    },
    Row {
        files: &[("model.bin", PICKLE)],
        args: "llm model.bin 128",
        says: &["PyTorch checkpoint", "optimum-cli export openvino"],
    },
    Row {
        files: &[("pytorch_model.bin", PICKLE), ("config.json", CONFIG)],
        args: "llm . 128",
        says: &["PyTorch checkpoint", "`optimum-cli export openvino -m . OUT`"],
    },
    Row {
        files: &[("m.tflite", TFLITE)],
        args: "graph m.tflite",
        says: &["TensorFlow Lite", "`ovc m.tflite`"],
    },
    Row { files: &[("m/saved_model.pb", SAVED_MODEL)], args: "graph m", says: &["SavedModel", "`ovc m`"] },
    Row {
        files: &[("m.pb", GRAPH_DEF)],
        args: "graph m.pb",
        says: &["frozen TensorFlow graph", "`ovc m.pb`"],
    },
    Row { files: &[("a.npy", NPY)], args: "graph a.npy", says: &["NumPy"] },
    Row {
        files: &[("model.safetensors", SAFETENSORS), ("config.json", CONFIG)],
        args: "llm model.safetensors 128",
        says: &["safetensors", "optimum-cli export openvino -m ."],
    },
    Row {
        files: &[("model.safetensors", SAFETENSORS), ("config.json", CONFIG)],
        args: "llm . 128",
        says: &[
            "not exported yet",
            "`optimum-cli export openvino -m . OUT`",
            "--profile components",
            "`memgraph quick .`",
        ],
    },
    Row {
        files: &[("openvino_tokenizer.xml", TOKENIZER)],
        args: "llm . 128",
        says: &["holds a tokenizer and no model", "not modelled"],
    },
    Row {
        files: &[("openvino_tokenizer.xml", TOKENIZER)],
        args: "graph openvino_tokenizer.xml",
        says: &["this is a tokenizer"],
    },
    Row {
        files: &[("openvino_tokenizer.xml", TOKENIZER), (XML, MINILM_XML)],
        args: "graph openvino_tokenizer.xml",
        says: &["this is a tokenizer", "give the model: ./openvino_model.xml"],
    },
    Row {
        files: &[("model_index.json", Bytes(b"{}")), ("unet/openvino_model.xml", RESNET_XML)],
        args: "llm . 128",
        says: &["pipeline of several models", "unet"],
    },
    Row {
        files: &[("readme.md", Bytes(b"# x"))],
        args: "dump . --stage graph",
        says: &["this folder holds no model"],
    },
    Row {
        files: &[("a.xml", MINILM_XML), ("b.xml", RESNET_XML)],
        args: "graph .",
        says: &["several models", "a.xml, b.xml"],
    },
    Row { files: &[("a.png", PNG)], args: "quick a.png", says: &["this is a PNG image"] },
    Row { files: &[("m.zip", ZIP)], args: "quick m.zip", says: &["this is a zip archive"] },
    Row {
        files: &[("m.safetensors", SAFETENSORS)],
        args: "quick m.safetensors",
        says: &["this is a safetensors file"],
    },
    Row { files: &[("m.txt", Bytes(b"hello"))], args: "quick m.txt", says: &["no known model format"] },
    // Options that a rule of thumb does not have.
    Row {
        files: &[],
        args: "quick --params 7B --seq 4096",
        says: &["`--seq` has no effect here", "--layers N --hidden N"],
    },
    Row {
        files: &[],
        args: "quick --file-size 4.7GB --seq 8192 --layers 32 --hidden 4096",
        says: &["`--seq` has no effect here", "config.json"],
    },
    Row {
        files: &[],
        args: "quick FIXTURES/qwen2.5-0.5b-fp16 --seq 4k --layers 3 --hidden 9",
        says: &["`--layers` has no effect here"],
    },
    Row { files: &[], args: "quick --params lots", says: &["\"lots\" is not a number"] },
    // The wrong command for a model.
    Row {
        files: &[],
        args: "vit FIXTURES/qwen2.5-0.5b-fp16 128",
        says: &["this is a text model", "`memgraph llm FIXTURES/qwen2.5-0.5b-fp16 SEQ`"],
    },
    Row {
        files: &[],
        args: "vit FIXTURES/minilm-l6-v2-fp16 --image 224x224",
        says: &["this is a text model", "`memgraph llm"],
    },
    Row {
        files: &[],
        args: "llm FIXTURES/onnx/detector 7",
        says: &["no input's shape follows", "memgraph vit"],
    },
    Row { files: &[], args: "vlm FIXTURES/resnet50-fp32 577", says: &["vision"] },
    // Missing and contradicting bindings.
    Row {
        files: &[],
        args: "graph FIXTURES/resnet50-fp32",
        says: &["--bind batch=1 --bind height=224 --bind width=224", "--input x=1x3x224x224"],
    },
    Row {
        files: &[],
        args: "vit FIXTURES/vit-base-p16-224-fp16",
        says: &["SEQ or `--image WxH` is needed", "--image 224x224"],
    },
    Row {
        files: &[],
        args: "llm FIXTURES/qwen2.5-0.5b-fp16 128 --input input_ids=2x64",
        says: &["`--input input_ids=2x64` contradicts batch 1 and SEQ 128"],
    },
    Row {
        files: &[],
        args: "graph FIXTURES/resnet50-fp32 --bind height=224 width=224",
        says: &["tip: each pair needs its own option", "`--bind width=224`"],
    },
    Row {
        files: &[],
        args: "llm FIXTURES/minilm-l6-v2-fp16 1024",
        says: &["the model takes at most 512 tokens, and the run has 1024", "give 512 tokens or fewer"],
    },
    // Numbers.
    Row {
        files: &[],
        args: "llm FIXTURES/qwen2.5-0.5b-fp16 1e3",
        says: &["\"1e3\" is not a number", "4k (4096)"],
    },
    Row {
        files: &[],
        args: "llm FIXTURES/qwen2.5-0.5b-fp16 128 --bind seq=abc",
        says: &["\"abc\" is not a number"],
    },
    Row {
        files: &[],
        args: "llm FIXTURES/qwen2.5-0.5b-fp16 128 --threads abc",
        says: &["\"abc\" is not a number"],
    },
    Row { files: &[], args: "plan p.csv --time-limit soon", says: &["\"soon\" is not a number of seconds"] },
    Row { files: &[], args: "plan p.csv --capacity 3XB", says: &["\"3XB\" is not a size", "16GiB"] },
    // Numbers whose bytes leave 64 bits.
    Row {
        files: &[],
        args: "quick --params 7B --seq 1000000 --layers 1000000 --hidden 1000000 --batch 1000000",
        says: &["the KV cache exceeds 2^64 bytes", "give smaller numbers"],
    },
    Row {
        files: &[],
        args: "quick FIXTURES/qwen2.5-0.5b-fp16 --seq 9223372036854775807 --batch 1000",
        says: &["the KV cache exceeds 2^64 bytes"],
    },
    Row {
        files: &[],
        args: "llm FIXTURES/qwen2.5-0.5b-fp16 9223372036854775807 --profile components",
        says: &["the total of the component formulas exceeds 2^64 bytes"],
    },
    Row {
        files: &[],
        args: "vlm FIXTURES/qwen2.5-vl-3b-v8-L4-fp16 4611686018427387904 --profile components",
        says: &["the total of the component formulas exceeds 2^64 bytes"],
    },
    // Names.
    Row { files: &[], args: "lm x 128", says: &["tip: a similar subcommand exists: 'llm'"] },
    Row {
        files: &[],
        args: "llm x 128 --profile cpu",
        says: &["tip: a similar value exists: 'openvino-cpu'"],
    },
    Row {
        files: &[],
        args: "llm x 128 --profile openvino",
        says: &["tip: a similar value exists: 'openvino-cpu'"],
    },
    Row {
        files: &[],
        args: "llm FIXTURES/qwen2.5-0.5b-fp16 128 --profile onnxruntime-cpu",
        says: &["does not load", "openvino-cpu"],
    },
    Row {
        files: &[],
        args: "llm FIXTURES/onnx/generator 128 --xmx no",
        says: &["`--xmx` has no effect under profile onnxruntime-cpu", "openvino-gpu"],
    },
    // Outputs.
    Row {
        files: &[],
        args: "vlm FIXTURES/qwen2.5-vl-3b-v8-L4-fp16 1024 --svg a.svg --chart arena",
        says: &["a pipeline has no arena chart", "--part"],
    },
    Row {
        files: &[],
        args: "llm FIXTURES/qwen2.5-0.5b-fp16 128 --json - --csv -",
        says: &["`--json -` and `--csv -` both write to standard output"],
    },
    Row {
        files: &[],
        args: "llm FIXTURES/qwen2.5-0.5b-fp16 128 --json - --svg -",
        says: &["both write to standard output"],
    },
];

#[test]
fn every_mistake_is_explained() {
    let faults: Vec<String> = ROWS.iter().filter_map(fault).collect();
    assert!(faults.is_empty(), "{} of {} rows:\n{}", faults.len(), ROWS.len(), faults.join("\n"));
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// What is wrong with the answer to a row's mistake.
fn fault(row: &Row) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in row.files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let whole = |name: &str| fs::read(fixtures().join(name)).unwrap();
        let bytes = match content {
            Bytes(bytes) => bytes.to_vec(),
            Fixture(name) => whole(name),
            Start(name, length) => whole(name)[..*length].to_vec(),
        };
        fs::write(path, bytes).unwrap();
    }
    let root = fixtures().display().to_string();
    let args = row.args.split(' ').map(|arg| arg.replace("FIXTURES", &root));
    let output = Command::new(env!("CARGO_BIN_EXE_memgraph")).args(args).current_dir(folder.path()).output();
    let output = output.unwrap();
    let text = String::from_utf8(output.stderr).unwrap().replace(&root, "FIXTURES");
    let missing: Vec<&&str> = row.says.iter().filter(|part| !text.contains(**part)).collect();
    let is_silent = output.stdout.is_empty();
    let is_fine = missing.is_empty() && output.status.code() == Some(2) && is_silent;
    (!is_fine).then(|| {
        let status = output.status.code();
        format!("`memgraph {}`: status {status:?}, without {missing:?}, says\n{text}", row.args)
    })
}

#[test]
fn a_pointer_as_external_data_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let model = fixtures().join("onnx/embedder/model.onnx");
    fs::copy(model, folder.path().join("model.onnx")).unwrap();
    let Bytes(pointer) = POINTER else { panic!("a pointer is bytes") };
    let external = external_data(&folder.path().join("model.onnx"));
    fs::write(folder.path().join(external), pointer).unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_memgraph"));
        command.args(args).args(["--bind", "batch=1", "--bind", "sequence=64", "--json", "-"]);
        let output = command.current_dir(folder.path()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (status, text) = run(&["graph", "."]);
    assert_eq!(status, Some(0));
    assert!(text.contains("is a git-lfs pointer, not the weights"), "{text}");
}

#[test]
fn a_length_over_the_limit_is_a_warning() {
    let model = fixtures().join("qwen2.5-0.5b-fp16").display().to_string();
    let run = |length: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_memgraph"))
            .args(["llm", &model, length, "-q"])
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(run("32k"), (Some(0), String::new()));
    let (status, text) = run("32_769");
    assert_eq!(status, Some(0));
    assert!(text.starts_with("warning: the run has 32769 tokens"), "{text}");
}

/// The name of the first file of external data of a model.
fn external_data(model: &Path) -> String {
    let graph = memgraph::formats::open(model).unwrap();
    let file = graph.weight_files().iter().find(|file| file.path != model).unwrap();
    file.path.file_name().unwrap().to_string_lossy().into_owned()
}

/// A pipe without a writer would be waited for.
#[cfg(unix)]
#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wrong-files-pipe");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    fs::copy(fixtures().join("resnet50-fp32/openvino_model.xml"), folder.join("m.xml")).unwrap();
    let rows = [
        ("model.onnx", "llm model.onnx 5"),
        ("model.xml", "graph model.xml"),
        ("model.gguf", "llm model.gguf 5"),
        ("config.json", "quick config.json"),
        ("sizes.json", "graph m.xml --config sizes.json"),
        ("p.csv", "plan p.csv"),
        ("plan.csv", "verify plan.csv"),
        ("memgraph.toml", "check memgraph.toml"),
        ("old.json", "diff old.json old.json"),
        ("deployment.toml", "fit deployment.toml"),
        ("catalog.toml", "pick catalog.toml --budget 1GiB"),
    ];
    let run = |name: &str, args: &str| {
        assert!(Command::new("mkfifo").arg(folder.join(name)).status().unwrap().success());
        let mut command = Command::new(env!("CARGO_BIN_EXE_memgraph"));
        let output = command.args(args.split(' ')).current_dir(&folder).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (name, args) in rows {
        let (status, text) = run(name, args);
        assert_eq!(status, Some(2), "{args}: {text}");
        assert!(text.contains("not a regular file"), "{args}: {text}");
    }
    // Weights that are not a file are missing.
    fs::remove_file(folder.join("config.json")).unwrap();
    let (status, text) = run("m.bin", "graph m.xml --input x=1x3x224x224 -q");
    assert!(status == Some(2) && text.contains("m.bin is missing"), "{text}");
}

/// A model must not choose which files are opened.
#[cfg(unix)]
#[test]
fn weights_outside_of_the_folder_are_refused() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::copy(fixtures().join("resnet50-fp32/openvino_model.xml"), folder.path().join("m.xml")).unwrap();
    fs::write(other.path().join("m.bin"), b"weights").unwrap();
    std::os::unix::fs::symlink(other.path().join("m.bin"), folder.path().join("m.bin")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_memgraph"));
    let output = command.args(["graph", "m.xml"]).current_dir(folder.path()).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("the weights are outside of the model's folder"), "{text}");
    assert!(text.contains("it is a link to") && text.contains("copy the weights"), "{text}");
}
