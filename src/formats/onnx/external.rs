//! Files that hold a model's tensors: the model itself, and external data next to it.
//!
//! External data is named relative to the model's folder. A path out of that folder, by its root, by `..` or by a
//! symbolic link, is refused, but for links within a model's folder of a cache ([`file::place`]). A file that does not
//! exist is fine: its tensors have sizes and no values.
//!
//! Source: <https://onnx.ai/onnx/repo-docs/ExternalData.html>.

use super::proto::StringStringEntryProto;
use crate::error::{Error, ErrorKind, Result};
use crate::formats::file::{self, Place};
use crate::formats::identify::lfs_pointer;
use crate::formats::mapping::Mapping;
use crate::graph::{WeightFile, WeightRange};
use rustc_hash::FxHashMap;
use std::path::{Component, Path, PathBuf};

/// The files of one model; the model itself is number 0.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    files: Vec<WeightFile>,
    mappings: Vec<Option<Mapping>>,
    by_location: FxHashMap<String, u32>,
}

impl Files {
    /// Only the model itself, of `len` bytes.
    pub(super) fn new(model: &Path, len: u64) -> Files {
        Files {
            folder: model
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty())
                .unwrap_or(Path::new("."))
                .to_owned(),
            files: vec![WeightFile { path: model.to_owned(), len: Some(len), is_pointer: false }],
            mappings: vec![None],
            by_location: FxHashMap::default(),
        }
    }

    /// All files so far, in the order of their numbers.
    pub(super) fn list(&self) -> &[WeightFile] {
        &self.files
    }

    /// The place of the external data that `entries` describe; `needed` bytes of it, if it does not say how many.
    ///
    /// # Errors
    ///
    /// If the path leads out of the folder, or the range is none.
    pub(super) fn range(
        &mut self,
        entries: &[StringStringEntryProto],
        needed: Option<u64>,
    ) -> Result<WeightRange> {
        let entry =
            |name: &str| entries.iter().find(|entry| entry.key == name.as_bytes()).map(|entry| &entry.value);
        let number = |name: &str| {
            let Some(value) = entry(name) else { return Ok(None) };
            let parsed =
                std::str::from_utf8(value).ok().and_then(|value| value.trim_ascii().parse::<u64>().ok());
            parsed.map(Some).ok_or_else(|| {
                let value = String::from_utf8_lossy(value.get(..value.len().min(40)).unwrap_or_default());
                malformed(format!("`{name}` of external data must be a number of bytes, and is \"{value}\""))
            })
        };
        let location = entry("location").ok_or_else(|| malformed("external data has no `location`"))?;
        let location = std::str::from_utf8(location)
            .map_err(|_| malformed("`location` of external data is not UTF-8"))?;
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        let size = length.or(needed).unwrap_or(0);
        if offset.checked_add(size).is_none() {
            return Err(malformed(format!("external data ends beyond 2^64: offset {offset}, length {size}")));
        }
        Ok(WeightRange { file: self.file(location)?, offset, size })
    }

    /// The bytes of a range of external data; `None` where the file is missing, too short, or a git-lfs pointer.
    pub(super) fn bytes(&self, range: WeightRange) -> Option<&[u8]> {
        let mapping = self.mappings.get(range.file as usize)?.as_ref()?;
        let start = usize::try_from(range.offset).ok()?;
        let end = usize::try_from(range.offset.saturating_add(range.size)).ok()?;
        mapping.bytes().get(start..end)
    }

    fn file(&mut self, location: &str) -> Result<u32> {
        if let Some(&number) = self.by_location.get(location) {
            return Ok(number);
        }
        let relative = Path::new(location);
        let is_plain = |component| matches!(component, Component::Normal(_) | Component::CurDir);
        // A backslash or a drive is part of a name here, and a path elsewhere.
        if location.is_empty() || location.contains(['\\', '\0']) || !relative.components().all(is_plain) {
            return Err(outside(location, "it is not a path within the folder"));
        }
        let path = self.folder.join(relative);
        let model = self.files.first().map_or(Path::new(""), |model| &model.path);
        if let Place::Outside(real) = file::place(model, &path)? {
            return Err(outside(location, &format!("it is a link to {}", real.display())));
        }
        let len = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file).map(|data| data.len());
        let mapping = len.map(|_| Mapping::open(&path)).transpose()?;
        let is_pointer = mapping.as_ref().is_some_and(|found| lfs_pointer(found.bytes()).is_some());
        let number = self.files.len() as u32;
        self.files.push(WeightFile { path, len: len.filter(|_| !is_pointer), is_pointer });
        self.mappings.push(mapping.filter(|_| !is_pointer));
        self.by_location.insert(location.to_owned(), number);
        Ok(number)
    }
}

