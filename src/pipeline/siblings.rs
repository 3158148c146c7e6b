//! Exports of fewer bits next to a model, by the usual names.

use std::path::{Path, PathBuf};

/// Words of names that represent floats.
const FLOATS: [&str; 5] = ["fp32", "fp16", "bf16", "f32", "f16"];
/// What may be in their place, the smallest last, and what the export is called.
const INTEGERS: [(&str, &str); 4] =
    [("int8", "INT8"), ("int4", "INT4"), ("int4sym", "INT4"), ("int4asym", "INT4")];
/// Ends of the names of quantized ONNX files.
const ENDS: [(&str, &str); 4] =
    [("_int8", "INT8"), ("_quantized", "INT8"), ("_uint8", "INT8"), ("_q4", "INT4")];

/// The exports, the smallest first, and what to do with each.
#[must_use]
pub(crate) fn of(model: &Path) -> Vec<(PathBuf, String)> {
    let mut found: Vec<(PathBuf, String)> =
        names(model).into_iter().filter(|(path, _)| path != model && path.exists()).collect();
    found.reverse();
    found
}

fn names(model: &Path) -> Vec<(PathBuf, String)> {
    let advice = |kind: &str| format!("use the {kind} export next to it");
    let (folder, file) =
        if model.is_dir() { (Some(model), None) } else { (model.parent(), model.file_name()) };
    let mut found = Vec::new();
    if let Some((folder, name)) = folder.and_then(|folder| Some((folder, folder.file_name()?.to_str()?))) {
        let floats = FLOATS.iter().find(|word| name.contains(*word));
        for (word, kind) in
            floats.iter().flat_map(|float| INTEGERS.map(|(word, kind)| (name.replace(**float, word), kind)))
        {
            let path = folder.with_file_name(word);
            found.push((file.map_or(path.clone(), |file| path.join(file)), advice(kind)));
        }
    }
    let stem = model.file_stem().and_then(|stem| stem.to_str()).filter(|_| file.is_some());
    if let Some((stem, end)) = stem.zip(model.extension().and_then(|end| end.to_str())) {
        found.extend(
            ENDS.map(|(tail, kind)| (model.with_file_name(format!("{stem}{tail}.{end}")), advice(kind))),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_of_fewer_bits_have_the_usual_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["tiny-fp16", "tiny-int8", "tiny-int4", "other-int8"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        let found = of(&path("tiny-fp16"));
        let expected = [("tiny-int4", "INT4"), ("tiny-int8", "INT8")];
        let expected = expected.map(|(name, kind)| (path(name), format!("use the {kind} export next to it")));
        assert_eq!(found, expected);
        assert_eq!(of(&path("tiny-int4")), []);
        for name in ["tiny-fp16/model.onnx", "tiny-fp16/model_q4.onnx"] {
            std::fs::write(path(name), "").unwrap();
        }
        assert_eq!(of(&path("tiny-fp16/model.onnx"))[0].0, path("tiny-fp16/model_q4.onnx"));
    }
}
