//! src/formats/onnx/proto.rs is what `proto/onnx.proto` compiles to; `BLESS=1` rewrites it.

use std::fs;
use std::path::Path;

#[test]
fn the_generated_code_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = protox::compile(["onnx.proto"], [root.join("proto")]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut config = prost_build::Config::new();
    config.out_dir(folder.path()).bytes(["."]);
    // Few attributes have one, and all pay for its size.
    for field in ["t", "g", "tp", "sparse_tensor"] {
        config.boxed(format!(".onnx.AttributeProto.{field}"));
    }
    config.compile_fds(schema).unwrap();
    let generated = fs::read_to_string(folder.path().join("onnx.rs")).unwrap();
    let generated = generated.replacen("by prost-build", "by prost-build from proto/onnx.proto", 1);

    let path = root.join("src/formats/onnx/proto.rs");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == generated, "{} is out of date: BLESS=1 cargo test --test onnx", path.display());
}