#[cold]
fn outside(location: &str, why: &str) -> Error {
    let location: String = location.chars().take(200).collect();
    Error::new(
        ErrorKind::Malformed,
        format!("external data at {location:?} is outside of the model's folder"),
    )
    .note(why.to_owned())
    .help("put the data next to the model, and name it by its file name")
}

#[cold]
fn malformed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Malformed, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(pairs: &[(&str, &str)]) -> Vec<StringStringEntryProto> {
        let entry = |&(key, value): &(&str, &str)| StringStringEntryProto {
            key: key.to_owned().into(),
            value: value.to_owned().into(),
        };
        pairs.iter().map(entry).collect()
    }

    fn at(folder: &Path, pairs: &[(&str, &str)]) -> Result<WeightRange> {
        Files::new(&folder.join("m.onnx"), 0).range(&entries(pairs), Some(8))
    }

    #[test]
    fn ranges_are_read_and_files_numbered_once() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("m.data"), [1, 2, 3, 4]).unwrap();
        let mut files = Files::new(&folder.path().join("m.onnx"), 0);
        let range =
            files.range(&entries(&[("location", "m.data"), ("offset", "1"), ("length", "2")]), None).unwrap();
        assert_eq!(range, WeightRange { file: 1, offset: 1, size: 2 });
        assert_eq!(files.bytes(range), Some(&[2, 3][..]));
        let whole = files.range(&entries(&[("location", "m.data")]), Some(8)).unwrap();
        assert_eq!(whole, WeightRange { file: 1, offset: 0, size: 8 });
        assert_eq!(files.bytes(whole), None);
        let missing = files.range(&entries(&[("location", "other")]), Some(8)).unwrap();
        assert_eq!((missing.file, files.list()[2].len, files.bytes(missing)), (2, None, None));
    }

    #[test]
    fn a_pointer_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 16\n";
        std::fs::write(folder.path().join("m.data"), pointer).unwrap();
        let mut files = Files::new(&folder.path().join("m.onnx"), 0);
        let range = files.range(&entries(&[("location", "m.data")]), Some(8)).unwrap();
        assert_eq!((files.bytes(range), files.list()[1].is_pointer, files.list()[1].len), (None, true, None));
    }

    #[test]
    fn paths_out_of_the_folder_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for location in ["/etc/passwd", "../m.data", "a/../../m.data", "..", "a\\..\\b", ""] {
            let error = at(folder.path(), &[("location", location)]).unwrap_err().to_string();
            assert!(error.contains("outside of the model's folder"), "{error}");
        }
        assert!(at(folder.path(), &[("location", "./a/b.data")]).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn links_out_of_the_folder_are_refused() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(other.path().join("secret"), "x").unwrap();
        std::fs::write(folder.path().join("real"), "x").unwrap();
        std::os::unix::fs::symlink(other.path().join("secret"), folder.path().join("out")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("real"), folder.path().join("in")).unwrap();
        std::os::unix::fs::symlink(other.path(), folder.path().join("folder")).unwrap();
        assert!(
            at(folder.path(), &[("location", "out")]).unwrap_err().to_string().contains("it is a link to")
        );
        assert!(at(folder.path(), &[("location", "folder/secret")]).is_err());
        assert!(at(folder.path(), &[("location", "in")]).is_ok());
    }

    #[test]
    fn numbers_that_are_none_are_faults() {
        let folder = Path::new("none");
        assert!(at(folder, &[]).unwrap_err().message().contains("no `location`"));
        let error = at(folder, &[("location", "a"), ("offset", "-1")]).unwrap_err();
        assert!(
            error.message().contains("`offset` of external data must be a number of bytes, and is \"-1\"")
        );
        let end = u64::MAX.to_string();
        assert!(
            at(folder, &[("location", "a"), ("offset", &end)]).unwrap_err().message().contains("beyond 2^64")
        );
    }
}
